"""The difference between two arms for one judge, paired by question and clustered by passage."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.statistics.intervals import DIFFERENCE, METHOD_ONE_PASSAGE, FloatArray, mean_interval
from app.statistics.readings import (
    Figures,
    Place,
    Readings,
    by_question,
    dense,
    joined,
    order_together,
    weights,
)
from app.statistics.seeds import generator
from app.statistics.two_way import TEST as TEST_OF_PEOPLE
from app.statistics.two_way import difference_of_people

EXACT_UP_TO = 13
"""Largest number of passages for which every sign flip is tried (8,192 flips). With more, flips are drawn."""
DRAWS = 10_000
_BATCH = 500
FEW, SKEWED = 30, 1.0
"""Fewest passages, and largest skewness of their totals either way, for which the flip test is near a test of the mean."""
NULL = "the differences of passages are symmetric about 0"
NULL_OF_PEOPLE = "the mean difference over passages and people is 0"
_SAME = 1e-9
"""Sums that differ by less than this are equal up to the order of addition."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """The accuracy of a judge under the arm `first` less that under `second`, or the reason why it is not
    known.
    """

    first: str
    second: str
    judge: str
    passages: int
    questions: int
    """Questions judged under both arms, from which all figures are computed."""
    first_accuracy: float | None = None
    """Accuracy on these questions alone."""
    second_accuracy: float | None = None
    difference: float | None = None
    """The first less the second, in [-1, 1]."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """Two-sided: the mid-p value of a permutation test that flips the signs of whole passages; for people, from a t test. Not
    corrected for multiple comparisons.
    """
    p_holm: float | None = None
    """Corrected by Holm's method over the contrasts named, for this judge alone."""
    named: int = 1
    """Contrasts over which it was corrected: all that the file names, those without figures too."""
    confidence: float = 0.95
    method: str | None = None
    """Method of the interval."""
    test: str | None = None
    """Method of the p-value."""
    null: str | None = None
    """Null hypothesis of the test."""
    skewness: float | None = None
    """Of the totals of passages; None where the test flips none."""
    people: int | None = None
    """How many people judged under either arm; None for other judges."""
    reason: str | None = None
    """Reason why there is no figure; None where there is one."""
    fixed: str | None = None
    """Reason why the difference is fixed by the design, and has neither interval nor p-value; None where it is not."""

    @property
    def warning(self) -> str | None:
        """Return a clause where the flip test is far from a test of the mean; None elsewhere."""
        if self.skewness is None:
            return None
        if abs(self.skewness) > SKEWED:
            return f"the differences of passages are skewed ({self.skewness:+.1f}), so p may be small without a difference in the mean"
        if self.passages < FEW:
            return f"with {self.passages} passages, fewer than {FEW}, p tests the symmetry of their differences more than the mean"
        return None


def constant_contrast(item: Contrast, reason: str) -> Contrast:
    """Return a contrast of two arms whose accuracies the design fixes. Both limits are its value, for drawings."""
    assert item.difference is not None
    return replace(
        item,
        low=item.difference,
        high=item.difference,
        p=None,
        p_holm=None,
        method="none: fixed by the design",
        test=None,
        null=None,
        skewness=None,
        fixed=reason,
    )


def contrasts(
    groups: Mapping[Place, Readings],
    pairs: Sequence[tuple[str, str]],
    *,
    seed: int,
    confidence: float = 0.95,
    tested: bool = True,
) -> list[Contrast]:
    """Return the contrasts of each pair of arms, in the given order, for each judge with a reading under any of these arms, by name.

    Where a judge has no reading under a pair, the contrast says so. Flip tests are left out where `tested` is off.
    """
    named = {arm for pair in pairs for arm in pair}
    correct = {place: by_question(group, group.right) for place, group in groups.items() if place[0] in named}
    found = [
        _one(first, second, judge, groups, correct, seed, confidence, tested)
        for first, second in pairs
        for judge in sorted({judge for _, judge in correct})
    ]
    return _corrected(found, len(pairs))


def _one(
    first: str,
    second: str,
    judge: str,
    groups: Mapping[Place, Readings],
    correct: Mapping[Place, Figures],
    seed: int,
    confidence: float,
    tested: bool,
) -> Contrast:
    both = [groups.get((arm, judge)) for arm in (first, second)]
    if any(group is None for group in both):
        return _nothing_common(first, second, judge, confidence)
    one, other = (group for group in both if group is not None)
    if one.pooled and other.pooled:
        return contrast_of_people(one, other, confidence=confidence)
    figures = (correct[first, judge], correct[second, judge])
    return contrast(first, second, judge, *figures, seed=seed, confidence=confidence, tested=tested)


def _nothing_common(first: str, second: str, judge: str, confidence: float) -> Contrast:
    reason = "No question was judged under both arms."
    return Contrast(first, second, judge, 0, 0, confidence=confidence, reason=reason)


def _corrected(found: Sequence[Contrast], named: int) -> list[Contrast]:
    """Return the contrasts with Holm's correction, for each judge over all that are named. One without a p-value counts as 1: a
    contrast that failed does not make the others significant.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for at, item in enumerate(found):
        if item.p is not None:
            places[item.judge].append(at)
    held = list(found)
    for own in places.values():
        values = holm([value for at in own if (value := found[at].p) is not None], named)
        for at, p in zip(own, values, strict=True):
            held[at] = replace(found[at], p_holm=p, named=named)
    return held


def holm(values: Sequence[float], named: int | None = None) -> list[float]:
    """Return p-values corrected for their number (Holm 1979), in the given order. With `named`, for that many, of which the others are 1."""
    count = len(values) if named is None else named
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, so_far = [0.0] * len(values), 0.0
    for rank, at in enumerate(order):
        so_far = max(so_far, min(1.0, (count - rank) * values[at]))
        corrected[at] = so_far
    return corrected


def contrast_of_people(first: Readings, second: Readings, *, confidence: float = 0.95) -> Contrast:
    """Return the difference in accuracy of people on the questions judged under both arms, for new passages and new people.

    The interval and the test are those of `app.statistics.two_way.difference_limits`. Flipping passages would test no claim about
    other people.
    """
    common = np.intersect1d(first.question, second.question)
    if not common.size:
        return _nothing_common(first.arm, second.arm, first.judge, confidence)
    one, other = (arm.where(np.isin(arm.question, common)) for arm in (first, second))
    placed = order_together(one, other)
    of_first = placed < one.rows.size
    own = np.zeros(of_first.size)
    own_of_first, own_of_second = weights(one), weights(other)
    own[of_first], own[~of_first] = own_of_first, own_of_second
    right, question, passage, person = (
        joined(name, one, other)[placed] for name in ("right", "question", "passage", "person")
    )
    places = (dense(question), dense(passage), dense(person))
    estimate, p = difference_of_people(right, of_first, *places, DIFFERENCE, confidence, own)
    return Contrast(
        first.arm,
        second.arm,
        first.judge,
        passages=np.unique_values(passage).size,
        questions=common.size,
        first_accuracy=float(own_of_first @ one.right),
        second_accuracy=float(own_of_second @ other.right),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=p,
        confidence=confidence,
        method=estimate.method,
        test=None if p is None else TEST_OF_PEOPLE,
        null=None if p is None else NULL_OF_PEOPLE,
        people=np.unique_values(person).size,
    )


def contrast(
    first: str,
    second: str,
    judge: str,
    correct: Figures,
    other: Figures,
    *,
    seed: int,
    confidence: float = 0.95,
    tested: bool = True,
) -> Contrast:
    """Return the difference in accuracy on the questions that a judge has under both arms.

    `correct` and `other` are the judge's accuracies by question under the two arms. The interval is that of a mean of differences,
    one per question, with passages as clusters (`mean_interval`). The test flips the sign of all differences
    of a passage together (Fisher 1935, section 21). Its null hypothesis is that these differences are symmetric about 0, which is more
    than that their mean is 0: see `Contrast.warning`. It tries every flip for few passages, otherwise 10,000 drawn ones, including
    the observed one (Phipson and Smyth 2010).
    """
    common = np.intersect1d(correct.question, other.question)
    if not common.size:
        return _nothing_common(first, second, judge, confidence)
    of_first, of_second = correct.of(common), other.of(common)
    passages = dense(correct.passage[np.searchsorted(correct.question, common)])
    estimate = mean_interval(of_first - of_second, passages, DIFFERENCE, confidence)
    totals = np.bincount(passages, weights=of_first - of_second).astype(np.float64)
    known = tested and estimate.method != METHOD_ONE_PASSAGE
    rng = generator("contrast", seed, first, second, judge)
    return Contrast(
        first,
        second,
        judge,
        passages=totals.size,
        questions=common.size,
        first_accuracy=math.fsum(of_first) / common.size,
        second_accuracy=math.fsum(of_second) / common.size,
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=flip_test(totals, rng) if known else None,
        confidence=confidence,
        method=estimate.method,
        test=_test(totals.size) if known else None,
        null=NULL if known else None,
        skewness=skewness(totals) if known else None,
    )


def skewness(totals: FloatArray) -> float:
    """Return the third standardised moment of (passages,) totals; 0 where all are equal."""
    off = totals - totals.mean()
    spread = float(np.sqrt(np.mean(off**2)))
    return float(np.mean(off**3) / spread**3) if spread > _SAME else 0.0


def _test(passages: int) -> str:
    how = "every flip" if passages <= EXACT_UP_TO else f"{DRAWS:,} drawn flips"
    return f"permutation test, signs flipped by passage, {how}, mid-p"


def flip_test(totals: FloatArray, rng: np.random.Generator) -> float:
    """Return the mid-p value of (passages,) `totals` under flips of their signs, in (0, 1]: how often the sum is farther from 0
    than the observed one, plus half of how often it is as far.

    The mid-p value makes up for the few values that the sum can take. It does nothing about skewed differences. Where all totals
    are 0 it is 1.
    """
    return float(flip_tests(totals[None], rng)[0])


def flip_tests(totals: FloatArray, rng: np.random.Generator, draws: int = DRAWS) -> FloatArray:
    """Return the mid-p values of (runs, passages) totals, all under the same flips: every flip, or `draws` drawn ones beside the
    observed.
    """
    far = np.abs(totals.sum(axis=1))
    exact = totals.shape[1] <= EXACT_UP_TO
    batches = _every_flips(totals.shape[1]) if exact else _drawn_flips(totals.shape[1], rng, draws)
    above, equal = np.zeros(far.size), np.zeros(far.size) if exact else np.ones(far.size)
    for flips in batches:
        reached = np.abs(totals @ flips.T) - far[:, None]
        above += (reached > _SAME).sum(axis=1)
        equal += (np.abs(reached) <= _SAME).sum(axis=1)
    count = 2.0 ** totals.shape[1] if exact else draws + 1
    return np.where((totals == 0).all(axis=1), 1.0, (above + equal / 2) / count)


def _every_flips(count: int) -> Iterator[FloatArray]:
    flips = _every_flip(count)
    yield from (flips[start : start + _BATCH] for start in range(0, len(flips), _BATCH))


def _drawn_flips(count: int, rng: np.random.Generator, draws: int) -> Iterator[FloatArray]:
    yield from (rng.choice([-1.0, 1.0], size=(_BATCH, count)) for _ in range(draws // _BATCH))


def _every_flip(count: int) -> FloatArray:
    """Return all (2 to the count, count) combinations of 1 and -1."""
    bits = np.arange(2**count)[:, None] >> np.arange(count)
    return (1 - 2 * (bits & 1)).astype(np.float64)
