"""Verdicts that accept or reject: the correlation of Matthews and macro-F1 beside accuracy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.written import between, share
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.binary import macro_f1, matthews
from app.statistics.intervals import FloatArray, IntArray
from app.statistics.position import tops
from app.statistics.readings import BoolArray, Readings, weights
from app.statistics.resampling import METHOD, METHOD_OF_PEOPLE, limits, redrawn, table
from app.statistics.seeds import generator

ARGUED = "the answer argued for is right"
"""What is accepted or rejected where one answer alone is argued for."""
ONE_SIDED = "one class or one verdict is missing"


@dataclass(frozen=True, slots=True)
class AcceptReject:
    """One judge under one arm, whose verdicts accept or reject."""

    arm: str
    judge: str
    positive: str
    """What is so, or is not, of each question or talk: that the answer argued for is right, or the answer of fixed meaning that is."""
    questions: int
    verdicts: int
    so: float
    """Share in which it is so."""
    accepted: float
    """Share in which the judge accepts it."""
    accuracy: float
    sensitivity: float | None
    """Accepted, of those in which it is so."""
    specificity: float | None
    """Rejected, of those in which it is not so."""
    mcc: float | None
    """Correlation of Matthews, in [-1, 1]."""
    mcc_low: float | None
    mcc_high: float | None
    f1: float
    """Mean of F1 over both classes."""
    f1_low: float | None
    f1_high: float | None
    method: str
    reason: str | None = None
    """Reason why there is no correlation."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """The verdicts of one judge under one arm with their classes."""

    positive: str
    readings: Readings
    so: BoolArray
    accepted: FloatArray

    @property
    def cells(self) -> FloatArray:
        """Return (n, 4) weights: so and accepted, so and rejected, not so and accepted, not so and rejected."""
        weight = weights(self.readings)
        shares = np.stack([self.accepted, 1 - self.accepted], axis=1) * weight[:, None]
        return np.concatenate([shares * self.so[:, None], shares * ~self.so[:, None]], axis=1)


def accept_reject(evidence: Evidence) -> list[AcceptReject]:
    """Return every judge of arms in which one answer alone is argued for, or of questions that all have the same two answers."""
    held = list(_held(evidence))
    if not held:
        return []
    passages = np.unique(np.concatenate([one.readings.passage for one in held]))
    people = 1 + max(int(one.readings.person.max(initial=-1)) for one in held)
    tables = [
        table(np.searchsorted(passages, one.readings.passage), one.readings.person, one.cells) for one in held
    ]
    draws = redrawn(tables, generator("accept_reject", evidence.seed), passages.size, people)
    return [_row(one, own) for one, own in zip(held, draws, strict=True)]


def _held(evidence: Evidence) -> Iterator[_Held]:
    argued = evidence.talks.answers(
        lambda arm, argues: next(iter(argues.values())) if len(set(argues.values())) == 1 else None
    )
    fixed, name = _fixed(evidence)
    for readings in evidence.readings.values():
        for positive, answer in ((ARGUED, argued), (name, fixed)):
            if answer is not None:
                yield from _classed(evidence, readings, positive, answer)


def _fixed(evidence: Evidence) -> tuple[IntArray | None, str]:
    """Return the place in each talk of the first of two answers that all questions have, and its name."""
    found = evidence.facts.fixed
    if found is None:
        return None, ""
    joined = evidence.facts.talks.select("hash").join(
        found.places, on="hash", how="left", maintain_order="left"
    )
    return joined["place"].fill_null(-1).to_numpy(), f"“{found.texts[0]}” is right, not “{found.texts[1]}”"


def _classed(evidence: Evidence, readings: Readings, positive: str, answer: IntArray) -> Iterator[_Held]:
    frame = evidence.counted.table
    own_answer = answer[frame.talk[readings.rows]]
    own, chosen = readings.where(own_answer >= 0), own_answer[own_answer >= 0]
    if own.rows.size:
        top = tops(frame.beliefs[own.rows])
        accepted = top[np.arange(chosen.size), chosen] / top.sum(axis=1)
        yield _Held(positive, own, chosen == frame.gold[own.rows], accepted)


def _row(held: _Held, draws: FloatArray) -> AcceptReject:
    cells = held.cells.sum(axis=0)
    cells /= cells.sum()
    hit, miss, false, true = (float(cell) for cell in cells)
    mcc, f1 = float(matthews(cells)), float(macro_f1(cells))
    people = held.readings.pooled
    clusters = np.unique_values(held.readings.passage).size
    if people:
        clusters = min(clusters, max(np.unique_values(held.readings.person).size, 2))
    ends = None if np.isnan(mcc) else limits(matthews(draws), clusters)
    f1_ends = limits(macro_f1(draws), clusters)
    return AcceptReject(
        held.readings.arm,
        held.readings.judge,
        held.positive,
        questions=held.readings.questions.size,
        verdicts=held.readings.rows.size,
        so=hit + miss,
        accepted=hit + false,
        accuracy=hit + true,
        sensitivity=hit / (hit + miss) if hit + miss > 0 else None,
        specificity=true / (false + true) if false + true > 0 else None,
        mcc=None if np.isnan(mcc) else mcc,
        mcc_low=min(ends[0], mcc) if ends else None,
        mcc_high=max(ends[1], mcc) if ends else None,
        f1=f1,
        f1_low=min(f1_ends[0], f1) if f1_ends else None,
        f1_high=max(f1_ends[1], f1) if f1_ends else None,
        method=METHOD_OF_PEOPLE if people else METHOD,
        reason=ONE_SIDED if np.isnan(mcc) else None,
    )


def _table(rows: Sequence[AcceptReject], names: Names) -> ShownTable[AcceptReject]:
    def correlation(row: AcceptReject, text: str) -> ShownCell:
        return ShownCell(text, reason=f"None: {row.reason}." if row.reason else "")

    columns: tuple[Column[AcceptReject], ...] = (
        *place_columns(names),
        Column("accepts that", lambda row: row.positive, Kind.WORDS, page_only=True),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("MCC", lambda row: correlation(row, ABSENT if row.mcc is None else f"{row.mcc:.2f}")),
        Column("95% interval", lambda row: correlation(row, between(row.mcc_low, row.mcc_high, "{:.2f}"))),
        Column("macro-F1", lambda row: f"{row.f1:.2f}"),
        Column("95% interval", lambda row: between(row.f1_low, row.f1_high, "{:.2f}")),
        Column("accepted", lambda row: share(row.accepted)),
        Column("so", lambda row: share(row.so)),
        Column("accepted if so", lambda row: share(row.sensitivity), page_only=True),
        Column("rejected if not", lambda row: share(row.specificity), page_only=True),
        Column("questions", lambda row: row.questions),
    )
    about = (
        "Each verdict accepts or rejects: that the answer argued for is right where one alone is argued for, or which of two answers with a "
        "fixed meaning is right. MCC: correlation of Matthews, 0 by chance whatever the share that is so; macro-F1: mean of F1 over both "
        "classes. Accuracy and both are averaged within questions."
    )
    return ShownTable("Accepted and rejected", columns, rows, about=about)


ACCEPT_REJECT = Figure(
    name="accept_reject",
    title="Accepted and rejected",
    about="The correlation of Matthews and macro-F1 beside accuracy, where verdicts accept or reject.",
    source="Matthews 1975; Owen and Eckles 2012 and Hesterberg 2015 for the bootstrap.",
    needs="arms in which one answer is argued for, or questions that all have the same two answers",
    rows=accept_reject,
    table=_table,
    section=Section.ACCURACY,
    methods=(
        "Where verdicts accept or reject, the Matthews correlation coefficient and macro-F1 are reported beside accuracy, from verdicts weighted "
        "equally by question, with 95% intervals from a bootstrap over passages, and over people where people judged."
    ),
    slow=True,
)
