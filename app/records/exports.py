"""The data of exports: verdicts, trials with their moves, and attempts at calls, a few at a time and in a
fixed order.
"""

import hashlib
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
from typing import Any, TypeVar

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.participants.base import Segment
from app.protocols import TAKE_EXAMPLES
from app.protocols.marks import (
    MARKING,
    MARKS,
    marked_place,
)
from app.records.database import Database
from app.records.drafts import Effort, by_step, efforts
from app.records.humans import first_names
from app.records.texts import bodies
from app.records.verdicts import FAMILY, FIRST, KNEW_STORY, VerdictRow, stream
from models import (
    PLAYED_TRIAL,
    Arm,
    ArmSeat,
    CallAttempt,
    Experiment,
    Judging,
    JudgingRound,
    ModelCall,
    Move,
    Participant,
    Passage,
    Playing,
    PlayRow,
    Question,
    SeatRow,
    TaskSet,
    Trial,
    Verdict,
)

AT_ONCE = 50
"""Rows that an export reads at once: few, so that a server that makes it can answer others in between."""
MOVES = 200
"""Moves of all trials that it reads at once, unless one alone has more."""

T = TypeVar("T")


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncSession]:
    """Open a session that sees one snapshot of the database, however long it reads."""
    async with database.session() as session:
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        await session.connection(execution_options=options)
        yield session


@dataclass(frozen=True, slots=True)
class Frame:
    """The common data of all rows of an experiment."""

    task_set: str
    seats: Mapping[uuid.UUID, Mapping[str, Participant]]
    """The participants of each arm, by the arm's id and the seat."""
    humans: Mapping[str, str] = field(default_factory=dict)
    """The first pseudonym of each person who has several accounts, by pseudonym, as in reports; a new one of all people where
    `fresh`.
    """
    fresh: bool = False
    """Whether people have pseudonyms that no other export has."""
    people: Collection[str] = frozenset()
    """The pseudonyms of all people who had a part."""
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Why figures leave people out, by the pseudonym of the account: reasons, divided by commas."""
    passages: Collection[str] = ()
    """The digests, in hexadecimal, of the texts that trials are on, and of their twins."""

    with_people: Collection[uuid.UUID] = frozenset()
    """The trials in whose talk a person has or had a seat."""

    def named(self, participant: Participant) -> str:
        """Return the name of a participant: people have one pseudonym each, however many accounts they have."""
        name = participant.name
        if participant.kind != "person":
            return name
        return self.humans[name] if self.fresh else self.humans.get(name, name)

    def why_excluded(self, participant: Participant) -> list[str]:
        """Return the reasons for which figures leave a judge out; none where they do not."""
        if participant.kind != "person":
            return []
        return [reason for reason in self.excluded.get(participant.name, "").split(", ") if reason]

    def digest_of(self, participant: Participant) -> str:
        """Return the digest of a participant; that of a person with a new pseudonym says nothing of another export."""
        if participant.kind == "person" and self.fresh:
            return hashlib.sha256(self.named(participant).encode()).hexdigest()
        return participant.digest


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
    people = await _people_of(session, experiment.id)
    humans = await first_names(session, people)
    texts, talks = await _texts_of(session, experiment.id), await _talks_of_people(session, experiment.id)
    return Frame(task_set.name, seats, humans, passages=texts, with_people=talks, people=people)


async def _people_of(session: AsyncSession, experiment: uuid.UUID) -> set[str]:
    """Return the pseudonyms of all people who had a part in an experiment."""
    of_experiment = select(Playing.id).where(Playing.experiment_id == experiment)
    theirs = (
        select(PlayRow.judge_id).where(PlayRow.experiment_id == experiment),
        select(SeatRow.participant_id).where(SeatRow.play_id.in_(of_experiment)),
        select(Verdict.participant_id).where(Verdict.play_id.in_(of_experiment)),
        select(Move.participant_id).where(Move.play_id.in_(of_experiment)),
    )
    rows = await session.scalars(
        select(Participant.name).where(
            Participant.kind == "person", or_(*(Participant.id.in_(part) for part in theirs))
        )
    )
    return set(rows)


async def _talks_of_people(session: AsyncSession, experiment: uuid.UUID) -> set[uuid.UUID]:
    """Return the trials in whose talk a person has or had a seat, or made a move."""
    of_experiment = select(Trial.id).where(Trial.experiment_id == experiment)
    rows = await session.scalars(
        select(SeatRow.play_id)
        .where(SeatRow.play_id.in_(of_experiment))
        .union(
            select(Move.play_id)
            .join(Participant, Participant.id == Move.participant_id)
            .where(Move.play_id.in_(of_experiment), Participant.kind == "person")
        )
    )
    return set(rows)


async def _texts_of(session: AsyncSession, experiment: uuid.UUID) -> set[str]:
    """Return the digests of the passages of an experiment and of their twins."""
    drawn = (
        select(Question.passage_id)
        .join(Trial, Trial.question_id == Question.id)
        .where(Trial.experiment_id == experiment)
    )
    twins = select(Passage.twin_of).where(Passage.id.in_(drawn), Passage.twin_of.is_not(None))
    rows = await session.scalars(
        select(Passage.text_digest).where(
            or_(Passage.id.in_(drawn), Passage.twin_of.in_(drawn), Passage.id.in_(twins))
        )
    )
    return {digest.hex() for digest in rows}


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Marked:
    """A judge's mark of one point of a critique."""

    path: str
    """Of the critique."""
    point: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class ThoughtVerdict:
    """A verdict, with its judge's reasoning, marks and effort."""

    row: VerdictRow
    thoughts: Sequence[Move] = ()
    """Thoughts in all reading orders, oldest first; none where the judge took part in the talk."""
    marks: Sequence[Marked] = ()
    """By critique and point; once, for all reading orders."""
    efforts: Mapping[int, Effort] = field(default_factory=dict)
    """Effort of a person who read the talk, by step."""
    in_seat: Mapping[str, Effort] = field(default_factory=dict)
    """Effort of a person who took part in it, by path of the ask."""


async def verdicts(
    session: AsyncSession, experiment: uuid.UUID
) -> AsyncGenerator[list[ThoughtVerdict], None]:
    """Yield every verdict of an experiment: by trial, round, judge and reading order."""
    async for rows in _some(stream(session, experiment)):
        judgements = {row.judgement.id for row in rows if row.judgement}
        thoughts, marks = await _thoughts(session, judgements), await _marks(session, judgements)
        put_in = await efforts(session, {row.seat.id for row in rows if row.seat})
        own = [put_in[row.seat.id] if row.seat else {} for row in rows]
        yield [
            ThoughtVerdict(row, thoughts[row.judgement.id], marks[row.judgement.id], by_step(effort))
            if row.judgement
            else ThoughtVerdict(row, in_seat=effort)
            for row, effort in zip(rows, own, strict=True)
        ]


async def _thoughts(
    session: AsyncSession, judgements: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[Move]]:
    rows = await session.scalars(
        select(Move)
        .where(Move.play_id.in_(judgements), Move.content["kind"].astext == "thought")
        .order_by(Move.id)
    )
    found: dict[uuid.UUID, list[Move]] = defaultdict(list)
    for move in rows:
        found[move.play_id].append(move)
    return found


async def _marks(
    session: AsyncSession, judgements: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[Marked]]:
    rows = await session.execute(
        select(Move.play_id, Move.path, Move.content["index"].as_integer())
        .where(Move.play_id.in_(judgements), Move.path.startswith(MARKING))
        .order_by(func.length(Move.path), Move.path)
    )
    found: dict[uuid.UUID, list[Marked]] = defaultdict(list)
    for judgement, path, index in rows:
        found[judgement].append(Marked(*marked_place(path), MARKS[index] == "accept"))
    return found


# ── transcripts ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sat:
    """A person's place in a talk, and their effort by path of the ask."""

    place: SeatRow
    person: Participant
    efforts: Mapping[str, Effort]
    successor: str | None = None
    """Name of the participant that went on in it."""


@dataclass(frozen=True, slots=True)
class ExportedTrial:
    """A trial in any state, with its question and every move."""

    trial: Trial
    arm: Arm
    question: Question
    passage: Passage
    family: str
    """As `app.records.verdicts.VerdictRow.family`."""
    judge: Participant | None
    """The judge, where it takes part in the talk."""
    moves: list[tuple[Move, Participant]]
    """Oldest first, with their authors."""
    people: list[Sat]
    """All people who had a seat, also those who returned it."""
    text: str | None
    """The passage, on request."""


async def trials(
    session: AsyncSession, experiment: uuid.UUID, *, texts: bool
) -> AsyncGenerator[list[ExportedTrial], None]:
    """Yield every trial of an experiment, in the order of the queue; with the passages' texts where `texts`
    is on.
    """
    made = select(func.count()).where(Move.play_id == Trial.id).scalar_subquery()
    statement = (
        select(Trial, Arm, Question, Passage, FAMILY, Participant, made)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
        .outerjoin(FIRST, FIRST.id == Passage.twin_of)
        .outerjoin(Participant, Participant.id == Trial.judge_id)
        .where(Trial.experiment_id == experiment)
        .order_by(Trial.position)
    )
    found = await session.stream(statement.execution_options(yield_per=AT_ONCE))
    async for rows in _some(found, weigh=lambda row: row[-1], most=MOVES):
        ids = [trial.id for trial, *_ in rows]
        moves, people = await _moves(session, ids), await _people(session, ids)
        read = await bodies(session, {row[3].text_digest for row in rows}) if texts else {}
        yield [
            ExportedTrial(
                *(trial, arm, question, passage, family, judge),
                moves[trial.id],
                people[trial.id],
                read.get(passage.text_digest),
            )
            for trial, arm, question, passage, family, judge, _ in rows
        ]


async def _people(session: AsyncSession, trials: Collection[uuid.UUID]) -> Mapping[uuid.UUID, list[Sat]]:
    successor = aliased(Participant)
    rows = (
        await session.execute(
            select(SeatRow, Participant, successor.name)
            .join(Participant, Participant.id == SeatRow.participant_id)
            .outerjoin(successor, successor.id == SeatRow.replacement_id)
            .where(SeatRow.play_id.in_(trials))
            .order_by(SeatRow.seat, SeatRow.state == "returned", Participant.name, SeatRow.id)
        )
    ).all()
    put_in = await efforts(session, {place.id for place, _, _ in rows})
    found: dict[uuid.UUID, list[Sat]] = defaultdict(list)
    for place, person, name in rows:
        found[place.play_id].append(Sat(place, person, put_in[place.id], name))
    return found


async def _moves(
    session: AsyncSession, trials: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[tuple[Move, Participant]]]:
    rows = await session.execute(
        select(Move, Participant)
        .join(Participant, Participant.id == Move.participant_id)
        .where(Move.play_id.in_(trials))
        .order_by(Move.id)
    )
    found: dict[uuid.UUID, list[tuple[Move, Participant]]] = defaultdict(list)
    for move, participant in rows:
        found[move.play_id].append((move, participant))
    return found


# ── beliefs and questions of trials ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class JudgedBelief:
    """The belief of a verdict, with who gave it."""

    judge: str
    kind: str
    label: str
    """The judge as reports name it: one of an added round has the round's name."""
    belief: Sequence[float]


async def beliefs_on(
    session: AsyncSession, trials: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[JudgedBelief]]:
    """Return the beliefs of all judges on these trials, in a fixed order; those of people who know the story are left out."""
    rows = await session.execute(
        select(
            PLAYED_TRIAL,
            Participant.name,
            Participant.kind,
            JudgingRound.name,
            JudgingRound.position,
            Verdict.belief,
        )
        .select_from(Verdict)
        .join(Playing, Playing.id == Verdict.play_id)
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Participant, Participant.id == Verdict.participant_id)
        .outerjoin(Judging, Judging.id == Verdict.play_id)
        .outerjoin(JudgingRound, JudgingRound.id == Judging.round_id)
        .outerjoin(
            SeatRow,
            and_(SeatRow.play_id == Verdict.play_id, SeatRow.participant_id == Verdict.participant_id),
        )
        .where(PLAYED_TRIAL.in_(trials), ~KNEW_STORY)
        .order_by(JudgingRound.position, Participant.name, Verdict.reading)
    )
    found: dict[uuid.UUID, list[JudgedBelief]] = defaultdict(list)
    for trial, name, kind, round_name, position, belief in rows:
        label = f"{name} ({round_name})" if position else name
        found[trial].append(JudgedBelief(name, kind, label, belief))
    return found


async def asked(
    session: AsyncSession, experiment: uuid.UUID
) -> AsyncGenerator[list[tuple[str, Trial, Question, Passage, str]], None]:
    """Yield the name of the arm, the trial, the question, the passage and its family of every trial, by passage and question."""
    statement = (
        select(Arm.name, Trial, Question, Passage, FAMILY)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
        .outerjoin(FIRST, FIRST.id == Passage.twin_of)
        .where(Trial.experiment_id == experiment)
        .order_by(Passage.key, Question.position, Trial.position)
    )
    found = await session.stream(statement.execution_options(yield_per=AT_ONCE))
    async for rows in _some(found):
        yield [(arm, trial, question, passage, family) for arm, trial, question, passage, family in rows]


# ── wins of sneaky provers ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MisleadingArgument:
    """A verdict that accepts an argument for a wrong answer."""

    row: VerdictRow
    argued: int
    """Place of that answer in the trial's order."""
    argument: Move


async def wins(
    session: AsyncSession, experiment: uuid.UUID
) -> AsyncGenerator[list[MisleadingArgument], None]:
    """Yield every verdict with most belief on the wrong answer that a prover argued for: by trial, round,
    judge and order.
    """
    async for rows in _some(stream(session, experiment)):
        found = [(row, argued) for row in rows if (argued := _fooled(row)) is not None]
        moves = await _moves(session, [row.trial.id for row, _ in found])
        arguments = {(move.play_id, move.path): move for made in moves.values() for move, _ in made}
        yield [
            MisleadingArgument(row, argued, arguments[row.trial.id, _argument(row.trial)])
            for row, argued in found
        ]


def _fooled(row: VerdictRow) -> int | None:
    """Return the wrong answer that was argued for, where the verifier put most belief on it."""
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
    """One attempt at a call, with its prompt."""

    attempt: CallAttempt
    call: ModelCall
    arm: Arm
    trial: uuid.UUID
    round: JudgingRound | None
    judge: Participant | None
    """The judge, where the call was for a judgement."""
    prompt: list[Segment]


async def attempts(session: AsyncSession, experiment: uuid.UUID) -> AsyncGenerator[list[AttemptRow], None]:
    """Yield every attempt for an experiment: by trial, its judgements after its talk, each in the order of
    sending.
    """
    statement = (
        select(CallAttempt, ModelCall, Arm, Trial.id, JudgingRound, Participant)
        .join(ModelCall, ModelCall.id == CallAttempt.call_id)
        .join(Playing, Playing.id == ModelCall.play_id)
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Arm, Arm.id == Trial.arm_id)
        .outerjoin(Judging, Judging.id == ModelCall.play_id)
        .outerjoin(JudgingRound, JudgingRound.id == Judging.round_id)
        .outerjoin(Participant, Participant.id == Judging.judge_id)
        .where(Playing.experiment_id == experiment)
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


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a model took for one play, over all attempts."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int


async def usage(session: AsyncSession, experiment: uuid.UUID) -> dict[uuid.UUID, dict[str, Usage]]:
    """Return what was used of each model by play."""
    counted = (
        func.coalesce(func.sum(column), 0)
        for column in (CallAttempt.tokens_in, CallAttempt.tokens_out, CallAttempt.tokens_cached)
    )
    rows = await session.execute(
        select(ModelCall.play_id, ModelCall.model, *counted)
        .join(CallAttempt, CallAttempt.call_id == ModelCall.id)
        .join(Playing, Playing.id == ModelCall.play_id)
        .where(Playing.experiment_id == experiment)
        .group_by(ModelCall.play_id, ModelCall.model)
        .order_by(ModelCall.model)
    )
    found: dict[Any, dict[str, Usage]] = defaultdict(dict)
    for play, model, *sums in (tuple(row) for row in rows):
        found[play][model] = Usage(*map(int, sums))
    return found


async def _some(
    rows: AsyncIterable[T], weigh: Callable[[T], int] = lambda _: 0, most: int = 0
) -> AsyncIterator[list[T]]:
    """Yield the rows in lists of at most `AT_ONCE`, which together weigh at most `most` unless one alone
    weighs more.
    """
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
