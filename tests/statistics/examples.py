"""Readings and samples that the tests of the reports share: rows in, the arrays of statistics out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from app.protocols.core import Protocol
from app.statistics import contrasts as of_contrasts
from app.statistics import metrics as of_metrics
from app.statistics.accuracy import Cell, cells, gaps, with_gap
from app.statistics.contrasts import Contrast
from app.statistics.intervals import FloatArray
from app.statistics.metrics import Measured
from app.statistics.pgr import Gap, gap_recovered
from app.statistics.readings import (
    Coded,
    Figures,
    Marks,
    MeasuredReadings,
    Place,
    Readings,
    Verdicts,
    by_question,
    padded,
    verdicts,
)
from app.statistics.scores import scored

JUDGE = "wary"
Question: TypeAlias = tuple[str, str]
"""A passage and a question on it."""


@dataclass(frozen=True)
class Reading:
    """One verdict."""

    arm: str
    judge: str
    passage: str
    question: str
    assignment: int
    replicate: int
    order: int
    beliefs: tuple[float, ...]
    """The first is that in gold."""
    talk: str = ""
    person: str = ""

    @property
    def p_gold(self) -> float:
        """Belief in gold."""
        return self.beliefs[0]


@dataclass(frozen=True)
class MeasuredReading:
    """A verdict with what its talk left, as `MeasuredReadings` has many."""

    reading: Reading
    on_gold: tuple[float, ...] = ()
    p_argued: float | None = None
    argues_gold: bool | None = None
    gold_first: bool = True
    measures: Mapping[str, float] = field(default_factory=dict)
    accepted: Mapping[int, bool] | None = None


def table(rows: Sequence[Reading]) -> Verdicts:
    """The rows as arrays."""
    width = max((len(row.beliefs) for row in rows), default=2)
    beliefs = np.array([[*row.beliefs, *[-1.0] * (width - len(row.beliefs))] for row in rows]).reshape(
        -1, width
    )
    people = sorted({row.person for row in rows if row.person})
    return verdicts(
        arm=Coded.of([row.arm for row in rows]),
        judge=Coded.of([row.judge for row in rows]),
        passage=Coded.of([row.passage for row in rows]).codes,
        question=Coded.of([f"{row.passage}\0{row.question}" for row in rows]).codes,
        replicate=whole([row.replicate for row in rows]),
        assignment=whole([row.assignment for row in rows]),
        talk=Coded.of([row.talk for row in rows]).codes,
        order=whole([row.order for row in rows]),
        person=whole([people.index(row.person) if row.person else -1 for row in rows]),
        people=people,
        **scored(beliefs, whole([0] * len(rows)))._asdict(),
    )


def whole(numbers: Sequence[int]) -> Any:
    """Whole numbers as an array."""
    return np.array(numbers, dtype=np.int64)


def grouped(rows: Sequence[Reading]) -> dict[Place, Readings]:
    """The rows by arm and judge."""
    return table(rows).readings(np.ones(len(rows), dtype=np.bool_))


def alone(rows: Sequence[Reading]) -> Readings:
    """The rows of one arm and judge."""
    [readings] = grouped(rows).values()
    return readings


def means(rows: Sequence[Reading], of: str = "right") -> dict[Question, float]:
    """A score of one arm and judge by question."""
    readings = alone(rows)
    found = by_question(readings, getattr(readings, of))
    names = sorted({(row.passage, row.question) for row in rows})
    return {
        names[code]: value for code, value in zip(found.question.tolist(), found.value.tolist(), strict=True)
    }


def all_cells(
    rows: Sequence[Reading],
    naive: str | None = None,
    expert: str | None = None,
    seed: int = 1,
    arms: Sequence[str] = (),
) -> list[Cell]:
    """The cells of a whole report, with PGR."""
    groups = grouped(rows)
    found = gaps(groups, naive=naive, expert=expert, seed=seed)
    return [with_gap(cell, found[cell.arm, cell.judge]) for cell in cells(groups, arms=arms)]


def as_figures(*given: Mapping[Question, float]) -> list[Figures]:
    """Figures by question as arrays, numbered alike."""
    names = sorted({name for own in given for name in own})
    numbers = {name: number for number, name in enumerate(names)}
    passages = {name: number for number, name in enumerate(sorted({passage for passage, _ in names}))}
    return [
        Figures(
            whole([numbers[name] for name in sorted(own)]),
            whole([passages[name[0]] for name in sorted(own)]),
            np.array([own[name] for name in sorted(own)]),
        )
        for own in given
    ]


def recovered(*arms: Mapping[Question, float], seed: tuple[int, str, str], confidence: float = 0.95) -> Gap:
    """PGR from the accuracies by question of the protocol, the naive and the expert arm."""
    protocol, naive, expert = as_figures(*arms)
    return gap_recovered(protocol, naive, expert, seed=seed, confidence=confidence)


def contrast(
    first: str,
    second: str,
    judge: str,
    correct: Mapping[str, Mapping[Question, float]],
    *,
    seed: int,
    confidence: float = 0.95,
) -> Contrast:
    """The contrast of two arms, from accuracies by arm and question."""
    one, other = as_figures(*(correct.get(arm, {}) for arm in (first, second)))
    return of_contrasts.contrast(first, second, judge, one, other, seed=seed, confidence=confidence)


def contrasts(rows: Sequence[Reading], pairs: Sequence[tuple[str, str]], *, seed: int) -> list[Contrast]:
    """The contrasts of rows."""
    return of_contrasts.contrasts(grouped(rows), pairs, seed=seed)


def measured_of(items: Sequence[MeasuredReading]) -> MeasuredReadings:
    """Verdicts of one arm and judge with what their talks left."""
    readings = alone([item.reading for item in items])
    own = [items[row] for row in readings.rows.tolist()]
    points = [
        (at, number, said) for at, item in enumerate(own) for number, said in (item.accepted or {}).items()
    ]
    return MeasuredReadings(
        readings,
        path=padded([item.on_gold for item in own]),
        p_argued=np.array([math.nan if item.p_argued is None else item.p_argued for item in own]),
        argues_gold=np.array(
            [math.nan if item.argues_gold is None else item.argues_gold for item in own], dtype=float
        ),
        gold_first=np.array([item.gold_first for item in own]),
        measures=[item.measures for item in own],
        marks=None
        if all(item.accepted is None for item in own)
        else Marks(
            whole([at for at, _, _ in points]),
            whole([number for _, number, _ in points]),
            np.array([said for _, _, said in points], dtype=np.bool_),
        ),
    )


def metrics(arm: str, rules: type[Protocol], judge: str, items: Sequence[MeasuredReading]) -> list[Measured]:
    """The metrics of verdicts of one arm and judge."""
    return of_metrics.metrics(arm, rules, judge, measured_of(items))


def reading(
    p_gold: float,
    *,
    arm: str = "debate",
    judge: str = JUDGE,
    passage: str = "p1",
    question: str = "q1",
    assignment: int = 0,
    replicate: int = 0,
    order: int = 0,
) -> Reading:
    """A reading of a question with two answers."""
    return Reading(arm, judge, passage, question, assignment, replicate, order, (p_gold, 1 - p_gold))


def of_four(gold: float, best: float, *rest: float) -> Reading:
    """A reading of a question with four answers."""
    return Reading("debate", JUDGE, "p1", "q1", 0, 0, 0, (gold, best, *rest))


def right_or_wrong(
    rng: np.random.Generator, passages: int, questions: int, truth: float, correlation: float
) -> FloatArray:
    """(passages, questions) of 0 and 1 with mean `truth`, questions on one passage correlated: beta-binomial."""
    if truth == 1:
        return np.ones((passages, questions))
    strength = 1 / correlation - 1
    own = rng.beta(truth * strength, (1 - truth) * strength, size=(passages, 1))
    return (rng.random((passages, questions)) < own).astype(np.float64)


def by_place(right: FloatArray) -> dict[Question, float]:
    """(passages, questions) as a mapping by question."""
    return {(f"p{p}", f"q{q}"): float(worth) for (p, q), worth in np.ndenumerate(right)}
