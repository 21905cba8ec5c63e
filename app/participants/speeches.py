"""Reads what a model or a person wrote as a speech: quotes checked, length within bounds, a model's notes apart."""

import re
from collections.abc import Iterator

from app.protocols.core import Belief, Limits, Speech
from app.protocols.quotes import IndexedPassage, MarkedText, mark, only_verified
from app.protocols.views import View


class Unread(Exception):
    """A reply that cannot be taken as it stands.

    `problem` is what to tell the model; `draft` what to make of the reply if no better one comes, `off` how far it is
    from what was asked: words outside of the bounds, or percent that do not add up.
    """

    def __init__(self, problem: str, draft: Speech | Belief | None = None, off: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.draft, self.off = problem, draft, off


def speech(view: View, passage: IndexedPassage, text: str, whole: bool = True) -> Speech:
    """The speech in a reply; raises Unread where it is empty, broken off, too long or too short.

    Where only quotes are wanted, all but the verified ones is dropped, and each of them stands on a line of its own.
    """
    answer = outside(text, "think")
    said = outside(answer, "scratchpad").strip()
    notes = "\n\n".join(inside(answer, "scratchpad")).strip()
    if view.limits.only_quotes:
        said = "\n".join(_verified(said, view, passage))
        if not said:
            raise Unread(_NO_QUOTES)
    elif not said:
        raise Unread("Your reply held no speech. Write the speech itself, outside of any scratchpad.")
    content = marked_speech(said, notes, view, passage)
    problem = _length_problem(content.words, view.limits, whole or view.limits.only_quotes)
    if problem is None:
        return content
    off = max(
        view.limits.min_words - content.words, content.words - (view.limits.max_words or content.words), 0
    )
    raise Unread(problem, _settled(said, content, view, passage, whole), off)


def written(view: View, passage: IndexedPassage, text: str) -> Speech:
    """What a person wrote as a speech, nothing of it set apart or cut; raises Unread where it is empty or too long."""
    said = text.strip()
    if not said:
        raise Unread("Write your speech first.")
    if view.limits.only_quotes:
        said = "\n".join(_verified(said, view, passage))
        if not said:
            raise Unread(_NO_QUOTES)
    content = marked_speech(said, "", view, passage)
    most = view.limits.max_words
    if most is not None and content.words > most:
        raise Unread(
            f"Your speech has {content.words} words and may have {most}: shorten it by {content.words - most}."
        )
    return content


_NO_QUOTES = (
    "None of your quotes could be used. Copy at least four words in a row exactly as they stand in the passage, "
    "each quote between <quote> and </quote>, and keep to the allowed length."
)


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


def marked_speech(said: str, notes: str, view: View, passage: IndexedPassage) -> Speech:
    """The words of a speech with their quotes checked, and what in them reaches for more than argument."""
    marked = _mark(said, view, passage)
    words = len(marked.text.split())
    return Speech(said=marked, scratchpad=notes, words=words, suspicious=suspicious(said, view.label))


def _length_problem(words: int, limits: Limits, whole: bool) -> str | None:
    bounds = f"at most {limits.max_words} words" if limits.max_words else ""
    if limits.min_words:
        bounds = (
            f"at least {limits.min_words} and {bounds}" if bounds else f"at least {limits.min_words} words"
        )
    if not whole:
        return f"Your reply broke off before its end. Write it again, shorter{bounds and ', with ' + bounds}."
    if words < limits.min_words or (limits.max_words is not None and words > limits.max_words):
        return (
            f"Your speech has {words} words. Write it again with {bounds}, keeping to the rules given before."
        )
    return None


def _settled(said: str, content: Speech, view: View, passage: IndexedPassage, whole: bool) -> Speech:
    """The speech as the last resort makes it: cut at a sentence where it is too long or broken off."""
    most, least = view.limits.max_words, view.limits.min_words
    if whole and (most is None or content.words <= most):
        return content
    shortened = cut(said, content.words if most is None else most, least)
    return marked_speech(shortened, content.scratchpad, view, passage).model_copy(update={"cut": True})


# ── tags ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parts(text: str, tag: str) -> Iterator[tuple[bool, str]]:
    """The stretches of a text outside (False) and inside (True) of a tag, in order.

    A tag that is never closed reaches to the end, and one that was never opened from the beginning: what may be
    private stays so.
    """
    at, depth = 0, 0
    for number, found in enumerate(re.finditer(rf"<\s*(/?)\s*{tag}\s*>", text, re.IGNORECASE)):
        yield depth > 0 or (number == 0 and bool(found[1])), text[at : found.start()]
        depth = max(depth - 1, 0) if found[1] else depth + 1
        at = found.end()
    yield depth > 0, text[at:]


def outside(text: str, tag: str) -> str:
    """The text without what stands in `<tag>…</tag>`."""
    return "".join(part for within, part in _parts(text, tag) if not within)


def inside(text: str, tag: str) -> list[str]:
    """What stands in `<tag>…</tag>`, blanks left out."""
    return [part.strip() for within, part in _parts(text, tag) if within and part.strip()]


# ── cutting ─────────────────────────────────────────────────────────────────────────────────────────────────────

_QUOTE_TAG = re.compile(r"<\s*/?\s*quote\s*>", re.IGNORECASE)
_QUOTED = re.compile(r"<\s*quote\s*>.*?(?:<\s*/\s*quote\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_SENTENCE_END = re.compile(
    r"[.!?…][\"'”’)\]]*(?:<\s*/\s*quote\s*>[\"'”’)\].,;]*)?(?=\s|\Z)|(?=\n)", re.IGNORECASE
)
_WORD_END = re.compile(r"(?<=\S)(?=\s|\Z)")


def cut(text: str, most: int, least: int = 1) -> str:
    """The longest beginning of at most `most` words that ends with a sentence and inside no quote.

    Where that leaves fewer than `least` words it ends with a word instead; a quote that is longer than all that is
    allowed is cut short and closed.
    """
    for ends, fewest in ((_SENTENCE_END, max(least, 1)), (_WORD_END, 1)):
        at = words = best = 0
        for end in _outer_ends(text, ends):
            words += _count(text[at:end])
            at = end
            if fewest <= words <= most:
                best = end
        if best:
            return text[:best].rstrip()
    return f"<quote>{' '.join(_QUOTE_TAG.sub(' ', text).split()[:most])}</quote>"


def _outer_ends(text: str, ends: re.Pattern[str]) -> list[int]:
    quoted = [quote.span() for quote in _QUOTED.finditer(text)]
    places = (found.end() for found in ends.finditer(text))
    return [place for place in places if not any(start < place < end for start, end in quoted)]


def _count(text: str) -> int:
    return len(_QUOTE_TAG.sub("", text).split())


# ── speeches that reach for more than argument ──────────────────────────────────────────────────────────────────

_SUSPECTS = {
    "forged_mark": re.compile(
        r"(?i)[<&\[(]\s*(?:lt;)?\s*/?\s*[vu]_quote|[\[(](?:un)?(?:verified|confirmed|checked)(?: quote)?[\])]|[✓✔☑✅]"
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


def suspicious(said: str, label: str) -> tuple[str, ...]:
    """Kinds of text found that reach for more than argument: `instruction` (to the judge), `impersonation` (of the judge or
    of another player), `chat_template` (role tags and control words), `forged_mark` (of verification).

    `label` is the speaker's own name, with which a speech may well begin. What is found is put on record, not undone.
    """
    kinds = [kind for kind, pattern in _SUSPECTS.items() if pattern.search(said)]
    speakers = {found.casefold() for found in _SPEAKER.findall(said)} - {label.casefold()}
    posed = speakers or _IN_ANOTHERS_NAME.search(said)
    return tuple(sorted([*kinds, *(["impersonation"] if posed else [])]))
