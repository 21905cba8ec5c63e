"""Whether the side that says more wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.sides import sides_of, two_sides
from app.reports.written import share
from app.shown_table import ABSENT, Column, ShownCell, ShownTable
from app.statistics.fractional_logit import Slope, slope
from app.statistics.intervals import FloatArray
from app.statistics.readings import Readings


@dataclass(frozen=True, slots=True)
class Verbosity:
    """How the odds that gold wins depend on how much longer its side speaks, for one judge under one arm."""

    arm: str
    judge: str
    talks: int
    passages: int
    slope: Slope
    """Of the log-odds, on the natural logarithm of the ratio of words."""
    gold_longer: float
    """Share of the talks in which the side for gold has more words."""

    @property
    def doubled(self) -> tuple[float, float, float] | None:
        """Return by which factor the odds change where the ratio doubles, with its interval."""
        found = (self.slope.value, self.slope.low, self.slope.high)
        if any(value is None for value in found):
            return None
        value, low, high = (float(2 ** min(float(end or 0), 300)) for end in found)
        return value, low, high


def verbosities(evidence: Evidence) -> list[Verbosity]:
    """Return every arm and judge with talks in which two answers were argued for."""
    facts = evidence.facts
    sides = two_sides(sides_of(evidence), facts.talks.height, ("words",))
    words, gold = sides.figures["words"], facts.talks["gold"].to_numpy()
    is_gold = sides.answers == gold[:, None]
    both = is_gold.any(axis=1) & (words > 0).all(axis=1)
    ratio = np.full(gold.size, np.nan)
    own, other = words[both][is_gold[both]], words[both][~is_gold[both]]
    ratio[both] = np.log(own / other)
    found = (_verbosity(evidence, readings, ratio) for readings in evidence.readings.values())
    return [row for row in found if row is not None]


def _verbosity(evidence: Evidence, readings: Readings, ratio: FloatArray) -> Verbosity | None:
    talk = evidence.counted.table.talk[readings.rows]
    kept = ~np.isnan(ratio[talk])
    if not kept.any():
        return None
    own, talk = readings.where(kept), talk[kept]
    places = np.unique_inverse(talk)
    weight = 1 / np.bincount(places.inverse_indices)[places.inverse_indices]
    return Verbosity(
        own.arm,
        own.judge,
        talks=places.values.size,
        passages=np.unique_values(own.passage).size,
        slope=slope(own.right, ratio[talk], weight, own.passage, own.person),
        gold_longer=float((ratio[places.values] > 0).mean()),
    )


def factor(value: float) -> str:
    """Return a factor as tables show it; what no sample can measure is given by its side alone."""
    if value < 0.01:
        return "<0.01"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}" if value <= 1000 else ">1000"


def _verbosity_table(rows: Sequence[Verbosity], names: Names) -> ShownTable[Verbosity]:
    def odds(row: Verbosity, part: int) -> ShownCell:
        found = row.doubled
        if found is None:
            return ShownCell(ABSENT, reason=f"None: {row.slope.reason}.")
        value, low, high = (factor(end) for end in found)
        return ShownCell(
            f"× {value}" if part == 0 and value[0].isdigit() else value if part == 0 else f"{low} to {high}"
        )

    columns: tuple[Column[Verbosity], ...] = (
        *place_columns(names),
        Column("odds at twice the words", lambda row: odds(row, 0)),
        Column("95% interval", lambda row: odds(row, 1)),
        Column("right at equal words", lambda row: share(row.slope.at_zero)),
        Column("gold is longer", lambda row: share(row.gold_longer)),
        Column("talks", lambda row: row.talks),
        Column("passages", lambda row: row.passages, page_only=True),
    )
    about = (
        "By which factor the odds that a side wins change where it says twice as many words for the same words of the other; 1 for a judge "
        "whom length does not move. Right at equal words: the fitted accuracy where both say as much."
    )
    return ShownTable("Does length win?", columns, rows, about=about)


VERBOSITY = Figure(
    name="verbosity",
    title="Does length win?",
    about="The slope of the log-odds of winning on the logarithm of the ratio of words of the two sides.",
    source="Papke and Wooldridge 1996, clustered as in Cameron, Gelbach and Miller 2011.",
    needs="talks in which two answers are argued for",
    rows=verbosities,
    table=_verbosity_table,
    as_json=lambda row: _verbosity_json(row),
    section=Section.BIAS,
    methods=(
        "Verbosity bias is the slope of the log-odds that the right answer is chosen on the log ratio of words for and against it (logistic "
        "regression, each transcript with the same weight), with 95% intervals clustered by passage, and by person where people judged."
    ),
    slow=True,
)


def _verbosity_json(row: Verbosity) -> dict[str, Any]:
    held = row.slope
    return {
        "arm": row.arm,
        "judge": row.judge,
        "talks": row.talks,
        "passages": row.passages,
        "slope": held.value,
        "low": held.low,
        "high": held.high,
        "right_at_equal_words": held.at_zero,
        "gold_longer": row.gold_longer,
        "reason": held.reason,
    }
