"""The link of a study: what it offers is said before anything is asked; then a person comes in, new or again."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.languages import gettext as _
from app.records import enrolments
from app.records.database import Database
from app.services import joining
from app.services.joining import Coming, NotIn
from app.services.participation import spec_of
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.services.study_links import study_of_link
from app.studies.itinerary import check_keys
from app.studies.pay import money
from app.studies.spec import StudySpec
from app.web.accounts.language import meet
from app.web.accounts.recruiters import PREVIEW, recruited_by, recruiters_id_of, submission_of, tidy
from app.web.render import page
from app.web.security.middleware import Db, Visit, Visitor, client_address, set_session
from models import Study

router = APIRouter()
NAMES = {"prolific": "Prolific", "mturk": "Mechanical Turk", "link": ""}
"""What recruiters are called."""


@router.get("/join/{token}", name="study_join_form")
async def join_form(request: Request, visitor: Visitor, db: Db, token: str) -> Response:
    """Say what the study offers, and ask who comes; who is in already goes on."""
    study = await _study(request, db, token)
    recruited = recruited_by(request.query_params)
    if await _is_in(db, visitor, study, recruiters_id_of(recruited)):
        return RedirectResponse("/part", status_code=303)
    return await _offered(request, db, visitor, study, token, recruited)


@router.post("/join/{token}", name="study_join")
async def join(
    request: Request,
    visitor: Visitor,
    token: str,
    name: Annotated[str, Form(max_length=100)] = "",
    word: Annotated[str, Form(max_length=joining.LONGEST_WORD)] = "",
) -> Response:
    """Let a person in, or say what is missing."""
    database: Database = request.app.state.database
    await limited(database, f"join/{client_address(request)}", 60)
    recruited = recruited_by({key: str(value) for key, value in (await request.form()).items()})
    async with database.session() as db:
        study = await _study(request, db, token)
    kind = spec_of(study).recruiter.kind
    recruiters_id = recruiters_id_of(recruited) or (tidy(name) if kind != "link" else "")
    coming = Coming(
        kind,
        recruiters_id,
        submission_of(recruited),
        tidy(name),
        word,
        meet(request, spec_of(study).languages),
    )
    try:
        if recruited.get("assignmentId") == PREVIEW or not coming.known_by:
            raise NotIn("no name")
        _check_study(study, recruited)
        session = await joining.enter(database, study.id, coming)
    except NotIn as error:
        async with database.session.begin() as db:
            study = await db.get_one(Study, study.id)
            return await _offered(request, db, visitor, study, token, recruited, tidy(name), error.problem)
    response = RedirectResponse("/part", status_code=303)
    set_session(response, request, session)
    return response


async def _study(request: Request, db: AsyncSession, token: str) -> Study:
    study = await study_of_link(db, token)
    if study is None:
        # Only guesses are counted: many people may share one address. The connection is let go before that takes another.
        await db.rollback()
        await limited(request.app.state.database, f"study-link/{client_address(request)}", 60)
        raise Refused(
            404, _("This link is not complete: copy the whole of it, or open it where you found it.")
        )
    return study


def _check_study(study: Study, recruited: Mapping[str, str]) -> None:
    """Raise NotIn where the recruiter sent a person to another of its studies."""
    known, said = study.recruiters_study, recruited.get("STUDY_ID", "")
    if known and said and known != said:
        raise NotIn("other study")


async def _is_in(db: AsyncSession, visitor: Visit, study: Study, recruiters_id: str) -> bool:
    """Return whether this browser is signed in to a part in the study: by the id that the link has, or by any where it has none."""
    if visitor.account is None or not visitor.account.for_study:
        return False
    mine = await enrolments.of_account(db, visitor.account.id)
    if mine is None or mine.study_id != study.id:
        return False
    return not recruiters_id or visitor.account.recruiter_id == recruiters_id


async def _offered(
    request: Request,
    db: AsyncSession,
    visitor: Visit,
    study: Study,
    token: str,
    recruited: Mapping[str, str],
    name: str = "",
    problem: str = "",
) -> Response:
    spec = spec_of(study)
    meet(request, spec.languages)
    recruiters_id = recruiters_id_of(recruited)
    known = await enrolments.of_person(db, study.id, recruiters_id)
    closed = problem.removeprefix("shut ") if problem.startswith("shut ") else ""
    if known is None and not closed:
        closed = await joining.shut_now(db, study) or ""
    return page(
        request,
        "pages/part_join.html",
        status=422 if problem and not closed else 200,
        token=token,
        recruited=recruited,
        recruiters_id=recruiters_id,
        recruiter=NAMES[spec.recruiter.kind],
        name=name,
        problem="" if closed else problem,
        shut=str(closed),
        preview=recruited.get("assignmentId") == PREVIEW,
        researcher=visitor.role in ("researcher", "admin"),
        opens=spec.opens,
        **offer(spec),
    )


def offer(spec: StudySpec) -> dict[str, object]:
    """Return what a study promises, for the page that says so."""
    return {
        "title": spec.title,
        "minutes": spec.minutes,
        "reward": money(spec.reward) if spec.reward.amount else "",
        "bonus": spec.bonus is not None,
        "trials": spec.trials + len(check_keys(spec)),
        "limit": spec.time_limit,
        "argues": spec.role == "debater",
    }
