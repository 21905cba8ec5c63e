"""Coming into a study: by the recruiter's link as a newcomer, or again from another browser or device.

A recruiter's id is a claim. What a person who comes back must bring besides is decided by `app.studies.entry.proof`.
"""

import asyncio
import unicodedata
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from argon2.exceptions import VerificationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import enrolments, people
from app.records.database import Database
from app.records.enrolments import Newcomer, TakenSubmission
from app.services.participation import spec_of, time_limit
from app.services.passwords import hasher
from app.services.recruitment import has_api
from app.studies.entry import Proof, Shut, proof, shut
from models import Enrolment, Study

TRIES_AN_HOUR = 20
"""Words that may be tried for one person."""
LONGEST_WORD = 100


@dataclass(frozen=True, slots=True)
class Coming:
    """A person who comes by a study's link, and what they say of themselves."""

    recruiter: str
    """`prolific`, `mturk` or `link`."""
    recruiters_id: str
    submission: str
    name: str
    """What they typed; the recruiter's id where there is one."""
    word: str
    language: str = "en"
    """Of the pages that they are shown first."""

    @property
    def known_by(self) -> str:
        """Return by what they are known when they come back."""
        return self.recruiters_id or (enrolments.named(self.name) if self.name else "")


class NotIn(Exception):
    """They do not come in: `problem` says why, as a word that the page has a sentence for."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


async def shut_now(db: AsyncSession, study: Study) -> Shut | None:
    """Return why no one can join now; None where newcomers can. Those whose time is over give back their places first."""
    spec = spec_of(study)
    await enrolments.end_overdue(db, study.id)
    room = await enrolments.has_room(db, study.id, wanted=spec.people, trials=spec.trials)
    return shut(study.state, spec, datetime.now(UTC), room=room)


async def enter(database: Database, study_id: uuid.UUID, coming: Coming) -> str:
    """Let a person in, as a newcomer or again; return the token of their session. Raise NotIn."""
    token = None
    while token is None:
        async with database.session() as db:
            known = await enrolments.of_person(db, study_id, coming.known_by)
            submissions = await enrolments.submissions_of(db, known.id) if known else set()
        if known is None:
            token = await _newcomer(database, study_id, coming)
        else:
            await _check(database, known, submissions, coming)
            token = await _session(database, known)
    return token


# ── again ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _check(database: Database, known: Enrolment, submissions: Collection[str], coming: Coming) -> None:
    """Raise NotIn unless they bring what proves them the same."""
    if known.deleted_at is not None or known.account.disabled_at is not None:
        raise NotIn("gone")
    needed = proof(known.word_hash is not None, min(submissions, default=""))
    if needed is Proof.SUBMISSION and coming.submission not in submissions:
        raise NotIn("other submission")
    if needed is Proof.WORD:
        if not coming.word:
            raise NotIn("word wanted")
        async with database.session.begin() as db:
            within = await people.within_limit(db, f"word/{known.id}", TRIES_AN_HOUR, seconds=3600)
        if not within:
            raise NotIn("too many words")
        if not await asyncio.to_thread(_matches, known.word_hash or "", coming.word):
            raise NotIn("wrong word")


async def _session(database: Database, known: Enrolment) -> str:
    async with database.session.begin() as db:
        await people.note(db, known.account_id, "signed in", "enrolment", known.id)
        return await people.open_session(db, known.account_id)


def plain_word(word: str) -> str:
    """Return a word as it is compared: in one case and form, without blanks around it."""
    return " ".join(unicodedata.normalize("NFKC", word).casefold().split())


def _hashed(word: str) -> str:
    return hasher.hash(plain_word(word))


def _matches(known: str, word: str) -> bool:
    try:
        return hasher.verify(known, plain_word(word))
    except VerificationError:
        return False


# ── newcomers ───────────────────────────────────────────────────────────────────────────────────────────────────


async def _newcomer(database: Database, study_id: uuid.UUID, coming: Coming) -> str | None:
    """Give a newcomer a place; None where they have just come in by another request."""
    # Outside of any transaction: hashing is slow on purpose.
    word = await asyncio.to_thread(_hashed, coming.word) if plain_word(coming.word) else None
    if not coming.recruiters_id and word is None:
        raise NotIn("word needed")
    async with database.session.begin() as db:
        await enrolments.lock(db, study_id)
        study = await db.get_one(Study, study_id)
        if await enrolments.of_person(db, study_id, coming.known_by) is not None:
            return None
        if (why := await shut_now(db, study)) is not None:
            raise NotIn(f"shut {why}")
        enrolment = await _join(db, study, coming, word)
        enrolment.language = coming.language
        return await people.open_session(db, enrolment.account_id)


async def _join(db: AsyncSession, study: Study, coming: Coming, word: str | None) -> Enrolment:
    spec = spec_of(study)
    newcomer = Newcomer(
        recruiter=coming.recruiter,
        recruiters_id=coming.recruiters_id,
        submission=coming.submission,
        name=coming.recruiters_id or coming.name,
        known_by=coming.known_by,
        word_hash=word,
        listed=has_api(spec),
    )
    try:
        joined = await enrolments.join(
            db,
            study,
            newcomer,
            role=spec.role,
            wanted=spec.people,
            trials=spec.trials,
            page=spec.path[0],
            time_limit=time_limit(spec),
        )
    except TakenSubmission as error:
        raise NotIn("other submission") from error
    if joined is None:
        raise NotIn(f"shut {Shut.FULL}")
    return joined
