"""Payments as CSV, for recruiters that are not asked by an API: what each person is due, and what was paid."""

import csv
import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.csv_cells import FORMULA, csv_cell
from app.exchange.importing import ImportRefused
from app.exchange.taskfile import Problem
from app.money import figure
from app.records import payments
from app.records.payments import Part
from app.records.people import note
from app.services import recruitment
from app.services.paying import Line, lines_of, preview
from app.services.recruitment import MOST_REASON, Recruitment, has_api
from app.services.studies import Who, identity, spec_of, visible_study
from app.studies.spec import StudySpec
from models import Enrolment, Study, Submission

COLUMNS = (
    "part", "pseudonym", "person", "submission", "code", "end", "trials", "promised", "status", "review", "reason",
    "base", "bonus", "currency", "paid",
)  # fmt: skip
"""Columns of the file. `paid` is `yes` where everything that is due was paid."""
READ = ("part", "status", "review", "reason", "paid")
"""Columns that are read when a file comes back; `part` says of whom a line is."""
MOST_LINES = 100_000
REVIEWS = ("", "approved", "rejected")


async def exported(db: AsyncSession, who: Who, name: str) -> bytes:
    """Return the file of a study's payments, and note that it was made. It holds the recruiter's ids. Raise Refused."""
    study = await visible_study(db, who, name)
    spec = spec_of(study)
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    found = await preview(db, study, spec)
    for line in found.lines:
        rows.writerow([csv_cell(cell) for cell in _cells(study, line)])
    await note(db, identity(who), "exported payments", "study", study.id, {"people": len(found.lines)})
    return out.getvalue().encode()


def _cells(study: Study, line: Line) -> list[str]:
    part = line.part
    return [
        str(part.id),
        part.pseudonym,
        part.person,
        part.submission,
        study.codes.get(part.ended_as or "", ""),
        part.ended_as or "",
        str(part.done),
        str(part.promised),
        part.status,
        part.review or "",
        part.review_reason,
        figure(line.base),
        figure(line.bonus),
        line.currency,
        "yes" if line.recorded and all(one.state == "sent" for one in line.recorded.values()) else "",
    ]


# ── back again ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Reported:
    """A line of a file that came back."""

    number: int
    part: Part
    status: str
    review: str
    reason: str
    paid: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file changed."""

    lines: int
    changed: int
    """Statuses."""
    reviewed: int
    paid: int
    """Payments."""


async def taken(at: Recruitment, who: Who, name: str, data: bytes) -> Taken:
    """Take what a file says of statuses, reviews and payments; all of it or nothing. Raise ImportRefused or Refused."""
    async with at.study(who, name) as (db, study, spec):
        reported = _read(data, {str(part.id): part for part in await payments.parts(db, study.id)}, spec)
        changed = reviewed = 0
        for line in reported:
            changed += await _report(db, spec, line)
            reviewed += await _review(db, who, line)
        await db.flush()
        paid = await _pay(db, study, spec, [line.part.id for line in reported if line.paid])
        found = Taken(len(reported), changed, reviewed, paid)
        detail = {"lines": found.lines, "changed": changed, "reviewed": reviewed, "paid": paid}
        await note(db, identity(who), "imported payments", "study", study.id, detail)
        return found


def _read(data: bytes, parts: Mapping[str, Part], spec: StudySpec) -> list[Reported]:
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImportRefused(
            "The file is not CSV in UTF-8: export it again, or save it as CSV UTF-8."
        ) from error
    if not rows or "part" not in rows[0]:
        raise ImportRefused(
            f"The file has no column `part`: its columns are {', '.join(READ)}, in any order."
        )
    if len(rows) > MOST_LINES:
        raise ImportRefused(f"The file has {len(rows):,} lines: at most {MOST_LINES:,} are taken.")
    reported, problems, seen = [], [], set[str]()
    for number, row in enumerate(rows, start=2):
        cells = {key: _plain(row.get(key)) for key in READ}
        wrong = _problem(cells, parts, spec, seen)
        seen.add(cells["part"])
        if wrong:
            problems.append(Problem(line=number, where="the file", reason=wrong.rstrip(".")))
            continue
        part = parts[cells["part"]]
        reported.append(
            Reported(
                number,
                part,
                cells["status"],
                cells["review"].lower(),
                cells["reason"],
                bool(_yes(cells["paid"])),
            )
        )
    if problems:
        raise ImportRefused(f"Nothing was taken: {len(problems)} lines are wrong.", tuple(problems))
    return reported


def _plain(cell: object) -> str:
    """Return a cell without the apostrophe that keeps it from being a formula."""
    text = cell if isinstance(cell, str) else ""
    guarded = text.startswith("'") and text[1:].startswith((*FORMULA, "'"))
    return (text[1:] if guarded else text).strip()


def _yes(cell: str) -> bool | None:
    """Return whether a cell says yes; None where it says neither."""
    return {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}.get(
        cell.lower()
    )


def _problem(cells: Mapping[str, str], parts: Mapping[str, Part], spec: StudySpec, seen: set[str]) -> str:
    """Return what is wrong with a line; empty where nothing is."""
    part = parts.get(cells["part"])
    if part is None:
        return f"part: there is no part {cells['part'][:50]} in this study."
    if cells["part"] in seen:
        return "part: it is in the file twice."
    review = cells["review"].lower()
    if review not in REVIEWS:
        return f"review: '{cells['review'][:50]}' is neither approved nor rejected."
    if _yes(cells["paid"]) is None:
        return f"paid: '{cells['paid'][:50]}' is neither yes nor no."
    if has_api(spec) and (review not in ("", part.review) or cells["status"] not in ("", part.status)):
        return "review and status: Prolific is asked itself in this study; change them there or on the page."
    if review and part.ended_as is None:
        return "review: this person is still taking part."
    if review and part.review not in (None, review):
        return f"review: this part was {part.review} already."
    if review == "rejected" and not 0 < len(cells["reason"]) <= MOST_REASON:
        return f"reason: a rejection needs one, of at most {MOST_REASON:,} characters."
    return ""


async def _report(db: AsyncSession, spec: StudySpec, line: Reported) -> int:
    """Take a status; 1 where it is another than before."""
    if not line.status or line.status == line.part.status:
        return 0
    enrolment = await db.get_one(Enrolment, line.part.id, populate_existing=True)
    submission = await db.get_one(Submission, line.part.id)
    await recruitment.report(db, spec, enrolment, submission, line.status, datetime.now(UTC))
    return 1


async def _review(db: AsyncSession, who: Who, line: Reported) -> int:
    """Take a review; 1 where there was none before."""
    enrolment = await db.get_one(Enrolment, line.part.id)
    if not line.review or enrolment.review is not None:
        return 0
    enrolment.review, enrolment.review_reason = line.review, line.reason
    if line.review == "rejected":
        await recruitment.forget_unsent(db, line.part.id)
    await note(db, identity(who), line.review, "enrolment", line.part.id, {"reason": line.reason})
    return 1


async def _pay(db: AsyncSession, study: Study, spec: StudySpec, people: Sequence[uuid.UUID]) -> int:
    """Record what is due to these people and mark it as paid; return how many payments."""
    wanted = set(people)
    parts = [part for part in await payments.parts(db, study.id) if part.id in wanted]
    due = [one for line in await lines_of(db, study, spec, parts) for one in line.ready]
    await payments.record(db, [one for one in due if one.detail["by"] == "outside"])
    rows = await payments.with_state(db, study.id, "due", by="outside")
    paid = [row for row in rows if row.enrolment_id in wanted]
    for row in paid:
        row.state, row.sent_at = "sent", datetime.now(UTC)
    return len(paid)
