"""How many questions a comparison needs, and how small a difference it can see; knows no experiment.

All figures are for a two-sided test at 5% with a power of 80%, by the normal approximation (Miller 2024,
arXiv 2411.00640, section 5; for pairs, Connor 1987).
"""

import math

Z2 = (1.959964 + 0.841621) ** 2
"""Squared sum of the normal quantiles of 97.5% and 80%: 7.85."""

DISCORDANCE = 0.30
"""Share of questions on which two arms differ in being right, where nobody knows better."""

CORRELATION = 0.10
"""Correlation between questions of one passage, where nobody knows better."""


def design_effect(per_passage: float, correlation: float = CORRELATION) -> float:
    """How many times more questions are needed where `per_passage` of them share a passage: 1 + (m − 1)ρ."""
    return 1 + max(per_passage - 1, 0) * correlation


def questions_needed(
    difference: float,
    discordance: float = DISCORDANCE,
    *,
    per_passage: float = 1,
    correlation: float = CORRELATION,
) -> int:
    """Questions that both arms must play to see a `difference` in accuracy, to the nearest whole one.

    `difference` and `discordance` are shares. Raises ValueError where the difference is zero or no smaller than the
    discordance: two arms cannot differ by more than the questions on which they disagree.
    """
    if not 0 < difference < discordance <= 1:
        raise ValueError("the difference must lie between 0 and the discordance, and that at most at 1")
    alone = Z2 * (discordance - difference**2) / difference**2
    return round(alone * design_effect(per_passage, correlation))


def questions_on(
    passages: int,
    difference: float,
    discordance: float = DISCORDANCE,
    *,
    correlation: float = CORRELATION,
) -> int | None:
    """Questions needed where they are spread evenly over a fixed number of `passages`; None where none would be enough,
    since further questions on the same passages tell less and less. Raises ValueError as `questions_needed`.
    """
    alone = questions_needed(difference, discordance)
    if alone <= passages:
        return alone
    if alone * correlation >= passages:
        return None
    return round(alone * (1 - correlation) / (1 - alone * correlation / passages))


def smallest_difference(
    questions: float,
    discordance: float = DISCORDANCE,
    *,
    per_passage: float = 1,
    correlation: float = CORRELATION,
) -> float | None:
    """The smallest difference in accuracy that `questions` played by both arms can show; the inverse of
    `questions_needed`. None where they cannot show even a difference as large as the discordance.
    """
    alone = questions / design_effect(per_passage, correlation)
    found = math.sqrt(Z2 * discordance / (alone + Z2))
    return found if found < discordance else None


def questions_per_arm(first: float, second: float) -> int:
    """Questions for each of two arms that share none, to tell accuracies `first` and `second` apart.

    Raises ValueError where the two are equal or no shares.
    """
    if first == second or not (0 <= first <= 1 and 0 <= second <= 1):
        raise ValueError("the accuracies must be two different shares between 0 and 1")
    return round(Z2 * (first * (1 - first) + second * (1 - second)) / (first - second) ** 2)
