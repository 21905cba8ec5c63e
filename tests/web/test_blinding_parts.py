"""What a participant of a study gets is the same, byte for byte, whatever is true of its trials and of its hidden items.

As `test_blinding` does for judges: a person goes the whole way in a world and in copies of it, in each of which one kind
of secret has been exchanged in the database.
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
from tests.web.participation.study import joined, opened_study, study_file
from tests.web.world import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRETS = ("for-study", "ferries", "extractive", "advocate", "lexical", "pid-eve", "reason-of-eve", "a-study")
TWINS: Mapping[str, list[str]] = {
    "truth of trials": ["UPDATE question SET gold = distractor, distractor = gold"],
    "truth of items": [
        "UPDATE study SET spec = jsonb_set(spec, '{checks,attention,0,right}', '1')",
        "UPDATE study SET spec = jsonb_set(spec, '{checks,gold,0,right}', '1')",
    ],
    "which item checks what": [
        "UPDATE study SET spec = jsonb_set(jsonb_set(spec, '{checks,attention}', spec->'checks'->'gold'), "
        "'{checks,gold}', spec->'checks'->'attention')",
    ],
    "authors and names": [
        "UPDATE participant SET name = 'another-' || name WHERE kind <> 'person'",
        "UPDATE experiment SET name = 'another'",
        "UPDATE arm SET name = 'another-' || name",
        "UPDATE passage SET title = 'another', key = 'another-' || key",
        "UPDATE study SET name = 'another'",
    ],
    "others' work": [
        "UPDATE verdict SET belief = ARRAY[belief[2], belief[1]], reason = 'another'",
        "UPDATE study_step SET answers = '{\"p\": [0, 1]}', passed = false WHERE answers IS NOT NULL",
        "UPDATE enrolment SET excluded_at = now(), excluded_because = 'another' WHERE ended_as IS NOT NULL",
    ],
}


@dataclass(frozen=True, slots=True)
class World:
    """A database at rest, its cast, and the session of who reads."""

    postgres: Server
    database: str
    cast: Mapping[str, Account]
    session: tuple[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres: Server) -> AsyncIterator[World]:
    """A study in which Eve has done everything, and Ada has just joined."""
    with postgres.fresh() as url:
        async with connected(postgres, url) as database, opened(database) as site:
            file = study_file(feedback="none")
            file["checks"] = {**file["checks"], "failed_ends": None}
            study = await opened_study(site, file)
            eve = await joined(study, "pid-eve")
            await eve.to_trials()
            await eve.all_trials()
            await eve.send("/part/questionnaire", age="41", thoughts="reason-of-eve")
            await eve.go_on()
            ada = await joined(study)
            session = (ada.browser.cookies[COOKIE], ada.browser.csrf)
        assert url.database is not None
        yield World(postgres, url.database, site.cast, session)


async def read(world: World, exchange: list[str]) -> list[Heard]:
    """All that a participant gets, from consent to the code, with a mistake on each page."""
    got: list[Heard] = []
    with world.postgres.fresh(world.database) as url:
        async with connected(world.postgres, url) as database, opened(database, world.cast) as site:
            async with database.session.begin() as db:
                for statement in exchange:
                    await db.execute(text(statement.replace(":", "\\:")))
            browser = await site.browser()
            token, browser.csrf = world.session
            browser.cookies.set(COOKIE, token, domain="arena.test")

            async def ask(method: str, path: str, **data: object) -> tuple[str, str]:
                headers = {"X-CSRF-Token": browser.csrf}
                more = {"data": data} if data else {}
                answer = await browser.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
                # Addresses of items are drawn when they are shown, and those of seats are the same in every copy.
                label = re.sub(r"/seat/[0-9a-f-]{36}", "/seat/…", path)
                got.append(_without_addresses(heard(f"{method} {label}", answer)))
                return answer.headers.get("location", "").partition("#")[0], answer.text

            await _pass(ask)
    return got


def _without_addresses(one: Heard) -> Heard:
    """An answer but for the addresses of trials and items, which are drawn anew for items."""

    def same(value: str) -> str:
        return re.sub(r"/seat/[0-9a-f-]{36}", "/seat/…", value)

    headers = tuple((key, same(value)) for key, value in one.headers)
    return Heard(one.label, one.status, headers, same(one.body.decode()).encode())


async def _pass(ask: object) -> None:
    """Go through all pages."""
    assert callable(ask)
    _, page = await ask("GET", "/part/consent")
    [consent] = re.findall(r'name="text" value="(\d+)"', page)
    await ask("POST", "/part/consent", text=consent)
    await ask("GET", "/part/instructions")
    await ask("POST", "/part/next", page="instructions")
    await ask("POST", "/part/comprehension", q0="0", q1="0")
    await ask("GET", "/part/comprehension")
    await ask("POST", "/part/comprehension", q0="1", q1="0")
    for page in ("practice", "trials"):
        while True:
            await ask("GET", "/part")
            seat, _ = await ask("POST", "/part/next", page=page)
            if not seat.startswith("/seat/"):
                break
            await _judge(ask, seat)
    await ask("GET", "/part/questionnaire")
    await ask("POST", "/part/questionnaire", age="old")
    await ask("GET", "/part/stop")
    await ask("GET", "/part/withdraw")
    await ask("POST", "/part/questionnaire", age="41")
    await ask("GET", "/part/debriefing")
    await ask("POST", "/part/next", page="debriefing")
    await ask("GET", "/part/done")


async def _judge(ask: object, seat: str) -> None:
    """Read a trial or an item, send a mistake and then a belief, and look again."""
    assert callable(ask)
    _, page = await ask("GET", seat)
    await ask("GET", f"{seat}/return")
    [path] = re.findall(r'name="0.path" value="([^"]+)"', page)
    answer = {"0.path": path, "0.text": "So it seems."}
    await ask("POST", seat, **answer, **{"0.p": ["70", "70"]})
    await ask("POST", seat, **answer, **{"0.p": ["70", "30"]})
    await ask("GET", seat)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(world: World) -> list[Heard]:
    """What a participant gets in the world as it is."""
    return await read(world, [])


@pytest.mark.parametrize("secret", TWINS)
async def test_a_participant_gets_the_same_bytes_when_a_secret_is_exchanged(
    world: World, plain: list[Heard], secret: str
) -> None:
    twin = await read(world, TWINS[secret])
    assert [item.label for item in plain] == [item.label for item in twin]
    assert [one.label for one, other in zip(plain, twin, strict=True) if one != other] == []


async def test_nothing_that_a_participant_gets_holds_a_secret(plain: list[Heard]) -> None:
    assert any(b"C-DONE" in item.body for item in plain), "they came to the end"
    pages = " ".join(item.body.decode() for item in plain).lower()
    assert {secret for secret in SECRETS if secret in pages} == set()
    unquoted = b"given coffee and told that the sea"
    assert not any(unquoted in item.body for item in plain)
    assert not re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", pages)
