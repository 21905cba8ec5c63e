"""What a judge meets beside the turns of their seats: the instructions, the queue, their calibration."""

from statistics import fmean

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.records import assignment, drafts, people, seats, truth
from app.statistics.scores import points
from app.web.judge import feedback
from app.web.judge.completion import completion_for
from app.web.render import page
from app.web.seats.routes import address
from app.web.seats.turn_page import score_table
from app.web.security.middleware import Db, Who

router = APIRouter(prefix="/judge")
GUESS_MINUTES = 6
"""How long a trial takes, as long as nothing is known of this person."""


# ── instructions and queue ──────────────────────────────────────────────────────────────────────────────────────


@router.get("/instructions", name="judge_instructions")
async def instructions(request: Request, who: Who) -> Response:
    """What judging is, with a worked example."""
    return page(
        request, "pages/judge_instructions.html", scores=score_table(), if_b=points(0.85), if_a=points(0.15)
    )


@router.post("/instructions", name="judge_instructed")
async def instructed(who: Who, db: Db) -> Response:
    """They have read them."""
    await seats.instructed(db, who.id)
    return RedirectResponse("/judge", status_code=303)


@router.get("", name="judge_queue")
async def queue(request: Request, who: Who, db: Db) -> Response:
    """The trial in hand, or how many are left and about how long one takes; who takes part in a study has a page of their own."""
    if who.for_study:
        return RedirectResponse("/part", status_code=303)
    if who.instructed_at is None:
        return RedirectResponse("/judge/instructions", status_code=303)
    person = await people.participant_of(db, who)
    in_hand = await seats.in_hand(db, person)
    seconds = await drafts.usual_seconds(db, person)
    return page(
        request,
        "pages/judge_queue.html",
        in_hand=next((held.id for held in in_hand if held.judging), None),
        left=await assignment.left(db, person, "judge"),
        talks=[held for held in in_hand if not held.judging],
        minutes=GUESS_MINUTES if seconds is None else max(1, round(seconds / 60)),
        guessed=seconds is None,
        completion=await completion_for(db, who, person),
    )


@router.post("/next", name="judge_next")
async def take_next(who: Who, db: Db) -> Response:
    """Take a place, or go on with the one in hand."""
    if who.for_study:
        return RedirectResponse("/part", status_code=303)
    if who.instructed_at is None:
        return RedirectResponse("/judge/instructions", status_code=303)
    found = await assignment.claim(db, who.id, "judge")
    return RedirectResponse(address(found) if found else "/judge", status_code=303)


# ── afterwards ──────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/feedback", name="judge_feedback")
async def results(request: Request, who: Who, db: Db) -> Response:
    """Show what was right, and why, for the verdicts of which this judge may know it."""
    verdicts = await truth.revealed(db, who.participant_id)
    results = [feedback.shown(verdict, await truth.why(db, verdict.seat)) for verdict in reversed(verdicts)]
    return page(
        request,
        "pages/judge_feedback.html",
        results=results,
        mean=fmean(result["points"] for result in results) if results else None,
        later=await truth.waits(db, who.participant_id),
    )


@router.get("/calibration", name="judge_calibration")
async def calibration(request: Request, who: Who, db: Db) -> Response:
    """Show how often this judge was right at each level of confidence, over the verdicts that may be shown."""
    verdicts = await truth.revealed(db, who.participant_id)
    return page(request, "pages/judge_calibration.html", **feedback.calibration(verdicts))
