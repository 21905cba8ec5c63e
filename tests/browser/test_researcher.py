"""A researcher in a browser: from the upload of tasks through an experiment under way to its report and exports."""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.served import Stage
from tests.factories import passage
from tests.processes import ServerProcess, server_process
from tests.web.experiment_editor.test_routes import on_record

PASSAGES = ("Corona", "Dagny")
TRIALS = 2 * 2 * len(PASSAGES)
"""Two arms on the two questions of each passage."""


@pytest.fixture
def models(tmp_path: Path) -> Any:
    """A slow model server, so that progress can be watched."""
    with server_process(tmp_path / "requests.log", latency=2) as server:
        yield server


async def upload(page: Page) -> None:
    """Bring in a task set, and look at a question of it."""
    await page.goto("/tasks")
    lines = b"\n".join(orjson.dumps(passage(name)) for name in PASSAGES)
    file = {"name": "mine.jsonl", "mimeType": "application/jsonl", "buffer": lines}
    await page.get_by_label("File", exact=True).set_input_files(files=file)
    await page.get_by_role("button", name="Bring it in").click()
    await expect(page.get_by_role("status")).to_contain_text("2 passages and 4 questions were added")
    await page.get_by_role("button", name="Look at it").click()
    await page.get_by_role("link", name="Questions", exact=True).click()
    await page.get_by_role("link", name="ferry Corona").first.click()
    await expect(page.get_by_text("Old Maren, who sold herring")).to_be_visible()


async def begin(page: Page) -> None:
    """Write an experiment on the uploaded tasks, see what it would take, and start it."""
    await page.goto("/experiments/new")
    await page.get_by_label("Name", exact=True).fill("mine")
    await page.locator("[name='tasks.set']").select_option("mine")
    await page.get_by_label("Add a participant").select_option("endpoint:local")
    await page.get_by_role("button", name="Add the chosen participant").click()
    await page.locator("[name='participants.2.name']").fill("strong")
    await page.locator("[name='participants.2.settings.model']").fill("scripted")
    await page.get_by_role("button", name="Add an arm").click()
    await page.locator("[name='arms.1.name']").fill("alone")
    await page.locator("[name='arms.1.protocol']").select_option("naive")
    await page.locator("[name='arms.0.seats.debaters']").select_option("strong")
    await page.locator("[name='judges.0']").select_option("strong")
    estimate = page.locator("#estimate")
    await expect(estimate).to_contain_text(f"Trials {TRIALS}", use_inner_text=True)
    await expect(estimate).to_contain_text("Tokens sent")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("mine")


async def held_up(page: Page) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold the next answer to the form; set when it is asked for, and to be set to let it through."""
    asked, free = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.headers.get("hx-target") == "written":
            asked.set()
            await free.wait()
        await route.continue_()

    await page.route("**/experiments/new", hold)
    return asked, free


async def test_nothing_is_lost_of_what_is_entered_while_the_form_is_drawn_anew(
    stage: Stage, width: int
) -> None:
    page = await stage.signed_in("researcher", width)
    await page.goto("/experiments/new")
    await page.locator("[data-fold='arms.0.prompts'] summary").click()
    await page.locator("[data-fold='arms.0.settings'] summary").click()
    asked, free = await held_up(page)
    await page.get_by_label("Protocol").select_option("consultancy")
    await asked.wait()
    await page.get_by_label("Name", exact=True).fill("typed meanwhile")
    await page.locator("[name='arms.0.settings.target_words']").fill("123")
    await page.locator("[name='arms.0.name']").press("End")
    await page.keyboard.type("-late")
    await page.keyboard.press("ArrowLeft")
    free.set()
    await expect(page.get_by_label("Consultants")).to_be_visible()
    await page.keyboard.type("X")
    await expect(page.locator("[name='arms.0.name']")).to_have_value("debate-latXe")
    await expect(page.locator("[name='arms.0.name']")).to_be_focused()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("typed meanwhile")
    await expect(page.locator("[name='arms.0.settings.target_words']")).to_have_value("123")
    await expect(page.locator("[name='arms.0.prompts']")).to_be_visible()
    await expect(page.get_by_label("Protocol")).to_have_value("consultancy")


async def test_adding_and_removing_moves_the_focus_on_and_folds_nothing(stage: Stage, width: int) -> None:
    page = await stage.signed_in("researcher", width)
    await page.goto("/experiments/new")
    await page.get_by_role("button", name="Add an arm").click()
    second = page.locator("[name='arms.1.name']")
    await expect(second).to_be_focused()
    await second.fill("alone")
    await page.locator("[data-fold='arms.1.prompts'] summary").click()
    await page.locator("[data-fold='estimate.assumptions'] summary").click()
    asked, free = await held_up(page)
    await page.get_by_role("button", name="Remove debate").click()
    await asked.wait()
    await second.press("End")
    await page.keyboard.type("-late")
    free.set()
    await expect(second).to_have_count(0)
    await expect(page.locator("[name='arms.0.name']")).to_have_value("alone-late")
    await expect(page.locator("[name='arms.0.prompts']")).to_be_visible()
    await expect(page.get_by_role("button", name="Add an arm")).to_be_focused()
    await expect(page.locator("#estimate")).to_contain_text("alone-late", use_inner_text=False)
    await expect(page.locator("[data-fold='estimate.assumptions']")).to_have_attribute("open", "")


async def test_a_researcher_gets_from_an_upload_to_the_report(
    stage: Stage, models: ServerProcess, width: int, tmp_path: Path
) -> None:
    page = await stage.signed_in("researcher", width)
    await upload(page)
    await on_record(stage.world.site.database, "local", models.base_url)
    await begin(page)
    await follow(page)
    await read_the_report(page, tmp_path)
    await read_a_transcript(page)
    await export(page, tmp_path)


async def follow(page: Page) -> None:
    """Pause and resume the experiment, watch it to its end without loading its page again, and find it from home."""
    await page.get_by_role("button", name="Pause").click()
    state = page.locator("#progress .state")
    await expect(state).to_have_text("paused")
    await page.get_by_role("button", name="Resume").click()
    await expect(state).to_have_text("running")
    await page.evaluate("window.loadedOnce = true")
    status = page.locator("#progress .standing")
    await expect(state).to_have_text("finished", timeout=90_000)
    assert await page.evaluate("window.loadedOnce")
    await expect(status).to_contain_text(f"{2 * TRIALS} of {2 * TRIALS} done")
    await page.goto("/")
    await page.get_by_role("link", name="mine", exact=True).first.click()


async def read_the_report(page: Page, folder: Path) -> None:
    """Figures of both arms, plots that are there, and the data of one."""
    await page.get_by_role("link", name="Report", exact=True).click()
    for arm in ("alone", "debate"):
        await expect(page.locator("th[scope=row]").filter(has_text=arm).first).to_be_visible()
    await expect(page.locator(".answer")).to_contain_text("No contrast is named")
    await sort_by_accuracy(page)
    await open_what_is_folded(page)
    pictures = page.locator("figure img")
    assert await pictures.count() >= 2
    for picture in await pictures.all():
        await picture.scroll_into_view_if_needed()
        assert (
            await picture.evaluate("async image => { await image.decode(); return image.naturalWidth }") > 100
        )
    await page.get_by_text("Data and downloads").first.click()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="data (CSV)").first.click()
    file = folder / "accuracy.csv"
    await (await download.value).save_as(file)
    with file.open(newline="") as lines:
        assert {row["arm"] for row in csv.DictReader(lines)} == {"alone", "debate"}


async def sort_by_accuracy(page: Page) -> None:
    """Sort the main table with the keyboard: once from the least, again from the most; screen readers say which."""
    table = page.locator("#figure-accuracy table.report").last
    heading = table.locator("thead th").filter(has_text="Accuracy")
    button = heading.get_by_role("button")
    figures = table.locator("tbody tr td:nth-child(3)")
    for order in ("ascending", "descending"):
        await button.press("Enter")
        await expect(heading).to_have_attribute("aria-sort", order)
        values = [float(text.rstrip("%")) for text in await figures.all_inner_texts()]
        assert len(values) == 2
        assert values == sorted(values, reverse=order == "descending")
    await expect(button).to_be_focused()
    await expect(table.locator("[aria-sort]")).to_have_count(1)


async def open_what_is_folded(page: Page) -> None:
    """Follow a link of the contents into a folded section."""
    target = page.locator("#figure-certainty")
    await expect(target).to_be_hidden()
    await page.get_by_role("link", name="Position and certainty").click()
    await expect(target.locator("table")).to_be_visible()
    await page.evaluate("document.querySelectorAll('details.part').forEach(fold => { fold.open = true })")


async def read_a_transcript(page: Page) -> None:
    """Search for a debate, see its quotes in the passage, and load the calls behind a speech."""
    await page.get_by_role("link", name="Transcripts", exact=True).click()
    await page.get_by_text("Filters", exact=True).click()
    await page.get_by_label("Arm").select_option("debate")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("status")).to_contain_text("4 trials")
    await page.locator("tbody th a").first.click()
    await expect(page.locator(".passage mark").first).to_be_visible()
    address = page.url
    calls = page.get_by_role("link", name="Model calls").first
    await calls.click()
    await expect(page.get_by_text("Attempt 1").first).to_be_visible()
    assert page.url == address
    await page.get_by_role("link", name="mine", exact=True).click()


async def export(page: Page, folder: Path) -> None:
    """The verdicts as a file."""
    await page.get_by_role("combobox", name="What").select_option("verdicts")
    await page.get_by_label("Format").select_option("jsonl")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    file = folder / "verdicts.jsonl"
    await (await download.value).save_as(file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {row["arm"] for row in rows} == {"alone", "debate"}
    assert len({row["trial_id"] for row in rows}) == TRIALS
