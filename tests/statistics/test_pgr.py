"""Performance gap recovered: the figure, when it is withheld, and its interval."""

import numpy as np
import pytest
import scipy.stats

from app.statistics.intervals import FloatArray
from app.statistics.pgr import Gap
from tests.statistics.examples import Question, by_place, recovered, right_or_wrong

SEED = (7, "debate", "wary")


def share(right: int) -> dict[Question, float]:
    """1000 questions, 5 on each passage, the first `right` of them right: the rest are the last on every passage."""
    return by_place((np.arange(1000) < right).astype(np.float64).reshape(5, -1).T)


def test_the_published_accuracies_of_75_6_48_and_92_5_recover_62_percent() -> None:
    gap = recovered(share(756), share(480), share(925), seed=SEED)
    assert gap.value == pytest.approx((75.6 - 48) / (92.5 - 48))
    assert gap.value is not None
    assert round(gap.value, 2) == 0.62
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low < gap.value < gap.high


def test_a_protocol_as_good_as_the_expert_recovers_all_and_one_as_poor_as_naive_nothing() -> None:
    naive, expert = share(400), share(900)
    assert recovered(expert, naive, expert, seed=SEED) == Gap(1000, 1.0, 1.0, 1.0)
    assert recovered(naive, naive, expert, seed=SEED) == Gap(1000, 0.0, 0.0, 0.0)


def test_it_is_withheld_where_the_expert_is_not_surely_better_than_the_naive_judge() -> None:
    gap = recovered(share(500), share(480), share(485), seed=SEED)
    assert gap.value is gap.low is gap.high is None
    assert gap.reason == "The interval of expert minus naive accuracy is not wholly above 0."


def test_it_is_withheld_on_one_passage_however_clear_the_difference() -> None:
    naive, expert = by_place(np.zeros((1, 50))), by_place(np.ones((1, 50)))
    assert recovered(expert, naive, expert, seed=SEED).reason is not None


def test_it_rests_on_common_questions_alone_and_counts_them() -> None:
    protocol, naive, expert = share(756), share(480), share(925)
    elsewhere: dict[Question, float] = {("other", f"q{q}"): 0.0 for q in range(100)}
    assert recovered(protocol | elsewhere, naive, expert, seed=SEED) == recovered(
        protocol, naive, expert, seed=SEED
    )
    assert recovered(elsewhere, naive, expert, seed=SEED).questions == 0
    assert recovered(elsewhere, naive, expert, seed=SEED).reason is not None


def test_the_same_names_give_the_same_draws_and_others_give_others() -> None:
    arms = share(756), share(480), share(925)
    first, again, other = (recovered(*arms, seed=seed) for seed in (SEED, SEED, (7, "consultancy", "wary")))
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_questions_that_move_together_are_resampled_together() -> None:
    """Three arms that rise and fall with the passage recover a steady share, though each alone swings."""
    heights = np.repeat(np.linspace(0.1, 0.6, 20)[:, None], 5, axis=1)
    gap = recovered(by_place(heights + 0.2), by_place(heights), by_place(heights + 0.4), seed=SEED)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.5, 0.5, 0.5))


def one_passage_against(
    others: int, room: float
) -> tuple[dict[Question, float], dict[Question, float], dict[Question, float]]:
    """Protocol, naive and expert arm: on one passage the expert is wrong and the protocol poorer than the naive judge.

    On the `others` the expert is better by `room`, and the protocol goes from a tenth to nine tenths of the way.
    """
    way = np.linspace(0.1, 0.9, others)
    arms = ([0.25, *(room * way)], [1.0, *np.zeros(others)], [0.0, *np.full(others, room)])
    protocol, naive, expert = (by_place(np.array(arm)[:, None]) for arm in arms)
    return protocol, naive, expert


def test_its_interval_is_that_of_scipys_bootstrap_at_percentiles_widened_for_few_passages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Expanded percentiles as in Hesterberg 2015; a resample without room counts as infinitely poor or good."""
    monkeypatch.setattr("app.statistics.pgr.DRAWS", 200_000)
    arms = one_passage_against(8, 1.0)
    protocol, naive, expert = (np.array(list(arm.values())) for arm in arms)

    def ratio(gain: FloatArray, room: FloatArray, axis: int = -1) -> FloatArray:
        gains, rooms = gain.sum(axis=axis), room.sum(axis=axis)
        infinite = np.where(gains < 0, -np.inf, np.inf)
        return np.where(rooms > 0, gains / np.where(rooms > 0, rooms, 1), infinite)

    tail = scipy.stats.norm.cdf(-np.sqrt(9 / 8) * scipy.stats.t.ppf(0.975, 8))
    with np.errstate(invalid="ignore"):  # its standard error, of infinite figures
        reference = scipy.stats.bootstrap(
            (protocol - naive, expert - naive),
            ratio,
            paired=True,
            method="percentile",
            confidence_level=1 - 2 * tail,
            n_resamples=200_000,
            rng=np.random.default_rng(1),
        )
    gap = recovered(*arms, seed=SEED)
    assert gap.value == pytest.approx((protocol - naive).sum() / (expert - naive).sum())
    assert (gap.low, gap.high) == pytest.approx(tuple(reference.confidence_interval), abs=0.04)


def test_it_is_withheld_where_too_many_resamples_leave_no_room() -> None:
    gap = recovered(*one_passage_against(11, 0.5), seed=SEED)
    assert (gap.questions, gap.value, gap.low, gap.high) == (12, None, None, None)
    assert gap.reason == "In too many resamples the expert is no better than the naive judge."


def test_less_confidence_is_enough_for_a_figure_where_more_is_not_and_narrows_it() -> None:
    arms = one_passage_against(7, 1.0)
    assert recovered(*arms, seed=SEED).value is None
    wide, narrow = (recovered(*arms, seed=SEED, confidence=level) for level in (0.8, 0.6))
    assert wide.value is not None
    assert None not in (wide.low, narrow.low, narrow.high, wide.high)
    assert (wide.low or 0) < (narrow.low or 0) < (narrow.high or 0) < (wide.high or 0)


def test_its_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    held = []
    for draw in range(300):
        protocol, naive, expert = (
            by_place(right_or_wrong(rng, 20, 5, truth, 0.2)) for truth in (0.7, 0.5, 0.9)
        )
        gap = recovered(protocol, naive, expert, seed=(draw, "debate", "wary"))
        if gap.low is not None and gap.high is not None:
            held.append(gap.low <= 0.5 <= gap.high)
    assert len(held) > 290
    assert np.mean(held) >= 0.92
