"""Make a database of the present revision with work of every state in it, for the tests of later migrations.

Run `python -m tests.upgrade.make` before a migration is written. It writes `REVISION.rows.gz`, all rows (see `tables`), and
`REVISION.json`, the report of each experiment by the code of that time. What is there at revision 0007:

people    Alice (researcher, alice@arena.test, password below), Bob (admin), Jill and Jack (judges), Dora and Emil (debaters).
          Each has a session: the cookie `arena_session` is `session-NAME`, its token against forgery `csrf-NAME`, NAME in
          lower case. Alice's token for the API is `arena_fixture`. Sessions, invites and leases end in 2099.
finished  every shape of arm, by built-ins, two judges, and a judging round `again` that was added later
modelled  a debate by a scripted model server, with its calls
failed    a scripted built-in that runs out of replies: its talks failed
judged    two debates for two people: Jill has judged both; Jack has given one back, and one first belief of the other, with a
          draft of the next
half      a run that stopped: one talk is done and judged in one order of two by one judge, one talk has the moves of its first
          round, the others are queued; of the jobs, one is in the hands of a worker that died. The file of reports holds
          its report when it is finished, as `half, finished`
paused    an experiment that was paused before anything was done
talk-…    debates of two rounds between two people. `talk-barges`: Dora is awaited and has a draft; Emil has answered and waits.
          `talk-boats`: Dora gave her seat back; both seats are open. `talk-rafts`: both seats are open
talk-ships a talk in which the judge takes part, twice: Jill has stated her first belief in one and is awaited after the first
          round; the judge's seat of the other is open
"""

import asyncio
import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from app.experiments.freeze import judge_again
from app.experiments.spec import Panel, PanelSpec, parse_spec
from app.jobs import follow
from app.records import experiments, people, spec_drafts
from app.records.database import Database, head
from app.reports.report import report
from app.services.passwords import hasher
from app.settings import Settings
from models import Account, ApiToken, Experiment, Session
from tests.database import embedded
from tests.factories import imported, passage, spec, started
from tests.servers import ScriptedServer
from tests.upgrade.tables import save
from tests.web.world import Browser, Site, opened

FOLDER = Path(__file__).parent
PASSWORD = "correct horse battery"
ALWAYS = datetime(2099, 1, 1, tzinfo=UTC)
CAST = {
    "Alice": "researcher",
    "Bob": "admin",
    "Jill": "judge",
    "Jack": "judge",
    "Dora": "debater",
    "Emil": "debater",
}
MUTE = {"kind": "builtin", "name": "scripted", "script": {"speech": ["So it was."]}}


def finished() -> dict[str, Any]:
    """The file of an experiment with every shape of arm."""
    arms = dict(spec()["arms"])
    critics = {"authors": "advocate", "critics": "advocate", "grader": "advocate"}
    arms["flaws"] = {"protocol": "critique", "planted": 0.5, "mark": True, "seats": critics}
    arms["asking"] = {
        "protocol": "interactive-debate",
        "min_rounds": 1,
        "max_rounds": 2,
        "seats": {"debaters": "advocate"},
    }
    return spec(name="finished", arms=arms, contrasts=[["debate", "consultancy"]])


def modelled(base_url: str) -> dict[str, Any]:
    """The file of an experiment with a model in every seat."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted"}
    arms = {"debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "model"}}}
    tasks = {"set": "ferries", "limit": 1}
    return spec(name="modelled", tasks=tasks, participants={"model": model}, arms=arms, judges=["model"])


def failed() -> dict[str, Any]:
    """The file of an experiment whose debater runs out of replies."""
    people = {**spec()["participants"], "mute": MUTE}
    arms = {"debate": {"protocol": "debate", "rounds": 2, "seats": {"debaters": "mute"}}}
    return spec(name="failed", participants=people, arms=arms, judges=["lexical"])


def argued(name: str, **changes: Any) -> dict[str, Any]:
    """The file of an experiment with a debate and a consultancy between built-ins."""
    arms = {arm: spec()["arms"][arm] for arm in ("debate", "consultancy")}
    return spec(name=name, **{"arms": arms, **changes})


def for_judges() -> dict[str, Any]:
    """The file of an experiment with two debates, each judged by a built-in and by two people."""
    humans = {"humans": 2, "feedback": "score"}
    return spec(name="judged", arms={"debate": spec()["arms"]["debate"]}, judges=["lexical", humans])


def for_debaters(tasks: str) -> dict[str, Any]:
    """The file of an experiment with one debate between two people, on the one question of a task set."""
    seats = {"debaters": "people", "checker": "advocate"}
    arm = {"protocol": "debate", "rounds": 2, "min_words": 0, "target_words": 10, "seats": seats}
    return spec(name=f"talk-{tasks}", tasks={"set": tasks}, arms={"debate": arm}, judges=["lexical"])


def for_a_judge(tasks: str) -> dict[str, Any]:
    """The file of an experiment with a talk in which a person takes part as the judge."""
    rounds = {"min_rounds": 1, "max_rounds": 2}
    arm = {"protocol": "interactive-consultancy", **rounds, "seats": {"consultants": "advocate"}}
    return spec(name=f"talk-{tasks}", tasks={"set": tasks}, arms={"asking": arm}, judges=[{"humans": 1}])


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def hire(database: Database) -> dict[str, Account]:
    """Make the accounts, each with a session whose token is known."""
    cast = {}
    async with database.session.begin() as db:
        for name, role in CAST.items():
            email = f"{name.lower()}@arena.test"
            secret = hasher.hash(PASSWORD) if role in ("researcher", "admin") else None
            cast[name] = account = await people.add_account(db, email, name, role, secret)
            token = people.token_digest(f"session-{name.lower()}")
            csrf = f"csrf-{name.lower()}"
            db.add(Session(account_id=account.id, token_digest=token, csrf=csrf, expires_at=ALWAYS))
        alice = cast["Alice"].id
        token = people.token_digest("arena_fixture")
        db.add(
            ApiToken(account_id=alice, name="desk", token_digest=token, scopes=["read"], expires_at=ALWAYS)
        )
        await people.new_invite(db, role="judge", shared=True, label="everybody", created_by=alice)
        invite = await people.new_invite(db, role="judge", shared=False, created_by=alice)
        await people.join(db, invite, "Nora")
        await spec_drafts.save_draft(db, alice, None, "unfinished", {"name": "unfinished"})
        await db.execute(text("UPDATE invite SET expires_at = :always"), {"always": ALWAYS})
    return cast


async def signed_in(site: Site, name: str) -> Browser:
    """A browser with the session of one of the cast."""
    async with site.database.session() as db:
        found = select(Account).where(Account.name == name)
        browser = await site.browser_of(None)
        browser.account = (await db.scalars(found)).one()
    browser.cookies.set("arena_session", f"session-{name.lower()}", domain="arena.test")
    browser.csrf = f"csrf-{name.lower()}"
    return browser


async def judged(site: Site) -> None:
    """Jill judges everything; Jack gives one trial back and begins the other."""
    jill, jack = [await signed_in(site, name) for name in ("Jill", "Jack")]
    for browser in (jill, jack):
        await browser.submit("/judge/instructions")
    for _ in range(2):
        await believe(jill, (await jill.submit("/judge/next")).headers["location"], times=3)
    back = (await jack.submit("/judge/next")).headers["location"]
    await jack.submit(f"{back}/return", {"knows_story": "true"})
    at = (await jack.submit("/judge/next")).headers["location"]
    await believe(jack, at, times=1)
    entered = {"p": ["35", "65"], "reason": "Half a thought", "at": 1_700_000_000_000}
    efforts = [{"step": 1, "active_seconds": 1.5, "focus_changes": 1, "edits": 7}]
    sent = {"path": "judging/order0/step1", **entered, "efforts": efforts}
    await jack.post(f"{at}/draft", json=sent, headers={"X-CSRF-Token": jack.csrf})


async def believe(browser: Browser, at: str, times: int) -> None:
    """State the beliefs that a trial asks for, from the first step on."""
    for step in range(times):
        sent = {"path": f"judging/order0/step{step}", "p": [f"{60 + 5 * step}", f"{40 - 5 * step}"]}
        answer = await browser.submit(at, {**sent, "reason": "The pilot, says a quote."})
        assert answer.status_code == 303, answer.text


async def talk(site: Site, waiting: Experiment, returned: Experiment) -> None:
    """Dora gives a seat of one talk back; in the other she drafts and Emil answers."""
    dora, emil = [await signed_in(site, name) for name in ("Dora", "Emil")]
    for browser in (dora, emil):
        await browser.submit("/talk/instructions")
    await stop(site.database, waiting, "paused")
    back = (await dora.submit("/talk/next")).headers["location"]
    await dora.submit(f"{back}/return")
    await stop(site.database, waiting, "running")
    await stop(site.database, returned, "paused")
    here, there = [(await browser.submit("/talk/next")).headers["location"] for browser in (dora, emil)]
    answers = [{"path": path, "text": "It was the pi"} for path in await asked(dora, here)]
    draft = {"answers": answers, "at": 1_700_000_000_000, "active_seconds": 1.5, "edits": 13}
    answer = await dora.post(f"{here}/draft", json=draft, headers={"X-CSRF-Token": dora.csrf})
    assert answer.json()["saved"], answer.text
    await say(emil, there, "It was the fog.")
    await stop(site.database, returned, "running")


async def take_part(site: Site) -> None:
    """Jill takes the judge's seat of a talk, states a belief and asks for more."""
    jill = await signed_in(site, "Jill")
    here = (await jill.submit("/judge/next")).headers["location"]
    sent: dict[str, Any] = {}
    for number, path in enumerate(await asked(jill, here)):
        shares = {f"{number}.p": ["55", "45"]} if path.endswith("/belief") else {}
        sent |= {f"{number}.path": path, f"{number}.text": "Go on.", **shares}
    answer = await jill.submit(here, sent)
    assert answer.status_code == 303, answer.text


async def asked(browser: Browser, at: str) -> list[str]:
    """The paths that the page of a seat asks for."""
    return re.findall(r'name="\d+\.path" value="([^"]+)"', (await browser.get(at)).text)


async def say(browser: Browser, at: str, words: str) -> None:
    """Give the one speech that a page asks for."""
    [path] = await asked(browser, at)
    answer = await browser.submit(at, {"0.path": path, "0.text": words})
    assert answer.status_code == 303, answer.text


async def stop(database: Database, experiment: Experiment, state: str) -> None:
    """Pause an experiment, or let it go on."""
    change = text("UPDATE experiment SET state = :state WHERE id = :id")
    async with database.session.begin() as db:
        await db.execute(change, {"state": state, "id": experiment.id})


# ── a run that stopped ──────────────────────────────────────────────────────────────────────────────────────────

STOPPED = """
    -- of one judging, the second order is not read yet
    CREATE TEMP TABLE half AS SELECT j.id FROM judgement j JOIN participant p ON p.id = j.participant_id
        WHERE j.trial_id = :done AND p.name = 'dice';
    DELETE FROM verdict WHERE judgement_id IN (SELECT id FROM half);
    DELETE FROM move WHERE judgement_id IN (SELECT id FROM half) AND path LIKE 'judging/order1/%';
    UPDATE judgement SET state = 'queued', finished_at = NULL WHERE id IN (SELECT id FROM half);
    -- of one talk, only the first round is there
    DELETE FROM move WHERE trial_id = :begun AND path NOT IN ('r1/debater_a', 'r1/debater_b');
    UPDATE trial SET state = 'queued', outcome = NULL, finished_at = NULL WHERE id = :begun;
    -- what is done has no job, and nothing of the talk is judged yet
    DELETE FROM procrastinate_jobs WHERE lock = 'trial:' || :done OR lock IN
        (SELECT 'judgement:' || j.id FROM judgement j WHERE j.state = 'done' OR j.trial_id = :begun);
    -- the worker of one job died
    INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2020-01-01');
    UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)
        WHERE lock = 'trial:' || :begun
"""


async def half_run(site: Site) -> None:
    """Play two talks of an experiment and judge one, then take back what a run that stopped had not done."""
    database, engine = site.database, site.app.state.engine
    experiment = await started(database, argued("half", judges=["lexical", "dice"]))
    async with database.session() as db:
        debates = text(
            "SELECT t.id FROM trial t JOIN arm a ON a.id = t.arm_id "
            "WHERE t.experiment_id = :id AND a.name = 'debate' ORDER BY t.position"
        )
        done, begun = await db.scalars(debates, {"id": experiment.id})
        judgings = list(await db.scalars(text("SELECT id FROM judgement WHERE trial_id = :id"), {"id": done}))
    for trial in (done, begun):
        await engine.advance_trial(trial)
    for judging in judgings:
        await engine.advance_judgement(judging)
    async with database.session.begin() as db:
        for statement in STOPPED.split(";"):
            await db.execute(text(statement), {"done": str(done), "begun": str(begun)})


# ── all of it ───────────────────────────────────────────────────────────────────────────────────────────────────


async def run(database: Database, data: Mapping[str, Any]) -> Experiment:
    """Start an experiment and work on it until only people are awaited."""
    experiment = await started(database, data)
    await work_off(database, experiment.id)
    return experiment


async def work_off(database: Database, experiment: uuid.UUID) -> None:
    """Work on an experiment until only people are awaited; a dead worker is noticed at once."""
    async for _ in follow(database, Settings(heartbeat=0.2, stalled_after=1), experiment):
        pass


async def make(database: Database) -> None:
    """Fill a database."""
    await imported(database, passage("Alba", 1), passage("Brise", 1))
    for tasks, key in (("boats", "Corona"), ("barges", "Dagny"), ("rafts", "Elbe"), ("ships", "Fulda")):
        await imported(database, passage(key, 1), name=tasks)
    async with opened(database, await hire(database)) as site:
        await by_machines(database)
        await run(database, for_judges())
        await judged(site)
        returned, waiting = [await run(database, for_debaters(tasks)) for tasks in ("boats", "barges")]
        await talk(site, waiting, returned)
        await run(database, for_debaters("rafts"))
        taking_part = await run(database, for_a_judge("ships"))
        await take_part(site)
        await work_off(database, taking_part.id)
        paused = await started(database, argued("paused"))
        # Last: any worker would look after the job of the one that died.
        await half_run(site)
        async with database.session.begin() as db:
            await experiments.pause(db, paused.id)
            lease = "UPDATE {} SET leased_until = :always WHERE leased_until IS NOT NULL"
            for table in ("judgement", "seat_place"):
                await db.execute(text(lease.format(table)), {"always": ALWAYS})


async def by_machines(database: Database) -> None:
    """Play the experiments in which no person has a part."""
    first = await run(database, finished())
    panel = PanelSpec("again", parse_spec(finished()).cast, Panel(("dice",), "final", None))
    async with database.session.begin() as db:
        await judge_again(db, first, panel)
    await work_off(database, first.id)
    async with ScriptedServer() as server:
        await run(database, modelled(server.base_url))
    await run(database, failed())


async def reports(database: Database) -> dict[str, Any]:
    """The report of every experiment, as JSON."""
    async with database.session() as db:
        every = await db.scalars(select(Experiment).order_by(Experiment.name))
        return {experiment.name: (await report(db, experiment)).as_json() for experiment in every.all()}


async def main() -> None:
    """Write both files of the present revision."""
    with embedded() as server, server.fresh() as url:
        database = Database(url, embedded=True, connections=8)
        await make(database)
        save(database.conninfo, FOLDER / f"{head()}.rows.gz")
        found = await reports(database)
        async with database.session() as db:
            half = await db.scalar(select(Experiment.id).where(Experiment.name == "half"))
        assert half is not None
        await work_off(database, half)
        found["half, finished"] = (await reports(database))["half"]
        await database.close()
    (FOLDER / f"{head()}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
