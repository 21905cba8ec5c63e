"""The tables of a report. Each column is declared once here; the terminal and the pages show the same ones."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from app.reports.certainty import Certainty, Share, read_from
from app.reports.figures import FIGURES
from app.reports.figures.core import Figure
from app.reports.report import Report, ReportRow
from app.reports.written import FIXED, between, difference, interval, share, shown_figure, shown_p
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.contrasts import Contrast
from app.statistics.metrics import Measured


def report_tables(report: Report) -> Iterator[ShownTable[Any]]:
    """Yield the tables of a report in order: the accuracies, and the others where they have rows."""
    of_figures = {figure.name: table for figure, table in _of_figures(report)}
    named = [of_figures.pop(name, None) for name in ("people", "mixed_models", "equal_words", "attacks")]
    others = (
        _certainties(report),
        _contrasts(report),
        *named[:2],
        _figures(
            report,
            report.metrics,
            "Metrics of the protocols",
            "What each protocol is measured by beside accuracy, on the same verdicts.",
        ),
        *named[2:],
        _figures(
            report,
            report.measures,
            "Measures of the talks",
            "What was counted in the talks themselves. It does not depend on the judge.",
        ),
        *of_figures.values(),
    )
    yield _accuracies(report)
    yield from (table for table in others if table is not None and table.rows)


def _of_figures(report: Report) -> Iterator[tuple[Figure[Any], ShownTable[Any]]]:
    for figure in FIGURES:
        if figure.table is not None:
            yield figure, figure.table(report.figures.get(figure.name, ()), report)


def as_tables(report: Report) -> list[Table]:
    """Return the report for a terminal."""
    return [table.printed() for table in report_tables(report)]


# ── accuracy ────────────────────────────────────────────────────────────────────────────────────────────────────

_Figures = Mapping[str, Any]
"""One arm and judge, as `ReportRow.as_json` returns it: of this arena or of a remote one."""


def _figure(key: str, form: str) -> Column[_Figures]:
    """Return the column of a score, with its interval."""

    def cell(row: _Figures) -> ShownCell:
        value, low, high = (row[name] for name in (key, f"{key}_low", f"{key}_high"))
        if value is None or not math.isfinite(value):
            return ShownCell(ABSENT, reason=row.get(f"{key}_reason") or "")
        return ShownCell(form.format(value), "" if low is None else between(low, high, form))

    return Column({"pgr": "PGR", "brier": "Brier"}.get(key, key.replace("_", " ")), cell)


def _judge(row: _Figures) -> ShownCell:
    people = row.get("people")
    small = "" if not people else "1 person" if people == 1 else f"{people:,} people"
    return ShownCell(row["judge"], small, baseline=row["judge_is_baseline"])


def _interval_of_accuracy(row: _Figures) -> ShownCell:
    if shown := row.get("by_construction"):
        return ShownCell(shown)
    if row.get("fixed"):
        return ShownCell(FIXED, reason=row["fixed"])
    return ShownCell(between(row["low"], row["high"], "{:.0%}"))


def _verdicts(row: _Figures) -> ShownCell:
    # A remote arena of an earlier version knows no twins.
    left = row["excluded"] + row.get("without_twin", 0)
    return ShownCell(f"{row['verdicts']:,}", f"{left:,} left out" if left else "")


ACCURACY: tuple[Column[_Figures], ...] = (
    Column("arm", lambda row: ShownCell(row["arm"], baseline=row["arm_has_baseline"]), Kind.NAME),
    Column("judge", _judge, Kind.NAME),
    Column("accuracy", lambda row: share(row["accuracy"])),
    Column("95% interval", _interval_of_accuracy),
    _figure("pgr", "{:.2f}"),
    _figure("log_score", "{:.2f}"),
    _figure("brier", "{:.2f}"),
    Column("passages", lambda row: row["passages"], page_only=True),
    Column("questions", lambda row: row["questions"]),
    Column("trials", lambda row: row["trials"]),
    Column("verdicts", _verdicts),
    Column("failures", lambda row: row["failures"]),
)


def _accuracies(report: Report) -> ShownTable[_Figures]:
    rows = [line.as_json() for line in report.lines]
    return ShownTable("Judge accuracy", ACCURACY, rows, f"Judge accuracy: {report.experiment.name}")


def together(reports: Sequence[Mapping[str, Any]]) -> Table:
    """Return the figures of several experiments in one table, from the JSON of their reports, without pilots."""
    rows = [
        {**cell, "arm": f"{made['experiment']}: {cell['arm']}"}
        for made in reports
        if not made["pilot"]
        for cell in made["cells"]
    ]
    first = Column("experiment and arm", ACCURACY[0].cell, Kind.NAME)
    return ShownTable("Judge accuracy of all experiments", (first, *ACCURACY[1:]), rows).printed()


# ── position and certainty ──────────────────────────────────────────────────────────────────────────────────────

_Certain = tuple[ReportRow, Certainty]

CERTAINTY: tuple[Column[_Certain], ...] = (
    Column("arm", lambda row: row[0].names[0], Kind.NAME),
    Column("judge", lambda row: row[0].names[1], Kind.NAME),
    Column("first-listed chosen", lambda row: share(row[1].first.value)),
    Column("95% interval", lambda row: between(row[1].first.low, row[1].first.high, "{:.0%}")),
    Column("orders agree", lambda row: _value(row[1].orders_agree)),
    Column("repeats differ", lambda row: _value(row[1].repeats_differ)),
    Column("read from", lambda row: read_from(row[1]), Kind.WORDS),
    Column("label mass", lambda row: None if row[1].label_mass is None else f"{row[1].label_mass:.2f}"),
    Column("flagged", lambda row: row[1].flagged),
)


def _value(found: Share | None) -> str:
    return ABSENT if found is None else share(found.value)


def _certainties(report: Report) -> ShownTable[_Certain]:
    rows = [(line, line.certainty) for line in report.lines if line.certainty is not None]
    return ShownTable("Position and certainty", CERTAINTY, rows)


# ── the others ──────────────────────────────────────────────────────────────────────────────────────────────────


def _contrasts(report: Report) -> ShownTable[Contrast]:
    names = report.contrast_names
    columns: tuple[Column[Contrast], ...] = (
        Column("first", lambda row: names(row)[0], Kind.NAME),
        Column("second", lambda row: names(row)[1], Kind.NAME),
        Column("judge", lambda row: names(row)[2], Kind.NAME),
        Column("accuracy of first", lambda row: _of(row, share(row.first_accuracy)), page_only=True),
        Column("accuracy of second", lambda row: _of(row, share(row.second_accuracy)), page_only=True),
        Column("difference", lambda row: _of(row, difference(row))),
        Column("95% interval", lambda row: _of(row, interval(row))),
        Column("p", lambda row: _of(row, shown_p(row.p))),
        Column("p (Holm)", lambda row: _of(row, shown_p(row.p_holm))),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages),
    )
    caption = "Contrasts: accuracy of the first arm less that of the second"
    return ShownTable("Contrasts", columns, report.contrasts, caption)


def _of(row: Contrast, text: str) -> ShownCell:
    """Return a cell of a contrast, with the reason where there is no difference."""
    return ShownCell(text, reason=(row.reason or "") if row.difference is None else "")


def _figures(report: Report, rows: Sequence[Measured], title: str, about: str) -> ShownTable[Measured]:
    columns: tuple[Column[Measured], ...] = (
        Column("arm", lambda row: report.names(row.arm, row.judge)[0], Kind.NAME),
        Column("judge", lambda row: report.names(row.arm, row.judge)[1], Kind.NAME),
        Column("figure", lambda row: row.title, Kind.WORDS),
        Column("value", lambda row: shown_figure(row)[0]),
        Column("95% interval", lambda row: shown_figure(row)[1]),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages, page_only=True),
    )
    return ShownTable(title, columns, rows, about=about)
