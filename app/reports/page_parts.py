"""The order of a report's page: first what answers, then the other figures by section."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from app.reports.figures.accuracy import ACCURACY
from app.reports.figures.contrasts import CONTRASTS
from app.reports.figures.core import Section
from app.reports.tables import ShownFigure

LEADS = (CONTRASTS.name, ACCURACY.name)
"""The figures that pages show unfolded, in this order."""


@dataclass(frozen=True, slots=True)
class Part:
    """A folded section of the page."""

    section: Section
    figures: Sequence[ShownFigure]

    @property
    def id(self) -> str:
        """Return its place in addresses."""
        return f"part-{self.section.name.lower()}"


@dataclass(frozen=True, slots=True)
class PageParts:
    """The figures of a page."""

    lead: Sequence[ShownFigure]
    """What answers: the contrasts, if the file names some, and the accuracies."""
    folded: Sequence[Part]
    """The other figures, in the order of the registry."""


def page_parts(shown: Sequence[ShownFigure]) -> PageParts:
    """Return the figures of a report in the order of its page."""
    leads = {item.figure.name: item for item in shown if item.figure.name in LEADS}
    others = [item for item in shown if item.figure.name not in LEADS]
    return PageParts(
        [leads[name] for name in LEADS if name in leads],
        [Part(section, list(own)) for section, own in groupby(others, lambda item: item.figure.section)],
    )
