"""What a browser is sent up to the first judgement: requests, bytes and words, page by page.

    python -m benchmarks.page_weights

A headless Chromium with an empty cache comes by an invite to an arena with a finished debate, and goes on to the first verdict; another comes by
a recruiter's link to a study of the ready texts, and goes on to the first example. docs/benchmarks.md says what it showed, and on which commit.
"""

import argparse
import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from app.experiments.spec import load_yaml
from app.records import admin
from app.records.database import Database, open_database
from app.services.invites import invite_path
from app.settings import Settings
from app.web.studies.form import READY
from scripts.browser import WHAT_TO_DO, find
from tests.browser.served import Served, launched
from tests.processes import Arena
from tests.web.participation.study import opened_study
from tests.web.world import World, furnished, opened

TEXT = """() => {
  const unread = [...document.querySelectorAll('main .unseen, main svg')];
  for (const element of unread) element.style.display = 'none';
  const text = document.querySelector('main').innerText;
  for (const element of unread) element.style.display = '';
  return text;
}"""
"""What is read on a page: neither what is folded, nor labels of pictures, nor what only screen readers say in place of a sign."""
HEAD = "() => document.querySelector('main .parthead')?.innerText ?? ''"


@dataclass(slots=True)
class Weight:
    """What one page took."""

    page: str
    requests: int = 0
    bytes: int = 0
    words: int = 0
    head: int = 0
    """Words of the head that is repeated on each page of a study."""
    cached: set[str] = field(default_factory=set)


class Scales:
    """Counts what the network brings to a page, headers included; what the browser had already is no request."""

    def __init__(self) -> None:
        self.pages: list[Weight] = []

    async def watch(self, page: Page) -> None:
        """Begin to count."""
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        session.on(
            "Network.requestServedFromCache", lambda event: self.pages[-1].cached.add(event["requestId"])
        )
        session.on("Network.loadingFinished", self._finished)
        session.on("Network.responseReceived", self._received)

    def _received(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            self.pages[-1].cached.add(event["requestId"])

    def _finished(self, event: dict[str, Any]) -> None:
        here = self.pages[-1]
        if event["requestId"] in here.cached:
            return
        here.requests += 1
        here.bytes += int(event["encodedDataLength"])

    async def weigh(self, name: str, page: Page) -> None:
        """Wait until a page is whole, and count its words."""
        await page.wait_for_load_state("networkidle")
        self.pages[-1].page = name
        self.pages[-1].words = len(re.findall(r"\S+", await page.evaluate(TEXT)))
        self.pages[-1].head = len(re.findall(r"\S+", await page.evaluate(HEAD)))
        self.pages.append(Weight(""))


async def to_the_first_verdict(page: Page, invite: str, scales: Scales) -> None:
    """Go from the invite to the page of thanks for a first verdict."""
    scales.pages.append(Weight(""))
    await scales.watch(page)
    await page.goto(invite)
    await scales.weigh("invite", page)
    await page.locator("input[name=name]").fill("Ines")
    await page.locator("main form button").click()
    await scales.weigh("joined", page)
    await page.goto("/judge/instructions")
    await scales.weigh("instructions", page)
    await page.locator("form[action='/judge/instructions'] button").click()
    await scales.weigh("trials", page)
    await page.locator("form[action='/judge/next'] button").click()
    belief = 1
    while not await page.locator("[data-done]").count():
        await scales.weigh(f"trial, belief {belief}", page)
        await page.locator("[data-text]").fill("What the quotes say.")
        await page.locator("[data-saved]", has_text=re.compile("^Saved$")).wait_for()
        async with page.expect_navigation():
            await page.locator("[data-submit]").click()
        belief += 1
    await scales.weigh("thanks", page)


async def to_the_first_example(page: Page, link: str, scales: Scales) -> None:
    """Go from a recruiter's link to the first example of a study, which is the first judgement."""
    scales.pages.append(Weight(""))
    await scales.watch(page)
    await page.goto(link)
    await scales.weigh("link", page)
    questions = load_yaml(READY)["pages"]["comprehension"]["questions"]
    for name in ("consent", "instructions", "comprehension", "practice", "example"):
        if name == "practice":
            for number, question in enumerate(questions):
                await page.locator(f"input[name=q{number}][value='{question['right']}']").check()
        async with page.expect_navigation():
            await page.locator("main form button").last.click()
        await scales.weigh(name, page)


@asynccontextmanager
async def invited(database: Database) -> AsyncIterator[tuple[str, str]]:
    """Yield the path of an invite to an arena with a debate to judge, and a recruiter's link to a study."""
    async with opened(database) as site:
        world: World = await furnished(site)
        async with database.session.begin() as db:
            made = await admin.invite(
                db, world.site.cast["alice"], "judge", shared=True, label="", lasts=timedelta(days=1)
            )
            path = await invite_path(db, made)
        study = await opened_study(site, {**load_yaml(READY), "experiments": ["for-study"], "trials": 2})
        yield path, study.link()


async def measure() -> None:
    """Print the table."""
    chromium = find()
    if chromium is None:
        raise SystemExit(WHAT_TO_DO)
    with tempfile.TemporaryDirectory() as home:
        async with open_database(Settings(home=Path(home))) as database, invited(database) as (invite, link):
            url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
            with Arena(Path(home) / "arena", DATABASE_URL=url) as arena:
                served = Served(arena)
                async with launched(chromium) as browser:
                    context = await browser.new_context(base_url=served.base)
                    judge, participant = Scales(), Scales()
                    await to_the_first_verdict(await context.new_page(), invite, judge)
                    context = await browser.new_context(base_url=served.base)
                    await to_the_first_example(await context.new_page(), link, participant)
    _print(judge.pages[:-1])
    _print(participant.pages[:-1])
    before = participant.pages[:-2]
    once = sum(one.words - one.head for one in before) + max(one.head for one in before)
    print(f"Words of a study before the first judgement, its head once: {once}")


def _print(pages: Sequence[Weight]) -> None:
    print("| page | requests | kB | words |\n|---|---|---|---|")
    for weight in pages:
        print(f"| {weight.page} | {weight.requests} | {weight.bytes / 1000:.1f} | {weight.words} |")
    print(
        f"| all | {sum(one.requests for one in pages)} | {sum(one.bytes for one in pages) / 1000:.1f} | {sum(one.words for one in pages)} |"
    )


def main() -> None:
    """Read the arguments, and measure."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    asyncio.run(measure())


if __name__ == "__main__":
    main()
