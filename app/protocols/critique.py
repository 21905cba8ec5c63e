"""Critique: who has the passage says what is wrong with an argument, and its author may answer."""

from collections.abc import Mapping
from typing import ClassVar

from app.protocols.combinators import checked
from app.protocols.core import Case, Outcome, Talk
from app.protocols.criticism import AUTHOR, Criticised


class Critique(Criticised):
    """A critic who has the passage names the flaws of an argument, and the judge reads both."""

    name = "critique"
    source = "Saunders et al. 2022 (arXiv 2206.05802), assisted evaluation"

    moved: ClassVar[Mapping[str, str]] = {
        "depth": "write protocol: recursive-critique",
        "votes": "write protocol: recursive-critique, with their number as depth, and votes: true",
        "planted": "write protocol: critique-planted-flaws",
        "planted_by": "write protocol: critique-planted-flaws",
    }

    rebuttal: bool = False
    """Whether the author answers the critique before the judge reads."""
    grade: bool = False
    """Whether a grader with the passage says of each point of the critique if it is real, a nitpick or invented."""

    @property
    def graded(self) -> bool:
        """Where so set."""
        return self.grade

    def script(self, case: Case) -> Talk[Outcome]:
        """The argument; the critique; where so set, the author's answer."""
        [argument] = yield from self.argument(case)
        said = yield from self.criticism(case, argument)
        if self.rebuttal:
            answer = self.speech(AUTHOR.name, "author", said, number=2, rounds=2)
            said += ((yield from self.spoken(case, answer)),)
        yield from checked(case, said)
        return (yield from self.outcome(said))
