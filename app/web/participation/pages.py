"""The pages of a study in their order: consent, instructions, comprehension, practice, trials, questionnaire, debriefing.

`/part` is where a person is now. A page that is not theirs now leads there, so that no page is passed by or passed twice.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import enrolments
from app.services import participation
from app.services.participation import Part, go_on, part_of
from app.studies.pages import Sent, read_comprehension, read_questionnaire
from app.studies.spec import Comprehension, End, Page
from app.web.markdown import rendered
from app.web.participation.page_head import page_head
from app.web.render import page
from app.web.security.middleware import Db, Who

router = APIRouter(prefix="/part")
PLAIN = (Page.INSTRUCTIONS, Page.DEBRIEFING)
"""Pages with nothing to answer, from which a person just goes on."""


def _here() -> Response:
    """Lead to where the person is."""
    return RedirectResponse("/part", status_code=303)


async def _on(db: AsyncSession, who: Who, *pages: Page) -> Part | None:
    """Return a person's part where they are on one of these pages; None where they are elsewhere."""
    part = await part_of(db, who)
    return part if part.ended is None and part.page in pages else None


async def _shown(request: Request, db: AsyncSession, part: Part, template: str, **more: Any) -> Response:
    """A page with its text; that it was shown is noted the first time."""
    text = await participation.text_of(db, part, Page(part.page))
    await enrolments.show(db, part.enrolment, part.page)
    shown = {
        "page_head": page_head(part),
        "text": rendered(text.markdown) if text else "",
        "text_id": text.id if text else 0,
    }
    return page(request, template, **{"status": 200, **shown, **more})


@router.get("", name="part")
async def part(request: Request, who: Who, db: Db) -> Response:
    """Lead to the page in hand; on the trials, say how far they are and lead to the next one."""
    mine = await part_of(db, who)
    if mine.ended is not None:
        return RedirectResponse("/part/done", status_code=303)
    if mine.page != Page.TRIALS:
        return RedirectResponse(f"/part/{mine.page}", status_code=303)
    await enrolments.show(db, mine.enrolment, mine.page)
    trials = await participation.trials_of(db, mine)
    if trials is None:
        await go_on(db, mine)
        return _here()
    return page(request, "pages/part_trials.html", page_head=page_head(mine), trials=trials)


@router.post("/next", name="part_next")
async def following(who: Who, db: Db, at: Annotated[str, Form(alias="page", max_length=50)]) -> Response:
    """Go on from a page, where the person is still on it: to the following page, or to the next trial or item."""
    part = await _on(db, who, *PLAIN, Page.PRACTICE, Page.TRIALS)
    if part is None or part.page != at:
        return _here()
    if part.page in PLAIN:
        await go_on(db, part)
        return _here()
    seat = await participation.next_seat(db, part)
    if seat is None and part.page == Page.PRACTICE:
        await go_on(db, part)
    return _here() if seat is None else RedirectResponse(f"/seat/{seat}", status_code=303)


@router.post("/enough", name="part_enough")
async def enough(who: Who, db: Db) -> Response:
    """Leave the trials that do not come, after a long wait; this costs the person nothing."""
    part = await _on(db, who, Page.TRIALS)
    if part is not None:
        trials = await participation.trials_of(db, part)
        if trials is None or trials.enough:
            await go_on(db, part)
    return _here()


# ── consent, instructions, debriefing ───────────────────────────────────────────────────────────────────────────


@router.get("/consent", name="part_consent")
async def consent(request: Request, who: Who, db: Db) -> Response:
    """The newest text, to agree to."""
    part = await _on(db, who, Page.CONSENT)
    return (
        _here() if part is None else await _shown(request, db, part, "pages/part_consent.html", changed=False)
    )


@router.post("/consent", name="part_agree")
async def agree(request: Request, who: Who, db: Db, text: Annotated[int, Form()]) -> Response:
    """Store to which version they agreed; a version that is not the newest any more is shown anew."""
    part = await _on(db, who, Page.CONSENT)
    if part is None:
        return _here()
    newest = await participation.text_of(db, part, Page.CONSENT)
    if newest is not None and newest.id != text:
        return await _shown(request, db, part, "pages/part_consent.html", status=409, changed=True)
    await enrolments.agree(db, part.enrolment, newest.id if newest else None)
    await enrolments.answer(db, part.enrolment, Page.CONSENT, {"agreed": True})
    await go_on(db, part)
    return _here()


@router.get("/instructions", name="part_instructions")
async def instructions(request: Request, who: Who, db: Db) -> Response:
    """The study's instructions, and what the arena's marks mean."""
    part = await _on(db, who, Page.INSTRUCTIONS)
    return (
        _here()
        if part is None
        else await _shown(
            request, db, part, "pages/part_instructions.html", argues=part.spec.role == "debater"
        )
    )


@router.get("/debriefing", name="part_debriefing")
async def debriefing(request: Request, who: Who, db: Db) -> Response:
    """What the study was about."""
    part = await _on(db, who, Page.DEBRIEFING)
    return _here() if part is None else await _shown(request, db, part, "pages/part_debriefing.html")


# ── comprehension ───────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/comprehension", name="part_comprehension")
async def comprehension(request: Request, who: Who, db: Db) -> Response:
    """The questions, with what was wrong the last time."""
    part = await _on(db, who, Page.COMPREHENSION)
    return _here() if part is None else await _comprehension(request, db, part)


async def _comprehension(
    request: Request, db: AsyncSession, part: Part, chosen: dict[str, int | None] | None = None
) -> Response:
    """Show the questions; `chosen` is what was sent and lacks an answer."""
    asked = _asked(part)
    steps = [step for step in await enrolments.steps(db, part.enrolment.id, part.page) if step.submitted_at]
    before = (steps[-1].answers or {}) if steps else {}
    last = read_comprehension(asked.questions, {f"q{key}": [str(value)] for key, value in before.items()})
    return await _shown(
        request,
        db,
        part,
        "pages/part_comprehension.html",
        status=422 if chosen else 200,
        questions=asked.questions,
        chosen=chosen or last.chosen,
        wrong=last.wrong if steps else (),
        why={number: rendered(asked.questions[number].why) for number in last.wrong},
        missing=[int(key) for key, value in (chosen or {}).items() if value is None],
        left=asked.attempts - len(steps),
        attempts=asked.attempts,
    )


def _asked(part: Part) -> Comprehension:
    asked = part.spec.pages.comprehension
    assert asked is not None
    return asked


@router.post("/comprehension", name="part_answers")
async def answers(request: Request, who: Who, db: Db) -> Response:
    """Store an attempt: all right goes on, the last one that is not ends the part kindly."""
    part = await _on(db, who, Page.COMPREHENSION)
    if part is None:
        return _here()
    asked = _asked(part)
    given = read_comprehension(asked.questions, await _sent(request))
    if not given.complete:
        return await _comprehension(request, db, part, given.chosen)
    tried = sum(
        step.submitted_at is not None for step in await enrolments.steps(db, part.enrolment.id, part.page)
    )
    await enrolments.answer(
        db, part.enrolment, part.page, given.chosen, attempt=tried + 1, passed=given.passed
    )
    if given.passed:
        await go_on(db, part)
    elif tried + 1 >= asked.attempts:
        await enrolments.end(db, part.enrolment, End.SCREENED_OUT)
    return _here()


async def _sent(request: Request) -> Sent:
    """What a form sent, by the name of the field."""
    found: dict[str, list[str]] = {}
    for key, value in (await request.form()).multi_items():
        if isinstance(value, str):
            found.setdefault(key, []).append(value)
    return found


# ── practice and questionnaire ──────────────────────────────────────────────────────────────────────────────────


@router.get("/practice", name="part_practice")
async def practice(request: Request, who: Who, db: Db) -> Response:
    """What comes, before the first practice item and between them."""
    part = await _on(db, who, Page.PRACTICE)
    if part is None:
        return _here()
    left = len(await participation.practice_left(db, part))
    total = len(part.spec.pages.practice.items) if part.spec.pages.practice else 0
    return await _shown(request, db, part, "pages/part_practice.html", left=left, total=total)


@router.get("/questionnaire", name="part_questionnaire")
async def questionnaire(request: Request, who: Who, db: Db) -> Response:
    """The fields, empty."""
    part = await _on(db, who, Page.QUESTIONNAIRE)
    return _here() if part is None else await _questionnaire(request, db, part, {}, {})


async def _questionnaire(
    request: Request, db: AsyncSession, part: Part, given: Sent, errors: dict[str, str]
) -> Response:
    asked = part.spec.pages.questionnaire
    assert asked is not None
    template, status = "pages/part_questionnaire.html", 422 if errors else 200
    shown = {"fields": asked.fields, "given": given, "errors": errors}
    return await _shown(request, db, part, template, status=status, **shown)


@router.post("/questionnaire", name="part_fill_in")
async def fill_in(request: Request, who: Who, db: Db) -> Response:
    """Store what was filled in, once nothing is missing."""
    part = await _on(db, who, Page.QUESTIONNAIRE)
    if part is None:
        return _here()
    asked = part.spec.pages.questionnaire
    assert asked is not None
    sent = await _sent(request)
    filled = read_questionnaire(asked.fields, sent)
    if filled.errors:
        return await _questionnaire(request, db, part, sent, filled.errors)
    await enrolments.answer(db, part.enrolment, part.page, filled.answers)
    await go_on(db, part)
    return _here()
