"""Accuracy against what a verdict costs its judge: words read, and time of people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from app.reports.charts import FIT, PlainRow, chart_of, colour_and_shape, finished, wrapped
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place, place_columns
from app.reports.figures.time import seconds_of
from app.reports.written import between, share
from app.shown_table import ABSENT, Column, ShownTable


@dataclass(frozen=True, slots=True)
class Budget:
    """The accuracy of one judge under one arm, and what it read for it."""

    arm: str
    judge: str
    words: float
    """Words of the speeches that judges read, a finished talk; 0 where there are none."""
    minutes: float | None
    """Minutes that people worked on a verdict; None for others, and where no time is recorded."""
    accuracy: float
    low: float
    high: float
    questions: int
    best_words: str
    """The arm under which this judge is right most often among those with no more words."""
    best_words_accuracy: float
    best_minutes: str | None
    """The same among those with no more minutes."""
    best_minutes_accuracy: float | None


def _rows(evidence: Evidence) -> list[Budget]:
    """Return a row for each arm and judge; none where all arms have one length."""
    words = {count.arm: count.words or 0.0 for count in evidence.facts.speeches}
    if len({words.get(arm, 0.0) for arm, _ in evidence.cells}) < 2:
        return []
    seconds = seconds_of(evidence)
    minutes: dict[tuple[str, str], float | None] = {}
    for place in evidence.cells:
        own = seconds[evidence.readings[place].rows]
        own = own[own > 0]
        minutes[place] = math.fsum((own / 60).tolist()) / own.size if own.size else None
    found = []
    for (arm, judge), cell in evidence.cells.items():
        mine = [other for other in evidence.cells.values() if other.judge == judge]
        short = [other for other in mine if words.get(other.arm, 0.0) <= words.get(arm, 0.0)]
        time = minutes[arm, judge]
        quick = [
            other
            for other in mine
            if time is not None and (took := minutes[other.arm, judge]) is not None and took <= time
        ]
        by_words = max(short, key=lambda other: other.accuracy)
        by_time = max(quick, key=lambda other: other.accuracy, default=None)
        found.append(
            Budget(
                arm,
                judge,
                words.get(arm, 0.0),
                time,
                cell.accuracy,
                cell.low,
                cell.high,
                cell.questions,
                by_words.arm,
                by_words.accuracy,
                by_time.arm if by_time else None,
                by_time.accuracy if by_time else None,
            )
        )
    return found


def _table(rows: Sequence[Budget], names: Names) -> ShownTable[Budget]:
    def best(arm: str | None, accuracy: float | None) -> str:
        return ABSENT if arm is None else f"{share(accuracy)} ({names.names(arm, None)[0]})"

    timed = any(row.minutes is not None for row in rows)
    by_time: tuple[Column[Budget], ...] = (
        Column("minutes", lambda row: None if row.minutes is None else f"{row.minutes:.1f}"),
        Column("best in no more minutes", lambda row: best(row.best_minutes, row.best_minutes_accuracy)),
    )
    columns: tuple[Column[Budget], ...] = (
        *place_columns(names),
        Column("words read", lambda row: f"{row.words:,.0f}"),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("best at no more words", lambda row: best(row.best_words, row.best_words_accuracy)),
        *(by_time if timed else ()),
    )
    return ShownTable("Accuracy at equal words and equal time", columns, rows, about=ABOUT)


ABOUT = (
    "Words are those of the speeches that judges read in a finished talk, on average; an expert also reads the passage, which is not "
    "counted. Minutes are those that people worked on a verdict, on average. Beside each arm is the best accuracy that the same judge has "
    "under any arm with no more words, or no more minutes: an arm that is not its own best gives less for more."
)


def _chart_rows(rows: Sequence[Budget], names: Names) -> list[PlainRow]:
    return [
        {
            **named_place(names, row),
            "words": row.words,
            "minutes": row.minutes,
            "accuracy": row.accuracy,
            "low": row.low,
            "high": row.high,
        }
        for row in rows
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    low = math.floor(10 * min(row["low"] for row in rows)) / 10
    scale = alt.Scale(domain=[min(low, 0.5), 1.0])
    marks = colour_and_shape(rows, "judge", width)
    base = chart_of(rows).encode(
        x=alt.X("words:Q", title=wrapped("words of speeches that a judge read, a talk", width)),
        color=marks["color"],
    )
    accuracy = alt.Y("accuracy:Q", title="accuracy", scale=scale, axis=alt.Axis(format="%"))
    reach = base.mark_rule(opacity=0.4).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(y=accuracy, shape=marks["shape"])
    top = max(rows, key=lambda row: row["accuracy"])["judge"]
    named = (
        chart_of([row for row in rows if row["judge"] == top])
        .mark_text(dy=-11, fontSize=11)
        .encode(x="words:Q", y=accuracy, text="arm:N")
    )
    return finished(alt.layer(reach, dots, named).properties(width=width, height=280, autosize=FIT))


BUDGETS = Figure(
    name="budgets",
    title="Accuracy at equal words and equal time",
    about="The accuracy of each judge under each arm beside the words that it read and the minutes that people took.",
    source="Counts; intervals as for accuracy.",
    needs="arms whose talks differ in length",
    rows=_rows,
    table=_table,
    section=Section.COMPARISONS,
    chart=Chart(
        _chart_rows, _draw, "Accuracy against the words that a judge read in a talk, with 95% intervals."
    ),
    methods=(
        "Arms are compared at equal words by the best accuracy that a judge has under any arm with no more words of speeches in a talk, and at "
        "equal time by that under any arm in which people took no more minutes a verdict."
    ),
)
