"""People in the seats of a talk, each before a browser: two who debate each other, one against a built-in, one on paper."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.served import Stage, faults
from tests.factories import imported, passage, started
from tests.processes import Records
from tests.web.seats.test_routes import QUOTE, debate

SAVED = "[data-saved]"
SPEECHES = """
    SELECT content FROM move
    WHERE content->>'kind' = 'speech' AND play_id IN (SELECT play_id FROM seat) ORDER BY path
"""
EFFORT = "SELECT sum(edits)::int FROM draft"
TALK = "SELECT state FROM play WHERE kind = 'talk' AND experiment_id = (SELECT id FROM experiment WHERE name = 'talks')"


async def begin(stage: Stage, data: Mapping[str, Any]) -> None:
    """Start an experiment for people on a text of its own; the served arena plays it."""
    await imported(stage.world.site.database, passage("Corona", 1), name="talks")
    await started(stage.world.site.database, {**data, "tasks": {"set": "talks"}})


async def come(stage: Stage, name: str, width: int, *, script: bool = True) -> Page:
    """Somebody new sits down in the next talk."""
    page = await stage.newcomer(width, script=script)
    await stage.sign_in(page, await stage.world.site.hire(name, "debater"))
    await page.goto("/")
    await page.get_by_role("button", name="Next talk").click()
    await expect(page.get_by_role("heading", name="The text")).to_be_visible()
    if script:
        # The script shows the button: before that, nothing that is typed is counted.
        await expect(page.locator("[data-quote]")).to_be_visible()
    return page


async def quote(page: Page, words: str) -> None:
    """Select words in the text and press the button that quotes them."""
    await page.evaluate(
        """words => {
            const text = document.querySelector("[data-passage]");
            const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const at = walker.currentNode.data.indexOf(words);
                if (at >= 0) getSelection().setBaseAndExtent(walker.currentNode, at, walker.currentNode, at + words.length);
            }
        }""",
        words,
    )
    await page.get_by_role("button", name="Quote the selection").click()


async def write(page: Page, words: str) -> None:
    """Type at the end of the speech, and wait until it is saved."""
    speech = page.locator("textarea[data-quotable]")
    await speech.press("ControlOrMeta+End")
    await speech.press_sequentially(words)
    await expect(page.locator(SAVED)).to_have_text("Saved")


async def send(page: Page) -> None:
    async with page.expect_navigation():
        await page.get_by_role("button", name="Send").click()


async def test_two_people_debate_each_other_in_two_browsers_without_reloading(
    stage: Stage, records: Records, width: int
) -> None:
    await begin(stage, debate())
    one, two = await come(stage, "Dora", width), await come(stage, "Emil", width)

    await write(one, "Dora opens: ")
    await quote(one, QUOTE)
    await expect(one.locator("[data-quotes]")).to_have_text(
        f"· 1 of 1 quote found, {len(QUOTE)} of 250 new characters"
    )
    assert await one.locator("textarea[data-quotable]").input_value() == f"Dora opens: <quote>{QUOTE}</quote>"
    await expect(one.locator("[data-words]")).to_have_text("9 of at most 150 words")
    before = await one.locator("textarea[data-quotable]").input_value()
    assert before == f"Dora opens: <quote>{QUOTE}</quote>"
    await one.reload()
    assert await one.locator("textarea[data-quotable]").input_value() == before
    assert await faults(one) == []
    await one.set_viewport_size({"width": width, "height": 800})
    await send(one)
    await expect(one.get_by_role("heading", name="Waiting for the others")).to_be_visible()
    await expect(one.get_by_text("Dora opens")).to_be_visible()
    assert await faults(one) == []

    await expect(two.get_by_text("Dora opens")).to_have_count(0)
    await write(two, "Emil opens.")
    await send(two)
    # Nobody has touched this page since.
    await expect(one.get_by_text("Emil opens.")).to_be_visible()
    await expect(one.locator("[data-news]")).to_have_text("It is your turn.")
    await expect(two.get_by_text("Dora opens")).to_be_visible()

    for page, name in ((one, "Dora"), (two, "Emil")):
        await write(page, f"{name} closes.")
        await send(page)
    for page in (one, two):
        await expect(page.get_by_role("heading", name="This talk has ended")).to_be_visible()
        assert await faults(page) == []

    contents = [content for [content] in records.all(SPEECHES)]
    assert sorted(re.sub(r":.*", ".", content["said"]["text"]) for content in contents) == [
        "Dora closes.",
        "Dora opens.",
        "Emil closes.",
        "Emil opens.",
    ]
    assert sum(quote["status"] == "exact" for content in contents for quote in content["said"]["quotes"]) == 1
    assert records.all(TALK) == [("done",)]


async def test_a_person_debates_a_built_in_and_is_told_of_a_quote_that_is_none(
    stage: Stage, records: Records, width: int
) -> None:
    seats = {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"}
    await begin(stage, debate(seats=seats, simultaneous=False, rounds=1))
    page = await come(stage, "Dora", width)
    await write(page, "See <quote>the moon was made of cheese</quote>.")
    await expect(page.locator("[data-wrong] li")).to_have_text(
        "“the moon was made of cheese”: not in the passage"
    )
    with stage.watch.allowing("status of 422"):
        await send(page)
    await expect(page.get_by_role("alert")).to_contain_text("Not sent yet")
    assert await faults(page) == []
    await page.set_viewport_size({"width": width, "height": 800})
    await send(page)
    await expect(page.get_by_role("heading", name="This talk has ended")).to_be_visible()
    assert (
        records.one(
            "SELECT count(*)::int FROM move WHERE content->>'kind' = 'speech' AND path LIKE 'r1/debater_b' AND play_id IN (SELECT play_id FROM seat)"
        )
        == 1
    )


async def test_what_was_written_outlives_the_network_and_the_server(stage: Stage, records: Records) -> None:
    seats = {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"}
    await begin(stage, debate(seats=seats, rounds=1))
    page = await come(stage, "Dora", 1280)
    await write(page, "Online.")
    with stage.watch.allowing("net::ERR_"):
        await page.context.set_offline(True)
        await page.locator("textarea[data-quotable]").press_sequentially(" Offline.")
        await expect(page.locator(SAVED)).to_contain_text("no connection")
        await page.context.set_offline(False)
        await expect(page.locator(SAVED)).to_have_text("Saved")
        stage.served.kill()
        await page.locator("textarea[data-quotable]").press_sequentially(" Without a server.")
        await expect(page.locator(SAVED)).to_contain_text("no connection")
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator(SAVED)).to_contain_text("Not sent yet")
        stage.served.start()
        await page.reload()
    await expect(page.locator("textarea[data-quotable]")).to_have_value("Online. Offline. Without a server.")
    await send(page)
    await expect(page.get_by_role("heading", name="This talk has ended")).to_be_visible()
    assert (
        records.one(
            "SELECT count(*)::int FROM move WHERE content->'said'->>'text' = 'Online. Offline. Without a server.'"
        )
        == 1
    )


async def test_the_keyboard_is_enough_to_quote(stage: Stage) -> None:
    await begin(stage, debate())
    page = await come(stage, "Dora", 1280)
    await page.locator("[data-passage]").focus()
    await page.keyboard.press("ControlOrMeta+A")
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-passage]'))")
    await page.keyboard.press("Alt+q")
    await expect(page.locator("textarea[data-quotable]")).to_have_value(
        re.compile("^<quote>The ferry Corona left")
    )
    await expect(page.locator("[data-quotes]")).to_contain_text("1 of 1 quote found")


@pytest.mark.parametrize("confirm", [False, True])
async def test_a_person_debates_without_script(stage: Stage, confirm: bool) -> None:
    seats = {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"}
    await begin(stage, debate(seats=seats, rounds=1))
    page = await come(stage, "Dora", 360, script=False)
    words = "the moon was made of cheese" if confirm else QUOTE
    await page.locator("textarea").fill(f"See <quote>{words}</quote>.")
    with stage.watch.allowing("status of 422"):
        await send(page)
        if confirm:
            await send(page)
    await expect(
        page.locator("noscript, a", has_text="look again").or_(page.get_by_text("This talk has ended")).first
    ).to_be_attached()
    for _ in range(20):
        await page.reload()
        if await page.get_by_role("heading", name="This talk has ended").count():
            return
        await page.wait_for_timeout(500)
    raise AssertionError("the talk never ended")


async def test_effort_of_a_refused_save_counts_with_the_next(stage: Stage, records: Records) -> None:
    await begin(stage, debate())
    page = await come(stage, "Dora", 1280)
    refused = "**/draft"
    await page.route(refused, lambda route: route.fulfill(status=503))
    with stage.watch.allowing("status of 503"):
        await page.locator("textarea[data-quotable]").press_sequentially("Twelve marks")
        await expect(page.locator(SAVED)).to_contain_text("the server is in trouble")
        assert records.one("SELECT count(*)::int FROM draft") == 0
        await page.unroute(refused)
        await expect(page.locator(SAVED)).to_have_text("Saved")
    assert records.one(EFFORT) == len("Twelve marks")


async def test_a_page_that_htmx_has_touched_again_counts_and_saves_everything_once(
    stage: Stage, records: Records
) -> None:
    await begin(stage, debate())
    page = await come(stage, "Dora", 1280)
    heard = await page.evaluate(
        """() => {
            let added = 0;
            const add = addEventListener;
            window.addEventListener = (...given) => { added += 1; return add(...given); };
            const settled = new CustomEvent("htmx:afterSettle", { bubbles: true });
            for (let time = 0; time < 3; time += 1) document.getElementById("turn").dispatchEvent(settled);
            return added;
        }"""
    )
    assert heard == 0
    await write(page, "Once.")
    assert records.one(EFFORT) == len("Once.")
