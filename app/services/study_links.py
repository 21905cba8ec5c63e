"""Links of studies: the id of a study, signed."""

import uuid

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import people
from models import Study


async def join_path(db: AsyncSession, study: Study) -> str:
    """Return the path of the link by which people join a study."""
    return f"/join/{(await _signer(db)).dumps(str(study.id))}"


async def study_of_link(db: AsyncSession, token: str) -> Study | None:
    """Return the study whose link ends with this token; None where no link does."""
    try:
        identity = uuid.UUID((await _signer(db)).loads(token))
    except (BadSignature, ValueError, TypeError, AttributeError):
        return None
    return await db.get(Study, identity)


async def _signer(db: AsyncSession) -> URLSafeSerializer:
    return URLSafeSerializer(await people.signing_key(db), salt="study")
