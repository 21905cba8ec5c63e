"""Registering models, and trying participants."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.freeze import cast_of
from app.experiments.spec import Cast, SpecError, refuse_reserved
from app.participants.base import ModelSettings
from app.records import admin
from app.records.database import Database
from app.records.endpoints import settings_of
from app.records.people import note
from app.services.egress import allow_list
from app.services.probe import ProbedAsk, try_participant
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.settings import Settings
from models import Account, Endpoint, Participant

NONE_SUCH = "There is no such participant."


async def add_participant(
    db: AsyncSession, who: Account, name: str, endpoint: Endpoint | None, settings: ModelSettings
) -> uuid.UUID:
    """Register a model at a registered endpoint under a name. The same settings again are the same participant."""
    try:
        refuse_reserved("name", name)
    except SpecError as error:
        raise Refused(422, str(error)) from error
    if endpoint is None:
        raise Refused(422, "endpoint: there is no such endpoint: choose one that is registered.")
    whole = settings.model_copy(update={"endpoint": endpoint.name})
    [made] = cast_of(Cast({endpoint.name: settings_of(endpoint)}, {name: whole}), [name])
    identity = await admin.add_participant(db, who.id, made)
    if identity is None:
        raise Refused(
            409,
            f"There is a participant {name} with other settings: settings never change, choose another name.",
            "name",
        )
    return identity


async def probed_participant(
    database: Database, settings: Settings, who: Account, identity: uuid.UUID
) -> tuple[Participant, dict[str, ProbedAsk]]:
    """A participant and what it gave, asked with no transaction open."""
    await limited(database, f"try/{who.id}", 30)
    async with database.session.begin() as db:
        row = await admin.participant(db, identity)
        if row is None:
            raise Refused(404, NONE_SUCH)
        await note(db, who.id, "tried", "participant", row.id)
    return row, await try_participant(row, allow_list(settings))
