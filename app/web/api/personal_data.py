"""The API's access to one person's data: a copy of all that is kept of them, and its deletion."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from app.services import personal_data
from app.web.api.authentication import PREFIX, REFUSALS, Caller
from app.web.security.middleware import Db

router = APIRouter(prefix=PREFIX, responses=REFUSALS)
Unpaid = Annotated[bool, Query(description="Delete also where a payment or a review is due.")]


class Copy(Response):
    """A person's data."""

    media_type = "application/json"


@router.get("/people/{identity}/data", name="api_person_data", tags=["people"], response_class=Copy)
async def person_data(caller: Caller, db: Db, identity: uuid.UUID) -> Copy:
    """All that is kept of a judge or debater whom the caller manages, with names and recruiter's ids. It is for that person."""
    person = await personal_data.in_care(db, caller, identity)
    return Copy(await personal_data.copy_of(db, person, caller.id))


@router.post("/people/{identity}/delete", name="api_delete_person", tags=["people"], status_code=204)
async def delete_person(caller: Caller, db: Db, identity: uuid.UUID, unpaid: Unpaid = False) -> None:
    """Delete the data of a judge or debater whom the caller manages: names, ids, texts, links and sessions, for good."""
    person = await personal_data.in_care(db, caller, identity)
    await personal_data.delete(db, person, caller.id, unpaid=unpaid)


@router.get(
    "/studies/{name}/people/{part}/data", name="api_study_person_data", tags=["people"], response_class=Copy
)
async def study_person_data(caller: Caller, db: Db, name: str, part: uuid.UUID) -> Copy:
    """All that is kept of a person of a study, by the id of their part, with names and recruiter's ids. It is for that person."""
    person = await personal_data.of_study(db, caller, name, part)
    return Copy(await personal_data.copy_of(db, person, caller.id))


@router.post(
    "/studies/{name}/people/{part}/delete", name="api_delete_study_person", tags=["people"], status_code=204
)
async def delete_study_person(
    caller: Caller, db: Db, name: str, part: uuid.UUID, unpaid: Unpaid = False
) -> None:
    """Delete the data of a person of a study: names, ids, texts, answers, links and sessions, for good."""
    person = await personal_data.of_study(db, caller, name, part)
    await personal_data.delete(db, person, caller.id, unpaid=unpaid)
