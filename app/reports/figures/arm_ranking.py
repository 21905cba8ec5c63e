"""Whether two judges rank the arms alike, by accuracy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from app.reports.figures.core import Evidence, Figure, Names, Section
from app.reports.written import between
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.intervals import FloatArray
from app.statistics.rank_agreement import tau_b
from app.statistics.readings import Place, Readings, weights
from app.statistics.resampling import Table, accuracy_table, limits, redrawn
from app.statistics.seeds import generator

FEWEST = 3
"""Fewest arms that make a ranking."""
MOST_JUDGES = 8
"""Most judges that are compared: those with the most verdicts."""
TOO_FEW = "fewer than three arms were judged by both"
ALL_TIED = "one of the two finds all arms equally accurate"
ONE_PASSAGE = "one passage tells nothing about others"


@dataclass(frozen=True, slots=True)
class ArmRanking:
    """Kendall's tau-b between the accuracies of two judges by arm, or the reason why there is none."""

    first: str
    second: str
    arms: Sequence[str]
    """The arms that both judged, the most accurate under the first judge first."""
    best: tuple[str, str]
    """The most accurate arm under either."""
    passages: int
    tau: float | None = None
    low: float | None = None
    high: float | None = None
    alike: float | None = None
    """Share of the draws in which both have the same most accurate arm."""
    reason: str | None = None


def arm_rankings(readings: Mapping[Place, Readings], *, seed: int) -> list[ArmRanking]:
    """Return every two judges with two arms or more in common, in the order of their names. Codes are those of one frame."""
    places, accuracies, draws, passages = _redrawn(readings, seed)
    found = []
    for first, second in combinations(sorted({judge for _, judge in places}), 2):
        own = [_of(places, first), _of(places, second)]
        common = sorted(own[0].keys() & own[1].keys())
        if len(common) > 1:
            at = [[arms[arm] for arm in common] for arms in own]
            found.append(_ranking(first, second, common, at, accuracies, draws, passages))
    return found


def _of(places: Sequence[Place], judge: str) -> dict[str, int]:
    return {arm: at for at, (arm, own) in enumerate(places) if own == judge}


def _redrawn(
    readings: Mapping[Place, Readings], seed: int
) -> tuple[list[Place], FloatArray, FloatArray, int]:
    """Return arms and judges, (cells,) accuracies, (draws, cells) of them on passages and people drawn anew, and the number of passages."""
    places = list(_compared(readings))
    if not places:
        return [], np.zeros(0), np.zeros((0, 0)), 0
    held = [readings[place] for place in places]
    accuracies = np.array([float(weights(own) @ own.right) for own in held])
    codes = np.unique(np.concatenate([own.passage for own in held]))
    tables = [accuracy_table(own) for own in held]
    moved = [Table(np.searchsorted(codes, own.passage), own.person, own.values) for own in tables]
    people = 1 + max(int(own.person.max(initial=-1)) for own in held)
    sums = redrawn(moved, generator("arm_ranking", seed), codes.size, people)
    with np.errstate(invalid="ignore"):
        draws = np.stack([own[:, 0] / own[:, 1] for own in sums], axis=1)
    return places, accuracies, draws, int(codes.size)


def _compared(readings: Mapping[Place, Readings]) -> Iterator[Place]:
    """Yield the places of the judges with the most verdicts, where two or more judges have several arms."""
    counts: dict[str, int] = {}
    arms: dict[str, int] = {}
    for (_, judge), own in readings.items():
        counts[judge] = counts.get(judge, 0) + own.rows.size
        arms[judge] = arms.get(judge, 0) + 1
    several = sorted(
        (judge for judge in counts if arms[judge] > 1), key=lambda judge: (-counts[judge], judge)
    )
    if len(several) > 1:
        yield from (place for place in readings if place[1] in several[:MOST_JUDGES])


def _ranking(
    first: str,
    second: str,
    arms: Sequence[str],
    at: Sequence[Sequence[int]],
    accuracies: FloatArray,
    draws: FloatArray,
    passages: int,
) -> ArmRanking:
    one, other = (accuracies[list(places)] for places in at)
    ranked = [arms[place] for place in np.argsort(-one, kind="stable")]
    best = (ranked[0], arms[int(other.argmax())])
    plain = ArmRanking(first, second, ranked, best, passages)
    if len(arms) < FEWEST:
        return replace(plain, reason=TOO_FEW)
    tau = float(tau_b(one, other))
    if np.isnan(tau):
        return replace(plain, reason=ALL_TIED)
    again = [draws[:, list(places)] for places in at]
    ends = limits(tau_b(*again), passages)
    if ends is None:
        return replace(plain, tau=tau, reason=ONE_PASSAGE)
    alike = float((again[0].argmax(axis=1) == again[1].argmax(axis=1)).mean())
    return replace(plain, tau=tau, low=min(ends[0], tau), high=max(ends[1], tau), alike=alike)


def _table(rows: Sequence[ArmRanking], names: Names) -> ShownTable[ArmRanking]:
    def why(row: ArmRanking, text: str) -> ShownCell:
        return ShownCell(text, reason=f"None: {row.reason}." if text == ABSENT and row.reason else "")

    columns: tuple[Column[ArmRanking], ...] = (
        Column("judge", lambda row: names.names(row.arms[0], row.first)[1], Kind.NAME),
        Column("with", lambda row: names.names(row.arms[0], row.second)[1], Kind.NAME),
        Column("τ", lambda row: why(row, ABSENT if row.tau is None else f"{row.tau:.2f}")),
        Column("95% interval", lambda row: why(row, between(row.low, row.high, "{:.2f}"))),
        Column("same best arm", lambda row: why(row, ABSENT if row.alike is None else f"{row.alike:.0%}")),
        Column("best arms", lambda row: " and ".join(dict.fromkeys(row.best)), Kind.WORDS),
        Column("arms", lambda row: len(row.arms)),
        Column("passages", lambda row: row.passages, page_only=True),
    )
    about = (
        "Kendall's τ between two judges' accuracies by arm: 1 where they rank the arms alike, −1 where in reverse. Same best arm: "
        "the share of bootstrap draws in which both find one arm most accurate."
    )
    return ShownTable("Are the arms ranked alike?", columns, rows, about=about)


def _rows(evidence: Evidence) -> list[ArmRanking]:
    return arm_rankings(evidence.readings, seed=evidence.seed)


ARM_RANKING = Figure(
    name="arm_ranking",
    title="Are the arms ranked alike?",
    about="Whether two judges rank the arms alike by accuracy; of more than eight judges, those with the most verdicts.",
    source="Kendall 1945 (tau-b); Owen and Eckles 2012 and Hesterberg 2015 for the bootstrap.",
    needs="two judges of two arms or more; three arms for a figure",
    rows=_rows,
    table=_table,
    section=Section.AGREEMENT,
    methods=(
        "Whether judges rank the arms alike was measured by Kendall's tau-b between their accuracies by arm, with 95% intervals from a "
        "bootstrap over passages, and over people where people judged."
    ),
    slow=True,
)
