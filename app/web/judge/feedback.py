"""Feedback for judges: what was right beside their belief, why, and how often they were right at each level of confidence.

It reads the verdicts that it is given. The records decide which may be shown.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.protocols.evidence import Span
from app.protocols.views import LETTERS
from app.records.truth import Revealed, Why
from app.statistics.calibration import reliability
from app.statistics.scores import credit, points

AROUND = 240
"""Characters of the passage on each side of evidence that are shown with it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the passage."""

    text: str
    marked: bool


def shown(verdict: Revealed, why: Why) -> dict[str, Any]:
    """Return what `fragments/_feedback.html` shows: the answers in the order in which they were read, and why one is right."""
    return {
        "question": verdict.question,
        "answers": [
            (LETTERS[place], verdict.answers[index], verdict.belief[index], index == verdict.gold)
            for place, index in enumerate(verdict.order)
        ],
        "points": points(verdict.belief[verdict.gold]),
        "even": points(1 / len(verdict.order)),
        "marked": why.marked,
        "excerpts": excerpts(why.passage, why.evidence),
        "passage": stretches(why.passage, why.evidence, (0, len(why.passage))),
    }


def stretches(passage: str, spans: Sequence[Span], within: Span) -> list[Stretch]:
    """Return a part of the passage, cut wherever a span begins or ends."""
    low, high = within
    inner = {edge for span in spans for edge in span if low < edge < high}
    return [
        Stretch(passage[start:end], any(a <= start < b for a, b in spans))
        for start, end in pairwise(sorted({low, high, *inner}))
    ]


def excerpts(passage: str, spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Return the parts of the passage around the spans; those that meet are one."""
    parts: list[list[int]] = []
    for start, end in sorted(spans):
        low, high = _words_from(passage, start - AROUND), _words_to(passage, end + AROUND)
        if parts and low <= parts[-1][1]:
            parts[-1][1] = max(parts[-1][1], high)
        else:
            parts.append([low, high])
    return [
        {
            "before": low > 0,
            "stretches": stretches(passage, spans, (low, high)),
            "after": high < len(passage),
        }
        for low, high in parts
    ]


def _words_from(passage: str, place: int) -> int:
    """Return where the first whole word from a place on begins."""
    if place <= 0:
        return 0
    space = passage.find(" ", place, place + AROUND // 2)
    return place if space < 0 else space + 1


def _words_to(passage: str, place: int) -> int:
    """Return where the last whole word up to a place ends."""
    if place >= len(passage):
        return len(passage)
    space = passage.rfind(" ", place - AROUND // 2, place)
    return place if space < 0 else space


def calibration(verdicts: Sequence[Revealed]) -> dict[str, Any]:
    """What `pages/judge_calibration.html` shows."""
    scores = [points(verdict.belief[verdict.gold]) for verdict in verdicts]
    even = [points(1 / len(verdict.belief)) for verdict in verdicts]
    rightness = [_rightness(verdict) for verdict in verdicts]
    return {
        "verdicts": len(verdicts),
        "bins": reliability(zip((max(verdict.belief) for verdict in verdicts), rightness, strict=True)),
        "mean_points": _mean(scores),
        "even_points": _mean(even),
        "right": math.fsum(rightness),
    }


def _mean(figures: Sequence[float]) -> float | None:
    return math.fsum(figures) / len(figures) if figures else None


def _rightness(verdict: Revealed) -> float:
    others = verdict.belief[: verdict.gold] + verdict.belief[verdict.gold + 1 :]
    return credit(verdict.belief[verdict.gold], others)
