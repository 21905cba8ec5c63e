"""Texts by their digest, each stored once."""

import hashlib
from collections.abc import Collection, Iterable

from sqlalchemy import ARRAY, LargeBinary, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models import Text


def digest(body: str) -> bytes:
    """Return the SHA-256 of the UTF-8 text."""
    return hashlib.sha256(body.encode()).digest()


_STAY = text("LOCK TABLE text IN ROW EXCLUSIVE MODE")


async def keep(session: AsyncSession, bodies: Iterable[str]) -> list[bytes]:
    """Store the texts that are new. Return the digests in the order given."""
    digests = [(digest(body), body) for body in bodies]
    wanted = dict(digests)
    # One that is there must not be deleted, as unused, before what uses it here is committed: a deletion takes a lock
    # that conflicts with this one (`app.records.removal`).
    await session.execute(_STAY)
    # Most texts are there, and long: only those that are not are sent.
    there = set(
        await session.scalars(
            select(Text.digest).where(
                Text.digest == any_(bindparam("digests", [*wanted], ARRAY(LargeBinary)))
            )
        )
    )
    # Sorted, so that two transactions that store the same texts wait for each other instead of deadlocking.
    rows = [{"digest": key, "body": wanted[key]} for key in sorted(wanted.keys() - there)]
    if rows:
        await session.execute(insert(Text).on_conflict_do_nothing(), rows)
    return [key for key, _ in digests]


async def bodies(session: AsyncSession, digests: Collection[bytes]) -> dict[bytes, str]:
    """Return the texts of these digests."""
    rows = await session.execute(select(Text.digest, Text.body).where(Text.digest.in_(digests)))
    return {row.digest: row.body for row in rows}
