"""What browser tests share: a Chromium, a served world, both widths; every test fails where a page did what none may."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from app.records.database import Database
from scripts.browser import WHAT_TO_DO, find
from tests.browser.places import busy
from tests.browser.served import WAIT, WIDTHS, Served, Stage, launched
from tests.database import Server
from tests.processes import Arena, Records
from tests.web.conftest import copied, pattern, template
from tests.web.world import Pattern, World, opened, patterned

__all__ = ["copied", "pattern", "template"]

expect.set_options(timeout=WAIT)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser, so that `-m browser` picks it."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; `make test` has seen to it that there is one."""
    path = find()
    if path is None:
        pytest.skip(WHAT_TO_DO)
    return path


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A headless browser with an empty profile."""
    async with launched(chromium) as started:
        yield started


@pytest.fixture(
    params=[
        pytest.param(WIDTHS["phone"], id="phone"),
        pytest.param(WIDTHS["desktop"], id="desktop", marks=pytest.mark.slow),
    ]
)
def width(request: pytest.FixtureRequest) -> int:
    """Width of the window in pixels: a phone's, where there is less room, and in `make test-all` a desktop's too."""
    chosen: int = request.param
    return chosen


@pytest.fixture
async def world(database: Database, pattern: Pattern) -> AsyncIterator[World]:
    """People and a finished experiment that waits for judges."""
    async with opened(database, pattern.cast) as site:
        yield World(site, pattern.experiment)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crowded(postgres: Server) -> AsyncIterator[Pattern]:
    """An arena with something to see at every place, built once: what modules override `pattern` with to get copies of it."""
    async with patterned(postgres, busy) as pattern:
        yield pattern


@pytest.fixture
def served(world: World, database_url: str, tmp_path: Path) -> Iterator[Served]:
    """The arena over that world, as `arena serve` in a process of its own."""
    with Arena(tmp_path / "arena", DATABASE_URL=database_url) as arena:
        yield Served(arena)


@pytest.fixture
def records(database_url: str) -> Records:
    """Reads what is in the database."""
    return Records(database_url)


@pytest.fixture
async def stage(world: World, served: Served, browser: Browser) -> AsyncIterator[Stage]:
    """The served world in a browser; at the end no page may have complained or asked another host."""
    stage = Stage(world, served, browser)
    yield stage
    assert stage.watch.problems == []
    assert "Traceback" not in served.said
