"""A model server with one quirk: real HTTP. A quirk answers a request in its own way, or returns None for a good reply."""

import gzip
import json
import math
import zlib
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web

Body = dict[str, Any]
Quirk = Callable[[Body], web.StreamResponse | None]

SPEECH = (
    "The passage bears this answer out, for the keeper wrote in his log that the lamp went out at four. Whoever "
    "reads those words with care will come to the same conclusion, since they say who did it and when."
)


class QuirkServer:
    """Serves one model, `m`. `seen` holds every body, `asked` every request's headers and query."""

    def __init__(self, quirk: Quirk = lambda body: None, models: Any = None) -> None:
        self._quirk = quirk
        self._models = {"object": "list", "data": [{"id": "m"}]} if models is None else models
        self.seen: list[Body] = []
        self.asked: list[tuple[dict[str, str], dict[str, str]]] = []

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._list)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((dict(request.headers), dict(request.query)))
        return web.json_response(self._models, status=404 if self._models == "none" else 200)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((dict(request.headers), dict(request.query)))
        body = await request.json()
        self.seen.append(body)
        found = self._quirk(body)
        if isinstance(found, Abort):
            return await found.begin(request)
        return found or web.json_response(reply(body))


class Abort(web.StreamResponse):
    """A reply that breaks off after its first bytes, or before them."""

    def __init__(self, first: bytes) -> None:
        super().__init__(headers={"Content-Type": "application/json", "Content-Length": "5000"})
        self._first = first

    async def begin(self, request: web.Request) -> web.StreamResponse:
        if self._first:
            await self.prepare(request)
            await self.write(self._first)
        assert request.transport is not None
        request.transport.abort()
        return self


# ── good replies ────────────────────────────────────────────────────────────────────────────────────────────────


def said(body: Body) -> str:
    """What a model that is asked so would say."""
    choice = (body.get("structured_outputs") or {}).get("choice") or body.get("guided_choice")
    if choice:
        return str(choice[0])
    return '{"A": 70, "B": 30}' if "percentages" in json.dumps(body["messages"]) else SPEECH


def logprobs(body: Body) -> Body | None:
    if not body.get("logprobs"):
        return None
    top = [{"token": letter, "logprob": math.log(p)} for letter, p in (("A", 0.7), ("B", 0.3))]
    return {
        "content": [
            {"token": "A", "logprob": top[0]["logprob"], "top_logprobs": top[: body.get("top_logprobs", 0)]}
        ]
    }


def reply(body: Body, *, finish: str | None = "stop", text: str | None = None, **choice: Any) -> Body:
    message = {"role": "assistant", "content": said(body) if text is None else text}
    one = {"index": 0, "finish_reason": finish, "logprobs": logprobs(body), "message": message, **choice}
    usage = {"prompt_tokens": 100, "completion_tokens": 40}
    return {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [one], "usage": usage}


# ── pieces of quirks ────────────────────────────────────────────────────────────────────────────────────────────


def refused(message: Any, status: int = 400, **more: Any) -> web.Response:
    """A refusal: a message in the protocol's own form, or any other body."""
    body = {"error": {"message": message, **more}} if isinstance(message, str) else message
    return web.json_response(body, status=status)


def unless(wrong: Callable[[Body], object], message: Any, status: int = 400, **more: Any) -> Quirk:
    """A server that refuses every request of which `wrong` is true."""
    return lambda body: refused(message, status, **more) if wrong(body) else None


def always(message: Any, status: int = 400, **more: Any) -> Quirk:
    return lambda body: refused(message, status, **more)


def answering(data: Any, content_type: str = "application/json", **more: Any) -> Quirk:
    """A server that answers everything with the same bytes, text or JSON."""
    raw = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
    return lambda body: web.Response(body=raw, content_type=content_type, **more)


def has(*names: str) -> Callable[[Body], object]:
    return lambda body: any(name in body for name in names)


def roles(body: Body) -> list[str]:
    return [message["role"] for message in body["messages"]]


def streamed(body: Body, *, end: str = "data: [DONE]\n\n") -> web.Response:
    """A stream of events that was not asked for, word by word."""
    words = said(body).split(" ")
    pieces = [{"delta": {"content": word if at == 0 else f" {word}"}} for at, word in enumerate(words)]
    pieces[0]["logprobs"] = logprobs(body) or {}
    pieces.append({"delta": {}, "finish_reason": "stop"})  # type: ignore[dict-item]
    events = "".join(f"data: {json.dumps({'choices': [{'index': 0, **piece}]})}\n\n" for piece in pieces)
    return web.Response(text=f": hello\n\n{events}{end}", content_type="text/event-stream")


def packed(data: bytes, encoding: str) -> Quirk:
    """A server that packs its reply."""
    if encoding == "raw deflate":
        packer = zlib.compressobj(wbits=-15)
        raw, encoding = packer.compress(data) + packer.flush(), "deflate"
    else:
        raw = (
            gzip.compress(data)
            if encoding == "gzip"
            else zlib.compress(data)
            if encoding == "deflate"
            else data
        )
    return lambda body: web.Response(
        body=raw, headers={"Content-Encoding": encoding, "Content-Type": "application/json"}
    )
