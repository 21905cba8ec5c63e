"""The page where everybody begins: progress, places that wait for people, failures; each sees what is theirs."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import assignment, waiting_work
from app.records.waiting_work import Waiting
from models import Account, Experiment, SeatRow, Trial
from tests.factories import imported, passage, played, spec, started
from tests.web.world import Site, World


async def home(site: Site, who: str = "alice") -> str:
    got = await (await site.browser(who)).get("/")
    assert got.status_code == 200
    return got.text


async def waits(world: World, who: str = "alice") -> Waiting:
    """What waits for people, as somebody sees it."""
    async with world.site.database.session() as db:
        return await waiting_work.waiting(db, None if who == "bob" else world.site.cast[who].id)


async def takes(world: World, account: Account) -> None:
    async with world.site.database.session.begin() as db:
        assert await assignment.claim(db, account.id, "judge")


async def fails(db: AsyncSession, experiment: Experiment, reason: str) -> int:
    """Let every trial of an experiment fail; returns how many there are."""
    failed = {"state": "failed", "error": reason, "outcome": None}
    changed = update(Trial).where(Trial.experiment_id == experiment.id).values(failed)
    return len((await db.execute(changed.returning(Trial.id))).all())


# ── the way on ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_people_are_led_to_their_work_and_strangers_to_the_form(site: Site) -> None:
    for who, to in [("judge", "/judge"), ("debater", "/talk"), ("nobody", "/sign-in")]:
        got = await (await site.browser(who)).get("/")
        assert (got.status_code, got.headers["location"]) == (303, to)


async def test_a_newcomer_is_told_how_to_begin(site: Site) -> None:
    page = await home(site)
    for place in ("/tasks", "/experiments/new", "/people"):
        assert f'href="{place}"' in page


async def test_only_admins_are_led_to_administration(world: World) -> None:
    assert 'href="/audit"' in await home(world.site, "bob")
    assert 'href="/audit"' not in await home(world.site, "alice")


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_everybody_sees_what_is_theirs(world: World) -> None:
    assert "/experiments/for-people" in await home(world.site, "alice")
    assert "/experiments/for-people" in await home(world.site, "bob")
    assert "for-people" not in await home(world.site, "charlie")
    assert (await waits(world, "alice")).open == (await waits(world, "bob")).open > 0
    assert await waits(world, "charlie") == Waiting(0, 0, 0, None)


async def test_places_are_counted_as_people_take_them(world: World) -> None:
    before = await waits(world)
    await takes(world, world.site.cast["judge"])
    await takes(world, world.site.cast["rival"])
    after = await waits(world)
    assert (before.held, before.people) == (0, 0)
    assert (after.open, after.held, after.people) == (before.open - 2, 2, 2)
    page = await home(world.site)
    assert "No person is at work at the moment" not in page
    assert f"<td>{after.open}</td>" in page


async def test_a_place_whose_lease_has_run_out_is_open_again(world: World) -> None:
    await takes(world, world.site.cast["judge"])
    async with world.site.database.session.begin() as db:
        late = func.now() - timedelta(minutes=1)
        await db.execute(update(SeatRow).where(SeatRow.state == "waiting").values(leased_until=late))
    now = await waits(world)
    assert (now.held, now.people) == (0, 0)


async def test_the_longest_wait_begins_when_a_transcript_was_finished(world: World) -> None:
    async with world.site.database.session.begin() as db:
        for table in ("play SET finished_at", "judging_round SET created_at"):
            await db.execute(text(f"UPDATE {table} = now() - interval '9 days'"))
        first = (await db.scalars(select(Trial.finished_at).limit(1))).one()
    assert (await waits(world)).since == first


@pytest.mark.parametrize("state", ["paused", "cancelled"])
async def test_no_place_of_an_experiment_that_rests_waits_for_anybody(world: World, state: str) -> None:
    async with world.site.database.session.begin() as db:
        await db.execute(update(Experiment).values(state=state))
    assert (await waits(world)).open == 0
    assert "No place waits for anybody" in await home(world.site)


@pytest.mark.outside
async def test_failures_are_told_with_their_reason_and_a_way_to_the_trials(world: World) -> None:
    assert "Failures" not in await home(world.site)
    async with world.site.database.session.begin() as db:
        count = await fails(db, world.experiment, "The <model> is silent.")
    page = await home(world.site)
    assert "The &lt;model&gt; is silent." in page
    assert 'href="/experiments/for-people/trials?state=failed"' in page
    assert f">{count}<span" in page
    assert "silent" not in await home(world.site, "charlie")


# ── asking again ────────────────────────────────────────────────────────────────────────────────────────────────


async def asks_again(site: Site) -> list[str]:
    """After how many seconds the page asks again, if at all."""
    return re.findall(r'hx-trigger="load delay:(\d+)s"', await home(site))


async def test_the_page_asks_again_only_while_something_moves(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    experiment = await started(site.database, spec())
    assert await asks_again(site) == ["3"]
    await played(site.database, experiment)
    assert await asks_again(site) == []


async def test_the_page_asks_again_less_often_while_only_people_are_at_work(world: World) -> None:
    assert await asks_again(world.site) == []
    await takes(world, world.site.cast["judge"])
    assert await asks_again(world.site) == ["15"]


async def test_the_page_does_not_ask_again_for_judgements_that_failures_hold_up(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    experiment = await started(site.database, spec())
    async with site.database.session.begin() as db:
        await fails(db, experiment, "The model is silent.")
    assert await asks_again(site) == []
    assert "held up by failures" in await home(site)
