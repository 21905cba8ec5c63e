"""All rows of a database as one compressed file, and back into a database of the same revision.

The file holds rows alone, in the format of COPY: the tables come from the migrations. So it works on any server.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

OWN = ("alembic_version", "procrastinate_events", "rate_count")
"""Tables that are not kept: the first two are filled by migrations and triggers, the last counts recent requests."""


def save(address: str, target: Path) -> None:
    """Write every row, table after table in an order that foreign keys allow."""
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        parts = []
        for table in _tables(connection):
            columns = _columns(connection, table)
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            command = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT")
            with cursor.copy(command.format(names, sql.Identifier(table), sql.SQL("1"))) as copied:
                rows = b"".join(bytes(part) for part in copied)
            if rows:
                parts.append(f"{table} {' '.join(columns)}\n".encode() + rows + b"\\.\n")
    # Without a time of its own, so that the same rows give the same bytes.
    target.write_bytes(gzip.compress(b"".join(parts), mtime=0))


def restore(address: str, source: Path) -> None:
    """Put the rows of a file into a migrated database without rows."""
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        # Which the third migration makes.
        if cursor.execute("SELECT to_regclass('secret')").fetchone() != (None,):
            cursor.execute("DELETE FROM secret")
        for head, rows in _parts(gzip.decompress(source.read_bytes())):
            table, *columns = head.split()
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            command = sql.SQL("COPY {} ({}) FROM STDIN")
            with cursor.copy(command.format(sql.Identifier(table), names)) as copy:
                copy.write(rows)
        for table, column in _numbered(connection):
            cursor.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), (SELECT max({}) FROM {}))").format(
                    table, column, sql.Identifier(column), sql.Identifier(table)
                )
            )


def _parts(text: bytes) -> Iterator[tuple[str, bytes]]:
    for part in text.split(b"\\.\n")[:-1]:
        head, _, rows = part.partition(b"\n")
        yield head.decode(), rows


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    """Every table, those first that others point to."""
    known = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    left = {row[0] for row in known} - set(OWN)
    pointing = connection.execute(
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
    ).fetchall()
    found: list[str] = []
    while left:
        free = sorted(
            name
            for name in left
            if not any(source == name != target and target in left for source, target in pointing)
        )
        found += free
        left -= set(free)
    return found


def _columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        [table],
    )
    return [row[0] for row in rows]


def _numbered(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """Tables with rows and a column that the database numbers."""
    rows = connection.execute(
        """SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
           WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
           AND pg_get_serial_sequence(c.relname, a.attname) IS NOT NULL"""
    )
    return [
        (table, column)
        for table, column in rows
        if connection.execute(
            sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table))
        ).fetchone()
        == (True,)
    ]
