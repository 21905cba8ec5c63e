"""Looking at experiments in the browser: lists, progress, steering, transcripts, calls and exports, each only for whom it is."""

import asyncio
import html
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Engine
from app.jobs import working
from app.participants.base import EndpointSettings
from app.participants.outages import EndpointState
from app.participants.spending import Use
from app.records import browse, experiments, finding, spending
from app.records.database import Database
from app.records.endpoints import publish
from app.records.finding import Wanted
from app.records.paging import Page
from app.records.progress import Progress, progress
from app.records.queue import enqueue_orphans
from app.settings import Settings
from models import Audit, Draft, Experiment, Judgement, Judging, Move, Trial, Verdict
from tests import factories
from tests.factories import finished, imported, passage, played, spec, started
from tests.servers import Script, ScriptedServer
from tests.test_jobs import modelled
from tests.web.entered import as_form
from tests.web.world import Site, World, statements


async def jobs(database: Database) -> list[str]:
    """The statuses of the jobs on the queue."""
    async with database.session() as session:
        return list(await session.scalars(text("SELECT status::text FROM procrastinate_jobs")))


async def state(database: Database, experiment: Experiment) -> str:
    async with database.session() as session:
        return (await session.scalars(select(Experiment.state).where(Experiment.id == experiment.id))).one()


async def until(site: Site, experiment: Experiment, true: Callable[[Progress], bool]) -> Progress:
    """Wait until it is so of an experiment's progress."""
    while True:
        async with site.database.session() as session:
            now = await progress(session, experiment.id)
        if true(now):
            return now
        await asyncio.sleep(0.05)


async def idle(site: Site) -> None:
    """Wait until no job is left, in hand or not."""
    while True:
        if not await jobs(site.database):
            return
        await asyncio.sleep(0.05)


async def first_trial(session: AsyncSession, experiment: Experiment) -> Trial:
    found = select(Trial).where(Trial.experiment_id == experiment.id).order_by(Trial.position)
    return (await session.scalars(found.limit(1))).one()


@pytest.fixture
async def running(site: Site) -> Experiment:
    """An experiment of which nothing has been done."""
    await imported(site.database, passage("Alba"))
    return await started(site.database, spec())


# ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_researchers_see_their_own_experiments_and_those_of_the_command_line(world: World) -> None:
    alice, charlie, admin = [await world.site.browser(name) for name in ("alice", "charlie", "bob")]
    assert "/experiments/for-people" in (await alice.get("/experiments")).text
    assert "/experiments/for-people" in (await admin.get("/experiments")).text
    assert "for-people" not in (await charlie.get("/experiments")).text


async def test_the_list_asks_again_only_while_something_runs(site: Site, running: Experiment) -> None:
    alice = await site.browser("alice")
    assert "hx-trigger" in (await alice.get("/experiments")).text
    assert "hx-trigger" in (await alice.get("/experiments/small")).text
    await played(site.database, running)
    assert "hx-trigger" not in (await alice.get("/experiments")).text
    assert "hx-trigger" not in (await alice.get("/experiments/small")).text


async def test_the_list_is_searched_by_name_as_it_stands(site: Site, running: Experiment) -> None:
    alice = await site.browser("alice")
    assert "/experiments/small" in (await alice.get("/experiments", params={"q": "MAL"})).text
    assert "/experiments/small" not in (await alice.get("/experiments", params={"q": "s%l"})).text


# ── one experiment ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", ["", "/trials", "/report", "/export", "/plot/accuracy.svg"])
async def test_anothers_experiment_is_not_there(world: World, place: str) -> None:
    charlie = await world.site.browser("charlie")
    hidden = await charlie.get(f"/experiments/for-people{place}")
    missing = await charlie.get(f"/experiments/no-such{place}")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.split("<main")[1] == missing.text.split("<main")[1]


async def test_anothers_trial_and_its_calls_are_not_there(world: World) -> None:
    charlie = await world.site.browser("charlie")
    async with world.site.database.session() as session:
        trial = await first_trial(session, world.experiment)
    for address in (f"/trials/{trial.id}", f"/trials/{trial.id}/calls?path=r1/debater_a"):
        assert (await charlie.get(address)).status_code == 404


async def test_a_page_tells_progress_by_arm_and_who_is_waited_for(world: World) -> None:
    alice = await world.site.browser("alice")
    page = (await alice.get("/experiments/for-people")).text
    assert "waiting for people" in page
    for arm in ("debate", "consultancy", "expert"):
        assert f"?arm={arm}" in page
    assert "2 of 2 done" in page


async def test_a_page_says_which_of_its_endpoints_are_paused_and_asks_again(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    await started(site.database, modelled("http://127.0.0.1:9/v1"))
    alice = await site.browser("alice")
    assert "is paused since" not in (await alice.get("/experiments/modelled")).text
    then = datetime.now(UTC) + timedelta(seconds=1000)
    since = datetime(2026, 5, 1, 12, 3, tzinfo=UTC)
    for number, address in enumerate(("http://127.0.0.1:9/v1", "http://127.0.0.1:8/v1")):
        state = EndpointState(f"far{number}", "", since, "answered 503, saying “<b>”", then)
        settings = EndpointSettings.model_validate({"base_url": address})
        async with site.database.session.begin() as session:
            await publish(session, uuid.UUID(int=number), [(settings, state)], seconds=60)
    shown = (await alice.get("/experiments/modelled")).text
    assert (
        "Endpoint far0 is paused since 12:03 UTC: it answered 503, saying “&lt;b&gt;”; next try in 17 min."
        in shown
    )
    assert "far1" not in shown
    assert "hx-trigger" in shown


async def test_a_page_lists_why_things_failed_and_failed_ones_are_tried_again(
    site: Site, running: Experiment
) -> None:
    async with site.database.session.begin() as session:
        failed = {"state": "failed", "error": "The <model> is silent."}
        await session.execute(update(Trial).where(Trial.experiment_id == running.id).values(failed))
        await session.execute(text("DELETE FROM procrastinate_jobs"))
    alice = await site.browser("alice")
    page = (await alice.get("/experiments/small")).text
    assert "The &lt;model&gt; is silent." in page
    assert (await alice.submit("/experiments/small/steer", {"action": "retry"})).status_code == 303
    async with site.database.session() as session:
        assert (await progress(session, running.id)).trials == {"queued": len(await jobs(site.database))}


async def test_what_failed_is_queued_again_while_the_job_that_failed_is_still_ending(
    site: Site, running: Experiment
) -> None:
    async with site.database.session.begin() as session:
        first = await first_trial(session, running)
        first.state, first.error = "failed", "Silence."
        await session.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    lock = text("SELECT count(*) FROM procrastinate_jobs WHERE lock = :lock AND status = 'todo'")
    async with site.database.session.begin() as session:
        await experiments.resume(session, running.id, retry_failed=True)
        assert await session.scalar(lock, {"lock": f"play:{first.id}"}) == 1


# ── steering ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_paused_experiment_is_off_the_queue_until_it_is_resumed(
    site: Site, running: Experiment
) -> None:
    alice = await site.browser("alice")
    before = len(await jobs(site.database))
    assert before > 0
    await alice.submit("/experiments/small/steer", {"action": "pause"})
    assert await state(site.database, running) == "paused"
    assert await jobs(site.database) == []
    async with site.database.session.begin() as session:
        assert await enqueue_orphans(session, running.id) == 0
        assert await experiments.resume(session, running.id, retry_failed=True) == 0
        assert (await progress(session, running.id)).running == 0
    await alice.submit("/experiments/small/steer", {"action": "resume"})
    assert await state(site.database, running) == "running"
    assert len(await jobs(site.database)) == before


async def test_jobs_in_hand_are_left_to_end_and_do_not_keep_a_resumed_row_off_the_queue(
    site: Site, running: Experiment
) -> None:
    async with site.database.session.begin() as session:
        first = text("SELECT id FROM procrastinate_jobs ORDER BY id LIMIT 1")
        await session.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = :id"),
            {"id": await session.scalar(first)},
        )
    before = len(await jobs(site.database))
    async with site.database.session.begin() as session:
        assert await experiments.pause(session, running.id)
    assert await jobs(site.database) == ["doing"]
    async with site.database.session.begin() as session:
        assert await experiments.unpause(session, running.id)
    assert sorted(await jobs(site.database)) == ["doing", *["todo"] * before]


async def test_a_paused_experiment_makes_no_move_and_resumes_whole(site: Site) -> None:
    """With a real worker, whose trials are under way when the pause comes."""
    await imported(site.database, *(passage(name) for name in ("Alba", "Brise", "Corona")))
    async with ScriptedServer(Script(latency=0.05)) as server:
        data = modelled(server.base_url)
        data["arms"] = {"debate": {**data["arms"]["debate"], "rounds": 12}}
        experiment = await started(site.database, data)
        alice = await site.browser("alice")
        steer = f"/experiments/{experiment.name}/steer"
        async with working(site.database, Settings(heartbeat=0.2, concurrency=4)):
            await until(site, experiment, lambda now: now.moves >= 8)
            assert (await alice.submit(steer, {"action": "pause"})).status_code == 303
            await idle(site)
            held = await until(site, experiment, lambda now: now.running == 0)
            asked = len(server.seen)
            assert held.settled < held.total
            await asyncio.sleep(1)
            assert (await until(site, experiment, lambda _: True)).moves == held.moves
            assert len(server.seen) == asked
            begun = text(
                "SELECT count(DISTINCT play_id) FROM move JOIN play ON play.id = play_id WHERE kind = 'talk' AND state = 'queued'"
            )
            async with site.database.session() as session:
                assert await session.scalar(begun)
            assert (await alice.submit(steer, {"action": "resume"})).status_code == 303
            done = await until(site, experiment, lambda now: now.finished)
    assert done.count("done") == done.total
    async with site.database.session() as session:
        again = text("SELECT count(*) FROM call_attempt WHERE number > 1")
        assert await session.scalar(again) == 0
        calls = text("SELECT count(*) FROM call_attempt")
        assert await session.scalar(calls) == len(server.seen)


async def test_pausing_and_resuming_again_and_again_loses_nothing(site: Site) -> None:
    await imported(site.database, passage("Alba"), passage("Brise"))
    experiment = await started(site.database, spec())
    alice = await site.browser("alice")
    async with working(site.database, Settings(heartbeat=0.2, concurrency=4)):
        for _ in range(6):
            for action in ("pause", "resume"):
                await alice.submit("/experiments/small/steer", {"action": action})
        done = await until(site, experiment, lambda now: now.finished)
    assert done.count("done") == done.total


async def test_a_cancelled_experiment_stops_and_keeps_what_it_has(site: Site) -> None:
    await imported(site.database, passage("Alba"), passage("Brise"))
    async with ScriptedServer(Script(latency=0.05)) as server:
        experiment = await started(site.database, modelled(server.base_url))
        alice = await site.browser("alice")
        async with working(site.database, Settings(heartbeat=0.2, concurrency=4)):
            await until(site, experiment, lambda now: now.moves >= 4)
            await alice.submit(f"/experiments/{experiment.name}/steer", {"action": "cancel"})
            await idle(site)
            held = await until(site, experiment, lambda _: True)
            await asyncio.sleep(0.7)
            after = await until(site, experiment, lambda _: True)
    assert held.moves == after.moves >= 4
    assert after.settled < after.total
    page = (await alice.get(f"/experiments/{experiment.name}")).text
    assert "cancelled for good" in page
    for action in ("pause", "resume", "retry", "cancel"):
        assert f'value="{action}"' not in page


STEERS = [
    ("running", "queued", {"pause", "cancel"}),
    ("running", "failed", {"retry", "cancel"}),
    ("paused", "queued", {"resume", "cancel"}),
    ("paused", "failed", {"resume", "retry", "cancel"}),
    ("cancelled", "failed", set()),
]


@pytest.mark.parametrize(("wanted", "trials", "offered"), STEERS)
async def test_what_can_be_done_is_offered_and_nothing_else(
    site: Site, running: Experiment, wanted: str, trials: str, offered: set[str]
) -> None:
    async with site.database.session.begin() as session:
        await session.execute(update(Experiment).where(Experiment.id == running.id).values(state=wanted))
        error = "Silence." if trials == "failed" else None
        await session.execute(
            update(Trial).where(Trial.experiment_id == running.id).values(state=trials, error=error)
        )
    alice = await site.browser("alice")
    page = (await alice.get("/experiments/small")).text
    assert {name for name in ("pause", "resume", "retry", "cancel") if f'value="{name}"' in page} == offered
    assert ("hx-trigger" in page) == ((wanted, trials) == ("running", "queued"))
    for action in offered - {"cancel"}:
        assert (await alice.submit("/experiments/small/steer", {"action": action})).status_code == 303


async def test_a_job_that_comes_for_a_paused_experiment_does_nothing(site: Site, running: Experiment) -> None:
    async with site.database.session.begin() as session:
        await experiments.pause(session, running.id)
    await played(site.database, running)
    async with site.database.session() as session:
        assert (await progress(session, running.id)).moves == 0


async def test_a_trial_that_ends_during_the_pause_queues_its_judgements_only_on_resuming(
    site: Site, running: Experiment
) -> None:
    async with site.database.session.begin() as session:
        trial = await first_trial(session, running)
        await experiments.pause(session, running.id)
        # It had been begun: a person's turn is taken in a paused experiment too.
        await session.execute(update(Trial).where(Trial.id == trial.id).values(state="waiting"))
    engine = Engine(site.database)
    await engine.advance(trial.id)
    await engine.close()
    assert await jobs(site.database) == []
    async with site.database.session.begin() as session:
        await experiments.unpause(session, running.id)
        judgements = select(Judgement.id).where(Judgement.talk_id == trial.id)
        locks = await session.scalars(text("SELECT lock FROM procrastinate_jobs"))
        assert {f"play:{item}" for item in await session.scalars(judgements)} <= set(locks)


async def test_a_cancelled_experiment_is_never_taken_up_again_and_every_step_is_on_the_trail(
    site: Site, running: Experiment
) -> None:
    alice = await site.browser("alice")
    for action, status in [("pause", 303), ("pause", 409), ("cancel", 303), ("resume", 409), ("retry", 409)]:
        sent = await alice.submit("/experiments/small/steer", {"action": action})
        assert (action, sent.status_code) == (action, status)
    assert await state(site.database, running) == "cancelled"
    async with site.database.session() as session:
        trail = await session.scalars(
            select(Audit.action).where(Audit.object_id == str(running.id)).order_by(Audit.id)
        )
        assert list(trail) == ["paused", "cancelled"]


async def test_a_cap_that_is_reached_is_shown_and_raised_on_the_page(site: Site, running: Experiment) -> None:
    alice, page = await site.browser("alice"), "/experiments/small"
    use = {("here", "scripted"): Use(12, 1000, 0, 50)}
    async with site.database.session.begin() as session:
        taken = [((running.id, *model), each) for model, each in use.items()]
        await spending.add(session, uuid.uuid4(), taken)
    assert (await alice.submit(f"{page}/cap", {"calls": "10"})).status_code == 303
    await alice.submit(f"{page}/steer", {"action": "pause"})
    shown = (await alice.get(page)).text
    assert "12 calls of at most 10, 2 over" in shown
    assert 'value="resume"' not in shown
    refused = await alice.submit(f"{page}/steer", {"action": "resume"})
    assert refused.status_code == 409
    assert "12 calls of at most 10" in refused.text
    for wrong in ("many", "-3", "1.5"):
        assert (await alice.submit(f"{page}/cap", {"calls": wrong})).status_code == 422
    assert "names none" in (await alice.submit(f"{page}/cap", {"money": "5"})).text
    assert await state(site.database, running) == "paused"
    assert (await alice.submit(f"{page}/cap", {"calls": "", "tokens": "2000"})).status_code == 303
    assert await state(site.database, running) == "running"
    assert "The spending cap is reached" not in (await alice.get(page)).text


async def test_another_researcher_cannot_steer(world: World) -> None:
    charlie = await world.site.browser("charlie")
    sent = await charlie.submit("/experiments/for-people/steer", {"action": "cancel"})
    assert sent.status_code == 404
    assert await state(world.site.database, world.experiment) == "running"


# ── trials ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def found(world: World, **wanted: Any) -> Page[finding.TrialRow]:
    async with world.site.database.session() as session:
        return (await finding.trials(session, world.experiment.id, Wanted(**wanted), 1)).listed


async def test_trials_are_picked_by_arm_state_and_passage(world: World) -> None:
    every = await found(world)
    assert {row.arm for row in (await found(world, arm="debate")).rows} == {"debate"}
    assert {row.passage.key for row in (await found(world, passage="Brise")).rows} == {"Brise"}
    assert (await found(world, state="done")).total == every.total
    assert (await found(world, state="failed")).total == 0


async def test_trials_are_picked_by_verdicts_that_agree_with_their_counts(world: World) -> None:
    every = (await found(world)).rows
    for judged in ("right", "wrong"):
        picked = {row.trial.id for row in (await found(world, judged=judged)).rows}
        assert picked == {row.trial.id for row in every if getattr(row.summary, judged)}
    known = [row.summary for row in every if row.summary]
    assert len(known) == len(every)
    assert any(row.right for row in known)
    assert all(row.right + row.wrong <= row.verdicts for row in known)


async def test_speeches_are_searched_for_words_as_they_stand(world: World) -> None:
    assert 0 < (await found(world, text="OVERSLEPT")).total < (await found(world)).total
    assert (await found(world, text="over%slept")).total == 0


async def test_a_transcript_shows_gold_and_leads_from_each_quote_to_its_place_in_the_passage(
    world: World,
) -> None:
    alice = await world.site.browser("alice")
    trial = (await found(world, arm="debate", text="overslept")).rows[0].trial
    page = (await alice.get(f"/trials/{trial.id}")).text
    assert '<li class="gold">The pilot had overslept. <strong>★ gold</strong></li>' in page
    assert "✓ word for word" in page
    linked = [part.split('"')[0] for part in page.split('href="#quoted-')[1:]]
    assert linked
    assert all(f'<mark id="quoted-{place}">' in page for place in linked)


async def test_each_quoted_place_of_the_passage_leads_back_to_every_turn_that_quotes_it(world: World) -> None:
    alice = await world.site.browser("alice")
    trial = (await found(world, arm="debate", text="overslept")).rows[0].trial
    page = (await alice.get(f"/trials/{trial.id}")).text
    turns = dict(re.findall(r'<article class="move" id="(turn-\d+)">(.*?)</article>', page, re.DOTALL))
    marks = re.findall(r'<mark id="(quoted-\d+)">(.*?)</mark>', page, re.DOTALL)
    assert marks
    for place, inside in marks:
        quoting = {name for name, text in turns.items() if f'href="#{place}"' in text}
        assert quoting == set(re.findall(r'<sup><a href="#(turn-\d+)"', inside))


async def test_speakers_have_the_names_that_judges_read_beside_their_seats(world: World) -> None:
    alice = await world.site.browser("alice")
    trial = (await found(world, arm="debate")).rows[0].trial
    page = (await alice.get(f"/trials/{trial.id}")).text
    letter = "AB"[trial.argues["debater_a"]]
    assert f"<dt>Debater {letter} argues for</dt>" in page
    assert f"1. Debater {letter} <small>for {letter}</small>" in page
    assert "r1/debater_a" in page


async def test_places_that_nobody_took_are_one_line_and_neighbours_one_click_away(world: World) -> None:
    alice = await world.site.browser("alice")
    rows = (await found(world)).rows
    page = (await alice.get(f"/trials/{rows[1].trial.id}")).text
    assert page.count("2 places open for people in round panel.") == 1
    assert f'href="/trials/{rows[0].trial.id}" rel="prev"' in page
    assert f'href="/trials/{rows[2].trial.id}" rel="next"' in page


async def test_a_persons_judgement_shows_its_reasons_and_the_effort_of_every_step(world: World) -> None:
    judge = await world.site.browser("judge")
    address = (await judge.submit("/judge/next")).headers["location"]
    while 'name="0.path"' in (page := (await judge.get(address)).text):
        path = page.split('name="0.path" value="')[1].split('"')[0]
        form = {"path": path, "p": ["70", "30"], "reason": "The lamp & the inn."}
        assert (await judge.submit(address, as_form(form))).status_code == 303
    async with world.site.database.session.begin() as session:
        done = (
            await session.scalars(select(Judgement).where(Judgement.place > 0, Judgement.state == "done"))
        ).one()
        effort = {"active_seconds": 75, "focus_changes": 1, "edits": 4}
        await session.execute(update(Draft).where(Draft.path == path).values(effort))
    shown = (await (await world.site.browser("alice")).get(f"/trials/{done.talk_id}")).text
    assert "(person)" in shown
    assert "The lamp &amp; the inn." in shown
    assert "75 s at work, page left or come back to 1 time, 4 edits" in shown
    assert "1 place open for people" in shown


async def test_a_long_transcript_comes_in_pieces(site: Site) -> None:
    arms = {"long": {"protocol": "debate", "rounds": 15, "seats": {"debaters": "advocate"}}}
    experiment = await finished(site.database, passage("Alba", 1), data=spec(arms=arms))
    async with site.database.session() as session:
        trial = await first_trial(session, experiment)
    alice = await site.browser("alice")
    pages = [(await alice.get(f"/trials/{trial.id}", params={"from": turn})).text for turn in (1, 21, 41)]
    numbers = [[int(turn) for turn in re.findall(r'id="turn-(\d+)"', page)] for page in pages]
    assert numbers == [list(range(1, 21)), list(range(21, 31)), []]
    assert f'href="/trials/{trial.id}?from=21"' in pages[0]
    assert 'class="later"' not in pages[1]
    assert "There are only 30 turns." in pages[2]
    elsewhere = re.findall(r'<sup><a href="([^"]*)#turn-(\d+)"', pages[0])
    assert elsewhere
    assert all(
        address == ("" if int(turn) <= 20 else f"/trials/{trial.id}?from=21") for address, turn in elsewhere
    )


@pytest.fixture
async def market(site: Site) -> Trial:
    """A finished market of three steps, each with twelve candidates and their reads."""
    experiment = await finished(site.database, passage("Alba", 1), data=factories.market())
    async with site.database.session() as session:
        return await first_trial(session, experiment)


async def paths(site: Site, trial: Trial) -> list[str]:
    async with site.database.session() as session:
        return list(
            await session.scalars(select(Move.path).where(Move.play_id == trial.id).order_by(Move.id))
        )


async def test_a_transcript_shows_what_judges_read_in_their_order_and_nothing_else(
    site: Site, market: Trial
) -> None:
    page = (await (await site.browser("alice")).get(f"/trials/{market.id}")).text
    turns = re.findall(r'id="turn-\d+">.*?<small class="quiet">(\S+) ·', page, re.DOTALL)
    assert market.outcome is not None
    assert turns == [path for group in market.outcome["transcript"] for path in group]
    assert len(turns) == 3
    assert page.count("Not shown to judges: 11 speeches, 26 beliefs") == 3
    assert page.index("Not shown to judges: 2 beliefs") < page.index('id="turn-1"')
    async with site.database.session() as session:
        read = (await session.scalars(select(Move).where(Move.path.in_(turns)))).all()
    quoted = {quote["spans"][0][0] for move in read for quote in move.content["said"]["quotes"]}
    assert {int(place) for place in re.findall(r'<mark id="quoted-(\d+)"', page)} == quoted


async def test_whatever_judges_did_not_read_is_found_once_under_its_step(site: Site, market: Trial) -> None:
    alice = await site.browser("alice")
    page = html.unescape((await alice.get(f"/trials/{market.id}")).text)
    assert market.outcome is not None
    seen = [path for group in market.outcome["transcript"] for path in group]
    addresses = re.findall(r'<a href="(/trials/[^"]+/unshown[^"]+)"', page)
    assert [address.rpartition("=")[2] for address in addresses] == ["t0", "t1", "t2", "t3"]
    for address in addresses:
        following: str | None = address
        while following:
            got = await alice.get(following, headers={"HX-Request": "true"})
            assert "<html" not in got.text
            assert "#quoted-" not in got.text
            seen += re.findall(r'<small class="quiet">(\S+) ·', got.text)
            more = re.search(r'class="later"><a href="([^"]+)"', got.text)
            following = html.unescape(more[1]) if more else None
        whole = await alice.get(address)
        assert f'<a href="/trials/{market.id}">Back to the transcript</a>' in whole.text
    assert sorted(seen) == sorted(await paths(site, market))


async def test_a_markets_price_is_told_by_step_in_a_picture_and_a_table(site: Site, market: Trial) -> None:
    assert market.outcome is not None
    measures = market.outcome["measures"]
    page = (await (await site.browser("alice")).get(f"/trials/{market.id}")).text
    section = page.split('<h2 id="measures">')[1].split("</section>")[0]
    assert section.count("<circle") == section.split("<tbody>")[1].count("<tr>") == 4
    for step in range(4):
        assert f"<td>{100 * measures[f'price/{step}']:.1f}%</td>" in section
    assert "<dt>Arguments that moved the price</dt><dd>3</dd>" in section
    assert "<dd>no</dd>" in section
    assert "price/" not in page


async def test_a_trial_that_is_not_done_shows_all_that_was_said(site: Site, market: Trial) -> None:
    async with site.database.session.begin() as session:
        values = {"state": "waiting", "outcome": None}
        await session.execute(update(Trial).where(Trial.id == market.id).values(values))
    page = (await (await site.browser("alice")).get(f"/trials/{market.id}")).text
    assert "which of it judges read is known when the trial is done" in page
    assert "Not shown to judges" not in page
    assert f"of {len(await paths(site, market))}</a>" in page


async def test_a_transcript_shows_what_a_judge_who_took_part_believed_asked_and_picked(site: Site) -> None:
    arm = {
        "protocol": "interactive-debate",
        "min_rounds": 1,
        "max_rounds": 2,
        "seats": {"debaters": "advocate"},
    }
    await imported(site.database, passage("Alba", 1))
    experiment = await started(site.database, spec(arms={"asking": arm}, judges=["lexical"]))
    async with site.database.session() as session:
        trial = await first_trial(session, experiment)
    alice = await site.browser("alice")
    before = (await alice.get(f"/trials/{trial.id}")).text
    assert "The judge takes part in the talk, which is not over yet." in before
    await played(site.database, experiment)
    page = (await alice.get(f"/trials/{trial.id}")).text
    assert "Verdicts of the judge who took part" in page
    assert "which is not over yet" not in page
    assert "Not shown to judges" not in page
    assert "Beside the transcript: " in page
    assert "<dt>Rounds after the first</dt>" in page
    addresses = re.findall(r'<a href="(/trials/[^"]+/unshown[^"]+)"', html.unescape(page))
    first, *later = [(await alice.get(address)).text for address in addresses]
    assert "had nothing to say" in first, "the prior comes without a question"
    assert re.search(r"<p>(Goes on|Decides now)\.</p>", "".join(later))
    listed = (await alice.get(f"/experiments/{experiment.name}/trials", params={"judge": "lexical"})).text
    assert f"/trials/{trial.id}" in listed


async def test_a_transcript_shows_which_answer_was_chosen_beside_what_judges_read(site: Site) -> None:
    seats = {"consultants": "advocate"}
    arm = {"protocol": "open-consultancy", "questions": "none", "rounds": 1, "seats": seats}
    experiment = await finished(site.database, passage("Alba", 1), data=spec(arms={"choosing": arm}))
    async with site.database.session() as session:
        trial = await first_trial(session, experiment)
    alice = await site.browser("alice")
    page = (await alice.get(f"/trials/{trial.id}")).text
    assert "Not shown to judges: 1 choice" in page
    assert re.search(r"<dt>Consultant argues for</dt><dd>[AB]", page)
    choice = (await alice.get(f"/trials/{trial.id}/unshown", params={"step": "choice"})).text
    assert re.search(r"picked number [12] <small", choice)


@pytest.mark.parametrize("shows", [True, False])
async def test_a_transcript_says_which_scratchpads_judges_read(site: Site, shows: bool) -> None:
    arm = {"protocol": "debate", "rounds": 1, "show_scratchpad": shows, "seats": {"debaters": "advocate"}}
    experiment = await finished(site.database, passage("Alba", 1), data=spec(arms={"noted": arm}))
    async with site.database.session.begin() as session:
        trial = await first_trial(session, experiment)
        noted = """UPDATE move SET content = jsonb_set(content, '{scratchpad}', '"He muses."')"""
        await session.execute(text(f"{noted} WHERE content->>'kind' = 'speech'"))
    alice = await site.browser("alice")
    page = (await alice.get(f"/trials/{trial.id}")).text
    assert page.count("He muses.") == 2
    assert page.count("shown to judges</small></summary>") == 2 * shows


async def test_a_transcript_holds_no_prompt_and_no_raw_reply_until_they_are_asked_for(site: Site) -> None:
    async with ScriptedServer(Script()) as server:
        experiment = await finished(site.database, passage("Alba", 1), data=modelled(server.base_url))
    alice = await site.browser("alice")
    async with site.database.session() as session:
        [row, *_] = (await finding.trials(session, experiment.id, Wanted(arm="debate"), 1)).listed.rows
        [call, *_] = await browse.calls(session, row.trial.id, "r1/debater_a")
    page = (await alice.get(f"/trials/{row.trial.id}")).text
    address = f"/trials/{row.trial.id}/calls?path=r1/debater_a"
    assert f'href="{address}"' in page
    piece = html.unescape((await alice.get(address, headers={"HX-Request": "true"})).text)
    system = call.prompt[0].text.strip().splitlines()[0]
    assert system in piece
    assert system not in html.unescape(page)
    assert str(call.attempts[0].request_id) not in page


async def test_trials_are_picked_by_whose_verdict_was_right_or_wrong(site: Site) -> None:
    experiment = await finished(site.database)
    async with site.database.session() as session:
        assert await finding.judges_of(session, experiment.id) == ["dice", "lexical"]
        of = {
            judge: {
                judged: (
                    await finding.trials(session, experiment.id, Wanted(judge=judge, judged=judged), 1)
                ).listed.total
                for judged in ("right", "wrong", "")
            }
            for judge in ("lexical", "dice", "nobody")
        }
        every = (await finding.trials(session, experiment.id, Wanted(), 1)).listed.total
    assert of["lexical"][""] == of["dice"][""] == every
    assert of["lexical"]["right"] != of["dice"]["right"]
    assert set(of["nobody"].values()) == {0}


async def test_the_number_of_queries_of_a_transcript_does_not_depend_on_its_moves(site: Site) -> None:
    alice = await site.browser("alice")
    arms = {
        f"d{rounds}": {"protocol": "debate", "rounds": rounds, "seats": {"debaters": "advocate"}}
        for rounds in (1, 8)
    }
    experiment = await finished(site.database, passage("Alba", 1), data=spec(arms=arms))
    numbers = []
    for arm in arms:
        async with site.database.session() as session:
            [row, *_] = (await finding.trials(session, experiment.id, Wanted(arm=arm), 1)).listed.rows
        with statements(site.database) as sent:
            assert (await alice.get(f"/trials/{row.trial.id}")).status_code == 200
        numbers.append(len(sent))
    assert numbers[0] == numbers[1]


async def test_the_page_of_a_trial_shows_what_is_doubtful_about_a_belief(site: Site) -> None:
    alice = await site.browser("alice")
    await finished(site.database, passage("Alba", 1), data=spec(arms={"naive": {"protocol": "naive"}}))
    async with site.database.session.begin() as session:
        trial = (await session.scalars(select(Trial.id))).one()
        first, second, *_ = list(await session.scalars(select(Verdict).order_by(Verdict.id)))
        first.said, first.flags = [100.0, 120.0], ["off_sum"]
        second.bounds, second.flags = [[0.9, 1.0], [0.9, 1.0]], ["bounded"]
    page = (await alice.get(f"/trials/{trial}")).text
    assert page.count("said 100, 120") == 1
    assert page.count("90.0% to 100.0% on gold: a letter was not returned") == 1


async def test_hostile_text_reaches_pages_as_text(site: Site) -> None:
    hostile = "<script>alert(1)</script>"
    line = passage("Alba", 1)
    line["text"] += hostile
    line["questions"][0]["question"] += hostile
    async with ScriptedServer(Script()) as server:
        experiment = await finished(site.database, line, data=modelled(server.base_url))
    alice = await site.browser("alice")
    async with site.database.session() as session:
        rows = (await finding.trials(session, experiment.id, Wanted(arm="debate"), 1)).listed.rows
    page = (await alice.get(f"/trials/{rows[0].trial.id}")).text
    whole = await alice.get(f"/trials/{rows[0].trial.id}/calls", params={"path": "r1/debater_a"})
    piece = await alice.get(
        f"/trials/{rows[0].trial.id}/calls", params={"path": "r1/debater_a"}, headers={"HX-Request": "true"}
    )
    for shown in (page, whole.text, piece.text):
        assert hostile not in shown
        assert "&lt;script&gt;alert(1)" in shown
    assert "Attempt 1" in whole.text
    assert "<html" in whole.text
    assert "Attempt 1" in piece.text
    assert "<html" not in piece.text


async def test_calls_of_a_judgement_are_found_only_through_its_own_trial(site: Site) -> None:
    async with ScriptedServer(Script()) as server:
        experiment = await finished(site.database, passage("Alba", 2), data=modelled(server.base_url))
    async with site.database.session() as session:
        judgement = (
            await session.scalars(
                select(Judging)
                .join(Trial, Trial.id == Judging.talk_id)
                .where(Trial.experiment_id == experiment.id)
                .limit(1)
            )
        ).one()
        other = (
            await session.scalars(
                select(Trial.id)
                .where(Trial.experiment_id == experiment.id, Trial.id != judgement.talk_id)
                .limit(1)
            )
        ).one()
        path = await session.scalar(
            text("SELECT path FROM model_call WHERE play_id = :id LIMIT 1"), {"id": judgement.id}
        )
        assert isinstance(path, str)
        assert await browse.calls(session, judgement.talk_id, path, judgement.id)
        assert await browse.calls(session, other, path, judgement.id) == []


# ── exports ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["verdicts", "transcripts", "calls"])
async def test_an_export_is_the_same_table_as_of_the_command_line(world: World, what: str) -> None:
    alice = await world.site.browser("alice")
    got = await alice.get("/experiments/for-people/export", params={"what": what})
    rows = [orjson.loads(line) for line in got.text.splitlines()]
    assert f"for-people-{what}.jsonl" in got.headers["content-disposition"]
    assert all(row["experiment"] == "for-people" for row in rows)
    assert bool(rows) == (what != "calls")
    assert not any(row.get("passage_text") for row in rows)


async def test_an_export_holds_the_passages_where_they_are_asked_for(world: World) -> None:
    alice = await world.site.browser("alice")
    asked = {"what": "transcripts", "passage": "true"}
    got = await alice.get("/experiments/for-people/export", params=asked)
    assert all("overslept" in orjson.loads(line)["passage_text"] for line in got.text.splitlines())


async def test_no_trial_of_no_experiment_is_a_page(site: Site) -> None:
    alice = await site.browser("alice")
    assert (await alice.get(f"/trials/{uuid.uuid4()}")).status_code == 404


# ── lists of transcripts, and a trial's place in one ────────────────────────────────────────────────────────────


async def test_a_transcript_stays_in_the_list_it_was_opened_from(world: World) -> None:
    alice = await world.site.browser("alice")
    page = (await alice.get("/experiments/for-people/trials?arm=debate&sort=least-gold")).text
    addresses = [html.unescape(found) for found in re.findall(r'<th scope="row"><a href="([^"]+)"', page)]
    assert len(addresses) > 1
    assert all(address.endswith("?arm=debate&sort=least-gold") for address in addresses)
    first = (await alice.get(addresses[0])).text
    assert f"1 of {len(addresses)}" in first
    assert 'rel="prev"' not in first
    for number, address in enumerate(addresses[1:], 2):
        before = html.unescape((await alice.get(addresses[number - 2])).text)
        assert f'<a href="{address}" rel="next"' in before
    assert '/experiments/for-people/trials?arm=debate&sort=least-gold&page=1"' in before


async def test_a_transcript_that_left_its_list_leads_back_to_it(world: World) -> None:
    alice = await world.site.browser("alice")
    trial = (await found(world, arm="consultancy")).rows[0].trial
    page = html.unescape((await alice.get(f"/trials/{trial.id}?arm=debate")).text)
    assert "not in this list any more" in page
    assert 'href="/experiments/for-people/trials?arm=debate&page=1"' in page


async def test_the_presets_are_links_with_counts_and_the_chosen_one_is_marked(site: Site) -> None:
    experiment = await finished(site.database)
    alice = await site.browser("alice")
    async with site.database.session() as session:
        counts = await finding.preset_counts(session, experiment.id)
    address = "/experiments/small/trials?judged=confident&sort=most-wrong"
    page = (await alice.get(address)).text
    assert (
        f'<a href="{html.escape(address)}" aria-current="page">Confident and wrong <small>{counts["confident"]}</small></a>'
        in page
    )
    [presets] = re.findall(r'<nav class="presets".*?</nav>', page, re.DOTALL)
    assert presets.count("aria-current") == 1
    assert f"<strong>{counts['confident']}</strong> trial" in page


async def test_the_verdicts_come_before_the_answers_and_agree_with_the_table(site: Site) -> None:
    experiment = await finished(site.database)
    alice = await site.browser("alice")
    async with site.database.session() as session:
        rows = (await finding.trials(session, experiment.id, Wanted(arm="debate"), 1)).listed.rows
        for row in rows:
            page = (await alice.get(f"/trials/{row.trial.id}")).text
            top, _, rest = page.partition('<ol class="answers"')
            shown = re.findall(
                r'<li class="(\w+)"><strong>(\w+)</strong> <span class="outcome">[\w ]+</span>.*?(\d+)% on gold',
                top,
            )
            assert {judge for _, judge, _ in shown} == {"lexical", "dice"}
            assert 'id="verdicts"' in rest
            assert row.summary is not None
            assert row.summary.p_gold is not None
            mean = sum(int(p) for *_, p in shown) / len(shown)
            assert abs(mean - 100 * row.summary.p_gold) <= 1


async def test_numbers_that_are_none_are_refused_and_empty_ones_are_not(world: World) -> None:
    alice = await world.site.browser("alice")
    trials = "/experiments/for-people/trials"
    sent = await alice.get(f"{trials}?gold_min=&words_max=900&sort=&text=the+pilot")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{trials}?words_max=900&text=the+pilot")
    assert (await alice.get(sent.headers["location"])).status_code == 200
    for bad in ("gold_min=x", "words_max=-1", "sort=backwards", "judged=maybe"):
        assert (await alice.get(f"{trials}?{bad}")).status_code == 422


# ── tags and notes ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_tags_and_note_are_saved_shown_searched_and_on_the_trail(
    site: Site, running: Experiment
) -> None:
    alice = await site.browser("alice")
    sent = await alice.submit(
        "/experiments/small/tags",
        {"tags": "Pilot, figure-2  pilot", "note": "Look at <b>Alba</b>\r\nagain."},
    )
    assert sent.status_code == 303
    page = (await alice.get("/experiments/small")).text
    assert 'value="figure-2 pilot"' in page
    assert "Look at &lt;b&gt;Alba&lt;/b&gt;\nagain." in page
    for address in ("/experiments?tag=pilot", "/experiments?q=alba%3C", "/experiments"):
        assert "/experiments/small" in (await alice.get(address)).text, address
    other = (await alice.get("/experiments?tag=other")).text
    assert "has the tag other" in other
    async with site.database.session() as session:
        row = (await session.scalars(select(Audit).where(Audit.action == "changed tags or note"))).one()
        frozen = (await session.scalars(select(Experiment))).one()
    assert row.detail["tags"] == {"before": [], "now": ["figure-2", "pilot"]}
    assert (frozen.digest, frozen.spec) == (running.digest, running.spec)


async def test_bad_tags_are_refused_and_leave_everything_as_it_was(site: Site, running: Experiment) -> None:
    alice = await site.browser("alice")
    for tags, sentence in (
        ("<b>", "is no tag"),
        ("x" * 41, "at most 40"),
        (" ".join(f"t{number}" for number in range(21)), "at most 20"),
    ):
        answer = await alice.submit("/experiments/small/tags", {"tags": f"good {tags}", "note": "n"})
        assert answer.status_code == 422
        assert sentence in html.unescape(answer.text)
    async with site.database.session() as session:
        assert (await session.scalars(select(Experiment.tags))).one() == []


async def test_another_researcher_neither_sees_nor_changes_tags(world: World) -> None:
    alice, charlie = [await world.site.browser(name) for name in ("alice", "charlie")]
    await alice.submit("/experiments/for-people/tags", {"tags": "secretive", "note": "hidden words"})
    assert (await charlie.submit("/experiments/for-people/tags", {"tags": ""})).status_code == 404
    for address in ("/experiments", "/experiments?tag=secretive", "/experiments?q=hidden"):
        page = (await charlie.get(address)).text
        assert "/experiments/for-people" not in page
        assert "<option>secretive</option>" not in page
