"""A judge with a keyboard, a bad network and a server that dies: from the invite to the last verdict, each counted once."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

from playwright.async_api import Locator, Page, expect

from app.records import admin
from app.services.invites import invite_path
from tests.browser.keyboard import Keyboard
from tests.browser.served import Stage
from tests.processes import Records

SAVED = "[data-saved]"
TRIALS = 2
"""One for each passage: nobody gets two on the same."""
VERDICTS = """
    SELECT v.beliefs, v.reason FROM verdict v JOIN play j ON j.id = v.play_id
    JOIN participant p ON p.id = v.participant_id WHERE p.kind = 'person' ORDER BY v.id
"""
HELD = """
    SELECT j.state, count(*)::int FROM play j JOIN participant p ON p.id = j.judge_id
    WHERE j.kind = 'judging' AND p.kind = 'person' GROUP BY j.state
"""
BELIEFS = "SELECT count(*)::int FROM move WHERE seat = 'judge' AND content->>'method' = 'stated'"


async def invited(stage: Stage) -> str:
    """The path of an invite for judges."""
    async with stage.world.site.database.session.begin() as db:
        alice = stage.world.site.cast["alice"]
        made = await admin.invite(db, alice, "judge", shared=True, label="", lasts=timedelta(days=1))
        return await invite_path(db, made)


async def begun(stage: Stage, page: Page, keys: Keyboard) -> None:
    """Come in by an invite, read the instructions, and take the first trial."""
    await page.goto(await invited(stage))
    await keys.to("input[name=name]")
    await keys.write("Ines")
    async with page.expect_navigation():
        await keys.press("Enter")
    await expect(page.get_by_role("heading", name="Welcome, Ines")).to_be_visible()
    await keys.follow("main a[role=button]")
    await keys.follow("a[href='/judge']")
    await keys.follow("form[action='/judge/instructions'] button")
    await expect(page.get_by_text(f"{TRIALS} trials")).to_be_visible()
    await keys.follow("form[action='/judge/next'] button")


async def believe(page: Page, keys: Keyboard, reason: str) -> None:
    """Read what was said, put 70 on the first answer, and give a reason; wait until all of it is saved."""
    # The script shows the sliders: before that, keys do nothing.
    await expect(page.locator("[data-slider='0']")).to_be_visible()
    for _ in range(await page.locator("[data-speech]").count()):
        await keys.press("n")
        await expect(page.locator("[data-speech]:focus")).to_be_in_viewport()
    await keys.press("1", "Home", *["PageUp"] * 7)
    await expect(page.locator("[data-share='0']")).to_have_value("70")
    await expect(page.locator("[data-share='1']")).to_have_value("30")
    await keys.press("r", "ControlOrMeta+A")
    await keys.write(reason)
    await keys.press("Escape")
    await expect(page.locator(SAVED)).to_have_text("Saved")


async def submit(page: Page, keys: Keyboard) -> None:
    """Submit and confirm, each pressed twice as quickly as can be; wait for what comes next."""
    next_one = await after_this(page)
    await keys.press("s", "Enter", "Enter", "s", "Enter")
    await expect(next_one).to_be_attached()


async def after_this(page: Page) -> Locator:
    """What a page holds once another belief than the present one is asked for, or none."""
    asked = await page.locator("input[name='0.path']").get_attribute("value")
    return page.locator(f"input[name='0.path']:not([value='{asked}']), [data-done]")


async def entered(page: Page) -> list[str]:
    """What stands in the form."""
    return await page.locator("[data-form]").evaluate(
        "form => [...form.querySelectorAll('[data-share], [data-text]')].map(field => field.value)"
    )


async def test_a_judge_gets_from_the_invite_to_the_last_verdict_with_the_keyboard_whatever_breaks(
    stage: Stage, records: Records, width: int
) -> None:
    page = await stage.newcomer(width)
    keys = Keyboard(page)
    await begun(stage, page, keys)

    await believe(page, keys, "First thoughts.")
    before = await entered(page)
    await page.reload()
    assert await entered(page) == before

    with stage.watch.allowing("net::ERR_"):
        await page.context.set_offline(True)
        await keys.press("r", "End")
        await keys.write(" Offline.")
        await expect(page.locator(SAVED)).to_contain_text("no connection")
        await page.context.set_offline(False)
        await expect(page.locator(SAVED)).to_have_text("Saved")

        stage.served.kill()
        await keys.write(" Without a server.")
        await expect(page.locator(SAVED)).to_contain_text("no connection")
        stage.served.start()
        await expect(page.locator(SAVED)).to_have_text("Saved")
    await page.reload()
    assert await entered(page) == ["70", "30", "First thoughts. Offline. Without a server."]

    given = 0
    for trial in range(1, TRIALS + 1):
        while not await page.locator("[data-done]").count():
            await believe(page, keys, f"Reason {given} of trial {trial}.")
            await submit(page, keys)
            given += 1
        if trial < TRIALS:
            await keys.follow("form[action='/judge/next'] button")
    await expect(page.get_by_text("There is no further trial for you")).to_be_visible()

    verdicts = records.all(VERDICTS)
    assert len(verdicts) == TRIALS
    assert records.all(HELD) == [("done", TRIALS)]
    assert records.one(BELIEFS) == given == sum(len(beliefs) for beliefs, _ in verdicts)
    assert all(sorted(belief) == [0.3, 0.7] for beliefs, _ in verdicts for belief in beliefs)
    assert [reason.split()[-1] for _, reason in verdicts] == ["1.", "2."]


async def test_what_was_entered_goes_with_a_judge_to_another_device(stage: Stage, width: int) -> None:
    page = await stage.newcomer()
    keys = Keyboard(page)
    await page.goto(await invited(stage))
    await page.get_by_label("Your name").fill("Jo")
    await page.get_by_role("button", name="Go on").click()
    own = await page.locator("a.own-link").get_attribute("href")
    await page.goto("/judge/instructions")
    await page.get_by_role("button", name="go on").click()
    await page.get_by_role("button", name="Next trial").click()
    await believe(page, keys, "Begun at a desk.")

    other = await stage.newcomer(width)
    await other.goto(urlsplit(own or "").path)
    await other.goto("/judge")
    await other.get_by_role("button", name="Go on with it").click()
    assert await entered(other) == ["70", "30", "Begun at a desk."]


async def test_a_belief_sent_to_a_dead_server_is_neither_lost_nor_counted_twice(
    stage: Stage, records: Records
) -> None:
    page = await stage.signed_in("judge")
    keys = Keyboard(page)
    await page.goto("/judge")
    await page.get_by_role("button", name="Next trial").click()
    await believe(page, keys, "Sent into the dark.")
    address = page.url
    stage.served.kill()
    with stage.watch.allowing("net::ERR_"):
        await keys.press("s", "Enter")
        await expect(page.locator(SAVED)).to_contain_text("Not submitted yet")
        stage.served.start()
        await page.goto(address)
    assert await entered(page) == ["70", "30", "Sent into the dark."]
    assert records.one(BELIEFS) == 0
    await submit(page, keys)
    assert records.one(BELIEFS) == 1


async def test_two_tabs_that_submit_the_same_belief_at_once_give_one(stage: Stage, records: Records) -> None:
    one = await stage.signed_in("judge")
    two = await one.context.new_page()
    await one.goto("/judge")
    await one.get_by_role("button", name="Next trial").click()
    await believe(one, Keyboard(one), "Once.")
    await two.goto(one.url)
    await asyncio.gather(_submit(one), _submit(two))
    assert records.one(BELIEFS) == 1


async def _submit(tab: Page) -> None:
    """Press the button, and wait for what comes next, or until the page says that the other tab was quicker."""
    next_one = await after_this(tab)
    await tab.locator("[data-submit]").click()
    await expect(next_one.or_(tab.get_by_text("was submitted already"))).to_be_attached()


async def test_the_keys_are_listed_on_demand_and_leave_the_form_alone(stage: Stage, width: int) -> None:
    page = await stage.signed_in("judge", width)
    keys = Keyboard(page)
    await page.goto("/judge")
    await keys.follow("form[action='/judge/next'] button")
    before = await entered(page)
    await keys.press("?")
    await expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    await keys.press("s", "1", "Escape")
    await expect(page.get_by_role("heading", name="Keys")).to_be_hidden()
    assert await entered(page) == before


async def test_a_judge_who_is_signed_out_reads_so_at_every_try_to_submit(stage: Stage, width: int) -> None:
    page = await stage.newcomer(width)
    keys = Keyboard(page)
    await begun(stage, page, keys)
    await believe(page, keys, "Decided.")
    await page.context.clear_cookies()
    with stage.watch.allowing("403"):
        await keys.press("r", "End")
        await keys.write(" And more.")
        await expect(page.locator(SAVED)).to_contain_text("you are signed out")
        await keys.press("Escape", "s", "Enter")
        await expect(page.locator("[data-submit]")).not_to_have_attribute("aria-busy", "true")
        await expect(page.locator(SAVED)).to_contain_text("you are signed out")
    assert (await entered(page))[-1] == "Decided. And more."
