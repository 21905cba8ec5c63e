"""Whether judges are as often right as they are sure: at the end, with limits by bootstrap, and after each step."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np
import polars as pl

from app.reports.charts import PlainRow, colour_and_shape, dots_with_whiskers, panels
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place, place_columns
from app.reports.verdict_table import VerdictTable
from app.reports.written import FIXED, between, share
from app.shown_table import ABSENT, Column, ShownCell, ShownTable
from app.statistics.calibrated import (
    ALL_RIGHT,
    Calibration,
    CalibrationLimits,
    Limited,
    calibration_limits,
    calibration_of,
    mean_of_verdicts,
)
from app.statistics.calibration import bin_sums, bins_of, confidence_of, error_by_chance, expected_error
from app.statistics.intervals import DIFFERENCE, FloatArray, IntArray, Scale
from app.statistics.readings import Readings
from app.statistics.resampling import LEAST
from app.statistics.scores import scored
from app.statistics.seeds import generator

_SHARE = Scale(low=0.0, high=1.0, unseen=1.0)
_SCORE = Scale(low=0.0, high=1.0, unseen=0.1)

# ── at the end ──────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(evidence: Evidence) -> list[Calibration]:
    table = evidence.counted.table
    return [
        calibration_of(
            own, table.beliefs[own.rows], table.gold[own.rows], fixed=cell.fixed_scores is not None
        )
        for place, cell in evidence.cells.items()
        for own in (evidence.readings[place],)
    ]


def _table(rows: Sequence[Calibration], names: Names) -> ShownTable[Calibration]:
    columns: tuple[Column[Calibration], ...] = (
        *place_columns(names),
        Column("ECE", lambda row: f"{row.ece:.3f}"),
        Column("by chance", lambda row: f"{row.ece_by_chance:.3f}"),
        Column("adaptive ECE", lambda row: f"{row.adaptive_ece:.3f}", page_only=True),
        Column("surer than right by", lambda row: f"{100 * row.overconfidence:+.1f} points"),
        Column("95% interval", _interval),
        Column("Brier", lambda row: f"{row.brier:.3f}"),
        Column("reliability", lambda row: f"{row.reliability:.3f}", page_only=True),
        Column("resolution", lambda row: f"{row.resolution:.3f}", page_only=True),
        Column("uncertainty", lambda row: f"{row.uncertainty:.3f}", page_only=True),
        Column("AUROC", _area),
        Column("verdicts", lambda row: row.verdicts),
        Column("passages", lambda row: row.passages, page_only=True),
    )
    about = (
        "Verdicts are the unit. ECE: mean gap between confidence and the share right, in ten equal bins; by chance: the ECE that a "
        "calibrated judge of as many independent verdicts would show. Brier = reliability − resolution + uncertainty, up to "
        "differences within bins. AUROC: the chance that a right verdict is more confident than a wrong one."
    )
    return ShownTable("Calibration", columns, rows, about=about)


def _interval(row: Calibration) -> str:
    if row.low is None or row.high is None:
        return FIXED
    return between(100 * row.low, 100 * row.high, "{:+.0f}")


def _area(row: Calibration) -> ShownCell:
    if row.auroc is None:
        return ShownCell(ABSENT, reason=f"There is no AUROC: {row.no_auroc}.")
    return ShownCell(f"{row.auroc:.2f}")


def _words(rows: Sequence[Calibration]) -> list[str]:
    """Return what a sample is too small to show."""
    few = [row for row in rows if row.ece <= row.ece_by_chance]
    if not few:
        return []
    return [
        f"ECE is never below 0, so that chance raises it in small samples: in {len(few)} of {len(rows)} lines of the table of "
        "calibration it is no higher than a calibrated judge would show."
    ]


def _chart_rows(rows: Sequence[Calibration], names: Names) -> list[PlainRow]:
    return [
        {
            **named_place(names, row),
            "overconfidence": row.overconfidence,
            "low": row.low,
            "high": row.high,
            "confidence": row.confidence,
            "accuracy": row.accuracy,
            "ece": row.ece,
            "verdicts": row.verdicts,
        }
        for row in rows
        if row.low is not None
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    far = max(max(abs(row["low"]), abs(row["high"])) for row in rows)
    scale = alt.Scale(domain=[-far, far], nice=True)
    title = "confidence less share right, with its 95% interval"
    return dots_with_whiskers(rows, width, "arm", "overconfidence", title, 0.0, scale)


CALIBRATION = Figure(
    name="calibration",
    title="Calibration",
    about="Whether judges are as often right as they are sure: calibration errors, parts of the Brier score, and AUROC.",
    source="Guo et al. 2017 (ECE); Nixon et al. 2019 (adaptive); Murphy 1973 (parts of the Brier score).",
    needs="verdicts",
    rows=_rows,
    table=_table,
    words=_words,
    section=Section.CALIBRATION,
    chart=Chart(
        _chart_rows,
        _draw,
        "Mean belief in the favoured answer less the share right, with 95% intervals clustered by passage; right of the dashed line "
        "a judge is surer than right.",
    ),
    methods=(
        "Calibration errors (ECE) are means over verdicts of the gap between confidence, the belief in the favoured answer, and the "
        "share right, in ten bins of equal width that contain their lower edge; a tie of two answers is right by half. The Brier score, "
        "half of the sum over answers, is decomposed over both answers of each verdict in the same bins (Murphy 1973). Over-confidence "
        "is mean confidence less the share right, with an interval clustered by passage, and by person where people judge."
    ),
)

# ── with limits ─────────────────────────────────────────────────────────────────────────────────────────────────


def _limit_rows(evidence: Evidence) -> list[CalibrationLimits]:
    table = evidence.counted.table
    return [
        calibration_limits(
            own,
            table.beliefs[own.rows],
            table.gold[own.rows],
            generator("calibration", evidence.seed, *place),
        )
        for place, cell in evidence.cells.items()
        if cell.fixed_scores is None
        for own in (evidence.readings[place],)
    ]


def _limit_table(rows: Sequence[CalibrationLimits], names: Names) -> ShownTable[CalibrationLimits]:
    columns: tuple[Column[CalibrationLimits], ...] = (
        *place_columns(names),
        Column("ECE", lambda row: _limited(row.ece, row)),
        Column("adaptive ECE", lambda row: _limited(row.adaptive_ece, row)),
        Column("reliability", lambda row: _limited(row.reliability, row), page_only=True),
        Column("resolution", lambda row: _limited(row.resolution, row), page_only=True),
        Column("AUROC", lambda row: _limited(row.auroc, row)),
        Column("verdicts", lambda row: row.verdicts, page_only=True),
        Column("passages", lambda row: row.passages),
    )
    about = (
        "95% limits by drawing whole passages, and whole people where they judge. Chance raises errors: their limits reach from below "
        "to above what was found, and start at 0 where a judge without error could show as much."
    )
    return ShownTable("Calibration with limits", columns, rows, about=about)


def _limited(found: Limited, row: CalibrationLimits) -> ShownCell:
    if found.value is None:
        return ShownCell(ABSENT, reason=f"There is no AUROC: {ALL_RIGHT}, or none is.")
    if found.low is None or found.high is None:
        few = min(row.passages, row.people or row.passages) < LEAST
        why = (
            f"fewer than {LEAST} passages or people" if few else "draws are alike, or too many have no figure"
        )
        return ShownCell(ABSENT, f"{found.value:.3f}", reason=f"No limits: {why}.")
    return ShownCell(f"{found.low:.2f} to {found.high:.2f}", f"{found.value:.3f}")


CALIBRATION_LIMITS = Figure(
    name="calibration_limits",
    title="Calibration with limits",
    about="Calibration errors, parts of the Brier score and AUROC with 95% limits.",
    source="Bootstrap of clusters (Owen 2007 for two kinds at once), expanded percentiles (Hesterberg 2015).",
    needs="verdicts",
    rows=_limit_rows,
    table=_limit_table,
    section=Section.CALIBRATION,
    methods=(
        "Limits of calibration errors, parts of the Brier score and areas are percentiles of 1,000 draws of whole passages, and of whole "
        "people at once where people judge, expanded for few clusters (Hesterberg 2015); those of errors also take in the percentiles "
        "mirrored at the estimate, because chance raises errors."
    ),
    slow=True,
)

# ── by step ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class CalibrationStep:
    """The beliefs of one judge under one arm after one step of the talk."""

    arm: str
    judge: str
    step: int
    """Number of steps read; 0 before the first."""
    verdicts: int
    """Verdicts with a belief at this step: those of talks that went on for as long."""
    belief: float
    """Mean belief in gold."""
    belief_low: float
    belief_high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    overconfidence: float
    """Mean belief in the favoured answer less the share right."""
    overconfidence_low: float
    overconfidence_high: float
    brier: float
    brier_low: float
    brier_high: float
    ece: float
    ece_by_chance: float


def _step_rows(evidence: Evidence) -> list[CalibrationStep]:
    table = evidence.counted.table
    if table.frame["beliefs"].null_count() == table.frame.height:
        return []
    return [
        _step(step, readings, beliefs, gold)
        for place in evidence.cells
        for step, readings, beliefs, gold in _steps(evidence.readings[place], table)
    ]


def _steps(readings: Readings, table: VerdictTable) -> Iterator[tuple[int, Readings, FloatArray, IntArray]]:
    """Yield each step with the readings that have a belief there, these (n, answers), and gold. Verdicts with one belief only are left out."""
    asked = readings.where(table.frame["beliefs"][readings.rows].list.len().fill_null(0).to_numpy() > 1)
    if not asked.rows.size:
        return
    gold = table.gold[asked.rows]
    several = table.beliefs[asked.rows].shape[1] > 2
    path = table.path(asked.rows)
    for step in range(path.shape[1]):
        there = ~np.isnan(path[:, step])
        own = asked.where(there)
        if several:
            yield step, own, _beliefs(table, own.rows, step), gold[there]
        else:
            p_gold = path[there, step]
            yield step, own, np.stack([p_gold, 1 - p_gold], axis=1), np.zeros(p_gold.size, dtype=np.int64)


def _beliefs(table: VerdictTable, rows: IntArray, step: int) -> FloatArray:
    """Return (n, answers) beliefs at a step, padded with -1."""
    at = table.frame["beliefs"][rows].list.get(step)
    columns = [
        at.list.get(place, null_on_oob=True).fill_null(-1.0) for place in range(table.beliefs.shape[1])
    ]
    return pl.DataFrame(columns, schema=[str(place) for place in range(len(columns))]).to_numpy()


def _step(step: int, readings: Readings, beliefs: FloatArray, gold: IntArray) -> CalibrationStep:
    scores, confidence = scored(beliefs, gold), confidence_of(beliefs)
    belief, right, over, brier = (
        mean_of_verdicts(readings, values, scale)
        for values, scale in (
            (scores.p_gold, _SHARE),
            (scores.right, _SHARE),
            (confidence - scores.right, DIFFERENCE),
            (scores.brier, _SCORE),
        )
    )
    bins = bins_of(confidence)
    return CalibrationStep(
        readings.arm,
        readings.judge,
        step,
        confidence.size,
        belief.value,
        belief.low,
        belief.high,
        right.value,
        right.low,
        right.high,
        over.value,
        over.low,
        over.high,
        brier.value,
        brier.low,
        brier.high,
        float(expected_error(bin_sums(bins, confidence, scores.right))),
        error_by_chance(bins, confidence),
    )


def _step_table(rows: Sequence[CalibrationStep], names: Names) -> ShownTable[CalibrationStep]:
    columns: tuple[Column[CalibrationStep], ...] = (
        *place_columns(names),
        Column("step", lambda row: row.step),
        Column("belief in gold", lambda row: _with(row.belief, row.belief_low, row.belief_high)),
        Column("accuracy", lambda row: _with(row.accuracy, row.accuracy_low, row.accuracy_high)),
        Column("surer than right by", _over),
        Column("Brier", lambda row: f"{row.brier:.3f}", page_only=True),
        Column("ECE", lambda row: f"{row.ece:.3f}"),
        Column("by chance", lambda row: f"{row.ece_by_chance:.3f}", page_only=True),
        Column("verdicts", lambda row: row.verdicts),
    )
    about = (
        "Step 0 is before the first speech. Where talks differ in length, later steps have fewer verdicts: those of the talks that went "
        "on. Verdicts with one belief only are left out."
    )
    return ShownTable("Calibration by step", columns, rows, about=about)


def _with(value: float, low: float, high: float) -> ShownCell:
    return ShownCell(share(value), between(low, high, "{:.0%}"))


def _over(row: CalibrationStep) -> ShownCell:
    limits = between(100 * row.overconfidence_low, 100 * row.overconfidence_high, "{:+.0f}")
    return ShownCell(f"{100 * row.overconfidence:+.1f} points", limits)


def _step_chart_rows(rows: Sequence[CalibrationStep], names: Names) -> list[PlainRow]:
    return [
        {
            **named_place(names, row),
            "step": row.step,
            "overconfidence": row.overconfidence,
            "low": row.overconfidence_low,
            "high": row.overconfidence_high,
            "accuracy": row.accuracy,
            "belief": row.belief,
            "ece": row.ece,
            "verdicts": row.verdicts,
        }
        for row in rows
    ]


def _draw_steps(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "arm", width)
    base = alt.Chart().encode(
        x=alt.X("step:O", title="steps of the transcript read", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("arm:N"),
        color=marks["color"],
    )
    far = max(max(abs(row["low"]), abs(row["high"])) for row in rows)
    scale = alt.Scale(domain=[-math.ceil(10 * far) / 10, math.ceil(10 * far) / 10])
    over = alt.Y("overconfidence:Q", title="confidence less share right", scale=scale)
    spread = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(y=over, shape=marks["shape"])
    return panels([dots, spread], rows, "judge", width, 220)


CALIBRATION_STEPS = Figure(
    name="calibration_steps",
    title="Calibration by step",
    about="Belief in gold, accuracy, over-confidence, Brier score and ECE after each step of the talk.",
    source="As calibration; beliefs on the way as in Michael et al. 2023.",
    needs="beliefs at each step",
    rows=_step_rows,
    table=_step_table,
    section=Section.CALIBRATION,
    chart=Chart(
        _step_chart_rows,
        _draw_steps,
        "Mean belief in the favoured answer less the share right, before the first step, after it, and so on, with 95% intervals "
        "clustered by passage.",
    ),
    methods=(
        "Beliefs on the way are scored as those at the end; a step counts the verdicts that have a belief there."
    ),
    slow=True,
)
