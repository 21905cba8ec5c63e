"""The figures of people: for new people, of each person, and by a mixed model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.statistics.intervals import Estimate, FloatArray, IntArray, Scale, mean_interval
from app.statistics.mixed import Mixed, mixed
from app.statistics.readings import Place, Readings, dense, weights
from app.statistics.two_way import mean_interval_of_people

SHARE = Scale(low=0.0, high=1.0, unseen=1.0)


@dataclass(frozen=True, slots=True)
class PersonFigures:
    """The figures of one person under one arm."""

    arm: str
    judge: str
    """The label that pools them."""
    person: str
    """Their pseudonym, the same in every report and export."""
    passages: int
    questions: int
    verdicts: int
    accuracy: float
    low: float
    """Of the interval for new passages, clustered by passage."""
    high: float
    brier: float
    log_score: float
    """In bits, at most 0."""


def interval_of_people(
    readings: Readings, scores: Sequence[tuple[FloatArray, Scale]], confidence: float
) -> list[Estimate]:
    """Return the mean of each score, one value a verdict, with its interval for new passages and new people."""
    places = (dense(readings.question), dense(readings.passage), dense(readings.person))
    own = weights(readings)
    return [mean_interval_of_people(values, *places, scale, confidence, own) for values, scale in scores]


def share_of_verdicts(
    right: FloatArray, passage: IntArray, person: IntArray, confidence: float = 0.95
) -> Estimate:
    """Return the share right of (n,) verdicts with its interval: verdicts are the unit, clustered by passage, and by person where
    all are of people (`person` is -1 for other judges).
    """
    passages = dense(passage)
    if (person >= 0).all():
        return mean_interval_of_people(
            right, np.arange(right.size), passages, dense(person), SHARE, confidence
        )
    return mean_interval(right, passages, SHARE, confidence)


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """The accuracy of people under one arm by a mixed logistic model, beside that of the report."""

    arm: str
    judge: str
    fit: Mixed


def of_people(groups: Mapping[Place, Readings], confidence: float = 0.95) -> list[PersonFigures]:
    """Return the figures of each person under each arm: arms and people by name."""
    return [item for own in _people(groups) for item in by_person(own, confidence)]


def model_checks(groups: Mapping[Place, Readings]) -> list[ModelCheck]:
    """Return the mixed model of people under each arm, by name. It takes seconds for many people."""
    return [
        ModelCheck(own.arm, own.judge, mixed(own.right, own.question, own.person)) for own in _people(groups)
    ]


def _people(groups: Mapping[Place, Readings]) -> list[Readings]:
    found = (groups[place].where(groups[place].person >= 0) for place in sorted(groups))
    return [own for own in found if own.person.size]


def by_person(readings: Readings, confidence: float) -> Iterator[PersonFigures]:
    """Yield the figures of each person, by pseudonym."""
    placed = np.argsort(readings.person, kind="stable")
    ends = np.flatnonzero(np.diff(readings.person[placed])) + 1
    for places in np.split(placed, ends):
        yield _figures(readings, places, confidence)


def _figures(readings: Readings, places: IntArray, confidence: float) -> PersonFigures:
    asked, first, own = np.unique(readings.question[places], return_index=True, return_inverse=True)
    counts = np.bincount(own)
    right, brier, log_score = (
        np.bincount(own, weights=values[places]) / counts
        for values in (readings.right, readings.brier, readings.log_score)
    )
    passages = readings.passage[places][first]
    accuracy = mean_interval(right, passages, SHARE, confidence)
    return PersonFigures(
        readings.arm,
        readings.judge,
        readings.people[int(readings.person[places[0]])],
        passages=np.unique_values(passages).size,
        questions=asked.size,
        verdicts=places.size,
        accuracy=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        brier=float(brier.mean()),
        log_score=float(log_score.mean()),
    )
