"""Commands that serve the arena's pages: serve, demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from app.cli.running import run_to_end
from app.errors import UserError

if TYPE_CHECKING:
    from socket import socket

    from app.cli.own_vllm import Wanted
    from app.records.database import Database
    from app.settings import Settings

commands = typer.Typer()
EXPERIMENTS = Path(__file__).parents[1] / "experiments"
"""The folder of the experiments that the demo runs."""
STUDY = Path(__file__).parents[1] / "studies" / "demo-study.yaml"
"""The study that the demo opens."""
BACKGROUND = 2
"""Trials that the demo plays at once while it serves, so that its pages stay quick."""

Model: TypeAlias = Annotated[
    str | None,
    typer.Option("--vllm", metavar="MODEL", help="Also start a vLLM with this model: a name or a folder."),
]
Arguments: TypeAlias = Annotated[
    str, typer.Option("--vllm-args", metavar="OPTIONS", help="Further options of `vllm serve`, in quotes.")
]
Port: TypeAlias = Annotated[
    int | None,
    typer.Option("--vllm-port", min=1, max=65535, help="Port of vLLM; that of last time if not said."),
]


@commands.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; ARENA_HOST if not said.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; ARENA_PORT if not said.")] = None,
    vllm: Model = None,
    vllm_args: Arguments = "",
    vllm_port: Port = None,
) -> None:
    """Serve the arena's pages, and work on whatever is queued."""
    run_to_end(_serve(host, port, _wanted(vllm, vllm_args, vllm_port)))


def _wanted(model: str | None, arguments: str, port: int | None) -> Wanted | None:
    """Return the vLLM that the options ask for. Raise UserError for options without a model."""
    if model is None:
        if arguments or port is not None:
            raise UserError("--vllm-args and --vllm-port need a model: name it with --vllm MODEL.")
        return None
    from app.cli.own_vllm import Wanted

    return Wanted(model, arguments, port)


async def _serve(host: str | None, port: int | None, wanted: Wanted | None) -> None:
    from app.cli.console import say
    from app.cli.local import local_arena
    from app.cli.own_vllm import own_vllm
    from app.web.server import listening, serving

    async with local_arena() as (database, chosen):
        with listening(host or chosen.host, chosen.port if port is None else port) as listener:

            def welcome(address: str) -> None:
                say(f"{_place(chosen, address)}; Ctrl-C stops it.")

            if wanted is None:
                await serving(database, chosen, listener, welcome)
                return
            async with own_vllm(database, chosen, wanted) as served:
                await serving(database, served.settings, listener, welcome)


def _place(chosen: Settings, address: str) -> str:
    """Say where browsers find the arena that listens at an address."""
    if chosen.public_url:
        return f"The arena is at {chosen.public_url}/ and listens at {address}/ "
    return f"The arena is at {address}/ "


@commands.command()
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve the pages, with links to look around.")
    ] = False,
    vllm: Model = None,
    vllm_args: Arguments = "",
    vllm_port: Port = None,
) -> None:
    """Run every protocol on the sample tasks with built-in participants, and print the table.

    With --vllm, run four protocols on short passages with that model in every seat instead.
    """
    wanted = _wanted(vllm, vllm_args, vllm_port)
    if wanted is None:
        run_to_end(_demo(serve=serve))
    else:
        from app.cli.model_demo import model_demo

        run_to_end(model_demo(wanted, serve=serve))


NEXT = """
That was the whole arena with built-in baselines. With a model of your own, served by vLLM or any server that speaks the OpenAI protocol:
  1. write an experiment as docs/first-experiment.md shows,
  2. arena check my-experiment.yaml
  3. arena run my-experiment.yaml
"""


async def _demo(*, serve: bool) -> None:
    from app.cli.console import say
    from app.cli.local import local_arena
    from app.cli.work import begin, conclude, print_local_report, work_off
    from app.exchange.importing import take_sample
    from app.experiments.spec import read_spec
    from app.web.server import listening

    async with local_arena() as (database, chosen):
        # Taken now, so that an address in use is reported before the work and not after it.
        with listening(chosen.host, chosen.port) if serve else nullcontext() as listener:
            async with database.session.begin() as session:
                saved = await take_sample(session)
            if saved.questions:
                say(f"Imported the task set sample: {saved.passages} passages, {saved.questions} questions.")
            experiment = await begin(database, read_spec(EXPERIMENTS / "demo.yaml"))
            counts = await work_off(database, chosen, experiment)
            address = None if listener is None else _page(chosen, listener, experiment.name)
            await conclude(counts, print_local_report(database, experiment, address))
            say(NEXT)
            if listener is not None:
                await _show_around(database, chosen, listener)


def _page(chosen: Settings, listener: socket, name: str) -> str:
    """Return the address of the page of a report in the arena that will listen there."""
    from app.web.server import address_of

    return f"{chosen.public_url or address_of(listener)}/experiments/{name}/report"


async def _show_around(database: Database, chosen: Settings, listener: socket) -> None:
    """Prepare judgements and debates for people and an experiment under way, and serve, with links for visitors."""
    from app.cli.work import begin, work_off
    from app.experiments.spec import read_spec
    from app.services.demo import study_path, visitor
    from app.studies.spec import Recruiter, read_study

    async with database.session.begin() as session:
        await visitor(session, "debater")  # without whom no seat can be kept for people
    for name in ("demo-people", "demo-debate", "demo-study"):
        await work_off(database, chosen, await begin(database, read_spec(EXPERIMENTS / f"{name}.yaml")))
    await begin(database, read_spec(EXPERIMENTS / "demo-running.yaml"))
    async with database.session.begin() as session:
        study = read_study(STUDY).model_copy(update={"recruiter": Recruiter()})
        joins = {"participant": await study_path(session, study)}
    calm = chosen.model_copy(update={"concurrency": BACKGROUND})
    await serve_visitors(database, calm, listener, joins=joins)


async def serve_visitors(
    database: Database,
    chosen: Settings,
    listener: socket,
    roles: Sequence[str] | None = None,
    joins: Mapping[str, str] | None = None,
) -> None:
    """Serve the pages, with a link that signs in once for each of the roles (all where None). `joins`: paths of studies."""
    from app.cli.console import say
    from app.services.demo import ROLES, links
    from app.web.server import serving

    async with database.session.begin() as session:
        paths = await links(session, ROLES if roles is None else roles)

    def welcome(address: str) -> None:
        say(f"{_place(chosen, address)}; Ctrl-C stops it. Each of these links signs in once:")
        for role, path in paths.items():
            say(f"  {role + ':':<13}{chosen.public_url or address}{path}")
        for who, path in (joins or {}).items():
            say("This one joins the study demo-study, as often as you like (use a private window):")
            say(f"  {who + ':':<13}{chosen.public_url or address}{path}")

    await serving(database, chosen, listener, welcome)
