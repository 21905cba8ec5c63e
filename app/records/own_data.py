"""All that is kept of one person, as JSON for that person to read.

It has nothing of other people, no right answer and no arm. What was done in trials comes when the study has ended: checks
look like trials, so whatever is kept of one kind alone would show which are which.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.money import figure
from app.protocols.blanking import words_of
from app.protocols.core import Belief, parse_content
from models import (
    PLAYED_TRIAL,
    Account,
    Audit,
    Draft,
    Enrolment,
    Experiment,
    Exposure,
    Invite,
    Move,
    Participant,
    Payment,
    Playing,
    Question,
    SeatRow,
    Session,
    Study,
    StudyStep,
    StudyText,
    Submission,
    Trial,
    Verdict,
)

Json = dict[str, Any]
BELIEF = "belief"
ITEMS_SHOWN = ("comprehension", "practice")
"""Pages whose items a person knows to be items; others look like trials."""
LEFT_OUT = (
    "What others wrote, the texts, and which answers are right: others may still judge these trials.",
    "The digests of your name, id, address and cookie: they cannot be read.",
)
LEFT_OUT_OPEN = (
    "Your trials, how many there are, the texts that you were shown, the trail of what you did, and what was concluded from "
    "your answers: this comes when the study has ended."
)


async def own_data(
    session: AsyncSession,
    account: Account,
    enrolment: Enrolment | None,
    hidden: Mapping[uuid.UUID, str] | None = None,
) -> Json:
    """Return all that is kept of a person; `hidden`: experiments whose outcomes the reader may not see yet, and why."""
    study = None if enrolment is None else await session.get_one(Study, enrolment.study_id)
    ended = enrolment is None or has_ended(enrolment, study)
    pseudonym = await session.scalar(select(Participant.name).where(Participant.id == account.participant_id))
    why_hidden = sorted(set((hidden or {}).values()))
    found: Json = {
        "pseudonym": pseudonym,
        "left_out": [*LEFT_OUT, *(why_hidden if ended else [LEFT_OUT_OPEN])],
        "account": _account(account),
        **await _ways_in(session, account.id),
    }
    if ended:
        found |= {
            "trials": await _trials(session, account.participant_id, frozenset(hidden or ())),
            "texts_shown": await _texts_shown(session, account.participant_id),
            "trail": await _trail(session, account.id),
        }
    if enrolment is not None and study is not None:
        found["study"] = await _part(session, enrolment, study, ended=ended)
        found["pages"] = await _pages(session, enrolment, ended=ended)
    return found


def has_ended(enrolment: Enrolment, study: Study | None) -> bool:
    """Return whether a study has ended for a person: it is closed, and their part is over."""
    return study is not None and study.state == "closed" and enrolment.ended_as is not None


async def experiments_of(session: AsyncSession, person: uuid.UUID | None) -> Sequence[Experiment]:
    """Return the experiments in which a person has or had a seat, by name."""
    theirs = (
        select(Playing.experiment_id)
        .join(SeatRow, SeatRow.play_id == Playing.id)
        .where(SeatRow.participant_id == person)
    )
    found = select(Experiment).where(Experiment.id.in_(theirs)).order_by(Experiment.name)
    return (await session.scalars(found)).all()


def _account(account: Account) -> Json:
    return {
        "name": account.name,
        "email": account.email,
        "recruiters_id": account.recruiter_id,
        "role": account.role,
        "created_at": account.created_at,
        "read_the_instructions_at": account.instructed_at,
        "closed_at": account.disabled_at,
        "names_removed_at": account.forgotten_at,
    }


async def _ways_in(session: AsyncSession, account: uuid.UUID) -> Json:
    links = await session.scalars(
        select(Invite).where(Invite.account_id == account).order_by(Invite.created_at)
    )
    signed_in = await session.scalars(
        select(Session).where(Session.account_id == account).order_by(Session.created_at)
    )
    return {
        "links": [{"made_at": row.created_at, "ends_at": row.revoked_at or row.expires_at} for row in links],
        "signed_in": [{"since": row.created_at, "ends_at": row.expires_at} for row in signed_in],
    }


# ── the part in a study ─────────────────────────────────────────────────────────────────────────────────────────


async def _part(session: AsyncSession, enrolment: Enrolment, study: Study, *, ended: bool) -> Json:
    submission = await session.get(Submission, enrolment.id)
    paid = await session.scalars(
        select(Payment).where(Payment.enrolment_id == enrolment.id).order_by(Payment.created_at)
    )
    known_afterwards = {
        "trials_promised": enrolment.promised,
        "review": enrolment.review,
        "review_reason": enrolment.review_reason,
        "excluded_at": enrolment.excluded_at,
        "excluded_because": enrolment.excluded_because,
    }
    return {
        "title": study.spec.get("title", study.name),
        "page": enrolment.page,
        "language": enrolment.language,
        "consent": await _consent(session, enrolment),
        "began_at": enrolment.created_at,
        "last_seen_at": enrolment.last_seen_at,
        "time_ends_at": enrolment.expires_at,
        "ended_as": enrolment.ended_as,
        "ended_at": enrolment.ended_at,
        "deletion_asked_at": enrolment.deletion_asked_at,
        "deleted_at": enrolment.deleted_at,
        "submission": None
        if submission is None
        else {
            "recruiter": submission.recruiter,
            "recruiters_id": submission.recruiters_id,
            "claimed": submission.claimed,
            "status": submission.status,
            "reported_at": submission.reported_at,
        },
        "payments": [
            {
                "kind": row.kind,
                "amount": f"{figure(row.minor)} {row.currency}",
                "state": row.state,
                "recruiters_id": row.recruiters_id,
                "recorded_at": row.created_at,
                "sent_at": row.sent_at,
            }
            for row in paid
        ],
        **(known_afterwards if ended else {}),
    }


async def _consent(session: AsyncSession, enrolment: Enrolment) -> Json | None:
    if enrolment.consent_text_id is None:
        return None
    text = await session.get_one(StudyText, enrolment.consent_text_id)
    return {"at": enrolment.consented_at, "version": text.version, "text": text.markdown}


async def _pages(session: AsyncSession, enrolment: Enrolment, *, ended: bool) -> list[Json]:
    rows = await session.scalars(
        select(StudyStep).where(StudyStep.enrolment_id == enrolment.id).order_by(StudyStep.id)
    )
    return [
        _page(row, ended=ended)
        for row in rows
        if ended or row.page in ITEMS_SHOWN or (not row.item and row.page != "trials")
    ]


def _page(row: StudyStep, *, ended: bool) -> Json:
    known = {"passed": row.passed} if ended or row.page in ITEMS_SHOWN else {}
    return {
        "page": row.page,
        "item": row.item,
        "attempt": row.attempt,
        "shown_at": row.shown_at,
        "submitted_at": row.submitted_at,
        "answers": row.answers,
        "not_submitted": row.draft,
        "effort": row.effort,
        **known,
    }


# ── trials ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _trials(
    session: AsyncSession, person: uuid.UUID | None, hidden: Collection[uuid.UUID]
) -> list[Json]:
    """Return every seat that a person has or had, with what they entered in it: no percentages in `hidden` experiments."""
    if person is None:
        return []
    rows = (
        await session.execute(
            select(SeatRow, Trial, Question)
            .join(Playing, Playing.id == SeatRow.play_id)
            .join(Trial, Trial.id == PLAYED_TRIAL)
            .join(Question, Question.id == Trial.question_id)
            .where(SeatRow.participant_id == person)
            .order_by(SeatRow.id)
        )
    ).all()
    moves = await _by(session, Move.play_id, Move.participant_id == person, Move.id)
    verdicts = await _by(session, Verdict.play_id, Verdict.participant_id == person, Verdict.reading)
    drafts = await _by(session, Draft.seat_id, Draft.seat_id.in_([row[0].id for row in rows]), Draft.id)
    found = []
    for seat, trial, question in rows:
        answers = [question.answers[index] for index in trial.answers]
        shown = trial.experiment_id not in hidden
        made = [row for row in moves[seat.play_id] if shown or row.content["kind"] != BELIEF]
        found.append(
            {
                "as": seat.role,
                "state": seat.state,
                "question": question.text,
                "answers": answers,
                "entered": [_move(row, answers) for row in made],
                "verdicts": [_verdict(row, answers) for row in verdicts[seat.play_id]] if shown else [],
                "marked": seat.flags,
                "work": [_work(row, shown=shown) for row in drafts[seat.id]],
            }
        )
    return found


async def _by(session: AsyncSession, key: Any, where: Any, order: Any) -> Mapping[uuid.UUID, Sequence[Any]]:
    found: dict[uuid.UUID, list[Any]] = defaultdict(list)
    for row in await session.scalars(select(key.class_).where(where).order_by(order)):
        found[getattr(row, key.key)].append(row)
    return found


def _move(row: Move, answers: Sequence[str]) -> Json:
    content = parse_content(row.content)
    found: Json = {"at": row.created_at, "kind": content.kind}
    if isinstance(content, Belief):
        return found | {"percent": _percent(content.p, answers), "reason": content.reason}
    texts = [words for words in words_of(content) if words]
    if texts:
        return found | {"texts": texts}
    return found | {key: value for key, value in row.content.items() if key != "kind"}


def _verdict(row: Verdict, answers: Sequence[str]) -> Json:
    percent = _percent(row.belief, answers)
    read = [answers[index] for index in row.answer_order]
    return {"at": row.created_at, "percent": percent, "reason": row.reason, "answers_as_read": read}


def _percent(belief: Sequence[float], answers: Sequence[str]) -> dict[str, float]:
    """Return percentages by answer; answers of the same words differ by their number."""
    names = [
        f"{answer} ({number})" if answers.count(answer) > 1 else answer
        for number, answer in enumerate(answers, 1)
    ]
    return {name: round(100 * p, 2) for name, p in zip(names, belief, strict=True)}


def _work(row: Draft, *, shown: bool) -> Json:
    return {
        **({"not_submitted": row.content} if shown else {}),
        "active_seconds": row.active_seconds,
        "times_away": row.focus_changes,
        "seconds_away": row.away_seconds,
        "edits": row.edits,
        "keystrokes": row.keystrokes,
        "pastes": row.pastes,
        "pasted_characters": row.pasted_characters,
        "updated_at": row.updated_at,
    }


async def _texts_shown(session: AsyncSession, person: uuid.UUID | None) -> Json:
    shown = await session.execute(
        select(func.count(), func.count().filter(Exposure.read)).where(Exposure.participant_id == person)
    )
    trials_on, read = shown.one()
    return {"texts_of_trials": trials_on, "texts_read": read}


async def _trail(session: AsyncSession, account: uuid.UUID) -> list[Json]:
    rows = await session.scalars(select(Audit).where(Audit.account_id == account).order_by(Audit.id))
    return [{"at": row.at, "action": row.action, "of": row.object_kind} for row in rows]
