"""Lists for researchers: experiments and trials, one trial with its transcript, its model calls."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import Segment
from app.records.paging import Page, page_of
from app.records.texts import bodies
from models import (
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
    Passage,
    Playing,
    PlayRow,
    Question,
    SeatRow,
    Trial,
    Verdict,
)

RECENT = timedelta(minutes=5)
"""The period over which the pace is measured."""
BARS = 40
"""Number of equal periods in the chart of an experiment's progress."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Trials or judgements by state. Judgements that cannot begin are `blocked`, not `queued`."""

    by_state: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, state: str) -> int:
        return self.by_state.get(state, 0)

    @property
    def total(self) -> int:
        """Return the number of all. A place that a person returned is offered again and does not count."""
        return sum(self.by_state.values()) - self["returned"]

    @property
    def people(self) -> int:
        """Return the number of those that go on when a person takes or answers them."""
        return self["open"] + self["waiting"]


# ── experiments ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Overview:
    """An experiment in a list, or one arm of it."""

    experiment: Experiment
    trials: Counts
    judgements: Counts

    @property
    def total(self) -> int:
        """Trials and judgements."""
        return self.trials.total + self.judgements.total

    def count(self, state: str) -> int:
        """Return the number of trials and judgements in this state."""
        return self.trials[state] + self.judgements[state]

    @property
    def people(self) -> int:
        """Return the number of trials and judgements that wait for a person."""
        return self.trials.people + self.judgements.people

    @property
    def live(self) -> bool:
        """Return whether its figures may still change without a person."""
        return self.experiment.state == "running" and self.count("queued") > 0

    @property
    def can_pause(self) -> bool:
        """Return whether a pause would have an effect."""
        return self.experiment.state == "running" and bool(self.count("queued") + self.people)

    @property
    def can_cancel(self) -> bool:
        """Return whether a cancellation would have an effect."""
        return self.experiment.state == "paused" or (
            self.experiment.state == "running" and self.count("done") < self.total
        )

    @property
    def state(self) -> str:
        """Return its status in a word or two."""
        if self.experiment.state != "running":
            return self.experiment.state
        if self.live:
            return "running"
        if self.people:
            return "waiting for people"
        if self.count("blocked"):
            return "held up by failures"
        return "ended with failures" if self.count("failed") else "finished"


def seen_by(owner: uuid.UUID | None) -> ColumnElement[bool]:
    """Return a condition on experiments: those of `owner` and those without an owner, or all where it is
    None.
    """
    return true() if owner is None else or_(Experiment.owner_id.is_(None), Experiment.owner_id == owner)


async def experiments(
    session: AsyncSession, *, owner: uuid.UUID | None, search: str, number: int, tag: str = ""
) -> Page[Overview]:
    """Return the viewer's experiments whose name or note contains `search`, and with `tag` if given, the newest first."""
    named = or_(*(text.icontains(search, autoescape=True) for text in (Experiment.name, Experiment.note)))
    found = select(Experiment).where(seen_by(owner), named)
    if tag:
        found = found.where(Experiment.tags.contains([tag]))
    newest = found.order_by(Experiment.created_at.desc(), Experiment.name)
    listed = await page_of(session, newest, number)
    ids = [row.id for row in listed.rows]
    trials = await _trial_counts(session, Trial.experiment_id, ids)
    judgements = await _judgement_counts(session, Trial.experiment_id, ids)
    return listed.of([Overview(row, trials[row.id], judgements[row.id]) for row in listed.rows])


async def _trial_counts(
    session: AsyncSession, key: Any, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Counts]:
    """Return trials by state, for each value of the column `key` of trials."""
    rows = await session.execute(
        select(key, Trial.state, func.count()).where(key.in_(ids)).group_by(key, Trial.state)
    )
    return _by_key(rows)


async def _judgement_counts(
    session: AsyncSession, key: Any, ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Counts]:
    rows = await session.execute(
        select(key, JUDGEMENT_STATE, func.count())
        .join(Trial, Trial.id == Judging.talk_id)
        .where(key.in_(ids))
        .group_by(key, JUDGEMENT_STATE)
    )
    return _by_key(rows)


JUDGEMENT_STATE = case(
    (and_(Judging.state == "queued", Trial.state.in_(("failed", "waiting"))), literal_column("'blocked'")),
    else_=Judging.state,
)
"""The state of a judgement: `blocked` where it is queued and its trial failed or waits for a person.
"""


def _by_key(rows: Any) -> dict[uuid.UUID, Counts]:
    found: dict[uuid.UUID, dict[str, int]] = defaultdict(dict)
    for key, state, count in rows:
        found[key][state] = count
    return defaultdict(Counts, {key: Counts(states) for key, states in found.items()})


@dataclass(frozen=True, slots=True)
class ArmProgress:
    """The progress of an arm."""

    arm: Arm
    trials: Counts
    judgements: Counts


async def arms_progress(session: AsyncSession, experiment: uuid.UUID) -> list[ArmProgress]:
    """Return the progress of each arm, in the order of the file."""
    arms = await arms_of(session, experiment)
    ids = [arm.id for arm in arms]
    trials = await _trial_counts(session, Trial.arm_id, ids)
    judgements = await _judgement_counts(session, Trial.arm_id, ids)
    return [ArmProgress(arm, trials[arm.id], judgements[arm.id]) for arm in arms]


def overview(experiment: Experiment, arms: Iterable[ArmProgress]) -> Overview:
    """Return a whole experiment from its arms."""
    held = list(arms)
    return Overview(experiment, _sum(arm.trials for arm in held), _sum(arm.judgements for arm in held))


def _sum(counts: Iterable[Counts]) -> Counts:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count.by_state)
    return Counts(total)


async def arms_of(session: AsyncSession, experiment: uuid.UUID) -> list[Arm]:
    """Return the arms, in the order of the file."""
    return list(
        await session.scalars(select(Arm).where(Arm.experiment_id == experiment).order_by(Arm.position))
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """The calls of a participant's model, counting every attempt."""

    participant: str | None
    """None for calls without a move."""
    calls: int
    attempts: int
    failed: int
    """Attempts that ended in an error."""
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    seconds: float | None
    """Mean duration of an answered attempt."""


async def usage(session: AsyncSession, experiment: uuid.UUID) -> list[Usage]:
    """Return model calls of trials and judgements by participant, by name."""
    holder = case((Playing.kind == "judging", Playing.judge_id), else_=Move.participant_id)
    tokens = (CallAttempt.tokens_in, CallAttempt.tokens_cached, CallAttempt.tokens_out)
    answered = CallAttempt.status == "ok"
    rows = await session.execute(
        select(
            Participant.name,
            func.count(ModelCall.id.distinct()),
            func.count(CallAttempt.id),
            func.count().filter(CallAttempt.status != "ok"),
            *(func.coalesce(func.sum(column), 0) for column in tokens),
            func.avg(CallAttempt.seconds).filter(answered),
        )
        .select_from(ModelCall)
        .join(Playing, Playing.id == ModelCall.play_id)
        .outerjoin(CallAttempt, CallAttempt.call_id == ModelCall.id)
        .outerjoin(Move, and_(Move.play_id == ModelCall.play_id, Move.path == ModelCall.path))
        .outerjoin(Participant, Participant.id == holder)
        .where(Playing.experiment_id == experiment)
        .group_by(Participant.id, Participant.name)
        .order_by(Participant.name.nulls_last(), Participant.id)
    )
    found: Sequence[Any] = rows.all()
    return [Usage(*row) for row in found]


@dataclass(frozen=True, slots=True)
class Course:
    """The pace of an experiment."""

    start: datetime | None
    """Time of the first move; None where there is none."""
    end: datetime | None
    """Now while it runs, otherwise the time of its last move."""
    moves: Sequence[int]
    """Moves in trials and judgements in each of `BARS` equal periods of that time."""
    recent: float
    """Moves per minute over the last minutes."""
    ended: float
    """Finished trials and judgements per minute, over the last minutes."""

    @property
    def most(self) -> float:
        """Return the most moves per minute in any period."""
        if self.start is None or self.end is None:
            return 0.0
        return max(self.moves) / max((self.end - self.start).total_seconds() / 60 / BARS, 1 / 60)

    def seconds_left(self, queued: int) -> float | None:
        """Return how long as many trials and judgements take at the present pace; None where none finishes."""
        return 60 * queued / self.ended if self.ended else None


async def course(session: AsyncSession, experiment: Experiment, *, live: bool) -> Course:
    """Return the pace of an experiment; `live` where it still runs."""
    row = (
        await session.execute(
            _COURSE, {"experiment": experiment.id, "live": live, "bars": BARS, "recent": RECENT}
        )
    ).one()
    since = max(min(RECENT.total_seconds(), row.age) / 60, 1 / 60)
    return Course(row.first, row.last, row.counts, row.moves / since, row.ended / since)


_COURSE = text(
    """
    WITH mine AS MATERIALIZED (
        SELECT move.created_at AS at FROM move JOIN play ON play.id = move.play_id
        WHERE play.experiment_id = :experiment
    ), span AS (
        SELECT min(at) AS first, CASE WHEN :live THEN now() ELSE max(at) END AS last FROM mine
    ), bars AS (
        SELECT least(floor(:bars * extract(epoch FROM at - first)
            / greatest(extract(epoch FROM last - first), 0.001)), :bars - 1)::int AS bar, count(*) AS moves
        FROM mine, span GROUP BY 1
    ), ended AS (
        SELECT count(*) AS ended FROM play
        WHERE experiment_id = :experiment AND finished_at > now() - CAST(:recent AS interval)
    )
    SELECT CASE WHEN first IS NOT NULL THEN first END AS first, CASE WHEN first IS NOT NULL THEN last END AS last,
        ARRAY(SELECT coalesce(moves, 0) FROM generate_series(0, :bars - 1) AS bar LEFT JOIN bars USING (bar) ORDER BY bar)
            AS counts,
        (SELECT count(*) FROM mine WHERE at > now() - CAST(:recent AS interval)) AS moves,
        ended, coalesce(extract(epoch FROM now() - first), 0)::float AS age
    FROM span, ended
    """
)


# ── one trial ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class JudgedTrial:
    """One judgement of a trial, with its verdicts and moves."""

    judgement: Judgement
    round: JudgingRound
    judge: Participant | None
    seat: SeatRow | None
    """The judge's, where a person is to judge."""
    verdicts: Sequence[Verdict]
    moves: Sequence[tuple[Move, Participant]]
    efforts: Mapping[str, Draft]
    """For people: the effort of each step, by the path of its move."""

    @property
    def flags(self) -> Mapping[str, Any]:
        """What a person marked, and what was shown to them."""
        return self.seat.flags if self.seat else {}

    @property
    def seconds(self) -> float:
        """Return the seconds that a person worked on it."""
        return sum(effort.active_seconds for effort in self.efforts.values())


@dataclass(frozen=True, slots=True)
class Transcript:
    """A trial with all its rows."""

    trial: Trial
    experiment: Experiment
    arm: Arm
    question: Question
    passage: Passage
    text: str
    moves: Sequence[tuple[Move, Participant]]
    """Oldest first, with their authors."""
    verdicts: Sequence[Verdict]
    """Verdicts of a judge who took part in the talk."""
    judged: Sequence[JudgedTrial]
    open_places: Mapping[str, int]
    """Open places, by judging round."""


async def experiment_of(session: AsyncSession, trial: uuid.UUID) -> Experiment | None:
    """Return the experiment of a trial."""
    return (
        await session.scalars(
            select(Experiment).join(Trial, Trial.experiment_id == Experiment.id).where(Trial.id == trial)
        )
    ).one_or_none()


async def transcript(session: AsyncSession, trial: uuid.UUID) -> Transcript:
    """Return a trial with its passage, moves and verdicts."""
    row = (
        await session.execute(
            select(Trial, Experiment, Arm, Question, Passage)
            .join(Experiment, Experiment.id == Trial.experiment_id)
            .join(Arm, Arm.id == Trial.arm_id)
            .join(Question, Question.id == Trial.question_id)
            .join(Passage, Passage.id == Question.passage_id)
            .where(Trial.id == trial)
        )
    ).one()
    digest = row[4].text_digest
    verdicts = await _verdicts(session, trial)
    judged = await _judged(session, trial, verdicts)
    places = Counter(item.round.name for item in judged if item.judgement.state == "open")
    return Transcript(
        *row,
        text=(await bodies(session, [digest]))[digest],
        moves=await _moves(session, Move.play_id == trial),
        verdicts=[verdict for verdict in verdicts if verdict.play_id == trial],
        judged=[item for item in judged if item.judgement.state != "open"],
        open_places=places,
    )


async def _verdicts(session: AsyncSession, trial: uuid.UUID) -> list[Verdict]:
    return list(
        await session.scalars(
            select(Verdict)
            .join(PlayRow, PlayRow.id == Verdict.play_id)
            .where(or_(PlayRow.id == trial, PlayRow.talk_id == trial))
            .order_by(Verdict.reading)
        )
    )


async def _moves(session: AsyncSession, which: ColumnElement[bool]) -> list[tuple[Move, Participant]]:
    rows = await session.execute(
        select(Move, Participant)
        .join(Participant, Participant.id == Move.participant_id)
        .where(which)
        .order_by(Move.id)
    )
    return [(row[0], row[1]) for row in rows]


async def _judged(session: AsyncSession, trial: uuid.UUID, verdicts: Sequence[Verdict]) -> list[JudgedTrial]:
    rows = (
        await session.execute(
            select(Judgement, JudgingRound, Participant, SeatRow)
            .join(JudgingRound, JudgingRound.id == Judgement.round_id)
            .outerjoin(Participant, Participant.id == Judgement.judge_id)
            .outerjoin(SeatRow, SeatRow.play_id == Judgement.id)
            .where(Judgement.talk_id == trial)
            .order_by(JudgingRound.position, Participant.name.nulls_last(), Judgement.place)
        )
    ).all()
    ids = [row[0].id for row in rows]
    moves = await _moves(session, Move.play_id.in_(ids))
    drafts = await session.execute(
        select(SeatRow.play_id, Draft)
        .join(Draft, Draft.seat_id == SeatRow.id)
        .where(SeatRow.play_id.in_(ids))
        .order_by(Draft.id)
    )
    efforts = [(play, draft) for play, draft in drafts]
    return [
        JudgedTrial(
            *row,
            verdicts=[verdict for verdict in verdicts if verdict.play_id == row[0].id],
            moves=[pair for pair in moves if pair[0].play_id == row[0].id],
            efforts={effort.path: effort for play, effort in efforts if play == row[0].id},
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Called:
    """A model call with its request and every attempt."""

    call: ModelCall
    prompt: Sequence[Segment]
    attempts: Sequence[CallAttempt]


async def calls(
    session: AsyncSession, trial: uuid.UUID, path: str, judgement: uuid.UUID | None = None
) -> list[Called]:
    """Return the model calls behind one move of a trial or, where `judgement` is given, of that judgement of
    it.
    """
    owner = (
        ModelCall.play_id == trial
        if judgement is None
        else ModelCall.play_id.in_(
            select(Judgement.id).where(Judgement.id == judgement, Judgement.talk_id == trial)
        )
    )
    rows = (
        await session.execute(
            select(ModelCall, CallAttempt)
            .outerjoin(CallAttempt, CallAttempt.call_id == ModelCall.id)
            .where(owner, ModelCall.path == path)
            .order_by(ModelCall.created_at, ModelCall.id, CallAttempt.number)
        )
    ).all()
    texts = await bodies(session, {bytes.fromhex(key) for call, _ in rows for _, key in call.segments})
    made: dict[uuid.UUID, tuple[ModelCall, list[CallAttempt]]] = {}
    for call, attempt in rows:
        held = made.setdefault(call.id, (call, []))[1]
        if attempt is not None:
            held.append(attempt)
    return [
        Called(call, [Segment(role, texts[bytes.fromhex(key)]) for role, key in call.segments], attempts)
        for call, attempts in made.values()
    ]
