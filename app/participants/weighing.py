"""The built-in lexical judge: matches words of question and answers in the passage, or in quotes of it.

It is a baseline, not a language model. It is symmetric: exchanging two answers, or their reading order,
exchanges its belief to the last bit.
"""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from itertools import chain
from math import exp, fsum, log

from app.participants import advocate
from app.participants.retrieval import distinctive, terms
from app.protocols.core import (
    Items,
    Note,
    Rating,
    SideFacts,
    Speech,
    Thought,
)
from app.protocols.estimates import PartPriceFacts
from app.protocols.quotes import Mark, only_verified
from app.protocols.trees import NumberFacts
from app.protocols.views import LETTERS, Line, View

FIT = 0.5
"""Log-odds for one unit of fit, which is about one more rare word found beside the others."""

UNVERIFIED = -2.0
"""Log-odds that a side loses when none of its quotes was found, and less where some were."""

TALK = 0.4
"""Most log-odds that words without a quote add."""

SURE = 0.8
"""Belief in one answer at which it asks for nothing more."""

MOVED = 0.02
"""The least change of a belief in a round that makes another round worthwhile."""

LIKENESS = 0.2
"""Most log-odds that a question adds to an answer that repeats its words, where there is no other evidence.
"""


def weigh(view: View) -> list[float]:
    """p of each answer as read."""
    sides = range(len(view.answers))
    if view.passage is not None:
        weights = [FIT * _fit([terms(view.passage)], view, side) for side in sides]
    elif any(isinstance(line.content, Speech) for line in view.lines):
        weights = _heard(view)
    else:
        asked = set(terms(view.question))
        weights = [LIKENESS * _share(asked, set(terms(answer))) for answer in view.answers]
    return _shares(weights)


def _shares(weights: Sequence[float]) -> list[float]:
    """Return the softmax. `fsum` rounds once, so that the order of the answers cannot matter."""
    top = max(weights)
    powers = [exp(weight - top) for weight in weights]
    return [power / fsum(powers) for power in powers]


def _share(said: Set[str], own: Set[str]) -> float:
    return len(said & own) / max(len(own), 1)


# ── how well an answer fits ─────────────────────────────────────────────────────────────────────────────────────


def _fit(texts: Sequence[Sequence[str]], view: View, side: int) -> float:
    """Return how well an answer fits texts, each a sequence of terms: sliding window less distance.

    Richardson, Burges and Renshaw 2013 (MCTest), the sliding-window and the distance algorithm, with terms
    for words.
    """
    question, answer = set(terms(view.question)), set(terms(view.answers[side]))
    return _window(texts, question | answer) - _distance(texts, question, answer - question)


def _window(texts: Sequence[Sequence[str]], sought: Set[str]) -> float:
    """Return the most sought terms in a run of as many terms, rare ones counting more; in nats."""
    frequency = Counter(chain.from_iterable(texts))
    worth = [[log(1 + 1 / frequency[term]) if term in sought else 0.0 for term in text] for text in texts]
    return max((fsum(text[at : at + len(sought)]) for text in worth for at in range(len(text))), default=0.0)


def _distance(texts: Sequence[Sequence[str]], question: Set[str], answer: Set[str]) -> float:
    """Return the fewest terms from one of the question to one of the answer, as a share of all; 1 where no
    text has both.
    """
    whole = sum(map(len, texts))
    return min((gap / whole for text in texts for gap in _gaps(text, question, answer)), default=1.0)


def _gaps(text: Sequence[str], question: Set[str], answer: Set[str]) -> Iterator[int]:
    answered = [at for at, term in enumerate(text) if term in answer]
    return (abs(at - other) for at, term in enumerate(text) if term in question for other in answered)


# ── with a transcript ───────────────────────────────────────────────────────────────────────────────────────────


def _heard(view: View) -> list[float]:
    """Return the weight of each answer: how it fits all confirmed quotes of all speakers, and how its own
    side spoke.

    So a quote that fits either answer counts for neither. Answers that a sub-judge doubts do not count.
    """
    spoken = [
        (_side(line, view), line.content)
        for at, line in enumerate(view.lines)
        if isinstance(line.content, Speech) and not _doubted(line, view.lines[at:])
    ]
    quotes = [quote for _, speech in spoken for quote in _quoted(speech)]
    return [
        FIT * _fit(quotes, view, at) + _manner([speech for side, speech in spoken if side == at], view, at)
        for at in range(len(view.answers))
    ]


def _doubted(spoken: Line, later: Sequence[Line]) -> bool:
    """Return whether a later rating of it is below one half: `Sub-judge, question 1` rates `Assistant,
    question 1`.
    """
    about = spoken.speaker.partition(", ")[2]
    ratings = (line.content for line in later if about and line.speaker.partition(", ")[2] == about)
    return any(isinstance(content, Rating) and content.value < 0.5 for content in ratings)


def _quoted(speech: Speech) -> list[tuple[str, ...]]:
    """Return the terms of each confirmed quote."""
    return [terms(quote) for quote in only_verified(speech.said)]


def _manner(speeches: Sequence[Speech], view: View, side: int) -> float:
    """Return the gain from mentioning the answer's own words, less the loss from quotes that were not found."""
    said = {term for speech in speeches for term in terms(speech.said.text)}
    marks = [quote.mark for speech in speeches for quote in speech.said.quotes if quote.mark != Mark.SHORT]
    missing = marks.count(Mark.NOT_FOUND) / len(marks) if marks else 0.0
    return TALK * _share(said, distinctive(view.answers, side)) + UNVERIFIED * missing


def _side(line: Line, view: View) -> int | None:
    """Return the answer that a line supports: by the letter of its speaker, else the one with most of its
    words in it.
    """
    letter = line.speaker.rpartition(" ")[2]
    if len(letter) == 1 and letter in view.letters:
        return LETTERS.index(letter)
    if not isinstance(line.content, Speech):
        return None
    said = set(terms(line.content.said.text))
    shares = [_share(said, distinctive(view.answers, at)) for at in range(len(view.answers))]
    return shares.index(max(shares)) if shares.count(max(shares)) == 1 else None


# ── the rest of what a judge is asked ───────────────────────────────────────────────────────────────────────────


def rating(view: View) -> float:
    """Return a number in [0, 1] for the item shown: a part of a claim, an answer to a sub-question, else an
    argument.
    """
    if isinstance(view.facts, PartPriceFacts):
        return _price(view, view.facts)
    return _credence(view) if isinstance(view.facts, NumberFacts) else acceptance(view)


def _price(view: View, facts: PartPriceFacts) -> float:
    """Return the price of a part, so that all prices fit the price of the whole: the more a part says, the
    likelier it fails.

    The prices are powers of that of the whole whose exponents add up to 1.
    """
    lists = [line.content.texts for line in view.lines if isinstance(line.content, Items)]
    lengths = [len(terms(text)) + 1 for text in lists[-1][: facts.parts]]
    exponent = lengths[facts.number - 1] / sum(lengths)
    return float(facts.whole**exponent)


def _credence(view: View) -> float:
    """Return the belief in an answer to a sub-question.

    It depends on the share of the request in confirmed quotes, its own and those below it, and on how many of
    the answers below it support the same side.
    """
    rated = advocate.answer(view)
    if rated is None:
        return 0.5
    found = view.lines[view.lines.index(rated) :]
    speeches = [line.content for line in found if isinstance(line.content, Speech)]
    quoted = {term for speech in speeches for quote in _quoted(speech) for term in quote}
    sides = [_side(line, view) for line in found if isinstance(line.content, Speech)]
    share = _share(quoted, advocate.asked_for(view))
    return (0.2 + 0.7 * share) * sides.count(sides[0]) / len(sides)


def has_heard_enough(view: View) -> bool:
    """Return whether it is sure of an answer, or was hardly moved by the speeches since its last belief."""
    now = weigh(view)
    own = [at for at, group in enumerate(view.groups) if any(line.own for line in group)]
    before = weigh(replace(view, groups=view.groups[: own[-1]])) if own else None
    moved = before is None or max(abs(p - q) for p, q in zip(now, before, strict=True)) >= MOVED
    return max(now) >= SURE or not moved


def acceptance(view: View) -> float:
    """Return how far the judge accepts the item shown.

    This is its p for the answer argued, or for `facts.side` where given. For a critique it is the share of
    that answer's own words in it.
    """
    if view.kind == "helpful":
        return _helpfulness(view)
    p = weigh(view)
    sides = [_side(line, view) for line in view.lines]
    if isinstance(view.facts, SideFacts):
        return p[view.facts.side]
    argued = next((side for side in reversed(sides) if side is not None), None)
    return 0.5 if argued is None else p[argued]


def _helpfulness(view: View) -> float:
    critique = view.lines[-1].content
    assert isinstance(critique, Note)
    assert isinstance(view.facts, SideFacts)
    return _share(set(terms(critique.text)), distinctive(view.answers, view.facts.side))


def line_weights(view: View) -> list[float]:
    """Return the weight of each shown move alone, for choosing among candidates."""
    return [
        FIT * _fit(_quoted(line.content), view, side) + _manner([line.content], view, side)
        if isinstance(line.content, Speech) and (side := _side(line, view)) is not None
        else 0.0
        for line in view.lines
    ]


def reasons(view: View) -> Thought:
    """Return the weights in words, with a sentence for each answer."""
    p = weigh(view)
    lines = [
        f"Weighed by words alone, {share:.0%} speaks for this answer: {answer}"
        for share, answer in zip(p, view.answers, strict=True)
    ]
    return Thought(text="\n".join(lines))
