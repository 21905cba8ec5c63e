"""The embedded server is shared and survives its owners; a database that cannot be had is one sentence without secrets."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import URL, create_engine, text

from app.records.database import Database, DatabaseError, head, migrate, open_database
from app.settings import Settings
from tests import guard
from tests.database import Missing, Server, outside
from tests.processes import ROOT, until

pytestmark = pytest.mark.outside

SECRET = "hunter2-secret"


# ── the embedded server ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def home() -> Iterator[Path]:
    """An ARENA_HOME that does not exist yet, at a path that fits a socket; its server is ended at the end."""
    with TemporaryDirectory(prefix="arena-home-", dir="/tmp") as folder:
        with guard.guarded(Path(folder)):
            yield Path(folder) / "var"
        with suppress(FileNotFoundError):
            os.kill(postmaster(Path(folder) / "var"), signal.SIGKILL)


@pytest.fixture
def adopting() -> Iterator[None]:
    """Orphaned servers become children of this process, which does not reap them (Linux's PR_SET_CHILD_SUBREAPER)."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(36, 1, 0, 0, 0) == 0
    yield
    assert libc.prctl(36, 0, 0, 0, 0) == 0


def postmaster(home: Path) -> int:
    """Process id of the embedded server; raises FileNotFoundError where it does not run."""
    return int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def arena(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A command in a process that ends as one of the shell does: its exit hooks are part of what is tested."""
    outer = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=outer | {"ARENA_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: "subprocess.Popen[str]") -> str:
    """What a command printed; it must have gone well."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert err == ""
    return out


def test_two_processes_make_and_share_one_embedded_database_and_the_last_one_stops_it(home: Path) -> None:
    both = [arena(home, "db", "upgrade") for _ in range(2)]
    assert [said(process) for process in both] == 2 * [f"The database is at revision {head()}.\n"]
    with pytest.raises(FileNotFoundError):
        postmaster(home)

    doctor = said(arena(home, "doctor"))
    assert doctor.startswith("Database: embedded PostgreSQL 18")
    assert f"Migrations: {head()} of {head()}, current" in doctor


def test_a_killed_owner_leaves_a_database_that_the_next_process_uses(home: Path) -> None:
    owner = arena(home, "worker")
    assert owner.stderr is not None
    assert owner.stderr.readline() == "Working; Ctrl-C stops.\n"
    server = postmaster(home)
    owner.kill()
    owner.communicate()

    other = arena(home, "worker")
    assert other.stderr is not None
    assert other.stderr.readline() == "Working; Ctrl-C stops.\n"
    assert postmaster(home) == server
    other.send_signal(signal.SIGTERM)
    other.communicate(timeout=240)
    # The one that was killed does not count as a user any more.
    with pytest.raises(FileNotFoundError):
        postmaster(home)


def test_a_killed_server_is_started_again_with_what_was_committed(home: Path) -> None:
    said(arena(home, "db", "upgrade"))
    owner = arena(home, "worker")
    assert owner.stderr is not None
    assert owner.stderr.readline() == "Working; Ctrl-C stops.\n"
    killed = postmaster(home)
    os.kill(killed, signal.SIGKILL)
    owner.kill()
    owner.communicate()
    # Until it is reaped, the package of the embedded server takes it for one that runs.
    until(lambda: not Path(f"/proc/{killed}").exists())

    assert f"Migrations: {head()} of {head()}, current" in said(arena(home, "doctor"))


def test_a_killed_server_that_is_not_reaped_is_started_again(home: Path, adopting: None) -> None:
    said(arena(home, "db", "upgrade"))
    owner = arena(home, "worker")
    assert owner.stderr is not None
    assert owner.stderr.readline() == "Working; Ctrl-C stops.\n"
    killed = postmaster(home)
    os.kill(killed, signal.SIGKILL)
    owner.kill()
    owner.communicate()
    until(lambda: "State:\tZ" in Path(f"/proc/{killed}/status").read_text())

    assert f"Migrations: {head()} of {head()}, current" in said(arena(home, "doctor"))
    os.waitpid(killed, 0)


async def test_a_server_that_died_under_this_process_is_started_again(home: Path) -> None:
    async with open_database(Settings(home=home)):
        pass
    killed = postmaster(home)
    os.kill(killed, signal.SIGKILL)
    async with open_database(Settings(home=home)) as database:
        assert (await database.health()).current
    assert postmaster(home) != killed


async def test_a_worker_starts_a_killed_server_again_and_stops_it_when_it_ends(home: Path) -> None:
    worker = arena(home, "worker")
    assert worker.stderr is not None
    assert worker.stderr.readline() == "Working; Ctrl-C stops.\n"
    for _ in range(2):
        killed = postmaster(home)
        os.kill(killed, signal.SIGKILL)
        lines = [await asyncio.to_thread(worker.stderr.readline)]
        while "runs again" not in lines[-1]:
            lines.append(await asyncio.to_thread(worker.stderr.readline))
        assert sum("has died and is started again" in line for line in lines) == 1
        assert postmaster(home) != killed
    worker.send_signal(signal.SIGTERM)
    await asyncio.to_thread(worker.communicate, timeout=240)
    with pytest.raises(FileNotFoundError):
        postmaster(home)


async def test_a_lock_of_another_program_does_not_keep_the_server_away(home: Path) -> None:
    """After a restart of the machine the number of the killed server may be that of any program."""
    async with open_database(Settings(home=home)):
        pass
    killed = postmaster(home)
    lock = (home / "postgres" / "postmaster.pid").read_text().replace(str(killed), str(os.getpid()), 1)
    os.kill(killed, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{killed}").exists() or "\tZ" in Path(f"/proc/{killed}/status").read_text())
    (home / "postgres" / "postmaster.pid").write_text(lock)
    async with open_database(Settings(home=home)) as database:
        assert (await database.health()).current


def test_a_full_disk_is_one_sentence_on_the_command_line(home: Path) -> None:
    said(arena(home, "db", "upgrade"))
    code = (
        "import errno, os, app.records.embedded as e\n"
        "def full(*_): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "e.EmbeddedServer._get = full\n"
        "import sys; sys.argv = ['arena', 'doctor']\n"
        "from app.cli import main; main()"
    )
    outer = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=outer | {"ARENA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "The disk is full: make room" in ended.stderr
    assert ended.stderr.count("\n") == 1


async def test_a_server_that_does_not_start_is_one_sentence(home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("18\n")
    sentence = await refusal(Settings(home=home))
    assert f"The embedded PostgreSQL in {home / 'postgres'} did not start" in sentence
    assert "set DATABASE_URL to another server" in sentence


# ── DATABASE_URL ────────────────────────────────────────────────────────────────────────────────────────────────


async def refusal(settings: Settings) -> str:
    """Why a database cannot be had: one line, with no secret in it."""
    with pytest.raises(DatabaseError) as refused:
        async with open_database(settings):
            pass
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert SECRET not in sentence
    return sentence


def given(url: str) -> Settings:
    return Settings.model_validate({"DATABASE_URL": url})


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (f"mysql://me:{SECRET}@127.0.0.1/arena", "only PostgreSQL is supported"),
        ("sqlite:///arena.db", "only PostgreSQL is supported"),
        (f"me:{SECRET}@127.0.0.1", "write it as postgresql://user:password@host:port/name"),
        (f"postgresql://me:{SECRET}@127.0.0.1:port/arena", "write it as postgresql://"),
        (f"postgresql://me:{SECRET}@127.0.0.1:5432/arena?no_such_option=1", "invalid connection option"),
        (f"postgresql://me:p@{SECRET}@127.0.0.1/arena", "more than one @"),
        (f"postgresql://127.0.0.1:1/arena?user=me&password={SECRET}", "cannot be reached"),
        (f"postgresql://me:{SECRET}@127.0.0.1:1/arena", "cannot be reached"),
        (f"postgresql://me:{SECRET}@no-such-host.invalid/arena", "cannot be reached"),
    ],
)
async def test_a_useless_database_url_is_one_sentence_without_its_password(url: str, sentence: str) -> None:
    assert sentence in await refusal(given(url))


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server of the machine's own that wants a password."""
    try:
        with outside() as server:
            yield server
    except Missing as error:
        pytest.skip(str(error))


def text_of(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


async def test_a_wrong_password_is_one_sentence_without_it(guarded: Server) -> None:
    with guarded.fresh() as url:
        sentence = await refusal(given(text_of(url.set(password=SECRET))))
    assert "password authentication failed" in sentence
    assert "check DATABASE_URL" in sentence


async def test_a_database_that_does_not_exist_is_one_sentence(guarded: Server) -> None:
    sentence = await refusal(given(text_of(guarded.url("nowhere"))))
    assert 'database "nowhere" does not exist' in sentence


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
async def test_an_outside_server_is_used_as_the_embedded_one(guarded: Server, scheme: str) -> None:
    with guarded.fresh() as url:
        address = text_of(url).replace("postgresql", scheme, 1)
        async with open_database(given(address)) as database:
            health = await database.health()
            with psycopg.connect(database.conninfo) as connection:
                assert connection.info.dbname == url.database
    assert (health.embedded, health.current, health.revision) == (False, True, head())
    assert str(url.password) not in health.address
    assert re.match(r"\d+\.\d+", health.server_version)


# ── migrating ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_older_database_is_migrated_when_it_is_opened_unless_told_otherwise(fresh_url: URL) -> None:
    empty(fresh_url)
    async with open_database(given(text_of(fresh_url)), upgrade=False) as database:
        assert not (await database.health()).current
    async with open_database(given(text_of(fresh_url))) as database:
        assert (await database.health()).current


async def test_several_that_migrate_at_once_migrate_once(fresh_url: URL) -> None:
    empty(fresh_url)
    several = [Database(fresh_url, embedded=True, connections=2) for _ in range(4)]
    await asyncio.gather(*(database.upgrade() for database in several))

    async with several[0].engine.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).all() == [
            (head(),)
        ]
    for database in several:
        await database.close()


def empty(url: URL) -> None:
    """Take every table away."""
    engine = create_engine(url)
    with engine.begin() as connection:
        migrate(connection, "base")
    engine.dispose()
