"""What a model's server does not take, learned from its own words, and requests as it takes them; sends nothing."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal, Protocol, get_args

from app.participants.base import Call, EndpointSettings, Segment
from app.participants.complaints import Complaint

Kind = Literal["as", "most", "least", "without", "drop", "fold", "stream"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a server does not take, and what is sent instead.

    `as` sends parameter `name` in the form `value`; `most` and `least` bound it by `value`; `without` leaves it out
    where it equals `value`, `drop` always; `fold` puts system messages into those of the user; `stream` asks for a
    stream of events.
    """

    kind: Kind
    name: str = ""
    value: str | float | None = None

    def __str__(self) -> str:
        """Return what is done, as a clause."""
        match self.kind:
            case "as":
                return f"{self.name} is sent as {self.value}"
            case "most":
                return f"{self.name} is kept at {self.value:.12g} or below"
            case "least":
                return f"{self.name} is kept at {self.value:.12g} or above"
            case "without":
                return f"{self.name} is left out where it is {self.value:.12g}"
            case "drop":
                return f"{self.name} is left out"
            case "stream":
                return "replies are streamed"
            case "fold":
                return "system messages are put into the first message of the user"


@dataclass(frozen=True, slots=True)
class Dialect:
    """All that is known of one model's server."""

    changes: tuple[Change, ...] = ()
    proven: frozenset[str] = frozenset()
    """Parameters that decide how a reply is read, and once worked. One odd refusal does not change them."""

    def takes(self, name: str) -> bool:
        """Return whether a parameter is sent at all."""
        return Change("drop", name) not in self.changes

    def with_(self, *changes: Change) -> "Dialect":
        """Return the dialect with these changes, each once."""
        return replace(self, changes=tuple(dict.fromkeys((*self.changes, *changes))))

    def knowing(self, *names: str) -> "Dialect":
        """Return the dialect with parameters that were seen to work."""
        return replace(self, proven=self.proven | set(names))

    def spoken(self, call: Call) -> tuple[dict[str, Any], list[Segment]]:
        """Return the parameters and segments to send for a call."""
        params = {
            item: value
            for name, given in call.params.items()
            for item, value in (
                [(name, given)] if name in call.fixed else self._param(name, given, call).items()
            )
            if item == name or item not in call.fixed
        }
        if "logprobs" not in params and "top_logprobs" not in call.fixed:
            params.pop("top_logprobs", None)  # Servers refuse it alone.
        if Change("stream") in self.changes:
            params.setdefault("stream", True)
        fold = Change("fold") in self.changes
        return params, folded(call.segments) if fold else list(call.segments)

    def form(self, name: str) -> str:
        """Return the form in which a parameter is sent now."""
        forms = [str(change.value) for change in self.changes if (change.kind, change.name) == ("as", name)]
        return forms[-1] if forms else name

    def _param(self, name: str, value: Any, call: Call) -> dict[str, Any]:
        mine = [change for change in self.changes if change.name == name]
        if name not in call.needs and any(_leaves_out(change, value) for change in mine):
            return {}
        for change in mine:
            value = _bounded(change, value)
        form = self.form(name)
        return {name: value} if form == name else FORMS[form](value, call) if form in FORMS else {form: value}


def _leaves_out(change: Change, value: Any) -> bool:
    return change.kind == "drop" or (change.kind == "without" and change.value == value)


def _bounded(change: Change, value: Any) -> Any:
    """Return the value within a bound. Seeds are taken modulo, so that different ones stay different."""
    if change.kind not in ("most", "least") or not _numeric(value):
        return value
    bound = change.value
    assert isinstance(bound, int | float)
    if change.kind == "least":
        return max(value, bound)
    if change.name == "seed":
        return value % (int(bound) + 1) if bound > 0 else 0
    return min(value, bound)


def folded(segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments with system messages as words of the user, an empty line between them and his others."""
    found: list[Segment] = []
    for system, group in groupby(segments, lambda segment: segment.role == "system"):
        own = [Segment("user", segment.text) if system else segment for segment in group]
        if found and found[-1].role == own[0].role == "user":
            found.append(Segment("user", "\n\n"))
        found += own
    return found


# ── forms of a parameter ────────────────────────────────────────────────────────────────────────────────────────


def _schema_of(value: Any) -> Any:
    return value.get("json_schema", {}).get("schema", {}) if isinstance(value, dict) else {}


def _choice_as_schema(value: Any, call: Call) -> dict[str, Any]:
    """Return a choice as a JSON object with one member; nothing where the first token is read."""
    if "logprobs" in call.params:
        return {}
    schema = {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": list(value["choice"])}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": schema, "strict": True},
        }
    }


_BOUNDS = (
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "uniqueItems",
    "pattern",
    "format",
)
"""Keywords that some servers do not take in a schema."""


def _unbounded(schema: Any) -> Any:
    """Return a schema without bounds."""
    if isinstance(schema, list):
        return [_unbounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: _unbounded(item) for key, item in value.items()}
        if name == "properties"
        else _unbounded(value)
        for name, value in schema.items()
        if name not in _BOUNDS
    }


UNBOUNDED = "response_format without bounds"

FORMS: Mapping[str, Callable[[Any, Call], dict[str, Any]]] = {
    "guided_choice": lambda value, _: {"guided_choice": list(value["choice"])},
    "response_format choice": _choice_as_schema,
    UNBOUNDED: lambda value, _: {"response_format": _unbounded(value)},
    "json_object": lambda value, _: {"response_format": {"type": "json_object"}},
    "guided_json": lambda value, _: {"guided_json": _schema_of(value)},
}
"""Forms that are more than another name."""

ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_completion_tokens",),
    "seed": ("random_seed",),
    "structured_outputs": ("guided_choice", "response_format choice"),
    "response_format": (UNBOUNDED, "json_object", "guided_json"),
}
"""Forms to try, in this order, where a server does not take a parameter."""

METHOD = ("structured_outputs", "response_format", "logprobs", "top_logprobs")
"""Parameters that decide how a reply is read, and that servers also refuse without naming them; in that order."""

VERDICTS = frozenset({"structured_outputs", "logprobs", "top_logprobs"})
"""Those that decide by which method a verdict is read: once one has worked, no refusal changes it."""

FEWER = 5
"""Number of likeliest tokens that all servers return which return any."""

_SPELLINGS: Mapping[str, str] = {
    "top_logprobs": r"top_?log_?probs|topLogprobs",
    "logprobs": r"(response_?)?log_?probs|responseLogprobs|log.?probabilit\w+",
    "max_tokens": r"max_(completion_|output_|new_)?tokens|max(Output|Completion)?Tokens|(completion|output) tokens|max tokens",
    "temperature": r"temperature",
    "top_p": r"top_?p|nucleus\w*",
    "seed": r"(random_)?seed",
    "response_format": r"response_?format|responseFormat|json_?schema|json_?object|json mode|guided_json|response_?schema|"
    r"structured.?outputs?|output_format|grammar",
    "structured_outputs": r"structured.?outputs?|guided.?(choice|decoding)|grammar",
}
"""Other spellings of what we send, in the words of servers."""


# ── from a refusal to a change ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Lesson:
    """A change after a refusal."""

    change: Change
    words: str = ""
    """The server's, without keys."""
    guess: bool = False
    """Whether these words do not name it. A guess counts only if the request then succeeds."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A change that was made after a refusal, and how it is known."""

    change: Change
    because: str

    @property
    def sentence(self) -> str:
        """Return what to say of it."""
        return f"{self.change}, because {self.because}."


class Memory(Protocol):
    """Keeps what was learned of servers for other processes, by the settings of an endpoint and the model."""

    async def load(self, settings: EndpointSettings, model: str) -> Sequence[Learned]:
        """Return what is known; nothing where it is so old that it is to be tried again."""

    async def save(
        self, settings: EndpointSettings, model: str, learned: Sequence[Learned], *, anew: bool = False
    ) -> None:
        """Keep what was learned beside what is known, or with `anew` in its place."""


def lesson(dialect: Dialect, objection: Complaint, call: Call) -> Lesson | None:
    """Return what to change after a refusal of `call`, as it was sent in `dialect`; None where nothing can be.

    Return no change twice, and none of what the user wrote or what is proven.
    """
    if (
        not (400 <= objection.status < 500 or objection.status in (0, 500, 501))
        or objection.status in _NOT_ABOUT_PARAMETERS
    ):
        return None
    if objection.status in _RARELY_ABOUT_PARAMETERS and not denied(objection):
        return None
    if _about_roles(objection) and any(segment.role == "system" for segment in call.segments):
        change = Change("fold")
        return None if change in dialect.changes else Lesson(change, objection.words)
    if _STREAMS_ONLY.search(objection.words) and "stream" not in call.fixed:
        change = Change("stream")
        return None if change in dialect.changes else Lesson(change, objection.words)
    sent, _ = dialect.spoken(call)
    if together := at_odds(dialect, objection, call):
        ours = [
            name for name in together if name not in call.explicit and _adaptable(dialect, name, call, sent)
        ]
        return Lesson(Change("drop", ours[0]), objection.words) if ours else None
    named = list(_named(dialect, objection, call, sent))
    changes = [_changed(dialect, objection, name, call.params[name], sent) for name in named[:1]]
    if changes:
        return Lesson(changes[0], objection.words)
    if _names_fixed(objection, call) or objection.names or objection.status not in (400, 422):
        return None
    guessed = _guess(dialect, call, sent)
    return Lesson(guessed, objection.words, guess=True) if guessed else None


_TOGETHER = re.compile(
    r"\bboth\b|mutually exclusive|\bonly one of\b|(not|n't)\b.{0,40}\b(together|at the same time|simultaneously|in combination)\b"
    r"|\beither\b.{0,60}\bor\b|\bconflicts? with\b",
    re.IGNORECASE,
)


def at_odds(dialect: Dialect, objection: Complaint, call: Call) -> list[str]:
    """Return the parameters of a call that its server does not take together, in the order in which it names them; none
    where it complains of something else.
    """
    if not _TOGETHER.search(objection.words):
        return []
    sent, _ = dialect.spoken(call)
    spelled = {name: _spelling(name, dialect.form(name)) for name in call.params if name in sent}
    at = {name: place for name in spelled if (place := _mentions(objection.words, spelled[name])) is not None}
    return sorted(at, key=lambda name: at[name]) if len(at) > 1 else []


_NOT_ABOUT_PARAMETERS = (402, 407, 408, 409, 413, 425, 429)
_RARELY_ABOUT_PARAMETERS = (401, 403)
_DENIED = re.compile(
    r"\b(?:not|un)\W?(?:allowed|supported|permitted|enabled|available)\b.{0,40}\b(?:request|use|set|param\w*)\b.{0,40}\b(?:top_?)?log_?probs\b"
    r"|\b(?:top_?)?log_?probs\b.{0,40}\b(?:not|un)\W?(?:allowed|supported|permitted|enabled|available)\b",
    re.IGNORECASE,
)


def denied(objection: Complaint) -> bool:
    """Return whether a refusal with 401 or 403 is about log-probabilities, which some accounts may not ask for, and not
    about the key.
    """
    return bool(_DENIED.search(objection.words))


def _about_roles(objection: Complaint) -> bool:
    return bool(_ROLES.search(objection.words)) or any(
        re.search(r"\brole\b", name) for name in objection.names
    )


_ROLES = re.compile(
    r"\b(system|developer)['\"`]?[ _-]?(role|message|prompt|instruction)s?\b"
    r"|\broles?\b.{0,40}\b['\"`]?(system|developer)\b"
    r"|\broles?\b.{0,60}\balternat|only .{0,12}user.{0,20}assistant.{0,12} (roles|are)"
    r"|(first|start|begin).{0,40}\b(be|with)\b.{0,20}\buser\b"
    r"|\brole\b.{0,80}\bgot ['\"`]?(system|developer)\b|(not support|unsupported|unexpected)\W{1,3}['\"`](system|developer)['\"`]"
    r"|['\"`]system['\"`] is not one of|(invalid|unsupported) (value|role)[: ]+['\"`]?(system|developer)\b"
    r"|unexpected (message )?role|invalid (message )?role|unknown (message )?role|role must be",
    re.IGNORECASE,
)


_STREAMS_ONLY = re.compile(
    r"only supports? stream|stream(ing)?\W{1,3}(must|should|needs to|has to) be|must (use|be|enable) stream|enable the stream"
    r"|non-?streaming (calls?|mode|requests?)|requires? stream|stream.{0,20}must be (set to )?true",
    re.IGNORECASE,
)


def _mentions(text: str, spelling: str) -> int | None:
    """Return where a text mentions a parameter, as a whole word; None where it does not."""
    found = re.search(rf"(?<![A-Za-z_])(?:{spelling})(?![A-Za-z_])", text, re.IGNORECASE)
    return found.start() if found else None


def _spelling(name: str, form: str) -> str:
    return "|".join(filter(None, (_SPELLINGS.get(name), re.escape(name), re.escape(form.split()[0]))))


def _named(dialect: Dialect, objection: Complaint, call: Call, sent: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parameters that a refusal names and that may be changed: those of its fields, else of its words."""
    ours = {
        name: _spelling(name, dialect.form(name))
        for name in call.params
        if _adaptable(dialect, name, call, sent)
    }
    inside = [name for names in objection.names for name in ours if _mentions(names, ours[name]) is not None]
    yield from inside
    if not inside and not _names_fixed(objection, call, fields=True):
        text = _TAKEN.sub(" ", objection.words)
        at = {
            name: place for name, spelling in ours.items() if (place := _mentions(text, spelling)) is not None
        }
        found = sorted(at, key=lambda name: (at[name], -len(name)))
        yield from found
        if not found and "response_format" in ours and _about_schema(objection):
            yield "response_format"


_TAKEN = re.compile(
    r"(?<!not )(?<!n't )(?<!not a )\b(allowed|expected|supported|valid|permitted|known|accepted)\b[^.;:]{0,40}(:|one of|\bare)\s[^.;]*",
    re.IGNORECASE,
)
"""The part of a message that lists what a server does take."""


def _adaptable(dialect: Dialect, name: str, call: Call, sent: Mapping[str, Any]) -> bool:
    """Return whether a parameter went out in this request, as ours, and is not known to work."""
    if name in call.fixed or (name in dialect.proven and name in VERDICTS):
        return False
    went = dialect._param(name, call.params[name], call)
    return bool(went) and all(item in sent for item in went)


def _names_fixed(objection: Complaint, call: Call, *, fields: bool = False) -> bool:
    """Return whether a refusal is about what the user wrote; of its fields alone, or also of its words."""
    if any(_mentions(names, re.escape(name)) is not None for name in call.fixed for names in objection.names):
        return True
    # Many keys are common words: they count where they are quoted or look like a parameter.
    shown = (
        rf"[`'\"“]{re.escape(name)}[`'\"”]" + (f"|{re.escape(name)}" if "_" in name else "")
        for name in call.fixed
    )
    return not fields and any(_mentions(objection.words, pattern) is not None for pattern in shown)


def _changed(
    dialect: Dialect, objection: Complaint, name: str, value: Any, sent: Mapping[str, Any]
) -> Change:
    """Return the change for a named parameter: its value bounded, its form another, or left out."""
    if name == "logprobs" and (fewer := _fewer(dialect, objection, sent)):
        return fewer
    now = next((sent[item] for item in (name, dialect.form(name)) if item in sent), value)
    if _numeric(now) and not _UNKNOWN.search(objection.all):
        bound = _bound(objection.words, now, whole=isinstance(value, int))
        if bound is not None and (change := replace(bound, name=name)) not in dialect.changes:
            return change
        if (
            now == 0
            and _ABOVE_NOTHING.search(objection.words)
            and Change("without", name, 0) not in dialect.changes
        ):
            return Change("without", name, 0)
    for form in _wanted_first(objection, ALTERNATIVES.get(name, ())):
        change = Change("as", name, form)
        if change not in dialect.changes and form not in sent:
            return change
    return Change("drop", name)


def _fewer(dialect: Dialect, objection: Complaint, sent: Mapping[str, Any]) -> Change | None:
    """Return the bound of `top_logprobs` where a refusal speaks of the number of log-probabilities; None where not."""
    now = sent.get("top_logprobs")
    if not isinstance(now, int) or not (
        _MOST.search(objection.words) or re.search(rf"\b{now}\b", objection.words)
    ):
        return None
    bound = _bound(objection.words, now, whole=True)
    if bound is None or bound.kind != "most" or not bound.value:
        return None
    change = replace(bound, name="top_logprobs")
    return None if change in dialect.changes else change


def _about_schema(objection: Complaint) -> bool:
    """Return whether a refusal complains of a keyword of the schema, without a word on where it is."""
    named = any(re.search(rf"\b{name}\b", objection.words) for name in _BOUNDS)
    return named and re.search(r"schema|propert|keyword", objection.words, re.IGNORECASE) is not None


def _wanted_first(objection: Complaint, forms: Sequence[str]) -> list[str]:
    """Return the forms, first those that the server names. Bounds are only taken out where it complains of them."""
    bounds = any(_mentions(objection.words, name) is not None for name in _BOUNDS)
    fitting = [form for form in forms if form != UNBOUNDED or bounds]
    return sorted(
        fitting, key=lambda form: form != UNBOUNDED and _mentions(objection.words, form.split()[0]) is None
    )


_UNKNOWN = re.compile(
    r"unsupported.?param|unrecogni[sz]ed|unknown (name|field|param\w*|arg\w*|key|property)|extra.?(inputs?|fields?|param\w*|forbidden)"
    r"|not permitted|additional propert|unexpected (keyword|field|param\w*|arg\w*|property)|not allowed with|only the default",
    re.IGNORECASE,
)
_MOST = re.compile(
    r"\b(at most|max\w*|up to|limit\w*|range|between|exceeds?|(less|fewer|lower|smaller|greater|more|larger|higher) than)\b|<=|≤",
    re.IGNORECASE,
)
_ABOVE_NOTHING = re.compile(
    r"strictly positive|must be positive|(greater than|above|>) ?0(\.0*)?(?![\d.])|non.?zero", re.IGNORECASE
)
_FIGURE = re.compile(r"(?<![\w.,-])-?\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e\+?\d+)?(?![\w-]|\.\d)", re.IGNORECASE)


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bound(words: str, now: float, *, whole: bool) -> Change | None:
    """Return the bound nearest to the value sent, of the figures in a message. Whether it is the least or the most
    follows from the side on which it lies.
    """
    text = re.sub(r"(?<=\d)\s*(?:-|–|~|\.\.\.?)\s*(?=\d)", " to ", words)
    text = re.sub(
        r"([\[(（【]\s*\d+)\s*[,，]\s*(\d+\s*[\])）】])", r"\1 to \2", text
    )  # No thousands: [1,512]
    figures = [float(figure.replace(",", "").replace("_", "")) for figure in _FIGURE.findall(text)]
    bounds = [figure for figure in figures if figure != now and (not whole or figure == int(figure))]
    if not bounds:
        return None
    nearest = min(bounds, key=lambda figure: abs(figure - now))
    exclusive = re.search(rf"(less than|below|<) ?{nearest:g}(?![\d.])", text) is not None
    bound: float = int(nearest) if whole else nearest
    if nearest < now:
        return Change("most", "", bound - 1 if exclusive and whole else bound)
    if re.search(rf"(greater than|more than|above|>) ?{nearest:g}(?![\d.])", text) and whole:
        bound += 1
    return Change("least", "", bound)


def _guess(dialect: Dialect, call: Call, sent: Mapping[str, Any]) -> Change | None:
    """Return what a refusal without any name may be about: constraints, and log-probabilities."""
    for name in METHOD:
        if name not in call.params or name in dialect.proven or not _adaptable(dialect, name, call, sent):
            continue
        bounded = {*call.fixed, *dialect.proven}
        if name == "logprobs" and "top_logprobs" not in bounded and sent.get("top_logprobs", 0) > FEWER:
            return Change("most", "top_logprobs", FEWER)
        return Change("drop", name)
    return None


def pointless(call: Call, change: Change) -> bool:
    """Return whether the call is not worth sending with this change."""
    return change.kind == "drop" and change.name in call.needs


def superseded(params: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters to send where the user wrote `own`: his win, under whatever name a server knows them, and
    `null` removes one.
    """
    instead = {name for name in params if any(_same(name, key) for key in own)}
    kept = {name: value for name, value in params.items() if name not in instead}
    return {**kept, **{name: value for name, value in own.items() if value is not None}}


def _same(name: str, key: str) -> bool:
    return key == name or re.fullmatch(_SPELLINGS.get(name, name), key, re.IGNORECASE) is not None
