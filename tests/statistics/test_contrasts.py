"""Contrasts of two arms: the figure, its interval and its test against reference implementations, and how often they err."""

from collections.abc import Mapping

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from app.statistics.contrasts import EXACT_UP_TO, Contrast, flip_test
from app.statistics.intervals import DIFFERENCE, METHOD_ONE_PASSAGE, FloatArray, mean_interval
from tests.statistics.examples import Question, by_place, contrast, contrasts, reading, right_or_wrong

ANY = np.random.default_rng(0)


def compared(first: FloatArray, second: FloatArray, *, seed: int = 7) -> Contrast:
    """Two arms with (passages, questions) right or wrong each."""
    correct: Mapping[str, Mapping[Question, float]] = {
        "debate": by_place(first),
        "consultancy": by_place(second),
    }
    return contrast("debate", "consultancy", "wary", correct, seed=seed)


def paired(
    rng: np.random.Generator, passages: int, first: float, second: float
) -> tuple[FloatArray, FloatArray]:
    """Two arms on the same 5 questions a passage, both swinging with the passage."""
    ease = rng.normal(0, 0.1, (passages, 1))
    first_right, second_right = (
        rng.random((passages, 5)) < np.clip(truth + ease + rng.normal(0, 0.1, (passages, 1)), 0, 1)
        for truth in (first, second)
    )
    return first_right.astype(np.float64), second_right.astype(np.float64)


def test_it_is_the_mean_difference_over_the_questions_of_both_arms_alone() -> None:
    correct = {
        "debate": {("p1", "q1"): 1.0, ("p1", "q2"): 0.5, ("p2", "q1"): 1.0, ("p3", "q1"): 0.0},
        "consultancy": {("p1", "q1"): 0.0, ("p1", "q2"): 0.5, ("p2", "q1"): 0.5, ("p4", "q1"): 1.0},
    }
    found = contrast("debate", "consultancy", "wary", correct, seed=1)
    assert (found.passages, found.questions) == (2, 3)
    assert found.difference == pytest.approx(0.5)
    assert (found.first_accuracy, found.second_accuracy) == pytest.approx((2.5 / 3, 1 / 3))


def test_each_pair_is_compared_for_every_judge_with_a_reading() -> None:
    readings = [reading(0.9, arm="debate", judge="wary"), reading(0.9, arm="open", judge="bold")]
    found = contrasts(readings, [("open", "naive"), ("debate", "naive")], seed=1)
    assert [(each.first, each.judge) for each in found] == [
        (arm, judge) for arm in ("open", "debate") for judge in ("bold", "wary")
    ]


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_its_interval_is_as_sure_as_asked_for(confidence: float) -> None:
    first, second = paired(np.random.default_rng(3), 20, 0.7, 0.6)
    correct = {"debate": by_place(first), "consultancy": by_place(second)}
    found = contrast("debate", "consultancy", "wary", correct, seed=1, confidence=confidence)
    differences = np.array(list(by_place(first - second).values()))
    expected = mean_interval(differences, np.repeat(np.arange(20), 5), DIFFERENCE, confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.confidence == confidence


@pytest.mark.parametrize(("passages", "how"), [(13, "every flip"), (14, "10,000 drawn flips")])
def test_it_says_whether_every_flip_was_tried(passages: int, how: str) -> None:
    found = compared(*paired(np.random.default_rng(4), passages, 0.7, 0.6))
    assert found.test == f"permutation test, signs flipped by passage, {how}, mid-p"


def test_exchanging_the_arms_exchanges_the_signs_and_keeps_the_test() -> None:
    arms = paired(np.random.default_rng(1), 30, 0.7, 0.6)
    there, back = compared(*arms), compared(*arms[::-1])
    assert there.difference is not None
    assert there.low is not None
    assert there.high is not None
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low)
    )
    assert back.p == pytest.approx(there.p, abs=0.02)


def test_without_a_common_question_it_says_so() -> None:
    found = contrast("debate", "naive", "wary", {"debate": {("p", "q"): 1.0}}, seed=1)
    assert (found.questions, found.difference, found.p) == (0, None, None)
    assert found.reason == "No question was judged under both arms."


def test_one_passage_tells_nothing_about_others_and_is_not_tested() -> None:
    found = compared(np.ones((1, 9)), np.zeros((1, 9)))
    assert (found.difference, found.low, found.high, found.p) == (1.0, -1.0, 1.0, None)
    assert found.method == METHOD_ONE_PASSAGE


def test_the_same_names_give_the_same_draws() -> None:
    arms = paired(np.random.default_rng(2), 40, 0.7, 0.6)
    assert compared(*arms) == compared(*arms)
    assert compared(*arms).p != compared(*arms, seed=8).p


@pytest.mark.parametrize("passages", [2, 5, 8, 12])
def test_with_few_passages_p_is_that_of_scipys_exact_permutation_test_less_half_of_the_ties(
    passages: int,
) -> None:
    totals = np.random.default_rng(passages).integers(-2, 4, passages).astype(np.float64)
    exact = scipy.stats.permutation_test(
        (totals,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    as_far = np.mean(np.isclose(np.abs(exact.null_distribution), abs(totals.sum())))
    assert flip_test(totals, ANY) == pytest.approx(exact.pvalue - as_far / 2)


@pytest.mark.parametrize(("won", "lost"), [(9, 1), (7, 3), (5, 5), (12, 0)])
def test_one_question_a_passage_gives_mcnemars_mid_p(won: int, lost: int) -> None:
    """Fagerland, Lydersen and Laake 2013, eq. 4: the exact p-value less the point probability."""
    totals = np.array([1.0] * won + [-1.0] * lost + [0.0])
    point = scipy.stats.binom.pmf(min(won, lost), won + lost, 0.5)
    exact = min(1.0, 2 * scipy.stats.binom.cdf(min(won, lost), won + lost, 0.5))
    expected = exact - point if won != lost else 1 - point / 2
    assert flip_test(totals, ANY) == pytest.approx(expected)


def test_with_many_passages_p_is_near_that_of_scipys_drawn_permutation_test() -> None:
    totals = np.random.default_rng(5).normal(0.3, 1, 40)
    drawn = scipy.stats.permutation_test(
        (totals,), np.sum, permutation_type="samples", n_resamples=50_000, rng=np.random.default_rng(1)
    )
    assert flip_test(totals, np.random.default_rng(2)) == pytest.approx(drawn.pvalue, abs=0.01)


def test_the_observed_signs_count_among_the_drawn_ones_so_that_p_is_never_zero() -> None:
    """No drawn flip of 60 equal differences is as far from 0: only the observed one of the 10,001 (Phipson and Smyth 2010)."""
    assert flip_test(np.ones(60), np.random.default_rng(1)) == 0.5 / 10_001


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.1, 0.2, 1 / 3, 1.0]), min_size=1, max_size=EXACT_UP_TO))
def test_p_never_depends_on_the_order_of_passages_nor_on_passages_without_a_difference(
    totals: list[float],
) -> None:
    held = flip_test(np.array(totals), ANY)
    assert 0 < held <= 1
    assert flip_test(np.array(sorted(totals)), ANY) == held
    assert flip_test(np.array([total for total in totals if total] or [0.0]), ANY) == held


@pytest.mark.parametrize("passages", [8, 40])
@pytest.mark.parametrize(("first", "second"), [(0.75, 0.6), (0.9, 0.85), (0.95, 0.95), (0.6, 0.6)])
def test_intervals_hold_the_true_difference_as_often_as_they_say(
    passages: int, first: float, second: float
) -> None:
    rng = np.random.default_rng(round(1000 * first + passages))
    large = paired(rng, 100_000, first, second)
    truth = float(large[0].mean() - large[1].mean())
    found = [compared(*paired(rng, passages, first, second)) for _ in range(400)]
    held = [
        each.low <= truth <= each.high for each in found if each.low is not None and each.high is not None
    ]
    assert len(held) == 400
    assert np.mean(held) >= 0.93


@pytest.mark.parametrize("passages", [8, 30])
def test_arms_that_do_not_differ_are_told_apart_no_oftener_than_the_level_says(passages: int) -> None:
    rng = np.random.default_rng(passages)
    found = [compared(*paired(rng, passages, 0.7, 0.7)).p for _ in range(600)]
    assert np.mean([p is not None and p <= 0.05 for p in found]) <= 0.07


def test_questions_that_rise_and_fall_with_their_passage_count_as_one() -> None:
    """Five questions a passage that all agree give the p of one question a passage."""
    first, second = (right_or_wrong(np.random.default_rng(seed), 12, 1, 0.6, 0.2) for seed in (3, 4))
    assert compared(first, second).p == compared(np.repeat(first, 5, axis=1), np.repeat(second, 5, axis=1)).p
