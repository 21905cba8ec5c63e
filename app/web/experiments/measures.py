"""A trial's own measures for the eye: in words, and the course of a price as a small picture; knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.protocols.core import Protocol

PRICE = "price/"
_LEFT, _TOP, _WIDE, _HIGH = 40.0, 10.0, 270.0, 100.0


@dataclass(frozen=True, slots=True)
class Point:
    """The price after one argument, and its place in the picture, in the picture's units."""

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


def in_words(measures: Mapping[str, float], rules: type[Protocol]) -> list[tuple[str, str]]:
    """Every measure but prices, as its name and value in words, in the order of the protocol."""
    names = sorted((name for name in measures if not _prices(name)), key=rules.rank)
    return [(rules.measure(name).title, rules.measure(name).told(measures[name])) for name in names]


def _prices(name: str) -> bool:
    return name.startswith(PRICE)
