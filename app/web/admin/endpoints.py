"""Model servers on record: admins list them, add one, and try one; no key is entered, shown or stored."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.spec import NAME, first_mistake
from app.participants.base import EndpointSettings
from app.records import admin
from app.records.database import Database
from app.records.people import note
from app.services.egress import KEY_PREFIX, Blocked, allow_list, key_is_set, may_name_key
from app.services.probe import EndpointProbe, try_endpoint
from app.settings import Settings
from app.web.render import page
from app.web.security.middleware import Db, Refused, Who
from app.web.security.rate_limit import PageNumber, limited
from models import Account, Endpoint

router = APIRouter()


@router.get("/endpoints", name="endpoints")
async def endpoints(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """The list, and a form for another."""
    return await _listed(request, db, number)


async def _listed(
    request: Request, db: AsyncSession, number: int = 1, *, status: int = 200, error: str | None = None
) -> Response:
    settings: Settings = request.app.state.settings
    return page(
        request,
        "pages/endpoints.html",
        status=status,
        listed=await admin.endpoints_page(db, number),
        error=error,
        given=await request.form() if error else {},
        key_is_set=key_is_set,
        key_prefix=KEY_PREFIX,
        allowed=settings.allowed_hosts,
        variables=settings.key_variables,
    )


@router.post("/endpoints", name="add_endpoint")
async def add_endpoint(
    request: Request,
    who: Who,
    name: Annotated[str, Form(pattern=NAME)],
    base_url: Annotated[str, Form(max_length=500)],
    api_key_env: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Put one more on record."""
    database: Database = request.app.state.database
    try:
        added = await put_on_record(request, who, name, base_url.strip(), api_key_env.strip() or None)
    except Refused as refused:
        async with database.session.begin() as db:
            return await _listed(request, db, status=refused.status, error=refused.sentence)
    return RedirectResponse(f"/endpoints#{added.id}", status_code=303)


async def put_on_record(
    request: Request, who: Account, name: str, base_url: str, variable: str | None
) -> Endpoint:
    """Check an endpoint and put it on record; the name of its server is looked up with no transaction open."""
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    address = _valid(base_url, variable, settings)
    try:
        await allow_list(settings).check(str(address.base_url))
    except Blocked as blocked:
        raise Refused(422, str(blocked)) from blocked
    async with database.session.begin() as db:
        added = await admin.add_endpoint(db, who.id, name, str(address.base_url), variable)
        if added is None:
            raise Refused(
                409, f"There is an endpoint {name} already: an address never changes, choose another name."
            )
        return added


def _valid(base_url: str, variable: str | None, settings: Settings) -> EndpointSettings:
    try:
        found = EndpointSettings.model_validate({"base_url": base_url, "api_key_env": variable})
    except ValidationError as error:
        raise Refused(422, first_mistake(error)) from error
    if found.base_url.fragment:
        raise Refused(422, "base_url: leave out what follows the #.")
    if variable is not None and not may_name_key(variable, settings):
        raise Refused(
            422,
            f"api_key_env: name a variable that begins with {KEY_PREFIX}, or have the operator list this one in "
            "ARENA_KEY_VARIABLES.",
        )
    return found


@router.post("/endpoints/{identity}/try", name="try_endpoint")
async def try_one(request: Request, who: Who, identity: uuid.UUID) -> Response:
    """Ask it for its models and for one token."""
    row, tried = await tried_endpoint(request, who, identity)
    whole = "hx-request" not in request.headers
    template = "pages/endpoint_tried.html" if whole else "fragments/_endpoint_tried.html"
    return page(request, template, endpoint=row, tried=tried)


async def tried_endpoint(
    request: Request, who: Account, identity: uuid.UUID
) -> tuple[Endpoint, EndpointProbe]:
    """An endpoint and what it can do, asked with no transaction open."""
    await limited(request, f"try/{who.id}", 30)
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        row = await admin.endpoint(db, identity)
        if row is None:
            raise Refused(404, "There is no such endpoint.")
        await note(db, who.id, "tried", "endpoint", row.id)
    return row, await try_endpoint(row, allow_list(request.app.state.settings))
