"""Several experiments side by side: all arms in one table, contrasts on common questions, and what differs between their specs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import altair as alt
import numpy as np
from anyio import CapacityLimiter, to_thread

from app.errors import UserError
from app.experiments.same import FROZEN
from app.experiments.spec import with_defaults
from app.participants.addresses import host_of
from app.records.database import Database
from app.records.provenance import question_digests, template_digests
from app.report_choices import Choices
from app.reports.charts import PlainRow, dots_with_whiskers
from app.reports.evidence import Evidence, evidence_of
from app.reports.facts import Facts, facts
from app.reports.figures.accuracy import COLUMNS
from app.reports.figures.core import Chart
from app.reports.plots import embedded
from app.reports.report import Report, quick
from app.reports.written import difference, interval, share, shown_p
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.contrasts import Contrast, contrast, contrast_of_people, holm
from app.statistics.intervals import IntArray
from app.statistics.readings import Readings, by_question
from models import Experiment

MOST_PAIRS = 40
"""Pairs of arms, of different names, that are compared without being asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One of the experiments."""

    evidence: Evidence
    report: Report
    """Its quick part."""
    asked: Mapping[str, tuple[str, str]]
    """Digests of each question and of its passage, by key."""
    templates: Mapping[str, Mapping[str, str]]
    """Digest of each template by arm and name."""

    @property
    def name(self) -> str:
        """Return the name of the experiment."""
        return self.report.experiment.name

    @property
    def shown(self) -> str:
        """Return the name with a mark for pilots."""
        return f"{self.name} (pilot)" if self.report.pilot else self.name


async def comparison_of(
    database: Database,
    experiments: Sequence[Experiment],
    asked: Sequence[str] = (),
    *,
    choices: Choices | None = None,
    limit: CapacityLimiter | None = None,
) -> "Comparison":
    """Read experiments and compare them in a thread. Raise UserError where `asked` names no arm."""
    async with database.session() as session:
        read = [
            (
                await facts(session, experiment, choices),
                await question_digests(session, experiment.id),
                await template_digests(session, experiment.id),
            )
            for experiment in experiments
        ]
    return await to_thread.run_sync(
        lambda: compared([_member(*parts) for parts in read], asked), limiter=limit
    )


def _member(held: Facts, asked: Mapping[str, tuple[str, str]], templates: Mapping[str, Any]) -> Member:
    evidence = evidence_of(held)
    return Member(evidence, quick(evidence), asked, templates)


@dataclass(frozen=True, slots=True)
class Common:
    """How many questions two experiments share."""

    first: str
    second: str
    questions: int
    """With the same key, words, answers and passage."""
    of_first: int
    of_second: int

    @property
    def sentence(self) -> str:
        """Return the counts in words."""
        asked = f"{self.first} asks {self.of_first:,} and {self.second} {self.of_second:,}"
        if not self.questions:
            return f"{self.first} and {self.second} share no question, so that nothing is compared on the same questions ({asked})."
        return f"{self.first} and {self.second} share {self.questions:,} questions ({asked})."


@dataclass(frozen=True, slots=True)
class SpecDifference:
    """A setting in which experiments differ."""

    setting: str
    values: Mapping[str, str | None]
    """By experiment; None where it has no such setting."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Experiments side by side."""

    members: Sequence[Member]
    common: Sequence[Common]
    contrasts: Sequence[Contrast] = ()
    """Arms are named with their experiment."""
    differences: Sequence[SpecDifference] = ()

    @property
    def notes(self) -> list[str]:
        """Return what is to be known of the comparison."""
        pilots = [item.name for item in self.members if item.report.pilot]
        found = [item.sentence for item in self.common]
        if self.contrasts:
            found.append(
                "Contrasts across experiments were not named before a run: they are exploratory, paired by question on the common questions "
                f"that both judged, clustered by passage, and by person where people judge; p (Holm) is corrected over all that are shown ({len(self.contrasts)})."
            )
        if pilots:
            found.append(f"Pilots are marked, and left out of the contrasts: {', '.join(pilots)}.")
        return found

    @property
    def tables(self) -> list[ShownTable[Any]]:
        """Return the tables, without empty ones."""
        made = (_accuracy_table(self.members), _contrast_table(self.contrasts), _difference_table(self))
        return [table for table in made if table.rows]

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON."""
        return {
            "experiments": [
                {
                    "experiment": item.name,
                    "digest": item.report.experiment.digest,
                    "pilot": item.report.pilot,
                    "cells": [line.as_json() for line in item.report.lines],
                }
                for item in self.members
            ],
            "common_questions": [asdict(item) for item in self.common],
            "contrasts": [{**asdict(item), "warning": item.warning} for item in self.contrasts],
            "differences": [asdict(item) for item in self.differences],
            "notes": self.notes,
        }


def compared(members: Sequence[Member], asked: Sequence[str] = ()) -> Comparison:
    """Return experiments side by side. `asked` names contrasts such as `A/debate:B/debate`. Raise UserError where one names nothing."""
    common = [_common(one, other) for one, other in combinations(members, 2)]
    pairs = [_parsed(text, members) for text in asked] or list(_pairs(members))
    found = [item for pair in pairs for item in _contrasts(*pair)]
    return Comparison(members, common, _corrected(found), _differences(members))


# ── common questions ────────────────────────────────────────────────────────────────────────────────────────────


def _same(one: Member, other: Member) -> dict[str, str]:
    """Return the digest of the passage by that of each question that both ask."""
    there = {digest for digest, _ in other.asked.values()}
    return {digest: family for digest, family in one.asked.values() if digest in there}


def _common(one: Member, other: Member) -> Common:
    return Common(one.name, other.name, len(_same(one, other)), len(one.asked), len(other.asked))


_End = tuple[Member, str]
"""An experiment and one of its arms."""


def _parsed(text: str, members: Sequence[Member]) -> tuple[_End, _End]:
    first, colon, second = text.partition(":")
    ends = [_end(part, members) for part in (first, second)] if colon else []
    if len(ends) != 2 or ends[0] == ends[1]:
        raise UserError(
            f"--contrast {text}: name two arms with their experiments, such as A/debate:B/debate."
        )
    return ends[0], ends[1]


def _end(text: str, members: Sequence[Member]) -> _End:
    name, _, arm = text.partition("/")
    for item in members:
        if item.name == name and arm in item.report.arms:
            return item, arm
    known = ", ".join(f"{item.name}/{arm}" for item in members for arm in item.report.arms)
    raise UserError(f"There is no arm {text}: choose from {known}.")


def _pairs(members: Sequence[Member]) -> Iterator[tuple[_End, _End]]:
    """Yield arms of one name; between experiments that share no name those of one protocol. Pilots are left out."""
    for one, other in combinations([item for item in members if not item.report.pilot], 2):
        named = [(arm, arm) for arm in one.report.arms if arm in other.report.arms]
        alike = [
            (first, second)
            for first, held in one.report.arms.items()
            for second, others in other.report.arms.items()
            if held.protocol == others.protocol
        ]
        for first, second in (named or alike)[:MOST_PAIRS]:
            yield (one, first), (other, second)


def _contrasts(first: _End, second: _End) -> Iterator[Contrast]:
    """Yield the contrasts of two arms on the common questions: for each judge of both; where there is none, for the only ones."""
    (one, arm), (other, other_arm) = first, second
    common = _same(one, other)
    judges = [[judge for name, judge in item.evidence.cells if name == own] for item, own in (first, second)]
    pairs = [(judge, judge) for judge in judges[0] if judge in judges[1]]
    if not pairs and len(judges[0]) == len(judges[1]) == 1:
        pairs = [(judges[0][0], judges[1][0])]
    if not common:
        return
    codes = _Codes.of(common, one, other)
    for judge, other_judge in pairs:
        label = judge if judge == other_judge else f"{judge} and {other_judge}"
        mine = codes.recoded(one, one.evidence.readings[arm, judge], f"{one.name}: {arm}", label)
        theirs = codes.recoded(
            other, other.evidence.readings[other_arm, other_judge], f"{other.name}: {other_arm}", label
        )
        yield _contrast(mine, theirs, one.evidence.seed)


def _contrast(one: Readings, other: Readings, seed: int) -> Contrast:
    if not np.intersect1d(one.question, other.question).size:
        reason = "No common question was judged under both arms."
        return Contrast(one.arm, other.arm, one.judge, 0, 0, reason=reason)
    if one.pooled and other.pooled:
        return contrast_of_people(one, other)
    figures = [by_question(item, item.right) for item in (one, other)]
    return contrast(one.arm, other.arm, one.judge, *figures, seed=seed)


@dataclass(frozen=True, slots=True)
class _Codes:
    """Numbers of questions, passages and people that stand for the same in both experiments."""

    questions: Mapping[str, int]
    """By digest."""
    passages: Mapping[str, int]
    """By digest of the question."""
    people: Sequence[str]

    @classmethod
    def of(cls, common: Mapping[str, str], one: Member, other: Member) -> "_Codes":
        families = {family: number for number, family in enumerate(sorted(set(common.values())))}
        ordered = sorted(common, key=lambda digest: (common[digest], digest))
        people = {name for item in (one, other) for name in item.evidence.counted.table.verdicts.people}
        return cls(
            {digest: number for number, digest in enumerate(ordered)},
            {digest: families[family] for digest, family in common.items()},
            sorted(people),
        )

    def recoded(self, item: Member, own: Readings, arm: str, judge: str) -> Readings:
        """Return the readings on common questions with these numbers, in the order of readings."""
        asked = item.evidence.counted.table.questions
        digests = [item.asked[key][0] if key in item.asked else "" for key in asked.names]
        at = asked.codes[own.rows]
        question = _mapped(digests, self.questions)[at]
        numbers = {name: number for number, name in enumerate(self.people)}
        persons = _mapped([*own.people, ""], {**numbers, "": -1})
        found = replace(
            own,
            arm=arm,
            judge=judge,
            people=self.people,
            question=question,
            passage=_mapped(digests, self.passages)[at],
            person=persons[own.person],
        ).where(question >= 0)
        keys = (found.person, found.order, found.talk, found.assignment, found.replicate, found.question)
        placed = np.lexsort(keys)
        return replace(
            found,
            **{
                name: getattr(found, name)[placed]
                for name in found.__dataclass_fields__
                if name not in ("arm", "judge", "people")
            },
        )


def _mapped(names: Sequence[str], numbers: Mapping[str, int]) -> IntArray:
    return np.array([numbers.get(name, -1) for name in names], dtype=np.int64)


def _corrected(found: Sequence[Contrast]) -> list[Contrast]:
    """Return contrasts with Holm's correction over all."""
    tested = [item.p for item in found if item.p is not None]
    values = iter(holm(tested, len(found)))
    return [
        replace(item, named=len(found))
        if item.p is None
        else replace(item, p_holm=next(values), named=len(found))
        for item in found
    ]


# ── what differs ────────────────────────────────────────────────────────────────────────────────────────────────

UNSHOWN = ("name", "contrasts", "imported", *FROZEN)
"""Keys of a spec that say nothing of how it is played."""
SECRET = ("headers", "query", "api_key_env")
"""Settings of endpoints whose values may be secret."""
ONE_BY_ONE = ("arms", "participants", "endpoints")


def _differences(members: Sequence[Member]) -> list[SpecDifference]:
    settings = {item.name: dict(_settings(item)) for item in members}
    keys = dict.fromkeys(key for own in settings.values() for key in own)
    found = (SpecDifference(key, {name: own.get(key) for name, own in settings.items()}) for key in keys)
    return [item for item in found if len(set(item.values.values())) > 1]


def _settings(item: Member) -> Iterator[tuple[str, str]]:
    """Yield every setting of an experiment in words, with its value. Parts that only some have are one setting."""
    stored = item.report.experiment.spec
    spec = stored if stored.get("imported") else with_defaults(stored)
    for key, value in spec.items():
        if key in UNSHOWN or key in ONE_BY_ONE:
            continue
        yield from _flat(key.replace("_", " "), value)
    for arm in spec.get("arms", ()):
        own = {key: value for key, value in arm.items() if key not in ("name", "prompts")}
        yield f"arm {arm['name']}", "there"
        yield from _flat(f"arm {arm['name']}:", own)
        for name, digest in sorted(item.templates.get(arm["name"], {}).items()):
            yield f"arm {arm['name']}: prompt {name}", f"text {digest[:8]}"
    for kind in ("participants", "endpoints"):
        for name, own in sorted(spec.get(kind, {}).items()):
            yield f"{kind[:-1]} {name}", "there"
            yield from _flat(f"{kind[:-1]} {name}:", own)
    if held := item.report.provenance:
        yield "questions", f"{len(item.asked):,}, digest {held.task_set_digest[:8]}"


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in sorted(value.items()):
            if key == "extra_body" and inner:
                yield f"{path} extra body", f"parameters {', '.join(sorted(inner))}"
            elif key == "base_url" and inner:
                yield f"{path} host", host_of(str(inner))
            elif key not in SECRET:
                yield from _flat(f"{path} {key.replace('_', ' ')}", inner)
    elif isinstance(value, list):
        yield path, "; ".join(_one(inner) for inner in value) or "none"
    elif value is not None:
        yield path, _one(value)


def _one(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_one(inner)}" for key, inner in sorted(value.items()))
    return str(value)


# ── shown ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _accuracy_table(members: Sequence[Member]) -> ShownTable[Any]:
    rows = [{**line.as_json(), "experiment": item.shown} for item in members for line in item.report.lines]
    of_experiment: Column[Any] = Column("experiment", lambda row: row["experiment"], Kind.NAME)
    own = [column for column in COLUMNS if column.title not in ("PGR", "trials", "failures")]
    about = (
        "Each experiment on all of its questions, which may be others: see the contrasts on common questions."
    )
    return ShownTable("Judge accuracy of all experiments", (of_experiment, *own), rows, about=about)


def _contrast_table(rows: Sequence[Contrast]) -> ShownTable[Contrast]:
    def of(row: Contrast, text: str) -> ShownCell:
        return ShownCell(text, reason=(row.reason or "") if row.difference is None else "")

    columns: tuple[Column[Contrast], ...] = (
        Column("first", lambda row: row.first, Kind.NAME),
        Column("second", lambda row: row.second, Kind.NAME),
        Column("judge", lambda row: row.judge, Kind.NAME),
        Column("accuracy of first", lambda row: of(row, share(row.first_accuracy)), page_only=True),
        Column("accuracy of second", lambda row: of(row, share(row.second_accuracy)), page_only=True),
        Column("difference", lambda row: of(row, difference(row))),
        Column("95% interval", lambda row: of(row, interval(row))),
        Column("p", lambda row: of(row, shown_p(row.p))),
        Column("p (Holm)", lambda row: of(row, shown_p(row.p_holm))),
        Column("questions", lambda row: row.questions),
    )
    return ShownTable(
        "Contrasts on common questions",
        columns,
        rows,
        "Contrasts on common questions: accuracy of the first arm less that of the second",
        "Exploratory: accuracy of the first arm less that of the second, on the questions that both judged.",
    )


def _difference_table(made: Comparison) -> ShownTable[SpecDifference]:
    def of(name: str) -> Column[SpecDifference]:
        return Column(name, lambda row: row.values.get(name) or ABSENT, Kind.WORDS)

    columns: tuple[Column[SpecDifference], ...] = (
        Column("setting", lambda row: row.setting, Kind.NAME),
        *(of(item.name) for item in made.members),
    )
    return ShownTable(
        "What differs between the specs",
        columns,
        _told(made.differences),
        about="Settings that are the same in all are not listed.",
    )


def _told(rows: Sequence[SpecDifference]) -> list[SpecDifference]:
    """Return differences without those inside parts that some experiment lacks altogether."""
    lacking = {row.setting for row in rows if None in row.values.values() and "there" in row.values.values()}
    return [row for row in rows if not any(row.setting.startswith(f"{part}:") for part in lacking)]


def chart_rows(made: Comparison) -> list[PlainRow]:
    """Return the data of the plot: every arm and judge."""
    return [
        {
            "arm": f"{item.shown}\n{line.names[0]}",
            "judge": line.names[1],
            "accuracy": line.cell.accuracy,
            "low": line.cell.low,
            "high": line.cell.high,
            "questions": line.cell.questions,
        }
        for item in made.members
        for line in item.report.lines
        if line.cell
    ]


def pictures(made: Comparison) -> dict[str, str]:
    """Return the plot of all arms as `embedded`; empty where there is nothing to draw. Takes the processor for up to a second."""
    rows = chart_rows(made)
    return embedded(CHART, rows) if rows else {}


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    title = "share of questions judged right, with its 95% interval"
    return dots_with_whiskers(rows, width, "arm", "accuracy", title, 0.5, alt.Scale(domain=[0, 1]))


CHART: Chart[Any] = Chart(
    lambda rows, names: list(rows), _draw, "Accuracy of every arm and judge of all experiments."
)
