"""One copy of the stage for all tests of a module that change nothing."""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy import text

from tests.web.fixtures import Stage
from tests.web.world import Site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_site(stage: Stage) -> AsyncIterator[Site]:
    """One copy of the stage for the tests of this module, which change nothing that others of them look at."""
    async with stage.play() as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def site(open_site: Site) -> Site:
    """The same, with nothing counted against anybody yet."""
    async with open_site.database.session.begin() as db:
        await db.execute(text("DELETE FROM rate_count"))
    return open_site
