"""The API's experiments: start, steer, follow, report, export, judge again."""

import os
import shutil
import tempfile
import uuid
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.choices import Document, Format, What, media_type, suffix
from app.exchange.outgoing import send_out
from app.records import admin, browse
from app.records import experiments as records
from app.records.database import Database
from app.records.endpoints import endpoints
from app.records.people import note
from app.records.progress import progress
from app.reports.report import Report, notes
from app.reports.report_cache import ReportCache
from app.reports.tables import as_tables
from app.services.caps import change_cap
from app.services.experiments import Action, change, judge_for, start_for
from app.services.looking import look, look_at_export
from app.services.refusal import Refused
from app.services.removal import delete_experiment, rename_experiment
from app.services.tags import mark, marked
from app.services.untrusted_spec import outside_panel, outside_spec, recorded
from app.services.visibility import may_see, sees_only
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller, refusing
from app.web.api.bodies import described, download
from app.web.parameters import ExportOptions, PageNumber
from app.web.security.middleware import Db
from models import Account, Experiment

router = APIRouter(prefix=PREFIX, responses=REFUSALS, tags=["experiments"])
WIDTH = 160
"""Columns of a report as text: what the command line takes where it knows no terminal."""
_A_SPEC: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "The file that the command line takes, as JSON or YAML. Participants name registered endpoints; `prompts` "
            "are the templates themselves instead of names of files."
        ),
        "content": {
            kind: {"schema": {"type": "object"}} for kind in ("application/json", "application/yaml")
        },
    }
}


async def _theirs(caller: Caller, db: Db, name: str) -> Experiment:
    """Return the experiment of this name. One that the caller may not see counts as absent."""
    found = await records.find(db, name)
    if found is None or not may_see(caller, found):
        raise Refused(404, f"There is no experiment {name} here: see the list at /api/v1/experiments.")
    return found


Theirs = Annotated[Experiment, Depends(_theirs, scope="function")]


@router.get("/experiments", name="api_experiments")
async def list_experiments(
    caller: Caller,
    db: Db,
    number: PageNumber = 1,
    search: Annotated[str, Query(max_length=200, description="Part of the name or the note.")] = "",
    tag: Annotated[str, Query(max_length=200, description="A tag that it has.")] = "",
) -> schemas.Listed[schemas.ListedExperiment]:
    """Experiments, newest first."""
    page = await browse.experiments(
        db, owner=sees_only(caller), search=search.strip(), number=number, tag=tag
    )
    return schemas.listed(page, _in_list)


def _in_list(row: browse.Overview) -> schemas.ListedExperiment:
    counts = {"done": row.count("done"), "failed": row.count("failed"), "total": row.total}
    return schemas.ListedExperiment(**_shown(row.experiment), status=row.state, **counts)


@router.post("/experiments", name="api_start", status_code=201, openapi_extra=_A_SPEC)
async def start_experiment(
    request: Request, response: Response, caller: Caller, retry_failed: bool = False
) -> schemas.Started:
    """Start an experiment, or go on with the one that was started from the same spec (then with status 200)."""
    database: Database = request.app.state.database
    with refusing():
        data = await described(request, "the experiment's file")
        known, rows = await endpoints(database), await recorded(database, data)
        spec = await run_in_threadpool(outside_spec, data, known, rows)
        started = await start_for(
            database, request.app.state.settings, caller, spec, retry_failed=retry_failed
        )
    response.status_code = 201 if started.new else 200
    return schemas.Started(**_shown(started.experiment), new=started.new)


def _shown(experiment: Experiment) -> dict[str, Any]:
    return schemas.Experiment.model_validate(experiment).model_dump()


@router.get("/experiments/{name}", name="api_experiment")
async def get_experiment(experiment: Theirs) -> schemas.ExperimentInFull:
    """An experiment with its spec."""
    return schemas.ExperimentInFull.model_validate(experiment)


@router.get("/experiments/{name}/progress", name="api_progress")
async def get_progress(db: Db, experiment: Theirs) -> schemas.Progress:
    """The progress of an experiment."""
    return await _progress(db, experiment.id)


async def _progress(db: AsyncSession, experiment: uuid.UUID) -> schemas.Progress:
    return schemas.Progress.model_validate(await progress(db, experiment))


@router.get("/experiments/{name}/report", name="api_report", response_model=schemas.Report)
async def get_report(request: Request, caller: Caller, name: str) -> Response:
    """Every figure, as `arena report --format json` prints it."""
    result = await _report(request, caller, name)
    return Response(orjson.dumps(result.as_json()), media_type="application/json")


async def _report(request: Request, caller: Account, name: str) -> Report:
    reports: ReportCache = request.app.state.reports
    experiment = await _found(request, caller, name)
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        await look(db, caller, experiment, "report")
    return (await reports.of(experiment)).report


async def _found(request: Request, caller: Account, name: str) -> Experiment:
    """Return the experiment of this name and release the connection, because the rest takes long."""
    database: Database = request.app.state.database
    async with database.session() as db:
        return await _theirs(caller, db, name)


@router.get("/experiments/{name}/report.txt", name="api_report_text", response_class=PlainTextResponse)
async def get_report_text(request: Request, caller: Caller, name: str) -> PlainTextResponse:
    """The answer, the tables and their notes, as `arena report --all` prints them."""
    result = await _report(request, caller, name)
    written = marked(await _found(request, caller, name)).sentence
    text = StringIO()
    text.write(f"{result.answer.text}\n")
    text.write(f"{written}\n" if written else "")
    text.write("".join(f"{line}\n" for line in result.warnings))
    Console(file=text, width=WIDTH).print(*as_tables(result), sep="")
    return PlainTextResponse(text.getvalue() + "".join(f"{line}\n" for line in notes(result)))


@router.get("/experiments/{name}/export", name="api_export", response_class=StreamingResponse)
async def get_export(
    request: Request,
    caller: Caller,
    name: str,
    what: What | Document,
    asked: ExportOptions,
    format: Format = Format.JSONL,
) -> StreamingResponse:
    """A table of verdicts, beliefs, transcripts, model calls, pairs or labels; an archive; or a zip of logs or of a data set."""
    database: Database = request.app.state.database
    experiment = await _found(request, caller, name)
    async with database.session.begin() as db:
        await look_at_export(db, caller, experiment, what)
    ending = suffix(what, format)
    folder = Path(tempfile.mkdtemp(prefix="arena-export-"))
    try:
        path = folder / f"export.{ending}"
        with refusing():
            rows = await send_out(database, experiment, what, format, path, asked)
        file = path.open("rb")  # closed when it has been sent
        try:
            async with database.session.begin() as db:
                detail = {"what": what.value, **asked.said()}
                await note(db, caller.id, "exported", "experiment", experiment.id, detail)
        except BaseException:
            file.close()
            raise
    finally:
        # The open file stays readable.
        shutil.rmtree(folder)
    file.seek(0, os.SEEK_END)
    return download(file, media_type(what, format), f"{experiment.name}-{what.value}.{ending}", rows)


@router.get("/experiments/{name}/rounds", name="api_rounds")
async def list_rounds(db: Db, experiment: Theirs, number: PageNumber = 1) -> schemas.Listed[schemas.Round]:
    """Its judging rounds, in the order they were added."""
    page = await admin.rounds_page(db, experiment.id, number)
    return schemas.listed(page, schemas.Round.model_validate)


@router.post("/experiments/{name}/rounds", name="api_judge", status_code=201, openapi_extra=_A_SPEC)
async def add_round(
    request: Request, caller: Caller, name: str, retry_failed: bool = False
) -> schemas.RoundStarted:
    """Judge the finished trials in a new or existing round."""
    database: Database = request.app.state.database
    with refusing():
        data = await described(request, "the panel's file")
        known, rows = await endpoints(database), await recorded(database, data)
        panel = await run_in_threadpool(outside_panel, data, known, rows)
        queued = await judge_for(
            database,
            request.app.state.settings,
            caller,
            lambda db: _theirs(caller, db, name),
            panel,
            retry_failed=retry_failed,
        )
    return schemas.RoundStarted(name=panel.name, queued=queued)


@router.post("/experiments/{name}/cap", name="api_cap")
async def new_cap(caller: Caller, db: Db, experiment: Theirs, cap: schemas.NewCap) -> schemas.Progress:
    """Change its spending cap. Where only the former cap stood in the way, it goes on."""
    with refusing():
        await change_cap(db, caller.id, experiment, cap.changes())
    return await _progress(db, experiment.id)


@router.post("/experiments/{name}/tags", name="api_tags")
async def new_marks(caller: Caller, db: Db, experiment: Theirs, marks: schemas.NewMarks) -> schemas.Marks:
    """Change its tags, its note or both. Neither is part of the frozen file."""
    with refusing():
        return schemas.Marks.model_validate(await mark(db, caller.id, experiment, **marks.model_dump()))


@router.post("/experiments/{name}/rename", name="api_rename")
async def rename(caller: Caller, db: Db, experiment: Theirs, new: schemas.NewName) -> schemas.Experiment:
    """Give it another name, also in its stored file: only its owner or an admin."""
    await rename_experiment(db, caller, experiment, new.name)
    await db.refresh(experiment)
    return schemas.Experiment.model_validate(experiment)


@router.delete("/experiments/{name}", name="api_delete")
async def delete(
    caller: Caller,
    db: Db,
    experiment: Theirs,
    people: Annotated[bool, Query(description="Also delete what people did in it: admins only.")] = False,
) -> schemas.DeletedExperiment:
    """Delete it for good, with its trials, calls and verdicts: only its owner or an admin, and not while it runs."""
    return schemas.DeletedExperiment.model_validate(
        await delete_experiment(db, caller, experiment, people=people)
    )


@router.post("/experiments/{name}/{action}", name="api_steer")
async def steer(caller: Caller, db: Db, experiment: Theirs, action: Action) -> schemas.Progress:
    """Pause it, resume it, cancel it for good, or retry failures. A state that it already has does not
    change.
    """
    await change(db, caller, experiment, action)
    return await _progress(db, experiment.id)
