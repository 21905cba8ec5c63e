"""Routing against curves worked by hand, and simulations in which confidence says all, or nothing."""

import numpy as np
import pytest

from app.statistics.routing import Talks, bands, curve, gain, recommended

SHARES = np.linspace(0, 1, 21)


def talks(
    confidence: list[float], model: list[float], people: list[float], passage: list[int] | None = None
) -> Talks:
    """Talks with one person each."""
    at = np.arange(len(model))
    return Talks(
        np.array(confidence),
        np.array(model),
        at if passage is None else np.array(passage),
        at,
        at % 5,
        np.array(people),
    )


def test_the_least_confident_go_first() -> None:
    own = talks([0.9, 0.6, 0.8, 0.7], [1, 0, 1, 0], [0, 1, 1, 1])
    assert curve(own, np.array([0, 0.25, 0.5, 0.75, 1])) == pytest.approx([0.5, 0.75, 1, 1, 0.75])


def test_ties_are_averaged_over_all_ways_to_break_them() -> None:
    own = talks([0.6, 0.6, 0.9], [0, 1, 1], [1, 1, 0])
    assert curve(own, np.array([0, 1 / 3, 2 / 3, 1])) == pytest.approx([2 / 3, (1 + 2 / 3) / 2, 1, 2 / 3])


def test_several_people_on_a_talk_are_averaged() -> None:
    own = Talks(
        np.array([0.6, 0.9]),
        np.array([0.0, 1.0]),
        np.arange(2),
        np.array([0, 0, 0, 1]),
        np.arange(4),
        np.array([1.0, 1.0, 0.0, 1.0]),
    )
    assert own.people == pytest.approx([2 / 3, 1])
    assert curve(own, np.array([0.5])) == pytest.approx([5 / 6])


def _simulated(informed: bool, seed: int = 1, size: int = 400) -> Talks:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1, size)
    model = (rng.random(size) < (confidence if informed else 0.75)).astype(float)
    people = (rng.random(size) < 0.8).astype(float)
    return talks(list(confidence), list(model), list(people), [at // 4 for at in range(size)])


def test_confidence_that_says_something_beats_random_routing_and_a_share_is_recommended() -> None:
    own = _simulated(informed=True)
    found = bands(own, SHARES, np.random.default_rng(2))
    line = curve(own, SHARES)
    assert found
    assert found.gain[0] > 0
    assert (found.low <= line).all()
    assert (line <= found.high).all()
    chosen = recommended(own, SHARES, np.random.default_rng(3))
    assert chosen
    assert 0.3 < chosen.share < 0.9
    assert chosen.over_model.low > 0
    assert chosen.accuracy.value <= line.max()


def test_confidence_that_says_nothing_is_routed_as_at_random() -> None:
    own = _simulated(informed=False)
    found = bands(own, SHARES, np.random.default_rng(2))
    assert found
    assert found.gain[0] < 0 < found.gain[1]
    assert abs(gain(curve(own, SHARES), SHARES)) < 0.03


def test_a_share_chosen_on_the_same_passages_would_flatter_and_is_not_reported() -> None:
    """With coins for both, the best share of a curve is above a half; on other passages it is not."""
    flattered, honest = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        own = talks(*(list(rng.random(60)), list(rng.integers(2, size=60)), list(rng.integers(2, size=60))))
        chosen = recommended(own, SHARES, rng)
        assert chosen
        flattered.append(curve(own, SHARES).max())
        honest.append(chosen.accuracy.value)
    assert np.mean(flattered) > 0.53
    assert np.mean(honest) == pytest.approx(0.5, abs=0.02)


def test_few_passages_have_no_recommended_share_and_one_has_no_band() -> None:
    few = talks([0.6, 0.9, 0.7], [0, 1, 1], [1, 1, 0])
    assert recommended(few, SHARES, np.random.default_rng(1)) is None
    one = talks([0.6, 0.9, 0.7], [0, 1, 1], [1, 1, 0], [0, 0, 0])
    assert bands(one, SHARES, np.random.default_rng(1)) is None
