"""Reads the figures that a reply states for each answer, wherever only one reading is possible. Knows no ask.

Figures are read from JSON, also where it is slightly broken, from words such as `A: 70%`, `70 percent for A` or a row
of a table, and from a bare list in the order of the answers. What could be read in two ways is not read.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from json import JSONDecoder
from typing import Any, NamedTuple


class Figures(NamedTuple):
    """The figure of each answer, in the order of the letters."""

    values: tuple[float, ...]
    percent: bool
    """Whether they are percentages; else they are probabilities."""


def figures(text: str, letters: str, answers: Sequence[str] = ()) -> Figures | None:
    """Return the figures of a text for all letters; None where they cannot be read, or could be read in two ways.

    `answers` are the texts of the answers, which may stand for their letters.
    """
    plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).replace("\\n", "\n")
    for found in (
        _from_json(plain, letters, answers),
        _from_words(plain, letters, answers),
        _from_list(plain, letters),
    ):
        if found is not None:
            read = [_read(value) for value in found]
            numbers = [each for each in read if each is not None]
            return _scaled(numbers) if len(numbers) == len(letters) else None
    return None


_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")


class _Number(NamedTuple):
    value: float
    percent: bool
    """Whether it was said to be a percentage."""


def _scaled(numbers: Sequence[_Number]) -> Figures:
    percent = any(number.percent for number in numbers) or max(number.value for number in numbers) > 1
    nothing = not any(number.value for number in numbers)
    return Figures(tuple(number.value for number in numbers), percent or nothing)


_NUMBER = r"(?:\d{1,3}|(?<![\d.])(?=\.\d))(?:\.\d{1,8}|,\d{1,2})?(?![\w]|[.,]\d)"
_UNIT = r"(?:%|per ?cent(?:age points?)?|pct|(?:/|out of) ?100(?![\w.]))"
_WRITTEN = re.compile(rf"\s*(?:about |around |approximately |roughly |~ ?|≈ ?)?(?P<number>\d{{1,3}}(?:[.,]\d{{1,8}})?|\.\d{{1,8}})\s*(?:(?P<unit>{_UNIT})|/\s*(?P<of>\d{{1,3}}))?\s*\.?\s*", re.IGNORECASE)  # fmt: skip


def number(value: Any) -> float | None:
    """Return a figure given as a number, or as text with or without a per cent sign."""
    read = _read(value)
    return None if read is None else read.value


def _read(value: Any) -> _Number | None:
    if isinstance(value, str) and (found := _WRITTEN.fullmatch(value)):
        written = float(found["number"].replace(",", "."))
        if of := found["of"]:
            return _Number(written / float(of), percent=False) if float(of) else None
        return _Number(written, percent=bool(found["unit"]))
    # Beyond these no number is a figure, and some whole ones are too large for a float. NaN is in no range.
    usable = isinstance(value, int | float) and not isinstance(value, bool) and -1e9 < value < 1e9
    return _Number(float(value), percent=False) if usable else None


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────


MOST_BRACKETS = 2_000
"""Brackets of a text that open no JSON, each of which takes time in proportion to the text."""


def json_values(text: str) -> Iterator[Any]:
    """Yield every JSON object and list in a text, in order, without nested ones.

    After `MOST_BRACKETS` brackets that open no JSON, or where one is nested without end, there is none.
    """
    decoder, at, failed = JSONDecoder(), 0, 0
    while (start := re.compile(r"[\[{]").search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, start.start())
        except RecursionError:
            return
        except ValueError:  # A bracket that opens no JSON.
            at, failed = start.end(), failed + 1
            if failed > MOST_BRACKETS:
                return
            continue
        yield value


def _from_json(text: str, letters: str, answers: Sequence[str]) -> list[Any] | None:
    """Return the values of the last JSON in a text that has all letters, mended where it does not parse."""
    for written in (text, _mended(text)):
        for value in reversed(list(json_values(written))):
            if found := _of_letters(value, letters, answers):
                return found
    return None


def _mended(text: str) -> str:
    """Return a text whose JSON may be read: quotation marks, bare names, decimal commas and last commas set right."""
    mended = text.replace('\\"', '"').translate(_STRAIGHT)
    mended = re.sub(r"(?<=[:\[,\s])(\.\d)", r"0\1", mended)
    mended = re.sub(r"(?<=[{\[,:\s])'([^'\"\n]*)'(?=\s*[,:}\]])", lambda found: json.dumps(found[1]), mended)
    mended = re.sub(r"(?<=[{,])(\s*)([A-Za-z]\w*)\s*[:=]", r'\1"\2":', mended)
    mended = re.sub(r"(:\s*\d{1,3}),(\d{1,3})(?=\s*[,}%])", r"\1.\2", mended)
    mended = re.sub(r"(:\s*)(\d{1,3}(?:\.\d+)?\s*%)", r'\1"\2"', mended)
    return re.sub(r",(\s*[}\]])", r"\1", mended)


_STRAIGHT = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'"})
_SHARES = (
    "probability",
    "percentage",
    "percent",
    "confidence",
    "likelihood",
    "p",
    "prob",
    "value",
    "score",
    "belief",
    "chance",
)
_NAMES = ("answer", "letter", "label", "option", "choice", "name", "id", "key")


def _of_letters(value: Any, letters: str, answers: Sequence[str]) -> list[Any] | None:
    """Return the values of the letters in an object, in a list of objects, or in one member of an object."""
    if isinstance(value, list):
        pairs = [pair for item in value if isinstance(item, dict) for pair in _pairs(item)]
        return _by_letter(pairs, letters, answers) if value and len(pairs) == len(value) else None
    if not isinstance(value, dict):
        return None
    if found := _by_letter([(key, _share(item)) for key, item in value.items()], letters, answers):
        return found
    members = [item for item in value.values() if isinstance(item, dict | list)]
    inner = [
        found for item in members if (found := _of_letters(item, letters, answers) or _bare(item, letters))
    ]
    return inner[0] if len(inner) == 1 else None


def _bare(value: Any, letters: str) -> list[Any] | None:
    plain = isinstance(value, list) and len(value) == len(letters) and all(_read(item) for item in value)
    return value if plain else None


def _pairs(item: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the name and the share of one object of a list: `{"answer": "A", "probability": 70}` or `{"A": 70}`."""
    folded = {key.casefold(): value for key, value in item.items()}
    named = [folded[name] for name in _NAMES if isinstance(folded.get(name), str)]
    shares = [folded[name] for name in _SHARES if name in folded]
    if named and len(shares) == 1:
        return [(named[0], shares[0])]
    return [(key, _share(value)) for key, value in item.items()] if len(item) == 1 else []


def _share(value: Any) -> Any:
    """Return the one share in an object, such as `{"probability": 70, "why": "…"}`; anything else unchanged."""
    if not isinstance(value, dict):
        return value
    shares = [item for key, item in value.items() if key.casefold() in _SHARES]
    return shares[0] if len(shares) == 1 else value


def _by_letter(pairs: Sequence[tuple[str, Any]], letters: str, answers: Sequence[str]) -> list[Any] | None:
    """Return the value of each letter, where each is named exactly once."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        letter = _letter(key, letters, answers)
        if letter is None:
            continue
        if letter in values:
            return None
        values[letter] = value
    return [values[letter] for letter in letters] if len(values) == len(letters) else None


def _letter(key: str, letters: str, answers: Sequence[str]) -> str | None:
    said = " ".join(key.split()).strip(" \"'`*_().:[]").casefold()
    for letter, answer in zip(letters, [*answers, *[""] * len(letters)], strict=False):
        if answer and said == " ".join(answer.split()).strip(" \"'`*_().:[]").casefold():
            return letter
    bare = re.sub(
        r"^(?:(?:probability|prob|percentage|percent|p)(?:[ _-]?of|\(|_|-)?\s*)?(?:(?:answer|option|choice)[ _-]?)?"
        r"|[ _-](?:p|prob|probability|percent|percentage|confidence|score)$",
        "",
        said,
    ).strip(" ()")
    return bare.upper() if len(bare) == 1 and bare.upper() in letters else None


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────

_LINK = r"(?:is|are|has|have|gets?|at|with|a|an|of|the|probability|chance|likelihood|confidence|being|right|correct|about|around|approximately|roughly|percent|to|my|estimate)"
_GAP = rf"[\s\"'“”‘’`*_()\[\]:=|.→>~≈–—-]{{0,12}}(?:{_LINK}[\s\"'`*_():=|~≈]{{1,6}}){{0,9}}"
_VALUE = rf"(?<![\d.,])(?P<number>{_NUMBER})[\s*_`\"')]{{0,3}}+(?P<unit>{_UNIT})?+(?!\s*(?:-|–|—|to|or|~)\s*\d)(?!\s*/\s*\d)"
_FRACTION = r"(?<![\d.,/])(?P<over>\d{1,3})\s*/\s*(?P<under>\d{1,3})(?![\d/])"


def _from_words(text: str, letters: str, answers: Sequence[str]) -> list[Any] | None:
    """Return the figure of each letter in words, tables and lines, where each has exactly one."""
    lettered = _lettered(text, letters, answers)
    found = [_after(lettered, letter) for letter in letters]
    if not all(found):
        found = [_before(lettered, letter) for letter in letters]
    return [each.pop() for each in found] if all(len(each) == 1 for each in found) else None


def _lettered(text: str, letters: str, answers: Sequence[str]) -> str:
    """Return the text with the letter of each answer instead of its words, where they are long enough to be unmistakable."""
    known = sorted(zip(answers, letters, strict=False), key=lambda pair: -len(pair[0]))
    for answer, letter in known:
        words = " ".join(answer.split()).rstrip(".!?")
        if len(words) >= _TELLING:
            text = re.sub(rf"(?<!\w){re.escape(words)}(?!\w)[.!?]?", letter, text, flags=re.IGNORECASE)
    text = re.sub(
        rf"<\w+\s[^<>]{{0,40}}?[\"']([{letters}])[\"'][^<>]{{0,40}}>([^<>]*)</\w+>", r" \1: \2 ", text
    )
    return re.sub(rf"<([{letters}])>([^<>]*)</\1>", r" \1: \2 ", text)


_TELLING = 5
"""Fewer characters than this may be a word of something else."""


def _after(text: str, letter: str) -> set[str]:
    """Return the different figures that follow a letter."""
    either = rf"(?:{letter}|{letter.lower()}(?=[\"'`*_)\]\s]{{0,3}}[:=|]))"
    head = rf"(?<![\w'’&]){either}(?![\w'’]){_GAP}(?<![-−<>≤≥])"
    return _distinct(re.finditer(rf"{head}(?:{_FRACTION}|{_VALUE})", text))


def _before(text: str, letter: str) -> set[str]:
    """Return the different figures that come before a letter: `70% for A`."""
    return _distinct(
        re.finditer(
            rf"(?<![-−<>≤≥\w.,])(?<!% and )(?<!% or )(?<!% to )(?:{_FRACTION}|{_VALUE})\s*(?:(?:for|to|on|that|chance|probability|likely|it|is|in favou?r of|of|answer|option)\s+){{0,6}}[\"'`*_(]{{0,3}}{letter}(?![\w'’])",
            text,
        )
    )


def _distinct(found: Iterator[re.Match[str]]) -> set[str]:
    said = set()
    for each in found:
        if each["over"] and each["under"] != "100":
            said.add(f"{each['over']}/{each['under']}")
        else:
            said.add(f"{each['over'] or each['number']}{'%' if each['unit'] or each['over'] else ''}")
    return said


_SEPARATED = re.compile(r"\s*(?:\b(?:vs\.?|versus|and|to)(?=\s)|,\s+|;|/|\||-|–|—|:|\s)\s*")


def _from_list(text: str, letters: str) -> list[Any] | None:
    """Return the figures of a text that is a bare list in the order of the letters and adds up to 100 or 1."""
    bare = re.sub(r"\b(?:percent|per cent)\b", "%", text.strip(" \t\r\n`*_.()[]{}"))
    items = [item for item in _SEPARATED.split(re.sub(r"\s*%", "%", bare)) if item]
    if len(items) == 1:
        items = re.split(r",", bare)
    read = [_read(item) for item in items]
    numbers = [each for each in read if each is not None]
    if len(numbers) != len(items) or len(items) != len(letters):
        return None
    total = math.fsum(each.value for each in numbers)
    fits = abs(total - 100) <= len(items) / 2 or abs(total - 1) <= 0.01
    return list(items) if fits else None
