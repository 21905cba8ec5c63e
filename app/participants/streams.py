"""Joins the events of a streamed chat completion into the reply that was asked for; knows no transport."""

from collections.abc import Callable, Sequence
from typing import Any

from app.participants.failures import Unreadable

_TEXTS = ("content", "refusal", "reasoning", "reasoning_content")


def joined(stream: str, document: Callable[[str], object]) -> object:
    """Return a chat completion from server-sent events, although no stream was asked for. `document` reads the JSON of
    one. An event with an error is returned as it is.

    Raise Unreadable where the stream holds no choice.
    """
    pieces: list[dict[str, Any]] = []
    whole: dict[str, Any] = {}
    for event in _events(stream, document):
        if event.get("error"):
            return event
        whole |= {name: event[name] for name in ("id", "model", "created", "usage") if event.get(name)}
        choices = event.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            pieces.append(choices[0])
    if not pieces:
        raise Unreadable(
            "streams its reply, although no stream was asked for, and it holds no text",
            "add `stream: false` to the participant's extra_body, or switch streaming off in the server",
        )
    return {**whole, "choices": [_choice(pieces)]}


def _events(stream: str, document: Callable[[str], object]) -> list[dict[str, Any]]:
    """Return the JSON objects of the events. The lines of one event belong together."""
    blocks = stream.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    data = [event for block in blocks for event in _data(block)]
    found = [document(event) for event in data if event and event != "[DONE]"]
    return [event for event in found if isinstance(event, dict)]


def _data(block: str) -> list[str]:
    """Return the data of one event, or of several that no empty line parts."""
    lines = [line[5:].strip() for line in block.split("\n") if line[:5] == "data:"]
    if all(line == "[DONE]" or (line[:1] == "{" and line[-1:] == "}") for line in lines):
        return lines
    return ["\n".join(lines)]


def _choice(pieces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the choice that the pieces of a stream add up to."""
    deltas = [
        delta for piece in pieces if isinstance(delta := piece.get("delta") or piece.get("message"), dict)
    ]
    message: dict[str, Any] = {"role": "assistant"}
    for name in _TEXTS:
        said = [delta[name] for delta in deltas if isinstance(delta.get(name), str)]
        message |= {name: "".join(said)} if said else {}
    if any(isinstance(delta.get("content"), list) for delta in deltas):
        message["content"] = [part for delta in deltas for part in _as_parts(delta.get("content"))]
    for name in ("reasoning_details", "thinking_blocks"):
        parts = [part for delta in deltas if isinstance(delta.get(name), list) for part in delta[name]]
        message |= {name: parts} if parts else {}
    tokens = [
        token
        for piece in pieces
        if isinstance(logprobs := piece.get("logprobs"), dict) and isinstance(logprobs.get("content"), list)
        for token in logprobs["content"]
    ]
    reasons = [piece["finish_reason"] for piece in pieces if piece.get("finish_reason")]
    errors = [piece["error"] for piece in pieces if piece.get("error")]
    choice = {"index": 0, "message": message, "finish_reason": reasons[-1] if reasons else None}
    return {**choice, "logprobs": {"content": tokens} if tokens else None} | (
        {"error": errors[0]} if errors else {}
    )


def _as_parts(content: Any) -> list[Any]:
    """Return the content of a piece as a list of parts."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else []
