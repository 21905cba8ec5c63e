"""From settings to a participant: one participant for each settings, one client for each endpoint."""

from collections.abc import Iterable, Mapping
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
    ParticipantError,
    ParticipantSettings,
    PersonSettings,
)
from app.participants.baselines import builtin
from app.participants.client import Client
from app.participants.dialect import Memory
from app.participants.model import ModelParticipant
from app.participants.outages import IMPATIENT, EndpointState, Patience
from app.protocols.views import View

_SETTINGS: TypeAdapter[AnySettings] = TypeAdapter(ParticipantSettings)


def parse_settings(data: Mapping[str, Any]) -> AnySettings:
    """Return the settings of a participant from their stored JSON."""
    return _SETTINGS.validate_python(data)


class Person:
    """A person who answers in a browser. Every ask gets LATER."""

    async def answer(self, view: View, asking: Asking) -> Later:
        """Return LATER: the answer is recorded when the person gives it."""
        return LATER


class ParticipantFactory:
    """The clients of this process. Close it when done."""

    def __init__(self, patience: Patience = IMPATIENT, memory: Memory | None = None) -> None:
        self._patience = patience
        self.memory = memory
        """Where its clients keep what they learn of servers."""
        self._clients: dict[str, Client] = {}
        """By the settings of the endpoint, as JSON."""
        self._heard: dict[str, list[EndpointState]] = {}
        """By the same, what other processes have paused."""

    def participant(
        self, settings: AnySettings, endpoint: tuple[str, EndpointSettings] | None
    ) -> Participant:
        """Return the participant with these settings. `endpoint` is the name and address of a model's server."""
        if isinstance(settings, BuiltinSettings):
            return builtin(settings)
        if isinstance(settings, PersonSettings):
            return Person()
        assert endpoint is not None
        return ModelParticipant(settings, endpoint[0], self.client(*endpoint))

    def client(self, name: str, settings: EndpointSettings) -> Client:
        """Return the client of an endpoint, so that all its participants share one limit."""
        key = _key(settings)
        if key not in self._clients:
            self._clients[key] = self._connect(name, settings)
            self._clients[key].memory = self.memory
            self._clients[key].hear(self._heard.get(key, ()))
        return self._clients[key]

    def _connect(self, name: str, settings: EndpointSettings) -> Client:
        return Client(name, settings, patience=self._patience)

    def turned_away(self, models: Iterable[tuple[EndpointSettings, str]]) -> ParticipantError | None:
        """Return the error that a request to any of these models would get now; None where one of them may be asked."""
        away: ParticipantError | None = None
        for key, model in dict.fromkeys((_key(settings), model) for settings, model in models):
            client = self._clients.get(key)
            away = client.turned_away(model) if client else None
            if away is None:
                return None
        return away

    def states(self) -> list[tuple[EndpointSettings, EndpointState]]:
        """Return what there is to say of the endpoints that are paused or have a pace."""
        return [(client.settings, state) for client in self._clients.values() for state in client.states()]

    def hear(self, others: Iterable[tuple[EndpointSettings, EndpointState]]) -> None:
        """Take over what other processes have paused now, and end such pauses that they have ended."""
        self._heard = {}
        for settings, state in others:
            self._heard.setdefault(_key(settings), []).append(state)
        for key, client in self._clients.items():
            client.hear(self._heard.get(key, ()))

    async def keep(self, *, anew: bool = False) -> None:
        """Store what was learned of servers, with `anew` in place of what is stored."""
        for client in self._clients.values():
            await client.keep(anew=anew)

    def remarks(self) -> list[str]:
        """Return what the clients learned about models and their servers, in sentences."""
        return [
            f"{client.name}, {model}: {sentence}"
            for client in self._clients.values()
            for model, sentences in client.remarks.items()
            for sentence in sentences
        ]

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.close()


def _key(settings: EndpointSettings) -> str:
    """Return what tells endpoints apart: all of their settings."""
    return settings.model_dump_json()
