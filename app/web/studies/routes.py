"""Studies, for researchers: the list, the form, what is going on, and the texts of their pages."""

from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData, UploadFile

from app.experiments.spec import SpecError
from app.records import studies as records
from app.services import studies as service
from app.services.refusal import Refused
from app.services.studies import Action, Checked, outside_study
from app.services.study_links import join_path
from app.services.untrusted_spec import read_data
from app.studies.join_link import for_recruiter
from app.studies.pay import hourly, in_words, money
from app.studies.spec import MOST_TEXT, Page, StudySpec, parse_study
from app.web.fields import written
from app.web.markdown import rendered
from app.web.parameters import PageNumber
from app.web.render import page, turned
from app.web.security.middleware import Db, Visitor, Who, base_url
from app.web.studies import form
from app.web.studies.form import Sheet
from app.web.studies.preview import head_of, items_of, previewed
from models import Account, Study

router = APIRouter()
HERE = "/studies/new"


# ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/studies", name="studies")
async def studies(request: Request, who: Who, db: Db, number: PageNumber = 1) -> Response:
    """The studies that one sees, and how far each is."""
    listed = await records.listed(db, service.owner_seen(who), number)
    progress = await service.progress_of(db, listed.rows)
    return page(
        request,
        "pages/studies.html",
        listed=listed,
        rows=list(zip(listed.rows, progress, strict=True)),
        turned=turned("/studies"),
    )


# ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Editor:
    """A form of a study under way."""

    request: Request
    who: Account
    db: AsyncSession
    sheet: Sheet
    study: str = ""
    """Name of the draft that it changes; empty for a new study."""
    yaml: str = ""
    """What was pasted and could not be read."""
    unfolded: str = ""
    """The fold in which the work goes on."""

    @property
    def address(self) -> str:
        """Return where the form is sent."""
        return f"/studies/{self.study}/change" if self.study else HERE

    def spec(self) -> StudySpec:
        """Return the study that the form describes. Raise SpecError."""
        form.check(self.sheet)
        return outside_study(self.sheet.file, self.request.app.state.settings)


async def _shown(editor: Editor, *, error: str = "", status: int = 200) -> Response:
    checked, reason = await _checked(editor)
    return page(
        editor.request,
        "pages/study_form.html",
        status=status,
        study=editor.study,
        address=editor.address,
        data=editor.sheet.data,
        groups=form.fields_of(editor.sheet),
        parts=form.parts_of(editor.sheet),
        texts=form.texts_of(editor.sheet),
        rules=form.rules_of(editor.sheet),
        attempts=form.attempts_of(editor.sheet),
        languages=form.languages_of(editor.sheet),
        field_kinds=form.KINDS,
        with_seats=await records.with_seats(editor.db, service.owner_seen(editor.who), form.LISTED),
        checked=checked,
        reason=reason,
        error=error,
        wrong=[error.partition(":")[0]] if ":" in error else [],
        yaml=editor.yaml,
        unfolded=editor.unfolded,
        most_text=MOST_TEXT,
    )


async def _checked(editor: Editor) -> tuple[Checked | None, str]:
    """Return what prevents opening it, or why that cannot be said yet."""
    try:
        named = replace(
            editor.sheet, data={**editor.sheet.data, "name": editor.sheet.data.get("name") or "x"}
        )
        spec = replace(editor, sheet=named).spec()
        return await service.check(editor.db, editor.who, spec), ""
    except SpecError as error:
        return None, str(error)


@router.get(HERE, name="study_new")
async def new(
    request: Request,
    who: Who,
    db: Db,
    experiment: Annotated[str, Query(max_length=100)] = "",
    like: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The form of a new study: with ready texts, or like a study that is there."""
    sheet = form.blank(experiment)
    if like:
        spec = await service.written_spec(db, await service.visible_study(db, who, like))
        sheet = form.sheet_of({**spec.normalised(), "name": f"{like}-2"})
    return await _shown(Editor(request, who, db, sheet))


@router.post(HERE, name="study_make")
async def make(request: Request, who: Who, db: Db) -> Response:
    """Make a draft, or do what another button of the form says. An error is shown above the form, which loses nothing."""
    return await _done(request, who, db, "")


@router.get("/studies/{name}/change", name="study_change_form")
async def change_form(request: Request, who: Who, db: Db, name: str) -> Response:
    """The form of a draft."""
    study = await service.visible_study(db, who, name)
    if study.state != "draft":
        raise Refused(409, f"The study {name} was opened, so only its texts can change.")
    spec = await service.written_spec(db, study)
    return await _shown(Editor(request, who, db, form.sheet_of(spec.normalised()), name))


@router.post("/studies/{name}/change", name="study_change")
async def change(request: Request, who: Who, db: Db, name: str) -> Response:
    """Change a draft, or do what another button of the form says."""
    await service.visible_study(db, who, name)
    return await _done(request, who, db, name)


async def _done(request: Request, who: Account, db: AsyncSession, name: str) -> Response:
    sent = await request.form(max_fields=5000)
    pairs = [(key, value) for key, value in sent.multi_items() if isinstance(value, str)]
    editor = Editor(request, who, db, form.read_sheet(pairs), name, _text(sent, "yaml"))
    verb, _, place = _text(sent, "do").partition(":")
    try:
        if verb == "load":
            return await _shown(await _loaded(editor, sent))
        if verb == "save":
            async with db.begin_nested():
                study = await _saved(editor)
            return RedirectResponse(f"/studies/{study.name}", status_code=303)
        sheet, fold = form.changed(editor.sheet, verb, place), form.FOLDS.get(verb.partition("-")[2], "")
        return await _shown(replace(editor, sheet=sheet, unfolded=fold))
    except SpecError as error:
        return await _shown(editor, error=str(error), status=422)
    except Refused as refusal:
        return await _shown(editor, error=refusal.sentence, status=refusal.status)


async def _saved(editor: Editor) -> Study:
    spec = editor.spec()
    if editor.study:
        return await service.change(editor.db, editor.who, editor.study, spec)
    return await service.create(editor.db, editor.who, spec)


async def _loaded(editor: Editor, sent: FormData) -> Editor:
    """Fill the form from YAML, pasted or uploaded; where that cannot be read, the form stays as it was. Raise SpecError."""
    file, text = sent.get("file"), editor.yaml
    if not text.strip() and isinstance(file, UploadFile):
        try:
            text = (await file.read()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SpecError("The YAML file is not UTF-8 text: save it as UTF-8.") from error
    if not text.strip():
        raise SpecError("Paste a study's YAML or choose a file first.")
    data = await run_in_threadpool(read_data, text, "the YAML")
    return replace(editor, sheet=form.sheet_of(parse_study(data).normalised()), yaml="")


def _text(sent: FormData, name: str) -> str:
    found = sent.get(name)
    return found if isinstance(found, str) else ""


# ── a study ─────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/studies/{name}", name="study")
async def study(request: Request, who: Who, db: Db, name: str) -> Response:
    """How far a study is, its link, and what can be done with it."""
    return await _study_page(request, who, db, name)


async def _study_page(
    request: Request, who: Account, db: AsyncSession, name: str, *, error: str = "", status: int = 200
) -> Response:
    found = await service.visible_study(db, who, name)
    spec = service.spec_of(found)
    [progress] = await service.progress_of(db, [found])
    try:
        checked = await service.check_to_open(db, who, spec, found)
    except SpecError as problem:  # An experiment is gone, or is another's now.
        checked = Checked((str(problem),), ())
    link = base_url(request) + await join_path(db, found)
    return page(
        request,
        "pages/study.html",
        status=status,
        study=found,
        spec=spec,
        progress=progress,
        checked=checked,
        link=for_recruiter(link, spec.recruiter.kind),
        plain_link=link,
        passed=await records.attrition(db, found.id, [one.value for one in spec.path]),
        minutes=await records.minutes_taken(db, found.id),
        texts=await records.texts(db, found.id),
        pay=_pay(spec),
        error=error,
    )


def _pay(spec: StudySpec) -> dict[str, str]:
    currency = spec.reward.currency
    return {
        "reward": money(spec.reward),
        "hourly": in_words(hourly(spec), currency),
        "bonus": in_words(spec.bonus.most, currency) if spec.bonus else "",
        "most": in_words(
            (spec.reward.amount + (spec.bonus.most if spec.bonus else 0)) * spec.people, currency
        ),
    }


@router.post("/studies/{name}/steer", name="study_steer")
async def steer(request: Request, who: Who, db: Db, name: str, action: Annotated[Action, Form()]) -> Response:
    """Open, pause or close a study, or say on its page why not."""
    try:
        async with db.begin_nested():
            await service.steer(db, who, name, action)
    except SpecError as error:
        return await _study_page(request, who, db, name, error=str(error), status=422)
    return RedirectResponse(f"/studies/{quote(name)}", status_code=303)


@router.post("/studies/{name}/delete", name="study_delete")
async def delete(who: Who, db: Db, name: str) -> Response:
    """Delete a draft."""
    await service.delete_draft(db, who, name)
    return RedirectResponse("/studies", status_code=303)


@router.get("/studies/{name}/file", name="study_file")
async def file(who: Who, db: Db, name: str) -> Response:
    """The study's file with its texts as they are now."""
    spec = await service.written_spec(db, await service.visible_study(db, who, name))
    headers = {"Content-Disposition": f'attachment; filename="{name}.yaml"'}
    return Response(written(spec.normalised()), media_type="application/yaml; charset=utf-8", headers=headers)


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/studies/{name}/texts/{part}", name="study_text")
async def text(
    request: Request,
    who: Who,
    db: Db,
    name: str,
    part: Page,
    number: PageNumber = 1,
    version: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """A page's text with its preview and its versions; `version` fills the form with an earlier one."""
    found = await service.visible_study(db, who, name)
    return await _text_page(request, db, found, part, await _version(db, found, part, version), number)


async def _version(db: AsyncSession, study: Study, part: Page, version: int | None) -> str:
    if part not in service.spec_of(study).texts:
        raise Refused(404, f"The study {study.name} has no page {part} with a text.")
    wanted = await records.version(db, study.id, part, version)
    if wanted is None and version is not None:
        raise Refused(404, f"There is no version {version} of this text.")
    return wanted.markdown if wanted else ""


async def _text_page(
    request: Request,
    db: AsyncSession,
    study: Study,
    part: Page,
    markdown: str,
    number: int = 1,
    *,
    saved: bool = True,
    error: str = "",
    status: int = 200,
) -> Response:
    return page(
        request,
        "pages/study_text.html",
        status=status,
        study=study,
        part=part,
        markdown=markdown,
        preview=rendered(markdown),
        listed=await records.versions(db, study.id, part, number),
        turned=turned(request.url.path),
        saved=saved,
        error=error,
        most_text=MOST_TEXT,
        pages=list(service.spec_of(study).texts),
    )


@router.post("/studies/{name}/texts/{part}", name="study_text_write")
async def write_text(
    request: Request,
    who: Who,
    db: Db,
    name: str,
    part: Page,
    markdown: Annotated[str, Form()] = "",
    do: Annotated[str, Form()] = "save",
) -> Response:
    """Save a version of a text, or show how it would look."""
    study = await service.visible_study(db, who, name)
    markdown = service.plain_lines(markdown)
    await _version(db, study, part, None)
    if do == "preview":
        return await _text_page(request, db, study, part, markdown, saved=False)
    try:
        await service.write_text(db, who, name, part, markdown)
    except Refused as refusal:
        return await _text_page(
            request, db, study, part, markdown, saved=False, error=refusal.sentence, status=refusal.status
        )
    return RedirectResponse(f"/studies/{quote(name)}/texts/{part}", status_code=303)


# ── how participants see it ─────────────────────────────────────────────────────────────────────────────────────


@router.get("/studies/{name}/preview/{part}", name="study_preview")
async def preview(request: Request, visitor: Visitor, who: Who, db: Db, name: str, part: Page) -> Response:
    """A participant's page, shown to a researcher. No one is enrolled, and nothing that is entered is kept."""
    study = await service.visible_study(db, who, name)
    spec = await service.written_spec(db, study)
    if part not in spec.path:
        raise Refused(404, f"The study {name} has no page {part}.")
    place = spec.path.index(part)
    return page(
        request,
        "pages/study_preview.html",
        study=study,
        spec=spec,
        part=part,
        shown=previewed(spec, part, visitor.session.csrf if visitor.session else ""),
        page_head=head_of(spec, part),
        items=items_of(spec, part),
        before=spec.path[place - 1] if place else None,
        after=spec.path[place + 1] if place + 1 < len(spec.path) else None,
    )
