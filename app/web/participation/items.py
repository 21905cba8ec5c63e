"""Items of a study: made-up trials with a known answer, at addresses and on pages like those of trials.

Whatever is asked at such an address is answered as for a trial in the same state, and once the part is over all addresses
answer alike: so no status, header or redirect tells items from trials. What is entered, how long it takes and what was typed is stored as of a trial, with the study's steps.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Turn
from app.judge_fields import FieldMoment, FieldValue, fields_at, latest
from app.languages import gettext as _
from app.languages import marked
from app.protocols.core import Belief
from app.protocols.views import LETTERS
from app.records import enrolments
from app.records.database import Database
from app.records.drafts import SLACK, Effort, merged, totals
from app.records.study_look import Look, look_of
from app.records.timing import Clock
from app.services import participation
from app.services.participation import Part, part_of
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.services.seat_answers import CheckedAnswers, Sent, is_final, taken
from app.studies.spec import Item, Page
from app.web.markdown import rendered
from app.web.participation.item_view import answers_of, given_in, held_of, turn_of, with_belief
from app.web.participation.page_head import page_head
from app.web.render import page
from app.web.seats import turn_page
from models import Account, StudyStep

GONE = marked("Your seat went to another person: go to the start for the next one.")
NOT_SAVED: Mapping[str, Any] = {"saved": None, "counts": {}, "over": "done"}
"""What autosave is answered where nothing is asked any more."""
NO_EFFORT: Mapping[str, float] = asdict(Effort())


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person is in their study, for the page of a trial."""

    over: bool
    """Whether their part has ended."""
    place: tuple[str, int, int] | None
    """See `place_of`."""


async def step_at(request: Request, who: Account, address: uuid.UUID) -> StudyStep | None:
    """Return the item that a person was shown at this address; None where it is that of a trial, or of nothing."""
    if not who.for_study:
        return None
    database: Database = request.app.state.database
    async with database.session() as db:
        return await enrolments.step_at(db, who.id, address)


async def over(db: AsyncSession, who: Account) -> bool:
    """Return whether the part of a person who judges has ended."""
    if not who.for_study or who.role != "judge":
        return False
    part = await enrolments.of_account(db, who.id)
    return part is not None and part.ended_as is not None


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _onward() -> Response:
    return RedirectResponse("/part", status_code=303)


async def _opened(
    db: AsyncSession, who: Account, address: uuid.UUID, *, refused: bool = True
) -> tuple[Part, StudyStep, Item] | None:
    """Return part, step and item where it waits for an answer; None where it does not any more.

    One that was given back is `refused`, unless the part is over. Raise Refused.
    """
    part = await part_of(db, who)
    step = await enrolments.step_at(db, who.id, address, lock=True)
    if step is None or part.ended is not None:
        return None
    if refused and step.answers == participation.RETURNED:
        raise Refused(410, _(GONE))
    if step.submitted_at is not None:
        return None
    return part, step, participation.item_of(part.spec, step.item)


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────


async def shown(request: Request, who: Account, step: StudyStep) -> Response:
    """The page of an item, as of a trial; once it is answered, practice says why, and all else leads on."""
    async with _database(request).session.begin() as db:
        if (found := await _opened(db, who, step.address)) is not None:
            return await _page(request, db, *found)
        part = await part_of(db, who)
        if step.page == Page.PRACTICE and step.answers and "p" in step.answers and part.ended is None:
            return await _why(request, db, part, step)
    return _onward()


async def _page(
    request: Request,
    db: AsyncSession,
    part: Part,
    step: StudyStep,
    item: Item,
    sent: Sent | None = None,
    outcome: CheckedAnswers | None = None,
    refused: Refused | None = None,
) -> Response:
    look = await look_of(db, part.study.id)
    turn = _turn(item, step, look)
    entered = sent.entered if sent else ({turn.due[0][0].path: step.draft} if step.draft else {})
    held = held_of(step, item, look.seconds)
    content = turn_page.shown(held, turn, entered, outcome)
    place = await place_of(db, part)
    also = {"clock": _clock(step, look.seconds), "confirmed": "", "others": None, "place": place}
    if refused:
        content["notice"] = refused.sentence
    status = refused.status if refused else 422 if outcome else 200
    return page(request, "pages/turn.html", status=status, **content, **also)


def _turn(item: Item, step: StudyStep, look: Look) -> Turn:
    """What the page takes; an item's turn has all of it that a judge's page uses."""
    found = turn_of(item, together=look.together, each_step=look.each_step, given=given_in(step))
    return cast(Turn, found)


def _clock(step: StudyStep, seconds: int | None) -> Clock | None:
    if seconds is None:
        return None
    return Clock(seconds, seconds - (datetime.now(UTC) - step.shown_at).total_seconds())


async def place_of(db: AsyncSession, part: Part) -> tuple[str, int, int]:
    """Return what the trial or item in hand is called, its number, and of how many."""
    if part.page == Page.PRACTICE:
        practice = part.spec.pages.practice
        total = len(practice.items) if practice else 0
        return "practice", total - len(await participation.practice_left(db, part)) + 1, total
    progress = await participation.progress_of(db, part)
    return "trial", progress.number, progress.total


async def standing(db: AsyncSession, who: Account) -> Standing:
    """Return where a person is who looks at a trial; it says nothing of those who take part in no study."""
    if not who.for_study:
        return Standing(over=False, place=None)
    part = await part_of(db, who)
    return Standing(over=part.ended is not None, place=await place_of(db, part))


async def _why(request: Request, db: AsyncSession, part: Part, step: StudyStep) -> Response:
    """What was right in a practice item, and why."""
    item = participation.item_of(part.spec, step.item)
    assert step.answers is not None
    belief = zip(LETTERS, item.answers, step.answers["p"], strict=False)
    return page(
        request,
        "pages/part_practice_answer.html",
        page_head=page_head(part),
        question=item.question,
        answers=[(letter, text, p, at == item.right) for at, (letter, text, p) in enumerate(belief)],
        passed=step.passed,
        why=rendered(item.why),
        left=len(await participation.practice_left(db, part)),
    )


# ── saving, submitting, giving back ─────────────────────────────────────────────────────────────────────────────


async def save(request: Request, who: Account, step: StudyStep, sent: Sent) -> Response:
    """Keep what was entered so far."""
    async with _database(request).session.begin() as db:
        if (found := await _opened(db, who, step.address)) is None:
            return JSONResponse(dict(NOT_SAVED))
        kept = await _keep(db, *found, sent)
    return JSONResponse({"saved": sent.at, "counts": {}} if kept else {**NOT_SAVED, "over": ""})


async def _keep(db: AsyncSession, part: Part, step: StudyStep, item: Item, sent: Sent) -> bool:
    """Put what was entered and the effort on record; False where it is of another form."""
    look = await look_of(db, part.study.id)
    # However its speeches are grouped: that may change while the page is open.
    paths = {_turn(item, step, replace(look, together=so)).due[0][0].path for so in (True, False)}
    [*entered] = sent.entered.items()
    if len(entered) != 1 or entered[0][0] not in paths:
        return False
    content = entered[0][1]
    if int(content["at"]) >= int(step.draft.get("at", 0)):
        step.draft = {**{key: step.draft[key] for key in ("given", "flags") if key in step.draft}, **content}
    step.effort = _more(step, sent)
    return True


def _more(step: StudyStep, sent: Sent) -> dict[str, Any]:
    """The effort with that since the last save; no more active seconds than have passed since the item was shown."""
    total = Effort(**{**NO_EFFORT, **{key: step.effort[key] for key in NO_EFFORT if key in step.effort}})
    for put_in in sent.put_in:
        total += put_in
    passed = (datetime.now(UTC) - step.shown_at).total_seconds() + SLACK
    visits = merged(step.effort.get("visits", {}), sent.signals)
    signals = {"visits": visits, **totals(visits)} if visits else {}
    return {**asdict(total), "active_seconds": round(min(total.active_seconds, passed), 3), **signals}


async def submit(
    request: Request, who: Account, step: StudyStep, sent: Sent, most: int, sentence: str
) -> Response:
    """Store the belief, once however often it is sent, or say what is to be mended."""
    onward = RedirectResponse(f"/seat/{step.address}#new", status_code=303)
    async with _database(request).session.begin() as db:
        found = await _opened(db, who, step.address)
        if found is None or not await _keep(db, *found, sent):
            return onward
    refused = None
    try:
        await limited(_database(request), f"submit/{who.id}", most, sentence)
    except Refused as refusal:
        refused = refusal
    async with _database(request).session.begin() as db:
        found = await _opened(db, who, step.address)
        if found is None:
            return onward
        part, row, item = found
        if refused:
            return await _page(request, db, part, row, item, sent, refused=refused)
        look = await look_of(db, part.study.id)
        turn = _turn(item, row, look)
        if not sent.answers_to(turn):  # another tab was quicker
            return onward
        outcome = taken(turn, sent)
        if outcome.errors:
            return await _page(request, db, part, row, item, sent, outcome)
        await _record(db, part, row, turn, outcome, sent)
    return onward


async def _record(
    db: AsyncSession, part: Part, step: StudyStep, turn: Turn, outcome: CheckedAnswers, sent: Sent
) -> None:
    """Store a belief: the last one answers the item."""
    [(ask, _view)] = turn.due
    belief = outcome.contents[ask.path]
    assert isinstance(belief, Belief)
    if is_final(turn, ask):
        answers = answers_of(belief, _marked(sent), datetime.now(UTC), step)
        await participation.answer_item(db, part, step, answers)
    else:
        step.draft = with_belief(step, belief, _marked(sent))


def _marked(sent: Sent) -> dict[str, FieldValue]:
    """The fields of a judge that were marked."""
    asked = fields_at(FieldMoment.TURN, FieldMoment.VERDICT)
    return {field.name: sent.fields[field.name] for field in asked if sent.fields[field.name]}


async def return_form(request: Request, who: Account, step: StudyStep) -> Response:
    """Ask whether they mean it, as of a trial."""
    async with _database(request).session.begin() as db:
        if (found := await _opened(db, who, step.address)) is None:
            ended = (await part_of(db, who)).ended is not None
            return _onward() if ended else RedirectResponse(f"/seat/{step.address}", status_code=303)
        entered = found[1].draft
    fields = [
        (field, latest(field, entered, entered.get("flags", {}))) for field in fields_at(FieldMoment.RETURN)
    ]
    return page(request, "pages/seat_return.html", id=step.address, judging=True, fields=fields)


async def give_back(request: Request, who: Account, step: StudyStep) -> Response:
    """Leave it out, and go on; pressed again it changes nothing."""
    async with _database(request).session.begin() as db:
        if (found := await _opened(db, who, step.address, refused=False)) is not None:
            await participation.return_item(db, found[0], found[1])
    return _onward()
