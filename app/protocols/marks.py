"""Numbered points of a text, and whether a judge accepts each: whatever the protocol, for any move whose points its outcome names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.protocols.core import Ask, Move, PickFacts, Shown, Speech, Talk

MARKS = ("accept", "reject")
"""What a judge can say of a point."""

MARKING = "judging/mark/"
"""What the paths of all marks begin with."""

_NUMBERED = re.compile(r"^[\s*_#(>-]*(\d{1,2})[.):][\s*_)]+(?=\S)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class PointFacts(PickFacts):
    """Facts of an ask about one point of a critique."""

    point: int
    """Its number."""


@dataclass(frozen=True, kw_only=True)
class MarkFacts(PointFacts):
    """Facts of an ask whether a judge accepts a point."""

    text: int
    """Which text of the transcript makes the point, counted from 1."""


def points_in(text: str) -> list[str]:
    """The numbered points of a text: each begins a line with its number, from 1 on, and goes up to the next."""
    starts: list[re.Match[str]] = []
    for found in _NUMBERED.finditer(text):
        if int(found[1]) == len(starts) + 1:
            starts.append(found)
    ends = [*(start.start() for start in starts[1:]), len(text)]
    return [text[start.end() : end].strip() for start, end in zip(starts, ends, strict=False)]


def numbered(texts: Sequence[str]) -> str:
    """A text that makes these points."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))


def points_of(move: Move, most: int) -> int:
    """How many points a speech makes, those beyond `most` left out."""
    assert isinstance(move.content, Speech)
    return min(len(points_in(move.content.said.text)), most)


def mark(seat: str, transcript: Shown, order: tuple[int, ...], points: Mapping[str, int]) -> Talk[list[Move]]:
    """Ask a judge of each numbered point of these moves, all at once, whether it accepts it."""
    return (
        yield [
            Ask(
                mark_place(path, number),
                seat,
                "mark",
                "pick",
                transcript,
                order,
                facts=MarkFacts(
                    point=number,
                    text=_text(transcript, path),
                    options=MARKS,
                    says=("Accepted.", "Rejected."),
                ),
            )
            for path, count in points.items()
            for number in range(1, count + 1)
        ]
    )


def mark_place(path: str, number: int) -> str:
    """Path of the mark on one point of the move at `path`."""
    return f"{MARKING}{path}/{number}"


def marked_place(path: str) -> tuple[str, int]:
    """What `mark_place` made a path of: the move that makes the point, and the point's number."""
    move, _, number = path.removeprefix(MARKING).rpartition("/")
    return move, int(number)


def _text(transcript: Shown, path: str) -> int:
    """Which text of the transcript it is, counted from 1."""
    return [shown for group in transcript for shown in group].index(path) + 1
