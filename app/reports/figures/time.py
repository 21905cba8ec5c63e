"""The accuracy of people against the time that they spent on a verdict."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import altair as alt
import numpy as np

from app.reports.charts import FIT, PlainRow, chart_of, colour_and_shape, finished, wrapped
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.statistics.intervals import FloatArray, IntArray
from app.statistics.people import share_of_verdicts


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter of the verdicts of people under one arm, by the time that they worked."""

    arm: str
    quarter: int
    """1 for the quickest."""
    minutes: float
    """Mean time."""
    accuracy: float
    """Share right. Verdicts are the unit."""
    low: float
    high: float
    verdicts: int


def _rows(evidence: Evidence) -> list[Quarter]:
    """Return four quarters of equal size for each arm in which people's time was recorded."""
    if not evidence.facts.efforts.height:
        return []
    by_arm: dict[str, list[IntArray]] = defaultdict(list)
    places = evidence.counted.places
    for arm, judge in evidence.cells:
        by_arm[arm].append(places[arm, judge])
    seconds = seconds_of(evidence)
    return [
        quarter
        for arm, own in by_arm.items()
        for quarter in _quarters(evidence, arm, np.concatenate(own), seconds)
    ]


def seconds_of(evidence: Evidence) -> FloatArray:
    """Return the seconds that a person worked on each verdict; 0 where that is not known, and for other judges."""
    table = evidence.counted.table
    own = table.frame.select("play").join(
        evidence.facts.efforts, on="play", how="left", maintain_order="left"
    )
    return np.where(table.verdicts.person >= 0, own["seconds"].fill_null(0.0).to_numpy(), 0.0)


def _quarters(evidence: Evidence, arm: str, rows: IntArray, seconds: FloatArray) -> Iterator[Quarter]:
    held = evidence.counted.table.verdicts
    timed = rows[seconds[rows] > 0]
    placed = timed[np.argsort(seconds[timed], kind="stable")]
    for number in range(4):
        part = placed[placed.size * number // 4 : placed.size * (number + 1) // 4]
        if part.size:
            minutes = math.fsum((seconds[part] / 60).tolist()) / part.size
            right = share_of_verdicts(held.right[part], held.passage[part], held.person[part])
            yield Quarter(arm, number + 1, minutes, right.value, right.low, right.high, part.size)


def _chart_rows(rows: Sequence[Quarter], names: Names) -> list[PlainRow]:
    return [{**asdict(row), "arm": names.names(row.arm, None)[0]} for row in rows]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    title = "minutes at work on a verdict, mean of a quarter"
    base = chart_of(rows).encode(
        x=alt.X("minutes:Q", title=wrapped(title, width)),
        y=alt.Y("accuracy:Q", title="share right", scale=unit),
    )
    marks = colour_and_shape(rows, "arm", width)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(**marks)
    lines = base.mark_line().encode(color=marks["color"])
    spread = base.mark_rule(opacity=0.5).encode(
        y=alt.Y("low:Q", scale=unit), y2="high:Q", color=marks["color"]
    )
    return finished(alt.layer(dots, lines, spread).properties(width=width, height=260, autosize=FIT))


TIME = Figure(
    name="time",
    title="Accuracy against time spent",
    about="How often people were right, in quarters of equal size by the time that they worked on a verdict.",
    source="Verdicts as the unit, intervals clustered by passage and person.",
    needs="verdicts of people with a recorded time; the time of models is not measured",
    rows=_rows,
    section=Section.AGREEMENT,
    chart=Chart(
        _chart_rows,
        _draw,
        "Verdicts of people, in quarters of equal size by the time that they worked, with 95% intervals clustered by passage.",
    ),
)
