"""A logistic regression of shares on one figure, with a variance clustered by passage and by person."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, stdtrit

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import combined

FEWEST_CLUSTERS = 8
"""Fewest passages for which a clustered variance is used."""
_STEPS = 50
_SURE = 12.0
"""Logits beyond which fitted shares are 0 or 1, so that right and wrong are separated."""

FEW = f"fewer than {FEWEST_CLUSTERS} passages"
SEPARATED = "the figure separates right from wrong, so that the slope has no bound"
NO_SPREAD = "the two sides are equally long, or the judge always chooses alike"


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of the logit on the figure, with its 95% interval, or the reason why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    at_zero: float | None = None
    """The fitted share where the figure is 0."""
    reason: str | None = None


def slope(
    share: FloatArray, figure: FloatArray, weight: FloatArray, passage: IntArray, person: IntArray
) -> Slope:
    """Return the slope of the logit of (n,) shares between 0 and 1 on a figure (Papke and Wooldridge 1996).

    The variance is the sandwich, clustered by passage as statsmodels' `cov_type="cluster"`, and where people judge by both (Cameron,
    Gelbach and Miller 2011); the quantile is that of t with one degree of freedom fewer than the smaller number of clusters. `person`
    is -1 for other judges.
    """
    passages = np.unique_inverse(passage)
    if passages.values.size < FEWEST_CLUSTERS:
        return Slope(reason=FEW)
    if np.ptp(figure) < 1e-9 or np.ptp(share) == 0:
        return Slope(reason=NO_SPREAD)
    design = np.stack([np.ones(figure.size), figure], axis=1)
    fitted = _fitted(share, design, weight)
    if fitted is None:
        return Slope(reason=SEPARATED)
    at, bread = fitted
    scores = design * (weight * (share - expit(design @ at)))[:, None]
    clusters = [passages.inverse_indices]
    people = bool((person >= 0).all()) and np.ptp(person) > 0
    if people:
        clusters += [person, combined(person, passage)]
    parts = [_meat(scores, own) for own in clusters]
    meat = parts[0][0]
    if people:
        # Where two-way clustering says less than passages alone, it is noise.
        both = parts[0][0] + parts[1][0] - parts[2][0]
        meat = both if (bread @ both @ bread)[1, 1] > (bread @ meat @ bread)[1, 1] else meat
    error = math.sqrt(float((bread @ meat @ bread)[1, 1]))
    least = min(count for _, count in parts[:2])
    half = float(stdtrit(least - 1, 0.975)) * error
    return Slope(float(at[1]), float(at[1]) - half, float(at[1]) + half, float(expit(at[0])))


def _fitted(
    share: FloatArray, design: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Return the coefficients and the inverse of the information, by Newton's method; None where it does not end."""
    at: FloatArray = np.zeros(2)
    for _ in range(_STEPS):
        logits = design @ at
        if np.abs(logits).max() > _SURE * 3:
            return None
        p = expit(logits)
        information = (design * (weight * p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (weight * (share - p)))
        at = at + step
        if np.abs(step).max() < 1e-9:
            spread = float(np.abs(design @ at).min())
            bread: FloatArray = np.linalg.inv(information).astype(np.float64)
            return (at, bread) if spread < _SURE else None
    return None


def _meat(scores: FloatArray, clusters: IntArray) -> tuple[FloatArray, int]:
    """Return the sum of squares of scores by cluster with statsmodels' small-sample factor, and the number of clusters."""
    codes = np.unique_inverse(clusters)
    count = int(codes.values.size)
    sums = np.stack([np.bincount(codes.inverse_indices, weights=column) for column in scores.T], axis=1)
    n = len(scores)
    meat: FloatArray = (sums.T @ sums * (count / max(count - 1, 1) * (n - 1) / (n - 2))).astype(np.float64)
    return meat, count
