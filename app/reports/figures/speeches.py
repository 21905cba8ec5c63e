"""Speeches with text that may be aimed at the judge's instructions."""

from collections.abc import Sequence
from dataclasses import asdict

from app.records.speech_counts import SpeechCount
from app.reports.figures.core import Figure, Names
from app.reports.written import share
from app.shown_table import Column, Kind, ShownTable


def _table(rows: Sequence[SpeechCount], names: Names) -> ShownTable[SpeechCount]:
    columns: tuple[Column[SpeechCount], ...] = (
        Column("arm", lambda row: names.names(row.arm, None)[0], Kind.NAME),
        Column("kinds", lambda row: row.told, Kind.WORDS),
        Column("speeches", lambda row: row.speeches),
        Column("suspicious", lambda row: row.suspicious),
        Column("share", lambda row: share(row.rate)),
    )
    return ShownTable("Suspicious speeches", columns, [row for row in rows if row.suspicious])


SPEECHES = Figure(
    name="speeches",
    title="Suspicious speeches",
    about="Speeches that judges read and that impersonate, instruct or forge marks, by arm.",
    source="Patterns of text; no judgement of intent.",
    needs="talks",
    rows=lambda evidence: evidence.facts.speeches,
    table=_table,
    as_json=lambda row: {**asdict(row), "rate": row.rate},
)
