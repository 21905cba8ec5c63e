"""Commands that look after this machine's arena: db upgrade, doctor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.running import run_to_end

if TYPE_CHECKING:
    from app.participants.base import EndpointSettings, ModelSettings
    from app.participants.client import Client
    from app.records.database import Health
    from app.records.endpoints import Known

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
    from app.records.endpoints import known, notices, uses

    wanted = _endpoints_of(path) if path else []
    async with local_arena(upgrade=False) as (database, _):
        health = await database.health()
        registered, found, learned = [], [], {}
        if health.current:
            async with database.session() as session:
                registered, found = await uses(session), await notices(session)
                for settings in [*(item[1] for item in registered), *(item[1] for item in wanted)]:
                    learned[settings.model_dump_json()] = await known(session, settings)
    kind = "embedded PostgreSQL" if health.embedded else "PostgreSQL from DATABASE_URL"
    print(f"Database: {kind} {health.server_version} at {health.address}")
    state = "current" if health.current else health.newer or "not current: run `arena db upgrade`"
    print(f"Migrations: {health.revision or 'none'} of {health.head}, {state}")
    sound = True
    tried = _to_try(registered, wanted)
    for name, endpoint, models, counts in tried:
        answers = await _try_endpoint(name, endpoint, models)
        sound = sound and (answers or not counts)
        for sentence in _sentences(learned.get(endpoint.model_dump_json(), [])):
            print(f"  {sentence}")
    _print_finished(registered, tried)
    for notice in found:
        print(f"Of a worker that runs now: {notice.sentence}")
    if not tried and not registered:
        print("Endpoints: none known yet; name a spec to try its endpoints.")
    return health.current and sound


def _sentences(learned: Sequence[Known]) -> list[str]:
    return [sentence for each in learned for sentence in each.sentences]


def _to_try(
    registered: Sequence[tuple[str, EndpointSettings, str]],
    wanted: Sequence[tuple[str, EndpointSettings, ModelSettings]],
) -> list[tuple[str, EndpointSettings, list[ModelSettings], bool]]:
    """Return every endpoint that a file names, that an experiment still needs, or that is in none, with the models that the
    file wants of it, and whether it must answer: the first two kinds must.
    """
    named = {(name, endpoint.model_dump_json()): (endpoint, True) for name, endpoint, _ in wanted}
    needed = {
        (name, endpoint.model_dump_json()): (endpoint, use == "unfinished")
        for name, endpoint, use in registered
        if use != "finished"
    }
    return [
        (key[0], endpoint, [model for name, at, model in wanted if (name, at) == (key[0], endpoint)], counts)
        for key, (endpoint, counts) in (needed | named).items()
    ]


def _print_finished(
    registered: Sequence[tuple[str, EndpointSettings, str]],
    tried: Sequence[tuple[str, EndpointSettings, list[ModelSettings], bool]],
) -> None:
    """Print one line for the endpoints that only finished experiments used."""
    shown = {(name, endpoint.model_dump_json()) for name, endpoint, _, _ in tried}
    left = [
        f"{name} ({endpoint.base_url})"
        for name, endpoint, _ in registered
        if (name, endpoint.model_dump_json()) not in shown
    ]
    if left:
        more = f" and {len(left) - MOST_LEFT} more" if len(left) > MOST_LEFT else ""
        print(f"Not tried, since only finished experiments used them: {', '.join(left[:MOST_LEFT])}{more}.")


MOST_LEFT = 5
"""Most endpoints of finished experiments that are named."""


def _endpoints_of(path: Path) -> list[tuple[str, EndpointSettings, ModelSettings]]:
    """Return name and address of every endpoint of an experiment's file, once for each model there."""
    from app.experiments.spec import read_spec
    from app.participants.base import ModelSettings

    cast = read_spec(path).cast
    return [
        (*endpoint, participant)
        for name, participant in cast.participants.items()
        if (endpoint := cast.endpoint_of(name)) and isinstance(participant, ModelSettings)
    ]


async def _listed(client: Client) -> str:
    """Return the models that an endpoint lists. A refusal of the list is an answer too: many servers have none."""
    from app.participants.addresses import is_sure
    from app.participants.base import BadRequest

    try:
        return ", ".join(await client.models()) or "no model that its list names: name a spec to try one"
    except BadRequest as error:
        if is_sure(str(client.settings.base_url)):
            raise
        return f"no list of its models ({str(error).rstrip('.')}): name a spec to try one"


async def _cut(client: Client, settings: ModelSettings) -> list[str]:
    """Return a sentence where a model's server does not read the whole of long prompts."""
    from app.experiments.served import most_read

    read = await most_read(client, settings)
    if read is None:
        return []
    return [
        f"{settings.model}: the server reads at most {read:,} tokens of a prompt and drops the rest without a word: serve the model with a "
        "longer context (Ollama: num_ctx)."
    ]


async def _try_endpoint(name: str, endpoint: EndpointSettings, models: Sequence[ModelSettings]) -> bool:
    """Print whether an endpoint answers: for these models, as `check` finds out, or by its list where there are none."""
    from app.experiments.reach import doubt
    from app.participants.base import ParticipantError
    from app.participants.participant_factory import ParticipantFactory

    factory = ParticipantFactory()
    said: dict[str, None] = {}
    try:
        client = factory.client(name, endpoint)
        if models:
            said = dict.fromkeys(filter(None, [await doubt(client, settings) for settings in models]))
            said |= dict.fromkeys([line for settings in models for line in await _cut(client, settings)])
            serves = ", ".join(dict.fromkeys(settings.model for settings in models))
        else:
            serves = await _listed(client)
        said |= dict.fromkeys(factory.remarks())
    except ParticipantError as error:
        print(f"Endpoint {name} ({endpoint.base_url}): {error}")
        return False
    finally:
        await factory.close()
    print(f"Endpoint {name} ({endpoint.base_url}): answers, serves {serves}")
    for sentence in said:
        print(f"  {sentence}")
    return True
