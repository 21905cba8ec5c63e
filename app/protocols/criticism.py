"""Steps that the protocols of critique share: an author argues, critics name flaws in numbered points, points are graded."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator

from app.protocols.combinators import Argued, advocate, believe, one_sided
from app.protocols.core import (
    Assignment,
    Case,
    Measure,
    Metric,
    Move,
    Outcome,
    Said,
    Seat,
    Talk,
    paths,
    together,
)
from app.protocols.flaws import (
    GRADER,
    MEASURES,
    METRICS,
    CriticFacts,
    grade,
)
from app.protocols.marks import (
    points_of,
)

AUTHOR = advocate("author", "Author", "authors")
CRITICS = "critics"
"""The group of all critics."""
LEAST_POINT = 5
"""Words without which a point names no flaw."""

GAIN = Metric(
    "gain",
    "Gain over no critique: accuracy less that after the argument alone",
    "share",
    "gain",
    "belief",
    at=1,
    absent="Beliefs were elicited only at the end: write elicit: each_step, or name a contrast with an arm that has no critic.",
)


class Criticised(Argued):
    """A protocol in which critics with the passage say what is wrong with an author's argument."""

    varies = "only the points that a critique makes are graded and marked"
    family = "criticism"
    measures: ClassVar[tuple[Measure, ...]] = MEASURES
    metrics: ClassVar[tuple[Metric, ...]] = (GAIN, *METRICS)

    points: int = Field(4, ge=1, le=20)
    """Most flaws that one critique may name."""
    mark: bool = False
    """Whether the judge says of each point of the first critique if it accepts it, after its belief."""

    @model_validator(mode="after")
    def _words_for_points(self) -> Self:
        if self.points * LEAST_POINT > self.max_words:
            raise ValueError(
                f"{self.points} points do not fit into max_words ({self.max_words}): "
                f"allow {LEAST_POINT} words for each, or fewer points"
            )
        return self

    @property
    def levels(self) -> list[list[str]]:
        """Who criticises at once: first the argument, then the critique before, and so on."""
        return [["critic_1"]]

    @property
    def critics(self) -> list[str]:
        """Every critic."""
        return [critic for level in self.levels for critic in level]

    @property
    def graded(self) -> bool:
        """Whether a grader with the passage says what each point of the first critique is."""
        return False

    def seats(self) -> tuple[Seat, ...]:
        """The author, every critic, who checks the author's position and, where points are graded, the grader."""
        alone = len(self.critics) == 1
        critics = (
            Seat(name, "Critic" if alone else f"Critic {number}", CRITICS, reads_passage=True)
            for number, name in enumerate(self.critics, 1)
        )
        return self.seated(AUTHOR, *critics) + ((GRADER,) if self.graded else ())

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """One for each answer that the author may argue for: accuracy is the mean over them."""
        return one_sided(AUTHOR.name, answers)

    def cause(self, seat: str, argues: Mapping[str, int]) -> int:
        """A critic of the argument speaks for the other answer, a critic of that critique for the author's again, and so on."""
        level = next((at for at, critics in enumerate(self.levels, 1) if seat in critics), 0)
        return 1 - argues[AUTHOR.name] if level % 2 else argues[AUTHOR.name]

    def argument(self, case: Case) -> Talk[tuple[Move, ...]]:
        """The author argues for its answer."""
        return self.spoken(case, self.speech(AUTHOR.name, "author", (), number=1, rounds=1))

    def criticism(self, case: Case, argument: Move) -> Talk[Said]:
        """The argument, and critique upon critique, level by level."""
        said: Said = ((argument,),)
        for level, critics in enumerate(self.levels, 1):
            side = case.argues[AUTHOR.name]
            facts = CriticFacts(round=1, rounds=1, side=side, level=level, points=self.points)
            asks = (self.speech_with(facts, critic, "critic", said) for critic in critics)
            said += ((yield from self.spoken(case, *asks)),)
        return said

    def outcome(
        self, said: Said, reference: Move | None = None, measures: Mapping[str, float] | None = None
    ) -> Talk[Outcome]:
        """Have the points of the first critique graded, where they are, and leave them to judges who mark them."""
        (argument, *_), (critique, *_) = said[:2]
        count = points_of(critique, self.points)
        grades = (yield from grade(argument, critique, reference, count)) if self.graded else {}
        points = {critique.path: count} if self.mark and count else {}
        return Outcome(paths(said), measures={**(measures or {}), **grades}, points=points)


class Deepened(Criticised):
    """Critics in several levels or, in the same words, side by side."""

    measures = (*MEASURES, Measure("vote/", "First answer's share in the vote on critique", "probability"))
    metrics = (
        GAIN,
        Metric(
            "by_votes",
            "Accuracy of the majority of votes, each on one of the critiques",
            "share",
            "majority",
            "vote/",
        ),
        *METRICS,
    )

    depth: int = Field(1, ge=1, le=9)
    """Critiques, one upon the other: 1 criticises the argument, 2 that critique too, 3 the critique of the critique as well."""
    votes: bool = Field(False, strict=True)
    """Whether as many critiques are written side by side in place of deeper ones, in the same words: the judge reads them all, and
    the seat `voter`, without the passage, votes once on each of them."""

    @property
    def levels(self) -> list[list[str]]:
        """One critic upon the other, or all side by side."""
        critics = [f"critic_{number}" for number in range(1, self.depth + 1)]
        return [critics] if self.votes else [[critic] for critic in critics]

    @property
    def writers(self) -> list[str]:
        """Critics side by side are asked for the same."""
        return super().writers + (self.critics if len(self.levels[0]) > 1 else [])

    def seats(self) -> tuple[Seat, ...]:
        """Those of every critique and, where there are votes, the voter."""
        voter = (Seat("voter", self.judge.title, people=False),) if self.votes else ()
        return super().seats() + voter

    def voted(self, case: Case, argument: Move, critiques: Sequence[Move]) -> Talk[dict[str, float]]:
        """What a reader of the argument and one critique alone believes of the first answer, critique by critique."""
        if not self.votes:
            return {}
        order = tuple(range(len(case.answers)))
        beliefs = yield from together(
            *(
                believe(case, f"{move.path}/vote", "voter", ((argument.path,), (move.path,)), order=order)
                for move in critiques
            )
        )
        return {f"vote/{number}": belief.p[0] for number, belief in enumerate(beliefs, 1)}
