"""Pages: a template, rendered with what the handler gives it and nothing else."""

import re
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from app.languages import ENGLISH, language, speaking
from app.templating import environment
from app.web.security.middleware import Visit

PARTICIPANTS = re.compile(
    r"(pages|fragments)/(judge_|part_|talk_|turn\.|turn_unmatched\.|_turn_others\.|waiting_room\.|seat_return\.|joined\.|invite\.|invite_preview\.|privacy\.|privacy_deleted\.|error\.).*"
)
"""Templates of the pages that participants meet, which speak their language. All others are in English."""


def turned(path: str, **asked: str) -> str:
    """The address of a list with what was asked of it, to which `page=` and a number are added."""
    given = urlencode({key: value for key, value in asked.items() if value})
    return f"{quote(path)}?{given}&" if given else f"{quote(path)}?"


def page(request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render `templates/{template}` for the user who makes the request."""
    found: Visit = getattr(request.state, "visit", Visit(None))
    spoken = language() if PARTICIPANTS.fullmatch(template) else ENGLISH
    with speaking(spoken):
        html = environment.get_template(template).render(
            **context,
            account=found.account,
            csrf_token=found.session.csrf if found.session else "",
            nonce=request.state.nonce,
            path=request.url.path,
            here=f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
            languages_offered=found.offered if PARTICIPANTS.fullmatch(template) else (),
        )
    return HTMLResponse(html, status_code=status)
