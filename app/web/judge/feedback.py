"""Feedback for judges: gold beside their belief, and how often they were right at each level of confidence.

It reads the verdicts that it is given. The records decide which may be shown.
"""

import math
from collections.abc import Sequence
from typing import Any

from app.protocols.views import LETTERS
from app.records.seats import Told
from app.statistics.calibration import reliability
from app.statistics.scores import bits, credit


def feedback(verdict: Told) -> dict[str, Any]:
    """The truth beside the belief, answers in the order in which they were read."""
    return {
        "question": verdict.question,
        "answers": [
            (LETTERS[place], verdict.answers[index], verdict.belief[index], index == verdict.gold)
            for place, index in enumerate(verdict.order)
        ],
        "bits": bits(verdict.belief[verdict.gold]),
        "even": bits(1 / len(verdict.order)),
    }


def calibration(verdicts: Sequence[Told]) -> dict[str, Any]:
    """What `pages/judge_calibration.html` shows."""
    scores = [bits(verdict.belief[verdict.gold]) for verdict in verdicts]
    even = [bits(1 / len(verdict.belief)) for verdict in verdicts]
    rightness = [_rightness(verdict) for verdict in verdicts]
    return {
        "verdicts": len(verdicts),
        "bins": reliability(zip((max(verdict.belief) for verdict in verdicts), rightness, strict=True)),
        "mean_bits": _mean(scores),
        "even_bits": _mean(even),
        "right": math.fsum(rightness),
    }


def _mean(figures: Sequence[float]) -> float | None:
    return math.fsum(figures) / len(figures) if figures else None


def _rightness(verdict: Told) -> float:
    others = verdict.belief[: verdict.gold] + verdict.belief[verdict.gold + 1 :]
    return credit(verdict.belief[verdict.gold], others)
