"""Commands that look after this machine's arena: db upgrade, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.running import run_to_end

if TYPE_CHECKING:
    from app.participants.base import EndpointSettings
    from app.records.database import Health

commands = typer.Typer()
upkeep = typer.Typer(help="Look after the database.", no_args_is_help=True)


@upkeep.command()
def upgrade() -> None:
    """Apply the migrations that are missing."""
    health = run_to_end(_upgrade())
    print(f"The database is at revision {health.revision}.")


async def _upgrade() -> Health:
    from app.cli.local import local_arena

    async with local_arena() as (database, _):
        return await database.health()


@commands.command()
def doctor(
    spec: Annotated[
        Path | None, typer.Argument(metavar="[SPEC.yaml]", help="Also try this file's endpoints.")
    ] = None,
) -> None:
    """Say which database is used, whether its migrations are current, and which model endpoints answer."""
    sound = run_to_end(_doctor(spec))
    if not sound:
        sys.exit(1)


async def _doctor(path: Path | None) -> bool:
    from app.cli.local import local_arena
    from app.records.endpoints import endpoints, notices

    wanted = _endpoints_of(path) if path else []
    async with local_arena(upgrade=False) as (database, _):
        health = await database.health()
        known, found = [], []
        if health.current:
            known = await endpoints(database)
            async with database.session() as session:
                found = await notices(session)
    kind = "embedded PostgreSQL" if health.embedded else "PostgreSQL from DATABASE_URL"
    print(f"Database: {kind} {health.server_version} at {health.address}")
    state = "current" if health.current else "not current: run `arena db upgrade`"
    print(f"Migrations: {health.revision or 'none'} of {health.head}, {state}")
    for endpoint in wanted:
        if endpoint not in known:
            known.append(endpoint)
    answering = [await _try_endpoint(*endpoint) for endpoint in known]
    for notice in found:
        print(f"Of a worker that runs now: {notice.sentence}")
    if not known:
        print("Endpoints: none known yet; name a spec to try its endpoints.")
    return health.current and all(answering)


def _endpoints_of(path: Path) -> list[tuple[str, EndpointSettings]]:
    """Return name and address of every endpoint of an experiment's file."""
    from app.experiments.spec import read_spec

    cast = read_spec(path).cast
    return [endpoint for name in cast.participants if (endpoint := cast.endpoint_of(name))]


async def _try_endpoint(name: str, endpoint: EndpointSettings) -> bool:
    from app.participants.base import ParticipantError
    from app.participants.participant_factory import ParticipantFactory

    factory = ParticipantFactory()
    try:
        models = await factory.client(name, endpoint).models()
    except ParticipantError as error:
        print(f"Endpoint {name} ({endpoint.base_url}): {error}")
        return False
    finally:
        await factory.close()
    print(f"Endpoint {name} ({endpoint.base_url}): answers, serves {', '.join(models) or 'no model'}")
    return True
