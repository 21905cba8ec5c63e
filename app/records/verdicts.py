"""Verdicts for reports and exports, and their counts."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.judge_fields import KNOWS_STORY
from app.participants.base import PEOPLE
from app.protocols.flaws import (
    ITEMS,
)
from app.records.experiments import FIRST_ROUND
from models import (
    PLAYED_TRIAL,
    Arm,
    ArmSeat,
    Judgement,
    Judging,
    JudgingRound,
    Move,
    Participant,
    Passage,
    Playing,
    Question,
    SeatRow,
    Trial,
    Verdict,
)

JUDGE = case((Participant.kind == "person", PEOPLE), else_=Participant.name)
"""The name of a judge, or the common name of all people."""

_TALKER = aliased(SeatRow)
KNEW_STORY = or_(
    and_(Judging.id.is_not(None), func.coalesce(SeatRow.flags[KNOWS_STORY.name].as_boolean(), False)),
    exists(
        select(1)
        .where(
            _TALKER.play_id == Trial.id,
            _TALKER.role == "judge",
            _TALKER.flags[KNOWS_STORY.name].as_boolean(),
            Move.play_id == _TALKER.play_id,
            Move.participant_id == _TALKER.participant_id,
        )
        .correlate(Trial)
    ),
)
"""Whether a person marked that they know the story, as the judge or in a seat of the talk without the
passage.
"""

FIRST = aliased(Passage)
"""The passage whose twin the passage is, if it is one."""
FAMILY = func.coalesce(FIRST.key, Passage.key)
"""Key of the passage, or of the one whose twin it is: the cluster of a figure."""

CHUNK = 50
"""Rows that a streamed query reads at once: few, so that a server can answer others in between."""


def _of_experiment(experiment: uuid.UUID) -> Select[*tuple[Any, ...]]:
    """Return every verdict of an experiment with its trial, judge and order, in a fixed order."""
    return (
        select(
            Verdict,
            Trial,
            Arm,
            Question,
            Passage,
            Participant,
            JudgingRound,
            Judging,
            SeatRow,
            KNEW_STORY,
            FAMILY,
        )
        .join(Playing, Playing.id == Verdict.play_id)
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
        .outerjoin(FIRST, FIRST.id == Passage.twin_of)
        .join(Participant, Participant.id == Verdict.participant_id)
        .outerjoin(Judging, Judging.id == Verdict.play_id)
        .outerjoin(JudgingRound, JudgingRound.id == Judging.round_id)
        .outerjoin(
            SeatRow,
            and_(SeatRow.play_id == Verdict.play_id, SeatRow.participant_id == Verdict.participant_id),
        )
        .where(Playing.experiment_id == experiment)
        .order_by(Trial.position, JudgingRound.position, Participant.name, Verdict.reading)
    )


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One verdict, joined with its trial and question."""

    verdict: Verdict
    trial: Trial
    arm: Arm
    question: Question
    passage: Passage
    judge: Participant
    round: JudgingRound | None
    judgement: Judgement | None
    seat: SeatRow | None
    """The judge's, where a person judged or took part in the talk."""
    knows_story: bool
    """Whether a person marked that they know the story, as the judge or in a seat of the talk without the
    passage.
    """
    family: str
    """Key of the passage, for a twin of the one whose twin it is: the cluster in every figure."""

    @property
    def gold(self) -> int:
        """Index of the gold answer in the trial's order."""
        return self.trial.answers.index(self.question.gold)


async def twins(session: AsyncSession, experiment: uuid.UUID) -> dict[str, str]:
    """Return the question of each pair of twins in an experiment by that of the other, by key, both ways."""
    passage, first, second = aliased(Passage), aliased(Question), aliased(Question)
    drawn = select(Trial.question_id).where(Trial.experiment_id == experiment)
    rows = await session.execute(
        select(first.key, second.key)
        .join(passage, passage.twin_of == first.passage_id)
        .join(second, and_(second.passage_id == passage.id, second.position == first.position))
        .where(first.id.in_(drawn), second.id.in_(drawn))
    )
    return {one: other for pair in rows for one, other in (tuple(pair), tuple(pair)[::-1])}


async def version(session: AsyncSession, experiment: uuid.UUID) -> str:
    """Return a text that changes with every change of a row behind the figures, and is the same for the same
    rows.
    """
    return str(await session.scalar(_VERSION, {"experiment": experiment}))


# The place of a row and its last transaction: every change of a row changes them.
_VERSION = text(
    """
    WITH mine AS MATERIALIZED (
        SELECT id, kind, state, hashtextextended(ctid::text || ' ' || xmin::text, 0) AS row FROM play
        WHERE experiment_id = :experiment
    ), rows AS (
        SELECT row FROM mine
        UNION ALL SELECT hashtextextended(verdict.ctid::text || ' ' || verdict.xmin::text, 2)
            FROM verdict JOIN mine ON mine.id = verdict.play_id
        UNION ALL SELECT hashtextextended(move.ctid::text || ' ' || move.xmin::text, 3)
            FROM move JOIN mine ON mine.id = move.play_id WHERE mine.kind = 'talk'
        UNION ALL SELECT hashtextextended(seat.ctid::text || ' ' || seat.xmin::text, 4)
            FROM seat JOIN mine ON mine.id = seat.play_id WHERE mine.kind = 'judging'
        UNION ALL SELECT hashtextextended(draft.ctid::text || ' ' || draft.xmin::text, 5)
            FROM draft JOIN seat ON seat.id = draft.seat_id
            JOIN mine ON mine.id = seat.play_id WHERE mine.kind = 'judging' AND mine.state = 'done'
        UNION ALL SELECT hashtextextended(part.id::text || coalesce(part.ended_as, '') || part.excluded_because, 6)
            FROM enrolment AS part JOIN study_experiment AS kept ON kept.study_id = part.study_id
            WHERE kept.experiment_id = :experiment
        UNION ALL SELECT hashtextextended(step.ctid::text || ' ' || step.xmin::text, 7)
            FROM study_step AS step JOIN enrolment AS part ON part.id = step.enrolment_id
            JOIN study_experiment AS kept ON kept.study_id = part.study_id WHERE kept.experiment_id = :experiment
    )
    SELECT count(*) || ' ' || sum(row) FROM rows
    """
)


async def stream(session: AsyncSession, experiment: uuid.UUID) -> AsyncIterator[VerdictRow]:
    """Yield every verdict of an experiment, a few at a time."""
    rows = await session.stream(_of_experiment(experiment).execution_options(yield_per=CHUNK))
    async for row in rows:
        yield VerdictRow(*row)


@dataclass(frozen=True, slots=True)
class ArmCount:
    """The counts of an arm, beside its verdicts."""

    arm: str
    protocol: str
    trials: int
    done: int
    failed: int
    assignments: int
    """Number of assignments that every question is played under."""
    refusals_gold: int
    """Refused speeches for the gold answer."""
    refusals_other: int
    """Refused speeches for another answer."""
    concessions_gold: int
    """Speeches for the gold answer that conceded."""
    concessions_other: int
    """Speeches for another answer that conceded."""
    baseline: bool
    """Whether a built-in participant has one of its seats."""


async def arm_counts(session: AsyncSession, experiment: uuid.UUID) -> list[ArmCount]:
    """Return counts for each arm, in the order of the file."""
    stances = await _stances(session, experiment)
    builtin = await _builtin_arms(session, experiment)
    rows = await session.execute(
        select(
            Arm.id,
            Arm.name,
            Arm.protocol,
            func.count(Trial.id),
            func.count().filter(Trial.state == "done"),
            func.count().filter(Trial.state == "failed"),
            # Under a balanced half, questions differ in their assignments and have equally many.
            func.count(tuple_(Trial.question_id, Trial.assignment).distinct())
            // func.greatest(func.count(Trial.question_id.distinct()), 1),
        )
        .outerjoin(Trial, Trial.arm_id == Arm.id)
        .where(Arm.experiment_id == experiment)
        .group_by(Arm.id)
        .order_by(Arm.position)
    )
    return [
        ArmCount(
            *row[1:],
            refusals_gold=stances.get((row[0], "refuses", True), 0),
            refusals_other=stances.get((row[0], "refuses", False), 0),
            concessions_gold=stances.get((row[0], "concedes", True), 0),
            concessions_other=stances.get((row[0], "concedes", False), 0),
            baseline=row[0] in builtin,
        )
        for row in rows
    ]


async def _stances(session: AsyncSession, experiment: uuid.UUID) -> dict[tuple[uuid.UUID, str, bool], int]:
    """Return position checks by arm, stance, and whether the speech argued for gold."""
    speech = aliased(Move)
    stance = Move.content["stance"].astext
    gold = Trial.answers[Trial.argues[speech.seat].as_integer() + 1] == Question.gold
    rows = await session.execute(
        select(Trial.arm_id, stance, gold, func.count())
        .join(Trial, Trial.id == Move.play_id)
        .join(speech, and_(speech.play_id == Move.play_id, Move.path == speech.path + "/position"))
        .join(Question, Question.id == Trial.question_id)
        .where(Trial.experiment_id == experiment, Move.content["kind"].astext == "stance", gold.is_not(None))
        .group_by(Trial.arm_id, stance, gold)
    )
    return {(row[0], row[1], bool(row[2])): row[3] for row in rows}


async def _builtin_arms(session: AsyncSession, experiment: uuid.UUID) -> set[uuid.UUID]:
    rows = await session.scalars(
        select(ArmSeat.arm_id)
        .join(Arm, Arm.id == ArmSeat.arm_id)
        .join(Participant, Participant.id == ArmSeat.participant_id)
        .where(
            Arm.experiment_id == experiment,
            Participant.kind == "builtin",
            Participant.settings["name"].astext != ITEMS,  # It says what another participant wrote.
        )
    )
    return set(rows)


@dataclass(frozen=True, slots=True)
class JudgeCount:
    """Judgements of one judge in one arm and round."""

    arm: str
    judge: str
    round: str
    round_position: int
    baseline: bool
    judgements: int
    """Planned ones; for people: places, taken or not."""
    done: int
    failed: int
    returned: int
    """Returned by people, lost with their lease, or failed and retried. Each place was then opened again."""
    takes_part: bool = False
    """Whether the judge took part in the talk. Then its trials are counted, not judgements."""

    @property
    def label(self) -> str:
        """Return the judge's name, with the round's name where that was added later."""
        return f"{self.judge} ({self.round})" if self.round_position else self.judge


async def judge_counts(session: AsyncSession, experiment: uuid.UUID) -> list[JudgeCount]:
    """Return counts for each judge of every arm and round, first those who took part in the talk."""
    counts = [*await _taking_part(session, experiment), *await _reading(session, experiment)]
    return [count for _, count in sorted(counts, key=lambda placed: placed[0])]


async def _taking_part(session: AsyncSession, experiment: uuid.UUID) -> list[tuple[int, JudgeCount]]:
    """Return counts of judges with their own trials, and the place of their arm."""
    rows = await session.execute(
        select(
            Arm.position,
            Arm.name,
            JUDGE.label("judge"),
            literal(FIRST_ROUND),
            literal(0),
            func.bool_or(Participant.kind == "builtin"),
            func.count(),
            func.count().filter(Trial.state == "done"),
            func.count().filter(Trial.state == "failed"),
            literal(0),
            literal(True),
        )
        .join(Trial, Trial.arm_id == Arm.id)
        .join(Participant, Participant.id == Trial.judge_id)
        .where(Arm.experiment_id == experiment)
        .group_by(Arm.id, "judge")
        .order_by(Arm.position, "judge")
    )
    return [(row[0], JudgeCount(*row[1:])) for row in rows]


async def _reading(session: AsyncSession, experiment: uuid.UUID) -> list[tuple[int, JudgeCount]]:
    """Return counts of judges of finished trials, and the place of their arm."""
    # Counted by judge first: names are found for thousands of rows instead of for every judging.
    counted = (
        select(Trial.arm_id, Judging.round_id, Judging.judge_id, Judging.state, func.count().label("count"))
        .join(Trial, Trial.id == Judging.talk_id)
        .where(Judging.experiment_id == experiment)
        .group_by(Trial.arm_id, Judging.round_id, Judging.judge_id, Judging.state)
        .subquery()
    )
    # Literal, not bound: PostgreSQL must see the same expression in both places.
    # An open place has no participant, and is for a person.
    person = literal_column("coalesce(participant.kind, 'person') = 'person'", Boolean)
    builtin = literal_column("coalesce(participant.kind, 'person') = 'builtin'", Boolean)
    name = case((person, literal_column(f"'{PEOPLE}'")), else_=Participant.name)

    def of(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return cast(func.coalesce(func.sum(counted.c.count).filter(condition), 0), Integer)

    state = counted.c.state
    rows = await session.execute(
        select(
            Arm.position,
            Arm.name,
            name,
            JudgingRound.name,
            JudgingRound.position,
            builtin,
            of(state != "returned"),
            of(state == "done"),
            of(state == "failed"),
            of(state == "returned"),
        )
        .select_from(counted)
        .join(JudgingRound, JudgingRound.id == counted.c.round_id)
        .outerjoin(Participant, Participant.id == counted.c.judge_id)
        .join(Arm, Arm.id == counted.c.arm_id)
        .group_by(Arm.id, name, builtin, JudgingRound.id)
        .order_by(Arm.position, JudgingRound.position, name)
    )
    return [(row[0], JudgeCount(*row[1:])) for row in rows]
