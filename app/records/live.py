"""Live talks of studies: their rules, the time for each turn, and what happens to a talk when a person leaves it.

Rules are those of the study for which the person's account was made. Outside studies there are none: a lease decides
how long a person keeps a seat, and the next person goes on in it.
"""

import logging
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.protocols import PROTOCOLS
from app.records import locks
from models import (
    Account,
    Arm,
    ArmSeat,
    Enrolment,
    Experiment,
    Move,
    Participant,
    Playing,
    PlayRow,
    SeatRow,
    Study,
    Trial,
    study_experiment,
)

log = logging.getLogger(__name__)
FRESH = timedelta(seconds=60)
"""How long after its last sign of life a page is taken for open."""
NO_PARTNER = "no_partner"
"""Among a seat's flags: no partner came."""
_PLAIN = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class LiveRules:
    """What a study's file says of talks between people: see `app.studies.spec.Live`."""

    turn: timedelta | None = None
    """The time for each turn."""
    grace: timedelta = timedelta(seconds=30)
    waiting: timedelta = timedelta(minutes=10)
    """The time in a waiting room."""
    replacement: str | None = None
    """The participant that goes on for a person who left; None where the talk ends."""

    @classmethod
    def of(cls, live: Mapping[str, Any] | None) -> Self:
        """Return the rules in the part `live` of a stored file."""
        given = live or {}
        turn = given.get("turn_seconds")
        return cls(
            None if turn is None else timedelta(seconds=turn),
            timedelta(seconds=given.get("grace_seconds", 30)),
            timedelta(minutes=given.get("waiting_minutes", 10)),
            given.get("replacement") if given.get("leaves") == "replace" else None,
        )


async def rules_of(session: AsyncSession, person: uuid.UUID | None) -> LiveRules | None:
    """Return the rules for a person; None for those who take part in no study."""
    found = (await session.execute(_RULES, {"person": person})).one_or_none()
    return None if found is None else LiveRules.of(found.live)


_RULES = (
    select(Study.spec["live"].label("live"))
    .join(Enrolment, Enrolment.study_id == Study.id)
    .join(Account, Account.id == Enrolment.account_id)
    .where(Account.participant_id == bindparam("person", type_=Uuid()))
)


# ── what may be shown of others ─────────────────────────────────────────────────────────────────────────────────

_KNOWN: dict[tuple[uuid.UUID, ...], bool] = {}
"""Whether presence may be shown, by experiments: nothing of their arms ever changes."""


async def shows_presence(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Return whether people may see who is there: only where no seat that a person could have is a model's.

    That holds for all experiments of the study together. Elsewhere presence would tell people from models, so none is
    shown, of either.
    """
    found = await session.scalar(select(of_one_study(literal(experiment))))
    return await show_presence(session, [experiment, *(found or ())])


def of_one_study(experiment: Any) -> ColumnElement[list[uuid.UUID]]:
    """Return all experiments of the studies that have this one, as an array."""
    theirs = aliased(study_experiment)
    found = (
        select(study_experiment.c.experiment_id)
        .join(theirs, theirs.c.study_id == study_experiment.c.study_id)
        .where(theirs.c.experiment_id == experiment)
        .correlate_except(study_experiment, theirs)
    )
    return func.array(found.scalar_subquery())


async def show_presence(session: AsyncSession, together: Iterable[uuid.UUID]) -> bool:
    """Return the same of all these experiments together."""
    experiments = tuple(sorted(set(together)))
    if experiments not in _KNOWN:
        _KNOWN[experiments] = await _only_people(session, experiments)
    return _KNOWN[experiments]


async def _only_people(session: AsyncSession, experiments: Collection[uuid.UUID]) -> bool:
    rows = await session.execute(
        select(Arm.protocol, Arm.settings, ArmSeat.seat)
        .join(ArmSeat, ArmSeat.arm_id == Arm.id)
        .where(Arm.experiment_id.in_(experiments))
    )
    for row in rows:
        seats = {seat.name: seat for seat in PROTOCOLS[row.protocol].model_validate(row.settings).seats()}
        if row.seat in seats and seats[row.seat].people:
            return False
    judged_by_models = exists().where(
        Trial.experiment_id.in_(experiments), Trial.place == 0, Trial.judge_id.is_not(None)
    )
    return not await session.scalar(select(judged_by_models))


# ── the time for a turn ─────────────────────────────────────────────────────────────────────────────────────────


async def has_open_seat(session: AsyncSession, play: uuid.UUID) -> bool:
    """Return whether a talk still lacks a person."""
    return bool(
        await session.scalar(select(exists().where(SeatRow.play_id == play, SeatRow.state == "open")))
    )


async def is_waiting_room(session: AsyncSession, play: uuid.UUID, experiment: uuid.UUID) -> bool:
    """Return whether people wait for a talk to begin: it lacks a person, and they may know that."""
    return await has_open_seat(session, play) and await shows_presence(session, experiment)


async def sat_down(session: AsyncSession, seat: uuid.UUID, play: uuid.UUID, experiment: uuid.UUID) -> bool:
    """Begin the wait for others, or let the talk begin; return whether its turns are to be looked at.

    `seat` was just taken by a person of a study.
    """
    person = await session.scalar(select(SeatRow.participant_id).where(SeatRow.id == seat))
    rules = await rules_of(session, person)
    if rules is None:
        return False
    # Who leaves the talk at this moment opens a seat: they have locked the play too, so what is seen now stays so.
    await locks.play(session, play)
    if await is_waiting_room(session, play, experiment):
        until = datetime.now(UTC) + rules.waiting
        await _set_times(session, SeatRow.id == seat, until, until)
        return False
    await _set_times(session, and_(SeatRow.play_id == play, SeatRow.state == "waiting"), None, None)
    return True


async def turns(session: AsyncSession, play: uuid.UUID, awaited: Collection[str]) -> None:
    """Begin the time of those in a talk who are awaited from now on, and end that of the others.

    The caller has locked the play. A person who waits while the talk still lacks another one has the time of a waiting
    room.
    """
    rows = (await session.execute(_SEATED, {"play": play})).all()
    if not rows:
        return
    unmatched = await has_open_seat(session, play)
    if unmatched and await shows_presence(session, rows[0].experiment_id):
        return
    now = datetime.now(UTC)
    for row in rows:
        rules = LiveRules.of(row.live)
        rested = row.leased_until is None
        if row.seat in awaited:
            if rules.turn is None:
                await _set_times(session, SeatRow.id == row.id, None, None)
            elif rested or row.ends_at is None:
                ends = now + rules.turn
                await _set_times(session, SeatRow.id == row.id, ends, ends + rules.grace)
        elif not unmatched:
            await _set_times(session, SeatRow.id == row.id, None, None)
        elif not rested or row.ends_at is None:
            await _set_times(session, SeatRow.id == row.id, now + rules.waiting, now + rules.waiting)


_SEATED = (
    select(
        SeatRow.id,
        SeatRow.seat,
        SeatRow.leased_until,
        SeatRow.ends_at,
        PlayRow.experiment_id,
        Study.spec["live"].label("live"),
    )
    .join(PlayRow, PlayRow.id == SeatRow.play_id)
    .join(Account, Account.participant_id == SeatRow.participant_id)
    .join(Enrolment, Enrolment.account_id == Account.id)
    .join(Study, Study.id == Enrolment.study_id)
    .where(
        SeatRow.play_id == bindparam("play", type_=Uuid()),
        SeatRow.state == "waiting",
        PlayRow.kind == "talk",
    )
)
"""The people of studies in a talk."""


async def begin(session: AsyncSession, seat: uuid.UUID, person: uuid.UUID) -> timedelta | None:
    """Begin the time of a turn that is shown before a worker has begun it; return it, None where the study gives none.

    Nothing begins where the person is not awaited any more, nor where the time runs already.
    """
    rules = await rules_of(session, person)
    if rules is None or rules.turn is None:
        return None
    ends = datetime.now(UTC) + rules.turn
    awaited = and_(SeatRow.id == seat, SeatRow.leased_until.is_not(None), SeatRow.ends_at.is_(None))
    await _set_times(session, awaited, ends, ends + rules.grace)
    return rules.turn


async def answered(session: AsyncSession, seat: uuid.UUID) -> None:
    """End the time of a turn: what is asked next is another one."""
    await _set_times(session, SeatRow.id == seat, None, None)


async def _set_times(
    session: AsyncSession, where: ColumnElement[bool], ends: datetime | None, closes: datetime | None
) -> None:
    """Set the times of seats that people have; a seat that was left meanwhile, or whose talk has ended, keeps none."""
    theirs, changed = SeatRow.state == "waiting", SeatRow.ends_at.is_distinct_from(ends)
    await session.execute(
        update(SeatRow).where(where, theirs, changed).values(ends_at=ends, closes_at=closes),
        execution_options=_PLAIN,
    )


IS_LATE = or_(
    SeatRow.closes_at < func.now(),
    and_(
        SeatRow.leased_until < func.now(),
        exists(
            select(1)
            .select_from(Enrolment)
            .join(Account, Account.id == Enrolment.account_id)
            .where(Account.participant_id == SeatRow.participant_id)
        ),
    ),
)
"""Whether the time of a person of a study is over, with its grace; without a time for turns, that of the lease."""


async def late(session: AsyncSession, seat: uuid.UUID | None = None) -> list[uuid.UUID]:
    """Return the seats of talks in which a person is late: all, or the one named, if it is so."""
    found = (
        select(SeatRow.id)
        .join(Playing, Playing.id == SeatRow.play_id)
        .join(Experiment, Experiment.id == Playing.experiment_id)
        .where(
            SeatRow.state == "waiting",
            IS_LATE,
            Playing.kind == "talk",
            Playing.state.in_(("queued", "waiting")),
            Experiment.state != "cancelled",
        )
        .order_by(func.coalesce(SeatRow.closes_at, SeatRow.leased_until), SeatRow.id)
    )
    return list(await session.scalars(found if seat is None else found.where(SeatRow.id == seat)))


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────────

WORDS = {
    "returned": "gave the seat back",
    "absent": "did not answer in time",
    "stopped": "stopped early",
    "withdrawn": "withdrew from the study",
    "timed_out": "ran out of time for the study",
}
"""How a person left, in words."""


def reason(how: str) -> str:
    """Return why a talk ended in which a person left, for researchers."""
    words = WORDS.get(how, "ended their part in the study")
    return (
        f"A person {words}, and the study ends such talks: it is not counted, and the others are paid for it."
    )


ABANDONED = exists(
    select(1).where(
        SeatRow.play_id == PlayRow.id, SeatRow.left_as.is_not(None), SeatRow.replacement_id.is_(None)
    )
).correlate(PlayRow)
"""Whether a talk ended because a person left it: it is not tried again, since the others were let go."""


async def has_begun(session: AsyncSession, seat: SeatRow) -> bool:
    """Return whether a talk has begun for a person: everybody is there, or the person has said something."""
    if not await has_open_seat(session, seat.play_id):
        return True
    said = exists().where(Move.play_id == seat.play_id, Move.participant_id == seat.participant_id)
    return bool(await session.scalar(select(said)))


async def leave(session: AsyncSession, seat: SeatRow, talk: Trial, how: str) -> str:
    """Let a person of a study leave a talk that has begun: `replaced`, `ended`, or empty where these rules do not hold.

    The caller has locked play and seat, and sees to the talk. A judge is never replaced: the verdict is to be a person's.
    """
    rules = await rules_of(session, seat.participant_id)
    if rules is None or not await has_begun(session, seat):
        return ""
    successor = None
    if rules.replacement is not None and not await _is_judges(session, seat, talk):
        successor = await _participant(session, talk.experiment_id, rules.replacement)
        if successor is None:
            log.warning(
                "No participant replaces a person: no seat of the experiment is of %s", rules.replacement
            )
    seat.state, seat.leased_until, seat.ends_at, seat.closes_at = "returned", None, None, None
    seat.left_as, seat.left_at, seat.replacement_id = how, func.now(), successor
    await session.flush()
    return "ended" if successor is None else "replaced"


async def _is_judges(session: AsyncSession, seat: SeatRow, talk: Trial) -> bool:
    arm = await session.execute(select(Arm.protocol, Arm.settings).where(Arm.id == talk.arm_id))
    protocol, settings = arm.one()
    return seat.seat == PROTOCOLS[protocol].model_validate(settings).judge.name


async def _participant(session: AsyncSession, experiment: uuid.UUID, name: str) -> uuid.UUID | None:
    """Return the participant of this name that has a seat in an arm of an experiment, or judges there."""
    seated = (
        select(ArmSeat.participant_id)
        .join(Arm, Arm.id == ArmSeat.arm_id)
        .where(Arm.experiment_id == experiment)
    )
    judging = select(PlayRow.judge_id).where(PlayRow.experiment_id == experiment, PlayRow.place == 0)
    found = select(Participant.id).where(
        Participant.name == name,
        Participant.kind != "person",
        or_(Participant.id.in_(seated), Participant.id.in_(judging)),
    )
    return (await session.scalars(found.limit(1))).first()


async def replaced_talks(session: AsyncSession, experiment: uuid.UUID) -> list[int]:
    """Return the talks in which a participant went on for a person who left, by their hash in the frame of talks."""
    rows = await session.scalars(
        select(func.uuid_hash_extended(SeatRow.play_id, 0))
        .join(PlayRow, PlayRow.id == SeatRow.play_id)
        .where(PlayRow.experiment_id == experiment, SeatRow.replacement_id.is_not(None))
        .distinct()
    )
    return sorted(rows)
