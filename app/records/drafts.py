"""What people have entered and not submitted yet, and the effort they put in; it does not know who may enter what."""

import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    String,
    Uuid,
    bindparam,
    case,
    cast,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.protocols.judging import step_of
from app.protocols.marks import MARKING
from models import Draft, Judgement, Move, SeatRow

SLACK = 2.0
"""Seconds by which a browser's clock may be ahead of the server's between two saves."""


@dataclass(frozen=True, slots=True)
class Effort:
    """The effort of a person."""

    active_seconds: float = 0
    """With the page in front and signs of life within the last half minute."""
    focus_changes: int = 0
    """How often the page was left or come back to."""
    edits: int = 0
    keystrokes: int | None = None
    """Keys pressed in fields for text: how many, never which. None, as the three below, where the browser ran no script."""
    pastes: int | None = None
    pasted_characters: int | None = None
    away_seconds: float | None = None
    """With the page open and not in front."""

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(
            self.active_seconds + other.active_seconds,
            self.focus_changes + other.focus_changes,
            self.edits + other.edits,
            *(_sum(getattr(self, name), getattr(other, name)) for name in SIGNALS),
        )


SIGNALS = ("keystrokes", "pastes", "pasted_characters", "away_seconds")
"""What tells who wrote a text without its content."""
MOST_VISITS = 200
"""Visits and steps whose signals are kept for one ask; further ones are not counted."""


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals of one visit to a page at one step, counted from the beginning of the visit.

    A visit is one loading of the page. As each save has the whole count, a lost save is made good by the next, and one
    that is sent twice counts once.
    """

    visit: str
    """Names the visit and the step."""
    keystrokes: int = 0
    pastes: int = 0
    pasted_characters: int = 0
    away_seconds: float = 0

    @property
    def counts(self) -> list[float]:
        """Return the counts in the order of `SIGNALS`."""
        return [self.keystrokes, self.pastes, self.pasted_characters, round(self.away_seconds, 1)]


def merged(known: Mapping[str, Sequence[float]], new: Iterable[Signals]) -> dict[str, list[float]]:
    """Return the counts by visit with those of a further save: of each the largest, as they only grow."""
    found = {visit: list(counts) for visit, counts in known.items()}
    for one in new:
        if one.visit in found or len(found) < MOST_VISITS:
            before = found.get(one.visit, [0, 0, 0, 0])
            found[one.visit] = [max(pair) for pair in zip(before, one.counts, strict=True)]
    return found


def totals(visits: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the signals over all visits."""
    sums = [sum(column) for column in zip(*visits.values(), strict=True)]
    return {
        name: value if name == "away_seconds" else int(value)
        for name, value in zip(SIGNALS, sums, strict=True)
    }


async def save(
    session: AsyncSession,
    seat: uuid.UUID,
    play: uuid.UUID,
    account: uuid.UUID,
    path: str,
    content: Mapping[str, Any],
    efforts: Mapping[str, Effort],
    signals: Mapping[str, Sequence[Signals]] = MappingProxyType({}),
) -> bool:
    """Keep the newest content by its `at` (milliseconds), and add efforts by path; False where it was submitted already.

    The caller has locked the seat. No more active seconds are added than have passed since the seat's last save, so that
    a save sent twice counts once. Signals are counted by visit.
    """
    known = {"seat": seat, "play": play, "at": path}
    submitted, since, visits = (await session.execute(_BEFORE, known)).one()
    if submitted:
        return False
    left = math.inf if since is None else max(0.0, float(since)) + SLACK
    for at, effort in {path: Effort(), **dict.fromkeys(signals, Effort()), **efforts}.items():
        seconds = round(min(effort.active_seconds, left), 3)
        left -= seconds
        row = {
            "seat_id": seat,
            "path": at,
            "account_id": account,
            "content": dict(content) if at == path else {},
        }
        put_in = asdict(replace(effort, active_seconds=seconds))
        await session.execute(_KEEP, row | put_in | _counted((visits or {}).get(at, {}), signals.get(at, ())))
    return True


def _counted(known: Mapping[str, Sequence[float]], new: Sequence[Signals]) -> dict[str, Any]:
    """Return the columns of signals; None where a save brings none, and those that are there stay."""
    if not new:
        return {"visits": None, **dict.fromkeys(SIGNALS)}
    visits = merged(known, new)
    return {"visits": visits, **totals(visits)}


def _uuid(name: str) -> BindParameter[uuid.UUID]:
    return bindparam(name, type_=Uuid())


def _at(content: Any) -> Any:
    return func.coalesce(cast(content["at"].astext, BigInteger), 0)


# Statements are put together once: that takes longer than running them.
_BEFORE = select(
    exists().where(Move.play_id == _uuid("play"), Move.path == bindparam("at", type_=String)),
    select(func.extract("epoch", func.now() - func.max(Draft.updated_at)))
    .where(Draft.seat_id == _uuid("seat"))
    .scalar_subquery(),
    select(func.jsonb_object_agg(Draft.path, Draft.visits))
    .where(Draft.seat_id == _uuid("seat"), Draft.visits.is_not(None))
    .scalar_subquery(),
)
"""Whether something was submitted at a path, how many seconds ago the seat's last save was, and the signals of visits by path."""


def _keep() -> Insert:
    row = insert(Draft.metadata.tables["draft"])
    new = row.excluded
    return row.on_conflict_do_update(
        index_elements=[Draft.seat_id, Draft.path],
        set_={
            "content": case((_at(new.content) >= _at(Draft.content), new.content), else_=Draft.content),
            "active_seconds": Draft.active_seconds + new.active_seconds,
            "focus_changes": Draft.focus_changes + new.focus_changes,
            "edits": Draft.edits + new.edits,
            **{name: func.coalesce(new[name], getattr(Draft, name)) for name in (*SIGNALS, "visits")},
            "updated_at": func.now(),
        },
    )


_KEEP = _keep()
"""Keeps a draft, or what is newer of it and of the one that is there, with the efforts of both."""


async def find(session: AsyncSession, seat: uuid.UUID) -> dict[str, dict[str, Any]]:
    """What was entered and not submitted, by path."""
    rows = await session.execute(select(Draft.path, Draft.content).where(Draft.seat_id == seat))
    return {row.path: row.content for row in rows if row.content}


async def close(session: AsyncSession, seat: uuid.UUID, path: str) -> bool:
    """Clear what was submitted and keep the effort; False where that was done before."""
    cleared = await session.execute(
        update(Draft)
        .where(Draft.seat_id == seat, Draft.path == path, Draft.content != {})
        .values(content={})
        .returning(Draft.id)
        .execution_options(synchronize_session=False)
    )
    return cleared.first() is not None


async def efforts(
    session: AsyncSession, seats: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, dict[str, Effort]]:
    """The efforts of people by seat and by the path that they were asked at, in the order of asking."""
    rows = await session.scalars(select(Draft).where(Draft.seat_id.in_(seats)).order_by(Draft.id))
    found: dict[uuid.UUID, dict[str, Effort]] = defaultdict(dict)
    for row in rows:
        signals = (getattr(row, name) for name in SIGNALS)
        found[row.seat_id][row.path] = Effort(row.active_seconds, row.focus_changes, row.edits, *signals)
    return found


def by_step(judging: Mapping[str, Effort]) -> dict[int, Effort]:
    """A judge's efforts by the step up to which they had read; what went into marks, after the belief, is left out."""
    steps = {step_of(path): effort for path, effort in judging.items() if not path.startswith(MARKING)}
    return dict(sorted(steps.items()))


async def usual_seconds(session: AsyncSession, person: uuid.UUID) -> float | None:
    """Return the median of a person's active seconds for a finished trial; None before the first."""
    spent = (
        select(func.sum(Draft.active_seconds).label("seconds"))
        .join(SeatRow, SeatRow.id == Draft.seat_id)
        .join(Judgement, Judgement.id == SeatRow.play_id)
        .where(SeatRow.participant_id == person, SeatRow.state == "done")
        .group_by(SeatRow.id)
        .subquery()
    )
    middle = func.percentile_cont(0.5).within_group(spent.c.seconds)
    found: float | None = await session.scalar(select(middle))
    return found
