"""`arena serve` with one page more: an empty one, behind the same gate and in the same frame as every other."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from jinja2 import ChoiceLoader, DictLoader

from app.cli import main
from app.templating import environment
from app.web import app as web
from app.web.render import page
from app.web.security import permissions
from app.web.security.middleware import Who

EMPTY = """{% extends "base.html" %}
{% block title %}Empty{% endblock %}
{% block main %}
<h1>Nothing</h1>
{% endblock %}
"""
router = APIRouter()


@router.get("/empty", name="empty")
async def empty(request: Request, who: Who) -> Response:
    """Nothing but the frame."""
    return page(request, "empty.html")


def with_an_empty_page() -> None:
    """Give every app made from here on the page."""
    assert environment.loader is not None
    environment.loader = ChoiceLoader([environment.loader, DictLoader({"empty.html": EMPTY})])
    permissions.PERMISSIONS["empty"] = permissions.SIGNED_IN
    # First, so that it is found no later than any other page.
    web.ROUTERS = (router, *web.ROUTERS)  # type: ignore[assignment]


if __name__ == "__main__":
    with_an_empty_page()
    main()
