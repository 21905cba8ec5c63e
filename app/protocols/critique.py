"""Critique: somebody with the passage says what is wrong with an argument; and the critique of that critique."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from app.protocols.combinators import Argued, advocate, argued, one_sided
from app.protocols.core import Ask, Assignment, Case, Outcome, Said, Seat, Talk

LEAST_POINT = 5
"""Words without which a point names no flaw."""


class Critique(Argued):
    """A critic who has the passage names the flaws of an argument; a deeper critic names those of the critique before."""

    name = "critique"
    source = (
        "Saunders et al. 2022 (arXiv 2206.05802), assisted evaluation; McAleese et al. 2024 (arXiv 2407.00215), "
        "section 2; for depth above 1, Wen et al. 2025 (arXiv 2502.04675)"
    )

    depth: int = Field(1, ge=1, le=3)
    """Levels of critique: 1 criticises the argument, 2 that critique too, 3 the critique of the critique as well."""
    points: int = Field(4, ge=1, le=20)
    """Most flaws that one critique may name."""
    rebuttal: bool = False
    """Whether the author answers a single critique before the judge reads."""

    @model_validator(mode="after")
    def _one_rebuttal(self) -> Self:
        if self.rebuttal and self.depth > 1:
            raise ValueError("rebuttal goes with depth 1: above it, the next critic answers")
        return self

    @model_validator(mode="after")
    def _words_for_points(self) -> Self:
        if self.points * LEAST_POINT > self.max_words:
            raise ValueError(
                f"{self.points} points do not fit into max_words ({self.max_words}): "
                f"allow {LEAST_POINT} words for each, or fewer points"
            )
        return self

    def seats(self) -> tuple[Seat, ...]:
        """The author, a critic for each level, and who checks the author's position."""
        critics = (
            Seat(name, "Critic" if self.depth == 1 else f"Critic {level}", "critics", reads_passage=True)
            for level, name in enumerate(self._critics, 1)
        )
        return self.seated(advocate("author", "Author", "authors"), *critics)

    @property
    def _critics(self) -> list[str]:
        return [f"critic_{level}" for level in range(1, self.depth + 1)]

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """One for each answer that the author may argue for: accuracy is the mean over them."""
        return one_sided("author", answers)

    def cause(self, seat: str, argues: Mapping[str, int]) -> int:
        """A critic of the argument speaks for the other answer, a critic of that critique for the author's again, and so on."""
        own = argues["author"]
        return own if seat == "author" or self._critics.index(seat) % 2 else 1 - own

    def script(self, case: Case) -> Talk[Outcome]:
        """The argument, then critique upon critique; where so set, the author's rebuttal."""
        said: Said = (
            (yield from self.spoken(case, self.speech("author", "author", (), number=1, rounds=1))),
        )
        for level, critic in enumerate(self._critics, 1):
            said += ((yield from self.spoken(case, self._criticism(case, critic, said, level))),)
        if self.rebuttal:
            answer = self.speech("author", "author", said, number=2, rounds=2)
            said += ((yield from self.spoken(case, answer)),)
        return (yield from argued(case, said))

    def _criticism(self, case: Case, critic: str, said: Said, level: int) -> Ask:
        about = {"side": case.argues["author"], "level": level, "points": self.points}
        return self.speech(critic, "critic", said, number=1, rounds=1, **about)
