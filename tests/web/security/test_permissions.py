"""Who may do what, tried out: every route with every role and every scope, on one's own things and on others'."""

import re

import httpx
import pytest
from sqlalchemy import text

from app.web.security.permissions import PERMISSIONS, SCOPES
from tests.web.fixtures import MISSING, Stage, ask, bearer
from tests.web.routes import ANYONE, OWNERS, ROUTES, named
from tests.web.world import WHO, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = [name for name, route in ROUTES.items() if not route.scope]
API = [name for name, route in ROUTES.items() if route.scope]
OWNED = [name for name, route in ROUTES.items() if route.names]
WITH_FORM = [name for name, route in ROUTES.items() if name != "sign_in" and "{" in str(route.form or "")[1:]]
"""Routes that name a thing in their form."""
LEAVES = ("sign_out", "sign_out_everywhere", "home")
"""Routes that lead to the sign-in."""
WITH_ADDRESS = [name for name, route in ROUTES.items() if "{" in route.address]


def is_sent_to_sign_in(answer: httpx.Response) -> bool:
    return answer.status_code == 303 and answer.headers["location"] == "/sign-in"


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_route_is_in_the_table_and_the_table_agrees_with_the_rules() -> None:
    assert {name: frozenset(route.who) for name, route in ROUTES.items()} == PERMISSIONS
    assert {name: route.scope for name, route in ROUTES.items() if route.scope} == SCOPES


async def test_every_row_of_the_table_asks_the_route_it_is_for(stage: Stage) -> None:
    for name, route in ROUTES.items():
        assert named(route.method, route.at(stage.things).partition("?")[0]) == name


# ── roles ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PAGES)
async def test_who_may_not_is_refused_whatever_they_ask_for(site: Site, stage: Stage, name: str) -> None:
    route = ROUTES[name]
    for role in set(ANYONE) - set(route.who):
        for things in (stage.things, {**stage.things, **MISSING}):
            answer = await ask(await site.browser(role), route, things)
            refused = is_sent_to_sign_in(answer) if role == "nobody" else answer.status_code == 403
            assert refused, f"{role}: {answer.status_code}"


@pytest.mark.parametrize("name", PAGES)
async def test_who_may_is_let_through_and_learns_that_a_thing_is_missing(
    site: Site, stage: Stage, name: str
) -> None:
    route = ROUTES[name]
    for role in route.who:
        answer = await ask(await site.browser(role), route, {**stage.things, **MISSING})
        if name in WITH_ADDRESS:
            assert answer.status_code == 404, role
        elif name in WITH_FORM:
            assert answer.status_code == 422, role
        else:
            assert answer.status_code in (200, 303, route.answers), role
            assert name in LEAVES or not is_sent_to_sign_in(answer), role


# ── one's own things, and others' ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [name for name in OWNED if not ROUTES[name].unsafe])
async def test_things_are_there_for_their_owner_and_for_admins(site: Site, stage: Stage, name: str) -> None:
    route = ROUTES[name]
    owner, others = OWNERS[route.names]
    for who in {owner, "bob"} - set(others):
        if site.cast[who].role not in route.who:
            continue
        headers = await bearer(site, who, route.scope) if route.scope else None
        answer = await ask(await site.browser("nobody" if headers else who), route, stage.things, headers)
        assert answer.status_code == 200, who


@pytest.mark.parametrize("name", OWNED)
async def test_anothers_thing_answers_exactly_as_one_that_does_not_exist(
    site: Site, stage: Stage, name: str
) -> None:
    route = ROUTES[name]
    for who in OWNERS[route.names][1]:
        if site.cast[who].role not in route.who:
            continue
        headers = await bearer(site, who, route.scope) if route.scope else None
        browser = await site.browser("nobody" if headers else who)
        answers = [
            await ask(browser, route, things, headers)
            for things in (stage.things, {**stage.things, **MISSING})
        ]
        assert answers[0].status_code == 404, who
        anothers = without(answers[0], stage.things[route.names])
        assert anothers == without(answers[1], MISSING[route.names]), who


def without(answer: httpx.Response, thing: object) -> tuple[int, dict[str, str], str]:
    """An answer but for the name of what was asked for and for the nonce, which no two answers share."""
    [nonce] = re.findall(r"'nonce-([^']+)'", answer.headers["content-security-policy"])
    headers = {
        key: value.replace(nonce, "") for key, value in answer.headers.items() if key != "content-length"
    }
    return answer.status_code, headers, answer.text.replace(nonce, "").replace(str(thing), "")


# ── the API ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", API)
async def test_the_api_takes_a_valid_token_and_nothing_else(site: Site, stage: Stage, name: str) -> None:
    """Neither a session's cookie, so that no other site can use it, nor a token that has ended."""
    route = ROUTES[name]
    ended = await bearer(site, "bob", "read", "write", "admin")
    async with site.database.session.begin() as db:
        await db.execute(text("UPDATE api_token SET expires_at = now() WHERE name = 'test'"))
    wrong = [None, {"Authorization": "Bearer arena_wrong"}, {"Authorization": "Basic Ym9iOg=="}, ended]
    for who, headers in [("bob", None), *(("nobody", header) for header in wrong)]:
        answer = await ask(await site.browser(who), route, stage.things, headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("name", API)
@pytest.mark.parametrize("role", sorted(WHO))
async def test_both_the_scope_and_the_role_must_allow_a_call(
    site: Site, stage: Stage, name: str, role: str
) -> None:
    route = ROUTES[name]
    for scope in ("read", "write", "admin"):
        headers = await bearer(site, WHO[role], scope)
        answer = await ask(await site.browser(), route, {**stage.things, **MISSING}, headers)
        if scope != route.scope or role not in route.who:
            assert answer.status_code == 403, scope
        elif name in WITH_ADDRESS:
            assert answer.status_code == 404, scope
        else:
            assert answer.status_code in (200, 201, 409), "it is done, or was before"


async def test_the_token_of_a_closed_account_is_worth_nothing(stage: Stage) -> None:
    async with stage.play() as site:
        headers = await bearer(site, "alice", "read")
        browser = await site.browser()
        assert (await browser.get("/api/v1/tasks", headers=headers)).status_code == 200
        async with site.database.session.begin() as db:
            await db.execute(text("UPDATE account SET disabled_at = now() WHERE name = 'Alice'"))
        assert (await browser.get("/api/v1/tasks", headers=headers)).status_code == 401
