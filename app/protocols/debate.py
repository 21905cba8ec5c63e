"""Debate: two sides with the passage argue for opposite answers before a judge who cannot read it."""

from pydantic import Field

from app.protocols.combinators import Argued, TwoSided, argued, arguing
from app.protocols.core import Assignment, Case, Outcome, Said, Seat, Talk

SIDES = ("debater_a", "debater_b")


class Debate(TwoSided, Argued):
    """A fixed number of rounds, then the judge reads the transcript once."""

    name = "debate"
    source = (
        "Khan et al. 2024 (arXiv 2402.06782), section 3 and appendix D; Irving et al. 2018 (arXiv 1805.00899)"
    )

    opposed = SIDES

    rounds: int = Field(3, ge=1, le=20)
    """Number of speeches of each debater."""
    simultaneous: bool = True
    """Whether both speak at once in every round, unseen by each other, or in turn."""

    def seats(self) -> tuple[Seat, ...]:
        """Return two debaters and their checker."""
        return self.seated(*(arguing(name, "Debater", "debaters") for name in SIDES))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment where both speak at once. Where one speaks first, return a second with the
        seats exchanged.
        """
        return self.two_sided(*SIDES, exchanged=not self.simultaneous)

    @property
    def reading_orders(self) -> int:
        """Return two where both speak at once. Otherwise return one, because the trial with the seats
        exchanged is the other.
        """
        return 2 if self.simultaneous else 1

    def sides(self, case: Case) -> tuple[str, ...]:
        """Return the debaters in their speaking order, where they speak in turn."""
        return SIDES

    def script(self, case: Case) -> Talk[Outcome]:
        """In each round both are asked at once, or the second sees the first's speech."""
        said: Said = ()
        sides = self.sides(case)
        turns = [sides] if self.simultaneous else [(side,) for side in sides]
        for number in range(1, self.rounds + 1):
            for speakers in turns:
                asks = (
                    self.speech(side, "debater", said, number=number, rounds=self.rounds) for side in speakers
                )
                said += ((yield from self.spoken(case, *asks)),)
        return (yield from argued(case, said))
