"""Personal tokens for the JSON API: made, shown once, revoked."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import tokens as records
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Who
from models import Account

router = APIRouter()
Scope = Literal["read", "write", "admin"]


def scopes_to_give(who: Account) -> tuple[str, ...]:
    """Return the scopes that a user's token may have."""
    return ("read", "write", "admin") if who.role == "admin" else ("read", "write")


@router.get("/account/tokens", name="tokens")
async def tokens(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """One's own tokens, and a form for another."""
    return await _listed(request, who, db, number, {"days": "90", "scopes": "read"})


async def _listed(
    request: Request,
    who: Account,
    db: AsyncSession,
    number: int,
    given: Any,
    *,
    status: int = 200,
    error: str | None = None,
) -> Response:
    return page(
        request,
        "pages/tokens.html",
        status=status,
        error=error,
        wrong=("scopes",) if error else (),
        given=given,
        listed=await records.tokens_page(db, who.id, number),
        scopes=scopes_to_give(who),
        now=datetime.now(UTC),
    )


@router.post("/account/tokens", name="make_token")
async def make_token(
    request: Request,
    who: Who,
    db: Db,
    name: Annotated[str, Form(min_length=1, max_length=100)],
    scopes: Annotated[list[Scope] | None, Form()] = None,
    days: Annotated[int, Form(ge=1, le=365)] = 90,
) -> Response:
    """Make a token and show it, this once."""
    await limited(request.app.state.database, f"token/{who.id}", 10)
    if not scopes:
        error = "Choose what the token is for: read, write or both."
        return await _listed(request, who, db, 1, await request.form(), status=422, error=error)
    if not set(scopes) <= set(scopes_to_give(who)):
        raise Refused(403, "Only an admin may have a token for administration.")
    token = await records.new_token(db, who.id, name, sorted(set(scopes)), timedelta(days=days))
    return page(request, "pages/token_made.html", token=token, name=name)


@router.post("/account/tokens/{identity}/revoke", name="revoke_token")
async def revoke_token(who: Who, db: Db, identity: uuid.UUID) -> Response:
    """End a token."""
    if not await records.revoke_token(db, who.id, identity):
        raise Refused(404, "There is no such token of yours.")
    return RedirectResponse("/account/tokens", status_code=303)
