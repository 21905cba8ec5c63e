"""What all tests share: one PostgreSQL for the run, a fresh migrated database for each test that asks for one."""

import os
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
from sqlalchemy import URL

from app.records.database import Database
from tests.database import SERVERS, TEMPLATE, Missing, Server, share_compiled_statements

# Two busy cores are no reason for a property to fail. `make test-all` asks for the profile `thorough`.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=20)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=100)
hypothesis.settings.load_profile("quick")

share_compiled_statements()
LONG = {"test_blinding.py", "test_kill_and_resume.py", "test_new_protocol.py"}
"""Modules with a test of more than ten seconds."""
CHOICE = os.environ.get("ARENA_TEST_SERVER", "embedded")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a server that nobody knows before any test runs."""
    if CHOICE not in SERVERS:
        raise pytest.UsageError(f"ARENA_TEST_SERVER is {CHOICE!r}: write one of {', '.join(SERVERS)}.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a database, so that `-m database` picks it; long modules first, so that short tests fill the end."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("database")
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The PostgreSQL of this run (with pytest-xdist: of this worker), started when the first test needs it."""
    try:
        with SERVERS[CHOICE]() as running:
            yield running
    except Missing as error:
        pytest.skip(str(error))


@pytest.fixture
def template() -> str:
    """Name of the database that the test gets a copy of."""
    return TEMPLATE


@pytest.fixture
def fresh_url(postgres: Server, template: str) -> Iterator[URL]:
    """Address of a migrated database of this test's own."""
    with postgres.fresh(template) as url:
        yield url


@pytest.fixture
async def database(postgres: Server, fresh_url: URL) -> AsyncIterator[Database]:
    """A migrated database of this test's own."""
    database = Database(fresh_url, embedded=postgres.embedded, connections=8)
    yield database
    await database.close()


@pytest.fixture
def database_url(fresh_url: URL) -> str:
    """The value of DATABASE_URL for a process that is to use the database of this test."""
    return fresh_url.set(drivername="postgresql").render_as_string(hide_password=False)
