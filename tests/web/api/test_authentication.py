"""How the API answers callers: what a token rests on, limits, errors, headers.

Which token may call which route is in tests/web/security/test_permissions.py.
"""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from app.records.people import within_limit
from app.web.api.authentication import PER_MINUTE, STRANGERS
from models import Account, ApiToken, Audit
from tests.web.api.conftest import Programs
from tests.web.world import Site


async def test_a_refusal_says_where_tokens_come_from_or_what_this_one_lacks(
    site: Site, program: Programs
) -> None:
    stranger = await (await site.browser("bob")).get("/api/v1/experiments")
    assert (stranger.status_code, stranger.headers["WWW-Authenticate"]) == (401, "Bearer"), (
        "a cookie is no token"
    )
    assert "/account/tokens" in stranger.json()["error"]
    lacking = await (await program("bob", "read", "admin")).post("/experiments/small/pause")
    sentence = "This token lacks the scope write: make one with it at /account/tokens."
    assert (lacking.status_code, lacking.json()["error"]) == (403, sentence)


@pytest.mark.parametrize("change", ["revoked", "expired", "closed", "demoted"])
async def test_a_token_ends_with_what_it_rests_on(site: Site, program: Programs, change: str) -> None:
    alice = await program("alice")
    assert (await alice.get("/experiments")).status_code == 200
    ends: dict[str, Any] = {
        "revoked": update(ApiToken).values(revoked_at=func.now()),
        "expired": update(ApiToken).values(expires_at=func.now()),
        "closed": update(Account).values(disabled_at=func.now()),
        "demoted": update(Account).values(role="judge"),
    }
    async with site.database.session.begin() as db:
        await db.execute(ends[change])
    assert (await alice.get("/experiments")).status_code == (403 if change == "demoted" else 401)


async def test_a_token_in_the_address_is_not_taken(site: Site, program: Programs) -> None:
    token = (await program("alice")).headers["Authorization"].removeprefix("Bearer ")
    browser = await site.browser()
    for name in ("token", "access_token", "Authorization"):
        assert (await browser.get("/api/v1/experiments", params={name: token})).status_code == 401


@pytest.mark.usefixtures("stopped_clock")
async def test_guessing_at_tokens_is_slowed_down(site: Site) -> None:
    browser = await site.browser()
    headers = [{"Authorization": f"Bearer arena_{n}"} for n in range(STRANGERS + 1)]
    answers = [(await browser.get("/api/v1/experiments", headers=one)).status_code for one in headers]
    assert (answers[0], answers[-1]) == (401, 429)


@pytest.mark.usefixtures("stopped_clock")
async def test_one_tokens_requests_are_bounded_and_anothers_go_on(site: Site, program: Programs) -> None:
    alice, charlie = await program("alice"), await program("charlie")
    async with site.database.session.begin() as db:
        token = (
            await db.scalars(select(ApiToken.id).where(ApiToken.account_id == site.cast["alice"].id))
        ).one()
    answers = [(await alice.get("/tasks")).status_code for _ in range(3)]
    await _spend(site, token, PER_MINUTE)
    assert answers == [200] * 3
    refused = await alice.get("/tasks")
    assert (refused.status_code, "wait a moment" in refused.json()["error"]) == (429, True)
    assert (await charlie.get("/tasks")).status_code == 200


async def _spend(site: Site, token: uuid.UUID, count: int) -> None:
    async with site.database.session.begin() as db:
        for _ in range(count):
            await within_limit(db, f"api/{token}", count, seconds=60)


async def test_errors_are_json_with_one_sentence(site: Site, program: Programs) -> None:
    alice = await program("alice")
    answers: list[tuple[httpx.Response, int]] = [
        (await alice.get("/nothing"), 404),
        (await alice.put("/experiments"), 405),
        (await alice.get("/experiments", params={"page": 0}), 422),
        (await alice.get("/experiments", params={"page": "two"}), 422),
        (await alice.post("/experiments/small/pause"), 404),
        (await alice.post(f"/participants/{'x' * 9}/try"), 422),
        (await alice.post("/invites", json={"role": "admin"}), 422),
        (await alice.post("/invites", json={"kind": "x"}), 422),
        (await alice.post("/invites", content=b"{"), 422),
    ]
    for answer, status in answers:
        assert answer.status_code == status, answer.request.url
        assert list(answer.json()) == ["error"]
        assert answer.json()["error"].endswith(".")
        assert answer.headers["content-type"] == "application/json"


async def test_strict_headers_are_on_its_answers_too(site: Site, program: Programs) -> None:
    answer = await (await program("alice")).get("/experiments")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


async def test_what_a_program_does_is_on_the_trail_as_its_owners(site: Site, program: Programs) -> None:
    alice = await program("alice")
    await alice.post("/invites", json={"label": "pilot"})
    async with site.database.session() as db:
        entry = (await db.scalars(select(Audit).where(Audit.action == "invited"))).one()
    assert entry.account_id == site.cast["alice"].id
