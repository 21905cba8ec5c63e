"""Estimates beside the event loop: one at a time, and of each person the newest."""

import asyncio
import uuid

from app.experiments.estimate import estimate, gathered
from app.experiments.spec import parse_spec
from app.records.database import Database
from app.services.estimates import Estimates
from tests.factories import imported, passage, spec


async def test_of_several_that_one_person_asks_for_only_the_newest_is_waited_for(database: Database) -> None:
    await imported(database, passage("Alba"))
    wanted = parse_spec(spec())
    async with database.session() as db:
        material = await gathered(db, wanted)
    estimates, first, second = Estimates(), uuid.uuid4(), uuid.uuid4()
    people = [first, first, second, first, second]
    found = await asyncio.gather(*(estimates.of(who, wanted, material, {}) for who in people))
    whole = estimate(wanted, material)
    assert found[1:] == [None, None, whole, whole]
    assert await estimates.of(first, wanted, material, {}) == whole
