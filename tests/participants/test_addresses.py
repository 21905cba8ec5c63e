"""A wrong address is answered with the right one: of native protocols, with an operation at its end, or without /v1."""

import json
from collections.abc import Callable
from typing import Any, Self

import pytest
from aiohttp import web

from app.experiments.reach import doubt
from app.participants.addresses import complains_in, right_address, spoken_by
from app.participants.base import BadRequest, ModelSettings, ParticipantError
from app.participants.model import ModelParticipant
from tests.participants.examples import Record, asking, client, seen, speech_ask

RIGHT = {
    "http://localhost:11434": "http://localhost:11434/v1",
    "http://localhost:11434/": "http://localhost:11434/v1",
    "http://localhost:11434/api": "http://localhost:11434/v1",
    "http://localhost:11434/api/chat": "http://localhost:11434/v1",
    "http://localhost:11434/api/generate/": "http://localhost:11434/v1",
    "http://gpu/ollama/api/chat": "http://gpu/ollama/v1",
    "http://gpu:8000/v1/chat/completions": "http://gpu:8000/v1",
    "http://gpu:8000/v1/completions/": "http://gpu:8000/v1",
    "http://gpu:8000/chat/completions": "http://gpu:8000/v1",
    "http://gpu:8000/api/v3/chat/completions": "http://gpu:8000/api/v3",
    "http://gpu:8000/v1/models": "http://gpu:8000/v1",
    "http://gpu:8080/completion": "http://gpu:8080/v1",
    "http://gpu:8080/generate": "http://gpu:8080/v1",
    "https://api.anthropic.com": "https://api.anthropic.com/v1",
    "https://api.anthropic.com/v1/messages": "https://api.anthropic.com/v1",
    "https://generativelanguage.googleapis.com/v1beta": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:generateContent": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "http://proxy/v1beta/models/gemini-x:generateContent": "http://proxy/v1beta/openai/",
    "https://openrouter.ai/v1": "https://openrouter.ai/api/v1",
    "https://me.openai.azure.com": "https://me.openai.azure.com/openai/v1",
}


@pytest.mark.parametrize(("wrong", "right"), RIGHT.items())
def test_a_wrong_address_gives_the_right_one(wrong, right):
    assert right_address(wrong) == right
    assert right_address(right) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://gpu:8000/v1", "http://gpu:8000/v1/", "http://gpu/q/any/v1", "https://api.openai.com/v1", "https://host/api/v3",
        "https://api.deepinfra.com/v1/openai", "https://me.openai.azure.com/openai/deployments/gpt",
    ],
)  # fmt: skip
def test_an_address_that_may_be_right_gives_none(url):
    assert right_address(url) is None


OLLAMA = {
    "model": "m",
    "created_at": "2026",
    "message": {"role": "assistant", "content": "He slept."},
    "done": True,
}
NATIVE: dict[str, tuple[Any, str]] = {
    "Ollama": (OLLAMA, "/v1"),
    "Ollama, generate": ({"model": "m", "response": "He slept.", "done": True}, "/v1"),
    "Anthropic": ({"id": "x", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "He slept."}]}, "/v1"),
    "Gemini": ({"candidates": [{"content": {"parts": [{"text": "He slept."}], "role": "model"}}]}, "/v1beta/openai/"),
    "the OpenAI Responses API": ({"object": "response", "output": []}, "/v1"),
    "Cohere": ({"message": {"role": "assistant", "content": [{"type": "text", "text": "x"}]}, "finish_reason": "COMPLETE"}, "/compatibility/v1"),
    "TGI": ([{"generated_text": "He slept."}], "/v1"),
    "llama.cpp": ({"content": "He slept.", "tokens_predicted": 3, "stop": True}, "/v1"),
    "KoboldCpp": ({"results": [{"text": "He slept."}]}, "/v1"),
}  # fmt: skip


@pytest.mark.parametrize(
    "body", [None, [], {}, {"choices": [], "done": True}, {"error": "x"}, {"message": "x"}, "x", [1]]
)
def test_other_replies_are_of_no_other_protocol(body):
    assert spoken_by(body) is None


def test_a_refusal_may_name_its_protocol():
    assert complains_in("x-api-key header is required") == "Anthropic"
    assert complains_in("anthropic-version: header is required") == "Anthropic"
    assert complains_in("models/m is not found for API version v1beta") == "Gemini"
    assert complains_in("m is not found") is None


class Anywhere:
    """A server that answers every path in one way."""

    def __init__(self, answer: Callable[[web.Request], web.Response]) -> None:
        self._answer = answer

    async def __aenter__(self) -> Self:
        async def handle(request: web.Request) -> web.Response:
            return self._answer(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"


async def refused_at(url: str) -> tuple[ParticipantError, ParticipantError]:
    """The errors of a speech and of the check before an experiment."""
    async with client(url) as endpoint:
        with pytest.raises(BadRequest) as played:
            await ModelParticipant(ModelSettings(model="m"), "big", endpoint).answer(
                seen(speech_ask()), asking(Record())
            )
        with pytest.raises(BadRequest) as checked:
            await doubt(endpoint, ModelSettings(model="m"))
    return played.value, checked.value


@pytest.mark.parametrize(("body", "path"), NATIVE.values(), ids=NATIVE)
async def test_a_reply_in_another_protocol_names_it_and_the_right_address(body, path):
    async with Anywhere(lambda _: web.json_response(body)) as server:
        for error in await refused_at(f"{server.root}/native"):
            assert "answers in the protocol of" in str(error)
            assert f"write base_url: {server.root}/native{path}" in str(error)


async def test_a_stream_of_lines_is_known_too():
    lines = "\n".join(json.dumps({**OLLAMA, "done": done}) for done in (False, False, True))
    async with Anywhere(lambda _: web.Response(text=lines, content_type="application/x-ndjson")) as server:
        for error in await refused_at(f"{server.root}/api"):
            assert "the protocol of Ollama" in str(error)
            assert f"write base_url: {server.root}/v1 " in str(error)


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/v1/chat/completions", "/v1"),
        ("", "/v1"),
        ("/api/chat", "/v1"),
        ("/v1beta", "/v1beta/openai/"),
        ("/v1/messages", "/v1"),
    ],
)
async def test_a_refused_address_names_the_right_one(path, right, status):
    async with Anywhere(lambda _: web.Response(text=f"{status} page not found", status=status)) as server:
        for error in await refused_at(f"{server.root}{path}"):
            assert f"write base_url: {server.root}{right} " in str(error)


async def test_a_refusal_that_names_anthropics_headers_names_the_right_address():
    refusal = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "anthropic-version: header is required"},
    }
    async with Anywhere(lambda _: web.json_response(refusal, status=400)) as server:
        for error in await refused_at(f"{server.root}/v1/messages"):
            assert f"write base_url: {server.root}/v1 " in str(error)


async def test_a_server_without_a_version_in_its_address_may_still_name_its_models():
    def answer(request: web.Request) -> web.Response:
        listed = web.json_response({"data": [{"id": "other"}]})
        return (
            listed if request.method == "GET" else web.json_response({"error": "no such model"}, status=404)
        )

    async with Anywhere(answer) as server, client(server.root) as endpoint:
        with pytest.raises(ParticipantError, match="does not serve the model m: choose one of other"):
            await doubt(endpoint, ModelSettings(model="m"))
