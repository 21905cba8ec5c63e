"""The protocols' own metrics, against cases worked by hand and against scikit-learn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from app.protocols import PROTOCOLS
from app.protocols.core import (
    Metric,
    Protocol,
)
from app.protocols.flaws import GRADES
from app.protocols.market_making import MarketMaking
from app.statistics.metrics import EVERY, Measured, measures
from app.statistics.ranking import auroc
from app.statistics.readings import TrialMeasures
from app.statistics.reducers import REDUCERS, divergence
from tests.statistics.examples import MeasuredReading, measured_of, metrics, reading


def argued(p_argued: float, for_gold: bool, **place: object) -> MeasuredReading:
    """A reading after one argument: assignment 0 is for gold."""
    p_gold = p_argued if for_gold else 1 - p_argued
    read = reading(p_gold, assignment=0 if for_gold else 1, **place)  # type: ignore[arg-type]
    return MeasuredReading(read, (p_gold,), p_argued, for_gold)


def priced(
    p_gold: float, path: list[float], *, gold_first: bool = True, question: str = "q1"
) -> MeasuredReading:
    """A reading after a market with these prices of gold."""
    shares = path if gold_first else [1 - share for share in path]
    prices = {f"price/{at}": share for at, share in enumerate(shares)}
    read = reading(p_gold, question=question)
    return MeasuredReading(read, (p_gold,), gold_first=gold_first, measures=prices)


def found(protocol: str, *items: MeasuredReading) -> dict[str, Measured]:
    return {item.key: item for item in metrics("arm", PROTOCOLS.get(protocol, Protocol), "wary", items)}


def values(protocol: str, *items: MeasuredReading) -> dict[str, float | None]:
    return {key: item.value for key, item in found(protocol, *items).items()}


# ── one answer argued for ───────────────────────────────────────────────────────────────────────────────────────


def test_accuracy_is_split_by_whether_gold_was_argued_for_in_whatever_protocol() -> None:
    items = [
        argued(p, for_gold, question=question)
        for question, for_gold, p in (
            ("m", True, 0.9),
            ("m", False, 0.8),
            ("n", True, 0.7),
            ("n", False, 0.1),
        )
    ]
    split = {"accuracy_for_gold": 1.0, "accuracy_against_gold": 0.5}
    for protocol in ("consultancy", "open-consultancy", "one-of-tomorrow"):
        assert values(protocol, *items).items() >= split.items()
    assert values("open-consultancy", *items) == split, (
        "the two talks of an open protocol are not opposite ones"
    )
    assert values("debate", MeasuredReading(reading(0.9))) == {}


@pytest.mark.parametrize("protocol", ["consultancy", "interactive-consultancy"])
def test_ensembled_accuracy_thresholds_the_belief_averaged_over_both_opposite_talks(protocol: str) -> None:
    """By hand, belief in gold after the talk for gold and against it:

    - m, order 0: .9 and .3, mean .6, right; order 1: .6 and .2, mean .4, wrong. Together 1/2, as single talks 1/2.
    - n: .75 and .25, mean .5, a tie: 1/2.
    - o, replicate 0: .7 and .6, right; replicate 1: .8 and .1, mean .45, wrong: 1/2.
    - p: .55 and .5, mean .525, right: 1.
    """
    on_gold = [
        ("m", 0, 0, 0.9, 0.3),
        ("m", 0, 1, 0.6, 0.2),
        ("n", 0, 0, 0.75, 0.25),
        ("o", 0, 0, 0.7, 0.6),
        ("o", 1, 0, 0.8, 0.1),
        ("p", 0, 0, 0.55, 0.5),
    ]
    items = [
        argued(p if for_gold else 1 - p, for_gold, question=question, replicate=replicate, order=order)
        for question, replicate, order, after_gold, after_other in on_gold
        for for_gold, p in ((True, after_gold), (False, after_other))
    ]
    ensembled = found(protocol, *items)["ensembled"]
    assert (ensembled.value, ensembled.questions) == ((0.5 + 0.5 + 0.5 + 1) / 4, 4)
    reverse = found(protocol, *items[::-1])["ensembled"]
    assert reverse == ensembled


def test_a_question_with_one_of_the_two_talks_is_left_out_of_ensembled_accuracy() -> None:
    """The talk against gold of n was read in the other order, and by nobody in this one."""
    whole = [argued(0.9, True, question="m"), argued(0.6, False, question="m")]
    half = [argued(0.9, True, question="n"), argued(0.9, False, question="n", order=1)]
    ensembled = found("consultancy", *whole, *half)["ensembled"]
    assert (ensembled.value, ensembled.questions) == (1.0, 1), "the mean of .9 and .4 chooses gold"
    alone = found("consultancy", *half)["ensembled"]
    assert alone.value is None
    assert (
        alone.reason == "No question has talks for gold and against it that one judge read in the same order."
    )


def test_beliefs_of_two_people_are_not_averaged() -> None:
    """Ann and Bo have the same place on the panel, each in one of two opposite talks. Cy read both, from two places."""

    def by(person: str, item: MeasuredReading) -> MeasuredReading:
        return replace(item, reading=replace(item.reading, person=person))

    apart = [by("ann", argued(0.9, True, question="m")), by("bo", argued(0.6, False, question="m"))]
    assert found("consultancy", *apart)["ensembled"].value is None
    both = [
        by("cy", argued(0.9, True, question="n")),
        by("cy", argued(0.6, False, question="n", order=2)),
    ]
    ensembled = found("consultancy", *apart, *both)["ensembled"]
    assert (ensembled.value, ensembled.questions) == (1.0, 1)


def test_each_judges_own_talks_are_averaged_where_judges_take_part() -> None:
    """Two judges' talks that a later judge read: the first's average .6, the second's .3."""
    talks = [
        replace(item, reading=replace(item.reading, talk=talk))
        for talk, for_gold, against in (("first", 0.9, 0.3), ("second", 0.5, 0.1))
        for item in (argued(for_gold, True), argued(1 - against, False))
    ]
    assert found("interactive-consultancy", *talks)["ensembled"].value == 0.5


# ── prover and verifier ─────────────────────────────────────────────────────────────────────────────────────────


def test_completeness_and_soundness_are_means_of_acceptance_over_orders_then_questions() -> None:
    """Question m is accepted with .9 and .7 where right, .2 where wrong; n with .6 and .4."""
    told = values(
        "prover-verifier",
        argued(0.9, True, question="m", order=0),
        argued(0.7, True, question="m", order=1),
        argued(0.2, False, question="m"),
        argued(0.6, True, question="n"),
        argued(0.4, False, question="n"),
    )
    assert told["completeness"] == pytest.approx((0.8 + 0.6) / 2)
    assert told["soundness"] == pytest.approx((0.8 + 0.6) / 2)


def of_role(role: str, p_argued: float, for_gold: bool, question: str) -> MeasuredReading:
    """A reading after a prover that was told its role; assignment 0 is the helpful one, whatever it argued for."""
    helpful = role == "helpful"
    found = argued(p_argued, for_gold, question=question)
    read = replace(found.reading, assignment=0 if helpful else 1)
    return replace(found, reading=read, measures={"helpful": float(helpful), "sneaky": float(not helpful)})


def test_completeness_and_soundness_go_by_what_was_argued_and_not_by_the_role_that_was_told() -> None:
    """The helpful prover of n argues for the wrong answer, the sneaky prover of o for the right one.

    - accepted for gold: m .9, o (.8 and .4, two assignments) .6: completeness .75;
    - accepted against gold: m .3, n (.5 and .7) .6: soundness 1 less .45.
    """
    told = values(
        "prover-verifier",
        of_role("helpful", 0.9, True, "m"),
        of_role("sneaky", 0.3, False, "m"),
        of_role("helpful", 0.5, False, "n"),
        of_role("sneaky", 0.7, False, "n"),
        of_role("helpful", 0.8, True, "o"),
        of_role("sneaky", 0.4, True, "o"),
    )
    assert told["completeness"] == pytest.approx(0.75)
    assert told["soundness"] == pytest.approx(0.55)
    assert told["helpful_for_gold"] == pytest.approx(2 / 3)
    assert told["sneaky_against_gold"] == pytest.approx(2 / 3)


def test_where_no_role_was_told_no_figure_counts_who_kept_to_it() -> None:
    items = [argued(0.9, True), argued(0.2, False)]
    assert not values("prover-verifier", *items).keys() & {"helpful_for_gold", "sneaky_against_gold"}


def test_the_area_under_the_curve_by_hand() -> None:
    """Right .9 and .5, wrong .5 and .1: of four pairs three are in order and one is tied."""
    items = [
        argued(0.9, True, question="m"),
        argued(0.5, False, question="m"),
        argued(0.5, True, question="n"),
        argued(0.1, False, question="n"),
    ]
    assert values("prover-verifier", *items)["auroc"] == pytest.approx(3.5 / 4)


shares = st.integers(0, 8).map(lambda eighth: eighth / 8)


@given(
    st.lists(
        st.tuples(st.lists(shares, min_size=1, max_size=3), st.lists(shares, min_size=1, max_size=3)),
        min_size=1,
        max_size=6,
    )
)
def test_the_area_is_that_of_scikit_learn_with_every_question_weighing_the_same(
    questions: list[tuple[list[float], list[float]]],
) -> None:
    items, labels, scores, weights = [], [], [], []
    for at, sides in enumerate(questions):
        for for_gold, accepted in zip((True, False), sides, strict=True):
            for order, p in enumerate(accepted):
                items.append(argued(p, for_gold, passage=f"p{at % 3}", question=f"q{at}", order=order))
                labels.append(for_gold)
                scores.append(p)
                weights.append(1 / len(accepted))
    area = auroc(measured_of(items)).value.mean()
    assert area == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))


def test_the_interval_of_the_area_lies_within_its_bounds_and_does_not_shrink_to_a_point() -> None:
    items = [
        argued(0.9 if right else 0.1, right, passage=f"p{p}") for p in range(8) for right in (True, False)
    ]
    area = found("prover-verifier", *items)["auroc"]
    assert area.value == 1
    assert area.high == 1
    assert area.low is not None
    assert 0.5 < area.low < 0.99


def test_best_of_n_is_the_share_of_contests_that_an_argument_for_gold_wins() -> None:
    """Order 0: .8 for gold beats .7 and .3 and .1. Order 1: .6 against gold ties with .6 for it. Together 3/4."""
    accepted = {
        0: {True: (0.8, 0.3), False: (0.7, 0.1)},
        1: {True: (0.6, 0.2), False: (0.6, 0.5)},
    }
    items = [
        argued(p, for_gold, replicate=replicate, order=order)
        for order, sides in accepted.items()
        for for_gold, ps in sides.items()
        for replicate, p in enumerate(ps)
    ]
    best = found("prover-verifier", *items)["best_of_n"]
    assert best.value == 0.75
    assert "n = 4" in best.title


def test_best_of_n_leaves_out_questions_with_fewer_arguments_and_says_where_none_balances() -> None:
    whole = [
        argued(p, right, question="m", replicate=r)
        for r, p in ((0, 0.9), (1, 0.8))
        for right in (True, False)
    ]
    short = [argued(0.1, True, question="n"), argued(0.9, False, question="n")]
    best = found("prover-verifier", *whole, *short)["best_of_n"]
    assert (best.value, best.questions) == (0.5, 1)
    alone = found("prover-verifier", argued(0.9, True))["best_of_n"]
    assert alone.value is None
    assert alone.reason is not None


# ── critique ────────────────────────────────────────────────────────────────────────────────────────────────────


def criticised(
    path: tuple[float, ...],
    kinds: tuple[str, ...] = (),
    accepted: Mapping[int, bool] | None = None,
    **more: object,
) -> MeasuredReading:
    graded = {
        "points": float(len(kinds)),
        "planted": float(more.pop("planted", 0)),  # type: ignore[arg-type]
        **{f"grade/{number}": float(GRADES.index(kind)) for number, kind in enumerate(kinds, 1)},
    }
    read = reading(path[-1], **more)  # type: ignore[arg-type]
    return MeasuredReading(
        read,
        path,
        path[-1],
        True,
        measures=graded if kinds or accepted is not None else {},
        accepted=accepted,
    )


def test_the_gain_is_accuracy_at_the_end_less_that_after_the_argument_alone() -> None:
    items = [
        criticised((0.5, 0.4, 0.9), question="m"),
        criticised((0.5, 0.9, 0.5), question="n"),
        criticised((0.5, 0.2, 0.3, 0.6), question="o"),
    ]
    assert values("critique", *items)["gain"] == pytest.approx((1 - 0.5 + 1) / 3)


def test_without_beliefs_on_the_way_the_gain_says_what_to_change() -> None:
    gain = found("critique", criticised((0.9,)))["gain"]
    assert gain.value is None
    assert gain.reason is not None
    assert "elicit: each_step" in gain.reason


def test_a_judge_catches_a_planted_flaw_by_accepting_a_point_that_names_it() -> None:
    told = values(
        "critique",
        criticised((0.9,), ("invented", "planted"), {1: True, 2: True}, question="m", planted=1),
        criticised((0.9,), ("planted", "invented"), {1: False, 2: False}, question="n", planted=1),
        criticised((0.9,), ("real", "invented"), {1: True, 2: True}, question="o", planted=1),
        criticised((0.9,), (), {}, question="p", planted=1),
        criticised((0.9,), ("nitpick",), {1: True}, question="q"),
    )
    assert told["planted_accepted"] == 1 / 4
    assert told["invented_accepted"] == pytest.approx(2 / 3)
    assert told["nitpicks_accepted"] == 1


def test_where_nobody_marked_there_is_no_figure_of_marks() -> None:
    told = values("critique", criticised((0.9,), ("planted",), None, planted=1))
    assert not told.keys() & {"planted_accepted", "invented_accepted", "nitpicks_accepted"}


# ── market making ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("gold_first", [True, False])
def test_a_market_is_told_by_three_decisions_by_its_bias_and_by_divergences(gold_first: bool) -> None:
    told = values(
        "market-making",
        priced(0.8, [0.3, 0.6, 0.8], gold_first=gold_first, question="m"),
        priced(0.4, [0.6], gold_first=gold_first, question="n"),
    )
    of_price_0 = 0.8 * math.log2(0.8 / 0.3) + 0.2 * math.log2(0.2 / 0.7)
    last_of_n = 0.4 * math.log2(0.4 / 0.6) + 0.6 * math.log2(0.6 / 0.4)
    assert told == {
        "by_judge": 0.5,
        "by_first_price": 0.5,
        "by_last_price": 1.0,
        "bias_first_price": pytest.approx(((0.3 - 0.8) + (0.6 - 0.4)) / 2),
        "distance_last_price": pytest.approx((0 + 0.2) / 2),
        "kl_last_price": pytest.approx((0 + last_of_n) / 2),
        "kl_price_0": pytest.approx((of_price_0 + last_of_n) / 2),
        "kl_price_1": pytest.approx(0.8 * math.log2(0.8 / 0.6) + 0.2 * math.log2(0.2 / 0.4)),
        "kl_price_2": pytest.approx(0, abs=1e-12),
    }


def test_a_price_of_nothing_costs_no_more_than_a_belief_of_nothing() -> None:
    assert divergence(1, 0) == pytest.approx(-math.log2(1e-4))
    assert divergence(0, 0) == 0
    assert divergence(0.5, 0.5) == 0


# ── measures ────────────────────────────────────────────────────────────────────────────────────────────────────


def told(
    measures: Mapping[str, float],
    *,
    arm: str = "market",
    passage: str = "p1",
    question: str = "q1",
    assignment: int = 0,
    replicate: int = 0,
) -> TrialMeasures:
    return TrialMeasures(arm, None, passage, question, assignment, replicate, measures)


def measured(items: Sequence[TrialMeasures]) -> list[Measured]:
    return measures(items, {"market": MarketMaking})


def test_measures_of_any_protocol_are_averaged_as_accuracy_is_and_series_are_left_out() -> None:
    [steps, unknown] = measured(
        [
            told({"steps": 1, "new_thing": 7, "price/0": 0.5}, question="m", assignment=0),
            told({"steps": 3}, question="m", assignment=1),
            told({"steps": 6}, question="n", passage="p2"),
        ]
    )
    assert (steps.key, steps.value, steps.questions, steps.passages) == ("steps", 4, 2, 2)
    assert (unknown.key, unknown.title, unknown.unit, unknown.value) == ("new_thing", "new thing", "", 7)
    assert (unknown.low, unknown.high) == (None, None), "one passage tells nothing of others"


def test_the_interval_of_a_measure_without_a_scale_is_that_of_t_by_hand() -> None:
    """Two passages with one question each, 29 and 31: mean 30, standard error 1, t with one degree of freedom 12.706."""
    [steps] = measured([told({"steps": 29}), told({"steps": 31}, passage="p2")])
    assert steps.low == pytest.approx(30 - 12.7062, abs=1e-3)
    assert steps.high == pytest.approx(30 + 12.7062, abs=1e-3)
    [few] = measured([told({"steps": 2}), told({"steps": 4}, passage="p2")])
    assert few.low == 0, "there is no fewer than none"


def test_every_metric_has_a_name_of_its_own_and_says_its_unit() -> None:
    for rules in PROTOCOLS.values():
        keys = [metric.key for metric in (*EVERY, *rules.metrics)]
        assert len(set(keys)) == len(keys)
        assert all(metric.unit for metric in rules.metrics)


def test_every_metric_is_made_by_a_reducer_that_there_is_from_measures_that_the_protocol_leaves() -> None:
    for rules in PROTOCOLS.values():
        left = {measure.name for measure in rules.measures}
        for metric in (*EVERY, *rules.metrics):
            assert metric.reducer in REDUCERS
            assert metric.column in {"correct", "acceptance", "argued", "belief", *left}
            assert not metric.where or metric.where in left


def test_a_metric_of_a_column_that_there_is_not_names_it() -> None:
    unknown = Metric("gut", "Gut", "share", "mean", "gut feeling")
    with pytest.raises(ValueError, match="gut reads gut feeling"):
        REDUCERS["mean"].figures(unknown, measured_of([MeasuredReading(reading(0.9))]))
