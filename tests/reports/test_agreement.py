"""Agreement of people and models on the same talks, against tables worked by hand."""

from io import StringIO

import pytest
from rich.console import Console

from app.reports.figures.agreement import AGREEMENT, ALPHA, EVERYONE, MODELS, agreements, reliabilities
from app.reports.report import completed, quick
from tests.frames import Row, evidence

RIGHT, WRONG = (0.9, 0.1), (0.2, 0.8)


def row(judge: str, question: int, right: bool, arm: str = "debate", **changes: object) -> Row:
    """A verdict; gold is the first answer of even talks."""
    gold = question % 2
    belief = RIGHT if right else WRONG
    person = judge.startswith("p")
    place = {"kind": "person", "place": int(judge[1:]) + 1} if person else {}
    return Row(
        arm,
        f"q{question:02}",
        belief if gold == 0 else belief[::-1],
        judge=judge,
        gold=gold,
        **{**place, **changes},  # type: ignore[arg-type]
    )


def crossed(**right: str) -> list[Row]:
    """Verdicts by judge, written as a text of 1 and 0 with a blank where there is none."""
    return [
        row(judge, at, mark == "1")
        for judge, marks in right.items()
        for at, mark in enumerate(marks)
        if mark.strip()
    ]


def test_two_people_and_a_model_are_compared_on_the_talks_that_both_read() -> None:
    rows = crossed(p0="11011011", p1="11110010", weak="10111011")
    found = agreements(evidence(rows))
    assert [(one.first, one.second) for one in found] == [("people", "people"), ("people", "weak")]
    people, model = found
    assert (people.arm, people.talks, people.pairs, people.people) == ("debate", 8, 8, 2)
    assert people.raw.value == 5 / 8
    assert model.pairs == 16
    assert model.raw.value == (6 + 5) / 16
    assert people.raw.low is not None
    assert people.raw.high is not None
    assert people.raw.low < 5 / 8 < people.raw.high
    assert people.method.endswith("for these people")
    # Of being right: both wrong 1, both right 4, apart 3.
    shares = (11 / 16) ** 2 + (5 / 16) ** 2
    assert people.right_kappa.value == pytest.approx((5 / 8 - shares) / (1 - shares))
    assert people.distance.value == pytest.approx(3 / 8 * 0.7)


def test_the_orders_of_a_model_are_averaged_and_never_paired_with_each_other() -> None:
    first = crossed(weak="1111", strong="1111")
    again = [
        row("weak", at, right, reading=1, reading_order=(1, 0))
        for at, right in enumerate((True, True, False, False))
    ]
    [found] = agreements(evidence([*first, *again]))
    assert (found.first, found.second, found.pairs) == ("strong", "weak", 4)
    assert found.raw.value == 0.75


def test_arms_come_after_all_of_them_together_and_judges_alone_are_left_out() -> None:
    rows = [
        row(judge, at, at != 2, arm=arm)
        for arm in ("debate", "naive", "alone")
        for judge in (("weak",) if arm == "alone" else ("weak", "strong"))
        for at in range(4)
    ]
    found = agreements(evidence(rows))
    assert [(one.arm, one.talks) for one in found] == [(None, 8), ("debate", 4), ("naive", 4)]
    assert found[0].correlation.value == pytest.approx(1)


def test_where_nothing_varies_there_is_a_reason() -> None:
    [found] = agreements(evidence([row(judge, 0, True) for judge in ("weak", "strong")]))
    assert found.kappa.value is None
    assert found.kappa.reason
    assert "one thing" in found.kappa.reason
    assert found.correlation.reason
    assert "never changes" in found.correlation.reason
    assert found.raw.value == 1


def test_many_models_are_compared_as_a_group() -> None:
    rows = [row(f"m{judge}", at, (at + judge) % 3 != 0) for judge in range(8) for at in range(6)]
    [found] = agreements(evidence(rows))
    assert (found.first, found.second, found.pairs) == (MODELS, MODELS, 8 * 2 * 6)
    assert found.raw.value is not None
    assert 0 < found.raw.value < 1


def test_reliability_is_that_of_people_of_models_and_of_all() -> None:
    rows = crossed(p0="1101 011", p1="111100 0", p2="11    11", weak="10111011", strong="11111111")
    found = {one.who: one for one in reliabilities(evidence(rows))}
    assert list(found) == ["people", MODELS, EVERYONE]
    assert (found["people"].raters, found["people"].talks) == (3, 8 - 1)
    assert found[EVERYONE].talks == 8
    for one in found.values():
        assert one.verdicts.value is not None
        assert -1 < one.verdicts.value < 1
    # Being right in two of the eight talks by one of two models.
    assert found[MODELS].right.value == pytest.approx(1 - (2 / 8) / (2 * 14 * 2 / (16 * 15)))


def test_both_are_slow_and_shown_with_their_reasons() -> None:
    held = evidence(crossed(p0="1101", p1="1111", weak="1011"))
    report = quick(held)
    assert AGREEMENT.name not in report.figures
    whole = completed(report, held)
    shown = StringIO()
    for figure in (AGREEMENT, ALPHA):
        assert figure.table
        Console(file=shown, width=200).print(figure.table(whole.figures[figure.name], whole).printed())
    text = shown.getvalue()
    assert "each other" in text
    assert "same verdict" in text
    assert "α of beliefs" in text
    assert whole.as_json()["agreement"][0]["raw"]["value"] == 0.75


def test_the_chart_has_a_line_for_each_comparison() -> None:
    held = evidence(crossed(p0="1101", p1="1111", weak="1011"))
    report = completed(quick(held), held)
    assert AGREEMENT.chart
    drawn = AGREEMENT.chart.rows(report.figures["agreement"], report)
    assert [one["compared"] for one in drawn] == ["people with each other", "people with weak"]
    assert AGREEMENT.chart.draw(drawn, 640).to_dict()
