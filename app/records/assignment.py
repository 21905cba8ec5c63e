"""Which trial a person judges next, how long they may keep it, and what they may be told afterwards.

How places are taken and given back is said in `places`; here is what judgements have of their own.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.protocols.judging import last_places
from app.records import leases, plays
from app.records.example_texts import examples_tell_of_work_in_hand
from app.records.leases import PERSON, READ, SEEN, Kind, Statement, is_taken
from app.records.people import note
from app.records.queue import enqueue
from app.records.seats import MAY_STILL_SIT, SAT, WITHOUT_PASSAGE
from models import (
    Account,
    Draft,
    Experiment,
    Judgement,
    JudgingRound,
    Move,
    Passage,
    Question,
    Trial,
    Verdict,
)

# ── judgements as places ────────────────────────────────────────────────────────────────────────────────────────


ONCE: ColumnElement[bool] = JudgingRound.spec["people"]["once_per_passage"].as_boolean()
"""Whether the round shows nobody two trials on one passage."""


def _judged_trial() -> ColumnElement[bool]:
    mine = aliased(Judgement)
    return exists(select(1).where(mine.trial_id == Trial.id, mine.participant_id == PERSON))


_JUDGED_TRIAL = _judged_trial()
"""Whether PERSON has, or had, any judgement on the trial."""


def _with_all(statement: Statement) -> Statement:
    """Judgements joined with what it takes to say whether somebody may have them."""
    return (
        statement.select_from(Judgement)
        .join(JudgingRound, JudgingRound.id == Judgement.round_id)
        .join(Experiment, Experiment.id == JudgingRound.experiment_id)
        .join(Trial, Trial.id == Judgement.trial_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
    )


def _judged_the_other_way() -> ScalarSelect[int]:
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
            taken.place > 0,
            is_taken(taken),
            taken.participant_id != PERSON,
        )
        .correlate(Trial)
        .scalar_subquery()
    )


async def _made_by_worker(session: AsyncSession, row: Judgement) -> bool:
    """Let a worker make the verdict of somebody who has answered everything: the server died before it did."""
    trial = await session.get_one(Trial, row.trial_id)
    asked = last_places(len(plays.transcript_of(trial)), plays.points_of(trial))
    given = select(func.count()).where(Move.judgement_id == row.id, Move.path.in_(asked))
    if await session.scalar(given) != len(asked):
        return False
    row.state, row.leased_until = "queued", None
    await session.flush()
    of_experiment = select(JudgingRound.experiment_id).where(JudgingRound.id == row.round_id)
    experiment = (await session.scalars(of_experiment)).one()
    await enqueue(session, experiment, "judgement", [row.id])
    return True


async def _untouched(session: AsyncSession, row: Judgement) -> bool:
    moved = exists().where(Move.judgement_id == row.id)
    drafted = exists().where(Draft.judgement_id == row.id)
    # What is among the flags is theirs alone: a clock that runs, examples that were read.
    return not row.flags and not await session.scalar(select(or_(moved, drafted)))


def _renewed(row: Judgement) -> Judgement:
    return Judgement(
        id=uuid.uuid4(),
        round_id=row.round_id,
        trial_id=row.trial_id,
        place=row.place,
        reading=row.reading,
        seed=row.seed,
        state="open",
    )


JUDGEMENTS = Kind(
    name="judgement",
    table=Judgement,
    joined=_with_all,
    own=(Judgement.place > 0,),
    turn=(),
    alive=Trial.state != "failed",
    may=(not_(_JUDGED_TRIAL), not_(and_(ONCE, SEEN)), not_(READ), not_(SAT)),
    now=and_(Trial.state == "done", not_(examples_tell_of_work_in_hand(PERSON))),
    once=ONCE,
    minutes=JudgingRound.spec["people"]["lease_minutes"].as_integer(),
    # Trials with fewer verdicts, then those on a question that others have judged under another assignment: so honest and
    # dishonest ones stay even.
    order=(Judgement.place, _judged_the_other_way().desc()),
    counted=case(
        (ONCE, func.concat(cast(Experiment.id, String), "/", cast(Question.passage_id, String))),
        else_=cast(Trial.id, String),
    ),
    settled=_made_by_worker,
    untouched=_untouched,
    renewed=_renewed,
)
"""Judgements of finished trials."""

OF_JUDGES = (JUDGEMENTS, WITHOUT_PASSAGE)
"""All that judges do: they judge finished trials, and take part in talks without the passage."""


async def claim(session: AsyncSession, account_id: uuid.UUID) -> uuid.UUID | None:
    """Give somebody their next judgement, as `places.claim` does; None where none is left."""
    found = await leases.claim(session, account_id, [JUDGEMENTS])
    return found[1] if found else None


async def in_hand(session: AsyncSession, person: uuid.UUID) -> uuid.UUID | None:
    """The trial that somebody has begun and not finished."""
    return await leases.in_hand(session, JUDGEMENTS, person)


async def prolong(session: AsyncSession, judgement: uuid.UUID, person: uuid.UUID) -> bool:
    """Let the lease of a trial in hand begin anew; False where it is not (or no longer) this person's."""
    return await leases.prolong(session, JUDGEMENTS, judgement, person)


async def give_back(
    session: AsyncSession, judgement: uuid.UUID, account: Account, flags: Mapping[str, bool]
) -> bool:
    """Return a trial to the others, never to be shown to this person again; False where it is not in their hands."""
    return await leases.give_back(session, JUDGEMENTS, judgement, account, flags)


async def reopen_failed(session: AsyncSession, experiment: uuid.UUID) -> int:
    """Give people's failed judgements back to everybody, but for those that lack nothing but their verdict.

    Those go to a worker; returns how many they are.
    """
    failed = (
        select(Judgement)
        .join(JudgingRound, JudgingRound.id == Judgement.round_id)
        .where(JudgingRound.experiment_id == experiment, *JUDGEMENTS.own, Judgement.state == "failed")
        .order_by(Judgement.id)
        .with_for_update(of=Judgement)
    )
    queued = 0
    for row in (await session.scalars(failed)).all():
        row.state, row.error = "waiting", None
        queued += not await leases.put_back(session, JUDGEMENTS, row, "tried again")
    await session.flush()
    return queued


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
    seconds: int | None
    """The time that the panel gives; None where it gives none."""
    marks: bool
    """Whether points are marked once the belief is given."""
    order: tuple[int, ...]
    """The answers of the trial in the order in which this person reads them."""
    flags: Mapping[str, Any]


_HELD = _with_all(
    select(
        Judgement.id,
        Judgement.state,
        (Experiment.state == "cancelled").label("cancelled"),
        func.coalesce(func.jsonb_array_length(Trial.outcome["transcript"]), 0).label("steps"),
        (JudgingRound.elicit == "each_step").label("each_step"),
        JudgingRound.spec["people"]["seconds"].as_integer().label("seconds"),
        Trial.outcome.has_key("points").label("marks"),
        Judgement.reading[0].label("order"),
        Judgement.flags,
    )
).where(Judgement.participant_id == PERSON, Judgement.place > 0)


async def held(session: AsyncSession, judgement: uuid.UUID, person: uuid.UUID | None) -> Held | None:
    """A judgement, if it is this person's."""
    found = await session.execute(_HELD.where(Judgement.id == judgement), {"person": person})
    row = found.mappings().one_or_none()
    return None if row is None else Held(**{**row, "order": tuple(row["order"])})


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


def _may_still_judge() -> ColumnElement[bool]:
    """Whether PERSON has work on a passage in hand, or may get some: also places that are not free yet."""
    begun = and_(Judgement.state == "waiting", Judgement.participant_id == PERSON)
    to_come = and_(Judgement.state.in_(("open", "waiting")), not_(_JUDGED_TRIAL), not_(and_(ONCE, SEEN)))
    texts = _with_all(select(Passage.text_digest)).where(
        Judgement.place > 0, Experiment.state != "cancelled", or_(begun, to_come)
    )
    return or_(Passage.text_digest.in_(texts.correlate(None)), MAY_STILL_SIT)


_TELLABLE = (
    _with_all(select(Judgement, Verdict, Trial, Question))
    .join(Verdict, Verdict.judgement_id == Judgement.id)
    .where(
        Judgement.participant_id == PERSON,
        Judgement.state == "done",
        JudgingRound.spec["people"]["feedback"].astext == "score",
        or_(Judgement.flags["told"].as_boolean(), not_(_may_still_judge())),
    )
    .order_by(Judgement.finished_at, Judgement.id)
)


async def told(
    session: AsyncSession, person: uuid.UUID | None, judgement: uuid.UUID | None = None
) -> list[Told]:
    """A person's verdicts (or the one of a judgement) with the truth, where the round's policy tells it.

    Never before their last possible verdict on the passage, in whatever experiment; whoever is told gets no trial on
    that passage any more.
    """
    verdicts = _TELLABLE if judgement is None else _TELLABLE.where(Judgement.id == judgement)
    # As `claim` does, so that nobody is given a trial on a passage while they are being told of it.
    await session.execute(
        select(Account.id).where(Account.participant_id == person).with_for_update(key_share=True)
    )
    rows = (await session.execute(verdicts, {"person": person})).all()
    for mine, *_ in rows:
        if not mine.flags.get("told"):
            await leases.flag(session, JUDGEMENTS, mine.id, {"told": True})
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
