"""One person's data: read and deleted by the person, by the researchers of their study, and by admins."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.languages import gettext as _
from app.languages import marked
from app.records import admin, enrolments, judge_quality, people, personal_data, studies
from app.records import own_data as copies
from app.services.looking import sight
from app.services.people import person_in_care
from app.services.refusal import Refused
from app.services.studies import may_see
from app.studies.exclusions import flags_of, why_excluded
from app.studies.spec import parse_study
from models import Account, Enrolment, Study
from models.kept import KEPT, Fate, Kept, Until, Whose

NO_PERSON = "There is no such person in a study of yours: see the people of the study."


@dataclass(frozen=True, slots=True)
class Person:
    """A person with the part that their account was made for, if it was made for one."""

    account: Account
    enrolment: Enrolment | None

    @property
    def deleted(self) -> bool:
        """Return whether their data are deleted."""
        return self.account.forgotten_at is not None and self.account.disabled_at is not None

    @property
    def due_at(self) -> datetime | None:
        """Return when data are deleted at the latest that they asked to be deleted; None where they did not."""
        asked = self.enrolment.deletion_asked_at if self.enrolment else None
        return None if asked is None else asked + personal_data.WAIT


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def oneself(db: AsyncSession, account: Account) -> Person:
    """Return the person who is signed in."""
    own = await db.get_one(Account, account.id)
    return Person(own, await enrolments.of_account(db, own.id))


async def of_study(db: AsyncSession, who: Account | None, name: str, part: uuid.UUID) -> Person:
    """Return a person of a study that an account sees; all of the command line. Raise Refused."""
    study = await studies.by_name(db, name)
    if study is None or not may_see(who, study):
        raise Refused(404, NO_PERSON)
    enrolment = await enrolments.by_id(db, part)
    if enrolment is None or enrolment.study_id != study.id:
        raise Refused(404, NO_PERSON)
    return Person(enrolment.account, enrolment)


async def in_care(db: AsyncSession, who: Account, identity: uuid.UUID) -> Person:
    """Return a judge or debater whom an account looks after. Raise Refused."""
    account = await person_in_care(db, who, identity)
    _refuse_researchers(account)
    return Person(account, await enrolments.of_account(db, account.id))


def _refuse_researchers(account: Account) -> None:
    if account.role not in admin.INVITED_BY_RESEARCHERS:
        raise Refused(
            409,
            "This is the account of a researcher or an admin, whose work is on record: close the account instead.",
        )


async def named(db: AsyncSession, name: str) -> Person:
    """Return the judge or debater of a pseudonym, or of the id of an account or a part. Raise Refused."""
    account = await personal_data.account_named(db, name)
    if account is None:
        raise Refused(
            404, f"There is no person {name}: give a pseudonym, such as person-1a2b3c4d, or the id of a part."
        )
    _refuse_researchers(account)
    return Person(account, await enrolments.of_account(db, account.id))


# ── a copy ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def copy_of(db: AsyncSession, person: Person, by: uuid.UUID | None) -> bytes:
    """Return all that is kept of a person as readable JSON.

    That others had it is noted. They get no outcomes that a running study hides; the person knows their own.
    """
    hidden: Mapping[uuid.UUID, str] = {}
    if by != person.account.id:
        hidden = await _hidden_outcomes(db, person, by)
        await people.note(db, by, "read the data of", "account", person.account.id)
    found = await copies.own_data(db, person.account, person.enrolment, hidden)
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def has_ended(enrolment: Enrolment) -> bool:
    """Return whether the study has ended for a person, whose copy then has what they did in trials."""
    return copies.has_ended(enrolment, enrolment.study)


async def _hidden_outcomes(db: AsyncSession, person: Person, by: uuid.UUID | None) -> Mapping[uuid.UUID, str]:
    """Return the experiments of a person whose outcomes others may not see now, and why; looks that are allowed are noted."""
    if person.enrolment is not None and not has_ended(person.enrolment):
        return {}  # The copy has no trial.
    who = None if by is None else await db.get_one(Account, by)
    seen = {
        experiment.id: await sight(db, who, experiment, "data of a person")
        for experiment in await copies.experiments_of(db, person.account.participant_id)
    }
    return {experiment: found.hidden for experiment, found in seen.items() if found.hidden}


def file_name(person: Person) -> str:
    """Return the name of the file of a copy."""
    return f"data-{str(person.account.id)[:8]}.json"


# ── deletion ────────────────────────────────────────────────────────────────────────────────────────────────────


async def delete_own(db: AsyncSession, person: Person) -> bool:
    """Delete a person's own data as they ask; False where it waits until they are paid.

    A part that goes on is withdrawn first.
    """
    _refuse_researchers(person.account)
    enrolment = person.enrolment
    if enrolment is not None:
        await personal_data.withdraw(db, enrolment)
        await _keep_exclusion(db, enrolment)
        if not await personal_data.is_settled(db, enrolment.id):
            await personal_data.ask_for_deletion(db, enrolment)
            return False
    await personal_data.erase(db, person.account, enrolment, person.account.id)
    return True


async def delete(db: AsyncSession, person: Person, by: uuid.UUID | None, *, unpaid: bool = False) -> bool:
    """Delete a person's data for a researcher or the command line; False where that was done before.

    Raise Refused where they are owed something, unless `unpaid` says that this is meant: without their ids no recruiter
    can pay them.
    """
    _refuse_researchers(person.account)
    enrolment = person.enrolment
    if enrolment is not None and enrolment.deleted_at is None and not unpaid:
        owed = enrolment.ended_as is not None and not await personal_data.is_settled(db, enrolment.id)
        if owed:
            raise Refused(
                409,
                "This person's work is not reviewed or not paid yet, and without their ids they cannot be paid: "
                "settle that first, or confirm that they are not to be paid by the arena.",
            )
    if enrolment is not None and enrolment.deleted_at is None:
        await _keep_exclusion(db, enrolment)
    return await personal_data.erase(db, person.account, enrolment, by)


async def _keep_exclusion(db: AsyncSession, enrolment: Enrolment) -> None:
    """Keep that the rules of the study leave a person out of the figures: after a deletion they find no words to go by."""
    if enrolment.excluded_at is not None:
        return
    spec = parse_study((await db.get_one(Study, enrolment.study_id)).spec)
    [part] = await judge_quality.parts_of(db, enrolment.study_id, [enrolment.id])
    if why := why_excluded(part, flags_of(part, spec), spec):
        await judge_quality.exclude(db, enrolment, f"by rule, kept at the deletion: {', '.join(why)}", None)


# ── what is kept ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line of the page on privacy."""

    what: str
    why: str
    until: str


@dataclass(frozen=True, slots=True)
class KeptPart:
    """Lines whose fate is the same when the data are deleted."""

    heading: str
    lines: Sequence[KeptLine]


HEADINGS: Mapping[Fate, str] = {
    Fate.REMOVED: marked("Removed when your data are deleted"),
    Fate.WITHOUT_WORDS: marked("Kept without your words"),
    Fate.STAYS: marked("Kept afterwards too"),
}


def kept_of(whose: Sequence[Whose], spec: Mapping[str, Any] | None = None) -> list[KeptPart]:
    """Return what is kept of these people, in parts, in the language that is spoken now; `spec`: the file of their study, if any."""
    until = None if spec is None else int(spec.get("keep_days", 365))
    return [
        KeptPart(
            _(heading), [_line(kept, until) for kept in KEPT if kept.whose in whose and kept.fate is fate]
        )
        for fate, heading in HEADINGS.items()
    ]


def _line(kept: Kept, days: int | None) -> KeptLine:
    until = Until.DELETED if kept.until is Until.IDS and days is None else kept.until
    return KeptLine(_(kept.what), _(kept.why), _(until.value).format(days=days))


WAIT_DAYS = personal_data.WAIT // timedelta(days=1)
