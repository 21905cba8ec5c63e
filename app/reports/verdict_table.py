"""The frame of verdicts as the arrays that statistics read, and which of its verdicts count."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import BoolArray, Coded, Place, Readings, Verdicts, combined, dense, verdicts
from app.statistics.scores import scores_of

Partners: TypeAlias = Mapping[str, str]
"""The question of each pair of twins by that of the other, by key, both ways."""


@dataclass(frozen=True, slots=True, eq=False)
class VerdictTable:
    """The verdicts of an experiment: the frame, and arrays in its order."""

    frame: pl.DataFrame
    verdicts: Verdicts
    beliefs: FloatArray
    """(n, answers) in the order of the talk's answers, padded with -1."""
    gold: IntArray
    """Place of the right answer."""
    talk: IntArray
    """Row of the frame of talks."""
    questions: Coded
    """Keys of questions."""

    @property
    def everything(self) -> BoolArray:
        """Return a mask of all verdicts."""
        return np.ones(self.gold.size, dtype=np.bool_)

    def named(self, rows: IntArray) -> Counter[Place]:
        """Return how many of these verdicts are of each arm and judge."""
        own, counts = np.unique_counts(self.verdicts.place[rows])
        first = {
            int(self.verdicts.place[row]): row
            for row in rows[np.unique(self.verdicts.place[rows], return_index=True)[1]]
        }
        return Counter(
            {self.name(first[int(place)]): int(count) for place, count in zip(own, counts, strict=True)}
        )

    def name(self, row: int) -> Place:
        """Return the arm and the judge of a verdict."""
        arm, judge = self.verdicts.arm, self.verdicts.judge
        return arm.names[arm.codes[row]], judge.names[judge.codes[row]]

    def of_arm(self, arm: str) -> BoolArray:
        """Return a mask of the verdicts under an arm."""
        names = self.verdicts.arm.names
        return self.verdicts.arm.codes == names.index(arm) if arm in names else ~self.everything

    def alone(self, kept: BoolArray, place: Place) -> Readings | None:
        """Return the kept verdicts of one arm and judge."""
        arm, judge = self.verdicts.arm, self.verdicts.judge
        own = (arm.codes == arm.names.index(place[0])) & (judge.codes == judge.names.index(place[1]))
        return self.verdicts.readings(kept & own).get(place)

    def path(self, rows: IntArray) -> FloatArray:
        """Return (n, steps) beliefs in gold, oldest first, padded with NaN."""
        own = self.frame.select("beliefs", "gold")[rows]
        alone = self.verdicts.p_gold[rows][:, None]
        steps = own.select(pl.col("beliefs").list.len().max()).item()
        if steps is None:
            return alone
        at = [
            pl.col("beliefs").list.get(step, null_on_oob=True).list.get(pl.col("gold")).alias(str(step))
            for step in range(steps)
        ]
        found: FloatArray = own.select(at).fill_null(math.nan).to_numpy().copy()
        absent = own["beliefs"].is_null().to_numpy()
        found[absent, 0] = alone[absent, 0]
        return found


def table_of(frame: pl.DataFrame) -> VerdictTable:
    """Return the frame of verdicts with its arrays."""
    gold = frame["gold"].to_numpy()
    beliefs = _matrix(frame["belief"])
    # Arrays of the frame, not copies of them.
    known = frame["p_gold"].to_numpy(), frame["correct"].to_numpy()
    p_gold, right, brier, log_score = scores_of(beliefs, gold, *known)
    asked = codes(frame, "family", "question")
    people = codes(frame, "person")
    place, reading = frame["place"].to_numpy(), frame["reading"].to_numpy()
    without_person = people.names[:1] == [""]
    return VerdictTable(
        frame,
        verdicts(
            arm=codes(frame, "arm"),
            judge=codes(frame, "label"),
            passage=codes(frame, "family").codes,
            question=asked.codes,
            replicate=frame["replicate"].to_numpy(),
            assignment=frame["assignment"].to_numpy(),
            talk=codes(frame, "took_part").codes,
            # People read in one order each, so the place distinguishes their readings of a trial.
            order=np.where(place > 0, place, reading),
            person=people.codes - int(without_person),
            people=people.names[1:] if without_person else people.names,
            p_gold=p_gold,
            right=right,
            brier=brier,
            log_score=log_score,
        ),
        beliefs,
        gold,
        frame["talk"].to_numpy(),
        codes(frame, "question"),
    )


def codes(frame: pl.DataFrame, *columns: str) -> Coded:
    """Return columns as numbers in the order of their names; the names are those of the last column."""
    names = [f"{column}_name" for column in columns]
    different = frame.select(columns).unique()
    ordered = different.with_columns(
        pl.col(column).cast(pl.String).alias(name) for column, name in zip(columns, names, strict=True)
    ).sort(names)
    numbered = ordered.with_row_index("code")
    found = frame.select(columns).join(numbered, on=columns, how="left", maintain_order="left")
    return Coded(numbered[names[-1]].to_list(), found["code"].cast(pl.Int32).to_numpy())


def _matrix(beliefs: pl.Series) -> FloatArray:
    lengths = beliefs.list.len()
    width = int(lengths.max() or 2)  # type: ignore[arg-type]
    if beliefs.len() and (lengths == width).all():
        # The numbers of the column itself, one after the other: no copy.
        return beliefs.explode().to_numpy().reshape(-1, width)
    columns = [beliefs.list.get(place, null_on_oob=True).fill_null(-1.0) for place in range(width)]
    return np.stack([column.to_numpy() for column in columns], axis=1)


# ── which verdicts count ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The verdicts behind all figures and plots, and the numbers of others by arm and judge."""

    table: VerdictTable
    kept: BoolArray
    excluded: Counter[Place]
    """Those that lack another assignment."""
    without_twin: Counter[Place]
    """Those that lack their twin."""

    @property
    def readings(self) -> dict[Place, Readings]:
        """Return the verdicts behind the figures by arm and judge."""
        return self.table.verdicts.readings(self.kept)

    @property
    def places(self) -> dict[Place, IntArray]:
        """Return their rows by arm and judge, in the order of the frame."""
        return self.table.verdicts.places(self.kept)


def complete(
    table: VerdictTable, given: BoolArray, assignments: Mapping[str, int], partners: Partners
) -> Counted:
    """Leave out verdicts that lack another assignment or their twin. `assignments` has how many each arm plays."""
    kept, excluded = _balanced(table, given, assignments)
    pairs, without_twin = paired(table, kept, partners)
    # A verdict lost with its twin may have been the only one under its assignment.
    kept, more = _balanced(table, pairs, assignments)
    return Counted(table, kept, excluded + more, +without_twin)


def _balanced(
    table: VerdictTable, given: BoolArray, assignments: Mapping[str, int]
) -> tuple[BoolArray, Counter[Place]]:
    """Return the verdicts on questions (and replicates) judged under every assignment, and the number of others
    by arm and judge.

    With one assignment missing, a mean over assignments would be that of the other alone: for consultancy, of
    only honest or only dishonest consultants.
    """
    held, rows = table.verdicts, np.flatnonzero(given)
    asked = dense(combined(held.place[rows], held.question[rows], held.replicate[rows]))
    different = np.unique_values(combined(asked, held.assignment[rows]))
    sides = int(dense(held.assignment[rows]).max(initial=0)) + 1
    seen = np.bincount(different // sides)
    wanted = np.array([assignments[name] for name in held.arm.names])
    whole = seen[asked] == wanted[held.arm.codes[rows]] if rows.size else given[rows]
    return _left(table, rows, whole)


def _left(table: VerdictTable, rows: IntArray, kept: BoolArray) -> tuple[BoolArray, Counter[Place]]:
    found = ~table.everything
    found[rows[kept]] = True
    return found, table.named(rows[~kept])


def partner_codes(table: VerdictTable, partners: Partners) -> IntArray:
    """Return the number of the twin question of each verdict: -1 where there is none, -2 where it has no verdict."""
    numbers = {name: number for number, name in enumerate(table.questions.names)}
    of = [
        -1 if (partner := partners.get(name)) is None else numbers.get(partner, -2)
        for name in table.questions.names
    ]
    return np.array(of, dtype=np.int64)[table.questions.codes]


def twin_keys(table: VerdictTable, rows: IntArray, partners: Partners) -> tuple[IntArray, IntArray]:
    """Return a number for each verdict, the same for verdicts on a pair of twins but for the question, and that of its twin:
    negative where there is no twin.
    """
    held = table.verdicts
    shared = combined(held.place[rows], held.replicate[rows], held.assignment[rows], held.order[rows])
    size = len(table.questions.names)
    partner = partner_codes(table, partners)[rows]
    shared = dense(shared) * size
    return shared + table.questions.codes[rows], np.where(partner < 0, partner, shared + partner)


def paired(table: VerdictTable, given: BoolArray, partners: Partners) -> tuple[BoolArray, Counter[Place]]:
    """Return the verdicts that do not lack their twin, and how many of each arm and judge do."""
    rows = np.flatnonzero(given)
    if not partners:
        return given, Counter()
    own, twin = twin_keys(table, rows, partners)
    return _left(table, rows, (twin == -1) | np.isin(twin, own))
