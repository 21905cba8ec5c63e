"""What somebody in a seat of a talk meets: instructions, queue, talk page, autosave, sending once, giving back."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
from sqlalchemy import func, select

from app.engine import Engine
from models import Account, Experiment, Move, SeatPlace, Trial
from tests.factories import imported, passage, spec, started
from tests.web.world import Browser, Site

QUOTE = "he had the mate sign below it"
"""Words that stand in every passage of the tests."""


def debate(**changes: Any) -> dict[str, Any]:
    """A debate of two rounds between two people."""
    seats = changes.pop("seats", {"debaters": "people", "checker": "advocate"})
    arm = {"protocol": "debate", "rounds": 2, "min_words": 0, "target_words": 10, "seats": seats, **changes}
    return spec(name="talks", arms={"debate": arm}, judges=["lexical"], elicit="final")


async def begun(site: Site, data: Mapping[str, Any] | None = None, *keys: str) -> Experiment:
    """Start an experiment with seats for people, on one question unless told, and play it as far as it goes."""
    await imported(site.database, *(passage(key, 1) for key in keys or ("Alba",)))
    experiment = await started(site.database, data or debate())
    await advanced(site)
    return experiment


async def advanced(site: Site) -> None:
    """Do what a worker does."""
    async with site.database.session() as db:
        trials = list(await db.scalars(select(Trial.id).order_by(Trial.position)))
    engine: Engine = site.app.state.engine
    for trial in trials:
        await engine.advance_trial(trial)


async def debater(site: Site, name: str = "Dora", role: str = "debater") -> Browser:
    """A browser of a new account that has read the instructions."""
    account = await site.hire(name, role)
    return await site.browser_of(account)


async def seated(browser: Browser) -> str:
    """Take a seat; returns the address of the talk."""
    answer = await browser.submit("/talk/next")
    assert answer.status_code == 303
    return answer.headers["location"]


def asked(page: httpx.Response) -> list[str]:
    """The paths that a page asks for."""
    return re.findall(r'name="\d+\.path" value="([^"]+)"', page.text)


async def say(
    browser: Browser, talk: str, words: str = f"So it was: <quote>{QUOTE}</quote>.", **more: str
) -> httpx.Response:
    """Send a speech where one is asked for."""
    [path] = asked(await browser.get(talk))
    return await browser.submit(talk, {"0.path": path, "0.text": words, **more})


async def count(site: Site, model: Any, *where: Any) -> int:
    async with site.database.session() as db:
        return await db.scalar(select(func.count()).select_from(model).where(*where)) or 0


# ── queue ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_newcomers_read_the_instructions_first(site: Site) -> None:
    async with site.database.session.begin() as db:
        newcomer = Account(id=uuid.uuid4(), name="New", role="debater")
        db.add(newcomer)
    browser = await site.browser_of(newcomer)
    assert (await browser.get("/")).headers["location"] == "/talk"
    for answer in (await browser.get("/talk"), await browser.submit("/talk/next")):
        assert answer.headers["location"] == "/talk/instructions"
    assert "How to argue" in (await browser.get("/talk/instructions")).text
    await browser.submit("/talk/instructions")
    assert (await browser.get("/talk")).status_code == 200


async def test_two_people_debate_each_other_to_the_end(site: Site) -> None:
    await begun(site)
    one, two = await debater(site, "Dora"), await debater(site, "Emil")
    assert "<strong>1 talk</strong>" in (await one.get("/talk")).text
    here, there = await seated(one), await seated(two)
    sides = [
        re.findall(r"<h1>(Debater [AB])</h1>", (await who.get(at)).text)
        for who, at in ((one, here), (two, there))
    ]
    assert sorted(sides) == [["Debater A"], ["Debater B"]]

    for number in (1, 2):
        assert (await say(one, here, f"One says {number}.")).status_code == 303
        page = await one.get(here)
        assert "Waiting for the others" in page.text
        assert f"One says {number}." in page.text
        assert f"One says {number}." not in (await two.get(there)).text
        await say(two, there, f"Two says {number}.")
        for who, at in ((one, here), (two, there)):
            if number == 1:
                assert asked(await who.get(at)) == [
                    f"r2/{'debater_a' if 'Debater A</h1>' in (await who.get(at)).text else 'debater_b'}"
                ]
                assert {"One says 1.", "Two says 1."} <= set(
                    re.findall(r"\w+ says 1\.", (await who.get(at)).text)
                )
    await advanced(site)
    assert "This talk has ended" in (await one.get(here)).text
    async with site.database.session() as db:
        trial = (await db.scalars(select(Trial))).one()
        assert trial.state == "done"
        assert set(await db.scalars(select(SeatPlace.state))) == {"done"}
        speeches = (await db.scalars(select(Move).where(Move.content["kind"].astext == "speech"))).all()
    assert len(speeches) == 4
    assert len({move.participant_id for move in speeches}) == 2


async def test_a_person_debates_a_built_in_whose_speech_is_made_meanwhile(site: Site) -> None:
    seats = {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"}
    await begun(site, debate(seats=seats, simultaneous=False))
    browser = await debater(site)
    here = await seated(browser)
    await say(browser, here)
    page = await browser.get(here)
    assert "Waiting for the others" in page.text
    poll = await browser.get(here, headers={"HX-Request": "true"})
    assert (poll.status_code, poll.content) == (204, b"")
    await advanced(site)
    page = await browser.get(here, headers={"HX-Request": "true"})
    assert asked(page) == ["r2/debater_a"]
    assert "Debater B</h3>" in page.text
