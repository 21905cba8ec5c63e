"""The three arms to compare all others with: no help, the whole text, and verified quotes without argument."""

from typing import ClassVar

from pydantic import Field

from app.protocols.combinators import LEAST_QUOTE, TwoSided, arguing
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


class QuotesOnly(TwoSided):
    """Each side gives verified quotes without argument, which measures the value of evidence alone."""

    name = "quotes-only"
    source = "Khan et al. 2024 (arXiv 2402.06782), appendix A.6, ablation of arguments"
    opposed = QUOTERS

    quote_characters: int = Field(750, ge=LEAST_QUOTE, le=100_000)
    """New verified characters of the passage that each side may show. The default is the budget of three
    debate speeches.
    """

    def seats(self) -> tuple[Seat, ...]:
        """Return two quoters. They are not checked for concessions, because a quote concedes nothing."""
        return tuple(arguing(name, "Quoter", "quoters") for name in QUOTERS)

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment: both sides work at the same time, so exchanging them changes nothing."""
        return (Assignment(dict(zip(QUOTERS, (0, 1), strict=True))),)

    def script(self, case: Case) -> Talk[Outcome]:
        """Ask both sides at once. The judge reads the verified quotes."""
        limits = Limits(quote_characters=self.quote_characters, only_quotes=True)
        quotes = yield [Ask(f"q/{seat}", seat, "quotes", "speech", limits=limits) for seat in QUOTERS]
        return Outcome(paths((tuple(quotes),)))
