"""Which accounts are one human: those with the same recruiter's id or e-mail address, and those linked through others.

A recruiter's id that one account was sent with and another gave as its name is the same, and so is an address given as
a name. They are compared by keyed digests, which the database makes of them and keeps when the names themselves are
removed. Nothing else is guessed: neither names, nor browsers, nor network addresses. Every condition on what a person
has seen goes by `is_person`, over all accounts of the human.
"""

import uuid
from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import CTE, ColumnElement, Uuid, any_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models import Account, Participant
from models.people import BY_PASSWORD

PERSON = bindparam("person", type_=Uuid())
"""The participant that a condition speaks of. Statements run with `{"person": …}`."""


def _says(account: type[Account]) -> tuple[Any, ...]:
    """Return what an account says of who has it."""
    return (
        account.id,
        account.participant_id,
        account.name_digest,
        account.recruiter_digest,
        account.address_digest,
    )


def _same(other: type[Account], known: CTE) -> ColumnElement[bool]:
    """Return whether an account says that it is of the same human as a known one."""
    return or_(
        other.recruiter_digest.in_((known.c.recruiter_digest, known.c.name_digest)),
        other.name_digest == known.c.recruiter_digest,
        other.address_digest == known.c.address_digest,
    )


def _linked(start: ColumnElement[bool], name: str) -> CTE:
    """Return the accounts of the human who has the account that `start` names."""
    other = aliased(Account)
    known = select(*_says(Account)).where(start).cte(name, recursive=True)
    return known.union(select(*_says(other)).join(known, _same(other, known)))


_HUMAN = _linked(Account.participant_id == PERSON, "human")
# An array is found once a statement, and looked up in indexes.
_PARTICIPANTS = func.array(select(PERSON).union(select(_HUMAN.c.participant_id)).scalar_subquery())


def is_person(column: Any) -> ColumnElement[bool]:
    """Return whether a column names a participant of the human who is PERSON."""
    found: ColumnElement[bool] = column == any_(_PARTICIPANTS)
    return found


def _is_insider() -> ColumnElement[bool]:
    account = aliased(Account)
    mine = select(_HUMAN.c.id).scalar_subquery()
    reads = or_(account.role.in_(BY_PASSWORD), account.was_researcher)
    return select(1).where(account.id == any_(func.array(mine)), reads).exists().correlate(None)


IS_INSIDER = _is_insider()
"""Whether PERSON is or was an admin or a researcher by any of their accounts: these may open every text."""

_ALL = _linked(Account.id == bindparam("account", type_=Uuid()), "human")
_LOCKED = (
    select(Account)
    .where(Account.id.in_(select(_ALL.c.id)))
    .order_by(Account.id)
    .with_for_update(key_share=True)
)


async def lock_human(session: AsyncSession, account: uuid.UUID) -> Account:
    """Let a human's claims wait for each other, by whichever of their accounts; return the account."""
    rows = (await session.scalars(_LOCKED, {"account": account})).all()
    return next(row for row in rows if row.id == account)


async def first_names(session: AsyncSession, names: Collection[str]) -> dict[str, str]:
    """Return by pseudonym the first pseudonym of the same human, in the order of the alphabet, of humans with several among `names`."""
    if not names:
        return {}
    other, mine, theirs = aliased(Account), aliased(Participant), aliased(Participant)
    starts = select(Account.id).join(Participant, Participant.id == Account.participant_id)
    known = (
        select(Account.participant_id.label("start"), *_says(Account))
        .where(Account.id.in_(starts.where(Participant.name.in_(names))))
        .cte("known", recursive=True)
    )
    every = known.union(select(known.c.start, *_says(other)).join(known, _same(other, known)))
    rows = await session.execute(
        select(mine.name, func.min(theirs.name))
        .select_from(every)
        .join(mine, mine.id == every.c.start)
        .join(theirs, theirs.id == every.c.participant_id)
        .where(theirs.name.in_(names))
        .group_by(mine.name)
        .having(func.count(theirs.name.distinct()) > 1)
    )
    return {**await _declared(session, names), **dict(rows.all())}


async def _declared(session: AsyncSession, names: Collection[str]) -> dict[str, str]:
    """Return the same of people who came with an experiment from another arena, which said who is the same human."""
    person = Participant.settings["person"].astext
    rows = (
        await session.execute(
            select(Participant.name, person).where(
                Participant.name.in_(names), Participant.imported, Participant.kind == "person", person != ""
            )
        )
    ).all()
    several = Counter(first for _, first in rows)
    return {name: first for name, first in rows if several[first] > 1}
