"""What is kept of a person, for that person: the page on privacy, a copy of their own data, and its deletion."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.languages import LANGUAGES, day_in_words
from app.languages import gettext as _
from app.records import enrolments
from app.services import personal_data
from app.services.personal_data import Person
from app.services.rate_limit import limited
from app.web.accounts.language import meet
from app.web.render import page
from app.web.security.middleware import COOKIE, Db, Visit, Visitor, Who
from models import Account, Enrolment
from models.kept import Whose

router = APIRouter()
COPIES = 10
"""Copies that one person may have in a minute."""


@router.get("/privacy", name="privacy")
async def privacy(request: Request, visitor: Visitor, db: Db) -> Response:
    """What is kept of people. Who takes part in a study reads what holds for it."""
    if visitor.account is None:
        meet(request, tuple(LANGUAGES))
    if visitor.account is None or visitor.role not in ("judge", "debater"):
        return _page(request, None)
    if await enrolments.of_account(db, visitor.account.id) is not None:
        return RedirectResponse("/part/privacy", status_code=303)
    return _page(request, await personal_data.oneself(db, visitor.account))


@router.get("/part/privacy", name="part_privacy")
async def part_privacy(request: Request, who: Who, db: Db) -> Response:
    """What is kept of people in the study that this person takes part in."""
    person = await personal_data.oneself(db, who)
    return (
        RedirectResponse("/privacy", status_code=303) if person.enrolment is None else _page(request, person)
    )


def _page(request: Request, person: Person | None, status: int = 200, error: str = "") -> Response:
    enrolment = person.enrolment if person else None
    whose = [Whose.EVERYBODY, Whose.STUDIES] if enrolment or person is None else [Whose.EVERYBODY]
    return page(
        request,
        "pages/privacy.html",
        status=status,
        person=person,
        enrolment=enrolment,
        title=_title(enrolment),
        kept=personal_data.kept_of(whose, enrolment.study.spec if enrolment else None),
        due=day_in_words(person.due_at) if person and person.due_at else "",
        waits=enrolment is not None and not personal_data.has_ended(enrolment),
        wait=personal_data.WAIT_DAYS,
        error=error,
    )


def _title(enrolment: Enrolment | None) -> str:
    return "" if enrolment is None else str(enrolment.study.spec.get("title", enrolment.study.name))


@router.get("/privacy/data.json", name="own_data")
async def own_data(request: Request, who: Who, db: Db) -> Response:
    """All that is kept of the person who asks."""
    await limited(request.app.state.database, f"own-data/{who.id}", COPIES)
    person = await personal_data.oneself(db, who)
    return download(await personal_data.copy_of(db, person, who.id), person)


def download(content: bytes, person: Person) -> Response:
    """A copy of a person's data, as a file."""
    shown = {"Content-Disposition": f'attachment; filename="{personal_data.file_name(person)}"'}
    return Response(content, media_type="application/json", headers=shown)


@router.post("/privacy/delete", name="own_data_delete")
async def delete(
    request: Request, visitor: Visitor, db: Db, sure: Annotated[str, Form(max_length=10)] = ""
) -> Response:
    """Delete the data of the person who asks, and sign them out; or keep that they asked, until they are paid."""
    person = await _asking(db, visitor)
    if sure != "yes":
        return _page(request, person, 422, _("Tick the box to say that you mean it."))
    if not await personal_data.delete_own(db, person):
        return RedirectResponse("/part/privacy", status_code=303)
    request.state.visit = Visit(None)
    response = page(request, "pages/privacy_deleted.html", part=person.enrolment is not None)
    response.delete_cookie(COOKIE)
    return response


async def _asking(db: AsyncSession, visitor: Visit) -> Person:
    account = visitor.account
    assert isinstance(account, Account)
    return await personal_data.oneself(db, account)
