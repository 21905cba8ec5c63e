"""The calibration of one judge under one arm: errors, parts of the Brier score, and areas, with limits by bootstrap.

Verdicts are the unit, as in published figures; limits are for new passages, and for new people where people judge.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.statistics.calibration import (
    BINS,
    answers_of,
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
)
from app.statistics.intervals import DIFFERENCE, Estimate, FloatArray, IntArray, Scale, mean_interval
from app.statistics.readings import Readings, dense
from app.statistics.resampling import DRAWS, Clusters, drawn_sums, error_limits, limits, widest
from app.statistics.two_way import mean_interval_of_people

LEVELS = 256
"""Levels of confidence that draws distinguish: with more, an area changes by less than 1/1,000."""
ALL_RIGHT, ALL_WRONG = "every verdict is right", "every verdict is wrong"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the beliefs of one judge under one arm fit what was right, without limits by bootstrap."""

    arm: str
    judge: str
    verdicts: int
    passages: int
    ece: float
    """Expected calibration error of the favoured answer, ten equal bins."""
    ece_by_chance: float
    """What a perfectly calibrated judge of as many independent verdicts would show on average."""
    adaptive_ece: float
    """The same with ten bins of equally many verdicts."""
    confidence: float
    """Mean belief in the favoured answer."""
    accuracy: float
    """Share of verdicts that are right; a tie counts its share."""
    overconfidence: float
    """The first less the second: above 0 a judge is surer than right."""
    low: float | None
    """Of the interval of that; None where the design fixes the beliefs."""
    high: float | None
    method: str
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    """The score less reliability - resolution + uncertainty: what differs within bins."""
    auroc: float | None
    """The chance that a right verdict is more confident than a wrong one."""
    no_auroc: str | None
    """Why there is none."""


def calibration_of(readings: Readings, beliefs: FloatArray, gold: IntArray, *, fixed: bool) -> Calibration:
    """Return the figures of the verdicts of one judge under one arm; `beliefs` are (n, answers), padded with -1."""
    confidence, right = confidence_of(beliefs), readings.right
    bins, even = bins_of(confidence), equal_mass(confidence)
    sums = bin_sums(bins, confidence, right)
    parts = brier_parts(_of_answers(beliefs, gold, sums))
    reliability, resolution, uncertainty = map(
        float, (parts.reliability, parts.resolution, parts.uncertainty)
    )
    brier = math.fsum(readings.brier) / right.size
    over = mean_of_verdicts(readings, confidence - right, DIFFERENCE)
    level, count = levels(confidence)
    area = float(auroc_of(bin_sums(level, confidence, right, count)[:, [0, 2]]))
    means = [math.fsum(values) / right.size for values in (confidence, right)]
    return Calibration(
        readings.arm,
        readings.judge,
        right.size,
        np.unique_values(readings.passage).size,
        float(expected_error(sums)),
        error_by_chance(bins, confidence),
        float(expected_error(bin_sums(even, confidence, right))),
        means[0],
        means[1],
        over.value,
        None if fixed else over.low,
        None if fixed else over.high,
        "none: fixed by the design" if fixed else over.method,
        brier,
        reliability,
        resolution,
        uncertainty,
        brier - (reliability - resolution + uncertainty),
        None if math.isnan(area) else area,
        None if not math.isnan(area) else ALL_RIGHT if right.all() else ALL_WRONG,
    )


def mean_of_verdicts(readings: Readings, values: FloatArray, scale: Scale) -> Estimate:
    """Return the mean of (n,) values with verdicts as units, clustered by passage, and by person where people judge."""
    passages = dense(readings.passage)
    if readings.pooled:
        units = np.arange(values.size)
        return mean_interval_of_people(values, units, passages, dense(readings.person), scale)
    return mean_interval(values, passages, scale)


def _of_answers(beliefs: FloatArray, gold: IntArray, sums: FloatArray) -> FloatArray:
    """Return the sums of all answers by bin of belief; `sums` are those of the favoured ones."""
    if not _several(beliefs):
        return of_both_answers(sums)
    _, p, outcome = answers_of(beliefs, gold)
    return bin_sums(bins_of(p), p, outcome)


def _several(beliefs: FloatArray) -> bool:
    return bool((beliefs >= 0).sum(axis=1).max(initial=0) > 2)


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Limited:
    """A figure with its limits; None where there are none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class CalibrationLimits:
    """Figures of calibration with 95% limits by a bootstrap of clusters."""

    arm: str
    judge: str
    verdicts: int
    passages: int
    people: int | None
    ece: Limited
    adaptive_ece: Limited
    reliability: Limited
    resolution: Limited
    auroc: Limited
    method: str
    draws: int


def calibration_limits(
    readings: Readings,
    beliefs: FloatArray,
    gold: IntArray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> CalibrationLimits:
    """Return limits of the figures of `calibration_of`.

    Bins of equally many verdicts, and levels of confidence, remain those of the sample in every draw.
    """
    confidence, right = confidence_of(beliefs), readings.right
    clusters = Clusters.of(readings.passage, readings.person)
    bins, even = bins_of(confidence), equal_mass(confidence)
    ece, drawn = _error(clusters, bins, confidence, right, rng, draws)
    adaptive, _ = _error(clusters, even, confidence, right, rng, draws)
    sums = bin_sums(bins, confidence, right)
    answers = _of_answers(beliefs, gold, sums)
    drawn_answers = of_both_answers(drawn)
    if _several(beliefs):
        verdict, p, outcome = answers_of(beliefs, gold)
        drawn_answers = drawn_bins(clusters, bins_of(p), p, outcome, BINS, rng, draws, verdict)
    parts, of_draws = brier_parts(answers), brier_parts(drawn_answers)
    noise = brier_parts(without_gaps(answers, drawn_answers)).reliability
    few = clusters.fewest
    return CalibrationLimits(
        readings.arm,
        readings.judge,
        right.size,
        clusters.passages,
        clusters.people if readings.pooled else None,
        ece,
        adaptive,
        _limited(
            float(parts.reliability), error_limits(float(parts.reliability), of_draws.reliability, noise, few)
        ),
        _limited(float(parts.resolution), widest(float(parts.resolution), of_draws.resolution, few)),
        _area(clusters, confidence, right, rng, draws),
        clusters.method,
        draws,
    )


def _limited(value: float, found: tuple[float, float] | None) -> Limited:
    return Limited(value) if found is None else Limited(value, *found)


def _error(
    clusters: Clusters,
    bins: IntArray,
    confidence: FloatArray,
    right: FloatArray,
    rng: np.random.Generator,
    draws: int,
) -> tuple[Limited, FloatArray]:
    """Return a calibration error with its limits, and the sums of its draws."""
    sums = bin_sums(bins, confidence, right)
    drawn = drawn_bins(clusters, bins, confidence, right, BINS, rng, draws)
    value, noise = float(expected_error(sums)), expected_error(without_gaps(sums, drawn))
    return _limited(value, error_limits(value, expected_error(drawn), noise, clusters.fewest)), drawn


def drawn_bins(
    clusters: Clusters,
    bins: IntArray,
    p: FloatArray,
    outcome: FloatArray,
    count: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
    verdict: IntArray | None = None,
) -> FloatArray:
    """Return (draws, count, 3) sums by bin over what was drawn. `verdict` is that of each value, where it is not its place."""
    own = clusters.own if verdict is None else clusters.own[verdict]
    columns = np.concatenate([3 * bins, 3 * bins + 1, 3 * bins + 2])
    values = np.concatenate([np.ones(p.size), p, outcome])
    sums = clusters.sums(np.tile(own, 3), columns, values, 3 * count)
    return np.concatenate(list(drawn_sums(clusters, sums, rng, draws))).reshape(draws, count, 3)


def without_gaps(sums: FloatArray, drawn: FloatArray) -> FloatArray:
    """Return (draws, bins, 3) sums of draws, with the outcomes that they would have if the sample had no gap between belief and
    outcome in any bin.
    """
    share = np.divide(sums[:, 1] - sums[:, 2], sums[:, 0], out=np.zeros(len(sums)), where=sums[:, 0] > 0)
    outcome = drawn[..., 2] + drawn[..., 0] * share
    return np.stack([drawn[..., 0], drawn[..., 1], outcome], axis=-1)


def _area(
    clusters: Clusters, confidence: FloatArray, right: FloatArray, rng: np.random.Generator, draws: int
) -> Limited:
    level, count = levels(confidence)
    area = float(auroc_of(bin_sums(level, confidence, right, count)[:, [0, 2]]))
    if math.isnan(area):
        return Limited(None)
    drawn = np.concatenate([auroc_of(some) for some in drawn_levels(clusters, confidence, right, rng, draws)])
    return _limited(area, limits(drawn, clusters.fewest))


def drawn_levels(
    clusters: Clusters,
    confidence: FloatArray,
    right: FloatArray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> list[FloatArray]:
    """Return (some draws, levels, 2) sums by level of confidence, how many and how many right, over what was drawn."""
    level, count = levels(confidence, LEVELS)
    columns = np.concatenate([2 * level, 2 * level + 1])
    values = np.concatenate([np.ones(right.size), right])
    sums = clusters.sums(np.tile(clusters.own, 2), columns, values, 2 * count)
    return [some.reshape(-1, count, 2) for some in drawn_sums(clusters, sums, rng, draws)]
