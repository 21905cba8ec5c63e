"""The endpoints of experiments, and those that admins added."""

from sqlalchemy import select

from app.participants.base import EndpointSettings
from app.records.database import Database
from models import Endpoint


def settings_of(endpoint: Endpoint) -> EndpointSettings:
    """Return a registered endpoint, as clients need it."""
    address = {**endpoint.more, "base_url": endpoint.base_url, "api_key_env": endpoint.api_key_env}
    return EndpointSettings.model_validate(address)


async def endpoints(database: Database) -> list[tuple[str, EndpointSettings]]:
    """Return name and address of every registered endpoint. Two experiments may have given one name to
    different addresses.
    """
    async with database.session() as session:
        rows = await session.scalars(select(Endpoint).order_by(Endpoint.name))
        return [(row.name, settings_of(row)) for row in rows]
