"""Imported archives in the database: finished experiments, whose talks and verdicts were made elsewhere."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.experiments import NewArm, save_arms
from app.records.summaries import summarise_all
from app.records.texts import keep
from app.records.timing import TAKEN
from models import (
    PLAYED_TRIAL,
    Arm,
    CallAttempt,
    Draft,
    Experiment,
    Judgement,
    Judging,
    JudgingRound,
    ModelCall,
    Move,
    Participant,
    Playing,
    PlayRow,
    Question,
    SeatRow,
    Spending,
    TaskSet,
    Trial,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class ImportedParticipant:
    """A judge or a speaker."""

    key: str
    """Its name in the archive, where no other has it."""
    name: str
    """The name under which it is shown."""
    kind: str
    """`person` or `model`."""
    settings: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class ImportedMove:
    """A turn."""

    path: str
    seat: str
    participant: str
    content: Mapping[str, Any]
    at: datetime | None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class ImportedVerdict:
    """A belief in one reading order."""

    order: Sequence[int]
    belief: Sequence[float]
    beliefs: Sequence[Sequence[float]]
    method: str
    reason: str
    at: datetime | None
    reading: int | None = None
    """The number of the reading; its place among the verdicts of its judging where None."""
    label_mass: float | None = None
    said: Sequence[float] | None = None
    bounds: Sequence[Sequence[float]] | None = None
    flags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ImportedSeat:
    """A seat that was for a person."""

    values: Mapping[str, Any]
    """Columns of the row, without ids."""
    participant: str | None
    efforts: Sequence[Mapping[str, Any]]
    """By path: active seconds, focus changes, edits and signals, in the order of asking."""
    replacement: str | None = None
    """The participant that went on in it."""


@dataclass(frozen=True, slots=True)
class PlayRecord:
    """What is recorded of a play beside its moves and verdicts."""

    id: uuid.UUID
    seed: int
    state: str
    error: str | None
    place: int
    seats: Sequence[ImportedSeat]
    assignment: int = 0
    """Of a talk."""
    reading: Sequence[Sequence[int]] = ()
    """Of a judging."""
    moves: Sequence[ImportedMove] = ()
    """Of a judging."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImportedCall:
    """A request to a model with its attempts: columns of the rows, without ids."""

    play: uuid.UUID
    values: Mapping[str, Any]
    attempts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ImportedRound:
    """A judging round: columns of the row."""

    name: str
    elicit: str
    spec: Mapping[str, Any]
    digest: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ImportedJudging:
    """One judge's verdicts on one talk."""

    judge: str | None
    """None of a place that is open to people."""
    round: str | None
    """Name of the round; None for the judge who took part in the talk."""
    place: int
    """The number of a person among those who read the talk in the round; 0 for others."""
    verdicts: Sequence[ImportedVerdict]
    seconds: float | None
    knows_story: bool
    record: PlayRecord | None = None
    """Of an archive that another arena wrote."""


@dataclass(frozen=True, slots=True)
class ImportedTalk:
    """A finished talk with its verdicts."""

    arm: str
    question: str
    """Its key in the task set."""
    answers: Sequence[int]
    argues: Mapping[str, int]
    judge: str | None
    """Who took part as its judge."""
    replicate: int
    seed: int
    outcome: Mapping[str, Any] | None
    at: datetime | None
    moves: Sequence[ImportedMove]
    judgings: Sequence[ImportedJudging]
    record: PlayRecord | None = None
    """Of an archive that another arena wrote."""


@dataclass(frozen=True, slots=True)
class ImportedArchive:
    """Everything of a finished experiment."""

    name: str
    task_set: str
    spec: Mapping[str, Any]
    digest: str
    participants: Sequence[ImportedParticipant]
    arms: Sequence[NewArm]
    rounds: Sequence[ImportedRound]
    """The first is the round of those who name none."""
    talks: Sequence[ImportedTalk]
    seed: int = 0
    state: str = "running"
    created_at: datetime | None = None
    calls: Sequence[ImportedCall] = ()
    texts: Sequence[str] = ()
    """Those that the prompts of calls are made of."""
    spending: Sequence[Mapping[str, Any]] = ()
    """What was taken of each model."""
    tags: Sequence[str] = ()
    note: str = ""
    """What researchers wrote on it, outside the frozen file."""


async def create(session: AsyncSession, new: ImportedArchive) -> Experiment:
    """Store an archive as a finished experiment. Nothing of it is queued.

    Plays keep the ids that the archive gives, unless one of them is there already: then all get new ones.
    """
    questions = await _questions(session, new.task_set)
    experiment = Experiment(
        name=new.name,
        task_set_id=next(iter(questions.values())).task_set_id,
        spec=dict(new.spec),
        digest=new.digest,
        seed=new.seed,
        state=new.state,
        tags=list(new.tags),
        note=new.note,
        **({"created_at": new.created_at} if new.created_at else {}),
    )
    session.add(experiment)
    await session.flush()
    people = await _save_participants(session, new.participants)
    rows = _Rows(
        experiment.id,
        {key: row.id for key, row in questions.items()},
        await save_arms(session, experiment.id, new.arms, people),
        await _save_rounds(session, experiment.id, new),
        people,
        {item.key for item in new.participants if item.kind == "person"},
        ids=await _ids(session, new),
    )
    for position, talk in enumerate(new.talks):
        rows.add(position, talk)
    await rows.insert(session)
    await summarise_all(session, experiment.id)
    await _insert_calls(session, new, rows.ids)
    if new.spending:
        spent = [{"experiment_id": experiment.id, "process": uuid.UUID(int=0), **row} for row in new.spending]
        await session.execute(insert(Spending), spent)
    return experiment


async def _ids(session: AsyncSession, new: ImportedArchive) -> dict[uuid.UUID, uuid.UUID]:
    """Return the id of each recorded play by the one that the archive gives it."""
    given = [
        record.id
        for talk in new.talks
        for record in (talk.record, *(judging.record for judging in talk.judgings))
        if record is not None
    ]
    taken = select(PlayRow.id).where(PlayRow.id.in_(given)).limit(1)
    if not given or (await session.scalars(taken)).first() is None:
        return {key: key for key in given}
    return {key: uuid.uuid4() for key in given}


async def _insert_calls(
    session: AsyncSession, new: ImportedArchive, ids: Mapping[uuid.UUID, uuid.UUID]
) -> None:
    """Insert calls and their attempts, whose request ids are new where those of the archive are taken."""
    if not new.calls:
        return
    await keep(session, new.texts)
    asked = [attempt["request_id"] for call in new.calls for attempt in call.attempts]
    taken = (
        await session.scalars(
            select(CallAttempt.request_id).where(CallAttempt.request_id.in_(asked)).limit(1)
        )
    ).first()
    calls, attempts = [], []
    for call in new.calls:
        own = uuid.uuid4()
        calls.append({"id": own, "play_id": ids[call.play], **call.values})
        for attempt in call.attempts:
            renamed = {"request_id": str(uuid.uuid4())} if taken is not None else {}
            attempts.append({"call_id": own, **attempt, **renamed})
    await session.execute(insert(ModelCall), calls)
    if attempts:
        await session.execute(insert(CallAttempt), attempts)


async def _questions(session: AsyncSession, task_set: str) -> dict[str, Question]:
    rows = await session.scalars(
        select(Question).join(TaskSet, TaskSet.id == Question.task_set_id).where(TaskSet.name == task_set)
    )
    return {row.key: row for row in rows}


async def _save_participants(
    session: AsyncSession, new: Sequence[ImportedParticipant]
) -> dict[str, uuid.UUID]:
    names = {item.digest: item.key for item in new}
    rows = [
        {
            "id": uuid.uuid4(),
            "name": item.name,
            "kind": item.kind,
            "settings": dict(item.settings),
            "digest": item.digest,
            "imported": True,
        }
        for item in new
    ]
    if rows:
        await session.execute(insert(Participant).on_conflict_do_nothing(), rows)
    found = await session.execute(
        select(Participant.digest, Participant.id).where(Participant.digest.in_(names))
    )
    return {names[row.digest]: row.id for row in found}


async def _save_rounds(
    session: AsyncSession, experiment: uuid.UUID, new: ImportedArchive
) -> dict[str, uuid.UUID]:
    rounds = [
        JudgingRound(
            experiment_id=experiment,
            name=item.name,
            position=position,
            elicit=item.elicit,
            spec=dict(item.spec),
            digest=item.digest,
            **({"created_at": item.at} if item.at else {}),
        )
        for position, item in enumerate(new.rounds)
    ]
    session.add_all(rounds)
    await session.flush()
    return {row.name: row.id for row in rounds}


@dataclass
class _Rows:
    """The rows of an archive's talks."""

    experiment: uuid.UUID
    questions: Mapping[str, uuid.UUID]
    arms: Mapping[str, uuid.UUID]
    rounds: Mapping[str, uuid.UUID]
    people: Mapping[str, uuid.UUID]
    persons: set[str]
    now: datetime = field(default_factory=partial(datetime.now, UTC))
    """The time of what the archive gives no time for."""
    talks: list[dict[str, Any]] = field(default_factory=list)
    judgings: list[dict[str, Any]] = field(default_factory=list)
    moves: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    seats: list[dict[str, Any]] = field(default_factory=list)
    efforts: list[dict[str, Any]] = field(default_factory=list)
    ids: Mapping[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    """Of recorded plays, by the id that the archive gives."""

    def add(self, position: int, talk: ImportedTalk) -> None:
        """Add a talk, its moves and its judgings."""
        record = talk.record
        play = uuid.uuid4() if record is None else self.ids[record.id]
        self.talks.append(
            {
                "id": play,
                "kind": "talk",
                "experiment_id": self.experiment,
                "arm_id": self.arms[talk.arm],
                "question_id": self.questions[talk.question],
                "judge_id": None if talk.judge is None else self.people[talk.judge],
                "answers": list(talk.answers),
                "argues": dict(talk.argues),
                "replicate": talk.replicate,
                "position": position,
                "outcome": None if talk.outcome is None else dict(talk.outcome),
                **(
                    {
                        **self._told(record),
                        "assignment": record.assignment,
                    }
                    if record is not None
                    else {
                        "assignment": 0,
                        "place": 0,
                        "seed": talk.seed,
                        "state": "done",
                        "error": None,
                        "finished_at": talk.at or self.now,
                    }
                ),
            }
        )
        self._move(play, talk.moves)
        if record is not None:
            self._seat(play, record)
        for judging in talk.judgings:
            if judging.record is not None:
                self._recorded(play, judging, judging.record)
            else:
                self._judge(play, talk, judging)

    @staticmethod
    def _told(record: PlayRecord) -> dict[str, Any]:
        return {
            "place": record.place,
            "seed": record.seed,
            "state": record.state,
            "error": record.error,
            "finished_at": record.at,
        }

    def _move(self, play: uuid.UUID, moves: Sequence[ImportedMove]) -> None:
        self.moves += [
            {
                "play_id": play,
                "path": move.path,
                "seat": move.seat,
                "participant_id": self.people[move.participant],
                "content": dict(move.content),
                "fingerprint": move.fingerprint,
                "created_at": move.at or self.now,
            }
            for move in moves
        ]

    def _seat(self, play: uuid.UUID, record: PlayRecord) -> None:
        for seat in record.seats:
            own = uuid.uuid4()
            holder, other = (
                None if who is None else self.people[who] for who in (seat.participant, seat.replacement)
            )
            people = {"participant_id": holder, "replacement_id": other}
            self.seats.append({"id": own, "play_id": play, **people, **seat.values})
            self.efforts += [{"seat_id": own, "content": {}, **effort} for effort in seat.efforts]

    def _recorded(self, talk_id: uuid.UUID, judging: ImportedJudging, record: PlayRecord) -> None:
        """Add a judging that another arena has recorded."""
        play = self.ids[record.id]
        assert judging.round is not None
        self.judgings.append(
            {
                "id": play,
                "kind": "judging",
                "experiment_id": self.experiment,
                "round_id": self.rounds[judging.round],
                "talk_id": talk_id,
                "judge_id": None if judging.judge is None else self.people[judging.judge],
                "reading": [list(order) for order in record.reading],
                **self._told(record),
            }
        )
        self._move(play, record.moves)
        self._seat(play, record)
        if judging.verdicts:
            assert judging.judge is not None
            self._believe(play, self.people[judging.judge], judging.verdicts)

    def _judge(self, talk_id: uuid.UUID, talk: ImportedTalk, judging: ImportedJudging) -> None:
        assert judging.judge is not None
        judge, play = self.people[judging.judge], talk_id
        if judging.round is not None:
            play = uuid.uuid4()
            self.judgings.append(
                {
                    "id": play,
                    "kind": "judging",
                    "experiment_id": self.experiment,
                    "round_id": self.rounds[judging.round],
                    "talk_id": talk_id,
                    "judge_id": judge,
                    "place": judging.place,
                    "reading": [list(verdict.order) for verdict in judging.verdicts],
                    "seed": talk.seed,
                    "state": "done",
                    "error": None,
                    "finished_at": judging.verdicts[-1].at or self.now,
                }
            )
        if judging.judge in self.persons and talk.record is None:
            self.seats.append(_seat(play, judge, judging))
        self._believe(play, judge, judging.verdicts)

    def _believe(self, play: uuid.UUID, judge: uuid.UUID, verdicts: Sequence[ImportedVerdict]) -> None:
        self.verdicts += [
            {
                "play_id": play,
                "participant_id": judge,
                "reading": number if verdict.reading is None else verdict.reading,
                "answer_order": list(verdict.order),
                "belief": list(verdict.belief),
                "beliefs": [list(belief) for belief in verdict.beliefs],
                "method": verdict.method,
                "label_mass": verdict.label_mass,
                "reason": verdict.reason,
                "said": None if verdict.said is None else list(verdict.said),
                "bounds": None if verdict.bounds is None else [list(ends) for ends in verdict.bounds],
                "flags": list(verdict.flags),
                "created_at": verdict.at or self.now,
            }
            for number, verdict in enumerate(verdicts)
        ]

    async def insert(self, session: AsyncSession) -> None:
        """Insert all rows, those that others point to first."""
        for table, rows in (
            (Trial, self.talks),
            (Judgement, self.judgings),
            (Move, self.moves),
            (Verdict, self.verdicts),
            (SeatRow, self.seats),
            (Draft, self.efforts),
        ):
            if rows:
                await session.execute(insert(table), rows)


def _seat(play: uuid.UUID, judge: uuid.UUID, judging: ImportedJudging) -> dict[str, Any]:
    """The seat of a person who judged: what they marked, and how long they took."""
    flags: dict[str, Any] = {"knows_story": True} if judging.knows_story else {}
    return {
        "id": uuid.uuid4(),
        "play_id": play,
        "seat": "judge",
        "participant_id": judge,
        "state": "done",
        "role": "judge",
        "lease_minutes": 1,
        "flags": flags if judging.seconds is None else {**flags, TAKEN: judging.seconds},
    }


# ── reading back ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class JudgedReading:
    """A verdict of an imported archive, as its published figures need it."""

    arm: str
    judge: str
    round: str | None
    """None for the judge who took part in the talk."""
    talk: uuid.UUID
    order: tuple[int, ...]
    belief: tuple[float, ...]
    gold: int
    """Index of the gold answer in the trial's order."""
    argued: int | None
    """The answer that was argued for alone; None where several were, or none."""
    measures: Mapping[str, float]

    @property
    def p_gold(self) -> float:
        """Return the belief in the right answer."""
        return self.belief[self.gold]


async def readings(session: AsyncSession, experiment: uuid.UUID) -> list[JudgedReading]:
    """Return the verdicts of an experiment, in a fixed order."""
    rows = await session.execute(
        select(
            Arm.name,
            Participant.name,
            JudgingRound.name,
            Trial.id,
            Verdict.answer_order,
            Verdict.belief,
            func.array_position(Trial.answers, Question.gold) - 1,
            Trial.argues,
            Trial.outcome["measures"],
        )
        .select_from(Verdict)
        .join(Playing, Playing.id == Verdict.play_id)
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Participant, Participant.id == Verdict.participant_id)
        .outerjoin(Judging, Judging.id == Verdict.play_id)
        .outerjoin(JudgingRound, JudgingRound.id == Judging.round_id)
        .where(Playing.experiment_id == experiment)
        .order_by(Trial.position, JudgingRound.position.nulls_first(), Participant.name, Verdict.reading)
    )
    return [
        JudgedReading(
            arm, judge, round_name, talk, tuple(order), tuple(belief), gold, _alone(argues), measures or {}
        )
        for arm, judge, round_name, talk, order, belief, gold, argues, measures in rows
    ]


def _alone(argues: Mapping[str, int]) -> int | None:
    sides = set(argues.values())
    return sides.pop() if len(sides) == 1 else None
