"""How well acceptance tells arguments for gold from arguments against it; knows no judge and no interval."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from app.statistics.pgr import Question
from app.statistics.readings import Figures, MeasuredReading


def auroc(items: Sequence[MeasuredReading]) -> Figures:
    """What each question adds to the area under the ROC curve of acceptance, whose mean over questions is the area.

    The area is the chance that an argument for gold is accepted more than one against it, ties counting ½, over all
    readings of all questions, each question weighing the same (scikit-learn's `roc_auc_score` with those weights). A
    question adds the placement of its readings for gold plus that of its readings against it, less the area (Hanley and
    Hajian-Tilaki 1997; by cluster Obuchowski 1997), which may be from -1 to 2.
    """
    by_side: dict[bool, dict[Question, list[float]]] = {True: defaultdict(list), False: defaultdict(list)}
    for item in items:
        if item.argues_gold is not None and item.p_argued is not None:
            place = (item.reading.passage, item.reading.question)
            by_side[item.argues_gold][place].append(item.p_argued)
    common = sorted(by_side[True].keys() & by_side[False].keys())
    if not common:
        return {}
    above = _placements(by_side[True], by_side[False], common)
    below = _placements(by_side[False], by_side[True], common)
    area = math.fsum(above.values()) / len(common)
    # Of a reading against gold the placement is the share of readings for gold that lie below it.
    return {place: above[place] + (1 - below[place]) - area for place in common}


def _placements(
    own: Mapping[Question, list[float]], others: Mapping[Question, list[float]], common: Sequence[Question]
) -> Figures:
    """By question, the mean share of the `others` that its own values lie above, each question of theirs weighing the same."""
    values = np.array([value for place in common for value in others[place]])
    weights = np.array([1 / len(others[place]) for place in common for _ in others[place]]) / len(common)
    order = np.argsort(values, kind="stable")
    ranked, heights = values[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    return {
        place: float(
            np.mean(
                [
                    (
                        heights[np.searchsorted(ranked, value, "left")]
                        + heights[np.searchsorted(ranked, value, "right")]
                    )
                    / 2
                    for value in own[place]
                ]
            )
        )
        for place in common
    }


def best_of_n(items: Sequence[MeasuredReading]) -> Figures:
    """How often the argument accepted most is for gold, among as many for it as against it (Kirchner et al. 2024, section 3).

    By question: all its arguments in one reading order compete, ties share; then orders are averaged. Questions with fewer
    arguments than others are left out, so that n is the same for all.
    """
    contests: dict[Question, dict[int, list[tuple[float, bool]]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        if item.argues_gold is not None and item.p_argued is not None:
            place = (item.reading.passage, item.reading.question)
            contests[place][item.reading.order].append((item.p_argued, item.argues_gold))
    most = competing(items)
    won = {
        place: [_won(contest) for contest in orders.values() if _balanced(contest, most)]
        for place, orders in contests.items()
    }
    return {place: math.fsum(won[place]) / len(won[place]) for place in sorted(won) if won[place]}


def competing(items: Sequence[MeasuredReading]) -> int:
    """The n of `best_of_n`: how many arguments of one question compete in one order."""
    counts: dict[tuple[str, str, int], list[bool]] = defaultdict(list)
    for item in items:
        if item.argues_gold is not None:
            counts[item.reading.passage, item.reading.question, item.reading.order].append(item.argues_gold)
    return max((len(sides) for sides in counts.values() if 2 * sum(sides) == len(sides)), default=0)


def _balanced(contest: Sequence[tuple[float, bool]], most: int) -> bool:
    return len(contest) == most and 2 * sum(for_gold for _, for_gold in contest) == most


def _won(contest: Sequence[tuple[float, bool]]) -> float:
    top = max(accepted for accepted, _ in contest)
    best = [for_gold for accepted, for_gold in contest if accepted == top]
    return sum(best) / len(best)
