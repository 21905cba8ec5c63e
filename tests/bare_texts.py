"""Finds words in templates and scripts that no catalogue can translate, because they stand outside of `_()` and `{% trans %}`."""

import re
from html.parser import HTMLParser

from app.templating import TEMPLATES, environment

SHOWN = ("alt", "aria-label", "aria-valuetext", "placeholder", "title")
"""Attributes whose values are read."""
CODE = {"kbd", "code", "script", "style"}
"""Elements whose text is the same in every language."""
NAMES = {"Oversight Arena", "· Oversight Arena", "API"}
_LETTERS = re.compile(r"[^\W\d_]{2}")


class _Words(HTMLParser):
    """Collects what a reader would read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CODE:
            self._inside.append(tag)
        for name, value in attrs:
            if name in SHOWN:
                self._look(value or "")

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._look(data)

    def _look(self, text: str) -> None:
        text = " ".join(text.split())
        if _LETTERS.search(text) and text not in NAMES:
            self.found.append(text)


def bare_texts(source: str) -> list[str]:
    """Return the words of a template that are written into it and are in no message."""
    words = _Words()
    words.feed(_markup(source))
    words.close()
    return words.found


def in_template(name: str) -> list[str]:
    """Return the bare texts of a template by its name."""
    return bare_texts((TEMPLATES / name).read_text())


def _markup(source: str) -> str:
    """Return a template's markup, with what its expressions could write of themselves in their place."""
    parts: list[str] = []
    inside = False
    expression: list[tuple[str, str]] = []
    for _, kind, value in environment.lex(source):
        match kind:
            case "data" if not inside:
                parts.append(value)
            case "variable_begin" | "block_begin":
                expression = []
            case "variable_end" if not inside:
                parts += _written(expression)
            case "block_end":
                words = [word for sort, word in expression if sort == "name"]
                inside = words[:1] == ["trans"] or (inside and words[:1] != ["endtrans"])
            case "whitespace" | "comment" | "comment_begin" | "comment_end":
                pass
            case _:
                expression.append((kind, value))
    return "".join(parts)


def _written(tokens: list[tuple[str, str]]) -> list[str]:
    """Return the strings of an expression that may be written: not arguments, what is compared, or indices."""
    found = []
    depth = 0
    for at, (kind, value) in enumerate(tokens):
        before = tokens[at - 1][1] if at else ""
        if value in ("(", "["):
            depth += 1
        elif value in (")", "]"):
            depth -= 1
        elif kind == "string" and not depth and before not in ("==", "!=", "in"):
            found.append(value[1:-1])
    return found


_NO_WORDS = re.compile(r'"use strict"|=== "\w+"|"Content-Type"|^ *//.*$', re.MULTILINE)
_STRING = re.compile(r'(_\()?("(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)')
_SENTENCE = re.compile(r"[A-Za-z]{2,}[,:]? +[A-Za-z]{2,}|^.[A-Z][a-z]+( …)?.$")


def bare_strings(script: str) -> list[str]:
    """Return the strings of a script that read as words of a page and are not in `_()`."""
    found = (match.groups() for match in _STRING.finditer(_NO_WORDS.sub("", script)))
    return [text for wrapped, text in found if not wrapped and _reads(text)]


def _reads(text: str) -> bool:
    plain = re.sub(r"\$\{.*\}", "", text)
    return bool(_SENTENCE.search(plain)) and "[" not in plain
