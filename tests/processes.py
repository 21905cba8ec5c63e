"""The arena and a model server as processes that tests start, stop and kill, and what they left in a database."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import yaml

from tests.guard import guarded

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 480
"""Seconds after which a process that should have ended is taken for stuck."""


# ── the arena ───────────────────────────────────────────────────────────────────────────────────────────────────

# Forked from a process that has imported the arena and done nothing else: a start takes no time, a kill is as real.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.preloaded"])


def _be_the_arena(arguments: tuple[str, ...], environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Run a command in a process of its own, as the shell would have started it."""
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    # A shell that starts the tests in the background makes its children deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["arena", *arguments]
    from app.cli import main

    main()


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str


class Process:
    """One command of the arena under way; what it prints goes to files, so that it never waits for a reader."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], stem: Path) -> None:
        self._out, self._err = stem.with_suffix(".out"), stem.with_suffix(".err")
        self._err.touch()
        self._process = FORKS.Process(
            target=_be_the_arena, args=(arguments, dict(environment), self._out, self._err)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.is_alive()

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return self._err.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        self._process.kill()
        self._process.join(PATIENCE)

    def wait(self) -> Ended:
        """Wait for its end."""
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, f"It did not end; on stderr: {self.err}"
        return Ended(self._process.exitcode, self._out.read_text(), self.err)


class Arena:
    """The command line over one database, with settings of its own.

    Parameters
    ----------
    folder : where the output of its processes goes
    settings : environment variables; those of the surrounding process that begin with ARENA_ are not passed on
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        outer = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("ARENA_") and name != "DATABASE_URL"
        }
        self._environment = outer | settings
        self._folder = folder
        self._started: list[Process] = []
        self._guards = ExitStack()
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, *arguments: str | Path) -> Process:
        """Start a command."""
        stem = self._folder / f"{len(self._started):03}-{arguments[0]}"
        process = Process(tuple(map(str, arguments)), self._environment, stem)
        self._started.append(process)
        self._guards.enter_context(guarded(process.pid))
        return process

    def run(self, *arguments: str | Path) -> Ended:
        """Run a command to its end."""
        return self.start(*arguments).wait()

    def serve(self) -> tuple[Process, str]:
        """Start a server; return it and its address."""
        process = self.start("serve", "--port", "0")
        found: list[str] = []

        def listening() -> bool:
            found[:] = re.findall(r"http://127\.0\.0\.1:\d+", process.err)
            return bool(found)

        until(listening, process)
        return process, found[0]

    def __enter__(self) -> "Arena":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.running:
                process.kill()
        self._guards.close()


def until(condition: Callable[[], Any], process: Process | None = None, every: float = 0.01) -> None:
    """Wait until something holds, or fail where `process` ends before."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.running, process.err if process else ""
        time.sleep(every)


def write_spec(path: Path, data: Mapping[str, Any]) -> Path:
    """Write an experiment's file."""
    path.write_text(yaml.safe_dump(dict(data), sort_keys=False), encoding="utf-8")
    return path


# ── the model server ────────────────────────────────────────────────────────────────────────────────────────────


class Arrived(NamedTuple):
    """A request that reached the server."""

    request_id: str
    at: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class ServerProcess:
    """A scripted model server in a process of its own, and its log."""

    base_url: str
    log: Path

    def arrived(self) -> list[Arrived]:
        """Every request so far, in the order of arrival."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [Arrived(line["request_id"], line["arrived"]) for line in lines if line["status"] is None]

    def __len__(self) -> int:
        return self.log.read_bytes().count(b'"status": null')


@contextmanager
def server_process(log: Path, *, latency: float, more: Iterable[object] = ()) -> Iterator[ServerProcess]:
    """Start the scripted server, with `latency` seconds before each reply and `more` options; end it at the end."""
    arguments = [sys.executable, "-m", "tests.servers", "--log", str(log), "--latency", str(latency)]
    arguments += map(str, more)
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready, base_url = process.stdout.readline().split()
            assert ready == "ready"
            with guarded(process.pid):
                yield ServerProcess(base_url, log)
        finally:
            process.kill()


# ── what is on record ───────────────────────────────────────────────────────────────────────────────────────────

_PLACE = """
    JOIN arm a ON a.id = t.arm_id JOIN question q ON q.id = t.question_id
    LEFT JOIN participant p ON p.id = coalesce(j.judge_id, t.judge_id)
"""
_OF = """
    LEFT JOIN play j ON j.id = {0}.play_id AND j.kind = 'judging'
    JOIN play t ON t.id = coalesce(j.talk_id, {0}.play_id)
"""
_WHERE = "a.name, q.key, t.assignment, t.replicate, coalesce(p.name, '')"
"""What names a trial or a judgement in every database: ids do not."""


class Attempt(NamedTuple):
    """An attempt at a call, with its place and the time at which the move it served was put on record."""

    request_id: str
    place: tuple[Any, ...]
    """Arm, question, assignment, replicate, judge and path."""
    purpose: str
    status: str | None
    started: float
    moved: float | None
    """Beginning of the transaction that wrote the move; both in seconds since the epoch."""


PLAYS = {
    "trial": "(SELECT * FROM play WHERE kind = 'talk') AS trial",
    "judgement": "(SELECT * FROM play WHERE kind = 'judging') AS judgement",
}
"""What to read trials, or judgements, from."""


class Records:
    """Reads a database as no part of the arena does: with SQL, in one go."""

    def __init__(self, url: str) -> None:
        self._url = url

    def all(self, query: str) -> list[Any]:
        """Rows of a query."""
        with psycopg.connect(self._url) as connection:
            return connection.execute(query.encode()).fetchall()

    def one(self, query: str) -> Any:
        """The single value of a query."""
        [[value]] = self.all(query)
        return value

    def count(self, table: str) -> int:
        """Rows of a table."""
        number: int = self.one(f"SELECT count(*) FROM {PLAYS.get(table, table)}")
        return number

    def moves(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Every move: its place in the experiment and path, to its seat, content and fingerprint."""
        rows = self.all(
            f"""SELECT {_WHERE}, m.path, m.seat, m.content, m.fingerprint
                FROM move m {_OF.format("m")} {_PLACE}"""
        )
        return _once(rows, 6)

    def verdicts(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Every verdict: its place and reading order, to what was believed and how it was read."""
        rows = self.all(
            f"""SELECT {_WHERE}, v.reading, v.answer_order, v.belief, v.beliefs, v.method, v.label_mass, v.reason,
                       v.said, v.bounds, v.flags
                FROM verdict v {_OF.format("v")} {_PLACE}"""
        )
        return _once(rows, 6)

    def outcomes(self) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Every trial: its place, to its state, outcome and seed."""
        rows = self.all(
            f"""SELECT {_WHERE}, t.state, t.outcome, t.seed
                FROM play t LEFT JOIN play j ON false {_PLACE} WHERE t.kind = 'talk'"""
        )
        return _once(rows, 5)

    def attempts(self) -> list[Attempt]:
        """Every attempt at a model call, oldest first."""
        rows = self.all(
            f"""SELECT ca.request_id, {_WHERE}, c.path, c.purpose, ca.status,
                       extract(epoch FROM ca.started_at)::float8, extract(epoch FROM m.created_at)::float8
                FROM call_attempt ca JOIN model_call c ON c.id = ca.call_id
                LEFT JOIN move m ON m.path = c.path AND m.play_id = c.play_id {_OF.format("c")} {_PLACE}
                ORDER BY ca.id"""
        )
        return [Attempt(row[0], tuple(row[1:7]), *row[7:]) for row in rows]

    def asked_in_vain(self, arrived: Iterable[Arrived]) -> list[tuple[Any, ...]]:
        """What was asked when its answer was on record already, or by a request that is not on record, by place."""
        attempts = {attempt.request_id: attempt for attempt in self.attempts()}
        known = [(request, attempts.get(request.request_id)) for request in arrived]
        return [
            attempt.place if attempt else (request.request_id,)
            for request, attempt in known
            if attempt is None or (attempt.moved is not None and request.at >= attempt.moved)
        ]

    def states(self) -> list[tuple[str, str, int]]:
        """Number of trials and judgements by state."""
        rows = self.all(
            """SELECT CASE kind WHEN 'talk' THEN 'trial' ELSE 'judgement' END, state, count(*)::int
               FROM play GROUP BY 1, 2 ORDER BY 1 DESC, 2"""
        )
        return [tuple(row) for row in rows]


def _once(rows: list[Any], key: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Rows by their first `key` columns, each of which occurs once."""
    found = {tuple(row[:key]): tuple(row[key:]) for row in rows}
    assert len(found) == len(rows)
    return found
