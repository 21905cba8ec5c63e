"""How the built-in participants plant a flaw, describe it, grade the points of a critique and mark them.

They match words without understanding them. Their flaw is a real quote that is irrelevant to the claim made
of it.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from app.participants.advocate import GrowingSpeech, Quotation, quotations, spoken
from app.participants.base import Asking, ParticipantError
from app.participants.replies import options
from app.participants.retrieval import indexed, terms
from app.protocols.core import Note, Pick, Speech
from app.protocols.marks import (
    MARKS,
    MarkFacts,
    PointFacts,
    points_in,
)
from app.protocols.quotes import IndexedPassage, MarkedText, only_verified
from app.protocols.views import View
from app.protocols.writing import count_words

FALSE_CLAIM = "The passage says as much in its first words and again in its last."
NAMED = 0.5
"""Share of the reference's words that a point needs to count as naming the flaw."""
_QUOTED = re.compile("“(.+?)”", re.DOTALL)


def heard(view: View) -> list[Speech]:
    """Return the shown speeches, in their order."""
    return [line.content for line in view.lines if isinstance(line.content, Speech)]


# ── planting ────────────────────────────────────────────────────────────────────────────────────────────────────


def tampered(view: View, asking: Asking) -> Speech:
    """Return the shown argument with one confirmed quote replaced by an irrelevant one, or else with a false
    claim.
    """
    [argument] = heard(view)
    said = argument.said
    confirmed = [at for at, quote in enumerate(said.quotes) if quote.verified]
    if confirmed and view.passage is not None:
        at = Random(asking.seed).choice(confirmed)
        spare = next(_beside_the_point(view, asking.passage, argument, at), None)
        if spare is not None:
            return spoken(unbudgeted(view), asking, _tagged(said, at, spare))
    return spoken(unbudgeted(view), asking, _with_false_claim(argument, view))


def unbudgeted(view: View) -> View:
    """Quotes within the author's budget are not counted again."""
    return replace(view, limits=replace(view.limits, quote_characters=None))


def _beside_the_point(view: View, passage: IndexedPassage, argument: Speech, at: int) -> Iterator[str]:
    """Return words of the passage about as long as a quote of the argument, which share none with question
    and answers.
    """
    assert view.passage is not None
    old = argument.said.quotes[at]
    wanted = {term for text in (view.question, *view.answers) for term in terms(text)}
    sentences = [
        sentence
        for sentence in indexed(view.passage).sentences
        if wanted.isdisjoint(terms(view.passage[sentence.start : sentence.end]))
    ]
    room = replace(view, limits=replace(view.limits, quote_characters=old.end - old.start))
    others = argument.words - count_words(argument.said.text[old.start : old.end])
    most = view.limits.max_words or argument.words
    for sentence in sentences:
        for found in quotations(room, passage, [sentence], {}):
            if view.limits.min_words <= others + count_words(found.words) <= most and _is_new(
                found, argument
            ):
                yield found.words


def _is_new(found: Quotation, argument: Speech) -> bool:
    return not any(
        start < found.span[1] and found.span[0] < end for start, end in argument.said.verified_spans
    )


def _tagged(said: MarkedText, exchanged: int | None = None, words: str = "") -> str:
    """Return the text with its quotes tagged as a speaker tags them, one of them replaced by other words."""
    pieces, end = [], 0
    for at, quote in enumerate(said.quotes):
        quoted = words if at == exchanged else said.text[quote.start : quote.end]
        pieces += [said.text[end : quote.start], f"<quote>{quoted}</quote>"]
        end = quote.end
    return "".join([*pieces, said.text[end:]])


def _with_false_claim(argument: Speech, view: View) -> str:
    """Return the argument with its last sentences replaced by a claim."""
    most = view.limits.max_words or argument.words + count_words(FALSE_CLAIM)
    sentences = _sentences(_tagged(argument.said))
    while sentences and sum(count_words(text) for text in (*sentences, FALSE_CLAIM)) > most:
        sentences.pop()
    draft = GrowingSpeech(most)
    draft.add(*sentences, FALSE_CLAIM)
    draft.fill(view.limits.min_words, [FALSE_CLAIM])
    return draft.text


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if part]


def flaw(view: View) -> Note:
    """Return the difference between the original and the tampered argument."""
    before, after = heard(view)
    old = set(only_verified(before.said))
    quotes = [quote for quote in only_verified(after.said) if quote not in old]
    if quotes:
        return Note(text=f"The quote “{quotes[0]}” has nothing to do with what the argument makes of it.")
    said = set(_sentences(before.said.text))
    claims = [text for text in _sentences(after.said.text) if text not in said]
    return Note(text=f"The passage does not bear out this claim: “{' '.join(claims)}”")


# ── grading and marking ─────────────────────────────────────────────────────────────────────────────────────────


def picked(view: View) -> Pick:
    """Return the grade of the point in question, or whether a judge accepts it."""
    names = options(view)
    return _marked(view) if names == MARKS else Pick(index=names.index(_grade(view, "planted" in names)))


def _grade(view: View, planted: bool) -> str:
    """Grade a point by its words.

    It is *planted* if it has the words of the reference, *real* if it has a relevant quote, *nitpick* if it
    mentions the argument's quotes, and *invented* otherwise.
    """
    argument, critique = heard(view)
    point = _point(view, critique)
    if planted and any(
        _names(point, line.content.text) for line in view.lines if isinstance(line.content, Note)
    ):
        return "planted"
    if _shows(point, critique, view):
        return "real"
    return "nitpick" if any(quote in point for quote in only_verified(argument.said)) else "invented"


def _names(point: str, reference: str) -> bool:
    wrong = set(terms(" ".join(_QUOTED.findall(reference)) or reference))
    return bool(wrong) and len(wrong & set(terms(point))) >= NAMED * len(wrong)


def _shows(point: str, critique: Speech, view: View) -> bool:
    """Return whether it has a confirmed quote that shares a word with question or answers."""
    matter = {term for text in (view.question, *view.answers) for term in terms(text)}
    return any(quote in point and matter & set(terms(quote)) for quote in only_verified(critique.said))


def _point(view: View, critique: Speech) -> str:
    assert isinstance(view.facts, PointFacts)
    points, number = points_in(critique.said.text), view.facts.point
    if not 1 <= number <= len(points):
        raise ParticipantError(f"There is no point {number} in the critique that {view.label} is to read.")
    return points[number - 1]


def _marked(view: View) -> Pick:
    """Return whether a judge accepts the point: one with a relevant confirmed quote, or one that names a
    quote of the argument.
    """
    assert isinstance(view.facts, MarkFacts)
    shown = view.lines[view.facts.text - 1].content
    assert isinstance(shown, Speech)
    point = _point(view, shown)
    named = any(quote in point for heard_one in heard(view)[:1] for quote in only_verified(heard_one.said))
    return Pick(index=MARKS.index("accept" if named or _shows(point, shown, view) else "reject"))
