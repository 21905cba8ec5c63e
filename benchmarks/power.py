"""Power by formula against simulations of the test that reports make.

`make simulations` runs it and writes the tables into docs/decisions/power.md.
"""

import argparse
from collections.abc import Iterator
from itertools import product

import numpy as np

from app.statistics.contrasts import SKEWED, flip_tests, skewness
from app.statistics.power import (
    LEVEL,
    Comparison,
    connor,
    exact_power,
    formula_holds,
    formula_power,
    passage_totals,
    questions_alone,
    smallest_difference,
)
from benchmarks.pages import table, write

RUNS, BATCH = 20_000, 2000
FLIPS = 2000
PASSAGES, PER_PASSAGE, CORRELATIONS, DISCORDANCES, CONTRASTS = (
    (30, 60, 100),
    (1, 3, 6),
    (0.0, 0.2),
    (0.2, 0.3, 0.5),
    (1, 4),
)


def simulated(difference: float, held: Comparison, runs: int, seed: int = 1) -> float:
    """Return the share of experiments in which the test rejects, with 2,000 drawn flips where it draws 10,000."""
    rng = np.random.default_rng(seed)
    sizes = np.full(held.passages, held.questions // held.passages)
    sizes[: held.questions % held.passages] += 1
    rejected = 0
    for start in range(0, runs, BATCH):
        totals = passage_totals(rng, min(BATCH, runs - start), sizes, difference, held)
        rejected += int((flip_tests(totals, rng, FLIPS) <= held.level).sum())
    return rejected / runs


def comparisons() -> Iterator[Comparison]:
    """Yield the grid: one reading, then two with a correlation of a half."""
    for contrasts, passages, each, correlation, discordance in product(
        CONTRASTS, PASSAGES, PER_PASSAGE, CORRELATIONS, DISCORDANCES
    ):
        if each > 1 or correlation == 0:
            yield Comparison(passages * each, passages, discordance, correlation, contrasts=contrasts)
    for passages, each in product(PASSAGES, (3, 6)):
        yield Comparison(passages * each, passages, 0.3, 0.2, readings=2, reading_correlation=0.5)


def grid_table(runs: int) -> str:
    """Return the power said and that of the simulation at the difference with 80%, for all comparisons that need no simulation."""
    rows, worst = [], 0.0
    for held in comparisons():
        found = smallest_difference(held)
        if found is None or found.method == "simulation":
            continue
        exact = found.method == "exact"
        said = exact_power(found.value, held) if exact else formula_power(found.value, held)
        true = simulated(found.value, held, runs)
        worst = max(worst, abs(said - true))
        rows.append(
            (
                str(held.passages),
                f"{held.questions / held.passages:g}",
                f"{held.correlation:g}",
                f"{held.discordance:g}",
                str(held.readings),
                str(held.contrasts),
                found.method,
                f"{100 * found.value:.1f}",
                f"{100 * said:.1f}",
                f"{100 * true:.1f}",
            )
        )
    head = [
        "passages",
        "questions each",
        "correlation",
        "discordance",
        "readings",
        "contrasts",
        "method",
        "difference",
        "said",
        "simulated",
    ]
    return f"The largest disagreement is {100 * worst:.1f} points.\n\n{table(head, rows)}"


def outside_table(runs: int) -> str:
    """Return what the formula would say where it does not hold, and the truth."""
    cases = [
        (0.22, Comparison(60, 10)),
        (0.22, Comparison(60, 10, correlation=0.1)),
        (0.30, Comparison(24, 8, 0.5)),
        (0.20, Comparison(60, 20)),
        (0.18, Comparison(120, 20, 0.2)),
        (0.15, Comparison(180, 30, 0.2, contrasts=4)),
        (0.112, Comparison(250, 50)),
    ]
    rows = [
        (
            str(held.questions),
            str(held.passages),
            f"{held.correlation:g}",
            f"{held.discordance:g}",
            str(held.contrasts),
            f"{100 * difference:g}",
            "yes" if formula_holds(difference, held) else "no",
            f"{100 * formula_power(difference, held):.1f}",
            f"{100 * simulated(difference, held, runs):.1f}",
        )
        for difference, held in cases
    ]
    head = [
        "questions",
        "passages",
        "correlation",
        "discordance",
        "contrasts",
        "difference",
        "holds",
        "formula",
        "simulated",
    ]
    return table(head, rows)


def published_table() -> str:
    """Return the questions needed on passages of their own, beside published formulas."""
    rows = []
    for difference, discordance in ((0.10, 0.30), (0.15, 0.25), (0.20, 0.30), (0.05, 0.25), (0.03, 0.20)):
        approximate = 7.849 * (discordance - difference**2) / difference**2
        rows.append(
            (
                f"{100 * difference:g}",
                f"{discordance:g}",
                f"{approximate:.0f}",
                f"{connor(difference, discordance):.0f}",
                f"{questions_alone(difference, Comparison(1, 1, discordance)).value:.0f}",
            )
        )
    return table(["difference", "discordance", "approximate", "Connor, Miettinen", "here"], rows)


def level_table(runs: int) -> str:
    """Return how often p ≤ .05 where the mean difference of passages is 0: symmetric, and with one passage in ten a disaster."""
    rows = []
    for passages in (8, 10, 13, 20, 30, 50, 100):
        rng = np.random.default_rng(passages)
        fair = passage_totals(rng, runs, np.full(passages, 5), 1e-9, Comparison(5 * passages, passages))
        skewed = np.where(rng.random((runs, passages)) < 0.1, -0.9, 0.1) + rng.normal(
            0, 0.02, (runs, passages)
        )
        warned = np.mean([abs(skewness(run)) > SKEWED for run in skewed[:2000]])
        shares = [
            np.concatenate([flip_tests(some, rng, FLIPS) for some in np.array_split(totals, 10)]) <= LEVEL
            for totals in (fair, skewed)
        ]
        rows.append(
            (str(passages), *(f"{100 * share.mean():.1f}" for share in shares), f"{100 * warned:.0f}")
        )
    return table(["passages", "symmetric", "skewed", "warned of skewness"], rows)


def main() -> None:
    """Run the simulations and write or print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--print", action="store_true", help="print the tables, and leave the page as it is")
    given = parser.parse_args()
    found = {
        "published": published_table(),
        "grid": grid_table(given.runs),
        "outside": outside_table(given.runs),
        "level": level_table(given.runs),
    }
    for name, text in found.items():
        if given.print:
            print(f"## {name}\n{text}", end="\n\n")
        else:
            write("power.md", name, text)


if __name__ == "__main__":
    main()
