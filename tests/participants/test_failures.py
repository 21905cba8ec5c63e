"""The words in which servers say that a prompt is too long, and what is made of them."""

import aiohttp
import openai
import pytest

from app.participants.base import BadRequest, ContextTooLong, EndpointSettings
from app.participants.failures import scrub, understand
from tests.servers import Script, ScriptedServer

WORDINGS = {
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
    "prompt is too long: 208310 tokens > 200000 maximum": "saying “prompt is too long: 208310 tokens > 200000",
}


async def refusal(message: str, status: int = 400, code: str | None = None) -> openai.APIStatusError:
    """The exception that the openai package makes of a server's refusal."""
    server = ScriptedServer(Script(refusal=(status, message, code)))
    async with (
        server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as endpoint,
    ):
        with pytest.raises(openai.APIStatusError) as raised:
            await endpoint.post("/chat/completions", cast_to=object, body={"model": "m", "messages": []})
    return raised.value


SETTINGS = EndpointSettings.model_validate({"base_url": "http://127.0.0.1:1/v1"})


@pytest.mark.parametrize(("message", "numbers"), WORDINGS.items())
async def test_too_long_a_prompt_is_known_by_every_servers_words(message, numbers):
    failure = understand(await refusal(message), SETTINGS, "tiny", 10)
    assert failure.error is ContextTooLong
    assert numbers in failure.what
    assert not failure.again


async def test_too_long_a_prompt_is_known_by_its_code():
    failure = understand(await refusal("No.", code="context_length_exceeded"), SETTINGS, "tiny", 10)
    assert failure.error is ContextTooLong


@pytest.mark.parametrize(
    "message",
    [
        "top_logprobs must be at most 20",
        "Invalid value for temperature",
        "structured_outputs is not supported",
    ],
)
async def test_another_refusal_repeats_the_servers_words(message):
    failure = understand(await refusal(message), SETTINGS, "tiny", 10)
    assert failure.error is BadRequest
    assert str(failure.exception("big")) == (
        f"The endpoint big refused the request (400, saying “{message}”): correct the participant's settings."
    )


async def test_a_page_instead_of_a_reason_is_not_repeated():
    failure = understand(await refusal("<html><body>Bad gateway", 502), SETTINGS, "tiny", 10)
    assert failure.what == "answered 502"
    assert failure.again
    assert failure.overload


async def test_a_model_that_is_missing_by_code_is_looked_up():
    assert understand(await refusal("No.", 400, "model_not_found"), SETTINGS, "tiny", 10).model_unknown


def test_a_broken_connection_is_no_timeout_though_the_transport_calls_it_one():
    request = openai.DefaultHttpxClient().build_request("GET", "http://127.0.0.1:1")
    error = openai.APITimeoutError(request)
    error.__cause__ = aiohttp.ServerDisconnectedError()
    assert understand(error, SETTINGS, "tiny", 10).status == "connection"
    error.__cause__ = aiohttp.SocketTimeoutError()
    assert understand(error, SETTINGS, "tiny", 10).status == "timeout"


# ── whose fault ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 429, 502, 503, 504, 529])
async def test_a_server_that_is_away_full_or_closed_is_the_endpoints_fault(status):
    assert understand(await refusal("No.", status), SETTINGS, "tiny", 10).fault == "endpoint"


@pytest.mark.parametrize("status", [400, 413, 418, 422])
async def test_a_request_that_is_wrong_is_the_fault_of_that_ask(status):
    assert understand(await refusal("No.", status), SETTINGS, "tiny", 10).fault == "ask"


@pytest.mark.parametrize("status", [409, 425, 500, 520])
async def test_an_error_inside_the_server_may_be_the_fault_of_either(status):
    assert understand(await refusal("No.", status), SETTINGS, "tiny", 10).fault == "unclear"


@pytest.mark.parametrize(
    ("cause", "fault"),
    [
        (ConnectionRefusedError(), "endpoint"),
        (aiohttp.ServerDisconnectedError(), "unclear"),
        (aiohttp.ClientPayloadError(), "unclear"),
        (aiohttp.ClientOSError(), "unclear"),
        (TimeoutError(), "unclear"),
    ],
)
def test_a_server_that_cannot_be_reached_is_away_and_a_broken_reply_is_unclear(cause, fault):
    error = openai.APIConnectionError(request=openai.DefaultHttpxClient().build_request("GET", "http://a"))
    error.__cause__ = cause
    assert understand(error, SETTINGS, "tiny", 10).fault == fault


def test_a_key_is_taken_out_wherever_it_stands_but_no_common_word():
    assert scrub("Bearer sk-0123456 and sk-0123456", "sk-0123456") == "Bearer [key] and [key]"
    assert scrub("nothing of none", "none") == "nothing of none"
    assert scrub("nothing of none", "none", shortest=1) == "nothing of [key]"
    assert scrub("a\0b\ud800c", None) == "a\ufffdb?c"
