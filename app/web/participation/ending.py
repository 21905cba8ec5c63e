"""How a part ends: the code and the way back to the recruiter; stopping early, and withdrawing."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.money import minor_in_words
from app.services import participation
from app.services.participation import Part, part_of
from app.studies.earnings import base_pay
from app.studies.pay import money
from app.studies.returning import code_of, host, return_link
from app.studies.spec import End, Page
from app.web.markdown import rendered
from app.web.participation.joining import NAMES
from app.web.participation.page_head import page_head
from app.web.render import page
from app.web.security.middleware import Db, Who

router = APIRouter(prefix="/part")
DEBRIEFED = (End.COMPLETED, End.STOPPED, End.FAILED_CHECKS)
"""Ends after which the study is explained: after others it could be joined again, or little of it was seen."""


@router.get("/done", name="part_done")
async def done(request: Request, who: Who, db: Db) -> Response:
    """Say how it ended, with the code and the way back. All of it is stored before."""
    part = await part_of(db, who)
    if part.ended is None:
        return RedirectResponse("/part", status_code=303)
    code = code_of(part.study.codes, part.ended)
    link = return_link(part.spec.recruiter, code)
    text = await participation.text_of(db, part, Page.DEBRIEFING)
    return page(
        request,
        "pages/part_done.html",
        title=part.spec.title,
        ended=True,
        end=part.ended,
        declined=part.ended == End.SCREENED_OUT and part.page == Page.CONSENT,
        code=code,
        link=link,
        host=host(link),
        recruiter=NAMES[part.spec.recruiter.kind],
        results=part.spec.feedback != "none" and who.role == "judge" and part.ended in DEBRIEFED,
        text=rendered(text.markdown) if text and part.ended in DEBRIEFED else "",
        **await _pay(db, part),
    )


async def _pay(db: AsyncSession, part: Part) -> dict[str, Any]:
    """What was done of how much, and what that earns by now. Items count as trials do, so that the sum does not tell them apart."""
    progress, reward = await participation.progress_of(db, part), part.spec.reward
    earned = base_pay(part.spec, End.STOPPED, progress.done, progress.total)
    return {
        "trials": progress.done,
        "promised": progress.total,
        "reward": money(reward) if reward.amount else "",
        "earned": minor_in_words(earned, reward.currency) if reward.amount else "",
    }


# ── stopping early ──────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/stop", name="part_stop")
async def stop_form(request: Request, who: Who, db: Db) -> Response:
    """Say what stopping means for the pay, and ask whether they mean it."""
    part = await part_of(db, who)
    if part.ended is not None:
        return RedirectResponse("/part/done", status_code=303)
    declines = participation.stops_as(part) is End.SCREENED_OUT
    return page(
        request, "pages/part_stop.html", page_head=page_head(part), declines=declines, **await _pay(db, part)
    )


@router.post("/stop", name="part_stopped")
async def stop(who: Who, db: Db) -> Response:
    """End the part."""
    part = await part_of(db, who)
    if part.ended is None:
        await participation.stop(db, part)
    return RedirectResponse("/part/done", status_code=303)


@router.get("/withdraw", name="part_withdraw")
async def withdraw_form(request: Request, who: Who, db: Db) -> Response:
    """Say what withdrawing deletes."""
    part = await part_of(db, who)
    if part.ended is not None:
        return RedirectResponse("/part/done", status_code=303)
    return page(request, "pages/part_withdraw.html", page_head=page_head(part), again=False)


@router.post("/withdraw", name="part_withdrawn")
async def withdraw(
    request: Request, who: Who, db: Db, sure: Annotated[str, Form(max_length=10)] = ""
) -> Response:
    """Ask a second time, and then withdraw."""
    part = await part_of(db, who)
    if part.ended is None and sure != "yes":
        return page(request, "pages/part_withdraw.html", page_head=page_head(part), again=True)
    if part.ended is None:
        await participation.withdraw(db, part)
    return RedirectResponse("/part/done", status_code=303)
