"""Limits of tries in a minute. Each try is counted in a separate transaction, so that refusals count too."""

from app.languages import gettext as _
from app.records import people
from app.records.database import Database
from app.services.refusal import Refused


async def limited(
    database: Database,
    key: str,
    most: int,
    sentence: str = "",
) -> None:
    """Count a try of `key`; raise Refused, with the sentence, from the one after `most` in a minute."""
    async with database.session.begin() as db:
        within = await people.within_limit(db, key, most, seconds=60)
    if not within:
        raise Refused(429, sentence or _("Too many tries in a minute: wait a moment and try again."))
