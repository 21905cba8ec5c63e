"""How far the place of an answer, and noise, explain a judge's choices. Functions of arrays, one entry a verdict.

It does not know how beliefs were read, or who judged.
"""

import math

import numpy as np
from numpy.typing import NDArray

from app.statistics.intervals import Estimate, FloatArray, IntArray, Scale, mean_interval

BoolArray = NDArray[np.bool_]

_SHARE = Scale(low=0.0, high=1.0, unseen=1.0)


def tops(beliefs: FloatArray) -> BoolArray:
    """Return which answers have the highest belief, compared without a tolerance: one a row, several where they
    tie.

    beliefs: (n, k) in the trial's order of answers, padded with -1 where a question has fewer than k.
    """
    found: BoolArray = beliefs == beliefs.max(axis=1, keepdims=True)
    return found


def chose_first(top: BoolArray, first: IntArray) -> FloatArray:
    """Return (n,) 1 where the first-listed answer was chosen, 0 where another was, 1/k where it is one of k that
    tie.

    top: (n, k) as from `tops`. first: (n,) index of the answer that was listed first.
    """
    chosen: FloatArray = top[np.arange(first.size), first] / top.sum(axis=1)
    return chosen


def share(values: FloatArray, question: IntArray, passage: IntArray, confidence: float = 0.95) -> Estimate:
    """Return the mean of (n,) values in [0, 1], averaged within questions first, with an interval clustered by
    passage.

    question, passage: (n,) as any integers; a question has one passage. Raise ValueError where there is no value.
    """
    asked = np.unique_inverse(question).inverse_indices
    counts = np.bincount(asked)
    means = np.bincount(asked, weights=values) / counts
    texts = np.zeros(counts.size, dtype=np.int64)
    texts[asked] = passage
    return mean_interval(means, texts, _SHARE, confidence)


def pairs(judging: IntArray, order: IntArray, *, same_order: bool) -> tuple[IntArray, IntArray]:
    """Return the indices of all pairs of verdicts from one judging, (m,) each: those read in the same order
    (identical calls), or those read in different orders.

    judging, order: (n,) as any integers.
    """
    placed = np.argsort(judging, kind="stable")
    first, second = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for apart in range(1, placed.size):
        ahead, behind = placed[:-apart], placed[apart:]
        together = judging[ahead] == judging[behind]
        if not together.any():
            break
        kept = together & ((order[ahead] == order[behind]) == same_order)
        first.append(ahead[kept])
        second.append(behind[kept])
    return np.concatenate(first), np.concatenate(second)


def overlap(top: BoolArray, first: IntArray, second: IntArray) -> FloatArray:
    """Return (m,) how far the choices of each pair agree: 1 where they are the same, 0 where they have no answer
    in common. Where one is a tie, it is the answers in common over all that either chose (Jaccard).

    top: (n, k) as from `tops`. first, second: (m,) indices of verdicts.
    """
    both = (top[first] & top[second]).sum(axis=1)
    found: FloatArray = both / (top[first] | top[second]).sum(axis=1)
    return found


def chance(answers: IntArray, question: IntArray) -> float:
    """Return the accuracy of a judge who draws an answer: the mean of 1/k over questions.

    answers: (n,) number of answers. question: (n,) as any integers.
    """
    each = np.unique(question, return_index=True)[1]
    return math.fsum(1 / answers[each]) / each.size
