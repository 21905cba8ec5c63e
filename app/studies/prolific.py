"""A client of Prolific's API, written from its public reference (docs.prolific.com/api-reference, its version of 2026).

It knows no table. What may be asked twice without harm is asked again after a failure. What moves money is sent once: where its
outcome is not known, `Unclear` is raised, and the caller looks at what Prolific says before anything else happens.
"""

import asyncio
import base64
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from app.errors import UserError
from app.money import figure

HOST = "https://api.prolific.com"
QUERY = "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
"""What Prolific fills in when it sends people to a study."""
CATEGORIES: Mapping[str, str] = {
    "TOO_QUICKLY": "finished too quickly",
    "TOO_SLOWLY": "finished too slowly",
    "FAILED_INSTRUCTIONS": "did not follow the instructions",
    "INCOMP_LONGITUDINAL": "did not complete all parts",
    "FAILED_CHECK": "failed attention checks",
    "LOW_EFFORT": "low effort",
    "MALINGERING": "pretended",
    "NO_CODE": "no completion code",
    "BAD_CODE": "wrong completion code",
    "NO_DATA": "no data",
    "UNSUPP_DEVICE": "device that is not supported",
    "OTHER": "other",
}
"""Why a submission is rejected: Prolific's categories, in words."""
LEAST_MESSAGE = 100
"""Characters that Prolific demands of the message to those who are rejected."""
MOST_BONUSES = 200
"""People whom one set of bonuses may pay."""
MOST_PAGES = 2000
"""Pages of a list that are read."""
MOST_BYTES = 16 * 2**20
"""Bytes of a reply that are read."""
WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between one attempt and the next."""
LONGEST_WAIT = 60.0
"""Seconds that are waited where Prolific says when to come back."""
SECONDS = aiohttp.ClientTimeout(total=60, sock_connect=10)
TOLERANCE = 600
"""Seconds by which the time of a signed event may differ from ours."""
_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,100}")
_UNREACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_DROPPED = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


class ProlificError(UserError):
    """Prolific did not do what it was asked; the text is for the researcher and holds no token."""


class Declined(ProlificError):
    """Prolific refused a request, so nothing was done."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"Prolific refused this ({status}): {said}")
        self.status = status


class NotSent(ProlificError):
    """Prolific could not be reached, so nothing was done."""


class Unclear(ProlificError):
    """A request was sent, and it is not known whether it was carried out."""


@dataclass(frozen=True, slots=True)
class Received:
    """A submission, as Prolific tells it."""

    id: str
    participant: str
    status: str
    code: str
    """The completion code that was entered."""
    bonuses: tuple[int, ...] = ()
    """Bonuses paid so far, in hundredths."""


@dataclass(frozen=True, slots=True)
class Bonuses:
    """A set of bonuses that was set up and not paid."""

    id: str
    minor: int | None
    """Sum without fees, in hundredths, as Prolific read it; None where it did not say."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription to events."""

    id: str
    event_type: str
    target_url: str
    enabled: bool = True


@dataclass
class Prolific:
    """The API of one researcher. Close it, or use it as a context manager."""

    token: str = field(repr=False)
    host: str = HOST
    check: Callable[[str], Awaitable[object]] | None = None
    """Raises where the host may not be spoken to; asked before every request."""
    resolver: AbstractResolver | None = None
    waits: Sequence[float] = WAITS

    def __post_init__(self) -> None:
        self._opened: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()

    # ── studies ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def create_study(self, study: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make an unpublished study. Raise Unclear where it may have been made."""
        return await self._ask("POST", "/studies/", study, again="limits")

    async def study(self, study: str) -> Mapping[str, Any]:
        """Return a study."""
        return await self._ask("GET", f"/studies/{_id(study)}/")

    async def publish(self, study: str) -> None:
        """Publish a study: people see it and are paid for it."""
        await self._ask("POST", f"/studies/{_id(study)}/transition/", {"action": "PUBLISH"}, again="limits")

    # ── submissions ─────────────────────────────────────────────────────────────────────────────────────────────

    async def submissions(self, study: str) -> list[Received]:
        """Return all submissions of a study."""
        return [_received(row) async for row in self._listed(f"/studies/{_id(study)}/submissions/")]

    async def submission(self, submission: str) -> Received:
        """Return a submission."""
        return _received(await self._ask("GET", f"/submissions/{_id(submission)}/"))

    async def approve(self, submission: str) -> None:
        """Approve a submission, so that the reward is paid. Prolific ignores it the second time."""
        await self._ask("POST", f"/submissions/{_id(submission)}/transition/", {"action": "APPROVE"})

    async def reject(self, submission: str, category: str, message: str) -> None:
        """Reject a submission. Prolific sends the message to the person, and ignores a second rejection."""
        body = {"action": "REJECT", "message": message, "rejection_category": category}
        await self._ask("POST", f"/submissions/{_id(submission)}/transition/", body)

    async def request_return(self, submission: str, reason: str) -> None:
        """Ask a person to return their submission."""
        body = {"request_return_reasons": [reason]}
        await self._ask("POST", f"/submissions/{_id(submission)}/request-return/", body)

    # ── bonuses ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def set_up_bonuses(self, study: str, minor: Mapping[str, int]) -> Bonuses:
        """Tell Prolific what to pay, by submission and in hundredths. Nothing is paid, so it may be done again."""
        lines = "\n".join(f"{_id(submission)},{figure(sum_)}" for submission, sum_ in minor.items())
        body = {"study_id": _id(study), "csv_bonuses": lines}
        found = await self._ask("POST", "/submissions/bonus-payments/", body)
        amount = found.get("amount")
        return Bonuses(_id(str(found["id"])), int(amount) if isinstance(amount, int | float) else None)

    async def pay_bonuses(self, bonuses: str) -> None:
        """Pay what was set up. Asking twice pays twice, so it is sent once. Raise Unclear where it may have been done."""
        await self._ask("POST", f"/bulk-bonus-payments/{_id(bonuses)}/pay/", {}, again="limits")

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def workspaces(self) -> list[str]:
        """Return the ids of the researcher's workspaces."""
        return [str(row["id"]) async for row in self._listed("/workspaces/")]

    async def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions that there are."""
        return [_subscription(row) async for row in self._listed("/hooks/subscriptions/")]

    async def subscribe(self, workspace: str, event_type: str, target_url: str) -> Subscription:
        """Ask for events to be sent to an address, and confirm it with the secret that comes back."""
        body = {"workspace_id": _id(workspace), "event_type": event_type, "target_url": target_url}
        found, headers = await self._ask_with_headers("POST", "/hooks/subscriptions/", body, again="limits")
        made = _subscription(found)
        if secret := headers.get("X-Hook-Secret", ""):
            await self._ask("POST", f"/hooks/subscriptions/{_id(made.id)}/", {"secret": secret})
        return made

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _listed(self, path: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the rows of every page of a list. Prolific links to the next one, of which only the query is used."""
        query: dict[str, str] = {}
        seen: set[tuple[tuple[str, str], ...]] = set()
        for _ in range(MOST_PAGES):
            found = await self._ask("GET", path, query=query)
            rows = found.get("results")
            if not isinstance(rows, list):
                raise ProlificError("Prolific sent a list that cannot be read: try again later.")
            for row in rows:
                yield row
            link = ((found.get("_links") or {}).get("next") or {}).get("href")
            query = dict(parse_qsl(urlsplit(str(link)).query)) if link else {}
            key = tuple(sorted(query.items()))
            if not query or key in seen:
                return
            seen.add(key)

    async def _ask(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        again: Literal["always", "limits"] = "always",
    ) -> Mapping[str, Any]:
        return (await self._ask_with_headers(method, path, body, query=query, again=again))[0]

    async def _ask_with_headers(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        again: Literal["always", "limits"] = "always",
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Return the JSON and the headers of a reply, after as many attempts as there are waits.

        `again`: after what failures it may be sent again; `limits`: only where Prolific said that it took nothing because of too many
        requests. Raise Declined, Unclear or ProlificError.
        """
        for wait in (*self.waits, None):
            try:
                status, headers, said = await self._send(method, path, body, query)
            except _DROPPED as error:
                if again != "always" and not isinstance(error, _UNREACHED):
                    raise self._unclear(type(error).__name__) from error
                if wait is None:
                    raise NotSent(
                        f"Prolific cannot be reached at {self.host} ({type(error).__name__}): try again later."
                    ) from error
            else:
                if 200 <= status < 300:
                    return _document(said), headers
                if status < 500 and status != 429:
                    raise Declined(status, self._complaint(said))
                if status >= 500 and again != "always":
                    raise self._unclear(f"status {status}")
                if wait is None:
                    raise Declined(status, self._complaint(said))
                wait = _asked_to_wait(headers, wait)
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        address = f"{self.host.rstrip('/')}/api/v1{path}"
        if self.check is not None:
            await self.check(address)
        headers = {
            "Authorization": f"Token {self.token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "arena",
        }
        data = None if body is None else json.dumps(dict(body)).encode()
        async with self._session().request(
            method, address, params=query or None, data=data, headers=headers, allow_redirects=False
        ) as response:
            said = await response.content.read(MOST_BYTES + 1)
            while len(said) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES)):
                said += more
            if len(said) > MOST_BYTES:
                raise ProlificError("Prolific sent a reply that is too long to be read.")
            return response.status, response.headers, said

    def _session(self) -> aiohttp.ClientSession:
        """Return the session, made at its first use, because it belongs to the running loop."""
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=self.resolver, use_dns_cache=self.resolver is None, force_close=True
                ),
                timeout=SECONDS,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self.resolver is None,
            )
        return self._opened

    def _unclear(self, how: str) -> Unclear:
        return Unclear(
            f"Prolific did not say whether this was carried out ({how}). It is not sent again by itself: look at what Prolific shows."
        )

    def _complaint(self, said: bytes) -> str:
        """Return what Prolific gives as the reason, without the token."""
        found: Any = said[:4000].decode(errors="replace")
        try:
            found = json.loads(said)
        except ValueError:
            found = re.sub(r"<[^>]*>", " ", found)
        if isinstance(found, dict):
            error = found.get("error", found)
            found = error.get("detail") or error.get("title") or error if isinstance(error, dict) else error
        text = found if isinstance(found, str) else json.dumps(found)
        text = " ".join(text.replace(self.token, "…").split()) if self.token else text
        return (text[:300] or "it gave no reason").rstrip(".") + "."


def _id(value: str) -> str:
    """Return an id of Prolific's that is safe in an address: ids of submissions are claims of a link."""
    if not _IDENTITY.fullmatch(value):
        raise ProlificError(f"'{value[:50]}' is no id of Prolific's: it has letters and digits only.")
    return value


def _document(said: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(said or b"{}")
    except ValueError as error:
        raise ProlificError("Prolific sent a reply that is not JSON: try again later.") from error
    if not isinstance(found, dict):
        raise ProlificError("Prolific sent a reply of a kind that was not expected: try again later.")
    return found


def _asked_to_wait(headers: Mapping[str, str], usual: float) -> float:
    asked = headers.get("Retry-After", "")
    return min(float(asked), LONGEST_WAIT) if asked.isascii() and asked.isdecimal() else usual


def _received(row: Mapping[str, Any]) -> Received:
    participant = row.get("participant_id") or row.get("participant") or ""
    bonuses = row.get("bonus_payments") or ()
    return Received(
        id=str(row.get("id", "")),
        participant=str(participant),
        status=str(row.get("status", "")),
        code=str(row.get("study_code") or row.get("entered_code") or ""),
        bonuses=tuple(int(minor) for minor in bonuses if isinstance(minor, int | float)),
    )


def _subscription(row: Mapping[str, Any]) -> Subscription:
    return Subscription(
        str(row.get("id", "")),
        str(row.get("event_type", "")),
        str(row.get("target_url", "")),
        bool(row.get("is_enabled", True)),
    )


# ── what is sent here ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Event:
    """An event that Prolific sent."""

    kind: str
    resource: str
    """Id of the submission or the study."""
    status: str
    participant: str


def signed(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of an event: HMAC-SHA256 over time and body, in Base64."""
    return base64.b64encode(hmac.digest(secret.encode(), timestamp.encode() + body, "sha256")).decode()


def is_signed(secret: str, timestamp: str, body: bytes, signature: str, now: float | None = None) -> bool:
    """Return whether an event was signed with this secret, not long ago. Compares in constant time."""
    right = hmac.compare_digest(signed(secret, timestamp, body).encode(), signature.encode())
    if not secret or not re.fullmatch("[0-9]{1,12}", timestamp):
        return False
    return right and abs((time.time() if now is None else now) - int(timestamp)) <= TOLERANCE


def read_event(body: bytes) -> Event | None:
    """Return the event in a body; None where it is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    names = ("event_type", "resource_id", "status", "participant_id")
    kind, resource, status, participant = (str(found.get(name) or "")[:200] for name in names)
    return Event(kind, resource, status, participant) if kind and resource else None


def moment(stamp: str) -> datetime | None:
    """Return the time in a header, ISO or seconds since 1970; None where it is none."""
    seconds = re.fullmatch(r"[0-9]{1,11}(\.[0-9]+)?", stamp)
    try:
        found = datetime.fromtimestamp(float(stamp), UTC) if seconds else datetime.fromisoformat(stamp)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else None
