"""Nothing that anybody is asked depends on which answer is right: whole experiments, with gold exchanged behind them."""

import asyncio
from typing import Any

from sqlalchemy import URL, text

from app.protocols import PROTOCOLS
from app.records.database import Database
from tests.arms import arms
from tests.database import Server
from tests.factories import TASKS, imported, passage, played, started
from tests.processes import Records
from tests.servers import ScriptedServer

ASKED = """
    SELECT a.name, q.key, t.assignment, coalesce(p.name, ''), c.path, c.purpose, c.params::text,
           (SELECT string_agg(piece ->> 0 || E'\\n' || body.body, E'\\n' ORDER BY place)
            FROM jsonb_array_elements(c.segments) WITH ORDINALITY AS pieces (piece, place)
            JOIN text body ON encode(body.digest, 'hex') = piece ->> 1)
    FROM model_call c
    LEFT JOIN play j ON j.id = c.play_id AND j.kind = 'judging'
    JOIN play t ON t.id = coalesce(j.talk_id, c.play_id)
    JOIN arm a ON a.id = t.arm_id JOIN question q ON q.id = t.question_id
    LEFT JOIN participant p ON p.id = coalesce(j.judge_id, t.judge_id)
"""
"""Every request to a model: its place in the experiment, its parameters, and its prompt."""


def spec(base_url: str) -> dict[str, Any]:
    """Every protocol, played and judged by a model that reasons before its belief is read."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted", "reason_first": True}
    return {
        "name": "gold",
        "tasks": {"set": TASKS},
        "participants": {"model": model, "sure": {**model, "temperature": 0}},
        "arms": arms("model", "sure"),
        "judges": ["model"],
        "elicit": "each_step",
    }


async def asked(url: URL, base_url: str, *, exchange: bool) -> list[tuple[Any, ...]]:
    """Play the experiment, with gold and distractor of every question exchanged once it is frozen or left as they are."""
    database = Database(url, embedded=True, connections=8)
    try:
        await imported(database, passage("Alba", questions=2))
        experiment = await started(database, spec(base_url))
        if exchange:
            async with database.session.begin() as session:
                await session.execute(text("UPDATE question SET gold = distractor, distractor = gold"))
        await played(database, experiment)
    finally:
        await database.close()
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    records = Records(address)
    assert {state for _, state, _ in records.states()} == {"done"}
    return sorted(await asyncio.to_thread(records.all, ASKED))


async def test_with_gold_exchanged_every_model_is_asked_the_same_byte_for_byte(postgres: Server) -> None:
    async with ScriptedServer() as server:
        with postgres.fresh() as one, postgres.fresh() as other:
            as_it_is = await asked(one, server.base_url, exchange=False)
            exchanged = await asked(other, server.base_url, exchange=True)
    assert {row[0] for row in as_it_is} == set(PROTOCOLS)
    assert all(prompt for *_, prompt in as_it_is)
    assert exchanged == as_it_is
