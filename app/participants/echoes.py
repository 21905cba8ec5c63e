"""Recognises a reply that repeats what it was asked, what was wrong with an earlier reply, or itself. Knows no ask."""

import re
from collections import Counter
from collections.abc import Sequence

RUN = 4
"""Words in a row that are compared."""

SHARE = 0.5
"""Least share of a reply's runs of words in the request for it to be an echo."""

SENTENCE_SHARE = 0.7
"""Least share of the runs of one sentence of an objection in a reply, for it to be an echo: no speech has such a sentence."""

LOOP = 3
"""How often a sentence is said that makes a loop."""

_SENTENCE_END = re.compile(r"(?<=[.!?:])\s+|\n+")


def is_echo(reply: str, request: str, objections: Sequence[str] = ()) -> bool:
    """Return whether `reply` repeats the `request`, or contains a sentence of one of the `objections` to earlier replies.

    Numbers count as equal, and marks and capitals do not count.
    """
    said = _words(reply)
    if len(said) < RUN:
        return False
    runs = _runs(said)
    asked = set(_runs(_words(request)))
    if sum(run in asked for run in runs) >= SHARE * len(runs):
        return True
    known = set(runs)
    return any(_is_in(sentence, known) for text in objections for sentence in _SENTENCE_END.split(text))


def loops(reply: str) -> bool:
    """Return whether most of the words of a reply are in sentences that it says three times or more, as small models do
    when they have nothing to say.
    """
    sentences = [tuple(_words(sentence)) for sentence in _SENTENCE_END.split(reply)]
    times = Counter(sentence for sentence in sentences if sentence)
    again = sum(len(sentence) * count for sentence, count in times.items() if count >= LOOP)
    return again > sum(map(len, sentences)) / 2


def _is_in(sentence: str, known: set[tuple[str, ...]]) -> bool:
    runs = _runs(_words(sentence))
    return bool(runs) and sum(run in known for run in runs) >= SENTENCE_SHARE * len(runs)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", re.sub(r"\d+", "0", text.casefold()))


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)]
