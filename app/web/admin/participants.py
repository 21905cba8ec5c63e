"""Registered models and built-ins: researchers list them, add a model, look at one and try it."""

import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.fitness import found_of
from app.experiments.spec import NAME, first_mistake
from app.participants.base import ModelSettings
from app.participants.participant_factory import parse_settings
from app.protocols.quotes import MarkedText
from app.records import admin
from app.services import participants as services
from app.services.marked_quotes import pieces
from app.services.probe import ANSWERS, PASSAGE, QUESTION, ProbedAsk
from app.services.refusal import Refused
from app.web.experiment_editor.form_fields import LABELS
from app.web.fields import Field, fields, typed
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Who
from models import Participant

router = APIRouter()
FIRST = ("model", "temperature", "max_tokens", "reason_first")
"""Settings that a form shows at once; the others are folded away."""
APART = ("kind", "endpoint", "base_url")
"""Settings that are not for this form, or that it asks for otherwise."""


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
    refused: Refused | None = None,
) -> Response:
    found = fields_of(given)
    return page(
        request,
        "pages/participant_new.html",
        status=refused.status if refused else 200,
        error=refused and refused.sentence,
        wrong=refused.fields if refused else (),
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
    """Register a model."""
    form = dict((await request.form()).multi_items())
    try:
        settings = _settings(form)
        identity = await services.add_participant(db, who, name, await admin.endpoint(db, endpoint), settings)
    except Refused as refused:
        return await _form(request, db, form, refused)
    return RedirectResponse(f"/participants/{identity}", status_code=303)


def _settings(given: Mapping[str, Any]) -> ModelSettings:
    values = typed(ModelSettings, given)
    try:
        return ModelSettings.model_validate({key: values[key] for key in values if key not in APART})
    except ValidationError as error:
        raise Refused(422, first_mistake(error)) from error


@router.get("/participants/{identity}", name="participant")
async def participant(request: Request, who: Who, db: Db, identity: uuid.UUID) -> Response:
    """One participant: its settings, and how an experiment's file names it."""
    row = await admin.participant(db, identity)
    if row is None:
        raise Refused(404, services.NONE_SUCH)
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
        found_of=_found_of,
    )


def _as_file(row: Participant) -> str:
    """The participant as an experiment's file describes it."""
    whole = parse_settings(row.settings).model_dump(mode="json")
    settings = {key: value for key, value in whole.items() if value not in (None, {})}
    return yaml.safe_dump({"participants": {row.name: settings}}, sort_keys=False)


@router.post("/participants/{identity}/try", name="try_participant")
async def try_one(request: Request, who: Who, identity: uuid.UUID) -> Response:
    """Ask for a belief and for a short speech."""
    state = request.app.state
    row, tried = await services.probed_participant(state.database, state.settings, who, identity)
    if "hx-request" not in request.headers:
        return _shown(request, row, tried)
    return page(
        request,
        "fragments/_participant_tried.html",
        tried=tried,
        answers=ANSWERS,
        pieces=pieces,
        found_of=_found_of,
    )


def _found_of(said: MarkedText) -> str:
    return found_of(Counter(quote.mark for quote in said.quotes))
