"""The scores of one reading: right or wrong, Brier, log score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

BELIEF_FLOOR = 1e-4
"""The smallest belief that the log score counts, so that one sure mistake costs 13.3 bits and not infinity.
"""

WORST_LOG_SCORE = math.log2(BELIEF_FLOOR)

_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class ScoredReading:
    """One belief of one judge in one reading order of one trial, to be thresholded and scored."""

    arm: str
    judge: str
    passage: str
    question: str
    assignment: int
    """The number of the assignment: who argues for which answer."""
    replicate: int
    order: int
    """The number of the reading order."""
    p_gold: float
    """Belief in the gold answer, in [0, 1]."""
    p_best_other: float
    """The highest belief in any other answer, in [0, 1]."""
    answers: int
    """Number of answers of the question, at least 2."""
    p_rest: tuple[float, ...] = ()
    """Beliefs in the answers that are neither gold nor the best other: empty for two answers, otherwise
    `answers - 2` of them.
    """
    talk: str = ""
    """The judge whose talk was read, where each judge has separate talks. Used only to distinguish talks."""
    person: str = ""
    """The pseudonym of the person who judged; empty for other judges."""

    def __post_init__(self) -> None:
        if self.answers < 2 or len(self.p_rest) != self.answers - 2:
            raise ValueError(
                f"A reading of question {self.question} has {2 + len(self.p_rest)} beliefs for {self.answers} answers; "
                "give one belief for each of two or more answers."
            )
        beliefs = (self.p_gold, self.p_best_other, *self.p_rest)
        if not all(0 <= p <= 1 for p in beliefs) or abs(math.fsum(beliefs) - 1) > _SUM_TOLERANCE:
            raise ValueError(
                f"A reading of question {self.question} has the beliefs {beliefs}; give numbers from 0 to 1 that sum to 1."
            )
        if any(p > self.p_best_other for p in self.p_rest):
            raise ValueError(
                f"A reading of question {self.question} has a belief above its best other answer; "
                "give the highest of the other answers as p_best_other."
            )


def rightness(reading: ScoredReading) -> float:
    """Return the value of the choice of a reading, by `credit`."""
    return credit(reading.p_gold, (reading.p_best_other, *reading.p_rest))


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


def brier(reading: ScoredReading) -> float:
    """Return the quadratic loss in [0, 1], 0 the best.

    It is (1 - p_gold)^2 for two answers. For more answers it is half of Brier's sum over all answers (Brier
    1950), which is the same number where there are two.
    """
    miss = (1 - reading.p_gold) ** 2
    if reading.answers == 2:
        return miss
    return math.fsum([miss, *(p**2 for p in (reading.p_best_other, *reading.p_rest))]) / 2


def bits(p: float) -> float:
    """Return log2 of the belief in the right answer, from -13.3 to 0. Beliefs count as at least 1e-4."""
    return math.log2(max(p, BELIEF_FLOOR))


def log_score(reading: ScoredReading) -> float:
    """Return the logarithmic score in bits, 0 the best (Good 1952)."""
    return bits(reading.p_gold)


def clipped(reading: ScoredReading) -> bool:
    """Return whether the log score counts more than the belief in gold: it is below 1e-4, as after 100 and 0 for another answer."""
    return reading.p_gold < BELIEF_FLOOR


def turns_score(p_gold: float, penalty: float) -> float:
    """Return the score of a judge who took part, in bits: the log score less `penalty`, the cost of its turns
    (Michael et al. 2023, eq. 1).
    """
    return bits(p_gold) - penalty
