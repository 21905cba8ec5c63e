"""Saving archives on behalf of an account."""

from collections.abc import Sequence

from app.exchange.archive import Archive
from app.exchange.archive_import import SavedArchive, take_archive
from app.exchange.importing import ImportRefused
from app.records.database import Database
from app.records.experiments import find, give
from app.records.people import note
from app.services.visibility import may_see
from models import Account


class NameTaken(ImportRefused):
    """The name is that of an experiment that the account does not see."""


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
