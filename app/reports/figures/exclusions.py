"""People whom a study's rules or a researcher exclude: how many under each arm, and figures without and with them side by side."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from app.records.judge_quality import Released
from app.reports.evidence import left_out, with_everyone
from app.reports.figures.contrasts import CONTRASTS
from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.written import between, share
from app.shown_table import ABSENT, Column, Kind, ShownTable
from app.statistics.accuracy import Cell
from app.statistics.contrasts import Contrast
from app.statistics.readings import Place


@dataclass(frozen=True, slots=True)
class ExclusionRow:
    """The excluded people of one arm, and the accuracy without and with them."""

    arm: str
    judge: str
    people_out: int
    verdicts_out: int
    reasons: Mapping[str, int]
    """People by the rule that excludes them; one whom several rules exclude is counted under each."""
    people: int
    """Whose verdicts count."""
    verdicts: int
    accuracy: float | None
    """Of the report, without them; None where none is left."""
    low: float | None
    high: float | None
    accuracy_with: float | None
    low_with: float | None
    high_with: float | None
    verdicts_with: int


def _rows(evidence: Evidence) -> list[ExclusionRow]:
    """Return a row for every arm and judge of which there are excluded people, also where an arm has lost none of them."""
    out = left_out(evidence.facts)
    if not out.any():
        return []
    everyone = evidence.once(with_everyone)
    frame = evidence.facts.verdicts.filter(pl.Series(out)).select("arm", "label", "person", "excluded")
    judges = set(frame["label"].unique().to_list())
    found = frame.with_columns(pl.all().cast(pl.String)).rows()
    return [
        _row(
            place,
            [row for row in found if row[:2] == place],
            evidence.cells.get(place),
            everyone.cells[place],
        )
        for place in everyone.cells
        if place[1] in judges
    ]


def _row(place: Place, out: Sequence[tuple[str, ...]], cell: Cell | None, whole: Cell) -> ExclusionRow:
    people = {person: why for _, _, person, why in out}
    reasons = Counter(reason for why in people.values() for reason in why.split(", "))
    return ExclusionRow(
        *place,
        people_out=len(people),
        verdicts_out=len(out),
        reasons=dict(sorted(reasons.items())),
        people=(cell.people or 0) if cell else 0,
        verdicts=cell.verdicts if cell else 0,
        accuracy=cell.accuracy if cell else None,
        low=cell.low if cell else None,
        high=cell.high if cell else None,
        accuracy_with=whole.accuracy,
        low_with=whole.low,
        high_with=whole.high,
        verdicts_with=whole.verdicts,
    )


def _shown(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return ABSENT
    return f"{share(value)} ({between(low, high, '{:.0%}')})"


def _why(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in reasons.items()) or ABSENT


def _table(rows: Sequence[ExclusionRow], names: Names) -> ShownTable[ExclusionRow]:
    columns: tuple[Column[ExclusionRow], ...] = (
        *place_columns(names),
        Column("people excluded", lambda row: row.people_out),
        Column("of", lambda row: row.people + row.people_out, page_only=True),
        Column("verdicts excluded", lambda row: row.verdicts_out),
        Column("by", lambda row: _why(row.reasons), Kind.WORDS),
        Column("accuracy without them", lambda row: _shown(row.accuracy, row.low, row.high)),
        Column("accuracy with them", lambda row: _shown(row.accuracy_with, row.low_with, row.high_with)),
    )
    about = (
        "People whom the rules of their study's file, fixed before it opened, or a researcher exclude. The figures of this report leave them out; "
        "`arena report` has the whole report with them with --excluded kept. The rules use nothing of an arm's outcome."
    )
    return ShownTable("Excluded people", columns, rows, about=about)


EXCLUSIONS = Figure(
    name="exclusions",
    title="Excluded people",
    about="How many people are excluded under each arm and by which rule, with the accuracy without and with them.",
    source="Intervals as for accuracy.",
    needs="people of a study whom its rules or a researcher exclude",
    rows=_rows,
    table=_table,
    section=Section.ACCURACY,
)


# ── contrasts ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ContrastWith:
    """A contrast without and with excluded people."""

    first: str
    second: str
    judge: str
    difference: float | None
    low: float | None
    high: float | None
    difference_with: float | None
    low_with: float | None
    high_with: float | None


def _contrasts(evidence: Evidence) -> list[ContrastWith]:
    if not left_out(evidence.facts).any():
        return []
    without = {_key(item): item for item in CONTRASTS.rows(evidence)}
    return list(_paired(without, CONTRASTS.rows(evidence.once(with_everyone))))


def _paired(
    without: Mapping[tuple[str, str, str], Contrast], whole: Sequence[Contrast]
) -> Iterator[ContrastWith]:
    for item in whole:
        own = without.get(_key(item))
        ends = (own.difference, own.low, own.high) if own else (None, None, None)
        yield ContrastWith(*_key(item), *ends, item.difference, item.low, item.high)


def _key(item: Contrast) -> tuple[str, str, str]:
    return item.first, item.second, item.judge


def _points(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ABSENT
    known = low is not None and high is not None and bool(np.isfinite([low, high]).all())
    ends = (
        f" ({100 * low:+.0f} to {100 * high:+.0f})" if known and low is not None and high is not None else ""
    )
    return f"{100 * value:+.1f} points{ends}"


def _contrast_table(rows: Sequence[ContrastWith], names: Names) -> ShownTable[ContrastWith]:
    columns: tuple[Column[ContrastWith], ...] = (
        Column("first", lambda row: names.names(row.first, row.judge)[0], Kind.NAME),
        Column("second", lambda row: names.names(row.second, row.judge)[0], Kind.NAME),
        Column("judge", lambda row: names.names(row.first, row.judge)[1], Kind.NAME),
        Column("difference without them", lambda row: _points(row.difference, row.low, row.high)),
        Column("difference with them", lambda row: _points(row.difference_with, row.low_with, row.high_with)),
    )
    return ShownTable("Contrasts without and with excluded people", columns, rows)


EXCLUSION_CONTRASTS = Figure(
    name="exclusion_contrasts",
    title="Contrasts without and with excluded people",
    about="The contrasts that the file names, without excluded people, as in the report, and with them.",
    source="Intervals as for contrasts.",
    needs="people of a study whom its rules or a researcher exclude, and contrasts named in the file",
    rows=_contrasts,
    table=_contrast_table,
    section=Section.COMPARISONS,
)


# ── parts that do not count ─────────────────────────────────────────────────────────────────────────────────────


def _released(evidence: Evidence) -> Sequence[Released]:
    return evidence.facts.sample.released


def _released_table(rows: Sequence[Released], names: Names) -> ShownTable[Released]:
    columns: tuple[Column[Released], ...] = (
        Column("study", lambda row: row.study, Kind.NAME),
        Column("arm", lambda row: names.names(row.arm, None)[0], Kind.NAME),
        Column("how their part ended", lambda row: row.end.replace("_", " "), Kind.WORDS),
        Column("people", lambda row: row.people),
        Column("verdicts given back", lambda row: row.verdicts),
    )
    about = "What people had judged before their part in a study ended in a way that does not count. Their trials were given to others, and no figure has them."
    return ShownTable("Parts that do not count", columns, rows, about=about)


PARTS_NOT_COUNTED = Figure(
    name="parts_not_counted",
    title="Parts that do not count",
    about="How many verdicts under each arm were given back as the part of a person ended in a way that does not count, and how it ended.",
    source="A count.",
    needs="people of a study who had judged when their part ended in a way that does not count",
    rows=_released,
    table=_released_table,
    section=Section.ACCURACY,
)
