"""Holding the seats of one trial or judgement: what is due is asked of whoever sits there, all of a step at once.

It knows nothing of where moves are kept; the caller says what becomes of each.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from app.participants.base import Asking, CallLog, Later, Participant, Prompts
from app.protocols.core import Ask, Case, Elicitation, Move, Play, Protocol, answered, ask_seed
from app.protocols.quotes import IndexedPassage
from app.protocols.views import View, see

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a seat, and how it comes to a belief."""

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
    """Moves from elsewhere that asks may show: the finished transcript that a judge reads."""

    def view(self, ask: Ask, known: Mapping[str, Move]) -> View:
        """An ask through the eyes of its seat; `known` are the moves made so far, those given aside."""
        moves = {**self.given, **known}
        return see(ask, self.case, self.protocol.rights(), moves, self.passage.text, self.given)

    async def answer(self, ask: Ask, known: Mapping[str, Move]) -> Move | None:
        """Ask the seat's holder; None where the answer will come later. Raises ParticipantError."""
        view = self.view(ask, known)
        asking = Asking(
            path=ask.path,
            protocol=self.protocol.name,
            seed=ask_seed(self.case.seed, ask.path),
            passage=self.passage,
            calls=self.calls,
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
        """Ask until the script ends; None where a person has to answer first.

        `keep` puts each move on record as soon as it comes, and returns the one that counts. Where an ask fails, the
        others of its step are still kept before the error rises. `before_step` may raise to stop between two steps.
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
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            for move in made:
                moves[move.path] = move
                play.record(move)
            if len(made) < len(due):
                return None
        return play.outcome
