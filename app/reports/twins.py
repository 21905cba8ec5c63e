"""Twins in a report: verdicts count in pairs, and judges without help are right on half of them by construction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app.records.verdicts import Placed

Partners: TypeAlias = Mapping[str, str]
"""The question of each pair of twins by that of the other, by key, both ways."""
Place: TypeAlias = tuple[str, str, str, int, int, int]


@dataclass(frozen=True, slots=True)
class Floor:
    """The verdicts of a judge without help on complete twins: one of each pair is right, whatever the judge knows."""

    pairs: int
    """Pairs of verdicts, read in the same order."""
    unlike: int
    """Pairs in which the beliefs differ, although the judge was shown the same."""
    judge: str
    """`model`, `builtin` or `person`. People differ from twin to twin, so that their floor holds on average."""

    @property
    def shown(self) -> str:
        """Return the text that is shown instead of an interval."""
        return "50% on average" if self.judge == "person" else "50% by construction"

    def leak(self, accuracy: float) -> str | None:
        """Return a clause that says what may be wrong, where a judge that was shown the same did not answer the same.

        Models may answer one prompt in two ways, so that of theirs only the accuracy counts.
        """
        repeats_itself = self.judge == "builtin"
        if self.judge == "person" or (accuracy == 0.5 and not (repeats_itself and self.unlike)):
            return None
        seen = f"{self.unlike} of {self.pairs} pairs of twins were answered differently, and accuracy is {accuracy:.1%}"
        if repeats_itself:
            return f"{seen} by a judge that repeats itself: something shows it which twin it reads"
        return f"{seen} instead of 50%: its server answers the same prompt in two ways, or something shows which twin it is"


def _place(row: Placed, question: str) -> Place:
    """Return what the verdicts on a pair of twins share."""
    # People read in one order each, so the place distinguishes their verdicts.
    return row.arm, row.judge_label, question, row.replicate, row.assignment, row.place or row.order


def paired(rows: Sequence[Placed], partners: Partners) -> tuple[list[Placed], Counter[tuple[str, str]]]:
    """Return the verdicts that do not lack their twin, and how many of each arm and judge do."""
    there = {_place(row, row.question) for row in rows}
    kept = [row for row in rows if (partner := _partner(row, partners)) is None or partner in there]
    lost = Counter((row.arm, row.judge_label) for row in rows)
    lost.subtract((row.arm, row.judge_label) for row in kept)
    return kept, lost


def _partner(row: Placed, partners: Partners) -> Place | None:
    partner = partners.get(row.question)
    return None if partner is None else _place(row, partner)


def floors(rows: Iterable[Placed], partners: Partners, naive: Iterable[str]) -> dict[tuple[str, str], Floor]:
    """Return the floors of the arms `naive`, by arm and judge: where every verdict is on two answers and has its twin.

    `rows` are verdicts of which none lacks its twin.
    """
    arms = set(naive)
    groups: dict[tuple[str, str], list[Placed]] = {}
    for row in rows:
        if row.arm in arms:
            groups.setdefault((row.arm, row.judge_label), []).append(row)
    return {
        place: _floor(group, partners)
        for place, group in groups.items()
        if all(row.question in partners and len(row.belief) == 2 for row in group)
    }


def _floor(rows: Sequence[Placed], partners: Partners) -> Floor:
    beliefs = {_place(row, row.question): row.belief for row in rows}
    unlike = sum(row.belief != beliefs[_place(row, partners[row.question])] for row in rows)
    return Floor(len(rows) // 2, unlike // 2, rows[0].kind)
