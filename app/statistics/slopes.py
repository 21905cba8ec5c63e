"""The slope of accuracy over the skill of who argues, with skill and accuracy from disjoint passages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import dense
from app.statistics.resampling import Clusters, limits
from app.statistics.skill import DRAWS, NOT_CONNECTED, Matches, SkillFit, skills

LEAST = 3
"""Fewest arms with different skills that make a slope."""
FEW_ARMS = f"fewer than {LEAST} arms differ in who argues"
FEW_PASSAGES = "there are fewer than 4 passages, of which one half is for skill and the other for accuracy"
HALF_NOT_CONNECTED = f"on the half of the passages that is for skill, {NOT_CONNECTED}"


@dataclass(frozen=True, slots=True)
class Point:
    """One arm."""

    arm: int
    skill: float
    """Mean of its two participants, in points."""
    accuracy: float


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of accuracy over 100 points of skill, or the reason why there is none."""

    value: float | None
    low: float | None
    high: float | None
    points: Sequence[Point]
    rated: int
    """Passages for skill."""
    scored: int
    """Passages for accuracy."""
    penalised: bool = False
    reason: str | None = None


def accuracy_slope(
    matches: Matches,
    arm: IntArray,
    opposed: IntArray,
    shares: FloatArray,
    passages: IntArray,
    people: IntArray,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Slope:
    """Return the slope of one judge over arms.

    arm, shares, passages, people: (n,) the arm of each verdict, its weight in the arm's accuracy, and its clusters. opposed: (arms, 2)
    participants. Where three or more arms are self-play, only these are compared, as skill is then one participant's.
    """
    known = np.unique(arm)
    alone = known[opposed[known, 0] == opposed[known, 1]]
    compared = alone if alone.size >= LEAST else known
    halves = _halves(passages, rng)
    rated, scored = (np.unique_values(passages[half]).size for half in (halves, ~halves))
    if min(rated, scored) < 2:
        return Slope(None, None, None, (), rated, scored, reason=FEW_PASSAGES)
    if len({tuple(sorted(pair)) for pair in opposed[compared].tolist()}) < LEAST:
        return Slope(None, None, None, (), rated, scored, reason=FEW_ARMS)
    fit = skills(matches.where(halves), Clusters.of(passages[halves], people[halves]), rng, draws)
    if fit is None:
        return Slope(None, None, None, (), rated, scored, reason=HALF_NOT_CONNECTED)
    there = ~halves & np.isin(arm, compared)
    clusters = Clusters.of(passages[there], people[there])
    accuracy, drawn = _accuracies(matches.won[there], shares[there], dense(arm[there]), clusters, rng, draws)
    own = compared[np.isin(compared, arm[there])]
    return _slope(fit, opposed[own], own, accuracy, drawn, min(clusters.fewest, rated), (rated, scored))


def _halves(passages: IntArray, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which verdicts are on the half of the passages that is for skill."""
    names = np.unique(passages)
    return np.isin(passages, rng.permutation(names)[: (names.size + 1) // 2])


def _accuracies(
    won: FloatArray,
    shares: FloatArray,
    arm: IntArray,
    clusters: Clusters,
    rng: np.random.Generator,
    draws: int,
) -> tuple[FloatArray, FloatArray]:
    """Return (arms,) accuracies and (draws, arms) accuracies of draws; NaN where a draw has no verdict of an arm."""
    count = int(arm.max()) + 1
    right = clusters.sums(clusters.own, arm, shares * won, count)
    whole = clusters.sums(clusters.own, arm, shares, count)
    across = [sums.T.tocsr() for sums in (right, whole)]
    drawn = []
    for some in clusters.drawn(rng, draws):
        top, bottom = (np.asarray(sums @ some.T).T for sums in across)
        drawn.append(np.divide(top, bottom, out=np.full(top.shape, math.nan), where=bottom > 0))
    accuracy = np.bincount(arm, shares * won) / np.bincount(arm, shares)
    return accuracy, np.concatenate(drawn)


def _slope(
    fit: SkillFit,
    opposed: IntArray,
    arms: IntArray,
    accuracy: FloatArray,
    drawn: FloatArray,
    fewest: int,
    sizes: tuple[int, int],
) -> Slope:
    places = [at for at, (term, _) in enumerate(fit.names) if term == "skill"]
    skill = fit.values[places][opposed].mean(axis=1)
    of_draws = fit.drawn[:, places][:, opposed].mean(axis=2)
    value = float(_lines(skill[None], accuracy[None])[0])
    found = limits(_lines(of_draws, drawn), fewest)
    points = [
        Point(int(number), float(x), float(y)) for number, x, y in zip(arms, skill, accuracy, strict=True)
    ]
    if math.isnan(value):
        return Slope(None, None, None, points, *sizes, reason="all arms have the same skill")
    low, high = (None, None) if found is None else found
    return Slope(value, low, high, points, *sizes, penalised=fit.penalised)


def _lines(skill: FloatArray, accuracy: FloatArray) -> FloatArray:
    """Return the slopes of (draws, arms) accuracies over 100 points of skill; NaN where skills are equal or not known."""
    off = skill - skill.mean(axis=1, keepdims=True)
    spread = (off**2).sum(axis=1)
    found: FloatArray = np.where(
        spread > 1e-9, 100 * (off * accuracy).sum(axis=1) / np.maximum(spread, 1e-9), math.nan
    )
    return found
