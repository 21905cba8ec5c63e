"""Making and steering studies on behalf of an account, or of the command line."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.records import studies as records
from app.services.refusal import Refused
from app.studies.spec import StudySpec, parse_study
from models import Account, Study

Who = Account | None
"""The one who acts: an account, or None for the command line, which may do everything."""


# ── permission ──────────────────────────────────────────────────────────────────────────────────────────────────


def may_see(who: Who, study: Study) -> bool:
    """Return whether an account sees a study: researchers their own and those without an owner, admins all."""
    if who is None or who.role == "admin":
        return True
    return who.role == "researcher" and study.owner_id in (None, who.id)


async def visible_study(db: AsyncSession, who: Who, name: str, *, lock: bool = False) -> Study:
    """Return the study of this name. Raise Refused, all the same, where there is none and where it is another's."""
    found = await records.by_name(db, name, lock=lock)
    if found is None or not may_see(who, found):
        raise Refused(404, f"There is no study {name} here: see the list of studies.")
    return found


def spec_of(study: Study) -> StudySpec:
    """Return the file of a study, with its texts as they were in it."""
    return parse_study(study.spec)
