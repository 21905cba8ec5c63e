"""How often the most confident verdicts are right, as a curve over the share of verdicts that is taken."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np

from app.reports.charts import PlainRow, colour_and_shape, panels
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place, place_columns
from app.reports.written import between, share
from app.shown_table import Column, ShownCell, ShownTable
from app.statistics.calibrated import Limited, drawn_levels, mean_of_verdicts
from app.statistics.calibration import accuracy_at, aurc_of, bin_sums, confidence_of, levels
from app.statistics.intervals import FloatArray, Scale
from app.statistics.readings import Readings
from app.statistics.resampling import DRAWS, Clusters, limits
from app.statistics.seeds import generator

COVERAGES = tuple(step / 20 for step in range(1, 21))
"""Shares of verdicts at which the curve has points."""
SHOWN = (0.25, 0.5, 0.75, 1.0)
"""Those in the table."""

_SHARE = Scale(low=0.0, high=1.0, unseen=1.0)


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The most confident verdicts of one judge under one arm."""

    arm: str
    judge: str
    verdicts: int
    passages: int
    coverage: Sequence[float]
    """Shares of verdicts, most confident first."""
    accuracy: Sequence[Limited]
    """The share right of these."""
    aurc: Limited
    """Area under the curve of wrong verdicts over coverage: 0 the best."""
    by_chance: float
    """That area for verdicts in any order: the share of wrong ones."""
    different: int
    """How many confidences differ; with one, the curve is flat."""
    method: str
    draws: int


def curve_of(
    readings: Readings, beliefs: FloatArray, rng: np.random.Generator, draws: int = DRAWS
) -> RiskCoverage:
    """Return the curve of the verdicts of one judge under one arm; `beliefs` are (n, answers), padded with -1."""
    confidence, right = confidence_of(beliefs), readings.right
    clusters = Clusters.of(readings.passage, readings.person)
    coverages = np.array(COVERAGES)
    level, count = levels(confidence)
    sums = bin_sums(level, confidence, right, count)[:, [0, 2]]
    drawn = drawn_levels(clusters, confidence, right, rng, draws)
    curves = np.concatenate([accuracy_at(some, coverages) for some in drawn])
    areas = np.concatenate([aurc_of(some) for some in drawn])
    few = clusters.fewest
    points = [
        _limited(value, limits(curves[:, at], few))
        for at, value in enumerate(accuracy_at(sums, coverages).tolist())
    ]
    return RiskCoverage(
        readings.arm,
        readings.judge,
        right.size,
        clusters.passages,
        COVERAGES,
        [_alike(readings, confidence, share, point) for share, point in zip(COVERAGES, points, strict=True)],
        _limited(float(aurc_of(sums)), limits(areas, few)),
        1 - float(right.mean()),
        count,
        clusters.method,
        draws,
    )


def _alike(readings: Readings, confidence: FloatArray, share: float, point: Limited) -> Limited:
    """Return a point of the curve; where all verdicts that it takes are right, or all wrong, with the interval of their mean. Draws
    cannot show how far that is from the truth.
    """
    if point.value not in (0.0, 1.0) or np.ptp(readings.passage) == 0:
        return point
    taken = confidence >= np.quantile(confidence, 1 - share, method="inverted_cdf")
    own = readings.where(taken & (readings.right == point.value))
    found = mean_of_verdicts(own, own.right, _SHARE)
    return Limited(point.value, found.low, found.high)


def _limited(value: float, found: tuple[float, float] | None) -> Limited:
    """Return a figure with limits that contain it."""
    return Limited(value) if found is None else Limited(value, min(found[0], value), max(found[1], value))


def _rows(evidence: Evidence) -> list[RiskCoverage]:
    table = evidence.counted.table
    return [
        curve_of(own, table.beliefs[own.rows], generator("risk coverage", evidence.seed, *place))
        for place, cell in evidence.cells.items()
        if cell.fixed_scores is None
        for own in (evidence.readings[place],)
    ]


def _table(rows: Sequence[RiskCoverage], names: Names) -> ShownTable[RiskCoverage]:
    columns: tuple[Column[RiskCoverage], ...] = (
        *place_columns(names),
        *(_at(coverage) for coverage in SHOWN),
        Column("AURC", lambda row: _shown(row.aurc, "{:.3f}")),
        Column("by chance", lambda row: f"{row.by_chance:.3f}"),
        Column("verdicts", lambda row: row.verdicts),
        Column("passages", lambda row: row.passages, page_only=True),
    )
    about = (
        "The share right of the most confident quarter, half and three quarters of verdicts, and of all. AURC: the share of wrong verdicts "
        "averaged over all such cuts; by chance: the same if confidence said nothing. Of verdicts of equal confidence any may be taken."
    )
    return ShownTable("The most confident verdicts", columns, rows, about=about)


def _at(coverage: float) -> Column[RiskCoverage]:
    place = COVERAGES.index(coverage)
    title = "all" if coverage == 1 else f"top {coverage:.0%}"
    return Column(title, lambda row: _shown(row.accuracy[place], "{:.0%}"))


def _shown(found: Limited, form: str) -> ShownCell:
    assert found.value is not None
    text = share(found.value) if form == "{:.0%}" else form.format(found.value)
    return ShownCell(text, between(found.low, found.high, form) if found.low is not None else "")


def _words(rows: Sequence[RiskCoverage]) -> list[str]:
    flat = [row for row in rows if row.different == 1]
    if not flat:
        return []
    lines = "one line" if len(flat) == 1 else f"{len(flat)} lines"
    return [f"All verdicts are equally confident in {lines} of the table of the most confident verdicts."]


def _chart_rows(rows: Sequence[RiskCoverage], names: Names) -> list[PlainRow]:
    return [
        {
            **named_place(names, row),
            "coverage": coverage,
            "accuracy": found.value,
            "low": found.low,
            "high": found.high,
            "verdicts": row.verdicts,
        }
        for row in rows
        for coverage, found in zip(row.coverage, row.accuracy, strict=True)
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "judge", width)
    unit = alt.Scale(domain=[0, 1])
    base = alt.Chart().encode(
        x=alt.X(
            "coverage:Q",
            title="share of verdicts, most confident first",
            scale=unit,
            axis=alt.Axis(format="%", tickCount=5),
        ),
        color=marks["color"],
    )
    right = alt.Y("accuracy:Q", title="share right", scale=unit)
    lines = base.mark_line(strokeWidth=2).encode(y=right)
    spread = base.mark_rule(opacity=0.35).encode(y=alt.Y("low:Q", scale=unit), y2="high:Q")
    dots = base.mark_point(filled=True, size=36, opacity=1).encode(y=right, shape=marks["shape"])
    return panels([lines, spread, dots], rows, "arm", width, 240)


RISK_COVERAGE = Figure(
    name="risk_coverage",
    title="The most confident verdicts",
    about="The share right of the most confident k% of verdicts, and the area under the curve of risk over coverage.",
    source="Geifman and El-Yaniv 2017; Khan et al. 2024 keep the human judgements above a confidence.",
    needs="verdicts",
    rows=_rows,
    table=_table,
    words=_words,
    section=Section.CALIBRATION,
    chart=Chart(
        _chart_rows,
        _draw,
        "The share right of the most confident verdicts, with 95% limits by drawing whole passages; the right end has all of them.",
    ),
    methods=(
        "Curves of accuracy over coverage take verdicts by confidence, with ties averaged; AURC is the mean risk over all cuts (Geifman and "
        "El-Yaniv 2017). Limits are expanded percentiles of 1,000 draws of whole passages, and of whole people at once where people judge."
    ),
    slow=True,
)
