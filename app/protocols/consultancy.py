"""Consultancy, in which one side with the passage advises the judge, and double consultancy, with both sides
and no rebuttal.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.protocols.combinators import Argued, Questioned, TwoSided, advocate, argued, arguing, one_sided
from app.protocols.core import (
    Assignment,
    Case,
    Metric,
    Move,
    Outcome,
    Said,
    Seat,
    Talk,
    together,
)

CONSULTANT = advocate("consultant", "Consultant", "consultants")


class Advised(Argued):
    """A protocol in which one consultant argues for an assigned answer. Every question is played once for
    each answer.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "ensembled",
            "Ensembled accuracy: the beliefs after both opposite talks averaged",
            "share",
            "ensembled",
            "belief",
            absent="No question has talks for gold and against it that one judge read in the same order.",
        ),
    )

    target_words: int = Field(200, ge=10, le=2000)
    """Words that the prompt asks a statement to have: twice a debater's, so that transcripts are equally
    long.
    """
    min_words: int = Field(140, ge=0, le=2000)
    """Fewest words that are accepted without asking again."""
    max_words: int = Field(300, ge=10, le=4000)
    """Most words that are accepted. A longer statement is requested again, then cut at a sentence."""
    quote_characters: int | None = Field(500, ge=0, le=100_000)
    """New verified characters of the passage that one statement may quote."""

    def seats(self) -> tuple[Seat, ...]:
        """Return the consultant and its checker."""
        return self.seated(CONSULTANT)

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment per answer. Accuracy is the mean over them."""
        return one_sided(CONSULTANT.name, answers)


class Consultancy(Advised, Questioned):
    """One consultant argues for an assigned answer. Every question is played once for each answer."""

    name = "consultancy"
    source = (
        "Khan et al. 2024 (arXiv 2402.06782), section 3; Michael et al. 2023 (arXiv 2311.08702), section 2"
    )

    former_defaults: ClassVar[Mapping[str, Any]] = {"questions": "none"}

    rounds: int = Field(3, ge=1, le=20)
    """Number of statements of the consultant."""
    questions: Literal["none", "questioner", "judge"] = "judge"
    """Who asks a question after every round but the last: every judge itself, as published, in separate talks, each
    decided at its end; the seat `questioner`, before judges who only read; or no one.
    """

    def seats(self) -> tuple[Seat, ...]:
        """Return the consultant, its checker and, where one asks in place of the judge, the questioner."""
        return self.seated(CONSULTANT, *self.questioners)

    def script(self, case: Case) -> Talk[Outcome]:
        """The consultant speaks. With questions, the consultant is asked and speaks again."""
        said: Said = ()
        for number in range(1, self.rounds + 1):
            statement = self.speech("consultant", "consultant", said, number=number, rounds=self.rounds)
            said += ((yield from self.spoken(case, statement)),)
            if number < self.rounds:
                said += yield from self.question(number, said)
        return (yield from self.ended(case, said))


CONSULTANTS = ("consultant_a", "consultant_b")


class DoubleConsultancy(TwoSided, Argued):
    """Two consultants argue for opposite answers and never read each other: both sides, but no rebuttal."""

    name = "double-consultancy"
    source = "Arnesen et al. 2024 (arXiv 2409.16636), double consultancy baseline"
    opposed = CONSULTANTS

    rounds: int = Field(3, ge=1, le=20)
    """Number of statements of each consultant."""

    def seats(self) -> tuple[Seat, ...]:
        """Return two consultants and their checker."""
        return self.seated(*(arguing(name, "Consultant", "consultants") for name in CONSULTANTS))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment: both sides work at the same time, so exchanging them changes nothing."""
        return self.two_sided(*CONSULTANTS, exchanged=False)

    def script(self, case: Case) -> Talk[Outcome]:
        """Two monologues side by side, read round by round."""
        monologues = yield from together(*(self._monologue(case, seat) for seat in CONSULTANTS))
        return (yield from argued(case, tuple(zip(*monologues, strict=True))))

    def _monologue(self, case: Case, seat: str) -> Talk[list[Move]]:
        own: list[Move] = []
        for number in range(1, self.rounds + 1):
            heard = tuple((move,) for move in own)
            statement = self.speech(seat, "consultant", heard, number=number, rounds=self.rounds)
            own += yield from self.spoken(case, statement)
        return own
