"""Registered model servers: admins list them, add one, and try one; no key is entered, shown or stored."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.spec import NAME
from app.records import admin
from app.records.database import Database
from app.services import endpoints as services
from app.services.egress import KEY_PREFIX, key_is_set
from app.services.refusal import Refused
from app.settings import Settings
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Who

router = APIRouter()


@router.get("/endpoints", name="endpoints")
async def endpoints(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """The list, and a form for another."""
    return await _listed(request, db, number)


async def _listed(
    request: Request, db: AsyncSession, number: int = 1, refused: Refused | None = None
) -> Response:
    settings: Settings = request.app.state.settings
    return page(
        request,
        "pages/endpoints.html",
        status=refused.status if refused else 200,
        listed=await admin.endpoints_page(db, number),
        error=refused and refused.sentence,
        wrong=refused.fields if refused else (),
        given=await request.form() if refused else {},
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
    headers: Annotated[str, Form(max_length=5000)] = "",
    query: Annotated[str, Form(max_length=5000)] = "",
    fold_system: Annotated[bool, Form()] = False,
) -> Response:
    """Register one more."""
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    try:
        given = {
            "base_url": base_url.strip(),
            "api_key_env": api_key_env.strip() or None,
            "headers": _pairs("headers", headers),
            "query": _pairs("query", query),
            "fold_system": fold_system,
        }
        added = await services.add_endpoint(database, settings, who, name, given)
    except Refused as refused:
        async with database.session.begin() as db:
            return await _listed(request, db, refused=refused)
    return RedirectResponse(f"/endpoints#{added.id}", status_code=303)


def _pairs(where: str, text: str) -> dict[str, str]:
    """Return the names and values of the lines of a text field, such as `api-version: 2024-10-21`."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon or name.strip() in found:
            raise Refused(422, f"{where}: write each name once, on its own line, as NAME: VALUE.")
        found[name.strip()] = value.strip()
    return found


@router.post("/endpoints/{identity}/try", name="try_endpoint")
async def try_one(request: Request, who: Who, identity: uuid.UUID) -> Response:
    """Ask it for its models and for one token."""
    state = request.app.state
    row, tried = await services.probed_endpoint(state.database, state.settings, who, identity)
    whole = "hx-request" not in request.headers
    template = "pages/endpoint_tried.html" if whole else "fragments/_endpoint_tried.html"
    return page(request, template, endpoint=row, tried=tried)
