"""The figures of each arm and judge, from readings: averages in the agreed order, with intervals; knows no trial and no table."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVarTuple

import numpy as np

from app.statistics.intervals import Estimate, Scale, mean_interval
from app.statistics.pgr import Gap, Question, gap_recovered
from app.statistics.scores import WORST_LOG_SCORE, ScoredReading, brier, log_score, rightness

_ACCURACY = Scale(low=0.0, high=1.0, unseen=1.0)
_BRIER = Scale(low=0.0, high=1.0, unseen=0.1)
_LOG_SCORE = Scale(low=WORST_LOG_SCORE, high=0.0, unseen=0.1)
"""A whole unseen question at -13.3 bits would drown the spread that was seen: docs/decisions/intervals.md."""

Kept = TypeVarTuple("Kept")


@dataclass(frozen=True, slots=True)
class Cell:
    """What a report says of one judge under one arm; counts of trials, failures and refusals are the caller's to add."""

    arm: str
    judge: str
    passages: int
    questions: int
    verdicts: int
    """Readings: each order in which the judge read counts by itself."""
    correct: int
    """Readings with strictly more than half of the belief on gold; with more than two answers gold can be chosen with less."""
    ties: int
    """Readings in which gold shares the top; each is worth 1/2 (two answers) in the accuracy."""
    accuracy: float
    low: float
    high: float
    brier: float
    brier_low: float
    brier_high: float
    log_score: float
    """Bits, at most 0."""
    log_score_low: float
    log_score_high: float
    pgr: float | None
    pgr_low: float | None
    pgr_high: float | None
    pgr_questions: int
    """Questions judged under all three arms: those that PGR rests on."""
    pgr_reason: str | None
    """Why PGR is not reported; None where it is."""
    confidence: float
    method: str
    """How the intervals of accuracy and scores were made; PGR's is in `app.statistics.pgr.METHOD`."""


def cells(
    readings: Iterable[ScoredReading],
    *,
    naive: str | None,
    expert: str | None,
    seed: int,
    confidence: float = 0.95,
    arms: Sequence[str] = (),
) -> list[Cell]:
    """One cell for each arm and judge that has readings: arms as listed in `arms`, others after them by name; judges by name.

    Each reading is thresholded and scored; then orders are averaged, then assignments, then replicates within a question,
    then the questions, with passages as the clusters. `naive` and `expert` name the arms between which PGR is measured,
    for the same judge. The order of the readings changes nothing. Raises ValueError where two readings have the same place.
    """
    groups: dict[tuple[str, str], list[ScoredReading]] = defaultdict(list)
    for reading in readings:
        groups[reading.arm, reading.judge].append(reading)
    correct = {place: by_question(group, rightness) for place, group in groups.items()}
    ranks = {arm: rank for rank, arm in enumerate(arms)}
    places = sorted(groups, key=lambda place: (ranks.get(place[0], len(ranks)), *place))
    return [
        _cell(
            groups[place], correct[place], _gap(place, correct, naive, expert, seed, confidence), confidence
        )
        for place in places
    ]


def by_question(
    readings: Iterable[ScoredReading], measure: Callable[[ScoredReading], float]
) -> dict[Question, float]:
    """`measure` averaged over orders, then assignments, then replicates, for each question of one arm and judge, sorted.

    Where a judge has read several talks of one assignment, one that each judge of a panel had, they are averaged with the
    orders. What argues for the answer of its own choice has no assignments: each choice counts as often as it was made.
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
    """The means over the last part of the key; fsum, so that the order of adding changes no bit."""
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
    naive: str | None,
    expert: str | None,
    seed: int,
    confidence: float,
) -> Gap:
    arm, judge = place
    if arm in (naive, expert):
        return Gap(0, reason="This arm is itself an end of the gap.")
    if naive is None or (naive, judge) not in correct:
        return Gap(0, reason="This judge has no verdict under a naive arm.")
    if expert is None or (expert, judge) not in correct:
        return Gap(0, reason="This judge has no verdict under an expert arm.")
    floor, ceiling = correct[naive, judge], correct[expert, judge]
    return gap_recovered(correct[place], floor, ceiling, seed=(seed, arm, judge), confidence=confidence)


def _cell(
    readings: Sequence[ScoredReading], correct: Mapping[Question, float], gap: Gap, confidence: float
) -> Cell:
    worth = [rightness(reading) for reading in readings]
    accuracy = _interval(correct, _ACCURACY, confidence)
    quadratic = _interval(by_question(readings, brier), _BRIER, confidence)
    logarithmic = _interval(by_question(readings, log_score), _LOG_SCORE, confidence)
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
    )
