"""The figures of a report: one file each. The registry says what is in a report, and in which order."""

from typing import Any

from app.reports.figures.accuracy import ACCURACY
from app.reports.figures.belief import BELIEF
from app.reports.figures.budgets import BUDGETS
from app.reports.figures.certainty import CERTAINTY
from app.reports.figures.contrasts import CONTRASTS
from app.reports.figures.core import Figure, Section
from app.reports.figures.equal_words import EQUAL_WORDS
from app.reports.figures.exploratory import EXPLORATORY
from app.reports.figures.groups import GROUPS
from app.reports.figures.metrics import MEASURES, METRICS
from app.reports.figures.people import MIXED_MODELS, PEOPLE
from app.reports.figures.pgr import PGR
from app.reports.figures.pressure import ATTACKS, CANDIDATES
from app.reports.figures.reliability import RELIABILITY
from app.reports.figures.sensitivity import SENSITIVITY
from app.reports.figures.sides import SIDES
from app.reports.figures.speeches import SPEECHES
from app.reports.figures.tiers import TIERS
from app.reports.figures.time import TIME

FIGURES: tuple[Figure[Any], ...] = (
    ACCURACY,
    PGR,
    METRICS,
    SENSITIVITY,
    CONTRASTS,
    EXPLORATORY,
    BUDGETS,
    EQUAL_WORDS,
    CANDIDATES,
    ATTACKS,
    RELIABILITY,
    BELIEF,
    CERTAINTY,
    PEOPLE,
    MIXED_MODELS,
    TIME,
    SIDES,
    MEASURES,
    SPEECHES,
    GROUPS,
    TIERS,
)
"""Every figure; a new one is a file beside these and a line here. Within a section, reports show them in this order."""

_SECTIONS = list(Section)


def every_figure() -> list[Figure[Any]]:
    """Return the figures in the order of reports: by section, then as in `FIGURES`."""
    return sorted(FIGURES, key=lambda figure: _SECTIONS.index(figure.section))


def figure_named(name: str) -> Figure[Any] | None:
    """Return the figure of this name."""
    return next((figure for figure in FIGURES if figure.name == name), None)
