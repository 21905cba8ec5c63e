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

from app.records.leases import JUDGED, PERSON, READ, SEEN, Kind, Statement, is_taken
from app.records.plays import IN_PLAY
from models import Experiment, Passage, Question, SeatPlace, Trial

MOST = 3
"""Talks that somebody has in hand at once: enough not to sit idle while others write."""


def _with_all(statement: Statement) -> Statement:
    """Seats joined with what it takes to say whether somebody may have them."""
    return (
        statement.select_from(SeatPlace)
        .join(Trial, Trial.id == SeatPlace.trial_id)
        .join(Experiment, Experiment.id == Trial.experiment_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
    )


def _sat() -> ColumnElement[bool]:
    mine = aliased(SeatPlace)
    return exists(select(1).where(mine.trial_id == Trial.id, mine.participant_id == PERSON))


SAT = _sat()
"""Whether PERSON holds, or has held, any seat of the trial."""


def _has_room() -> ColumnElement[bool]:
    """Whether PERSON has fewer talks in hand than they may."""
    mine, talk, experiment = aliased(SeatPlace), aliased(Trial), aliased(Experiment)
    held = (
        select(func.count())
        .select_from(mine)
        .join(talk, talk.id == mine.trial_id)
        .join(experiment, experiment.id == talk.experiment_id)
        .where(
            mine.participant_id == PERSON,
            mine.state == "waiting",
            talk.state.in_(IN_PLAY),
            experiment.state != "cancelled",
        )
    )
    return held.scalar_subquery() < MOST


def _where_others_wait() -> tuple[Any, ...]:
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


def _seats(own: ColumnElement[bool], apart: ColumnElement[bool]) -> Kind:
    """Such seats; nobody sits there of whom `apart` holds."""
    in_play = Trial.state.in_(IN_PLAY)
    return Kind(
        name="seat",
        table=SeatPlace,
        joined=_with_all,
        own=(own,),
        turn=(SeatPlace.leased_until.is_not(None), in_play),
        alive=in_play,
        may=(in_play, not_(SAT), not_(and_(SeatPlace.once, SEEN)), not_(apart)),
        now=_has_room(),
        once=SeatPlace.__table__.c.once,
        minutes=SeatPlace.__table__.c.lease_minutes,
        order=_where_others_wait(),
        counted=Trial.__table__.c.id,
        settled=_never,
        untouched=_never,
        renewed=_renewed,
    )


WITH_PASSAGE = _seats(SeatPlace.reads_passage.is_(True), JUDGED)
"""Seats that read the passage: held by debaters."""
WITHOUT_PASSAGE = _seats(SeatPlace.reads_passage.is_(False), READ)
"""Seats that do not: held by judges."""
BY_ROLE = {"debater": WITH_PASSAGE, "judge": WITHOUT_PASSAGE}
"""Role of an account to the seats that it may hold."""


def role_for(reads_passage: bool) -> str:
    """The role of those who may hold a seat."""
    return "debater" if reads_passage else "judge"


def _may_still_sit() -> ColumnElement[bool]:
    begun = and_(SeatPlace.state == "waiting", SeatPlace.participant_id == PERSON)
    to_come = and_(SeatPlace.state.in_(("open", "waiting")), not_(SAT), not_(and_(SeatPlace.once, SEEN)))
    texts = _with_all(select(Passage.text_digest)).where(
        not_(SeatPlace.reads_passage),
        Trial.state.in_(IN_PLAY),
        Experiment.state != "cancelled",
        or_(begun, to_come),
    )
    return Passage.text_digest.in_(texts.correlate(None))


MAY_STILL_SIT = _may_still_sit()
"""Whether PERSON judges in a talk on the passage, or may come to: also in seats that are not free yet."""


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
    handed_on: bool
    """Whether somebody else held the seat before."""
    flags: Mapping[str, Any]

    @property
    def judges(self) -> bool:
        """Whether it is a seat without the passage, whose holder may come to know the story only by chance."""
        return self.kind is WITHOUT_PASSAGE


def _handed_on() -> ColumnElement[bool]:
    before = aliased(SeatPlace)
    return exists(
        select(1).where(
            before.trial_id == SeatPlace.trial_id,
            before.seat == SeatPlace.seat,
            before.state == "returned",
            before.participant_id != PERSON,
        )
    )


_MINE = _with_all(select(SeatPlace, Trial.state, Experiment.state, Question.text, _handed_on())).where(
    SeatPlace.participant_id == PERSON
)
_TALKS = _MINE.where(
    SeatPlace.state == "waiting", Trial.state.in_(IN_PLAY), Experiment.state != "cancelled"
).order_by(SeatPlace.leased_until.nulls_last(), SeatPlace.id)


def _told(row: Any) -> Held:
    place, trial, experiment, question, handed_on = row
    over = trial if trial not in IN_PLAY else "cancelled" if experiment == "cancelled" else ""
    turn = place.leased_until is not None and not over
    kind = WITH_PASSAGE if place.reads_passage else WITHOUT_PASSAGE
    return Held(place.id, place.trial_id, kind, place.state, over, turn, question, handed_on, place.flags)


async def held(session: AsyncSession, place: uuid.UUID, person: uuid.UUID | None) -> Held | None:
    """A seat, if it is this person's."""
    row = (await session.execute(_MINE.where(SeatPlace.id == place), {"person": person})).one_or_none()
    return None if row is None else _told(row)


async def talks(session: AsyncSession, person: uuid.UUID) -> Sequence[Held]:
    """The talks that somebody has in hand, those first in which they are awaited."""
    return [_told(row) for row in await session.execute(_TALKS, {"person": person})]


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
