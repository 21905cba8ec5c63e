"""The link of a study: what it offers, when it is shut, and who comes back from another browser."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.records.database import Database
from models import Account, Enrolment, Session, Submission
from tests.web.participation.study import (
    Opened,
    Person,
    bare,
    comes,
    enrolments_of,
    joined,
    opened_study,
    question,
    study_file,
)
from tests.web.world import Site, opened


async def people_in(site: Site) -> int:
    """How many parts there are."""
    return len(await enrolments_of(site.database))


async def shown(site: Site, opened: Opened, pid: str = "pid-ada") -> str:
    """What a newcomer reads at the link."""
    answer = await (await site.browser()).get(opened.link(pid))
    assert answer.status_code == 200
    return answer.text


# ── shut ────────────────────────────────────────────────────────────────────────────────────────────────────────

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("state", "changes", "said"),
    [
        ("draft", {}, "This study has not been opened yet."),
        ("open", {"opens": TOMORROW}, "This study opens on"),
        ("paused", {}, "This study is paused for a while."),
        ("closed", {}, "This study is closed"),
        ("open", {"closes": YESTERDAY}, "This study is closed"),
    ],
)
async def test_one_sentence_says_why_no_one_can_join_now(
    site: Site, state: str, changes: dict[str, Any], said: str
) -> None:
    opened = await opened_study(site, bare(**changes), state=state)
    text = await shown(site, opened)
    assert said in text
    assert "<form" not in text
    person = Person(await site.browser())
    assert said in (await comes(opened, person)).text
    assert await people_in(site) == 0


async def test_a_full_study_says_so_and_those_who_are_in_go_on(site: Site) -> None:
    opened = await opened_study(site, bare(people=1))
    await joined(opened)
    assert "All places in this study are taken" in await shown(site, opened, "pid-eve")
    eve = Person(await site.browser())
    assert "All places in this study are taken" in (await comes(opened, eve, "pid-eve")).text
    again = await joined(opened)
    assert again.at == "/part"
    assert await people_in(site) == 1


async def test_no_one_is_promised_more_trials_than_they_could_get(site: Site) -> None:
    # Four people judge each of two passages, and a person judges a passage once.
    opened = await opened_study(site, bare(trials=3), passages=2)
    person = Person(await site.browser())
    assert "All places in this study are taken" in (await comes(opened, person)).text
    assert await people_in(site) == 0


async def test_a_link_that_is_not_whole_says_so(site: Site) -> None:
    opened = await opened_study(site, bare())
    visitor = await site.browser()
    for path in (opened.path[:-1], "/join/nothing"):
        answer = await visitor.get(path)
        assert answer.status_code == 404
        assert "This link is not complete" in answer.text
        assert (await visitor.post(path, data={"name": "x"})).status_code == 404


async def test_who_only_previews_a_task_is_asked_for_nothing(site: Site) -> None:
    opened = await opened_study(site, bare(recruiter={"kind": "mturk"}))
    visitor = await site.browser()
    page = await visitor.get(f"{opened.path}?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=h")
    assert "This is a preview." in page.text
    assert "<form" not in page.text


async def test_mechanical_turks_parameters_are_read(site: Site) -> None:
    opened = await opened_study(site, bare(recruiter={"kind": "mturk"}))
    person = Person(await site.browser())
    await person.send(opened.path, workerId="W1", assignmentId="A1", hitId="H1")
    assert person.at == "/part"
    async with site.database.session() as db:
        row = (await db.scalars(select(Submission))).one()
        account = (await db.scalars(select(Account).where(Account.for_study))).one()
    assert (row.recruiter, row.recruiters_id) == ("mturk", "A1")
    assert (account.recruiter_id, account.role) == ("W1", "judge")


async def test_the_recruiters_other_study_is_not_this_one(site: Site) -> None:
    opened = await opened_study(site, bare())
    async with site.database.session.begin() as db:
        opened.study.recruiters_study = "s2"
        await db.merge(opened.study)
    person = Person(await site.browser())
    assert "This link is of another study" in (await comes(opened, person)).text
    assert await people_in(site) == 0


# ── coming back ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_link_in_the_same_browser_goes_on(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.agree()
    await ada.get(opened.link())
    assert ada.at == "/part/instructions"
    assert await people_in(site) == 1


async def test_the_recruiters_link_goes_on_from_another_device(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_trials()
    page = await ada.go_on()
    elsewhere = await joined(opened)
    assert elsewhere.at == "/part"
    assert question(await elsewhere.go_on()) == question(page)
    assert await people_in(site) == 1


async def test_an_id_alone_is_not_enough_where_the_link_had_more(site: Site) -> None:
    opened = await opened_study(site)
    await joined(opened)
    for session in ("", "another"):
        stranger = Person(await site.browser())
        answer = await comes(opened, stranger, SESSION_ID=session)
        assert answer.status_code == 422
        assert "This id or submission has joined already." in answer.text
        assert (await stranger.browser.get("/part")).status_code == 303
    stranger = Person(await site.browser())
    assert (
        "has joined already"
        in (await comes(opened, stranger, "pid-eve", SESSION_ID="session-of-pid-ada")).text
    )
    assert await people_in(site) == 1


async def test_an_id_alone_goes_on_where_the_link_had_no_more(site: Site) -> None:
    opened = await opened_study(site)
    await joined(opened, SESSION_ID="")
    again = await joined(opened, SESSION_ID="")
    assert again.at == "/part/consent"
    assert await people_in(site) == 1


async def test_a_chosen_word_is_asked_for_on_another_device(site: Site) -> None:
    opened = await opened_study(site)
    await joined(opened, word="  Blue   HERON ")
    elsewhere = Person(await site.browser())
    asked = await comes(opened, elsewhere)
    assert asked.status_code == 422
    assert "Please write the word that you chose then." in asked.text
    assert "with another word" in (await comes(opened, elsewhere, word="green heron")).text
    assert (await elsewhere.browser.get("/part")).status_code == 303
    back = await joined(opened, word="blue heron", SESSION_ID="another")
    assert back.at == "/part/consent"
    assert await people_in(site) == 1
    [enrolment] = await enrolments_of(site.database)
    assert "heron" not in (enrolment.word_hash or "")


async def test_words_cannot_be_guessed_for_long(site: Site, stopped_clock: None) -> None:
    opened = await opened_study(site)
    await joined(opened, word="heron")
    stranger = Person(await site.browser())
    for number in range(20):
        await comes(opened, stranger, word=f"guess {number}")
    assert "many words in one hour" in (await comes(opened, stranger, word="heron")).text
    assert (await stranger.browser.get("/part")).status_code == 303


async def test_without_a_recruiter_a_name_and_a_word_bring_one_back(site: Site) -> None:
    opened = await opened_study(site, study_file(recruiter={"kind": "link"}))
    unknown = {"PROLIFIC_PID": "", "SESSION_ID": ""}
    ada = Person(await site.browser())
    assert "Please write a name first." in (await comes(opened, ada, **unknown)).text
    assert "Please choose a word too" in (await comes(opened, ada, name="Ada", **unknown)).text
    ada = await joined(opened, name="Ada", word="heron", **unknown)
    await ada.agree()
    other = Person(await site.browser())
    assert "with another word" in (await comes(opened, other, name=" ada ", word="lark", **unknown)).text
    back = await joined(opened, name="ADA", word="heron", **unknown)
    assert back.at == "/part/instructions"
    assert await people_in(site) == 1


async def test_a_name_is_no_recruiters_id(site: Site) -> None:
    opened = await opened_study(site, study_file(recruiter={"kind": "link"}))
    await joined(opened, name="Ada", word="heron", PROLIFIC_PID="", SESSION_ID="")
    async with site.database.session() as db:
        account = (await db.scalars(select(Account).where(Account.for_study))).one()
    assert (account.name, account.recruiter_id) == ("Ada", None)


@pytest.mark.parametrize("end", ["completed", "returned"])
async def test_who_has_ended_cannot_begin_again(site: Site, end: str) -> None:
    opened = await opened_study(site)
    await joined(opened)
    async with site.database.session.begin() as db:
        await db.execute(update(Enrolment).values(ended_as=end, ended_at=func.now()))
    again = await joined(opened)
    assert again.at == "/part/done"
    assert await people_in(site) == 1


async def test_whose_data_were_deleted_does_not_come_in_again(site: Site) -> None:
    opened = await opened_study(site)
    await joined(opened)
    async with site.database.session.begin() as db:
        await db.execute(update(Enrolment).values(deleted_at=func.now()))
    again = Person(await site.browser())
    assert "your part is over" in (await comes(opened, again)).text


async def test_the_form_sent_twice_at_once_makes_one_part(site: Site) -> None:
    opened = await opened_study(site)
    people = [Person(await site.browser()) for _ in range(3)]
    await asyncio.gather(*(comes(opened, person, word="heron") for person in people))
    assert [person.at for person in people] == ["/part/consent"] * 3
    assert await people_in(site) == 1


async def test_what_a_stranger_learns_of_an_id_before_they_prove_anything_is_nothing(site: Site) -> None:
    opened = await opened_study(site)
    await joined(opened, word="heron")
    known, unknown = await shown(site, opened, "pid-ada"), await shown(site, opened, "pid-eve")
    plain = [re.sub(r'nonce="[^"]+"|pid-(ada|eve)', "", text) for text in (known, unknown)]
    assert plain[0] == plain[1]


async def test_a_researcher_is_warned_before_their_browser_becomes_a_participants(site: Site) -> None:
    opened = await opened_study(site)
    alice = await site.browser("alice")
    assert "better use a private window" in (await alice.get(opened.link())).text


async def test_joining_opens_one_session_of_an_account_for_this_study_alone(site: Site) -> None:
    opened = await opened_study(site)
    await joined(opened)
    async with site.database.session() as db:
        account = (await db.scalars(select(Account).where(Account.for_study))).one()
        sessions = await db.scalar(select(func.count()).where(Session.account_id == account.id))
    assert sessions == 1
    assert (account.role, account.password_hash, account.email) == ("judge", None, None)


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_page_of_a_participant_waits_for_a_second_connection(database: Database) -> None:
    """With one connection in the pool, a request that asks for another while it has one would wait for ever."""
    async with opened(database) as site:
        study = await opened_study(site)
    alone = Database(database.url, embedded=database.embedded, connections=1)
    try:
        async with asyncio.timeout(30), opened(alone, site.cast) as narrow:
            study = replace(study, site=narrow)
            browser = await narrow.browser()
            assert (await browser.get("/join/no-such-link")).status_code == 404
            assert (await browser.submit("/join/no-such-link", {"name": "Ada"})).status_code == 404
            person = await joined(study)
            await person.to_trials()
            await person.all_trials()
            await person.send("/part/questionnaire", age="41")
            await person.go_on()
            assert person.at == "/part/done"
            other = await joined(study, "pid-eve", word="heron")
            await other.to_comprehension()
            again = await joined(study, "pid-eve", word="heron")
            await again.send("/part/withdraw", sure="yes")
            assert again.at == "/part/done"
    finally:
        await alone.close()
