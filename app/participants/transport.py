"""Sends one HTTP request to a model server and returns the JSON of its reply, which is bounded; knows no model."""

import json
import math
import os
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from app.participants.addresses import spoken_by
from app.participants.base import EndpointSettings
from app.participants.beside import LARGE, beside
from app.participants.failures import OtherProtocol, Refused, Unreadable
from app.participants.streams import joined
from app.settings import settings as arena_settings

MOST_BYTES = 16 * 2**20
"""Most bytes of a reply that are read, unpacked, unless the settings say otherwise. A reply of 100,000 tokens with 20
log-probabilities each has about as many.
"""

MOST_DIGITS = 20
"""Most digits of a whole number in a reply. The largest of 64 bits has 20."""

CONNECT_SECONDS = 10.0
"""Longest wait for a connection. A server that is up accepts it at once."""

NO_KEY = "none"
"""Sent where neither a key nor a header is named. Some servers refuse a request without any key."""


class Transport:
    """The connections to one endpoint. Close it.

    Parameters
    ----------
    resolver : looks up the server's name, where not the system. Proxies of the environment are then not used,
        because they look names up themselves.
    """

    def __init__(self, settings: EndpointSettings, resolver: AbstractResolver | None = None) -> None:
        self._settings = settings
        self._resolver = resolver
        self._key = settings.key()
        self._most_bytes = arena_settings().reply_megabytes * 2**20
        self._opened: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()

    async def send(
        self, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> object:
        """Return the JSON of a reply to a request, with a POST where there is a body. Follow no redirect.

        Raise Refused for a status other than 2xx, Unreadable for what is not a bounded JSON document, and errors of
        the connection as they are.
        """
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode(errors="replace")
        async with self._session().request(
            "GET" if body is None else "POST",
            str(self._settings.base_url).rstrip("/") + path,
            params=_parameters(self._settings),
            data=data,
            headers={**self._headers(), **(headers or {})},
            allow_redirects=False,
        ) as response:
            raw = await _bounded(response, self._most_bytes)
            if not 200 <= response.status < 300:
                raise Refused(response.status, response.headers, _parsed_or_text(raw))
            return await beside(parsed, raw) if len(raw) > LARGE else parsed(raw)

    def _session(self) -> aiohttp.ClientSession:
        """Return the session, made at its first use, because it belongs to the running loop."""
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, resolver=self._resolver, use_dns_cache=self._resolver is None
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=self._resolver is None,
            )
        return self._opened

    def _headers(self) -> dict[str, str]:
        own = {name: os.environ.get(variable, "") for name, variable in self._settings.headers.items()}
        sent = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "arena"}
        if not any(name.lower() == "authorization" for name in own):
            if self._key is not None:
                sent["Authorization"] = f"Bearer {self._key}"
            elif not own:
                sent["Authorization"] = f"Bearer {NO_KEY}"
        by_lower = {name.lower(): name for name in own}
        kept = {name: value for name, value in sent.items() if name.lower() not in by_lower}
        return {**kept, "Content-Type": "application/json", **own}


def _parameters(settings: EndpointSettings) -> dict[str, str]:
    return {
        name: os.environ.get(value[1:], "") if value.startswith("$") else value
        for name, value in settings.query.items()
    }


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _too_long(bytes_: int) -> Unreadable:
    return Unreadable(
        f"sent a reply of more than {bytes_ // 2**20} MB",
        "check what answers at its base_url, and lower max_tokens",
        again=False,
    )


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body, unpacked. Stop at the bound, so that a small packed reply cannot fill the memory."""
    unpack = _unpacker(response.headers.get("Content-Encoding", ""))
    body = bytearray()
    if (response.content_length or 0) > most:
        raise _too_long(most)
    async for chunk in response.content.iter_any():
        body += unpack(chunk, most + 1 - len(body))
        if len(body) > most:
            raise _too_long(most)
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """Return what unpacks a chunk into at most so many bytes."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda chunk, _: chunk
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Unreadable(f"packs its reply as {encoding[:20]}, which was not asked for")
    return _Inflater(bare=encoding == "deflate").unpack


class _Inflater:
    """Unpacks gzip and deflate, with or without the header that deflate should have."""

    def __init__(self, *, bare: bool) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._bare = bare

    def unpack(self, chunk: bytes, most: int) -> bytes:
        """Return at most `most` bytes. What is beyond them is lost."""
        try:
            found = self._inner.decompress(chunk, most)
        except zlib.error:
            if not self._bare:
                raise Unreadable("sent a packed reply that is damaged") from None
            self._inner, self._bare = zlib.decompressobj(-zlib.MAX_WBITS), False
            return self.unpack(chunk, most)
        self._bare = False
        return found


def parsed(raw: bytes) -> object:
    """Return the JSON document, or the reply that a stream of events adds up to. Raise Unreadable."""
    start = raw.lstrip()[
        :200
    ]  # Some servers send blanks for a while, so that no proxy closes the connection.
    if start.startswith((b"data:", b"event:", b": ", b":\n", b"id:", b"retry:")):
        return joined(raw.decode(errors="replace"), _document)
    if start.startswith(b"<"):
        raise Unreadable(
            f"sent a web page instead of JSON{_beginning(raw)}",
            "sign in to the network if it asks for that, or correct the endpoint's base_url, which usually ends in /v1",
        )
    if not start:
        raise Unreadable("sent an empty reply", "look at its log")
    return _document(raw)


def _document(raw: bytes | str) -> object:
    try:
        return json.loads(raw, parse_int=_whole, parse_float=_finite, parse_constant=_no_number)
    except (json.JSONDecodeError, UnicodeDecodeError):
        text = raw if isinstance(raw, str) else raw.decode(errors="replace")
        if (protocol := _of_lines(text)) is not None:
            raise OtherProtocol(protocol) from None
        raise Unreadable(f"sent a reply that is not JSON{_beginning(text)}") from None
    except RecursionError:
        raise Unreadable("sent a reply that is nested too deeply") from None


def _of_lines(text: str) -> str | None:
    """Return the other protocol that a reply of one document a line speaks, as Ollama's streams do; None where it is none."""
    try:
        return spoken_by(json.loads(text.lstrip().partition("\n")[0]))
    except (ValueError, RecursionError):
        return None


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise Unreadable(f"sent a reply with a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Unreadable(f"sent a reply with the number {digits[:20]}, which is too large")
    return number


def _no_number(name: str) -> float:
    raise Unreadable(f"sent a reply with {name}, which is not JSON")


def _beginning(text: bytes | str) -> str:
    """Return the first words of a page or a text, without its tags."""
    said = plain(text if isinstance(text, str) else text[:20_000].decode(errors="replace"))
    return f", which begins “{said[:100].rstrip()}”" if said else ""


def plain(text: str) -> str:
    """Return the words of a page on one line, without tags, scripts and styles."""
    if text.lstrip().startswith("<"):
        text = re.sub(r"(?is)<(script|style)\b.*?(</\1\s*>|\Z)|<!--.*?-->|<[^<>]*>", " ", text[:20_000])
    return " ".join(text[:2000].split())


def _parsed_or_text(raw: bytes) -> object:
    """Return the body of a refusal: JSON, or the words of a page or a text."""
    try:
        return parsed(raw)
    except Unreadable:
        return plain(raw[:20_000].decode(errors="replace"))
