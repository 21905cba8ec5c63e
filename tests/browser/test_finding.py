"""A researcher in a browser who looks for transcripts, walks through a list by keys, and brings an archive in."""

import json

from playwright.async_api import expect

from tests.browser.served import Stage
from tests.exchange.archives import lines, verdict

TRIALS = "/experiments/for-people/trials"


async def test_a_filter_changes_list_and_address_and_keys_walk_through_it(stage: Stage, width: int) -> None:
    page = await stage.signed_in("researcher", width)
    await page.goto(TRIALS)
    await page.get_by_text("Filters", exact=True).click()
    await page.locator("#find-arm").select_option("debate")
    await expect(page).to_have_url(f"{stage.base}{TRIALS}?arm=debate")
    rows = page.locator("table.trials tbody tr")
    count = await rows.count()
    await expect(page.get_by_role("status")).to_contain_text(f"{count} trials")
    await rows.first.get_by_role("link").click()
    walk = page.get_by_role("navigation", name="Around this transcript")
    await expect(walk).to_contain_text(f"1 of {count}")
    await page.keyboard.press("n")
    await expect(walk).to_contain_text(f"2 of {count}")
    await page.keyboard.press("p")
    await expect(walk).to_contain_text(f"1 of {count}")
    await page.get_by_label("These keys are in use").uncheck()
    await page.keyboard.press("n")
    await page.get_by_label("These keys are in use").check()
    await page.keyboard.press("u")
    await expect(page).to_have_url(f"{stage.base}{TRIALS}?arm=debate&page=1")


async def test_without_script_the_form_leads_to_the_same_address(stage: Stage) -> None:
    page = await stage.signed_in("researcher", script=False)
    await page.goto(TRIALS)
    await page.get_by_label("Words in a speech").fill("overslept")
    await page.get_by_role("button", name="Show").click()
    await expect(page).to_have_url(f"{stage.base}{TRIALS}?text=overslept")


async def test_an_archive_is_sent_and_a_bad_line_is_named_on_the_page(stage: Stage, width: int) -> None:
    page = await stage.signed_in("researcher", width)
    await page.goto("/archives")
    for more, heading in (([verdict(trial="t9")], "Nothing was imported"), ([], "theirs")):
        content = "\n".join(json.dumps(line) for line in [*lines(), *more]).encode()
        file = {"name": "theirs.jsonl", "mimeType": "application/jsonl", "buffer": content}
        await page.get_by_label("File", exact=True).set_input_files(files=file)
        with stage.watch.allowing("status of 422"):
            await page.get_by_role("button", name="Import").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        if more:
            await expect(page.get_by_role("alert")).to_contain_text(f"line {len(lines()) + 1}: ")
    await expect(page.get_by_role("status")).to_contain_text("is a finished experiment now")
    await page.get_by_role("button", name="Transcripts").click()
    await expect(page.get_by_role("status")).to_contain_text("3 trials")
