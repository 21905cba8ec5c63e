"""A panel may ask people to decide in a time: the server counts it, shows it calmly, and refuses nobody who is late."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.exchange.choices import Format, What
from app.exchange.export import export
from app.experiments.spec import SpecError, parse_spec
from tests.factories import passage, spec
from tests.web.judge.test_routes import believe, next_trial
from tests.web.world import Site, World, for_people, furnished


async def with_a_time(site: Site, seconds: int | None, **changes: Any) -> World:
    judges = [{"humans": 1, **({} if seconds is None else {"seconds": seconds})}]
    data = for_people() | {"judges": judges, "arms": {"naive": {"protocol": "naive"}}} | changes
    return await furnished(site, passage("Alba", 1), data=data)


async def exported(world: World, path: Path) -> list[dict[str, Any]]:
    file = path / "verdicts.jsonl"
    await export(world.site.database, world.experiment, What.VERDICTS, Format.JSONL, file)
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


async def opened_earlier(site: Site, seconds: float) -> None:
    """Let trials have been opened so much earlier than they were."""
    moved = "jsonb_build_object('shown_at', (flags->>'shown_at')::float - :by)"
    async with site.database.session.begin() as db:
        await db.execute(
            text(f"UPDATE seat SET flags = flags || {moved} WHERE flags ? 'shown_at'"),
            {"by": seconds},
        )


def seconds_left(page: str) -> int:
    """The seconds that the clock of a page shows."""
    found = re.search(r'data-clock="(\d+)', page)
    assert found is not None
    return int(found[1])


async def test_the_time_runs_from_the_first_look_and_a_reload_does_not_start_it_again(site: Site) -> None:
    await with_a_time(site, 45)
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    first = (await browser.get(trial)).text
    assert "Please decide within 45 seconds" in first
    assert 15 < seconds_left(first) <= 45
    await opened_earlier(site, 30)
    assert seconds_left((await browser.get(trial)).text) <= 15
    await opened_earlier(site, 30)
    late = (await browser.get(trial)).text
    assert "The 45 seconds are over." in late
    assert "data-clock" not in late


@pytest.mark.parametrize(("late", "overtime"), [(0.0, False), (100.0, True)])
async def test_a_late_verdict_counts_and_its_time_is_in_the_export(
    site: Site, tmp_path: Path, late: float, overtime: bool
) -> None:
    world = await with_a_time(site, 45)
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    await browser.get(trial)
    await opened_earlier(site, late)
    assert (await believe(browser, trial)).status_code == 303
    [row] = await exported(world, tmp_path)
    assert (row["seconds_allowed"], row["overtime"]) == (45, overtime)
    assert late <= row["seconds_taken"] < late + 45
    await opened_earlier(site, 500)
    await browser.get(trial)
    assert await exported(world, tmp_path) == [row], "what was taken down stays"


@pytest.mark.outside
async def test_under_each_step_the_time_is_that_up_to_the_final_verdict(site: Site, tmp_path: Path) -> None:
    arms = {"debate": spec()["arms"]["debate"]}
    world = await with_a_time(site, 600, arms=arms)
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    for _ in range(3):
        await opened_earlier(site, 250)
        assert (await believe(browser, trial)).status_code == 303
    [row] = await exported(world, tmp_path)
    assert row["overtime"] is False, "the first look came after the first of these, so 500 seconds were taken"
    assert 500 <= row["seconds_taken"] < 600


async def test_without_a_time_nothing_is_shown_and_nothing_kept(site: Site, tmp_path: Path) -> None:
    world = await with_a_time(site, None)
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    assert "seconds" not in (await browser.get(trial)).text
    await believe(browser, trial)
    [row] = await exported(world, tmp_path)
    assert (row["seconds_allowed"], row["seconds_taken"], row["overtime"]) == (None, None, None)


def test_a_time_too_short_to_read_anything_is_refused() -> None:
    with pytest.raises(SpecError, match=r"judges.humans: seconds: .*greater than or equal to 5"):
        parse_spec(spec(judges=[{"humans": 1, "seconds": 1}]))
