"""A person who judges a critique accepts or rejects its points, once, after the belief, in a page that works without script."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text, update

from app.exchange.choices import Format, What
from app.exchange.export import export
from app.reports.report import report
from models import Draft, Experiment, Judgement, Move, SeatRow, Trial
from tests.factories import passage, spec
from tests.web.entered import as_draft, as_form, as_marks
from tests.web.judge.test_routes import believe, next_trial
from tests.web.world import Browser, Site, furnished

PLANTED: dict[str, Any] = {
    "protocol": "critique-planted-flaws",
    "planted": 1,
    "mark": True,
    "seats": {"authors": "advocate", "critics": "advocate", "grader": "advocate"},
}


async def with_a_critique(site: Site, **changes: Any) -> Browser:
    """A judge before an experiment of critiques alone."""
    data = spec(name="marked", arms={"planted": PLANTED | changes}, judges=[{"humans": 1}], elicit="final")
    await furnished(site, passage("Alba", 1), data=data)
    return await site.browser("judge")


async def marks(site: Site) -> dict[str, int]:
    """The marks on record by path."""
    async with site.database.session() as session:
        rows = await session.scalars(select(Move).where(Move.path.startswith("judging/mark/")))
        return {row.path: row.content["index"] for row in rows}


def points(page: httpx.Response) -> list[int]:
    return [int(number) for number in re.findall(r'<label for="pick-\d+">Point (\d+)</label>', page.text)]


async def submit(browser: Browser, trial: str, *said: str) -> httpx.Response:
    return await browser.submit(trial, as_form(*as_marks(said)))


async def test_after_the_belief_each_point_is_accepted_or_rejected_and_then_the_trial_is_done(
    site: Site,
) -> None:
    browser = await with_a_critique(site)
    trial = await next_trial(browser)
    assert points(await browser.get(trial)) == [], "the belief comes first"
    await believe(browser, trial)
    page = await browser.get(trial)
    numbers = points(page)
    assert numbers
    assert "data-belief" not in page.text
    assert "Your belief is stored" in page.text
    words = re.findall(r'id="words-\d+">(.*?)</p>', page.text, re.DOTALL)
    assert "“" in "".join(words), "quotes are told from the words around them"

    said = [f"{number}-{'accept' if number == 1 else 'reject'}" for number in numbers]
    assert (await submit(browser, trial, *said)).status_code == 303
    assert await marks(site) == {f"judging/mark/r1/critic_1/{number}": int(number != 1) for number in numbers}
    assert "Thank you" in (await browser.get(trial)).text
    assert (await submit(browser, trial, *said)).status_code == 303, "sent twice it changes nothing"
    async with site.database.session() as session:
        made = await session.scalars(select(Move.content).where(Move.path.startswith("judging/mark/")))
        assert {content["said"] for content in made} == {"Accepted.", "Rejected."}
    assert len(await marks(site)) == len(numbers)


@pytest.mark.parametrize("said", [(), ("1-perhaps",), ("1-2",), ("1-",)])
async def test_a_point_left_out_is_asked_for_again_and_what_was_said_stays(
    site: Site, said: tuple[str, ...]
) -> None:
    browser = await with_a_critique(site)
    trial = await next_trial(browser)
    await believe(browser, trial)
    last = points(await browser.get(trial))[-1]
    answer = await submit(browser, trial, f"{last}-reject", *said)
    assert answer.status_code == (303 if last == 1 and not said else 422)
    if answer.status_code == 422:
        assert "Accept or reject every point." in answer.text
        assert re.search(rf"Point {last}</label>.*?value=\"1\" selected", answer.text, re.DOTALL)
        assert await marks(site) == {}


async def test_a_trial_whose_points_nobody_marked_goes_to_another_once_its_lease_ends(site: Site) -> None:
    first = await with_a_critique(site)
    trial = await next_trial(first)
    await believe(first, trial)
    async with site.database.session.begin() as session:
        mine = select(Judgement.talk_id).where(Judgement.state == "waiting")
        left = (await session.scalars(mine)).one()
        late = func.now() - text("interval '1 hour'")
        await session.execute(update(SeatRow).where(SeatRow.state == "waiting").values(leased_until=late))
    await next_trial(await site.browser("rival"))
    async with site.database.session() as session:
        places = await session.scalars(select(Judgement.state).where(Judgement.talk_id == left))
        assert "returned" in set(places)
        assert await session.scalar(select(func.count()).where(Judgement.state == "queued")) == 0


async def autosave(browser: Browser, trial: str, *said: str, **more: Any) -> httpx.Response:
    sent = as_draft(*as_marks(said), **{"at": 5, **more})
    return await browser.post(f"{trial}/draft", json=sent, headers={"X-CSRF-Token": browser.csrf})


async def test_marks_are_kept_as_they_are_chosen_and_are_none_before_they_are_sent(site: Site) -> None:
    browser = await with_a_critique(site)
    trial = await next_trial(browser)
    await believe(browser, trial)
    assert (await autosave(browser, trial, "", "2-reject", at=7)).json()["saved"] == 7
    await autosave(browser, trial, "2-accept", at=6)
    page = await browser.get(trial)
    assert 'value="1" selected' in page.text
    assert 'value="0" selected' not in page.text, "the newest counts, in whatever order they come"
    assert 'name="at" value="7"' in page.text
    assert (await browser.get(f"{trial}/return")).status_code == 200
    assert await marks(site) == {}
    await submit(browser, trial, *(f"{number}-accept" for number in points(page)))
    assert (await autosave(browser, trial, "1-reject", at=9)).json()["saved"] is None
    assert set((await marks(site)).values()) == {0}
    async with site.database.session() as session:
        kept = await session.scalars(select(Draft.content).where(Draft.path.startswith("judging/mark/")))
        assert all(content == {} for content in kept)


@pytest.mark.parametrize(
    ("mark", "more", "status"),
    [(False, {}, 200), (True, {"more": 1}, 422), (True, {"answers": []}, 422)],
)
async def test_marks_that_nobody_asks_for_or_of_another_shape_are_not_kept(
    site: Site, mark: bool, more: dict[str, Any], status: int
) -> None:
    browser = await with_a_critique(site, mark=mark)
    trial = await next_trial(browser)
    answer = await autosave(browser, trial, "1-accept", **more)
    assert answer.status_code == status
    assert status == 422 or answer.json()["saved"] is None
    async with site.database.session() as session:
        assert (await session.scalars(select(Draft))).all() == []


async def test_work_on_marks_is_kept_and_is_none_on_the_belief(site: Site, tmp_path: Path) -> None:
    browser = await with_a_critique(site)
    trial = await next_trial(browser)
    await believe(browser, trial)
    await autosave(browser, trial, "1-accept", efforts=[{"step": 0, "active_seconds": 1.5, "edits": 3}])
    page = await browser.get(trial)
    await submit(browser, trial, *(f"{number}-accept" for number in points(page)))
    async with site.database.session() as session:
        draft = (
            await session.scalars(
                select(Draft).where(Draft.path.startswith("judging/mark/"), Draft.edits > 0)
            )
        ).one()
        experiment = (await session.scalars(select(Experiment))).one()
    assert (draft.active_seconds, draft.edits) == (1.5, 3)
    await export(site.database, experiment, What.VERDICTS, Format.JSONL, tmp_path / "verdicts.jsonl")
    [row] = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text("utf-8").splitlines()]
    assert row["active_seconds"] == 0


async def test_marks_before_the_belief_change_nothing(site: Site) -> None:
    browser = await with_a_critique(site)
    trial = await next_trial(browser)
    assert (await submit(browser, trial, "1-accept")).status_code == 303
    assert await marks(site) == {}
    assert "data-belief" in (await browser.get(trial)).text


async def test_nothing_on_the_page_tells_that_a_flaw_was_planted(site: Site) -> None:
    browser = await with_a_critique(site)
    trial = await next_trial(browser)
    pages = [(await browser.get(trial)).text]
    await believe(browser, trial)
    pages.append((await browser.get(trial)).text)
    async with site.database.session() as session:
        [reference] = set(
            await session.scalars(
                select(Move.content["text"].astext)
                .join(Judgement, Judgement.talk_id == Move.play_id)
                .where(Move.path == "r1/author/flaw", Judgement.state == "waiting")
            )
        )
        own = list(
            await session.scalars(select(Move.content["said"]["text"].astext).where(Move.path == "r1/author"))
        )
    for page in pages:
        assert not re.search("tamper|planted|grade|reference", page, re.IGNORECASE)
        assert reference not in page
        assert not [text for text in own if text in page]


async def test_where_nobody_is_to_mark_the_belief_ends_the_trial(site: Site) -> None:
    browser = await with_a_critique(site, mark=False)
    trial = await next_trial(browser)
    await believe(browser, trial)
    assert "Thank you" in (await browser.get(trial)).text


async def test_marks_of_people_are_in_the_report(site: Site) -> None:
    data = spec(
        name="marked",
        arms={"planted": PLANTED},
        judges=[{"humans": 1, "once_per_passage": False}],
        elicit="final",
    )
    world = await furnished(site, passage("Alba", 1), data=data)
    browser = await site.browser("judge")
    for _ in range(2):
        trial = await next_trial(browser)
        await believe(browser, trial)
        await submit(browser, trial, *(f"{number}-accept" for number in points(await browser.get(trial))))
    async with site.database.session() as session:
        made = await report(session, world.experiment)
        caught = [
            row.outcome["measures"]["caught"] for row in await session.scalars(select(Trial)) if row.outcome
        ]
    [accepted] = [item for item in made.metrics if item.key == "planted_accepted"]
    assert (accepted.judge, accepted.questions) == ("people", 1)
    assert accepted.value == sum(caught) / len(caught), "who accepts every point accepts what names the flaw"
