"""How often judges are right at each level of confidence."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from app.statistics.intervals import FloatArray, IntArray

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


def bins_of(confidence: FloatArray) -> IntArray:
    """Return the index of the bin of each confidence in [0, 1], of ten equal bins. Each contains its lower edge;
    the last also contains 1.
    """
    return np.minimum(np.searchsorted(_EDGES, confidence, side="right"), BINS) - 1


def reliability(pairs: Iterable[tuple[float, float]]) -> list[Bin]:
    """Return ten equal bins of confidence from pairs of confidence in [0, 1] and rightness, without the empty
    ones.
    """
    given = list(pairs)
    binned: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for place, pair in zip(bins_of(np.array([pair[0] for pair in given])).tolist(), given, strict=True):
        binned[place].append(pair)
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
