"""Before a real browser: what misled others, read before a trial; and the box of a judge in a talk who knows the story."""

from uuid import UUID

from playwright.async_api import expect
from sqlalchemy import text

from models import Account
from tests.browser.served import Stage, faults
from tests.factories import imported, passage, started
from tests.web.judge.test_misled import adapted
from tests.web.seats.test_routes import advised


async def given(stage: Stage, experiment: str, person: Account) -> UUID:
    """Give somebody an open place in an experiment."""
    of = f"SELECT id FROM play WHERE experiment_id = (SELECT id FROM experiment WHERE name = '{experiment}')"
    chosen = f"SELECT id FROM seat WHERE state = 'open' AND play_id IN ({of}) LIMIT 1"
    taken = "state = 'waiting', participant_id = :person, leased_until = now() + interval '1 h'"
    async with stage.world.site.database.session.begin() as db:
        found = text(f"UPDATE seat SET {taken} WHERE id = ({chosen}) RETURNING id, play_id")
        seat, play = (await db.execute(found.bindparams(person=person.participant_id))).one()
        judged = text(
            "UPDATE play SET state = 'waiting', judge_id = :person WHERE id = :id AND kind = 'judging'"
        )
        await db.execute(judged.bindparams(person=person.participant_id, id=play))
        return UUID(str(seat))


async def test_examples_are_read_first_and_can_be_opened_again(stage: Stage, width: int) -> None:
    await adapted(stage.world.site, "Cormorant", seconds=45)
    judge = await stage.world.site.hire("Jo", "judge")
    page = await stage.newcomer(width)
    await stage.sign_in(page, judge)
    await page.goto(f"/seat/{await given(stage, 'adapted', judge)}")
    await expect(page.get_by_role("heading", name="Read this first: arguments that misled")).to_be_visible()
    assert await faults(page) == []
    await page.get_by_role("button", name="Go on to the trial").press("Enter")
    await expect(page.get_by_role("heading", name="Your final belief")).to_be_visible()
    await page.get_by_text("1 about another text").click()
    await expect(page.get_by_text("Who rang the <bell>?")).to_be_visible()
    assert await faults(page) == []
    assert stage.watch.problems == []


async def test_a_judge_in_a_talk_marks_that_they_know_the_story_and_it_stays_marked(
    stage: Stage, width: int
) -> None:
    await imported(stage.world.site.database, passage("Dunlin", 1), name="talked")
    await started(stage.world.site.database, {**advised(), "tasks": {"set": "talked"}})
    judge = await stage.world.site.hire("Kim", "judge")
    page = await stage.newcomer(width)
    await stage.sign_in(page, judge)
    await page.goto(f"/seat/{await given(stage, 'advised', judge)}")
    await page.get_by_label("I know this story").check()
    await expect(page.locator("[data-saved]")).to_have_text("Saved")
    await page.reload()
    await expect(page.get_by_label("I know this story")).to_be_checked()
    assert await faults(page) == []
    assert stage.watch.problems == []
