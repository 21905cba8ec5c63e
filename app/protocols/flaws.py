"""Flaws: one planted in an argument, the numbered points of a critique, what each of them is, and whether a judge accepts it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.protocols.combinators import RoundFacts
from app.protocols.core import (
    NO_YES,
    Ask,
    Facts,
    Limits,
    Measure,
    Metric,
    Move,
    PickFacts,
    Planted,
    Seat,
    Shown,
    SideFacts,
    Speech,
    Talk,
    one,
    picked,
)

TAMPERER = Seat("tamperer", "Author", reads_passage=True, people=False, default="author")
"""Plants flaws; has the author's title, so that nobody who reads the tampered argument learns that it is one."""
ITEMS = "task-file"
"""The built-in participant that says what came with the question."""
BRINGER = replace(TAMPERER, default=None, only=ITEMS)
"""Brings arguments in which the author of the question has planted a flaw."""
GRADER = Seat("grader", "Grader", reads_passage=True, people=False)
"""Says with the passage, and with the reference where a flaw was planted, what each point of a critique is."""

KINDS = {"false-claim": "A false claim", "misused-quote": "A misused quote"}
"""What a flaw that an author plants can be."""
GRADES = ("planted", "real", "nitpick", "invented")
"""What a point can be: the planted flaw, another that bears on the answer, a true one that does not, or none at all."""
MARKS = ("accept", "reject")
"""What a judge can say of a point."""

_EACH = "points per critique"
MEASURES = (
    Measure("points", "Points of the first critique", _EACH),
    Measure("real_points", "Real points", _EACH),
    Measure("nitpick_points", "Nitpicks", _EACH),
    Measure("invented_points", "Invented points", _EACH),
    Measure("planted", "Arguments with a planted flaw", "share", NO_YES),
    Measure("caught", "Planted flaws that the critic caught", "share", NO_YES),
    Measure("grade/", "Grade of point", "grade", GRADES),
)
"""What `grade` counts."""
METRICS = (
    Metric(
        "planted_accepted",
        "Planted flaws that the judge accepted a point about",
        "share",
        "any_accepted",
        "grade/",
        at=GRADES.index("planted"),
        where="planted",
    ),
    Metric(
        "invented_accepted",
        "Invented points that the judge accepted",
        "share",
        "share_accepted",
        "grade/",
        at=GRADES.index("invented"),
    ),
    Metric(
        "nitpicks_accepted",
        "Nitpicks that the judge accepted",
        "share",
        "share_accepted",
        "grade/",
        at=GRADES.index("nitpick"),
    ),
)
"""What follows from grades and marks."""

MARKING = "judging/mark/"
"""What the paths of all marks begin with."""

_NUMBERED = re.compile(r"^[\s*_#(>-]*(\d{1,2})[.):][\s*_)]+(?=\S)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class CriticFacts(RoundFacts, SideFacts):
    """Facts of a critique in numbered points; `side` is that of the author."""

    level: int
    """1 for a critique of the argument, 2 for one of that critique, and so on."""
    points: int
    """Most points that it may make."""


@dataclass(frozen=True, kw_only=True)
class BroughtFacts(Facts):
    """Facts of an ask for words that came with the question."""

    brought: str


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


def plant(argument: Move, limits: Limits, facts: SideFacts) -> Talk[tuple[Move, Move]]:
    """Have a flaw planted in an argument: the tampered argument, and the reference that says what is wrong with it."""
    # Not `Argued.spoken`: a flaw is planted once, never chosen by how well it persuades.
    shown: Shown = ((argument.path,),)
    tampered = yield from one(
        Ask(f"{argument.path}/tampered", TAMPERER.name, "tamper", "speech", shown, limits=limits, facts=facts)
    )
    described: Shown = (*shown, (tampered.path,))
    reference = yield from one(Ask(f"{argument.path}/flaw", TAMPERER.name, "flaw", "note", described))
    return tampered, reference


def bring(planted: Planted, path: str) -> Talk[tuple[Move, Move]]:
    """Have an argument that came with the question said, and the reference that says what is wrong with it."""
    tampered, reference = yield [
        Ask(
            f"{path}/tampered", BRINGER.name, "tamper", "speech", facts=BroughtFacts(brought=planted.argument)
        ),
        Ask(f"{path}/flaw", BRINGER.name, "flaw", "note", facts=BroughtFacts(brought=planted.reference)),
    ]
    return tampered, reference


def planted_in(meta: Mapping[str, Any], answers: Sequence[int]) -> dict[int, Planted]:
    """The flawed arguments that a question's file brings for these of its answers, by their places among them."""
    return {
        answers.index(item["answer"]): Planted(
            item["argument"], f"{KINDS[item['kind']]}: {item['reference']}"
        )
        for item in meta.get("planted", ())
        if item["answer"] in answers
    }


def grade(criticised: Move, critique: Move, reference: Move | None, count: int) -> Talk[dict[str, float]]:
    """Have each of `count` points of a critique graded, and count the grades; `caught` only where a flaw was planted."""
    shown: Shown = ((criticised.path,), (critique.path,), *([(reference.path,)] if reference else []))
    options = GRADES if reference else GRADES[1:]
    asks = [
        Ask(
            f"{critique.path}/grade{number}",
            GRADER.name,
            "grade",
            "pick",
            shown,
            facts=PointFacts(
                point=number, options=options, says=tuple(f"{grade.capitalize()}." for grade in options)
            ),
        )
        for number in range(1, count + 1)
    ]
    picks = (yield asks) if asks else []
    found = [options[picked(pick)] for pick in picks]
    return {
        "points": float(count),
        **{f"{kind}_points": float(found.count(kind)) for kind in GRADES[1:]},
        "planted": float(reference is not None),
        **({"caught": float("planted" in found)} if reference else {}),
        **{f"grade/{number}": float(GRADES.index(kind)) for number, kind in enumerate(found, 1)},
    }


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
