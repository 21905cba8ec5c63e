"""Work that waits for people, and failures, by experiment."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, not_, null, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.browse import seen_by
from app.records.paging import Page, page_of_rows
from app.records.plays import IN_PLAY
from models import Experiment, Judgement, JudgingRound, SeatPlace, Trial


def _run_out(place: Any) -> ColumnElement[bool]:
    """A place whose lease has run out is anybody's again, though its row says so only when the next person asks."""
    return and_(place.state == "waiting", func.coalesce(place.leased_until < func.now(), False))


def _place(place: Any, since: Any) -> tuple[Any, ...]:
    """What is counted of a place: whether it is free, whose it is, and since when it could have been taken."""
    return (
        Trial.experiment_id,
        or_(place.state == "open", _run_out(place)).label("free"),
        place.participant_id,
        since.label("since"),
    )


_JUDGEMENTS = (
    select(*_place(Judgement, func.greatest(Trial.finished_at, JudgingRound.created_at)))
    .select_from(Judgement)
    .join(JudgingRound, JudgingRound.id == Judgement.round_id)
    .join(Trial, Trial.id == Judgement.trial_id)
    .where(Judgement.place > 0, Judgement.state.in_(("open", "waiting")), Trial.state == "done")
)
_SEATS = (
    select(*_place(SeatPlace, Experiment.created_at))
    .select_from(SeatPlace)
    .join(Trial, Trial.id == SeatPlace.trial_id)
    .join(Experiment, Experiment.id == Trial.experiment_id)
    .where(SeatPlace.state.in_(("open", "waiting")), Trial.state.in_(IN_PLAY))
)


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
    place = union_all(_JUDGEMENTS, _SEATS).subquery()
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
    trials = select(Trial.experiment_id, Trial.id.label("trial"), Trial.error).where(Trial.state == "failed")
    judgements = (
        select(JudgingRound.experiment_id, null(), Judgement.error)
        .join(JudgingRound, JudgingRound.id == Judgement.round_id)
        .where(Judgement.state == "failed")
    )
    failed = union_all(trials, judgements).subquery()
    rows = (
        select(
            Experiment.name,
            func.count(failed.c.trial),
            func.count() - func.count(failed.c.trial),
            func.mode().within_group(failed.c.error),
        )
        .join(failed, failed.c.experiment_id == Experiment.id)
        .where(Experiment.state != "cancelled", seen_by(owner))
        .group_by(Experiment.id)
    )
    return await page_of_rows(
        session, rows.order_by(Experiment.created_at.desc(), Experiment.name), 1, Failing
    )
