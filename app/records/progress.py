"""The progress of an experiment, and the reasons of its failures."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.endpoints import notices
from app.records.queue import sharing, turns
from app.records.spending import spent_by
from models import PLAYED_TRIAL, Arm, CallAttempt, Experiment, Judging, ModelCall, Move, Playing, Trial


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an experiment."""

    trials: Mapping[str, int]
    """Number of trials by state."""
    judgements: Mapping[str, int]
    """Number of judgements by state."""
    blocked: int
    """Queued judgements whose trial failed or waits for a person."""
    moves: int
    tokens_in: int
    tokens_out: int
    state: str
    """`running`, `paused` or `cancelled`: the last instruction."""
    endpoints: Sequence[str] = ()
    """Sentences on its endpoints that are paused, or are asked at a pace."""
    spending: str | None = None
    """Where a spending cap has paused it: which one is reached, and by how much."""
    turns: str | None = None
    """Where others run beside it: how the workers are shared, and when its first turn comes."""
    seconds: float | None = None
    """From its start until its last trial or judgement was finished; None before, and for an imported archive."""

    @property
    def total(self) -> int:
        """Return the number of trials and judgements. Returned ones were opened again, and count there."""
        return sum(self.trials.values()) + sum(self.judgements.values()) - self.count("returned")

    def count(self, state: str) -> int:
        """Return the number of trials and judgements in this state."""
        return self.trials.get(state, 0) + self.judgements.get(state, 0)

    @property
    def settled(self) -> int:
        """Return the number of trials and judgements that are done or failed."""
        return self.count("done") + self.count("failed")

    @property
    def awaiting_people(self) -> int:
        """Return the number of trials and judgements that go on when a person takes or answers them."""
        return self.count("waiting") + self.count("open")

    @property
    def finished(self) -> bool:
        """Return whether nothing is left to do, for workers or people."""
        return self.settled == self.total

    @property
    def running(self) -> int:
        """Return the number of trials and judgements that can still be done without a person; 0 where it is
        paused or cancelled.
        """
        return self.count("queued") - self.blocked if self.state == "running" else 0


async def progress(session: AsyncSession, experiment: uuid.UUID) -> Progress:
    """Count what is done, failed and left, the moves made and the tokens used."""
    trials = await session.execute(
        select(Trial.state, func.count()).where(Trial.experiment_id == experiment).group_by(Trial.state)
    )
    held_up = Trial.state.in_(("failed", "waiting")) & (Judging.state == "queued")
    blocked = func.count(case((held_up, 1)))
    judgements = (
        await session.execute(
            select(Judging.state, func.count(), blocked)
            .join(Trial, Trial.id == Judging.talk_id)
            .where(Judging.experiment_id == experiment)
            .group_by(Judging.state)
        )
    ).all()
    tokens_in, tokens_out = await _tokens(session, experiment)
    state = (await session.scalars(select(Experiment.state).where(Experiment.id == experiment))).one()
    moves = await _moves(session, experiment)
    others = await sharing(session, experiment) if state == "running" else 0
    return Progress(
        trials={row[0]: row[1] for row in trials},
        judgements={row[0]: row[1] for row in judgements},
        blocked=sum(row[2] for row in judgements),
        moves=moves,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        state=state,
        endpoints=[notice.sentence for notice in await notices(session, experiment)],
        spending=(await spent_by(session, experiment)).sentence if state == "paused" else None,
        turns=turns(others, begun=moves > 0),
        seconds=await _seconds(session, experiment),
    )


async def _seconds(session: AsyncSession, experiment: uuid.UUID) -> float | None:
    """Return the seconds from the start of an experiment until its last finished trial or judgement."""
    last = select(func.max(Playing.finished_at)).where(Playing.experiment_id == experiment).scalar_subquery()
    took = select(func.extract("epoch", last - Experiment.created_at))
    found = await session.scalar(
        took.where(Experiment.id == experiment, ~Experiment.spec.has_key("imported"))
    )
    return None if found is None else max(0.0, float(found))


async def is_moving(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Return whether figures of an experiment may still change, by a worker or a person."""
    mine = (Trial.experiment_id == experiment, Trial.state != "failed")
    talk = exists().where(*mine, Trial.state.in_(("queued", "waiting")))
    judging = exists().where(
        *mine, Judging.talk_id == Trial.id, Judging.state.in_(("queued", "waiting", "open"))
    )
    running = exists().where(Experiment.id == experiment, Experiment.state == "running")
    return bool(await session.scalar(select(and_(running, or_(talk, judging)))))


async def _moves(session: AsyncSession, experiment: uuid.UUID) -> int:
    made = select(func.count()).select_from(Move).join(Playing, Playing.id == Move.play_id)
    return await session.scalar(made.where(Playing.experiment_id == experiment)) or 0


async def _tokens(session: AsyncSession, experiment: uuid.UUID) -> tuple[int, int]:
    """Return tokens sent and received for trials and judgements of an experiment, counting every attempt."""
    row = (
        await session.execute(
            select(func.sum(CallAttempt.tokens_in), func.sum(CallAttempt.tokens_out))
            .select_from(CallAttempt)
            .join(ModelCall, ModelCall.id == CallAttempt.call_id)
            .join(Playing, Playing.id == ModelCall.play_id)
            .where(Playing.experiment_id == experiment)
        )
    ).one()
    return row[0] or 0, row[1] or 0


@dataclass(frozen=True, slots=True)
class FailureCount:
    """A reason, and how often it occurred in one arm."""

    kind: str
    """`trial` or `judgement`."""
    arm: str
    error: str
    count: int


async def failures(session: AsyncSession, experiment: uuid.UUID) -> list[FailureCount]:
    """Return the reasons why trials and judgements failed, the most frequent first."""
    kind = case((Playing.kind == "talk", "trial"), else_="judgement")
    every = (
        select(kind.label("kind"), Arm.name.label("arm"), Playing.error.label("error"))
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Arm, Arm.id == Trial.arm_id)
        .where(Playing.experiment_id == experiment, Playing.state == "failed")
        .subquery()
    )
    count = func.count().label("count")
    rows = await session.execute(
        select(every.c.kind, every.c.arm, every.c.error, count)
        .group_by(every.c.kind, every.c.arm, every.c.error)
        .order_by(count.desc(), every.c.kind, every.c.arm, every.c.error)
    )
    return [FailureCount(*row) for row in rows]
