"""Work on replies that are unusually large, done in a thread so that an event loop serves others meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LARGE = 50_000
"""Characters or bytes from which on a reply is read in a thread. Usual ones are a tenth of it."""


@cache
def _thread() -> ThreadPoolExecutor:
    # One: several would share the processor, and the event loop would have to wait for each of them.
    return ThreadPoolExecutor(1, thread_name_prefix="large-replies")


async def beside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `work` returns, or raise what it raises."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), lambda: work(*args, **kwargs))


def is_large(data: Any) -> bool:
    """Return whether JSON has more text than a usual reply."""
    left, waiting = LARGE, [data]
    while waiting and left > 0:
        item = waiting.pop()
        left -= len(item) if isinstance(item, str | list | dict) else 1
        waiting += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return left <= 0
