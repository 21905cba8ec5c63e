"""Sends requests to one endpoint until it answers, or a bounded number of times; each is recorded before it is sent."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp
from aiohttp.abc import AbstractResolver

from app import metrics, tracing
from app.logs import event
from app.participants.addresses import is_sure, spoken_by
from app.participants.base import (
    PROBE,
    AskLog,
    BadRequest,
    Call,
    CallLog,
    Ending,
    EndpointSettings,
    Forbidden,
    NoKey,
    ParticipantError,
    Segment,
    UnknownModel,
    Unreachable,
)
from app.participants.beside import beside, is_large
from app.participants.complaints import complaint_in
from app.participants.completions import Reply, listed, messages, read, scrubbed, stored
from app.participants.concurrency import Limit
from app.participants.dialect import (
    VERDICTS,
    Change,
    Dialect,
    Learned,
    Lesson,
    Memory,
    at_odds,
    lesson,
    pointless,
)
from app.participants.failures import (
    UNREADABLE,
    Failure,
    OtherProtocol,
    Refused,
    Unreadable,
    understand,
    unknown_model,
)
from app.participants.outages import (
    IMPATIENT,
    LONG,
    CircuitBreaker,
    EndpointState,
    Patience,
    moment_in_words,
)
from app.participants.revisions import Revisions
from app.participants.revisions import stated as stated_revision
from app.participants.transport import Transport

MOST_LESSONS = 16
"""Most changes to one request, each after a refusal."""

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
    resolver : looks up the server's name, where not the system; proxies of the environment are then not used
    """

    def __init__(
        self,
        name: str,
        settings: EndpointSettings,
        *,
        limit: Limit | None = None,
        patience: Patience = IMPATIENT,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.limit = limit or Limit()
        self.dialects: dict[str, Dialect] = {}
        """By model, what its server does not take."""
        self.remarks: defaultdict[str, list[str]] = defaultdict(list)
        """By model, sentences on what was changed or is doubtful, each once."""
        self.revisions: defaultdict[str, Revisions] = defaultdict(Revisions)
        """By model, the revisions as which it answered."""
        self.memory: Memory | None = None
        """Where what is learned is kept for other processes; none where it is not."""
        self._learned: defaultdict[str, dict[Change, Learned]] = defaultdict(dict)
        """By model, what its server refused."""
        self._recalled: set[str] = set()
        self._replied: set[str] = set()
        self._recalling = asyncio.Lock()
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
        self._secrets = settings.secrets()
        self._transport = Transport(settings, resolver)

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
        await self._transport.close()

    async def complete(self, call: Call, log: CallLog, *, within: float) -> Reply:
        """Send `call` until a reply comes or the patience runs out. Each attempt may take `within` seconds.

        Each attempt has its own request id, sent as `X-Request-Id` and recorded before the attempt. A
        cancelled attempt has no recorded ending. Raise ParticipantError; among them EndpointPaused, where the
        endpoint is paused for longer than this ask waits in place.
        """
        self._check_secrets()
        await self.recall(call.model)
        sending = _Sending(call, self.dialect(call.model))
        if self.patient:
            return await self._until_it_answers(sending, log, within)
        attempt = 1
        while True:
            outcome = await self._as_taken(sending, log, within)
            assert outcome is not None, "nothing pauses an endpoint for the impatient"
            if isinstance(outcome, Reply):
                return outcome
            if not outcome.again or attempt == self._patience.attempts or (outcome.retry_after or 0.0) > LONG:
                raise await self._final(_with_wait(outcome), call.model, attempt)
            await asyncio.sleep(self._patience.wait(attempt, outcome.retry_after, self._rng))
            attempt += 1

    async def _until_it_answers(self, sending: "_Sending", log: CallLog, within: float) -> Reply:
        """Send a call until a reply comes. Failures of the endpoint are waited out and do not count as attempts."""
        call, attempts, unclear = sending.asked, 0, 0
        while True:
            sent = time.monotonic()
            outcome = await self._when_admitted(sending, log, within)
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
        self, sending: "_Sending", log: CallLog, within: float
    ) -> Reply | Failure | None:
        """Make an attempt once the endpoint is open. Return None where it was paused before the attempt was sent."""
        stay = isinstance(log, AskLog) and log.heard
        call = sending.asked
        async with self._admission(call.model, stay=stay) as probing:
            outcome = await self._as_taken(sending, log, within, probing=probing)
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

    def hear(self, others: Sequence[EndpointState]) -> None:
        """Take over the pauses of other processes, and end those that they have ended."""
        paused = {state.model: state for state in others if state.since is not None} if self.patient else {}
        for key in paused.keys() - self.breakers.keys():
            self.breakers[key] = CircuitBreaker(self.name, self._patience, model=key)
        for key, breaker in self.breakers.items():
            state = paused.get(key)
            breaker.hear(state, _heard(state) if state else None)

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
        own = {name: call.params[name] for name in call.fixed if name in call.params}
        tiny = replace(call, id=uuid4(), purpose=PROBE, segments=WORD, params={"max_tokens": 16, **own})
        params, segments = self.dialect(call.model).spoken(tiny)
        tiny = replace(tiny, params=params, segments=segments)
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
        return sorted(await self.contexts())

    async def contexts(self) -> dict[str, int | None]:
        """Return the most tokens of a prompt and its reply for each model that the endpoint serves; None where its
        list does not say. Raise ParticipantError.
        """
        self._check_secrets()
        try:
            async with asyncio.timeout(LIST_SECONDS):
                body = await self._transport.send("/models")
            return listed(body)
        except _TRANSPORT as error:
            raise understand(error, self.settings, "any model", LIST_SECONDS).exception(self.name) from None

    async def answers(self, call: Call, log: CallLog, *, within: float) -> None:
        """Make sure that a model answers a request, whatever it says. Raise ParticipantError, UnknownModel where the
        server refuses the model.
        """
        self._check_secrets()
        outcome = await self._as_taken(_Sending(call, self.dialect(call.model)), log, within, a_word)
        assert outcome is not None, "nothing pauses an endpoint for the impatient"
        if isinstance(outcome, Failure):
            raise await self._final(outcome, call.model, 1)

    # ── what the model's server takes ───────────────────────────────────────────────────────────────────────────

    def dialect(self, model: str) -> Dialect:
        """Return what is known of the model's server."""
        first = (Change("fold"),) if self.settings.fold_system else ()
        return self.dialects.setdefault(model, Dialect(first))

    def remember(self, model: str, change: Change, because: str) -> None:
        """Remember what the model's server does not take, and how that is known."""
        known = self.dialect(model)
        self.dialects[model] = known.with_(change)
        if self.dialects[model] != known:
            self.tell(model, Learned(change, because).sentence)

    async def recall(self, model: str) -> None:
        """Take over, once, what earlier processes learned of a model's server."""
        if self.memory is None or model in self._recalled:
            return
        async with self._recalling:
            if model not in self._recalled:
                for known in await self.memory.load(self.settings, model):
                    self._learned[model][known.change] = known
                    self.remember(model, known.change, known.because)
                self._recalled.add(model)

    async def keep(self, *, anew: bool = False) -> None:
        """Store what was learned of every model that replied, with `anew` in place of what is stored."""
        for model in sorted(self._replied) if self.memory else []:
            await self._keep(model, anew=anew)

    async def _keep(self, model: str, *, anew: bool = False) -> None:
        if self.memory is not None:
            await self.memory.save(self.settings, model, [*self._learned[model].values()], anew=anew)

    def tell(self, model: str, sentence: str) -> None:
        """Keep a sentence about a model for the pre-flight."""
        if sentence not in self.remarks[model]:
            self.remarks[model].append(sentence)

    async def _as_taken(
        self,
        sending: "_Sending",
        log: CallLog,
        within: float,
        understood: Callable[[object], Reply] = read,
        probing: Sequence[CircuitBreaker] = (),
    ) -> Reply | Failure | None:
        """Send one attempt, and at once again, changed, where the server refuses what can be changed. Return None
        where the endpoint was paused before it was sent.
        """
        for _ in range(MOST_LESSONS):
            sending.keep_up(self.dialect(sending.asked.model))
            outcome = await self._attempt(*sending.next(), log, within, probing, understood)
            if outcome is None:
                return None
            sending.sent()
            learned = None if isinstance(outcome, Reply) else self._lesson(sending, outcome)
            if learned is None or pointless(sending.asked, learned.change):
                break
            sending.tried.append(learned)
        else:
            learned = None
        assert outcome is not None
        if self._keep_lessons(sending, outcome, learned):
            await self._keep(sending.asked.model)
        return outcome if isinstance(outcome, Reply) or learned else _advised(sending, outcome)

    def _lesson(self, sending: "_Sending", failure: Failure) -> Lesson | None:
        objection = failure.complaint
        if objection is None or failure.error not in (BadRequest, Unreachable) or failure.model_unknown:
            return None
        if failure.fault == "endpoint" and 0 < objection.status < 500:
            return None
        return lesson(sending.dialect, objection, sending.asked)

    def _keep_lessons(self, sending: "_Sending", outcome: Reply | Failure, last: Lesson | None) -> bool:
        """Remember what was tried and helped: all of it after a reply. After a failure neither guesses nor what led
        to the same words again. Return whether there is something new.
        """
        model = sending.asked.model
        replied = isinstance(outcome, Reply)
        words = outcome.complaint.words if isinstance(outcome, Failure) and outcome.complaint else ""
        helped = [one for one in sending.tried if replied or not (one.guess or one.words == words)]
        before = len(self._learned[model])
        for one in (*helped, *([last] if last else [])):
            named = f"the server said “{one.words[:120].rstrip('. ')}”"
            because = "the server refused it without a reason" if one.guess else named
            self.remember(model, one.change, because)
            self._learned[model].setdefault(one.change, Learned(one.change, because))
        if isinstance(outcome, Reply):
            self._replied.add(model)
            if another := self.revisions[model].changed(stated_revision(outcome.sent)):
                self.tell(model, another)
            names = {name for name in sending.asked.params if self.dialect(model).takes(name)}
            worked = names & (VERDICTS | {"response_format"})
            unseen = () if outcome.first else ("logprobs", "top_logprobs")
            self.dialects[model] = self.dialect(model).knowing(*worked.difference(unseen))
        return len(self._learned[model]) > before

    # ── one attempt ─────────────────────────────────────────────────────────────────────────────────────────────

    def _check_secrets(self) -> None:
        """Refuse a key or another value that no header can carry, before a transport repeats it in an error."""
        for variable in self.settings.variables():
            value = self.settings.value_of(variable)
            if not (value.isascii() and value.isprintable()):
                raise Forbidden(
                    f"The key in the environment variable {variable} has line breaks or other characters that a key "
                    "cannot have: set it again."
                )

    async def _final(self, failure: Failure, model: str, attempts: int) -> ParticipantError:
        """Return the error to raise. The server's words, or its list of models, distinguish an unknown model from a
        wrong address.
        """
        if failure.model_unknown and not is_sure(str(self.settings.base_url)):
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
        self,
        call: Call,
        number: int,
        log: CallLog,
        within: float,
        probing: Sequence[CircuitBreaker] = (),
        understood: Callable[[object], Reply] = read,
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
            outcome = await self._watched(call, number, request_id, within, understood)
            seconds = time.monotonic() - sent
            if slot is not None and isinstance(outcome, Reply):
                slot.succeeded(_kind(call), seconds, outcome.tokens_out or 0)
            elif slot is not None and isinstance(outcome, Failure) and outcome.overload:
                slot.overloaded()
            if self.patient:
                self._learn(outcome, call.model, sent, probing)
        await log.end(request_id, _ending(outcome, seconds))
        return outcome

    async def _watched(
        self, call: Call, number: int, request_id: str, within: float, understood: Callable[[object], Reply]
    ) -> Reply | Failure:
        """Send one attempt, and count, log and trace it."""
        about = {"call": call.id, "request": request_id, "endpoint": self.name, "attempt": number}
        began, under_way = time.monotonic(), metrics.CALLS_UNDER_WAY.labels(self.name)
        with tracing.span("call", model=call.model, purpose=call.purpose, **about) as span:
            with under_way.track_inprogress():
                outcome = await self._post(call, request_id, within, understood)
            seconds = time.monotonic() - began
            facts = _facts(outcome)
            tracing.note(span, **facts)
        tokens = {kind: facts.get(kind) for kind in ("prompt", "completion", "cached")}
        metrics.ended_call(self.name, str(facts["status"]), seconds, number, tokens)
        event(logger, "A call ended.", **about, seconds=round(seconds, 3), **facts)
        return outcome

    async def _post(
        self,
        call: Call,
        request_id: str,
        within: float,
        understood: Callable[[object], Reply] = read,
    ) -> Reply | Failure:
        body = {**call.params, "model": call.model, "messages": messages(call.segments)}
        try:
            async with asyncio.timeout(within):
                data = await self._transport.send("/chat/completions", body, {"X-Request-Id": request_id})
            if (protocol := spoken_by(data)) is not None:
                raise OtherProtocol(protocol)
            if (objection := complaint_in(data)) is not None:
                raise Refused(200, {}, objection)
            kept = scrubbed(data, self._secrets)
            reply = await beside(understood, kept) if is_large(kept) else understood(kept)
            if len(reply.text) > MOST_TEXT:
                raise Unreadable(*_TOO_MUCH, again=False)
            return reply
        except _TRANSPORT as error:
            return understand(error, self.settings, call.model, within)


def _facts(outcome: Reply | Failure) -> dict[str, Any]:
    """Return what may be logged of an outcome: numbers and kinds, and no word of a reply or a server."""
    if isinstance(outcome, Failure):
        return {"status": outcome.status, "http": outcome.http_status}
    return {
        "status": "ok",
        "http": 200,
        "prompt": outcome.tokens_in,
        "completion": outcome.tokens_out,
        "cached": outcome.tokens_cached,
    }


def _heard(state: EndpointState) -> Failure:
    """Return the failure that another process met."""
    return Failure(
        "http", state.reason, "see that it answers, then go on with --retry-failed", Unreachable, "endpoint"
    )


def _with_wait(failure: Failure) -> Failure:
    """Return the failure with the time that its server asks to wait, where no user would."""
    if (failure.retry_after or 0.0) <= LONG:
        return failure
    back = datetime.now(UTC) + timedelta(seconds=failure.retry_after or 0.0)
    return replace(
        failure, advice=f"it asks to wait until {moment_in_words(back)}: try again then, or {failure.advice}"
    )


def _advised(sending: "_Sending", failure: Failure) -> Failure:
    """Return the failure with what to change, where the user's own settings exclude each other."""
    if failure.complaint is None or failure.fault != "ask":
        return failure
    names = at_odds(sending.dialect, failure.complaint, sending.asked)
    if not names:
        return failure
    several = f"{', '.join(names[:-1])} and {names[-1]}"
    return replace(
        failure,
        advice=f"the participant's settings give {several}, of which this model takes one: leave one out",
    )


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
        return self._sent, self._number + 1

    def sent(self) -> None:
        """Count the attempt that was made."""
        self._number += 1


_TRANSPORT = (Refused, aiohttp.ClientError, OSError, *UNREADABLE)
"""Errors that may happen between here and a reply. Time-outs are OSErrors."""

MOST_TEXT = 1_000_000
"""Most characters of a reply's text. The longest that models write are shorter."""

_TOO_MUCH = f"wrote more than {MOST_TEXT:,} characters", "lower max_tokens, or choose another model"

MOST_NAMED = 30
"""Most models that an error lists."""


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
        reply=stored(outcome.sent),
        tokens_in=outcome.tokens_in,
        tokens_out=outcome.tokens_out,
        tokens_cached=outcome.tokens_cached,
    )
