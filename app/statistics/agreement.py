"""Agreement of judges on the same talks: Cohen's kappa, Gwet's AC1, rank correlation, Krippendorff's alpha.

A rating is what one judge says of one talk, averaged over the orders in which it read it: the share of its readings that chose each
answer. Two ratings agree as often as a reading of one, drawn at random, and a reading of the other choose the same; with one reading
each, these are the published statistics. Every talk has the same weight, shared by its pairs. Intervals come from the linear terms
of each statistic (the delta method), averaged by talk and clustered by passage, and by person where people judge.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from app.statistics.intervals import (
    Estimate,
    FloatArray,
    IntArray,
    Scale,
    clustered_variance,
    mean_interval,
)
from app.statistics.readings import BoolArray, combined, dense

SHARE = Scale(low=0.0, high=1.0, unseen=1.0)
SIGNED = Scale(low=-1.0, high=1.0, unseen=1.0)
FEWEST_PEOPLE = 3
"""Fewest people for whom an interval speaks of new people too."""
OF_THESE_PEOPLE = "; for these people"
OF_NEW_PEOPLE = "; and for new people, by their share in the variance"

ALL_PAIRS = 5
"""Most ratings of one talk of which every pair is taken. Of more, each is paired with the four next to it in a ring."""
ALL_ACROSS = 64
"""Most pairs between two groups on one talk that are all taken. Of more, each rating of the larger group is in one."""


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Ratings as (n,) arrays, by talk: at most one of each rater on a talk."""

    talk: IntArray
    """From 0 without gaps, sorted."""
    rater: IntArray
    passage: IntArray
    person: BoolArray
    """Whether the rater is a person."""
    choice: FloatArray
    """(n, answers) share of the readings that chose each answer of the talk, in its order."""
    right: FloatArray
    """Share of the readings that chose gold."""
    p_gold: FloatArray
    """Mean belief in gold."""

    def where(self, kept: BoolArray) -> "Ratings":
        """Return the ratings that are kept."""
        return Ratings(
            dense(self.talk[kept]),
            *(
                getattr(self, name)[kept]
                for name in ("rater", "passage", "person", "choice", "right", "p_gold")
            ),
        )

    @property
    def correctness(self) -> FloatArray:
        """Return (n, 2) shares of right and wrong readings."""
        return np.stack([self.right, 1 - self.right], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of ratings on the same talks, as (m,) arrays, by talk."""

    ratings: Ratings
    one: IntArray
    """Place of the rating."""
    other: IntArray
    alike: bool
    """Whether both are of one group, so that neither comes first."""

    @property
    def talk(self) -> IntArray:
        """Return the talk of each pair."""
        return self.ratings.talk[self.one]

    @property
    def weight(self) -> FloatArray:
        """Return the weight of each pair: the same for every talk; their sum is 1."""
        talks = dense(self.talk)
        counts = np.bincount(talks)
        weights: FloatArray = 1 / counts[talks] / counts.size
        return weights

    def mean(self, values: FloatArray) -> float:
        """Return the mean over talks of the mean of each."""
        talks = dense(self.talk)
        return float((np.bincount(talks, weights=values) / np.bincount(talks)).mean())

    @property
    def talks(self) -> int:
        """Return how many talks have a pair."""
        return int(np.unique_values(self.talk).size)

    @property
    def people(self) -> int:
        """Return how many people are in a pair."""
        both = np.concatenate([self.one, self.other])
        return int(np.unique_values(self.ratings.rater[both[self.ratings.person[both]]]).size)


# ── pairs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def pairs_within(ratings: Ratings, group: BoolArray) -> Pairs:
    """Return pairs of different raters of one group: all of them on talks with up to `ALL_PAIRS`, else each with its
    neighbours in a ring.
    """
    own = np.flatnonzero(group)
    starts, counts = _runs(ratings.talk[own])
    one, other = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for apart in range(1, ALL_PAIRS):
        few = (counts > apart) & (counts <= ALL_PAIRS)
        at, number = _numbered(starts[few], counts[few] - apart)
        one.append(own[at + number])
        other.append(own[at + number + apart])
    for apart in (1, 2):
        many = counts > ALL_PAIRS
        at, number = _numbered(starts[many], counts[many])
        one.append(own[at + number])
        other.append(own[at + (number + apart) % np.repeat(counts[many], counts[many])])
    return _by_talk(ratings, np.concatenate(one), np.concatenate(other), alike=True)


def pairs_across(ratings: Ratings, one: BoolArray, other: BoolArray) -> Pairs:
    """Return pairs of a rater of one group with one of another, which have no rater in common."""
    groups = [np.flatnonzero(group) for group in (one, other)]
    talks = int(ratings.talk.max(initial=-1)) + 1
    counts = [np.bincount(ratings.talk[own], minlength=talks) for own in groups]
    starts = [np.cumsum(count) - count for count in counts]
    product = counts[0] * counts[1]
    many = product > ALL_ACROSS
    made = np.where(many, np.maximum(*counts), product)
    made[product == 0] = 0
    talk, number = _numbered(np.arange(talks), made)
    ring = many[talk]
    places = (
        np.where(ring, number % counts[0][talk], number // np.maximum(counts[1][talk], 1)),
        number % np.maximum(counts[1][talk], 1),
    )
    first, second = (
        own[start[talk] + place] for own, start, place in zip(groups, starts, places, strict=True)
    )
    return _by_talk(ratings, first, second, alike=False)


def _runs(talk: IntArray) -> tuple[IntArray, IntArray]:
    """Return where runs of a talk begin, and how long they are."""
    starts = np.flatnonzero(np.diff(talk, prepend=-1))
    return starts, np.diff(starts, append=talk.size)


def _numbered(names: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return each name as often as its count, and the numbers from 0 beside it."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if ends.size else 0
    return np.repeat(names, counts), np.arange(total) - np.repeat(ends - counts, counts)


def _by_talk(ratings: Ratings, one: IntArray, other: IntArray, *, alike: bool) -> Pairs:
    placed = np.argsort(ratings.talk[one], kind="stable")
    return Pairs(ratings, one[placed], other[placed], alike)


# ── statistics of pairs ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A statistic with its linear terms: one a pair, whose weighted mean is the statistic."""

    value: float
    terms: FloatArray


def agreed(pairs: Pairs, choice: FloatArray) -> Linear:
    """Return how often two readings choose the same. choice: (n, answers) shares of the ratings."""
    same = (choice[pairs.one] * choice[pairs.other]).sum(axis=1)
    return Linear(pairs.mean(same), same)


def kappa(pairs: Pairs, choice: FloatArray) -> Linear | None:
    """Return Cohen's kappa (1960); None where both sides choose one category only. Within one group, both have the same shares.

    Its linear terms give the variance of Fleiss, Cohen and Everitt (1969).
    """
    same, weight = agreed(pairs, choice), pairs.weight
    first, second = choice[pairs.one], choice[pairs.other]
    shares = _shares(pairs, choice)
    chance = float(shares[0] @ shares[1])
    if 1 - chance < 1e-12:
        return None
    moved = first @ shares[1] + second @ shares[0] - 2 * chance
    moved -= float(weight @ moved)
    return _corrected(same, chance, moved)


def ac1(pairs: Pairs, choice: FloatArray) -> Linear:
    """Return Gwet's AC1 (2008): chance agreement is that of raters who guess only on a share of the talks."""
    same, weight = agreed(pairs, choice), pairs.weight
    mean = np.add(*_shares(pairs, choice)) / 2
    categories = choice.shape[1]
    chance = float((mean * (1 - mean)).sum()) / (categories - 1)
    moved = ((choice[pairs.one] + choice[pairs.other]) / 2 - mean) @ (1 - 2 * mean) / (categories - 1)
    return _corrected(same, chance, moved - float(weight @ moved))


def _shares(pairs: Pairs, choice: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how often each side chooses each category: both the same within one group."""
    weight = pairs.weight
    first, second = weight @ choice[pairs.one], weight @ choice[pairs.other]
    return ((first + second) / 2,) * 2 if pairs.alike else (first, second)


def _corrected(same: Linear, chance: float, moved: FloatArray) -> Linear:
    """Return agreement beyond chance, given the linear terms of chance."""
    value = (same.value - chance) / (1 - chance)
    terms = (same.terms - same.value) / (1 - chance) - (1 - same.value) / (1 - chance) ** 2 * moved
    return Linear(value, value + terms)


def distance(pairs: Pairs) -> Linear:
    """Return the mean absolute difference of the beliefs in gold."""
    apart = np.abs(pairs.ratings.p_gold[pairs.one] - pairs.ratings.p_gold[pairs.other])
    return Linear(pairs.mean(apart), apart)


def rank_correlation(pairs: Pairs) -> Linear | None:
    """Return Spearman's correlation of the beliefs in gold, ties at the middle of their ranks; None where one side's never differ."""
    weight = pairs.weight
    sides = [pairs.ratings.p_gold[places] for places in (pairs.one, pairs.other)]
    if pairs.alike:
        weight = np.concatenate([weight, weight]) / 2
        sides = [np.concatenate(sides), np.concatenate(sides[::-1])]
    ranks = [_mid_ranks(values, weight, np.ones(values.size)) for values in sides]
    # The mean of middle ranks is a half, whatever the ties.
    spread = [float(weight @ rank**2) - 0.25 for rank in ranks]
    if min(spread) < 1e-12:
        return None
    common = ranks[0] * ranks[1]
    covariance = float(weight @ common) - 0.25
    moved = common + _above(sides[0], weight, ranks[1]) + _above(sides[1], weight, ranks[0])
    own = [rank**2 + 2 * _above(values, weight, rank) for values, rank in zip(sides, ranks, strict=True)]
    scale = math.sqrt(spread[0] * spread[1])
    terms = _centred(moved, weight) / scale
    for term, size in zip(own, spread, strict=True):
        terms -= covariance / scale / (2 * size) * _centred(term, weight)
    if pairs.alike:
        terms = (terms[: pairs.one.size] + terms[pairs.one.size :]) / 2
    value = covariance / scale
    return Linear(value, value + terms)


def _centred(values: FloatArray, weight: FloatArray) -> FloatArray:
    return values - float(weight @ values)


def _mid_ranks(values: FloatArray, weight: FloatArray, what: FloatArray) -> FloatArray:
    """Return at each value the weighted sum of `what` at lower values, and half of that at the same value."""
    found = np.unique_inverse(values)
    sums = np.bincount(found.inverse_indices, weights=weight * what)
    below = np.cumsum(sums) - sums / 2
    ranks: FloatArray = below[found.inverse_indices]
    return ranks


def _above(values: FloatArray, weight: FloatArray, what: FloatArray) -> FloatArray:
    """Return at each value the weighted sum of `what` at higher values, and half of that at the same value."""
    return float(weight @ what) - _mid_ranks(values, weight, what)


# ── intervals ───────────────────────────────────────────────────────────────────────────────────────────────────


def estimate(pairs: Pairs, found: Linear, scale: Scale, confidence: float = 0.95) -> Estimate:
    """Return a statistic with its interval for new passages, and for new people where three or more are in the pairs.

    The linear terms of a talk are averaged, and treated as a mean of a bounded figure is (`mean_interval`). What people add to the
    variance is found by clustering the terms by person too: a pair of two people belongs to both (Cameron, Gelbach and Miller 2011;
    for pairs, Aronow, Samii and Assenova 2015).
    """
    talks = dense(pairs.talk)
    counts = np.bincount(talks)
    terms = np.bincount(talks, weights=found.terms) / counts
    passages = np.zeros(counts.size, dtype=np.int64)
    passages[talks] = pairs.ratings.passage[pairs.one]
    whole = replace(mean_interval(terms, passages, scale, confidence), value=found.value)
    off = pairs.weight * (found.terms - found.value)
    places = [own[pairs.ratings.person[own]] for own in (pairs.one, pairs.other)]
    parts = [off[pairs.ratings.person[own]] for own in (pairs.one, pairs.other)]
    return _with_people(
        whole, terms, passages, np.concatenate(parts), np.concatenate(places), pairs.ratings, scale
    )


def _with_people(
    whole: Estimate,
    terms: FloatArray,
    passages: IntArray,
    off: FloatArray,
    places: IntArray,
    ratings: Ratings,
    scale: Scale,
) -> Estimate:
    """Return an interval widened by what people add to the variance. `off` are parts of the statistic's error, and `places` the
    ratings of the people to whom each belongs.
    """
    if not places.size:
        return whole
    people = np.unique_inverse(ratings.rater[places]).inverse_indices
    count = int(people.max()) + 1
    if count < FEWEST_PEOPLE or np.ptp(passages) == 0:
        return replace(whole, method=whole.method + OF_THESE_PEOPLE)
    cells = np.unique_inverse(combined(people, ratings.passage[places])).inverse_indices
    by_person = float((np.bincount(people, weights=off) ** 2).sum()) * count / (count - 1)
    by_both = float((np.bincount(cells, weights=off) ** 2).sum())
    alone = clustered_variance(terms, passages)
    factor = 1.0 if alone == 0 else max((alone + by_person - by_both) / alone, 1.0)
    clusters = np.unique_values(passages).size
    tail = (1 + whole.confidence) / 2
    slack = max(float(stdtrit(count - 1, tail) / stdtrit(clusters - 1, tail)), 1.0)
    reach = math.sqrt(factor) * (slack if factor > 1 else 1.0)
    low, high = (whole.value + (end - whole.value) * reach for end in (whole.low, whole.high))
    return replace(
        whole, low=max(low, scale.low), high=min(high, scale.high), method=whole.method + OF_NEW_PEOPLE
    )


# ── Krippendorff's alpha ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Disagreement:
    """Observed and expected disagreement of (n,) ratings on units with two or more, with what each unit and rating adds."""

    observed: float
    expected: float
    by_unit: FloatArray
    """Linear terms of observed less those of expected over their ratio: their sum is 0."""
    by_rating: FloatArray
    """The same, by rating: a pair belongs to both of its ratings."""


def alpha_nominal(ratings: Ratings, choice: FloatArray, confidence: float = 0.95) -> Estimate | None:
    """Return Krippendorff's alpha for categories, for any number of raters on each talk; None where all choose one category, or no
    talk has two ratings.

    choice: (n, categories) shares. With one reading each this is Krippendorff (2011), `krippendorff.alpha`, nominal.
    """
    kept = _twice(ratings)
    return _alpha(ratings.where(kept), _nominal(dense(ratings.talk[kept]), choice[kept]), confidence)


def alpha_interval(ratings: Ratings, values: FloatArray, confidence: float = 0.95) -> Estimate | None:
    """Return Krippendorff's alpha for figures on an interval scale, as `alpha_nominal`. values: (n,)."""
    kept = _twice(ratings)
    return _alpha(ratings.where(kept), _squared(dense(ratings.talk[kept]), values[kept]), confidence)


def _twice(ratings: Ratings) -> BoolArray:
    """Return which ratings have another on the same talk."""
    several: BoolArray = np.bincount(ratings.talk)[ratings.talk] > 1
    return several


def _alpha(ratings: Ratings, found: _Disagreement, confidence: float) -> Estimate | None:
    if found.expected < 1e-12:
        return None
    value = 1 - found.observed / found.expected
    units = found.by_unit.size
    terms = value - units * found.by_unit / found.expected
    passages = np.zeros(units, dtype=np.int64)
    passages[ratings.talk] = ratings.passage
    whole = replace(mean_interval(terms, passages, SIGNED, confidence), value=value)
    own = np.flatnonzero(ratings.person)
    off = -found.by_rating[own] / found.expected
    low, high = min(whole.low, value), max(whole.high, value)
    return _with_people(replace(whole, low=low, high=high), terms, passages, off, own, ratings, SIGNED)


def _nominal(unit: IntArray, choice: FloatArray) -> _Disagreement:
    sizes = np.bincount(unit)
    n = unit.size
    if not n:
        return _Disagreement(0.0, 0.0, np.zeros(0), np.zeros(0))
    sums = np.stack([np.bincount(unit, weights=column) for column in choice.T], axis=1)
    own = 1 - (choice**2).sum(axis=1)
    apart = sizes[unit] - (choice * sums[unit]).sum(axis=1) - own
    shares = choice.mean(axis=0)
    expected = (n - n * float(shares @ shares) - float(own.sum()) / n) / (n - 1)
    moved = -2 * (choice - shares) @ shares
    return _parts(unit, sizes, apart, expected, moved)


def _squared(unit: IntArray, values: FloatArray) -> _Disagreement:
    sizes = np.bincount(unit)
    n = unit.size
    if not n:
        return _Disagreement(0.0, 0.0, np.zeros(0), np.zeros(0))
    middle = values - values.mean()
    sums, squares = (np.bincount(unit, weights=own) for own in (middle, middle**2))
    apart = sizes[unit] * middle**2 - 2 * middle * sums[unit] + squares[unit]
    spread = float((middle**2).mean())
    expected = 2 * spread * n / (n - 1)
    return _parts(unit, sizes, apart, expected, 2 * (middle**2 - spread))


def _parts(
    unit: IntArray, sizes: IntArray, apart: FloatArray, expected: float, moved: FloatArray
) -> _Disagreement:
    """Return the disagreement, from the sum of each rating's with the others of its unit, and the linear terms of the expected one."""
    n = unit.size
    own = apart / (sizes[unit] - 1)
    observed = float(own.mean())
    ratio = observed / expected if expected > 0 else 0.0
    by_rating: FloatArray = (own - observed - ratio * moved) / n
    return _Disagreement(
        observed,
        expected,
        np.bincount(unit, weights=by_rating).astype(np.float64),
        (2 * (own - observed) - ratio * moved) / n,
    )
