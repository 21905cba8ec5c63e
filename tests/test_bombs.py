"""Inputs that are made to hang or kill a server, tried on a running one: each gets a sentence, other pages answer
meanwhile, and a restart comes up.
"""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from app.participants import prompts
from app.records import people, tokens
from app.records.database import Database
from models import Account
from tests.factories import TASKS, imported, passage, spec, started
from tests.processes import Arena, Process, Records, until
from tests.servers import ScriptedServer
from tests.test_jobs import modelled

MOST_SECONDS = 1.0
"""Longest wait for another page, on a machine on which an idle server answers at once."""


@pytest.fixture
def arena(tmp_path: Path, database_url: str) -> Iterator[Arena]:
    settings = {"ARENA_HEARTBEAT": "0.4", "ARENA_STALLED_AFTER": "2"}
    home = str(tmp_path / "home")
    with Arena(tmp_path, DATABASE_URL=database_url, ARENA_HOME=home, **settings) as arena:
        yield arena


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


def serve(arena: Arena) -> tuple[Process, str]:
    """Start a server; return it and its address."""
    process = arena.start("serve", "--port", "0")
    found: list[str] = []

    def listening() -> bool:
        found[:] = re.findall(r"http://127\.0\.0\.1:\d+", process.err)
        return bool(found)

    until(listening, process)
    return process, found[0]


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
    server, address = serve(arena)
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
    again, address = serve(arena)
    await seconds_of_a_page(address)
    again.signal(signal.SIGINT)
    assert again.wait().code == 0


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
        server, address = serve(arena)
        failed = "SELECT count(*) FROM play WHERE state = 'failed' AND kind = 'talk'"
        await asyncio.to_thread(until, lambda: records.one(failed) > 0, server)
        await seconds_of_a_page(address)
    [error, *_] = [error for (error,) in records.all("SELECT error FROM play WHERE state = 'failed'")]
    assert "computes more than it may" in error
    server.signal(signal.SIGINT)
    assert server.wait().code == 0
