"""How many requests one endpoint gets at once: more while it keeps pace, fewer when it refuses."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

PROMPT_TOKENS = 20
"""Weight of a prompt token relative to a written token, so that short and long replies of one kind can be
compared.
"""

SMOOTHING = 0.1
"""Weight of the newest reply in the smoothed pace (an exponential average)."""

FORGETTING = 0.02
"""How far the best pace moves towards the present one with each reply at low load. If the endpoint is slow
without load, it has become slower for good, or gets longer prompts.
"""


@dataclass(slots=True)
class _Pace:
    """Seconds per token for one kind of request: the smoothed value, and its best so far."""

    smoothed: float
    best: float

    def update(self, seconds: float, *, low_load: bool) -> float:
        """Include one reply. Return how many times slower than at best the endpoint is now."""
        self.smoothed += SMOOTHING * (seconds - self.smoothed)
        forgotten = FORGETTING * (self.smoothed - self.best) if low_load else 0.0
        self.best = min(self.smoothed, self.best + forgotten)
        return self.smoothed / self.best if self.best > 0 else 1.0


class Window:
    """The arithmetic of the limit.

    It doubles each round trip until the first sign of load. Then it adds one per round trip and halves on a
    refusal (additive increase, multiplicative decrease: Chiu and Jain 1989). Replies that are `tolerance`
    times slower than at best take one back per round trip, down to `start` (after TCP Vegas: Brakmo and
    Peterson 1995). The tolerance is wide, because a server that batches answers each request more slowly
    under load and still more of them a second.
    """

    def __init__(self, *, start: int = 8, floor: int = 1, ceiling: int = 256, tolerance: float = 4.0) -> None:
        if not 1 <= floor <= start <= ceiling or tolerance <= 1:
            raise ValueError("A window needs 1 <= floor <= start <= ceiling and a tolerance above 1.")
        self._start, self._floor, self._ceiling = float(start), float(floor), float(ceiling)
        self._tolerance = tolerance
        self._size = float(start)
        self._doubling = True
        self._halved_at = float("-inf")
        self._paces: dict[str, _Pace] = {}

    @property
    def size(self) -> int:
        """Requests that may be sent at once."""
        return int(self._size)

    def succeeded(self, kind: str, seconds: float, tokens: int, *, full: bool) -> None:
        """Count a reply. `kind` groups requests of similar duration; `full` says that the window was used up."""
        per_token = seconds / (tokens + PROMPT_TOKENS)
        pace = self._paces.setdefault(kind, _Pace(per_token, per_token))
        if pace.update(per_token, low_load=self._size <= self._start) > self._tolerance:
            self._doubling = False
            self._size = max(self._size - 1 / self._size, min(self._size, self._start))
        elif full:
            step = 1.0 if self._doubling else 1 / self._size
            self._size = min(self._size + step, self._ceiling)

    def restart(self) -> None:
        """Begin small after an outage: a server that has just come up gets one request, then two, then four."""
        self._size, self._doubling = self._floor, True

    def overloaded(self, sent: float, now: float) -> None:
        """Count a request sent at `sent` that was refused or timed out at `now` (seconds of one clock).

        Halve the window at most once a round trip: refusals of requests sent before the last halving are not
        new information.
        """
        self._doubling = False
        if sent >= self._halved_at:
            self._halved_at = now
            self._size = max(self._size / 2, self._floor)


class Slot:
    """Permission to send one request. Report how the request went, or nothing if that is unrelated to load."""

    def __init__(self, limit: "Limit", sent: float) -> None:
        self._limit = limit
        self._sent = sent

    def succeeded(self, kind: str, seconds: float, tokens: int) -> None:
        """Report a reply of `tokens` tokens after `seconds`."""
        self._limit.window.succeeded(kind, seconds, tokens, full=self._limit.full)

    def overloaded(self) -> None:
        """Report that the endpoint refused for load, failed, or did not answer in time."""
        self._limit.window.overloaded(self._sent, self._limit.clock())


class Limit:
    """A queue before one endpoint: first come, first served, with as many at once as the window allows."""

    def __init__(self, window: Window | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.window = window or Window()
        self.clock = clock
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def under_way(self) -> int:
        """Return the number of slots in use."""
        return self._under_way

    @property
    def full(self) -> bool:
        """Return whether another request would have to wait."""
        return self._under_way >= self.window.size

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Wait for a slot, and keep it while the block runs."""
        await self._enter()
        try:
            yield Slot(self, self.clock())
        finally:
            self._under_way -= 1
            self._admit()

    async def _enter(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # Admitted in the same instant: the slot goes to the next one.
                self._under_way -= 1
            self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and not self.full:
            turn = self._waiting.popleft()
            if turn.cancelled():
                continue
            self._under_way += 1
            turn.set_result(None)
