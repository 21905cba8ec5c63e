"""Estimates: what a claim and its parts are priced at, what is said of these prices, and whether they fit together."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.protocols.core import Facts, Move, PickFacts, Said, Speech
from app.protocols.quotes import only_verified
from app.protocols.trees import NumberFacts

CALLS = {
    "overpriced": "The price is too high.",
    "underpriced": "The price is too low.",
    "fairly priced": "The price is fair.",
}
"""What may be said of a price, and how others read it."""


@dataclass(frozen=True, kw_only=True)
class MovingFacts(Facts):
    """Facts of an argument that is to move a price."""

    step: int
    price: tuple[float, ...]
    """The present price of each answer."""


@dataclass(frozen=True, kw_only=True)
class PartPriceFacts(NumberFacts):
    """Facts of an ask for the price of one part of a claim."""

    whole: float
    """The price of the claim."""
    parts: int
    """How many parts the claim has."""


@dataclass(frozen=True, kw_only=True)
class CallFacts(PickFacts, NumberFacts):
    """Facts of an ask for what is to be said of the price of one part."""


@dataclass(frozen=True, slots=True)
class Level:
    """A claim broken up: what was said of it, and in figures."""

    said: Said
    whole: float
    """Price of the claim."""
    prices: tuple[float, ...] = ()
    """Of its parts."""
    calls: tuple[int, ...] = ()
    """What was said of each price, as an index of CALLS."""
    chosen: int = 0
    """Index of the part that is gone on with."""

    @property
    def price(self) -> float:
        """Price of the part that is gone on with."""
        return self.prices[self.chosen]


def inconsistency(whole: float, parts: Sequence[float]) -> float:
    """How far the price of a claim is from what the prices of its parts leave room for, in [0, 1].

    A claim that is right exactly where all of its parts are can be no likelier than the unlikeliest part, and no less
    likely than 1 less the sum of what each part lacks (the bounds of Fréchet); prices outside of that lose whatever is true.
    """
    most, least = min(parts), max(0.0, 1 - sum(1 - part for part in parts))
    return max(whole - most, least - whole, 0.0)


def measured(price: float, levels: Sequence[Level], leaf: Move) -> dict[str, float]:
    """The prices at both ends, how far each level's fit together, how many were called wrong, and if the leaf holds."""
    off = [inconsistency(level.whole, level.prices) for level in levels]
    called = [list(CALLS)[call] for level in levels for call in level.calls]
    quoted = isinstance(leaf.content, Speech) and bool(only_verified(leaf.content.said))
    return {
        "price": price,
        "leaf_price": levels[-1].price if levels else price,
        "levels": float(len(levels)),
        "inconsistency": max(off, default=0.0),
        **{f"inconsistency/{level}": figure for level, figure in enumerate(off, 1)},
        "overpriced": float(called.count("overpriced")),
        "underpriced": float(called.count("underpriced")),
        "leaf_verified": float(quoted),
    }
