"""What tests of pages share: a site with its cast, a world with a finished experiment in it, and a stage to copy."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, tzinfo

import pytest
import pytest_asyncio

from app.records.database import Database
from tests.database import TEMPLATE, Server
from tests.web.fixtures import Stage, staged
from tests.web.world import Pattern, Site, World, opened, patterned


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pattern(postgres: Server) -> AsyncIterator[Pattern]:
    """A furnished arena, built once, of which every test with a `world` gets a copy."""
    async with patterned(postgres) as pattern:
        yield pattern


@pytest.fixture
def copied(request: pytest.FixtureRequest) -> Pattern | None:
    """The furnished arena, where the test asks for a copy of it."""
    pattern: Pattern | None = (
        request.getfixturevalue("pattern") if "pattern" in request.fixturenames else None
    )
    return pattern


@pytest.fixture
def template(copied: Pattern | None) -> str:
    """Name of the database that the test gets a copy of."""
    return copied.template if copied else TEMPLATE


@pytest.fixture
async def site(database: Database, copied: Pattern | None) -> AsyncIterator[Site]:
    """The application without an experiment: `await site.browser("judge")` is somebody's browser."""
    async with opened(database, copied.cast if copied else None) as site:
        yield site


@pytest.fixture
def world(site: Site, pattern: Pattern) -> World:
    """The site with a small finished experiment that waits for people."""
    return World(site, pattern.experiment)


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every try fall into the same minute of the limits, however long the test takes."""

    class Stopped(datetime):
        at = datetime.now(UTC)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return cls.at.astimezone(tz)

    monkeypatch.setattr("app.records.people.datetime", Stopped)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(postgres: Server) -> AsyncIterator[Stage]:
    """A furnished arena, built once: `async with stage.play() as site` is a copy of it."""
    async with staged(postgres) as stage:
        yield stage
