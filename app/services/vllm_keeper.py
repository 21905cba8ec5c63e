"""Run a command in a separate process group, and end the group when the standard input ends; knows nothing of the arena.

`python vllm_keeper.py COMMAND …` runs beside the arena and reads a pipe from it. The pipe ends however the arena
ends, so that no server is left behind by an arena that was killed. The exit code is that of the command.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from types import FrameType

GRACE = 15.0
"""Seconds between SIGTERM and SIGKILL."""


def end(child: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to the command's process group, if it is there still."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def end_with_the_input(child: "subprocess.Popen[bytes]") -> None:
    """Wait until the standard input ends. Then end the command, by force where it does not end in time."""
    sys.stdin.buffer.read()
    end(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=GRACE)
    end(child, signal.SIGKILL)


def main() -> None:
    """Run the command named in the arguments until it ends or is ended."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(number: int, frame: FrameType | None) -> None:
        end(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=end_with_the_input, args=(child,), daemon=True).start()
    code = child.wait()
    # What the command has started must not outlive it.
    end(child, signal.SIGKILL)
    # Not `sys.exit`: the thread may hold the standard input, for which the interpreter would wait.
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
