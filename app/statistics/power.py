"""How many questions a comparison needs, and how small a difference it can show.

All figures are for a two-sided test at 5% with a power of 80%, by the normal approximation (Miller 2024,
arXiv 2411.00640, section 5; for pairs, Connor 1987).
"""

import math

Z2 = (1.959964 + 0.841621) ** 2
"""Squared sum of the normal quantiles of 97.5% and 80%: 7.85."""

DISCORDANCE = 0.30
"""Default share of questions on which one arm is right and the other wrong."""

CORRELATION = 0.10
"""Default correlation between questions of one passage."""


def design_effect(per_passage: float, correlation: float = CORRELATION) -> float:
    """Return the factor by which more questions are needed where `per_passage` of them share a passage: 1 +
    (m − 1)ρ.
    """
    return 1 + max(per_passage - 1, 0) * correlation


def questions_needed(
    difference: float,
    discordance: float = DISCORDANCE,
    *,
    per_passage: float = 1,
    correlation: float = CORRELATION,
) -> int:
    """Return the questions that both arms must play to show a `difference` in accuracy, rounded.

    `difference` and `discordance` are shares. Raise ValueError where the difference is zero or not smaller
    than the discordance: two arms cannot differ by more than the questions on which they disagree.
    """
    if not 0 < difference < discordance <= 1:
        raise ValueError("the difference must lie between 0 and the discordance, which is at most 1")
    alone = Z2 * (discordance - difference**2) / difference**2
    return round(alone * design_effect(per_passage, correlation))


def questions_on(
    passages: int,
    difference: float,
    discordance: float = DISCORDANCE,
    *,
    correlation: float = CORRELATION,
) -> int | None:
    """Return the questions needed where they are spread evenly over a fixed number of `passages`.

    Return None where no number is enough: further questions on the same passages add less and less. Raise
    ValueError as `questions_needed`.
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
    """Return the smallest difference in accuracy that `questions` played by both arms can show.

    This is the inverse of `questions_needed`. Return None where they cannot show even a difference as large
    as the discordance.
    """
    alone = questions / design_effect(per_passage, correlation)
    found = math.sqrt(Z2 * discordance / (alone + Z2))
    return found if found < discordance else None


def questions_per_arm(first: float, second: float) -> int:
    """Return the questions for each of two arms without common questions, to separate accuracies `first` and
    `second`.

    Raise ValueError where the two are equal or not shares.
    """
    if first == second or not (0 <= first <= 1 and 0 <= second <= 1):
        raise ValueError("the accuracies must be two different shares between 0 and 1")
    return round(Z2 * (first * (1 - first) + second * (1 - second)) / (first - second) ** 2)
