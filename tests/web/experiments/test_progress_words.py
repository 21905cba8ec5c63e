"""Figures of progress that say something: no share of nothing, no pace to a tenth of thousands, and whose turn it is."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.records.progress import progress
from app.records.tokens import new_token
from app.templating import environment
from app.web.experiments import routes
from models import Experiment
from tests.factories import imported, passage, spec, started
from tests.web.world import WHO, Site


async def naive(site: Site, name: str) -> Experiment:
    return await started(
        site.database, spec(name=name, arms={"naive": {"protocol": "naive"}}, judges=["lexical"])
    )


@pytest.mark.parametrize(
    ("value", "words"), [(2060.5, "2,060"), (10.4, "10"), (3.14, "3.1"), (0.01, "0.1"), (0.0, "none")]
)
def test_a_pace_is_as_exact_as_it_deserves(value: float, words: str) -> None:
    macros = environment.get_template("fragments/_experiment_bar.html").module
    assert str(macros.pace(value)).strip() == words  # type: ignore[attr-defined]


async def test_no_page_says_0_of_0_done(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    experiment = await naive(site, "for-no-one")
    async with site.database.session.begin() as db:
        await db.execute(text("DELETE FROM seat"))
        await db.execute(text("DELETE FROM play WHERE kind = 'judging'"))
    browser = await site.browser("admin")
    for place in ("/experiments/for-no-one", "/experiments", "/"):
        page = await browser.get(place)
        assert experiment.name in page.text
        assert "0 of 0" not in " ".join(page.text.split())
    assert re.search(r"<small>\s*none\s*</small>", (await browser.get("/experiments/for-no-one")).text)


async def test_a_queued_experiment_says_when_its_turn_may_come_on_its_page_and_over_the_api(
    site: Site,
) -> None:
    await imported(site.database, passage("Alba"))
    first, second = await naive(site, "first"), await naive(site, "second")
    said = (
        "Workers take turns between this experiment and one other that runs, a trial or judgement each; it is queued, and its "
        "first turn comes when a worker has finished what it has in hand."
    )
    browser = await site.browser("admin")
    assert said in (await browser.get("/experiments/second")).text
    async with site.database.session.begin() as db:
        token = await new_token(db, site.cast[WHO["admin"]].id, "test", ["read"], timedelta(days=1))
    program = await site.browser()
    program.headers["Authorization"] = f"Bearer {token}"
    answer = await program.get("/api/v1/experiments/second/progress")
    assert answer.json()["turns"] == said
    async with site.database.session.begin() as db:
        await db.execute(
            text("DELETE FROM procrastinate_jobs WHERE queue_name = :own"), {"own": str(first.id)}
        )
    async with site.database.session() as db:
        assert (await progress(db, second.id)).turns is None
    assert "Workers take turns" not in (await browser.get("/experiments/second")).text
    assert routes.turns(3, begun=True) == (
        "Workers take turns between this experiment and 3 others that run, a trial or judgement each."
    )
