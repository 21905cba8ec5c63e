"""Looking at experiments: the list, how far one is and steering it, its trials, a transcript with its model calls, exports."""

import re
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask

from app.exchange.choices import Document, Format, Part, What, media_type, suffix
from app.exchange.outgoing import send_out
from app.exchange.tabular import ExportRefused
from app.experiments.spec import NAME, SpecError, parse_cap
from app.protocols import PROTOCOLS
from app.protocols.core import parse_content
from app.protocols.views import LETTERS
from app.records import browse, finding, people
from app.records.browse import Transcript
from app.records.database import Database
from app.records.endpoints import notices
from app.records.finding import CONFIDENT, FLAGS, Sort
from app.records.progress import failures
from app.records.queue import sharing, turns
from app.records.removal import contents
from app.records.spending import spent_by
from app.records.tags import MOST_NOTE, tags_of
from app.services.caps import CapRefused, change_cap
from app.services.experiments import Action, change
from app.services.looking import (
    look,
    look_at_export,
    presets_shown,
    refuse_by_outcome,
    sight,
    without_outcomes,
)
from app.services.refusal import Refused
from app.services.removal import delete_experiment, owns, rename_experiment, why_stays
from app.services.tags import TagRefused, mark
from app.services.visibility import sees_only, visible, visible_trial
from app.web.experiments.measures import course, in_words
from app.web.experiments.progress_chart import bars, lasting
from app.web.experiments.transcript import TURNS, judgings, labels, quoted_passage, told
from app.web.experiments.tree import tree
from app.web.fields import read
from app.web.parameters import ExportOptions, PageNumber, Search, TrialFilter
from app.web.render import page, turned
from app.web.security.middleware import Db, Who
from models import Account, Experiment

router = APIRouter()
FirstTurn = Annotated[int, Query(alias="from", ge=1, le=100_000)]
CapFigure = Annotated[str, Form(max_length=40)]
TagsText = Annotated[str, Form(max_length=1000)]
NoteText = Annotated[str, Form(max_length=2 * MOST_NOTE)]
MOST_FAILURES = 50
"""Reasons of failures that a page lists."""


@router.get("/experiments", name="experiments")
async def listed(
    request: Request, who: Who, db: Db, q: Search = "", tag: Search = "", number: PageNumber = 1
) -> Response:
    """Show the experiments that a user may see, the newest first."""
    owner = sees_only(who)
    return page(
        request,
        "pages/experiments.html",
        listed=await browse.experiments(db, owner=owner, search=q.strip(), number=number, tag=tag),
        q=q,
        tag=tag,
        tags=await tags_of(db, owner),
        turned=turned("/experiments", q=q, tag=tag),
    )


@router.get("/experiments/{name}", name="experiment")
async def experiment(request: Request, who: Who, db: Db, name: str) -> Response:
    """How far an experiment is, what went wrong, and what can be done about it."""
    return await _shown(request, db, who, await visible(db, who, name))


async def _shown(
    request: Request,
    db: AsyncSession,
    who: Account,
    found: Experiment,
    refused: Refused | None = None,
    given: Mapping[str, str] | None = None,
) -> Response:
    """Return the page of an experiment; with what was entered, where that was refused."""
    arms = await browse.arms_progress(db, found.id)
    whole = browse.overview(found, arms)
    course = await browse.course(db, found, live=whole.live)
    left = course.seconds_left(whole.count("queued")) if whole.live else None
    reasons = await failures(db, found.id)
    return page(
        request,
        "pages/experiment.html",
        status=refused.status if refused else 200,
        error=refused and refused.sentence,
        wrong=refused.fields if refused else (),
        given=given or {},
        whole=whole,
        arms=arms,
        course=course,
        bars=bars(course.moves),
        left=None if left is None else lasting(left),
        endpoints=await notices(db, found.id) if whole.live else [],
        turns=turns(await sharing(db, found.id), begun=bool(course.start)) if whole.live else None,
        usage=await browse.usage(db, found.id),
        spent=await spent_by(db, found.id),
        priced=bool(found.spec.get("prices")),
        own=owns(who, found),
        name_pattern=NAME,
        failures=reasons[:MOST_FAILURES],
        more_failures=len(reasons[MOST_FAILURES:]),
        whats=[*What, *Document],
        formats=list(Format),
        parts=list(Part),
    )


@router.post("/experiments/{name}/steer", name="experiment_steer")
async def steer(who: Who, db: Db, name: str, action: Annotated[Action, Form()]) -> Response:
    """Pause, resume or cancel an experiment, or try again what failed in it."""
    found = await visible(db, who, name)
    if not await change(db, who, found, action):
        raise Refused(409, f"The experiment is {found.state}: load its page again to see what can be done.")
    return RedirectResponse(f"/experiments/{name}", status_code=303)


@router.post("/experiments/{name}/cap", name="experiment_cap")
async def cap(
    request: Request,
    who: Who,
    db: Db,
    name: str,
    calls: CapFigure = "",
    tokens: CapFigure = "",
    money: CapFigure = "",
) -> Response:
    """Change the spending cap of an experiment; what is left empty has no limit."""
    found = await visible(db, who, name)
    given = {"calls": calls, "tokens": tokens, "money": money}
    try:
        cap = parse_cap({key: read(text.strip(), "number") for key, text in given.items() if text.strip()})
        await change_cap(db, who.id, found, dict.fromkeys(given, 0) | cap.as_json())
    except (SpecError, CapRefused) as error:
        named = [key for key in given if re.search(rf"\b{key}\b", str(error))]
        return await _shown(request, db, who, found, Refused(422, str(error), *(named or given)), given)
    return RedirectResponse(f"/experiments/{name}", status_code=303)


@router.post("/experiments/{name}/tags", name="experiment_tags")
async def tagged(
    request: Request, who: Who, db: Db, name: str, tags: TagsText = "", note: NoteText = ""
) -> Response:
    """Replace the tags and the note of an experiment."""
    found = await visible(db, who, name)
    try:
        await mark(db, who.id, found, tags=re.split(r"[\s,;]+", tags), note=note)
    except TagRefused as error:
        refused = Refused(422, str(error), "note" if "note" in str(error).lower() else "tags")
        return await _shown(request, db, who, found, refused, {"tags": tags, "note": note})
    return RedirectResponse(f"/experiments/{name}", status_code=303)


@router.post("/experiments/{name}/rename", name="experiment_rename")
async def renamed(
    request: Request, who: Who, db: Db, name: str, new: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Give an experiment another name."""
    found = await visible(db, who, name)
    try:
        await rename_experiment(db, who, found, new.strip())
    except Refused as error:
        if not error.fields:
            raise
        return await _shown(
            request, db, who, found, Refused(error.status, error.sentence, "new"), {"new": new}
        )
    return RedirectResponse(f"/experiments/{new.strip()}", status_code=303)


@router.get("/experiments/{name}/delete", name="experiment_delete_form")
async def delete_form(request: Request, who: Who, db: Db, name: str) -> Response:
    """Ask whether an experiment is to be deleted, and say what goes with it."""
    found = await visible(db, who, name)
    has = await contents(db, found)
    return page(
        request,
        "pages/experiment_delete.html",
        name=name,
        has=has,
        stays=why_stays(who, found, has, people=who.role == "admin"),
    )


@router.post("/experiments/{name}/delete", name="experiment_delete")
async def deleted(
    who: Who, db: Db, name: str, people_too: Annotated[bool, Form(alias="people")] = False
) -> Response:
    """Delete an experiment for good."""
    await delete_experiment(db, who, await visible(db, who, name), people=people_too)
    return RedirectResponse("/experiments", status_code=303)


@router.get("/experiments/{name}/export", name="experiment_export")
async def exported(
    request: Request,
    who: Who,
    name: str,
    asked: ExportOptions,
    what: What | Document = What.VERDICTS,
    format: Format = Format.JSONL,
    passage: bool = False,
) -> Response:
    """An export of the experiment as a file; `passage` adds the hidden texts to transcripts, pairs, logs and data sets."""
    database: Database = request.app.state.database
    options = replace(asked, include_passages=asked.include_passages or passage)
    async with database.session.begin() as db:
        found = await visible(db, who, name)
        await look_at_export(db, who, found, what)
        detail = {"what": what.value, **options.said()}
        await people.note(db, who.id, "exported", "experiment", found.id, detail)
    # An export may be long: it reads in a separate transaction, into a file that is deleted when it has been sent.
    folder = Path(tempfile.mkdtemp(prefix="arena-export-"))
    file = folder / f"{name}-{what.value}.{suffix(what, format)}"
    try:
        await send_out(database, found, what, format, file, options)
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, ExportRefused):
            raise Refused(422, str(error)) from error
        raise
    return FileResponse(
        file,
        filename=file.name,
        media_type=media_type(what, format),
        background=BackgroundTask(shutil.rmtree, folder),
    )


# ── trials ──────────────────────────────────────────────────────────────────────────────────────────────────────

STATES = ("queued", "waiting", "done", "failed", "judgement failed")
SORTS: dict[Sort, str] = {
    "": "as queued",
    "least-gold": "least belief in gold first",
    "most-gold": "most belief in gold first",
    "most-wrong": "most confident and wrong first",
    "judges-apart": "judges furthest apart first",
    "orders-apart": "orders furthest apart first",
    "longest": "longest first",
    "shortest": "shortest first",
}


@router.get("/experiments/{name}/trials", name="experiment_trials")
async def trials(
    request: Request, who: Who, db: Db, name: str, wanted: TrialFilter, number: PageNumber = 1
) -> Response:
    """The trials of an experiment that fit what is wanted."""
    found = await visible(db, who, name)
    hidden = (await sight(db, who, found, "trials")).hidden
    refuse_by_outcome(wanted, hidden)
    address = turned(f"/experiments/{name}/trials", **wanted.asked()).rstrip("?&")
    if not all(request.query_params.values()) and "hx-request" not in request.headers:
        # A form sends its empty fields too: the address that is shared goes without them.
        return RedirectResponse(address, status_code=303)
    listed = await finding.trials(db, found.id, wanted, number)
    shown = page(
        request,
        "pages/experiment_trials.html",
        experiment=found,
        listed=listed.listed,
        inside=listed.inside,
        wanted=wanted,
        presets=presets_shown(hidden),
        hidden=hidden,
        counts=await finding.preset_counts(db, found.id),
        arms=[row.name for row in await browse.arms_of(db, found.id)],
        judges=await finding.judges_of(db, found.id),
        passages=await finding.passages_of(db, found.id),
        states=STATES,
        flags=FLAGS,
        confident=CONFIDENT,
        sorts=SORTS,
        turned=turned(f"/experiments/{name}/trials", **wanted.asked()),
        query=urlencode(wanted.asked()),
    )
    if "hx-request" in request.headers:
        shown.headers["HX-Push-Url"] = address
    return shown


async def _shown_trial(db: AsyncSession, who: Account, trial: uuid.UUID) -> tuple[Transcript, str]:
    """Return a trial as the account may see it, and why it is without outcomes, if it is."""
    await visible_trial(db, who, trial)
    found = await browse.transcript(db, trial)
    hidden = (await sight(db, who, found.experiment, "trials")).hidden
    return (without_outcomes(found) if hidden else found), hidden


@router.get("/trials/{trial}", name="trial")
async def transcript(
    request: Request,
    who: Who,
    db: Db,
    trial: uuid.UUID,
    wanted: TrialFilter,
    first: FirstTurn = 1,
) -> Response:
    """A trial in its list: question, answers, verdicts, what judges read from one turn on, and the passage beside it."""
    found, hidden = await _shown_trial(db, who, trial)
    refuse_by_outcome(wanted, hidden)
    story = told(found)
    passage, speeches = quoted_passage(found.text, story.shown)
    # What is measured of a judge who took part may be their score.
    measures = {} if hidden and found.trial.judge_id else (found.trial.outcome or {}).get("measures", {})
    return page(
        request,
        "pages/transcript.html",
        found=found,
        hidden=hidden,
        gold=found.trial.answers.index(found.question.gold),
        letters=LETTERS,
        labels=labels(found.arm, found.trial),
        trial_id=trial,
        told=story,
        turns=story.shown[first - 1 : first - 1 + TURNS],
        total=len(story.shown),
        prices=course(measures),
        measures=in_words(measures, PROTOCOLS[found.arm.protocol]),
        first=first,
        step=TURNS,
        thoughts={move.id: parse_content(move.content) for item in found.judged for move, _ in item.moves},
        passage=passage,
        speeches=speeches,
        tree=tree(story.made, measures),
        judgings=judgings(found),
        place=await finding.place_of(db, found.trial, wanted),
        wanted=wanted,
        query=urlencode(wanted.asked()),
        again=turned(f"/trials/{trial}", **wanted.asked()),
        listing=turned(f"/experiments/{found.experiment.name}/trials", **wanted.asked()),
    )


@router.get("/trials/{trial}/unshown", name="trial_unshown")
async def unshown(
    request: Request,
    who: Who,
    db: Db,
    trial: uuid.UUID,
    step: Annotated[str, Query(max_length=500)],
    first: FirstTurn = 1,
) -> Response:
    """What was made in one step of a talk and not shown to judges: as a piece of the transcript's page, or as a page."""
    made = told((await _shown_trial(db, who, trial))[0]).aside(step).turns
    whole = "hx-request" not in request.headers
    template = "pages/transcript_unshown.html" if whole else "fragments/_transcript_unshown.html"
    return page(
        request,
        template,
        trial_id=trial,
        letters=LETTERS,
        step=step,
        turns=made[first - 1 : first - 1 + TURNS],
        next=first + TURNS,
        total=len(made),
    )


@router.get("/trials/{trial}/calls", name="trial_calls")
async def calls(
    request: Request,
    who: Who,
    db: Db,
    trial: uuid.UUID,
    path: Annotated[str, Query(max_length=500)],
    judgement: uuid.UUID | None = None,
) -> Response:
    """The model calls behind one move: as a piece of the transcript's page, or as a separate page."""
    await visible_trial(db, who, trial)
    found = await browse.transcript(db, trial)
    if judgement is not None or found.trial.judge_id is not None:  # A judge may take part in the talk.
        await look(db, who, found.experiment, "trials")
    made = await browse.calls(db, trial, path, judgement)
    whole = "hx-request" not in request.headers
    template = "pages/transcript_calls.html" if whole else "fragments/_transcript_calls.html"
    return page(request, template, calls=made, trial=trial, move=path)
