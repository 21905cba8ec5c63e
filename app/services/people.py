"""Accounts that an admin or researcher looks after."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.records import admin
from app.services.refusal import Refused
from models import Account, Invite


async def person_in_care(db: AsyncSession, who: Account, identity: uuid.UUID) -> Account:
    """Return a person whom the account looks after. Raise Refused for others and for the account itself."""
    person = await admin.person(db, who, identity)
    if person is None:
        raise Refused(404, "There is no such person among those you look after.")
    if person.id == who.id:
        raise Refused(409, "This is your own account: ask another admin to change it.")
    return person


async def renew_link(db: AsyncSession, who: Account, person: Account) -> Invite:
    """Make a new link for a person. Raise Refused where their account is closed."""
    if person.disabled_at is not None:
        raise Refused(409, "This account is closed: open it first.")
    return await admin.new_link(db, who.id, person)
