"""The tables of an estimate. Each column is declared once here; the terminal and the pages show the same ones."""

from typing import Any

from app.experiments.estimate import ArmEstimate, ExperimentEstimate, UseEstimate
from app.shown_table import Column, Kind, ShownTable

ARMS: tuple[Column[ArmEstimate], ...] = (
    Column("arm", lambda row: row.name, Kind.NAME),
    Column("trials", lambda row: row.trials),
    Column("judgements", lambda row: row.judgements),
    Column("verdicts of people", lambda row: row.people),
    Column("model calls", lambda row: row.calls),
)

MODELS: tuple[Column[UseEstimate], ...] = (
    Column("participant", lambda row: row.name, Kind.NAME),
    Column("calls", lambda row: row.calls),
    Column("prompt tokens", lambda row: row.prompt),
    Column("saved by a prefix cache", lambda row: f"{row.cached:,} ({row.share:.0%})"),
    Column("completion tokens", lambda row: row.completion),
    Column("longest prompt", lambda row: row.longest),
    Column("cost", lambda row: None if row.cost is None else f"{row.cost:,.2f}"),
)


def estimate_tables(found: ExperimentEstimate) -> list[ShownTable[Any]]:
    """Return what an experiment takes: by arm and, where models are asked, by participant and for all together."""
    arms = ShownTable("What it takes", ARMS, found.arms)
    uses = [*found.participants, found.whole] if len(found.participants) > 1 else found.participants
    return [arms, ShownTable("Models", MODELS, uses)] if found.participants else [arms]
