"""The chat-completions format: from segments to a request, and from a response to a reply. Sends nothing."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from app.participants import revisions
from app.participants.base import Segment
from app.participants.complaints import unwrapped
from app.participants.failures import Unreadable, scrub
from app.participants.thinking import Parted, is_tangled, part


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply to a request."""

    text: str
    """What it says, without its thinking."""
    whole: bool = True
    """False where the limit on tokens broke it off."""
    first: tuple[tuple[str, float], ...] = ()
    """The likeliest first tokens and their probabilities, where requested and returned."""
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The part that is recorded."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None


def messages(segments: Sequence[Segment]) -> list[dict[str, str]]:
    """Return chat messages: neighbouring segments of one role are joined, with nothing between them."""
    return [
        {"role": role, "content": "".join(segment.text for segment in group)}
        for role, group in groupby(segments, lambda segment: segment.role)
    ]


def scrubbed(data: object, secrets: Sequence[str]) -> object:
    """Return JSON without the secrets anywhere in it."""
    if isinstance(data, str):
        return scrub(data, secrets)
    if isinstance(data, list):
        return [scrubbed(item, secrets) for item in data]
    if isinstance(data, dict):
        return {scrub(name, secrets): scrubbed(value, secrets) for name, value in data.items()}
    return data


MOST_STORED = 200_000
"""Most characters of one text of a reply that are stored, and of its log-probabilities."""


MOST_WRITTEN = 1_000_000
"""Most characters of a reply with the thinking in it: those of 200,000 tokens or so."""
MOST_SAID = 200_000
"""Most characters of a reply without its thinking, which are stored, read by others and shown."""
_LOWER = "lower max_tokens, or choose a model that does not repeat itself"


def _refuse_long(text: str, most: int) -> None:
    if len(text) > most:
        raise Unreadable(f"wrote more than {most:,} characters", _LOWER, again=False)


def stored(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a reply that is recorded, bounded: what is longer is cut, and says so."""
    return {name: _stored(value) for name, value in sent.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, str):
        left = len(value) - MOST_STORED
        return f"{value[:MOST_STORED]} [{left} more characters were cut]" if left > 0 else value
    size = len(json.dumps(value)) if isinstance(value, dict | list) else 0
    return f"[{size} characters of JSON were left out]" if size > MOST_STORED else value


def read(data: object) -> Reply:
    """Return the reply in the body of a chat completion, without its thinking. Raise Unreadable where there is none.

    A reply that ends inside its thinking is not worth another attempt with the same seed.
    """
    body = _mapping(unwrapped(data), "sent a page or a text instead of JSON")
    choices = body.get("choices")
    choice = _mapping(
        choices[0] if isinstance(choices, list) and choices else None, "sent a reply without a choice"
    )
    message = _mapping(_message(choice), "sent a reply without a message")
    reason, logprobs, usage = choice.get("finish_reason"), choice.get("logprobs"), body.get("usage")
    first = _first_tokens(logprobs)
    whole = not any(_CUT.fullmatch(str(choice.get(name))) for name in ("finish_reason", "stop_reason"))
    written, thought_apart = _content(message)
    _refuse_long(written or "", MOST_WRITTEN)
    if is_tangled(written or ""):
        raise Unreadable("sent a reply with thousands of marks around its thinking", _LOWER)
    parted = part(written or "", whole=whole)
    _refuse_long(parted.said, MOST_SAID)
    thought = "\n\n".join(filter(None, (thought_apart, parted.thought)))
    if not first:
        _check(written, parted, thought=bool(thought), whole=whole)
    sent: dict[str, Any] = {
        "text": written,
        "finish_reason": reason,
        "logprobs": logprobs,
        **revisions.stated(body),
    }
    if thought:
        tokens = _count(usage, "completion_tokens_details", "reasoning_tokens")
        sent["reasoning"] = thought
        sent["thinking"] = {"characters": len(thought), "tokens": tokens}
    return Reply(
        text=parted.said,
        whole=whole,
        first=first,
        sent=sent,
        tokens_in=_count(usage, "prompt_tokens"),
        tokens_out=_count(usage, "completion_tokens"),
        tokens_cached=_count(usage, "prompt_tokens_details", "cached_tokens"),
    )


_CUT = re.compile(r"length|(max|model)_?(output_|new_)?(tokens?|length)|token_?limit", re.IGNORECASE)
"""Reasons to end a reply that mean its limit on tokens."""


def _message(choice: Mapping[str, Any]) -> Any:
    """Return the message of a choice, in the forms of a chat, of a stream that was not asked for, or of a completion."""
    message = choice.get("message") or choice.get("delta")
    if message is None and "message" not in choice:
        message = choice.get("text")
    return {"content": message} if isinstance(message, str) else message


def _check(written: str | None, parted: Parted, *, thought: bool, whole: bool) -> None:
    """Refuse a reply without text, and one that ends inside its thinking."""
    if not parted.said.strip() and not whole and (thought or not written):
        raise Unreadable(*_SPENT, again=False, spent=True)
    if written is None and not thought:
        raise Unreadable("sent a reply without text")


_SPENT = (
    "spent all of max_tokens without writing a reply",
    "raise max_tokens, or switch thinking off in extra_body",
)


def _mapping(value: object, otherwise: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(otherwise)
    return value


# ── what is written and what is thought ─────────────────────────────────────────────────────────────────────────

_TEXT_PARTS = ("text", "output_text", "refusal")
_THOUGHT = re.compile(r"think|thought|reason", re.IGNORECASE)
_REASONING_FIELDS = (
    ("reasoning_content", "reasoning", "thinking", "thought", "thoughts", "reasoning_text"),
    ("reasoning_details", "thinking_blocks"),
)
"""Where servers put thinking: as text or, if there is none, as a list of parts."""
_IN_PARTS = ("text", "value", "thinking", "reasoning", "summary", "content", "refusal")


def _content(message: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return what a message says, None where it has no text, and its thinking as far as that is apart.

    Parts of a kind that is not known are neither.
    """
    content = _parts_in(message.get("content"))
    parts = content if isinstance(content, list) else [content]
    said = [text for item in parts if (text := _said(item)) is not None]
    if not said and isinstance(refusal := message.get("refusal"), str):
        said = [refusal]
    thought = [
        _words(item)
        for item in parts
        if isinstance(item, dict) and (_THOUGHT.search(str(item.get("type"))) or _is_thought(item))
    ]
    for names in _REASONING_FIELDS:
        thought = thought or [text for name in names if (text := _words(message.get(name)))][:1]
    thoughts = "\n\n".join(filter(None, thought))
    return _beyond(thoughts, "".join(said)) if said else None, thoughts


def _parts_in(content: Any) -> Any:
    """Return the list of parts that a content is, also where it is one written out as JSON."""
    if not isinstance(content, str) or not _PARTS.match(content):
        return content
    try:
        parts = json.loads(content)
    except (ValueError, RecursionError):
        return content
    return parts if all(isinstance(item, dict) and "type" in item for item in parts) else content


_PARTS = re.compile(r'\s*\[\s*\{\s*"type"')


def _is_thought(item: Mapping[str, Any]) -> bool:
    """Return whether a part of a message is marked as thinking, as Gemini's are."""
    return any(
        item.get(name) is True for name in ("thought", "thinking", "is_thought", "reasoning", "is_reasoning")
    )


_REPEATED = 20
"""Characters of thinking from which on its repetition before a reply is no coincidence."""


def _beyond(thought: str, said: str) -> str:
    """Return a reply without the thinking that it repeats, though that also came apart."""
    begun, repeated = said.lstrip(), thought.strip()
    if len(repeated) < _REPEATED or not begun.startswith(repeated):
        return said
    return begun[len(repeated) :].lstrip() or said


def _said(item: object) -> str | None:
    """Return the text of one part of a message; None for any other part."""
    if isinstance(item, dict):
        return _words(item) if item.get("type", "text") in _TEXT_PARTS and not _is_thought(item) else None
    return item if isinstance(item, str) else None


def _words(value: object) -> str:
    """Return all text in a part of a message, however deeply it lies."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_words, value)))
    if isinstance(value, dict):
        return next((text for name in _IN_PARTS if (text := _words(value.get(name)))), "")
    return ""


# ── log-probabilities ───────────────────────────────────────────────────────────────────────────────────────────

_IMPOSSIBLE = -700.0
"""Servers write -9999, -Infinity or the least float for tokens whose probability they do not tell."""
_ROUNDING = 0.05
"""Probabilities that add up to more than this above 1 are no probabilities."""


def _first_tokens(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """Return tokens and probabilities at the first place of a reply; empty where the server returns none.

    Reads the chat format and the older one. A token without a usable figure is left out, as one that was not
    returned. The written token is among them, whether or not the server lists it.
    """
    likeliest = [*_listed_tokens(logprobs)]
    known: dict[str, float] = {}
    for token, logprob in likeliest:
        if token not in known and (probability := _probability(logprob)) is not None:
            known[token] = probability
    return tuple(known.items()) if math.fsum(known.values()) <= 1 + _ROUNDING else ()


def _listed_tokens(logprobs: Any) -> Iterator[tuple[str, Any]]:
    """Yield the tokens of the first place with their figures, the likeliest first and the written one last."""
    if isinstance(logprobs, list):
        logprobs = {"content": logprobs}
    if not isinstance(logprobs, dict):
        return
    if isinstance(place := _first_written(logprobs.get("content")), dict):
        yield from _pairs(place.get("top_logprobs"))
        yield from _pairs([place])
    elif isinstance(logprobs.get("tokens"), list):
        yield from _pairs(_at_first(logprobs.get("top_logprobs")))
        written, figure = _at_first(logprobs["tokens"]), _at_first(logprobs.get("token_logprobs"))
        yield from _pairs([{"token": written, "logprob": figure}])


def _first_written(places: Any) -> Any:
    """Return the first place with a token that has characters, since some servers begin with an empty one; the first where
    none has, as where the reply ends at once.
    """
    found = places if isinstance(places, list) else []
    written = (place for place in found if not isinstance(place, dict) or _token(place) != "")
    return next(written, found[0] if found else None)


_NUMBERED = re.compile(r"(?:token_id:\d+)?")
"""A token without its text: vLLM's, where it returns tokens as ids, or none."""


def _token(place: Mapping[str, Any]) -> str | None:
    """Return the text of a token, from its bytes where only they tell; None where it has none."""
    token = next(
        (place[key] for key in ("token", "text", "decoded_token") if isinstance(place.get(key), str)), None
    )
    raw = place.get("bytes")
    bare = token is None or _NUMBERED.fullmatch(token)
    if bare and isinstance(raw, list) and raw and all(type(one) is int and 0 <= one < 256 for one in raw):
        return bytes(raw).decode(errors="replace")
    return token


def _at_first(places: Any) -> Any:
    return places[0] if isinstance(places, list) and places else None


def _pairs(tops: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tops, dict):
        objects = tops and all(isinstance(item, dict) for item in tops.values())
        yield from (
            _pairs([{"token": name, **item} for name, item in tops.items()]) if objects else tops.items()
        )
    for top in tops if isinstance(tops, list) else []:
        if isinstance(top, dict) and (token := _token(top)) is not None:
            yield top.get("decoded_token") or token, top.get("logprob", top.get("log_prob"))
        elif isinstance(top, list) and len(top) == 2 and isinstance(top[0], str):
            yield top[0], top[1]


def _probability(logprob: Any) -> float | None:
    """Return the probability of a log-probability; None where it is missing, no number, or a stand-in for unknown."""
    usable = isinstance(logprob, int | float) and not isinstance(logprob, bool) and math.isfinite(logprob)
    if not usable or not _IMPOSSIBLE < logprob <= _ROUNDING:
        return None
    return math.exp(min(logprob, 0.0))


def _count(usage: Any, *keys: str) -> int | None:
    for key in keys:
        usage = usage.get(key) if isinstance(usage, dict) else None
    plausible = isinstance(usage, int) and not isinstance(usage, bool) and 0 <= usage < 2**31
    return usage if plausible else None


_LISTS = ("data", "models", "model_list", "object", "results", "items")
_KEYS = ("id", "name", "model", "model_name", "model_id", "key")


def listed(body: object) -> dict[str, int | None]:
    """Return the models in the body of a list, in every form that is known: by name, the most tokens of a prompt and
    its reply, where the list says. Raise Unreadable where there is none.
    """
    found = body if isinstance(body, list) else None
    if isinstance(body, dict):
        found = next((body[name] for name in _LISTS if isinstance(body.get(name), list | dict)), None)
    if found is None and isinstance(body, dict) and body.get("object") == "list":
        return {}
    if isinstance(found, dict):
        found = [{"id": name} for name in found]
    if found is None:
        raise Unreadable("sent something else instead of the list of its models")
    return {name: _context(model) for model in found if (name := _model_name(model))}


def _model_name(model: Any) -> str:
    if isinstance(model, dict):
        model = next((model[key] for key in _KEYS if isinstance(model.get(key), str)), "")
    return model if isinstance(model, str) else ""


_CONTEXTS = (
    "max_model_len",
    "loaded_context_length",
    "context_length",
    "context_window",
    "max_context_length",
    "n_ctx",
    "inputTokenLimit",
    "max_input_tokens",
)
"""What servers call the longest context in their lists of models: vLLM first, then LM Studio, OpenRouter, Groq, Mistral,
llama.cpp, Gemini, LiteLLM.
"""


def _context(model: Any) -> int | None:
    """Return the longest context that a list states of a model, there or among its `meta` data (llama.cpp)."""
    places = [model, model.get("meta"), model.get("top_provider")] if isinstance(model, dict) else []
    stated = [place.get(key) for key in _CONTEXTS for place in places if isinstance(place, dict)]
    figures = [found[1] for size in stated if (found := re.fullmatch(r"(\d{1,9})(?:\.0)?", str(size)))]
    sizes = map(int, figures)
    return next((size for size in sizes if size > 0), None)
