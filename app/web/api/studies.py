"""The API's studies: make, change, check, open, pause, close, write texts."""

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import studies as records
from app.services import studies as service
from app.services.studies import Action, Progress, outside_study
from app.services.study_links import join_path
from app.studies.join_link import for_recruiter
from app.studies.spec import Page, StudySpec
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller, refusing
from app.web.api.bodies import described
from app.web.parameters import PageNumber
from app.web.security.middleware import Db, base_url
from models import Study

router = APIRouter(prefix=PREFIX, responses=REFUSALS, tags=["studies"])
_A_STUDY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A study's file as docs/studies.md describes it, as JSON or YAML.",
        "content": {
            kind: {"schema": {"type": "object"}} for kind in ("application/json", "application/yaml")
        },
    }
}


async def _sent(request: Request) -> StudySpec:
    with refusing():
        return outside_study(await described(request, "the study's file"), request.app.state.settings)


def _short(study: Study, progress: Progress) -> schemas.Study:
    return schemas.Study(
        name=study.name,
        title=study.spec["title"],
        state=study.state,
        people=progress.wanted,
        taken=progress.taken,
        taking_part=progress.taking_part,
        ended=progress.ended,
        created_at=study.created_at,
        opened_at=study.opened_at,
        closed_at=study.closed_at,
    )


async def _whole(request: Request, db: AsyncSession, study: Study) -> schemas.StudyInFull:
    [progress] = await service.progress_of(db, [study])
    spec = await service.written_spec(db, study)
    link = for_recruiter(base_url(request) + await join_path(db, study), spec.recruiter.kind)
    short = _short(study, progress).model_dump()
    return schemas.StudyInFull(**short, spec=spec.normalised(), codes=study.codes, link=link)


@router.get("/studies", name="api_studies")
async def list_studies(caller: Caller, db: Db, number: PageNumber = 1) -> schemas.Listed[schemas.Study]:
    """Studies, newest first."""
    page = await records.listed(db, service.owner_seen(caller), number)
    progress = await service.progress_of(db, page.rows)
    rows = page.of(list(zip(page.rows, progress, strict=True)))
    return schemas.listed(rows, lambda row: _short(*row))


@router.post("/studies", name="api_make_study", status_code=201, openapi_extra=_A_STUDY)
async def make_study(request: Request, caller: Caller, db: Db) -> schemas.StudyInFull:
    """Make a draft of a study."""
    spec = await _sent(request)
    with refusing():
        study = await service.create(db, caller, spec)
    await db.refresh(study)
    return await _whole(request, db, study)


@router.post("/studies/check", name="api_check_study", openapi_extra=_A_STUDY)
async def check_study(request: Request, caller: Caller, db: Db) -> schemas.CheckedStudy:
    """Say what prevents opening a study, without making it."""
    spec = await _sent(request)
    with refusing():
        return schemas.CheckedStudy.model_validate(await service.check(db, caller, spec))


@router.get("/studies/{name}", name="api_study")
async def get_study(request: Request, caller: Caller, db: Db, name: str) -> schemas.StudyInFull:
    """A study with its file, its codes and its link."""
    return await _whole(request, db, await service.visible_study(db, caller, name))


@router.put("/studies/{name}", name="api_change_study", openapi_extra=_A_STUDY)
async def change_study(request: Request, caller: Caller, db: Db, name: str) -> schemas.StudyInFull:
    """Replace the file of a draft."""
    await service.visible_study(db, caller, name)
    spec = await _sent(request)
    with refusing():
        study = await service.change(db, caller, name, spec)
    return await _whole(request, db, study)


@router.delete("/studies/{name}", name="api_delete_study", status_code=204)
async def delete_study(caller: Caller, db: Db, name: str) -> None:
    """Delete a draft."""
    await service.delete_draft(db, caller, name)


@router.post("/studies/{name}/texts/{page}", name="api_write_text")
async def write_text(
    caller: Caller, db: Db, name: str, page: Page, text: schemas.NewText
) -> schemas.WrittenText:
    """Write a page's text; what says the same as before makes no new version."""
    written = await service.write_text(db, caller, name, page, text.markdown)
    return schemas.WrittenText.model_validate(written)


@router.post("/studies/{name}/{action}", name="api_steer_study")
async def steer_study(
    request: Request, caller: Caller, db: Db, name: str, action: Action
) -> schemas.StudyInFull:
    """Open it, pause it or close it. A state that it already has does not change."""
    with refusing():
        study = await service.steer(db, caller, name, action)
    return await _whole(request, db, study)
