"""Agreement held to published tables, to scikit-learn, statsmodels and scipy, and to simulations with a known truth."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score  # type: ignore[import-untyped]
from statsmodels.stats.inter_rater import cohens_kappa  # type: ignore[import-untyped]

from app.statistics.agreement import (
    OF_NEW_PEOPLE,
    SHARE,
    SIGNED,
    Pairs,
    Ratings,
    ac1,
    agreed,
    alpha_interval,
    alpha_nominal,
    distance,
    estimate,
    kappa,
    pairs_across,
    pairs_within,
    rank_correlation,
)
from app.statistics.intervals import FloatArray, IntArray

_ = math.nan
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)
"""Four observers of twelve units (Krippendorff 2011, "Computing Krippendorff's alpha-reliability", part C)."""


def ratings(table: FloatArray, categories: int, person: bool = False) -> Ratings:
    """Return ratings from a table of raters by talks, whose cells are categories from 0; NaN for none."""
    talk, rater = np.nonzero(~np.isnan(table.T))
    category = table[rater, talk].astype(np.int64)
    choice = np.eye(categories)[category]
    return Ratings(
        talk.astype(np.int64),
        rater.astype(np.int64),
        talk.astype(np.int64),
        np.full(talk.size, person),
        choice,
        choice[:, 0],
        category.astype(np.float64),
    )


def two(first: IntArray, second: IntArray, categories: int = 2) -> Pairs:
    """Return the pairs of two raters who rated the same talks."""
    own = ratings(np.stack([first, second]).astype(np.float64), categories)
    return pairs_across(own, own.rater == 0, own.rater == 1)


def cells(table: list[list[int]]) -> tuple[IntArray, IntArray]:
    """Return the ratings behind a table of counts."""
    rows, columns = np.indices(np.shape(table)).reshape(2, -1)
    counts = np.array(table).ravel()
    return np.repeat(rows, counts), np.repeat(columns, counts)


def test_alpha_is_that_of_the_published_example() -> None:
    own = ratings(KRIPPENDORFF - 1, 5)
    nominal, interval = alpha_nominal(own, own.choice), alpha_interval(own, own.p_gold)
    assert nominal
    assert interval
    assert round(nominal.value, 3) == 0.743
    assert round(interval.value, 3) == 0.849
    assert nominal.low < nominal.value < nominal.high


def test_alpha_has_no_value_where_nothing_varies() -> None:
    own = ratings(np.zeros((2, 5)), 2)
    assert alpha_nominal(own, own.choice) is None
    assert alpha_interval(own, own.p_gold) is None
    alone = ratings(np.array([[0.0, 1.0, 0.0]]), 2)
    assert alpha_nominal(alone, alone.choice) is None


def test_kappa_and_ac1_are_those_of_published_tables() -> None:
    """Cohen's kappa falls where one verdict dominates, and AC1 does not (Gwet 2002)."""
    pairs = two(*cells([[118, 5], [2, 0]]))
    found = kappa(pairs, pairs.ratings.choice)
    assert found
    assert round(agreed(pairs, pairs.ratings.choice).value, 3) == 0.944
    assert round(found.value, 4) == -0.0234
    assert round(ac1(pairs, pairs.ratings.choice).value, 4) == 0.9408


@pytest.mark.parametrize("seed", range(3))
def test_kappa_and_its_variance_are_those_of_other_packages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(3, size=80)
    second = np.where(rng.random(80) < 0.6, first, rng.integers(3, size=80))
    pairs = two(first, second, 3)
    found = kappa(pairs, pairs.ratings.choice)
    assert found
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    table = np.histogram2d(first, second, bins=3)[0]
    other = cohens_kappa(table)
    assert found.terms.var() / 80 == pytest.approx(other.var_kappa)
    held = estimate(pairs, found, SIGNED)
    half = 1.96 * math.sqrt(other.var_kappa)
    assert (held.low, held.high) == pytest.approx((found.value - half, found.value + half), abs=0.05)


def test_kappa_has_no_value_where_both_say_one_thing() -> None:
    pairs = two(np.zeros(9, dtype=np.int64), np.zeros(9, dtype=np.int64))
    assert kappa(pairs, pairs.ratings.choice) is None
    held = estimate(pairs, agreed(pairs, pairs.ratings.choice), SHARE)
    assert held.value == held.high == 1
    assert held.low < 0.8


def test_a_judge_whose_orders_differ_agrees_by_half_with_either() -> None:
    own = ratings(np.array([[0.0, 0.0], [0.0, 1.0]]), 2)
    split = own.choice.copy()
    split[own.rater == 1] = np.array([[1, 0], [0.5, 0.5]])
    assert agreed(pairs_across(own, own.rater == 0, own.rater == 1), split).value == 0.75


@pytest.mark.parametrize("values", [5, 1000])
def test_the_rank_correlation_is_that_of_scipy_with_ties_and_without(values: int) -> None:
    rng = np.random.default_rng(4)
    first = rng.integers(values, size=60)
    second = np.where(rng.random(60) < 0.5, first, rng.integers(values, size=60))
    found = rank_correlation(two(first, second, values))
    assert found
    assert found.value == pytest.approx(spearmanr(first, second).statistic)


def test_the_linear_terms_of_the_rank_correlation_give_its_variance() -> None:
    rng = np.random.default_rng(5)
    draws = []
    for _draw in range(400):
        first = np.round(rng.normal(size=150), 1)
        second = np.round(0.6 * first + rng.normal(size=150), 1)
        own = ratings(np.zeros((2, 150)), 1)
        own.p_gold[own.rater == 0], own.p_gold[own.rater == 1] = first, second
        found = rank_correlation(pairs_across(own, own.rater == 0, own.rater == 1))
        assert found
        draws.append((found.value, found.terms.var() / 150))
    values, variances = np.array(draws).T
    assert variances.mean() == pytest.approx(values.var(), rel=0.15)


def test_a_rank_correlation_needs_beliefs_that_differ() -> None:
    assert rank_correlation(two(np.zeros(5, dtype=np.int64), np.arange(5) % 2)) is None


def test_the_distance_of_beliefs_is_a_mean_over_talks() -> None:
    assert distance(two(np.array([0, 1, 1]), np.array([1, 1, 0]))).value == pytest.approx(2 / 3)


def test_within_a_group_every_two_are_paired_and_of_many_each_with_four() -> None:
    own = ratings(np.zeros((5, 2)), 1)
    pairs = pairs_within(own, own.rater >= 0)
    found = {tuple(sorted(pair)) for pair in zip(own.rater[pairs.one], own.rater[pairs.other], strict=True)}
    assert len(found) == 10
    assert pairs.one.size == 20
    many = ratings(np.zeros((9, 3)), 1)
    ring = pairs_within(many, many.rater >= 0)
    assert (ring.one != ring.other).all()
    both = np.concatenate([ring.one, ring.other])
    assert set(np.bincount(both).tolist()) == {4}
    assert ring.weight.sum() == pytest.approx(1)


def test_across_groups_all_are_paired_and_of_many_each_of_the_larger_once() -> None:
    own = ratings(np.zeros((5, 2)), 1)
    pairs = pairs_across(own, own.rater < 2, own.rater >= 2)
    assert pairs.one.size == 2 * 6
    assert pairs.talks == 2
    many = ratings(np.zeros((40, 1)), 1)
    ring = pairs_across(many, many.rater < 10, many.rater >= 10)
    assert sorted(ring.other.tolist()) == list(range(10, 40))
    assert set(np.bincount(ring.one).tolist()) == {3}


def _people(rng: np.random.Generator, people: int, passages: int, spread: float) -> Ratings:
    """Return ratings of people of different skill, three on each talk, one talk a passage."""
    skill, ease = 1 + spread * rng.normal(size=people), rng.normal(size=passages) * 0.5
    who = np.stack([rng.choice(people, 3, replace=False) for _at in range(passages)])
    talk, rater = np.repeat(np.arange(passages), 3), who.ravel()
    right = (rng.random(talk.size) < 1 / (1 + np.exp(-skill[rater] - ease[talk]))).astype(np.float64)
    labels = rng.integers(2, size=passages)[talk]
    choice = np.eye(2)[np.where(right == 1, labels, 1 - labels)]
    return Ratings(talk, rater, talk, np.ones(talk.size, dtype=np.bool_), choice, right, right)


@pytest.mark.parametrize(("people", "spread"), [(8, 1.0), (20, 0.7)])
def test_intervals_of_people_cover_new_people_and_passages(people: int, spread: float) -> None:
    rng = np.random.default_rng(6)
    truths = [_people(rng, 400, 4000, spread) for _at in range(3)]
    everyone = [pairs_within(own, own.person) for own in truths]
    truth = np.mean([agreed(pairs, pairs.ratings.choice).value for pairs in everyone])
    alpha = np.mean([found.value for own in truths if (found := alpha_nominal(own, own.choice))])
    inside: list[bool] = []
    inside_alpha: list[bool] = []
    runs = 200
    for _run in range(runs):
        own = _people(rng, people, 60, spread)
        pairs = pairs_within(own, own.person)
        held = estimate(pairs, agreed(pairs, own.choice), SHARE)
        assert held.method.endswith(OF_NEW_PEOPLE)
        inside.append(bool(held.low <= truth <= held.high))
        found = alpha_nominal(own, own.choice)
        assert found
        inside_alpha.append(bool(found.low <= alpha <= found.high))
    assert sum(inside) / runs >= 0.9
    assert sum(inside_alpha) / runs >= 0.9
