"""What exports read: verdicts, trials with their moves, and attempts at calls, a few at a time and in a fixed order."""

import uuid
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import Segment
from app.protocols import TAKE_EXAMPLES
from app.protocols.marks import (
    MARKING,
    MARKS,
    marked_place,
)
from app.records.database import Database
from app.records.drafts import Effort, put_in, put_in_seats
from app.records.texts import bodies
from app.records.verdicts import VerdictRow, stream
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
    Question,
    SeatPlace,
    TaskSet,
    Trial,
)

AT_ONCE = 50
"""Rows that an export reads at once: few, so that a server that makes it answers others in between."""
MOVES = 200
"""Moves of all trials that it reads at once, unless one alone has more."""

T = TypeVar("T")


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncSession]:
    """A session that sees one moment of the database, however long it reads and whatever others write."""
    async with database.session() as session:
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        await session.connection(execution_options=options)
        yield session


@dataclass(frozen=True, slots=True)
class Frame:
    """What all rows of an experiment share."""

    task_set: str
    seats: Mapping[uuid.UUID, Mapping[str, Participant]]
    """Who sits in each arm, by the arm's id and the seat."""


async def frame(session: AsyncSession, experiment: Experiment) -> Frame:
    """The task set's name and everybody's place."""
    task_set = await session.get_one(TaskSet, experiment.task_set_id)
    rows = await session.execute(
        select(ArmSeat, Participant)
        .join(Arm, Arm.id == ArmSeat.arm_id)
        .join(Participant, Participant.id == ArmSeat.participant_id)
        .where(Arm.experiment_id == experiment.id)
    )
    seats: dict[uuid.UUID, dict[str, Participant]] = defaultdict(dict)
    for seat, participant in rows:
        seats[seat.arm_id][seat.seat] = participant
    return Frame(task_set.name, seats)


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Marked:
    """What a judge said of one point of a critique."""

    path: str
    """Of the critique."""
    point: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class ThoughtVerdict:
    """A verdict and what its judge thought, marked and put in on the way."""

    row: VerdictRow
    thoughts: Sequence[Move] = ()
    """Of all orders in which the judge read the trial, oldest first; none where it took part in the talk."""
    marks: Sequence[Marked] = ()
    """By critique and point; once, however many orders it was read in."""
    efforts: Mapping[int, Effort] = field(default_factory=dict)
    """What a person who read the talk put in, by the step up to which they had read."""
    in_seat: Mapping[str, Effort] = field(default_factory=dict)
    """What a person who took part in it put in, by path of what was asked."""


async def verdicts(
    session: AsyncSession, experiment: uuid.UUID
) -> AsyncGenerator[list[ThoughtVerdict], None]:
    """Every verdict of an experiment: by trial, round, judge and reading order."""
    async for rows in _some(stream(session, experiment)):
        judgements = {row.judgement.id for row in rows if row.judgement}
        thoughts, marks = await _thoughts(session, judgements), await _marks(session, judgements)
        efforts = await put_in(session, judgements)
        in_seats = await put_in_seats(session, {row.seat.id for row in rows if row.seat})
        yield [
            ThoughtVerdict(
                row, thoughts[row.judgement.id], marks[row.judgement.id], efforts[row.judgement.id]
            )
            if row.judgement
            else ThoughtVerdict(row, in_seat=in_seats[row.seat.id] if row.seat else {})
            for row in rows
        ]


async def _thoughts(
    session: AsyncSession, judgements: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[Move]]:
    rows = await session.scalars(
        select(Move)
        .where(Move.judgement_id.in_(judgements), Move.content["kind"].astext == "thought")
        .order_by(Move.id)
    )
    found: dict[uuid.UUID, list[Move]] = defaultdict(list)
    for move in rows:
        assert move.judgement_id is not None
        found[move.judgement_id].append(move)
    return found


async def _marks(
    session: AsyncSession, judgements: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[Marked]]:
    rows = await session.execute(
        select(Move.judgement_id, Move.path, Move.content["index"].as_integer())
        .where(Move.judgement_id.in_(judgements), Move.path.startswith(MARKING))
        .order_by(func.length(Move.path), Move.path)
    )
    found: dict[uuid.UUID, list[Marked]] = defaultdict(list)
    for judgement, path, index in rows:
        found[judgement].append(Marked(*marked_place(path), MARKS[index] == "accept"))
    return found


# ── transcripts ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sat:
    """A person's place in a talk, and what they put in by path of what was asked."""

    place: SeatPlace
    person: Participant
    efforts: Mapping[str, Effort]


@dataclass(frozen=True, slots=True)
class ExportedTrial:
    """A trial in whatever state, with what it is about and every move made in it."""

    trial: Trial
    arm: Arm
    question: Question
    passage: Passage
    judge: Participant | None
    """The judge, where it takes part in the talk."""
    moves: list[tuple[Move, Participant]]
    """Oldest first, with who made them."""
    people: list[Sat]
    """Everybody who held a seat, also those who gave it back."""
    text: str | None
    """The passage, where it was asked for."""


async def trials(
    session: AsyncSession, experiment: uuid.UUID, *, texts: bool
) -> AsyncGenerator[list[ExportedTrial], None]:
    """Every trial of an experiment, in the order of the queue; with the passages' texts where `texts` is on."""
    made = select(func.count()).where(Move.trial_id == Trial.id).scalar_subquery()
    statement = (
        select(Trial, Arm, Question, Passage, Participant, made)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
        .outerjoin(Participant, Participant.id == Trial.judge_id)
        .where(Trial.experiment_id == experiment)
        .order_by(Trial.position)
    )
    found = await session.stream(statement.execution_options(yield_per=AT_ONCE))
    async for rows in _some(found, weigh=lambda row: row[-1], most=MOVES):
        ids = [trial.id for trial, *_ in rows]
        moves, people = await _moves(session, ids), await _people(session, ids)
        read = await bodies(session, {passage.text_digest for *_, passage, _, _ in rows}) if texts else {}
        yield [
            ExportedTrial(
                *(trial, arm, question, passage, judge),
                moves[trial.id],
                people[trial.id],
                read.get(passage.text_digest),
            )
            for trial, arm, question, passage, judge, _ in rows
        ]


async def _people(session: AsyncSession, trials: Collection[uuid.UUID]) -> Mapping[uuid.UUID, list[Sat]]:
    rows = (
        await session.execute(
            select(SeatPlace, Participant)
            .join(Participant, Participant.id == SeatPlace.participant_id)
            .where(SeatPlace.trial_id.in_(trials))
            .order_by(SeatPlace.seat, SeatPlace.state == "returned", Participant.name, SeatPlace.id)
        )
    ).all()
    efforts = await put_in_seats(session, {place.id for place, _ in rows})
    found: dict[uuid.UUID, list[Sat]] = defaultdict(list)
    for place, person in rows:
        found[place.trial_id].append(Sat(place, person, efforts[place.id]))
    return found


async def _moves(
    session: AsyncSession, trials: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[tuple[Move, Participant]]]:
    rows = await session.execute(
        select(Move, Participant)
        .join(Participant, Participant.id == Move.participant_id)
        .where(Move.trial_id.in_(trials))
        .order_by(Move.id)
    )
    found: dict[uuid.UUID, list[tuple[Move, Participant]]] = defaultdict(list)
    for move, participant in rows:
        assert move.trial_id is not None
        found[move.trial_id].append((move, participant))
    return found


# ── wins of sneaky provers ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MisleadingArgument:
    """A verdict that accepts an argument for a wrong answer."""

    row: VerdictRow
    argued: int
    """Place of that answer in the trial's own order."""
    argument: Move


async def wins(
    session: AsyncSession, experiment: uuid.UUID
) -> AsyncGenerator[list[MisleadingArgument], None]:
    """Verdicts that put most belief on the wrong answer that was argued for, where other judges may be shown such arguments.

    Sorted by trial, round, judge and order.
    """
    async for rows in _some(stream(session, experiment)):
        found = [(row, argued) for row in rows if (argued := _fooled(row)) is not None]
        moves = await _moves(session, [row.trial.id for row, _ in found])
        arguments = {(move.trial_id, move.path): move for made in moves.values() for move, _ in made}
        yield [
            MisleadingArgument(row, argued, arguments[row.trial.id, _argument(row.trial)])
            for row, argued in found
        ]


def _fooled(row: VerdictRow) -> int | None:
    """The wrong answer that was argued for, where the verifier put most belief on it."""
    if row.arm.protocol not in TAKE_EXAMPLES:
        return None
    [argued] = row.trial.argues.values()
    if argued == row.gold:
        return None
    belief = row.verdict.belief
    return argued if belief[argued] > max(p for at, p in enumerate(belief) if at != argued) else None


def _argument(trial: Trial) -> str:
    assert trial.outcome is not None
    path: str = trial.outcome["transcript"][0][0]
    return path


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt at a call, with the prompt that was sent."""

    attempt: CallAttempt
    call: ModelCall
    arm: Arm
    trial: uuid.UUID
    round: JudgingRound | None
    judge: Participant | None
    """The judge, where the call served a judgement."""
    prompt: list[Segment]


async def attempts(session: AsyncSession, experiment: uuid.UUID) -> AsyncGenerator[list[AttemptRow], None]:
    """Every attempt made for an experiment: by trial, its judgements after its talk, each in the order of sending."""
    statement = (
        select(CallAttempt, ModelCall, Arm, Trial.id, JudgingRound, Participant)
        .join(ModelCall, ModelCall.id == CallAttempt.call_id)
        .outerjoin(Judgement, Judgement.id == ModelCall.judgement_id)
        .join(Trial, Trial.id == func.coalesce(ModelCall.trial_id, Judgement.trial_id))
        .join(Arm, Arm.id == Trial.arm_id)
        .outerjoin(JudgingRound, JudgingRound.id == Judgement.round_id)
        .outerjoin(Participant, Participant.id == Judgement.participant_id)
        .where(Trial.experiment_id == experiment)
        .order_by(
            Trial.position,
            JudgingRound.position.nulls_first(),
            Participant.name.nulls_first(),
            CallAttempt.id,
        )
    )
    async for rows in _some(await session.stream(statement.execution_options(yield_per=AT_ONCE))):
        texts = await bodies(session, {bytes.fromhex(key) for row in rows for _, key in row[1].segments})
        yield [
            AttemptRow(attempt, call, arm, trial, round, judge, _prompt(call, texts))
            for attempt, call, arm, trial, round, judge in rows
        ]


def _prompt(call: ModelCall, texts: Mapping[bytes, str]) -> list[Segment]:
    return [Segment(role, texts[bytes.fromhex(key)]) for role, key in call.segments]


async def _some(
    rows: AsyncIterable[T], weigh: Callable[[T], int] = lambda _: 0, most: int = 0
) -> AsyncIterator[list[T]]:
    """The rows in lists of at most `AT_ONCE`, which together weigh at most `most` unless one alone weighs more."""
    held: list[T] = []
    weight = 0
    async for row in rows:
        own = weigh(row)
        if held and (len(held) == AT_ONCE or weight + own > most):
            yield held
            held, weight = [], 0
        held.append(row)
        weight += own
    if held:
        yield held
