"""What each seat of each protocol may see: one table, held against every view and against every prompt made of it.

A row names everything that a seat is ever shown:

- `passage`, the hidden text; `side`, the answer that it was assigned;
- `notes`, its own scratchpads and thoughts, and what it wrote and did not say in the end;
- a seat's name: all words of that seat which judges will read, as soon as the step is over in which they were said;
- `some of` a seat: of its words only some, or candidates and checks that no judge reads;
- `notes of` a seat: the scratchpads of its speeches, where the arm shows them to judges;
- `belief of`, `rating of`, `pick of` or `stance of` a seat: such a figure, without how it came about;
- `told` and a name: a fact of the ask.

Nothing stands in it that would let a seat see gold: what a script knows has no place for it, and tests/test_gold.py
shows the same of the prompts of whole experiments.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import (
    dataclass,
    replace,
)
from functools import cache
from random import Random
from typing import Any, ClassVar, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.participants.prompts import PromptBook, load
from app.protocols import PROTOCOLS
from app.protocols.baselines import Naive
from app.protocols.combinators import Argued, believe
from app.protocols.consultancy import CONSULTANTS, DoubleConsultancy
from app.protocols.core import (
    AnyContent,
    Ask,
    Case,
    Elicitation,
    Items,
    Move,
    Outcome,
    Protocol,
    Seat,
    Speech,
    Talk,
    paths,
)
from app.protocols.debate import Debate
from app.protocols.flaws import (
    CriticFacts,
)
from app.protocols.judging import Elicit
from app.protocols.market_making import MarketMaking
from app.protocols.marks import (
    MARKING,
    numbered,
)
from app.protocols.planted_flaws import PlantedFlaws
from app.protocols.rehearsal import (
    most_items,
    stand_in,
)
from app.protocols.views import View
from scripts.protocol_pages import variants
from tests.protocols.harness import (
    PASSAGE,
    UNQUOTED,
    Answer,
    cases,
    elicitations,
    heard,
    judgement,
    openly,
    overheard,
    protocols,
    trial,
    witness,
)

Table: TypeAlias = dict[str, set[str]]
"""What each seat may see."""
THOROUGH = settings(max_examples=60)
"""As many examples in every run: blinding is tested no less in a quick one."""

# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────

ROUND = {"told round", "told rounds"}
SPEAKS = {"passage", "side", "notes", *ROUND}
DECIDES = {"notes", "told options"}
"""A seat that comes to a belief may reason before, or be asked for votes."""
PARTS = {"told number", "told least", "told most", "told options", "told says"}
CALLED = {"rating of estimator", "pick of prover"}
"""Prices, and what is said of them."""


def checks(*seats: str) -> Table:
    """Who says whether a speech holds its side is shown that speech alone: the test below says so."""
    return {"checker": {"told side", *(f"some of {seat}" for seat in seats)}}


def consultancy(rules: Any) -> Table:
    said, asks = asked(rules, {"consultant"})
    return {"consultant": SPEAKS | said, **asks, **checks("consultant"), "judge": DECIDES | said}


def asked(rules: Any, said: set[str]) -> tuple[set[str], Table]:
    """Who is heard where a reader without the passage may ask, and what a stand-in for the judge may see."""
    asker = {"judge": {"judge"}, "questioner": {"questioner"}, "none": set[str]()}[rules.questions]
    heard = said | asker
    return heard, ({"questioner": heard} if rules.questions == "questioner" else {})


def debate(rules: Any) -> Table:
    """Both debaters read both, and questions; a judge reads all of it."""
    first, second = rules.opposed
    said, asks = asked(rules, {first, second})
    told = {"told asked"} if rules.questions != "none" else set()
    speaks = SPEAKS | said | told
    return {
        first: speaks,
        second: speaks,
        **asks,
        **checks(first, second),
        "judge": DECIDES | said,
    }


def critique(rules: Any) -> Table:
    """Each critic reads all that was said before; the author reads a critique only where it answers it.

    Of critiques that are written side by side each reads the argument alone, and the voter one of them at a time.

    Of an argument that was tampered with, nobody but the tamperer knows how it was, and nobody but the grader the flaw.
    """
    critics = rules.critics
    alone = getattr(rules, "votes", False)
    planted = getattr(rules, "planted", 0)
    about = {"passage", *ROUND, "told side", "told level", "told points"}
    argument = ({"author"} if planted < 1 else set()) | ({"tamperer"} if planted else set())
    tampers = {"passage", "told side", "notes", "tamperer", "some of author"}
    flaw = {"some of tamperer"} if planted else set()
    grades = {
        "passage",
        "told point",
        "told options",
        "told says",
        "critic_1",
        *argument - {"tamperer"},
        *flaw,
    }
    marks = {"told point", "told text", "told options", "told says"} if rules.mark else set()
    return {
        "author": SPEAKS | {"author", *critics} if getattr(rules, "rebuttal", False) else SPEAKS - {"notes"},
        **{
            critic: about | argument | (set() if alone else set(critics[:level]))
            for level, critic in enumerate(critics)
        },
        **({"voter": DECIDES | argument | {f"some of {critic}" for critic in critics}} if alone else {}),
        **checks("author"),
        **({"tamperer": tampers} if planted else {}),
        **({"grader": grades} if rules.graded else {}),
        "judge": DECIDES | marks | argument | set(critics),
    }


def market_making(rules: Any) -> Table:
    """Only the adversary is told a price; a predictor reads what was taken and one candidate, if any."""
    passage = {"passage"} if rules.predictor_reads_passage else set()
    return {
        "adversary": {"passage", "notes", "told step", "told price", "adversary"},
        "predictor": DECIDES | passage | {"some of adversary"},
        "judge": DECIDES | {"adversary"},
    }


def recursive_reward_modelling(rules: Any) -> Table:
    """Below the judge's own sub-questions everybody hears one branch alone, and only an assistant its own orders."""
    levels = range(1, rules.depth + 1)
    found: Table = {"questioner": {"told least", "told most"}}
    for level in levels:
        above = {f"some of {seat}_{at}" for seat in ("assistant", "sub_judge") for at in range(1, level)}
        found[f"assistant_{level}"] = {"passage", "questioner", "told number", "told mislead"} | above
        found[f"sub_judge_{level}"] = {"questioner", "told number", f"some of assistant_{level}"} | above
        if level < rules.depth:  # it may ask further, and hears what comes of it
            found[f"sub_judge_{level}"] |= {"told least", "told most", f"some of sub_judge_{level}"}
        for below in range(level + 1, rules.depth + 1):
            heard_of = {f"some of assistant_{below}", f"rating of sub_judge_{below}"}
            further = {f"some of sub_judge_{below}"} if below < rules.depth else set()
            found[f"sub_judge_{level}"] |= heard_of | further
    askers = {"questioner", *(f"sub_judge_{level}" for level in levels if level < rules.depth)}
    ratings = {f"rating of sub_judge_{level}" for level in levels}
    return found | {"judge": DECIDES | askers | ratings | {f"assistant_{level}" for level in levels}}


def opened(said: set[str]) -> set[str]:
    """The judge who opens the rounds: what was said, and what it costs to hear more."""
    return DECIDES | ROUND | {"told penalty", "told says", "told credence", "judge", *said}


def open_consultancy(rules: Any) -> Table:
    """As in a consultancy; which answer is argued for the consultant is asked, and not told, before it speaks."""
    found = consultancy(rules)
    return found | {"consultant": found["consultant"] | {"told options"}}


def two_sides(first: str, second: str) -> Table:
    """Two who argue, and a judge who reads both."""
    return {**checks(first, second), "judge": DECIDES | {first, second}}


IN_THE_JUDGES_PLACE = ("judge", "preference", "questioner", "voter")
"""The seats that read notes where an arm shows them: those that decide, choose or ask as the judge does."""


def with_notes(rules: Argued, found: Table) -> Table:
    """Judges read the notes of whoever argues with the speeches that they hear; opponents, coaches and checkers never do.

    An argument that was tampered with has none, so that an author's would give away that it was not.
    """
    if not rules.show_scratchpad:
        return found
    noted = set(rules.speakers) - ({"author"} if isinstance(rules, PlantedFlaws) else set())
    return {
        seat: may
        | {
            f"notes of {name}"
            for name in noted
            if may & {name, f"some of {name}"} and seat in IN_THE_JUDGES_PLACE
        }
        for seat, may in found.items()
    }


def pressed(rules: Argued, found: Table) -> Table:
    """Candidates are read by who chooses, critiques and drafts by whose speech it is; nobody else reads any of them.

    Who chooses or criticises hears beside them what the speaker has heard.
    """
    heard = set(rules.speakers).union(*(found[seat] & (found.keys() | CALLED) for seat in rules.speakers))
    heard = {words if words in CALLED else f"some of {words}" for words in heard}
    added: dict[str, set[str]] = defaultdict(set)
    if rules.attacking:
        added[rules.attacking] |= {"told attack"}
    if rules.planning:
        for speaker in rules.speakers:
            added[speaker] |= {"told plan"}
    if max(rules.candidates, rules.rewrites) > 1:
        if rules.chosen_by == "reader":
            added["preference"] |= DECIDES | {"told silent"} | heard
        else:
            for speaker in rules.speakers:
                added[speaker] |= {"told options", "told says", "notes", f"some of {speaker}"}
    if rules.refinements:
        added["coach"] |= {"passage", "told side"} | heard
        for speaker in rules.speakers:
            added[speaker] |= {"notes", "told draft", "some of coach"}
    if rules.refinements > 1:
        added["preference"] |= {"told side", "some of coach"} | heard
    return {seat: found.get(seat, set()) | added[seat] for seat in (*found, *(added.keys() - found.keys()))}


MAY_SEE: Mapping[str, Callable[[Any], Table]] = {
    "naive": lambda rules: {"judge": DECIDES},
    "expert": lambda rules: {"judge": DECIDES | {"passage"}},
    "quotes-only": lambda rules: {
        "quoter_a": {"passage", "side"},
        "quoter_b": {"passage", "side"},
        "judge": DECIDES | {"quoter_a", "quoter_b"},
    },
    "consultancy": consultancy,
    "double-consultancy": lambda rules: {
        "consultant_a": SPEAKS | {"consultant_a"},
        "consultant_b": SPEAKS | {"consultant_b"},
        **two_sides("consultant_a", "consultant_b"),
    },
    "debate": debate,
    "critique": critique,
    "critique-planted-flaws": critique,
    "recursive-critique": critique,
    "prover-verifier": lambda rules: {
        "prover": SPEAKS - {"notes"}
        | ({"told options", "told mislead"} if rules.roles == "known" else set()),
        **checks("prover"),
        "judge": DECIDES | {"prover"},
    },
    "market-making": market_making,
    "recursive-reward-modelling": recursive_reward_modelling,
    "prover-estimator": lambda rules: {
        "prover": {"passage", "side", "notes", *PARTS, *CALLED, "prover"},
        "estimator": {"told side", "told number", "told whole", "told parts", *CALLED, "prover"},
        **checks("prover"),
        "judge": DECIDES | CALLED | {"prover"},
    },
    "open-consultancy": open_consultancy,
    # Nobody sees the choice, from which a judge could tell who made it.
    "open-debate": lambda rules: (
        debate(rules) | {"protagonist": debate(rules)["protagonist"] | {"told options"}}
    ),
    "interactive-consultancy": lambda rules: {
        "consultant": SPEAKS | {"consultant", "judge", "told credence"},
        **checks("consultant"),
        "judge": opened({"consultant"}),
    },
    "interactive-debate": lambda rules: {
        "debater_a": SPEAKS | {"debater_a", "debater_b", "judge", "told credence"},
        "debater_b": SPEAKS | {"debater_a", "debater_b", "judge", "told credence"},
        **checks("debater_a", "debater_b"),
        "judge": opened({"debater_a", "debater_b"}),
    },
}


def table(rules: Protocol) -> Table:
    """The rows of a protocol under its settings."""
    assert rules.name in MAY_SEE, (
        f"Nobody has said what the seats of {rules.name} may see: "
        "add its row to MAY_SEE in tests/protocols/test_information.py."
    )
    found = MAY_SEE[rules.name](rules)
    return with_notes(rules, pressed(rules, found)) if isinstance(rules, Argued) else found


def rows(rules: Protocol, seat: str) -> set[str]:
    """What one seat may see."""
    found = table(rules)
    assert seat in found, (
        f"Nobody has said what the seat {seat} of {rules.name} may see: "
        "add it to MAY_SEE in tests/protocols/test_information.py."
    )
    return found[seat]


# ── all that is seen ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Seen:
    """One view of a trial or of its judgement, the ask behind it, and how everything ended."""

    protocol: Protocol
    ask: Ask
    view: View
    moves: Mapping[str, Move]
    """All that had been said when everything was over."""
    over: Mapping[str, Move]
    """What this seat may be shown of it: the moves of the steps before or, for a judge, what was read so far."""
    transcript: frozenset[str]
    """Paths of what judges read: no candidate that was not taken, no check, no price."""


def seen_in(
    protocol: Protocol,
    case: Case,
    elicit: Elicit = "final",
    order: Random | None = None,
    answer: Answer = witness,
) -> list[Seen]:
    """Every view of a trial and of its judgement in both orders."""
    played = trial(protocol, case)
    talk = played.run(answer, order=order)
    transcript = talk.outcome.transcript
    told = frozenset(path for group in transcript for path in group)
    found, before = [], dict[str, Move]()
    for step in talk.steps:
        found += [Seen(protocol, ask, talk.views[ask.path], talk.moves, dict(before), told) for ask in step]
        before |= {ask.path: talk.moves[ask.path] for ask in step}
    read = judgement(protocol, played, talk, elicit, count=2).run(answer, order=order)
    for path, ask in read.asked.items():
        heard_so_far = {path for group in transcript[: _steps_read(path)] for path in group}
        own = {other for other in read.moves if other.startswith(f"{path}/")}
        moves = {**talk.moves, **read.moves}
        over = {path: moves[path] for path in heard_so_far | own}
        found.append(Seen(protocol, ask, read.views[path], moves, over, told))
    return found


def _steps_read(path: str) -> int | None:
    """How many steps of a transcript a judge has read at a path that `judging.place` begins; None for all, as at marks."""
    found = re.search(r"/step(\d+)", path)
    assert found or path.startswith(MARKING)
    return int(found[1]) if found else None


@st.composite
def everything_seen(draw: st.DrawFn, among: st.SearchStrategy[Protocol] = protocols) -> list[Seen]:
    """Every view of any protocol under any settings, whoever answers first and however beliefs are come to."""
    protocol = draw(among)
    how = {name: draw(elicitations) for name in protocol.rights()}
    case = draw(st.sampled_from(cases(protocol, elicitation=how)))
    elicit = draw(st.sampled_from(["final", "each_step"]))
    return seen_in(protocol, case, elicit, draw(st.randoms(use_true_random=False)))


# ── in the words of the table ───────────────────────────────────────────────────────────────────────────────────

OPEN = ("speech", "note", "items")
"""Kinds of moves whose words others may read."""


def perceived(seen: Seen) -> set[str]:
    """Everything in a view, in the words of the table; who is heard in part is named so only where it must be."""
    view, may = seen.view, rows(seen.protocol, seen.ask.seat)
    found = {f"told {fact}" for fact in view.facts.by_name()}
    found |= {"passage"} if UNQUOTED in repr(view) or view.passage is not None else set()
    found |= {"side"} if view.side is not None else set()
    found |= {_whose_notes(seen, path) for path in overheard(view)}
    for path in heard(view):
        seat = seen.moves[path].seat
        if seat == seen.ask.seat and path not in seen.transcript:
            found.add("notes")
        else:
            whole = path in seen.transcript and f"some of {seat}" not in may
            found.add(seat if whole else f"some of {seat}")
    shown = (seen.moves[path] for group in seen.ask.shows for path in group)
    found |= {
        f"{move.content.kind} of {move.seat}" for move in shown if move.content.kind not in (*OPEN, "thought")
    }
    return found


def _whose_notes(seen: Seen, path: str) -> str:
    """What the private words of a move are in the table."""
    seat = seen.moves[path].seat
    return "notes" if seat == seen.ask.seat else f"notes of {seat}"


@cache
def book(protocol: str) -> PromptBook:
    return PromptBook(load({}, protocol))


def prompt(protocol: str, view: View) -> str:
    """All that a model would be sent, with line breaks as the blanks that a reader takes them for."""
    return " ".join("".join(part.text for part in book(protocol).segments(protocol, view)).split())


# ── the tests ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_the_table_names_every_seat_under_every_switch_and_no_other(name: str) -> None:
    for words, rules in variants(PROTOCOLS[name]):
        assert table(rules).keys() == rules.rights().keys(), f"{name} {words}"


@THOROUGH
@given(everything_seen())
def test_no_seat_sees_more_than_the_table_says(everything: list[Seen]) -> None:
    for seen in everything:
        more = perceived(seen) - rows(seen.protocol, seen.ask.seat)
        assert not more, f"{seen.ask.path} shows {sorted(more)} to {seen.ask.seat}"


HOWS = (Elicitation(reason_first=True), Elicitation(votes=2))


def swayed(view: View, ask: Ask) -> AnyContent:
    """Changes its mind with all that it hears, and lists as much as it may, so that whatever can go on goes on."""
    match ask.wants:
        case "belief":
            return stand_in(ask, len(view.answers))
        case "items":
            return Items(texts=tuple(f"{openly(ask.path)} {n}" for n in range(most_items(ask, 2))))
        case "speech" if isinstance(ask.facts, CriticFacts):
            speech = witness(view, ask)
            assert isinstance(speech, Speech)
            text = f"{speech.said.text}\n{numbered(['…'] * ask.facts.points)}"
            return speech.model_copy(update={"said": speech.said.model_copy(update={"text": text})})
        case _:
            return witness(view, ask)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_seat_sees_all_that_the_table_says(name: str) -> None:
    for words, rules in variants(PROTOCOLS[name]):
        found: Table = {seat: set() for seat in table(rules)}
        for how in HOWS:
            given = cases(rules, elicitation=dict.fromkeys(found, how))
            # Where a share of the trials goes otherwise, one of two seeds is of them.
            for case in (replace(one, seed=seed) for one in given for seed in (one.seed, 0)):
                for seen in [*seen_in(rules, case), *seen_in(rules, case, answer=swayed)]:
                    found[seen.ask.seat] |= perceived(seen)
        assert found == table(rules), f"{name} {words}"


@THOROUGH
@given(everything_seen())
def test_whose_words_a_seat_reads_it_reads_whole_and_only_once_their_step_is_over(
    everything: list[Seen],
) -> None:
    for seen in everything:
        may = rows(seen.protocol, seen.ask.seat)
        said = {
            path: move.seat
            for path, move in seen.over.items()
            if move.content.kind in OPEN and move.content != Items(texts=())
        }
        # A judge's remark is asked for beside its belief, to which the paths beneath it lead: `r1/judge/belief`.
        whole = {
            path
            for path, seat in said.items()
            if path in seen.transcript and seat in may and not seen.ask.path.startswith(f"{path}/")
        }
        must = {path for path in whole if not still_chosen(path, seen.ask.path)}
        partly = {path for path, seat in said.items() if f"some of {seat}" in may or seat == seen.ask.seat}
        assert must <= heard(seen.view) <= whole | partly, seen.ask.path


def still_chosen(path: str, asked: str) -> bool:
    """Whether a candidate is one of a turn in which speakers, one of whom is asked, still choose among theirs."""
    turn = asked.partition("/")[0]
    return asked.endswith("/choice") and bool(re.fullmatch(rf"{turn}/[^/]+(/refined)?/c\d+", path))


@THOROUGH
@given(everything_seen())
def test_a_checker_reads_the_one_speech_that_it_checks(everything: list[Seen]) -> None:
    for seen in everything:
        if seen.ask.seat == "checker":
            assert heard(seen.view) == {seen.ask.path.removesuffix("/position")}


@THOROUGH
@given(everything_seen())
def test_private_words_reach_no_seat_but_their_own_and_judges_to_whom_the_arm_shows_those_of_speeches(
    everything: list[Seen],
) -> None:
    for seen in everything:
        may = rows(seen.protocol, seen.ask.seat)
        own = {path for path, move in seen.over.items() if move.seat == seen.ask.seat}
        shown = {
            path
            for path in heard(seen.view)
            if seen.over[path].content.kind == "speech" and f"notes of {seen.over[path].seat}" in may
        }
        assert overheard(seen.view) - own == shown - own


@THOROUGH
@given(everything_seen())
def test_a_prompt_holds_what_its_view_holds_and_no_more(everything: list[Seen]) -> None:
    for seen in everything:
        text = prompt(seen.protocol.name, seen.view)
        assert heard(text) == heard(seen.view)
        assert overheard(text) <= overheard(seen.view)
        own = {path for path, move in seen.moves.items() if move.seat == seen.ask.seat}
        assert overheard(seen.view) - own <= overheard(text), "notes that the arm shows are in the prompt"
        assert (UNQUOTED in text) == ("passage" in rows(seen.protocol, seen.ask.seat))
        assert (PASSAGE in text) == (seen.view.passage is not None)


# ── the tests tested ────────────────────────────────────────────────────────────────────────────────────────────


class PeepingJudge(Naive):
    """Gives the judge the passage."""

    judge: ClassVar[Seat] = Seat("judge", "Judge", reads_passage=True)


class OpenDoor(DoubleConsultancy):
    """Lets the second consultant hear the first."""

    def script(self, case: Case) -> Talk[Outcome]:
        first, second = CONSULTANTS
        heard_first = yield from self.spoken(case, self.speech(first, "consultant", (), number=1, rounds=1))
        answer = self.speech(second, "consultant", (heard_first,), number=1, rounds=1)
        return Outcome(paths((heard_first, (yield from self.spoken(case, answer)))))


class OpenNotes(Debate):
    """Lets the debaters read each other's notes."""

    def rights(self) -> dict[str, Seat]:
        return {
            name: replace(seat, reads_passage=False, reads_notes=True)
            for name, seat in super().rights().items()
        }


class PriceShown(MarketMaking):
    """Has the judge read a price."""

    def script(self, case: Case) -> Talk[Outcome]:
        offered = yield [self._offer("t1", number, (), [(0.5, 0.5)]) for number in (1, 2)]
        predicted = believe(case, "t0", "predictor", ((offered[0].path,),), order=(0, 1), kind="price")
        yield from predicted
        return Outcome(((offered[0].path,), ("t0",)))


@pytest.mark.parametrize(
    ("protocol", "seat", "more"),
    [
        (PeepingJudge(), "judge", {"passage"}),
        (OpenDoor(), "consultant_b", {"consultant_a"}),
        (PriceShown(), "judge", {"belief of predictor"}),
        (OpenNotes(show_scratchpad=True), "debater_b", {"notes of debater_a"}),
    ],
)
def test_a_script_that_shows_too_much_is_found_out(protocol: Protocol, seat: str, more: set[str]) -> None:
    found = set()
    for seen in seen_in(protocol, cases(protocol)[0]):
        if seen.ask.seat == seat:
            found |= perceived(seen) - rows(protocol, seat)
    assert found == more


class Stranger(Naive):
    """Nobody has said anything about it."""

    name = "stranger"


class MoreJudges(PeepingJudge):
    """Has a seat that its row does not name."""

    def seats(self) -> tuple[Seat, ...]:
        return (Seat("juror", "Juror"),)


def test_a_protocol_or_seat_that_nobody_has_spoken_of_is_told_with_what_to_add() -> None:
    with pytest.raises(AssertionError, match="the seats of stranger may see: add its row to MAY_SEE"):
        table(Stranger())
    with pytest.raises(AssertionError, match="the seat juror of naive may see: add it to MAY_SEE"):
        rows(MoreJudges(), "juror")
