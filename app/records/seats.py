"""A person's own seats: what they are of, and how they stand."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, Uuid, and_, bindparam, cast, exists, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.records.eligibility import ENROLLED, IN_HAND, IS_TALK, with_all
from app.records.humans import PERSON
from app.records.people import note
from app.records.plays import IN_PLAY
from models import (
    Account,
    Experiment,
    Playing,
    Question,
    SeatRow,
)


@dataclass(frozen=True, slots=True)
class Held:
    """A seat of a person's own."""

    id: uuid.UUID
    play: uuid.UUID
    judging: bool
    """Whether it is the judge's seat of a judging; else it is a seat of a talk."""
    role: str
    state: str
    play_state: str
    cancelled: bool
    """Whether its experiment was given up."""
    leased: bool
    question: str
    handed_on: bool
    """Whether another person had the seat before."""
    seconds: int | None
    """The time that the panel gives; None where it gives none."""
    flags: Mapping[str, Any]
    experiment: uuid.UUID | None = None
    """None of what is no seat of an experiment: an item of a study."""
    enrolled: bool = False
    """Whether the person takes part in a study."""
    unmatched: bool = False
    """Whether it is a seat of a talk that still lacks a person."""
    abandoned: bool = False
    """Whether it is a seat of a talk that a person of a study left, and in which no one went on for them."""
    left_as: str | None = None
    """How this person left it, where they did."""
    time: float | None = None
    """Seconds that are left for the turn, or in a waiting room, below 0 after that; None where no time is given."""
    grace: float | None = None
    """Seconds after that in which an answer is still taken."""

    @property
    def late(self) -> bool:
        """Whether the time is over, with its grace."""
        return self.time is not None and self.grace is not None and self.time + self.grace < 0

    @property
    def over(self) -> str:
        """How the play ended: `done`, `failed` or `cancelled`; empty where it goes on."""
        if self.play_state not in IN_PLAY:
            return self.play_state
        return "cancelled" if self.cancelled else ""

    @property
    def turn(self) -> bool:
        """Whether the person is awaited."""
        return self.leased and not self.over

    @property
    def judges(self) -> bool:
        """Whether it is a seat without the passage, whose holder may come to know the story only by chance."""
        return self.role == "judge"


def _handed_on() -> Any:
    before = aliased(SeatRow)
    return exists(
        select(1).where(
            before.play_id == SeatRow.play_id,
            before.seat == SeatRow.seat,
            before.state == "returned",
            before.participant_id != PERSON,
        )
    )


def _unmatched() -> Any:
    beside = aliased(SeatRow)
    return exists(select(1).where(beside.play_id == SeatRow.play_id, beside.state == "open"))


def _abandoned() -> Any:
    left = aliased(SeatRow)
    return exists(
        select(1).where(
            left.play_id == SeatRow.play_id, left.left_as.is_not(None), left.replacement_id.is_(None)
        )
    )


_MINE = with_all(
    select(
        SeatRow.id,
        SeatRow.play_id,
        not_(IS_TALK),
        SeatRow.role,
        SeatRow.state,
        Playing.state,
        Experiment.state == "cancelled",
        SeatRow.leased_until.is_not(None),
        Question.text,
        _handed_on(),
        SeatRow.seconds,
        SeatRow.flags,
        Playing.experiment_id,
        ENROLLED,
        and_(IS_TALK, _unmatched()),
        _abandoned(),
        SeatRow.left_as,
        cast(func.extract("epoch", SeatRow.ends_at - func.now()), Float),
        cast(func.extract("epoch", SeatRow.closes_at - SeatRow.ends_at), Float),
    )
).where(SeatRow.participant_id == PERSON)
_ONE = _MINE.where(SeatRow.id == bindparam("seat", type_=Uuid()))
_ALL_IN_HAND = _MINE.where(*IN_HAND).order_by(IS_TALK, SeatRow.leased_until.nulls_last(), SeatRow.id)


async def held(session: AsyncSession, seat: uuid.UUID, person: uuid.UUID | None) -> Held | None:
    """Return a seat, if it is this person's."""
    row = (await session.execute(_ONE, {"seat": seat, "person": person})).one_or_none()
    return None if row is None else Held(*row)


async def in_hand(session: AsyncSession, person: uuid.UUID) -> Sequence[Held]:
    """Return the seats that a person has in hand: judgings, then talks, those first in which they are awaited."""
    return [Held(*row) for row in await session.execute(_ALL_IN_HAND, {"person": person})]


async def instructed(session: AsyncSession, account: uuid.UUID) -> None:
    """Keep that a person has finished the instructions; the first time counts."""
    first = update(Account).where(Account.id == account, Account.instructed_at.is_(None))
    if (await session.execute(first.values(instructed_at=func.now()).returning(Account.id))).first():
        await note(session, account, "read the instructions", "account", account)
