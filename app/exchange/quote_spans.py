"""Quotes of imported speeches: checked at the place that the archive names, or looked for in the passage."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from app.exchange.taskfile import BadInput, Index, Shape
from app.protocols.quotes import IndexedPassage, MarkedText, Quote, Span, Status, indexed, mark

Place = Annotated[tuple[Index, Index], Field(json_schema_extra={"minItems": 2, "maxItems": 2})]
_SHOWN = 60
"""Characters of a quote that a problem names."""


class QuoteSpan(Shape):
    """A quote in a turn."""

    start: Index
    """Its first character in the turn's text, counted in code points."""
    end: Index
    """The character after its last."""
    passage: tuple[Place, ...] = ()
    """Its place in the passage: start and end, one pair for each part of a quote with omissions. It is looked for
    where left out.
    """
    found: bool | None = None
    """Whether the study found it in the passage: only where the file leaves the passage's text out."""


class FoundQuotes:
    """Finds the quotes of a trial in its passage, and counts what each side has shown of that."""

    def __init__(self, text: str | None) -> None:
        self._text = text
        self._index: list[IndexedPassage] = []
        self._shown: dict[str, bytearray] = {}

    def anew(self) -> "FoundQuotes":
        """Return a finder for another trial on the same passage."""
        other = FoundQuotes(self._text)
        other._index = self._index
        return other

    @property
    def _passage(self) -> IndexedPassage:
        """The passage to look for quotes in; it is indexed when it is first needed, and takes a quarter of a second."""
        if not self._index:
            assert self._text is not None
            self._index.append(indexed(self._text))
        return self._index[0]

    def marked(self, seat: str, text: str, quotes: Sequence[QuoteSpan] | None) -> MarkedText:
        """Return a speech with its quotes. Raise BadInput, which begins with the name of a field."""
        if quotes is None:
            if self._text is None or "<quote>" not in text:
                return MarkedText(text=text, quotes=())
            said = mark(text, self._passage)
            return said.model_copy(
                update={"quotes": tuple(self._counted(seat, quote) for quote in said.quotes)}
            )
        found, last = [], 0
        for at, quote in enumerate(quotes):
            if not last <= quote.start < quote.end <= len(text):
                raise BadInput(
                    f"quotes[{at}]: {quote.start} to {quote.end} must be in the text of {len(text)} characters, after the quote before"
                )
            last = quote.end
            found.append(self._counted(seat, self._placed(at, text, quote)))
        return MarkedText(text=text, quotes=tuple(found))

    def _placed(self, at: int, text: str, quote: QuoteSpan) -> Quote:
        words, where = text[quote.start : quote.end], f"quotes[{at}]"
        if self._text is None:
            if quote.found is None or quote.passage:
                raise BadInput(
                    f"{where}: the passage has no text here, so say whether the quote was found in it (found)"
                )
            return _quote(quote, Status.EXACT if quote.found else Status.ABSENT, ())
        if quote.found is not None:
            raise BadInput(
                f"{where}: leave found out, since the quote is compared with the text of the passage"
            )
        if not quote.passage:
            [looked_for] = mark(f"<quote>{words}</quote>", self._passage).quotes
            return _quote(quote, looked_for.status, looked_for.spans)
        for start, end in quote.passage:
            if not start < end <= len(self._text):
                raise BadInput(
                    f"{where}.passage: {start} to {end} is not in the passage of {len(self._text)} characters"
                )
        there = " … ".join(self._text[start:end] for start, end in quote.passage)
        status = same_words(words, there)
        if status is None:
            raise BadInput(f'{where}: it is "{words[:_SHOWN]}", but the passage has "{there[:_SHOWN]}" there')
        return _quote(quote, status, quote.passage)

    def _counted(self, seat: str, quote: Quote) -> Quote:
        """Return a quote with the number of characters that its side had not shown before."""
        if not quote.verified or self._text is None:
            return quote
        shown = self._shown.setdefault(seat, bytearray(len(self._text)))
        new = sum(shown.count(0, start, end) for start, end in quote.spans)
        for start, end in quote.spans:
            shown[start:end] = b"\1" * (end - start)
        return quote.model_copy(update={"new_characters": new, "repeated": new == 0})


def same_words(quote: str, there: str) -> Status | None:
    """Return whether a quote has the characters or the words of a text, whole; None where it has others."""
    if quote.split() == there.split():
        return Status.EXACT
    return Status.NORMALISED if _letters(quote) == _letters(there) else None


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _quote(place: QuoteSpan, status: Status, spans: Sequence[Span]) -> Quote:
    return Quote(
        start=place.start, end=place.end, status=status, spans=tuple(spans), new_characters=0, repeated=False
    )
