"""A crowd worker in a real browser, from a recruiter's link to the code: every end, by keyboard, and without script.

Every page that they come to is looked at by `faults`.
"""

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, Page, expect
from sqlalchemy import func, select

from app.records.database import Database
from models import Verdict
from tests.browser.keyboard import Keyboard
from tests.browser.served import WIDTHS, Stage, faults
from tests.browser.test_without_script import OF_STUDIES, Forms
from tests.web.participation.study import CODES, Opened, enrolments_of, hours_pass, opened_study, study_file
from tests.web.world import World, opened

COMPLETE = "https://app.prolific.com/submissions/complete?cc="


@pytest.fixture
async def study(database: Database) -> AsyncIterator[Opened]:
    """An open study with every page."""
    async with opened(database) as site:
        yield await opened_study(site, study_file(time_limit=60))


@pytest.fixture
def world(study: Opened) -> World:
    """The world around the study."""
    return World(study.site, study.experiment)


SEEN: set[str] = set()
"""Kinds of pages that were looked at: by path, heading and whether something is to be mended."""


class Worker:
    """A crowd worker in front of a browser; what is wrong with the pages that they see is written down."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []

    async def looks(self) -> None:
        """Look at the page for faults, unless one like it was looked at."""
        heading = await self.page.locator("h1").inner_text()
        alerts = await self.page.get_by_role("alert").count()
        path = urlsplit(self.page.url).path
        kind = re.sub(r"\d+|/seat/.*", "", f"{path} {heading}") + str(alerts)
        if kind in SEEN:
            return
        SEEN.add(kind)
        width = self.page.viewport_size
        self.wrong += await faults(self.page)
        assert width is not None
        await self.page.set_viewport_size(width)

    async def comes(self, study: Opened, pid: str = "pid-ada", word: str = "") -> None:
        """Open the recruiter's link and begin."""
        await self.page.goto(study.link(pid))
        await self.looks()
        if word:
            await self.page.get_by_text("Another device?").click()
            await self.page.get_by_label("A word of your choice").fill(word)
        await self.press("Begin")

    async def press(self, name: str) -> None:
        """Press a button, and look at the page to which it leads."""
        await self.click(self.page.get_by_role("button", name=name))

    async def click(self, button: Locator) -> None:
        """Click what leads to another page, and look at it."""
        async with self.page.expect_navigation():
            await button.click()
        await self.looks()

    async def to_comprehension(self) -> None:
        """Agree, and read the instructions."""
        await self.press("I agree")
        await self.press("Go on")

    async def answers(self, *chosen: str) -> None:
        """Answer the questions on the instructions."""
        for answer in chosen:
            await self.page.get_by_label(answer, exact=True).check()
        await self.press("Check my answers")

    async def to_trials(self) -> None:
        """Do everything before the trials."""
        await self.to_comprehension()
        await self.answers("No", "100")
        await self.press("Begin the practice")
        await self.judges()
        await self.press("Next example")
        await self.judges()
        await self.press("Go on: what follows counts")

    async def judges(self, first: int = 90) -> None:
        """Read what there is, say what they believe, and submit."""
        onward = self.page.locator("[data-onward]")
        while await onward.is_visible():
            await onward.click()
        await self.page.locator("input[name='0.p']").first.fill(str(first))
        await self.page.locator("textarea").fill("The quote that was found says so.")
        await self.click(self.page.locator("[data-submit]"))

    async def all_trials(self, wrong: str = "no such word") -> None:
        """Judge whatever comes; wrongly where the question has a word."""
        while await (onward := self.page.get_by_role("button", name="trial")).count():
            await self.click(onward)
            asked = await self.page.locator(".asked").first.inner_text()
            await self.judges(10 if wrong in asked else 90)


@pytest.fixture
async def worker(stage: Stage) -> Worker:
    """A worker on a phone."""
    return Worker(await stage.newcomer(WIDTHS["phone"]))


async def end_of(study: Opened) -> tuple[str | None, int]:
    """How the only part ended, and how many verdicts there are."""
    [part] = await enrolments_of(study.site.database)
    async with study.site.database.session() as db:
        verdicts = await db.scalar(select(func.count()).select_from(Verdict))
    return part.ended_as, verdicts or 0


async def leads_back(page: Page, end: str) -> None:
    """That the page has the code for an end, and a link that takes it to the recruiter."""
    await expect(page.locator("code")).to_have_text(CODES[end])
    link = page.get_by_role("button", name="Finish at Prolific")
    await expect(link).to_have_attribute("href", COMPLETE + CODES[end])


async def test_a_worker_completes_a_study(study: Opened, worker: Worker) -> None:
    page = worker.page
    await worker.comes(study)
    await worker.to_trials()
    await worker.all_trials()
    await page.get_by_label("Your age").fill("41")
    await worker.press("Send and go on")
    await worker.press("Finish")
    await leads_back(page, "completed")
    assert await end_of(study) == ("completed", 2)
    assert worker.wrong == []


async def test_a_worker_is_screened_out(study: Opened, worker: Worker) -> None:
    await worker.comes(study)
    await worker.to_comprehension()
    await worker.answers("Yes", "100")
    await expect(worker.page.get_by_text("It is hidden from you.")).to_be_visible()
    await worker.answers("Yes", "10")
    await leads_back(worker.page, "screened_out")
    assert await end_of(study) == ("screened_out", 0)
    assert worker.wrong == []


async def test_a_worker_fails_an_attention_check(study: Opened, worker: Worker) -> None:
    await worker.comes(study)
    await worker.to_trials()
    await worker.all_trials(wrong="attend")
    await leads_back(worker.page, "failed_checks")
    assert await end_of(study) == ("failed_checks", 0)
    assert worker.wrong == []


async def test_a_worker_goes_on_where_they_were_on_another_device(
    study: Opened, stage: Stage, worker: Worker
) -> None:
    await worker.comes(study, word="blue heron")
    await worker.to_trials()
    await worker.press("First trial")
    asked = await worker.page.locator(".asked").first.inner_text()
    await worker.page.locator("textarea").fill("Half a thought.")
    await expect(worker.page.locator("[data-saved]")).to_have_text("Saved")
    elsewhere = Worker(await stage.newcomer(WIDTHS["desktop"]))
    with stage.watch.allowing("status of 422"):
        await elsewhere.comes(study, word="green heron")
    await expect(elsewhere.page.get_by_role("alert")).to_contain_text("with another word")
    await elsewhere.page.get_by_label("A word of your choice").fill("Blue Heron")
    await elsewhere.press("Begin")
    await elsewhere.press("Go on with it")
    await expect(elsewhere.page.locator(".asked").first).to_have_text(asked)
    await expect(elsewhere.page.locator("textarea")).to_have_value("Half a thought.")
    assert worker.wrong + elsewhere.wrong == []


async def test_a_worker_stops_early_or_withdraws(study: Opened, stage: Stage, worker: Worker) -> None:
    page = worker.page
    await worker.comes(study)
    await worker.to_trials()
    await worker.press("First trial")
    await worker.judges()
    await worker.click(page.get_by_role("link", name="Stop early"))
    await expect(page.get_by_text("1 of 4 trials")).to_be_visible()
    await worker.click(page.get_by_role("link", name="Withdraw instead"))
    await worker.press("Withdraw …")
    await worker.press("Yes, delete and withdraw")
    await expect(page.get_by_role("heading", name="You have withdrawn")).to_be_visible()
    assert await end_of(study) == ("withdrawn", 0)
    other = Worker(await stage.newcomer())
    await other.comes(study, "pid-eve")
    await other.click(other.page.get_by_role("link", name="I do not agree"))
    await other.press("I do not take part")
    await leads_back(other.page, "screened_out")
    assert worker.wrong + other.wrong == []


async def test_a_worker_runs_out_of_time(study: Opened, worker: Worker) -> None:
    await worker.comes(study)
    await worker.to_trials()
    await worker.press("First trial")
    await hours_pass(study.site.database, 2)
    await worker.page.reload()
    await expect(worker.page.get_by_role("heading", name="Your time is over")).to_be_visible()
    await worker.looks()
    assert await end_of(study) == ("timed_out", 0)
    assert worker.wrong == []


async def test_a_worker_without_a_mouse_comes_to_the_questions(study: Opened, stage: Stage) -> None:
    page = await stage.newcomer()
    keys = Keyboard(page)
    await page.goto(study.link())
    await keys.to("summary")
    await keys.press("Enter")
    await keys.to("#word")
    await keys.write("heron")
    for button in ("Begin", "I agree", "Go on"):
        await expect(page.get_by_role("button", name=button)).to_be_visible()
        await keys.follow("main button")
    await keys.to("input[name=q0]")
    await keys.press("ArrowDown", "ArrowUp", "ArrowDown")
    await keys.to("input[name=q1]")
    await keys.press("Space")
    await keys.follow("main button")
    await expect(page.get_by_role("heading", name="Practice")).to_be_visible()


async def test_everything_can_be_done_without_script(study: Opened, stage: Stage) -> None:
    forms = Forms(await stage.newcomer(WIDTHS["phone"], script=False), await stage.newcomer())
    page = forms.page
    await forms.open(study.link())
    for button in ("Begin", "I agree", "Go on"):
        await forms.press(button)
    for answers in (("Yes", "100"), ("No", "100")):
        for answer in answers:
            await page.get_by_label(answer, exact=True).check()
        await forms.press("Check my answers")
    while await page.get_by_role("heading", name="About you").count() == 0:
        if await page.locator("[data-submit]").count():
            await page.locator("input[name='0.p']").nth(0).fill("90")
            await page.locator("input[name='0.p']").nth(1).fill("10")
            await page.locator("textarea").fill("The quote says so.")
            await forms.press("Submit")
        else:
            async with page.expect_navigation():
                await page.locator("main button").click()
    await page.get_by_label("Your age").fill("41")
    await forms.press("Send and go on")
    await forms.press("Finish")
    await leads_back(page, "completed")
    await forms.press("Sign out")
    await forms.open(study.link("pid-eve"))
    for button in ("Begin", "I agree"):
        await forms.press(button)
    await forms.open("/part/stop")
    await forms.press("Stop here")
    await forms.open(study.link("pid-fay"))
    await forms.press("Begin")
    await forms.open("/part/withdraw")
    await forms.press("Withdraw")
    await forms.press("Yes, delete")
    # Leaving the rest needs minutes of waiting: it is tested in `test_flow`.
    wanted = OF_STUDIES - {"part_enough"}
    assert wanted <= forms.sent, wanted - forms.sent
    assert not forms.faults, "\n".join(forms.faults)


async def test_the_pages_are_light(study: Opened, stage: Stage) -> None:
    """With everything that it loads, a page takes under 160 kB, and its own bytes are few."""
    page = await stage.newcomer()
    bytes_of: dict[str, int] = {}

    async def weigh(answer: object) -> None:
        body = await answer.body()  # type: ignore[attr-defined]
        bytes_of[answer.url] = len(body)  # type: ignore[attr-defined]

    page.on("response", weigh)
    await page.goto(study.link(), wait_until="networkidle")
    assert sum(bytes_of.values()) < 160_000, bytes_of
    assert bytes_of[page.url] < 4_000
