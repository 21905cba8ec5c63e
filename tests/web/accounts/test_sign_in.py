"""Coming and going: sign-in, invites, sessions and sign-out."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import func, select, update

from app.records import admin, people
from app.services import demo
from app.services.invites import invite_path
from app.services.passwords import hasher
from app.web.security.middleware import COOKIE
from models import Account, Audit, Invite, Session
from models.people import BY_PASSWORD
from tests.web.world import Browser, Site

PASSWORD = "correct horse battery"
PASSWORD_HASH = hasher.hash(PASSWORD)


async def with_password(site: Site, who: str = "alice") -> str:
    """Let somebody sign in with PASSWORD; returns their address."""
    changed = update(Account).where(Account.id == site.cast[who].id).values(password_hash=PASSWORD_HASH)
    async with site.database.session.begin() as db:
        await db.execute(changed)
    email = site.cast[who].email
    assert email is not None
    return email


async def signs_in(browser: Browser, email: str, password: str = PASSWORD) -> Response:
    return await browser.post("/sign-in", data={"email": email, "password": password})


async def invited(site: Site, **settings: Any) -> tuple[Invite, str]:
    """An invite, for a judge unless told, and the path of its link."""
    async with site.database.session.begin() as db:
        invite = await people.new_invite(db, **{"role": "judge", "shared": False, **settings})
        return invite, await invite_path(db, invite)


async def counted(site: Site, what: type[Any]) -> int:
    async with site.database.session() as db:
        return (await db.scalar(select(func.count()).select_from(what))) or 0


async def is_in(browser: Browser) -> bool:
    """Whether the browser is signed in: the start does not lead to the form then."""
    return (await browser.get("/")).headers.get("location") != "/sign-in"


# ── with a password ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.outside
async def test_the_right_password_lets_in_and_is_on_the_trail(site: Site) -> None:
    email = await with_password(site)
    browser = await site.browser()
    entered = await signs_in(browser, f"  {email.upper()} ")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert await is_in(browser)
    async with site.database.session() as db:
        entry = (await db.scalars(select(Audit).where(Audit.action == "signed in"))).one()
    assert entry.account_id == site.cast["alice"].id


async def test_a_wrong_password_and_an_unknown_address_are_told_the_same(site: Site) -> None:
    email = await with_password(site)
    browser = await site.browser()
    wrong = await signs_in(browser, email, "something else")
    unknown = await signs_in(browser, "nobody@arena.test")
    assert wrong.status_code == unknown.status_code == 403
    assert "do not belong together" in wrong.text
    assert "do not belong together" in unknown.text
    assert COOKIE not in browser.cookies
    assert await counted(site, Session) == 0


async def test_an_account_without_a_password_cannot_sign_in_with_one(site: Site) -> None:
    email = site.cast["judge"].email
    assert email
    for password in ("", " ", "None", PASSWORD):
        answer = await signs_in(await site.browser(), email, password)
        assert answer.status_code in (403, 422)


async def test_a_closed_account_can_neither_sign_in_nor_go_on(site: Site) -> None:
    email = await with_password(site)
    browser = await site.browser("alice")
    assert await is_in(browser)
    async with site.database.session.begin() as db:
        await db.execute(
            update(Account).where(Account.id == site.cast["alice"].id).values(disabled_at=func.now())
        )
    assert not await is_in(browser)
    assert (await signs_in(await site.browser(), email)).status_code == 403


@pytest.mark.usefixtures("stopped_clock")
async def test_many_tries_at_one_account_are_refused_and_others_may_still_come(site: Site) -> None:
    email = await with_password(site)
    browser = await site.browser()
    tries = [(await signs_in(browser, email, "guess")).status_code for _ in range(11)]
    assert 429 in tries
    assert (await signs_in(browser, email)).status_code == 429, "the right password does not help either"
    assert (await signs_in(browser, await with_password(site, "charlie"))).status_code == 303


@pytest.mark.usefixtures("stopped_clock")
async def test_many_tries_from_one_place_are_refused_whatever_the_account(site: Site) -> None:
    browser = await site.browser()
    tries = [(await signs_in(browser, f"somebody-{n}@arena.test")).status_code for n in range(41)]
    assert tries[0] == 403
    assert 429 in tries


# ── by invite ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_personal_invite_makes_one_account_and_lets_it_in_again_elsewhere(site: Site) -> None:
    invite, path = await invited(site, label="pilot")
    before = await counted(site, Account)
    first = await site.browser()
    form = await first.get(path)
    assert form.status_code == 200
    joined = await first.submit(path, {"name": "  Judy   Garland "})
    assert joined.status_code == 200
    assert await is_in(first)
    second = await site.browser()
    again = await second.get(path)
    assert (again.status_code, again.headers["location"]) == (303, "/")
    assert await counted(site, Account) == before + 1
    async with site.database.session() as db:
        account = await db.get_one(Account, (await db.get_one(Invite, invite.id)).account_id)
    assert (account.name, account.role) == ("Judy Garland", "judge")


async def test_pressing_join_twice_makes_one_account(site: Site) -> None:
    _, path = await invited(site)
    before = await counted(site, Account)
    browser = await site.browser()
    await browser.post(path, data={"name": "Judy"})
    again = await (await site.browser()).post(path, data={"name": "Judy"})
    assert again.status_code == 303
    assert await counted(site, Account) == before + 1


async def test_a_shared_invite_makes_an_account_for_each_and_gives_each_a_link_of_their_own(
    site: Site,
) -> None:
    _, path = await invited(site, shared=True)
    before = await counted(site, Account)
    links = []
    for name in ("One", "Two"):
        joined = await (await site.browser()).post(path, data={"name": name})
        links.append(joined.text.split('class="own-link"')[1].split("/invite/")[1].split('"')[0])
    assert links[0] != links[1]
    assert await counted(site, Account) == before + 2
    back = await site.browser()
    assert (await back.get(f"/invite/{links[1]}")).status_code == 303
    assert await is_in(back)
    assert await counted(site, Account) == before + 2


async def test_a_recruiters_id_is_filled_in(site: Site) -> None:
    _, path = await invited(site, shared=True)
    page = await (await site.browser()).get(path, params={"PROLIFIC_PID": "5f3a<b>"})
    assert 'value="5f3a&lt;b&gt;"' in page.text


@pytest.mark.outside
async def test_a_recruiters_id_is_the_name_and_joins_once(site: Site) -> None:
    _, path = await invited(site, shared=True, label="study")
    _, other = await invited(site, shared=True, label="another study")
    sent = {"PROLIFIC_PID": "5f3a", "STUDY_ID": "s1", "SESSION_ID": "x\0y", "name": "somebody else"}
    joined = await (await site.browser()).post(path, data=sent)
    assert "Welcome, 5f3a" in joined.text
    async with site.database.session() as db:
        entry = (await db.scalars(select(Audit).where(Audit.action == "joined"))).one()
    assert entry.detail == {"PROLIFIC_PID": "5f3a", "STUDY_ID": "s1", "SESSION_ID": "x y"}

    before = await counted(site, Account)
    first = await site.browser()
    again = await first.post(path, data=sent)
    assert again.status_code == 409
    assert "joined with this id already" in again.text
    assert await counted(site, Account) == before
    assert (await (await site.browser()).post(other, data=sent)).status_code == 200
    async with site.database.session() as db:
        known = (await db.scalars(select(Account.recruiter_id).where(Account.name == "5f3a"))).all()
    assert known == ["5f3a", "5f3a"], "both accounts are known to be one human's"


async def test_a_personal_link_with_a_recruiters_id_says_who_its_account_is(site: Site) -> None:
    _, path = await invited(site)
    await (await site.browser()).post(path, data={"name": "Wanda"})
    for sent in ("W1", "W2", ""):
        assert (await (await site.browser()).get(path, params={"workerId": sent})).status_code == 303
    async with site.database.session() as db:
        account = (await db.scalars(select(Account).where(Account.name == "Wanda"))).one()
    assert account.recruiter_id == "W1", "the first claim stays"


async def test_two_people_may_choose_one_name(site: Site) -> None:
    _, path = await invited(site, shared=True)
    for _ in range(2):
        assert (await (await site.browser()).post(path, data={"name": "Anna"})).status_code == 200


async def test_who_only_previews_a_task_gets_no_form_and_no_account(site: Site) -> None:
    _, path = await invited(site, shared=True)
    before = await counted(site, Account)
    preview = {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE", "workerId": "W1", "hitId": "H"}
    browser = await site.browser()
    page = await browser.get(path, params=preview)
    assert "preview" in page.text
    assert 'action="/invite/' not in page.text
    assert (await browser.post(path, data={**preview, "name": "W1"})).status_code == 422
    assert await counted(site, Account) == before
    assert not await is_in(browser)


async def test_who_is_signed_in_is_shown_the_way_on_and_may_still_join_as_another(site: Site) -> None:
    _, path = await invited(site, shared=True)
    browser = await site.browser("judge")
    page = await browser.get(path)
    assert "Go on as Judge" in page.text
    before = await counted(site, Account)
    assert (await browser.submit(path, {"name": "Another"})).status_code == 200
    assert await counted(site, Account) == before + 1


async def test_a_judge_begins_at_the_trials(site: Site) -> None:
    assert (await (await site.browser("judge")).get("/")).headers["location"] == "/judge"


@pytest.mark.parametrize("name", ["", "   ", "\0", "n" * 101])
async def test_nobody_joins_without_a_proper_name(site: Site, name: str) -> None:
    _, path = await invited(site)
    before = await counted(site, Account)
    assert (await (await site.browser()).post(path, data={"name": name})).status_code == 422
    assert await counted(site, Account) == before


@pytest.mark.parametrize("shared", [False, True])
async def test_a_withdrawn_or_expired_invite_lets_nobody_in(site: Site, shared: bool) -> None:
    _, late = await invited(site, shared=shared, lasts=timedelta(seconds=-1))
    withdrawn, path = await invited(site, shared=shared)
    async with site.database.session.begin() as db:
        await db.execute(update(Invite).where(Invite.id == withdrawn.id).values(revoked_at=datetime.now(UTC)))
    browser = await site.browser()
    for link in (late, path):
        assert (await browser.get(link)).status_code == 410
        assert (await browser.post(link, data={"name": "Eve"})).status_code == 410
    assert not await is_in(browser)


async def test_a_changed_link_is_as_good_as_none(site: Site) -> None:
    invite, path = await invited(site)
    other, other_path = await invited(site, role="admin")
    body, signature = path.rsplit(".", 1)
    wrong = [
        f"{body}.{signature[:-2]}xx",
        body,
        f"{other_path.rsplit('.', 1)[0]}.{signature}",
        f"/invite/{invite.id}",
        f"/invite/{other.id}",
        "/invite/.",
        "/invite/%00",
    ]
    browser = await site.browser()
    for link in wrong:
        answer = await browser.get(link)
        assert answer.status_code == 404, link
        assert (await browser.post(link, data={"name": "Eve"})).status_code == 404, link
    assert not await is_in(browser)


@pytest.mark.outside
async def test_a_one_time_link_lets_in_once(site: Site) -> None:
    _, path = await invited(site, role="researcher", once=True, account=site.cast["alice"].id)
    first, second = await site.browser(), await site.browser()
    assert (await first.get(path)).status_code == 303
    assert (await second.get(path)).status_code == 410
    assert (await is_in(first), await is_in(second)) == (True, False)


# ── by invite, to a password ────────────────────────────────────────────────────────────────────────────────────

RHEA = {"name": " Rhea  Sylvia ", "email": " Rhea@Arena.test ", "password": PASSWORD}


@pytest.mark.parametrize("role", BY_PASSWORD)
@pytest.mark.outside
async def test_an_invited_admin_or_researcher_chooses_a_password_and_comes_by_it_alone(
    site: Site, role: str
) -> None:
    invite, path = await invited(site, role=role)
    before = await counted(site, Invite)
    first = await site.browser()
    for _ in range(2):
        assert 'type="password"' in (await first.get(path)).text, "looking at the link does not use it up"
    entered = await first.post(path, data=RHEA)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert await is_in(first)
    assert await counted(site, Invite) == before, "no link of their own is made"
    async with site.database.session() as db:
        account = await db.get_one(Account, (await db.get_one(Invite, invite.id)).account_id)
    assert (account.name, account.email, account.role) == ("Rhea Sylvia", "rhea@arena.test", role)
    assert account.password_hash
    assert PASSWORD not in account.password_hash

    again = await site.browser()
    assert (await again.get(path)).status_code == 410
    assert (await again.post(path, data=RHEA)).status_code == 410
    assert (await signs_in(again, "rhea@arena.test")).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "status", "sentence"),
    [
        ({"name": " "}, 422, "Write your name first."),
        ({"email": "rhea"}, 422, "Write your email address"),
        ({"email": "rhea\0@arena.test"}, 422, "Write your email address"),
        ({"password": "123456789"}, 422, "at least 10 characters"),
        ({"password": ""}, 422, "at least 10 characters"),
        ({"email": "ALICE"}, 409, "There is an account with this address"),
    ],
)
async def test_a_mistake_at_joining_is_told_and_what_was_entered_is_kept(
    site: Site, wrong: dict[str, str], status: int, sentence: str
) -> None:
    _, path = await invited(site, role="researcher")
    before = await counted(site, Account)
    if wrong == {"email": "ALICE"}:
        wrong = {"email": str(site.cast["alice"].email).upper()}
    browser, entered = await site.browser(), RHEA | {"name": "Rhea"} | wrong
    answer = await browser.post(path, data=entered)
    assert answer.status_code == status
    assert sentence in answer.text
    for key in {"name", "email"} - set(wrong):
        assert f'value="{entered[key].strip()}"' in answer.text
    assert PASSWORD not in answer.text
    assert await counted(site, Account) == before
    assert not await is_in(browser)
    assert (await browser.post(path, data=RHEA)).status_code == 303, "and the link is not used up"


@pytest.mark.outside
async def test_a_new_link_sets_another_password_once_and_ends_what_let_in_before(site: Site) -> None:
    email = await with_password(site)
    elsewhere = await site.browser("alice")
    async with site.database.session.begin() as db:
        alice = await db.get_one(Account, site.cast["alice"].id)
        made = await admin.new_link(db, site.cast["bob"].id, alice)
        path = await invite_path(db, made)
    assert not await is_in(elsewhere)
    thief = await site.browser()
    assert (await signs_in(thief, email)).status_code == 303, (
        "the old password is good until there is a new one"
    )

    browser = await site.browser()
    assert f'value="{email}"' in (await browser.get(path)).text
    short = await browser.post(path, data={"password": "short"})
    assert (short.status_code, "at least 10 characters" in short.text) == (422, True)
    another = {"password": "another password", "email": "thief@arena.test", "name": "Thief"}
    assert (await browser.post(path, data=another)).status_code == 303
    assert (await is_in(browser), await is_in(thief)) == (True, False)
    assert (await (await site.browser()).post(path, data=another)).status_code == 410
    assert (await signs_in(await site.browser(), email)).status_code == 403
    assert (await signs_in(await site.browser(), email, "another password")).status_code == 303
    async with site.database.session() as db:
        assert (await db.get_one(Account, alice.id)).name == "Alice"


async def test_a_judge_made_a_researcher_gives_an_address_with_the_password(site: Site) -> None:
    _, path = await invited(site, label="pilot")
    await (await site.browser()).post(path, data={"name": "Judy"})
    async with site.database.session.begin() as db:
        judy = (await db.scalars(select(Account).where(Account.name == "Judy"))).one()
        bob = site.cast["bob"].id
        await admin.change_role(db, bob, judy, "researcher")
        path = await invite_path(db, await admin.new_link(db, bob, judy))
    browser = await site.browser()
    assert (await browser.post(path, data={"password": PASSWORD})).status_code == 422
    assert (
        await browser.post(path, data={"password": PASSWORD, "email": "judy@arena.test"})
    ).status_code == 303
    assert (await signs_in(await site.browser(), "judy@arena.test")).status_code == 303


async def test_the_links_of_the_demo_ask_its_people_for_no_password(site: Site) -> None:
    async with site.database.session.begin() as db:
        paths = await demo.links(db)
    for role, path in paths.items():
        browser = await site.browser()
        assert (await browser.get(path)).status_code == 303, role
        assert await is_in(browser), role
        assert (await (await site.browser()).get(path)).status_code == 410, role


@pytest.mark.parametrize("who", ["judge", "alice"])
async def test_the_invite_of_a_closed_account_lets_nobody_in(site: Site, who: str) -> None:
    account = site.cast[who]
    _, path = await invited(site, role=account.role, account=account.id)
    async with site.database.session.begin() as db:
        await db.execute(update(Account).where(Account.id == account.id).values(disabled_at=func.now()))
    browser = await site.browser()
    assert (await browser.get(path)).status_code == 403
    assert (await browser.post(path, data={"password": PASSWORD})).status_code in (303, 403)
    assert not await is_in(browser)


@pytest.mark.usefixtures("stopped_clock")
async def test_guessing_at_invites_is_slowed_down(site: Site) -> None:
    browser = await site.browser()
    # 60 a minute are let through, and a minute may end meanwhile.
    answers = [(await browser.get(f"/invite/guess-{n}")).status_code for n in range(121)]
    assert answers[0] == 404
    assert 429 in answers


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_new_session_begins_at_every_entrance(site: Site) -> None:
    """A token planted before the sign-in is worth nothing after it."""
    email = await with_password(site)
    browser = await site.browser()
    browser.cookies.set(COOKIE, "planted", domain="arena.test")
    entered = await signs_in(browser, email)
    planted = await site.browser()
    planted.cookies.set(COOKIE, "planted", domain="arena.test")
    assert entered.cookies[COOKIE] != "planted"
    assert not await is_in(planted)


async def holding(site: Site, token: str) -> Browser:
    """A browser with this token in its cookie."""
    browser = await site.browser()
    browser.cookies.set(COOKIE, token, domain="arena.test")
    return browser


async def old_and_new(site: Site) -> tuple[str, str]:
    """The token of a session that half a day has passed over, and the one that a request was answered with."""
    browser = await site.browser("judge")
    old = browser.cookies[COOKIE]
    assert COOKIE not in (await browser.get("/")).cookies, "a fresh token stays"
    await passes(site, people.ROTATE_AFTER)
    return old, (await browser.get("/")).cookies[COOKIE]


async def passes(site: Site, time: timedelta) -> None:
    """Let time go by for every session."""
    moments = Session.rotated_at, Session.previous_until
    async with site.database.session.begin() as db:
        await db.execute(update(Session).values({moment.key: moment - time for moment in moments}))


@pytest.mark.outside
async def test_a_token_is_exchanged_after_half_a_day_and_the_old_one_ends_soon_after_the_new_one_is_used(
    site: Site,
) -> None:
    old, new = await old_and_new(site)
    assert old != new
    assert await is_in(await holding(site, new))
    late = await holding(site, old)
    answer = await late.get("/")
    assert answer.headers["location"] == "/judge", "a request under way is carried out"
    assert COOKIE not in answer.cookies, "and is told no token"
    await passes(site, people.GRACE)
    assert not await is_in(await holding(site, old))
    assert await is_in(await holding(site, new))


async def test_nobody_is_signed_out_by_a_reply_that_was_lost(site: Site) -> None:
    """However late the next request with the old token comes, it is answered with the same new one."""
    old, new = await old_and_new(site)
    for wait in (timedelta(0), people.GRACE, people.ROTATE_AFTER):
        await passes(site, wait)
        answer = await (await holding(site, old)).get("/")
        assert (answer.headers["location"], answer.cookies[COOKIE]) == ("/judge", new)
    assert await is_in(await holding(site, new))
    await passes(site, people.GRACE)
    assert not await is_in(await holding(site, old))


async def test_requests_at_once_are_answered_with_one_token(site: Site) -> None:
    """Whichever reply comes last, the browser holds a token that is taken."""
    browser = await site.browser("judge")
    old = browser.cookies[COOKIE]
    await passes(site, people.ROTATE_AFTER)
    browsers = [await holding(site, old) for _ in range(5)]
    answers = await asyncio.gather(*(each.get("/") for each in browsers))
    assert {answer.headers["location"] for answer in answers} == {"/judge"}
    [new] = {answer.cookies[COOKIE] for answer in answers}
    assert await is_in(await holding(site, new))


async def test_signing_out_ends_both_tokens(site: Site) -> None:
    browser = await site.browser("judge")
    old = browser.cookies[COOKIE]
    await passes(site, people.ROTATE_AFTER)
    new = (await browser.get("/")).cookies[COOKIE]
    await browser.submit("/sign-out")
    for token in (old, new):
        assert not await is_in(await holding(site, token))


async def test_a_session_ends_by_itself(site: Site) -> None:
    browser = await site.browser("judge")
    async with site.database.session.begin() as db:
        await db.execute(update(Session).values(expires_at=func.now()))
    assert not await is_in(browser)


async def test_who_signs_out_is_out_in_this_browser_alone(site: Site) -> None:
    here, there = await site.browser("judge"), await site.browser("judge")
    token = here.cookies[COOKIE]
    assert (await here.submit("/sign-out")).headers["location"] == "/sign-in"
    assert COOKIE not in here.cookies
    here.cookies.set(COOKIE, token, domain="arena.test")
    assert (await is_in(here), await is_in(there)) == (False, True)


async def test_nothing_that_is_kept_lets_anybody_in(site: Site) -> None:
    """What a reader of the database finds there is no cookie."""
    browser = await site.browser("judge")
    async with site.database.session() as db:
        row = (await db.scalars(select(Session))).one()
    assert browser.cookies[COOKIE].encode() not in row.token_digest
    thief = await site.browser()
    thief.cookies.set(COOKIE, row.token_digest.hex(), domain="arena.test")
    assert not await is_in(thief)


async def test_a_crowd_of_guesses_at_links_keeps_nobody_waiting(site: Site) -> None:
    guests = [await site.browser() for _ in range(20)]
    answers = await asyncio.gather(*(guest.get("/invite/guessed") for guest in guests))
    assert {answer.status_code for answer in answers} <= {404, 429}
