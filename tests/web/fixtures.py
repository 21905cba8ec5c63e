"""A furnished arena that is built once for a module and copied for every test that changes it; whose things are whose."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import URL, select, text, update

from app.records import assignment, enrolments, people, spec_drafts
from app.records.database import Database
from app.records.enrolments import Newcomer
from app.records.tokens import new_token
from app.services import studies as study_service
from app.services.invites import invite_path
from app.services.passwords import hasher
from models import (
    Account,
    ApiToken,
    Endpoint,
    Experiment,
    Participant,
    Question,
    SeatRow,
    Trial,
)
from tests.database import Server
from tests.factories import TASKS, spec, started
from tests.studies import study_spec
from tests.studies.made_up import enrolled
from tests.web.participation.study import opened_study, study_file
from tests.web.routes import ROUTES, Route
from tests.web.world import Browser, Site, connected, furnished, opened

PASSWORD = "correct horse battery"
MISSING: Mapping[str, object] = {
    "experiment": "no-such-experiment",
    "link": "no-such-link",
    "study_link": "no-such-link",
    "set": "no-such-set",
    "study": "no-such-study",
    "sure": "no",
    **{
        kind: uuid.UUID(int=7)
        for kind in (
            "trial",
            "seat",
            "invite",
            "person",
            "token",
            "draft",
            "question",
            "endpoint",
            "participant",
            "enrolment",
        )
    },
}
"""Things that do not exist."""


@dataclass(frozen=True, slots=True)
class Stage:
    """An arena at rest in a database that nobody is connected to, so that it can be copied."""

    postgres: Server
    url: URL
    cast: Mapping[str, Account]
    things: Mapping[str, object]

    @asynccontextmanager
    async def play(self) -> AsyncIterator[Site]:
        """The application over a copy of its own, dropped at the end."""
        assert self.url.database is not None
        with self.postgres.fresh(self.url.database) as url:
            async with connected(self.postgres, url) as database, opened(database, self.cast) as site:
                yield site


@asynccontextmanager
async def staged(postgres: Server) -> AsyncIterator[Stage]:
    """An arena in which everybody of OWNERS has something: an experiment with a trial, an invite, a judgement …"""
    with postgres.fresh() as url:
        async with connected(postgres, url) as database, opened(database) as site:
            await furnished(site)
            await started(database, debated())
            things = await _things(site)
            recruit, things["study_link"] = await _recruited(site)
            for trial in things.pop("talks"):
                await site.app.state.engine.advance(trial)
        yield Stage(postgres, url, {**site.cast, "recruit": recruit}, things)


async def _recruited(site: Site) -> tuple[Account, str]:
    """Open a study, in which a person takes part; return their account and the token of the link."""
    opened = await opened_study(site, study_file(trials=1), passages=1, arms={"naive": {"protocol": "naive"}})
    async with site.database.session.begin() as db:
        person = Newcomer("prolific", "pid-recruit", "session-of-recruit", "pid-recruit")
        study = await db.merge(opened.study, load=False)
        joined = await enrolments.join(
            db, study, person, role="judge", wanted=3, trials=1, page="consent", time_limit=None
        )
    assert joined is not None
    return joined.account, opened.path.removeprefix("/join/")


def debated() -> dict[str, Any]:
    """The file of an experiment with one debate, in which a person argues with a built-in."""
    seats = {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"}
    arms = {"debate": {"protocol": "debate", "rounds": 2, "min_words": 0, "target_words": 10, "seats": seats}}
    return spec(name="talks", tasks={"set": TASKS, "limit": 1}, arms=arms, judges=["lexical"])


async def _things(site: Site) -> dict[str, Any]:
    alice, judge = site.cast["alice"], site.cast["judge"]
    async with site.database.session.begin() as db:
        experiment = (await db.scalars(select(Experiment).where(Experiment.name == "for-people"))).one()
        spoken = select(Trial.id).where(
            Trial.argues.has_key("debater_a"), Trial.experiment_id == experiment.id
        )
        seat = await assignment.claim(db, site.cast["debater"].id, "debater")
        assert seat is not None
        db.add(Endpoint(id=(endpoint := uuid.uuid4()), name="far", base_url="http://127.0.0.1:9/v1"))
        invite = await people.new_invite(db, role="judge", shared=True, created_by=alice.id)
        hired = await people.new_invite(db, role="judge", shared=False, created_by=alice.id)
        person, _ = await people.join(db, hired, "Erin")
        link = await invite_path(db, await people.new_invite(db, role="judge", shared=True))
        await new_token(db, alice.id, "desk", ["read"], people.INVITE_LASTS)
        await db.execute(
            update(Account)
            .where(Account.id == alice.id)
            .values(password_hash=hasher.hash(PASSWORD), email="alice@arena.test")
        )
        spec_of_hers = study_spec(
            name="hers", experiments=["for-people"], people=1, trials=1, recruiter={"kind": "link"}
        )
        study = await study_service.create(db, alice, spec_of_hers)
        return {
            "sure": "yes",
            "experiment": experiment.name,
            "study": study.name,
            "enrolment": await enrolled(db, study, "Worker"),
            "trial": (await db.scalars(spoken.limit(1))).one(),
            "seat": seat,
            "talks": list(await db.scalars(select(SeatRow.play_id).where(SeatRow.role == "debater"))),
            "invite": invite.id,
            "person": person.id,
            "token": (await db.scalars(select(ApiToken.id))).one(),
            "judging": await assignment.claim(db, judge.id, "judge"),
            "endpoint": endpoint,
            "participant": (
                await db.scalars(select(Participant.id).where(Participant.kind == "builtin").limit(1))
            ).one(),
            "draft": await spec_drafts.save_draft(db, alice.id, None, "unfinished", {}),
            "set": TASKS,
            "question": (await db.scalars(select(Question.id).limit(1))).one(),
            "link": link.removeprefix("/invite/"),
            "email": "alice@arena.test",
            "password": PASSWORD,
        }


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────


def filled(route: Route, things: Mapping[str, object]) -> dict[str, Any]:
    """The route's body for these things."""
    body = route.body
    if "data" in body:
        known = {
            key: value.format_map(things) if isinstance(value, str) else value
            for key, value in body["data"].items()
        }
        return {**body, "data": known}
    return body


async def ask(
    browser: Browser, route: Route, things: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Make the route's request about these things, with the token of the browser's session where it is unsafe."""
    forgery = {"X-CSRF-Token": browser.csrf} if route.unsafe and browser.csrf else {}
    return await browser.request(
        route.method, route.at(things), headers={**forgery, **(headers or {})}, **filled(route, things)
    )


async def bearer(site: Site, who: str, *scopes: str) -> dict[str, str]:
    """The header of a token of somebody's with these scopes."""
    async with site.database.session.begin() as db:
        token = await new_token(db, site.cast[who].id, "test", scopes, people.INVITE_LASTS)
    return {"Authorization": f"Bearer {token}"}


async def contents(database: Database, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """A digest of every table, except those of which a refused request may write."""
    found = {}
    async with database.session() as db:
        names = await db.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for name in sorted(set(names) - set(but)):
            digest = text(
                f'SELECT md5(coalesce(string_agg(t::text, $$|$$ ORDER BY t::text), $$$$)) FROM "{name}" t'
            )
            found[name] = (await db.scalars(digest)).one()
    return found


__all__ = ["MISSING", "ROUTES", "Stage", "ask", "bearer", "connected", "contents", "filled", "staged"]
