"""From settings to whoever holds the seat: one participant for each settings, one client for each endpoint."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from app.participants.base import (
    LATER,
    AnySettings,
    Asking,
    BuiltinSettings,
    EndpointSettings,
    Later,
    Participant,
    ParticipantSettings,
    PersonSettings,
)
from app.participants.baselines import builtin
from app.participants.client import Client
from app.participants.model import ModelParticipant
from app.protocols.views import View

_SETTINGS: TypeAdapter[AnySettings] = TypeAdapter(ParticipantSettings)


def parse_settings(data: Mapping[str, Any]) -> AnySettings:
    """The settings of a participant from their stored JSON."""
    return _SETTINGS.validate_python(data)


class Person:
    """Somebody who answers in a browser: whoever asks is told to come back later."""

    async def answer(self, view: View, asking: Asking) -> Later:
        """The answer is put on record when it is given there."""
        return LATER


class ParticipantFactory:
    """The clients of this process; close it when done."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str | None], Client] = {}

    def participant(
        self, settings: AnySettings, endpoint: tuple[str, EndpointSettings] | None
    ) -> Participant:
        """Whoever these settings describe; `endpoint` is the name and address of a model's server."""
        if isinstance(settings, BuiltinSettings):
            return builtin(settings)
        if isinstance(settings, PersonSettings):
            return Person()
        assert endpoint is not None
        return ModelParticipant(settings, endpoint[0], self.client(*endpoint))

    def client(self, name: str, settings: EndpointSettings) -> Client:
        """The client of an endpoint, so that all its participants share one limit."""
        key = (str(settings.base_url), settings.api_key_env)
        if key not in self._clients:
            self._clients[key] = Client(name, settings)
        return self._clients[key]

    async def close(self) -> None:
        """Let go of every connection."""
        for client in self._clients.values():
            await client.close()
