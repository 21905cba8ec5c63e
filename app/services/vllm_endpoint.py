"""The address and the endpoint of the vLLM that the arena starts: the same ones at every start."""

from itertools import count

from app.errors import UserError
from app.participants.base import EndpointSettings
from app.records import admin
from app.records.database import Database
from app.records.endpoints import endpoints, settings_of
from app.services.vllm import is_free
from app.services.vllm_options import HOST
from app.vllm_key import VARIABLE

NAME = "vllm"
FIRST_PORT = 8001


async def choose_port(database: Database, wanted: int | None) -> int:
    """Return the port to serve at: the wanted one, that of the last time, or a free one. Raise UserError.

    Experiments know a model's server by its address. So the port stays what it was.
    """
    port = wanted or await _last_port(database)
    if port is None:
        return next(port for port in count(FIRST_PORT) if is_free(port))
    if not is_free(port):
        raise UserError(
            f"Port {port} of {HOST}, at which vLLM is to be served, is in use: stop what listens there (another "
            "`arena serve --vllm`?), or choose another with --vllm-port."
        )
    return port


async def _last_port(database: Database) -> int | None:
    ours = [
        settings.base_url.port
        for name, settings in await endpoints(database)
        if settings.api_key_env == VARIABLE and settings.base_url.host == HOST
    ]
    return ours[0] if ours else None


async def register(database: Database, base_url: str) -> str:
    """Register the server as an endpoint, if it is not. Return its name: `vllm`, or `vllm-2` where that is another's."""
    address = EndpointSettings.model_validate({"base_url": base_url, "api_key_env": VARIABLE})
    async with database.session.begin() as session:
        for number in count(1):
            name = NAME if number == 1 else f"{NAME}-{number}"
            rows = await admin.endpoints_named(session, name)
            if [settings_of(row) for row in rows] == [address]:
                return name
            if not rows and await admin.add_endpoint(session, None, name, address):
                return name
    raise AssertionError("there is always another number")
