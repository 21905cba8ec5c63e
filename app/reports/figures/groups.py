"""Groups of judges: how often several judges of a talk are right together, by rule and size."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import altair as alt
import numpy as np

from app.reports.charts import PlainRow, colour_and_shape, panels, wrapped
from app.reports.figures.core import Chart, Evidence, Figure, Names, Section
from app.reports.verdict_table import VerdictTable
from app.reports.written import between, share
from app.shown_table import ABSENT, Column, Kind, ShownTable
from app.statistics.groups import RULES, Grouped, Pools, grouped, spread_of_judges, widened
from app.statistics.intervals import DIFFERENCE, FloatArray, IntArray, Scale, mean_interval
from app.statistics.readings import Figures, averaged, combined, dense, weights_of
from app.statistics.seeds import generator

_SHARE = Scale(low=0.0, high=1.0, unseen=1.0)
NEW_PASSAGES = "for new passages, judged by these judges"
NEW_PEOPLE = "for new passages and new people"


@dataclass(frozen=True, slots=True)
class GroupAccuracy:
    """The accuracy of groups of one size under one arm, by one rule."""

    arm: str
    kind: str
    """Who a group is made of: `judges`, `people`, or `repeats` of one judge."""
    judge: str | None
    """The judge that is repeated, or the label of people; None for groups of several judges."""
    rule: str
    size: int
    members: int
    """Largest number of verdicts that at least half of the talks with several have."""
    groups: int
    """Groups of this size of a talk, over which its value is averaged; the fewest of any talk."""
    drawn: bool
    """Whether these are a sample of all groups."""
    talks: int
    questions: int
    passages: int
    accuracy: float
    low: float
    high: float
    gain: float
    """The accuracy less that of groups of 1, on the same talks."""
    gain_low: float
    gain_high: float
    left_out: int
    """Talks with several verdicts, but fewer than `members`."""
    interval: str
    """For what the interval of accuracy holds."""


_Kind: TypeAlias = tuple[str, str, str | None]
"""Arm, kind and judge of groups."""


@dataclass(frozen=True, slots=True, eq=False)
class _Items:
    """Verdicts by item and member: (n,) arrays."""

    rows: IntArray
    item: IntArray
    """What is judged together: a talk, read in one order where not by people."""
    member: IntArray


def _rows(evidence: Evidence) -> list[GroupAccuracy]:
    counted = evidence.counted
    frame = counted.table.frame
    rows = np.flatnonzero(counted.kept & frame["reads"].to_numpy())
    arms = counted.table.verdicts.arm
    order = [arm["name"] for arm in evidence.file_arms] or list(evidence.facts.arms)
    found: list[GroupAccuracy] = []
    for arm in order:
        if arm in arms.names:
            own = rows[arms.codes[rows] == arms.names.index(arm)]
            found += _of_arm(counted.table, own, arm, evidence.seed)
    return found


def _of_arm(table: VerdictTable, rows: IntArray, arm: str, seed: int) -> Iterator[GroupAccuracy]:
    held = table.verdicts
    people = held.person[rows] >= 0
    machines, judges = rows[~people], held.judge.codes
    listed = _reading_order(table, machines)
    repeat = _rank(combined(table.talk[machines], judges[machines], listed)) if machines.size else listed
    if machines.size:
        several = _Items(machines, combined(table.talk[machines], listed, repeat), judges[machines])
        yield from _groups(table, several, (arm, "judges", None), seed)
        for judge in np.unique(judges[machines]):
            mine = judges[machines] == judge
            own = machines[mine]
            items = _Items(own, combined(table.talk[own], listed[mine]), repeat[mine])
            yield from _groups(table, items, (arm, "repeats", held.judge.names[judge]), seed)
    for judge in np.unique(judges[rows[people]]):
        own = rows[people & (judges[rows] == judge)]
        items = _Items(own, table.talk[own].astype(np.int64), held.person[own].astype(np.int64))
        yield from _groups(table, items, (arm, "people", held.judge.names[judge]), seed)


def _reading_order(table: VerdictTable, rows: IntArray) -> IntArray:
    """Return the order in which the answers were listed, as a number."""
    listed = table.frame["reading_order"][rows]
    places = [
        listed.list.get(place, null_on_oob=True).fill_null(-1).to_numpy()
        for place in range(table.beliefs.shape[1])
    ]
    return combined(*places) if rows.size else rows


def _rank(codes: IntArray) -> IntArray:
    """Return how often a code occurred before, for each."""
    placed = np.argsort(codes, kind="stable")
    own = codes[placed]
    starts = np.flatnonzero(np.r_[True, own[1:] != own[:-1]])
    found = np.empty(codes.size, dtype=np.int64)
    found[placed] = np.arange(codes.size) - np.repeat(starts, np.diff(starts, append=codes.size))
    return found


def _groups(table: VerdictTable, given: _Items, place: _Kind, seed: int) -> Iterator[GroupAccuracy]:
    """Yield the rows of one kind of groups; none where no two verdicts are on one item."""
    item = dense(given.item)
    sizes = np.bincount(item)
    several = sizes >= 2
    if not several.any():
        return
    members = int(np.sort(sizes[several])[(several.sum() - 1) // 2])
    whole = sizes >= members
    left_out = np.unique(table.talk[given.rows[(several & ~whole)[item]]]).size
    held, kept = table.verdicts, np.flatnonzero(whole[item])
    placed = kept[np.lexsort((given.member[kept], item[kept]))]
    starts = np.flatnonzero(np.r_[True, np.diff(item[placed]) != 0])
    first = given.rows[placed[starts]]
    order = np.lexsort((first, held.assignment[first], held.replicate[first], held.question[first]))
    weights = np.empty(first.size)
    weights[order] = weights_of(
        *(keys[first[order]] for keys in (held.question, held.replicate, held.assignment))
    )
    pooled = _Pooled(table, given.rows[placed], dense(given.member[placed]), starts, first, order, weights)
    yield from _summed(pooled, pooled.grouped(members, place, seed), members, left_out, place)


@dataclass(frozen=True, slots=True, eq=False)
class _Pooled:
    """The verdicts of the items whose groups are formed, by item and member."""

    table: VerdictTable
    rows: IntArray
    member: IntArray
    """From 0."""
    starts: IntArray
    """(items,) where each item begins."""
    first: IntArray
    """(items,) a verdict on each."""
    order: IntArray
    """Items by question, replicate and assignment."""
    weights: FloatArray
    """(items,) of the mean over questions."""

    def grouped(self, most: int, place: _Kind, seed: int) -> Sequence[tuple[IntArray, Grouped]]:
        """Return the values of groups for the items with equally many members, with these items."""
        sizes = np.diff(self.starts, append=self.rows.size)
        judges = int(self.member.max()) + 1 if place[1] == "people" else 0
        found = []
        for size in np.unique(sizes):
            items = np.flatnonzero(sizes == size)
            at = self.starts[items][:, None] + np.arange(size)
            rows = self.rows[at]
            pools = Pools(
                self.table.beliefs[rows], self.table.gold[rows[:, 0]], self.member[at], self.weights[items]
            )
            rng = generator("groups", seed, *map(str, place))
            found.append((items, grouped(pools, most, rng, judges)))
        return found

    def figures(self, values: FloatArray) -> Figures:
        """Return (items,) values by question."""
        held, first = self.table.verdicts, self.first[self.order]
        keys = (held.question[first], held.passage[first], held.replicate[first], held.assignment[first])
        return averaged(*keys, values[self.order])


def _summed(
    pooled: _Pooled, parts: Sequence[tuple[IntArray, Grouped]], members: int, left_out: int, place: _Kind
) -> Iterator[GroupAccuracy]:
    held = [part for _, part in parts]
    for rule in RULES:
        values = np.empty((pooled.first.size, held[0].sizes.size))
        for items, part in parts:
            values[items] = part.value[rule]
        alone = pooled.figures(values[:, 0])
        for at, size in enumerate(held[0].sizes.tolist()):
            figures = pooled.figures(values[:, at])
            estimate = mean_interval(figures.value, figures.passage, _SHARE)
            gain = mean_interval(figures.value - alone.value, figures.passage, DIFFERENCE)
            low, high, interval = estimate.low, estimate.high, NEW_PASSAGES
            if place[1] == "people":
                changes = sum(part.changes[rule][:, at] for part in held)
                gone = sum(part.gone[:, at] for part in held)
                spread = spread_of_judges(estimate.value, np.asarray(changes), np.asarray(gone))
                if spread is not None:
                    low, high = widened(estimate.value, low, high, spread, np.size(gone))
                    interval = NEW_PEOPLE
            yield GroupAccuracy(
                *place,
                rule=rule,
                size=size,
                members=members,
                groups=min(int(part.groups[at]) for part in held),
                drawn=any(part.drawn for part in held),
                talks=np.unique(pooled.table.talk[pooled.first]).size,
                questions=figures.question.size,
                passages=figures.passages,
                accuracy=estimate.value,
                low=low,
                high=high,
                gain=gain.value,
                gain_low=gain.low,
                gain_high=gain.high,
                left_out=left_out,
                interval=interval,
            )


# ── shown ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _who(row: GroupAccuracy, names: Names) -> str:
    if row.judge is None:
        return "judges"
    judge = names.names(row.arm, row.judge)[1]
    return judge if row.kind == "people" else f"{judge}, repeated"


_Size: TypeAlias = tuple[str, str, str | None, int]


def _size(row: GroupAccuracy) -> _Size:
    return row.arm, row.kind, row.judge, row.size


def _table(rows: Sequence[GroupAccuracy], names: Names) -> ShownTable[GroupAccuracy]:
    by_rule = {(row.rule, _size(row)): row for row in rows}

    def by(rule: str) -> Column[GroupAccuracy]:
        def text(row: GroupAccuracy) -> str:
            own = by_rule[rule, _size(row)]
            return f"{share(own.accuracy)} ({between(own.low, own.high, '{:.0%}')})"

        return Column(rule, text)

    columns: tuple[Column[GroupAccuracy], ...] = (
        Column("arm", lambda row: names.names(row.arm, None)[0], Kind.NAME),
        Column("group of", lambda row: _who(row, names), Kind.NAME),
        Column("size", lambda row: row.size),
        *map(by, RULES),
        Column("gain of mean", _gain),
        Column("groups", lambda row: row.groups, page_only=True),
        Column("questions", lambda row: row.questions, page_only=True),
        Column("talks left out", lambda row: row.left_out, page_only=True),
    )
    # A line a size: the other rules are columns of it.
    return ShownTable("Groups of judges", columns, [row for row in rows if row.rule == "mean"], about=ABOUT)


def _gain(row: GroupAccuracy) -> str:
    if row.size == 1:
        return ABSENT
    return f"{100 * row.gain:+.1f} ({between(100 * row.gain_low, 100 * row.gain_high, '{:+.0f}')})"


ABOUT = (
    "Accuracy of groups that decide together on one talk, averaged over all groups of a size, or over 100 drawn ones. A group takes the "
    "answer with most votes (majority), with the largest mean belief, with the largest mean of log beliefs (log-odds), or with most votes "
    "each weighted by its confidence. A tie of k answers counts 1/k. The gain is in points over one judge alone on the same talks."
)


def _chart_rows(rows: Sequence[GroupAccuracy], names: Names) -> list[PlainRow]:
    return [
        {
            "group": f"{names.names(row.arm, None)[0]}: {_who(row, names)}",
            "rule": row.rule,
            "size": row.size,
            "accuracy": row.accuracy,
            "low": row.low,
            "high": row.high,
            "questions": row.questions,
        }
        for row in rows
    ]


def _draw(rows: list[PlainRow], width: int) -> alt.TopLevelMixin:
    marks = colour_and_shape(rows, "rule", width)
    low = math.floor(10 * min(row["low"] for row in rows)) / 10
    scale = alt.Scale(domain=[min(low, 0.5), 1.0])
    base = alt.Chart().encode(
        x=alt.X("size:Q", title="judges in a group", axis=alt.Axis(tickMinStep=1, format="d")),
        color=marks["color"],
    )
    accuracy = alt.Y("accuracy:Q", title=wrapped("accuracy", width), scale=scale, axis=alt.Axis(format="%"))
    reach = base.mark_rule(opacity=0.35).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    lines = base.mark_line(strokeWidth=2).encode(y=accuracy)
    dots = base.mark_point(filled=True, size=45, opacity=1).encode(y=accuracy, shape=marks["shape"])
    return panels([reach, lines, dots], rows, "group", width, 200)


GROUPS = Figure(
    name="groups",
    title="Groups of judges",
    about="The accuracy of groups of judges that decide on one talk together, by rule and size, and of repeated readings of one judge.",
    source=(
        "Majority: Condorcet 1785; means of beliefs and of log-odds: Genest and Zidek 1986; intervals as for accuracy, widened for people by "
        "leaving out one at a time (Efron and Stein 1981)."
    ),
    needs="two verdicts or more on one talk: of several judges, of people, or of repeats",
    rows=_rows,
    table=_table,
    section=Section.GROUPS,
    chart=Chart(
        _chart_rows,
        _draw,
        "Accuracy against the number of judges in a group, for each rule, with 95% intervals.",
    ),
    methods=(
        "Groups of judges decide on one talk in one reading order (people: on one talk) by majority, by the mean belief, by the mean of log "
        "beliefs (clipped at 1e-4), or by votes weighted by the belief behind each; their accuracy is averaged over all groups of a size, or "
        "over 100 drawn ones, on talks with at least as many verdicts as half of the talks with several have; intervals are clustered by "
        "passage and, for people, widened by the variance between people (jackknife)."
    ),
    slow=True,
)
