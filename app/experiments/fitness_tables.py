"""How a pre-flight is shown: a table with a row for each participant in a kind of seat, and what keeps it from being fit."""

from collections.abc import Iterable

from app.experiments.fitness import Conduct, Share, found_of
from app.shown_table import Column, Kind, ShownTable


def _share(part: float, whole: int) -> str | None:
    return f"{part:g} of {whole}" if whole else None


def _percent(share: Share) -> str | None:
    total, cases = share
    return f"{total / cases:.0%}" if cases else None


def _quotes(conduct: Conduct) -> str | None:
    return found_of(conduct.marks) if conduct.from_passage else None


def _beliefs(conduct: Conduct) -> str | None:
    return f"{conduct.beliefs} ({', '.join(sorted(conduct.methods))})" if conduct.beliefs else None


def _mass(conduct: Conduct) -> str | None:
    return f"{sum(conduct.masses) / len(conduct.masses):.2f}" if conduct.masses else None


CONDUCTS: tuple[Column[Conduct], ...] = (
    Column("participant", lambda row: row.participant, Kind.NAME),
    Column("seat", lambda row: row.seat, Kind.NAME),
    Column("verdict", lambda row: row.verdict or "baseline", Kind.NAME),
    Column("answered at once", lambda row: _share(row.asks - row.failed - row.repeated, row.asks)),
    Column("in length", lambda row: _share(row.in_length, row.speeches)),
    Column("quotes found", _quotes),
    Column("concede", lambda row: _share(row.concessions, row.positions)),
    Column("refuse", lambda row: _share(row.refusals, row.positions)),
    Column("beliefs", _beliefs),
    Column("label mass", _mass),
    Column("orders agree", lambda row: _percent(row.orders_agree)),
    Column("first listed", lambda row: _percent(row.first_listed)),
)


def fitness_table(conducts: Iterable[Conduct]) -> ShownTable[Conduct]:
    """Return the table of a pre-flight."""
    return ShownTable(
        "Pre-flight", CONDUCTS, [conduct for conduct in conducts if conduct.asks or conduct.positions]
    )


def fitness_lines(conducts: Iterable[Conduct]) -> list[str]:
    """Return a line for each participant that is not fit for a seat, and below it why, and what to try."""
    return [
        line
        for conduct in conducts
        if conduct.findings
        for line in (
            f"{conduct.participant} as {conduct.seat}: {conduct.verdict}",
            *(f"  {finding.rating}: {finding.sentence}" for finding in conduct.findings),
        )
    ]
