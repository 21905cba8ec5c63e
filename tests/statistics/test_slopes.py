"""The slope of accuracy over skill, on matches with planted skills."""

import numpy as np
import pytest

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.skill import Matches
from app.statistics.slopes import FEW_ARMS, FEW_PASSAGES, HALF_NOT_CONNECTED, Slope, accuracy_slope
from tests.statistics.test_skill import league


def slope_of(matches: Matches, arm: IntArray, opposed: list[list[int]], passage: IntArray) -> Slope:
    """The slope with every verdict of an arm weighing alike, from 60 draws."""
    size = matches.won.size
    people = np.full(size, -1)
    rng = np.random.default_rng(1)
    return accuracy_slope(matches, arm, np.array(opposed), np.full(size, 1.0), passage, people, rng, 60)


def played(
    advantage: FloatArray, passages: int, *, skills: tuple[float, ...] = (0, 1, 2)
) -> tuple[Matches, IntArray, list[list[int]], IntArray]:
    """All pairs, with an arm for each, where the advantage of the truth may rise with skill."""
    middle = np.array(skills)
    rng = np.random.default_rng(2)
    matches, passage = league(rng, middle + advantage / 2, middle - advantage / 2, passages, 3)
    pairs = [[i, j] for i in range(middle.size) for j in range(i, middle.size)]
    both = np.sort(np.stack([matches.honest, matches.other], axis=1), axis=1)
    arm = np.array([pairs.index(pair) for pair in both.tolist()])
    return matches, arm, pairs, passage


def test_accuracy_rises_with_skill_where_the_truth_gains_more_from_it() -> None:
    """Advantages of 0, 1 and 2 logits: self-play accuracies near .5, .73 and .88 at skills 0, 174 and 347."""
    found = slope_of(*played(np.array([0.0, 1.0, 2.0]), 40))
    assert found.value == pytest.approx((0.88 - 0.5) / 3.47, abs=0.04)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.value < found.high
    assert (found.rated, found.scored, len(found.points)) == (20, 20, 3), "self-play arms alone"


def test_no_slope_where_skill_helps_both_sides_alike() -> None:
    found = slope_of(*played(np.ones(3), 40))
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


def test_halves_share_no_passage() -> None:
    """Skill of one half, accuracy of the other: verdicts that change on the scored half leave skills as they were."""
    matches, arm, pairs, passage = played(np.ones(3), 20)
    plain = slope_of(matches, arm, pairs, passage)
    halves = np.isin(passage, np.random.default_rng(1).permutation(np.arange(20))[:10])
    other = Matches(
        *(getattr(matches, n) for n in ("honest", "other", "first", "length")),
        np.where(halves, matches.won, 1.0),
        3,
    )
    changed = slope_of(other, arm, pairs, passage)
    assert [point.skill for point in changed.points] == [point.skill for point in plain.points]
    assert [point.accuracy for point in changed.points] == [1, 1, 1]
    assert changed.value == pytest.approx(0)


def test_reasons_where_there_is_no_slope() -> None:
    matches, arm, pairs, passage = played(np.ones(3), 10)
    assert slope_of(matches, arm, pairs, passage * 0).reason == FEW_PASSAGES
    two = (matches.honest < 2) & (matches.other < 2) & (matches.honest != matches.other)
    assert slope_of(matches.where(two), arm[two], pairs, passage[two]).reason == FEW_ARMS
    apart = matches.honest == matches.other
    assert slope_of(matches.where(apart), arm[apart], pairs, passage[apart]).reason == HALF_NOT_CONNECTED
