"""A vLLM that the arena starts, watches, restarts and stops; knows no database."""

import asyncio
import os
import shlex
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from app.errors import ServiceError
from app.services.vllm_keeper import GRACE
from app.services.vllm_options import HOST, keeper_command

TAIL = 25
"""Most lines of the log that are shown when the server fails."""

END = 20_000
"""Most bytes of the log that are looked through for them."""


class VllmError(ServiceError):
    """The server did not start. The text is for the user and ends with the end of the log."""


@dataclass(frozen=True)
class Waits:
    """Seconds of the watch."""

    probe: float = 0.5
    """Between two questions whether the server is ready."""
    line: float = 15.0
    """Between two lines that say what it is doing."""
    first: float = 2.0
    """Before the first restart. It doubles with each further one."""
    longest: float = 300.0
    sound: float = 300.0
    """Service after which a restart counts as the first again."""


def is_free(port: int) -> bool:
    """Return whether the server could listen on a port."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


@dataclass
class OwnVllm:
    """A vLLM of the arena's own. `run` it as a task, wait for `ready`, and cancel the task to stop it.

    Parameters
    ----------
    command : the whole command line
    environment : of the server
    port : where it listens
    key : what it wants as a bearer token
    log : file of its output; the file of the run before is kept with `.1` behind its name
    say : called with sentences for the user
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    key: str
    log: Path
    say: Callable[[str], None]
    waits: Waits = Waits()
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the server answers."""
    began_at: int = 0
    """Byte of the log at which the output of the present start begins."""

    @property
    def base_url(self) -> str:
        """Address up to and including `/v1`."""
        return f"http://{HOST}:{self.port}/v1"

    async def run(self) -> None:
        """Serve until cancelled, and start again what died. Raise VllmError where it never became ready."""
        self._begin_log()
        self.say(f"Starting vLLM: {shlex.join(self.command)}")
        self.say(f"Its log is {self.log}")
        wait, answered = self.waits.first, False
        while True:
            code, seconds = await self._serve_once()
            answered = answered or seconds is not None
            if not answered:
                raise VllmError(f"vLLM did not start (exit code {code}); {self._log_end()}")
            if seconds is not None and seconds >= self.waits.sound:
                wait = self.waits.first
            self.say(f"vLLM ended (exit code {code}) and is started again in {wait:.0f} s; {self._log_end()}")
            await asyncio.sleep(wait)
            wait = min(2 * wait, self.waits.longest)

    async def _serve_once(self) -> tuple[int, float | None]:
        """Start the server and wait until it ends. Return exit code and seconds of service, if there was any."""
        async with self._process() as process:
            started = time.monotonic()
            if not await self._until_ready(process):
                return await process.wait(), None
            served = time.monotonic()
            self.ready.set()
            self.say(f"vLLM answers at {self.base_url} after {served - started:.0f} s.")
            try:
                return await process.wait(), time.monotonic() - served
            finally:
                self.ready.clear()

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the server while the block runs."""
        self.began_at = self.log.stat().st_size
        with self.log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *keeper_command(self.command),
                env=dict(self.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal reaches the arena alone, which then ends it.
            )
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE + 5):
                    await process.wait()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until the server answers, and say now and then what it does. Return False where it ended before."""
        began = said = time.monotonic()
        ended = asyncio.ensure_future(process.wait())
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
                while not await self._answers(session):
                    await asyncio.wait([ended], timeout=self.waits.probe)
                    if ended.done():
                        return False
                    now = time.monotonic()
                    if now - said >= self.waits.line:
                        said = now
                        self.say(f"vLLM is starting ({now - began:.0f} s): {self._last_line()}")
            return not ended.done()
        finally:
            ended.cancel()

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        """Return whether the server lists its models for our key."""
        try:
            headers = {"Authorization": f"Bearer {self.key}"}
            async with session.get(f"{self.base_url}/models", headers=headers) as reply:
                return reply.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _begin_log(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.rename(f"{self.log}.1")
        os.close(os.open(self.log, os.O_WRONLY | os.O_CREAT, 0o600))

    def _lines(self) -> list[str]:
        """Return the end of what this start has written to the log, without empty lines."""
        with self.log.open("rb") as opened:
            opened.seek(max(self.began_at, self.log.stat().st_size - END))
            text = opened.read().decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()][-TAIL:]

    def _last_line(self) -> str:
        lines = self._lines()
        return lines[-1].strip()[-150:] if lines else "no output yet"

    def _log_end(self) -> str:
        """Return the end of the log, as the rest of a sentence."""
        return "\n".join([f"the end of its log {self.log}:", *self._lines()])
