"""Counts and cuts texts in any script: by words where words have spaces between them, by characters where not.

Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan and a few others put no spaces between words. There a character
is an extended grapheme cluster (Unicode Standard Annex 29), and a number of them counts as a word. A mixed text is
counted by each script in its own way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import regex

_TWO = r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\p{Script=Tangut}\p{Script=Nushu}\u30fc\uff70"
_THREE = (
    r"\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Tai_Tham}"
    r"\p{Script=New_Tai_Lue}\p{Script=Tai_Le}\p{Script=Tai_Viet}\p{Script=Ahom}\p{Script=Javanese}\p{Script=Balinese}"
)

FIRST_UNSPACED = "\u0e00"
"""No script without spaces has a character before this one."""

WORD = 6
"""A word, in the unit of `parts`, so that halves and thirds of a word are whole numbers."""

_UNSPACED = regex.compile(rf"[{_TWO}{_THREE}]")
_PIECE = regex.compile(
    rf"(?P<two>(?=[{_TWO}])\X)|(?P<three>(?=[{_THREE}])\X)|(?P<other>(?:(?![{_TWO}{_THREE}])\S)+)"
)
_LETTER = regex.compile(r"[\p{L}\p{N}]")


@dataclass(frozen=True, slots=True)
class Unit:
    """What lengths are shown in: words, or characters of which several count as a word."""

    name: str
    per_word: int
    """How many of them count as a word. Chosen, not measured: about what a translation from English takes."""

    def of(self, words: int) -> int:
        """Return a number of words in this unit."""
        return words * self.per_word


WORDS = Unit("words", 1)
_UNITS = {3: Unit("characters", 2), 2: Unit("characters", 3)}


def has_unspaced(text: str) -> bool:
    """Return whether a text has characters of a script without spaces between words."""
    return not text.isascii() and _UNSPACED.search(text) is not None


@lru_cache(maxsize=16_384)
def parts_of(char: str) -> int:
    """Return what a character counts, in parts of a word; 0 where its script has spaces."""
    if char < FIRST_UNSPACED or not _UNSPACED.match(char):
        return 0
    return WORD // 2 if regex.match(rf"[{_TWO}]", char) else WORD // 3


def parts(text: str) -> int:
    """Return the length of a text in parts of a word."""
    if not has_unspaced(text):
        return WORD * len(text.split())
    return sum(worth for _, _, worth in _pieces(text))


def count_words(text: str) -> int:
    """Return the number of words. What is left over of a word counts as one."""
    return -(-parts(text) // WORD)


def unit_of(text: str) -> Unit:
    """Return the unit for texts like this one: characters where most of it is in scripts without spaces."""
    if not has_unspaced(text):
        return WORDS
    worth = {2: 0, 3: 0, WORD: 0}
    for _, _, each in _pieces(text):
        if each:
            worth[each] += each
    if worth[2] + worth[3] <= worth[WORD]:
        return WORDS
    return _UNITS[max((3, 2), key=lambda each: worth[each])]


def first_words(text: str, most: int | None) -> str:
    """Return the first words of a text, at most so many, with single spaces where it has any."""
    words = text.split()
    if most is None:
        return " ".join(words)
    if not has_unspaced(text):
        return " ".join(words[:most])
    line, left, at = " ".join(words), WORD * most, 0
    for _, end, worth in _pieces(line):
        left -= worth
        if left < 0:
            break
        at = end
    cut = line[:at]
    return cut if has_unspaced(cut) else " ".join(cut.split()[:most])


def word_spans(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield start, end (exclusive) and parts of each word, or of each character in a script without spaces.

    Marks belong to the word or character before them.
    """
    held: tuple[int, int, int] | None = None
    for start, end, worth in _pieces(text):
        if held and not worth and start == held[1]:
            held = (held[0], end, held[2])
            continue
        if held:
            yield held
        held = (start, end, worth) if worth else None
    if held:
        yield held


def _pieces(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and parts of each piece; pieces without letters and digits count nothing."""
    for found in _PIECE.finditer(text):
        if found["other"] is None:
            yield *found.span(), WORD // 2 if found["two"] else WORD // 3
        else:
            yield *found.span(), WORD if _LETTER.search(found["other"]) else 0
