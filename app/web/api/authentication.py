"""Authentication of API calls: a bearer token in a header, never a cookie. Its scope and its owner's role
must both allow the route.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.exchange.importing import ImportRefused
from app.exchange.tabular import ExportRefused
from app.experiments.spec import SpecError
from app.participants.base import ParticipantError
from app.records.database import Database
from app.records.tokens import holder
from app.services.caps import CapRefused
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.services.tags import TagRefused
from app.web.api.schemas import Error
from app.web.security.middleware import client_address
from app.web.security.permissions import SCOPES, may
from models import Account

PREFIX = "/api/v1"
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "It was refused; the sentence says why and what to do."}
}
PER_MINUTE = 600
"""Most requests of one token."""
STRANGERS = 60
"""Most requests without a valid token from one address."""
_bearer = HTTPBearer(auto_error=False, description="A personal token, made at /account/tokens.")


async def _caller(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Account:
    database: Database = request.app.state.database
    found = None
    if given is not None:
        async with database.session() as db:
            found = await holder(db, given.credentials)
    if found is None:
        await limited(request.app.state.database, f"api-stranger/{client_address(request)}", STRANGERS)
        raise Refused(
            401, "Send a valid token as `Authorization: Bearer …`: make one at /account/tokens of this arena."
        )
    await limited(request.app.state.database, f"api/{found.id}", PER_MINUTE)
    route = request.scope["route"].name
    if SCOPES[route] not in found.scopes:
        raise Refused(
            403, f"This token lacks the scope {SCOPES[route]}: make one with it at /account/tokens."
        )
    if not may(found.account.role, route):
        raise Refused(403, "Your role does not allow this.")
    return found.account


Caller = Annotated[Account, Depends(_caller)]

USERS = (SpecError, ImportRefused, ExportRefused, ParticipantError, CapRefused, TagRefused)
"""Errors that the caller caused. The text is a sentence for them."""


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a caller's mistakes into refusals."""
    try:
        yield
    except USERS as error:
        raise Refused(422, str(error)) from error
