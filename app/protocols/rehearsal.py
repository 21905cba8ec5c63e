"""Running a script with stand-in moves, to know its largest number of asks before the run."""

from collections.abc import Callable
from typing import TypeVar

from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Case,
    Items,
    ItemsFacts,
    Move,
    Note,
    Pick,
    Play,
    Protocol,
    Rating,
    Speech,
    Stance,
    Thought,
    answered,
)
from app.protocols.flaws import (
    CriticFacts,
)
from app.protocols.marks import (
    numbered,
)
from app.protocols.quotes import MarkedText

R = TypeVar("R")


def rehearse(protocol: Protocol, case: Case) -> list[Ask]:
    """Return every ask of a trial with unremarkable replies, in the order they come due."""
    play = Play(protocol.script(case), protocol.rights())
    asks, _ = rehearse_with(play, lambda ask: stand_in(ask, len(case.answers)))
    return asks


def rehearse_with(play: Play[R], give: Callable[[Ask], AnyContent]) -> tuple[list[Ask], dict[str, Move]]:
    """Play a script with the content that `give` returns. Return its asks in the order they come due, and the
    moves by path.
    """
    asks: list[Ask] = []
    moves: dict[str, Move] = {}
    while not play.finished:
        due = play.due
        asks += due
        for ask in due:
            moves[ask.path] = answered(ask, give(ask))
            play.record(moves[ask.path])
    return asks, moves


def stand_in(ask: Ask, answers: int) -> AnyContent:
    """Return unremarkable content of the kind that `ask` wants."""
    contents: dict[str, AnyContent] = {
        "speech": Speech(said=MarkedText(text=making_points(ask), quotes=()), words=0),
        "note": Note(text=""),
        "thought": Thought(text=""),
        "items": Items(texts=("",) * most_items(ask, 0)),
        "pick": Pick(index=0),
        "rating": Rating(value=0.5),
        "belief": _swinging(len(ask.shows), answers),
        "stance": Stance(stance="holds"),
    }
    return contents[ask.wants]


def most_items(ask: Ask, otherwise: int) -> int:
    """Return the most texts that an ask for a list allows; `otherwise` where it names no bound."""
    return ask.facts.most if isinstance(ask.facts, ItemsFacts) else otherwise


def making_points(ask: Ask, text: str = "") -> str:
    """Return the text after as many numbered points as the ask allows."""
    return numbered(["…"] * (ask.facts.points if isinstance(ask.facts, CriticFacts) else 0)) + text


def _swinging(heard: int, answers: int) -> Belief:
    """Return a belief that every further group of moves reverses, so that a talk that runs until beliefs
    settle goes on.
    """
    rest = 0.2 / (answers - 1)
    p = [rest] * answers
    p[heard % 2] = 0.8
    return Belief(p=tuple(p), method="stated")
