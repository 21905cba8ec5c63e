"""Start a real vLLM server on the CPU and talk to its raw API; knows of the arena only its options for the CPU."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.services.vllm_options import CPU_ENVIRONMENT, CPU_OPTIONS
from tests.guard import guarded

HOME = Path(__file__).resolve().parents[2] / ".vllm"
HOST = "127.0.0.1"
MODEL = "tiny"
API_KEY = "sesame"
CONTEXT = 16384
START_LIMIT = 400.0
"""Seconds that the server may take to answer: about 40 on two free cores, 90 after a fresh installation."""

OPTIONS = [
    f"--served-model-name={MODEL}",
    f"--max-model-len={CONTEXT}",
    *CPU_OPTIONS,
    f"--max-num-batched-tokens={CONTEXT}",
    "--enable-prompt-tokens-details",
    "--enable-request-id-headers",
    # Random weights would fill JSON with blanks up to max_tokens.
    '--structured-outputs-config={"backend": "xgrammar", "disable_any_whitespace": true}',
]
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    **CPU_ENVIRONMENT,
    "VLLM_API_KEY": API_KEY,
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True)
class Reply:
    """What the server answered: the HTTP status, headers with names in lower case, the body as JSON or as text."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class VllmServer:
    """A running server, for tests that take the fixture `vllm`."""

    port: int
    model: str = MODEL
    api_key: str = API_KEY
    context: int = CONTEXT
    """Longest prompt and reply together, in tokens."""

    @property
    def base_url(self) -> str:
        """What an OpenAI client calls `base_url`."""
        return f"http://{HOST}:{self.port}/v1"

    def call(self, path: str, body: object = None, **headers: str) -> Reply:
        """POST `body` as JSON to `path`, or GET it where there is no body; keywords are headers, `_` for `-`."""
        sent = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(HOST, self.port, timeout=120)
        try:
            if body is None:
                connection.request("GET", path, headers=sent)
            else:
                connection.request("POST", path, json.dumps(body), sent)
            return read(connection.getresponse())
        finally:
            connection.close()


def read(response: http.client.HTTPResponse) -> Reply:
    """Read a response to its end, its body by its content type."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    text = response.read().decode()
    is_json = headers.get("content-type", "").startswith("application/json")
    return Reply(response.status, headers, json.loads(text) if is_json else text)


@contextmanager
def serving(log: Path) -> Iterator[VllmServer]:
    """Serve the tiny model of `.vllm/` until the block ends, with the server's output in `log`.

    Raises `RuntimeError`, with the end of the log, when the server dies or is not ready in `START_LIMIT` seconds.
    """
    server = VllmServer(free_port())
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                HOME / "bin" / "vllm",
                "serve",
                HOME / "tiny",
                f"--host={HOST}",
                f"--port={server.port}",
                *OPTIONS,
            ],
            env={**os.environ, **ENVIRONMENT},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with guarded(process.pid):
            wait_until_ready(server, process, log)
            yield server
    finally:
        end(process)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(server: VllmServer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server says that it is healthy."""
    deadline = time.monotonic() + START_LIMIT
    while not is_healthy(server):
        if process.poll() is not None or time.monotonic() > deadline:
            state = "is not ready" if process.returncode is None else f"ended with {process.returncode}"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
            raise RuntimeError(f"The vLLM server {state}; the end of its log {log}:\n{tail}")
        time.sleep(0.5)


def is_healthy(server: VllmServer) -> bool:
    """Whether the server answers on /health."""
    try:
        return server.call("/health").status == http.HTTPStatus.OK
    except ConnectionRefusedError:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    """End the server, and with it whatever its process group still holds."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
