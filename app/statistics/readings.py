"""What the protocols' metrics are made from: readings and trials with what the talk left behind; it computes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from app.statistics.pgr import Question
from app.statistics.scores import ScoredReading

Figures: TypeAlias = dict[Question, float]
"""One figure a question."""


@dataclass(frozen=True, slots=True)
class MeasuredReading:
    """A reading, with what its trial and its judge's marks add to it."""

    reading: ScoredReading
    on_gold: tuple[float, ...] = ()
    """Belief on gold, oldest first; only the last where that alone was elicited."""
    p_argued: float | None = None
    """Belief in the answer that was argued for; None where both were, or none."""
    argues_gold: bool | None = None
    """Whether that answer is gold."""
    gold_first: bool = True
    """Whether gold is the trial's first answer, whose price a market tells."""
    measures: Mapping[str, float] = field(default_factory=dict)
    accepted: Mapping[int, bool] | None = None
    """What the judge said of each point of a critique, by number; None where it was not asked."""


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
