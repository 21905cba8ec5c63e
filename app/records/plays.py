"""Trials and judgements in play: what a replay needs, the moves appended, and how they ended."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from app.protocols.core import Move, Shown, parse_content
from app.protocols.judging import Reading
from app.records.queue import enqueue, is_wanted
from app.records.texts import bodies
from models import (
    Arm,
    ArmSeat,
    Experiment,
    Judgement,
    JudgingRound,
    Participant,
    Passage,
    Question,
    SeatPlace,
    Trial,
    Verdict,
)
from models import Move as MoveRow

IN_PLAY = ("queued", "waiting")
"""States of a trial in which somebody may still be asked."""


@dataclass(frozen=True, slots=True)
class LoadedArm:
    """An arm with everybody in it and the text of its prompts."""

    arm: Arm
    seats: Mapping[str, Participant]
    prompts: Mapping[str, str]


async def load_trial(session: AsyncSession, trial_id: uuid.UUID) -> Trial | None:
    """A trial with its question and passage (without the passage's text)."""
    return await session.get(
        Trial,
        trial_id,
        options=[
            joinedload(Trial.question).joinedload(Question.passage),
            joinedload(Trial.arm).joinedload(Arm.experiment),
        ],
    )


async def load_place(session: AsyncSession, place_id: uuid.UUID, *, lock: bool = False) -> SeatPlace | None:
    """A seat that a person holds, with its trial; None where nobody does.

    With `lock`, the trial and then the seat stay as they are until the transaction ends.
    """
    found = (
        select(SeatPlace)
        .where(SeatPlace.id == place_id, SeatPlace.state.in_(("waiting", "done")))
        .execution_options(populate_existing=True)
    )
    place = (await session.scalars(found)).one_or_none()
    if place is None:
        return None
    if lock:
        await session.execute(select(Trial.id).where(Trial.id == place.trial_id).with_for_update())
        place = (await session.scalars(found.with_for_update())).one_or_none()
    trial = joinedload(SeatPlace.trial)
    with_trial = found.options(
        joinedload(SeatPlace.participant),
        trial.joinedload(Trial.question).joinedload(Question.passage),
        trial.joinedload(Trial.arm).joinedload(Arm.experiment),
    )
    return None if place is None else (await session.scalars(with_trial)).one()


async def people_in(session: AsyncSession, trial_id: uuid.UUID) -> dict[str, Participant | None]:
    """The seats of a trial that people are to hold, and who does; None where nobody has sat down yet."""
    rows = await session.scalars(
        select(SeatPlace)
        .where(SeatPlace.trial_id == trial_id, SeatPlace.state != "returned")
        .options(joinedload(SeatPlace.participant).joinedload(Participant.endpoint))
    )
    return {row.seat: row.participant for row in rows}


async def state_of(session: AsyncSession, experiment: uuid.UUID) -> str:
    """What somebody wants of an experiment: `running`, `paused` or `cancelled`."""
    return (await session.scalars(select(Experiment.state).where(Experiment.id == experiment))).one()


async def load_judgement(
    session: AsyncSession, judgement_id: uuid.UUID, *, lock: bool = False
) -> Judgement | None:
    """A judgement with its judge, its round and its trial, but for what is long and not needed to go on.

    With `lock`, it stays as it is until the transaction ends.
    """
    trial, round_, person = (
        joinedload(Judgement.trial),
        joinedload(Judgement.round),
        joinedload(Judgement.participant),
    )
    arm = trial.joinedload(Trial.arm)
    return await session.get(
        Judgement,
        judgement_id,
        options=[
            person.joinedload(Participant.endpoint),
            round_.load_only(JudgingRound.experiment_id, JudgingRound.elicit),
            trial.joinedload(Trial.question).joinedload(Question.passage),
            arm.load_only(Arm.experiment_id),
            arm.joinedload(Arm.experiment).load_only(Experiment.state),
        ],
        with_for_update={"of": Judgement} if lock else None,
    )


async def load_arm(session: AsyncSession, arm_id: uuid.UUID) -> LoadedArm:
    """An arm, to be kept: nothing of it ever changes."""
    # Anew, and its seats not by way of it: the session may know an arm already, without all that.
    arm = await session.get_one(Arm, arm_id, populate_existing=True)
    held = joinedload(ArmSeat.participant).joinedload(Participant.endpoint)
    seats = await session.scalars(select(ArmSeat).where(ArmSeat.arm_id == arm_id).options(held))
    digests = {name: bytes.fromhex(value) for name, value in arm.prompts.items()}
    texts = await bodies(session, set(digests.values()))
    return LoadedArm(
        arm,
        {seat.seat: seat.participant for seat in seats},
        {name: texts[value] for name, value in digests.items()},
    )


async def load_participant(session: AsyncSession, participant_id: uuid.UUID) -> Participant:
    """A participant with its endpoint."""
    return await session.get_one(Participant, participant_id, options=[joinedload(Participant.endpoint)])


async def passage_text(session: AsyncSession, passage: Passage) -> str:
    """The hidden text."""
    return (await bodies(session, [passage.text_digest]))[passage.text_digest]


async def moves_of(
    session: AsyncSession, *, trial: uuid.UUID | None = None, judgement: uuid.UUID | None = None
) -> dict[str, Move]:
    """Every committed move by its path."""
    rows = await session.execute(
        select(MoveRow.path, MoveRow.seat, MoveRow.content, MoveRow.fingerprint)
        .where(MoveRow.trial_id == trial if trial else MoveRow.judgement_id == judgement)
        .order_by(MoveRow.id)
    )
    return {row.path: Move(row.path, row.seat, parse_content(row.content), row.fingerprint) for row in rows}


async def finish_trial(
    session: AsyncSession,
    trial: Trial,
    outcome: Mapping[str, Any],
    argues: Mapping[str, int] | None = None,
    judge: uuid.UUID | None = None,
) -> None:
    """Mark a trial done and, unless its experiment is paused or cancelled, queue its judgements, in one transaction.

    `argues` says who argued for which answer where that was chosen in the talk, and `judge` who took part as its judge.
    """
    chosen = {} if argues is None else {"argues": dict(argues)}
    await session.execute(
        update(Trial)
        .where(Trial.id == trial.id, Trial.state != "done")
        .values(
            state="done", error=None, outcome=dict(outcome), judge_id=judge, finished_at=func.now(), **chosen
        )
    )
    await session.execute(
        update(SeatPlace)
        .where(SeatPlace.trial_id == trial.id, SeatPlace.state == "waiting")
        .values(state="done", leased_until=None)
    )
    if not await is_wanted(session, trial.experiment_id):
        return
    waiting = await session.scalars(
        select(Judgement.id)
        .where(Judgement.trial_id == trial.id, Judgement.state == "queued")
        .order_by(Judgement.id)
    )
    await enqueue(session, trial.experiment_id, "judgement", waiting)


async def finish_judgement(session: AsyncSession, judgement: Judgement, readings: Sequence[Reading]) -> None:
    """Mark the judgement done and store the verdicts, one a reading order; nothing where it was returned meanwhile."""
    assert judgement.participant_id is not None
    done = await session.execute(
        update(Judgement)
        .where(
            Judgement.id == judgement.id,
            Judgement.participant_id == judgement.participant_id,
            Judgement.state.in_(("queued", "waiting")),
        )
        .values(state="done", error=None, leased_until=None, finished_at=func.now())
        .returning(Judgement.id)
    )
    if done.first() is not None:
        await save_verdicts(
            session, judgement.trial_id, judgement.participant_id, readings, judgement=judgement.id
        )


async def save_verdicts(
    session: AsyncSession,
    trial: uuid.UUID,
    judge: uuid.UUID,
    readings: Iterable[Reading],
    *,
    judgement: uuid.UUID | None = None,
) -> None:
    """Store what a judge came to believe; storing it again changes nothing."""
    rows = [
        {
            "judgement_id": judgement,
            "trial_id": trial,
            "participant_id": judge,
            "reading": number,
            "answer_order": list(reading.order),
            "belief": list(reading.belief.p),
            "beliefs": [list(belief.p) for belief in reading.beliefs],
            "method": reading.belief.method,
            "label_mass": reading.belief.label_mass,
            "reason": reading.belief.reason,
        }
        for number, reading in enumerate(readings)
    ]
    await session.execute(insert(Verdict).values(rows).on_conflict_do_nothing())


async def mark(session: AsyncSession, row: Trial | Judgement, state: str, error: str | None = None) -> None:
    """Set the state of work that is not done: `failed` with the reason, `waiting` for a person, or `queued` again."""
    model = type(row)
    values: dict[str, Any] = {"state": state, "error": error}
    if model is Judgement and state == "failed":
        values["leased_until"] = None
    # A place that went back to others is theirs, whatever its last holder still does.
    await session.execute(
        update(model)
        .where(model.id == row.id, model.state.not_in(("done", "open", "returned")))
        .values(values)
    )


async def rest(session: AsyncSession, trial: Trial, known: int, awaited: Collection[str]) -> None:
    """Let a trial wait for the seats `awaited`, unless a move beyond the `known` ones has come in meanwhile."""
    # Whoever submits holds this lock too: so either their move is counted here, or they queue the trial after this.
    await session.execute(select(Trial.id).where(Trial.id == trial.id).with_for_update())
    count = select(func.count()).select_from(MoveRow).where(MoveRow.trial_id == trial.id)
    if await session.scalar(count) == known:
        await mark(session, trial, "waiting")
        await _lease(session, trial.id, awaited)


async def queue_again(session: AsyncSession, trial: Trial, awaited: Collection[str]) -> None:
    """Have a trial go on after somebody has answered; the seats `awaited` are asked next."""
    await mark(session, trial, "queued")
    await _lease(session, trial.id, awaited)
    if await is_wanted(session, trial.experiment_id):
        await enqueue(session, trial.experiment_id, "trial", [trial.id])


async def _lease(session: AsyncSession, trial: uuid.UUID, awaited: Collection[str]) -> None:
    """Leases run for the people who are awaited, and rest for those who wait for others."""
    held = SeatPlace.trial_id == trial, SeatPlace.state == "waiting"
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, SeatPlace.lease_minutes)
    begins = SeatPlace.seat.in_(awaited), SeatPlace.leased_until.is_(None)
    await session.execute(
        update(SeatPlace).where(*held, *begins).values(leased_until=until), execution_options=_PLAIN
    )
    rests = update(SeatPlace).where(*held, SeatPlace.seat.not_in(awaited))
    await session.execute(rests.values(leased_until=None), execution_options=_PLAIN)


_PLAIN = {"synchronize_session": False}


def transcript_of(trial: Trial) -> Shown:
    """The transcript that a finished trial shows to judges."""
    assert trial.outcome is not None
    return tuple(tuple(group) for group in trial.outcome["transcript"])


def points_of(trial: Trial) -> dict[str, int]:
    """The moves of a finished trial whose numbered points judges mark, with how many each makes."""
    assert trial.outcome is not None
    return dict(trial.outcome.get("points", {}))
