"""Accuracy by difficulty: who decides a tier, and who does not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from app.records.database import Database
from app.records.difficulty import Difficulty
from app.reports.figures.tiers import SOLVED, TIERS, UNDER_ALL, UNDER_NAIVE, TierAccuracy
from app.reports.report import completed, quick, report
from tests.factories import finished, passage, spec
from tests.frames import Row, evidence


def tiers(
    rows: Sequence[Row], given: Difficulty | None = None, protocols: Mapping[str, str] | None = None
) -> list[TierAccuracy]:
    held = evidence(rows, protocols)
    return list(TIERS.rows(replace(held, facts=replace(held.facts, difficulty=given or Difficulty()))))


def belief(right: bool) -> tuple[float, float]:
    return (0.9, 0.1) if right else (0.1, 0.9)


def naive(question: str, **judges: bool) -> list[Row]:
    return [Row("naive", question, belief(right), judge=judge) for judge, right in judges.items()]


NAIVE = {"naive": "naive", "debate": "debate"}


def test_the_field_of_the_task_set_names_the_tiers() -> None:
    rows = [Row("debate", f"q{n}", belief(n < 2)) for n in range(4)]
    found = tiers(rows, Difficulty("difficulty", {"q0": "2", "q1": "10", "q2": "10"}))
    assert [(item.tier, item.questions, item.accuracy) for item in found] == [("2", 1, 1.0), ("10", 2, 0.5)]
    assert {item.source for item in found} == {"difficulty of the task set"}
    assert {item.without_tier for item in found} == {1}


def test_tiers_are_solve_rates_of_the_others_under_naive_arms() -> None:
    rows = [
        *naive("q1", a=True, b=True, c=False),
        *naive("q2", a=False, b=False, c=True),
        Row("debate", "q1", belief(True), judge="c"),
        Row("debate", "q2", belief(False), judge="c"),
    ]
    found = [item for item in tiers(rows, protocols=NAIVE) if (item.arm, item.judge) == ("debate", "c")]
    assert [(item.tier, item.accuracy) for item in found] == [(SOLVED[0], 0.0), (SOLVED[2], 1.0)]
    assert {item.source for item in found} == {UNDER_NAIVE}


def test_a_judges_own_verdicts_never_decide_its_tiers() -> None:
    def found(right: bool) -> list[tuple[str, int]]:
        rows = [
            *naive("q1", a=True, b=right),
            *naive("q2", a=False, b=right),
            Row("debate", "q1", belief(right), judge="b"),
            Row("debate", "q2", belief(right), judge="b"),
        ]
        own = [item for item in tiers(rows, protocols=NAIVE) if item.judge == "b"]
        return [(item.tier, item.questions) for item in own]

    assert found(True) == found(False)


def test_without_a_naive_arm_other_judges_of_the_same_talks_decide_and_a_note_says_so() -> None:
    rows = [
        Row("debate", question, belief(right), judge=judge)
        for question, judge, right in (
            ("q1", "a", True),
            ("q1", "b", False),
            ("q2", "a", False),
            ("q2", "b", True),
        )
    ]
    found = tiers(rows)
    assert {item.source for item in found} == {UNDER_ALL}
    assert TIERS.words is not None
    assert "a good talk makes its question look easy" in TIERS.words(found)[1]


def test_one_judge_alone_has_no_tiers_and_people_are_one_judge() -> None:
    assert tiers([Row("debate", "q1", belief(True)), Row("debate", "q2", belief(False))]) == []
    people = [
        Row("debate", "q1", belief(True), judge=f"p{n}", kind="person", place=n + 1, judging=n)
        for n in range(3)
    ]
    assert tiers(people) == []


def test_the_table_and_the_chart_show_every_tier() -> None:
    held = evidence(
        [
            *naive("q1", a=True, b=True),
            *naive("q2", a=False, b=False),
            Row("debate", "q1", belief(True), judge="a"),
            Row("debate", "q2", belief(True), judge="a"),
        ],
        NAIVE,
    )
    result = completed(quick(held), held)
    rows = result.figures["tiers"]
    assert TIERS.table is not None
    assert TIERS.chart is not None
    assert len(TIERS.table(rows, result).rows) == len(rows) == 6
    drawn = TIERS.chart.rows(rows, result)
    for width in (304, 680):
        chart = TIERS.chart.draw(drawn, width).to_dict()
        assert drawn in (chart["data"].get("values"), *chart.get("datasets", {}).values())


@pytest.mark.parametrize(("field", "values", "used"), [
    ("difficulty", ("easy", "hard"), True),
    ("difficult", (0, 1), True),
    ("difficulty", ("same", "same"), False),
    ("colour", ("red", "blue"), False),
])  # fmt: skip
async def test_fields_of_questions_are_read_from_the_task_set(
    database: Database, field: str, values: tuple[object, object], used: bool
) -> None:
    story = passage("Alba")
    for question, value in zip(story["questions"], values, strict=True):
        question["meta"] = {field: value}
    experiment = await finished(database, story, data=spec(judges=["lexical"]))
    async with database.session() as session:
        result = await report(session, experiment)
    found = [item for item in result.figures["tiers"] if item.source == f"{field} of the task set"]
    assert bool(found) == used
    if used:
        assert {item.tier for item in found} == set(map(str, values))
