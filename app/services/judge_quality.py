"""A study's people on behalf of a researcher: what is known of them, excluding and taking back, giving back what they hold."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.records import assignment, judge_quality, payments, studies
from app.services.looking import sight
from app.services.paying import base_of
from app.services.refusal import Refused
from app.services.studies import identity, visible_study
from app.studies.people import Person, people_of
from app.studies.spec import StudySpec, parse_study
from models import Account, Enrolment, Study

MOST_REASON = 1000
"""Characters of the reason of an exclusion."""


@dataclass(frozen=True, slots=True)
class StudyPeople:
    """The people of a study, as an account may see them."""

    study: Study
    spec: StudySpec
    people: Sequence[Person]
    """In the order of joining."""
    hidden: str
    """Why outcomes are not shown; empty where they are."""
    bases: Mapping[uuid.UUID, int]
    """What each part is paid without a bonus, in hundredths."""


async def study_people(db: AsyncSession, who: Account | None, name: str) -> StudyPeople:
    """Return the people of a study. Raise Refused."""
    study = await visible_study(db, who, name)
    spec = parse_study(study.spec)
    hidden = ""
    for experiment in (await studies.experiments_of(db, spec.experiments)).values():
        hidden = hidden or (await sight(db, who, experiment, f"people of {name}")).hidden
    parts = await judge_quality.parts_of(db, study.id)
    bases = {part.id: base_of(spec, part) for part in await payments.parts(db, study.id)}
    return StudyPeople(study, spec, people_of(parts, spec, outcomes=not hidden), hidden, bases)


def person_of(found: StudyPeople, enrolment: uuid.UUID) -> Person:
    """Return one of the people. Raise Refused."""
    person = next((one for one in found.people if one.id == enrolment), None)
    if person is None:
        raise Refused(404, "There is no such person in this study.")
    return person


async def exclude(
    db: AsyncSession, who: Account | None, name: str, enrolment: uuid.UUID, reason: str
) -> None:
    """Leave a person out of the figures, for a reason. It rejects no submission. Raise Refused."""
    part = await _part(db, who, name, enrolment)
    await judge_quality.exclude(db, part, _reason(reason), identity(who))


async def take_back(
    db: AsyncSession, who: Account | None, name: str, enrolment: uuid.UUID, reason: str
) -> None:
    """Take a researcher's exclusion back, for a reason; rules of the file stay as they are. Raise Refused."""
    part = await _part(db, who, name, enrolment)
    await judge_quality.take_back(db, part, _reason(reason), identity(who))


async def release(db: AsyncSession, who: Account | None, name: str, enrolment: uuid.UUID) -> None:
    """Give what a person has in hand to others; what they have done stays. Raise Refused."""
    part = await _part(db, who, name, enrolment)
    account = await db.get_one(Account, part.account_id)
    if account.participant_id is not None:
        await assignment.release(db, account, "released", also_done=False)
    await judge_quality.note_release(db, part, identity(who))


async def _part(db: AsyncSession, who: Account | None, name: str, enrolment: uuid.UUID) -> Enrolment:
    study = await visible_study(db, who, name)
    found = await judge_quality.find_part(db, study.id, enrolment, lock=True)
    if found is None:
        raise Refused(404, "There is no such person in this study.")
    return found


def _reason(given: str) -> str:
    reason = " ".join(given.split())
    if not reason:
        raise Refused(422, "Write the reason: it is kept on the trail, and the report names it.")
    if len(reason) > MOST_REASON:
        raise Refused(422, f"The reason may have {MOST_REASON:,} characters: shorten it.")
    return reason
