"""Intervals for new judges and new passages, where the judges are people.

People differ in skill, so that verdicts of one person rise and fall together, as those on one passage do. All functions take
arrays with one place for each verdict: value, question, passage, judge. Values may have leading axes, such as runs of a
simulation. docs/decisions/people.md has the reasons and the coverage.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtr, stdtrit

from app.statistics.intervals import (
    METHOD_ONE_PASSAGE,
    Estimate,
    FloatArray,
    IntArray,
    Scale,
    degrees_of_freedom,
    mean_interval,
)

METHOD = "logit, t quantile, variance clustered by passage and by judge: for new passages and new judges"
METHOD_ONE_JUDGE = "one person: for new passages judged by this person, not for other people"
METHOD_ALONE = "whole range: one person under an arm tells nothing about others"
TEST = "t test of the same variance"

_JUDGE_CORRELATION = 0.12
"""Assumed correlation of verdicts of one judge, used where the data do not determine it. Judges whose logits spread by 0.5 and
1 have 0.06 and 0.18.
"""
_PASSAGE_CORRELATION = 0.1
"""Assumed correlation of verdicts on one passage."""
_TASTE_CORRELATION = 0.05
"""Assumed correlation of differences of one judge: some people profit more from one arm than others do."""
_WEIGHT = 2.0
"""Weight of these assumptions, in units of information of the data."""
_SCORE_WEIGHT = 4.0
"""Weight of Wilson's limits, in the same units. Where few verdicts are wrong, those by logits are far too wide."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Means with their intervals, each with the leading axes of the values."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    """Two-sided, for a mean in the middle of the scale: for a difference, of no difference."""


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Clusters of one kind: judges, passages, or pairs of both."""

    squares: FloatArray
    """Sum over clusters of the squared sum of weighted residuals."""
    share: float
    """The chance that two draws by weight fall into one cluster, averaged over the arms."""
    net: float
    """Sum over clusters of the squared sum of weights. In a difference, an effect of the cluster on both arms cancels."""
    freedom: float
    """Degrees of freedom of a variance between them (Bell and McCaffrey 2002)."""
    count: int


def question_weights(questions: IntArray) -> FloatArray:
    """Return weights of (n,) verdicts that give each question, and each verdict on it, the same weight; their sum is 1."""
    places, counts = np.unique_inverse(questions).inverse_indices, np.unique_counts(questions).counts
    return 1 / counts[places] / counts.size


def mean_limits(
    values: FloatArray,
    questions: IntArray,
    passages: IntArray,
    judges: IntArray,
    scale: Scale,
    confidence: float = 0.95,
    weights: FloatArray | None = None,
) -> Limits:
    """Return means over questions of (..., n) `values`, with intervals for new passages and new judges.

    There must be two or more passages and judges. `weights` are (n,) and sum to 1; the default is `question_weights`.

    The variance is that of two-way clustering (Cameron, Gelbach and Miller 2011), divided by the chance that two verdicts share
    neither judge nor passage, which makes it unbiased for crossed and nested designs (Gallas 2006 has the same moments). It
    is at least that of either kind of cluster alone and that of independent verdicts, and is averaged with an expected one where
    the data say little. The interval is symmetric on the logit scale. The degrees of freedom are Satterthwaite's, over the parts
    due to judges and to passages.
    """
    own = question_weights(questions) if weights is None else weights
    value = values @ own
    off = (values - value[..., None]) * own
    shares = np.stack([own])
    unit = (values - scale.low) / (scale.high - scale.low)
    kinds = [_clusters(off, own, shares, kind) for kind in (judges, passages, _pairs(judges, passages))]
    held = _spread(unit, own, kinds, _excess(kinds, float(own @ own)), scale)
    sure = held.information / (held.information + _SCORE_WEIGHT)
    both = zip(_by_logits(held, confidence), _by_score(held, confidence), strict=True)
    low, high = (sure * logits + (1 - sure) * score for logits, score in both)
    return _on_scale(value, (low, high), scale, _p(held))


def difference_limits(
    values: FloatArray,
    first: NDArray[np.bool_],
    questions: IntArray,
    passages: IntArray,
    judges: IntArray,
    scale: Scale,
    confidence: float = 0.95,
    weights: FloatArray | None = None,
) -> Limits:
    """Return the mean of (..., n) `values` of the first arm less that of the second, with intervals as `mean_limits` has them.

    `first` is (n,), whether a verdict is of the first arm. Every question must have verdicts under both arms, and each arm two or
    more passages and judges. `weights` are (n,), not negative, and sum to 1 within each arm. `scale` is that of the difference.
    """
    if weights is None:
        weights = np.zeros(first.size)
        for side in (first, ~first):
            weights[side] = question_weights(questions[side])
    shares = np.stack([np.where(first, weights, 0.0), np.where(first, 0.0, weights)])
    signed = shares[0] - shares[1]
    means = values @ shares.T
    off = (values - np.where(first, means[..., :1], means[..., 1:])) * signed
    by_question = _grouped(questions).sums(signed * values)
    size = by_question.shape[-1]
    even = np.full(size, 1 / size)
    value = means[..., 0] - means[..., 1]
    unit = (by_question * size - scale.low) / (scale.high - scale.low)
    kinds = [_clusters(off, signed, shares, kind) for kind in (judges, passages, _pairs(judges, passages))]
    excess = _excess(kinds, float(signed @ signed))
    excess[0] += max(kinds[0].share * size - 1, 0.0) * _TASTE_CORRELATION
    excess[1] = max(kinds[1].share * size - 1, 0.0) * _PASSAGE_CORRELATION
    held = _spread(unit, even, kinds, excess, scale)
    return _on_scale(value, _by_logits(held, confidence), scale, _p(held))


@dataclass(frozen=True, slots=True)
class _Groups:
    """Verdicts sorted by cluster, so that sums over clusters need no further sorting."""

    order: IntArray
    starts: IntArray
    """Where each cluster begins in that order."""

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the sums of (..., n) values by cluster, in the order of the clusters."""
        return np.add.reduceat(values[..., self.order], self.starts, axis=-1)


def _grouped(clusters: IntArray) -> _Groups:
    # Sorting short integers takes a time proportional to their number.
    few = clusters.size and clusters.min() >= 0 and clusters.max() < 2**16
    order = np.argsort(clusters.astype(np.uint16) if few else clusters, kind="stable")
    return _Groups(order, np.flatnonzero(np.concatenate([[True], np.diff(clusters[order]) != 0])))


def _pairs(judges: IntArray, passages: IntArray) -> IntArray:
    return judges * (int(passages.max()) + 1) + passages


def _clusters(off: FloatArray, signed: FloatArray, shares: FloatArray, clusters: IntArray) -> _Clusters:
    """Describe one kind of cluster, from weighted residuals, signed weights, and (arms, n) weights of each arm."""
    groups = _grouped(clusters)
    sums = groups.sums(shares)
    return _Clusters(
        squares=(groups.sums(off) ** 2).sum(axis=-1),
        share=float((sums**2).sum() / len(shares)),
        net=float((groups.sums(signed) ** 2).sum()),
        freedom=_freedom(sums),
        count=sums.shape[-1],
    )


def _freedom(sums: FloatArray) -> float:
    """Return the degrees of freedom of a variance between clusters, from the (arms, clusters) weights of each.

    Arms with the same clusters have those of one arm, arms without common clusters the sum of both.
    """
    own = [degrees_of_freedom(arm[arm > 0]) for arm in sums]
    if len(own) == 1:
        return own[0]
    common = float(sums[0] @ sums[1] / np.sqrt((sums[0] @ sums[0]) * (sums[1] @ sums[1])))
    return (own[0] + own[1]) / (1 + common)


def _excess(kinds: list[_Clusters], alone: float) -> list[float]:
    """Return by how much judges and passages are expected to raise the variance, as factors of that of independent verdicts."""
    expected = (_JUDGE_CORRELATION, _PASSAGE_CORRELATION)
    return [
        max(kind.net / alone - 1, 0.0) * correlation
        for kind, correlation in zip(kinds[:2], expected, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Spread:
    """What the limits of a mean on the scale from 0 to 1 are made from."""

    mean: FloatArray
    error: FloatArray
    """Standard error of the mean, with the pseudo-verdict."""
    drawn: FloatArray
    """The mean with the pseudo-verdict, which is never 0 or 1."""
    freedom: FloatArray
    information: FloatArray
    """How much the data say about their own variance: about the number of wrong verdicts where few are wrong."""


def _spread(
    unit: FloatArray, weights: FloatArray, kinds: list[_Clusters], excess: list[float], scale: Scale
) -> _Spread:
    """Return the spread of (..., m) units between 0 and 1, with their (m,) weights, and the clusters of their residuals."""
    judges, passages, both = kinds
    parts = [kind.squares / (scale.high - scale.low) ** 2 for kind in kinds]
    two_way = (parts[0] + parts[1] - parts[2]) / (1 - judges.share - passages.share + both.share)
    one_way = [part / (1 - kind.share) for part, kind in zip(parts[:2], kinds[:2], strict=True)]
    mean = np.clip(unit @ weights, 0.0, 1.0)
    known = np.ptp(unit, axis=-1) > 0
    off = np.where(known[..., None], unit - mean[..., None], 0.0)
    square = off**2 @ weights
    count = 1 / float(weights @ weights)
    alone = np.where(known, square / max(count - 1, 1.0), 1.0)
    total = np.where(known, np.maximum.reduce([two_way, *one_way, alone]), 1.0)
    expected = 1 + sum(excess)
    information = np.where(known, count / (off**4 @ weights / np.where(known, square, 1.0) ** 2 + 3), 0.0)
    effect = np.maximum((total / alone * information + expected * _WEIGHT) / (information + _WEIGHT), 1.0)
    of_judges, of_passages = (
        np.maximum(np.where(known, np.maximum(two_way - other, 0.0) / total, 0.0), part / expected)
        for other, part in zip(one_way[::-1], excess, strict=True)
    )
    least = 1 / (judges.count * passages.count - 1)
    freedom = 1 / np.maximum(of_judges**2 / judges.freedom + of_passages**2 / passages.freedom, least)
    drawn = (mean * count + scale.unseen / 2) / (count + scale.unseen)
    squares = count * (square + (mean - drawn) ** 2) + scale.unseen / 2 * (drawn**2 + (1 - drawn) ** 2)
    error = np.sqrt(squares * effect / (count * (count + scale.unseen)))
    return _Spread(mean, error, drawn, freedom, information)


def _p(held: _Spread) -> FloatArray:
    return 2 * stdtr(held.freedom, -np.abs(logit(held.drawn)) * held.drawn * (1 - held.drawn) / held.error)


def _by_logits(held: _Spread, confidence: float) -> tuple[FloatArray, FloatArray]:
    reach = stdtrit(held.freedom, (1 + confidence) / 2) * held.error / (held.drawn * (1 - held.drawn))
    return expit(logit(held.drawn) - reach), expit(logit(held.drawn) + reach)


def _by_score(held: _Spread, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's limits at the number of verdicts that would give the same error."""
    count = held.drawn * (1 - held.drawn) / held.error**2
    square = stdtrit(held.freedom, (1 + confidence) / 2) ** 2 / count
    centre = (held.mean + square / 2) / (1 + square)
    half = np.sqrt(square * (held.mean * (1 - held.mean) + square / 4)) / (1 + square)
    return centre - half, centre + half


def _on_scale(
    value: FloatArray, limits: tuple[FloatArray, FloatArray], scale: Scale, p: FloatArray
) -> Limits:
    low, high = (scale.low + (scale.high - scale.low) * np.clip(end, 0.0, 1.0) for end in limits)
    inside = np.clip(value, scale.low, scale.high)
    return Limits(inside, np.minimum(low, inside), np.maximum(high, inside), p)


# ── of one sample ───────────────────────────────────────────────────────────────────────────────────────────────


def mean_interval_of_people(
    values: FloatArray,
    questions: IntArray,
    passages: IntArray,
    judges: IntArray,
    scale: Scale,
    confidence: float = 0.95,
    weights: FloatArray | None = None,
) -> Estimate:
    """Return the mean of (n,) values, one a verdict, with its interval for new passages and new judges (`mean_limits`).

    With one passage the interval is the whole scale. With one judge it is for new passages judged by this person. Raise ValueError
    where there is no value.
    """
    if values.size == 0:
        raise ValueError("There is no verdict to average; judge the trials first.")
    own = question_weights(questions) if weights is None else weights
    if np.ptp(judges) == 0:
        groups = _grouped(questions)
        by_question = groups.sums(own * values) / groups.sums(own)
        alone = mean_interval(by_question, _of_each(passages, questions), scale, confidence)
        method = METHOD_ONE_JUDGE if np.ptp(passages) else alone.method
        return replace(alone, method=method)
    if np.ptp(passages) == 0:
        value = float(own @ values)
        return Estimate(value, scale.low, scale.high, confidence, METHOD_ONE_PASSAGE)
    found = mean_limits(values, questions, passages, judges, scale, confidence, own)
    return Estimate(float(found.value), float(found.low), float(found.high), confidence, METHOD)


def difference_of_people(
    values: FloatArray,
    first: NDArray[np.bool_],
    questions: IntArray,
    passages: IntArray,
    judges: IntArray,
    scale: Scale,
    confidence: float = 0.95,
    weights: FloatArray | None = None,
) -> tuple[Estimate, float | None]:
    """Return the difference of two arms with its interval (`difference_limits`), and the p-value of no difference.

    With one passage, or with one person under one of the arms, the interval is the whole scale and there is no p-value.
    """
    if weights is None:
        weights = np.zeros(first.size)
        for side in (first, ~first):
            weights[side] = question_weights(questions[side])
    people = min(np.unique_values(judges[side]).size for side in (first, ~first))
    if people == 1 or np.ptp(passages) == 0:
        value = float(np.where(first, weights, -weights) @ values)
        method = METHOD_ALONE if people == 1 else METHOD_ONE_PASSAGE
        return Estimate(value, scale.low, scale.high, confidence, method), None
    found = difference_limits(values, first, questions, passages, judges, scale, confidence, weights)
    return Estimate(float(found.value), float(found.low), float(found.high), confidence, METHOD), float(
        found.p
    )


def _of_each(places: IntArray, questions: IntArray) -> IntArray:
    """Return the place of each question, in the order of the questions."""
    return places[np.unique(questions, return_index=True)[1]]
