"""A case, its passage and a record of calls, for tests of participants that ask a model."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.participants.base import Asking, Call, Ending, EndpointSettings
from app.participants.client import Client
from app.participants.concurrency import Limit
from app.participants.outages import Patience
from app.participants.prompts import PromptBook, load
from app.protocols.combinators import RoundFacts
from app.protocols.core import Ask, Case, Limits, Move
from app.protocols.debate import Debate
from app.protocols.quotes import IndexedPassage
from app.protocols.views import View, see

PASSAGE = """The keeper of the Marrow light wrote in his log that the lamp went out at four.
Nobody on the island had seen the ship, he said, but the boy had heard a bell under the cliff.
In the morning they found the harbour chain broken and the mule gone from its stall.
The keeper swore that he had never slept, and the boy did not contradict him."""
INDEX = IndexedPassage(PASSAGE)
CASE = Case(
    question="Why did the lamp go out?",
    answers=("The keeper fell asleep.", "The boy put it out.", "The oil ran dry.")[:2],
    argues={"debater_a": 0, "debater_b": 1},
    seed=7,
)
BOOK = PromptBook(load({}, "debate", "consultancy", "quotes-only"))
SPEECH_LIMITS = Limits(target_words=40, min_words=25, max_words=60, quote_characters=200)
HASTY = Patience(attempts=5, first=0.001, longest=0.002, asked=0.01)


def ask(wants: Any, kind: str, seat: str = "judge", **more: Any) -> Ask:
    """An ask of a debate, alone on its path."""
    return Ask(f"t/{seat}", seat, kind, wants, **more)


def speech_ask(**more: Any) -> Ask:
    """The first speech of debater A."""
    more = {"limits": SPEECH_LIMITS, "facts": RoundFacts(round=1, rounds=1)} | more
    return ask("speech", "debater", "debater_a", **more)


def seen(asked: Ask, moves: Iterable[Move] = ()) -> View:
    """The view of an ask in the one case there is."""
    return see(asked, CASE, Debate().rights(), {move.path: move for move in moves}, PASSAGE)


@dataclass
class Record:
    """Keeps every attempt, in order."""

    begun: list[tuple[Call, int, str]] = field(default_factory=list)
    ended: dict[str, Ending] = field(default_factory=dict)

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        self.begun.append((call, attempt, request_id))

    async def end(self, request_id: str, ending: Ending) -> None:
        self.ended[request_id] = ending

    @property
    def endings(self) -> list[Ending]:
        """In the order in which the attempts were begun."""
        return [self.ended[request_id] for _, _, request_id in self.begun if request_id in self.ended]

    @property
    def statuses(self) -> list[str]:
        return [ending.status for ending in self.endings]

    @property
    def purposes(self) -> list[str]:
        return [call.purpose for call, _, _ in self.begun]


def asking(record: Record, protocol: str = "debate") -> Asking:
    """What a participant is handed beside a view."""
    return Asking("t/move", protocol, 11, INDEX, record, BOOK)


def client(
    base_url: str, *, patience: Patience = HASTY, limit: Limit | None = None, **settings_: Any
) -> Client:
    """A client that hardly waits between attempts."""
    settings = EndpointSettings.model_validate({"base_url": base_url, **settings_})
    return Client("big", settings, limit=limit, patience=patience)
