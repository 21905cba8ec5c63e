"""Collect the messages of participants' pages into the catalogues of `app/translations/`, where translators work on them.

What a catalogue has already stays; what no page says any more goes. Without a catalogue for a language of
`app.languages.LANGUAGES`, an empty one is made.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from jinja2.meta import find_referenced_templates

from app.languages import ENGLISH, LANGUAGES, catalogue_path
from app.templating import TEMPLATES, environment
from app.web.render import PARTICIPANTS
from models.kept import KEPT, Whose

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("arena.js", "autosave.js", "turn.js")
KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2)}
IN_PYTHON = {**KEYWORDS, "marked": None, "say": None}
_JINJA = {
    "trimmed": "true",
    "newstyle_gettext": "true",
    "silent": "false",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
}


def participants_templates() -> list[str]:
    """Return the names of the templates of participants' pages, with all that they include."""
    found: set[str] = set()
    left = [name for name in environment.list_templates(["html"]) if PARTICIPANTS.fullmatch(name)]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _referenced(name)
    return sorted(found)


def _referenced(name: str) -> Iterator[str]:
    parsed = environment.parse((TEMPLATES / name).read_text())
    for other in find_referenced_templates(parsed):
        if other is None:
            raise ValueError(f"{name} includes a template whose name is not written out")
        yield other


def extracted() -> Catalog:
    """Return every message of participants' pages, with the files that it is in."""
    catalog = Catalog(domain="arena", project="Oversight Arena", charset="utf-8", fuzzy=False)
    for path, method, options in _sources():
        keywords = IN_PYTHON if method == "python" else KEYWORDS
        found = extract_from_file(method, path, keywords, ["Translators:"], options)
        for line, message, comments, context in found:
            where = [(path.relative_to(ROOT).as_posix(), line)]
            catalog.add(message, None, where, auto_comments=comments, context=context)
    for text in kept_texts():
        catalog.add(text, None, [("models/kept.py", 1)])
    return catalog


def kept_texts() -> Iterator[str]:
    """Yield what the page on privacy says to participants of what is kept: `models` cannot mark messages."""
    for kept in KEPT:
        if kept.whose is not Whose.RESEARCHERS:
            yield from (kept.what, kept.why, kept.until.value)


def _sources() -> Iterator[tuple[Path, str, dict[str, Any]]]:
    for name in participants_templates():
        yield TEMPLATES / name, "jinja2.ext:babel_extract", _JINJA
    for path in sorted((ROOT / "app").rglob("*.py")):
        if path.name == "languages.py" or "from app.languages import" in path.read_text():
            yield path, "python", {}
    for name in SCRIPTS:
        yield ROOT / "app" / "web" / "static" / name, "javascript", {"parse_template_string": True}


def updated(code: str, messages: Catalog) -> Catalog:
    """Return the catalogue of a language with these messages and the translations that are there."""
    path = catalogue_path(code)
    before = Catalog(locale=code, creation_date=messages.creation_date)
    if path.exists():
        with path.open("rb") as file:
            before = read_po(file, locale=code, domain="arena")
    catalog = Catalog(
        locale=code,
        domain="arena",
        project="Oversight Arena",
        version="of participants' pages",
        msgid_bugs_address="",
        last_translator="the authors",
        language_team=LANGUAGES[code],
        creation_date=before.creation_date,
        revision_date=before.creation_date,
        fuzzy=False,
        header_comment=f"# {LANGUAGES[code]}: words of the pages of participants. `make messages` keeps it complete.",
    )
    for message in _in_order(messages):
        known = before.get(message.id, context=message.context)
        locations = sorted({(path, 0) for path, _ in message.locations})
        added = catalog.add(
            message.id,
            known.string if known else None,
            locations,
            auto_comments=message.auto_comments,
            user_comments=known.user_comments if known else (),
            context=message.context,
        )
        added.flags |= message.flags
    return catalog


def _in_order(messages: Catalog) -> Iterable[Any]:
    return (message for message in messages if message.id)


def main() -> None:
    """Write every catalogue anew, and say what is still to be translated."""
    messages = extracted()
    for code in LANGUAGES:
        if code == ENGLISH:
            continue
        path = catalogue_path(code)
        catalog = updated(code, messages)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalog, width=110, ignore_obsolete=True, include_lineno=False)
        missing = sum(not _complete(message.string) for message in catalog if message.id)
        print(f"{path.relative_to(ROOT)}: {len(catalog)} messages, {missing} without a translation")


def _complete(string: str | Iterable[str] | None) -> bool:
    return bool(string) if isinstance(string, str | None) else all(string)


if __name__ == "__main__":
    main()
