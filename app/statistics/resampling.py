"""The cluster bootstrap: passages, and people, drawn anew, for figures that have no closed interval."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import Readings, combined, weights

DRAWS = 2000
METHOD = "bootstrap over passages, expanded percentiles"
METHOD_OF_PEOPLE = "bootstrap over passages and people, expanded percentiles"
_ROOM = 4_000_000
"""Numbers that a batch of draws may hold."""


def batches(
    rng: np.random.Generator, passages: int, people: int = 0, draws: int = DRAWS
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield how often each passage, and each person, is drawn: (batch, passages) and (batch, people) counts.

    Both are drawn independently, and a verdict counts as often as both were drawn (Owen and Eckles 2012).
    """
    size = max(1, min(draws, _ROOM // max(passages + people, 1)))
    for start in range(0, draws, size):
        own = min(size, draws - start)
        yield _drawn(rng, passages, own), _drawn(rng, people, own)


def _drawn(rng: np.random.Generator, clusters: int, draws: int) -> FloatArray:
    if not clusters:
        return np.zeros((draws, 0))
    picks = rng.integers(clusters, size=(draws, clusters)) + np.arange(draws)[:, None] * clusters
    counts = np.bincount(picks.ravel(), minlength=draws * clusters)
    return counts.reshape(draws, clusters).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of figures to be summed, by passage, and by person where people judge: (c,) cells."""

    passage: IntArray
    person: IntArray | None
    values: FloatArray
    """(c, columns)"""


def table(passage: IntArray, person: IntArray, values: FloatArray) -> Table:
    """Return (n, columns) values summed by passage, and by person where there are people: `person` is -1 for others."""
    people = bool(person.size) and bool((person >= 0).all())
    key = combined(passage, person) if people else passage
    own, first, place = np.unique(key, return_index=True, return_inverse=True)
    columns = [np.bincount(place, weights=column, minlength=own.size) for column in values.T]
    sums = np.stack(columns, axis=1).astype(np.float64)
    return Table(passage[first], person[first] if people else None, sums)


def accuracy_table(readings: Readings) -> Table:
    """Return the weighted right verdicts of a judge under an arm, and their weights, as two columns."""
    own = weights(readings)
    return table(readings.passage, readings.person, np.stack([own * readings.right, own], axis=1))


def redrawn(
    tables: Sequence[Table], rng: np.random.Generator, passages: int, people: int, draws: int = DRAWS
) -> list[FloatArray]:
    """Return (draws, columns) sums of each table over passages and people drawn anew, the same draws for all.

    Codes of passages and of people are below the given numbers.
    """
    found: list[list[FloatArray]] = [[] for _ in tables]
    for of_passages, of_people in batches(rng, passages, people, draws):
        for own, held in zip(found, tables, strict=True):
            own.append(_sums(held, of_passages, of_people))
    return [np.concatenate(own) for own in found]


def _sums(held: Table, of_passages: FloatArray, of_people: FloatArray) -> FloatArray:
    if held.person is None:
        return of_passages[:, held.passage] @ held.values
    size = max(1, _ROOM // max(held.passage.size, 1))
    parts = [
        (of_passages[start : start + size][:, held.passage] * of_people[start : start + size][:, held.person])
        @ held.values
        for start in range(0, len(of_passages), size)
    ]
    return np.concatenate(parts)


def percentiles(draws: FloatArray, clusters: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the percentiles of (draws,) figures, widened for few clusters (Hesterberg 2015). NaN draws are left out.

    None with one cluster, or where more than a tenth of the draws have no figure.
    """
    known = draws[~np.isnan(draws)]
    if clusters < 2 or known.size < 0.9 * draws.size:
        return None
    tail = ndtr(-math.sqrt(clusters / (clusters - 1)) * stdtrit(clusters - 1, (1 + confidence) / 2))
    low, high = np.quantile(known, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)
