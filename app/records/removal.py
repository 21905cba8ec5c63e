"""Deleting and renaming experiments and task sets: every row goes, and shared texts that others use stay."""

import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, delete, exists, func, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models import (
    Audit,
    Experiment,
    Exposure,
    Participant,
    Passage,
    PlayRow,
    Question,
    SeatRow,
    Study,
    TaskSet,
    Trial,
    Verdict,
    study_experiment,
)

_PLAIN = {"synchronize_session": False}


# ── experiments ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Contents:
    """What an experiment has, as far as it matters to its deletion."""

    trials: int
    judgements: int
    verdicts: int
    unfinished: int
    """Trials and judgements that workers still have to do."""
    people: int
    """People of this arena who have or had a seat in it, or were shown a text of it."""
    in_hand: int
    """Seats that people have in hand now."""
    working: int
    """Jobs that a living worker has in hand."""
    studies: tuple[str, ...]
    """Names of the studies that it is part of, drafts too."""


async def contents(session: AsyncSession, experiment: Experiment) -> Contents:
    """Count what an experiment has."""
    counted = select(PlayRow.kind, func.count()).where(PlayRow.experiment_id == experiment.id)
    kinds: dict[str, int] = {row[0]: row[1] for row in await session.execute(counted.group_by(PlayRow.kind))}
    verdicts = select(func.count(Verdict.id)).join(PlayRow, PlayRow.id == Verdict.play_id)
    return Contents(
        trials=kinds.get("talk", 0),
        judgements=sum(kinds.values()) - kinds.get("talk", 0),
        verdicts=await session.scalar(verdicts.where(PlayRow.experiment_id == experiment.id)) or 0,
        unfinished=await session.scalar(_unfinished(experiment.id)) or 0,
        people=await session.scalar(_people(experiment.id)) or 0,
        in_hand=await session.scalar(_in_hand(experiment.id)) or 0,
        working=await session.scalar(_WORKING, {"queue": str(experiment.id)}) or 0,
        studies=tuple(await session.scalars(_studies(experiment))),
    )


def _unfinished(experiment: uuid.UUID) -> Select[int]:
    """Count queued plays, without judgements whose talk is not done, which no worker can begin."""
    talk = aliased(PlayRow)
    plays = select(func.count(PlayRow.id)).outerjoin(talk, talk.id == PlayRow.talk_id)
    able = or_(PlayRow.kind == "talk", talk.state == "done")
    return plays.where(PlayRow.experiment_id == experiment, PlayRow.state == "queued", able)


def _people(experiment: uuid.UUID) -> Select[int]:
    seated = select(SeatRow.participant_id.label("id")).join(PlayRow, PlayRow.id == SeatRow.play_id)
    shown = select(Exposure.participant_id.label("id")).where(Exposure.experiment_id == experiment)
    every = seated.where(PlayRow.experiment_id == experiment).union(shown).subquery()
    here = Participant.kind == "person", Participant.imported.is_(False)
    return select(func.count()).select_from(Participant).where(Participant.id.in_(select(every.c.id)), *here)


def _in_hand(experiment: uuid.UUID) -> Select[int]:
    seats = select(func.count(SeatRow.id)).join(PlayRow, PlayRow.id == SeatRow.play_id)
    return seats.where(PlayRow.experiment_id == experiment, SeatRow.state == "waiting")


_WORKING = text(
    """SELECT count(*) FROM procrastinate_jobs j JOIN procrastinate_workers w ON w.id = j.worker_id
       WHERE j.queue_name = :queue AND j.status = 'doing' AND w.last_heartbeat > now() - interval '1 minute'"""
)


def _studies(experiment: Experiment) -> Select[str]:
    named = Study.spec["experiments"].contains(func.to_jsonb(literal(experiment.name)))
    linked = exists().where(
        study_experiment.c.study_id == Study.id, study_experiment.c.experiment_id == experiment.id
    )
    return select(Study.name).where(or_(named, linked)).order_by(Study.name)


async def lock_experiment(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Keep an experiment as it is until the transaction ends. Return False where it is gone."""
    found = select(Experiment.id).where(Experiment.id == experiment).with_for_update()
    return await session.scalar(found) is not None


async def delete_experiment(session: AsyncSession, experiment: uuid.UUID) -> int:
    """Delete an experiment with its trials, calls, verdicts and jobs. Return the number of texts that went with it.

    Models and built-ins stay for others, as do texts that a passage, an arm or a call of another experiment uses.
    """
    await session.execute(_TEXTS_OF_EXPERIMENT, {"id": experiment})
    await session.execute(
        text("CREATE TEMP TABLE removed_imported ON COMMIT DROP AS " + _IMPORTED), {"id": experiment}
    )
    await session.execute(
        text("DELETE FROM procrastinate_jobs WHERE queue_name = :queue"), {"queue": str(experiment)}
    )
    await session.execute(delete(Experiment).where(Experiment.id == experiment), execution_options=_PLAIN)
    await session.execute(_UNUSED_IMPORTED)
    await session.execute(text("DROP TABLE removed_imported"))
    return await _drop_unused_texts(session)


_TEXTS_OF_EXPERIMENT = text(
    """CREATE TEMP TABLE removed_text ON COMMIT DROP AS
       SELECT decode(template.value, 'hex') AS digest FROM arm, jsonb_each_text(arm.prompts) template
       WHERE arm.experiment_id = :id
       UNION
       SELECT decode(segment.value ->> 1, 'hex') FROM model_call c JOIN play p ON p.id = c.play_id,
              jsonb_array_elements(c.segments) segment
       WHERE p.experiment_id = :id"""
)
_IMPORTED = """
       SELECT id FROM participant WHERE imported AND id IN (
           SELECT participant_id FROM arm_seat JOIN arm ON arm.id = arm_id WHERE experiment_id = :id
           UNION SELECT judge_id FROM play WHERE experiment_id = :id
           UNION SELECT participant_id FROM move JOIN play ON play.id = play_id WHERE experiment_id = :id
           UNION SELECT participant_id FROM verdict JOIN play ON play.id = play_id WHERE experiment_id = :id
           UNION SELECT unnest(ARRAY[participant_id, replacement_id]) FROM seat JOIN play ON play.id = play_id
                 WHERE experiment_id = :id)"""
"""Those that came with an archive and answer nothing here."""
_UNUSED_IMPORTED = text(
    """DELETE FROM participant p USING removed_imported r WHERE p.id = r.id
       AND NOT EXISTS (SELECT FROM arm_seat WHERE participant_id = p.id)
       AND NOT EXISTS (SELECT FROM play WHERE judge_id = p.id)
       AND NOT EXISTS (SELECT FROM move WHERE participant_id = p.id)
       AND NOT EXISTS (SELECT FROM verdict WHERE participant_id = p.id)
       AND NOT EXISTS (SELECT FROM seat WHERE participant_id = p.id OR replacement_id = p.id)"""
)


async def _drop_unused_texts(session: AsyncSession) -> int:
    """Delete the texts of the table `removed_text` that nothing uses any more. Return how many."""
    # Others that store a text now are awaited, and wait: one that is there already would be used by rows not seen here.
    await session.execute(text("LOCK TABLE text IN SHARE ROW EXCLUSIVE MODE"))
    gone = await session.execute(_UNUSED_TEXTS)
    await session.execute(text("DROP TABLE removed_text"))
    return gone.rowcount  # type: ignore[attr-defined, no-any-return]


# The few that may go are looked for among those in use, and not the other way round: calls are many.
_UNUSED_TEXTS = text(
    """WITH used AS MATERIALIZED (
           SELECT r.digest FROM removed_text r JOIN passage ON passage.text_digest = r.digest
           UNION
           SELECT r.digest FROM arm, jsonb_each_text(arm.prompts) template
               JOIN removed_text r ON r.digest = decode(template.value, 'hex')
           UNION
           SELECT r.digest FROM model_call c, jsonb_array_elements(c.segments) segment
               JOIN removed_text r ON r.digest = decode(segment.value ->> 1, 'hex')
       )
       DELETE FROM text t USING removed_text r
       WHERE t.digest = r.digest AND NOT EXISTS (SELECT FROM used WHERE used.digest = t.digest)"""
)


async def rename_experiment(session: AsyncSession, experiment: Experiment, name: str) -> None:
    """Give an experiment another name, also in its stored file, so that the file goes on under it."""
    renamed = func.jsonb_set(Experiment.spec, ["name"], func.to_jsonb(literal(name)), False)
    await session.execute(
        update(Experiment).where(Experiment.id == experiment.id).values(name=name, spec=renamed),
        execution_options=_PLAIN,
    )


# ── task sets ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SetUse:
    """Who uses a task set."""

    passages: int
    questions: int
    experiments: tuple[str, ...]
    """Names of the experiments that ask its questions."""
    owners: tuple[uuid.UUID | None, ...]
    """The owners of these experiments."""
    brought_by: frozenset[uuid.UUID | None]
    """The accounts that brought questions in or renamed it; empty where that was on the command line."""


async def lock_set(session: AsyncSession, task_set: uuid.UUID) -> bool:
    """Keep a task set as it is until the transaction ends: no experiment can start on it. Return False where it is gone."""
    found = select(TaskSet.id).where(TaskSet.id == task_set).with_for_update()
    return await session.scalar(found) is not None


async def set_use(session: AsyncSession, task_set: uuid.UUID) -> SetUse:
    """Return who uses a task set, and who brought it in."""
    row = (
        await session.execute(select(TaskSet.name, TaskSet.created_at).where(TaskSet.id == task_set))
    ).one()
    used = select(Experiment.name, Experiment.owner_id).where(_on(task_set)).order_by(Experiment.name)
    experiments = (await session.execute(used)).all()
    noted = select(Audit.account_id).where(
        Audit.object_kind == "task set", Audit.object_id == row.name, Audit.at >= row.created_at
    )
    return SetUse(
        passages=await _count(session, Passage.task_set_id == task_set),
        questions=await _count(session, Question.task_set_id == task_set),
        experiments=tuple(found.name for found in experiments),
        owners=tuple(found.owner_id for found in experiments),
        brought_by=frozenset(await session.scalars(noted)),
    )


def _on(task_set: uuid.UUID) -> ColumnElement[bool]:
    """Return a condition on experiments: they ask questions of a task set."""
    asked = exists().where(
        Trial.experiment_id == Experiment.id,
        Trial.question_id == Question.id,
        Question.task_set_id == task_set,
    )
    return or_(Experiment.task_set_id == task_set, asked)


async def _count(session: AsyncSession, condition: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).where(condition)) or 0


async def delete_set(session: AsyncSession, task_set: uuid.UUID) -> int:
    """Delete a task set that no experiment uses. Return the number of texts that went with it."""
    await session.execute(_TEXTS_OF_SET, {"id": task_set})
    await session.execute(delete(TaskSet).where(TaskSet.id == task_set), execution_options=_PLAIN)
    return await _drop_unused_texts(session)


_TEXTS_OF_SET = text(
    """CREATE TEMP TABLE removed_text ON COMMIT DROP AS
       SELECT DISTINCT text_digest AS digest FROM passage WHERE task_set_id = :id"""
)


async def rename_set(session: AsyncSession, task_set: uuid.UUID, name: str) -> None:
    """Give a task set another name, also in the stored files of the experiments on it."""
    await session.execute(
        update(TaskSet).where(TaskSet.id == task_set).values(name=name), execution_options=_PLAIN
    )
    renamed = func.jsonb_set(Experiment.spec, ["tasks", "set"], func.to_jsonb(literal(name)), False)
    await session.execute(
        update(Experiment).where(Experiment.task_set_id == task_set).values(spec=renamed),
        execution_options=_PLAIN,
    )
