"""Readings of people as arrays, one place a verdict, and the figures of each person."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.statistics.intervals import Estimate, FloatArray, IntArray, Scale, mean_interval
from app.statistics.mixed import Mixed, mixed
from app.statistics.scores import ScoredReading, brier, log_score, rightness
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


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts of people under one arm: (n,) arrays in a fixed order."""

    readings: Sequence[ScoredReading]
    questions: IntArray
    passages: IntArray
    people: IntArray
    weights: FloatArray
    """Of each verdict in the mean over questions, in which orders, assignments and replicates are averaged in turn; their sum is 1."""

    def values(self, measure: Callable[[ScoredReading], float]) -> FloatArray:
        """Return `measure` of each verdict."""
        return np.array([measure(reading) for reading in self.readings])

    def interval(
        self, measure: Callable[[ScoredReading], float], scale: Scale, confidence: float
    ) -> Estimate:
        """Return the mean of `measure` with its interval for new passages and new people."""
        places = (self.questions, self.passages, self.people)
        return mean_interval_of_people(self.values(measure), *places, scale, confidence, self.weights)


def pooled(readings: Iterable[ScoredReading]) -> bool:
    """Return whether the readings are of people, who share a label."""
    return all(reading.person for reading in readings)


def verdicts(readings: Sequence[ScoredReading]) -> Verdicts:
    """Return the readings of one arm as arrays. They do not depend on the order of the readings."""
    ordered = sorted(readings, key=_place)
    return Verdicts(
        ordered,
        _numbers([f"{reading.passage}\0{reading.question}" for reading in ordered]),
        _numbers([reading.passage for reading in ordered]),
        _numbers([reading.person for reading in ordered]),
        weights(ordered),
    )


def _place(reading: ScoredReading) -> tuple[str, str, int, int, str, int, str]:
    place = (reading.passage, reading.question, reading.replicate, reading.assignment)
    return (*place, reading.talk, reading.order, reading.person)


def _numbers(names: Sequence[str]) -> IntArray:
    return np.unique_inverse(np.array(names)).inverse_indices


def weights(readings: Sequence[ScoredReading]) -> FloatArray:
    """Return the weight of each reading in `app.statistics.accuracy.by_question`, over the number of questions."""
    found = np.ones(len(readings))
    keys = [_place(reading)[:4] for reading in readings]
    for depth in (4, 3, 2):
        found /= _siblings([key[:depth] for key in keys], [key[: depth + 1] for key in keys], depth)
    return found / len({key[:2] for key in keys})


def _siblings(
    groups: Sequence[tuple[object, ...]], members: Sequence[tuple[object, ...]], depth: int
) -> FloatArray:
    """Return over how many members each reading's group is averaged: at the last depth each reading is one."""
    if depth == 4:
        counts: Counter[tuple[object, ...]] = Counter(groups)
        return np.array([counts[group] for group in groups], dtype=np.float64)
    different: dict[tuple[object, ...], set[tuple[object, ...]]] = defaultdict(set)
    for group, member in zip(groups, members, strict=True):
        different[group].add(member)
    return np.array([len(different[group]) for group in groups], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """The accuracy of people under one arm by a mixed logistic model, beside that of the report."""

    arm: str
    judge: str
    fit: Mixed


def of_people(
    readings: Iterable[ScoredReading], confidence: float = 0.95
) -> tuple[list[PersonFigures], list[ModelCheck]]:
    """Return the figures of each person under each arm, and the mixed model of each arm: arms and people by name."""
    groups: dict[tuple[str, str], list[ScoredReading]] = defaultdict(list)
    for reading in readings:
        if reading.person:
            groups[reading.arm, reading.judge].append(reading)
    held = {place: verdicts(groups[place]) for place in sorted(groups)}
    figures = [item for own in held.values() for item in by_person(own, confidence)]
    checks = [
        ModelCheck(*place, mixed(own.values(rightness), own.questions, own.people))
        for place, own in held.items()
    ]
    return figures, checks


def by_person(held: Verdicts, confidence: float) -> tuple[PersonFigures, ...]:
    """Return the figures of each person, by pseudonym."""
    groups: dict[str, list[int]] = defaultdict(list)
    for at, reading in enumerate(held.readings):
        groups[reading.person].append(at)
    return tuple(
        _figures(person, held, np.array(places), confidence) for person, places in sorted(groups.items())
    )


def _figures(person: str, held: Verdicts, places: IntArray, confidence: float) -> PersonFigures:
    questions, own = np.unique_inverse(held.questions[places])
    counts = np.bincount(own)

    def by_question(measure: Callable[[ScoredReading], float]) -> FloatArray:
        return np.bincount(own, weights=held.values(measure)[places]) / counts

    passages = held.passages[places][np.unique(held.questions[places], return_index=True)[1]]
    accuracy = mean_interval(by_question(rightness), passages, SHARE, confidence)
    return PersonFigures(
        held.readings[0].arm,
        held.readings[0].judge,
        person,
        passages=np.unique_values(passages).size,
        questions=questions.size,
        verdicts=places.size,
        accuracy=accuracy.value,
        low=accuracy.low,
        high=accuracy.high,
        brier=float(by_question(brier).mean()),
        log_score=float(by_question(log_score).mean()),
    )
