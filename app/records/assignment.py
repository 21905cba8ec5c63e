"""Seats for people: claimed once, kept by a lease, given back.

The database referees: seats are rows, taken under a lock; a person's own claims wait for each other. Nothing here is
shown to a person before it went through a view.
"""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    String,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    inspect,
    literal_column,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.protocols.judging import last_places
from app.records import live, locks, plays
from app.records.eligibility import (
    COUNTED,
    ENROLLED,
    FREE,
    GOES_ON,
    IN_HAND,
    IS_TALK,
    MAY_BEGIN,
    MAY_HAVE,
    ROLE,
    Statement,
    with_all,
)
from app.records.humans import PERSON, is_person, lock_human
from app.records.people import note, participant_of
from app.records.plays import IN_PLAY, lease_end
from app.records.queue import Before, enqueue
from app.records.summaries import summarise
from models import (
    Account,
    Draft,
    Enrolment,
    Experiment,
    Exposure,
    Judgement,
    Move,
    Playing,
    PlayRow,
    Question,
    SeatRow,
    Trial,
    Verdict,
)

SWEEP = 100
"""Expired leases that one look brings back."""
TAKEN = ("waiting", "done")
"""States in which a person has a seat, or has done what it asks."""
_PLAIN = {"synchronize_session": False}


# ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────


async def left(session: AsyncSession, person: uuid.UUID, role: str) -> int:
    """Return how many seats a person may still get as things stand: one a passage where its experiment says so."""
    found: int | None = await session.scalar(_LEFT, {"person": person, "role": role})
    return found or 0


_LEFT = with_all(select(func.count(COUNTED.distinct()))).where(
    *MAY_HAVE, FREE, MAY_BEGIN, Experiment.state == "running"
)


async def to_come(session: AsyncSession, person: uuid.UUID, role: str) -> int:
    """Return how many seats a person may still get now or later: also of talks under way, and of paused experiments."""
    found: int | None = await session.scalar(_TO_COME, {"person": person, "role": role})
    return found or 0


_TO_COME = with_all(select(func.count(COUNTED.distinct()))).where(*MAY_HAVE, FREE, *GOES_ON)


async def has_finished(session: AsyncSession, person: uuid.UUID, role: str) -> bool:
    """Return whether a person has done something, has nothing in hand, and no seat is free for them or will be.

    A seat counts whose trial is under way or whose experiment is paused. One that another person has does not: it may
    come back, but no one is kept waiting for that.
    """
    return bool(await session.scalar(_FINISHED, {"person": person, "role": role}))


def _finished() -> Statement:
    seats = with_all(select(SeatRow.id)).where(SeatRow.role == ROLE).correlate(None)
    done = exists(seats.where(SeatRow.participant_id == PERSON, SeatRow.state == "done"))
    in_hand = exists(seats.where(*IN_HAND, *GOES_ON))
    to_come = exists(seats.where(*MAY_HAVE, FREE, *GOES_ON))
    return select(and_(done, not_(or_(in_hand, to_come))))


_FINISHED = _finished()


# ── taking a seat ───────────────────────────────────────────────────────────────────────────────────────────────


async def claim(session: AsyncSession, account_id: uuid.UUID, role: str) -> uuid.UUID | None:
    """Give a person their next seat: one in hand where they are awaited, else an open one; None where none is left.

    A talk in which another person of the same study waits goes first; so does, for these people, one that they have in
    hand. Else arms are evened out for this person first and over everybody second; then judgings go before talks. Of judgings,
    those of trials with fewer verdicts go first, then those on a question that others have judged under another
    assignment: so honest and dishonest ones stay even. Of talks, those go first in which others sit already; then those
    on a question with fewer talks taken. The rest is decided by a hash. Gold has no part in it: what comes next must
    show nothing of who was honest.
    """
    # Two claims of one person wait for each other here, so that they cannot take two seats.
    account = await lock_human(session, account_id)
    await locks.claims(session, account_id)
    person = await participant_of(session, account)
    mine = {"person": person, "role": role}
    awaited: uuid.UUID | None = (await session.scalars(_AWAITED, mine)).first()
    if awaited is not None:
        await keep(session, awaited, person)
        return awaited
    await return_expired(session, role, spare=person)
    found = (await session.execute(_FIRST_OPEN, mine)).first()
    if found is None:
        return None
    await _take(session, person, found)
    await note(session, account_id, "took", "seat", found.id)
    return uuid.UUID(str(found.id))


_AWAITED = (
    with_all(select(SeatRow.id))
    .where(SeatRow.role == ROLE, *IN_HAND, or_(SeatRow.leased_until.is_not(None), and_(IS_TALK, ENROLLED)))
    .order_by(IS_TALK, SeatRow.id)
    .limit(1)
)
"""A seat of PERSON where they are awaited; of a study's people, who have one talk at a time, any talk."""


def _arms() -> CTE:
    """How many seats of each arm are taken: by PERSON and by everybody, judgings and talks apart.

    Counted once a statement: the planner, left alone, may count anew for every open seat.
    """
    mine = func.count().filter(is_person(SeatRow.participant_id))
    taken = with_all(
        select(Trial.arm_id, Playing.kind, mine.label("mine"), func.count().label("everybody"))
    ).where(
        SeatRow.role == ROLE,
        SeatRow.state.in_(TAKEN),
        or_(IS_TALK, Playing.state.in_(TAKEN)),
        Experiment.state == "running",
    )
    return taken.group_by(Trial.arm_id, Playing.kind).cte("arms").prefix_with("MATERIALIZED")


def _judged_the_other_way() -> ColumnElement[int]:
    """How many others judge the same question and arm under another assignment, where sides are exchanged."""
    taken, other = aliased(Judgement), aliased(Trial)
    return (
        select(func.count())
        .select_from(other)
        .join(taken, taken.talk_id == other.id)
        .where(
            other.arm_id == Trial.arm_id,
            other.question_id == Trial.question_id,
            other.assignment != Trial.assignment,
            taken.place > 0,
            taken.state.in_(TAKEN),
            not_(is_person(taken.judge_id)),
        )
        .correlate(Trial)
        .scalar_subquery()
    )


_NEVER: ColumnElement[Any] = literal_column("'infinity'::timestamptz")


def _partner(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a value of the other people of studies who wait in the talk; null for judgings, and where no one waits.

    PERSON can have a seat there only if they are of the same study.
    """
    waiting = (
        select(value)
        .select_from(_beside)
        .join(Account, Account.participant_id == _beside.participant_id)
        .join(Enrolment, Enrolment.account_id == Account.id)
        .where(_beside.play_id == Trial.id, _beside.state == "waiting")
    )
    return case((IS_TALK, waiting.correlate(Trial).scalar_subquery()))


_beside = aliased(SeatRow)
_is_here = _beside.seen_at > func.now() - live.FRESH
_PARTNER_WAITS = _partner(func.min(func.coalesce(_beside.ends_at, _NEVER)).filter(_is_here))
"""Until when another person waits in the talk, with the page open."""
_PARTNER_IS_AWAY = func.coalesce(_partner(func.bool_or(not_(_is_here))), False)
"""Whether another person waits there and has closed the page: they may come back, but no one is made to wait for that."""


def _others_in_talk() -> ColumnElement[int]:
    """How many others sit in the talk."""
    beside = aliased(SeatRow)
    others = select(func.count()).where(beside.play_id == Trial.id, beside.state.in_(TAKEN))
    return others.correlate(Trial).scalar_subquery()


def _seats_on_question() -> ColumnElement[int]:
    """How many seats are taken in talks on the question, under the same arm."""
    there, other = aliased(SeatRow), aliased(Trial)
    return (
        select(func.count())
        .select_from(other)
        .join(there, there.play_id == other.id)
        .where(other.arm_id == Trial.arm_id, other.question_id == Trial.question_id, there.state.in_(TAKEN))
        .correlate(Trial)
        .scalar_subquery()
    )


def _first_open() -> Statement:
    arms = _arms()
    mine, everybody = (func.coalesce(count, 0) for count in (arms.c.mine, arms.c.everybody))
    found = with_all(
        select(
            SeatRow.id,
            SeatRow.play_id,
            SeatRow.once,
            SeatRow.reads_passage,
            SeatRow.lease_minutes.label("minutes"),
            Playing.kind,
            Experiment.id.label("experiment"),
            Question.passage_id,
        )
    ).outerjoin(arms, and_(arms.c.arm_id == Trial.arm_id, arms.c.kind == Playing.kind))
    return (
        found.where(*MAY_HAVE, MAY_BEGIN, SeatRow.state == "open", Experiment.state == "running")
        .order_by(
            _PARTNER_WAITS.nulls_last(),
            _PARTNER_IS_AWAY,
            mine,
            everybody,
            IS_TALK,
            case((IS_TALK, -_others_in_talk()), else_=Playing.place),
            case((IS_TALK, _seats_on_question()), else_=-_judged_the_other_way()),
            case((IS_TALK, Trial.place), else_=0),
            func.md5(func.concat(cast(SeatRow.id, String), cast(PERSON, String))),
        )
        .limit(1)
        .with_for_update(of=SeatRow, skip_locked=True)
    )


_FIRST_OPEN = _first_open()
"""The seat that PERSON gets, locked; seats that others are taking at this moment are passed over."""


async def _take(session: AsyncSession, person: uuid.UUID, found: Any) -> None:
    shown = {
        "experiment_id": found.experiment,
        "participant_id": person,
        "passage_id": found.passage_id,
        "read": found.reads_passage,
    }
    # Where a second trial on a passage is forbidden, a second row is an error and undoes the claim.
    row = upsert(Exposure).values(shown)
    if not found.once:
        keys = list(inspect(Exposure).primary_key)
        row = row.on_conflict_do_update(
            index_elements=keys, set_={"read": or_(Exposure.read, row.excluded.read)}
        )
    await session.execute(row)
    until = func.now() + timedelta(minutes=found.minutes)
    taken = update(SeatRow).where(SeatRow.id == found.id)
    await session.execute(
        taken.values(state="waiting", participant_id=person, leased_until=until, seen_at=func.now())
    )
    if found.kind == "judging":
        judging = update(Judgement).where(Judgement.id == found.play_id)
        await session.execute(judging.values(state="waiting", judge_id=person))
    elif await live.sat_down(session, found.id, found.play_id, found.experiment):
        await enqueue(session, found.experiment, [found.play_id], Before.AWAITED)


# ── keeping it, and giving it back ──────────────────────────────────────────────────────────────────────────────


async def keep(session: AsyncSession, seat: uuid.UUID, person: uuid.UUID, *, turn: bool = True) -> bool:
    """Let the lease of a seat begin anew, or rest where others are awaited; False where it is not the person's, or too late."""
    theirs = SeatRow.id == seat, SeatRow.participant_id == person, SeatRow.state == "waiting"
    goes_on = exists(
        select(1).where(
            Playing.id == SeatRow.play_id,
            case((IS_TALK, Playing.state.in_(IN_PLAY)), else_=Playing.state == "waiting"),
        )
    )
    in_time = or_(SeatRow.closes_at.is_(None), SeatRow.closes_at > func.now())
    kept = await session.execute(
        update(SeatRow)
        .where(*theirs, *([goes_on, in_time] if turn else []))
        .values(leased_until=lease_end() if turn else None)
        .returning(SeatRow.id),
        execution_options=_PLAIN,
    )
    return kept.first() is not None


async def flag(session: AsyncSession, seat: uuid.UUID, flags: Mapping[str, bool | str]) -> None:
    """Keep what a person marked, or what was shown to them."""
    flagged = update(SeatRow).where(SeatRow.id == seat)
    await session.execute(flagged.values(flags=SeatRow.flags.op("||")(dict(flags))), execution_options=_PLAIN)


async def give_back(
    session: AsyncSession, seat_id: uuid.UUID, account: Account, flags: Mapping[str, bool | str]
) -> bool:
    """Return a seat to the others, never to be shown to this person again; False where it is not in their hands.

    A judging ends with it, and a fresh one is opened; a talk goes on with the next holder, or as its study says.
    """
    found = await plays.load_seat(session, seat_id, lock=True)
    if found is None:
        return False
    seat, play = found
    in_hand = seat.state == "waiting" and (isinstance(play, Trial) or play.state == "waiting")
    if not in_hand or seat.participant_id != account.participant_id:
        return False
    seat.flags = {**seat.flags, **flags}
    await _vacate(session, seat, play, "returned")
    await note(session, account.id, "gave back", "seat", seat_id, flags)
    return True


async def leave_late(session: AsyncSession, seat: SeatRow, talk: Trial) -> None:
    """Take a seat from a person who did not answer in time. The caller has locked both."""
    await _vacate(session, seat, talk, "absent")
    await note(session, None, "time over", "seat", seat.id)
    await session.flush()


async def release(session: AsyncSession, account: Account, how: str, *, also_done: bool) -> None:
    """Give the others what a person has in hand, and what they have judged too where `also_done`. No talk is played anew.

    `how` is the end of the person's part in a study.
    Of a judging that was done the moves stay; the verdict that follows from them goes, so that only judgings that are
    done have one.
    """
    mine = (
        select(SeatRow, Playing)
        .join(Playing, Playing.id == SeatRow.play_id)
        .where(SeatRow.participant_id == account.participant_id)
        .order_by(SeatRow.id)
        .with_for_update(of=(Playing, SeatRow), key_share=True)
    )
    in_hand = mine.where(SeatRow.state == "waiting", Playing.state.in_(("waiting", *IN_PLAY)))
    for seat, play in (await session.execute(in_hand)).all():
        await _put_back(session, seat, play, "released", how)
    if also_done:
        for seat, play in (await session.execute(mine.where(SeatRow.state == "done", not_(IS_TALK)))).all():
            assert isinstance(play, Judgement)
            await session.execute(delete(Verdict).where(Verdict.play_id == play.id))
            await _replace(session, seat, play)
            await summarise(session, play.talk_id)
            await note(session, None, "released", "seat", seat.id)
    await session.flush()


async def return_expired(session: AsyncSession, role: str, spare: uuid.UUID) -> None:
    """Bring back what others have kept for too long: as it was where nothing was done, else as a fresh seat."""
    for seat, play in (await session.execute(_EXPIRED, {"person": spare, "role": role})).all():
        await _put_back(session, seat, play, "lease expired")
    await session.flush()


_EXPIRED = (
    select(SeatRow, Playing)
    .join(Playing, Playing.id == SeatRow.play_id)
    .where(
        SeatRow.role == ROLE,
        SeatRow.state == "waiting",
        SeatRow.leased_until < func.now(),
        SeatRow.participant_id != PERSON,
    )
    .order_by(SeatRow.id)
    .limit(SWEEP)
    .with_for_update(of=(Playing, SeatRow), skip_locked=True, key_share=True)
)


async def reopen_failed(session: AsyncSession, experiment: uuid.UUID) -> int:
    """Give people's failed judgements back to everybody, but for those that lack nothing but their verdict.

    Those go to a worker; returns how many they are.
    """
    failed = (
        select(SeatRow, Playing)
        .join(Playing, Playing.id == SeatRow.play_id)
        .where(Playing.experiment_id == experiment, not_(IS_TALK), Playing.state == "failed")
        .order_by(SeatRow.id)
        .with_for_update(of=(Playing, SeatRow), key_share=True)
    )
    queued = 0
    for seat, play in (await session.execute(failed)).all():
        play.state, play.error = "waiting", None
        queued += not await _put_back(session, seat, play, "tried again")
    await session.flush()
    return queued


async def _put_back(
    session: AsyncSession, seat: SeatRow, play: PlayRow, why: str, how: str = "absent"
) -> bool:
    """Bring back one seat from its holder, and note why; False where nothing is left to do in it."""
    if isinstance(play, Judgement) and await _made_by_worker(session, seat, play):
        return False
    if isinstance(play, Judgement) and await _is_untouched(session, seat):
        play.state, play.judge_id = "open", None
        seat.state, seat.participant_id, seat.leased_until = "open", None, None
    else:
        await _vacate(session, seat, play, how)
    await note(session, None, why, "seat", seat.id)
    return True


async def _made_by_worker(session: AsyncSession, seat: SeatRow, play: Judgement) -> bool:
    """Let a worker make the verdict of a person who has answered everything: the server died before it did."""
    trial = await session.get_one(Trial, play.talk_id)
    asked = last_places(len(plays.transcript_of(trial)), plays.points_of(trial))
    given = select(func.count()).where(Move.play_id == play.id, Move.path.in_(asked))
    if await session.scalar(given) != len(asked):
        return False
    play.state, seat.leased_until = "queued", None
    await session.flush()
    await enqueue(session, play.experiment_id, [play.id], Before.FOLLOWS)
    return True


async def _is_untouched(session: AsyncSession, seat: SeatRow) -> bool:
    """Return whether a judge has done nothing, so that the row may be given to another as it is."""
    moved = exists().where(Move.play_id == seat.play_id)
    drafted = exists().where(Draft.seat_id == seat.id)
    # What is among the flags is theirs alone: a clock that runs, examples that were read.
    return not seat.flags and not await session.scalar(select(or_(moved, drafted)))


async def _vacate(session: AsyncSession, seat: SeatRow, play: PlayRow, how: str) -> None:
    """Let a person leave a seat: a talk of a study that has begun goes on or ends as its file says."""
    if not isinstance(play, Trial) or not await plays.left(session, play, seat, how):
        await _replace(session, seat, play)


async def _replace(session: AsyncSession, seat: SeatRow, play: PlayRow) -> None:
    """Keep what a person did as a returned seat, and open the same seat afresh."""
    seat.state, seat.leased_until, seat.ends_at, seat.closes_at = "returned", None, None, None
    play_id = seat.play_id
    if isinstance(play, Judgement):
        play.state = "returned"
        play_id = uuid.uuid4()
    # Before the fresh rows: a seat, and a place among the judges, belongs to one person at a time.
    await session.flush()
    if isinstance(play, Judgement):
        session.add(_fresh_judging(play, play_id))
        await session.flush()
    session.add(
        SeatRow(
            id=uuid.uuid4(),
            play_id=play_id,
            seat=seat.seat,
            role=seat.role,
            reads_passage=seat.reads_passage,
            once=seat.once,
            lease_minutes=seat.lease_minutes,
            seconds=seat.seconds,
            state="open",
        )
    )
    await session.flush()


def _fresh_judging(play: Judgement, play_id: uuid.UUID) -> Judgement:
    return Judgement(
        id=play_id,
        experiment_id=play.experiment_id,
        round_id=play.round_id,
        talk_id=play.talk_id,
        place=play.place,
        reading=play.reading,
        seed=play.seed,
        state="open",
    )
