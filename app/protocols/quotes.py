"""Verifies a speech's quotes against the hidden passage.

A debater tags quotes with `<quote>…</quote>`. `mark` removes the tags, finds each quote in the passage and
classifies it: the same characters, the same words, nearly, or absent. It never changes a written word.

Two texts have the same words when they agree after Unicode compatibility folding and case folding, whatever
their punctuation, symbols and white space, as long as words begin and end at the same places. Apostrophes
inside a word and hyphens at a line break may come and go. A hyphen of the passage may be left out: its
`well-known` matches `well known` and `wellknown` too. Numbers are stricter: `1.5` is never `15`. Accents
count.
"""

import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from pydantic import BaseModel

from app.protocols.writing import FIRST_UNSPACED, WORD, parts_of

Span = tuple[int, int]
"""Start and end (exclusive) in a text, in code points."""

MIN_WORDS = 4
"""Fewer quoted words than this prove nothing: `e` is in every passage. In scripts without spaces between words this is
8 characters of Chinese or Japanese, 12 of Thai and others.
"""

MAX_GAP = 1_500
"""Characters of the passage that one ellipsis may leave out: about a page, so that a quote stays one stretch
of text.
"""

MAX_SEGMENTS = 16
"""A quote with more ellipses than this is a collage, and is not searched for."""

NEAR_MAX_EDITS = 8
"""Most wrong words of a near miss, whatever its length. Shorter quotes may have one in five wrong, or one."""

NEAR_MAX_WORDS = 400
"""Longer quotes are found or absent. No near miss is searched for, which bounds the time."""


EFFORT = 200_000
"""Places of the passage that are looked at for all quotes of a speech, which bounds the time to about half a second. A usual
speech takes some hundreds; one of `a a a a` about a text of `a a a …` would take hundreds of millions.
"""

EFFORT_A_QUOTE = 500
"""Places that are looked at for one quote, though the speech has used up all others."""

NEAR_EFFORT = 600_000
"""Steps of the search for near misses for all quotes of a speech, which bounds the time to about a second."""


class Mark(StrEnum):
    """How a quote is marked for its readers. The values are the tags of prompts."""

    FOUND = "v_quote"
    NOT_FOUND = "u_quote"
    """The passage does not have these words as they are quoted."""
    OVER_LIMIT = "over_limit_quote"
    """In the passage, but with it the speech quotes more than it may."""
    SHORT = "short_quote"
    """Too short to be checked, so neither found nor missing."""

    @property
    def in_passage(self) -> bool:
        """Return whether readers learn that the passage has these words, within the limit or not."""
        return self in (Mark.FOUND, Mark.OVER_LIMIT)


class Status(StrEnum):
    """How a quote relates to the passage. Only the first two count as verified."""

    EXACT = "exact"
    """The same characters, ignoring runs of white space."""
    NORMALISED = "normalised"
    """The same words; case, punctuation, dashes, quotation marks, ligatures or line breaks differ."""
    NEAR = "near"
    """Not found, but a few word edits away from the passage."""
    ABSENT = "absent"
    TOO_SHORT = "too_short"
    """Fewer words than required, or an ellipsis segment of a single word.

    Also a quote of a speech that has used up the effort for its quotes: it is neither found nor missing.
    """
    OVER_BUDGET = "over_budget"
    """Found, but more new characters than the speech may still quote."""

    @property
    def verified(self) -> bool:
        """Return whether the quote is in the passage and within the limit."""
        return self.mark == Mark.FOUND

    @property
    def mark(self) -> Mark:
        """Return what readers see of this status."""
        return _MARKS[self]


_MARKS = {
    Status.EXACT: Mark.FOUND,
    Status.NORMALISED: Mark.FOUND,
    Status.NEAR: Mark.NOT_FOUND,
    Status.ABSENT: Mark.NOT_FOUND,
    Status.TOO_SHORT: Mark.SHORT,
    Status.OVER_BUDGET: Mark.OVER_LIMIT,
}


class Quote(BaseModel, frozen=True):
    """One tagged quote of a speech."""

    start: int
    end: int
    """The quoted words in `MarkedText.text`, without white space at both ends."""
    status: Status
    spans: tuple[Span, ...]
    """Its place in the raw passage, first word to last, one span per ellipsis segment and in order.

    Empty where it was not found. A near miss has the nearest words; a quote over budget has the words it
    would have shown.
    """
    new_characters: int
    """Verified passage characters that no earlier quote had shown; 0 unless verified."""
    repeated: bool
    """Verified, and wholly covered by earlier quotes."""

    @property
    def verified(self) -> bool:
        return self.status.verified

    @property
    def mark(self) -> Mark:
        return self.status.mark


class MarkedText(BaseModel, frozen=True):
    """A speech without its quote tags, and its quotes in order. Stray tags stay in the text as written."""

    text: str
    quotes: tuple[Quote, ...]

    @property
    def new_characters(self) -> int:
        """Return the new verified characters of this speech, for a budget."""
        return sum(quote.new_characters for quote in self.quotes)

    @property
    def over_limit(self) -> int:
        """Return the characters of the passage that quotes over the limit would have shown."""
        over = (quote for quote in self.quotes if quote.mark == Mark.OVER_LIMIT)
        return sum(end - start for quote in over for start, end in quote.spans)

    @property
    def shown_spans(self) -> tuple[Span, ...]:
        """Return the places in the passage of every quote that is in it, within the limit or not."""
        return tuple(span for quote in self.quotes if quote.mark.in_passage for span in quote.spans)

    @property
    def verified_spans(self) -> tuple[Span, ...]:
        """Return the passage spans that this speech has shown. Later speeches of the side pass them to `mark`
        as `earlier`.
        """
        return tuple(span for quote in self.quotes if quote.verified for span in quote.spans)


# Folding ---------------------------------------------------------------------------------------------------------

# What lies between two neighbouring letters. A quote may begin or end only where a gap is open.
_INSIDE = 0  # nothing: they belong to one word
_JOINT = 1  # an apostrophe within a word, or a hyphen at a line break: may be put in or left out
_HYPHEN = 2  # a hyphen within a word: may be left out, or turned into a break
_SEAM = 3  # a hyphen and a space, as in "some- thing", a full stop alone, as in "U.S.", or nothing in scripts without spaces: may be left out, and is open
_POINT = 4  # a mark within a number: must be there, and is not open
_BREAK = 5  # words end and begin: must be there, and is open
_OPEN = (_SEAM, _BREAK)
_APART = (_POINT, _BREAK)

_APOSTROPHES = "‘’‛′‵`´ʹʻʼʽˈ＇"
_HYPHENS = "‐‑"
_SOFT_HYPHEN = "\u00ad"
_PREPARE = str.maketrans(dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-"))
_LIGATURES = str.maketrans({"æ": "ae", "œ": "oe"})
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset(
    map(
        chr,
        [
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
            *range(0x180B, 0x1810),
            0x034F,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
            0x3164,
            0xFFA0,
        ],
    )
)
"""Variation selectors and fillers, beside the format characters (Unicode, Default_Ignorable_Code_Point)."""
_GAPS = {"": _INSIDE, "'": _JOINT, "-\n": _JOINT, "-": _HYPHEN, "- ": _SEAM, ".": _SEAM}
_IN_NUMBERS = frozenset([".", ",", ":", "/", "'", "-", "-\n"])
_LONGEST_CLUSTER = 32
_WHITE_SPACE = re.compile(r"\s+")


class _Letters(NamedTuple):
    """A text as its folded letters and digits."""

    chars: str
    gaps: bytes
    """`gaps[i]` is before `chars[i]`; the last one closes the text."""
    starts: "array[int]"
    ends: "array[int]"
    """The origin of each letter: offsets in the text that was folded."""

    def words(self) -> list[Span]:
        """Ranges of `chars` between open gaps."""
        cuts = [at for at, gap in enumerate(self.gaps) if gap in _OPEN]
        return list(pairwise(cuts))


def _fold(text: str) -> _Letters:
    chars: list[str] = []
    gaps = bytearray()
    starts, ends = array("I"), array("I")
    between = "\n"
    for start, end in _clusters(text):
        for char in _fold_cluster(text[start:end]):
            kind = _kind(char)
            if kind == "ignored":
                if char == _SOFT_HYPHEN and text[end : end + 1].isspace():
                    between = (between + "-")[:3]  # It is seen at the end of a line only.
                continue
            if kind == "other" or (kind == "mark" and between):
                between = (between + char)[:3]
                continue
            same_origin = bool(starts) and starts[-1] == start
            gaps.append(_gap(chars[-1] if chars else "", between, char, same_origin))
            chars.append(char)
            starts.append(start)
            ends.append(end)
            between = ""
    gaps.append(_BREAK)
    return _Letters("".join(chars), bytes(gaps), starts, ends)


def _clusters(text: str) -> Iterator[Span]:
    """Yield each character with the combining marks after it, at most so many that reordering them stays
    cheap.
    """
    start = 0
    for at in range(1, len(text)):
        if not unicodedata.combining(text[at]) or at - start >= _LONGEST_CLUSTER:
            yield start, at
            start = at
    if text:
        yield start, len(text)


@lru_cache(maxsize=8_192)
def _fold_cluster(cluster: str) -> str:
    decomposed = unicodedata.normalize("NFKD", cluster.translate(_PREPARE)).casefold().translate(_LIGATURES)
    folded = unicodedata.normalize("NFKD", decomposed)
    # Fractions and superscripts are separate from the number before them: 10½ is not 101/2, and 10⁶ is not
    # 106.
    return " " + folded if unicodedata.category(cluster[0]) == "No" else folded


@lru_cache(maxsize=8_192)
def _kind(char: str) -> str:
    category = unicodedata.category(char)
    # Bidirectional controls show words other than the text has, so they count as letters.
    if char in _INVISIBLE:
        return "ignored"
    if category[0] in "LN" or char in _BIDI_CONTROLS:
        return "letter"
    if category == "Cf":
        return "ignored"
    return "mark" if category[0] == "M" else "other"


def _gap(before: str, between: str, after: str, same_origin: bool) -> int:
    if not before:
        return _BREAK
    if (same_origin and between) or (between in _IN_NUMBERS and before.isdigit() and after.isdigit()):
        return _POINT
    if not between and not same_origin and (after >= FIRST_UNSPACED or before >= FIRST_UNSPACED):
        return _gap_without_space(before, after)
    return _GAPS.get(between, _BREAK)


@lru_cache(maxsize=65_536)
def _gap_without_space(before: str, after: str) -> int:
    """Return the gap between two letters that touch: open in scripts without spaces, but in front of a mark and
    within a number.
    """
    if _kind(after) == "mark" or (before in _NUMERALS and after in _NUMERALS):
        return _INSIDE
    return _SEAM if parts_of(before) or parts_of(after) else _INSIDE


_NUMERALS = "〇零一二三四五六七八九十百千万萬億亿兆廿卅"


def _clash(passage: bytes, quote: bytes) -> bool:
    """Return whether one of the texts separates its words where the other does not."""
    if passage == quote:
        return False
    return any(
        (ours == _INSIDE and theirs not in (_INSIDE, _JOINT)) or (theirs == _INSIDE and ours in _APART)
        for ours, theirs in zip(passage, quote, strict=True)
    )


def _flatten(text: str) -> str:
    """Return the text with each run of white space as one character: a line break if it had one."""
    return _WHITE_SPACE.sub(lambda run: " " if run[0].splitlines() == [run[0]] else "\n", text)


class _Piece(NamedTuple):
    """A stretch of a quote that must be in the passage without a gap."""

    flat: str
    letters: _Letters
    words: list[str]

    @property
    def size(self) -> float:
        """Return its words, where a character of a script without spaces is a part of one."""
        return sum(parts_of(word[0]) or WORD for word in self.words) / WORD


class _Occurrence(NamedTuple):
    """A place in the raw passage, and whether it has the quote's exact characters."""

    span: Span
    exact: bool


def _piece(text: str) -> _Piece:
    flat = _flatten(text.strip())
    letters = _fold(flat)
    return _Piece(flat.replace("\n", " "), letters, [letters.chars[a:b] for a, b in letters.words()])


class _Found(NamedTuple):
    status: Status
    spans: tuple[Span, ...] = ()


# The effort ------------------------------------------------------------------------------------------------------


class _Exhausted(Exception):
    """The search for a quote takes more effort than is left."""


class _Effort:
    """What the quotes of one speech may still take, and what was found for them."""

    def __init__(self) -> None:
        self._left = EFFORT
        self._of_quote = EFFORT_A_QUOTE
        self._near = NEAR_EFFORT
        self.occurrences: dict[str, list[_Occurrence]] = {}
        """The places of pieces of quotes."""
        self.found: dict[str, _Found | None] = {}
        """How quotes relate to the passage; None where that would take too much effort."""

    def begin_quote(self) -> None:
        """Begin the search for another quote."""
        self._of_quote = EFFORT_A_QUOTE

    def spend(self, places: int) -> None:
        """Use up the effort of looking at places. Raise _Exhausted."""
        self._left -= places
        self._of_quote -= places
        if self._left < 0 and self._of_quote < 0:
            raise _Exhausted

    def affords_near(self, steps: int) -> bool:
        """Use up the effort of a search for near misses; return whether there was enough."""
        self._near -= steps
        return self._near >= 0


# The passage -----------------------------------------------------------------------------------------------------


class IndexedPassage:
    """A passage prepared for finding quotes. Build it once (`indexed` keeps the latest)."""

    def __init__(self, text: str) -> None:
        self.text = text
        flat = _flatten(text)
        self._flat = flat.replace("\n", " ")
        self._raw = array("I")
        for run in re.finditer(r"\s+|\S+", text):
            self._raw.extend([run.start()] if run[0][0].isspace() else range(*run.span()))
        self._letters = _fold(flat)

    def occurrences(self, piece: _Piece, effort: _Effort) -> list[_Occurrence]:
        """Return the places of the piece, word for word, from the first to the last. Raise _Exhausted."""
        known = effort.occurrences.get(piece.flat)
        if known is None:
            known = effort.occurrences[piece.flat] = list(self._occurrences(piece, effort))
        return known

    def first(self, piece: _Piece, effort: _Effort) -> _Occurrence | None:
        """Return the first place with the piece's exact characters or, where there is none, its first place. Raise
        _Exhausted.
        """
        may_be_exact = piece.flat in self._flat
        first = None
        for found in self._occurrences(piece, effort):
            if found.exact or not may_be_exact:
                return found
            first = first or found
        return first

    def _occurrences(self, piece: _Piece, effort: _Effort) -> Iterator[_Occurrence]:
        cost = 1 + len(piece.letters.chars) // 64
        at = self._letters.chars.find(piece.letters.chars)
        while at != -1:
            effort.spend(cost)
            if self._fits(piece.letters, at):
                span = self._span(at, at + len(piece.letters.chars))
                yield _Occurrence(span, self._reads_exactly(piece, at))
            at = self._letters.chars.find(piece.letters.chars, at + 1)

    def _fits(self, piece: _Letters, at: int) -> bool:
        gaps, end = self._letters.gaps, at + len(piece.chars)
        if gaps[at] not in _OPEN or gaps[end] not in _OPEN:
            return False
        return not _clash(gaps[at + 1 : end], piece.gaps[1:-1])

    def _reads_exactly(self, piece: _Piece, at: int) -> bool:
        """Return whether the passage has the piece's exact characters, given that its letters begin at `at`."""
        begin = self._letters.starts[at] - piece.letters.starts[0]
        return begin >= 0 and self._flat.startswith(piece.flat, begin)

    def _span(self, first: int, end: int) -> Span:
        """Return the raw passage offsets of a range of letters."""
        return self._raw[self._letters.starts[first]], self._raw[self._letters.ends[end - 1] - 1] + 1

    def widened(self, span: Span) -> Span:
        """Return the span up to the words on either side of it: the text between quoted words is not new."""
        before = bisect_right(self._word_ends, span[0])
        after = bisect_left(self._word_starts, span[1])
        start = self._word_ends[before - 1] if before else 0
        end = self._word_starts[after] if after < len(self._word_starts) else len(self.text)
        return min(start, span[0]), max(end, span[1])

    def nearest(self, piece: _Piece, effort: _Effort) -> Span | None:
        """Return the stretch of the passage with fewest word edits, where those are few and found without much effort."""
        allowed = _allowed_edits(len(piece.words))
        if not allowed or len(piece.words) > NEAR_MAX_WORDS:
            return None
        votes = sum(len(self._pairs.get(pair, ())) for pair in pairwise(piece.words))
        if not effort.affords_near(votes + _STARTS * len(piece.words) * (2 * allowed + 1)):
            return None
        aligned = [self._align(piece.words, at, allowed) for at in self._likely_starts(piece.words)]
        edits, first, end = min(aligned, default=(allowed + 1, 0, 0))
        first, end = max(first, 0), min(end, len(self._words))
        if edits > allowed or first >= end:
            return None
        return self._span(self._words[first][0], self._words[end - 1][1])

    def _likely_starts(self, words: Sequence[str]) -> list[int]:
        """Return the likeliest beginnings of the quote, by the word pairs it shares with the passage."""
        votes: Counter[int] = Counter()
        for offset, pair in enumerate(pairwise(words)):
            votes.update(at - offset for at in self._pairs.get(pair, ()))
        return [start for start, _ in votes.most_common(_STARTS)]

    def _align(self, words: Sequence[str], guess: int, slack: int) -> tuple[int, int, int]:
        """Return the fewest word edits (Sellers' alignment in a band) to a stretch within `slack` words of a
        guessed start.

        Returns edits, first word and end word (exclusive). The words may be outside of the passage by
        `slack`.
        """
        width = 2 * slack + 1
        base = guess - slack
        row = [(0, base + shift) for shift in range(width)]
        for done, word in enumerate(words):
            above, row = row, []
            for shift in range(width):
                best = _worse(above[shift], word != self._word_at(base + done + shift))
                if shift + 1 < width:
                    best = min(best, _worse(above[shift + 1], 1))
                if shift:
                    best = min(best, _worse(row[shift - 1], 1))
                row.append(best)
        edits, first, shift = min((edits, first, -shift) for shift, (edits, first) in enumerate(row))
        return edits, first, base + len(words) - shift

    def _word_at(self, at: int) -> str | None:
        if not 0 <= at < len(self._words):
            return None
        return self._letters.chars[slice(*self._words[at])]

    @cached_property
    def _words(self) -> list[Span]:
        return self._letters.words()

    @cached_property
    def _word_starts(self) -> list[int]:
        return [self._span(*word)[0] for word in self._words]

    @cached_property
    def _word_ends(self) -> list[int]:
        return [self._span(*word)[1] for word in self._words]

    @cached_property
    def _pairs(self) -> dict[tuple[str, str], list[int]]:
        """Return the places of each pair of neighbouring words in the passage."""
        pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
        words = [self._letters.chars[first:end] for first, end in self._words]
        for at, pair in enumerate(pairwise(words)):
            pairs[pair].append(at)
        return dict(pairs)


_STARTS = 5
"""Places at which a near miss is tried."""


@lru_cache(maxsize=32)
def indexed(text: str) -> IndexedPassage:
    """Return the index of a passage, cached for the next speech about it."""
    return IndexedPassage(text)


def _allowed_edits(words: int) -> int:
    return min(max(1, words // 5), NEAR_MAX_EDITS) if words >= MIN_WORDS else 0


def _worse(cell: tuple[int, int], edits: int) -> tuple[int, int]:
    return cell[0] + edits, cell[1]


# Finding a quote -------------------------------------------------------------------------------------------------

_DOTS = r"(?:[…⋯]|\.(?:[ \u00a0]?\.){2,})"
_ELLIPSIS = re.compile(rf"\[\s*+{_DOTS}\s*+\]|\(\s*+{_DOTS}\s*+\)|{_DOTS}")


def _find(quote: str, passage: IndexedPassage, min_words: int, max_gap: int, effort: _Effort) -> _Found:
    """Return how a quote relates to the passage. Raise _Exhausted."""
    whole = _piece(quote)
    if not whole.words or whole.size < min_words:
        return _Found(Status.TOO_SHORT)
    # A passage may contain dots itself, so the quote is first searched for unchanged.
    if place := passage.first(whole, effort):
        return _Found(Status.EXACT if place.exact else Status.NORMALISED, (place.span,))
    cut = _cut(quote)
    if len(cut) > MAX_SEGMENTS:
        return _Found(Status.ABSENT)
    joined = _join(quote, cut, passage, effort)
    for places in [joined] if joined == cut else [joined, cut]:
        segments = [_piece(quote[start:end]) for start, end in places]
        if _long_enough(segments) and (found := _find_verbatim(segments, passage, max_gap, effort)):
            return found
    segments = [_piece(quote[start:end]) for start, end in joined]
    if not _long_enough(segments):
        return _Found(Status.TOO_SHORT)
    return _find_near(segments, passage, max_gap, effort)


def _cut(quote: str) -> list[Span]:
    """Return the stretches of a quote between its ellipses, except those without words."""
    edges = [0, *(edge for dots in _ELLIPSIS.finditer(quote) for edge in dots.span()), len(quote)]
    return [
        (start, end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if _piece(quote[start:end]).words
    ]


def _join(quote: str, cut: Iterable[Span], passage: IndexedPassage, effort: _Effort) -> list[Span]:
    """Return the stretches, joined where the passage has the same dots and so leaves nothing out."""
    joined: list[Span] = []
    for start, end in cut:
        if joined and passage.first(_piece(quote[joined[-1][0] : end]), effort):
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


def _long_enough(segments: Sequence[_Piece]) -> bool:
    return len(segments) == 1 or all(segment.size >= 2 for segment in segments)


def _find_verbatim(
    pieces: Sequence[_Piece], passage: IndexedPassage, max_gap: int, effort: _Effort
) -> _Found | None:
    """Return the earliest chain of exact occurrences, or else of normalised ones. Raise _Exhausted."""
    places = [passage.occurrences(piece, effort) for piece in pieces]
    effort.spend(sum(map(len, places)))
    exact = [[place for place in found if place.exact] for found in places]
    for status, chosen in ((Status.EXACT, exact), (Status.NORMALISED, places)):
        if chain := _earliest_chain([[place.span for place in found] for found in chosen], max_gap):
            return _Found(status, chain)
    return None


def _find_near(pieces: Sequence[_Piece], passage: IndexedPassage, max_gap: int, effort: _Effort) -> _Found:
    choices = []
    for piece in pieces:
        spans = [place.span for place in passage.occurrences(piece, effort)]
        if not spans and (nearest := passage.nearest(piece, effort)):
            spans = [nearest]
        choices.append(spans)
    effort.spend(sum(map(len, choices)))
    chain = _earliest_chain(choices, max_gap)
    return _Found(Status.NEAR, chain) if chain else _Found(Status.ABSENT)


def _earliest_chain(choices: Sequence[list[Span]], max_gap: int) -> tuple[Span, ...]:
    """Return one span of each list, in order, without overlap and with no gap above `max_gap`; empty where
    none exists.

    Each list is sorted. Spans without a successor are dropped from the last list to the first, so that the
    earliest remaining first span can be followed to the end.
    """
    workable = [choices[-1]]
    for spans in reversed(choices[:-1]):
        workable.append([span for span in spans if _follower(span, workable[-1], max_gap)])
    chain: list[Span] = workable.pop()[:1]
    while chain and workable:
        follower = _follower(chain[-1], workable.pop(), max_gap)
        chain = [*chain, follower] if follower else []
    return tuple(chain)


def _follower(span: Span, later: Sequence[Span], max_gap: int) -> Span | None:
    at = bisect_left(later, (span[1], 0))
    return later[at] if at < len(later) and later[at][0] - span[1] <= max_gap else None


# Marking a speech ------------------------------------------------------------------------------------------------

_TAG = re.compile(r"<\s*+(/?)\s*+quote\s*+>", re.IGNORECASE)


def mark(
    raw: str,
    passage: IndexedPassage,
    *,
    earlier: Iterable[Span] = (),
    budget: int | None = None,
    min_words: int = MIN_WORDS,
    max_gap: int = MAX_GAP,
) -> MarkedText:
    """Remove the quote tags from a speech and find each quote in the passage.

    `earlier` are passage spans that this side has shown before (`MarkedText.verified_spans` of its speeches).
    `budget` is the number of new verified passage characters that this speech may show, None for no limit. A
    quote that would exceed the rest of it uses up nothing, and repeated text is free (Michael et al. 2023,
    section 2.1, caps the quoted characters of a speech). `min_words` counts words of the whole quote.
    `max_gap` is the most passage characters that one ellipsis may leave out. Raise ValueError where an
    earlier span is outside of the passage.
    """
    text, places = _take_out_tags(raw)
    shown = _Shown(passage, earlier)
    left = budget
    quotes = []
    effort = _Effort()
    for start, end in places:
        found = _find_once(text[start:end], passage, min_words, max_gap, effort)
        quote = _account(found, (start, end), shown, left)
        quotes.append(quote)
        if quote.verified:
            shown.add(quote.spans)
            left = None if left is None else left - quote.new_characters
    return MarkedText(text=text, quotes=tuple(quotes))


def _find_once(quote: str, passage: IndexedPassage, min_words: int, max_gap: int, effort: _Effort) -> _Found:
    """Return how a quote relates to the passage, as before where the speech has it twice."""
    if quote not in effort.found:
        effort.begin_quote()
        try:
            effort.found[quote] = _find(quote, passage, min_words, max_gap, effort)
        except _Exhausted:
            effort.found[quote] = None
    return effort.found[quote] or _Found(Status.TOO_SHORT)


_NAME_OF_QUOTE = r"(?:[vu]_|over_limit_|short_)?(?:(?:quot(?:e[sd]?|ations?|ing)|blockquote)(?:[_-]?\d{1,3})?|q|cit(?:e|ation|a)|zitat|引用|引文)"
_NEARLY_A_TAG = re.compile(
    r"(?P<marks>[*_`]{1,3})?"
    r"(?:\\?<{1,2}[|｜]?|\\u003c|&(?:amp;)*(?:lt|#60|#x3c);|[＜﹤‹⟨〈《«【［◁]|\((?=/?quotes?\))|\\?\[{1,2}|\\?\{{1,2})"
    rf"\s*+\\?(?P<closes>[/／]?)\s*+{_NAME_OF_QUOTE}(?:[\s:=][^<>\[\]{{}}＜＞&\n]{{0,120}}?)??\s*+(?P<closed>/?)\s*+"
    r"(?:[|｜]?\\?>{1,2}|\\u003e|&(?:amp;)*(?:gt|#62|#x3e);|[＞﹥›⟩〉》»】］▷)]|\\?\]{1,2}|\\?\}{1,2})"
    r"(?(marks)(?P=marks))",
    re.IGNORECASE,
)
_LIKE_A_TAG = re.compile(
    r"(?:[<＜﹤‹⟨〈«【［\[{◁]|\\u003c|&(?:amp;)*lt;)[^\w\s]{0,3}\s?\w{0,12}(?:quot|qoute|qu0te)\w{0,8}",
    re.IGNORECASE,
)


def with_plain_tags(raw: str) -> str:
    """Return a speech with its nearly right quote tags as `<quote>` and `</quote>`: with attributes, in other brackets,
    as entities, escaped, in the plural, or named as marks are.

    Whatever a debater types is checked as a quote, so that no mark can be forged by it. A tag without its pair stays
    as written. Where every tag opens, each second one closes.
    """
    tags = list(_NEARLY_A_TAG.finditer(raw))
    closing = [bool(tag["closes"] or tag["closed"]) for tag in tags]
    if not any(closing) and len(tags) % 2 == 0 and not any("(" in tag[0] for tag in tags):
        closing = [at % 2 == 1 for at in range(len(tags))]
    opened: list[int] = []
    paired: list[int] = []
    for at, closes in enumerate(closing):
        if not closes:
            opened.append(at)
        elif opened:
            paired += [opened.pop(), at]
    pieces, end = [], 0
    for at in sorted(paired):
        pieces += [raw[end : tags[at].start()], "</quote>" if closing[at] else "<quote>"]
        end = tags[at].end()
    return "".join([*pieces, raw[end:]])


def stray_tags(marked: MarkedText) -> int:
    """Return how many tags that were meant for a quote stayed in the text."""
    return len(_LIKE_A_TAG.findall(marked.text))


class _Shown:
    """The characters of the passage that a side has shown."""

    def __init__(self, passage: IndexedPassage, spans: Iterable[Span]) -> None:
        self._passage = passage
        self._mask = bytearray(len(passage.text))
        self.add(spans)

    def add(self, spans: Iterable[Span]) -> None:
        for start, end in spans:
            if not 0 <= start < end <= len(self._mask):
                raise ValueError(
                    f"The earlier quote {start}–{end} lies outside of the passage: pass spans of this passage."
                )
            start, end = self._passage.widened((start, end))
            self._mask[start:end] = b"\1" * (end - start)

    def count_new(self, spans: Iterable[Span]) -> int:
        return sum(self._mask.count(0, start, end) for start, end in spans)


def _account(found: _Found, place: Span, shown: _Shown, left: int | None) -> Quote:
    status = found.status
    new = shown.count_new(found.spans) if status.verified else 0
    repeated = status.verified and new == 0
    if left is not None and new > max(left, 0):
        status, new = Status.OVER_BUDGET, 0
    return Quote(
        start=place[0], end=place[1], status=status, spans=found.spans, new_characters=new, repeated=repeated
    )


def _take_out_tags(raw: str) -> tuple[str, list[Span]]:
    """Return the speech without its paired quote tags, and the places of the outermost quotes in it.

    A closing tag pairs with the latest open one. Unpaired tags are text; a pair inside a pair is dropped.
    """
    opened: list[re.Match[str]] = []
    tags: list[re.Match[str]] = []
    outermost: list[tuple[re.Match[str], re.Match[str]]] = []
    for tag in _TAG.finditer(raw):
        if not tag[1]:
            opened.append(tag)
        elif opened:
            opening = opened.pop()
            tags += [opening, tag]
            while outermost and outermost[-1][0].start() > opening.start():
                outermost.pop()
            outermost.append((opening, tag))
    kept, new_offset = _without(raw, sorted(tag.span() for tag in tags))
    places = [(new_offset[opening.end()], new_offset[closing.start()]) for opening, closing in outermost]
    return kept, [_trimmed(kept, place) for place in places]


def _without(raw: str, cuts: Sequence[Span]) -> tuple[str, dict[int, int]]:
    """Return the text without the cuts, and the new offset of both ends of each cut."""
    pieces, offsets = [], {}
    at = length = 0
    for start, end in cuts:
        pieces.append(raw[at:start])
        length += start - at
        offsets[start] = offsets[end] = length
        at = end
    return "".join([*pieces, raw[at:]]), offsets


def _trimmed(text: str, place: Span) -> Span:
    words = text[slice(*place)]
    start = place[0] + len(words) - len(words.lstrip())
    return start, start + len(words.strip())


# Showing a marked speech -----------------------------------------------------------------------------------------

_BRACKETS = str.maketrans(dict.fromkeys("<＜﹤≮", "&lt;") | dict.fromkeys(">＞﹥≯", "&gt;"))
_ENTITY = re.compile(r"&(?=#|lt|gt|[a-z]{1,24};)", re.IGNORECASE)


def render(marked: MarkedText) -> str:
    """Return the speech for a prompt, each quote between the tags of its mark (Khan et al. 2024, app. D.2, have
    `<v_quote>` and `<u_quote>`).

    No other angle bracket remains, so a debater's text can never be read as one of these tags.
    """
    pieces = []
    at = 0
    for quote in marked.quotes:
        words = _escape(marked.text[quote.start : quote.end])
        pieces += [_escape(marked.text[at : quote.start]), f"<{quote.mark}>{words}</{quote.mark}>"]
        at = quote.end
    return "".join([*pieces, _escape(marked.text[at:])])


def only_verified(marked: MarkedText) -> list[str]:
    """Return the words of the verified quotes, in order, as the debater wrote them."""
    return [marked.text[quote.start : quote.end] for quote in marked.quotes if quote.verified]


def _escape(text: str) -> str:
    # A combining mark right after a tag would merge with its bracket (">" and U+0338 make "≯") and break the
    # tag.
    if text and unicodedata.category(text[0])[0] == "M":
        text = " " + text
    return _ENTITY.sub("&amp;", text).translate(_BRACKETS)
