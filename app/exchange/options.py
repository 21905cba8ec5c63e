"""What of an experiment goes into an export: parts that are left out, arms and judges, how pairs and labels are made."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.exchange.choices import Orders, PairShape, PairSource, Part
from app.participants.base import PEOPLE


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of who exports. Each kind of export heeds those that concern it."""

    include_passages: bool = False
    """Whether hidden texts are written into transcripts, pairs, logs and data sets. An archive has them unless they are left out."""
    without: Collection[Part] = frozenset()
    """What is left out."""
    arms: Collection[str] = frozenset()
    """Names of the arms that are exported; all where empty."""
    judges: Collection[str] = frozenset()
    """Names of the judges whose verdicts are exported, `people` for all people; all where empty."""
    sources: Collection[PairSource] = field(default_factory=lambda: frozenset(PairSource))
    """Where preference pairs come from."""
    shape: PairShape = PairShape.CONVERSATIONAL
    """How the texts of preference pairs are written."""
    least_margin: float = 0
    """Least difference in score of the two texts of a pair."""
    orders: Orders = Orders.MEAN
    """How the verdicts of a judge on a question become one label."""
    fresh_pseudonyms: bool = False
    """Whether people get pseudonyms that are new in this export."""

    @property
    def passages(self) -> bool:
        """Return whether hidden texts are written where they are not by themselves part of the export."""
        return self.include_passages and Part.PASSAGES not in self.without

    @property
    def prompts(self) -> bool:
        """Return whether prompts are written."""
        return Part.PROMPTS not in self.without

    @property
    def people(self) -> bool:
        """Return whether what people did is written."""
        return Part.PEOPLE not in self.without

    def wants_arm(self, name: str) -> bool:
        """Return whether an arm is exported."""
        return not self.arms or name in self.arms

    def wants_judge(self, name: str, kind: str) -> bool:
        """Return whether the verdicts of a judge are exported."""
        if kind == "person" and not self.people:
            return False
        return not self.judges or name in self.judges or (kind == "person" and PEOPLE in self.judges)

    def as_query(self) -> list[tuple[str, str]]:
        """Return the query by which the JSON API is asked for these choices; those that are usual are not in it."""
        single = {
            "include_passages": "true" if self.include_passages else "",
            "fresh_pseudonyms": "true" if self.fresh_pseudonyms else "",
            "shape": "" if self.shape is PairShape.CONVERSATIONAL else self.shape.value,
            "margin": f"{self.least_margin!r}" if self.least_margin else "",
            "orders": "" if self.orders is Orders.MEAN else self.orders.value,
        }
        sources = [] if len(self.sources) == len(PairSource) else self.sources
        several = {"without": self.without, "arm": self.arms, "judge": self.judges, "pairs": sources}
        return [(name, value) for name, value in single.items() if value] + [
            (name, str(value)) for name, values in several.items() for value in sorted(values)
        ]

    def said(self) -> dict[str, Any]:
        """Return what the audit trail says of them: those that are not the usual ones."""
        lists: Mapping[str, Collection[str]] = {
            "without": self.without,
            "arms": self.arms,
            "judges": self.judges,
        }
        return {
            "passages": self.passages,
            **{name: sorted(chosen) for name, chosen in lists.items() if chosen},
            **({"fresh_pseudonyms": True} if self.fresh_pseudonyms else {}),
        }


USUAL = Options()
"""What is exported where no other choice is made."""
