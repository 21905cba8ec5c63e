"""Performance gap recovered: how much of the way from the naive to the expert judge a protocol goes; knows no raw beliefs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from app.statistics.intervals import DIFFERENCE, FloatArray, IntArray, mean_interval
from app.statistics.seeds import generator

METHOD = "bootstrap over passages, the three accuracies together, expanded percentiles"
DRAWS = 10_000
_BATCH = 500

Question = tuple[str, str]
"""A passage and a question on it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Performance gap recovered with its interval, or why it is not reported."""

    questions: int
    """Questions judged under all three arms: those that the figure rests on."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    """Why there is no value, in words; None where there is one."""


def gap_recovered(
    protocol: Mapping[Question, float],
    naive: Mapping[Question, float],
    expert: Mapping[Question, float],
    *,
    seed: tuple[int, str, str],
    confidence: float = 0.95,
) -> Gap:
    """(protocol - naive) / (expert - naive) on the questions that all three have (Burns et al. 2023, section 3).

    Each mapping holds one judge's accuracy by question; `seed` is the report's own with the names of arm and judge. The
    value is given only where the interval of expert - naive lies wholly above 0. Its interval comes from passages
    resampled for the three terms together, at percentiles widened for few passages (Hesterberg 2015).
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
    """The widened percentiles of gain over room; a draw without room counts as infinite, by the sign of its gain."""
    totals = np.stack([np.bincount(passages, weights=gain), np.bincount(passages, weights=room)], axis=1)
    count = len(totals)
    picks = (rng.integers(count, size=(_BATCH, count)) for _ in range(DRAWS // _BATCH))
    gains, rooms = np.concatenate([totals[pick].sum(axis=1) for pick in picks]).T
    ratios = np.where(rooms > 0, gains / np.where(rooms > 0, rooms, 1.0), np.copysign(np.inf, gains))
    tail = ndtr(-np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 + confidence) / 2))
    low, high = np.quantile(ratios, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)
