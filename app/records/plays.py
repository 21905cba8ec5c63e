"""Plays (talks and judgings): what a replay needs, how they wait, and how they end."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from app.protocols.core import Move, Shown, parse_content
from app.protocols.judging import Reading
from app.records import live
from app.records.queue import Before, enqueue, is_wanted
from app.records.summaries import summarise
from app.records.texts import bodies
from models import (
    Arm,
    ArmSeat,
    Experiment,
    Judgement,
    JudgingRound,
    Participant,
    Passage,
    PlayRow,
    Question,
    SeatRow,
    Trial,
    Verdict,
)
from models import Move as MoveRow

IN_PLAY = ("queued", "waiting")
"""States of a play in which a move may still be asked for."""


@dataclass(frozen=True, slots=True)
class LoadedArm:
    """An arm with everybody in it and the text of its prompts."""

    arm: Arm
    seats: Mapping[str, Participant]
    prompts: Mapping[str, str]


AnyPlay: TypeAlias = Trial | Judgement


_TALK = joinedload(Judgement.talk)
_WHOLE = (
    joinedload(PlayRow.judge).joinedload(Participant.endpoint),
    joinedload(Judgement.round).load_only(JudgingRound.elicit),
    *(
        option
        for question, arm in (
            (joinedload(Trial.question), joinedload(Trial.arm)),
            (_TALK.joinedload(Trial.question), _TALK.joinedload(Trial.arm)),
        )
        for option in (
            question.joinedload(Question.passage),
            arm.load_only(Arm.experiment_id).joinedload(Arm.experiment).load_only(Experiment.state),
        )
    ),
)
"""All that it takes to go on with a play, but for what is long."""


async def load(session: AsyncSession, play_id: uuid.UUID, *, lock: bool = False) -> AnyPlay | None:
    """Return a trial or a judgement with what it is about, without the passage's text.

    With `lock`, it stays as it is until the transaction ends.
    """
    if lock:
        await _lock(session, play_id)
    found = select(PlayRow).where(PlayRow.id == play_id).options(*_WHOLE)
    row = (await session.scalars(found.execution_options(populate_existing=True))).one_or_none()
    assert row is None or isinstance(row, Trial | Judgement)
    return row


async def _lock(session: AsyncSession, play_id: uuid.UUID) -> None:
    await session.execute(select(PlayRow.id).where(PlayRow.id == play_id).with_for_update(key_share=True))


def trial_of(row: AnyPlay) -> Trial:
    """Return the trial that a play is, or judges."""
    return row.talk if isinstance(row, Judgement) else row


async def load_seat(
    session: AsyncSession, seat_id: uuid.UUID, *, lock: bool = False
) -> tuple[SeatRow, AnyPlay] | None:
    """Return a seat that a person has, with its play; None where it is open, or was returned.

    With `lock`, the play and then the seat stay as they are until the transaction ends. All who change both lock them
    in this order.
    """
    found = (
        select(SeatRow)
        .where(SeatRow.id == seat_id, SeatRow.state.in_(("waiting", "done")))
        .execution_options(populate_existing=True)
    )
    seat = (await session.scalars(found)).one_or_none()
    if seat is not None and lock:
        await _lock(session, seat.play_id)
        seat = (await session.scalars(found.with_for_update(key_share=True))).one_or_none()
    if seat is None:
        return None
    row = await load(session, seat.play_id)
    assert row is not None
    return seat, row


async def people_in(
    session: AsyncSession, play_id: uuid.UUID
) -> tuple[dict[str, Participant | None], frozenset[str]]:
    """Return who has each seat for people, None where it is open; and the seats in which a participant replaces a person."""
    rows = await session.scalars(
        select(SeatRow)
        .where(
            SeatRow.play_id == play_id,
            or_(SeatRow.state != "returned", SeatRow.replacement_id.is_not(None)),
        )
        .options(
            joinedload(SeatRow.participant).joinedload(Participant.endpoint),
            joinedload(SeatRow.replacement).joinedload(Participant.endpoint),
        )
    )
    found = {row.seat: (row.participant, row.replacement) for row in rows}
    replaced = frozenset(seat for seat, (_, successor) in found.items() if successor is not None)
    return {seat: successor or person for seat, (person, successor) in found.items()}, replaced


async def state_of(session: AsyncSession, experiment: uuid.UUID) -> str:
    """Return the wanted state of an experiment: `running`, `paused` or `cancelled`."""
    return (await session.scalars(select(Experiment.state).where(Experiment.id == experiment))).one()


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


async def passage_text(session: AsyncSession, passage: Passage) -> str:
    """The hidden text."""
    return (await bodies(session, [passage.text_digest]))[passage.text_digest]


async def moves_of(session: AsyncSession, play_id: uuid.UUID) -> dict[str, Move]:
    """Every committed move by its path."""
    rows = await session.execute(
        select(MoveRow.path, MoveRow.seat, MoveRow.content, MoveRow.fingerprint)
        .where(MoveRow.play_id == play_id)
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
        ),
        execution_options=_PLAIN,
    )
    await _vacate(session, trial.id, "done")
    await summarise(session, trial.id)
    if not await is_wanted(session, trial.experiment_id):
        return
    waiting = await session.scalars(
        select(Judgement.id)
        .where(Judgement.talk_id == trial.id, Judgement.state == "queued")
        .order_by(Judgement.id)
    )
    await enqueue(session, trial.experiment_id, waiting, Before.FOLLOWS)


async def finish_judgement(session: AsyncSession, judgement: Judgement, readings: Sequence[Reading]) -> None:
    """Mark the judgement done and store the verdicts, one a reading order; nothing where it was returned meanwhile."""
    assert judgement.judge_id is not None
    done = await session.execute(
        update(Judgement)
        .where(
            Judgement.id == judgement.id,
            Judgement.judge_id == judgement.judge_id,
            Judgement.state.in_(IN_PLAY),
        )
        .values(state="done", error=None, finished_at=func.now())
        .returning(Judgement.id),
        execution_options=_PLAIN,
    )
    if done.first() is not None:
        await _vacate(session, judgement.id, "done")
        await save_verdicts(session, judgement.id, judgement.judge_id, readings)
        await summarise(session, judgement.talk_id)


async def _vacate(session: AsyncSession, play_id: uuid.UUID, state: str) -> None:
    """End the leases of the people in a play: no seat is awaited any more."""
    await session.execute(
        update(SeatRow)
        .where(SeatRow.play_id == play_id, SeatRow.state == "waiting")
        .values(state=state, leased_until=None, ends_at=None, closes_at=None),
        execution_options=_PLAIN,
    )


async def save_verdicts(
    session: AsyncSession, play_id: uuid.UUID, judge: uuid.UUID, readings: Iterable[Reading]
) -> None:
    """Store what a judge came to believe; storing it again changes nothing."""
    rows = [
        {
            "play_id": play_id,
            "participant_id": judge,
            "reading": number,
            "answer_order": list(reading.order),
            "belief": list(reading.belief.p),
            "beliefs": [list(belief.p) for belief in reading.beliefs],
            "method": reading.belief.method,
            "label_mass": reading.belief.label_mass,
            "reason": reading.belief.reason,
            "said": None if reading.belief.said is None else list(reading.belief.said),
            "bounds": None
            if reading.belief.bounds is None
            else [list(ends) for ends in reading.belief.bounds],
            "flags": list(reading.belief.flags),
        }
        for number, reading in enumerate(readings)
    ]
    await session.execute(insert(Verdict).on_conflict_do_nothing(), rows)


async def mark(session: AsyncSession, row: AnyPlay, state: str, error: str | None = None) -> None:
    """Set the state of work that is not done: `failed` with the reason, `waiting` for a person, or `queued` again."""
    # A judgement that went back to others is theirs, whatever its last judge still does.
    marked = await session.execute(
        update(PlayRow)
        .where(PlayRow.id == row.id, PlayRow.state.not_in(("done", "open", "returned")))
        .values(state=state, error=error)
        .returning(PlayRow.id),
        execution_options=_PLAIN,
    )
    if marked.first() is not None and state == "failed" and isinstance(row, Judgement):
        await _vacate(session, row.id, "waiting")


async def rest(session: AsyncSession, row: AnyPlay, known: int, awaited: Collection[str]) -> None:
    """Let a play wait for the seats `awaited`, unless a move beyond the `known` ones has come in meanwhile."""
    # A submission takes this lock too: either its move is counted here, or it queues the play afterwards.
    await _lock(session, row.id)
    count = select(func.count()).select_from(MoveRow).where(MoveRow.play_id == row.id)
    if await session.scalar(count) == known:
        await mark(session, row, "waiting")
        await _lease(session, row.id, awaited)


async def left(session: AsyncSession, trial: Trial, seat: SeatRow, how: str) -> bool:
    """See to a talk that a person of a study leaves once it has begun; False where it goes on with the next person.

    Either a participant goes on in the seat, or the talk ends and the others are done with it. The caller has locked both.
    """
    became = await live.leave(session, seat, trial, how)
    if became == "ended":
        await mark(session, trial, "failed", live.reason(how))
        await _vacate(session, trial.id, "done")
    elif became == "replaced":
        await mark(session, trial, "queued")
        if await is_wanted(session, trial.experiment_id):
            await enqueue(session, trial.experiment_id, [trial.id], Before.AWAITED)
    return bool(became)


async def queue_again(session: AsyncSession, trial: Trial, awaited: Collection[str]) -> None:
    """Queue a trial after a person has answered; the seats `awaited` are asked next."""
    await mark(session, trial, "queued")
    await _lease(session, trial.id, awaited)
    if await is_wanted(session, trial.experiment_id):
        await enqueue(session, trial.experiment_id, [trial.id], Before.AWAITED)


async def _lease(session: AsyncSession, play_id: uuid.UUID, awaited: Collection[str]) -> None:
    """Leases run for the people who are awaited, and rest for those who wait for others; so do the times of turns."""
    await live.turns(session, play_id, awaited)
    taken = SeatRow.play_id == play_id, SeatRow.state == "waiting"
    begins = SeatRow.seat.in_(awaited), SeatRow.leased_until.is_(None)
    await session.execute(
        update(SeatRow).where(*taken, *begins).values(leased_until=lease_end()), execution_options=_PLAIN
    )
    rests = update(SeatRow).where(*taken, SeatRow.seat.not_in(awaited))
    await session.execute(rests.values(leased_until=None), execution_options=_PLAIN)


def lease_end() -> ColumnElement[datetime]:
    """When a lease of a seat ends that begins now."""
    ends: ColumnElement[datetime] = func.now() + func.make_interval(0, 0, 0, 0, 0, SeatRow.lease_minutes)
    return ends


_PLAIN = {"synchronize_session": False}


def transcript_of(trial: Trial) -> Shown:
    """The transcript that a finished trial shows to judges."""
    assert trial.outcome is not None
    return tuple(tuple(group) for group in trial.outcome["transcript"])


def points_of(trial: Trial) -> dict[str, int]:
    """The moves of a finished trial whose numbered points judges mark, with how many each makes."""
    assert trial.outcome is not None
    return dict(trial.outcome.get("points", {}))
