"""The endpoints of experiments, those that admins added, and what workers have found out about them."""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from sqlalchemy import case, delete, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import EndpointSettings
from app.participants.dialect import KINDS, Change, Learned
from app.participants.outages import BEYOND, EndpointState, in_words
from app.records.database import OUTAGE, Database
from models import Arm, ArmSeat, Endpoint, EndpointDialect, EndpointNotice, Experiment, Participant, PlayRow


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


Use: TypeAlias = Literal["unfinished", "finished", "none"]


async def uses(session: AsyncSession) -> list[tuple[str, EndpointSettings, Use]]:
    """Return name and address of every registered endpoint, with whether an experiment still needs it, needed it, or has none
    of its models.
    """
    seated = (
        select(Participant.endpoint_id, Arm.experiment_id)
        .join(ArmSeat, ArmSeat.participant_id == Participant.id)
        .join(Arm, Arm.id == ArmSeat.arm_id)
        .where(Participant.endpoint_id == Endpoint.id)
    ).subquery()
    alive = Experiment.state != "cancelled"
    needed = exists().where(
        PlayRow.experiment_id == seated.c.experiment_id,
        PlayRow.state.in_(("queued", "waiting")),
        Experiment.id == PlayRow.experiment_id,
        alive,
    )
    judged = exists().where(PlayRow.judge_id == Participant.id, Participant.endpoint_id == Endpoint.id)
    judges = judged.where(
        PlayRow.state.in_(("queued", "waiting")), Experiment.id == PlayRow.experiment_id, alive
    )
    use = case(
        (or_(needed, judges), "unfinished"),
        (or_(exists().where(seated.c.endpoint_id.is_not(None)), judged), "finished"),
        else_="none",
    )
    rows = await session.execute(select(Endpoint, use).order_by(Endpoint.name))
    return [(row.name, settings_of(row), found) for row, found in rows]


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


async def heard(session: AsyncSession, process: uuid.UUID) -> list[tuple[EndpointSettings, EndpointState]]:
    """Return the pauses that other living processes have stored, the last to end first."""
    rows = await session.scalars(
        select(EndpointNotice)
        .where(
            EndpointNotice.process != process,
            EndpointNotice.valid_until > func.now(),
            EndpointNotice.since.is_not(None),
        )
        .order_by(EndpointNotice.next_at.desc(), EndpointNotice.id)
    )
    first: dict[tuple[str, str], tuple[EndpointSettings, EndpointState]] = {}
    for row in rows:
        address = {**row.more, "base_url": row.base_url, "api_key_env": row.api_key_env}
        settings = EndpointSettings.model_validate(address)
        first.setdefault((settings.model_dump_json(), row.model), (settings, _state(row)))
    return [*first.values()]


def _notice_row(process: uuid.UUID, settings: EndpointSettings, state: EndpointState) -> dict[str, Any]:
    return {
        "process": process,
        "name": state.name,
        "base_url": str(settings.base_url),
        "api_key_env": settings.api_key_env,
        "more": settings.more(),
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
    lasts: bool = True
    """Whether the patience lasts until the endpoint is said to be back, as far as is known."""


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
    return [
        Notice(row.base_url, row.api_key_env, in_words(_state(row), now), lasts=BEYOND not in row.reason)
        for row in first.values()
    ]


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


# ── what servers take ───────────────────────────────────────────────────────────────────────────────────────────

LASTS = timedelta(days=7)
"""How long it is kept what a server does not take; then it is tried again."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the server of one model."""

    model: str
    learned: Sequence[Learned]
    at: datetime

    @property
    def sentences(self) -> list[str]:
        """Return what to say of it, with the times."""
        times = f"(known since {_day(self.at)}, tried again after {_day(self.at + LASTS)})"
        return [f"{self.model}: {each.sentence.rstrip('.')} {times}." for each in self.learned]


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %B %Y}".lstrip("0")


async def known(session: AsyncSession, settings: EndpointSettings) -> list[Known]:
    """Return what is known of the models of an endpoint with these settings, as long as it lasts."""
    rows = await session.scalars(
        select(EndpointDialect)
        .where(*_of(settings), EndpointDialect.learned_at > func.now() - LASTS)
        .order_by(EndpointDialect.model)
    )
    return [Known(row.model, _learned(row.lessons), row.learned_at) for row in rows]


def _of(settings: EndpointSettings) -> tuple[Any, ...]:
    return (
        EndpointDialect.base_url == str(settings.base_url),
        EndpointDialect.api_key_env.is_not_distinct_from(settings.api_key_env),
        EndpointDialect.more == settings.more(),
    )


def _learned(lessons: Any) -> list[Learned]:
    """Return what was stored; nothing of a kind that this version does not know."""
    return [
        Learned(Change(each["kind"], each["name"], each["value"]), each["because"])
        for each in lessons
        if each["kind"] in KINDS
    ]


def _lessons(learned: Iterable[Learned]) -> list[dict[str, Any]]:
    return [
        {
            "kind": each.change.kind,
            "name": each.change.name,
            "value": each.change.value,
            "because": each.because,
        }
        for each in learned
    ]


class DialectStore:
    """The memory of clients in the database. Where the database is away, a process learns by itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, settings: EndpointSettings, model: str) -> Sequence[Learned]:
        """See `Memory`."""
        try:
            async with self._database.session() as session:
                found = [each for each in await known(session, settings) if each.model == model]
        except OUTAGE:  # What servers take can be learned again.
            return []
        return found[0].learned if found else []

    async def save(
        self, settings: EndpointSettings, model: str, learned: Sequence[Learned], *, anew: bool = False
    ) -> None:
        """See `Memory`."""
        with suppress(*OUTAGE):
            async with self._database.session.begin() as session:
                await _save(session, settings, model, learned, anew=anew)


class Anew(DialectStore):
    """The memory of a check, which tries everything again, and at its end keeps what it learned in place of what was known."""

    async def load(self, settings: EndpointSettings, model: str) -> Sequence[Learned]:
        """Return nothing."""
        return []

    async def save(
        self, settings: EndpointSettings, model: str, learned: Sequence[Learned], *, anew: bool = False
    ) -> None:
        """See `Memory`; before the end of the check, keep nothing."""
        if anew:
            await super().save(settings, model, learned, anew=True)


async def _save(
    session: AsyncSession, settings: EndpointSettings, model: str, learned: Sequence[Learned], *, anew: bool
) -> None:
    where = (*_of(settings), EndpointDialect.model == model)
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{settings.base_url} {model}"))))
    row = await session.scalar(select(EndpointDialect).where(*where))
    fresh = row is not None and row.learned_at > datetime.now(UTC) - LASTS
    kept = _learned(row.lessons) if row is not None and fresh and not anew else []
    together = {each.change: each for each in (*kept, *learned)}
    if row is not None and kept:
        row.lessons = _lessons(together.values())
        return
    await session.execute(delete(EndpointDialect).where(*where))
    if together:
        session.add(
            EndpointDialect(
                base_url=str(settings.base_url),
                api_key_env=settings.api_key_env,
                more=settings.more(),
                model=model,
                lessons=_lessons(together.values()),
            )
        )
