"""What the trials of a study look like, so that its items can look the same. It says nothing of a single trial."""

import uuid
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import Judging, SeatRow, Trial, study_experiment


@dataclass(frozen=True, slots=True)
class Look:
    """What is common to the trials of a study."""

    together: bool
    """Whether speeches of different seats are made at once in any of them."""
    seconds: int | None
    """The time that judges are given; None where they are given none."""


async def look_of(session: AsyncSession, study: uuid.UUID) -> Look:
    """Return what the trials of a study look like."""
    mine = select(study_experiment.c.experiment_id).where(study_experiment.c.study_id == study)
    at_once = select(Trial.id).where(
        Trial.experiment_id.in_(mine),
        Trial.state == "done",
        func.jsonb_array_length(Trial.outcome["transcript"]) > 0,
        func.jsonb_array_length(Trial.outcome["transcript"][0]) > 1,
    )
    seconds = (
        select(func.max(SeatRow.seconds))
        .join(Judging, Judging.id == SeatRow.play_id)
        .where(Judging.experiment_id.in_(mine))
    )
    return Look(
        together=(await session.scalars(at_once.limit(1))).first() is not None,
        seconds=await session.scalar(seconds),
    )
