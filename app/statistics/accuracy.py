"""Accuracy, scores and PGR of each arm and judge, computed from readings. Averages in the agreed order, with
intervals.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVarTuple

import numpy as np

from app.statistics.intervals import Estimate, Scale, mean_interval
from app.statistics.people import pooled, verdicts
from app.statistics.pgr import Gap, Question, gap_of_people, gap_recovered
from app.statistics.scores import WORST_LOG_SCORE, ScoredReading, brier, clipped, log_score, rightness

_ACCURACY = Scale(low=0.0, high=1.0, unseen=1.0)
_BRIER = Scale(low=0.0, high=1.0, unseen=0.1)
_LOG_SCORE = Scale(low=WORST_LOG_SCORE, high=0.0, unseen=0.1)
"""Weight of the pseudo-question for scores. A whole one at -13.3 bits would dominate the observed spread:
docs/decisions/intervals.md.
"""

Kept = TypeVarTuple("Kept")


@dataclass(frozen=True, slots=True)
class Cell:
    """The figures of one judge under one arm. The caller adds the counts of trials, failures and refusals."""

    arm: str
    judge: str
    passages: int
    questions: int
    verdicts: int
    """Number of readings: each reading order counts once."""
    correct: int
    """Readings with more than half of the belief on gold. With more than two answers, gold can be chosen with
    less.
    """
    ties: int
    """Readings in which gold shares the top. With two answers, each is worth 1/2 in the accuracy."""
    accuracy: float
    low: float
    high: float
    brier: float
    brier_low: float
    brier_high: float
    log_score: float
    """In bits, at most 0."""
    log_score_low: float
    log_score_high: float
    pgr: float | None
    pgr_low: float | None
    pgr_high: float | None
    pgr_questions: int
    """Questions judged under all three arms, from which PGR is computed."""
    pgr_reason: str | None
    """Reason why PGR is not reported; None where it is."""
    confidence: float
    method: str
    """Method of the intervals of accuracy and scores. The method of PGR is `app.statistics.pgr.METHOD`, for people
    `METHOD_OF_PEOPLE`.
    """
    pgr_floor: str | None = None
    """The naive arm from which PGR is measured."""
    pgr_ceiling: str | None = None
    """The expert arm to which PGR is measured."""
    clipped: int = 0
    """Verdicts with less than 1e-4 on gold, for which the log score counts 1e-4. People's instructions end at 1%, but 0 can be
    entered.
    """
    fixed: str | None = None
    """Reason why the accuracy is fixed by the design and has no interval; None where it is not."""
    fixed_scores: str | None = None
    """Reason why the scores are fixed too, as those of a judge that believes all answers alike; None where they are not."""
    people: int | None = None
    """How many people the figures pool; None for other judges."""


def cells(
    readings: Iterable[ScoredReading],
    *,
    naive: str | None,
    expert: str | None,
    seed: int,
    confidence: float = 0.95,
    arms: Sequence[str] = (),
) -> list[Cell]:
    """Return one cell for each arm and judge with readings: arms in the order of `arms`, then others by name;
    judges by name.

    Each reading is thresholded and scored. Then orders are averaged, then assignments, then replicates within
    a question, then questions, with passages as clusters; where the readings are of people, with passages and people as clusters.
    PGR is measured between the arms `naive` and `expert`, for the same judge. The result does not depend on the order of the
    readings. Raise ValueError where two readings have the same place.
    """
    groups: dict[tuple[str, str], list[ScoredReading]] = defaultdict(list)
    for reading in readings:
        groups[reading.arm, reading.judge].append(reading)
    correct = {place: by_question(group, rightness) for place, group in groups.items()}
    ranks = {arm: rank for rank, arm in enumerate(arms)}
    places = sorted(groups, key=lambda place: (ranks.get(place[0], len(ranks)), *place))
    ends = (naive, expert)
    return [
        _cell(groups[place], correct[place], _gap(place, correct, groups, ends, seed, confidence), confidence)
        for place in places
    ]


def constant(cell: Cell, reason: str, *, scores: bool = False) -> Cell:
    """Return a cell whose accuracy is fixed by the design, and with `scores` its scores too. They have no interval: both limits are
    the value, for drawings.
    """
    found = replace(
        cell, low=cell.accuracy, high=cell.accuracy, method="none: fixed by the design", fixed=reason
    )
    if not scores:
        return found
    return replace(
        found,
        brier_low=cell.brier,
        brier_high=cell.brier,
        log_score_low=cell.log_score,
        log_score_high=cell.log_score,
        fixed_scores=reason,
    )


def by_question(
    readings: Iterable[ScoredReading], measure: Callable[[ScoredReading], float]
) -> dict[Question, float]:
    """Return `measure` by question for one arm and judge, averaged over orders, assignments and replicates,
    sorted.

    Talks of several judges on one assignment are averaged with the orders. An open protocol has no
    assignments: each choice of the advocate counts as often as it was made.
    """
    orders: dict[tuple[str, str, int, int, tuple[str, int]], float] = {}
    for reading in readings:
        read = (reading.talk, reading.order)
        place = (reading.passage, reading.question, reading.replicate, reading.assignment, read)
        if place in orders:
            raise ValueError(
                f"Question {reading.question} has two readings by {reading.judge} under {reading.arm} with the same "
                "replicate, assignment and order; count each reading once."
            )
        orders[place] = measure(reading)
    assignments = _average_last(orders)
    replicates = _average_last(assignments)
    questions = _average_last(replicates)
    return {question: questions[question] for question in sorted(questions)}


def _average_last(figures: Mapping[tuple[*Kept, Any], float]) -> dict[tuple[*Kept], float]:
    """Return the means over the last part of the key. `fsum` makes the result independent of the order."""
    groups: dict[tuple[*Kept], list[float]] = defaultdict(list)
    for key, figure in figures.items():
        groups[key[:-1]].append(figure)
    return {key: math.fsum(group) / len(group) for key, group in groups.items()}


def _interval(figures: Mapping[Question, float], scale: Scale, confidence: float) -> Estimate:
    passages = np.unique_inverse(np.array([passage for passage, _ in figures])).inverse_indices
    return mean_interval(np.array(list(figures.values())), passages, scale, confidence)


def _gap(
    place: tuple[str, str],
    correct: Mapping[tuple[str, str], Mapping[Question, float]],
    groups: Mapping[tuple[str, str], Sequence[ScoredReading]],
    ends: tuple[str | None, str | None],
    seed: int,
    confidence: float,
) -> Gap:
    (arm, judge), (naive, expert) = place, ends
    if arm in (naive, expert):
        return Gap(0, reason="This arm is itself an end of the gap.")
    if naive is None or (naive, judge) not in correct:
        return Gap(0, reason="This judge has no verdict under a naive arm.")
    if expert is None or (expert, judge) not in correct:
        return Gap(0, reason="This judge has no verdict under an expert arm.")
    three = [groups[name, judge] for name in (arm, naive, expert)]
    if all(map(pooled, three)):
        found = gap_of_people(*map(verdicts, three), seed=(seed, arm, judge), confidence=confidence)
    else:
        floor, ceiling = correct[naive, judge], correct[expert, judge]
        found = gap_recovered(correct[place], floor, ceiling, seed=(seed, arm, judge), confidence=confidence)
    return replace(found, floor=naive, ceiling=expert)


def _estimates(
    readings: Sequence[ScoredReading], correct: Mapping[Question, float], confidence: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Return accuracy, Brier score and log score with their intervals."""
    scores = ((rightness, _ACCURACY), (brier, _BRIER), (log_score, _LOG_SCORE))
    if pooled(readings):
        held = verdicts(readings)
        first, second, third = (held.interval(measure, scale, confidence) for measure, scale in scores)
        return first, second, third
    return (
        _interval(correct, _ACCURACY, confidence),
        _interval(by_question(readings, brier), _BRIER, confidence),
        _interval(by_question(readings, log_score), _LOG_SCORE, confidence),
    )


def _cell(
    readings: Sequence[ScoredReading], correct: Mapping[Question, float], gap: Gap, confidence: float
) -> Cell:
    worth = [rightness(reading) for reading in readings]
    accuracy, quadratic, logarithmic = _estimates(readings, correct, confidence)
    return Cell(
        arm=readings[0].arm,
        judge=readings[0].judge,
        passages=len({passage for passage, _ in correct}),
        questions=len(correct),
        verdicts=len(readings),
        correct=sum(reading.p_gold > 0.5 for reading in readings),
        ties=sum(0 < share < 1 for share in worth),
        accuracy=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        brier=quadratic.value,
        brier_low=quadratic.low,
        brier_high=quadratic.high,
        log_score=logarithmic.value,
        log_score_low=logarithmic.low,
        log_score_high=logarithmic.high,
        pgr=gap.value,
        pgr_low=gap.low,
        pgr_high=gap.high,
        pgr_questions=gap.questions,
        pgr_reason=gap.reason,
        confidence=confidence,
        method=accuracy.method,
        pgr_floor=gap.floor,
        pgr_ceiling=gap.ceiling,
        clipped=sum(map(clipped, readings)),
        people=len({reading.person for reading in readings}) if pooled(readings) else None,
    )
