"""How a judge reads a finished transcript: a separate script, the same for models and people."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.protocols.combinators import believe
from app.protocols.core import Belief, Case, Shown, Talk, together
from app.protocols.marks import (
    mark,
    mark_place,
)

Elicit = Literal["final", "each_step"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The beliefs of one judge in one reading order."""

    order: tuple[int, ...]
    belief: Belief
    beliefs: tuple[Belief, ...]
    """Before the first step, after it, …, after the last; only the final one where `elicit` is `final`."""


def place(order: int, step: int) -> str:
    """Return the path of the belief in a reading order after a step; step 0 is before the transcript."""
    return f"judging/order{order}/step{step}"


def read_at(path: str) -> str:
    """Return the path without the number of its reading order: the same for all readings of the same words."""
    return _ORDER.sub("", path)


_ORDER = re.compile(r"(?<=^judging/)order\d+/")


def step_of(path: str) -> int:
    """Return the step of a path that `place` made."""
    return int(path.rpartition("/step")[2])


def last_places(steps: int, points: Mapping[str, int]) -> set[str]:
    """Return the paths that end a reading of this many steps in one order: once all are recorded, nothing
    more is asked.
    """
    marks = {mark_place(path, number) for path, count in points.items() for number in range(1, count + 1)}
    return {place(0, steps), *marks}


def orders(answers: int, count: int) -> tuple[tuple[int, ...], ...]:
    """Return the first `count` of the two orders in which answers are read: the given one, and the reverse."""
    forward = tuple(range(answers))
    return (forward, forward[::-1])[:count]


def judge(
    case: Case,
    transcript: Shown,
    elicit: Elicit,
    reading: tuple[tuple[int, ...], ...],
    seat: str,
    points: Mapping[str, int] | None = None,
) -> Talk[tuple[Reading, ...]]:
    """Judge `transcript` once in each order of `reading` (which may name one several times), independently; then mark the `points` of its moves,
    once.
    """
    readings = yield from together(
        *(_read(case, transcript, elicit, order, seat, number) for number, order in enumerate(reading))
    )
    if points:
        yield from mark(seat, transcript, reading[0], points)
    return tuple(readings)


def _read(
    case: Case, transcript: Shown, elicit: Elicit, order: tuple[int, ...], seat: str, number: int
) -> Talk[Reading]:
    first = 0 if elicit == "each_step" else len(transcript)
    beliefs = []
    for step in range(first, len(transcript) + 1):
        shown = transcript[:step]
        beliefs.append((yield from believe(case, place(number, step), seat, shown, order=order)))
    return Reading(order, beliefs[-1], tuple(beliefs))
