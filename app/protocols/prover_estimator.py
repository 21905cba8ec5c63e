"""Prover–estimator debate: a prover breaks its claim up, an estimator without the passage prices every part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from pydantic import Field, model_validator

from app.protocols.combinators import Argued, argued, one_sided
from app.protocols.core import (
    NO_YES,
    Ask,
    Assignment,
    Case,
    Items,
    Limits,
    Measure,
    Move,
    Outcome,
    Pick,
    Rating,
    Said,
    Seat,
    Speech,
    Talk,
    one,
    paths,
)
from app.protocols.quotes import only_verified
from app.protocols.views import number

CALLS = {
    "overpriced": "The price is too high.",
    "underpriced": "The price is too low.",
    "fairly priced": "The price is fair.",
}
"""What the prover may say of a price, and how others read it."""
_CALLED = {"options": list(CALLS), "says": list(CALLS.values())}
SUBCLAIM = Limits(max_words=40)
"""Of each part of a claim."""


class ProverEstimator(Argued):
    """A prover breaks its claim into parts and picks the one whose price is wrong, down to a part that a quote can show."""

    name = "prover-estimator"
    source = "Brown-Cohen, Irving and Piliouras 2025 (arXiv 2506.13609), with a quote as the leaf"
    varies = "the prover breaks a claim into fewer or more parts, each of which is priced"

    measures = (
        Measure("price", "Price of the claim", "probability"),
        Measure("leaf_price", "Price of the part that was gone down to", "probability"),
        Measure("levels", "Times a claim was broken up", "levels"),
        Measure("inconsistency", "Worst misfit of a claim's price and its parts' prices", "probability"),
        Measure("overpriced", "Prices that the prover called too high", "prices"),
        Measure("underpriced", "Prices that the prover called too low", "prices"),
        Measure("leaf_verified", "Last words that hold a verified quote", "share", NO_YES),
        Measure("inconsistency/", "Misfit of prices at level", "probability"),
    )

    depth: int = Field(2, ge=1, le=4)
    """How often a claim is broken up on the way down."""
    least_parts: int = Field(3, ge=2, le=10)
    """Fewest parts of a claim that are accepted from a model without asking again."""
    most_parts: int = Field(5, ge=2, le=10)
    """Most parts of a claim that are priced."""
    target_words: int = Field(60, ge=10, le=2000)
    """Words that the first claim and the leaf are asked to have."""
    min_words: int = Field(0, ge=0, le=2000)
    """Fewest words that are accepted without asking again."""
    max_words: int = Field(75, ge=10, le=4000)
    """Most words that are accepted; a longer text is asked for again, then cut at a sentence."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.least_parts > self.most_parts:
            raise ValueError("least_parts must not be above most_parts")
        return self

    def seats(self) -> tuple[Seat, ...]:
        """The prover, the estimator, and who checks the prover's position."""
        prover = Seat("prover", "Prover", "provers", reads_passage=True, about="claim")
        return self.seated(prover, Seat("estimator", "Estimator", about="claim"))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """One for each answer that the prover may claim: accuracy is the mean over them."""
        return one_sided("prover", answers)

    def script(self, case: Case) -> Talk[Outcome]:
        """A claim and its price; then parts, their prices, what is wrong with these and the part to go on with; a leaf."""
        unquoted = replace(self.limits, quote_characters=0)
        claim = yield from self.spoken(case, Ask("claim", "prover", "claim", "speech", limits=unquoted))
        side = {"side": case.argues["prover"]}
        priced = yield from one(Ask("price", "estimator", "price", "rating", paths((claim,)), facts=side))
        said: Said = (claim, (priced,))
        path, part, price = "", 0, _value(priced)
        levels: list[_Level] = []
        while len(levels) < self.depth:
            level = yield from self._broken_up(path, part, price, said)
            said += level.said
            if not level.prices:
                break
            levels.append(level)
            part, price = level.chosen + 1, level.prices[level.chosen]
            path += f"c{part}/"
        shows, facts = paths(said), {"number": part}
        leaf = yield from self.spoken(
            case, Ask(f"{path}leaf", "prover", "leaf", "speech", shows, None, self.limits, facts)
        )
        outcome = yield from argued(case, (*said, leaf))
        return replace(outcome, measures=_measures(_value(priced), levels, leaf[0]))

    def _broken_up(self, path: str, part: int, price: float, said: Said) -> "Talk[_Level]":
        """One level: the parts of the claim at `path`, their prices one by one, the prover's calls and its choice."""
        most = {"number": part, "least": self.least_parts, "most": self.most_parts}
        kind, shows = "subclaims", paths(said)
        listed = yield from one(Ask(f"{path}subclaims", "prover", kind, "items", shows, None, SUBCLAIM, most))
        told: Said = ((listed,),)
        numbers = range(1, min(_listed(listed), self.most_parts) + 1)
        prices: list[float] = []
        for at in numbers:
            facts = {"number": at, "whole": round(price, 4), "parts": len(numbers)}
            shows = paths((*said, *told))
            asked = Ask(f"{path}c{at}/price", "estimator", "part-price", "rating", shows, facts=facts)
            priced = yield from one(asked)
            told += ((priced,),)
            prices.append(_value(priced))
        if not prices:
            return _Level(told, price, (), (), 0)
        shows = paths((*said, *told))
        calls = yield [
            Ask(f"{path}c{at}/call", "prover", "call", "pick", shows, facts={"number": at, **_CALLED})
            for at in numbers
        ]
        told += (tuple(calls),)
        names = [f"claim {number(f'{path}c{at}/')}" for at in numbers]
        shows = paths((*said, *told))
        chosen = yield from one(
            Ask(
                f"{path}choice",
                "prover",
                "choice",
                "pick",
                shows,
                facts={"options": names, "says": [f"Goes on with {name}." for name in names]},
            )
        )
        called = tuple(_picked(move) for move in calls)
        return _Level((*told, (chosen,)), price, tuple(prices), called, _picked(chosen))


@dataclass(frozen=True, slots=True)
class _Level:
    """A claim broken up: what was said of it, and in figures."""

    said: Said
    whole: float
    """Price of the claim."""
    prices: tuple[float, ...]
    """Of its parts."""
    called: tuple[int, ...]
    """What the prover said of each price, as an index of CALLS."""
    chosen: int
    """Index of the part that the prover goes on with."""


def inconsistency(whole: float, parts: Sequence[float]) -> float:
    """How far the price of a claim is from what the prices of its parts leave room for, in [0, 1].

    A claim that is right exactly where all of its parts are can be no likelier than the unlikeliest part, and no less
    likely than 1 less the sum of what each part lacks (the bounds of Fréchet); prices outside of that lose whatever is true.
    """
    most, least = min(parts), max(0.0, 1 - sum(1 - part for part in parts))
    return max(whole - most, least - whole, 0.0)


def _measures(price: float, levels: list[_Level], leaf: Move) -> dict[str, float]:
    """The prices at both ends, how far each level's fit together, and how many the prover called wrong."""
    off = [inconsistency(level.whole, level.prices) for level in levels]
    called = [list(CALLS)[call] for level in levels for call in level.called]
    quoted = isinstance(leaf.content, Speech) and bool(only_verified(leaf.content.said))
    return {
        "price": price,
        "leaf_price": levels[-1].prices[levels[-1].chosen] if levels else price,
        "levels": float(len(levels)),
        "inconsistency": max(off, default=0.0),
        **{f"inconsistency/{level}": figure for level, figure in enumerate(off, 1)},
        "overpriced": float(called.count("overpriced")),
        "underpriced": float(called.count("underpriced")),
        "leaf_verified": float(quoted),
    }


def _listed(move: Move) -> int:
    assert isinstance(move.content, Items)
    return len(move.content.texts)


def _value(move: Move) -> float:
    assert isinstance(move.content, Rating)
    return move.content.value


def _picked(move: Move) -> int:
    assert isinstance(move.content, Pick)
    return move.content.index
