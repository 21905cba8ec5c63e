"""A model server that answers by a script: real HTTP and the OpenAI protocol, no model; every fault can be switched on.

Replies depend on model, messages, seed and constraint alone, so that a request gives the same reply whenever it comes.
In a test: `async with ScriptedServer(Script(...)) as server`. As a process: `python -m tests.servers --port 8000`.
"""

import argparse
import asyncio
import json
import math
import re
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Literal, Self, TextIO

from aiohttp import web

SAYING = (
    "the case rests on what was said and done that day and not on what somebody wished for later since every "
    "account agrees that a plain reading shows it while nothing in it supports another view of how things went"
)
WORDS = SAYING.split()
FLAKES = ("429", "500", "drop", "html")


@dataclass
class Script:
    """How the server behaves; may be changed while it runs."""

    models: tuple[str, ...] = ("scripted",)
    key: str | None = None
    """The only key that is let in; None lets in everybody."""
    context: int | None = None
    """Most tokens (here: words) of prompt and reply."""
    reads: int | None = None
    """Most tokens that it reads of a prompt and counts; the rest is dropped without a word."""
    writes: Literal["well", "long", "long once", "short", "nothing", "nonsense"] = "well"
    says: str = ""
    """What every reply says, where it is not empty."""
    logprobs: Literal["masked", "raw", "omitted", "refused"] = "masked"
    """Whether log-probabilities are those after or before a constraint, left out, or refused with status 400."""
    choices: Literal["kept", "ignored", "refused"] = "kept"
    """What becomes of `structured_outputs`."""
    schemas: bool = True
    """Whether `response_format` is taken; refused with status 400 where not."""
    odds: tuple[float, ...] | None = None
    """Probabilities of the answers; drawn from the prompt where None."""
    favours: str = ""
    """Words of the answer that is likeliest wherever it is listed; of other options the first is."""
    letters: float = 0.9
    """Probability of the answers' letters in an unconstrained reply."""
    top: int = 20
    """Most likely tokens that it tells, however many are asked for."""
    most_top: int = 20
    """Most `top_logprobs` that may be asked for; more is refused with status 400."""
    refusal: tuple[int, str, str | None] | None = None
    """Status, message and code with which every request is refused."""
    quota: tuple[int, float] | None = None
    """Most requests that are answered in any period of so many seconds; others get status 429 without Retry-After."""
    latency: float = 0.0
    flaky: float = 0.0
    """Share of requests that fail in one of the ways of FLAKES; the same one at most three times."""
    faults: deque[str] = field(default_factory=deque)
    """What goes wrong with the next requests, one entry each: a status, `429 after 2` (with Retry-After), `fine`, `hang`,
    `drop`, `html`, `broken json`, `no choices`, `no text`, `only thinking`, `echo key` or `redirect`."""


@dataclass
class Seen:
    """A request that arrived; times are in seconds since the epoch."""

    path: str
    request_id: str | None
    digest: str
    arrived: float
    body: dict[str, Any] = field(repr=False)
    status: int | None = None
    left: float | None = None

    def line(self) -> str:
        """The request as one line of a log: without the prompt."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "body"})


class ScriptedServer:
    """The server; `seen` holds every chat request in the order of arrival, `peak` the most that were open at once.

    `arrival` is set when a request has arrived.
    """

    def __init__(self, script: Script | None = None, *, port: int = 0, log: Path | None = None) -> None:
        self.script = script or Script()
        self.seen: list[Seen] = []
        self.peak = 0
        self.arrival = asyncio.Event()
        self._open = 0
        self._port = port
        self._log_path = log
        self._log: TextIO | None = None
        self._prefixes: set[str] = set()
        self._flaked: Counter[str] = Counter()
        self._taken: deque[float] = deque()
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        self._log = self._log_path.open("a", buffering=1) if self._log_path else None
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()
        if self._log:
            self._log.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closing.is_set()

    @property
    def port(self) -> int:
        """Where it listens, or listened."""
        return self._port

    @property
    def base_url(self) -> str:
        """What goes into an endpoint's settings."""
        return f"http://127.0.0.1:{self._port}/v1"

    # ── handlers ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._locked(request):
            return refusal
        about = {"object": "model", **({"max_model_len": self.script.context} if self.script.context else {})}
        listed = [{"id": name, **about} for name in self.script.models]
        return web.json_response({"object": "list", "data": listed})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        seen = Seen(request.path, request.headers.get("X-Request-Id"), digest(body), time.time(), body)
        self.seen.append(seen)
        self.arrival.set()
        self._write(seen)
        self._open += 1
        self.peak = max(self.peak, self._open)
        try:
            response = await self._answer(request, seen)
        finally:
            self._open -= 1
        seen.status, seen.left = response.status, time.time()
        self._write(seen)
        return response

    def _write(self, seen: Seen) -> None:
        if self._log:
            self._log.write(seen.line() + "\n")

    async def _answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if refusal := self._over_quota():
            return refusal
        await asyncio.sleep(self.script.latency)
        fault = self._fault(seen)
        if fault == "hang":
            await self._closing.wait()
        if fault == "drop" and request.transport:
            request.transport.abort()
        if fault and fault != "fine":
            return _FAULTY[fault](request) if fault in _FAULTY else _status(fault)
        if refusal := self._locked(request) or self._refusal(seen.body):
            return refusal
        return web.json_response(self._completion(seen))

    def _over_quota(self) -> web.Response | None:
        if self.script.quota is None:
            return None
        most, seconds = self.script.quota
        now = time.monotonic()
        while self._taken and now - self._taken[0] > seconds:
            self._taken.popleft()
        if len(self._taken) >= most:
            return _error(429, f"Rate limit exceeded: {most} requests in {seconds:g} s")
        self._taken.append(now)
        return None

    def _fault(self, seen: Seen) -> str | None:
        if self.script.faults:
            return self.script.faults.popleft()
        times = self._flaked[seen.digest]
        luck = Random(f"{seen.digest}/{times}")
        if times >= 3 or luck.random() >= self.script.flaky:
            return None
        self._flaked[seen.digest] += 1
        return luck.choice(FLAKES)

    def _locked(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.script.key is None or given == self.script.key:
            return None
        return _error(401, f"Incorrect API key provided: {given}.", code="invalid_api_key")

    def _refusal(self, body: Mapping[str, Any]) -> web.Response | None:
        script = self.script
        if script.refusal is not None:
            status, message, code = script.refusal
            return _error(status, message, code=code)
        if body["model"] not in script.models:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if "structured_outputs" in body and script.choices == "refused":
            return _error(400, "Unrecognized request argument supplied: structured_outputs")
        if "response_format" in body and not script.schemas:
            return _error(400, "response_format is not supported")
        if body.get("logprobs") and script.logprobs == "refused":
            return _error(400, "logprobs are not supported")
        if body.get("top_logprobs", 0) > script.most_top:
            return _error(400, f"top_logprobs must be at most {script.most_top}")
        size = _count(body)
        if script.context is not None and size + body.get("max_tokens", 0) > script.context:
            return _error(
                400,
                f"This model's maximum context length is {script.context} tokens. However, your prompt contains {size} "
                "input tokens, which exceeds this limit even without any output tokens.",
            )
        return None

    def _completion(self, seen: Seen) -> dict[str, Any]:
        text, finish = write(seen.body, self.script)
        size, written = min(_count(seen.body), self.script.reads or 10**9), len(text.split())
        logprobs = first_token(seen.body, self.script) if seen.body.get("logprobs") else None
        return {
            "id": f"chatcmpl-{seen.digest[:16]}",
            "object": "chat.completion",
            "created": 0,
            "model": seen.body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": finish,
                    "logprobs": logprobs,
                }
            ],
            "usage": {
                "prompt_tokens": size,
                "completion_tokens": written,
                "total_tokens": size + written,
                "prompt_tokens_details": {"cached_tokens": min(self._cached(seen.body), size)},
            },
        }

    def _cached(self, body: Mapping[str, Any]) -> int:
        """Tokens of the prompt that earlier prompts began with, in blocks of 16; remembers this prompt."""
        words, cached = _prompt(body).split(), 0
        for end in range(16, len(words) + 1, 16):
            prefix = sha256(" ".join(words[:end]).encode()).hexdigest()
            cached = end if prefix in self._prefixes else cached
            self._prefixes.add(prefix)
        return cached


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────


def _error(status: int, message: str, *, code: str | int | None = None) -> web.Response:
    error = {"message": message, "type": "Error", "param": None, "code": code or status}
    return web.json_response({"error": error}, status=status)


def _status(fault: str) -> web.Response:
    status, _, wait = fault.partition(" after ")
    response = _error(int(status), f"told to answer {status}")
    if wait:
        response.headers["Retry-After"] = wait
    return response


def _choice(message: Mapping[str, Any], finish: str = "stop") -> web.Response:
    return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})


_FAULTY = {
    "hang": lambda request: _error(503, "closing"),
    "drop": lambda request: web.Response(),
    "html": lambda request: web.Response(text="<html>Sign in</html>", content_type="text/html"),
    "broken json": lambda request: web.Response(text='{"choices": [', content_type="application/json"),
    "no choices": lambda request: web.json_response({"choices": []}),
    "no text": lambda request: _choice({"role": "assistant", "content": None}),
    "only thinking": lambda request: _choice({"content": None, "reasoning": "Hm. Well."}, "length"),
    "echo key": lambda request: _choice({"content": f"You are {request.headers['Authorization']}\0."}),
    "redirect": lambda request: web.Response(status=307, headers={"Location": "http://127.0.0.1:9/v1"}),
}


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────


def digest(body: Mapping[str, Any]) -> str:
    """What a reply depends on, in short."""
    parts = ("model", "messages", "seed", "structured_outputs", "response_format", "max_tokens")
    return sha256(json.dumps([body.get(part) for part in parts]).encode()).hexdigest()


def write(body: Mapping[str, Any], script: Script) -> tuple[str, str]:
    """The text of the reply and its finish reason."""
    luck = Random(digest(body))
    if script.says:
        return script.says, "stop"
    if script.writes == "nonsense":
        return "?!", "stop"
    if script.writes == "nothing":
        return "", "stop"
    if "response_format" in body:
        return json.dumps(_instance(body["response_format"]["json_schema"]["schema"], luck)), "stop"
    choice = body.get("structured_outputs", {}).get("choice")
    if choice and script.choices == "kept":
        return luck.choices(choice, _odds(body, script, len(choice)))[0], "stop"
    if body.get("max_tokens") == 1:
        return luck.choices(_letters(body), _odds(body, script, len(_letters(body))))[0], "length"
    if "percentages that add up to 100" in _request(body):
        return json.dumps(dict(zip(_letters(body), [70, 30, 0, 0], strict=False))), "stop"
    if names := _only_words(body):
        return f"{luck.choice(names)}.", "stop"
    if form := re.search(r"one whole number from 0 to 100|a JSON object and nothing else", _request(body)):
        return json.dumps(luck.randint(0, 100) if "number" in form[0] else [_sentence(luck)]), "stop"
    return _speech(body, script, luck), "stop"


def _prompt(body: Mapping[str, Any]) -> str:
    return "\n".join(f"{message['role']}\n{message['content']}" for message in body["messages"])


def _request(body: Mapping[str, Any]) -> str:
    """The last message: what is asked now, or what was wrong with the reply before."""
    content: str = body["messages"][-1]["content"]
    return content


def _count(body: Mapping[str, Any]) -> int:
    return len(_prompt(body).split())


def _letters(body: Mapping[str, Any]) -> list[str]:
    return re.findall(r"^Answer ([A-Z]): ", _prompt(body), re.MULTILINE) or ["A", "B"]


def _odds(body: Mapping[str, Any], script: Script, count: int) -> list[float]:
    """Probabilities of the options; the same for every request that shows the same messages."""
    if script.odds is not None and len(script.odds) == count:
        return list(script.odds)
    if script.favours:
        texts = re.findall(r"^Answer [A-Z]: (.*)$", _prompt(body), re.MULTILINE)
        listed = len(texts) == count
        place = next((at for at, text in enumerate(texts) if listed and script.favours in text), 0)
        return [0.97 if at == place else 0.03 / (count - 1) for at in range(count)]
    luck = Random(_prompt(body))
    weights = [luck.random() + 0.01 for _ in range(count)]
    return [weight / sum(weights) for weight in weights]


def _only_words(body: Mapping[str, Any]) -> list[str]:
    """The words or letters that the request's last line allows, where it says that no other are wanted."""
    request = _request(body)
    if named := re.search(r"exactly one of these and nothing else: (.*)\.", request):
        return ["holds"] if "holds" in named[1] else named[1].split(", ")
    if "letter alone" in request:
        return _letters(body)
    return ["holds", "holds", "holds", "concedes"] if "Reply with one word" in request else []


def first_token(body: Mapping[str, Any], script: Script) -> dict[str, Any] | None:
    """Log-probabilities of the first token, as the protocol lays them out."""
    if script.logprobs == "omitted":
        return None
    letters = _letters(body)
    odds = dict(zip(letters, _odds(body, script, len(letters)), strict=True))
    constrained = "structured_outputs" in body and script.choices == "kept" and script.logprobs == "masked"
    if constrained:
        tokens = odds | {"The": 0.0, '"': 0.0}
    else:
        held, rest = script.letters / 0.9, 1 - script.letters
        spaced = {f" {letter}": p * 0.1 * held for letter, p in odds.items()}
        other = {"The": 0.8 * rest, '"': 0.2 * rest}
        tokens = {letter: p * 0.8 * held for letter, p in odds.items()} | spaced | other
    likeliest = sorted(tokens.items(), key=lambda pair: -pair[1])[
        : min(body.get("top_logprobs", 0), script.top)
    ]
    top = [{"token": token, "logprob": math.log(p) if p > 0 else -9999.0} for token, p in likeliest]
    return {"content": [{**top[0], "top_logprobs": top}]}


def _instance(schema: Mapping[str, Any], luck: Random) -> Any:
    """Some value that fits a JSON schema; several numbers in one object add up to 100."""
    match schema["type"]:
        case "object":
            names = list(schema["properties"])
            if len(names) > 1 and all(schema["properties"][name]["type"] == "integer" for name in names):
                first = luck.randint(0, 100)
                return dict(zip(names, [first, 100 - first, *[0] * len(names)], strict=False))
            return {name: _instance(schema["properties"][name], luck) for name in names}
        case "array":
            return [_instance(schema["items"], luck) for _ in range(luck.randint(2, 3))]
        case "integer":
            return luck.randint(schema.get("minimum", 0), schema.get("maximum", 100))
        case _:
            return _sentence(luck)


def _speech(body: Mapping[str, Any], script: Script, luck: Random) -> str:
    """Sentences of common words with quotes from the passage in the prompt, as long as the prompt asks."""
    prompt = _prompt(body)
    again = body["messages"][-2]["role"] == "assistant" if len(body["messages"]) > 1 else False
    target = _asked(prompt, "about", 40)
    if script.writes == "long" or (script.writes == "long once" and not again):
        target = 3 * _asked(prompt, "at most", target)
    if script.writes == "short":
        target = 5
    quotes = _quotes(prompt, luck)
    if "Write nothing but quotes" in prompt:
        return "\n".join(quotes)
    sentences = quotes[:1] if target > 30 else []
    while (left := target - len(" ".join(sentences).split())) > 0:
        sentences.append(_sentence(luck, left))
    return " ".join(sentences)


def _asked(prompt: str, words: str, otherwise: int) -> int:
    found = re.findall(rf"{words} (\d+)", prompt)
    return int(found[-1]) if found else otherwise


def _sentence(luck: Random, most: int = 12) -> str:
    return " ".join(luck.choices(WORDS, k=min(luck.randint(7, 12), most))).capitalize() + "."


def _quotes(prompt: str, luck: Random) -> list[str]:
    passage = re.search(r"<passage>\n(.*?)\n</passage>", prompt, re.DOTALL)
    words = passage[1].split() if passage else []
    if len(words) < 8:
        return []
    starts = [luck.randrange(len(words) - 7) for _ in range(2)]
    return [f"<quote>{' '.join(words[start : start + 7])}</quote>" for start in starts]


# ── as a process ────────────────────────────────────────────────────────────────────────────────────────────────


async def serve(script: Script, port: int, log: Path | None) -> None:
    """Serve until killed; says `ready` and the base URL on a line of its own once it listens."""
    async with ScriptedServer(script, port=port, log=log) as server:
        print(f"ready {server.base_url}", flush=True)
        await asyncio.Event().wait()


def main(arguments: Iterable[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--log", type=Path, help="file to which every request is added, a line at arrival and one after"
    )
    parser.add_argument("--model", action="append", help="name of a model to serve; may be repeated")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--flaky", type=float, default=0.0, help="share of requests that fail")
    parser.add_argument("--quota", type=int, help="most requests in any --window; 429 for others")
    parser.add_argument("--window", type=float, default=60.0, help="seconds")
    options = parser.parse_args(None if arguments is None else list(arguments))
    models = tuple(options.model or Script.models)
    quota = (options.quota, options.window) if options.quota else None
    script = Script(models=models, latency=options.latency, flaky=options.flaky, quota=quota)
    asyncio.run(serve(script, options.port, options.log))


if __name__ == "__main__":
    main()
