"""What the trials of a study look like, so that its items can look the same. It says nothing of a single trial."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import Arm, Judging, JudgingRound, SeatRow, Trial, study_experiment

EACH_STEP, EXAMPLES, POINTS, PASSAGE = (
    "give a belief after each step (elicit: each_step)",
    "read examples first",
    "mark the points of a critique",
    "read the text",
)
"""What people do in trials and not in items."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is common to the trials of a study."""

    together: bool
    """Whether speeches of different seats are made at once in any of them."""
    seconds: int | None
    """The time that judges are given; None where they are given none."""
    each_step: bool = False
    """Whether a belief is asked for after each step, in all of them."""


async def look_of(session: AsyncSession, study: uuid.UUID) -> Look:
    """Return what the trials of a study look like."""
    mine = select(study_experiment.c.experiment_id).where(study_experiment.c.study_id == study)
    at_once = select(Trial.id).where(
        Trial.experiment_id.in_(mine),
        Trial.state == "done",
        func.jsonb_array_length(Trial.outcome["transcript"]) > 0,
        func.jsonb_array_length(Trial.outcome["transcript"][0]) > 1,
    )
    judged = (
        select(func.max(SeatRow.seconds), func.bool_and(JudgingRound.elicit == "each_step"))
        .join(Judging, Judging.id == SeatRow.play_id)
        .join(JudgingRound, JudgingRound.id == Judging.round_id)
        .where(Judging.experiment_id.in_(mine))
    )
    seconds, each_step = (await session.execute(judged)).one()
    together = (await session.scalars(at_once.limit(1))).first() is not None
    return Look(together, seconds, bool(each_step))


async def unlike_items(session: AsyncSession, experiments: Collection[uuid.UUID]) -> str:
    """Return what people do in every trial of these experiments and not in items, which differ visibly.

    It is empty where trials of at least one arm are like items, and where people judge none.
    """
    asked = await session.execute(
        select(
            JudgingRound.elicit,
            Arm.prompts.has_key(Arm.protocol.concat("/examples")).label("examples"),
            func.coalesce(Arm.settings["mark"].as_boolean(), False).label("points"),
            SeatRow.reads_passage.label("passage"),
        )
        .select_from(SeatRow)
        .join(Judging, Judging.id == SeatRow.play_id)
        .join(JudgingRound, JudgingRound.id == Judging.round_id)
        .join(Trial, Trial.id == Judging.talk_id)
        .join(Arm, Arm.id == Trial.arm_id)
        .where(Judging.experiment_id.in_(experiments))
        .distinct()
    )
    rows = asked.all()
    mixed = len({row.elicit for row in rows}) > 1
    found = [
        [
            what
            for what, so in (
                (EACH_STEP, row.elicit == "each_step" and mixed),
                (EXAMPLES, row.examples),
                (POINTS, row.points),
                (PASSAGE, row.passage),
            )
            if so
        ]
        for row in rows
    ]
    return min((unlike[0] for unlike in found), default="") if all(found) else ""
