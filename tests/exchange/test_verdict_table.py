"""The tables of verdicts and of beliefs, made a column at a time, are those that records give one by one: to the byte in JSON Lines and
CSV, to the value in Parquet.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select, update

from app.exchange.choices import Format, Part, What
from app.exchange.columns import schema_of
from app.exchange.export import export
from app.exchange.options import USUAL, Options
from app.exchange.tabular import table
from app.experiments.freeze import judge_again
from app.experiments.spec import read_panel
from app.judge_fields import KNOWS_STORY
from app.participants.base import PEOPLE
from app.protocols.core import Belief
from app.protocols.judging import Reading
from app.records import exports, frames, plays
from app.records.database import Database
from app.records.timing import TAKEN
from models import Draft, Experiment, Judging, Move, Participant, Question, SeatRow, Trial, Verdict
from tests.exchange.plain_rows import plain_rows
from tests.exchange.test_export import by_models, hostile_passage, server
from tests.exchange.test_round_trip import of_people
from tests.factories import finished, passage, played, spec, twins

__all__ = ["server"]
TABLES = (What.VERDICTS, What.BELIEFS)


async def expected(
    database: Database, experiment: Experiment, what: What, options: Options
) -> tuple[list[Any], Mapping[Format, bytes]]:
    """The rows that records give one by one, and the files of them."""
    async with exports.snapshot(database) as session:
        rows = [row async for row in plain_rows(session, experiment, what, options)]
    files = {}
    for form in Format:
        stream = io.BytesIO()
        with table(stream, form, schema_of(what, options)) as write:
            if rows:
                write(rows)
        files[form] = stream.getvalue()
    return rows, files


async def check(database: Database, experiment: Experiment, options: Options = USUAL) -> list[Any]:
    """Compare the files of both tables, and return the rows of verdicts."""
    found = []
    for what in TABLES:
        rows, files = await expected(database, experiment, what, options)
        for form in Format:
            stream = io.BytesIO()
            assert await export(database, experiment, what, form, stream, options=options) == len(rows)
            if form is not Format.PARQUET:
                assert stream.getvalue() == files[form]
                continue
            own, plain = (pq.read_table(io.BytesIO(file)) for file in (stream.getvalue(), files[form]))
            assert own.schema.equals(plain.schema, check_metadata=True)
            assert own.equals(plain)
        found.append(rows)
    return list(found[0])


@pytest.mark.parametrize("elicit", ["final", "each_step"])
async def test_twins_several_rounds_and_replicates(database: Database, tmp_path: Path, elicit: str) -> None:
    experiment = await finished(
        database, *twins("Alba"), passage("Brise"), data=spec(elicit=elicit, replicates=2)
    )
    panel = tmp_path / "panel.yaml"
    panel.write_text("{name: again, participants: {die: {kind: builtin, name: random}}, judges: [die]}")
    async with database.session.begin() as session:
        await judge_again(session, experiment, read_panel(panel))
    await played(database, experiment)
    rows = await check(database, experiment)
    assert {row["round"] for row in rows} >= {"panel", "again"}
    assert len({row["family"] for row in rows}) < len({row["passage"] for row in rows})
    for options in (
        Options(arms={rows[0]["arm"]}),
        Options(judges={"die"}),
        Options(judges={"unknown"}),
        Options(arms={rows[0]["arm"]}, judges={"dice"}, without={Part.PEOPLE, Part.PROMPTS}),
    ):
        await check(database, experiment, options)


async def test_hostile_texts_in_questions_and_reasons(database: Database) -> None:
    experiment = await finished(database, hostile_passage(), data=spec(name="hostile"))
    async with database.session.begin() as session:
        questions = {row.id: row for row in await session.scalars(select(Question))}
        talks = {row.id: row for row in await session.scalars(select(Trial))}
        judged = {row.id: row.talk_id for row in await session.execute(select(Judging.id, Judging.talk_id))}
        for row in await session.scalars(select(Verdict)):
            row.reason = questions[talks[judged[row.play_id]].question_id].answers[0].removesuffix(" a")
    rows = await check(database, experiment)
    assert {row["reason"] for row in rows} == {row["question_text"].removesuffix(" x") for row in rows}


async def test_thoughts_of_models(database: Database, server: Any) -> None:
    rows = await check(database, await by_models(database, server))
    assert any(row["thoughts"] for row in rows)


@pytest.mark.parametrize("block", [0, 3_000])
async def test_many_pieces_give_the_same_rows(
    database: Database, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    experiment = await finished(database)
    monkeypatch.setattr(frames, "BLOCK", block)
    rows = await check(database, experiment)
    stream = io.BytesIO()
    await export(database, experiment, What.VERDICTS, Format.PARQUET, stream)
    assert 1 < pq.ParquetFile(stream).metadata.num_row_groups <= len(rows)


async def test_marks_with_their_grades(database: Database) -> None:
    seats = {"authors": "advocate", "critics": "advocate", "grader": "advocate"}
    arms = {
        "planted": {"protocol": "critique-planted-flaws", "planted": 1, "mark": True, "seats": seats},
        "plain": {"protocol": "naive"},
    }
    data = spec(name="points", arms=arms, judges=["lexical"])
    rows = await check(database, await finished(database, passage("Alba", 1), passage("Brise", 1), data=data))
    assert any(mark["grade"] for row in rows for mark in row["marks"])
    assert any(not row["marks"] for row in rows)


async def test_doubtful_beliefs_of_judges_who_took_part_at_a_cost(database: Database) -> None:
    experiment = await finished(database, passage("Alba"), data=spec(elicit="each_step"))
    bounds = ((0.1, 1.0), (0.0, 0.9))
    belief = Belief(
        p=(0.7, 0.3), method="constrained", said=(0, 1e-7), bounds=bounds, flags=("undecided", "off_sum")
    )
    first = Belief(p=(1e-05, 0.99999), method="constrained")
    async with database.session.begin() as session:
        trials = (await session.scalars(select(Trial).order_by(Trial.position).limit(3))).all()
        judge = (await session.scalars(select(Participant).limit(1))).one()
        for at, trial in enumerate(trials):
            assert trial.outcome is not None
            if at:
                trial.outcome = {**trial.outcome, "measures": {"penalty": 0.05 * at, "grade/1": 2}}
            reading = Reading((1, 0), belief, (first, belief) if at else (belief,))
            await plays.save_verdicts(session, trial.id, judge.id, [reading])
        await session.execute(
            update(Verdict).where(Verdict.reading == 1).values(label_mass=0.1, beliefs=[[1, 0]])
        )
    rows = await check(database, experiment)
    assert len([row for row in rows if row["judge_score"] is not None]) == 2


async def test_more_answers_than_two(database: Database) -> None:
    experiment = await finished(database, passage("Alba"))
    async with database.session.begin() as session:
        question = (await session.scalars(select(Question).limit(1))).one()
        question.answers = [*question.answers, "The lamp, ”it” had gone out.", 'A "fourth", one']
        for trial in await session.scalars(select(Trial).where(Trial.question_id == question.id)):
            trial.answers = [2, 3, *trial.answers]
        own = select(Judging.id).join(Trial, Trial.id == Judging.talk_id)
        tie = {"belief": [0.125, 0.125, 0.375, 0.375], "beliefs": [[0.25] * 4, [0.125, 0.125, 0.375, 0.375]]}
        await session.execute(
            update(Verdict)
            .where(Verdict.play_id.in_(own.where(Trial.question_id == question.id)))
            .values(answer_order=[3, 0, 1, 2], **tie)
        )
    rows = await check(database, experiment)
    assert {len(row["belief"]) for row in rows} == {2, 4}
    assert 0.5 in {row["correct"] for row in rows}


async def test_people_with_several_accounts_as_readers_and_in_talks(database: Database) -> None:
    experiment = await of_people(database)
    async with database.session.begin() as session:
        talks = (await session.scalars(select(Trial).order_by(Trial.position).limit(3))).all()
        people = (await session.scalars(select(Participant).where(Participant.kind == "person"))).all()
        for talk, person, flags in zip(talks, people, ({}, {KNOWS_STORY.name: True}, {}), strict=False):
            belief = Belief(p=(0.25, 0.75), method="stated")
            await plays.save_verdicts(session, talk.id, person.id, [Reading((0, 1), belief, (belief,))])
            seat = SeatRow(
                play_id=talk.id,
                seat="judge",
                participant_id=person.id,
                state="done",
                role="judge",
                lease_minutes=60,
                flags={**flags, TAKEN: 12.25},
                seconds=10,
            )
            session.add(seat)
            await session.flush()
            for at, seconds in enumerate((0.1, 0.2, 0.3)):
                session.add(Draft(seat_id=seat.id, path=f"r{at}/judge", content={}, active_seconds=seconds))
            note = {"kind": "note", "text": "?"}
            session.add(
                Move(
                    play_id=talk.id,
                    path="r9/judge",
                    seat="judge",
                    participant_id=person.id,
                    content=note,
                    fingerprint="",
                )
            )
    rows = await check(database, experiment)
    assert {(row["knows_story"], row["overtime"]) for row in rows if row["judgement_id"] is None} == {
        (False, True),
        (True, True),
    }
    assert any(row["effort"] for row in rows)
    one = rows[0]["judge"]
    choices = [Options(without={Part.PEOPLE}), Options(judges={PEOPLE}), Options(judges={one})]
    counts = [len(await check(database, experiment, options)) for options in choices]
    assert counts[0] < counts[2] < counts[1] <= len(rows)
