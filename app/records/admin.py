"""Records that admins and researchers manage: endpoints, participants, people with their invites, and the
audit trail.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from app.participants.base import EndpointSettings
from app.records.experiments import NewParticipant, one_at_a_time, save_participants
from app.records.paging import Page, page_of, page_of_rows
from app.records.people import INVITE_LASTS, Completion, new_invite, note
from models import (
    Account,
    ApiToken,
    Audit,
    Endpoint,
    Invite,
    JudgingRound,
    Participant,
    Session,
)
from models.people import BY_PASSWORD

MOST_CHOICES = 200
"""Number of endpoints that a form offers."""
INVITED_BY_RESEARCHERS = ("judge", "debater")
"""Roles that a researcher may invite and manage. Only an admin may give the others."""
PASSWORD_LINK_LASTS = timedelta(days=7)


# ── endpoints and participants ──────────────────────────────────────────────────────────────────────────────────


async def endpoints_page(session: AsyncSession, page: int) -> Page[Endpoint]:
    """Endpoints by name."""
    return await page_of(session, select(Endpoint).order_by(Endpoint.name, Endpoint.id), page)


async def endpoint(session: AsyncSession, identity: uuid.UUID) -> Endpoint | None:
    """One endpoint."""
    return await session.get(Endpoint, identity)


async def add_endpoint(
    session: AsyncSession, by: uuid.UUID | None, name: str, settings: EndpointSettings
) -> Endpoint | None:
    """Register an endpoint, by an account or by the command line. Return None where its name is taken."""
    # Two requests with one name wait for each other, because the table allows a name with two addresses.
    await one_at_a_time(session, f"endpoint/{name}")
    if await session.scalar(select(exists().where(Endpoint.name == name))):
        return None
    url, variable, more = str(settings.base_url), settings.api_key_env, settings.more()
    row = Endpoint(id=uuid.uuid4(), name=name, base_url=url, api_key_env=variable, more=more)
    session.add(row)
    await session.flush()
    await note(session, by, "added", "endpoint", row.id, {"name": name, "url": url, "key": variable, **more})
    return row


async def endpoints_named(session: AsyncSession, name: str) -> list[Endpoint]:
    """Return the endpoints of this name. There are several where experiments gave one name to different
    addresses.
    """
    return list(await session.scalars(select(Endpoint).where(Endpoint.name == name).order_by(Endpoint.id)))


async def endpoint_choices(session: AsyncSession) -> list[Endpoint]:
    """Return the endpoints to choose from, by name; the first MOST_CHOICES."""
    rows = select(Endpoint).order_by(Endpoint.name, Endpoint.id).limit(MOST_CHOICES)
    return list(await session.scalars(rows))


_SEATED_HERE = (Participant.kind != "person", Participant.imported.is_(False))
"""Conditions on models and built-ins that can take a seat here."""


async def participants_page(session: AsyncSession, page: int) -> Page[Participant]:
    """Return models and built-ins by name. People have a separate list."""
    rows = select(Participant).where(*_SEATED_HERE).options(joinedload(Participant.endpoint))
    return await page_of(session, rows.order_by(Participant.name, Participant.id), page)


async def participant(session: AsyncSession, identity: uuid.UUID) -> Participant | None:
    """Return a model or a built-in, with its endpoint."""
    rows = select(Participant).where(Participant.id == identity, *_SEATED_HERE)
    return (await session.scalars(rows.options(joinedload(Participant.endpoint)))).one_or_none()


async def participants_named(session: AsyncSession, names: Collection[str]) -> list[Participant]:
    """Return models and built-ins of these names, with their endpoints. A name may have several."""
    rows = select(Participant).where(Participant.name.in_(names), *_SEATED_HERE)
    ordered = rows.order_by(Participant.name, Participant.id).options(joinedload(Participant.endpoint))
    return list(await session.scalars(ordered))


async def add_participant(session: AsyncSession, by: uuid.UUID, new: NewParticipant) -> uuid.UUID | None:
    """Register a participant, or find it. Return None where its name belongs to one with other settings."""
    await one_at_a_time(session, f"participant/{new.name}")
    there = await participants_named(session, [new.name])
    if there:
        return next((row.id for row in there if row.digest == new.digest), None)
    identity = (await save_participants(session, [new]))[new.name]
    await note(session, by, "added", "participant", identity, {"name": new.name})
    return identity


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _looked_after(viewer: Account) -> ColumnElement[bool]:
    """Return a condition on the accounts that a viewer manages: an admin all, a researcher the judges and
    debaters they invited.
    """
    if viewer.role == "admin":
        return true()
    invited = exists().where(Invite.account_id == Account.id, Invite.created_by == viewer.id)
    return invited & Account.role.in_(INVITED_BY_RESEARCHERS)


async def people_page(session: AsyncSession, viewer: Account, page: int) -> Page[Account]:
    """Return the accounts that a viewer manages, newest first."""
    rows = select(Account).where(_looked_after(viewer)).order_by(Account.created_at.desc(), Account.id)
    return await page_of(session, rows.options(joinedload(Account.participant)), page)


async def person(session: AsyncSession, viewer: Account, identity: uuid.UUID) -> Account | None:
    """Return one of them, locked until the transaction ends."""
    rows = select(Account).where(Account.id == identity, _looked_after(viewer))
    return (await session.scalars(rows.with_for_update())).one_or_none()


async def invites_page(session: AsyncSession, viewer: Account, page: int) -> Page[Invite]:
    """Return invites that can still be used: an admin's view of all, a researcher's of their own."""
    own = true() if viewer.role == "admin" else Invite.created_by == viewer.id
    rows = select(Invite).where(own, Invite.revoked_at.is_(None), Invite.expires_at > func.now())
    return await page_of(session, rows.order_by(Invite.created_at.desc(), Invite.id), page)


async def invite(
    session: AsyncSession,
    by: Account,
    role: str,
    *,
    shared: bool,
    label: str,
    lasts: timedelta,
    completion: Completion | None = None,
) -> Invite:
    """Invite a new person."""
    made = await new_invite(
        session,
        role=role,
        shared=shared,
        label=label,
        created_by=by.id,
        lasts=lasts,
        completion=completion,
    )
    await note(session, by.id, "invited", "invite", made.id, {"role": role, "shared": shared, "label": label})
    return made


async def revoke_invite(session: AsyncSession, viewer: Account, identity: uuid.UUID) -> bool:
    """Withdraw an invite. Return False where the viewer has no such invite to withdraw."""
    own = true() if viewer.role == "admin" else Invite.created_by == viewer.id
    ended = await session.execute(
        update(Invite)
        .where(Invite.id == identity, own, Invite.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(Invite.id)
    )
    if ended.first() is None:
        return False
    await note(session, viewer.id, "revoked", "invite", identity)
    return True


async def change_role(session: AsyncSession, by: uuid.UUID, account: Account, role: str) -> None:
    """Give a person another role. Their links, sessions and tokens end, so that none of them gains the new
    role.
    """
    if account.role == role:
        return
    before, account.role = account.role, role
    account.was_researcher = account.was_researcher or before in BY_PASSWORD
    await _shut_out(session, account.id)
    await _withdraw_made(session, account.id)
    await note(session, by, "changed role of", "account", account.id, {"from": before, "to": role})


async def disable(session: AsyncSession, by: uuid.UUID, account: Account) -> None:
    """Close an account: its sessions, links and tokens end at once."""
    if account.disabled_at is not None:
        return
    account.disabled_at = await session.scalar(select(func.now()))
    await _shut_out(session, account.id)
    await _withdraw_made(session, account.id)
    await note(session, by, "disabled", "account", account.id)


async def enable(session: AsyncSession, by: uuid.UUID, account: Account) -> None:
    """Open a closed account again. Its owner signs in with a password, or needs a new link."""
    if account.disabled_at is None:
        return
    account.disabled_at = None
    await note(session, by, "enabled", "account", account.id)


async def new_link(session: AsyncSession, by: uuid.UUID, account: Account) -> Invite:
    """Make a new personal link that replaces all others, and end sessions. Admins and researchers set a
    password by it.
    """
    await _shut_out(session, account.id)
    lasts = PASSWORD_LINK_LASTS if account.role in BY_PASSWORD else INVITE_LASTS
    made = await new_invite(
        session, role=account.role, shared=False, created_by=by, account=account.id, lasts=lasts
    )
    await note(session, by, "gave a new link to", "account", account.id, {"invite": str(made.id)})
    return made


async def set_password(session: AsyncSession, account: Account, email: str, password_hash: str) -> None:
    """Set a password by a link for it. The link ends, and with it all earlier sessions, links and tokens."""
    await _shut_out(session, account.id)
    account.email, account.password_hash = email.strip().lower(), password_hash
    await note(session, account.id, "set the password of", "account", account.id)


async def _shut_out(session: AsyncSession, account: uuid.UUID) -> None:
    await session.execute(delete(Session).where(Session.account_id == account))
    for table in (Invite, ApiToken):
        mine = table.account_id == account, table.revoked_at.is_(None)
        await session.execute(update(table).where(*mine).values(revoked_at=func.now()))


async def _withdraw_made(session: AsyncSession, account: uuid.UUID) -> None:
    """End the invites of a person that are still unused, because they may no longer invite."""
    made = Invite.created_by == account, Invite.account_id.is_(None), Invite.revoked_at.is_(None)
    await session.execute(update(Invite).where(*made).values(revoked_at=func.now()))


# ── the audit trail ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the trail, with the present name of its account."""

    row: Audit
    name: str | None


async def audit_page(
    session: AsyncSession, page: int, *, action: str = "", account: uuid.UUID | None = None
) -> Page[AuditEntry]:
    """Return the trail, newest first; of one action or one account on request."""
    rows = select(Audit, Account.name).outerjoin(Account, Account.id == Audit.account_id)
    if action:
        rows = rows.where(Audit.action == action)
    if account is not None:
        rows = rows.where(or_(Audit.account_id == account, Audit.object_id == str(account)))
    return await page_of_rows(session, rows.order_by(Audit.id.desc()), page, AuditEntry)


async def audit_actions(session: AsyncSession) -> list[str]:
    """Return every kind of action on the trail."""
    return list(await session.scalars(select(Audit.action).distinct().order_by(Audit.action)))


# ── what the JSON API lists ─────────────────────────────────────────────────────────────────────────────────────


async def rounds_page(session: AsyncSession, experiment: uuid.UUID, page: int) -> Page[JudgingRound]:
    """Return the judging rounds of an experiment in the order they were added."""
    rows = select(JudgingRound).where(JudgingRound.experiment_id == experiment)
    return await page_of(session, rows.order_by(JudgingRound.position), page)
