"""The three arms that every other is held against: no help, the whole text, and verified quotes without argument."""

from typing import ClassVar

from pydantic import Field

from app.protocols.combinators import LEAST_QUOTE, arguing
from app.protocols.core import Ask, Assignment, Case, Limits, Outcome, Protocol, Seat, Talk, paths


class Naive(Protocol):
    """The judge answers from question and answers alone."""

    name = "naive"
    source = "Khan et al. 2024 (arXiv 2402.06782), section 3, naive baseline"
    max_answers = 26


class Expert(Protocol):
    """The judge reads the passage itself: the ceiling for this judge."""

    name = "expert"
    source = "Khan et al. 2024 (arXiv 2402.06782), section 3, expert baseline"
    max_answers = 26
    judge: ClassVar[Seat] = Seat("judge", "Judge", reads_passage=True)


QUOTERS = ("quoter_a", "quoter_b")


class QuotesOnly(Protocol):
    """Each side gives verified quotes and no argument, so that the worth of evidence alone is known."""

    name = "quotes-only"
    source = "Khan et al. 2024 (arXiv 2402.06782), appendix A.6, ablation of arguments"

    quote_characters: int = Field(750, ge=LEAST_QUOTE, le=100_000)
    """New verified characters of the passage that each side may show; three debate speeches' worth by default."""

    def seats(self) -> tuple[Seat, ...]:
        """Two quoters, who are not checked for concessions: a quote concedes nothing."""
        return tuple(arguing(name, "Quoter", "quoters") for name in QUOTERS)

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """One: both sides work at the same time, so exchanging them would change nothing."""
        return (Assignment(dict(zip(QUOTERS, (0, 1), strict=True))),)

    def script(self, case: Case) -> Talk[Outcome]:
        """Both sides choose at once; the judge reads what verified."""
        limits = Limits(quote_characters=self.quote_characters, only_quotes=True)
        quotes = yield [Ask(f"q/{seat}", seat, "quotes", "speech", limits=limits) for seat in QUOTERS]
        return Outcome(paths((tuple(quotes),)))
