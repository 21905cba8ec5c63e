"""Places for people: claimed once, kept by a lease, given back; the same for judgements and for seats of a talk.

The database referees: places are rows, taken under a lock; a person's own claims wait for each other. What one kind of
place has of its own is said by its `Kind`. Nothing here is shown to anybody before it went through a view.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    String,
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

SWEEP = 100
"""Expired leases that one look brings back."""

Statement = Select[*tuple[Any, ...]]
Conditions = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True, slots=True)
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
    may: Callable[[uuid.UUID], Conditions]
    """What makes an open one of a running experiment one that somebody may have, whoever else they work for."""
    once: ColumnElement[bool]
    """Whether nobody is shown two trials on one passage of its experiment."""
    minutes: ColumnElement[int]
    """How long a lease lasts."""
    order: Callable[[uuid.UUID], tuple[Any, ...]]
    """Which go first, where arms are even."""
    settled: Callable[[AsyncSession, Any], Awaitable[bool]]
    """Sees to a row whose lease has ended but for which nobody has to do anything; False where somebody has."""
    untouched: Callable[[AsyncSession, Any], Awaitable[bool]]
    """Whether its holder has done nothing, so that the row may be given to another as it is."""
    renewed: Callable[[Any], Any]
    """A fresh place like a row."""


# ── who may have what ───────────────────────────────────────────────────────────────────────────────────────────


def works_for(person: uuid.UUID) -> ColumnElement[bool]:
    """Whether an experiment may ask somebody: a researcher's own people see nothing of other researchers'.

    Experiments of the command line and of admins ask everybody, and whom no researcher invited is asked by all.
    """
    owner, inviter = aliased(Account), aliased(Account)
    by_researchers = (
        select(Invite.created_by)
        .join(Account, Account.id == Invite.account_id)
        .join(inviter, inviter.id == Invite.created_by)
        .where(Account.participant_id == person, inviter.role == "researcher")
    )
    return or_(
        Experiment.owner_id.is_(None),
        exists(select(1).where(owner.id == Experiment.owner_id, owner.role == "admin")),
        Experiment.owner_id.in_(by_researchers),
        not_(exists(by_researchers)),
    )


def seen_by(person: uuid.UUID | None) -> ColumnElement[bool]:
    """Whether somebody was shown a trial on the passage in this experiment."""
    return exists(
        select(1).where(
            Exposure.experiment_id == Experiment.id,
            Exposure.participant_id == person,
            Exposure.passage_id == Question.passage_id,
        )
    )


def _texts(place: Any, person: uuid.UUID | None, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the passage's text, in whatever experiment, is one of those on which somebody has or had such a place."""
    digests = (
        select(Passage.text_digest)
        .join(Question, Question.passage_id == Passage.id)
        .join(Trial, Trial.question_id == Question.id)
        .join(place, place.trial_id == Trial.id)
        .where(place.participant_id == person, *where)
    )
    return Passage.text_digest.in_(digests.correlate(None))


def told_to(person: uuid.UUID) -> ColumnElement[bool]:
    """Whether somebody has been told what is true of the passage, in whatever experiment."""
    return or_(_texts(Judgement, person, Judgement.flags["told"].as_boolean()), told_by_examples(person))


def read_by(person: uuid.UUID | None) -> ColumnElement[bool]:
    """Whether somebody has held a seat that reads the passage, in whatever experiment."""
    return _texts(SeatPlace, person, SeatPlace.reads_passage.is_(True))


def judged_by(person: uuid.UUID) -> ColumnElement[bool]:
    """Whether somebody has judged on the passage, or sat in a talk on it without reading it, in whatever experiment."""
    return or_(_texts(Judgement, person), _texts(SeatPlace, person, not_(SeatPlace.reads_passage)))


def open_to(kind: Kind, person: uuid.UUID) -> Conditions:
    """What makes a place one that somebody may claim now."""
    return (
        *kind.own,
        kind.table.state == "open",
        Experiment.state == "running",
        *kind.may(person),
        not_(told_to(person)),
        works_for(person),
    )


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
    found = kind.joined(select(kind.table.id)).where(
        *kind.own,
        *kind.turn,
        kind.table.participant_id == person,
        kind.table.state == "waiting",
        Experiment.state != "cancelled",
    )
    return (await session.scalars(found.order_by(kind.table.id).limit(1))).first()


async def _next(session: AsyncSession, kind: Kind, person: uuid.UUID) -> Any:
    """The place that somebody gets, locked; places that others are taking at this moment are passed over."""
    await return_expired(session, kind, spare=person)
    arms = _taken(kind, person)
    mine, everybody = (func.coalesce(count, 0) for count in (arms.c.mine, arms.c.everybody))
    lot = func.md5(func.concat(cast(kind.table.id, String), str(person)))
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
        await session.execute(
            found.outerjoin(arms, arms.c.arm_id == Trial.arm_id)
            .where(*open_to(kind, person))
            .order_by(mine, everybody, *kind.order(person), lot)
            .limit(1)
            .with_for_update(of=kind.table, skip_locked=True)
        )
    ).first()


def _taken(kind: Kind, person: uuid.UUID) -> CTE:
    """How many places of each arm are taken: by this person and by everybody.

    Counted once a statement: the planner, left alone, may count anew for every open place.
    """
    mine = func.count().filter(kind.table.participant_id == person)
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
    mine = (
        kind.table.id == place,
        kind.table.participant_id == person,
        kind.table.state == "waiting",
    )
    minutes = kind.joined(select(kind.minutes)).where(kind.table.id == place).scalar_subquery()
    kept = await session.execute(
        update(kind.table)
        .where(*mine)
        .values(leased_until=func.now() + func.make_interval(0, 0, 0, 0, 0, minutes))
        .returning(kind.table.id)
        .execution_options(synchronize_session=False)
    )
    return kept.first() is not None


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
    expired = (
        select(kind.table)
        .where(
            *kind.own,
            kind.table.state == "waiting",
            kind.table.leased_until < func.now(),
            kind.table.participant_id != spare,
        )
        .order_by(kind.table.id)
        .limit(SWEEP)
        .with_for_update(skip_locked=True)
    )
    for row in (await session.scalars(expired)).all():
        await put_back(session, kind, row, "lease expired")
    await session.flush()


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
