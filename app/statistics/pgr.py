"""Performance gap recovered: the share of the way from the naive to the expert judge that a protocol covers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from app.statistics.intervals import DIFFERENCE, FloatArray, IntArray, mean_interval
from app.statistics.people import Verdicts, verdicts
from app.statistics.scores import rightness
from app.statistics.seeds import generator
from app.statistics.two_way import difference_of_people

METHOD = "bootstrap over passages, the three accuracies together, expanded percentiles"
METHOD_OF_PEOPLE = "bootstrap over passages and people, the three accuracies together, expanded percentiles"
DRAWS = 10_000
_BATCH = 500

Question = tuple[str, str]
"""A passage and a question on it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Performance gap recovered with its interval, or the reason why it is not reported."""

    questions: int
    """Questions judged under all three arms, from which the figure is computed."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    """Reason why there is no value; None where there is one."""
    floor: str | None = None
    """The naive arm; None where none was taken."""
    ceiling: str | None = None
    """The expert arm; None where none was taken."""


def gap_recovered(
    protocol: Mapping[Question, float],
    naive: Mapping[Question, float],
    expert: Mapping[Question, float],
    *,
    seed: tuple[int, str, str],
    confidence: float = 0.95,
) -> Gap:
    """Return (protocol - naive) / (expert - naive) on the questions that all three have (Burns et al. 2023,
    section 3).

    Each mapping has one judge's accuracy by question. `seed` is the report's, with the names of arm and
    judge. There is a value only where the interval of expert - naive is wholly above 0. Its interval comes
    from resampling passages for the three terms together, at percentiles widened for few passages (Hesterberg
    2015).
    """
    common = sorted(protocol.keys() & naive.keys() & expert.keys())
    if not common:
        return Gap(0, reason="No question was judged under this arm, the naive and the expert one.")
    passages = np.unique_inverse(np.array([passage for passage, _ in common])).inverse_indices
    arms = np.array([[arm[question] for arm in (protocol, naive, expert)] for question in common])
    gain, room = arms[:, 0] - arms[:, 1], arms[:, 2] - arms[:, 1]
    if mean_interval(room, passages, DIFFERENCE, confidence).low <= 0:
        return Gap(len(common), reason="The interval of expert minus naive accuracy is not wholly above 0.")
    low, high = _resampled(gain, room, passages, generator("pgr", *seed), confidence)
    if not np.isfinite([low, high]).all():
        return Gap(len(common), reason="In too many resamples the expert is no better than the naive judge.")
    return Gap(len(common), float(gain.sum() / room.sum()), low, high)


def _resampled(
    gain: FloatArray, room: FloatArray, passages: IntArray, rng: np.random.Generator, confidence: float
) -> tuple[float, float]:
    """Return the widened percentiles of gain over room. A draw without room counts as infinite, with the sign
    of its gain.
    """
    totals = np.stack([np.bincount(passages, weights=gain), np.bincount(passages, weights=room)], axis=1)
    count = len(totals)
    picks = (rng.integers(count, size=(_BATCH, count)) for _ in range(DRAWS // _BATCH))
    gains, rooms = np.concatenate([totals[pick].sum(axis=1) for pick in picks]).T
    return _percentiles(gains, rooms, count, confidence)


def _percentiles(
    gains: FloatArray, rooms: FloatArray, clusters: int, confidence: float
) -> tuple[float, float]:
    ratios = np.where(rooms > 0, gains / np.where(rooms > 0, rooms, 1.0), np.copysign(np.inf, gains))
    tail = ndtr(-np.sqrt(clusters / (clusters - 1)) * stdtrit(clusters - 1, (1 + confidence) / 2))
    low, high = np.quantile(ratios, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def gap_of_people(
    protocol: Verdicts,
    naive: Verdicts,
    expert: Verdicts,
    *,
    seed: tuple[int, str, str],
    confidence: float = 0.95,
) -> Gap:
    """Return `gap_recovered` for new passages and new people, from the verdicts of people under the three arms.

    Passages and people are resampled independently, and a verdict counts as often as both were drawn (Owen and Eckles 2012). The
    percentiles are widened for the smaller number of the two.
    """
    arms = (protocol, naive, expert)
    questions = set.intersection(*({(r.passage, r.question) for r in arm.readings} for arm in arms))
    if not questions:
        return Gap(0, reason="No question was judged under this arm, the naive and the expert one.")
    held = [verdicts([r for r in arm.readings if (r.passage, r.question) in questions]) for arm in arms]
    if _room_of_people(held[2], held[1], confidence) <= 0:
        return Gap(
            len(questions), reason="The interval of expert minus naive accuracy is not wholly above 0."
        )
    means = [float(arm.weights @ arm.values(rightness)) for arm in held]
    draws, clusters = _redrawn(held, generator("pgr", *seed))
    low, high = _percentiles(draws[0] - draws[1], draws[2] - draws[1], clusters, confidence)
    if not np.isfinite([low, high]).all():
        return Gap(
            len(questions), reason="In too many resamples the expert is no better than the naive judge."
        )
    return Gap(len(questions), (means[0] - means[1]) / (means[2] - means[1]), low, high)


def _room_of_people(expert: Verdicts, naive: Verdicts, confidence: float) -> float:
    """Return the lower limit of the difference between two arms on the same questions."""
    both = verdicts([*expert.readings, *naive.readings])
    first = np.array([reading.arm == expert.readings[0].arm for reading in both.readings])
    weights = np.zeros(first.size)
    weights[first], weights[~first] = expert.weights, naive.weights
    places = (both.questions, both.passages, both.people)
    return difference_of_people(both.values(rightness), first, *places, DIFFERENCE, confidence, weights)[
        0
    ].low


def _redrawn(arms: Sequence[Verdicts], rng: np.random.Generator) -> tuple[list[FloatArray], int]:
    """Return (draws,) accuracies of each arm over redrawn passages and people, and the smaller number of these."""
    passages = sorted({reading.passage for arm in arms for reading in arm.readings})
    people = sorted({reading.person for arm in arms for reading in arm.readings})
    tables = [_tables(arm, passages, people) for arm in arms]
    found: list[list[FloatArray]] = [[] for _ in arms]
    for _ in range(DRAWS // _BATCH):
        of_passages, of_people = (
            rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=_BATCH).astype(np.float64)
            for names in (passages, people)
        )
        for own, (right, weight) in zip(found, tables, strict=True):
            sums = ((of_passages @ table * of_people).sum(axis=1) for table in (right, weight))
            top, bottom = sums
            own.append(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan))
    draws = [np.concatenate(own) for own in found]
    kept = ~np.isnan(draws).any(axis=0)
    return [draw[kept] for draw in draws], min(len(passages), len(people))


def _tables(arm: Verdicts, passages: Sequence[str], people: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Return (passages, people) sums of weighted right verdicts, and of weights."""
    rows, columns = (
        np.searchsorted(names, [getattr(reading, kind) for reading in arm.readings])
        for names, kind in ((passages, "passage"), (people, "person"))
    )
    right, weight = np.zeros((len(passages), len(people))), np.zeros((len(passages), len(people)))
    np.add.at(right, (rows, columns), arm.weights * arm.values(rightness))
    np.add.at(weight, (rows, columns), arm.weights)
    return right, weight
