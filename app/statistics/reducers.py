"""Reducers: from readings to one figure a question; protocols name them in the metrics that they declare.

A reducer takes a metric and readings. The metric says which column it reads, and which point of that where it is a series.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from app.protocols.core import Metric
from app.statistics.intervals import FloatArray, IntArray, Scale
from app.statistics.ranking import auroc, best_of_n, competing
from app.statistics.readings import (
    BoolArray,
    Figures,
    MeasuredReadings,
    Readings,
    by_question,
    combined,
    dense,
    padded,
    run_means,
)
from app.statistics.scores import WORST_LOG_SCORE, bits

SHARE = Scale(low=0.0, high=1.0, unseen=1.0)
CHANGE = Scale(low=-1.0, high=1.0, unseen=1.0)
BITS = Scale(low=0.0, high=-WORST_LOG_SCORE, unseen=0.1)
RANKED = Scale(low=-1.0, high=2.0, unseen=0.1)
"""Of what a question adds to an area under the ROC curve."""

Figure: TypeAlias = Callable[[Metric, MeasuredReadings], FloatArray]
"""What each reading adds, (n,); NaN where it says nothing about the metric."""


@dataclass(frozen=True, slots=True)
class Reducer:
    """A way to get one figure a question, whose mean is the metric."""

    figures: Callable[[Metric, MeasuredReadings], Figures]
    scale: Scale
    bounds: tuple[float, float] | None = None
    """Between which the metric lies, where that is narrower than the scale of the figures."""
    detail: Callable[[MeasuredReadings], str] | None = None
    """Text after the title: the n of a best-of-n metric."""
    values: Callable[[Metric, MeasuredReadings], tuple[Readings, FloatArray]] | None = None
    """The readings that have a figure, and these, of which those of a question are means; None where readings are ranked against
    each other.
    """


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────────


def value(metric: Metric, items: MeasuredReadings) -> FloatArray:
    """Return the metric's column where that is one number a reading."""
    match metric.column:
        case "correct":
            return items.readings.right
        case "acceptance":
            return items.p_argued
        case "argued":
            return items.argues_gold
    raise ValueError(f"{metric.key} reads {metric.column}, which is no column of a reading.")


def series(metric: Metric, items: MeasuredReadings) -> FloatArray:
    """Return the metric's column where that is a series, as (n, length) shares of gold padded with NaN."""
    if metric.column == "belief":
        return items.path
    return on_gold(items, metric.column)


def on_gold(items: MeasuredReadings, name: str) -> FloatArray:
    """Return a series of shares of the talk's first answer, as shares of gold; it is numbered from 0 or from 1."""
    found = padded([_series(measures, name) for measures in items.measures])
    return np.where(items.gold_first[:, None], found, 1 - found)


def _series(measures: Mapping[str, float], name: str) -> list[float]:
    found: list[float] = []
    first = 0 if f"{name}0" in measures else 1
    while (share := measures.get(f"{name}{first + len(found)}")) is not None:
        found.append(share)
    return found


def _lengths(paths: FloatArray) -> FloatArray:
    found: FloatArray = (~np.isnan(paths)).sum(axis=1).astype(np.float64)
    return found


def _at(paths: FloatArray, at: int) -> FloatArray:
    """Return the points of series at a place, from the end where it is negative; NaN where a series is shorter."""
    rows = np.arange(len(paths))
    places = np.full(len(paths), at) if at >= 0 else _lengths(paths).astype(np.int64) + at
    fits = (places >= 0) & (places < paths.shape[1])
    found = np.full(len(paths), math.nan)
    found[fits] = paths[rows[fits], places[fits]]
    return found


def _point(metric: Metric, items: MeasuredReadings) -> FloatArray:
    assert metric.at is not None
    return _at(series(metric, items), metric.at)


# ── figures of one reading ──────────────────────────────────────────────────────────────────────────────────────


def chosen(p: FloatArray) -> FloatArray:
    """Return whether probabilities of one of two answers choose it: 1, 0, or 1/2 for a tie; NaN stays."""
    return np.where(np.isnan(p), math.nan, np.where(p == 0.5, 0.5, (p > 0.5).astype(np.float64)))


def majority(shares: FloatArray) -> FloatArray:
    """Return the share of votes for gold, of (n, votes) shares padded with NaN; each vote goes to the answer that it believes more,
    and a tie is half a vote.
    """
    votes = chosen(shares)
    counts = _lengths(votes)
    return np.where(counts > 0, np.nansum(votes, axis=1) / np.maximum(counts, 1), math.nan)


def divergence(p: float, q: float) -> float:
    """Return KL(p‖q) in bits of one belief over two answers from another, whose shares count as at least 1e-4."""
    found = math.fsum(a * (math.log2(a) - bits(b)) for a, b in ((p, q), (1 - p, 1 - q)) if a > 0)
    return max(found, 0.0)


def _divergences(p: FloatArray, q: FloatArray) -> FloatArray:
    pairs = zip(p.tolist(), q.tolist(), strict=True)
    return np.array([math.nan if math.isnan(other) else divergence(own, other) for own, other in pairs])


def _complement(metric: Metric, items: MeasuredReadings) -> FloatArray:
    return 1 - value(metric, items)


def _gain(metric: Metric, items: MeasuredReadings) -> FloatArray:
    """Accuracy at the end of the series less accuracy at the metric's point of it."""
    paths, at = series(metric, items), metric.at
    assert at is not None
    longer = _lengths(paths) > at + 1
    return np.where(longer, chosen(_at(paths, -1)) - chosen(_at(paths, at)), math.nan)


def _decision(metric: Metric, items: MeasuredReadings) -> FloatArray:
    return chosen(_point(metric, items))


def _majority_decision(metric: Metric, items: MeasuredReadings) -> FloatArray:
    return chosen(majority(series(metric, items)))


def _beside_belief(figure: Callable[[FloatArray, FloatArray], FloatArray]) -> Figure:
    """Make a figure of the judge's belief in gold and of the metric's point of a series."""
    return lambda metric, items: figure(items.readings.p_gold, _point(metric, items))


def _accepted(metric: Metric, items: MeasuredReadings) -> tuple[FloatArray, FloatArray]:
    """Return how many points whose grade, in the metric's column, is `at` the judge marked, and how many it accepted."""
    size = len(items.measures)
    if items.marks is None:
        return np.zeros(size), np.zeros(size)
    marked = zip(items.marks.reading.tolist(), items.marks.point.tolist(), strict=True)
    graded = np.array(
        [items.measures[at].get(f"{metric.column}{point}") == metric.at for at, point in marked]
    )
    places = items.marks.reading[graded.astype(np.bool_)]
    said = items.marks.accepted[graded.astype(np.bool_)].astype(np.float64)
    return (
        np.bincount(places, minlength=size).astype(np.float64),
        np.bincount(places, weights=said, minlength=size).astype(np.float64),
    )


def _any_accepted(metric: Metric, items: MeasuredReadings) -> FloatArray:
    if items.marks is None:
        return np.full(len(items.measures), math.nan)
    return (_accepted(metric, items)[1] > 0).astype(np.float64)


def _share_accepted(metric: Metric, items: MeasuredReadings) -> FloatArray:
    marked, accepted = _accepted(metric, items)
    return np.where(marked > 0, accepted / np.maximum(marked, 1), math.nan)


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────────────────


def counts(metric: Metric, items: MeasuredReadings) -> BoolArray:
    """Return which readings are those that the metric is about."""
    found = np.ones(len(items.measures), dtype=np.bool_)
    if metric.argued is not None:
        found &= items.argues_gold == float(metric.argued == "gold")
    if metric.where:
        found &= np.nan_to_num(items.measure(metric.where)) != 0
    return found


def _mean_of(figure: Figure, scale: Scale) -> Reducer:
    """Make the mean of `figure` over the readings that have one, by question."""

    def values(metric: Metric, items: MeasuredReadings) -> tuple[Readings, FloatArray]:
        about = counts(metric, items)
        if not about.any():
            return items.readings.where(about), np.zeros(0)
        found = figure(metric, items)
        known = about & ~np.isnan(found)
        return items.readings.where(known), found[known]

    def figures(metric: Metric, items: MeasuredReadings) -> Figures:
        return by_question(*values(metric, items))

    return Reducer(figures, scale, values=values)


def ensembled(_: Metric, items: MeasuredReadings) -> Figures:
    """Return by question whether the beliefs after opposite talks, averaged, choose gold: 1, 0, or 1/2 for a tie.

    The talks of one average are those of one question and replicate that the judge read in one order, half its weight on
    the talk for gold; beliefs of two people are never averaged. Places where one of the two talks is missing are left out.
    Arnesen et al. 2024, ensembled consultancy.
    """
    readings = items.readings
    # The order of people is their place on the panel, where others may sit in the opposite talk.
    reader = np.where(readings.person >= 0, -1 - readings.person, readings.order)
    places = dense(combined(readings.question, readings.replicate, reader, readings.talk))
    means = [_mean_where(items.argues_gold == side, places, readings.p_gold) for side in (1.0, 0.0)]
    found = chosen((means[0] + means[1]) / 2)
    first = np.zeros(places.size, dtype=np.bool_)
    first[np.unique(places, return_index=True)[1]] = True
    known = first & ~np.isnan(found[places])
    return by_question(readings.where(known), found[places][known])


def _mean_where(kept: BoolArray, places: IntArray, values: FloatArray) -> FloatArray:
    """Return the mean of the kept values at each place; NaN where there is none."""
    found = np.full(int(places.max(initial=-1)) + 1, math.nan)
    placed = np.flatnonzero(kept)[np.argsort(places[kept], kind="stable")]
    own, starts = np.unique(places[placed], return_index=True)
    if own.size:
        found[own] = run_means(values[placed], starts)
    return found


REDUCERS: Mapping[str, Reducer] = {
    "mean": _mean_of(value, SHARE),
    "complement": _mean_of(_complement, SHARE),
    "gain": _mean_of(_gain, CHANGE),
    "decision": _mean_of(_decision, SHARE),
    "majority": _mean_of(_majority_decision, SHARE),
    "bias": _mean_of(_beside_belief(lambda p, q: q - p), CHANGE),
    "distance": _mean_of(_beside_belief(lambda p, q: np.abs(q - p)), SHARE),
    "divergence": _mean_of(_beside_belief(_divergences), BITS),
    "any_accepted": _mean_of(_any_accepted, SHARE),
    "share_accepted": _mean_of(_share_accepted, SHARE),
    "ensembled": Reducer(ensembled, SHARE),
    "auroc": Reducer(lambda _, items: auroc(items), RANKED, bounds=(0.0, 1.0)),
    "best_of_n": Reducer(
        lambda _, items: best_of_n(items),
        SHARE,
        detail=lambda items: f"n = {competing(items)}, half of them for gold",
    ),
}
"""Reducers by the names under which metrics ask for them."""
