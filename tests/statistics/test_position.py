"""Position and noise, on judges whose habits are known."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.statistics.intervals import METHOD_ONE_PASSAGE
from app.statistics.position import chance, chose_first, overlap, pairs, share, tops


def array(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_ties_have_several_tops_and_padding_has_none():
    beliefs = np.array([[0.7, 0.3, -1], [0.5, 0.5, -1], [0.2, 0.4, 0.4]])
    assert tops(beliefs).tolist() == [[True, False, False], [True, True, False], [False, True, True]]


def test_the_first_listed_answer_is_chosen_by_the_reading_order_not_by_the_trials():
    top = tops(np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.1, 0.9]]))
    assert chose_first(top, array(0, 1, 1, 1)).tolist() == [1, 0, 0.5, 1]


def test_a_share_averages_within_questions_first():
    """Three verdicts on one question count as much as one on another."""
    found = share(np.array([1.0, 1, 1, 0]), array(7, 7, 7, 9), array(0, 0, 0, 1))
    assert found.value == 0.5
    assert found.low < 0.5 < found.high
    assert share(np.array([1.0, 0.0]), array(1, 2), array(5, 5)).method == METHOD_ONE_PASSAGE


def test_pairs_are_of_one_judging_and_of_the_orders_asked_for():
    judging, order = array(4, 4, 9, 4, 4, 9, 1), array(0, 1, 0, 0, 1, 1, 0)
    same = {frozenset(pair) for pair in zip(*pairs(judging, order, same_order=True), strict=True)}
    other = {frozenset(pair) for pair in zip(*pairs(judging, order, same_order=False), strict=True)}
    assert same == {frozenset(pair) for pair in ((0, 3), (1, 4))}
    assert other == {frozenset(pair) for pair in ((0, 1), (0, 4), (3, 1), (3, 4), (2, 5))}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=20))
def test_pairs_are_all_pairs(rows):
    judging, order = (array(*column) for column in (zip(*rows, strict=True) if rows else ([], [])))
    for same in (True, False):
        found = sorted(
            tuple(sorted(pair)) for pair in zip(*pairs(judging, order, same_order=same), strict=True)
        )
        assert found == [
            (a, b)
            for a, b in itertools.combinations(range(len(rows)), 2)
            if rows[a][0] == rows[b][0] and (rows[a][1] == rows[b][1]) == same
        ]


def test_choices_agree_wholly_not_at_all_or_by_half_with_a_tie():
    top = tops(np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.5, 0.5], [0.5, 0.5]]))
    assert overlap(top, array(0, 0, 0, 3), array(1, 2, 3, 4)).tolist() == [1, 0, 0.5, 1]


def test_chance_is_one_over_the_answers_each_question_once():
    assert chance(array(2, 2, 4), array(1, 1, 2)) == 0.375


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_flips_by_order_are_told_apart_from_noise(noise):
    """A judge who picks the first-listed answer, but for noise: orders disagree, identical readings differ by
    twice noise times the rest.
    """
    rng, questions = np.random.default_rng(5), 2000
    question = np.repeat(np.arange(questions), 4)
    order = np.tile([0, 1, 0, 1], questions)
    chosen = np.where(rng.random(order.size) < noise, 1 - order, order)
    top = tops(np.eye(2)[chosen])
    first = chose_first(top, order)
    assert share(first, question, question).value == pytest.approx(1 - noise, abs=0.015)
    differ = 2 * noise * (1 - noise)
    for same, expected in ((True, differ), (False, 1 - differ)):
        one, two = pairs(question, order, same_order=same)
        flips = 1 - overlap(top, one, two)
        assert share(flips, question[one], question[one]).value == pytest.approx(expected, abs=0.02)
