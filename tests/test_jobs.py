"""Workers that stop, die, sleep or lose their database, and trials that fail: the work goes on, nothing is asked twice."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from procrastinate.jobs import Job
from sqlalchemy import text

from app.engine import Engine
from app.jobs import Hands, Isolation, Rescue, build, follow, working
from app.participants.base import EndpointSettings
from app.participants.outages import EndpointState, Patience
from app.participants.participant_factory import ParticipantFactory
from app.records.database import Database
from app.records.endpoints import notices, publish
from app.records.progress import Progress, progress
from app.settings import Settings
from models import Experiment
from tests.factories import TASKS, TEXT, imported, passage, spec, started
from tests.processes import Arena, Process, Records, ServerProcess, server_process, until, write_spec
from tests.servers import Script, ScriptedServer

STALLED_AFTER = 2.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A model server that takes its time, so that there is always something under way."""
    with server_process(tmp_path / "requests.log", latency=0.1) as server:
        yield server


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    """The command line over the test's database, with little patience."""
    settings = {"ARENA_HEARTBEAT": "0.4", "ARENA_STALLED_AFTER": str(STALLED_AFTER), "ARENA_CONCURRENCY": "6"}
    with Arena(tmp_path / "arena", DATABASE_URL=database_url, **settings) as arena:
        yield arena


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


@pytest.fixture
async def tasks(database: Database) -> None:
    """Four passages of two questions."""
    await imported(database, *(passage(name) for name in ("Alba", "Brise", "Corona", "Dagny")))


def modelled(base_url: str) -> dict[str, Any]:
    """An experiment in which a model debates and a model judges."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted"}
    return {
        "name": "modelled",
        "tasks": {"set": TASKS},
        "participants": {"strong": model, "weak": {**model, "temperature": 0}},
        "arms": {
            "naive": {"protocol": "naive"},
            "debate": {"protocol": "debate", "rounds": 2, "seats": {"debaters": "strong"}},
        },
        "judges": ["weak"],
    }


@pytest.fixture
def file(server: ServerProcess, tasks: None, tmp_path: Path) -> Path:
    return write_spec(tmp_path / "modelled.yaml", modelled(server.base_url))


def jobs(records: Records) -> Counter[str]:
    """Jobs on the queue by status."""
    return Counter(row[0] for row in records.all("SELECT status::text FROM procrastinate_jobs"))


def asked_twice(records: Records) -> list[Any]:
    """What was answered more than once."""
    answered = Counter((each.place, each.purpose) for each in records.attempts() if each.status == "ok")
    return [what for what, times in answered.items() if times > 1]


def all_done(records: Records) -> bool:
    return {state for _, state, _ in records.states()} == {"done"}


def quick(**changes: Any) -> Settings:
    return Settings(heartbeat=0.2, **changes)


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_one_sentence_and_the_same_command_goes_on(
    how: signal.Signals, arena: Arena, file: Path, server: ServerProcess, records: Records
) -> None:
    run = arena.start("run", file)
    until(lambda: len(server) >= 40, run)
    run.signal(how)
    stopped = run.wait()

    assert stopped.code == 130
    assert stopped.out == ""
    said = [line for line in stopped.err.splitlines() if not line.startswith("modelled: ")]
    assert said == ["Stopped. Everything done so far is kept; the same command goes on from here."]
    assert {state for _, state, _ in records.states()} <= {"queued", "done"}
    assert not all_done(records)
    assert set(jobs(records)) == {"todo"}

    kept = records.moves()
    went_on = arena.run("run", file)
    assert went_on.code == 0, went_on.err
    assert all_done(records)
    assert kept.items() <= records.moves().items()
    assert records.asked_in_vain(server.arrived()) == []


def test_jobs_of_a_stopped_worker_are_done_by_another(
    arena: Arena, file: Path, server: ServerProcess, records: Records
) -> None:
    run = arena.start("run", file)
    until(lambda: len(server) >= 10, run)
    run.signal(signal.SIGTERM)
    run.wait()

    helper = arena.start("worker")
    until(lambda: all_done(records), helper, every=0.2)
    assert records.asked_in_vain(server.arrived()) == []
    helper.signal(signal.SIGINT)
    assert helper.wait().code == 130


async def test_a_worker_stops_whatever_it_is_doing_without_being_asked_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would wait for ever where one request does not do.
    monkeypatch.setattr("app.jobs.PATIENCE", None)
    await imported(database, passage("Alba"), passage("Brise"))
    experiment = await started(database, spec())
    moments = Random(7)
    for _ in range(25):
        async with working(database, Settings(heartbeat=0.001, stalled_after=2), [experiment.id]) as worker:
            await asyncio.sleep(moments.uniform(0, 0.1))
        assert worker.done()


# ── dying and sleeping ──────────────────────────────────────────────────────────────────────────────────────────


async def test_jobs_of_a_dead_worker_are_taken_up_when_it_has_been_silent_for_long_enough(
    arena: Arena, file: Path, server: ServerProcess, records: Records, database: Database
) -> None:
    run = arena.start("run", file)
    until(lambda: len(server) >= 10, run)
    run.kill()
    held = jobs(records)["doing"]
    assert held

    engine = Engine(database)
    queue = build(database, engine)
    async with queue.open_async():
        patient = Rescue(queue, Hands(), database, quick(stalled_after=60), [])
        hasty = Rescue(queue, Hands(), database, quick(stalled_after=0.2), [])
        await asyncio.sleep(0.3)
        for rescue in (patient, patient, hasty):
            await rescue.look()
            assert jobs(records)["doing"] == held
        await hasty.look()
        assert jobs(records)["doing"] == 0
    await engine.close()

    went_on = await asyncio.to_thread(arena.run, "run", file)
    assert went_on.code == 0, went_on.err
    assert all_done(records)
    assert records.asked_in_vain(server.arrived()) == []


def test_workers_whose_machine_slept_do_not_take_one_another_for_dead(
    database_url: str, file: Path, server: ServerProcess, records: Records, tmp_path: Path
) -> None:
    settings = {"ARENA_HEARTBEAT": "1", "ARENA_STALLED_AFTER": "3", "ARENA_CONCURRENCY": "4"}
    with Arena(tmp_path / "laptop", DATABASE_URL=database_url, **settings) as laptop:
        run = laptop.start("run", file)
        until(lambda: len(server) >= 5, run)
        helper = laptop.start("worker")
        until(lambda: len(server) >= 40, helper)
        for process in (run, helper):
            process.signal(signal.SIGSTOP)
        time.sleep(4)
        run.signal(signal.SIGCONT)
        time.sleep(0.3)
        helper.signal(signal.SIGCONT)
        ended = run.wait()

        assert ended.code == 0, ended.err
        assert "forsaken" not in ended.err + helper.err
    assert all_done(records)
    assert asked_twice(records) == []


async def test_work_without_a_job_is_queued_again(database: Database) -> None:
    await imported(database, passage("Alba"))
    experiment = await started(database, spec())
    async with database.session.begin() as session:
        await session.execute(text("DELETE FROM procrastinate_jobs"))

    seen = [counts async for counts in follow(database, quick(stalled_after=5), experiment.id)]

    assert seen[-1].settled == seen[-1].count("done") == seen[-1].total


def test_a_job_that_a_living_worker_lost_on_the_way_is_taken_up(
    arena: Arena, file: Path, server: ServerProcess, records: Records, database_url: str
) -> None:
    worker = arena.start("worker")
    until(lambda: "Working" in worker.err, worker)
    run = arena.start("run", file)
    until(lambda: records.count("trial"), run)
    run.kill()
    with psycopg.connect(database_url) as connection:
        # As if the reply to its question for work had got lost with its connection.
        connection.execute(
            """UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT min(id) FROM procrastinate_workers)
               WHERE id IN (SELECT id FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id DESC LIMIT 3)"""
        )
    until(lambda: all_done(records), worker, every=0.2)
    assert records.asked_in_vain(server.arrived()) == []


# ── losing the database ─────────────────────────────────────────────────────────────────────────────────────────


def cut(database_url: str) -> None:
    """Break every connection to the database but this one."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        )


def test_a_run_outlives_a_database_that_goes_away_for_a_moment(
    arena: Arena, file: Path, server: ServerProcess, records: Records, database_url: str
) -> None:
    run = arena.start("run", file)
    until(lambda: len(server) >= 40, run)
    for _ in range(10):
        cut(database_url)
        time.sleep(0.1)
    ended = run.wait()

    assert ended.code == 0, ended.err
    assert all_done(records)


def test_a_run_whose_database_stays_away_ends_with_one_sentence(
    arena: Arena, file: Path, server: ServerProcess, records: Records, database_url: str
) -> None:
    run = arena.start("run", file)
    until(lambda: len(server) >= 20, run)
    name = database_url.partition("?")[0].rpartition("/")[2]
    elsewhere = database_url.replace(f"/{name}", "/postgres", 1)
    with psycopg.connect(elsewhere, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        ended = run.wait()
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())

    assert ended.code == 1
    assert ended.err.splitlines()[-1] == (
        "The database has been away for 2 s: see that its server runs; everything done so far is kept, "
        "and the same command goes on from here."
    )
    went_on = arena.run("run", file)
    assert went_on.code == 0, went_on.err
    assert all_done(records)


# ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_trial_that_failed_says_why_and_is_retried_alone(
    arena: Arena, records: Records, database: Database, tmp_path: Path
) -> None:
    longer = {**passage("Longer", questions=1), "text": TEXT.format(key="Longer") * 8}
    await imported(database, passage("Alba"), longer, passage("Corona"))
    async with ScriptedServer(Script(context=2000)) as server:
        file = write_spec(tmp_path / "modelled.yaml", modelled(server.base_url))
        first = await asyncio.to_thread(arena.run, "run", file)
        assert ("trial", "failed", 1) in records.states()
        assert ("trial", "done", 9) in records.states()
        assert ("judgement", "done", 9) in records.states()
        [[key, error]] = records.all(
            "SELECT q.key, t.error FROM play t JOIN question q ON q.id = t.question_id WHERE t.state = 'failed'"
        )
        assert key == "Longer-q1"
        assert "too long for scripted" in error
        assert "--retry-failed" in first.err

        seen = len(server.seen)
        plain = await asyncio.to_thread(arena.run, "run", file)
        assert plain.code == first.code
        assert len(server.seen) == seen

        server.script.context = None
        retried = await asyncio.to_thread(arena.run, "run", file, "--retry-failed")
        assert retried.code == 0, retried.err
        again = {request.request_id for request in server.seen[seen:]}
    assert all_done(records)
    assert {each.place[:2] for each in records.attempts() if each.request_id in again} == {
        ("debate", "Longer-q1")
    }
    assert asked_twice(records) == []


# ── jobs that end their worker ──────────────────────────────────────────────────────────────────────────────────


async def forsake(database: Database, lock: str) -> None:
    """Let a job's worker die, and be found dead."""
    async with database.session.begin() as session:
        await session.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL WHERE lock = :lock"),
            {"lock": lock},
        )
    engine = Engine(database)
    queue = build(database, engine)
    async with queue.open_async():
        rescue = Rescue(queue, Hands(), database, quick(), [])
        await rescue.look()
        await rescue.look()
    await engine.close()


async def test_a_job_that_is_forsaken_twice_is_tried_alone_and_then_not_queued_again(
    database: Database, records: Records
) -> None:
    await imported(database, passage("Alba"))
    await started(database, spec())
    lock = records.one("SELECT lock FROM procrastinate_jobs ORDER BY id LIMIT 1")
    total = jobs(records)["todo"]
    last = text("SELECT priority, args ->> 'alone' FROM procrastinate_jobs WHERE lock = :lock")
    for _ in range(4):  # A worker that dies before it began with it alone says nothing of it.
        await forsake(database, lock)
        assert jobs(records) == {"todo": total}
    async with database.session.begin() as session:
        [[priority, alone]] = await session.execute(last, {"lock": lock})
        lowest = await session.scalar(text("SELECT min(priority) FROM procrastinate_jobs"))
        assert (priority, alone) == (lowest, "wanted")
        begun = text("UPDATE procrastinate_jobs SET args = args || CAST(:more AS jsonb) WHERE lock = :lock")
        await session.execute(begun, {"more": '{"alone": "running"}', "lock": lock})
    await forsake(database, lock)
    assert jobs(records) == {"todo": total - 1}
    play = lock.removeprefix("play:")
    [[state, error]] = records.all(f"SELECT state, error FROM play WHERE id = '{play}'")
    assert state == "failed"
    assert error.startswith("Two workers in a row ended while they had it in hand")


async def test_a_suspect_is_done_with_nothing_beside_it(database: Database) -> None:
    isolation, beside, seen = Isolation(database), 0, []

    async def do(alone: bool, number: int) -> None:
        async def go() -> None:
            nonlocal beside
            beside += 1
            seen.append((alone, beside))
            await asyncio.sleep(0.01)
            beside -= 1

        kwargs = {"id": "x", **({"alone": "wanted"} if alone else {})}
        job = Job(id=number, queue="q", lock=None, queueing_lock=None, task_name="t", task_kwargs=kwargs)
        await isolation.hold(go, SimpleNamespace(job=job), None)  # type: ignore[arg-type]

    await asyncio.gather(*(do(number % 4 == 2, number) for number in range(12)))
    assert len(seen) == 12
    assert {most for alone, most in seen if alone} == {1}
    assert max(most for alone, most in seen if not alone) > 1


OF_THE_GUILTY = (
    "SELECT count(*) FROM model_call c JOIN play p ON p.id = c.play_id JOIN play t ON t.id = p.talk_id"
    " JOIN question q ON q.id = t.question_id JOIN passage g ON g.id = q.passage_id WHERE g.key = 'Alba'"
)


def meets_the_guilty(run: Process, records: Records) -> bool:
    """Wait until a run asks for the guilty play, or has ended; return whether it has not ended."""
    before = records.one(OF_THE_GUILTY)
    while run.running and records.one(OF_THE_GUILTY) == before:
        time.sleep(0.02)
    return run.running


async def test_of_the_jobs_of_two_dying_workers_only_the_guilty_one_fails(
    database: Database, database_url: str, records: Records, tmp_path: Path
) -> None:
    """A worker is killed whenever a request for the guilty passage arrives; others are answered slowly."""
    await imported(
        database, passage("Alba", questions=1), passage("Brise", questions=2), passage("Corona", questions=2)
    )
    settings = {"ARENA_HEARTBEAT": "0.4", "ARENA_STALLED_AFTER": "2", "ARENA_CONCURRENCY": "8"}
    with (
        server_process(tmp_path / "requests.log", latency=1.5) as server,
        Arena(tmp_path / "arena", DATABASE_URL=database_url, **settings) as arena,
    ):
        data = modelled(server.base_url)
        data["arms"].pop("debate")
        file = write_spec(tmp_path / "modelled.yaml", data)
        for _ in range(6):
            run = arena.start("run", file)
            if not await asyncio.to_thread(meets_the_guilty, run, records):
                break
            run.kill()
        ended = await asyncio.to_thread(run.wait)
    states = records.all(
        "SELECT g.key, p.state, count(*) FROM play p JOIN play t ON t.id = coalesce(p.talk_id, p.id) JOIN question q ON q.id = t.question_id"
        " JOIN passage g ON g.id = q.passage_id WHERE p.kind = 'judging' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert ended.code == 1, ended.err
    assert {(key, state) for key, state, _ in states} == {
        ("Alba", "failed"),
        ("Brise", "done"),
        ("Corona", "done"),
    }


async def test_a_job_that_made_a_move_between_two_deaths_goes_on(
    database: Database, records: Records
) -> None:
    await imported(database, passage("Alba"))
    await started(database, spec())
    lock = records.one("SELECT lock FROM procrastinate_jobs ORDER BY id LIMIT 1")
    play = lock.removeprefix("play:")
    total = jobs(records)["todo"]
    for number in range(4):
        await forsake(database, lock)
        async with database.session.begin() as session:
            await session.execute(
                text(
                    "INSERT INTO move (play_id, path, seat, participant_id, content, fingerprint) "
                    "SELECT :play, :path, 'x', id, '{}', '' FROM participant LIMIT 1"
                ),
                {"play": play, "path": f"x{number}"},
            )
    assert jobs(records) == {"todo": total}


def _has_more_than(server: ServerProcess, requests: int) -> bool:
    return len(server) > requests


async def test_a_request_that_ends_every_worker_fails_its_trial(
    database: Database, database_url: str, records: Records, tmp_path: Path
) -> None:
    await imported(database, passage("Alba", questions=1))
    settings = {"ARENA_HEARTBEAT": "0.4", "ARENA_STALLED_AFTER": "2"}
    with (
        server_process(tmp_path / "requests.log", latency=60) as server,
        Arena(tmp_path / "arena", DATABASE_URL=database_url, **settings) as arena,
    ):
        data = modelled(server.base_url)
        data["arms"].pop("naive")
        file = write_spec(tmp_path / "modelled.yaml", data)
        for deaths in range(2):
            run = arena.start("run", file)
            until(partial(_has_more_than, server, 2 * deaths), run)
            run.kill()
        last = await asyncio.to_thread(arena.run, "run", file)
        assert len(server) <= 4
    assert last.code == 1
    assert "ended its worker while it was alone in it, and fails" in last.err
    assert ("trial", "failed", 1) in records.states()


# ── endpoints that go away ──────────────────────────────────────────────────────────────────────────────────────

SHORT = Patience(hours=1, first=0.01, pause=0.1, pauses=(0.3, 0.3), hold=0.3, returns=0.02)
"""Waits in short steps, and soon gives work back."""


async def settle(
    database: Database, experiment: Experiment, patience: Patience = SHORT, **changes: Any
) -> AsyncIterator[Progress]:
    """Work on an experiment to its end, with little patience, and tell how far it is."""
    roster = ParticipantFactory(patience)
    async with working(database, quick(**changes), [experiment.id], roster):
        while True:
            async with database.session() as session:
                now = await progress(session, experiment.id)
            yield now
            if not now.running:
                return
            await asyncio.sleep(0.1)


async def test_an_outage_in_the_middle_fails_nothing_and_asks_nothing_twice(
    database: Database, tasks: None, records: Records
) -> None:
    script = Script(latency=0.02)
    server = ScriptedServer(script)
    await server.__aenter__()
    experiment = await started(database, modelled(server.base_url))
    said: set[str] = set()
    lost_at = None
    async for now in settle(database, experiment):
        said.update(now.endpoints)
        if lost_at is None and now.moves >= 10:
            lost_at = time.monotonic()
            await server.__aexit__(None, None, None)
        elif lost_at is not None and server.closed and time.monotonic() - lost_at > 3:
            assert now.count("failed") == 0
            server = ScriptedServer(script, port=server.port)
            await server.__aenter__()
    await server.__aexit__(None, None, None)

    assert all_done(records)
    assert asked_twice(records) == []
    assert any("is paused since" in sentence and "cannot be reached" in sentence for sentence in said)
    assert now.endpoints == []
    assert records.count("endpoint_notice") == 0


async def test_trials_at_another_endpoint_finish_while_one_is_down(
    database: Database, tasks: None, records: Records
) -> None:
    async with ScriptedServer() as up, ScriptedServer() as down:
        data = modelled(up.base_url)
        model = data["participants"]["strong"]
        data["participants"]["far"] = {**model, "base_url": down.base_url}
        # First in the queue, and more than the worker's slots.
        data["arms"] = {
            "far": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "far"}},
            "near": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "strong"}},
        }
        down.script.refusal = (503, "starting", None)
        experiment = await started(database, data)
        near = (
            "SELECT count(*) FROM play JOIN arm ON arm.id = arm_id WHERE arm.name = 'near' AND state = 'done'"
        )
        async for now in settle(database, experiment, concurrency=2):
            assert now.count("failed") == 0
            if records.one(near) == 8:
                down.script.refusal = None
        assert all_done(records)
        assert asked_twice(records) == []
        # The closed endpoint was asked by one request at a time, however many plays waited for it.
        assert sum(seen.status == 503 for seen in down.seen) < 40


async def test_a_quota_fails_nothing_and_few_requests_are_refused(
    database: Database, tasks: None, records: Records
) -> None:
    script = Script(quota=(10, 1.0))
    async with ScriptedServer(script) as server:
        experiment = await started(database, modelled(server.base_url))
        said: set[str] = set()
        async for now in settle(database, experiment, Patience(hours=1, first=0.01, pause=0.1, hold=1)):
            said.update(now.endpoints)
        refused = sum(seen.status == 429 for seen in server.seen)
        answered = sum(seen.status == 200 for seen in server.seen)
    assert all_done(records)
    assert asked_twice(records) == []
    assert any("requests a minute" in sentence for sentence in said)
    assert refused < 0.25 * answered


async def test_notices_of_a_process_that_died_are_not_shown(database: Database, tasks: None) -> None:
    experiment = await started(database, modelled("http://127.0.0.1:9/v1"))
    settings = EndpointSettings.model_validate({"base_url": "http://127.0.0.1:9/v1"})
    now = datetime.now(UTC)
    state = EndpointState("big", "", now, "cannot be reached", now)

    async def seen() -> int:
        async with database.session() as session:
            return len(await notices(session, experiment.id)) + len(await notices(session))

    for seconds, shown in ((60, 2), (-1, 0)):
        async with database.session.begin() as session:
            await publish(session, UUID(int=1), [(settings, state)], seconds=seconds)
        assert await seen() == shown
    other = EndpointSettings.model_validate({"base_url": "http://127.0.0.1:8/v1"})
    async with database.session.begin() as session:
        await publish(session, UUID(int=2), [(other, state)], seconds=60)
    assert await seen() == 1


async def test_endpoints_that_differ_in_their_headers_alone_share_a_notice(
    database: Database, tasks: None
) -> None:
    now = datetime.now(UTC)
    address = {"base_url": "http://127.0.0.1:9/v1"}
    one, other = (EndpointSettings.model_validate(address | {"headers": {"x": name}}) for name in ("A", "B"))
    states = [
        (one, EndpointState("big", "", rate=1.0)),
        (other, EndpointState("big", "", now, "is away", now)),
    ]
    async with database.session.begin() as session:
        await publish(session, UUID(int=1), states, seconds=60)
    async with database.session() as session:
        [notice] = await notices(session)
    assert "is paused" in notice.sentence
