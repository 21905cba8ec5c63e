"""Killing the worker at any moment: nothing committed is asked again, nothing is lost, the end is the same."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from sqlalchemy import URL

from app.participants.base import ModelSettings
from app.records.database import Database
from tests.arms import arms
from tests.database import Server
from tests.factories import TASKS, imported, passage
from tests.processes import Arena, Records, ServerProcess, server_process, until, write_spec

KILLS = 20
LATENCY = 0.06
NAMES = ("Alba",)


def spec(base_url: str) -> dict[str, Any]:
    """An arm for every protocol, played by one model and judged by another that reasons before its belief is read."""
    return {
        "name": "killed",
        "tasks": {"set": TASKS},
        "participants": {
            "strong": {"kind": "model", "base_url": base_url, "model": "scripted", "temperature": 0.8},
            "weak": {
                "kind": "model",
                "base_url": base_url,
                "model": "scripted",
                "belief": "logprobs",
                "reason_first": True,
                "temperature": 0,
            },
        },
        "arms": arms("strong", "weak"),
        "judges": ["weak"],
        "seed": 11,
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "requests.log", latency=LATENCY) as server:
        yield server


class Site(NamedTuple):
    """A database with the tasks in it, and the command line over it."""

    arena: Arena
    records: Records
    file: Path


def site(url: URL, folder: Path, base_url: str) -> Site:
    async def fill() -> None:
        database = Database(url, embedded=True, connections=2)
        await imported(database, *(passage(name, questions=2) for name in NAMES))
        await database.close()

    asyncio.run(fill())
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    arena = Arena(
        folder,
        DATABASE_URL=address,
        ARENA_CONCURRENCY="12",
        ARENA_HEARTBEAT="0.4",
        ARENA_STALLED_AFTER="2",
    )
    return Site(arena, Records(address), write_spec(folder / "killed.yaml", spec(base_url)))


class Life(NamedTuple):
    """From a worker's start to its death, in seconds since the epoch."""

    start: float
    end: float


def live_and_die(site: Site, server: ServerProcess, requests: int, rng: Random) -> Life:
    """Start the worker and kill it a moment after the server's log holds so many requests.

    Where it holds them already, the worker dies while it starts, or just after.
    """
    start = time.time()
    worker = site.arena.start("run", site.file, "--retry-failed")
    if len(server) >= requests:
        time.sleep(rng.uniform(0, 0.3))
    else:
        until(lambda: len(server) >= requests, worker)
        time.sleep(rng.uniform(0, 2 * LATENCY))
    assert worker.running, worker.err
    worker.kill()
    return Life(start, time.time())


@pytest.mark.timeout(1200)
def test_a_run_killed_at_twenty_moments_ends_as_an_undisturbed_one(
    postgres: Server, server: ServerProcess, tmp_path: Path, record_property: Any
) -> None:
    rng = Random(20)
    with postgres.fresh() as calm_url, postgres.fresh() as rough_url:
        calm = site(calm_url, tmp_path / "calm", server.base_url)
        rough = site(rough_url, tmp_path / "rough", server.base_url)
        with calm.arena, rough.arena:
            undisturbed = calm.arena.run("run", calm.file)
            assert undisturbed.code == 0, undisturbed.err
            total = len(server)
            moments = sorted(rng.sample(range(total + 1, 2 * total - 100), KILLS))
            lives = [live_and_die(rough, server, moment, rng) for moment in moments]
            # What was in hand at two deaths without a move between them fails, and is retried.
            rough.arena.run("run", rough.file, "--retry-failed")
            last = rough.arena.run("run", rough.file, "--retry-failed")
            assert last.code == 0, last.err
            assert without_time(last.out) == without_time(undisturbed.out)

            compare(calm.records, rough.records)
            nothing_committed_is_asked_again(server, calm.records, rough.records)
            in_flight = [life for life in lives if cut_off(rough.records, life)]
            assert len(in_flight) >= KILLS // 2
            nothing_is_left_to_do(rough, server)
            report(record_property, calm.records, total, len(in_flight))


def without_time(printed: str) -> str:
    """What is printed of a report, but for how long the run took."""
    return re.sub(r", in \d+ \w+$", "", printed, count=1, flags=re.MULTILINE)


def compare(calm: Records, rough: Records) -> None:
    """The same moves, verdicts and outcomes; every trial and judgement done."""
    assert calm.moves()
    assert rough.moves() == calm.moves()
    assert rough.verdicts() == calm.verdicts()
    assert rough.outcomes() == calm.outcomes()
    assert {state for _, state, _ in rough.states()} == {"done"}
    assert rough.states() == calm.states()


def nothing_committed_is_asked_again(server: ServerProcess, calm: Records, rough: Records) -> None:
    """Every request that arrived is on record as an attempt, and came before the move that it served."""
    arrived = server.arrived()
    of_calm = {attempt.request_id for attempt in calm.attempts()}
    assert len({request.request_id for request in arrived}) == len(arrived)
    assert calm.asked_in_vain(request for request in arrived if request.request_id in of_calm) == []
    assert rough.asked_in_vain(request for request in arrived if request.request_id not in of_calm) == []
    # The move of every ask came from a reply on record.
    replied = {attempt.place for attempt in rough.attempts() if attempt.status == "ok"}
    assert replied == rough.moves().keys()
    # Nothing was asked twice where nothing was killed, but for replies that were outside of their limits.
    asked = Counter((attempt.place, attempt.purpose) for attempt in calm.attempts())
    assert max(count for (_, purpose), count in asked.items() if purpose != "again") == 1
    assert max(asked.values()) < ModelSettings.model_fields["asks"].default


def cut_off(records: Records, life: Life) -> int:
    """Attempts that began in this life and never ended."""
    return sum(a.status is None and life.start <= a.started <= life.end for a in records.attempts())


def nothing_is_left_to_do(site: Site, server: ServerProcess) -> None:
    """The same command finds everything done: it asks nothing and writes nothing."""
    before = (len(server), site.records.count("move"), site.records.count("call_attempt"))
    again = site.arena.run("run", site.file)
    assert again.code == 0, again.err
    assert (len(server), site.records.count("move"), site.records.count("call_attempt")) == before


def report(record_property: Any, calm: Records, requests: int, in_flight: int) -> None:
    """Figures for whoever reads the run's report."""
    length = calm.one("SELECT extract(epoch FROM max(created_at) - min(created_at))::float8 FROM move")
    figures = {
        "moves": calm.count("move"),
        "requests": requests,
        "moves a second": round(calm.count("move") / length, 1),
        "kills in flight": in_flight,
    }
    for name, value in figures.items():
        record_property(name, value)
    print(figures)
