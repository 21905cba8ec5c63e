"""Accounts, invites, sessions, rate limits and the audit trail."""

import hashlib
import hmac
import secrets
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Interval, and_, bindparam, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from models import Account, Audit, Invite, Participant, RateCount, SeatRow, Secret, Session

SESSION_LASTS = timedelta(days=30)
"""The longest that the settings allow."""
SESSION_IDLE = timedelta(days=7)
ROTATE_AFTER = timedelta(hours=12)
GRACE = timedelta(minutes=10)
"""How long a token is accepted after its successor was first used, for requests already under way."""
INVITE_LASTS = timedelta(days=60)


def token_digest(token: str) -> bytes:
    """Return the stored digest of a random token."""
    return hashlib.sha256(token.encode()).digest()


async def signing_key(session: AsyncSession) -> bytes:
    """Return this installation's key for signing links."""
    return (await session.scalars(select(Secret.value).where(Secret.name == "signing"))).one()


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────


async def account_by_email(session: AsyncSession, email: str) -> Account | None:
    """Return the account that signs in with this address."""
    return (
        await session.scalars(select(Account).where(Account.email == email.strip().lower()))
    ).one_or_none()


async def anybody_of(session: AsyncSession, role: str) -> bool:
    """Return whether there is an open account of a role, or an invite by which one can be made."""
    account = exists().where(Account.role == role, Account.disabled_at.is_(None))
    invite = exists().where(Invite.role == role, Invite.revoked_at.is_(None), Invite.expires_at > func.now())
    return bool(await session.scalar(select(or_(account, invite))))


async def add_account(
    session: AsyncSession, email: str, name: str, role: str, password_hash: str | None
) -> Account:
    """Make an account that signs in with a password, or by links only where there is none."""
    account = Account(
        id=uuid.uuid4(), email=email.strip().lower(), name=name, role=role, password_hash=password_hash
    )
    session.add(account)
    await session.flush()
    await note(session, None, "added", "account", account.id, {"role": role})
    return account


async def account_in(session: AsyncSession, seat: uuid.UUID) -> uuid.UUID | None:
    """Return the account of the person who has a seat; None where no one has it."""
    found = select(Account.id).join(SeatRow, SeatRow.participant_id == Account.participant_id)
    return (await session.scalars(found.where(SeatRow.id == seat))).one_or_none()


async def participant_of(session: AsyncSession, account: Account) -> uuid.UUID:
    """Return the participant that a person is; made the first time."""
    if account.participant_id is None:
        digest = hashlib.sha256(f"person/{account.id}".encode()).hexdigest()
        row = {
            "id": uuid.uuid4(),
            "name": f"person-{digest[:8]}",
            "kind": "person",
            "settings": {"kind": "person", "account": str(account.id)},
            "digest": digest,
        }
        await session.execute(insert(Participant).values(row).on_conflict_do_nothing())
        found = select(Participant.id).where(Participant.digest == digest)
        account.participant_id = (await session.scalars(found)).one()
        await session.execute(
            update(Account).where(Account.id == account.id).values(participant_id=account.participant_id)
        )
    return account.participant_id


# ── invites ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Completion:
    """The completion code and address of a recruiter's judge."""

    code: str
    url: str

    @property
    def host(self) -> str:
        """Return the host of the address."""
        return urlsplit(self.url).netloc


async def completion_of(session: AsyncSession, account: uuid.UUID) -> Completion | None:
    """Return the completion of the invite by which a person joined, if it has any. Later links have none."""
    found = (
        select(Invite.completion_code, Invite.completion_url)
        .where(Invite.account_id == account, or_(Invite.completion_code != "", Invite.completion_url != ""))
        .order_by(Invite.created_at)
        .limit(1)
    )
    row = (await session.execute(found)).first()
    return Completion(*row) if row else None


async def usable_invite(session: AsyncSession, invite_id: uuid.UUID) -> Invite | None:
    """Return the invite, locked until the transaction ends, or None where it is unknown, revoked or expired."""
    found = select(Invite).where(
        Invite.id == invite_id, Invite.revoked_at.is_(None), Invite.expires_at > func.now()
    )
    return (await session.scalars(found.with_for_update())).one_or_none()


async def new_invite(
    session: AsyncSession,
    *,
    role: str,
    shared: bool,
    label: str = "",
    created_by: uuid.UUID | None = None,
    account: uuid.UUID | None = None,
    once: bool = False,
    lasts: timedelta = INVITE_LASTS,
    completion: Completion | None = None,
) -> Invite:
    """Make an invite."""
    invite = Invite(
        id=uuid.uuid4(),
        role=role,
        shared=shared,
        label=label,
        created_by=created_by,
        account_id=account,
        once=once,
        expires_at=datetime.now(UTC) + lasts,
        completion_code=completion.code if completion else "",
        completion_url=completion.url if completion else "",
    )
    session.add(invite)
    await session.flush()
    return invite


async def has_joined(session: AsyncSession, invite: Invite, name: str) -> bool:
    """Return whether a person of this name has joined by the invite, or by another of the same researcher and
    label, also where their data were deleted since.
    """
    found = (
        select(Account.id)
        .join(Invite, Invite.account_id == Account.id)
        .where(
            Account.name_digest == func.keyed_digest(f"id/{name}"),
            Invite.label == invite.label,
            Invite.created_by.is_not_distinct_from(invite.created_by),
        )
    )
    return (await session.scalars(found.limit(1))).first() is not None


async def one_time_link(session: AsyncSession, account: Account, lasts: timedelta) -> Invite:
    """Make a link that signs a person in once. It replaces their unused ones."""
    unused = Invite.account_id == account.id, Invite.once, Invite.revoked_at.is_(None)
    await session.execute(update(Invite).where(*unused).values(revoked_at=func.now()))
    return await new_invite(
        session, role=account.role, shared=False, label="demo", account=account.id, once=True, lasts=lasts
    )


async def join_with_password(
    session: AsyncSession, invite: Invite, name: str, email: str, password_hash: str
) -> Account:
    """Make the account of an admin or researcher by a personal invite, which ends with it."""
    account = Account(
        id=uuid.uuid4(), name=name, role=invite.role, email=email.strip().lower(), password_hash=password_hash
    )
    session.add(account)
    await session.flush()
    invite.account_id, invite.revoked_at = account.id, datetime.now(UTC)
    return account


async def join(
    session: AsyncSession, invite: Invite, name: str, recruiter_id: str = ""
) -> tuple[Account, Invite]:
    """Make the account of a person who joins by an invite, and the personal invite that signs them in again."""
    account = Account(id=uuid.uuid4(), name=name, recruiter_id=recruiter_id or None, role=invite.role)
    session.add(account)
    await session.flush()
    if not invite.shared:
        invite.account_id = account.id
        return account, invite
    personal = await new_invite(
        session,
        role=invite.role,
        shared=False,
        label=invite.label,
        created_by=invite.created_by,
        account=account.id,
        completion=Completion(invite.completion_code, invite.completion_url),
    )
    return account, personal


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts at most, and how long without a request."""

    whole: timedelta = SESSION_LASTS
    idle: timedelta = SESSION_IDLE


LIMITS = Limits()


async def open_session(session: AsyncSession, account: uuid.UUID) -> str:
    """Sign a person in. Return the token for their cookie."""
    token = secrets.token_urlsafe(32)
    session.add(
        Session(
            account_id=account,
            token_digest=token_digest(token),
            csrf=secrets.token_urlsafe(32),
            expires_at=datetime.now(UTC) + SESSION_LASTS,
        )
    )
    await session.flush()
    return token


_DIGEST = bindparam("digest", type_=Session.token_digest.type)
_OPEN_SESSION = (
    select(Session)
    .join(Session.account)
    .where(
        or_(
            Session.token_digest == _DIGEST,
            and_(
                Session.previous_digest == _DIGEST,
                or_(Session.previous_until.is_(None), Session.previous_until > func.now()),
            ),
        ),
        Session.expires_at > func.now(),
        # A limit that was made shorter ends the sessions that were opened before, too.
        Session.created_at > func.now() - bindparam("whole", type_=Interval),
        Session.seen_at > func.now() - bindparam("idle", type_=Interval),
        Account.disabled_at.is_(None),
    )
    .options(contains_eager(Session.account))
)


async def session_of(session: AsyncSession, token: str, limits: Limits = LIMITS) -> Session | None:
    """Return the session of a cookie, with its account; None where it has ended or the account is disabled."""
    asked = {"digest": token_digest(token), "whole": limits.whole, "idle": limits.idle}
    return (await session.scalars(_OPEN_SESSION, asked)).one_or_none()


async def saw(session: AsyncSession, row: Session, every: float) -> None:
    """Note that a session is in use, where the last note is older than so many seconds."""
    if (datetime.now(UTC) - row.seen_at).total_seconds() >= every:
        await session.execute(update(Session).where(Session.id == row.id).values(seen_at=func.now()))


async def rotate(session: AsyncSession, row: Session, token: str) -> str | None:
    """Return the token that replaces the one of a request of this session; None where it may stay.

    Until the new token comes back, its reply may have been lost. The old one is accepted, and answered with
    the same new one again.
    """
    if token_digest(token) == row.previous_digest:
        return await _next_token(session, token) if row.previous_until is None else None
    now = datetime.now(UTC)
    if row.previous_digest is not None and row.previous_until is None:
        await _change(session, row, previous_until=now + GRACE)
    if now - row.rotated_at < ROTATE_AFTER:
        return None
    following = await _next_token(session, token)
    await _change(
        session,
        row,
        token_digest=token_digest(following),
        previous_digest=row.token_digest,
        previous_until=None,
        rotated_at=now,
    )
    return following


async def _next_token(session: AsyncSession, token: str) -> str:
    """Return the successor of a token. It is always the same, so it can be sent again without being stored."""
    made = hmac.digest(await signing_key(session), f"session/{token}".encode(), "sha256")
    return urlsafe_b64encode(made).decode().rstrip("=")


async def _change(session: AsyncSession, row: Session, **values: Any) -> None:
    """Change a session, unless another request has replaced its token meanwhile."""
    unchanged = Session.id == row.id, Session.token_digest == row.token_digest
    await session.execute(update(Session).where(*unchanged).values(**values))


async def close_session(session: AsyncSession, session_id: uuid.UUID) -> None:
    """Sign out."""
    await session.execute(delete(Session).where(Session.id == session_id))


async def close_sessions(session: AsyncSession, account: uuid.UUID) -> int:
    """Sign an account out everywhere. Return in how many browsers it was signed in."""
    ended = await session.execute(delete(Session).where(Session.account_id == account).returning(Session.id))
    return len(ended.all())


# ── limits and the trail ────────────────────────────────────────────────────────────────────────────────────────


_RATES = RateCount.metadata.tables["rate_count"]
_ONE_MORE = (
    insert(_RATES)
    .on_conflict_do_update(index_elements=["key", "window"], set_={"count": _RATES.c.count + 1})
    .returning(_RATES.c.count)
)


async def within_limit(session: AsyncSession, key: str, most: int, seconds: int) -> bool:
    """Count one try of `key`. Return False where there were more than `most` in this window of `seconds`."""
    window = int(datetime.now(UTC).timestamp()) // seconds
    count = await session.scalar(_ONE_MORE, {"key": key, "window": window, "count": 1})
    if count == 1:
        await session.execute(delete(RateCount).where(RateCount.key == key, RateCount.window < window))
    return (count or 0) <= most


_HOURS = 10_000_000
"""A number that counts of hours since 1970 stay below, and those of minutes are above."""


async def forget_old_counts(session: AsyncSession) -> None:
    """Delete counts of tries that are older than a day. Windows are a minute or an hour long."""
    now = func.extract("epoch", func.now())
    of_hours = and_(RateCount.window < _HOURS, RateCount.window < now / 3600 - 24)
    of_minutes = and_(RateCount.window >= _HOURS, RateCount.window < now / 60 - 24 * 60)
    await session.execute(delete(RateCount).where(or_(of_hours, of_minutes)))


async def note(
    session: AsyncSession,
    account: uuid.UUID | None,
    action: str,
    kind: str,
    identity: object,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add to the audit trail, in the transaction of the action."""
    row = insert(Audit).values(
        account_id=account,
        action=action,
        object_kind=kind,
        object_id=str(identity),
        detail=dict(detail or {}),
    )
    await session.execute(row)


async def noted_lately(
    session: AsyncSession, account: uuid.UUID | None, action: str, identity: str, what: str
) -> bool:
    """Return whether the trail has the same from the last hour: who did it to which object, and `what` of its detail."""
    same = (
        Audit.at > func.now() - timedelta(hours=1),
        Audit.account_id.is_not_distinct_from(account),
        Audit.action == action,
        Audit.object_id == identity,
        Audit.detail["what"].astext == what,
    )
    return bool(await session.scalar(select(exists().where(*same))))
