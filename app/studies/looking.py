"""Whether outcomes of an experiment may be seen: not while a study runs on it, unless the study's file allows looking.

Everything that computes, exports or prints outcomes asks here. Who holds the database can look all the same.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import UserError
from app.records.judge_quality import studies_of
from app.records.studies import RUNNING


class OutcomesHidden(UserError):
    """Outcomes are not to be seen yet."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Whether outcomes may be seen."""

    hidden: str = ""
    """Why not, in a sentence; empty where they may."""
    looked_at: tuple[str, ...] = ()
    """Studies that run and allow looking: each look is to be noted."""


async def sight_of(session: AsyncSession, experiment: uuid.UUID) -> Sight:
    """Return whether outcomes of an experiment may be seen now."""
    running = [study for study in await studies_of(session, experiment) if study.state in RUNNING]
    blind = [study.name for study in running if not study.spec.get("looking")]
    if blind:
        return Sight(hidden_by(blind[0]))
    return Sight(looked_at=tuple(study.name for study in running))


def hidden_by(study: str) -> str:
    """Return why a study hides outcomes, in a sentence."""
    return (
        f"The study {study} is running and its file does not allow looking (looking: true), so what shows how often judges are right "
        "is hidden until the study is closed."
    )


async def refuse_hidden(session: AsyncSession, experiment: uuid.UUID) -> None:
    """Raise OutcomesHidden where outcomes of an experiment may not be seen."""
    found = await sight_of(session, experiment)
    if found.hidden:
        raise OutcomesHidden(found.hidden)
