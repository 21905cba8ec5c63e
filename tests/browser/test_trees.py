"""A tree in a real browser, at both widths: drawn for a researcher, read by a judge, without a fault."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from app.records.database import Database
from models import Trial
from tests.browser.served import Stage, faults
from tests.factories import passage
from tests.web.experiments.test_tree import TREES
from tests.web.world import World, for_people, furnished, opened


@pytest.fixture(params=TREES)
async def world(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A finished experiment of one arm, whose trials break something up."""
    arms = {request.param: TREES[request.param]}
    async with opened(database) as site:
        yield await furnished(site, passage("Alba", 1), data=for_people(elicit="final") | {"arms": arms})


async def test_a_tree_is_drawn_and_read_without_a_fault(stage: Stage) -> None:
    async with stage.world.site.database.session() as session:
        trial = (await session.scalars(select(Trial).order_by(Trial.position).limit(1))).one()
    page = await stage.signed_in("researcher")
    await page.goto(f"/trials/{trial.id}")
    assert await page.locator(".tree li").count() > 3
    assert await faults(page) == []
    await page.locator(".tree a").last.click()
    await page.wait_for_url("**#turn-*")

    judge = await stage.signed_in("judge")
    await judge.goto("/judge")
    await judge.locator("form[action='/judge/next'] button").first.click()
    await judge.wait_for_url("**/seat/*")
    assert await judge.locator("article.speech").count() > 5
    assert await faults(judge) == []
