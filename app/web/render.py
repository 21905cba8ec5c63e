"""Pages: a template, rendered with what the handler gives it and nothing else."""

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from app.templating import environment
from app.web.security.middleware import Visit


def turned(path: str, **asked: str) -> str:
    """The address of a list with what was asked of it, to which `page=` and a number are added."""
    given = urlencode({key: value for key, value in asked.items() if value})
    return f"{quote(path)}?{given}&" if given else f"{quote(path)}?"


def page(request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render `templates/{template}` for the user who makes the request."""
    found: Visit = getattr(request.state, "visit", Visit(None))
    html = environment.get_template(template).render(
        **context,
        account=found.account,
        csrf_token=found.session.csrf if found.session else "",
        nonce=request.state.nonce,
        path=request.url.path,
    )
    return HTMLResponse(html, status_code=status)
