"""Intervals for the mean of a bounded figure over questions that share passages.

docs/decisions/intervals.md says why we use this method, and compares it with others.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from app.statistics.assumptions import EXPECTED_CORRELATION

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

METHOD = "Wilson, t quantile, effective number of questions clustered by passage (CR2)"
METHOD_UNBOUNDED = "t quantile, variance clustered by passage (CR2)"
METHOD_NO_SPREAD = "none: all values are equal, and the figure has no scale"
METHOD_ONE_PASSAGE = "whole range: one passage tells nothing about others"

_EXPECTED_WEIGHT = 2.0
"""Weight of that assumption, in units of information of the data."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its two-sided interval, both in the unit of the figure."""

    value: float
    low: float
    high: float
    confidence: float
    method: str


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a figure, and the allowance for values that the sample does not show."""

    low: float
    high: float
    unseen: float
    """Weight, in questions, of a pseudo-question with half at each end, added when the spread is estimated.
    """


DIFFERENCE = Scale(low=-1.0, high=1.0, unseen=1.0)
"""The difference of two accuracies on the same question."""


def mean_interval(values: FloatArray, passages: IntArray, scale: Scale, confidence: float = 0.95) -> Estimate:
    """Return the mean of `values` with an interval for few passages and for means near the ends of the scale.

    values: (n,) one figure per question, within the scale. passages: (n,) the passage of each, as any
    integers.

    The method is a score interval (Wilson 1927) on the effective number of questions (Korn and Graubard
    1998), with the t quantile in place of the normal one. The variance of the mean is clustered by passage
    with the CR2 correction and its degrees of freedom (Bell and McCaffrey 2002). It is never smaller than for
    independent questions. With one passage the interval is the whole scale. Raise ValueError where there is
    no value.
    """
    if values.size == 0:
        raise ValueError("There is no verdict to average; run the trials first.")
    value = math.fsum(values) / values.size
    sizes = np.unique_counts(passages).counts.astype(np.float64)
    if sizes.size == 1:
        return Estimate(value, scale.low, scale.high, confidence, METHOD_ONE_PASSAGE)
    unit = (values - scale.low) / (scale.high - scale.low)
    effective = _binary_equivalent(unit, scale.unseen) / _design_effect(unit, passages, sizes)
    quantile = float(stdtrit(degrees_of_freedom(sizes), (1 + confidence) / 2))
    low, high = (
        scale.low + (scale.high - scale.low) * end for end in _wilson(float(unit.mean()), effective, quantile)
    )
    return Estimate(value, min(low, value), max(high, value), confidence, METHOD)


def t_interval(values: FloatArray, passages: IntArray, confidence: float = 0.95) -> Estimate:
    """Return the mean of (n,) `values` without a known scale: t quantile, CR2 variance (Bell and McCaffrey
    2002).

    The interval is too narrow where values hardly differ. With one passage, or where all values are equal, it has no ends.
    """
    value = math.fsum(values) / values.size
    sizes = np.unique_counts(passages).counts.astype(np.float64)
    if sizes.size == 1:
        return Estimate(value, -math.inf, math.inf, confidence, METHOD_ONE_PASSAGE)
    if np.ptp(values) == 0:
        return Estimate(value, -math.inf, math.inf, confidence, METHOD_NO_SPREAD)
    quantile = float(stdtrit(degrees_of_freedom(sizes), (1 + confidence) / 2))
    half = quantile * math.sqrt(clustered_variance(values, passages))
    return Estimate(value, value - half, value + half, confidence, METHOD_UNBOUNDED)


def clustered_variance(values: FloatArray, passages: IntArray) -> float:
    """Return the variance of the mean of (n,) values, clustered by two or more passages, with the CR2
    correction (Bell and McCaffrey 2002).
    """
    off = values - values.mean()
    groups = np.unique_inverse(passages).inverse_indices
    shares = np.bincount(groups) / values.size
    return float((np.bincount(groups, weights=off) ** 2 / (1 - shares)).sum() / values.size**2)


def degrees_of_freedom(sizes: FloatArray) -> float:
    """Return Satterthwaite's degrees of freedom for the CR2 variance of a mean (Bell and McCaffrey 2002),
    from (passages,) numbers of questions.

    They are the number of passages less 1 where all numbers are equal, and fewer where one passage outweighs
    others.
    """
    n = sizes.sum()
    products = sizes**2 / (1 - sizes / n)
    between = products.sum() ** 2 - (products**2).sum()
    return float(n**2 / ((sizes**2).sum() + between / n**2))


def _wilson(mean: float, n: float, quantile: float) -> tuple[float, float]:
    square = quantile**2 / n
    centre = (mean + square / 2) / (1 + square)
    half = math.sqrt(square * (max(mean * (1 - mean), 0.0) + square / 4)) / (1 + square)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _binary_equivalent(unit: FloatArray, unseen: float) -> float:
    """Return how many right-or-wrong questions would give a mean as precise as these n: n where all are 0 or
    1, otherwise more.
    """
    n = unit.size
    mean = (unit.sum() + unseen / 2) / (n + unseen)
    squares = ((unit - mean) ** 2).sum() + unseen / 2 * (mean**2 + (1 - mean) ** 2)
    return float(n * mean * (1 - mean) * (n + unseen) / squares)


def _design_effect(unit: FloatArray, passages: IntArray, sizes: FloatArray) -> float:
    """Return the factor by which clustering multiplies the variance of the mean, at least 1.

    The factor from the data is averaged with the factor that `EXPECTED_CORRELATION` implies. A ratio of two
    variances is known the less, the longer the tails of the values (their kurtosis). It is unknown where all
    values are equal.
    """
    n = unit.size
    expected = 1 + ((sizes**2).sum() / n - 1) * EXPECTED_CORRELATION
    if np.ptp(unit) == 0:
        return float(expected)
    off = unit - unit.mean()
    observed = clustered_variance(unit, passages) / ((off**2).sum() / (n * (n - 1)))
    information = n / (np.mean(off**4) / np.mean(off**2) ** 2 + 3)
    blend = np.average([observed, expected], weights=[information, _EXPECTED_WEIGHT])
    return max(float(blend), 1.0)
