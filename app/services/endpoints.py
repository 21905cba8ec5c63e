"""Registering endpoints, and asking what they can do; no key is entered, shown or stored."""

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from app.experiments.spec import first_mistake
from app.participants.base import EndpointSettings
from app.records import admin
from app.records.database import Database
from app.records.people import note
from app.services.egress import KEY_PREFIX, Blocked, allow_list, may_name_key
from app.services.probe import EndpointProbe, try_endpoint
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.settings import Settings
from models import Account, Endpoint


async def add_endpoint(
    database: Database, settings: Settings, who: Account, name: str, given: Mapping[str, Any]
) -> Endpoint:
    """Check an endpoint and register it; the name of its server is looked up with no transaction open.

    `given` has the settings of an endpoint, as an experiment's file writes them.
    """
    endpoint = _valid(given, settings)
    try:
        await allow_list(settings).check(str(endpoint.base_url))
    except Blocked as blocked:
        raise Refused(422, str(blocked), "base_url") from blocked
    async with database.session.begin() as db:
        added = await admin.add_endpoint(db, who.id, name, endpoint)
        if added is None:
            raise Refused(
                409,
                f"There is an endpoint {name} already: an address never changes, choose another name.",
                "name",
            )
        return added


def _valid(given: Mapping[str, Any], settings: Settings) -> EndpointSettings:
    try:
        found = EndpointSettings.model_validate(given)
    except ValidationError as error:
        raise Refused(422, first_mistake(error)) from error
    if found.base_url.fragment:
        raise Refused(422, "base_url: leave out what follows the #.")
    for variable in found.variables():
        if not may_name_key(variable, settings):
            is_key = variable == found.api_key_env
            raise Refused(
                422,
                f"{'api_key_env' if is_key else 'headers and query'}: name a variable that begins with {KEY_PREFIX}, or have the "
                f"operator list {variable} in ARENA_KEY_VARIABLES.",
                *(["api_key_env"] if is_key else ["headers", "query"]),
            )
    return found


async def probed_endpoint(
    database: Database, settings: Settings, who: Account, identity: uuid.UUID
) -> tuple[Endpoint, EndpointProbe]:
    """An endpoint and what it can do, asked with no transaction open."""
    await limited(database, f"try/{who.id}", 30)
    async with database.session.begin() as db:
        row = await admin.endpoint(db, identity)
        if row is None:
            raise Refused(404, "There is no such endpoint.")
        await note(db, who.id, "tried", "endpoint", row.id)
    return row, await try_endpoint(row, allow_list(settings))
