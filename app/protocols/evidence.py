"""Evidence: the words of a passage that show why an answer is right, as the author of a question marks them."""

import re
from typing import Any, TypeAlias

Span: TypeAlias = tuple[int, int]
"""A place in a passage: the first character, and the one after the last."""


def span_of(passage: str, marked: Any) -> Span | None:
    """Return the place that a quote (words of the passage, white space at will) or a pair of numbers names.

    None where the quote is not in the passage, or the numbers are no place in it. Of a quote that is there several times
    it is the first.
    """
    if isinstance(marked, str):
        words = marked.split()
        found = re.search(r"\s+".join(map(re.escape, words)), passage) if words else None
        return found.span() if found else None
    if not isinstance(marked, list | tuple) or len(marked) != 2:
        return None
    start, end = marked
    if not (type(start) is int and type(end) is int and 0 <= start < end <= len(passage)):
        return None
    return start, end


def spans_of(passage: str, evidence: Any) -> list[Span]:
    """Return the places of a list of evidence, in the order of the passage; what names none is left out."""
    listed = evidence if isinstance(evidence, list | tuple) else ()
    return sorted({span for marked in listed if (span := span_of(passage, marked)) is not None})
