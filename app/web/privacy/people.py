"""The data of one person, for the researchers of their study and for those who look after the person: read, copied, deleted."""

import uuid
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.services import personal_data
from app.services.personal_data import Person
from app.web.privacy.routes import download
from app.web.render import page
from app.web.security.middleware import Db, Who

router = APIRouter()
SURE = "Tick the box to say that you mean it."
Sure = Annotated[str, Form(max_length=10)]


def _page(
    request: Request, person: Person, here: str, back: str, status: int = 200, error: str = ""
) -> Response:
    shown = {"person": person, "address": here, "back": back, "wait": personal_data.WAIT_DAYS, "error": error}
    return page(request, "pages/person_data.html", status=status, **shown)


# ── people of a study ───────────────────────────────────────────────────────────────────────────────────────────


def _in_study(name: str, part: uuid.UUID) -> tuple[str, str]:
    people = f"/studies/{quote(name)}/people"
    return f"{people}/{part}/data", f"{people}/{part}"


@router.get("/studies/{name}/people/{part}/data", name="study_person_data")
async def study_person(request: Request, who: Who, db: Db, name: str, part: uuid.UUID) -> Response:
    """What can be done with the data of a person of a study."""
    person = await personal_data.of_study(db, who, name, part)
    return _page(request, person, *_in_study(name, part))


@router.get("/studies/{name}/people/{part}/data.json", name="study_person_copy")
async def study_person_copy(who: Who, db: Db, name: str, part: uuid.UUID) -> Response:
    """All that is kept of them, to be handed to them."""
    person = await personal_data.of_study(db, who, name, part)
    return download(await personal_data.copy_of(db, person, who.id), person)


@router.post("/studies/{name}/people/{part}/data/delete", name="study_person_delete")
async def study_person_delete(
    request: Request, who: Who, db: Db, name: str, part: uuid.UUID, sure: Sure = "", unpaid: Sure = ""
) -> Response:
    """Delete their data."""
    person = await personal_data.of_study(db, who, name, part)
    here, back = _in_study(name, part)
    if sure != "yes":
        return _page(request, person, here, back, 422, SURE)
    await personal_data.delete(db, person, who.id, unpaid=unpaid == "yes")
    return RedirectResponse(here, status_code=303)


# ── people whom a researcher or an admin looks after ────────────────────────────────────────────────────────────


@router.get("/people/{identity}/data", name="person_data")
async def person(request: Request, who: Who, db: Db, identity: uuid.UUID) -> Response:
    """What can be done with the data of a judge or debater."""
    found = await personal_data.in_care(db, who, identity)
    return _page(request, found, f"/people/{identity}/data", "/people")


@router.get("/people/{identity}/data.json", name="person_copy")
async def person_copy(who: Who, db: Db, identity: uuid.UUID) -> Response:
    """All that is kept of them, to be handed to them."""
    found = await personal_data.in_care(db, who, identity)
    return download(await personal_data.copy_of(db, found, who.id), found)


@router.post("/people/{identity}/data/delete", name="person_delete")
async def person_delete(
    request: Request, who: Who, db: Db, identity: uuid.UUID, sure: Sure = "", unpaid: Sure = ""
) -> Response:
    """Delete their data."""
    found = await personal_data.in_care(db, who, identity)
    here = f"/people/{identity}/data"
    if sure != "yes":
        return _page(request, found, here, "/people", 422, SURE)
    await personal_data.delete(db, found, who.id, unpaid=unpaid == "yes")
    return RedirectResponse(here if who.role == "admin" else "/people", status_code=303)
