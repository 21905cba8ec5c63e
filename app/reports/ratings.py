"""What each judge says of each finished talk, averaged over the orders in which it read it."""

from dataclasses import dataclass

import numpy as np

from app.participants.base import PEOPLE
from app.reports.evidence import Evidence
from app.reports.verdict_table import Counted
from app.statistics.agreement import Ratings
from app.statistics.intervals import FloatArray, IntArray
from app.statistics.position import tops
from app.statistics.readings import BoolArray, dense


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The ratings of all judges who read finished talks, with their names. Judges who took part in the talk are not among them."""

    ratings: Ratings
    judges: list[str]
    """Names of judges, sorted; people share one."""
    judge: IntArray
    """(n,) place of the name of each rating's judge."""
    arms: list[str]
    arm: IntArray
    """(n,) place of each rating's arm."""
    belief: FloatArray
    """(n, answers) mean belief, padded with -1."""
    talk: IntArray
    """(n,) row of the frame of talks."""

    def of_judge(self, name: str) -> BoolArray:
        """Return a mask of the ratings of a judge."""
        found: BoolArray = self.judge == self.judges.index(name)
        return found

    def of_arm(self, name: str) -> BoolArray:
        """Return a mask of the ratings under an arm."""
        found: BoolArray = self.arm == self.arms.index(name)
        return found

    def where(self, kept: BoolArray) -> "Panel":
        """Return the ratings that are kept."""
        own = (self.judge[kept], self.arms, self.arm[kept], self.belief[kept], self.talk[kept])
        return Panel(self.ratings.where(kept), self.judges, *own)

    @property
    def models(self) -> list[str]:
        """Return the judges who are no people."""
        return [name for name in self.judges if name != PEOPLE]


def panel_of(evidence: Evidence) -> Panel:
    """Return the ratings behind the verdicts that count, made once."""
    return evidence.once(_of_evidence)


def _of_evidence(evidence: Evidence) -> Panel:
    return panel(evidence.counted)


def panel(counted: Counted) -> Panel:
    """Return the ratings behind the verdicts that count, by talk."""
    table, held = counted.table, counted.table.verdicts
    rows = np.flatnonzero(counted.kept & table.frame["reads"].to_numpy())
    person, label = held.person[rows], held.judge.codes[rows]
    rater = np.where(person >= 0, person, label + len(held.people))
    raters = len(held.people) + len(held.judge.names)
    key = table.talk[rows].astype(np.int64) * raters + rater
    placed = np.argsort(key, kind="stable")
    rows, key, rater = rows[placed], key[placed], rater[placed]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    first = rows[starts]
    top = tops(table.beliefs[rows]).astype(np.float64)
    top /= top.sum(axis=1, keepdims=True)
    names = [PEOPLE if who >= 0 else held.judge.names[code] for who, code in _different(person, label)]
    judges = sorted(set(names))
    is_person = held.person[first] >= 0
    place = np.array(
        [judges.index(name) if name in judges else -1 for name in held.judge.names], dtype=np.int64
    )
    judge = np.where(
        is_person, judges.index(PEOPLE) if PEOPLE in judges else -1, place[held.judge.codes[first]]
    )
    return Panel(
        Ratings(
            dense(table.talk[first].astype(np.int64)),
            rater[starts],
            held.passage[first],
            is_person,
            _means(top, starts),
            _means(held.right[rows], starts),
            _means(held.p_gold[rows], starts),
        ),
        judges,
        judge,
        list(held.arm.names),
        held.arm.codes[first],
        _means(table.beliefs[rows], starts),
        table.talk[first].astype(np.int64),
    )


def _different(person: IntArray, label: IntArray) -> list[tuple[int, int]]:
    """Return the judges, as a person or none, and a label."""
    found = np.unique(np.stack([np.minimum(person, 0), label]), axis=1)
    return [(int(who), int(code)) for who, code in found.T]


def _means(values: FloatArray, starts: IntArray) -> FloatArray:
    """Return the means of runs along the first axis."""
    if not starts.size:
        return values
    counts = np.diff(starts, append=len(values))
    sums: FloatArray = np.add.reduceat(values, starts)
    return sums / (counts[:, None] if values.ndim > 1 else counts)
