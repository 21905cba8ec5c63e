"""Intervals against reference implementations, at the ends of the scale, and by how often they hold the truth."""

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from app.statistics.intervals import (
    METHOD_NO_SPREAD,
    METHOD_ONE_PASSAGE,
    FloatArray,
    IntArray,
    Scale,
    clustered_variance,
    degrees_of_freedom,
    mean_interval,
    t_interval,
)
from tests.statistics.examples import right_or_wrong

UNIT = Scale(low=0.0, high=1.0, unseen=1.0)
SCORE = Scale(low=0.0, high=1.0, unseen=0.1)

samples = arrays(np.float64, 24, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))


def clusters(passages: int, questions: int) -> IntArray:
    return np.repeat(np.arange(passages), questions)


def cr2_by_matrices(values: FloatArray, passages: IntArray) -> tuple[float, float]:
    """Variance and degrees of freedom of a mean as Bell and McCaffrey write them, with whole matrices."""
    n = values.size
    residual_maker = np.eye(n) - np.ones((n, n)) / n
    columns = []
    for passage in np.unique(passages):
        own = passages == passage
        eigenvalues, vectors = np.linalg.eigh(residual_maker[np.ix_(own, own)])
        adjustment = vectors @ np.diag(eigenvalues**-0.5) @ vectors.T
        columns.append(residual_maker[:, own] @ adjustment @ np.ones(own.sum()) / n)
    quadratic = np.stack(columns, axis=1)
    gram = quadratic.T @ quadratic
    variance = float(((quadratic.T @ values) ** 2).sum())
    return variance, float(np.trace(gram) ** 2 / (gram**2).sum())


def test_with_one_question_a_passage_it_is_the_wilson_interval_of_statsmodels() -> None:
    right = np.array([1.0] * 1500 + [0.0] * 500)
    estimate = mean_interval(right, np.arange(2000), UNIT)
    assert (estimate.low, estimate.high) == pytest.approx(
        proportion_confint(1500, 2000, method="wilson"), abs=1e-4
    )


def test_with_equal_passages_the_variance_is_the_cluster_robust_one_of_statsmodels() -> None:
    values = right_or_wrong(np.random.default_rng(1), 12, 5, 0.7, 0.3).ravel()
    fit = sm.OLS(values, np.ones(values.size)).fit(cov_type="cluster", cov_kwds={"groups": clusters(12, 5)})
    assert clustered_variance(values, clusters(12, 5)) == pytest.approx(float(fit.bse[0]) ** 2)


def test_with_unequal_passages_variance_and_degrees_of_freedom_are_those_of_the_matrix_formulas() -> None:
    passages = np.repeat(np.arange(5), [1, 2, 3, 5, 9])
    values = np.random.default_rng(2).random(20)
    variance, freedom = cr2_by_matrices(values, passages)
    assert clustered_variance(values, passages) == pytest.approx(variance)
    assert degrees_of_freedom(np.array([1.0, 2, 3, 5, 9])) == pytest.approx(freedom)


def test_equal_passages_leave_one_degree_of_freedom_less_than_there_are() -> None:
    assert degrees_of_freedom(np.full(8, 5.0)) == pytest.approx(7)


def test_with_many_passages_it_is_the_value_and_two_cluster_robust_standard_errors_each_side() -> None:
    rng = np.random.default_rng(3)
    values = np.clip(0.5 + rng.normal(0, 0.1, (1000, 1)) + rng.normal(0, 0.1, (1000, 4)), 0, 1).ravel()
    fit = sm.OLS(values, np.ones(4000)).fit(cov_type="cluster", cov_kwds={"groups": clusters(1000, 4)})
    estimate = mean_interval(values, clusters(1000, 4), SCORE)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(fit.conf_int()[0]), abs=2e-4)


def test_one_passage_gives_the_whole_range_and_says_so() -> None:
    estimate = mean_interval(np.array([1.0, 1, 0, 1]), np.zeros(4, dtype=np.int64), UNIT)
    assert (estimate.value, estimate.low, estimate.high) == (0.75, 0, 1)
    assert estimate.method == METHOD_ONE_PASSAGE


def test_no_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        mean_interval(np.array([]), np.array([], dtype=np.int64), UNIT)


@pytest.mark.parametrize("constant", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("scale", [UNIT, SCORE])
def test_values_that_never_differ_still_leave_room_for_doubt(constant: float, scale: Scale) -> None:
    estimate = mean_interval(np.full(40, constant), clusters(8, 5), scale)
    assert estimate.value == constant
    assert 0.01 < estimate.high - estimate.low < 0.3


def test_all_right_on_few_passages_does_not_rule_out_one_wrong_in_seven() -> None:
    estimate = mean_interval(np.ones(40), clusters(8, 5), UNIT)
    assert estimate.high == 1
    assert 0.75 < estimate.low < 6 / 7


def test_questions_that_stand_or_fall_with_their_passage_count_as_one() -> None:
    by_passage = np.repeat([1.0, 1, 1, 0] * 10, 5)
    together = mean_interval(by_passage, clusters(40, 5), UNIT)
    apart = mean_interval(by_passage, np.arange(200), UNIT)
    assert 1.7 < (together.high - together.low) / (apart.high - apart.low) < 5**0.5 * 1.05


def test_questions_that_balance_within_their_passage_count_for_no_more_than_independent_ones() -> None:
    """One right and one wrong on each passage: Wilson's interval for 40 questions, with the t quantile of 20 passages."""
    estimate = mean_interval(np.tile([0.0, 1.0], 20), clusters(20, 2), UNIT)
    two_tails = 2 * scipy.stats.norm.sf(scipy.stats.t.ppf(0.975, 19))
    wilson = proportion_confint(20, 40, alpha=two_tails, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx(wilson)


def by_parts(values: FloatArray, passages: IntArray, unseen: float, confidence: float) -> tuple[float, float]:
    """The interval on a scale from 0 to 1 as docs/decisions/intervals.md puts it together, from parts of other libraries."""
    n, sizes = values.size, np.bincount(passages)
    clustered, freedom = cr2_by_matrices(values, passages)
    observed = clustered / (values.var(ddof=1) / n)
    expected = 1 + ((sizes**2).sum() / n - 1) * 0.2
    information = n / (float(scipy.stats.kurtosis(values, fisher=False)) + 3)
    design_effect = max((information * observed + 2 * expected) / (information + 2), 1.0)
    weights = [1.0] * n + [unseen / 2] * 2
    imagined = DescrStatsW([*values, 0.0, 1.0], weights=weights)
    effective = n * imagined.mean * (1 - imagined.mean) / imagined.var / design_effect
    two_tails = 2 * scipy.stats.norm.sf(scipy.stats.t.ppf((1 + confidence) / 2, freedom))
    low, high = proportion_confint(values.mean() * effective, effective, alpha=two_tails, method="wilson")
    return float(low), float(high)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("scale", [UNIT, SCORE])
def test_with_few_unequal_passages_it_is_wilsons_interval_on_the_effective_number_of_questions(
    scale: Scale, confidence: float
) -> None:
    passages = np.repeat(np.arange(5), [1, 2, 3, 5, 9])
    values = np.clip(np.random.default_rng(2).normal(0.6, 0.1, 20) + 0.05 * passages, 0, 1)
    estimate = mean_interval(values, passages, scale, confidence)
    assert (estimate.low, estimate.high) == pytest.approx(
        by_parts(values, passages, scale.unseen, confidence), rel=1e-6
    )


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_figure_of_no_known_scale_has_a_t_interval_on_the_clustered_variance(confidence: float) -> None:
    passages = np.repeat(np.arange(5), [1, 2, 3, 5, 9])
    values = np.random.default_rng(2).normal(100, 20, 20)
    variance, freedom = cr2_by_matrices(values, passages)
    estimate = t_interval(values, passages, confidence)
    assert (estimate.low, estimate.high) == pytest.approx(
        scipy.stats.t.interval(confidence, freedom, loc=values.mean(), scale=variance**0.5)
    )


def test_a_figure_of_no_known_scale_has_no_bounds_on_one_passage() -> None:
    estimate = t_interval(np.array([3.0, 5.0]), np.zeros(2, dtype=np.int64))
    assert (estimate.value, estimate.low, estimate.high) == (4.0, -np.inf, np.inf)
    assert estimate.method == METHOD_ONE_PASSAGE


def test_a_figure_of_no_known_scale_has_no_bounds_where_nothing_varies() -> None:
    estimate = t_interval(np.ones(10), np.repeat(np.arange(5), 2))
    assert (estimate.value, estimate.low, estimate.high) == (1.0, -np.inf, np.inf)
    assert estimate.method == METHOD_NO_SPREAD


@given(samples)
def test_the_interval_holds_the_value_and_stays_on_the_scale(values: FloatArray) -> None:
    estimate = mean_interval(values, clusters(6, 4), UNIT)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high


@given(samples)
def test_exchanging_right_and_wrong_mirrors_the_interval(values: FloatArray) -> None:
    estimate, mirrored = (mean_interval(v, clusters(6, 4), UNIT) for v in (values, 1 - values))
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - estimate.high, 1 - estimate.low))


@given(samples)
def test_the_unit_of_the_figure_does_not_matter(values: FloatArray) -> None:
    estimate = mean_interval(values, clusters(6, 4), UNIT)
    stretched = mean_interval(10 * values - 7, clusters(6, 4), Scale(low=-7.0, high=3.0, unseen=1.0))
    assert (stretched.low, stretched.high) == pytest.approx((10 * estimate.low - 7, 10 * estimate.high - 7))


@given(samples)
def test_more_confidence_is_never_narrower(values: FloatArray) -> None:
    usual, wary = (mean_interval(values, clusters(6, 4), UNIT, confidence) for confidence in (0.95, 0.99))
    assert wary.low <= usual.low
    assert usual.high <= wary.high


@pytest.mark.parametrize("passages", [8, 40])
@pytest.mark.parametrize("truth", [0.5, 0.8, 0.92, 0.97, 1.0])
def test_accuracy_intervals_hold_the_truth_as_often_as_they_say(passages: int, truth: float) -> None:
    rng = np.random.default_rng(round(passages + 1000 * truth))
    draws = [right_or_wrong(rng, passages, 5, truth, 0.2).ravel() for _ in range(1500)]
    intervals = [mean_interval(draw, clusters(passages, 5), UNIT) for draw in draws]
    assert np.mean([estimate.low <= truth <= estimate.high for estimate in intervals]) >= 0.93


@pytest.mark.parametrize("passages", [8, 40])
@pytest.mark.parametrize(("centre", "spread"), [(0.0, 0.5), (1.0, 1.2), (2.0, 1.5)])
def test_score_intervals_hold_the_truth_as_often_as_they_say(
    passages: int, centre: float, spread: float
) -> None:
    rng = np.random.default_rng(round(passages + 1000 * centre))

    def brier_scores(count: int, questions: int) -> FloatArray:
        shape = rng.normal(centre, 0.7 * spread, (count, 1)) + rng.normal(0, spread, (count, questions))
        return (1 / (1 + np.exp(shape))) ** 2

    truth = brier_scores(200_000, 1).mean()
    draws = [brier_scores(passages, 5).ravel() for _ in range(1500)]
    intervals = [mean_interval(draw, clusters(passages, 5), SCORE) for draw in draws]
    assert np.mean([estimate.low <= truth <= estimate.high for estimate in intervals]) >= 0.93
