"""What a browser counts of how a text is written: keys and pastes, how many and how long, and never which."""

from playwright.async_api import expect

from tests.browser.served import Stage
from tests.processes import Records

COUNTED = (
    "SELECT sum(keystrokes)::int, sum(pastes)::int, sum(pasted_characters)::int, count(visits) > 0 FROM draft"
)
KEPT = "SELECT coalesce(string_agg(visits::text, ''), '') FROM draft"


async def test_keys_and_pastes_are_counted_and_none_is_kept(stage: Stage, records: Records) -> None:
    page = await stage.signed_in("judge")
    await page.goto("/judge")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Next trial").click()
    while await page.locator("[data-onward]:visible").count():
        await page.locator("[data-onward]").click()
    reason, saved = page.locator("textarea"), page.locator("[data-saved]")
    await reason.focus()
    await page.keyboard.type("because")
    await page.keyboard.press("Backspace")
    await expect(saved).to_have_text("Saved")
    # Keys that write nothing are none of those counted.
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.press("ControlOrMeta+C")
    await page.keyboard.press("End")
    await page.keyboard.press("ControlOrMeta+V")
    await expect(reason).to_have_value("becausbecaus")
    await expect(saved).to_have_text("Saved")
    # Numbers are no text: what is entered there is not counted.
    await page.locator("[data-share='0']").fill("60")
    await expect(saved).to_have_text("Saved")
    [found] = records.all(COUNTED)
    assert tuple(found) == (8, 1, 6, True)
    assert "because" not in records.one(KEPT)


async def test_a_script_that_fills_in_a_text_presses_no_key(stage: Stage, records: Records) -> None:
    page = await stage.signed_in("judge")
    await page.goto("/judge")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Next trial").click()
    await page.locator("textarea").evaluate(
        "field => { field.value = 'ok'; field.dispatchEvent(new InputEvent('input', {bubbles: true, inputType: 'insertText'})); }"
    )
    await expect(page.locator("[data-saved]")).to_have_text("Saved")
    [found] = records.all(COUNTED)
    assert tuple(found) == (0, 0, 0, True)
