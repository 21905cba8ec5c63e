"""How often something may be tried: counted in a transaction of its own, so that a refusal is counted too."""

from typing import Annotated

from fastapi import Query, Request

from app.records import people
from app.records.database import Database
from app.web.security.middleware import Refused

PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


async def limited(
    request: Request,
    key: str,
    most: int,
    sentence: str = "Too many tries in a minute: wait a moment and try again.",
) -> None:
    """Count a try of `key`; raises Refused, with the sentence, from the one after `most` in a minute."""
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        within = await people.within_limit(db, key, most, seconds=60)
    if not within:
        raise Refused(429, sentence)


def address(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"
