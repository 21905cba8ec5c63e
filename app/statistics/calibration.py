"""How often judges are right when they are this sure; knows no judge and no arm."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

BINS = 10
_EDGES = [number / BINS for number in range(BINS + 1)]


@dataclass(frozen=True, slots=True)
class Bin:
    """Verdicts of about the same confidence."""

    low: float
    high: float
    verdicts: int
    confidence: float
    """Mean belief on the answer that each favours."""
    right: float
    """Mean rightness: a tie counts its share."""


def bin_of(confidence: float) -> int:
    """Which of the ten equal bins a confidence in [0, 1] falls into; each holds its lower edge, the last one 1 too."""
    return min(bisect_right(_EDGES, confidence), BINS) - 1


def reliability(pairs: Iterable[tuple[float, float]]) -> list[Bin]:
    """Pairs of confidence in [0, 1] and rightness in ten equal bins of confidence, empty ones left out."""
    binned: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for confidence, right in pairs:
        binned[bin_of(confidence)].append((confidence, right))
    return [
        Bin(
            _EDGES[place],
            _EDGES[place + 1],
            len(some),
            math.fsum(pair[0] for pair in some) / len(some),
            math.fsum(pair[1] for pair in some) / len(some),
        )
        for place, some in sorted(binned.items())
    ]
