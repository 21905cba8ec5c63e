"""Prover–estimator debate: a prover breaks its claim up, and an estimator without the passage prices every
part.
"""

from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from app.protocols.combinators import Argued, Brief, argued, one_sided
from app.protocols.core import (
    NO_YES,
    Ask,
    Assignment,
    Case,
    Measure,
    Move,
    Outcome,
    PickFacts,
    Said,
    Seat,
    SideFacts,
    SpeechFacts,
    Talk,
    listed,
    one,
    paths,
    picked,
    rated,
)
from app.protocols.estimates import CALLS, CallFacts, Level, PartPriceFacts, measured
from app.protocols.trees import PART, PartsFacts, PartSpeechFacts, Place
from app.protocols.views import number


class ProverEstimator(Brief, Argued):
    """A prover breaks its claim into parts and picks the one with a wrong price, down to a part that a quote
    can show.
    """

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
        Measure("leaf_verified", "Last words with a quote that is in the passage", "share", NO_YES),
        Measure("inconsistency/", "Misfit of prices at level", "probability"),
    )

    depth: int = Field(2, ge=1, le=4)
    """How often a claim is broken up on the way down."""
    least_parts: int = Field(3, ge=2, le=10)
    """Fewest parts of a claim that are accepted from a model without asking again."""
    most_parts: int = Field(5, ge=2, le=10)
    """Most parts of a claim that are priced."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.least_parts > self.most_parts:
            raise ValueError("least_parts must not be above most_parts")
        return self

    @model_validator(mode="after")
    def _a_leaf_can_quote(self) -> Self:
        if self.quote_characters == 0:
            raise ValueError("quote_characters must be above 0: the leaf is a quote")
        return self

    def seats(self) -> tuple[Seat, ...]:
        """Return the prover, the estimator, and the checker of the prover's position."""
        prover = Seat("prover", "Prover", "provers", reads_passage=True, about="claim")
        return self.seated(prover, Seat("estimator", "Estimator", about="claim"))

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return one assignment per answer that the prover may claim. Accuracy is the mean over them."""
        return one_sided("prover", answers)

    def script(self, case: Case) -> Talk[Outcome]:
        """The prover claims, the estimator prices. Level by level, a claim is broken up and the prover goes
        on with one part, down to a leaf.
        """
        unquoted = replace(self.limits, quote_characters=0, min_quotes=0)
        claim = yield from self.spoken(
            case, Ask("claim", "prover", "claim", "speech", limits=unquoted, facts=SpeechFacts())
        )
        side = SideFacts(side=case.argues["prover"])
        priced = yield from one(Ask("price", "estimator", "price", "rating", paths((claim,)), facts=side))
        said: Said = (claim, (priced,))
        place, price, levels = Place(), rated(priced), list[Level]()
        while len(levels) < self.depth:
            level = yield from self._broken_up(place, price, said)
            said += level.said
            if not level.prices:
                break
            levels.append(level)
            place, price = place.parts("c", len(level.prices))[level.chosen], level.price
        shows, part = paths(said), PartSpeechFacts(number=place.number)
        ask = Ask(f"{place.path}leaf", "prover", "leaf", "speech", shows, limits=self.limits, facts=part)
        leaf = yield from self.spoken(case, ask)
        outcome = yield from argued(case, (*said, leaf))
        return replace(outcome, measures=measured(rated(priced), levels, leaf[0]))

    def _broken_up(self, place: Place, price: float, said: Said) -> Talk[Level]:
        """The prover names the parts of a claim. Each is priced. The prover says which prices are wrong, and
        goes on with one part.
        """
        named = yield from one(self._parts(place, said))
        parts = place.parts("c", min(len(listed(named)), self.most_parts))
        if not parts:
            return Level(((named,),), price)
        prices = yield from _prices(parts, price, (*said, (named,)))
        told: Said = ((named,), *((move,) for move in prices))
        calls = yield [_call(part, (*said, *told)) for part in parts]
        told += (tuple(calls),)
        choice = yield from one(_choice(place, parts, (*said, *told)))
        figures = tuple(map(rated, prices)), tuple(map(picked, calls)), picked(choice)
        return Level((*told, (choice,)), price, *figures)

    def _parts(self, place: Place, said: Said) -> Ask:
        facts = PartsFacts(number=place.number, least=self.least_parts, most=self.most_parts)
        return Ask(f"{place.path}subclaims", "prover", "subclaims", "items", paths(said), None, PART, facts)


def _prices(parts: list[Place], whole: float, said: Said) -> Talk[list[Move]]:
    """Ask the estimator for the price of each part, one by one, so that it sees those before."""
    prices: list[Move] = []
    for part in parts:
        facts = PartPriceFacts(number=part.number, whole=round(whole, 4), parts=len(parts))
        shows = paths((*said, *((move,) for move in prices)))
        ask = Ask(f"{part.path}price", "estimator", "part-price", "rating", shows, facts=facts)
        prices.append((yield from one(ask)))
    return prices


def _call(part: Place, said: Said) -> Ask:
    """Ask the prover for its opinion of the price of a part."""
    facts = CallFacts(number=part.number, options=tuple(CALLS), says=tuple(CALLS.values()))
    return Ask(f"{part.path}call", "prover", "call", "pick", paths(said), facts=facts)


def _choice(place: Place, parts: list[Place], said: Said) -> Ask:
    """Ask the prover which part it goes on with."""
    names = tuple(f"claim {number(part.path)}" for part in parts)
    facts = PickFacts(options=names, says=tuple(f"Goes on with {name}." for name in names))
    return Ask(f"{place.path}choice", "prover", "choice", "pick", paths(said), facts=facts)
