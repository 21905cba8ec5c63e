"""What one reading is worth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from app.statistics.scores import Scores, bits, credit, scored, turns_score
from tests.statistics.examples import Reading, of_four, reading, whole

beliefs = st.integers(0, 1024).map(lambda part: part / 1024)
"""Beliefs whose complement is exact in floats."""


def scores(given: Reading) -> Scores:
    """The scores of one verdict; gold is its first answer."""
    found = scored(np.array([given.beliefs]), whole([0]))
    return Scores(*(array[0] for array in found))


def rightness(given: Reading) -> float:
    """The worth of a choice: the same of one belief as of arrays."""
    worth = float(scores(given).right)
    assert worth == credit(given.beliefs[0], given.beliefs[1:])
    return worth


@pytest.mark.parametrize(("p_gold", "worth"), [(0.51, 1), (0.5, 0.5), (0.49, 0), (math.nextafter(0.5, 1), 1)])
def test_of_two_answers_more_than_half_is_right_and_exactly_half_is_a_tie(
    p_gold: float, worth: float
) -> None:
    assert rightness(reading(p_gold)) == worth


def test_of_four_answers_the_gold_one_must_stand_above_every_other_but_needs_no_majority() -> None:
    assert rightness(of_four(0.4, 0.3, 0.2, 0.1)) == 1
    assert rightness(of_four(0.3, 0.4, 0.2, 0.1)) == 0


def test_a_tie_of_several_answers_is_worth_what_picking_one_at_random_would_bring() -> None:
    assert rightness(of_four(0.4, 0.4, 0.1, 0.1)) == 1 / 2
    assert rightness(of_four(0.25, 0.25, 0.25, 0.25)) == 1 / 4


@given(beliefs)
def test_the_worth_of_a_belief_and_of_its_opposite_sum_to_one(p: float) -> None:
    assert rightness(reading(p)) + rightness(reading(1 - p)) == 1


@given(beliefs)
def test_brier_of_two_answers_is_that_of_scikit_learn(p: float) -> None:
    assert scores(reading(p)).brier == pytest.approx(brier_score_loss([1], [p], pos_label=1))


@given(st.permutations([0.4, 0.3, 0.2, 0.1]))
def test_brier_of_four_answers_is_that_of_scikit_learn_halved(split: list[float]) -> None:
    gold, others = split[0], sorted(split[1:], reverse=True)
    reference = brier_score_loss([0], [[gold, *others]], labels=[0, 1, 2, 3], scale_by_half=True)
    assert scores(of_four(gold, *others)).brier == pytest.approx(reference)


@given(beliefs)
def test_the_halved_sum_over_all_answers_agrees_with_the_form_for_two(p: float) -> None:
    with_two_impossible = of_four(p, 1 - p, 0.0, 0.0)
    assert scores(with_two_impossible).brier == pytest.approx(scores(reading(p)).brier)


@given(beliefs.filter(lambda p: 1e-4 <= p < 1))
def test_the_log_score_is_minus_the_log_loss_of_scikit_learn_in_bits(p: float) -> None:
    assert scores(reading(p)).log_score == pytest.approx(
        -log_loss([1], [[1 - p, p]], labels=[0, 1]) / math.log(2)
    )


def test_the_log_score_of_a_sure_mistake_is_clipped_and_of_a_sure_hit_is_zero() -> None:
    assert scores(reading(0.0)).log_score == scores(reading(1e-6)).log_score == math.log2(1e-4)
    assert scores(reading(1.0)).log_score == 0
    assert scores(reading(0.25)).log_score == -2


@pytest.mark.parametrize(
    ("beliefs", "gold"),
    [
        ((1.0, -1.0), 0),
        ((0.7, 0.7), 0),
        ((1.2, -0.2), 0),
        ((math.nan, 0.5), 0),
        ((0.7, 0.3, -1.0), 2),
    ],
)
def test_beliefs_that_cannot_be_are_refused_with_a_sentence(beliefs: tuple[float, ...], gold: int) -> None:
    with pytest.raises(ValueError, match="give one number from 0 to 1 for each of two or more answers"):
        scored(np.array([beliefs]), whole([gold]))


def test_questions_with_fewer_answers_are_padded() -> None:
    found = scored(np.array([[0.5, 0.5, -1.0], [0.4, 0.4, 0.2]]), whole([1, 0]))
    assert found.right.tolist() == [0.5, 0.5]
    assert found.brier.tolist() == pytest.approx([0.25, (0.36 + 0.16 + 0.04) / 2])


def test_a_score_in_bits_is_never_below_the_floor() -> None:
    assert bits(1) == 0
    assert bits(0.5) == -1
    assert bits(0) == pytest.approx(-13.2877, abs=1e-4)


def test_at_90_percent_a_turn_pays_where_confidence_is_expected_to_reach_92_and_not_91() -> None:
    """Michael et al. 2023, equation 1, with .05 bits a turn."""

    def expected(p: float, penalty: float) -> float:
        return p * turns_score(p, penalty) + (1 - p) * turns_score(1 - p, penalty)

    assert expected(0.91, 0.05) < expected(0.9, 0) < expected(0.92, 0.05)
    assert turns_score(0.0, 0.25) == bits(0) - 0.25
