"""Twins in a report: judges without help are right on half of their verdicts by construction."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from app.reports.verdict_table import Counted, Partners, partner_codes, twin_keys
from app.statistics.intervals import IntArray
from app.statistics.readings import Place


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


def floors(counted: Counted, partners: Partners, naive: Iterable[str]) -> dict[Place, Floor]:
    """Return the floors of the arms `naive`, by arm and judge: where every verdict is on two answers and has its twin.

    None of the verdicts that count lacks its twin.
    """
    arms = set(naive)
    places = {place: rows for place, rows in counted.places.items() if place[0] in arms}
    if not partners or not places:
        return {}
    twins = partner_codes(counted.table, partners) >= 0
    two = (counted.table.beliefs >= 0).sum(axis=1) == 2
    whole = twins & two
    return {place: _floor(counted, rows, partners) for place, rows in places.items() if whole[rows].all()}


def _floor(counted: Counted, rows: IntArray, partners: Partners) -> Floor:
    own, twin = twin_keys(counted.table, rows, partners)
    placed = np.argsort(own)
    others = rows[placed[np.searchsorted(own[placed], twin)]]
    beliefs = counted.table.beliefs
    unlike = int((beliefs[rows] != beliefs[others]).any(axis=1).sum())
    return Floor(rows.size // 2, unlike // 2, str(counted.table.frame["judge_kind"][int(rows[0])]))
