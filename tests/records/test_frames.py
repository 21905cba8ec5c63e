"""The frames of a report hold what the rows hold, row by row, and describe every column."""

import uuid
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select, update

from app.judge_fields import KNOWS_STORY
from app.participants.base import PEOPLE
from app.records import verdicts
from app.records.database import Database
from app.records.frames import COLUMNS, MARKS, TALKS, mark_frame, schema_of, talk_frame, verdict_frame
from app.statistics.scores import credit
from models import Experiment, Judging, Question, Trial, Verdict
from tests.factories import finished, passage, spec, twins


async def read(database: Database, experiment: uuid.UUID) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The three frames of an experiment."""
    async with database.session() as session:
        talks = await talk_frame(session, experiment)
        return (
            talks,
            await verdict_frame(session, experiment, talks),
            await mark_frame(session, experiment),
        )


async def rows_of(database: Database, experiment: uuid.UUID) -> list[verdicts.VerdictRow]:
    """The verdicts as exports read them, one after the other."""
    async with database.session() as session:
        return [row async for row in verdicts.stream(session, experiment)]


def expected(row: verdicts.VerdictRow) -> dict[str, Any]:
    """What a frame has of a verdict, but for numbers that stand for ids."""
    verdict, trial = row.verdict, row.trial
    person = row.judge.kind == "person"
    name = PEOPLE if person else row.judge.name
    added = row.round is not None and row.round.position > 0
    others = [p for at, p in enumerate(verdict.belief) if at != row.gold]
    return {
        "arm": row.arm.name,
        "round": row.round.name if row.round else None,
        "round_added": added,
        "judge": row.judge.name,
        "judge_kind": row.judge.kind,
        "passage": row.passage.key,
        "family": row.family,
        "question": row.question.key,
        "gold": row.gold,
        "assignment": trial.assignment,
        "replicate": trial.replicate,
        "reading": verdict.reading,
        "reading_order": verdict.answer_order,
        "belief": verdict.belief,
        "p_gold": verdict.belief[row.gold],
        "correct": credit(verdict.belief[row.gold], others),
        "beliefs": verdict.beliefs if len(verdict.beliefs) > 1 else None,
        "method": verdict.method,
        "label_mass": verdict.label_mass,
        "flags": verdict.flags,
        "label": f"{name} ({row.round.name})" if row.round and added else name,
        "person": row.judge.name if person else "",
        KNOWS_STORY.name: row.knows_story,
        "excluded": "",
        "place": row.judgement.place if row.judgement else trial.place,
        "reads": row.judgement is not None,
        "took_part": str(trial.judge_id or ""),
    }


async def check(database: Database, experiment: Experiment) -> pl.DataFrame:
    """The frame of verdicts, which holds the rows in their order."""
    talks, frame, _ = await read(database, experiment.id)
    rows = await rows_of(database, experiment.id)
    assert rows
    numbers = ("talk", "play")
    assert frame.drop(numbers).to_dicts() == [expected(row) for row in rows]
    assert talks[frame["talk"]]["trial_id"].to_list() == [str(row.trial.id) for row in rows]
    plays = dict(zip((row.verdict.play_id for row in rows), frame["play"], strict=True))
    assert [plays[row.verdict.play_id] for row in rows] == frame["play"].to_list()
    assert len(set(plays.values())) == len(plays)
    return frame


@pytest.mark.parametrize("elicit", ["final", "each_step"])
async def test_a_frame_holds_the_rows_of_verdicts_in_their_order(database: Database, elicit: str) -> None:
    data = spec(elicit=elicit, replicates=2)
    experiment = await finished(database, *twins("Alba"), passage("Brise"), data=data)
    frame = await check(database, experiment)
    assert dict(frame.schema) == schema_of(COLUMNS)


async def test_doubtful_verdicts_and_more_answers_than_two_are_read_as_they_are(database: Database) -> None:
    experiment = await finished(database, passage("Alba"))
    async with database.session.begin() as session:
        talk = (await session.scalars(select(Trial).limit(1))).one()
        judged = select(Judging.id).where(Judging.talk_id == talk.id)
        question = await session.get_one(Question, talk.question_id)
        question.answers = [*question.answers, "The lamp of the inn had gone out."]
        for trial in await session.scalars(select(Trial).where(Trial.question_id == question.id)):
            trial.answers = [2, *trial.answers]
        await session.execute(
            update(Verdict)
            .where(Verdict.play_id.in_(judged))
            .values(
                belief=[0.25, 0.5, 0.25],
                beliefs=[[0.25, 0.5, 0.25]],
                answer_order=[2, 0, 1],
                flags=["bounded", "off_sum"],
                label_mass=0.1,
            )
        )
        rest = select(Verdict).where(Verdict.play_id.not_in(judged))
        for verdict in await session.scalars(
            rest.join(Judging, Judging.id == Verdict.play_id)
            .join(Trial, Trial.id == Judging.talk_id)
            .where(Trial.question_id == question.id)
        ):
            verdict.belief = [*verdict.belief, 0.0]
            verdict.beliefs = [[*belief, 0.0] for belief in verdict.beliefs]
            verdict.answer_order = [*verdict.answer_order, 2]
    frame = await check(database, experiment)
    assert set(frame["belief"].list.len()) == {2, 3}


async def test_an_experiment_without_verdicts_has_empty_frames(database: Database) -> None:
    talks, frame, marks = await read(database, uuid.uuid4())
    assert [dict(own.schema) for own in (talks, frame, marks)] == [
        schema_of(columns) for columns in (TALKS, COLUMNS, MARKS)
    ]
    assert talks.height == frame.height == marks.height == 0


def test_every_column_of_a_frame_is_described() -> None:
    for column in (*COLUMNS, *TALKS, *MARKS):
        assert column.description.endswith("."), column.name
