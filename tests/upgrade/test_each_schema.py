"""A database or a backup of each earlier schema, brought to the present one.

`earlier/REVISION.rows.gz` has the rows of a small experiment that the code of that time ran, with a judging round that was
added; `earlier/REVISION.json` figures of its report by that code. The databases of the revisions from 0007 on are made from that of
`0007.rows.gz`, a migration at a time.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, select

from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.records.database import Database, migrate, revisions
from app.records.dump import dump
from app.records.dump import restore as restore_dump
from app.reports.report import report
from models import Experiment
from tests.database import Server
from tests.records.test_dump import contents
from tests.upgrade.make import FOLDER
from tests.upgrade.tables import restore

EARLIER = FOLDER / "earlier"
REVISIONS = sorted(path.name.removesuffix(".rows.gz") for path in EARLIER.glob("*.rows.gz"))
FILE = {
    "name": "earlier",
    "tasks": {"set": "ferries"},
    "participants": {
        "advocate": {"kind": "builtin", "name": "extractive-debater"},
        "lexical": {"kind": "builtin", "name": "lexical-judge"},
        "dice": {"kind": "builtin", "name": "random"},
    },
    "arms": {
        "naive": {"protocol": "naive"},
        "expert": {"protocol": "expert"},
        "consultancy": {"protocol": "consultancy", "rounds": 2, "seats": {"consultant": "advocate"}},
        "debate": {"protocol": "debate", "rounds": 2, "seats": {"debaters": "advocate"}},
    },
    "judges": ["lexical"],
    "contrasts": [["debate", "consultancy"]],
    "seed": 3,
}
"""The file of that experiment."""


def brought_to(database: Database, revision: str) -> None:
    """Apply migrations up to a revision."""
    engine = create_engine(database.url)
    with engine.begin() as connection:
        migrate(connection, revision)
    engine.dispose()


def figures_of(revision: str) -> list[dict[str, Any]]:
    """Return figures of the report by the code of that time, one dictionary a cell."""
    found: list[dict[str, Any]] = json.loads(Path(EARLIER, f"{revision}.json").read_text("utf-8"))
    return found


@pytest.fixture
async def empty(postgres: Server) -> AsyncIterator[Database]:
    """A database without any table."""
    with postgres.fresh("template0") as url:
        database = Database(url, embedded=postgres.embedded, connections=2)
        yield database
        await database.close()


@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_experiment_of_an_earlier_schema_is_reported_and_goes_on(
    empty: Database, revision: str
) -> None:
    brought_to(empty, revision)
    restore(empty.conninfo, EARLIER / f"{revision}.rows.gz")
    await empty.upgrade()
    figures = figures_of(revision)
    async with empty.session() as db:
        experiment = (await db.scalars(select(Experiment))).one()
        found = json.loads(json.dumps((await report(db, experiment)).as_json()))
    assert [
        {key: cell[key] for key in then} for cell, then in zip(found["cells"], figures, strict=True)
    ] == figures
    async with empty.session.begin() as db:
        assert not (await start(db, parse_spec(FILE))).new


def test_there_is_a_database_of_a_schema_before_the_one_that_is_fully_tested() -> None:
    assert REVISIONS[0] == "0002"


async def test_a_backup_of_each_schema_is_restored_and_upgraded(
    empty: Database, postgres: Server, tmp_path: Path
) -> None:
    """With the same rows as the database itself has after its upgrade."""
    first = "0007"
    brought_to(empty, first)
    restore(empty.conninfo, FOLDER / f"{first}.rows.gz")
    backups = {}
    for revision in sorted(revision for revision in revisions() if revision >= first):
        brought_to(empty, revision)
        backups[revision] = tmp_path / f"{revision}.zip"
        assert dump(empty, backups[revision]).revision == revision
    expected = rows(empty)
    for revision, backup in backups.items():
        with postgres.fresh("template0") as url:
            other = Database(url, embedded=postgres.embedded, connections=2)
            restore_dump(other, backup)
            assert rows(other) == expected, revision
            await other.close()


def rows(database: Database) -> dict[str, list[Any]]:
    """Every row, without the numbers that sequences give next: migrations take some. Sessions count as in use at their upgrade."""
    with psycopg.connect(database.conninfo) as connection:
        connection.execute("UPDATE session SET seen_at = created_at")
    return {name: found for name, found in contents(database).items() if name != "sequences"}
