"""The order in which queued work is done: experiments take turns."""

import uuid
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from app.records.database import Database
from app.records.queue import Before, enqueue, queue_of, sharing
from models import Experiment
from tests.factories import imported, passage, spec, started

LARGE, SMALL, LATE = (uuid.UUID(int=number) for number in (1, 2, 3))


async def queued(database: Database, experiment: uuid.UUID, plays: int, before: Before | None = None) -> None:
    async with database.session.begin() as session:
        assert await enqueue(session, experiment, [uuid.uuid4() for _ in range(plays)], before) == plays


async def taken(database: Database, number: int) -> Sequence[str]:
    """Take jobs as a worker would; returns the queue of each."""
    take = "SELECT queue_name FROM procrastinate_fetch_job_v2(NULL, NULL)"
    found = []
    for _ in range(number):
        async with database.session.begin() as session:
            found.append((await session.execute(text(take))).scalar_one())
    return found


async def test_a_small_experiment_begins_at_once_beside_a_large_one(database: Database) -> None:
    await queued(database, LARGE, 50)
    await queued(database, SMALL, 3)
    order = await taken(database, 8)
    assert order == [queue_of(LARGE), queue_of(SMALL)] * 3 + [queue_of(LARGE)] * 2


async def test_turns_of_what_comes_late_are_counted_from_now(database: Database) -> None:
    await queued(database, LARGE, 50)
    await taken(database, 20)
    await queued(database, LATE, 30)
    order = await taken(database, 20)
    assert order == [queue_of(LARGE), queue_of(LATE)] * 10


async def test_more_work_of_one_experiment_comes_after_its_first(database: Database) -> None:
    await queued(database, LARGE, 5)
    await queued(database, SMALL, 5)
    await queued(database, LARGE, 5)
    order = await taken(database, 15)
    assert order == [queue_of(LARGE), queue_of(SMALL)] * 5 + [queue_of(LARGE)] * 5


async def test_what_a_person_waits_for_goes_before_what_follows_and_that_before_turns(
    database: Database,
) -> None:
    await queued(database, LARGE, 2)
    await queued(database, SMALL, 1, Before.FOLLOWS)
    await queued(database, LATE, 1, Before.AWAITED)
    assert await taken(database, 3) == [queue_of(LATE), queue_of(SMALL), queue_of(LARGE)]


async def test_work_that_is_put_off_does_not_turn_the_clock_back(database: Database) -> None:
    await queued(database, LARGE, 50)
    await taken(database, 20)
    await queued(database, SMALL, 5)
    async with database.session.begin() as session:
        await session.execute(
            text(
                "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour', priority = 0 WHERE queue_name = :own"
            ),
            {"own": queue_of(SMALL)},
        )
    await queued(database, LATE, 5)
    assert await taken(database, 4) == [queue_of(LARGE), queue_of(LATE)] * 2


@pytest.fixture
async def running(database: Database) -> Experiment:
    await imported(database, passage("Alba"))
    return await started(database, spec())


async def test_an_experiment_knows_with_how_many_others_it_shares(
    database: Database, running: Experiment
) -> None:
    other = await started(database, spec(name="other"))
    async with database.session() as session:
        assert await sharing(session, running.id) == 1
    async with database.session.begin() as session:
        await session.execute(
            text("DELETE FROM procrastinate_jobs WHERE queue_name = :own"), {"own": queue_of(other.id)}
        )
    async with database.session() as session:
        assert await sharing(session, running.id) == 0
