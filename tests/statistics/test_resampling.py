"""The cluster bootstrap against variances that are known, and Kendall's tau against scipy."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from app.statistics.rank_agreement import tau_b
from app.statistics.resampling import percentiles, redrawn, table


def test_sums_over_redrawn_passages_spread_as_passages_do() -> None:
    rng = np.random.default_rng(1)
    passage = np.repeat(np.arange(40), 5)
    values = rng.normal(size=200) + np.repeat(rng.normal(size=40), 5)
    held = table(passage, np.full(200, -1), np.stack([values, np.ones(200)], axis=1))
    [draws] = redrawn([held], np.random.default_rng(2), 40, 0)
    means = draws[:, 0] / draws[:, 1]
    by_passage = values.reshape(40, 5).mean(axis=1)
    assert means.std() == pytest.approx(by_passage.std() / math.sqrt(40), rel=0.06)
    ends = percentiles(means, 40)
    assert ends
    assert ends[0] < values.mean() < ends[1]


def test_people_are_drawn_too() -> None:
    rng = np.random.default_rng(3)
    passage, person = np.divmod(np.arange(60 * 6), 6)
    skill = rng.normal(size=6)
    held = table(passage, person, np.stack([skill[person], np.ones(360)], axis=1))
    [draws] = redrawn([held], np.random.default_rng(4), 60, 6)
    assert (draws[:, 0] / draws[:, 1]).std() == pytest.approx(skill.std() / math.sqrt(6), rel=0.08)


def test_one_passage_has_no_interval_and_neither_has_a_figure_that_is_mostly_unknown() -> None:
    assert percentiles(np.arange(100.0), 1) is None
    assert percentiles(np.where(np.arange(100) < 20, np.nan, 1.0), 9) is None
    assert percentiles(np.where(np.arange(100) < 5, np.nan, 1.0), 9) == (1.0, 1.0)


@pytest.mark.parametrize("values", [3, 100])
def test_tau_is_that_of_scipy_with_ties_and_without(values: int) -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(values, size=(2, 20, 7)).astype(np.float64)
    expected = [kendalltau(one, other).statistic for one, other in zip(first, second, strict=True)]
    assert tau_b(first, second) == pytest.approx(np.array(expected))


def test_tau_is_unknown_where_one_side_ties_all() -> None:
    assert np.isnan(tau_b(np.ones(4), np.arange(4.0)))
