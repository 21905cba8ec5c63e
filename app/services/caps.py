"""Changing the spending cap of an experiment that was started."""

import uuid
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import UserError
from app.participants.spending import Spent
from app.records import experiments as records
from app.records.people import note
from app.records.spending import set_cap, spent_by
from models import Experiment


class CapRefused(UserError):
    """A cap cannot be changed so; the text says what to do instead."""


async def change_cap(
    db: AsyncSession, who: uuid.UUID | None, experiment: Experiment, changes: Mapping[str, float]
) -> Spent:
    """Let another cap hold, put that on the audit trail, and go on where only the former cap stood in the way.

    `changes` has the new figures by name (`calls`, `tokens`, `money`); 0 lifts one. `who` is None on the command
    line. Raise CapRefused.
    """
    if changes.get("money") and not experiment.spec.get("prices"):
        raise CapRefused(
            "A cap of money needs prices, and the experiment's file names none: cap calls or tokens."
        )
    before = await spent_by(db, experiment.id)
    cap = before.cap.changed(changes)
    if cap == before.cap:
        return before
    await set_cap(db, experiment.id, cap)
    detail = {"name": experiment.name, "before": before.cap.as_json(), "now": cap.as_json()}
    await note(db, who, "changed the cap", "experiment", experiment.id, detail)
    now = await spent_by(db, experiment.id)
    if before.reached and not now.reached:
        await records.unpause(db, experiment.id)
    return now
