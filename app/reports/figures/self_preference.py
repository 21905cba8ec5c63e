"""Whether judges prefer debaters of their own family of models."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from app.protocols import PROTOCOLS
from app.protocols.combinators import TwoSided
from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.ratings import Panel, panel_of
from app.reports.written import points, points_between, share
from app.shown_table import Column, Kind, ShownTable
from app.statistics.intervals import DIFFERENCE, IntArray, mean_interval


@dataclass(frozen=True, slots=True)
class SelfPreference:
    """How often a judge lets debaters of its family win, less how often other judges of the same talks do."""

    arm: str
    judge: str
    family: str
    talks: int
    passages: int
    own: float
    """Share of these talks that the judge's family wins before it."""
    panel: float
    """The same before the other judges, averaged by talk."""
    difference: float
    low: float
    high: float


def self_preferences(evidence: Evidence) -> list[SelfPreference]:
    """Return every judge of whose family one of two opposed debaters is, where another judge read the same talks."""
    families = _families(evidence.facts.experiment.spec.get("participants", {}))
    held = _families_of_answers(evidence, families)
    if not held:
        return []
    whole = panel_of(evidence)
    found: list[SelfPreference] = []
    for name in whole.models:
        family = families.get(_participant(evidence, name))
        mine = [by_talk[family] for by_talk in held.values() if family in by_talk] if family else []
        if mine:
            found += _preferences(whole, name, str(family), held)
    return found


def _participant(evidence: Evidence, label: str) -> str:
    """Return the participant behind the name of a judge in reports."""
    judges = evidence.facts.verdicts.select("label", "judge").unique()
    names = dict(zip(judges["label"].cast(str), judges["judge"].cast(str), strict=True))
    return str(names.get(label, label))


def family_of(model: str) -> str:
    """Return the family of a model: the letters that its name, without the path, begins with."""
    name = model.rstrip("/").rpartition("/")[2].lower()
    found = re.match(r"[a-z]+", name)
    return found[0] if found else name


def _families(participants: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the families of participants by name: of models by the model, of others each its own."""
    return {
        name: family_of(str(held.get("model") or name)) if held.get("kind") == "model" else f"built-in {name}"
        for name, held in participants.items()
    }


def _families_of_answers(evidence: Evidence, families: Mapping[str, str]) -> dict[str, dict[str, IntArray]]:
    """Return by arm, and by family of one of its two opposed debaters, the answer that the family argued for in each talk; -1 in others."""
    talks = evidence.facts.talks
    found: dict[str, dict[str, IntArray]] = {}
    for arm in evidence.file_arms:
        rules = PROTOCOLS[arm["protocol"]]
        if not issubclass(rules, TwoSided):
            continue
        protocol = rules.model_validate({key: arm[key] for key in rules.model_fields if key in arm})
        seats = {seat: arm["seats"].get(seat, "") for seat in protocol.opposed}
        if any(holder not in families for holder in seats.values()):
            continue
        own = [families[holder] for holder in seats.values()]
        if own[0] == own[1]:
            continue
        assignments = protocol.balanced(2, seats)
        answers = {family: np.full(talks.height, -1) for family in own}
        rows = talks.filter(talks["arm"].cast(str) == arm["name"]).select("talk", "assignment", "argues")
        for talk, assignment, argues in rows.iter_rows():
            argued = orjson.loads(argues)
            for seat, holder in protocol.holders(seats, assignments[assignment]).items():
                answers[families[holder]][talk] = argued.get(seat, -1)
        found[arm["name"]] = answers
    return found


def _preferences(
    whole: Panel, judge: str, family: str, held: Mapping[str, Mapping[str, IntArray]]
) -> Iterator[SelfPreference]:
    for arm, by_family in held.items():
        if family not in by_family or arm not in whole.arms:
            continue
        part = whole.where(whole.of_arm(arm))
        answer = by_family[family][part.talk]
        part, answer = part.where(answer >= 0), answer[answer >= 0]
        won = part.ratings.choice[np.arange(answer.size), answer]
        own = part.of_judge(judge)
        size = int(part.ratings.talk.max(initial=-1)) + 1
        others = np.bincount(part.ratings.talk[~own], minlength=size)
        sums = np.bincount(part.ratings.talk[~own], weights=won[~own], minlength=size)
        places = np.flatnonzero(own & (others[part.ratings.talk] > 0))
        if not places.size:
            continue
        talk = part.ratings.talk[places]
        before = sums[talk] / others[talk]
        passages = part.ratings.passage[places]
        gap = mean_interval(won[places] - before, passages, DIFFERENCE)
        yield SelfPreference(
            arm,
            judge,
            family,
            talks=places.size,
            passages=np.unique_values(passages).size,
            own=float(won[places].mean()),
            panel=float(before.mean()),
            difference=gap.value,
            low=gap.low,
            high=gap.high,
        )


def _preference_table(rows: Sequence[SelfPreference], names: Names) -> ShownTable[SelfPreference]:
    columns: tuple[Column[SelfPreference], ...] = (
        *place_columns(names),
        Column("family", lambda row: row.family, Kind.NAME),
        Column("wins here", lambda row: share(row.own)),
        Column("elsewhere", lambda row: share(row.panel)),
        Column("difference", lambda row: f"{points(row.difference)} points"),
        Column("95% interval", lambda row: points_between(row.low, row.high)),
        Column("talks", lambda row: row.talks),
    )
    about = (
        "How often debaters of the judge's own family of models win before it, and before the other judges of the same talks. A family is "
        "what a model's name begins with."
    )
    return ShownTable("Do judges prefer their own family?", columns, rows, about=about)


SELF_PREFERENCE = Figure(
    name="self_preference",
    title="Do judges prefer their own family?",
    about="How often a judge lets debaters of its family of models win, less how often the other judges of the same talks do.",
    source="Panickssery et al. 2024 (arXiv 2404.13076), as a difference from the panel.",
    needs="two judges, one of whose family of models one of two opposed debaters is",
    rows=self_preferences,
    table=_preference_table,
    section=Section.BIAS,
    methods=(
        "Self-preference is the win rate of debaters of the judge's own model family less the mean of the other judges on the same "
        "transcripts, with the transcript as unit and 95% intervals clustered by passage."
    ),
    slow=True,
)
