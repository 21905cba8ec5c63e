"""Deleting a person's data: nothing of their words, names and ids is left in any table, and what counts still counts."""

import html
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from app.protocols.blanking import REMOVED
from app.records import assignment, enrolments, people, personal_data, studies
from app.records.spoken_words import shows, stretches
from app.reports.report import report
from models import Account, Audit, Enrolment, Exposure, ModelCall, Payment, SeatRow, Study, Trial, Verdict
from tests.servers import Script, ScriptedServer
from tests.test_jobs import modelled
from tests.web.privacy.people_in_studies import (
    MARK,
    PERSON_ID,
    Enrolled,
    change,
    enrolled,
    leave_marks,
    paid,
    places,
    rows,
    study_on,
)
from tests.web.seats.test_routes import advanced, begun, debate, say, seated
from tests.web.world import Site, World

SURE = {"sure": "yes"}
EVERYWHERE = {
    "account",
    "audit",
    "draft",
    "enrolment",
    "move",
    "payment",
    "study_step",
    "submission",
    "verdict",
}


@pytest.fixture
async def ada(world: World) -> Enrolled:
    """A person who has left a mark in every place."""
    found = await enrolled(await study_on(world))
    await leave_marks(world.site, found)
    return found


async def one(site: Site, model: Any, identity: uuid.UUID) -> Any:
    async with site.database.session() as db:
        return await db.get_one(model, identity)


async def end(site: Site, who: Enrolled, how: str) -> None:
    async with site.database.session.begin() as db:
        assert await enrolments.end(db, await db.get_one(Enrolment, who.enrolment.id), how)


async def swept(site: Site) -> personal_data.Swept:
    async with site.database.session.begin() as db:
        return await personal_data.sweep(db)


async def figures_of(world: World) -> Any:
    """Every figure of a report, as it is written."""
    async with world.site.database.session() as db:
        found = await report(db, world.experiment)
    assert any("people" in str(line) for line in found.lines), "of people too"
    return found.as_json()


# ── by a researcher ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_table_holds_a_text_a_name_or_an_id_afterwards(world: World, ada: Enrolled) -> None:
    site = world.site
    assert await places(site.database) == EVERYWHERE, "or the test looks for nothing"
    await end(site, ada, "completed")
    alice = await site.browser("alice")
    answer = await alice.submit(f"{ada.place}/delete", {**SURE, "unpaid": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, ada.place)
    assert await places(site.database) == set()
    assert "These data are deleted" in (await alice.get(ada.place)).text


async def test_what_counted_counts_afterwards_and_what_stays_is_there(world: World, ada: Enrolled) -> None:
    site = world.site
    await end(site, ada, "completed")
    async with site.database.session() as db:
        before = list(await db.execute(_BELIEFS, {"person": ada.account.participant_id}))
        shown = await db.scalar(_SHOWN, {"person": ada.account.participant_id})
    assert before
    assert shown == 2
    figures = await figures_of(world)
    await (await site.browser("alice")).submit(f"{ada.place}/delete", {**SURE, "unpaid": "yes"})
    async with site.database.session() as db:
        assert list(await db.execute(_BELIEFS, {"person": ada.account.participant_id})) == before
        assert await db.scalar(_SHOWN, {"person": ada.account.participant_id}) == shown
        part = await db.get_one(Enrolment, ada.enrolment.id)
        payment = (await db.scalars(select(Payment).where(Payment.enrolment_id == part.id))).one()
        trail = (await db.scalars(select(Audit.action).where(Audit.object_id == str(part.id)))).all()
        account = await db.get_one(Account, ada.account.id)
        passed = await db.scalar(text("SELECT passed FROM study_step WHERE item = 'gold-item'"))
    assert figures == await figures_of(world)
    assert (part.ended_as, part.consented_at is None, part.deleted_at is None) == ("completed", False, False)
    assert (payment.minor, payment.currency, payment.detail) == (
        250,
        "GBP",
        {"scores": [0.5, 0.25], "bonus": {"minor": 20}},
    )
    assert {"completed", "approved"} <= set(trail), "the trail stays, without details"
    assert passed is True
    assert account.name.startswith("person-")
    assert account.disabled_at is not None


_BELIEFS = text(
    "SELECT play_id, belief, answer_order FROM verdict WHERE participant_id = :person ORDER BY 1, reading"
)
_SHOWN = text("SELECT count(*) FROM exposure WHERE participant_id = :person")


async def test_a_second_deletion_changes_nothing(world: World, ada: Enrolled) -> None:
    site = world.site
    await end(site, ada, "returned")
    alice = await site.browser("alice")
    await alice.submit(f"{ada.place}/delete", SURE)
    before = await rows(site.database)
    assert (await alice.submit(f"{ada.place}/delete", SURE)).status_code == 303
    after = await rows(site.database)
    assert {name for name in before if before[name] != after[name]} <= {"session"}


async def test_a_failure_in_the_middle_deletes_nothing(
    world: World, ada: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = world.site
    await end(site, ada, "returned")

    async def broken(*_: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("app.records.personal_data.forget_names", broken)
    before = await places(site.database)
    with pytest.raises(RuntimeError, match="power"):
        await (await site.browser("alice")).submit(f"{ada.place}/delete", SURE)
    assert await places(site.database) == before


async def test_who_is_owed_something_is_deleted_only_when_that_is_meant(world: World, ada: Enrolled) -> None:
    site = world.site
    await end(site, ada, "completed")
    alice = await site.browser("alice")
    assert (await alice.submit(f"{ada.place}/delete")).status_code == 422
    refused = await alice.submit(f"{ada.place}/delete", SURE)
    assert refused.status_code == 409
    assert "not paid yet" in refused.text
    assert await places(site.database)
    await paid(site, ada)
    assert (await alice.submit(f"{ada.place}/delete", SURE)).status_code == 303
    assert await places(site.database) == set()


async def test_other_researchers_find_no_such_person(world: World, ada: Enrolled) -> None:
    charlie = await world.site.browser("charlie")
    for path in (ada.place, f"{ada.place}.json"):
        assert (await charlie.get(path)).status_code == 404
    assert (await charlie.submit(f"{ada.place}/delete", SURE)).status_code == 404
    other = await study_on(world, "another-study")
    alice = await world.site.browser("alice")
    wrong = f"/studies/{other.study.name}/people/{ada.enrolment.id}/data"
    assert (await alice.get(wrong)).status_code == 404


# ── by the person ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_takes_part_withdraws_and_is_deleted_at_once(world: World, ada: Enrolled) -> None:
    site = world.site
    assert "you are not paid" in (await ada.browser.get("/part/privacy")).text
    unsure = await ada.browser.submit("/privacy/delete")
    assert unsure.status_code == 422
    assert "Tick the box" in unsure.text
    deleted = await ada.browser.submit("/privacy/delete", SURE)
    assert "Your data are deleted" in deleted.text
    assert await places(site.database) == set()
    assert (await ada.browser.get("/judge")).headers["location"] == "/sign-in"
    part = await one(site, Enrolment, ada.enrolment.id)
    assert (part.ended_as, part.deleted_at is not None) == ("withdrawn", True)
    async with site.database.session() as db:
        mine = Verdict.participant_id == ada.account.participant_id
        assert await db.scalar(select(func.count()).select_from(Verdict).where(mine)) == 0
        assert await db.scalar(_SHOWN, {"person": ada.account.participant_id}) == 2


async def test_the_same_human_neither_comes_back_nor_meets_the_texts_elsewhere(
    world: World, ada: Enrolled
) -> None:
    site = world.site
    await ada.browser.submit("/privacy/delete", SURE)
    async with site.database.session.begin() as db:
        again = await enrolments.of_person(db, ada.study.id, PERSON_ID)
        assert again is not None
        assert again.id == ada.enrolment.id
        await studies.set_state(db, await db.get_one(Study, ada.study.id), "closed", None)
        invite = await people.new_invite(db, role="judge", shared=True)
        same, _ = await people.join(db, invite, "A person", PERSON_ID)
        other, _ = await people.join(db, invite, "Another person", "another-id")
        left = [
            await assignment.left(db, await people.participant_of(db, who), "judge") for who in (same, other)
        ]
    assert left[0] < left[1]


async def test_an_id_joins_by_an_invite_once_also_after_its_deletion(site: Site) -> None:
    async with site.database.session.begin() as db:
        invite = await people.new_invite(db, role="judge", shared=True, label="all")
        account, _ = await people.join(db, invite, PERSON_ID, PERSON_ID)
        assert await people.has_joined(db, invite, PERSON_ID)
    browser = await site.browser_of(account)
    assert (await browser.get("/privacy")).status_code == 200
    assert "Your data are deleted" in (await browser.submit("/privacy/delete", SURE)).text
    assert await places(site.database) == set()
    async with site.database.session() as db:
        assert await people.has_joined(db, invite, PERSON_ID)
        assert not await people.has_joined(db, invite, "another-id")


async def test_who_is_to_be_paid_is_deleted_when_they_are(world: World, ada: Enrolled) -> None:
    site = world.site
    await end(site, ada, "completed")
    asked = await ada.browser.submit("/privacy/delete", SURE)
    assert asked.headers["location"] == "/part/privacy"
    assert "You asked for your data to be deleted" in (await ada.browser.get("/part/privacy")).text
    assert "asked for deletion" in (await (await site.browser("alice")).get(ada.place)).text
    assert (await swept(site)).deleted == 0
    assert await places(site.database)
    await paid(site, ada)
    assert (await swept(site)).deleted == 1
    assert await places(site.database) == set()
    assert (await swept(site)).deleted == 0


async def test_a_bonus_that_is_not_recorded_yet_is_waited_for(world: World, ada: Enrolled) -> None:
    site = world.site
    await end(site, ada, "completed")
    async with site.database.session.begin() as db:
        study = await db.get_one(Study, ada.study.id)
        study.spec = {**study.spec, "bonus": {"most": "1.00", "rule": "brier"}}
    await ada.browser.submit("/privacy/delete", SURE)
    await paid(site, ada)
    assert (await swept(site)).deleted == 0
    async with site.database.session.begin() as db:
        base = (await db.scalars(select(Payment).where(Payment.enrolment_id == ada.enrolment.id))).one()
        bonus = {"kind": "bonus", "minor": 80, "currency": "GBP", "recruiters_id": base.recruiters_id}
        db.add(Payment(id=uuid.uuid4(), enrolment_id=ada.enrolment.id, detail={}, **bonus))
    assert (await swept(site)).deleted == 0
    await paid(site, ada)
    assert (await swept(site)).deleted == 1


async def test_nobody_waits_for_their_deletion_for_longer_than_is_said(world: World, ada: Enrolled) -> None:
    site = world.site
    await end(site, ada, "completed")
    await ada.browser.submit("/privacy/delete", SURE)
    await change(site, ada, deletion_asked_at=func.now() - personal_data.WAIT - timedelta(hours=1))
    assert (await swept(site)).deleted == 1
    assert await places(site.database) == set()


async def test_withdrawing_gives_everything_back_and_deletes_what_was_not_submitted(
    world: World, ada: Enrolled
) -> None:
    site = world.site
    async with site.database.session.begin() as db:
        part = await db.get_one(Enrolment, ada.enrolment.id)
        assert await personal_data.withdraw(db, part)
        assert not await personal_data.withdraw(db, part)
    assert await places(site.database, f"unsent {MARK}") == set()
    assert await places(site.database, "baker") == set()
    async with site.database.session() as db:
        mine = SeatRow.participant_id == ada.account.participant_id
        assert set(await db.scalars(select(SeatRow.state).where(mine))) == {"returned"}
    await ada.browser.submit("/privacy/delete", SURE)
    assert await places(site.database) == set()


# ── talks ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def spoken(site: Site, url: str, *, rounds: int = 1) -> tuple[Account, str]:
    """A debate of a person with a model, as far as it goes after the person's first speech; models judge it."""
    file = modelled(url)
    seats = {"debater_a": "people", "debater_b": "strong", "checker": "strong"}
    talk = debate(seats=seats, rounds=rounds)["arms"]
    more = {"tasks": {"set": "talks"}, "name": "talks"}
    await begun(site, {**file, **more, "arms": talk, "judges": ["weak", {"humans": 2}]}, "Dorade")
    account = await site.hire("Dora", "debater")
    browser = await site.browser_of(account)
    address = await seated(browser)
    words = f"The {MARK} of the lamp was out.\nHe had the mate sign below it, says {MARK}."
    assert (await say(browser, address, words)).status_code == 303
    await advanced(site)
    return account, address


async def judge_all(site: Site) -> None:
    """Let models judge what is finished."""
    async with site.database.session() as db:
        waiting = await db.scalars(text("SELECT id FROM play WHERE kind = 'judging' AND state = 'queued'"))
    for play in waiting:
        await site.app.state.engine.advance(play)


async def erase(site: Site, account: Account) -> None:
    bob = await site.browser("bob")
    answer = await bob.submit(f"/people/{account.id}/data/delete", SURE)
    assert answer.status_code == 303, answer.text


async def test_speeches_are_removed_from_the_talk_and_from_the_prompts_of_models(site: Site) -> None:
    async with ScriptedServer(Script()) as server:
        account, _ = await spoken(site, server.base_url)
        await judge_all(site)
    assert {"move", "text"} <= await places(site.database)
    async with site.database.session() as db:
        talk = (await db.scalars(select(Trial).where(Trial.state == "done"))).one()
        verdicts = await db.scalar(select(func.count()).select_from(Verdict))
    assert verdicts
    await erase(site, account)
    assert await places(site.database) == set()
    bob = await site.browser("bob")
    page = await bob.get(f"/trials/{talk.id}")
    assert REMOVED in html.unescape(page.text)
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Verdict)) == verdicts, (
            "others judged it as it was"
        )
        assert set(await db.scalars(_OPEN)) == set(), "no one begins to judge it"
        path = (await db.scalars(select(ModelCall.path).where(ModelCall.play_id == talk.id).limit(1))).one()
    assert (await bob.get(f"/trials/{talk.id}/calls", params={"path": path})).status_code == 200
    for what in ("transcripts", "calls", "archive"):
        sent = await bob.get(f"/experiments/talks/export?what={what}")
        assert sent.status_code == 200
        assert MARK not in sent.text


_OPEN = text("SELECT state FROM play WHERE kind = 'judging' AND state IN ('open', 'queued')")


async def test_a_talk_that_goes_on_without_the_words_fails_and_says_so(site: Site) -> None:
    async with ScriptedServer(Script()) as server:
        account, _ = await spoken(site, server.base_url, rounds=2)
        await erase(site, account)
    assert await places(site.database) == set()
    async with site.database.session() as db:
        talk = (await db.scalars(select(Trial).where(Trial.state == "failed"))).one()
    assert "had their words deleted" in (talk.error or "")


def test_a_prompt_is_known_by_the_words_that_it_shows() -> None:
    marks = stretches(["The lamp was out all night.\nYes.", "No"])
    assert shows("He said: The lamp\n <v_quote>was out</v_quote> all night.", marks)
    assert not shows("Yes. The lamp was on.", marks)
    assert shows("No, never", marks), "a short text is looked for as a whole"


# ── in time ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_names_and_ids_go_when_the_study_has_ended_for_as_long_as_it_says(
    world: World, ada: Enrolled
) -> None:
    site = world.site
    await end(site, ada, "completed")
    async with site.database.session.begin() as db:
        await studies.set_state(db, await db.get_one(Study, ada.study.id), "closed", None)
    assert (await swept(site)).forgotten == 0
    await closed_for(site, ada.study, 31)
    assert (await swept(site)).forgotten == 1
    assert await places(site.database, PERSON_ID) == set()
    assert await places(site.database, f"{MARK}-submission") == set()
    assert "verdict" in await places(site.database), "what they wrote stays"
    assert (await swept(site)).forgotten == 0
    async with site.database.session.begin() as db:
        invite = await people.new_invite(db, role="judge", shared=True)
        same, _ = await people.join(db, invite, "A person", PERSON_ID)
        person = await people.participant_of(db, same)
        shown = select(func.count()).select_from(Exposure)
        assert await db.scalar(shown) == 2
        left = await assignment.left(db, person, "judge")
        stranger, _ = await people.join(db, invite, "Stranger", "another")
        assert left < await assignment.left(db, await people.participant_of(db, stranger), "judge")


async def closed_for(site: Site, study: Study, days: int) -> None:
    async with site.database.session.begin() as db:
        long_ago = func.now() - timedelta(days=days)
        await db.execute(update(Study).where(Study.id == study.id).values(closed_at=long_ago))


async def test_old_sessions_and_addresses_are_swept(site: Site) -> None:
    await site.browser("judge")
    async with site.database.session.begin() as db:
        await db.execute(text("UPDATE session SET expires_at = now() - interval '1 minute'"))
        for seconds, ago in ((60, 1500), (3600, 25)):
            await people.within_limit(db, f"{seconds}/{MARK}", 9, seconds)
            await db.execute(
                text('UPDATE rate_count SET "window" = "window" - :ago WHERE key LIKE :key'),
                {"ago": ago, "key": f"{seconds}/%"},
            )
        await people.within_limit(db, "word/1", 1, 3600)
    await swept(site)
    assert await places(site.database) == set()
    assert (await rows(site.database))["session"] == ""
    async with site.database.session.begin() as db:
        assert not await people.within_limit(db, "word/1", 1, 3600), "counts of this hour stay"
