"""Hybrid routing in a report: which talks it is computed on, what it says, and what it costs."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from app.records.frames import no_efforts
from app.records.judging_costs import JudgingCost
from app.reports.figures.routing import FEW, ROUTING, Routing
from app.reports.report import completed, quick
from tests.frames import Row, evidence


def rows(questions: int = 24, arms: tuple[str, ...] = ("debate",), seed: int = 1) -> list[Row]:
    """A model that is right where it is confident, in both orders, and two people who are right in three of four."""
    rng = np.random.default_rng(seed)
    made = []
    for arm in arms:
        for at in range(questions):
            p = 0.95 if at % 3 else 0.45
            made += [
                Row(
                    arm, f"q{at:02}", (p, 1 - p), reading=order, reading_order=(0, 1) if not order else (1, 0)
                )
                for order in (0, 1)
            ]
            made += [
                Row(
                    arm,
                    f"q{at:02}",
                    (0.8, 0.2) if rng.random() < 0.75 else (0.3, 0.7),
                    judge=f"p{who}",
                    kind="person",
                    place=place,
                )
                for place, who in ((1, at % 4), (2, 4 + at % 3))
            ]
    return made


def routed(
    made: list[Row], costs: dict[str, JudgingCost] | None = None, minutes: float | None = None
) -> list[Routing]:
    """The rows, where every person took as many minutes for each verdict."""
    held = evidence([replace(row, judging=at) for at, row in enumerate(made)])
    plays = [at for at, row in enumerate(made) if row.kind == "person"] if minutes else []
    efforts = pl.DataFrame(
        {"play": plays, "seconds": [60 * (minutes or 0) for _ in plays]}, no_efforts().schema
    )
    return list(ROUTING.rows(replace(held, facts=replace(held.facts, costs=costs or {}, efforts=efforts))))


def test_a_curve_begins_at_the_model_and_ends_at_the_people() -> None:
    [found] = routed(rows())
    assert (found.arm, found.judge, found.talks, found.passages, found.people) == (
        "debate",
        "weak",
        24,
        24,
        7,
    )
    assert found.model_accuracy == pytest.approx(2 / 3)
    assert found.points[0].accuracy == found.points[0].random == found.model_accuracy
    assert found.points[-1].accuracy == pytest.approx(found.people_accuracy)
    assert found.gain > 0
    assert found.share is not None
    assert 0.2 < found.share < 0.6
    assert found.over_model
    assert found.over_model.value > 0
    for point in found.points:
        assert point.low is not None
        assert point.high is not None
        assert point.low <= point.accuracy <= point.high


def test_only_talks_with_both_kinds_of_verdict_are_in_it() -> None:
    made = [row for row in rows() if row.kind == "person" or row.question < "q12"]
    [found] = routed(made)
    assert found.talks == 12
    assert routed([row for row in made if row.kind == "model"]) == []
    assert routed([row for row in made if row.kind == "person"]) == []


def test_few_passages_give_a_curve_and_a_reason() -> None:
    [found] = routed(rows(6))
    assert found.share is None
    assert found.reason == FEW
    assert len(found.points) == 21


def test_arms_come_after_all_of_them_together() -> None:
    assert [row.arm for row in routed(rows(12, ("naive", "debate")))] == [None, "naive", "debate"]


def test_a_hundred_talks_cost_what_both_take() -> None:
    costs = {"weak": JudgingCost(9, calls=2.0, tokens=3000.0)}
    [found] = routed(rows(), costs, minutes=4.0)
    assert found.share is not None
    assert found.cost == f"200 calls, 300,000 tokens, {400 * found.share:.0f} minutes of people"
    [unknown] = routed(rows())
    assert unknown.cost == ""


def test_the_same_data_give_the_same_figures_a_table_and_a_chart() -> None:
    assert routed(rows()) == routed(rows())
    held = evidence(rows())
    report = completed(quick(held), held)
    [found] = report.figures["routing"]
    assert ROUTING.table
    [cells] = ROUTING.table([found], report).page_rows()
    assert cells[1][1].text == "weak"
    assert ROUTING.chart
    drawn = ROUTING.chart.rows([found], report)
    assert len(drawn) == 21
    for width in (320, 800):
        assert ROUTING.chart.draw(drawn, width).to_dict()
