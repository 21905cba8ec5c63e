"""The belief in gold after each step of the transcript."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import altair as alt
import numpy as np

from app.reports.charts import PlainRow, colour_and_shape, panels
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place


@dataclass(frozen=True, slots=True)
class Quartiles:
    """The beliefs in gold of one judge under one arm after a step."""

    judge: str
    arm: str
    step: int
    """Steps of the transcript read; 0 before the first."""
    median: float
    lower: float
    """A quarter of the verdicts has less."""
    upper: float
    """A quarter of the verdicts has more."""
    verdicts: int


def _rows(evidence: Evidence) -> list[Quartiles]:
    """Return quartiles after each step, for arms and judges with beliefs on the way."""
    table, places = evidence.counted.table, evidence.counted.places
    found = []
    for arm, judge in evidence.cells:
        path = table.path(places[arm, judge])
        on_the_way = path[(~np.isnan(path)).sum(axis=1) > 1]
        for step, beliefs in enumerate(on_the_way.T):
            known = beliefs[~np.isnan(beliefs)]
            if known.size:
                lower, median, upper = (float(value) for value in np.quantile(known, (0.25, 0.5, 0.75)))
                found.append(Quartiles(judge, arm, step, median, lower, upper, known.size))
    return found


def _chart_rows(rows: Sequence[Quartiles], names: Names) -> list[PlainRow]:
    return [{**asdict(row), **named_place(names, row)} for row in rows]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "arm", width)
    base = alt.Chart().encode(
        x=alt.X("step:O", title="steps of the transcript read", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("arm:N"),
        color=marks["color"],
    )
    unit = alt.Scale(domain=[0, 1])
    spread = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y=alt.Y("lower:Q", scale=unit), y2="upper:Q")
    middle = alt.Y("median:Q", title="belief on gold", scale=unit)
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(y=middle, shape=marks["shape"])
    return panels([dots, spread], rows, "judge", width, 220)


BELIEF = Figure(
    name="belief",
    title="Belief in gold by step",
    about="The median and the middle half of each judge's belief in gold before the first step, after it, and so on.",
    source="Quantiles of verdicts, by linear interpolation.",
    needs="beliefs at each step",
    rows=_rows,
    section=Section.CALIBRATION,
    chart=Chart(
        _chart_rows,
        _draw,
        "Median (mark) and quartiles (line) of each judge's belief in gold before the first step, after it, and so on.",
    ),
)
