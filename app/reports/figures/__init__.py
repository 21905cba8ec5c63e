"""The figures of a report: one file each. The registry says what is in a report, and in which order."""

from typing import Any

from app.reports.figures.accept_reject import ACCEPT_REJECT
from app.reports.figures.accuracy import ACCURACY
from app.reports.figures.agreement import AGREEMENT, ALPHA
from app.reports.figures.arm_ranking import ARM_RANKING
from app.reports.figures.belief import BELIEF
from app.reports.figures.budgets import BUDGETS
from app.reports.figures.calibration import CALIBRATION, CALIBRATION_LIMITS, CALIBRATION_STEPS
from app.reports.figures.certainty import CERTAINTY
from app.reports.figures.contrasts import CONTRASTS
from app.reports.figures.core import Figure, Section
from app.reports.figures.equal_words import EQUAL_WORDS
from app.reports.figures.evidence import QUOTE_TRUST, SIDES_SAID
from app.reports.figures.exclusions import EXCLUSION_CONTRASTS, EXCLUSIONS, PARTS_NOT_COUNTED
from app.reports.figures.exploratory import EXPLORATORY
from app.reports.figures.groups import GROUPS
from app.reports.figures.incentives import INCENTIVES, WIN_RATES
from app.reports.figures.metrics import MEASURES, METRICS
from app.reports.figures.order_bias import ORDER_BIAS
from app.reports.figures.people import MIXED_MODELS, PEOPLE
from app.reports.figures.pgr import PGR
from app.reports.figures.pressure import ATTACKS, CANDIDATES
from app.reports.figures.reliability import RELIABILITY
from app.reports.figures.risk_coverage import RISK_COVERAGE
from app.reports.figures.routing import ROUTING
from app.reports.figures.self_preference import SELF_PREFERENCE
from app.reports.figures.sensitivity import SENSITIVITY
from app.reports.figures.sides import SIDES
from app.reports.figures.skill import SKILL, SKILL_ACCURACY
from app.reports.figures.speeches import SPEECHES
from app.reports.figures.sycophancy import SYCOPHANCY
from app.reports.figures.tiers import TIERS
from app.reports.figures.time import TIME
from app.reports.figures.verbosity import VERBOSITY

FIGURES: tuple[Figure[Any], ...] = (
    # Accuracy
    ACCURACY,
    PGR,
    METRICS,
    EXCLUSIONS,
    PARTS_NOT_COUNTED,
    SENSITIVITY,
    ACCEPT_REJECT,
    # Comparisons
    CONTRASTS,
    EXCLUSION_CONTRASTS,
    EXPLORATORY,
    BUDGETS,
    EQUAL_WORDS,
    CANDIDATES,
    ATTACKS,
    # Calibration
    CALIBRATION,
    RELIABILITY,
    CALIBRATION_LIMITS,
    RISK_COVERAGE,
    BELIEF,
    CALIBRATION_STEPS,
    # Incentives and skill
    INCENTIVES,
    WIN_RATES,
    SKILL,
    SKILL_ACCURACY,
    # Bias
    CERTAINTY,
    ORDER_BIAS,
    VERBOSITY,
    SELF_PREFERENCE,
    SYCOPHANCY,
    QUOTE_TRUST,
    # People and models
    PEOPLE,
    MIXED_MODELS,
    TIME,
    AGREEMENT,
    ALPHA,
    ARM_RANKING,
    ROUTING,
    # Groups of judges
    GROUPS,
    TIERS,
    # The talks
    SIDES,
    MEASURES,
    SIDES_SAID,
    SPEECHES,
)
"""Every figure; a new one is a file beside these and a line here. Within a section, reports show them in this order."""

_SECTIONS = list(Section)


def every_figure() -> list[Figure[Any]]:
    """Return the figures in the order of reports: by section, then as in `FIGURES`."""
    return sorted(FIGURES, key=lambda figure: _SECTIONS.index(figure.section))


def figure_named(name: str) -> Figure[Any] | None:
    """Return the figure of this name."""
    return next((figure for figure in FIGURES if figure.name == name), None)
