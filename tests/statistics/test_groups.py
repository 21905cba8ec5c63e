"""Groups of judges, against Condorcet's formula, cases worked by hand and simulated people."""

import math
from itertools import combinations

import numpy as np
import pytest

from app.statistics.groups import MOST_SUBSETS, RULES, Pools, grouped, spread_of_judges, subsets, widened

RNG = np.random.default_rng(7)


def pools(p_gold: list[list[float]]) -> Pools:
    """Items with two answers, the first of them right."""
    p = np.array(p_gold)
    beliefs = np.stack([p, 1 - p], axis=2)
    members = np.tile(np.arange(p.shape[1]), (len(p), 1))
    return Pools(beliefs, np.zeros(len(p), dtype=np.int64), members, np.full(len(p), 1 / len(p)))


def test_groups_of_one_are_the_judges_themselves_and_that_of_all_is_one_group() -> None:
    found = grouped(pools([[0.9, 0.4, 0.2]]), 3, RNG)
    assert found.groups.tolist() == [3, 3, 1]
    assert not found.drawn
    for rule in RULES:
        assert found.value[rule][0, 0] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("rule", "three", "two"),
    [
        # .9 against .45 and .4: one vote of three. Pairs: two are tied, one is wrong.
        ("majority", 0.0, (0.5 + 0.5 + 0) / 3),
        # The mean of all is .583; of pairs .675, .65 and .425.
        ("mean", 1.0, 2 / 3),
        # Log-odds are 2.20, -.20 and -.41.
        ("log-odds", 1.0, 2 / 3),
        # .9 against .55 + .6; pairs: .9 beats .55 and .6.
        ("confidence", 0.0, 2 / 3),
    ],
)
def test_each_rule_decides_as_worked_by_hand(rule: str, three: float, two: float) -> None:
    found = grouped(pools([[0.9, 0.45, 0.4]]), 3, RNG)
    assert found.value[rule][0, 1:].tolist() == pytest.approx([two, three])


def test_log_odds_trust_a_sure_member_more_than_the_mean_does() -> None:
    # Sums of log-odds: 4.6 - 2 × 2.2 > 0. Sum of beliefs: .99 + 2 × .1 < 1.5.
    found = grouped(pools([[0.99, 0.1, 0.1]]), 3, RNG)
    assert found.value["log-odds"][0, 2] == 1
    assert found.value["mean"][0, 2] == 0


def test_beliefs_of_zero_count_as_the_floor_and_padded_answers_are_never_chosen() -> None:
    beliefs = np.array([[[0.0, 1.0, -1.0], [0.9999, 0.0001, -1.0], [0.6, 0.4, -1.0]]])
    one = Pools(beliefs, np.array([0]), np.array([[0, 1, 2]]), np.ones(1))
    found = grouped(one, 3, RNG)
    assert all(np.isfinite(found.value[rule]).all() for rule in RULES)
    assert found.value["log-odds"][0, 2] == 1
    assert found.value["majority"][0, 2] == 1


def test_a_tie_of_several_answers_is_a_share() -> None:
    beliefs = np.array([[[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]])
    found = grouped(Pools(beliefs, np.array([2]), np.array([[0, 1, 2]]), np.ones(1)), 3, RNG)
    for rule in RULES:
        assert found.value[rule][0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_majorities_of_independent_judges_follow_condorcet() -> None:
    p, items = 0.7, 20_000
    right = np.random.default_rng(1).random((items, 5)) < p
    found = grouped(pools(np.where(right, 0.8, 0.2).tolist()), 5, RNG)
    for size in (3, 5):
        formula = sum(
            math.comb(size, k) * p**k * (1 - p) ** (size - k) for k in range(size // 2 + 1, size + 1)
        )
        assert found.value["majority"][:, size - 1].mean() == pytest.approx(formula, abs=0.01)


def test_the_value_of_a_size_is_the_mean_over_every_subset() -> None:
    p = np.random.default_rng(2).random((4, 6))
    found = grouped(pools(p.tolist()), 6, RNG)
    for size in range(1, 7):
        wanted = [
            np.mean([float(p[item, list(group)].mean() > 0.5) for group in combinations(range(6), size)])
            for item in range(4)
        ]
        assert found.value["mean"][:, size - 1].tolist() == pytest.approx(wanted)


def test_many_subsets_are_drawn_and_each_has_its_size() -> None:
    masks, drawn = subsets(20, 10, np.random.default_rng(3))
    assert drawn
    assert masks.shape == (MOST_SUBSETS, 20)
    assert (masks.sum(axis=1) == 10).all()
    masks, drawn = subsets(20, 1, np.random.default_rng(3))
    assert not drawn
    assert len(masks) == 20


def test_leaving_out_a_judge_gives_the_mean_over_the_groups_of_the_others() -> None:
    p = np.random.default_rng(4).random((5, 4))
    whole = grouped(pools(p.tolist()), 4, RNG, judges=4)
    for judge in range(4):
        others = grouped(pools(np.delete(p, judge, axis=1).tolist()), 3, RNG)
        for rule in RULES:
            mean = whole.value[rule].mean(axis=0)[:3]
            changed = mean + whole.changes[rule][judge, :3]
            assert changed.tolist() == pytest.approx(others.value[rule].mean(axis=0).tolist())
    assert whole.gone[:, :3].tolist() == [[0.0] * 3] * 4
    assert whole.gone[:, 3].tolist() == pytest.approx([1.0] * 4)
    assert spread_of_judges(0.5, whole.changes["mean"][:, 3], whole.gone[:, 3]) is None


def test_the_spread_of_single_judges_is_the_variance_of_their_mean() -> None:
    right = np.array([[1, 1, 0, 1], [0, 1, 0, 1], [1, 1, 0, 0]], dtype=float)
    found = grouped(pools(np.where(right == 1, 0.9, 0.1).tolist()), 1, RNG, judges=4)
    variance = spread_of_judges(right.mean(), found.changes["mean"][:, 0], found.gone[:, 0])
    assert variance == pytest.approx(right.mean(axis=0).var(ddof=1) / 4)


def test_intervals_for_new_people_are_wider_and_stay_on_the_scale() -> None:
    low, high = widened(0.8, 0.7, 0.9, 0.0, 5)
    assert (low, high) == pytest.approx((0.7, 0.9))
    low, high = widened(0.95, 0.9, 0.98, 0.04, 5)
    assert low < 0.9
    assert high == 1.0
