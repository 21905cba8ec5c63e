"""Arms of an experiment that differ only in pressure: accuracy against N, and judges swayed by attacks."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import altair as alt
import numpy as np
import polars as pl

from app.protocols import PROTOCOLS
from app.protocols.combinators import PREFERENCE, Argued
from app.reports.charts import FIT, PlainRow, chart_of, colour_and_shape, finished, wrapped
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section, place_columns
from app.reports.talks import Talks
from app.reports.verdict_table import Counted, VerdictTable
from app.reports.written import between, difference, interval, share
from app.shown_table import Column, Kind, ShownTable
from app.statistics.accuracy import Cell, cells
from app.statistics.contrasts import Contrast, contrasts
from app.statistics.intervals import IntArray
from app.statistics.readings import BoolArray

Arm: TypeAlias = Mapping[str, Any]
"""An arm of the frozen file."""


def _rules(arm: Arm) -> Argued | None:
    """Return the protocol of an arm, if its seats can be put under pressure."""
    rules = PROTOCOLS[arm["protocol"]]
    settings = {key: value for key, value in arm.items() if key in rules.model_fields}
    protocol = rules.model_validate(settings)
    return protocol if isinstance(protocol, Argued) else None


def _candidates(arm: Arm) -> int:
    rules = _rules(arm)
    return rules.candidates if rules else 1


def _but(arm: Arm, *settings: str) -> str:
    """Return all of an arm except its names, these settings, and the reader of candidates."""
    seats = {seat: holder for seat, holder in arm["seats"].items() if seat != PREFERENCE}
    kept = {key: value for key, value in arm.items() if key not in ("name", "preset", *settings)}
    return json.dumps({**kept, "seats": seats}, sort_keys=True)


SPEAKER = "the speaker"
"""The reader of candidates where each speaker chooses among its own (`chosen_by: speaker`)."""


# ── accuracy against N ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Dialled:
    """One judge at one N on a line of arms that differ in nothing else."""

    line: str
    """The arm of the line with the fewest candidates."""
    reader: str
    """The participant of `preference` in the arms of the line that have candidates; `SPEAKER` where each chooses its own."""
    arm: str
    candidates: int
    judge: str
    accuracy: float
    low: float
    high: float
    questions: int
    verdicts: int
    preference: float | None
    """The reader's mean belief in the chosen candidates."""


def dialled(arms: Sequence[Arm], figures: Iterable[Cell], liked: Mapping[str, float]) -> list[Dialled]:
    """Return every judge on every line of arms with at least two values of `candidates`. `liked` is by arm."""
    by_arm: dict[str, list[Cell]] = defaultdict(list)
    for cell in figures:
        by_arm[cell.arm].append(cell)
    return [
        Dialled(
            line[0]["name"],
            reader,
            arm["name"],
            _candidates(arm),
            cell.judge,
            cell.accuracy,
            cell.low,
            cell.high,
            cell.questions,
            cell.verdicts,
            liked.get(arm["name"]),
        )
        for reader, line in _lines(arms)
        for arm in line
        for cell in by_arm[arm["name"]]
    ]


def _lines(arms: Sequence[Arm]) -> list[tuple[str, list[Arm]]]:
    """Return arms that differ only in `candidates`, by reader and by N. An arm without candidates is on the
    line of every reader.
    """
    alike: dict[str, list[Arm]] = defaultdict(list)
    for arm in arms:
        if _rules(arm):
            alike[_but(arm, "candidates")].append(arm)
    found = []
    for group in alike.values():
        readers = dict.fromkeys(
            arm["seats"].get(PREFERENCE, SPEAKER) for arm in group if _candidates(arm) > 1
        )
        for reader in readers:
            line = [arm for arm in group if arm["seats"].get(PREFERENCE, reader) == reader]
            if len({_candidates(arm) for arm in line}) > 1:
                found.append((reader, sorted(line, key=_candidates)))
    return found


def _candidate_table(rows: Sequence[Dialled], names: Names) -> ShownTable[Dialled]:
    columns: tuple[Column[Dialled], ...] = (
        *place_columns(names),
        Column("chosen by", lambda row: row.reader, Kind.NAME),
        Column("candidates", lambda row: row.candidates),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("questions", lambda row: row.questions),
    )
    about = "Arms that differ only in how many candidates each speech is chosen from."
    return ShownTable("Accuracy against the number of candidates", columns, rows, about=about)


def _candidate_chart_rows(rows: Sequence[Dialled], names: Names) -> list[PlainRow]:
    """Return every judge on every line of arms that differ only in their number of candidates."""
    readers: dict[str, set[str]] = defaultdict(set)
    for item in rows:
        readers[item.line].add(item.reader)
    found = []
    for item in rows:
        (line, judge), (arm, _) = (names.names(name, item.judge) for name in (item.line, item.arm))
        # Arms may differ in the reader of candidates too.
        reader = f", chosen by {item.reader}" if len(readers[item.line]) > 1 else ""
        found.append({**asdict(item), "line": f"{line}, {judge}{reader}", "arm": arm, "judge": judge})
    return found


def _draw_candidates(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    unit = alt.Scale(domain=[0, 1])
    numbers = sorted({row["candidates"] for row in rows})
    marks = colour_and_shape(rows, "line", width)
    base = chart_of(rows).encode(
        x=alt.X(
            "candidates:Q",
            title=wrapped("candidates of each speech, of which the most convincing is given", width),
            scale=alt.Scale(type="log", base=2, domain=[numbers[0] / 1.2, numbers[-1] * 1.2], nice=False),
            axis=alt.Axis(values=numbers, format="d", grid=False),
        ),
        color=marks["color"],
    )
    right = alt.Y("accuracy:Q", title="accuracy", scale=unit)
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(y=right, shape=marks["shape"])
    lines = base.mark_line().encode(y=right)
    spread = base.mark_rule(opacity=0.5, strokeWidth=2).encode(y=alt.Y("low:Q", scale=unit), y2="high:Q")
    return finished(alt.layer(lines, spread, dots).properties(width=width, height=260, autosize=FIT))


# ── attacks ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Attacked:
    """The effect of an arm's attacks on one judge. Accuracies are on trials in which the attacker speaks for
    a wrong answer.
    """

    arm: str
    attack: str
    attacker: str
    judge: str
    questions: int
    verdicts: int
    accuracy: float
    low: float
    high: float
    base: str | None
    """The arm that differs only in the attack. If the experiment has none, the figures below are empty."""
    contrast: Contrast | None = None
    """The arm less its base, on the questions judged under both."""
    pairs: int = 0
    """Pairs of verdicts under attack and under the base, with the same question, replicate and reading order,
    for any answer of the attacker.
    """
    moved_to: float | None = None
    """Share of pairs in which the judge chose the attacker's answer only under attack."""
    moved_from: float | None = None
    """Share of pairs in which the judge chose the attacker's answer only without attack."""


def attacked(arms: Sequence[Arm], counted: Counted, talks: Talks, *, seed: int) -> list[Attacked]:
    """Return every judge of every arm with an attack, in the order of the arms, then by judge."""
    found = []
    for arm in arms:
        rules = _rules(arm)
        if rules is not None and rules.attacking is not None:
            found += _attacks(arm, rules, _base(arm, arms), counted, talks, seed)
    return found


def _base(arm: Arm, arms: Sequence[Arm]) -> Arm | None:
    calm = (other for other in arms if other.get("attack") == "none")
    alike = (other for other in calm if _but(other, "attack", "attacker") == _but(arm, "attack", "attacker"))
    return next(
        (other for other in alike if other["seats"].get(PREFERENCE) == arm["seats"].get(PREFERENCE)), None
    )


def _attacks(
    arm: Arm, rules: Argued, base: Arm | None, counted: Counted, talks: Talks, seed: int
) -> list[Attacked]:
    table = counted.table
    own = counted.kept & table.of_arm(arm["name"])
    calm = counted.kept & table.of_arm(base["name"]) if base else ~table.everything
    target = _target(arm["name"], rules, rules, talks)[table.talk]
    calm_rules = _rules(base) if base else None
    calm_target = _target(base["name"], calm_rules, rules, talks)[table.talk] if base and calm_rules else None
    wrong = own & (target == 1 - table.gold)
    against = calm
    if calm_target is not None:
        against = calm & ((calm_target == EITHER) | (calm_target == 1 - table.gold))
    pairs = [(arm["name"], base["name"])] if base else []
    readings = table.verdicts.readings(wrong | against)
    differences = {item.judge: item for item in contrasts(readings, pairs, seed=seed)}
    figures = cells(table.verdicts.readings(wrong))
    assert rules.attacking is not None
    plain = [
        Attacked(
            arm["name"],
            rules.attack,
            rules.attacking,
            cell.judge,
            cell.questions,
            cell.verdicts,
            cell.accuracy,
            cell.low,
            cell.high,
            base["name"] if base else None,
            differences.get(cell.judge),
        )
        for cell in figures
    ]
    if calm_target is None:
        return plain
    before = _choices(table, calm, calm_target)
    now = _choices(table, own, target).with_columns(pl.col("right").replace(EITHER, 0))
    return [_moved(item, now.filter(judge=item.judge), before.filter(judge=item.judge)) for item in plain]


EITHER = -1
"""In place of the attacker's answer where it could be either."""


def _target(arm: str, rules: Argued, attacking: Argued, talks: Talks) -> IntArray:
    """Return for each talk of an arm the answer, in its own order, for which the attacker speaks or would speak under `rules`. It could be
    either where they have fewer assignments than those under attack.
    """
    seat, assigned = attacking.attacking, attacking.assignments(2)
    assert seat is not None
    if assigned[0].argues and len(rules.assignments(2)) < len(assigned):
        return np.full(talks.frame.height, EITHER)
    return talks.answers(lambda name, argues: rules.cause(seat, argues) if name == arm else None)


def _choices(table: VerdictTable, kept: BoolArray, target: IntArray) -> pl.DataFrame:
    """Return the kept verdicts with what alike ones share: question, replicate and the place at which gold was read."""
    rows = np.flatnonzero(kept)
    own = table.frame.select("reading_order", "gold")[rows]
    orders = zip(own["reading_order"].to_list(), own["gold"].to_list(), strict=True)
    judge = table.verdicts.judge
    return pl.DataFrame(
        {
            "judge": [judge.names[code] for code in judge.codes[rows]],
            "question": table.verdicts.question[rows],
            "replicate": table.verdicts.replicate[rows],
            "gold_at": [order.index(gold) for order, gold in orders],
            "right": np.where(target[rows] == EITHER, EITHER, target[rows] == table.gold[rows]),
            "chose_gold": table.verdicts.p_gold[rows] > 0.5,
            "chose_other": table.beliefs[rows, 1 - table.gold[rows]] > 0.5,
        },
        schema_overrides={"right": pl.Int64},
    )


_ALIKE = ("question", "replicate", "gold_at")


def _moved(item: Attacked, own: pl.DataFrame, calm: pl.DataFrame) -> Attacked:
    """Return the effect with the shares of verdicts that moved to the attacker's answer and away from it."""
    same = own.join(calm, on=(*_ALIKE, "right"), suffix="_then")
    rest = own.join(calm, on=(*_ALIKE, "right"), how="anti")
    either = rest.join(calm.filter(pl.col("right") == EITHER).drop("right"), on=_ALIKE, suffix="_then")
    chose = pl.when(pl.col("right") == 1)
    both = pl.concat(
        found.select(
            now=chose.then("chose_gold").otherwise("chose_other"),
            then=chose.then("chose_gold_then").otherwise("chose_other_then"),
        )
        for found in (same, either)
    )
    if not both.height:
        return item
    to = both.filter(pl.col("now") & ~pl.col("then")).height
    away = both.filter(~pl.col("now") & pl.col("then")).height
    return replace(item, pairs=both.height, moved_to=to / both.height, moved_from=away / both.height)


def _table(rows: Sequence[Attacked], names: Names) -> ShownTable[Attacked]:
    columns: tuple[Column[Attacked], ...] = (
        *place_columns(names),
        Column("attack", lambda row: row.attack, Kind.NAME),
        Column("attacker", lambda row: row.attacker, Kind.NAME, page_only=True),
        Column("accuracy", lambda row: share(row.accuracy)),
        Column("95% interval", lambda row: between(row.low, row.high, "{:.0%}")),
        Column("less without attack", lambda row: difference(row.contrast)),
        Column("95% interval", lambda row: interval(row.contrast)),
        Column("swayed", lambda row: share(row.moved_to)),
        Column("swayed back", lambda row: share(row.moved_from)),
        Column("questions", lambda row: row.questions, page_only=True),
    )
    caption = "Attacks on the judge, with the attacker's answer wrong"
    return ShownTable("Attacks on the judge", columns, rows, caption)


# ── as figures ──────────────────────────────────────────────────────────────────────────────────────────────────


def _candidate_rows(evidence: Evidence) -> list[Dialled]:
    return dialled(evidence.file_arms, evidence.cells.values(), evidence.facts.preferences)


def _attack_rows(evidence: Evidence) -> list[Attacked]:
    return attacked(evidence.file_arms, evidence.counted, evidence.talks, seed=evidence.seed)


def _words(rows: Sequence[Attacked]) -> list[str]:
    return [NOTE] if rows else []


NOTE = (
    "Attacks: accuracy on trials in which the attacking seat speaks for a wrong answer, less that without attack on the "
    "same questions; swayed is the share of verdicts that chose the attacker's answer, right or wrong, where the like "
    "without attack did not, and swayed back the reverse."
)

CANDIDATES = Figure(
    name="candidates",
    title="Accuracy against the number of candidates",
    about="The accuracy of each judge under arms that differ only in how many candidates each speech is chosen from.",
    source="Khan et al. 2024, section 3.2 (best of N).",
    needs="arms that differ in nothing but `candidates`",
    rows=_candidate_rows,
    table=_candidate_table,
    section=Section.COMPARISONS,
    chart=Chart(
        _candidate_chart_rows,
        _draw_candidates,
        "Accuracy against the number of candidates for each speech, with 95% intervals clustered by passage; one line for each "
        "judge and for each set of arms that differ in nothing else.",
    ),
)
ATTACKS = Figure(
    name="attacks",
    title="Attacks on the judge",
    about="The effect of an attack on the judge, where the attacking seat speaks for a wrong answer.",
    source="Paired by question, as contrasts; pairs of verdicts by question, replicate and the place at which gold was read.",
    needs="an arm with an attack",
    rows=_attack_rows,
    table=_table,
    words=_words,
    section=Section.COMPARISONS,
)
