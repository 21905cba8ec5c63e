"""The API's people: accounts, invites, and the audit trail.

Accounts of admins and researchers are changed in the browser only, so that a token never gives more than its
scopes.
"""

import uuid
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import admin
from app.records.admin import INVITED_BY_RESEARCHERS, AuditEntry
from app.services.completion_code import completion
from app.services.invites import invite_link
from app.services.people import person_in_care, renew_link
from app.services.refusal import Refused
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller
from app.web.parameters import PageNumber
from app.web.security.middleware import Db, base_url
from models import Account, Invite

router = APIRouter(prefix=PREFIX, responses=REFUSALS)


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/people", name="api_people", tags=["people"])
async def list_people(
    caller: Caller, db: Db, number: PageNumber = 1, ids: bool = False
) -> schemas.Listed[schemas.Person]:
    """People whom the caller manages: all for an admin, otherwise the judges and debaters they invited.

    Of people whom a recruiter sent, the name is the pseudonym; with `ids`, it is as they have it, which is the recruiter's id.
    """
    return schemas.listed(
        await admin.people_page(db, caller, number), lambda row: _person(row, recruiters_ids=ids)
    )


def _person(row: Account, *, recruiters_ids: bool) -> schemas.Person:
    pseudonym = row.participant.name if row.participant else "recruited"
    return schemas.Person(
        id=row.id,
        name=pseudonym if row.recruiter_id and not recruiters_ids else row.name,
        role=row.role,
        pseudonym=row.participant.name if row.participant else None,
        closed=row.disabled_at is not None,
    )


async def _judge(db: AsyncSession, caller: Account, identity: uuid.UUID) -> Account:
    """Return a judge or debater whom the caller manages."""
    person = await person_in_care(db, caller, identity)
    if person.role not in INVITED_BY_RESEARCHERS:
        raise Refused(
            403, "Accounts of admins and researchers are changed in the browser: open /people there."
        )
    return person


@router.post("/people/{identity}/link", name="api_new_link", tags=["people"], status_code=201)
async def new_link(request: Request, caller: Caller, db: Db, identity: uuid.UUID) -> schemas.Link:
    """Make a new personal link for a judge or debater. Their earlier links, sessions and tokens end."""
    return await _told(request, db, await renew_link(db, caller, await _judge(db, caller, identity)))


@router.post("/people/{identity}/close", name="api_close_account", tags=["people"], status_code=204)
async def close_account(caller: Caller, db: Db, identity: uuid.UUID) -> None:
    """Close the account of a judge or debater. Their links, sessions and tokens end at once."""
    await admin.disable(db, caller.id, await _judge(db, caller, identity))


@router.post("/people/{identity}/open", name="api_open_account", tags=["people"], status_code=204)
async def open_account(caller: Caller, db: Db, identity: uuid.UUID) -> None:
    """Open the closed account of a judge or debater. Its owner needs a new link."""
    await admin.enable(db, caller.id, await _judge(db, caller, identity))


# ── invites ─────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/invites", name="api_invites", tags=["people"])
async def list_invites(caller: Caller, db: Db, number: PageNumber = 1) -> schemas.Listed[schemas.Invite]:
    """Invites that can still be used, newest first: an admin's view of all, else the caller's own."""
    return schemas.listed(await admin.invites_page(db, caller, number), schemas.Invite.model_validate)


@router.post("/invites", name="api_make_invite", tags=["people"], status_code=201)
async def make_invite(request: Request, caller: Caller, db: Db, new: schemas.NewInvite) -> schemas.Link:
    """Invite a judge or debater, or many by one link. The link is returned only this once."""
    lasts = timedelta(days=new.days)
    given = completion(new.role, new.completion_code, new.completion_url)
    made = await admin.invite(
        db, caller, new.role, shared=new.shared, label=new.label.strip(), lasts=lasts, completion=given
    )
    return await _told(request, db, made)


async def _told(request: Request, db: AsyncSession, invite: Invite) -> schemas.Link:
    link = await invite_link(db, base_url(request), invite)
    return schemas.Link(invite=schemas.Invite.model_validate(invite), link=link)


@router.delete("/invites/{identity}", name="api_revoke_invite", tags=["people"], status_code=204)
async def revoke_invite(caller: Caller, db: Db, identity: uuid.UUID) -> None:
    """Withdraw an invite."""
    if not await admin.revoke_invite(db, caller, identity):
        raise Refused(404, "There is no such invite of yours.")


# ── the trail ───────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/audit", name="api_audit", tags=["administration"])
async def list_audit(
    caller: Caller,
    db: Db,
    number: PageNumber = 1,
    action: Annotated[str, Query(max_length=100)] = "",
    account: uuid.UUID | None = None,
) -> schemas.Listed[schemas.AuditEntry]:
    """Who did what, newest first."""
    return schemas.listed(await admin.audit_page(db, number, action=action, account=account), _entry)


def _entry(entry: AuditEntry) -> schemas.AuditEntry:
    row = entry.row
    return schemas.AuditEntry(
        at=row.at,
        account=row.account_id,
        action=row.action,
        object_kind=row.object_kind,
        object_id=row.object_id,
        detail=row.detail,
    )
