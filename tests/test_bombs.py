"""Inputs that are made to hang or kill a server, tried on a running one: each gets a sentence, other pages answer
meanwhile, and a restart comes up.
"""

import asyncio
import signal
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from aiohttp import web

from app.participants import prompts
from app.records import people, tokens
from app.records.database import Database
from models import Account
from tests.factories import TASKS, imported, passage, spec, started
from tests.processes import Arena, Records, until
from tests.servers import ScriptedServer
from tests.test_jobs import modelled

MOST_SECONDS = 1.0
"""Longest wait for another page, on a machine on which an idle server answers at once."""


@pytest.fixture
def arena(tmp_path: Path, database_url: str) -> Iterator[Arena]:
    settings = {"ARENA_HEARTBEAT": "0.4", "ARENA_STALLED_AFTER": "2", "ARENA_PATIENCE": "0.001"}
    home = str(tmp_path / "home")
    with Arena(tmp_path, DATABASE_URL=database_url, ARENA_HOME=home, **settings) as arena:
        yield arena


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


@pytest.fixture
async def token(database: Database) -> str:
    """A token of a researcher."""
    async with database.session.begin() as db:
        account: Account = await people.add_account(
            db, "rhea@arena.test", "Rhea", "researcher", "no password"
        )
        return await tokens.new_token(db, account.id, "test", ["read", "write"], timedelta(hours=1))


@dataclass
class Pages:
    """Waits for an ordinary page, asked for again and again."""

    address: str
    meanwhile: str = ""
    """What the server was sent last."""
    waits: list[tuple[float, str]] = field(default_factory=list)

    @asynccontextmanager
    async def asked_for(self) -> AsyncIterator[None]:
        """Ask for the page all the while."""
        task = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _ask(self) -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            while True:
                began = time.monotonic()
                found = await client.get(f"{self.address}/sign-in")
                self.waits.append((time.monotonic() - began, self.meanwhile))
                assert found.status_code == 200
                await asyncio.sleep(0.05)


async def seconds_of_a_page(address: str) -> float:
    """Return the longest wait for a page of an idle server."""
    pages = Pages(address)
    async with pages.asked_for():
        await asyncio.sleep(1)
    return max(pages.waits)[0]


def of_template(body: str) -> str:
    """An experiment with a template, as YAML."""
    own = spec(name="bomb")
    own["arms"] = {
        "debate": {
            **own["arms"]["debate"],
            "prompts": {"debater": f"{{% block request %}}{body}{{% endblock %}}"},
        }
    }
    return yaml.safe_dump(own)


SPECS = {
    "a power": of_template("{{ 9**(9**9) }}"),
    "a power of a variable": of_template("{% set n = 9 %}{{ n**(n**n) }}"),
    "repetition": of_template("{{ 'a' * 10**10 }}"),
    "a format": of_template('{{ "%1000000000d"|format(1) }}'),
    "a product of texts": of_template("{{ ('x' * 1000000).replace('', 'y' * 1000000) }}"),
    "loops": of_template(
        "{% set s = 'x' * 100000 %}{% for a in s %}{% for b in s %}{% if a == 'q' %}y{% endif %}{% endfor %}{% endfor %}"
    ),
    "many keys": "".join(f"k{number}: 1\n" for number in range(150_000)),
    "many values": f"a: [{'1,' * 300_000}1]",
    "parts of sixty": f"name: x\nseed: {':'.join(['1'] * 200_000)}",
    "a long number": f"name: x\nseed: {'9' * 400_000}",
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\n",
    "depth": f"a: {'[' * 100_000}",
    "many trials": yaml.safe_dump(spec(name="bomb") | {"replicates": 10**12}),
    "many questions": yaml.safe_dump(spec(name="bomb", tasks={"set": TASKS, "questions": 10**18})),
    "NaN": yaml.safe_dump(spec(name="bomb") | {"seed": float("nan")}),
}
TASK_FILES = {
    "nothing": b"",
    "NUL": b'{"id": "a\\u0000", "title": "b"}\n' * 3,
    "depth": b"[" * 1_000_000,
    "another encoding": "{}\n".encode("utf-16"),
    "a long line": b'{"id": "' + b"x" * 5_000_000 + b'"}',
    "a long number": b'{"id": "a", "title": "b", "text": "c", "questions": [{"gold": ' + b"9" * 5000 + b"}]}",
}


@pytest.mark.slow
async def test_inputs_that_would_hang_a_server_get_a_sentence(
    database: Database, arena: Arena, token: str
) -> None:
    await imported(database, passage("Alba"))
    server, address = arena.serve()
    quiet, pages = await seconds_of_a_page(address), Pages(address)
    headers = {"Authorization": f"Bearer {token}"}
    async with pages.asked_for(), httpx.AsyncClient(timeout=120, headers=headers) as client:
        for name, text in SPECS.items():
            pages.meanwhile = name
            said = await client.post(f"{address}/api/v1/experiments", content=text)
            assert said.status_code == 422, (name, said.text)
            assert 10 < len(said.json()["error"]) < 1000, name
        for name, data in TASK_FILES.items():
            pages.meanwhile = name
            said = await client.post(f"{address}/api/v1/tasks/bomb", content=data)
            assert said.status_code == 422, (name, said.text)
            assert 10 < len(said.json()["error"]) < 3000, name
    assert max(pages.waits)[0] < MOST_SECONDS + 5 * quiet, sorted(pages.waits)[-9:]
    assert "Traceback" not in server.err
    server.signal(signal.SIGKILL)
    server.wait()
    again, address = arena.serve()
    await seconds_of_a_page(address)
    again.signal(signal.SIGINT)
    assert again.wait().code == 130


# ── replies ─────────────────────────────────────────────────────────────────────────────────────────────────────


def packed_zeros(megabytes: int) -> bytes:
    """A gzip body that unpacks to so much white space."""
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    blank = b" " * 2**20
    return b"".join([*(packer.compress(blank) for _ in range(megabytes)), packer.flush()])


def saying(text: str) -> str:
    """A chat completion, as JSON that may hold any number."""
    return f'{{"choices": [{{"message": {{"content": "{text}"}}, "finish_reason": "stop"}}], "usage": {{"prompt_tokens": 1}}}}'


BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "packed": (packed_zeros(512), {"Content-Encoding": "gzip"}),
    "long": (b" " * 40_000_000, {}),
    "a long text": (saying("word " * 300_000).encode(), {}),
    "NaN": (saying("x").replace('"prompt_tokens": 1', '"prompt_tokens": NaN').encode(), {}),
    "a large number": (saying("x").replace('"prompt_tokens": 1', f'"prompt_tokens": {10**25}').encode(), {}),
    "400 digits": (saying("x").replace('"prompt_tokens": 1', f'"prompt_tokens": {"9" * 400}').encode(), {}),
    "tags": (saying("</think>" * 50_000).encode(), {}),
    "depth": (b"[" * 1_000_000, {}),
    "quotes": (saying("<quote>a a a a</quote> " * 4_300).encode(), {}),
    "numbers in words": (saying(f'{{\\"A\\": {"9" * 400}, \\"B\\": NaN}}').encode(), {}),
}


@asynccontextmanager
async def replying() -> AsyncIterator[str]:
    """A model server whose replies are bombs, another kind for each model; yields its base URL."""

    async def complete(request: web.Request) -> web.Response:
        asked = await request.json()
        body, headers = BODIES[asked["model"]]
        return web.Response(body=body, headers=headers, content_type="application/json")

    application = web.Application(client_max_size=2**26)
    application.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(application)
    await runner.setup()
    at = web.TCPSite(runner, "127.0.0.1", 0)
    await at.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@pytest.mark.slow
async def test_replies_that_would_end_a_worker_fail_their_trials(
    database: Database, arena: Arena, records: Records
) -> None:
    monotonous = {**passage("Alba", questions=1), "text": "a " * 13_000}
    await imported(database, monotonous)
    async with replying() as base_url:
        for number, kind in enumerate(BODIES):
            data = modelled(base_url) | {"name": f"bomb-{number}"}
            model = {**data["participants"]["strong"], "model": kind}
            data |= {"participants": {"strong": model, "weak": model}}
            await started(database, data)
        server, address = arena.serve()
        quiet, pages = await seconds_of_a_page(address), Pages(address)
        open_plays = "SELECT count(*) FROM play WHERE state NOT IN ('done', 'failed') AND kind = 'talk'"
        async with pages.asked_for():
            await asyncio.to_thread(until, lambda: records.one(open_plays) == 0, server)
    assert max(pages.waits)[0] < MOST_SECONDS + 5 * quiet, sorted(pages.waits)[-5:]
    errors = [error for (error,) in records.all("SELECT error FROM play WHERE state = 'failed'")]
    assert errors
    assert all("the arena itself failed" not in error.lower() for error in errors), errors
    assert "Traceback" not in server.err
    [[largest]] = records.all("SELECT max(length(reply::text)) FROM call_attempt")
    assert largest is None or largest < 1_000_000
    server.signal(signal.SIGINT)
    assert server.wait().code == 130


async def test_a_template_that_was_stored_before_fails_its_trials_in_a_sentence(
    database: Database, arena: Arena, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    await imported(database, passage("Alba", questions=1))
    async with ScriptedServer() as model:
        data = modelled(model.base_url)
        data["arms"].pop("naive")
        data["arms"]["debate"]["prompts"] = {
            "debater": "{% block request %}{% set n = 9 %}{{ n**(n**n) }}{% endblock %}"
        }
        with monkeypatch.context() as patched:
            patched.setattr(prompts, "check", lambda name, source: None)
            await started(database, data)
        server, address = arena.serve()
        failed = "SELECT count(*) FROM play WHERE state = 'failed' AND kind = 'talk'"
        await asyncio.to_thread(until, lambda: records.one(failed) > 0, server)
        await seconds_of_a_page(address)
    [error, *_] = [error for (error,) in records.all("SELECT error FROM play WHERE state = 'failed'")]
    assert "computes more than it may" in error
    server.signal(signal.SIGINT)
    assert server.wait().code == 130
