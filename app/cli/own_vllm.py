"""A vLLM beside a command: started before its work, watched, stopped with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.cli.console import say
from app.records.database import Database
from app.services.vllm import OwnVllm
from app.services.vllm_endpoint import choose_port, register
from app.services.vllm_options import (
    HOST,
    command_line,
    environment,
    find_vllm,
    is_folder,
    served_name,
    split_arguments,
)
from app.settings import Settings
from app.vllm_key import VARIABLE, make_key


@dataclass(frozen=True)
class Wanted:
    """What the user asked for: a model, options for vLLM, and a port."""

    model: str
    arguments: str = ""
    port: int | None = None


@dataclass(frozen=True)
class Served:
    """A vLLM that was started: the name of its endpoint and of its model, and the settings with which it is reached."""

    server: OwnVllm
    endpoint: str
    model: str
    settings: Settings

    def as_yaml(self) -> str:
        """Return the lines with which an experiment's file names the endpoint."""
        return (
            f'endpoints:\n  {self.endpoint}: {{base_url: "{self.server.base_url}", api_key_env: {VARIABLE}}}'
        )


@asynccontextmanager
async def own_vllm(database: Database, chosen: Settings, wanted: Wanted) -> AsyncIterator[Served]:
    """Start a vLLM and register its endpoint; stop it after the block. The block is cancelled where it does not start.

    Raises UserError before anything is started, and VllmError for a server that does not start.
    """
    command = find_vllm(chosen)
    is_folder(wanted.model)
    arguments = split_arguments(wanted.arguments)
    port = await choose_port(database, wanted.port)
    key = make_key()
    server = OwnVllm(
        command_line(command, wanted.model, port, arguments),
        environment(command, wanted.model, key),
        port,
        key,
        chosen.home / "vllm" / "vllm.log",
        say,
    )
    endpoint = await register(database, server.base_url)
    allowed = (*chosen.allowed_hosts, f"{HOST}:{port}")
    reached = chosen.model_copy(update={"allowed_hosts": allowed})
    async with _beside(server.run()):
        yield Served(server, endpoint, served_name(wanted.model), reached)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run work while the block runs. Where the work fails, the block is cancelled and its error raised."""
    block = asyncio.current_task()
    assert block is not None
    task = asyncio.ensure_future(work)
    failed = False

    def stop_the_block(done: "asyncio.Future[None]") -> None:
        nonlocal failed
        if not done.cancelled() and done.exception() is not None:
            failed = True
            block.cancel()

    task.add_done_callback(stop_the_block)
    try:
        yield
    except asyncio.CancelledError:
        if not failed:
            raise
        block.uncancel()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if failed:
        await task
