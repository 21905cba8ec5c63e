"""How a command runs: to its end or until it is stopped."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The user stopped it."""


class Incomplete(Exception):
    """Part of the work failed; what is done is kept."""


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, with the key of the arena's own vLLM at hand; SIGTERM stops it as Ctrl-C does. Raises Stopped."""
    from app.vllm_key import take_key

    take_key()

    async def stoppable() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(stoppable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Not a KeyboardInterrupt, which the command-line library would take for its own.
        raise Stopped from None
