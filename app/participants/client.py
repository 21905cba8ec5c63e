"""Sends requests to one endpoint until it answers, or a bounded number of times; each is recorded before it is sent."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiohttp
import openai

from app.participants.base import (
    PROBE,
    AskLog,
    Call,
    CallLog,
    Ending,
    EndpointSettings,
    Forbidden,
    NoKey,
    ParticipantError,
    Segment,
    UnknownModel,
)
from app.participants.completions import Reply, listed, messages, read, scrubbed
from app.participants.concurrency import Limit
from app.participants.failures import UNREADABLE, Failure, Unreadable, understand
from app.participants.outages import IMPATIENT, CircuitBreaker, EndpointState, Patience

NO_KEY = "none"
"""Sent where no key is named. The protocol requires a key; servers without keys ignore it."""

CONNECT_SECONDS = 10.0
"""Longest wait for a connection. A server that is up accepts it at once."""

LIST_SECONDS = 10.0
"""Longest wait for the list of models."""


EVERY = ""
"""Key of the breaker for all models of the endpoint."""

WORD = (Segment("user", "Reply with the word OK."),)
"""The tiny request."""

PROBE_SECONDS = 60.0
"""Longest wait for the reply to a tiny request."""

logger = logging.getLogger(__name__)


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
        patience: Patience = IMPATIENT,
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
        self.breakers: dict[str, CircuitBreaker] = {}
        """One for all models, and one for each that was found missing; none where nothing is waited for."""
        self._answered_at = float("-inf")
        """When it was last seen to answer."""
        self._deciding_fault = asyncio.Lock()
        self._patience = patience
        self._rng = Random()
        if self.patient:
            self.breakers[EVERY] = CircuitBreaker(name, patience)
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

    @property
    def patient(self) -> bool:
        """Return whether an endpoint that is away is waited for."""
        return self._patience.hours > 0

    async def close(self) -> None:
        """Close all connections."""
        await self._openai.close()

    async def complete(self, call: Call, log: CallLog, *, within: float) -> Reply:
        """Send `call` until a reply comes or the patience runs out. Each attempt may take `within` seconds.

        Each attempt has its own request id, sent as `X-Request-Id` and recorded before the attempt. A
        cancelled attempt has no recorded ending. Raise ParticipantError; among them EndpointPaused, where the
        endpoint is paused for longer than this ask waits in place.
        """
        self._check_key()
        if self.patient:
            return await self._until_it_answers(call, log, within)
        attempt = 1
        while True:
            outcome = await self._attempt(call, attempt, log, within)
            assert outcome is not None, "nothing pauses an endpoint for the impatient"
            if isinstance(outcome, Reply):
                return outcome
            if not outcome.again or attempt == self._patience.attempts:
                raise await self._final(outcome, call.model, attempt)
            await asyncio.sleep(self._patience.wait(attempt, outcome.retry_after, self._rng))
            attempt += 1

    async def _until_it_answers(self, call: Call, log: CallLog, within: float) -> Reply:
        """Send `call` until a reply comes. Failures of the endpoint are waited out and do not count as attempts."""
        attempts = unclear = 0
        while True:
            sent = time.monotonic()
            outcome = await self._when_admitted(call, attempts + 1, log, within)
            if isinstance(outcome, Reply):
                return outcome
            if outcome is None:  # The endpoint was paused while the request waited for its turn.
                continue
            attempts += 1
            if outcome.fault == "ask" or issubclass(outcome.error, NoKey):
                raise await self._final(outcome, call.model, attempts)
            if outcome.fault == "endpoint":
                continue
            unclear += 1
            last = unclear >= self._patience.attempts
            silent = outcome.status == "timeout" and self._answered_at < sent
            if (last or silent) and not await self._answers_at_all(call, log):
                unclear = 0
            elif last:
                raise await self._final(outcome, call.model, unclear)
            else:
                await asyncio.sleep(self._patience.wait(unclear, outcome.retry_after, self._rng))

    async def _when_admitted(
        self, call: Call, number: int, log: CallLog, within: float
    ) -> Reply | Failure | None:
        """Make an attempt once the endpoint is open. Return None where it was paused before the attempt was sent."""
        stay = isinstance(log, AskLog) and log.heard
        async with self._admission(call.model, stay=stay) as probing:
            outcome = await self._attempt(call, number, log, within, probing)
            if isinstance(outcome, Failure) and outcome.fault == "unclear" and probing:
                # A request that is wrong in itself must not keep the endpoint closed.
                await self._gets_a_word(call, log, probing)
        return outcome

    # ── pauses ──────────────────────────────────────────────────────────────────────────────────────────────────

    def turned_away(self, model: str) -> ParticipantError | None:
        """Return the error that a request for this model would get now, where it can neither be sent nor wait."""
        for breaker in self._breakers_of(model):
            if away := breaker.turned_away(time.monotonic()):
                return away
        return None

    def states(self) -> list[EndpointState]:
        """Return what there is to say of pauses and of the pace."""
        return [state for breaker in self.breakers.values() if (state := breaker.state())]

    def _breakers_of(self, model: str) -> list[CircuitBreaker]:
        return [self.breakers[key] for key in (model, EVERY) if key in self.breakers]

    def _is_paused(self, model: str) -> bool:
        return any(breaker.paused for breaker in self._breakers_of(model))

    @asynccontextmanager
    async def _admission(self, model: str, *, stay: bool) -> AsyncIterator[list[CircuitBreaker]]:
        """Wait until a request may be sent; yields the breakers for which it is the probe."""
        probing: list[CircuitBreaker] = []
        try:
            for breaker in self._breakers_of(model):
                if await breaker.admitted(stay=stay):
                    probing.append(breaker)  # noqa: PERF401 - released even where the next one raises
            yield probing
        finally:
            for breaker in probing:
                breaker.release()

    def _learn(
        self, outcome: Reply | Failure, model: str, sent: float, probing: Sequence[CircuitBreaker] = ()
    ) -> None:
        """Open or close the breakers by the outcome of a request. An unclear failure changes nothing."""
        if isinstance(outcome, Reply) or outcome.fault == "ask":
            self._answered_at = time.monotonic()
            for breaker in self._breakers_of(model):
                lasted = breaker.answered(sent, probe=breaker in probing)
                if lasted >= self._patience.hold:
                    self.limit.window.restart()
                    logger.info("The endpoint %s answers again after %.0f s.", self.name, lasted)
        elif outcome.fault == "endpoint" and not issubclass(outcome.error, NoKey):
            self._close_for(outcome, model, sent, probing)

    def _close_for(
        self, failure: Failure, model: str, sent: float, probing: Sequence[CircuitBreaker]
    ) -> None:
        """Close the breaker of the model where it alone is unknown, and else that of the endpoint."""
        key = model if failure.model_unknown else EVERY
        if key not in self.breakers:
            self.breakers[key] = CircuitBreaker(self.name, self._patience, model=key)
        self.breakers[key].failed(failure, probe=self.breakers[key] in probing)
        for other in probing:
            if other.model == EVERY != key:  # It answered, though it does not know the model.
                other.answered(sent, probe=True)
            elif other.model != key:
                other.failed(failure, probe=True)

    async def _answers_at_all(self, call: Call, log: CallLog) -> bool:
        """Return whether the endpoint answers a tiny request, after a failure that may be the fault of either."""
        began = time.monotonic()
        async with self._deciding_fault:
            if self._is_paused(call.model):
                return False
            if self._answered_at > began:
                return True
            return await self._gets_a_word(call, log)

    async def _gets_a_word(self, call: Call, log: CallLog, probing: Sequence[CircuitBreaker] = ()) -> bool:
        """Send the tiny request, and open or close the endpoint by its outcome. Return whether it was answered."""
        tiny = replace(call, id=uuid4(), purpose=PROBE, segments=WORD, params={"max_tokens": 16})
        request_id = uuid4().hex
        await log.begin(tiny, 1, request_id)
        sent = time.monotonic()
        outcome = await self._post(tiny, request_id, PROBE_SECONDS, a_word)
        await log.end(request_id, _ending(outcome, time.monotonic() - sent))
        if isinstance(outcome, Failure) and outcome.fault == "unclear":
            outcome = replace(outcome, fault="endpoint")
        self._learn(outcome, call.model, sent, probing)
        return isinstance(outcome, Reply) or outcome.fault == "ask"

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

    async def _attempt(
        self,
        call: Call,
        number: int,
        log: CallLog,
        within: float,
        probing: Sequence[CircuitBreaker] = (),
    ) -> Reply | Failure | None:
        """Make one attempt. Return None where the endpoint was paused while it waited for a slot.

        A probe needs no slot: requests that hang may have all of them.
        """
        request_id = uuid4().hex
        async with self.limit.slot() if not probing else nullcontext() as slot:
            if self._is_paused(call.model) and not probing:
                return None
            await log.begin(call, number, request_id)
            sent = time.monotonic()
            outcome = await self._post(call, request_id, within)
            seconds = time.monotonic() - sent
            if slot is not None and isinstance(outcome, Reply):
                slot.succeeded(_kind(call), seconds, outcome.tokens_out or 0)
            elif slot is not None and isinstance(outcome, Failure) and outcome.overload:
                slot.overloaded()
            if self.patient:
                self._learn(outcome, call.model, sent, probing)
        await log.end(request_id, _ending(outcome, seconds))
        return outcome

    async def _post(
        self,
        call: Call,
        request_id: str,
        within: float,
        understood: Callable[[object], Reply] = read,
    ) -> Reply | Failure:
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
            return understood(scrubbed(data, self._key))
        except _TRANSPORT as error:
            return understand(error, self.settings, call.model, within)


_TRANSPORT = (openai.OpenAIError, aiohttp.ClientError, OSError, *UNREADABLE)
"""Errors that may happen between here and a reply. Time-outs are OSErrors."""


def a_word(data: object) -> Reply:
    """Return the reply to a tiny request. Any choice will do, since a model that thinks first has no text in so few
    tokens. Raise Unreadable where there is none.
    """
    try:
        return read(data)
    except Unreadable:
        if isinstance(data, dict) and data.get("choices"):
            return Reply("", sent={"text": None})
        raise


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
