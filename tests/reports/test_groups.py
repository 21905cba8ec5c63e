"""Groups of judges in a report: who is put together, on what, and what is left out."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from app.reports.figures.groups import GROUPS, NEW_PASSAGES, NEW_PEOPLE, GroupAccuracy
from app.reports.report import completed, quick
from tests.frames import Row, evidence


def groups(rows: Sequence[Row]) -> list[GroupAccuracy]:
    return list(GROUPS.rows(evidence(rows)))


def belief(p: float) -> tuple[float, float]:
    return p, 1 - p


def of(found: Sequence[GroupAccuracy], rule: str, size: int, kind: str = "judges") -> GroupAccuracy:
    [one] = [item for item in found if (item.rule, item.size, item.kind) == (rule, size, kind)]
    return one


def judged(question: str, *beliefs: float, arm: str = "debate") -> list[Row]:
    """A talk judged by models in both orders."""
    return [
        Row(
            arm,
            question,
            belief(p),
            judge=f"m{at}",
            reading=order,
            reading_order=(0, 1) if order == 0 else (1, 0),
            judging=at + 1,
        )
        for at, p in enumerate(beliefs)
        for order in (0, 1)
    ]


def test_several_models_are_grouped_on_the_same_talk_and_order() -> None:
    found = groups([*judged("q1", 0.9, 0.45, 0.4), *judged("q2", 0.9, 0.8, 0.4)])
    assert {item.kind for item in found} == {"judges"}
    assert of(found, "majority", 1).accuracy == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert of(found, "majority", 3).accuracy == pytest.approx(0.5)
    assert of(found, "mean", 3).accuracy == 1
    one = of(found, "mean", 3)
    assert (one.members, one.groups, one.drawn) == (3, 1, False)
    assert (one.talks, one.questions, one.passages, one.left_out) == (2, 2, 2, 0)
    assert one.gain == pytest.approx(0.5)
    assert one.interval == NEW_PASSAGES


def test_groups_of_one_have_the_accuracy_of_the_report() -> None:
    rows = [*judged("q1", 0.9, 0.45, 0.4), *judged("q2", 0.9, 0.8, 0.4), *judged("q3", 0.5, 0.8, 0.4)]
    held = evidence(rows)
    wanted = sum(cell.accuracy for cell in held.cells.values()) / 3
    for rule in ("majority", "mean", "log-odds", "confidence"):
        assert of(list(GROUPS.rows(held)), rule, 1).accuracy == pytest.approx(wanted)


def test_a_talk_that_few_judged_is_left_out_and_counted() -> None:
    rows = [*judged("q1", 0.9, 0.8, 0.7), *judged("q2", 0.9, 0.8, 0.7), *judged("q3", 0.1, 0.1)]
    one = of(groups(rows), "mean", 1)
    assert (one.accuracy, one.members, one.left_out) == (1, 3, 1)


def test_one_judge_alone_makes_no_group() -> None:
    assert groups([Row("debate", "q1", belief(0.9)), Row("debate", "q2", belief(0.9))]) == []
    assert groups([]) == []


def test_repeats_of_a_judge_vote() -> None:
    rows = [
        Row("debate", question, belief(p), reading=repeat, judging=1)
        for question, beliefs in (("q1", (0.9, 0.4, 0.8)), ("q2", (0.4, 0.3, 0.9)))
        for repeat, p in enumerate(beliefs)
    ]
    found = groups(rows)
    assert {(item.kind, item.judge) for item in found} == {("repeats", "weak")}
    assert of(found, "majority", 3, "repeats").accuracy == 0.5
    assert of(found, "mean", 1, "repeats").accuracy == 0.5


def people(beliefs: Sequence[Sequence[float]]) -> list[Row]:
    """Questions by people, each of whom reads in an order of their own."""
    return [
        Row(
            "debate",
            f"q{question}",
            belief(p),
            judge=f"p{person}",
            kind="person",
            place=person + 1,
            judging=10 * question + person,
            reading_order=(0, 1) if person % 2 else (1, 0),
            trial=UUID(int=question),
        )
        for question, several in enumerate(beliefs)
        for person, p in enumerate(several)
    ]


def test_people_who_judged_one_talk_are_grouped_whatever_their_order() -> None:
    rows = people([(0.9, 0.6, 0.3, 0.7), (0.8, 0.4, 0.9, 0.2), (0.7, 0.6, 0.9, 0.8), (0.3, 0.9, 0.4, 0.8)])
    found = groups(rows)
    assert {item.kind for item in found} == {"people"}
    assert of(found, "majority", 1, "people").accuracy == pytest.approx((3 + 2 + 4 + 2) / 16)
    assert of(found, "majority", 3, "people").interval == NEW_PEOPLE
    assert of(found, "majority", 4, "people").interval == NEW_PASSAGES


def test_people_who_differ_widen_the_interval() -> None:
    alike = people([(0.9, 0.9, 0.2, 0.2), (0.2, 0.2, 0.9, 0.9)] * 4)
    unlike = people([(0.9, 0.9, 0.2, 0.2), (0.9, 0.9, 0.2, 0.2)] * 4)
    one, other = (of(groups(rows), "mean", 1, "people") for rows in (alike, unlike))
    assert one.accuracy == other.accuracy == 0.5
    assert other.high - other.low > one.high - one.low + 0.1


def test_each_judge_who_takes_part_has_other_talks_and_is_in_no_group() -> None:
    held = evidence(judged("q1", 0.9, 0.8))
    frame = held.counted.table.frame.with_columns(reads=False)
    table = replace(held.counted.table, frame=frame)
    assert list(GROUPS.rows(replace(held, counted=replace(held.counted, table=table)))) == []


def test_the_table_has_a_line_for_each_size_and_the_chart_a_line_for_each_rule() -> None:
    held = evidence([*judged("q1", 0.9, 0.45, 0.4), *judged("q2", 0.9, 0.8, 0.4)])
    report = completed(quick(held), held)
    rows = report.figures["groups"]
    assert GROUPS.table is not None
    assert GROUPS.chart is not None
    table = GROUPS.table(rows, report)
    assert [table.columns[2].shown(row).text for row in table.rows] == ["1", "2", "3"]
    assert table.columns[4].shown(table.rows[2]).text.startswith("100.0% (")
    drawn = GROUPS.chart.rows(rows, report)
    assert len(drawn) == 12
    for width in (304, 680):
        chart = GROUPS.chart.draw(drawn, width).to_dict()
        assert drawn in (chart["data"].get("values"), *chart.get("datasets", {}).values())
