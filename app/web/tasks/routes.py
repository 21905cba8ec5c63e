"""Task sets: bringing files in, and looking through passages and questions, gold and all; for researchers only."""

import uuid
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.importers import IMPORTERS, Importer, ImportOption
from app.exchange.importing import SAMPLE, ImportRefused
from app.exchange.task_table import COLUMNS, example
from app.exchange.taskfile import Problem, read_tasks
from app.experiments.spec import NAME
from app.records import tasks as records
from app.records.removal import set_use
from app.records.tasks import SetRow
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.services.removal import brought_in, delete_set, rename_set, why_set_stays
from app.services.tasks import BAD_NAME, save_tasks
from app.web.parameters import PageNumber, Search
from app.web.render import page, turned
from app.web.security.middleware import MAX_BODY, Db, Who
from app.web.uploads import kept, shown
from models import Account

router = APIRouter()
SAMPLE_NAME = "sample"
"""Name of the task set that ships with the arena."""


class Upload(BaseModel):
    """The form that brings a file in; empty fields leave things to what is usual."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    file: UploadFile | None = None
    kind: str = "tasks"
    name: str = ""
    skip_bad: bool = False

    @property
    def importer(self) -> Importer:
        """The importer for this kind of file. Raises ImportRefused where there is none."""
        if self.kind not in IMPORTERS:
            raise ImportRefused(f"There is no importer {self.kind}: choose one of {', '.join(IMPORTERS)}.")
        return IMPORTERS[self.kind]

    @property
    def options(self) -> dict[str, bool | str]:
        """The options of the importer that the form sets. Raises ImportRefused where one is no choice."""
        return {option.name: self._option(option) for option in self.importer.options if self.sent(option)}

    def sent(self, option: ImportOption) -> str:
        """Return what the form holds for an option; nothing where it is left alone."""
        held = (self.model_extra or {}).get(f"{self.kind}-{option.name}")
        return held if isinstance(held, str) else ""

    def _option(self, option: ImportOption) -> bool | str:
        held = self.sent(option)
        if option.choices is None:
            return bool(held)
        if held not in option.choices:
            raise ImportRefused(f"{option.name}: choose one of {', '.join(filter(None, option.choices))}.")
        return held


# ── bringing in ─────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/tasks", name="tasks")
async def tasks(request: Request, who: Who, db: Db, q: Search = "", number: PageNumber = 1) -> Response:
    """Task sets by name, and a form to bring another in."""
    return page(
        request,
        "pages/tasks.html",
        listed=await records.sets_page(db, q.strip(), number),
        q=q,
        turned=turned("/tasks", q=q),
        sample=await records.find_set(db, SAMPLE_NAME) is None,
        **_form(Upload()),
    )


def _form(given: Upload) -> dict[str, Any]:
    shapes = {"columns": COLUMNS, "example": example()}
    return {
        "given": given,
        "importers": IMPORTERS.values(),
        "most": MAX_BODY // 2**20,
        "name_pattern": NAME,
        **shapes,
    }


@router.post("/tasks", name="import_tasks")
async def import_tasks(request: Request, who: Who, given: Annotated[Upload, Form()]) -> Response:
    """Take a file in, or say what is wrong with it."""
    await limited(request.app.state.database, f"import/{who.id}", 20)
    try:
        async with kept(given.file) as path:
            importer, options = given.importer, given.options
            name = given.name.strip() or importer.usual_name(path)
            file = await run_in_threadpool(partial(importer.read, path, **options))
        saved = await save_tasks(request.app.state.database, who, file, name, skip_bad=given.skip_bad)
    except ImportRefused as refused:
        return _refused(request, given, refused.sentence, refused.problems)
    return page(
        request,
        "pages/tasks_imported.html",
        name=name,
        saved=saved,
        filtered=file.filtered,
        **shown(file.problems),
    )


def _refused(request: Request, given: Upload, sentence: str, problems: tuple[Problem, ...]) -> Response:
    return page(
        request,
        "pages/tasks_refused.html",
        status=422,
        sentence="The file cannot be taken as it is." if problems else sentence,
        wrong=("name",) if sentence == BAD_NAME else ("file",),
        **shown(problems),
        **_form(given),
    )


@router.post("/tasks/sample", name="import_sample")
async def import_sample(request: Request, who: Who) -> Response:
    """Bring in the task set that ships with the arena, so that a first experiment needs no file and no one else."""
    await limited(request.app.state.database, f"import/{who.id}", 20)
    file = await run_in_threadpool(read_tasks, SAMPLE)
    await save_tasks(request.app.state.database, who, file, SAMPLE_NAME, skip_bad=False)
    return RedirectResponse(f"/tasks/{SAMPLE_NAME}", status_code=303)


# ── looking through ─────────────────────────────────────────────────────────────────────────────────────────────


async def _set(db: AsyncSession, name: str) -> SetRow:
    found = await records.find_set(db, name)
    if found is None:
        raise Refused(404, "There is no task set of this name.")
    return found


@router.get("/tasks/{name}", name="task_set")
async def task_set(
    request: Request, who: Who, db: Db, name: str, q: Search = "", number: PageNumber = 1
) -> Response:
    """A task set: what it holds, and its passages."""
    return await _shown(request, who, db, await _set(db, name), q=q, number=number)


async def _shown(
    request: Request,
    who: Account,
    db: AsyncSession,
    found: SetRow,
    refused: Refused | None = None,
    *,
    new: str = "",
    q: str = "",
    number: int = 1,
) -> Response:
    """Return the page of a task set; with the name that was refused, where one was."""
    listed = await records.passages_page(db, found.id, q.strip(), number)
    return page(
        request,
        "pages/task_set.html",
        status=refused.status if refused else 200,
        error=refused and refused.sentence,
        wrong=("new",) if refused else (),
        new=new,
        own=brought_in(who, await set_use(db, found.id)),
        found=found,
        listed=listed,
        q=q,
        turned=turned(f"/tasks/{found.name}", q=q),
        name_pattern=NAME,
    )


@router.post("/tasks/{name}/rename", name="task_set_rename")
async def rename(
    request: Request, who: Who, db: Db, name: str, new: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Give a task set another name."""
    found = await _set(db, name)
    try:
        await rename_set(db, who, name, new.strip())
    except Refused as error:
        if not error.fields:
            raise
        return await _shown(request, who, db, found, error, new=new)
    return RedirectResponse(f"/tasks/{new.strip()}", status_code=303)


@router.get("/tasks/{name}/delete", name="task_set_delete_form")
async def delete_form(request: Request, who: Who, db: Db, name: str) -> Response:
    """Ask whether a task set is to be deleted, or say why it stays."""
    found = await _set(db, name)
    stays = why_set_stays(who, name, await set_use(db, found.id))
    return page(request, "pages/task_set_delete.html", found=found, stays=stays)


@router.post("/tasks/{name}/delete", name="task_set_delete")
async def deleted(who: Who, db: Db, name: str) -> Response:
    """Delete a task set that no experiment uses."""
    await delete_set(db, who, name)
    return RedirectResponse("/tasks", status_code=303)


@router.get("/tasks/{name}/questions", name="task_questions")
async def task_questions(
    request: Request,
    who: Who,
    db: Db,
    name: str,
    q: Search = "",
    passage: Search = "",
    number: PageNumber = 1,
) -> Response:
    """The questions of a set, or of one passage of it."""
    found = await _set(db, name)
    listed = await records.questions_page(db, found.id, q.strip(), passage, number)
    return page(
        request,
        "pages/task_questions.html",
        found=found,
        listed=listed,
        q=q,
        passage=passage,
        turned=turned(request.url.path, q=q, passage=passage),
    )


@router.get("/tasks/{name}/questions/{identity}", name="task_question")
async def task_question(request: Request, who: Who, db: Db, name: str, identity: uuid.UUID) -> Response:
    """A question with its answers, gold marked, and its passage beside it."""
    found = await _set(db, name)
    asked = await records.find_question(db, found.id, identity)
    if asked is None:
        raise Refused(404, "There is no such question in this task set.")
    return page(request, "pages/task_question.html", found=found, asked=asked)
