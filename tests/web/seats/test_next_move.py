"""A person's next move in a live talk goes before whatever else is queued."""

import uuid

from sqlalchemy import text

from app.records.queue import enqueue, queue_of
from tests.records.test_queue import taken
from tests.web.seats.test_routes import begun, debate, debater, say, seated
from tests.web.world import Site


async def test_a_talk_goes_on_at_once_when_a_person_has_spoken_whatever_was_queued_before(site: Site) -> None:
    seats = {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"}
    experiment = await begun(site, debate(seats=seats))
    async with site.database.session.begin() as db:
        await db.execute(text("DELETE FROM procrastinate_jobs"))
        large = uuid.uuid4()
        await enqueue(db, large, [uuid.uuid4() for _ in range(300)])
    browser = await debater(site)
    talk = await seated(browser)
    assert (await say(browser, talk)).status_code == 303
    order = await taken(site.database, 3)
    assert order == [queue_of(experiment.id), queue_of(large), queue_of(large)]
