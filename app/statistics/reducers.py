"""Reducers: from readings to one figure a question; protocols name them in the metrics that they declare.

A reducer takes a metric and readings. The metric says which column it reads, and which point of that where it is a series.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from app.protocols.core import Metric
from app.statistics.accuracy import by_question
from app.statistics.intervals import Scale
from app.statistics.ranking import auroc, best_of_n, competing
from app.statistics.readings import Figures, MeasuredReading
from app.statistics.scores import WORST_LOG_SCORE, ScoredReading, bits, rightness

SHARE = Scale(low=0.0, high=1.0, unseen=1.0)
CHANGE = Scale(low=-1.0, high=1.0, unseen=1.0)
BITS = Scale(low=0.0, high=-WORST_LOG_SCORE, unseen=0.1)
RANKED = Scale(low=-1.0, high=2.0, unseen=0.1)
"""Of what a question adds to an area under the ROC curve."""

Figure: TypeAlias = Callable[[Metric, MeasuredReading], float | None]
"""What one reading adds; None where it says nothing about the metric."""


@dataclass(frozen=True, slots=True)
class Reducer:
    """A way to get one figure a question, whose mean is the metric."""

    figures: Callable[[Metric, Sequence[MeasuredReading]], Figures]
    scale: Scale
    bounds: tuple[float, float] | None = None
    """Between which the metric lies, where that is narrower than the scale of the figures."""
    detail: Callable[[Sequence[MeasuredReading]], str] | None = None
    """Text after the title: the n of a best-of-n metric."""
    values: Callable[[Metric, Sequence[MeasuredReading]], dict[ScoredReading, float]] | None = None
    """One figure a reading, of which those of a question are means; None where readings are ranked against each other."""


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────────


def value(metric: Metric, item: MeasuredReading) -> float | None:
    """Return the metric's column where that is one number a reading."""
    match metric.column:
        case "correct":
            return rightness(item.reading)
        case "acceptance":
            return item.p_argued
        case "argued":
            return None if item.argues_gold is None else float(item.argues_gold)
    raise ValueError(f"{metric.key} reads {metric.column}, which is no column of a reading.")


def series(metric: Metric, item: MeasuredReading) -> list[float]:
    """Return the metric's column where that is a series, as shares of gold."""
    if metric.column == "belief":
        return list(item.on_gold)
    return on_gold(item.measures, metric.column, gold_first=item.gold_first)


def on_gold(measures: Mapping[str, float], name: str, *, gold_first: bool) -> list[float]:
    """Return a series of shares of the trial's first answer, as shares of gold; it is numbered from 0 or from 1."""
    found: list[float] = []
    first = 0 if f"{name}0" in measures else 1
    while (share := measures.get(f"{name}{first + len(found)}")) is not None:
        found.append(share if gold_first else 1 - share)
    return found


def _point(metric: Metric, item: MeasuredReading) -> float | None:
    path, at = series(metric, item), metric.at
    assert at is not None
    return path[at] if path and at < len(path) else None


# ── figures of one reading ──────────────────────────────────────────────────────────────────────────────────────


def chosen(p: float) -> float:
    """Return whether a probability of one of two answers chooses it: 1, 0, or 1/2 for a tie."""
    return 0.5 if p == 0.5 else float(p > 0.5)


def majority(shares: Sequence[float]) -> float:
    """Return the share of votes for gold; each vote goes to the answer that it believes more, and a tie is half a vote."""
    return math.fsum(map(chosen, shares)) / len(shares)


def divergence(p: float, q: float) -> float:
    """Return KL(p‖q) in bits of one belief over two answers from another, whose shares count as at least 1e-4."""
    found = math.fsum(a * (math.log2(a) - bits(b)) for a, b in ((p, q), (1 - p, 1 - q)) if a > 0)
    return max(found, 0.0)


def _complement(metric: Metric, item: MeasuredReading) -> float | None:
    found = value(metric, item)
    return None if found is None else 1 - found


def _gain(metric: Metric, item: MeasuredReading) -> float | None:
    """Accuracy at the end of the series less accuracy at the metric's point of it."""
    path, at = series(metric, item), metric.at
    assert at is not None
    return chosen(path[-1]) - chosen(path[at]) if len(path) > at + 1 else None


def _decision(metric: Metric, item: MeasuredReading) -> float | None:
    point = _point(metric, item)
    return None if point is None else chosen(point)


def _majority_decision(metric: Metric, item: MeasuredReading) -> float | None:
    shares = series(metric, item)
    return chosen(majority(shares)) if shares else None


def _beside_belief(figure: Callable[[float, float], float]) -> Figure:
    """Make a figure of the judge's belief in gold and of the metric's point of a series."""

    def found(metric: Metric, item: MeasuredReading) -> float | None:
        point = _point(metric, item)
        return None if point is None else figure(item.reading.p_gold, point)

    return found


def _marks(metric: Metric, item: MeasuredReading) -> list[bool]:
    """What the judge said of the points whose grade, in the metric's column, is `at`."""
    marks = item.accepted or {}
    return [
        said for number, said in marks.items() if item.measures.get(f"{metric.column}{number}") == metric.at
    ]


def _any_accepted(metric: Metric, item: MeasuredReading) -> float | None:
    return None if item.accepted is None else float(any(_marks(metric, item)))


def _share_accepted(metric: Metric, item: MeasuredReading) -> float | None:
    marks = _marks(metric, item)
    return sum(marks) / len(marks) if marks else None


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────────────────


def counts(metric: Metric, item: MeasuredReading) -> bool:
    """Return whether a reading is one of those that the metric is about."""
    if metric.argued is not None and item.argues_gold is not (metric.argued == "gold"):
        return False
    return not metric.where or bool(item.measures.get(metric.where))


def _mean_of(figure: Figure, scale: Scale) -> Reducer:
    """Make the mean of `figure` over the readings that have one, by question."""

    def values(metric: Metric, items: Sequence[MeasuredReading]) -> dict[ScoredReading, float]:
        return {
            item.reading: found
            for item in items
            if counts(metric, item) and (found := figure(metric, item)) is not None
        }

    def figures(metric: Metric, items: Sequence[MeasuredReading]) -> Figures:
        known = values(metric, items)
        return by_question(known, known.__getitem__)

    return Reducer(figures, scale, values=values)


def ensembled(_: Metric, items: Sequence[MeasuredReading]) -> Figures:
    """Return by question whether the beliefs after opposite talks, averaged, choose gold: 1, 0, or 1/2 for a tie.

    The talks of one average are those of one question and replicate that the judge read in one order, half its weight on
    the talk for gold; beliefs of two people are never averaged. Places where one of the two talks is missing are left out.
    Arnesen et al. 2024, ensembled consultancy.
    """
    places: dict[tuple[object, ...], list[MeasuredReading]] = defaultdict(list)
    for item in items:
        read = item.reading
        # The order of people is their place on the panel, where others may sit in the opposite talk.
        reader = read.person or read.order
        places[read.passage, read.question, read.replicate, reader, read.talk].append(item)
    known = {}
    for place in places.values():
        sides = [_on_gold_where(place, argues_gold) for argues_gold in (True, False)]
        if all(sides):
            known[place[0].reading] = chosen(math.fsum(map(fmean, sides)) / 2)
    return by_question(known, known.__getitem__)


def _on_gold_where(place: Sequence[MeasuredReading], argues_gold: bool) -> list[float]:
    return [item.reading.p_gold for item in place if item.argues_gold is argues_gold]


REDUCERS: Mapping[str, Reducer] = {
    "mean": _mean_of(value, SHARE),
    "complement": _mean_of(_complement, SHARE),
    "gain": _mean_of(_gain, CHANGE),
    "decision": _mean_of(_decision, SHARE),
    "majority": _mean_of(_majority_decision, SHARE),
    "bias": _mean_of(_beside_belief(lambda p, q: q - p), CHANGE),
    "distance": _mean_of(_beside_belief(lambda p, q: abs(q - p)), SHARE),
    "divergence": _mean_of(_beside_belief(divergence), BITS),
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
