"""Serving the web application until it is stopped."""

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from app.errors import UserError
from app.records.database import Database
from app.settings import Settings
from app.web.app import create_app
from app.web.slow_requests import TimedProtocol

PATIENCE = 5
"""Seconds that requests under way are given when the server stops."""


KEEP_ALIVE = 75
"""Seconds for which an idle connection is kept: longer than the think time between two autosaves, and than proxies keep theirs."""


class AddressTaken(UserError):
    """The address cannot be listened on; the text is one sentence that says what to do."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """An address of one's own, on which nothing is answered yet. Raises AddressTaken."""
    try:
        listener = socket.create_server((host, port), family=_family(host), reuse_port=False)
    except OSError as error:
        raise AddressTaken(
            f"The arena cannot listen at {host} port {port} ({error.strerror}): choose another with ARENA_HOST "
            "and ARENA_PORT."
        ) from error
    with listener:
        # Inherited by every connection. The event loop does so only where a socket names its protocol; without it, the body of
        # now and then a page waits 40 ms until the browser has acknowledged its headers.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def address_of(listener: socket.socket) -> str:
    """Return the address at which a browser on this machine finds what listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Tells when it answers, and leaves signals to the command line."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._started = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._started()


async def serving(
    database: Database, settings: Settings, listener: socket.socket, say: Callable[[str], None]
) -> None:
    """Serve on this address, `say` where it is once it answers, and end in good order when cancelled."""
    await serve(create_app(database, settings), listener, say)


async def serve(app: FastAPI, listener: socket.socket, say: Callable[[str], None]) -> None:
    """Serve an application on this address, as `serving` does."""
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        log_level="warning",
        log_config=None,  # what it has to say goes where the arena's own lines go
        proxy_headers=False,  # the application reads them itself, from those whom the settings trust
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=PATIENCE,
        timeout_keep_alive=KEEP_ALIVE,
    )
    # What is there now stays: a full collection that looks through all of it stops the server for half a second.
    gc.collect()
    gc.freeze()
    server = _Server(config, lambda: say(address_of(listener)))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(task)
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
