"""Requests that do not come whole."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from app.web import slow_requests
from app.web.server import listening
from app.web.slow_requests import TimedProtocol

Message = MutableMapping[str, Any]


async def echo(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Reply with the number of bytes of the body, once it is there."""
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = str(size).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def served() -> AsyncIterator[tuple[str, int]]:
    """A server with the arena's protocol, and where it is."""
    with listening("127.0.0.1", 0) as listener:
        config = uvicorn.Config(echo, http=TimedProtocol, lifespan="off", log_level="warning")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        try:
            yield listener.getsockname()[:2]
        finally:
            server.should_exit = True
            await task


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_requests, "LOOK", 0.1)
    monkeypatch.setattr(slow_requests, "HEAD_SECONDS", 0.3)


async def answer(address: tuple[str, int], pieces: list[bytes], pause: float = 0.0) -> tuple[bytes, float]:
    """Send pieces with a pause after each; return all that came until the server closed, and the seconds that took."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(*address)
    received = asyncio.create_task(reader.read())
    for piece in pieces:
        if received.done():
            break
        writer.write(piece)
        await asyncio.sleep(pause)
    found = await asyncio.wait_for(received, 5)
    writer.close()
    return found, time.monotonic() - began


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\nHost: a\r\n"],
        [b"GET / HT"],
        [b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 50],
        [POST],
        [POST, *[b"x" * 10] * 50],
    ],
    ids=["headers", "first line", "a header at a time", "no body", "a body in drops"],
)
async def test_a_half_sent_request_is_given_up_with_a_sentence(pieces: list[bytes]) -> None:
    async with served() as address:
        found, seconds = await answer(address, pieces, 0.05)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b"came too slowly" in found
    assert seconds < 2


async def test_a_connection_without_a_request_is_closed_without_a_word() -> None:
    async with served() as address:
        found, seconds = await answer(address, [])
    assert found == b""
    assert seconds < 2


async def test_others_are_served_while_many_are_half_sent() -> None:
    async with served() as address:
        half = [await asyncio.open_connection(*address) for _ in range(50)]
        for _, writer in half:
            writer.write(b"GET / HTTP/1.1\r\nHo")
        found, seconds = await answer(address, [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"])
        ends = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in half)), 5)
        for _, writer in half:
            writer.close()
    assert found.endswith(b"\r\n\r\n0")
    assert seconds < 1
    assert all(end.startswith(b"HTTP/1.1 408 ") for end in ends)


async def test_a_body_that_comes_steadily_is_taken_however_long_it_takes() -> None:
    async with served() as address:
        found, seconds = await answer(address, [POST, *[b"x" * 2500] * 20], 0.05)
    assert found.startswith(b"HTTP/1.1 200 ")
    assert found.endswith(b"\r\n\r\n50000")
    assert seconds > 0.6


async def test_a_connection_that_was_used_is_kept_between_requests() -> None:
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    async with served() as address:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(2):
            writer.write(get)
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), 2)).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(0.6)
        writer.close()
