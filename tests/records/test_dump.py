"""A backup holds everything, comes back the same into an empty database alone, and is refused where it is damaged."""

import json
import re
import stat
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, select, text

from app.records import dump as dumps
from app.records.database import Database, NewerDatabase, head
from app.records.dump import ABOUT, DumpError, dump, restore
from app.records.made_by import this_version
from app.reports.report import report
from models import Audit, Experiment, Secret
from tests.database import Server
from tests.factories import finished, spec, started
from tests.records.test_migrations import catalogue

pytestmark = pytest.mark.outside


@pytest.fixture
async def empty(postgres: Server) -> AsyncIterator[Database]:
    """A database without any table."""
    with postgres.fresh("template0") as url:
        database = Database(url, embedded=postgres.embedded, connections=2)
        yield database
        await database.close()


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return [path.name for path in folder.iterdir()]


async def reports(database: Database) -> str:
    """Every report as it is sent."""
    async with database.session() as db:
        every = (await db.scalars(select(Experiment).order_by(Experiment.name))).all()
        return json.dumps([(await report(db, experiment)).as_json() for experiment in every])


def contents(database: Database) -> dict[str, list[Any]]:
    """Every row of every table that is kept, and the numbers that sequences give next."""
    with psycopg.connect(database.conninfo) as connection:
        names = [
            row[0]
            for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        found = {
            name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
            for name in names
            if name != "rate_count"
        }
        found["sequences"] = sorted(
            connection.execute("SELECT sequencename, last_value FROM pg_sequences"), key=str
        )
    return found


def schema(database: Database) -> dict[str, list[Any]]:
    """Tables, constraints, indexes and triggers, also whether these are on."""
    engine = create_engine(database.url)
    with engine.begin() as connection:
        found = catalogue(connection)
        on = connection.execute(
            text("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2")
        )
        found["enabled"] = [tuple(row) for row in on]
    engine.dispose()
    return found


async def filled(database: Database) -> None:
    """Play an experiment, and start another, whose jobs wait."""
    await finished(database)
    await started(database, spec(name="waiting"))
    async with database.session.begin() as db:
        db.add(
            Audit(action="did", object_kind="thing", object_id="1", detail={"text": "a\nb\\.\tc \\N ü€😀"})
        )


async def test_a_backup_comes_back_the_same(database: Database, empty: Database, tmp_path: Path) -> None:
    await filled(database)
    file = tmp_path / "backup.zip"
    written = dump(database, file)
    read = restore(empty, file)
    assert written == read
    assert read.revision == head()
    assert contents(empty) == contents(database)
    assert schema(empty) == schema(database)
    assert await reports(empty) == await reports(database)
    assert (await empty.health()).current


async def test_work_goes_on_where_it_was(database: Database, empty: Database, tmp_path: Path) -> None:
    """New rows get new numbers, and the queue's triggers work."""
    await filled(database)
    dump(database, tmp_path / "backup")
    restore(empty, tmp_path / "backup")
    await started(empty, spec(name="later"))
    async with empty.session.begin() as db:
        db.add(Audit(action="did", object_kind="thing", object_id="2", detail={}))
        with pytest.raises(Exception, match="can only be added to"):
            await db.execute(text("DELETE FROM audit"))


async def test_a_backup_is_the_moment_at_which_it_began(
    database: Database, empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that come while it is written are not in it, so that no row names one that is missing."""
    await filled(database)
    before = contents(database)
    write = dumps._write_table

    def slow(connection: Any, archive: zipfile.ZipFile, name: str) -> Any:
        found = write(connection, archive, name)
        with psycopg.connect(database.conninfo) as other:
            other.execute("INSERT INTO task_set (id, name) VALUES (gen_random_uuid(), %s)", [f"late {name}"])
        return found

    monkeypatch.setattr(dumps, "_write_table", slow)
    dump(database, tmp_path / "backup")
    monkeypatch.undo()
    restore(empty, tmp_path / "backup")
    assert contents(empty) == before


async def test_only_its_owner_may_read_it(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_text("an older one")
    file.chmod(0o644)
    dump(database, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["backup"]


async def test_a_backup_that_fails_leaves_the_older_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "backup"
    file.write_text("an older one")

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dumps, "_write_table", full)
    with pytest.raises(DumpError, match=r"cannot be written \(No space left on device\)"):
        dump(database, file)
    assert file.read_text() == "an older one"
    assert names_in(tmp_path) == ["backup"]
    with pytest.raises(DumpError, match="cannot be written"):
        dump(database, tmp_path / "nowhere" / "backup")


async def test_keys_of_endpoints_are_not_in_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their variables' names are; and the installation's own secret, without which links to people would end."""
    monkeypatch.setenv("SECRET_OF_MINE", "sk-very-secret")
    cast = {"m": {"kind": "model", "endpoint": "here", "model": "m"}}
    here = {"here": {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "SECRET_OF_MINE"}}
    await filled(database)
    arms = {"naive": {"protocol": "naive"}}
    await started(database, spec(name="keyed", participants=cast, endpoints=here, arms=arms, judges=["m"]))
    dump(database, tmp_path / "backup")
    with zipfile.ZipFile(tmp_path / "backup") as archive:
        every = b"".join(archive.read(name) for name in archive.namelist())
        kept = archive.read("tables/secret.copy")
    assert b"SECRET_OF_MINE" in every
    assert b"sk-very-secret" not in every
    async with database.session() as db:
        secret = (await db.scalars(select(Secret.value))).one()
    assert secret.hex().encode() in kept


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def backup(database: Database, tmp_path: Path) -> Path:
    """A sound backup with something in it."""
    await filled(database)
    dump(database, tmp_path / "backup")
    return tmp_path / "backup"


def copied(file: Path, number: int) -> Path:
    """Return a copy of a file."""
    target = file.with_name(f"copy-{number}")
    target.write_bytes(file.read_bytes())
    return target


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def cut_in_half(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def damaged(file: Path) -> None:
    """Change some bytes of the rows of the texts."""
    with zipfile.ZipFile(file) as archive:
        at = archive.getinfo("tables/text.copy").header_offset + 80
    whole = bytearray(file.read_bytes())
    whole[at : at + 8] = b"\xff\x00\xff\x00\xff\x00\xff\x00"
    file.write_bytes(whole)


def rewritten(file: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """Write a zip with changed members, sound in itself."""
    with zipfile.ZipFile(file) as archive:
        members = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            if data is not None:
                archive.writestr(name, data)


def without_a_row(file: Path) -> None:
    rewritten(file, lambda name, data: data[data.index(b"\n") + 1 :] if name == "tables/move.copy" else data)


def without_a_table(file: Path) -> None:
    rewritten(file, lambda name, data: None if name == "tables/move.copy" else data)


def with_other_rows(file: Path) -> None:
    rewritten(
        file, lambda name, data: data.replace(b"\t", b"\t\t", 1) if name == "tables/move.copy" else data
    )


def with_an_unknown_table(file: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        if name != ABOUT:
            return data
        about = json.loads(data)
        about["tables"].append({"name": "pg_authid", "columns": ["rolname"], "rows": 0})
        return json.dumps(about).encode()

    rewritten(file, change)


def of_another_kind(file: Path) -> None:
    rewritten(file, lambda name, data: None if name == ABOUT else data)


def no_zip(file: Path) -> None:
    file.write_text("SELECT 1;\n")


def nothing(file: Path) -> None:
    file.write_bytes(b"")


def gone(file: Path) -> None:
    file.unlink()


DAMAGES: dict[Callable[[Path], None], str] = {
    cut: "is cut or damaged .*nothing was restored",
    cut_in_half: "is cut or damaged .*nothing was restored",
    nothing: "is cut or damaged",
    no_zip: "is no backup of an arena",
    damaged: "is cut or damaged|is damaged",
    without_a_row: r"is damaged: it has \d+ of \d+ rows of move",
    without_a_table: "the rows of move cannot be read",
    with_other_rows: "the rows of move cannot be read",
    with_an_unknown_table: "has a table pg_authid",
    of_another_kind: "is no backup of an arena: `arena db dump FILE` writes one",
    gone: "There is no file",
}


async def test_a_damaged_backup_is_refused_and_changes_nothing(backup: Path, empty: Database) -> None:
    for number, (damage, sentence) in enumerate(DAMAGES.items()):
        file = copied(backup, number)
        damage(file)
        with pytest.raises(DumpError, match=sentence) as refused:
            restore(empty, file)
        assert "\n" not in str(refused.value), damage
        assert contents(empty) == {"sequences": []}, damage


async def test_a_database_with_rows_is_left_alone(database: Database, backup: Path) -> None:
    before = contents(database)
    with pytest.raises(
        DumpError, match=r"is not empty \(there are rows in \w+\).*set ARENA_HOME to a new folder"
    ):
        restore(database, backup)
    assert contents(database) == before


async def test_a_migrated_database_without_rows_is_empty(
    postgres: Server, database: Database, backup: Path
) -> None:
    with postgres.fresh() as url:
        other = Database(url, embedded=postgres.embedded, connections=2)
        restore(other, backup)
        assert contents(other) == contents(database)
        await other.close()


async def test_a_backup_of_a_newer_version_says_which_to_use(backup: Path, empty: Database) -> None:
    def change(name: str, data: bytes) -> bytes:
        return (
            data.replace(head().encode(), b"9999_later").replace(this_version().encode(), b"7.0")
            if name == ABOUT
            else data
        )

    rewritten(backup, change)
    with pytest.raises(
        DumpError,
        match=r"written by a newer arena \(version 7\.0, revision 9999_later\).*use version 7\.0 or later",
    ):
        restore(empty, backup)
    assert contents(empty) == {"sequences": []}


async def test_a_database_without_tables_cannot_be_dumped(empty: Database, tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="nothing to back up"):
        dump(empty, tmp_path / "backup")
    assert names_in(tmp_path) == []


# ── a newer database under older code ───────────────────────────────────────────────────────────────────────────


async def test_a_newer_database_is_refused_with_the_version_to_use(empty: Database) -> None:
    await empty.upgrade()
    await revise(
        empty, "9999_later", "COMMENT ON TABLE alembic_version IS 'arena 7.0 at revision 9999_later'"
    )
    with pytest.raises(NewerDatabase) as refused:
        await empty.upgrade()
    known = re.escape(f"this is version {this_version()}, which knows revisions up to {head()}")
    assert re.search(
        rf"upgraded by a newer arena \(version 7\.0, revision 9999_later\), and {known}: use version 7\.0 or later",
        str(refused.value),
    )
    health = await empty.health()
    assert not health.current
    assert health.newer == str(refused.value)


async def test_a_newer_database_that_does_not_name_its_version_is_refused_too(empty: Database) -> None:
    await empty.upgrade()
    await revise(empty, "9999_later")
    with pytest.raises(
        NewerDatabase, match=r"a newer arena \(revision 9999_later\).*use a later version than this one"
    ):
        await empty.upgrade()


async def test_an_upgrade_names_its_version_once(empty: Database) -> None:
    await empty.upgrade()
    assert await comment(empty) == f"arena {this_version()} at revision {head()}"
    await revise(empty, head(), f"COMMENT ON TABLE alembic_version IS 'arena 0.0.1 at revision {head()}'")
    await empty.upgrade()
    assert await comment(empty) == f"arena 0.0.1 at revision {head()}"


async def comment(database: Database) -> str:
    async with database.session() as db:
        return str(await db.scalar(text("SELECT obj_description('alembic_version'::regclass)")))


async def revise(database: Database, revision: str, *statements: str) -> None:
    """Set the revision of a database by hand."""
    async with database.session.begin() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        for statement in statements:
            await db.execute(text(statement))
