"""How many questions a comparison needs, and how small a difference it can show, by the test that the reports make.

Both arms play the same questions. The test flips the signs of whole passages (`app.statistics.contrasts.flip_test`), two-sided at
5%, or at 5% / m where an experiment names m contrasts: that is the power to reject one given contrast under Holm's correction,
whatever the others do. There are three methods, and every figure names its own:

- exact, for one question a passage: McNemar's test with mid-p values, to which the test then reduces;
- a noncentral t distribution with as many degrees of freedom as there are passages less one, where `formula_holds`;
- simulation of the test otherwise.

docs/decisions/power.md compares them with simulations of the test, and with published sample sizes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import gammaln, nctdtr, ndtri, stdtrit, xlogy

from app.statistics.assumptions import DISCORDANCE, EXPECTED_CORRELATION, ORDER_CORRELATION
from app.statistics.contrasts import flip_tests
from app.statistics.intervals import FloatArray, IntArray

LEVEL, POWER = 0.05, 0.80

FEWEST, FEWEST_MORE = 30, 10
"""Fewest passages for which the formula holds, and how many more for each further contrast."""
LARGEST_SHARE = 0.6
"""Largest difference for which the formula holds, as a share of the discordance. Above, differences are too skewed."""
_EXACT_UP_TO = 500
_RUNS, _FLIPS = 2000, 1000

Method: TypeAlias = Literal["exact", "formula", "simulation"]
METHODS: dict[Method, str] = {
    "exact": "exactly, by McNemar's test with mid-p",
    "formula": "by the noncentral t distribution",
    "simulation": f"by simulation of the test, {_RUNS:,} runs, since no formula holds here",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of two arms on the same questions."""

    questions: int
    passages: int
    """Over which the questions are spread evenly."""
    discordance: float = DISCORDANCE
    """Share of readings on which one arm is right and the other wrong."""
    correlation: float = EXPECTED_CORRELATION
    """Of the differences of readings of two questions on one passage."""
    readings: int = 1
    """Readings of a question under each arm: orders, assignments and replicates."""
    reading_correlation: float = ORDER_CORRELATION
    """Of the differences of two readings of a question, not below `correlation`. At 1 a second order adds nothing, which is the
    cautious case.
    """
    contrasts: int = 1
    """Contrasts named, over which Holm's correction is made."""

    def __post_init__(self) -> None:
        if self.reading_correlation < self.correlation:
            raise ValueError("reading_correlation must not be below correlation: give a larger one")

    @property
    def level(self) -> float:
        """Return the level at which the contrast is tested."""
        return LEVEL / self.contrasts

    @property
    def orders_say_the_same(self) -> bool:
        """Return whether each question is read once, or always alike."""
        return self.readings == 1 or self.reading_correlation == 1

    @property
    def one_each(self) -> bool:
        """Return whether each passage has one question, and that in effect one reading."""
        return self.passages == self.questions and self.orders_say_the_same


@dataclass(frozen=True, slots=True)
class Found:
    """A figure, and the method by which it was found."""

    value: float
    method: Method


def variance(difference: float, held: Comparison) -> float:
    """Return the variance of the mean difference, from readings within questions within passages (Miller 2024, arXiv 2411.00640,
    section 5).
    """
    within = (1 + (held.readings - 1) * held.reading_correlation) / held.readings
    between = max(held.questions / held.passages - 1, 0) * held.correlation
    return (held.discordance - difference**2) * (within + between) / held.questions


def design_effect(per_passage: float, correlation: float = EXPECTED_CORRELATION) -> float:
    """Return the factor by which more questions are needed where `per_passage` of them share a passage: 1 +
    (m − 1)ρ.
    """
    return 1 + max(per_passage - 1, 0) * correlation


def formula_holds(difference: float, held: Comparison) -> bool:
    """Return whether the noncentral t distribution gives the power of the test within two points."""
    enough = held.passages >= FEWEST + FEWEST_MORE * (held.contrasts - 1)
    return enough and difference <= LARGEST_SHARE * held.discordance


def power(difference: float, held: Comparison) -> Found:
    """Return the chance that the test finds a true `difference` in accuracy.

    Raise ValueError where the difference is not between 0 and the discordance: two arms cannot differ by more than the questions on
    which they disagree.
    """
    _check(difference, held.discordance)
    if held.one_each and held.questions <= _EXACT_UP_TO:
        return Found(exact_power(difference, held), "exact")
    if formula_holds(difference, held):
        return Found(formula_power(difference, held), "formula")
    return Found(simulated_power(difference, held), "simulation")


def formula_power(difference: float, held: Comparison) -> float:
    """Return the power of a t test of passage means, whether the formula holds or not."""
    if held.passages < 2:
        return 0.0
    freedom = held.passages - 1
    centre = difference / math.sqrt(max(variance(difference, held), 1e-12))
    reach = float(stdtrit(freedom, 1 - held.level / 2))
    return float(1 - nctdtr(freedom, centre, reach) + nctdtr(freedom, centre, -reach))


def exact_power(difference: float, held: Comparison) -> float:
    """Return the power of McNemar's test with mid-p values, for as many independent questions."""
    count = np.arange(held.questions + 1)
    chance = _chances(count, held.questions, held.discordance)
    rejected = np.array([_rejected(int(each), difference, held) for each in count[chance > 1e-12]])
    return float(chance[chance > 1e-12] @ rejected)


def _chances(count: IntArray, of: int, chance: float) -> FloatArray:
    """Return the binomial probabilities of counts."""
    ways = gammaln(of + 1) - gammaln(count + 1) - gammaln(of - count + 1)
    found: FloatArray = np.exp(ways + xlogy(count, chance) + xlogy(of - count, 1 - chance))
    return found


def _rejected(discordant: int, difference: float, held: Comparison) -> float:
    """Return the power given the number of questions on which the arms differ."""
    won = np.arange(discordant + 1)
    fair = _chances(won, discordant, 0.5)
    smaller = np.minimum(won, discordant - won)
    below = np.cumsum(fair)[smaller] - fair[smaller]
    p = np.where(2 * smaller == discordant, 1.0, 2 * below + fair[smaller])
    favoured = (1 + difference / held.discordance) / 2
    return float(_chances(won, discordant, favoured)[p <= held.level].sum())


def simulated_power(difference: float, held: Comparison, runs: int = _RUNS, seed: int = 1) -> float:
    """Return the share of simulated experiments in which the test finds the difference."""
    rng = np.random.default_rng(seed)
    sizes = np.full(held.passages, held.questions // held.passages)
    sizes[: held.questions % held.passages] += 1
    totals = passage_totals(rng, runs, sizes, difference, held)
    return float(np.mean(flip_tests(totals, rng, _FLIPS) <= held.level))


def passage_totals(
    rng: np.random.Generator, runs: int, sizes: IntArray, difference: float, held: Comparison
) -> FloatArray:
    """Draw (runs, passages) sums of differences over the questions of each passage, of which there are `sizes`.

    The chances that a question of the passage is won, tied or lost are drawn from a Dirichlet distribution, so that differences on
    it correlate as stated. A reading shares the draw of its question so often that readings correlate as stated.
    """
    won, lost = (held.discordance + difference) / 2, (held.discordance - difference) / 2
    mean = np.array([won, lost, 1 - won - lost])
    chances = np.broadcast_to(mean, (runs, sizes.size, 3))
    if 0 < held.correlation < 1:
        own = rng.standard_gamma(
            np.maximum(mean * (1 / held.correlation - 1), 1e-9), size=(runs, sizes.size, 3)
        )
        chances = own / own.sum(axis=-1, keepdims=True)
    totals = np.zeros((runs, sizes.size))
    shared = math.sqrt((held.reading_correlation - held.correlation) / (1 - held.correlation))
    for number in range(int(sizes.max())):
        there = sizes > number
        common = _drawn(rng, chances)
        readings = (
            [common]
            if held.orders_say_the_same
            else [
                np.where(rng.random(common.shape) < shared, common, _drawn(rng, chances))
                for _ in range(held.readings)
            ]
        )
        totals += there * np.mean(readings, axis=0)
    return totals


def _drawn(rng: np.random.Generator, chances: FloatArray) -> FloatArray:
    at = rng.random(chances.shape[:-1])
    won, lost = chances[..., 0], chances[..., 1]
    return (at < won).astype(np.float64) - ((at >= won) & (at < won + lost))


def smallest_difference(held: Comparison) -> Found | None:
    """Return the smallest difference in accuracy that the test finds with a power of 80%.

    Return None where it does not find even one nearly as large as the discordance.
    """
    return _smallest(held)


@lru_cache(maxsize=512)
def _smallest(held: Comparison) -> Found | None:
    tops = (LARGEST_SHARE * held.discordance, 0.99 * held.discordance)
    top = next((top for top in tops if power(top, held).value >= POWER), None) if held.passages > 1 else None
    if top is None:
        return None
    found = _crossing(lambda at: power(at, held).value, 0.0, top)
    return Found(found, power(found, held).method)


def _crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function reaches a power of 80%, to a tenth of a point."""
    while high - low > 0.001:
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < POWER else (low, middle)
    return high


def questions_alone(difference: float, shares: Comparison) -> Found:
    """Return the questions needed where each is on a separate passage. Numbers of questions and passages in `shares` are not read. Raise ValueError as
    `power`.
    """
    _check(difference, shares.discordance)

    def at(count: int) -> Found:
        return power(difference, replace(shares, questions=count, passages=count))

    found = _first(lambda count: at(count).value, 2)
    return Found(found, at(found).method)


def questions_on(passages: int, difference: float, shares: Comparison) -> Found | None:
    """Return the questions needed where they are spread evenly over a fixed number of `passages`, at least one on each.

    Numbers of questions and passages in `shares` are not read. Return None where no number is enough: further questions on the same passages add less and
    less. Raise ValueError as `power`.
    """
    _check(difference, shares.discordance)

    def at(count: int) -> Found:
        return power(difference, replace(shares, questions=count, passages=passages))

    most = 100 * passages
    if at(most).value < POWER:
        return None
    found = _first(lambda count: at(count).value, passages, most)
    return Found(found, at(found).method)


def _first(rising: Callable[[int], float], low: int, high: int | None = None) -> int:
    """Return the smallest number from `low` on at which a rising function reaches a power of 80%."""
    if rising(low) >= POWER:
        return low
    top = low
    while high is None:
        top *= 2
        if rising(top) >= POWER:
            high = top
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rising(middle) < POWER else (low, middle)
    return high


def connor(difference: float, discordance: float = DISCORDANCE) -> float:
    """Return the number of pairs that McNemar's test needs by the formula of Connor (1987, eq. 3), after Miettinen (1968).

    It is a reference for `questions_alone`, which differs from it by a few in a hundred.
    """
    _check(difference, discordance)
    at_null = float(ndtri(1 - LEVEL / 2)) * math.sqrt(discordance)
    at_difference = float(ndtri(POWER)) * math.sqrt(discordance - difference**2)
    return (at_null + at_difference) ** 2 / difference**2


def _check(difference: float, discordance: float) -> None:
    if not 0 < difference < discordance <= 1:
        raise ValueError("the difference must lie between 0 and the discordance, which is at most 1")


def questions_per_arm(first: float, second: float) -> int:
    """Return the questions for each of two arms without common questions, to separate accuracies `first` and
    `second`, by the normal approximation.

    Raise ValueError where the two are equal or not shares.
    """
    if first == second or not (0 <= first <= 1 and 0 <= second <= 1):
        raise ValueError("the accuracies must be two different shares between 0 and 1")
    squared = float(ndtri(1 - LEVEL / 2) + ndtri(POWER)) ** 2
    return round(squared * (first * (1 - first) + second * (1 - second)) / (first - second) ** 2)
