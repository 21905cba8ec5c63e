"""The report's plots: figures in, a Vega-Lite spec out, drawn on the server without a network or a database.

Every plot has its data as plain rows, which users can download and draw elsewhere.
"""

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

import altair as alt
import numpy as np
import orjson
import vl_convert

from app.csv_cells import csv_cell
from app.reports.charts import FIT, chart_of, dots_with_whiskers, finished, panels, told_apart, wrapped
from app.reports.figures.pressure import Dialled
from app.statistics.accuracy import Cell
from app.statistics.calibration import BINS, bins_of
from app.statistics.contrasts import Contrast
from app.statistics.intervals import FloatArray, IntArray, Scale, mean_interval
from app.statistics.readings import dense
from app.statistics.two_way import mean_interval_of_people

PictureFormat: TypeAlias = Literal["svg", "png", "json"]
Row: TypeAlias = dict[str, Any]

WIDTHS = {"narrow": 304, "wide": 680}
"""Width of a whole picture in pixels, on a phone and elsewhere."""
_RIGHT = Scale(low=0.0, high=1.0, unseen=1.0)


@dataclass(frozen=True, slots=True, eq=False)
class PlottedVerdicts:
    """The verdicts of one judge under one arm as plots read them: (n,) arrays in the order of the frame."""

    arm: str
    """As labelled."""
    judge: str
    """As labelled."""
    confidence: FloatArray
    """Belief in the favoured answer."""
    right: FloatArray
    """1 for right, 0 for wrong, a share for a tie."""
    passage: IntArray
    """Numbers in the order of names."""
    person: IntArray
    """Numbers in the order of pseudonyms; -1 for models."""
    path: FloatArray
    """(n, steps) belief in gold, oldest first, padded with NaN."""
    seconds: FloatArray
    """Time that a person worked on it; NaN for models."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The data of all plots of a report."""

    cells: Sequence[Cell]
    """With arms and judges as labelled."""
    verdicts: Sequence[PlottedVerdicts]
    contrasts: Sequence[Contrast] = ()
    """With arms and judges as labelled."""
    dialled: Sequence[Dialled] = ()
    """With arms and judges as labelled."""

    @property
    def in_order(self) -> list[PlottedVerdicts]:
        """The verdicts by arm, in the order of the cells, then by judge."""
        ranks = {arm: rank for rank, arm in enumerate(dict.fromkeys(cell.arm for cell in self.cells))}
        return sorted(self.verdicts, key=lambda item: (ranks.get(item.arm, len(ranks)), item.arm, item.judge))


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot."""

    title: str
    rows: Callable[[Figures], list[Row]]
    """The data it shows; empty where there is none."""
    draw: Callable[[list[Row], int], alt.TopLevelMixin]
    """The chart of these rows at a width in pixels."""
    about: str
    """How to read it."""
    absent: str
    """The text in place of a plot without data."""

    def spec(self, rows: list[Row], width: int) -> dict[str, Any]:
        """Return the Vega-Lite spec, with the data in it."""
        chart: dict[str, Any] = self.draw(rows, width).to_dict()
        # Altair numbers its charts as it makes them. The same data must give the same bytes.
        named = json.dumps(chart)
        for place, view in enumerate(sorted(_views(chart))):
            named = named.replace(f'"{view}', f'"view_of_{place}')
        renamed: dict[str, Any] = json.loads(named)
        return renamed


def _views(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        own = (
            {value["name"]}
            if isinstance(value.get("name"), str) and value["name"].startswith("view_")
            else set()
        )
        return own.union(*(_views(item) for item in value.values()))
    return set().union(*map(_views, value)) if isinstance(value, list) else set()


def svg(spec: Mapping[str, Any]) -> bytes:
    """Return the picture as SVG."""
    return vl_convert.vegalite_to_svg(dict(spec), allowed_base_urls=[]).encode()


def png(spec: Mapping[str, Any]) -> bytes:
    """Return the picture as PNG, at twice the size of the screen's pixels."""
    return vl_convert.vegalite_to_png(dict(spec), scale=2, allowed_base_urls=[])


def draw(plot: str, form: PictureFormat, width: int, rows: list[Row]) -> bytes:
    """Return a plot as a picture, or as its Vega-Lite spec. Takes the processor for up to a second."""
    spec = PLOTS[plot].spec(rows, width)
    match form:
        case "svg":
            return svg(spec)
        case "png":
            return png(spec)
        case "json":
            return orjson.dumps(spec, option=orjson.OPT_INDENT_2)


def as_csv(rows: Sequence[Row]) -> bytes:
    """Return the rows as CSV with a line of names."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue().encode()


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _accuracy_rows(figures: Figures) -> list[Row]:
    return [
        {
            "arm": cell.arm,
            "judge": cell.judge,
            "accuracy": cell.accuracy,
            "low": cell.low,
            "high": cell.high,
            "questions": cell.questions,
            "verdicts": cell.verdicts,
        }
        for cell in figures.cells
    ]


def _pgr_rows(figures: Figures) -> list[Row]:
    return [
        {
            "arm": cell.arm,
            "judge": cell.judge,
            "pgr": cell.pgr,
            "low": cell.pgr_low,
            "high": cell.pgr_high,
            "questions": cell.pgr_questions,
        }
        for cell in figures.cells
        if cell.pgr is not None and cell.pgr_low is not None and math.isfinite(cell.pgr_low)
    ]


def _contrast_rows(figures: Figures) -> list[Row]:
    return [
        {
            "contrast": f"{named.first} − {named.second}",
            "judge": named.judge,
            "first": named.first,
            "second": named.second,
            "difference": named.difference,
            "low": named.low,
            "high": named.high,
            "p": named.p,
            "questions": named.questions,
            "passages": named.passages,
        }
        for named in figures.contrasts
        if named.difference is not None
    ]


def _candidate_rows(figures: Figures) -> list[Row]:
    """Return every judge on every line of arms that differ only in their number of candidates."""
    readers: dict[str, set[str]] = defaultdict(set)
    for item in figures.dialled:
        readers[item.line].add(item.reader)
    return [
        {**asdict(item), "line": _line_name(item, several=len(readers[item.line]) > 1)}
        for item in figures.dialled
    ]


def _line_name(item: Dialled, *, several: bool) -> str:
    """Return arm and judge, and the reader of candidates where arms differ in that too."""
    return f"{item.line}, {item.judge}" + (f", chosen by {item.reader}" if several else "")


def _share_right(held: PlottedVerdicts, at: IntArray) -> Row:
    """Return the mean with its interval. Verdicts are the unit, clustered by passage, and by person where people judge."""
    passages, right = dense(held.passage[at]), held.right[at]
    if (held.person[at] >= 0).all():
        people = dense(held.person[at])
        estimate = mean_interval_of_people(right, np.arange(right.size), passages, people, _RIGHT)
    else:
        estimate = mean_interval(right, passages, _RIGHT)
    return {
        "accuracy": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "verdicts": right.size,
    }


def _reliability_rows(figures: Figures) -> list[Row]:
    """Return the verdicts of each arm and judge in ten equal bins of confidence, the belief in the favoured
    answer.
    """
    return [
        {
            "arm": held.arm,
            "judge": held.judge,
            "bin_low": place / BINS,
            "bin_high": (place + 1) / BINS,
            "confidence": math.fsum(held.confidence[at]) / at.size,
            **_share_right(held, at),
        }
        for held in figures.in_order
        for place, at in _binned(held.confidence)
    ]


def _binned(confidence: FloatArray) -> Iterator[tuple[int, IntArray]]:
    """Yield the bins that have a verdict, with the places of theirs."""
    bins = bins_of(confidence)
    for place in np.unique(bins):
        yield int(place), np.flatnonzero(bins == place)


def _belief_rows(figures: Figures) -> list[Row]:
    """Return quartiles of the belief in gold after each step, for arms and judges with beliefs on the way."""
    rows = []
    for held in figures.in_order:
        on_the_way = held.path[(~np.isnan(held.path)).sum(axis=1) > 1]
        for step, beliefs in enumerate(on_the_way.T):
            if known := beliefs[~np.isnan(beliefs)].tolist():
                rows.append({"judge": held.judge, "arm": held.arm, "step": step, **_quartiles(known)})
    return rows


def _quartiles(values: Sequence[float]) -> Row:
    lower, median, upper = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    return {"median": median, "lower": lower, "upper": upper, "verdicts": len(values)}


def _time_rows(figures: Figures) -> list[Row]:
    """Return the verdicts of people in quarters of equal size by the time spent, one row per quarter of each
    arm.
    """
    by_arm: dict[str, list[PlottedVerdicts]] = defaultdict(list)
    for held in figures.in_order:
        by_arm[held.arm].append(held)
    return [row for held in by_arm.values() for row in _quarters(_pooled(held))]


def _pooled(held: Sequence[PlottedVerdicts]) -> PlottedVerdicts:
    """Return the verdicts of all judges under an arm, without their paths."""
    names = ("confidence", "right", "passage", "person", "seconds")
    arrays: dict[str, Any] = {name: np.concatenate([getattr(own, name) for own in held]) for name in names}
    return replace(held[0], path=np.zeros((arrays["right"].size, 0)), **arrays)


def _quarters(held: PlottedVerdicts) -> Iterator[Row]:
    timed = np.flatnonzero(np.nan_to_num(held.seconds) > 0)
    placed = timed[np.argsort(held.seconds[timed], kind="stable")]
    for number in range(4):
        part = placed[placed.size * number // 4 : placed.size * (number + 1) // 4]
        if part.size:
            minutes = math.fsum((held.seconds[part] / 60).tolist()) / part.size
            yield {"arm": held.arm, "quarter": number + 1, "minutes": minutes, **_share_right(held, part)}


# ── charts ──


def _accuracy_chart(rows: list[Row], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    return dots_with_whiskers(rows, width, "arm", "accuracy", "accuracy, with its 95% interval", 0.5, unit)


def _pgr_chart(rows: list[Row], width: int) -> alt.TopLevelMixin:
    low, high = min(0.0, *(row["low"] for row in rows)), max(1.0, *(row["high"] for row in rows))
    scale = alt.Scale(domain=[low, high])
    return dots_with_whiskers(rows, width, "arm", "pgr", "gap recovered, with its 95% interval", 0.0, scale)


def _contrast_chart(rows: list[Row], width: int) -> alt.TopLevelMixin:
    far = max(max(abs(row["low"]), abs(row["high"])) for row in rows)
    scale = alt.Scale(domain=[-far, far], nice=True)
    title = "difference in accuracy, with its 95% interval"
    return dots_with_whiskers(rows, width, "contrast", "difference", title, 0.0, scale)


def _reliability_chart(rows: list[Row], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    told = told_apart(rows, "judge", width)
    base = alt.Chart().encode(
        x=alt.X(
            "confidence:Q",
            title=wrapped("belief on the favoured answer", width),
            scale=unit,
            axis=alt.Axis(tickCount=5),
        ),
        color=told["color"],
    )
    right = alt.Y("accuracy:Q", title="share right", scale=unit)
    spread = base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q", scale=unit), y2="high:Q")
    size = alt.Size("verdicts:Q", legend=None, scale=alt.Scale(range=[40, 300], domainMin=0))
    dots = base.mark_point(filled=True, opacity=0.9).encode(y=right, size=size, shape=told["shape"])
    equal = chart_of([{"at": 0, "is": 0}, {"at": 1, "is": 1}]).mark_line(strokeDash=[4, 4], color="#666")
    return panels([dots, spread, equal.encode(x="at:Q", y="is:Q")], rows, "arm", width, 240)


def _belief_chart(rows: list[Row], width: int) -> alt.TopLevelMixin:
    told = told_apart(rows, "arm", width)
    base = alt.Chart().encode(
        x=alt.X("step:O", title="steps of the transcript read", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("arm:N"),
        color=told["color"],
    )
    unit = alt.Scale(domain=[0, 1])
    spread = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y=alt.Y("lower:Q", scale=unit), y2="upper:Q")
    middle = alt.Y("median:Q", title="belief on gold", scale=unit)
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(y=middle, shape=told["shape"])
    return panels([dots, spread], rows, "judge", width, 220)


def _candidate_chart(rows: list[Row], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    numbers = sorted({row["candidates"] for row in rows})
    told = told_apart(rows, "line", width)
    base = chart_of(rows).encode(
        x=alt.X(
            "candidates:Q",
            title=wrapped("candidates of each speech, of which the most convincing is given", width),
            scale=alt.Scale(type="log", base=2, domain=[numbers[0] / 1.2, numbers[-1] * 1.2], nice=False),
            axis=alt.Axis(values=numbers, format="d", grid=False),
        ),
        color=told["color"],
    )
    right = alt.Y("accuracy:Q", title="accuracy", scale=unit)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(y=right, shape=told["shape"])
    lines = base.mark_line().encode(y=right)
    spread = base.mark_rule(opacity=0.5, strokeWidth=2).encode(y=alt.Y("low:Q", scale=unit), y2="high:Q")
    return finished(alt.layer(lines, spread, dots).properties(width=width, height=260, autosize=FIT))


def _time_chart(rows: list[Row], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    title = "minutes at work on a verdict, mean of a quarter"
    base = chart_of(rows).encode(
        x=alt.X("minutes:Q", title=wrapped(title, width)),
        y=alt.Y("accuracy:Q", title="share right", scale=unit),
    )
    told = told_apart(rows, "arm", width)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(**told)
    lines = base.mark_line().encode(color=told["color"])
    spread = base.mark_rule(opacity=0.5).encode(
        y=alt.Y("low:Q", scale=unit), y2="high:Q", color=told["color"]
    )
    return finished(alt.layer(dots, lines, spread).properties(width=width, height=260, autosize=FIT))


PLOTS: dict[str, Plot] = {
    "accuracy": Plot(
        "Accuracy by arm and judge",
        _accuracy_rows,
        _accuracy_chart,
        "Share of questions judged right, with 95% intervals clustered by passage; the dashed line is ½.",
        "There are no verdicts yet.",
    ),
    "pgr": Plot(
        "Performance gap recovered",
        _pgr_rows,
        _pgr_chart,
        "Share of the way from the naive to the expert judge that an arm covers; the dashed line is the naive judge.",
        "It is reported only where a naive and an expert arm are judged by the same judge and the interval of their "
        "difference is wholly above 0; that is not so here.",
    ),
    "contrasts": Plot(
        "Contrasts",
        _contrast_rows,
        _contrast_chart,
        "Accuracy of the first arm less that of the second on the questions judged under both, with 95% intervals clustered "
        "by passage; right of the dashed line the first arm is better.",
        "The file of the experiment names no contrasts, or no question has been judged under both arms of one.",
    ),
    "reliability": Plot(
        "Reliability",
        _reliability_rows,
        _reliability_chart,
        "Verdicts of each arm in ten equal bins of confidence, with 95% intervals clustered by passage; on the dashed line a "
        "judge is as often right as it is sure. Larger marks stand for more verdicts.",
        "There are no verdicts yet.",
    ),
    "candidates": Plot(
        "Accuracy against the number of candidates",
        _candidate_rows,
        _candidate_chart,
        "Accuracy against the number of candidates for each speech, with 95% intervals clustered by passage; one line for each "
        "judge and for each set of arms that differ in nothing else.",
        "No two arms of the experiment differ only in their number of candidates, or they have no verdicts yet.",
    ),
    "belief": Plot(
        "Belief in gold by step",
        _belief_rows,
        _belief_chart,
        "Median (mark) and quartiles (line) of each judge's belief in gold before the first step, after it, and so on.",
        "Beliefs were asked for only at the end, or no transcript with a step has been judged.",
    ),
    "time": Plot(
        "Accuracy against time spent",
        _time_rows,
        _time_chart,
        "Verdicts of people, in quarters of equal size by the time that they worked, with 95% intervals clustered by passage.",
        "No verdict of a person here has a recorded time yet. The time of models is not measured.",
    ),
}
"""The plots by their name in addresses, in the order of the page."""
