"""The limit on requests at once: its arithmetic on simulated servers, its queue with real tasks."""

import asyncio
import heapq
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.participants.concurrency import Limit, Window


def simulate(
    window: Window,
    seconds: Callable[[int], float],
    *,
    demand: int = 1000,
    quota: int = 10_000,
    replies: int = 4000,
    tokens: Callable[[int], int] = lambda number: 100,
) -> list[int]:
    """Keep `demand` users busy on a server that takes `seconds` with n requests at once and refuses beyond `quota`.

    Returns the window's size after every reply; no time passes but the simulation's own.
    """
    now, sent, sizes = 0.0, 0, []
    under_way: list[tuple[float, int, float, bool]] = []
    for _ in range(replies):
        while len(under_way) < min(window.size, demand):
            refused = len(under_way) >= quota
            takes = 0.01 if refused else seconds(len(under_way) + 1) * tokens(sent) / 100
            heapq.heappush(under_way, (now + takes, sent, now, refused))
            sent += 1
        full = len(under_way) >= window.size
        now, number, since, refused = heapq.heappop(under_way)
        if refused:
            window.overloaded(since, now)
        else:
            window.succeeded("speech", now - since, tokens(number), full=full)
        sizes.append(window.size)
    return sizes


def test_a_server_that_keeps_pace_is_sent_more_and_more_up_to_the_ceiling():
    sizes = simulate(Window(start=8, ceiling=128), lambda at_once: 1.0)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 128


def test_the_window_doubles_each_round_trip_before_the_first_sign_of_load():
    assert simulate(Window(start=8), lambda at_once: 1.0, replies=8 + 16 + 32)[-1] == 64


def test_a_window_that_is_not_used_up_does_not_grow():
    assert set(simulate(Window(start=8), lambda at_once: 1.0, demand=3)) == {8}


def test_a_server_that_serves_sixteen_at_once_is_not_buried_under_requests():
    sizes = simulate(Window(start=4), lambda at_once: max(1.0, at_once / 16), replies=20_000)
    assert min(sizes[-5000:]) >= 16
    assert max(sizes[-5000:]) <= 128


def test_slowness_alone_never_shrinks_the_window_below_its_start():
    slower = iter(range(1, 10_000))
    assert min(simulate(Window(start=8), lambda at_once: float(next(slower)))) == 8


def test_long_replies_after_short_ones_are_no_sign_of_load():
    sizes = simulate(
        Window(start=8, ceiling=64), lambda at_once: 1.0, tokens=lambda number: 100 if number < 300 else 900
    )
    assert sizes[-1] == 64


def test_a_server_that_has_become_slower_for_good_is_not_held_at_the_start():
    window = Window(start=8, ceiling=64)
    simulate(window, lambda at_once: 1.0)
    assert simulate(window, lambda at_once: 9.0, replies=20_000)[-1] == 64


def test_under_a_quota_the_window_stays_about_the_quota():
    sizes = simulate(Window(start=8), lambda at_once: 1.0, quota=20)[-2000:]
    assert max(sizes) <= 22
    assert sum(sizes) / len(sizes) >= 10


def test_refusals_of_one_round_trip_halve_the_window_once():
    window = Window(start=16)
    for moment in range(10):
        window.overloaded(sent=0.0, now=1.0 + moment / 10)
    assert window.size == 8
    window.overloaded(sent=1.5, now=2.0)
    assert window.size == 4


def test_a_window_recovers_after_refusals():
    window = Window(start=8, floor=1)
    for moment in range(10):
        window.overloaded(sent=float(moment), now=moment + 0.5)
    assert window.size == 1
    assert simulate(window, lambda at_once: 1.0)[-1] > 32


@given(
    st.lists(
        st.one_of(
            st.tuples(st.floats(0, 1e6), st.integers(0, 10_000), st.booleans()),
            st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)),
        )
    )
)
def test_the_window_keeps_within_floor_and_ceiling_whatever_happens(events):
    window = Window(start=5, floor=2, ceiling=9)
    for event in events:
        if len(event) == 3:
            window.succeeded("any", event[0], event[1], full=event[2])
        else:
            window.overloaded(*event)
        assert 2 <= window.size <= 9


def test_a_window_without_room_is_refused():
    with pytest.raises(ValueError, match="floor <= start <= ceiling"):
        Window(start=300)


async def hold(limit: Limit, name: str, entered: list[str], leave: asyncio.Event) -> None:
    async with limit.slot():
        entered.append(name)
        await leave.wait()


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_than_the_window_are_let_in_and_the_first_come_first():
    limit, entered = Limit(Window(start=2)), []
    doors = [asyncio.Event() for _ in range(5)]
    tasks = [asyncio.create_task(hold(limit, str(n), entered, doors[n])) for n in range(5)]
    await settle()
    assert entered == ["0", "1"]
    doors[1].set()
    await settle()
    assert entered == ["0", "1", "2"]
    for door in doors:
        door.set()
    await asyncio.gather(*tasks)
    assert entered == ["0", "1", "2", "3", "4"]
    assert limit.under_way == 0


async def test_a_newcomer_does_not_overtake_those_who_wait():
    limit, entered, leave = Limit(Window(start=1)), [], asyncio.Event()
    first = asyncio.create_task(hold(limit, "first", entered, leave))
    await settle()
    waiting = asyncio.create_task(hold(limit, "waiting", entered, leave))
    await settle()
    leave.set()
    newcomer = asyncio.create_task(hold(limit, "newcomer", entered, leave))
    await asyncio.gather(first, waiting, newcomer)
    assert entered == ["first", "waiting", "newcomer"]


async def test_who_gives_up_waiting_takes_no_slot_along():
    limit, entered, leave = Limit(Window(start=1)), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(limit, str(n), entered, leave)) for n in range(3)]
    await settle()
    tasks[1].cancel()
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == ["0", "2"]
    assert limit.under_way == 0


async def test_who_gives_up_in_the_instant_of_being_let_in_hands_the_slot_on():
    limit, entered, leave = Limit(Window(start=1)), [], asyncio.Event()
    waiting: list[asyncio.Task[None]] = []
    async with limit.slot():
        waiting += [asyncio.create_task(hold(limit, str(n), entered, leave)) for n in range(2)]
        await settle()
    waiting[0].cancel()
    leave.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert waiting[0].cancelled()
    assert entered == ["1"]
    assert limit.under_way == 0


async def test_a_slot_is_given_back_when_its_request_fails():
    limit = Limit(Window(start=1))
    with pytest.raises(RuntimeError, match="boom"):
        async with limit.slot():
            raise RuntimeError("boom")
    async with limit.slot():
        assert limit.under_way == 1


async def test_a_shrunken_window_lets_nobody_in_until_enough_have_left():
    limit, entered = Limit(Window(start=4)), []
    doors = [asyncio.Event() for _ in range(5)]
    tasks = [asyncio.create_task(hold(limit, str(n), entered, doors[n])) for n in range(4)]
    await settle()
    limit.window.overloaded(sent=1.0, now=2.0)
    tasks.append(asyncio.create_task(hold(limit, "4", entered, doors[4])))
    for number in range(2):
        doors[number].set()
        await settle()
        assert "4" not in entered
    doors[2].set()
    await settle()
    assert entered[-1] == "4"
    for door in doors:
        door.set()
    await asyncio.gather(*tasks)


async def test_any_mixture_of_leaving_and_giving_up_leaves_no_slot_behind():
    limit, entered, leave = Limit(Window(start=3)), [], asyncio.Event()
    leave.set()
    tasks = [asyncio.create_task(hold(limit, str(n), entered, leave)) for n in range(60)]
    for number, task in enumerate(tasks):
        if number % 3 == 0:
            await asyncio.sleep(0)
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limit.under_way == 0
    assert not limit.full
