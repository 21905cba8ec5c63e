"""A served arena in a process of its own, and people in front of a real browser; what goes wrong there is written down."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    async_playwright,
)

from app.records import people
from app.web.security.middleware import COOKIE
from models import Account
from scripts.browser import FLAGS
from tests.processes import PATIENCE, Arena, Process, until
from tests.web.world import WHO, World

AXE = Path(__file__).resolve().parents[2] / ".venv" / "axe.min.js"
WIDTHS = {"desktop": 1280, "phone": 360}
HEIGHT = 800
WAIT = 60_000
"""Milliseconds after which what a page should show is taken for never coming."""


@asynccontextmanager
async def launched(chromium: str) -> AsyncIterator[Browser]:
    """A headless browser with an empty profile."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=chromium, args=list(FLAGS), timeout=PATIENCE * 1000
        )
        yield started
        await started.close()


class Served:
    """`arena serve` over one database; it can be killed, and comes back at the same address."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._port = "0"
        self._process: Process
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = self._arena.start("serve", "--port", self._port)
        until(lambda: self._address() is not None, self._process, every=0.05)
        self.base = self._address() or ""
        self._port = str(urlsplit(self.base).port)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()

    @property
    def said(self) -> str:
        """What the process has written to stderr."""
        return self._process.err

    def _address(self) -> str | None:
        found = re.search(r"The arena is at (http://\S+?)/ ;", self._process.err)
        return found and found[1]


class Watch:
    """What no page may do: errors on the console or in scripts, requests to another host."""

    def __init__(self, base: str) -> None:
        self.problems: list[str] = []
        self._host = urlsplit(base).netloc
        self._allowed: list[str] = []

    def follow(self, context: BrowserContext) -> None:
        """Watch every page of a context."""
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)

    @contextmanager
    def allowing(self, words: str) -> Iterator[None]:
        """Take messages with these words for what they should be, for a while."""
        self._allowed.append(words)
        yield
        self._allowed.remove(words)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(words in message.text for words in self._allowed):
            self.problems.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _error(self, error: WebError) -> None:
        self.problems.append(f"uncaught: {error.error}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != self._host:
            self.problems.append(f"request to another host: {request.url}")


class Stage:
    """The served world, and contexts of the browser for whoever comes to it."""

    def __init__(self, world: World, served: Served, browser: Browser) -> None:
        self.world, self.served = world, served
        self.watch = Watch(served.base)
        self._browser = browser

    @property
    def base(self) -> str:
        """Where the arena is, without the last slash."""
        return self.served.base

    async def newcomer(self, width: int = WIDTHS["desktop"], *, script: bool = True) -> Page:
        """A page of an empty browser."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": HEIGHT}, base_url=self.base, java_script_enabled=script
        )
        context.set_default_timeout(WAIT)
        self.watch.follow(context)
        return await context.new_page()

    async def signed_in(self, who: str, width: int = WIDTHS["desktop"], *, script: bool = True) -> Page:
        """A page of a browser signed in as somebody of the cast, as somebody of a role, or as nobody."""
        page = await self.newcomer(width, script=script)
        if who != "nobody":
            await self.sign_in(page, self.world.site.cast[WHO.get(who, who)])
        return page

    async def sign_in(self, page: Page, account: Account) -> None:
        """Give a page's browser a session of an account."""
        async with self.world.site.database.session.begin() as db:
            token = await people.open_session(db, account.id)
        await page.context.add_cookies([{"name": COOKIE, "value": token, "url": self.base}])


# ── what is wrong with a page ───────────────────────────────────────────────────────────────────────────────────


async def faults(page: Page) -> list[str]:
    """What is wrong with a page at both widths: what axe-core finds, and how far it is wider than its window."""
    if not await page.evaluate("typeof axe !== 'undefined'"):
        await page.evaluate(AXE.read_text("utf-8"))
    wrong = []
    for width in WIDTHS.values():
        await page.set_viewport_size({"width": width, "height": HEIGHT})
        wrong += [f"{width} px: {fault}" for fault in [*await _violations(page), *await _overflow(page)]]
    return [f"{urlsplit(page.url).path}: {fault}" for fault in wrong]


async def _violations(page: Page) -> list[str]:
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{item['id']} at {[node['target'] for node in item['nodes']][:4]}" for item in found["violations"]
    ]


async def _overflow(page: Page) -> list[str]:
    pixels = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [f"{pixels} px too wide"] if pixels > 0 else []
