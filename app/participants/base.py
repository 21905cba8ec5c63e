"""The one method of a participant. Also the settings of participants and the record of model calls."""

import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, Protocol, TypeAlias
from urllib.parse import quote, quote_plus
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from app.errors import UserError
from app.protocols.core import AnyContent, Elicitation
from app.protocols.quotes import IndexedPassage
from app.protocols.views import View

PEOPLE = "people"
"""The name of the panel of people in reports. No other participant may have it."""

# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────
#   ParticipantError          a seat could not answer; the sentence is stored with the trial
#   ├── Unreachable           no answer from the endpoint, after every attempt
#   ├── Forbidden             the endpoint refused the key
#   │   └── NoKey             this process does not have the key: no fault of the trial
#   ├── UnknownModel          the endpoint has no such model
#   ├── ContextTooLong        the prompt does not fit the model
#   ├── BadRequest            the endpoint refused the request for another reason
#   │   └── Filtered             its content filter stopped the request or the reply
#   └── Nonsense              replies came, but none that could be read as what was asked
#       └── Spent             the limit on tokens broke the reply off before it began, inside the model's thinking


class ParticipantError(UserError):
    """A seat could not answer. The text is one sentence that says what to do."""


class Unreachable(ParticipantError):
    """The endpoint did not answer, after every attempt."""


class Forbidden(ParticipantError):
    """The endpoint refused the key, or wants one."""


class NoKey(Forbidden):
    """The variable of the key is not set in this process. Another worker may have it."""


class UnknownModel(ParticipantError):
    """The endpoint does not serve this model."""


class ContextTooLong(ParticipantError):
    """The prompt and the reply do not fit the model's context."""


class BadRequest(ParticipantError):
    """The endpoint refused the request."""


class Filtered(BadRequest):
    """The endpoint's content filter stopped the request or the reply."""


class Nonsense(ParticipantError):
    """There were replies, but none that could be read as the requested content."""


class Spent(Nonsense):
    """All of the reply's tokens went into thinking."""


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────


class StrictSettings(BaseModel):
    """Settings as written in an experiment's file. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _without_secrets(url: HttpUrl) -> HttpUrl:
    if url.username or url.password or url.query:
        raise ValueError(
            "a base_url has no user name, password or query: "
            "put the key into an environment variable and name that as api_key_env"
        )
    return url


BaseUrl: TypeAlias = Annotated[HttpUrl, AfterValidator(_without_secrets)]
"""An address that may be stored and shown."""


_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"

Variable: TypeAlias = Annotated[str, Field(pattern=_VARIABLE, max_length=200)]
"""Name of an environment variable."""

RESERVED_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"}
    | {"keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id"}
)
"""Headers that belong to the connection or to the request itself, and cannot be set. Those of a proxy cannot either."""

_SECRET = re.compile(r"key|token|secret|sig|passw|pwd|auth|cred|code|session", re.IGNORECASE)


def _header(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name):
        raise ValueError(f"a header cannot be called {name!r}")
    if name.lower() in RESERVED_HEADERS or name.lower().startswith(("proxy-", "sec-")):
        raise ValueError(f"the header {name} cannot be set: it belongs to the connection")
    return name


def _distinct(headers: dict[str, str]) -> dict[str, str]:
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("two headers have the same name")
    return headers


def _as_text(value: object) -> object:
    """Return a date or a number of a YAML file as it was written there: versions look like dates."""
    plain = isinstance(value, date | int | float) and not isinstance(value, bool)
    return str(value) if plain else value


def _no_literal_secrets(query: dict[str, str]) -> dict[str, str]:
    for name, value in query.items():
        if value.startswith("$"):
            if not re.fullmatch(_VARIABLE, value[1:]):
                raise ValueError(
                    f"the parameter {name} needs the name of an environment variable after the $"
                )
        elif _SECRET.search(name) or len(value) > 60 or value.startswith("sk-"):
            raise ValueError(
                f"the parameter {name} looks like a secret: put it into an environment variable and write $NAME here"
            )
    return query


Headers: TypeAlias = Annotated[
    dict[Annotated[str, AfterValidator(_header)], Variable], AfterValidator(_distinct), Field(max_length=20)
]
"""From the name of a header to the name of the environment variable with its value."""

Query: TypeAlias = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{1,100}$")],
        Annotated[str, BeforeValidator(_as_text), Field(max_length=200)],
    ],
    AfterValidator(_no_literal_secrets),
    Field(max_length=20),
]
"""From the name of a parameter to its value, or to `$NAME`, the environment variable with it."""


class EndpointSettings(StrictSettings):
    """A model server that speaks the OpenAI protocol."""

    base_url: BaseUrl
    """Address up to and including `/v1`."""
    api_key_env: str | None = Field(None, pattern=_VARIABLE)
    """Name of the environment variable with the key. The key itself is never written down."""
    headers: Headers = Field(default_factory=dict)
    """Further headers of every request: the name of each with the name of the environment variable that has its
    value, such as `{api-key: ARENA_KEY_AZURE}`.
    """
    query: Query = Field(default_factory=dict)
    """Parameters added to every address, such as `{api-version: 2024-10-21}`. `$NAME` takes the value of the
    environment variable NAME; what looks like a secret must.
    """
    fold_system: bool = False
    """Whether system messages are put into the first message of the user. Without it that is found out at the
    first refusal.
    """

    @model_serializer(mode="wrap")
    def _without_unset(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the younger settings where they are not set, so that older specs compare as equal."""
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if value or name not in MORE}

    def key(self) -> str | None:
        """Return the key, read from the environment at the moment of use; None where none is named or set."""
        return os.environ.get(self.api_key_env) if self.api_key_env else None

    def more(self) -> dict[str, Any]:
        """Return the settings beside address and key, as JSON; only those that are set."""
        written = self.model_dump(mode="json")
        return {name: written[name] for name in MORE if name in written}

    def variables(self) -> list[str]:
        """Return the names of all environment variables whose values go to the server."""
        asked = [value[1:] for value in self.query.values() if value.startswith("$")]
        return list(dict.fromkeys([*filter(None, [self.api_key_env]), *self.headers.values(), *asked]))

    @staticmethod
    def value_of(variable: str) -> str:
        """Return the value of an environment variable; empty where this process has none."""
        return os.environ.get(variable, "")

    def secrets(self) -> list[str]:
        """Return the values of these variables that are set, the longest first; also as an address or JSON has them."""
        values = filter(None, (os.environ.get(variable) for variable in self.variables()))
        found = {form for value in values for form in _forms(value)}
        return sorted(found, key=len, reverse=True)


def _forms(value: str) -> set[str]:
    """Return the forms in which a server may repeat a value."""
    quoted = {quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1]}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in quoted}
    return {value, *quoted, *lower}


MORE = ("headers", "query", "fold_system")
"""Settings of an endpoint beside its address and key."""


class ModelSettings(StrictSettings):
    """A model behind an endpoint."""

    kind: Literal["model"] = "model"
    endpoint: str | None = None
    """Name of an endpoint."""
    base_url: BaseUrl | None = None
    """Address of a server that is not named under `endpoints`, instead of `endpoint`."""
    model: str
    """The model's name at that server."""
    temperature: float = Field(0.4, ge=0, le=2)
    """Sampling temperature of speeches, notes and reasons. Votes are sampled at it too; other beliefs are
    read.
    """
    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling; the server's default where absent."""
    max_tokens: int = Field(1000, ge=1, le=10_000_000)
    """Most tokens of one reply."""
    reason_first: bool = False
    """Whether a judge reasons freely before its belief is read."""
    belief: Literal["auto", "logprobs", "verbalised", "votes"] = "auto"
    """How beliefs are read. `auto` takes log-probabilities, or stated numbers where the model's server returns
    none at all; a model's first belief decides for all.
    """
    votes: int = Field(5, ge=1, le=64)
    """Sampled answers per belief, where `belief` is `votes`."""
    asks: int = Field(3, ge=1, le=10)
    """Most replies to request for one speech or structured answer, before the last one is cut or given up."""
    timeout: float = Field(300, gt=0)
    """Seconds to wait for one reply."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent unchanged with every request, for instance switches of the chat template. It wins over everything that
    the arena sends; `null` removes a parameter.
    """

    @property
    def elicitation(self) -> Elicitation:
        """Return how this participant comes to a belief."""
        votes = self.votes if self.belief == "votes" else 0
        return Elicitation(self.reason_first, votes, may_reason=True)


class BuiltinSettings(StrictSettings):
    """A participant without a model: a baseline, or `task-file`, which reads out the arguments that a
    question brings.
    """

    kind: Literal["builtin"] = "builtin"
    name: Literal["extractive-debater", "lexical-judge", "random", "scripted", "task-file"]
    script: dict[str, list[str]] = Field(default_factory=dict)
    """For `scripted`: replies by the kind of ask, used in turn."""

    @property
    def elicitation(self) -> Elicitation:
        """Return how this participant comes to a belief: built-ins state it at once."""
        return Elicitation()


class PersonSettings(StrictSettings):
    """A person, who answers in a browser at their own pace."""

    kind: Literal["person"] = "person"
    account: str
    """Id of their account."""

    @property
    def elicitation(self) -> Elicitation:
        """Return how this participant comes to a belief: people state it, with a reason."""
        return Elicitation()


AnySettings: TypeAlias = ModelSettings | BuiltinSettings | PersonSettings
ParticipantSettings: TypeAlias = Annotated[AnySettings, Field(discriminator="kind")]


# ── the record of model calls ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt that is stored once, however many calls use it."""

    role: Literal["system", "user", "assistant"]
    text: str
    verbatim: bool = field(default=False, compare=False)
    """Whether it is a text of the experiment (the passage, a move), and not of a template."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model, however many attempts it takes."""

    id: UUID
    path: str
    """Path of the ask it serves."""
    purpose: str
    """`answer`, `again` (a re-ask), `mass` (one unconstrained token, for belief and label mass), `choice` (one
    constrained token, where the other leaves the choice open), `probe` (a tiny request that tells whether the endpoint
    answers at all).
    """
    endpoint: str
    model: str
    segments: Sequence[Segment]
    params: Mapping[str, Any]
    fixed: frozenset[str] = frozenset()
    """Parameters that the user wrote, which are never adapted to the server. Not stored."""
    needs: frozenset[str] = frozenset()
    """Parameters without which the request is pointless: it is not sent again without them. Not stored."""
    explicit: frozenset[str] = frozenset()
    """Parameters that have a value which the user set: of two that a server does not take together, the other one is left
    out. Not stored.
    """


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt of a call ended."""

    status: Literal["ok", "http", "timeout", "connection", "unreadable"]
    seconds: float
    http_status: int | None = None
    error: str | None = None
    reply: Mapping[str, Any] | None = None
    """The server's reply, unchanged: text, finish reason, log-probabilities."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None


class CallLog(Protocol):
    """Records attempts. An attempt is durable before it is sent."""

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """Record that an attempt is about to be sent. Return once that is durable."""

    async def end(self, request_id: str, ending: Ending) -> None:
        """Record how it ended. Return once that is durable."""


class AtRest(Exception):
    """The experiment is to be left alone from now on; the moves made so far stay."""


class AskLog:
    """The call log of one ask, which knows whether a reply came. What was heard would be lost with the ask, so that
    it waits for a paused endpoint as long as it takes, and finishes when its experiment may begin nothing more.

    `admit` is awaited before each request until something was heard; it may raise AtRest.
    """

    def __init__(self, log: CallLog, admit: Callable[[], Awaitable[None]] | None = None) -> None:
        self._log = log
        self._admit = admit
        self._probes: set[str] = set()
        self.heard = False
        """Whether any request of this ask got a reply."""

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """See `CallLog`."""
        if self._admit is not None and not self.heard:
            await self._admit()
        if call.purpose == PROBE:
            self._probes.add(request_id)
        await self._log.begin(call, attempt, request_id)

    async def end(self, request_id: str, ending: Ending) -> None:
        """See `CallLog`."""
        self.heard = self.heard or (ending.status == "ok" and request_id not in self._probes)
        await self._log.end(request_id, ending)


PROBE = "probe"
"""Purpose of a request that no ask needs: it tells whether the endpoint answers."""


# ── the participant ─────────────────────────────────────────────────────────────────────────────────────────────


class Later:
    """Returned instead of content by a participant who answers later."""


LATER = Later()


@dataclass(frozen=True, slots=True)
class Asking:
    """The tools of a participant beside the view. They show it nothing more."""

    path: str
    protocol: str
    seed: int
    """For sampling. Depends only on the trial and the path of the ask."""
    passage: IndexedPassage
    """For checking quotes. A participant may *read* only `view.passage`."""
    calls: CallLog
    prompts: "Prompts"


class Prompts(Protocol):
    """The snapshotted templates of an arm."""

    @property
    def is_shipped(self) -> bool:
        """Whether all of them are the arena's own, which take no time worth a thread."""

    def segments(self, protocol: str, view: View, form: str = "") -> list[Segment]:
        """The prompt of a view, in the order that suits the prefix cache. `form` asks for another form of reply."""


class Participant(Protocol):
    """A model, a built-in or a person in a seat."""

    async def answer(self, view: View, asking: Asking) -> AnyContent | Later:
        """Answer an ask, or return LATER if the answer will come later.

        Raise ParticipantError if there can be no answer.
        """
