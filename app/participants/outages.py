"""Pauses of an endpoint: it is left alone for everybody while it is away, and tried again after growing waits.

One circuit breaker belongs to one endpoint (or to one model of it) in one process. Its decisions are arithmetic on a
clock; only `admitted` waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from app.participants.base import ParticipantError
from app.participants.pacing import Pacer

if TYPE_CHECKING:  # To read notices needs no transport.
    from app.participants.failures import Failure

BEYOND = "which is longer than the patience"
"""Words of a pause that lasts longer than it is waited for."""

BEHIND = 2.0
"""Seconds by which a process lets another one try an endpoint first that both know to be paused."""

logger = logging.getLogger(__name__)

HOUR = 3600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and after which waits, a request is attempted (seconds, but for `attempts` and `hours`)."""

    attempts: int = 5
    """Most attempts at a request that fails for a reason that may lie in the request, or, where `hours` is 0, in the
    endpoint.
    """
    first: float = 0.5
    """Longest wait after the first attempt. It doubles after each further one."""
    longest: float = 30.0
    asked: float = 60.0
    """Longest wait that a server may ask for; where `hours` is above 0, it may ask for more."""
    hours: float = 0.0
    """How long an endpoint that does not answer is tried again; 0: no longer than for `attempts`."""
    hold: float = 5.0
    """How long a request waits where it is for a paused endpoint, before its work is given back to the queue."""
    pause: float = 1.0
    """Wait before a paused endpoint is tried for the first time. It doubles after each further one."""
    pauses: tuple[float, float] = (15.0, 60.0)
    """Longest such wait, in the first hour and later."""
    returns: float = 0.25
    """Time between two pieces of work that come back from the queue to a paused endpoint."""

    def wait(self, attempt: int, retry_after: float | None, rng: Random) -> float:
        """Return the seconds to wait after the failed `attempt` (from 1): exponential backoff with full
        jitter (Brooker 2015), plus the wait that the server asks for.
        """
        jitter = rng.uniform(0, min(self.first * 2 ** (attempt - 1), self.longest))
        return min(retry_after or 0.0, self.asked) + jitter

    def pause_for(self, tries: int, lasted: float, least: float, rng: Random) -> float:
        """Return the seconds before a paused endpoint is tried again after `tries` failures in `lasted` seconds.

        The wait is drawn between half of a doubling bound and all of it, and is no shorter than `least`.
        """
        bound = min(self.pause * 2.0 ** min(tries - 1, 30), self.pauses[lasted >= HOUR])
        return max(bound * rng.uniform(0.5, 1.0), least * rng.uniform(1.0, 1.05))


LONG = 60.0
"""Seconds: a user who waits for the answer does not wait for longer on a server's word, but is shown the error at once."""

IMPATIENT = Patience()
"""For a user who waits for the answer: a handful of attempts."""


class EndpointPaused(ParticipantError):
    """The endpoint is paused, or its pace used up: no fault of the trial, which goes on `seconds` later."""

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


@dataclass(slots=True)
class Pause:
    """The time since an endpoint was last seen to answer. Times are those of the breaker's clock."""

    since: float
    at: datetime
    failure: Failure
    """The last one."""
    next: float = 0.0
    """When it is tried again."""
    tries: int = 0
    heard: bool = False
    """Whether it is that of another process, which tries the endpoint first."""
    beyond: str = ""
    """What there is to say where the server asks for a longer wait than the patience lasts."""


@dataclass(frozen=True, slots=True)
class Send:
    """A request may be sent `after` so many seconds, as the only one where it is a `probe`."""

    after: float = 0.0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """A request waits where it is, at most so many seconds, then asks again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What there is to say of an endpoint that is paused or has a pace."""

    name: str
    model: str
    """The one that is paused; empty for all."""
    since: datetime | None = None
    """Beginning of the pause; None where it is not paused."""
    reason: str = ""
    """Continues “The endpoint NAME …”."""
    next: datetime | None = None
    rate: float | None = None
    """Learnt pace in requests a second."""


class CircuitBreaker:
    """Whether requests may be sent to an endpoint.

    After a failure of the endpoint, all wait; the first that comes when a wait is over is the probe. Its reply lets all
    go on, its failure begins a longer wait.
    """

    def __init__(
        self,
        name: str,
        patience: Patience,
        *,
        model: str = "",
        clock: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
    ) -> None:
        self.name, self.model, self.patience, self.clock = name, model, patience, clock
        self.paused: Pause | None = None
        self.pacer = Pacer()
        self._rng = rng or Random()
        self._probing = False
        self._returns = float("-inf")
        """When the last piece of work that was given back returns."""
        self._changed: asyncio.Event | None = None

    # ── before a request ────────────────────────────────────────────────────────────────────────────────────────

    async def admitted(self, *, stay: bool) -> bool:
        """Wait until a request may be sent. Return whether it is the probe, which must be followed by `release`.

        With `stay`, wait as long as it takes. Raise EndpointPaused where it takes longer than `patience.hold`, and
        ParticipantError where the patience has run out.
        """
        while True:
            step = self.step(self.clock(), stay=stay)
            if isinstance(step, Wait):
                await self._change(step.seconds)
                continue
            if step.after:
                await asyncio.sleep(step.after)
            if step.probe or self.paused is None:
                return step.probe

    def step(self, now: float, *, stay: bool) -> Send | Wait:
        """Return what a request has to do that wants to be sent now. Raise as `admitted` does."""
        if away := self.turned_away(now, stay=stay):
            raise away
        pause, hold = self.paused, self.patience.hold
        if pause is None:
            after = self.pacer.wait(now)
            self.pacer.take(now)
            return Send(after)
        if not self._probing and now >= pause.next:
            self._probing = True
            return Send(probe=True)
        rest = max(pause.since + hold - now, 0.0) if not stay else hold
        return Wait(min(rest, max(pause.next - now, 0.0)) if not self._probing else rest)

    def turned_away(self, now: float, *, stay: bool = False) -> ParticipantError | None:
        """Return the error for a request that can neither be sent now nor wait for it; None where it can."""
        pause, hold = self.paused, self.patience.hold
        if pause is None:
            wait = self.pacer.wait(now)
            if stay or wait <= hold:
                return None
            return self._paused(f"takes {minutely(self.pacer.rate or 0.0)}", wait, now)
        if now >= pause.next and not self._probing:
            return None
        if now - pause.since >= self.patience.hours * HOUR and not self._probing:
            return self._exhausted(pause.failure)
        if stay or now - pause.since < hold:
            return None
        return self._paused(f"is paused: it {pause.failure.what}", pause.next - now, now)

    def _paused(self, what: str, wait: float, now: float) -> EndpointPaused:
        """Return the error that gives work back, for a while in which no other work returns."""
        apart = max(self.patience.returns, self.pacer.interval / 2)
        self._returns = max(self._returns + apart, now + wait, now + apart)
        return EndpointPaused(f"The endpoint {self.name} {what}.", self._returns - now)

    def _exhausted(self, failure: Failure) -> ParticipantError:
        what = f"{failure.what}, as for the last {self.patience.hours:g} hours"
        return replace(failure, what=what).exception(self.name)

    # ── after it ────────────────────────────────────────────────────────────────────────────────────────────────

    def release(self) -> None:
        """Let another request be the probe."""
        self._probing = False
        self._signal()

    def failed(self, failure: Failure, *, probe: bool) -> None:
        """Count a failure of the endpoint. Requests that were under way when the pause began tell nothing new."""
        now, pause = self.clock(), self.paused
        if failure.http_status == 429:
            self.pacer.refused(now)
        if pause is None:
            pause = self.paused = Pause(now, datetime.now(UTC), failure)
        elif not probe:
            return
        pause.failure, pause.tries, pause.heard = failure, pause.tries + 1, False
        least = max(failure.retry_after or 0.0, 2 * self.pacer.interval)
        wait = self.patience.pause_for(pause.tries, now - pause.since, least, self._rng)
        end = pause.since + self.patience.hours * HOUR
        pause.next = min(now + wait, end) if now < end else now + wait
        pause.beyond = self._beyond(failure, now, end)
        self._signal()

    def hear(self, other: EndpointState | None, failure: Failure | None = None) -> None:
        """Take over the pause of another process with its last failure, or its next try; with None, end a pause that was
        taken over.
        """
        now, pause = self.clock(), self.paused
        if other is None or failure is None or other.since is None or other.next is None:
            if pause is not None and pause.heard and not self._probing:
                self.paused = None
                self._returns = now
                self._signal()
            return
        today = datetime.now(UTC)
        tried = now + (other.next - today).total_seconds() + BEHIND * self._rng.uniform(1.0, 1.5)
        if pause is None:
            lasted = (today - other.since).total_seconds()
            self.paused = Pause(now - lasted, other.since, failure, next=tried, heard=True)
            self._signal()
        elif pause.heard and not self._probing:
            pause.failure = failure
            pause.next = max(pause.next, tried)

    def _beyond(self, failure: Failure, now: float, end: float) -> str:
        """Return what to say of a wait that the patience does not last for; empty where it does."""
        if failure.retry_after is None or now >= end or now + failure.retry_after <= end:
            return ""
        today = datetime.now(UTC)
        back, last = (today + timedelta(seconds=left) for left in (failure.retry_after, end - now))
        sentence = (
            f"it asks to wait until {moment_in_words(back)}, {BEYOND} of {self.patience.hours:g} h (ARENA_PATIENCE): what "
            f"is asked of it fails after {moment_in_words(last)}. Raise ARENA_PATIENCE and start again, or go on with --retry-failed when it is back"
        )
        if self.paused is not None and not self.paused.beyond:
            logger.warning("The endpoint %s %s; %s.", self.name, failure.what, sentence)
        return sentence

    def answered(self, sent: float, *, probe: bool) -> float:
        """Count a reply to a request sent at `sent`. Return how long the pause was that ends with it, in seconds."""
        now, pause = self.clock(), self.paused
        lasted = 0.0
        if pause is not None and probe:
            lasted, self.paused = now - pause.since, None
            self._returns = now
            self.pacer.reopened(now)
            self._signal()
        self.pacer.answered(sent)
        return lasted

    # ── to show it ──────────────────────────────────────────────────────────────────────────────────────────────

    def state(self) -> EndpointState | None:
        """Return what there is to say of the endpoint; None where there is nothing."""
        pause, rate = self.paused, self.pacer.rate
        if pause is None or pause.heard:
            return EndpointState(self.name, self.model, rate=rate) if rate else None
        then = datetime.now(UTC) + timedelta(seconds=max(pause.next - self.clock(), 0.0))
        reason = "; ".join(filter(None, (pause.failure.what, pause.beyond)))
        return EndpointState(self.name, self.model, pause.at, reason, then, rate)

    def _signal(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def _change(self, seconds: float) -> None:
        """Wait for a change, at most so long."""
        if self._changed is None:
            self._changed = asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.001)):
                await self._changed.wait()


def minutely(rate: float) -> str:
    """Return a pace in words. `rate` is in requests a second."""
    minute = 60 * rate
    return (
        f"about {minute:.0f} requests a minute"
        if minute >= 2
        else f"about {60 * minute:.0f} requests an hour"
    )


def in_words(state: EndpointState, now: datetime) -> str:
    """Return the sentence about an endpoint that is paused or has a pace."""
    if state.since is None:
        return f"Endpoint {state.name} takes {minutely(state.rate or 0.0)}: requests are sent at that pace."
    what = f"Model {state.model} at endpoint {state.name}" if state.model else f"Endpoint {state.name}"
    seconds = (state.next - now).total_seconds() if state.next else 0.0
    then = f"next try in {_lasting(seconds)}" if seconds >= 1 else "it is tried now"
    return f"{what} is paused since {state.since.astimezone(UTC):%H:%M} UTC: it {state.reason}; {then}."


def moment_in_words(at: datetime) -> str:
    """Return a moment as it is said, such as “28 November 2026 09:00 UTC”."""
    return f"{at.astimezone(UTC):%d %B %Y %H:%M} UTC".lstrip("0")


def _lasting(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
