"""Power is held to published figures, to McNemar's test, and to simulations of the test that reports make."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from app.statistics.assumptions import EXPECTED_CORRELATION
from app.statistics.contrasts import flip_test
from app.statistics.power import (
    FEWEST,
    Comparison,
    connor,
    design_effect,
    exact_power,
    formula_holds,
    formula_power,
    passage_totals,
    power,
    questions_alone,
    questions_on,
    questions_per_arm,
    simulated_power,
    smallest_difference,
    variance,
)

PUBLISHED = [(0.10, 0.30, 233), (0.15, 0.25, 85), (0.20, 0.30, 56)]
"""Connor 1987 and Miettinen 1968, where the approximate formula gives 228, 79 and 51."""


@pytest.mark.parametrize(("difference", "discordance", "pairs"), PUBLISHED)
def test_the_reference_is_the_published_formula(difference: float, discordance: float, pairs: int) -> None:
    assert round(connor(difference, discordance)) == pairs


@pytest.mark.parametrize(("difference", "discordance", "pairs"), PUBLISHED)
def test_pairs_need_about_as_many_questions_as_published(
    difference: float, discordance: float, pairs: int
) -> None:
    """Mid-p values, which are less conservative, save a few questions."""
    assert pairs - 4 <= questions_alone(difference, Comparison(1, 1, discordance)).value <= pairs


def test_exact_power_is_that_of_mcnemars_test_counted_out() -> None:
    held, expected = Comparison(12, 12, 0.5), 0.0
    for discordant in range(13):
        for won in range(discordant + 1):
            totals = np.array([1.0] * won + [-1.0] * (discordant - won) + [0.0] * (12 - discordant))
            chance = binom.pmf(discordant, 12, 0.5) * binom.pmf(won, discordant, 0.9)
            expected += chance * (flip_test(totals, np.random.default_rng(0)) <= 0.05)
    assert exact_power(0.4, held) == pytest.approx(expected)


GRID = [
    Comparison(30, 30, 0.5),
    Comparison(90, 30, 0.5),
    Comparison(180, 30, 0.3, correlation=0.1),
    Comparison(250, 50, 0.3),
    Comparison(100, 100, 0.3),
    Comparison(150, 50, 0.3, contrasts=3),
    Comparison(120, 40, 0.4, readings=2, reading_correlation=0.5),
]


@pytest.mark.parametrize("held", GRID)
def test_power_is_that_of_a_simulation_within_two_points(held: Comparison) -> None:
    """The whole grid, with 20,000 runs, is in docs/decisions/power.md; here the noise of 4,000 runs is added."""
    found = smallest_difference(held)
    assert found is not None
    assert found.method in ("exact", "formula")
    assert simulated_power(found.value, held, runs=4000, seed=2) == pytest.approx(0.80, abs=0.035)


@pytest.mark.parametrize(
    ("questions", "passages", "difference", "true"), [(60, 10, 0.22, 0.61), (250, 50, 0.112, 0.67)]
)
def test_the_power_that_was_called_80_percent_is_said_truly(
    questions: int, passages: int, difference: float, true: float
) -> None:
    assert power(difference, Comparison(questions, passages)).value == pytest.approx(true, abs=0.03)


def test_where_no_formula_holds_the_test_is_simulated() -> None:
    assert power(0.2, Comparison(60, 10)).method == "simulation"
    assert power(0.2, Comparison(60, 60)).method == "exact"
    assert power(0.1, Comparison(6 * FEWEST, FEWEST)).method == "formula"
    # Nearly all questions that differ go one way: the differences are too skewed.
    assert not formula_holds(0.25, Comparison(6 * FEWEST, FEWEST, 0.3))
    # Smaller levels need more passages.
    assert not formula_holds(0.1, Comparison(6 * FEWEST, FEWEST, contrasts=2))


def test_drawn_totals_have_the_mean_the_variance_and_the_correlations_stated() -> None:
    held = Comparison(12, 3, 0.4, 0.2, readings=2, reading_correlation=0.5)
    totals = passage_totals(np.random.default_rng(1), 40_000, np.full(3, 4), 0.1, held)
    means = totals.sum(axis=1) / 12
    assert means.mean() == pytest.approx(0.1, abs=0.003)
    assert means.var() == pytest.approx(variance(0.1, held), rel=0.03)


def test_several_contrasts_need_more() -> None:
    one, four = (smallest_difference(Comparison(300, 100, contrasts=count)) for count in (1, 4))
    assert one is not None
    assert four is not None
    assert four.value > one.value * 1.1


def test_a_second_order_helps_unless_it_says_the_same() -> None:
    alone = Comparison(300, 100)
    same = replace(alone, readings=2, reading_correlation=1.0)
    other = replace(alone, readings=2, reading_correlation=0.3)
    assert formula_power(0.1, alone) == formula_power(0.1, same) < formula_power(0.1, other)


def test_arms_that_share_no_question_need_more() -> None:
    assert questions_per_arm(0.84, 0.74) == questions_per_arm(0.74, 0.84) == 257


def test_questions_that_share_passages_count_for_less() -> None:
    assert design_effect(1, 0.1) == design_effect(0.5, 0.1) == 1
    assert design_effect(11, 0.1) == pytest.approx(2)
    assert formula_power(0.1, Comparison(300, 300)) > formula_power(0.1, Comparison(300, 60))


@pytest.mark.parametrize("passages", [60, 100])
def test_questions_spread_over_given_passages_can_just_show_the_difference(passages: int) -> None:
    found = questions_on(passages, 0.12, Comparison(1, 1))
    assert found is not None
    assert power(0.12, Comparison(int(found.value), passages)).value == pytest.approx(0.80, abs=0.01)
    enough = questions_on(200, 0.12, Comparison(1, 1))
    assert enough is not None
    assert enough.value == 200


def test_too_few_questions_show_nothing() -> None:
    assert smallest_difference(Comparison(5, 5)) is None
    assert smallest_difference(Comparison(5, 1)) is None


def test_too_few_passages_show_nothing_however_many_questions_there_are() -> None:
    assert questions_on(22, 0.10, Comparison(1, 1)) is None


def test_the_correlation_is_the_one_that_intervals_assume() -> None:
    assert Comparison(1, 1).correlation == EXPECTED_CORRELATION == 0.2


@pytest.mark.parametrize(("difference", "discordance"), [(0.0, 0.3), (0.3, 0.3), (0.4, 0.3), (0.5, 1.1)])
def test_impossible_differences_are_refused(difference: float, discordance: float) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        questions_alone(difference, Comparison(1, 1, discordance))


def test_readings_of_one_question_correlate_no_less_than_those_of_two() -> None:
    with pytest.raises(ValueError, match="reading_correlation"):
        Comparison(10, 5, readings=2, reading_correlation=0.1)


@pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (1.2, 0.5)])
def test_impossible_accuracies_are_refused(first: float, second: float) -> None:
    with pytest.raises(ValueError, match="two different shares"):
        questions_per_arm(first, second)
