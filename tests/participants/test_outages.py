"""The circuit breaker on a clock of its own, and the client with it against a server that goes away."""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from app.participants.base import AskLog, BadRequest, NoKey, ParticipantError, Unreachable
from app.participants.client import Client
from app.participants.failures import Failure
from app.participants.outages import (
    HOUR,
    CircuitBreaker,
    EndpointPaused,
    EndpointState,
    Patience,
    Send,
    Wait,
    in_words,
)
from tests.participants.examples import Record, client
from tests.participants.test_client import call
from tests.servers import ScriptedServer

AWAY = Failure("connection", "cannot be reached", "start the server", Unreachable, "endpoint", again=True)
PATIENCE = Patience(hours=12)


class Breaker(CircuitBreaker):
    """A breaker whose time stands still unless a test moves it."""

    def __init__(self, patience: Patience = PATIENCE, seed: int = 0) -> None:
        self.now = 1000.0
        super().__init__("big", patience, clock=lambda: self.now, rng=Random(seed))

    def may(self, *, stay: bool = False) -> Send | Wait:
        return self.step(self.now, stay=stay)

    def try_in_vain(self, failure: Failure = AWAY) -> None:
        """Be the next probe, and fail."""
        assert self.paused is not None
        self.now = max(self.now, self.paused.next)
        assert self.may() == Send(probe=True)
        self.failed(failure, probe=True)
        self.release()

    @property
    def wait(self) -> float:
        assert self.paused is not None
        return self.paused.next - self.now


# ── the breaker ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_held_back_before_a_failure():
    breaker = Breaker()
    assert [breaker.may() for _ in range(100)] == [Send()] * 100
    assert breaker.state() is None


def test_after_a_failure_all_wait_and_the_first_to_come_after_the_wait_is_the_probe():
    breaker = Breaker()
    breaker.failed(AWAY, probe=False)
    assert 0.5 <= breaker.wait <= 1
    assert isinstance(breaker.may(), Wait)
    breaker.now += breaker.wait
    assert breaker.may() == Send(probe=True)
    assert isinstance(breaker.may(), Wait)


def test_requests_that_were_under_way_when_it_closed_do_not_lengthen_the_pause_or_end_it():
    breaker = Breaker()
    sent = breaker.now - 1
    breaker.failed(AWAY, probe=False)
    wait = breaker.wait
    for _ in range(20):
        breaker.failed(AWAY, probe=False)
        breaker.answered(sent, probe=False)
    assert breaker.wait == wait
    assert breaker.paused is not None


def test_the_reply_to_the_probe_lets_all_go_on():
    breaker = Breaker()
    breaker.failed(AWAY, probe=False)
    breaker.try_in_vain()
    breaker.now += breaker.wait
    assert breaker.may() == Send(probe=True)
    assert breaker.answered(breaker.now, probe=True) == pytest.approx(breaker.now - 1000)
    breaker.release()
    assert breaker.may() == Send()


def test_waits_double_to_a_quarter_of_a_minute_and_after_an_hour_to_a_minute():
    breaker = Breaker()
    breaker.failed(AWAY, probe=False)
    waits = [breaker.wait]
    while breaker.now < 1000 + 2 * HOUR:
        breaker.try_in_vain()
        waits.append(breaker.wait)
    for number, most in enumerate((1, 2, 4, 8, 15, 15, 15)):
        assert most / 2 <= waits[number] <= most
    assert 30 <= waits[-1] <= 60
    assert max(waits[:100]) <= 15


def test_what_the_server_asks_to_wait_is_waited_even_for_hours():
    breaker = Breaker()
    breaker.failed(
        Failure("http", "answered 429", "", Unreachable, "endpoint", retry_after=9000), probe=False
    )
    assert 9000 <= breaker.wait <= 9450


def test_a_wait_that_the_patience_does_not_last_for_is_said_at_once(caplog):
    breaker = Breaker(Patience(hours=1))
    quota = Failure("http", "answered 429", "", Unreachable, "endpoint", retry_after=9000)
    breaker.failed(quota, probe=False)
    state = breaker.state()
    assert state is not None
    back = datetime.now(UTC) + timedelta(seconds=9000)
    said = in_words(state, datetime.now(UTC))
    assert f"it asks to wait until {back:%d %B %Y}".replace(" 0", " ") in said
    assert "longer than the patience of 1 h (ARENA_PATIENCE)" in said
    assert "Raise ARENA_PATIENCE and start again, or go on with --retry-failed" in said
    assert len(caplog.records) == 1
    breaker.try_in_vain(AWAY)
    assert "ARENA_PATIENCE" not in in_words(breaker.state() or state, datetime.now(UTC))


def test_but_no_longer_than_the_patience_lasts():
    breaker = Breaker(Patience(hours=1))
    breaker.failed(
        Failure("http", "answered 429", "", Unreachable, "endpoint", retry_after=9000), probe=False
    )
    assert breaker.wait == HOUR


def test_work_is_given_back_after_some_seconds_and_returns_piece_by_piece():
    breaker = Breaker()
    breaker.failed(AWAY, probe=False)
    breaker.now += 4.9
    breaker.try_in_vain()
    assert isinstance(breaker.may(), Wait)
    breaker.now += 0.3
    returns = []
    for _ in range(10):
        with pytest.raises(EndpointPaused, match="The endpoint big is paused: it cannot be reached") as away:
            breaker.may()
        returns.append(away.value.seconds)
    assert returns[0] == pytest.approx(breaker.wait)
    assert [b - a for a, b in pairwise(returns)] == pytest.approx([0.25] * 9)


def test_an_ask_that_got_a_reply_already_is_not_given_back():
    breaker = Breaker()
    breaker.failed(AWAY, probe=False)
    breaker.now += 100
    breaker.try_in_vain()
    assert isinstance(breaker.may(stay=True), Wait)


def test_after_so_many_hours_without_a_reply_asks_fail_with_the_servers_words():
    breaker = Breaker(Patience(hours=2))
    breaker.failed(AWAY, probe=False)
    while breaker.now < 1000 + 2 * HOUR:
        breaker.try_in_vain()
    with pytest.raises(Unreachable) as raised:
        breaker.may()
    assert str(raised.value) == (
        "The endpoint big cannot be reached, as for the last 2 hours: start the server."
    )
    breaker.now += breaker.wait
    assert breaker.may() == Send(probe=True)
    breaker.answered(breaker.now, probe=True)
    breaker.release()
    assert breaker.may() == Send()


def test_a_probe_that_was_cancelled_leaves_the_part_to_another():
    breaker = Breaker()
    breaker.failed(AWAY, probe=False)
    breaker.now += 1
    assert breaker.may() == Send(probe=True)
    breaker.release()
    assert breaker.may() == Send(probe=True)


# ── in words ────────────────────────────────────────────────────────────────────────────────────────────────────

NOON = datetime(2026, 5, 1, 12, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            EndpointState("big", "", NOON, "answered 503", NOON + timedelta(seconds=64)),
            "Endpoint big is paused since 12:03 UTC: it answered 503; next try in 24 s.",
        ),
        (
            EndpointState("big", "huge", NOON, "refused it", NOON + timedelta(hours=3)),
            "Model huge at endpoint big is paused since 12:03 UTC: it refused it; next try in 3.0 h.",
        ),
        (
            EndpointState("big", "", NOON, "answered 503", NOON),
            "Endpoint big is paused since 12:03 UTC: it answered 503; it is tried now.",
        ),
        (
            EndpointState("big", "", rate=1 / 3),
            "Endpoint big takes about 20 requests a minute: requests are sent at that pace.",
        ),
        (
            EndpointState("big", "", rate=1 / 120),
            "Endpoint big takes about 30 requests an hour: requests are sent at that pace.",
        ),
    ],
)
def test_a_pause_and_a_pace_are_one_sentence(state, sentence):
    assert in_words(state, NOON + timedelta(seconds=40)) == sentence


# ── the client ──────────────────────────────────────────────────────────────────────────────────────────────────

SOON = Patience(hours=1, first=0.001, longest=0.002, pause=0.01, pauses=(0.02, 0.02), hold=60)
"""Waits as long as it takes, in short steps."""


@pytest.fixture
async def server():
    async with ScriptedServer() as server:
        yield server


async def text(endpoint: Client, record: Record | None = None, **more: object) -> str:
    log = record or Record()
    return (await endpoint.complete(call(**more), log, within=more.pop("within", 10))).text


@pytest.mark.parametrize(
    "fault", ["402", "408", "429", "502", "503", "504", "529", "401", "404", "429 after 0.01"]
)
async def test_a_fault_of_the_endpoint_is_waited_out_however_often_it_comes(server, fault):
    server.script.faults = deque([fault] * 12)
    record = Record()
    async with client(server.base_url, patience=SOON) as endpoint:
        assert await text(endpoint, record)
    assert record.statuses == ["http"] * 12 + ["ok"]
    assert [number for _, number, _ in record.begun] == list(range(1, 14))


async def test_only_one_request_at_a_time_tries_a_paused_endpoint(server):
    server.script.faults = deque(["503"] * 60)
    async with client(server.base_url, patience=SOON) as endpoint:
        await asyncio.gather(*(text(endpoint, text=f"Say {number}.") for number in range(30)))
    failed = [seen for seen in server.seen if seen.status == 503]
    assert len(failed) == 60
    # The first burst is as large as the window; after it they come one by one.
    alone = sorted(failed[8:], key=lambda seen: seen.arrived)
    assert all(a.left <= b.arrived for a, b in pairwise(alone))
    assert len(server.seen) == 60 + 30


async def test_a_server_that_is_killed_and_started_again_is_waited_for():
    async with ScriptedServer() as first:
        port = int(first.base_url.split(":")[2].removesuffix("/v1"))
        base_url = first.base_url
    record = Record()
    async with client(base_url, patience=SOON) as endpoint:
        task = asyncio.create_task(text(endpoint, record))
        await asyncio.sleep(0.1)
        assert not task.done()
        [state] = endpoint.states()
        assert state.reason.startswith(f"cannot be reached at {base_url}")
        async with ScriptedServer(port=port):
            assert await task
        assert endpoint.states() == []
    assert set(record.statuses) == {"connection", "ok"}


async def test_what_is_wrong_with_one_ask_fails_it_at_once_and_pauses_nothing(server):
    server.script.faults = deque(["400"])
    async with client(server.base_url, patience=SOON) as endpoint:
        with pytest.raises(BadRequest):
            await text(endpoint)
        assert endpoint.states() == []
        assert await text(endpoint)


async def test_a_refused_key_pauses_and_a_key_that_is_not_set_goes_to_another_worker(server, monkeypatch):
    server.script.key = "right"
    monkeypatch.setenv("ARENA_KEY_BIG", "wrong")
    async with client(server.base_url, patience=SOON, api_key_env="ARENA_KEY_BIG") as endpoint:
        task = asyncio.create_task(text(endpoint))
        await asyncio.sleep(0.05)
        [state] = endpoint.states()
        assert "refused the key in the environment variable ARENA_KEY_BIG" in state.reason
        server.script.key = "wrong"
        assert await task
    server.script.key = "right"
    monkeypatch.delenv("ARENA_KEY_BIG")
    async with client(server.base_url, patience=SOON, api_key_env="ARENA_KEY_BIG") as endpoint:
        with pytest.raises(NoKey):
            await text(endpoint)
        assert endpoint.states() == []


async def test_a_model_that_is_gone_pauses_itself_and_no_other(server):
    server.script.models = ("tiny",)
    async with client(server.base_url, patience=SOON) as endpoint:
        gone = asyncio.create_task(text(endpoint, model="large"))
        await asyncio.sleep(0.05)
        assert await text(endpoint, model="tiny")
        assert [state.model for state in endpoint.states()] == ["large"]
        server.script.models = ("tiny", "large")
        assert await gone
        assert endpoint.states() == []


async def test_an_error_that_only_one_ask_gets_fails_it_after_five_attempts_and_a_tiny_request(server):
    server.script.faults = deque(["500"] * 5)
    record = Record()
    async with client(server.base_url, patience=SOON) as endpoint:
        with pytest.raises(Unreachable, match=r"answered 500.* in 5 attempts"):
            await text(endpoint, record)
        assert endpoint.states() == []
    assert record.purposes == ["answer"] * 5 + ["probe"]
    assert record.statuses == ["http"] * 5 + ["ok"]
    tiny = server.seen[-1].body
    assert tiny["max_tokens"] == 16
    assert [message["role"] for message in tiny["messages"]] == ["user"]


async def test_an_error_that_the_tiny_request_gets_too_pauses_the_endpoint(server):
    server.script.faults = deque(["500"] * 9)
    record = Record()
    async with client(server.base_url, patience=SOON) as endpoint:
        assert await text(endpoint, record)
    assert record.purposes[:6] == ["answer"] * 5 + ["probe"]
    assert record.statuses[5] == "http"
    assert record.statuses[-1] == "ok"


async def test_a_model_that_thinks_first_answers_the_tiny_request_without_text(server):
    server.script.faults = deque(["500"] * 5 + ["only thinking"])
    async with client(server.base_url, patience=SOON) as endpoint:
        with pytest.raises(Unreachable, match="answered 500"):
            await text(endpoint)


async def test_a_server_that_hangs_is_found_out_by_a_tiny_request_after_the_first_time_out(
    server, monkeypatch
):
    monkeypatch.setattr("app.participants.client.PROBE_SECONDS", 0.05)
    server.script.faults = deque(["hang"] * 4)
    record = Record()
    async with client(server.base_url, patience=SOON) as endpoint:
        reply = await endpoint.complete(call(), record, within=0.05)
    assert reply.text
    assert record.purposes[:2] == ["answer", "probe"]
    assert record.statuses[:2] == ["timeout", "timeout"]


async def test_after_the_patience_the_ask_fails_with_the_servers_words(server):
    server.script.faults = deque(["503"] * 10_000)
    patience = Patience(hours=0.1 / HOUR, pause=0.01, pauses=(0.02, 0.02))
    async with client(server.base_url, patience=patience) as endpoint:
        with pytest.raises(Unreachable, match="answered 503, saying “told to answer 503”, as for the last"):
            await text(endpoint)


async def test_an_ask_that_has_a_reply_waits_where_it_is(server):
    hasty = Patience(hours=1, pause=0.05, pauses=(0.05, 0.05), hold=0)
    log = AskLog(Record())
    async with client(server.base_url, patience=hasty) as endpoint:
        await endpoint.complete(call(), log, within=10)
        assert log.heard
        server.script.faults = deque(["503"] * 3)
        assert (await endpoint.complete(call(), log, within=10)).text
        server.script.faults = deque(["503"] * 3)
        with pytest.raises(EndpointPaused):
            await endpoint.complete(call(), AskLog(Record()), within=10)


async def test_the_impatient_fail_after_five_attempts_with_one_sentence(server):
    server.script.faults = deque(["503"] * 5)
    async with client(server.base_url) as endpoint:
        with pytest.raises(ParticipantError, match="in 5 attempts"):
            await text(endpoint)
        assert endpoint.states() == []


async def test_a_long_wait_is_shown_while_work_waits():
    async with ScriptedServer() as server, client(server.base_url, patience=Patience(hours=0.0005)) as big:
        server.script.faults = deque(["429 after 7200"] * 9)
        asked = asyncio.create_task(big.complete(call(), Record(), within=5))
        await asyncio.wait_for(server.arrival.wait(), 5)
        await asyncio.sleep(0.2)
        assert "longer than the patience of 0.0005 h (ARENA_PATIENCE)" in big.states()[0].reason
        with pytest.raises(Unreachable, match="answered 429"):
            await asked


async def test_a_user_who_waits_for_the_answer_is_not_kept_for_hours():
    async with ScriptedServer() as server, client(server.base_url) as big:
        server.script.faults = deque(["429 after 7200"] * 9)
        with pytest.raises(Unreachable, match=r"answered 429.*it asks to wait until .* UTC: try again then"):
            await big.complete(call(), Record(), within=5)
        assert len(server.seen) == 1
