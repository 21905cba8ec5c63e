"""Recursive critique: critics of critics, or as many critics side by side and a vote on each, at equal words."""

from pydantic import Field

from app.protocols.combinators import checked
from app.protocols.core import Case, Outcome, Talk, WordSwitch
from app.protocols.criticism import CRITICS, Deepened
from app.protocols.flaws import GRADER


class RecursiveCritique(Deepened):
    """Each critic names the flaws of the critique before, in the hope that every level is easier to check than the one below."""

    name = "recursive-critique"
    source = "Wen et al. 2025 (arXiv 2502.04675)"
    word_switch = WordSwitch(
        "votes", CRITICS, "vote/", frozenset({"grade", "mark"}), frozenset({"voter", GRADER.name})
    )

    depth: int = Field(2, ge=1, le=9)
    """Critiques, one upon the other: 1 criticises the argument, 2 that critique too, 3 the critique of the critique as well."""
    grade: bool = False
    """Whether a grader with the passage says of each point of the first critique if it is real, a nitpick or invented."""

    @property
    def graded(self) -> bool:
        """Where so set."""
        return self.grade

    def script(self, case: Case) -> Talk[Outcome]:
        """The argument; critique upon critique, or side by side with a vote on each."""
        [argument] = yield from self.argument(case)
        said = yield from self.criticism(case, argument)
        yield from checked(case, said)
        votes = yield from self.voted(case, argument, said[1])
        return (yield from self.outcome(said, measures=votes))
