"""Kendall's tau against scipy."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from app.statistics.rank_agreement import tau_b


@pytest.mark.parametrize("values", [3, 100])
def test_tau_is_that_of_scipy_with_ties_and_without(values: int) -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(values, size=(2, 20, 7)).astype(np.float64)
    expected = [kendalltau(one, other).statistic for one, other in zip(first, second, strict=True)]
    assert tau_b(first, second) == pytest.approx(np.array(expected))


def test_tau_is_unknown_where_one_side_ties_all() -> None:
    assert np.isnan(tau_b(np.ones(4), np.arange(4.0)))
