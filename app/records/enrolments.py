"""People's parts in studies: joining, the page they are on, what they answered, and how it ended.

Places are counted under a lock on the study, so that two people who join at once cannot both have the last one.
"""

import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Uuid, and_, bindparam, delete, func, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from app.records import assignment, people
from app.records.live import NO_PARTNER
from app.records.people import note
from app.records.plays import IN_PLAY
from models import (
    Account,
    Draft,
    Enrolment,
    Playing,
    SeatRow,
    Study,
    StudyStep,
    Submission,
    study_experiment,
)
from models.ends import COUNTED

TAKES_A_PLACE = or_(Enrolment.ended_as.is_(None), Enrolment.ended_as.in_(COUNTED))


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A person who comes by a study's link."""

    recruiter: str
    recruiters_id: str
    """The recruiter's id of the person; empty where there is none. A claim."""
    submission: str
    """The recruiter's id of the submission; empty where there is none."""
    name: str
    """What they call themselves; the recruiter's id where there is one."""
    known_by: str = ""
    """By what they are known when they come back: the recruiter's id, or else `named` of their name."""
    word_hash: str | None = None
    """Hash of the word that they chose."""
    listed: bool = False
    """Whether the recruiter is asked whose a submission is, so that no claim shuts another person out."""


def named(name: str) -> str:
    """Return by what a person is known who typed a name, in a study without a recruiter."""
    return f"name/{' '.join(name.casefold().split())}"


async def person_key(session: AsyncSession, study: uuid.UUID, known_by: str) -> bytes:
    """Return a keyed digest of a recruiter's id (or of `named`) in a study; a random one where there is no id."""
    if not known_by:
        return secrets.token_bytes(32)
    key = await people.signing_key(session)
    return hmac.digest(key, f"study/{study}/{known_by}".encode(), "sha256")


async def of_person(session: AsyncSession, study: uuid.UUID, known_by: str) -> Enrolment | None:
    """Return the part of the person with this recruiter's id (or `named`) in a study, with its account."""
    if not known_by:
        return None
    key = await person_key(session, study, known_by)
    return (
        await session.scalars(_PARTS.where(Enrolment.study_id == study, Enrolment.person_key == key))
    ).one_or_none()


async def of_account(session: AsyncSession, account: uuid.UUID, *, lock: bool = False) -> Enrolment | None:
    """Return the part that an account was made for, with account and study."""
    found = _PARTS.where(Enrolment.account_id == account)
    return (
        await session.scalars(found.with_for_update(of=Enrolment, key_share=True) if lock else found)
    ).one_or_none()


async def by_id(session: AsyncSession, identity: uuid.UUID) -> Enrolment | None:
    """Return a part by its id, with account and study."""
    return (await session.scalars(_PARTS.where(Enrolment.id == identity))).one_or_none()


_PARTS = (
    select(Enrolment)
    .join(Enrolment.account)
    .join(Enrolment.study)
    .options(contains_eager(Enrolment.account), contains_eager(Enrolment.study))
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """The language of a participant's pages, and those among which they may choose."""

    language: str
    offered: tuple[str, ...]


_SPOKEN = (
    select(Enrolment.language, Study.spec["languages"])
    .join(Study, Study.id == Enrolment.study_id)
    .where(Enrolment.account_id == bindparam("account", type_=Uuid()))
)


async def spoken(session: AsyncSession, account: uuid.UUID) -> Spoken | None:
    """Return the language of the participant with this account; None for others."""
    row = (await session.execute(_SPOKEN, {"account": account})).one_or_none()
    return None if row is None else Spoken(row[0], tuple(row[1] or ("en",)))


async def choose_language(session: AsyncSession, account: uuid.UUID, language: str) -> None:
    """Keep the language that a participant chose."""
    await session.execute(update(Enrolment).where(Enrolment.account_id == account).values(language=language))


async def places_taken(session: AsyncSession, study: uuid.UUID) -> int:
    """Return how many places of a study are taken: by people who take part, and by those whose verdicts count."""
    found = select(func.count()).where(Enrolment.study_id == study, TAKES_A_PLACE)
    return int(await session.scalar(found) or 0)


async def join(
    session: AsyncSession,
    study: Study,
    newcomer: Newcomer,
    *,
    role: str,
    wanted: int,
    trials: int,
    page: str,
    time_limit: timedelta | None,
) -> Enrolment | None:
    """Give a newcomer a place, with an account for this study alone; None where no place or too few trials are left for them.

    Raise TakenSubmission.
    """
    await lock(session, study.id)
    taken = bool(newcomer.submission) and await _is_taken(session, newcomer)
    if taken and not newcomer.listed:
        raise TakenSubmission
    if not await has_room(session, study.id, wanted=wanted, trials=trials):
        return None
    async with session.begin_nested() as tried:
        enrolment = await _enrol(session, study, newcomer, role, trials, time_limit, taken=taken)
        account = enrolment.account
        # What was shown to the same human under other accounts counts too, so that it may be less than is free.
        if await assignment.to_come(session, await people.participant_of(session, account), role) < trials:
            await tried.rollback()
            return None
        await turn_to(session, enrolment, page)
    await note(session, account.id, "joined", "study", study.id)
    return await of_account(session, account.id)


class TakenSubmission(Exception):
    """Another person has joined with this submission."""


async def lock(session: AsyncSession, study: uuid.UUID) -> None:
    """Let those who join a study wait for each other, until the transaction ends."""
    await session.execute(select(Study.id).where(Study.id == study).with_for_update(key_share=True))


async def has_room(session: AsyncSession, study: uuid.UUID, *, wanted: int, trials: int) -> bool:
    """Return whether there is a place, and as many trials as are promised."""
    if await places_taken(session, study) >= wanted:
        return False
    return await _trials_free(session, study) >= trials


async def _is_taken(session: AsyncSession, newcomer: Newcomer) -> bool:
    found = select(Submission.enrolment_id).where(
        Submission.recruiter == newcomer.recruiter, Submission.recruiters_id == newcomer.submission
    )
    return (await session.scalars(found)).first() is not None


async def _enrol(
    session: AsyncSession,
    study: Study,
    newcomer: Newcomer,
    role: str,
    trials: int,
    time_limit: timedelta | None,
    *,
    taken: bool,
) -> Enrolment:
    """Make account, part and submission; the part is on its trials. `taken`: another came with this submission."""
    account = Account(
        id=uuid.uuid4(),
        name=newcomer.name,
        role=role,
        recruiter_id=newcomer.recruiters_id or None,
        for_study=True,
        instructed_at=func.now(),
    )
    session.add(account)
    await session.flush()
    enrolment = Enrolment(
        id=uuid.uuid4(),
        study_id=study.id,
        account=account,
        person_key=await person_key(session, study.id, newcomer.known_by or newcomer.recruiters_id),
        seed=secrets.randbits(62),
        word_hash=newcomer.word_hash,
        promised=trials,
        page="trials",
        expires_at=None if time_limit is None else datetime.now(UTC) + time_limit,
    )
    session.add(enrolment)
    await session.flush()
    session.add(
        Submission(
            enrolment_id=enrolment.id,
            recruiter=newcomer.recruiter,
            recruiters_id=None if taken else newcomer.submission or None,
            claimed=newcomer.submission if taken else None,
        )
    )
    await session.flush()
    return enrolment


async def submissions_of(session: AsyncSession, enrolment: uuid.UUID) -> set[str]:
    """Return the ids of submissions that a person came with, and that the recruiter lists under their own id."""
    found = select(Submission.recruiters_id, Submission.claimed).where(Submission.enrolment_id == enrolment)
    row = (await session.execute(found)).one_or_none()
    return set() if row is None else {known for known in row if known}


async def _trials_free(session: AsyncSession, study: uuid.UUID) -> int:
    """Return how many trials can be promised: those that no one has, less those promised to others and not taken yet."""
    free = (
        select(func.count())
        .select_from(SeatRow)
        .join(Playing, Playing.id == SeatRow.play_id)
        .join(study_experiment, study_experiment.c.experiment_id == Playing.experiment_id)
        .join(Study, Study.id == study_experiment.c.study_id)
        .where(
            Study.id == study,
            SeatRow.state == "open",
            SeatRow.role == func.coalesce(Study.spec["role"].astext, "judge"),
            or_(Playing.kind == "judging", Playing.state.in_(IN_PLAY)),
        )
    )
    promised = select(func.coalesce(func.sum(Enrolment.promised), 0)).where(
        Enrolment.study_id == study, Enrolment.ended_as.is_(None)
    )
    taken = (
        select(func.count())
        .select_from(SeatRow)
        .join(Account, Account.participant_id == SeatRow.participant_id)
        .join(Enrolment, Enrolment.account_id == Account.id)
        .where(
            Enrolment.study_id == study,
            Enrolment.ended_as.is_(None),
            SeatRow.state.in_(assignment.TAKEN),
        )
    )
    counts = [int(await session.scalar(each) or 0) for each in (free, promised, taken)]
    return counts[0] - counts[1] + counts[2]


WAS_DONE = or_(
    SeatRow.state == "done",
    and_(SeatRow.state == "waiting", Playing.kind == "talk", Playing.state == "failed"),
)
"""Whether a seat counts as done for its person, and is paid."""


async def trials_done(session: AsyncSession, enrolment: Enrolment) -> int:
    """Return how many of the promised trials a person has done; a talk that failed counts, since it was not their fault."""
    found = (
        select(func.count())
        .select_from(SeatRow)
        .join(Playing, Playing.id == SeatRow.play_id)
        .join(Account, Account.participant_id == SeatRow.participant_id)
        .where(Account.id == enrolment.account_id, WAS_DONE)
    )
    return int(await session.scalar(found) or 0)


async def trials_returned(session: AsyncSession, enrolment: Enrolment) -> int:
    """Return how many trials a person has had and has no more: given back, or left for too long. One for which no partner
    came does not count.
    """
    found = (
        select(func.count())
        .select_from(SeatRow)
        .join(Account, Account.participant_id == SeatRow.participant_id)
        .where(
            Account.id == enrolment.account_id,
            SeatRow.state == "returned",
            not_(SeatRow.flags.has_key(NO_PARTNER)),
        )
    )
    return int(await session.scalar(found) or 0)


# ── pages and answers ───────────────────────────────────────────────────────────────────────────────────────────


async def show(
    session: AsyncSession, enrolment: Enrolment, page: str, item: str = "", attempt: int = 1
) -> None:
    """Note that a page or an item was shown; the first time counts."""
    row = {"enrolment_id": enrolment.id, "page": page, "item": item, "attempt": attempt}
    await session.execute(insert(StudyStep).values(row).on_conflict_do_nothing())
    enrolment.last_seen_at = func.now()


async def step_of(
    session: AsyncSession, enrolment: uuid.UUID, page: str, item: str = "", attempt: int = 1
) -> StudyStep | None:
    """Return the step of a page or an item, if it was shown."""
    found = select(StudyStep).where(
        StudyStep.enrolment_id == enrolment,
        StudyStep.page == page,
        StudyStep.item == item,
        StudyStep.attempt == attempt,
    )
    return (await session.scalars(found)).one_or_none()


async def step_at(
    session: AsyncSession, account: uuid.UUID, address: uuid.UUID, *, lock: bool = False
) -> StudyStep | None:
    """Return the item of a person's own that has this address."""
    found = (
        select(StudyStep)
        .join(Enrolment, Enrolment.id == StudyStep.enrolment_id)
        .where(Enrolment.account_id == account, StudyStep.address == address, StudyStep.item != "")
    )
    return (await session.scalars(found.with_for_update(of=StudyStep) if lock else found)).one_or_none()


async def answer(
    session: AsyncSession,
    enrolment: Enrolment,
    page: str,
    answers: Mapping[str, Any],
    *,
    item: str = "",
    attempt: int = 1,
    passed: bool | None = None,
    effort: Mapping[str, Any] | None = None,
) -> bool:
    """Store what a person answered on a page or an item, once; False where that was done before."""
    await show(session, enrolment, page, item, attempt)
    step = (
        StudyStep.enrolment_id == enrolment.id,
        StudyStep.page == page,
        StudyStep.item == item,
        StudyStep.attempt == attempt,
        StudyStep.submitted_at.is_(None),
    )
    given: dict[str, Any] = {"answers": dict(answers), "passed": passed, "draft": {}}
    if effort is not None:
        given["effort"] = dict(effort)
    stored = await session.execute(
        update(StudyStep)
        .where(*step)
        .values(submitted_at=func.now(), **given)
        .returning(StudyStep.id)
        .execution_options(synchronize_session=False)
    )
    return stored.first() is not None


async def steps(session: AsyncSession, enrolment: uuid.UUID, page: str | None = None) -> list[StudyStep]:
    """Return what a person was shown and answered, on one page or on all, in that order."""
    found = select(StudyStep).where(StudyStep.enrolment_id == enrolment).order_by(StudyStep.id)
    # `answer` writes past the objects of the session.
    found = found.execution_options(populate_existing=True)
    return list((await session.scalars(found if page is None else found.where(StudyStep.page == page))).all())


async def turn_to(session: AsyncSession, enrolment: Enrolment, page: str) -> None:
    """Put a person on a page."""
    enrolment.page, enrolment.last_seen_at = page, func.now()
    await session.flush()


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def end(session: AsyncSession, enrolment: Enrolment, how: str) -> bool:
    """End a person's part, once; False where it had ended before.

    What they have in hand goes back to the others; unless the end counts, so does what they have judged.
    """
    ended = await session.execute(
        update(Enrolment)
        .where(Enrolment.id == enrolment.id, Enrolment.ended_as.is_(None))
        .values(ended_as=how, ended_at=func.now())
        .returning(Enrolment.id)
        .execution_options(synchronize_session=False)
    )
    if ended.first() is None:
        return False
    await session.refresh(enrolment, ["ended_as", "ended_at"])
    account = await session.get_one(Account, enrolment.account_id)
    if account.participant_id is not None:
        await assignment.release(session, account, how, also_done=how not in COUNTED)
    await note(session, account.id, how, "enrolment", enrolment.id)
    return True


async def agree(session: AsyncSession, enrolment: Enrolment, text: int | None) -> None:
    """Store that a person consented to a version of the text, the first time."""
    if enrolment.consented_at is None:
        enrolment.consent_text_id, enrolment.consented_at = text, func.now()
        await session.flush()
        await note(session, enrolment.account_id, "consented", "enrolment", enrolment.id, {"text": text})


async def forget_answers(session: AsyncSession, enrolment: Enrolment) -> None:
    """Delete what a person answered on pages and items, and what they entered for trials and did not submit."""
    await session.execute(delete(StudyStep).where(StudyStep.enrolment_id == enrolment.id))
    await session.execute(delete(Draft).where(Draft.account_id == enrolment.account_id))


async def running_late(session: AsyncSession) -> list[uuid.UUID]:
    """Return the studies in which a person has run out of time."""
    late = select(Enrolment.study_id).where(Enrolment.ended_as.is_(None), Enrolment.expires_at < func.now())
    return list(await session.scalars(late.distinct()))


async def end_otherwise(session: AsyncSession, enrolment: Enrolment, how: str) -> None:
    """Change how a person's part ended to an end that does not count, and give back what they have judged."""
    enrolment.ended_as, enrolment.ended_at = how, func.now()
    await session.flush()
    account = await session.get_one(Account, enrolment.account_id)
    if account.participant_id is not None:
        await assignment.release(session, account, how, also_done=True)
    await note(session, account.id, how, "enrolment", enrolment.id)


async def end_overdue(session: AsyncSession, study: uuid.UUID) -> int:
    """End the parts of those who have run out of time; return how many they were."""
    overdue = select(Enrolment).where(
        Enrolment.study_id == study, Enrolment.ended_as.is_(None), Enrolment.expires_at < func.now()
    )
    rows = (await session.scalars(overdue.with_for_update(skip_locked=True))).all()
    for row in rows:
        await end(session, row, "timed_out")
    return len(rows)
