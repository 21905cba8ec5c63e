"""Pages of lists: every list is cut here, in two statements however long it is; it knows nothing of what is listed."""

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
        """Whether others follow."""
        return self.number < self.last

    @property
    def last(self) -> int:
        """Number of the last page; 1 where the list is empty."""
        return max(1, -(-self.total // PER_PAGE))

    def of(self, rows: Sequence[U]) -> "Page[U]":
        """The same page, with other things in the place of its rows."""
        return Page(rows, self.number, self.total)


async def page_of(session: AsyncSession, found: Select[T], number: int) -> Page[T]:
    """A page of a list that has one thing in each row; `found` says in which order."""
    total = await _size(session, found)
    return Page(list(await session.scalars(_cut(found, number))), number, total)


async def page_of_rows(
    session: AsyncSession, found: Select[*Columns], number: int, shape: Callable[[*Columns], T]
) -> Page[T]:
    """A page of a list whose rows have several columns, which `shape` takes."""
    total = await _size(session, found)
    rows = await session.execute(_cut(found, number))
    return Page([shape(*row) for row in rows], number, total)


def _cut(found: Select[*Columns], number: int) -> Select[*Columns]:
    return found.limit(PER_PAGE).offset((number - 1) * PER_PAGE)


async def _size(session: AsyncSession, found: Select[*tuple[Any, ...]]) -> int:
    rows = found.order_by(None).subquery()
    return await session.scalar(select(func.count()).select_from(rows)) or 0
