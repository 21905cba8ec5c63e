"""Spending caps: what is counted, where an experiment stops, what is said of it, and how it goes on."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, create_engine, text

from app.experiments.estimate import estimate, gathered
from app.experiments.freeze import start
from app.experiments.spec import SpecError, parse_spec
from app.jobs import follow
from app.participants.base import Ending
from app.participants.spending import Cap, Price, Prices, Use, spent, tokens_of
from app.records.database import Database, migrate
from app.records.progress import Progress, progress
from app.records.spending import spent_by
from app.services.caps import CapRefused, change_cap
from app.settings import Settings
from models import Experiment
from tests.factories import TASKS, imported, passage, spec, started
from tests.processes import Arena, Records, write_spec
from tests.servers import Script, ScriptedServer

SLOTS = 6


@pytest.fixture
async def tasks(database: Database) -> None:
    await imported(database, *(passage(name) for name in ("Alba", "Brise", "Corona", "Dagny")))


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


def capped(base_url: str, cap: Mapping[str, float] | None, **changes: Any) -> dict[str, Any]:
    """An experiment in which a model debates and another judges."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted"}
    return {
        "name": "capped",
        "tasks": {"set": TASKS},
        "participants": {"strong": model, "weak": {**model, "temperature": 0}},
        "arms": {"debate": {"protocol": "debate", "rounds": 2, "seats": {"debaters": "strong"}}},
        "judges": ["weak"],
        **({"cap": cap} if cap else {}),
        **changes,
    }


PRICES = {"strong": {"prompt": 10, "completion": 40}, "weak": {"prompt": 1, "completion": 4, "cached": 0.5}}


async def run(database: Database, experiment: Experiment) -> Progress:
    """Work on an experiment as far as it goes."""
    settings = Settings(heartbeat=0.2, concurrency=SLOTS)
    return [counts async for counts in follow(database, settings, experiment.id)][-1]


async def counted(database: Database, experiment: UUID) -> tuple[int, int, int, int]:
    """Calls and tokens of an experiment, counted from its attempts."""
    query = text(
        "SELECT count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_cached), 0), coalesce(sum(tokens_out), 0) FROM call_attempt "
        "JOIN model_call ON model_call.id = call_id JOIN play ON play.id = play_id WHERE experiment_id = :id"
    )
    async with database.session() as session:
        row = (await session.execute(query, {"id": experiment})).one()
    return row[0], row[1], row[2], row[3]


async def taken(database: Database, experiment: UUID) -> Use:
    async with database.session() as session:
        return (await spent_by(session, experiment)).use


async def test_a_cap_of_calls_pauses_before_the_next_call_and_a_higher_one_goes_on(
    database: Database, tasks: None, records: Records
) -> None:
    async with ScriptedServer(Script(latency=0.02)) as server:
        experiment = await started(database, capped(server.base_url, {"calls": 15}))
        stopped = await run(database, experiment)

        assert len(server.seen) == 15
        assert stopped.state == "paused"
        assert stopped.spending is not None
        assert "15 calls of at most 15" in stopped.spending
        assert stopped.count("failed") == 0
        assert await run(database, experiment) == stopped
        assert len(server.seen) == 15

        async with database.session.begin() as session:
            await change_cap(session, None, experiment, {"calls": 10_000})
        done = await run(database, experiment)
    assert done.finished
    assert done.state == "running"
    assert done.spending is None
    answered = [(each.place, each.purpose) for each in records.attempts() if each.status == "ok"]
    assert len(answered) == len(set(answered)), "something was asked twice"
    trail = records.all("SELECT action, detail->'before', detail->'now' FROM audit")
    assert trail == [("changed the cap", {"calls": 15}, {"calls": 10_000})]


async def test_what_is_counted_is_what_was_recorded(database: Database, tasks: None) -> None:
    async with ScriptedServer(Script(flaky=0.2)) as server:
        experiment = await started(database, capped(server.base_url, None))
        assert (await run(database, experiment)).finished
    calls, prompt, cached, completion = await counted(database, experiment.id)
    use = await taken(database, experiment.id)
    assert (use.calls, use.cached, use.completion) == (calls, cached, completion)
    # Attempts whose replies could not be read took tokens that no server told.
    assert use.prompt >= prompt > 0
    assert calls == len(server.seen)


async def test_the_migration_counts_what_was_taken_before(
    database: Database, fresh_url: URL, tasks: None
) -> None:
    async with ScriptedServer(Script(flaky=0.2)) as server:
        experiment = await started(database, capped(server.base_url, None))
        await run(database, experiment)
    before = await taken(database, experiment.id)
    await database.engine.dispose()

    def down_and_up() -> None:
        engine = create_engine(fresh_url)
        with engine.begin() as connection:
            migrate(connection, "0017")
            migrate(connection)
        engine.dispose()

    await asyncio.to_thread(down_and_up)
    assert await taken(database, experiment.id) == before
    assert before.calls > 0


@pytest.mark.parametrize("cap", [{"tokens": 8_000}, {"money": 0.05}])
async def test_tokens_and_money_go_over_by_what_is_in_flight_at_most(
    database: Database, tasks: None, cap: Mapping[str, float]
) -> None:
    async with ScriptedServer(Script(latency=0.02)) as server:
        # Beliefs of one price: two names of one model.
        prices = dict.fromkeys(PRICES, PRICES["strong"])
        experiment = await started(database, capped(server.base_url, cap, prices=prices))
        stopped = await run(database, experiment)
        async with database.session() as session:
            now = await spent_by(session, experiment.id)
    assert stopped.state == "paused"
    assert now.reached == list(cap)
    assert now.money is not None
    has = {"tokens": now.use.tokens, "money": now.money}[now.reached[0]]
    largest = has / now.use.calls * 3
    assert has <= cap[now.reached[0]] + 2 * SLOTS * largest, "two debaters speak at once in each slot"
    # What was in flight was waited for: every reply is there.
    async with database.session() as session:
        cut_off = text("SELECT count(*) FROM call_attempt WHERE status IS NULL")
        assert await session.scalar(cut_off) == 0


async def test_two_workers_share_one_cap(database: Database, tasks: None) -> None:
    async with ScriptedServer(Script(latency=0.05)) as server:
        experiment = await started(database, capped(server.base_url, {"calls": 30}))
        await asyncio.gather(run(database, experiment), run(database, experiment))
    use = await taken(database, experiment.id)
    assert use.calls == len(server.seen)
    assert 30 <= use.calls <= 30 + 20, "another worker's calls are seen after a moment"
    async with database.session() as session:
        assert (await progress(session, experiment.id)).state == "paused"


async def test_an_experiment_that_ends_at_its_cap_is_finished(database: Database, tasks: None) -> None:
    async with ScriptedServer() as server:
        once = await started(database, capped(server.base_url, None))
        await run(database, once)
        needed = len(server.seen)
        again = await started(database, capped(server.base_url, {"calls": needed}, name="again"))
        done = await run(database, again)
    assert done.finished
    assert done.spending is None


async def test_a_cap_of_money_needs_prices(database: Database, tasks: None) -> None:
    experiment = await started(database, capped("http://127.0.0.1:9/v1", {"calls": 5}))
    async with database.session.begin() as session:
        with pytest.raises(CapRefused, match="names none"):
            await change_cap(session, None, experiment, {"money": 5})


async def test_another_cap_in_the_file_names_the_option(database: Database, tasks: None) -> None:
    await started(database, capped("http://127.0.0.1:9/v1", {"calls": 5}))
    async with database.session.begin() as session:
        with pytest.raises(SpecError, match=r"--cap-calls"):
            await start(session, parse_spec(capped("http://127.0.0.1:9/v1", {"calls": 50})))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cap": {"calls": 0}}, "cap: calls"),
        ({"cap": {"call": 9}}, "unknown key 'call'; the nearest is 'calls'"),
        ({"cap": {"money": 5}}, "strong has no price"),
        ({"prices": {"nobody": PRICES["weak"]}}, "unknown participant 'nobody'"),
        ({"prices": PRICES | {"weak": {"prompt": 1}}}, "prices.weak"),
        ({"prices": {"strong": {"prompt": -1, "completion": 1}}}, "prices.strong: prompt"),
        ({"cap": {"money": float("inf")}}, "cap: money"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_spec(capped("http://127.0.0.1:9/v1", None) | changes)


def test_one_model_has_one_price() -> None:
    data = capped("http://127.0.0.1:9/v1", None, prices=PRICES)
    shared = {"kind": "model", "endpoint": "here", "model": "scripted"}
    data |= {
        "endpoints": {"here": {"base_url": "http://127.0.0.1:9/v1"}},
        "participants": {"strong": shared, "weak": shared},
    }
    with pytest.raises(SpecError, match="strong and weak are the same model"):
        parse_spec(data)


def test_a_file_without_a_cap_has_the_digest_of_before() -> None:
    assert not {"cap", "prices"} & parse_spec(spec()).normalised().keys()


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending("ok", 1, 200, reply={"text": "a" * 44}, tokens_in=7, tokens_out=3), Use(0, 7, 0, 3)),
        (Ending("ok", 1, 200, reply={"text": "a" * 44}), Use(0, 100, 0, 10)),
        (
            Ending("ok", 1, 200, reply={"text": None}, tokens_in=7, tokens_out=0, tokens_cached=20),
            Use(0, 27, 20, 0),
        ),
        (Ending("timeout", 1), Use(0, 100, 0, 0)),
        (Ending("unreadable", 1, 200), Use(0, 100, 0, 0)),
        (Ending("http", 1, 429), Use()),
        (Ending("connection", 1), Use()),
    ],
)
def test_tokens_are_counted_by_the_server_or_else_by_characters(ending: Ending, expected: Use) -> None:
    assert tokens_of(ending, characters=440) == expected


def test_a_model_without_a_price_costs_what_the_dearest_does() -> None:
    prices = Prices({("here", "cheap"): Price(1, 2), ("here", "dear"): Price(10, 20, cached=0)})
    uses = {("here", "cheap"): Use(1, 10**6), ("here", "added"): Use(1, 10**6, 10**6 // 2, 10**6)}
    now = spent(Cap(money=20), prices, uses)
    assert now.money == pytest.approx(1 + 5 + 20)
    assert now.sentence == (
        "The spending cap is reached: 26.00 of at most 20.00 spent, 6.00 over. Nothing is lost; raise the cap to go on."
    )


async def test_the_estimate_says_which_caps_it_is_over(database: Database, tasks: None) -> None:
    file = parse_spec(
        capped("http://127.0.0.1:9/v1", {"calls": 10, "tokens": 10**9, "money": 0.0001}, prices=PRICES)
    )
    async with database.session() as session:
        found = estimate(file, await gathered(session, file))
    calls, money = found.warnings
    assert f"over the cap of calls ({found.whole.calls}, cap 10)" in calls
    assert "over the cap of money" in money


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    with Arena(tmp_path / "arena", DATABASE_URL=database_url) as arena:
        yield arena


async def test_the_command_says_what_to_do_and_goes_on_with_a_higher_cap(
    arena: Arena, tasks: None, tmp_path: Path
) -> None:
    async with ScriptedServer() as server:
        file = write_spec(tmp_path / "capped.yaml", capped(server.base_url, {"calls": 12}))
        first = await asyncio.to_thread(arena.run, "run", file)
        assert first.code == 0, first.err
        assert "12 calls of at most 12" in first.out + first.err
        assert "--cap-calls" in first.out + first.err
        asked = len(server.seen)
        again = await asyncio.to_thread(arena.run, "run", file)
        assert "12 calls of at most 12" in again.out + again.err
        assert len(server.seen) == asked == 12
        done = await asyncio.to_thread(arena.run, "run", file, "--cap-calls", "0")
        assert done.code == 0, done.err
        assert "cap is reached" not in done.out + done.err
