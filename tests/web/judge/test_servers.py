"""People at two real servers over one database: places fill once, submits count once, kills lose nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from app.records.database import Database
from app.web.security.middleware import COOKIE
from models import Exposure, Judgement, Move, SeatRow, Trial, Verdict
from tests.factories import imported, passage, spec, started
from tests.processes import Arena
from tests.web.entered import as_draft, as_form
from tests.web.judge.test_routes import asked_path
from tests.web.seats.test_routes import asked, debate
from tests.web.world import Site, for_people, furnished

REASON = "A quote says so."


@pytest.fixture
def arena(tmp_path: Path, database_url: str) -> Iterator[Arena]:
    with Arena(tmp_path, DATABASE_URL=database_url, ARENA_HOME=str(tmp_path / "home")) as arena:
        yield arena


class Visitor:
    """A judge's browser that speaks to several servers under one session."""

    def __init__(self, client: httpx.AsyncClient, csrf: str) -> None:
        self.client, self.csrf = client, csrf

    async def post(self, address: str, **data: Any) -> httpx.Response:
        return await self.client.post(address, data={"csrf_token": self.csrf, **data})


@pytest.fixture
async def crowd(site: Site) -> AsyncIterator[list[Visitor]]:
    """Eight judges."""
    visitors = []
    for number in range(8):
        browser = await site.browser_of(await site.hire(f"Judge {number}", "judge"))
        client = httpx.AsyncClient(cookies={COOKIE: browser.cookies[COOKIE]}, timeout=60)
        visitors.append(Visitor(client, browser.csrf))
    yield visitors
    for visitor in visitors:
        await visitor.client.aclose()


async def count(database: Database, model: Any, *where: Any) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model).where(*where)) or 0


async def test_a_crowd_at_two_servers_fills_every_place_once(
    site: Site, crowd: list[Visitor], arena: Arena
) -> None:
    arms = {"consultancy": spec()["arms"]["consultancy"]}
    await furnished(site, passage("Alba", 1), data=for_people() | {"arms": arms, "elicit": "final"})
    servers = [arena.serve()[1] for _ in range(2)]

    async def claim(number: int, visitor: Visitor) -> str:
        # Each asks both servers at once, and must come away with one trial.
        asked = await asyncio.gather(*(visitor.post(f"{server}/judge/next") for server in servers))
        assert {answer.status_code for answer in asked} == {303}
        return max(answer.headers["location"] for answer in asked)

    async def submit(visitor: Visitor, trial: str) -> None:
        path = asked_path(await visitor.client.get(servers[0] + trial))
        sent = {"path": path, "p": ["70", "30"], "reason": REASON}
        answers = await asyncio.gather(
            *(visitor.post(server + trial, **as_form(sent)) for server in servers for _ in range(3))
        )
        assert {answer.status_code for answer in answers} == {303}

    places = await count(site.database, Judgement, Judgement.place > 0)
    assert places == 4
    taken: dict[int, str] = {}
    # Who looks while all that is left is being taken by others may come away empty-handed, and looks again.
    for _ in range(3):
        found = await asyncio.gather(*(claim(number, visitor) for number, visitor in enumerate(crowd)))
        taken = {number: trial for number, trial in enumerate(found) if trial != "/judge"}
    assert len(taken) == len(set(taken.values())) == places
    await asyncio.gather(*(submit(crowd[number], trial) for number, trial in taken.items()))

    stated = Verdict.method == "stated"
    done = await count(site.database, Judgement, Judgement.place > 0, Judgement.state == "done")
    assert await count(site.database, Verdict, stated) == done == places
    assert await count(site.database, Exposure) == places
    async with site.database.session() as session:
        per_trial = await session.scalars(
            select(func.count())
            .select_from(Verdict)
            .join(Judgement, Judgement.id == Verdict.play_id)
            .where(stated)
            .group_by(Judgement.talk_id)
        )
        assert list(per_trial) == [2, 2]


async def test_what_was_saved_outlives_a_killed_server(
    site: Site, crowd: list[Visitor], arena: Arena
) -> None:
    arms = {"debate": spec()["arms"]["debate"]}
    await furnished(site, passage("Alba", 1), data=for_people() | {"arms": arms, "elicit": "each_step"})
    visitor = crowd[0]
    process, server = arena.serve()
    trial = (await visitor.post(f"{server}/judge/next")).headers["location"]
    path = asked_path(await visitor.client.get(server + trial))
    assert (
        await visitor.post(server + trial, **as_form({"path": path, "p": ["60", "40"]}))
    ).status_code == 303
    path = asked_path(await visitor.client.get(server + trial))
    draft = {"path": path, "p": ["64", "36"], "reason": "So far", "at": 7}
    kept = await visitor.client.post(
        f"{server}{trial}/draft", json=as_draft(draft), headers={"X-CSRF-Token": visitor.csrf}
    )
    assert kept.json()["saved"] == 7
    process.kill()

    _, server = arena.serve()
    page = await visitor.client.get(server + trial)
    assert asked_path(page) == path
    assert 'value="64"' in page.text
    assert ">So far</textarea>" in page.text
    async with site.database.session() as session:
        moves = await session.scalar(
            text("SELECT count(*) FROM move JOIN seat USING (play_id) WHERE seat.id = :id"),
            {"id": trial[-36:]},
        )
    assert moves == 1


async def test_people_in_a_talk_send_once_and_go_on_after_their_server_was_killed(
    site: Site, arena: Arena
) -> None:
    await imported(site.database, passage("Alba", 1))
    await started(site.database, debate(rounds=1))
    process, server = arena.serve()
    talks = []
    for name in ("Dora", "Emil"):
        browser = await site.browser_of(await site.hire(name, "debater"))
        client = httpx.AsyncClient(cookies={COOKIE: browser.cookies[COOKIE]}, timeout=60)
        visitor = Visitor(client, browser.csrf)
        talks.append((visitor, (await visitor.post(f"{server}/talk/next")).headers["location"]))
    (one, here), (two, there) = talks
    [path] = asked(await one.client.get(server + here))
    sent = {"0.path": path, "0.text": "Dora says so."}
    await one.client.post(
        f"{server}{here}/draft",
        json={"answers": [{"path": path, "text": "Dora says"}], "at": 7},
        headers={"X-CSRF-Token": one.csrf},
    )
    process.kill()

    servers = [arena.serve() for _ in range(2)]
    page = await one.client.get(servers[0][1] + here)
    assert ">Dora says</textarea>" in page.text
    answers = await asyncio.gather(*(one.post(at + here, **sent) for _, at in servers for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    servers[0][0].kill()

    server = servers[1][1]
    [path] = asked(await two.client.get(server + there))
    assert "Dora says so." not in (await two.client.get(server + there)).text
    assert (await two.post(server + there, **{"0.path": path, "0.text": "Emil too."})).status_code == 303

    async def ended() -> bool:
        return await count(site.database, Trial, Trial.state == "done") == 1

    for _ in range(600):
        if await ended():
            break
        await asyncio.sleep(0.1)
    assert await ended()
    assert await count(site.database, Move, Move.content["kind"].astext == "speech") == 2
    assert await count(site.database, SeatRow, SeatRow.state == "done") == 2
    for visitor, _ in talks:
        await visitor.client.aclose()
