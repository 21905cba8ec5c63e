"""Readings and samples that the tests of the reports share."""

import numpy as np

from app.statistics.intervals import FloatArray
from app.statistics.pgr import Question
from app.statistics.scores import ScoredReading

JUDGE = "wary"


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
) -> ScoredReading:
    """A reading of a question with two answers."""
    return ScoredReading(
        arm,
        judge,
        passage,
        question,
        assignment,
        replicate,
        order,
        p_gold,
        p_best_other=1 - p_gold,
        answers=2,
    )


def of_four(gold: float, best: float, *rest: float) -> ScoredReading:
    """A reading of a question with four answers."""
    return ScoredReading("debate", JUDGE, "p1", "q1", 0, 0, 0, gold, best, 4, rest)


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
