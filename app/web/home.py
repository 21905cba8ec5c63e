"""Where everybody begins: how things stand, for researchers and admins; the way on, for the others."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import browse, waiting_work
from app.services.visibility import sees_only
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Visitor
from models import Account

router = APIRouter()
LIVE, AT_WORK = 3, 15
"""Seconds after which the page asks again while models are at work, and while people are."""


@router.get("/", name="home")
async def home(request: Request, visitor: Visitor, db: Db, number: PageNumber = 1) -> Response:
    """Where everybody begins."""
    if visitor.account is None:
        return RedirectResponse("/sign-in", status_code=303)
    if visitor.account.for_study:
        return RedirectResponse("/part", status_code=303)
    match visitor.account.role:
        case "judge":
            return RedirectResponse("/judge", status_code=303)
        case "debater":
            return RedirectResponse("/talk", status_code=303)
    return await _overview(request, db, visitor.account, number)


async def _overview(request: Request, db: AsyncSession, who: Account, number: int) -> Response:
    owner = sees_only(who)
    listed = await browse.experiments(db, owner=owner, search="", number=number)
    waiting = await waiting_work.waiting(db, owner)
    live = any(row.live for row in listed.rows)
    return page(
        request,
        "pages/home.html",
        listed=listed,
        waiting=waiting,
        by_experiment=await waiting_work.waiting_by_experiment(db, owner),
        failing=await waiting_work.failing(db, owner),
        again=LIVE if live else AT_WORK if waiting.held else None,
    )
