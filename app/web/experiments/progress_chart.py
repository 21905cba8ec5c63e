"""How fast an experiment goes, for the eye: bars of a small picture, and times in words; knows no database."""

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 32
"""Of the picture, in its own units; each bar is one unit wide."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, measured from the upper left corner."""

    x: int
    y: float
    height: float


def bars(counts: Sequence[int]) -> list[Bar]:
    """The bars of counts, the highest as high as the picture; none for nothing, at least a line for anything."""
    most = max(counts, default=0)
    heights = [(place, max(HEIGHT * count / most, 1.0)) for place, count in enumerate(counts) if count]
    return [Bar(place, round(HEIGHT - height, 1), round(height, 1)) for place, height in heights]


def lasting(seconds: float) -> str:
    """A time in words, as exactly as an estimate deserves."""
    if seconds < 90:
        return "about a minute"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} minutes"
    hours = seconds / 3600
    return f"about {hours:.0f} hours" if hours < 36 else f"about {hours / 24:.0f} days"
