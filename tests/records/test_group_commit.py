"""The writer: many entries in one transaction, each on its own where one is bad, nothing lost with its caller."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.participants.base import Call, Ending, Segment
from app.protocols.core import Move, Note
from app.records.database import Database
from app.records.group_commit import GroupCommit
from app.records.plays import moves_of
from tests.factories import imported, passage, spec, started

pytestmark = pytest.mark.outside


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[GroupCommit]:
    journal = GroupCommit(database)
    yield journal
    await journal.close()


@pytest.fixture
async def trial(database: Database) -> UUID:
    """A trial that moves may belong to."""
    await imported(database, passage("Alba"))
    await started(database, spec())
    return UUID(str(await one(database, "SELECT min(id::text) FROM play WHERE kind = 'talk'")))


@pytest.fixture
async def somebody(database: Database, trial: UUID) -> UUID:
    """A participant who may have made a move."""
    return UUID(str(await one(database, "SELECT min(id::text) FROM participant")))


async def one(database: Database, query: str) -> Any:
    """The single value of a query, read over a connection of its own."""
    async with database.engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()


def move(path: str, words: str = "It was so.") -> Move:
    return Move(path, "judge", Note(text=words), "0" * 32)


def call(*texts: str) -> Call:
    segments = [Segment("user", text) for text in texts]
    return Call(uuid4(), "r1/judge", "answer", "big", "scripted", segments, {"seed": 1})


async def test_what_comes_together_is_written_in_one_transaction(
    database: Database, journal: GroupCommit, trial: UUID, somebody: UUID
) -> None:
    moves = [move(f"r{number}") for number in range(100)]
    await asyncio.gather(*(journal.append(trial, somebody, each) for each in moves))

    assert await one(database, "SELECT count(*) FROM move") == 100
    # The first finds the writer idle and goes alone; all others meet in the next one.
    assert await one(database, "SELECT count(DISTINCT xmin::text) FROM move") <= 2


async def test_a_caller_goes_on_only_when_its_entry_is_durable(
    database: Database, journal: GroupCommit, trial: UUID, somebody: UUID
) -> None:
    for number in range(5):
        await journal.append(trial, somebody, move(f"r{number}"))
        assert await one(database, "SELECT count(*) FROM move") == number + 1
    calling = call("A passage.")
    await journal.begin(trial, calling, 1, "request-1")
    assert await one(database, "SELECT status IS NULL FROM call_attempt") is True


async def test_a_move_comes_back_as_it_was_written(
    database: Database, journal: GroupCommit, trial: UUID, somebody: UUID
) -> None:
    given = move("r1/judge", "„Naïve“ – 語 \N{PILE OF POO} \\u0000 'quoted' %s :name")
    kept = await journal.append(trial, somebody, given)

    async with database.session() as session:
        assert await moves_of(session, trial) == {"r1/judge": given}
    assert kept == given


BAD: dict[str, tuple[Any, type[Exception]]] = {
    "a trial that is not there": (lambda who: (uuid4(), who, move("bad")), IntegrityError),
    "nobody who made it": (lambda who: (None, uuid4(), move("bad")), IntegrityError),
    "text that the database cannot hold": (lambda who: (None, who, move("bad", "a\0b")), DBAPIError),
    "a path that it cannot hold": (lambda who: (None, who, move("b\0d")), DBAPIError),
    "text that is no text": (lambda who: (None, who, move("b\ud800d")), Exception),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_entry_fails_alone(
    database: Database, journal: GroupCommit, trial: UUID, somebody: UUID, case: str
) -> None:
    make, error = BAD[case]
    owner, who, bad = make(somebody)
    mine = trial
    good = [journal.append(mine, somebody, move(f"r{number}")) for number in range(20)]
    attempt = journal.begin(mine, call("A passage."), 1, "request-1")
    results = await asyncio.gather(
        *good[:10], journal.append(owner or mine, who, bad), *good[10:], attempt, return_exceptions=True
    )

    assert isinstance(results[10], error)
    assert [each for each in results if isinstance(each, BaseException)] == [results[10]]
    assert await one(database, "SELECT count(*) FROM move") == 20
    assert await one(database, "SELECT count(*) FROM call_attempt") == 1


async def test_an_attempt_whose_prompt_is_no_text_fails_alone(
    database: Database, journal: GroupCommit, trial: UUID, somebody: UUID
) -> None:
    mine = trial
    results = await asyncio.gather(
        journal.append(mine, somebody, move("r1")),
        journal.begin(mine, call("half a pair: \ud800"), 1, "request-1"),
        journal.append(mine, somebody, move("r2")),
        return_exceptions=True,
    )

    assert isinstance(results[1], UnicodeEncodeError)
    assert await one(database, "SELECT count(*) FROM move") == 2
    assert await journal.append(mine, somebody, move("r3")) == move("r3")


async def test_a_cancelled_caller_takes_neither_its_own_entry_nor_those_of_others_along(
    database: Database, journal: GroupCommit, trial: UUID, somebody: UUID
) -> None:
    mine = trial
    tasks = [asyncio.create_task(journal.append(mine, somebody, move(f"r{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await journal.close()

    assert all(isinstance(each, asyncio.CancelledError) for each in results[::2])
    assert results[1::2] == [move(f"r{n}") for n in range(1, 20, 2)]
    assert await one(database, "SELECT count(*) FROM move") == 20


async def test_who_comes_second_is_given_the_move_that_is_there(
    database: Database, journal: GroupCommit, trial: UUID, somebody: UUID
) -> None:
    mine = trial
    first = await journal.append(mine, somebody, move("r1", "first"))
    later = await journal.append(mine, somebody, move("r1", "second"))
    elsewhere = await GroupCommit(database).append(mine, somebody, move("r1", "third"))
    assert first == later == elsewhere == move("r1", "first")

    together = await asyncio.gather(
        *(journal.append(mine, somebody, move("r2", f"number {n}")) for n in range(10))
    )
    async with database.session() as session:
        there = (await moves_of(session, trial))["r2"]
    assert set(together) == {there}


async def test_two_processes_that_write_the_same_moves_neither_block_nor_differ(
    database: Database, fresh_url: URL, trial: UUID, somebody: UUID
) -> None:
    other = Database(fresh_url, embedded=True, connections=4)
    mine = trial
    paths = [f"r{n}" for n in range(200)]
    orders = [Random(seed).sample(paths, len(paths)) for seed in (1, 2)]
    writers = [GroupCommit(database), GroupCommit(other)]
    kept = await asyncio.gather(
        *(
            journal.append(mine, somebody, move(path, f"by {number}"))
            for number, (journal, order) in enumerate(zip(writers, orders, strict=True))
            for path in order
        )
    )
    await other.close()

    async with database.session() as session:
        there = await moves_of(session, trial)
    assert sorted(there) == sorted(paths)
    assert {each.path: each for each in kept} == there
    assert set(kept) == set(there.values())


async def test_attempts_at_one_call_share_its_row_and_its_texts_are_stored_once(
    database: Database, journal: GroupCommit, trial: UUID
) -> None:
    texts = await one(database, "SELECT count(*) FROM text")
    mine = trial
    first, second = call("A passage.", "Why?"), call("A passage.", "When?")
    await journal.begin(mine, first, 1, "a-1")
    await journal.end("a-1", Ending("http", 0.1, 429, "answered 429"))
    await journal.begin(mine, first, 2, "a-2")
    await journal.end("a-2", Ending("ok", 0.2, 200, reply={"text": "Because."}, tokens_in=5, tokens_out=2))
    await asyncio.gather(journal.begin(mine, second, 1, "b-1"), journal.begin(mine, call("Why?"), 1, "c-1"))

    assert await one(database, "SELECT count(*) FROM model_call") == 3
    assert await one(database, "SELECT count(*) FROM text") == texts + 3
    attempts = "SELECT string_agg(coalesce(status, '-'), ' ' ORDER BY request_id) FROM call_attempt"
    assert await one(database, attempts) == "http ok - -"
    read = """
        SELECT string_agg(t.body, '|' ORDER BY s.place)
        FROM model_call c JOIN call_attempt a ON a.call_id = c.id AND a.request_id = 'b-1'
        CROSS JOIN jsonb_array_elements(c.segments) WITH ORDINALITY s(segment, place)
        JOIN text t ON t.digest = decode(s.segment ->> 1, 'hex')
    """
    assert await one(database, read) == "A passage.|When?"


async def test_a_call_for_nobodys_trial_is_recorded_too(database: Database, journal: GroupCommit) -> None:
    await journal.begin(None, replace(call("Hello."), path="probe"), 1, "request-1")
    assert await one(database, "SELECT count(*) FROM model_call WHERE play_id IS NULL") == 1
