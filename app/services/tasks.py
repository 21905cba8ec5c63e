"""Saving task sets on behalf of an account."""

import re

from app.exchange.importing import ImportRefused, take
from app.exchange.taskfile import TaskFile
from app.experiments.spec import NAME
from app.records.database import Database
from app.records.people import note
from app.records.tasks import Saved
from models import Account

BAD_NAME = (
    "Name the task set with letters, digits, '.', '_' or '-', beginning with a letter or digit, "
    "at most 100 in all."
)


async def save_tasks(database: Database, who: Account, file: TaskFile, name: str, *, skip_bad: bool) -> Saved:
    """Save what was read of a file, and note it on the trail. Raises ImportRefused."""
    if not re.fullmatch(NAME, name):
        raise ImportRefused(BAD_NAME)
    async with database.session.begin() as db:
        saved = await take(db, file, name, skip_bad=skip_bad)
        counts = {"passages": saved.passages, "questions": saved.questions}
        await note(db, who.id, "imported", "task set", name, counts)
    return saved
