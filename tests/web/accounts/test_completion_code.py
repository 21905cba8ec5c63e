"""A recruiter's completion code: who sees it, when, and what may be one."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from models import Experiment, Invite, Judgement, SeatRow, Trial
from tests.factories import spec
from tests.web.fixtures import bearer
from tests.web.judge.test_routes import judged, next_trial
from tests.web.seats.test_routes import advanced, asked, begun
from tests.web.world import Browser, Site, World

CODE, URL = "C1A2B3", "https://app.prolific.com/submissions/complete?cc=C1A2B3"
OTHER = "ZZ-OTHER"


async def link(browser: Browser, **form: str) -> str:
    """The path of a new invite for many judges."""
    made = await browser.submit("/people/invites", {"role": "judge", "kind": "shared", **form})
    assert made.status_code == 200, made.text
    return re.findall(r'value="http://arena\.test(/invite/[^"]+)"', made.text)[0]


async def come(site: Site, path: str, name: str) -> Browser:
    """A judge who has come by a link and read the instructions."""
    judge = await site.browser()
    assert (await judge.post(path, data={"name": name})).status_code == 200
    form = (await judge.get("/judge/instructions")).text
    judge.csrf = re.findall(r'name="csrf_token" value="([^"]+)"', form)[0]
    assert (await judge.submit("/judge/instructions")).status_code == 303
    return judge


async def shown(judge: Browser, page: str = "/judge") -> str:
    return html.unescape((await judge.get(page)).text)


def told(page: str) -> bool:
    return CODE in page or "prolific" in page


@pytest.fixture
async def recruited(world: World) -> Browser:
    """A judge of Alice's who has come by an invite with a code."""
    path = await link(await world.site.browser("alice"), completion_code=CODE, completion_url=URL)
    return await come(world.site, path, "Paul")


@pytest.mark.outside
async def test_the_code_is_shown_when_nothing_is_left_to_do_and_never_before(recruited: Browser) -> None:
    assert not told(await shown(recruited))
    first = await judged(recruited)
    assert not told(await shown(recruited, first))
    second = await next_trial(recruited)
    for page in (first, second, "/judge"):
        assert not told(await shown(recruited, page))
    assert await judged(recruited) == second
    for page in (second, "/judge", first):
        text = await shown(recruited, page)
        assert f"<code>{CODE}</code>" in text
        assert f'<a href="{URL}" rel="noopener noreferrer">Finish at app.prolific.com</a>' in text
    answer = await recruited.get(second)
    assert "location" not in answer.headers
    assert "refresh" not in {*answer.headers} | set(re.findall(r"http-equiv=\"(\w+)", answer.text))


async def test_nobody_sees_the_code_of_another_invite(world: World, recruited: Browser) -> None:
    alice = await world.site.browser("alice")
    others = await come(world.site, await link(alice, completion_code=OTHER), "Otto")
    plain = await come(world.site, await link(alice), "Pia")
    for judge, own in ((others, OTHER), (plain, None)):
        while "data-belief" in (await shown(judge, (await judge.submit("/judge/next")).headers["location"])):
            await judged(judge)
        text = await shown(judge)
        assert not told(text)
        assert (OTHER in text) is (own is not None)
        assert ("You have done everything" in text) is (own is not None)


async def test_who_has_judged_nothing_gets_no_code_though_there_is_nothing_to_do(
    world: World, recruited: Browser
) -> None:
    async with world.site.database.session.begin() as db:
        await db.execute(update(Experiment).values(state="cancelled"))
    assert not told(await shown(recruited))


@pytest.mark.parametrize(
    ("change", "finished"),
    [
        (update(Experiment).values(state="paused"), False),
        (update(Experiment).values(state="cancelled"), True),
        (update(Trial).values(state="waiting", outcome=None), False),
        (update(Trial).values(state="failed", outcome=None, error="Silence."), True),
    ],
)
async def test_work_that_may_come_yet_counts_as_left(
    world: World, recruited: Browser, change: Any, finished: bool
) -> None:
    await judged(recruited)
    assert not told(await shown(recruited))
    async with world.site.database.session.begin() as db:
        await db.execute(change)
    assert told(await shown(recruited)) is finished


async def test_a_place_that_somebody_else_holds_keeps_nobody_waiting(
    world: World, recruited: Browser
) -> None:
    await judged(recruited)
    async with world.site.database.session.begin() as db:
        rival = world.site.cast["rival"].participant_id
        soon = datetime.now(UTC) + timedelta(hours=1)
        taken = {"state": "waiting", "participant_id": rival, "leased_until": soon}
        await db.execute(delete(Judgement).where(Judgement.state == "open", Judgement.place == 2))
        await db.execute(update(SeatRow).where(SeatRow.state == "open").values(**taken))
        await db.execute(
            update(Judgement).where(Judgement.state == "open").values(state="waiting", judge_id=rival)
        )
    assert told(await shown(recruited))


ASKING = spec(
    name="asking",
    arms={
        "consultancy": {
            "protocol": "consultancy",
            "questions": "questioner",
            "rounds": 2,
            "seats": {"consultant": "advocate", "questioner": "people"},
        }
    },
    judges=["lexical"],
    elicit="final",
)
"""People ask in talks; nobody judges afterwards."""


async def test_a_seat_in_a_talk_is_work_to_be_done(world: World, recruited: Browser) -> None:
    await begun(world.site, {**ASKING, "tasks": {"set": "talks"}}, "Corona")
    for _ in range(2):
        await judged(recruited)
    assert not told(await shown(recruited))
    assert "talkpage" in await shown(recruited, await next_trial(recruited))
    assert not told(await shown(recruited)), "a talk in hand is work too"


@pytest.mark.outside
async def test_who_has_only_sat_in_talks_has_done_something(site: Site) -> None:
    alice = await site.browser("alice")
    await begun(site, ASKING)
    judge = await come(site, await link(alice, completion_code=CODE), "Paul")
    assert not told(await shown(judge))
    while "/seat/" in (here := await next_trial(judge)):
        while paths := asked(await judge.get(here)):
            assert not told(await shown(judge))
            await judge.submit(
                here,
                {
                    f"{at}.{key}": value
                    for at, path in enumerate(paths)
                    for key, value in (("path", path), ("text", "Who says so?"))
                },
            )
            await advanced(site)
    assert told(await shown(judge))


async def test_a_new_link_leads_to_the_code_of_the_first(world: World, recruited: Browser) -> None:
    for _ in range(2):
        await judged(recruited)
    alice = await world.site.browser("alice")
    listed = (await alice.get("/people")).text
    identity = re.findall(r"/people/([0-9a-f-]{36})/link", listed)[0]
    page = (await alice.submit(f"/people/{identity}/link")).text
    again = await world.site.browser()
    await again.get(re.findall(r'value="http://arena\.test(/invite/[^"]+)"', page)[0])
    assert told(await shown(again))


BAD = [
    {"completion_url": "http://app.prolific.com/"},
    {"completion_url": "javascript:alert(1)"},
    {"completion_url": "//app.prolific.com"},
    {"completion_url": "https://user:secret@app.prolific.com/"},
    {"completion_url": "http://localhost.evil.test/"},
    {"completion_url": "https://"},
    {"completion_code": "two\nlines"},
    {"completion_code": "c" * 101},
    {"role": "debater", "completion_code": CODE},
]


@pytest.mark.parametrize("form", BAD)
async def test_a_completion_that_cannot_be_is_refused_by_page_and_api(
    site: Site, form: dict[str, str]
) -> None:
    alice = await site.browser("alice")
    page = await alice.submit("/people/invites", {"role": "judge", "kind": "shared", **form})
    assert (page.status_code, 'role="alert"' in page.text) == (422, True)
    headers = await bearer(site, "alice", "write")
    sent = await alice.post("/api/v1/invites", json={"role": "judge", **form}, headers=headers)
    assert sent.status_code == 422
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Invite)) == 0


@pytest.mark.parametrize("url", [URL, "http://localhost:9000/done", "http://127.0.0.1/"])
async def test_what_an_invite_ends_with_is_told_to_whoever_made_it(site: Site, url: str) -> None:
    alice = await site.browser("alice")
    new = {"shared": True, "completion_code": CODE, "completion_url": url}
    headers = await bearer(site, "alice", "write")
    made = (await alice.post("/api/v1/invites", json=new, headers=headers)).json()["invite"]
    assert (made["completion_code"], made["completion_url"]) == (CODE, url)
    assert f"ends with {CODE}, {url}" in await shown(alice, "/people/invites")
