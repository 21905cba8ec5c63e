"""The templates that pages and stand-alone files are rendered from: autoescaped and strict about names.

Texts from outside are hostile: besides escaping their markup, `plain` takes from every text that a template writes the
characters that could hide or turn around what follows it.
"""

import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from app import languages

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
STATIC = Path(__file__).parent / "web" / "static"

_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that set the direction of writing."""


def plain(text: str) -> str:
    """Text whose invisible characters that could turn the page's own writing around are shown as replaced."""
    return _INVISIBLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _written(value: Any) -> Any:
    """What an expression of a template writes; markup is that of templates, whose texts came by here already."""
    return plain(value) if type(value) is str else value


environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_written,
    extensions=["jinja2.ext.i18n"],
    # Templates and static files change with the arena's version only: they are not read again while it runs.
    auto_reload=False,
)


@cache
def asset(path: str) -> str:
    """Return the address of a static file, which changes with its content so that browsers may keep it for long.

    Not with its time of change: all files of a wheel, or of an image, may have the same one for ever.
    """
    return f"/static/{path}?v={sha256((STATIC / path).read_bytes()).hexdigest()[:12]}"


@pass_context
def mark(context: Context, name: str, *about: str, error: str = "mistake") -> Markup:
    """Return the attributes of the field `name`: what describes it and, where the page says that it is `wrong`, that it is.

    `wrong` names the fields to mark in the order of the page; the first one takes the focus. `about` are ids of what describes the field
    anyway, `error` is the id of the sentence that says what is wanted. Every form marks its fields by this.
    """
    wrong = list(context.get("wrong") or ())
    described = [item for item in about if item]
    if name not in wrong:
        return Markup(' aria-describedby="{}"').format(" ".join(described)) if described else Markup("")
    attributes = Markup(' aria-invalid="true" aria-describedby="{}"').format(" ".join([error, *described]))
    return attributes + Markup(" autofocus") if wrong[0] == name else attributes


@pass_context
def opened(context: Context, *prefixes: str) -> Markup:
    """Return the attribute that unfolds what holds a field that is wrong: one whose name begins with one of `prefixes`."""
    wrong = list(context.get("wrong") or ())
    return Markup(" open") if any(name.startswith(prefixes) for name in wrong) else Markup("")


def _in_markup(message: str, values: dict[str, Any]) -> Markup:
    """Return a message, which is markup of ours, with values that are escaped as expressions of a template are."""
    return Markup(message) % {name: _written(value) for name, value in values.items()}  # noqa: S704


def _gettext(message: str, /, **values: Any) -> Markup:
    return _in_markup(languages.translations(languages.language()).gettext(message), values)


def _ngettext(singular: str, plural: str, number: int, /, **values: Any) -> Markup:
    found = languages.translations(languages.language()).ngettext(singular, plural, number)
    return _in_markup(found, {"num": number, **values})


def _script_words() -> Mapping[str, str]:
    return languages.script_words(languages.language())


# Messages with values by name, in which a percent sign is written twice; line ends in them are spaces.
environment.newstyle_gettext = True  # type: ignore[attr-defined]
environment.policies["ext.i18n.trimmed"] = True
environment.globals |= {
    "asset": asset,
    "mark": mark,
    "opened": opened,
    "gettext": _gettext,
    "ngettext": _ngettext,
    "in_words": languages.in_words,
    "language": languages.language,
    "script_words": _script_words,
    "languages": languages.LANGUAGES,
}
