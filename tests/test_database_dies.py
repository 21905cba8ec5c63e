"""The embedded PostgreSQL is killed under a running arena: it comes back by itself, pages say so meanwhile, and nothing is lost."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from app.records.database import open_database
from app.settings import Settings
from tests.factories import imported, passage
from tests.guard import guarded
from tests.processes import Arena, Process, Records, ServerProcess, server_process, until, write_spec
from tests.test_jobs import modelled

CONCURRENCY = 12
BACK = "The embedded PostgreSQL runs again"
DIED = "The embedded PostgreSQL has died"


@pytest.fixture
def home() -> Iterator[Path]:
    """An ARENA_HOME at a path that fits a socket; its server is ended at the end."""
    with TemporaryDirectory(prefix="arena-dies-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with guarded(Path(folder)):
            yield Path(folder) / "var"
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(postmaster(Path(folder) / "var"), signal.SIGKILL)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "requests.log", latency=0.1) as server:
        yield server


def postmaster(home: Path) -> int:
    """Process id of the embedded server."""
    return int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def filled(home: Path) -> Records:
    """Make a database with tasks in it; the arena's processes then share its server."""

    async def fill() -> str:
        async with open_database(Settings(home=home, DATABASE_URL=None)) as database:
            await imported(database, *(passage(name, questions=2) for name in ("Alba", "Brise", "Cape")))
            return database.conninfo

    return Records(asyncio.run(fill()))


def served(process: Process) -> str:
    """The address of a `serve` that answers by now."""
    until(lambda: "The arena is at " in process.err, process)
    return process.err.split("The arena is at ")[1].split("/ ")[0]


def test_a_killed_server_comes_back_under_serve_and_a_run(
    home: Path, server: ServerProcess, tmp_path: Path
) -> None:
    records = filled(home)
    file = write_spec(tmp_path / "modelled.yaml", modelled(server.base_url))
    settings = {
        "ARENA_HOME": str(home),
        "ARENA_PORT": "0",
        "ARENA_CONCURRENCY": str(CONCURRENCY),
        "ARENA_HEARTBEAT": "0.4",
        "ARENA_STALLED_AFTER": "4",
    }
    with Arena(tmp_path / "arena", **settings) as arena:
        pages = arena.start("serve")
        with httpx.Client(base_url=served(pages), timeout=10) as browser:
            until(lambda: browser.get("/readyz").status_code == 200, pages)
            run = arena.start("run", file)
            until(lambda: len(server) >= 20, run)
            before = postmaster(home)
            os.kill(before, signal.SIGKILL)
            until(lambda: browser.get("/readyz").status_code == 503, pages)
            assert browser.get("/readyz").json() == {
                "status": "not ready",
                "database": "it does not answer",
            }
            the_pages_say_so(browser)
            until(lambda: browser.get("/readyz").status_code == 200, pages)
            assert browser.get("/invite/none").status_code == 404
        ended = run.wait()
        assert ended.code == 0, ended.err
        assert postmaster(home) != before
        pages.signal(signal.SIGTERM)
        assert pages.wait().code == 130
    the_end_is_whole(records, server)
    for err in (ended.err, pages.err):
        assert (err.count(DIED), err.count(BACK)) == (1, 1)
        warnings = [line for line in err.splitlines() if line.startswith("WARNING")]
        assert len([line for line in warnings if "forsaken" not in line]) <= 4, err
        assert len(warnings) <= 10, err
        assert "Traceback" not in err, err


def the_pages_say_so(browser: httpx.Client) -> None:
    """The process lives; what needs the database is refused for a short while, in a sentence."""
    assert browser.get("/healthz").json() == {"status": "ok"}
    page = browser.get("/invite/none")
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "cannot reach its database at the moment" in page.text
    refused = browser.get("/api/v1/experiments", headers={"Authorization": "Bearer none"})
    assert refused.status_code == 503
    assert "cannot reach its database" in refused.json()["error"]
    german = browser.get("/invite/none", headers={"Cookie": "arena_language=de"})
    assert "erreicht im Moment ihre Datenbank nicht" in german.text
    metrics = browser.get("/metrics").text
    assert "arena_database_up 0.0" in metrics
    assert "arena_queue_jobs" not in metrics


def the_end_is_whole(records: Records, server: ServerProcess) -> None:
    """Everything is done; nothing on record was asked again, and no more is asked twice than was in flight."""
    states = records.states()
    assert {state for _, state, _ in states} == {"done"}
    arrived = server.arrived()
    assert records.asked_in_vain(arrived) == []
    again = len(arrived) - records.one("SELECT count(DISTINCT (play_id, path, purpose)) FROM model_call")
    assert 0 <= again <= 2 * CONCURRENCY
