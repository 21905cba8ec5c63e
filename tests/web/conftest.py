"""What tests of pages share: a site with its cast, a world with a finished experiment in it, and a stage to copy."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.records.database import Database
from tests.database import Server
from tests.web.fixtures import Stage, staged
from tests.web.world import Site, World, furnished, opened


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The application without an experiment: `await site.browser("judge")` is somebody's browser."""
    async with opened(database) as site:
        yield site


@pytest.fixture
async def world(site: Site) -> World:
    """The site with a small finished experiment that waits for people."""
    return await furnished(site)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(postgres: Server) -> AsyncIterator[Stage]:
    """A furnished arena, built once: `async with stage.play() as site` is a copy of it."""
    async with staged(postgres) as stage:
        yield stage
