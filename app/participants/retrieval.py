"""Finds the sentences of a text that are relevant to some words: BM25 over stems."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import fsum, log

import regex

from app.protocols.writing import WORD, has_unspaced, parts_of

_WORD = re.compile(r"([^\W_]+)(?:['’][^\W_]+)?")
_STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        """a about above after again all also although am an and another any are as at away be became because become
        been before being below between both but by came can cannot could did do does doing done down during each
        either else ever every few for from further get gets give gives go goes got had has have having he her
        here hers herself him himself his how however i if in into is it its itself just know like made make
        makes many may me might mine more most much must my myself neither no nor not now of off on only
        or other our ours ourselves out over own rather really said same say says shall she should since so some
        such than that the their theirs them themselves then there these they thing things this those though
        through to too under until up upon us very was we went were what whatever when where whether which while
        who whom whose why will with within without would yet you your yours answer author according following
        describe best likely mean passage story text true""",
    )
)
_SUFFIXES = (
    ("ational", "ate"), ("fulness", "ful"), ("ousness", "ous"), ("iveness", "ive"), ("ization", "ize"),
    ("ingly", ""), ("ments", ""), ("ities", "ity"), ("ation", "ate"), ("ied", "y"), ("ies", "y"), ("ances", ""),
    ("ences", ""), ("ance", ""), ("ence", ""), ("ing", ""),
    ("edly", ""), ("ment", ""), ("ness", ""), ("ers", ""), ("est", ""), ("ed", ""), ("er", ""), ("ly", ""),
    ("es", ""), ("s", ""),
)  # fmt: skip


_RUNS = regex.compile(
    r"[\p{Script=Katakana}\u30fc\uff70]+|\p{Script=Hiragana}+|\p{Script=Han}+"
    r"|(?:(?=[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}])\X)+"
    r"|(?:(?![\p{Script=Katakana}\p{Script=Hiragana}\p{Script=Han}])[\p{L}\p{N}\p{M}])+"
)
"""Runs of one script: in Japanese about a word, in Thai a phrase."""


def written_words(text: str) -> list[str]:
    """Return the words of a text as written, without an apostrophe's ending; in scripts without spaces, its runs of one
    script.
    """
    return _RUNS.findall(text) if has_unspaced(text) else _WORD.findall(text)


def words(text: str) -> list[str]:
    """Return the words of a text, for comparison."""
    return written_words(text.casefold())


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return a rough stem: one common English ending removed, and a doubled consonant or a silent e before
    it.
    """
    for suffix, instead in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: len(word) - len(suffix)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


@lru_cache(maxsize=4_096)
def terms(text: str) -> tuple[str, ...]:
    """Return the stems of meaningful words in their order, or of all words if there are none.

    In scripts without spaces, a term is a pair of neighbouring characters within a run of one script.
    """
    found = words(text)
    if has_unspaced(text):
        found = [term for word in found for term in _pairs(word)]
    return tuple(stem(word) for word in found if word not in _STOPWORDS) or tuple(
        stem(word) for word in found
    )


def _pairs(word: str) -> list[str]:
    """Return the pairs of neighbouring characters of a word in a script without spaces; any other word whole."""
    characters = regex.findall(r"\X", word) if has_unspaced(word) else [word]
    return ["".join(pair) for pair in pairwise(characters)] or characters


Span = tuple[int, int]

_GAP = re.compile(r"\s+")
_ENDED = re.compile(r"[.!?…][\"'”’)\]]*$")
_ABBREVIATED = re.compile(r"\b(?:[A-Z]|Mrs?|Ms|Dr|St|Prof|Capt|Lt|Col|Gen|Rev|No|vs)\.$")
_LOOK_BACK = 12


def sentence_spans(text: str) -> list[Span]:
    """Return start and end (exclusive) of each sentence, without white space around it. A blank line ends a
    sentence too.
    """
    spans, start = [], 0
    for end, following in _boundaries(text):
        spans.append((start, end))
        start = following
    spans.append((start, len(text.rstrip())))
    return [(start, end) for start, end in spans if start < end]


def _boundaries(text: str) -> Iterator[Span]:
    """Yield where a sentence ends and where the text goes on."""
    if not has_unspaced(text):
        yield from (gap.span() for gap in _GAP.finditer(text) if _parts(text, gap))
        return
    for gap in _STOP_OR_GAP.finditer(text):
        stop = gap["stop"] or ""
        phrase = parts_of(text[gap.start() - 1]) == WORD // 3 if gap.start() else False
        if stop or phrase or _parts(text, gap):
            yield gap.start() + len(stop), gap.end()


_STOP_OR_GAP = re.compile(r"(?P<stop>[。！？｡។။][\"'”’」』）)\]]*)\s*|\s+")
"""The end of a sentence in scripts that put no space there, or white space, which in Thai ends a phrase."""


def _parts(text: str, gap: re.Match[str]) -> bool:
    """Return whether a sentence ends at this white space."""
    if gap[0].count("\n") > 1:
        return True
    before = text[max(gap.start() - _LOOK_BACK, 0) : gap.start()]
    after = text[gap.end() : gap.end() + 1]
    return bool(_ENDED.search(before)) and not after.islower() and not _ABBREVIATED.search(before)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the text, with its terms."""

    start: int
    end: int
    terms: Mapping[str, int]
    """How often each stem occurs in it."""
    length: int
    """Number of its terms."""


class Index:
    """The sentences of a text, ready to be ranked against weighted terms."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sentences = [_sentence(text, span) for span in sentence_spans(text)]
        self._document_frequency = Counter(term for one in self.sentences for term in one.terms)
        self._mean_length = max(fsum(one.length for one in self.sentences) / max(len(self.sentences), 1), 1)

    def idf(self, term: str) -> float:
        """Return how informative a term is, in nats; above 0."""
        found = self._document_frequency[term]
        return log(1 + (len(self.sentences) - found + 0.5) / (found + 0.5))

    def scores(self, weights: Mapping[str, float]) -> list[float]:
        """Return BM25 of each sentence (k1 = 1.2, b = 0.5; Robertson and Zaragoza 2009, section 3.5), times
        term weights.
        """
        return [
            fsum(
                weight * self.idf(term) * _saturated(sentence, term, self._mean_length)
                for term, weight in weights.items()
                if term in sentence.terms
            )
            for sentence in self.sentences
        ]

    def ranked(self, weights: Mapping[str, float]) -> list[Sentence]:
        """Return sentences with one of the terms, best first: by their own score and half of that of their
        neighbours.
        """
        alone = self.scores(weights)
        padded = [0.0, *alone, 0.0]
        beside = [(padded[at] + padded[at + 2]) / 2 for at in range(len(alone))]
        found = [at for at, score in enumerate(alone) if score > 0]
        return [self.sentences[at] for at in sorted(found, key=lambda at: (-alone[at] - beside[at], at))]


def _saturated(sentence: Sentence, term: str, mean_length: float) -> float:
    times = sentence.terms[term]
    return times * 2.2 / (times + 1.2 * (0.5 + 0.5 * sentence.length / mean_length))


def distinctive(answers: Sequence[str], side: int) -> set[str]:
    """Return the terms of one answer that no other answer has, or all of its terms where the others have
    every one.
    """
    others = {term for at, answer in enumerate(answers) if at != side for term in terms(answer)}
    own = set(terms(answers[side]))
    return own - others or own


def sought(question: str, answers: Sequence[str], side: int) -> dict[str, float]:
    """Return the terms for evidence on one answer: its own words with full weight, those of the question with
    less.
    """
    shared = dict.fromkeys([*terms(question), *terms(answers[side])], 0.3)
    return shared | dict.fromkeys(distinctive(answers, side), 1.0)


def _sentence(text: str, span: Span) -> Sentence:
    found = terms(text[slice(*span)])
    return Sentence(span[0], span[1], Counter(found), len(found))


@lru_cache(maxsize=32)
def indexed(text: str) -> Index:
    """Return the index of a text, cached for the next question on it."""
    return Index(text)
