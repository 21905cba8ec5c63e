"""The protocols' own metrics, computed from readings.

All are averaged as accuracy is: orders first, then assignments, then replicates, then questions, with
passages as clusters. Each metric is a line of `METRICS`. Each protocol names its measures.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.protocols.core import Measure, Metric, Protocol
from app.statistics.intervals import Estimate, mean_interval, t_interval
from app.statistics.people import interval_of_people
from app.statistics.readings import Coded, Figures, MeasuredReadings, TrialMeasures, averaged
from app.statistics.reducers import REDUCERS, SHARE, series

EVERY: tuple[Metric, ...] = (
    Metric(
        "accuracy_for_gold", "Accuracy where gold was argued for", "share", "mean", "correct", argued="gold"
    ),
    Metric(
        "accuracy_against_gold",
        "Accuracy where another answer was argued for",
        "share",
        "mean",
        "correct",
        argued="other",
    ),
)
"""Of every protocol in which one answer is argued for; for open ones the second is the advocate choosing wrongly."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of one arm and judge, or one measure of an arm, with its interval or the reason why it is
    not known.
    """

    arm: str
    judge: str | None
    """None where it does not depend on a judge."""
    key: str
    title: str
    unit: str
    questions: int = 0
    """The questions from which the figure is computed."""
    passages: int = 0
    value: float | None = None
    low: float | None = None
    """None where there is one passage only and the figure has no bounds."""
    high: float | None = None
    confidence: float = 0.95
    method: str | None = None
    reason: str | None = None
    """Reason why there is no figure; None where there is one."""


def metrics(
    arm: str,
    rules: type[Protocol],
    judge: str,
    items: MeasuredReadings,
    confidence: float = 0.95,
) -> list[Measured]:
    """Return the metrics of a protocol for one arm and judge."""
    found = []
    for metric in _single(rules.metrics, items):
        figures = REDUCERS[metric.reducer].figures(metric, items)
        if figures.value.size or (items.measures and metric.absent):
            found.append(_measured(arm, judge, metric, items, figures, confidence))
    return found


def _single(declared: Sequence[Metric], items: MeasuredReadings) -> Iterator[Metric]:
    """Metrics of every protocol, then those declared; one that is for each point of a series as one for every point."""
    for metric in (*EVERY, *declared):
        if metric.each:
            for at in range(series(metric, items).shape[1]):
                yield replace(
                    metric, key=f"{metric.key}{at}", title=f"{metric.title} {at}", at=at, each=False
                )
        else:
            yield metric


def _measured(
    arm: str,
    judge: str,
    metric: Metric,
    items: MeasuredReadings,
    figures: Figures,
    confidence: float,
) -> Measured:
    if not figures.value.size:
        return Measured(arm, judge, metric.key, metric.title, metric.unit, reason=metric.absent)
    reducer = REDUCERS[metric.reducer]
    title = f"{metric.title} ({reducer.detail(items)})" if reducer.detail else metric.title
    low, high = reducer.bounds or (reducer.scale.low, reducer.scale.high)
    estimate = _estimate(metric, items, figures, confidence)
    within = replace(estimate, low=max(estimate.low, low), high=min(estimate.high, high))
    return _with(Measured(arm, judge, metric.key, title, metric.unit), figures, within)


PASSAGES_ALONE = (
    "; not by person: the figure ranks readings against each other, and holds for these people alone"
)
"""What is added to the method of a figure of several people that is clustered by passage alone."""


def _estimate(metric: Metric, items: MeasuredReadings, figures: Figures, confidence: float) -> Estimate:
    """Return the mean with its interval: for people, for new passages and new people."""
    reducer = REDUCERS[metric.reducer]
    if items.readings.pooled and reducer.values:
        readings, values = reducer.values(metric, items)
        return interval_of_people(readings, [(values, reducer.scale)], confidence)[0]
    found = mean_interval(figures.value, figures.passage, reducer.scale, confidence)
    return replace(found, method=f"{found.method}{PASSAGES_ALONE}") if items.readings.pooled else found


def measures(
    items: Iterable[TrialMeasures], rules: Mapping[str, type[Protocol]], confidence: float = 0.95
) -> list[Measured]:
    """Return the mean of every measure by arm, without points of series. Arms and measures keep the given
    order.

    `rules` maps each arm to its protocol, which gives the order of its measures.
    """
    groups: dict[tuple[str, str | None, str], dict[tuple[str, str, int, int], float]] = defaultdict(dict)
    for item in items:
        for name, value in item.measures.items():
            if "/" not in name:
                place = (item.passage, item.question, item.replicate, item.assignment)
                groups[item.arm, item.judge, name][place] = value
    arms = {arm: at for at, (arm, _, _) in enumerate(groups)}

    def rank(group: tuple[str, str | None, str]) -> tuple[int, str, tuple[int, int, str]]:
        arm, judge, name = group
        return arms[arm], judge or "", rules[arm].rank(name)

    return [
        _measure(group, rules[group[0]].measure(group[2]), groups[group], confidence)
        for group in sorted(groups, key=rank)
    ]


def _measure(
    group: tuple[str, str | None, str],
    called: Measure,
    values: Mapping[tuple[str, str, int, int], float],
    confidence: float,
) -> Measured:
    arm, judge, name = group
    figures = _talk_figures(values)
    if called.bounded:
        estimate = mean_interval(figures.value, figures.passage, SHARE, confidence)
    else:
        estimate = t_interval(figures.value, figures.passage, confidence)
        # Counts and weights of scripts are never negative.
        estimate = replace(estimate, low=max(estimate.low, 0.0))
    return _with(Measured(arm, judge, name, called.title, called.unit), figures, estimate)


def _talk_figures(values: Mapping[tuple[str, str, int, int], float]) -> Figures:
    """Return a measure by question, from its values by passage, question, replicate and assignment."""
    places = sorted(values)
    passages = Coded.of([place[0] for place in places]).codes
    questions = Coded.of([f"{place[0]}\0{place[1]}" for place in places]).codes
    replicates, assignments = (np.array([place[at] for place in places]) for at in (2, 3))
    return averaged(
        questions, passages, replicates, assignments, np.array([values[place] for place in places])
    )


def _with(held: Measured, figures: Figures, estimate: Estimate) -> Measured:
    bounded = math.isfinite(estimate.low) and math.isfinite(estimate.high)
    return replace(
        held,
        questions=figures.question.size,
        passages=figures.passages,
        value=estimate.value,
        low=estimate.low if bounded else None,
        high=estimate.high if bounded else None,
        confidence=estimate.confidence,
        method=estimate.method,
    )
