"""Bonuses by scoring rules: against closed forms, and simulations in which telling the truth earns most."""

import math

import numpy as np
import pytest

from app.statistics import bonus
from app.statistics.bonus import RULES, Earned, earned
from app.statistics.scores import BELIEF_FLOOR


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.75, 1.0])
def test_scores_of_two_answers_have_closed_forms(p: float) -> None:
    belief = (p, 1 - p)
    assert bonus.brier(belief, 0) == pytest.approx(1 - (1 - p) ** 2)
    assert bonus.log(belief, 0) == pytest.approx(1 - math.log(max(p, 1e-4)) / math.log(1e-4))
    assert bonus.spherical(belief, 0) == pytest.approx(p / math.hypot(p, 1 - p))


def test_scores_of_more_answers_have_closed_forms() -> None:
    belief = (0.5, 0.3, 0.2)
    assert bonus.brier(belief, 1) == pytest.approx(1 - (0.25 + 0.49 + 0.04) / 2)
    assert bonus.spherical(belief, 1) == pytest.approx(0.3 / math.sqrt(0.38))
    assert bonus.log(belief, 1) == pytest.approx(1 - math.log(0.3) / math.log(BELIEF_FLOOR))


@pytest.mark.parametrize("rule", RULES)
def test_every_score_lies_between_certain_and_wrong_and_certain_and_right(rule: str) -> None:
    score = RULES[rule]
    assert score((1.0, 0.0, 0.0), 0) == 1
    assert score((1.0, 0.0, 0.0), 1) == 0
    draws = np.random.default_rng(1).dirichlet((1, 1, 1), 200)
    assert all(0 <= score(belief, 2) <= 1 for belief in draws.tolist())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("truth", [0.03, 0.2, 0.5, 0.66, 0.9])
def test_the_truth_is_expected_to_score_most(rule: str, truth: float) -> None:
    """Over every whole percentage that can be stated, in expectation and without simulation."""
    stated = np.arange(101) / 100
    expected = [truth * RULES[rule]((q, 1 - q), 0) + (1 - truth) * RULES[rule]((q, 1 - q), 1) for q in stated]
    assert stated[int(np.argmax(expected))] == pytest.approx(truth)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("binarised", [False, True])
def test_a_simulated_judge_earns_most_by_telling_the_truth(rule: str, binarised: bool) -> None:
    """40 trials of a judge who knows the chance of being right, in 4,000 lives: the truth against exaggeration and against 50/50."""
    rng, trials, lives = np.random.default_rng(7), 40, 4000
    truth = rng.uniform(0.5, 0.95, trials)
    happened = rng.uniform(size=(lives, trials)) < truth
    means = {}
    for name, stated in {
        "truth": truth,
        "extreme": np.where(truth > 0.5, 0.99, 0.01),
        "even": np.full(trials, 0.5),
    }.items():
        each = np.array([[RULES[rule]((q, 1 - q), gold) for gold in (1, 0)] for q in stated])
        found = np.where(happened, each[:, 1], each[:, 0])
        if binarised:
            drawn = rng.integers(trials, size=lives)
            means[name] = (rng.uniform(size=lives) < found[np.arange(lives), drawn]).mean()
        else:
            means[name] = found.mean(axis=1).mean()
    margin = 3 * 0.5 / math.sqrt(lives) if binarised else 0
    assert means["truth"] > means["even"] - margin
    assert means["truth"] > means["extreme"] - margin
    assert means["truth"] > (means["even"] + means["extreme"]) / 2


def test_the_drawn_verdict_wins_with_the_chance_of_its_score() -> None:
    """The draws of `earned` itself: over 20,000 seeds each of three trials is drawn alike, and wins as often as it scored."""
    scores, seeds = {"a": 0.9, "b": 0.4, "c": 0.1}, 20_000
    found = [earned(scores, 3, binarised=True, seed=seed) for seed in range(seeds)]
    for key, score in scores.items():
        drawn = [one.share for one in found if one.drawn == key]
        assert len(drawn) / seeds == pytest.approx(1 / 3, abs=4 * math.sqrt(2 / 9 / seeds))
        assert np.mean(drawn) == pytest.approx(score, abs=4 * math.sqrt(0.25 / len(drawn)))
    assert {one.share for one in found} == {0.0, 1.0}
    assert np.mean([one.share for one in found]) == pytest.approx(found[0].mean, abs=0.015)


def test_trials_that_were_promised_and_not_done_earn_nothing() -> None:
    assert earned({"a": 1.0}, 4, binarised=False, seed=1) == Earned(0.25, 0.25, 1)
    found = [earned({"a": 1.0}, 4, binarised=True, seed=seed) for seed in range(4000)]
    assert np.mean([one.share for one in found]) == pytest.approx(0.25, abs=0.03)
    assert earned({}, 4, binarised=True, seed=1) == Earned(0.0, 0.0, 0)
    assert earned({}, 4, binarised=False, seed=1).share == 0


def test_the_same_seed_draws_the_same_whatever_the_order() -> None:
    one = [earned({"a": 0.5, "b": 0.6}, 2, binarised=True, seed=seed) for seed in range(50)]
    assert one == [earned({"b": 0.6, "a": 0.5}, 2, binarised=True, seed=seed) for seed in range(50)]
    assert len(set(one)) > 2
