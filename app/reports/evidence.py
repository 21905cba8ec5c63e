"""What figures are computed from: the recorded data, the verdicts that count, and what the design fixes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import polars as pl

from app.judge_fields import KNOWS_STORY
from app.protocols import FLOOR
from app.records.verdicts import ArmCount
from app.report_choices import (
    Conceded,
    Excluded,
    Replaced,
    Ties,
    Unit,
)
from app.reports.facts import Facts
from app.reports.talks import Talks, talks_of
from app.reports.twins import Floor, floors
from app.reports.verdict_table import Counted, VerdictTable, complete, table_of
from app.statistics.accuracy import Cell, by_verdict, cells, constant
from app.statistics.readings import BoolArray, Place, Readings, by_question

Found = TypeVar("Found")

COIN = "a built-in judge that prefers no answer, or only a place in the list: over both orders it is right as often as by drawing an answer"
"""Why the accuracy of such a judge has no interval."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What figures are computed from."""

    facts: Facts
    """Everything that was read, with the frames of all verdicts, talks and marks."""
    counted: Counted
    """The verdicts that count, as arrays."""
    talks: Talks
    """The frame of talks with the measures of each."""
    readings: Mapping[Place, Readings]
    """The verdicts that count by arm and judge, sorted and scored."""
    cells: Mapping[Place, Cell]
    """Accuracy and scores by arm and judge: arms in the order of the file, judges by name."""
    memo: dict[Callable[["Evidence"], Any], Any] = field(default_factory=dict)
    """What `once` has computed."""

    def once(self, function: Callable[["Evidence"], Found]) -> Found:
        """Return what a function finds in this evidence, computed once: for what several figures need."""
        if function not in self.memo:
            self.memo[function] = function(self)
        found: Found = self.memo[function]
        return found

    @property
    def file_arms(self) -> Sequence[Mapping[str, Any]]:
        """Return the arms as in the frozen file, in its order."""
        arms: Sequence[Mapping[str, Any]] = self.facts.experiment.spec.get("arms", ())
        return arms

    @property
    def seed(self) -> int:
        """Return the seed of whatever is drawn."""
        return self.facts.experiment.seed


def evidence_of(facts: Facts) -> Evidence:
    """Return what figures are computed from."""
    choices = facts.choices
    table = table_of(facts.verdicts)
    if choices.ties is Ties.WRONG:
        held = table.verdicts
        table = replace(table, verdicts=replace(held, right=(held.right == 1).astype(np.float64)))
    given = ~knew_story(facts) & ~left_out(facts)
    if choices.conceded is Conceded.LEFT_OUT:
        given &= ~has_conceded(facts)
    if choices.replaced is Replaced.LEFT_OUT:
        given &= ~_on_talks(facts, facts.replaced)
    counted = all_that_count(facts, table, given)
    readings = counted.readings
    scored = {(cell.arm, cell.judge): cell for cell in cells(readings, arms=list(facts.arms))}
    if choices.unit is Unit.VERDICT:
        scored = {place: by_verdict(readings[place]) for place in scored}
    scored |= {
        place: constant(scored[place], COIN, scores=even)
        for place, even in _coins(counted, readings, facts.arms).items()
    }
    found = Evidence(facts, counted, talks_of(facts.talks), readings, scored)
    fixed = {place: constant(scored[place], floor.shown) for place, floor in found.once(floors_of).items()}
    return replace(found, cells={**scored, **fixed}) if fixed else found


def knew_story(facts: Facts) -> BoolArray:
    """Return which verdicts are of people who knew the story, or on talks with such people."""
    return facts.verdicts[KNOWS_STORY.name].to_numpy()


def left_out(facts: Facts) -> BoolArray:
    """Return which verdicts are of people whom their study's rules or a researcher leave out; none where the reader counts them."""
    if facts.choices.excluded is Excluded.KEPT:
        return np.zeros(facts.verdicts.height, dtype=np.bool_)
    return (facts.verdicts["excluded"].cast(pl.String) != "").to_numpy()


def with_everyone(evidence: Evidence) -> Evidence:
    """Return what figures are computed from where excluded people count too."""
    facts = evidence.facts
    return evidence_of(replace(facts, choices=replace(facts.choices, excluded=Excluded.KEPT)))


def has_conceded(facts: Facts) -> BoolArray:
    """Return which verdicts are on a talk with a concession."""
    return _on_talks(facts, facts.conceded)


def _on_talks(facts: Facts, hashes: Sequence[int]) -> BoolArray:
    talks = np.flatnonzero(np.isin(facts.talks["hash"].to_numpy(), np.array(hashes, dtype=np.int64)))
    return np.isin(facts.verdicts["talk"].to_numpy(), talks)


def all_that_count(facts: Facts, table: VerdictTable, given: BoolArray) -> Counted:
    """Leave out verdicts that lack another assignment or their twin."""
    return complete(table, given, {name: arm.assignments for name, arm in facts.arms.items()}, facts.twins)


def floors_of(evidence: Evidence) -> Mapping[Place, Floor]:
    """Return the arms and judges whose accuracy the design fixes at 50%."""
    facts = evidence.facts
    naive = [name for name, arm in facts.arms.items() if arm.protocol == FLOOR.name]
    return floors(evidence.counted, facts.twins, naive)


def _coins(
    counted: Counted, readings: Mapping[Place, Readings], arms: Mapping[str, ArmCount]
) -> dict[Place, bool]:
    """Return the arms and judges whose accuracy is that of a coin by design, and whether their scores are fixed too: built-in judges
    that believe all answers alike, and those that see nothing but the answers and are half right on every question.

    A model without preferences is a sample, not a design.
    """
    kinds = counted.table.frame["judge_kind"]
    builtin = [place for place, rows in counted.places.items() if kinds[int(rows[0])] == "builtin"]
    even = {place: _is_even(readings[place], counted.table) for place in builtin}
    return {place: even[place] for place in builtin if even[place] or _is_coin(readings[place], arms)}


def _is_even(readings: Readings, table: VerdictTable) -> bool:
    beliefs = table.beliefs[readings.rows]
    return bool(((beliefs == beliefs.max(axis=1, keepdims=True)) | (beliefs < 0)).all())


def _is_coin(readings: Readings, arms: Mapping[str, ArmCount]) -> bool:
    half = bool((by_question(readings, readings.right).value == 0.5).all())
    return half and arms[readings.arm].protocol == FLOOR.name
