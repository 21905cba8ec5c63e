"""Items of a study: made-up trials with a known answer, at addresses and on pages like those of trials.

What is entered, how long it takes and what was typed is stored as of a trial, with the study's steps.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Turn
from app.judge_fields import FieldMoment, FieldValue, fields_at
from app.protocols.core import Belief
from app.protocols.views import LETTERS
from app.records import enrolments
from app.records.database import Database
from app.records.drafts import SLACK, Effort, merged, totals
from app.records.study_look import look_of
from app.records.timing import Clock
from app.services import participation
from app.services.participation import Part, part_of
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.studies.spec import Item, Page
from app.web.markdown import rendered
from app.web.participation.item_view import answers_of, held_of, turn_of
from app.web.participation.page_head import page_head
from app.web.render import page
from app.web.seats import turn_page
from app.web.seats.sent import CheckedAnswers, Sent, taken
from models import Account, StudyStep

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


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _onward() -> Response:
    return RedirectResponse("/part", status_code=303)


async def _opened(db: AsyncSession, who: Account, address: uuid.UUID) -> tuple[Part, StudyStep, Item] | None:
    """Return part, step and item where it waits for an answer; None where it does not any more."""
    part = await part_of(db, who)
    step = await enrolments.step_at(db, who.id, address, lock=True)
    if step is None or part.ended is not None or step.submitted_at is not None:
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
    turn = _turn(item, together=look.together)
    entered = sent.entered if sent else ({turn.due[0][0].path: step.draft} if step.draft else {})
    held = held_of(step, item, look.seconds)
    content = turn_page.shown(held, turn, entered, outcome)
    place = await place_of(db, part)
    also = {"clock": _clock(step, look.seconds), "confirmed": "", "others": None, "place": place}
    if refused:
        content["notice"] = refused.sentence
    status = refused.status if refused else 422 if outcome else 200
    return page(request, "pages/turn.html", status=status, **content, **also)


def _turn(item: Item, *, together: bool) -> Turn:
    """What the page takes; an item's turn has all of it that a judge's page uses."""
    return cast(Turn, turn_of(item, together=together))


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
        found = await _opened(db, who, step.address)
        kept = found is not None and _keep(found[1], _path_of(found[2]), sent)
    why = {} if kept else {"over": "done"}
    return JSONResponse({"saved": sent.at if kept else None, "counts": {}, **why})


def _path_of(item: Item) -> set[str]:
    """Paths that the item can be asked at, however its speeches are grouped."""
    return {turn_of(item, together=together).due[0][0].path for together in (True, False)}


def _keep(step: StudyStep, paths: set[str], sent: Sent) -> bool:
    """Put what was entered and the effort on record; False where it is of another form."""
    [*entered] = sent.entered.items()
    if len(entered) != 1 or entered[0][0] not in paths:
        return False
    content = entered[0][1]
    if int(content["at"]) >= int(step.draft.get("at", 0)):
        step.draft = content
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
        if found is None or not _keep(found[1], _path_of(found[2]), sent):
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
        turn = _turn(item, together=look.together)
        outcome = taken(turn, sent)
        if outcome.errors:
            return await _page(request, db, part, row, item, sent, outcome)
        belief = outcome.contents[turn.due[0][0].path]
        assert isinstance(belief, Belief)
        answers = answers_of(belief, _marked(sent), datetime.now(UTC), row)
        await participation.answer_item(db, part, row, answers)
    return onward


def _marked(sent: Sent) -> dict[str, FieldValue]:
    """The fields of a judge that were marked."""
    asked = fields_at(FieldMoment.TURN, FieldMoment.VERDICT)
    return {field.name: sent.fields[field.name] for field in asked if sent.fields[field.name]}


async def return_form(request: Request, who: Account, step: StudyStep) -> Response:
    """Ask whether they mean it, as of a trial."""
    async with _database(request).session.begin() as db:
        if await _opened(db, who, step.address) is None:
            return _onward()
    fields = [(field, field.empty) for field in fields_at(FieldMoment.RETURN)]
    return page(request, "pages/seat_return.html", id=step.address, judging=True, fields=fields)


async def give_back(request: Request, who: Account, step: StudyStep) -> Response:
    """Leave it out, and go on."""
    async with _database(request).session.begin() as db:
        if (found := await _opened(db, who, step.address)) is not None:
            await participation.return_item(db, found[0], found[1])
    return _onward()
