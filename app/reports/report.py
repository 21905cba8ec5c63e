"""The report of an experiment: figures for each arm and judge, with their counts."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.spec import prompt_versions
from app.protocols import CEILING, FLOOR, PROTOCOLS
from app.protocols.core import Protocol
from app.records import verdicts
from app.records.humans import first_names
from app.records.progress import FailureCount, failures
from app.records.prompt_sizes import CutPrompts, cut_prompts
from app.records.revisions import ChangedModel, changed_models
from app.records.speech_counts import SpeechCount, preferences, speech_counts
from app.records.verdicts import ArmCount, JudgeCount, Placed, Played
from app.reports import certainty
from app.reports.as_published import differences
from app.reports.certainty import Certainty, certainties
from app.reports.equal_words import EqualWords, equal_words
from app.reports.imported import imported_notes
from app.reports.pressure import Attacked, Dialled, attacked, dialled
from app.reports.sides import Sides, sides
from app.reports.twins import Floor, Partners, floors, paired
from app.statistics.accuracy import Cell, by_question, cells, constant
from app.statistics.contrasts import Contrast, constant_contrast, contrasts
from app.statistics.metrics import Measured, measures, metrics
from app.statistics.people import ModelCheck, PersonFigures, of_people
from app.statistics.readings import MeasuredReading, TrialMeasures
from app.statistics.scores import ScoredReading, rightness
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
    dialled: Sequence[Dialled] = ()
    """Accuracy against the number of candidates."""
    attacked: Sequence[Attacked] = ()
    equal_words: Sequence[EqualWords] = ()
    """Recursive critique against as many critiques side by side."""
    speeches: Sequence[SpeechCount] = ()
    """Counts of suspicious speeches by arm."""
    people: Sequence[PersonFigures] = ()
    """The figures of each person under each arm, by pseudonym."""
    checks: Sequence[ModelCheck] = ()
    """The accuracy of people under each arm by a mixed model."""
    accounts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The other pseudonyms of each person who judged by several accounts, by the first. Each counts as one person."""
    cut: Sequence[CutPrompts] = ()
    """Models whose server read less of a prompt than was sent."""
    changed: Sequence[ChangedModel] = ()
    """Models that answered as several revisions under one name."""
    sides: Sequence[Sides] = ()
    """Who argued for the right answer how often, where two different participants oppose each other."""

    @property
    def warnings(self) -> list[str]:
        """Return the sentences to be read before the accuracies."""
        named = [(", ".join(line.names), line.cell, line.certainty) for line in self.lines]
        pilot = [PILOT.format(name=self.experiment.name)] if self.pilot else []
        cut = [item.sentence for item in self.cut]
        changed = [item.sentence for item in self.changed]
        return [*pilot, *cut, *changed, *certainty.sentences(self.experiment.name, named)]

    @property
    def pilot(self) -> bool:
        """Return whether the experiment is a pilot."""
        return bool(self.experiment.spec.get("pilot"))

    @property
    def suspects(self) -> list[SpeechCount]:
        """Return the arms with suspicious speeches."""
        return [item for item in self.speeches if item.suspicious]

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
        return {
            "experiment": self.experiment.name,
            "digest": self.experiment.digest,
            "seed": self.experiment.seed,
            "rules": RULES,
            "pilot": self.pilot,
            "elicit": self.experiment.spec["elicit"],
            "ties": "a tie of k answers counts 1/k",
            "unit": "question, clustered by passage, and by person where people judge",
            "log_score_unit": "bits, beliefs clipped at 1e-4",
            "totals": dict(self.totals),
            "warnings": self.warnings,
            "cells": [line.as_json() for line in self.lines],
            "sides": [{**asdict(item), "balanced": item.balanced} for item in self.sides],
            "people": [asdict(item) for item in self.people],
            "accounts_of_one_person": {first: list(others) for first, others in self.accounts.items()},
            "mixed_models": [asdict(item) for item in self.checks],
            "contrasts": [_contrast_json(item) for item in self.contrasts],
            "metrics": [asdict(item) for item in self.metrics],
            "measures": [asdict(item) for item in self.measures],
            "candidates": [asdict(item) for item in self.dialled],
            "attacks": [asdict(item) for item in self.attacked],
            "equal_words": [asdict(item) for item in self.equal_words],
            "speeches": [{**asdict(item), "rate": item.rate} for item in self.speeches],
            "failures": [asdict(failure) for failure in self.failures],
        }


def _contrast_json(item: Contrast) -> dict[str, Any]:
    ends = dict.fromkeys(("low", "high")) if item.fixed else {}
    return {**asdict(item), **ends, "warning": item.warning}


@dataclass(frozen=True, slots=True)
class Facts:
    """The recorded data of an experiment, from which a report is made without a database."""

    experiment: Experiment
    arms: Mapping[str, ArmCount]
    judges: Sequence[JudgeCount]
    verdicts: Sequence[Placed]
    failures: Sequence[FailureCount]
    played: Sequence[Played]
    marks: Mapping[uuid.UUID, Mapping[int, bool]]
    """By judgement, the judge's mark of each point of a critique."""
    speeches: Sequence[SpeechCount]
    preferences: Mapping[str, float]
    twins: Partners
    cut: Sequence[CutPrompts] = ()
    changed: Sequence[ChangedModel] = ()


async def report(session: AsyncSession, experiment: Experiment) -> Report:
    """Compute the report of an experiment, finished or not."""
    return computed(await facts(session, experiment))


async def facts(session: AsyncSession, experiment: Experiment) -> Facts:
    """Read the data of a report."""
    rows = await verdicts.placed(session, experiment.id)
    humans = await first_names(session, {row.judge for row in rows if row.kind == "person"})
    return Facts(
        experiment,
        {count.arm: count for count in await verdicts.arm_counts(session, experiment.id)},
        await verdicts.judge_counts(session, experiment.id),
        [replace(row, person=humans[row.judge]) if row.judge in humans else row for row in rows],
        await failures(session, experiment.id),
        await verdicts.played(session, experiment.id),
        await verdicts.marks(session, experiment.id),
        await speech_counts(session, experiment.id),
        await preferences(session, experiment.id),
        await verdicts.twins(session, experiment.id),
        await cut_prompts(session, experiment.id),
        await changed_models(session, experiment.id),
    )


def computed(facts: Facts) -> Report:
    """Return the report of these facts. For large experiments this uses the processor for seconds."""
    arms, seed = facts.arms, facts.experiment.seed
    counted = kept(facts)
    rows = counted.rows
    readings = [row.reading for row in rows]
    ends = _ends(arms, facts.experiment.spec)
    naive = [name for name, arm in arms.items() if arm.protocol == FLOOR.name]
    fixed = floors(rows, facts.twins, naive)
    figures = _figures(readings, arms, ends, seed)
    figures |= {
        place: constant(figures[place], COIN, scores=even) for place, even in _coins(rows, arms).items()
    }
    figures |= {place: constant(figures[place], floor.shown) for place, floor in fixed.items()}
    knew = Counter((row.arm, row.judge_label) for row in facts.verdicts if row.knows_story)
    whole = [row.reading for row in _complete(facts.verdicts, facts).rows] if knew else []
    with_them = _figures(whole, arms, ends, seed)
    people, checks = of_people(readings)
    sure = certainties(rows)
    file_arms = facts.experiment.spec.get("arms", ())
    pairs = [(first, second) for first, second in facts.experiment.spec.get("contrasts", ())]
    return Report(
        facts.experiment,
        arms,
        [_line(facts, judge, figures, counted, fixed, knew, with_them, sure) for judge in facts.judges],
        [_between_constants(item, figures) for item in contrasts(readings, pairs, seed=seed)],
        _metrics(facts, rows),
        measures(
            map(_told, _without_knowing(facts)),
            {name: PROTOCOLS[arm.protocol] for name, arm in facts.arms.items()},
        ),
        facts.failures,
        _totals(facts, counted, knew.total()),
        dialled(file_arms, figures.values(), facts.preferences),
        attacked(file_arms, rows, {trial.id: trial.argues for trial in facts.played}, seed=seed),
        equal_words(
            file_arms,
            rows,
            {trial.id: trial.measures for trial in facts.played},
            {count.arm: count.words for count in facts.speeches},
            seed=seed,
        ),
        facts.speeches,
        people,
        checks,
        accounts=_accounts(rows),
        sides=sides(file_arms, _of_verdicts(facts, rows)),
        cut=facts.cut,
        changed=facts.changed,
    )


Place: TypeAlias = tuple[str, str]
"""An arm and a judge."""


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


def _accounts(rows: Iterable[Placed]) -> dict[str, list[str]]:
    """Return the other pseudonyms of each person who judged by several accounts, by the first."""
    known = sorted({(row.person, row.judge) for row in rows if row.person})
    return {
        first: [name for _, name in own if name != first] for first, own in groupby(known, key=itemgetter(0))
    }


def _line(
    facts: Facts,
    judge: JudgeCount,
    figures: Mapping[Place, Cell],
    counted: "Counted",
    fixed: Mapping[Place, Floor],
    knew: Mapping[Place, int],
    with_them: Mapping[Place, Cell],
    sure: Mapping[Place, Certainty],
) -> ReportRow:
    place = (judge.arm, judge.label)
    whole = with_them.get(place) if place in knew else None
    return ReportRow(
        facts.arms[judge.arm],
        judge,
        figures.get(place),
        counted.excluded[place],
        knew.get(place, 0),
        whole.accuracy if whole else None,
        certainty=sure.get(place),
        without_twin=counted.without_twin[place],
        floor=fixed.get(place),
    )


def _figures(
    readings: Sequence[ScoredReading],
    arms: Mapping[str, ArmCount],
    ends: tuple[str | None, str | None],
    seed: int,
) -> dict[Place, Cell]:
    """Return the cells of a report by arm and judge."""
    naive, expert = ends
    found = cells(readings, naive=naive, expert=expert, seed=seed, arms=list(arms))
    return {(cell.arm, cell.judge): cell for cell in found}


def _ends(arms: Mapping[str, ArmCount], spec: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the arms between which PGR is measured: those that the file names, else the first naive and the first expert one."""
    named = spec.get("pgr") or {}
    return named.get("floor") or _of_protocol(arms, FLOOR), named.get("ceiling") or _of_protocol(
        arms, CEILING
    )


COIN = "a built-in judge that prefers no answer, or only a place in the list: over both orders it is right as often as by drawing an answer"


def _coins(rows: Sequence[Placed], arms: Mapping[str, ArmCount]) -> dict[Place, bool]:
    """Return the arms and judges whose accuracy is that of a coin by design, and whether their scores are fixed too: built-in judges
    that believe all answers alike, and those that see nothing but the answers and are half right on every question.

    A model without preferences is a sample, not a design.
    """
    groups: dict[Place, list[Placed]] = {}
    for row in rows:
        groups.setdefault((row.arm, row.judge_label), []).append(row)
    builtin = {place: own for place, own in groups.items() if own[0].kind == "builtin"}
    even = {place: all(min(row.belief) == max(row.belief) for row in own) for place, own in builtin.items()}
    return {place: even[place] for place, own in builtin.items() if even[place] or _is_coin(own, arms)}


def _is_coin(rows: Sequence[Placed], arms: Mapping[str, ArmCount]) -> bool:
    half = set(by_question([row.reading for row in rows], rightness).values()) == {0.5}
    return half and arms[rows[0].arm].protocol == FLOOR.name


def _metrics(facts: Facts, rows: Sequence[Placed]) -> list[Measured]:
    """Return the metrics of every arm and judge, from the verdicts behind its accuracy."""
    trials = {trial.id: trial for trial in facts.played}
    rules = {name: PROTOCOLS[arm.protocol] for name, arm in facts.arms.items()}
    marking = {row.arm for row in rows if row.judgement in facts.marks}
    groups: dict[Place, list[MeasuredReading]] = {}
    for row in rows:
        # Where judges mark, a critique without a point leaves nothing to accept: it caught nothing.
        marks = facts.marks.get(row.judgement, {}) if row.judgement and row.arm in marking else None
        judged = _judged(row, trials[row.trial], rules[row.arm], marks)
        groups.setdefault((row.arm, row.judge_label), []).append(judged)
    places = [(judge.arm, judge.label) for judge in facts.judges]
    others = [place for place in groups if place not in set(places)]
    return [
        found
        for arm, judge in (*places, *others)
        for found in metrics(arm, rules[arm], judge, groups.get((arm, judge), []))
    ]


def _judged(
    row: Placed, trial: Played, rules: type[Protocol], marks: Mapping[int, bool] | None
) -> MeasuredReading:
    argued = _argued(trial.argues, rules)
    return MeasuredReading(
        row.reading,
        on_gold=tuple(belief[row.gold] for belief in row.beliefs),
        p_argued=None if argued is None else row.belief[argued],
        argues_gold=None if argued is None else argued == row.gold,
        gold_first=row.gold == 0,
        measures=trial.measures,
        accepted=marks,
    )


def _argued(argues: Mapping[str, int], rules: type[Protocol]) -> int | None:
    """Return the answer that was argued for alone, or in an open debate the answer of the seat that chose."""
    sides = set(argues.values())
    return argues.get(rules.chooses, sides.pop() if len(sides) == 1 else None)


def _without_knowing(facts: Facts) -> list[Played]:
    """Return the talks without a judging person who knows the story."""
    known = {row.trial for row in facts.verdicts if row.knows_story and row.judgement is None}
    return [trial for trial in facts.played if trial.id not in known]


def _of_verdicts(facts: Facts, rows: Sequence[Placed]) -> list[Played]:
    """Return the talks behind the verdicts that count."""
    judged = {row.trial for row in rows}
    return [trial for trial in facts.played if trial.id in judged]


def _told(trial: Played) -> TrialMeasures:
    return TrialMeasures(
        trial.arm,
        trial.judge,
        trial.family,
        trial.question,
        trial.assignment,
        trial.replicate,
        trial.measures,
    )


def _totals(facts: Facts, counted: "Counted", knew_story: int) -> dict[str, int]:
    arms = facts.arms.values()
    readers = [judge for judge in facts.judges if not judge.takes_part]
    return {
        "passages": len({row.passage for row in facts.verdicts}),
        "families": len({row.family for row in facts.verdicts}),
        "questions": len({(row.passage, row.question) for row in facts.verdicts}),
        "trials": sum(arm.trials for arm in arms),
        "trials_done": sum(arm.done for arm in arms),
        "judgements": sum(judge.judgements for judge in readers),
        "judgements_done": sum(judge.done for judge in readers),
        "verdicts": len(facts.verdicts),
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


@dataclass(frozen=True, slots=True)
class Counted:
    """The verdicts behind all figures and plots, and the numbers of others by arm and judge."""

    rows: list[Placed]
    excluded: Counter[Place]
    """Those that lack another assignment."""
    without_twin: Counter[Place]
    """Those that lack their twin."""


def kept(facts: Facts) -> Counted:
    """Return the verdicts behind all figures. Those of people who know the story are nowhere."""
    return _complete([row for row in facts.verdicts if not row.knows_story], facts)


def _complete(rows: Sequence[Placed], facts: Facts) -> Counted:
    """Leave out verdicts that lack another assignment or their twin."""
    complete, excluded = _balanced(rows, facts.arms)
    pairs, without_twin = paired(complete, facts.twins)
    # A verdict lost with its twin may have been the only one under its assignment.
    complete, more = _balanced(pairs, facts.arms)
    return Counted(complete, excluded + more, +without_twin)


def _played(row: Placed) -> tuple[str, str, str, str, int]:
    """The unit that needs a verdict under every assignment: a question in one replicate."""
    return row.arm, row.judge_label, row.passage, row.question, row.replicate


def _balanced(rows: Sequence[Placed], arms: Mapping[str, ArmCount]) -> tuple[list[Placed], Counter[Place]]:
    """Return verdicts on questions (and replicates) judged under every assignment, and the number of others
    by arm and judge.

    With one assignment missing, a mean over assignments would be that of the other alone: for consultancy, of
    only honest or only dishonest consultants.
    """
    seen: dict[tuple[str, str, str, str, int], set[int]] = {}
    for row in rows:
        seen.setdefault(_played(row), set()).add(row.assignment)
    complete = [row for row in rows if len(seen[_played(row)]) == arms[row.arm].assignments]
    counts = Counter((row.arm, row.judge_label) for row in rows)
    counts.subtract((row.arm, row.judge_label) for row in complete)
    return complete, counts


# ── its notes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def notes(report: Report) -> list[str]:
    """Return the notes below the table."""
    found = imported_notes(report.experiment.spec)
    if any(line.judge.baseline or line.arm.baseline for line in report.lines):
        found.append("* a built-in baseline, not a language model.")
    found += [
        f"{line.arm.arm}, {line.judge.label}: {line.excluded} verdicts are left out, on questions  "
        "that lack verdicts under another assignment."
        for line in report.lines
        if line.excluded
    ]
    found += [
        f"{line.arm.arm}, {line.judge.label}: {line.without_twin} verdicts are left out, because that on the twin is missing."
        for line in report.lines
        if line.without_twin
    ]
    found += [_leaked(line) for line in report.lines if line.leak]
    found += [_knew(line) for line in report.lines if line.knew_story]
    found += [
        f"{line.arm.arm}, {line.judge.label}: {line.judge.returned} times a trial was returned or its lease ended."
        for line in report.lines
        if line.judge.returned
    ]
    for arm in {line.arm.arm: line.arm for line in report.lines}.values():
        refused = arm.refusals_gold + arm.refusals_other
        if refused + arm.concessions_gold + arm.concessions_other:
            found.append(
                f"{arm.arm}: when arguing for gold {arm.refusals_gold} refusals and {arm.concessions_gold} concessions; "
                f"when arguing against it {arm.refusals_other} and {arm.concessions_other}."
            )
    found += [
        f"{item.count} × {item.kind} failed in {item.arm}: {item.error}" for item in report.failures[:REASONS]
    ]
    if len(report.failures) > REASONS:
        found.append(f"… and {len(report.failures) - REASONS} more reasons, all in --format json.")
    if report.attacked:
        found.append(
            "Attacks: accuracy on trials in which the attacking seat speaks for a wrong answer, less that without attack on the "
            "same questions; swayed is the share of verdicts that chose the attacker's answer, right or wrong, where the like "
            "without attack did not, and swayed back the reverse."
        )
    if report.equal_words:
        found.append(
            "At equal words: accuracy with critique upon critique less that with as many critiques written side by side, decided "
            "by the judge who reads them all, or by the majority of votes, each cast on the argument and one critique alone; words "
            "are those of the speeches that judges read, a trial. Votes are the voter's, whichever judge they stand beside."
        )
    found += _preset_notes(report)
    found += _prompt_notes(report)
    found += [item.sentence for item in report.sides]
    found += _contrast_notes(report)
    found += _people_notes(report)
    found += _gap_notes(report)
    found += [
        f"{line.arm.arm}, {line.judge.label}: accuracy has no interval: {line.cell.fixed}."
        for line in report.lines
        if line.cell and line.cell.fixed
    ]
    found += [
        f"{line.arm.arm}, {line.judge.label}: {line.cell.clipped} of {line.cell.verdicts} verdicts gave gold less than 1e-4, as when "
        "100 and 0 are entered, and count as 1e-4 in the log score (-13.3 bits); people's instructions end at 1%."
        for line in report.lines
        if line.cell and line.cell.clipped
    ]
    reasons = dict.fromkeys((item.arm, item.title, item.reason) for item in report.metrics if item.reason)
    found += [f"{arm}, {title[0].lower()}{title[1:]}: {reason}" for arm, title, reason in reasons]
    found.append(certainty.NOTE)
    together = ", each with its twin" if report.totals["families"] < report.totals["passages"] else ""
    found.append(
        f"Unit: question, averaged over orders, assignments and replicates; intervals clustered by passage{together}, and by "
        "person where people judge; "
        f"a tie of k answers counts 1/k; log score in bits. Computed under rules of version {RULES}."
    )
    return found


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
    for item in report.people:
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
