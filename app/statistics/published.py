"""Figures as papers define them, over verdicts as units. Functions of plain sequences, one entry a verdict."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence

from app.statistics.calibration import reliability


def calibration_error(p_gold: Sequence[float]) -> float:
    """Return the expected calibration error of judges of two answers, in [0, 1], from their beliefs in gold.

    Confidence is the belief in the answer that is believed more; a tie is right by half. Ten equal bins contain their lower
    edge, and floats are compared as they are (Michael et al. 2023; Guo et al. 2017). Raise ValueError for no verdict.
    """
    if not p_gold:
        raise ValueError("There is no verdict.")
    # The larger of both stated beliefs can be another float, in another bin.
    pairs = [(p if p >= 0.5 else 1 - p, 0.5 if p == 0.5 else float(p > 0.5)) for p in p_gold]
    return math.fsum(each.verdicts * abs(each.confidence - each.right) for each in reliability(pairs)) / len(
        p_gold
    )


def cohens_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Return how far two ratings of the same items agree beyond chance, at most 1 (Cohen 1960).

    Chance is the product of how often each rating gives each label. Return None where it is 1: both give one label only.
    Raise ValueError where there is no item, or the ratings differ in length.
    """
    if not first or len(first) != len(second):
        raise ValueError("Two ratings of the same items are needed.")
    count = len(first)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / count
    one, two = Counter(first), Counter(second)
    chance = sum(one[label] * two[label] for label in one) / count**2
    return None if chance == 1 else (agreed - chance) / (1 - chance)
