"""A database of an earlier revision, upgraded, goes on: its reports are the same, and work begun in it is finished.

What is in it, and who, is said in `make`.
"""

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from app.records.database import Database, migrate
from app.statistics.intervals import METHOD_NO_SPREAD
from tests.database import Server
from tests.upgrade.make import FOLDER, reports, signed_in, work_off
from tests.upgrade.tables import restore
from tests.web.entered import as_form
from tests.web.world import Browser, Site, opened

REVISIONS = sorted(path.name.removesuffix(".rows.gz") for path in FOLDER.glob("*.rows.gz"))


@pytest.fixture(params=REVISIONS)
def before(request: pytest.FixtureRequest) -> str:
    """The revision whose database is upgraded."""
    revision: str = request.param
    return revision


@pytest.fixture
async def old(postgres: Server, before: str) -> AsyncIterator[Database]:
    """A database of the earlier revision, as the code of that time left it, then upgraded."""
    with postgres.fresh("template0") as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            migrate(connection, before)
        engine.dispose()
        database = Database(url, embedded=postgres.embedded, connections=8)
        restore(database.conninfo, FOLDER / f"{before}.rows.gz")
        await database.upgrade()
        yield database
        await database.close()


@pytest.fixture
async def site(old: Database) -> AsyncIterator[Site]:
    """The pages over the upgraded database."""
    async with opened(old, {}) as site:
        yield site


WORDS = {
    "is on record but": "is stored but",
    "go on with the version that made it, or start a new experiment.": "finish it with the version that made it, or "
    "cancel it on its page and start it under another name.",
}
"""Words of one error, then and now."""


def reported(before: str) -> dict[str, Any]:
    """The reports of the experiments by the code of that time, with the present words of one error."""
    written = Path(FOLDER, f"{before}.json").read_text(encoding="utf-8")
    for then, now in WORDS.items():
        written = written.replace(then, now)
    stored: dict[str, Any] = json.loads(written)
    return stored


async def only(database: Database, statement: str, **values: Any) -> Any:
    """The one value that a query finds."""
    async with database.session() as db:
        return (await db.scalars(text(statement), values)).one()


MOVES = (
    "SELECT md5(string_agg(id || path || fingerprint || content, '' ORDER BY id)) FROM move WHERE id <= :last"
)
EXPERIMENT = "SELECT id FROM experiment WHERE name = :name"


async def finish(database: Database, name: str) -> None:
    """Work on an experiment until only people are awaited."""
    await work_off(database, await only(database, EXPERIMENT, name=name))


def of_that_time(now: Any, then: Any) -> Any:
    """A report of today without the keys that reports of that time did not have."""
    if isinstance(now, dict) and isinstance(then, dict):
        if now.get("method") == METHOD_NO_SPREAD and then["low"] == then["high"] == then["value"]:
            # Version 2 of the rules gives no interval to a figure that never varied.
            now = {**now, **{key: then[key] for key in ("low", "high", "method")}}
        return {key: of_that_time(now[key], then[key]) if key in now else "missing" for key in then}
    if isinstance(now, list) and isinstance(then, list):
        now = [item for item in now if not isinstance(item, dict) or item.get("key") != "ensembled"]
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [of_that_time(*pair) for pair in zip(now, then, strict=True)]
    return now


MENDED = {"unit", "p", "test"}
"""Figures and texts that are others since version 2 of the rules: p-values are mid-p values, and people are a cluster."""


def unmended(report: Any) -> Any:
    """A report without what version 2 of the rules mended, and without the methods of people's intervals."""
    if isinstance(report, dict):
        left = MENDED | ({"method"} if report.get("judge") == "people" else set())
        return {key: unmended(value) for key, value in report.items() if key not in left}
    return [unmended(item) for item in report] if isinstance(report, list) else report


async def test_the_reports_are_the_same(old: Database, before: str) -> None:
    now, then = await reports(old), reported(before)
    assert then.keys() - now.keys() == {"half, finished"}
    for name, report in now.items():
        held = of_that_time(json.loads(json.dumps(report)), then[name])
        assert unmended(held) == unmended(then[name]), name
        assert report["rules"] == 2


async def test_a_half_run_experiment_finishes_as_it_would_have(old: Database, before: str) -> None:
    last = await only(old, "SELECT max(id) FROM move")
    kept = await only(old, MOVES, last=last)
    await finish(old, "half")
    then = reported(before)["half, finished"]
    held = of_that_time(json.loads(json.dumps((await reports(old))["half"])), then)
    assert unmended(held) == unmended(then)
    assert await only(old, MOVES, last=last) == kept
    assert await only(old, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == 0


async def test_a_half_judged_trial_is_finished_by_the_same_person(site: Site) -> None:
    jack = await signed_in(site, "Jack")
    at = await in_hand(jack, "/judge")
    page = html.unescape((await jack.get(at)).text)
    assert "belief 2 of 3" in page
    assert "Half a thought" in page
    assert 'value="35"' in page
    for _ in range(2):
        page = (await jack.get(at)).text
        [path] = re.findall(r'name="0.path" value="([^"]+)"', page)
        answer = {"path": path, "p": ["20", "80"], "reason": "So."}
        assert (await jack.submit(at, as_form(answer))).status_code == 303
    assert "Your verdict is stored" in (await jack.get(at)).text
    beliefs = await only(
        site.database,
        "SELECT v.beliefs FROM verdict v JOIN account a ON a.participant_id = v.participant_id WHERE a.name = 'Jack'",
    )
    assert sorted(map(sorted, beliefs)) == [[0.2, 0.8], [0.2, 0.8], [0.4, 0.6]]


async def test_a_talk_goes_on_with_the_people_in_its_seats(site: Site) -> None:
    dora, emil = [await signed_in(site, name) for name in ("Dora", "Emil")]
    here = await in_hand(dora, "/talk")
    assert "It was the pi</textarea>" in (await dora.get(here)).text
    await say(dora, here, "It was the pilot.")
    await finish(site.database, "talk-barges")
    there = await in_hand(emil, "/talk")
    for browser, at in ((dora, here), (emil, there)):
        assert {"It was the pilot.", "It was the fog."} <= set(
            re.findall(r"It was the \w+\.", (await browser.get(at)).text)
        )
        await say(browser, at, "That is all.")
    await finish(site.database, "talk-barges")
    assert "This talk has ended" in (await dora.get(here)).text
    cells = (await reports(site.database))["talk-barges"]["cells"]
    assert [cell["verdicts"] for cell in cells] == [2]


async def test_a_seat_that_was_given_back_is_for_others(site: Site) -> None:
    emil = await signed_in(site, "Emil")
    offered = html.unescape((await emil.get("/talk")).text)
    assert "2 more talks" in offered


async def test_a_judge_who_takes_part_goes_on(site: Site) -> None:
    jill = await signed_in(site, "Jill")
    seat = await in_hand(jill, "/judge")
    page = (await jill.get(seat)).text
    paths = re.findall(r'name="\d+\.path" value="([^"]+)"', page)
    assert len(paths) == 3
    sent: dict[str, Any] = {}
    for number, path in enumerate(paths):
        sent |= {f"{number}.path": path, f"{number}.text": "Enough.", f"{number}.pick": "1"}
        sent |= {f"{number}.p": ["52", "48"]} if path.endswith("belief") else {}
    assert (await jill.submit(seat, sent)).status_code == 303
    await finish(site.database, "talk-ships")
    assert "This talk has ended" in (await jill.get(seat)).text
    verdicts = "SELECT count(*) FROM verdict v JOIN account a USING (participant_id) WHERE a.name = 'Jill'"
    assert await only(site.database, verdicts) == 3


async def in_hand(browser: Browser, start: str) -> str:
    """The address of the work that somebody is awaited at."""
    found = re.findall(r'href="([^"]+)">Go on', (await browser.get(start)).text)
    return str(found[0])


async def say(browser: Browser, at: str, words: str) -> None:
    """Give the one speech that a page asks for."""
    [path] = re.findall(r'name="\d+\.path" value="([^"]+)"', (await browser.get(at)).text)
    answer = await browser.submit(at, {"0.path": path, "0.text": words})
    assert answer.status_code == 303, answer.text
