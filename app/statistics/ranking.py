"""How well acceptance separates arguments for gold from arguments against it."""

import math
from collections.abc import Sequence

import numpy as np

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import BoolArray, Figures, MeasuredReadings, combined


def _argued(items: MeasuredReadings) -> IntArray:
    """Return the readings in which one answer was argued for, by question, then in the order of the frame."""
    placed = np.lexsort((items.readings.rows, items.readings.question))
    return placed[~np.isnan(items.argues_gold[placed])]


def auroc(items: MeasuredReadings) -> Figures:
    """Return each question's contribution to the area under the ROC curve of acceptance. Their mean is the
    area.

    The area is the chance that an argument for gold is accepted more than one against it, ties counting ½,
    over all readings of all questions, with equal weight for each question (scikit-learn's `roc_auc_score`
    with those weights). A question contributes the placement of its readings for gold plus that of its
    readings against it, less the area (Hanley and Hajian-Tilaki 1997; by cluster Obuchowski 1997). This is
    between -1 and 2.
    """
    placed = _argued(items)
    sides = [placed[items.argues_gold[placed] == side] for side in (1.0, 0.0)]
    questions = items.readings.question
    common = np.intersect1d(questions[sides[0]], questions[sides[1]])
    if not common.size:
        return _figures(items, common, np.zeros(0))
    gold, other = (side[np.isin(questions[side], common)] for side in sides)
    above, below = _placements(items, gold, other), _placements(items, other, gold)
    area = math.fsum(above) / common.size
    # The placement of a reading against gold is the share of readings for gold below it.
    return _figures(items, common, above + (1 - below) - area)


def _figures(items: MeasuredReadings, questions: IntArray, values: FloatArray) -> Figures:
    own, first = np.unique(items.readings.question, return_index=True)
    return Figures(questions, items.readings.passage[first[np.searchsorted(own, questions)]], values)


def _placements(items: MeasuredReadings, own: IntArray, others: IntArray) -> FloatArray:
    """Return by question the mean share of the `others` below its values, with equal weight for each question
    of theirs. Both are places of readings, by question.
    """
    asked = np.unique_inverse(items.readings.question[others]).inverse_indices
    counts = np.bincount(asked)
    values, weights = items.p_argued[others], 1 / counts[asked] / counts.size
    order = np.argsort(values, kind="stable")
    ranked, heights = values[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    below, upto = (np.searchsorted(ranked, items.p_argued[own], side) for side in ("left", "right"))
    shares = (heights[below] + heights[upto]) / 2
    starts = np.unique(items.readings.question[own], return_index=True)[1]
    return np.array([np.mean(part) for part in np.split(shares, starts[1:])])


def best_of_n(items: MeasuredReadings) -> Figures:
    """Return how often the most accepted argument is for gold, among as many for it as against it (Kirchner
    et al. 2024, section 3).

    All arguments of a question in one reading order compete; ties share. Then orders are averaged. Questions
    with fewer arguments than others are left out, so that n is the same for all.
    """
    most = competing(items)
    won: dict[int, list[float]] = {}
    for contest in _contests(items):
        if _balanced(items, contest) and contest.size == most:
            won.setdefault(int(items.readings.question[contest[0]]), []).append(_won(items, contest))
    values = np.array([math.fsum(own) / len(own) for own in won.values()])
    return _figures(items, np.array(list(won), dtype=np.int64), values)


def competing(items: MeasuredReadings) -> int:
    """Return the n of `best_of_n`: the number of arguments of one question that compete in one order."""
    return max((own.size for own in _contests(items) if _balanced(items, own)), default=0)


def _contests(items: MeasuredReadings) -> Sequence[IntArray]:
    """Return the readings of each question in each order, by question."""
    placed = _argued(items)
    if not placed.size:
        return []
    contest = combined(items.readings.question, items.readings.order)[placed]
    ranked = placed[np.argsort(contest, kind="stable")]
    return np.split(ranked, np.flatnonzero(np.diff(np.sort(contest))) + 1)


def _balanced(items: MeasuredReadings, contest: IntArray) -> bool:
    return bool(2 * items.argues_gold[contest].sum() == contest.size)


def _won(items: MeasuredReadings, contest: IntArray) -> float:
    accepted = items.p_argued[contest]
    best: BoolArray = accepted == accepted.max()
    return float(items.argues_gold[contest][best].sum() / best.sum())
