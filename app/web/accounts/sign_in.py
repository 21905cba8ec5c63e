"""Coming and going: sign-in with a password, invite links, sign-out."""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from argon2.exceptions import VerificationError
from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from itsdangerous import BadSignature
from sqlalchemy.ext.asyncio import AsyncSession

from app.languages import gettext as _
from app.records import admin, people
from app.records.database import Database
from app.services.invites import invite_link, signer
from app.services.passwords import SHORTEST_PASSWORD, TOO_SHORT, hasher
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.web.accounts.recruiters import PREVIEW, recruited_by, recruiters_id_of, tidy
from app.web.render import page
from app.web.security.middleware import (
    COOKIE,
    Db,
    Visit,
    Visitor,
    Who,
    base_url,
    client_address,
    set_session,
)
from models import Account, Invite

router = APIRouter()
# Checked where there is no such account, so that the time does not show which addresses exist.
_NO_ACCOUNT = hasher.hash("no account has this password")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@router.get("/sign-in", name="sign_in_form")
async def sign_in_form(request: Request, visitor: Visitor) -> Response:
    """The form."""
    return page(request, "pages/sign_in.html", error=None, email="")


@router.post("/sign-in", name="sign_in")
async def sign_in(
    request: Request,
    visitor: Visitor,
    email: Annotated[str, Form(max_length=320)],
    password: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Sign a user in by address and password."""
    database: Database = request.app.state.database
    await limited(request.app.state.database, f"sign-in/{client_address(request)}", 20)
    await limited(request.app.state.database, f"sign-in/{email.strip().lower()}", 10)
    async with database.session() as db:
        account = await people.account_by_email(db, email)
    known = account.password_hash if account and not account.disabled_at else None
    # Outside of any transaction: the check is slow on purpose.
    if (
        not await run_in_threadpool(_matches, known or _NO_ACCOUNT, password)
        or known is None
        or account is None
    ):
        return page(
            request,
            "pages/sign_in.html",
            status=403,
            error="Address and password do not belong together.",
            wrong=("email", "password"),
            email=email,
        )
    async with database.session.begin() as db:
        await people.note(db, account.id, "signed in", "account", account.id)
        return await _enter(request, db, account, "/")


def _matches(known: str, password: str) -> bool:
    try:
        return hasher.verify(known, password)
    except VerificationError:
        return False


@router.post("/sign-out", name="sign_out")
async def sign_out(visitor: Visitor, db: Db) -> Response:
    """End this session."""
    assert visitor.session is not None
    await people.close_session(db, visitor.session.id)
    await people.note(db, visitor.session.account_id, "signed out", "account", visitor.session.account_id)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE)
    return response


@router.post("/sign-out-everywhere", name="sign_out_everywhere")
async def sign_out_everywhere(who: Who, db: Db) -> Response:
    """End every session of this account, on every device."""
    ended = await people.close_sessions(db, who.id)
    await people.note(db, who.id, "signed out everywhere", "account", who.id, {"browsers": ended})
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/invite/{token}", name="invite")
async def invite(request: Request, visitor: Visitor, db: Db, token: str) -> Response:
    """Ask a newcomer for a name, or for a password where their role needs one; let in who has come before."""
    found = await _invite(request, db, token)
    if found.sets_password:
        return _password_asked(request, token, found, await _owner(db, found))
    recruited = recruited_by(request.query_params)
    if recruited.get("assignmentId") == PREVIEW:
        return page(request, "pages/invite_preview.html")
    if found.account_id is not None:
        account = await _owner(db, found)
        assert account is not None
        account.recruiter_id = account.recruiter_id or recruiters_id_of(recruited) or None
        if found.once:
            found.revoked_at = datetime.now(UTC)
        await people.note(db, account.id, "signed in", "account", account.id, {"invite": str(found.id)})
        return await _enter(request, db, account, "/")
    if visitor.account and visitor.account.name == recruiters_id_of(recruited):
        return RedirectResponse("/", status_code=303)
    return _invited(request, visitor, token, recruited)


def _invited(
    request: Request,
    visitor: Visit,
    token: str,
    recruited: Mapping[str, str],
    status: int = 200,
    error: str | None = None,
) -> Response:
    return page(
        request,
        "pages/invite.html",
        status=status,
        token=token,
        recruited=recruited,
        recruiters_id=recruiters_id_of(recruited),
        already=visitor.account.name if visitor.account and visitor.role == "judge" else None,
        error=error,
        wrong=("name",) if error else (),
    )


@router.post("/invite/{token}", name="join")
async def join(
    request: Request,
    visitor: Visitor,
    db: Db,
    token: str,
    name: Annotated[str, Form(max_length=100)] = "",
    email: Annotated[str, Form(max_length=320)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Make the newcomer's account, and send them on by the link or password that is theirs from now on."""
    await limited(request.app.state.database, f"join/{client_address(request)}", 60)
    found = await _invite(request, db, token)
    if found.sets_password:
        return await _with_password(request, db, token, found, tidy(name), email.strip(), password)
    if found.account_id is not None:
        return RedirectResponse(f"/invite/{token}", status_code=303)
    recruited = recruited_by({key: str(value) for key, value in (await request.form()).items()})
    recruiters_id = recruiters_id_of(recruited)
    name = recruiters_id or tidy(name)
    if recruited.get("assignmentId") == PREVIEW:
        return page(request, "pages/invite_preview.html", status=422)
    if not name:
        return _invited(request, visitor, token, recruited, 422, _("Write a name or your id first."))
    if recruiters_id and await people.has_joined(db, found, name):
        sentence = _(
            "A person has joined with this id already: open your own link, or ask the sender of this one."
        )
        return _invited(request, visitor, token, recruited, 409, sentence)
    account, personal = await people.join(db, found, name, recruiters_id)
    await people.note(db, account.id, "joined", "invite", found.id, recruited)
    return await _enter(request, db, account, "/", keep=await invite_link(db, base_url(request), personal))


async def _owner(db: AsyncSession, invite: Invite) -> Account | None:
    """Whom a personal invite belongs to, if anybody has come by it; refuses closed accounts."""
    account = await db.get(Account, invite.account_id) if invite.account_id else None
    if account is not None and account.disabled_at:
        raise Refused(403, _("This account has been closed."))
    return account


def _password_asked(
    request: Request,
    token: str,
    invite: Invite,
    owner: Account | None,
    entered: Mapping[str, str] | None = None,
    status: int = 200,
    error: str | None = None,
    wrong: str = "",
) -> Response:
    """The form of admins and researchers; never the password that was entered."""
    known = {"name": owner.name, "email": owner.email or ""} if owner else {"name": "", "email": ""}
    shown = {
        "token": token,
        "role": invite.role,
        "owner": owner,
        "shortest": SHORTEST_PASSWORD,
        "wrong": [wrong],
    }
    entries = {**known, **(entered or {})}
    return page(request, "pages/invite_password.html", status=status, error=error, **shown, **entries)


async def _with_password(
    request: Request, db: AsyncSession, token: str, found: Invite, name: str, email: str, password: str
) -> Response:
    """Make the account of an admin or researcher, or give the one that the link is for another password."""
    owner = await _owner(db, found)
    name, email = (owner.name, owner.email or email) if owner else (name, email)
    if wrong := await _wrong(db, owner, name, email, password):
        entered = {"name": name, "email": email}
        return _password_asked(
            request, token, found, owner, entered, wrong.status, wrong.sentence, wrong.fields[0]
        )
    secret = await run_in_threadpool(hasher.hash, password)
    if owner is None:
        owner = await people.join_with_password(db, found, name, email, secret)
        await people.note(db, owner.id, "joined", "invite", found.id)
    else:
        await admin.set_password(db, owner, email, secret)
    return await _enter(request, db, owner, "/")


async def _wrong(
    db: AsyncSession, owner: Account | None, name: str, email: str, password: str
) -> Refused | None:
    """Return the first thing that has to be entered otherwise."""
    if not name:
        return Refused(422, "Write your name first.", "name")
    if not (_ADDRESS.fullmatch(email) and email.isprintable()):
        return Refused(422, "Write your email address as name@example.org.", "email")
    if len(password) < SHORTEST_PASSWORD:
        return Refused(422, TOO_SHORT, "password")
    taken = await people.account_by_email(db, email)
    if taken is not None and taken is not owner:
        sentence = "There is an account with this address: sign in with it, or give another address."
        return Refused(409, sentence, "email")
    return None


async def _invite(request: Request, db: AsyncSession, token: str) -> Invite:
    found = await people.usable_invite(db, await _identity(request, token))
    if found is None:
        raise Refused(
            410, _("This invite has expired, was withdrawn or has been used: ask its sender for another.")
        )
    return found


async def _identity(request: Request, token: str) -> uuid.UUID:
    """The id in a link. The key is read with a connection that is let go before a guess is counted with another."""
    database: Database = request.app.state.database
    async with database.session() as db:
        reader = await signer(db)
    try:
        return uuid.UUID(reader.loads(token))
    except (BadSignature, ValueError) as error:
        # Only guesses are counted: many newcomers may share one address.
        await limited(request.app.state.database, f"invite/{client_address(request)}", 60)
        raise Refused(404, _("This invite link is not complete: copy the whole of it.")) from error


async def _enter(
    request: Request, db: AsyncSession, account: Account, to: str, keep: str | None = None
) -> Response:
    """Sign in and go on; `keep` is the personal link to show, so that they can come back from another device."""
    token = await people.open_session(db, account.id)
    response = (
        RedirectResponse(to, status_code=303)
        if keep is None
        else page(request, "pages/joined.html", name=account.name, link=keep, to=to)
    )
    set_session(response, request, token)
    return response
