"""Each seat of each protocol sees what it may and nothing else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocols.baselines import Expert, Naive, QuotesOnly
from app.protocols.combinators import Argued, Questioned
from app.protocols.consultancy import Consultancy, DoubleConsultancy
from app.protocols.core import (
    Ask,
    BadStep,
    Belief,
    BeliefMethod,
    Case,
    Elicitation,
    Move,
    Outcome,
    Protocol,
    Rating,
    Seat,
    Speech,
    Thought,
    answered,
    picked,
)
from app.protocols.criticism import Criticised
from app.protocols.debate import SIDES, Debate
from app.protocols.interactive import InteractiveConsultancy, InteractiveDebate
from app.protocols.judging import Elicit
from app.protocols.market_making import MarketMaking
from app.protocols.open import OpenDebate
from app.protocols.prover_estimator import ProverEstimator
from app.protocols.prover_verifier import ProverVerifier
from app.protocols.quotes import MarkedText
from app.protocols.recursive_reward_modelling import RecursiveRewardModelling
from app.protocols.views import Line, View, see
from tests.protocols.harness import (
    ANSWERS,
    PASSAGE,
    QUESTION,
    UNQUOTED,
    Run,
    cases,
    elicitations,
    heard,
    judgement,
    overheard,
    protocols,
    spoken,
    trial,
    witness,
)

Trees = RecursiveRewardModelling | ProverEstimator
"""Protocols whose transcripts hold lists, ratings and picks."""

# ── what each seat may see ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Sight:
    """What a seat may see, and must: no more is let through and no less."""

    passage: bool = False
    earlier: tuple[str, ...] = ()
    """Seats whose words of the rounds before its own it reads."""
    same_round: tuple[str, ...] = ()
    """Seats whose words of its own round it reads as well."""
    later: tuple[str, ...] = ()
    """Seats of which that is so from the second round on."""


def debate_sights(protocol: Debate) -> dict[str, Sight]:
    first, second = both = protocol.opposed
    everybody = (*both, *asker(protocol))
    return {
        first: Sight(True, everybody),
        second: Sight(True, everybody, () if protocol.simultaneous else (first,)),
        "questioner": Sight(False, everybody, both),
        "judge": Sight(False, everybody, both if protocol.judge_takes_part else everybody),
    }


def asker(protocol: Questioned) -> tuple[str, ...]:
    """Who asks after each round."""
    return () if protocol.questions == "none" else (protocol.questions,)


def interactive_sights(speakers: tuple[str, ...]) -> dict[str, Sight]:
    """The judge opens each round; whoever speaks in it reads what the judge said, and what came before."""
    everybody = ("judge", *speakers)
    return {
        **{name: Sight(True, everybody, ("judge",), later=speakers[:at]) for at, name in enumerate(speakers)},
        "judge": Sight(False, everybody),
    }


def critique_sights(protocol: Criticised) -> dict[str, Sight]:
    """Every critic reads all that was said before it; the author, where it replies, the critique."""
    writers = ["author", *protocol.critics]
    return {
        "tamperer": Sight(True),
        "grader": Sight(True),
        **{name: Sight(True, (), tuple(writers[:at])) for at, name in enumerate(writers)},
        "author": Sight(True, tuple(writers)),
        "voter": Sight(False),
        "judge": Sight(False, tuple(writers), tuple(writers)),
    }


def by_rounds(protocol: Protocol) -> bool:
    """Whether who hears whom follows from rounds alone, and not from prices, trees, flaws, votes or choices made in the talk."""
    match protocol:
        case MarketMaking() | ProverEstimator() | RecursiveRewardModelling():
            return False
        case Criticised():
            return not protocol.graded and not getattr(protocol, "votes", False)
        case OpenDebate():
            return protocol.simultaneous and not protocol.cross_examination
        case Debate():
            return not protocol.cross_examination
    return True


def sights(protocol: Protocol) -> Mapping[str, Sight] | None:
    """Who hears whom, round by round, where a talk goes by rounds; the checker is held to its one speech apart from it.

    What the seats of every protocol may see stands in test_information.py.
    """
    match protocol:
        case Naive():
            return {"judge": Sight()}
        case Expert():
            return {"judge": Sight(True)}
        case QuotesOnly():
            both = ("quoter_a", "quoter_b")
            return {"quoter_a": Sight(True), "quoter_b": Sight(True), "judge": Sight(False, both, both)}
        case Consultancy():
            spoke, all_ = ("consultant",), ("consultant", *asker(protocol))
            return {
                "consultant": Sight(True, all_),
                "questioner": Sight(False, all_, spoke),
                "judge": Sight(False, all_, spoke if protocol.judge_takes_part else all_),
            }
        case DoubleConsultancy():
            both = ("consultant_a", "consultant_b")
            return {
                "consultant_a": Sight(True, ("consultant_a",)),
                "consultant_b": Sight(True, ("consultant_b",)),
                "judge": Sight(False, both, both),
            }
        case OpenDebate():  # one after the other, the choice says who begins: tests/protocols/test_open.py
            return debate_sights(protocol)
        case Debate():
            return debate_sights(protocol)
        case InteractiveDebate():
            return interactive_sights(SIDES)
        case InteractiveConsultancy():
            return interactive_sights(("consultant",))
        case Criticised():
            return critique_sights(protocol)
        case ProverVerifier():
            return {"prover": Sight(True), "judge": Sight(False, ("prover",), ("prover",))}
        case MarketMaking():  # who hears what follows from prices: tests/protocols/test_market_making.py
            return {
                "adversary": Sight(True),
                "predictor": Sight(protocol.predictor_reads_passage),
                "judge": Sight(),
            }
    return None


@dataclass(frozen=True)
class Seen:
    """One view, the ask behind it, and all that had been said when everything was over."""

    protocol: Protocol
    ask: Ask
    view: View
    moves: Mapping[str, Move]
    transcript: frozenset[str]
    """Paths of what judges read."""
    argues: Mapping[str, int]


def seen_in(
    protocol: Protocol, case: Case, elicit: Elicit = "final", order: Random | None = None
) -> list[Seen]:
    """Every view of a trial and of its judgement in both orders."""
    played = trial(protocol, case)
    talk = played.run(witness, order=order)
    read = judgement(protocol, played, talk, elicit, count=2).run(witness, order=order)
    moves = {**talk.moves, **read.moves}
    transcript = frozenset(path for group in talk.outcome.transcript for path in group)
    return [
        Seen(protocol, asked[path], views[path], moves, transcript, talk.outcome.judged(case).argues)
        for asked, views in ((talk.asked, talk.views), (read.asked, read.views))
        for path in views
    ]


@st.composite
def everything_seen(draw: st.DrawFn, among: st.SearchStrategy[Protocol] = protocols) -> list[Seen]:
    """Every view of any protocol under any settings, whoever answers first and however the judge decides."""
    protocol = draw(among.filter(sights))
    case = draw(st.sampled_from(cases(protocol, elicitation={"judge": draw(elicitations)})))
    return seen_in(protocol, case, "final", draw(st.randoms(use_true_random=False)))


def sight_of(seen: Seen) -> Sight:
    """What a seat may hear of what was said; who helps a speaker hears what the speaker does, and the coach reads too."""
    table, seat = sights(seen.protocol), seen.ask.seat
    if seat in ("preference", "coach"):
        return replace(table[seen.ask.path.split("/")[1]], passage=seat == "coach")
    return table.get(seat, Sight())


def round_of(path: str) -> int | None:
    """`r2/…` is of round 2, quotes alone are of round 0, and judging comes after all rounds."""
    match = re.match(r"(?:r(\d+)|q)/", path)
    return int(match[1] or 0) if match else None


def may_hear(seen: Seen) -> set[str]:
    """Paths of the speeches and notes that belong in the view of an ask."""
    path, sight = seen.ask.path, sight_of(seen)
    if seen.ask.seat == "checker":
        return {path.removesuffix("/position")}
    own = {path.removesuffix("/stop")} if path.endswith("/stop") else set()
    given = {said: round_of(said) or 0 for said in seen.transcript}
    over = 1 + max(given.values(), default=0)
    now = round_of(path) or (over if path.startswith(("judging/", "end/")) else 0)
    return (
        own
        | unsaid(seen)
        | {
            said
            for said, at in given.items()
            if (at < now and seen.moves[said].seat in sight.earlier)
            or (at == now and seen.moves[said].seat in (*sight.same_round, *(sight.later if now > 1 else ())))
        }
    )


def unsaid(seen: Seen) -> set[str]:
    """What is shown of the making of one speech: a candidate to who rates it, its draft to the coach, and so on."""
    path = seen.ask.path
    speech = "/".join(path.split("/")[:2])
    if "/preference" in path:
        return {path.partition("/preference")[0]}
    if path.endswith("/choice"):
        made = path.removesuffix("/choice")
        return {move for move in seen.moves if re.fullmatch(rf"{made}/c\d+", move)}
    if path.endswith("/helpful"):
        return {chosen_draft(seen, speech), path.removesuffix("/helpful")}
    if path.endswith("/refined"):
        return {chosen_draft(seen, speech), chosen_critique(seen, speech)}
    return {chosen_draft(seen, speech)} if "/critique" in path else set()


def chosen_draft(seen: Seen, speech: str) -> str:
    """The candidate that the speaker chose, or in whose cause the reader believes most, on average over both orders."""
    choice = seen.moves.get(f"{speech}/choice")
    if choice is not None:
        return f"{speech}/c{picked(choice) + 1}"
    candidates = [path for path in seen.moves if re.fullmatch(rf"{speech}/c\d+", path)]
    scores = {path: [b.p for b in beliefs(seen, path)] for path in sorted(candidates, key=number_of)}
    if not scores:
        return speech
    seat = seen.moves[candidates[0]].seat
    assert isinstance(seen.protocol, Argued)
    cause = seen.protocol.cause(seat, seen.argues)
    return max(scores, key=lambda path: sum(p[cause] for p in scores[path]))


def beliefs(seen: Seen, candidate: str) -> list[Belief]:
    found = [seen.moves[f"{candidate}/preference{order}"].content for order in (1, 2)]
    return [content for content in found if isinstance(content, Belief)]


def number_of(path: str) -> int:
    return int(re.findall(r"\d+", path)[-1])


def chosen_critique(seen: Seen, speech: str) -> str:
    critiques = [path for path in seen.moves if re.fullmatch(rf"{speech}/critique\d+", path)]
    ratings = {
        path: seen.moves[f"{path}/helpful"].content for path in critiques if f"{path}/helpful" in seen.moves
    }
    return max(
        sorted(critiques, key=number_of),
        key=lambda path: rating.value if isinstance(rating := ratings.get(path), Rating) else 0,
    )


@given(everything_seen(protocols.filter(by_rounds)))
def test_a_seat_hears_whom_it_may_hear_and_never_a_round_that_is_not_over(everything: list[Seen]) -> None:
    for seen in everything:
        assert heard(seen.view) == may_hear(seen), seen.ask.path


@given(everything_seen())
def test_only_those_who_may_read_the_passage_are_given_it(everything: list[Seen]) -> None:
    for seen in everything:
        may = sight_of(seen).passage
        assert seen.view.passage == (PASSAGE if may else None)
        assert (UNQUOTED in repr(seen.view)) == may


@given(everything_seen())
def test_no_seat_reads_a_scratchpad_or_a_thought_of_another(everything: list[Seen]) -> None:
    for seen in everything:
        own = {path for path, move in seen.moves.items() if move.seat == seen.ask.seat}
        assert overheard(seen.view) <= own


@given(everything_seen())
def test_nothing_but_speeches_notes_and_thoughts_of_ones_own_is_shown_and_in_trees_lists_ratings_and_picks(
    everything: list[Seen],
) -> None:
    for seen in everything:
        for line in seen.view.lines:
            lists = ("items", "rating", "pick") if isinstance(seen.protocol, Trees) else ()
            assert line.content.kind in ("speech", "note", "thought", *lists)
            assert line.own or line.content.kind != "thought"


@given(everything_seen())
def test_who_cannot_read_the_passage_does_not_learn_where_quotes_stand_in_it(everything: list[Seen]) -> None:
    for seen in everything:
        for content in (line.content for line in seen.view.lines):
            if isinstance(content, Speech) and seen.view.passage is None:
                assert [(q.spans, q.new_characters, q.repeated) for q in content.said.quotes] == [
                    ((), 0, False)
                ]


@given(everything_seen())
def test_how_anothers_speech_came_about_is_not_told(everything: list[Seen]) -> None:
    for seen in everything:
        for line in seen.view.lines:
            if isinstance(line.content, Speech) and not line.own:
                assert line.content == Speech(said=line.content.said, words=line.content.words)


@given(everything_seen())
def test_own_speeches_are_listed_first_and_the_others_by_letter_as_read(everything: list[Seen]) -> None:
    for seen in everything:
        for group in seen.view.groups:
            assert [line.own for line in group] == sorted((line.own for line in group), reverse=True)
            others = [line.speaker for line in group if not line.own]
            assert others == sorted(others)


# ── the table by example ────────────────────────────────────────────────────────────────────────────────────────


def listing(seen: Seen) -> list[list[str]]:
    """Who speaks in a view, group by group, `*` before one's own, with the path of what was said."""
    return [
        [("*" if line.own else "") + line.speaker + " " + min(heard(line)) for line in group]
        for group in seen.view.groups
    ]


def listings(protocol: Protocol, case: Case) -> dict[str, list[list[str]]]:
    return {seen.ask.path: listing(seen) for seen in seen_in(protocol, case)}


def test_debaters_read_the_rounds_before_themselves_first_and_judges_by_letter() -> None:
    [case] = cases(Debate())
    assert listings(Debate(rounds=2), case) == {
        "r1/debater_a": [],
        "r1/debater_b": [],
        "r2/debater_a": [["*Debater A r1/debater_a", "Debater B r1/debater_b"]],
        "r2/debater_b": [["*Debater B r1/debater_b", "Debater A r1/debater_a"]],
        "r1/debater_a/position": [["Debater A r1/debater_a"]],
        "r1/debater_b/position": [["Debater B r1/debater_b"]],
        "r2/debater_a/position": [["Debater A r2/debater_a"]],
        "r2/debater_b/position": [["Debater B r2/debater_b"]],
        "judging/order0/step2": [
            ["Debater A r1/debater_a", "Debater B r1/debater_b"],
            ["Debater A r2/debater_a", "Debater B r2/debater_b"],
        ],
        "judging/order1/step2": [
            ["Debater A r1/debater_b", "Debater B r1/debater_a"],
            ["Debater A r2/debater_b", "Debater B r2/debater_a"],
        ],
    }


def test_in_a_sequential_debate_labels_are_exchanged_and_speeches_keep_their_order() -> None:
    protocol = Debate(rounds=1, simultaneous=False)
    [case, _] = cases(protocol)
    seen = listings(protocol, case)
    assert seen["r1/debater_b"] == [["Debater A r1/debater_a"]]
    assert seen["judging/order0/step2"] == [["Debater A r1/debater_a"], ["Debater B r1/debater_b"]]
    assert seen["judging/order1/step2"] == [["Debater B r1/debater_a"], ["Debater A r1/debater_b"]]


def test_a_consultant_has_no_letter_and_the_stand_in_for_the_judge_asks_in_the_judges_name() -> None:
    protocol = Consultancy(rounds=2, questions="questioner")
    for case in cases(protocol):
        seen = listings(protocol, case)
        assert seen["r1/questioner"] == [["Consultant r1/consultant"]]
        assert seen["r2/consultant"] == [["*Consultant r1/consultant"], ["Judge r1/questioner"]]
        assert (
            seen["judging/order0/step3"]
            == seen["judging/order1/step3"]
            == [
                ["Consultant r1/consultant"],
                ["Judge r1/questioner"],
                ["Consultant r2/consultant"],
            ]
        )


# ── what a view is ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_view_has_no_place_for_gold() -> None:
    assert {field.name for field in fields(View)} == {
        *("kind", "wants", "title", "label", "passage", "question", "answers"),
        *("order", "side", "groups", "evidence", "limits", "facts"),
    }
    assert {field.name for field in fields(Line)} == {"speaker", "own", "content", "draft"}
    assert {field.name for field in fields(Case)} == {
        *("question", "answers", "argues", "seed", "elicitation"),
        "planted",  # arguments that come with a question, for whichever of its answers
    }


SEATS = {
    "judge": Seat("judge", "Judge"),
    "critic": Seat("critic", "Critic", reads_passage=True, lettered=True),
    "solver": Seat("solver", "Solver", reads_passage=True, lettered=True),
}
CASE = Case(QUESTION, ANSWERS, {"critic": 1, "solver": 0}, seed=7)


def view_of(ask: Ask, *moves: Move) -> View:
    return see(ask, CASE, SEATS, {move.path: move for move in moves}, PASSAGE)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_answers_letters_and_sides_are_as_the_seat_reads_them(order: tuple[int, int]) -> None:
    view = view_of(Ask("x", "critic", "critique", "note", order=order))
    assert view.answers == tuple(ANSWERS[index] for index in order)
    assert view.side == order.index(1)
    assert view.answers[view.side] == "The ferryman did."
    assert view.label == f"Critic {'AB'[order.index(1)]}"
    assert view.in_trial_order((0.9, 0.1)) == tuple((0.9, 0.1)[order.index(index)] for index in (0, 1))


@given(st.permutations(range(5)), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_figures_as_read_return_to_the_trials_own_order(order: list[int], figures: list[float]) -> None:
    case = Case(QUESTION, tuple("vwxyz"), {}, seed=7)
    view = see(Ask("x", "judge", "belief", "belief", order=tuple(order)), case, SEATS, {}, PASSAGE)
    as_read = tuple(figures["vwxyz".index(answer)] for answer in view.answers)
    assert view.in_trial_order(as_read) == tuple(figures)


def test_a_thought_is_refused_to_every_seat_but_its_own() -> None:
    ask = Ask("x/reason", "judge", "reason", "thought")
    thought = answered(ask, Thought(text="The key tells it."))
    shows = ((ask.path,),)
    [line] = view_of(Ask("x", "judge", "belief", "belief", shows), thought).lines
    assert (line.own, line.content) == (True, thought.content)
    with pytest.raises(BadStep, match="x/reason is a thought of judge and may not be shown to critic"):
        view_of(Ask("y", "critic", "critique", "note", shows), thought)


def test_a_seat_keeps_its_own_scratchpad_and_where_its_quotes_stand() -> None:
    ask = Ask("r1/critic", "critic", "critique", "speech")
    speech = spoken(ask.path)
    move = answered(ask, speech)
    shows = ((ask.path,),)
    [own] = view_of(Ask("r2/critic", "critic", "critique", "speech", shows), move).lines
    [others] = view_of(Ask("r2/solver", "solver", "reply", "speech", shows), move).lines
    [judges] = view_of(Ask("v", "judge", "belief", "belief", shows), move).lines
    assert own.content == speech
    assert others.content == Speech(said=speech.said, words=speech.words)
    assert isinstance(judges.content, Speech)
    assert judges.content.said.text == speech.said.text
    assert judges.content.said.quotes == (
        speech.said.quotes[0].model_copy(update={"spans": (), "new_characters": 0, "repeated": False}),
    )


@pytest.mark.parametrize("method", get_args(BeliefMethod))
def test_others_read_of_a_belief_only_its_numbers_and_not_how_it_was_found(method: BeliefMethod) -> None:
    belief = Belief(
        p=(0.25, 0.75),
        method=method,
        label_mass=0.9,
        reason="The key tells it.",
        said=(40, 120),
        bounds=((0.2, 0.3), (0.7, 0.8)),
        flags=("off_sum", "bounded"),
    )
    move = answered(Ask("x/belief", "solver", "belief", "belief"), belief)
    shows = ((move.path,),)
    [own] = view_of(Ask("y", "solver", "reply", "speech", shows), move).lines
    assert own.content == belief
    for seat in ("critic", "judge"):
        [others] = view_of(Ask("y", seat, "remark", "note", shows), move).lines
        assert others.content == Belief(p=(0.25, 0.75), method="stated")


def test_simultaneous_speeches_are_listed_alike_whoever_is_named_first() -> None:
    moves = [
        answered(Ask(f"r1/{seat}", seat, "opening", "speech"), spoken(f"r1/{seat}"))
        for seat in ("critic", "solver")
    ]
    shown = tuple(move.path for move in moves)
    for seat in SEATS:
        ask = Ask("x", seat, "remark", "note", (shown,))
        assert view_of(ask, *moves) == view_of(replace(ask, shows=(shown[::-1],)), *moves)


def test_only_the_moves_that_an_ask_shows_are_used() -> None:
    ask = Ask("r1/solver", "solver", "opening", "speech")
    unseen = answered(ask, Speech(said=MarkedText(text="Nobody hears this.", quotes=()), words=3))
    view = view_of(Ask("x", "judge", "belief", "belief"), unseen)
    assert view.groups == ()
    assert view == view_of(Ask("x", "judge", "belief", "belief"))


def test_the_judge_of_a_finished_trial_reads_its_transcript_and_no_position_check() -> None:
    [case] = cases(Debate(), elicitation={"judge": Elicitation(reason_first=True)})
    played = trial(Debate(), case)
    run: Run[Outcome] = played.run(witness)
    views = judgement(Debate(), played, run).run(witness).views
    assert {path.count("/position") for path in heard(list(views.values()))} == {0}
    [*transcript, thought] = views["judging/order0/step3"].lines
    assert len(transcript) == 6
    assert thought.content == Thought(text="kept:judging/order0/step3/reason;")
