"""What a judge's browser is sent from the invite to the first verdict: requests, bytes and words, page by page.

    python -m benchmarks.page_weights

A headless Chromium with an empty cache comes by an invite to an arena with a finished debate. docs/benchmarks.md says what it showed.
"""

import argparse
import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from app.records import admin
from app.records.database import Database, open_database
from app.services.invites import invite_path
from app.settings import Settings
from scripts.browser import WHAT_TO_DO, find
from tests.browser.served import Served, launched
from tests.processes import Arena
from tests.web.world import World, furnished, opened

TEXT = "() => document.querySelector('main').innerText"


@dataclass(slots=True)
class Weight:
    """What one page took."""

    page: str
    requests: int = 0
    bytes: int = 0
    words: int = 0
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


@asynccontextmanager
async def invited(database: Database) -> AsyncIterator[str]:
    """Yield the path of an invite to an arena with a debate to judge."""
    async with opened(database) as site:
        world: World = await furnished(site)
        async with database.session.begin() as db:
            made = await admin.invite(
                db, world.site.cast["alice"], "judge", shared=True, label="", lasts=timedelta(days=1)
            )
            path = await invite_path(db, made)
        yield path


async def measure() -> None:
    """Print the table."""
    chromium = find()
    if chromium is None:
        raise SystemExit(WHAT_TO_DO)
    with tempfile.TemporaryDirectory() as home:
        async with open_database(Settings(home=Path(home))) as database, invited(database) as invite:
            url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
            with Arena(Path(home) / "arena", DATABASE_URL=url) as arena:
                served = Served(arena)
                async with launched(chromium) as browser:
                    context = await browser.new_context(base_url=served.base)
                    scales = Scales()
                    await to_the_first_verdict(await context.new_page(), invite, scales)
    print("| page | requests | kB | words |\n|---|---|---|---|")
    pages = scales.pages[:-1]
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
