"""Quotes marked where they stand, in a speech and in the passage it quotes; knows no page and no seat."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise

from app.languages import marked
from app.protocols.quotes import Mark, MarkedText, Quote, Status

WORDS = {
    "exact": marked("word for word"),
    "normalised": marked("the same words"),
    "near": marked("near miss"),
    "absent": marked("not in the passage"),
    "too_short": marked("too short to check"),
    "over_budget": marked("in the passage, over the limit"),
}
"""How a researcher reads a quote's status."""

_OF_A_MARK = {
    Mark.FOUND: Status.EXACT,
    Mark.NOT_FOUND: Status.ABSENT,
    Mark.OVER_LIMIT: Status.OVER_BUDGET,
    Mark.SHORT: Status.TOO_SHORT,
}
"""A status for each mark, where only the mark is known."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a speech; a quote, or what is between two of them."""

    text: str
    quote: Quote | None = None

    @property
    def verified(self) -> bool | None:
        """Whether the quote counts as verified; None outside of quotes."""
        return self.quote.verified if self.quote else None

    @property
    def mark(self) -> str:
        """The mark that readers see: `v_quote` and so on; empty outside of quotes."""
        return self.quote.mark.value if self.quote else ""

    @property
    def status(self) -> str:
        """The quote's status in words."""
        return WORDS[self.quote.status.value] if self.quote else ""

    @property
    def anchor(self) -> str | None:
        """Where the quoted words begin in the passage, as `marked_passage` names it; None where they are not in it."""
        return anchor(self.quote.spans[0][0]) if self.quote and self.quote.spans else None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the passage."""

    text: str
    quoted: bool
    anchor: str | None
    """Its name, where a quote begins with it."""
    quoted_by: tuple[int, ...] = ()
    """Places, among the speeches, of those with a quote that begins with it."""


def anchor(start: int) -> str:
    """The name of the place at which quotes begin in the passage."""
    return f"quoted-{start}"


def pieces(said: MarkedText) -> list[Piece]:
    """A speech cut at its quotes."""
    found = []
    at = 0
    for quote in said.quotes:
        found += [Piece(said.text[at : quote.start]), Piece(said.text[quote.start : quote.end], quote)]
        at = quote.end
    return [piece for piece in [*found, Piece(said.text[at:])] if piece.text]


_TAGGED = re.compile(rf"<({'|'.join(Mark)})>(.*?)</\1>", re.DOTALL)


def rendered_pieces(text: str) -> list[Piece]:
    """A speech that `quotes.render` made a text of, cut at its quotes; where they stand in their passage is not known."""
    found = []
    at = 0
    for tagged in _TAGGED.finditer(text):
        status = _OF_A_MARK[Mark(tagged[1])]
        quote = Quote(start=0, end=0, status=status, spans=(), new_characters=0, repeated=False)
        found += [Piece(unescape(text[at : tagged.start()])), Piece(unescape(tagged[2]), quote)]
        at = tagged.end()
    return [piece for piece in [*found, Piece(unescape(text[at:]))] if piece.text]


def marked_passage(text: str, speeches: Iterable[MarkedText]) -> list[Stretch]:
    """The passage cut wherever a quote of these speeches begins or ends; near misses are marked at what they are near."""
    held = list(speeches)
    spans = sorted({span for said in held for quote in said.quotes for span in quote.spans})
    starts: dict[int, dict[int, None]] = {}
    for place, said in enumerate(held):
        for quote in said.quotes:
            if quote.spans:
                starts.setdefault(quote.spans[0][0], {}).setdefault(place)
    edges = sorted({0, len(text), *(edge for span in spans for edge in span)})
    return [
        Stretch(
            text[low:high],
            _within(low, spans),
            anchor(low) if low in starts else None,
            tuple(starts.get(low, ())),
        )
        for low, high in pairwise(edges)
    ]


def _within(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(low <= place < high for low, high in spans)
