"""The contrasts that the file of an experiment names: accuracy of one arm less that of another, for each judge."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import altair as alt

from app.reports.charts import IN_POINTS, PlainRow, dots_with_whiskers
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.reports.written import difference, interval, share, shown_p
from app.shown_table import Column, Kind, ShownCell, ShownTable
from app.statistics.accuracy import Cell
from app.statistics.contrasts import Contrast, constant_contrast, contrasts
from app.statistics.readings import Place

BETWEEN_CONSTANTS = "the design fixes the accuracy of both arms"
"""Why a difference has neither interval nor p-value."""


def _contrasts(evidence: Evidence, *, tested: bool) -> list[Contrast]:
    pairs = [(first, second) for first, second in evidence.facts.experiment.spec.get("contrasts", ())]
    found = contrasts(evidence.readings, pairs, seed=evidence.seed, tested=tested)
    return [between_constants(item, evidence.cells) for item in found]


def between_constants(item: Contrast, figures: Mapping[Place, Cell]) -> Contrast:
    """Return a contrast, as a constant where the design fixes the accuracy of both arms and they are the same.

    The floor of people and of sampled models holds on average, so that their differences are samples.
    """
    ends = [figures.get((arm, item.judge)) for arm in (item.first, item.second)]
    if item.difference == 0 and all(cell and cell.fixed and cell.people is None for cell in ends):
        return constant_contrast(item, BETWEEN_CONSTANTS)
    return item


def _as_json(item: Contrast) -> dict[str, Any]:
    ends = dict.fromkeys(("low", "high")) if item.fixed else {}
    return {**asdict(item), **ends, "warning": item.warning}


def _table(rows: Sequence[Contrast], names: Names) -> ShownTable[Contrast]:
    named = names.contrast_names
    columns: tuple[Column[Contrast], ...] = (
        Column("first", lambda row: named(row)[0], Kind.NAME),
        Column("second", lambda row: named(row)[1], Kind.NAME),
        Column("judge", lambda row: named(row)[2], Kind.NAME),
        Column("accuracy of first", lambda row: _of(row, share(row.first_accuracy)), page_only=True),
        Column("accuracy of second", lambda row: _of(row, share(row.second_accuracy)), page_only=True),
        Column("difference", lambda row: _of(row, difference(row))),
        Column("95% interval", lambda row: _of(row, interval(row))),
        Column("p", lambda row: _of(row, shown_p(row.p))),
        Column("p (Holm)", lambda row: _of(row, shown_p(row.p_holm))),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages),
    )
    caption = "Contrasts: accuracy of the first arm less that of the second"
    return ShownTable("Contrasts", columns, rows, caption)


def _of(row: Contrast, text: str) -> ShownCell:
    """Return a cell of a contrast, with the reason where there is no difference."""
    return ShownCell(text, reason=(row.reason or "") if row.difference is None else "")


def _words(rows: Sequence[Contrast]) -> list[str]:
    """Return how contrasts are tested, and where a test is to be read with care."""
    if not rows:
        return []
    tests = {item.test: item for item in rows if item.test}
    found = [
        "Contrasts: named before the run, on questions judged under both arms, paired by question, intervals clustered by passage, and by person where "
        "people judge; p is two-sided; p (Holm) is corrected over the contrasts that the file names, for each judge alone."
    ]
    found += [f"p by {test}; null hypothesis: {item.null}." for test, item in sorted(tests.items())]
    found += [
        f"{item.first} less {item.second}, {item.judge}: {clause}."
        for item in rows
        for clause in filter(None, (item.warning, item.fixed))
    ]
    return found


def _chart_rows(rows: Sequence[Contrast], names: Names) -> list[PlainRow]:
    return [
        {
            "contrast": f"{first} − {second}",
            "judge": judge,
            "first": first,
            "second": second,
            "difference": item.difference,
            "low": item.low,
            "high": item.high,
            "p": item.p,
            "questions": item.questions,
            "passages": item.passages,
        }
        for item in rows
        if item.difference is not None
        for first, second, judge in [names.contrast_names(item)]
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    far = max(max(abs(row["low"]), abs(row["high"])) for row in rows)
    # To the next tenth, so that 0 is among the labels.
    far = math.ceil(10 * far) / 10
    title = "difference in accuracy in points, with its 95% interval"
    scale = alt.Scale(domain=[-far, far])
    return dots_with_whiskers(rows, width, "contrast", "difference", title, 0.0, scale, IN_POINTS)


CONTRASTS = Figure(
    name="contrasts",
    title="Contrasts",
    about="The accuracy of one arm less that of another, for each pair that the file names and each judge.",
    source="Paired by question, clustered by passage; sign flips of whole passages with mid-p values, for people a t test; Holm 1979.",
    needs="`contrasts` in the file, and a verdict that counts under one of their arms",
    rows=lambda evidence: _contrasts(evidence, tested=False),
    finish=lambda evidence, rows: _contrasts(evidence, tested=True),
    table=_table,
    words=_words,
    as_json=_as_json,
    section=Section.COMPARISONS,
    chart=Chart(
        _chart_rows,
        _draw,
        "Accuracy of the first arm less that of the second on the questions judged under both, with 95% intervals clustered "
        "by passage; right of the dashed line the first arm is better.",
    ),
    methods="Contrasts named in the file are paired by question on the questions judged under both arms; p-values are two-sided and "
    "corrected by Holm's method over them, for each judge alone.",
)
