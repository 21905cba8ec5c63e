"""The report of an experiment: figures for each arm and judge, with their counts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.spec import prompt_versions
from app.judge_fields import KNOWS_STORY
from app.protocols import CEILING, FLOOR, PROTOCOLS
from app.protocols.core import Protocol
from app.records.progress import FailureCount
from app.records.prompt_sizes import CutPrompts
from app.records.revisions import ChangedModel
from app.records.verdicts import ArmCount, JudgeCount
from app.reports import certainty
from app.reports.answer import answer
from app.reports.as_published import differences
from app.reports.certainty import Certainty, certainties
from app.reports.facts import Facts, facts
from app.reports.figures import FIGURES
from app.reports.figures.core import Evidence, Figure
from app.reports.imported import imported_notes
from app.reports.talks import Talks, talks_of
from app.reports.twins import Floor, floors
from app.reports.verdict_table import Counted, VerdictTable, complete, table_of
from app.statistics.accuracy import Cell, accuracy_of, cells, constant, gaps, with_gap
from app.statistics.contrasts import Contrast, constant_contrast, contrasts
from app.statistics.intervals import IntArray
from app.statistics.metrics import Measured, measures, metrics
from app.statistics.people import PersonFigures
from app.statistics.readings import BoolArray, Marks, Place, Readings, TrialMeasures, by_question
from app.statistics.two_way import METHOD_ONE_JUDGE
from models import Experiment

RULES = 2
"""Version of the rules of figures. Since 2, intervals of people are for new people too, and p-values of flips are mid-p values."""

REASONS = 10
"""Number of reasons of failures printed below a table."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One arm and judge: the figures, if there is a verdict, and the counts."""

    arm: ArmCount
    judge: JudgeCount
    cell: Cell | None
    excluded: int
    """Verdicts left out because another assignment of their question has none."""
    knew_story: int = 0
    """Verdicts left out because the person marked that they know the story."""
    accuracy_with_knowing: float | None = None
    """The accuracy with those verdicts; None where there are none."""
    certainty: Certainty | None = None
    """Position, noise and how beliefs were read, from the verdicts behind the figures."""
    without_twin: int = 0
    """Verdicts left out because the same judge has none on the twin."""
    floor: Floor | None = None
    """Where the accuracy is fixed by the design at 50%."""

    @property
    def place(self) -> Place:
        """Return arm and judge."""
        return self.arm.arm, self.judge.label

    @property
    def names(self) -> tuple[str, str]:
        """Return arm and judge, baselines starred."""
        return starred(self.arm.arm, self.arm.baseline), starred(self.judge.label, self.judge.baseline)

    @property
    def leak(self) -> str | None:
        """Return a clause on an accuracy that the design fixes at 50% and that is another."""
        return self.floor.leak(self.cell.accuracy) if self.floor and self.cell else None

    @property
    def trials(self) -> int:
        """Trials of this judge: its own, where it takes part in the talk."""
        return self.judge.judgements if self.judge.takes_part else self.arm.trials

    @property
    def failures(self) -> int:
        """Failed trials, and failed judgements of others."""
        return self.judge.failed + (0 if self.judge.takes_part else self.arm.failed)

    def as_json(self) -> dict[str, Any]:
        """Return the line for `cells` of the JSON report."""
        figures = asdict(self.cell) if self.cell else dict.fromkeys(Cell.__dataclass_fields__)
        fixed: dict[str, Any] = {"by_construction": None, "twins_read_unlike": None}
        if self.floor:
            fixed = {"by_construction": self.floor.shown, "twins_read_unlike": self.floor.unlike}
        counts = (
            {"passages": 0, "questions": 0, "verdicts": 0, "correct": 0, "ties": 0, "clipped": 0}
            if not self.cell
            else {}
        )
        if self.cell and self.cell.fixed:
            figures |= {"low": None, "high": None}
        if self.cell and self.cell.fixed_scores:
            figures |= dict.fromkeys(("brier_low", "brier_high", "log_score_low", "log_score_high"))
        return {
            **figures,
            **counts,
            **fixed,
            "arm": self.arm.arm,
            "judge": self.judge.label,
            "protocol": self.arm.protocol,
            "round": self.judge.round,
            "added": self.judge.round_position > 0,
            "judge_is_baseline": self.judge.baseline,
            "arm_has_baseline": self.arm.baseline,
            "trials": self.trials,
            "trials_done": self.judge.done if self.judge.takes_part else self.arm.done,
            "judgements": 0 if self.judge.takes_part else self.judge.judgements,
            "judgements_done": 0 if self.judge.takes_part else self.judge.done,
            "failures": self.failures,
            "excluded": self.excluded,
            "without_twin": self.without_twin,
            "knew_story": self.knew_story,
            "accuracy_with_knowing": self.accuracy_with_knowing,
            "certainty": certainty.as_json(self.certainty),
            "warnings": certainty.warnings(self.cell, self.certainty),
            "returned": self.judge.returned,
            "refusals_gold": self.arm.refusals_gold,
            "refusals_other": self.arm.refusals_other,
            "refusals": self.arm.refusals_gold + self.arm.refusals_other,
            "concessions_gold": self.arm.concessions_gold,
            "concessions_other": self.arm.concessions_other,
        }


PILOT = "{name} is a pilot: its figures are for its makers, and comparisons of experiments leave it out."


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report."""

    experiment: Experiment
    arms: Mapping[str, ArmCount]
    lines: Sequence[ReportRow]
    contrasts: Sequence[Contrast]
    """In the order of the experiment's file, for each judge."""
    metrics: Sequence[Measured]
    """The metrics of each arm's protocol, for each judge."""
    measures: Sequence[Measured]
    """The measures of the talks, by arm."""
    failures: Sequence[FailureCount]
    totals: Mapping[str, int]
    """Counts over all arms and judges: verdicts, and the states of trials and judgements."""
    figures: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """The rows of every figure of `app.reports.figures`, by name."""
    accounts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The other pseudonyms of each person who judged by several accounts, by the first. Each counts as one person."""
    cut: Sequence[CutPrompts] = ()
    """Models whose server read less of a prompt than was sent."""
    changed: Sequence[ChangedModel] = ()
    """Models that answered as several revisions under one name."""

    @property
    def warnings(self) -> list[str]:
        """Return the sentences to be read before the accuracies."""
        named = [(", ".join(line.names), line.cell, line.certainty) for line in self.lines]
        pilot = [PILOT.format(name=self.experiment.name)] if self.pilot else []
        servers = [item.sentence for item in self.cut] + [item.sentence for item in self.changed]
        return [*pilot, *servers, *certainty.sentences(self.experiment.name, named)]

    @property
    def pilot(self) -> bool:
        """Return whether the experiment is a pilot."""
        return bool(self.experiment.spec.get("pilot"))

    def contrast_names(self, item: Contrast) -> tuple[str, str, str]:
        """Return both arms and the judge of a contrast, baselines starred."""
        builtin = {line.judge.label for line in self.lines if line.judge.baseline}
        first, second = (starred(arm, self.arms[arm].baseline) for arm in (item.first, item.second))
        return first, second, starred(item.judge, item.judge in builtin)

    def names(self, arm: str, judge: str | None) -> tuple[str, str]:
        """Return an arm and a judge, baselines starred, with a dash for a figure that does not depend on a
        judge.
        """
        builtin = {line.judge.label for line in self.lines if line.judge.baseline}
        return starred(arm, self.arms[arm].baseline), starred(judge, judge in builtin) if judge else "–"

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON. The same data give the same bytes."""
        own = {
            figure.name: [figure.as_json(row) for row in self.figures.get(figure.name, ())]
            for figure in FIGURES
        }
        sides, people, models = (own.pop(name) for name in ("sides", "people", "mixed_models"))
        later = {name: own.pop(name) for name in ("candidates", "attacks", "equal_words")}
        body = {
            "experiment": self.experiment.name,
            "digest": self.experiment.digest,
            "seed": self.experiment.seed,
            "rules": RULES,
            "pilot": self.pilot,
            "baselines_only": _baselines_only(self),
            "elicit": self.experiment.spec["elicit"],
            "ties": "a tie of k answers counts 1/k",
            "unit": "question, clustered by passage, and by person where people judge",
            "log_score_unit": "bits, beliefs clipped at 1e-4",
            "totals": dict(self.totals),
            "warnings": self.warnings,
            "cells": [line.as_json() for line in self.lines],
            "sides": sides,
            "people": people,
            "accounts_of_one_person": {first: list(others) for first, others in self.accounts.items()},
            "mixed_models": models,
            "contrasts": [_contrast_json(item) for item in self.contrasts],
            "metrics": [asdict(item) for item in self.metrics],
            "measures": [asdict(item) for item in self.measures],
            **later,
            **own,
            "failures": [asdict(failure) for failure in self.failures],
        }
        return {**body, "answer": answer(body).as_json()}


def _baselines_only(report: Report) -> bool:
    """Return whether all participants and judges are built-in baselines."""
    spec = report.experiment.spec
    cast = {name: given["kind"] for name, given in spec.get("participants", {}).items()}
    seated = {name for arm in spec.get("arms", ()) for name in arm.get("seats", {}).values()}
    return all(cast.get(name) == "builtin" for name in seated) and all(
        line.judge.baseline for line in report.lines
    )


def _contrast_json(item: Contrast) -> dict[str, Any]:
    ends = dict.fromkeys(("low", "high")) if item.fixed else {}
    return {**asdict(item), **ends, "warning": item.warning}


async def report(session: AsyncSession, experiment: Experiment) -> Report:
    """Compute the report of an experiment, finished or not."""
    return computed(await facts(session, experiment))


def computed(facts: Facts) -> Report:
    """Return the whole report of these facts. For large experiments this uses the processor for a minute."""
    evidence = evidence_of(facts)
    return completed(quick(evidence), evidence)


def quick(evidence: Evidence) -> Report:
    """Return a report without what is resampled or fitted: PGR, p-values of flips, and slow figures."""
    facts, counted = evidence.facts, evidence.counted
    arms = facts.arms
    readings, figures = evidence.readings, evidence.cells
    fixed = _floors(facts, counted)
    knowing = facts.verdicts[KNOWS_STORY.name].to_numpy()
    knew = counted.table.named(np.flatnonzero(knowing))
    with_them = _with_them(evidence, knew)
    sure = certainties(counted)
    return Report(
        facts.experiment,
        arms,
        [_line(facts, judge, figures, counted, fixed, knew, with_them, sure) for judge in facts.judges],
        _contrasts(evidence, tested=False),
        _metrics(facts, counted, evidence.talks, readings),
        measures(
            _told(facts, evidence.talks),
            {name: PROTOCOLS[arm.protocol] for name, arm in facts.arms.items()},
        ),
        facts.failures,
        _totals(facts, counted, knew.total()),
        {figure.name: figure.rows(evidence) for figure in FIGURES if not figure.slow},
        accounts=_accounts(evidence),
        cut=facts.cut,
        changed=facts.changed,
    )


def _with_them(evidence: Evidence, knew: Iterable[Place]) -> dict[Place, float]:
    """Return the accuracy of these arms and judges with the people who know the story."""
    places = list(knew)
    if not places:
        return {}
    table = evidence.counted.table
    whole = _complete(evidence.facts, table, table.everything)
    found = ((place, table.alone(whole.kept, place)) for place in places)
    return {place: accuracy_of(own) for place, own in found if own is not None}


def evidence_of(facts: Facts) -> Evidence:
    """Return what figures are computed from."""
    counted = kept(facts)
    readings = counted.readings
    scored = _figures(readings, facts.arms)
    scored |= {
        place: constant(scored[place], COIN, scores=even)
        for place, even in _coins(counted, readings, facts.arms).items()
    }
    scored |= {
        place: constant(scored[place], floor.shown) for place, floor in _floors(facts, counted).items()
    }
    return Evidence(facts, counted, talks_of(facts.talks), readings, scored)


def _floors(facts: Facts, counted: Counted) -> dict[Place, Floor]:
    naive = [name for name, arm in facts.arms.items() if arm.protocol == FLOOR.name]
    return floors(counted, facts.twins, naive)


def completed(report: Report, evidence: Evidence) -> Report:
    """Return a report of `quick` with what is resampled or fitted."""
    naive, expert = _ends(report.arms, report.experiment.spec)
    found = gaps(evidence.readings, naive=naive, expert=expert, seed=evidence.seed)
    slow = {figure.name: figure.rows(evidence) for figure in FIGURES if figure.slow}
    return replace(
        report,
        lines=[
            line if line.cell is None else replace(line, cell=with_gap(line.cell, found[line.place]))
            for line in report.lines
        ],
        contrasts=_contrasts(evidence, tested=True),
        figures={**report.figures, **slow},
    )


def _contrasts(evidence: Evidence, *, tested: bool) -> list[Contrast]:
    """Return the contrasts that the file names, for each judge."""
    pairs = _pairs(evidence.facts.experiment)
    found = contrasts(evidence.readings, pairs, seed=evidence.seed, tested=tested)
    return [_between_constants(item, evidence.cells) for item in found]


def _between_constants(item: Contrast, figures: Mapping[Place, Cell]) -> Contrast:
    """Return a contrast, as a constant where the design fixes the accuracy of both arms and they are the same.

    The floor of people and of sampled models holds on average, so that their differences are samples.
    """
    ends = [figures.get((arm, item.judge)) for arm in (item.first, item.second)]
    if item.difference == 0 and all(cell and cell.fixed and cell.people is None for cell in ends):
        return constant_contrast(item, BETWEEN_CONSTANTS)
    return item


BETWEEN_CONSTANTS = "the design fixes the accuracy of both arms"
"""Why a difference has neither interval nor p-value."""


def _accounts(evidence: Evidence) -> dict[str, list[str]]:
    """Return the other pseudonyms of each person who judged by several accounts, by the first."""
    humans = evidence.facts.humans
    if not humans:
        return {}
    judges = evidence.facts.verdicts["judge"].filter(pl.Series(evidence.counted.kept)).unique().to_list()
    known = sorted((humans[name], name) for name in judges if name in humans)
    return {
        first: [name for _, name in own if name != first] for first, own in groupby(known, key=itemgetter(0))
    }


def _pairs(experiment: Experiment) -> list[tuple[str, str]]:
    return [(first, second) for first, second in experiment.spec.get("contrasts", ())]


def _line(
    facts: Facts,
    judge: JudgeCount,
    figures: Mapping[Place, Cell],
    counted: Counted,
    fixed: Mapping[Place, Floor],
    knew: Mapping[Place, int],
    with_them: Mapping[Place, float],
    sure: Mapping[Place, Certainty],
) -> ReportRow:
    place = (judge.arm, judge.label)
    return ReportRow(
        facts.arms[judge.arm],
        judge,
        figures.get(place),
        counted.excluded[place],
        knew.get(place, 0),
        with_them.get(place),
        certainty=sure.get(place),
        without_twin=counted.without_twin[place],
        floor=fixed.get(place),
    )


def _figures(readings: Mapping[Place, Readings], arms: Mapping[str, ArmCount]) -> dict[Place, Cell]:
    """Return the cells of a report by arm and judge, without PGR."""
    return {(cell.arm, cell.judge): cell for cell in cells(readings, arms=list(arms))}


def _ends(arms: Mapping[str, ArmCount], spec: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the arms between which PGR is measured: those that the file names, else the first naive and the first expert one."""
    named = spec.get("pgr") or {}
    return named.get("floor") or _of_protocol(arms, FLOOR), named.get("ceiling") or _of_protocol(
        arms, CEILING
    )


COIN = "a built-in judge that prefers no answer, or only a place in the list: over both orders it is right as often as by drawing an answer"


def _coins(
    counted: Counted, readings: Mapping[Place, Readings], arms: Mapping[str, ArmCount]
) -> dict[Place, bool]:
    """Return the arms and judges whose accuracy is that of a coin by design, and whether their scores are fixed too: built-in judges
    that believe all answers alike, and those that see nothing but the answers and are half right on every question.

    A model without preferences is a sample, not a design.
    """
    kinds = counted.table.frame["judge_kind"]
    builtin = [place for place, rows in counted.places.items() if kinds[int(rows[0])] == "builtin"]
    even = {place: _is_even(readings[place], counted.table) for place in builtin}
    return {place: even[place] for place in builtin if even[place] or _is_coin(readings[place], arms)}


def _is_even(readings: Readings, table: VerdictTable) -> bool:
    beliefs = table.beliefs[readings.rows]
    return bool(((beliefs == beliefs.max(axis=1, keepdims=True)) | (beliefs < 0)).all())


def _is_coin(readings: Readings, arms: Mapping[str, ArmCount]) -> bool:
    half = bool((by_question(readings, readings.right).value == 0.5).all())
    return half and arms[readings.arm].protocol == FLOOR.name


def _metrics(
    facts: Facts, counted: Counted, talks: Talks, readings: Mapping[Place, Readings]
) -> list[Measured]:
    """Return the metrics of every arm and judge, from the verdicts behind its accuracy."""
    rules = {name: PROTOCOLS[arm.protocol] for name, arm in facts.arms.items()}
    argued = talks.answers(lambda arm, argues: _argued(argues, rules[arm]))
    plays = counted.table.frame["play"].to_numpy()
    marked = np.isin(plays, facts.marks["play"].to_numpy()) & counted.kept
    marking = {arm for arm, _ in counted.table.named(np.flatnonzero(marked))}
    listed = dict.fromkeys([*((judge.arm, judge.label) for judge in facts.judges), *counted.places])
    found = []
    for arm, judge in listed:
        if own := readings.get((arm, judge)):
            # Where judges mark, a critique without a point leaves nothing to accept: it caught nothing.
            marks = _marks(facts.marks, plays[own.rows]) if arm in marking else None
            items = talks.measured(own, counted.table, argued, marks)
            found += metrics(arm, rules[arm], judge, items)
    return found


def _marks(marks: pl.DataFrame, plays: IntArray) -> Marks:
    """Return the marks of readings, given the judging of each."""
    readings = pl.DataFrame({"play": plays}).with_row_index("reading")
    own = readings.join(marks, on="play", how="inner", maintain_order="left")
    return Marks(
        own["reading"].cast(pl.Int64).to_numpy(), own["point"].to_numpy(), own["accepted"].to_numpy()
    )


def _argued(argues: Mapping[str, int], rules: type[Protocol]) -> int | None:
    """Return the answer that was argued for alone, or in an open debate the answer of the seat that chose."""
    sides = set(argues.values())
    return argues.get(rules.chooses, sides.pop() if len(sides) == 1 else None)


def _told(facts: Facts, talks: Talks) -> Iterator[TrialMeasures]:
    """Yield the measures of the talks without a judging person who knows the story."""
    knew = facts.verdicts.filter(pl.col(KNOWS_STORY.name) & ~pl.col("reads"))
    known = set(knew["talk"].to_list())
    columns = ("arm", "judge", "family", "question", "assignment", "replicate")
    for talk, place in enumerate(facts.talks.select(columns).iter_rows()):
        if talk not in known:
            arm, judge, family, question, assignment, replicate = place
            yield TrialMeasures(arm, judge, family, question, assignment, replicate, talks.measures[talk])


def _totals(facts: Facts, counted: Counted, knew_story: int) -> dict[str, int]:
    arms = facts.arms.values()
    readers = [judge for judge in facts.judges if not judge.takes_part]
    return {
        "passages": facts.verdicts["passage"].n_unique(),
        "families": facts.verdicts["family"].n_unique(),
        "questions": facts.verdicts.select("passage", "question").n_unique(),
        "trials": sum(arm.trials for arm in arms),
        "trials_done": sum(arm.done for arm in arms),
        "judgements": sum(judge.judgements for judge in readers),
        "judgements_done": sum(judge.done for judge in readers),
        "verdicts": facts.verdicts.height,
        "excluded": counted.excluded.total(),
        "without_twin": counted.without_twin.total(),
        "knew_story": knew_story,
        "returned": sum(judge.returned for judge in facts.judges),
        "failures": sum(failure.count for failure in facts.failures),
        "refusals": sum(arm.refusals_gold + arm.refusals_other for arm in arms),
        "concessions": sum(arm.concessions_gold + arm.concessions_other for arm in arms),
    }


def starred(name: str, baseline: bool) -> str:
    """Return a name, with a star for built-in baselines."""
    return f"{name}*" if baseline else name


def _of_protocol(arms: Mapping[str, ArmCount], rules: type[Protocol]) -> str | None:
    return next((arm.arm for arm in arms.values() if arm.protocol == rules.name), None)


def kept(facts: Facts) -> Counted:
    """Return the verdicts behind all figures. Those of people who know the story are nowhere."""
    table = table_of(facts.verdicts)
    return _complete(facts, table, ~facts.verdicts[KNOWS_STORY.name].to_numpy())


def _complete(facts: Facts, table: VerdictTable, given: BoolArray) -> Counted:
    """Leave out verdicts that lack another assignment or their twin."""
    return complete(table, given, {name: arm.assignments for name, arm in facts.arms.items()}, facts.twins)


# ── its notes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def notes(report: Report) -> list[str]:
    """Return the notes below the table."""
    said = {figure.name: _said(figure, report) for figure in FIGURES}
    baseline = any(line.judge.baseline or line.arm.baseline for line in report.lines)
    return [
        *imported_notes(report.experiment.spec),
        *(["* a built-in baseline, not a language model."] if baseline else []),
        *_exclusion_notes(report),
        *_stance_notes(report),
        *_failure_notes(report),
        *said.pop("attacks"),
        *said.pop("equal_words"),
        *_preset_notes(report),
        *_prompt_notes(report),
        *said.pop("sides"),
        *_contrast_notes(report),
        *_people_notes(report),
        *_gap_notes(report),
        *_figure_notes(report),
        *(sentence for own in said.values() for sentence in own),
        certainty.NOTE,
        _unit_note(report),
    ]


def _exclusion_notes(report: Report) -> Iterator[str]:
    """Yield which verdicts are left out or set apart, and why."""
    for line in report.lines:
        if line.excluded:
            yield (
                f"{line.arm.arm}, {line.judge.label}: {line.excluded} verdicts are left out, on questions  "
                "that lack verdicts under another assignment."
            )
    for line in report.lines:
        if line.without_twin:
            yield f"{line.arm.arm}, {line.judge.label}: {line.without_twin} verdicts are left out, because that on the twin is missing."
    yield from (_leaked(line) for line in report.lines if line.leak)
    yield from (_knew(line) for line in report.lines if line.knew_story)
    for line in report.lines:
        if line.judge.returned:
            yield f"{line.arm.arm}, {line.judge.label}: {line.judge.returned} times a trial was returned or its lease ended."


def _stance_notes(report: Report) -> Iterator[str]:
    """Yield the refusals and concessions of each arm that has some."""
    for arm in {line.arm.arm: line.arm for line in report.lines}.values():
        refused = arm.refusals_gold + arm.refusals_other
        if refused + arm.concessions_gold + arm.concessions_other:
            yield (
                f"{arm.arm}: when arguing for gold {arm.refusals_gold} refusals and {arm.concessions_gold} concessions; "
                f"when arguing against it {arm.refusals_other} and {arm.concessions_other}."
            )


def _failure_notes(report: Report) -> Iterator[str]:
    """Yield the most frequent reasons of failures."""
    for item in report.failures[:REASONS]:
        yield f"{item.count} × {item.kind} failed in {item.arm}: {item.error}"
    if len(report.failures) > REASONS:
        yield f"… and {len(report.failures) - REASONS} more reasons, all in --format json."


def _figure_notes(report: Report) -> Iterator[str]:
    """Yield what is to be known of single figures."""
    cells = [(line, line.cell) for line in report.lines if line.cell]
    for line, cell in cells:
        if cell.fixed:
            yield f"{line.arm.arm}, {line.judge.label}: accuracy has no interval: {cell.fixed}."
    for line, cell in cells:
        if cell.clipped:
            yield (
                f"{line.arm.arm}, {line.judge.label}: {cell.clipped} of {cell.verdicts} verdicts gave gold less than 1e-4, as when "
                "100 and 0 are entered, and count as 1e-4 in the log score (-13.3 bits); people's instructions end at 1%."
            )
    reasons = dict.fromkeys((item.arm, item.title, item.reason) for item in report.metrics if item.reason)
    yield from (f"{arm}, {title[0].lower()}{title[1:]}: {reason}" for arm, title, reason in reasons)


def _unit_note(report: Report) -> str:
    together = ", each with its twin" if report.totals["families"] < report.totals["passages"] else ""
    return (
        f"Unit: question, averaged over orders, assignments and replicates; intervals clustered by passage{together}, and by "
        "person where people judge; "
        f"a tie of k answers counts 1/k; log score in bits. Computed under rules of version {RULES}."
    )


def _said(figure: Figure[Any], report: Report) -> list[str]:
    """Return the notes of a figure."""
    rows = report.figures.get(figure.name, ())
    return figure.words(rows) if figure.words else []


def _leaked(line: ReportRow) -> str:
    return f"{line.arm.arm}, {line.judge.label}: {line.leak}."


def _prompt_notes(report: Report) -> list[str]:
    """Return the versions of the arena's prompts that the arms use."""
    by_version: dict[str, list[str]] = {}
    for arm, version in prompt_versions(report.experiment.spec).items():
        by_version.setdefault(version, []).append(arm)
    if len(by_version) == 1:
        return [f"Prompts of version {next(iter(by_version))} in all arms."]
    return [
        f"Prompts of version {version}: {', '.join(arms)}." for version, arms in sorted(by_version.items())
    ]


def _preset_notes(report: Report) -> list[str]:
    """Return which arms are played as a paper describes."""
    named = [arm for arm in report.experiment.spec.get("arms", ()) if arm.get("preset")]
    return [
        f"Arm {arm['name']}: as {arm['preset']}{', with prompts of its own' if arm.get('prompts') else ''}; "
        f"see docs/presets/{arm['preset']}.md for what still differs from the paper."
        f"{_unlike_preset(differences(arm, report.experiment.spec))}"
        for arm in named
    ]


def _unlike_preset(clauses: Sequence[str]) -> str:
    return f" Participants are not as it asks: {'; '.join(clauses)}." if clauses else ""


def _contrast_notes(report: Report) -> list[str]:
    """Return how contrasts are tested, and where a test is to be read with care."""
    tests = {item.test: item for item in report.contrasts if item.test}
    shown = {(item.first, item.second) for item in report.contrasts}
    silent = [pair for pair in map(tuple, report.experiment.spec.get("contrasts", ())) if pair not in shown]
    if silent:
        return [
            f"Contrast {first} less {second}: no verdict counts under either arm." for first, second in silent
        ]
    if not report.contrasts:
        return []
    found = [
        "Contrasts: on questions judged under both arms, paired by question, intervals clustered by passage, and by person where "
        "people judge; p is two-sided; p (Holm) is corrected over the contrasts that the file names, for each judge alone."
    ]
    found += [f"p by {test}; null hypothesis: {item.null}." for test, item in sorted(tests.items())]
    for item in report.contrasts:
        for clause in filter(None, (item.warning, item.fixed)):
            first, second, judge = report.contrast_names(item)
            found.append(f"{first} less {second}, {judge}: {clause}.")
    return found


def _people_notes(report: Report) -> list[str]:
    """Return for whom the figures of people hold."""
    pooled = [line for line in report.lines if line.cell and line.cell.people]
    if not pooled:
        return []
    counts = ", ".join(f"{line.cell.people} in {line.arm.arm}" for line in pooled if line.cell)
    found = [
        f"People: {counts}. Intervals and contrasts of people are for new passages and new people (clustered by passage and by "
        "person); beside them stand each person's figures and, as a check, a mixed logistic model with people and questions random."
    ]
    found += [
        f"{first} also judged as {', '.join(others)}: accounts with one recruiter's id or e-mail address count as one person."
        for first, others in report.accounts.items()
    ]
    found += _uneven(report)
    found += [
        f"{line.arm.arm}, {line.judge.label}: {line.cell.method}."
        for line in pooled
        if line.cell and line.cell.method == METHOD_ONE_JUDGE
    ]
    return found


MOST_OF_ONE = 0.3
"""Share of the verdicts under an arm from which on one person's are named, if it is also twice an even share."""


def _uneven(report: Report) -> list[str]:
    """Return who gave so many of the verdicts under an arm that the figures rest on fewer people than their number says."""
    groups: dict[Place, list[PersonFigures]] = {}
    for item in report.figures["people"]:
        groups.setdefault((item.arm, item.judge), []).append(item)
    found = []
    for (arm, judge), people in groups.items():
        most = max(people, key=lambda item: item.verdicts)
        share = most.verdicts / sum(item.verdicts for item in people)
        if share >= MOST_OF_ONE and share > 2 / len(people):
            found.append(
                f"{arm}, {judge}: {most.person} gave {share:.0%} of the verdicts of these {len(people)} people, so that figures and "
                "contrasts rest on fewer people than that."
            )
    return found


def _gap_notes(report: Report) -> list[str]:
    """Return the arms between which PGR is measured, and what was chosen among several."""
    measured = [line.cell for line in report.lines if line.cell and line.cell.pgr is not None]
    if not measured:
        return []
    floor, ceiling = measured[0].pgr_floor, measured[0].pgr_ceiling
    named = report.experiment.spec.get("pgr") or {}
    chosen = [
        f"{name} is the first of the {rules.name} arms {', '.join(several)}, since the file names none under pgr"
        for name, key, rules in ((floor, "floor", FLOOR), (ceiling, "ceiling", CEILING))
        if not named.get(key)
        and len(several := [arm.arm for arm in report.arms.values() if arm.protocol == rules.name]) > 1
    ]
    return [f"PGR is measured from {floor} to {ceiling}{''.join(f'; {clause}' for clause in chosen)}."]


def _knew(line: ReportRow) -> str:
    figure = line.accuracy_with_knowing
    also = "" if figure is None else f"; with them accuracy is {figure:.1%}"
    return (
        f"{line.arm.arm}, {line.judge.label}: {line.knew_story} verdicts of people who marked that they know the story, "
        f"or from talks in which such people judged or asked, are left out{also}."
    )
