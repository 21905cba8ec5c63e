"""Reliability: how often judges are right at each level of confidence."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import altair as alt
import numpy as np

from app.reports.charts import PlainRow, chart_of, colour_and_shape, panels, wrapped
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place
from app.statistics.calibration import BINS, bins_of
from app.statistics.intervals import FloatArray, IntArray
from app.statistics.people import share_of_verdicts


@dataclass(frozen=True, slots=True)
class Binned:
    """The verdicts of one judge under one arm in one of ten equal bins of confidence."""

    arm: str
    judge: str
    bin_low: float
    bin_high: float
    confidence: float
    """Mean belief in the favoured answer."""
    accuracy: float
    """Share right; a tie counts its share. Verdicts are the unit."""
    low: float
    high: float
    verdicts: int


def _rows(evidence: Evidence) -> list[Binned]:
    table, places = evidence.counted.table, evidence.counted.places
    held = table.verdicts
    found = []
    for arm, judge in evidence.cells:
        own = places[arm, judge]
        confidence = table.beliefs[own].max(axis=1)
        for number, at in _bins(confidence):
            rows = own[at]
            right = share_of_verdicts(held.right[rows], held.passage[rows], held.person[rows])
            mean = math.fsum(confidence[at]) / at.size
            edges = number / BINS, (number + 1) / BINS
            found.append(Binned(arm, judge, *edges, mean, right.value, right.low, right.high, rows.size))
    return found


def _bins(confidence: FloatArray) -> Iterator[tuple[int, IntArray]]:
    """Yield the bins that have a verdict, with the places of theirs."""
    bins = bins_of(confidence)
    for number in np.unique(bins):
        yield int(number), np.flatnonzero(bins == number)


def _chart_rows(rows: Sequence[Binned], names: Names) -> list[PlainRow]:
    return [{**asdict(row), **named_place(names, row)} for row in rows]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    marks = colour_and_shape(rows, "judge", width)
    base = alt.Chart().encode(
        x=alt.X(
            "confidence:Q",
            title=wrapped("belief on the favoured answer", width),
            scale=unit,
            axis=alt.Axis(tickCount=5),
        ),
        color=marks["color"],
    )
    right = alt.Y("accuracy:Q", title="share right", scale=unit)
    spread = base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q", scale=unit), y2="high:Q")
    size = alt.Size("verdicts:Q", legend=None, scale=alt.Scale(range=[40, 300], domainMin=0))
    dots = base.mark_point(filled=True, opacity=0.9).encode(y=right, size=size, shape=marks["shape"])
    equal = chart_of([{"at": 0, "is": 0}, {"at": 1, "is": 1}]).mark_line(strokeDash=[4, 4], color="#666")
    return panels([dots, spread, equal.encode(x="at:Q", y="is:Q")], rows, "arm", width, 240)


RELIABILITY = Figure(
    name="reliability",
    title="Reliability",
    about="How often verdicts are right at each level of confidence, the belief in the favoured answer.",
    source="Murphy and Winkler 1977; ten equal bins, verdicts as the unit, intervals clustered by passage, and by person where people judge.",
    needs="verdicts that count",
    rows=_rows,
    section=Section.CALIBRATION,
    chart=Chart(
        _chart_rows,
        _draw,
        "Verdicts of each arm in ten equal bins of confidence, with 95% intervals clustered by passage; on the dashed line a "
        "judge is as often right as it is sure. Larger marks stand for more verdicts.",
    ),
    methods="Reliability is shown in ten equal bins of the belief in the favoured answer, with verdicts as the unit.",
)
