"""How often judges are right at each level of confidence, and what that says about their beliefs.

Sums of bins have a last axis of three: how many, their probabilities, their outcomes. Figures of sums take any leading axes, such
as draws of a bootstrap.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from app.statistics.intervals import FloatArray, IntArray

BINS = 10
_EDGES = [number / BINS for number in range(BINS + 1)]


@dataclass(frozen=True, slots=True)
class Bin:
    """Verdicts of similar confidence."""

    low: float
    high: float
    verdicts: int
    confidence: float
    """Mean belief in the favoured answer of each verdict."""
    right: float
    """Mean rightness; a tie counts its share."""


def bins_of(confidence: FloatArray) -> IntArray:
    """Return the index of the bin of each confidence in [0, 1], of ten equal bins. Each contains its lower edge;
    the last also contains 1.
    """
    return np.minimum(np.searchsorted(_EDGES, confidence, side="right"), BINS) - 1


def confidence_of(beliefs: FloatArray) -> FloatArray:
    """Return the belief in the favoured answer, of (n, answers) beliefs padded with -1.

    Of two answers it is the first belief or 1 less it: both stated ones may be floats in different bins. It is rounded to 9
    digits, so that 0.7 and 1 - 0.3 are the same confidence.
    """
    first = beliefs[:, 0]
    two = np.where(first >= 0.5, first, 1 - first)
    several = (beliefs >= 0).sum(axis=1) > 2
    favoured: FloatArray = np.where(several, beliefs.max(axis=1), two)
    return favoured.round(9)


def reliability(pairs: Iterable[tuple[float, float]]) -> list[Bin]:
    """Return ten equal bins of confidence from pairs of confidence in [0, 1] and rightness, without the empty
    ones.
    """
    given = list(pairs)
    binned: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for place, pair in zip(bins_of(np.array([pair[0] for pair in given])).tolist(), given, strict=True):
        binned[place].append(pair)
    return [
        Bin(
            _EDGES[place],
            _EDGES[place + 1],
            len(some),
            math.fsum(pair[0] for pair in some) / len(some),
            math.fsum(pair[1] for pair in some) / len(some),
        )
        for place, some in sorted(binned.items())
    ]


# ── figures of sums by bin ──────────────────────────────────────────────────────────────────────────────────────


def equal_mass(confidence: FloatArray, bins: int = BINS) -> IntArray:
    """Return the bin of each confidence, of bins with equally many verdicts. Equal confidences share a bin: that of their mean
    rank.
    """
    level = np.unique_inverse(confidence).inverse_indices
    counts = np.bincount(level)
    middle = np.cumsum(counts) - counts / 2
    found: IntArray = np.minimum((middle * bins / confidence.size).astype(np.int64), bins - 1)[level]
    return found


def bin_sums(bins: IntArray, p: FloatArray, outcome: FloatArray, count: int = BINS) -> FloatArray:
    """Return (count, 3) sums by bin."""
    columns = [np.bincount(bins, weights, count) for weights in (np.ones(p.size), p, outcome)]
    return np.stack(columns, axis=-1)


def expected_error(sums: FloatArray) -> FloatArray:
    """Return the expected calibration error: the mean over verdicts of the gap between confidence and rightness in their bin
    (Guo et al. 2017), of (..., bins, 3) sums.
    """
    return _over(np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1), sums[..., 0].sum(axis=-1))


def _over(values: FloatArray, counts: FloatArray) -> FloatArray:
    """Return values over counts; NaN where a draw has none."""
    found: FloatArray = np.divide(values, counts, out=np.full(np.shape(values), math.nan), where=counts > 0)
    return found


def error_by_chance(bins: IntArray, confidence: FloatArray) -> float:
    """Return the calibration error that a perfectly calibrated judge of as many independent verdicts would show on average.

    In each bin, the gap of sums is taken as normal with the variance of draws at these confidences.
    """
    variances = np.bincount(bins, confidence * (1 - confidence))
    return float(np.sqrt(2 / math.pi * variances).sum() / confidence.size)


@dataclass(frozen=True, slots=True, eq=False)
class BrierParts:
    """The parts of a Brier score (Murphy 1973): it is reliability - resolution + uncertainty, up to what bins hide."""

    reliability: FloatArray
    """Squared gap between belief and frequency, averaged over bins: 0 the best."""
    resolution: FloatArray
    """How far the frequencies of bins are from that of all, squared: the more the better."""
    uncertainty: FloatArray
    """The score of a judge who always believes the frequency of all: 1/4 of two answers, (1 - 1/k) / 2 of k."""


def brier_parts(sums: FloatArray) -> BrierParts:
    """Return the parts of the mean Brier score, of (..., bins, 3) sums of probabilities and outcomes of all answers of all
    verdicts.

    Scores are halves of Brier's sum over answers: for two answers they are (1 - p_gold)^2, and for k answers the parts are
    those of each answer against the others, all answers together. A verdict's outcomes sum to 1.
    """
    count, p, outcome = (sums[..., at] for at in range(3))
    verdicts = outcome.sum(axis=-1)
    base = _over(verdicts, count.sum(axis=-1))
    some = np.maximum(count, 1e-300)
    off = count * (p / some - outcome / some) ** 2
    apart = count * (outcome / some - base[..., None]) ** 2
    spread = count.sum(axis=-1) * base * (1 - base)
    return BrierParts(*(_over(part, 2 * verdicts) for part in (off.sum(axis=-1), apart.sum(axis=-1), spread)))


def of_both_answers(sums: FloatArray) -> FloatArray:
    """Return (..., 2 * bins, 3) sums of both of two answers, of (..., bins, 3) sums of the favoured one: the other is believed and
    right where that is not. A tie is right by half.
    """
    other = np.stack([sums[..., 0], sums[..., 0] - sums[..., 1], sums[..., 0] - sums[..., 2]], axis=-1)
    return np.concatenate([sums, other], axis=-2)


def answers_of(beliefs: FloatArray, gold: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the verdict, the belief and the outcome (1 for gold) of each answer, of (n, answers) beliefs padded with -1."""
    verdict, answer = np.nonzero(beliefs >= 0)
    return verdict, np.round(beliefs[verdict, answer], 9), (answer == gold[verdict]).astype(np.float64)


# ── figures of sums by confidence ───────────────────────────────────────────────────────────────────────────────


def levels(confidence: FloatArray, most: int | None = None) -> tuple[IntArray, int]:
    """Return the level of each confidence, from 0 for the lowest, and how many there are. With `most`, neighbouring levels share
    one where there are more.
    """
    unique = np.unique_inverse(confidence)
    count = unique.values.size
    if most is None or count <= most:
        return unique.inverse_indices, count
    found = equal_mass(confidence, most)
    return found, most


def auroc_of(sums: FloatArray) -> FloatArray:
    """Return the chance that a right verdict is more confident than a wrong one, ties counting 1/2, of (..., levels, 2) sums by
    level: how many, and how many are right. NaN where all are right, or all wrong.

    This is the area under the ROC curve; a verdict that is right by half counts half on each side.
    """
    right = sums[..., 1]
    wrong = sums[..., 0] - right
    below = np.cumsum(wrong, axis=-1) - wrong / 2
    pairs = right.sum(axis=-1) * wrong.sum(axis=-1)
    found: FloatArray = np.where(
        pairs > 1e-9, (right * below).sum(axis=-1) / np.maximum(pairs, 1e-9), math.nan
    )
    return found


def aurc_of(sums: FloatArray) -> FloatArray:
    """Return the area under the curve of risk over coverage (Geifman and El-Yaniv 2017), of (..., levels, 2) sums as `auroc_of`.

    It is the mean, over n, of the share of wrong verdicts among the n most confident. Of equal confidences any may come first:
    the area is the expected one.
    """
    count = sums[..., ::-1, 0]
    wrong = count - sums[..., ::-1, 1]
    before = np.cumsum(count, axis=-1) - count
    rate = wrong / np.maximum(count, 1e-300)
    above = np.cumsum(wrong, axis=-1) - wrong - before * rate
    areas = count * rate + above * (digamma(before + count + 1) - digamma(before + 1))
    return _over(areas.sum(axis=-1), count.sum(axis=-1))


def accuracy_at(sums: FloatArray, coverage: FloatArray) -> FloatArray:
    """Return the (..., shares) share right of the most confident verdicts, for (shares,) shares of them in (0, 1]. Of equal
    confidences any may be taken: the share is the expected one.
    """
    flat = sums.reshape(-1, *sums.shape[-2:])[:, ::-1]
    upto = np.concatenate([np.zeros((len(flat), 1, 2)), np.cumsum(flat, axis=1)], axis=1)
    wanted = upto[:, -1:, 0] * coverage
    right = [np.interp(want, own[:, 0], own[:, 1]) for want, own in zip(wanted, upto, strict=True)]
    return _over(np.stack(right), wanted).reshape(*sums.shape[:-2], coverage.size)
