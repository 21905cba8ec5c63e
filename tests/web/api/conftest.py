"""What tests of the API share: programs with a token of somebody."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from app.records import tokens
from tests.web.world import ORIGIN, Site

Program = httpx.AsyncClient
Programs = Callable[..., Awaitable[Program]]


@pytest.fixture
async def program(site: Site) -> Programs:
    """`await program("alice", "read")`: a program of Alice's whose token has these scopes (unless told: read, write)."""

    async def make(who: str, *scopes: str) -> Program:
        given = scopes or ("read", "write")
        async with site.database.session.begin() as db:
            token = await tokens.new_token(db, site.cast[who].id, "test", given, timedelta(hours=1))
        headers = {"Authorization": f"Bearer {token}"}
        return Program(transport=httpx.ASGITransport(site.app), base_url=f"{ORIGIN}/api/v1", headers=headers)

    return make
