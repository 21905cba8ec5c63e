"""Verdicts as arrays, one place a verdict, and their averages by question. Every figure of verdicts is computed from these."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.statistics.intervals import FloatArray, IntArray

BoolArray: TypeAlias = NDArray[np.bool_]
Place: TypeAlias = tuple[str, str]
"""An arm and a judge."""


def dense(codes: IntArray) -> IntArray:
    """Return codes from 0 without gaps, in the same order."""
    if not codes.size:
        return codes
    low = int(codes.min())
    if int(codes.max()) - low > 4 * codes.size + 1024:
        return np.unique_inverse(codes).inverse_indices
    places = codes - low
    numbers = np.cumsum(np.bincount(places) > 0) - 1
    found: IntArray = numbers[places]
    return found


def first_seen(codes: IntArray) -> IntArray:
    """Return codes from 0 in the order in which they appear first."""
    own = dense(codes)
    first = np.full(int(own.max(initial=-1)) + 1, own.size)
    np.minimum.at(first, own, np.arange(own.size))
    numbers = np.empty(first.size, dtype=np.int64)
    numbers[np.argsort(first)] = np.arange(first.size)
    return numbers[own]


def combined(*codes: IntArray) -> IntArray:
    """Return one code for each tuple of codes. They sort as the tuples do."""
    found = dense(codes[0])
    for other in map(dense, codes[1:]):
        size = int(other.max(initial=0)) + 1
        if (int(found.max(initial=0)) + 1) * size >= 2**62:
            found = dense(found)
        found = found * size + other
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Names as numbers in the order of the names."""

    names: Sequence[str]
    """Sorted, without repetition."""
    codes: IntArray

    @classmethod
    def of(cls, values: Sequence[str]) -> "Coded":
        """Return the code of each value."""
        names = sorted(set(values))
        numbers = {name: number for number, name in enumerate(names)}
        return cls(names, np.array([numbers[value] for value in values], dtype=np.int64))

    def at(self, rows: IntArray) -> "Coded":
        """Return the codes at these places."""
        return replace(self, codes=self.codes[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Verdicts of one judge under one arm, as (n,) arrays: by question, replicate, assignment, talk, order and person.

    Codes of passages, questions and people stand for the same in all readings that are compared, and are in the order of the names.
    """

    arm: str
    judge: str
    passage: IntArray
    question: IntArray
    """In the order of passages."""
    replicate: IntArray
    assignment: IntArray
    talk: IntArray
    """The judge whose talk was read, where each judge has separate talks; 0 elsewhere."""
    order: IntArray
    """The number of the reading order. People read in one order each, so that theirs is their place."""
    person: IntArray
    """The person who judged; -1 for other judges."""
    people: Sequence[str]
    """The pseudonyms of people by code."""
    p_gold: FloatArray
    """Belief in the gold answer, in [0, 1]."""
    right: FloatArray
    """Value of the choice: 1 for gold, 0 for another answer, a share for a tie."""
    brier: FloatArray
    log_score: FloatArray
    rows: IntArray
    """Places of the verdicts in the frame."""

    def where(self, kept: BoolArray) -> "Readings":
        """Return the readings that are kept."""
        return self if kept.all() else replace(self, **{name: getattr(self, name)[kept] for name in _ARRAYS})

    @property
    def pooled(self) -> bool:
        """Return whether all are of people, who share a label."""
        return bool((self.person >= 0).all())

    @property
    def questions(self) -> IntArray:
        """Return the questions, sorted."""
        return np.unique(self.question)


_ARRAYS = [field.name for field in fields(Readings) if field.name not in ("arm", "judge", "people")]


def together(one: Readings, other: Readings) -> tuple[Readings, BoolArray]:
    """Return the readings of two arms in one, in the order of readings, and whether each is of the first."""
    placed = order_together(one, other)
    both: dict[str, Any] = {name: joined(name, one, other)[placed] for name in _ARRAYS}
    return replace(one, **both), placed < one.rows.size


def order_together(one: Readings, other: Readings) -> IntArray:
    """Return the places of the readings of two arms, those of `other` after those of `one`, in the order of readings."""
    keys = ("question", "replicate", "assignment", "talk", "order", "person")
    return np.argsort(combined(*(joined(key, one, other) for key in keys)), kind="stable")


def joined(name: str, one: Readings, other: Readings) -> Any:
    """Return an array of both."""
    return np.concatenate([getattr(one, name), getattr(other, name)])


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Verdicts of several arms and judges, as arrays in the order of a frame."""

    arm: Coded
    judge: Coded
    passage: IntArray
    question: IntArray
    replicate: IntArray
    assignment: IntArray
    talk: IntArray
    order: IntArray
    person: IntArray
    people: Sequence[str]
    p_gold: FloatArray
    right: FloatArray
    brier: FloatArray
    log_score: FloatArray
    place: IntArray
    """Arm and judge as one number."""
    sorted: IntArray
    """Places of the verdicts in the order of readings."""

    def places(self, kept: BoolArray) -> dict[Place, IntArray]:
        """Return the places of the kept verdicts by arm and judge, in the order of the frame, by first appearance."""
        rows = np.flatnonzero(kept)
        placed = rows[np.argsort(self.place[rows], kind="stable")]
        groups = _split(placed, self.place[placed])
        return {self._named(own): own for own in sorted(groups, key=lambda own: int(own[0]))}

    def readings(self, kept: BoolArray) -> dict[Place, Readings]:
        """Return the kept verdicts by arm and judge, sorted."""
        placed = self.sorted[kept[self.sorted]]
        return {self._named(own): self._readings(own) for own in _split(placed, self.place[placed])}

    def _named(self, rows: IntArray) -> Place:
        return self.arm.names[self.arm.codes[rows[0]]], self.judge.names[self.judge.codes[rows[0]]]

    def _readings(self, rows: IntArray) -> Readings:
        arm, judge = self._named(rows)
        arrays = {name: getattr(self, name)[rows] for name in _ARRAYS if name != "rows"}
        return Readings(arm, judge, people=self.people, rows=rows, **arrays)


def _split(rows: IntArray, codes: IntArray) -> list[IntArray]:
    """Return runs of equal codes."""
    return np.split(rows, np.flatnonzero(np.diff(codes)) + 1) if rows.size else []


def verdicts(**columns: object) -> Verdicts:
    """Return verdicts with what follows from their other arrays: their place, and their order as readings."""
    arrays: Mapping[str, IntArray] = {
        name: value.codes if isinstance(value, Coded) else value  # type: ignore[misc]
        for name, value in columns.items()
    }
    place = combined(arrays["arm"], arrays["judge"])
    keys = ("question", "replicate", "assignment", "talk", "order", "person")
    placed = np.argsort(combined(place, *(arrays[name] for name in keys)), kind="stable")
    return Verdicts(**columns, place=place, sorted=placed)  # type: ignore[arg-type]


# ── averages ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """One figure a question: (m,) arrays, by question."""

    question: IntArray
    passage: IntArray
    value: FloatArray

    @property
    def passages(self) -> int:
        """Return the number of passages."""
        return int(np.unique_values(self.passage).size)

    def of(self, questions: IntArray) -> FloatArray:
        """Return the figures of these questions, all of which are there."""
        return self.value[np.searchsorted(self.question, questions)]


def by_question(readings: Readings, values: FloatArray) -> Figures:
    """Return (n,) `values` by question for one arm and judge, averaged over orders, assignments and replicates in turn.

    Talks of several judges on one assignment are averaged with the orders. An open protocol has no assignments: each choice of the
    advocate counts as often as it was made. Raise ValueError where two readings have the same place.
    """
    places = (readings.question, readings.replicate, readings.assignment)
    apart = _levels(*places)[2] | _changes(readings.talk) | _changes(readings.order)
    if not apart.all():
        raise ValueError(
            f"A question has two readings by {readings.judge} under {readings.arm} with the same replicate, assignment and order; "
            "count each reading once."
        )
    return averaged(readings.question, readings.passage, readings.replicate, readings.assignment, values)


def averaged(
    question: IntArray, passage: IntArray, replicate: IntArray, assignment: IntArray, values: FloatArray
) -> Figures:
    """Return (n,) values averaged over what has one assignment, then over assignments, then over replicates. All arrays are sorted
    by question, replicate and assignment.
    """
    if not values.size:
        return Figures(question, passage, values)
    starts: IntArray = np.arange(values.size)
    for level in reversed(_levels(question, replicate, assignment)):
        new = np.flatnonzero(level)
        values = run_means(values, np.searchsorted(starts, new))
        starts = new
    return Figures(question[starts], passage[starts], values)


def _levels(question: IntArray, replicate: IntArray, assignment: IntArray) -> list[BoolArray]:
    """Return where another question, replicate or assignment begins, each with those before it."""
    asked = _changes(question)
    repeated = asked | _changes(replicate)
    return [asked, repeated, repeated | _changes(assignment)]


def _changes(codes: IntArray) -> BoolArray:
    """Return where a code differs from the one before it; the first does."""
    found = np.ones(codes.size, dtype=np.bool_)
    found[1:] = codes[1:] != codes[:-1]
    return found


def run_means(values: FloatArray, starts: IntArray) -> FloatArray:
    """Return the means of runs. The sums are exact before they are rounded, so that no order of addition matters."""
    counts = np.diff(starts, append=values.size)
    sums: FloatArray = np.add.reduceat(values, starts)
    long = np.flatnonzero(counts > 2)
    # Halves add up exactly.
    if long.size and not np.array_equal(values * 2, np.rint(values * 2)):
        for at in long:
            sums[at] = math.fsum(values[starts[at] : starts[at] + counts[at]].tolist())
    found: FloatArray = sums / counts
    return found


def weights(readings: Readings) -> FloatArray:
    """Return the weight of each reading in `by_question`, over the number of questions."""
    return weights_of(readings.question, readings.replicate, readings.assignment)


def weights_of(question: IntArray, replicate: IntArray, assignment: IntArray) -> FloatArray:
    """Return the weight of each value in `averaged`, over the number of questions; they sum to 1."""
    levels = _levels(question, replicate, assignment)
    numbers = [np.cumsum(level) - 1 for level in levels]
    found = np.ones(question.size) / np.bincount(numbers[2])[numbers[2]]
    for outer, inner in ((1, 2), (0, 1)):
        members = np.bincount(numbers[outer][np.flatnonzero(levels[inner])])
        found /= members[numbers[outer]]
    shares: FloatArray = found / (numbers[0][-1] + 1)
    return shares


# ── for the metrics of protocols ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Marks of points of critiques: (m,) arrays."""

    reading: IntArray
    """Place of the verdict among the readings."""
    point: IntArray
    accepted: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredReadings:
    """Readings of one arm and judge with the measures of their talks and the marks of the judge."""

    readings: Readings
    path: FloatArray
    """(n, steps) belief in gold, oldest first, padded with NaN; only the last where only that was elicited."""
    p_argued: FloatArray
    """Belief in the answer that was argued for; NaN where both were, or none."""
    argues_gold: FloatArray
    """1 where that answer is gold, 0 where it is not; NaN where there is none."""
    gold_first: BoolArray
    """Whether gold is the talk's first answer, whose price a market reports."""
    measures: Sequence[Mapping[str, float]]
    """The measures of the talk of each reading."""
    marks: Marks | None = None
    """None where the judge was not asked."""

    def measure(self, name: str) -> FloatArray:
        """Return a measure of each talk; NaN where it has none."""
        return np.array([own.get(name, math.nan) for own in self.measures])


def padded(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Return rows as a matrix, padded with NaN."""
    found = np.full((len(rows), max(map(len, rows), default=0)), math.nan)
    for at, row in enumerate(rows):
        found[at, : len(row)] = row
    return found


@dataclass(frozen=True, slots=True)
class TrialMeasures:
    """The measures of one finished trial."""

    arm: str
    judge: str | None
    """The judge, where it took part in the talk."""
    passage: str
    question: str
    assignment: int
    replicate: int
    measures: Mapping[str, float]
