"""What a figure of a report is: how it is computed, shown as a table, and put in words."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import altair as alt

from app.reports.charts import PlainRow
from app.reports.evidence import Evidence as Evidence
from app.shown_table import Column, Kind, ShownTable
from app.statistics.contrasts import Contrast

Row = TypeVar("Row")


class Names(Protocol):
    """How a report names arms and judges: built-in baselines are starred."""

    def names(self, arm: str, judge: str | None) -> tuple[str, str]:
        """Return an arm and a judge; a dash for None."""
        ...

    def contrast_names(self, item: Contrast) -> tuple[str, str, str]:
        """Return both arms and the judge of a contrast."""
        ...


class Placed(Protocol):
    """A row of one judge under one arm."""

    @property
    def arm(self) -> str:
        """Return the name of the arm."""
        ...

    @property
    def judge(self) -> str | None:
        """Return the name of the judge; None for a figure that does not depend on one."""
        ...


def named_place(names: Names, row: Placed) -> dict[str, str]:
    """Return the arm and the judge of a row as they are shown, for a chart."""
    arm, judge = names.names(row.arm, row.judge)
    return {"arm": arm, "judge": judge}


def place_columns(names: Names) -> tuple[Column[Any], Column[Any]]:
    """Return the columns of arm and judge, with which most tables begin."""
    return (
        Column("arm", lambda row: named_place(names, row)["arm"], Kind.NAME),
        Column("judge", lambda row: named_place(names, row)["judge"], Kind.NAME),
    )


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
    """Its key in the JSON report, and its name in addresses."""
    title: str
    about: str
    """What it says, as a sentence."""
    source: str
    """Where its method comes from."""
    needs: str
    """What an experiment must have so that there is a row."""
    rows: Callable[[Evidence], Sequence[Row]]
    table: Callable[[Sequence[Row], Names], ShownTable[Row]] | None = None
    """The table of rows; None where words or a chart say all."""
    words: Callable[[Sequence[Row]], list[str]] | None = None
    """Notes below the tables; None where the table says all."""
    as_json: Callable[[Any], dict[str, Any]] | None = asdict
    """A row of the JSON report; None where rows of another figure hold it."""
    key: str = ""
    """Its key in the JSON report, where that is not its name."""
    section: Section = Section.TALKS
    chart: Chart[Row] | None = None
    methods: str | Callable[[Sequence[Row]], str] = ""
    """A sentence for the methods section of a paper, printed where there are rows; or what makes it of them."""
    slow: bool = False
    """Whether it is resampled or fitted, which takes more than a few seconds for many verdicts."""
    finish: Callable[[Evidence, Sequence[Row]], Sequence[Row]] | None = None
    """The rows with what is resampled or fitted, from those of `rows`, which go without; None where `rows` are whole."""

    @property
    def json_key(self) -> str:
        """Return its key in the JSON report."""
        return self.key or self.name

    @property
    def takes_long(self) -> bool:
        """Return whether the quick part of a report lacks it, or lacks some of it."""
        return self.slow or self.finish is not None
