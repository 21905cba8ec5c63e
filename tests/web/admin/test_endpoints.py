"""Endpoints in the browser: admins add and try them; keys stay where they are."""

import logging
import uuid
from collections import deque

import pytest
from sqlalchemy import func, select

from app.records.paging import PER_PAGE
from models import Audit, Endpoint
from tests.servers import Script, ScriptedServer
from tests.web.world import Browser, Site, statements

KEY = "sk-very-secret-0123456789"
FORM = {"name": "big", "base_url": "http://127.0.0.1:8001/v1", "api_key_env": "ARENA_KEY_BIG"}


async def on_record(site: Site) -> list[Endpoint]:
    async with site.database.session() as db:
        return list(await db.scalars(select(Endpoint).order_by(Endpoint.name)))


async def added(browser: Browser, url: str, **form: str) -> uuid.UUID:
    """Put an endpoint on record; its id."""
    answer = await browser.submit("/endpoints", {**FORM, "base_url": url, **form})
    assert answer.status_code == 303, answer.text
    return uuid.UUID(answer.headers["location"].removeprefix("/endpoints#"))


async def test_an_endpoint_is_added_listed_and_on_the_trail(site: Site) -> None:
    bob = await site.browser("bob")
    identity = await added(bob, "http://127.0.0.1:8001/v1")
    [row] = await on_record(site)
    assert (row.id, row.name, row.base_url, row.api_key_env) == (
        identity,
        "big",
        "http://127.0.0.1:8001/v1",
        "ARENA_KEY_BIG",
    )
    page = (await bob.get("/endpoints")).text
    assert "ARENA_KEY_BIG</code> (not set)" in page
    async with site.database.session() as db:
        entry = (await db.scalars(select(Audit).where(Audit.object_kind == "endpoint"))).one()
    assert (entry.action, entry.account_id, entry.object_id) == ("added", site.cast["bob"].id, str(identity))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"base_url": "http://10.0.0.7/v1"}, "may not connect to 10.0.0.7:80"),
        ({"base_url": "http://169.254.169.254/latest/meta-data"}, "may not connect"),
        ({"base_url": "http://[::ffff:10.0.0.7]/v1"}, "may not connect"),
        ({"base_url": "http://user:hunter2@127.0.0.1/v1"}, "has no user name, password or query"),
        ({"base_url": "http://127.0.0.1/v1?key=hunter2"}, "has no user name, password or query"),
        ({"base_url": "http://127.0.0.1/v1#x"}, "leave out what follows the #"),
        ({"base_url": "ftp://127.0.0.1/v1"}, "base_url: "),
        ({"base_url": "127.0.0.1:8001"}, "base_url: "),
        ({"base_url": "http://nowhere.invalid/v1"}, "has no address"),
        ({"api_key_env": "DATABASE_URL"}, "begins with ARENA_KEY_"),
        ({"api_key_env": "sk-very-secret-0123456789"}, "api_key_env: "),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused_and_the_form_comes_back(
    site: Site, change: dict[str, str], says: str
) -> None:
    bob = await site.browser("bob")
    answer = await bob.submit("/endpoints", {**FORM, **change})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'name="name" value="big"' in answer.text
    assert await on_record(site) == []


@pytest.mark.parametrize(
    "change", [{"name": ""}, {"name": "a b"}, {"base_url": "h" * 501}, {"name": "big\0"}]
)
async def test_a_hand_made_form_is_refused(site: Site, change: dict[str, str]) -> None:
    bob = await site.browser("bob")
    assert (await bob.submit("/endpoints", {**FORM, **change})).status_code == 422
    assert await on_record(site) == []


AZURE = {
    "headers": "api-key: ARENA_KEY_AZURE\n\n x-team : ARENA_KEY_TEAM",
    "query": "api-version: 2024-10-21\ncode: $ARENA_KEY_CODE",
    "fold_system": "true",
}


async def test_headers_and_query_are_kept_by_the_names_of_their_variables(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARENA_KEY_AZURE", KEY)
    bob = await site.browser("bob")
    await added(bob, "http://127.0.0.1:8001/v1", **AZURE)
    [row] = await on_record(site)
    assert row.more == {
        "headers": {"api-key": "ARENA_KEY_AZURE", "x-team": "ARENA_KEY_TEAM"},
        "query": {"api-version": "2024-10-21", "code": "$ARENA_KEY_CODE"},
        "fold_system": True,
    }
    page = (await bob.get("/endpoints")).text
    for shown in ("ARENA_KEY_AZURE</code> (set)", "ARENA_KEY_TEAM</code> (not set)", "2024-10-21</code>"):
        assert shown in page
    assert KEY not in page


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"headers": "api-key: DATABASE_URL"}, "have the operator list DATABASE_URL"),
        ({"query": "code: $DATABASE_URL"}, "have the operator list DATABASE_URL"),
        ({"headers": "api-key: sk-very-secret-0123456789"}, "headers.api-key: "),
        ({"query": "api_key: hunter2"}, "looks like a secret"),
        ({"headers": "Host: ARENA_KEY_BIG"}, "belongs to the connection"),
        ({"headers": "Content-Length: ARENA_KEY_BIG"}, "belongs to the connection"),
        ({"headers": "Proxy-Authorization: ARENA_KEY_BIG"}, "belongs to the connection"),
        ({"headers": "a b: ARENA_KEY_BIG"}, "cannot be called"),
        ({"headers": "api-key"}, "write each name once"),
        ({"query": "a: 1\na: 2"}, "write each name once"),
    ],
)
async def test_headers_and_query_that_would_give_a_secret_away_are_refused(
    site: Site, change: dict[str, str], says: str
) -> None:
    bob = await site.browser("bob")
    answer = await bob.submit("/endpoints", {**FORM, **change})
    assert answer.status_code == 422
    assert says in answer.text
    assert await on_record(site) == []


async def test_a_name_has_one_address_that_never_changes(site: Site) -> None:
    bob = await site.browser("bob")
    await added(bob, "http://127.0.0.1:8001/v1")
    again = await bob.submit("/endpoints", {**FORM, "base_url": "http://127.0.0.1:8002/v1"})
    assert again.status_code == 409
    assert "http://127.0.0.1:8002/v1" in again.text, "the form comes back"
    assert [row.base_url for row in await on_record(site)] == ["http://127.0.0.1:8001/v1"]
    assert (await bob.request("PUT", "/endpoints")).status_code == 405


async def test_researchers_neither_see_nor_add_endpoints(site: Site) -> None:
    alice = await site.browser("alice")
    assert (await alice.get("/endpoints")).status_code == 403
    assert (await alice.submit("/endpoints", FORM)).status_code == 403
    assert await on_record(site) == []


async def test_trying_tells_models_log_probabilities_and_speed(site: Site) -> None:
    async with ScriptedServer(Script(models=("tiny", "<b>huge</b>"))) as server:
        bob = await site.browser("bob")
        identity = await added(bob, server.base_url, api_key_env="")
        page = await bob.submit(f"/endpoints/{identity}/try")
        piece = await bob.submit(f"/endpoints/{identity}/try", headers={"HX-Request": "true"})
    assert "<!doctype html>" in page.text
    assert "<!doctype html>" not in piece.text
    for text in (page.text, piece.text):
        assert "&lt;b&gt;huge&lt;/b&gt;, tiny" in text
        assert "<dt>Log-probabilities</dt><dd>yes</dd>" in text
        assert " s</dd>" in text


@pytest.mark.parametrize("logprobs", ["refused", "omitted"])
async def test_trying_tells_where_there_are_no_log_probabilities(site: Site, logprobs: str) -> None:
    script = Script(logprobs="refused" if logprobs == "refused" else "omitted")
    async with ScriptedServer(script) as server:
        bob = await site.browser("bob")
        page = await bob.submit(f"/endpoints/{await added(bob, server.base_url, api_key_env='')}/try")
    assert "no: beliefs will be stated in words" in page.text


async def test_trying_what_is_away_or_fails_says_so(site: Site) -> None:
    bob = await site.browser("bob")
    away = await added(bob, "http://127.0.0.1:9/v1", name="away", api_key_env="")
    page = await bob.submit(f"/endpoints/{away}/try")
    assert (page.status_code, "cannot be reached" in page.text) == (200, True)
    async with ScriptedServer(Script(faults=deque(["500"]))) as server:
        ill = await added(bob, server.base_url, name="ill", api_key_env="")
        page = await bob.submit(f"/endpoints/{ill}/try")
    assert "answered 500" in page.text
    assert "scripted" in page.text, "its models are told all the same"
    async with ScriptedServer(Script(models=())) as server:
        empty = await added(bob, server.base_url, name="empty", api_key_env="")
        assert "serves no model" in (await bob.submit(f"/endpoints/{empty}/try")).text
    assert (await bob.submit(f"/endpoints/{uuid.uuid4()}/try")).status_code == 404


async def test_no_key_is_ever_in_a_page_a_log_or_the_trail(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ARENA_KEY_BIG", KEY)
    bob = await site.browser("bob")
    seen = []
    for name, accepted in (("right", KEY), ("wrong", "another")):
        async with ScriptedServer(Script(key=accepted)) as server:
            identity = await added(bob, server.base_url, name=name)
            seen.append((await bob.submit(f"/endpoints/{identity}/try")).text)
    assert "<dt>Models</dt><dd>scripted</dd>" in seen[0], "the key was sent"
    assert "refused the key in the environment variable ARENA_KEY_BIG" in seen[1]
    seen.append((await bob.get("/endpoints")).text)
    assert "ARENA_KEY_BIG</code> (set)" in seen[2]
    seen.append((await bob.get("/audit")).text)
    async with site.database.session() as db:
        seen.append(str([row.detail for row in await db.scalars(select(Audit))]))
    assert all(KEY not in text for text in [*seen, caplog.text])


async def test_a_server_that_repeats_the_key_does_not_get_it_shown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARENA_KEY_BIG", KEY)
    async with ScriptedServer(Script(refusal=(400, f"Bad request with {KEY}", None))) as server:
        bob = await site.browser("bob")
        page = await bob.submit(f"/endpoints/{await added(bob, server.base_url)}/try")
    assert "[key]" in page.text
    assert KEY not in page.text


@pytest.mark.usefixtures("stopped_clock")
async def test_trying_is_bounded(site: Site) -> None:
    async with ScriptedServer() as server:
        bob = await site.browser("bob")
        identity = await added(bob, server.base_url, api_key_env="")
        answers = [(await bob.submit(f"/endpoints/{identity}/try")).status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]


async def test_endpoints_come_in_pages_and_more_of_them_mean_no_more_queries(site: Site) -> None:
    bob = await site.browser("bob")
    with statements(site.database) as few:
        await bob.get("/endpoints")
    async with site.database.session.begin() as db:
        db.add_all(Endpoint(name=f"e{n:03}", base_url="http://127.0.0.1/v1") for n in range(PER_PAGE + 1))
    with statements(site.database) as many:
        first = (await bob.get("/endpoints")).text
    assert len(many) == len(few)
    assert first.count('<th scope="row"') == PER_PAGE
    second = (await bob.get("/endpoints", params={"page": 2})).text
    assert second.count('<th scope="row"') == 1
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Endpoint)) == PER_PAGE + 1
