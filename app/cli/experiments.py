"""Commands that carry out an experiment: run, judge, worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.arguments import CapCalls, CapMoney, CapTokens, Name, RetryFailed, SpecPath
from app.cli.remote import remote_arena
from app.cli.running import run_to_end

if TYPE_CHECKING:
    from app.client import Remote
    from app.records.database import Database
    from app.settings import Settings

commands = typer.Typer()


@commands.command()
def run(
    spec: SpecPath,
    retry_failed: RetryFailed = False,
    cap_calls: CapCalls = None,
    cap_tokens: CapTokens = None,
    cap_money: CapMoney = None,
) -> None:
    """Start an experiment or go on with it, and report when it is done. A cap that is given replaces the one of the file."""
    given = {"calls": cap_calls, "tokens": cap_tokens, "money": cap_money}
    cap = {name: value for name, value in given.items() if value is not None}
    if remote := remote_arena():
        run_to_end(_run_there(remote, spec, cap, retry_failed=retry_failed))
    else:
        run_to_end(_run_here(spec, cap, retry_failed=retry_failed))


async def _run_there(remote: Remote, spec: Path, cap: Mapping[str, float], *, retry_failed: bool) -> None:
    from app.cli.progress import show
    from app.cli.work import conclude, print_remote_report

    async with remote:
        name = await remote.start(spec, retry_failed=retry_failed)
        if cap:
            await remote.change_cap(name, cap)
        counts = await show(remote.follow(name), name)
        await conclude(counts, print_remote_report(remote, name))


async def _run_here(path: Path, cap: Mapping[str, float], *, retry_failed: bool) -> None:
    from app.cli.console import warn
    from app.cli.local import local_arena
    from app.cli.work import begin, conclude, print_local_report, work_off
    from app.experiments.reach import reach
    from app.experiments.spec import read_spec
    from app.records import experiments as records

    spec = read_spec(path)
    async with local_arena() as (database, chosen):
        async with database.session() as session:
            existing = await records.find(session, spec.name)
        # An experiment that goes on waits for its endpoints; a new one shows at once what is mistyped.
        if existing is None:
            warn(await reach(spec.cast, spec.used))
        experiment = await begin(database, spec, cap, retry_failed=retry_failed)
        counts = await work_off(database, chosen, experiment)
        await conclude(counts, print_local_report(database, experiment))


@commands.command()
def judge(
    name: Name,
    panel: Annotated[Path, typer.Option("--with", metavar="PANEL.yaml", help="The judges' file.")],
    retry_failed: RetryFailed = False,
) -> None:
    """Add a judging round over the finished trials of an experiment."""
    if remote := remote_arena():
        run_to_end(_judge_there(remote, name, panel, retry_failed))
    else:
        run_to_end(_judge_here(name, panel, retry_failed))


async def _judge_there(remote: Remote, name: str, panel: Path, retry_failed: bool) -> None:
    from app.cli.progress import show
    from app.cli.work import conclude, print_remote_report

    async with remote:
        # Trials that were still being played are judged when they are done.
        while await remote.judge(name, panel, retry_failed=retry_failed):
            retry_failed = False
            if (await show(remote.follow(name), name)).state == "cancelled":
                break
        counts = await show(remote.follow(name), name)
        await conclude(counts, print_remote_report(remote, name))


async def _judge_here(name: str, panel: Path, retry_failed: bool) -> None:
    from app.cli.console import warn
    from app.cli.local import local_arena
    from app.cli.work import conclude, find_experiment, print_local_report, work_off
    from app.experiments.freeze import judge_again, refuse_cancelled
    from app.experiments.reach import reach
    from app.experiments.spec import read_panel
    from app.records import experiments as records

    spec = read_panel(panel)
    async with local_arena() as (database, chosen):
        experiment = await find_experiment(database, name)
        async with database.session() as session:
            await refuse_cancelled(session, experiment)
            new = await records.find_round(session, experiment.id, spec.name) is None
        if new:
            warn(await reach(spec.cast, spec.panel.judges))
        queued, state = 1, "running"
        # Trials that were still being played are judged when they are done.
        while queued and state != "cancelled":
            async with database.session.begin() as session:
                queued = await judge_again(session, experiment, spec)
                await records.resume(session, experiment.id, retry_failed=retry_failed)
            counts = await work_off(database, chosen, experiment)
            state, retry_failed = counts.state, False
        await conclude(counts, print_local_report(database, experiment))


@commands.command()
def worker(
    experiment: Annotated[str | None, typer.Option(help="Work on this experiment alone.")] = None,
) -> None:
    """Help with whatever is queued, until stopped."""
    run_to_end(_help_out(experiment))


async def _help_out(name: str | None) -> None:
    from app.cli.console import say
    from app.cli.local import local_arena
    from app.cli.work import find_experiment
    from app.jobs import working

    async with local_arena() as (database, chosen):
        only = None if name is None else [(await find_experiment(database, name)).id]
        async with working(database, chosen, only) as task, _answering(database, chosen):
            say("Working; Ctrl-C stops.")
            await task


@asynccontextmanager
async def _answering(database: Database, chosen: Settings) -> AsyncIterator[None]:
    """Answer for the health of this worker meanwhile, where the settings name a port for it."""
    if chosen.worker_port is None:
        yield
        return
    from app.cli.console import say
    from app.web.health import bare_app
    from app.web.server import listening, serve

    def welcome(address: str) -> None:
        say(f"Health and metrics of this worker are at {address}/readyz and {address}/metrics.")

    with listening(chosen.host, chosen.worker_port) as listener:
        answering = asyncio.create_task(serve(bare_app(database, chosen), listener, welcome))
        try:
            yield
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
