"""What beliefs earn by proper scoring rules, under which a judge expects most by stating what they believe.

Every rule gives a belief a score from 0 to 1, the most for certainty in the right answer. A scoring rule is proper where the expected
score of a stated belief is highest at the true one (Gneiting and Raftery 2007). Paid as a share of a sum, it rewards the truth of
those who are neutral to risk. Paid as the chance of the whole sum, it does so whatever their attitude to risk (Hossain and Okui 2013).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.statistics.scores import WORST_LOG_SCORE, bits
from app.statistics.seeds import generator

Belief = Sequence[float]


def brier(belief: Belief, gold: int) -> float:
    """Return 1 less half the squared distance from certainty in the right answer (Brier 1950)."""
    return 1 - math.fsum((p - (place == gold)) ** 2 for place, p in enumerate(belief)) / 2


def log(belief: Belief, gold: int) -> float:
    """Return the logarithmic score (Good 1952), scaled so that the floor of 1e-4 scores 0. Beliefs below it count as the floor."""
    return 1 - bits(belief[gold]) / WORST_LOG_SCORE


def spherical(belief: Belief, gold: int) -> float:
    """Return the belief in the right answer over the length of the belief."""
    return belief[gold] / math.sqrt(math.fsum(p**2 for p in belief))


RULES: Mapping[str, Callable[[Belief, int], float]] = {"brier": brier, "log": log, "spherical": spherical}


@dataclass(frozen=True, slots=True)
class Earned:
    """What a person earned, as a share of the most that can be earned."""

    share: float
    """From 0 to 1; 0 or 1 where it was drawn."""
    mean: float
    """Mean score over the promised trials; one that was not done scores 0."""
    scored: int
    """Trials that were done."""
    drawn: str | None = None
    """Key of the verdict that decides; None where none is drawn, or where a trial was drawn that was not done."""


def earned(scores: Mapping[str, float], promised: int, *, binarised: bool, seed: int) -> Earned:
    """Return what scores by key of the verdict earn of `promised` trials.

    Each trial counts alike, so that it pays to do all of them. Binarised: one of the promised trials is drawn, and its score is the
    chance of the whole sum. The draws depend on the seed, the keys and the scores alone.
    """
    trials = max(promised, len(scores))
    mean = min(1.0, max(0.0, math.fsum(scores.values()) / trials))
    if not binarised:
        return Earned(mean, mean, len(scores))
    draws = generator(seed, "bonus")
    place, chance = int(draws.integers(trials)), float(draws.random())
    keys = sorted(scores)
    if place >= len(keys):
        return Earned(0.0, mean, len(scores))
    return Earned(float(chance < scores[keys[place]]), mean, len(scores), keys[place])
