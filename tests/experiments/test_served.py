"""What servers say of an experiment's models: the tokens of a prompt, the longest context, and what they drop."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.experiments.estimate import Material, ServedModel, estimate, gathered
from app.experiments.served import ask_servers, most_read
from app.experiments.spec import Spec, parse_spec
from app.participants.base import EndpointSettings, ModelSettings
from app.participants.client import Client
from app.participants.completions import listed
from app.participants.participant_factory import ParticipantFactory
from app.records.database import Database
from app.records.prompt_sizes import cut_prompts
from app.reports.report import report
from models import Experiment
from tests.experiments.test_estimate import long_passage
from tests.factories import imported, passage, played, spec, started
from tests.servers import Script, ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(Script()) as server:
        yield server


def with_model(base_url: str) -> dict[str, Any]:
    """An experiment in which a model reads the passage and judges."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted"}
    return spec(participants={"m": model}, arms={"expert": {"protocol": "expert"}}, judges=["m"])


async def planned(database: Database, base_url: str) -> tuple[Spec, Material]:
    await imported(database, long_passage("Alba", 1, chapters=40))
    wanted = parse_spec(with_model(base_url))
    async with database.session() as session:
        return wanted, await gathered(session, wanted)


async def asked(database: Database, server: ScriptedServer) -> tuple[Spec, Material, ServedModel]:
    wanted, material = await planned(database, server.base_url)
    roster = ParticipantFactory()
    try:
        known, silent = await ask_servers(wanted, material, roster)
    finally:
        await roster.close()
    assert silent == []
    return wanted, material, known["m"]


async def test_the_server_counts_the_tokens_of_a_prompt_and_names_its_context(
    database: Database, server: ScriptedServer
) -> None:
    server.script.context = 1_000_000
    wanted, material, known = await asked(database, server)
    assert known.context == 1_000_000
    assert known.reads is None
    sent = server.seen[-1].body["messages"]
    words = sum(len(message["content"].split()) for message in sent)
    characters = sum(len(message["content"]) for message in sent)
    assert known.characters_per_token == pytest.approx(characters / words, rel=0.05)
    assert all(seen.body["max_tokens"] == 1 for seen in server.seen)
    [use] = estimate(wanted, material, served={"m": known}).participants
    assert use.longest == pytest.approx(words, rel=0.05)


async def test_prompts_that_are_cut_are_said_before_the_run(
    database: Database, server: ScriptedServer
) -> None:
    server.script.reads = 512
    wanted, material, known = await asked(database, server)
    assert known.reads == 512
    assert known.characters_per_token is None, "both prompts were cut, so neither tells what a token has"
    [said] = estimate(wanted, material, served={"m": known}).warnings
    assert "reads at most 512 tokens of a prompt and drops the rest" in said


async def test_a_server_that_does_not_answer_leaves_what_is_assumed(database: Database) -> None:
    wanted, material = await planned(database, "http://127.0.0.1:9/v1")
    roster = ParticipantFactory()
    try:
        known, [sentence] = await ask_servers(wanted, material, roster)
    finally:
        await roster.close()
    assert known == {}
    assert sentence.startswith("m: the tokens of a prompt are assumed")


@pytest.mark.parametrize(
    ("reads", "context", "found"), [(None, None, None), (2048, None, 2048), (None, 1000, None)]
)
async def test_the_doctor_tries_whether_long_prompts_are_read_whole(
    server: ScriptedServer, reads: int | None, context: int | None, found: int | None
) -> None:
    server.script.reads, server.script.context = reads, context
    settings = EndpointSettings.model_validate({"base_url": server.base_url})
    async with Client("far", settings) as client:
        assert await most_read(client, ModelSettings(endpoint="far", model="scripted")) == found


@pytest.mark.parametrize(
    ("stated", "context"),
    [
        ({"max_model_len": 8192}, 8192),  # vLLM
        ({"context_length": 32768}, 32768),  # OpenRouter, Together
        ({"context_window": 131072}, 131072),  # Groq
        ({"max_context_length": 4096, "loaded_context_length": 2048}, 2048),  # LM Studio
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 131072}}, 4096),  # llama.cpp
        ({"max_model_len": "8192"}, 8192),
        ({"context_length": 8192.0}, 8192),
        ({"top_provider": {"context_length": 4096}}, 4096),  # OpenRouter
        ({"max_model_len": "8k"}, None),
        ({"max_model_len": True}, None),
        ({"max_model_len": 0}, None),
        ({}, None),
    ],
)
def test_lists_of_models_name_the_context_in_many_ways(stated: dict[str, Any], context: int | None) -> None:
    assert listed({"data": [{"id": "m", **stated}]}) == {"m": context}


# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────────


async def run(database: Database, server: ScriptedServer) -> Experiment:
    await imported(
        database, long_passage("Alba", 1), long_passage("Brise", 1, chapters=30), passage("Cap", 1)
    )
    experiment = await started(database, with_model(server.base_url))
    await played(database, experiment)
    return experiment


async def test_a_report_says_whose_server_cut_prompts(database: Database, server: ScriptedServer) -> None:
    server.script.reads = 500
    experiment = await run(database, server)
    async with database.session() as session:
        [cut] = await cut_prompts(session, experiment.id)
        assert (cut.model, cut.tokens) == ("scripted", 500)
        assert cut.prompts > 1
        assert cut.sentence in (await report(session, experiment)).warnings


async def test_a_report_says_nothing_of_prompts_that_were_read_whole(
    database: Database, server: ScriptedServer
) -> None:
    experiment = await run(database, server)
    async with database.session() as session:
        assert await cut_prompts(session, experiment.id) == []
