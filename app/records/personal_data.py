"""A person's data: taken out when they withdraw, delete them or their time is over, and read for a copy of their own.

What is removed and what stays is declared in `models.kept`.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    String,
    Table,
    and_,
    case,
    cast,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.records import assignment, enrolments
from app.records.people import forget_old_counts, note
from app.records.spoken_words import remove_words
from models import (
    Account,
    ApiToken,
    Audit,
    Enrolment,
    Invite,
    Participant,
    Payment,
    SeatRow,
    Session,
    SpecDraft,
    Study,
    Submission,
)
from models.ends import COUNTED
from models.kept import KEPT, Fate

WAIT = timedelta(days=30)
"""Time after which data are deleted that a person asked to be deleted, whether they were paid by then or not."""
REMOVED = {"removed": True}
"""The detail of a row of the audit trail that has lost it."""
EMPTY = "removed"
"""The value of a text that must not be empty."""
NOT_PAID = ("withdrawn", "returned", "timed_out")
"""Ends after which nothing is paid, so that nothing has to be kept for it."""
_OF_PART = ("enrolment", "submission", "payment", "study_step")
"""Tables whose rows belong to a part in a study."""
_PLAIN = {"synchronize_session": False}


# ── withdrawing and deleting ────────────────────────────────────────────────────────────────────────────────────


async def withdraw(session: AsyncSession, enrolment: Enrolment) -> bool:
    """End a part as withdrawn, and delete at once what was answered on pages and what was not submitted in trials.

    False where the part had ended before.
    """
    if not await enrolments.end(session, enrolment, "withdrawn"):
        return False
    await enrolments.forget_answers(session, enrolment)
    return True


async def erase(
    session: AsyncSession, account: Account, enrolment: Enrolment | None, by: uuid.UUID | None
) -> bool:
    """Delete a person's data, in the caller's transaction; False where that was done before.

    A part in a study that goes on is withdrawn first. Outside of studies what the person has in hand is given to others.
    """
    await session.refresh(account, with_for_update=True)
    if account.forgotten_at is not None and account.disabled_at is not None:
        return False
    ids = await _ids_of(session, account, enrolment)
    if enrolment is not None:
        await withdraw(session, enrolment)
    elif account.participant_id is not None:
        await assignment.release(session, account, "withdrawn", also_done=False)
    moves = 0
    if account.participant_id is not None:
        moves = await remove_words(session, account.participant_id)
    if enrolment is not None:
        await _empty_part(session, enrolment)
    await _sign_out(session, account.id)
    await forget_names(session, [account.id])
    await session.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(disabled_at=func.coalesce(Account.disabled_at, func.now())),
        execution_options=_PLAIN,
    )
    await _empty_trail(session, or_(Audit.account_id == account.id, Audit.object_id.in_(ids)))
    await session.refresh(account)
    await note(session, by, "deleted the data of", "account", account.id, {"texts": moves})
    return True


async def _ids_of(session: AsyncSession, account: Account, enrolment: Enrolment | None) -> list[str]:
    """Return the ids under which the trail may speak of a person."""
    found: list[uuid.UUID] = [account.id]
    if account.participant_id is not None:
        found.append(account.participant_id)
        mine = select(SeatRow.id).where(SeatRow.participant_id == account.participant_id)
        found += await session.scalars(mine)
    if enrolment is not None:
        found.append(enrolment.id)
        found += await session.scalars(select(Payment.id).where(Payment.enrolment_id == enrolment.id))
    return [str(one) for one in found]


async def _empty_part(session: AsyncSession, enrolment: Enrolment) -> None:
    """Empty the columns of a part in a study that do not stay."""
    await _empty(session, enrolment, _OF_PART)
    for payment in await session.scalars(select(Payment).where(Payment.enrolment_id == enrolment.id)):
        payment.detail = numbers_of(payment.detail)
    await session.flush()
    await session.execute(
        update(Enrolment).where(Enrolment.id == enrolment.id).values(deleted_at=func.now()),
        execution_options=_PLAIN,
    )
    await session.refresh(enrolment)


async def _empty(session: AsyncSession, enrolment: Enrolment, tables: Collection[str]) -> None:
    """Empty the columns of a part that do not stay, in these tables."""
    for table, columns in _removed(tables).items():
        own = table.c.id if table.name == "enrolment" else table.c.enrolment_id
        emptied = {column.name: _emptied(column) for column in columns}
        await session.execute(update(table).where(own == enrolment.id).values(emptied))


def _removed(tables: Collection[str]) -> dict[Table, list[Column[Any]]]:
    """Return the columns of a part that are emptied, by table, as `models.kept` declares them."""
    found: dict[Table, list[Column[Any]]] = {}
    for kept in KEPT:
        for name in tables if kept.fate is Fate.REMOVED else ():
            table = Account.metadata.tables[name]
            for column in kept.where.get(name, ()):
                found.setdefault(table, []).append(table.c[column])
    return found


def _emptied(column: Column[Any]) -> ColumnElement[Any]:
    """Return the value of a column without what was in it. Where something was, that stays visible."""
    if isinstance(column.type, JSONB):
        return case((column.is_(None), null()), else_=cast(literal("{}", String), JSONB))
    if column.nullable:
        return null()
    return case((column == "", ""), else_=EMPTY)


def numbers_of(value: Any) -> Any:
    """Return numbers and truth values of JSON, without its texts."""
    if isinstance(value, Mapping):
        return {
            key: numbers_of(one)
            for key, one in value.items()
            if isinstance(one, bool | int | float | dict | list)
        }
    if isinstance(value, list):
        return [numbers_of(one) for one in value if isinstance(one, bool | int | float | dict | list)]
    return value


async def _sign_out(session: AsyncSession, account: uuid.UUID) -> None:
    """End sessions, links and tokens, and take from a link what its maker called it."""
    for table, column in ((Session, Session.account_id), (ApiToken, ApiToken.account_id)):
        await session.execute(delete(table).where(column == account), execution_options=_PLAIN)
    await session.execute(delete(SpecDraft).where(SpecDraft.owner_id == account), execution_options=_PLAIN)
    # The label of a link for many is not about one of them, and says by which link an id has joined.
    shared = aliased(Invite)
    of_many = (
        select(shared.id)
        .where(
            shared.shared,
            shared.label == Invite.label,
            shared.created_by.is_not_distinct_from(Invite.created_by),
        )
        .correlate(Invite)
        .exists()
    )
    await session.execute(
        update(Invite)
        .where(Invite.account_id == account)
        .values(
            label=case((of_many, Invite.label), else_=""),
            revoked_at=func.coalesce(Invite.revoked_at, func.now()),
        ),
        execution_options=_PLAIN,
    )


async def forget_names(session: AsyncSession, accounts: Collection[uuid.UUID]) -> None:
    """Replace names by pseudonyms, and remove recruiters' ids and addresses. Keyed digests of them stay."""
    pseudonym = (
        select(Participant.name)
        .where(Participant.id == Account.participant_id)
        .correlate(Account)
        .scalar_subquery()
    )
    await session.execute(
        update(Account)
        .where(Account.id.in_(accounts))
        .values(
            name=func.coalesce(pseudonym, EMPTY),
            email=None,
            password_hash=None,
            recruiter_id=None,
            forgotten_at=func.coalesce(Account.forgotten_at, func.now()),
        ),
        execution_options=_PLAIN,
    )


async def _empty_trail(session: AsyncSession, where: ColumnElement[bool]) -> None:
    """Take the details from rows of the audit trail. The database lets nothing else of it be changed."""
    await session.execute(
        update(Audit).where(where, Audit.detail != {}, Audit.detail != REMOVED).values(detail=REMOVED),
        execution_options=_PLAIN,
    )


async def account_named(session: AsyncSession, name: str) -> Account | None:
    """Return the account of a pseudonym, or of the id of an account or a part in a study."""
    found = select(Account).outerjoin(Enrolment, Enrolment.account_id == Account.id)
    try:
        identity = uuid.UUID(name)
    except ValueError:
        named = found.join(Participant, Participant.id == Account.participant_id).where(
            Participant.name == name
        )
        return (await session.scalars(named.order_by(Account.created_at).limit(1))).one_or_none()
    return (
        await session.scalars(found.where(or_(Account.id == identity, Enrolment.id == identity)))
    ).one_or_none()


# ── deletion that was asked for ─────────────────────────────────────────────────────────────────────────────────


async def ask_for_deletion(session: AsyncSession, enrolment: Enrolment) -> None:
    """Keep that a person asked for the deletion of their data; the first time counts."""
    asked = update(Enrolment).where(Enrolment.id == enrolment.id, Enrolment.deletion_asked_at.is_(None))
    made = await session.execute(asked.values(deletion_asked_at=func.now()).returning(Enrolment.id))
    if made.first() is not None:
        await session.refresh(enrolment, ["deletion_asked_at"])
        await note(session, enrolment.account_id, "asked for deletion", "enrolment", enrolment.id)


_UNPAID = (
    select(Payment.id)
    .where(Payment.enrolment_id == Enrolment.id, Payment.state != "sent")
    .correlate(Enrolment)
    .exists()
)
_RECRUITED = (
    select(Submission.enrolment_id)
    .where(Submission.enrolment_id == Enrolment.id, Submission.recruiter != "link")
    .correlate(Enrolment)
    .exists()
)
_WITHOUT_BONUS = and_(
    Enrolment.ended_as.in_(COUNTED),
    select(Study.id)
    .where(Study.id == Enrolment.study_id, func.jsonb_typeof(Study.spec["bonus"]) == "object")
    .correlate(Enrolment)
    .exists(),
    ~select(Payment.id)
    .where(Payment.enrolment_id == Enrolment.id, Payment.kind == "bonus")
    .correlate(Enrolment)
    .exists(),
)
"""Whether a study pays a bonus that was not recorded for the part yet, or comes to nothing."""
SETTLED = or_(
    Enrolment.ended_as.in_(NOT_PAID),
    Enrolment.review == "rejected",
    and_(
        Enrolment.ended_as.is_not(None),
        or_(Enrolment.review == "approved", ~_RECRUITED),
        ~_UNPAID,
        ~_WITHOUT_BONUS,
    ),
)
"""Whether nothing is owed to a person any more, so that no id has to be kept to pay them."""


async def is_settled(session: AsyncSession, enrolment: uuid.UUID) -> bool:
    """Return whether nothing is owed to a person any more."""
    return bool(await session.scalar(select(SETTLED).where(Enrolment.id == enrolment)))


# ── what is removed in time ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    deleted: int
    """People whose data were deleted, as they had asked."""
    forgotten: int
    """People whose names and ids were removed, since their study ended long enough ago."""


async def sweep(session: AsyncSession) -> Swept:
    """Remove what has been kept for its time: data that were asked to be deleted, names and ids, sessions, addresses."""
    deleted = await _delete_asked(session)
    forgotten = await _forget_old(session)
    await session.execute(delete(Session).where(Session.expires_at < func.now()), execution_options=_PLAIN)
    await forget_old_counts(session)
    return Swept(deleted, forgotten)


async def _delete_asked(session: AsyncSession) -> int:
    due = select(Enrolment).where(
        Enrolment.deletion_asked_at.is_not(None),
        Enrolment.deleted_at.is_(None),
        or_(SETTLED, Enrolment.deletion_asked_at < func.now() - WAIT),
    )
    rows = (await session.scalars(due.with_for_update(skip_locked=True, of=Enrolment))).all()
    for row in rows:
        await erase(session, await session.get_one(Account, row.account_id), row, None)
    return len(rows)


_ENDED_AT = func.coalesce(Study.closed_at, cast(Study.spec["closes"].astext, Enrolment.created_at.type))
_KEPT_FOR = func.make_interval(0, 0, 0, func.coalesce(Study.spec["keep_days"].as_integer(), 365))


async def _forget_old(session: AsyncSession) -> int:
    """Remove names and recruiters' ids of the people of studies that ended long enough ago, also from the trail."""
    due = (
        select(Enrolment.id, Account.id, Account.recruiter_id, Submission.recruiters_id, Submission.claimed)
        .join(Study, Study.id == Enrolment.study_id)
        .join(Account, Account.id == Enrolment.account_id)
        .outerjoin(Submission, Submission.enrolment_id == Enrolment.id)
        .where(Account.forgotten_at.is_(None), func.now() > _ENDED_AT + _KEPT_FOR)
    )
    rows = (await session.execute(due.with_for_update(skip_locked=True, of=Account))).all()
    if not rows:
        return 0
    parts, accounts = [row[0] for row in rows], [row[1] for row in rows]
    for table, ids in ((Submission, ("recruiters_id", "claimed")), (Payment, ("recruiters_id",))):
        await session.execute(
            update(table).where(table.enrolment_id.in_(parts)).values(dict.fromkeys(ids)),
            execution_options=_PLAIN,
        )
    for payment in await session.scalars(select(Payment).where(Payment.enrolment_id.in_(parts))):
        payment.detail = numbers_of(payment.detail)
    await session.flush()
    named = {str(known) for row in rows for known in row[2:] if known}
    if named:
        spoken = or_(
            *(cast(Audit.detail, String).contains(known, autoescape=True) for known in sorted(named))
        )
        await _empty_trail(session, spoken)
    await forget_names(session, accounts)
    for account in accounts:
        await note(session, None, "removed the names of", "account", account)
    return len(rows)
