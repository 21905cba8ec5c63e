"""The API's task sets: list and upload."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool

from app.exchange.taskfile import read_tasks
from app.experiments.spec import NAME
from app.records.tasks import sets_page
from app.services.removal import delete_set, rename_set
from app.services.tasks import save_tasks
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller, refusing
from app.web.api.bodies import uploaded
from app.web.parameters import PageNumber
from app.web.security.middleware import Db

router = APIRouter(prefix=PREFIX, responses=REFUSALS, tags=["task sets"])
SetName = Annotated[str, Path(pattern=NAME)]
_JSON_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A task file: JSON Lines as docs/formats/tasks.md describes them, at most 64 MB at once.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@router.get("/tasks", name="api_tasks")
async def list_tasks(caller: Caller, db: Db, number: PageNumber = 1) -> schemas.Listed[schemas.TaskSet]:
    """Task sets by name."""
    return schemas.listed(await sets_page(db, "", number), schemas.TaskSet.model_validate)


@router.post("/tasks/{name}", name="api_upload", status_code=201, openapi_extra=_JSON_LINES)
async def upload_tasks(
    request: Request, caller: Caller, name: SetName, skip_bad: bool = False
) -> schemas.Imported:
    """Add passages and questions to a task set, which is made if it is new. Existing rows stay unchanged."""
    async with uploaded(request, f"{name}.jsonl") as path:
        file = await run_in_threadpool(read_tasks, path)
    with refusing():
        saved = await save_tasks(request.app.state.database, caller, file, name, skip_bad=skip_bad)
    return schemas.Imported(
        passages=saved.passages,
        questions=saved.questions,
        unchanged=saved.unchanged,
        left_out=[str(problem) for problem in file.problems],
    )


@router.post("/tasks/{name}/rename", name="api_rename_tasks")
async def rename_tasks(caller: Caller, db: Db, name: SetName, new: schemas.NewName) -> schemas.SetUse:
    """Give a task set another name, also in the stored files of experiments on it: only who brought it in, or an admin."""
    return schemas.SetUse.model_validate(await rename_set(db, caller, name, new.name))


@router.delete("/tasks/{name}", name="api_delete_tasks")
async def delete_tasks(caller: Caller, db: Db, name: SetName) -> schemas.SetUse:
    """Delete a task set that no experiment uses: only who brought it in, or an admin."""
    return schemas.SetUse.model_validate(await delete_set(db, caller, name))
