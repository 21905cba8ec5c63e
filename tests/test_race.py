"""Several workers on one experiment: nobody makes the same move twice, and the outcome is that of one worker."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import URL, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Engine
from app.records.database import Database
from models import Judgement, Trial
from tests.database import Server
from tests.factories import imported, passage, played, started
from tests.processes import Arena, Records, ServerProcess, server_process, until, write_spec
from tests.servers import Script, ScriptedServer
from tests.test_jobs import modelled

NAMES = ("Alba", "Brise", "Corona", "Dagny", "Elster")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "requests.log", latency=0.05) as server:
        yield server


def address(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def watch(url: str) -> None:
    """Have the database note which connection, by its application's name, wrote each move."""
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            CREATE TABLE witness (move bigint, application text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              INSERT INTO witness VALUES (NEW.id, current_setting('application_name')); RETURN NULL;
            END $$;
            CREATE TRIGGER note AFTER INSERT ON move FOR EACH ROW EXECUTE FUNCTION note();
            """
        )


def fill(url: URL) -> None:
    """Import the tasks."""

    async def run() -> None:
        database = Database(url, embedded=True, connections=2)
        await imported(database, *(passage(name) for name in NAMES))
        await database.close()

    asyncio.run(run())


@pytest.mark.outside
def test_two_workers_share_an_experiment_and_ask_nothing_twice(
    postgres: Server, server: ServerProcess, tmp_path: Path
) -> None:
    file = write_spec(tmp_path / "modelled.yaml", modelled(server.base_url))
    with postgres.fresh() as alone_url, postgres.fresh() as shared_url:
        for url in (alone_url, shared_url):
            fill(url)
        alone, shared = Records(address(alone_url)), Records(address(shared_url))
        with Arena(tmp_path / "alone", DATABASE_URL=address(alone_url)) as arena:
            assert arena.run("run", file).code == 0
        watch(address(shared_url))
        requests = len(server)
        named = [address(shared_url.update_query_dict({"application_name": name})) for name in ("one", "two")]
        first, second = (
            Arena(tmp_path / str(number), DATABASE_URL=url, ARENA_CONCURRENCY="3")
            for number, url in enumerate(named)
        )
        with first, second:
            run = first.start("run", file)
            until(lambda: len(server) > requests, run)
            helper = second.start("worker", "--experiment", "modelled")
            ended = run.wait()
            assert ended.code == 0, ended.err
            assert helper.running, helper.err

        workers = Counter(row[0] for row in shared.all("SELECT application FROM witness"))
        assert workers.keys() == {"one", "two"}
        assert workers.total() == shared.count("move")
        assert min(workers.values()) >= workers.total() // 10
        assert len(server) == 2 * requests
        asked = Counter((each.place, each.purpose) for each in shared.attempts())
        assert set(asked.values()) == {1}
        assert shared.moves() == alone.moves()
        assert shared.verdicts() == alone.verdicts()
        assert shared.outcomes() == alone.outcomes()


async def work(session: AsyncSession) -> tuple[list[UUID], list[UUID]]:
    """Ids of all trials and of all judgements."""
    return list(await session.scalars(select(Trial.id))), list(await session.scalars(select(Judgement.id)))


async def test_two_engines_on_the_same_trials_make_each_move_once_and_end_as_one(
    postgres: Server, database: Database, database_url: str, fresh_url: URL
) -> None:
    other = Database(fresh_url, embedded=True, connections=4)
    engines = [Engine(database), Engine(other)]
    await imported(database, passage("Alba"), passage("Brise"))
    async with ScriptedServer(Script(latency=0.01)) as server:
        await started(database, modelled(server.base_url))
        async with database.session() as session:
            trials, judgements = await work(session)
        await asyncio.gather(*(engine.advance(item) for item in trials for engine in engines))
        await asyncio.gather(*(engine.advance(item) for item in judgements for engine in engines))
        for engine in engines:
            await engine.close()
        await other.close()

        shared = Records(database_url)
        moves = shared.moves()  # fails where a path is there twice
        asked = Counter((each.place, each.purpose) for each in shared.attempts())
        assert {place for place, _ in asked} == moves.keys()
        assert max(asked.values()) <= 2
        assert len(server.seen) == asked.total()
        with postgres.fresh() as alone_url:
            await play_alone(alone_url, server.base_url)
            alone = Records(address(alone_url))
            assert (moves, shared.verdicts()) == (alone.moves(), alone.verdicts())
            assert shared.states() == alone.states() == [("trial", "done", 8), ("judgement", "done", 8)]


async def play_alone(url: URL, base_url: str) -> None:
    """The same experiment with one engine."""
    database = Database(url, embedded=True, connections=4)
    await imported(database, passage("Alba"), passage("Brise"))
    await played(database, await started(database, modelled(base_url)))
    await database.close()


async def test_an_engine_that_is_given_a_trial_twice_at_once_makes_each_move_once(
    database: Database, database_url: str
) -> None:
    engine = Engine(database)
    await imported(database, passage("Alba"))
    async with ScriptedServer(Script(latency=0.01)) as server:
        await started(database, modelled(server.base_url))
        async with database.session() as session:
            trials, _ = await work(session)
        await asyncio.gather(*(engine.advance(trial) for trial in trials * 2))
        await engine.close()

    records = Records(database_url)
    assert records.moves()
    assert [state for kind, state, _ in records.states() if kind == "trial"] == ["done"]
