"""Reads a model's reply as the content that a view wants, or says what is wrong with it."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from json import JSONDecoder
from typing import Any, get_args

from app.participants.speeches import Unread, cut, outside, speech
from app.participants.thinking import part
from app.protocols.core import (
    AnyContent,
    Belief,
    BeliefFlag,
    Items,
    ItemsFacts,
    Note,
    Pick,
    PickFacts,
    Rating,
    Stance,
    Thought,
)
from app.protocols.quotes import IndexedPassage
from app.protocols.views import View

STANCES: tuple[str, ...] = get_args(Stance.model_fields["stance"].annotation)


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """How the reply to one view is constrained and read."""

    read: Callable[[str, bool], AnyContent]
    """Reads the text, and whether it came whole. Raises Unread."""
    choice: tuple[str, ...] = ()
    """All possible replies, where they are limited."""
    schema: Mapping[str, Any] | None = None
    """The JSON schema of the reply, where it is JSON."""
    request: str = ""
    """Text added to the prompt, which does not ask for this form itself."""


def form(view: View, passage: IndexedPassage) -> ReplyFormat:
    """Return the form of the reply to `view`. A belief is stated, in percent."""
    match view.wants:
        case "speech":
            return ReplyFormat(partial(speech, view, passage))
        case "note" | "thought":
            return ReplyFormat(partial(_words, view))
        case "items":
            return ReplyFormat(
                partial(_items, view), schema=_object(items={"type": "array", "items": {"type": "string"}})
            )
        case "pick":
            names = options(view)
            return ReplyFormat(partial(_pick, names), choice=names)
        case "rating":
            return ReplyFormat(_rating, schema=_object(rating=_PERCENT))
        case "stance":
            return ReplyFormat(_stance, choice=STANCES)
        case "belief":
            percentages = _object(**dict.fromkeys(view.letters, _PERCENT))
            return ReplyFormat(partial(_belief, view), schema=percentages, request=_in_percent(view.letters))


_PERCENT = {"type": "integer", "minimum": 0, "maximum": 100}


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# ── words, lists, choices ───────────────────────────────────────────────────────────────────────────────────────


def _words(view: View, text: str, whole: bool = True) -> Note | Thought:
    """Return a thought unchanged, even one that broke off. Return the public part of a note, ending with a
    sentence.
    """
    if view.wants == "thought":
        if said := part(text, whole=whole).said.strip():
            return Thought(text=said)
    elif said := _open(text).strip():
        return Note(text=_bounded(said, view, whole))
    raise Unread("Your reply was empty. Answer the request.")


def _open(text: str) -> str:
    """Return the public part of a reply."""
    return outside(part(text).said, "scratchpad")


def _items(view: View, text: str, whole: bool = True) -> Items:
    """Return at least `facts.least` texts (default 1), the first `facts.most` if there are more, none above
    its words.
    """
    said = _open(text)
    bounds = view.facts if isinstance(view.facts, ItemsFacts) else None
    least, most = (bounds.least, bounds.most) if bounds else (1, None)
    texts = [_bounded(" ".join(item.split()), view) for item in _list(said, whole) if item.strip()]
    if len(texts) < least or not (texts or _EMPTY_LIST.search(said)):
        wanted = f" that has at least {least} of them" if least > 1 else ""
        raise Unread(
            f"Your reply could not be read. Reply with a JSON list of strings{wanted} and nothing else."
        )
    return Items(texts=tuple(texts[:most]))


_EMPTY_LIST = re.compile(r"\[\s*\]")


def _bounded(text: str, view: View, whole: bool = True) -> str:
    """Return a text with no more words than the ask allows. One that broke off ends with a sentence."""
    count = len(text.split())
    most = min(view.limits.max_words or count, count)
    return text if whole and most == count else cut(text, most)


_ITEM = re.compile(r'"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"(?=\s*,)')
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(.+)$", re.MULTILINE)


def _list(text: str, whole: bool) -> list[str]:
    """Return the last list of strings in the JSON of a text, alone or as a member of an object, or else its
    bulleted lines.

    Of a list that broke off, return only the finished texts.
    """
    found: list[str] = []
    for value in _json_values(text):
        for member in value.values() if isinstance(value, dict) else [value]:
            if isinstance(member, list) and all(isinstance(item, str) for item in map(_text, member)):
                found = [str(_text(item)) for item in member]
    if whole or found:
        return found or _BULLET.findall(text)
    _, opened, rest = text.rpartition("[")
    return (
        [json.loads(item, strict=False) for item in _ITEM.findall(rest)]
        if opened
        else _BULLET.findall(text)[:-1]
    )


def _text(item: Any) -> Any:
    """Return an item of a list. Of an object with one value, such as `{"question": "…"}`, return that value."""
    return next(iter(item.values())) if isinstance(item, dict) and len(item) == 1 else item


def options(view: View) -> tuple[str, ...]:
    """Return the options of a pick: the texts that the ask names, or the letters of the answers as read."""
    named = view.facts.options if isinstance(view.facts, PickFacts) else "answers"
    return tuple(view.letters) if named == "answers" else tuple(named)


def _pick(names: Sequence[str], text: str, whole: bool = True) -> Pick:
    index = _chosen(names, text)
    if index is None:
        raise Unread(_one_of(names))
    return Pick(index=index)


def _stance(text: str, whole: bool = True) -> Stance:
    index = _chosen(STANCES, text.lower())
    if index is None:
        raise Unread(_one_of(STANCES))
    return Stance.model_validate({"stance": STANCES[index]})


def _one_of(names: Sequence[str]) -> str:
    return (
        f"Your reply could not be read. Reply with exactly one of these and nothing else: {', '.join(names)}."
    )


def _chosen(names: Sequence[str], text: str) -> int | None:
    """Return the option that is the text, or that it announces, or the only one that it names."""
    said = _open(text)
    bare = [_bare(text) for text in (said, *names)]
    if bare[0] in bare[1:]:
        return bare[1:].index(bare[0])
    # A letter counts as a capital only: `a` is a word. The longest come first, because one option may begin
    # another.
    letters = all(len(name) == 1 for name in names)
    among = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    for pattern in (rf"(?i:answer|option|choice|choose)(?: is)?\W{{1,6}}({among})", f"({among})"):
        found = re.findall(rf"(?<!\w){pattern}(?!\w)", said, 0 if letters else re.IGNORECASE)
        chosen = {bare[1:].index(_bare(name)) for name in found}
        if len(chosen) == 1:
            return chosen.pop()
    return None


def _bare(text: str) -> str:
    """Return an option without the marks that models put around it, in small letters unless it is one letter."""
    text = text.strip(" \t\r\n\"'`*_().:[]!?")
    return text if len(text) == 1 else text.casefold()


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────

_NUMBER = r"\d+(?:\.\d+)?"


def _rating(text: str, whole: bool = True) -> Rating:
    said = _open(text)
    stated = [
        value["rating"] for value in _json_values(said) if isinstance(value, dict) and "rating" in value
    ]
    bare = re.sub(r"\s*(?:/|out of)\s*100\b", "", said)
    found = stated[-1:] or re.findall(rf"(?<![\w.-]){_NUMBER}(?![\w.]*\d)", bare)
    value = _number(found[0]) if len(found) == 1 else None
    if value is None or not 0 <= value <= 100 or 0 < value < 1:
        raise Unread(
            "Your reply could not be read. Reply with one whole number from 0 to 100 and nothing else."
        )
    return Rating(value=value / 100)


def _belief(view: View, text: str, whole: bool = True) -> Belief:
    """Return the stated belief, with the figures as said. Figures that do not add up are Unread, with a draft."""
    said = _open(text)
    figures = [_number(value) for value in _figures(said, view.letters)]
    known = tuple(figure for figure in figures if figure is not None)
    wanted = _in_percent(view.letters)
    if len(known) != len(view.letters) or min(known) < 0 or max(known) > 100:
        raise Unread(f"Your reply could not be read. {wanted}")
    total, unit, should = math.fsum(known), "percentages", 100
    if 0 < max(known) <= 1:
        unit, should = "probabilities", 1
    shares = tuple(figure / total for figure in known) if total else (1 / len(known),) * len(known)
    off = abs(100 * total / should - 100)
    flags: tuple[BeliefFlag, ...] = () if total else ("no_weight",)
    # Each of n whole percentages is up to half a point from what was meant.
    if total and off > len(known) / 2 + 1e-9:
        flags = ("off_sum",)
    as_said = view.in_trial_order(known)
    belief = Belief(p=view.in_trial_order(shares), method="verbalised", said=as_said, flags=flags)
    if flags:
        problem = f"Your {unit} add up to {round(total, 6):g}, not {should}."
        raise Unread(f"{problem} {wanted}", belief, off=round(off))
    return belief


def _in_percent(letters: str) -> str:
    shape = ", ".join(f'"{letter}": <percentage>' for letter in letters)
    return (
        "Reply with JSON and nothing else, giving for each answer the probability that it is right, as whole "
        f"percentages that add up to 100: {{{shape}}}"
    )


def _figures(text: str, letters: str) -> list[Any]:
    """Return the number of a text for each letter: from its last JSON object that has them all, else from
    words such as `A: 70%`.
    """
    for value in reversed(list(_json_values(text))):
        if isinstance(value, dict) and all(letter in value for letter in letters):
            return [value[letter] for letter in letters]
    lines = [re.findall(rf"(?<!\w){letter}\W{{1,6}}({_NUMBER})(?!\w)", text) for letter in letters]
    return [line[0] for line in lines if len(line) == 1]


def _number(value: Any) -> float | None:
    """Return a figure given as a number, or as text with or without a per cent sign."""
    if isinstance(value, str) and re.fullmatch(rf"\s*{_NUMBER}\s*%?\s*", value):
        value = float(value.strip(" \t\r\n%"))
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def _json_values(text: str) -> Iterator[Any]:
    """Yield every JSON object and list in a text, in order, without nested ones."""
    decoder, at = JSONDecoder(), 0
    while (start := re.compile(r"[\[{]").search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):  # A bracket that opens no JSON.
            at = start.end()
            continue
        yield value


# ── log-probabilities ───────────────────────────────────────────────────────────────────────────────────────────

FirstTokens = Sequence[tuple[str, float]]
"""The likeliest first tokens of a reply and their probabilities."""

_AROUND_LABELS = " \t\r\n\"'“”‘’`Ġ▁"


def _label_masses(first: FirstTokens, letters: str) -> dict[str, float]:
    """Return the probability of each letter among the tokens, with or without spaces and quotation marks
    around it.
    """
    masses: dict[str, float] = {}
    for token, probability in first:
        label = token.strip(_AROUND_LABELS)
        if len(label) == 1 and label in letters:
            masses[label] = masses.get(label, 0.0) + probability
    return masses


@dataclass(frozen=True, slots=True)
class LetterReading:
    """A distribution over the letters, as read, from the likeliest first tokens."""

    p: tuple[float, ...]
    bounds: tuple[tuple[float, float], ...] | None
    """Least and most of each, where a letter is not among the tokens; `p` is then at the bound."""
    decided: bool
    """Whether the likeliest letter is the same anywhere within the bounds."""

    @property
    def flags(self) -> tuple[BeliefFlag, ...]:
        """Return what is doubtful about it."""
        if not self.decided:
            return ("undecided",)
        return ("bounded",) if self.bounds else ()


ROUNDING = 1e-6
"""Probability that rounded log-probabilities may hide: they can seem to add up to all there is."""


def from_tokens(first: FirstTokens, letters: str) -> LetterReading:
    """Return the distribution over the letters. It is the same whether the probabilities were taken before or
    after a constraint to the letters.

    A letter that is not among the tokens is at most as probable as the least of them (each of its spellings,
    where letters have several), and as all that the tokens leave over.
    """
    masses = _label_masses(first, letters)
    missing = len(letters) - len(masses)
    bound = _bound_of_missing(first, letters) if missing else 0.0
    held, most = sum(masses.values()), max(masses.values(), default=0.0)
    if held <= 0:
        return LetterReading((1 / len(letters),) * len(letters), ((0.0, 1.0),) * len(letters), decided=False)
    total = held + missing * bound
    p = tuple(masses.get(letter, bound) / total for letter in letters)
    if not bound:
        return LetterReading(p, None, decided=True)
    bounds = tuple(
        (masses[letter] / total, masses[letter] / held) if letter in masses else (0.0, bound / (held + bound))
        for letter in letters
    )
    return LetterReading(p, bounds, decided=most > bound)


def _bound_of_missing(first: FirstTokens, letters: str) -> float:
    """Return the most that a letter can have which is not among the tokens."""
    labels = [label for token, _ in first if (label := token.strip(_AROUND_LABELS)) in tuple(letters)]
    spellings = max((labels.count(letter) for letter in letters), default=1)
    least = min(probability for _, probability in first)
    left = max(1 - math.fsum(probability for _, probability in first), ROUNDING)
    return min(max(spellings, 1) * least, left)


def label_mass(first: FirstTokens, letters: str) -> float:
    """Return the share of an unconstrained distribution on the letters, as far as its likeliest tokens show."""
    return min(sum(_label_masses(first, letters).values()), 1.0)
