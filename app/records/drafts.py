"""What people have entered and not submitted yet, and the effort they put in; it does not know who may enter what."""

import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Select,
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
from sqlalchemy.orm import InstrumentedAttribute

from app.protocols.judging import step_of
from app.protocols.marks import (
    MARKING,
)
from models import Draft, Judgement, Move

SLACK = 2.0
"""Seconds by which a browser's clock may be ahead of the server's between two saves."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What somebody put in."""

    active_seconds: float = 0
    """With the page in front and signs of life within the last half minute."""
    focus_changes: int = 0
    """How often the page was left or come back to."""
    edits: int = 0

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(
            self.active_seconds + other.active_seconds,
            self.focus_changes + other.focus_changes,
            self.edits + other.edits,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of place at which something is entered."""

    place: InstrumentedAttribute[uuid.UUID | None]
    """The column of drafts that names it."""
    moves: InstrumentedAttribute[uuid.UUID | None]
    """The column of moves that names where those are kept that are submitted from there."""


JUDGEMENT = Kind(Draft.judgement_id, Move.judgement_id)
SEAT = Kind(Draft.seat_place_id, Move.trial_id)


@dataclass(frozen=True, slots=True)
class Owner:
    """The place at which something is entered: a judgement, or a seat of a talk."""

    kind: Kind
    id: uuid.UUID
    of_moves: uuid.UUID
    """What moves are kept under that are submitted from there."""


def of_judgement(judgement: uuid.UUID) -> Owner:
    """The owner of what a judge enters."""
    return Owner(JUDGEMENT, judgement, judgement)


def of_seat(place: uuid.UUID, trial: uuid.UUID) -> Owner:
    """The owner of what somebody in a seat of a talk enters."""
    return Owner(SEAT, place, trial)


async def save(
    session: AsyncSession,
    owner: Owner,
    account: uuid.UUID,
    path: str,
    content: Mapping[str, Any],
    efforts: Mapping[str, Effort],
) -> bool:
    """Keep the newest content by its `at` (milliseconds), and add efforts by path; False where it was submitted already.

    Whoever calls holds the owner's row. No more active seconds are added than have passed since the owner's last save, so
    that a save sent twice counts once.
    """
    known = {"owner": owner.id, "of_moves": owner.of_moves, "at": path}
    submitted, since = (await session.execute(_before(owner.kind), known)).one()
    if submitted:
        return False
    left = math.inf if since is None else max(0.0, float(since)) + SLACK
    for at, effort in {path: Effort(), **efforts}.items():
        seconds = round(min(effort.active_seconds, left), 3)
        left -= seconds
        row = {
            owner.kind.place.key: owner.id,
            "path": at,
            "account_id": account,
            "content": dict(content) if at == path else {},
        }
        put_in = asdict(replace(effort, active_seconds=seconds))
        await session.execute(_kept(owner.kind), row | put_in)
    return True


# Statements are put together once: that takes longer than running them.
@cache
def _before(kind: Kind) -> Select[Any]:
    """Whether something was submitted at a path, and how many seconds ago its owner's last save was."""
    there = exists().where(kind.moves == _uuid("of_moves"), Move.path == bindparam("at", type_=String))
    passed = func.extract("epoch", func.now() - func.max(Draft.updated_at))
    return select(there, select(passed).where(kind.place == _uuid("owner")).scalar_subquery())


@cache
def _kept(kind: Kind) -> Insert:
    """Keeps a draft, or what is newer of it and of the one that is there, with the efforts of both."""
    row = insert(Draft.metadata.tables["draft"])
    new = row.excluded
    return row.on_conflict_do_update(
        index_elements=[kind.place, Draft.path],
        set_={
            "content": case((_at(new.content) >= _at(Draft.content), new.content), else_=Draft.content),
            "active_seconds": Draft.active_seconds + new.active_seconds,
            "focus_changes": Draft.focus_changes + new.focus_changes,
            "edits": Draft.edits + new.edits,
            "updated_at": func.now(),
        },
    )


def _uuid(name: str) -> BindParameter[uuid.UUID]:
    return bindparam(name, type_=Uuid())


def _at(content: Any) -> Any:
    return func.coalesce(cast(content["at"].astext, BigInteger), 0)


async def find(session: AsyncSession, owner: Owner) -> dict[str, dict[str, Any]]:
    """What was entered and not submitted, by path."""
    rows = await session.execute(select(Draft.path, Draft.content).where(owner.kind.place == owner.id))
    return {row.path: row.content for row in rows if row.content}


async def close(session: AsyncSession, owner: Owner, path: str) -> bool:
    """Clear what was submitted and keep the effort; False where that was done before."""
    cleared = await session.execute(
        update(Draft)
        .where(owner.kind.place == owner.id, Draft.path == path, Draft.content != {})
        .values(content={})
        .returning(Draft.id)
        .execution_options(synchronize_session=False)
    )
    return cleared.first() is not None


async def put_in(
    session: AsyncSession, judgements: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, dict[int, Effort]]:
    """The efforts of people by judgement and by the step up to which they had read; empty where there are none.

    What went into marks, after the belief, is left out.
    """
    rows = await session.scalars(
        select(Draft)
        .where(Draft.judgement_id.in_(judgements), Draft.path != MARKING)
        .order_by(func.length(Draft.path), Draft.path)
    )
    found: dict[uuid.UUID, dict[int, Effort]] = defaultdict(dict)
    for row in rows:
        assert row.judgement_id is not None
        found[row.judgement_id][step_of(row.path)] = Effort(row.active_seconds, row.focus_changes, row.edits)
    return found


async def put_in_seats(
    session: AsyncSession, places: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, dict[str, Effort]]:
    """The efforts of people by their place in a talk and by the path that they were asked at, in the order of asking."""
    rows = await session.scalars(select(Draft).where(Draft.seat_place_id.in_(places)).order_by(Draft.id))
    found: dict[uuid.UUID, dict[str, Effort]] = defaultdict(dict)
    for row in rows:
        assert row.seat_place_id is not None
        found[row.seat_place_id][row.path] = Effort(row.active_seconds, row.focus_changes, row.edits)
    return found


async def usual_seconds(session: AsyncSession, person: uuid.UUID) -> float | None:
    """The median of somebody's active seconds a finished trial; None before the first."""
    spent = (
        select(func.sum(Draft.active_seconds).label("seconds"))
        .join(Judgement, Judgement.id == Draft.judgement_id)
        .where(Judgement.participant_id == person, Judgement.state == "done")
        .group_by(Judgement.id)
        .subquery()
    )
    middle = func.percentile_cont(0.5).within_group(spent.c.seconds)
    found: float | None = await session.scalar(select(middle))
    return found
