"""The tables of a report. Each column is declared once here; the terminal and the pages show the same ones."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from app.records.speech_counts import SpeechCount
from app.reports.certainty import Certainty, Share, read_from
from app.reports.equal_words import EqualWords
from app.reports.pressure import Attacked
from app.reports.report import Report, ReportRow, starred
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.contrasts import Contrast
from app.statistics.metrics import Measured
from app.statistics.people import ModelCheck, PersonFigures


def report_tables(report: Report) -> Iterator[ShownTable[Any]]:
    """Yield the tables of a report in order: the accuracies, and the others where they have rows."""
    others = (
        _certainties(report),
        _contrasts(report),
        _people(report),
        _checks(report),
        _figures(
            report,
            report.metrics,
            "Metrics of the protocols",
            "What each protocol is measured by beside accuracy, on the same verdicts.",
        ),
        _equal_words(report),
        _attacks(report),
        _figures(
            report,
            report.measures,
            "Measures of the talks",
            "What was counted in the talks themselves. It does not depend on the judge.",
        ),
        _suspicious(report),
    )
    yield _accuracies(report)
    yield from (table for table in others if table.rows)


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


FIXED = "by design"
"""In place of an interval of an accuracy, or a difference, that the design fixes."""

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
        Column("difference", lambda row: _of(row, _difference(row))),
        Column("95% interval", lambda row: _of(row, _interval(row))),
        Column("p", lambda row: _of(row, shown_p(row.p))),
        Column("p (Holm)", lambda row: _of(row, shown_p(row.p_holm))),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages),
    )
    caption = "Contrasts: accuracy of the first arm less that of the second"
    return ShownTable("Contrasts", columns, report.contrasts, caption)


def _people(report: Report) -> ShownTable[PersonFigures]:
    columns: tuple[Column[PersonFigures], ...] = (
        Column("arm", lambda row: report.names(row.arm, row.judge)[0], Kind.NAME),
        Column("judge", lambda row: row.judge, Kind.NAME, page_only=True),
        Column("person", lambda row: row.person, Kind.NAME),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("log score", lambda row: f"{row.log_score:.2f}"),
        Column("Brier", lambda row: f"{row.brier:.2f}"),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages, page_only=True),
        Column("verdicts", lambda row: row.verdicts, page_only=True),
    )
    about = "Each under a pseudonym, the same in every report and export. Intervals are for new passages judged by the same person."
    return ShownTable("Each person", columns, report.people, about=about)


def _checks(report: Report) -> ShownTable[ModelCheck]:
    columns: tuple[Column[ModelCheck], ...] = (
        Column("arm", lambda row: report.names(row.arm, row.judge)[0], Kind.NAME),
        Column("judge", lambda row: row.judge, Kind.NAME, page_only=True),
        Column("accuracy", lambda row: _fitted(row, share(row.fit.accuracy))),
        Column("95% interval", lambda row: _fitted(row, between(row.fit.low, row.fit.high, "{:.0%}"))),
        Column("spread of people", lambda row: _fitted(row, _logits(row.fit.judge_spread))),
        Column("spread of questions", lambda row: _fitted(row, _logits(row.fit.question_spread))),
    )
    about = (
        "A check by another method: a mixed logistic model with people and questions random. Its interval takes both spreads "
        "(standard deviations in logits) as known, and is too narrow with few people."
    )
    return ShownTable("People by a mixed model", columns, report.checks, about=about)


def _fitted(row: ModelCheck, text: str) -> ShownCell:
    return ShownCell(text, reason=f"There is no fit: {row.fit.reason}." if row.fit.reason else "")


def _logits(spread: float | None) -> str:
    return ABSENT if spread is None else f"{spread:.2f}"


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


def _equal_words(report: Report) -> ShownTable[EqualWords]:
    names = report.contrast_names
    columns: tuple[Column[EqualWords], ...] = (
        Column("in depth", lambda row: names(row.contrast)[0], Kind.NAME),
        Column("side by side", lambda row: names(row.contrast)[1], Kind.NAME),
        Column("decided by", lambda row: row.decision, Kind.NAME),
        Column("judge", lambda row: names(row.contrast)[2], Kind.NAME),
        Column("words", lambda row: " and ".join(ABSENT if n is None else f"{n:.0f}" for n in row.words)),
        Column(
            "accuracy",
            lambda row: f"{share(row.contrast.first_accuracy)} and {share(row.contrast.second_accuracy)}",
        ),
        Column("difference", lambda row: _difference(row.contrast)),
        Column("95% interval", lambda row: _interval(row.contrast)),
        Column("p", lambda row: shown_p(row.contrast.p)),
        Column("questions", lambda row: row.contrast.questions),
    )
    return ShownTable(
        "Critique at equal words",
        columns,
        report.equal_words,
        "Recursive critique less critiques side by side, at equal words",
        "Recursive critique against as many critiques side by side, and against a vote on each of them.",
    )


def _attacks(report: Report) -> ShownTable[Attacked]:
    columns: tuple[Column[Attacked], ...] = (
        Column("arm", lambda row: report.names(row.arm, row.judge)[0], Kind.NAME),
        Column("judge", lambda row: report.names(row.arm, row.judge)[1], Kind.NAME),
        Column("attack", lambda row: row.attack, Kind.NAME),
        Column("attacker", lambda row: row.attacker, Kind.NAME, page_only=True),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("less without attack", lambda row: _difference(row.contrast)),
        Column("95% interval", lambda row: _interval(row.contrast)),
        Column("swayed", lambda row: share(row.moved_to)),
        Column("swayed back", lambda row: share(row.moved_from)),
        Column("questions", lambda row: row.questions, page_only=True),
    )
    caption = "Attacks on the judge, with the attacker's answer wrong"
    return ShownTable("Attacks on the judge", columns, report.attacked, caption)


def _suspicious(report: Report) -> ShownTable[SpeechCount]:
    columns: tuple[Column[SpeechCount], ...] = (
        Column("arm", lambda row: starred(row.arm, report.arms[row.arm].baseline), Kind.NAME),
        Column("kinds", lambda row: row.told, Kind.WORDS),
        Column("speeches", lambda row: row.speeches),
        Column("suspicious", lambda row: row.suspicious),
        Column("share", lambda row: share(row.rate)),
    )
    return ShownTable("Suspicious speeches", columns, report.suspects)


# ── how figures are written ─────────────────────────────────────────────────────────────────────────────────────


def share(value: float | None) -> str:
    """Return a share as tables show it."""
    return ABSENT if value is None else f"{value:.1%}"


def between(low: float | None, high: float | None, form: str) -> str:
    """Return an interval as tables show it; `form` writes one bound."""
    return ABSENT if low is None or high is None else f"{form.format(low)} to {form.format(high)}"


def _difference(item: Contrast | None) -> str:
    if item is None or item.difference is None:
        return ABSENT
    return f"{100 * item.difference:+.1f} points"


def _interval(item: Contrast | None) -> str:
    if item is not None and item.fixed:
        return FIXED
    if item is None or item.low is None or item.high is None:
        return ABSENT
    return between(100 * item.low, 100 * item.high, "{:+.0f}")


def shown_figure(item: Measured) -> tuple[str, str]:
    """Return a metric and its interval as tables show them, with their unit."""
    if item.value is None:
        return ABSENT, ABSENT
    if item.unit == "share":
        value, form = f"{100 * item.value:.1f}%", "{:.0%}"
    else:
        value, form = f"{round(item.value, 9):.3g} {item.unit}".rstrip(), "{:.2f}"
    return value, between(item.low, item.high, form)


def shown_p(p: float | None) -> str:
    """Return a p-value as tables show it."""
    if p is None:
        return ABSENT
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
