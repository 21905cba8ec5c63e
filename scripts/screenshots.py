"""Take the pictures in docs/images/: `make screenshots`. The people whose verdicts they show are made up
here.

An arena with the sample set is made in a temporary database, served, and viewed with a real Chromium.
"""

import asyncio
import math
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import uvicorn
from playwright.async_api import Browser, Page, async_playwright
from sqlalchemy import func, select, update

from app.engine import Engine
from app.exchange.importing import take_sample
from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.protocols.core import Belief
from app.records import assignment, experiments, people
from app.records.database import Database
from app.web.security.middleware import COOKIE
from models import Account, Arm, Experiment, Judgement, Judging, Question, SeatRow, Trial
from scripts.browser import FLAGS, WHAT_TO_DO, find
from tests.database import embedded
from tests.factories import played
from tests.web.world import Site, opened

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
DESKTOP = {"width": 1200, "height": 700}
PHONE = {"width": 360, "height": 640}
NAMES = ("Ada", "Ben", "Chloé", "Dag", "Eun-ji", "Femi")
SKILL = {"naive": 0.0, "consultancy": 0.2, "debate": 0.2, "expert": 1.0}
"""How far the made-up people lean to the right answer, in log-odds, by arm. It suggests no result."""
SPEC: dict[str, Any] = {
    "name": "debate-or-consultancy",
    "tasks": {"set": "sample", "passages": 8, "per_passage": 2, "seed": 4},
    "participants": {
        "extractive-debater": {"kind": "builtin", "name": "extractive-debater"},
        "lexical-judge": {"kind": "builtin", "name": "lexical-judge"},
    },
    "arms": {
        "naive": {"protocol": "naive"},
        "consultancy": {
            "protocol": "consultancy",
            "questions": "none",
            "seats": {"consultants": "extractive-debater"},
        },
        "debate": {"protocol": "debate", "rounds": 2, "seats": {"debaters": "extractive-debater"}},
        "expert": {"protocol": "expert"},
    },
    "judges": ["lexical-judge", {"humans": 2}],
    "contrasts": [["debate", "consultancy"]],
    "elicit": "each_step",
    "seed": 4,
}


def main() -> None:
    """Take all pictures."""
    chromium = find()
    if chromium is None:
        sys.exit(WHAT_TO_DO)
    asyncio.run(take(chromium))


async def take(chromium: str) -> None:
    """Make an arena, serve it, and take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with embedded() as server, server.fresh() as url:
        database = Database(url, embedded=True, connections=8)
        async with opened(database) as site, _served(site) as base, async_playwright() as playwright:
            furnished = await furnish(site)
            browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            studio = Studio(browser, base, site)
            await _researchers(studio, furnished)
            await _only_debates(site, furnished.experiment)
            await _judges(studio)
            await browser.close()
        await database.close()


@asynccontextmanager
async def _served(site: Site) -> AsyncIterator[str]:
    """Serve the site at an address without a worker, so that unfinished work stays unfinished."""
    server = uvicorn.Server(uvicorn.Config(site.app, port=0, lifespan="off", log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


# ── the arena to look at ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Furnished:
    """The objects in the pictures."""

    experiment: Experiment
    debate: Trial
    """A finished debate."""


async def furnish(site: Site) -> Furnished:
    """Alice's experiments: one judged by a built-in and by people, one under way, one paused."""
    async with site.database.session.begin() as db:
        await take_sample(db)
    whole = await _started(site, SPEC)
    await played(site.database, whole)
    judges = [await site.hire(name, "judge") for name in NAMES]
    engine = Engine(site.database)
    for place, judge in enumerate(judges):
        await _judge(site, engine, judge, Random(place))
    await _half_played(site, engine, {**SPEC, "name": "other-questions", "seed": 5})
    await engine.close()
    return Furnished(whole, await _debate(site, whole))


async def _started(site: Site, data: dict[str, Any]) -> Experiment:
    async with site.database.session.begin() as db:
        made = (await start(db, parse_spec(data))).experiment
        await db.execute(
            update(Experiment).where(Experiment.id == made.id).values(owner_id=site.cast["alice"].id)
        )
        return made


async def _half_played(site: Site, engine: Engine, data: dict[str, Any]) -> None:
    """Play about the first half of an experiment."""
    experiment = await _started(site, data)
    async with site.database.session() as db:
        ordered = select(Trial.id).where(Trial.experiment_id == experiment.id).order_by(Trial.position)
        trials = (await db.scalars(ordered)).all()
    await asyncio.gather(*map(engine.advance, trials[: 5 * len(trials) // 8]))
    async with site.database.session() as db:
        played_trials = select(Judgement.id).where(Judgement.talk_id.in_(trials[: len(trials) // 2]))
        ready = (await db.scalars(played_trials.where(Judgement.state == "queued"))).all()
    await asyncio.gather(*map(engine.advance, ready))


async def _only_debates(site: Site, other: Experiment) -> None:
    """Leave only debates for judges."""
    async with site.database.session.begin() as db:
        await experiments.pause(db, other.id)
    arms = {"debate": SPEC["arms"]["debate"]}
    debates = await _started(site, {**SPEC, "name": "debates", "arms": arms, "contrasts": [], "seed": 6})
    await played(site.database, debates)


async def _judge(site: Site, engine: Engine, judge: Account, luck: Random) -> None:
    """Judge every open trial as a made-up person."""
    while True:
        async with site.database.session.begin() as db:
            found = await assignment.claim(db, judge.id, "judge")
        if found is None:
            return
        await _verdict(site, engine, found, luck)


async def _verdict(site: Site, engine: Engine, seat: uuid.UUID, luck: Random) -> None:
    async with site.database.session() as db:
        row = await db.execute(
            select(Trial.answers, Question.gold, Arm.name)
            .join(Question, Question.id == Trial.question_id)
            .join(Arm, Arm.id == Trial.arm_id)
            .join(Judging, Judging.talk_id == Trial.id)
            .join(SeatRow, SeatRow.play_id == Judging.id)
            .where(SeatRow.id == seat)
        )
        answers, gold, arm = row.one()
    step, leaning = 0, 0.0
    while True:
        async with site.database.session.begin() as db:
            turn = await engine.turn(db, seat, lock=True)
            if turn is None or not turn.due:
                return
            [(ask, view)] = turn.due
            leaning += luck.gauss(SKILL[arm] * (step > 0 or arm == "expert"), 1.0)
            p = 1 / (1 + math.exp(-leaning))
            shares = _shares(round(p, 2), answers.index(gold), len(view.answers))
            belief = Belief(p=shares, method="stated", reason=_reason(step))
            await engine.submit(db, turn, {ask.path: belief})
        step += 1


def _shares(p: float, gold: int, count: int) -> tuple[float, ...]:
    """Return a belief with `p` on one answer and the rest evenly on the others."""
    bounded = min(max(p, 0.02), 0.98)
    return tuple(bounded if place == gold else (1 - bounded) / (count - 1) for place in range(count))


def _reason(step: int) -> str:
    return (
        "Going by the question alone." if step == 0 else "The quotes of one side bear on the question itself."
    )


async def _debate(site: Site, experiment: Experiment) -> Trial:
    """Return a debate with the most verdicts."""
    async with site.database.session() as db:
        found = (
            select(Trial)
            .join(Arm, Arm.id == Trial.arm_id)
            .join(Judging, Judging.talk_id == Trial.id)
            .where(Trial.experiment_id == experiment.id, Arm.name == "debate", Judging.state == "done")
            .group_by(Trial.id)
            .order_by(func.count().desc(), Trial.position)
        )
        return (await db.scalars(found.limit(1))).one()


# ── taking pictures ─────────────────────────────────────────────────────────────────────────────────────────────


class Studio:
    """A browser, and the folder of its pictures."""

    def __init__(self, browser: Browser, base: str, site: Site) -> None:
        self._browser, self._base, self._site = browser, base, site

    async def visitor(self, account: Account, size: Any = DESKTOP) -> Page:
        """Return a page of a signed-in person."""
        sharp = 2 if size is PHONE else 1
        context = await self._browser.new_context(
            viewport=size, base_url=self._base, device_scale_factor=sharp, reduced_motion="reduce"
        )
        async with self._site.database.session.begin() as db:
            token = await people.open_session(db, account.id)
        await context.add_cookies([{"name": COOKIE, "value": token, "url": self._base}])
        return await context.new_page()

    async def newcomer(self) -> Account:
        """A person who has judged nothing yet."""
        return await self._site.hire("Ines", "judge")

    @property
    def alice(self) -> Account:
        """The researcher."""
        return self._site.cast["alice"]


async def shoot(page: Page, name: str, *, at: str | None = None) -> None:
    """Take a picture of the visible window, starting at `at`."""
    if at is not None:
        await page.locator(at).first.evaluate(
            "element => scrollTo(0, element.getBoundingClientRect().top + scrollY - 16)"
        )
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=IMAGES / f"{name}.png")
    print(IMAGES / f"{name}.png")


async def _researchers(studio: Studio, shown: Furnished) -> None:
    page = await studio.visitor(studio.alice)
    name = shown.experiment.name
    places: Sequence[tuple[str, str, str | None]] = (
        ("home", "/", None),
        ("tasks", "/tasks/sample", None),
        ("progress", "/experiments/other-questions", None),
        ("report", f"/experiments/{name}/report", None),
        ("plots", f"/experiments/{name}/report", "#plot-accuracy"),
        ("transcript", f"/trials/{shown.debate.id}", "h1"),
        ("new-experiment", f"/experiments/new?like={name}", None),
    )
    for picture, path, at in places:
        await page.goto(path)
        await shoot(page, picture, at=at)


async def _judges(studio: Studio) -> None:
    judge = await studio.newcomer()
    page = await studio.visitor(judge)
    await page.goto("/judge/instructions")
    await shoot(page, "instructions")
    await page.goto("/judge")
    onward = page.get_by_role("button", name="Next trial")
    await onward.click()
    # Go on until there is enough to see, in one trial or a later one.
    while await page.locator("[data-speech]").count() < 4:
        if await page.locator("[data-done]").count():
            await onward.click()
            continue
        await page.locator("textarea").fill("Going by what has been said so far.")
        async with page.expect_navigation():
            await page.locator("[data-submit]").click()
    await page.locator("[data-share='0']").fill("72")
    await page.locator("textarea").fill(
        "A’s quote is about the question itself; B’s is true, and about something else."
    )
    await page.locator("[data-saved]", has_text="Saved").wait_for()
    await shoot(page, "trial", at="h1")
    phone = await studio.visitor(judge, PHONE)
    await phone.goto(page.url)
    await shoot(phone, "trial-phone", at=".belief")


if __name__ == "__main__":
    main()
