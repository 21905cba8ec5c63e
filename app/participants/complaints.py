"""The words in which model servers refuse a request, from every form of body that is known; decides nothing."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a server says is wrong, without the frame around it."""

    status: int
    """HTTP status, or the one that an error in a reply with status 200 names; 0 where it names none."""
    words: str = ""
    """Its messages on one line."""
    names: tuple[str, ...] = ()
    """Parameters that its fields name, such as `max_tokens` or `messages.0.role`."""
    codes: str = ""
    """Its codes and types, such as `invalid_request_error context_length_exceeded`."""
    page: bool = False
    """Whether a web page or a text came instead of JSON."""
    waits: Mapping[str, str] = field(default_factory=dict)
    """Its fields that may say how long to wait, such as `retryDelay`."""

    @property
    def all(self) -> str:
        """Return codes and words, to be searched."""
        return f"{self.codes} {self.words}"


def complaint(status: int, body: object) -> Complaint:
    """Return what the body of a refusal says."""
    if isinstance(body, str):
        return Complaint(status, _line(body), page=True)
    words = list(dict.fromkeys(filter(None, map(_line, _messages(body)))))
    words = [one for one in words if not any(one != other and one in other for other in words)]
    fields = list(_fields(body))
    names = [
        value
        for name, value in fields
        if name in ("param", "loc", "field") and value not in ("", "None", "null")
    ]
    codes = [value for name, value in fields if name in ("code", "type", "error_type", "status", "reason")]
    waits = {
        name: value for name, value in fields if re.search(r"retry|reset|remaining", name, re.IGNORECASE)
    }
    return Complaint(
        status,
        "; ".join(words[:5]),
        tuple(dict.fromkeys(names)),
        " ".join(dict.fromkeys(codes)),
        waits=waits,
    )


def complaint_in(reply: object) -> Complaint | None:
    """Return the error inside a reply with status 200; None where there is none."""
    body = unwrapped(reply[0] if isinstance(reply, list) and reply else reply)
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    if choice is None:
        bare = "choices" not in body and any(
            name in body for name in ("detail", "message", "msg", "error_msg")
        )
        found = body.get("error") or body.get("errors") or body.get("base_resp") or (body if bare else None)
        return _with_own_status(found, body) if found else None
    reason, error = choice.get("finish_reason"), choice.get("error") or body.get("error")
    if _STOPPED_BY_FILTER.fullmatch(str(reason)) and (reason == "content_filter" or not _has_text(choice)):
        return Complaint(0, "; ".join(_messages(error)), codes="content_filter")
    return _with_own_status(error or {}, body) if error or reason == "error" else None


_STOPPED_BY_FILTER = re.compile(
    r"content_?filter(ed)?|safety|sensitive|recitation|blocklist|prohibited_content|spii|guardrail\w*|moderation",
    re.IGNORECASE,
)


def _has_text(choice: Mapping[str, Any]) -> bool:
    message = choice.get("message")
    return isinstance(message, Mapping) and bool(message.get("content"))


def unwrapped(reply: object) -> object:
    """Return the reply inside the frame of a gateway, such as `{"code": 200, "data": {…}}`; any other unchanged."""
    if isinstance(reply, dict) and "choices" not in reply:
        for name in ("data", "result", "response"):
            if isinstance(inner := reply.get(name), dict) and "choices" in inner:
                return inner
    return reply


def _with_own_status(error: object, body: object) -> Complaint:
    """Return the error as a refusal with the status that it names itself."""
    fields = list(_fields(error)) + [
        (name, str(value))
        for name, value in _items(body)
        if name in ("code", "status", "status_code", "statusCode")
    ]
    numbers = [
        int(value) for name, value in fields if "code" in name.lower() or name == "status" if value.isdigit()
    ]
    status = next((number for number in numbers if 400 <= number <= 599), 0)
    return complaint(status, {"error": error})


def _items(body: object) -> list[tuple[str, Any]]:
    return list(body.items()) if isinstance(body, Mapping) else []


_SAID = (
    "message",
    "msg",
    "detail",
    "error",
    "errors",
    "error_message",
    "error_msg",
    "status_msg",
    "faultstring",
    "fault",
    "title",
    "raw",
    "metadata",
)
"""Keys under which servers put their words, those of a provider behind them included."""


def _messages(body: object, depth: int = 0) -> Iterator[str]:
    """Yield the messages in a body, each once or more."""
    if isinstance(body, str):
        inner = _json(body) if depth else None
        if inner is None:
            yield body
        else:
            yield from _messages(inner, depth + 1)
    elif depth > 6:
        return
    elif isinstance(body, list):
        for item in body[:5]:
            yield from _messages(item, depth + 1)
    elif isinstance(body, Mapping):
        where = _where(body.get("loc"))
        for name in _SAID:
            if body.get(name):
                for said in _messages(body[name], depth + 1):
                    yield f"{where}: {said}" if where else said
        if isinstance(body.get("n_ctx"), int):  # llama.cpp gives its sizes in fields.
            yield f"{body.get('n_prompt_tokens', 'too many')} tokens, n_ctx {body['n_ctx']}"


def _json(text: str) -> object:
    """Return the JSON in a message that quotes another server's; None where there is none."""
    if not text.lstrip().startswith(("{", "[")) or len(text) > 20_000:
        return None
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _where(loc: object) -> str:
    """Return the place that a list of details names, without `body`."""
    parts = [str(part) for part in loc if part not in ("body", "query")] if isinstance(loc, list) else []
    return ".".join(parts)


def _fields(body: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield names and values of the fields of an error that say what is meant."""
    if depth > 6:
        return
    if isinstance(body, list):
        for item in body[:5]:
            yield from _fields(item, depth + 1)
    for name, value in _items(body):
        if name == "loc":
            yield name, _where(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield name, str(value)[:200]
            if name == "raw" and (inner := _json(str(value))) is not None:
                yield from _fields(inner, depth + 1)
        elif isinstance(value, dict | list):
            yield from _fields(value, depth + 1)


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text[:4000]).strip()
