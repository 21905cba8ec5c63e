"""Tags and notes of experiments: what researchers write on them, outside the frozen file."""

import unicodedata
import uuid
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.browse import seen_by
from models import Experiment

MOST_TAGS = 20
MOST_CHARACTERS = 40
MOST_NOTE = 20_000
"""Characters of a note."""
TAG = rf"[^\W_][\w.\-]{{0,{MOST_CHARACTERS - 1}}}"
"""A regular expression for a tag, once it is `as_tag`."""


def as_tag(word: str) -> str:
    """Return a word as tags are written: in lower case, without white space around it."""
    return unicodedata.normalize("NFC", word.strip().casefold())


async def locked(session: AsyncSession, experiment: uuid.UUID) -> tuple[list[str], str]:
    """Return the tags and the note of an experiment, which stay as they are until the transaction ends."""
    found = select(Experiment.tags, Experiment.note).where(Experiment.id == experiment).with_for_update()
    row = (await session.execute(found)).one()
    return list(row.tags), row.note


async def write(session: AsyncSession, experiment: uuid.UUID, tags: Sequence[str], note: str) -> None:
    """Replace the tags and the note of an experiment."""
    await session.execute(
        update(Experiment)
        .where(Experiment.id == experiment)
        .values(tags=list(tags), note=note)
        .execution_options(synchronize_session=False)
    )


async def tags_of(session: AsyncSession, owner: uuid.UUID | None) -> list[str]:
    """Return the tags of the experiments that `owner` sees (None: of all), sorted."""
    each = func.unnest(Experiment.tags).label("tag")
    rows = await session.scalars(select(each).where(seen_by(owner)).distinct().order_by(each))
    return list(rows)
