"""Studies of others: bringing a file of transcripts and verdicts in as a finished experiment; for researchers only."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from app.exchange.importers import STUDIES
from app.exchange.importing import ImportRefused
from app.experiments.spec import NAME
from app.services.rate_limit import limited
from app.services.studies import save_study
from app.web.render import page
from app.web.security.middleware import MAX_BODY, Who
from app.web.uploads import kept, shown

router = APIRouter()


class StudyUpload(BaseModel):
    """The form that brings a study in."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    file: UploadFile | None = None
    name: str = ""
    """Of the experiment; that of the file where it is empty."""
    where: str = ""
    """Flags that the trials to keep have, with blanks between them."""

    @property
    def flags(self) -> list[str]:
        """Return the flags one by one."""
        return [flag for flag in re.split(r"[\s,]+", self.where) if flag]


def _form(given: StudyUpload) -> dict[str, Any]:
    return {"given": given, "most": MAX_BODY // 2**20, "name_pattern": NAME}


@router.get("/studies", name="study_form")
async def study_form(request: Request, who: Who) -> Response:
    """Show the form that brings a study in."""
    return page(
        request, "pages/study.html", sentence="", problems=(), more_problems=0, **_form(StudyUpload())
    )


@router.post("/studies", name="import_study")
async def import_study(request: Request, who: Who, given: Annotated[StudyUpload, Form()]) -> Response:
    """Take a study in whole, or say what is wrong with it and keep nothing."""
    await limited(request.app.state.database, f"import/{who.id}", 20)
    importer = STUDIES["verdicts"]
    try:
        async with kept(given.file) as path:
            name = given.name.strip() or importer.usual_name(path)
            study = await run_in_threadpool(importer.reader, path)
        saved = await save_study(request.app.state.database, who, study, name, given.flags)
    except ImportRefused as refused:
        return page(
            request,
            "pages/study.html",
            status=422,
            sentence=refused.sentence,
            **shown(refused.problems),
            **_form(given),
        )
    left_out = study.where(given.flags).filtered
    return page(request, "pages/study_imported.html", name=name, saved=saved, left_out=left_out)
