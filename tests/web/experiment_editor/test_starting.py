"""Starting and judging again by the same rules, in the browser and over the API."""

from datetime import timedelta
from typing import Any

import pytest

from app.records.tokens import new_token
from app.services import experiments
from tests.factories import imported, passage, spec
from tests.web.experiment_editor.test_routes import filled, press, problem
from tests.web.world import Browser, Site, World


async def caller(site: Site, who: str) -> Browser:
    """Somebody who calls the API."""
    browser = await site.browser()
    async with site.database.session.begin() as session:
        token = await new_token(session, site.cast[who].id, "test", ["read", "write"], timedelta(days=1))
    browser.headers["Authorization"] = f"Bearer {token}"
    return browser


async def test_an_experiment_started_over_the_api_is_its_callers_own_and_starts_once(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    alice, charlie = await caller(site, "alice"), await caller(site, "charlie")
    answers = [await alice.post("/api/v1/experiments", json=spec()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert (await charlie.post("/api/v1/experiments", json=spec())).status_code == 409
    assert (await charlie.get("/api/v1/experiments/small")).status_code == 404


TAKEN = "The name small is taken: choose another."


@pytest.mark.parametrize("owner", ["alice", "bob"])
@pytest.mark.parametrize("changes", [{}, {"seed": 8}, {"judges": ["dice"]}])
async def test_a_taken_name_is_told_in_the_same_words_by_page_and_api_whoever_has_it(
    site: Site, owner: str, changes: dict[str, Any]
) -> None:
    await imported(site.database, passage("Alba"))
    assert (await (await caller(site, owner)).post("/api/v1/experiments", json=spec())).status_code == 201
    over_api = await (await caller(site, "charlie")).post("/api/v1/experiments", json=spec(**changes))
    assert (over_api.status_code, over_api.json()) == (409, {"error": TAKEN})
    charlie = await site.browser("charlie")
    page = await press(charlie, await filled(charlie, spec(**changes)), "start")
    assert (page.status_code, problem(page)) == (409, TAKEN)


async def test_a_name_taken_while_endpoints_are_tried_tells_no_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await imported(site.database, passage("Alba"))
    alice, charlie = await caller(site, "alice"), await caller(site, "charlie")
    reach = experiments.reach

    async def slowly(*given: Any) -> None:
        await reach(*given)
        monkeypatch.setattr(experiments, "reach", reach)
        assert (await alice.post("/api/v1/experiments", json=spec())).status_code == 201

    monkeypatch.setattr(experiments, "reach", slowly)
    answer = await charlie.post("/api/v1/experiments", json=spec(seed=8))
    assert (answer.status_code, answer.json()) == (409, {"error": TAKEN})


async def test_a_name_that_is_the_address_of_a_page_is_refused(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    answer = await (await caller(site, "alice")).post("/api/v1/experiments", json=spec(name="new"))
    assert answer.status_code == 422
    assert "address of a page" in answer.json()["error"]


async def test_files_of_this_machine_are_read_for_nobody(site: Site) -> None:
    await imported(site.database, passage("Alba"))
    data: dict[str, Any] = spec()
    data["arms"]["debate"]["prompts"] = {"debater": "debater.jinja"}
    answer = await (await caller(site, "alice")).post("/api/v1/experiments", json=data)
    assert answer.status_code == 422
    assert "give the text of the template itself" in answer.json()["error"]


async def test_a_round_is_added_over_the_api_and_only_by_who_may_see_the_experiment(world: World) -> None:
    panel = {
        "name": "second",
        "participants": {"dice": {"kind": "builtin", "name": "random"}},
        "judges": ["dice", {"humans": 1}],
    }
    where = "/api/v1/experiments/for-people/rounds"
    assert (await (await caller(world.site, "charlie")).post(where, json=panel)).status_code == 404
    added = await (await caller(world.site, "alice")).post(where, json=panel)
    assert (added.status_code, added.json()) == (201, {"name": "second", "queued": 8})
