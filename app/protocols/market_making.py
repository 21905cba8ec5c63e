"""Market making: a predictor prices the judge's final belief, and an adversary moves the price until it
settles.
"""

from itertools import pairwise
from math import sqrt
from statistics import fmean, variance
from typing import Self

from pydantic import Field, model_validator

from app.protocols.combinators import Spoken, believe
from app.protocols.core import (
    NO_YES,
    Ask,
    Belief,
    Case,
    Measure,
    Metric,
    Outcome,
    Said,
    Seat,
    Talk,
    paths,
    together,
)
from app.protocols.estimates import MovingFacts

Price = tuple[float, ...]
"""One probability per answer, in the trial's order."""


class MarketMaking(Spoken):
    """An adversary with the passage adds the argument that moves a predictor's price most. The judge reads
    the accepted arguments.
    """

    name = "market-making"
    source = "Hubinger 2020, AI safety via market making (alignmentforum.org/posts/YWwzccGbcHMJMpT45)"
    varies = "a market may settle at its first step or go on for as many as `steps`, each of which asks as much again"

    measures = (
        Measure("steps", "Arguments that moved the price", "arguments"),
        Measure("reversals", "Turns of the price", "turns"),
        Measure("noise", "Spread of one reading of the price", "probability"),
        Measure("tolerance", "Smallest move of the price that counted", "probability"),
        Measure(
            "stopped_by_tolerance", "Markets that settled before their budget was spent", "share", NO_YES
        ),
        Measure("price/", "Price of the first answer after argument", "probability"),
    )
    metrics = (
        Metric("by_judge", "Accuracy of the judge's decision", "share", "mean", "correct"),
        Metric(
            "by_first_price", "Accuracy of the first price's decision", "share", "decision", "price/", at=0
        ),
        Metric(
            "by_last_price", "Accuracy of the last price's decision", "share", "decision", "price/", at=-1
        ),
        Metric(
            "bias_first_price",
            "First price of gold less the judge's belief in it",
            "probability",
            "bias",
            "price/",
            at=0,
        ),
        Metric(
            "distance_last_price",
            "Distance of the last price from the judge's belief",
            "probability",
            "distance",
            "price/",
            at=-1,
        ),
        Metric(
            "kl_last_price",
            "KL of the judge's belief from the last price",
            "bits",
            "divergence",
            "price/",
            at=-1,
        ),
        Metric("kl_price_", "KL of the judge's belief from price", "bits", "divergence", "price/", each=True),
    )

    steps: int = Field(6, ge=1, le=20)
    """Most arguments that are added."""
    candidates: int = Field(8, ge=1, le=32)
    """Arguments that the adversary offers at each step. The one that moves the price most is taken."""
    reads: int = Field(4, ge=2, le=32, multiple_of=2)
    """How often each candidate is read to choose among them, half of the times in each order of the answers.
    """
    price_reads: int = Field(32, ge=2, le=256, multiple_of=2)
    """How often the first price, and the price of each chosen argument, is read; the price is the mean. At
    least 16 readings measure the predictor's noise. 2 is for a predictor that never varies, such as a model
    read by log-probabilities at temperature 0.
    """
    least_move: float = Field(0.05, ge=0, le=1)
    """The smallest move of the price that counts. It is larger where the predictor is noisy."""
    predictor_reads_passage: bool = False
    """Whether the predictor has the passage, as an approximation of a predictor trained to the limit."""

    @model_validator(mode="after")
    def _enough_to_tell_noise(self) -> Self:
        if 2 < self.price_reads < 16:
            raise ValueError("price_reads must be at least 16, or 2 for a predictor that never varies")
        return self

    def seats(self) -> tuple[Seat, ...]:
        """Return the adversary and the predictor. Neither is open to people with the default number of asks."""
        return (
            Seat(
                "adversary",
                "Advocate",
                reads_passage=True,
                people=self.candidates == 1,
                opens="with candidates: 1",
            ),
            Seat("predictor", "Predictor", reads_passage=self.predictor_reads_passage, people=False),
        )

    @property
    def writers(self) -> list[str]:
        """Return the adversary, where it offers more than one argument."""
        return ["adversary"] * (self.candidates > 1)

    @property
    def steady(self) -> dict[str, str]:
        """Return the predictor, where there are too few readings to measure its noise."""
        return {"predictor": "set price_reads to 16 or more"} if self.price_reads == 2 else {}

    def script(self, case: Case) -> Talk[Outcome]:
        """Take the candidate that moves the price most, price it again, and go on as long as that moves the
        price too.
        """
        said: Said = ()
        first = yield from self._read(case, "t0", said, self.price_reads)
        noise = _noise(first)
        # ε: at least twice the standard error of the difference of two prices.
        tolerance = max(self.least_move, 2 * noise * sqrt(2 / self.price_reads))
        prices = [_mean(first)]
        stopped = False
        while len(prices) <= self.steps and not stopped:
            step = f"t{len(prices)}"
            offered = yield [self._offer(step, n, said, prices) for n in range(1, self.candidates + 1)]
            moved = yield from together(
                *(self._read(case, move.path, (*said, (move,)), self.reads) for move in offered)
            )
            best = max(range(len(offered)), key=lambda at: _distance(prices[-1], _mean(moved[at])))
            extended = (*said, (offered[best],))
            # The best of many noisy readings is biased. Only a fresh reading shows whether the argument moves
            # the price.
            price = _mean((yield from self._read(case, f"{step}/taken", extended, self.price_reads)))
            stopped = _distance(prices[-1], price) < tolerance
            if not stopped:
                said = extended
                prices.append(price)
        return Outcome(paths(said), measures=_measures(prices, noise, tolerance, stopped))

    def _offer(self, step: str, number: int, said: Said, prices: list[Price]) -> Ask:
        facts = MovingFacts(step=len(prices), price=tuple(round(share, 4) for share in prices[-1]))
        path = f"{step}/candidate{number}"
        return Ask(path, "adversary", "adversary", "speech", paths(said), limits=self.limits, facts=facts)

    def _read(self, case: Case, path: str, said: Said, count: int) -> Talk[list[Belief]]:
        orders = ((0, 1), (1, 0))
        return together(
            *(
                believe(
                    case, f"{path}/read{n + 1}", "predictor", paths(said), order=orders[n % 2], kind="price"
                )
                for n in range(count)
            )
        )


def _noise(reads: list[Belief]) -> float:
    """Return the standard deviation of the readings within one order of the answers, pooled over both; 0
    where each was read once.
    """
    by_order = [[read.p[0] for read in reads[start::2]] for start in (0, 1)]
    return sqrt(fmean([variance(shares) if len(shares) > 1 else 0.0 for shares in by_order]))


def _mean(reads: list[Belief]) -> Price:
    return tuple(fmean(shares) for shares in zip(*(read.p for read in reads), strict=True))


def _distance(one: Price, other: Price) -> float:
    """Return the total variation: for two answers, the move of the price of either."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 2


def _measures(prices: list[Price], noise: float, tolerance: float, stopped: bool) -> dict[str, float]:
    """Return the path of the price of the trial's first answer, with its figures."""
    path = [price[0] for price in prices]
    moves = [after - before for before, after in pairwise(path)]
    reversals = sum(a * b < 0 for a, b in pairwise(moves))
    return {
        **{f"price/{number}": share for number, share in enumerate(path)},
        "steps": float(len(moves)),
        "reversals": float(reversals),
        "noise": noise,
        "tolerance": tolerance,
        "stopped_by_tolerance": float(stopped),
    }
