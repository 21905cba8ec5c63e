"""Models and built-ins on record: researchers list them, add a model, look at one and try it."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.freeze import cast_of
from app.experiments.spec import NAME, Cast, SpecError, first_mistake, refuse_reserved
from app.participants.base import ModelSettings
from app.participants.participant_factory import parse_settings
from app.records import admin
from app.records.database import Database
from app.records.endpoints import settings_of
from app.records.people import note
from app.services.egress import allow_list
from app.services.probe import ANSWERS, PASSAGE, QUESTION, ProbedAsk, try_participant
from app.web.experiment_editor.form_fields import LABELS
from app.web.fields import Field, fields, typed
from app.web.marked_quotes import pieces
from app.web.render import page
from app.web.security.middleware import Db, Refused, Who
from app.web.security.rate_limit import PageNumber, limited
from models import Account, Endpoint, Participant

router = APIRouter()
FIRST = ("model", "temperature", "max_tokens", "reason_first")
"""Settings that a form shows at once; the others are folded away."""
APART = ("kind", "endpoint", "base_url")
"""Settings that are not for this form, or that it asks for otherwise."""
NONE_SUCH = "There is no such participant."


@router.get("/participants", name="participants")
async def participants(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """The list."""
    return page(request, "pages/participants.html", listed=await admin.participants_page(db, number))


@router.get("/participants/new", name="new_participant")
async def new(request: Request, who: Who, db: Db) -> Response:
    """The form for another model."""
    return await _form(request, db, {})


def fields_of(given: Mapping[str, Any]) -> list[Field]:
    """The fields of a model, with what was entered."""
    values = typed(ModelSettings, given)
    return fields(ModelSettings, values, "", without=APART, labels=LABELS)


async def _form(
    request: Request,
    db: AsyncSession,
    given: Mapping[str, Any],
    *,
    status: int = 200,
    error: str | None = None,
) -> Response:
    found = fields_of(given)
    return page(
        request,
        "pages/participant_new.html",
        status=status,
        error=error,
        given=given,
        endpoints=await admin.endpoint_choices(db),
        first=[one for one in found if one.key in FIRST],
        further=[one for one in found if one.key not in FIRST],
    )


@router.post("/participants", name="add_participant")
async def add(
    request: Request,
    who: Who,
    db: Db,
    name: Annotated[str, Form(pattern=NAME)],
    endpoint: Annotated[uuid.UUID, Form()],
) -> Response:
    """Put a model on record."""
    form = dict((await request.form()).multi_items())
    try:
        settings = _settings(form)
        identity = await put_on_record(db, who, name, await admin.endpoint(db, endpoint), settings)
    except Refused as refused:
        return await _form(request, db, form, status=refused.status, error=refused.sentence)
    return RedirectResponse(f"/participants/{identity}", status_code=303)


def _settings(given: Mapping[str, Any]) -> ModelSettings:
    values = typed(ModelSettings, given)
    try:
        return ModelSettings.model_validate({key: values[key] for key in values if key not in APART})
    except ValidationError as error:
        raise Refused(422, first_mistake(error)) from error


async def put_on_record(
    db: AsyncSession, who: Account, name: str, endpoint: Endpoint | None, settings: ModelSettings
) -> uuid.UUID:
    """Seat a model at an endpoint on record under a name of its own; the same again is the same participant."""
    try:
        refuse_reserved("name", name)
    except SpecError as error:
        raise Refused(422, str(error)) from error
    if endpoint is None:
        raise Refused(422, "endpoint: there is no such endpoint: choose one that is on record.")
    whole = settings.model_copy(update={"endpoint": endpoint.name})
    [made] = cast_of(Cast({endpoint.name: settings_of(endpoint)}, {name: whole}), [name])
    identity = await admin.add_participant(db, who.id, made)
    if identity is None:
        raise Refused(
            409,
            f"There is a participant {name} with other settings: settings never change, choose another name.",
        )
    return identity


@router.get("/participants/{identity}", name="participant")
async def participant(request: Request, who: Who, db: Db, identity: uuid.UUID) -> Response:
    """One participant: its settings, and how an experiment's file names it."""
    row = await admin.participant(db, identity)
    if row is None:
        raise Refused(404, NONE_SUCH)
    return _shown(request, row, None)


def _shown(request: Request, row: Participant, tried: dict[str, ProbedAsk] | None) -> Response:
    return page(
        request,
        "pages/participant.html",
        participant=row,
        file=_as_file(row),
        tried=tried,
        question=QUESTION,
        answers=ANSWERS,
        passage=PASSAGE,
        pieces=pieces,
    )


def _as_file(row: Participant) -> str:
    """The participant as an experiment's file describes it."""
    whole = parse_settings(row.settings).model_dump(mode="json")
    settings = {key: value for key, value in whole.items() if value not in (None, {})}
    return yaml.safe_dump({"participants": {row.name: settings}}, sort_keys=False)


@router.post("/participants/{identity}/try", name="try_participant")
async def try_one(request: Request, who: Who, identity: uuid.UUID) -> Response:
    """Ask for a belief and for a short speech."""
    row, tried = await tried_participant(request, who, identity)
    if "hx-request" not in request.headers:
        return _shown(request, row, tried)
    return page(request, "fragments/_participant_tried.html", tried=tried, answers=ANSWERS, pieces=pieces)


async def tried_participant(
    request: Request, who: Account, identity: uuid.UUID
) -> tuple[Participant, dict[str, ProbedAsk]]:
    """A participant and what it gave, asked with no transaction open."""
    await limited(request, f"try/{who.id}", 30)
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        row = await admin.participant(db, identity)
        if row is None:
            raise Refused(404, NONE_SUCH)
        await note(db, who.id, "tried", "participant", row.id)
    return row, await try_participant(row, allow_list(request.app.state.settings))
