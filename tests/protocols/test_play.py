"""Play refuses what a script may not ask and a seat may not give; talks run side by side keep in step."""

from collections.abc import Callable
from dataclasses import (
    dataclass,
    fields,
    replace,
)
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocols.core import (
    AnyContent,
    Ask,
    BadStep,
    Facts,
    Limits,
    Move,
    Note,
    Pick,
    PickFacts,
    Play,
    Rating,
    RuleChanged,
    Step,
    Talk,
    answered,
    ask_seed,
    one,
    replay,
    together,
)
from app.protocols.rehearsal import stand_in
from tests.protocols.harness import stored

SEATS = ["judge", "debater"]


def note(path: str, *shows: str, seat: str = "debater") -> Ask:
    return Ask(path, seat, "remark", "note", tuple((shown,) for shown in shows))


def talk(*steps: Step) -> Talk[None]:
    for step in steps:
        moves = yield step
        assert [move.path for move in moves] == [ask.path for ask in step]


def said(ask: Ask) -> Move:
    return answered(ask, Note(text=ask.path))


# ── what a script may ask ───────────────────────────────────────────────────────────────────────────────────────


def test_a_step_that_asks_for_nothing_is_refused() -> None:
    with pytest.raises(BadStep, match="must ask for something"):
        Play(talk([]), SEATS)


def test_a_step_that_asks_twice_under_one_path_is_refused() -> None:
    with pytest.raises(BadStep, match="paths not used before"):
        Play(talk([note("a"), note("a")]), SEATS)


def test_a_path_of_an_earlier_step_is_refused() -> None:
    play = Play(talk([note("a")], [note("b"), note("a")]), SEATS)
    with pytest.raises(BadStep, match="paths not used before"):
        play.record(said(note("a")))


def test_a_path_of_the_transcript_that_is_read_is_refused() -> None:
    with pytest.raises(BadStep, match="paths not used before"):
        Play(talk([note("r1/debater")]), SEATS, given=["r1/debater"])


def test_a_seat_that_the_protocol_does_not_have_is_refused() -> None:
    with pytest.raises(BadStep, match="a asks the seat critic, which this protocol does not have"):
        Play(talk([note("a", seat="critic")]), SEATS)


def test_showing_a_move_of_the_same_step_is_refused() -> None:
    with pytest.raises(BadStep, match=r"b shows \['a'\], which are not answered yet"):
        Play(talk([note("a"), note("b", "a")]), SEATS)


def test_showing_a_move_that_nobody_made_is_refused() -> None:
    play = Play(talk([note("a")], [note("b", "a", "z")]), SEATS)
    with pytest.raises(BadStep, match=r"b shows \['z'\]"):
        play.record(said(note("a")))


def test_answered_moves_and_the_transcript_that_is_read_may_be_shown() -> None:
    play = Play(talk([note("a", "r1/debater")], [note("b", "a", "r1/debater")]), SEATS, given=["r1/debater"])
    play.record(said(note("a", "r1/debater")))
    assert [ask.path for ask in play.due] == ["b"]


# ── what a seat may give ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", [Pick(index=0), Rating(value=1)])
def test_content_of_another_kind_than_the_ask_wants_is_refused(content: AnyContent) -> None:
    with pytest.raises(BadStep, match=f"a wants a note and was given a {content.kind}"):
        answered(note("a"), content)


def test_a_pick_that_others_read_says_to_them_what_the_ask_says_it_says() -> None:
    ask = replace(
        note("a"), wants="pick", facts=PickFacts(options=("yes", "no"), says=("Agrees.", "Objects."))
    )
    assert answered(ask, Pick(index=1)).content == Pick(index=1, said="Objects.")
    with pytest.raises(BadStep, match="a names 2 options and was given number 3"):
        answered(ask, Pick(index=2))


def test_the_same_move_is_not_taken_twice() -> None:
    play = Play(talk([note("a"), note("b")]), SEATS)
    play.record(said(note("a")))
    with pytest.raises(RuleChanged, match="The move a answers nothing that the script asks at this point"):
        play.record(said(note("a")))


def test_a_move_is_not_taken_before_its_step() -> None:
    play = Play(talk([note("a")], [note("b")]), SEATS)
    with pytest.raises(RuleChanged, match="The move b answers nothing"):
        play.record(said(note("b")))


def test_a_step_is_due_until_its_last_move_and_the_script_is_sent_them_in_the_order_asked() -> None:
    sent: list[list[str]] = []

    def script() -> Talk[str]:
        moves = yield [note("a"), note("b"), note("c")]
        sent.append([move.path for move in moves])
        return "done"

    play = Play(script(), SEATS)
    for path, left in [("c", ["a", "b"]), ("a", ["b"]), ("b", [])]:
        assert (play.finished, play.outcome) == (False, None)
        play.record(said(note(path)))
        assert [ask.path for ask in play.due] == left
    assert (sent, play.finished, play.outcome, play.steps) == ([["a", "b", "c"]], True, "done", 1)


def test_a_script_that_asks_nothing_is_over_at_once() -> None:
    play = replay(Play(talk(), SEATS), {})
    assert (play.finished, play.due, play.steps) == (True, [], 0)


# ── fingerprints and seeds ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class RoundAtAPrice(Facts):
    round: int
    price: float


@dataclass(frozen=True, kw_only=True)
class AtAPrice(Facts):
    price: float
    options: tuple[str, ...] | None = None
    round: int


WHOLE = Ask(
    path="r2/debater",
    seat="debater",
    kind="rebuttal",
    wants="speech",
    shows=(("r1/debater", "r1/other"),),
    order=(1, 0),
    limits=Limits(100, 70, 150, 250),
    facts=RoundAtAPrice(round=2, price=0.25),
)
CHANGED: dict[str, Any] = {
    "path": "r3/debater",
    "seat": "judge",
    "kind": "opening",
    "wants": "note",
    "shows": (("r1/debater",), ("r1/other",)),
    "order": None,
    "argues": {"debater": 1},
    "limits": Limits(100, 70, 150, 251),
    "facts": RoundAtAPrice(round=2, price=0.26),
}


@pytest.mark.parametrize("field", [field.name for field in fields(Ask)])
def test_whatever_changes_in_an_ask_changes_its_fingerprint(field: str) -> None:
    assert replace(WHOLE, **{field: CHANGED[field]}).fingerprint != WHOLE.fingerprint


def test_a_fingerprint_is_the_same_in_every_release() -> None:
    # Another digest for the same ask would stop every trial that is under way.
    assert WHOLE.fingerprint == "7d06e5e96adbfd315f3c85374997fc31"
    assert replace(WHOLE, facts=AtAPrice(price=0.25, round=2)).fingerprint == WHOLE.fingerprint


def test_lists_among_the_facts_are_lists_of_json_and_what_is_not_given_is_absent() -> None:
    assert AtAPrice(price=0.25, round=2, options=("a", "b")).by_name() == {
        "price": 0.25,
        "options": ["a", "b"],
        "round": 2,
    }
    assert AtAPrice(price=0.25, round=2).by_name() == {"price": 0.25, "round": 2}


def test_the_seed_of_an_ask_depends_on_trial_and_path_alone() -> None:
    seeds = {ask_seed(trial, path) for trial in (1, 2) for path in ("r1/a", "r1/b")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert ask_seed(1, "r1/a") == ask_seed(1, "r1/a")


@pytest.mark.parametrize(
    "wants", ["speech", "note", "thought", "items", "pick", "rating", "belief", "stance"]
)
def test_every_kind_of_move_comes_back_from_its_record_as_it_was(wants: Any) -> None:
    ask = replace(WHOLE, wants=wants)
    move = answered(ask, stand_in(ask, answers=3))
    assert stored(move) == move


# ── side by side ────────────────────────────────────────────────────────────────────────────────────────────────


def counting(name: str, steps: int) -> Talk[list[str]]:
    """A talk of so many steps, the n-th of them with n asks."""
    heard = []
    for number in range(1, steps + 1):
        moves = yield [note(f"{name}{number}/{part}") for part in range(number)]
        heard += [move.path for move in moves]
    return heard


@given(st.lists(st.integers(0, 4), max_size=5))
def test_talks_side_by_side_are_sent_their_own_moves_and_return_in_order(lengths: list[int]) -> None:
    names = "abcde"[: len(lengths)]
    play = Play(together(*map(counting, names, lengths)), SEATS)
    while not play.finished:
        for ask in reversed(play.due):
            play.record(said(ask))
    assert play.outcome == [
        [f"{name}{number}/{part}" for number in range(1, steps + 1) for part in range(number)]
        for name, steps in zip(names, lengths, strict=True)
    ]
    assert play.steps == max(lengths, default=0)


@pytest.mark.parametrize("talks", [lambda: together(), lambda: together(together(), together())])
def test_no_talks_side_by_side_end_at_once(talks: Callable[[], Talk[Any]]) -> None:
    assert Play(talks(), SEATS).finished


def test_asks_of_talks_side_by_side_may_not_share_a_path() -> None:
    with pytest.raises(BadStep, match="paths not used before"):
        Play(together(one(note("a")), one(note("a"))), SEATS)


def test_asks_of_talks_side_by_side_stay_hidden_from_one_another() -> None:
    with pytest.raises(BadStep, match=r"b shows \['a'\]"):
        Play(together(one(note("a")), one(note("b", "a"))), SEATS)


def test_a_talk_that_asks_for_nothing_is_refused_beside_others_too() -> None:
    with pytest.raises(BadStep, match="must ask for something"):
        Play(together(one(note("a")), talk([])), SEATS)
