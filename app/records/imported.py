"""Imported studies in the database: finished experiments, whose talks and verdicts were made elsewhere."""

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
from app.records.timing import TAKEN
from models import (
    PLAYED_TRIAL,
    Arm,
    Experiment,
    Judgement,
    Judging,
    JudgingRound,
    Move,
    Participant,
    Playing,
    Question,
    SeatRow,
    TaskSet,
    Trial,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class ImportedParticipant:
    """A judge or a speaker."""

    name: str
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


@dataclass(frozen=True, slots=True)
class ImportedVerdict:
    """A belief in one reading order."""

    order: Sequence[int]
    belief: Sequence[float]
    beliefs: Sequence[Sequence[float]]
    method: str
    reason: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ImportedJudging:
    """One judge's verdicts on one talk."""

    judge: str
    round: str | None
    """Name of the round; None for the judge who took part in the talk."""
    place: int
    """The number of a person among those who read the talk in the round; 0 for others."""
    verdicts: Sequence[ImportedVerdict]
    seconds: float | None
    knows_story: bool


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
    outcome: Mapping[str, Any]
    at: datetime | None
    moves: Sequence[ImportedMove]
    judgings: Sequence[ImportedJudging]


@dataclass(frozen=True, slots=True)
class ImportedStudy:
    """Everything of a finished experiment."""

    name: str
    task_set: str
    spec: Mapping[str, Any]
    digest: str
    participants: Sequence[ImportedParticipant]
    arms: Sequence[NewArm]
    rounds: Sequence[str]
    """The first is the round of those who name none."""
    talks: Sequence[ImportedTalk]


async def create(session: AsyncSession, new: ImportedStudy) -> Experiment:
    """Store a study as a finished experiment. Nothing of it is queued."""
    questions = await _questions(session, new.task_set)
    experiment = Experiment(
        name=new.name,
        task_set_id=next(iter(questions.values())).task_set_id,
        spec=dict(new.spec),
        digest=new.digest,
        seed=new.spec["seed"],
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
        {item.name for item in new.participants if item.kind == "person"},
    )
    for position, talk in enumerate(new.talks):
        rows.add(position, talk)
    await rows.insert(session)
    await summarise_all(session, experiment.id)
    return experiment


async def _questions(session: AsyncSession, task_set: str) -> dict[str, Question]:
    rows = await session.scalars(
        select(Question).join(TaskSet, TaskSet.id == Question.task_set_id).where(TaskSet.name == task_set)
    )
    return {row.key: row for row in rows}


async def _save_participants(
    session: AsyncSession, new: Sequence[ImportedParticipant]
) -> dict[str, uuid.UUID]:
    names = {item.digest: item.name for item in new}
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
    session: AsyncSession, experiment: uuid.UUID, new: ImportedStudy
) -> dict[str, uuid.UUID]:
    rounds = [
        JudgingRound(
            experiment_id=experiment,
            name=name,
            position=position,
            elicit="final",
            spec={"judges": [], "people": None, "imported": True},
            digest=new.digest,
        )
        for position, name in enumerate(new.rounds)
    ]
    session.add_all(rounds)
    await session.flush()
    return {row.name: row.id for row in rounds}


@dataclass
class _Rows:
    """The rows of a study's talks."""

    experiment: uuid.UUID
    questions: Mapping[str, uuid.UUID]
    arms: Mapping[str, uuid.UUID]
    rounds: Mapping[str, uuid.UUID]
    people: Mapping[str, uuid.UUID]
    persons: set[str]
    now: datetime = field(default_factory=partial(datetime.now, UTC))
    """The time of what the study gives no time for."""
    talks: list[dict[str, Any]] = field(default_factory=list)
    judgings: list[dict[str, Any]] = field(default_factory=list)
    moves: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    seats: list[dict[str, Any]] = field(default_factory=list)

    def add(self, position: int, talk: ImportedTalk) -> None:
        """Add a talk, its moves and its judgings."""
        play = uuid.uuid4()
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
                "assignment": 0,
                "replicate": talk.replicate,
                "seed": talk.seed,
                "position": position,
                "state": "done",
                "outcome": dict(talk.outcome),
                "finished_at": talk.at or self.now,
            }
        )
        self.moves += [
            {
                "play_id": play,
                "path": move.path,
                "seat": move.seat,
                "participant_id": self.people[move.participant],
                "content": dict(move.content),
                "fingerprint": "",
                "created_at": move.at or self.now,
            }
            for move in talk.moves
        ]
        for judging in talk.judgings:
            self._judge(play, talk, judging)

    def _judge(self, talk_id: uuid.UUID, talk: ImportedTalk, judging: ImportedJudging) -> None:
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
                    "finished_at": judging.verdicts[-1].at or self.now,
                }
            )
        if judging.judge in self.persons:
            self.seats.append(_seat(play, judge, judging))
        self.verdicts += [
            {
                "play_id": play,
                "participant_id": judge,
                "reading": number,
                "answer_order": list(verdict.order),
                "belief": list(verdict.belief),
                "beliefs": [list(belief) for belief in verdict.beliefs],
                "method": verdict.method,
                "reason": verdict.reason,
                "created_at": verdict.at or self.now,
            }
            for number, verdict in enumerate(judging.verdicts)
        ]

    async def insert(self, session: AsyncSession) -> None:
        """Insert all rows, those that others point to first."""
        for table, rows in (
            (Trial, self.talks),
            (Judgement, self.judgings),
            (Move, self.moves),
            (Verdict, self.verdicts),
            (SeatRow, self.seats),
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
    """A verdict of an imported study, as its published figures need it."""

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
