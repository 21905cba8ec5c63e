"""People and how they come in: invites, roles, new links, closed accounts."""

import uuid
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import admin
from app.services.completion_code import MOST_CODE, MOST_URL, completion
from app.services.invites import invite_link
from app.services.people import person_in_care, renew_link
from app.services.refusal import Refused
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Who, base_url
from models import Account
from models.people import BY_PASSWORD, ROLES

router = APIRouter()
Role = Literal["admin", "researcher", "judge", "debater"]


def roles_to_give(who: Account) -> tuple[str, ...]:
    """Return the roles that a user may invite to."""
    return ROLES if who.role == "admin" else admin.INVITED_BY_RESEARCHERS


@router.get("/people", name="people")
async def people(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """Those whom one looks after, and a form to invite more."""
    return await _listed(request, who, db, number)


async def _listed(
    request: Request, who: Account, db: AsyncSession, number: int = 1, refused: Refused | None = None
) -> Response:
    return page(
        request,
        "pages/people.html",
        status=refused.status if refused else 200,
        listed=await admin.people_page(db, who, number),
        roles=roles_to_give(who),
        all_roles=ROLES,
        error=refused and refused.sentence,
        wrong=refused.fields if refused else (),
        given=await request.form() if refused else {},
    )


@router.get("/people/invites", name="invites")
async def invites(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """Invites that can still be used; their links were shown when they were made."""
    return page(request, "pages/people_invites.html", listed=await admin.invites_page(db, who, number))


@router.post("/people/invites", name="make_invite")
async def make_invite(
    request: Request,
    who: Who,
    db: Db,
    role: Annotated[Role, Form()],
    kind: Annotated[Literal["personal", "shared"], Form()],
    label: Annotated[str, Form(max_length=100)] = "",
    days: Annotated[int, Form(ge=1, le=365)] = 60,
    completion_code: Annotated[str, Form(max_length=MOST_CODE)] = "",
    completion_url: Annotated[str, Form(max_length=MOST_URL)] = "",
) -> Response:
    """Invite a person, and show the link once."""
    if role not in roles_to_give(who):
        raise Refused(403, f"Only an admin may invite a person as {role}.")
    shared, lasts = kind == "shared", timedelta(days=days)
    try:
        if shared and role in BY_PASSWORD:
            sentence = "Admins and researchers are invited one by one: choose a link for one person."
            raise Refused(422, sentence, "kind")
        given = completion(role, completion_code, completion_url)
    except Refused as refused:
        return await _listed(request, who, db, refused=refused)
    made = await admin.invite(
        db, who, role, shared=shared, label=label.strip(), lasts=lasts, completion=given
    )
    link = await invite_link(db, base_url(request), made)
    return page(request, "pages/people_link.html", link=link, invite=made, person=None)


@router.post("/people/invites/{identity}/revoke", name="revoke_invite")
async def revoke_invite(who: Who, db: Db, identity: uuid.UUID) -> Response:
    """Withdraw an invite."""
    if not await admin.revoke_invite(db, who, identity):
        raise Refused(404, "There is no such invite of yours.")
    return RedirectResponse("/people/invites", status_code=303)


@router.post("/people/{identity}/link", name="new_link")
async def new_link(request: Request, who: Who, db: Db, identity: uuid.UUID) -> Response:
    """A new personal link in place of all others, shown once."""
    person = await person_in_care(db, who, identity)
    made = await renew_link(db, who, person)
    link = await invite_link(db, base_url(request), made)
    return page(request, "pages/people_link.html", link=link, invite=made, person=person)


@router.post("/people/{identity}/role", name="change_role")
async def change_role(who: Who, db: Db, identity: uuid.UUID, role: Annotated[Role, Form()]) -> Response:
    """Give a user another role."""
    person = await person_in_care(db, who, identity)
    await admin.change_role(db, who.id, person, role)
    return RedirectResponse("/people", status_code=303)


@router.post("/people/{identity}/disable", name="disable_person")
async def disable(who: Who, db: Db, identity: uuid.UUID) -> Response:
    """Close an account at once."""
    person = await person_in_care(db, who, identity)
    await admin.disable(db, who.id, person)
    return RedirectResponse("/people", status_code=303)


@router.post("/people/{identity}/enable", name="enable_person")
async def enable(who: Who, db: Db, identity: uuid.UUID) -> Response:
    """Open a closed account again."""
    person = await person_in_care(db, who, identity)
    await admin.enable(db, who.id, person)
    return RedirectResponse("/people", status_code=303)
