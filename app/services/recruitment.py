"""What passes between a study and its recruiter: the study there, submissions and their statuses, reviews, and events.

Nothing here rejects anyone by itself. No transaction is open while Prolific is asked.
"""

import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import ParticipantError
from app.records import enrolments, payments
from app.records.database import Database
from app.records.payments import Due, Part
from app.records.people import note
from app.services.egress import AllowList, CheckedResolver, may_name_key
from app.services.refusal import Refused
from app.services.studies import Who, identity, spec_of, visible_study
from app.settings import Settings
from app.studies import prolific
from app.studies.codes import codes_of
from app.studies.prolific import (
    CATEGORIES,
    LEAST_MESSAGE,
    QUERY,
    WAITS,
    Declined,
    Event,
    Prolific,
    ProlificError,
    Received,
    Subscription,
)
from app.studies.spec import StudySpec
from models import Enrolment, Payment, Study, Submission

GIVEN_UP: Mapping[str, str] = {"RETURNED": "returned", "TIMED OUT": "timed_out"}
"""Statuses of Prolific that end a part, to that end: its verdicts are never counted nor paid, and its place is free."""
REVIEWED: Mapping[str, str] = {"APPROVED": "approved", "REJECTED": "rejected"}
PAID_FOR = ("APPROVED", "PARTIALLY APPROVED", "SCREENED OUT")
"""Statuses in which Prolific itself has paid for a submission."""
LET_GO = ("RETURNED", "TIMED OUT")
"""Statuses after which a submission can no longer be approved, so that pay has to be a bonus."""
MOST_REASON = 2000
"""Characters."""
MOST_EVENT = 64 * 1024
"""Bytes of an event."""
EVENTS = "/recruiters/prolific/events"
"""Path to which Prolific sends its events."""
EVENT = "submission.status.change"


@dataclass(frozen=True)
class Recruitment:
    """What is needed to speak with recruiters on behalf of an account."""

    database: Database
    settings: Settings
    allowed: AllowList | None = None
    """Where requests may go; None for the command line, which may send them anywhere."""
    waits: tuple[float, ...] = WAITS

    @asynccontextmanager
    async def prolific(self, spec: StudySpec) -> AsyncIterator[Prolific]:
        """Speak with Prolific for a study. Raise Refused where that is not possible, and where Prolific fails."""
        token = self.secret(spec.recruiter.token, "token")
        resolver = None if self.allowed is None else CheckedResolver(self.allowed)
        check = None if self.allowed is None else self.allowed.check
        try:
            async with Prolific(token, self.settings.prolific_url, check, resolver, self.waits) as client:
                yield client
        except Declined as error:
            raise Refused(409, str(error)) from error
        except ProlificError as error:
            raise Refused(502, str(error)) from error
        except ParticipantError as error:  # The allow-list does not name Prolific.
            raise Refused(403, str(error)) from error

    def secret(self, variable: str | None, what: str) -> str:
        """Return the value of a variable that a study names. Raise Refused where it may not be named or is not set."""
        if not variable:
            raise Refused(
                409, f"The study names no variable with the {what}: write recruiter.{what} in its file."
            )
        if not may_name_key(variable, self.settings):
            raise Refused(
                403,
                f"{variable} may not be named as a {what}: begin it with ARENA_KEY_, or ask the operator to list it in ARENA_KEY_VARIABLES.",
            )
        if not (value := os.environ.get(variable, "").strip()):
            raise Refused(409, f"{variable} is not set where the arena runs: its operator can set it.")
        return value

    @asynccontextmanager
    async def study(self, who: Who, name: str) -> AsyncIterator[tuple[AsyncSession, Study, StudySpec]]:
        """Open a transaction with a study locked. Raise Refused."""
        async with self.database.session.begin() as db:
            study = await visible_study(db, who, name, lock=True)
            yield db, study, spec_of(study)


def has_api(spec: StudySpec) -> bool:
    """Return whether a study asks Prolific itself."""
    return spec.recruiter.kind == "prolific" and spec.recruiter.token is not None


def plain_status(status: str) -> str:
    """Return a status in the one spelling: Prolific writes TIMED-OUT, TIMED_OUT and AWAITING REVIEW."""
    return " ".join(status.upper().replace("-", " ").replace("_", " ").split())


# ── the study there ─────────────────────────────────────────────────────────────────────────────────────────────


def draft_of(study: Study, spec: StudySpec, link: str) -> dict[str, Any]:
    """Return the study as it is sent to Prolific. Every code leads to a person who looks: none rejects or pays by itself."""
    codes = study.codes
    look = [{"action": "MANUALLY_REVIEW"}]
    made: dict[str, Any] = {
        "name": spec.title,
        "internal_name": spec.name,
        "description": f"{spec.trials} short trials, about {spec.minutes} minutes in all.",
        "external_study_url": f"{link}?{QUERY}",
        "prolific_id_option": "url_parameters",
        "completion_codes": [
            {"code": codes["completed"], "code_type": "COMPLETED", "actions": look},
            {"code": codes["screened_out"], "code_type": "OTHER", "actions": look},
            {"code": codes["failed_checks"], "code_type": "FAILED_ATTENTION_CHECK", "actions": look},
        ],
        "estimated_completion_time": spec.minutes,
        "reward": spec.reward.minor,
        "total_available_places": spec.people,
        "device_compatibility": ["desktop", "tablet", "mobile"],
        "peripheral_requirements": [],
        "submissions_config": {"max_submissions_per_participant": 1},
    }
    if spec.time_limit is not None:
        made["maximum_allowed_time"] = spec.time_limit
    return made


async def make_draft(at: Recruitment, who: Who, name: str, link: str) -> str:
    """Make the study at Prolific, unpublished; return its id there. `link`: where people join. Raise Refused."""
    async with at.study(who, name) as (db, study, spec):
        _check_unlinked(study, spec)
        study.codes = {**codes_of(spec.recruiter), **study.codes}
        await db.flush()
        draft = draft_of(study, spec, link)
    async with at.prolific(spec) as client:
        made = await client.create_study(draft)
    await _link(at, who, name, str(made.get("id", "")), "made at Prolific")
    return str(made.get("id", ""))


async def link_study(at: Recruitment, who: Who, name: str, there: str) -> list[str]:
    """Link a study to one that is at Prolific already; return in sentences where the two differ. Raise Refused."""
    async with at.study(who, name) as (db, study, spec):
        _check_unlinked(study, spec)
        study.codes = {**codes_of(spec.recruiter), **study.codes}
        codes = dict(study.codes)
        await db.flush()
    async with at.prolific(spec) as client:
        found = await client.study(there)
    await _link(at, who, name, there, "linked at Prolific")
    return list(differences(spec, codes, found))


def _check_unlinked(study: Study, spec: StudySpec) -> None:
    if spec.recruiter.kind != "prolific":
        raise Refused(409, "This study does not recruit at Prolific: its file says so.")
    if study.recruiters_study:
        raise Refused(409, f"The study is linked already, to {study.recruiters_study} at Prolific.")


async def _link(at: Recruitment, who: Who, name: str, there: str, action: str) -> None:
    async with at.study(who, name) as (db, study, _):
        study.recruiters_study = there
        await note(db, identity(who), action, "study", study.id, {"study": there})


def differences(spec: StudySpec, codes: Mapping[str, str], found: Mapping[str, Any]) -> list[str]:
    """Return in sentences where a study at Prolific says something else than the file."""
    said = []
    for key, ours, what in (
        ("reward", spec.reward.minor, "reward in pence or cents"),
        ("total_available_places", spec.people, "number of places"),
        ("estimated_completion_time", spec.minutes, "estimated time in minutes"),
    ):
        if key in found and found[key] != ours:
            said.append(f"The {what} is {found[key]} at Prolific and {ours} here.")
    there = {code.get("code") for code in found.get("completion_codes") or () if isinstance(code, Mapping)}
    missing = [code for code in codes.values() if code not in there]
    if there and missing:
        said.append(
            f"Prolific does not know the code {', '.join(missing)}: add it there, or name its codes in the file."
        )
    return said


async def there_now(at: Recruitment, who: Who, name: str) -> Mapping[str, Any]:
    """Return the study as Prolific has it. Raise Refused."""
    async with at.study(who, name) as (_, study, spec):
        there = _linked(study)
    async with at.prolific(spec) as client:
        return await client.study(there)


async def publish(at: Recruitment, who: Who, name: str) -> None:
    """Publish the study at Prolific, so that people see it. Raise Refused."""
    async with at.study(who, name) as (_, study, spec):
        there, state = _linked(study), study.state
    if state != "open":
        raise Refused(409, "Open the study here first: people who come would find it closed.")
    async with at.prolific(spec) as client:
        found = await client.study(there)
        if (status := plain_status(str(found.get("status", "")))) != "UNPUBLISHED":
            raise Refused(409, f"At Prolific the study is {status.lower()}, so it is not published again.")
        await client.publish(there)
    async with at.study(who, name) as (db, study, _):
        await note(db, identity(who), "published at Prolific", "study", study.id, {"study": there})


def _linked(study: Study) -> str:
    if not study.recruiters_study:
        raise Refused(409, "The study is not linked with one at Prolific yet.")
    return study.recruiters_study


async def subscribe(at: Recruitment, who: Who, name: str, base: str, workspace: str = "") -> Subscription:
    """Ask Prolific to send events to the arena at `base`, once. Raise Refused."""
    async with at.study(who, name) as (_, _, spec):
        at.secret(spec.recruiter.webhook_secret, "webhook_secret")
    target = f"{base}{EVENTS}"
    async with at.prolific(spec) as client:
        for there in await client.subscriptions():
            if (there.event_type, there.target_url, there.enabled) == (EVENT, target, True):
                return there
        return await client.subscribe(workspace or await _only_workspace(client), EVENT, target)


async def _only_workspace(client: Prolific) -> str:
    found = await client.workspaces()
    if len(found) != 1:
        raise Refused(409, f"Name the workspace, one of: {', '.join(found) or 'none'}.")
    return found[0]


# ── statuses ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Synced:
    """What a look at Prolific changed."""

    submissions: int
    """Those that Prolific has."""
    changed: int
    """Parts whose status is another now."""
    ended: int
    """Parts that ended because of it."""
    unknown: int
    """Parts of whose submission Prolific knows nothing."""
    claimed: int
    """Parts that came with a submission that is not theirs."""
    not_here: int
    """Submissions of people who never came here."""

    @property
    def sentence(self) -> str:
        """Return it in words."""
        parts = [f"{self.submissions} submissions, {self.changed} of them changed. {self.ended} parts ended."]
        if self.unknown:
            parts.append(f"Of {self.unknown} parts Prolific knows no submission.")
        if self.claimed:
            parts.append(
                f"{self.claimed} parts came with a submission that is not theirs: only what Prolific lists under their own id is paid."
            )
        if self.not_here:
            parts.append(f"{self.not_here} submissions are of people who never joined here.")
        return " ".join(parts)


async def sync(at: Recruitment, who: Who, name: str) -> Synced:
    """End the parts of those who ran out of time, and bring statuses in step with what Prolific says. Raise Refused."""
    async with at.study(who, name) as (db, study, spec):
        overdue = await enrolments.end_overdue(db, study.id)
        there = _linked(study) if has_api(spec) else ""
        if not there:
            await note(db, identity(who), "synced", "study", study.id, {"overdue": overdue})
            return Synced(0, 0, overdue, 0, 0, 0)
    asked_at = datetime.now(UTC)
    async with at.prolific(spec) as client:
        received = await client.submissions(there)
    by_id = {one.id: one for one in received}
    counts: Counter[str] = Counter()
    async with at.study(who, name) as (db, study, spec):
        rows = await payments.submissions(db, study.id)
        await _correct(db, study, spec, rows, received)
        for enrolment, person, submission in rows:
            counts["claimed"] += submission.claimed is not None
            one = by_id.get(submission.recruiters_id or "")
            if one is None:
                counts["unknown"] += submission.claimed is None and bool(person)  # Or their data are deleted.
            elif one.participant == person:
                counts.update(await report(db, spec, enrolment, submission, one.status, asked_at))
        known = {submission.recruiters_id for *_, submission in rows}
        await note(db, identity(who), "synced", "study", study.id, {"submissions": len(received)})
    return Synced(
        len(received),
        counts["changed"],
        counts["ended"] + overdue,
        counts["unknown"],
        counts["claimed"],
        len(by_id.keys() - known),
    )


async def _correct(
    db: AsyncSession,
    study: Study,
    spec: StudySpec,
    rows: Sequence[tuple[Enrolment, str, Submission]],
    received: Sequence[Received],
) -> None:
    """Give each person the submission that the recruiter lists under their id; a false claim is kept beside it.

    Claims are released first, also those in other studies, because no two parts can have the same submission.
    """
    by_id = {one.id: one for one in received}
    by_person = {one.participant: one.id for one in received if one.participant}
    wanted: list[tuple[Submission, str]] = []
    for enrolment, person, submission in rows:
        listed, right = by_id.get(submission.recruiters_id or ""), by_person.get(person)
        if listed and (listed.participant == person or not person):
            continue
        if submission.recruiters_id is not None and (listed or right):
            _release(submission)
            await note(db, None, "claimed a submission that is not theirs", "enrolment", enrolment.id)
        if submission.recruiters_id is None and right:
            wanted.append((submission, right))
    await db.flush()
    taken = await _released_elsewhere(db, study, spec, [right for _, right in wanted])
    for submission, right in wanted:
        if right not in taken:
            submission.recruiters_id = right
            submission.claimed = None if submission.claimed == right else submission.claimed
    await db.flush()


def _release(submission: Submission) -> None:
    submission.claimed, submission.recruiters_id = submission.recruiters_id, None
    submission.status, submission.reported_at = "", None


async def _released_elsewhere(
    db: AsyncSession, study: Study, spec: StudySpec, ids: Sequence[str]
) -> set[str]:
    """Take these submissions from parts of other studies that claim them; return those confirmed there, which stay."""
    taken = set()
    for other in await payments.claims_elsewhere(db, study.id, spec.recruiter.kind, ids):
        if other.reported_at is not None:
            taken.add(other.recruiters_id or "")
            continue
        _release(other)
        await note(db, None, "claimed a submission that is not theirs", "enrolment", other.enrolment_id)
    await db.flush()
    return taken


async def report(
    db: AsyncSession,
    spec: StudySpec,
    enrolment: Enrolment,
    submission: Submission,
    status: str,
    at: datetime,
) -> list[str]:
    """Take what Prolific says of a submission; return `changed` and `ended` where it is so.

    What is older than the last report changes nothing, because events come in any order.
    """
    if submission.reported_at is not None and at < submission.reported_at:
        return []
    plain = plain_status(status)
    changed = plain_status(submission.status) != plain
    submission.status, submission.reported_at = status, at
    await db.flush()
    found = ["changed"] if changed else []
    if plain in GIVEN_UP and await _give_up(db, enrolment, GIVEN_UP[plain]):
        found.append("ended")
    if plain in REVIEWED and enrolment.review is None:
        enrolment.review = REVIEWED[plain]
        enrolment.review_reason = "As Prolific says."
        if enrolment.review == "rejected":
            await forget_unsent(db, enrolment.id)
    if plain in PAID_FOR:
        await _paid_there(db, spec, enrolment, plain)
    if plain in LET_GO:
        await _forget_failed_approval(db, enrolment)
    if changed:
        await note(db, None, "was reported as", "enrolment", enrolment.id, {"status": plain})
    await db.flush()
    return found


async def _give_up(db: AsyncSession, enrolment: Enrolment, how: str) -> bool:
    """End a part whose submission was returned or ran out of time; False where another end stays.

    Who finished here and then returned the submission is not counted either. Who stopped early, or was screened out, was asked to
    return it and keeps their end, and so does who was approved.
    """
    if enrolment.ended_as is None:
        return await enrolments.end(db, enrolment, how)
    if enrolment.ended_as != "completed" or enrolment.review == "approved":
        return False
    await enrolments.end_otherwise(db, enrolment, how)
    return True


async def _paid_there(db: AsyncSession, spec: StudySpec, enrolment: Enrolment, status: str) -> None:
    """Record that Prolific paid the reward, so that it is not paid again."""
    there = await payments.payment(db, enrolment.id, "base")
    minor = spec.reward.minor if status == "APPROVED" else spec.smaller_pay.minor("screened_out")
    detail = {"by": "approval", "status": status}
    if there is None:
        paid = Due(enrolment.id, "base", minor, spec.reward.currency, detail)
        await payments.record(db, [paid], state="sent")
    elif there.state != "sent" and there.detail.get("by") == "approval":
        _sent(there)
    elif is_unsent(there):
        # It was to be paid otherwise, and now is not.
        there.minor, there.detail, there.recruiters_id = minor, detail, None
        _sent(there)


async def _forget_failed_approval(db: AsyncSession, enrolment: Enrolment) -> None:
    """Delete an approval that Prolific refused: the submission is gone, so that what is due is paid by a bonus."""
    there = await payments.payment(db, enrolment.id, "base")
    if there is not None and there.detail.get("by") == "approval" and there.state == "failed":
        await db.delete(there)


def _sent(payment: Payment) -> None:
    payment.state, payment.sent_at = "sent", datetime.now(UTC)


# ── reviews ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a submission is rejected."""

    reason: str
    category: str = "OTHER"


async def approve(at: Recruitment, who: Who, name: str, part: uuid.UUID) -> None:
    """Approve a person's work; at Prolific this pays the reward. Raise Refused."""
    async with at.study(who, name) as (db, study, spec):
        found = await _to_review(db, study, part)
        if found.review == "approved":
            return
        if found.review == "rejected":
            raise Refused(409, "This part was rejected already: change that at the recruiter.")
        if not has_api(spec):
            await _reviewed(db, who, part, "approved", "")
            return
        await _start_approval(db, spec, found)
    try:
        async with at.prolific(spec) as client:
            await client.approve(_confirmed(found))
    except Refused as refused:
        if refused.status != 502:  # It was certainly not done.
            await _approval_failed(at, part, refused.sentence)
        raise
    async with at.study(who, name) as (db, study, spec):
        payment = await payments.payment(db, part, "base")
        assert payment is not None
        if payment.state == "sent":  # Another approval, or an event, was quicker.
            return
        _sent(payment)
        await _reviewed(db, who, part, "approved", "")
        await _now(db, part, "APPROVED")


async def _to_review(db: AsyncSession, study: Study, part: uuid.UUID) -> Part:
    found = await payments.parts(db, study.id, part)
    if not found:
        raise Refused(404, "There is no such part in this study.")
    if found[0].ended_as is None:
        raise Refused(409, "This person is still taking part: wait until they are done.")
    return found[0]


def _confirmed(part: Part) -> str:
    """Return the id of a submission that Prolific has confirmed. Raise Refused where it is a mere claim of the link."""
    if not part.submission or part.reported_at is None:
        raise Refused(409, "Prolific has not confirmed this submission: look at Prolific first, then decide.")
    return part.submission


async def _start_approval(db: AsyncSession, spec: StudySpec, part: Part) -> None:
    """Write down that the reward is being paid, before Prolific is asked to."""
    _confirmed(part)
    detail = {"by": "approval"}
    due = Due(part.id, "base", spec.reward.minor, spec.reward.currency, detail)
    if await payments.record(db, [due], state="sending"):
        return
    there = await payments.payment(db, part.id, "base")
    assert there is not None
    if there.detail.get("by") != "approval":
        raise Refused(
            409, "The base of this part is paid by a bonus already: approving it would pay it twice."
        )
    if there.state == "sent":
        raise Refused(409, "Prolific has paid for this part already: approving it would pay it twice.")
    there.state, there.minor, there.detail = "sending", spec.reward.minor, detail


async def _approval_failed(at: Recruitment, part: uuid.UUID, sentence: str) -> None:
    async with at.database.session.begin() as db:
        there = await payments.payment(db, part, "base")
        if there is not None and there.state == "sending":
            there.state, there.detail = "failed", {**there.detail, "failure": sentence}


async def approve_all(at: Recruitment, who: Who, name: str) -> int:
    """Approve everyone who completed and waits for it; return how many. Raise Refused at the first who cannot be approved."""
    async with at.study(who, name) as (db, study, spec):
        waiting = [part.id for part in await payments.parts(db, study.id) if awaits_review(part, spec)]
    for part in waiting:
        await approve(at, who, name, part)
    return len(waiting)


def awaits_review(part: Part, spec: StudySpec) -> bool:
    """Return whether a part was completed, waits for a review, and can be approved."""
    if part.ended_as != "completed" or part.review is not None:
        return False
    return not has_api(spec) or plain_status(part.status) == "AWAITING REVIEW"


async def reject(at: Recruitment, who: Who, name: str, part: uuid.UUID, why: Rejection) -> None:
    """Reject a person's work for a reason, which Prolific sends to them. Raise Refused."""
    reason = why.reason.strip()
    async with at.study(who, name) as (db, study, spec):
        found = await _to_review(db, study, part)
        _check_rejection(found, spec, why.category, reason)
        paid = [one for kind in ("base", "bonus") if (one := await payments.payment(db, part, kind))]
        if not all(is_unsent(one) for one in paid):
            raise Refused(409, "This part was paid, or may have been: it is not rejected any more.")
        if not has_api(spec):
            await _rejected(db, who, part, reason, why.category)
            return
        submission = _confirmed(found)
    async with at.prolific(spec) as client:
        await client.reject(submission, why.category, reason)
    async with at.study(who, name) as (db, study, spec):
        await _rejected(db, who, part, reason, why.category)
        await _now(db, part, "REJECTED")


def _check_rejection(part: Part, spec: StudySpec, category: str, reason: str) -> None:
    if part.review is not None:
        raise Refused(409, f"This part was {part.review} already.")
    if not reason or len(reason) > MOST_REASON:
        raise Refused(
            422, f"Give a reason of at most {MOST_REASON:,} characters: the person has a right to it."
        )
    if category not in CATEGORIES:
        raise Refused(422, f"The category is one of {', '.join(CATEGORIES)}.")
    if spec.recruiter.kind == "prolific" and len(reason) < LEAST_MESSAGE:
        raise Refused(
            422,
            f"Prolific asks for at least {LEAST_MESSAGE} characters, and this has {len(reason)}: say what was wrong, and where.",
        )


async def _rejected(db: AsyncSession, who: Who, part: uuid.UUID, reason: str, category: str) -> None:
    await forget_unsent(db, part)
    await _reviewed(db, who, part, "rejected", reason, category)


async def forget_unsent(db: AsyncSession, part: uuid.UUID) -> None:
    """Delete the sums of a part that were recorded and not sent: they are no longer due. What was asked for is kept."""
    for kind in ("base", "bonus"):
        there = await payments.payment(db, part, kind)
        if there is not None and is_unsent(there):
            await db.delete(there)
    await db.flush()


def is_unsent(payment: Payment) -> bool:
    """Return whether a sum was neither paid nor asked to be."""
    if payment.detail.get("by") == "approval":
        return payment.state == "failed"
    return payment.state in ("due", "failed") and payment.detail.get("step") != "paying"


async def _reviewed(
    db: AsyncSession, who: Who, part: uuid.UUID, review: str, reason: str, category: str = ""
) -> None:
    enrolment = await db.get_one(Enrolment, part, populate_existing=True)
    enrolment.review, enrolment.review_reason = review, reason
    detail = {"reason": reason, "category": category} if reason else {}
    await note(db, identity(who), review, "enrolment", part, detail)


async def _now(db: AsyncSession, part: uuid.UUID, status: str) -> None:
    """Write down the status that a submission has at Prolific after our request."""
    submission = await db.get_one(Submission, part, populate_existing=True)
    submission.status, submission.reported_at = status, datetime.now(UTC)


async def ask_to_return(at: Recruitment, who: Who, name: str, part: uuid.UUID, reason: str) -> None:
    """Ask a person to return their submission, so that they can be paid by a bonus instead. Raise Refused."""
    if not (said := reason.strip()) or len(said) > MOST_REASON:
        raise Refused(422, "Say in a few words why the submission should be returned.")
    async with at.study(who, name) as (db, study, spec):
        submission = _confirmed(await _to_review(db, study, part))
    async with at.prolific(spec) as client:
        await client.request_return(submission, said)
    async with at.study(who, name) as (db, study, _):
        await note(db, identity(who), "asked to return", "enrolment", part, {"reason": said})


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def take_event(at: Recruitment, headers: Mapping[str, str], body: bytes) -> str:
    """Take an event that Prolific sent; return what was done with it. Raise Refused where it is not signed.

    The signature covers the time and the body. The id of the event is not signed: it only keeps an event from being taken twice.
    """
    timestamp = headers.get("x-prolific-request-timestamp", "")
    signature = headers.get("x-prolific-request-signature", "")
    async with at.database.session.begin() as db:
        signers = {
            study.id
            for study in await payments.recruited_by(db, "prolific")
            if prolific.is_signed(_hook_secret(at, study), timestamp, body, signature)
        }
        event = prolific.read_event(body)
        if not signers:
            raise Refused(
                401, "This event is not signed by a secret that a study here names, or it is too old."
            )
        if event is None:
            raise Refused(422, "This is no event of Prolific's.")
        identity_ = headers.get("x-event-id", "")[:200] or signature
        if not await payments.take_event(db, "prolific", identity_, event.kind):
            return "known"
        at_ = prolific.moment(headers.get("x-timestamp", "") or timestamp) or datetime.now(UTC)
        return await _apply(db, event, signers, min(at_, datetime.now(UTC)))


def _hook_secret(at: Recruitment, study: Study) -> str:
    """Return the secret of a study's events; an empty one, by which nothing is signed, where there is none."""
    try:
        return at.secret(study.spec["recruiter"].get("webhook_secret"), "webhook_secret")
    except Refused:
        return ""


async def _apply(db: AsyncSession, event: Event, signers: set[uuid.UUID], at: datetime) -> str:
    if event.kind != EVENT:
        return "noted"
    found = await payments.submission_of(db, "prolific", event.resource)
    if found is None:
        return "unknown"
    enrolment, person, submission = found
    if enrolment.study_id not in signers or event.participant != person:
        return "not of this person"
    spec = spec_of(enrolment.study)
    return "taken" if await report(db, spec, enrolment, submission, event.status, at) else "no change"
