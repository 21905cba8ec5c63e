"""Accuracy, scores and PGR of each arm and judge, computed from readings. Averages in the agreed order, with
intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.statistics.intervals import Estimate, FloatArray, Scale, mean_interval
from app.statistics.people import interval_of_people
from app.statistics.pgr import LATER, Gap, gap_of_people, gap_recovered
from app.statistics.readings import Figures, Place, Readings, by_question
from app.statistics.scores import BELIEF_FLOOR, WORST_LOG_SCORE

_ACCURACY = Scale(low=0.0, high=1.0, unseen=1.0)
_BRIER = Scale(low=0.0, high=1.0, unseen=0.1)
_LOG_SCORE = Scale(low=WORST_LOG_SCORE, high=0.0, unseen=0.1)
"""Weight of the pseudo-question for scores. A whole one at -13.3 bits would dominate the observed spread:
docs/decisions/intervals.md.
"""


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
    groups: Mapping[Place, Readings], *, confidence: float = 0.95, arms: Sequence[str] = ()
) -> list[Cell]:
    """Return one cell for each arm and judge with readings: arms in the order of `arms`, then others by name;
    judges by name. They have no PGR: see `gaps`.

    Each reading is thresholded and scored. Then orders are averaged, then assignments, then replicates within
    a question, then questions, with passages as clusters; where the readings are of people, with passages and people as clusters.
    Raise ValueError where two readings have the same place.
    """
    ranks = {arm: rank for rank, arm in enumerate(arms)}
    places = sorted(groups, key=lambda place: (ranks.get(place[0], len(ranks)), *place))
    return [_cell(groups[place], confidence) for place in places]


def gaps(
    groups: Mapping[Place, Readings],
    *,
    naive: str | None,
    expert: str | None,
    seed: int,
    confidence: float = 0.95,
) -> dict[Place, Gap]:
    """Return PGR between the arms `naive` and `expert` by arm and judge, for the same judge. It is resampled, which takes seconds
    for many people.
    """
    correct = {place: by_question(group, group.right) for place, group in groups.items()}
    return {place: _gap(place, correct, groups, (naive, expert), seed, confidence) for place in groups}


def with_gap(cell: Cell, gap: Gap) -> Cell:
    """Return a cell with its PGR."""
    return replace(
        cell,
        pgr=gap.value,
        pgr_low=gap.low,
        pgr_high=gap.high,
        pgr_questions=gap.questions,
        pgr_reason=gap.reason,
        pgr_floor=gap.floor,
        pgr_ceiling=gap.ceiling,
    )


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


def _interval(figures: Figures, scale: Scale, confidence: float) -> Estimate:
    return mean_interval(figures.value, figures.passage, scale, confidence)


def _gap(
    place: Place,
    correct: Mapping[Place, Figures],
    groups: Mapping[Place, Readings],
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
    if all(group.pooled for group in three):
        found = gap_of_people(*three, seed=(seed, arm, judge), confidence=confidence)
    else:
        floor, ceiling = correct[naive, judge], correct[expert, judge]
        found = gap_recovered(correct[place], floor, ceiling, seed=(seed, arm, judge), confidence=confidence)
    return replace(found, floor=naive, ceiling=expert)


def by_verdict(readings: Readings, confidence: float = 0.95) -> Cell:
    """Return the cell of one arm and judge in which each verdict counts alike, whatever question it is on."""
    each = np.arange(readings.question.size)
    alike = np.zeros_like(each)
    apart = replace(readings, question=each, replicate=alike, assignment=alike)
    return replace(_cell(apart, confidence), questions=readings.questions.size)


def accuracy_of(readings: Readings) -> float:
    """Return the accuracy of one arm and judge, without an interval."""
    [found] = _estimates(readings, [(readings.right, _ACCURACY)], 0.95)
    return found.value


def _estimates(
    readings: Readings, scores: Sequence[tuple[FloatArray, Scale]], confidence: float
) -> list[Estimate]:
    """Return the mean of each score, one value a verdict, with its interval."""
    if readings.pooled:
        return interval_of_people(readings, scores, confidence)
    return [_interval(by_question(readings, values), scale, confidence) for values, scale in scores]


def _cell(readings: Readings, confidence: float) -> Cell:
    correct, worth = by_question(readings, readings.right), readings.right
    scores = (
        (readings.right, _ACCURACY),
        (readings.brier, _BRIER),
        (readings.log_score, _LOG_SCORE),
    )
    accuracy, quadratic, logarithmic = _estimates(readings, scores, confidence)
    return Cell(
        arm=readings.arm,
        judge=readings.judge,
        passages=correct.passages,
        questions=correct.question.size,
        verdicts=worth.size,
        correct=int((readings.p_gold > 0.5).sum()),
        ties=int(((worth > 0) & (worth < 1)).sum()),
        accuracy=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        brier=quadratic.value,
        brier_low=quadratic.low,
        brier_high=quadratic.high,
        log_score=logarithmic.value,
        log_score_low=logarithmic.low,
        log_score_high=logarithmic.high,
        pgr=None,
        pgr_low=None,
        pgr_high=None,
        pgr_questions=0,
        pgr_reason=LATER,
        confidence=confidence,
        method=accuracy.method,
        clipped=int((readings.p_gold < BELIEF_FLOOR).sum()),
        people=np.unique_values(readings.person).size if readings.pooled else None,
    )
