"""What somebody in a seat of a talk gets is the same, byte for byte, whatever is true, and whoever sits opposite.

As `test_blinding` does for judges: a debater, and a judge who takes part, read all there is to read in a world and in
copies of it in each of which one kind of secret has been exchanged in the database.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio
from sqlalchemy import text

from app.web.security.middleware import COOKIE
from models import Account
from tests.database import Server
from tests.web.fixtures import connected
from tests.web.noninterference import Heard, heard
from tests.web.seats.test_routes import advanced, asked, begun, debate
from tests.web.world import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRETS = (
    "quartz-author",
    "slate-judge",
    "study-talks",
    "shelf-talks",
    "arm-agate",
    "arm-beryl",
    "private-thought",
)
SEATS = ("debater", "judge")
TWINS: Mapping[str, list[str]] = {
    "truth": ["UPDATE question SET gold = distractor, distractor = gold"],
    "authors": [
        # A person sits where a built-in sat.
        "UPDATE move SET participant_id = (SELECT participant_id FROM account WHERE name = 'Rival') "
        "WHERE seat IN ('debater_b', 'consultant')",
        "UPDATE participant SET name = 'another-' || name",
        "UPDATE account SET name = 'another' WHERE name NOT IN ('Judge', 'Debater')",
    ],
    "times": ["UPDATE move SET id = 1000000 - id, created_at = created_at - id * interval '1 h'"],
    "names": [
        "UPDATE experiment SET name = 'another'",
        "UPDATE arm SET name = 'another-' || name",
        "UPDATE question SET key = 'another-' || key",
        "UPDATE passage SET title = 'another', author = 'another', source = 'another', key = 'another-' || key",
        "UPDATE task_set SET name = 'another'",
    ],
    "others' thoughts": [
        "UPDATE move SET content = jsonb_set(content, '{scratchpad}', '\"another\"') "
        "WHERE content->>'kind' = 'speech' AND seat IN ('debater_b', 'consultant')",
    ],
}


@dataclass(frozen=True, slots=True)
class World:
    """A database at rest, its cast, and the sessions of who reads."""

    postgres: Server
    database: str
    cast: Mapping[str, Account]
    sessions: Mapping[str, tuple[str, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres: Server) -> AsyncIterator[World]:
    """Talks with a seat for a debater and with one for a judge."""
    whole = debate(seats={"debater_a": "people", "debater_b": "quartz-author", "checker": "quartz-author"})
    asking = {"consultant": "quartz-author", "questioner": "people"}
    arms = {
        "arm-agate": whole["arms"]["debate"],
        "arm-beryl": {"protocol": "consultancy", "questions": "questioner", "rounds": 2, "seats": asking},
    }
    cast = {
        "quartz-author": {"kind": "builtin", "name": "extractive-debater"},
        "slate-judge": {"kind": "builtin", "name": "lexical-judge"},
    }
    study = whole | {
        "name": "study-talks",
        "tasks": {"set": "shelf-talks"},
        "arms": arms,
        "participants": cast,
        "judges": ["slate-judge"],
    }
    with postgres.fresh() as url:
        async with connected(postgres, url) as database, opened(database) as site:
            await begun(site, study, "Alba", "Brise")
            private = """UPDATE move SET content = jsonb_set(content, '{scratchpad}', '"private-thought"')"""
            async with database.session.begin() as db:
                await db.execute(text(f"{private} WHERE content->>'kind' = 'speech'"))
            sessions = {}
            for who in SEATS:
                browser = await site.browser(who)
                sessions[who] = (browser.cookies[COOKIE], browser.csrf)
        assert url.database is not None
        yield World(postgres, url.database, site.cast, sessions)


async def read(world: World, who: str, exchange: list[str]) -> list[Heard]:
    """All that somebody in a seat gets: queue, page, draft, mistakes, sending, waiting, news, the next turn, the end."""
    got: list[Heard] = []
    with world.postgres.fresh(world.database) as url:
        async with connected(world.postgres, url) as database, opened(database, world.cast) as site:
            browser = await site.browser(who)
            token, browser.csrf = world.sessions[who]
            browser.cookies.set(COOKIE, token, domain="arena.test")

            async def ask(label: str, method: str, path: str, **more: object) -> str:
                headers = {"X-CSRF-Token": browser.csrf, **dict(more.pop("headers", {}))}  # type: ignore[call-overload]
                answer = await browser.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
                got.append(heard(f"{label}: {method} {path}", answer))
                return answer.headers.get("location", "")

            # What is drawn for a claim depends on the ids of places, which are the same in every copy.
            home = "/talk" if who == "debater" else "/judge"
            here = await ask("next", "POST", f"{home}/next")
            async with database.session.begin() as db:
                for statement in exchange:
                    await db.execute(text(statement.replace(":", "\\:")))
            for number in (1, 2):
                await ask("queue", "GET", home)
                await ask("talk", "GET", here)
                await ask("head", "HEAD", here)
                await ask("return", "GET", f"{here}/return")
                page = await browser.get(here)
                if not asked(page):
                    break
                [path] = asked(page)
                answer = {
                    "path": path,
                    "text": f"Word {number}: <quote>he had the mate sign below it</quote>",
                }
                await ask("draft", "POST", f"{here}/draft", json={"answers": [answer], "at": number})
                await ask("mistake", "POST", here, data={"0.path": path, "0.text": ""})
                await ask("send", "POST", here, data={f"0.{key}": value for key, value in answer.items()})
                await ask("again", "POST", here, data={f"0.{key}": value for key, value in answer.items()})
                await ask("waits", "GET", here)
                await ask("news", "GET", here, headers={"HX-Request": "true"})
                await advanced(site)
                await ask("news", "GET", here, headers={"HX-Request": "true"})
            await ask("queue", "GET", home)
    return got


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(world: World) -> Mapping[str, list[Heard]]:
    """What each gets in the world as it is."""
    return {who: await read(world, who, []) for who in SEATS}


@pytest.mark.parametrize("secret", TWINS)
@pytest.mark.parametrize("who", SEATS)
async def test_who_sits_in_a_talk_gets_the_same_bytes_when_a_secret_is_exchanged(
    world: World, plain: Mapping[str, list[Heard]], who: str, secret: str
) -> None:
    twin = await read(world, who, TWINS[secret])
    assert [item.label for item in plain[who]] == [item.label for item in twin]
    assert [one.label for one, other in zip(plain[who], twin, strict=True) if one != other] == []


@pytest.mark.parametrize("who", SEATS)
async def test_nothing_that_somebody_in_a_seat_gets_holds_a_secret(
    plain: Mapping[str, list[Heard]], who: str
) -> None:
    answers = plain[who]
    pages = " ".join(item.body.decode() for item in answers).lower()
    assert len(answers) > 10
    assert {secret for secret in SECRETS if secret in pages} == set()
    ids = r"[0-9a-f]{8}-[0-9a-f-]{27}"
    assert len(set(re.findall(ids, pages))) == 1, "the seat's own id, and no other"


async def test_the_text_is_on_the_pages_of_seats_that_read_it_and_of_no_other(
    plain: Mapping[str, list[Heard]],
) -> None:
    unquoted = b"given coffee and told that the sea"
    for who, reads in (("debater", True), ("judge", False)):
        assert any(unquoted in item.body for item in plain[who]) == reads
