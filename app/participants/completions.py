"""The chat-completions format: from segments to a request, and from a response to a reply. Sends nothing."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from app.participants.base import Segment
from app.participants.failures import Unreadable, scrub


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply to a request."""

    text: str
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
    """Return the reply in the body of a chat completion. Raise Unreadable where there is none."""
    body = _mapping(data, "sent a page or a text instead of JSON")
    choices = body.get("choices")
    choice = _mapping(
        choices[0] if isinstance(choices, list) and choices else None, "sent a reply without a choice"
    )
    message = _mapping(choice.get("message"), "sent a reply without a message")
    reason, logprobs, usage = choice.get("finish_reason"), choice.get("logprobs"), body.get("usage")
    first = _first_tokens(logprobs)
    said = [text for text in (message.get("content"), message.get("refusal")) if isinstance(text, str)]
    if not said and not first:
        raise Unreadable(*(_SPENT if reason == "length" else ("sent a reply without text",)))
    sent = {"text": said[0] if said else None, "finish_reason": reason, "logprobs": logprobs}
    thinking = message.get("reasoning") or message.get("reasoning_content")
    return Reply(
        text=said[0] if said else "",
        whole=reason != "length",
        first=first,
        sent=sent | ({"reasoning": thinking} if thinking else {}),
        tokens_in=_count(usage, "prompt_tokens"),
        tokens_out=_count(usage, "completion_tokens"),
        tokens_cached=_count(usage, "prompt_tokens_details", "cached_tokens"),
    )


_SPENT = (
    "spent all of max_tokens without writing a reply",
    "raise max_tokens, or switch thinking off in extra_body",
)


def _mapping(value: object, otherwise: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(otherwise)
    return value


def _first_tokens(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """Return tokens and probabilities at the first place of a reply; empty where the server returns none."""
    try:
        likeliest = logprobs["content"][0]["top_logprobs"]
        return tuple((str(top["token"]), math.exp(min(top["logprob"], 0.0))) for top in likeliest)
    except (TypeError, KeyError, IndexError):
        return ()


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
    places = [model, model.get("meta")] if isinstance(model, dict) else []
    stated = [place.get(key) for key in _CONTEXTS for place in places if isinstance(place, dict)]
    return next((size for size in stated if type(size) is int and size > 0), None)
