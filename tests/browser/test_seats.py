"""A person in every seat that any protocol opens to people: they come, do what they are asked, and it is on record.

The seats are those of the registry, so that a new protocol's come in by themselves. That a page which waits goes on by itself is
tested in `test_debater`; here the page is looked at anew until somebody is asked again.
"""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page
from sqlalchemy import select

from app.protocols import PROTOCOLS
from app.protocols.core import Seat
from app.records import experiments
from app.records.eligibility import role_for
from models import Experiment, Move
from tests.arms import open_seats, with_a_person
from tests.browser.served import WIDTHS, Served, Stage, launched
from tests.database import Server
from tests.factories import imported, passage, spec, started
from tests.processes import Arena
from tests.web.fixtures import connected
from tests.web.seats.test_routes import QUOTE
from tests.web.world import World, furnished, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
SETTINGS = {"min_words": 0, "target_words": 10}
LOOKS = 300
"""How often a page is looked at before a talk is taken for stuck."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    postgres: Server, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """One served arena for all seats."""
    with postgres.fresh() as url:
        address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with (
            connected(postgres, url) as database,
            opened(database) as site,
            launched(chromium) as browser,
        ):
            data = spec(arms={"naive": {"protocol": "naive"}}, judges=["lexical"])
            world: World = await furnished(site, passage("Alba", 1), data=data)
            with Arena(tmp_path_factory.mktemp("arena"), DATABASE_URL=address) as arena:
                yield Stage(world, Served(arena), browser)


@pytest.mark.parametrize(
    ("protocol", "seat"), [pytest.param(name, seat, id=f"{name}-{seat.name}") for name, seat in open_seats()]
)
async def test_a_person_in_a_seat_does_what_is_asked_to_the_end(
    house: Stage, protocol: str, seat: Seat
) -> None:
    site = house.world.site
    account = await site.hire(f"{protocol} {seat.name}", role_for(seat.reads_passage))
    experiment = await begun(house, protocol, seat.name)
    page = await house.newcomer(WIDTHS["phone"])
    await house.sign_in(page, account)
    answered = await taken_part(page)
    await page.context.close()
    async with site.database.session.begin() as db:
        await experiments.cancel(db, experiment.id)
        moves = (await db.scalars(select(Move).where(Move.participant_id == account.participant_id))).all()
    assert {move.path for move in moves} == answered, "nothing was asked twice, nothing was lost"
    assert {move.seat for move in moves} == {seat.name}
    assert house.watch.problems == []
    assert "Traceback" not in house.served.said


async def begun(house: Stage, protocol: str, seat: str) -> Experiment:
    """Start an experiment with one question for this seat alone; the served arena plays it."""
    name = f"{protocol}-{seat}".replace("_", "-")
    database = house.world.site.database
    await imported(database, passage(name.title(), 1), name=name)
    arm = with_a_person(protocol, seat, "advocate", "lexical", **SETTINGS)
    judges: list[Any] = [{"humans": 1}] if seat == PROTOCOLS[protocol].judge.name else ["lexical"]
    data = spec(name=name, tasks={"set": name}, arms={name: arm}, judges=judges, elicit="final")
    return await started(database, data)


# ── taking part ─────────────────────────────────────────────────────────────────────────────────────────────────


async def taken_part(page: Page) -> set[str]:
    """Sit down and answer until nothing more is asked; returns the paths of what was answered."""
    answered: set[str] = set()
    await page.goto("/")
    for _ in range(LOOKS):
        if (
            await page.get_by_role("heading", name="This talk has ended")
            .or_(page.locator("[data-done]"))
            .count()
        ):
            return answered
        sit = page.get_by_role("button", name="Next t")
        if await sit.count():
            await pressed(page, sit)
        elif await page.locator("[data-submit]").count():
            answered |= await answer(page)
            await pressed(page, page.locator("[data-submit]"))
        else:
            await page.reload()
    raise AssertionError(f"nothing more came at {page.url}: {await page.locator('main').inner_text()}")


async def pressed(page: Page, button: Locator) -> None:
    async with page.expect_navigation():
        await button.click()


async def answer(page: Page) -> set[str]:
    """Fill in whatever the form asks for; returns the paths that it answers."""
    if await page.locator("[data-for=marks]").count():
        return await _mark(page)
    if await page.locator("[data-belief]").count():
        return await _believe(page)
    asks = await page.locator("[data-ask]").all()
    return {await _say(ask) for ask in asks}


async def _mark(page: Page) -> set[str]:
    points = await page.locator("select[data-pick]").all()
    for point in points:
        await point.select_option("0")
    return {f"judging/mark/r1/critic_1/{at}" for at in range(1, len(points) + 1)}


async def _believe(page: Page) -> set[str]:
    onward = page.locator("[data-onward]")
    while await onward.is_visible():
        await onward.click()
    await page.locator("[data-text]").fill("What the quotes say.")
    return {await page.locator("[name='0.path']").input_value()}


async def _say(ask: Locator) -> str:
    """Answer one ask by what its fields are: a list, a speech or a note, a choice, a number, a belief."""
    words = ask.locator("[data-text]")
    if await words.count():
        await words.fill(_words(await ask.inner_text()))
    if await ask.locator("[type=radio]").count():
        await ask.locator("[type=radio]").last.check()
    rating = ask.locator("[name$='.rating']")
    if await rating.count():
        await rating.fill("50")
    path = await ask.get_attribute("data-ask")
    assert path is not None
    return path


def _words(asked: str) -> str:
    if lines := re.search(r"One a line, (?:at most )?(\d+)", asked):
        return "\n".join(f"What did he do ({number})?" for number in range(int(lines[1])))
    if "Only quotes are kept" in asked:
        return f"<quote>{QUOTE}</quote>"
    if "may show" in asked and "may show 0 new" not in asked:
        return f"1. So it was: <quote>{QUOTE}</quote>."
    return "1. So it was."


async def test_every_protocol_with_seats_opens_some_to_people() -> None:
    with_seats = {name for name, rules in PROTOCOLS.items() if rules().seats()}
    assert {name for name, _ in open_seats()} == with_seats
