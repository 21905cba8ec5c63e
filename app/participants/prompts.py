"""Turns a view into the prompt of a model, from snapshotted templates.

A template consists of blocks only. Their order is fixed here, and each block gets only variables that may
change at its place. So all seats on one passage share system message and passage, all on one question also
the question, and each later turn of a seat extends its earlier one up to the request.
"""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from jinja2 import Template, TemplateError

from app.participants import sandbox
from app.participants.base import ParticipantError, Segment
from app.participants.rendering import BadTemplate, OverBound, renderers
from app.participants.speeches import least_of_a_quote
from app.protocols import PROTOCOLS
from app.protocols.core import Belief, Items, Limits, Note, Pick, Rating, Speech, Stance, Thought
from app.protocols.quotes import MarkedText, render
from app.protocols.views import LETTERS, Line, View

# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────


class PromptError(ParticipantError):
    """A template cannot be used. The sentence names it and says what to change."""


# ── what templates are made of ──────────────────────────────────────────────────────────────────────────────────

LAYOUT: Final = ("system", "passage", "question", "role", "move", "request")
"""The blocks of a prompt in their order. `move` is rendered once for each shown line."""

_QUESTION = ("question", "answers")
_SEAT = ("title", "label", "letter", "answer", "others", "reads_passage")

VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "system": (),
    "passage": ("passage",),
    "question": _QUESTION,
    "role": (*_SEAT, "examples"),
    "move": ("speaker", "own", "draft", "kind", "text", "scratchpad", "together", "first", "notes_shown"),
    "rules": ("limits", "room", "facts", "notes_shown"),
    "request": (
        *_QUESTION,
        *_SEAT,
        "wants",
        "limits",
        "room",
        "form",
        "facts",
        "notes_shown",
        "heard",
        "rules",
    ),
}
"""Every block and its variables. `rules` is not laid out: a `request` prints it as a variable."""

SHARED: Final = "shared"
_BASE: Final = "layout"
"""The template that gives every block that the others leave out."""

_TEMPLATES: Final = Path(__file__).resolve().parents[2] / "templates"

VERSIONS: Final = ("v2", "v1")
"""The versions of the shipped prompts, the newest first. What changed since an older one is kept in a folder of its name."""

NEWEST: Final = VERSIONS[0]
OLDEST: Final = VERSIONS[-1]


def load(overrides: Mapping[str, Path | str], *protocols: str, version: str = NEWEST) -> dict[str, str]:
    """Read all templates that `protocols` may need, of one version: sources by name, such as `debate/debater`.

    `overrides` replaces a kind of ask (or `layout`) by a user's template, given as a file or as its text.
    Raise PromptError where a file cannot be read, does not consist of blocks, or overrides an unknown kind.
    """
    sources = {
        f"{name}/{path.stem}": _read(path)
        for name in (SHARED, *protocols)
        for folder in folders(name)
        for path in _shipped(folder, version)
    }
    replaced = dict(sources)
    for kind, given in overrides.items():
        source = read_override(given)
        check(f"for `{kind}`" if isinstance(given, str) else str(given), source)
        replaced |= dict.fromkeys(_overridden(kind, protocols, sources), source)
    return replaced


def _shipped(folder: str, version: str) -> list[Path]:
    """Return the files of one folder in a version: the newest, replaced by what each older version has kept."""
    older = VERSIONS[1 : VERSIONS.index(version) + 1]
    places = [
        _TEMPLATES / "prompts" / folder,
        *(_TEMPLATES / "prompt-versions" / name / folder for name in older),
    ]
    found = {path.name: path for place in places for path in sorted(place.glob("*.jinja"))}
    return [found[name] for name in sorted(found)]


def folders(name: str) -> list[str]:
    """Return the folders of a protocol's templates, or of those shared by all; a later folder goes before an earlier one."""
    family = PROTOCOLS[name].family if name in PROTOCOLS else ""
    return [family, name] if family else [name]


def read_override(given: Path | str) -> str:
    """Return the text of a template that is given as its file or as itself. Raise PromptError."""
    return given if isinstance(given, str) else _read(given)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(
            f"The prompt template {path} cannot be read ({error}): give the path of a UTF-8 text file."
        ) from error


def _overridden(kind: str, protocols: tuple[str, ...], sources: Mapping[str, str]) -> list[str]:
    """Return the names under which an override of `kind` is looked up first."""
    names = [f"{protocol}/{kind}" for protocol in protocols]
    names = [name for name in names if name in sources or f"{SHARED}/{kind}" in sources]
    if not names:
        kinds = sorted({name.partition("/")[2] for name in sources})
        raise PromptError(
            f"There is no prompt `{kind}` to replace in {', '.join(protocols)}; "
            f"the nearest is `{_nearest(kind, kinds)}`."
        )
    return names


def _nearest(word: str, valid: list[str]) -> str:
    return get_close_matches(word, valid, 1, 0)[0]


# ── checking ────────────────────────────────────────────────────────────────────────────────────────────────────


def check(name: str, source: str) -> None:
    """Refuse a template with text outside of blocks, whose blocks use variables that they do not have, or that computes
    more than it may.
    """
    found = _parts(name, source)
    for part in found:
        if part["name"] is None:
            raise PromptError(
                f"The prompt template {name} has text outside of its blocks at line {part['line']}: "
                f"move it into one of {', '.join(VARIABLES)}."
            )
        _check_block(name, part)
    if source in _shipped_sources():
        return
    for part in found:
        try:
            renderers().render(source, part["name"], _USUAL)
        except OverBound as error:
            raise PromptError(_over(part["name"], name, error)) from error
        except BadTemplate:
            continue  # It wants other values than these, or is of no use: that shows where it is rendered.


def _over(block: str, name: str, error: OverBound) -> str:
    return (
        f"The block `{block}` of the prompt template {name} computes more than it may: {error}. "
        "Write out what it computes, or take out the loop."
    )


def _parts(name: str, source: str) -> list[dict[str, Any]]:
    """Return the parts of a template, as `sandbox.inspected` has them. Raise PromptError."""
    if len(source) > MOST_SOURCE:
        raise PromptError(
            f"The prompt template {name} has more than {MOST_SOURCE:,} characters: shorten it to a prompt."
        )
    try:
        found = renderers().inspect(source)
    except OverBound as error:
        raise PromptError(
            f"The prompt template {name} is too much to read: {error}. Write a plainer one."
        ) from error
    except BadTemplate as error:
        raise PromptError(f"The prompt template {name} is not valid Jinja: {error}") from error
    if found["files"]:
        raise PromptError(
            f"The prompt template {name} uses another file: write the text into the template itself."
        )
    parts: list[dict[str, Any]] = found["parts"]
    return parts


def _check_block(name: str, block: Mapping[str, Any]) -> None:
    if block["name"] not in VARIABLES or block["inner"]:
        found = block["inner"] if block["inner"] and block["name"] in VARIABLES else block["name"]
        raise PromptError(
            f"The prompt template {name} has a block `{found}` that has no place in the layout; "
            f"the nearest is `{_nearest(found, list(VARIABLES))}`."
        )
    for variable in block["variables"]:
        if variable not in VARIABLES[block["name"]]:
            raise PromptError(_misplaced(name, block["name"], variable))


def _misplaced(name: str, block: str, variable: str) -> str:
    given = list(VARIABLES[block])
    hint = f"the nearest is `{_nearest(variable, given)}`" if given else "it is given none"
    return f"The prompt template {name} uses `{variable}`, which the block `{block}` does not have; {hint}."


# ── rendering ───────────────────────────────────────────────────────────────────────────────────────────────────


MOST_SOURCE: Final = 200_000
"""Most characters of a template."""

MOST_PROMPT: Final = 4 * sandbox.MOST_CHARACTERS
"""Most characters of a block with the texts that it prints, beyond each of these once."""

_ENVIRONMENT = sandbox.BoundedEnvironment()


@cache
def _shipped_sources() -> frozenset[str]:
    """Return the arena's own templates, of all versions. They alone are compiled in this process."""
    folders = (_TEMPLATES / "prompts", _TEMPLATES / "prompt-versions")
    return frozenset(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.jinja"))


@lru_cache(maxsize=256)
def _compiled(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)


class _Rendering(NamedTuple):
    """A template of one prompt, and where it is rendered."""

    name: str
    source: str
    shipped: bool

    @property
    def blocks(self) -> Sequence[str]:
        """The names of its blocks. Raise PromptError."""
        return list(_compiled(self.source).blocks) if self.shipped else _blocks(self.name, self.source)

    def block(self, block: str, variables: Mapping[str, Any]) -> str:
        """Return the text of a block. Raise PromptError."""
        try:
            if not self.shipped:
                return renderers().render(self.source, block, variables)
            return sandbox.rendered(_compiled(self.source), block, variables)
        except OverBound as error:
            raise PromptError(_over(block, self.name, error)) from error
        except (BadTemplate, TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise PromptError(
                f"The block `{block}` of the prompt template {self.name} cannot be rendered: {error}."
            ) from error


@lru_cache(maxsize=256)
def _blocks(name: str, source: str) -> Sequence[str]:
    return [part["name"] for part in _parts(name, source) if part["name"]]


class Answer(NamedTuple):
    """An answer as this seat reads it."""

    letter: str
    text: str


class Room(NamedTuple):
    """The lengths of a reply in the unit in which its language is counted; None or 0 where there is no limit."""

    unit: str
    """`words`, or `characters` in scripts without spaces between words."""
    target: int | None
    least: int
    most: int | None
    quote: str
    """The least that a quote must have, such as `four words`."""

    @classmethod
    def of(cls, view: View) -> Self:
        """Return the lengths of one ask."""
        unit, limits = view.unit, view.limits
        return cls(
            unit.name,
            limits.target_words and unit.of(limits.target_words),
            unit.of(limits.min_words),
            limits.max_words and unit.of(limits.max_words),
            least_of_a_quote(unit),
        )


_USUAL: Final[Mapping[str, Any]] = {
    "passage": "The passage.",
    "question": "Which answer is right?",
    "answers": [Answer("A", "This one."), Answer("B", "That one.")],
    "title": "Judge",
    "label": "the judge",
    "letter": "A",
    "answer": "This one.",
    "others": [Answer("B", "That one.")],
    "reads_passage": True,
    "examples": "An example.",
    "speaker": "Debater A",
    "own": False,
    "draft": False,
    "kind": "speech",
    "text": "> It says so.",
    "scratchpad": "> Some notes.",
    "together": 2,
    "first": True,
    "notes_shown": False,
    "limits": Limits(target_words=100, max_words=200, quote_characters=400),
    "room": Room("words", 100, 0, 200, "four words"),
    "facts": {},
    "wants": "speech",
    "form": "Reply with a speech.",
    "heard": 1,
    "rules": "Some rules.",
}
"""Values as of an ordinary turn, by which a template's check finds out how much it computes."""


def _one_letter(view: View) -> str:
    """Return the usual form of a belief."""
    return f"Reply with its letter alone: {' or '.join(view.letters)}."


class Example(NamedTuple):
    """An argument that an earlier verifier accepted."""

    question: str
    argued: str
    """The wrong answer that it argues for."""
    argument: str
    """As `quotes.render` made it."""


class PromptBook:
    """Prompts from a snapshot of templates. `sources` is the earlier result of `load`; nothing else is read."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    @property
    def is_shipped(self) -> bool:
        """Return whether all templates are the arena's own, so that none is rendered in another process."""
        return all(text in _shipped_sources() for name, text in self._sources.items() if not _is_data(name))

    def segments(self, protocol: str, view: View, form: str = "") -> list[Segment]:
        """Return the prompt of `view`. `form` asks for the form of its reply, where that is not the usual one.

        The passage and the words of every move are separate segments with their exact text (moves: as
        `fenced`). The last segment is the request. Raise PromptError where a template is missing or cannot be
        rendered.
        """
        page = _Page(self._templates(protocol, view.kind))
        question = _question(view)
        seat = _seat(view, question["answers"])
        page.add("system", {})
        page.add("passage", {}, passage=view.passage)
        page.add("question", question)
        page.add("role", {**seat, "examples": None}, examples=self._examples(protocol))
        for group in view.groups:
            for place, line in enumerate(group):
                shown = _move(line, place, len(group)) | {"notes_shown": view.notes_shown}
                page.add("move", shown, **_words(line, view))
        asked = {
            "limits": view.limits,
            "room": Room.of(view),
            "facts": view.facts.by_name(),
            "notes_shown": view.notes_shown,
        }
        rules = page.render("rules", asked).strip()
        shown = {"rules": rules, "form": form or _one_letter(view)}
        page.add("request", question | seat | asked | _request(view) | shown)
        if form and form not in page.segments[-1].text:  # a template without `form`
            page.segments.append(Segment("user", f"\n\n{form}"))
        return page.segments

    def examples(self, protocol: str) -> list[Example]:
        """Return the arguments that misled earlier verifiers, where the arm has some."""
        lines = map(json.loads, self._sources.get(f"{protocol}/examples", "").splitlines())
        return [Example(held["question_text"], held["argued"], held["argument"]) for held in lines]

    def _examples(self, protocol: str) -> str | None:
        return "\n\n".join(map(_example, self.examples(protocol))) or None

    def _templates(self, protocol: str, kind: str) -> dict[str, _Rendering]:
        """Return for each block its name and its template: the kind's, else the protocol's, else the shared
        one.
        """
        own = next(
            (name for name in (f"{protocol}/{kind}", f"{SHARED}/{kind}") if name in self._sources), None
        )
        if own is None:
            kinds = sorted({name.partition("/")[2] for name in self._sources})
            raise PromptError(
                f"{protocol} has no prompt `{kind}`; the nearest is `{_nearest(kind, kinds)}`: "
                f"add templates/prompts/{protocol}/{kind}.jinja."
            )
        blocks: dict[str, _Rendering] = {}
        for name in (f"{SHARED}/{_BASE}", f"{protocol}/{_BASE}", own):
            if name in self._sources:
                source = self._sources[name]
                template = _Rendering(name, source, source in _shipped_sources())
                blocks |= dict.fromkeys(template.blocks, template)
        return blocks


def _is_data(name: str) -> bool:
    return name.endswith("/examples")


class _Page:
    """A prompt in its layout, block after block."""

    def __init__(self, templates: Mapping[str, _Rendering]) -> None:
        self._templates = templates
        self.segments: list[Segment] = []

    def add(self, block: str, variables: Mapping[str, Any], **verbatim: str | None) -> None:
        """Render a block. Each of the `verbatim` texts that it prints becomes a separate segment."""
        slots = {name: _slot(name) if text else text for name, text in verbatim.items()}
        texts = {_slot(name): text for name, text in verbatim.items() if text}
        rendered = self.render(block, {**variables, **slots}).strip()
        if not rendered:
            return
        if self.segments and self.segments[-1].role == "user":
            rendered = f"\n\n{rendered}"
        self._check_length(block, rendered, texts)
        role: Literal["system", "user"] = "system" if block == "system" else "user"
        for piece in _SLOT.split(rendered):
            if piece:
                self.segments.append(Segment(role, texts.get(piece, piece), verbatim=piece in texts))

    def _check_length(self, block: str, rendered: str, texts: Mapping[str, str]) -> None:
        """Refuse a block that prints a long text so often that the prompt would fill the memory."""
        repeated = sum(len(text) * max(rendered.count(slot) - 1, 0) for slot, text in texts.items())
        if repeated > MOST_PROMPT:
            over = OverBound(f"it makes more than {MOST_PROMPT:,} characters or items")
            raise PromptError(_over(block, self._templates[block].name, over))

    def render(self, block: str, variables: Mapping[str, Any]) -> str:
        """Return the text of one block."""
        return self._templates[block].block(block, variables)


# Private-use characters stand in for a long text while its block is rendered.
_SLOT = re.compile("(\ue000[a-z]+\ue001)")


def _slot(name: str) -> str:
    return f"\ue000{name}\ue001"


# ── what each block is given ────────────────────────────────────────────────────────────────────────────────────


def _question(view: View) -> dict[str, Any]:
    answers = [Answer(LETTERS[place], _one_line(text)) for place, text in enumerate(view.answers)]
    return {"question": _one_line(view.question), "answers": answers}


def _one_line(text: str) -> str:
    """Return question and answers on one line each, so that neither can be taken for a part of the layout."""
    return " ".join(text.split())


def _example(held: Example) -> str:
    """Return one example in words."""
    question, argued = (fenced(_one_line(text)) for text in (held.question, held.argued))
    return f"Question:\n{question}\nArgued for, and wrong:\n{argued}\nThe argument:\n{fenced(held.argument)}"


def _seat(view: View, answers: list[Answer]) -> dict[str, Any]:
    own = None if view.side is None else answers[view.side]
    return {
        "title": view.title,
        "label": view.label,
        "letter": own and own.letter,
        "answer": own and own.text,
        "others": [answer for answer in answers if own and answer != own],
        "reads_passage": view.passage is not None,
    }


def _move(line: Line, place: int, together: int) -> dict[str, Any]:
    return {
        "speaker": line.speaker,
        "own": line.own,
        "draft": line.draft,
        "kind": line.content.kind,
        "together": together,
        "first": place == 0,
    }


def _request(view: View) -> dict[str, Any]:
    return {
        "wants": view.wants,
        "heard": sum(not line.own for line in view.lines),
    }


def _words(line: Line, view: View) -> dict[str, str | None]:
    """Return the words of a shown move, and the private notes of a speech: the seat's own, or such as it may read."""
    notes = line.content.scratchpad if isinstance(line.content, Speech) else ""
    return {
        "text": fenced(_shown(line, view)),
        "scratchpad": fenced(_plain(notes)) if notes.strip() else None,
    }


def _shown(line: Line, view: View) -> str:
    """Return a move in words, with angle brackets only where quotes are marked."""
    match content := line.content:
        case Speech():
            return render(content.said)
        case Note() | Thought():
            return _plain(content.text)
        case Items():
            return "\n".join(_plain(text) for text in line.numbered())
        case Pick():
            return _plain(content.said) or f"Option {content.index + 1}"
        case Rating():
            return f"{content.value:.0%}"
        case Belief():
            return "\n".join(f"{LETTERS[at]}: {content.p[index]:.0%}" for at, index in enumerate(view.order))
        case Stance():
            return content.stance


def _plain(text: str) -> str:
    return render(MarkedText(text=text, quotes=()))


FENCE: Final = "> "
_CONTROL_WORDS = re.compile(r"\[(?=\s*/?\s*(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_))", re.IGNORECASE)


def fenced(text: str) -> str:
    """Return the text with a mark before each of its lines, so that no line can pose as a heading or as
    another speaker.

    Control words of chat templates in brackets are broken up. `render` has escaped those in angle brackets.
    """
    lines = _CONTROL_WORDS.sub("(", text).splitlines() or [""]
    return "\n".join(f"{FENCE}{line}".rstrip() for line in lines)
