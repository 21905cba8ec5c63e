"""Languages of the words that participants read, and which one is spoken now.

The arena's own words are English in templates, Python and scripts. Catalogues in `app/translations/` have them in other
languages, as `.po` files that are read when a language is first used: nothing has to be compiled. Researchers' pages,
and the texts of studies and transcripts, are never translated.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from babel.messages import Catalog

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}
"""Languages by code, each with its name in itself."""
TRANSLATIONS = Path(__file__).parent / "translations"

_now: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """Return the code of the language that is spoken now."""
    return _now.get()


def speak(code: str) -> None:
    """Speak a language for the rest of this request."""
    _now.set(code if code in LANGUAGES else ENGLISH)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language for a while."""
    before = _now.set(code)
    try:
        yield
    finally:
        _now.reset(before)


def catalogue_path(code: str) -> Path:
    """Return the path of a language's catalogue."""
    return TRANSLATIONS / code / "LC_MESSAGES" / "arena.po"


@cache
def catalogue(code: str) -> "Catalog":
    """Return the catalogue of a language other than English."""
    from babel.messages.pofile import read_po

    with catalogue_path(code).open("rb") as file:
        return read_po(file, locale=code, domain="arena", ignore_obsolete=True)


@cache
def translations(code: str) -> NullTranslations:
    """Return the translations into a language; messages stay as they are in English."""
    if code == ENGLISH:
        return NullTranslations()
    from babel.messages.mofile import write_mo

    compiled = io.BytesIO()
    write_mo(compiled, catalogue(code))
    compiled.seek(0)
    return GNUTranslations(compiled)


def gettext(message: str, /, **values: Any) -> str:
    """Return a message in the language that is spoken now, with values in the place of `%(name)s`.

    As in templates, a percent sign is written twice, also where there are no values.
    """
    return translations(language()).gettext(message) % values


def ngettext(singular: str, plural: str, number: int, /, **values: Any) -> str:
    """Return the form of a message that fits a number, which is also its value `%(num)s`."""
    return translations(language()).ngettext(singular, plural, number) % {"num": number, **values}


def english(message: str, /, **values: Any) -> str:
    """Return a message in English, as models read it."""
    return message % values


def marked(message: str) -> str:
    """Return a message as it is: it is extracted here, and translated where it is shown."""
    return message


def in_words(moment: datetime) -> str:
    """Return day and time of day as they are written in the language that is spoken now."""
    from babel.dates import format_datetime

    return format_datetime(moment, gettext("d MMMM y 'at' HH:mm"), locale=language())


def day_in_words(moment: datetime) -> str:
    """Return a day as it is written in the language that is spoken now."""
    from babel.dates import format_date

    return format_date(moment, gettext("d MMMM y"), locale=language())


@cache
def script_words(code: str) -> Mapping[str, str]:
    """Return the messages of scripts with their translations; none in English, which scripts have themselves."""
    if code == ENGLISH:
        return {}
    return {
        str(message.id): str(message.string)
        for message in catalogue(code)
        if message.id and message.string and any(path.endswith(".js") for path, _ in message.locations)
    }


def best(accepted: str, offered: Sequence[str]) -> str:
    """Return the language on offer that an `Accept-Language` header prefers; the first one where it names none."""
    return next((code for code in _preferred(accepted) if code in offered), offered[0])


def _preferred(accepted: str) -> list[str]:
    """Return codes without their regions, the most wanted first."""
    weighed = []
    for part in accepted.split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if weight > 0:
            weighed.append((weight, tag.partition("-")[0].lower()))
    return [tag for _, tag in sorted(weighed, key=lambda pair: -pair[0])]
