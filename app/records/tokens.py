"""Personal tokens for the JSON API, of which only digests are stored."""

import secrets
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from app.records.paging import Page, page_of
from app.records.people import note, token_digest
from models import Account, ApiToken

PREFIX = "arena_"


async def new_token(
    session: AsyncSession, account: uuid.UUID, name: str, scopes: Sequence[str], lasts: timedelta
) -> str:
    """Make a token. It is returned only this once, and not stored."""
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(
        id=uuid.uuid4(),
        account_id=account,
        name=name,
        token_digest=token_digest(token),
        scopes=sorted(scopes),
        expires_at=datetime.now(UTC) + lasts,
    )
    session.add(row)
    await session.flush()
    await note(session, account, "made", "token", row.id, {"name": name, "scopes": row.scopes})
    return token


async def holder(session: AsyncSession, token: str) -> ApiToken | None:
    """Return the token with its account; None where it is unknown, revoked or expired, or the account is
    disabled.
    """
    found = (
        select(ApiToken)
        .join(Account, Account.id == ApiToken.account_id)
        .where(
            ApiToken.token_digest == token_digest(token),
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > func.now(),
            Account.disabled_at.is_(None),
        )
        .options(joinedload(ApiToken.account))
    )
    return (await session.scalars(found)).one_or_none()


async def tokens_page(session: AsyncSession, account: uuid.UUID, page: int) -> Page[ApiToken]:
    """Return a person's tokens, newest first."""
    rows = select(ApiToken).where(ApiToken.account_id == account)
    return await page_of(session, rows.order_by(ApiToken.created_at.desc(), ApiToken.id), page)


async def revoke_token(session: AsyncSession, account: uuid.UUID, token: uuid.UUID) -> bool:
    """End one of a person's tokens. Return False where there is none."""
    ended = await session.execute(
        update(ApiToken)
        .where(ApiToken.id == token, ApiToken.account_id == account, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiToken.id)
    )
    if ended.first() is None:
        return False
    await note(session, account, "revoked", "token", token)
    return True
