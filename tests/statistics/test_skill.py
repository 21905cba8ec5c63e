"""Bradley–Terry fits are held to statsmodels, to cases worked by hand, and to simulations with planted skills."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.resampling import Clusters
from app.statistics.skill import POINTS, Matches, design_of, fitted, skills

NO_PERSON = -1


def league(
    rng: np.random.Generator,
    for_gold: FloatArray,
    against: FloatArray,
    passages: int,
    each: int,
    *,
    side: float = 0.4,
    length: float = 0.5,
    spread: float = 0.0,
    self_play: bool = True,
) -> tuple[Matches, IntArray]:
    """Every two participants on every question, both ways round and in both orders; skills in logits."""
    count = for_gold.size
    pairs = [(i, j) for i in range(count) for j in range(count) if self_play or i != j]
    questions = passages * each
    honest, other = (np.tile(np.repeat([pair[at] for pair in pairs], 2), questions) for at in (0, 1))
    size = honest.size
    first = np.tile([0.5, -0.5], size // 2)
    passage = np.repeat(np.arange(passages), size // passages)
    words = np.repeat(rng.normal(0, 0.5, size // 2), 2)
    shift = rng.normal(0, spread, passages)[passage] if spread else 0.0
    logits = for_gold[honest] - against[other] + side * first + length * words + shift
    won = (rng.random(size) < expit(logits)).astype(np.float64)
    return Matches(honest, other, first, words, won, count), passage


def test_the_fit_is_that_of_statsmodels_with_ties_as_halves() -> None:
    rng = np.random.default_rng(1)
    matches, _ = league(rng, np.array([0.0, 0.5, 1.0]), np.array([-0.3, 0.2, 0.9]), 20, 2)
    won = np.where(rng.random(matches.won.size) < 0.1, 0.5, matches.won)
    design = design_of(matches)
    assert design is not None
    weights = rng.integers(1, 4, won.size).astype(np.float64)
    found = fitted(design.columns, won, weights)
    theirs = sm.GLM(won, design.columns, family=sm.families.Binomial(), freq_weights=weights).fit(tol=1e-12)
    assert not found.penalised
    assert found.terms == pytest.approx(theirs.params, abs=1e-6)
    whole = matches.won
    plain = sm.Logit(whole, design.columns).fit(disp=0, tol=1e-12, maxiter=100)
    assert fitted(design.columns, whole, np.ones(whole.size)).terms == pytest.approx(plain.params, abs=1e-6)


def test_two_participants_by_hand() -> None:
    """One wins 3 of 4 for gold and the other 1 of 4: half of the difference of logits is skill, half of their sum the advantage."""
    honest = np.repeat([0, 1], 4)
    won = np.array([1, 1, 1, 0, 1, 0, 0, 0.0])
    first = np.tile([0.5, -0.5], 4)
    matches = Matches(honest, 1 - honest, first * 0, np.full(8, math.nan), won, 2)
    found = skills(
        matches, Clusters.of(np.zeros(8, int), np.full(8, NO_PERSON)), np.random.default_rng(2), 10
    )
    assert found is not None
    # Both terms do not vary: gold is listed at no side, and words are not known.
    assert found.constant == ["side", "length"]
    assert dict(zip(found.names, found.values.tolist(), strict=True)) == {
        ("skill", 0): 0,
        ("skill", 1): pytest.approx(-POINTS * math.log(3)),
        ("advantage", -1): pytest.approx(0),
    }
    assert not found.own_advantages
    assert np.isnan(found.low).all(), "one passage says nothing about others"


def test_own_advantages_need_a_third_participant_or_self_play() -> None:
    rng = np.random.default_rng(3)
    even = np.zeros(2)
    without = design_of(league(rng, even, even, 10, 2, self_play=False)[0])
    with_it = design_of(league(rng, even, even, 10, 2)[0])
    three = design_of(league(rng, np.zeros(3), np.zeros(3), 10, 2, self_play=False)[0])
    assert without is not None
    assert with_it is not None
    assert three is not None
    assert [each.own_advantages for each in (without, with_it, three)] == [False, True, True]


def test_participants_who_never_met_are_refused() -> None:
    matches, passage = league(np.random.default_rng(4), np.zeros(4), np.zeros(4), 10, 2)
    apart = matches.where((matches.honest < 2) == (matches.other < 2))
    assert design_of(apart) is None
    clusters = Clusters.of(
        passage[(matches.honest < 2) == (matches.other < 2)], np.full(apart.won.size, NO_PERSON)
    )
    assert skills(apart, clusters, np.random.default_rng(5), 10) is None


def test_who_always_wins_gets_a_penalised_fit() -> None:
    matches, passage = league(np.random.default_rng(6), np.zeros(2), np.zeros(2), 10, 2, self_play=False)
    sure = Matches(
        matches.honest,
        matches.other,
        matches.first,
        matches.length,
        (matches.honest == 0).astype(float),
        2,
    )
    found = skills(sure, Clusters.of(passage, np.full(passage.size, NO_PERSON)), np.random.default_rng(7), 20)
    assert found is not None
    assert found.penalised
    assert found.penalised_draws == 20
    # Finite, and far below the participant who always wins.
    assert -3000 < found.values[1] < -400
    # The outcome is the same in both orders: the term for the side listed first is 0 in every draw, and has no limits.
    limited = {name for name, high in zip(found.names, found.high, strict=True) if np.isfinite(high)}
    assert limited == {("skill", 1), ("advantage", -1), ("length", -1)}


def test_planted_skills_side_and_length_are_recovered() -> None:
    """Twenty runs: each figure lies within its limits in nearly all, and the mean of estimates is near the truth."""
    rng = np.random.default_rng(8)
    for_gold, against = np.array([0.0, 0.4, 0.9, 1.3]), np.array([-0.2, 0.1, 0.5, 1.1])
    middle = (for_gold + against) / 2
    truth = {
        **{("skill", at): float(middle[at] - middle[0]) for at in range(4)},
        **{("for gold", at): float(for_gold[at] - middle[0]) for at in range(4)},
        **{("against gold", at): float(against[at] - middle[0]) for at in range(4)},
        ("advantage", -1): float((for_gold - against).mean()),
        ("side", -1): 0.4,
        ("length", -1): 0.5,
    }
    inside, estimates = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0.0)
    runs = 20
    for run in range(runs):
        matches, passage = league(rng, for_gold, against, 25, 2, spread=0.0)
        clusters = Clusters.of(passage, np.full(passage.size, NO_PERSON))
        found = skills(matches, clusters, np.random.default_rng(run), 150)
        assert found is not None
        for name, value, low, high in zip(found.names, found.values, found.low, found.high, strict=True):
            inside[name] += bool(low <= POINTS * truth[name] <= high)
            estimates[name] += value / runs / POINTS
    limited = {name: count for name, count in inside.items() if name != ("skill", 0)}
    assert sum(limited.values()) / (runs * len(limited)) > 0.91
    assert min(limited.values()) >= 15
    assert {name: round(value, 9) for name, value in estimates.items() if name == ("skill", 0)} == {
        ("skill", 0): 0
    }
    for name, value in truth.items():
        assert estimates[name] == pytest.approx(value, abs=0.12), name


def test_limits_know_that_passages_differ() -> None:
    """Where questions of a passage favour gold together, limits of the advantage are wider than independent verdicts would give."""
    even = np.zeros(3)
    widths = []
    for spread in (0.0, 1.5):
        matches, passage = league(np.random.default_rng(9), even, even, 30, 2, spread=spread)
        clusters = Clusters.of(passage, np.full(passage.size, NO_PERSON))
        found = skills(matches, clusters, np.random.default_rng(10), 100)
        assert found is not None
        at = list(found.names).index(("advantage", -1))
        widths.append(found.high[at] - found.low[at])
    assert widths[1] > 2 * widths[0]


@pytest.mark.parametrize("aggregated", [True, False])
def test_fits_of_draws_are_full_fits(aggregated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few passages, so that draws are far from the sample and some separate won from lost."""
    rng = np.random.default_rng(11)
    matches, passage = league(rng, np.array([0.0, 1.0]), np.array([0.0, 0.8]), 6, 1, self_play=False)
    clusters = Clusters.of(passage, np.full(passage.size, NO_PERSON))
    if not aggregated:
        monkeypatch.setattr("app.statistics.skill._AT_ONCE", 150)
    found = skills(matches, clusters, np.random.default_rng(12), 60)
    design = design_of(matches)
    assert found is not None
    assert design is not None
    expected, penalised = [], 0
    for some in clusters.drawn(np.random.default_rng(12), 60):
        for weights in some:
            fit = fitted(design.columns, matches.won, weights[clusters.own])
            penalised += fit.penalised
            expected.append(POINTS * (design.report @ fit.terms))
    assert 0 < found.penalised_draws < 60
    assert (found.penalised_draws, found.undetermined_draws) == (penalised, 0)
    assert found.drawn == pytest.approx(np.array(expected), abs=0.01)
