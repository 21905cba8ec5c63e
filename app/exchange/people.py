"""What exports say of people: the names that they have there, and whom figures leave out."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.options import Options
from app.records import exports
from app.records.exports import Frame
from app.studies.exclusions import sample_of
from models import Experiment


async def frame_of(session: AsyncSession, experiment: Experiment, options: Options) -> Frame:
    """Return what all rows of an export have in common."""
    found = await exports.frame(session, experiment)
    excluded = (await sample_of(session, experiment.id)).excluded
    if options.fresh_pseudonyms:
        found = replace(found, humans=_fresh(found.people, found.humans), fresh=True)
    return replace(found, excluded=excluded)


def _fresh(people: Collection[str], humans: Mapping[str, str]) -> Mapping[str, str]:
    """Return a random pseudonym for each person, by each of the pseudonyms that they have here."""
    made: dict[str, str] = {}
    used: set[str] = set()
    for first in sorted({humans.get(name, name) for name in people}):
        while (name := f"person-{secrets.token_hex(4)}") in used or name in people:
            pass
        used.add(name)
        made[first] = name
    return {name: made[humans.get(name, name)] for name in people}
