"""Studies at Prolific: linking and publishing, statuses by looking and by events, reviews."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.records import enrolments, payments
from app.records.database import Database
from app.records.payments import Due
from app.services import joining, recruitment
from app.services.egress import AllowList
from app.services.recruitment import EVENT, Rejection, Synced, plain_status
from app.services.refusal import Refused
from app.services.studies import spec_of
from app.studies.codes import ENDS
from app.studies.prolific import Declined, Prolific
from tests.prolific import TOKEN, signed
from tests.records.test_enrolments import verdicts
from tests.studies.paid import SECRET, Paid, paying, rows

pytestmark = pytest.mark.outside
REASON = "You left every belief at 50 and gave the same two letters as a reason in each of the trials. We read all of them twice."


@pytest.fixture
async def paid(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Paid]:
    """A study that recruits at the fake Prolific."""
    async with paying(database, monkeypatch) as paid:
        yield paid


async def reviews(paid: Paid) -> dict[str, tuple[str | None, str | None]]:
    """How each person's part ended, and its review, by the recruiter's id."""
    found = await rows(
        paid.database,
        "(SELECT a.recruiter_id, e.ended_as, e.review FROM enrolment e JOIN account a ON a.id = e.account_id) x",
    )
    return {row["recruiter_id"]: (row["ended_as"], row["review"]) for row in found}


async def actions(paid: Paid) -> list[str]:
    """The audit trail."""
    return [row["action"] for row in await rows(paid.database, "audit", "id")]


# ── the study there ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_draft_at_prolific_has_the_codes_and_pays_and_rejects_nobody_by_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paying(database, monkeypatch, there="", time_limit=60) as paid:
        made = await recruitment.make_draft(paid.at, None, "paid", "https://arena.test/join/x")
        sent = paid.prolific.studies[made]
        assert (sent["reward"], sent["total_available_places"], sent["status"]) == (450, 3, "UNPUBLISHED")
        assert sent["external_study_url"] == (
            "https://arena.test/join/x?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
        )
        assert (sent["estimated_completion_time"], sent["maximum_allowed_time"]) == (20, 60)
        [study] = await rows(database, "study")
        assert [code["code"] for code in sent["completion_codes"]] == [study["codes"][end] for end in ENDS]
        assert all(code["actions"] == [{"action": "MANUALLY_REVIEW"}] for code in sent["completion_codes"])
        assert study["recruiters_study"] == made
        with pytest.raises(Refused, match="linked already"):
            await recruitment.make_draft(paid.at, None, "paid", "https://arena.test/join/x")
        await recruitment.publish(paid.at, None, "paid")
        assert paid.prolific.studies[made]["status"] == "ACTIVE"
        with pytest.raises(Refused, match="At Prolific the study is active"):
            await recruitment.publish(paid.at, None, "paid")
        assert len(paid.prolific.asked("POST", "/transition/")) == 1
        assert {"made at Prolific", "published at Prolific"} <= set(await actions(paid))


async def test_a_study_that_is_there_is_linked_and_differences_are_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paying(database, monkeypatch, there="") as paid:
        codes = [{"code": "OTHER", "code_type": "COMPLETED", "actions": []}]
        paid.prolific.add_study("theirs", reward=400, total_available_places=3, completion_codes=codes)
        said = await recruitment.link_study(paid.at, None, "paid", "theirs")
        assert said[0] == "The reward in pence or cents is 400 at Prolific and 450 here."
        assert "Prolific does not know the code" in said[1]
        assert len(said) == 2
        with pytest.raises(Refused, match="linked already"):
            await recruitment.link_study(paid.at, None, "paid", "theirs")


async def test_a_study_that_is_not_there_is_not_linked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paying(database, monkeypatch, there="") as paid:
        for there, status in (("nothing", 409), ("../x", 502)):
            with pytest.raises(Refused) as refused:
                await recruitment.link_study(paid.at, None, "paid", there)
            assert refused.value.status == status
        [study] = await rows(database, "study")
        assert study["recruiters_study"] == ""


async def test_a_closed_study_is_not_published(paid: Paid) -> None:
    from app.records import studies

    async with paid.database.session.begin() as db:
        await studies.set_state(db, await db.merge(paid.study, load=False), "paused", None)
    with pytest.raises(Refused, match="Open the study here first"):
        await recruitment.publish(paid.at, None, "paid")
    assert paid.prolific.calls == []


@pytest.mark.parametrize(
    ("variable", "value", "status"),
    [("PATH", "x", 403), ("ARENA_KEY_PROLIFIC", "", 409), ("ARENA_KEY_NONE", None, 409)],
)
async def test_a_token_comes_from_an_allowed_variable_that_is_set(
    database: Database, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None, status: int
) -> None:
    named = {"kind": "prolific", "token": variable}
    async with paying(database, monkeypatch, recruiter=named) as paid:
        if value is not None and variable != "PATH":
            monkeypatch.setenv(variable, value)
        with pytest.raises(Refused) as refused:
            await recruitment.sync(paid.at, None, "paid")
        assert refused.value.status == status
        assert paid.prolific.calls == []


async def test_what_is_served_reaches_prolific_only_where_the_operator_names_it(paid: Paid) -> None:
    served = recruitment.Recruitment(paid.database, paid.at.settings, AllowList(["10.0.0.0/8"]), (0.0,))
    with pytest.raises(Refused, match="ARENA_ALLOWED_HOSTS"):
        await recruitment.sync(served, None, "paid")
    assert paid.prolific.calls == []
    served = recruitment.Recruitment(paid.database, paid.at.settings, AllowList(["127.0.0.0/8"]), (0.0,))
    await recruitment.sync(served, None, "paid")


async def test_another_researchers_study_is_not_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import Account

    async with database.session.begin() as db:
        ada, eve = (Account(name=name, role="researcher") for name in ("Ada", "Eve"))
        db.add_all([ada, eve])
    async with paying(database, monkeypatch, owner=ada.id) as paid:
        with pytest.raises(Refused) as refused:
            await recruitment.sync(paid.at, eve, "paid")
        assert refused.value.status == 404
        await recruitment.sync(paid.at, ada, "paid")


# ── statuses ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_looking_at_prolific_ends_what_was_returned_or_timed_out(paid: Paid) -> None:
    one, two, done = await paid.joined("ada"), await paid.joined("eve"), await paid.completed("ida")
    await paid.judged(one)
    paid.prolific.add("subnever", "never")
    paid.prolific.say("subada", "RETURNED")
    paid.prolific.say("subeve", "TIMED-OUT")
    assert await verdicts(paid.database, paid.experiment) == 3
    found = await recruitment.sync(paid.at, None, "paid")
    assert found == Synced(submissions=4, changed=3, ended=2, unknown=0, claimed=0, not_here=1)
    assert await verdicts(paid.database, paid.experiment) == 2
    assert await reviews(paid) == {
        "ada": ("returned", None),
        "eve": ("timed_out", None),
        "ida": ("completed", None),
    }
    again = await recruitment.sync(paid.at, None, "paid")
    assert (again.changed, again.ended) == (0, 0)
    assert done.id != two.id


async def test_who_finished_here_and_returned_there_is_not_counted(paid: Paid) -> None:
    done, early = await paid.completed("ada"), await paid.joined("eve")
    await paid.judged(early)
    await paid.ended(early, "stopped", "RETURNED")
    paid.prolific.say("subada", "RETURNED")
    await recruitment.sync(paid.at, None, "paid")
    assert await reviews(paid) == {"ada": ("returned", None), "eve": ("stopped", None)}
    assert await verdicts(paid.database, paid.experiment) == 1, (
        "who stopped was asked to return, and is counted"
    )
    assert (await paid.now(done)).ended_as == "returned"


async def test_the_submission_of_another_is_worth_nothing(paid: Paid) -> None:
    paid.prolific.add("subada", "ada", "RETURNED")
    thief = await paid.joined("eve", submission="subada", status="")
    lost = await paid.joined("ida", submission="nothing", status="")
    found = await recruitment.sync(paid.at, None, "paid")
    assert (found.claimed, found.unknown, found.changed) == (1, 1, 0)
    assert (await paid.now(thief)).ended_as is None
    assert (await paid.now(lost)).ended_as is None
    assert "1 parts came with a submission that is not theirs" in found.sentence
    [row] = [row for row in await rows(paid.database, "submission") if row["claimed"]]
    assert (row["enrolment_id"], row["claimed"], row["recruiters_id"]) == (thief.id, "subada", None)
    assert "claimed a submission that is not theirs" in await actions(paid)
    again = await recruitment.sync(paid.at, None, "paid")
    assert (again.claimed, again.unknown) == (1, 1)


async def test_the_recruiters_list_gives_a_claimed_submission_to_whom_it_belongs(paid: Paid) -> None:
    thief = await paid.joined("eve", submission="subada", status="")
    paid.prolific.add("subada", "ada", "ACTIVE")
    mine = await comes(paid, "ada", "subada")
    other = await comes(paid, "ida", "subida")
    paid.prolific.add("subida", "ida", "RETURNED")
    for _ in range(2):
        found = await recruitment.sync(paid.at, None, "paid")
        assert (found.submissions, found.claimed, found.unknown, found.not_here) == (2, 1, 0, 0)
    known = {
        row["enrolment_id"]: (row["recruiters_id"], row["claimed"])
        for row in await rows(paid.database, "submission")
    }
    assert known == {thief.id: (None, "subada"), mine: ("subada", None), other: ("subida", None)}
    assert (await reviews(paid))["ida"] == ("returned", None)
    paid.prolific.add("subeve", "eve", "ACTIVE")
    await recruitment.sync(paid.at, None, "paid")
    [row] = [row for row in await rows(paid.database, "submission") if row["claimed"]]
    assert (row["recruiters_id"], row["claimed"], row["status"]) == ("subeve", "subada", "ACTIVE")


async def test_a_claim_in_another_study_keeps_no_one_from_their_submission(
    database: Database, monkeypatch: pytest.MonkeyPatch, paid: Paid
) -> None:
    thief = await paid.joined("eve", submission="subada", status="")
    async with paying(database, monkeypatch, there="study2", experiment=paid.experiment, name="two") as two:
        two.prolific.add("subada", "ada", "AWAITING REVIEW", study="study2")
        mine = await comes(two, "ada", "subada")
        assert (await recruitment.sync(two.at, None, "two")).claimed == 0
        known = {row["enrolment_id"]: row for row in await rows(database, "submission")}
        assert (known[mine]["recruiters_id"], known[mine]["status"]) == ("subada", "AWAITING REVIEW")
        assert (known[thief.id]["recruiters_id"], known[thief.id]["claimed"]) == (None, "subada")


async def test_who_came_with_a_submission_that_another_had_claimed_comes_back_with_it(paid: Paid) -> None:
    await paid.joined("eve", submission="subada", status="")
    mine = await comes(paid, "ada", "subada")
    assert await comes(paid, "ada", "subada") == mine
    with pytest.raises(joining.NotIn, match="other submission"):
        await comes(paid, "ada", "subeve")


async def comes(paid: Paid, who: str, submission: str) -> uuid.UUID:
    """Let a person come by the link; return their part."""
    coming = joining.Coming("prolific", who, submission, who, "")
    await joining.enter(paid.database, paid.study.id, coming)
    async with paid.database.session() as db:
        found = await enrolments.of_person(db, paid.study.id, who)
    assert found is not None
    return found.id


async def test_a_person_without_an_id_of_a_submission_is_found_by_their_own(paid: Paid) -> None:
    from sqlalchemy import text

    part = await paid.joined("ada")
    async with paid.database.session.begin() as db:
        await db.execute(text("UPDATE submission SET recruiters_id = NULL"))
    await recruitment.sync(paid.at, None, "paid")
    [row] = await rows(paid.database, "submission")
    assert (row["recruiters_id"], row["status"], row["enrolment_id"]) == ("subada", "ACTIVE", part.id)


async def test_what_was_decided_at_prolific_is_known_here_and_not_paid_again(paid: Paid) -> None:
    await paid.completed("ada")
    await paid.completed("eve")
    paid.prolific.say("subada", "APPROVED")
    paid.prolific.say("subeve", "REJECTED")
    await recruitment.sync(paid.at, None, "paid")
    assert await reviews(paid) == {"ada": ("completed", "approved"), "eve": ("completed", "rejected")}
    [payment] = await rows(paid.database, "payment")
    assert (payment["kind"], payment["minor"], payment["state"]) == ("base", 450, "sent")


def test_statuses_have_one_spelling() -> None:
    assert (
        plain_status("TIMED-OUT") == plain_status("timed_out") == plain_status(" Timed  out ") == "TIMED OUT"
    )


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def take(paid: Paid, body: bytes, headers: dict[str, str]) -> str:
    """Take an event, headers in lower case as servers give them."""
    return await recruitment.take_event(paid.at, {key.lower(): value for key, value in headers.items()}, body)


async def test_an_event_ends_a_part_once(paid: Paid) -> None:
    part = await paid.joined("ada")
    await paid.judged(part)
    paid.prolific.say("subada", "RETURNED")
    body, headers = paid.prolific.event("subada", secret=SECRET)
    assert await take(paid, body, headers) == "taken"
    assert (await paid.now(part)).ended_as == "returned"
    assert await verdicts(paid.database, paid.experiment) == 0
    assert await take(paid, body, headers) == "known"
    assert len(await rows(paid.database, "recruiter_event")) == 1


async def test_an_event_that_is_not_signed_changes_nothing(paid: Paid) -> None:
    part = await paid.joined("ada")
    old = (datetime.now(UTC) - timedelta(hours=1)).timestamp()
    sent = {"event_type": EVENT, "resource_id": "subada", "participant_id": "ada", "status": "RETURNED"}
    for body, headers in (
        signed(sent, secret="wrong"),
        signed(sent, secret=""),
        signed(sent, secret=TOKEN),
        signed(sent, secret=SECRET, at=old),
        (json.dumps(sent).encode(), {}),
    ):
        with pytest.raises(Refused) as refused:
            await take(paid, body, headers)
        assert refused.value.status == 401
    assert (await paid.now(part)).ended_as is None
    assert await rows(paid.database, "recruiter_event") == []


async def test_older_events_and_those_of_others_change_nothing(paid: Paid) -> None:
    part = await paid.joined("ada")
    sent: dict[str, Any] = {"event_type": EVENT, "resource_id": "subada", "participant_id": "ada"}
    now = datetime.now(UTC).timestamp()
    body, headers = signed(sent | {"status": "AWAITING REVIEW"}, secret=SECRET, event_id="two")
    assert await take(paid, body, headers) == "taken"
    body, headers = signed(sent | {"status": "RETURNED"}, secret=SECRET, event_id="one")
    headers["X-Timestamp"] = str(now - 60)
    assert await take(paid, body, headers) == "no change"
    for number, changes in enumerate(
        [{"participant_id": "eve"}, {"resource_id": "other"}, {"event_type": "study.status.change"}]
    ):
        body, headers = signed(sent | {"status": "RETURNED"} | changes, secret=SECRET, event_id=f"x{number}")
        assert await take(paid, body, headers) in ("not of this person", "unknown", "noted")
    assert (await paid.now(part)).ended_as is None
    with pytest.raises(Refused, match="no event"):
        await take(paid, *signed({"hello": 1}, secret=SECRET))


async def test_the_secret_of_one_study_signs_nothing_for_another(
    database: Database, monkeypatch: pytest.MonkeyPatch, paid: Paid
) -> None:
    monkeypatch.setenv("ARENA_KEY_THEIRS", "their-secret")
    named = {"kind": "prolific", "webhook_secret": "ARENA_KEY_THEIRS"}
    from app.records import studies
    from app.studies.spec import parse_study
    from tests.studies.paid import file

    theirs = parse_study(file(name="theirs", recruiter=named))
    async with database.session.begin() as db:
        await studies.add(db, theirs.name, theirs.normalised(), {}, None)
    part = await paid.joined("ada")
    paid.prolific.say("subada", "RETURNED")
    body, headers = paid.prolific.event("subada", secret="their-secret")
    assert await take(paid, body, headers) == "not of this person"
    assert (await paid.now(part)).ended_as is None


async def test_subscribing_twice_subscribes_once(paid: Paid) -> None:
    one = await recruitment.subscribe(paid.at, None, "paid", "https://arena.test")
    two = await recruitment.subscribe(paid.at, None, "paid", "https://arena.test")
    assert one.id == two.id
    [there] = paid.prolific.subscriptions.values()
    assert (there["target_url"], there["event_type"]) == (
        "https://arena.test/recruiters/prolific/events",
        EVENT,
    )


# ── reviews ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_approving_pays_the_reward_once(paid: Paid) -> None:
    part = await paid.completed("ada")
    await recruitment.sync(paid.at, None, "paid")
    for _ in range(2):
        await recruitment.approve(paid.at, None, "paid", part.id)
    assert paid.prolific.submissions["subada"]["status"] == "APPROVED"
    assert len(paid.prolific.asked("POST", "/transition/")) == 1
    [payment] = await rows(paid.database, "payment")
    assert (payment["kind"], payment["minor"], payment["state"]) == ("base", 450, "sent")
    assert payment["sent_at"] is not None
    assert await reviews(paid) == {"ada": ("completed", "approved")}
    assert "approved" in await actions(paid)


@pytest.mark.parametrize("fault", ["500", "drop after"])
async def test_an_approval_that_was_cut_off_is_found_out(paid: Paid, fault: str) -> None:
    part = await paid.completed("ada")
    await recruitment.sync(paid.at, None, "paid")
    paid.prolific.faults.extend([fault, fault])
    with pytest.raises(Refused):
        await recruitment.approve(paid.at, None, "paid", part.id)
    [payment] = await rows(paid.database, "payment")
    assert payment["state"] in ("sending", "failed")
    await recruitment.sync(paid.at, None, "paid")
    await recruitment.approve(paid.at, None, "paid", part.id)
    [payment] = await rows(paid.database, "payment")
    assert payment["state"] == "sent"
    assert await reviews(paid) == {"ada": ("completed", "approved")}


async def test_what_prolific_has_not_confirmed_is_not_approved(paid: Paid) -> None:
    part = await paid.completed("ada")
    with pytest.raises(Refused, match="has not confirmed"):
        await recruitment.approve(paid.at, None, "paid", part.id)
    early = await paid.joined("eve")
    with pytest.raises(Refused, match="still taking part"):
        await recruitment.approve(paid.at, None, "paid", early.id)
    assert paid.prolific.asked("POST") == []
    assert await rows(paid.database, "payment") == []


async def test_all_who_wait_are_approved_and_no_one_else(paid: Paid) -> None:
    for who in ("ada", "eve"):
        await paid.completed(who)
    failed = await paid.joined("ida")
    await paid.ended(failed, "failed_checks", "AWAITING REVIEW")
    await recruitment.sync(paid.at, None, "paid")
    assert await recruitment.approve_all(paid.at, None, "paid") == 2
    assert await recruitment.approve_all(paid.at, None, "paid") == 0
    assert (await reviews(paid))["ida"] == ("failed_checks", None)


async def test_rejecting_needs_a_reason_and_a_category(paid: Paid) -> None:
    part = await paid.completed("ada")
    await recruitment.sync(paid.at, None, "paid")
    for why in (Rejection(""), Rejection("Too short."), Rejection(REASON, "BORING"), Rejection("x" * 3000)):
        with pytest.raises(Refused) as refused:
            await recruitment.reject(paid.at, None, "paid", part.id, why)
        assert refused.value.status == 422
    assert paid.prolific.asked("POST") == []
    await recruitment.reject(paid.at, None, "paid", part.id, Rejection(REASON, "LOW_EFFORT"))
    assert paid.prolific.messages == [("subada", REASON)]
    assert await reviews(paid) == {"ada": ("completed", "rejected")}
    assert await verdicts(paid.database, paid.experiment) == 2, "rejecting is not excluding"
    with pytest.raises(Refused, match="rejected already"):
        await recruitment.reject(paid.at, None, "paid", part.id, Rejection(REASON, "LOW_EFFORT"))
    with pytest.raises(Refused, match="rejected already"):
        await recruitment.approve(paid.at, None, "paid", part.id)


async def test_who_was_paid_is_not_rejected(paid: Paid) -> None:
    part = await paid.completed("ada")
    await recruitment.sync(paid.at, None, "paid")
    await recruitment.approve(paid.at, None, "paid", part.id)
    with pytest.raises(Refused, match="approved already"):
        await recruitment.reject(paid.at, None, "paid", part.id, Rejection(REASON, "LOW_EFFORT"))


async def test_what_prolific_has_paid_for_is_not_approved_again(paid: Paid) -> None:
    part = await paid.ended(await paid.joined("ada"), "screened_out", "SCREENED OUT")
    await recruitment.sync(paid.at, None, "paid")
    with pytest.raises(Refused, match="has paid for this part already"):
        await recruitment.approve(paid.at, None, "paid", part.id)
    assert paid.prolific.asked("POST") == []
    [payment] = await rows(paid.database, "payment")
    assert (payment["minor"], payment["state"]) == (35, "sent")


async def test_a_base_that_waits_to_be_a_bonus_is_not_paid_where_prolific_approved(paid: Paid) -> None:
    part = await paid.joined("ada")
    await paid.judged(part)
    await paid.ended(part, "stopped", "AWAITING REVIEW")
    async with paid.database.session.begin() as db:
        await payments.record(db, [Due(part.id, "base", 225, "GBP", {"by": "bonus"})])
    paid.prolific.say("subada", "APPROVED")
    await recruitment.sync(paid.at, None, "paid")
    [payment] = await rows(paid.database, "payment")
    assert (payment["minor"], payment["state"], payment["detail"]["by"]) == (450, "sent", "approval")


@pytest.mark.parametrize(
    ("state", "step", "kept"),
    [("due", "", False), ("failed", "setting up", False), ("failed", "paying", True)]
    + [("sending", step, True) for step in ("setting up", "set up", "paying")]
    + [("sent", "paying", True)],
)
@pytest.mark.parametrize("how", ["reject", "report"])
async def test_a_rejection_forgets_only_what_was_not_sent(
    paid: Paid, monkeypatch: pytest.MonkeyPatch, state: str, step: str, kept: bool, how: str
) -> None:
    part = await paid.completed("ada")
    await recruitment.sync(paid.at, None, "paid")
    ask = Prolific.reject

    async def meanwhile(self: Prolific, *given: str) -> None:
        async with paid.database.session.begin() as db:
            due = Due(part.id, "bonus", 100, "GBP", {"by": "bonus", "step": step})
            await payments.record(db, [due], state=state)
        await ask(self, *given)

    if how == "reject":
        monkeypatch.setattr(Prolific, "reject", meanwhile)
        await recruitment.reject(paid.at, None, "paid", part.id, Rejection(REASON, "LOW_EFFORT"))
    else:
        async with paid.at.prolific(spec_of(paid.study)) as client:
            await meanwhile(client, "subada", "OTHER", REASON)
        await recruitment.sync(paid.at, None, "paid")
    assert (await reviews(paid))["ada"] == ("completed", "rejected")
    assert [row["state"] for row in await rows(paid.database, "payment")] == [state] * kept


async def test_the_slower_of_two_approvals_calls_nothing_failed(
    paid: Paid, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = await paid.completed("ada")
    await recruitment.sync(paid.at, None, "paid")
    ask = Prolific.approve

    async def slow(self: Prolific, submission: str) -> None:
        monkeypatch.setattr(Prolific, "approve", ask)
        await recruitment.approve(paid.at, None, "paid", part.id)
        raise Declined(400, "The submission is APPROVED.")

    monkeypatch.setattr(Prolific, "approve", slow)
    with pytest.raises(Refused):
        await recruitment.approve(paid.at, None, "paid", part.id)
    [payment] = await rows(paid.database, "payment")
    assert payment["state"] == "sent"
    assert (await reviews(paid))["ada"] == ("completed", "approved")


async def test_a_share_is_a_bonus_where_an_approval_was_refused_and_the_submission_returned(
    paid: Paid,
) -> None:
    part = await paid.joined("ada")
    await paid.judged(part)
    await paid.ended(part, "stopped", "AWAITING REVIEW")
    await recruitment.sync(paid.at, None, "paid")
    paid.prolific.say("subada", "RETURNED")
    with pytest.raises(Refused, match="RETURNED"):
        await recruitment.approve(paid.at, None, "paid", part.id)
    assert [row["state"] for row in await rows(paid.database, "payment")] == ["failed"]
    await recruitment.sync(paid.at, None, "paid")
    assert await rows(paid.database, "payment") == []


async def test_a_person_is_asked_to_return(paid: Paid) -> None:
    part = await paid.ended(await paid.joined("ada"), "stopped", "AWAITING REVIEW")
    await recruitment.sync(paid.at, None, "paid")
    with pytest.raises(Refused):
        await recruitment.ask_to_return(paid.at, None, "paid", part.id, " ")
    await recruitment.ask_to_return(paid.at, None, "paid", part.id, "Didn't finish the study")
    assert paid.prolific.messages == [("subada", "Didn't finish the study")]


async def test_without_the_api_reviews_are_kept_here(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paying(database, monkeypatch, there="", recruiter={"kind": "mturk"}) as paid:
        one, two = await paid.completed("ada"), await paid.completed("eve")
        await recruitment.approve(paid.at, None, "paid", one.id)
        await recruitment.reject(paid.at, None, "paid", two.id, Rejection("No work at all."))
        assert await reviews(paid) == {"ada": ("completed", "approved"), "eve": ("completed", "rejected")}
        assert paid.prolific.calls == []
