"""Payments: what is due by how a part ended, recorded once, sent once, and found out after a crash at any point."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from sqlalchemy import text

from app.records.database import Database
from app.services import paying, recruitment
from app.services.paying import Paid, Preview
from app.services.recruitment import Rejection
from app.services.refusal import Refused
from app.services.studies import spec_of, visible_study
from app.studies.prolific import Bonuses, Declined, Prolific
from tests.studies.paid import Paid as World
from tests.studies.paid import paying as opened
from tests.studies.paid import rows

pytestmark = pytest.mark.outside


@pytest.fixture
async def paid(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A study that recruits at the fake Prolific."""
    async with opened(database, monkeypatch) as world:
        yield world


async def shown(world: World) -> Preview:
    """What is due."""
    async with world.database.session.begin() as db:
        study = await visible_study(db, None, "paid")
        return await paying.preview(db, study, spec_of(study))


async def approved(world: World, *people: str) -> list[Any]:
    """Let people complete, and approve them."""
    parts = [await world.completed(who) for who in people]
    await recruitment.sync(world.at, None, "paid")
    await recruitment.approve_all(world.at, None, "paid")
    return parts


async def pay(world: World) -> Paid:
    """Pay what is shown."""
    return await paying.pay(world.at, None, "paid", (await shown(world)).digest)


async def states(world: World) -> list[tuple[str, str, int]]:
    """Kind, state and sum of each payment."""
    found = await rows(world.database, "payment", "enrolment_id, kind")
    return [(row["kind"], row["state"], row["minor"]) for row in found]


# ── what is due ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_bonus_is_the_score_of_real_verdicts_in_closed_form(paid: World) -> None:
    [part] = await approved(paid, "ada")
    found = await rows(
        paid.database,
        "(SELECT v.belief, t.answers, q.gold FROM verdict v JOIN play p ON p.id = v.play_id "
        "JOIN play t ON t.id = p.talk_id JOIN question q ON q.id = t.question_id "
        "WHERE v.participant_id = (SELECT participant_id FROM account WHERE recruiter_id = 'ada')) x",
    )
    scores = [1 - (1 - row["belief"][row["answers"].index(row["gold"])]) ** 2 for row in found]
    assert len(scores) == 2
    preview = await shown(paid)
    [line] = preview.lines
    assert line.bonus == int(200 * sum(scores) / 2 + 0.5)
    assert line.earned is not None
    assert (line.base, line.base_by, line.earned.scored) == (450, "approval", 2)
    assert [(due.kind, due.minor) for due in preview.ready] == [("bonus", line.bonus)]
    assert part.id == line.part.id


async def test_nobody_is_due_more_than_their_end_and_their_review_allow(paid: World) -> None:
    await paid.completed("ada")
    for who, how, status in (
        ("bob", "stopped", "AWAITING REVIEW"),
        ("cleo", "screened_out", "RETURNED"),
        ("dan", "withdrawn", "RETURNED"),
        ("eve", "returned", "RETURNED"),
    ):
        part = await paid.joined(who)
        if how == "stopped":
            await paid.judged(part)
        await paid.ended(part, how, status)
    still = await paid.joined("fay")
    await recruitment.sync(paid.at, None, "paid")
    preview = await shown(paid)
    lines = {line.part.person: line for line in preview.lines}
    assert {who: line.base for who, line in lines.items()} == {
        "ada": 450, "bob": 225, "cleo": 35, "dan": 0, "eve": 0, "fay": 0,
    }  # fmt: skip
    assert {who: line.wait for who, line in lines.items() if line.wait} == {
        "ada": "not approved yet",
        "bob": "the submission is not returned yet",
    }
    assert [(due.kind, due.minor) for due in preview.ready] == [("base", 35)]
    assert preview.totals.by_approval == 450
    assert preview.totals.to_come == lines["ada"].bonus + 225 + lines["bob"].bonus
    paid.prolific.say("subbob", "RETURNED")
    await recruitment.sync(paid.at, None, "paid")
    preview = await shown(paid)
    assert {due.kind for due in preview.ready if due.part == lines["bob"].part.id} == {"base", "bonus"}
    assert lines["fay"].part.id == still.id


async def test_those_who_are_rejected_are_due_nothing(paid: World) -> None:
    part = await paid.completed("ada")
    await recruitment.sync(paid.at, None, "paid")
    await recruitment.reject(paid.at, None, "paid", part.id, Rejection("x" * 100, "OTHER"))
    [line] = (await shown(paid)).lines
    assert (line.base, line.bonus, line.ready) == (0, 0, ())


# ── paying ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_shown_is_paid_once(paid: World) -> None:
    await approved(paid, "ada", "eve")
    preview = await shown(paid)
    done = await paying.pay(paid.at, None, "paid", preview.digest)
    assert done == Paid(2, 2, preview.totals.ready)
    assert sorted(minor for _, minor in paid.prolific.paid) == sorted(line.bonus for line in preview.lines)
    assert {state for _, state, _ in await states(paid)} == {"sent"}
    with pytest.raises(Refused, match="has changed since you looked"):
        await paying.pay(paid.at, None, "paid", preview.digest)
    assert await pay(paid) == Paid(0, 0, 0)
    assert len(paid.prolific.paid) == 2
    trail = [row["action"] for row in await rows(paid.database, "audit", "id")]
    assert trail.count("sent payments") == 1


async def test_base_and_bonus_of_a_person_are_sent_as_one_sum(paid: World) -> None:
    part = await paid.joined("bob")
    await paid.judged(part)
    await paid.ended(part, "stopped", "RETURNED")
    await recruitment.sync(paid.at, None, "paid")
    [line] = (await shown(paid)).lines
    await pay(paid)
    assert paid.prolific.paid == [("subbob", 225 + line.bonus)]
    assert await states(paid) == [("base", "sent", 225), ("bonus", "sent", line.bonus)]


async def test_nothing_is_paid_that_was_not_shown(paid: World) -> None:
    await approved(paid, "ada")
    before = await shown(paid)
    await approved(paid, "eve")
    with pytest.raises(Refused, match="nothing was paid"):
        await paying.pay(paid.at, None, "paid", before.digest)
    assert paid.prolific.paid == []
    assert {kind for kind, _, _ in await states(paid)} == {"base"}


async def test_two_who_press_at_once_pay_once(paid: World) -> None:
    await approved(paid, "ada", "eve")
    digest = (await shown(paid)).digest
    pressed = (paying.pay(paid.at, None, "paid", digest) for _ in range(4))
    found = await asyncio.gather(*pressed, return_exceptions=True)
    assert sum(isinstance(one, Paid) for one in found) == 1
    assert all(isinstance(one, Paid | Refused) for one in found)
    assert len(paid.prolific.paid) == 2


async def test_more_people_than_one_request_may_pay_are_paid_in_several(
    paid: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paying, "MOST_BONUSES", 2)
    await approved(paid, "ada", "eve", "ida")
    assert (await pay(paid)).sent == 3
    assert len(paid.prolific.asked("POST", "/pay/")) == 2
    assert sorted(submission for submission, _ in paid.prolific.paid) == ["subada", "subeve", "subida"]


# ── crashes ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Crash(BaseException):
    """The process died."""


@pytest.mark.parametrize("step", ["submissions", "set_up_bonuses", "pay_bonuses"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_request_pays_nobody_twice_and_forgets_nobody(
    paid: World, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    await approved(paid, "ada", "eve")
    digest = (await shown(paid)).digest
    ask = getattr(Prolific, step)

    async def dies(*given: Any) -> Any:
        if when == "after":
            await ask(*given)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Prolific, step, dies)
        with pytest.raises(Crash):
            await paying.pay(paid.at, None, "paid", digest)
    left = {state for kind, state, _ in await states(paid) if kind == "bonus"}
    assert left == {"sending"}
    for _ in range(2):
        await paying.send(paid.at, None, "paid")
    if (step, when) == ("pay_bonuses", "before"):
        # Only Prolific knows that this was not carried out, and it shows nothing: a person decides, after an hour.
        assert paid.prolific.paid == []
        assert await paying.again(paid.at, None, "paid") == 0
        await passed(paid)
        assert await paying.again(paid.at, None, "paid") == 2
        await paying.send(paid.at, None, "paid")
    assert sorted(submission for submission, _ in paid.prolific.paid) == ["subada", "subeve"]
    assert {state for _, state, _ in await states(paid)} == {"sent"}


async def passed(paid: World) -> None:
    """Let an hour pass since Prolific was asked to pay."""
    async with paid.database.session.begin() as db:
        ago = "to_jsonb((now() - interval '61 minutes')::text)"
        await db.execute(
            text(
                f"UPDATE payment SET detail = jsonb_set(detail, '{{asked_at}}', {ago}) WHERE state = 'sending'"
            )
        )


@pytest.mark.parametrize("fault", ["500", "drop", "drop after"])
async def test_a_lost_reply_is_not_asked_for_again(paid: World, fault: str) -> None:
    await approved(paid, "ada")
    paid.prolific.only, paid.prolific.shows_bonuses = "/pay/", False
    paid.prolific.faults.append(fault)
    with pytest.raises(Refused) as refused:
        await pay(paid)
    assert refused.value.status == 502
    for _ in range(3):
        assert await paying.send(paid.at, None, "paid") == 0
    assert len(paid.prolific.asked("POST", "/pay/")) == 1
    paid.prolific.shows_bonuses = True
    if fault == "drop after":
        await passed(paid)
        assert await paying.again(paid.at, None, "paid") == 0, "Prolific shows it, so it is not due again"
        assert ("bonus", "sent") in {(kind, state) for kind, state, _ in await states(paid)}
        assert len(paid.prolific.paid) == 1
    else:
        assert paid.prolific.paid == []
        assert ("bonus", "sending") in {(kind, state) for kind, state, _ in await states(paid)}


async def test_a_bonus_of_before_is_not_taken_for_this_one(paid: World) -> None:
    await approved(paid, "ada")
    paid.prolific.submissions["subada"]["bonus_payments"] = [5000]
    paid.prolific.only = "/pay/"
    paid.prolific.faults.append("drop")
    with pytest.raises(Refused):
        await pay(paid)
    assert await paying.sure(paid.at, None, "paid") == 0
    assert ("bonus", "sending") in {(kind, state) for kind, state, _ in await states(paid)}


async def test_a_limit_is_waited_for_and_a_refusal_is_kept_to_be_tried_again(paid: World) -> None:
    await approved(paid, "ada")
    paid.prolific.only = "/pay/"
    paid.prolific.faults.append("429")
    assert (await pay(paid)).sent == 1
    await approved(paid, "eve")
    paid.prolific.only = "bonus-payments"
    paid.prolific.reads_bonuses = lambda minor: minor * 100
    with pytest.raises(Refused, match="it reads the bonuses as"):
        await pay(paid)
    assert ("bonus", "failed") in {(kind, state) for kind, state, _ in await states(paid)}
    assert len(paid.prolific.paid) == 1
    paid.prolific.reads_bonuses = lambda minor: minor
    assert await paying.again(paid.at, None, "paid") == 1
    assert await paying.send(paid.at, None, "paid") == 1
    assert [submission for submission, _ in paid.prolific.paid] == ["subada", "subeve"]


async def test_a_server_that_was_not_there_was_not_asked(paid: World) -> None:
    await approved(paid, "ada")
    ask = Prolific.pay_bonuses

    async def moved(self: Prolific, bonuses: str) -> None:
        self.host = "http://127.0.0.1:9"
        await ask(self, bonuses)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Prolific, "pay_bonuses", moved)
        with pytest.raises(Refused, match="cannot be reached"):
            await pay(paid)
    assert await paying.send(paid.at, None, "paid") == 1
    assert len(paid.prolific.paid) == 1


# ── two at once, and refusals ───────────────────────────────────────────────────────────────────────────────────


async def test_a_refusal_leaves_alone_what_another_send_has_begun_to_pay(
    paid: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await approved(paid, "ada")
    ask = Prolific.set_up_bonuses

    async def slow(self: Prolific, study: str, sums: Mapping[str, int]) -> Bonuses:
        """Let another send go all the way, whose last reply is lost; then this one is refused."""
        monkeypatch.setattr(Prolific, "set_up_bonuses", ask)
        paid.prolific.only, paid.prolific.shows_bonuses = "/pay/", False
        paid.prolific.faults.append("drop after")
        with pytest.raises(Refused):
            await paying.send(paid.at, None, "paid")
        raise Declined(400, "no such study.")

    monkeypatch.setattr(Prolific, "set_up_bonuses", slow)
    with pytest.raises(Refused, match="no such study"):
        await pay(paid)
    assert ("bonus", "sending") in {(kind, state) for kind, state, _ in await states(paid)}
    assert await paying.again(paid.at, None, "paid") == 0
    await paying.send(paid.at, None, "paid")
    paid.prolific.shows_bonuses = True
    assert await paying.again(paid.at, None, "paid") == 0
    assert [submission for submission, _ in paid.prolific.paid] == ["subada"]
    assert {state for _, state, _ in await states(paid)} == {"sent"}


@pytest.mark.parametrize(("status", "carried_out"), [(400, True), (400, False), (409, True), (408, False)])
async def test_what_was_refused_is_due_again_only_where_prolific_does_not_show_it(
    paid: World, monkeypatch: pytest.MonkeyPatch, status: int, carried_out: bool
) -> None:
    await approved(paid, "ada")
    ask = Prolific.pay_bonuses

    async def refuses(self: Prolific, bonuses: str) -> None:
        if carried_out:
            await ask(self, bonuses)
        raise Declined(status, "no.")

    with monkeypatch.context() as patched:
        patched.setattr(Prolific, "pay_bonuses", refuses)
        with pytest.raises(Refused):
            await pay(paid)
    left = {state for kind, state, _ in await states(paid) if kind == "bonus"}
    assert left == {"failed" if status == 400 else "sending"}
    certain = status == 400 and not carried_out
    assert await paying.again(paid.at, None, "paid") == int(certain)
    if status == 408:
        await passed(paid)
        assert await paying.again(paid.at, None, "paid") == 1
    await paying.send(paid.at, None, "paid")
    assert [submission for submission, _ in paid.prolific.paid] == ["subada"]
    assert {state for _, state, _ in await states(paid)} == {"sent"}


async def test_a_person_waits_for_more_as_long_as_a_sum_was_refused(paid: World) -> None:
    part = await paid.joined("bob")
    await paid.judged(part)
    await paid.ended(part, "stopped", "RETURNED")
    await recruitment.sync(paid.at, None, "paid")
    await pay(paid)
    paid.prolific.paid.clear()
    async with paid.database.session.begin() as db:
        # The base was refused, and it is not clear that it was not paid; the bonus was recorded later.
        await db.execute(text("UPDATE payment SET state = 'failed' WHERE kind = 'base'"))
        await db.execute(text("UPDATE payment SET state = 'due' WHERE kind = 'bonus'"))
    assert await paying.send(paid.at, None, "paid") == 0
    assert paid.prolific.paid == []
    await paying.again(paid.at, None, "paid")
    assert ("base", "sent", 225) in await states(paid), "Prolific shows it"
    assert await paying.send(paid.at, None, "paid") == 1


# ── elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_the_api_what_is_due_is_recorded_and_marked_as_paid(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database, monkeypatch, there="", recruiter={"kind": "mturk"}) as world:
        part = await world.completed("ada")
        assert (await shown(world)).ready == []
        await recruitment.approve(world.at, None, "paid", part.id)
        found = await pay(world)
        assert (found.recorded, found.sent) == (2, 0)
        assert {state for _, state, _ in await states(world)} == {"due"}
        assert await paying.paid_outside(world.at, None, "paid") == 2
        assert {state for _, state, _ in await states(world)} == {"sent"}
        assert world.prolific.calls == []
