"""Reads a model's reply as the content that a view wants, or says what is wrong with it."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from app.participants.speeches import Unread, cut, outside, speech
from app.participants.stated import figures, json_values, number
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
from app.protocols.writing import count_words

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
            return ReplyFormat(partial(_items, view), schema=_object(items=_list_schema(view)))
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


def _list_schema(view: View) -> dict[str, Any]:
    """Return the schema of a list of texts, with the fewest and the most that the ask allows."""
    least, most = _bounds(view)
    bounds = {"minItems": least} | ({} if most is None else {"maxItems": most})
    return {"type": "array", "items": {"type": "string"}, **bounds}


def _bounds(view: View) -> tuple[int, int | None]:
    """Return the fewest and the most texts of a list; one at least where the ask says nothing."""
    facts = view.facts
    return (facts.least, facts.most) if isinstance(facts, ItemsFacts) else (1, None)


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
    least, most = _bounds(view)
    texts = [_bounded(" ".join(item.split()), view) for item in _list(said, whole) if item.strip()]
    if len(texts) < least or not (texts or _EMPTY_LIST.search(said)):
        raise Unread(f"Your reply could not be read. {_as_list(least, most)}")
    return Items(texts=tuple(texts[:most]))


def _as_list(least: int, most: int | None) -> str:
    """Return the request for a list, with the bounds of its schema."""
    if most is None:
        size = f"at least {least} text" + "s" * (least != 1)
    else:
        size = f"{least} to {most} texts" if least < most else f"exactly {most} text" + "s" * (most != 1)
    return (
        f'Reply with a JSON object and nothing else, with {size}: {{"items": ["first text", "second text"]}}'
    )


_EMPTY_LIST = re.compile(r"\[\s*\]")


def _bounded(text: str, view: View, whole: bool = True) -> str:
    """Return a text with no more words than the ask allows. One that broke off ends with a sentence."""
    count = count_words(text)
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
    for value in json_values(text):
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
    stated = [value["rating"] for value in json_values(said) if isinstance(value, dict) and "rating" in value]
    bare = re.sub(r"\s*(?:/|out of)\s*100\b", "", said)
    found = stated[-1:] or re.findall(rf"(?<![\w.-]){_NUMBER}(?![\w.]*\d)", bare)
    value = number(found[0]) if len(found) == 1 else None
    if value is None or not 0 <= value <= 100 or 0 < value < 1:
        raise Unread(
            "Your reply could not be read. Reply with one whole number from 0 to 100, as JSON and nothing else: "
            '{"rating": <number>}'
        )
    return Rating(value=value / 100)


def _belief(view: View, text: str, whole: bool = True) -> Belief:
    """Return the stated belief, with the figures as said. Figures that do not add up are Unread, with a draft."""
    said = _open(text)
    stated = figures(said, view.letters, view.answers)
    wanted = _in_percent(view.letters)
    if stated is None or min(stated.values) < 0 or max(stated.values) > 100:
        raise Unread(f"Your reply could not be read. {wanted}")
    known, total = stated.values, math.fsum(stated.values)
    unit, should = ("percentages", 100) if stated.percent else ("probabilities", 1)
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


# ── log-probabilities ───────────────────────────────────────────────────────────────────────────────────────────

FirstTokens = Sequence[tuple[str, float]]
"""The likeliest first tokens of a reply and their probabilities."""

_AROUND_LABELS = " \t\r\n\"'“”‘’`Ġ▁Ċ()[].:*"


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
