"""Arguments with a flaw that its author planted: from the task file into the trials of a critique, and to nobody who may not know."""

from typing import Any

import pytest
from sqlalchemy import select

from app.experiments.spec import SpecError
from app.records.database import Database
from app.records.verdicts import arm_counts
from models import Move, Question, Trial
from tests.factories import imported, passage, played, spec, started

SPOILT = "Fog had held the ferry back: <quote>Nobody on board had seen any fog</quote> before that morning."
REFERENCE = "Nobody saw any fog at all: the quote shows that the log was a lie."


def ferry(key: str, argument: str = SPOILT) -> dict[str, Any]:
    """A passage whose first question brings a flawed argument for its wrong answer."""
    line = passage(key)
    item = {"answer": 1, "argument": argument, "kind": "misused-quote", "reference": REFERENCE}
    line["questions"][0]["planted"] = [item]
    return line


def critique(**changes: Any) -> dict[str, Any]:
    arm = {
        "protocol": "critique-planted-flaws",
        "planted": 1,
        "planted_by": "task-file",
        "seats": {"authors": "advocate", "critics": "advocate", "tamperer": "items", "grader": "advocate"},
        **changes,
    }
    participants = {**spec()["participants"], "items": {"kind": "builtin", "name": "task-file"}}
    return spec(arms={"critique": arm}, participants=participants, judges=["lexical"], elicit="final")


async def test_a_flaw_from_a_file_is_argued_criticised_graded_and_judged(database: Database) -> None:
    await imported(database, ferry("Alba"))
    experiment = await started(database, critique())
    await played(database, experiment)
    async with database.session() as session:
        question = (await session.scalars(select(Question).where(Question.key == "Alba-q1"))).one()
        trials = (await session.scalars(select(Trial).where(Trial.experiment_id == experiment.id))).all()
        moves = (await session.scalars(select(Move).where(Move.path.startswith("r1/author")))).all()
    assert {trial.state for trial in trials} == {"done"}
    [planted] = [trial for trial in trials if trial.outcome["measures"]["planted"]]
    assert planted.question_id == question.id
    assert planted.answers[planted.argues["author"]] == 1
    assert planted.outcome["transcript"][0] == ["r1/author/tampered"]
    said = {move.path: move.content for move in moves if move.play_id == planted.id}
    assert said.keys() == {"r1/author/tampered", "r1/author/flaw"}
    assert said["r1/author/flaw"]["text"] == f"A misused quote: {REFERENCE}"
    assert [quote["status"] for quote in said["r1/author/tampered"]["said"]["quotes"]] == ["exact"]


async def test_who_reads_a_file_out_is_no_baseline(database: Database) -> None:
    await imported(database, ferry("Alba"))
    data = critique(seats={"authors": "strong", "critics": "strong", "tamperer": "items", "grader": "strong"})
    data["participants"]["strong"] = {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    experiment = await started(database, data)
    async with database.session() as session:
        assert [arm.baseline for arm in await arm_counts(session, experiment.id)] == [False]


async def test_a_set_that_brings_none_and_an_argument_that_is_too_long_are_refused(
    database: Database,
) -> None:
    await imported(database, passage("Alba"))
    with pytest.raises(
        SpecError, match="no question drawn brings a planted flaw: import a file with planted"
    ):
        await started(database, critique())
    await imported(database, ferry("Brise", f"{SPOILT} {'Very ' * 150}true."))
    with pytest.raises(
        SpecError, match=r"of the question Brise-q1 has 167 words and max_words is 150: raise"
    ):
        await started(database, critique())
