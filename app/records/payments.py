"""What recruiters say of people's parts, what these earned, and what was paid.

Sums are in hundredths of the currency.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from app.records.enrolments import WAS_DONE
from app.records.paging import Page, page_of_rows
from models import (
    Account,
    Enrolment,
    Participant,
    Payment,
    Playing,
    Question,
    RecruiterEvent,
    SeatRow,
    Study,
    StudyStep,
    Submission,
    Trial,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A person's part in a study, as far as recruiter and pay go."""

    id: uuid.UUID
    pseudonym: str
    person: str
    """The recruiter's id of the person, a claim; empty where there is none."""
    recruiter: str
    submission: str
    """The recruiter's id of the submission, a claim until the recruiter says the same; empty where there is none."""
    claimed: str
    """The id that they came with where it is another person's; empty where it is not."""
    status: str
    """The last one that the recruiter reported, in its own words."""
    reported_at: datetime | None
    ended_as: str | None
    ended_at: datetime | None
    promised: int
    done: int
    """Trials."""
    checks: int
    """Items between the trials that were answered."""
    seed: int
    review: str | None
    review_reason: str


_DONE = (
    select(func.count())
    .select_from(SeatRow)
    .join(Playing, Playing.id == SeatRow.play_id)
    .where(SeatRow.participant_id == Account.participant_id, WAS_DONE)
    .correlate(Account)
    .scalar_subquery()
)
_CHECKS = (
    select(func.count())
    .where(
        StudyStep.enrolment_id == Enrolment.id,
        StudyStep.page == "trials",
        StudyStep.item != "",
        StudyStep.submitted_at.is_not(None),
        StudyStep.answers.op("?")("p"),
    )
    .correlate(Enrolment)
    .scalar_subquery()
)


def _parts(study: uuid.UUID) -> Select[Enrolment, str, str | None, Submission, int, int]:
    return (
        select(Enrolment, Participant.name, Account.recruiter_id, Submission, _DONE, _CHECKS)
        .join(Account, Account.id == Enrolment.account_id)
        .outerjoin(Participant, Participant.id == Account.participant_id)
        .outerjoin(Submission, Submission.enrolment_id == Enrolment.id)
        .where(Enrolment.study_id == study)
        .order_by(Enrolment.created_at, Enrolment.id)
    )


def _part(
    enrolment: Enrolment,
    pseudonym: str | None,
    person: str | None,
    submission: Submission | None,
    done: int,
    checks: int,
) -> Part:
    return Part(
        enrolment.id,
        pseudonym or "–",
        person or "",
        submission.recruiter if submission else "link",
        (submission.recruiters_id or "") if submission else "",
        (submission.claimed or "") if submission else "",
        submission.status if submission else "",
        submission.reported_at if submission else None,
        enrolment.ended_as,
        enrolment.ended_at,
        enrolment.promised,
        done,
        checks,
        enrolment.seed,
        enrolment.review,
        enrolment.review_reason,
    )


async def parts(session: AsyncSession, study: uuid.UUID, only: uuid.UUID | None = None) -> list[Part]:
    """Return the parts of a study, the oldest first; with `only` that one."""
    found = _parts(study) if only is None else _parts(study).where(Enrolment.id == only)
    return [_part(*row) for row in await session.execute(found)]


async def page_of_parts(session: AsyncSession, study: uuid.UUID, number: int) -> Page[Part]:
    """Return a page of the parts that have ended or of which the recruiter said something, the last to end first."""
    found = _parts(study).where(or_(Enrolment.ended_as.is_not(None), Submission.status != ""))
    found = found.order_by(None).order_by(Enrolment.ended_at.desc().nulls_last(), Enrolment.id)
    return await page_of_rows(session, found, number, _part)


async def payments_of(session: AsyncSession, study: uuid.UUID) -> dict[uuid.UUID, dict[str, Payment]]:
    """Return the payments of a study, by part and by kind."""
    found: dict[uuid.UUID, dict[str, Payment]] = defaultdict(dict)
    rows = select(Payment).join(Enrolment, Enrolment.id == Payment.enrolment_id)
    for payment in await session.scalars(rows.where(Enrolment.study_id == study)):
        found[payment.enrolment_id][payment.kind] = payment
    return found


@dataclass(frozen=True, slots=True)
class Believed:
    """A belief of a person, in one reading order, and the place of the right answer in it."""

    play: uuid.UUID
    belief: Sequence[float]
    gold: int


async def beliefs(
    session: AsyncSession, study: uuid.UUID, parts: Collection[uuid.UUID] | None = None
) -> dict[uuid.UUID, list[Believed]]:
    """Return by part the verdicts on real trials, in a fixed order; with `parts` of these only."""
    talk = func.coalesce(Playing.talk_id, Playing.id)
    # The seat too, so that a verdict that was given back is never paid, whatever became of its row.
    held = and_(SeatRow.play_id == Verdict.play_id, SeatRow.participant_id == Verdict.participant_id)
    rows = (
        select(Enrolment.id, Verdict.play_id, Verdict.belief, Trial.answers, Question.gold)
        .select_from(Enrolment)
        .join(Account, Account.id == Enrolment.account_id)
        .join(Verdict, Verdict.participant_id == Account.participant_id)
        .join(SeatRow, held)
        .join(Playing, Playing.id == Verdict.play_id)
        .join(Trial, Trial.id == talk)
        .join(Question, Question.id == Trial.question_id)
        .where(Enrolment.study_id == study, SeatRow.state == "done")
        .order_by(Verdict.play_id, Verdict.reading)
    )
    if parts is not None:
        rows = rows.where(Enrolment.id.in_(parts))
    found: dict[uuid.UUID, list[Believed]] = defaultdict(list)
    for part, play, belief, answers, gold in await session.execute(rows):
        found[part].append(Believed(play, belief, answers.index(gold)))
    return found


# ── recording and paying ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Due:
    """A sum to record."""

    part: uuid.UUID
    kind: str
    minor: int
    currency: str
    detail: Mapping[str, Any]


async def record(session: AsyncSession, due: Iterable[Due], *, state: str = "due") -> set[uuid.UUID]:
    """Record sums, each once; return the ids of those that were not there before."""
    rows = [
        {
            "id": uuid.uuid4(),
            "enrolment_id": one.part,
            "kind": one.kind,
            "minor": one.minor,
            "currency": one.currency,
            "state": state,
            "detail": dict(one.detail),
            "sent_at": func.now() if state == "sent" else None,
        }
        for one in due
    ]
    if not rows:
        return set()
    made = set()
    for row in rows:
        stored = insert(Payment).values(row).on_conflict_do_nothing().returning(Payment.id)
        made |= set(await session.scalars(stored))
    return made


async def with_state(
    session: AsyncSession, study: uuid.UUID, *states: str, by: str | None = None, batch: str | None = None
) -> list[Payment]:
    """Return, locked, the payments of a study in these states, by the way they are paid, and of one batch."""
    rows = (
        select(Payment)
        .join(Enrolment, Enrolment.id == Payment.enrolment_id)
        .where(Enrolment.study_id == study, Payment.state.in_(states))
        .order_by(Payment.enrolment_id, Payment.kind)
        .with_for_update(of=Payment)
        .execution_options(populate_existing=True)
    )
    if by is not None:
        rows = rows.where(Payment.detail["by"].astext == by)
    if batch is not None:
        rows = rows.where(Payment.detail["batch"].astext == batch)
    return list(await session.scalars(rows))


async def payment(session: AsyncSession, part: uuid.UUID, kind: str) -> Payment | None:
    """Return a payment of a part, locked."""
    found = select(Payment).where(Payment.enrolment_id == part, Payment.kind == kind).with_for_update()
    return (await session.scalars(found.execution_options(populate_existing=True))).one_or_none()


# ── submissions and events ──────────────────────────────────────────────────────────────────────────────────────


async def submissions(session: AsyncSession, study: uuid.UUID) -> list[tuple[Enrolment, str, Submission]]:
    """Return the parts of a study that came by a recruiter, locked, each with the recruiter's id of the person."""
    rows = (
        select(Enrolment, func.coalesce(Account.recruiter_id, ""), Submission)
        .join(Account, Account.id == Enrolment.account_id)
        .join(Submission, Submission.enrolment_id == Enrolment.id)
        .where(Enrolment.study_id == study)
        .order_by(Enrolment.id)
        .with_for_update(of=(Enrolment, Submission))
        .execution_options(populate_existing=True)
    )
    return [(enrolment, person, submission) for enrolment, person, submission in await session.execute(rows)]


async def submission_of(
    session: AsyncSession, recruiter: str, recruiters_id: str
) -> tuple[Enrolment, str, Submission] | None:
    """Return the part with this submission, locked, with its study and the recruiter's id of the person."""
    row = (
        await session.execute(
            select(Enrolment, func.coalesce(Account.recruiter_id, ""), Submission)
            .join(Account, Account.id == Enrolment.account_id)
            .join(Submission, Submission.enrolment_id == Enrolment.id)
            .join(Enrolment.study)
            .options(contains_eager(Enrolment.study))
            .where(Submission.recruiter == recruiter, Submission.recruiters_id == recruiters_id)
            .with_for_update(of=(Enrolment, Submission))
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


async def claims_elsewhere(
    session: AsyncSession, study: uuid.UUID, recruiter: str, ids: Collection[str]
) -> list[Submission]:
    """Return, locked, what parts of other studies say of these submissions."""
    rows = (
        select(Submission)
        .join(Enrolment, Enrolment.id == Submission.enrolment_id)
        .where(
            Enrolment.study_id != study,
            Submission.recruiter == recruiter,
            Submission.recruiters_id.in_(ids),
        )
        .order_by(Submission.enrolment_id)
        .with_for_update(of=Submission)
    )
    return list(await session.scalars(rows.execution_options(populate_existing=True)))


async def recruited_by(session: AsyncSession, recruiter: str) -> list[Study]:
    """Return the studies of a recruiter."""
    found = select(Study).where(Study.spec["recruiter"]["kind"].astext == recruiter)
    return list(await session.scalars(found))


async def take_event(session: AsyncSession, recruiter: str, event_id: str, kind: str) -> bool:
    """Note an event of a recruiter; False where it was noted before."""
    row = {"recruiter": recruiter, "event_id": event_id, "kind": kind}
    made = insert(RecruiterEvent).values(row).on_conflict_do_nothing().returning(RecruiterEvent.event_id)
    return (await session.scalars(made)).one_or_none() is not None
