"""A judge who marks the points of a critique in a browser: what was chosen outlives a reload, the network and the server."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from app.records.database import Database
from tests.browser.served import Stage, faults
from tests.factories import passage, spec
from tests.processes import Records
from tests.web.judge.test_marking import PLANTED
from tests.web.world import World, furnished, opened

SAVED = "[data-saved]"
MARKED = "SELECT count(*)::int FROM move WHERE path LIKE 'judging/mark/%%'"


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A critique that waits for a judge who marks its points."""
    data = spec(name="marked", arms={"planted": PLANTED}, judges=[{"humans": 1}], elicit="final")
    async with opened(database) as site:
        yield await furnished(site, passage("Alba", 1), data=data)


async def marking(stage: Stage, width: int) -> Page:
    """A judge whose belief is on record."""
    page = await stage.signed_in("judge", width)
    await page.goto("/judge")
    await page.get_by_role("button", name="Next trial").click()
    await page.locator("[data-text]").fill("What the quotes say.")
    onward = page.locator("[data-onward]")
    while await onward.is_visible():
        await onward.click()
    await page.locator("[data-submit]").click()
    await expect(page.get_by_role("heading", name="Does each point name a flaw?")).to_be_visible()
    return page


MARKS = {"": "", "0": "accept", "1": "reject"}


async def chosen(page: Page) -> list[str]:
    """What each point is said to be."""
    marks = page.locator("select[data-pick]")
    return [MARKS[await mark.input_value()] for mark in await marks.all()]


async def choose(page: Page, point: int, mark: str) -> None:
    await page.locator("select[data-pick]").nth(point).select_option("01"[mark == "reject"])


async def test_marks_outlive_a_reload_a_lost_network_and_a_server_that_dies(
    stage: Stage, records: Records, width: int
) -> None:
    page = await marking(stage, width)
    await expect(page.locator("[data-for=marks]")).to_be_visible()
    points = await page.locator("select[data-pick]").count()
    assert points > 1
    await choose(page, 0, "accept")
    await expect(page.locator(SAVED)).to_have_text("Saved")
    await page.reload()
    assert await chosen(page) == ["accept", *[""] * (points - 1)]

    with stage.watch.allowing("net::ERR_"):
        await page.context.set_offline(True)
        await choose(page, 1, "reject")
        await expect(page.locator(SAVED)).to_contain_text("no connection")
        await page.context.set_offline(False)
        await expect(page.locator(SAVED)).to_have_text("Saved")
        stage.served.kill()
        await choose(page, 0, "reject")
        await expect(page.locator(SAVED)).to_contain_text("no connection")
        stage.served.start()
        await page.reload()
    assert (await chosen(page))[:2] == ["reject", "reject"]
    await expect(page.locator(SAVED)).to_have_text("Saved")
    other = await stage.signed_in("judge", width)
    await other.goto(page.url)
    assert (await chosen(other))[:2] == ["reject", "reject"]
    assert await faults(page) == []

    assert records.one(MARKED) == 0
    for point in range(points):
        await choose(page, point, "reject")
    await page.locator("[data-submit]").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert records.one(MARKED) == points
    assert await page.evaluate("Object.keys(localStorage)") == []
