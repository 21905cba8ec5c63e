"""Writing a new experiment: the form, its drafts, what it would take, and the start; and adding a judging round."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData

from app.experiments.estimate import ExperimentEstimate, gathered
from app.experiments.estimate_tables import estimate_tables
from app.experiments.spec import Spec, SpecError
from app.participants.base import EndpointSettings, ParticipantError
from app.records import spec_drafts as records
from app.records.database import Database
from app.records.endpoints import endpoints
from app.records.tasks import task_sets
from app.services.estimates import Estimates
from app.services.experiments import judge_for, judgeable, start_for
from app.services.refusal import Refused
from app.services.untrusted_spec import (
    outside_panel,
    outside_spec,
    recorded,
    with_known_endpoints,
    with_recorded,
)
from app.services.visibility import visible
from app.web.experiment_editor import form_fields as form
from app.web.experiment_editor.arm_names import default_names
from app.web.experiment_editor.form import (
    Sheet,
    file_from_record,
    file_of,
    kept,
    panel_of,
    prices_of,
    read_sheet,
    sheet_of,
    storable,
)
from app.web.experiment_editor.mistakes import wrong_inputs
from app.web.fields import written
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Who
from app.web.uploads import sent_yaml, text_of
from models import Account, Participant, SpecDraft

router = APIRouter()
HERE = "/experiments/new"
UNTITLED = "untitled"
KEEP_NAMES = (
    "Arms keep their names for good, in reports and exports too, and some are default names: give them better ones, or press Start "
    "again to keep them."
)


@dataclass(frozen=True, slots=True)
class EditorState:
    """A user's editor: the sheet, and what the arena offers for it."""

    request: Request
    who: Account
    known: list[tuple[str, EndpointSettings]]
    sets: dict[str, int]
    offered: list[Participant]
    sheet: Sheet = field(default_factory=Sheet)
    draft: SpecDraft | None = None
    yaml: str = ""
    """What was pasted and could not be read."""

    @property
    def database(self) -> Database:
        """Where everything is."""
        database: Database = self.request.app.state.database
        return database

    async def file(self) -> dict[str, Any]:
        """The sheet as the file that `arena run` takes, with all that it names. Raises SpecError."""
        storable(self.sheet)
        data = file_of(self.sheet)
        return with_known_endpoints(with_recorded(data, await recorded(self.database, data)), self.known)

    async def spec(self) -> Spec:
        """The sheet as an experiment. Raises SpecError."""
        return await run_in_threadpool(outside_spec, await self.file(), self.known)


async def _desk(request: Request, who: Account) -> EditorState:
    database: Database = request.app.state.database
    known = await endpoints(database)
    async with database.session() as db:
        return EditorState(request, who, known, await task_sets(db), await records.offered(db))


# ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get(HERE, name="build")
async def build(
    request: Request,
    who: Who,
    draft: uuid.UUID | None = None,
    copy: uuid.UUID | None = None,
    like: Annotated[str, Query(max_length=100)] = "",
    task_set: Annotated[str, Query(alias="set", max_length=500)] = "",
) -> Response:
    """The form: new (on a task set), of a draft, a copy of one, or like an experiment that is there."""
    desk = await _desk(request, who)
    async with desk.database.session() as db:
        if draft or copy:
            desk = await _opened(db, desk, draft or copy, again=copy is not None)
        elif like:
            desk = replace(desk, sheet=await _like(db, who, like))
        else:
            desk = replace(desk, sheet=form.blank(desk.sets, task_set))
    return await _shown(desk)


async def _opened(
    db: AsyncSession, desk: EditorState, identity: uuid.UUID | None, *, again: bool
) -> EditorState:
    row = await records.draft(db, desk.who.id, identity) if identity else None
    if row is None:
        raise Refused(404, "There is no such draft of yours.")
    sheet = kept(row.spec)
    if not again:
        return replace(desk, sheet=sheet, draft=row)
    return replace(desk, sheet=sheet.model_copy(update={"name": f"{sheet.name or UNTITLED}-copy"}))


async def _like(db: AsyncSession, who: Account, name: str) -> Sheet:
    found = await visible(db, who, name)
    if "imported" in found.spec:
        raise Refused(
            409, f"{name} was imported, so it cannot be played anew: have new judges read its talks."
        )
    file = file_from_record(found.spec, await records.own_templates(db, found))
    return sheet_of({**file, "name": f"{name}-2"})


@router.post(HERE, name="build_change")
async def change(request: Request, who: Who) -> Response:
    """Do what a button of the form says. An error is shown above the form, which loses nothing."""
    sent = await request.form()
    desk = replace(await _desk(request, who), sheet=read_sheet(_pairs(sent)), yaml=text_of(sent, "yaml"))
    verb, _, place = text_of(sent, "do").partition(":")
    try:
        desk = await _at_draft(desk, text_of(sent, "draft"))
        if verb == "start" and (unchecked := _unchecked_names(desk.sheet, text_of(sent, "kept_names"))):
            return await _shown(desk, error=KEEP_NAMES, status=422, wrong=unchecked)
        if verb in ACTIONS:
            return await ACTIONS[verb](desk)
        if verb == "load":
            return await _load(desk, sent)
        return await _shown(
            replace(desk, sheet=form.changed(desk.sheet, verb, place, text_of(sent, "add"), desk.offered))
        )
    except (SpecError, ParticipantError) as error:
        return await _shown(desk, error=str(error), status=422)
    except Refused as refusal:
        wrong = ("name",) if refusal.status == 409 else ()
        return await _shown(desk, error=refusal.sentence, status=refusal.status, wrong=wrong)


def _pairs(sent: FormData) -> list[tuple[str, str]]:
    return [(name, value) for name, value in sent.multi_items() if isinstance(value, str)]


async def _at_draft(desk: EditorState, identity: str) -> EditorState:
    """With the draft that the form was opened from, if it is still there."""
    try:
        wanted = uuid.UUID(identity)
    except ValueError:
        return desk
    async with desk.database.session() as db:
        return replace(desk, draft=await records.draft(db, desk.who.id, wanted))


def _unchecked_names(sheet: Sheet, kept_names: str) -> list[str]:
    """Return the inputs of default names of arms that the user has not been asked about."""
    found = default_names(sheet.arms)
    return [] if " ".join(found.values()) == kept_names else [f"arms.{place}.name" for place in found]


async def _shown(
    desk: EditorState, *, error: str = "", status: int = 200, wrong: Sequence[str] = ()
) -> Response:
    # What it would take is asked for by itself where the form alone is drawn anew.
    alone = desk.request.headers.get("hx-target") == "written"
    found, reason = (None, "") if alone else await _estimated(desk)
    return page(
        desk.request,
        "pages/builder.html",
        status=status,
        sheet=desk.sheet,
        draft=desk.draft,
        form=form.form_of(desk.sheet, desk.known, desk.sets),
        offers=form.offers(desk.offered, desk.known),
        estimate=found,
        estimate_tables=estimate_tables(found) if found else [],
        reason=reason,
        error=error,
        wrong=wrong or (wrong_inputs(error, desk.sheet) if error else ()),
        default_names=list(default_names(desk.sheet.arms).values()),
        asked_about_names=error == KEEP_NAMES,
        yaml=desk.yaml,
    )


async def _estimated(desk: EditorState) -> tuple[ExperimentEstimate | None, str]:
    """What it would take, or why that cannot be said; a name is not needed for it."""
    estimates: Estimates = desk.request.app.state.estimates
    unnamed = replace(desk, sheet=desk.sheet.model_copy(update={"name": UNTITLED}))
    try:
        spec, prices = await unnamed.spec(), prices_of(desk.sheet)
        async with desk.database.session() as db:
            material = await gathered(db, spec)
        found = await estimates.of(desk.who.id, spec, material, prices)
        return found, "" if found else "You have asked for another estimate meanwhile: press Estimate again."
    except (SpecError, ParticipantError) as error:
        return None, str(error)


# ── what the buttons do ─────────────────────────────────────────────────────────────────────────────────────────


async def _save(desk: EditorState) -> Response:
    name = desk.sheet.name.strip() or UNTITLED
    if len(name) > 100:
        raise SpecError("name: a name has at most 100 characters.")
    async with desk.database.session.begin() as db:
        identity = desk.draft.id if desk.draft else None
        saved = await records.save_draft(db, desk.who.id, identity, name, storable(desk.sheet))
    if saved is None:
        raise SpecError(f"You have another draft called {name}: give this one another name to keep both.")
    return RedirectResponse(f"{HERE}?draft={saved}", status_code=303)


async def _start(desk: EditorState) -> Response:
    state = desk.request.app.state
    started = await start_for(state.database, state.settings, desk.who, await desk.spec())
    if desk.draft is not None:
        async with desk.database.session.begin() as db:
            await records.delete_draft(db, desk.who.id, desk.draft.id)
    return RedirectResponse(f"/experiments/{started.experiment.name}", status_code=303)


async def _download(desk: EditorState) -> Response:
    spec, file = await desk.spec(), await desk.file()
    headers = {"Content-Disposition": f'attachment; filename="{spec.name}.yaml"'}
    return Response(written(file), media_type="application/yaml; charset=utf-8", headers=headers)


async def _load(desk: EditorState, sent: FormData) -> Response:
    """Fill the form from YAML, pasted or uploaded; where that cannot be read, the form stays as it was."""
    data = await sent_yaml(sent, "an experiment's")
    data = with_recorded(data, await recorded(desk.database, data))
    await run_in_threadpool(outside_spec, data, desk.known)
    return await _shown(replace(desk, sheet=sheet_of(data), yaml=""))


ACTIONS: dict[str, Callable[[EditorState], Awaitable[Response]]] = {
    "save": _save,
    "start": _start,
    "download": _download,
}


# ── drafts ──────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/drafts", name="drafts")
async def drafts(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """One's own drafts."""
    return page(request, "pages/drafts.html", listed=await records.drafts_page(db, who.id, number))


@router.post("/drafts/{identity}/delete", name="draft_delete")
async def delete_draft(who: Who, db: Db, identity: uuid.UUID) -> Response:
    """Remove one of them."""
    if not await records.delete_draft(db, who.id, identity):
        raise Refused(404, "There is no such draft of yours.")
    return RedirectResponse("/drafts", status_code=303)


# ── a judging round ─────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/experiments/{name}/judge", name="round_form")
async def round_form(request: Request, who: Who, name: str) -> Response:
    """The form of a judging round, where there may be one."""
    desk = replace(await _desk(request, who), sheet=Sheet())
    async with desk.database.session() as db:
        await judgeable(db, lambda db: visible(db, who, name))
    return await _round_shown(desk, name)


async def _round_shown(desk: EditorState, name: str, *, error: str = "", status: int = 200) -> Response:
    async with desk.database.session() as db:
        found = await visible(db, desk.who, name)
    return page(
        desk.request,
        "pages/experiment_judge.html",
        status=status,
        experiment=found,
        sheet=desk.sheet,
        form=form.form_of(desk.sheet, desk.known, {}),
        offers=form.offers(desk.offered, desk.known),
        error=error,
        wrong=wrong_inputs(error, desk.sheet) if error else (),
    )


@router.post("/experiments/{name}/judge", name="round_change")
async def round_change(request: Request, who: Who, name: str) -> Response:
    """Add judges to the form, or start the round."""
    sent = await request.form()
    desk = replace(await _desk(request, who), sheet=read_sheet(_pairs(sent)))
    verb, _, place = text_of(sent, "do").partition(":")
    try:
        if verb != "start":
            sheet = form.changed(desk.sheet, verb, place, text_of(sent, "add"), desk.offered)
            return await _round_shown(replace(desk, sheet=sheet), name)
        storable(desk.sheet)
        data = panel_of(desk.sheet)
        rows = await recorded(desk.database, data)
        panel = await run_in_threadpool(outside_panel, data, desk.known, rows)
        state = request.app.state
        await judge_for(state.database, state.settings, who, lambda db: visible(db, who, name), panel)
    except (SpecError, ParticipantError) as error:
        return await _round_shown(desk, name, error=str(error), status=422)
    except Refused as refusal:
        # Where the experiment is not theirs to see, this is refused again.
        return await _round_shown(desk, name, error=refusal.sentence, status=refusal.status)
    return RedirectResponse(f"/experiments/{name}", status_code=303)
