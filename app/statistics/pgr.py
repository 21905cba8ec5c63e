"""Performance gap recovered: the share of the way from the naive to the expert judge that a protocol covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.special import ndtr, stdtrit

from app.statistics.intervals import DIFFERENCE, FloatArray, IntArray, mean_interval
from app.statistics.readings import Figures, Readings, dense, together, weights
from app.statistics.seeds import generator
from app.statistics.two_way import difference_of_people

METHOD = "bootstrap over passages, the three accuracies together, expanded percentiles"
METHOD_OF_PEOPLE = "bootstrap over passages and people, the three accuracies together, expanded percentiles"
DRAWS = 10_000
_BATCH = 500


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


LATER = "PGR is resampled, which takes longer."
"""Reason in place of a gap that is not resampled yet."""
_NONE_COMMON = "No question was judged under this arm, the naive and the expert one."
_NO_ROOM = "The interval of expert minus naive accuracy is not wholly above 0."
_TOO_FEW = "In too many resamples the expert is no better than the naive judge."


def gap_recovered(
    protocol: Figures,
    naive: Figures,
    expert: Figures,
    *,
    seed: tuple[int, str, str],
    confidence: float = 0.95,
) -> Gap:
    """Return (protocol - naive) / (expert - naive) on the questions that all three have (Burns et al. 2023,
    section 3).

    Each has one judge's accuracy by question. `seed` is the report's, with the names of arm and
    judge. There is a value only where the interval of expert - naive is wholly above 0. Its interval comes
    from resampling passages for the three terms together, at percentiles widened for few passages (Hesterberg
    2015).
    """
    common = _common([arm.question for arm in (protocol, naive, expert)])
    if not common.size:
        return Gap(0, reason=_NONE_COMMON)
    passages = dense(protocol.passage[np.searchsorted(protocol.question, common)])
    of_protocol, of_naive, of_expert = (arm.of(common) for arm in (protocol, naive, expert))
    gain, room = of_protocol - of_naive, of_expert - of_naive
    if mean_interval(room, passages, DIFFERENCE, confidence).low <= 0:
        return Gap(common.size, reason=_NO_ROOM)
    low, high = _resampled(gain, room, passages, generator("pgr", *seed), confidence)
    if not np.isfinite([low, high]).all():
        return Gap(common.size, reason=_TOO_FEW)
    return Gap(common.size, float(gain.sum() / room.sum()), low, high)


def _common(questions: Sequence[IntArray]) -> IntArray:
    """Return the questions that all have, sorted."""
    return reduce(np.intersect1d, questions)


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
    protocol: Readings,
    naive: Readings,
    expert: Readings,
    *,
    seed: tuple[int, str, str],
    confidence: float = 0.95,
) -> Gap:
    """Return `gap_recovered` for new passages and new people, from the verdicts of people under the three arms.

    Passages and people are resampled independently, and a verdict counts as often as both were drawn (Owen and Eckles 2012). The
    percentiles are widened for the smaller number of the two.
    """
    arms = (protocol, naive, expert)
    questions = _common([arm.questions for arm in arms])
    if not questions.size:
        return Gap(0, reason=_NONE_COMMON)
    held = [arm.where(np.isin(arm.question, questions)) for arm in arms]
    if _room_of_people(held[2], held[1], confidence) <= 0:
        return Gap(questions.size, reason=_NO_ROOM)
    means = [float(weights(arm) @ arm.right) for arm in held]
    draws, clusters = _redrawn(held, generator("pgr", *seed))
    low, high = _percentiles(draws[0] - draws[1], draws[2] - draws[1], clusters, confidence)
    if not np.isfinite([low, high]).all():
        return Gap(questions.size, reason=_TOO_FEW)
    return Gap(questions.size, (means[0] - means[1]) / (means[2] - means[1]), low, high)


def _room_of_people(expert: Readings, naive: Readings, confidence: float) -> float:
    """Return the lower limit of the difference between two arms on the same questions."""
    both, first = together(expert, naive)
    own = np.zeros(first.size)
    own[first], own[~first] = weights(expert), weights(naive)
    places = (dense(both.question), dense(both.passage), dense(both.person))
    return difference_of_people(both.right, first, *places, DIFFERENCE, confidence, own)[0].low


def _redrawn(arms: Sequence[Readings], rng: np.random.Generator) -> tuple[list[FloatArray], int]:
    """Return (draws,) accuracies of each arm over redrawn passages and people, and the smaller number of these."""
    passages, people = (
        np.unique(np.concatenate([getattr(arm, kind) for arm in arms])) for kind in ("passage", "person")
    )
    tables = [_tables(arm, passages, people) for arm in arms]
    found: list[list[FloatArray]] = [[] for _ in arms]
    for _ in range(DRAWS // _BATCH):
        of_passages, of_people = (
            rng.multinomial(codes.size, np.full(codes.size, 1 / codes.size), size=_BATCH).astype(np.float64)
            for codes in (passages, people)
        )
        for own, (right, weight) in zip(found, tables, strict=True):
            sums = ((of_passages @ table * of_people).sum(axis=1) for table in (right, weight))
            top, bottom = sums
            own.append(np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan))
    draws = [np.concatenate(own) for own in found]
    kept = ~np.isnan(draws).any(axis=0)
    return [draw[kept] for draw in draws], min(passages.size, people.size)


def _tables(arm: Readings, passages: IntArray, people: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return (passages, people) sums of weighted right verdicts, and of weights."""
    rows, columns = np.searchsorted(passages, arm.passage), np.searchsorted(people, arm.person)
    right, weight = np.zeros((passages.size, people.size)), np.zeros((passages.size, people.size))
    own = weights(arm)
    np.add.at(right, (rows, columns), own * arm.right)
    np.add.at(weight, (rows, columns), own)
    return right, weight
