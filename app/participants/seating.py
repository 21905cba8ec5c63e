"""The seats of one trial or judgement: sends the asks that are due to their participants, all of a step at
once.

Moves are stored by the caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from app.participants.base import Asking, AskLog, CallLog, Later, Participant, Prompts
from app.participants.outages import EndpointPaused
from app.protocols.core import Ask, Case, Elicitation, Move, Play, Protocol, answered, ask_seed
from app.protocols.quotes import IndexedPassage
from app.protocols.views import View, see

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Holder:
    """The participant of a seat, and how it comes to a belief."""

    participant: Participant
    elicitation: Elicitation


@dataclass(frozen=True, slots=True)
class Seating:
    """Everything that asking needs in one trial or judgement."""

    protocol: Protocol
    case: Case
    passage: IndexedPassage
    holders: Mapping[str, Holder]
    prompts: Prompts
    calls: CallLog
    given: Mapping[str, Move] = field(default_factory=dict)
    """Other moves that asks may show: the finished transcript that a judge reads."""

    def view(self, ask: Ask, known: Mapping[str, Move]) -> View:
        """Return an ask as its seat sees it. `known` are the moves so far, other than the given ones."""
        moves = {**self.given, **known}
        return see(ask, self.case, self.protocol.rights(), moves, self.passage.text, self.given)

    async def answer(self, ask: Ask, known: Mapping[str, Move]) -> Move | None:
        """Ask the seat's participant. Return None where the answer will come later. Raise ParticipantError."""
        view = self.view(ask, known)
        asking = Asking(
            path=ask.path,
            protocol=self.protocol.name,
            seed=ask_seed(self.case.seed, ask.path),
            passage=self.passage,
            calls=AskLog(self.calls),
            prompts=self.prompts,
        )
        content = await self.holders[ask.seat].participant.answer(view, asking)
        return None if isinstance(content, Later) else answered(ask, content)

    async def play_out(
        self,
        play: Play[R],
        known: Mapping[str, Move],
        keep: Callable[[Move], Awaitable[Move]],
        before_step: Callable[[], Awaitable[None]] | None = None,
    ) -> R | None:
        """Ask until the script ends. Return None where a person has to answer first.

        `keep` records each move as soon as it comes, and returns the one that counts. If an ask fails, the
        other moves of its step are still kept before the error is raised. `before_step` may raise an error to
        stop between two steps.
        """
        moves = dict(known)

        async def ask_and_keep(ask: Ask) -> Move | None:
            move = await self.answer(ask, moves)
            return None if move is None else await keep(move)

        while not play.finished:
            if before_step is not None:
                await before_step()
            due = play.due
            results = await asyncio.gather(*(ask_and_keep(ask) for ask in due), return_exceptions=True)
            made = [result for result in results if isinstance(result, Move)]
            errors = [result for result in results if isinstance(result, BaseException)]
            # What fails the play rises before what only puts it off.
            for error in sorted(errors, key=lambda error: isinstance(error, EndpointPaused)):
                raise error
            for move in made:
                moves[move.path] = move
                play.record(move)
            if len(made) < len(due):
                return None
        return play.outcome
