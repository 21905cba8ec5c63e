"""What people have entered and not submitted yet, and the effort they put in; it does not know who may enter what."""

import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.protocols.judging import step_of
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


@dataclass(frozen=True, slots=True)
class Owner:
    """The place at which something is entered: a judgement, or a seat of a talk."""

    column: InstrumentedAttribute[uuid.UUID | None]
    id: uuid.UUID
    moves: ColumnElement[bool]
    """Which moves were submitted from there."""

    @property
    def drafts(self) -> ColumnElement[bool]:
        """Which drafts are its own."""
        return self.column == self.id


def of_judgement(judgement: uuid.UUID) -> Owner:
    """The owner of what a judge enters."""
    return Owner(Draft.judgement_id, judgement, Move.judgement_id == judgement)


def of_seat(place: uuid.UUID, trial: uuid.UUID) -> Owner:
    """The owner of what somebody in a seat of a talk enters."""
    return Owner(Draft.seat_place_id, place, Move.trial_id == trial)


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
    submitted = exists().where(owner.moves, Move.path == path)
    if await session.scalar(select(submitted)):
        return False
    passed = func.extract("epoch", func.now() - func.max(Draft.updated_at))
    since = await session.scalar(select(passed).where(owner.drafts))
    left = math.inf if since is None else max(0.0, float(since)) + SLACK
    for at, effort in {path: Effort(), **efforts}.items():
        seconds = round(min(effort.active_seconds, left), 3)
        left -= seconds
        await _keep(
            session,
            owner,
            account,
            at,
            content if at == path else {},
            replace(effort, active_seconds=seconds),
        )
    return True


async def _keep(
    session: AsyncSession,
    owner: Owner,
    account: uuid.UUID,
    path: str,
    content: Mapping[str, Any],
    effort: Effort,
) -> None:
    values = {owner.column.key: owner.id, "path": path, "account_id": account, "content": dict(content)}
    row = insert(Draft).values(values | asdict(effort))
    new = row.excluded
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[owner.column, Draft.path],
            set_={
                "content": case((_at(new.content) >= _at(Draft.content), new.content), else_=Draft.content),
                "active_seconds": Draft.active_seconds + new.active_seconds,
                "focus_changes": Draft.focus_changes + new.focus_changes,
                "edits": Draft.edits + new.edits,
                "updated_at": func.now(),
            },
        )
    )


def _at(content: Any) -> Any:
    return func.coalesce(cast(content["at"].astext, BigInteger), 0)


async def find(session: AsyncSession, owner: Owner) -> dict[str, dict[str, Any]]:
    """What was entered and not submitted, by path."""
    rows = await session.execute(select(Draft.path, Draft.content).where(owner.drafts))
    return {row.path: row.content for row in rows if row.content}


async def close(session: AsyncSession, owner: Owner, path: str) -> bool:
    """Clear what was submitted and keep the effort; False where that was done before."""
    cleared = await session.execute(
        update(Draft)
        .where(owner.drafts, Draft.path == path, Draft.content != {})
        .values(content={})
        .returning(Draft.id)
        .execution_options(synchronize_session=False)
    )
    return cleared.first() is not None


async def put_in(
    session: AsyncSession, judgements: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, dict[int, Effort]]:
    """The efforts of people by judgement and by the step up to which they had read; empty where there are none."""
    rows = await session.scalars(
        select(Draft).where(Draft.judgement_id.in_(judgements)).order_by(func.length(Draft.path), Draft.path)
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
