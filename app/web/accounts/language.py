"""The language of participants' pages: which one a newcomer is met in, and the switch."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.languages import best, speak
from app.languages import gettext as _
from app.records import enrolments
from app.services.refusal import Refused
from app.web.security.middleware import LANGUAGE_COOKIE, Db, Visitor, encrypted

router = APIRouter()
LASTS = 365 * 24 * 3600
"""Seconds for which a browser keeps the choice."""
_PAGE_OF_OURS = re.compile(r"/(?![/\\])[!-~]*")


def wanted(request: Request, offered: Sequence[str]) -> str:
    """Return the language to meet a newcomer in: the one they chose, else the one that their browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in offered else best(request.headers.get("accept-language", ""), offered)


@router.post("/language", name="language")
async def choose(
    request: Request,
    visitor: Visitor,
    db: Db,
    language: Annotated[str, Form(max_length=10)],
    to: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Keep the choice, for a study's participant with their part, and go back to the page."""
    if language not in visitor.offered:
        raise Refused(422, _("These pages are not in that language."))
    response = RedirectResponse(to if _PAGE_OF_OURS.fullmatch(to) else "/", status_code=303)
    if visitor.account is not None:
        await enrolments.choose_language(db, visitor.account.id, language)
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=LASTS, httponly=True, samesite="lax", secure=encrypted(request)
    )
    return response


def meet(request: Request, offered: Sequence[str]) -> str:
    """Speak to a newcomer of a study in one of its languages, and offer them the others. Return its code."""
    code = wanted(request, offered)
    speak(code)
    request.state.visit = replace(request.state.visit, offered=tuple(offered))
    return code
