"""Sends requests to one endpoint: a bounded number of attempts, each recorded before it is sent."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiohttp
import openai

from app.participants.base import (
    Call,
    CallLog,
    Ending,
    EndpointSettings,
    Forbidden,
    ParticipantError,
    UnknownModel,
)
from app.participants.completions import Reply, listed, messages, read, scrubbed
from app.participants.concurrency import Limit
from app.participants.failures import UNREADABLE, Failure, understand

NO_KEY = "none"
"""Sent where no key is named. The protocol requires a key; servers without keys ignore it."""

CONNECT_SECONDS = 10.0
"""Longest wait for a connection. A server that is up accepts it at once."""

LIST_SECONDS = 10.0
"""Longest wait for the list of models."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and after which waits, a request is attempted (seconds)."""

    attempts: int = 5
    first: float = 0.5
    """Longest wait after the first attempt. It doubles after each further one."""
    longest: float = 30.0
    asked: float = 60.0
    """Longest wait that a server may ask for."""

    def wait(self, attempt: int, retry_after: float | None, rng: Random) -> float:
        """Return the seconds to wait after the failed `attempt` (from 1): exponential backoff with full
        jitter (Brooker 2015), plus the wait that the server asks for.
        """
        jitter = rng.uniform(0, min(self.first * 2 ** (attempt - 1), self.longest))
        return min(retry_after or 0.0, self.asked) + jitter


class Client:
    """One endpoint. Close it, or use it as a context manager.

    Parameters
    ----------
    name : what the endpoint is called in the experiment's file, for sentences and the record
    limit : the queue before the endpoint; share one among all clients of an endpoint in a process
    http : what sends the requests, where not the usual transport; closed with the client
    """

    def __init__(
        self,
        name: str,
        settings: EndpointSettings,
        *,
        limit: Limit | None = None,
        patience: Patience = Patience(),
        http: openai.DefaultAioHttpClient | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.limit = limit or Limit()
        self.abilities: dict[tuple[str, str], bool] = {}
        """Model and ability, with whether it was seen to work (True) or refused (False)."""
        self.top_logprobs: dict[str, int] = {}
        """By model, the number of likeliest tokens that its server returns."""
        self.deciding: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By model, locked while its first belief decides how all its beliefs are read."""
        self._patience = patience
        self._rng = Random()
        self._key = settings.key()
        self._openai = openai.AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=str(settings.base_url),
            max_retries=0,
            http_client=http or openai.DefaultAioHttpClient(follow_redirects=False),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._openai.close()

    async def complete(self, call: Call, log: CallLog, *, within: float) -> Reply:
        """Send `call` until a reply comes or the attempts are used up. Each attempt may take `within`
        seconds.

        Each attempt has its own request id, sent as `X-Request-Id` and recorded before the attempt. A
        cancelled attempt has no recorded ending. Raise ParticipantError.
        """
        self._check_key()
        attempt = 1
        while True:
            outcome = await self._attempt(call, attempt, log, within)
            if isinstance(outcome, Reply):
                return outcome
            if not outcome.again or attempt == self._patience.attempts:
                raise await self._final(outcome, call.model, attempt)
            await asyncio.sleep(self._patience.wait(attempt, outcome.retry_after, self._rng))
            attempt += 1

    async def models(self) -> list[str]:
        """Return the names of the models that the endpoint serves, by one attempt without a record. Raise
        ParticipantError.
        """
        self._check_key()
        try:
            async with asyncio.timeout(LIST_SECONDS):
                body = await self._openai.get("/models", cast_to=object)
            return sorted(listed(body))
        except _TRANSPORT as error:
            raise understand(error, self.settings, "any model", LIST_SECONDS).exception(self.name) from None

    def _check_key(self) -> None:
        """Refuse a key that no header can carry, before a transport repeats it in an error."""
        if self._key is not None and not (self._key.isascii() and self._key.isprintable()):
            raise Forbidden(
                f"The key in the environment variable {self.settings.api_key_env} has line breaks or other "
                "characters that a key cannot have: set it again."
            )

    async def _final(self, failure: Failure, model: str, attempts: int) -> ParticipantError:
        """Return the error to raise. The list of models distinguishes an unknown model from a wrong address."""
        if failure.model_unknown:
            try:
                served = await self.models()
            except ParticipantError:
                served = []  # There is only the server's own message on the request.
            if served and model not in served:
                return UnknownModel(
                    f"The endpoint {self.name} does not serve the model {model}: "
                    f"choose one of {', '.join(served)}."
                )
        return failure.exception(self.name, attempts)

    async def _attempt(self, call: Call, number: int, log: CallLog, within: float) -> Reply | Failure:
        request_id = uuid4().hex
        async with self.limit.slot() as slot:
            await log.begin(call, number, request_id)
            started = time.monotonic()
            outcome = await self._post(call, request_id, within)
            seconds = time.monotonic() - started
            if isinstance(outcome, Reply):
                slot.succeeded(_kind(call), seconds, outcome.tokens_out or 0)
            elif outcome.overload:
                slot.overloaded()
        await log.end(request_id, _ending(outcome, seconds))
        return outcome

    async def _post(self, call: Call, request_id: str, within: float) -> Reply | Failure:
        body = {**call.params, "model": call.model, "messages": messages(call.segments)}
        waits = openai.Timeout(within, connect=min(CONNECT_SECONDS, within))
        try:
            async with asyncio.timeout(within):
                data: object = await self._openai.post(
                    "/chat/completions",
                    cast_to=object,
                    body=body,
                    options={"headers": {"X-Request-Id": request_id}, "timeout": waits},
                )
            return read(scrubbed(data, self._key))
        except _TRANSPORT as error:
            return understand(error, self.settings, call.model, within)


_TRANSPORT = (openai.OpenAIError, aiohttp.ClientError, OSError, *UNREADABLE)
"""Errors that may happen between here and a reply. Time-outs are OSErrors."""


def _kind(call: Call) -> str:
    """Calls of one kind take about the same time per token."""
    return f"{call.model} {call.purpose} {call.params.get('max_tokens')}"


def _ending(outcome: Reply | Failure, seconds: float) -> Ending:
    if isinstance(outcome, Failure):
        return Ending(outcome.status, seconds, outcome.http_status, outcome.what)
    return Ending(
        "ok",
        seconds,
        200,
        reply=outcome.sent,
        tokens_in=outcome.tokens_in,
        tokens_out=outcome.tokens_out,
        tokens_cached=outcome.tokens_cached,
    )
