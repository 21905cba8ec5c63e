"""The pictures of a report: the chart of a figure as a Vega-Lite spec, drawn on the server without a network or a database."""

import csv
import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import orjson
import vl_convert

from app.csv_cells import csv_cell
from app.reports.charts import DARK, PlainRow
from app.reports.figures import figure_named
from app.reports.figures.core import Chart

PictureFormat: TypeAlias = Literal["svg", "png", "json"]

WIDTHS = {"narrow": 304, "wide": 680, "full": 1160}
"""Width of a whole picture in pixels: on a phone, on a tablet and in downloads, and on a desktop."""


def draw(name: str, form: PictureFormat, width: int, rows: list[PlainRow]) -> bytes:
    """Return the chart of the figure of this name as a picture, or as its Vega-Lite spec. Takes the processor for up to a second."""
    spec = spec_of(_chart_named(name), rows, width)
    match form:
        case "svg":
            return svg(spec)
        case "png":
            return png(spec)
        case "json":
            return orjson.dumps(spec, option=orjson.OPT_INDENT_2)


def _chart_named(name: str) -> Chart[Any]:
    figure = figure_named(name)
    if figure is None or figure.chart is None:
        raise ValueError(f"There is no figure {name} with a chart.")
    return figure.chart


def spec_of(chart: Chart[Any], rows: list[PlainRow], width: int) -> dict[str, Any]:
    """Return the Vega-Lite spec of a chart, with the data in it."""
    drawn: dict[str, Any] = chart.draw(rows, width).to_dict()
    # Altair numbers its charts as it makes them. The same data must give the same bytes.
    named = json.dumps(drawn)
    for place, view in enumerate(sorted(_views(drawn))):
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


def follows_theme(picture: bytes) -> bytes:
    """Return an SVG that is drawn in light colours on a dark ground where the reader's system is dark."""
    opening = picture.index(b">", picture.index(b"<svg")) + 1
    return picture[:opening] + f"<style>{DARK}</style>".encode() + picture[opening:]


def embedded(chart: Chart[Any], rows: list[PlainRow]) -> dict[str, str]:
    """Return a chart in each width of `WIDTHS`, as SVG in base64 that follows the reader's theme, for pages with pictures in them."""
    return {
        name: b64encode(follows_theme(svg(spec_of(chart, rows, width)))).decode()
        for name, width in WIDTHS.items()
    }


def embedded_figures(rows: Mapping[str, list[PlainRow]]) -> dict[str, dict[str, str]]:
    """Return the pictures of figures, given their rows by name, as `embedded`. Takes the processor for up to a second a picture."""
    return {name: embedded(_chart_named(name), own) for name, own in rows.items()}


def png(spec: Mapping[str, Any]) -> bytes:
    """Return the picture as PNG, at twice the size of the screen's pixels."""
    return vl_convert.vegalite_to_png(dict(spec), scale=2, allowed_base_urls=[])


def as_csv(rows: Sequence[PlainRow]) -> bytes:
    """Return the rows as CSV with a line of names."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue().encode()
