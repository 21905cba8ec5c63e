"""What studies' people did, as their quality is judged by: trials with their effort, checks, the course of their parts, money.

Nothing here knows a rule: `app.studies.flags` has those.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import and_, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.protocols.marks import MARKING
from app.records.drafts import SIGNALS
from app.records.people import note
from app.records.verdicts import FAMILY, FIRST
from app.statistics.scores import credits
from models import (
    PLAYED_TRIAL,
    Account,
    Arm,
    Draft,
    Enrolment,
    Experiment,
    Move,
    Participant,
    Passage,
    Payment,
    Playing,
    Question,
    SeatRow,
    Study,
    StudyStep,
    Trial,
    Verdict,
    study_experiment,
)


@dataclass(frozen=True, slots=True)
class TrialWork:
    """A trial that a person judged, and what they put into it."""

    belief: float
    """In the answer that was listed first for them."""
    reason: str
    written: int
    """Characters of all that they wrote in it."""
    seconds: float | None
    """At work; None where the browser ran no script, as the four below."""
    keystrokes: int | None = None
    pastes: int | None = None
    pasted_characters: int | None = None
    away_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ItemWork:
    """A try at an item, or at the comprehension questions."""

    page: str
    item: str
    attempt: int
    passed: bool | None
    """None where it is not answered, or nothing is right or wrong."""


@dataclass(frozen=True, slots=True)
class JudgedTrial:
    """A trial as one of those that a person judged."""

    work: TrialWork
    play: uuid.UUID
    talk: uuid.UUID
    experiment: str
    arm: str
    family: str
    question: str
    text: str
    """The question."""
    choice: tuple[float, ...]
    """Share of each answer in the choice: several where beliefs tie."""
    p_gold: float
    correct: float
    confidence: float
    """Belief in the chosen answer."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A person's part in a study, with all that they did in it."""

    enrolment: Enrolment
    person: str
    """Their pseudonym."""
    trials: Sequence[JudgedTrial]
    """Those with a verdict, in the order of judging."""
    items: Sequence[ItemWork]
    paid: Mapping[str, int]
    """Hundredths by state of the payment: `due`, `sending`, `sent`, `failed`."""

    @property
    def id(self) -> uuid.UUID:
        """Return the id of the enrolment."""
        return self.enrolment.id


async def studies_of(session: AsyncSession, experiment: uuid.UUID) -> Sequence[Study]:
    """Return the studies that have or had the seats of an experiment, by name."""
    found = (
        select(Study)
        .join(study_experiment, study_experiment.c.study_id == Study.id)
        .where(study_experiment.c.experiment_id == experiment)
        .order_by(Study.name)
    )
    return (await session.scalars(found)).all()


async def parts_of(
    session: AsyncSession, study: uuid.UUID, only: Collection[uuid.UUID] | None = None
) -> list[Part]:
    """Return the parts in a study with what was done in them, in the order of joining; `only` those enrolments."""
    wanted = [Enrolment.study_id == study, *([] if only is None else [Enrolment.id.in_(only)])]
    rows = await session.execute(
        select(Enrolment, Participant.name)
        .join(Account, Account.id == Enrolment.account_id)
        .outerjoin(Participant, Participant.id == Account.participant_id)
        .where(*wanted)
        .order_by(Enrolment.created_at, Enrolment.id)
    )
    trials = await _trials(session, wanted)
    items = await _items(session, wanted)
    paid = await _paid(session, wanted)
    return [
        Part(row, name or "", trials.get(row.id, []), items.get(row.id, []), paid.get(row.id, {}))
        for row, name in rows
    ]


async def _trials(session: AsyncSession, wanted: Sequence[Any]) -> dict[uuid.UUID, list[JudgedTrial]]:
    seats = select(SeatRow.id).join(Account, Account.participant_id == SeatRow.participant_id)
    mine = seats.join(Enrolment, Enrolment.account_id == Account.id).where(*wanted)
    signals = [func.sum(getattr(Draft, name)).label(name) for name in SIGNALS]
    effort = (
        select(Draft.seat_id, func.sum(Draft.active_seconds).label("seconds"), *signals)
        .where(Draft.seat_id.in_(mine), not_(Draft.path.startswith(MARKING)))
        .group_by(Draft.seat_id)
        .subquery()
    )
    written = (
        select(func.sum(func.length(func.coalesce(Move.content["reason"].astext, ""))))
        .where(Move.play_id == SeatRow.play_id, Move.participant_id == SeatRow.participant_id)
        .correlate(SeatRow)
        .scalar_subquery()
    )
    found = (
        select(Enrolment.id, Verdict, Trial.id, Trial.answers, Question, Experiment.name, Arm.name, FAMILY)
        .add_columns(effort.c.seconds, *(effort.c[name] for name in SIGNALS), written)
        .join(Account, Account.id == Enrolment.account_id)
        .join(SeatRow, SeatRow.participant_id == Account.participant_id)
        .join(
            Verdict,
            and_(Verdict.play_id == SeatRow.play_id, Verdict.participant_id == SeatRow.participant_id),
        )
        .join(Playing, Playing.id == Verdict.play_id)
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Experiment, Experiment.id == Arm.experiment_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
        .outerjoin(FIRST, FIRST.id == Passage.twin_of)
        .outerjoin(effort, effort.c.seat_id == SeatRow.id)
        .where(*wanted, SeatRow.state == "done")
        .order_by(Verdict.id)
    )
    trials: dict[uuid.UUID, list[JudgedTrial]] = {}
    for row in await session.execute(found):
        trials.setdefault(row[0], []).append(_judged(*row[1:]))
    return trials


def _judged(
    verdict: Verdict,
    talk: uuid.UUID,
    answers: Sequence[int],
    question: Question,
    experiment: str,
    arm: str,
    family: str,
    seconds: float | None,
    *rest: Any,
) -> JudgedTrial:
    *signals, written = rest
    belief = np.array([verdict.belief])
    best = belief[0] == belief[0].max()
    gold = list(answers).index(question.gold)
    # Seconds of a page whose script did not run are 0: they were not measured.
    unknown = signals[0] is None and not seconds
    work = TrialWork(
        belief=verdict.belief[verdict.answer_order[0]],
        reason=verdict.reason or "",
        written=int(written or 0),
        seconds=None if unknown else seconds,
        **dict(zip(SIGNALS, signals, strict=True)),
    )
    return JudgedTrial(
        work,
        play=verdict.play_id,
        talk=talk,
        experiment=experiment,
        arm=arm,
        family=family,
        question=question.key,
        text=question.text,
        choice=tuple((best / best.sum()).tolist()),
        p_gold=float(belief[0, gold]),
        correct=float(credits(belief, np.array([gold]))[0]),
        confidence=float(belief[0].max()),
        at=verdict.created_at,
    )


async def _items(session: AsyncSession, wanted: Sequence[Any]) -> dict[uuid.UUID, list[ItemWork]]:
    rows = await session.execute(
        select(
            StudyStep.enrolment_id,
            StudyStep.page,
            StudyStep.item,
            StudyStep.attempt,
            StudyStep.passed,
        )
        .join(Enrolment, Enrolment.id == StudyStep.enrolment_id)
        .where(*wanted)
        .order_by(StudyStep.id)
    )
    found: dict[uuid.UUID, list[ItemWork]] = {}
    for enrolment, page, item, attempt, passed in rows:
        found.setdefault(enrolment, []).append(ItemWork(page, item, attempt, passed))
    return found


async def _paid(session: AsyncSession, wanted: Sequence[Any]) -> dict[uuid.UUID, dict[str, int]]:
    rows = await session.execute(
        select(Payment.enrolment_id, Payment.state, func.sum(Payment.minor))
        .join(Enrolment, Enrolment.id == Payment.enrolment_id)
        .where(*wanted)
        .group_by(Payment.enrolment_id, Payment.state)
    )
    found: dict[uuid.UUID, dict[str, int]] = {}
    for enrolment, state, minor in rows:
        found.setdefault(enrolment, {})[state] = int(minor)
    return found


# ── what is not counted ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Released:
    """Work under an arm that was given back to the others, as the part in the study did not count."""

    study: str
    arm: str
    end: str
    people: int
    verdicts: int


async def released(session: AsyncSession, experiment: uuid.UUID) -> list[Released]:
    """Return what people had judged in an experiment before their part ended in a way that does not count."""
    last = aliased(Move)
    judged = (
        select(last.id)
        .where(
            last.play_id == SeatRow.play_id,
            last.participant_id == SeatRow.participant_id,
            last.content["kind"].astext == "belief",
        )
        .correlate(SeatRow)
        .exists()
    )
    rows = await session.execute(
        select(
            Study.name,
            Arm.name,
            Enrolment.ended_as,
            func.count(Enrolment.id.distinct()),
            func.count(),
        )
        .select_from(Enrolment)
        .join(Study, Study.id == Enrolment.study_id)
        .join(Account, Account.id == Enrolment.account_id)
        .join(SeatRow, SeatRow.participant_id == Account.participant_id)
        .join(Playing, Playing.id == SeatRow.play_id)
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Arm, Arm.id == Trial.arm_id)
        .where(
            Playing.experiment_id == experiment,
            SeatRow.state == "returned",
            Enrolment.ended_as.not_in(("completed", "stopped")),
            judged,
        )
        .group_by(Study.name, Arm.position, Arm.name, Enrolment.ended_as)
        .order_by(Study.name, Arm.position, Enrolment.ended_as)
    )
    return [Released(study, arm, end or "", people, count) for study, arm, end, people, count in rows]


# ── excluding ───────────────────────────────────────────────────────────────────────────────────────────────────


async def find_part(
    session: AsyncSession, study: uuid.UUID, enrolment: uuid.UUID, *, lock: bool = False
) -> Enrolment | None:
    """Return a part in a study."""
    found = select(Enrolment).where(Enrolment.study_id == study, Enrolment.id == enrolment)
    return (await session.scalars(found.with_for_update() if lock else found)).one_or_none()


async def exclude(
    session: AsyncSession, enrolment: Enrolment, reason: str, account: uuid.UUID | None
) -> bool:
    """Leave a person out of the figures; False where that is so for the same reason."""
    if enrolment.excluded_because == reason:
        return False
    await _set(session, enrolment, excluded_at=func.now(), excluded_because=reason)
    await note(session, account, "excluded", "enrolment", enrolment.id, {"reason": reason})
    return True


async def take_back(
    session: AsyncSession, enrolment: Enrolment, reason: str, account: uuid.UUID | None
) -> bool:
    """Count a person again; False where they are counted."""
    if enrolment.excluded_at is None:
        return False
    detail = {"reason": reason, "excluded_because": enrolment.excluded_because}
    await _set(session, enrolment, excluded_at=None, excluded_because="")
    await note(session, account, "took back an exclusion", "enrolment", enrolment.id, detail)
    return True


async def _set(session: AsyncSession, enrolment: Enrolment, **values: Any) -> None:
    await session.execute(update(Enrolment).where(Enrolment.id == enrolment.id).values(**values))
    await session.refresh(enrolment)


async def note_release(session: AsyncSession, enrolment: Enrolment, account: uuid.UUID | None) -> None:
    """Note that a researcher gave others what a person had in hand."""
    await note(session, account, "released", "enrolment", enrolment.id)


async def in_hand(session: AsyncSession, account: uuid.UUID) -> int:
    """Return how many seats an account has in hand."""
    found = (
        select(func.count())
        .select_from(SeatRow)
        .join(Account, Account.participant_id == SeatRow.participant_id)
        .where(Account.id == account, SeatRow.state == "waiting")
    )
    return int(await session.scalar(found) or 0)
