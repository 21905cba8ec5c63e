"""A researcher makes a study in a browser: the form checks beside it, a text is previewed as it is written, and the link is copied."""

import re

from playwright.async_api import expect

from tests.browser.served import Stage, faults
from tests.processes import Records


async def test_a_study_is_made_checked_opened_and_its_link_leads_in(
    stage: Stage, records: Records, width: int
) -> None:
    page = await stage.signed_in("alice", width)
    await page.goto("/studies")
    await page.get_by_role("button", name="New study").click()
    beside = page.locator("#estimate")
    await expect(beside).to_contain_text("say what participants read")
    assert await faults(page) == []
    await page.set_viewport_size({"width": width, "height": 800})

    await page.get_by_label("Name", exact=True).fill("pilot")
    await page.get_by_label("Title").fill("Which answer is right?")
    await page.get_by_label("for-people").check()
    await expect(beside).to_contain_text("40 people with 10 trials each are 400 trials, but only")
    await page.get_by_label("Trials for each person").fill("1")
    await page.get_by_label("People wanted").fill("2")
    await page.get_by_label("Reward for each person").fill("1")
    await expect(beside).to_contain_text("Yes.")
    await expect(beside).to_contain_text("£2.00 an hour, and Prolific takes no study below £6.00")

    # What is unfolded and typed outlives a part that is added; the focus goes to it.
    await page.get_by_text("Text and fields").click()
    await page.get_by_role("button", name="Add a field").click()
    added = page.locator("[data-row=field]").last
    await expect(added.get_by_label("Name in the data")).to_be_focused()
    await added.get_by_label("Name in the data").fill("age")
    await added.get_by_label("Takes").select_option("number")
    await added.get_by_label("Question").fill("How old are you?")
    assert await faults(page) == []
    await page.set_viewport_size({"width": width, "height": 800})
    await page.get_by_role("button", name="Save as draft").click()

    await expect(page.get_by_role("heading", level=1)).to_contain_text("pilot")
    await expect(page.get_by_text("Ready to be opened: 2 people with 1 trial each.")).to_be_visible()
    assert await faults(page) == []
    await page.set_viewport_size({"width": width, "height": 800})
    await page.get_by_role("link", name="Preview of questionnaire").click()
    await expect(page.get_by_text("How old are you?")).to_be_visible()
    assert await faults(page) == []
    await page.set_viewport_size({"width": width, "height": 800})

    await page.goto("/studies/pilot/texts/consent")
    await page.get_by_label("Text in Markdown").fill("Do you **agree**?")
    await expect(page.locator("#preview")).to_contain_text("Do you agree?")
    assert records.one("SELECT count(*) FROM study_text WHERE page = 'consent'") == 1
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("row", name="2 Alice")).to_be_visible()
    assert await faults(page) == []

    await page.goto("/studies/pilot")
    await page.get_by_role("button", name="Open it").click()
    await expect(page.get_by_text("0 of 2 people have completed. 2 places are free.")).to_be_visible()
    assert await faults(page) == []
    await page.get_by_role("button", name="Copy").click()
    await expect(page.locator(".copied output")).to_have_text(re.compile("Copied|Marked"))
    link = (await page.locator("#join-link").inner_text()).strip()
    assert link.endswith(
        "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    )

    recruit = await stage.newcomer(width)
    for placeholder, value in (("PROLIFIC_PID", "ada"), ("STUDY_ID", "s1"), ("SESSION_ID", "x1")):
        link = link.replace(f"{{{{%{placeholder}%}}}}", value)
    await recruit.goto(link)
    await recruit.get_by_role("button", name="Begin").click()
    await expect(recruit.get_by_text("agree", exact=True)).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("1 takes part now")).to_be_visible()
