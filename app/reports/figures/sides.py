"""Who argued for the right answer how often, where two different participants oppose each other."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl

from app.participants.base import PEOPLE
from app.protocols import PROTOCOLS
from app.protocols.combinators import TwoSided
from app.reports.figures.core import Evidence, Figure


@dataclass(frozen=True, slots=True)
class Sides:
    """The talks of an arm in which two different participants opposed each other."""

    arm: str
    talks: int
    for_gold: Mapping[str, int]
    """Talks in which each participant argued for the right answer. `people` are counted by their seat."""
    first: Mapping[str, int]
    """Talks in which each spoke before the other; empty where both always speak at once."""
    people: bool
    """Whether people hold one of the two seats: they cannot be exchanged."""
    half: bool
    """Whether each question was played under a seeded half of the assignments."""

    @property
    def balanced(self) -> bool:
        """Return whether each of the two argued for the right answer, and spoke first, equally often."""
        return not self.people and all(
            len(set(counts.values())) <= 1 for counts in (self.for_gold, self.first)
        )

    @property
    def sentence(self) -> str:
        """Return the split in words."""
        split = ", ".join(
            f"{name} argued for the right answer in {count}" for name, count in self.for_gold.items()
        )
        if self.first:
            split += "; " + ", ".join(f"{name} spoke first in {count}" for name, count in self.first.items())
        if self.people:
            why = "not balanced, because people cannot be exchanged"
        elif self.balanced:
            why = "balanced" + (
                " over the questions, by a seeded half of the assignments" if self.half else ""
            )
        else:
            why = "not balanced"
        return f"{self.arm}: sides are {why}; of {self.talks} talks, {split}."


def sides(file_arms: Iterable[Mapping[str, Any]], talks: pl.DataFrame) -> list[Sides]:
    """Return the split of sides of each such arm, from the talks that are done: rows of the frame of talks."""
    counts = talks.group_by("arm", "assignment", "argues", "gold").len().sort("assignment", "argues", "gold")
    by_arm = {str(key): own for (key,), own in counts.group_by("arm")}
    return [found for arm in file_arms if (found := _sides(arm, by_arm.get(arm["name"]))) is not None]


def _sides(arm: Mapping[str, Any], talks: pl.DataFrame | None) -> Sides | None:
    rules = PROTOCOLS.get(arm["protocol"])
    if rules is None or not issubclass(rules, TwoSided) or talks is None:
        return None
    protocol = rules.model_validate({key: arm[key] for key in rules.model_fields if key in arm})
    seats: Mapping[str, str] = arm["seats"]
    opposed = [seats[seat] for seat in protocol.opposed]
    people = PEOPLE in opposed
    if opposed[0] == opposed[1] and not people:
        return None
    # Seats for people are distinguished by their names: different people have them in different talks.
    named = {
        seat: f"{seat} ({PEOPLE})" if seats[seat] == PEOPLE else seats[seat] for seat in protocol.opposed
    }
    models = {seat: holder for seat, holder in seats.items() if holder != PEOPLE}
    for_gold = Counter({named[seat]: 0 for seat in protocol.opposed})
    first: Counter[str] = Counter()
    for number, argues, gold, count in talks.select("assignment", "argues", "gold", "len").iter_rows():
        answers = orjson.loads(argues)
        holders = protocol.holders(named, protocol.balanced(2, models)[number])
        for seat, holder in holders.items():
            for_gold[holder] += count * (answers.get(seat) == gold)
        if (opening := protocol.speaks_first(answers)) is not None:
            first.update({holder: count * (seat == opening) for seat, holder in holders.items()})
    return Sides(
        arm["name"], int(talks["len"].sum()), dict(for_gold), dict(first), people, protocol.balance == "half"
    )


def _rows(evidence: Evidence) -> list[Sides]:
    """Return the split of the talks behind the verdicts that count."""
    counted = evidence.counted
    return sides(evidence.file_arms, evidence.facts.talks[np.unique(counted.table.talk[counted.kept])])


SIDES = Figure(
    name="sides",
    title="Sides",
    about="Who argued for the right answer how often, where two different participants oppose each other.",
    source="Counts.",
    needs="an arm of two sides with two participants",
    rows=_rows,
    words=lambda rows: [row.sentence for row in rows],
    as_json=lambda row: {**asdict(row), "balanced": row.balanced},
)
