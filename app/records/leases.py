"""Places for people: claimed once, kept by a lease, given back; the same for judgements and for seats of a talk.

The database referees: places are rows, taken under a lock; a person's own claims wait for each other. What one kind of
place has of its own is said by its `Kind`. Nothing here is shown to anybody before it went through a view.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    cast,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.records.example_texts import told_by_examples
from app.records.people import note, participant_of
from models import Account, Experiment, Exposure, Invite, Judgement, Passage, Question, SeatPlace, Trial

PERSON = bindparam("person", type_=Uuid())
"""Whoever a condition speaks of. Statements are put together once and then run with `{"person": …}`: for a large one, putting it
together takes longer than running it."""
SWEEP = 100
"""Expired leases that one look brings back."""

Statement = Select[*tuple[Any, ...]]
Conditions = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of place, and how it differs from others."""

    name: str
    """What the audit trail calls it."""
    table: Any
    """`Judgement` or `SeatPlace`."""
    joined: Callable[[Statement], Statement]
    """Its rows joined with all that says whether somebody may have them: experiment, trial, question and passage."""
    own: Conditions
    """Which rows of the table are such places."""
    turn: Conditions
    """When whoever has one is awaited."""
    alive: ColumnElement[bool]
    """Whether the trial is one on which there is, or will be, something to do."""
    may: Conditions
    """What makes a place one that PERSON may have, now or later, whoever else they work for."""
    now: ColumnElement[bool]
    """What must hold besides for PERSON to have it now."""
    once: ColumnElement[bool]
    """Whether nobody is shown two trials on one passage of its experiment."""
    minutes: ColumnElement[int]
    """How long a lease lasts."""
    order: tuple[Any, ...]
    """Which go first, where arms are even."""
    counted: ColumnElement[Any]
    """What PERSON can have one of, of places that are the same here."""
    settled: Callable[[AsyncSession, Any], Awaitable[bool]]
    """Sees to a row whose lease has ended but for which nobody has to do anything; False where somebody has."""
    untouched: Callable[[AsyncSession, Any], Awaitable[bool]]
    """Whether its holder has done nothing, so that the row may be given to another as it is."""
    renewed: Callable[[Any], Any]
    """A fresh place like a row."""


# ── who may have what ───────────────────────────────────────────────────────────────────────────────────────────


def _works_for() -> ColumnElement[bool]:
    owner, inviter = aliased(Account), aliased(Account)
    by_researchers = (
        select(Invite.created_by)
        .join(Account, Account.id == Invite.account_id)
        .join(inviter, inviter.id == Invite.created_by)
        .where(Account.participant_id == PERSON, inviter.role == "researcher")
    )
    return or_(
        Experiment.owner_id.is_(None),
        exists(select(1).where(owner.id == Experiment.owner_id, owner.role == "admin")),
        Experiment.owner_id.in_(by_researchers),
        not_(exists(by_researchers)),
    )


WORKS_FOR = _works_for()
"""Whether an experiment may ask PERSON: a researcher's own people see nothing of other researchers'.

Experiments of the command line and of admins ask everybody, and whom no researcher invited is asked by all.
"""

SEEN = exists(
    select(1).where(
        Exposure.experiment_id == Experiment.id,
        Exposure.participant_id == PERSON,
        Exposure.passage_id == Question.passage_id,
    )
)
"""Whether PERSON was shown a trial on the passage in this experiment."""


def _texts(place: Any, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the passage's text, in whatever experiment, is one of those on which PERSON has or had such a place."""
    digests = (
        select(Passage.text_digest)
        .join(Question, Question.passage_id == Passage.id)
        .join(Trial, Trial.question_id == Question.id)
        .join(place, place.trial_id == Trial.id)
        .where(place.participant_id == PERSON, *where)
    )
    return Passage.text_digest.in_(digests.correlate(None))


TOLD = or_(_texts(Judgement, Judgement.flags["told"].as_boolean()), told_by_examples(PERSON))
"""Whether PERSON has been told what is true of the passage, in whatever experiment."""
READ = _texts(SeatPlace, SeatPlace.reads_passage.is_(True))
"""Whether PERSON has held a seat that reads the passage, in whatever experiment."""
JUDGED = or_(_texts(Judgement), _texts(SeatPlace, not_(SeatPlace.reads_passage)))
"""Whether PERSON has judged on the passage, or sat in a talk on it without reading it, in whatever experiment."""


def _may_have(kind: Kind) -> Conditions:
    """What makes a place one that PERSON may have, now or later."""
    return (*kind.own, *kind.may, not_(TOLD), WORKS_FOR)


def _not_held(kind: Kind) -> ColumnElement[bool]:
    """Whether a place is open, or would be if somebody looked: another has kept it for too long."""
    table = kind.table
    expired = and_(table.state == "waiting", table.leased_until < func.now(), table.participant_id != PERSON)
    return or_(table.state == "open", expired)


async def left(session: AsyncSession, person: uuid.UUID, kinds: Sequence[Kind]) -> int:
    """How many places somebody may still get as things stand: one a passage where its experiment says so."""
    found: int | None = await session.scalar(_left(tuple(kinds)), {"person": person})
    return found or 0


@cache
def _left(kinds: tuple[Kind, ...]) -> Select[Any]:
    counts = (
        kind.joined(select(func.count(kind.counted.distinct())))
        .where(*_may_have(kind), _not_held(kind), kind.now, Experiment.state == "running")
        .scalar_subquery()
        for kind in kinds
    )
    total: ColumnElement[int] = next(counts)
    for count in counts:
        total = total + count
    return select(total)


async def has_finished(session: AsyncSession, person: uuid.UUID, kinds: Sequence[Kind]) -> bool:
    """Whether somebody has done something, has nothing in hand, and no place is free for them or will be.

    A place counts whose trial is under way or whose experiment is paused. One that somebody else holds does not: it may
    come back, but nobody is kept waiting for that.
    """
    return bool(await session.scalar(_finished(tuple(kinds)), {"person": person}))


@cache
def _finished(kinds: tuple[Kind, ...]) -> Select[Any]:
    done, to_do = [], []
    for kind in kinds:
        table, places = kind.table, kind.joined(select(kind.table.id)).correlate(None)
        mine = (*kind.own, table.participant_id == PERSON)
        done.append(exists(places.where(*mine, table.state == "done")))
        wanted = Experiment.state != "cancelled", kind.alive
        to_do.append(exists(places.where(*mine, table.state == "waiting", *wanted)))
        to_do.append(exists(places.where(*_may_have(kind), _not_held(kind), *wanted)))
    return select(and_(or_(*done), not_(or_(*to_do))))


# ── taking a place ──────────────────────────────────────────────────────────────────────────────────────────────


async def claim(
    session: AsyncSession, account_id: uuid.UUID, kinds: Sequence[Kind]
) -> tuple[Kind, uuid.UUID] | None:
    """Give somebody their next place: one in hand where they are awaited, else an open one; None where none is left.

    Arms are evened out for this person first and over everybody second; then the kind's own order. The rest is decided
    by a hash. Gold has no part in it: what comes next must tell nothing of who was honest.
    """
    # Two claims of one person wait for each other here, so that they cannot take two places.
    locked = select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    account = (await session.scalars(locked)).one()
    person = await participant_of(session, account)
    for kind in kinds:
        held = await in_hand(session, kind, person)
        if held is not None:
            await prolong(session, kind, held, person)
            return kind, held
    found = [(kind, place) for kind in kinds if (place := await _next(session, kind, person)) is not None]
    if not found:
        return None
    kind, place = min(found, key=lambda pair: (pair[1].mine, pair[1].everybody))
    await _take(session, kind, person, place)
    await note(session, account_id, "took", kind.name, place.id)
    return kind, place.id


async def in_hand(session: AsyncSession, kind: Kind, person: uuid.UUID) -> uuid.UUID | None:
    """A place that somebody has and where they are awaited."""
    return (await session.scalars(_in_hand(kind), {"person": person})).first()


@cache
def _in_hand(kind: Kind) -> Statement:
    found = kind.joined(select(kind.table.id)).where(
        *kind.own,
        *kind.turn,
        kind.table.participant_id == PERSON,
        kind.table.state == "waiting",
        Experiment.state != "cancelled",
    )
    return found.order_by(kind.table.id).limit(1)


async def _next(session: AsyncSession, kind: Kind, person: uuid.UUID) -> Any:
    """The place that somebody gets, locked; places that others are taking at this moment are passed over."""
    await return_expired(session, kind, spare=person)
    return (await session.execute(_first_open(kind), {"person": person})).first()


@cache
def _first_open(kind: Kind) -> Statement:
    arms = _taken(kind)
    mine, everybody = (func.coalesce(count, 0) for count in (arms.c.mine, arms.c.everybody))
    lot = func.md5(func.concat(cast(kind.table.id, String), cast(PERSON, String)))
    found = kind.joined(
        select(
            kind.table.id,
            Experiment.id.label("experiment"),
            Question.passage_id,
            kind.once.label("once"),
            kind.minutes.label("minutes"),
            mine.label("mine"),
            everybody.label("everybody"),
        )
    )
    return (
        found.outerjoin(arms, arms.c.arm_id == Trial.arm_id)
        .where(*_may_have(kind), kind.now, kind.table.state == "open", Experiment.state == "running")
        .order_by(mine, everybody, *kind.order, lot)
        .limit(1)
        .with_for_update(of=kind.table, skip_locked=True)
    )


def _taken(kind: Kind) -> CTE:
    """How many places of each arm are taken: by PERSON and by everybody.

    Counted once a statement: the planner, left alone, may count anew for every open place.
    """
    mine = func.count().filter(kind.table.participant_id == PERSON)
    taken = kind.joined(select(Trial.arm_id, mine.label("mine"), func.count().label("everybody")))
    counted = taken.where(*kind.own, is_taken(kind.table), Experiment.state == "running")
    return counted.group_by(Trial.arm_id).cte(f"arms_of_{kind.name}").prefix_with("MATERIALIZED")


def is_taken(place: Any) -> ColumnElement[bool]:
    """Whether somebody has a place, or has done what it asks."""
    taken: ColumnElement[bool] = place.state.in_(("waiting", "done"))
    return taken


async def _take(session: AsyncSession, kind: Kind, person: uuid.UUID, found: Any) -> None:
    shown = {
        "experiment_id": found.experiment,
        "participant_id": person,
        "passage_id": found.passage_id,
    }
    # Where a second trial on a passage is forbidden, a second row is an error and undoes the claim.
    row = insert(Exposure) if found.once else upsert(Exposure).on_conflict_do_nothing()
    await session.execute(row.values(shown))
    await session.execute(
        update(kind.table)
        .where(kind.table.id == found.id)
        .values(
            state="waiting",
            participant_id=person,
            leased_until=func.now() + timedelta(minutes=found.minutes),
        )
    )


# ── keeping it, and giving it back ──────────────────────────────────────────────────────────────────────────────


async def prolong(session: AsyncSession, kind: Kind, place: uuid.UUID, person: uuid.UUID) -> bool:
    """Let the lease of a place in hand begin anew; False where it is not (or no longer) this person's."""
    kept = await session.execute(_prolonged(kind), {"person": person, "held": place})
    return kept.first() is not None


@cache
def _prolonged(kind: Kind) -> Any:
    this = kind.table.id == bindparam("held", type_=Uuid())
    minutes = kind.joined(select(kind.minutes)).where(this).scalar_subquery()
    return (
        update(kind.table)
        .where(this, kind.table.participant_id == PERSON, kind.table.state == "waiting")
        .values(leased_until=func.now() + func.make_interval(0, 0, 0, 0, 0, minutes))
        .returning(kind.table.id)
        .execution_options(synchronize_session=False)
    )


async def flag(session: AsyncSession, kind: Kind, place: uuid.UUID, flags: Mapping[str, bool]) -> None:
    """Keep what a person marked, or what was shown to them."""
    await session.execute(
        update(kind.table)
        .where(kind.table.id == place)
        .values(flags=kind.table.flags.op("||")(dict(flags)))
        .execution_options(synchronize_session=False)
    )


async def give_back(
    session: AsyncSession, kind: Kind, place: uuid.UUID, account: Account, flags: Mapping[str, bool]
) -> bool:
    """Return a place to the others, never to be shown to this person again; False where it is not in their hands."""
    found = select(kind.table).where(
        *kind.own,
        kind.table.id == place,
        kind.table.participant_id == account.participant_id,
        kind.table.state == "waiting",
    )
    row = (await session.scalars(found.with_for_update())).one_or_none()
    if row is None:
        return False
    row.flags = {**row.flags, **flags}
    await _replace(session, kind, row)
    await note(session, account.id, "gave back", kind.name, place, flags)
    return True


async def return_expired(session: AsyncSession, kind: Kind, spare: uuid.UUID) -> None:
    """Bring back what others have kept for too long: as it was where nothing was done, else as a fresh place."""
    for row in (await session.scalars(_expired(kind), {"person": spare})).all():
        await put_back(session, kind, row, "lease expired")
    await session.flush()


@cache
def _expired(kind: Kind) -> Statement:
    return (
        select(kind.table)
        .where(
            *kind.own,
            kind.table.state == "waiting",
            kind.table.leased_until < func.now(),
            kind.table.participant_id != PERSON,
        )
        .order_by(kind.table.id)
        .limit(SWEEP)
        .with_for_update(skip_locked=True)
    )


async def put_back(session: AsyncSession, kind: Kind, row: Any, why: str) -> bool:
    """Bring back one place from its holder, and note why; False where nobody has to do anything there any more."""
    if await kind.settled(session, row):
        return False
    if await kind.untouched(session, row):
        row.state, row.participant_id, row.leased_until = "open", None, None
    else:
        await _replace(session, kind, row)
    await note(session, None, why, kind.name, row.id)
    return True


async def _replace(session: AsyncSession, kind: Kind, row: Any) -> None:
    """Keep what somebody did as a returned place, and open the same place afresh."""
    row.state, row.leased_until = "returned", None
    # Before the fresh row: a place belongs to one person at a time.
    await session.flush()
    session.add(kind.renewed(row))
    await session.flush()
