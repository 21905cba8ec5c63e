"""Accuracy by the difficulty of questions: as the task set says, or by how often other judges solve them without help."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np

from app.protocols import FLOOR
from app.reports.charts import PlainRow, colour_and_shape, panels
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place, place_columns
from app.reports.verdict_table import codes
from app.reports.written import between, share
from app.shown_table import Column, Kind, ShownTable
from app.statistics.accuracy import cells
from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import BoolArray, Readings

HARD, EASY = 1 / 3, 2 / 3
"""Shares solved up to which a question is hard, and from which on it is easy."""
SOLVED = (f"hard (at most {HARD:.0%} solved)", "middle", f"easy (at least {EASY:.0%} solved)")
UNDER_NAIVE = "solve rates of other judges under naive arms"
UNDER_ALL = "solve rates of other judges under all arms"


@dataclass(frozen=True, slots=True)
class TierAccuracy:
    """The accuracy of one judge under one arm on the questions of one tier."""

    source: str
    """What the tiers are: a field of the task set, or solve rates."""
    arm: str
    judge: str
    tier: str
    rank: int
    """Place among the tiers of the source, from 0."""
    questions: int
    passages: int
    verdicts: int
    accuracy: float
    low: float
    high: float
    without_tier: int
    """Questions of this arm and judge that have no tier."""


def _rows(evidence: Evidence) -> list[TierAccuracy]:
    """Return the tiers of the task set where it has any, then those of solve rates where others judged the same questions."""
    return [*_of_task_set(evidence), *_of_solve_rates(evidence)]


def _of_task_set(evidence: Evidence) -> Iterator[TierAccuracy]:
    found = evidence.facts.difficulty
    if not found.of:
        return
    table = evidence.counted.table
    names = sorted(set(found.of.values()), key=_by_number)
    ranks = {name: rank for rank, name in enumerate(names)}
    by_key = np.array([ranks.get(found.of.get(key, ""), -1) for key in table.questions.names])
    tiers = by_key[table.questions.codes]
    for place in evidence.cells:
        own = evidence.readings[place]
        yield from _split(f"{found.name} of the task set", own, tiers[own.rows], names)


def _by_number(name: str) -> tuple[int, float, str]:
    """Return a key that sorts numbers as numbers, before words."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _of_solve_rates(evidence: Evidence) -> Iterator[TierAccuracy]:
    naive = [name for name, arm in evidence.facts.arms.items() if arm.protocol == FLOOR.name]
    held = evidence.counted.table.verdicts
    rows = np.flatnonzero(evidence.counted.kept)
    under = np.isin(
        held.arm.codes[rows], [held.arm.names.index(name) for name in naive if name in held.arm.names]
    )
    source = UNDER_NAIVE if under.any() else UNDER_ALL
    rates = _Rates(evidence, rows[under] if under.any() else rows)
    for place in evidence.cells:
        own = evidence.readings[place]
        rate = rates.of_others(own)
        solved = rate[own.question]
        tiers = np.where(np.isnan(solved), -1, (solved > HARD).astype(int) + (solved >= EASY))
        yield from _split(source, own, tiers, SOLVED)


class _Rates:
    """How often each question is solved, by judge: all people count as one."""

    def __init__(self, evidence: Evidence, rows: IntArray) -> None:
        table = evidence.counted.table
        held = table.verdicts
        self._who = np.where(held.person >= 0, -1, codes(table.frame, "judge").codes.astype(np.int64)) + 1
        size = int(held.question.max(initial=0)) + 1, int(self._who.max(initial=0)) + 1
        sums, counts = np.zeros(size), np.zeros(size)
        at = held.question[rows], self._who[rows]
        np.add.at(sums, at, held.right[rows])
        np.add.at(counts, at, 1.0)
        self._there = counts > 0
        self._rate = np.where(self._there, sums / np.maximum(counts, 1), 0.0)

    def of_others(self, own: Readings) -> FloatArray:
        """Return by question the mean over the judges who gave none of these readings; NaN where there are none."""
        others = np.ones(self._rate.shape[1], dtype=np.bool_)
        others[np.unique(self._who[own.rows])] = False
        counts = self._there[:, others].sum(axis=1)
        sums = self._rate[:, others].sum(axis=1)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _split(source: str, own: Readings, tiers: IntArray, names: Sequence[str]) -> Iterator[TierAccuracy]:
    """Yield a row for each tier that has verdicts; none where no question has a tier."""
    without: BoolArray = tiers < 0
    left = np.unique(own.question[without]).size
    for rank, name in enumerate(names):
        if (tiers == rank).any():
            [cell] = cells({(own.arm, own.judge): own.where(tiers == rank)})
            yield TierAccuracy(
                source,
                own.arm,
                own.judge,
                name,
                rank,
                cell.questions,
                cell.passages,
                cell.verdicts,
                cell.accuracy,
                cell.low,
                cell.high,
                left,
            )


# ── shown ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _table(rows: Sequence[TierAccuracy], names: Names) -> ShownTable[TierAccuracy]:
    columns: tuple[Column[TierAccuracy], ...] = (
        Column("tiers by", lambda row: row.source, Kind.WORDS, page_only=True),
        *place_columns(names),
        Column("tier", lambda row: row.tier, Kind.NAME),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("questions", lambda row: row.questions),
        Column("passages", lambda row: row.passages, page_only=True),
        Column("without a tier", lambda row: row.without_tier, page_only=True),
    )
    return ShownTable("Accuracy by difficulty", columns, rows, about=ABOUT)


ABOUT = (
    "Questions by difficulty: as a field of the task set says, and by how often the other judges are right on them, under naive arms "
    "where there are any. A judge's own verdicts never decide its tiers; people count as one judge."
)


def _words(rows: Sequence[TierAccuracy]) -> list[str]:
    sources: Mapping[str, None] = dict.fromkeys(row.source for row in rows)
    found = [f"Tiers of difficulty: {source}." for source in sources]
    if UNDER_ALL in sources:
        found.append(
            "Without a naive arm, tiers rest on verdicts on the same talks: a good talk makes its question look easy."
        )
    return found


def _chart_rows(rows: Sequence[TierAccuracy], names: Names) -> list[PlainRow]:
    """Return the tiers of the first source."""
    shown = [row for row in rows if row.source == rows[0].source]
    return [
        {
            **named_place(names, row),
            "tier": row.tier,
            "rank": row.rank,
            "accuracy": row.accuracy,
            "low": row.low,
            "high": row.high,
            "questions": row.questions,
        }
        for row in shown
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "judge", width)
    order = list(dict.fromkeys(row["tier"] for row in sorted(rows, key=lambda row: row["rank"])))
    unit = alt.Scale(domain=[0, 1])
    base = alt.Chart().encode(
        x=alt.X(
            "tier:O",
            title=None,
            sort=order,
            axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, ' (')"),
        ),
        xOffset=alt.XOffset("judge:N"),
        color=marks["color"],
    )
    accuracy = alt.Y("accuracy:Q", title="accuracy", scale=unit, axis=alt.Axis(format="%"))
    reach = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y=alt.Y("low:Q", scale=unit), y2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(y=accuracy, shape=marks["shape"])
    return panels([reach, dots], rows, "arm", width, 200)


TIERS = Figure(
    name="tiers",
    title="Accuracy by difficulty",
    about="The accuracy of each judge under each arm by tiers of difficulty: of the task set, and by solve rates of the other judges.",
    source="Intervals as for accuracy; solve rates leave out the judge whose accuracy is shown.",
    needs="a field of difficulty in the task set, or another judge's verdicts on the same questions",
    rows=_rows,
    table=_table,
    words=_words,
    section=Section.GROUPS,
    chart=Chart(_chart_rows, _draw, "Accuracy by tier of difficulty under each arm, with 95% intervals."),
    methods=(
        "Tiers of difficulty are those of the task set, or thirds of the share of other judges who are right on a question, under naive arms "
        "where there are any; the judge whose accuracy is shown has no part in its tiers."
    ),
    slow=True,
)
