"""What charts of figures share: colours and shapes, dots with whiskers, panels, and how axes are written."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import altair as alt

PlainRow: TypeAlias = dict[str, Any]
"""A row of a chart's data, which users can download."""

# The colours of Okabe and Ito, which people with any common colour blindness can distinguish. Shapes repeat
# the distinction.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
IN_THE_DARK = ("#5ab4ee", "#ff9552", "#2fcb9e", "#eaa0cb", "#ffc04d", "#9bd8ff", "#e8eef0")
"""The same colours as they are drawn on a dark ground, each with a contrast of at least 3 to 1."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")


def _dark() -> str:
    """Return the style sheet of pictures for readers whose system is dark. It repaints what is drawn for white paper."""
    rules = [
        "text{fill:#d3dfe3}",
        'rect[fill="white"]{fill:none}',
        'line[stroke="#ddd"],path[stroke="#ccc"],path[stroke="#ddd"]{stroke:#33444c}',
        'line[stroke="#888"],line[stroke="#666"],path[stroke="#888"]{stroke:#8fa2aa}',
    ]
    for light, dark in zip(COLOURS, IN_THE_DARK, strict=True):
        rules += [f'[{paint}="{light}"]{{{paint}:{dark}}}' for paint in ("fill", "stroke")]
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"


DARK = _dark()


def chart_of(rows: list[PlainRow]) -> alt.Chart:
    """Return a chart of these rows without a mark."""
    return alt.Chart({"values": rows})


def judge_names(rows: Sequence[PlainRow]) -> list[str]:
    """Return the judges by name, so that a judge has the same colour in every plot."""
    return sorted({row["judge"] for row in rows})


def colour_and_shape(rows: Sequence[PlainRow], by: str, width: int) -> dict[str, Any]:
    """Return colour and shape for a name, in the order of the rows, with a legend below. Pairs repeat after
    49 names.
    """
    names = judge_names(rows) if by == "judge" else list(dict.fromkeys(row[by] for row in rows))
    room = 160 if width < 400 else 400
    legend = alt.Legend(title=by, orient="bottom", columns=1, labelLimit=room, symbolOpacity=1)
    shapes = [SHAPES[(place + place // len(COLOURS)) % len(SHAPES)] for place in range(len(names))]
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(names))]
    return {
        "color": alt.Color(f"{by}:N", legend=legend, scale=alt.Scale(domain=names, range=colours)),
        "shape": alt.Shape(f"{by}:N", legend=legend, scale=alt.Scale(domain=names, range=shapes)),
    }


IN_POINTS = "format(100 * datum.value, '+.0f')"
"""The expression of labels of a difference of shares, in points."""


def dots_with_whiskers(
    rows: list[PlainRow],
    width: int,
    by: str,
    value: str,
    title: str,
    mark: float,
    scale: alt.Scale,
    written: str | None = None,
) -> alt.TopLevelMixin:
    """Return a dot with whiskers for every judge of each `by`, and a dashed line at `mark`. `written` is the expression of the labels."""
    places, judges = list(dict.fromkeys(row[by] for row in rows)), judge_names(rows)
    marks = colour_and_shape(rows, "judge", width)
    labels = alt.Axis(
        labelLimit=130 if width < 400 else 320,
        labelExpr=in_lines(16 if width < 400 else 40),
        grid=True,
        bandPosition=0,
        ticks=False,
        labelPadding=6,
    )
    base = chart_of(rows).encode(
        y=alt.Y(
            f"{by}:N", sort=places, title=None, axis=labels, scale=alt.Scale(paddingInner=0, paddingOuter=0)
        ),
        yOffset=alt.YOffset("judge:N", sort=judges, scale=alt.Scale(paddingOuter=0.5)),
        color=marks["color"],
    )
    axis = alt.Axis(
        tickCount=5 if width < 400 else 10, labelExpr=alt.Undefined if written is None else written
    )
    across = alt.X(f"{value}:Q", title=wrapped(title, width), scale=scale, axis=axis)
    whiskers = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(x=across, shape=marks["shape"])
    tall = max(name.count(" − ") for name in places) or width < 400
    step = alt.Step(max(40 if tall else 28, 20 * len(judges)), **{"for": "position"})
    return finished(
        alt.layer(mark_at(mark), dots, whiskers).properties(width=width, height=step, autosize=FIT)
    )


def in_lines(most: int) -> str:
    """Return the expression of labels that are broken into lines: before a minus sign, and after a hyphen or blank where a line would
    be longer than `most` characters.
    """
    lines = f"regexp('(.{{{most // 2},{most}}}[-_ ])(?=.{{4}})', 'g')"
    return f"split(replace(replace(datum.label, ' − ', '\\n− '), {lines}, '$1\\n'), '\\n')"


FIT = alt.AutoSizeParams(type="fit-x", contains="padding")


def wrapped(title: str, width: int) -> str | list[str]:
    """Return a title, on two lines where one would be too wide."""
    return title.split(", ") if width < 400 else title


def mark_at(at: float) -> alt.Chart:
    """Return a dashed vertical line."""
    line: alt.Chart = chart_of([{"at": at}]).mark_rule(strokeDash=[4, 4], color="#666").encode(x="at:Q")
    return line


def panels(
    layers: Sequence[alt.Chart], rows: list[PlainRow], by: str, width: int, height: int
) -> alt.TopLevelMixin:
    """Return a panel for each `by`, side by side where there is room."""
    names = list(dict.fromkeys(row[by] for row in rows))
    columns = max(1, min(width // 330, len(names)))
    own = width // columns - (64 if columns == 1 else 50)
    header = alt.Header(title=None, labelFontWeight="bold", labelFontSize=12, labelLimit=own)
    drawn = alt.LayerChart(layer=layers, data={"values": rows}, width=own, height=height)
    return finished(drawn.facet(facet=alt.Facet(f"{by}:N", sort=names, header=header), columns=columns))


def finished(chart: alt.LayerChart | alt.FacetChart) -> alt.TopLevelMixin:
    """Return a chart in the fonts and colours of all."""
    config = {
        "font": "DejaVu Sans, Verdana, sans-serif",
        "view": {"stroke": "#ccc"},
        "axis": {"labelFontSize": 12, "titleFontSize": 12},
        "legend": {"labelFontSize": 12, "titleFontSize": 12},
    }
    return chart.properties(background="white", config=config)
