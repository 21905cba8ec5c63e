"""Pages of lists. Every list is cut here, in two statements, however long it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, TypeVarTuple

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

PER_PAGE = 20
"""Rows on a page of any list."""
T = TypeVar("T")
U = TypeVar("U")
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list."""

    rows: Sequence[T]
    number: int
    """From 1."""
    total: int
    """Rows of the whole list."""

    @property
    def more(self) -> bool:
        """Return whether there is another page."""
        return self.number < self.last

    @property
    def last(self) -> int:
        """Return the number of the last page; 1 where the list is empty."""
        return max(1, -(-self.total // PER_PAGE))

    def of(self, rows: Sequence[U]) -> "Page[U]":
        """Return the same page with other rows."""
        return Page(rows, self.number, self.total)


async def page_of(session: AsyncSession, found: Select[T], number: int) -> Page[T]:
    """Return a page of a list with one object per row, in the order of `found`."""
    total = await _size(session, found)
    return Page(list(await session.scalars(_cut(found, number))), number, total)


async def page_of_rows(
    session: AsyncSession, found: Select[*Columns], number: int, shape: Callable[[*Columns], T]
) -> Page[T]:
    """Return a page of a list whose rows have several columns, which `shape` takes."""
    total = await _size(session, found)
    rows = await session.execute(_cut(found, number))
    return Page([shape(*row) for row in rows], number, total)


def _cut(found: Select[*Columns], number: int) -> Select[*Columns]:
    return found.limit(PER_PAGE).offset((number - 1) * PER_PAGE)


async def _size(session: AsyncSession, found: Select[*tuple[Any, ...]]) -> int:
    rows = found.order_by(None).subquery()
    return await session.scalar(select(func.count()).select_from(rows)) or 0
