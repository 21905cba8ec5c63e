"""Which people of studies the figures of an experiment leave out, and by which rule: fixed in the study's file before it opened."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from app.records.judge_quality import Part, Released, parts_of, released, studies_of
from app.studies.flags import Raised, excluding, raised, rule_in_words
from app.studies.spec import StudySpec, parse_study

BY_HAND = "by a researcher"
"""The reason where no rule but a researcher leaves a person out."""


@dataclass(frozen=True, slots=True)
class StudySample:
    """The people of a study, as far as a report speaks of them."""

    name: str
    rules: Sequence[str]
    """The rules of exclusion in words, in the order of the file."""
    ends: Mapping[str, int]
    """How many people's parts ended how; `under way` for those who take part."""
    excluded: Mapping[str, str]
    """By pseudonym: the rules by which the figures leave the person out, divided by commas."""
    reasons: Sequence[str]
    """What a researcher wrote of those left out by hand."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The people of all studies that judged in an experiment."""

    studies: Sequence[StudySample] = ()
    released: Sequence[Released] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)
    """By pseudonym: why the figures leave the person out."""


def why_excluded(part: Part, flags: Sequence[Raised], spec: StudySpec) -> list[str]:
    """Return why the figures leave a person out: names of flags with a rule, and `BY_HAND`; empty where they do not."""
    by_rule = [str(flag) for flag in excluding(flags, spec.exclude)]
    return [*by_rule, *([BY_HAND] if part.enrolment.excluded_at is not None else [])]


def flags_of(part: Part, spec: StudySpec) -> list[Raised]:
    """Return the flags of a person in a study."""
    return raised([trial.work for trial in part.trials], part.items, spec.checks)


async def sample_of(session: AsyncSession, experiment: uuid.UUID) -> Sample:
    """Return the people of studies that judged in an experiment, and which of them its figures leave out."""
    studies = await studies_of(session, experiment)
    if not studies:
        return Sample()
    found = [
        _sample(study.name, parse_study(study.spec), await parts_of(session, study.id)) for study in studies
    ]
    excluded = {name: why for study in found for name, why in study.excluded.items()}
    return Sample(found, await released(session, experiment), excluded)


def _sample(name: str, spec: StudySpec, parts: Sequence[Part]) -> StudySample:
    left = {
        part.person: ", ".join(why)
        for part in parts
        if (why := why_excluded(part, flags_of(part, spec), spec))
    }
    return StudySample(
        name,
        rules=[rule_in_words(rule, spec.checks) for rule in spec.exclude],
        ends=dict(Counter(part.enrolment.ended_as or "under way" for part in parts)),
        excluded=left,
        reasons=[part.enrolment.excluded_because for part in parts if part.enrolment.excluded_because],
    )
