"""A report as it is shown: each figure with its table and the data of its chart, in the order of the registry.

The terminal, the pages, the stand-alone file and CSV show the same ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table

from app.reports.charts import PlainRow
from app.reports.figures import every_figure
from app.reports.figures.accuracy import COLUMNS
from app.reports.figures.core import Figure
from app.reports.report import Report
from app.shown_table import Column, Kind, ShownTable
from app.templating import plain


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure that has something to say in an experiment."""

    figure: Figure[Any]
    table: ShownTable[Any] | None
    """None where the figure has no table, or no row for it."""
    drawn: list[PlainRow]
    """The rows of its chart; empty where there is nothing to draw."""


def shown_figures(report: Report) -> Iterator[ShownFigure]:
    """Yield the figures of a report that have a table or a chart, in order."""
    for figure in every_figure():
        table, drawn = _table(figure, report), chart_rows(figure, report)
        if table is not None or drawn:
            yield ShownFigure(figure, table, drawn)


def _table(figure: Figure[Any], report: Report) -> ShownTable[Any] | None:
    """Return the table of a figure; None where it has none, or no row for it."""
    rows = report.figures.get(figure.name, ())
    if figure.table is None or not rows:
        return None
    table = figure.table(rows, report)
    return table if table.rows else None


def chart_rows(figure: Figure[Any], report: Report) -> list[PlainRow]:
    """Return the data of a figure's chart, with names as pages write them; empty where there is nothing to draw."""
    rows = report.figures.get(figure.name, ())
    if figure.chart is None or not rows:
        return []
    return [
        {key: plain(value) if isinstance(value, str) else value for key, value in row.items()}
        for row in figure.chart.rows(rows, report)
    ]


def report_tables(report: Report) -> Iterator[ShownTable[Any]]:
    """Yield the tables of a report in order."""
    found = (_table(figure, report) for figure in every_figure())
    return (table for table in found if table is not None)


def as_tables(report: Report) -> list[Table]:
    """Return the report for a terminal. The first table names the experiment."""
    tables = list(report_tables(report))
    named = [replace(table, caption=f"{table.title}: {report.experiment.name}") for table in tables[:1]]
    return [table.printed() for table in (*named, *tables[1:])]


def together(reports: Sequence[Mapping[str, Any]]) -> Table:
    """Return the figures of several experiments in one table, from the JSON of their reports, without pilots."""
    rows = [
        {**cell, "arm": f"{made['experiment']}: {cell['arm']}"}
        for made in reports
        if not made["pilot"]
        for cell in made["cells"]
    ]
    first = Column("experiment and arm", COLUMNS[0].cell, Kind.NAME)
    return ShownTable("Judge accuracy of all experiments", (first, *COLUMNS[1:]), rows).printed()
