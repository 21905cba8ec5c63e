"""Power is held to published and hand-computed figures."""

import pytest

from app.statistics.power import (
    design_effect,
    questions_needed,
    questions_on,
    questions_per_arm,
    smallest_difference,
)


@pytest.mark.parametrize(
    ("difference", "discordance", "questions"), [(0.10, 0.30, 228), (0.05, 0.25, 777), (0.03, 0.20, 1736)]
)
def test_pairs_need_as_many_questions_as_the_formula_says(
    difference: float, discordance: float, questions: int
) -> None:
    assert questions_needed(difference, discordance) == questions


def test_arms_that_share_no_question_need_more() -> None:
    assert questions_per_arm(0.84, 0.74) == questions_per_arm(0.74, 0.84) == 257


@pytest.mark.parametrize("questions", [100, 228, 2000])
@pytest.mark.parametrize("per_passage", [1, 5, 18.5])
def test_the_smallest_difference_is_the_one_that_needs_just_these_questions(
    questions: int, per_passage: float
) -> None:
    found = smallest_difference(questions, 0.3, per_passage=per_passage)
    assert found is not None
    assert questions_needed(found, 0.3, per_passage=per_passage) == questions


def test_questions_that_share_passages_count_for_less() -> None:
    assert design_effect(1, 0.1) == design_effect(0.5, 0.1) == 1
    assert design_effect(11, 0.1) == pytest.approx(2)
    assert questions_needed(0.10, 0.30, per_passage=11, correlation=0.1) == round(2 * 227.63)


def test_too_few_questions_show_nothing() -> None:
    assert smallest_difference(5, 0.3) is None
    assert smallest_difference(0, 0.3) is None
    assert smallest_difference(0, 1.0) is None


@pytest.mark.parametrize(("difference", "discordance"), [(0.0, 0.3), (0.3, 0.3), (0.4, 0.3), (0.5, 1.1)])
def test_impossible_differences_are_refused(difference: float, discordance: float) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        questions_needed(difference, discordance)


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (1.2, 0.5)])
def test_impossible_accuracies_are_refused(first: float, second: float) -> None:
    with pytest.raises(ValueError, match="two different shares"):
        questions_per_arm(first, second)


@pytest.mark.parametrize("passages", [30, 60, 1000])
def test_questions_spread_over_given_passages_can_just_show_the_difference(passages: int) -> None:
    questions = questions_on(passages, 0.10, 0.30)
    assert questions is not None
    found = smallest_difference(questions, 0.30, per_passage=max(questions / passages, 1))
    assert found == pytest.approx(0.10, rel=0.01)


def test_too_few_passages_show_nothing_however_many_questions_there_are() -> None:
    assert questions_on(22, 0.10, 0.30) is None
    found = smallest_difference(10**6, 0.30, per_passage=10**6 / 22)
    assert found is not None
    assert found > 0.10


def test_passages_that_would_need_endless_questions_are_too_few() -> None:
    """228 questions of which those on one passage correlate by a quarter weigh as at most 57 passages do."""
    assert questions_on(57, 0.10, 0.30, correlation=0.25) is None
    assert questions_on(58, 0.10, 0.30, correlation=0.25) == round(228 * 0.75 / (1 - 57 / 58))
