"""Critique of planted flaws: an argument is tampered with, so that it is known what a critic ought to find."""

from typing import Literal

from pydantic import Field

from app.protocols.combinators import checked
from app.protocols.core import Case, Move, Outcome, Said, Seat, SideFacts, Talk, WordSwitch
from app.protocols.criticism import AUTHOR, CRITICS, Deepened
from app.protocols.flaws import BRINGER, GRADER, ITEMS, TAMPERER, bring, plant


class PlantedFlaws(Deepened):
    """A flaw is planted in a share of the arguments; a grader says which point of the critique finds it, and what the others are."""

    name = "critique-planted-flaws"
    source = (
        "McAleese et al. 2024 (arXiv 2407.00215), section 2; Saunders et al. 2022 (arXiv 2206.05802), "
        "assisted evaluation"
    )
    word_switch = WordSwitch(
        "votes", CRITICS, "vote/", frozenset({"mark"}), frozenset({"voter", GRADER.name})
    )

    planted: float = Field(0.5, ge=0, le=1)
    """Share of trials in whose argument a flaw is planted, a false claim or a misused quote, for the critic to find."""
    planted_by: Literal["tamperer", "task-file"] = "tamperer"
    """Who plants the flaws: the tamperer; or the author of the question, whose file brings whole arguments with a flaw in them, of
    which the trials that argue for such an answer take their share."""

    @property
    def graded(self) -> bool:
        """Always: a flaw that was planted is to be found."""
        return True

    @property
    def noted(self) -> list[str]:
        """The critics. An argument that was tampered with has no notes, so that an author's would say that it was not."""
        return self.critics

    def seats(self) -> tuple[Seat, ...]:
        """Those of every critique, and who plants or brings the flaws."""
        return *super().seats(), BRINGER if self.planted_by == ITEMS else TAMPERER

    def script(self, case: Case) -> Talk[Outcome]:
        """The argument, in some trials tampered with; its critique; the points graded by one who knows the flaw."""
        own, argument, reference = yield from self._argument(case)
        said = yield from self.criticism(case, argument)
        yield from checked(case, (*own, *said[1:]))
        votes = yield from self.voted(case, argument, said[1])
        return (yield from self.outcome(said, reference, votes))

    def _argument(self, case: Case) -> Talk[tuple[Said, Move, Move | None]]:
        """What the author says, the argument that others read, and the reference where a flaw was planted in that."""
        side = case.argues[AUTHOR.name]
        # So compared, a rehearsal, whose seed is 0, plants a flaw wherever a sixth of the trials or more have one.
        drawn = case.rng().random() >= 1 - self.planted
        if drawn and self.planted_by == ITEMS and side in case.planted:
            return (), *(yield from bring(case.planted[side], f"r1/{AUTHOR.name}"))
        own = yield from self.argument(case)
        if drawn and self.planted_by != ITEMS:
            return (own,), *(yield from plant(own[0], self.limits, SideFacts(side=side)))
        return (own,), own[0], None
