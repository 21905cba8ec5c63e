"""Errors of an endpoint: whose fault each is, whether another attempt is worthwhile, and the sentence for the user."""

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from json import JSONDecodeError
from typing import Literal

import aiohttp

from app.participants import addresses
from app.participants.base import (
    BadRequest,
    ContextTooLong,
    EndpointSettings,
    Filtered,
    Forbidden,
    NoKey,
    Nonsense,
    ParticipantError,
    Spent,
    Unreachable,
)
from app.participants.complaints import Complaint, complaint
from app.participants.dialect import denied
from app.participants.waits import wait_asked

RETRIED = frozenset({408, 409, 425, 429})
"""Status codes below 500 for which another attempt may help. It may for all codes from 500 on."""

AWAY = frozenset({402, 408, 429, 502, 503, 504, 521, 522, 523, 524, 529})
"""Status codes that say nothing about one request: the server is away, overloaded, or wants money."""

Fault = Literal["ask", "endpoint", "unclear"]
"""Whose fault a failure is: that of this request alone, of the endpoint (then it is paused for all requests), or
unclear (then a tiny request decides after some attempts).
"""

EXCERPT = 200
"""Most characters of a server's message that an error repeats."""


class Unreadable(ValueError):
    """A reply that breaks the protocol: the error, what to do, and whether another attempt may help."""

    def __init__(
        self,
        what: str = "sent a reply that is not JSON",
        advice: str = "check that it speaks the OpenAI protocol at its base_url, and read its log",
        *,
        again: bool = True,
        spent: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice
        self.again = again
        """Whether another attempt may be read."""
        self.spent = spent
        """Whether the limit on tokens broke it off before there was a reply."""


class OtherProtocol(Unreadable):
    """A reply in another protocol than that of OpenAI."""

    def __init__(self, protocol: str) -> None:
        super().__init__(
            f"answers in the protocol of {protocol.removeprefix('the ')}, which is not that of OpenAI"
        )
        self.protocol = protocol


class Refused(Exception):
    """A reply with a status other than 2xx, or with an error inside."""

    def __init__(self, status: int, headers: Mapping[str, str], body: object) -> None:
        super().__init__(f"status {status}")
        self.status, self.headers = status, headers
        self.complaint = body if isinstance(body, Complaint) else complaint(status, body)


UNREADABLE = (Unreadable, JSONDecodeError, UnicodeDecodeError, RecursionError)
"""Errors of reading a reply: not JSON, not text, or nested too deeply."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt without a reply."""

    status: Literal["http", "timeout", "connection", "unreadable"]
    what: str
    """Continues `The endpoint NAME …`."""
    advice: str
    error: type[ParticipantError]
    fault: Fault = "ask"
    again: bool = False
    """Whether another attempt may succeed."""
    overload: bool = False
    """Whether it is a sign of load."""
    http_status: int | None = None
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    model_unknown: bool = False
    """The model or the address may be wrong: the server's list of models shows which."""
    complaint: Complaint | None = None
    """The server's own words, where there are any."""

    def exception(self, endpoint: str, attempts: int = 1) -> ParticipantError:
        """Return the sentence for the user, after the last attempt."""
        times = f" in {attempts} attempts" if attempts > 1 else ""
        return self.error(f"The endpoint {endpoint} {self.what}{times}: {self.advice}.")


def understand(error: Exception, settings: EndpointSettings, model: str, timeout: float) -> Failure:
    """Return the meaning of the exception of one attempt. `timeout` is in seconds."""
    if isinstance(error, Refused):
        return _refused(error, settings, model)
    if isinstance(error, OtherProtocol):
        right = addresses.advice(str(settings.base_url), error.protocol) or _CORRECT
        return Failure("unreadable", error.what, right, BadRequest, "endpoint")
    if isinstance(error, UNREADABLE):
        fault = error if isinstance(error, Unreadable) else Unreadable()
        what = scrub(fault.what, settings.secrets(), shortest=1)
        instead = addresses.advice(str(settings.base_url)) if "base_url" in fault.advice else None
        if not fault.again:
            return Failure("unreadable", what, fault.advice, Spent if fault.spent else Nonsense, "ask")
        return Failure("unreadable", what, instead or fault.advice, Nonsense, "unclear", again=True)
    return _connection(error, settings, timeout)


# ── connections ─────────────────────────────────────────────────────────────────────────────────────────────────


def _connection(error: Exception, settings: EndpointSettings, timeout: float) -> Failure:
    """Return the meaning of a connection that did not come about, or broke."""
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        advice = "give the participant a longer timeout, or check whether the server is stuck"
        what = f"did not answer within {timeout:g} s"
        return Failure("timeout", what, advice, Unreachable, "unclear", again=True, overload=True)
    if _broke(error):
        early = isinstance(error, aiohttp.ServerDisconnectedError)
        when = "before it replied" if early else "in the middle of its reply"
        advice = "look at its log, and at that of a proxy in between, then run again"
        return Failure(
            "connection", f"closed the connection {when}", advice, Unreachable, "unclear", again=True
        )
    reason, advice, again = _unreached(error, settings)
    what = f"cannot be reached at {settings.base_url} ({scrub(reason, settings.secrets(), shortest=1)[:EXCERPT]})"
    return Failure("connection", what, advice, Unreachable, "endpoint", again=again)


def _broke(error: Exception) -> bool:
    """Return whether a connection that was there broke while a reply was awaited."""
    broken = (
        aiohttp.ServerDisconnectedError,
        aiohttp.ClientPayloadError,
        aiohttp.ClientOSError,
        ConnectionError,
    )
    apart = aiohttp.ClientConnectorError, aiohttp.ClientSSLError
    return isinstance(error, broken) and not isinstance(error, apart)


def _unreached(error: Exception, settings: EndpointSettings) -> tuple[str, str, bool]:
    """Return why there is no connection, what to do, and whether it may help to try again."""
    start = "start the server, or correct its base_url"
    host = settings.base_url.host
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return (
            f"the name {host} has no address",
            "correct its base_url, or see that the name can be looked up",
            True,
        )
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        advice = "renew its certificate, or name the file of the authority that signed it in SSL_CERT_FILE"
        return f"its certificate is not accepted: {why}", advice, False
    if isinstance(error, aiohttp.ClientSSLError):
        cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        why = str(getattr(cause, "reason", "") or cause).replace("_", " ").lower()
        return (
            f"no TLS connection: {why}",
            "write http:// if it speaks no TLS, or correct its TLS settings",
            False,
        )
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "it accepts no connection", "see that it runs, and that no firewall is in between", True
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}", "correct HTTPS_PROXY, or list the host in NO_PROXY", True
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "the proxy does not answer", "correct HTTPS_PROXY, or list the host in NO_PROXY", True
    if isinstance(error, aiohttp.ClientResponseError):
        return (
            "what answers there speaks no HTTP",
            "write https:// if it wants TLS, or correct its base_url",
            True,
        )
    if isinstance(error, OSError) and (why := error.strerror):
        refused = isinstance(error.__cause__, ConnectionRefusedError) or isinstance(
            error, ConnectionRefusedError
        )
        return ("connection refused" if refused else why.split(" [")[0].lower()), start, True
    return type(error).__name__, start, True


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────────


def _refused(error: Refused, settings: EndpointSettings, model: str) -> Failure:
    objection, status = _scrubbed(error.complaint, settings), error.complaint.status
    if too_long(objection):
        advice = "lower max_tokens, choose shorter passages, or serve the model with a longer context"
        what = f"says that the prompt and its reply are too long for {model}{_sizes(objection.words)}"
        return _failure(objection, what, advice, ContextTooLong)
    if _QUOTA.search(objection.all) or status == 402:
        return _used_up(objection, error.headers)
    if _FILTERED.search(objection.all):
        what = f"stopped this with its content filter{_saying(objection)}"
        return _failure(objection, what, "choose other passages, or a model without such a filter", Filtered)
    if status in RETRIED or status >= 500 or status == 0 or _SURELY_LOADED.search(objection.all):
        return _busy(objection, error.headers)
    if (status in (401, 403) and not denied(objection)) or _BAD_KEY.search(objection.all):
        return _about_key(objection, settings)
    if 300 <= status < 400 or status in (405, 410):
        return _elsewhere(objection, settings)
    unknown = unknown_model(objection)
    spoken = addresses.complains_in(objection.words)
    elsewhere = addresses.advice(str(settings.base_url), spoken)
    missing = unknown or status == 404 or (spoken is not None and elsewhere is not None)
    advice = elsewhere or _CORRECT if missing else "correct the participant's settings"
    what = f"refused the request ({status}{_saying(objection)})"
    return _failure(
        objection, what, advice, BadRequest, "endpoint" if missing else "ask", model_unknown=missing
    )


def _failure(
    objection: Complaint,
    what: str,
    advice: str,
    error: type[ParticipantError],
    fault: Fault = "ask",
    **more: bool | float | None,
) -> Failure:
    known = {"http_status": objection.status or 200, "complaint": objection}
    return Failure("http", what, advice, error, fault, **{**known, **more})  # type: ignore[arg-type]


def _scrubbed(objection: Complaint, settings: EndpointSettings) -> Complaint:
    secrets = settings.secrets()
    words, codes = (scrub(text, secrets, shortest=1) for text in (objection.words, objection.codes))
    names = tuple(scrub(name, secrets, shortest=1) for name in objection.names)
    return replace(objection, words=words, names=names, codes=codes)


def _used_up(objection: Complaint, headers: Mapping[str, str]) -> Failure:
    """Return the failure of a quota: some are refilled every minute, others only with money."""
    wait = _wait(objection, headers)
    by_time = objection.status == 429 and "insufficient_quota" not in objection.codes
    return _failure(
        objection,
        f"says that its quota is used up ({objection.status or 200}{_saying(objection)})",
        "wait until it is refilled, or add credit at its provider",
        Unreachable,
        "endpoint",
        again=by_time,
        overload=by_time,
        retry_after=wait,
    )


def _busy(objection: Complaint, headers: Mapping[str, str]) -> Failure:
    status, many = objection.status, objection.status == 429
    loaded = status in AWAY or bool(
        (_LOADED if status >= 500 or not status else _SURELY_LOADED).search(objection.all)
    )
    advice = "wait for its quota, or run less at once" if many else "look at its log, then run again"
    answered = f"answered {status}" if status else "answered with an error instead of a reply"
    return _failure(
        objection,
        f"{answered}{_saying(objection)}",
        advice,
        Unreachable,
        "endpoint" if loaded else "unclear",
        again=True,
        overload=status not in (409, 425),
        retry_after=_wait(objection, headers),
    )


_CORRECT = "correct base_url, which usually ends in /v1"


def _elsewhere(objection: Complaint, settings: EndpointSettings) -> Failure:
    """Return the failure of an address at which no model answers: a redirect, or another service."""
    did = "redirects the request" if objection.status < 400 else "takes no such request"
    instead = addresses.advice(str(settings.base_url)) or _CORRECT
    advice = f"{instead}, or sign in to the network if it asks for that"
    return _failure(
        objection, f"{did} ({objection.status}{_saying(objection)})", advice, BadRequest, "endpoint"
    )


def _about_key(objection: Complaint, settings: EndpointSettings) -> Failure:
    variables = settings.variables()
    unset = [name for name in variables if not settings.value_of(name)]
    named = " and ".join(variables)
    if objection.page and objection.words:
        advice = "ask who runs the proxy or the firewall before it to let the arena through"
        what = f"answered {objection.status} with a web page{_saying(objection)}"
        return _failure(objection, what, advice, Forbidden, "endpoint")
    if not variables:
        what, advice = "wants a key", "name the environment variable that holds it as api_key_env"
    elif unset:
        what, advice = "wants a key", f"set the environment variable {unset[0]}, which is empty"
    else:
        several = "s" if len(variables) > 1 else ""
        what, advice = (
            f"refused the key in the environment variable{several} {named}",
            "put a valid key there",
        )
    return _failure(
        objection, f"{what}{_saying(objection)}", advice, NoKey if unset else Forbidden, "endpoint"
    )


def _wait(objection: Complaint, headers: Mapping[str, str]) -> float | None:
    return wait_asked(headers, datetime.now(UTC), objection.waits, objection.words)


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────


def scrub(text: str, secrets: Sequence[str], *, shortest: int = 8) -> str:
    """Return the text without the secrets, and without characters that a database cannot store: NUL and half
    surrogate pairs.

    A secret of fewer than `shortest` characters stays, because such a word may be in any reply. In errors, for which it is
    1, the beginning of one counts too, because they are cut.
    """
    for secret in secrets:
        if len(secret) >= shortest:
            text = text.replace(secret, "[key]")
    for secret in secrets if shortest == 1 else ():
        if len(secret) > _PIECE:
            text = _without_piece(text, secret)
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


_PIECE = 8
"""Characters of a key that are taken out of an error, where it was cut off in the middle of the key."""


def _without_piece(text: str, secret: str) -> str:
    """Return the text without the beginning of a secret that was cut off."""
    while (start := text.find(secret[:_PIECE])) >= 0:
        end = start + _PIECE
        while end < len(text) and end - start < len(secret) and text[end] == secret[end - start]:
            end += 1
        text = f"{text[:start]}[key]{text[end:]}"
    return text


# ── the server's own words ──────────────────────────────────────────────────────────────────────────────────────

_CONTEXT = re.compile(
    r"context[ _-]?(length|size|window|limit)|exceed_context|max_model_len|maximum (sequence|input|prompt) length"
    r"|\bn_ctx\b|string_above_max_length|too many (input |total )?tokens\b(?! per)|`?inputs`? tokens \+"
    r"|(prompt|input|messages?|request)\b(?:(?!max_|maxOutput)[^:;]){0,40}\btoo (long|large)"
    r"|(input|prompt|token) (token )?(count|length|size|tokens?)\b.{0,40}\bexceed"
    r"|exceeds? the maximum number of (input )?tokens|reduce the length of the|tokens in the prompt cannot exceed"
    r"|`?inputs?`? must have less than \d+ tokens|longer than the (model|maximum)|\btokens? (is|are) too many",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient[_ ](quota|credit|balance|fund)|exceeded your current quota|quota (is )?(exceeded|used up|exhausted)"
    r"|exceeded_current_quota|credit balance|out of (credits?|funds)|balance\W+(\w+\W+){0,2}(insufficient|too low|not enough|exhausted|negative)"
    r"|not enough (credits?|funds|balance)|(credits?|quota) (limit|cap) (exceeded|reached)|included credits|arrear|余额不足|欠费"
    r"|check your plan and billing|(billing|spend\w*|usage)[_ ](hard[_ ])?limit|payment required|requires more credits",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content[_ -]?(filter|policy|management)|content_policy_violation|responsible ?ai|safety (system|setting|filter|polic)"
    r"|moderation|was flagged|prohibited_content|usage (guidelines|polic)|safety_check|inappropriate content|blocked by .{0,30}(policy|filter|guard)|data_inspection_failed",
    re.IGNORECASE,
)
_LOADED = re.compile(
    r"capacity|overload|too busy|\bbusy\b|unavailable|rate.?limit|too many requests|resource.?exhausted|loading model"
    r"|model is loading|no (healthy|available) (upstream|server|worker|backend)|try again later",
    re.IGNORECASE,
)
_SURELY_LOADED = re.compile(
    r"\b(?:is|are|currently|temporarily|server|engine|model|service)\W+(?:\w+\W+)?overloaded|too busy|too many requests"
    r"|\brate.?limit(ed|s)?\W+(exceeded|reached|error)|(model|engine)\W+(\w+\W+){0,2}loading\b|loading (the )?model"
    r"|resource.?exhausted|(try|retry) again (later|in \d)|please (re)?try later",
    re.IGNORECASE,
)
"""The same in a refusal with another status, where words such as `unavailable` may be about a parameter."""
_BAD_KEY = re.compile(
    r"api.?key (is |was |has )?(not valid|not found|in?valid|expired|missing|incorrect|revoked|disabled|not set|required)"
    r"|(invalid|incorrect|expired|missing|no|bad|provide (a |an )?(valid )?|unknown) (api.?key|access token|auth\w* (token|header|key)|credentials)"
    r"|api_key_invalid|authentication_error|unauthenticated\b",
    re.IGNORECASE,
)
_NAME = r"[`'\"“]?[\w./:@+-]{0,100}[`'\"”]?"
_UNKNOWN_MODEL = re.compile(
    rf"model_not_found|\bmodels?[ :=/]*{_NAME}\s+(is |was |does |do |could |has )?not (been )?"
    r"(found|exist|be found|available|served|supported|loaded|deployed|a valid)"
    r"|(unknown|invalid|no such|unsupported|unrecognized) model\b|LLM Provider NOT provided|not a valid model|deployment .{0,60}does not exist"
    r"|DeploymentNotFound|try pulling|no models? loaded|model_not_available",
    re.IGNORECASE,
)
_NUMBER = r"(\d(?:[\d,]*\d)?)"
_HELD = (
    rf"(?:max_model_len|n_ctx)[^\d;]{{0,24}}{_NUMBER}",
    rf"(?:context[ _](?:length|size|window|limit)|(?:sequence|input|prompt) length)[^\d;]{{0,40}}{_NUMBER}",
    rf"{_NUMBER}[ -](?:token )?(?:maximum )?context",
    rf"(?:<=|>|at most|allowed|cannot exceed|limit(?: of| is)?|exceeds?|must have less than)[^\d;]{{0,30}}{_NUMBER}",
)
_CAME = rf"{_NUMBER} (?:input |output |total |prompt )?`?(?:inputs?`? )?tokens|(?:token count|requested|received|given)\D{{0,20}}{_NUMBER}"


def too_long(objection: Complaint) -> bool:
    """Return whether the server says that prompt and reply do not fit the model."""
    if objection.status == 413 or "context_length_exceeded" in objection.codes:
        return True
    single = objection.status == 429 and re.search(r"request too large", objection.words, re.IGNORECASE)
    return bool(
        single or (objection.status not in (401, 402, 403, 429, 503, 529) and _CONTEXT.search(objection.all))
    )


def unknown_model(objection: Complaint) -> bool:
    """Return whether the server says that it does not serve the model."""
    return bool(_UNKNOWN_MODEL.search(objection.all))


def _saying(objection: Complaint) -> str:
    return f", saying “{objection.words[:EXCERPT].rstrip('. ')}”" if objection.words else ""


def _sizes(words: str) -> str:
    """Return the numbers of tokens in the server's message: the model's limit, and the number sent."""
    held = next((found for pattern in _HELD if (found := re.search(pattern, words, re.IGNORECASE))), None)
    if held is None:
        return f", saying “{words[:EXCERPT].rstrip('. ')}”" if words else ""
    sent = [size for size in _sizes_sent(words) if size != held[1]]
    return f" (it holds {held[1]} tokens" + (f", and {sent[0]} came" if sent else "") + ")"


def _sizes_sent(words: str) -> Iterator[str]:
    for found in re.finditer(_CAME, words, re.IGNORECASE):
        yield found[1] or found[2]
