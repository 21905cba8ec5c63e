"""Draws plots in a process of its own, since what draws them holds this one up; knows neither figures nor requests.

Run as a module it is that process: a line of JSON in, a length and a picture out, until its input ends with its parent.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Literal, TypeAlias

import orjson

from app.reports.plots import PLOTS, Row, png, svg

ROOT = Path(__file__).resolve().parents[2]
Drawn: TypeAlias = Literal["svg", "png", "json"]


class PlotProcess:
    """The process that draws, begun when it is first needed. Close it when done."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._free = asyncio.Lock()

    async def draw(self, plot: str, form: Drawn, width: int, rows: list[Row]) -> bytes:
        """A plot as a picture, or as its Vega-Lite spec; one at a time."""
        async with self._free:
            held = self._process
            process = held if held and held.returncode is None else await _begun()
            # Until the answer is there nobody else can use the process: what is half read belongs to nobody.
            self._process = None
            try:
                body = await _asked(process, orjson.dumps([plot, form, width, rows]))
            except BaseException:
                await _ended(process)
                raise
            self._process = process
            return body

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            await _ended(self._process)
            self._process = None


async def _begun() -> Process:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "app.reports.plot_process"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        # Ctrl-C is for the parent alone; this one ends when its input does.
        start_new_session=True,
    )


async def _asked(process: Process, request: bytes) -> bytes:
    assert process.stdin is not None, "it was begun with pipes"
    assert process.stdout is not None, "it was begun with pipes"
    process.stdin.write(request + b"\n")
    await process.stdin.drain()
    size = await process.stdout.readline()
    if not size:
        raise RuntimeError("The process that draws plots has ended: see that altair and vl-convert work.")
    return await process.stdout.readexactly(int(size))


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


def drawn(plot: str, form: Drawn, width: int, rows: list[Row]) -> bytes:
    """Draw here and now."""
    spec = PLOTS[plot].spec(rows, width)
    match form:
        case "svg":
            return svg(spec)
        case "png":
            return png(spec)
        case "json":
            return orjson.dumps(spec, option=orjson.OPT_INDENT_2)


def _serve() -> None:
    # What libraries print must not come between the pictures.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        body = drawn(*orjson.loads(line))
        out.write(b"%d\n" % len(body) + body)
        out.flush()


if __name__ == "__main__":
    _serve()
