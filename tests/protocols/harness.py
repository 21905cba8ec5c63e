"""The stage, the stand-ins and the kills that the tests of the protocols share; no database, no participant."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeAlias, TypeVar, get_args

from hypothesis import strategies as st

from app.protocols import PROTOCOLS
from app.protocols.baselines import Expert, Naive, QuotesOnly
from app.protocols.combinators import Attack
from app.protocols.consultancy import Consultancy, DoubleConsultancy
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Case,
    Elicitation,
    Items,
    Move,
    Note,
    Outcome,
    Pick,
    PickFacts,
    Play,
    Protocol,
    Rating,
    Seat,
    Speech,
    Stance,
    Talk,
    Thought,
    answered,
    parse_content,
    replay,
)
from app.protocols.critique import Critique
from app.protocols.debate import Debate
from app.protocols.interactive import InteractiveConsultancy, InteractiveDebate
from app.protocols.judging import Elicit, Reading, judge, orders
from app.protocols.market_making import MarketMaking
from app.protocols.open import OpenConsultancy, OpenDebate
from app.protocols.planted_flaws import PlantedFlaws
from app.protocols.prover_estimator import ProverEstimator
from app.protocols.prover_verifier import ProverVerifier
from app.protocols.quotes import indexed, mark
from app.protocols.recursive_critique import RecursiveCritique
from app.protocols.recursive_reward_modelling import RecursiveRewardModelling
from app.protocols.views import View, see

R = TypeVar("R")

# ── the trial ───────────────────────────────────────────────────────────────────────────────────────────────────

QUESTION = "Who opened the gate?"
ANSWERS = ("The miller did.", "The ferryman did.")
UNQUOTED = "Nobody ever quotes this sentence."
QUOTABLE = (
    "The miller rose before dawn and walked to the weir with a lantern.",
    "The ferryman had moored his boat on the far bank and slept.",
    "A key with a red ribbon lay on the sill of the mill.",
)
PASSAGE = " ".join([*QUOTABLE[:2], UNQUOTED, *QUOTABLE[2:]])


def cases(
    protocol: Protocol,
    answers: tuple[str, ...] = ANSWERS,
    elicitation: Mapping[str, Elicitation] | None = None,
) -> list[Case]:
    """The case of every assignment of `protocol`, as the plan of an experiment makes them."""
    return [
        Case(
            QUESTION,
            answers[::-1] if given.reverse else answers,
            given.argues,
            7,
            elicitation or {},
            role=given.role,
        )
        for given in protocol.assignments(len(answers))
    ]


# ── the stage ───────────────────────────────────────────────────────────────────────────────────────────────────

Answer: TypeAlias = Callable[[View, Ask], AnyContent | None]
"""Whoever sits in all the seats; None says that this one answers later."""


@dataclass
class Run(Generic[R]):
    """What happened on a stage."""

    play: Play[R]
    moves: dict[str, Move]
    """All moves on record, those from before this run included."""
    steps: list[list[Ask]] = field(default_factory=list)
    """What was due at each step of this run."""
    views: dict[str, View] = field(default_factory=dict)
    """What was seen for each ask of this run."""

    @property
    def outcome(self) -> R:
        """How it ended."""
        assert self.play.finished
        assert self.play.outcome is not None
        return self.play.outcome

    @property
    def asked(self) -> dict[str, Ask]:
        """Every ask of this run by its path."""
        return {ask.path: ask for step in self.steps for ask in step}


@dataclass(frozen=True)
class Stage(Generic[R]):
    """A script that can be begun anew as often as one likes, and what its seats see."""

    script: Callable[[], Talk[R]]
    case: Case
    seats: Mapping[str, Seat]
    given: Mapping[str, Move] = field(default_factory=dict)

    def begin(self, moves: Iterable[Move] = ()) -> Play[R]:
        """A fresh play in which `moves` are on record."""
        play = Play(self.script(), self.seats, self.given)
        return replay(play, {move.path: move for move in moves})

    def run(self, answer: Answer, moves: Iterable[Move] = (), order: Random | None = None) -> Run[R]:
        """Play on from `moves` as far as it goes; with `order`, the asks of a step are answered out of order."""
        known = {move.path: move for move in moves}
        run = Run(self.begin(known.values()), known)
        while due := run.play.due:
            run.steps.append(due)
            for ask in order.sample(due, len(due)) if order else due:
                self._answer(run, ask, answer)
            if any(ask.path not in run.moves for ask in due):
                break
        return run

    def _answer(self, run: Run[R], ask: Ask, answer: Answer) -> None:
        view = see(ask, self.case, self.seats, {**self.given, **run.moves}, PASSAGE, self.given)
        run.views[ask.path] = view
        content = answer(view, ask)
        if content is not None:
            run.moves[ask.path] = answered(ask, content)
            run.play.record(run.moves[ask.path])


def trial(protocol: Protocol, case: Case) -> Stage[Outcome]:
    """The talk of a protocol."""
    return Stage(lambda: protocol.script(case), case, protocol.rights())


def judgement(
    protocol: Protocol, played: Stage[Outcome], run: Run[Outcome], elicit: Elicit = "final", count: int = 0
) -> Stage[tuple[Reading, ...]]:
    """A judge on a finished trial, in as many orders as the protocol says or `count` of them."""
    seat, case = protocol.judge, run.outcome.judged(played.case)
    reading = orders(len(case.answers), count or protocol.reading_orders)
    transcript, points = run.outcome.transcript, run.outcome.points
    return Stage(
        lambda: judge(case, transcript, elicit, reading, seat.name, points),
        case,
        protocol.rights(),
        run.moves,
    )


# ── who answers ─────────────────────────────────────────────────────────────────────────────────────────────────


def openly(path: str) -> str:
    """Words that others may read."""
    return f"said:{path};"


def privately(path: str) -> str:
    """Words that no other seat may ever read, unless its settings show them to judges."""
    return f"kept:{path};"


def heard(view: object) -> set[str]:
    """Paths of the moves whose open words are anywhere in `view`."""
    return set(re.findall(r"said:(\S+?);", repr(view)))


def overheard(view: object) -> set[str]:
    """Paths of the moves whose private words are anywhere in `view`."""
    return set(re.findall(r"kept:(\S+?);", repr(view)))


def spoken(path: str, quoted: str = QUOTABLE[0], **rest: object) -> Speech:
    """A speech that names its path, openly and in private, and quotes the passage."""
    said = mark(f"{openly(path)} <quote>{quoted}</quote>", indexed(PASSAGE))
    return Speech(said=said, scratchpad=privately(path), words=len(said.text.split())).model_copy(update=rest)


def sure(p: float) -> Belief:
    """A belief of `p` in the first of two answers."""
    return Belief(p=(p, 1 - p), method="stated")


def witness(view: View, ask: Ask) -> AnyContent:
    """Names its path in all that it says; whatever else it does follows from everything that it saw."""
    chance = Random(f"{ask.path} {view}")
    match ask.wants:
        case "speech":
            return spoken(ask.path, chance.choice(QUOTABLE), asked=3, cut=True, suspicious=("verdict",))
        case "note":
            return Note(text=openly(ask.path))
        case "thought":
            return Thought(text=privately(ask.path))
        case "items":
            return Items(texts=tuple(f"{openly(ask.path)} {n}" for n in range(chance.randrange(4))))
        case "pick":
            named = ask.facts.options if isinstance(ask.facts, PickFacts) else "answers"
            return Pick(index=chance.randrange(len(view.answers if named == "answers" else named)))
        case "rating":
            return Rating(value=chance.random())
        case "belief":
            weights = [chance.random() for _ in view.answers]
            p = tuple(weight / sum(weights) for weight in weights)
            return Belief(p=view.in_trial_order(p), method="logprobs", reason=privately(ask.path))
        case "stance":
            return Stance.model_validate({"stance": chance.choice(["holds", "concedes", "refuses"])})


# ── kills ───────────────────────────────────────────────────────────────────────────────────────────────────────


def stored(move: Move) -> Move:
    """The move as it comes back from its record."""
    content = parse_content(json.loads(json.dumps(move.content.model_dump(mode="json"))))
    return Move(move.path, move.seat, content, move.fingerprint)


Kill: TypeAlias = tuple[list[Move], list[Ask]]
"""What is on record when a process is killed, and what is due then."""


def kills(run: Run[R]) -> Iterator[Kill]:
    """Every moment of a run: whole steps, and of the next one every start, every single move and all but one."""
    done: list[Move] = []
    for step in run.steps:
        for committed in _parts(len(step)):
            made = [stored(run.moves[step[at].path]) for at in committed]
            yield [*done, *made], [ask for at, ask in enumerate(step) if at not in committed]
        done += [stored(run.moves[ask.path]) for ask in step]
    yield done, []


def _parts(size: int) -> set[tuple[int, ...]]:
    everyone = tuple(range(size))
    starts = {everyone[:end] for end in everyone}
    singles = {(at,) for at in everyone if size > 1}
    return starts | singles | {everyone[:at] + everyone[at + 1 :] for at in everyone}


@st.composite
def a_kill(draw: st.DrawFn, run: Run[R]) -> Kill:
    """Any set of moves that may be on record at some moment of `run`, in any order, and what is due then."""
    at = draw(st.integers(0, len(run.steps)))
    step: Sequence[Ask] = run.steps[at] if at < len(run.steps) else []
    waits = [draw(st.booleans()) for _ in step]
    if step and not any(waits):
        waits[draw(st.integers(0, len(step) - 1))] = True
    due = [ask for ask, waiting in zip(step, waits, strict=True) if waiting]
    made = [ask for ask, waiting in zip(step, waits, strict=True) if not waiting]
    asks = [ask for earlier in run.steps[:at] for ask in earlier] + made
    return [stored(run.moves[ask.path]) for ask in draw(st.permutations(asks))], due


def assert_resumes(stage: Stage[R], answer: Answer, whole: Run[R], kill: Kill) -> None:
    """From what is on record the same is due as before the kill, and the end is that of the undisturbed run."""
    on_record, due = kill
    resumed = stage.run(answer, on_record)
    assert resumed.steps[:1] == ([due] if due else [])
    assert resumed.views.keys().isdisjoint(move.path for move in on_record), (
        "a committed move was asked again"
    )
    assert resumed.moves == whole.moves
    assert resumed.outcome == whole.outcome


def survives(stage: Stage[R], answer: Answer) -> Run[R]:
    """Kill and resume a run at every moment; the undisturbed run is returned."""
    whole = stage.run(answer)
    for kill in kills(whole):
        assert_resumes(stage, answer, whole, kill)
    return whole


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────

_WORDS = {
    "target_words": st.integers(80, 90),
    "min_words": st.integers(0, 80),
    "max_words": st.integers(90, 200),
    "quote_characters": st.one_of(st.just(0), st.integers(20, 500)),
}
_PRESSURE = {
    "candidates": st.integers(1, 3),
    "refinements": st.integers(0, 2),
    "chosen_by": st.sampled_from(["reader", "speaker"]),
    "planning": st.booleans(),
    "attack": st.sampled_from(get_args(Attack)),
    "show_scratchpad": st.booleans(),
}
_SPEECH = {**_WORDS, **_PRESSURE}
_LENGTHS = {"rounds": st.integers(1, 4), **_SPEECH}


def _consultancy(rules: type[Consultancy]) -> st.SearchStrategy[Protocol]:
    """With questions of a stand-in only where there is a round after one."""
    asking = _LENGTHS | {"rounds": st.integers(2, 4)}
    free = st.builds(rules, questions=st.sampled_from(["none", "judge"]), **_LENGTHS)
    return st.one_of(free, st.builds(rules, questions=st.just("questioner"), **asking))


def _debate(rules: type[Debate]) -> st.SearchStrategy[Protocol]:
    switches = {"simultaneous": st.booleans(), "cross_examination": st.booleans()}
    free = st.builds(rules, questions=st.sampled_from(["none", "judge"]), **switches, **_LENGTHS)
    asking = _LENGTHS | {"rounds": st.integers(2, 4)}
    return st.one_of(free, st.builds(rules, questions=st.just("questioner"), **switches, **asking))


_TURNS = {
    "min_rounds": st.integers(1, 2),
    "max_rounds": st.integers(2, 4),
    "swing": st.floats(0, 1),
    "turn_penalty": st.floats(0, 1),
    **_SPEECH,
}

SETTINGS: dict[str, st.SearchStrategy[Protocol]] = {
    "naive": st.builds(Naive),
    "expert": st.builds(Expert),
    "quotes-only": st.builds(QuotesOnly, quote_characters=st.integers(20, 999)),
    "consultancy": _consultancy(Consultancy),
    "double-consultancy": st.builds(DoubleConsultancy, **_LENGTHS),
    "debate": _debate(Debate),
    "critique": st.one_of(
        st.builds(Critique, rebuttal=st.booleans(), points=st.integers(1, 9), **_SPEECH),
        st.builds(Critique, grade=st.just(True), mark=st.booleans(), **_SPEECH),
    ),
    "critique-planted-flaws": st.builds(
        PlantedFlaws,
        depth=st.integers(1, 3),
        votes=st.booleans(),
        planted=st.sampled_from([0, 0.5, 1]),
        mark=st.booleans(),
        **_SPEECH,
    ),
    "recursive-critique": st.one_of(
        st.builds(RecursiveCritique, depth=st.integers(1, 3), points=st.integers(1, 9), **_SPEECH),
        st.builds(
            RecursiveCritique,
            depth=st.integers(1, 3),
            votes=st.just(True),
            grade=st.booleans(),
            mark=st.booleans(),
            **_SPEECH,
        ),
    ),
    "prover-verifier": st.one_of(
        st.builds(ProverVerifier, **_SPEECH),
        st.builds(ProverVerifier, roles=st.just("known"), **_SPEECH | {"show_scratchpad": st.just(False)}),
    ),
    "market-making": st.builds(
        MarketMaking,
        steps=st.integers(1, 3),
        candidates=st.integers(1, 3),
        reads=st.sampled_from([2, 4]),
        price_reads=st.sampled_from([2, 16]),
        least_move=st.floats(0, 0.5),
        predictor_reads_passage=st.booleans(),
        **_WORDS,
    ),
    "recursive-reward-modelling": st.builds(
        RecursiveRewardModelling,
        questions=st.integers(1, 3),
        depth=st.integers(1, 3),
        calls=st.integers(3, 8),
        misleading=st.sampled_from([0, 0.25, 0.5, 1]),
        **_WORDS,
    ),
    "prover-estimator": st.builds(
        ProverEstimator,
        depth=st.integers(1, 3),
        least_parts=st.integers(2, 3),
        most_parts=st.integers(3, 4),
        **_SPEECH | {"quote_characters": st.integers(20, 500)},
    ),
    "open-consultancy": _consultancy(OpenConsultancy),
    "open-debate": _debate(OpenDebate),
    "interactive-consultancy": st.builds(InteractiveConsultancy, **_TURNS),
    "interactive-debate": st.builds(InteractiveDebate, **_TURNS),
}
"""Settings of every protocol in the registry."""

protocols = st.sampled_from(sorted(PROTOCOLS)).flatmap(SETTINGS.__getitem__)
"""Any protocol with any settings."""

elicitations = st.builds(Elicitation, reason_first=st.booleans(), votes=st.integers(0, 3))
