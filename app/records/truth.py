"""What a person may be shown of their verdicts afterwards: the right answer, and why it is right.

A study's people are shown it by the study's rule, and never while any person could still learn from it. For others the
rule is that of the judging round, and it is enough that they themselves judge nothing more on the passage.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.protocols.core import Speech, parse_content
from app.protocols.evidence import Span, spans_of
from app.records.assignment import flag
from app.records.eligibility import MAY_STILL_JUDGE, OTHERS_MAY_LEARN
from app.records.humans import PERSON, lock_human
from app.records.plays import transcript_of
from models import (
    Account,
    Enrolment,
    Judging,
    JudgingRound,
    Move,
    Passage,
    Question,
    SeatRow,
    Study,
    Text,
    Trial,
    Verdict,
)

AFTER_TRIALS = ("questionnaire", "debriefing", "done")
"""Pages of a study that come after the trials: see `app.studies.spec.Page`."""


@dataclass(frozen=True, slots=True)
class Revealed:
    """A verdict, and what is true."""

    seat: uuid.UUID
    question: str
    answers: tuple[str, ...]
    """In the trial's own order, as `belief`."""
    belief: tuple[float, ...]
    gold: int
    order: tuple[int, ...]
    """The answers in the order in which this person read them."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why an answer is right."""

    passage: str
    evidence: tuple[Span, ...]
    """Places in the passage that show it, in its order."""
    marked: bool
    """Whether the author of the question marked them; else they are verified quotes of the side that was right."""


_AWAITED = (
    select(SeatRow.id, SeatRow.flags, Judging.reading[0], Verdict, Trial, Question)
    .join(Judging, Judging.id == SeatRow.play_id)
    .join(JudgingRound, JudgingRound.id == Judging.round_id)
    .join(Trial, Trial.id == Judging.talk_id)
    .join(Question, Question.id == Trial.question_id)
    .join(Passage, Passage.id == Question.passage_id)
    .join(Verdict, Verdict.play_id == Judging.id)
    .where(SeatRow.participant_id == PERSON, SeatRow.state == "done")
    .order_by(Judging.finished_at, Judging.id)
)
_BY_ROUND = JudgingRound.spec["people"]["feedback"].astext == "score"


def _tellable(*also: ColumnElement[bool]) -> Any:
    return _AWAITED.where(or_(SeatRow.flags["told"].as_boolean(), and_(not_(MAY_STILL_JUDGE), *also)))


_OF_A_JUDGE = _tellable().where(_BY_ROUND)
_OF_A_PARTICIPANT = _tellable(not_(OTHERS_MAY_LEARN))


@dataclass(frozen=True, slots=True)
class _Rule:
    """The rule of a study for one of its people."""

    when: str
    """`none`, `each` or `end`."""
    over: bool
    """Whether their trials are over."""

    @property
    def now(self) -> bool:
        """Whether they may be shown something by now."""
        return self.when == "each" or (self.when == "end" and self.over)


async def _rule(session: AsyncSession, person: uuid.UUID | None) -> _Rule | None:
    """Return the rule of the study that a person takes part in; None for others."""
    found = (
        select(
            Study.spec["feedback"].astext,
            or_(Enrolment.ended_as.is_not(None), Enrolment.page.in_(AFTER_TRIALS)),
        )
        .join(Enrolment, Enrolment.study_id == Study.id)
        .join(Account, Account.id == Enrolment.account_id)
        .where(Account.participant_id == person)
    )
    row = (await session.execute(found)).one_or_none()
    return None if row is None else _Rule(row[0] or "none", row[1])


async def revealed(
    session: AsyncSession, person: uuid.UUID | None, seat: uuid.UUID | None = None
) -> list[Revealed]:
    """Return a person's verdicts (or the one of a seat) with the truth, where the policy shows it.

    Never before their last possible verdict on the passage, in whatever experiment; who is shown it gets no trial on
    that passage any more.
    """
    rule = await _rule(session, person)
    if rule is not None and not rule.now:
        return []
    verdicts = _OF_A_JUDGE if rule is None else _OF_A_PARTICIPANT
    # As `claim` does, so that no one is given a trial on a passage while they are shown the truth of it.
    account: uuid.UUID | None = await session.scalar(
        select(Account.id).where(Account.participant_id == person)
    )
    if account is not None:
        await lock_human(session, account)
    chosen = verdicts if seat is None else verdicts.where(SeatRow.id == seat)
    rows = (await session.execute(chosen, {"person": person})).all()
    for mine, flags, *_ in rows:
        if not flags.get("told"):
            await flag(session, mine, {"told": True})
    return [
        Revealed(
            mine,
            question.text,
            tuple(question.answers[index] for index in trial.answers),
            tuple(verdict.belief),
            trial.answers.index(question.gold),
            tuple(order),
        )
        for mine, _, order, verdict, trial, question in rows
    ]


async def waits(session: AsyncSession, person: uuid.UUID | None) -> bool:
    """Return whether a study's person has verdicts of which they are to be shown the truth later."""
    rule = await _rule(session, person)
    if rule is None or rule.when == "none":
        return False
    unrevealed = _AWAITED.where(SeatRow.flags["told"].as_boolean().is_not(True)).order_by(None)
    if rule.now:
        unrevealed = unrevealed.where(or_(MAY_STILL_JUDGE, OTHERS_MAY_LEARN))
    return bool(await session.scalar(select(exists(unrevealed)), {"person": person}))


async def why(session: AsyncSession, seat: uuid.UUID) -> Why:
    """Return why the right answer of a judged trial is right. The caller has checked that it may be shown."""
    found = (
        select(Trial, Question, Text.body)
        .join(Judging, Judging.talk_id == Trial.id)
        .join(SeatRow, SeatRow.play_id == Judging.id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
        .join(Text, Text.digest == Passage.text_digest)
        .where(SeatRow.id == seat)
    )
    trial, question, passage = (await session.execute(found)).one()
    marked = spans_of(passage, question.meta.get("evidence"))
    spans = marked or await _quoted(session, trial, trial.answers.index(question.gold))
    return Why(passage, tuple(spans), bool(marked))


async def _quoted(session: AsyncSession, trial: Trial, side: int) -> Sequence[Span]:
    """Return the places of verified quotes by the seats that argued for an answer, as far as judges were shown them."""
    seats = [seat for seat, argued in (trial.argues or {}).items() if argued == side]
    shown = [path for group in transcript_of(trial) for path in group]
    moves = select(Move.content).where(Move.play_id == trial.id, Move.seat.in_(seats), Move.path.in_(shown))
    said = [parse_content(content) for content in await session.scalars(moves)]
    spans = {
        span
        for content in said
        if isinstance(content, Speech)
        for quote in content.said.quotes
        if quote.verified
        for span in quote.spans
    }
    return sorted(spans)
