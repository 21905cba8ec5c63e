"""Judges who read and submit at once, against a real `arena serve`, with an empty page of the same stack beside them.

    python -m benchmarks.load --judges 200 --rate 10 --seconds 60

docs/benchmarks.md says what is measured and how to read it.
"""

import argparse
import asyncio
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from app.records.database import open_database
from app.settings import Settings
from app.web.security.middleware import COOKIE
from benchmarks.fixtures import Sent, faults, furnish

WARM_UP = 10.0
"""Seconds of load before anything is counted."""
SETTLE = 5.0
"""Seconds between two phases, in which the server ends what the last one left."""
ALONE = 0.25
"""Share of the time in which nothing but the empty page is asked for, before and after the judges."""
TWICE = 0.1
"""Share of submissions that are sent twice at once, as by an impatient finger."""
EMPTY, EMPTY_ALONE = "empty page beside them", "empty page alone"
JUDGES = ("queue", "next trial", "trial page", "autosave", "submission", "thanks page")


@dataclass(slots=True)
class Book:
    """What was measured: seconds by kind of request, errors, and beliefs acknowledged."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    sent: list[Sent] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    """By how many seconds this process was late to wake up."""
    counting: bool = False


class Visitor:
    """One session at the arena, its think time, and the book that its requests are written into."""

    def __init__(self, http: aiohttp.ClientSession, token: str, think: float, book: Book) -> None:
        self._http, self._headers = http, {"Cookie": f"{COOKIE}={token}"}
        self._think, self.book = think, book
        self.dice = random.Random(token)
        self.csrf = ""
        """Of their session, once they have seen a page."""
        self._since = 1

    async def pause(self) -> None:
        """Think for a while, on average as long as the requests since the last pause are to take at the rate."""
        await asyncio.sleep(self.dice.expovariate(1 / (self._think * max(self._since, 1))))
        self._since = 0

    async def ask(self, kind: str, method: str, path: str, wanted: int, **more: Any) -> "Answer":
        """Send a request and time it to the last byte; what is answered otherwise than `wanted` is an error."""
        self._since += 1
        began = time.perf_counter()
        try:
            async with self._http.request(
                method, path, headers=self._headers | more.pop("headers", {}), allow_redirects=False, **more
            ) as response:
                answer = Answer(response.status, await response.text(), response.headers.get("Location", ""))
        except aiohttp.ClientError as error:
            answer = Answer(0, type(error).__name__, "")
        if self.book.counting:
            self.book.seconds[kind].append(time.perf_counter() - began)
        if answer.status != wanted:
            self.book.errors[f"{kind}: {answer.status or answer.text}"] += 1
        return answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    text: str
    location: str

    def field(self, name: str) -> str:
        """The value of a hidden field of the page, empty where there is none."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        return found[1] if found else ""


# ── what visitors do ────────────────────────────────────────────────────────────────────────────────────────────


async def reads_empty_pages(visitor: Visitor, kind: str) -> None:
    """Look at the empty page again and again."""
    while True:
        await visitor.pause()
        await visitor.ask(kind, "GET", "/empty", 200)


async def judges(visitor: Visitor) -> None:
    """Take a trial, read and believe to its end, look at the queue, take the next."""
    if not visitor.csrf:
        # They come while the server warms up, not all in the same instant.
        await asyncio.sleep(visitor.dice.uniform(0, WARM_UP))
        await _looks_at_the_queue(visitor)
    while True:
        await visitor.pause()
        taken = await visitor.ask("next trial", "POST", "/judge/next", 303, data={"csrf_token": visitor.csrf})
        if not taken.location.startswith("/seat/"):
            visitor.book.errors["no trial was left"] += 1
            return
        await _judges_one(visitor, taken.location)
        await visitor.pause()
        await _looks_at_the_queue(visitor)


async def _looks_at_the_queue(visitor: Visitor) -> None:
    visitor.csrf = (await visitor.ask("queue", "GET", "/judge", 200)).field("csrf_token")


async def _judges_one(visitor: Visitor, trial: str) -> None:
    shown = await visitor.ask("trial page", "GET", trial, 200)
    while path := shown.field("0.path"):
        await visitor.pause()
        entered = await _autosaves(visitor, trial, shown)
        await visitor.pause()
        final = "Submit your verdict" in shown.text
        if not await _submits(visitor, trial, entered):
            continue
        visitor.book.sent.append(Sent(trial.rsplit("/", 1)[1], path, entered["0.text"]))
        shown = await visitor.ask("thanks page" if final else "trial page", "GET", trial, 200)


async def _autosaves(visitor: Visitor, trial: str, shown: Answer) -> dict[str, Any]:
    """Move a slider, write a reason, and let the page save it."""
    first = visitor.dice.randint(1, 99)
    entered = {
        "0.path": shown.field("0.path"),
        "0.p": [str(first), str(100 - first)],
        "0.text": f"Because of {visitor.dice.random()}.",
        "at": int(time.time() * 1000),
    }
    efforts = [{"step": 1, "active_seconds": 1.0, "edits": 2}]
    headers = {"X-CSRF-Token": shown.field("csrf_token")}
    answer = {key.removeprefix("0."): value for key, value in entered.items() if key.startswith("0.")}
    saved = {"answers": [answer], "at": entered["at"], "efforts": efforts}
    await visitor.ask("autosave", "POST", f"{trial}/draft", 200, json=saved, headers=headers)
    return {**entered, "csrf_token": headers["X-CSRF-Token"]}


async def _submits(visitor: Visitor, trial: str, entered: dict[str, Any]) -> bool:
    """Submit a belief, now and then twice at once; whether it was answered as taken."""
    times = 2 if visitor.dice.random() < TWICE else 1
    answers = await asyncio.gather(
        *(visitor.ask("submission", "POST", trial, 303, data=entered) for _ in range(times))
    )
    return any(answer.status == 303 for answer in answers)


# ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the run."""

    name: str
    wall: float
    client_cpu: float
    server_cpu: float
    requests: int


class Run:
    """Judges and empty pages over one server."""

    def __init__(self, http: aiohttp.ClientSession, tokens: Sequence[str], rate: float, server: int) -> None:
        self.book, self._server = Book(), server
        think = len(tokens) / rate
        # A judge, and a reader of empty pages in the same session at the same pace.
        self._judges = [Visitor(http, token, think, self.book) for token in tokens]
        self._readers = [Visitor(http, token, think, self.book) for token in tokens]
        self.phases: list[Phase] = []

    async def run(self, seconds: float) -> None:
        """Empty pages alone, judges with empty pages beside them, empty pages alone: all at one rate."""
        probe = asyncio.create_task(self._probe())
        async with self._at_work(judging=True):
            await asyncio.sleep(WARM_UP + SETTLE)
        for name, share in (("alone, before", ALONE), ("judges", 1.0), ("alone, after", ALONE)):
            async with self._at_work(judging=name == "judges"):
                await self._measure(name, share * seconds)
        probe.cancel()

    @asynccontextmanager
    async def _at_work(self, *, judging: bool) -> AsyncIterator[None]:
        kind = EMPTY if judging else EMPTY_ALONE
        work = [reads_empty_pages(item, kind) for item in self._readers]
        work += [judges(item) if judging else reads_empty_pages(item, kind) for item in self._judges]
        tasks = [asyncio.create_task(item) for item in work]
        yield
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _measure(self, name: str, seconds: float) -> None:
        await asyncio.sleep(SETTLE)
        before, self.book.counting = self._now(), True
        await asyncio.sleep(seconds)
        self.book.counting = False
        wall, client, server, done = (now - then for now, then in zip(self._now(), before, strict=True))
        self.phases.append(Phase(name, wall, client, server, int(done)))

    def _now(self) -> tuple[float, float, float, int]:
        done = sum(map(len, self.book.seconds.values()))
        return time.perf_counter(), time.process_time(), _cpu_of(self._server), done

    async def _probe(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.02)
            if self.book.counting:
                self.book.lag.append(time.perf_counter() - began - 0.02)


def _cpu_of(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def served(home: Path) -> AsyncIterator[tuple[str, int]]:
    """The address and the process of an `arena serve` on the embedded database in `home`."""
    environment = {**os.environ, "ARENA_HOME": str(home), "ARENA_PORT": "0", "ARENA_HOST": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.served", "serve", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        said = ""
        while not (address := re.search(r"http://\S+:\d+", said)):
            line = await process.stderr.readline()
            assert line, f"it did not start: {said}"
            said += line.decode()
        drain = asyncio.create_task(process.stderr.read())
        yield address[0], process.pid
        process.send_signal(signal.SIGTERM)
        said = (await drain).decode()
        if "Traceback" in said:
            print(said, file=sys.stderr)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def measure(count: int, rate: float, seconds: float) -> bool:
    """Furnish, run, look at the database, report; whether nothing was wrong."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arena-load-", dir="/tmp")))
        settings = Settings(home=home, DATABASE_URL=None)
        database = await stack.enter_async_context(open_database(settings))
        tokens = await furnish(database, settings, count)
        address, process = await stack.enter_async_context(served(home))
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        jar, limit = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(total=60)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(address, connector=connector, cookie_jar=jar, timeout=limit)
        )
        run = Run(http, tokens, rate, process)
        await run.run(seconds)
        found = faults(database.conninfo, run.book.sent)
    report(run, count, rate, found)
    return not run.book.errors and not any(found.values())


# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────────


def report(run: Run, count: int, rate: float, found: dict[str, int]) -> None:
    """Print what was measured, as Markdown."""
    book = run.book
    print(f"{count} judges, {rate:g} requests/s of theirs offered and as many of the empty page\n")
    print(
        "| request | n | p50 ms | p95 ms | p99 ms | p95 / beside | p95 / alone |\n|---|--:|--:|--:|--:|--:|--:|"
    )
    beside, alone = (_quantiles(book.seconds[kind])[1] for kind in (EMPTY, EMPTY_ALONE))
    together = [second for kind in JUDGES for second in book.seconds[kind]]
    rows = [(kind, book.seconds[kind]) for kind in JUDGES] + [("all of the judges'", together)]
    for kind, taken in [*rows, (EMPTY, book.seconds[EMPTY]), (EMPTY_ALONE, book.seconds[EMPTY_ALONE])]:
        p50, p95, p99 = _quantiles(taken)
        print(
            f"| {kind} | {len(taken)} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {p95 / beside:.2f} | {p95 / alone:.2f} |"
        )
    print(
        "\n| phase | seconds | requests/s | CPU of the server | CPU of this client |\n|---|--:|--:|--:|--:|"
    )
    for phase in run.phases:
        print(
            f"| {phase.name} | {phase.wall:.0f} | {phase.requests / phase.wall:.1f} | {phase.server_cpu / phase.wall:.0%} "
            f"| {phase.client_cpu / phase.wall:.0%} |"
        )
    p50, p95, _ = _quantiles(book.lag)
    print(f"\nThis client woke up late by {p50:.1f} ms (p50), {p95:.1f} ms (p95).")
    print(
        f"{len(book.sent)} beliefs acknowledged; {', '.join(f'{number} {what}' for what, number in found.items())}."
    )
    print(
        f"{sum(book.errors.values())} errors{': ' if book.errors else '.'}"
        + "; ".join(f"{n} × {e}" for e, n in book.errors.items())
    )


def _quantiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and p99 in milliseconds."""
    if not seconds:
        return (float("nan"),) * 3
    p50, p95, p99 = 1000 * np.quantile(seconds, [0.5, 0.95, 0.99])
    return float(p50), float(p95), float(p99)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="Load of many judges on a served arena.")
    parser.add_argument("--judges", type=int, default=200, help="people at once")
    parser.add_argument("--rate", type=float, default=10, help="requests a second of all judges together")
    parser.add_argument("--seconds", type=float, default=60, help="how long judges are measured")
    chosen = parser.parse_args()
    sys.exit(not asyncio.run(measure(chosen.judges, chosen.rate, chosen.seconds)))


if __name__ == "__main__":
    main()
