"""Estimates: the prices of a claim and its parts, the prover's opinions of them, and whether they are
consistent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.protocols.core import Facts, Move, PickFacts, Said, Speech
from app.protocols.trees import NumberFacts

CALLS = {
    "overpriced": "The price is too high.",
    "underpriced": "The price is too low.",
    "fairly priced": "The price is fair.",
}
"""The possible opinions of a price, as others read them."""


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
    """A claim that was broken up: its moves and its figures."""

    said: Said
    whole: float
    """Price of the claim."""
    prices: tuple[float, ...] = ()
    """Of its parts."""
    calls: tuple[int, ...] = ()
    """The opinion of each price, as an index of CALLS."""
    chosen: int = 0
    """Index of the part with which the prover goes on."""

    @property
    def price(self) -> float:
        """Return the price of the part with which the prover goes on."""
        return self.prices[self.chosen]


def inconsistency(whole: float, parts: Sequence[float]) -> float:
    """Return the distance of a claim's price from the range that the prices of its parts allow, in [0, 1].

    A claim that is right exactly where all of its parts are can be no likelier than the unlikeliest part, and
    no less likely than 1 less the sum of what each part lacks (the bounds of Fréchet). Prices outside of that
    lose whatever is true.
    """
    most, least = min(parts), max(0.0, 1 - sum(1 - part for part in parts))
    return max(whole - most, least - whole, 0.0)


def measured(price: float, levels: Sequence[Level], leaf: Move) -> dict[str, float]:
    """Return the prices at both ends, the consistency of each level, the number of prices called wrong, and
    whether the leaf has a quote that is in the passage, within the limit or not.
    """
    off = [inconsistency(level.whole, level.prices) for level in levels]
    called = [list(CALLS)[call] for level in levels for call in level.calls]
    quoted = isinstance(leaf.content, Speech) and bool(leaf.content.said.shown_spans)
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
