"""Comparisons and methods in a browser: nothing overflows, and the text for a paper is copied with the keyboard."""

import os
from pathlib import Path

from playwright.async_api import expect

from tests.browser.served import Stage, faults
from tests.factories import played, spec, started

DEBATE = {"protocol": "debate", "rounds": 3, "seats": {"debaters": "advocate"}}


async def test_experiments_are_chosen_and_compared(stage: Stage, width: int) -> None:
    for name, changes in (
        ("first", {}),
        ("second", {"seed": 3, "arms": {"debate": DEBATE}, "judges": ["lexical"]}),
    ):
        data = spec(name=name, **changes)
        await played(stage.world.site.database, await started(stage.world.site.database, data))
    page = await stage.signed_in("alice", width)
    await page.goto("/experiments")
    await page.get_by_role("link", name="Compare", exact=True).click()
    await page.get_by_label("first", exact=True).check()
    await page.get_by_label("second", exact=True).check()
    await page.get_by_role("button", name="Compare", exact=True).click()
    await expect(page.get_by_text("second and first share 2 questions")).to_be_visible()
    await expect(page.get_by_role("heading", name="What differs between the specs")).to_be_visible()
    assert await faults(page) == []
    if folder := os.environ.get("ARENA_SHOTS"):
        await page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=Path(folder) / f"compare-{width}-{scheme}.png", full_page=True)


async def test_the_methods_are_copied_with_the_keyboard(stage: Stage) -> None:
    database = stage.world.site.database
    await played(database, await started(database, spec(name="short")))
    page = await stage.signed_in("alice")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto("/experiments/short/report")
    await page.get_by_text("Methods: text for a paper").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Copy the text").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Copied.")).to_be_visible()
    text = await page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("Design. The experiment short has")
    assert "\n\nProvenance. " in text
    assert await faults(page) == []
