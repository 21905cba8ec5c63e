"""Queueing work inside the transaction that causes it, and finding work without a job."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import Any, Literal

from procrastinate import PsycopgConnector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from psycopg import AsyncConnection
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    String,
    and_,
    cast,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from models import Experiment, Judging, Move, Trial

ADVANCE = "advance_play"
"""The one task: go on with a play, as far as it goes."""
LOCK = "play:"
"""What the lock of a job begins with; the play's id follows."""

# Jobs are inserted over the session's own connection, so this one is never opened.
_manager = JobManager(PsycopgConnector())
_jobs = table(
    "procrastinate_jobs",
    *(column("id"), column("lock"), column("status"), column("queue_name"), column("priority", Integer)),
    *(column("scheduled_at", DateTime(timezone=True)), column("args", JSONB)),
)
MANY = 200
"""Jobs queued at once after which the statistics of their table are made anew."""
MOVES = "moves"
"""In the arguments of a job: the number of moves of its play when its worker died."""
ALONE = "alone"
"""In the arguments of a job whose workers died: whether it is to be done with nothing beside it (`wanted`), or is
(`running`).
"""


RESCUE = 7205759403792793602
"""The number of the advisory lock of rescuers: any, if no other lock of the database has it."""


async def is_only_rescuer(session: AsyncSession) -> bool:
    """Take the lock of rescuers until the transaction ends; return whether it was free."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(RESCUE))))


def queue_of(experiment: uuid.UUID) -> str:
    """Return the queue of an experiment. Each has its own, so that a worker may serve one, or all."""
    return str(experiment)


class Before(IntEnum):
    """The priority of work that goes before all that waits for its turn."""

    FOLLOWS = 1
    """It goes on with what is finished: a transcript is judged before others are begun."""
    AWAITED = 2
    """A person in a talk waits for it."""


async def enqueue(
    session: AsyncSession,
    experiment: uuid.UUID,
    work: Iterable[uuid.UUID],
    before: Before | None = None,
) -> int:
    """Queue plays in the order given; returns how many. The jobs exist once the session commits.

    Experiments take turns, a play each: the turns of new work are counted from the turn that is next now, so that it begins at once
    beside what was queued before, and delays that as much as it is delayed by it.

    The lock makes two jobs for one play run one after the other; a needless second one finds nothing to do.
    """
    plays = list(work)
    first = 0 if before or not plays else await _next_turn(session, experiment)
    jobs = [_job(experiment, play, before or -(first + place)) for place, play in enumerate(plays)]
    if jobs:
        raw = (await (await session.connection()).get_raw_connection()).driver_connection
        assert isinstance(raw, AsyncConnection)
        await _manager.batch_defer_jobs_async(jobs, connection=raw)
    if len(jobs) >= MANY:
        # Until its statistics are new, the server reads all jobs for each job that it takes from the queue.
        await session.execute(text("ANALYZE procrastinate_jobs"))
    return len(jobs)


async def _next_turn(session: AsyncSession, experiment: uuid.UUID) -> int:
    """Return the turn that is next now, or the one after the last of this experiment's own. A turn is a priority without its sign."""
    in_turn = cast(_jobs.c.status, String) == "todo", _jobs.c.priority <= 0
    due = or_(_jobs.c.scheduled_at.is_(None), _jobs.c.scheduled_at <= func.now())
    now = await session.scalar(select(func.max(_jobs.c.priority)).where(*in_turn, due))
    own = _jobs.c.queue_name == queue_of(experiment)
    last = await session.scalar(select(func.min(_jobs.c.priority)).where(*in_turn, own))
    return max(-now if now is not None else 0, 1 - last if last is not None else 0)


async def last_turn(session: AsyncSession, job: Job) -> int:
    """Return the priority at which a job comes after all that its experiment has queued."""
    return -await _next_turn(session, uuid.UUID(job.queue))


async def sharing(session: AsyncSession, experiment: uuid.UUID) -> int:
    """Return the number of other experiments that have work waiting for its turn."""
    waits = exists().where(
        _jobs.c.queue_name == cast(Experiment.id, String), cast(_jobs.c.status, String) == "todo"
    )
    others = select(func.count()).where(Experiment.id != experiment, Experiment.state == "running", waits)
    return await session.scalar(others) or 0


def turns(others: int, *, begun: bool) -> str | None:
    """Return a sentence on whose turn it is where an experiment shares the workers with `others`; None where it has them alone."""
    if not others:
        return None
    with_whom = "one other that runs" if others == 1 else f"{others:,} others that run"
    sharing = f"Workers take turns between this experiment and {with_whom}, a trial or judgement each"
    first = (
        ""
        if begun
        else "; it is queued, and its first turn comes when a worker has finished what it has in hand"
    )
    return f"{sharing}{first}."


def _job(experiment: uuid.UUID, play: uuid.UUID, priority: int) -> Job:
    return Job(
        queue=queue_of(experiment),
        priority=priority,
        lock=f"{LOCK}{play}",
        queueing_lock=None,
        task_name=ADVANCE,
        task_kwargs={"id": str(play)},
    )


async def unqueue(session: AsyncSession, experiment: uuid.UUID) -> None:
    """Take the waiting jobs of an experiment off the queue."""
    untouched = cast(_jobs.c.status, String) == "todo"
    await session.execute(delete(_jobs).where(_jobs.c.queue_name == queue_of(experiment), untouched))


async def wake(session: AsyncSession, experiments: Collection[uuid.UUID] | None) -> None:
    """Let jobs that were put off begin now: those of these experiments, or all."""
    put_off = cast(_jobs.c.status, String) == "todo", _jobs.c.scheduled_at > func.now()
    which = true() if experiments is None else _jobs.c.queue_name.in_(map(queue_of, experiments))
    await session.execute(update(_jobs).where(*put_off, which).values(scheduled_at=None))


async def after_death(session: AsyncSession, job: Job, *, only: bool) -> Literal["again", "alone", "guilty"]:
    """Note that the worker of a job died, and return what to do with the job.

    It is done again the first time, and where its play made a move since. The second time it is guilty where it was the
    `only` one that the worker had in hand. Else it is done alone, since its worker may have died of another job, and is
    guilty where its worker dies then.
    """
    play = uuid.UUID(str(job.task_kwargs["id"]))
    moves = await session.scalar(select(func.count()).select_from(Move).where(Move.play_id == play))
    if job.task_kwargs.get(MOVES) != moves:
        await _note(session, job, {MOVES: moves, ALONE: None})
        return "again"
    if only or job.task_kwargs.get(ALONE) == "running":
        return "guilty"
    await _note(session, job, {ALONE: "wanted"})
    return "alone"


async def set_alone(session: AsyncSession, job: Job, *, running: bool) -> None:
    """Note whether a job is being done with nothing beside it, or is to be."""
    await _note(session, job, {ALONE: "running" if running else "wanted"})


async def _note(session: AsyncSession, job: Job, more: Mapping[str, Any]) -> None:
    noted = _jobs.c.args.op("||")(literal(dict(more), JSONB))
    await session.execute(update(_jobs).where(_jobs.c.id == job.id).values(args=noted))


async def is_wanted(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Return whether an experiment is running. It cannot be paused or resumed before this transaction ends."""
    state = select(Experiment.state).where(Experiment.id == experiment)
    return (await session.scalars(state.with_for_update(read=True))).one() == "running"


async def enqueue_orphans(
    session: AsyncSession, experiment: uuid.UUID, statuses: Collection[str] = ("todo", "doing")
) -> int:
    """Queue all open work of an experiment that has no job, for instance after an interruption.

    Only jobs of these statuses count as jobs. A paused or cancelled experiment queues nothing.
    """
    if not await is_wanted(session, experiment):
        return 0
    trials = await session.scalars(
        select(Trial.id)
        .where(Trial.experiment_id == experiment, Trial.state == "queued", _no_job(Trial.id, statuses))
        .order_by(Trial.position)
    )
    judgements = await session.scalars(
        select(Judging.id)
        .join(Trial, and_(Trial.id == Judging.talk_id, Trial.state == "done"))
        .where(Judging.experiment_id == experiment, Judging.state == "queued", _no_job(Judging.id, statuses))
        .order_by(Trial.position)
    )
    return await enqueue(session, experiment, [*judgements, *trials])


def _no_job(play: InstrumentedAttribute[uuid.UUID], statuses: Collection[str]) -> ColumnElement[bool]:
    waiting = cast(_jobs.c.status, String).in_(statuses)
    return ~exists().where(_jobs.c.lock == literal(LOCK) + cast(play, String), waiting)
