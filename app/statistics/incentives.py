"""What it is worth to argue for the right answer: scores of the judge's belief at the answer that is argued for.

The agent score difference (ASD) is the mean score where gold is argued for, less that where another answer is (Pallavi Sudhir et al.
2025). Above 0, a speaker who is paid by that score does better by arguing for the truth.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.statistics.intervals import Estimate, FloatArray, IntArray, Scale, mean_interval
from app.statistics.people import interval_of_people
from app.statistics.readings import BoolArray, Readings, by_question, dense, together, weights
from app.statistics.scores import BELIEF_FLOOR, WORST_LOG_SCORE, credits
from app.statistics.two_way import difference_of_people

_ODDS = math.log2((1 - BELIEF_FLOOR) / BELIEF_FLOOR)
SCORES: Mapping[str, Scale] = {
    "log": Scale(low=WORST_LOG_SCORE, high=-WORST_LOG_SCORE, unseen=0.1),
    "brier": Scale(low=-2.0, high=2.0, unseen=0.1),
    "log_odds": Scale(low=-2 * _ODDS, high=2 * _ODDS, unseen=0.1),
    "accuracy": Scale(low=-1.0, high=1.0, unseen=1.0),
}
"""The scores by name, with the scale of a difference of two."""
SHARE = Scale(low=0.0, high=1.0, unseen=1.0)


def scores_at(beliefs: FloatArray, answers: IntArray) -> dict[str, FloatArray]:
    """Return the scores of (n, answers) beliefs, padded with -1, as if each of (n,) `answers` were the right one.

    log: bits, from log2(1e-4) to 0. brier: less the sum of squared errors over answers, in [-2, 0]. log_odds: bits of the odds on the
    answer, beliefs clipped to [1e-4, 1 - 1e-4]. accuracy: 1 where it is favoured, a share for a tie.
    """
    rows = np.arange(answers.size)
    p = beliefs[rows, answers]
    squares = np.where(beliefs >= 0, beliefs, 0.0) ** 2
    clipped = np.clip(p, BELIEF_FLOOR, 1 - BELIEF_FLOOR)
    return {
        "log": np.log2(np.maximum(p, BELIEF_FLOOR)),
        "brier": -(squares.sum(axis=1) - p**2 + (1 - p) ** 2),
        "log_odds": np.log2(clipped / (1 - clipped)),
        "accuracy": credits(beliefs, answers),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """Which answers are argued for in the talk of each verdict."""

    gold: BoolArray
    """(n,) Whether gold is."""
    other: IntArray
    """(n,) Another answer that is; -1 where none is."""

    @classmethod
    def of(cls, lowest: IntArray, highest: IntArray, gold: IntArray) -> "Sides":
        """Return the sides, from the lowest and the highest place of an answer that is argued for, -1 for none. With several answers
        beside gold it is the lowest.
        """
        with_gold = (lowest == gold) | (highest == gold)
        other = np.where(lowest == gold, highest, lowest)
        return cls(with_gold, np.where(other == gold, -1, other))

    @property
    def one(self) -> bool:
        """Return whether one side argues in every talk."""
        return not (self.gold & (self.other >= 0)).any()

    @property
    def both(self) -> bool:
        """Return whether gold and another answer are argued for in every talk."""
        return bool((self.gold & (self.other >= 0)).all())


NOT_BOTH = "no question has a talk for gold and one against it"
MIXED = "one side argues in some talks, and two in others"


@dataclass(frozen=True, slots=True)
class Difference:
    """The agent score difference by each score, or the reason why there is none."""

    questions: int
    passages: int
    unpaired: int
    """Questions left out because only one of two assignments has a verdict."""
    estimates: Mapping[str, Estimate] | None
    """By name of the score."""
    reason: str | None = None


def difference_of(readings: Readings, sides: Sides, beliefs: FloatArray, gold: IntArray) -> Difference:
    """Return the agent score difference of one judge under one arm, averaged by question.

    Where both sides argue, it is the difference within a verdict; where one does, that of the talks for gold and of those against
    it, on the questions that have both.
    """
    if sides.both:
        one, two = (scores_at(beliefs, answers) for answers in (gold, sides.other))
        values = {name: one[name] - two[name] for name in SCORES}
        estimates = {name: mean_of(readings, values[name], scale) for name, scale in SCORES.items()}
        questions = readings.questions.size
        return Difference(questions, np.unique_values(readings.passage).size, 0, estimates)
    if not sides.one:
        return Difference(0, 0, 0, None, MIXED)
    return _between_talks(readings, sides, beliefs, gold)


def _between_talks(readings: Readings, sides: Sides, beliefs: FloatArray, gold: IntArray) -> Difference:
    argued = np.where(sides.gold, gold, sides.other)
    asked = readings.question
    common = np.intersect1d(asked[sides.gold], asked[~sides.gold])
    unpaired = int(np.unique_values(asked).size - common.size)
    if not common.size:
        return Difference(0, 0, unpaired, None, NOT_BOTH)
    scores = scores_at(beliefs, argued)
    paired = np.isin(asked, common)
    estimates = {
        name: _paired(replace(readings, right=scores[name]), sides.gold, paired, scale)
        for name, scale in SCORES.items()
    }
    return Difference(common.size, np.unique_values(readings.passage[paired]).size, unpaired, estimates)


def _paired(scores: Readings, for_gold: BoolArray, paired: BoolArray, scale: Scale) -> Estimate:
    """Return the difference of the readings for gold and of the others; `scores` has the scores as `right`."""
    one, other = scores.where(for_gold & paired), scores.where(~for_gold & paired)
    if not scores.pooled:
        first, second = (by_question(side, side.right) for side in (one, other))
        return mean_interval(first.value - second.value, first.passage, scale)
    both, first_side = together(one, other)
    own = np.zeros(first_side.size)
    own[first_side], own[~first_side] = weights(one), weights(other)
    places = (dense(both.question), dense(both.passage), dense(both.person))
    return difference_of_people(both.right, first_side, *places, scale, weights=own)[0]


def mean_of(readings: Readings, values: FloatArray, scale: Scale) -> Estimate:
    """Return the mean of (n,) values by question, with its interval by passage, and by person where people judge."""
    if readings.pooled:
        return interval_of_people(readings, [(values, scale)], 0.95)[0]
    figures = by_question(readings, values)
    return mean_interval(figures.value, figures.passage, scale)


@dataclass(frozen=True, slots=True)
class SideWon:
    """What one side won: that which argues for gold, or that against it."""

    questions: int
    verdicts: int
    won: Estimate
    """Share of verdicts for its answer; a tie counts its share."""
    belief: Estimate
    """Mean belief in its answer."""


def won_by(readings: Readings, there: BoolArray, beliefs: FloatArray, answers: IntArray) -> SideWon | None:
    """Return what a side won that argues for `answers` in the talks of the verdicts `there`; None where there is none."""
    if not there.any():
        return None
    own, believed = readings.where(there), beliefs[there]
    chosen = credits(believed, answers[there])
    p = believed[np.arange(chosen.size), answers[there]]
    return SideWon(own.questions.size, chosen.size, mean_of(own, chosen, SHARE), mean_of(own, p, SHARE))
