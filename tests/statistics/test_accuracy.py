"""From readings to a cell: averages, counts, and what must not change a figure."""

import random
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.statistics.accuracy import Cell
from tests.statistics.examples import Reading, all_cells, means, reading

beliefs = st.integers(0, 16).map(lambda part: part / 16)


@st.composite
def trials(draw: st.DrawFn) -> list[Reading]:
    """Both orders, both assignments and two replicates of 2 questions on each of 3 passages."""
    places = [(p, q, a, r, o) for p in "xyz" for q in "mn" for a in (0, 1) for r in (0, 1) for o in (0, 1)]
    return [
        reading(draw(beliefs), passage=p, question=q, assignment=a, replicate=r, order=o)
        for p, q, a, r, o in places
    ]


def only_cell(readings: list[Reading]) -> Cell:
    (cell,) = all_cells(readings)
    return cell


def test_each_order_is_thresholded_by_itself_and_then_averaged() -> None:
    """0.9 and 0.3 average to 0.6, which an ensemble would call right; the two readings are right once in two."""
    cell = only_cell([reading(0.9, order=0), reading(0.3, order=1)])
    assert (cell.accuracy, cell.correct, cell.verdicts) == (0.5, 1, 2)


def test_orders_are_averaged_before_assignments_and_assignments_before_replicates() -> None:
    right, wrong = 0.9, 0.1
    readings = [
        reading(right, replicate=0, assignment=0, order=0),
        reading(wrong, replicate=0, assignment=0, order=1),
        reading(right, replicate=0, assignment=1, order=0),
        reading(wrong, replicate=1, assignment=0, order=0),
    ]
    replicate_0 = ((1 + 0) / 2 + 1) / 2
    assert means(readings) == {("p1", "q1"): (replicate_0 + 0) / 2}


def test_every_question_weighs_the_same_however_often_it_was_read() -> None:
    often = [reading(0.9, question="often", replicate=r) for r in range(9)]
    assert only_cell([*often, reading(0.1, question="once")]).accuracy == 0.5


def test_consultancy_is_the_mean_of_arguing_for_gold_and_against_it() -> None:
    readings = [reading(p, assignment=a, question=q) for q in "mn" for a, p in ((0, 0.9), (1, 0.2))]
    assert only_cell(readings).accuracy == 0.5


def test_talks_of_several_judges_under_one_assignment_are_averaged_before_assignments() -> None:
    readings = [
        replace(reading(0.9, assignment=0), talk="first"),
        replace(reading(0.1, assignment=0), talk="second"),
        replace(reading(0.9, assignment=1), talk="first"),
    ]
    assert means(readings) == {("p1", "q1"): (1 / 2 + 1) / 2}
    with pytest.raises(ValueError, match="two readings"):
        means([readings[0], readings[0]])


def test_where_sides_are_chosen_every_question_counts_as_it_was_chosen_and_no_half_is_weighed_up() -> None:
    """Nine advocates chose rightly and convinced, one wrongly and convinced: 90%, and not the mean of 100% and 0%."""
    chosen = [reading(0.9 if at else 0.1, passage=f"p{at}") for at in range(10)]
    assert only_cell(chosen).accuracy == pytest.approx(0.9)


def test_ties_count_half_in_the_accuracy_and_are_not_correct() -> None:
    cell = only_cell([reading(0.5, question="m"), reading(0.8, question="n")])
    assert (cell.accuracy, cell.correct, cell.ties, cell.verdicts) == (0.75, 1, 1, 2)


def test_scores_are_averaged_like_accuracy() -> None:
    cell = only_cell(
        [reading(0.5, question="m"), reading(0.25, question="n"), reading(0.25, question="n", order=1)]
    )
    assert cell.log_score == -1.5
    assert cell.brier == (0.25 + 0.5625) / 2
    assert cell.log_score_low < cell.log_score < cell.log_score_high <= 0
    assert cell.brier_low < cell.brier < cell.brier_high


def test_questions_of_one_name_on_two_passages_are_two() -> None:
    cell = only_cell([reading(0.9, passage="x"), reading(0.1, passage="y")])
    assert (cell.passages, cell.questions) == (2, 2)


def test_a_reading_given_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="count each reading once"):
        only_cell([reading(0.9), reading(0.9)])


@given(trials(), st.randoms())
def test_the_order_in_which_readings_arrive_changes_no_bit(
    readings: list[Reading], shuffler: random.Random
) -> None:
    shuffled = shuffler.sample(readings, len(readings))
    assert only_cell(shuffled) == only_cell(readings)


@given(trials())
def test_exchanging_the_names_of_orders_assignments_and_replicates_changes_no_bit(
    readings: list[Reading],
) -> None:
    renamed = [
        replace(r, order=1 - r.order, assignment=1 - r.assignment, replicate=1 - r.replicate)
        for r in readings
    ]
    assert only_cell(renamed) == only_cell(readings)


@given(trials())
def test_accuracy_of_a_judge_and_of_one_who_believes_the_opposite_sum_to_one(
    readings: list[Reading],
) -> None:
    opposite = [replace(r, beliefs=r.beliefs[::-1]) for r in readings]
    assert only_cell(readings).accuracy + only_cell(opposite).accuracy == pytest.approx(1)


@given(trials())
def test_reading_everything_again_in_another_order_with_the_same_beliefs_narrows_nothing(
    readings: list[Reading],
) -> None:
    once = only_cell(readings)
    twice = only_cell([*readings, *(replace(r, order=r.order + 2) for r in readings)])
    assert twice.verdicts == 2 * once.verdicts
    assert twice.clipped == 2 * once.clipped
    counts = {"verdicts": once.verdicts, "correct": once.correct, "ties": once.ties, "clipped": once.clipped}
    assert replace(twice, **counts) == once


NAIVE_EXPERT_DEBATE = {"naive": 5, "expert": 10, "debate": 8}
"""How many of ten questions on each passage are right."""


def study(judges: tuple[str, ...] = ("wary",)) -> list[Reading]:
    return [
        reading(0.9 if q < right else 0.1, arm=arm, judge=judge, passage=f"p{p}", question=f"q{q}")
        for arm, right in NAIVE_EXPERT_DEBATE.items()
        for judge in judges
        for p in range(10)
        for q in range(10)
    ]


def test_pgr_is_measured_between_the_naive_and_the_expert_arm_of_the_same_judge() -> None:
    readings = [*study(), *(replace(r, judge="bold") for r in study() if r.arm == "debate")]
    found = {(c.arm, c.judge): c for c in all_cells(readings, naive="naive", expert="expert", seed=1)}
    assert found["debate", "wary"].pgr == pytest.approx(0.6)
    assert found["debate", "wary"].pgr_questions == 100
    assert found["debate", "wary"].pgr_reason is None
    assert found["debate", "bold"].pgr is None
    assert found["debate", "bold"].pgr_reason == "This judge has no verdict under a naive arm."
    assert found["naive", "wary"].pgr_reason == "This arm is itself an end of the gap."


def test_without_an_expert_arm_pgr_is_not_reported() -> None:
    found = {c.arm: c for c in all_cells(study(), naive="naive", expert=None, seed=1)}
    assert found["debate"].pgr_reason == "This judge has no verdict under an expert arm."


def test_cells_come_in_the_order_of_the_arms_given_the_rest_by_name_and_judges_by_name() -> None:
    found = all_cells(study(("wary", "bold")), arms=("naive",))
    assert [(c.arm, c.judge) for c in found] == [
        (arm, judge) for arm in ("naive", "debate", "expert") for judge in ("bold", "wary")
    ]


@settings(max_examples=5)
@given(st.randoms())
def test_the_same_data_give_the_same_pgr_to_the_bit(shuffler: random.Random) -> None:
    readings = study()
    shuffled = shuffler.sample(readings, len(readings))
    assert all_cells(shuffled, naive="naive", expert="expert", seed=3) == all_cells(
        readings, naive="naive", expert="expert", seed=3
    )


def test_a_cell_is_a_flat_row_of_plain_values_that_any_writer_takes() -> None:
    rows = [asdict(cell) for cell in all_cells(study(), naive="naive", expert="expert", seed=1)]
    assert {type(value) for row in rows for value in row.values()} == {str, int, float, type(None)}


def test_a_figure_of_an_arm_does_not_change_when_other_arms_are_reported_beside_it() -> None:
    alone = all_cells([r for r in study() if r.arm == "debate"], naive="naive", expert="expert", seed=1)[0]
    beside = next(c for c in all_cells(study(), naive="naive", expert="expert", seed=1) if c.arm == "debate")
    assert (alone.accuracy, alone.low, alone.high) == (beside.accuracy, beside.low, beside.high)
