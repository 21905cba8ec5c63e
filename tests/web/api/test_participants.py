"""The API's participants and endpoints: list, add, try."""

import uuid
from typing import Any

import pytest
from sqlalchemy import func, select

from app.participants.base import ModelSettings
from models import Endpoint, Participant
from tests.factories import finished, passage
from tests.servers import Script, ScriptedServer
from tests.web.api.conftest import Programs
from tests.web.world import Site

NEW = {"name": "strong", "settings": {"endpoint": "big", "model": "scripted"}}


async def on_record(site: Site, url: str = "http://127.0.0.1:9/v1", name: str = "big") -> None:
    async with site.database.session.begin() as db:
        db.add(Endpoint(name=name, base_url=url))


async def test_a_model_is_added_listed_and_tried(site: Site, program: Programs) -> None:
    alice = await program("alice")
    async with ScriptedServer(Script(odds=(0.8, 0.2))) as server:
        await on_record(site, server.base_url)
        made = await alice.post("/participants", json=NEW)
        tried = (await alice.post(f"/participants/{made.json()['id']}/try")).json()
    assert made.status_code == 201
    assert made.json()["settings"] == ModelSettings(endpoint="big", model="scripted").model_dump(mode="json")
    assert (await alice.get("/participants")).json()["items"] == [made.json()]
    assert tried["belief"] == pytest.approx([0.8, 0.2])
    assert (tried["method"], tried["belief_error"], tried["speech_error"]) == ("logprobs", None, None)
    assert tried["speech"]
    again = await alice.post("/participants", json=NEW)
    assert again.json() == made.json()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": "m"}, "name a registered endpoint"),
        ({"model": "m", "base_url": "http://127.0.0.1:9/v1"}, "name a registered endpoint"),
        ({"model": "m", "endpoint": "big", "base_url": "http://127.0.0.1:9/v1"}, "no base_url"),
        ({"model": "m", "endpoint": "small"}, "there is no such endpoint"),
        ({"endpoint": "big"}, "model: field required"),
        ({"model": "m", "endpoint": "big", "temprature": 1}, "temprature"),
        ({"model": "m", "endpoint": "big", "temperature": 3}, "temperature"),
        ({"model": "m\0", "endpoint": "big"}, "control characters"),
    ],
)
async def test_what_cannot_be_a_model_is_refused(
    site: Site, program: Programs, settings: dict[str, Any], says: str
) -> None:
    await on_record(site)
    answer = await (await program("alice")).post("/participants", json={"name": "x", "settings": settings})
    assert (answer.status_code, says in answer.json()["error"]) == (422, True), answer.text
    async with site.database.session() as db:
        models = select(func.count()).where(Participant.kind == "model")
        assert await db.scalar(models) == 0


async def test_names_that_are_taken_or_mean_several_are_refused(site: Site, program: Programs) -> None:
    alice = await program("alice")
    await on_record(site)
    await alice.post("/participants", json=NEW)
    other = NEW | {"settings": {"endpoint": "big", "model": "other"}}
    taken = await alice.post("/participants", json=other)
    assert (taken.status_code, "choose another name" in taken.json()["error"]) == (409, True)
    reserved = await alice.post("/participants", json=NEW | {"name": "people"})
    assert (reserved.status_code, "is the name for all people together" in reserved.json()["error"]) == (
        422,
        True,
    )
    await on_record(site, "http://127.0.0.1:10/v1")
    several = await alice.post("/participants", json=NEW | {"name": "y"})
    assert (several.status_code, "several endpoints" in several.json()["error"]) == (409, True)


async def test_people_are_no_participants_of_the_list(site: Site, program: Programs) -> None:
    await finished(site.database, passage("Alba", 1))
    alice = await program("alice")
    items = (await alice.get("/participants")).json()["items"]
    assert {item["kind"] for item in items} == {"builtin"}
    person = site.cast["judge"].participant_id
    for identity in (person, uuid.uuid4()):
        assert (await alice.post(f"/participants/{identity}/try")).status_code == 404


async def test_an_admin_adds_lists_and_tries_endpoints(
    site: Site, program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("ARENA_KEY_BIG", key)
    bob = await program("bob", "admin")
    async with ScriptedServer(Script(key=key)) as server:
        new = {"name": "big", "base_url": server.base_url, "api_key_env": "ARENA_KEY_BIG"}
        made = await bob.post("/endpoints", json=new)
        tried = await bob.post(f"/endpoints/{made.json()['id']}/try")
    assert made.status_code == 201
    assert made.json() == {"id": made.json()["id"], **new, "headers": {}, "query": {}, "fold_system": False}
    assert (await bob.get("/endpoints")).json()["items"] == [made.json()]
    assert tried.json()["models"] == ["scripted"]
    assert (tried.json()["logprobs"], tried.json()["error"]) == (True, None)
    assert key not in made.text + tried.text
    assert (await bob.post(f"/endpoints/{uuid.uuid4()}/try")).status_code == 404
    assert (await bob.post("/endpoints", json=new)).status_code == 409


async def test_an_endpoint_with_headers_and_a_query_is_returned_as_it_was_given(
    site: Site, program: Programs
) -> None:
    bob = await program("bob", "admin")
    more = {
        "headers": {"api-key": "ARENA_KEY_AZURE"},
        "query": {"api-version": "2024-10-21"},
        "fold_system": True,
    }
    made = await bob.post("/endpoints", json={"name": "azure", "base_url": "http://127.0.0.1/v1", **more})
    assert made.status_code == 201
    assert {name: made.json()[name] for name in more} == more


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://10.0.0.7/v1"},
        {"base_url": "http://u:p@127.0.0.1/v1"},
        {"base_url": "nonsense"},
        {"api_key_env": "DATABASE_URL"},
        {"headers": {"api-key": "DATABASE_URL"}},
        {"headers": {"host": "ARENA_KEY_BIG"}},
        {"query": {"code": "$DATABASE_URL"}},
        {"query": {"token": "hunter2"}},
        {"name": "a b"},
        {"api_key": "sk-1"},
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused(
    site: Site, program: Programs, change: dict[str, Any]
) -> None:
    bob = await program("bob", "admin")
    answer = await bob.post("/endpoints", json={"name": "big", "base_url": "http://127.0.0.1/v1", **change})
    assert answer.status_code == 422
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Endpoint)) == 0
