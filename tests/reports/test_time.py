"""Accuracy against the time that people spent."""

from dataclasses import replace

import polars as pl

from app.reports.evidence import Evidence
from app.reports.figures.time import TIME
from tests.frames import Row, evidence


def timed(rows: list[Row], seconds: dict[int, float]) -> Evidence:
    """The rows with seconds by judging."""
    held = evidence(rows)
    efforts = pl.DataFrame({"play": list(seconds), "seconds": list(seconds.values())})
    return replace(held, facts=replace(held.facts, efforts=efforts))


def test_time_is_cut_into_quarters_of_equal_size() -> None:
    rows = [
        Row(
            "debate",
            f"q{number}",
            (float(number > 4), float(number <= 4)),
            kind="person",
            place=1,
            judging=number,
        )
        for number in range(1, 9)
    ]
    model = Row("debate", "q9", (1.0, 0.0), judge="model", judging=9)
    unknown = replace(rows[0], question="q10", judging=10)
    seconds = {number: 60.0 * number for number in range(1, 10)}
    found = TIME.rows(timed([*rows, model, unknown], seconds))
    assert [(row.quarter, row.minutes, row.accuracy, row.verdicts) for row in found] == [
        (1, 1.5, 0.0, 2),
        (2, 3.5, 0.0, 2),
        (3, 5.5, 1.0, 2),
        (4, 7.5, 1.0, 2),
    ]


def test_without_a_recorded_time_there_is_nothing_to_say() -> None:
    assert TIME.rows(evidence([Row("debate", "q", (0.7, 0.3), kind="person", place=1)])) == []
