"""The arena on this machine: its settings and its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import ValidationError

from app import tracing
from app.errors import UserError
from app.records.database import Database, open_database
from app.settings import Settings, settings


@asynccontextmanager
async def local_arena(*, upgrade: bool = True) -> AsyncIterator[tuple[Database, Settings]]:
    """Open the database that the settings name. Raises UserError for settings that are not valid."""
    try:
        chosen = settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        variable = name if name == "DATABASE_URL" else f"ARENA_{name}"
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{variable} is not valid: {reason[0].lower()}{reason[1:]}.") from error
    if chosen.telemetry:
        tracing.start()
    async with open_database(chosen, upgrade=upgrade) as database:
        yield database, chosen
