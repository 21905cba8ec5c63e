"""Personal tokens in the browser: made, shown once, revoked, expired."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.records import tokens
from app.records.paging import PER_PAGE
from models import ApiToken, Audit
from tests.web.world import Browser, Site, statements

PATH = "/account/tokens"


async def made(browser: Browser, *scopes: str, **form: str) -> str:
    """Make a token; what the page shows."""
    answer = await browser.submit(
        PATH, {"name": "laptop", "days": "90", "scopes": scopes or ("read",), **form}
    )
    assert answer.status_code == 200, answer.text
    found = re.search(r'value="(arena_[\w-]+)"', answer.text)
    assert found is not None
    return found[1]


async def works(site: Site, token: str) -> bool:
    async with site.database.session() as db:
        return await tokens.holder(db, token) is not None


async def rows(site: Site) -> list[ApiToken]:
    async with site.database.session() as db:
        return list(await db.scalars(select(ApiToken).order_by(ApiToken.created_at)))


async def test_a_token_is_shown_once_and_only_its_digest_is_kept(site: Site) -> None:
    alice = await site.browser("alice")
    token = await made(alice, "read", "write")
    assert await works(site, token)
    [row] = await rows(site)
    assert token.encode() not in row.token_digest
    assert row.scopes == ["read", "write"]
    page = await alice.get(PATH)
    assert "laptop" in page.text
    assert token not in page.text
    async with site.database.session() as db:
        entry = (await db.scalars(select(Audit).where(Audit.object_kind == "token"))).one()
    assert (entry.action, token in str(entry.detail)) == ("made", False)


async def test_a_token_without_a_purpose_is_refused_and_the_form_comes_back(site: Site) -> None:
    alice = await site.browser("alice")
    answer = await alice.submit(PATH, {"name": "my laptop", "days": "7"})
    assert answer.status_code == 422
    assert "Choose what the token is for" in answer.text
    assert 'name="name" value="my laptop"' in answer.text
    assert 'value="7"' in answer.text
    assert await rows(site) == []


@pytest.mark.parametrize(
    "form",
    [{"name": ""}, {"name": "n" * 101}, {"days": "0"}, {"days": "366"}, {"scopes": "all"}, {"name": "\0"}],
)
async def test_a_hand_made_form_is_refused(site: Site, form: dict[str, str]) -> None:
    alice = await site.browser("alice")
    answer = await alice.submit(PATH, {"name": "laptop", "days": "90", "scopes": "read", **form})
    assert answer.status_code == 422
    assert await rows(site) == []


async def test_only_admins_make_tokens_for_administration(site: Site) -> None:
    alice, bob = await site.browser("alice"), await site.browser("bob")
    assert 'value="admin"' not in (await alice.get(PATH)).text
    refused = await alice.submit(PATH, {"name": "laptop", "days": "90", "scopes": "admin"})
    assert refused.status_code == 403
    assert await works(site, await made(bob, "admin"))


@pytest.mark.parametrize("who", ["judge", "debater"])
async def test_judges_and_debaters_have_no_tokens(site: Site, who: str) -> None:
    browser = await site.browser(who)
    assert (await browser.get(PATH)).status_code == 403
    assert (await browser.submit(PATH, {"name": "x", "days": "9", "scopes": "read"})).status_code == 403


async def test_a_revoked_token_ends_at_once_and_says_so(site: Site) -> None:
    alice = await site.browser("alice")
    token = await made(alice)
    [row] = await rows(site)
    assert (await alice.submit(f"{PATH}/{row.id}/revoke")).headers["location"] == PATH
    assert not await works(site, token)
    assert "revoked" in (await alice.get(PATH)).text
    assert (await alice.submit(f"{PATH}/{row.id}/revoke")).status_code == 404


async def test_nobody_revokes_or_sees_anothers_token(site: Site) -> None:
    token = await made(await site.browser("alice"))
    [row] = await rows(site)
    for who in ("charlie", "bob"):
        browser = await site.browser(who)
        assert "You have none." in (await browser.get(PATH)).text
        assert (await browser.submit(f"{PATH}/{row.id}/revoke")).status_code == 404
        assert (await browser.submit(f"{PATH}/{uuid.uuid4()}/revoke")).status_code == 404
    assert await works(site, token)


async def test_an_expired_token_is_nobodys_and_is_shown_as_expired(site: Site) -> None:
    alice = await site.browser("alice")
    token = await made(alice)
    async with site.database.session.begin() as db:
        await db.execute(update(ApiToken).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert not await works(site, token)
    page = (await alice.get(PATH)).text
    assert "expired" in page
    assert "/revoke" not in page


@pytest.mark.usefixtures("stopped_clock")
async def test_making_tokens_is_bounded(site: Site) -> None:
    alice = await site.browser("alice")
    form = {"name": "laptop", "days": "90", "scopes": "read"}
    answers = [(await alice.submit(PATH, form)).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


async def test_tokens_come_in_pages_and_more_of_them_mean_no_more_queries(site: Site) -> None:
    alice = await site.browser("alice")
    with statements(site.database) as few:
        await alice.get(PATH)
    async with site.database.session.begin() as db:
        for number in range(PER_PAGE + 1):
            name = f"t{number}"
            await tokens.new_token(db, site.cast["alice"].id, name, ["read"], timedelta(days=1))
    with statements(site.database) as many:
        first = (await alice.get(PATH)).text
    assert len(many) == len(few)
    assert first.count('<th scope="row"') == PER_PAGE
    assert (await alice.get(PATH, params={"page": 2})).text.count('<th scope="row"') == 1
