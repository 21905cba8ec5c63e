"""What people of a study are due: reviews, the preview of payments, sending them, and files for other recruiters."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.importing import ImportRefused
from app.money import minor_in_words
from app.records import payments
from app.records.database import Database
from app.services import paying, payment_files, recruitment
from app.services.egress import allow_list
from app.services.paying import SURE_AFTER, Line
from app.services.rate_limit import limited
from app.services.recruitment import MOST_REASON, Recruitment, Rejection, has_api
from app.services.refusal import Refused
from app.services.studies import spec_of, visible_study
from app.services.study_links import join_path
from app.settings import Settings
from app.studies.prolific import CATEGORIES, LEAST_MESSAGE
from app.web.parameters import PageNumber
from app.web.render import page
from app.web.security.middleware import Db, Who, base_url
from app.web.uploads import shown
from models import Account, Payment

router = APIRouter()
MOST_FILE = 2**21
"""Bytes of a file of payments."""


def recruitment_of(request: Request) -> Recruitment:
    """Return what is needed to speak with recruiters: requests go only where the operator allows it."""
    settings: Settings = request.app.state.settings
    database: Database = request.app.state.database
    return Recruitment(database, settings, allow_list(settings))


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/studies/{name}/payments", name="study_payments")
async def study_payments(request: Request, who: Who, db: Db, name: str, number: PageNumber = 1) -> Response:
    """Show what each person of a study is due, and what was paid."""
    return page(request, "pages/study_payments.html", **await _found(db, who, name, number))


async def _found(db: AsyncSession, who: Account, name: str, number: int = 1) -> dict[str, Any]:
    study = await visible_study(db, who, name)
    spec = spec_of(study)
    everything = await paying.preview(db, study, spec)
    listed = await payments.page_of_parts(db, study.id, number)
    by_part = {line.part.id: line for line in everything.lines}
    return {
        "study": study,
        "spec": spec,
        "api": has_api(spec),
        "listed": listed.of([by_part[part.id] for part in listed.rows]),
        "preview": everything,
        "by_part": by_part,
        "waiting": sum(recruitment.awaits_review(line.part, spec) for line in everything.lines),
        "under_way": _under_way(everything.lines),
        "outside": sum(_outside(line) for line in everything.lines),
        "looked_at": max(filter(None, (line.part.reported_at for line in everything.lines)), default=None),
        "plain_status": recruitment.plain_status,
        "money": lambda minor: minor_in_words(minor, spec.reward.currency),
        "categories": CATEGORIES,
        "least": LEAST_MESSAGE if spec.recruiter.kind == "prolific" else 1,
        "most": MOST_REASON,
        "hours": SURE_AFTER.seconds // 3600,
        "said": "",
        "error": "",
        "problems": (),
        "more_problems": 0,
    }


def _under_way(lines: Any) -> list[tuple[str, str, str, int, datetime | None]]:
    """Return person, kind, state and sum of what was sent and is not known to have arrived."""
    return [
        (line.part.pseudonym, kind, _in_words(payment), payment.minor, payment.created_at)
        for line in lines
        for kind, payment in line.recorded.items()
        if payment.state in ("sending", "failed")
        or (payment.state == "due" and payment.detail.get("by") == "bonus")
    ]


def _in_words(payment: Payment) -> str:
    if payment.state == "failed":
        return str(payment.detail.get("failure", "refused"))
    if payment.state == "due":
        return "recorded, not sent yet"
    if payment.detail.get("by") == "approval":
        return "the approval was asked for"
    return "asked to be paid" if payment.detail.get("step") == "paying" else "being set up"


def _outside(line: Line) -> int:
    return sum(one.state == "due" and one.detail.get("by") == "outside" for one in line.recorded.values())


async def _said(request: Request, who: Account, name: str, said: str) -> Response:
    """Show the page again, with what was done."""
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        found = await _found(db, who, name)
    return page(request, "pages/study_payments.html", **found | {"said": said})


async def _not_done(request: Request, who: Account, name: str, refused: Refused | ImportRefused) -> Response:
    """Show the page again, with why something was not done. Raise it again where there is no page to show."""
    if isinstance(refused, Refused) and refused.status == 404:
        raise refused
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        found = await _found(db, who, name)
    status = refused.status if isinstance(refused, Refused) else 422
    problems = shown(refused.problems) if isinstance(refused, ImportRefused) else {}
    return page(
        request, "pages/study_payments.html", status=status, **found | problems | {"error": refused.sentence}
    )


# ── deciding ────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/studies/{name}/payments/review", name="study_review")
async def review(
    request: Request,
    who: Who,
    name: str,
    do: Annotated[Literal["approve", "approve-all", "reject", "return"], Form()],
    part: Annotated[uuid.UUID | None, Form()] = None,
    reason: Annotated[str, Form(max_length=2 * MOST_REASON)] = "",
    category: Annotated[str, Form(max_length=40)] = "OTHER",
) -> Response:
    """Approve a person's work, reject it for a reason, or ask for it to be returned."""
    at = recruitment_of(request)
    try:
        if do == "approve-all":
            return await _said(
                request, who, name, f"Approved {await recruitment.approve_all(at, who, name)} people."
            )
        if part is None:
            raise Refused(422, "Say whose part this is about.")
        if do == "approve":
            await recruitment.approve(at, who, name, part)
        elif do == "reject":
            await recruitment.reject(at, who, name, part, Rejection(reason, category))
        else:
            await recruitment.ask_to_return(at, who, name, part, reason)
    except Refused as refused:
        return await _not_done(request, who, name, refused)
    done = {"approve": "Approved.", "reject": "Rejected, with your reason.", "return": "Asked to return it."}
    return await _said(request, who, name, done[do])


# ── paying ──────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/studies/{name}/payments", name="study_pay")
async def pay(request: Request, who: Who, name: str, digest: Annotated[str, Form(max_length=64)]) -> Response:
    """Record what the page showed, and send it where the recruiter can be asked to."""
    at = recruitment_of(request)
    await limited(at.database, f"pay/{who.id}", 20)
    try:
        found = await paying.pay(at, who, name, digest)
    except Refused as refused:
        return await _not_done(request, who, name, refused)
    sent = f" {found.sent} payments were sent." if found.sent else ""
    return await _said(request, who, name, f"Recorded {found.recorded} payments.{sent}")


@router.post("/studies/{name}/payments/send", name="study_send")
async def send(
    request: Request, who: Who, name: str, do: Annotated[Literal["go-on", "again", "outside"], Form()]
) -> Response:
    """Go on with payments that were cut off, make due again what was not paid, or mark as paid what was paid elsewhere."""
    at = recruitment_of(request)
    await limited(at.database, f"pay/{who.id}", 20)
    try:
        if do == "outside":
            said = f"Marked {await paying.paid_outside(at, who, name)} payments as paid."
        elif do == "again":
            said = f"Made {await paying.again(at, who, name)} payments due again."
        else:
            said = f"Prolific has paid {await paying.send(at, who, name)} more payments."
    except Refused as refused:
        return await _not_done(request, who, name, refused)
    return await _said(request, who, name, said)


# ── the recruiter ───────────────────────────────────────────────────────────────────────────────────────────────


@router.post("/studies/{name}/payments/sync", name="study_sync")
async def sync(request: Request, who: Who, name: str) -> Response:
    """Look at Prolific for the status of submissions."""
    at = recruitment_of(request)
    await limited(at.database, f"sync/{who.id}", 20)
    try:
        found = await recruitment.sync(at, who, name)
    except Refused as refused:
        return await _not_done(request, who, name, refused)
    return await _said(request, who, name, found.sentence)


@router.post("/studies/{name}/payments/prolific", name="study_prolific")
async def at_prolific(
    request: Request,
    who: Who,
    name: str,
    do: Annotated[Literal["draft", "link", "publish"], Form()],
    there: Annotated[str, Form(max_length=100)] = "",
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Make a draft of the study at Prolific, link one that is there, or publish it."""
    at = recruitment_of(request)
    await limited(at.database, f"sync/{who.id}", 20)
    try:
        if do == "draft":
            async with at.database.session.begin() as db:
                path = await join_path(db, await visible_study(db, who, name))
            made = await recruitment.make_draft(at, who, name, f"{base_url(request)}{path}")
            said = f"Prolific has the draft {made}. Look at it there, then publish it here or there."
        elif do == "link":
            differences = await recruitment.link_study(at, who, name, there.strip())
            said = " ".join(["The study is linked.", *differences])
        else:
            if not sure:
                raise Refused(422, "Tick that people may be recruited and paid, then publish.")
            await recruitment.publish(at, who, name)
            said = "The study is published at Prolific: people come now."
    except Refused as refused:
        return await _not_done(request, who, name, refused)
    return await _said(request, who, name, said)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/studies/{name}/payments/export", name="study_payments_export")
async def export(who: Who, db: Db, name: str) -> Response:
    """Return what each person is due as CSV, with the recruiter's ids."""
    data = await payment_files.exported(db, who, name)
    headers = {"Content-Disposition": f'attachment; filename="{name}-payments.csv"'}
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/studies/{name}/payments/import", name="study_payments_import")
async def bring_in(
    request: Request, who: Who, name: str, file: Annotated[UploadFile | None, Form()] = None
) -> Response:
    """Take statuses, reviews and payments from a file that came back."""
    at = recruitment_of(request)
    try:
        data = b"" if file is None else await file.read(MOST_FILE)
        if not data:
            raise ImportRefused("Choose a file first.")
        found = await payment_files.taken(at, who, name, data)
    except (Refused, ImportRefused) as refused:
        return await _not_done(request, who, name, refused)
    return await _said(
        request,
        who,
        name,
        f"Read {found.lines} lines: {found.changed} statuses changed, {found.reviewed} reviews, {found.paid} payments.",
    )
