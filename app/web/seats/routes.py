"""What people in the seats of a talk meet: instructions, queue, the talk page and its autosave, giving a seat back.

Everything about a talk comes from the views of one's own seat; nothing here knows an arm, another's author or a right
answer, nor whether the others are models or people.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Engine, Turn
from app.protocols.core import ProtocolError, RuleChanged
from app.records import assignment, drafts, people, seats
from app.records.database import Database
from app.records.eligibility import MOST
from app.records.seats import Held
from app.web.render import page
from app.web.seats import talk_page
from app.web.seats.talk_page import CheckedAnswers, Sent
from app.web.security.middleware import Db, Refused, Who
from app.web.security.rate_limit import limited
from models import Account

router = APIRouter(prefix="/talk")
SUBMITS = 30
"""Times that one person may send something in a minute."""
NONE_SUCH = "There is no such talk among yours: go to the start for the next one."
UNREADABLE = "This form is not as the page made it: load the page again; what was saved is there."


# ── instructions and queue ──────────────────────────────────────────────────────────────────────────────────────


@router.get("/instructions", name="talk_instructions")
async def instructions(request: Request, who: Who) -> Response:
    """What arguing is, and how quotes are checked."""
    return page(request, "pages/talk_instructions.html")


@router.post("/instructions", name="talk_instructed")
async def instructed(who: Who, db: Db) -> Response:
    """They have read them."""
    await seats.instructed(db, who.id)
    return RedirectResponse("/talk", status_code=303)


@router.get("", name="talk_queue")
async def queue(request: Request, who: Who, db: Db) -> Response:
    """The talks in hand: those in which they are awaited, and those that wait for others; and how many more there are."""
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


@router.post("/next", name="talk_next")
async def take_next(who: Who, db: Db) -> Response:
    """Sit down in a talk, or go on with one in which they are awaited."""
    if who.instructed_at is None:
        return RedirectResponse("/talk/instructions", status_code=303)
    found = await assignment.claim(db, who.id, who.role)
    return RedirectResponse(address(found) if found else "/talk", status_code=303)


def address(place: uuid.UUID) -> str:
    """Where the talk is in which somebody holds a seat."""
    return f"/talk/seat/{place}"


# ── the talk page ───────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/seat/{seat_id}", name="talk")
async def talk(request: Request, who: Who, seat_id: uuid.UUID) -> Response:
    """The talk as far as this seat sees it, and what it is asked now; nothing new is an empty answer to a page that waits."""
    async with _database(request).reading() as db:
        held = await _mine(db, who, seat_id)
        entered = await drafts.find(db, held.id)
    if request.headers.get("hx-request") and not held.turn and not held.over:
        return Response(status_code=204)
    async with _database(request).session.begin() as db:
        turn = await _turn(request, db, held)
        await assignment.keep(db, held.id, _person(who), turn=bool(turn.due))
    return page(request, "pages/talk.html", **talk_page.shown(held, turn, entered), confirmed="")


async def _mine(db: AsyncSession, who: Account, seat: uuid.UUID) -> Held:
    """A seat of theirs that can be seen; others do not exist for them."""
    held = await seats.held(db, seat, who.participant_id)
    if held is None or held.judging:
        raise Refused(404, NONE_SUCH)
    if held.state == "returned":
        raise Refused(410, "Your seat in this talk went to somebody else: go to the start for the next one.")
    return held


def _person(who: Account) -> uuid.UUID:
    assert who.participant_id is not None
    return who.participant_id


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _turn(request: Request, db: AsyncSession, held: Held, *, lock: bool = False) -> Turn:
    engine: Engine = request.app.state.engine
    try:
        turn = await engine.turn(db, held.id, lock=lock)
    except ProtocolError as error:
        raise Refused(
            409, "This talk cannot be shown any more: give it back, or tell whoever invited you."
        ) from error
    if turn is None:
        raise Refused(404, NONE_SUCH)
    return turn


# ── saving and submitting ───────────────────────────────────────────────────────────────────────────────────────


@router.post("/seat/{seat_id}/draft", name="talk_draft")
async def draft(request: Request, who: Who, seat_id: uuid.UUID, sent: Sent) -> Response:
    """Keep what was entered so far, and the seat; tell how its quotes were found."""
    async with _database(request).reading() as db:
        held = await _mine(db, who, seat_id)
        turn = await _turn(request, db, held)
    kept = await _keep(request, who, held, turn, sent)
    return JSONResponse({"saved": sent.at if kept else None, "counts": talk_page.counts(turn, sent)})


async def _keep(request: Request, who: Account, held: Held, turn: Turn, sent: Sent) -> bool:
    """Save what was entered and prolong the lease; False where it is not (or no longer) asked of this person."""
    due = {ask.path for ask, _ in turn.due}
    if not due or not {answer.path for answer in sent.answers} <= due:
        return False
    async with _database(request).session.begin() as db:
        if not await assignment.keep(db, held.id, _person(who)):
            return False
        for number, (path, content) in enumerate(sent.entered.items()):
            # Effort is put into the page as a whole: it stands with the first.
            efforts = {} if number else {path: sent.effort}
            if not await drafts.save(db, held.id, held.play, who.id, path, content, efforts):
                return False
    return True


@router.post("/seat/{seat_id}", name="talk_submit")
async def submit(request: Request, who: Who, seat_id: uuid.UUID) -> Response:
    """Put what is asked now on record, once however often it is sent; what is asked no more leads to what is asked now."""
    sent = await _sent(request)
    onward = RedirectResponse(f"{address(seat_id)}#now", status_code=303)
    async with _database(request).reading() as db:
        held = await _mine(db, who, seat_id)
        turn = await _turn(request, db, held)
    # Before anything else: what was sent is safe now, and the seat is theirs while it is put on record.
    if not await _keep(request, who, held, turn, sent):
        return onward
    await limited(
        request,
        f"submit/{who.id}",
        SUBMITS,
        "That was a lot in one minute: wait a moment and send it again; it is saved.",
    )
    outcome = talk_page.taken(turn, sent)
    if outcome.errors or (outcome.doubts and sent.confirmed != sent.digest):
        return _again(request, held, turn, sent.entered, outcome, sent.digest)
    if held.judges:
        async with _database(request).session.begin() as db:
            await assignment.flag(db, held.id, {"knows_story": sent.knows_story})
    await _record(request, who, held, outcome)
    return onward


async def _sent(request: Request) -> Sent:
    form = await request.form()
    pairs = [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    try:
        return Sent.model_validate(talk_page.read(pairs))
    except ValidationError as error:
        raise Refused(422, UNREADABLE) from error


def _again(
    request: Request,
    held: Held,
    turn: Turn,
    entered: Mapping[str, Mapping[str, Any]],
    outcome: CheckedAnswers,
    digest: str,
) -> Response:
    """The page with what was entered, to be mended, or to be sent as it is where nothing must be."""
    shown = talk_page.shown(held, turn, entered, outcome)
    confirmed = "" if outcome.errors else digest
    return page(request, "pages/talk.html", status=422, **shown, confirmed=confirmed)


async def _record(request: Request, who: Account, held: Held, outcome: CheckedAnswers) -> None:
    engine: Engine = request.app.state.engine
    async with _database(request).session.begin() as db:
        turn = await engine.turn(db, held.id, lock=True)
        if turn is None:
            return
        try:
            await engine.submit(db, turn, outcome.contents)
        except RuleChanged:  # another tab was quicker, or the seat went back meanwhile
            return
        for path in outcome.contents:
            if await drafts.close(db, held.id, path):
                await people.note(db, who.id, "submitted", "seat", held.id, {"path": path})


# ── giving it back ──────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/seat/{seat_id}/return", name="talk_return_form")
async def return_form(request: Request, who: Who, db: Db, seat_id: uuid.UUID) -> Response:
    """Ask whether they mean it."""
    held = await _mine(db, who, seat_id)
    entered = await drafts.find(db, held.id)
    return page(
        request, "pages/talk_return.html", id=held.id, knows_story=talk_page.knows_story(held, entered)
    )


@router.post("/seat/{seat_id}/return", name="talk_return")
async def give_back(
    who: Who, db: Db, seat_id: uuid.UUID, knows_story: Annotated[bool, Form()] = False
) -> Response:
    """Let somebody else go on in their place; pressed again, or after the end, it changes nothing."""
    held = await seats.held(db, seat_id, who.participant_id)
    if held is None or held.judging:
        raise Refused(404, NONE_SUCH)
    flags = {"knows_story": knows_story} if held.judges else {}
    await assignment.give_back(db, held.id, who, flags)
    return RedirectResponse("/", status_code=303)
