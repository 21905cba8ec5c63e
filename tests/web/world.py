"""The people and the small experiment of the tests of pages, and browsers signed in as each of them."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import URL, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import BaseRoute

from app.records import people
from app.records.database import Database
from app.settings import Settings
from app.web.app import create_app
from app.web.security.middleware import COOKIE
from models import Account, Experiment, Session
from tests.database import Server
from tests.factories import finished, passage, spec

ORIGIN = "http://arena.test"
CAST = {
    "alice": "researcher",
    "bob": "admin",
    "charlie": "researcher",
    "judge": "judge",
    "rival": "judge",
    "debater": "debater",
}
"""Alice owns the experiment, Bob helps as an admin, Charlie may not see it; who they are to their roles."""
WHO = {"admin": "bob", "researcher": "alice", "judge": "judge", "debater": "debater"}
"""Somebody for each role."""


class Browser(httpx.AsyncClient):
    """A browser without script: it keeps cookies, follows no redirect by itself, and knows its session's token."""

    def __init__(self, app: FastAPI, account: Account | None = None) -> None:
        super().__init__(transport=httpx.ASGITransport(app), base_url=ORIGIN)
        self.account = account
        self.csrf = ""

    async def submit(
        self, path: str, data: Mapping[str, Any] | None = None, *, method: str = "POST", **more: Any
    ) -> httpx.Response:
        """Send a form with the token of its session."""
        return await self.request(method, path, data={"csrf_token": self.csrf, **(data or {})}, **more)


class Site:
    """The application over one database, with its cast."""

    def __init__(self, app: FastAPI, database: Database, cast: Mapping[str, Account], stack: AsyncExitStack):
        self.app, self.database, self.cast = app, database, cast
        self._stack = stack

    async def browser(self, who: str = "nobody") -> Browser:
        """A new browser, signed in as somebody of the cast, as somebody of a role, or as nobody."""
        account = None if who == "nobody" else self.cast[WHO.get(who, who)]
        return await self.browser_of(account)

    async def browser_of(self, account: Account | None) -> Browser:
        """A new browser, signed in to an account or to none."""
        browser = await self._stack.enter_async_context(Browser(self.app, account))
        if account is not None:
            async with self.database.session.begin() as db:
                token = await people.open_session(db, account.id)
                digest = people.token_digest(token)
                browser.csrf = (
                    await db.scalars(select(Session.csrf).where(Session.token_digest == digest))
                ).one()
            browser.cookies.set(COOKIE, token, domain="arena.test")
        return browser

    async def hire(self, name: str, role: str) -> Account:
        """One more account; judges and debaters have read the instructions."""
        async with self.database.session.begin() as db:
            return await _hired(db, name, role)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def _hired(db: AsyncSession, name: str, role: str) -> Account:
    account = Account(
        id=uuid.uuid4(), name=name, role=role, email=f"{name}-{uuid.uuid4()}@arena.test".lower()
    )
    db.add(account)
    await db.flush()
    if role in ("judge", "debater"):
        await people.participant_of(db, account)
        await db.execute(update(Account).where(Account.id == account.id).values(instructed_at=func.now()))
        await db.refresh(account)
    return account


_ROUTES: list[BaseRoute] = []
"""Those of the first application that was made here, which know what FastAPI has made of them at their first request."""


def _application(database: Database) -> FastAPI:
    """The application over a database, with the routes that all applications of this process share.

    FastAPI analyses the parameters of every route when it is first asked for, for seconds, and keeps that in the route.
    """
    app = create_app(database, Settings(), worker=False)
    if _ROUTES:
        app.router.routes[:] = _ROUTES
    else:
        _ROUTES.extend(app.router.routes)
    return app


@asynccontextmanager
async def opened(database: Database, cast: Mapping[str, Account] | None = None) -> AsyncIterator[Site]:
    """The application over a database, without a worker; with a cast of its own unless one is there already."""
    app = _application(database)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        if cast is None:
            async with database.session.begin() as db:
                cast = {name: await _hired(db, name.capitalize(), role) for name, role in CAST.items()}
        yield Site(app, database, cast, stack)


@dataclass(frozen=True, slots=True)
class World:
    """A site with a finished experiment of Alice's, whose transcripts wait for two people each."""

    site: Site
    experiment: Experiment


def for_people(**changes: Any) -> dict[str, Any]:
    """The file of an experiment with every shape of transcript, judged by a built-in and by two people."""
    arms = spec()["arms"]
    return spec(
        name="for-people",
        arms={name: arms[name] for name in ("debate", "consultancy", "expert")},
        judges=["lexical", {"humans": 2}],
        **changes,
    )


async def furnished(site: Site, *passages: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> World:
    """Play an experiment of Alice's on `passages` (two with one question each, unless told)."""
    texts = passages or (passage("Alba", 1), passage("Brise", 1))
    experiment = await finished(site.database, *texts, data=data or for_people())
    async with site.database.session.begin() as db:
        owned = update(Experiment).where(Experiment.id == experiment.id)
        await db.execute(owned.values(owner_id=site.cast["alice"].id))
        experiment = await db.get_one(Experiment, experiment.id)
    return World(site, experiment)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A furnished arena in a database that nobody is connected to, so that it can be copied."""

    template: str
    """Name of the database."""
    cast: Mapping[str, Account]
    experiment: Experiment


@asynccontextmanager
async def patterned(
    postgres: Server, furnish: Callable[[Site], Awaitable[World]] = furnished
) -> AsyncIterator[Pattern]:
    """A furnished arena, dropped at the end."""
    with postgres.fresh() as url:
        async with connected(postgres, url) as database, opened(database) as site:
            world = await furnish(site)
        assert url.database is not None
        yield Pattern(url.database, site.cast, world.experiment)


@asynccontextmanager
async def connected(postgres: Server, url: URL) -> AsyncIterator[Database]:
    """A database, let go of at the end."""
    database = Database(url, embedded=postgres.embedded, connections=4)
    try:
        yield database
    finally:
        await database.close()
