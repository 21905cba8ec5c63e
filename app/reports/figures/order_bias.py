"""What the order of answers does to verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import altair as alt
import numpy as np

from app.reports.charts import PlainRow, dots_with_whiskers
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place, place_columns
from app.reports.verdict_table import VerdictTable
from app.reports.written import points, points_between, share
from app.shown_table import Column, ShownTable
from app.statistics.estimates import estimated
from app.statistics.intervals import FloatArray, IntArray
from app.statistics.position import chance, chose_first, overlap, pairs, tops
from app.statistics.readings import BoolArray, Readings, combined


@dataclass(frozen=True, slots=True)
class OrderBias:
    """What the order of answers does to the verdicts of one judge under one arm."""

    arm: str
    judge: str
    verdicts: int
    lean: float
    """Share of verdicts that chose the first-listed answer, less that of a judge who goes by content: above 0 it leans to the first."""
    low: float
    high: float
    pairs: int = 0
    """Pairs of verdicts of one judging, read in different orders."""
    flips: float | None = None
    """Share of pairs whose verdict changes with the order."""
    to_first: float | None = None
    """Share of pairs in which the first-listed answer was chosen both times."""
    to_last: float | None = None
    """Share of pairs in which it was chosen neither time; of two answers, the last-listed both times."""


def order_biases(evidence: Evidence) -> list[OrderBias]:
    """Return every arm and judge, as in the evidence."""
    table = evidence.counted.table
    return [_order_bias(table, readings) for readings in evidence.readings.values()]


def _order_bias(table: VerdictTable, readings: Readings) -> OrderBias:
    rows = readings.rows
    frame = table.frame.select("play", "reading_order")[rows]
    beliefs = table.beliefs[rows]
    top, width = tops(beliefs), beliefs.shape[1]
    listed = np.stack(
        [
            frame["reading_order"].list.get(at, null_on_oob=True).fill_null(-1).to_numpy()
            for at in range(width)
        ]
    ).astype(np.int64)
    first = chose_first(top, listed[0])
    even = chance((beliefs >= 0).sum(axis=1), readings.question)
    found = estimated(readings, first)
    plain = OrderBias(
        readings.arm,
        readings.judge,
        rows.size,
        lean=found.value - even,
        low=found.low - even,
        high=found.high - even,
    )
    one, two = pairs(frame["play"].to_numpy(), combined(*listed), same_order=False)
    if not one.size:
        return plain
    asked = readings.question[one]

    def mean(values: FloatArray) -> float:
        return float(_by(asked, values).mean())

    apart = overlap(top, one, two) == 0
    return replace(
        plain,
        pairs=one.size,
        flips=mean(1 - overlap(top, one, two)),
        to_first=mean(apart & (first[one] == 1) & (first[two] == 1)),
        to_last=mean(apart & (first[one] == 0) & (first[two] == 0)),
    )


def _by(codes: IntArray, values: FloatArray | BoolArray) -> FloatArray:
    """Return the mean of values by code."""
    places = np.unique_inverse(codes).inverse_indices
    found: FloatArray = np.bincount(places, weights=values) / np.bincount(places)
    return found


def _order_table(rows: Sequence[OrderBias], names: Names) -> ShownTable[OrderBias]:
    columns: tuple[Column[OrderBias], ...] = (
        *place_columns(names),
        Column("lean to first", lambda row: points(row.lean)),
        Column("95% interval", lambda row: points_between(row.low, row.high)),
        Column("flips", lambda row: share(row.flips)),
        Column("first both times", lambda row: share(row.to_first)),
        Column("last both times", lambda row: share(row.to_last)),
        Column("pairs", lambda row: row.pairs),
    )
    about = (
        "Lean: how much more often than by chance the first-listed answer was chosen, in points. Flips: pairs of readings of one talk in "
        "different orders whose verdict changes, and of these pairs those that chose the first-listed answer both times, or never. Flips "
        "that go both ways alike are noise more than a habit."
    )
    return ShownTable("The order of answers", columns, rows, about=about)


def _order_chart(rows: Sequence[OrderBias], names: Names) -> list[PlainRow]:
    return [
        {
            **named_place(names, row),
            "lean": 100 * row.lean,
            "low": 100 * row.low,
            "high": 100 * row.high,
        }
        for row in rows
    ]


def _draw_order(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    title = "lean to the first-listed answer, points"
    return dots_with_whiskers(rows, width, "arm", "lean", title, 0, alt.Scale(domain=[-50, 50]))


ORDER_BIAS = Figure(
    name="order_bias",
    title="The order of answers",
    about="How far a judge leans to the answer that is listed first, and which verdicts change with the order.",
    source="Khan et al. 2024, appendix A.7; Zheng et al. 2023 (arXiv 2306.05685).",
    needs="verdicts",
    rows=order_biases,
    table=_order_table,
    section=Section.BIAS,
    chart=Chart(
        _order_chart,
        _draw_order,
        "Right of the dashed line a judge leans to the first-listed answer, left of it to the last.",
    ),
    methods=(
        "Order bias is the share of verdicts for the first-listed answer less that of drawing, averaged within questions, with 95% intervals "
        "clustered by passage, and by person where people judged; flips are pairs of readings of one transcript in different orders whose "
        "verdict differs."
    ),
)
