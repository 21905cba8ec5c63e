"""Plays whole trials and judgements with built-ins, without a database, and keeps what every seat was shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.participants.base import Asking, BuiltinSettings, Ending, Later, Participant, Segment
from app.participants.baselines import builtin
from app.participants.prompts import PromptBook, load
from app.participants.seating import Holder, Seating
from app.protocols import PROTOCOLS
from app.protocols.core import AnyContent, Case, Elicitation, Move, Outcome, Play, Protocol
from app.protocols.judging import Elicit, Reading, judge, orders
from app.protocols.quotes import indexed
from app.protocols.views import View

FERRY = """The ferry at Osk ran twice a day, and Marta Venn had steered it for nineteen years. On the first morning of \
the frost she found the rudder chain cut through, clean as a cheese. Her brother Jonas said at once that the timber \
merchants had done it, because they wanted the river for their rafts. Everyone in the Lantern agreed with him, and a \
stone was thrown at the merchants' office that same night.

Constable Ruhl asked to see the chain. He noticed that the links had been filed from the inside, where only a person \
kneeling in the steering box could have reached. The merchants had no key to the steering box. There were two keys, \
and Jonas had asked his sister for the second one a week before the frost.

In the end it was Jonas himself who told her. He had filed the chain because the ferry was insured for four hundred \
crowns, and he owed three hundred to the miller at Sandhope. Marta paid the miller out of her own savings and let the \
insurance lapse. The new chain came by raft, and the timber merchants charged her nothing for the freight."""

QUESTION = "Who cut the rudder chain of the ferry, and why?"
ANSWERS = (
    "Jonas filed it because he wanted the insurance to pay his debt to the miller",
    "The timber merchants cut it because they wanted the river for their rafts",
)
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "consultancy": {"questions": "questioner"},
    "critique": {"rebuttal": True},
    "market-making": {"candidates": 3, "price_reads": 2},
    "recursive-reward-modelling": {"misleading": 0.5},
}


def protocol(name: str, **settings: Any) -> Protocol:
    """A protocol with its defaults; in a consultancy questions are asked, and the market is a small one."""
    return PROTOCOLS[name](**{**SETTINGS.get(name, {}), **settings})


def case(rules: Protocol, *, assignment: int = 0, seed: int = 5, **more: Any) -> Case:
    """The question on the ferry under one assignment of `rules`."""
    argues = rules.assignments(2)[assignment].argues
    return replace(Case(QUESTION, ANSWERS, argues, seed), **more)


def debater() -> Participant:
    return builtin(BuiltinSettings(name="extractive-debater"))


def lexical_judge() -> Participant:
    return builtin(BuiltinSettings(name="lexical-judge"))


class NoCalls:
    """A record of model calls for those who make none."""

    async def begin(self, call: Any, attempt: int, request_id: str) -> None:
        raise AssertionError("A built-in called a model.")

    async def end(self, request_id: str, ending: Ending) -> None:
        raise AssertionError("A built-in called a model.")


@dataclass
class Witness:
    """A participant whose every view and prompt is kept, by path."""

    participant: Participant
    views: dict[str, View] = field(default_factory=dict)
    prompts: dict[str, list[Segment]] = field(default_factory=dict)

    async def answer(self, view: View, asking: Asking) -> AnyContent | Later:
        self.views[asking.path] = view
        self.prompts[asking.path] = asking.prompts.segments(asking.protocol, view)
        return await self.participant.answer(view, asking)


@dataclass
class Played:
    """A trial, one judgement of it, and what was shown on the way."""

    rules: Protocol
    case: Case
    moves: dict[str, Move]
    outcome: Outcome
    readings: tuple[Reading, ...]
    witness: Witness

    def prompts_of(self, seat: str) -> dict[str, list[Segment]]:
        """Prompts of one seat, in the order in which they were asked."""
        return {path: self.witness.prompts[path] for path, move in self.moves.items() if move.seat == seat}


async def play(
    rules: Protocol,
    trial: Case,
    *,
    passage: str = FERRY,
    speaker: Participant | None = None,
    reader: Participant | None = None,
    elicit: Elicit = "final",
    book: PromptBook | None = None,
) -> Played:
    """Play a trial out and judge it in every order."""
    witness = Witness(speaker or debater())
    judging = Witness(reader or lexical_judge(), witness.views, witness.prompts)
    holders = {name: Holder(witness, Elicitation()) for name in rules.rights()}
    for seat in holders:
        if seat in ("judge", "predictor", "estimator", "questioner", "preference") or seat.startswith(
            "sub_judge"
        ):
            holders[seat] = Holder(judging, Elicitation())
    book = book or PromptBook(load({}, rules.name))
    sitting = Seating(rules, trial, indexed(passage), holders, book, NoCalls())
    moves: dict[str, Move] = {}

    async def keep(move: Move) -> Move:
        moves[move.path] = move
        return move

    outcome = await sitting.play_out(Play(rules.script(trial), rules.rights()), {}, keep)
    assert outcome is not None
    trial = outcome.judged(trial)
    sitting = replace(sitting, case=trial)
    script = judge(
        trial, outcome.transcript, elicit, orders(2, rules.reading_orders), "judge", outcome.points
    )
    readings = await sitting.play_out(Play(script, ["judge"], moves), dict(moves), keep)
    assert readings is not None
    return Played(rules, trial, moves, outcome, readings, witness)


def text(segments: Iterable[Segment]) -> str:
    """A prompt as one text, roles aside."""
    return "".join(segment.text for segment in segments)
