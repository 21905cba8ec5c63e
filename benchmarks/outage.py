"""A run of 200 trials whose model server goes away in the middle, or refuses more than a quota.

    python -m benchmarks.outage --seconds 600
    python -m benchmarks.outage --quota 20 --window 60
    python -m benchmarks.outage --seconds 60 --mixed

It ends with status 1 where a trial failed or something was asked twice. docs/benchmarks.md says what it showed.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.jobs import follow
from app.records.database import Database, open_database
from app.records.progress import Progress
from app.settings import Settings
from tests.factories import TASKS, imported, passage
from tests.processes import Records, ServerProcess, server_process

TRIALS_A_PASSAGE = 4
"""Two questions, under two arms."""


def spec(strong: str, weak: str) -> dict[str, Any]:
    """An experiment of debates and consultancies by one model, each judged by another."""
    model = {"kind": "model", "model": "scripted"}
    return {
        "name": "outage",
        "tasks": {"set": TASKS},
        "endpoints": {"strong": {"base_url": strong}, "weak": {"base_url": weak}},
        "participants": {
            "strong": {**model, "endpoint": "strong"},
            "weak": {**model, "endpoint": "weak", "temperature": 0},
        },
        "arms": {
            "debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "strong"}},
            "weak": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "weak"}},
        },
        "judges": ["weak"],
    }


class Story:
    """What happened, with the time since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last: list[str] = []

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"{time.monotonic() - self._began:7.1f} s  {text}", flush=True)

    def show(self, counts: Progress) -> None:
        """Print progress where something but the countdown has changed."""
        plain = [sentence.partition("; next try")[0] for sentence in counts.endpoints]
        if plain != self._last:
            self._last = plain
            self.say(f"{counts.settled} of {counts.total} done. " + " ".join(counts.endpoints))


async def main(options: argparse.Namespace) -> bool:
    """Run it. Return whether nothing failed and nothing was asked twice."""
    with tempfile.TemporaryDirectory(prefix="arena-outage-", dir="/tmp") as folder, ExitStack() as stack:
        home = Path(folder)
        os.chmod(folder, 0o755)  # noqa: S103 - the system user of the embedded server enters it
        settings = Settings(home=home / "var")
        async with open_database(settings) as database:
            passages = -(-options.trials // TRIALS_A_PASSAGE)
            await imported(database, *(passage(f"Ferry {number}", 2) for number in range(passages)))
            quota = ["--quota", options.quota, "--window", options.window] if options.quota else []
            strong = _Server(home / "strong.log", options.latency, quota)
            strong.start()
            stack.callback(strong.kill)
            weak = strong
            if options.mixed:
                weak = _Server(home / "weak.log", options.latency, [])
                weak.start()
                stack.callback(weak.kill)
            return await _play(database, settings, strong, weak, options)


class _Server:
    """A scripted server that can be killed and started again at the same address."""

    def __init__(self, log: Path, latency: float, more: Iterable[object]) -> None:
        self._log, self._latency, self._more = log, latency, list(more)
        self._stack: ExitStack | None = None
        self.seen: ServerProcess | None = None

    def start(self) -> None:
        """Start it, at the address that it had before."""
        port = ["--port", self.base_url.split(":")[2].removesuffix("/v1")] if self.seen else []
        self._stack = ExitStack()
        process = server_process(self._log, latency=self._latency, more=[*self._more, *port])
        self.seen = self._stack.enter_context(process)

    def kill(self) -> None:
        """End it at once."""
        if self._stack is not None:
            self._stack.close()
            self._stack = None

    @property
    def base_url(self) -> str:
        """Return its address."""
        assert self.seen is not None
        return self.seen.base_url


async def _play(
    database: Database, settings: Settings, strong: _Server, weak: _Server, options: argparse.Namespace
) -> bool:
    story = Story()
    async with database.session.begin() as session:
        experiment = (await start(session, parse_spec(spec(strong.base_url, weak.base_url)))).experiment
    trials = Records(_address(database)).count("trial")
    story.say(f"{trials} trials, each judged by {len(experiment.spec['judges'])} judge.")
    outage = asyncio.create_task(_outage(strong, options, story)) if options.seconds else None
    counts: Progress | None = None
    lost = None
    async for counts in follow(database, settings, experiment.id):
        story.show(counts)
        if outage is not None and outage.done() and lost is None:
            lost = counts
            story.say(f"When it was back: {counts.settled} of {counts.total} done.")
    assert counts is not None
    if outage is not None:
        story.say(f"Finished {time.monotonic() - await outage:.1f} s after the server was back.")
    return _verdict(counts, Records(_address(database)), story)


async def _outage(server: _Server, options: argparse.Namespace, story: Story) -> float:
    """Kill the server when `after` of its requests have come, and start it again. Return when it was back."""
    assert server.seen is not None
    while len(server.seen) < options.after:  # noqa: ASYNC110 - its log is a file
        await asyncio.sleep(0.05)
    server.kill()
    story.say("The server was killed.")
    await asyncio.sleep(options.seconds)
    server.start()
    story.say("The server was started again.")
    return time.monotonic()


def _address(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def _verdict(counts: Progress, records: Records, story: Story) -> bool:
    attempts = records.attempts()
    story.say(f"{counts.count('done')} of {counts.total} done, {counts.count('failed')} failed.")
    story.say(f"Attempts by status: {dict(Counter(attempt.status for attempt in attempts))}")
    answered = Counter((attempt.place, attempt.purpose) for attempt in attempts if attempt.status == "ok")
    twice = [what for what, times in answered.items() if times > 1]
    story.say(
        f"Asked twice: {len(twice)}. Probes without an ask: {sum(a.purpose == 'probe' for a in attempts)}."
    )
    own = resource.getrusage(resource.RUSAGE_SELF)
    story.say(f"CPU of the worker: {own.ru_utime + own.ru_stime:.1f} s.")
    return not twice and not counts.count("failed") and counts.count("done") == counts.total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.0, help="length of the outage; 0: none")
    parser.add_argument("--after", type=int, default=150, help="requests before the outage")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds before each reply")
    parser.add_argument("--quota", type=int, help="most requests in any --window")
    parser.add_argument("--window", type=float, default=60.0, help="seconds")
    parser.add_argument(
        "--mixed", action="store_true", help="judge, and debate in one arm, at a second server"
    )
    sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)
