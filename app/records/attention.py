"""What asks for somebody's attention: places that wait for people, and what failed, by experiment."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, func, null, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.browse import seen_by
from app.records.paging import Page, page_of_rows
from models import Experiment, Judgement, JudgingRound, Trial

# A place whose lease has run out is anybody's again, though its row says so only when the next person asks.
_HELD = and_(Judgement.state == "waiting", Judgement.leased_until >= func.now())
_OPEN = or_(
    Judgement.state == "open", and_(Judgement.state == "waiting", Judgement.leased_until < func.now())
)
_SINCE = func.greatest(Trial.finished_at, JudgingRound.created_at)
"""When a place could first have been taken."""
_COUNTS = (
    func.count().filter(_OPEN),
    func.count().filter(_HELD),
    func.count(Judgement.participant_id.distinct()).filter(_HELD),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Places for people: in all, or in one experiment."""

    open: int
    """Places that anybody may take."""
    held: int
    """Places that somebody has taken and not finished."""
    people: int
    """Who they are, each counted once."""
    since: datetime | None
    """When the place that has been open for longest could first have been taken."""
    experiment: str = ""


def _places(owner: uuid.UUID | None) -> Select[int, int, int, datetime]:
    """Counts of the places that people can take, or have taken, in the experiments that somebody sees."""
    return (
        select(*_COUNTS, func.min(_SINCE).filter(_OPEN))
        .select_from(Judgement)
        .join(JudgingRound, JudgingRound.id == Judgement.round_id)
        .join(Trial, Trial.id == Judgement.trial_id)
        .join(Experiment, Experiment.id == Trial.experiment_id)
        .where(
            Judgement.place > 0,
            Judgement.state.in_(("open", "waiting")),
            Trial.state == "done",
            Experiment.state == "running",
            seen_by(owner),
        )
    )


async def waiting(session: AsyncSession, owner: uuid.UUID | None) -> Waiting:
    """The places of all experiments that somebody sees; a person at work in two of them counts once."""
    return Waiting(*(await session.execute(_places(owner))).one())


async def waiting_by_experiment(session: AsyncSession, owner: uuid.UUID | None) -> Page[Waiting]:
    """The experiments with such places that have waited for longest."""
    longest = func.min(_SINCE).filter(_OPEN)
    rows = _places(owner).add_columns(Experiment.name).group_by(Experiment.id)
    return await page_of_rows(session, rows.order_by(longest.nulls_last(), Experiment.name), 1, Waiting)


@dataclass(frozen=True, slots=True)
class Failing:
    """What failed in one experiment."""

    experiment: str
    trials: int
    judgements: int
    reason: str
    """The most frequent one."""


async def failing(session: AsyncSession, owner: uuid.UUID | None) -> Page[Failing]:
    """The newest of the experiments that somebody sees, and has not cancelled, in which something failed."""
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
