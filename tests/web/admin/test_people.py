"""People in the browser: who sees whom, invites, new links, roles, closed accounts."""

import re
import uuid

import pytest
from sqlalchemy import func, select, update

from app.records import people, tokens
from app.records.paging import PER_PAGE
from models import Account, Audit, Invite, Session
from models.people import BY_PASSWORD, ROLES
from tests.web.world import Browser, Site, statements

PASSWORD = "correct horse battery"
HOUR = people.ROTATE_AFTER


async def link_in(page: str) -> str:
    """The path of the link that a page shows."""
    found = re.search(r'value="http://arena\.test(/invite/[^"]+)"', page)
    assert found is not None, page
    return found[1]


async def invited(browser: Browser, **form: str) -> str:
    """Make an invite; the path of its link."""
    answer = await browser.submit("/people/invites", {"role": "judge", "kind": "personal", **form})
    assert answer.status_code == 200, answer.text
    return await link_in(answer.text)


async def joined(site: Site, browser: Browser, name: str, **form: str) -> tuple[Account, Browser]:
    """Somebody who came by an invite of this browser's account, and their own browser."""
    guest = await site.browser()
    own = {"name": name, "email": f"{name}@arena.test", "password": PASSWORD}
    assert (await guest.post(await invited(browser, **form), data=own)).status_code in (200, 303)
    async with site.database.session() as db:
        account = (await db.scalars(select(Account).where(Account.name == name))).one()
        guest.csrf = (await db.scalars(select(Session.csrf).where(Session.account_id == account.id))).one()
    return account, guest


async def is_in(browser: Browser) -> bool:
    return (await browser.get("/")).headers.get("location") != "/sign-in"


async def trail(site: Site) -> list[tuple[str, str, str]]:
    """Action, kind and object of every row, oldest first."""
    async with site.database.session() as db:
        rows = await db.execute(select(Audit.action, Audit.object_kind, Audit.object_id).order_by(Audit.id))
    return [tuple(row) for row in rows]


# ── who sees whom ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_admin_sees_everybody_and_a_researcher_those_whom_they_invited(site: Site) -> None:
    bob, alice, charlie = [await site.browser(who) for who in ("bob", "alice", "charlie")]
    await joined(site, alice, "Judy of Alice")
    await joined(site, charlie, "Carl of Charlie", kind="shared")
    everybody = (await bob.get("/people")).text
    for name in ("Alice", "Bob", "Charlie", "Judge", "Judy of Alice", "Carl of Charlie"):
        assert name in everybody
    hers = (await alice.get("/people")).text
    assert "Judy of Alice" in hers
    for name in ("Carl of Charlie", "Charlie", "Bob", "Rival"):
        assert name not in hers


async def test_what_a_researcher_does_not_look_after_is_not_there_for_them(site: Site) -> None:
    carl, _ = await joined(site, await site.browser("charlie"), "Carl")
    alice = await site.browser("alice")
    nobody = uuid.uuid4()
    for action in ("link", "disable", "enable"):
        answers = [
            await alice.submit(f"/people/{identity}/{action}")
            for identity in (carl.id, site.cast["bob"].id, site.cast["alice"].id, nobody)
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert len({answer.text.replace(alice.csrf, "").split("<main")[1] for answer in answers}) == 1
    assert (await alice.submit(f"/people/{carl.id}/role", {"role": "admin"})).status_code == 403


async def test_a_judge_made_a_researcher_is_no_longer_their_inviters_to_look_after(site: Site) -> None:
    alice, bob = await site.browser("alice"), await site.browser("bob")
    judy, _ = await joined(site, alice, "Judy")
    await bob.submit(f"/people/{judy.id}/role", {"role": "researcher"})
    assert "Judy" not in (await alice.get("/people")).text
    assert (await alice.submit(f"/people/{judy.id}/link")).status_code == 404


async def test_people_come_in_pages_and_more_of_them_mean_no_more_queries(site: Site) -> None:
    bob = await site.browser("bob")
    with statements(site.database) as few:
        await bob.get("/people")
    for number in range(PER_PAGE + 3):
        await site.hire(f"Person {number:03}", "judge")
    with statements(site.database) as many:
        first = (await bob.get("/people")).text
    assert len(many) == len(few)
    assert first.count('<th scope="row"') == PER_PAGE
    assert 'href="/people?page=2"' in first
    second = (await bob.get("/people", params={"page": 2})).text
    assert second.count('<th scope="row"') == 3 + len(site.cast)
    assert "Next page" not in second
    assert (await bob.get("/people", params={"page": 0})).status_code == 422


async def test_names_are_text_whatever_they_hold(site: Site) -> None:
    alice = await site.browser("alice")
    await joined(site, alice, "<script>x</script>\"'&", label="<b>label</b>")
    page = (await alice.get("/people")).text
    assert "<script>x" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    await invited(alice, label="<b>label</b>")
    assert "<b>label" not in (await alice.get("/people/invites")).text


# ── invites ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_invites_link_is_shown_once_and_lets_its_role_in(site: Site) -> None:
    alice = await site.browser("alice")
    path = await invited(alice, role="debater", label="pilot")
    listed = (await alice.get("/people/invites")).text
    assert "pilot" in listed
    assert path not in listed
    guest = await site.browser()
    assert (await guest.post(path, data={"name": "Dora"})).status_code == 200
    async with site.database.session() as db:
        assert (await db.scalars(select(Account.role).where(Account.name == "Dora"))).one() == "debater"


@pytest.mark.parametrize("role", ["admin", "researcher"])
async def test_only_admins_invite_admins_and_researchers(site: Site, role: str) -> None:
    alice, bob = await site.browser("alice"), await site.browser("bob")
    form = {"role": role, "kind": "personal"}
    assert f"<option>{role}</option>" not in (await alice.get("/people")).text
    assert (await alice.submit("/people/invites", form)).status_code == 403
    assert (await bob.submit("/people/invites", form)).status_code == 200


@pytest.mark.parametrize("role", BY_PASSWORD)
async def test_nobody_makes_many_admins_or_researchers_by_one_link(site: Site, role: str) -> None:
    bob = await site.browser("bob")
    answer = await bob.submit("/people/invites", {"role": role, "kind": "shared"})
    assert answer.status_code == 422
    assert "one by one" in answer.text


@pytest.mark.parametrize(
    "form",
    [
        {"role": "king"},
        {"kind": "both"},
        {"days": "0"},
        {"days": "366"},
        {"days": "soon"},
        {"label": "l" * 101},
        {"label": "pilot\0"},
    ],
)
async def test_an_invite_that_cannot_be_is_refused_in_a_sentence(site: Site, form: dict[str, str]) -> None:
    alice = await site.browser("alice")
    answer = await alice.submit("/people/invites", {"role": "judge", "kind": "personal", **form})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Invite)) == 0


async def test_a_withdrawn_invite_lets_nobody_in_and_leaves_the_list(site: Site) -> None:
    alice, charlie = await site.browser("alice"), await site.browser("charlie")
    path = await invited(alice, label="pilot")
    async with site.database.session() as db:
        identity = (await db.scalars(select(Invite.id))).one()
    revoke = f"/people/invites/{identity}/revoke"
    assert (await charlie.submit(revoke)).status_code == 404, "it is Alice's"
    assert (await alice.submit(revoke)).headers["location"] == "/people/invites"
    assert (await alice.submit(revoke)).status_code == 404, "once"
    assert "pilot" not in (await alice.get("/people/invites")).text
    assert (await (await site.browser()).get(path)).status_code == 410


async def test_an_admin_withdraws_anybodys_invite_and_sees_them_all(site: Site) -> None:
    await invited(await site.browser("alice"), label="of Alice")
    bob = await site.browser("bob")
    assert "of Alice" in (await bob.get("/people/invites")).text
    assert "of Alice" not in (await (await site.browser("charlie")).get("/people/invites")).text
    async with site.database.session() as db:
        identity = (await db.scalars(select(Invite.id))).one()
    assert (await bob.submit(f"/people/invites/{identity}/revoke")).status_code == 303


# ── links, roles, closed accounts ───────────────────────────────────────────────────────────────────────────────


async def test_a_new_link_takes_the_place_of_the_old_one_and_ends_sessions(site: Site) -> None:
    alice = await site.browser("alice")
    old = await invited(alice)
    guest = await site.browser()
    await guest.post(old, data={"name": "Judy"})
    async with site.database.session() as db:
        judy = (await db.scalars(select(Account.id).where(Account.name == "Judy"))).one()
    answer = await alice.submit(f"/people/{judy}/link")
    assert not await is_in(guest)
    again = await site.browser()
    assert (await again.get(old)).status_code == 410
    assert (await again.get(await link_in(answer.text))).status_code == 303
    assert await is_in(again)
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).where(Account.name == "Judy")) == 1


async def test_another_role_ends_what_let_in_before(site: Site) -> None:
    """Whoever holds an old link of a judge must not come in by it as the admin that the judge has become."""
    bob = await site.browser("bob")
    judy, guest = await joined(site, bob, "Judy")
    assert (await bob.submit(f"/people/{judy.id}/role", {"role": "admin"})).status_code == 303
    assert not await is_in(guest)
    async with site.database.session() as db:
        assert (await db.get_one(Account, judy.id)).role == "admin"
        open_invites = select(func.count()).where(Invite.account_id == judy.id, Invite.revoked_at.is_(None))
        assert await db.scalar(open_invites) == 0


async def test_the_same_role_again_changes_nothing(site: Site) -> None:
    bob = await site.browser("bob")
    judy, guest = await joined(site, bob, "Judy")
    await bob.submit(f"/people/{judy.id}/role", {"role": "judge"})
    assert await is_in(guest)
    assert ("changed role of", "account", str(judy.id)) not in await trail(site)


async def test_a_closed_account_is_out_at_once_with_its_tokens_and_needs_a_new_link(site: Site) -> None:
    bob = await site.browser("bob")
    rhea, guest = await joined(site, bob, "Rhea", role="researcher")
    async with site.database.session.begin() as db:
        token = await tokens.new_token(db, rhea.id, "laptop", ["read"], HOUR)
    assert (await bob.submit(f"/people/{rhea.id}/disable")).status_code == 303
    assert not await is_in(guest)
    async with site.database.session() as db:
        assert await tokens.holder(db, token) is None
    assert (await bob.submit(f"/people/{rhea.id}/link")).status_code == 409
    assert (await bob.submit(f"/people/{rhea.id}/enable")).status_code == 303
    assert not await is_in(guest)
    async with site.database.session() as db:
        assert await tokens.holder(db, token) is None, "what has ended stays so"
    path = await link_in((await bob.submit(f"/people/{rhea.id}/link")).text)
    again = await site.browser()
    assert "Set your password" in (await again.get(path)).text
    assert not await is_in(again)
    assert (await again.post(path, data={"password": "another password"})).status_code == 303
    assert await is_in(again)


async def test_whoever_makes_a_researchers_link_cannot_come_in_by_it_afterwards(site: Site) -> None:
    bob = await site.browser("bob")
    path = await invited(bob, role="researcher")
    own = {"name": "Rhea", "email": "rhea@arena.test", "password": PASSWORD}
    assert (await (await site.browser()).post(path, data=own)).headers["location"] == "/"
    maker = await site.browser()
    assert (await maker.get(path)).status_code == 410
    assert (await maker.post(path, data=own)).status_code == 410
    assert not await is_in(maker)


@pytest.mark.parametrize("action", ["link", "disable", "enable", "role"])
async def test_nobody_changes_their_own_account(site: Site, action: str) -> None:
    bob = await site.browser("bob")
    answer = await bob.submit(f"/people/{site.cast['bob'].id}/{action}", {"role": "judge"})
    assert answer.status_code == 409
    assert await is_in(bob)
    async with site.database.session() as db:
        assert (await db.get_one(Account, site.cast["bob"].id)).role == "admin"


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_can_be_given(site: Site, role: str) -> None:
    bob = await site.browser("bob")
    dora = site.cast["debater"]
    assert (await bob.submit(f"/people/{dora.id}/role", {"role": role})).status_code == 303
    async with site.database.session() as db:
        assert (await db.get_one(Account, dora.id)).role == role


async def test_everything_is_on_the_trail_and_no_link_is(site: Site) -> None:
    bob = await site.browser("bob")
    path = await invited(bob, label="pilot")
    judy, _ = await joined(site, bob, "Judy")
    for action in ("link", "disable", "disable", "enable", "enable"):
        await bob.submit(f"/people/{judy.id}/{action}")
    await bob.submit(f"/people/{judy.id}/role", {"role": "debater"})
    hers = [action for action, _, identity in await trail(site) if identity == str(judy.id)]
    assert hers[-4:] == ["gave a new link to", "disabled", "enabled", "changed role of"]
    async with site.database.session() as db:
        whole = str([row.detail for row in await db.scalars(select(Audit))])
    assert path.rpartition(".")[2] not in whole


async def test_what_is_pressed_twice_happens_once(site: Site) -> None:
    bob = await site.browser("bob")
    judy, _ = await joined(site, bob, "Judy")
    async with site.database.session.begin() as db:
        await db.execute(update(Account).where(Account.id == judy.id).values(disabled_at=judy.created_at))
    await bob.submit(f"/people/{judy.id}/disable")
    async with site.database.session() as db:
        assert (await db.get_one(Account, judy.id)).disabled_at == judy.created_at


@pytest.mark.parametrize("end", ["disable", "role"])
async def test_invites_that_nobody_has_used_end_with_the_power_of_who_made_them(site: Site, end: str) -> None:
    bob, alice = await site.browser("bob"), await site.browser("alice")
    open_link, used_link = await invited(alice, kind="shared"), await invited(alice)
    await (await site.browser()).post(used_link, data={"name": "Judy"})
    await bob.submit(f"/people/{site.cast['alice'].id}/{end}", {"role": "judge"})
    assert (await (await site.browser()).get(open_link)).status_code == 410
    async with site.database.session() as db:
        judy = (await db.scalars(select(Account).where(Account.name == "Judy"))).one()
        links = await db.scalar(
            select(func.count()).where(Invite.account_id == judy.id, Invite.revoked_at.is_(None))
        )
    assert links
