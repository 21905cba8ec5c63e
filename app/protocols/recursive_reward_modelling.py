"""Recursive reward modelling at inference: a question is broken up for assistants with the passage, and so is
each check.
"""

from random import Random
from typing import Self

from pydantic import Field, model_validator

from app.protocols.combinators import Brief
from app.protocols.core import (
    NO_YES,
    Ask,
    Case,
    ItemsFacts,
    Measure,
    Outcome,
    Said,
    Seat,
    Talk,
    listed,
    one,
    paths,
    together,
)
from app.protocols.trees import (
    PART,
    AnswerFacts,
    Branch,
    NumberFacts,
    PartsFacts,
    Place,
    drawn,
    measured,
    said_in,
    shared_out,
)


class RecursiveRewardModelling(Brief):
    """Assistants answer the judge's sub-questions. Sub-judges rate each answer, and may ask further
    assistants first.
    """

    name = "recursive-reward-modelling"
    source = (
        "Leike et al. 2018 (arXiv 1811.07871), section 3.2, carried over to inference; "
        "with `depth: 1` close to the assistant of Bowman et al. 2022 (arXiv 2211.03540)"
    )
    varies = "seats may ask fewer sub-questions than they are allowed, and sub-judges none"

    measures = (
        Measure("sub_questions", "Sub-questions of the judge", "questions"),
        Measure("calls", "Answers of assistants on all levels", "answers"),
        Measure("depth", "Levels of sub-questions that were asked", "levels"),
        Measure("revealed_characters", "Characters of the passage shown in quotes", "characters"),
        Measure("rating_honest", "Mean rating of assistants who were to help", "probability"),
        Measure("rating_misleading", "Mean rating of assistants who were to mislead", "probability"),
        Measure("misled/", "To mislead at", "share", NO_YES),
    )

    questions: int = Field(5, ge=1, le=20)
    """Most sub-questions that the judge, or one sub-judge, asks at once."""
    depth: int = Field(2, ge=1, le=4)
    """Levels of sub-questions: 1 has only those of the judge, 2 also those of its sub-judges."""
    calls: int = Field(10, ge=1, le=100)
    """Most answers of assistants, over all levels."""
    misleading: float = Field(0, ge=0, le=1)
    """Share of the assistants who are instructed to mislead, drawn at each place; hidden from all other
    seats.
    """

    @model_validator(mode="after")
    def _calls_reach(self) -> Self:
        if self.calls < self.depth:
            raise ValueError(
                f"calls ({self.calls}) never reach depth {self.depth}: allow as many calls, or a smaller depth"
            )
        return self

    def seats(self) -> tuple[Seat, ...]:
        """Return the questioner, and for each level the assistants and their sub-judges."""
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
        """The judge asks sub-questions. It then reads, in turn, the answers of assistants and the ratings of
        sub-judges.
        """
        most = ItemsFacts(least=1, most=min(self.questions, self.calls))
        asked = yield from one(
            Ask("questions", "questioner", "sub-questions", "items", limits=PART, facts=most)
        )
        branches = yield from self._branches(case.rng(), Place(), ((asked,),), self.calls)
        return Outcome(paths(((asked,), *said_in(branches))), measures=measured(branches))

    def _branches(self, rng: Random, place: Place, heard: Said, calls: int) -> Talk[list[Branch]]:
        """Answer the latest sub-questions side by side. The rest of `calls` is divided among them."""
        count = min(len(listed(heard[-1][0])), self.questions, calls)
        misled = drawn(rng, self.misleading, count)
        return together(
            *(
                self._branch(rng, part, heard, part.number in misled, share)
                for part, share in zip(place.parts("q", count), shared_out(calls - count, count), strict=True)
            )
        )

    def _branch(self, rng: Random, place: Place, heard: Said, misled: bool, calls: int) -> Talk[Branch]:
        """Answer a sub-question. Its sub-judge asks further where calls are left, and then rates the answer."""
        path, level = place.path, place.level
        sub_judge = f"sub_judge_{level}"
        answer = yield from one(
            Ask(
                f"{path}answer",
                f"assistant_{level}",
                "assistant",
                "speech",
                paths(heard),
                limits=self.limits,
                facts=AnswerFacts(number=place.number, mislead=misled),
            )
        )
        heard = (*heard, (answer,))
        further: Said = ()
        below: list[Branch] = []
        if level < self.depth and calls:
            most = PartsFacts(number=place.number, least=0, most=min(self.questions, calls))
            asked = yield from one(
                Ask(f"{path}questions", sub_judge, "follow-up", "items", paths(heard), None, PART, most)
            )
            if listed(asked):
                below = yield from self._branches(rng, place, (*heard, (asked,)), calls)
                further = ((asked,), *said_in(below))
        shows, about = paths((*heard, *further)), NumberFacts(number=place.number)
        rating = yield from one(Ask(f"{path}rating", sub_judge, "rating", "rating", shows, facts=about))
        return Branch(place, misled, answer, further, rating, tuple(below))
