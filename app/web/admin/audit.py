"""Who did what, for admins."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.records import admin
from app.services.refusal import Refused
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Who

router = APIRouter()


@router.get("/audit", name="audit")
async def audit(
    request: Request,
    who: Who,
    db: Db,
    number: PageNumber = 1,
    action: Annotated[str, Query(max_length=100)] = "",
    account: Annotated[str, Query(max_length=36)] = "",
) -> Response:
    """The trail, newest first."""
    return page(
        request,
        "pages/audit.html",
        listed=await admin.audit_page(db, number, action=action, account=_identity(account)),
        actions=await admin.audit_actions(db),
        action=action,
        whose=account,
    )


def _identity(account: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(account) if account else None
    except ValueError as error:
        raise Refused(422, "An account is named by its id, as the trail shows it.") from error
