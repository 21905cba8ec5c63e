"""Trees of questions or claims that are broken up recursively: their places and contents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from app.protocols.core import Facts, ItemsFacts, Limits, Move, Said, Speech, SpeechFacts, rated

PART = Limits(max_words=40)
"""Bounds on each named part."""


@dataclass(frozen=True, kw_only=True)
class NumberFacts(Facts):
    """Facts of an ask about one part of a question or a claim."""

    number: int
    """The part's number in the list that names it; 0 for the root."""


@dataclass(frozen=True, kw_only=True)
class PartsFacts(NumberFacts, ItemsFacts):
    """Facts of an ask for the parts of a part."""


@dataclass(frozen=True, kw_only=True)
class PartSpeechFacts(NumberFacts, SpeechFacts):
    """Facts of a speech about one part."""


@dataclass(frozen=True, kw_only=True)
class AnswerFacts(NumberFacts):
    """Facts of an answer to one sub-question."""

    mislead: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a tree; by default the root."""

    path: str = ""
    """The start of the paths of all asks there: `q1/q2/` for the second part of the first."""
    number: int = 0
    """Its number among its parent's parts, from 1 on."""
    level: int = 0

    def parts(self, letter: str, count: int) -> list["Place"]:
        """Return the places of its first `count` parts, one level deeper."""
        return [
            Place(f"{self.path}{letter}{number}/", number, self.level + 1) for number in range(1, count + 1)
        ]


@dataclass(frozen=True, slots=True)
class Branch:
    """A question in a tree, with its answer and all questions below it."""

    place: Place
    misled: bool
    """Whether the assistant was instructed to mislead."""
    answer: Move
    further: Said
    """The questions below it."""
    rating: Move
    below: "tuple[Branch, ...]"

    @property
    def said(self) -> Said:
        """Return all of it, in reading order."""
        return ((self.answer,), *self.further, (self.rating,))

    @property
    def all(self) -> "Iterator[Branch]":
        """Yield this branch and every one below it."""
        yield self
        for branch in self.below:
            yield from branch.all


def said_in(branches: Sequence[Branch]) -> Said:
    """Return the moves of these branches, one after the other."""
    return tuple(group for branch in branches for group in branch.said)


def drawn(rng: Random, share: float, count: int) -> set[int]:
    """Return a `share` of the numbers from 1 to `count`, rounded up or down at random, so that it is exact on
    average.
    """
    return set(rng.sample(range(1, count + 1), int(share * count + rng.random())))


def shared_out(total: int, parts: int) -> list[int]:
    """Return a total in whole parts, as even as possible, the larger ones first."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def measured(branches: Sequence[Branch]) -> dict[str, float]:
    """Return the shape of a tree, the mean ratings of misleading and other assistants, and who misled."""
    every = [node for branch in branches for node in branch.all]
    ratings = {
        kind: [rated(node.rating) for node in every if node.misled == misled]
        for kind, misled in (("honest", False), ("misleading", True))
    }
    return {
        "sub_questions": float(len(branches)),
        "calls": float(len(every)),
        "depth": float(max((node.place.level for node in every), default=0)),
        "revealed_characters": float(len(_revealed(every))),
        **{f"rating_{kind}": fmean(values) for kind, values in ratings.items() if values},
        **{f"misled/{node.place.path.rstrip('/')}": 1.0 for node in every if node.misled},
    }


def _revealed(every: Sequence[Branch]) -> set[int]:
    """Return the places of the passage in quotes that are in it: readers see those over the limit too."""
    answers = (node.answer.content for node in every)
    spans = (span for one in answers if isinstance(one, Speech) for span in one.said.shown_spans)
    return {place for start, end in spans for place in range(start, end)}
