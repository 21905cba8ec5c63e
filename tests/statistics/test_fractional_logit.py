"""The slope of a logistic regression against statsmodels, and against a truth that is known."""

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]

from app.statistics.fractional_logit import FEW, NO_SPREAD, SEPARATED, slope
from app.statistics.intervals import FloatArray, IntArray

NO_PERSON = -1


def data(seed: int, size: int = 200, true: float = 0.8) -> tuple[FloatArray, FloatArray, IntArray]:
    """Shares, a figure and passages."""
    rng = np.random.default_rng(seed)
    figure, passage = rng.normal(size=size), np.arange(size) // 4
    logits = 0.3 + true * figure + rng.normal(size=size // 4 + 1)[passage]
    shares = (rng.random((2, size)) < 1 / (1 + np.exp(-logits))).mean(axis=0)
    return shares, figure, passage


def test_slope_and_error_are_those_of_statsmodels() -> None:
    share, figure, passage = data(1)
    found = slope(share, figure, np.ones(200), passage, np.full(200, NO_PERSON))
    other = sm.GLM(share, sm.add_constant(figure), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": passage}, use_t=True
    )
    assert found.value == pytest.approx(other.params[1])
    assert (found.low, found.high) == pytest.approx(tuple(other.conf_int()[1]), rel=1e-4)


def test_people_widen_the_interval_where_they_differ() -> None:
    rng = np.random.default_rng(2)
    person, passage = np.divmod(np.arange(400), 50)
    figure = rng.normal(size=400)
    taste = rng.normal(size=8) * 2
    share = (rng.random(400) < 1 / (1 + np.exp(-taste[person] * figure))).astype(float)
    alone = slope(share, figure, np.ones(400), passage, np.full(400, NO_PERSON))
    both = slope(share, figure, np.ones(400), passage, person)
    assert alone.low is not None
    assert both.low is not None
    assert alone.high is not None
    assert both.high is not None
    assert both.high - both.low > 2 * (alone.high - alone.low)


def test_the_interval_covers_the_truth() -> None:
    """The marginal slope is estimated from many talks once, then covered by samples of few."""
    share, figure, passage = data(3, 80_000)
    true = slope(share, figure, np.ones(80_000), passage, np.full(80_000, NO_PERSON)).value
    assert true is not None
    inside = []
    for seed in range(150):
        share, figure, passage = data(100 + seed)
        found = slope(share, figure, np.ones(200), passage, np.full(200, NO_PERSON))
        assert found.low is not None
        assert found.high is not None
        inside.append(found.low <= true <= found.high)
    assert np.mean(inside) >= 0.9


def test_where_there_is_no_slope_there_is_a_reason() -> None:
    models, passage = np.full(40, NO_PERSON), np.arange(40)
    figure = np.linspace(-1, 1, 40)
    assert slope((figure > 0) * 1.0, figure, np.ones(40), passage, models).reason == SEPARATED
    assert slope(np.ones(40), figure, np.ones(40), passage, models).reason == NO_SPREAD
    assert slope((passage % 2) * 1.0, np.zeros(40), np.ones(40), passage, models).reason == NO_SPREAD
    assert slope((passage % 2) * 1.0, figure, np.ones(40), passage // 10, models).reason == FEW
