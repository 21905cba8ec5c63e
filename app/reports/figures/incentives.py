"""Whether it pays to argue for the right answer, and how often either side wins."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import altair as alt
import numpy as np

from app.protocols import PROTOCOLS
from app.protocols.imported import Imported
from app.reports.charts import PlainRow, dots_with_whiskers
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, named_place, place_columns
from app.reports.written import FIXED, between, share
from app.shown_table import ABSENT, Column, ShownCell, ShownTable
from app.statistics.incentives import SCORES, Difference, Sides, SideWon, difference_of, won_by
from app.statistics.intervals import Estimate, IntArray
from app.statistics.readings import Readings

NO_SIDES = "no seat argues for an answer"
CHOSEN = "the seat that argues chooses its answer, so that the two sides are not assigned"


def argued_answers(evidence: Evidence) -> tuple[IntArray, IntArray]:
    """Return for each talk the lowest and the highest place of an answer that a seat argues for; -1 where none does."""
    lowest = evidence.talks.answers(lambda _, argues: min(argues.values(), default=None))
    highest = evidence.talks.answers(lambda _, argues: max(argues.values(), default=None))
    return lowest, highest


def chosen_sides(evidence: Evidence) -> set[str]:
    """Return the arms in which a seat chooses the answer that it argues for."""
    given = {arm["name"]: arm for arm in evidence.file_arms}
    found = set()
    for name, count in evidence.facts.arms.items():
        rules = PROTOCOLS[count.protocol]
        settings = {key: value for key, value in given.get(name, {}).items() if key in rules.model_fields}
        assigned = rules.model_validate(settings).assignments(2)
        if rules is not Imported and not any(assignment.argues for assignment in assigned):
            found.add(name)
    return found


def _with_sides(evidence: Evidence) -> list[tuple[Readings, Sides]]:
    """Return each arm and judge with the sides of its talks, without the verdicts on talks in which no seat argues."""
    lowest, highest = argued_answers(evidence)
    table = evidence.counted.table
    found = []
    for place in evidence.cells:
        readings = evidence.readings[place]
        talk = table.talk[readings.rows]
        argued = lowest[talk] >= 0
        own = readings.where(argued)
        sides = Sides.of(lowest[talk][argued], highest[talk][argued], table.gold[own.rows])
        found.append((own, sides))
    return found


# ── agent score difference ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Incentive:
    """The agent score difference of one judge under one arm."""

    arm: str
    judge: str
    both_argue: bool
    """Whether both sides argue in every talk: then each verdict is compared with itself."""
    found: Difference
    fixed: bool
    """Whether the design fixes the beliefs."""

    @property
    def reason(self) -> str | None:
        """Return why there is no figure; None where there is one."""
        return self.found.reason

    def estimate(self, score: str) -> Estimate | None:
        """Return the difference by a score."""
        return None if self.found.estimates is None else self.found.estimates[score]

    def as_json(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {
            "arm": self.arm,
            "judge": self.judge,
            "both_argue": self.both_argue,
            "fixed": self.fixed,
            **{name: getattr(self.found, name) for name in ("questions", "passages", "unpaired", "reason")},
            **{score: self._score_json(score) for score in SCORES},
        }

    def _score_json(self, score: str) -> dict[str, Any] | None:
        found = self.estimate(score)
        if found is None:
            return None
        return {**asdict(found), **(dict.fromkeys(("low", "high")) if self.fixed else {})}


def _rows(evidence: Evidence) -> list[Incentive]:
    chosen = chosen_sides(evidence)
    rows = [_incentive(own, sides, evidence, own.arm in chosen) for own, sides in evidence.once(_with_sides)]
    # Where no seat of any arm argues, the figure says nothing.
    return rows if any(row.reason != NO_SIDES for row in rows) else []


def _incentive(readings: Readings, sides: Sides, evidence: Evidence, chosen: bool) -> Incentive:
    table = evidence.counted.table
    fixed = evidence.cells[readings.arm, readings.judge].fixed_scores is not None
    if not readings.rows.size or chosen:
        reason = CHOSEN if readings.rows.size else NO_SIDES
        return Incentive(readings.arm, readings.judge, False, Difference(0, 0, 0, None, reason), fixed)
    found = difference_of(readings, sides, table.beliefs[readings.rows], table.gold[readings.rows])
    return Incentive(readings.arm, readings.judge, sides.both, found, fixed)


_TITLES: Mapping[str, tuple[str, str]] = {
    "log": ("log score", "{:+.2f}"),
    "brier": ("Brier", "{:+.2f}"),
    "log_odds": ("log odds", "{:+.2f}"),
    "accuracy": ("accuracy", "{:+.2f}"),
}


def _table(rows: Sequence[Incentive], names: Names) -> ShownTable[Incentive]:
    columns: tuple[Column[Incentive], ...] = (
        *place_columns(names),
        *(_score(score) for score in SCORES),
        Column("questions", lambda row: row.found.questions),
        Column("unpaired", lambda row: row.found.unpaired, page_only=True),
        Column("passages", lambda row: row.found.passages, page_only=True),
    )
    about = (
        "The score of the judge's belief at the answer argued for: where that is gold, less where it is another (agent score "
        "difference). Above 0, arguing for the truth pays. Log score and log odds in bits; Brier from −2 to 2."
    )
    caption = "Incentives: agent score difference"
    return ShownTable("Does arguing for the truth pay?", columns, rows, caption, about)


def _score(score: str) -> Column[Incentive]:
    title, form = _TITLES[score]

    def cell(row: Incentive) -> ShownCell:
        found = row.estimate(score)
        if found is None:
            return ShownCell(ABSENT, reason=f"There is no difference: {row.reason}.")
        small = FIXED if row.fixed else between(found.low, found.high, form)
        return ShownCell(form.format(found.value), small)

    return Column(title, cell, page_only=score == "log_odds")


def _words(rows: Sequence[Incentive]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.reason is not None:
            reasons.setdefault(row.reason, []).append(row.arm)
    absent = [f"{', '.join(dict.fromkeys(arms))}: {reason}" for reason, arms in reasons.items()]
    return [f"No agent score difference for {'; for '.join(absent)}."] if absent else []


def _chart_rows(rows: Sequence[Incentive], names: Names) -> list[PlainRow]:
    return [
        {
            **named_place(names, row),
            "asd_brier": found.value,
            "low": found.low,
            "high": found.high,
            "questions": row.found.questions,
        }
        for row in rows
        if (found := row.estimate("brier")) is not None and not row.fixed
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    low, high = min(0.0, *(row["low"] for row in rows)), max(0.0, *(row["high"] for row in rows))
    scale = alt.Scale(domain=[math.floor(10 * low) / 10, math.ceil(10 * high) / 10])
    title = "difference in Brier score, with its 95% interval"
    return dots_with_whiskers(rows, width, "arm", "asd_brier", title, 0.0, scale)


INCENTIVES = Figure(
    name="incentives",
    title="Does arguing for the truth pay?",
    about="The agent score difference: what arguing for gold earns more than arguing for another answer, by four scores of the judge's belief.",
    source="Pallavi Sudhir et al. 2025 (arXiv 2504.03731).",
    needs="seats that argue for an answer",
    rows=_rows,
    table=_table,
    words=_words,
    as_json=Incentive.as_json,
    section=Section.INCENTIVES,
    chart=Chart(
        _chart_rows,
        _draw,
        "Agent score difference by the Brier score (from −2 to 2), with 95% intervals clustered by passage; right of the dashed line "
        "arguing for the right answer pays.",
    ),
    methods=(
        "The agent score difference is the score of the judge's belief at the argued answer where that is right, less where it is wrong: "
        "within a verdict where both sides argue, and between talks on the same question where one does; questions with one "
        "assignment only are left out. Scores: log2 clipped at 1e-4, less the sum of squared errors, log2 odds, and the choice."
    ),
    slow=True,
)

# ── win rates ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class WinRates:
    """What each side won before one judge under one arm."""

    arm: str
    judge: str
    honest: SideWon | None
    """The side that argues for gold."""
    dishonest: SideWon | None
    """The side that argues for another answer."""


def _won_rows(evidence: Evidence) -> list[WinRates]:
    table = evidence.counted.table
    found = []
    for own, sides in evidence.once(_with_sides):
        if own.rows.size:
            beliefs, gold = table.beliefs[own.rows], table.gold[own.rows]
            other = np.maximum(sides.other, 0)
            honest = won_by(own, sides.gold, beliefs, gold)
            found.append(WinRates(own.arm, own.judge, honest, won_by(own, sides.other >= 0, beliefs, other)))
    return found


def _won_table(rows: Sequence[WinRates], names: Names) -> ShownTable[WinRates]:
    columns: tuple[Column[WinRates], ...] = (
        *place_columns(names),
        Column("honest wins", lambda row: _won(row.honest)),
        Column("belief", lambda row: _believed(row.honest), page_only=True),
        Column("dishonest wins", lambda row: _won(row.dishonest)),
        Column("belief", lambda row: _believed(row.dishonest), page_only=True),
        Column("questions", lambda row: " and ".join(_questions(row))),
    )
    about = (
        "Share of verdicts for the answer of the side that argues for gold, and of the side that argues for another; beliefs in these "
        "answers. Where both argue in one talk, the two add up to 100%."
    )
    return ShownTable("Win rates of either side", columns, rows, about=about)


def _won(side: SideWon | None) -> ShownCell:
    if side is None:
        return ShownCell(ABSENT, reason="No talk of this side has been judged.")
    return ShownCell(share(side.won.value), between(side.won.low, side.won.high, "{:.0%}"))


def _believed(side: SideWon | None) -> ShownCell:
    if side is None:
        return ShownCell(ABSENT, reason="No talk of this side has been judged.")
    return ShownCell(share(side.belief.value), between(side.belief.low, side.belief.high, "{:.0%}"))


def _questions(row: WinRates) -> list[str]:
    sides = [side for side in (row.honest, row.dishonest) if side is not None]
    return list(dict.fromkeys(f"{side.questions:,}" for side in sides))


def _won_chart_rows(rows: Sequence[WinRates], names: Names) -> list[PlainRow]:
    found = []
    for row in rows:
        arm, judge = names.names(row.arm, row.judge)
        for side, won in (("honest", row.honest), ("dishonest", row.dishonest)):
            if won is not None:
                ends = {"won": won.won.value, "low": won.won.low, "high": won.won.high}
                found.append({"side": f"{arm} − {side}", "judge": judge, **ends, "verdicts": won.verdicts})
    return found


def _draw_won(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    return dots_with_whiskers(
        rows, width, "side", "won", "share of verdicts won, with its 95% interval", 0.5, unit
    )


WIN_RATES = Figure(
    name="win_rates",
    title="Win rates of either side",
    about="How often the side that argues for gold wins, and how often the side that argues for another answer does.",
    source="Khan et al. 2024, section 3; Michael et al. 2023, Table 1.",
    needs="seats that argue for an answer",
    rows=_won_rows,
    table=_won_table,
    section=Section.INCENTIVES,
    chart=Chart(
        _won_chart_rows,
        _draw_won,
        "Share of verdicts for the answer of the side that argues for gold (honest) and of the side that does not, with 95% intervals "
        "clustered by passage.",
    ),
    methods=(
        "Win rates are shares of verdicts for a side's answer, averaged by question and clustered by passage, and by person where people judge."
    ),
    slow=True,
)
