"""How far an experiment is, shown while the work goes on."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.console import talk
from app.records.progress import Progress as Counts

LINE_EVERY = 10.0
"""Seconds between two lines of progress where stderr is no terminal."""
NEWS_AFTER = 2.0
"""Least seconds before a line that an endpoint was paused, or is back."""


async def show(steps: AsyncIterator[Counts], name: str) -> Counts:
    """Show how far an experiment is until the work ends; returns the last counts."""
    meter = _Meter()
    if not talk.is_terminal:
        return await _lines(steps, name, meter)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[facts]}"), console=talk, transient=True) as bar:
        task = bar.add_task(name, total=None, facts="")
        async for counts in steps:
            bar.update(task, total=counts.total, completed=counts.settled, facts=meter.facts(counts))
    return counts


async def _lines(steps: AsyncIterator[Counts], name: str, meter: "_Meter") -> Counts:
    last, shown = 0.0, ""
    async for counts in steps:
        news = _without_countdown(counts) != shown
        if time.monotonic() - last >= (NEWS_AFTER if news else LINE_EVERY) or not counts.running:
            last, shown = time.monotonic(), _without_countdown(counts)
            done = f"{counts.settled:,} of {counts.total:,} done" if counts.total else "nothing to do"
            talk.print(f"{name}: {done}, {meter.facts(counts)}", soft_wrap=True)
    return counts


@contextmanager
def steps(name: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how many of `total` steps are done while the block runs; yields what to call after each."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if talk.is_terminal:
        with Progress(*columns, console=talk, transient=True) as bar:
            task = bar.add_task(name, total=total)
            yield lambda: bar.advance(task)
        return
    done, last = 0, time.monotonic()

    def advance() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            talk.print(f"{name}: {done} of {total} done", soft_wrap=True)

    yield advance


@contextmanager
def figures(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show which figure of a report is computed while the block runs; yields what to call before each, with its title, its number
    and how many there are.
    """
    if talk.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=talk, transient=True) as bar:
            task = bar.add_task(f"{name}: reading the verdicts", total=None)
            yield lambda title, number, of: bar.update(
                task, description=f"{name}: {title}", total=of, completed=number - 1
            )
        return
    last = time.monotonic()

    def tell(title: str, number: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            talk.print(f"{name}: {title}, figure {number} of {of}", soft_wrap=True, markup=False)

    yield tell


def _without_countdown(counts: Counts) -> str:
    """Return what is said of endpoints, but for the time until their next try."""
    return "\n".join(sentence.rpartition("; ")[0] for sentence in counts.endpoints)


class _Meter:
    """Speed since the work began."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: Counts | None = None

    def facts(self, counts: Counts) -> str:
        """Failures, speed, tokens and the time left, in words."""
        if self._first is None:
            self._first = counts
        seconds = max(time.monotonic() - self._began, 0.001)
        moves = (counts.moves - self._first.moves) / seconds
        settled = counts.settled - self._first.settled
        parts = [f"{counts.count('failed')} failed", *([_pace(moves)] if moves else [])]
        if counts.tokens_in or counts.tokens_out:
            parts.append(f"{_short(counts.tokens_in)} tokens in, {_short(counts.tokens_out)} out")
        paused = any(" is paused since " in sentence for sentence in counts.endpoints)
        if (
            settled and counts.running and not paused
        ):  # The speed so far says nothing about the end of a pause.
            parts.append(f"{_duration(counts.running * seconds / settled)} left")
        others = [counts.turns] if counts.turns and counts.running else []
        said = [*([counts.spending] if counts.spending else []), *counts.endpoints, *others]
        return "; ".join([", ".join(parts), *(sentence.rstrip(".") for sentence in said)])


def _pace(moves: float) -> str:
    """Return moves a second, or a minute where they are few."""
    return f"{moves:.0f} moves/s" if moves >= 2 else f"{max(60 * moves, 1):.0f} moves/min"


def _short(count: int) -> str:
    return f"{count / 1e6:.1f}M" if count >= 1e6 else f"{count / 1e3:.1f}k" if count >= 1e3 else str(count)


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
