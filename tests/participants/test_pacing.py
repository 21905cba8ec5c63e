"""A learnt pace against simulated quotas, on a clock that costs no time."""

from collections import deque
from random import Random

import pytest

from app.participants.base import Unreachable
from app.participants.failures import Failure
from app.participants.outages import CircuitBreaker, EndpointPaused, Patience, Wait
from app.participants.pacing import Pacer

TOO_MANY = Failure("http", "answered 429", "wait", Unreachable, "endpoint", again=True, http_status=429)


class Quota:
    """A server with a quota, and one sender that always has more to send."""

    def __init__(self, most: int, seconds: float, *, by_the_clock: bool = False, seed: int = 0) -> None:
        self.most, self.seconds, self.by_the_clock = most, seconds, by_the_clock
        self.now = 0.0
        self.refused = 0
        self.answered = 0
        self.breaker = CircuitBreaker("big", Patience(hours=12), clock=lambda: self.now, rng=Random(seed))
        self._taken: deque[float] = deque()

    def _takes(self) -> bool:
        start = (
            self.now // self.seconds * self.seconds if self.by_the_clock else self.now - self.seconds + 1e-9
        )
        while self._taken and self._taken[0] < start:
            self._taken.popleft()
        if len(self._taken) < self.most:
            self._taken.append(self.now)
            return True
        return False

    def send(self, requests: int) -> None:
        """Send until so many were answered."""
        while self.answered < requests:
            try:
                step = self.breaker.step(self.now, stay=False)
            except EndpointPaused as away:
                self.now += away.seconds
                continue
            if isinstance(step, Wait):
                self.now += max(step.seconds, 0.001)
                continue
            self.now += step.after
            self._one(probe=step.probe)

    def _one(self, *, probe: bool) -> None:
        sent = self.now
        if self._takes():
            self.answered += 1
            self.now += 0.05
            self.breaker.answered(sent, probe=probe)
        else:
            self.refused += 1
            self.breaker.failed(TOO_MANY, probe=probe)
        if probe:
            self.breaker.release()


@pytest.mark.parametrize("by_the_clock", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_twenty_requests_a_minute_are_sent_at_about_that_pace_and_few_are_refused(by_the_clock, seed):
    quota = Quota(20, 60, by_the_clock=by_the_clock, seed=seed)
    quota.send(200)
    assert quota.refused <= 15
    assert quota.now < 1.25 * 200 / 20 * 60
    assert quota.breaker.pacer.rate is not None
    assert 0.25 < quota.breaker.pacer.rate < 0.45


@pytest.mark.parametrize(("most", "seconds", "requests"), [(3, 60, 60), (60, 60, 900), (500, 60, 4000)])
def test_other_quotas_are_used_too(most, seconds, requests):
    quota = Quota(most, seconds)
    quota.send(requests)
    assert quota.refused <= 0.08 * requests + 15
    assert quota.now < 1.35 * requests / most * seconds


def test_a_quota_of_hours_sets_no_pace():
    pacer = Pacer()
    for second in range(50):
        pacer.answered(second)
    pacer.refused(50)
    pacer.reopened(5 * 3600)
    assert pacer.rate is None
    assert pacer.wait(5 * 3600) == 0


def test_a_pace_above_what_the_window_can_use_is_none():
    pacer = Pacer()
    for tenth in range(400):
        pacer.answered(tenth / 100)
    pacer.refused(4.0)
    pacer.reopened(4.5)
    assert pacer.rate is None


def test_a_pace_spaces_requests_evenly():
    pacer = Pacer()
    for second in range(20):
        pacer.answered(second / 10)
    pacer.refused(2)
    pacer.reopened(60)
    waits = []
    for _ in range(4):
        waits.append(pacer.wait(100))
        pacer.take(100)
    assert waits == pytest.approx([0, 3, 6, 9])
