"""Every quirk of a model server that is known, over real HTTP: a row a quirk, with what comes of it.

docs/quirks.md is the same table for readers.
"""

import asyncio
import json
import logging
import shutil
import ssl
import subprocess
import tracemalloc
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.participants.base import (
    BadRequest,
    ContextTooLong,
    Filtered,
    Forbidden,
    ModelSettings,
    Nonsense,
    ParticipantError,
    UnknownModel,
    Unreachable,
)
from app.participants.client import Client, Patience
from app.participants.completions import MOST_STORED
from app.participants.model import ModelParticipant
from app.participants.transport import MOST_BYTES
from app.protocols.core import Belief, Speech
from tests.participants.examples import Record, ask, asking, client, seen, speech_ask
from tests.participants.quirk_server import (
    SPEECH,
    Abort,
    Body,
    Quirk,
    QuirkServer,
    always,
    answering,
    has,
    packed,
    refused,
    reply,
    roles,
    streamed,
    unless,
)


@dataclass(frozen=True, slots=True)
class Works:
    """A speech and a belief come, the belief read like this, and this is told about the model."""

    told: tuple[str, ...] = ()
    method: str = "logprobs"
    requests: int | None = None
    """For a speech, a belief, and both again."""


@dataclass(frozen=True, slots=True)
class Fails:
    """The speech fails with these words, after so many requests."""

    error: type[ParticipantError]
    words: str
    requests: int = 1


UNSUPPORTED = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
EXTRA = {
    "detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
}
AT_LEAST_16 = (
    "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead."
)
VLLM_ROLES = {
    "object": "error",
    "message": "System role not supported",
    "type": "BadRequestError",
    "param": None,
    "code": 400,
}
TGI = {
    "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5931 `inputs` tokens and 1000 `max_new_tokens`",
    "error_type": "validation",
}
GEMINI = [
    {
        "error": {
            "code": 400,
            "message": "The input token count (12000) exceeds the maximum number of tokens allowed (8192).",
            "status": "INVALID_ARGUMENT",
        }
    }
]
LLAMA = {
    "error": {
        "code": 400,
        "message": "the request exceeds the available context size",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 9001,
        "n_ctx": 8192,
    }
}
MODERATED = {
    "error": {"message": "Your chosen model requires moderation and your input was flagged", "code": 403}
}
PAGE = "<html><head><title>Login</title><style>b {}</style></head><body>Please sign in to the network</body></html>"


def folded(body: Body) -> bool:
    return "system" in roles(body)


def several(*quirks: Quirk) -> Quirk:
    """A server with several quirks: the first that applies."""
    return lambda body: next((found for quirk in quirks if (found := quirk(body)) is not None), None)


QUIRKS: dict[str, tuple[Quirk, Works | Fails]] = {
    "none": (lambda body: None, Works()),
    # ── parameters
    "max_tokens is called max_completion_tokens": (unless(has("max_tokens"), UNSUPPORTED, param="max_tokens", code="unsupported_parameter"), Works(("max_tokens is sent as max_completion_tokens",), requests=5)),
    "neither name of max_tokens is known": (unless(has("max_tokens", "max_completion_tokens"), "unknown field: max_tokens"), Works(("max_tokens is left out",))),
    "only temperature 1": (unless(lambda body: body.get("temperature", 1) != 1, "Unsupported value: 'temperature' does not support 0.4 with this model. Only the default (1) value is supported.", param="temperature"), Works(("temperature is left out",))),
    "no temperature 0": (unless(lambda body: body.get("temperature") == 0, {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"}, 422), Works(("temperature is left out where it is 0",))),
    "no seed": (unless(has("seed", "random_seed"), EXTRA, 422), Works(("seed is left out",))),
    "random_seed": (unless(has("seed"), EXTRA, 422), Works(("seed is sent as random_seed",))),
    "a small seed": (unless(lambda body: body.get("seed", 0) > 9, "seed must be less than or equal to 9"), Works(("seed is kept at 9 or below",))),
    "at most 100 tokens": (unless(lambda body: body.get("max_tokens", 0) > 100, "max_tokens is too large: 1000. This model supports at most 100 completion tokens."), Works(("max_tokens is kept at 100 or below",))),
    "at least 16 tokens": (unless(lambda body: body.get("max_tokens", 99) < 16, AT_LEAST_16), Works(("max_tokens is kept at 16 or above",))),
    "5 log-probabilities": (unless(lambda body: body.get("top_logprobs", 0) > 5, "Requested top_logprobs of 20, which is greater than max allowed: 5"), Works(("top_logprobs is kept at 5 or below",))),
    "5 log-probabilities, without a word": (unless(lambda body: body.get("top_logprobs", 0) > 5, "Bad Request"), Works(("top_logprobs is kept at 5 or below, because the server refused it without a reason",))),
    "8 log-probabilities, in a list of details": (unless(lambda body: body.get("top_logprobs", 0) > 8, {"detail": [{"loc": ["body", "top_logprobs"], "msg": "Input should be less than or equal to 8", "ctx": {"le": 8}}]}, 422), Works(("top_logprobs is kept at 8 or below",))),
    "no log-probabilities": (unless(has("logprobs"), "logprobs are not supported with this model", param="logprobs"), Works(("logprobs is left out",), "verbalised")),
    "no log-probabilities, without a word": (unless(has("logprobs"), {}, 422), Works(("logprobs is left out",), "verbalised")),
    "no log-probabilities, in Gemini's way": (unless(has("logprobs"), [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "logprobs": Cannot find field.'}}]), Works(("logprobs is left out",), "verbalised")),
    "a refusal with status 200": (unless(has("seed", "random_seed"), "seed: unsupported parameter", 200, code=400), Works(("seed is left out",))),
    "a refusal with status 500": (unless(has("seed", "random_seed"), "got an unexpected keyword argument 'seed'", 500), Works(("seed is left out",))),
    "a refusal of another server behind it": (unless(has("seed", "random_seed"), {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '{"detail": "seed is not permitted"}'}}}), Works(("seed is left out",))),
    "everything at once": (several(unless(has("max_tokens"), UNSUPPORTED), unless(folded, "This model doesn't support system messages"), unless(has("temperature"), "temperature is deprecated"), unless(has("logprobs"), "no logprobs"), unless(has("seed", "random_seed"), EXTRA)), Works(("max_tokens is sent", "system messages", "temperature is left out", "seed is left out", "logprobs is left out"), "verbalised")),
    "a parameter that is refused whatever is sent": (always({"detail": [{"loc": ["body", "max_tokens"], "msg": "value is not a valid integer"}]}, 422), Fails(BadRequest, "saying “max_tokens: value is not a valid integer”", 3)),
    "a parameter that is not ours": (always("`stop` is required", param="stop"), Fails(BadRequest, "`stop` is required")),
    # ── roles
    "no system role": (unless(folded, VLLM_ROLES), Works(("system messages are put into the first message of the user",), requests=5)),
    "no system role, status 500": (unless(folded, "Jinja Exception: System role not supported", 500), Works(("system messages",))),
    "no instructions": (unless(folded, [{"error": {"code": 400, "message": "Developer instruction is not enabled for models/gemma-3-27b-it"}}]), Works(("system messages",))),
    "alternating roles": (unless(folded, "Conversation roles must alternate user/assistant/user/assistant/..."), Works(("system messages",))),
    "two roles": (unless(folded, {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user' or 'assistant'"}]}, 422), Works(("system messages",))),
    # ── errors with status 200
    "an error": (answering({"error": {"message": "Provider returned error: the model is at capacity", "code": 502}}), Fails(Unreachable, "answered 502, saying “Provider returned error: the model is at capacity”", 2)),
    "an error that is a string": (answering({"error": "model is loading"}), Fails(Unreachable, "saying “model is loading”", 2)),
    "a list with an error": (answering([{"error": {"code": 503, "message": "The model is overloaded."}}]), Fails(Unreachable, "answered 503, saying “The model is overloaded”", 2)),
    "an error without choices, flat": (answering({"object": "error", "message": "boom", "code": 500}), Fails(Unreachable, "answered 500, saying “boom”", 2)),
    "an error in the choice": (lambda body: web.json_response(reply(body, finish="error", text="", error={"code": 502, "message": "Upstream idle timeout exceeded"})), Fails(Unreachable, "Upstream idle timeout exceeded", 2)),
    "a choice that ended in an error": (lambda body: web.json_response(reply(body, finish="error", text="Half a")), Fails(Unreachable, "answered with an error instead of a reply", 2)),
    "a filtered reply": (lambda body: web.json_response(reply(body, finish="content_filter", text="Half a")), Fails(Filtered, "stopped this with its content filter")),
    "an error in a stream": (answering('data: {"error": {"message": "overloaded", "code": 529}}\n\n', "text/event-stream"), Fails(Unreachable, "answered 529, saying “overloaded”", 2)),
    # ── statuses
    "moderated": (always(MODERATED, 403), Fails(Filtered, "your input was flagged")),
    "filtered by Azure": (always("The response was filtered due to the prompt triggering the content management policy", code="content_filter"), Fails(Filtered, "content management policy")),
    "no money": (always("You exceeded your current quota", 429, code="insufficient_quota"), Fails(Unreachable, "its quota is used up (429, saying “You exceeded your current quota”)")),
    "a proxy's page": (lambda body: web.Response(text="<html><h1>502 Bad Gateway</h1><hr>nginx</html>", status=502, content_type="text/html"), Fails(Unreachable, "answered 502, saying “502 Bad Gateway nginx”", 2)),
    "a firewall's page": (lambda body: web.Response(text="<html><h1>Access denied</h1></html>", status=403, content_type="text/html"), Fails(Forbidden, "answered 403 with a web page, saying “Access denied”: ask who runs the proxy")),
    "unknown model, status 400": (always("m is not a valid model ID"), Fails(UnknownModel, "m is not a valid model ID")),
    "unknown model, Ollama": (always({"error": 'model "m" not found, try pulling it first'}, 404), Fails(UnknownModel, "try pulling it first")),
    "unknown model, by code": (always("No.", 404, code="model_not_found"), Fails(UnknownModel, "correct the name of the model, m")),
    # ── too long
    "too long for TGI": (always(TGI, 422), Fails(ContextTooLong, "(it holds 4096 tokens, and 5931 came)")),
    "too long for Gemini": (always(GEMINI), Fails(ContextTooLong, "(it holds 8192 tokens, and 12000 came)")),
    "too long for llama.cpp": (always(LLAMA), Fails(ContextTooLong, "(it holds 8192 tokens, and 9001 came)")),
    "too long for Anthropic": (always("prompt is too long: 208310 tokens > 200000 maximum"), Fails(ContextTooLong, "(it holds 200000 tokens, and 208310 came)")),
    "too long for Ollama": (always({"error": "the input length exceeds the context length"}, 500), Fails(ContextTooLong, "the input length exceeds the context length")),
    # ── what comes instead of a reply
    "a stream": (streamed, Works()),
    "a stream without an end": (lambda body: streamed(body, end=""), Works()),
    "only streams": (lambda body: streamed(body) if body.get("stream") else refused("`stream` must be set to true"), Works(("replies are streamed",))),
    "an empty stream": (answering("data: [DONE]\n\n", "text/event-stream"), Fails(Nonsense, "streams its reply, although no stream was asked for", 2)),
    "a page": (answering(PAGE, "text/html"), Fails(Nonsense, "sent a web page instead of JSON, which begins “Login Please sign in to the network”", 2)),
    "a page called JSON": (answering(PAGE), Fails(Nonsense, "sent a web page instead of JSON", 2)),
    "a text": (answering("Welcome.", "text/plain"), Fails(Nonsense, "sent a reply that is not JSON, which begins “Welcome.”", 2)),
    "nothing": (answering(b""), Fails(Nonsense, "sent an empty reply", 2)),
    "half a reply": (answering('{"choices": ['), Fails(Nonsense, "sent a reply that is not JSON", 2)),
    "a broken connection": (lambda body: Abort(b'{"id": "x", "cho'), Fails(Unreachable, "closed the connection in the middle of its reply", 2)),
    "a connection that is closed at once": (lambda body: Abort(b""), Fails(Unreachable, "closed the connection before it replied", 2)),
    # ── numbers and sizes
    "NaN": (answering('{"choices": [{"message": {"content": "x"}, "logprobs": NaN}]}'), Fails(Nonsense, "sent a reply with NaN, which is not JSON", 2)),
    "-Infinity": (answering('{"choices": [{"message": {"content": "x"}, "logprobs": -Infinity}]}'), Fails(Nonsense, "sent a reply with -Infinity", 2)),
    "10**25": (answering('{"choices": [{"message": {"content": "x"}}], "created": 1' + "0" * 25 + "}"), Fails(Nonsense, "a number of 26 digits", 2)),
    "400 digits": (answering('{"choices": [{"message": {"content": "x"}}], "created": ' + "9" * 400 + "}"), Fails(Nonsense, "a number of 400 digits", 2)),
    "10,000 digits": (answering('{"choices": [{"message": {"content": "x"}}], "created": ' + "9" * 10_000 + "}"), Fails(Nonsense, "a number of 10000 digits", 2)),
    "1e999": (answering('{"choices": [{"message": {"content": "x"}}], "created": 1e999}'), Fails(Nonsense, "the number 1e999, which is too large", 2)),
    "nested too deeply": (answering("[" * 100_000 + "]" * 100_000), Fails(Nonsense, "sent a reply ", 2)),
    "an odd number of tokens": (lambda body: web.json_response({**reply(body), "usage": {"prompt_tokens": 10**19, "completion_tokens": -1}}), Works()),
    "a long reply": (answering(b" " * (MOST_BYTES + 1)), Fails(Nonsense, "sent a reply of more than 16 MB")),
    "a long refusal": (lambda body: web.Response(body=b" " * (MOST_BYTES + 1), status=400), Fails(Nonsense, "sent a reply of more than 16 MB")),
    "a long text": (lambda body: web.json_response(reply(body, text="word " * 300_000)), Fails(Nonsense, "wrote more than 1,000,000 characters")),
    "packed as it was asked for": (packed(json.dumps(reply({"model": "m", "messages": []})).encode(), "gzip"), Works(("logprobs is left out",), "none")),
    "deflate": (packed(b"{}", "deflate"), Fails(Nonsense, "sent a reply without a choice", 2)),
    "deflate without its header": (packed(b"{}", "raw deflate"), Fails(Nonsense, "sent a reply without a choice", 2)),
    "packed as br": (packed(b"{}", "br"), Fails(Nonsense, "packs its reply as br, which was not asked for", 2)),
    "said to be packed": (lambda body: web.Response(body=b"{}" * 50, headers={"Content-Encoding": "gzip"}), Fails(Nonsense, "packed reply that is damaged", 2)),
}  # fmt: skip

TWICE = Patience(attempts=2, first=0.001, longest=0.002, asked=0.01)


def speaker(endpoint: Client, **settings: Any) -> ModelParticipant:
    return ModelParticipant(ModelSettings(model="m", asks=1, **settings), "big", endpoint)


@pytest.mark.parametrize(("quirk", "outcome"), QUIRKS.values(), ids=QUIRKS)
async def test_a_quirk_of_a_server_has_its_outcome(quirk: Quirk, outcome: Works | Fails) -> None:
    record = Record()
    async with QuirkServer(quirk) as server, client(server.base_url, patience=TWICE) as endpoint:
        model = speaker(endpoint)
        if isinstance(outcome, Fails):
            with pytest.raises(outcome.error) as raised:
                await model.answer(seen(speech_ask()), asking(record))
            assert type(raised.value) is outcome.error
            assert outcome.words in str(raised.value)
            assert len(record.begun) == outcome.requests
            assert endpoint.remarks == {}, "what did not help is not learned"
            return
        speech = await model.answer(seen(speech_ask()), asking(record))
        assert isinstance(speech, Speech)
        if outcome.method != "none":
            for _ in range(2):
                belief = await model.answer(seen(ask("belief", "belief")), asking(record))
                assert isinstance(belief, Belief)
                assert belief.method == outcome.method
            await model.answer(seen(speech_ask()), asking(record))
        told = endpoint.remarks["m"]
        if outcome.requests:
            assert len(record.begun) == outcome.requests, (
                "asked once more at the first refusal, and never again"
            )
        assert record.statuses[-1] == "ok"
    if outcome.method != "none":
        for words in outcome.told:
            assert any(words in sentence for sentence in told), told
    # What is on record is what was sent.
    for (sent, _, _), body in zip(record.begun, server.seen, strict=True):
        assert sent.params == {
            name: value for name, value in body.items() if name not in ("model", "messages")
        }
        assert "".join(segment.text for segment in sent.segments) == "".join(
            one["content"] for one in body["messages"]
        )
        assert {segment.role for segment in sent.segments} == set(roles(body))
    assert len({sent.id for sent, number, _ in record.begun if number == 1}) == len(
        {sent.id for sent, _, _ in record.begun}
    )


# ── sizes ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_small_packed_reply_that_unpacks_to_gigabytes_does_not_fill_the_memory() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 2**22) for _ in range(750)) + packer.flush()
    assert len(bomb) < 4 * 2**20, "and it unpacks to 3 GB"
    quirk: Quirk = lambda body: web.Response(  # noqa: E731
        body=bomb, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
    )
    async with QuirkServer(quirk) as server, client(server.base_url) as endpoint:
        tracemalloc.start()
        with pytest.raises(Nonsense, match="more than 16 MB: check what answers"):
            await speaker(endpoint).answer(seen(speech_ask()), asking(Record()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(server.seen) == 1
    assert peak < 100 * 2**20


async def test_what_is_stored_of_a_reply_is_bounded() -> None:
    thoughts = "hm " * MOST_STORED
    message = {"role": "assistant", "content": SPEECH, "reasoning": thoughts}
    many = {"content": [{"token": "x" * 1000, "logprob": -1.0, "top_logprobs": []}] * 1000}
    quirk: Quirk = lambda body: web.json_response(reply(body, message=message, logprobs=many))  # noqa: E731
    record = Record()
    async with QuirkServer(quirk) as server, client(server.base_url) as endpoint:
        await speaker(endpoint).answer(seen(speech_ask()), asking(record))
    kept = record.endings[0].reply
    assert kept is not None
    assert kept["text"] == SPEECH
    assert len(json.dumps(kept)) < 2 * MOST_STORED
    assert kept["reasoning"].endswith(f"[{len(thoughts) - MOST_STORED} more characters were cut]")


# ── what the user wrote ─────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_in_extra_body_wins_over_everything_and_null_removes_it() -> None:
    own = {"max_completion_tokens": 77, "temperature": 0.9, "seed": None, "logprobs": None, "think": False}
    async with QuirkServer() as server, client(server.base_url) as endpoint:
        model = speaker(endpoint, extra_body=own)
        await model.answer(seen(speech_ask()), asking(Record()))
        belief = await model.answer(seen(ask("belief", "belief")), asking(Record()))
    for body in server.seen:
        assert (body["max_completion_tokens"], body["temperature"], body["think"]) == (77, 0.9, False)
        assert not {"max_tokens", "seed", "logprobs", "top_logprobs"} & set(body)
    assert isinstance(belief, Belief)
    assert belief.method == "verbalised"


async def test_what_the_user_wrote_is_not_adapted_and_the_server_says_why() -> None:
    quirk = unless(has("seed"), "seed is not supported")
    async with QuirkServer(quirk) as server, client(server.base_url) as endpoint:
        with pytest.raises(BadRequest, match="saying “seed is not supported”"):
            await speaker(endpoint, extra_body={"seed": 3}).answer(seen(speech_ask()), asking(Record()))
    assert len(server.seen) == 1


async def test_system_messages_are_folded_from_the_start_where_the_settings_say_so() -> None:
    async with (
        QuirkServer(unless(folded, VLLM_ROLES)) as server,
        client(server.base_url, fold_system=True) as endpoint,
    ):
        await speaker(endpoint).answer(seen(speech_ask()), asking(Record()))
    assert len(server.seen) == 1


# ── headers and query ───────────────────────────────────────────────────────────────────────────────────────────

SECRETS = {"ARENA_KEY_H": "header-secret-1", "ARENA_KEY_Q": "query-secret-2", "ARENA_KEY_BIG": "sk-secret-3"}
MORE = {
    "headers": {"api-key": "ARENA_KEY_H"},
    "query": {"api-version": "2024-10-21", "code": "$ARENA_KEY_Q"},
}


async def test_headers_and_query_go_with_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    async with QuirkServer() as server, client(server.base_url, **MORE) as endpoint:
        await endpoint.models()
        await speaker(endpoint).answer(seen(speech_ask()), asking(Record()))
    for headers, query in server.asked:
        assert headers["api-key"] == "header-secret-1"
        assert query == {"api-version": "2024-10-21", "code": "query-secret-2"}
        assert "Authorization" not in headers, "a made-up key might win over the real one"
    async with (
        QuirkServer() as server,
        client(server.base_url, api_key_env="ARENA_KEY_BIG", **MORE) as endpoint,
    ):
        await endpoint.models()
    assert server.asked[0][0]["Authorization"] == "Bearer sk-secret-3"


def echoed(body: Body) -> web.Response:
    return web.json_response(reply(body, text=" ".join(SECRETS.values()) + SPEECH, **{"a sk-secret-3": 1}))


@pytest.mark.parametrize(
    "quirk",
    [
        echoed,
        always("Wrong: header-secret-1, query-secret-2, sk-secret-3", 400, param="header-secret-1"),
        always("Wrong: header-secret-1, query-secret-2, sk-secret-3", 401),
        always("logprobs: header-secret-1 query-secret-2", 429),
        answering("<html>header-secret-1 query-secret-2 sk-secret-3", "text/html"),
        answering("header-secret-1 query-secret-2 sk-secret-3"),
        lambda body: Abort(b""),
        unless(
            has("max_tokens"), "max_tokens is not supported for sk-secret-3 header-secret-1 query-secret-2"
        ),
    ],
)
async def test_no_secret_comes_into_an_error_a_log_the_record_or_what_is_told(
    quirk: Quirk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    record, said = Record(), ""
    async with QuirkServer(quirk) as server:
        url = server.base_url
        async with client(url, patience=TWICE, api_key_env="ARENA_KEY_BIG", **MORE) as endpoint:
            try:
                said = repr(await speaker(endpoint).answer(seen(speech_ask()), asking(record)))
            except ParticipantError as error:
                said = f"{error!r} {error.__cause__!r} {error.__context__!r}"
            said += repr(dict(endpoint.remarks))
    # The server of the test logs its own requests.
    logged = "".join(one.getMessage() for one in caplog.records if one.name != "aiohttp.access")
    for secret in SECRETS.values():
        assert secret not in said + logged + repr(record)


async def test_a_value_that_no_header_can_carry_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARENA_KEY_H", "a\r\nHost: evil")
    async with (
        QuirkServer() as server,
        client(server.base_url, headers={"api-key": "ARENA_KEY_H"}) as endpoint,
    ):
        with pytest.raises(Forbidden, match="ARENA_KEY_H has line breaks"):
            await endpoint.models()
    assert server.asked == []


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────


async def failure_at(url: str) -> str:
    async with client(url, patience=TWICE) as endpoint:
        with pytest.raises(Unreachable) as raised:
            await speaker(endpoint).answer(seen(speech_ask()), asking(Record()))
    return str(raised.value)


async def test_a_name_that_cannot_be_looked_up_is_told() -> None:
    said = await failure_at("http://nowhere.invalid/v1")
    assert "cannot be reached at http://nowhere.invalid/v1 (the name nowhere.invalid has no address)" in said


async def test_a_server_without_tls_is_told() -> None:
    async with QuirkServer() as server:
        said = await failure_at(server.base_url.replace("http:", "https:"))
    assert "no TLS connection" in said
    assert "write http://" in said


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key."""
    made = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=model.test"
    subprocess.run([*command.split(), "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
    return made


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_a_certificate_that_is_not_accepted_is_told_and_not_tried_again(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    runner = web.AppRunner(web.Application(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    said = await failure_at(f"https://127.0.0.1:{runner.addresses[0][1]}/v1")
    await runner.cleanup()
    assert "its certificate is not accepted: self" in said
    assert "attempts" not in said


async def test_what_speaks_no_http_is_told() -> None:
    async def greet(reader: Any, writer: Any) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        said = await failure_at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    assert "what answers there speaks no HTTP" in said


# ── servers that are away ───────────────────────────────────────────────────────────────────────────────────────

LONG = Patience(attempts=2, first=0.001, longest=0.002, hours=1, hold=5, pause=0.01, pauses=(0.02, 0.02))


@pytest.mark.parametrize("away", [503, 429])
async def test_what_is_learned_before_and_after_a_pause_is_kept_and_recorded(away: int) -> None:
    """The server is away, comes back, refuses a parameter, is away again, and then answers."""
    turns = iter([away, None, away, away, None, None, None])

    def quirk(body: Body) -> web.Response | None:
        if (status := next(turns, None)) is not None:
            return refused("later", status)
        return refused(UNSUPPORTED, param="max_tokens") if "max_tokens" in body else None

    record = Record()
    async with QuirkServer(quirk) as server, client(server.base_url, patience=LONG) as endpoint:
        speech = await speaker(endpoint).answer(seen(speech_ask()), asking(record))
    assert isinstance(speech, Speech)
    asked = [(sent.id, number, "max_tokens" in sent.params) for sent, number, _ in record.begun]
    ids = list(dict.fromkeys(identity for identity, _, _ in asked))
    assert [(ids.index(identity), number, old) for identity, number, old in asked] == [
        (0, 1, True),
        (0, 2, True),
        (1, 1, False),
        (1, 2, False),
        (1, 3, False),
    ]
    assert record.statuses == ["http", "http", "http", "http", "ok"]
    assert server.seen[-1]["max_completion_tokens"] == 1000


TOGETHER = unless(
    lambda body: "temperature" in body and "top_p" in body,
    "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
)


async def test_of_temperature_and_top_p_the_one_that_was_not_set_is_left_out():
    async with QuirkServer(TOGETHER) as server, client(server.base_url) as endpoint:
        settings = ModelSettings(model="m", top_p=0.9)
        await ModelParticipant(settings, "big", endpoint).answer(seen(speech_ask()), asking(Record()))
        assert ("temperature" in server.seen[-1], server.seen[-1]["top_p"]) == (False, 0.9)
        assert "temperature is left out" in endpoint.remarks["m"][0]


@pytest.mark.parametrize("more", [{"top_p": 0.9}, {"extra_body": {"top_p": 0.9}}])
async def test_of_temperature_and_top_p_that_were_both_set_none_is_left_out(more):
    async with QuirkServer(TOGETHER) as server, client(server.base_url) as endpoint:
        participant = ModelParticipant(ModelSettings(model="m", temperature=0.7, **more), "big", endpoint)
        with pytest.raises(
            BadRequest, match=r"cannot both be specified.*settings give temperature and top_p.*leave one out"
        ):
            await participant.answer(seen(speech_ask()), asking(Record()))
        assert len(server.seen) == 1
