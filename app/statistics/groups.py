"""The accuracy of groups of judges by size, from the beliefs of their members: functions of arrays."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import stdtrit

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.scores import BELIEF_FLOOR

MOST_SUBSETS = 100
"""Groups of one size that are formed of the judges of an item: all of them where they are no more, else so many drawn ones."""
MOST_SIZE = 15
"""Largest group."""
_CHUNK = 500
"""Items whose groups are formed at once."""
_NEVER = -1e6
"""Score of an answer that a question does not have."""
_SAME = 1e-9
"""Scores that differ by less are tied up to the order of addition."""


def _chosen(beliefs: FloatArray) -> FloatArray:
    """Return each member's vote, shared between answers that it believes alike."""
    top = beliefs == beliefs.max(axis=-1, keepdims=True)
    votes: FloatArray = top / top.sum(axis=-1, keepdims=True)
    return votes


def _weighted(beliefs: FloatArray) -> FloatArray:
    found: FloatArray = _chosen(beliefs) * beliefs.max(axis=-1, keepdims=True)
    return found


def _log_odds(beliefs: FloatArray) -> FloatArray:
    return np.where(beliefs < 0, _NEVER, np.log(np.maximum(beliefs, BELIEF_FLOOR)))


RULES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "majority": _chosen,
    "mean": lambda beliefs: np.where(beliefs < 0, 0.0, beliefs),
    "log-odds": _log_odds,
    "confidence": _weighted,
}
"""Scores of answers by each member, from (…, answers) beliefs padded with -1. A group chooses the answer with the largest sum: of
votes, of beliefs, of log beliefs (for two answers that is the mean of log-odds), or of votes each times the belief behind it.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """Items, each with the beliefs of several judges of it."""

    beliefs: FloatArray
    """(items, members, answers), padded with -1."""
    gold: IntArray
    """(items,) place of the right answer."""
    members: IntArray
    """(items, members) number of the judge, from 0."""
    weights: FloatArray
    """(items,) of the mean over all items."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """The value of groups by rule: 1 where gold is chosen, a share where it is tied, averaged over the groups of an item."""

    sizes: IntArray
    value: Mapping[str, FloatArray]
    """(items, sizes)."""
    groups: IntArray
    """(sizes,) groups of each item."""
    drawn: bool
    """Whether groups of some size are a sample of all."""
    changes: Mapping[str, FloatArray]
    """(judges, sizes) what the weighted sum of values changes by where the groups of one judge are left out."""
    gone: FloatArray
    """(judges, sizes) weight of the items that have no group then."""


def subsets(members: int, size: int, rng: np.random.Generator) -> tuple[FloatArray, bool]:
    """Return (groups, members) ones and zeros, and whether they are a sample of all groups of this size."""
    if math.comb(members, size) <= MOST_SUBSETS:
        chosen = np.array(list(combinations(range(members), size)))
    else:
        chosen = np.argsort(rng.random((MOST_SUBSETS, members)), axis=1)[:, :size]
    found = np.zeros((len(chosen), members))
    np.put_along_axis(found, chosen, 1.0, axis=1)
    return found, math.comb(members, size) > MOST_SUBSETS


def grouped(pools: Pools, most: int, rng: np.random.Generator, judges: int = 0) -> Grouped:
    """Return the value of groups of 1 to `most` members, each size averaged over its groups; with `judges`, the number of all, what
    changes without each of them.
    """
    _, members, _ = pools.beliefs.shape
    sizes = np.arange(1, min(most, members, MOST_SIZE) + 1)
    made = [subsets(members, int(size), rng) for size in sizes]
    masks = np.concatenate([mask for mask, _ in made])
    of_size = np.repeat(np.eye(sizes.size), [len(mask) for mask, _ in made], axis=0)
    groups = of_size.sum(axis=0)
    value = {name: np.empty((pools.gold.size, sizes.size)) for name in RULES}
    changes = {name: np.zeros((judges, sizes.size)) for name in RULES}
    gone = np.zeros((judges, sizes.size))
    apart = _Apart.of(masks, of_size) if judges else None
    for start in range(0, pools.gold.size, _CHUNK):
        own = slice(start, start + _CHUNK)
        if apart is not None:
            gone += apart.gone(pools.members[own], pools.weights[own], judges)
        for name, rule in RULES.items():
            sums = np.einsum("gm,nma->nga", masks, rule(pools.beliefs[own]), optimize=True)
            values = _credit(sums, pools.gold[own])
            value[name][own] = values @ of_size / groups
            if apart is not None:
                changes[name] += apart.changes(
                    values, value[name][own], pools.members[own], pools.weights[own], judges
                )
    return Grouped(sizes, value, groups.astype(np.int64), any(drawn for _, drawn in made), changes, gone)


@dataclass(frozen=True, slots=True, eq=False)
class _Apart:
    """Which groups lack which member."""

    groups: FloatArray
    """(groups, members × sizes) ones and zeros."""
    counts: FloatArray
    """(members, sizes)."""

    @classmethod
    def of(cls, masks: FloatArray, of_size: FloatArray) -> "_Apart":
        lacking = (1 - masks)[:, :, None] * of_size[:, None, :]
        return cls(lacking.reshape(len(masks), -1), lacking.sum(axis=0))

    def gone(self, members: IntArray, weights: FloatArray, judges: int) -> FloatArray:
        """Return the weight of the items without a group that lacks a judge: (judges, sizes)."""
        own = np.where(self.counts == 0, weights[:, None, None], 0.0)
        return _by_judge(own, members, judges)

    def changes(
        self, values: FloatArray, mean: FloatArray, members: IntArray, weights: FloatArray, judges: int
    ) -> FloatArray:
        """Return what the sum of values changes by without a judge: (judges, sizes)."""
        sums = (values @ self.groups).reshape(-1, *self.counts.shape)
        without = np.where(self.counts == 0, 0.0, sums / np.maximum(self.counts, 1))
        return _by_judge(weights[:, None, None] * (without - mean[:, None, :]), members, judges)


def _by_judge(values: FloatArray, members: IntArray, judges: int) -> FloatArray:
    """Return the sums of (items, members, sizes) values by judge."""
    codes = members.ravel()
    parts = [np.bincount(codes, values[:, :, at].ravel(), minlength=judges) for at in range(values.shape[2])]
    return np.stack(parts, axis=1)


def _credit(scores: FloatArray, gold: IntArray) -> FloatArray:
    """Return (items, groups) values of choices from (items, groups, answers) scores."""
    top = scores >= scores.max(axis=-1, keepdims=True) - _SAME
    own = np.take_along_axis(top, gold[:, None, None], axis=-1)[..., 0]
    return np.where(own, 1 / top.sum(axis=-1), 0.0)


def spread_of_judges(mean: float, changes: FloatArray, gone: FloatArray) -> float | None:
    """Return the variance of a weighted mean between judges, by leaving out one at a time (Efron and Stein 1981).

    changes, gone: (judges,) as of `Grouped`. Return None for one judge, and where nothing is left without some judge.
    """
    left = 1 - gone
    if gone.size < 2 or (left < _SAME).any():
        return None
    means = (mean + changes) / left
    return float((gone.size - 1) / gone.size * ((means - means.mean()) ** 2).sum())


def widened(value: float, low: float, high: float, variance: float, people: int) -> tuple[float, float]:
    """Return a 95% interval for new passages widened for new people: the squares of both reaches add up. Shares, in [0, 1]."""
    reach = float(stdtrit(people - 1, 0.975)) * math.sqrt(variance)
    return max(0.0, value - math.hypot(value - low, reach)), min(1.0, value + math.hypot(high - value, reach))
