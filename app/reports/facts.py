"""The recorded data of a report, read from the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import frames, verdicts
from app.records.difficulty import Difficulty, conceded_talks, difficulty
from app.records.fixed_answers import FixedAnswers, fixed_answers
from app.records.humans import first_names
from app.records.judging_costs import JudgingCost, judging_costs
from app.records.live import replaced_talks
from app.records.progress import FailureCount, failures
from app.records.prompt_sizes import CutPrompts, cut_prompts
from app.records.provenance import Provenance, provenance
from app.records.revisions import ChangedModel, changed_models
from app.records.side_words import no_words, side_words
from app.records.speech_counts import SpeechCount, preferences, speech_counts
from app.records.verdicts import ArmCount, JudgeCount
from app.report_choices import DEFAULT, Choices
from app.reports.leagues import leagues
from app.reports.verdict_table import Partners
from app.studies.exclusions import Sample, sample_of
from app.studies.looking import refuse_hidden
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
    replaced: Sequence[int] = ()
    """Hashes of the talks in which a participant went on for a person who left."""
    choices: Choices = DEFAULT
    """How the report is to be computed."""
    words: pl.DataFrame = field(default_factory=no_words)
    """As `app.records.side_words.side_words`, of the arms in which different participants may oppose each other."""
    costs: Mapping[str, JudgingCost] = field(default_factory=dict)
    """What a judging takes of a model, by the name of the judge."""
    spoken: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=frames.schema_of(frames.SPOKEN)))
    """As `app.records.frames.spoken_frame`."""
    fixed: FixedAnswers | None = None
    """The two answers that every question has, if they are the same."""
    sample: Sample = Sample()  # noqa: RUF009 - it is frozen
    """The people of studies, and which of them the figures leave out."""


async def facts(session: AsyncSession, experiment: Experiment, choices: Choices | None = None) -> Facts:
    """Read the data of a report. Raise OutcomesHidden while a study runs whose file does not allow looking."""
    await refuse_hidden(session, experiment.id)
    talks = await frames.talk_frame(session, experiment.id)
    rows = await frames.verdict_frame(session, experiment.id, talks)
    humans = await first_names(session, set(rows["person"].unique().to_list()) - {""})
    sample = await sample_of(session, experiment.id)
    return Facts(
        experiment=experiment,
        arms={count.arm: count for count in await verdicts.arm_counts(session, experiment.id)},
        judges=await verdicts.judge_counts(session, experiment.id),
        verdicts=frames.with_excluded(frames.with_people(rows, humans), sample.excluded),
        failures=await failures(session, experiment.id),
        talks=talks,
        marks=await frames.mark_frame(session, experiment.id),
        speeches=await speech_counts(session, experiment.id),
        preferences=await preferences(session, experiment.id),
        twins=await verdicts.twins(session, experiment.id),
        cut=await cut_prompts(session, experiment.id),
        changed=await changed_models(session, experiment.id),
        humans=humans,
        efforts=await frames.effort_frame(session, experiment.id),
        words=await side_words(session, experiment.id, _opposing(experiment)),
        costs=await judging_costs(session, experiment.id),
        spoken=await frames.spoken_frame(session, experiment.id),
        fixed=await fixed_answers(session, experiment.id),
        provenance=await provenance(session, experiment),
        difficulty=await difficulty(session, experiment.id),
        conceded=await conceded_talks(session, experiment.id),
        replaced=await replaced_talks(session, experiment.id),
        choices=choices or DEFAULT,
        sample=sample,
    )


def _opposing(experiment: Experiment) -> list[str]:
    """Return the arms of leagues."""
    return [name for league in leagues(experiment.spec.get("arms", ())) for name in league.names]
