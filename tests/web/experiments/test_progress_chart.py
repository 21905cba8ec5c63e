"""How fast an experiment goes: bars, times in words, and what they are made from."""

import pytest
from sqlalchemy import text

from app.records import browse
from app.web.experiments.progress_chart import HEIGHT, bars, lasting
from models import Experiment
from tests.factories import finished, imported, passage, spec, started
from tests.servers import Script, ScriptedServer
from tests.test_jobs import modelled
from tests.web.world import Site


def test_the_highest_bar_fills_the_picture_and_anything_leaves_a_line() -> None:
    drawn = bars([0, 1, 500, 250])
    assert [bar.x for bar in drawn] == [1, 2, 3]
    assert [bar.height for bar in drawn] == [1.0, HEIGHT, HEIGHT / 2]
    assert all(bar.y + bar.height == HEIGHT for bar in drawn)


def test_nothing_gives_no_bar() -> None:
    assert bars([]) == bars([0, 0]) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "about a minute"),
        (400, "about 7 minutes"),
        (7300, "about 2 hours"),
        (200_000, "about 2 days"),
    ],
)
def test_times_are_said_as_exactly_as_an_estimate_deserves(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


async def course(site: Site, experiment: Experiment, *, live: bool) -> browse.Course:
    async with site.database.session() as session:
        return await browse.course(session, experiment, live=live)


async def test_every_move_is_in_one_stretch_of_time(site: Site) -> None:
    experiment = await finished(site.database, passage("Alba"))
    async with site.database.session.begin() as session:
        moves = await session.scalar(text("SELECT count(*) FROM move"))
        await session.execute(text("UPDATE move SET created_at = now() - id * interval '1 minute'"))
    for live in (True, False):
        found = await course(site, experiment, live=live)
        assert len(found.moves) == browse.BARS
        assert sum(found.moves) == moves
    assert found.start is not None
    assert found.end is not None
    assert found.start < found.end


@pytest.mark.outside
async def test_the_time_left_follows_from_what_ended_lately(site: Site) -> None:
    experiment = await finished(site.database, passage("Alba"))
    async with site.database.session.begin() as session:
        await session.execute(text("UPDATE move SET created_at = now() - interval '2 hours'"))
        await session.execute(
            text("UPDATE play SET finished_at = now() - interval '1 minute' WHERE kind = 'talk'")
        )
        await session.execute(
            text("UPDATE play SET finished_at = now() - interval '1 hour' WHERE kind = 'judging'")
        )
        trials = await session.scalar(text("SELECT count(*) FROM play WHERE kind = 'talk'"))
        await session.commit()
    found = await course(site, experiment, live=True)
    assert found.recent == 0
    assert trials is not None
    assert found.ended == pytest.approx(trials / 5)
    assert found.seconds_left(trials * 2) == pytest.approx(600)


async def test_before_the_first_move_there_is_no_pace(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    found = await course(site, await started(site.database, spec()), live=True)
    assert (found.start, found.recent, found.most, found.seconds_left(5)) == (None, 0, 0, None)
    page = (await (await site.browser("alice")).get("/experiments/small")).text
    assert "No move has been made yet." in page
    assert "not known yet" in page


async def test_calls_and_tokens_are_told_by_participant(site: Site) -> None:
    async with ScriptedServer(Script()) as server:
        experiment = await finished(site.database, passage("Alba"), data=modelled(server.base_url))
        sent = len(server.seen)
    async with site.database.session() as session:
        used = {row.participant: row for row in await browse.usage(session, experiment.id)}
        tokens = await session.scalar(text("SELECT sum(tokens_in) FROM call_attempt"))
    assert set(used) == {"strong", "weak"}
    assert sum(row.attempts for row in used.values()) == sent
    assert sum(row.tokens_in for row in used.values()) == tokens
    assert all(row.failed == 0 and row.seconds for row in used.values())
    page = (await (await site.browser("alice")).get(f"/experiments/{experiment.name}")).text
    assert '<th scope="row">strong</th>' in page
    assert f"{tokens:,}" in page


async def test_judgements_held_up_by_a_failed_trial_do_not_keep_a_page_asking(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    experiment = await started(site.database, spec())
    async with site.database.session.begin() as session:
        await session.execute(
            text("UPDATE play SET state = 'failed', error = 'Silence.' WHERE kind = 'talk'")
        )
    alice = await site.browser("alice")
    for address in (f"/experiments/{experiment.name}", "/experiments"):
        page = (await alice.get(address)).text
        assert "hx-trigger" not in page
        assert "held up by failures" in page
    assert "cannot be judged until their trial is done" in (await alice.get("/experiments/small")).text
