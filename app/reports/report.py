"""The report of an experiment: the rows of every figure, with what is to be read before and after them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

import polars as pl
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.spec import prompt_versions
from app.judge_fields import KNOWS_STORY
from app.records.progress import FailureCount
from app.records.prompt_sizes import CutPrompts
from app.records.provenance import Provenance
from app.records.revisions import ChangedModel
from app.records.verdicts import ArmCount
from app.report_choices import DEFAULT, Choices, Replaced, Unit
from app.reports.answer import Answer, answer
from app.reports.as_published import differences
from app.reports.evidence import Evidence, evidence_of, knew_story, left_out
from app.reports.facts import Facts, facts
from app.reports.figures import certainty, every_figure
from app.reports.figures.accuracy import ACCURACY, ReportRow
from app.reports.figures.contrasts import CONTRASTS
from app.reports.figures.core import Figure
from app.reports.imported import imported_notes
from app.reports.methods import methods
from app.reports.written import starred
from app.statistics.contrasts import Contrast
from app.statistics.metrics import Measured
from app.studies.exclusions import Sample
from models import Experiment

RULES = 2
"""Version of the rules of figures. Since 2, intervals of people are for new people too, and p-values of flips are mid-p values."""

REASONS = 10
"""Number of reasons of failures printed below a table."""

PILOT = "{name} is a pilot: its figures are for its makers, and comparisons of experiments leave it out."


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report, or its quick part."""

    experiment: Experiment
    arms: Mapping[str, ArmCount]
    figures: Mapping[str, Sequence[Any]]
    """The rows of the figures of `app.reports.figures`, by name."""
    failures: Sequence[FailureCount]
    totals: Mapping[str, int]
    """Counts over all arms and judges: verdicts, and the states of trials and judgements."""
    pending: Sequence[str] = ()
    """Names of the figures that are not computed yet, or not wholly."""
    accounts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The other pseudonyms of each person who judged by several accounts, by the first. Each counts as one person."""
    cut: Sequence[CutPrompts] = ()
    """Models whose server read less of a prompt than was sent."""
    changed: Sequence[ChangedModel] = ()
    """Models that answered as several revisions under one name."""
    provenance: Provenance | None = None
    """What the methods section names beside."""
    choices: Choices = DEFAULT
    """How it was computed."""
    sample: Sample = Sample()  # noqa: RUF009 - it is frozen
    """The people of studies, and which of them the figures leave out."""

    @property
    def methods(self) -> list[dict[str, str]]:
        """Return the paragraphs of the methods section: `title` and `text`."""
        return [asdict(item) for item in methods(self, RULES)]

    @property
    def lines(self) -> Sequence[ReportRow]:
        """Return the accuracy of every arm and judge."""
        return self.figures["accuracy"]

    @property
    def contrasts(self) -> Sequence[Contrast]:
        """Return the contrasts, in the order of the experiment's file, for each judge."""
        return self.figures["contrasts"]

    @property
    def metrics(self) -> Sequence[Measured]:
        """Return the metrics of each arm's protocol, for each judge."""
        return self.figures["metrics"]

    @property
    def measures(self) -> Sequence[Measured]:
        """Return the measures of the talks, by arm."""
        return self.figures["measures"]

    @property
    def warnings(self) -> list[str]:
        """Return the sentences to be read before the accuracies."""
        named = [(", ".join(line.names), line.cell, line.certainty) for line in self.lines]
        pilot = [PILOT.format(name=self.experiment.name)] if self.pilot else []
        servers = [item.sentence for item in self.cut] + [item.sentence for item in self.changed]
        return [*self.choices.sentences, *pilot, *servers, *certainty.sentences(self.experiment.name, named)]

    @property
    def pilot(self) -> bool:
        """Return whether the experiment is a pilot."""
        return bool(self.experiment.spec.get("pilot"))

    def contrast_names(self, item: Contrast) -> tuple[str, str, str]:
        """Return both arms and the judge of a contrast, baselines starred."""
        (first, judge), (second, _) = (self.names(arm, item.judge) for arm in (item.first, item.second))
        return first, second, judge

    def names(self, arm: str, judge: str | None) -> tuple[str, str]:
        """Return an arm and a judge, baselines starred, with a dash for a figure that does not depend on a
        judge.
        """
        builtin = {line.judge.label for line in self.lines if line.judge.baseline}
        return starred(arm, self.arms[arm].baseline), starred(judge, judge in builtin) if judge else "–"

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON. The same data give the same bytes."""
        body = {
            "experiment": self.experiment.name,
            "digest": self.experiment.digest,
            "seed": self.experiment.seed,
            "rules": RULES,
            "pilot": self.pilot,
            "baselines_only": _baselines_only(self),
            "elicit": self.experiment.spec["elicit"],
            "ties": self.choices.tie,
            "unit": self.choices.averaged,
            **({"choices": self.choices.as_json()} if self.choices != DEFAULT else {}),
            "log_score_unit": "bits, beliefs clipped at 1e-4",
            "totals": dict(self.totals),
            "warnings": self.warnings,
            "accounts_of_one_person": {first: list(others) for first, others in self.accounts.items()},
            **{
                figure.json_key: [figure.as_json(row) for row in self.figures.get(figure.name, ())]
                for figure in every_figure()
                if figure.as_json
            },
            **({"studies": [asdict(study) for study in self.sample.studies]} if self.sample.studies else {}),
            "failures": [asdict(failure) for failure in self.failures],
            "methods": self.methods,
        }
        return {**body, "answer": answer(body).as_json()}

    @property
    def answer(self) -> Answer:
        """Return the answer in words, as JSON has it."""
        cells, contrasts = (
            [figure.as_json(row) for row in self.figures.get(figure.name, ()) if figure.as_json]
            for figure in (ACCURACY, CONTRASTS)
        )
        return answer(
            {
                "cells": cells,
                "contrasts": contrasts,
                "totals": self.totals,
                "pilot": self.pilot,
                "baselines_only": _baselines_only(self),
            }
        )


def _baselines_only(report: Report) -> bool:
    """Return whether all participants and judges are built-in baselines."""
    spec = report.experiment.spec
    cast = {name: given["kind"] for name, given in spec.get("participants", {}).items()}
    seated = {name for arm in spec.get("arms", ()) for name in arm.get("seats", {}).values()}
    return all(cast.get(name) == "builtin" for name in seated) and all(
        line.judge.baseline for line in report.lines
    )


# ── computing ───────────────────────────────────────────────────────────────────────────────────────────────────


Tell: TypeAlias = Callable[[str, int, int], None]
"""Is given the title of what is computed next, its number from 1, and how many there are."""


def silent(title: str, number: int, of: int) -> None:
    """Tell nothing of what is computed."""


async def report(
    session: AsyncSession,
    experiment: Experiment,
    tell: Tell = silent,
    *,
    choices: Choices | None = None,
    only: Collection[str] | None = None,
) -> Report:
    """Compute the report of an experiment, finished or not; `only` as for `completed`."""
    return computed(await facts(session, experiment, choices), tell, only)


def computed(facts: Facts, tell: Tell = silent, only: Collection[str] | None = None) -> Report:
    """Return the whole report of these facts. For large experiments this uses the processor for a minute."""
    evidence = evidence_of(facts)
    return completed(quick(evidence), evidence, tell, only)


def quick(evidence: Evidence, tell: Tell = silent) -> Report:
    """Return a report without what is resampled or fitted: PGR, p-values of flips, and slow figures."""
    facts = evidence.facts
    figures, found = [figure for figure in every_figure() if not figure.slow], {}
    for number, figure in enumerate(figures, start=1):
        tell(figure.title, number, len(figures))
        found[figure.name] = figure.rows(evidence)
    return Report(
        facts.experiment,
        facts.arms,
        found,
        facts.failures,
        _totals(evidence),
        pending=[figure.name for figure in every_figure() if figure.takes_long],
        accounts=_accounts(evidence),
        cut=facts.cut,
        changed=facts.changed,
        provenance=facts.provenance,
        choices=facts.choices,
        sample=facts.sample,
    )


def completed(
    report: Report, evidence: Evidence, tell: Tell = silent, only: Collection[str] | None = None
) -> Report:
    """Return a report of `quick` with what is resampled or fitted: all of it, or the figures of these names."""
    wanted = set(report.pending if only is None else only)
    figures = [figure for figure in every_figure() if figure.name in wanted.intersection(report.pending)]
    for number, figure in enumerate(figures, start=1):
        tell(figure.title, number, len(figures))
        report = with_figure(report, figure, evidence)
    return report


def with_figure(report: Report, figure: Figure[Any], evidence: Evidence) -> Report:
    """Return a report with one of its pending figures computed wholly."""
    known = report.figures.get(figure.name, ())
    rows = figure.finish(evidence, known) if figure.finish else figure.rows(evidence)
    pending = [name for name in report.pending if name != figure.name]
    return replace(report, figures={**report.figures, figure.name: rows}, pending=pending)


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


def _totals(evidence: Evidence) -> dict[str, int]:
    facts, counted = evidence.facts, evidence.counted
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
        "knew_story": int(facts.verdicts[KNOWS_STORY.name].sum()),
        **_people_left_out(evidence),
        "returned": sum(judge.returned for judge in facts.judges),
        "failures": sum(failure.count for failure in facts.failures),
        "refusals": sum(arm.refusals_gold + arm.refusals_other for arm in arms),
        "concessions": sum(arm.concessions_gold + arm.concessions_other for arm in arms),
        **({"replaced": len(facts.replaced)} if facts.replaced else {}),
    }


def _people_left_out(evidence: Evidence) -> dict[str, int]:
    """Return how many verdicts are of excluded people; nothing where no study recruited people."""
    facts = evidence.facts
    out = left_out(facts) & ~knew_story(facts)
    return {"excluded_people": int(out.sum())} if facts.sample.studies else {}


# ── its notes ───────────────────────────────────────────────────────────────────────────────────────────────────


def notes(report: Report) -> list[str]:
    """Return the notes below the tables: on the experiment, then on each figure."""
    baseline = any(line.judge.baseline or line.arm.baseline for line in report.lines)
    said = (figure.words(report.figures.get(figure.name, ())) for figure in every_figure() if figure.words)
    return [
        *imported_notes(report.experiment.spec),
        *(["* a built-in baseline, not a language model."] if baseline else []),
        *_failure_notes(report),
        *_replaced_notes(report),
        *_preset_notes(report),
        *_prompt_notes(report),
        *_silent_notes(report),
        *_account_notes(report),
        *(sentence for own in said for sentence in own),
        _unit_note(report),
    ]


def _failure_notes(report: Report) -> Iterator[str]:
    """Yield the most frequent reasons of failures."""
    for item in report.failures[:REASONS]:
        yield f"{item.count} × {item.kind} failed in {item.arm}: {item.error}"
    if len(report.failures) > REASONS:
        yield f"… and {len(report.failures) - REASONS} more reasons, all in --format json."


def _replaced_notes(report: Report) -> Iterator[str]:
    """Yield in how many talks a participant went on for a person."""
    if count := report.totals.get("replaced"):
        counted = "not counted" if report.choices.replaced is Replaced.LEFT_OUT else "counted"
        talks = "1 talk" if count == 1 else f"{count} talks"
        yield f"In {talks} a person left and a participant went on in the seat: {counted} (--replaced left-out leaves such talks out)."


def _preset_notes(report: Report) -> list[str]:
    """Return which arms are played as a paper describes."""
    named = [arm for arm in report.experiment.spec.get("arms", ()) if arm.get("preset")]
    return [
        f"Arm {arm['name']}: as {arm['preset']}{', with its own prompts' if arm.get('prompts') else ''}; "
        f"see docs/presets/{arm['preset']}.md for what still differs from the paper."
        f"{_unlike_preset(differences(arm, report.experiment.spec))}"
        for arm in named
    ]


def _unlike_preset(clauses: Sequence[str]) -> str:
    return f" Participants are not as it asks: {'; '.join(clauses)}." if clauses else ""


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


def _silent_notes(report: Report) -> Iterator[str]:
    """Yield the contrasts of the file that have no row."""
    shown = {(item.first, item.second) for item in report.contrasts}
    for first, second in report.experiment.spec.get("contrasts", ()):
        if (first, second) not in shown:
            yield f"Contrast {first} less {second}: no verdict counts under either arm."


def _account_notes(report: Report) -> Iterator[str]:
    """Yield which accounts are of one person."""
    for first, others in report.accounts.items():
        yield (
            f"{first} also judged as {', '.join(others)}: accounts with one recruiter's id or e-mail address count as one person."
        )


def _unit_note(report: Report) -> str:
    together = ", each with its twin" if report.totals["families"] < report.totals["passages"] else ""
    unit = (
        "verdict, each counting alike"
        if report.choices.unit is Unit.VERDICT
        else "question, averaged over orders, assignments and replicates"
    )
    return (
        f"Unit: {unit}; intervals clustered by passage{together}, and by "
        "person where people judge; "
        f"{report.choices.tie}; log score in bits. Computed under rules of version {RULES}."
    )
