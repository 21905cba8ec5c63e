"""Models of an experiment that answered as several revisions under one name."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.revisions import FIELDS, in_words
from models import CallAttempt, ModelCall, Playing

MOST_SAID = 4
"""Most revisions of a model that a sentence names."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One name and fingerprint under which a model answered."""

    said: str
    replies: int
    first: datetime


@dataclass(frozen=True, slots=True)
class ChangedModel:
    """A model that answered as several revisions, the first one first."""

    endpoint: str
    model: str
    revisions: Sequence[Revision]

    @property
    def sentence(self) -> str:
        """Return what to say above the figures."""
        said = [
            f"{item.said} ({item.replies:,} {'reply' if item.replies == 1 else 'replies'}, first at {item.first.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"
            for item in self.revisions[:MOST_SAID]
        ]
        more = len(self.revisions) - MOST_SAID
        said += [f"and {more} more"] if more > 0 else []
        return (
            f"The model {self.model} at the endpoint {self.endpoint} answered as {len(self.revisions)} revisions: {', '.join(said)}. "
            "The figures may be of different models: name a fixed version of the model, if its server has any."
        )


async def changed_models(session: AsyncSession, experiment: uuid.UUID) -> list[ChangedModel]:
    """Return the models of an experiment that two replies name differently, or give different fingerprints.

    Replies that say nothing of it are no revision.
    """
    name, fingerprint = CallAttempt.answered_as, CallAttempt.fingerprint
    rows = await session.execute(
        select(
            ModelCall.endpoint,
            ModelCall.model,
            name,
            fingerprint,
            func.count(),
            func.min(CallAttempt.started_at).label("first"),
        )
        .select_from(CallAttempt)
        .join(ModelCall, ModelCall.id == CallAttempt.call_id)
        .join(Playing, Playing.id == ModelCall.play_id)
        .where(Playing.experiment_id == experiment, CallAttempt.status == "ok")
        .group_by(ModelCall.endpoint, ModelCall.model, name, fingerprint)
        .order_by(ModelCall.endpoint, ModelCall.model, "first", name, fingerprint)
    )
    found: dict[tuple[str, str], list[tuple[str | None, str | None, int, datetime]]] = defaultdict(list)
    for endpoint, model, named, print_of_it, replies, first in rows:
        found[endpoint, model].append((named, print_of_it, replies, first))
    return [
        ChangedModel(endpoint, model, [_revision(*row) for row in several if row[0] or row[1]])
        for (endpoint, model), several in found.items()
        if any(len({row[place] for row in several} - {None}) > 1 for place in range(len(FIELDS)))
    ]


def _revision(name: str | None, fingerprint: str | None, replies: int, first: datetime) -> Revision:
    said = {key: value for key, value in zip(FIELDS, (name, fingerprint), strict=True) if value}
    return Revision(in_words(said), replies, first)
