"""Each rule of the middleware and of the permissions by itself: one case for either side of every condition."""

from types import SimpleNamespace

import pytest
from fastapi import APIRouter, FastAPI
from starlette.datastructures import Headers, MutableHeaders, UploadFile
from starlette.requests import Request

from app.services.refusal import Refused
from app.settings import Settings
from app.web.security import middleware, permissions
from app.web.security.middleware import MAX_BODY, MAX_FORM, SAFE_METHODS, NotSignedIn, Visit
from app.web.security.permissions import check_complete, may, needs_token

PUBLIC = "https://arena.example.org"


def request(path: str = "/", *, public: str | None = None, scheme: str = "http", **headers: str) -> Request:
    """A request to `arena.test`; names of headers have _ for -."""
    app = FastAPI()
    app.state.settings = Settings(public_url=public)
    sent = {"host": "arena.test", **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "scheme": scheme,
        "server": ("arena.test", 80),
        "app": app,
    }
    made = Request({**scope, "query_string": b"", "headers": raw})
    made.state.nonce, made.state.new_token = "n", None
    return made


# ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_is_not_signed_in_may_use_open_routes_only() -> None:
    assert may(None, "sign_in")
    assert not may(None, "sign_out")
    assert may("judge", "sign_out")
    assert may("judge", "seat")
    assert not may("judge", "experiment_export")
    assert not may("debater", "judge_next")


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("/api/v1/experiments", True),
        ("/api/v1/openapi.json", False),
        ("/api/v1/openapi.json/x", True),
        ("/api/v2/experiments", False),
        ("/experiments", False),
    ],
)
def test_the_api_needs_a_token_but_for_its_description(path: str, needed: bool) -> None:
    assert needs_token(path) is needed


async def test_a_page_for_users_is_not_given_to_a_visitor() -> None:
    with pytest.raises(NotSignedIn):
        await middleware._signed_in(Visit(None))


def router(**routes: str) -> APIRouter:
    """Routes by name and path."""
    made = APIRouter()
    for name, path in routes.items():
        made.add_api_route(path, lambda: None, name=name)
    return made


def test_an_application_whose_routes_are_not_those_of_the_table_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(permissions, "PERMISSIONS", {"home": permissions.ANYONE, "api_x": permissions.ANYONE})
    monkeypatch.setattr(permissions, "SCOPES", {"api_x": "read"})
    check_complete([router(home="/"), router(api_x="/api/v1/x")])
    with pytest.raises(RuntimeError, match=r"lacks \['more'\] and names \[\]"):
        check_complete([router(home="/", api_x="/api/v1/x", more="/more")])
    with pytest.raises(RuntimeError, match=r"lacks \[\] and names \['api_x'\]"):
        check_complete([router(home="/")])
    for scopes in ({}, {"api_x": "read", "home": "read"}):
        monkeypatch.setattr(permissions, "SCOPES", scopes)
        with pytest.raises(RuntimeError, match="scope of every route"):
            check_complete([router(home="/", api_x="/api/v1/x")])


# ── forged requests ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("public", "site", "origin", "ours"),
    [
        (None, None, None, True),
        (None, None, "http://arena.test", True),
        (None, None, "http://arena.test:81", False),
        (None, None, "null", False),
        (None, None, "https://evil.test", False),
        (None, "same-origin", None, True),
        (None, "none", None, True),
        (None, "same-site", None, False),
        (None, "cross-site", "http://arena.test", False),
        (PUBLIC, None, None, True),
        (PUBLIC, None, PUBLIC, True),
        (PUBLIC, None, "http://arena.test", False),
        (PUBLIC, "same-origin", "http://arena.test", False),
        (PUBLIC, "none", None, True),
        (PUBLIC, "cross-site", PUBLIC, False),
    ],
)
def test_where_a_request_comes_from(
    public: str | None, site: str | None, origin: str | None, ours: bool
) -> None:
    sent = {"sec_fetch_site": site, "origin": origin}
    given = {name: value for name, value in sent.items() if value is not None}
    assert middleware._from_here(request(public=public, **given)) is ours


def test_only_methods_that_change_nothing_go_without_a_token() -> None:
    assert {"GET", "HEAD", "OPTIONS"} == SAFE_METHODS


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_every_other_method_needs_the_token(method: str) -> None:
    account = SimpleNamespace(role="judge")
    asked = request(x_csrf_token="wrong")
    asked.scope.update(method=method, route=SimpleNamespace(name="judge_next"))
    asked.state.visit = Visit(SimpleNamespace(csrf="right", account=account))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="out of date"):
        await middleware.visit(asked)


async def checked(form: dict[str, object], **headers: str) -> int:
    """The status of a request with this form, by a session whose token is `right`; 200 where it is let through."""
    sent = request(**headers)
    sent._form = form  # type: ignore[assignment]
    try:
        await middleware._check_origin_and_token(sent, Visit(SimpleNamespace(csrf="right")))  # type: ignore[arg-type]
    except Refused as refused:
        return refused.status
    return 200


async def test_the_token_is_taken_from_the_header_or_else_from_the_form() -> None:
    assert await checked({}, x_csrf_token="right") == 200
    assert await checked({"csrf_token": "right"}) == 200
    assert await checked({"csrf_token": "right"}, x_csrf_token="wrong") == 403
    assert await checked({"csrf_token": "right"}, x_csrf_token="") == 403
    assert await checked({}) == 403
    assert await checked({"csrf_token": UploadFile(None, filename="right", headers=Headers())}) == 403  # type: ignore[arg-type]


async def test_a_visitor_without_a_session_needs_no_token_but_the_right_origin() -> None:
    await middleware._check_origin_and_token(request(), Visit(None))
    with pytest.raises(Refused, match="another site"):
        await middleware._check_origin_and_token(request(origin="https://evil.test"), Visit(None))


# ── cookies, addresses and sizes ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("public", "scheme", "proto", "secure"),
    [
        (None, "http", "http", False),
        (None, "https", "http", True),
        (None, "http", "https", True),
        (PUBLIC, "http", "http", True),
        ("http://arena.example.org", "https", "https", False),
    ],
)
def test_the_cookie_is_secure_where_the_arena_is_reached_by_https(
    public: str | None, scheme: str, proto: str, secure: bool
) -> None:
    asked = request(public=public, scheme=scheme, x_forwarded_proto=proto)
    asked.state.new_token = "token"
    headers = MutableHeaders()
    middleware._add_headers(asked, headers)
    [cookie] = headers.getlist("set-cookie")
    assert cookie.startswith(f"{middleware.COOKIE}=token; HttpOnly; ")
    assert "SameSite=lax" in cookie
    assert ("; Secure" in cookie) is secure


def test_a_session_that_was_not_renewed_sets_no_cookie_and_files_may_be_cached() -> None:
    for path, stored in (("/judge", "no-store"), ("/static/arena.css", None), ("/statics", "no-store")):
        headers = MutableHeaders()
        middleware._add_headers(request(path), headers)
        assert headers.get("cache-control") == stored
        assert "set-cookie" not in headers


def test_links_begin_with_the_public_address_or_else_with_that_of_the_request() -> None:
    assert middleware.base_url(request(public=PUBLIC)) == PUBLIC
    assert middleware.base_url(request()) == "http://arena.test"


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/tasks", MAX_BODY),
        ("/tasks/more", MAX_FORM),
        ("/api/v1/tasks/ferries", MAX_BODY),
        ("/api/v1/tasks", MAX_FORM),
        ("/judge", MAX_FORM),
    ],
)
def test_only_task_files_may_be_large(path: str, most: int) -> None:
    assert middleware._refused_unread(request(path, content_length=str(most))) is None
    for length in (str(most + 1), "-1", "1e3", "²"):
        refused = middleware._refused_unread(request(path, content_length=length))
        assert refused is not None
        assert refused.status_code == 413


def test_judges_and_debaters_open_nothing_but_their_own_seats() -> None:
    """No page with a text: what they are shown is written down when they take a seat, and nowhere else."""
    sitters = permissions.SITTERS
    open_to_all = {
        *("home", "sign_in_form", "sign_in", "sign_out", "invite", "join", "healthz", "readyz", "metrics"),
        *(
            "api_docs",
            "api_openapi",
            "study_join_form",
            "study_join",
            "language",
            "privacy",
            "prolific_events",
        ),
    }
    theirs = {
        *("judge_instructions", "judge_instructed", "judge_queue", "judge_next", "judge_calibration"),
        *("talk_instructions", "talk_instructed", "talk_queue", "talk_next"),
        *("seat", "seat_others", "seat_submit", "seat_draft", "seat_return_form", "seat_return"),
        *("part", "part_next", "part_enough", "part_done", "part_consent", "part_agree", "part_instructions"),
        *("part_comprehension", "part_answers", "part_practice", "part_questionnaire", "part_fill_in"),
        *("part_debriefing", "part_stop", "part_stopped", "part_withdraw", "part_withdrawn"),
        # What was right, once no one can learn from it any more; and what is kept of themselves.
        *("judge_feedback", "part_privacy", "own_data", "own_data_delete"),
    }
    allowed = {name for name, who in permissions.PERMISSIONS.items() if who & sitters}
    assert allowed == open_to_all | theirs
