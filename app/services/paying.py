"""Paying people: what is due, shown before anything is sent; each sum recorded once and sent once.

At Prolific the reward is paid by approving a submission. Everything else is a bonus, in two steps: what is to be paid is set up, which
moves no money, and then paid, which Prolific would do as often as it is asked. So `paying` is written down before that request, and
after a crash the arena looks at what Prolific says was paid, instead of asking again.
"""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.money import figure
from app.records import payments
from app.records.payments import Due, Part
from app.records.people import note
from app.services.recruitment import LET_GO, Recruitment, has_api, plain_status
from app.services.refusal import Refused
from app.services.studies import Who, identity
from app.statistics.bonus import Earned
from app.studies.earnings import Verdict, base_pay, bonus_pay
from app.studies.itinerary import check_keys
from app.studies.prolific import MOST_BONUSES, Declined, NotSent, Prolific, Received
from app.studies.spec import StudySpec
from models import Payment, Study, Submission

SURE_AFTER = timedelta(hours=1)
"""Time after which a bonus that Prolific does not show may be called not paid. Prolific pays within minutes."""
MAY_BE_PAID = (408, 409)
"""Statuses (timeout, conflict) by which Prolific refuses to pay, and which may mean that it has paid already."""
NOT_SURE = ("sending", "failed")
"""States of payments of which only Prolific knows whether they were made."""
By = Literal["approval", "bonus", "outside"]
"""How a sum is paid: with the approval of a submission, as a bonus at Prolific, or by the researcher elsewhere."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a person is paid."""

    part: Part
    base: int
    base_by: By
    bonus: int
    earned: Earned | None
    """How the bonus came about; None where there is none."""
    wait: str
    """Why nothing more can be paid now; empty where something can, or where nothing is left."""
    recorded: Mapping[str, Payment]
    """Payments by kind."""
    currency: str
    rule: str
    """The scoring rule of the bonus; empty where there is none."""

    def state(self, kind: str) -> str:
        """Return where a sum is: `due`, `sending`, `sent`, `failed`, or `open` where it is not recorded."""
        return self.recorded[kind].state if kind in self.recorded else "open"

    @property
    def ready(self) -> tuple[Due, ...]:
        """Return the sums that can be recorded now."""
        if self.wait or self.part.ended_as is None:
            return ()
        sums = {} if self.base_by == "approval" else {"base": self.base}
        sums["bonus"] = self.bonus
        by: By = "outside" if self.base_by == "outside" else "bonus"
        return tuple(
            Due(self.part.id, kind, minor, self.currency, {"by": by, **self._how(kind)})
            for kind, minor in sums.items()
            if minor > 0 and kind not in self.recorded
        )

    def _how(self, kind: str) -> dict[str, Any]:
        if kind == "base" or self.earned is None:
            return {"end": self.part.ended_as, "done": self.part.done, "promised": self.part.promised}
        return {"rule": self.rule, **asdict(self.earned)}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of a study, in hundredths."""

    sent: int
    """Paid."""
    under_way: int
    """Recorded and not known to be paid."""
    ready: int
    """Can be recorded and paid now."""
    by_approval: int
    """Rewards that approving those who wait for it would pay."""
    to_come: int
    """Not payable yet: of those who completed or stopped and wait for a review or a return."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What there is to pay, and a digest of it: only what was shown is sent."""

    lines: Sequence[Line]
    totals: Totals
    ready: Sequence[Due]
    digest: str


async def preview(db: AsyncSession, study: Study, spec: StudySpec) -> Preview:
    """Return what each person is due, and the sums."""
    found = await payments.parts(db, study.id)
    lines = await lines_of(db, study, spec, found)
    ready = [due for line in lines for due in line.ready]
    return Preview(lines, _totals(lines), ready, _digest(ready))


async def lines_of(db: AsyncSession, study: Study, spec: StudySpec, parts: Sequence[Part]) -> list[Line]:
    """Return what these people are due."""
    recorded = await payments.payments_of(db, study.id)
    beliefs = await payments.beliefs(db, study.id, [part.id for part in parts]) if spec.bonus else {}
    verdicts = {
        part: [Verdict(str(one.play), one.belief, one.gold) for one in each] for part, each in beliefs.items()
    }
    return [_line(spec, part, verdicts.get(part.id, []), recorded.get(part.id, {})) for part in parts]


def base_of(spec: StudySpec, part: Part) -> int:
    """Return the base that a part is paid, as its end and a researcher's decision have it; nothing for one that goes on."""
    if part.ended_as is None or part.review == "rejected":
        return 0
    checks = len(check_keys(spec))
    return base_pay(spec, part.ended_as, part.done + part.checks, part.promised + checks)


def _line(spec: StudySpec, part: Part, verdicts: Sequence[Verdict], recorded: Mapping[str, Payment]) -> Line:
    end = part.ended_as or ""
    pays = bool(end) and part.review != "rejected"
    base = base_of(spec, part)
    bonus, earned = bonus_pay(spec.bonus, end, verdicts, part.promised, part.seed) if pays else (0, None)
    by = _base_by(spec, part, recorded)
    wait = _wait(spec, part) if base or bonus else ""
    rule = spec.bonus.rule if spec.bonus else ""
    # What is recorded is what is paid, whatever changes afterwards.
    base = recorded["base"].minor if "base" in recorded else base
    bonus = recorded["bonus"].minor if "bonus" in recorded else bonus
    return Line(part, base, by, bonus, earned, wait, recorded, spec.reward.currency, rule)


def _base_by(spec: StudySpec, part: Part, recorded: Mapping[str, Payment]) -> By:
    if "base" in recorded and "by" in recorded["base"].detail:  # It is gone once a person's data are deleted.
        by: By = recorded["base"].detail["by"]
        return by
    if not has_api(spec):
        return "outside"
    return "approval" if part.ended_as == "completed" else "bonus"


def _wait(spec: StudySpec, part: Part) -> str:
    """Return what has to happen before a person is paid more than by approval; empty where nothing has."""
    if not has_api(spec):
        return "" if part.review == "approved" else "not approved yet"
    if part.reported_at is None:
        return "Prolific has not confirmed the submission"
    if part.ended_as == "completed":
        return "" if part.review == "approved" else "not approved yet"
    if plain_status(part.status) in (*LET_GO, "APPROVED", "PARTIALLY APPROVED", "SCREENED OUT"):
        return ""
    return "the submission is not returned yet"


def _totals(lines: Iterable[Line]) -> Totals:
    sums: Counter[str] = Counter()
    for line in lines:
        for kind, minor in (("base", line.base), ("bonus", line.bonus)):
            state = line.state(kind)
            if state == "sent":
                sums["sent"] += minor
            elif state != "open":
                sums["under way"] += minor
            elif kind == "base" and line.base_by == "approval":
                sums["approval" if line.part.review is None else "to come"] += minor
            elif line.wait:
                sums["to come"] += minor
            else:
                sums["ready"] += minor
    return Totals(sums["sent"], sums["under way"], sums["ready"], sums["approval"], sums["to come"])


def _digest(ready: Iterable[Due]) -> str:
    shown = sorted([str(due.part), due.kind, due.minor, due.currency] for due in ready)
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]


# ── recording ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Paid:
    """What was recorded and sent."""

    recorded: int
    sent: int
    minor: int
    """Sum that was recorded."""


async def pay(at: Recruitment, who: Who, name: str, digest: str) -> Paid:
    """Record what the preview with this digest showed, and send it where Prolific can be asked to. Raise Refused."""
    async with at.study(who, name) as (db, study, spec):
        found = await preview(db, study, spec)
        if found.digest != digest:
            raise Refused(409, "What is due has changed since you looked: nothing was paid. Look again.")
        made = await payments.record(db, found.ready)
        total = sum(due.minor for due in found.ready)
        detail = {"payments": len(made), "minor": total, "currency": spec.reward.currency}
        await note(db, identity(who), "recorded payments", "study", study.id, detail)
    sent = await send(at, who, name) if has_api(spec) else 0
    return Paid(len(made), sent, total)


async def paid_outside(at: Recruitment, who: Who, name: str) -> int:
    """Mark everything that is due and paid elsewhere as paid; return how many payments. Raise Refused."""
    async with at.study(who, name) as (db, study, _):
        rows = await payments.with_state(db, study.id, "due", by="outside")
        for row in rows:
            row.state, row.sent_at = "sent", datetime.now(UTC)
        await note(db, identity(who), "paid", "study", study.id, {"payments": len(rows)})
    return len(rows)


# ── sending bonuses ─────────────────────────────────────────────────────────────────────────────────────────────


async def send(at: Recruitment, who: Who, name: str) -> int:
    """Go on with what is being sent and send what is due; return how many payments are sent now. Raise Refused.

    Safe to call again after a crash at any point, and by two at once.
    """
    sent = 0
    for batch in await _batches(at, who, name):
        sent += await _carry_on(at, who, name, batch)
    while (new := await _new_batch(at, who, name)) is not None:
        sent += await _carry_on(at, who, name, new)
    return sent


async def _batches(at: Recruitment, who: Who, name: str) -> list[str]:
    async with at.study(who, name) as (db, study, _):
        rows = await payments.with_state(db, study.id, "sending", by="bonus")
        return sorted({row.detail["batch"] for row in rows})


async def _new_batch(at: Recruitment, who: Who, name: str) -> str | None:
    """Begin to send what is due, to as many people as one request may pay; None where nothing is due.

    A person to whom something is still being sent, or was refused, has to wait: Prolific shows one sum for both.
    """
    async with at.study(who, name) as (db, study, _):
        open_ones = await payments.with_state(db, study.id, "sending", "failed", by="bonus")
        busy = {row.enrolment_id for row in open_ones if row.state == "sending" or _was_asked_for(row)}
        rows = await payments.with_state(db, study.id, "due", by="bonus")
        rows = [row for row in rows if row.enrolment_id not in busy]
        people = list(dict.fromkeys(row.enrolment_id for row in rows))[:MOST_BONUSES]
        if not people:
            return None
        batch = str(uuid.uuid4())
        for row in rows:
            if row.enrolment_id in people:
                row.state = "sending"
                row.detail = {**row.detail, "batch": batch, "step": "setting up"}
        return batch


async def _carry_on(at: Recruitment, who: Who, name: str, batch: str) -> int:
    """Take a batch from the step that it is at to its end; return how many of its payments are sent."""
    async with at.study(who, name) as (db, study, spec):
        sums = await _sums(db, study, batch, "sending")
        steps = {
            row.detail["step"] for row in await payments.with_state(db, study.id, "sending", batch=batch)
        }
        there = study.recruiters_study
    if not steps:
        return 0
    async with at.prolific(spec) as client:
        if "setting up" in steps:
            try:
                await _set_up(at, who, name, client, there, batch, sums)
            except Declined as refusal:
                await _fail(at, who, name, batch, "setting up", str(refusal))
                raise
        if "paying" not in steps:
            await _pay_once(at, who, name, client, batch)
        if "paying" in steps:
            received = {one.id: one for one in await client.submissions(there)}
            return await _settle(at, who, name, batch, received)
    return await _all_sent(at, who, name, batch)


async def _sums(db: AsyncSession, study: Study, batch: str, *states: str) -> dict[str, int]:
    """Return the sum of a batch by submission: base and bonus of a person are paid as one."""
    sums: Counter[str] = Counter()
    for row in await payments.with_state(db, study.id, *states, batch=batch):
        submission = await db.get_one(Submission, row.enrolment_id)
        sums[submission.recruiters_id or ""] += row.minor
    return dict(sums)


async def _set_up(
    at: Recruitment, who: Who, name: str, client: Prolific, there: str, batch: str, sums: Mapping[str, int]
) -> None:
    """Tell Prolific what is to be paid, and note what it had paid before. No money moves."""
    received = {one.id: one for one in await client.submissions(there)}
    if missing := [submission for submission in sums if submission not in received]:
        raise Declined(404, f"it has no submission {missing[0]} in this study")
    made = await client.set_up_bonuses(there, sums)
    if made.minor is not None and made.minor != sum(sums.values()):
        raise Declined(
            409,
            f"it reads the bonuses as {figure(made.minor)} in all, and they are {figure(sum(sums.values()))}",
        )
    async with at.study(who, name) as (db, study, _):
        for row in await payments.with_state(db, study.id, "sending", batch=batch):
            if row.detail["step"] != "setting up":
                continue
            submission = await db.get_one(Submission, row.enrolment_id)
            before = sum(received[submission.recruiters_id or ""].bonuses)
            row.recruiters_id = made.id
            row.detail = {**row.detail, "step": "set up", "before": before}


async def _pay_once(at: Recruitment, who: Who, name: str, client: Prolific, batch: str) -> None:
    """Have a batch paid, unless another process has begun to. Written down before it is asked for."""
    async with at.study(who, name) as (db, study, _):
        rows = await payments.with_state(db, study.id, "sending", batch=batch)
        if not rows or any(row.detail["step"] != "set up" for row in rows):
            return
        bonuses = rows[0].recruiters_id
        asked = datetime.now(UTC).isoformat()
        for row in rows:
            row.detail = {**row.detail, "step": "paying", "asked_at": asked}
    assert bonuses is not None
    try:
        await client.pay_bonuses(bonuses)
    except NotSent:
        await _step_back(at, who, name, batch)
        raise
    except Declined as refusal:
        if refusal.status not in MAY_BE_PAID:
            await _fail(at, who, name, batch, "paying", str(refusal))
        raise
    async with at.study(who, name) as (db, study, _):
        for row in await payments.with_state(db, study.id, "sending", batch=batch):
            row.state, row.sent_at = "sent", datetime.now(UTC)
        await note(
            db, identity(who), "sent payments", "study", study.id, {"batch": batch, "payments": len(rows)}
        )


async def _step_back(at: Recruitment, who: Who, name: str, batch: str) -> None:
    async with at.study(who, name) as (db, study, _):
        for row in await payments.with_state(db, study.id, "sending", batch=batch):
            row.detail = {**row.detail, "step": "set up"}


async def _fail(at: Recruitment, who: Who, name: str, batch: str, step: str, sentence: str) -> None:
    """Note that Prolific refused a batch at a step. Payments that another send has taken further are left alone."""
    async with at.study(who, name) as (db, study, _):
        rows = await payments.with_state(db, study.id, "sending", batch=batch)
        refused = [row for row in rows if row.detail["step"] == step]
        for row in refused:
            row.state, row.detail = "failed", {**row.detail, "failure": sentence}
        detail = {"batch": batch, "payments": len(refused), "failure": sentence}
        await note(db, identity(who), "could not send payments", "study", study.id, detail)


def _was_asked_for(row: Payment) -> bool:
    """Return whether Prolific was asked to pay this, whatever it answered."""
    return row.detail.get("step") == "paying"


async def _settle(at: Recruitment, who: Who, name: str, batch: str, received: Mapping[str, Received]) -> int:
    """Call those payments sent of which Prolific shows the sum, beside what it had paid before; return how many.

    Those that Prolific refused are looked at too: it may have paid them all the same.
    """
    async with at.study(who, name) as (db, study, _):
        sums = await _sums(db, study, batch, *NOT_SURE)
        found = 0
        for row in await payments.with_state(db, study.id, *NOT_SURE, batch=batch):
            submission = await db.get_one(Submission, row.enrolment_id)
            there = received.get(submission.recruiters_id or "")
            if not _was_asked_for(row) or there is None:
                continue
            if sum(there.bonuses) - row.detail["before"] >= sums[submission.recruiters_id or ""]:
                row.state, row.sent_at = "sent", datetime.now(UTC)
                found += 1
        if found:
            await note(
                db, identity(who), "found payments", "study", study.id, {"batch": batch, "payments": found}
            )
        return found


async def _all_sent(at: Recruitment, who: Who, name: str, batch: str) -> int:
    async with at.study(who, name) as (db, study, _):
        return len(await payments.with_state(db, study.id, "sent", batch=batch))


async def again(at: Recruitment, who: Who, name: str) -> int:
    """Make due again what certainly was not paid: what Prolific refused, and what it has not shown for an hour. Raise Refused.

    Prolific is asked first, so that nothing is called unpaid that it shows as paid.
    """
    looked_at, _ = await _look(at, who, name)
    now = datetime.now(UTC)
    async with at.study(who, name) as (db, study, _):
        rows = [
            row
            for row in await payments.with_state(db, study.id, *NOT_SURE, by="bonus")
            if _certainly_unpaid(row, looked_at, now)
        ]
        for row in rows:
            kept = {key: value for key, value in row.detail.items() if key not in _OF_A_BATCH}
            row.state, row.detail, row.recruiters_id = "due", kept, None
        await note(db, identity(who), "made payments due again", "study", study.id, {"payments": len(rows)})
    return len(rows)


_OF_A_BATCH = ("batch", "step", "before", "asked_at", "failure")


def _certainly_unpaid(row: Payment, looked_at: Collection[str], now: datetime) -> bool:
    """Return whether a payment was not made, with the batches that were compared with what Prolific shows as paid."""
    if not _was_asked_for(row):
        return row.state == "failed"
    if row.detail["batch"] not in looked_at:
        return False
    return row.state == "failed" or now - datetime.fromisoformat(row.detail["asked_at"]) >= SURE_AFTER


async def sure(at: Recruitment, who: Who, name: str) -> int:
    """Look at Prolific for payments of which it is not known whether they were made; return how many were. Raise Refused."""
    return (await _look(at, who, name))[1]


async def _look(at: Recruitment, who: Who, name: str) -> tuple[list[str], int]:
    """Compare what was asked for with what Prolific shows as paid; return the batches, and how many payments were made."""
    async with at.study(who, name) as (db, study, spec):
        rows = await payments.with_state(db, study.id, *NOT_SURE, by="bonus")
        batches = sorted({row.detail["batch"] for row in rows if _was_asked_for(row)})
        there = study.recruiters_study
    if not batches:
        return [], 0
    async with at.prolific(spec) as client:
        received = {one.id: one for one in await client.submissions(there)}
    return batches, sum([await _settle(at, who, name, batch, received) for batch in batches])
