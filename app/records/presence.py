"""Who is there in a talk: signs of life of people, and what of them others may see.

A debater sees whether each of the others is here, in whole minutes, and who is awaited only while not awaited too: else it
would tell who has written already of what is written at once. A judge sees only whether everybody is: when and how
long a debater writes tells who lies. Where a seat might be a model's, nothing is shown to anybody.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Uuid, and_, bindparam, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.protocols import PROTOCOLS
from app.protocols.views import label
from app.records.live import FRESH, of_one_study, show_presence
from models import Account, Arm, Enrolment, Move, Playing, SeatRow, Trial

EVERY = 5
"""Seconds between two signs of life that are stored."""


@dataclass(frozen=True, slots=True)
class Present:
    """Another seat of a talk, as a debater may see it."""

    label: str
    state: str
    """`writing`, `here`, `away`, `free` (no one has come yet), `gone` (the next person is awaited), or `new` (they left, and
    another participant goes on).
    """
    minutes: int = 0
    """How long they have been away, at least 1."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Who else is there in a talk."""

    others: tuple[Present, ...]
    """For a debater: each seat by its label, in alphabetical order. Empty for a judge."""
    all_here: bool
    """For a judge: whether everybody else is there."""
    by_seat: bool


_BEAT = text(
    f"""
    UPDATE seat SET seen_at = now()
    WHERE id = :seat AND participant_id = :person AND state = 'waiting'
        AND (seen_at IS NULL OR seen_at < now() - interval '{EVERY} s')
    RETURNING id
    """  # noqa: S608 - nothing of it comes from outside
).columns(id=Uuid())
_beaten = _BEAT.cte("beaten")
_own, _other, _former = aliased(SeatRow), aliased(SeatRow), aliased(SeatRow)
_OTHERS = (
    select(
        Playing.experiment_id,
        of_one_study(Playing.experiment_id).label("together"),
        Arm.protocol,
        Arm.settings,
        Trial.argues,
        func.cardinality(Trial.answers).label("answers"),
        _own.seat.label("own"),
        _other.seat,
        _other.state,
        _other.replacement_id,
        _other.seen_at,
        and_(_other.leased_until.is_not(None), _own.leased_until.is_(None)).label("awaited"),
        exists(
            select(1).where(
                _former.play_id == _other.play_id,
                _former.seat == _other.seat,
                _former.state == "returned",
                Move.play_id == _former.play_id,
                Move.participant_id == _former.participant_id,
            )
        ).label("handed_on"),
        func.now().label("now"),
        exists(select(_beaten.c.id)).label("beaten"),
    )
    .select_from(_own)
    .join(Playing, Playing.id == _own.play_id)
    .join(Trial, Trial.id == Playing.id)
    .join(Arm, Arm.id == Trial.arm_id)
    .join(
        _other,
        and_(
            _other.play_id == _own.play_id,
            _other.seat != _own.seat,
            or_(_other.state != "returned", _other.replacement_id.is_not(None)),
        ),
    )
    .where(
        _own.id == bindparam("seat", type_=Uuid()),
        _own.participant_id == bindparam("person", type_=Uuid()),
        _own.state == "waiting",
    )
)
"""The other seats for people in a talk; it stores a sign of life too."""


async def others(session: AsyncSession, seat: uuid.UUID, person: uuid.UUID) -> Presence | None:
    """Note that a person's page is open, and return who else is there; None where that is not shown, or no other is a person."""
    rows = (await session.execute(_OTHERS, {"seat": seat, "person": person})).all()
    if not rows:
        return None
    first = rows[0]
    if not await show_presence(session, [first.experiment_id, *first.together]):
        return None
    protocol = PROTOCOLS[first.protocol].model_validate(first.settings)
    seats = protocol.rights()
    if not seats[first.own].reads_passage:
        return Presence((), all(row.state != "open" and _minutes(row) == 0 for row in rows), by_seat=False)
    order = tuple(range(first.answers))
    found = [_present(row, label(seats[row.seat], first.argues.get(row.seat), order)) for row in rows]
    return Presence(tuple(sorted(found, key=lambda each: each.label)), all_here=False, by_seat=True)


def _present(row: object, name: str) -> Present:
    state, away = row.state, _minutes(row)  # type: ignore[attr-defined]
    if row.replacement_id is not None:  # type: ignore[attr-defined]
        return Present(name, "new")
    if state == "open":
        return Present(name, "gone" if row.handed_on else "free")  # type: ignore[attr-defined]
    if away:
        return Present(name, "away", away)
    return Present(name, "writing" if row.awaited else "here")  # type: ignore[attr-defined]


def _minutes(row: object) -> int:
    """Return for how many whole minutes a person has been away; 0 for one whose page is open, and for a participant who needs none."""
    seen: datetime | None = row.seen_at  # type: ignore[attr-defined]
    if row.replacement_id is not None or row.state == "done":  # type: ignore[attr-defined]
        return 0
    if seen is None:
        return 1
    gone = row.now - seen  # type: ignore[attr-defined]
    return 0 if gone < FRESH else max(1, int(gone.total_seconds() // 60))


# ── the waiting room ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Room:
    """A waiting room, as one of those in it sees it."""

    people: int
    """People of the study who wait at present, this one included."""
    left: float
    """Seconds that are left to this person."""


async def room(session: AsyncSession, seat: uuid.UUID) -> Room:
    """Return the waiting room of a seat whose talk lacks a person."""
    own = await session.get_one(SeatRow, seat, populate_existing=True)
    now = await session.scalar(select(func.clock_timestamp()))
    left = 0.0 if own.ends_at is None or now is None else (own.ends_at - now).total_seconds()
    mine = (
        select(Enrolment.study_id)
        .join(Account, Account.id == Enrolment.account_id)
        .where(Account.participant_id == own.participant_id)
    )
    lacking = aliased(SeatRow)
    found = (
        select(func.count(SeatRow.participant_id.distinct()))
        .join(Account, Account.participant_id == SeatRow.participant_id)
        .join(Enrolment, Enrolment.account_id == Account.id)
        .where(
            Enrolment.study_id.in_(mine),
            SeatRow.state == "waiting",
            SeatRow.seen_at > func.now() - FRESH,
            exists(select(1).where(lacking.play_id == SeatRow.play_id, lacking.state == "open")),
        )
    )
    return Room(max(1, int(await session.scalar(found) or 0)), left)
