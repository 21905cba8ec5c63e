"""The pictures of a study's course: people against time, and how many come to each page. Drawn in a process that has no database."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import altair as alt

from app.reports.charts import COLOURS, FIT, PlainRow, chart_of, colour_and_shape, finished
from app.reports.figures.core import Chart
from app.reports.plots import follows_theme, spec_of, svg

StudyChart: TypeAlias = Literal["recruitment", "attrition", "time"]


def _recruitment(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    """Draw steps: who joined and who completed, against time, below a dashed line at the number wanted."""
    wanted = max(row["wanted"] for row in rows)
    drawn = chart_of(rows)
    marks = colour_and_shape(rows, "who", width)
    count = alt.Y(
        "people:Q",
        title="people",
        scale=alt.Scale(domain=[0, wanted]),
        axis=alt.Axis(tickMinStep=1, tickCount=5),
    )
    steps = drawn.mark_line(interpolate="step-after", strokeWidth=2.5).encode(
        x=alt.X("at:T", title=None, axis=alt.Axis(tickCount=4 if width < 400 else 8, labelOverlap=True)),
        y=count,
        color=marks["color"],
        strokeDash=alt.StrokeDash("who:N", legend=None, sort=["joined", "completed"]),
    )
    line = chart_of([{"wanted": wanted}]).mark_rule(strokeDash=[4, 4], color="#666").encode(y="wanted:Q")
    return finished(alt.layer(line, steps).properties(width=width, height=180, autosize=FIT))


def _attrition(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    """Draw a bar for each page: how many came, and of these how many ended there."""
    pages = list(dict.fromkeys(row["page"] for row in rows))
    order = ["went on", "on it now", "left there"]
    legend = alt.Legend(title=None, orient="bottom", columns=1 if width < 400 else 3)
    colours = alt.Scale(domain=order, range=[COLOURS[0], COLOURS[4], COLOURS[1]])
    bars = (
        chart_of(rows)
        .mark_bar()
        .encode(
            y=alt.Y(
                "page:N", sort=pages, title=None, axis=alt.Axis(ticks=False, labelPadding=6, domain=False)
            ),
            x=alt.X("people:Q", title="people", axis=alt.Axis(tickMinStep=1, tickCount=5)),
            color=alt.Color("what:N", scale=colours, legend=legend),
            order=alt.Order("place:Q"),
        )
    )
    size = alt.Step(26)
    return finished(alt.layer(bars).properties(width=width, height=size, autosize=FIT))


def _time(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    """Draw a dot for each person: median time at work against agreement with others, by whether they have a flag."""
    marks = colour_and_shape(rows, "flags", width)
    seconds = alt.X(
        "seconds:Q",
        title="median seconds at work" if width < 400 else "median seconds at work on a trial (log scale)",
        scale=alt.Scale(type="log", nice=True),
        axis=alt.Axis(tickCount=4, format="~s"),
    )
    agree = alt.Y(
        "agreement:Q",
        title="agreement with others",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    dots = chart_of(rows).mark_point(filled=True, size=90, opacity=0.9).encode(x=seconds, y=agree, **marks)
    return finished(alt.layer(dots).properties(width=width, height=220, autosize=FIT))


def _same(rows: Sequence[PlainRow], names: object) -> list[PlainRow]:
    return list(rows)


CHARTS: dict[StudyChart, Chart[PlainRow]] = {
    "recruitment": Chart(
        _same,
        _recruitment,
        "People who joined and who completed, against time (UTC). The dashed line is the number wanted.",
    ),
    "attrition": Chart(
        _same, _attrition, "People who came to each page, and those who left there before the end."
    ),
    "time": Chart(
        _same,
        _time,
        "A dot for each person with verdicts: how long they work on a trial, and how often others choose as they do.",
    ),
}


def drawn(name: StudyChart, width: int, rows: list[PlainRow]) -> bytes:
    """Return a chart of these rows as SVG that follows the reader's theme. Takes the processor for up to a second."""
    return follows_theme(svg(spec_of(CHARTS[name], rows, width)))
