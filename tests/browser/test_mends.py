"""Small things on the pages of judges: what a key and a mouse do, what 0 costs, what is wanted, and why nothing could be sent."""

from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from app.records import people
from tests.browser.served import Stage
from tests.processes import Records

SAVED = "[data-saved]"
BELIEFS = "SELECT count(*)::int FROM move WHERE seat = 'judge' AND content->>'method' = 'stated'"


async def trial(stage: Stage) -> Page:
    """A judge in front of the first belief of a trial."""
    page = await stage.signed_in("judge")
    await open_trial(page)
    return page


async def open_trial(page: Page) -> None:
    """Go on with the trial in hand, or take the next: some trials ask for one belief, some for more."""
    await page.goto("/judge")
    button = page.get_by_role("button", name="Next trial")
    await button.or_(page.get_by_role("button", name="Go on with it")).click()
    await expect(page.locator("[data-slider='0']")).to_be_visible()


def share(page: Page, place: int) -> Any:
    return page.locator(f"[data-share='{place}']")


async def written(page: Page, reason: str = "Because.") -> None:
    """Write a reason and wait until it is saved."""
    await page.locator("[data-text]").fill(reason)
    await expect(page.locator(SAVED)).to_have_text("Saved")


async def following(page: Page) -> Any:
    """What a page holds once another belief than the present one is asked for."""
    asked = await page.locator("input[name='0.path']").get_attribute("value")
    return page.locator(f"input[name='0.path']:not([value='{asked}']), [data-done]")


async def test_key_and_mouse_submit_by_the_same_button_and_neither_asks_once_more(
    stage: Stage, records: Records
) -> None:
    page = await trial(stage)
    await written(page)
    after = await following(page)
    await share(page, 0).press("Enter")
    await expect(page.locator("[data-submit]")).to_be_focused()
    assert records.one(BELIEFS) == 0, "Enter in a field submits nothing"
    await page.locator("main").click(position={"x": 2, "y": 2})
    await page.keyboard.press("s")
    await expect(page.locator("[data-submit]")).to_be_focused()
    assert await page.locator("dialog[open]").count() == 0
    await page.keyboard.press("Enter")
    await expect(after).to_be_attached()
    await open_trial(page)
    after = await following(page)
    await written(page)
    await page.locator("[data-submit]").click()
    await expect(after).to_be_attached()
    assert records.one(BELIEFS) == 2


async def test_a_belief_of_0_says_what_it_costs_while_it_is_there(stage: Stage) -> None:
    page = await trial(stage)
    price = page.locator("[data-price]")
    await expect(price).to_be_empty()
    await share(page, 0).fill("100")
    await expect(share(page, 1)).to_have_value("0")
    await expect(price).to_contain_text("An answer with 0 is ruled out")
    await expect(price).to_contain_text("−564 points")
    await share(page, 0).fill("99")
    await expect(price).to_be_empty()
    await share(page, 0).fill("0")
    await expect(price).to_contain_text("ruled out")


async def test_150_in_a_share_says_what_is_wanted_at_the_field_and_nothing_is_lost(
    stage: Stage, records: Records
) -> None:
    page = await trial(stage)
    await written(page, "All that I wrote.")
    await share(page, 1).fill("150")
    await expect(page.locator("[data-wanted]")).to_have_text("B: give a number from 0 to 100.")
    await expect(share(page, 1)).to_have_attribute("aria-invalid", "true")
    described = await share(page, 1).get_attribute("aria-describedby")
    assert await page.locator(f"[id='{described}']").text_content() == "B: give a number from 0 to 100."
    await expect(page.locator("[data-points]").nth(1)).to_have_text("–")
    await page.locator("[data-submit]").click()
    await expect(page.locator(SAVED)).to_have_text("Saved")
    await page.reload()
    await expect(share(page, 1)).to_have_value("150")
    await expect(page.locator("[data-text]")).to_have_value("All that I wrote.")
    assert records.one(BELIEFS) == 0
    await share(page, 1).fill("60")
    await expect(share(page, 0)).to_have_value("40")
    await expect(page.locator("[data-wanted]")).to_be_empty()
    assert await share(page, 1).get_attribute("aria-invalid") is None


async def test_pasted_text_that_is_cut_says_how_much(stage: Stage) -> None:
    page = await trial(stage)
    reason = page.locator("[data-text]")
    await reason.evaluate("field => { field.maxLength = 20; }")
    await paste(page, "Short enough.")
    assert await page.locator("[data-cut]").count() == 0
    await reason.fill("")
    await paste(page, "Twenty characters and five more.")
    await expect(reason).to_have_value("Twenty characters an")
    await expect(page.locator("[data-cut]")).to_have_text(
        "What you pasted did not fit: characters cut at its end: 12. This field takes 20."
    )
    await reason.fill("")
    await paste(page, "It fits.")
    await expect(page.locator("[data-cut]")).to_have_count(0)


async def paste(page: Page, words: str) -> None:
    """Paste words into the reason, by way of another field."""
    await page.evaluate(
        """words => {
            const from = document.body.appendChild(document.createElement("textarea"));
            from.value = words;
            from.select();
            document.execCommand("copy");
            from.remove();
        }""",
        words,
    )
    await page.locator("[data-text]").focus()
    await page.keyboard.press("ControlOrMeta+V")


# ── why nothing could be sent ───────────────────────────────────────────────────────────────────────────────────


async def unsent(page: Page, why: str) -> None:
    """Press the button: in the end the page says why nothing was sent, and the button can be pressed again."""
    await page.locator("[data-submit]").click()
    await expect(page.locator("[data-submit]")).not_to_have_attribute("aria-busy", "true")
    await expect(page.locator(SAVED)).to_contain_text(why)


async def test_a_trial_submitted_in_another_tab_says_so_at_every_try(stage: Stage, records: Records) -> None:
    page = await trial(stage)
    await written(page)
    other = await page.context.new_page()
    await other.goto(page.url)
    after = await following(other)
    await written(other, "First.")
    await other.locator("[data-submit]").click()
    await expect(after).to_be_attached()
    for _ in range(2):
        await unsent(page, "This was submitted already")
    assert records.one(BELIEFS) == 1


async def test_a_trial_that_went_to_another_person_says_so_at_every_try(stage: Stage) -> None:
    page = await trial(stage)
    await written(page)
    async with stage.world.site.database.session.begin() as db:
        await db.execute(
            text("UPDATE seat SET state = 'returned', leased_until = NULL WHERE participant_id IS NOT NULL")
        )
    with stage.watch.allowing("410"):
        for _ in range(2):
            await unsent(page, "this trial is no longer with you. Your seat went to another person")


async def test_a_form_of_another_session_says_so_and_not_that_one_is_signed_out(stage: Stage) -> None:
    page = await trial(stage)
    await written(page)
    async with stage.world.site.database.session.begin() as db:
        token = await people.open_session(db, stage.world.site.cast["judge"].id)
    await page.context.add_cookies([{"name": "arena_session", "value": token, "url": stage.base}])
    with stage.watch.allowing("403"):
        for _ in range(2):
            await unsent(page, "This form is out of date")


ANSWERS = {
    "a server in trouble": (503, "", "the server is in trouble", "Not submitted yet"),
    "too much at once": (
        429,
        '{"error": "Wait a minute."}',
        "Wait a minute. It will be tried",
        "Not submitted yet",
    ),
    "too large": (413, "That is too large: 2 MB at most.", "2 MB at most", "2 MB at most"),
    "too large for a proxy": (
        413,
        "<html>nginx</html>",
        "Shorten it or change it",
        "Shorten it or change it",
    ),
    "not taken": (422, '{"error": "text: too long."}', "text: too long.", "text: too long."),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_a_refused_save_says_why_and_goes_on_when_it_can(
    stage: Stage, records: Records, case: str
) -> None:
    status, body, while_saving, at_submit = ANSWERS[case]
    page = await trial(stage)
    await written(page)
    after = await following(page)
    await page.route("**/draft", lambda route: route.fulfill(status=status, body=body))
    with stage.watch.allowing(f"status of {status}"):
        await page.locator("[data-text]").fill("Another reason.")
        await expect(page.locator(SAVED)).to_contain_text(while_saving)
        await unsent(page, at_submit)
    await page.unroute("**/draft")
    await page.locator("[data-text]").fill("A third one.")
    await expect(page.locator(SAVED)).to_contain_text("Saved, but not submitted yet")
    await page.locator("[data-submit]").click()
    await expect(after).to_be_attached()
    assert records.one(BELIEFS) == 1
