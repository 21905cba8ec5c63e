"""Links of invites: an id, signed."""

from itsdangerous import URLSafeSerializer
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import people
from models import Invite


async def signer(db: AsyncSession) -> URLSafeSerializer:
    """Return what signs and reads the ids in invite links."""
    return URLSafeSerializer(await people.signing_key(db), salt="invite")


async def invite_path(db: AsyncSession, invite: Invite) -> str:
    """Return the path of an invite's link."""
    return f"/invite/{(await signer(db)).dumps(str(invite.id))}"


async def invite_link(db: AsyncSession, base_url: str, invite: Invite) -> str:
    """Return the whole link of an invite, to be copied; `base_url` has no final slash."""
    return base_url + await invite_path(db, invite)
