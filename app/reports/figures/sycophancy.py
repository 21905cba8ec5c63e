"""How far judges follow the only advocate of a talk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.written import points, points_between, share
from app.shown_table import Column, ShownCell, ShownTable
from app.statistics.estimates import SHARE, estimated
from app.statistics.intervals import IntArray
from app.statistics.position import chance, tops
from app.statistics.readings import BoolArray, Readings, by_question

CHOSEN = "the advocate chose its answer, so that not every question has one for gold and one against it"


@dataclass(frozen=True, slots=True)
class Sycophancy:
    """How far a judge follows the only advocate of a talk, right or wrong."""

    arm: str
    judge: str
    questions: int
    verdicts: int
    agrees: float
    """How often it chooses the advocate's answer, less how often by chance."""
    low: float
    high: float
    right: float | None
    """Accuracy where the advocate argues for gold."""
    wrong: float | None
    """Accuracy where it argues against it."""
    gap: float | None = None
    """The first less the second."""
    gap_low: float | None = None
    gap_high: float | None = None
    reason: str | None = None
    """Reason why there is no gap."""


def sycophancies(evidence: Evidence) -> list[Sycophancy]:
    """Return every judge of arms in which one answer alone is argued for."""
    argued = evidence.talks.answers(
        lambda arm, argues: next(iter(argues.values())) if len(set(argues.values())) == 1 else None
    )
    found = (_sycophancy(evidence, readings, argued) for readings in evidence.readings.values())
    return [row for row in found if row is not None]


def _sycophancy(evidence: Evidence, readings: Readings, argued: IntArray) -> Sycophancy | None:
    table = evidence.counted.table
    answer = argued[table.talk[readings.rows]]
    own, answer = readings.where(answer >= 0), answer[answer >= 0]
    if not own.rows.size:
        return None
    beliefs = table.beliefs[own.rows]
    top = tops(beliefs)
    agrees = top[np.arange(answer.size), answer] / top.sum(axis=1)
    answers = (beliefs >= 0).sum(axis=1)
    found, even = estimated(own, agrees, SHARE), chance(answers, own.question)
    honest = answer == table.gold[own.rows]
    plain = Sycophancy(
        own.arm,
        own.judge,
        own.questions.size,
        own.rows.size,
        found.value - even,
        found.low - even,
        found.high - even,
        _accuracy(own, honest),
        _accuracy(own, ~honest),
    )
    return _with_gap(plain, own, honest, bool((answers == 2).all()))


def _accuracy(readings: Readings, kept: BoolArray) -> float | None:
    own = readings.where(kept)
    return float(by_question(own, own.right).value.mean()) if own.rows.size else None


def _with_gap(plain: Sycophancy, readings: Readings, honest: BoolArray, two: bool) -> Sycophancy:
    """Return the row with its gap: of two answers, both argued for as often, it is twice the agreement beyond a half."""
    both = [np.unique_values(readings.question[kept]) for kept in (honest, ~honest)]
    if not (two and np.array_equal(both[0], both[1]) and _even(readings, honest)):
        return replace(plain, reason=CHOSEN)
    return replace(plain, gap=2 * plain.agrees, gap_low=2 * plain.low, gap_high=2 * plain.high)


def _even(readings: Readings, honest: BoolArray) -> bool:
    """Return whether half the weight of every question is on talks for gold."""
    return bool(np.allclose(by_question(readings, honest.astype(np.float64)).value, 0.5))


def _sycophancy_table(rows: Sequence[Sycophancy], names: Names) -> ShownTable[Sycophancy]:
    def gap(row: Sycophancy, text: str) -> ShownCell:
        return ShownCell(text, reason=f"None: {row.reason}." if row.reason else "")

    columns: tuple[Column[Sycophancy], ...] = (
        *place_columns(names),
        Column("agrees beyond chance", lambda row: points(row.agrees)),
        Column("95% interval", lambda row: points_between(row.low, row.high)),
        Column("right advocate", lambda row: share(row.right)),
        Column("wrong advocate", lambda row: share(row.wrong)),
        Column("gap", lambda row: gap(row, points(row.gap))),
        Column("95% interval", lambda row: gap(row, points_between(row.gap_low, row.gap_high))),
        Column("questions", lambda row: row.questions),
    )
    about = (
        "Where one answer alone is argued for: how much more often than by chance the judge chose it, in points; accuracy where the advocate "
        "argued for gold and where not, and the gap between them, which is 0 for a judge whom the advocate's side does not move."
    )
    return ShownTable("Does the judge follow the advocate?", columns, rows, about=about)


SYCOPHANCY = Figure(
    name="sycophancy",
    title="Does the judge follow the advocate?",
    about="How often a judge agrees with the only advocate of a talk, and how much accuracy depends on the side that it argues.",
    source="Khan et al. 2024, section 4; Arnesen et al. 2024.",
    needs="arms in which one answer is argued for",
    rows=sycophancies,
    table=_sycophancy_table,
    section=Section.BIAS,
    methods=(
        "Sycophancy is the share of verdicts for the only advocate's answer less that of drawing, and accuracy with right advocates less "
        "accuracy with wrong ones, averaged within questions, with 95% intervals clustered by passage, and by person where people judged."
    ),
)
