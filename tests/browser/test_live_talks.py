"""Two people in a live talk of a study, each before a browser: they find each other, see each other, and one leaves."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from app.records import enrolments, studies
from app.records.enrolments import Newcomer
from app.studies.spec import parse_study
from models import Study
from tests.browser.served import WIDTHS, Stage, faults
from tests.factories import imported, passage, started
from tests.processes import Records
from tests.web.seats.test_routes import debate

STATE = "SELECT state FROM play WHERE kind = 'talk' AND id IN (SELECT play_id FROM seat WHERE left_as IS NOT NULL)"


async def opened(stage: Stage, **live: Any) -> Study:
    """A study of debates between two people; the served arena plays it."""
    database = stage.world.site.database
    await imported(database, passage("Corona", 1), name="talks")
    experiment = await started(database, {**debate(rounds=1), "tasks": {"set": "talks"}})
    rules = {"turn_seconds": 300, "grace_seconds": 30, "waiting_minutes": 5, **live}
    file = parse_study(
        {
            "name": "live",
            "title": "Two readers",
            "experiments": [experiment.name],
            "role": "debater",
            "trials": 1,
            "people": 20,
            "minutes": 20,
            "reward": {"amount": "3.00"},
            "live": rules,
        }
    )
    async with database.session.begin() as db:
        study = await studies.add(db, "live", file.normalised(), {}, None)
        await studies.keep_seats(db, study.id, [experiment.id])
        await studies.set_state(db, study, "open", None)
    return study


async def come(stage: Stage, study: Study, name: str, width: int) -> Page:
    """A person comes by the study's link and takes the next talk."""
    async with stage.world.site.database.session.begin() as db:
        part = await enrolments.join(
            db,
            await db.merge(study, load=False),
            Newcomer("link", name, "", name),
            role="debater",
            wanted=20,
            trials=1,
            page="trials",
            time_limit=timedelta(hours=1),
        )
    assert part is not None
    page = await stage.newcomer(width)
    await stage.sign_in(page, part.account)
    await page.goto("/part")
    async with page.expect_navigation(url="**/seat/*"):
        await page.locator("main form button").first.click()
    return page


async def pair(stage: Stage, study: Study) -> tuple[Page, Page]:
    """Two people, on a phone and at a desk, whose talk has begun."""
    one = await come(stage, study, "Dora", WIDTHS["phone"])
    await expect(one.get_by_role("heading", name="Waiting room")).to_be_visible()
    assert await faults(one) == []
    two = await come(stage, study, "Emil", WIDTHS["desktop"])
    for page in (one, two):
        await expect(page.locator("[data-quotable]")).to_be_visible()
    return one, two


async def test_two_people_find_each_other_and_debate_to_the_end(stage: Stage) -> None:
    one, two = await pair(stage, await opened(stage))
    for page in (one, two):
        await expect(page.locator("[data-clock]")).to_contain_text("left.")
        await expect(page.locator("#others")).to_contain_text("is here.")
        assert await faults(page) == []
    await one.locator("[data-quotable]").fill("He had overslept, that much is plain.")
    async with one.expect_navigation():
        await one.get_by_role("button", name="Send").click()
    await expect(one.locator("#others")).to_contain_text("is writing.")
    await two.locator("[data-quotable]").fill("There was fog, as the log says.")
    async with two.expect_navigation():
        await two.get_by_role("button", name="Send").click()
    for page in (one, two):
        await expect(page.get_by_role("heading", name="This talk has ended")).to_be_visible()


async def test_when_one_leaves_the_other_is_told_so_and_goes_on(stage: Stage, records: Records) -> None:
    one, two = await pair(stage, await opened(stage, leaves="end"))
    await two.locator("[data-quotable]").fill("There was fog, as the log says.")
    async with two.expect_navigation():
        await two.get_by_role("button", name="Send").click()
    await one.get_by_role("link", name="Give this seat back").click()
    async with one.expect_navigation():
        await one.get_by_role("button", name="Give it back").click()
    await expect(two.locator("#now")).to_contain_text("it counts as done for you")
    assert await faults(two) == []
    assert records.one(STATE) == "failed"


@pytest.mark.parametrize("saved", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_when_the_time_is_over_what_was_saved_is_sent_or_the_talk_ends(
    stage: Stage, saved: bool
) -> None:
    one, two = await pair(stage, await opened(stage, turn_seconds=20, grace_seconds=2))
    await two.locator("[data-quotable]").fill("There was fog, as the log says.")
    async with two.expect_navigation():
        await two.get_by_role("button", name="Send").click()
    if saved:
        await one.locator("[data-quotable]").fill("He had overslept, that much is plain.")
        await expect(two.get_by_role("heading", name="This talk has ended")).to_be_visible()
        await expect(one.get_by_role("heading", name="This talk has ended")).to_be_visible()
    else:
        with stage.watch.allowing("410 (Gone)"):
            await expect(two.locator("#now")).to_contain_text("The other side has left this talk")
            await expect(one.locator("main")).to_contain_text("Your time for this turn was over")
