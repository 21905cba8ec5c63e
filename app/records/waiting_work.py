"""Work that waits for people, and failures, by experiment."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.browse import seen_by
from app.records.eligibility import IS_TALK, with_all
from app.records.paging import Page, page_of_rows
from app.records.plays import IN_PLAY
from models import Experiment, Judging, JudgingRound, Playing, PlayRow, SeatRow, Trial

_RUN_OUT = and_(SeatRow.state == "waiting", func.coalesce(SeatRow.leased_until < func.now(), False))
"""A seat whose lease has run out is free again, though its row says so only when the next person asks."""
_SEATS = (
    with_all(
        select(
            Playing.experiment_id,
            or_(SeatRow.state == "open", _RUN_OUT).label("free"),
            SeatRow.participant_id,
            case(
                (IS_TALK, Experiment.created_at),
                else_=func.greatest(Trial.finished_at, JudgingRound.created_at),
            ).label("since"),
        )
    )
    .outerjoin(Judging, Judging.id == SeatRow.play_id)
    .outerjoin(JudgingRound, JudgingRound.id == Judging.round_id)
    .where(
        SeatRow.state.in_(("open", "waiting")),
        case(
            (IS_TALK, Trial.state.in_(IN_PLAY)),
            else_=and_(Trial.state == "done", Playing.state.in_(("open", "waiting"))),
        ),
    )
)
"""The seats that people can take, or have taken: whether each is free, whose it is, and since when it could be taken."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Places for people, in all or in one experiment."""

    open: int
    """Free places."""
    held: int
    """Places that are taken and not finished."""
    people: int
    """The people who have them, each counted once."""
    since: datetime | None
    """When the oldest free place could first have been taken."""
    experiment: str = ""


def _places(owner: uuid.UUID | None) -> tuple[Select[*tuple[Any, ...]], Any]:
    """Return counts of the free and taken places in the viewer's experiments, and since when they are free."""
    place = _SEATS.subquery()
    free, held = place.c.free, not_(place.c.free)
    since = func.min(place.c.since).filter(free)
    counts = (
        func.count().filter(free),
        func.count().filter(held),
        func.count(place.c.participant_id.distinct()).filter(held),
        since,
    )
    rows = (
        select(*counts)
        .select_from(place)
        .join(Experiment, Experiment.id == place.c.experiment_id)
        .where(Experiment.state == "running", seen_by(owner))
    )
    return rows, since


async def waiting(session: AsyncSession, owner: uuid.UUID | None) -> Waiting:
    """Return the places of all experiments of the viewer. A person who works in two of them counts once."""
    rows, _ = _places(owner)
    return Waiting(*(await session.execute(rows)).one())


async def waiting_by_experiment(session: AsyncSession, owner: uuid.UUID | None) -> Page[Waiting]:
    """Return the experiments whose places have waited longest."""
    rows, longest = _places(owner)
    rows = rows.add_columns(Experiment.name).group_by(Experiment.id)
    return await page_of_rows(session, rows.order_by(longest.nulls_last(), Experiment.name), 1, Waiting)


@dataclass(frozen=True, slots=True)
class Failing:
    """The failures in one experiment."""

    experiment: str
    trials: int
    judgements: int
    reason: str
    """The most frequent one."""


async def failing(session: AsyncSession, owner: uuid.UUID | None) -> Page[Failing]:
    """Return the viewer's newest experiments with failures, without cancelled ones."""
    is_trial = PlayRow.kind == "talk"
    rows = (
        select(
            Experiment.name,
            func.count().filter(is_trial),
            func.count().filter(not_(is_trial)),
            func.mode().within_group(PlayRow.error),
        )
        .join(PlayRow, PlayRow.experiment_id == Experiment.id)
        .where(PlayRow.state == "failed", Experiment.state != "cancelled", seen_by(owner))
        .group_by(Experiment.id)
    )
    return await page_of_rows(
        session, rows.order_by(Experiment.created_at.desc(), Experiment.name), 1, Failing
    )
