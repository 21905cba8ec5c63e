"""The pages of an imported archive: those of any finished experiment, and a person who judges its talks."""

import uuid
from pathlib import Path

import pytest
from sqlalchemy import select

from app.exchange.archive_import import take_archive
from app.experiments.freeze import judge_again
from models import Experiment, Trial
from tests.exchange.archives import archive, lines
from tests.exchange.test_archive_import import panel
from tests.web.world import Site


@pytest.fixture
async def theirs(site: Site, tmp_path: Path) -> Experiment:
    """The small archive, imported."""
    async with site.database.session.begin() as session:
        return (await take_archive(session, archive(tmp_path), "theirs")).experiment


async def first_trial(site: Site, experiment: Experiment) -> uuid.UUID:
    async with site.database.session() as session:
        found = await session.scalars(
            select(Trial.id).where(Trial.experiment_id == experiment.id).order_by(Trial.position)
        )
        return found.first() or uuid.UUID(int=0)


async def test_every_page_of_an_imported_experiment_opens(site: Site, theirs: Experiment) -> None:
    browser = await site.browser("admin")
    for page in (
        "/experiments",
        "/experiments/theirs",
        "/experiments/theirs/trials?arm=debate&judged=right",
        "/experiments/theirs/report",
        "/experiments/theirs/report.json",
        "/experiments/theirs/judge",
        "/experiments/theirs/export?what=verdicts&format=csv",
        "/tasks/theirs",
    ):
        assert (await browser.get(page)).status_code == 200, page
    own = (await browser.get("/experiments/theirs")).text
    assert "Imported: A study, CC0." in own
    assert "New experiment like this one" not in own
    listed = (await browser.get("/experiments")).text
    assert "finished" in listed


async def test_a_transcript_shows_who_spoke_and_what_was_quoted(site: Site, theirs: Experiment) -> None:
    browser = await site.browser("admin")
    page = (await browser.get(f"/trials/{await first_trial(site, theirs)}")).text
    assert "Debater B" in page
    assert "The pilot had overslept that day" in page
    assert "Ann (person) (imported)" in page


async def test_a_copy_of_an_imported_experiment_says_that_it_cannot_be_played(
    site: Site, theirs: Experiment
) -> None:
    browser = await site.browser("admin")
    answer = await browser.get("/experiments/new?like=theirs")
    assert answer.status_code == 409
    assert "cannot be played anew" in answer.text
    assert (await browser.get("/experiments/new")).status_code == 200


async def test_a_person_judges_an_imported_talk_without_what_others_believed(
    site: Site, theirs: Experiment, tmp_path: Path
) -> None:
    async with site.database.session.begin() as session:
        await judge_again(session, theirs, panel(tmp_path, {}, {"humans": 1, "once_per_passage": False}))
    browser = await site.browser("judge")
    taken = await browser.submit("/judge/next")
    page = (await browser.get(taken.headers["location"])).text
    assert "Why was it late?" in page or "Which is better?" in page
    reasons = [line["reason"] for line in lines() if line.get("reason")]
    for hidden in (*reasons, "Ann", "Ben", "Cleo", "GPT-4", "in_paper", "left an hour late", "No text came"):
        assert hidden not in page
