"""What a judge takes to a recruiter, once nothing is left to do."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.records import assignment, people
from models import Account


async def completion_for(db: AsyncSession, who: Account, person: uuid.UUID) -> people.Completion | None:
    """Return the completion code of a judge's invite; None as long as something is left to do."""
    completion = await people.completion_of(db, who.id)
    if completion is None or not await assignment.has_finished(db, person, "judge"):
        return None
    return completion
