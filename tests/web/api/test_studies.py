"""The API's studies: made, checked, changed, opened and closed by programs, with the pages' rules."""

from typing import Any

from sqlalchemy import select

from app.web.fields import written
from models import StudyText
from tests.studies import study_file
from tests.web.api.conftest import Programs
from tests.web.world import World


def mine(**changes: Any) -> dict[str, Any]:
    """A study on the world's experiment."""
    return study_file(experiments=["for-people"], trials=1, **changes)


async def test_a_study_is_made_opened_paused_and_closed(world: World, program: Programs) -> None:
    alice = await program("alice")
    made = await alice.post("/studies", json=mine())
    assert made.status_code == 201, made.text
    found = made.json()
    assert (found["state"], found["people"], found["taken"], found["codes"]) == ("draft", 2, 0, {})
    assert found["spec"]["pages"]["consent"]["text"] == "Do you **agree**?"
    assert found["link"].startswith("http://arena.test/join/")
    assert found["link"].endswith("SESSION_ID={{%SESSION_ID%}}")
    for action, state in (("open", "open"), ("pause", "paused"), ("close", "closed")):
        assert (await alice.post(f"/studies/pilot/{action}")).json()["state"] == state
    assert set((await alice.get("/studies/pilot")).json()["codes"]) == {
        "completed",
        "screened_out",
        "failed_checks",
    }
    listed = (await alice.get("/studies")).json()
    assert [row["name"] for row in listed["items"]] == ["pilot"]
    refused = await alice.post("/studies/pilot/pause")
    assert (refused.status_code, refused.json()["error"]) == (
        409,
        "The study pilot is closed: open it again first.",
    )


async def test_a_file_is_checked_without_being_stored(world: World, program: Programs) -> None:
    alice = await program("alice", "read")
    checked = await alice.post("/studies/check", content=written(mine(people=50)))
    assert checked.status_code == 200
    [problem] = checked.json()["problems"]
    assert "50 people with 1 trial each are 50 trials" in problem
    assert (await alice.get("/studies")).json()["items"] == []
    wrong = await alice.post("/studies/check", json=mine(peple=3))
    assert (wrong.status_code, wrong.json()["error"]) == (
        422,
        "the study's file: unknown key 'peple'; the nearest is 'people'.",
    )


async def test_a_draft_is_replaced_and_deleted_and_texts_are_written(world: World, program: Programs) -> None:
    alice = await program("alice")
    await alice.post("/studies", json=mine())
    changed = await alice.put("/studies/pilot", json=mine(people=1))
    assert changed.json()["people"] == 1
    text = {"markdown": "Do you?"}
    assert (await alice.post("/studies/pilot/texts/consent", json=text)).json()["version"] == 2
    assert (await alice.post("/studies/pilot/texts/consent", json=text)).json()["version"] == 2
    assert (await alice.post("/studies/pilot/texts/trials", json=text)).status_code == 404
    async with world.site.database.session() as db:
        found = await db.scalars(select(StudyText.version).where(StudyText.page == "consent"))
    assert sorted(found) == [1, 2]
    assert (await alice.delete("/studies/pilot")).status_code == 204
    assert (await alice.get("/studies/pilot")).status_code == 404


async def test_a_key_of_the_arenas_own_cannot_be_named(world: World, program: Programs) -> None:
    alice = await program("alice")
    refused = await alice.post("/studies", json=mine(recruiter={"kind": "prolific", "token": "DATABASE_URL"}))
    assert refused.status_code == 422
    assert "recruiter.token: name a variable that begins with ARENA_KEY_" in refused.json()["error"]
