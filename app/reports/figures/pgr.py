"""Performance gap recovered, between the naive and the expert arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from app.protocols import CEILING, FLOOR
from app.protocols.core import Protocol
from app.records.verdicts import ArmCount
from app.reports.charts import PlainRow, dots_with_whiskers
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.statistics.accuracy import gaps
from app.statistics.pgr import Gap
from app.statistics.readings import Place


@dataclass(frozen=True, slots=True)
class Recovered:
    """The gap that a judge recovers under an arm."""

    arm: str
    judge: str
    gap: Gap
    chosen: str
    """How the two ends were chosen among several arms, as clauses; empty where there was no choice."""


def gaps_of(evidence: Evidence) -> Mapping[Place, Gap]:
    """Return PGR by arm and judge. It is resampled, which takes seconds for many people."""
    naive, expert = _ends(evidence)
    return gaps(evidence.readings, naive=naive, expert=expert, seed=evidence.seed)


def _ends(evidence: Evidence) -> tuple[str | None, str | None]:
    """Return the arms between which PGR is measured: those that the file names, else the first naive and the first expert one."""
    named, arms = _named(evidence), evidence.facts.arms
    floor, ceiling = ((*_of_protocol(arms, rules), None)[0] for rules in (FLOOR, CEILING))
    return named.get("floor") or floor, named.get("ceiling") or ceiling


def _named(evidence: Evidence) -> Mapping[str, Any]:
    return evidence.facts.experiment.spec.get("pgr") or {}


def _of_protocol(arms: Mapping[str, ArmCount], rules: type[Protocol]) -> list[str]:
    return [arm.arm for arm in arms.values() if arm.protocol == rules.name]


def _chosen(evidence: Evidence, gap: Gap) -> str:
    named, arms = _named(evidence), evidence.facts.arms
    ends = ((gap.floor, "floor", FLOOR), (gap.ceiling, "ceiling", CEILING))
    return "; ".join(
        f"{name} is the first of the {rules.name} arms {', '.join(several)}, since the file names none under pgr"
        for name, key, rules in ends
        if not named.get(key) and len(several := _of_protocol(arms, rules)) > 1
    )


def _rows(evidence: Evidence) -> list[Recovered]:
    found = evidence.once(gaps_of)
    places = ((judge.arm, judge.label) for judge in evidence.facts.judges)
    return [
        Recovered(*place, found[place], _chosen(evidence, found[place]))
        for place in places
        if place in found and found[place].value is not None
    ]


def _words(rows: Sequence[Recovered]) -> list[str]:
    """Return the arms between which PGR is measured, and what was chosen among several."""
    if not rows:
        return []
    gap, chosen = rows[0].gap, rows[0].chosen
    return [f"PGR is measured from {gap.floor} to {gap.ceiling}{f'; {chosen}' if chosen else ''}."]


def _chart_rows(rows: Sequence[Recovered], names: Names) -> list[PlainRow]:
    found = []
    for row in rows:
        arm, judge = names.names(row.arm, row.judge)
        gap = row.gap
        if gap.low is not None and np.isfinite(gap.low):
            values = {"pgr": gap.value, "low": gap.low, "high": gap.high, "questions": gap.questions}
            found.append({"arm": arm, "judge": judge, **values})
    return found


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    low, high = min(0.0, *(row["low"] for row in rows)), max(1.0, *(row["high"] for row in rows))
    scale = alt.Scale(domain=[low, high])
    return dots_with_whiskers(rows, width, "arm", "pgr", "gap recovered, with its 95% interval", 0.0, scale)


PGR = Figure(
    name="pgr",
    title="Performance gap recovered",
    about="The share of the way from the naive to the expert judge that an arm covers.",
    source="Burns et al. 2023, section 3; bootstrap over passages, the three accuracies together (Hesterberg 2015).",
    needs="a naive and an expert arm judged by the same judge, the interval of whose difference lies wholly above 0",
    rows=_rows,
    words=_words,
    as_json=None,
    section=Section.ACCURACY,
    slow=True,
    chart=Chart(
        _chart_rows,
        _draw,
        "Share of the way from the naive to the expert judge that an arm covers; the dashed line is the naive judge.",
    ),
    methods="Performance gap recovered is (accuracy − naive) / (expert − naive) on the questions that all three have, with an interval by "
    "bootstrap over passages (and people, where people judge), the three accuracies resampled together.",
)
