"""Who looks around in the demo: an admin, a researcher, a judge and a debater with work, and their links; and its study."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count

from sqlalchemy.ext.asyncio import AsyncSession

from app.records import assignment, people, seats
from app.records import studies as records
from app.records.eligibility import ROLES as SEATED
from app.services import studies
from app.services.invites import invite_path
from app.services.study_links import join_path
from app.studies.spec import StudySpec
from models import Account

ROLES = ("researcher", "judge", "debater", "admin")
LASTS = timedelta(days=1)


async def links(session: AsyncSession, roles: Sequence[str] = ROLES) -> dict[str, str]:
    """A role to the path of a new link that signs in once; links of an earlier demo end."""
    made = {}
    for role in roles:
        invite = await people.one_time_link(session, await visitor(session, role), LASTS)
        made[role] = await invite_path(session, invite)
    return made


async def visitor(session: AsyncSession, role: str) -> Account:
    """The first demo account of a role that is of use still; a new one where none is."""
    for number in count(1):
        email = f"{role}-{number}@demo.invalid"
        account = await people.account_by_email(session, email)
        if account is None:
            return await people.add_account(session, email, f"Demo {role} {number}", role, None)
        if await _of_use(session, account, role):
            return account
    raise AssertionError("there is always another number")


async def _of_use(session: AsyncSession, account: Account, role: str) -> bool:
    """Whether an account is open, still of its role and, if it judges or debates, has something to do."""
    if account.disabled_at is not None or account.role != role:
        return False
    if role not in SEATED:
        return True
    person = await people.participant_of(session, account)
    return bool(await seats.in_hand(session, person) or await assignment.left(session, person, role))


async def study_path(session: AsyncSession, spec: StudySpec) -> str:
    """Return the path of the link of the demo's study, which is made and opened where it was not. A closed one stays so."""
    study = await records.by_name(session, spec.name)
    if study is None:
        await studies.create(session, None, spec)
        study = await studies.steer(session, None, spec.name, "open")
    return await join_path(session, study)
