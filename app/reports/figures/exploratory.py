"""Contrasts that a reader asks for, beside those that were named before the run."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from app.reports.figures.contrasts import CONTRASTS, between_constants
from app.reports.figures.core import Evidence, Figure, Names, Section
from app.shown_table import ShownTable
from app.statistics.contrasts import Contrast, contrasts

EXPLORATORY_NOTE = (
    "Exploratory contrasts were not named before the run: p (Holm) is corrected over all {count} that are shown, for each judge alone, but "
    "not for the choice of what to show; confirm what they suggest on new questions."
)


def _rows(evidence: Evidence) -> list[Contrast]:
    """Return the contrasts that the reader asks for and that the file does not name."""
    pairs = exploratory_pairs(evidence)
    found = contrasts(evidence.readings, pairs, seed=evidence.seed)
    return [between_constants(item, evidence.cells) for item in found]


def exploratory_pairs(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the pairs of arms that are compared, in the order in which they were asked for."""
    choices = evidence.facts.choices
    named = {frozenset(pair) for pair in evidence.facts.experiment.spec.get("contrasts", ())}
    asked = [*choices.contrasts, *(combinations(evidence.facts.arms, 2) if choices.every_contrast else ())]
    return list({frozenset(pair): pair for pair in reversed(asked) if frozenset(pair) not in named}.values())[
        ::-1
    ]


def _table(rows: Sequence[Contrast], names: Names) -> ShownTable[Contrast]:
    assert CONTRASTS.table is not None
    table = CONTRASTS.table(rows, names)
    return replace(
        table,
        title="Exploratory contrasts",
        caption="Exploratory contrasts: accuracy of the first arm less that of the second",
        about=EXPLORATORY_NOTE.format(count=rows[0].named) if rows else "",
    )


EXPLORATORY = Figure(
    name="exploratory",
    title="Exploratory contrasts",
    about="The accuracy of one arm less that of another, for pairs that a reader asks for and that were not named before the run.",
    source=CONTRASTS.source,
    needs="`arena report --contrast A:B`, or --contrast all",
    rows=_rows,
    table=_table,
    words=lambda rows: [EXPLORATORY_NOTE.format(count=rows[0].named)] if rows else [],
    as_json=CONTRASTS.as_json,
    section=Section.COMPARISONS,
    methods="Exploratory contrasts were not named before the run; they are computed like the named ones and corrected by Holm's method over all "
    "that are shown, for each judge alone.",
    slow=True,
)
