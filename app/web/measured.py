"""A trial's own measures for the eye: in words, and the course of a price as a small picture; knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass

PRICE = "price/"
WORDS = {
    "steps": "Arguments that moved the price",
    "reversals": "Times the price turned round",
    "noise": "Spread of one reading of the price",
    "tolerance": "Smallest move that counts",
    "stopped_by_tolerance": "Ended because no argument moved the price",
    "continuations": "Rounds after the first",
    "penalty": "Bits that these cost the judge",
    "swings": "Times the judge's belief swung",
}
"""What the measures of protocols are called."""
_LEFT, _TOP, _WIDE, _HIGH = 40.0, 10.0, 270.0, 100.0


@dataclass(frozen=True, slots=True)
class Point:
    """The price after one argument, and where it stands in the picture, in its own units."""

    step: int
    """0 is before any argument."""
    share: float
    """Of the trial's first answer, from 0 to 1."""
    x: float
    y: float


def course(measures: Mapping[str, float]) -> list[Point]:
    """The price by step, oldest first; nothing where the protocol makes no price."""
    path = sorted((int(name.removeprefix(PRICE)), share) for name, share in measures.items() if _prices(name))
    wide = _WIDE / max(len(path) - 1, 1)
    return [
        Point(step, share, round(_LEFT + wide * place, 1), round(_TOP + _HIGH * (1 - share), 1))
        for place, (step, share) in enumerate(path)
    ]


def in_words(measures: Mapping[str, float]) -> list[tuple[str, str]]:
    """Every measure but prices, as its name and value in words."""
    return [
        (WORDS.get(name, name), _value(name, value)) for name, value in measures.items() if not _prices(name)
    ]


def _prices(name: str) -> bool:
    return name.startswith(PRICE)


def _value(name: str, value: float) -> str:
    if name == "stopped_by_tolerance":
        return "yes" if value else "no"
    return f"{100 * value:.1f} points of 100" if name in ("noise", "tolerance") else f"{value:g}"
