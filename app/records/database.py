"""The database: the embedded PostgreSQL or the one in DATABASE_URL, its migrations and its sessions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson
import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.errors import ServiceError
from app.records.embedded import EmbeddedError, EmbeddedServer, keep_alive
from app.records.made_by import made_by, newer, note_made_by
from app.records.outage import OUTAGE as OUTAGE
from app.records.outage import Outage
from app.settings import Settings

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
DRIVER = "postgresql+psycopg"
CONNECT_SECONDS = 10
"""Longest wait for a connection, where DATABASE_URL gives no `connect_timeout`."""
LOCK = 7205759403792793601
"""Key of the lock under which tables are changed."""


class DatabaseError(ServiceError):
    """The database cannot be used. The text is one sentence that says what to do."""


class NewerDatabase(DatabaseError):
    """It was upgraded by a newer version of the arena, and this one does not know its tables."""


def as_json(value: object) -> str:
    """Return a value as JSON."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Half a surrogate pair, escaped: the database refuses it, as all text that it cannot store.
        return json.dumps(value)


@dataclass(frozen=True, slots=True)
class Health:
    """The output of `arena doctor` on a database."""

    embedded: bool
    address: str
    """Without the password."""
    server_version: str
    revision: str | None
    head: str
    newer: str | None = None
    """The sentence of `NewerDatabase`, where a newer version of the arena upgraded it."""

    @property
    def current(self) -> bool:
        """Whether every migration has been applied."""
        return self.revision == self.head


class Database:
    """A pool of connections to one database."""

    def __init__(self, url: URL, *, embedded: bool, connections: int) -> None:
        self.url = url
        self.embedded = embedded
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=60,
            connect_args={} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS},
            # The connection used last is used next, because it has the plans of statements.
            pool_use_lifo=True,
            # Statements contain hidden texts. An error must not repeat them.
            hide_parameters=True,
            json_serializer=as_json,
            json_deserializer=orjson.loads,
        )
        self.session: async_sessionmaker[AsyncSession] = async_sessionmaker(
            self.engine, expire_on_commit=False
        )
        self.reading: async_sessionmaker[AsyncSession] = async_sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        )
        """Open a session for reading only, without the two round trips of a transaction."""
        self.outage = Outage()
        """What this process has seen of the trouble of the database."""
        event.listen(self.engine.sync_engine, "connect", lambda *_: self.outage.over())

    @property
    def conninfo(self) -> str:
        """Return the address for psycopg itself, which the queue uses."""
        # SQLAlchemy's own rendering leaves blanks in a password unescaped, which libpq refuses.
        parts = self.url.translate_connect_args(username="user", database="dbname")
        query = {
            name: value if isinstance(value, str) else ",".join(value)
            for name, value in self.url.query.items()
        }
        return make_conninfo("", **parts, **query)

    @property
    def address(self) -> str:
        """Return the address without secrets. Options may contain a password too."""
        shown = {name: value for name, value in self.url.query.items() if name in ("host", "port")}
        return self.url.set(drivername="postgresql", query=shown).render_as_string(hide_password=True)

    async def health(self) -> Health:
        """Ask the server for its version and the state of its migrations."""
        async with self.engine.connect() as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar_one()
            revision, newest = await revision_of(connection)
            newer = await connection.run_sync(_newer, self.address)
        return Health(
            embedded=self.embedded,
            address=self.address,
            server_version=version,
            revision=revision,
            head=newest,
            newer=newer,
        )

    async def upgrade(self) -> None:
        """Apply the missing migrations. Several processes may try at once. Raise NewerDatabase."""
        async with self.engine.begin() as connection:
            # The lock lasts until the transaction ends, so a second process waits and then finds nothing to
            # do.
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            if sentence := await connection.run_sync(_newer, self.address):
                raise NewerDatabase(sentence)
            await connection.run_sync(migrate)
            await connection.run_sync(note_made_by, head())

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def alembic_config() -> Config:
    """Return Alembic's configuration, made here so that the installed package needs no ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@cache
def head() -> str:
    """Return the newest migration of this version of the arena."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


async def revision_of(connection: AsyncConnection) -> tuple[str | None, str]:
    """Return the migration that a database has reached, and the newest that this version of the arena knows."""
    return await connection.run_sync(_revision), head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def revisions() -> frozenset[str]:
    """Return every migration of this version of the arena."""
    every = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    return frozenset(found.revision for found in every)


def _newer(connection: Connection, address: str) -> str | None:
    """Return a sentence where a newer version of the arena upgraded a database; None where none did."""
    revision = _revision(connection)
    if revision is None or revision == head() or revision in revisions():
        return None
    return newer(address, revision, head(), made_by(connection, revision))


def migrate(connection: Connection, revision: str = "head") -> None:
    """Upgrade (or, to `base`, downgrade) over an open connection."""
    config = alembic_config()
    config.attributes["connection"] = connection
    (command.downgrade if revision == "base" else command.upgrade)(config, revision)


def _given(address: str) -> URL:
    try:
        url = make_url(address.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError) as error:  # The latter where the port is not a number.
        raise DatabaseError(f"DATABASE_URL cannot be read: {_HOW}.") from error
    if url.get_backend_name() != "postgresql":
        raise DatabaseError("DATABASE_URL names another kind of database: only PostgreSQL is supported.")
    if "@" in (url.host or ""):
        # Otherwise the rest of the password would be taken, and shown, as the name of a host.
        raise DatabaseError(f"DATABASE_URL cannot be read: it has more than one @; {_HOW}.")
    return url.set(drivername=DRIVER)


_HOW = (
    "write it as postgresql://user:password@host:port/name, with %40 for an @ in the password and so on "
    "(percent-encoding)"
)


@asynccontextmanager
async def open_database(settings: Settings, *, upgrade: bool = True) -> AsyncIterator[Database]:
    """Yield the database of the settings, migrated to the newest version unless `upgrade` is off.

    Raise DatabaseError where it cannot be used.
    """
    given = settings.database_url
    server = None if given else EmbeddedServer(settings.home)
    url = _given(given.get_secret_value()) if given else await _started(server)
    database = Database(url, embedded=given is None, connections=settings.connections)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        if server is not None:
            await stack.enter_async_context(_kept_alive(server, database))
        await _reach(database)
        if upgrade:
            await database.upgrade()
        yield database


async def _started(server: EmbeddedServer | None) -> URL:
    """Return the address of the arena's database on the embedded server, which is started where it does not run."""
    assert server is not None
    try:
        await asyncio.to_thread(server.start)
    except EmbeddedError as error:
        raise DatabaseError(str(error)) from error
    return make_url(server.address("arena")).set(drivername=DRIVER)


@asynccontextmanager
async def _kept_alive(server: EmbeddedServer, database: Database) -> AsyncIterator[None]:
    """Start the server again whenever it dies, while the context is open."""
    # Connections to the server that died are of no use, and each would fail once.
    keeper = asyncio.create_task(keep_alive(server, database.engine.dispose))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _reach(database: Database) -> None:
    try:
        async with await psycopg.AsyncConnection.connect(database.conninfo, connect_timeout=10):
            return
    except psycopg.ProgrammingError as error:
        raise DatabaseError(f"DATABASE_URL cannot be used: {str(error).strip()}.") from error
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0].strip()
        raise DatabaseError(
            f"The database at {database.address} cannot be reached ({reason}): "
            "check DATABASE_URL and that the server runs."
        ) from error
