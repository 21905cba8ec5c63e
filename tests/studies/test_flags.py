"""Flags of careless or assisted work: cases worked by hand, and what holds for all work."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.records.judge_quality import ItemWork, TrialWork
from app.studies.flags import ABOUT, TITLES, Raised, excluding, raised, rule_in_words
from app.studies.spec import Checks, Exclusion, Flag, Item

ITEM = {"question": "Which?", "answers": ("one", "two"), "right": 0}
CHECKS = Checks(
    attention=(Item(key="look", **ITEM), Item(key="stay", **ITEM)),  # type: ignore[arg-type]
    gold=(Item(key="sure", **ITEM),),  # type: ignore[arg-type]
)


def trial(**changes: Any) -> TrialWork:
    """A trial that took a diligent person a minute and 40 characters."""
    plain = TrialWork(0.7, "The second quote is not in the text at all.", 40, 60.0, 44, 0, 0, 3.0)
    return replace(plain, **changes)


def diligent(count: int = 6) -> list[TrialWork]:
    """Trials with nothing careless about them."""
    return [trial(belief=0.5 + at / 20, reason=f"Reason number {at}.") for at in range(count)]


def flags(
    trials: Sequence[TrialWork], items: Sequence[ItemWork] = (), checks: Checks = CHECKS
) -> dict[Flag, Raised]:
    """The flags that are raised, by name."""
    return {one.flag: one for one in raised(trials, items, checks)}


def test_diligent_work_raises_no_flag() -> None:
    assert flags(diligent(), [ItemWork("trials", "look", 1, True), ItemWork("trials", "sure", 1, True)]) == {}
    assert flags([]) == {}


def test_the_scripted_worker_of_six_seconds_is_seen_in_every_way() -> None:
    """50/50 in every trial, the reason "ok", six seconds each, pasted, and every check failed."""
    trials = [
        trial(
            belief=0.5,
            reason="ok",
            written=2,
            seconds=6.0,
            keystrokes=0,
            pastes=1,
            pasted_characters=2,
            away_seconds=300.0,
        )
    ] * 10
    checks = [
        ItemWork("trials", "look", 1, False),
        ItemWork("trials", "stay", 1, True),
        ItemWork("trials", "sure", 1, False),
    ]
    found = flags(trials, checks)
    assert {flag: (one.count, one.of) for flag, one in found.items()} == {
        Flag.TOO_FAST: (10, 10),
        Flag.SAME_REASONS: (10, 10),
        Flag.STRAIGHT_LINING: (10, 10),
        Flag.ATTENTION_FAILED: (1, 2),
        Flag.GOLD_FAILED: (1, 1),
        Flag.PASTED: (10, 10),
        Flag.FEW_KEYSTROKES: (10, 10),
        Flag.AWAY: (10, 10),
    }
    assert found[Flag.TOO_FAST].detail == "median 6 s; less than 15 s is too fast"
    assert found[Flag.STRAIGHT_LINING].detail == "50% on the first answer 10 times on end"
    assert found[Flag.ATTENTION_FAILED].detail == "failed: look"


@pytest.mark.parametrize(
    ("flag", "below", "at"),
    [
        (Flag.TOO_FAST, {"seconds": 15.0}, {"seconds": 14.9}),
        (Flag.PASTED, {"pasted_characters": 19}, {"pasted_characters": 20}),
        (Flag.FEW_KEYSTROKES, {"keystrokes": 20}, {"keystrokes": 19}),
        (Flag.AWAY, {"away_seconds": 119.0}, {"away_seconds": 120.0}),
    ],
)
def test_a_trial_counts_from_its_limit_on(flag: Flag, below: dict[str, Any], at: dict[str, Any]) -> None:
    rest = diligent(5)
    assert flag not in flags([*rest, trial(**below)])
    assert (flags([*rest, trial(**at)])[flag].count, flags([*rest, trial(**at)])[flag].of) == (1, 6)


def test_reasons_are_the_same_but_for_case_and_blanks_and_the_fewest_is_three() -> None:
    twice = [trial(reason="OK"), trial(reason="ok ")]
    assert Flag.SAME_REASONS not in flags(twice + diligent(4))
    found = flags([*twice, trial(reason=" ok\n"), *diligent(4)])[Flag.SAME_REASONS]
    assert (found.count, found.of, found.detail) == (3, 7, "one reason, the most frequent 3 times")


def test_trials_without_a_reason_are_not_trials_with_the_same_one() -> None:
    assert Flag.SAME_REASONS not in flags([replace(own, reason=" ") for own in diligent(6)])


def test_a_run_of_one_belief_counts_and_a_broken_one_does_not() -> None:
    run, other = [trial(belief=0.9, reason=str(at)) for at in range(4)], trial(belief=0.1, reason="else")
    assert Flag.STRAIGHT_LINING not in flags([*run, other, *run])
    found = flags([other, *run, trial(belief=0.9, reason="fifth"), other])[Flag.STRAIGHT_LINING]
    assert (found.count, found.of) == (5, 7)


def test_what_no_script_has_measured_raises_no_flag() -> None:
    unknown = dict.fromkeys(("seconds", "keystrokes", "pastes", "pasted_characters", "away_seconds"))
    assert flags([replace(own, **unknown) for own in diligent()]) == {}  # type: ignore[arg-type]
    half = [*[replace(own, **unknown) for own in diligent(3)], trial(seconds=1.0)]  # type: ignore[arg-type]
    assert (flags(half)[Flag.TOO_FAST].count, flags(half)[Flag.TOO_FAST].of) == (1, 1)


def test_practice_and_items_without_an_answer_are_no_checks() -> None:
    items = [
        ItemWork("practice", "try", 1, False),
        ItemWork("trials", "look", 1, None),
        ItemWork("comprehension", "", 1, False),
    ]
    assert flags(diligent(), items) == {}


def test_rules_apply_from_their_number_on_and_only_those_of_the_file() -> None:
    found = raised([trial(seconds=1.0)] * 2 + diligent(4), [ItemWork("trials", "look", 1, False)], CHECKS)
    assert excluding(found, [Exclusion(flag=Flag.TOO_FAST, at_least=3)]) == []
    assert excluding(found, [Exclusion(flag=Flag.TOO_FAST, at_least=2)]) == [Flag.TOO_FAST]
    both = [Exclusion(flag=Flag.ATTENTION_FAILED), Exclusion(flag=Flag.TOO_FAST)]
    assert excluding(found, both) == [Flag.ATTENTION_FAILED, Flag.TOO_FAST]
    assert excluding(found, []) == []


def test_every_flag_has_words_and_every_rule_its_sentence() -> None:
    assert set(TITLES) == set(ABOUT) == set(Flag)
    said = [rule_in_words(Exclusion(flag=flag, at_least=2), CHECKS) for flag in Flag]
    assert len(set(said)) == len(Flag)
    assert said[0] == "people with 2 or more trials judged in less than 15 s at work"
    assert rule_in_words(Exclusion(flag=Flag.GOLD_FAILED), CHECKS) == "people who failed 1 or more gold items"


numbers = st.one_of(st.none(), st.integers(0, 5000))
works = st.builds(
    TrialWork,
    belief=st.floats(0, 1),
    reason=st.text(max_size=5),
    written=st.integers(0, 500),
    seconds=st.one_of(st.none(), st.floats(0, 4000)),
    keystrokes=numbers,
    pastes=numbers,
    pasted_characters=numbers,
    away_seconds=st.one_of(st.none(), st.floats(0, 4000)),
)
tries = st.builds(
    ItemWork,
    page=st.just("trials"),
    item=st.sampled_from(["look", "stay", "sure", "else"]),
    attempt=st.just(1),
    passed=st.sampled_from([None, True, False]),
)


@given(st.lists(works, max_size=12), st.lists(tries, max_size=5))
def test_counts_never_exceed_what_could_show_the_sign(trials: list[TrialWork], items: list[ItemWork]) -> None:
    for one in raised(trials, items, CHECKS):
        assert 0 < one.count <= one.of <= max(len(trials), len(items))
        assert one.detail


@given(st.lists(works, max_size=12), st.lists(tries, max_size=5), st.randoms())
def test_the_order_of_trials_matters_to_straight_lining_alone(
    trials: list[TrialWork], items: list[ItemWork], random: Any
) -> None:
    mixed = random.sample(trials, len(trials))
    first, second = flags(trials, items), flags(mixed, items)
    assert {flag: one for flag, one in first.items() if flag is not Flag.STRAIGHT_LINING} == {
        flag: one for flag, one in second.items() if flag is not Flag.STRAIGHT_LINING
    }


@given(st.lists(works, min_size=1, max_size=12), works)
def test_one_more_trial_never_takes_a_flag_away(trials: list[TrialWork], more: TrialWork) -> None:
    before, after = flags(trials), flags([*trials, more])
    assert all(flag in after and after[flag].count >= one.count for flag, one in before.items())


@given(st.lists(works, max_size=12))
def test_flags_do_not_depend_on_what_a_reason_says(trials: list[TrialWork]) -> None:
    """Reasons replaced by others that are equal where these were: the content has no part in it."""

    def named(text: str) -> str:
        return f"reason-{' '.join(text.casefold().split()).encode().hex()}" if text.split() else ""

    assert flags(trials) == flags([replace(own, reason=named(own.reason)) for own in trials])
