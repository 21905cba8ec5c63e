"""The audit trail: admins read it, the database lets nobody change it."""

import uuid

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from app.records.paging import PER_PAGE
from app.records.people import note
from models import Audit
from tests.web.world import Site, statements


async def noted(site: Site, *actions: str, who: str | None = "alice") -> None:
    """Put actions of somebody (None: the command line) on the trail, oldest first."""
    async with site.database.session.begin() as db:
        account = site.cast[who].id if who else None
        for action in actions:
            await note(db, account, action, "experiment", "<b>e</b>", {"name": "<i>small</i>", "n": 3})


async def test_an_admin_reads_who_did_what_newest_first(site: Site) -> None:
    await noted(site, "started", "paused")
    await noted(site, "imported", who=None)
    page = (await (await site.browser("bob")).get("/audit")).text
    body = page.split("<tbody>")[1]
    assert body.index("imported") < body.index("paused") < body.index("started")
    assert "Alice" in body
    assert "the command line" in body
    assert "&lt;b&gt;e&lt;/b&gt;" in body
    assert "name: &lt;i&gt;small&lt;/i&gt;" in body


@pytest.mark.parametrize("who", ["alice", "judge", "debater"])
async def test_nobody_else_reads_it(site: Site, who: str) -> None:
    assert (await (await site.browser(who)).get("/audit")).status_code == 403


async def test_it_can_be_narrowed_to_an_action_and_to_somebody(site: Site) -> None:
    await noted(site, "started", "paused")
    await noted(site, "started", who="charlie")
    bob = await site.browser("bob")
    started = (await bob.get("/audit", params={"action": "started"})).text.split("<tbody>")[1]
    assert started.count("<tr>") == 2
    alices = (await bob.get("/audit", params={"account": str(site.cast["alice"].id)})).text.split("<tbody>")[
        1
    ]
    assert alices.count("<tr>") == 2
    both = {"action": "started", "account": str(site.cast["alice"].id)}
    assert (await bob.get("/audit", params=both)).text.split("<tbody>")[1].count("<tr>") == 1
    assert "Nothing of that kind" in (await bob.get("/audit", params={"action": "flown"})).text
    assert (await bob.get("/audit", params={"account": "Alice"})).status_code == 422


async def test_what_was_done_to_somebody_is_found_with_what_they_did(site: Site) -> None:
    async with site.database.session.begin() as db:
        await note(db, site.cast["bob"].id, "disabled", "account", site.cast["alice"].id)
    bob = await site.browser("bob")
    page = (await bob.get("/audit", params={"account": str(site.cast["alice"].id)})).text
    assert "disabled" in page.split("<tbody>")[1]


async def test_it_comes_in_pages_that_keep_the_filter_and_more_rows_mean_no_more_queries(site: Site) -> None:
    await noted(site, "started")
    bob = await site.browser("bob")
    with statements(site.database) as few:
        await bob.get("/audit")
    await noted(site, *["imported & read"] * (PER_PAGE + 1))
    with statements(site.database) as many:
        await bob.get("/audit")
    assert len(many) == len(few)
    first = (await bob.get("/audit", params={"action": "imported & read"})).text
    assert first.count("<tr>") - 1 == PER_PAGE
    assert "/audit?action=imported%20%26%20read&amp;account=&amp;page=2" in first
    second = await bob.get("/audit?action=imported%20%26%20read&account=&page=2")
    assert second.text.count("<tr>") - 1 == 1


async def test_the_database_lets_nobody_change_or_remove_a_row(site: Site) -> None:
    await noted(site, "started")
    for statement in (
        update(Audit).values(account_id=uuid.uuid4()),
        delete(Audit),
        text("TRUNCATE audit"),
    ):
        with pytest.raises(DBAPIError, match="can only be added to"):
            async with site.database.session.begin() as db:
                await db.execute(statement)
    assert "started" in (await (await site.browser("bob")).get("/audit")).text
