"""Which seat of a talk a person holds next, and the talks that they have in hand; it does not know what is asked there.

Who has held a seat that reads a passage never judges on it, and who has judged on it never reads it: the passage's text
decides, over all experiments. How places are taken and given back is said in `places`.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.records import places
from app.records.places import Kind, Statement, is_taken, judged_by, open_to, read_by, seen_by
from models import Experiment, Passage, Question, SeatPlace, Trial

MOST = 3
"""Talks that somebody has in hand at once: enough not to sit idle while others write."""
IN_PLAY = ("queued", "waiting")
"""States of a trial in which somebody may still be asked."""


def _with_all(statement: Statement) -> Statement:
    """Seats joined with what it takes to say whether somebody may have them."""
    return (
        statement.select_from(SeatPlace)
        .join(Trial, Trial.id == SeatPlace.trial_id)
        .join(Experiment, Experiment.id == Trial.experiment_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
    )


def sat_by(person: uuid.UUID | None) -> ColumnElement[bool]:
    """Whether somebody holds, or has held, any seat of the trial."""
    mine = aliased(SeatPlace)
    return exists(select(1).where(mine.trial_id == Trial.id, mine.participant_id == person))


def _has_room(person: uuid.UUID) -> ColumnElement[bool]:
    """Whether somebody has fewer talks in hand than they may."""
    mine, talk, experiment = aliased(SeatPlace), aliased(Trial), aliased(Experiment)
    held = (
        select(func.count())
        .select_from(mine)
        .join(talk, talk.id == mine.trial_id)
        .join(experiment, experiment.id == talk.experiment_id)
        .where(
            mine.participant_id == person,
            mine.state == "waiting",
            talk.state.in_(IN_PLAY),
            experiment.state != "cancelled",
        )
    )
    return held.scalar_subquery() < MOST


def _may_sit(person: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        Trial.state.in_(IN_PLAY),
        not_(sat_by(person)),
        not_(and_(SeatPlace.once, seen_by(person))),
        or_(
            and_(SeatPlace.reads_passage, not_(judged_by(person))),
            not_(or_(SeatPlace.reads_passage, read_by(person))),
        ),
        _has_room(person),
    )


def _where_others_wait(person: uuid.UUID) -> tuple[Any, ...]:
    """Talks in which others sit already; then those on a question on which fewer talks are held."""
    beside, there, other = aliased(SeatPlace), aliased(SeatPlace), aliased(Trial)
    others = (
        select(func.count())
        .where(beside.trial_id == Trial.id, is_taken(beside))
        .correlate(Trial)
        .scalar_subquery()
    )
    on_question = (
        select(func.count())
        .select_from(other)
        .join(there, there.trial_id == other.id)
        .where(other.arm_id == Trial.arm_id, other.question_id == Trial.question_id, is_taken(there))
        .correlate(Trial)
        .scalar_subquery()
    )
    return others.desc(), on_question, Trial.place


async def _never(session: AsyncSession, row: SeatPlace) -> bool:
    """Somebody is always awaited whose lease runs; and whoever has sat down has seen something."""
    return False


def _renewed(row: SeatPlace) -> SeatPlace:
    return SeatPlace(
        id=uuid.uuid4(),
        trial_id=row.trial_id,
        seat=row.seat,
        reads_passage=row.reads_passage,
        once=row.once,
        lease_minutes=row.lease_minutes,
        state="open",
    )


def _seats(own: ColumnElement[bool]) -> Kind:
    return Kind(
        name="seat",
        table=SeatPlace,
        joined=_with_all,
        own=(own,),
        turn=(SeatPlace.leased_until.is_not(None), Trial.state.in_(IN_PLAY)),
        may=_may_sit,
        once=SeatPlace.__table__.c.once,
        minutes=SeatPlace.__table__.c.lease_minutes,
        order=_where_others_wait,
        settled=_never,
        untouched=_never,
        renewed=_renewed,
    )


WITH_PASSAGE = _seats(SeatPlace.reads_passage.is_(True))
"""Seats that read the passage: held by debaters."""
WITHOUT_PASSAGE = _seats(SeatPlace.reads_passage.is_(False))
"""Seats that do not: held by judges."""
BY_ROLE = {"debater": WITH_PASSAGE, "judge": WITHOUT_PASSAGE}
"""Role of an account to the seats that it may hold."""


def role_for(reads_passage: bool) -> str:
    """The role of those who may hold a seat."""
    return "debater" if reads_passage else "judge"


async def left(session: AsyncSession, kind: Kind, person: uuid.UUID) -> int:
    """In how many talks somebody could sit down as things stand."""
    await places.return_expired(session, kind, spare=person)
    found = _with_all(select(func.count(Trial.id.distinct()))).where(*open_to(kind, person))
    return await session.scalar(found) or 0


def may_still_sit(person: uuid.UUID | None) -> ColumnElement[bool]:
    """Whether somebody judges in a talk on the passage, or may come to: also in seats that are not free yet."""
    begun = and_(SeatPlace.state == "waiting", SeatPlace.participant_id == person)
    to_come = and_(
        SeatPlace.state.in_(("open", "waiting")),
        not_(sat_by(person)),
        not_(and_(SeatPlace.once, seen_by(person))),
    )
    texts = _with_all(select(Passage.text_digest)).where(
        not_(SeatPlace.reads_passage),
        Trial.state.in_(IN_PLAY),
        Experiment.state != "cancelled",
        or_(begun, to_come),
    )
    return Passage.text_digest.in_(texts.correlate(None))


# ── one's own ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Held:
    """A seat of somebody's own."""

    id: uuid.UUID
    trial: uuid.UUID
    kind: Kind
    state: str
    over: str
    """How the talk ended: `done`, `failed` or `cancelled`; empty where it goes on."""
    turn: bool
    """Whether they are awaited."""
    question: str
    flags: Mapping[str, Any]

    @property
    def judges(self) -> bool:
        """Whether it is a seat without the passage, whose holder may come to know the story only by chance."""
        return self.kind is WITHOUT_PASSAGE


def _held(person: uuid.UUID | None, *where: ColumnElement[bool]) -> Statement:
    columns = select(SeatPlace, Trial.state, Experiment.state, Question.text)
    return _with_all(columns).where(SeatPlace.participant_id == person, *where)


def _told(row: Any) -> Held:
    place, trial, experiment, question = row
    over = trial if trial not in IN_PLAY else "cancelled" if experiment == "cancelled" else ""
    turn = place.leased_until is not None and not over
    kind = WITH_PASSAGE if place.reads_passage else WITHOUT_PASSAGE
    return Held(place.id, place.trial_id, kind, place.state, over, turn, question, place.flags)


async def held(session: AsyncSession, place: uuid.UUID, person: uuid.UUID | None) -> Held | None:
    """A seat, if it is this person's."""
    row = (await session.execute(_held(person, SeatPlace.id == place))).one_or_none()
    return None if row is None else _told(row)


async def talks(session: AsyncSession, person: uuid.UUID) -> Sequence[Held]:
    """The talks that somebody has in hand, those first in which they are awaited."""
    here = _held(
        person,
        SeatPlace.state == "waiting",
        Trial.state.in_(IN_PLAY),
        Experiment.state != "cancelled",
    ).order_by(SeatPlace.leased_until.nulls_last(), SeatPlace.id)
    return [_told(row) for row in await session.execute(here)]


async def keep(session: AsyncSession, place: uuid.UUID, person: uuid.UUID, *, turn: bool) -> bool:
    """Let a lease begin anew where somebody is awaited, and rest where others are; False where it is not theirs."""
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, SeatPlace.lease_minutes) if turn else None
    kept = await session.execute(
        update(SeatPlace)
        .where(SeatPlace.id == place, SeatPlace.participant_id == person, SeatPlace.state == "waiting")
        .values(leased_until=until)
        .returning(SeatPlace.id)
        .execution_options(synchronize_session=False)
    )
    return kept.first() is not None


async def flag(session: AsyncSession, place: uuid.UUID, flags: Mapping[str, bool]) -> None:
    """Keep what a person marked."""
    await session.execute(
        update(SeatPlace)
        .where(SeatPlace.id == place)
        .values(flags=SeatPlace.flags.op("||")(dict(flags)))
        .execution_options(synchronize_session=False)
    )
