"""Figures of calibration are held to scikit-learn, to simulations, and to cases worked by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from app.statistics.calibration import (
    BINS,
    accuracy_at,
    answers_of,
    aurc_of,
    auroc_of,
    bin_sums,
    bins_of,
    brier_parts,
    confidence_of,
    equal_mass,
    error_by_chance,
    expected_error,
    levels,
    of_both_answers,
    reliability,
)
from app.statistics.intervals import FloatArray
from app.statistics.published import calibration_error
from app.statistics.scores import scored


def drawn(count: int, answers: int = 2, digits: int = 2, seed: int = 1) -> tuple[FloatArray, FloatArray]:
    """Beliefs with few digits, so that many are equal, and gold."""
    rng = np.random.default_rng(seed)
    beliefs = np.round(rng.dirichlet(np.ones(answers), count), digits)
    beliefs[:, -1] = 1 - beliefs[:, :-1].sum(axis=1)
    return np.clip(beliefs, 0, 1), rng.integers(answers, size=count)


def test_verdicts_stand_in_ten_equal_bins_and_empty_ones_are_left_out() -> None:
    low, high = reliability([(0.75, 1.0), (0.71, 0.0), (1.0, 1.0), (0.9, 0.5)])
    assert (low.low, low.high, low.verdicts, low.confidence, low.right) == (0.7, 0.8, 2, 0.73, 0.5)
    assert (high.low, high.high, high.verdicts, high.confidence, high.right) == (0.9, 1.0, 2, 0.95, 0.75)


def test_nothing_makes_no_bins() -> None:
    assert reliability([]) == []


def test_confidence_is_the_belief_in_the_favoured_answer_without_noise_of_floats() -> None:
    beliefs = np.array([[0.7, 0.3], [0.3, 0.7], [0.7999999999999, 0.2000000000001], [0.5, 0.5]])
    assert confidence_of(beliefs).tolist() == [0.7, 0.7, 0.8, 0.5]
    assert confidence_of(np.array([[0.2, 0.5, 0.3], [0.1, 0.9, -1.0]])).tolist() == [0.5, 0.9]


def test_the_error_is_the_published_one() -> None:
    beliefs, gold = drawn(400)
    scores = scored(beliefs, gold)
    confidence = confidence_of(beliefs)
    found = expected_error(bin_sums(bins_of(confidence), confidence, scores.right))
    assert float(found) == pytest.approx(calibration_error(np.round(scores.p_gold, 9).tolist()), abs=1e-12)


def test_bins_of_equal_mass_have_equally_many_and_keep_equal_values_together() -> None:
    values = np.random.default_rng(2).random(200)
    assert np.bincount(equal_mass(values)).tolist() == [20] * BINS
    assert equal_mass(np.array([0.9] * 6 + [0.5] * 4)).tolist() == [7] * 6 + [2] * 4


def test_the_error_of_a_calibrated_judge_is_that_of_simulation() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.5, 1, 120)
    bins = bins_of(confidence)
    runs = [
        float(expected_error(bin_sums(bins, confidence, (rng.random(120) < confidence).astype(float))))
        for _ in range(3000)
    ]
    assert error_by_chance(bins, confidence) == pytest.approx(np.mean(runs), rel=0.03)


def test_parts_of_a_brier_score_worked_by_hand() -> None:
    """Two bins: 0.9 right 3 of 4, and 0.6 right 1 of 2."""
    confidence = np.array([0.9] * 4 + [0.6] * 2)
    right = np.array([1, 1, 1, 0, 1, 0.0])
    parts = brier_parts(of_both_answers(bin_sums(bins_of(confidence), confidence, right)))
    assert float(parts.reliability) == pytest.approx((4 * 0.15**2 + 2 * 0.1**2) / 6)
    assert float(parts.resolution) == pytest.approx((4 * 0.25**2 + 0) / 6)
    assert float(parts.uncertainty) == 0.25
    whole = float(parts.reliability - parts.resolution + parts.uncertainty)
    assert whole == pytest.approx(np.mean((confidence - right) ** 2))


def test_parts_sum_to_the_score_where_each_bin_has_one_belief() -> None:
    rng = np.random.default_rng(4)
    for answers in (2, 4):
        beliefs = np.full((300, answers), 0.3 / (answers - 1))
        beliefs[np.arange(300), rng.integers(answers, size=300)] = 0.7
        gold = rng.integers(answers, size=300)
        _, p, outcome = answers_of(beliefs, gold)
        parts = brier_parts(bin_sums(bins_of(p), p, outcome))
        whole = float(parts.reliability - parts.resolution + parts.uncertainty)
        assert whole == pytest.approx(scored(beliefs, gold).brier.mean())
        assert float(parts.uncertainty) == pytest.approx((1 - 1 / answers) / 2)
        # Half of the sum over answers, each against the others.
        assert whole == pytest.approx(answers / 2 * brier_score_loss(outcome, p))


def test_the_area_under_the_roc_curve_is_that_of_scikit_learn() -> None:
    beliefs, gold = drawn(500, digits=1)
    confidence, right = confidence_of(beliefs), scored(beliefs, gold).right
    level, count = levels(confidence)
    found = auroc_of(bin_sums(level, confidence, right, count)[:, [0, 2]])
    halves = np.concatenate([np.ones(500), np.zeros(500)])
    weights = np.concatenate([right, 1 - right])
    expected = roc_auc_score(halves, np.tile(confidence, 2), sample_weight=weights)
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_there_is_no_area_where_all_are_right() -> None:
    assert math.isnan(float(auroc_of(np.array([[2.0, 2.0], [3.0, 3.0]]))))


def areas(confidence: FloatArray, right: FloatArray, runs: int) -> float:
    """The mean of the areas with equal confidences in drawn orders."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(runs):
        order = np.lexsort((rng.random(right.size), -confidence))
        found.append(np.mean(np.cumsum(1 - right[order]) / np.arange(1, right.size + 1)))
    return float(np.mean(found))


def test_the_area_of_risk_over_coverage_worked_by_hand_and_averaged_over_ties() -> None:
    """Most confident first: right, wrong, right: risks 0, 1/2, 1/3."""
    sums = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert float(aurc_of(sums)) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    rng = np.random.default_rng(6)
    confidence, right = np.round(rng.uniform(0.5, 1, 40), 1), (rng.random(40) < 0.7).astype(float)
    level, count = levels(confidence)
    found = float(aurc_of(bin_sums(level, confidence, right, count)[:, [0, 2]]))
    assert found == pytest.approx(areas(confidence, right, 4000), abs=0.002)


def test_accuracy_of_the_most_confident_takes_a_share_of_equal_ones() -> None:
    """Confident: 2 of 2 right; then 4 equal ones of which 1 is right."""
    sums = np.array([[4.0, 1.0], [2.0, 2.0]])
    found = accuracy_at(sums, np.array([1 / 3, 2 / 3, 1.0]))
    assert found.tolist() == pytest.approx([1, (2 + 2 / 4) / 4, 3 / 6])
    both = accuracy_at(np.stack([sums, sums[::-1]]), np.array([0.5, 1.0]))
    assert both.shape == (2, 2)
    assert both[0].tolist() == pytest.approx([(2 + 1 / 4) / 3, 0.5])


def test_many_levels_are_put_together_in_their_order() -> None:
    confidence = np.random.default_rng(7).random(1000)
    level, count = levels(confidence, 50)
    assert count == 50
    assert np.bincount(level).tolist() == [20] * 50
    assert (np.diff(level[np.argsort(confidence)]) >= 0).all()


def test_a_draw_without_a_verdict_has_no_figures(recwarn: pytest.WarningsRecorder) -> None:
    none = np.zeros((2, 3, 3))
    none[0] = [1.0, 0.7, 1.0]
    parts = brier_parts(none)
    for found in (expected_error(none), parts.reliability, parts.resolution, aurc_of(none[..., [0, 2]])):
        assert np.isnan(found).tolist() == [False, True]
    assert np.isnan(accuracy_at(none[..., [0, 2]], np.array([0.5, 1]))).tolist() == [[False] * 2, [True] * 2]
    assert math.isnan(auroc_of(none[..., [0, 2]])[1])
    assert not recwarn.list
