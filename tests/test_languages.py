"""The languages of participants' pages: every word in every language, and no word outside of the catalogues."""

import re

import pytest

from app import languages
from app.languages import LANGUAGES, best, catalogue, gettext, ngettext, speaking
from app.studies.spec import StudySpec
from app.templating import STATIC, environment
from scripts.messages import SCRIPTS, extracted, participants_templates
from tests.bare_texts import bare_strings, bare_texts, in_template

OTHERS = [code for code in LANGUAGES if code != languages.ENGLISH]
PLACEHOLDER = re.compile(r"%%|%\((\w+)\)[.\d]*[a-z]")
MARKUP = re.compile(r"</?\w+[^>]*>|&\w+;")


def _key(message: object) -> object:
    return tuple(message) if isinstance(message, list) else message


def _forms(text: str | list[str] | tuple[str, ...]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_the_messages_of_the_pages_and_no_others(code: str) -> None:
    said = {_key(message.id) for message in extracted() if message.id}
    kept = {_key(message.id) for message in catalogue(code) if message.id}
    assert kept == said, "run `make messages`, and translate what is new"


@pytest.mark.parametrize("code", OTHERS)
def test_every_message_is_translated(code: str) -> None:
    for message in catalogue(code):
        if message.id:
            assert all(_forms(message.string)), f"{message.id!r} has no translation"
            assert not message.fuzzy, f"{message.id!r} has to be looked at"


@pytest.mark.parametrize("code", OTHERS)
def test_placeholders_and_markup_of_translations_are_those_of_the_message(code: str) -> None:
    for message in catalogue(code):
        if not message.id:
            continue
        for translated in _forms(message.string):
            for pattern in (PLACEHOLDER, MARKUP):
                wanted = [_found(pattern, original) for original in _forms(message.id)]
                assert _found(pattern, translated) in wanted, message.id


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    return sorted(match[0] for match in pattern.finditer(text))


@pytest.mark.parametrize("name", participants_templates())
def test_a_participants_template_has_no_text_outside_of_messages(name: str) -> None:
    assert in_template(name) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_participants_script_has_no_text_outside_of_messages(name: str) -> None:
    assert bare_strings((STATIC / name).read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Hello there</p>",
        '<p aria-label="Hello">{{ name }}</p>',
        '<p>{{ "Hello" if name else _("Bye") }}</p>',
        "{% trans %}Hello{% endtrans %}<p>Bye</p>",
        '<p>{{ _("Hello") ~ " and more" }}</p>',
    ],
)
def test_bare_text_is_found(source: str) -> None:
    assert bare_texts(source)


@pytest.mark.parametrize(
    "source",
    [
        '<p class="Hello">{{ _("Hello") }} {{ name }}</p>',
        '<a href="/{{ "talk" if talk else "judge" }}"{{ " hidden" if name == "Bob" }}>{% trans n=2 %}Hello {{ n }}{% endtrans %}</a>',
        "<kbd>Alt</kbd> {# a comment #}",
    ],
)
def test_markup_and_messages_are_no_bare_text(source: str) -> None:
    assert bare_texts(source) == []


def test_strings_of_a_script_are_found() -> None:
    assert bare_strings('say("Not saved yet");') == ['"Not saved yet"']
    assert bare_strings('say("Saved");') == ['"Saved"']
    assert bare_strings("say(`Not ${what} saved yet`);") == ["`Not ${what} saved yet`"]
    assert bare_strings('say(_("Not saved yet")); // not a text') == []


def test_values_in_messages_are_escaped_and_cleaned() -> None:
    template = environment.from_string(
        '{% trans name=name %}<b>{{ name }}</b> 100 %{% endtrans %} {{ _("Welcome, %(name)s", name=name) }}'
    )
    html = template.render(name="<i>\u202e")
    assert html == "<b>&lt;i&gt;\ufffd</b> 100 % Welcome, &lt;i&gt;\ufffd"


def test_messages_are_said_in_the_language_spoken_now() -> None:
    assert gettext("Send") == "Send"
    with speaking("de"):
        assert gettext("Send") == "Senden"
        assert gettext("Welcome, %(name)s", name="Ana") == "Willkommen, Ana"
        assert gettext("a message of no catalogue") == "a message of no catalogue"
        one, more = "Write at least one line.", "Write at least %(num)s lines."
        assert ngettext(one, more, 1) == "Schreiben Sie mindestens eine Zeile."
        assert ngettext(one, more, 3) == "Schreiben Sie mindestens 3 Zeilen."
    assert gettext("Send") == "Send"


def test_scripts_bring_their_own_words_and_english_needs_none() -> None:
    assert languages.script_words("en") == {}
    words = languages.script_words("de")
    assert words["Saved"] == "Gespeichert"
    assert "Skip to the content" not in words


@pytest.mark.parametrize(
    ("accepted", "offered", "found"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", ("en", "de"), "de"),
        ("fr, en;q=0.2, de;q=0.4", ("en", "de"), "de"),
        ("fr", ("en", "de"), "en"),
        ("", ("de", "en"), "de"),
        ("de;q=0, en;q=0.1", ("de", "en"), "en"),
        ("de;q=much, EN", ("de", "en"), "en"),
        ("de", ("en",), "en"),
    ],
)
def test_a_newcomer_is_met_in_the_language_that_the_browser_prefers(
    accepted: str, offered: tuple[str, ...], found: str
) -> None:
    assert best(accepted, offered) == found


def test_studies_may_offer_the_languages_there_are() -> None:
    schema = StudySpec.model_json_schema()["properties"]["languages"]
    assert schema["items"]["enum"] == list(LANGUAGES)
