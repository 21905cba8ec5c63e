"""Which trial a person judges next, how long they may keep it, and what they may be told afterwards.

The database referees: places are rows, taken under a lock; a person's own claims wait for each other; a passage shown
is a row whose key allows no second. Nothing here is shown to anybody before it went through a view.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    ScalarSelect,
    Select,
    String,
    and_,
    case,
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

from app.records.people import note, participant_of
from app.records.queue import enqueue
from models import (
    Account,
    Draft,
    Experiment,
    Exposure,
    Invite,
    Judgement,
    JudgingRound,
    Move,
    Passage,
    Question,
    Trial,
    Verdict,
)

SWEEP = 100
"""Expired leases that one look brings back."""


# ── what a person may still be shown ────────────────────────────────────────────────────────────────────────────


def _once(judging_round: Any) -> ColumnElement[bool]:
    """Whether the round shows nobody two trials on one passage."""
    once: ColumnElement[bool] = judging_round.spec["people"]["once_per_passage"].as_boolean()
    return once


def _judged_by(person: uuid.UUID | None) -> ColumnElement[bool]:
    """Whether somebody has, or had, any judgement on the trial."""
    mine = aliased(Judgement)
    return exists(select(1).where(mine.trial_id == Trial.id, mine.participant_id == person))


def _seen_by(person: uuid.UUID | None) -> ColumnElement[bool]:
    """Whether somebody was shown a trial on the passage in this experiment."""
    return exists(
        select(1).where(
            Exposure.experiment_id == Experiment.id,
            Exposure.participant_id == person,
            Exposure.passage_id == Question.passage_id,
        )
    )


def _told_to(person: uuid.UUID) -> ColumnElement[bool]:
    """Whether somebody has been told what is true of the passage, in whatever experiment."""
    told_of = _with_all(select(Passage.text_digest)).where(
        Judgement.participant_id == person, Judgement.flags["told"].as_boolean()
    )
    return Passage.text_digest.in_(told_of.correlate(None))


def _with_all(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Judgements joined with what it takes to say whether somebody may have them."""
    return (
        statement.select_from(Judgement)
        .join(JudgingRound, JudgingRound.id == Judgement.round_id)
        .join(Experiment, Experiment.id == JudgingRound.experiment_id)
        .join(Trial, Trial.id == Judgement.trial_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
    )


def _open_to(person: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    """What makes a judgement one that somebody may claim now."""
    return Trial.state == "done", Experiment.state == "running", *_to_come_to(person)


def _to_come_to(person: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    """What makes a judgement one that somebody may claim once its trial is done and its experiment goes on."""
    return (
        Judgement.state == "open",
        Judgement.place > 0,
        not_(_judged_by(person)),
        not_(and_(_once(JudgingRound), _seen_by(person))),
        not_(_told_to(person)),
        _works_for(person),
    )


def _works_for(person: uuid.UUID) -> ColumnElement[bool]:
    """Whether an experiment may ask somebody: a researcher's own judges see nothing of other researchers'.

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


async def left(session: AsyncSession, person: uuid.UUID) -> int:
    """How many trials somebody may still get as things stand: one a passage where the round says so.

    Places whose lease has ended go back before the count, but for somebody's own: that is theirs until another takes it.
    """
    await return_expired(session, spare=person)
    apart = case(
        (
            _once(JudgingRound),
            func.concat(cast(Experiment.id, String), "/", cast(Question.passage_id, String)),
        ),
        else_=cast(Trial.id, String),
    )
    found = _with_all(select(func.count(apart.distinct()))).where(*_open_to(person))
    return await session.scalar(found) or 0


async def has_finished(session: AsyncSession, person: uuid.UUID) -> bool:
    """Whether somebody has judged something, has nothing in hand, and no place is free for them or will be.

    A place counts whose trial is under way or whose experiment is paused. One that somebody else holds does not: it may
    come back, but nobody is kept waiting for that.
    """
    judged = select(Judgement.id).where(Judgement.participant_id == person, Judgement.state == "done")
    to_come = _with_all(select(Judgement.id)).where(
        Trial.state != "failed", Experiment.state != "cancelled", *_to_come_to(person)
    )
    if await in_hand(session, person) is not None:
        return False
    return bool(await session.scalar(select(and_(exists(judged), not_(exists(to_come))))))


# ── taking a place ──────────────────────────────────────────────────────────────────────────────────────────────


async def claim(session: AsyncSession, account_id: uuid.UUID) -> uuid.UUID | None:
    """Give somebody their next trial: the one in hand, else an open place that suits; None where none is left.

    Arms are evened out for this person first and over everybody second; then trials with fewer verdicts go first, then
    those on a question that others have judged under another assignment, so that honest and dishonest ones stay even.
    The rest is decided by a hash. Gold has no part in it: what comes next must tell nothing of who was honest.
    """
    # Two claims of one person wait for each other here, so that they cannot take two trials.
    locked = select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    account = (await session.scalars(locked)).one()
    person = await participant_of(session, account)
    held = await in_hand(session, person)
    if held is not None:
        await prolong(session, held, person)
        return held
    await return_expired(session, spare=person)
    found = (await session.execute(_next(person))).first()
    if found is None:
        return None
    await _take(session, person, found)
    await note(session, account_id, "took", "judgement", found.id)
    identity: uuid.UUID = found.id
    return identity


async def in_hand(session: AsyncSession, person: uuid.UUID) -> uuid.UUID | None:
    """The trial that somebody has begun and not finished."""
    found = _with_all(select(Judgement.id)).where(
        Judgement.participant_id == person,
        Judgement.state == "waiting",
        Judgement.place > 0,
        Experiment.state != "cancelled",
    )
    return (await session.scalars(found.order_by(Judgement.id).limit(1))).first()


def _next(person: uuid.UUID) -> Select[*tuple[Any, ...]]:
    """The place that somebody gets, locked; places that others are taking at this moment are passed over."""
    arms = _taken(person)
    counts = (arms.c.mine, arms.c.everybody)
    lot = func.md5(func.concat(cast(Judgement.id, String), str(person)))
    return (
        _with_all(
            select(
                Judgement.id,
                Experiment.id.label("experiment"),
                Question.passage_id,
                _once(JudgingRound).label("once"),
                JudgingRound.spec["people"]["lease_minutes"].as_integer().label("minutes"),
            )
        )
        .outerjoin(arms, arms.c.arm_id == Trial.arm_id)
        .where(*_open_to(person))
        .order_by(
            *(func.coalesce(count, 0) for count in counts),
            Judgement.place,
            _judged_the_other_way(person).desc(),
            lot,
        )
        .limit(1)
        .with_for_update(of=Judgement, skip_locked=True)
    )


def _taken(person: uuid.UUID) -> CTE:
    """How many places of each arm are taken: by this person and by everybody.

    Counted once a statement: the planner, left alone, may count anew for every open place.
    """
    mine = func.count().filter(Judgement.participant_id == person)
    taken = _with_all(select(Trial.arm_id, mine.label("mine"), func.count().label("everybody")))
    counted = taken.where(*_is_taken(Judgement), Experiment.state == "running").group_by(Trial.arm_id)
    return counted.cte("arms").prefix_with("MATERIALIZED")


def _is_taken(judgement: Any) -> tuple[ColumnElement[bool], ...]:
    """What makes a judgement a place that somebody has."""
    return judgement.place > 0, judgement.state.in_(("waiting", "done"))


def _judged_the_other_way(person: uuid.UUID) -> ScalarSelect[int]:
    """How many others have a place on the same question and arm under another assignment, where sides are exchanged."""
    taken, other = aliased(Judgement), aliased(Trial)
    return (
        select(func.count())
        .select_from(other)
        .join(taken, taken.trial_id == other.id)
        .where(
            other.arm_id == Trial.arm_id,
            other.question_id == Trial.question_id,
            other.assignment != Trial.assignment,
            *_is_taken(taken),
            taken.participant_id != person,
        )
        .correlate(Trial)
        .scalar_subquery()
    )


async def _take(session: AsyncSession, person: uuid.UUID, found: Any) -> None:
    shown = {
        "experiment_id": found.experiment,
        "participant_id": person,
        "passage_id": found.passage_id,
    }
    # Where a second trial on a passage is forbidden, a second row is an error and undoes the claim.
    row = insert(Exposure) if found.once else upsert(Exposure).on_conflict_do_nothing()
    await session.execute(row.values(shown))
    await session.execute(
        update(Judgement)
        .where(Judgement.id == found.id)
        .values(
            state="waiting",
            participant_id=person,
            leased_until=func.now() + timedelta(minutes=found.minutes),
        )
    )


# ── keeping it, and giving it back ──────────────────────────────────────────────────────────────────────────────


async def prolong(session: AsyncSession, judgement: uuid.UUID, person: uuid.UUID) -> bool:
    """Let the lease of a trial in hand begin anew; False where it is not (or no longer) this person's."""
    minutes = JudgingRound.spec["people"]["lease_minutes"].as_integer()
    kept = await session.execute(
        update(Judgement)
        .where(
            Judgement.id == judgement,
            Judgement.participant_id == person,
            Judgement.state == "waiting",
            JudgingRound.id == Judgement.round_id,
        )
        .values(leased_until=func.now() + func.make_interval(0, 0, 0, 0, 0, minutes))
        .returning(Judgement.id)
        .execution_options(synchronize_session=False)
    )
    return kept.first() is not None


async def give_back(
    session: AsyncSession, judgement: uuid.UUID, account: Account, flags: Mapping[str, bool]
) -> bool:
    """Return a trial to the others, never to be shown to this person again; False where it is not in their hands."""
    found = select(Judgement).where(
        Judgement.id == judgement,
        Judgement.participant_id == account.participant_id,
        Judgement.state == "waiting",
        Judgement.place > 0,
    )
    row = (await session.scalars(found.with_for_update())).one_or_none()
    if row is None:
        return False
    row.flags = {**row.flags, **flags}
    await _replace(session, row)
    await note(session, account.id, "gave back", "judgement", judgement, flags)
    return True


async def return_expired(session: AsyncSession, spare: uuid.UUID) -> None:
    """Bring back what others have kept for too long: as it was where nothing was done, else as a fresh place."""
    expired = (
        select(Judgement)
        .where(
            Judgement.state == "waiting",
            Judgement.place > 0,
            Judgement.leased_until < func.now(),
            Judgement.participant_id != spare,
        )
        .order_by(Judgement.id)
        .limit(SWEEP)
        .with_for_update(skip_locked=True)
    )
    for row in (await session.scalars(expired)).all():
        if await _is_answered(session, row.id):
            await _hand_to_worker(session, row)
            continue
        await _put_back(session, row)
        await note(session, None, "lease expired", "judgement", row.id)
    await session.flush()


async def reopen_failed(session: AsyncSession, experiment: uuid.UUID) -> None:
    """Give people's failed judgements back to everybody; one that lacks nothing but its verdict waits for a worker instead.

    The job of such a one is the caller's to add.
    """
    failed = (
        select(Judgement)
        .join(JudgingRound, JudgingRound.id == Judgement.round_id)
        .where(JudgingRound.experiment_id == experiment, Judgement.place > 0, Judgement.state == "failed")
        .order_by(Judgement.id)
        .with_for_update(of=Judgement)
    )
    for row in (await session.scalars(failed)).all():
        if await _is_answered(session, row.id):
            row.state, row.error = "queued", None
        else:
            await _put_back(session, row)
        await note(session, None, "tried again", "judgement", row.id)
    await session.flush()


async def _put_back(session: AsyncSession, row: Judgement) -> None:
    """Open a place again: as it was where nothing was done, else afresh."""
    if await _was_begun(session, row.id):
        await _replace(session, row)
    else:
        row.state, row.error, row.participant_id, row.leased_until = "open", None, None, None


async def _is_answered(session: AsyncSession, judgement: uuid.UUID) -> bool:
    """Whether the last belief is on record: the server died before it made the verdict."""
    last = func.concat("judging/order0/step", func.jsonb_array_length(Trial.outcome["transcript"]))
    found = select(Move.id).where(Move.judgement_id == judgement, Move.path == last)
    given = found.join(Judgement, Judgement.id == Move.judgement_id).join(
        Trial, Trial.id == Judgement.trial_id
    )
    return (await session.scalars(given)).first() is not None


async def _hand_to_worker(session: AsyncSession, row: Judgement) -> None:
    """Let a worker make the verdict of somebody who has answered everything."""
    row.state, row.leased_until = "queued", None
    await session.flush()
    of_experiment = select(JudgingRound.experiment_id).where(JudgingRound.id == row.round_id)
    experiment = (await session.scalars(of_experiment)).one()
    await enqueue(session, experiment, "judgement", [row.id])


async def _was_begun(session: AsyncSession, judgement: uuid.UUID) -> bool:
    moved = exists().where(Move.judgement_id == judgement)
    drafted = exists().where(Draft.judgement_id == judgement)
    return bool(await session.scalar(select(or_(moved, drafted))))


async def _replace(session: AsyncSession, row: Judgement) -> None:
    """Keep what somebody did as a returned judgement, and open the same place afresh."""
    row.state, row.error, row.leased_until = "returned", None, None
    # Before the fresh row: a place belongs to one judgement at a time.
    await session.flush()
    session.add(
        Judgement(
            id=uuid.uuid4(),
            round_id=row.round_id,
            trial_id=row.trial_id,
            place=row.place,
            reading=row.reading,
            seed=row.seed,
            state="open",
        )
    )
    await session.flush()


# ── one's own judgement ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Held:
    """A judgement of somebody's own."""

    id: uuid.UUID
    state: str
    cancelled: bool
    steps: int
    """Groups of moves in the transcript."""
    each_step: bool
    order: tuple[int, ...]
    """The answers of the trial in the order in which this person reads them."""
    flags: Mapping[str, Any]


async def held(session: AsyncSession, judgement: uuid.UUID, person: uuid.UUID | None) -> Held | None:
    """A judgement, if it is this person's."""
    found = _with_all(select(Judgement, JudgingRound.elicit, Experiment.state, Trial.outcome)).where(
        Judgement.id == judgement, Judgement.participant_id == person, Judgement.place > 0
    )
    row = (await session.execute(found)).one_or_none()
    if row is None:
        return None
    mine, elicit, state, outcome = row
    return Held(
        mine.id,
        mine.state,
        state == "cancelled",
        len(outcome["transcript"]) if outcome else 0,
        elicit == "each_step",
        tuple(mine.reading[0]),
        mine.flags,
    )


async def flag(session: AsyncSession, judgement: uuid.UUID, flags: Mapping[str, bool]) -> None:
    """Keep what a person marked."""
    await session.execute(
        update(Judgement)
        .where(Judgement.id == judgement)
        .values(flags=Judgement.flags.op("||")(dict(flags)))
        .execution_options(synchronize_session=False)
    )


async def instructed(session: AsyncSession, account: uuid.UUID) -> None:
    """Somebody has finished the instructions; the first time counts."""
    first = update(Account).where(Account.id == account, Account.instructed_at.is_(None))
    if (await session.execute(first.values(instructed_at=func.now()).returning(Account.id))).first():
        await note(session, account, "read the instructions", "account", account)


# ── what is told afterwards ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict, and what is true."""

    judgement: uuid.UUID
    question: str
    answers: tuple[str, ...]
    """In the trial's own order, as `belief`."""
    belief: tuple[float, ...]
    gold: int


async def told(
    session: AsyncSession, person: uuid.UUID | None, judgement: uuid.UUID | None = None
) -> list[Told]:
    """A person's verdicts (or the one of a judgement) with the truth, where the round's policy tells it.

    Never before their last possible verdict on the passage, in whatever experiment; whoever is told gets no trial on
    that passage any more.
    """
    verdicts = (
        _with_all(select(Judgement, Verdict, Trial, Question))
        .join(Verdict, Verdict.judgement_id == Judgement.id)
        .where(
            Judgement.participant_id == person,
            Judgement.state == "done",
            JudgingRound.spec["people"]["feedback"].astext == "score",
            or_(Judgement.flags["told"].as_boolean(), not_(_may_still_judge(person))),
        )
        .order_by(Judgement.finished_at, Judgement.id)
    )
    if judgement is not None:
        verdicts = verdicts.where(Judgement.id == judgement)
    # As `claim` does, so that nobody is given a trial on a passage while they are being told of it.
    await session.execute(
        select(Account.id).where(Account.participant_id == person).with_for_update(key_share=True)
    )
    rows = (await session.execute(verdicts)).all()
    for mine, *_ in rows:
        if not mine.flags.get("told"):
            await flag(session, mine.id, {"told": True})
    return [
        Told(
            mine.id,
            question.text,
            tuple(question.answers[index] for index in trial.answers),
            tuple(verdict.belief),
            trial.answers.index(question.gold),
        )
        for mine, verdict, trial, question in rows
    ]


def _may_still_judge(person: uuid.UUID | None) -> ColumnElement[bool]:
    """Whether somebody has work on a passage in hand, or may get some: also places that are not free yet."""
    begun = and_(Judgement.state == "waiting", Judgement.participant_id == person)
    to_come = and_(
        Judgement.state.in_(("open", "waiting")),
        not_(_judged_by(person)),
        not_(and_(_once(JudgingRound), _seen_by(person))),
    )
    texts = _with_all(select(Passage.text_digest)).where(
        Judgement.place > 0, Experiment.state != "cancelled", or_(begun, to_come)
    )
    return Passage.text_digest.in_(texts.correlate(None))
