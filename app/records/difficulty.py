"""What task sets say of the difficulty of their questions, and which talks hold a concession."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models import Move, Question, Trial

FIELDS = ("difficulty", "tier", "level", "difficult")
"""Further fields of a question that say how difficult it is, the first of them that any question has. The importer of QuALITY keeps
`difficult`: 1 where most hurried readers were wrong.
"""
MOST_TIERS = 8
"""Different values from which on a field names no tiers."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The difficulty of questions by a field of their task set."""

    name: str = ""
    """Its name; empty where there is none."""
    of: Mapping[str, str] = field(default_factory=dict)
    """Value by key of the question."""


async def difficulty(session: AsyncSession, experiment: uuid.UUID) -> Difficulty:
    """Return the difficulty of the questions that an experiment asks."""
    asked = select(Trial.question_id).where(Trial.experiment_id == experiment)
    for name in FIELDS:
        rows = await session.execute(
            select(Question.key, Question.meta[name])
            .where(Question.id.in_(asked), Question.meta.has_key(name))
            .order_by(Question.key)
        )
        found = {key: text for key, value in rows if (text := _text(value))}
        if found and 1 < len(set(found.values())) <= MOST_TIERS:
            return Difficulty(name, found)
    return Difficulty()


def _text(value: Any) -> str:
    """Return a value as the name of a tier; an empty text for what is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip() if isinstance(value, str | int | float) else ""


async def conceded_talks(session: AsyncSession, experiment: uuid.UUID) -> list[int]:
    """Return the talks in which a speech that argues for an answer conceded, by their hash in the frame of talks."""
    speech = aliased(Move)
    rows = await session.scalars(
        select(func.uuid_hash_extended(Move.play_id, 0))
        .join(Trial, Trial.id == Move.play_id)
        .join(speech, and_(speech.play_id == Move.play_id, Move.path == speech.path + "/position"))
        .where(
            Trial.experiment_id == experiment,
            Move.content["kind"].astext == "stance",
            Move.content["stance"].astext == "concedes",
            Trial.argues.has_key(speech.seat),
        )
        .distinct()
    )
    return sorted(rows)
