"""Worlds that differ in what a judge must not learn, and in nothing else; and a judge who reads all there is to read.

A twin is a copy of a database, so that every id is the same, in which one kind of secret has been exchanged.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import assignment, drafts, people
from app.records.database import Database
from app.services.invites import invite_path
from app.web.security.middleware import COOKIE
from models import Account, Experiment, SeatRow, Trial
from tests.database import Server
from tests.factories import imported, played, started
from tests.servers import Script, ScriptedServer
from tests.web.entered import as_draft, as_form
from tests.web.fixtures import MISSING, bearer, connected, filled
from tests.web.routes import BELIEF, ROUTES, named
from tests.web.world import Browser, Site, opened

# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────

TOKENS = ("barley", "copper", "flax", "ginger", "hemp", "indigo", "linen", "mustard", "nutmeg", "pepper")
MODEL = "zirconia-7b"
NAMES = ("quartz-author", "opal-author", "slate-judge", MODEL, "far-endpoint")
ARMS = (
    "arm-agate",
    "arm-beryl",
    "arm-coral",
    "arm-dolomite",
    "arm-epidote",
    "arm-feldspar",
    "arm-garnet",
    "arm-heliodor",
    "arm-iolite",
)
STUDIES = ("study-step", "study-final", "study-open", "study-over", "study-broken")
NOTES = ("key-of-example", "private-thought", "reason-of-another", "draft-of-another", "failure-of-opal")
"""Words that stand for something that no judge may read, wherever it is kept."""


EXAMPLE = json.dumps(
    {
        "passage": "key-of-example",
        "passage_digest": "ab" * 32,
        "question": "key-of-example",
        "question_text": "Who rang the bell?",
        "argued": "The sexton did.",
        "argument": "He had <v_quote>the rope in his hand</v_quote>.",
        "acceptance": 0.9,
    }
)
"""What misled a verifier before, on a text of no study here."""


def hidden(key: str) -> dict[str, Any]:
    """A passage of which only the first sentences are worth quoting, as a line of a task file."""
    kept = [f"The warden of {key} counted sacks of {token}-{key} that hour." for token in TOKENS]
    said = [
        f"The ferry {key} left late because its pilot had overslept that morning.",
        f"The captain of the ferry {key} wrote that fog had held the ferry back.",
    ]
    asked = {
        "id": f"key-of-{key}",
        "question": f"Why did the ferry {key} leave late?",
        "answers": ["Its pilot had overslept.", "Fog had held the ferry back."],
        "gold": 0,
        "distractor": 1,
    }
    return {
        "id": f"passage-{key}",
        "title": f"title-of-{key}",
        "author": f"author-of-{key}",
        "source": f"source-of-{key}",
        "text": " ".join([*said, *kept]),
        "questions": [asked],
    }


def _study(name: str, tasks: str, url: str, arms: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    people_wanted = {"humans": 2, **more.pop("people", {})}
    model = {"kind": "model", "endpoint": "far-endpoint", "model": MODEL}
    return {
        "name": name,
        "tasks": {"set": tasks},
        "endpoints": {"far-endpoint": {"base_url": url}},
        "participants": {
            "quartz-author": {"kind": "builtin", "name": "extractive-debater"},
            "slate-judge": {"kind": "builtin", "name": "lexical-judge"},
            "opal-author": model,
        },
        "arms": arms,
        "judges": ["slate-judge", people_wanted],
        **more,
    }


def _arms() -> dict[str, Any]:
    """Every shape of transcript but the one that shows the passage."""
    author, model = {"debaters": "quartz-author"}, {"debaters": "opal-author"}
    short = {"target_words": 40, "min_words": 10, "max_words": 80, "quote_characters": 100, "rounds": 1}
    shapes: list[dict[str, Any]] = [
        {"protocol": "debate", **short, "seats": author},
        {"protocol": "debate", "simultaneous": False, **short, "seats": author},
        {"protocol": "debate", **short, "seats": model},
        {"protocol": "consultancy", "questions": "none", **short, "seats": {"consultant": "quartz-author"}},
        {"protocol": "double-consultancy", **short, "seats": {"consultants": "quartz-author"}},
        {"protocol": "quotes-only", "quote_characters": 100, "seats": {"quoters": "quartz-author"}},
        {"protocol": "naive"},
        {
            "protocol": "prover-verifier",
            **{key: value for key, value in short.items() if key != "rounds"},
            "seats": {"prover": "quartz-author"},
            "examples": 1,
            "prompts": {"examples": EXAMPLE},
        },
        {"protocol": "debate", "show_scratchpad": True, **short, "seats": author},
    ]
    return dict(zip(ARMS, shapes, strict=True))


# ── the world ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Original:
    """A world at rest: its database, its people, what a judge may know of it, and how they are signed in."""

    postgres: Server
    database: str
    cast: Mapping[str, Account]
    things: Mapping[str, object]
    mine: tuple[object, ...]
    """Seats of the judge's, in every state, and one of the rival's."""
    sessions: Mapping[str, tuple[str, str]]
    """Name of somebody to the token and the forgery token of their session."""
    token: Mapping[str, str]
    """The header of a token for the API that a judge somehow came by."""
    secrets: tuple[str, ...]


@asynccontextmanager
async def original(postgres: Server, feedback: str) -> AsyncIterator[Original]:
    """A world whose judges are told the truth afterwards (`score`) or never (`none`)."""
    with postgres.fresh() as url:
        async with (
            ScriptedServer(Script(models=(MODEL,))) as server,
            connected(postgres, url) as database,
            opened(database) as site,
        ):
            await _fill(site, server.base_url, feedback)
            found = await _what_is_known(site, server.base_url)
        assert url.database is not None
        yield Original(postgres, url.database, site.cast, **found)


async def _fill(site: Site, url: str, feedback: str) -> None:
    database = site.database
    policy = {"feedback": feedback}
    arms = _arms()
    once = {name: arms[name] for name in ("arm-dolomite", "arm-agate")}
    naive = {"arm-garnet": arms["arm-garnet"]}
    expert = {"arm-garnet": {"protocol": "expert"}}
    await _run(database, _study("study-over", "shelf-over", url, naive, people=policy), "Over")
    await _taken(site, "UPDATE experiment SET state = 'cancelled'")
    await _run(database, _study("study-broken", "shelf-broken", url, naive, people=policy), "Broken")
    await _taken(
        site,
        "WITH gone AS (UPDATE seat SET leased_until = NULL) "
        "UPDATE play SET state = 'failed', error = 'failure-of-opal: gold' "
        "WHERE kind = 'judging' AND state = 'waiting' AND round_id IN (SELECT r.id FROM judging_round r JOIN experiment e "
        "ON e.id = r.experiment_id WHERE e.name = 'study-broken')",
    )
    again = {**policy, "once_per_passage": False}
    step = _study("study-step", "shelf-step", url, arms, elicit="each_step", people=again)
    await _run(database, step, "Alba")
    final = _study("study-final", "shelf-final", url, once, elicit="final", people=policy)
    await _run(database, final, "Brise", "Cape", "Dune")
    opened_text = _study("study-open", "shelf-open", url, expert, elicit="final", people=policy)
    await _run(database, opened_text, "Open")
    async with database.session.begin() as db:
        await _secrets_in_place(db, site)
        await _work_of_the_rival(db, site)


async def _run(database: Database, study: dict[str, Any], *keys: str) -> None:
    await imported(database, *map(hidden, keys), name=study["tasks"]["set"])
    await played(database, await started(database, study))


async def _taken(site: Site, then: str) -> None:
    """Let the judge take a trial, and something happen to it."""
    async with site.database.session.begin() as db:
        assert await assignment.claim(db, site.cast["judge"].id, "judge")
        await db.execute(text(then))


async def _secrets_in_place(db: AsyncSession, site: Site) -> None:
    alice, judge = site.cast["alice"], site.cast["judge"]
    await db.execute(update(Experiment).values(owner_id=alice.id))
    await db.execute(
        update(Account).where(Account.id != judge.id).values(name=func.concat("name-of-", Account.name))
    )
    noted = (
        "UPDATE move SET content = jsonb_set(content, '{scratchpad}', {}) WHERE content->>'kind' = 'speech'"
    )
    notes = "to_jsonb('notes before ' || (content->'said'->>'text'))"
    await db.execute(text(noted.replace("{}", """'"private-thought"'""")))
    await db.execute(text(f"{noted.replace('{}', notes)} AND play_id IN {_NOTES_SHOWN}"))
    await db.execute(text("UPDATE verdict SET reason = 'reason-of-another'"))


async def _work_of_the_rival(db: AsyncSession, site: Site) -> None:
    taken = await assignment.claim(db, site.cast["rival"].id, "judge")
    assert taken is not None
    entered = {"p": ["50", "50"], "text": "draft-of-another", "knows_story": False, "at": 1}
    play = (await db.get_one(SeatRow, taken)).play_id
    await drafts.save(db, taken, play, site.cast["rival"].id, "judging/order0/step0", entered, {})


async def _what_is_known(site: Site, url: str) -> dict[str, Any]:
    judge = site.cast["judge"].participant_id
    sessions = {}
    for who in ("judge",):
        browser = await site.browser(who)
        sessions[who] = (browser.cookies[COOKIE], browser.csrf)
    token = await bearer(site, "judge", "read", "write", "admin")
    async with site.database.session.begin() as db:
        held = await db.execute(select(SeatRow.id, SeatRow.participant_id))
        held_by = [(row.participant_id, row.id) for row in held if row.participant_id]
        invite = await people.new_invite(db, role="judge", shared=False)
        link = (await invite_path(db, invite)).removeprefix("/invite/")
        things = {
            **MISSING,
            "experiment": STUDIES[0],
            "trial": (await db.scalars(select(Trial.id).order_by(Trial.id).limit(1))).one(),
            "person": site.cast["alice"].id,
            "link": link,
            "email": site.cast["judge"].email,
            "password": "a guess",
        }
        secrets = await _secrets(db, url)
    mine = sorted(held_by, key=lambda pair: (pair[0] != judge, pair[1]))
    return {
        "things": things,
        "mine": tuple(identity for _, identity in mine),
        "sessions": sessions,
        "token": token,
        "secrets": secrets,
    }


async def _secrets(db: AsyncSession, url: str) -> tuple[str, ...]:
    """Everything in the database that no judge may read, as it would be written."""
    ids = [
        str(identity)
        for table in ("experiment", "arm", "play", "question", "passage", "judging_round", "participant")
        for identity in await db.scalars(text(f"SELECT id FROM {table}"))
    ]
    whose = "SELECT unnest(ARRAY[name, email]) FROM account WHERE name LIKE 'name-of-%'"
    named_so = "SELECT unnest(ARRAY[title, author, source, key]) FROM passage UNION SELECT key FROM question"
    kept = [str(found) for query in (whose, named_so) for found in await db.scalars(text(query))]
    sentences = [f"{token}-{key}" for token in TOKENS for key in ("Alba", "Brise", "Cape", "Dune", "Over")]
    spoken = " ".join(await db.scalars(text("SELECT content::text FROM move")))
    unquoted = [sentence for sentence in sentences if sentence not in spoken]
    assert len(unquoted) > len(sentences) / 2, "most of every passage stays unquoted"
    shelves = [name.replace("study", "shelf") for name in STUDIES]
    return (*ids, *kept, *unquoted, *shelves, *NAMES, *ARMS, *STUDIES, *NOTES, url.split("/")[2])


# ── twins ───────────────────────────────────────────────────────────────────────────────────────────────────────

_NOTES_SHOWN = "(SELECT p.id FROM play p JOIN arm a ON a.id = p.arm_id WHERE p.kind = 'talk' AND a.settings->>'show_scratchpad' = 'true')"
_SEATS = ("debater", "consultant", "quoter")
_OF_TRIALS = "play_id IN (SELECT id FROM play WHERE kind = 'talk')"
_JUDGE = "(SELECT participant_id FROM account WHERE name = 'Judge')"
_OTHERS = f"participant_id NOT IN {_JUDGE}"
_TALKS = "kind = 'talk'"
_PAIR = (
    "(SELECT id FROM participant WHERE name IN ('quartz-author', 'opal-author') AND id <> {}.participant_id)"
)
_TWO = "participant_id IN (SELECT id FROM participant WHERE name IN ('quartz-author', 'opal-author'))"


def _swapped(column: str) -> str:
    """SQL for a text in which the two seats of every pair have exchanged their names."""
    for old, new in (("a", "z"), ("b", "a"), ("z", "b")):
        for seat in _SEATS:
            column = f"replace({column}, '{seat}_{old}', '{seat}_{new}')"
    return column


EXCHANGES: dict[str, list[str]] = {
    "truth": ["UPDATE question SET gold = distractor, distractor = gold"],
    "sides": [
        # Who holds seat A holds seat B, with every word and the answer it speaks for unchanged; a consultant changes sides.
        f"UPDATE play SET argues = ({_swapped('argues::text')})::jsonb WHERE {_TALKS}",
        # Of two who spoke at once, seat A stands first on record, as it always does.
        f"UPDATE play SET outcome = ({_swapped('outcome::text')})::jsonb "
        f"WHERE {_TALKS} AND jsonb_array_length(outcome->'transcript'->0) = 1",
        "UPDATE play SET argues = jsonb_build_object('consultant', 1 - (argues->>'consultant')::int) "
        f"WHERE {_TALKS} AND argues ? 'consultant'",
        "UPDATE play SET argues = jsonb_build_object('prover', 1 - (argues->>'prover')::int) "
        f"WHERE {_TALKS} AND argues ? 'prover'",
        "UPDATE play SET assignment = assignment + 1000 WHERE kind = 'talk'",
        "UPDATE play t SET assignment = (SELECT min(o.assignment) + max(o.assignment) - 1000 FROM play o "
        f"WHERE o.arm_id = t.arm_id AND o.question_id = t.question_id) - t.assignment WHERE {_TALKS}",
        f"UPDATE move SET path = path || '!' WHERE {_OF_TRIALS}",
        f"UPDATE move SET path = rtrim({_swapped('path')}, '!'), seat = {_swapped('seat')} WHERE {_OF_TRIALS}",
    ],
    "authors": [
        f"UPDATE arm_seat SET participant_id = {_PAIR.format('arm_seat')} WHERE {_TWO}",
        f"UPDATE move SET participant_id = {_PAIR.format('move')} WHERE {_TWO}",
        "UPDATE participant SET name = 'another-' || name WHERE kind <> 'person'",
        "UPDATE endpoint SET name = 'another-' || name, base_url = base_url || '/another'",
        "UPDATE model_call SET model = 'another', endpoint = 'another'",
        "UPDATE account SET name = 'another', email = 'another-' || email WHERE name <> 'Judge'",
    ],
    "times": [
        # Who was slower spoke first, also in the order in which rows were written.
        f"UPDATE move SET id = 1000000 - id, created_at = created_at - id * interval '1 h' WHERE {_OF_TRIALS}",
        "UPDATE play SET finished_at = finished_at - (seed % 1000) * interval '1 h' WHERE kind = 'talk'",
        f"UPDATE play SET finished_at = finished_at - (seed % 1000) * interval '1 h' "
        f"WHERE kind = 'judging' AND judge_id NOT IN {_JUDGE}",
        "UPDATE experiment SET created_at = created_at - interval '1 h'",
        "UPDATE model_call SET created_at = created_at - interval '1 day'",
        "UPDATE call_attempt SET started_at = started_at - interval '1 day', seconds = 1000 + seconds",
    ],
    "others' work": [
        f"UPDATE verdict SET belief = ARRAY[belief[2], belief[1]], reason = 'another' WHERE {_OTHERS}",
        f"UPDATE seat SET flags = '{{\"knows_story\": true}}' WHERE {_OTHERS}",
        "UPDATE draft SET content = '{}', active_seconds = 1000, edits = 9 WHERE account_id IN "
        "(SELECT id FROM account WHERE name <> 'Judge')",
        "UPDATE call_attempt SET tokens_in = 1000 + tokens_in, tokens_out = 1000 + tokens_out",
    ],
    "names and texts": [
        "UPDATE experiment SET name = 'another-' || name, spec = '{}'",
        "UPDATE arm SET name = 'another-' || name",
        "UPDATE task_set SET name = 'another-' || name",
        "UPDATE question SET key = 'another-' || key, meta = '{\"another\": 1}'",
        "UPDATE text SET body = 'Another text altogether.' WHERE digest IN "
        "(SELECT text_digest FROM passage WHERE key <> 'passage-Open')",
        "UPDATE passage SET title = 'another', author = 'another', source = 'another', key = 'another-' || key",
        "UPDATE play SET error = 'another' WHERE kind = 'judging' AND error IS NOT NULL",
        "UPDATE move SET content = jsonb_set(content, '{scratchpad}', '\"another\"') "
        f"WHERE {_OF_TRIALS} AND content->>'kind' = 'speech' AND play_id NOT IN {_NOTES_SHOWN}",
    ],
}
"""Kind of secret to what exchanges it in the database."""

TWINS: dict[str, list[str]] = {
    "sides": EXCHANGES["sides"],
    "truth": [statement for kind in EXCHANGES if kind != "sides" for statement in EXCHANGES[kind]],
}
"""Truth and sides apart, since whoever exchanges both leaves the honest one honest; all the rest with the truth."""


# ── a judge who reads all there is to read ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer, with what is random in it made the same."""

    label: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def heard(label: str, answer: httpx.Response) -> Heard:
    """An answer but for what is drawn anew for it: the nonce of its policy, the cookie of a new session, and the hour at
    which the cookie of a session that has ended expires.

    Nothing else is left out or changed: neither lengths nor ETags nor the order of headers.
    """
    policy = answer.headers["content-security-policy"]
    [nonce] = re.findall(r"'nonce-([\w-]{22})'", policy)

    def same(value: str) -> str:
        cookie = re.sub(rf"^{COOKIE}=[\w-]{{43}};", f"{COOKIE}=…;", value.replace(nonce, "…"))
        return re.sub(rf'^({COOKIE}=""; expires=)[^;]+;', r"\1…;", cookie)

    headers = tuple((key, same(value)) for key, value in answer.headers.multi_items())
    return Heard(label, answer.status_code, headers, answer.content.replace(nonce.encode(), b"..."))


@dataclass(slots=True)
class Judge:
    """A judge in one world, who keeps every answer; `routes` are those that answered without refusing."""

    site: Site
    world: Original
    browser: Browser
    answers: list[Heard] = field(default_factory=list)
    routes: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    async def ask(
        self, label: str, method: str, address: str, *, browser: Browser | None = None, **more: Any
    ) -> httpx.Response:
        """Ask for something, with nothing counted against anybody."""
        async with self.site.database.session.begin() as db:
            await db.execute(text("DELETE FROM rate_count"))
        using = browser or self.browser
        headers = {"X-CSRF-Token": using.csrf, **more.pop("headers", {})}
        answer = await using.request(method, address, headers=headers, **more)
        self.answers.append(heard(f"{label}: {method} {address}", answer))
        name = named(method, address.partition("?")[0])
        if name is not None:
            self.asked.add(name)
            self.routes |= {name} if answer.status_code < 400 else set()
        return answer

    async def look_around(self) -> None:
        """Every route, by somebody signed in, by nobody and by token, about things that are there and that are not."""
        for name, route in ROUTES.items():
            if name == "sign_out":
                continue
            for things in (self.world.things, {**self.world.things, **MISSING}):
                about = route.at(things)
                body = filled(route, things) if route.unsafe else {}
                nobody = await self.site.browser()
                for using in (self.browser, nobody):
                    if not (route.unsafe and "judge" in route.who and using is self.browser):
                        await self.ask("around", route.method, about, browser=using, **body)
                if route.scope:
                    nobody = await self.site.browser()
                    await self.ask(
                        "token", route.method, about, browser=nobody, headers=self.world.token, **body
                    )
            if not route.unsafe:
                await self.ask("around", "HEAD", route.at(self.world.things))
                await self.ask("fragment", "GET", route.at(self.world.things), headers=_HTMX)

    async def try_every_seat(self) -> None:
        """Read, save, submit and give back what is theirs, in whatever state, and what is somebody else's."""
        bodies = {"seat_submit": {"data": as_form(BELIEF)}, "seat_draft": {"json": as_draft(BELIEF, at=1)}}
        for seat in self.world.mine:
            things = {**self.world.things, "seat": seat}
            for name, route in ROUTES.items():
                if "{seat}" in route.address:
                    for body in (bodies.get(name), filled(route, things)):
                        if body is not None:
                            await self.ask(name, route.method, route.at(things), **body)

    async def read_files(self, *paths: str) -> None:
        """Static files, and once more with what the first answer said of their age."""
        for path in paths:
            first = await self.ask("file", "GET", path)
            tag = {"If-None-Match": first.headers["etag"]}
            assert (await self.ask("file again", "GET", path, headers=tag)).status_code == 304
            await self.ask("file", "HEAD", path)

    async def judge_all(self) -> list[str]:
        """Take and judge until nothing is left, giving one back that was read; returns the addresses in their order."""
        taken: list[str] = []
        given_back = False
        while (trial := (await self.ask("next", "POST", "/judge/next")).headers["location"]) != "/judge":
            assert trial not in taken, "what was judged or given back does not come again"
            taken.append(trial)
            await self.ask("queue", "GET", "/judge")
            page = await self.ask("trial", "GET", trial)
            if not given_back and "data-speech" in page.text:
                await self._give_back(trial)
                given_back = True
            else:
                await self._judge(trial)
            await self.ask("afterwards", "GET", trial)
            await self.ask("calibration", "GET", "/judge/calibration")
        for trial in taken:
            await self.ask("afterwards", "GET", trial)
        return taken

    async def _judge(self, trial: str) -> None:
        if "Read this first" in (await self.ask("trial", "GET", trial)).text:
            await self.ask("trial", "GET", f"{trial}?read=true")
        while "data-belief" in (page := await self.ask("trial", "GET", trial)).text:
            found = re.search(r'name="0.path" value="([^"]+)"', page.text)
            assert found is not None
            belief = {"path": found[1], "p": ["70", "30"], "reason": "So it seems."}
            await self.ask("fragment", "GET", trial, headers=_HTMX)
            await self.ask("draft", "POST", f"{trial}/draft", json=as_draft(belief, at=5))
            await self.ask("mistake", "POST", trial, data=as_form({**belief, "p": ["70", "70"]}))
            answer = await self.ask("submit", "POST", trial, data=as_form(belief))
            assert answer.status_code == 303
            await self.ask("again", "POST", trial, data=as_form(belief))

    async def _give_back(self, trial: str) -> None:
        await self.ask("return", "GET", f"{trial}/return")
        await self.ask("return", "POST", f"{trial}/return")

    async def come_and_go(self) -> None:
        """By a link, by a wrong password, and out."""
        nobody = await self.site.browser()
        link = f"/invite/{self.world.things['link']}"
        for method in ("GET", "POST", "GET"):
            browser = await self.site.browser()
            await self.ask(
                "link", method, link, browser=browser, data={"name": "Newcomer"} if method == "POST" else None
            )
        await self.ask("cut", "GET", link[:-3], browser=nobody)
        await self.ask("in", "POST", "/judge/instructions")
        again = await self.site.browser("judge")
        await self.ask("out", "POST", "/sign-out", browser=again)
        await self.ask("out", "GET", "/judge", browser=again)
        await self.ask("unsure", "POST", "/privacy/delete")
        await self.ask("deleted", "POST", "/privacy/delete", data={"sure": "yes"})
        await self.ask("out", "GET", "/judge")


_HTMX = {"HX-Request": "true", "HX-Target": "main"}


@asynccontextmanager
async def judge_in(world: Original, exchange: list[str]) -> AsyncIterator[Judge]:
    """The judge in a copy of a world in which something has been exchanged (or nothing, for the world as it is)."""
    with world.postgres.fresh(world.database) as url:
        async with connected(world.postgres, url) as database:
            async with database.session.begin() as db:
                for statement in exchange:
                    await db.execute(text(statement.replace(":", "\\:")))
            async with opened(database, world.cast) as site:
                browser = await site.browser()
                token, browser.csrf = world.sessions["judge"]
                browser.cookies.set(COOKIE, token, domain="arena.test")
                yield Judge(site, world, browser)
