"""What a judge meets: the instructions, the queue, the trial page and its autosave, the thanks, their calibration.

Everything about a trial comes from the view of what is due; nothing here knows an arm, an author or a right answer, but
for what `assignment.told` allows to be told.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Desk, Engine
from app.participants.prompts import Example
from app.protocols.core import AnyContent, Ask, Belief, Pick, ProtocolError
from app.protocols.judging import place
from app.protocols.marks import (
    MARKING,
    MARKS,
)
from app.protocols.views import View
from app.records import assignment, drafts, leases, people, seats, timing
from app.records.assignment import Held
from app.records.database import Database
from app.records.timing import Clock
from app.services.refusal import Refused
from app.web.judge import feedback, trial_page
from app.web.judge.trial_page import Entry, Sent, SentDraft
from app.web.render import page
from app.web.seats import routes
from app.web.security.middleware import Db, Who
from models import Account

router = APIRouter(prefix="/judge")
GUESS_MINUTES = 6
"""How long a trial takes, as long as nothing is known of this person."""
EXAMPLES_SHOWN, EXAMPLES_READ = "examples_shown", "examples_read"
"""Among a judgement's flags: its holder was shown what is false of other texts, and has gone on from there to the trial."""
SUBMITS = 30
"""Beliefs that one person may submit in a minute."""


# ── instructions and queue ──────────────────────────────────────────────────────────────────────────────────────


@router.get("/instructions", name="judge_instructions")
async def instructions(request: Request, who: Who) -> Response:
    """What judging is, with a worked example."""
    return page(request, "pages/judge_instructions.html", scores=trial_page.score_table())


@router.post("/instructions", name="judge_instructed")
async def instructed(who: Who, db: Db) -> Response:
    """They have read them."""
    await assignment.instructed(db, who.id)
    return RedirectResponse("/judge", status_code=303)


@router.get("", name="judge_queue")
async def queue(request: Request, who: Who, db: Db) -> Response:
    """The trial in hand, or how many are left and about how long one takes."""
    if who.instructed_at is None:
        return RedirectResponse("/judge/instructions", status_code=303)
    person = await people.participant_of(db, who)
    in_hand = await assignment.in_hand(db, person)
    seconds = await drafts.usual_seconds(db, person)
    return page(
        request,
        "pages/judge_queue.html",
        in_hand=in_hand,
        left=await leases.left(db, person, assignment.OF_JUDGES),
        talks=await seats.talks(db, person),
        minutes=GUESS_MINUTES if seconds is None else max(1, round(seconds / 60)),
        guessed=seconds is None,
        completion=await _completion(db, who, person),
    )


async def _completion(db: AsyncSession, who: Account, person: uuid.UUID) -> people.Completion | None:
    """What they take to their recruiter, once nothing is left to do."""
    completion = await people.completion_of(db, who.id)
    if completion is None or not await leases.has_finished(db, person, assignment.OF_JUDGES):
        return None
    return completion


@router.post("/next", name="judge_next")
async def take_next(who: Who, db: Db) -> Response:
    """Take a place, or go on with the one in hand."""
    if who.instructed_at is None:
        return RedirectResponse("/judge/instructions", status_code=303)
    found = await leases.claim(db, who.id, assignment.OF_JUDGES)
    if found is None:
        return RedirectResponse("/judge", status_code=303)
    kind, place = found
    to = _address(place) if kind is assignment.JUDGEMENTS else routes.address(place)
    return RedirectResponse(to, status_code=303)


def _address(judgement: uuid.UUID) -> str:
    return f"/judge/trial/{judgement}"


# ── the trial page ──────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/trial/{judgement_id}", name="judge_trial")
async def trial(request: Request, who: Who, judgement_id: uuid.UUID, read: bool = False) -> Response:
    """The trial as far as it is revealed, and the belief asked for now; thanks where it is finished.

    Where the arm has examples they come first, on a page of their own that no clock counts, until they were `read`.
    """
    async with _database(request).session.begin() as db:
        mine = await _mine(db, who, judgement_id)
        if mine.state == "done":
            return await _thanks(request, db, who, mine)
        await assignment.prolong(db, mine.id, _person(who))
        desk = await _desk(request, db, mine)
        examples = desk.examples if desk else []
        if examples and not read and EXAMPLES_READ not in mine.flags:
            await leases.flag(db, assignment.JUDGEMENTS, mine.id, {EXAMPLES_SHOWN: True})
            return _examples_page(request, mine, examples)
        if examples and EXAMPLES_READ not in mine.flags:
            await leases.flag(db, assignment.JUDGEMENTS, mine.id, {EXAMPLES_READ: True})
        clock = await _clock(db, mine)
        entered = await drafts.find(db, drafts.of_judgement(mine.id))
    if desk is None or not desk.due:
        return await _finished(request, who, mine)
    ask, view = desk.due[0]
    if ask.kind == "mark":
        return _marks_page(request, mine, desk.due, entered.get(MARKING, {}))
    entry = trial_page.entry(mine, view, entered.get(ask.path, {}), _beliefs(desk))
    return _trial_page(request, mine, desk, entry, clock)


def _examples_page(request: Request, mine: Held, examples: Sequence[Example]) -> Response:
    misled = [trial_page.misled(example) for example in examples]
    return page(request, "pages/judge_examples.html", id=mine.id, examples=misled)


async def _finished(request: Request, who: Account, mine: Held) -> Response:
    """Nothing is asked any more: where the server died after the last answer and before the verdict, make that now."""
    engine: Engine = request.app.state.engine
    await engine.advance_judgement(mine.id)
    async with _database(request).session.begin() as db:
        mine = await _mine(db, who, mine.id)
        if mine.state == "done":
            return await _thanks(request, db, who, mine)
    return RedirectResponse("/judge", status_code=303)


async def _mine(db: AsyncSession, who: Account, judgement: uuid.UUID) -> Held:
    """A judgement of theirs that can be read; others do not exist for them."""
    mine = await assignment.held(db, judgement, who.participant_id)
    if mine is None:
        raise Refused(404, "There is no such trial among yours: go to the start for the next one.")
    if mine.state == "returned":
        raise Refused(410, "This trial went back to the others: go to the start for the next one.")
    if mine.cancelled and mine.state != "done":
        raise Refused(
            410, "This study has ended, so this trial is not needed any more. Thank you for your work."
        )
    if mine.state == "failed":
        raise Refused(409, "This trial cannot go on: go to the start for the next one.")
    return mine


def _person(who: Account) -> uuid.UUID:
    assert who.participant_id is not None
    return who.participant_id


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _clock(db: AsyncSession, mine: Held) -> Clock | None:
    return None if mine.seconds is None else await timing.clock(db, mine.id, mine.seconds)


def _beliefs(desk: Desk) -> list[Belief]:
    """The beliefs that the judge gave on the trial so far, oldest first."""
    return [content for content in desk.given if isinstance(content, Belief)]


async def _desk(request: Request, db: AsyncSession, mine: Held, *, lock: bool = False) -> Desk | None:
    engine: Engine = request.app.state.engine
    try:
        return await engine.desk(db, mine.id, lock=lock)
    except ProtocolError as error:
        raise Refused(
            409, "This trial cannot be shown any more: give it back, or tell whoever invited you."
        ) from error


def _trial_page(
    request: Request,
    mine: Held,
    desk: Desk,
    entry: Entry,
    clock: Clock | None,
    error: str | None = None,
) -> Response:
    shown = trial_page.shown(mine, *desk.due[0], _beliefs(desk), entry)
    status = 422 if error else 200
    examples = [trial_page.misled(example) for example in desk.examples]
    also = {"clock": clock, "examples": examples, "error": error}
    return page(request, "pages/judge_trial.html", status=status, **shown, **also)


# ── saving and submitting ───────────────────────────────────────────────────────────────────────────────────────


@router.post("/trial/{judgement_id}/draft", name="judge_draft")
async def draft(who: Who, db: Db, judgement_id: uuid.UUID, sent: SentDraft) -> Response:
    """Keep what was entered so far, and the place."""
    kept = await _keep(db, who, await _mine(db, who, judgement_id), sent)
    return JSONResponse({"saved": sent.at if kept else None})


async def _keep(db: AsyncSession, who: Account, mine: Held, sent: Sent) -> bool:
    """Save what was entered and prolong the lease; False where it is not (or no longer) asked of this person."""
    steps = range(mine.steps + 1) if mine.each_step else (mine.steps,)
    asked = {*(place(0, step) for step in steps), *([MARKING] if mine.marks else [])}
    return (
        sent.path in asked
        and await assignment.prolong(db, mine.id, _person(who))
        and await drafts.save(
            db, drafts.of_judgement(mine.id), who.id, sent.path, sent.content, sent.effort(mine)
        )
    )


@router.post("/trial/{judgement_id}", name="judge_submit")
async def submit(
    request: Request, who: Who, judgement_id: uuid.UUID, sent: Annotated[Sent, Form()]
) -> Response:
    """Put a belief on record, once however often it is sent; what is asked no more leads to what is asked now."""
    onward = RedirectResponse(f"{_address(judgement_id)}#new", status_code=303)
    async with _database(request).session.begin() as db:
        mine = await _mine(db, who, judgement_id)
        # Before anything else: what was sent is safe now, and the place is theirs while it is put on record.
        if not await _keep(db, who, mine, sent):
            return onward
        # A page of marks does not ask whether they know the story: it stays as it was said before.
        if sent.path != MARKING and sent.knows_story != bool(mine.flags.get("knows_story")):
            await leases.flag(db, assignment.JUDGEMENTS, mine.id, {"knows_story": sent.knows_story})
        clock = await _clock(db, mine)
        patient = await people.within_limit(db, f"submit/{who.id}", SUBMITS, seconds=60)
    if not patient:
        raise Refused(429, "That was a lot in one minute: wait a moment and submit again; it is saved.")
    async with _database(request).session.begin() as db:
        desk = await _desk(request, db, mine, lock=True)
        if desk is None:
            return onward
        if sent.path == MARKING:
            refusal = await _put_marks(request, db, who, mine, desk, sent)
        else:
            refusal = await _put_belief(request, db, who, mine, desk, sent, clock)
    return refusal or onward


async def _put_belief(
    request: Request, db: AsyncSession, who: Account, mine: Held, desk: Desk, sent: Sent, clock: Clock | None
) -> Response | None:
    """Put a belief on record; the page again where it cannot be taken as it is."""
    if not desk.due or desk.due[0][0].path != sent.path:
        return None
    ask, view = desk.due[0]
    shares = sent.shares(len(view.answers))
    error = trial_page.mistake(shares, sent.reason, trial_page.is_final(mine, ask))
    if error or shares is None:
        return _trial_page(request, mine, desk, sent.kept(view), clock, error)
    if trial_page.is_final(mine, ask):
        await timing.stop(db, mine.id)
    belief = trial_page.belief(view, shares, sent.entry.reason)
    await _record(request, db, who, desk, sent.path, {ask.path: belief})
    return None


async def _put_marks(
    request: Request, db: AsyncSession, who: Account, mine: Held, desk: Desk, sent: Sent
) -> Response | None:
    """Put on record what is said of each point; all of them at once, so that nobody goes back after a first impression."""
    due = [(ask, view) for ask, view in desk.due if ask.kind == "mark"]
    marked = sent.marked
    points = {ask.path: trial_page.asked_mark(ask).point for ask, _ in due}
    if any(point not in marked for point in points.values()):
        return _marks_page(request, mine, due, sent.content, "Accept or reject every point.")
    picks = {path: Pick(index=MARKS.index(marked[point])) for path, point in points.items()}
    if picks:
        await _record(request, db, who, desk, MARKING, picks)
    return None


async def _record(
    request: Request,
    db: AsyncSession,
    who: Account,
    desk: Desk,
    entered: str,
    contents: Mapping[str, AnyContent],
) -> None:
    """Put what was entered at one path on record, by the paths of what it answers."""
    engine: Engine = request.app.state.engine
    await engine.submit(db, desk, contents)
    await drafts.close(db, drafts.of_judgement(desk.judgement.id), entered)
    await people.note(db, who.id, "submitted", "judgement", desk.judgement.id, {"path": entered})


def _marks_page(
    request: Request,
    mine: Held,
    due: Sequence[tuple[Ask, View]],
    entered: Mapping[str, Any],
    error: str | None = None,
) -> Response:
    shown = trial_page.to_mark(mine, due, entered)
    return page(request, "pages/judge_marks.html", status=422 if error else 200, **shown, error=error)


# ── giving it back ──────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/trial/{judgement_id}/return", name="judge_return_form")
async def return_form(request: Request, who: Who, db: Db, judgement_id: uuid.UUID) -> Response:
    """Ask whether they mean it."""
    mine = await _mine(db, who, judgement_id)
    if mine.state == "done":
        return RedirectResponse(_address(judgement_id), status_code=303)
    entered = (await drafts.find(db, drafts.of_judgement(mine.id))).values()
    knows = mine.flags.get("knows_story") or any(content.get("knows_story") for content in entered)
    return page(request, "pages/judge_return.html", id=mine.id, knows_story=knows)


@router.post("/trial/{judgement_id}/return", name="judge_return")
async def give_back(
    who: Who, db: Db, judgement_id: uuid.UUID, knows_story: Annotated[bool, Form()] = False
) -> Response:
    """Let somebody else have it; pressed again, or after it was submitted, it changes nothing."""
    mine = await assignment.held(db, judgement_id, who.participant_id)
    if mine is None:
        raise Refused(404, "There is no such trial among yours: go to the start for the next one.")
    await assignment.give_back(db, mine.id, who, {"knows_story": knows_story})
    return RedirectResponse("/judge", status_code=303)


# ── afterwards ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _thanks(request: Request, db: AsyncSession, who: Account, mine: Held) -> Response:
    person = _person(who)
    verdicts = await assignment.told(db, person, mine.id)
    return page(
        request,
        "pages/judge_done.html",
        id=mine.id,
        told=feedback.feedback(verdicts[0], mine.order) if verdicts else None,
        left=await leases.left(db, person, assignment.OF_JUDGES),
        completion=await _completion(db, who, person),
    )


@router.get("/calibration", name="judge_calibration")
async def calibration(request: Request, who: Who, db: Db) -> Response:
    """How often this judge was right when this sure, of the verdicts that they may be told about."""
    verdicts = await assignment.told(db, who.participant_id)
    return page(request, "pages/judge_calibration.html", **feedback.calibration(verdicts))
