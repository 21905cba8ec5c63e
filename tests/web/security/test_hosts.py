"""Under which names the arena answers, and how long and where a user stays signed in."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from app.settings import Settings
from models import Session
from tests.web.world import Site

FORM = {"role": "judge", "kind": "shared"}


def set_to(site: Site, **settings: object) -> None:
    """Change settings of the application."""
    site.app.state.settings = site.app.state.settings.model_copy(update=settings)


# ── hosts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host",
    ["evil.test", "arena.test.evil.test", "evil.test:80", "arena.test@evil.test", "", "[", "192.0.2.7"],
)
async def test_no_link_repeats_a_name_that_is_not_the_arenas(site: Site, host: str) -> None:
    alice, before = await site.browser("alice"), await invites(site)
    answer = await alice.submit("/people/invites", FORM, headers={"Host": host})
    assert answer.status_code == 421
    assert "/invite/" not in answer.text
    assert "ARENA_HOSTS" in answer.text
    assert await invites(site) == before


async def invites(site: Site) -> int:
    """How many invites there are."""
    async with site.database.session() as db:
        return await db.scalar(text("SELECT count(*) FROM invite")) or 0


async def test_names_of_the_settings_are_answered_and_linked(site: Site) -> None:
    alice = await site.browser("alice")
    set_to(site, hosts=("arena.example.org", "*.lab.example"))
    for host in ("arena.example.org", "a.lab.example", "A.Lab.Example:8000", "localhost:8000", "[::1]:8000"):
        page = await alice.submit("/people/invites", FORM, headers={"Host": host})
        assert f"http://{host}/invite/".lower() in page.text.lower(), host
    for host in ("lab.example", "alab.example", "www.arena.example.org"):
        assert (await alice.get("/", headers={"Host": host})).status_code == 421


async def test_a_probe_is_answered_under_any_name(site: Site) -> None:
    browser = await site.browser()
    assert (await browser.get("/healthz", headers={"Host": "10.1.2.3:8000"})).status_code == 200


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_idle_session_ends_and_one_in_use_goes_on(site: Site) -> None:
    set_to(site, session_idle_hours=24)
    alice = await site.browser("alice")
    await aged(site, hours=23, column="seen_at")
    assert (await alice.get("/experiments")).status_code == 200
    await aged(site, hours=23, column="seen_at")
    assert (await alice.get("/experiments")).status_code == 200
    await aged(site, hours=25, column="seen_at")
    assert (await alice.get("/experiments")).status_code == 303


async def test_a_session_in_use_ends_too_when_its_whole_time_is_over(site: Site) -> None:
    alice = await site.browser("alice")
    await aged(site, hours=30, column="created_at")
    assert (await alice.get("/experiments")).status_code == 200
    set_to(site, session_hours=24)
    assert (await alice.get("/experiments")).status_code == 303


async def aged(site: Site, *, hours: float, column: str) -> None:
    """Put a time of every session so many hours into the past."""
    async with site.database.session.begin() as db:
        now = await db.scalar(select(text("now()")))
        await db.execute(update(Session).values({column: now - timedelta(hours=hours)}))


async def test_signing_out_everywhere_ends_every_session_of_this_account_alone(site: Site) -> None:
    desk, phone, other = [await site.browser(who) for who in ("alice", "alice", "charlie")]
    assert "/sign-out-everywhere" in (await desk.get("/account/tokens")).text
    answer = await desk.submit("/sign-out-everywhere")
    assert answer.headers["location"] == "/sign-in"
    assert (await desk.get("/experiments")).status_code == 303
    assert (await phone.get("/experiments")).status_code == 303
    assert (await other.get("/experiments")).status_code == 200


def test_the_limits_of_sessions_are_settings() -> None:
    assert Settings().session_hours == 720
    assert Settings().session_idle_hours == 168
