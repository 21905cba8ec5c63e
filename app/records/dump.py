"""A backup of the whole database in one file, and back into an empty database; works on any PostgreSQL.

The file is a zip: `tables/NAME.copy` has a table's rows in the text format of COPY, `about.json` the version of the arena, the
revision, and the columns and the number of rows of each table. The tables themselves come from the migrations, so that a
backup can be restored on another version of PostgreSQL, under another role, and by a newer arena.
"""

import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import psycopg
from psycopg import sql
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError
from sqlalchemy import Connection, create_engine, text

from app.errors import UserError
from app.records.database import LOCK, Database, head, migrate, revisions
from app.records.made_by import note_made_by, this_version

FORMAT = 1
"""Version of the format of the file."""
ABOUT = "about.json"
NOT_KEPT = ("alembic_version", "rate_count")
"""Tables that are not in a backup: the migrations fill the first, the second counts the requests of the last minutes."""
FILLED = ("secret", "procrastinate_workers")
"""Tables that may have rows in a database that counts as empty: migrations and a server that only starts fill them."""
PIECE = 2**20
"""Bytes read at once."""
Plain: TypeAlias = "psycopg.Connection[Any]"


class DumpError(UserError):
    """A backup cannot be written or restored. The text is one sentence that says what to do."""


class DumpedTable(BaseModel):
    """A table of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    columns: list[str]
    rows: NonNegativeInt


class About(BaseModel):
    """What a backup says of itself."""

    model_config = ConfigDict(frozen=True)

    format: int
    arena: str
    """Version of the arena that wrote it."""
    revision: str
    """The newest migration of its tables."""
    written_at: datetime
    tables: list[DumpedTable]
    """In an order in which each comes after those it points to."""
    sequences: dict[str, int]
    """The last number that each sequence has given."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was written to a backup, or restored from one."""

    tables: int
    """Those with rows."""
    rows: int
    revision: str
    """The newest migration of the tables in the file."""


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def dump(database: Database, target: Path) -> Moved:
    """Write all rows as they are at one moment. The file appears whole or not at all, and only its owner may read it.

    Others may go on working meanwhile. Blocks until it is done. Raise DumpError.
    """
    with (
        psycopg.connect(database.conninfo, autocommit=True) as connection,
        _whole_file(target) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        names = _tables(connection)
        if not names:
            raise DumpError(
                f"The database at {database.address} has no tables yet: there is nothing to back up."
            )
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # Locked before the snapshot is taken, so that a migration is either in it whole or waits.
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(_listed(names)))
            tables = [_write_table(connection, archive, name) for name in names]
            about = About(
                format=FORMAT,
                arena=this_version(),
                revision=_revision(connection),
                written_at=datetime.now(UTC),
                tables=tables,
                sequences=_sequences(connection),
            )
        archive.writestr(ABOUT, about.model_dump_json(indent=1))
    return _moved(about)


def _write_table(connection: Plain, archive: zipfile.ZipFile, name: str) -> DumpedTable:
    columns = _columns(connection, name)
    command = sql.SQL("COPY {} ({}) TO STDOUT").format(sql.Identifier(name), _listed(columns))
    rows = 0
    with (
        archive.open(_member(name), "w", force_zip64=True) as stream,
        connection.cursor().copy(command) as copied,
    ):
        for piece in copied:
            stream.write(piece)
            # A line end inside a value is written as \n.
            rows += bytes(piece).count(b"\n")
    return DumpedTable(name=name, columns=columns, rows=rows)


@contextmanager
def _whole_file(target: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose contents become a file of mode 0600 at the end. Raise DumpError where it cannot be written."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        raise DumpError(
            f"{target} cannot be written ({error.strerror or error}): name a file in another place."
        ) from error
    finally:
        part.unlink(missing_ok=True)


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def restore(database: Database, source: Path) -> Moved:
    """Put the rows of a backup into an empty database and migrate it to this version, in one transaction.

    Blocks until it is done. Raise DumpError, also where the file is cut or the database is not empty: then it stays as it is.
    """
    with _opened(source) as archive:
        about = _read_about(archive, source)
        engine = create_engine(database.url, hide_parameters=True)
        try:
            with engine.begin() as connection:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                plain = connection.connection.driver_connection
                assert isinstance(plain, psycopg.Connection)
                _refuse_rows(plain, database.address)
                _make_tables(connection, plain, about.revision)
                _fill(plain, archive, about, source)
                migrate(connection)
                note_made_by(connection, head())
                plain.execute("ANALYZE")
        finally:
            engine.dispose()
    return _moved(about)


@contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup. Raise DumpError where it is none, or cut, or damaged, also while it is read."""
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except FileNotFoundError as error:
        raise DumpError(f"There is no file {source}: give the path of a backup.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DumpError(
            f"{source} is no backup of an arena, or it is cut or damaged ({error}): nothing was restored; take another copy of it."
        ) from error
    except OSError as error:
        raise DumpError(f"{source} cannot be read ({error.strerror or error}).") from error


def _read_about(archive: zipfile.ZipFile, source: Path) -> About:
    try:
        about = About.model_validate_json(archive.read(ABOUT))
    except (KeyError, ValidationError) as error:
        raise DumpError(f"{source} is no backup of an arena: `arena db dump FILE` writes one.") from error
    if about.format > FORMAT or about.revision not in revisions():
        raise DumpError(
            f"{source} was written by a newer arena (version {about.arena}, revision {about.revision}), and this is version "
            f"{this_version()}, which knows revisions up to {head()}: use version {about.arena} or later."
        )
    return about


def _refuse_rows(connection: Plain, address: str) -> None:
    for name in _tables(connection):
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name))
        if name not in FILLED and connection.execute(query).fetchone() == (True,):
            raise DumpError(
                f"The database at {address} is not empty (there are rows in {name}), and a backup is restored into an empty one "
                "alone: set ARENA_HOME to a new folder, or DATABASE_URL to a new database."
            )


def _make_tables(connection: Connection, plain: Plain, revision: str) -> None:
    """Make the tables of a revision, in the place of empty ones of another."""
    if _tables(plain):
        migrate(connection, "base")
    migrate(connection, revision)


def _fill(connection: Plain, archive: zipfile.ZipFile, about: About, source: Path) -> None:
    """Copy every table into the database, without triggers, which would make rows that the backup has already."""
    there = {name: _columns(connection, name) for name in _tables(connection)}
    for table in about.tables:
        if not {*table.columns} <= {*there.get(table.name, ())}:
            raise DumpError(
                f"{source} has a table {table.name} that revision {about.revision} does not have so: it was changed."
            )
    for name in there:
        connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(name)))
        # Migrations fill some.
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    for table in about.tables:
        _read_table(connection, archive, table, source)
    for name in there:
        connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(name)))
    for name, last in about.sequences.items():
        connection.execute("SELECT setval(%s::regclass, %s)", [sql.Identifier(name).as_string(), last])


def _read_table(connection: Plain, archive: zipfile.ZipFile, table: DumpedTable, source: Path) -> None:
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), _listed(table.columns))
    cursor = connection.cursor()
    try:
        with archive.open(_member(table.name)) as stream, cursor.copy(command) as copying:
            while piece := stream.read(PIECE):
                copying.write(piece)
    except (KeyError, psycopg.DataError, psycopg.IntegrityError) as error:
        raise DumpError(
            f"{source} is damaged: the rows of {table.name} cannot be read; nothing was restored."
        ) from error
    if cursor.rowcount != table.rows:
        raise DumpError(
            f"{source} is damaged: it has {cursor.rowcount:,} of {table.rows:,} rows of {table.name}; nothing was restored."
        )


# ── what is there ───────────────────────────────────────────────────────────────────────────────────────────────


def _moved(about: About) -> Moved:
    full = [table.rows for table in about.tables if table.rows]
    return Moved(len(full), sum(full), about.revision)


def _member(name: str) -> str:
    return f"tables/{name}.copy"


def _listed(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _revision(connection: Plain) -> str:
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


def _tables(connection: Plain) -> list[str]:
    """Return every table that a backup keeps, each after those that its foreign keys name."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    left = {row[0] for row in rows} - set(NOT_KEPT)
    pointing = connection.execute(
        """SELECT source.relname, target.relname FROM pg_constraint c
           JOIN pg_class source ON source.oid = c.conrelid JOIN pg_class target ON target.oid = c.confrelid
           WHERE c.contype = 'f' AND c.conrelid <> c.confrelid"""
    ).fetchall()
    found: list[str] = []
    while left:
        free = sorted(left - {source for source, target in pointing if {source, target} <= left})
        if not free:
            raise AssertionError(f"tables point to each other in a circle: {sorted(left)}")
        found += free
        left -= set(free)
    return found


def _columns(connection: Plain, table: str) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        [sql.Identifier(table).as_string()],
    )
    return [row[0] for row in rows]


def _sequences(connection: Plain) -> dict[str, int]:
    rows = connection.execute(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL ORDER BY 1"
    )
    return {row[0]: row[1] for row in rows}
