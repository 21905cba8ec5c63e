"""Which experiments an account sees."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.records import browse, experiments
from app.services.refusal import Refused
from models import Account, Experiment


def may_see(account: Account, experiment: Experiment) -> bool:
    """Return whether an account sees an experiment: researchers their own and those without an owner, admins all."""
    if account.role == "admin":
        return True
    return account.role == "researcher" and experiment.owner_id in (None, account.id)


def sees_only(account: Account) -> uuid.UUID | None:
    """Return the owner whose experiments, beside those without an owner, an account sees; None where it sees all."""
    return None if account.role == "admin" else account.id


async def visible(db: AsyncSession, who: Account, name: str) -> Experiment:
    """The experiment of this name. Raises Refused, all the same, where there is none and where it is another's."""
    found = await experiments.find(db, name)
    if found is None or not may_see(who, found):
        raise Refused(404, "There is no experiment of this name.")
    return found


async def visible_trial(db: AsyncSession, who: Account, trial: uuid.UUID) -> None:
    """Refuse a trial that does not exist, or that the account may not see."""
    found = await browse.experiment_of(db, trial)
    if found is None or not may_see(who, found):
        raise Refused(404, "There is no such trial.")
