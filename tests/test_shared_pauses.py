"""A pause that one process has found out is one for the others: they send nothing until it ends."""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta

import pytest

from app.jobs import EndpointReporter
from app.participants.base import EndpointSettings
from app.participants.client import Client
from app.participants.outages import BEHIND, EndpointPaused, EndpointState, Patience
from app.participants.participant_factory import ParticipantFactory
from app.records.database import Database
from app.settings import Settings
from tests.participants.examples import Record
from tests.participants.test_client import call
from tests.servers import ScriptedServer

PATIENT = Patience(hours=1, hold=0.05, pause=0.2, pauses=(0.2, 0.2))


class Process:
    """The clients and the reporter of one process."""

    def __init__(self, database: Database, url: str) -> None:
        self.roster = ParticipantFactory(PATIENT)
        self.settings = EndpointSettings.model_validate({"base_url": url})
        self.reporter = EndpointReporter(self.roster, database, Settings(heartbeat=5), None)

    @property
    def client(self) -> Client:
        return self.roster.client("big", self.settings)

    async def asks(self) -> bool:
        """Whether a request was answered, and not given back."""
        try:
            await self.client.complete(call(), Record(), within=5)
        except EndpointPaused:
            return False
        return True


async def test_a_pause_of_one_process_keeps_the_other_from_asking_until_it_ends(database: Database) -> None:
    async with ScriptedServer() as server:
        first, second, third = (Process(database, server.base_url) for _ in range(3))
        assert await second.asks()
        server.script.faults = deque(["429 after 2"])
        assert not await first.asks()
        await first.reporter.look()
        await second.reporter.look()
        await third.reporter.look()
        sent = len(server.seen)
        assert not await second.asks()
        assert not await third.asks(), "a client that is made later knows of it too"
        assert len(server.seen) == sent
        assert second.roster.states() == [], "only the process that found it out stores it"

        await asyncio.sleep(2.2)
        assert await first.asks()
        await first.reporter.look()
        for other in (second, third):
            await other.reporter.look()
            assert await other.asks()
        assert server.script.faults == deque()
        for process in (first, second, third):
            await process.roster.close()


async def test_endpoints_with_other_settings_go_on(database: Database) -> None:
    async with ScriptedServer() as server:
        first, second = (Process(database, server.base_url) for _ in range(2))
        second.settings = EndpointSettings.model_validate({"base_url": server.base_url, "query": {"v": "2"}})
        assert await second.asks()
        server.script.faults = deque(["429 after 9"])
        assert not await first.asks()
        await first.reporter.look()
        await second.reporter.look()
        assert await second.asks()
        for process in (first, second):
            await process.roster.close()


@pytest.mark.parametrize("back", [True, False])
async def test_where_the_other_process_dies_this_one_tries_the_endpoint_itself(back: bool) -> None:
    async with ScriptedServer() as server:
        roster = ParticipantFactory(PATIENT)
        settings = EndpointSettings.model_validate({"base_url": server.base_url})
        now = datetime.now(UTC)
        paused = EndpointState("big", "", now, "answered 429", now + timedelta(seconds=-1.5 * BEHIND))
        roster.hear([(settings, paused)])
        client = roster.client("big", settings)
        if not back:
            server.script.faults = deque(["503"])
        try:
            assert await client.complete(call(), Record(), within=5)
            assert back
        except EndpointPaused:
            assert not back
        assert len(server.seen) == 1
        states = roster.states()
        assert [bool(state.since) for _, state in states] == ([] if back else [True]), "now it is its own"
        await roster.close()
