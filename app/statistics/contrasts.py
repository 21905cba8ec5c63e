"""The difference between two arms for one judge: question by question, clustered by passage; knows no raw beliefs."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.statistics.accuracy import by_question
from app.statistics.intervals import DIFFERENCE, METHOD_ONE_PASSAGE, FloatArray, mean_interval
from app.statistics.pgr import Question
from app.statistics.scores import ScoredReading, rightness
from app.statistics.seeds import generator

EXACT_UP_TO = 13
"""Passages for which every flip of signs is tried, at most 8,192; with more, flips are drawn."""
DRAWS = 10_000
_BATCH = 500
_SAME = 1e-9
"""Sums that differ by less than this are the same sum, added up in another order."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """How much more often a judge is right under the arm `first` than under `second`, or why that is not known."""

    first: str
    second: str
    judge: str
    passages: int
    questions: int
    """Questions judged under both arms: those that every figure here rests on."""
    first_accuracy: float | None = None
    """On these questions alone."""
    second_accuracy: float | None = None
    difference: float | None = None
    """The first less the second, in [-1, 1]."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """Two-sided, of a permutation test that flips the signs of whole passages; not corrected for other comparisons."""
    confidence: float = 0.95
    method: str | None = None
    """How the interval was made."""
    test: str | None = None
    """How p was found."""
    reason: str | None = None
    """Why there is no figure; None where there is one."""


def contrasts(
    readings: Iterable[ScoredReading],
    pairs: Sequence[tuple[str, str]],
    *,
    seed: int,
    confidence: float = 0.95,
) -> list[Contrast]:
    """Each pair of arms in the order given, for each judge who has a reading under one of them, by name."""
    groups: dict[str, dict[str, list[ScoredReading]]] = defaultdict(lambda: defaultdict(list))
    named = {arm for pair in pairs for arm in pair}
    for reading in readings:
        if reading.arm in named:
            groups[reading.judge][reading.arm].append(reading)
    correct = {
        judge: {arm: by_question(group, rightness) for arm, group in arms.items()}
        for judge, arms in groups.items()
    }
    return [
        contrast(first, second, judge, correct[judge], seed=seed, confidence=confidence)
        for first, second in pairs
        for judge in sorted(correct)
        if correct[judge].keys() & {first, second}
    ]


def contrast(
    first: str,
    second: str,
    judge: str,
    correct: Mapping[str, Mapping[Question, float]],
    *,
    seed: int,
    confidence: float = 0.95,
) -> Contrast:
    """The difference in accuracy on the questions that a judge has under both arms.

    `correct` holds the judge's accuracy by arm and question. The interval is that of a mean of differences, one a
    question, with passages as clusters (`mean_interval`). The test flips the sign of all differences of a passage at once,
    which is what an arm and its rival being exchangeable within a passage allows (Fisher 1935, section 21): every flip for few
    passages, else 10,000 drawn ones, the observed among them (Phipson and Smyth 2010).
    """
    common = sorted(correct.get(first, {}).keys() & correct.get(second, {}).keys())
    if not common:
        reason = "No question was judged under both arms."
        return Contrast(first, second, judge, 0, 0, confidence=confidence, reason=reason)
    of_first, of_second = (
        np.array([correct[arm][question] for question in common]) for arm in (first, second)
    )
    passages = np.unique_inverse(np.array([passage for passage, _ in common])).inverse_indices
    estimate = mean_interval(of_first - of_second, passages, DIFFERENCE, confidence)
    totals = np.bincount(passages, weights=of_first - of_second).astype(np.float64)
    known = estimate.method != METHOD_ONE_PASSAGE
    rng = generator("contrast", seed, first, second, judge)
    return Contrast(
        first,
        second,
        judge,
        passages=totals.size,
        questions=len(common),
        first_accuracy=math.fsum(of_first) / len(common),
        second_accuracy=math.fsum(of_second) / len(common),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=flip_test(totals, rng) if known else None,
        confidence=confidence,
        method=estimate.method,
        test=_test(totals.size) if known else None,
    )


def _test(passages: int) -> str:
    how = "every flip" if passages <= EXACT_UP_TO else f"{DRAWS:,} drawn flips"
    return f"permutation test, signs flipped by passage, {how}"


def flip_test(totals: FloatArray, rng: np.random.Generator) -> float:
    """How often flipped signs of (passages,) `totals` give a sum at least as far from 0 as they do, in (0, 1]."""
    far = abs(totals.sum()) - _SAME
    if totals.size <= EXACT_UP_TO:
        return float(np.mean(np.abs(_every_flip(totals.size) @ totals) >= far))
    flips = (rng.choice([-1.0, 1.0], size=(_BATCH, totals.size)) for _ in range(DRAWS // _BATCH))
    reached = sum(int((np.abs(flip @ totals) >= far).sum()) for flip in flips)
    return (reached + 1) / (DRAWS + 1)


def _every_flip(count: int) -> FloatArray:
    """(2 to the count, count) of 1 and -1."""
    bits = np.arange(2**count)[:, None] >> np.arange(count)
    return (1 - 2 * (bits & 1)).astype(np.float64)
