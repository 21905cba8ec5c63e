"""Whether the arena can work now, and figures of the whole arena for Prometheus: few and cheap statements."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.records.database import OUTAGE, Database, revision_of
from app.records.outage import kind_of


@dataclass(slots=True)
class Readiness:
    """What works, by part: each is `ok` or says what is wrong, without a name or a figure of any experiment."""

    parts: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Return whether all parts work."""
        return all(said == "ok" for said in self.parts.values())


async def readiness(database: Database, stalled_after: float) -> Readiness:
    """Look at the database, its migrations and the workers. `stalled_after`: seconds without a sign of life."""
    found = Readiness()
    try:
        async with database.engine.connect() as connection:
            found.parts["database"] = "ok"
            found.parts["migrations"] = await _migrations(connection)
            found.parts["worker"] = await _worker(connection, stalled_after)
    except OUTAGE as error:
        database.outage.saw(error)
        full = kind_of(error) == "full"
        found.parts["database"] = "its disk is full" if full else "it does not answer"
    return found


async def _migrations(connection: AsyncConnection) -> str:
    revision, head = await revision_of(connection)
    return (
        "ok"
        if revision == head
        else "not current: run `arena db upgrade`, or start a version that knows them"
    )


async def _worker(connection: AsyncConnection, stalled_after: float) -> str:
    alive = await connection.scalar(_ALIVE, {"seconds": stalled_after})
    return (
        "ok" if alive else "no worker has given a sign of life lately: start `arena serve` or `arena worker`"
    )


_ALIVE = text(
    "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => :seconds)"
)
_JOBS = text(
    """
    SELECT count(*) FILTER (WHERE status = 'doing') AS doing,
           count(*) FILTER (WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())) AS due,
           count(*) FILTER (WHERE status = 'todo' AND scheduled_at > now()) AS later
    FROM procrastinate_jobs
    """
)
_OLDEST = text(
    """
    SELECT extract(epoch FROM now() - min(greatest(e.at, j.scheduled_at)))::float8
    FROM procrastinate_jobs j JOIN LATERAL (
        SELECT min(at) AS at FROM procrastinate_events WHERE job_id = j.id
    ) e ON true
    WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())
      AND j.id IN (
        SELECT id FROM procrastinate_jobs
        WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) ORDER BY id LIMIT 1
      )
    """
)
_SPENT = text(
    """
    SELECT coalesce(sum(calls), 0)::float8 AS calls, coalesce(sum(prompt), 0)::float8 AS prompt,
           coalesce(sum(cached), 0)::float8 AS cached, coalesce(sum(completion), 0)::float8 AS completion
    FROM spending
    """
)
_EXPERIMENTS = text("SELECT state, count(*) FROM experiment GROUP BY state")
_PAUSED = text(
    """
    SELECT count(DISTINCT (base_url, model)) FROM endpoint_notice
    WHERE since IS NOT NULL AND valid_until > now()
    """
)
_CONNECTIONS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
_BYTES = text("SELECT pg_database_size(current_database())")


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of the whole arena, all of its processes together."""

    jobs: dict[str, int]
    """By `doing`, `due` and `later`."""
    oldest: float
    """Seconds since the first job that is due was queued; 0 where none is."""
    workers: int
    calls: float
    tokens: dict[str, float]
    """By `prompt`, `cached` and `completion`."""
    experiments: dict[str, int]
    """By state."""
    paused: int
    """Endpoints, or models at one, that are left alone now."""
    connections: int
    size: int
    """Bytes of the database."""


async def figures(database: Database, stalled_after: float) -> Figures:
    """Read the figures. Raise an OUTAGE where the database does not answer."""
    async with database.engine.connect() as connection:
        jobs = (await connection.execute(_JOBS)).mappings().one()
        spent = (await connection.execute(_SPENT)).mappings().one()
        states = await connection.execute(_EXPERIMENTS)
        return Figures(
            jobs={name: int(count) for name, count in jobs.items()},
            oldest=await _number(connection, _OLDEST) or 0.0,
            workers=int(await connection.scalar(_ALIVE, {"seconds": stalled_after})),
            calls=spent["calls"],
            tokens={name: spent[name] for name in ("prompt", "cached", "completion")},
            experiments={row[0]: row[1] for row in states},
            paused=int(await _number(connection, _PAUSED) or 0),
            connections=int(await _number(connection, _CONNECTIONS) or 0),
            size=int(await _number(connection, _BYTES) or 0),
        )


async def _number(connection: AsyncConnection, statement: Any) -> float | None:
    found: float | None = await connection.scalar(statement)
    return found
