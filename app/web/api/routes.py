"""All routes of the API, its OpenAPI document, and the page that shows it."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from app.web.api import (
    archives,
    compare,
    experiments,
    participants,
    people,
    personal_data,
    studies,
    tasks,
    trials,
)
from app.web.api.authentication import PREFIX
from app.web.api.openapi import operations, shapes
from app.web.render import page
from app.web.security.middleware import Visitor
from app.web.security.permissions import SCOPES

ABOUT = (
    "The functions of the arena's pages and command line, for programs. Every request has a personal token as "
    "`Authorization: Bearer …`; a token has scopes (`read`, `write`, `admin`), and its owner's role must allow the "
    "request too. Lists come in pages (`?page=`). An error has a fitting status and one sentence that says what to do."
)
router = APIRouter()
PARTS = (
    experiments.router,
    compare.router,
    trials.router,
    archives.router,
    studies.router,
    tasks.router,
    participants.router,
    people.router,
    personal_data.router,
)
"""The contents of the document. A new part of the API is a module with a router, named here."""
ROUTERS = (*PARTS, router)
_ROUTES = [route for part in PARTS for route in part.routes if isinstance(route, APIRoute)]


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document, with the scope of each operation. Errors have one shape."""
    made = get_openapi(title="Oversight Arena", version="1", description=ABOUT, routes=_ROUTES)
    routes = {(route.path, method.lower()): route.name for route in _ROUTES for method in route.methods or ()}
    for path, found in made["paths"].items():
        for method, operation in found.items():
            operation["x-scope"] = SCOPES[routes[path, method]]
            operation["operationId"] = routes[path, method].removeprefix("api_")
            operation["responses"].pop("422", None)
    for shape in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(shape, None)
    return made


@router.get(f"{PREFIX}/openapi.json", name="api_openapi", include_in_schema=False)
async def openapi() -> JSONResponse:
    """Return the document; every visitor may read it."""
    return JSONResponse(document())


@router.get("/api", name="api_docs", include_in_schema=False)
async def docs(request: Request, visitor: Visitor) -> Response:
    """Return the document as a page."""
    made = document()
    about = made["info"]["description"]
    return page(request, "pages/api.html", about=about, operations=operations(made), shapes=shapes(made))
