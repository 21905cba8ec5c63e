"""What must be read beside an accuracy: position, noise, how beliefs were read, and what is doubtful about them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from app.reports.figures.core import Evidence, Figure, Names, Section, place_columns
from app.reports.verdict_table import VerdictTable
from app.reports.written import between
from app.reports.written import share as shown_share
from app.shown_table import ABSENT, Column, Kind, ShownTable
from app.statistics.accuracy import Cell
from app.statistics.intervals import Estimate, FloatArray, IntArray
from app.statistics.position import chance, chose_first, overlap, pairs, share, tops
from app.statistics.readings import Place, combined, first_seen

METHODS = {
    "logprobs": "log-probabilities",
    "constrained": "constrained log-probabilities",
    "verbalised": "stated percentages",
    "votes": "votes",
    "stated": "people",
    "baseline": "built-in",
}
"""How beliefs are read, in words."""

SAME_QUANTITY = {"constrained": "logprobs"}
"""A method that gives the same quantity as another."""

MANY = 3
"""Cells that a sentence names one by one, even if it holds for all."""

LEAST_MASS = 0.5
"""Mean label mass under which a model wanted to say something else than a letter."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval, over the pairs or verdicts that it was counted in."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Certainty:
    """The figures of one judge under one arm, from the verdicts behind its accuracy."""

    first: Share
    """Verdicts that chose the first-listed answer. A judge who goes by content is at `chance`."""
    chance: float
    """Accuracy of a judge who draws an answer."""
    orders_agree: Share | None
    """Pairs of verdicts on one talk, read in different orders, that chose the same answer; None without such."""
    repeats_differ: Share | None
    """Pairs of verdicts from identical calls that chose different answers; None where none were repeated."""
    methods: Mapping[str, int]
    """Verdicts by how their belief was read."""
    label_mass: float | None
    """Mean over the verdicts that have one."""
    flags: Mapping[str, int]
    """Verdicts by what is doubtful about them."""
    flagged: int
    verdicts: int

    @property
    def ways(self) -> set[str]:
        """Return the different quantities that beliefs were read as."""
        return {SAME_QUANTITY.get(method, method) for method in self.methods}


def certainties(evidence: Evidence) -> Mapping[Place, Certainty]:
    """Return the figures by arm and judge."""
    counted = evidence.counted
    return {place: _certainty(counted.table, rows) for place, rows in counted.places.items()}


def _certainty(table: VerdictTable, rows: IntArray) -> Certainty:
    beliefs = table.beliefs[rows]
    answers = (beliefs >= 0).sum(axis=1)
    top = tops(beliefs)
    held = table.verdicts
    frame = table.frame.select("play", "reading_order", "label_mass", "flags", "method")[rows]
    passage, question = first_seen(held.passage[rows]), first_seen(held.question[rows])
    judging = first_seen(frame["play"].to_numpy())
    listed = [frame["reading_order"].list.get(place, null_on_oob=True) for place in range(beliefs.shape[1])]
    order = combined(*(place.fill_null(-1).to_numpy() for place in listed))

    def over(values: FloatArray, at: IntArray) -> Share | None:
        return _share(share(values, question[at], passage[at]), at.size) if at.size else None

    one, two = pairs(judging, order, same_order=False)
    same, again = pairs(judging, order, same_order=True)
    masses = frame["label_mass"].drop_nulls().to_list()
    chosen_first = over(chose_first(top, listed[0].to_numpy()), np.arange(rows.size))
    assert chosen_first is not None
    flags = frame["flags"]
    return Certainty(
        first=chosen_first,
        chance=chance(answers, question),
        orders_agree=over(overlap(top, one, two), one),
        repeats_differ=over(1 - overlap(top, same, again), same),
        methods=_counts(frame["method"]),
        label_mass=math.fsum(masses) / len(masses) if masses else None,
        flags=_counts(flags.explode(empty_as_null=True).drop_nulls()),
        flagged=int((flags.list.len() > 0).sum()),
        verdicts=rows.size,
    )


def _counts(values: pl.Series) -> dict[str, int]:
    """Return how often each value occurs, by value."""
    return dict(sorted((str(value), count) for value, count in values.value_counts().iter_rows()))


def _share(estimate: Estimate, count: int) -> Share:
    return Share(estimate.value, estimate.low, estimate.high, count)


# ── in words ────────────────────────────────────────────────────────────────────────────────────────────────────

Held: TypeAlias = tuple[Cell, Certainty]


@dataclass(frozen=True, slots=True)
class _Warning:
    """A sentence, for which cells it holds, and what it says of each."""

    key: str
    sentence: str
    holds: Callable[[Cell, Certainty], bool]
    detail: Callable[[Cell, Certainty], str] = lambda cell, held: ""


def _flag(key: str, sentence: str) -> _Warning:
    return _Warning(
        key,
        sentence,
        lambda cell, held: key in held.flags,
        lambda cell, held: f"{held.flags[key]} of {held.verdicts}",
    )


def _beyond_chance(held: Certainty) -> bool:
    return not held.first.low <= held.chance <= held.first.high


def _leans(held: Certainty) -> bool:
    return _beyond_chance(held) and 0 < held.first.value < 1


def _by_place(held: Certainty) -> bool:
    """Return whether one place in every verdict is more than chance.

    In both orders of one talk it always is. Where each talk is read once, a few right verdicts may all have gold listed first.
    """
    return held.orders_agree is not None or _beyond_chance(held)


_RE_READ = (
    "read every verdict of the judge again by one method, with the same judge and `belief: verbalised` in the file of "
    "`arena judge {name} --with PANEL.yaml`"
)

_WARNINGS = (
    _Warning(
        "always_first",
        "Always chose the first-listed answer, so position explains the choices and accuracy says nothing about the talk",
        lambda cell, held: held.first.value == 1 and _by_place(held),
    ),
    _Warning(
        "never_first",
        "Never chose the first-listed answer, so position explains the choices and accuracy says nothing about the talk",
        lambda cell, held: held.first.value == 0 and _by_place(held),
    ),
    _Warning(
        "position",
        "Chose by position more often than chance explains",
        lambda cell, held: _leans(held),
        lambda cell, held: f"the first-listed answer in {held.first.value:.0%}",
    ),
    _Warning(
        "chance",
        "Not distinguishable from chance, which is inside the interval of accuracy",
        lambda cell, held: cell.low <= held.chance <= cell.high,
    ),
    _Warning(
        "low_mass",
        "Beliefs come from a model that wanted to say something else than an answer's letter",
        lambda cell, held: held.label_mass is not None and held.label_mass < LEAST_MASS,
        lambda cell, held: f"mean label mass {held.label_mass:.2f}",
    ),
    _Warning(
        "several_ways",
        f"Beliefs were read in several ways, which one accuracy mixes; {_RE_READ}",
        lambda cell, held: len(held.ways) > 1,
        lambda cell, held: ", ".join(f"{count} from {METHODS[name]}" for name, count in held.methods.items()),
    ),
    _flag(
        "undecided",
        f"Choices are open, because the server returned too few log-probabilities; {_RE_READ}",
    ),
    _flag("off_sum", "Stated percentages that do not add up to 100; their shares are the belief"),
    _flag("no_weight", "Stated 0 for every answer; the belief is even"),
)


def warnings(cell: Cell | None, held: Certainty | None) -> list[str]:
    """Return the keys of the sentences that hold for a cell."""
    if cell is None or held is None:
        return []
    return [warning.key for warning in _WARNINGS if warning.holds(cell, held)]


def sentences(experiment: str, lines: Sequence[tuple[str, Cell | None, Certainty | None]]) -> list[str]:
    """Return what must be read before the accuracies, each with the names of the cells that it holds for."""
    found = []
    judged = sum(held is not None for _, _, held in lines)
    for warning in _WARNINGS:
        holding = [
            (name, warning.detail(cell, held))
            for name, cell, held in lines
            if cell is not None and held is not None and warning.holds(cell, held)
        ]
        if holding:
            every = len(holding) == judged > MANY and not any(detail for _, detail in holding)
            named = (f"{name} ({detail})" if detail else name for name, detail in holding)
            whose = "every arm and judge" if every else "; ".join(named)
            found.append(f"{warning.sentence.replace('{name}', experiment)}: {whose}.")
    return found


def as_json(held: Certainty | None) -> dict[str, Any] | None:
    """Return the figures for the JSON report."""
    return None if held is None else asdict(held)


def read_from(held: Certainty) -> str:
    """Return the methods by which beliefs were read, with their counts where there are several."""
    methods = [f"{count} × {METHODS[name]}" for name, count in held.methods.items()]
    return METHODS[next(iter(held.methods))] if len(methods) == 1 else ", ".join(methods)


NOTE = (
    "Position and certainty: the share of verdicts that chose the first-listed answer (chance for a judge who goes by content); how "
    "often the two reading orders of one talk led to the same choice; how often identical calls (`repeats` above 1) led to different "
    "ones, which is noise; mean label mass, the probability that an unconstrained model gives to the answers' letters. Flagged are "
    "beliefs with a missing letter (bounded or undecided), and stated percentages that did not add up to 100 or were all 0."
)


# ── as a figure ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Certain:
    """The figures of an arm and judge of the report."""

    arm: str
    judge: str
    found: Certainty


def _rows(evidence: Evidence) -> list[Certain]:
    sure = evidence.once(certainties)
    places = ((judge.arm, judge.label) for judge in evidence.facts.judges)
    return [Certain(*place, sure[place]) for place in places if place in sure]


def _table(rows: Sequence[Certain], names: Names) -> ShownTable[Certain]:
    columns: tuple[Column[Certain], ...] = (
        *place_columns(names),
        Column("first-listed chosen", lambda row: shown_share(row.found.first.value)),
        Column("95% interval", lambda row: between(row.found.first.low, row.found.first.high, "{:.0%}")),
        Column("orders agree", lambda row: _value(row.found.orders_agree)),
        Column("repeats differ", lambda row: _value(row.found.repeats_differ)),
        Column("read from", lambda row: read_from(row.found), Kind.WORDS),
        Column("label mass", lambda row: _mass(row.found)),
        Column("flagged", lambda row: row.found.flagged),
    )
    return ShownTable("Position and certainty", columns, rows)


def _value(found: Share | None) -> str:
    return ABSENT if found is None else shown_share(found.value)


def _mass(found: Certainty) -> str | None:
    return None if found.label_mass is None else f"{found.label_mass:.2f}"


def _beside(rows: Sequence[Certain]) -> str:
    """Return the sentence for the methods section."""
    both = any(row.found.orders_agree is not None for row in rows)
    orders = ", and the agreement of verdicts on one transcript read in both orders" if both else ""
    return f"Beside each accuracy is the share of verdicts that chose the first-listed answer{orders}."


CERTAINTY = Figure(
    name="certainty",
    title="Position and certainty",
    about="How often the first-listed answer was chosen, whether orders and repeats agree, and how beliefs were read.",
    source="Counts; intervals are those of accuracy.",
    needs="verdicts that count",
    rows=_rows,
    table=_table,
    words=lambda rows: [NOTE] if rows else [],
    as_json=None,
    section=Section.BIAS,
    methods=_beside,
)
