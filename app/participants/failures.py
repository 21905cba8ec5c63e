"""Errors of an endpoint: whether another attempt is worthwhile, and the sentence for the user."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any, Literal

import aiohttp
import openai

from app.participants.base import (
    BadRequest,
    ContextTooLong,
    EndpointSettings,
    Forbidden,
    NoKey,
    Nonsense,
    ParticipantError,
    Spent,
    Unreachable,
)

RETRIED = frozenset({408, 409, 425, 429})
"""Status codes below 500 for which another attempt may help. It may for all codes from 500 on."""

AWAY = frozenset({402, 408, 429, 502, 503, 504, 529})
"""Status codes that say nothing about one request: the server is away, overloaded, or wants money."""

Fault = Literal["ask", "endpoint", "unclear"]
"""Whose fault a failure is: that of this request alone, of the endpoint (then it is paused for all requests), or
unclear (then a tiny request decides after some attempts).
"""

EXCERPT = 200
"""Most characters of a server's message that an error repeats."""


class Unreadable(ValueError):
    """A reply that breaks the protocol: the error, and what to do."""

    def __init__(
        self,
        what: str = "sent a reply that is not JSON",
        advice: str = "check that it speaks the OpenAI protocol at its base_url, and read its log",
        *,
        again: bool = True,
        spent: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice
        self.again = again
        """Whether another attempt may be read."""
        self.spent = spent
        """Whether the limit on tokens broke it off before there was a reply."""


UNREADABLE = (Unreadable, JSONDecodeError, UnicodeDecodeError, RecursionError)
"""Errors of reading a reply: not JSON, not text, or nested too deeply."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt without a reply."""

    status: Literal["http", "timeout", "connection", "unreadable"]
    what: str
    """Continues `The endpoint NAME …`."""
    advice: str
    error: type[ParticipantError]
    fault: Fault = "ask"
    again: bool = False
    """Whether another attempt may succeed."""
    overload: bool = False
    """Whether it is a sign of load."""
    http_status: int | None = None
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    model_unknown: bool = False
    """The model or the address may be wrong: the server's list of models shows which."""

    def exception(self, endpoint: str, attempts: int = 1) -> ParticipantError:
        """Return the sentence for the user, after the last attempt."""
        times = f" in {attempts} attempts" if attempts > 1 else ""
        return self.error(f"The endpoint {endpoint} {self.what}{times}: {self.advice}.")


def understand(error: Exception, settings: EndpointSettings, model: str, timeout: float) -> Failure:
    """Return the meaning of the exception of one attempt. `timeout` is in seconds."""
    if isinstance(error, openai.APIStatusError):
        return _refused(error, settings, model)
    if isinstance(error, UNREADABLE):
        fault = error if isinstance(error, Unreadable) else Unreadable()
        if not fault.again:
            return Failure("unreadable", fault.what, fault.advice, Spent if fault.spent else Nonsense, "ask")
        return Failure("unreadable", fault.what, fault.advice, Nonsense, "unclear", again=True)
    if any(isinstance(cause, TimeoutError) for cause in _causes(error)):
        advice = "give the participant a longer timeout, or check whether the server is stuck"
        what = f"did not answer within {timeout:g} s"
        return Failure("timeout", what, advice, Unreachable, "unclear", again=True, overload=True)
    advice = "start the server, or correct its base_url"
    what = f"cannot be reached at {settings.base_url}"
    broken = any(_broke(cause) for cause in _causes(error))
    return Failure("connection", what, advice, Unreachable, "unclear" if broken else "endpoint", again=True)


def _broke(cause: BaseException) -> bool:
    """Return whether a connection that was there broke while a reply was awaited."""
    broken = aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError
    return isinstance(cause, broken) and not isinstance(cause, aiohttp.ClientConnectorError)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Return the error and its causes. The transport calls a broken connection a time-out; its causes do not."""
    while error is not None:
        yield error
        error = error.__cause__


def _refused(error: openai.APIStatusError, settings: EndpointSettings, model: str) -> Failure:
    status, words = error.status_code, scrub(_words(error.body), settings.key(), shortest=1)
    if status in RETRIED or status >= 500:
        return _busy(error, words)
    if status in (401, 403):
        what, advice = _about_key(settings)
        kind = NoKey if settings.api_key_env and not settings.key() else Forbidden
        return Failure("http", what, advice, kind, "endpoint", http_status=status)
    if status == 413 or _CONTEXT.search(f"{error.code} {error.type} {words}"):
        advice = "lower max_tokens, choose shorter passages, or serve the model with a longer context"
        what = f"says that the prompt and its reply are too long for {model}{_sizes(words)}"
        return Failure("http", what, advice, ContextTooLong, http_status=status)
    missing = status == 404 or error.code == "model_not_found"
    what = f"refused the request ({status}{_saying(words)})"
    advice = (
        "correct base_url, which usually ends in /v1" if missing else "correct the participant's settings"
    )
    fault: Fault = "endpoint" if missing or status in AWAY else "ask"
    return Failure("http", what, advice, BadRequest, fault, http_status=status, model_unknown=missing)


def _busy(error: openai.APIStatusError, words: str) -> Failure:
    many = error.status_code == 429
    advice = "wait for its quota, or run less at once" if many else "look at its log, then run again"
    return Failure(
        "http",
        f"answered {error.status_code}{_saying(words)}",
        advice,
        Unreachable,
        "endpoint" if error.status_code in AWAY else "unclear",
        again=True,
        overload=error.status_code not in (409, 425),
        http_status=error.status_code,
        retry_after=retry_after(error.response.headers, datetime.now(UTC)),
    )


def _about_key(settings: EndpointSettings) -> tuple[str, str]:
    name = settings.api_key_env
    if name is None:
        return "wants a key", "name the environment variable that holds it as api_key_env"
    if settings.key() is None:
        return "wants a key", f"set the environment variable {name}, which is empty"
    return f"refused the key in the environment variable {name}", "put a valid key there"


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that the server asks to wait, from milliseconds, seconds or a date; None where it
    names none.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return max(float(value) / unit, 0.0)
    try:
        return max((parsedate_to_datetime(headers["retry-after"]) - now).total_seconds(), 0.0)
    except (KeyError, ValueError, TypeError):  # Absent, not a date, or a date without a time zone.
        return None


def scrub(text: str, key: str | None, *, shortest: int = 8) -> str:
    """Return the text without the key, and without characters that a database cannot store: NUL and half
    surrogate pairs.

    A key of fewer than `shortest` characters stays, because such a word may be in any reply.
    """
    if key and len(key) >= shortest:
        text = text.replace(key, "[key]")
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


# ── the server's own words ──────────────────────────────────────────────────────────────────────────────────────

_CONTEXT = re.compile(
    r"context[ _-]?(length|size|window)|exceed_context|max_model_len|maximum (sequence|input) length"
    r"|(prompt|input|request)\b.{0,40}\btoo (long|large)",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"(\d[\d,]*) (?:input |output |total |prompt )?tokens", re.IGNORECASE)
_HELD = re.compile(r"(?:context[ _](?:length|size|window)|max_model_len)\D{0,24}(\d[\d,]*)", re.IGNORECASE)


def _words(body: Any) -> str:
    """Return the server's message on its refusal, on one line and short; empty where it sent a page."""
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or ""
    text = " ".join(str(body or "").split())
    return "" if text.startswith("<") else text


def _saying(words: str) -> str:
    return f", saying “{words[:EXCERPT].rstrip('.')}”" if words else ""


def _sizes(words: str) -> str:
    """Return the numbers of tokens in the server's message: the model's limit, and the number sent."""
    held = _HELD.search(words)
    if held is None:
        return _saying(words)
    sent = [size for size in _TOKENS.findall(words) if size != held[1]]
    return f" (it holds {held[1]} tokens" + (f", and {sent[0]} came" if sent else "") + ")"
