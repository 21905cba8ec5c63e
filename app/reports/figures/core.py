"""What a figure of a report is: how it is computed, shown as a table, and put in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import altair as alt

from app.reports.charts import PlainRow
from app.reports.facts import Facts
from app.reports.talks import Talks
from app.reports.verdict_table import Counted
from app.shown_table import ShownTable
from app.statistics.accuracy import Cell
from app.statistics.contrasts import Contrast
from app.statistics.readings import Place, Readings

Row = TypeVar("Row")


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
    """Accuracy and scores by arm and judge."""

    @property
    def file_arms(self) -> Sequence[Mapping[str, Any]]:
        """Return the arms as in the frozen file, in its order."""
        arms: Sequence[Mapping[str, Any]] = self.facts.experiment.spec.get("arms", ())
        return arms

    @property
    def seed(self) -> int:
        """Return the seed of whatever is drawn."""
        return self.facts.experiment.seed


class Names(Protocol):
    """How a report names arms and judges: built-in baselines are starred."""

    def names(self, arm: str, judge: str | None) -> tuple[str, str]:
        """Return an arm and a judge; a dash for None."""
        ...

    def contrast_names(self, item: Contrast) -> tuple[str, str, str]:
        """Return both arms and the judge of a contrast."""
        ...


class Section(StrEnum):
    """The part of a report that shows a figure: its heading, in the order of the page."""

    ACCURACY = "Accuracy"
    COMPARISONS = "Comparisons"
    CALIBRATION = "Calibration"
    INCENTIVES = "Incentives and skill"
    BIAS = "Bias"
    AGREEMENT = "People and models"
    GROUPS = "Groups of judges"
    TALKS = "The talks"


@dataclass(frozen=True, slots=True)
class Chart(Generic[Row]):
    """The picture of a figure."""

    rows: Callable[[Sequence[Row], Names], list[PlainRow]]
    """Its data as plain rows, with arms and judges as the tables name them; empty where there is nothing to draw."""
    draw: Callable[[list[PlainRow], int], alt.TopLevelMixin]
    """The chart of these rows at a width in pixels; `app.reports.charts` has what charts share."""
    about: str
    """How to read it."""


@dataclass(frozen=True, slots=True)
class Figure(Generic[Row]):
    """A figure, or a family of figures, of a report. Its rows are plain values: the same in JSON, tables, pages and words."""

    name: str
    """Its key in the JSON report."""
    title: str
    about: str
    """What it says, as a sentence."""
    source: str
    """Where its method comes from."""
    needs: str
    """What an experiment must have so that there is a row."""
    rows: Callable[[Evidence], Sequence[Row]]
    table: Callable[[Sequence[Row], Names], ShownTable[Row]] | None = None
    """The table of rows; None where words say all."""
    words: Callable[[Sequence[Row]], list[str]] | None = None
    """Notes below the tables; None where the table says all."""
    as_json: Callable[[Any], dict[str, Any]] = asdict
    """A row of the JSON report."""
    section: Section = Section.TALKS
    chart: Chart[Row] | None = None
    methods: str = ""
    """A sentence for the methods section of a paper, printed where there are rows."""
    slow: bool = False
    """Whether it is resampled or fitted, which takes more than a few seconds for many verdicts."""
