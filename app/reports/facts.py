"""The recorded data of a report, read from the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import frames, verdicts
from app.records.difficulty import Difficulty, conceded_talks, difficulty
from app.records.humans import first_names
from app.records.progress import FailureCount, failures
from app.records.prompt_sizes import CutPrompts, cut_prompts
from app.records.provenance import Provenance, provenance
from app.records.revisions import ChangedModel, changed_models
from app.records.speech_counts import SpeechCount, preferences, speech_counts
from app.records.verdicts import ArmCount, JudgeCount
from app.reports.choices import DEFAULT, Choices
from app.reports.verdict_table import Partners
from models import Experiment


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """The recorded data of an experiment, from which a report is made without a database."""

    experiment: Experiment
    arms: Mapping[str, ArmCount]
    judges: Sequence[JudgeCount]
    verdicts: pl.DataFrame
    """As `app.records.frames.verdict_frame`."""
    failures: Sequence[FailureCount]
    talks: pl.DataFrame
    """As `app.records.frames.talk_frame`."""
    marks: pl.DataFrame
    """As `app.records.frames.mark_frame`."""
    speeches: Sequence[SpeechCount]
    preferences: Mapping[str, float]
    twins: Partners
    cut: Sequence[CutPrompts] = ()
    changed: Sequence[ChangedModel] = ()
    humans: Mapping[str, str] = field(default_factory=dict)
    """The first pseudonym of each person who judged by several accounts, by pseudonym."""
    efforts: pl.DataFrame = field(default_factory=frames.no_efforts)
    """As `app.records.frames.effort_frame`."""
    provenance: Provenance | None = None
    """What the methods section names beside; None in a report of nothing recorded."""
    difficulty: Difficulty = Difficulty()  # noqa: RUF009 - it is frozen
    conceded: Sequence[int] = ()
    """Hashes of the talks with a concession."""
    choices: Choices = DEFAULT
    """How the report is to be computed."""


async def facts(session: AsyncSession, experiment: Experiment, choices: Choices | None = None) -> Facts:
    """Read the data of a report."""
    talks = await frames.talk_frame(session, experiment.id)
    rows = await frames.verdict_frame(session, experiment.id, talks)
    humans = await first_names(session, set(rows["person"].unique().to_list()) - {""})
    return Facts(
        experiment,
        {count.arm: count for count in await verdicts.arm_counts(session, experiment.id)},
        await verdicts.judge_counts(session, experiment.id),
        frames.with_people(rows, humans),
        await failures(session, experiment.id),
        talks,
        await frames.mark_frame(session, experiment.id),
        await speech_counts(session, experiment.id),
        await preferences(session, experiment.id),
        await verdicts.twins(session, experiment.id),
        await cut_prompts(session, experiment.id),
        await changed_models(session, experiment.id),
        humans,
        await frames.effort_frame(session, experiment.id),
        await provenance(session, experiment),
        await difficulty(session, experiment.id),
        await conceded_talks(session, experiment.id),
        choices or DEFAULT,
    )
