"""Sends requests to one endpoint: a bounded number of attempts, each recorded before it is sent."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiohttp
from aiohttp.abc import AbstractResolver

from app.participants.base import (
    BadRequest,
    Call,
    CallLog,
    Ending,
    EndpointSettings,
    Forbidden,
    ParticipantError,
    UnknownModel,
    Unreachable,
)
from app.participants.complaints import complaint_in
from app.participants.completions import Reply, listed, messages, read, scrubbed, stored
from app.participants.concurrency import Limit
from app.participants.dialect import VERDICTS, Change, Dialect, Lesson, lesson, pointless
from app.participants.failures import UNREADABLE, Failure, Refused, Unreadable, understand, unknown_model
from app.participants.transport import Transport

MOST_LESSONS = 16
"""Most changes to one request, each after a refusal."""

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
    resolver : looks up the server's name, where not the system; proxies of the environment are then not used
    """

    def __init__(
        self,
        name: str,
        settings: EndpointSettings,
        *,
        limit: Limit | None = None,
        patience: Patience = Patience(),
        resolver: AbstractResolver | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.limit = limit or Limit()
        self.dialects: dict[str, Dialect] = {}
        """By model, what its server does not take."""
        self.told: defaultdict[str, list[str]] = defaultdict(list)
        """By model, sentences on what was changed or is doubtful, each once."""
        self.deciding: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By model, locked while its first belief decides how all its beliefs are read."""
        self._patience = patience
        self._rng = Random()
        self._secrets = settings.secrets()
        self._transport = Transport(settings, resolver)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def complete(self, call: Call, log: CallLog, *, within: float) -> Reply:
        """Send `call` until a reply comes or the attempts are used up. Each attempt may take `within`
        seconds.

        Each attempt has its own request id, sent as `X-Request-Id` and recorded before the attempt. A
        cancelled attempt has no recorded ending. Raise ParticipantError.
        """
        self._check_secrets()
        sending = _Sending(call, self.dialect(call.model))
        attempt = 1
        while True:
            outcome = await self._as_taken(sending, log, within)
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
        self._check_secrets()
        try:
            async with asyncio.timeout(LIST_SECONDS):
                body = await self._transport.send("/models")
            return sorted(listed(body))
        except _TRANSPORT as error:
            raise understand(error, self.settings, "any model", LIST_SECONDS).exception(self.name) from None

    async def answers(self, call: Call, log: CallLog, *, within: float) -> None:
        """Make sure that a model answers a request, whatever it says. Raise ParticipantError, UnknownModel where the
        server refuses the model.
        """
        self._check_secrets()
        outcome = await self._as_taken(_Sending(call, self.dialect(call.model)), log, within, _any_choice)
        if isinstance(outcome, Failure):
            raise await self._final(outcome, call.model, 1)

    # ── what the model's server takes ───────────────────────────────────────────────────────────────────────────

    def dialect(self, model: str) -> Dialect:
        """Return what is known of the model's server."""
        first = (Change("fold"),) if self.settings.fold_system else ()
        return self.dialects.setdefault(model, Dialect(first))

    def learn(self, model: str, change: Change, because: str) -> None:
        """Remember what the model's server does not take, and how that is known."""
        known = self.dialect(model)
        self.dialects[model] = known.with_(change)
        if self.dialects[model] != known:
            self.tell(model, f"{change}, because {because}.")

    def tell(self, model: str, sentence: str) -> None:
        """Keep a sentence about a model for whoever checks an experiment."""
        if sentence not in self.told[model]:
            self.told[model].append(sentence)

    async def _as_taken(
        self, sending: "_Sending", log: CallLog, within: float, reader: Callable[[object], Reply] = read
    ) -> Reply | Failure:
        """Send one attempt, and at once again, changed, where the server refuses what can be changed."""
        for _ in range(MOST_LESSONS):
            sending.keep_up(self.dialect(sending.asked.model))
            outcome = await self._attempt(*sending.next(), log, within, reader)
            learned = None if isinstance(outcome, Reply) else self._lesson(sending, outcome)
            if learned is None or pointless(sending.asked, learned.change):
                break
            sending.tried.append(learned)
        self._remember(sending, outcome, learned)
        return outcome

    def _lesson(self, sending: "_Sending", failure: Failure) -> Lesson | None:
        told = failure.complaint
        if told is None or failure.error not in (BadRequest, Unreachable) or failure.model_unknown:
            return None
        return lesson(sending.dialect, told, sending.asked)

    def _remember(self, sending: "_Sending", outcome: Reply | Failure, last: Lesson | None) -> None:
        """Remember what was tried and helped: all of it after a reply. After a failure neither guesses nor what led
        to the same words again.
        """
        model = sending.asked.model
        replied = isinstance(outcome, Reply)
        words = outcome.complaint.words if isinstance(outcome, Failure) and outcome.complaint else ""
        helped = [one for one in sending.tried if replied or not (one.guess or one.words == words)]
        for one in (*helped, *([last] if last else [])):
            named = f"the server said “{one.words[:120].rstrip('. ')}”"
            self.learn(model, one.change, "the server refused it without a reason" if one.guess else named)
        if isinstance(outcome, Reply):
            names = {name for name in sending.asked.params if self.dialect(model).takes(name)}
            worked = names & (VERDICTS | {"response_format"})
            unseen = () if outcome.first else ("logprobs", "top_logprobs")
            self.dialects[model] = self.dialect(model).knowing(*worked.difference(unseen))

    # ── one attempt ─────────────────────────────────────────────────────────────────────────────────────────────

    def _check_secrets(self) -> None:
        """Refuse a key or another value that no header can carry, before a transport repeats it in an error."""
        for variable in self.settings.variables():
            value = self.settings.value_of(variable)
            if not (value.isascii() and (value.isprintable())):
                raise Forbidden(
                    f"The key in the environment variable {variable} has line breaks or other characters that a key "
                    "cannot have: set it again."
                )

    async def _final(self, failure: Failure, model: str, attempts: int) -> ParticipantError:
        """Return the error to raise. The server's words, or its list of models, distinguish an unknown model from a
        wrong address.
        """
        if failure.model_unknown:
            try:
                served = await self.models()
            except ParticipantError:
                served = []  # There is only the server's own message on the request.
            said = failure.complaint is not None and unknown_model(failure.complaint)
            if served and model not in served:
                return UnknownModel(
                    f"The endpoint {self.name} does not serve the model {model}: "
                    f"choose one of {', '.join(served[:MOST_NAMED])}."
                )
            if said:
                return UnknownModel(
                    f"The endpoint {self.name} {failure.what}: correct the name of the model, {model}."
                )
        return failure.exception(self.name, attempts)

    async def _attempt(
        self, call: Call, number: int, log: CallLog, within: float, reader: Callable[[object], Reply] = read
    ) -> Reply | Failure:
        request_id = uuid4().hex
        async with self.limit.slot() as slot:
            await log.begin(call, number, request_id)
            started = time.monotonic()
            outcome = await self._post(call, request_id, within, reader)
            seconds = time.monotonic() - started
            if isinstance(outcome, Reply):
                slot.succeeded(_kind(call), seconds, outcome.tokens_out or 0)
            elif outcome.overload:
                slot.overloaded()
        await log.end(request_id, _ending(outcome, seconds))
        return outcome

    async def _post(
        self, call: Call, request_id: str, within: float, reader: Callable[[object], Reply]
    ) -> Reply | Failure:
        body = {**call.params, "model": call.model, "messages": messages(call.segments)}
        try:
            async with asyncio.timeout(within):
                data = await self._transport.send("/chat/completions", body, {"X-Request-Id": request_id})
            if (told := complaint_in(data)) is not None:
                raise Refused(200, {}, told)
            reply = reader(scrubbed(data, self._secrets))
            if len(reply.text) > MOST_TEXT:
                raise Unreadable(*_TOO_MUCH, again=False)
            return reply
        except _TRANSPORT as error:
            return understand(error, self.settings, call.model, within)


class _Sending:
    """A call on its way, as its model's server takes it. With other parameters it is another call on record."""

    def __init__(self, asked: Call, dialect: Dialect) -> None:
        self.asked = asked
        self.tried: list[Lesson] = []
        self.dialect = dialect
        self._sent: Call | None = None
        self._number = 0

    def keep_up(self, known: Dialect) -> None:
        """Take in what was learned meanwhile, with what this call tries."""
        self.dialect = known.with_(*(one.change for one in self.tried))

    def next(self) -> tuple[Call, int]:
        """Return what to send, and the number of the attempt at it."""
        params, segments = self.dialect.spoken(self.asked)
        if self._sent is None:
            self._sent = replace(self.asked, params=params, segments=segments)
        elif (params, segments) != (self._sent.params, list(self._sent.segments)):
            self._sent = replace(self.asked, id=uuid4(), params=params, segments=segments)
            self._number = 0
        self._number += 1
        return self._sent, self._number


def _any_choice(data: object) -> Reply:
    """Return an empty reply for any body with a choice, even one that holds no text yet."""
    if not (isinstance(data, dict) and isinstance(data.get("choices"), list) and data["choices"]):
        return read(data)
    return Reply("")


_TRANSPORT = (Refused, aiohttp.ClientError, OSError, *UNREADABLE)
"""Errors that may happen between here and a reply. Time-outs are OSErrors."""

MOST_TEXT = 1_000_000
"""Most characters of a reply's text. The longest that models write are shorter."""

_TOO_MUCH = f"wrote more than {MOST_TEXT:,} characters", "lower max_tokens, or choose another model"

MOST_NAMED = 30
"""Most models that an error lists."""


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
        reply=stored(outcome.sent),
        tokens_in=outcome.tokens_in,
        tokens_out=outcome.tokens_out,
        tokens_cached=outcome.tokens_cached,
    )
