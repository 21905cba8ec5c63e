"""Checks and renders templates of researchers in processes apart, with a bound on time and memory.

What a template computes cannot stop the process that plays and serves. Its rules are in `app.participants.sandbox`.
"""

import atexit
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from app.participants import sandbox

PROCESSES = 2
"""Processes that render, at most."""
CPU_SECONDS = 1.0
"""Processor time for one block, or for the check of one template. Usual ones take a thousandth of that."""
WALL_SECONDS = 15.0
"""Longest wait for a process, which may be kept waiting for the processor on a busy machine."""
MEMORY = 512 * 2**20
"""Address space of a process in bytes, of which Python and Jinja take about 60 MB."""
KEPT = 1000
"""Templates that went over a bound and are remembered, so that each costs its time once."""

_MOST_LINE = 64 * 2**20
"""Longest reply in bytes: a block of the most characters, each escaped, fits."""


class BadTemplate(Exception):
    """A template cannot be used. The text says why, without its name."""


class OverBound(BadTemplate):
    """A template computes more than it may."""


class _Ended(Exception):
    """The process ended before it replied, or is ended since it does not."""

    def __init__(self, *, of_request: bool) -> None:
        super().__init__()
        self.of_request = of_request
        """Whether that is known to be for the request: else another process may have ended it."""


class _Process:
    """One process that renders, started at its first request and again after its end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: bytes) -> dict[str, Any]:
        """Return the reply to a request. Raise _Ended, once the process is gone."""
        process = self._running()
        try:
            assert process.stdin is not None
            process.stdin.write(request + b"\n")
            process.stdin.flush()
            found: dict[str, Any] = json.loads(_line(process))
        except (OSError, ValueError) as error:
            of_request = self._ended_by() in (None, -signal.SIGPROF)
            self.close()
            raise _Ended(of_request=of_request) from error
        return found

    def _ended_by(self) -> int | None:
        """Return how the process ended, None where it goes on without a reply."""
        assert self._process is not None
        try:
            return self._process.wait(1)
        except subprocess.TimeoutExpired:
            return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(Path(sandbox.__file__)), str(CPU_SECONDS), str(MEMORY)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},  # It needs no secret, and so has none.
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the arena; the process ends with its input.
            )
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except OSError:  # What was still to be written to it is lost with it.
                continue
        self._process.wait()
        self._process = None


def _line(process: subprocess.Popen[bytes]) -> bytes:
    """Return the next line that a process writes. Raise ValueError where it ends, takes too long or writes too much."""
    assert process.stdout is not None
    number = process.stdout.fileno()
    waiting = select.poll()  # `select` refuses numbers from 1,024 on, which a server with many visitors has.
    waiting.register(number, select.POLLIN)
    line, until = bytearray(), time.monotonic() + WALL_SECONDS
    while not line.endswith(b"\n"):
        ready = waiting.poll(1000 * max(0.0, until - time.monotonic()))
        more = os.read(number, 1 << 16) if ready else b""
        line += more
        if not more or len(line) > _MOST_LINE:
            raise ValueError("the process does not reply")
    return bytes(line)


def _twice(process: _Process, request: bytes) -> dict[str, Any]:
    """Return the reply to a request, asked again where the process may have ended for another reason. Raise _Ended."""
    try:
        return process.ask(request)
    except _Ended as ended:
        if ended.of_request:
            raise
    return process.ask(request)


class Renderers:
    """The processes of this one. Use it from any thread: a call waits for its reply."""

    def __init__(self) -> None:
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._all = [_Process() for _ in range(PROCESSES)]
        for process in self._all:
            self._idle.put(process)
        self._lock = threading.Lock()
        self._over: OrderedDict[tuple[str, str], str] = OrderedDict()

    def inspect(self, source: str) -> dict[str, Any]:
        """Return `sandbox.inspected` of a template. Raise BadTemplate."""
        found: dict[str, Any] = self._ask({"source": source})
        return found

    def render(self, source: str, block: str, variables: Mapping[str, Any]) -> str:
        """Return the text of a block. Raise BadTemplate."""
        packed = sandbox.packed(variables)
        text: str = self._ask({"source": source, "block": block, "variables": packed})
        return text

    def close(self) -> None:
        """End the processes. They start again where they are needed."""
        for process in self._all:
            process.close()

    def _ask(self, asked: Mapping[str, Any]) -> Any:
        key = asked["source"], asked.get("block", "")
        if known := self._over.get(key):
            raise OverBound(known)
        process = self._idle.get()
        try:
            reply = _twice(process, json.dumps(asked).encode())
        except _Ended:
            reply = {"rule": True, "error": f"it takes more than {CPU_SECONDS:g} s, or too much memory"}
        finally:
            self._idle.put(process)
        if "done" in reply:
            return reply["done"]
        if reply["rule"]:
            self._remember(key, reply["error"])
            raise OverBound(reply["error"])
        raise BadTemplate(reply["error"])

    def _remember(self, key: tuple[str, str], error: str) -> None:
        with self._lock:
            self._over[key] = error
            while len(self._over) > KEPT:
                self._over.popitem(last=False)


@cache
def renderers() -> Renderers:
    """Return the processes of this one, which end with it."""
    made = Renderers()
    atexit.register(made.close)
    return made


@cache
def threads() -> ThreadPoolExecutor:
    """Return the threads in which an event loop waits for `renderers`."""
    return ThreadPoolExecutor(PROCESSES, thread_name_prefix="rendering")
