"""What each of a judge's requests costs the server: CPU and SQL statements, one request at a time, without a network.

    python -m benchmarks.cost --rounds 3

docs/benchmarks.md says how to read it.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import httpx
from sqlalchemy import event

from app.records.database import Database, open_database
from app.settings import Settings
from app.web.app import create_app
from app.web.security.middleware import COOKIE
from benchmarks.fixtures import furnish
from benchmarks.served import with_an_empty_page

JUDGES = 8
WARM_UP = 3
"""Requests of each kind that are not counted: they fill caches and prepare statements."""
EMPTY = "empty page"


class Cost(NamedTuple):
    """What one request took."""

    cpu: float
    """Milliseconds of this process, the client's share included."""
    statements: int
    commits: int


class Meter:
    """Sends requests one after the other, and counts what each takes."""

    def __init__(self, http: httpx.AsyncClient, database: Database) -> None:
        self._http = http
        self.costs: dict[str, list[Cost]] = defaultdict(list)
        self._statements = self._commits = 0
        engine = database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._executed)
        event.listen(engine, "commit", self._committed)

    def _executed(self, *_: Any) -> None:
        self._statements += 1

    def _committed(self, *_: Any) -> None:
        self._commits += 1

    async def ask(self, kind: str, token: str, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request in a judge's session."""
        headers = {"Cookie": f"{COOKIE}={token}"} | more.pop("headers", {})
        self._statements = self._commits = 0
        began = time.process_time()
        response = await self._http.request(method, path, headers=headers, **more)
        cpu = 1000 * (time.process_time() - began)
        self.costs[kind].append(Cost(cpu, self._statements, self._commits))
        assert response.status_code < 400, response.text
        return response


def _field(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    return found[1] if found else ""


async def judge_one(meter: Meter, token: str) -> None:
    """Take a trial and judge it to its end, as a browser does."""
    await meter.ask(EMPTY, token, "GET", "/empty")
    csrf = _field(await meter.ask("queue", token, "GET", "/judge"), "csrf_token")
    taken = await meter.ask("next trial", token, "POST", "/judge/next", data={"csrf_token": csrf})
    trial = taken.headers["location"]
    page = await meter.ask("trial page", token, "GET", trial)
    while path := _field(page, "0.path"):
        answer = {"path": path, "p": ["70", "30"], "text": f"Said at {path}."}
        at = int(1000 * time.time())
        entered = {**{f"0.{name}": value for name, value in answer.items()}, "at": at}
        saved = {"answers": [answer], "at": at, "efforts": [{"step": 1, "active_seconds": 1.0, "edits": 2}]}
        await meter.ask(
            "autosave", token, "POST", f"{trial}/draft", json=saved, headers={"X-CSRF-Token": csrf}
        )
        last = "Submit your verdict" in page.text
        kind = "last submission" if last else "submission"
        await meter.ask(kind, token, "POST", trial, data={**entered, "csrf_token": csrf})
        page = await meter.ask("thanks page" if last else "trial page", token, "GET", trial)


@asynccontextmanager
async def _meter() -> AsyncIterator[tuple[Meter, Sequence[str]]]:
    with tempfile.TemporaryDirectory(prefix="arena-cost-", dir="/tmp") as home:
        settings = Settings(home=Path(home), DATABASE_URL=None)
        async with open_database(settings) as database:
            tokens = await furnish(database, settings, JUDGES)
            with_an_empty_page()
            transport = httpx.ASGITransport(create_app(database, settings))
            async with httpx.AsyncClient(transport=transport, base_url="http://arena.test") as http:
                yield Meter(http, database), tokens


async def measure(rounds: int) -> None:
    """Let every judge judge so many trials, and print the medians as Markdown."""
    async with _meter() as (meter, tokens):
        for number in range(rounds):
            for token in tokens:
                await judge_one(meter, token)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    print("| request | n | CPU, ms | of the empty page | statements | commits |\n|---|--:|--:|--:|--:|--:|")
    counted = {kind: costs[WARM_UP:] for kind, costs in meter.costs.items()}
    empty = median(cost.cpu for cost in counted[EMPTY])
    for kind, costs in counted.items():
        cpu, statements, commits = (median(column) for column in zip(*costs, strict=True))
        print(f"| {kind} | {len(costs)} | {cpu:.1f} | {cpu / empty:.1f} | {statements:g} | {commits:g} |")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="trials for each of the eight judges")
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
