"""Figures of people: weights, each person, PGR, contrasts and metrics are for new passages and new people."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from app.protocols import PROTOCOLS
from app.protocols.core import Protocol
from app.statistics.accuracy import Cell, constant
from app.statistics.contrasts import NULL, NULL_OF_PEOPLE, Contrast, holm, skewness
from app.statistics.intervals import DIFFERENCE
from app.statistics.metrics import PASSAGES_ALONE
from app.statistics.people import model_checks, of_people
from app.statistics.readings import dense, together, weights
from app.statistics.two_way import METHOD, METHOD_ALONE, METHOD_ONE_JUDGE, TEST, difference_of_people
from tests.statistics.examples import (
    MeasuredReading,
    Reading,
    all_cells,
    alone,
    contrast,
    contrasts,
    grouped,
    means,
    metrics,
    reading,
)

PEOPLE = "people"


def study(
    accuracies: dict[str, float],
    people: int = 6,
    passages: int = 12,
    seed: int = 1,
    questions: int = 2,
    spread: float = 0.1,
) -> list[Reading]:
    """Every person judges every question of every arm, each in a place of its own."""
    rng = np.random.default_rng(seed)
    skill = rng.normal(0, spread, people)
    return [
        replace(
            reading(
                0.9 if rng.random() < accuracy + skill[person] else 0.1,
                arm=arm,
                judge=PEOPLE,
                passage=f"p{passage}",
                question=f"q{question}",
                order=person + 1,
            ),
            person=f"person-{person}",
        )
        for arm, accuracy in accuracies.items()
        for person in range(people)
        for passage in range(passages)
        for question in range(questions)
    ]


def cell(readings: list[Reading], arm: str = "debate") -> Cell:
    [found] = [c for c in all_cells(readings, naive="naive", expert="expert", seed=1) if c.arm == arm]
    return found


PLACES = st.tuples(
    st.integers(0, 2), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.integers(0, 3)
)


@given(st.dictionaries(PLACES, st.sampled_from([0.1, 0.4, 0.5, 0.9]), min_size=1, max_size=25))
def test_weights_give_the_mean_in_which_orders_assignments_and_replicates_are_averaged_in_turn(
    beliefs: dict[tuple[int, int, int, int, int], float],
) -> None:
    readings = [
        replace(
            reading(
                p, passage=f"p{at[0]}", question=f"q{at[1]}", replicate=at[2], assignment=at[3], order=at[4]
            ),
            person=f"person-{at[4]}",
        )
        for at, p in beliefs.items()
    ]
    held = alone(readings)
    assert weights(held).sum() == pytest.approx(1)
    expected = np.mean(list(means(readings).values()))
    assert weights(held) @ held.right == pytest.approx(expected)


def test_a_cell_of_people_has_the_interval_for_new_people_and_says_so() -> None:
    readings = study({"debate": 0.7}, spread=0.25)
    found = cell(readings)
    assert (found.people, found.method) == (6, METHOD)
    unpooled = cell([replace(r, person="") for r in readings])
    assert unpooled.people is None
    assert found.accuracy == pytest.approx(unpooled.accuracy)
    assert found.high - found.low > unpooled.high - unpooled.low
    assert found.brier_high - found.brier_low > 0
    assert found.low < found.accuracy < found.high
    assert found == cell(readings[::-1])


def test_one_person_alone_is_reported_as_one() -> None:
    assert cell(study({"debate": 0.7}, people=1)).method == METHOD_ONE_JUDGE


def test_each_person_has_figures_under_their_pseudonym() -> None:
    readings = study({"debate": 0.7, "naive": 0.5}, people=4)
    groups = grouped([*readings, reading(0.9, arm="debate", judge="model")])
    figures, checks = of_people(groups), model_checks(groups)
    assert [(item.arm, item.person) for item in figures[:4]] == [("debate", f"person-{n}") for n in range(4)]
    own = [r for r in readings if r.arm == "debate" and r.person == "person-2"]
    assert figures[2].accuracy == pytest.approx(np.mean([r.p_gold > 0.5 for r in own]))
    assert figures[2].brier == pytest.approx(np.mean([(1 - r.p_gold) ** 2 for r in own]))
    assert (figures[2].questions, figures[2].passages, figures[2].verdicts) == (24, 12, 24)
    assert [(check.arm, check.fit.reason) for check in checks] == [("debate", None), ("naive", None)]
    assert checks[0].fit.accuracy == pytest.approx(cell(readings).accuracy, abs=0.03)


def test_models_beside_people_are_not_pooled() -> None:
    assert alone(study({"debate": 0.7})).pooled
    assert not alone([*study({"debate": 0.7}), reading(0.9, judge=PEOPLE)]).pooled


# ── contrasts ───────────────────────────────────────────────────────────────────────────────────────────────────


def of_pair(readings: list[Reading]) -> Contrast:
    [found] = contrasts(readings, [("debate", "naive")], seed=1)
    return found


def test_a_contrast_of_people_is_tested_for_new_people() -> None:
    readings = study({"debate": 0.8, "naive": 0.55})
    found = of_pair(readings)
    assert (found.method, found.test, found.null, found.people) == (METHOD, TEST, NULL_OF_PEOPLE, 6)
    assert found.skewness is found.warning is None
    groups = grouped(readings)
    both, first = together(groups["debate", PEOPLE], groups["naive", PEOPLE])
    places = (dense(both.question), dense(both.passage), dense(both.person))
    estimate, p = difference_of_people(both.right, first, *places, DIFFERENCE)
    assert (found.low, found.high, found.p) == pytest.approx((estimate.low, estimate.high, p))
    assert found.first_accuracy is not None
    assert found.second_accuracy is not None
    assert found.difference == pytest.approx(found.first_accuracy - found.second_accuracy)
    assert found.questions == 24


def test_only_questions_judged_under_both_arms_count() -> None:
    readings = study({"debate": 0.8, "naive": 0.55})
    fewer = [r for r in readings if r.arm == "debate" or r.passage != "p3"]
    assert of_pair(fewer).questions == 22
    assert (
        of_pair([r for r in readings if r.arm == "debate"]).reason
        == "No question was judged under both arms."
    )


def test_one_person_under_an_arm_gives_no_p() -> None:
    readings = study({"debate": 0.8, "naive": 0.55})
    found = of_pair([r for r in readings if r.arm == "debate" or r.person == "person-0"])
    assert (found.low, found.high, found.p, found.method) == (-1.0, 1.0, None, METHOD_ALONE)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_correction_is_that_of_statsmodels(values: list[float]) -> None:
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])


def test_contrasts_are_corrected_over_those_named_for_each_judge_alone() -> None:
    rng = np.random.default_rng(3)
    readings = [
        reading(0.9 if rng.random() < accuracy else 0.1, arm=arm, judge=judge, passage=f"p{passage}")
        for judge in ("bold", "wary")
        for arm, accuracy in (("debate", 0.9), ("consultancy", 0.75), ("naive", 0.5))
        for passage in range(40)
    ]
    pairs = [("debate", "naive"), ("consultancy", "naive"), ("debate", "consultancy")]
    found = [item for item in contrasts(readings, pairs, seed=1) if item.judge == "bold"]
    values = [item.p for item in found if item.p is not None]
    assert len(values) == 3
    assert [item.p_holm for item in found] == pytest.approx(holm(values))
    assert {item.named for item in found} == {3}


def test_a_named_contrast_without_verdicts_is_shown_and_counts_in_the_correction() -> None:
    """The consultancy failed. That must not halve the p-value of what is left."""
    rng = np.random.default_rng(3)
    readings = [
        reading(0.9 if rng.random() < accuracy else 0.1, arm=arm, passage=f"p{passage}")
        for arm, accuracy in (("debate", 0.9), ("naive", 0.6))
        for passage in range(40)
    ]
    whole, lost, one = contrasts(
        readings,
        [("debate", "naive"), ("consultancy", "double-consultancy"), ("consultancy", "naive")],
        seed=1,
    )
    assert whole.p is not None
    assert 0 < whole.p < 0.05
    assert (whole.p_holm, whole.named) == (pytest.approx(3 * whole.p), 3)
    for item in (lost, one):
        assert (item.p, item.questions, item.reason) == (None, 0, "No question was judged under both arms.")


def test_few_passages_and_skewed_differences_are_warned_of() -> None:
    def compared(first: list[float], second: list[float]) -> Contrast:
        correct = {
            "debate": {(f"p{n}", "q"): value for n, value in enumerate(first)},
            "naive": {(f"p{n}", "q"): value for n, value in enumerate(second)},
        }
        return contrast("debate", "naive", "wary", correct, seed=1)

    many = compared([1.0, 0.0] * 25, [0.0, 1.0] * 25)
    assert (many.null, many.skewness, many.warning) == (NULL, 0.0, None)
    few = compared([1.0, 0.0] * 5, [0.0, 1.0] * 5)
    assert few.warning is not None
    assert "10 passages, fewer than 30" in few.warning
    disaster = compared([0.0] * 5 + [0.6] * 45, [0.9] * 5 + [0.5] * 45)
    assert disaster.skewness == pytest.approx(skewness(np.array([-0.9] * 5 + [0.1] * 45)))
    assert disaster.warning is not None
    assert "skewed (-2.7)" in disaster.warning


# ── PGR, constants, clipped scores, metrics ─────────────────────────────────────────────────────────────────────


def test_pgr_of_people_resamples_people_too_and_names_its_ends() -> None:
    readings = study({"naive": 0.5, "debate": 0.7, "expert": 0.9}, people=8, passages=20)
    found, alone = cell(readings), cell([replace(r, person="") for r in readings])
    assert found.pgr == pytest.approx(alone.pgr)
    assert (found.pgr_floor, found.pgr_ceiling) == ("naive", "expert")
    assert None not in (found.pgr_low, found.pgr_high, alone.pgr_low, alone.pgr_high)
    assert found.pgr_low < found.pgr < found.pgr_high
    assert found.pgr_high - found.pgr_low > alone.pgr_high - alone.pgr_low


def test_pgr_of_people_is_absent_where_the_expert_is_not_surely_better() -> None:
    found = cell(study({"naive": 0.6, "debate": 0.6, "expert": 0.62}))
    assert found.pgr is None
    assert found.pgr_reason == "The interval of expert minus naive accuracy is not wholly above 0."


def test_a_constant_of_the_design_has_no_interval_and_a_sample_without_variation_keeps_its() -> None:
    """Forty of forty say little about a forty-first; a coin is right half of the time whatever is drawn."""
    forty = [reading(0.9, passage=f"p{n % 8}", question=f"q{n // 8}") for n in range(40)]
    [sample] = all_cells(forty)
    assert (sample.accuracy, sample.high, sample.fixed) == (1.0, 1.0, None)
    assert sample.low < 0.9
    fixed = constant(sample, "a coin")
    assert (fixed.low, fixed.high, fixed.fixed) == (1.0, 1.0, "a coin")
    assert fixed.method == "none: fixed by the design"


@pytest.mark.parametrize(("p_gold", "expected"), [(0.0, True), (0.5e-4, True), (1e-4, False), (0.01, False)])
def test_verdicts_at_the_clip_are_counted(p_gold: float, expected: bool) -> None:
    assert (p_gold < 1e-4) is expected
    [found] = all_cells([reading(p_gold), reading(0.8, question="q2")])
    assert found.clipped == expected


def test_metrics_of_people_are_for_new_people_and_ranked_ones_say_that_they_are_not() -> None:
    def argued(read: Reading, assignment: int) -> MeasuredReading:
        placed = replace(read, assignment=assignment)
        return MeasuredReading(placed, p_argued=read.p_gold, argues_gold=assignment == 0)

    readings = study({"debate": 0.7}, people=4)
    items = [argued(read, assignment) for read in readings for assignment in (0, 1)]
    found = {item.key: item for item in metrics("debate", Protocol, PEOPLE, items)}
    split = found["accuracy_for_gold"]
    assert split.method == METHOD
    assert (split.value, split.low) == pytest.approx((cell(readings).accuracy, cell(readings).low))
    ranked = {i.key: i for i in metrics("debate", PROTOCOLS["prover-verifier"], PEOPLE, items)}["auroc"]
    assert ranked.method is not None
    assert ranked.method.endswith(PASSAGES_ALONE)
