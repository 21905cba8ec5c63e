"""Everything that is recorded of an experiment, a few talks at a time, for a file from which another arena has it whole."""

import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.drafts import Effort, efforts
from app.records.texts import bodies
from models import (
    Arm,
    ArmSeat,
    CallAttempt,
    Experiment,
    Judgement,
    JudgingRound,
    ModelCall,
    Move,
    Participant,
    Passage,
    PlayRow,
    Question,
    SeatRow,
    Spending,
    Text,
    Trial,
    Verdict,
)

AT_ONCE = 20
"""Talks that are read at once, with all that belongs to them."""
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class WholeSeat:
    """A seat for a person, and the effort put in by its holder, by path of the ask."""

    row: SeatRow
    efforts: Mapping[str, Effort]


@dataclass(frozen=True, slots=True)
class WholeCall:
    """A call and its attempts."""

    row: ModelCall
    attempts: Sequence[CallAttempt]


@dataclass(frozen=True, slots=True)
class WholePlay:
    """A talk or a judging with what was done in it."""

    row: PlayRow
    moves: Sequence[Move]
    seats: Sequence[WholeSeat]
    verdicts: Sequence[Verdict]
    calls: Sequence[WholeCall]


@dataclass(frozen=True, slots=True)
class WholeTrial:
    """A talk with its judgings."""

    trial: Trial
    arm: Arm
    question: Question
    talk: WholePlay
    judgings: Sequence[tuple[WholePlay, JudgingRound]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What comes before the talks: passages with their questions, participants, arms and rounds."""

    passages: Sequence[tuple[Passage, Sequence[Question], str | None, str]]
    """Each with its questions, the key of the passage whose twin it is, and its text."""
    participants: Sequence[Participant]
    arms: Sequence[tuple[Arm, Mapping[str, Participant], Mapping[str, str]]]
    """Each with its seats and its templates by name."""
    rounds: Sequence[JudgingRound]
    spending: Sequence[tuple[str, str, int, int, int, int]]
    """By endpoint and model: calls, and tokens of prompts, cached ones and replies."""


async def setting(session: AsyncSession, experiment: Experiment) -> Setting:
    """Return what comes before the talks of an experiment, in a fixed order."""
    rounds = await session.scalars(
        select(JudgingRound)
        .where(JudgingRound.experiment_id == experiment.id)
        .order_by(JudgingRound.position)
    )
    spent = await session.execute(
        select(
            Spending.endpoint,
            Spending.model,
            *(
                func.sum(column).cast(column.type)
                for column in (Spending.calls, Spending.prompt, Spending.cached, Spending.completion)
            ),
        )
        .where(Spending.experiment_id == experiment.id)
        .group_by(Spending.endpoint, Spending.model)
        .order_by(Spending.endpoint, Spending.model)
    )
    return Setting(
        await _passages(session, experiment.id),
        await _participants(session, experiment.id),
        await _arms(session, experiment.id),
        list(rounds),
        [tuple(row) for row in spent],
    )


async def _passages(
    session: AsyncSession, experiment: uuid.UUID
) -> list[tuple[Passage, Sequence[Question], str | None, str]]:
    """Return the passages that trials are on, and their twins, with all their questions: these have their places in them."""
    drawn = (
        select(Question.passage_id)
        .join(Trial, Trial.question_id == Question.id)
        .where(Trial.experiment_id == experiment)
    )
    firsts = select(Passage.twin_of).where(Passage.id.in_(drawn), Passage.twin_of.is_not(None))
    found = (
        await session.execute(
            select(Passage, Text.body)
            .join(Text, Text.digest == Passage.text_digest)
            .where(or_(Passage.id.in_(drawn), Passage.twin_of.in_(drawn), Passage.id.in_(firsts)))
            .order_by(Passage.twin_of.is_not(None), Passage.key)
        )
    ).all()
    keys = {passage.id: passage.key for passage, _ in found}
    rows = await session.scalars(
        select(Question).where(Question.passage_id.in_(keys)).order_by(Question.position)
    )
    asked = _grouped((row.passage_id, row) for row in rows)
    return [
        (passage, asked[passage.id], keys.get(passage.twin_of) if passage.twin_of else None, body)
        for passage, body in found
    ]


async def _participants(session: AsyncSession, experiment: uuid.UUID) -> list[Participant]:
    """Return everybody who has or had a part in it, by name."""
    plays = select(PlayRow.id).where(PlayRow.experiment_id == experiment)
    arms = select(Arm.id).where(Arm.experiment_id == experiment)
    parts = (
        select(PlayRow.judge_id).where(PlayRow.experiment_id == experiment),
        select(SeatRow.participant_id).where(SeatRow.play_id.in_(plays)),
        select(SeatRow.replacement_id).where(SeatRow.play_id.in_(plays)),
        select(Move.participant_id).where(Move.play_id.in_(plays)),
        select(Verdict.participant_id).where(Verdict.play_id.in_(plays)),
        select(ArmSeat.participant_id).where(ArmSeat.arm_id.in_(arms)),
    )
    rows = await session.scalars(
        select(Participant)
        .where(or_(*(Participant.id.in_(part) for part in parts)))
        .order_by(Participant.name, Participant.digest)
    )
    return list(rows)


async def _arms(
    session: AsyncSession, experiment: uuid.UUID
) -> list[tuple[Arm, Mapping[str, Participant], Mapping[str, str]]]:
    arms = list(
        await session.scalars(select(Arm).where(Arm.experiment_id == experiment).order_by(Arm.position))
    )
    seats = await session.execute(
        select(ArmSeat.arm_id, ArmSeat.seat, Participant)
        .join(Participant, Participant.id == ArmSeat.participant_id)
        .where(ArmSeat.arm_id.in_([arm.id for arm in arms]))
        .order_by(ArmSeat.seat)
    )
    held = _grouped((arm, (seat, who)) for arm, seat, who in seats)
    texts = await bodies(session, {bytes.fromhex(key) for arm in arms for key in arm.prompts.values()})
    return [
        (
            arm,
            dict(held[arm.id]),
            {name: texts[bytes.fromhex(key)] for name, key in sorted(arm.prompts.items())},
        )
        for arm in arms
    ]


async def trials(
    session: AsyncSession, experiment: uuid.UUID, arms: Collection[str]
) -> AsyncGenerator[list[WholeTrial], None]:
    """Yield every trial with all that belongs to it, in the order of the queue; those of these arms, if any are named."""
    statement = (
        select(Trial, Arm, Question)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Question, Question.id == Trial.question_id)
        .where(Trial.experiment_id == experiment)
        .order_by(Trial.position)
    )
    if arms:
        statement = statement.where(Arm.name.in_(arms))
    found = await session.stream(statement.execution_options(yield_per=AT_ONCE))
    async for rows in found.partitions(AT_ONCE):
        yield await _whole(session, [(trial, arm, question) for trial, arm, question in rows])


async def _whole(session: AsyncSession, rows: Sequence[tuple[Trial, Arm, Question]]) -> list[WholeTrial]:
    talks = [trial.id for trial, _, _ in rows]
    judged = (
        await session.execute(
            select(Judgement, JudgingRound)
            .join(JudgingRound, JudgingRound.id == Judgement.round_id)
            .outerjoin(Participant, Participant.id == Judgement.judge_id)
            .where(Judgement.talk_id.in_(talks))
            .order_by(JudgingRound.position, Participant.name, Judgement.place, Judgement.id)
        )
    ).all()
    parts = await _parts(session, [*talks, *(row.id for row, _ in judged)])
    judgings = _grouped((row.talk_id, (parts.play(row), panel)) for row, panel in judged)
    return [
        WholeTrial(trial, arm, question, parts.play(trial), judgings[trial.id])
        for trial, arm, question in rows
    ]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What belongs to plays, by their ids."""

    moves: Mapping[uuid.UUID, Sequence[Move]]
    seats: Mapping[uuid.UUID, Sequence[WholeSeat]]
    verdicts: Mapping[uuid.UUID, Sequence[Verdict]]
    calls: Mapping[uuid.UUID, Sequence[WholeCall]]

    def play(self, row: PlayRow) -> WholePlay:
        """Return a play with what belongs to it."""
        return WholePlay(
            row, self.moves[row.id], self.seats[row.id], self.verdicts[row.id], self.calls[row.id]
        )


async def _parts(session: AsyncSession, plays: Sequence[uuid.UUID]) -> _Parts:
    moves = await session.scalars(select(Move).where(Move.play_id.in_(plays)).order_by(Move.id))
    verdicts = await session.scalars(
        select(Verdict).where(Verdict.play_id.in_(plays)).order_by(Verdict.reading, Verdict.id)
    )
    seats = list(
        await session.scalars(
            select(SeatRow)
            .where(SeatRow.play_id.in_(plays))
            .order_by(SeatRow.seat, SeatRow.state == "returned", SeatRow.id)
        )
    )
    put_in = await efforts(session, {row.id for row in seats})
    return _Parts(
        _grouped((row.play_id, row) for row in moves),
        _grouped((row.play_id, WholeSeat(row, put_in[row.id])) for row in seats),
        _grouped((row.play_id, row) for row in verdicts),
        await _calls(session, plays),
    )


async def _calls(session: AsyncSession, plays: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, list[WholeCall]]:
    rows = await session.execute(
        select(ModelCall, CallAttempt)
        .outerjoin(CallAttempt, CallAttempt.call_id == ModelCall.id)
        .where(ModelCall.play_id.in_(plays))
        .order_by(CallAttempt.id, ModelCall.created_at)
    )
    attempts: dict[uuid.UUID, list[CallAttempt]] = defaultdict(list)
    calls: dict[uuid.UUID, ModelCall] = {}
    for call, attempt in rows:
        calls[call.id] = call
        if attempt is not None:
            attempts[call.id].append(attempt)
    return _grouped((call.play_id, WholeCall(call, attempts[call.id])) for call in calls.values())


def _grouped(pairs: Any) -> dict[Any, list[Any]]:
    """Return lists of values by key; the list of a key that is not there is empty."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found
