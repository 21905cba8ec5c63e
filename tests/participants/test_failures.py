"""The words of servers, and what is made of them: whose fault, whether again, and the sentence for the user."""

import errno
import ssl
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict

from app.participants.base import (
    BadRequest,
    ContextTooLong,
    EndpointSettings,
    Filtered,
    Forbidden,
    Nonsense,
    Unreachable,
)
from app.participants.complaints import complaint, complaint_in
from app.participants.failures import Failure, Refused, Unreadable, scrub, understand
from app.participants.transport import parsed
from app.participants.waits import wait_asked

SETTINGS = EndpointSettings.model_validate({"base_url": "http://model.test:1/v1"})


def refusal(body: Any, status: int = 400, headers: dict[str, str] | None = None) -> Failure:
    """The meaning of a refusal with this body, or with this message in the protocol's own form."""
    if isinstance(body, str) and not body.startswith("<"):
        body = {"error": {"message": body, "type": "invalid_request_error", "param": None, "code": None}}
    return understand(Refused(status, headers or {}, body), SETTINGS, "tiny", 10)


# ── too long ────────────────────────────────────────────────────────────────────────────────────────────────────

TOO_LONG = {
    "This model's maximum context length is 8192 tokens. However, your prompt contains at least 8193 input tokens, "
    "which exceeds this limit even without any output tokens.": "(it holds 8192 tokens, and 8193 came)",
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8600 in the messages, "
    "400 in the completion).": "(it holds 8192 tokens, and 9000 came)",
    "max_tokens=9000 cannot be greater than max_model_len=max_total_tokens=8192. Please request fewer output "
    "tokens.": "(it holds 8192 tokens)",
    "The input (9001 tokens) is longer than the model's context length (8192 tokens).": (
        "(it holds 8192 tokens, and 9001 came)"
    ),
    "request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it": (
        "(it holds 8192 tokens, and 9001 came)"
    ),
    "prompt is too long: 208310 tokens > 200000 maximum": "(it holds 200000 tokens, and 208310 came)",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5931 `inputs` tokens and "
    "1000 `max_new_tokens`": "(it holds 4096 tokens, and 5931 came)",
    "Input validation error: `inputs` must have less than 4096 tokens. Given: 5931": (
        "(it holds 4096 tokens, and 5931 came)"
    ),
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).": (
        "(it holds 1048576 tokens, and 1200000 came)"
    ),
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length": (
        "(it holds 190000 tokens)"
    ),
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length": (
        "(it holds 32768 tokens, and 40000 came)"
    ),
    "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.": (
        "(it holds 4081 tokens, and 5000 came)"
    ),
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.": (
        "(it holds 131072 tokens, and 537812 came)"
    ),
    "the input length exceeds the context length": "saying “the input length exceeds the context length”",
    "Input is too long for requested model.": "saying “Input is too long for requested model”",
}


@pytest.mark.parametrize(("message", "numbers"), TOO_LONG.items())
@pytest.mark.parametrize("status", [400, 422, 500])
def test_too_long_a_prompt_is_known_by_every_servers_words(message, numbers, status):
    failure = refusal(message, status)
    assert (failure.error, failure.fault, failure.again) == (ContextTooLong, "ask", False)
    assert numbers in failure.what


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "No.", "code": "context_length_exceeded"}}, 400),
        ("Payload Too Large", 413),
        ({"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 9", "error_type": "v"}, 422),
        ([{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).", "status": "INVALID_ARGUMENT"}}], 400),
        ({"error": {"code": 400, "message": "too big", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}}, 400),
        ("Request too large for m on tokens per min (TPM): Limit 10000, Requested 12000.", 429),
    ],
)  # fmt: skip
def test_too_long_a_prompt_is_known_by_its_code_and_in_every_form(body, status):
    assert refusal(body, status).error is ContextTooLong


# ── forms of bodies ─────────────────────────────────────────────────────────────────────────────────────────────

BODIES: dict[str, tuple[Any, str]] = {
    "OpenAI": ({"error": {"message": "No.", "type": "t", "param": None, "code": None}}, "No."),
    "a string": ({"error": "No."}, "No."),
    "vLLM": ({"object": "error", "message": "No.", "type": "BadRequestError", "param": None, "code": 400}, "No."),
    "FastAPI": ({"detail": [{"loc": ["body", "max_tokens"], "msg": "No.", "type": "x"}]}, "max_tokens: No."),
    "FastAPI, a string": ({"detail": "No."}, "No."),
    "FastAPI, an object": ({"detail": {"error": "No."}}, "No."),
    "Mistral": ({"object": "error", "message": {"detail": [{"loc": ["body", "seed"], "msg": "No."}]}}, "seed: No."),
    "Gemini": ([{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}], "No."),
    "Cohere": ({"message": "No."}, "No."),
    "Cloudflare": ({"success": False, "errors": [{"code": 7003, "message": "No."}]}, "No."),
    "a problem document": ({"type": "about:blank", "title": "Wrong", "status": 400, "detail": "No."}, "No.; Wrong"),
    "OpenRouter": (
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": '{"error":{"message":"No."}}'}}},
        "Provider returned error; No.",
    ),
    "Apigee": ({"fault": {"faultstring": "No."}}, "No."),
    "a page": ("<html><title>Stop</title><h1>No.</h1></html>", "<html><title>Stop</title><h1>No.</h1></html>"),
    "nothing": ({}, ""),
    "odd": ({"error": {"message": {"a": [1]}}}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("body", "words"), BODIES.values(), ids=BODIES)
def test_the_words_are_found_in_every_form_of_body(body, words):
    assert complaint(400, body).words == words


def test_the_parameter_that_a_body_names_is_found():
    for body in (
        {"error": {"message": "No.", "param": "seed"}},
        {"detail": [{"loc": ["body", "seed"], "msg": "No."}]},
        [{"error": {"details": [{"fieldViolations": [{"field": "seed", "description": "No."}]}]}}],
    ):
        assert complaint(400, body).names == ("seed",)


# ── an error in a reply with status 200 ─────────────────────────────────────────────────────────────────────────


def inside(body: Any) -> Failure:
    told = complaint_in(body)
    assert told is not None
    return understand(Refused(200, {}, told), SETTINGS, "tiny", 10)


def choice(**more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"content": ""}, **more}]}


@pytest.mark.parametrize(
    ("body", "error", "fault", "words"),
    [
        ({"error": {"message": "the model is at capacity", "code": 502}}, Unreachable, "endpoint", "answered 502, saying “the model is at capacity”"),
        ({"error": "model is loading"}, Unreachable, "endpoint", "answered with an error instead of a reply, saying “model is loading”"),
        ({"error": {"message": "Something odd"}}, Unreachable, "unclear", "saying “Something odd”"),
        ([{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}], Unreachable, "endpoint", "overloaded"),
        ({"object": "error", "message": "temperature must be in [0, 1]", "code": 400}, BadRequest, "ask", "refused the request (400"),
        ({"error_code": 336003, "error_msg": "seed is invalid"}, Unreachable, "unclear", "seed is invalid"),
        ({"code": 429, "msg": "slow down"}, Unreachable, "endpoint", "answered 429, saying “slow down”"),
        ({"errors": [{"message": "No.", "code": 429}]}, Unreachable, "endpoint", "answered 429"),
        (choice(finish_reason="error", error={"code": 502, "message": "Upstream idle timeout exceeded"}), Unreachable, "endpoint", "Upstream idle timeout"),
        (choice(finish_reason="error"), Unreachable, "unclear", "answered with an error instead of a reply"),
        (choice(finish_reason=None, error={"message": "cut"}), Unreachable, "unclear", "cut"),
        (choice(finish_reason="content_filter"), Filtered, "ask", "content filter"),
        ({"error": {"message": "You have run out", "code": "insufficient_quota"}}, Unreachable, "endpoint", "quota is used up"),
    ],
)  # fmt: skip
def test_an_error_in_a_reply_with_status_200_is_told_in_the_servers_words(body, error, fault, words):
    failure = inside(body)
    assert (failure.error, failure.fault) == (error, fault)
    assert words in failure.what


@pytest.mark.parametrize(
    "body",
    [choice(finish_reason="stop"), {**choice(finish_reason="stop"), "error": None}, {"choices": []}, [], "x"],
)
def test_a_reply_without_an_error_is_none(body):
    assert complaint_in(body) is None


# ── statuses ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "message",
    [
        "top_logprobs must be at most 20",
        "Invalid value for temperature",
        "structured_outputs is not supported",
    ],
)
def test_another_refusal_repeats_the_servers_words(message):
    failure = refusal(message)
    assert (failure.error, failure.fault) == (BadRequest, "ask")
    assert str(failure.exception("big")) == (
        f"The endpoint big refused the request (400, saying “{message}”): correct the participant's settings."
    )


@pytest.mark.parametrize(
    ("status", "body", "error", "fault", "again", "words"),
    [
        (502, "<html><h1>502 Bad Gateway</h1></html>", Unreachable, "endpoint", True, "answered 502"),
        (503, "", Unreachable, "endpoint", True, "answered 503"),
        (529, "Overloaded", Unreachable, "endpoint", True, "answered 529, saying “Overloaded”"),
        (500, "oops", Unreachable, "unclear", True, "answered 500, saying “oops”"),
        (500, "no healthy upstream", Unreachable, "endpoint", True, "no healthy upstream"),
        (429, "slow down", Unreachable, "endpoint", True, "answered 429"),
        (402, "Payment required", Unreachable, "endpoint", False, "quota is used up (402, saying “Payment required”)"),
        (400, "Your credit balance is too low to access the API", Unreachable, "endpoint", False, "quota is used up"),
        (429, "You exceeded your current quota, please check your plan", Unreachable, "endpoint", True, "quota is used up"),
        (401, "Bad key", Forbidden, "endpoint", False, "wants a key, saying “Bad key”"),
        (403, "Input was flagged by moderation", Filtered, "ask", False, "content filter"),
        (400, "The response was filtered due to the prompt triggering the content management policy", Filtered, "ask", False, "content filter"),
        (404, "The model `m` does not exist", BadRequest, "endpoint", False, "The model `m` does not exist"),
        (400, "m is not a valid model ID", BadRequest, "endpoint", False, "not a valid model"),
        (400, "The engine is currently overloaded, please try again later", Unreachable, "endpoint", True, "answered 400"),
        (400, "Model is still loading, try again", Unreachable, "endpoint", True, "still loading"),
        (400, "This response_format type is unavailable now", BadRequest, "ask", False, "unavailable now"),
        (400, "API key not valid. Please pass a valid API key.", Forbidden, "endpoint", False, "wants a key, saying"),
        (400, "Incorrect API key provided: sk-x", Forbidden, "endpoint", False, "wants a key, saying"),
        (403, "Sorry, your account balance is insufficient", Unreachable, "endpoint", False, "quota is used up"),
        (429, "您的账户已欠费，请充值后重试", Unreachable, "endpoint", True, "quota is used up"),
        (403, "You are not allowed to request logprobs from this model", BadRequest, "ask", False, "refused the request (403"),
        (403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_X", Filtered, "ask", False, "content filter"),
        (302, "", BadRequest, "endpoint", False, "redirects the request (302)"),
        (405, "Method Not Allowed", BadRequest, "endpoint", False, "takes no such request (405"),
        (404, 'model "m" not found, try pulling it first', BadRequest, "endpoint", False, "try pulling"),
    ],
)  # fmt: skip
def test_a_status_with_its_words_says_whose_fault_it_is(status, body, error, fault, again, words):
    failure = refusal(body, status)
    assert (failure.error, failure.fault, failure.again) == (error, fault, again)
    assert words in failure.what


def test_a_model_that_is_missing_by_code_is_looked_up():
    assert refusal({"error": {"message": "No.", "code": "model_not_found"}}).model_unknown
    assert not refusal("logprobs are not supported with this model").model_unknown
    assert not refusal("this model does not support system messages").model_unknown


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 6.5s.", 6.5),
        ("Rate limit. Try again in 20ms", 0.02),
        ("Please retry after 2 minutes", 120),
        ("Please try again in 1m26.4s.", 86.4),
        ("Limit reached. Please try again in 7h12m3s", 25_923),
        ("Too fast: wait 30 seconds, please", 30),
        ("Your quota resets in 1 hour and 5 minutes", 3900),
        ("20 requests per 2 minutes are allowed", None),
        ("Slow down.", None),
    ],
)
def test_a_wait_that_only_the_words_name_is_kept(words, seconds):
    assert refusal(words, 429).retry_after == seconds
    assert refusal(words, 429, {"retry-after": "7"}).retry_after == 7


NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30s"}, 30),
        ({"Retry-After": " 1m30s "}, 90),
        ({"retry-after": str(int(NOW.timestamp()) + 40)}, 40),
        ({"retry-after": "2026-10-21T07:29:00Z"}, 60),
        ({"retry-after": "inf"}, None),
        ({"x-ms-retry-after-ms": "2500"}, 2.5),
        ({"x-retry-after": "10"}, 10),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 40)}, 40),
        ({"x-ratelimit-reset": str(1000 * (int(NOW.timestamp()) + 40))}, 40),
        ({"x-ratelimit-reset-after": "12.5"}, 12.5),
        ({"anthropic-ratelimit-requests-reset": "2026-10-21T07:28:20Z"}, 20),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 1),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "9",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
            },
            360,
        ),
        ({"x-ratelimit-reset": "24h"}, 3600),
        ({"x-ratelimit-reset-requests": "24h", "x-ratelimit-remaining-requests": "9"}, None),
        ({"retry-after": "7", "x-ratelimit-reset": "60"}, 7),
    ],
)
def test_a_wait_is_read_from_every_header_that_servers_send(headers, seconds):
    wait = wait_asked(CIMultiDict(headers), NOW)
    assert wait == (None if seconds is None else pytest.approx(seconds))


def test_a_wait_is_read_from_the_fields_of_an_error():
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    body = [{"error": {"code": 429, "message": "Exhausted", "details": [info]}}]
    assert refusal(body, 429).retry_after == 34
    assert refusal({"message": "Slow down.", "retry_after": 0.25}, 429).retry_after == 0.25
    assert refusal({"message": "Slow down.", "retry_after": 20}, 429, {"retry-after": "5"}).retry_after == 5


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────

KEY = ConnectionKey("model.test", 1, True, True, None, None, None)


def certificate() -> aiohttp.ClientConnectorCertificateError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return aiohttp.ClientConnectorCertificateError(KEY, error)


def tls() -> aiohttp.ClientConnectorSSLError:
    error = aiohttp.ClientConnectorSSLError(
        KEY, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    )
    error.__cause__ = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    return error


@pytest.mark.parametrize(
    ("error", "status", "fault", "words"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")), "connection", "endpoint", "the name model.test has no address"),
        (certificate(), "connection", "endpoint", "its certificate is not accepted: self-signed certificate"),
        (tls(), "connection", "endpoint", "wrong version number"),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")), "connection", "endpoint", "cannot be reached at http://model.test:1/v1"),
        (aiohttp.ClientConnectorError(KEY, OSError(errno.EHOSTUNREACH, "No route to host")), "connection", "endpoint", "no route to host"),
        (aiohttp.ConnectionTimeoutError(), "connection", "endpoint", "accepts no connection"),
        (aiohttp.ServerDisconnectedError(), "connection", "unclear", "closed the connection before it replied"),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), "connection", "unclear", "in the middle of its reply"),
        (aiohttp.ClientPayloadError("half"), "connection", "unclear", "in the middle of its reply"),
        (aiohttp.SocketTimeoutError(), "timeout", "unclear", "did not answer within 10 s"),
        (TimeoutError(), "timeout", "unclear", "did not answer within 10 s"),
    ],
)  # fmt: skip
def test_every_kind_of_broken_connection_is_told_apart(error, status, fault, words):
    failure = understand(error, SETTINGS, "tiny", 10)
    assert (failure.status, failure.fault, failure.error) == (status, fault, Unreachable)
    assert words in failure.what


def test_a_reply_that_cannot_be_read_says_why():
    failure = understand(Unreadable("sent a reply with NaN"), SETTINGS, "tiny", 10)
    assert (failure.status, failure.error, failure.what) == ("unreadable", Nonsense, "sent a reply with NaN")


# ── whose fault ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 429, 502, 503, 504, 529])
def test_a_server_that_is_away_full_or_closed_is_the_endpoints_fault(status):
    assert refusal("No.", status).fault == "endpoint"


@pytest.mark.parametrize("status", [400, 413, 418, 422])
def test_a_request_that_is_wrong_is_the_fault_of_that_ask(status):
    assert refusal("No.", status).fault == "ask"


@pytest.mark.parametrize("status", [409, 425, 500, 520])
def test_an_error_inside_the_server_may_be_the_fault_of_either(status):
    assert refusal("No.", status).fault == "unclear"


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_taken_out_wherever_it_stands_but_no_common_word():
    assert scrub("Bearer sk-0123456 and sk-0123456", ["sk-0123456"]) == "Bearer [key] and [key]"
    assert scrub("nothing of none", ["none"]) == "nothing of none"
    assert scrub("nothing of none", ["none"], shortest=1) == "nothing of [key]"
    assert scrub("a\0b\ud800c", []) == "a\ufffdb?c"


@pytest.mark.parametrize(
    "form",
    ["a/b+c==long key", "a%2Fb%2Bc%3D%3Dlong%20key", "a%2fb%2bc%3d%3dlong+key", "a/b%2Bc%3D%3Dlong%20key"],
)
def test_a_key_is_taken_out_in_the_form_that_an_address_has_it(monkeypatch, form):
    monkeypatch.setenv("ARENA_KEY_Q", "a/b+c==long key")
    more = {"query": {"code": "$ARENA_KEY_Q"}}
    settings = EndpointSettings.model_validate({"base_url": "http://model.test/v1", **more})
    failure = understand(Refused(400, {}, f"no route for /v1?code={form}&x=1"), settings, "tiny", 10)
    assert "no route for /v1?code=[key]&x=1" in failure.what


def test_a_key_is_taken_out_in_the_form_that_json_has_it(monkeypatch):
    monkeypatch.setenv("ARENA_KEY_Q", 'long"key\\here')
    settings = EndpointSettings.model_validate(
        {"base_url": "http://model.test/v1", "api_key_env": "ARENA_KEY_Q"}
    )
    failure = understand(Refused(400, {}, 'got long\\"key\\\\here'), settings, "tiny", 10)
    assert "got [key]" in failure.what


def test_a_key_that_an_excerpt_cuts_in_two_is_taken_out_too(monkeypatch):
    monkeypatch.setenv("ARENA_KEY_Q", "sk-very-long-secret-0123456789")
    settings = EndpointSettings.model_validate(
        {"base_url": "http://model.test/v1", "api_key_env": "ARENA_KEY_Q"}
    )
    with pytest.raises(Unreadable) as raised:
        parsed(f"<html>{'x' * 80} Bearer sk-very-long-secret-0123456789</html>".encode())
    failure = understand(raised.value, settings, "tiny", 10)
    assert "Bearer [key]" in failure.what
    assert "sk-very" not in failure.what


def test_the_values_of_headers_and_of_the_query_are_taken_out_too(monkeypatch):
    monkeypatch.setenv("ARENA_KEY_H", "header-secret")
    monkeypatch.setenv("ARENA_KEY_Q", "query-secret")
    more = {"headers": {"api-key": "ARENA_KEY_H"}, "query": {"code": "$ARENA_KEY_Q"}}
    settings = EndpointSettings.model_validate({"base_url": "http://model.test/v1", **more})
    error = Refused(401, {}, {"error": {"message": "header-secret? query-secret?", "param": "header-secret"}})
    failure = understand(error, settings, "tiny", 10)
    assert "refused the key in the environment variables ARENA_KEY_H and ARENA_KEY_Q" in failure.what
    assert "secret" not in repr(failure)
