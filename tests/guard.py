"""End what a killed test run leaves behind: PostgreSQL servers, and processes that tests have started.

A guard is a process beside the tests (`python -m tests.guard`). It reads what to watch from a pipe, whose end means
that the tests are gone, however they went. A guard ends what is still on its list then, and ends itself.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 30
"""Seconds in which a PostgreSQL must have ended before its folder is removed all the same."""


# ── in the process of the tests ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def guarded(thing: Path | int) -> Iterator[None]:
    """Have the guard end a process, or the PostgreSQL servers in a folder, if this process is killed in the block."""
    _tell("add", thing)
    try:
        yield
    finally:
        _tell("remove", thing)


def _tell(what: str, thing: Path | int) -> None:
    guard = _guard()
    assert guard.stdin is not None
    guard.stdin.write(f"{what} {thing}\n")
    guard.stdin.flush()


@cache
def _guard() -> "subprocess.Popen[str]":
    # In a session of its own, a signal to the process group of the tests does not reach it.
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.guard"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    # Closes the pipe and waits.
    atexit.register(guard.communicate)
    return guard


# ── in the guard ────────────────────────────────────────────────────────────────────────────────────────────────


def watched(lines: Iterable[str]) -> list[str]:
    """Read to the end, and return what was added and not removed."""
    things: dict[str, None] = {}
    for line in lines:
        what, _, thing = line.rstrip("\n").partition(" ")
        if what == "add":
            things[thing] = None
        else:
            things.pop(thing, None)
    return list(things)


def end_process(pid: int) -> None:
    """End a process."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end_servers(folder: Path) -> None:
    """End every PostgreSQL whose data lie in the folder, and remove the folder."""
    for path in folder.rglob("postmaster.pid"):
        with suppress(ProcessLookupError):
            os.kill(int(path.read_text().split()[0]), signal.SIGQUIT)
    until = time.monotonic() + PATIENCE
    while any(folder.rglob("postmaster.pid")) and time.monotonic() < until:
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Wait for the end of the tests, then end what they have left."""
    for thing in watched(sys.stdin):
        if thing.isdigit():
            end_process(int(thing))
        else:
            end_servers(Path(thing))


if __name__ == "__main__":
    main()
