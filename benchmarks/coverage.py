"""Coverage of the intervals for people by simulation, and rejections of contrasts without a difference.

`make simulations` runs it and writes the tables into docs/decisions/people.md. The model is logistic: judges, passages and
questions have normal effects on the logit of being right, and the intercept is set so that the mean accuracy is the stated one.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from app.statistics.intervals import DIFFERENCE, FloatArray, IntArray, Scale
from app.statistics.two_way import difference_limits, mean_limits
from benchmarks.pages import table, write

JUDGES, PASSAGES = (3, 5, 10, 20), (8, 20, 50)
ACCURACIES, SPREADS = (0.6, 0.8, 0.92), (0.0, 0.5, 1.0)
QUESTIONS = 5
"""Questions on a passage."""
PASSAGE_SPREAD, QUESTION_SPREAD = 0.7, 0.5
"""Standard deviations, in logits, of passages and of questions on one passage."""
RUNS, BATCH = 4000, 400
SHARE = Scale(low=0.0, high=1.0, unseen=1.0)

Design: TypeAlias = Literal["all", "one", "nested"]
DESIGNS: dict[Design, str] = {
    "all": "Crossed, all: every judge judges every question",
    "one": "Crossed, one: every judge judges one question of each passage, as the arena deals them",
    "nested": "Nested: passages are dealt to judges, or judges to passages where there are more judges",
}
Pairing: TypeAlias = Literal["crossed", "all", "dealt", "apart"]
PAIRINGS: dict[Pairing, str] = {
    "crossed": "one question of each passage a judge, arms alternating",
    "all": "all questions of each passage, arms alternating by judge and passage",
    "dealt": "two judges a passage, one for each arm",
    "apart": "half of the judges in each arm",
}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The place of each verdict of an experiment: (n,) numbers of questions, passages and judges."""

    questions: IntArray
    passages: IntArray
    judges: IntArray


def placed(design: Design, judges: int, passages: int) -> Verdicts:
    """Return the verdicts of a design."""
    if design == "all":
        judge, passage, question = _grid(judges, passages, QUESTIONS)
    elif design == "one":
        judge, passage = _grid(judges, passages)
        question = (judge + passage) % QUESTIONS
    elif passages >= judges:
        passage, question = _grid(passages, QUESTIONS)
        judge = passage % judges
    else:
        judge, question = _grid(judges, QUESTIONS)
        passage = judge % passages
    return Verdicts(passage * QUESTIONS + question, passage, judge)


def paired(pairing: Pairing, judges: int, passages: int) -> tuple[Verdicts, NDArray[np.bool_]]:
    """Return the verdicts on questions that are judged under both arms, and whether each is of the first arm."""
    if pairing == "dealt":
        passage, question, arm = _grid(passages, QUESTIONS, 2)
        other = (passage + 1 + (passage // judges) % (judges - 1)) % judges
        first, judge = arm == 0, np.where(arm == 0, passage % judges, other)
    elif pairing == "all":
        judge, passage, question = _grid(judges, passages, QUESTIONS)
        first = (judge + passage) % 2 == 0
    else:
        judge, passage = _grid(judges, passages)
        question = (judge // 2 + passage) % QUESTIONS
        first = (judge if pairing == "apart" else judge + passage) % 2 == 0
    question = passage * QUESTIONS + question
    both = np.isin(question, np.intersect1d(question[first], question[~first]))
    return Verdicts(question[both], passage[both], judge[both]), first[both]


def _grid(*sizes: int) -> list[IntArray]:
    return [axis.ravel() for axis in np.meshgrid(*map(np.arange, sizes), indexing="ij")]


def intercept(accuracy: float, *spreads: float) -> float:
    """Return the logit at which the mean accuracy over normal effects with these deviations is `accuracy`."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    total = np.sqrt(sum(spread**2 for spread in spreads))
    return float(
        brentq(lambda at: float(weights @ expit(at + total * nodes) / weights.sum()) - accuracy, -10.0, 15.0)
    )


def right(
    rng: np.random.Generator,
    runs: int,
    verdicts: Verdicts,
    accuracy: float,
    spread: float,
    first: NDArray[np.bool_] | None = None,
    taste: float = 0.0,
) -> FloatArray:
    """Draw (runs, n) verdicts, 0 or 1. With `taste`, each judge's skill also differs between the arms by a deviation of that."""
    places = (verdicts.judges, verdicts.passages, verdicts.questions)
    spreads = (spread, PASSAGE_SPREAD, QUESTION_SPREAD)
    at = np.full((runs, verdicts.judges.size), intercept(accuracy, *spreads, taste))
    for place, deviation in zip(places, spreads, strict=True):
        at += deviation * rng.standard_normal((runs, int(place.max()) + 1))[:, place]
    if first is not None and taste:
        own = rng.standard_normal((2, runs, int(verdicts.judges.max()) + 1))
        at += taste * np.where(first, own[0][:, verdicts.judges], own[1][:, verdicts.judges])
    return (rng.random(at.shape) < expit(at)).astype(np.float64)


def covered(
    design: Design,
    judges: int,
    passages: int,
    accuracy: float,
    spread: float,
    runs: int = RUNS,
    seed: int = 1,
) -> tuple[float, float]:
    """Return the share of 95% intervals that contain the true accuracy, and their mean width."""
    rng, verdicts = np.random.default_rng(seed), placed(design, judges, passages)
    places = (verdicts.questions, verdicts.passages, verdicts.judges)
    inside, width = 0, 0.0
    for size in _batches(runs):
        found = mean_limits(right(rng, size, verdicts, accuracy, spread), *places, SHARE)
        inside += int(((found.low <= accuracy) & (accuracy <= found.high)).sum())
        width += float((found.high - found.low).sum())
    return inside / runs, width / runs


def rejected(
    pairing: Pairing,
    judges: int,
    passages: int,
    accuracy: float,
    spread: float,
    taste: float,
    runs: int = RUNS,
    seed: int = 1,
) -> tuple[float, float]:
    """Return how often p ≤ .05 where the arms do not differ, and the mean width of the intervals."""
    rng, (verdicts, first) = np.random.default_rng(seed), paired(pairing, judges, passages)
    places = (verdicts.questions, verdicts.passages, verdicts.judges)
    found_some, width = 0, 0.0
    for size in _batches(runs):
        values = right(rng, size, verdicts, accuracy, spread, first, taste)
        found = difference_limits(values, first, *places, DIFFERENCE)
        found_some += int((found.p <= 0.05).sum())
        width += float((found.high - found.low).sum())
    return found_some / runs, width / runs


def _batches(runs: int) -> Iterator[int]:
    for start in range(0, runs, BATCH):
        yield min(BATCH, runs - start)


def coverage_table(design: Design, runs: int) -> str:
    """Return coverage in percent and mean width, a row for each number of judges and passages."""
    cells = list(product(ACCURACIES, SPREADS))
    rows = [
        (
            str(judges),
            str(passages),
            *(_shown(*covered(design, judges, passages, *cell, runs)) for cell in cells),
        )
        for judges, passages in product(JUDGES, PASSAGES)
    ]
    head = [f"{accuracy:.2f}, {spread:g}"[1:] for accuracy, spread in cells]
    return f"{DESIGNS[design]}.\n\n" + table(["judges", "passages", *head], rows)


def rejection_table(pairing: Pairing, runs: int) -> str:
    """Return rejections in percent and mean width, a row for each number of judges and passages."""
    effects = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.5))
    cells = [(accuracy, *effect) for accuracy in (0.6, 0.92) for effect in effects]
    rows = [
        (
            str(judges),
            str(passages),
            *(_shown(*rejected(pairing, judges, passages, *cell, runs)) for cell in cells),
        )
        for judges, passages in product(JUDGES, PASSAGES)
        if pairing != "apart" or judges > 3
    ]
    head = [f"{accuracy:.2f}, {spread:g}, {taste:g}"[1:] for accuracy, spread, taste in cells]
    return f"{pairing.capitalize()}: {PAIRINGS[pairing]}.\n\n" + table(["judges", "passages", *head], rows)


def _shown(share: float, width: float) -> str:
    return f"{100 * share:.1f} / {width:.2f}"


def main() -> None:
    """Run the simulations and write or print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--print", action="store_true", help="print the tables, and leave the page as it is")
    given = parser.parse_args()
    found = {
        "coverage": "\n\n".join(coverage_table(design, given.runs) for design in DESIGNS),
        "rejections": "\n\n".join(rejection_table(pairing, given.runs) for pairing in PAIRINGS),
    }
    for name, text in found.items():
        if given.print:
            print(text, end="\n\n")
        else:
            write("people.md", name, text)


if __name__ == "__main__":
    main()
