"""The endpoints of experiments, those that admins added, and what workers have found out about them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import EndpointSettings
from app.participants.outages import EndpointState, in_words
from app.records.database import Database
from models import Arm, ArmSeat, Endpoint, EndpointNotice, Participant, PlayRow


def settings_of(endpoint: Endpoint) -> EndpointSettings:
    """Return a registered endpoint, as clients need it."""
    address = {**endpoint.more, "base_url": endpoint.base_url, "api_key_env": endpoint.api_key_env}
    return EndpointSettings.model_validate(address)


async def endpoints(database: Database) -> list[tuple[str, EndpointSettings]]:
    """Return name and address of every registered endpoint. Two experiments may have given one name to
    different addresses.
    """
    async with database.session() as session:
        rows = await session.scalars(select(Endpoint).order_by(Endpoint.name))
        return [(row.name, settings_of(row)) for row in rows]


# ── pauses and paces ────────────────────────────────────────────────────────────────────────────────────────────


async def publish(
    session: AsyncSession,
    process: uuid.UUID,
    states: Sequence[tuple[EndpointSettings, EndpointState]],
    *,
    seconds: float,
) -> None:
    """Store what a process has found out about endpoints, in place of what it stored before, for so many seconds.

    Notices of processes that no longer put off their end are deleted.
    """
    await session.execute(
        delete(EndpointNotice).where(
            or_(EndpointNotice.process == process, EndpointNotice.valid_until < func.now())
        )
    )
    if states:
        # Endpoints that differ in headers or query alone share a row: what is paused is shown first.
        first: dict[tuple[str, str | None, str], dict[str, Any]] = {}
        for settings, state in sorted(states, key=lambda item: item[1].since is None):
            key = str(settings.base_url), settings.api_key_env, state.model
            first.setdefault(key, _notice_row(process, settings, state))
        until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        await session.execute(
            insert(EndpointNotice).values([{**row, "valid_until": until} for row in first.values()])
        )


def _notice_row(process: uuid.UUID, settings: EndpointSettings, state: EndpointState) -> dict[str, Any]:
    return {
        "process": process,
        "name": state.name,
        "base_url": str(settings.base_url),
        "api_key_env": settings.api_key_env,
        "model": state.model,
        "since": state.since,
        "reason": state.reason,
        "next_at": state.next,
        "rate": state.rate,
    }


@dataclass(frozen=True, slots=True)
class Notice:
    """An endpoint that is paused or has a pace, in words."""

    base_url: str
    api_key_env: str | None
    sentence: str


async def notices(session: AsyncSession, experiment: uuid.UUID | None = None) -> list[Notice]:
    """Return what living workers have found out about the endpoints, or those of an experiment; one for each."""
    found = select(EndpointNotice).where(EndpointNotice.valid_until > func.now())
    if experiment is not None:
        found = found.where(_used_in(experiment))
    rows = await session.scalars(found.order_by(EndpointNotice.name, EndpointNotice.since, EndpointNotice.id))
    first: dict[tuple[str, str | None, str], EndpointNotice] = {}
    for row in rows:
        first.setdefault((row.base_url, row.api_key_env, row.model), row)
    now = datetime.now(UTC)
    return [Notice(row.base_url, row.api_key_env, in_words(_state(row), now)) for row in first.values()]


def _used_in(experiment: uuid.UUID) -> Any:
    """Whether a model behind the endpoint sits in an arm of the experiment, or judges in it."""
    seated = (
        exists()
        .select_from(ArmSeat)
        .where(
            ArmSeat.participant_id == Participant.id,
            ArmSeat.arm_id == Arm.id,
            Arm.experiment_id == experiment,
        )
    )
    judges = exists().where(
        PlayRow.experiment_id == experiment, PlayRow.state == "queued", PlayRow.judge_id == Participant.id
    )
    same = (
        Endpoint.base_url == EndpointNotice.base_url,
        Endpoint.api_key_env.is_not_distinct_from(EndpointNotice.api_key_env),
    )
    return exists().where(*same, Participant.endpoint_id == Endpoint.id, or_(seated, judges))


def _state(row: EndpointNotice) -> EndpointState:
    return EndpointState(row.name, row.model, row.since, row.reason, row.next_at, row.rate)
