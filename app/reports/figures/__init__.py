"""The figures of a report beside accuracy, contrasts and the metrics of protocols: one file each, in the order of the page."""

from typing import Any

from app.reports.figures.core import Figure
from app.reports.figures.equal_words import EQUAL_WORDS
from app.reports.figures.people import MIXED_MODELS, PEOPLE
from app.reports.figures.pressure import ATTACKS, CANDIDATES
from app.reports.figures.sides import SIDES
from app.reports.figures.speeches import SPEECHES

FIGURES: tuple[Figure[Any], ...] = (
    SIDES,
    PEOPLE,
    MIXED_MODELS,
    EQUAL_WORDS,
    CANDIDATES,
    ATTACKS,
    SPEECHES,
)
"""Every figure; a new one is a file beside these and a line here."""
