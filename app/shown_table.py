"""A table that the terminal and the pages show: each column is declared once, with its title and its cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

Row = TypeVar("Row")

ABSENT = "–"


class Kind(StrEnum):
    """What the cells of a column are, which decides how they are aligned."""

    NAME = "name"
    NUMBER = "number"
    WORDS = "in-words"
    """Text that may be broken into lines."""


@dataclass(frozen=True, slots=True)
class ShownCell:
    """One cell."""

    text: str
    small: str = ""
    """A second figure, such as an interval or a count. Pages show it below the first, the terminal does not."""
    baseline: bool = False
    """Whether it names a built-in baseline: it is starred."""
    reason: str = ""
    """Why there is no figure. On pages, neighbouring cells with the same reason become one with the reason in it."""

    def plain(self) -> str:
        """Return the text for the terminal."""
        return f"{self.text}*" if self.baseline else self.text


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its title, and how a row's cell is written. None becomes a dash."""

    title: str
    cell: Callable[[Row], ShownCell | str | int | None]
    kind: Kind = Kind.NUMBER
    page_only: bool = False
    """Whether the terminal, which is narrow, leaves it out."""

    @property
    def heading(self) -> str:
        """Return the title as pages show it: with a capital, unless it begins with a symbol such as p."""
        return self.title if self.title[1:2] in ("", " ") else self.title[0].upper() + self.title[1:]

    def shown(self, row: Row) -> ShownCell:
        """Return the cell of a row. Whole numbers are written with separators of thousands."""
        found = self.cell(row)
        if isinstance(found, ShownCell):
            return found
        if isinstance(found, int):
            return ShownCell(f"{found:,}")
        return ShownCell(ABSENT if found is None else found)


@dataclass(frozen=True, slots=True)
class ShownTable(Generic[Row]):
    """A table with its rows."""

    title: str
    """The heading above it on a page, and its name for readers of screens."""
    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    caption: str = ""
    """The title in the terminal, where it differs."""
    about: str = ""
    """A sentence below the heading on a page."""

    def page_rows(self) -> Iterator[list[tuple[Column[Row], ShownCell, int]]]:
        """Yield the rows for a page: column, cell, and the number of columns that the cell spans."""
        for row in self.rows:
            spans: list[tuple[Column[Row], ShownCell, int]] = []
            for column in self.columns:
                cell, span = column.shown(row), 1
                if cell.reason and spans and spans[-1][1].reason == cell.reason:
                    column, cell, span = spans.pop()
                    span += 1
                spans.append((column, cell, span))
            yield spans

    def printed(self) -> Table:
        """Return the table for the terminal."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=escape(self.caption or self.title), title_style="bold")
        columns = [column for column in self.columns if not column.page_only]
        for column in columns:
            right = column.kind is Kind.NUMBER
            table.add_column(
                column.title, justify="right" if right else "left", no_wrap=column.kind is Kind.NAME
            )
        for row in self.rows:
            table.add_row(*(escape(column.shown(row).plain()) for column in columns))
        return table
