"""What a seat may see when it is asked. Prompts and pages are made from views alone.

`see` is the one place that decides. It limits the moves of an ask to the rights of the seat. It never gets
gold.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.protocols.core import (
    AnyContent,
    Ask,
    BadStep,
    Belief,
    Case,
    Facts,
    Items,
    Limits,
    Move,
    Seat,
    Speech,
    SpeechFacts,
    Thought,
    Wants,
)
from app.protocols.quotes import MarkedText, Quote
from app.protocols.writing import Unit, unit_of

F = TypeVar("F")

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Line:
    """One shown move, as this seat may see it."""

    speaker: str
    own: bool
    content: AnyContent
    draft: bool = False
    """Whether it is the draft that the seat is asked to rewrite, which the seat has not said."""

    @property
    def number(self) -> str:
        """The number of its speaker's item, such as `1.2`; empty where there is none."""
        found = _NUMBERED.search(self.speaker)
        return found[1] if found else ""

    def numbered(self) -> tuple[str, ...]:
        """Return the texts of a list with their numbers: `1.2.1. …` for the first if its speaker's item is
        1.2.
        """
        assert isinstance(self.content, Items)
        head = f"{self.number}." if self.number else ""
        return tuple(f"{head}{at}. {text}" for at, text in enumerate(self.content.texts, 1))


@dataclass(frozen=True, slots=True)
class View:
    """One ask as its seat sees it."""

    kind: str
    wants: Wants
    title: str
    label: str
    """The seat's name in the talk, such as `Debater B`."""
    passage: str | None
    question: str
    answers: tuple[str, ...]
    """In the seat's reading order: the first is lettered A."""
    order: tuple[int, ...]
    """Index in the trial's order of each answer as read."""
    side: int | None
    """Index, as read, of the answer this seat argues for."""
    groups: tuple[tuple[Line, ...], ...]
    """The shown moves. Those of one group were made simultaneously."""
    evidence: tuple[tuple[int, int], ...]
    """Every verified quote shown, in the order of the passage: index into `lines`, index into the speech's
    quotes.
    """
    limits: Limits
    facts: Facts
    notes_shown: bool = False
    """Whether judges read the private notes of this seat, which it should know."""

    @property
    def lines(self) -> list[Line]:
        """Return the shown moves in reading order."""
        return [line for group in self.groups for line in group]

    @property
    def letters(self) -> str:
        """Return the labels of the answers as read: `AB` for two."""
        return LETTERS[: len(self.answers)]

    @property
    def unit(self) -> Unit:
        """Return what lengths are shown in: characters where question and answers have no spaces between words."""
        return unit_of(" ".join([self.question, *self.answers]))

    def in_trial_order(self, as_read: tuple[F, ...]) -> tuple[F, ...]:
        """Return figures for the answers as read in the trial's order."""
        placed = dict(zip(self.order, as_read, strict=True))
        return tuple(placed[index] for index in range(len(self.order)))


def see(
    ask: Ask,
    case: Case,
    seats: Mapping[str, Seat],
    moves: Mapping[str, Move],
    passage: str,
    given: Collection[str] = (),
) -> View:
    """Return the view of `ask`. `moves` are all moves so far, of which only those that the ask shows are
    used.

    `given` are the paths of moves from another script, a transcript being judged. They belong to no seat of
    this one.
    """
    seat = seats[ask.seat]
    order = ask.order or tuple(range(len(case.answers)))
    argues = case.argues if ask.argues is None else ask.argues
    eyes = _Eyes(seat, argues, order, seats, given)
    side = eyes.argues.get(seat.name)
    shown = [eyes.sorted([moves[path] for path in group]) for group in ask.shows]
    draft = ask.facts.draft if isinstance(ask.facts, SpeechFacts) else None
    return View(
        kind=ask.kind,
        wants=ask.wants,
        title=seat.title,
        label=eyes.label(seat.name, ask.path),
        passage=passage if seat.reads_passage else None,
        question=case.question,
        answers=tuple(case.answers[index] for index in order),
        order=order,
        side=None if side is None else order.index(side),
        groups=tuple(tuple(eyes.line(move, draft) for move in group) for group in shown),
        evidence=_in_passage_order([move for group in shown for move in group]),
        limits=ask.limits,
        facts=ask.facts,
        notes_shown=seat.notes_shown,
    )


NODE = re.compile(r"(?:[a-z]\d+/)+")
_NUMBERED = re.compile(r", \w+ ([\d.]+)\Z")


def label(seat: Seat, side: int | None, order: Sequence[int], path: str = "") -> str:
    """Return the name of a seat that argues for the answer `side`, for a seat with this reading order:
    `Debater B`.

    If the seat is about a numbered item, the name has the number at the start of `path` too.
    """
    name = f"{seat.title} {LETTERS[order.index(side)]}" if seat.lettered and side is not None else seat.title
    node = NODE.match(path) if seat.about else None
    return f"{name}, {seat.about} {number(node[0])}" if node else name


def number(path: str) -> str:
    """Return the number of a place in a tree: `1.2` for `q1/q2/`."""
    return ".".join(re.findall(r"\d+", path))


@dataclass(frozen=True, slots=True)
class _Eyes:
    """A seat, and the order in which it reads the answers."""

    seat: Seat
    argues: Mapping[str, int]
    order: tuple[int, ...]
    seats: Mapping[str, Seat]
    given: Collection[str]

    def label(self, name: str, path: str) -> str:
        return label(self.seats[name], self.argues.get(name), self.order, path)

    def sorted(self, moves: list[Move]) -> list[Move]:
        """Return simultaneous moves: the seat's own first, then the others by the letter they argue for,
        never by time.
        """
        return sorted(moves, key=self._place)

    def _place(self, move: Move) -> tuple[bool, int]:
        side = self.argues.get(move.seat)
        return not self._own(move), -1 if side is None else self.order.index(side)

    def line(self, move: Move, draft: str | None) -> Line:
        own = self._own(move)
        content = move.content
        if not own and isinstance(content, Thought):
            raise BadStep(
                f"{move.path} is a thought of {move.seat} and may not be shown to {self.seat.name}."
            )
        shown = content if own else self._public(content, notes=self._reads_notes_of(move))
        return Line(self.label(move.seat, move.path), own, shown, draft=move.path == draft)

    def _own(self, move: Move) -> bool:
        return move.seat == self.seat.name and move.path not in self.given

    def _reads_notes_of(self, move: Move) -> bool:
        """Return whether the private notes of a speech are shown: never to a seat that reads the passage, nor to one that
        has no right to them.
        """
        return self.seats[move.seat].notes_shown and self.seat.reads_notes and not self.seat.reads_passage

    def _public(self, content: AnyContent, *, notes: bool) -> AnyContent:
        """Return content as others may see it, a speech with or without its speaker's `notes`.

        A seat without the passage does not see the places of quotes in it. No seat sees how a belief was
        read, or what was said before it was made to add up, because that would distinguish a model from a
        person.
        """
        if isinstance(content, Speech):
            said = content.said if self.seat.reads_passage else _without_places(content.said)
            return Speech(said=said, words=content.words, scratchpad=content.scratchpad if notes else "")
        return Belief(p=content.p, method="stated") if isinstance(content, Belief) else content


def _in_passage_order(moves: list[Move]) -> tuple[tuple[int, int], ...]:
    """Return the verified quotes of `moves`, sorted by their place in the passage, which is hidden."""
    places = [
        (quote.spans, line, number)
        for line, move in enumerate(moves)
        if isinstance(move.content, Speech)
        for number, quote in enumerate(move.content.said.quotes)
        if quote.verified
    ]
    return tuple((line, number) for _, line, number in sorted(places))


def _without_places(said: MarkedText) -> MarkedText:
    quotes = tuple(
        Quote(start=q.start, end=q.end, status=q.status, spans=(), new_characters=0, repeated=False)
        for q in said.quotes
    )
    return MarkedText(text=said.text, quotes=quotes)
