"""Recursive reward modelling at inference: a question is broken up for assistants with the passage, and so is each check."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from statistics import fmean

from pydantic import Field

from app.protocols.combinators import Spoken
from app.protocols.core import (
    NO_YES,
    Ask,
    Case,
    Items,
    Limits,
    Measure,
    Move,
    Outcome,
    Rating,
    Said,
    Seat,
    Speech,
    Talk,
    one,
    paths,
    together,
)

QUESTION = Limits(max_words=40)
"""Of each sub-question."""


class RecursiveRewardModelling(Spoken):
    """Assistants answer the judge's sub-questions; sub-judges rate each answer, and may ask further assistants first."""

    name = "recursive-reward-modelling"
    source = (
        "Leike et al. 2018 (arXiv 1811.07871), section 3.2, carried over to inference; "
        "with `depth: 1` close to the assistant of Bowman et al. 2022 (arXiv 2211.03540)"
    )
    varies = "whoever asks may ask fewer sub-questions than it is allowed, and sub-judges none at all"

    measures = (
        Measure("sub_questions", "Sub-questions of the judge", "questions"),
        Measure("calls", "Answers of assistants on all levels", "answers"),
        Measure("depth", "Levels of sub-questions that were asked", "levels"),
        Measure("revealed_characters", "Characters of the passage shown in verified quotes", "characters"),
        Measure("rating_honest", "Mean rating of assistants who were to help", "probability"),
        Measure("rating_misleading", "Mean rating of assistants who were to mislead", "probability"),
        Measure("misled/", "To mislead at", "share", NO_YES),
    )

    questions: int = Field(5, ge=1, le=20)
    """Most sub-questions that the judge, or one sub-judge, asks at once."""
    depth: int = Field(2, ge=1, le=4)
    """Levels of sub-questions: 1 has those of the judge alone, 2 those of its sub-judges too."""
    calls: int = Field(10, ge=1, le=100)
    """Most answers of assistants, all levels together."""
    misleading: float = Field(0, ge=0, le=1)
    """Share of the assistants who are told to mislead, drawn anew at each place; nobody else learns which."""
    target_words: int = Field(60, ge=10, le=2000)
    """Words that an answer is asked to have."""
    min_words: int = Field(0, ge=0, le=2000)
    """Fewest words that are accepted without asking again."""
    max_words: int = Field(75, ge=10, le=4000)
    """Most words that are accepted; a longer answer is asked for again, then cut at a sentence."""

    def seats(self) -> tuple[Seat, ...]:
        """Who asks in the judge's name, and for each level the assistants and their sub-judges."""
        levels = range(1, self.depth + 1)
        assistants = (
            Seat(f"assistant_{level}", "Assistant", "assistants", reads_passage=True, about="question")
            for level in levels
        )
        sub_judges = (
            Seat(f"sub_judge_{level}", "Sub-judge", "sub_judges", about="question", default="questioner")
            for level in levels
        )
        return Seat("questioner", "Judge"), *assistants, *sub_judges

    def script(self, case: Case) -> Talk[Outcome]:
        """The judge's sub-questions, and under each its answer, what the sub-judge asked further, and its rating."""
        facts = {"least": 1, "most": min(self.questions, self.calls)}
        first = Ask("questions", "questioner", "sub-questions", "items", limits=QUESTION, facts=facts)
        asked = yield from one(first)
        branches = yield from self._branches(case.rng(), "", ((asked,),), 1, self.calls)
        said: Said = ((asked,), *(group for branch in branches for group in branch.said))
        return Outcome(paths(said), measures=_measures(branches))

    def _branches(self, rng: Random, path: str, heard: Said, level: int, calls: int) -> "Talk[list[_Branch]]":
        """Each sub-question that was asked last, side by side; what is left of `calls` is shared out among them."""
        count = min(_asked(heard[-1][0]), self.questions, calls)
        misled = _drawn(rng, self.misleading, count)
        return together(
            *(
                self._branch(rng, f"{path}q{at + 1}/", heard, level, at in misled, share)
                for at, share in enumerate(_shared_out(calls - count, count))
            )
        )

    def _branch(
        self, rng: Random, path: str, heard: Said, level: int, misled: bool, calls: int
    ) -> "Talk[_Branch]":
        """One sub-question answered, and the answer rated after whatever its sub-judge asks one level deeper."""
        number = int(path.rpartition("q")[2].rstrip("/"))
        facts = {"number": number, "mislead": misled}
        kind, shows = "assistant", paths(heard)
        answer = Ask(f"{path}answer", f"assistant_{level}", kind, "speech", shows, None, self.limits, facts)
        told: Said = (((yield from one(answer)),),)
        below: list[_Branch] = []
        if level < self.depth and calls:
            further = self._follow_up(path, (*heard, *told), level, number, calls)
            asked = yield from one(further)
            if _asked(asked):
                told += ((asked,),)
                below = yield from self._branches(rng, path, (*heard, *told), level + 1, calls)
                told += tuple(group for branch in below for group in branch.said)
        rate = Ask(
            f"{path}rating",
            f"sub_judge_{level}",
            "rating",
            "rating",
            paths((*heard, *told)),
            facts={"number": number},
        )
        return _Branch(path, level, misled, told, (yield from one(rate)), tuple(below))

    def _follow_up(self, path: str, heard: Said, level: int, number: int, calls: int) -> Ask:
        facts = {"number": number, "least": 0, "most": min(self.questions, calls)}
        seat = f"sub_judge_{level}"
        return Ask(f"{path}questions", seat, "follow-up", "items", paths(heard), None, QUESTION, facts)


@dataclass(frozen=True, slots=True)
class _Branch:
    """A sub-question with all that came of it."""

    path: str
    level: int
    misled: bool
    told: Said
    """The answer, then what was asked and found below it."""
    rating: Move
    below: "tuple[_Branch, ...]"

    @property
    def said(self) -> Said:
        return (*self.told, (self.rating,))

    @property
    def all(self) -> "Iterator[_Branch]":
        yield self
        for branch in self.below:
            yield from branch.all


def _asked(move: Move) -> int:
    assert isinstance(move.content, Items)
    return len(move.content.texts)


def _drawn(rng: Random, share: float, count: int) -> set[int]:
    """Which of so many mislead: as many as the share says, rounded up or down by chance so that it holds on average."""
    return set(rng.sample(range(count), int(share * count + rng.random())))


def _shared_out(total: int, parts: int) -> list[int]:
    return [total // parts + (part < total % parts) for part in range(parts)]


def _measures(branches: list[_Branch]) -> dict[str, float]:
    """The shape of the tree, how those who misled and those who did not were rated, and who misled."""
    every = [node for branch in branches for node in branch.all]
    rated = {
        kind: [_value(node.rating) for node in every if node.misled == misled]
        for kind, misled in (("honest", False), ("misleading", True))
    }
    return {
        "sub_questions": float(len(branches)),
        "calls": float(len(every)),
        "depth": float(max((node.level for node in every), default=0)),
        "revealed_characters": float(len(_revealed(every))),
        **{f"rating_{kind}": fmean(values) for kind, values in rated.items() if values},
        **{f"misled/{node.path.rstrip('/')}": 1.0 for node in every if node.misled},
    }


def _value(move: Move) -> float:
    assert isinstance(move.content, Rating)
    return move.content.value


def _revealed(every: list[_Branch]) -> set[int]:
    """Places of the passage that stand in a verified quote."""
    answers = (node.told[0][0].content for node in every)
    spans = (span for one in answers if isinstance(one, Speech) for span in one.said.verified_spans)
    return {place for start, end in spans for place in range(start, end)}
