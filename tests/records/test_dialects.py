"""What a server does not take is kept for other processes, by the settings of its endpoint, for a while."""

from typing import Any

import pytest
from sqlalchemy import text

from app.participants.base import EndpointSettings
from app.participants.client import Client
from app.participants.dialect import Change, Learned
from app.records.database import Database
from app.records.endpoints import LASTS, Anew, DialectStore, known
from tests.participants.examples import HASTY, Record
from tests.participants.quirk_server import QuirkServer, has, unless
from tests.participants.test_client import call

RENAMED = Learned(Change("as", "max_tokens", "max_completion_tokens"), "the server said “no max_tokens”")
OLDER = text("UPDATE endpoint_dialect SET learned_at = learned_at - make_interval(days => 8)")


def picky() -> QuirkServer:
    """A server that knows neither `max_tokens` nor a seed."""
    renamed = unless(has("max_tokens"), "Unsupported parameter: max_tokens")
    unknown = unless(has("seed", "random_seed"), "Unsupported parameter: seed")
    return QuirkServer(lambda body: renamed(body) or unknown(body))


def address(url: str, **more: Any) -> EndpointSettings:
    return EndpointSettings.model_validate({"base_url": url, **more})


async def requests(server: QuirkServer, memory: DialectStore, settings: EndpointSettings) -> int:
    """How many requests a new process sends for one reply."""
    before = len(server.seen)
    async with Client("big", settings, patience=HASTY) as client:
        client.memory = memory
        await client.complete(call(), Record(), within=5)
        await client.keep(anew=isinstance(memory, Anew))
    return len(server.seen) - before


async def test_a_new_process_does_not_pay_for_a_refusal_again(database: Database) -> None:
    memory = DialectStore(database)
    async with picky() as server:
        settings = address(server.base_url)
        first = await requests(server, memory, settings)
        assert first > 1
        assert [await requests(server, memory, settings) for _ in range(2)] == [1, 1]
        assert server.seen[-1].keys() == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("more", [{"api_key_env": "OTHER"}, {"query": {"v": "2"}}, {"fold_system": True}])
async def test_other_settings_of_the_endpoint_are_learned_anew(
    database: Database, more: dict[str, Any]
) -> None:
    memory = DialectStore(database)
    async with picky() as server:
        first = await requests(server, memory, address(server.base_url))
        assert await requests(server, memory, address(server.base_url, **more)) == first


async def test_after_a_week_it_is_tried_again(database: Database) -> None:
    memory = DialectStore(database)
    async with picky() as server:
        settings = address(server.base_url)
        first = await requests(server, memory, settings)
        async with database.session.begin() as session:
            await session.execute(OLDER)
        assert LASTS.days == 7
        assert await requests(server, memory, settings) == first
        assert await requests(server, memory, settings) == 1


async def test_a_check_learns_anew_and_keeps_that(database: Database) -> None:
    async with picky() as server:
        settings = address(server.base_url)
        first = await requests(server, DialectStore(database), settings)
        assert await requests(server, Anew(database), settings) == first
        assert await requests(server, DialectStore(database), settings) == 1
        server._quirk = lambda body: None
        await requests(server, Anew(database), settings)
        await requests(server, DialectStore(database), settings)
        assert "max_tokens" in server.seen[-1], "a server that was mended gets everything again"


async def test_a_check_that_got_no_reply_forgets_nothing(database: Database) -> None:
    async with picky() as server:
        settings = address(server.base_url)
        await requests(server, DialectStore(database), settings)
    async with Client("big", settings, patience=HASTY) as client:
        client.memory = Anew(database)
        await client.keep(anew=True)
    assert await DialectStore(database).load(settings, "scripted")


async def test_two_processes_add_to_each_other(database: Database) -> None:
    memory, settings = DialectStore(database), address("http://big.test/v1")
    folded = Learned(Change("fold"), "the server said “no system role”")
    await memory.save(settings, "m", [RENAMED])
    await memory.save(settings, "m", [folded])
    await memory.save(settings, "other", [folded])
    assert await memory.load(settings, "m") == [RENAMED, folded]
    async with database.session() as session:
        found = await known(session, settings)
    assert [each.model for each in found] == ["m", "other"]
    assert (
        found[0]
        .sentences[0]
        .startswith(
            "m: max_tokens is sent as max_completion_tokens, because the server said “no max_tokens” (known since "
        )
    )
    assert "tried again after" in found[0].sentences[0]


async def test_what_a_later_version_has_learned_is_left_alone(database: Database) -> None:
    memory, settings = DialectStore(database), address("http://big.test/v1")
    await memory.save(settings, "m", [RENAMED])
    async with database.session.begin() as session:
        odd = '[{"kind": "sing", "name": "x", "value": 1, "because": "y"}]'
        await session.execute(text("UPDATE endpoint_dialect SET lessons = CAST(:odd AS jsonb)"), {"odd": odd})
    assert await memory.load(settings, "m") == []
