"""Importing archives on behalf of an account."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from anyio import CapacityLimiter, to_process, to_thread
from sqlalchemy import make_url

from app.exchange.archive import Archive
from app.exchange.archive_import import SavedArchive, take_archive
from app.exchange.importers import ARCHIVES
from app.exchange.importing import ImportRefused
from app.exchange.taskfile import Problem
from app.records.database import Database
from app.records.experiments import find, give
from app.records.people import note
from app.services.visibility import may_see
from models import Account

LARGE = 2**20
"""Bytes from which a file is read and saved by another process, so that requests go on meanwhile."""
_large = CapacityLimiter(1)
"""Large files are imported one by one: each takes memory."""


class NameTaken(ImportRefused):
    """The name is that of an experiment that the account does not see."""


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """The result of an import of a file."""

    new: bool
    """Whether the experiment was not there before."""
    questions: int
    """Questions added to the task set."""
    trials: Mapping[str, int]
    """By arm."""
    verdicts: Mapping[str, int]
    """Those that count, by arm."""
    apart: Mapping[str, int]
    """Those of other rounds, by round."""
    left_out: Mapping[str, int]
    """How much `where` left out, by reason."""
    counted: bool
    """Whether the file says how many lines it has."""


@dataclass(frozen=True, slots=True)
class _RefusedThere:
    """Why another process imported nothing."""

    sentence: str
    problems: tuple[Problem, ...]
    name_taken: bool


async def import_archive(
    database: Database, who: Account, path: Path, name: str, where: Sequence[str] = ()
) -> ImportedFile:
    """Read an archive, and save it as `save_archive` does; a large one in another process. Raise ImportRefused."""
    if (await to_thread.run_sync(path.stat)).st_size < LARGE:
        return await _imported(database, who, path, name, where)
    address = database.url.render_as_string(hide_password=False)
    found = await to_process.run_sync(
        _in_process, address, who.id, path, name, tuple(where), cancellable=True, limiter=_large
    )
    if isinstance(found, _RefusedThere):
        raise (NameTaken if found.name_taken else ImportRefused)(found.sentence, found.problems)
    return found


async def _imported(
    database: Database, who: Account, path: Path, name: str, where: Sequence[str]
) -> ImportedFile:
    archive = await to_thread.run_sync(ARCHIVES["verdicts"].reader, path)
    saved = await save_archive(database, who, archive, name, where)
    return ImportedFile(
        saved.new,
        saved.questions,
        dict(saved.trials),
        dict(saved.verdicts),
        dict(saved.apart),
        dict(archive.where(where).filtered),
        archive.counted,
    )


def _in_process(
    address: str, who: UUID, path: Path, name: str, where: Sequence[str]
) -> ImportedFile | _RefusedThere:
    """Import a file over a connection of this process."""

    async def imported() -> ImportedFile:
        database = Database(make_url(address), embedded=False, connections=1)
        try:
            async with database.session() as db:
                account = await db.get_one(Account, who)
            return await _imported(database, account, path, name, where)
        finally:
            await database.close()

    try:
        return asyncio.run(imported())
    except ImportRefused as refused:
        return _RefusedThere(refused.sentence, refused.problems, isinstance(refused, NameTaken))


async def save_archive(
    database: Database, who: Account, archive: Archive, name: str, where: Sequence[str] = ()
) -> SavedArchive:
    """Save an archive as the finished experiment `name` of an account, and note it on the trail; all of it or nothing.

    Raise ImportRefused.
    """
    async with database.session.begin() as db:
        there = await find(db, name)
        if there is not None and not may_see(who, there):
            # Whether it is the same archive is for those to know who may see it.
            raise NameTaken(
                f"Nothing was imported: there is another experiment {name}: name this one otherwise."
            )
        saved = await take_archive(db, archive, name, where=where)
        if saved.new:
            await give(db, saved.experiment.id, who.id)
            counts = {"trials": sum(saved.trials.values()), "questions": saved.questions}
            await note(db, who.id, "imported", "experiment", saved.experiment.id, {"name": name, **counts})
    return saved
