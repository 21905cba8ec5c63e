"""Accuracy of the most confident verdicts, worked by hand on written frames."""

import pytest

from app.reports.figures.risk_coverage import COVERAGES, RISK_COVERAGE
from tests.frames import Row, evidence
from tests.reports.naming import AS_GIVEN
from tests.reports.test_calibration import many


def rows(*p_gold: float) -> list[Row]:
    """One verdict a question, each on another passage."""
    return [Row("debate", f"q{n}", (p, 1 - p)) for n, p in enumerate(p_gold)]


def test_the_curve_by_hand() -> None:
    """Most confident first: right, right, wrong, then two ties of which one is right."""
    [found] = RISK_COVERAGE.rows(evidence(rows(0.95, 0.9, 0.2, 0.6, 0.4)))
    at = dict(zip(found.coverage, (point.value for point in found.accuracy), strict=True))
    assert at[0.2] == at[0.4] == 1
    assert at[0.6] == pytest.approx(2 / 3)
    assert at[0.8] == pytest.approx(2.5 / 4)
    assert at[1.0] == pytest.approx(3 / 5)
    assert found.aurc.value == pytest.approx((0 + 0 + 1 / 3 + 1.5 / 4 + 2 / 5) / 5)
    assert (found.by_chance, found.different) == (pytest.approx(2 / 5), 4)


def test_equal_confidence_gives_a_flat_curve_and_says_so() -> None:
    [found] = RISK_COVERAGE.rows(evidence(rows(0.8, 0.8, 0.2, 0.8)))
    assert [point.value for point in found.accuracy] == pytest.approx([0.75] * len(COVERAGES))
    assert found.aurc.value == pytest.approx(found.by_chance)
    words = RISK_COVERAGE.words
    assert words is not None
    assert words([found]) == [
        "All verdicts are equally confident in one line of the table of the most confident verdicts."
    ]
    assert words(RISK_COVERAGE.rows(evidence(rows(0.8, 0.9)))) == []


def test_limits_contain_the_curve_and_one_passage_has_none() -> None:
    [found] = RISK_COVERAGE.rows(evidence(many()))
    for point in (*found.accuracy, found.aurc):
        assert point.low <= point.value <= point.high
    assert found.accuracy[-1].low < found.accuracy[-1].high
    alone = [Row("debate", f"q{n}", (0.9, 0.1), passage="p", gold=n % 2) for n in range(4)]
    [one] = RISK_COVERAGE.rows(evidence(alone))
    assert one.aurc.low is None


def test_a_part_of_the_curve_that_is_all_right_keeps_an_interval() -> None:
    """The interval of the mean: ten of ten right do not show that all are."""
    made = rows(*(0.9 + n / 1000 for n in range(10)), *(0.4 + n / 1000 for n in range(10)))
    [found] = RISK_COVERAGE.rows(evidence(made))
    at = dict(zip(found.coverage, found.accuracy, strict=True))
    assert (at[0.5].value, at[0.5].high) == (1, 1)
    assert 0.6 < at[0.5].low < 0.8
    assert at[0.1].low < at[0.5].low, "two of two show less"
    assert 0.2 < at[1.0].low < 0.5 < at[1.0].high < 0.8


def test_the_table_and_the_chart() -> None:
    made = RISK_COVERAGE.rows(evidence(many("person", 6)))
    table, chart = RISK_COVERAGE.table, RISK_COVERAGE.chart
    assert table is not None
    assert chart is not None
    shown = table(made, AS_GIVEN)
    assert [column.title for column in shown.columns][2:7] == ["top 25%", "top 50%", "top 75%", "all", "AURC"]
    assert "%" in shown.columns[2].shown(made[0]).small
    assert chart.draw(chart.rows(made, AS_GIVEN), 700).to_dict()["config"]
