"""A copy of one person's data has their own words and nothing that others must not know; exports have no ids of people."""

import io
import json
import zipfile
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from app.exchange.choices import Document, Format, What
from app.records import enrolments, studies
from models import Audit, Enrolment, Study
from tests.web.fixtures import ask, bearer
from tests.web.privacy.people_in_studies import (
    MARK,
    PERSON_ID,
    SUBMISSION,
    Enrolled,
    answer,
    enrolled,
    leave_marks,
    places,
    study_on,
    words_in,
)
from tests.web.routes import ROUTES
from tests.web.world import Site, World


@pytest.fixture
async def ada(world: World) -> Enrolled:
    """A person who has left a mark in every place."""
    found = await enrolled(await study_on(world))
    await leave_marks(world.site, found)
    return found


async def closed(site: Site, who: Enrolled, *, also_the_part: bool = True) -> None:
    """Close a study, and end the part of a person as completed."""
    async with site.database.session.begin() as db:
        await studies.set_state(db, await db.get_one(Study, who.study.id), "closed", None)
        if also_the_part:
            part = update(Enrolment).where(Enrolment.id == who.enrolment.id)
            await db.execute(part.values(ended_as="completed", ended_at=func.now()))


async def test_it_has_everything_that_the_person_wrote_and_was_known_by(world: World, ada: Enrolled) -> None:
    await closed(world.site, ada)
    answer = await ada.browser.get("/privacy/data.json")
    assert answer.headers["content-disposition"].startswith("attachment")
    said = words_in(answer.content)
    for known in (
        PERSON_ID,
        SUBMISSION,
        f"so says {MARK}",
        f"unsent {MARK}",
        f"{MARK} the baker",
        "freely",
        "ferries",
    ):
        assert known in said, known
    found = json.loads(answer.content)
    done, begun = found["trials"] if found["trials"][0]["state"] == "done" else found["trials"][::-1]
    assert sum(done["verdicts"][0]["percent"].values()) == 100
    assert set(done["answers"]) == {"The pilot had overslept.", "Fog had held the ferry back."}
    assert (begun["state"], begun["entered"], len(begun["work"])) == ("waiting", [], 1)
    assert [one["amount"] for one in found["study"]["payments"]] == ["2.50 GBP"]
    assert found["texts_shown"]["texts_of_trials"] == 2


@pytest.mark.parametrize("ended", [True, False])
async def test_it_has_no_right_answer_no_arm_and_nothing_of_others(
    world: World, ada: Enrolled, ended: bool
) -> None:
    site = world.site
    if ended:
        await closed(site, ada)
    rival = await enrolled(await study_on(world, "another-study"), "rivals-id", "rivals-submission")
    async with site.database.session.begin() as db:
        await db.execute(text('UPDATE question SET meta = \'{"secret": "of-the-question"}\''))
        ids = [
            str(found)
            for table in ("experiment", "arm", "question", "passage", "play", "participant", "account")
            for found in await db.scalars(text(f"SELECT id FROM {table}"))
        ]
        speech = await db.scalar(
            text("SELECT content->'said'->>'text' FROM move WHERE content->>'kind' = 'speech' LIMIT 1")
        )
    assert speech
    before = (await ada.browser.get("/privacy/data.json")).content
    secrets = (
        *ids,
        "rivals",
        speech,
        "for-people",
        "consultancy",
        "lexical",
        "gold",
        "of-the-question",
        "herring",
    )
    for secret in secrets:
        assert secret.lower() not in words_in(before).replace("gold-item", ""), secret
    async with site.database.session.begin() as db:
        await db.execute(text("UPDATE question SET gold = 1 - gold, distractor = 1 - distractor"))
        await db.execute(
            text("UPDATE verdict SET belief = ARRAY[belief[2], belief[1]] WHERE method <> 'stated'")
        )
    assert (await ada.browser.get("/privacy/data.json")).content == before
    assert PERSON_ID not in words_in((await rival.browser.get("/privacy/data.json")).content)


AFTERWARDS = {"trials", "texts_shown", "trail"}
"""Parts of a copy that tell checks from trials, as long as both are answered."""


async def test_what_tells_checks_from_trials_is_in_it_once_the_study_has_ended(
    world: World, ada: Enrolled
) -> None:
    before = (await ada.browser.get("/privacy/data.json")).json()
    assert not AFTERWARDS & set(before)
    assert {page["page"] for page in before["pages"]} == {
        "consent",
        "instructions",
        "comprehension",
        "practice",
        "questionnaire",
    }
    graded = {page["page"] for page in before["pages"] if "passed" in page}
    assert graded == {"comprehension", "practice"}, "where feedback is given on the page"
    assert not {"review_reason", "trials_promised"} & set(before["study"])
    assert any("this comes when the study has ended." in said for said in before["left_out"])
    await closed(world.site, ada, also_the_part=False)
    assert not AFTERWARDS & set((await ada.browser.get("/privacy/data.json")).json()), "they go on judging"
    await closed(world.site, ada)
    after = (await ada.browser.get("/privacy/data.json")).json()
    assert set(after) >= AFTERWARDS
    assert ("gold-item", True) in {(page["item"], page["passed"]) for page in after["pages"]}
    assert MARK in after["study"]["review_reason"]
    assert not any("has ended" in said for said in after["left_out"])


async def test_judging_a_trial_or_a_check_leaves_the_same_in_a_copy(world: World, ada: Enrolled) -> None:
    """A judge who compares copies before and after an answer learns whether it was to a check."""
    changing = {"last_seen_at"}

    async def copy() -> dict[str, Any]:
        found = (await ada.browser.get("/privacy/data.json")).json()
        found["study"] = {key: value for key, value in found["study"].items() if key not in changing}
        return dict(found)

    at = ada.person.at
    await answer(ada.person, "A trial is answered.")
    assert ada.person.at == at
    after_a_trial = await copy()
    async with world.site.database.session.begin() as db:
        part = await db.get_one(Enrolment, ada.enrolment.id)
        await enrolments.show(db, part, "trials", "another-item")
        await enrolments.answer(
            db,
            part,
            "trials",
            {"p": [1, 99]},
            item="another-item",
            effort={"active_seconds": 3},
            passed=False,
        )
    assert await copy() == after_a_trial


@pytest.mark.parametrize("looking", [True, False])
async def test_others_read_no_percentages_while_a_study_hides_outcomes(
    world: World, ada: Enrolled, looking: bool
) -> None:
    """Also those of a person whose own study has ended, where another runs on the same experiment."""
    site = world.site
    await closed(site, ada)
    other = (await study_on(world, "another-study")).study
    async with site.database.session.begin() as db:
        running = await db.get_one(Study, other.id)
        running.spec = {**running.spec, "looking": looking}
    header = await bearer(site, "alice", "read")
    path = f"/api/v1/studies/{ada.study.name}/people/{ada.enrolment.id}/data"
    theirs = (await (await site.browser()).get(path, headers=header)).json()
    own = (await ada.browser.get("/privacy/data.json")).json()
    assert any(trial["verdicts"] for trial in own["trials"]), "the person knows what they entered"
    hidden = [said for said in theirs["left_out"] if "does not allow looking" in said]
    assert bool(hidden) is not looking
    if looking:
        assert theirs == own
    else:
        assert "percent" not in str(theirs)
        assert "not_submitted" not in str(theirs["trials"])
        assert [one["question"] for one in theirs["trials"]] == [one["question"] for one in own["trials"]]
    async with site.database.session() as db:
        looks = await db.scalar(select(func.count()).select_from(Audit).where(Audit.action == "looked"))
    assert looks == int(looking)


@pytest.mark.parametrize("ended", [True, False])
async def test_researchers_get_the_same_and_it_is_noted(world: World, ada: Enrolled, ended: bool) -> None:
    site = world.site
    if ended:
        await closed(site, ada)
    own = (await ada.browser.get("/privacy/data.json")).json()
    header = await bearer(site, "alice", "read")
    path = f"/api/v1/studies/{ada.study.name}/people/{ada.enrolment.id}/data"
    theirs = (
        (await (await site.browser("alice")).get(f"{ada.place}.json")).json(),
        (await (await site.browser()).get(path, headers=header)).json(),
    )
    assert own == theirs[0]
    assert own == theirs[1]
    async with site.database.session() as db:
        noted = select(Audit.account_id).where(Audit.action == "read the data of")
        assert set(await db.scalars(noted)) == {site.cast["alice"].id}


async def test_the_api_deletes_with_a_token_that_may_write(world: World, ada: Enrolled) -> None:
    site = world.site
    path = f"/api/v1/studies/{ada.study.name}/people/{ada.enrolment.id}/delete"
    program = await site.browser()
    assert (await program.post(path, headers=await bearer(site, "alice", "read"))).status_code == 403
    assert (await program.post(path, headers=await bearer(site, "charlie", "write"))).status_code == 404
    assert (await program.post(path, headers=await bearer(site, "alice", "write"))).status_code == 204
    assert await places(site.database) == set()


# ── exports ─────────────────────────────────────────────────────────────────────────────────────────────────────


def unpacked(content: bytes) -> bytes:
    """What a file holds, and what the files of a zip hold."""
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as folder:
        return b"".join(unpacked(folder.read(name)) for name in folder.namelist())


@pytest.mark.parametrize("what", [*What, *Document])
async def test_no_export_has_a_recruiters_id_or_a_name(
    world: World, ada: Enrolled, what: What | Document
) -> None:
    site = world.site
    header = await bearer(site, "alice", "read")
    browser = await site.browser()
    for form in Format:
        path = f"/api/v1/experiments/{world.experiment.name}/export?what={what}&format={form}&include_passages=true"
        answer = await browser.get(path, headers=header)
        assert answer.status_code == 200
        content = unpacked(answer.content).lower()
        if what in (What.VERDICTS, Document.ARCHIVE) and form is Format.JSONL:
            assert f"so says {MARK}".encode() in content, "or the test looks for nothing"
        for known in (PERSON_ID, SUBMISSION):
            assert known.encode() not in content


async def test_the_api_gives_no_recruiters_id_unless_it_is_asked_for_it(world: World, ada: Enrolled) -> None:
    site = world.site
    header = await bearer(site, "bob", "read", "admin")
    things = {
        "experiment": world.experiment.name,
        "trial": await _trial(site),
        "person": ada.account.id,
        "set": "ferries",
        "study": ada.study.name,
        "enrolment": ada.enrolment.id,
    }
    browser = await site.browser()
    for name, route in ROUTES.items():
        asks_for_it = name in ("api_person_data", "api_study_person_data", "api_audit")
        if route.scope and not route.unsafe and not asks_for_it:
            said = (await ask(browser, route, things, header)).text.lower()
            assert PERSON_ID not in said, name
            assert SUBMISSION not in said, name
    named = await browser.get("/api/v1/people?ids=true", headers=header)
    assert PERSON_ID in named.text


async def _trial(site: Site) -> object:
    async with site.database.session() as db:
        return await db.scalar(text("SELECT id FROM play WHERE kind = 'talk' LIMIT 1"))
