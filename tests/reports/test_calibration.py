"""The figures of calibration of a report, worked by hand on written frames."""

import numpy as np
import pytest

from app.reports.figures.calibration import CALIBRATION, CALIBRATION_LIMITS, CALIBRATION_STEPS
from app.statistics.published import calibration_error
from tests.frames import Row, evidence
from tests.reports.naming import AS_GIVEN


def pairs(*p_gold: float, **more: object) -> list[Row]:
    """One verdict a question, each on another passage."""
    return [Row("debate", f"q{n}", (p, 1 - p), **more) for n, p in enumerate(p_gold)]  # type: ignore[arg-type]


def test_errors_and_parts_by_hand() -> None:
    """Right at .9 three times and wrong once; at .6 right once and wrong once."""
    [found] = CALIBRATION.rows(evidence(pairs(0.9, 0.9, 0.9, 0.1, 0.6, 0.4)))
    assert (found.arm, found.judge, found.verdicts, found.passages) == ("debate", "weak", 6, 6)
    assert found.ece == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)
    assert found.ece == pytest.approx(calibration_error([0.9, 0.9, 0.9, 0.1, 0.6, 0.4]))
    assert (found.confidence, found.accuracy) == (pytest.approx(0.8), pytest.approx(4 / 6))
    assert found.overconfidence == pytest.approx(0.8 - 4 / 6)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.overconfidence < found.high
    assert found.reliability == pytest.approx((4 * 0.15**2 + 2 * 0.1**2) / 6)
    assert found.resolution == pytest.approx(4 * 0.25**2 / 6)
    assert found.brier == pytest.approx(found.reliability - found.resolution + found.uncertainty)
    assert found.within_bins == pytest.approx(0)
    # Of 4 × 2 pairs of a right and a wrong verdict: 3 wins and 3 ties of the confident, 1 tie and 1 loss of the other.
    assert found.auroc == pytest.approx((3 * 1.5 + 0.5) / 8)


def test_a_tie_is_right_by_half_and_edges_of_bins_take_no_noise() -> None:
    [tie] = CALIBRATION.rows(evidence(pairs(0.5, 0.5)))
    assert (tie.ece, tie.overconfidence, tie.brier, tie.reliability) == (0, 0, 0.25, 0)
    both = pairs(0.7, 0.3)
    [found] = CALIBRATION.rows(evidence(both))
    assert found.ece == pytest.approx(0.2), "0.7 and 1 - 0.3 are in one bin"


def test_no_area_has_a_reason() -> None:
    [right] = CALIBRATION.rows(evidence(pairs(0.7, 0.8)))
    assert (right.auroc, right.no_auroc) == (None, "every verdict is right")
    [wrong] = CALIBRATION.rows(evidence(pairs(0.3, 0.2)))
    assert (wrong.auroc, wrong.no_auroc) == (None, "every verdict is wrong")
    table = CALIBRATION.table
    assert table is not None
    shown = [column.shown(wrong) for column in table([wrong], AS_GIVEN).columns if column.title == "AUROC"]
    assert [cell.reason for cell in shown] == ["There is no AUROC: every verdict is wrong."]


def test_several_answers() -> None:
    """Uncertainty of three answers is (1 - 1/3) / 2; each belief has its own bin, so the parts make the whole."""
    rows = [Row("debate", f"q{n}", (0.6, 0.3, 0.1), gold=n % 3, reading_order=(0, 1, 2)) for n in range(6)]
    [found] = CALIBRATION.rows(evidence(rows))
    assert found.uncertainty == pytest.approx(1 / 3)
    assert found.resolution == pytest.approx(0)
    assert found.reliability == pytest.approx(
        sum((p - 1 / 3) ** 2 for p in (0.6, 0.3, 0.1)) / 2,
    )
    assert found.within_bins == pytest.approx(0)
    assert (found.ece, found.accuracy) == (pytest.approx(0.6 - 1 / 3), pytest.approx(1 / 3))


def many(kind: str = "model", judges: int = 1) -> list[Row]:
    """Thirty questions of ten passages, surer than right."""
    rng = np.random.default_rng(1)
    return [
        Row(
            "debate",
            f"q{n}",
            (p, 1 - p),
            passage=f"p{n // 3}",
            judge=f"j{judge}",
            kind=kind,
            place=judge + 1 if kind == "person" else 0,
        )
        for n in range(30)
        for judge in range(judges)
        for p in [0.9 if rng.random() < 0.6 else 0.05 if rng.random() < 0.5 else 0.2]
    ]


def test_limits_lie_around_the_figures_and_depend_on_the_seed_alone() -> None:
    rows = many()
    [plain] = CALIBRATION.rows(evidence(rows))
    [found] = CALIBRATION_LIMITS.rows(evidence(rows))
    [again] = CALIBRATION_LIMITS.rows(evidence(rows))
    assert found == again
    assert (found.passages, found.people, found.draws) == (10, None, 1000)
    for name in ("ece", "adaptive_ece", "reliability", "resolution", "auroc"):
        limited = getattr(found, name)
        assert limited.value == pytest.approx(getattr(plain, name)), name
        assert limited.low <= limited.value <= limited.high, name
    assert found.ece.low > 0


def test_limits_of_people_draw_people_too() -> None:
    rows = many("person", 6)
    [found] = CALIBRATION_LIMITS.rows(evidence(rows))
    assert (found.judge, found.people, found.passages) == ("people", 6, 10)
    assert "people" in found.method


def test_one_passage_has_no_limits() -> None:
    rows = [Row("debate", f"q{n}", (0.9, 0.1), passage="p", gold=n % 2) for n in range(6)]
    [found] = CALIBRATION_LIMITS.rows(evidence(rows))
    assert (found.ece.low, found.ece.high) == (None, None)
    table = CALIBRATION_LIMITS.table
    assert table is not None
    shown = table([found], AS_GIVEN).columns[2].shown(found)
    assert shown.reason == "No limits: fewer than 5 passages or people."


def test_steps_count_the_verdicts_that_have_them() -> None:
    rows = [
        Row("debate", "q1", (0.9, 0.1), beliefs=((0.4, 0.6), (0.7, 0.3), (0.9, 0.1))),
        Row("debate", "q2", (0.2, 0.8), beliefs=((0.5, 0.5), (0.2, 0.8))),
        Row("debate", "q3", (0.2, 0.8)),
    ]
    found = CALIBRATION_STEPS.rows(evidence(rows))
    assert [(row.step, row.verdicts) for row in found] == [(0, 2), (1, 2), (2, 1)]
    assert [row.belief for row in found] == pytest.approx([0.45, 0.45, 0.9])
    assert [row.accuracy for row in found] == pytest.approx([0.25, 0.5, 1.0])
    assert [row.overconfidence for row in found] == pytest.approx([0.55 - 0.25, 0.75 - 0.5, -0.1])
    assert [row.brier for row in found] == pytest.approx([(0.36 + 0.25) / 2, (0.09 + 0.64) / 2, 0.01])
    assert found[1].ece == pytest.approx((0.3 + 0.8) / 2)


def test_steps_of_several_answers_favour_any_of_them() -> None:
    path = ((0.2, 0.5, 0.3), (0.7, 0.2, 0.1))
    found = CALIBRATION_STEPS.rows(evidence([Row("debate", "q1", path[-1], beliefs=path)]))
    assert [row.overconfidence for row in found] == pytest.approx([0.5, -0.3])


def test_without_beliefs_on_the_way_there_are_no_steps() -> None:
    assert CALIBRATION_STEPS.rows(evidence(pairs(0.9, 0.2))) == []


@pytest.mark.parametrize("figure", [CALIBRATION, CALIBRATION_STEPS])
def test_charts_draw(figure: object) -> None:
    rows = [Row("debate", f"q{n}", (0.8, 0.2), beliefs=((0.3, 0.7), (0.8, 0.2))) for n in range(4)]
    chart = figure.chart  # type: ignore[attr-defined]
    plain = chart.rows(figure.rows(evidence(rows)), AS_GIVEN)  # type: ignore[attr-defined]
    for width in (360, 700):
        assert chart.draw(plain, width).to_dict()["config"]
