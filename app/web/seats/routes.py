"""What people in seats meet: the page of a turn and its autosave, submitting, giving a seat back; and the debaters' queue.

Everything about a play comes from the views of one's own seat; nothing here knows an arm, another's author or a right
answer, nor whether the others are models or people, but for what the records allow a judge to be shown afterwards.
"""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Engine, Turn
from app.judge_fields import FieldMoment, FieldValue, JudgeField, fields_at, latest, read_fields
from app.languages import gettext as _
from app.languages import marked
from app.protocols.core import ProtocolError
from app.records import assignment, drafts, live, people, presence, seats, timing, truth
from app.records.database import Database
from app.records.eligibility import MOST
from app.records.presence import Presence, Room
from app.records.seats import Held
from app.records.timing import Clock
from app.services import overdue
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.services.seat_answers import CheckedAnswers, Sent, counts, is_final, read, taken
from app.web.judge import feedback
from app.web.judge.completion import completion_for
from app.web.participation import items
from app.web.render import page
from app.web.seats import turn_page
from app.web.security.middleware import Db, Who
from models import Account

router = APIRouter()
SUBMITS = 30
"""Times that one person may send something in a minute."""
TOO_MANY = marked("Not sent: that was a lot in one minute. Wait a moment and send it again; it is saved.")
EXAMPLES_SHOWN, EXAMPLES_READ = "examples_shown", "examples_read"
"""Among a seat's flags: its holder was shown what is false of other texts, and has gone on from there to the trial."""
NOT_YOURS = marked("There is no such seat among yours: go to the start for the next one.")
UNREADABLE = marked("This form is not as the page made it: load the page again; what was saved is there.")


# ── the debaters' instructions and queue ────────────────────────────────────────────────────────────────────────


@router.get("/talk/instructions", name="talk_instructions")
async def instructions(request: Request, who: Who) -> Response:
    """What arguing is, and how quotes are checked."""
    return page(request, "pages/talk_instructions.html")


@router.post("/talk/instructions", name="talk_instructed")
async def instructed(who: Who, db: Db) -> Response:
    """They have read them."""
    await seats.instructed(db, who.id)
    return RedirectResponse("/talk", status_code=303)


@router.get("/talk", name="talk_queue")
async def queue(request: Request, who: Who, db: Db) -> Response:
    """The talks in hand: those in which they are awaited, and those that wait for others; and how many more there are."""
    if who.for_study:
        return RedirectResponse("/part", status_code=303)
    if who.instructed_at is None:
        return RedirectResponse("/talk/instructions", status_code=303)
    person = await people.participant_of(db, who)
    return page(
        request,
        "pages/talk_queue.html",
        talks=await seats.in_hand(db, person),
        left=await assignment.left(db, person, who.role),
        most=MOST,
    )


@router.post("/talk/next", name="talk_next")
async def take_next(who: Who, db: Db) -> Response:
    """Sit down in a talk, or go on with one in which they are awaited."""
    if who.for_study:
        return RedirectResponse("/part", status_code=303)
    if who.instructed_at is None:
        return RedirectResponse("/talk/instructions", status_code=303)
    found = await assignment.claim(db, who.id, who.role)
    return RedirectResponse(address(found) if found else "/talk", status_code=303)


def address(seat: uuid.UUID) -> str:
    """Where the turn of a seat is."""
    return f"/seat/{seat}"


# ── the page of a turn ──────────────────────────────────────────────────────────────────────────────────────────


@router.get("/seat/{seat_id}", name="seat")
async def seat(request: Request, who: Who, seat_id: uuid.UUID, read: bool = False) -> Response:
    """The play as far as this seat sees it, and what it is asked now; nothing new is an empty answer to a page that waits.

    A judging that is over thanks its judge. Where the arm has examples they come first, on a page that no clock counts,
    until they were `read`. A talk of a study that lacks a person shows its waiting room.
    """
    if step := await items.step_at(request, who, seat_id):
        return await items.shown(request, who, step)
    shown = await _seat(request, who, seat_id, read)
    if shown is None:
        await overdue.settle(_engine(request), _database(request), seat_id)
        shown = await _seat(request, who, seat_id, read)
    return shown or RedirectResponse(address(seat_id), status_code=303)


async def _seat(request: Request, who: Account, seat_id: uuid.UUID, read: bool) -> Response | None:
    """The page; None where the time for the turn is over, and that is to be seen to first."""
    async with _database(request).session.begin() as db:
        standing = await items.standing(db, who)
        judges = who.role == "judge"
        if standing.over and (judges or await seats.held(db, seat_id, who.participant_id) is None):
            return RedirectResponse("/part", status_code=303)
        held = await _mine(db, who, seat_id, let_go=True)
        if held.late and not held.over:
            return None
        if held.state == "returned":
            return page(request, "pages/turn_unmatched.html", id=held.id)
        if standing.over:
            return RedirectResponse("/part", status_code=303)
        if held.judging and held.over == "done":
            return await _thanks(request, db, who, held)
        others = await _others(db, who, held)
        if await _in_waiting_room(db, held):
            return _waiting_room(request, held, await presence.room(db, held.id))
        if _brings_nothing(request, held):
            return Response(status_code=204)
        turn = await _turn(request, db, held)
        kept = await assignment.keep(db, held.id, _person(who), turn=held.judging or bool(turn.due))
        if turn.due and not kept and not held.over:
            return None  # It went on, or ended, since it was looked at.
        held = await _timed(db, who, held, turn)
        unread = bool(turn.examples) and EXAMPLES_READ not in held.flags
        if unread:
            await assignment.flag(db, held.id, {EXAMPLES_READ if read else EXAMPLES_SHOWN: True})
        clock = None if unread and not read else await _clock(db, held)
        entered = await drafts.find(db, held.id)
    if unread and not read:
        return _examples_page(request, held, turn)
    if held.judging and not turn.due:
        return await _finished(request, who, held)
    return await _turn_page(request, held, turn, entered, clock, others, place=standing.place)


async def _timed(db: AsyncSession, who: Account, held: Held, turn: Turn) -> Held:
    """Let the time of a turn in a study begin, where the page comes before the worker who would begin it."""
    if held.judging or not held.enrolled or not turn.due or held.time is not None:
        return held
    whole = await live.begin(db, held.id, _person(who))
    now = await _held(db, who, held.id)
    if whole is None or now.time is None:
        return held
    return replace(held, time=min(now.time, whole.total_seconds()), grace=now.grace)


def _brings_nothing(request: Request, held: Held) -> bool:
    """Whether a page that waits for its turn still does; one of a waiting room has left that."""
    waits = "hx-request" in request.headers and "room" not in request.query_params
    return waits and not held.turn and not held.over


async def _others(db: AsyncSession, who: Account, held: Held) -> Presence | None:
    """Note that the page of a talk is open; return who else is there, as far as that is shown."""
    if held.judging or held.over:
        return None
    return await presence.others(db, held.id, _person(who))


async def _in_waiting_room(db: AsyncSession, held: Held) -> bool:
    waits = held.enrolled and held.unmatched and not held.judging and not held.over
    return waits and await _shows_presence(db, held)


async def _shows_presence(db: AsyncSession, held: Held) -> bool:
    return held.experiment is not None and await live.shows_presence(db, held.experiment)


def _waiting_room(request: Request, held: Held, room: Room) -> Response:
    """The waiting room; an empty answer to a page that shows the same already."""
    minutes = max(1, math.ceil(room.left / 60))
    now = f"{room.people}-{minutes}"
    if "hx-request" in request.headers and request.query_params.get("room") == now:
        return Response(status_code=204)
    return page(request, "pages/waiting_room.html", id=held.id, room=room, minutes=minutes, now=now)


@router.get("/seat/{seat_id}/others", name="seat_others")
async def seat_others(request: Request, who: Who, db: Db, seat_id: uuid.UUID) -> Response:
    """Who else is there in a talk, as far as that is shown; asked by an open page every so often."""
    found = None
    item = await items.step_at(request, who, seat_id) is not None or await items.over(db, who)
    if not item and (found := await presence.others(db, seat_id, _person(who))) is None:
        await _held(db, who, seat_id)  # refuses a seat that is not theirs
    return page(request, "fragments/_turn_others.html", id=seat_id, others=found)


def _examples_page(request: Request, held: Held, turn: Turn) -> Response:
    examples = [turn_page.misled(example) for example in turn.examples]
    return page(request, "pages/judge_examples.html", id=held.id, examples=examples)


async def _finished(request: Request, who: Account, held: Held) -> Response:
    """Nothing is asked any more: where the server died after the last answer and before the verdict, make that now."""
    engine: Engine = request.app.state.engine
    await engine.advance(held.play)
    async with _database(request).session.begin() as db:
        held = await _mine(db, who, held.id)
        if held.over == "done":
            return await _thanks(request, db, who, held)
    return RedirectResponse("/judge", status_code=303)


async def _turn_page(
    request: Request,
    held: Held,
    turn: Turn,
    entered: Mapping[str, Mapping[str, Any]],
    clock: Clock | None,
    others: Presence | None,
    outcome: CheckedAnswers | None = None,
    confirmed: str = "",
    place: tuple[str, int, int] | None = None,
    refused: Refused | None = None,
) -> Response:
    if turn.prompts.is_shipped:
        shown = turn_page.shown(held, turn, entered, outcome)
    else:  # Templates from outside may take a second, during which others are served.
        shown = await run_in_threadpool(turn_page.shown, held, turn, entered, outcome)
    also = {"clock": clock, "confirmed": confirmed, "others": others, "place": place}
    if refused:
        shown["notice"] = refused.sentence
    status = refused.status if refused else 422 if outcome else 200
    return page(request, "pages/turn.html", status=status, **shown, **also)


async def _mine(db: AsyncSession, who: Account, seat_id: uuid.UUID, *, let_go: bool = False) -> Held:
    """A seat of theirs that can be seen, with `let_go` also one in which no partner came; others do not exist for them."""
    held = await _held(db, who, seat_id)
    if held.state == "returned" and let_go and held.flags.get(live.NO_PARTNER):
        return held
    if held.abandoned and not await _shows_presence(db, held):
        # That a person left would tell that there was one.
        held = replace(held, abandoned=False)
    if held.left_as == "absent":
        raise Refused(
            410,
            _(
                "Your time for this turn was over, and the talk went on without you: go to the start for the next one."
            ),
        )
    if held.state == "returned":
        raise Refused(410, _(items.GONE))
    if held.judging and held.over == "cancelled":
        raise Refused(
            410, _("This study has ended, so this trial is not needed any more. Thank you for your work.")
        )
    if held.judging and held.over == "failed":
        raise Refused(409, _("This trial cannot go on: go to the start for the next one."))
    return held


async def _held(db: AsyncSession, who: Account, seat_id: uuid.UUID) -> Held:
    held = await seats.held(db, seat_id, who.participant_id)
    if held is None:
        raise Refused(404, _(NOT_YOURS))
    return held


def _person(who: Account) -> uuid.UUID:
    """The participant that they are. Raise Refused for an account that never took a seat, as for a seat that is not theirs."""
    if who.participant_id is None:
        raise Refused(404, _(NOT_YOURS))
    return who.participant_id


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _clock(db: AsyncSession, held: Held) -> Clock | None:
    return None if held.seconds is None else await timing.clock(db, held.id, held.seconds)


async def _turn(request: Request, db: AsyncSession, held: Held, *, lock: bool = False) -> Turn:
    engine: Engine = request.app.state.engine
    try:
        turn = await engine.turn(db, held.id, lock=lock)
    except ProtocolError as error:
        raise Refused(
            409, _("This cannot be shown any more: give it back, or write to the person who invited you.")
        ) from error
    if turn is None:
        raise Refused(410, _(items.GONE))
    return turn


# ── saving and submitting ───────────────────────────────────────────────────────────────────────────────────────


@router.post("/seat/{seat_id}/draft", name="seat_draft")
async def draft(request: Request, who: Who, db: Db, seat_id: uuid.UUID, sent: Sent) -> Response:
    """Keep what was entered so far, and the seat; say how its quotes were found."""
    if step := await items.step_at(request, who, seat_id):
        return await items.save(request, who, step, sent)
    if await items.over(db, who):
        return JSONResponse(dict(items.NOT_SAVED))
    held = await _mine(db, who, seat_id)
    turn = await _turn(request, db, held)
    kept = await _keep(db, who, turn, sent)
    why = {} if kept else {"over": held.over}
    return JSONResponse({"saved": sent.at if kept else None, "counts": counts(turn, sent), **why})


async def _keep(db: AsyncSession, who: Account, turn: Turn, sent: Sent) -> bool:
    """Save what was entered and prolong the lease; False where it is not (or no longer) asked of this person."""
    seat = turn.seat
    if not sent.answers_to(turn) or not await assignment.keep(db, seat.id, _person(who)):
        return False
    efforts, signals = sent.efforts_at(turn), sent.signals_at(turn)
    for number, (path, content) in enumerate(sent.entered.items()):
        put_in = ({}, {}) if number else (efforts, signals)
        if not await drafts.save(db, seat.id, seat.play_id, who.id, path, content, *put_in):
            return False
    return True


@router.post("/seat/{seat_id}", name="seat_submit")
async def submit(request: Request, who: Who, seat_id: uuid.UUID) -> Response:
    """Store the answers to what is asked now, once however often they are sent. An answer to an earlier ask leads to the present one."""
    sent = await _sent(request)
    if step := await items.step_at(request, who, seat_id):
        return await items.submit(request, who, step, sent, SUBMITS, _(TOO_MANY))
    async with _database(request).reading() as db:
        if await items.over(db, who):
            return RedirectResponse(f"{address(seat_id)}#new", status_code=303)
        place = (await items.standing(db, who)).place
        held = await _mine(db, who, seat_id)
    if held.late and not held.over:
        await overdue.settle(_engine(request), _database(request), seat_id)
        return RedirectResponse(address(seat_id), status_code=303)
    async with _database(request).session.begin() as db:
        onward = RedirectResponse(f"{address(seat_id)}#{'new' if held.judging else 'now'}", status_code=303)
        turn = await _turn(request, db, held)
        # Before anything else: what was sent is safe now, and the seat is theirs while it is stored.
        if not await _keep(db, who, turn, sent):
            return onward
        asked = turn_page.fields_asked(held, turn)
        changed = {
            it.name: sent.fields[it.name] for it in asked if sent.fields[it.name] != latest(it, held.flags)
        }
        if changed:
            await assignment.flag(db, held.id, changed)
        clock, others = await _clock(db, held), await _others(db, who, held)
    try:
        await limited(_database(request), f"submit/{who.id}", SUBMITS, _(TOO_MANY))
    except Refused as refused:
        return await _turn_page(
            request, held, turn, sent.entered, clock, others, place=place, refused=refused
        )
    async with _database(request).session.begin() as db:
        turn = await _turn(request, db, held, lock=True)
        if not sent.answers_to(turn):  # another tab was quicker
            return onward
        outcome = taken(turn, sent)
        stored = not outcome.errors and (not outcome.doubts or sent.confirmed == sent.digest)
        if stored:
            await _record(request, db, who, turn, outcome)
    if stored:
        return onward
    # The page is made after the transaction, so that the seat is not locked meanwhile.
    confirmed = "" if outcome.errors else sent.digest
    return await _turn_page(request, held, turn, sent.entered, clock, others, outcome, confirmed, place)


async def _sent(request: Request) -> Sent:
    form = await request.form()
    pairs = [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    try:
        return Sent.model_validate(read(pairs))
    except ValidationError as error:
        raise Refused(422, _(UNREADABLE)) from error


async def _record(
    request: Request, db: AsyncSession, who: Account, turn: Turn, outcome: CheckedAnswers
) -> None:
    engine: Engine = request.app.state.engine
    if any(is_final(turn, ask) for ask, _ in turn.due):
        await timing.stop(db, turn.seat.id)
    await engine.submit(db, turn, outcome.contents)
    for path in outcome.contents:
        if await drafts.close(db, turn.seat.id, path):
            await people.note(db, who.id, "submitted", "seat", turn.seat.id, {"path": path})


# ── giving it back ──────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/seat/{seat_id}/return", name="seat_return_form")
async def return_form(request: Request, who: Who, db: Db, seat_id: uuid.UUID) -> Response:
    """Ask whether they mean it."""
    if step := await items.step_at(request, who, seat_id):
        return await items.return_form(request, who, step)
    if await items.over(db, who):
        return RedirectResponse("/part", status_code=303)
    held = await _mine(db, who, seat_id)
    if held.judging and held.over == "done":
        return RedirectResponse(address(seat_id), status_code=303)
    entered = (await drafts.find(db, held.id)).values()
    fields = fields_at(FieldMoment.RETURN) if held.judges else []
    return page(
        request,
        "pages/seat_return.html",
        id=held.id,
        judging=held.judging,
        fields=[(field, latest(field, held.flags, *entered)) for field in fields],
    )


@router.post("/seat/{seat_id}/return", name="seat_return")
async def give_back(request: Request, who: Who, db: Db, seat_id: uuid.UUID) -> Response:
    """Let another person go on in their place; pressed again, or after the end, it changes nothing."""
    if step := await items.step_at(request, who, seat_id):
        await _returned(request, fields_at(FieldMoment.RETURN))
        return await items.give_back(request, who, step)
    if await items.over(db, who):
        await _returned(request, fields_at(FieldMoment.RETURN))
        return RedirectResponse("/part", status_code=303)
    held = await _held(db, who, seat_id)
    flags = await _returned(request, fields_at(FieldMoment.RETURN) if held.judges else [])
    await assignment.give_back(db, held.id, who, flags)
    return RedirectResponse("/part" if who.for_study else "/judge" if held.judging else "/", status_code=303)


async def _returned(request: Request, fields: Sequence[JudgeField]) -> dict[str, FieldValue]:
    """What was marked when a seat was given back. Raise Refused."""
    try:
        return read_fields(await request.form(), fields)
    except ValueError as error:
        raise Refused(422, _(UNREADABLE)) from error


# ── afterwards ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _thanks(request: Request, db: AsyncSession, who: Account, held: Held) -> Response:
    person = _person(who)
    verdicts = await truth.revealed(db, person, held.id)
    later = not verdicts and await truth.waits(db, person)
    if who.for_study and not verdicts:
        return RedirectResponse("/part", status_code=303)
    return page(
        request,
        "pages/judge_done.html",
        id=held.id,
        known=feedback.shown(verdicts[0], await truth.why(db, held.id)) if verdicts else None,
        later=later,
        left=await assignment.left(db, person, "judge"),
        completion=await completion_for(db, who, person),
    )
