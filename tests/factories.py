"""Small experiments for tests, made by the arena's own functions: imported, frozen, and played without the queue."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from app.engine import Engine
from app.exchange.taskfile import TaskPassage
from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.protocols.core import Belief
from app.records import tasks
from app.records.database import Database
from models import Experiment, Judgement, Trial

TASKS = "ferries"
TEXT = (
    "The ferry {key} left the harbour of Skarn at six in the morning, an hour late, because the pilot had overslept. "
    "Old Maren, who sold herring on the quay, swore that she had seen him at the lamp of the inn long after midnight. "
    "The captain wrote in his log that fog had held them back, and he had the mate sign below it.\n\n"
    "Nobody on board had seen any fog. The mate signed all the same, since his brother owed the captain forty crowns. "
    "When the harbour master asked why the ferry had come in late, the captain showed him the log and bought him lunch. "
    "The passengers, eleven in all, were given coffee and told that the sea was never to blame."
)


def passage(key: str, questions: int = 2) -> dict[str, Any]:
    """A passage as a line of a task file; every question has one best distractor."""
    asked = [
        {
            "id": f"{key}-q{number}",
            "question": f"Why did the ferry {key} leave an hour late (asked for the {number}. time)?",
            "answers": ["The pilot had overslept.", "Fog had held the ferry back."],
            "gold": 0,
            "distractor": 1,
        }
        for number in range(1, questions + 1)
    ]
    return {"id": key, "title": f"The ferry {key}", "text": TEXT.format(key=key), "questions": asked}


def twins(key: str, questions: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    """A passage and its twin, in which everybody saw the fog, as lines of a task file."""
    first = passage(key, questions)
    asked = [
        question | {"id": f"{question['id']}-twin", "gold": 1, "distractor": 0}
        for question in first["questions"]
    ]
    told = first["text"].replace("Nobody on board had seen any fog.", "Everybody on board had seen the fog.")
    return first, first | {"id": f"{key}-twin", "twin_of": key, "text": told, "questions": asked}


def spec(**changes: Any) -> dict[str, Any]:
    """The file of an experiment with built-in participants: every shape of arm, two judges, beliefs at each step."""
    return {
        "name": "small",
        "tasks": {"set": TASKS},
        "participants": {
            "advocate": {"kind": "builtin", "name": "extractive-debater"},
            "lexical": {"kind": "builtin", "name": "lexical-judge"},
            "dice": {"kind": "builtin", "name": "random"},
        },
        "arms": {
            "naive": {"protocol": "naive"},
            "expert": {"protocol": "expert"},
            "consultancy": {"protocol": "consultancy", "rounds": 2, "seats": {"consultant": "advocate"}},
            "debate": {"protocol": "debate", "rounds": 2, "seats": {"debaters": "advocate"}},
        },
        "judges": ["lexical", "dice"],
        "elicit": "each_step",
        **changes,
    }


def market() -> dict[str, Any]:
    """The file of an experiment with a market, in which most of what is made is shown to no judge."""
    few = {"steps": 3, "candidates": 12, "reads": 2, "price_reads": 2, "least_move": 0.0}
    seats = {"adversary": "advocate", "predictor": "dice"}
    arms = {"market": {"protocol": "market-making", **few, "seats": seats}}
    return spec(name="market", arms=arms, judges=["lexical"])


async def imported(database: Database, *passages: Mapping[str, Any], name: str = TASKS) -> None:
    """Save passages, given as lines of a task file, as the task set `name`."""
    lines = [TaskPassage.model_validate(line, by_name=False).model_dump() for line in passages]
    async with database.session.begin() as session:
        await tasks.save(session, name, lines)


async def started(database: Database, data: Mapping[str, Any]) -> Experiment:
    """Freeze the experiment that `data` describes."""
    async with database.session.begin() as session:
        return (await start(session, parse_spec(data))).experiment


async def played(database: Database, experiment: Experiment) -> None:
    """Advance every trial, then every judgement, as far as they go."""
    engine = Engine(database)
    async with database.session() as session:
        trials = await session.scalars(select(Trial.id).where(Trial.experiment_id == experiment.id))
        judgements = await session.scalars(
            select(Judgement.id).where(Judgement.experiment_id == experiment.id)
        )
    try:
        await asyncio.gather(*map(engine.advance, trials))
        await asyncio.gather(*map(engine.advance, judgements))
    finally:
        await engine.close()


async def finished(
    database: Database, *passages: Mapping[str, Any], data: Mapping[str, Any] | None = None
) -> Experiment:
    """Import `passages` (two, unless told), and play the experiment that `data` describes (`spec()`, unless told)."""
    await imported(database, *(passages or (passage("Alba"), passage("Brise"))))
    experiment = await started(database, data or spec())
    await played(database, experiment)
    return experiment


async def judge_on(
    database: Database, seat: uuid.UUID, p: float = 0.75, *, most: int | None = None
) -> list[str]:
    """State a belief for all that a judge's seat is asked, or for the first `most`; returns their paths."""
    engine = Engine(database)
    asked: list[str] = []
    while most is None or len(asked) < most:
        async with database.session.begin() as session:
            turn = await engine.turn(session, seat, lock=True)
            if turn is None or not turn.due:
                break
            [(ask, _)] = turn.due
            belief = Belief(p=(p, 1 - p), method="stated", reason="so")
            await engine.submit(session, turn, {ask.path: belief})
        asked.append(ask.path)
    await engine.close()
    return asked
