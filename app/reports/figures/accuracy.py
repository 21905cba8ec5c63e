"""Judge accuracy: one row for every arm and judge, with scores, counts, and what is left out."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import altair as alt
import numpy as np

from app.records.verdicts import ArmCount, JudgeCount
from app.reports.charts import PlainRow, dots_with_whiskers
from app.reports.evidence import all_that_count, floors_of, knew_story, left_out
from app.reports.figures import certainty
from app.reports.figures.certainty import Certainty, certainties
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.reports.figures.pgr import gaps_of
from app.reports.twins import Floor
from app.reports.written import FIXED, between, share, starred
from app.shown_table import ABSENT, Column, Kind, ShownCell, ShownTable
from app.statistics.accuracy import Cell, accuracy_of, with_gap
from app.statistics.pgr import LATER
from app.statistics.readings import Place
from app.statistics.two_way import METHOD_ONE_JUDGE


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One arm and judge: the figures, if there is a verdict, and the counts."""

    arm: ArmCount
    judge: JudgeCount
    cell: Cell | None
    excluded: int
    """Verdicts left out because another assignment of their question has none."""
    knew_story: int = 0
    """Verdicts left out because the person marked that they know the story."""
    accuracy_with_knowing: float | None = None
    """The accuracy with those verdicts; None where there are none."""
    certainty: Certainty | None = None
    """Position, noise and how beliefs were read, from the verdicts behind the figures."""
    without_twin: int = 0
    """Verdicts left out because the same judge has none on the twin."""
    floor: Floor | None = None
    """Where the accuracy is fixed by the design at 50%."""

    @property
    def place(self) -> Place:
        """Return arm and judge."""
        return self.arm.arm, self.judge.label

    @property
    def names(self) -> tuple[str, str]:
        """Return arm and judge, baselines starred."""
        return starred(self.arm.arm, self.arm.baseline), starred(self.judge.label, self.judge.baseline)

    @property
    def leak(self) -> str | None:
        """Return a clause on an accuracy that the design fixes at 50% and that is another."""
        return self.floor.leak(self.cell.accuracy) if self.floor and self.cell else None

    @property
    def trials(self) -> int:
        """Trials of this judge: its own, where it takes part in the talk."""
        return self.judge.judgements if self.judge.takes_part else self.arm.trials

    @property
    def failures(self) -> int:
        """Failed trials, and failed judgements of others."""
        return self.judge.failed + (0 if self.judge.takes_part else self.arm.failed)

    def as_json(self) -> dict[str, Any]:
        """Return the line for `cells` of the JSON report."""
        figures = asdict(self.cell) if self.cell else dict.fromkeys(Cell.__dataclass_fields__)
        fixed: dict[str, Any] = {"by_construction": None, "twins_read_unlike": None}
        if self.floor:
            fixed = {"by_construction": self.floor.shown, "twins_read_unlike": self.floor.unlike}
        counts = (
            {"passages": 0, "questions": 0, "verdicts": 0, "correct": 0, "ties": 0, "clipped": 0}
            if not self.cell
            else {}
        )
        if self.cell and self.cell.fixed:
            figures |= {"low": None, "high": None}
        if self.cell and self.cell.fixed_scores:
            figures |= dict.fromkeys(("brier_low", "brier_high", "log_score_low", "log_score_high"))
        return {
            **figures,
            **counts,
            **fixed,
            "arm": self.arm.arm,
            "judge": self.judge.label,
            "protocol": self.arm.protocol,
            "round": self.judge.round,
            "added": self.judge.round_position > 0,
            "judge_is_baseline": self.judge.baseline,
            "arm_has_baseline": self.arm.baseline,
            "trials": self.trials,
            "trials_done": self.judge.done if self.judge.takes_part else self.arm.done,
            "judgements": 0 if self.judge.takes_part else self.judge.judgements,
            "judgements_done": 0 if self.judge.takes_part else self.judge.done,
            "failures": self.failures,
            "excluded": self.excluded,
            "without_twin": self.without_twin,
            "knew_story": self.knew_story,
            "accuracy_with_knowing": self.accuracy_with_knowing,
            "certainty": certainty.as_json(self.certainty),
            "warnings": certainty.warnings(self.cell, self.certainty),
            "returned": self.judge.returned,
            "refusals_gold": self.arm.refusals_gold,
            "refusals_other": self.arm.refusals_other,
            "refusals": self.arm.refusals_gold + self.arm.refusals_other,
            "concessions_gold": self.arm.concessions_gold,
            "concessions_other": self.arm.concessions_other,
        }


def _rows(evidence: Evidence) -> list[ReportRow]:
    """Return a row for every arm and judge, without PGR."""
    facts, counted = evidence.facts, evidence.counted
    knew = counted.table.named(np.flatnonzero(knew_story(facts)))
    with_them = _with_them(evidence, knew)
    sure, fixed = evidence.once(certainties), evidence.once(floors_of)
    return [
        ReportRow(
            facts.arms[judge.arm],
            judge,
            evidence.cells.get(place),
            counted.excluded[place],
            knew.get(place, 0),
            with_them.get(place),
            certainty=sure.get(place),
            without_twin=counted.without_twin[place],
            floor=fixed.get(place),
        )
        for judge in facts.judges
        for place in [(judge.arm, judge.label)]
    ]


def _with_them(evidence: Evidence, knew: Mapping[Place, int]) -> dict[Place, float]:
    """Return the accuracy of these arms and judges with the people who know the story."""
    if not knew:
        return {}
    table = evidence.counted.table
    whole = all_that_count(evidence.facts, table, ~left_out(evidence.facts))
    found = ((place, table.alone(whole.kept, place)) for place in knew)
    return {place: accuracy_of(own) for place, own in found if own is not None}


def _finish(evidence: Evidence, rows: Sequence[ReportRow]) -> list[ReportRow]:
    """Return the rows with PGR."""
    found = evidence.once(gaps_of)
    return [
        row if row.cell is None else replace(row, cell=with_gap(row.cell, found[row.place])) for row in rows
    ]


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────

_Figures = Mapping[str, Any]
"""One arm and judge, as `ReportRow.as_json` returns it: of this arena or of a remote one."""


def _figure(key: str, form: str) -> Column[_Figures]:
    """Return the column of a score, with its interval."""

    def cell(row: _Figures) -> ShownCell:
        value, low, high = (row[name] for name in (key, f"{key}_low", f"{key}_high"))
        if value is None or not math.isfinite(value):
            return ShownCell(ABSENT, reason=row.get(f"{key}_reason") or "")
        return ShownCell(form.format(value), "" if low is None else between(low, high, form))

    return Column({"pgr": "PGR", "brier": "Brier"}.get(key, key.replace("_", " ")), cell)


def _judge(row: _Figures) -> ShownCell:
    people = row.get("people")
    small = "" if not people else "1 person" if people == 1 else f"{people:,} people"
    return ShownCell(row["judge"], small, baseline=row["judge_is_baseline"])


def _interval_of_accuracy(row: _Figures) -> ShownCell:
    if shown := row.get("by_construction"):
        return ShownCell(shown)
    if row.get("fixed"):
        return ShownCell(FIXED, reason=row["fixed"])
    return ShownCell(between(row["low"], row["high"], "{:.0%}"))


def _verdicts(row: _Figures) -> ShownCell:
    # A remote arena of an earlier version knows no twins.
    left = row["excluded"] + row.get("without_twin", 0)
    return ShownCell(f"{row['verdicts']:,}", f"{left:,} left out" if left else "")


COLUMNS: tuple[Column[_Figures], ...] = (
    Column("arm", lambda row: ShownCell(row["arm"], baseline=row["arm_has_baseline"]), Kind.NAME),
    Column("judge", _judge, Kind.NAME),
    Column("accuracy", lambda row: share(row["accuracy"])),
    Column("95% interval", _interval_of_accuracy),
    _figure("pgr", "{:.2f}"),
    _figure("log_score", "{:.2f}"),
    _figure("brier", "{:.2f}"),
    Column("passages", lambda row: row["passages"], page_only=True),
    Column("questions", lambda row: row["questions"]),
    Column("trials", lambda row: row["trials"]),
    Column("verdicts", _verdicts),
    Column("failures", lambda row: row["failures"]),
)


def _table(rows: Sequence[ReportRow], names: Names) -> ShownTable[Any]:
    return ShownTable("Judge accuracy", COLUMNS, [row.as_json() for row in rows])


# ── the chart ───────────────────────────────────────────────────────────────────────────────────────────────────


def _chart_rows(rows: Sequence[ReportRow], names: Names) -> list[PlainRow]:
    return [
        {
            "arm": row.names[0],
            "judge": row.names[1],
            "accuracy": row.cell.accuracy,
            "low": row.cell.low,
            "high": row.cell.high,
            "questions": row.cell.questions,
            "verdicts": row.cell.verdicts,
        }
        for row in rows
        if row.cell
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    return dots_with_whiskers(rows, width, "arm", "accuracy", "accuracy, with its 95% interval", 0.5, unit)


# ── in words ────────────────────────────────────────────────────────────────────────────────────────────────────


def _words(rows: Sequence[ReportRow]) -> list[str]:
    return [*_exclusions(rows), *_stances(rows), *_people(rows), *_single(rows), *_no_gap(rows)]


def _exclusions(rows: Sequence[ReportRow]) -> Iterator[str]:
    """Yield which verdicts are left out or set apart, and why."""
    for row in rows:
        if row.excluded:
            yield (
                f"{row.arm.arm}, {row.judge.label}: {row.excluded} verdicts are left out, on questions "
                "that lack verdicts under another assignment."
            )
    for row in rows:
        if row.without_twin:
            yield f"{row.arm.arm}, {row.judge.label}: {row.without_twin} verdicts are left out, because that on the twin is missing."
    yield from (f"{row.arm.arm}, {row.judge.label}: {row.leak}." for row in rows if row.leak)
    yield from (_knew(row) for row in rows if row.knew_story)
    for row in rows:
        if row.judge.returned:
            yield f"{row.arm.arm}, {row.judge.label}: {row.judge.returned} times a trial was returned or its lease ended."


def _knew(row: ReportRow) -> str:
    figure = row.accuracy_with_knowing
    also = "" if figure is None else f"; with them accuracy is {figure:.1%}"
    return (
        f"{row.arm.arm}, {row.judge.label}: {row.knew_story} verdicts of people who marked that they know the story, "
        f"or from talks in which such people judged or asked, are left out{also}."
    )


def _stances(rows: Sequence[ReportRow]) -> Iterator[str]:
    """Yield the refusals and concessions of each arm that has some."""
    for arm in {row.arm.arm: row.arm for row in rows}.values():
        refused = arm.refusals_gold + arm.refusals_other
        if refused + arm.concessions_gold + arm.concessions_other:
            yield (
                f"{arm.arm}: when arguing for gold {arm.refusals_gold} refusals and {arm.concessions_gold} concessions; "
                f"when arguing against it {arm.refusals_other} and {arm.concessions_other}."
            )


def _people(rows: Sequence[ReportRow]) -> Iterator[str]:
    """Yield for whom the figures of people hold."""
    pooled = [(row, row.cell) for row in rows if row.cell and row.cell.people]
    if not pooled:
        return
    by_label: dict[str, list[str]] = {}
    for row, cell in pooled:
        by_label.setdefault(row.judge.label, []).append(f"{cell.people} in {row.arm.arm}")
    counts = "; ".join(
        f"{', '.join(own)}{'' if label == 'people' else f' by {label}'}" for label, own in by_label.items()
    )
    yield (
        f"People: {counts}. Intervals and contrasts of people are for new passages and new people (clustered by passage and by "
        "person); beside them stand each person's figures and, as a check, a mixed logistic model with people and questions random."
    )
    for row, cell in pooled:
        if cell.method == METHOD_ONE_JUDGE:
            yield f"{row.arm.arm}, {row.judge.label}: {cell.method}."


def _no_gap(rows: Sequence[ReportRow]) -> Iterator[str]:
    """Yield why judges have no PGR under any arm: the reason that most of their arms have."""
    cells = [(row.judge.label, row.cell) for row in rows if row.cell]
    judges: dict[str, list[str]] = {}
    for label in dict.fromkeys(label for label, _ in cells):
        own = [cell for other, cell in cells if other == label]
        reasons = Counter(cell.pgr_reason for cell in own if cell.pgr_reason not in (None, LATER))
        if reasons and all(cell.pgr is None for cell in own):
            judges.setdefault(reasons.most_common(1)[0][0], []).append(label)
    for reason, labels in judges.items():
        yield f"No PGR for {', '.join(labels)}: {reason[0].lower()}{reason[1:]}"


def _single(rows: Sequence[ReportRow]) -> Iterator[str]:
    """Yield what is to be known of single figures."""
    cells = [(row, row.cell) for row in rows if row.cell]
    for row, cell in cells:
        if cell.fixed:
            yield f"{row.arm.arm}, {row.judge.label}: accuracy has no interval: {cell.fixed}."
    for row, cell in cells:
        if cell.clipped:
            yield (
                f"{row.arm.arm}, {row.judge.label}: {cell.clipped} of {cell.verdicts} verdicts gave gold less than 1e-4, as when "
                "100 and 0 are entered, and count as 1e-4 in the log score (-13.3 bits); people's instructions end at 1%."
            )


ACCURACY = Figure(
    name="accuracy",
    key="cells",
    title="Judge accuracy",
    about="How often each judge was right under each arm, with proper scores and counts.",
    source="Questions as the unit, intervals clustered by passage, and by person where people judge: docs/decisions/intervals.md.",
    needs="arms and judges",
    rows=_rows,
    finish=_finish,
    table=_table,
    words=_words,
    as_json=ReportRow.as_json,
    section=Section.ACCURACY,
    chart=Chart(
        _chart_rows,
        _draw,
        "Share of questions judged right, with 95% intervals clustered by passage; the dashed line is ½.",
    ),
    methods="Accuracy is the share of questions judged right: each verdict is thresholded, then orders, assignments and replicates are "
    "averaged within a question. Intervals are at 95%, clustered by passage, and by person where people judge. A tie of k answers counts 1/k.",
)
