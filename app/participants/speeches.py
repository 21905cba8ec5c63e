"""Reads the text of a model or a person as a speech: quotes checked, length within bounds, a model's notes
apart.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from app.languages import english, gettext
from app.participants.planning import is_planned_aloud
from app.participants.thinking import has_unknown_wrapper, part
from app.protocols.core import Belief, Limits, Speech, SpeechFacts
from app.protocols.quotes import (
    MIN_WORDS,
    IndexedPassage,
    Mark,
    MarkedText,
    mark,
    only_verified,
    stray_tags,
    with_plain_tags,
)
from app.protocols.views import View
from app.protocols.writing import WORD, WORDS, Unit, count_words, first_words, parts, word_spans

Say: TypeAlias = Callable[..., str]
"""How a sentence is said: in English to models, to people in the language of their pages."""


class Unread(Exception):
    """A reply that cannot be accepted unchanged.

    `problem` is the message to the model. `draft` is the content to use if no better reply comes. `off` is
    the distance from the request: words outside of the bounds, or percent that do not add up.
    """

    def __init__(self, problem: str, draft: Speech | Belief | None = None, off: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.draft, self.off = problem, draft, off


def speech(view: View, passage: IndexedPassage, text: str, whole: bool = True) -> Speech:
    """Return the speech in a reply. Raise Unread where it is empty, broken off or outside of its limits.

    Where only quotes are wanted, the verified ones are kept, each on a separate line.
    """
    answer = part(text, whole=whole).said
    typed = outside(answer, "scratchpad").strip()
    said = typed if _is_forger(view) else with_plain_tags(typed)
    notes = "\n\n".join(inside(answer, "scratchpad")).strip()
    if view.limits.only_quotes:
        said = "\n".join(_verified(said, view, passage))
        if not said:
            raise Unread(_no_quotes(view.unit))
    elif not said:
        raise Unread("Your reply held no speech. Write the speech itself, outside of any scratchpad.")
    content = _with_plan_flagged(marked_speech(said, notes, view, passage, typed))
    problems = list(_problems(content, view, whole or view.limits.only_quotes))
    if not _is_forger(view) and (stray := stray_tags(content.said)):
        problems.append((_STRAY.format(stray=stray), stray))
    if isinstance(view.facts, SpeechFacts) and view.facts.plan and not notes:
        problems.append(
            ("You have not planned it: plan between <scratchpad> and </scratchpad> first.", _WORDS_OF_A_PLAN)
        )
    if not problems:
        return content
    sentences = " ".join(sentence for sentence, _ in problems)
    draft = _with_plan_flagged(_settled(said, content, view, passage, whole))
    raise Unread(f"{sentences} {_AGAIN}", draft, off=sum(off for _, off in problems))


def written(view: View, passage: IndexedPassage, text: str) -> Speech:
    """Return a person's text as a speech, with nothing removed. Raise Unread where it is empty, is too long,
    quotes too much, or has no quote where one is required.
    """
    typed = text.strip()
    if not typed:
        raise Unread(gettext("Write your speech first."))
    said = with_plain_tags(typed)
    if view.limits.only_quotes:
        said = "\n".join(_verified(said, view, passage))
        if not said:
            raise Unread(_no_quotes(view.unit, gettext))
    content = marked_speech(said, "", view, passage, typed)
    most, unit = view.limits.max_words, view.unit
    if most is not None and content.words > most:
        has, may = unit.of(content.words), unit.of(most)
        raise Unread(
            gettext(
                "Your speech has %(has)s %(unit)s and may have %(may)s: shorten it by %(off)s.",
                has=has,
                may=may,
                off=has - may,
                unit=gettext(unit.name),
            )
        )
    for sentence, _ in _quote_problems(content, view.limits, unit, gettext):
        raise Unread(sentence)
    return content


def least_of_a_quote(unit: Unit, say: Say = english) -> str:
    """Return how much a quote must have at least, in words."""
    if unit == WORDS:
        return say("four words")
    return f"{unit.of(MIN_WORDS)} {say(unit.name)}"


def _no_quotes(unit: Unit, say: Say = english) -> str:
    return say(
        "None of your quotes could be used. Copy at least %(least)s in a row exactly as they stand in the "
        "passage, each quote between <quote> and </quote>, and keep to the allowed length.",
        least=least_of_a_quote(unit, say),
    )


def _with_plan_flagged(content: Speech) -> Speech:
    """Return a model's speech, flagged where it begins with a plan, which belongs into its notes."""
    if not is_planned_aloud(content.said.text):
        return content
    kinds = sorted({*content.suspicious, "untagged_plan"})
    return content.model_copy(update={"suspicious": tuple(kinds)})


def _verified(said: str, view: View, passage: IndexedPassage) -> list[str]:
    words = (" ".join(quote.split()) for quote in only_verified(_mark(said, view, passage)))
    return [f"<quote>{quote}</quote>" for quote in words]


def _mark(said: str, view: View, passage: IndexedPassage) -> MarkedText:
    own = [
        line.content.said
        for line in view.lines
        if line.own and not line.draft and isinstance(line.content, Speech)
    ]
    earlier = [span for shown in own for span in shown.verified_spans]
    return mark(said, passage, earlier=earlier, budget=view.limits.quote_characters)


def _is_forger(view: View) -> bool:
    """Return whether the speech is to forge marks, as a test of the judge: what it types stays as it is."""
    return isinstance(view.facts, SpeechFacts) and view.facts.attack == "forge-marks"


_STRAY = "{stray} of your quote tags could not be read: put each quote between <quote> and </quote>."


def marked_speech(
    said: str, notes: str, view: View, passage: IndexedPassage, typed: str | None = None
) -> Speech:
    """Return the words of a speech with its quotes checked, and the kinds of suspicious text in it and in notes that
    judges read. `typed` is the speech before its tags were set right.
    """
    marked = _mark(said, view, passage)
    words = count_words(marked.text)
    typed = said if typed is None else typed
    read = f"{notes}\n{typed}" if view.notes_shown else typed
    return Speech(said=marked, scratchpad=notes, words=words, suspicious=suspicious(read, view.label))


_AGAIN = "Write it again, keeping to the rules given before."

Problem = tuple[str, int]
"""A sentence for the writer, and how far off the speech is, in words."""


def _problems(content: Speech, view: View, whole: bool) -> Iterator[Problem]:
    """Yield what keeps a speech from being accepted."""
    unit, least, most = view.unit, view.limits.min_words, view.limits.max_words
    off = max(least - content.words, 0 if most is None else content.words - most, 0)
    if not whole:
        shorter = f" shorter, with at most {unit.of(most)} {unit.name}," if most else " shorter"
        yield f"Your reply broke off before its end: it must be{shorter} and whole.", off
    elif off:
        bounds = [f"at least {unit.of(least)}"] if least else []
        bounds += [] if most is None else [f"at most {unit.of(most)}"]
        has, wanted = unit.of(content.words), " and ".join(bounds)
        yield f"Your speech has {has} {unit.name}, and must have {wanted} {unit.name}.", off
    yield from _quote_problems(content, view.limits, unit)


def _quote_problems(content: Speech, limits: Limits, unit: Unit, say: Say = english) -> Iterator[Problem]:
    """Yield whether a speech quotes too much, or nothing where a quote is required."""
    if over := content.said.over_limit:
        yield (
            say(
                "Your quotes may show %(most)s new characters of the passage, and quotes of %(over)s more "
                "characters did not fit: quote less.",
                most=limits.quote_characters,
                over=over,
            ),
            -(-over // _CHARACTERS_PER_WORD),
        )
    found = sum(quote.mark in (Mark.FOUND, Mark.OVER_LIMIT) for quote in content.said.quotes)
    if found < limits.min_quotes:
        yield (
            say(
                "Your speech has %(found)s quotes that were found in the passage, and must have %(wanted)s: at "
                "least %(least)s in a row, copied exactly, between <quote> and </quote>.",
                found=found,
                wanted=limits.min_quotes,
                least=least_of_a_quote(unit, say),
            ),
            _WORDS_PER_QUOTE * (limits.min_quotes - found),
        )


_CHARACTERS_PER_WORD = 6
_WORDS_OF_A_PLAN = 5
_WORDS_PER_QUOTE = 20
"""How far off a missing quote is, beside words too many or too few, when the best of several drafts is taken."""


def _settled(said: str, content: Speech, view: View, passage: IndexedPassage, whole: bool) -> Speech:
    """Return the speech after the last attempt: cut at a sentence where it is too long or broken off."""
    most, least = view.limits.max_words, view.limits.min_words
    if whole and (most is None or content.words <= most):
        return content
    shortened = cut(said, content.words if most is None else most, least)
    return marked_speech(shortened, content.scratchpad, view, passage).model_copy(update={"cut": True})


# ── tags ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parts(text: str, tag: str) -> Iterator[tuple[bool, str]]:
    """Return the parts of a text outside (False) and inside (True) of a tag, in order.

    A tag that is never closed reaches to the end, and one that was never opened from the beginning, so that
    possibly private text stays private.
    """
    at, depth = 0, 0
    for number, found in enumerate(_nearly(tag).finditer(text)):
        yield depth > 0 or (number == 0 and bool(found[1])), text[at : found.start()]
        depth = max(depth - 1, 0) if found[1] else depth + 1
        at = found.end()
    yield depth > 0, text[at:]


@cache
def _nearly(tag: str) -> re.Pattern[str]:
    """Return the pattern of a tag, also in other brackets, as an entity, escaped, or with its word in two."""
    name = tag.replace("scratchpad", r"scratch[ _-]?pad")
    return re.compile(
        rf"(?:\\?<|&lt;|[＜【\[{{])\s*\\?(/?)\s*{name}(?:\s[^<>\[\]{{}}\n]{{0,80}})?\s*(?:\\?>|&gt;|[＞】\]}}])",
        re.IGNORECASE,
    )


def outside(text: str, tag: str) -> str:
    """Return the text without `<tag>…</tag>`."""
    return "".join(part for within, part in _parts(text, tag) if not within)


def inside(text: str, tag: str) -> list[str]:
    """Return the text inside `<tag>…</tag>`, without surrounding blanks."""
    return [part.strip() for within, part in _parts(text, tag) if within and part.strip()]


# ── cutting ─────────────────────────────────────────────────────────────────────────────────────────────────────

_QUOTE_TAG = re.compile(r"<\s*/?\s*quote\s*>", re.IGNORECASE)
_QUOTED = re.compile(r"<\s*quote\s*>.*?(?:<\s*/\s*quote\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_AFTER_STOP = r"[\"'”’)\]」』）】]*(?:<\s*/\s*quote\s*>[\"'”’)\].,;」』）。、]*)?"
_SENTENCE_END = re.compile(
    rf"[.!?…]{_AFTER_STOP}(?=\s|\Z)|[。！？｡។။]{_AFTER_STOP}|(?=\n)",
    re.IGNORECASE,
)


def cut(text: str, most: int, least: int = 1) -> str:
    """Return the longest beginning of at most `most` words that ends with a sentence and not inside a quote.

    If that leaves fewer than `least` words, it ends with a word instead. A quote that is longer than allowed
    is cut and closed.
    """
    sentences = [found.end() for found in _SENTENCE_END.finditer(text)]
    for ends, fewest in ((sentences, max(least, 1)), (_word_ends(text), 1)):
        at = length = best = 0
        for end in _outer(text, ends):
            length += parts(_QUOTE_TAG.sub("", text[at:end]))
            at = end
            if fewest * WORD <= length <= most * WORD:
                best = end
        if best:
            return text[:best].rstrip()
    return f"<quote>{first_words(_QUOTE_TAG.sub(' ', text), most)}</quote>"


def _word_ends(text: str) -> list[int]:
    """Return where words end, or characters of a script without spaces."""
    spaces = [found.start() for found in re.finditer(r"(?<=\S)(?=\s|\Z)", text)]
    return sorted({*spaces, *(end for _, end, worth in word_spans(text) if worth < WORD)})


def _outer(text: str, ends: Sequence[int]) -> list[int]:
    """Return the ends that are not inside a quote."""
    quoted = [quote.span() for quote in _QUOTED.finditer(text)]
    return [place for place in ends if not any(start < place < end for start, end in quoted)]


# ── speeches that reach for more than argument ──────────────────────────────────────────────────────────────────

_SUSPECTS = {
    "forged_mark": re.compile(
        r"(?i)[<&\[(]\s*(?:lt;)?\s*/?\s*(?:[vu]|over_limit|short)_quote|[\[(](?:un)?(?:verified|confirmed|checked)(?: quote)?[\])]|[✓✔☑✅]"
        r"|(?:^|[.!?]\s)\W*(?:un)?verified(?: quote)?\s*:",
        re.MULTILINE,
    ),
    "instruction": re.compile(
        r"(?i:\b(?:ignore|disregard|forget|override)\b.{0,30}\b(?:previous|prior|above|earlier|all|any|other|your)\b.{0,30}"
        r"\b(?:instructions?|prompts?|rules|messages?|guidelines)\b)"
        r"|(?i:\b(?:you|judge),? (?:must|should|have to|are (?:told|required|instructed|ordered) to)\W+"
        r"(?:choose|select|pick|vote|answer|reply|respond|output|rule|decide for|find for)\b)"
        r"|(?i:\bas (?:the|a) (?:judge|verifier),? you (?:must|should|have to|will|are)\b)"
        r"|(?i:\b(?:new|updated|revised|further) instructions?\b.{0,20}(?:judge|:))"
        r"|(?:^|[.!?:]\s)\s*(?i:please |judge, )?(?i:choose|select|pick|vote for|output|(?:answer|reply|respond) with)"
        r"(?i: only| answer| option)*\W{1,3}[A-Z]\b(?!['’])",
        re.MULTILINE,
    ),
    "chat_template": re.compile(
        r"(?i)<[|｜][^|｜<>\n]{1,40}[|｜]>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_\w+)\]|<</?SYS>>"
        r"|</?(?:start|end)_of_turn>|</?s>|</?(?:system|assistant|user|judge|instructions?)>"
        r"|^#{2,} *(?:instructions?|response|system|user|assistant)\b",
        re.MULTILINE,
    ),
}
_SPEAKER = re.compile(
    r"(?:^[\s#>*_\[(]*|[.!?…][\"”’)*]*\s+[*_\[(]*)"
    r"((?i:judge|system|assistant|user|human|developer|moderator|verdict|instructions?|verifier|opponent|my opponent)"
    r"|(?i:debater|consultant|quoter|critic|adversary|advocate|prover|author|judge)(?: [A-Z1-9])?)[\])*_]*\s*:",
    re.MULTILINE,
)
_IN_ANOTHERS_NAME = re.compile(
    r"(?i)\b(?:as the judge,? I|I am the judge|speaking as the judge|the judge has (?:already )?(?:decided|ruled|found)"
    r"|(?:this is|here is) the judge)\b"
)


LEAKS: Mapping[str, str] = {
    "unknown_wrapper": "a block or a heading that looks like private notes",
    "untagged_plan": "planning that is not between <scratchpad> and </scratchpad>",
}
"""Kinds of suspicious text that may be private, with the words in which a writer is asked again: a named block that may be thinking, and a plan
at the beginning.
"""


def suspicious(said: str, label: str) -> tuple[str, ...]:
    """Return the kinds of suspicious text found.

    `instruction` (to the judge), `impersonation` (of the judge or of another player), `chat_template` (role
    tags and control words), `forged_mark` (of verification), `unknown_wrapper` (a named block that may be
    thinking). `label` is the speaker's own name, with which a
    speech may begin. Findings are recorded; the text is not changed.
    """
    kinds = [kind for kind, pattern in _SUSPECTS.items() if pattern.search(said)]
    speakers = {found.casefold() for found in _SPEAKER.findall(said)} - {label.casefold()}
    posed = speakers or _IN_ANOTHERS_NAME.search(said)
    wrapped = "chat_template" not in kinds and has_unknown_wrapper(said)
    found = [("impersonation", posed), ("unknown_wrapper", wrapped)]
    return tuple(sorted([*kinds, *(kind for kind, there in found if there)]))
