"""Archives: bringing a file of transcripts and verdicts in as a finished experiment; for researchers only."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from app.exchange.importers import ARCHIVES
from app.exchange.importing import ImportRefused
from app.experiments.spec import NAME
from app.services.archives import save_archive
from app.services.rate_limit import limited
from app.web.render import page
from app.web.security.middleware import MAX_BODY, Who
from app.web.uploads import kept, shown

router = APIRouter()


class ArchiveUpload(BaseModel):
    """The form that brings an archive in."""

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


def _form(given: ArchiveUpload) -> dict[str, Any]:
    return {"given": given, "most": MAX_BODY // 2**20, "name_pattern": NAME}


@router.get("/archives", name="archive_form")
async def archive_form(request: Request, who: Who) -> Response:
    """Show the form that brings an archive in."""
    return page(
        request, "pages/archive.html", sentence="", problems=(), more_problems=0, **_form(ArchiveUpload())
    )


@router.post("/archives", name="import_archive")
async def import_archive(request: Request, who: Who, given: Annotated[ArchiveUpload, Form()]) -> Response:
    """Take an archive in whole, or say what is wrong with it and keep nothing."""
    await limited(request.app.state.database, f"import/{who.id}", 20)
    importer = ARCHIVES["verdicts"]
    try:
        async with kept(given.file) as path:
            name = given.name.strip() or importer.usual_name(path)
            archive = await run_in_threadpool(importer.read, path)
        saved = await save_archive(request.app.state.database, who, archive, name, given.flags)
    except ImportRefused as refused:
        return page(
            request,
            "pages/archive.html",
            status=422,
            sentence=refused.sentence,
            wrong=("name",) if "name" in refused.sentence else ("file",),
            **shown(refused.problems),
            **_form(given),
        )
    left_out = archive.where(given.flags).filtered
    return page(request, "pages/archive_imported.html", name=name, saved=saved, left_out=left_out)
