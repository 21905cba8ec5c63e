"""The API's people: who they are, invites, links, and the trail."""

import uuid

import pytest
from sqlalchemy import func, select

from app.records.people import note
from models import Account, Invite
from tests.web.api.conftest import Program, Programs
from tests.web.world import ORIGIN, Site


async def came(site: Site, program: Program, name: str) -> str:
    """Invite somebody who comes; the id of their account."""
    link = (await program.post("/invites", json={"label": "pilot"})).json()["link"]
    joined = await (await site.browser()).post(link.removeprefix(ORIGIN), data={"name": name})
    assert joined.status_code == 200
    async with site.database.session() as db:
        return str((await db.scalars(select(Account.id).where(Account.name == name))).one())


async def test_an_invite_is_made_told_once_listed_and_withdrawn(site: Site, program: Programs) -> None:
    alice = await program("alice")
    made = await alice.post(
        "/invites", json={"role": "debater", "shared": True, "label": " pilot ", "days": 7}
    )
    assert made.status_code == 201
    invite, link = made.json()["invite"], made.json()["link"]
    assert (invite["role"], invite["shared"], invite["label"]) == ("debater", True, "pilot")
    listed = await alice.get("/invites")
    assert listed.json()["items"] == [invite]
    assert link not in listed.text
    path = link.removeprefix(ORIGIN)
    assert (await (await site.browser()).get(path)).status_code == 200
    assert (await (await program("charlie")).get("/invites")).json()["items"] == []
    assert (await (await program("charlie")).delete(f"/invites/{invite['id']}")).status_code == 404
    assert (await alice.delete(f"/invites/{invite['id']}")).status_code == 204
    assert (await alice.delete(f"/invites/{invite['id']}")).status_code == 404
    assert (await (await site.browser()).get(path)).status_code == 410


@pytest.mark.parametrize("role", ["admin", "researcher"])
async def test_no_token_invites_admins_or_researchers(site: Site, program: Programs, role: str) -> None:
    """Otherwise a token for writing could make an account that may do more than the token."""
    bob = await program("bob", "read", "write", "admin")
    assert (await bob.post("/invites", json={"role": role})).status_code == 422
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Invite)) == 0


@pytest.mark.parametrize("who", ["alice", "charlie"])
@pytest.mark.parametrize("action", ["link", "close", "open"])
async def test_no_token_changes_accounts_of_admins_and_researchers(
    site: Site, program: Programs, who: str, action: str
) -> None:
    bob = await program("bob", "read", "write", "admin")
    answer = await bob.post(f"/people/{site.cast[who].id}/{action}")
    assert (answer.status_code, "in the browser" in answer.json()["error"]) == (403, True)
    assert (await bob.post(f"/people/{site.cast['bob'].id}/{action}")).status_code == 409


async def test_a_judge_is_given_a_new_link_closed_and_opened(site: Site, program: Programs) -> None:
    alice = await program("alice")
    judy = await came(site, alice, "Judy")
    link = (await alice.post(f"/people/{judy}/link")).json()["link"]
    back = await site.browser()
    assert (await back.get(link.removeprefix(ORIGIN))).status_code == 303
    assert (await alice.post(f"/people/{judy}/close")).status_code == 204
    assert (await back.get("/")).headers["location"] == "/sign-in"
    assert (await alice.get("/people")).json()["items"][0]["closed"] is True
    assert (await alice.post(f"/people/{judy}/link")).status_code == 409
    assert (await alice.post(f"/people/{judy}/open")).status_code == 204
    assert (await alice.get("/people")).json()["items"][0]["closed"] is False


async def test_whom_one_does_not_look_after_is_not_there(site: Site, program: Programs) -> None:
    judy = await came(site, await program("charlie"), "Judy")
    alice = await program("alice")
    assert (await alice.get("/people")).json()["items"] == []
    for identity in (judy, site.cast["judge"].id, uuid.uuid4()):
        for action in ("link", "close", "open"):
            assert (await alice.post(f"/people/{identity}/{action}")).status_code == 404
    everybody = (await (await program("bob")).get("/people")).json()["items"]
    assert {"Judy", "Alice", "Bob"} <= {item["name"] for item in everybody}


async def test_an_admin_reads_the_trail_narrowed_as_wished(site: Site, program: Programs) -> None:
    alice = site.cast["alice"].id
    async with site.database.session.begin() as db:
        await note(db, alice, "started", "experiment", "e", {"name": "small"})
        await note(db, None, "imported", "task set", "t")
    bob = await program("bob", "admin")
    entries = (await bob.get("/audit", params={"account": str(alice)})).json()["items"]
    assert ("started", "e", {"name": "small"}) in [
        (entry["action"], entry["object_id"], entry["detail"]) for entry in entries
    ]
    [imported] = (await bob.get("/audit", params={"action": "imported"})).json()["items"]
    assert imported["account"] is None
    assert (await bob.get("/audit", params={"account": "alice"})).status_code == 422
