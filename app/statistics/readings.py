"""The input of the protocols' metrics: readings, and trials with their measures. Computes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from app.statistics.pgr import Question
from app.statistics.scores import ScoredReading

Figures: TypeAlias = dict[Question, float]
"""One figure per question."""


@dataclass(frozen=True, slots=True)
class MeasuredReading:
    """A reading, with the measures of its trial and the marks of its judge."""

    reading: ScoredReading
    on_gold: tuple[float, ...] = ()
    """Belief in gold, oldest first; only the last where only that was elicited."""
    p_argued: float | None = None
    """Belief in the answer that was argued for; None where both were, or none."""
    argues_gold: bool | None = None
    """Whether that answer is gold."""
    gold_first: bool = True
    """Whether gold is the trial's first answer, whose price a market reports."""
    measures: Mapping[str, float] = field(default_factory=dict)
    accepted: Mapping[int, bool] | None = None
    """The judge's mark of each point of a critique, by number; None where it was not asked."""


@dataclass(frozen=True, slots=True)
class TrialMeasures:
    """The measures of one finished trial."""

    arm: str
    judge: str | None
    """The judge, where it took part in the talk."""
    passage: str
    question: str
    assignment: int
    replicate: int
    measures: Mapping[str, float]
