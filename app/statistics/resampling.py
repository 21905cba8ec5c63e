"""Bootstrap of whole clusters: of passages, and where people judge, of passages and people at once.

Statistics that depend on sums alone (calibration errors, areas under curves) are computed for all draws together: the sums of each
cluster are multiplied by how often it was drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr, stdtrit

from app.statistics.intervals import METHOD_ONE_PASSAGE, FloatArray, IntArray
from app.statistics.readings import Readings, combined, dense, weights

DRAWS = 1_000
METHOD = "bootstrap of whole passages, expanded percentiles"
METHOD_OF_PEOPLE = "bootstrap of whole passages and of people at once, expanded percentiles"
METHOD_FEW = "none: fewer than 5 passages, or 5 people, show too little of how they differ"
_BATCH = 4_000_000
"""Weights that are in memory at once."""
LEAST = 5
"""Fewest passages, and fewest people where several judge, whose draws have limits: fewer show too little of how they differ."""
_UNKNOWN = 0.05
"""Largest share of draws without a figure with which there still is an interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """The clusters of (n,) verdicts: passages, or pairs of a passage and a person."""

    own: IntArray
    """(n,) The pair of each verdict, from 0."""
    passage: IntArray
    """(pairs,) The passage of each pair, from 0."""
    person: IntArray
    """(pairs,) The person of each pair, from 0; 0 where people do not judge."""

    @classmethod
    def of(cls, passages: IntArray, people: IntArray) -> "Clusters":
        """Return the clusters of verdicts. `people` is -1 throughout where people do not judge."""
        passage, person = dense(passages), dense(people)
        own = dense(combined(passage, person))
        first = np.unique(own, return_index=True)[1]
        return cls(own, passage[first], person[first])

    @property
    def passages(self) -> int:
        """Return how many passages there are."""
        return int(self.passage.max(initial=-1)) + 1

    @property
    def people(self) -> int:
        """Return how many people there are; 1 where people do not judge."""
        return int(self.person.max(initial=-1)) + 1

    @property
    def fewest(self) -> int:
        """Return the number of the fewer of passages and people: it limits what draws can show."""
        return min(self.passages, self.people) if self.people > 1 else self.passages

    @property
    def method(self) -> str:
        """Return how limits are made."""
        if self.passages < 2:
            return METHOD_ONE_PASSAGE
        if self.fewest < LEAST:
            return METHOD_FEW
        return METHOD_OF_PEOPLE if self.people > 1 else METHOD

    def sums(self, own: IntArray, columns: IntArray, values: FloatArray, width: int) -> csr_array:
        """Return (pairs, width) sums of values by pair and column; `own` is the pair of each value."""
        shape = (self.passage.size, width)
        return csr_array((values, (own, columns)), shape=shape)

    def drawn(self, rng: np.random.Generator, draws: int = DRAWS) -> Iterator[FloatArray]:
        """Yield how often each pair was drawn, (some draws, pairs) at a time.

        A pair is drawn as often as its passage times as often as its person (the pigeonhole bootstrap of Owen 2007). It is
        conservative: it counts the chance of single verdicts three times.
        """
        step = max(1, _BATCH // max(self.passage.size, 1))
        for start in range(0, draws, step):
            count = min(step, draws - start)
            times = _times(rng, self.passages, count)[:, self.passage]
            if self.people > 1:
                times = times * _times(rng, self.people, count)[:, self.person]
            yield times


def _times(rng: np.random.Generator, size: int, draws: int) -> FloatArray:
    """Return how often each of `size` was drawn in as many draws with repetition, (draws, size)."""
    if not size:
        return np.zeros((draws, 0))
    return rng.multinomial(size, np.full(size, 1 / size), size=draws).astype(np.float64)


def drawn_sums(
    clusters: Clusters, sums: csr_array, rng: np.random.Generator, draws: int = DRAWS
) -> Iterator[FloatArray]:
    """Yield (some draws, width) sums over what was drawn."""
    across = sums.T.tocsr()
    for times in clusters.drawn(rng, draws):
        yield np.asarray(across @ times.T).T


# ── several sets of verdicts with the same draws ──


def batches(
    rng: np.random.Generator, passages: int, people: int = 0, draws: int = DRAWS
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield how often each passage, and each person, is drawn: (batch, passages) and (batch, people) counts.

    Both are drawn independently, and a verdict counts as often as both were drawn (the pigeonhole bootstrap of Owen 2007).
    """
    size = max(1, min(draws, _BATCH // max(passages + people, 1)))
    for start in range(0, draws, size):
        own = min(size, draws - start)
        yield _times(rng, passages, own), _times(rng, people, own)


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
    size = max(1, _BATCH // max(held.passage.size, 1))
    parts = [
        (of_passages[start : start + size][:, held.passage] * of_people[start : start + size][:, held.person])
        @ held.values
        for start in range(0, len(of_passages), size)
    ]
    return np.concatenate(parts)


# ── limits ──


def limits(drawn: FloatArray, fewest: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the expanded percentiles of (draws,) figures of `fewest` clusters; None where these are fewer than `LEAST`, where too many
    figures are NaN, and where all are equal: a sample without variation does not show how far it is from the truth.

    A bootstrap of few clusters is too narrow: the percentiles are those that a t interval with a variance over `fewest` - 1 would
    have (Hesterberg 2015, section 5.3).
    """
    known = drawn[~np.isnan(drawn)]
    if fewest < LEAST or known.size < (1 - _UNKNOWN) * drawn.size or np.ptp(known) < 1e-12:
        return None
    reach = np.sqrt(fewest / (fewest - 1)) * stdtrit(fewest - 1, (1 + confidence) / 2)
    tail = float(ndtr(-reach))
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def widest(
    value: float, drawn: FloatArray, fewest: int, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Return limits of a figure at least 0 that chance raises, such as a resolution: from the lower of the percentiles and of these
    mirrored at the figure, to the higher. Draws are raised above the figure, as the figure is above the truth.
    """
    found = limits(drawn, fewest, confidence)
    if found is None:
        return None
    low, high = found
    return max(min(low, 2 * value - high), 0.0), max(high, 2 * value - low)


def error_limits(
    value: float, drawn: FloatArray, noise: FloatArray, fewest: int, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Return limits of an error, as `widest`, from 0 where chance alone would show it in more than 1 of 20 samples.

    `noise` has the errors of the draws once the gaps of the sample are taken away: those of a judge without error. In simulation
    these limits cover 92 to 98% from 12 passages on; percentiles alone never contain an error of 0.
    """
    found, chance = widest(value, drawn, fewest, confidence), limits(noise, fewest, 0.9)
    if found is None or chance is None:
        return found
    return (0.0, found[1]) if value <= chance[1] else found
