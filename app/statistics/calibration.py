"""How often judges are right at each level of confidence."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

BINS = 10
_EDGES = [number / BINS for number in range(BINS + 1)]


@dataclass(frozen=True, slots=True)
class Bin:
    """Verdicts of similar confidence."""

    low: float
    high: float
    verdicts: int
    confidence: float
    """Mean belief in the favoured answer of each verdict."""
    right: float
    """Mean rightness; a tie counts its share."""


def bin_of(confidence: float) -> int:
    """Return the index of the bin of a confidence in [0, 1], of ten equal bins. Each contains its lower edge;
    the last also contains 1.
    """
    return min(bisect_right(_EDGES, confidence), BINS) - 1


def reliability(pairs: Iterable[tuple[float, float]]) -> list[Bin]:
    """Return ten equal bins of confidence from pairs of confidence in [0, 1] and rightness, without the empty
    ones.
    """
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
