"""Trees: a question or a claim that is broken up, and its parts again; places in one, and what is found there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from app.protocols.core import Facts, ItemsFacts, Limits, Move, Said, Speech, SpeechFacts, rated

PART = Limits(max_words=40)
"""Bounds on each part that is named."""


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
    """A place in a tree; the root, unless more is said."""

    path: str = ""
    """What leads the paths of all that is asked there: `q1/q2/` for the second part of the first."""
    number: int = 0
    """Which of its parent's parts it is, from 1 on."""
    level: int = 0

    def parts(self, letter: str, count: int) -> list["Place"]:
        """The places of its first `count` parts, one level deeper."""
        return [
            Place(f"{self.path}{letter}{number}/", number, self.level + 1) for number in range(1, count + 1)
        ]


@dataclass(frozen=True, slots=True)
class Branch:
    """A question in a tree with all that came of it."""

    place: Place
    misled: bool
    """Whether who answered was told to mislead."""
    answer: Move
    further: Said
    """What was asked and found below it."""
    rating: Move
    below: "tuple[Branch, ...]"

    @property
    def said(self) -> Said:
        """All of it, in the order in which it is read."""
        return ((self.answer,), *self.further, (self.rating,))

    @property
    def all(self) -> "Iterator[Branch]":
        """This branch and every one below it."""
        yield self
        for branch in self.below:
            yield from branch.all


def said_in(branches: Sequence[Branch]) -> Said:
    """What was said in these branches, one after the other."""
    return tuple(group for branch in branches for group in branch.said)


def drawn(rng: Random, share: float, count: int) -> set[int]:
    """A `share` of the numbers from 1 to `count`: rounded up or down by chance, so that it holds on average."""
    return set(rng.sample(range(1, count + 1), int(share * count + rng.random())))


def shared_out(total: int, parts: int) -> list[int]:
    """A total in so many whole parts, as even as can be, the larger ones first."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def measured(branches: Sequence[Branch]) -> dict[str, float]:
    """The shape of a tree, how those who misled and those who did not were rated, and who misled."""
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
    """Places of the passage that stand in a verified quote."""
    answers = (node.answer.content for node in every)
    spans = (span for one in answers if isinstance(one, Speech) for span in one.said.verified_spans)
    return {place for start, end in spans for place in range(start, end)}
