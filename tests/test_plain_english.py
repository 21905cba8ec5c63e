"""The text that users and contributors read avoids words that make a sentence hard to read.

The check is a help, not a score: a sentence can pass it and still be hard to read. CONTRIBUTING.md says how we write.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

INSTEAD = {
    "somebody": "a user, a judge, a person",
    "nobody": "no user, no judge, no seat",
    "whoever": "the user who, the judge who",
    "told": "shown, sent, returned, asked",
    "held": "kept, stored, taken, filled",
    "stands": "is, is shown, is stored",
    "of its own": "its own, a separate",
    "what became of": "status, result",
    "stood in for": "replaced by, a placeholder",
}
"""The avoided words, and plain words to use in their place."""

ALLOWED: tuple[tuple[str, str], ...] = (
    ("app/participants/advocate.py", "Whoever doubts my reading"),
    ("app/participants/advocate.py", "I would rather be held to these lines"),
    ("app/participants/advocate.py", "This part of my case stands in the passage"),
    ("app/participants/advocate.py", "Quote more of what stands close"),
    ("app/participants/speeches.py", "Your reply held no speech."),
    ("app/participants/speeches.py", "(?:told|required|instructed|ordered)"),
    ("app/records/browse.py", "held up by failures"),
    ("app/services/probe.py", "Fog had held it back."),
    ("app/services/probe.py", "Nobody on board had seen any fog."),
    ("docs/web.md", "held up by failures"),
)
"""Phrases that may stay: a file and a few words of the line. Words that seats speak or read are part of experiments.

"Held-out", "threshold" and "its own words" need no entry.
"""


_AVOIDED = re.compile(rf"\b({'|'.join(INSTEAD)})\b(?!.out\b| words\b)", re.IGNORECASE)
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_QUOTED = re.compile(r"\"([^\"]* [^\"]*)\"")
_IN_F_STRING = re.compile(r"\{[^{}]*\}")


def checked() -> Iterator[Path]:
    """Yield the files whose text is checked."""
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))
    yield from sorted(ROOT.glob("docs/**/*.md"))
    for folder in ("app", "models", "migrations", "scripts", "benchmarks"):
        yield from sorted((ROOT / folder).rglob("*.py"))
    yield from sorted(ROOT.glob("app/web/static/*.js"))
    for path in sorted((ROOT / "templates").rglob("*.*")):
        if not {"prompts", "prompt-versions"} & set(path.parts):
            yield path


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of text in a file, with their numbers: of Python the comments and sentences, not the code."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield from sentences(text)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        yield number, _JINJA.sub(quoted, line) if path.suffix in {".html", ".jinja"} else line


def quoted(tag: re.Match[str]) -> str:
    """Return the sentences that a tag of a template has in quotes; the rest of it is code."""
    return " ".join(_QUOTED.findall(tag[0]))


def sentences(code: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of comments and of strings with a blank in them; a string without one is a name."""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        written = token.string
        if "STRING" in tokenize.tok_name[token.type]:
            if " " not in written:
                continue
            if "f" in written.split(written[-1], 1)[0].lower():
                written = _IN_F_STRING.sub("", written)
        elif token.type != tokenize.COMMENT:
            continue
        for place, line in enumerate(written.splitlines()):
            yield token.start[0] + place, line


def allowed(name: str, line: str) -> bool:
    """Return whether a line is in the list of phrases that may stay."""
    return any(file == name and phrase in line for file, phrase in ALLOWED)


def found() -> Iterator[str]:
    """Yield file, line, word and the plain words to use, for each avoided word."""
    for path in checked():
        name = path.relative_to(ROOT).as_posix()
        for number, line in lines(path):
            if not allowed(name, line):
                for match in _AVOIDED.finditer(line):
                    word = match[1]
                    yield f"{name}:{number}: “{word}”: write {INSTEAD[word.lower()]}"


def test_avoided_words_are_not_used() -> None:
    words = list(found())
    assert not words, "\n".join(["use plainer words, or allow a phrase in ALLOWED:", *words])


@pytest.mark.parametrize(("name", "phrase"), ALLOWED)
def test_an_allowed_phrase_is_still_in_its_file(name: str, phrase: str) -> None:
    assert phrase in (ROOT / name).read_text("utf-8")
