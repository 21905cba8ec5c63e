"""A server that speaks Prolific's API over real HTTP, after its public reference; every fault can be switched on.

It keeps studies, submissions and bonuses in memory, and every call in `calls`. In a test: `async with FakeProlific() as prolific`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, Self

from aiohttp import web

TOKEN = "a-token-of-prolific"
PER_PAGE = 3
"""Submissions on a page of a list: few, so that tests meet several pages."""
REVIEWABLE = ("AWAITING REVIEW",)
ACTED = "drop after"
"""The fault by which a request is carried out and its reply lost."""


@dataclass
class Call:
    """A request that arrived."""

    method: str
    path: str
    body: Any
    token: str
    status: int | None = None
    """None where the connection was dropped."""


@dataclass
class FakeProlific:
    """The server. `faults` are the next replies, one entry each: `429`, `429 after 2`, `500`, `drop`, `drop after`, `fine`."""

    faults: deque[str] = field(default_factory=deque)
    only: str = ""
    """What the path of a request must hold for a fault to strike."""
    shows_bonuses: bool = True
    """Whether paid bonuses are on submissions yet: they are paid some minutes later."""
    reads_bonuses: Callable[[int], int] = int
    """The sum that it reads from one."""
    calls: list[Call] = field(default_factory=list)
    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    submissions: dict[str, dict[str, Any]] = field(default_factory=dict)
    bonuses: dict[str, dict[str, int]] = field(default_factory=dict)
    """Sets of bonuses: submission to hundredths."""
    paid: list[tuple[str, int]] = field(default_factory=list)
    """Every bonus that was paid, in order: submission and hundredths. Twice where it was asked for twice."""
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[tuple[str, str]] = field(default_factory=list)
    """To people: submission and text."""

    def __post_init__(self) -> None:
        self._numbers = count(1)

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/api/v1/studies/", self._create_study)
        app.router.add_get("/api/v1/studies/{id}/", self._study)
        app.router.add_post("/api/v1/studies/{id}/transition/", self._publish)
        app.router.add_get("/api/v1/studies/{id}/submissions/", self._submissions)
        app.router.add_post("/api/v1/submissions/bonus-payments/", self._set_up)
        app.router.add_get("/api/v1/submissions/{id}/", self._submission)
        app.router.add_post("/api/v1/submissions/{id}/transition/", self._transition)
        app.router.add_post("/api/v1/submissions/{id}/request-return/", self._request_return)
        app.router.add_post("/api/v1/bulk-bonus-payments/{id}/pay/", self._pay)
        app.router.add_get("/api/v1/workspaces/", self._workspaces)
        app.router.add_get("/api/v1/hooks/subscriptions/", self._subscriptions)
        app.router.add_post("/api/v1/hooks/subscriptions/", self._subscribe)
        app.router.add_post("/api/v1/hooks/subscriptions/{id}/", self._confirm)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def asked(self, method: str, part: str = "") -> list[Call]:
        """Return the calls of a method whose path holds `part`."""
        return [call for call in self.calls if call.method == method and part in call.path]

    # ── what is there ───────────────────────────────────────────────────────────────────────────────────────────

    def add_study(self, study: str = "study1", **more: Any) -> str:
        """Put a study there that was made on the website."""
        self.studies[study] = {"id": study, "status": "UNPUBLISHED", **more}
        return study

    def add(
        self,
        submission: str,
        participant: str,
        status: str = "AWAITING REVIEW",
        *,
        study: str = "study1",
        code: str = "",
    ) -> str:
        """Put a submission there."""
        self.submissions[submission] = {
            "id": submission,
            "participant_id": participant,
            "study": study,
            "status": status,
            "study_code": code,
            "bonus_payments": [],
        }
        return submission

    def say(self, submission: str, status: str) -> None:
        """Give a submission another status."""
        self.submissions[submission]["status"] = status

    def event(self, submission: str, *, secret: str, **changes: Any) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of the event that tells of a submission's status."""
        row = self.submissions[submission]
        body = {
            "event_type": "submission.status.change",
            "resource_id": submission,
            "participant_id": row["participant_id"],
            "status": row["status"],
        }
        return signed(body | changes, secret=secret, event_id=f"event{next(self._numbers)}")

    # ── answering ───────────────────────────────────────────────────────────────────────────────────────────────

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        body = await request.json() if request.body_exists else None
        token = request.headers.get("Authorization", "")
        call = Call(request.method, request.path, body, token)
        self.calls.append(call)
        fault = self.faults.popleft() if self.faults and self.only in request.path else "fine"
        if fault.startswith("429"):
            call.status = 429
            after = {"Retry-After": fault.rpartition(" ")[2]} if "after" in fault else {}
            return _error(429, "Too many requests", after)
        if fault == "500":
            call.status = 500
            return _error(500, f"Something broke for {token}")
        if fault == "drop":
            return _dropped(request)
        if token != f"Token {TOKEN}":
            call.status = 401
            return _error(401, "Authentication credentials were not provided.")
        response = await handler(request)
        if fault == ACTED:
            return _dropped(request)
        call.status = response.status
        return response

    def _new(self, what: str) -> str:
        return f"{what}{next(self._numbers)}"

    async def _create_study(self, request: web.Request) -> web.Response:
        body = await request.json()
        missing = [
            key for key in ("name", "description", "reward", "total_available_places") if key not in body
        ]
        if missing:
            return _error(400, {key: ["This field is required."] for key in missing})
        identity = self._new("study")
        self.studies[identity] = {**body, "id": identity, "status": "UNPUBLISHED"}
        return web.json_response(self.studies[identity], status=201)

    async def _study(self, request: web.Request) -> web.Response:
        found = self.studies.get(request.match_info["id"])
        return web.json_response(found) if found else _error(404, "Not found.")

    async def _publish(self, request: web.Request) -> web.Response:
        found, body = self.studies[request.match_info["id"]], await request.json()
        if body != {"action": "PUBLISH"} or found["status"] != "UNPUBLISHED":
            return _error(400, "This study cannot be published.")
        found["status"] = "ACTIVE"
        return web.json_response(found)

    async def _submissions(self, request: web.Request) -> web.Response:
        study = request.match_info["id"]
        rows = [self._shown(row) for row in self.submissions.values() if row["study"] == study]
        offset = int(request.query.get("offset", 0))
        more = offset + PER_PAGE < len(rows)
        # As a proxy would have it: another host, whose query alone is right.
        following = f"https://elsewhere.test{request.path}?offset={offset + PER_PAGE}" if more else None
        page = {"results": rows[offset : offset + PER_PAGE], "_links": {"next": {"href": following}}}
        return web.json_response(page | {"meta": {"count": len(rows)}})

    async def _submission(self, request: web.Request) -> web.Response:
        found = self.submissions.get(request.match_info["id"])
        return web.json_response(self._shown(found)) if found else _error(404, "Not found.")

    def _shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, "bonus_payments": row["bonus_payments"] if self.shows_bonuses else []}

    async def _transition(self, request: web.Request) -> web.Response:
        found, body = self.submissions.get(request.match_info["id"]), await request.json()
        if found is None:
            return _error(404, "Not found.")
        wanted = {"APPROVE": "APPROVED", "REJECT": "REJECTED"}[body["action"]]
        if found["status"] == wanted:
            return web.json_response(found)
        if found["status"] not in REVIEWABLE:
            return _error(400, f"The submission is {found['status']}.")
        if wanted == "REJECTED":
            if len(body.get("message", "")) < 100 or not body.get("rejection_category"):
                return _error(400, "A message of 100 characters and a category are needed.")
            self.messages.append((found["id"], body["message"]))
        found["status"] = wanted
        return web.json_response(found)

    async def _request_return(self, request: web.Request) -> web.Response:
        found, body = self.submissions[request.match_info["id"]], await request.json()
        self.messages.append((found["id"], body["request_return_reasons"][0]))
        return web.json_response({"id": found["id"], "status": found["status"]})

    async def _set_up(self, request: web.Request) -> web.Response:
        body = await request.json()
        found: dict[str, int] = {}
        for line in body["csv_bonuses"].splitlines():
            submission, _, amount = line.partition(",")
            if self.submissions.get(submission, {}).get("study") != body["study_id"]:
                return _error(400, f"{submission} did not take part in the study.")
            if submission in found:
                return _error(400, f"{submission} is named twice.")
            found[submission] = int(Decimal(amount) * 100)
        if len(found) > 200:
            return _error(400, "At most 200.")
        identity = self._new("bonus")
        self.bonuses[identity] = found
        sent = {"id": identity, "study": body["study_id"], "amount": self.reads_bonuses(sum(found.values()))}
        return web.json_response(sent, status=201)

    async def _pay(self, request: web.Request) -> web.Response:
        found = self.bonuses.get(request.match_info["id"])
        if found is None:
            return _error(404, "Not found.")
        for submission, minor in found.items():
            self.paid.append((submission, minor))
            self.submissions[submission]["bonus_payments"].append(minor)
        return web.Response(status=202)

    async def _workspaces(self, request: web.Request) -> web.Response:
        return web.json_response({"results": [{"id": "workspace1", "title": "Mine"}]})

    async def _subscriptions(self, request: web.Request) -> web.Response:
        return web.json_response({"results": list(self.subscriptions.values())})

    async def _subscribe(self, request: web.Request) -> web.Response:
        identity, body = self._new("hook"), await request.json()
        self.subscriptions[identity] = {"id": identity, "is_enabled": False, **body}
        return web.json_response(
            self.subscriptions[identity], status=201, headers={"X-Hook-Secret": "confirm"}
        )

    async def _confirm(self, request: web.Request) -> web.Response:
        if (await request.json()) != {"secret": "confirm"}:
            return _error(400, "This is not the secret.")
        self.subscriptions[request.match_info["id"]]["is_enabled"] = True
        return web.json_response(self.subscriptions[request.match_info["id"]])


def signed(
    body: Mapping[str, Any], *, secret: str, event_id: str = "event", at: float | None = None
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of an event as Prolific signs it: HMAC-SHA256 over time and body, in Base64."""
    data = json.dumps(body).encode()
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), stamp.encode() + data, hashlib.sha256).digest()
    return data, {
        "Content-Type": "application/json",
        "X-Prolific-Request-Timestamp": stamp,
        "X-Prolific-Request-Signature": base64.b64encode(digest).decode(),
        "X-Event-ID": event_id,
        "X-Timestamp": stamp,
    }


def _error(status: int, detail: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"error": {"status": status, "error_code": status, "title": "Error", "detail": detail}}
    return web.json_response(body, status=status, headers=headers)


def _dropped(request: web.Request) -> web.StreamResponse:
    """Close the connection without a reply."""
    assert request.transport is not None
    request.transport.close()
    raise asyncio.CancelledError
