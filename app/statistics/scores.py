"""The scores of a belief: right or wrong, Brier, log score."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from app.statistics.intervals import FloatArray, IntArray

BELIEF_FLOOR = 1e-4
"""The smallest belief that the log score counts, so that one sure mistake costs 13.3 bits and not infinity.
"""

WORST_LOG_SCORE = math.log2(BELIEF_FLOOR)

_SUM_TOLERANCE = 1e-6


class Scores(NamedTuple):
    """Beliefs, thresholded and scored: (n,) arrays."""

    p_gold: FloatArray
    """Belief in the gold answer, in [0, 1]."""
    right: FloatArray
    """As `credit`."""
    brier: FloatArray
    """The quadratic loss in [0, 1], 0 the best. It is (1 - p_gold)^2 for two answers. For more answers it is half of Brier's sum over
    all answers (Brier 1950), which is the same number where there are two.
    """
    log_score: FloatArray
    """The logarithmic score in bits, 0 the best (Good 1952)."""


def scored(beliefs: FloatArray, gold: IntArray) -> Scores:
    """Return the scores of beliefs.

    beliefs: (n, k), padded with -1 where a question has fewer than k answers. gold: (n,) place of the gold answer. Raise ValueError
    where a belief is no distribution over two or more answers.
    """
    p_gold = beliefs[np.arange(gold.size), gold]
    return scores_of(beliefs, gold, p_gold, credits(beliefs, gold))


def scores_of(beliefs: FloatArray, gold: IntArray, p_gold: FloatArray, right: FloatArray) -> Scores:
    """Return the scores of beliefs of which the belief in gold and the value of the choice are known. See `scored`."""
    _check(beliefs, gold)
    return Scores(p_gold, right, _brier(beliefs, p_gold), _mapped(bits, p_gold))


def _mapped(function: Callable[[float], float], values: FloatArray) -> FloatArray:
    """Return a function of each value, computed by Python: NumPy rounds some squares and logarithms another way."""
    found = np.empty(values.size)
    for start in range(0, values.size, _BATCH):
        found[start : start + _BATCH] = [function(value) for value in values[start : start + _BATCH].tolist()]
    return found


_BATCH = 50_000
"""Values that are Python's numbers at once."""


def _check(beliefs: FloatArray, gold: IntArray) -> None:
    given = np.where(beliefs == -1, 0.0, beliefs)
    fits = ((given >= 0) & (given <= 1)).all(axis=1) & (np.abs(given.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    fits &= ((beliefs != -1).sum(axis=1) >= 2) & (beliefs[np.arange(gold.size), gold] != -1)
    if not fits.all():
        wrong = beliefs[int(np.flatnonzero(~fits)[0])].tolist()
        raise ValueError(
            f"A verdict has the beliefs {wrong}; give one number from 0 to 1 for each of two or more answers, which sum to 1."
        )


def _brier(beliefs: FloatArray, p_gold: FloatArray) -> FloatArray:
    found = _mapped(lambda p: (1 - p) ** 2, p_gold)
    for at in np.flatnonzero((beliefs >= 0).sum(axis=1) > 2):
        others = beliefs[at][beliefs[at] >= 0].tolist()
        others.remove(p_gold[at])
        found[at] = math.fsum([found[at], *(p**2 for p in others)]) / 2
    return found


def points(p_gold: float) -> int:
    """Return the log score as participants read it: 100 for certainty of what is right, 50 for half, 0 for a quarter.

    It is the score in bits times 50, plus 100, and so as proper; being certain of what is wrong costs 564.
    """
    return round(100 + 50 * bits(p_gold))


def credit(p_gold: float, p_others: Sequence[float]) -> float:
    """Return 1 where the judge chose gold, 0 where it chose another answer, and a share of 1 for a tie.

    With two answers gold is chosen by strictly more than half of the belief; exactly half is a tie worth 1/2.
    With more answers gold is chosen where its belief is strictly the highest; a tie of k answers at the top,
    gold among them, is worth 1/k. Floats are compared without a tolerance.
    """
    if len(p_others) == 1:
        return 0.5 if p_gold == 0.5 else float(p_gold > 0.5)
    best = max(p_others)
    if p_gold != best:
        return float(p_gold > best)
    return 1 / (1 + p_others.count(p_gold))


def credits(beliefs: FloatArray, gold: IntArray) -> FloatArray:
    """Return (n,) values of choices, by `credit`.

    beliefs: (n, k), padded with -1 where a question has fewer than k answers. gold: (n,) place of the gold answer.
    """
    rows = np.arange(gold.size)
    p_gold = beliefs[rows, gold]
    if beliefs.shape[1] == 2:
        return np.where(p_gold == 0.5, 0.5, (p_gold > 0.5).astype(np.float64))
    top = beliefs == beliefs.max(axis=1, keepdims=True)
    several = np.where(top[rows, gold], 1 / top.sum(axis=1), 0.0)
    two = np.where(p_gold == 0.5, 0.5, (p_gold > 0.5).astype(np.float64))
    return np.where((beliefs >= 0).sum(axis=1) == 2, two, several)


def bits(p: float) -> float:
    """Return log2 of the belief in the right answer, from -13.3 to 0. Beliefs count as at least 1e-4."""
    return math.log2(max(p, BELIEF_FLOOR))


def turns_score(p_gold: float, penalty: float) -> float:
    """Return the score of a judge who took part, in bits: the log score less `penalty`, the cost of its turns
    (Michael et al. 2023, eq. 1).
    """
    return bits(p_gold) - penalty
