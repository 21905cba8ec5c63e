"""The API's participants and endpoints: list, add, try."""

import uuid

from fastapi import APIRouter, Request

from app.protocols.core import Belief, Speech
from app.records import admin
from app.records.endpoints import settings_of
from app.services import endpoints, participants
from app.services.refusal import Refused
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller
from app.web.parameters import PageNumber
from app.web.security.middleware import Db
from models import Endpoint, Participant

router = APIRouter(prefix=PREFIX, responses=REFUSALS)


@router.get("/participants", name="api_participants", tags=["participants"])
async def list_participants(
    caller: Caller, db: Db, number: PageNumber = 1
) -> schemas.Listed[schemas.Participant]:
    """Registered models and built-ins, by name."""
    return schemas.listed(await admin.participants_page(db, number), _participant)


def _participant(row: Participant) -> schemas.Participant:
    return schemas.Participant(
        id=row.id,
        name=row.name,
        kind=row.kind,
        endpoint=row.endpoint.name if row.endpoint else None,
        settings=row.settings,
    )


@router.post("/participants", name="api_add_participant", tags=["participants"], status_code=201)
async def add_participant(caller: Caller, db: Db, new: schemas.NewParticipant) -> schemas.Participant:
    """Register a model. Its settings never change, and the same settings are the same participant."""
    if new.settings.base_url is not None or new.settings.endpoint is None:
        raise Refused(422, "settings: name a registered endpoint as `endpoint`, and no base_url.")
    named = await admin.endpoints_named(db, new.settings.endpoint)
    if len(named) > 1:
        raise Refused(409, f"There are several endpoints {new.settings.endpoint}: choose one in the browser.")
    identity = await participants.add_participant(db, caller, new.name, next(iter(named), None), new.settings)
    row = await admin.participant(db, identity)
    assert row is not None
    return _participant(row)


@router.post("/participants/{identity}/try", name="api_try_participant", tags=["participants"])
async def try_participant(request: Request, caller: Caller, identity: uuid.UUID) -> schemas.Tried:
    """Ask one for a belief and a short speech. Nothing is stored."""
    state = request.app.state
    _, tried = await participants.probed_participant(state.database, state.settings, caller, identity)
    belief, speech = tried["belief"], tried["speech"]
    held = belief.content if isinstance(belief.content, Belief) else None
    return schemas.Tried(
        belief=list(held.p) if held else None,
        method=held.method if held else None,
        label_mass=held.label_mass if held else None,
        belief_seconds=belief.seconds,
        belief_error=belief.error,
        speech=speech.content.said.text if isinstance(speech.content, Speech) else None,
        speech_seconds=speech.seconds,
        speech_error=speech.error,
    )


@router.get("/endpoints", name="api_endpoints", tags=["administration"])
async def list_endpoints(caller: Caller, db: Db, number: PageNumber = 1) -> schemas.Listed[schemas.Endpoint]:
    """Registered model servers, by name."""
    return schemas.listed(await admin.endpoints_page(db, number), _endpoint)


def _endpoint(row: Endpoint) -> schemas.Endpoint:
    return schemas.Endpoint(id=row.id, name=row.name, **settings_of(row).model_dump(mode="json"))


@router.post("/endpoints", name="api_add_endpoint", tags=["administration"], status_code=201)
async def add_endpoint(request: Request, caller: Caller, new: schemas.NewEndpoint) -> schemas.Endpoint:
    """Register a model server. Its address is checked against the allow-list, and never changes."""
    state = request.app.state
    given = new.model_dump(exclude={"name"})
    added = await endpoints.add_endpoint(state.database, state.settings, caller, new.name, given)
    return _endpoint(added)


@router.post("/endpoints/{identity}/try", name="api_try_endpoint", tags=["administration"])
async def try_endpoint(request: Request, caller: Caller, identity: uuid.UUID) -> schemas.EndpointTried:
    """Ask one for its models and for one token."""
    state = request.app.state
    _, tried = await endpoints.probed_endpoint(state.database, state.settings, caller, identity)
    return schemas.EndpointTried.model_validate(tried)
