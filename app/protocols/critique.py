"""Critique: who has the passage says what is wrong with an argument; others what is wrong with that, or each the same alone."""

from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from app.protocols.combinators import Argued, advocate, believe, checked, one_sided
from app.protocols.core import (
    Ask,
    Assignment,
    Case,
    Measure,
    Metric,
    Move,
    Outcome,
    Said,
    Seat,
    SideFacts,
    Talk,
    paths,
    together,
)
from app.protocols.flaws import (
    BRINGER,
    GRADER,
    ITEMS,
    MEASURES,
    METRICS,
    TAMPERER,
    CriticFacts,
    bring,
    grade,
    plant,
    points_of,
)

LEAST_POINT = 5
"""Words without which a point names no flaw."""


class Critique(Argued):
    """A critic who has the passage names the flaws of an argument; a deeper critic names those of the critique before."""

    name = "critique"
    source = (
        "Saunders et al. 2022 (arXiv 2206.05802), assisted evaluation; McAleese et al. 2024 (arXiv 2407.00215), "
        "section 2; for depth above 1, Wen et al. 2025 (arXiv 2502.04675)"
    )
    varies = "only the points that a critique makes are graded and marked"

    measures = (*MEASURES, Measure("vote/", "First answer's share in the vote on critique", "probability"))

    metrics = (
        Metric(
            "gain",
            "Gain over no critique: accuracy less that after the argument alone",
            "share",
            "gain",
            "belief",
            at=1,
            absent="Beliefs were elicited only at the end: write elicit: each_step, or name a contrast with an arm that has no critic.",
        ),
        Metric(
            "by_votes",
            "Accuracy of the majority of votes, each on one of the critiques",
            "share",
            "majority",
            "vote/",
        ),
        *METRICS,
    )

    depth: int = Field(1, ge=1, le=3)
    """Levels of critique: 1 criticises the argument, 2 that critique too, 3 the critique of the critique as well."""
    votes: int = Field(1, ge=1, le=9)
    """Critiques of the argument written side by side in place of deeper ones, which take as many words: the judge reads them all;
    where there are several, the seat `voter`, without the passage, votes once on each of them."""
    points: int = Field(4, ge=1, le=20)
    """Most flaws that one critique may name."""
    rebuttal: bool = False
    """Whether the author answers a single critique before the judge reads."""
    planted: float = Field(0, ge=0, le=1)
    """Share of trials in whose argument the tamperer plants a flaw, a false claim or a misused quote, for the critic to find;
    0.5 or more is recommended."""
    planted_by: Literal["tamperer", "task-file"] = "tamperer"
    """Who plants the flaws: the tamperer; or the author of the question, whose file brings whole arguments with a flaw in them, of
    which the trials that argue for such an answer take their share."""
    grade: bool = False
    """Whether a grader with the passage says of each point of the first critique if it is real, a nitpick or invented; where
    flaws are planted, one always does."""
    mark: bool = False
    """Whether the judge says of each point of the first critique if it accepts it, after its belief."""

    @model_validator(mode="after")
    def _one_rebuttal(self) -> Self:
        if self.rebuttal and self.depth > 1:
            raise ValueError("rebuttal goes with depth 1: above it, the next critic answers")
        return self

    @model_validator(mode="after")
    def _deep_or_wide(self) -> Self:
        if self.votes > 1 and (self.rebuttal or self.depth > 1):
            raise ValueError(
                "votes goes with depth 1 and without rebuttal: give an arm of its own to what it is compared with"
            )
        return self

    @model_validator(mode="after")
    def _words_for_points(self) -> Self:
        if self.points * LEAST_POINT > self.max_words:
            raise ValueError(
                f"{self.points} points do not fit into max_words ({self.max_words}): "
                f"allow {LEAST_POINT} words for each, or fewer points"
            )
        return self

    @model_validator(mode="after")
    def _planted_stay(self) -> Self:
        if self.planted and self.rebuttal:
            raise ValueError(
                "planted goes without rebuttal: the author would answer for words of somebody else"
            )
        return self

    @model_validator(mode="after")
    def _something_is_planted(self) -> Self:
        if self.planted_by == ITEMS and not self.planted:
            raise ValueError("planted_by: task-file goes with planted above 0, such as 1")
        return self

    def seats(self) -> tuple[Seat, ...]:
        """The author, every critic, who checks the author's position; where so set, voter, tamperer and grader."""
        alone = len(self._critics) == 1
        critics = (
            Seat(name, "Critic" if alone else f"Critic {number}", "critics", reads_passage=True)
            for number, name in enumerate(self._critics, 1)
        )
        planter = BRINGER if self.planted_by == ITEMS else TAMPERER
        flaws = (*([planter] if self.planted else []), *([GRADER] if self.graded else []))
        voter = (Seat("voter", self.judge.title, people=False),) if self.votes > 1 else ()
        return self.seated(advocate("author", "Author", "authors"), *critics) + voter + flaws

    @property
    def writers(self) -> list[str]:
        """Critics side by side are asked for the same."""
        return super().writers + (self._critics if self.votes > 1 else [])

    @property
    def graded(self) -> bool:
        """Whether there is a grader."""
        return self.grade or self.planted > 0

    @property
    def _critics(self) -> list[str]:
        return [f"critic_{number}" for number in range(1, max(self.depth, self.votes) + 1)]

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """One for each answer that the author may argue for: accuracy is the mean over them."""
        return one_sided("author", answers)

    def cause(self, seat: str, argues: Mapping[str, int]) -> int:
        """A critic of the argument speaks for the other answer, a critic of that critique for the author's again, and so on."""
        level = next((at for at, critics in enumerate(self._levels, 1) if seat in critics), 0)
        return 1 - argues["author"] if level % 2 else argues["author"]

    def script(self, case: Case) -> Talk[Outcome]:
        """The argument, in some trials tampered with; critique upon critique; where so set, rebuttal, grades and marks."""
        own, shown, reference = yield from self._argument(case)
        said: Said = ((shown,),)
        for level, critics in enumerate(self._levels, 1):
            asks = (self._criticism(case, critic, said, level) for critic in critics)
            said += ((yield from self.spoken(case, *asks)),)
        if self.rebuttal:
            answer = self.speech("author", "author", said, number=2, rounds=2)
            said += ((yield from self.spoken(case, answer)),)
        yield from checked(case, (*own, *said[1:]))
        critique, *others = said[1]
        count = points_of(critique, self.points)
        votes = (yield from self._vote(case, shown, said[1])) if others else {}
        grades = (yield from grade(shown, critique, reference, count)) if self.graded else {}
        points = {critique.path: count} if self.mark and count else {}
        return Outcome(paths(said), measures={**votes, **grades}, points=points)

    @property
    def _levels(self) -> list[list[str]]:
        """Who criticises at once, level by level."""
        return [self._critics] if self.votes > 1 else [[critic] for critic in self._critics]

    def _vote(self, case: Case, argument: Move, critiques: Sequence[Move]) -> Talk[dict[str, float]]:
        """What a reader of the argument and one critique alone believes of the first answer, critique by critique."""
        order = tuple(range(len(case.answers)))
        beliefs = yield from together(
            *(
                believe(case, f"{move.path}/vote", "voter", ((argument.path,), (move.path,)), order=order)
                for move in critiques
            )
        )
        return {f"vote/{number}": belief.p[0] for number, belief in enumerate(beliefs, 1)}

    def _argument(self, case: Case) -> Talk[tuple[Said, Move, Move | None]]:
        """What the author says, the argument that others read, and the reference where a flaw was planted in that."""
        opening, side = self.speech("author", "author", (), number=1, rounds=1), case.argues["author"]
        # So compared, a rehearsal, whose seed is 0, plants a flaw wherever a sixth of the trials or more have one.
        drawn = case.rng().random() >= 1 - self.planted
        if drawn and self.planted_by == ITEMS and side in case.planted:
            return (), *(yield from bring(case.planted[side], opening.path))
        own = yield from self.spoken(case, opening)
        if drawn and self.planted_by != ITEMS:
            return (own,), *(yield from plant(own[0], self.limits, SideFacts(side=side)))
        return (own,), own[0], None

    def _criticism(self, case: Case, critic: str, said: Said, level: int) -> Ask:
        facts = CriticFacts(round=1, rounds=1, side=case.argues["author"], level=level, points=self.points)
        return self.speech_with(facts, critic, "critic", said)
