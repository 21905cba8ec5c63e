"""What every request passes: tokens against forgery, strict headers and pages, cookies, limits, and the audit trail."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import DBAPIError

from app.records.database import Database, migrate
from app.studies.returning import PROLIFIC
from app.web.security import middleware
from app.web.security.middleware import COOKIE
from models import Account, Audit
from tests.database import Server
from tests.web.fixtures import MISSING, Stage, ask, bearer, connected, contents
from tests.web.routes import ROUTES
from tests.web.world import ORIGIN, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNSAFE = [name for name, route in ROUTES.items() if route.unsafe and not route.scope]
READ = [name for name, route in ROUTES.items() if not route.unsafe]
COUNTED = ("rate_count",)
"""Tables in which a refused request may leave something."""


# ── forged requests ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", UNSAFE)
async def test_a_forged_request_is_refused_and_changes_nothing(site: Site, stage: Stage, name: str) -> None:
    """From another site, whoever is signed in; and from a session without its token or with another one's."""
    route = ROUTES[name]
    browser, other = await site.browser(route.maker), await site.browser(route.maker)
    own = {"X-CSRF-Token": browser.csrf}
    forged = [
        {**own, "Sec-Fetch-Site": "cross-site"},
        {**own, "Sec-Fetch-Site": "same-site"},
        {**own, "Origin": "https://evil.test"},
        {**own, "Origin": "null"},
    ]
    if browser.account is not None:
        forged += [{"X-CSRF-Token": ""}, {"X-CSRF-Token": other.csrf}, {"X-CSRF-Token": "%"}]
    before = await contents(site.database, but=COUNTED)
    for headers in forged:
        assert (await ask(browser, route, stage.things, headers)).status_code == 403, headers
    assert await contents(site.database, but=COUNTED) == before


@pytest.mark.parametrize("name", UNSAFE)
async def test_a_request_of_the_arenas_own_page_is_not_taken_for_a_forgery(
    site: Site, stage: Stage, name: str
) -> None:
    route = ROUTES[name]
    things = {**stage.things, **MISSING, "password": "wrong"}
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": ORIGIN}):
        answer = await ask(await site.browser(route.maker), route, things, headers)
        assert "another site" not in answer.text
        assert "out of date" not in answer.text


@pytest.mark.parametrize("name", READ)
async def test_every_form_of_a_page_carries_its_sessions_token(site: Site, stage: Stage, name: str) -> None:
    route = ROUTES[name]
    if route.scope:
        return
    for who in {route.maker, "nobody", *(["bob", "judge"] if "nobody" in route.who else [])}:
        browser = await site.browser(who)
        for form in seen(await ask(browser, route, stage.things)).forms:
            assert ("csrf_token", browser.csrf) in form, name


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Seen(HTMLParser):
    """What of a page could run, load or send something; `forms` holds the hidden fields of those that POST."""

    def __init__(self, nonce: str) -> None:
        super().__init__()
        self.nonce = nonce
        self.wrong: list[str] = []
        self.forms: list[list[tuple[str | None, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("style", "base", "iframe", "object", "embed", "applet"):
            self.wrong.append(f"<{tag}>")
        if tag == "script" and (given.get("nonce") != self.nonce or not given.get("src")):
            self.wrong.append("a script without address or nonce")
        if tag == "form":
            self.forms += [[]] if given.get("method") == "post" else []
        if tag == "input" and given.get("type") == "hidden" and self.forms:
            self.forms[-1].append((given.get("name"), given.get("value")))
        for key, value in attrs:
            told_to_run = key == "hx-vals" and (value or "").lstrip()[:1] != "{"
            if key == "style" or key.startswith(("on", "hx-on", "hx-vars")) or told_to_run:
                self.wrong.append(f"{key}= on <{tag}>")
            if key in (
                "src",
                "href",
                "action",
                "formaction",
                "srcset",
                "poster",
                "data",
                "hx-get",
                "hx-post",
            ):
                self._address(tag, value or "")

    def _address(self, tag: str, value: str) -> None:
        ours = value.startswith(("/", "#", "?", f"{ORIGIN}/")) and not value.startswith("//")
        # Pictures are the only data in an address that the policy allows; as images they run nothing.
        picture = tag in ("img", "source") and value.startswith("data:image/svg+xml;base64,")
        # The way back from a study, which takes nothing along but its code.
        back = tag == "a" and value.startswith(PROLIFIC.format(code=""))
        if not (ours or picture or back):
            self.wrong.append(f"<{tag}> leads to {value}")


def seen(answer: httpx.Response) -> Seen:
    """The page of an answer, read; an answer that is no page is an empty one."""
    [nonce] = re.findall(r"script-src 'nonce-([\w-]+)'", answer.headers["content-security-policy"])
    page = Seen(nonce)
    if answer.headers.get("content-type", "").startswith("text/html"):
        page.feed(answer.text)
    return page


def assert_strict(answer: httpx.Response) -> None:
    """That an answer has every header it should have."""
    policy = re.sub(r"nonce-[\w-]{20,}", "nonce", answer.headers["content-security-policy"])
    assert policy == (
        "default-src 'none'; script-src 'nonce'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "server" not in answer.headers


@pytest.mark.parametrize("name", READ)
async def test_every_page_is_strict_and_holds_nothing_that_its_policy_forbids(
    site: Site, stage: Stage, name: str
) -> None:
    route = ROUTES[name]
    headers = await bearer(site, route.maker, route.scope) if route.scope else {}
    browser = await site.browser("nobody" if route.scope else route.maker)
    answers = [
        await ask(browser, route, things, {**headers, **more})
        for things in (stage.things, {**stage.things, **MISSING})
        for more in ({}, {"HX-Request": "true"})
    ]
    for answer in answers:
        assert_strict(answer)
        assert answer.headers["cache-control"] == "no-store"
        assert not seen(answer).wrong
    assert len({answer.headers["content-security-policy"] for answer in answers}) == len(answers)


async def test_refusals_files_and_what_is_not_there_are_as_strict(site: Site) -> None:
    browser = await site.browser("judge")
    answers = [
        await browser.get("/nothing/here"),
        await browser.get("/experiments"),
        await browser.delete("/judge"),
        await browser.get("/seat/none"),
        await browser.get("/static/arena.css"),
        await browser.get("/static/none.css"),
        await browser.post("/judge/next", headers={"Content-Length": str(middleware.MAX_BODY + 1)}),
        await browser.get("/", headers={b"Content-Length": "\N{SUPERSCRIPT TWO}".encode("latin-1")}),
    ]
    assert [answer.status_code for answer in answers] == [404, 403, 405, 422, 200, 404, 413, 413]
    for answer in answers:
        assert_strict(answer)
        assert not seen(answer).wrong


async def test_a_failure_of_our_own_is_as_strict_and_tells_nothing_of_its_cause(stage: Stage) -> None:
    broken = APIRouter()

    @broken.get("/broken", name="home")
    async def fail() -> None:
        raise RuntimeError("the gold answer is B")

    async with stage.play() as site:
        site.app.include_router(broken)
        transport = httpx.ASGITransport(site.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
            answer = await browser.get("/broken")
    assert answer.status_code == 500
    assert_strict(answer)
    assert not seen(answer).wrong
    assert "gold" not in answer.text


async def test_a_body_is_counted_as_it_comes_where_no_length_was_announced(
    site: Site, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    monkeypatch.setattr(middleware, "MAX_FORM", 1000)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"email=" + 100 * b"x"

    async with stage.play() as small:
        browser = await small.browser()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await browser.post("/sign-in", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert_strict(answer)


@pytest.mark.parametrize(
    ("address", "most"), [("/judge", middleware.MAX_FORM), ("/tasks", middleware.MAX_BODY)]
)
async def test_only_task_files_may_be_large(site: Site, address: str, most: int) -> None:
    alice = await site.browser("alice")
    for length, refused in ((most, False), (most + 1, True)):
        answer = await alice.post(address, headers={"Content-Length": str(length)})
        assert (answer.status_code == 413) is refused


# ── cookies ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("origin", "headers", "secure"),
    [
        ("http://arena.test", {}, False),
        ("https://arena.test", {}, True),
        ("http://arena.test", {"X-Forwarded-Proto": "https"}, True),
    ],
)
async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    site: Site, stage: Stage, origin: str, headers: dict[str, str], secure: bool
) -> None:
    transport = httpx.ASGITransport(site.app)
    async with httpx.AsyncClient(transport=transport, base_url=origin) as browser:
        form = {"email": str(stage.things["email"]), "password": str(stage.things["password"])}
        [cookie] = (await browser.post("/sign-in", data=form, headers=headers)).headers.get_list("set-cookie")
    name, *flags = cookie.lower().split("; ")
    assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}", name)
    assert {"httponly", "samesite=lax", "path=/"} <= set(flags)
    assert ("secure" in flags) == secure
    assert not any(flag.startswith("domain") for flag in flags)


# ── behind a proxy ──────────────────────────────────────────────────────────────────────────────────────────────

PUBLIC = "https://arena.example.org"
PROXY = "10.0.0.5"


@pytest_asyncio.fixture(loop_scope="module")
async def proxied(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A copy of the stage whose operator has named its address and its proxies."""
    monkeypatch.setenv("ARENA_PUBLIC_URL", f"{PUBLIC}:443/")
    monkeypatch.setenv("ARENA_TRUSTED_PROXIES", "10.0.0.0/24, ::1")
    async with stage.play() as site:
        yield site


async def signing_in(site: Site, peer: str = PROXY, **headers: str) -> httpx.Response:
    """A wrong password, sent by a machine at this address."""
    transport = httpx.ASGITransport(site.app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://backend:8000") as browser:
        form = {"email": f"{headers}@arena.test", "password": "wrong"}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await browser.post("/sign-in", data=form, headers=sent)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": PUBLIC}, 403),
        ({"Origin": PUBLIC, "Sec_Fetch_Site": "same-origin"}, 403),
        ({"Origin": PUBLIC, "Sec_Fetch_Site": "cross-site"}, None),
        ({"Origin": "http://arena.example.org"}, None),
        ({"Origin": f"{PUBLIC}:8443"}, None),
        ({"Origin": "http://backend:8000"}, None),
        ({"Origin": "http://backend:8000", "Sec_Fetch_Site": "same-origin"}, None),
        ({"Origin": "null"}, None),
    ],
)
async def test_forms_are_taken_from_the_public_address_and_from_no_other(
    proxied: Site, headers: dict[str, str], status: int | None
) -> None:
    answer = await signing_in(proxied, **headers)
    assert answer.status_code == 403
    assert ("another site" in answer.text) is (status is None)


async def test_the_cookie_follows_the_public_address(proxied: Site, stage: Stage) -> None:
    transport = httpx.ASGITransport(proxied.app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
        form = {"email": str(stage.things["email"]), "password": str(stage.things["password"])}
        answer = await browser.post("/sign-in", data=form)
    assert "; Secure" in answer.headers["set-cookie"]


async def test_links_begin_with_the_public_address_whatever_host_was_asked(proxied: Site) -> None:
    alice = await proxied.browser("alice")
    page = await alice.submit(
        "/people/invites", {"role": "judge", "kind": "shared"}, headers={"Host": "localhost:8000"}
    )
    assert f"{PUBLIC}/invite/" in page.text
    assert "localhost" not in page.text
    headers = await bearer(proxied, "alice", "write")
    made = await alice.post("/api/v1/invites", json={"role": "judge"}, headers=headers)
    assert made.json()["link"].startswith(f"{PUBLIC}/invite/")


async def tries(site: Site) -> set[str]:
    async with site.database.session() as db:
        keys = await db.scalars(text("SELECT key FROM rate_count WHERE key LIKE 'sign-in/%'"))
        return {key.removeprefix("sign-in/") for key in keys if "@" not in key}


async def test_tries_count_for_who_stands_behind_a_trusted_proxy(proxied: Site) -> None:
    await signing_in(proxied, X_Forwarded_For="203.0.113.7")
    await signing_in(proxied, X_Forwarded_For="6.6.6.6, 203.0.113.8, 10.0.0.9")
    await signing_in(proxied, "::1", X_Forwarded_For="[2001:db8::1]:99")
    assert await tries(proxied) == {"203.0.113.7", "203.0.113.8", "2001:db8::1"}


async def test_nobody_else_says_where_a_request_comes_from(proxied: Site, stage: Stage) -> None:
    await signing_in(proxied, "10.0.1.5", X_Forwarded_For="203.0.113.7")
    assert await tries(proxied) == {"10.0.1.5"}
    async with stage.play() as site:
        await signing_in(site, "127.0.0.1", X_Forwarded_For="203.0.113.7")
        assert await tries(site) == {"127.0.0.1"}


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_passwords_are_kept_as_argon2(site: Site) -> None:
    async with site.database.session() as db:
        kept = (
            await db.scalars(select(Account.password_hash).where(Account.password_hash.is_not(None)))
        ).one()
    assert str(kept).startswith("$argon2id$")


@pytest.mark.outside
async def test_every_installation_has_a_key_of_its_own(postgres: Server) -> None:
    """None is shipped, and none is made from anything that others know."""
    keys = []
    with postgres.fresh() as url:
        engine = create_engine(url)
        for _ in range(2):
            with engine.begin() as connection:
                keys.append(connection.scalar(text("SELECT value FROM secret WHERE name = 'signing'")))
                migrate(connection, "base")
                migrate(connection)
        engine.dispose()
    assert len(set(keys)) == 2
    assert all(len(key) == 32 for key in keys)


@pytest.mark.outside
async def test_a_new_arena_lets_nobody_in(postgres: Server) -> None:
    with postgres.fresh() as url:
        async with connected(postgres, url) as database, database.session() as db:
            assert (await db.scalars(select(Account))).all() == []


# ── the audit trail ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET action = 'nothing'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "TRUNCATE account, audit CASCADE",
    ],
)
async def test_the_database_lets_nobody_change_the_trail(site: Site, change: str) -> None:
    with pytest.raises(DBAPIError, match="can only be added to"):
        async with site.database.session.begin() as db:
            await db.execute(text(change))


async def entries(database: Database) -> list[Audit]:
    async with database.session() as db:
        return list(await db.scalars(select(Audit).order_by(Audit.id)))


@pytest.mark.outside
@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.unsafe])
async def test_whatever_changes_something_is_on_the_trail_with_who_did_it(stage: Stage, name: str) -> None:
    route = ROUTES[name]
    async with stage.play() as site:
        async with site.database.session.begin() as db:
            await db.execute(text(route.first or "SELECT 1"))
        headers = await bearer(site, route.maker, route.scope) if route.scope else None
        browser = await site.browser("nobody" if headers else route.maker)
        before = await entries(site.database)
        answer = await ask(browser, route, stage.things, headers)
        assert answer.status_code < 400 or answer.status_code == route.answers, answer.text
        new = (await entries(site.database))[len(before) :]
    new = [entry for entry in new if entry.action not in route.besides]
    assert [entry.action for entry in new] == ([route.leaves] if route.leaves else [])
    who = None if route.maker == "nobody" else site.cast[route.maker].id
    assert all(entry.account_id == who if who else entry.account_id is not None for entry in new)


@pytest.mark.outside
@pytest.mark.parametrize("name", READ)
async def test_reading_changes_nothing_but_what_the_table_says(site: Site, stage: Stage, name: str) -> None:
    route = ROUTES[name]
    headers = await bearer(site, route.maker, route.scope) if route.scope else None
    browser = await site.browser("nobody" if headers else route.maker)
    before, trail = await contents(site.database, but=COUNTED), await entries(site.database)
    status = (await ask(browser, route, stage.things, headers)).status_code
    assert status < 400 or status == route.answers
    changed = {
        table for table, held in (await contents(site.database, but=COUNTED)).items() if held != before[table]
    }
    new = (await entries(site.database))[len(trail) :]
    assert [entry.action for entry in new] == ([route.leaves] if route.leaves else [])
    kept = {"enrolment", "study_step"} if route.by == "recruit" else {"seat"}
    assert changed <= ({"audit"} if route.leaves else kept if route.quiet else set())
