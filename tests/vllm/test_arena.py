"""Whole experiments through a real vLLM server: every protocol; beliefs by log-probabilities, in words and by votes."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import func, select

from app.exchange.importing import take_sample
from app.protocols import PROTOCOLS
from app.records.database import Database
from models import Arm, CallAttempt, Judgement, ModelCall, Move, Participant, Trial, Verdict
from tests.arms import arms
from tests.vllm.server import VllmServer
from tests.vllm.test_server import metric

pytestmark = pytest.mark.vllm

KEY = "ARENA_TEST_VLLM_KEY"
QUERIES, HITS = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"
LIMITS = {"target_words": 40, "min_words": 0, "max_words": 80}


def spec(vllm: VllmServer) -> dict[str, Any]:
    """Two passages with their twins, one question each; the tiny model in every seat."""
    model = {"kind": "model", "endpoint": "vllm", "model": vllm.model, "max_tokens": 100, "asks": 2}
    return {
        "name": "real",
        "tasks": {"set": "sample", "passages": 2, "per_passage": 1, "seed": 3},
        "endpoints": {"vllm": {"base_url": vllm.base_url, "api_key_env": KEY}},
        "participants": {
            "debater": {**model, "temperature": 0.8},
            "sure": {**model, "belief": "logprobs", "temperature": 0},
            "careful": {**model, "belief": "logprobs", "reason_first": True},
            "talker": {**model, "belief": "verbalised"},
            "voter": {**model, "belief": "votes", "votes": 3, "temperature": 1},
        },
        "arms": {
            "naive": {"protocol": "naive"},
            "expert": {"protocol": "expert"},
            "debate": {"protocol": "debate", "rounds": 2, **LIMITS, "seats": {"debaters": "debater"}},
            "consultancy": {
                "protocol": "consultancy",
                "rounds": 2,
                "questions": "questioner",
                **LIMITS,
                "seats": {"consultant": "debater", "questioner": "sure"},
            },
        },
        "judges": ["sure", "careful", "talker", "voter"],
        "elicit": "each_step",
    }


async def arena(*arguments: str, url: str, key: str) -> tuple[int, str, str]:
    """Run the command line in a process of its own: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *arguments,
        env={**os.environ, "DATABASE_URL": url, KEY: key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def rows(database: Database, *columns: Any) -> list[Any]:
    """All rows of these columns."""
    async with database.session() as session:
        return list(await session.execute(select(*columns)))


async def test_debate_and_consultancy_run_and_are_judged_on_a_real_server(
    vllm: VllmServer, database: Database, database_url: str, tmp_path: Path
) -> None:
    async with database.session.begin() as session:
        await take_sample(session)
    file = tmp_path / "real.yaml"
    file.write_text(yaml.safe_dump(spec(vllm)))
    queries, hits = metric(vllm, QUERIES), metric(vllm, HITS)

    run = asyncio.create_task(arena("run", str(file), url=database_url, key=vllm.api_key))
    seen = [hits]
    while not run.done():
        await asyncio.wait([run], timeout=2)
        seen.append(await asyncio.to_thread(metric, vllm, HITS))
    code, out, err = await run

    assert code == 0, out + err
    assert "debate" in out
    assert vllm.api_key not in out + err
    await everything_is_done(database)
    await beliefs_are_distributions_by_the_method_asked_for(database)
    await structured_replies_were_read(database)
    await every_call_is_on_record_with_its_tokens(database)
    asked, found = metric(vllm, QUERIES) - queries, metric(vllm, HITS) - hits
    assert found > 0.5 * asked, f"only {found:.0f} of {asked:.0f} prompt tokens came from the prefix cache"
    assert seen == sorted(seen)
    assert len(set(seen)) > 3, f"the prefix cache's hits did not rise over the run: {seen}"
    await cached_tokens_are_on_record(database)


async def everything_is_done(database: Database) -> None:
    assert {row[0] for row in await rows(database, Trial.state)} == {"done"}
    assert {row[0] for row in await rows(database, Judgement.state)} == {"done"}
    # Naive, expert and debate once a question, consultancy once an answer.
    assert len(await rows(database, Trial.id)) == 4 * (3 + 2)


async def beliefs_are_distributions_by_the_method_asked_for(database: Database) -> None:
    async with database.session() as session:
        found = await session.execute(
            select(Participant.name, Verdict).join(Participant, Participant.id == Verdict.participant_id)
        )
        verdicts = [(name, verdict) for name, verdict in found]
    methods = {name: {verdict.method for judge, verdict in verdicts if judge == name} for name, _ in verdicts}
    assert methods["talker"] == {"verbalised"}
    assert methods["voter"] == {"votes"}
    # Random weights rarely have both letters among their likeliest tokens; then the constraint decides.
    read = methods["sure"] | methods["careful"]
    assert read <= {"logprobs", "constrained"}
    assert read
    for _, verdict in verdicts:
        for belief in [verdict.belief, *verdict.beliefs]:
            assert sum(belief) == pytest.approx(1, abs=1e-9)
        if verdict.method in ("logprobs", "constrained"):
            assert "undecided" not in verdict.flags, "vLLM takes constraints"
            assert 0 < max(verdict.belief) < 1
            assert verdict.label_mass is not None
            assert 0 <= verdict.label_mass < 1
    steps = {len(verdict.beliefs) for _, verdict in verdicts}
    assert steps == {1, 3, 4}, "naive and expert: one; debate of 2 rounds: 3; consultancy with a question: 4"


async def structured_replies_were_read(database: Database) -> None:
    """Random weights hold no position, but they can only choose one."""
    kinds = {row[0] for row in await rows(database, Move.content["kind"].astext)}
    assert kinds == {"speech", "note", "stance", "thought", "belief", "pick"}
    found = {row[0] for row in await rows(database, Move.content["stance"].astext)}
    assert found - {None} <= {"holds", "concedes", "refuses"}
    assert found != {None}


async def every_call_is_on_record_with_its_tokens(database: Database) -> None:
    attempts = await rows(
        database, CallAttempt.call_id, CallAttempt.status, CallAttempt.tokens_in, CallAttempt.tokens_out
    )
    good = [row for row in attempts if row.status == "ok"]
    # The server closes idle connections, now and then just when one is used again: that attempt is made again.
    assert {row.status for row in attempts} <= {"ok", "connection"}
    assert len(attempts) - len(good) < 0.05 * len(attempts)
    calls = {row[0] for row in await rows(database, ModelCall.id)}
    assert len(good) == len({row.call_id for row in good}) == len(calls)
    assert all(row.tokens_in > 0 and row.tokens_out > 0 for row in good)
    purposes = {row[0] for row in await rows(database, ModelCall.purpose)}
    assert {"answer", "mass"} <= purposes


async def cached_tokens_are_on_record(database: Database) -> None:
    async with database.session() as session:
        cached, sent = (
            await session.execute(
                select(func.sum(CallAttempt.tokens_cached), func.sum(CallAttempt.tokens_in))
            )
        ).one()
    assert cached > 0.5 * sent


NONSENSE = re.compile(r"gave no \w+ that could be read in \d+ replies")
"""What a model of random weights may fail with, and nothing else."""

BEYOND_IT = {"quotes-only"}
"""Protocols that take nothing but verified quotes, of which random weights find none."""


def every_protocol(vllm: VllmServer) -> dict[str, Any]:
    """One question under every protocol, at small settings."""
    whole = spec(vllm)
    return {
        **whole,
        "name": "every-protocol",
        "tasks": {"set": "sample", "limit": 1, "seed": 3},
        "arms": arms("debater", "sure", **LIMITS),
        "judges": ["sure"],
        "elicit": "final",
    }


async def test_every_protocol_is_played_out_and_judged_on_a_real_server(
    vllm: VllmServer, database: Database, database_url: str, tmp_path: Path
) -> None:
    async with database.session.begin() as session:
        await take_sample(session)
    file = tmp_path / "every.yaml"
    file.write_text(yaml.safe_dump(every_protocol(vllm)))

    code, out, err = await arena("run", str(file), url=database_url, key=vllm.api_key)

    async with database.session() as session:
        found = await session.execute(
            select(Arm.name, Trial.state, Trial.error).join(Arm, Arm.id == Trial.arm_id)
        )
        trials = list(found)
    failed = [row for row in trials if row.state != "done"]
    assert {row.name for row in trials} == set(PROTOCOLS)
    assert [row for row in failed if not NONSENSE.search(row.error or "")] == []
    assert {row.name for row in trials if row.state == "done"} >= set(PROTOCOLS) - BEYOND_IT
    assert {row[0] for row in await rows(database, Judgement.state)} <= {"done", "queued"}
    assert code == bool(failed), out + err


async def test_a_pre_flight_tells_how_the_real_model_behaves(
    vllm: VllmServer, database: Database, database_url: str, tmp_path: Path
) -> None:
    async with database.session.begin() as session:
        await take_sample(session)
    file = tmp_path / "real.yaml"
    file.write_text(yaml.safe_dump(spec(vllm)))

    code, out, err = await arena("check", str(file), "--questions", "1", url=database_url, key=vllm.api_key)

    assert code == 1, out + err
    assert "as Judge: unfit" in out, "random weights are fit for nothing"
    assert "logprobs" in out or "constrained" in out
    assert "verbalised" in out
    assert "0 without a reply, 0 failures" in out
    assert await rows(database, Trial.id) == [], "a pre-flight keeps nothing"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "wrong"}, KEY),
        ({"model": "huge"}, "does not serve the model huge"),
    ],
)
async def test_a_wrong_key_or_model_is_told_in_one_sentence_and_nothing_is_started(
    vllm: VllmServer,
    database: Database,
    database_url: str,
    tmp_path: Path,
    change: dict[str, str],
    said: str,
) -> None:
    async with database.session.begin() as session:
        await take_sample(session)
    data = spec(vllm)
    if "model" in change:
        data["participants"]["debater"]["model"] = change["model"]
    file = tmp_path / "real.yaml"
    file.write_text(yaml.safe_dump(data))

    key = change.get("key", vllm.api_key)
    code, out, err = await arena("run", str(file), url=database_url, key=key)

    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert said in err
    assert key not in err or "model" in change
    assert await rows(database, Trial.id) == []
