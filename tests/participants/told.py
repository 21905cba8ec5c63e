"""A model server whose replies a test writes: real HTTP, one function from a request's body to a reply's."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from aiohttp import web

Answering = Callable[[Mapping[str, Any]], Mapping[str, Any] | tuple[int, Mapping[str, Any]]]


def completion(content: Any, finish: str = "stop", *, logprobs: Any = None, **message: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    said = {"role": "assistant", "content": content, **message}
    choice = {"index": 0, "finish_reason": finish, "logprobs": logprobs, "message": said}
    return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}


def refused(message: str) -> tuple[int, Mapping[str, Any]]:
    """Status 400 with a message."""
    return 400, {"error": {"message": message}}


class Told:
    """The server; `asked` has the body of each request in order."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.asked: list[Mapping[str, Any]] = []

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        answer = self._answering(body)
        status, data = answer if isinstance(answer, tuple) else (200, answer)
        return web.json_response(data, status=status)
