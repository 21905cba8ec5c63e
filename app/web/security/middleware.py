"""What every request passes: who is it, may they, does an unsafe request carry its session's token; and the headers.

A handler asks for `Who` (a signed-in user) or `Visitor` (perhaps not signed in) and for `Db`; the rest happens here.
"""

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import languages, metrics, tracing
from app.languages import gettext as _
from app.records import enrolments, people
from app.records.database import Database
from app.services.refusal import Refused
from app.settings import Settings
from app.web.security.permissions import may
from models import Account, Session

COOKIE = "arena_session"
LANGUAGE_COOKIE = "arena_language"
"""The language that was chosen by those who are in no study."""
SPEAKERS = (None, "judge", "debater")
"""Roles whose pages speak other languages than English."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY = 64 * 2**20
"""Bytes of a task file or an archive."""
MAX_FORM = 2 * 2**20
"""Bytes of whatever else is sent: it is read before anybody asks who sends it."""
UPLOADS = ("/tasks", "/archives")
"""Forms that send such a file."""
API_UPLOADS = ("/api/v1/tasks/", "/api/v1/archives/")
TOO_LARGE = f"That is too large: at most {MAX_BODY // 2**20} MB of a task file or an archive and {MAX_FORM // 2**20} MB of anything else are taken at once."


LOOPBACK = ("localhost", "127.0.0.1", "::1")
PROBES = ("/healthz", "/readyz", "/metrics")
"""Paths that orchestrators ask for by whatever address they know."""
OTHER_HOST = "This is not an address of the arena: its operator names those that are in ARENA_PUBLIC_URL and ARENA_HOSTS."
SEEN_EVERY = 300.0
"""Seconds between two notes that a session is in use; fewer where it may be idle only for a short time."""


class NotSignedIn(Exception):
    """The request needs a signed-in user."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: who makes it, if anybody is signed in."""

    session: Session | None
    offered: Sequence[str] = ()
    """Languages among which they may choose."""

    @property
    def account(self) -> Account | None:
        """Who is signed in."""
        return self.session.account if self.session else None

    @property
    def role(self) -> str | None:
        """Their role."""
        return self.account.role if self.account else None


async def _db(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction a request, committed when the handler is done and before the response leaves."""
    database: Database = request.app.state.database
    async with database.session.begin() as session:
        yield session


Db = Annotated[AsyncSession, Depends(_db, scope="function")]


async def visit(request: Request) -> Visit:
    """Who makes this request; refuses what they may not do, and unsafe requests without their session's token."""
    if not hasattr(request.state, "visit"):
        request.state.visit = await _visit(request)
    found: Visit = request.state.visit
    route = request.scope["route"].name
    if not may(found.role, route):
        if found.account is None:
            raise NotSignedIn
        raise Refused(403, _("This page is not for your role."))
    if request.method not in SAFE_METHODS:
        await _check_origin_and_token(request, found)
    return found


async def _visit(request: Request) -> Visit:
    """Return who makes a request, and speak their language from here on."""
    found, enrolled = await _session(request)
    if (found.account.role if found else None) not in SPEAKERS:
        return Visit(found)
    if enrolled is not None:
        languages.speak(enrolled.language)
        return Visit(found, enrolled.offered)
    languages.speak(request.cookies.get(LANGUAGE_COOKIE, ""))
    return Visit(found, tuple(languages.LANGUAGES))


async def _session(request: Request) -> tuple[Session | None, enrolments.Spoken | None]:
    """Return the session, and the language of a study's participant."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None, None
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    spoken = None
    async with database.reading() as db:
        found = await people.session_of(db, token, session_limits(request))
        if found is not None and found.account.role in SPEAKERS:
            spoken = await enrolments.spoken(db, found.account_id)
    if found is not None:
        async with database.session.begin() as db:
            request.state.new_token = await people.rotate(db, found, token)
            await people.saw(db, found, min(SEEN_EVERY, 360 * settings.session_idle_hours))
    return found, spoken


async def _check_origin_and_token(request: Request, found: Visit) -> None:
    """Sessions carry a token of their own; before there is one, the browser's word on the origin must do."""
    if not _from_here(request):
        raise Refused(403, _("This request came from another site and was not carried out."))
    if found.session is None:
        return
    sent = request.headers.get("x-csrf-token")
    if sent is None:
        form = await request.form()
        field = form.get("csrf_token")
        sent = field if isinstance(field, str) else ""
    if not secrets.compare_digest(sent.encode(), found.session.csrf.encode()):
        raise Refused(403, _("This form is out of date: load the page again and send it once more."))


def _from_here(request: Request) -> bool:
    """Return whether, as the browser says, no page of another site made this request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    public = public_url(request)
    if public and origin not in (None, public):
        return False
    if site is not None:
        return site in ("same-origin", "none")
    # Without encryption, browsers only say where a form stood; programs say nothing.
    return origin is None or origin == public or urlsplit(origin).netloc == request.headers.get("host")


def is_own_host(request: Request) -> bool:
    """Return whether a request asks for the arena by a name that is the arena's: links must repeat no other."""
    settings: Settings = request.app.state.settings
    host = _hostname(request.headers.get("host", ""))
    named = {name.lower() for name in settings.hosts}
    if settings.public_url is not None:
        named.add(_hostname(urlsplit(settings.public_url).netloc))
    # The address at which the connection arrived cannot be chosen by a page, unlike a name.
    arrived = request.scope.get("server") or ("", None)
    return (
        host in named
        or host in (*LOOPBACK, settings.host.lower(), str(arrived[0]).lower())
        or any(name.startswith("*.") and host.endswith(name[1:]) for name in named)
    )


def _hostname(host: str) -> str:
    """Return a host without its port and without the brackets of an address of version 6; empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def public_url(request: Request) -> str | None:
    """Where the arena's operator says that it is, without the last slash."""
    settings: Settings = request.app.state.settings
    return settings.public_url


def base_url(request: Request) -> str:
    """Return the address under which links of this arena begin, without the last slash."""
    return public_url(request) or str(request.base_url).rstrip("/")


def client_address(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "unknown"


def encrypted(request: Request) -> bool:
    """Return whether the browser speaks to us over an encrypted connection."""
    if public := public_url(request):
        return public.startswith("https:")
    # A proxy that ends the encryption says so. A client that says so without one only locks itself out.
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


async def _signed_in(found: Annotated[Visit, Depends(visit)]) -> Account:
    if found.account is None:
        raise NotSignedIn
    return found.account


Visitor = Annotated[Visit, Depends(visit)]
Who = Annotated[Account, Depends(_signed_in)]


def session_limits(request: Request) -> people.Limits:
    """Return how long sessions last here."""
    settings: Settings = request.app.state.settings
    return people.Limits(
        timedelta(hours=settings.session_hours), timedelta(hours=settings.session_idle_hours)
    )


def set_session(response: Response, request: Request, token: str) -> None:
    """Give the browser its cookie."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(session_limits(request).whole.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=encrypted(request),
    )


class Headers:
    """The same strict headers on every response; a page may load and run nothing but the arena's own files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request.state.nonce = secrets.token_urlsafe(16)
        request.state.new_token = None
        languages.speak(languages.ENGLISH)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(request, MutableHeaders(scope=message))
            await send(message)

        answer = _refused_host(request) or _refused_unread(request) or self._app
        await answer(scope, receive, send_with_headers)


def _route(scope: Scope) -> str:
    """Return the name of the route that took a request, and never its path: that has names and ids in it."""
    return getattr(scope.get("route"), "name", "none")


class Timed:
    """Counts every answer with its route and status, and how long it took."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with tracing.span("request", method=scope["method"]) as span:
                await self._app(scope, receive, send_and_note)
                tracing.note(span, route=_route(scope), status=status)
        finally:
            route = _route(scope)
            metrics.REQUEST_SECONDS.labels(route, str(status)).observe(time.perf_counter() - began)


def hardened(request: Request, response: Response) -> Response:
    """A response that does not pass `Headers`, with the same headers."""
    _add_headers(request, response.headers)
    return response


def _add_headers(request: Request, headers: MutableHeaders) -> None:
    headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{request.state.nonce}'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    # Not `no-referrer`: with it, browsers would not say of the arena's own forms where they stood.
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if not request.url.path.startswith("/static/"):
        headers["Cache-Control"] = "no-store"
    if request.state.new_token:
        carrier = Response()
        set_session(carrier, request, request.state.new_token)
        headers.append("Set-Cookie", carrier.headers["Set-Cookie"])


def _most(path: str) -> int:
    return MAX_BODY if path in UPLOADS or path.startswith(API_UPLOADS) else MAX_FORM


def _refused_host(request: Request) -> Response | None:
    """Return the answer to a request under a name that is not the arena's; None under one that is."""
    if request.url.path in PROBES or is_own_host(request):
        return None
    return Response(OTHER_HOST, status_code=421)


def _refused_unread(request: Request) -> Response | None:
    """What says itself that it is too long is not read; what does not is counted as it comes, by `Bounded`."""
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) <= _most(request.url.path):
        return None
    return Response(TOO_LARGE, status_code=413)


class Bounded:
    """Counts the bytes of bodies as they come, also where no length was announced."""

    def __init__(self, app: ASGIApp) -> None:
        self._by_most = {most: RequestBodyLimitMiddleware(app, most) for most in (MAX_BODY, MAX_FORM)}
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        app = self._by_most[_most(scope["path"])] if scope["type"] == "http" else self._app
        await app(scope, receive, send)


def to_sign_in(request: Request) -> Response:
    """Return the address to sign in at, which leads back here."""
    return RedirectResponse("/sign-in", status_code=303)
