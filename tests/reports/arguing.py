"""Evidence of talks in which seats argue, written down row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.reports.figures.core import Evidence
from tests.frames import Row, evidence, talk_frame, talks


def arguing(
    rows: Sequence[Row],
    argues: Mapping[UUID, Mapping[str, int]],
    protocols: Mapping[str, str] | None = None,
    arms: Sequence[Mapping[str, Any]] = (),
) -> Evidence:
    """What figures are computed from; `argues` is by trial, and `arms` those of the file."""
    made = evidence(rows, protocols)
    made.facts.experiment.spec = {"arms": list(arms), "elicit": "final"}
    facts = replace(made.facts, talks=talk_frame(rows, argues))
    return replace(made, facts=facts, talks=talks(rows, argues))
