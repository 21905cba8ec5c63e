"""Hybrid routing: the accuracy if the least confident part of a model's verdicts goes to people.

Arrays have one place a talk: how sure the model is, how often its readings are right, and how often people are. Where talks tie in
confidence, each of them is routed in part, which is the mean over all ways to break the tie.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.statistics.intervals import DIFFERENCE, Estimate, FloatArray, IntArray, Scale, mean_interval
from app.statistics.readings import dense
from app.statistics.resampling import batches, limits

SHARE = Scale(low=0.0, high=1.0, unseen=1.0)
FOLDS = 5
DRAWS = 1000
FEWEST_PASSAGES = 10
"""Fewest passages on which a share is recommended: two in each fold."""
_SAME = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Talks:
    """Talks that a model and people judged: (n,) arrays, and (m,) arrays of what each person said, by talk."""

    confidence: FloatArray
    """The model's highest mean belief."""
    model: FloatArray
    """Share of the model's readings that are right."""
    passage: IntArray
    talk: IntArray
    """(m,) place of the talk, sorted; every talk has one or more."""
    person: IntArray
    """(m,)"""
    right: FloatArray
    """(m,) whether the person is right."""

    @property
    def people(self) -> FloatArray:
        """Return (n,) how often people are right on each talk."""
        found: FloatArray = np.bincount(self.talk, weights=self.right) / np.bincount(self.talk)
        return found

    def by_confidence(self) -> "Talks":
        """Return the talks with the least confident first."""
        order = np.argsort(self.confidence, kind="stable")
        place = np.empty(order.size, dtype=np.int64)
        place[order] = np.arange(order.size)
        own = np.argsort(place[self.talk], kind="stable")
        return Talks(
            self.confidence[order],
            self.model[order],
            self.passage[order],
            place[self.talk][own],
            self.person[own],
            self.right[own],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """Talks by confidence, the least first, with the places where another confidence begins."""

    order: IntArray
    starts: IntArray

    @classmethod
    def of(cls, confidence: FloatArray) -> "_Order":
        order = np.argsort(confidence, kind="stable")
        return cls(order, np.flatnonzero(np.diff(confidence[order], prepend=-1.0)))

    def accuracy(
        self, model: FloatArray, people: FloatArray, weight: FloatArray, shares: FloatArray
    ) -> FloatArray:
        """Return the accuracy at each share of routed talks."""
        gains = (weight * (people - model))[self.order]
        return _reached(gains, weight[self.order], self.starts, shares) + float(weight @ model) / float(
            weight.sum()
        )

    def routed(self, share: float) -> FloatArray:
        """Return what part of each talk is routed at a share: 1, 0, or a part where talks tie at the limit."""
        sizes = np.diff(self.starts, append=self.order.size)
        before = np.cumsum(sizes) - sizes
        parts = np.clip((share * self.order.size - before) / sizes, 0.0, 1.0)
        found = np.empty(self.order.size)
        found[self.order] = np.repeat(parts, sizes)
        return found


def _reached(gains: FloatArray, sizes: FloatArray, starts: IntArray, shares: FloatArray) -> FloatArray:
    """Return what is gained at each share of the total size, from gains and sizes by confidence; NaN where nothing has a size."""
    if starts.size < gains.size:
        gains, sizes = np.add.reduceat(gains, starts), np.add.reduceat(sizes, starts)
    reach = np.concatenate([[0.0], np.cumsum(sizes)])
    if reach[-1] == 0:
        return np.full(shares.size, np.nan)
    gained = np.concatenate([[0.0], np.cumsum(gains)])
    found: FloatArray = np.interp(shares * reach[-1], reach, gained) / reach[-1]
    return found


def curve(talks: Talks, shares: FloatArray) -> FloatArray:
    """Return the accuracy at each share of talks that goes to people, the least confident first."""
    return _Order.of(talks.confidence).accuracy(talks.model, talks.people, np.ones(talks.model.size), shares)


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """What the bootstrap says of a curve: (shares,) limits, and those of its mean height above random routing."""

    low: FloatArray
    high: FloatArray
    gain: tuple[float, float]


def bands(talks: Talks, shares: FloatArray, rng: np.random.Generator) -> Bands | None:
    """Return 95% limits over passages and people drawn anew; None with one passage. A talk whose people are not drawn is left out."""
    own = talks.by_confidence()
    passages, people = dense(own.passage), dense(own.person)
    starts, groups = (np.flatnonzero(np.diff(by, prepend=-1.0)) for by in (own.talk, own.confidence))
    numbers = int(passages.max()) + 1, int(people.max()) + 1
    draws = []
    for of_passages, of_people in batches(rng, *numbers, DRAWS):
        for drawn, persons in zip(of_passages, of_people, strict=True):
            each = persons[people]
            size = np.add.reduceat(each, starts)
            weight = np.where(size > 0, drawn[passages], 0.0)
            right = np.add.reduceat(each * own.right, starts) / np.maximum(size, 1.0)
            total = max(float(weight.sum()), 1.0)
            gained = _reached(weight * (right - own.model), weight, groups, shares)
            draws.append(float((weight * own.model).sum()) / total + gained)
    found = np.array(draws)
    clusters = min(numbers[0], max(numbers[1], 2))
    ends = [limits(column, clusters) for column in found.T] if numbers[0] > 1 else []
    gain = limits(_above_random(found, shares), clusters) if ends else None
    known = [end for end in ends if end is not None]
    if gain is None or len(known) < shares.size:
        return None
    return Bands(np.array([end[0] for end in known]), np.array([end[1] for end in known]), gain)


def gain(accuracy: FloatArray, shares: FloatArray) -> float:
    """Return the mean height of a curve above random routing, which is a straight line between its ends."""
    return float(_above_random(accuracy[None], shares)[0])


def _above_random(accuracy: FloatArray, shares: FloatArray) -> FloatArray:
    straight = accuracy[:, :1] + (accuracy[:, -1:] - accuracy[:, :1]) * shares
    found: FloatArray = np.asarray(np.trapezoid(accuracy - straight, shares, axis=1))
    return found


# ── a share that is recommended ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Recommended:
    """A share of talks to route, and how good it is to choose one so: on each fifth of the passages by the other four fifths."""

    share: float
    """The smallest share with the highest accuracy on all passages."""
    accuracy: Estimate
    """On passages on which the share was not chosen."""
    over_model: Estimate
    """Less the accuracy of the model alone."""
    over_people: Estimate
    """Less the accuracy of people alone."""


def recommended(talks: Talks, shares: FloatArray, rng: np.random.Generator) -> Recommended | None:
    """Return the share to route; None with fewer than `FEWEST_PASSAGES` passages.

    Intervals are for new passages, with these people and the shares as chosen.
    """
    passages = dense(talks.passage)
    count = int(passages.max()) + 1
    if count < FEWEST_PASSAGES:
        return None
    people, values = talks.people, np.empty(talks.model.size)
    fold = (rng.permutation(count) % FOLDS)[passages]
    for held, chosen in _folds(fold):
        share = _best(talks.confidence[chosen], talks.model[chosen], people[chosen], shares)
        part = _Order.of(talks.confidence[held]).routed(share)
        values[held] = part * people[held] + (1 - part) * talks.model[held]
    return Recommended(
        _best(talks.confidence, talks.model, people, shares),
        mean_interval(values, passages, SHARE),
        mean_interval(values - talks.model, passages, DIFFERENCE),
        mean_interval(values - people, passages, DIFFERENCE),
    )


def _folds(fold: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    for number in range(FOLDS):
        yield np.flatnonzero(fold == number), np.flatnonzero(fold != number)


def _best(confidence: FloatArray, model: FloatArray, people: FloatArray, shares: FloatArray) -> float:
    accuracy = _Order.of(confidence).accuracy(model, people, np.ones(model.size), shares)
    return float(shares[np.argmax(accuracy >= accuracy.max() - _SAME)])
