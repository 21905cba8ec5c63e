"""The API's import of archives."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool

from app.exchange.importers import ARCHIVES
from app.experiments.spec import NAME
from app.services.archives import NameTaken, save_archive
from app.services.refusal import Refused
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller, refusing
from app.web.api.bodies import uploaded

router = APIRouter(prefix=PREFIX, responses=REFUSALS, tags=["experiments"])
_JSON_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An archive: JSON Lines as docs/formats/archives.md describes them, at most 64 MB.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@router.post("/archives/{name}", name="api_import_archive", status_code=201, openapi_extra=_JSON_LINES)
async def import_archive(
    request: Request,
    caller: Caller,
    name: Annotated[str, Path(pattern=NAME, description="Name of the experiment and of its task set.")],
    where: Annotated[
        list[str] | None, Query(description="Keep only the trials with this flag; give it again for another.")
    ] = None,
) -> schemas.ImportedArchive:
    """Save transcripts, judges and verdicts of others as a finished experiment; all of them or nothing."""
    async with uploaded(request, f"{name}.jsonl") as path:
        archive = await run_in_threadpool(ARCHIVES["verdicts"].read, path)
    with refusing():
        try:
            saved = await save_archive(request.app.state.database, caller, archive, name, where or [])
        except NameTaken as error:
            raise Refused(409, str(error)) from error
    return schemas.ImportedArchive(
        name=name,
        new=saved.new,
        questions=saved.questions,
        trials=saved.trials,
        verdicts=saved.verdicts,
        apart=saved.apart,
        left_out=archive.where(where or []).filtered,
    )
