"""How fast requests are sent to an endpoint that limits them by time: a pace learnt from its refusals."""

from collections import deque

MEASURED = 120.0
"""Longest period, in seconds, over which a pace is measured. A quota that takes longer to refill sets no pace: what it
leaves is used at once.
"""

FASTEST = 20.0
"""Requests a second above which no pace is kept: the window of requests under way is the better limit there."""

CAREFUL = 1.002
"""Growth of the pace with each reply near the pace that was last refused; 20 replies make 4%."""

AT_FIRST = 1.008
"""Growth with each reply before any pace was refused: the first one is measured too low, by the wait before the endpoint
was tried again.
"""

QUICK = 1.03
"""Growth with each reply well below it."""

NEAR = 0.9
"""Share of the refused pace from which on growth is careful, and to which a refusal throws back."""


class Pacer:
    """The time between two requests, once the endpoint has refused some for coming too fast.

    The pace is the number of requests that were answered, from the first of them until the endpoint answers again after
    its refusal, over that time. A server that allows 20 requests in any minute, or in each minute of the clock, gives
    about that. Then it grows with every reply, and is thrown back by refusals. All times are seconds of one clock.
    """

    def __init__(self) -> None:
        self._rate: float | None = None
        self._refused_rate: float | None = None
        self._refused_at: float | None = None
        self._next = float("-inf")
        self._answered: deque[float] = deque()

    @property
    def rate(self) -> float | None:
        """Return the pace in requests a second; None where none is known."""
        return self._rate

    @property
    def interval(self) -> float:
        """Return the seconds between two requests; 0 where no pace is known."""
        return 1 / self._rate if self._rate else 0.0

    def wait(self, now: float) -> float:
        """Return how long the next request has to wait."""
        return max(self._next - now, 0.0) if self._rate else 0.0

    def take(self, now: float) -> None:
        """Send a request as soon as the pace allows it: the next one comes an interval later."""
        self._next = max(self._next, now) + self.interval

    def answered(self, sent: float) -> None:
        """Count a reply to a request sent at `sent`."""
        self._answered.append(sent)
        while self._answered[0] < sent - MEASURED:
            self._answered.popleft()
        if self._rate is not None:
            self._set(self._rate * self._growth)

    @property
    def _growth(self) -> float:
        if self._refused_rate is None or self._rate is None:
            return AT_FIRST
        return QUICK if self._rate < NEAR * self._refused_rate else CAREFUL

    def refused(self, now: float) -> None:
        """Count a refusal for coming too fast."""
        if self._refused_at is None:
            self._refused_at = now

    def reopened(self, now: float) -> None:
        """Learn from the refusals, now that the endpoint answers again; nothing where there were none."""
        if self._refused_at is None:
            return
        first = min(self._answered[0], self._refused_at) if self._answered else self._refused_at
        if now - self._refused_at <= MEASURED:
            measured = max(len(self._answered), 1) / max(now - first, 0.001)
            self._refused_rate = self._rate
            self._set(min(measured, NEAR * self._rate) if self._rate else measured)
        else:
            self._rate = None
        self._next = now + self.interval
        self._refused_at = None
        self._answered.clear()

    def _set(self, rate: float) -> None:
        self._rate = rate if rate < FASTEST else None
