"""Intervals for people are held to formulas written out, to other implementations, and to simulations with fixed seeds."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from app.statistics import two_way
from app.statistics.intervals import (
    DIFFERENCE,
    METHOD_ONE_PASSAGE,
    FloatArray,
    IntArray,
    Scale,
    mean_interval,
)
from app.statistics.two_way import (
    METHOD,
    METHOD_ALONE,
    METHOD_ONE_JUDGE,
    difference_limits,
    difference_of_people,
    mean_interval_of_people,
    mean_limits,
    question_weights,
)
from benchmarks.coverage import DESIGNS, PAIRINGS, Design, Pairing, covered, paired, placed, rejected, right

UNIT = Scale(low=0.0, high=1.0, unseen=1.0)


def grid(judges: int, passages: int) -> tuple[IntArray, IntArray]:
    """Every judge on every passage, one question each."""
    judge, passage = np.meshgrid(np.arange(judges), np.arange(passages), indexing="ij")
    return judge.ravel(), passage.ravel()


def two_way_variance(values: FloatArray, judges: IntArray, passages: IntArray) -> float:
    """The variance of a plain mean, unbiased for new judges and passages, from pairs that share neither."""
    apart = (judges[:, None] != judges) & (passages[:, None] != passages)
    return float(values.mean() ** 2 - (values[:, None] * values)[apart].mean())


def test_the_variance_is_that_of_the_moments_over_pairs() -> None:
    judges, passages = grid(6, 9)
    values = np.random.default_rng(1).random(judges.size)
    off = values - values.mean()
    kinds = [
        two_way._clusters(
            off / off.size, np.full(off.size, 1 / off.size), np.full((1, off.size), 1 / off.size), kind
        )
        for kind in (judges, passages, judges * 9 + passages)
    ]
    found = (kinds[0].squares + kinds[1].squares - kinds[2].squares) / (
        1 - kinds[0].share - kinds[1].share + kinds[2].share
    )
    assert found == pytest.approx(two_way_variance(values, judges, passages))


def test_the_sums_of_squares_are_those_of_statsmodels() -> None:
    judges, passages = grid(6, 9)
    values = np.random.default_rng(2).random(judges.size)
    fit = sm.OLS(values, np.ones(values.size)).fit()
    theirs = cov_cluster_2groups(fit, judges, passages, use_correction=False)
    off, even = (values - values.mean()) / values.size, np.full(values.size, 1 / values.size)
    for kind, other in zip((judges, passages), theirs[1:], strict=True):
        assert two_way._clusters(off, even, even[None], kind).squares == pytest.approx(other.item())


@pytest.mark.parametrize("design", list(DESIGNS))
def test_runs_together_are_runs_alone(design: Design) -> None:
    verdicts = placed(design, 5, 8)
    values = right(np.random.default_rng(3), 4, verdicts, 0.8, 0.5)
    places = (verdicts.questions, verdicts.passages, verdicts.judges)
    found = mean_limits(values, *places, UNIT)
    for at, run in enumerate(values):
        alone = mean_interval_of_people(run, *places, UNIT)
        assert (alone.value, alone.low, alone.high) == pytest.approx(
            (found.value[at], found.low[at], found.high[at])
        )
        assert alone.method == METHOD


def test_exchanging_right_and_wrong_mirrors_the_interval() -> None:
    verdicts = placed("one", 4, 10)
    values = right(np.random.default_rng(4), 1, verdicts, 0.8, 1.0)[0]
    places = (verdicts.questions, verdicts.passages, verdicts.judges)
    found, mirrored = (mean_interval_of_people(each, *places, UNIT) for each in (values, 1 - values))
    assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low))


def test_exchanging_the_arms_mirrors_the_difference_and_keeps_p() -> None:
    verdicts, first = paired("dealt", 6, 12)
    values = right(np.random.default_rng(5), 1, verdicts, 0.7, 0.5, first, 0.5)[0]
    places = (verdicts.questions, verdicts.passages, verdicts.judges)
    found, p = difference_of_people(values, first, *places, DIFFERENCE)
    turned, same = difference_of_people(values, ~first, *places, DIFFERENCE)
    assert (found.value, found.low, found.high) == pytest.approx((-turned.value, -turned.high, -turned.low))
    assert p == pytest.approx(same)
    assert (p <= 0.05) == (found.low > 0 or found.high < 0)


def test_all_right_keeps_an_interval() -> None:
    """Forty of forty is a sample without variation, not a constant of the design."""
    judges, passages = grid(5, 8)
    found = mean_interval_of_people(np.ones(40), np.arange(40), passages, judges, UNIT)
    assert found.high == found.value == 1.0
    assert 0.7 < found.low < 0.95


def test_one_passage_says_nothing_about_others() -> None:
    found = mean_interval_of_people(np.array([1.0, 0, 1]), np.arange(3), np.zeros(3, int), np.arange(3), UNIT)
    assert (found.low, found.high, found.method) == (0.0, 1.0, METHOD_ONE_PASSAGE)


def test_one_person_has_the_interval_of_one_judge_and_a_method_that_says_so() -> None:
    values, passages = np.array([1.0, 0, 1, 1, 1, 0]), np.repeat(np.arange(3), 2)
    found = mean_interval_of_people(values, np.arange(6), passages, np.zeros(6, int), UNIT)
    usual = mean_interval(values, passages, UNIT)
    assert (found.low, found.high) == pytest.approx((usual.low, usual.high))
    assert found.method == METHOD_ONE_JUDGE


def test_one_person_under_an_arm_gives_a_contrast_no_interval() -> None:
    questions = np.tile(np.arange(4), 2)
    first = np.arange(8) < 4
    judges = np.where(first, 0, 1 + np.arange(8) % 2)
    found, p = difference_of_people(np.arange(8) % 2.0, first, questions, questions, judges, DIFFERENCE)
    assert (found.low, found.high, found.method, p) == (-1.0, 1.0, METHOD_ALONE, None)


def test_questions_weigh_alike_however_many_judge_them() -> None:
    weights = question_weights(np.array([7, 7, 7, 9]))
    assert weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    verdicts = placed("one", 5, 8)
    found = difference_limits(
        np.ones(verdicts.judges.size * 2),
        np.repeat([True, False], verdicts.judges.size),
        *(np.tile(place, 2) for place in (verdicts.questions, verdicts.passages, verdicts.judges)),
        DIFFERENCE,
    )
    assert found.value == 0


@pytest.mark.parametrize("design", list(DESIGNS))
@pytest.mark.parametrize(
    ("judges", "passages", "accuracy", "spread", "at_least", "at_most"),
    [
        (3, 8, 0.92, 1.0, 0.92, 1.0),
        (3, 20, 0.6, 1.0, 0.92, 1.0),
        (5, 8, 0.8, 0.5, 0.92, 1.0),
        (10, 20, 0.8, 1.0, 0.92, 0.98),
        (20, 20, 0.6, 0.5, 0.92, 0.98),
    ],
)
def test_intervals_hold_the_accuracy_of_new_judges_on_new_passages(
    design: Design,
    judges: int,
    passages: int,
    accuracy: float,
    spread: float,
    at_least: float,
    at_most: float,
) -> None:
    """A thousand experiments each: the whole table is in docs/decisions/people.md."""
    share, _ = covered(design, judges, passages, accuracy, spread, runs=1000)
    assert at_least <= share <= at_most


@pytest.mark.parametrize("pairing", list(PAIRINGS))
@pytest.mark.parametrize("taste", [0.0, 0.5])
def test_arms_that_do_not_differ_are_seldom_said_to(pairing: Pairing, taste: float) -> None:
    assert rejected(pairing, 10, 20, 0.6, 1.0, taste, runs=1000)[0] <= 0.07


def test_clustering_by_passage_alone_would_be_far_too_narrow() -> None:
    """The finding that this mends: 5 judges of spread 1 on 50 passages."""
    verdicts, rng = placed("all", 5, 50), np.random.default_rng(6)
    values = right(rng, 200, verdicts, 0.8, 1.0)
    passages = np.repeat(np.arange(50), 5)
    by_question = values.reshape(200, 5, 250).mean(axis=1)
    usual = [mean_interval(run, passages, UNIT) for run in by_question]
    assert np.mean([found.low <= 0.8 <= found.high for found in usual]) < 0.75
