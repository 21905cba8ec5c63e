"""What the page of a turn shows to the person who holds the seat: from views to plain values.

It knows no request and no database, and of a play only what the views of this seat hold. What is asked for is shown by
what the asks want (a speech, a belief, marks …), so that a seat of any protocol has a page.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.engine import Turn
from app.judge_fields import FieldMoment, FieldValue, JudgeField, fields_at, latest
from app.languages import gettext as _
from app.languages import marked
from app.participants.base import ParticipantError
from app.participants.prompts import Example
from app.participants.replies import options
from app.protocols.combinators import RoundFacts
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Facts,
    Items,
    Note,
    Pick,
    PickFacts,
    Rating,
    Speech,
    Thought,
)
from app.protocols.marks import MarkFacts, points_in
from app.protocols.quotes import MarkedText
from app.protocols.taking_part import TurnFacts
from app.protocols.views import Line, View
from app.records.seats import Held
from app.services.marked_quotes import Piece, marked_passage, pieces, rendered_pieces
from app.services.seat_answers import CheckedAnswers, bounds, is_final
from app.statistics.scores import points

log = logging.getLogger(__name__)
HEADINGS = {
    "speech": marked("Your speech"),
    "note": marked("Your words"),
    "thought": marked("Your thoughts, for yourself alone"),
    "items": marked("Your list"),
    "pick": marked("Your choice"),
    "rating": marked("Your rating"),
    "belief": marked("What you believe now"),
}
"""What an ask is called by what it wants, where its kind says no more."""
KINDS = {
    "question": marked("Your question"),
    "remark": marked("Your remark"),
    "critic": marked("Your critique"),
    "sub-questions": marked("Your sub-questions"),
    "follow-up": marked("Your further questions, if any"),
    "subclaims": marked("The parts of your claim"),
    "call": marked("What you say of the price"),
    "stop": marked("Go on, or end the talk"),
    "mark": marked("Does each point name a flaw?"),
}
UNITS = (marked("words"), marked("characters"))
"""Names of the units of `app.protocols.writing`."""
CHOICES = frozenset(
    {
        marked("go on"),
        marked("decide now"),
        marked("overpriced"),
        marked("underpriced"),
        marked("fairly priced"),
        marked("accept"),
        marked("reject"),
    }
)
"""Options of protocols that are words of ours."""
NO_REQUEST = marked(
    "It cannot be shown: the wording that this study brings for it does not fit what is asked here. Go by the heading and "
    "the limits above, and write to the person who invited you."
)
"""What is shown in the place of the request to a model, where its template fails."""
EXAMPLES = (0, 1, 10, 25, 50, 75, 90, 100)
"""Percentages of the picture of scores."""


def score_table() -> list[tuple[int, int]]:
    """Return what some percentages on the right answer score, in points."""
    return [(percent, points(percent / 100)) for percent in EXAMPLES]


@dataclass(frozen=True, slots=True)
class Misled:
    """An argument on another text that misled a judge before."""

    question: str
    argued: str
    pieces: Sequence[Piece]


def misled(example: Example) -> Misled:
    """An example as the page needs it."""
    return Misled(example.question, example.argued, rendered_pieces(example.argument))


# ── the whole page ──────────────────────────────────────────────────────────────────────────────────────────────


def shown(
    held: Held, turn: Turn, drafts: Mapping[str, Mapping[str, Any]], outcome: CheckedAnswers | None = None
) -> dict[str, Any]:
    """All that `pages/turn.html` needs; `drafts` is what was entered, by path, `outcome` what came of sending it."""
    view = turn.due[0][1] if turn.due else turn.view(turn.given[-1][0]) if turn.given else turn.standing
    drafts = {ask.path: drafts[ask.path] for ask, _ in turn.due if ask.path in drafts}
    return {
        "id": held.id,
        "judging": held.judging,
        "over": held.over,
        "enrolled": held.enrolled,
        "left": held.abandoned,
        "time": held.time if turn.due and not turn.judging else None,
        "grace": held.grace,
        "handed_on": held.handed_on and bool(turn.given),
        "label": view.label.partition(", ")[0],
        "question": view.question,
        "answers": [(letter, text, place == view.side) for place, (letter, text) in _lettered(view)],
        "argues": None if view.side is None else view.answers[view.side],
        "passage": None if view.passage is None else _marked(view, turn),
        "groups": _groups(turn, view),
        "sent": [_line(Line(asked.label, True, content), asked) for asked, content in _sent(turn)],
        "evidence": _evidence(view) if turn.judging else [],
        "asks": [
            _form(turn, number, ask, asked, drafts.get(ask.path, {}), outcome)
            for number, (ask, asked) in enumerate(turn.due)
        ],
        "request": None if not turn.due or turn.judging else _request(turn, view),
        "doubts": [doubt for found in (outcome.doubts if outcome else {}).values() for doubt in found],
        "wrong": _wrong(turn, outcome),
        "notice": "",
        "fields": [(field, _entered(field, held, drafts)) for field in fields_asked(held, turn)],
        "at": max((int(draft.get("at", 0)) for draft in drafts.values()), default=0),
        **(_reading(turn, drafts) if turn.judging else NOT_JUDGED),
    }


def _wrong(turn: Turn, outcome: CheckedAnswers | None) -> list[str]:
    """Return the ids of the fields in which an error is, in the order of the page."""
    if outcome is None:
        return []
    named = enumerate(outcome.wrong.get(ask.path, ()) for ask, _ in turn.due)
    apart = ("text", "pick", "rating")
    return [
        f"{name}-{number}" if name in apart else f"share-{number}-{name}"
        for number, names in named
        for name in names
    ]


NOT_JUDGED: Mapping[str, Any] = {
    "marks": False,
    "final": False,
    "number": 1,
    "beliefs": 1,
    "before": None,
    "steps": 0,
    "stepwise": False,
    "step": 1,
    "scores": (),
    "examples": (),
}
"""What the page of a talk has in the place of how far a judge is."""


def _reading(turn: Turn, drafts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How far a judge is: which belief is asked for, and the step up to which they have read."""
    ask = turn.due[0][0]
    first = 0 if turn.each_step else turn.steps
    believed = _beliefs(turn)
    return {
        "marks": ask.kind == "mark",
        "final": is_final(turn, ask),
        "number": len(ask.shows) - first + 1,
        "beliefs": turn.steps - first + 1,
        "before": _as_believed(turn.due[0][1], believed[0]) if turn.each_step and believed else None,
        "steps": turn.steps,
        "stepwise": not turn.each_step and turn.steps > 1 and ask.kind != "mark",
        "step": max((int(draft.get("step", 1)) for draft in drafts.values()), default=1),
        "scores": score_table(),
        "price": (points(0.0), points(0.01)),
        "examples": [misled(example) for example in turn.examples],
    }


def fields_asked(held: Held, turn: Turn) -> list[JudgeField]:
    """Return the fields that a judge is shown now. A seat with the passage has none, nor has a judge once the belief is given."""
    if not held.judges or any(ask.kind == "mark" for ask, _ in turn.due):
        return []
    final = any(is_final(turn, ask) for ask, _ in turn.due)
    return fields_at(FieldMoment.TURN, *([FieldMoment.VERDICT] if final else []))


def _entered(field: JudgeField, held: Held, drafts: Mapping[str, Mapping[str, Any]]) -> FieldValue:
    """Return what was entered last: in a draft or else sent."""
    left = [draft[field.name] for draft in drafts.values() if field.name in draft]
    return left[-1] if left else latest(field, held.flags)


def _lettered(view: View) -> Iterable[tuple[int, tuple[str, str]]]:
    return enumerate(zip(view.letters, view.answers, strict=True))


def _beliefs(turn: Turn) -> list[Belief]:
    """The beliefs that the seat gave so far, oldest first."""
    return [content for _, content in turn.given if isinstance(content, Belief)]


# ── what was said ───────────────────────────────────────────────────────────────────────────────────────────────


def _groups(turn: Turn, view: View) -> list[dict[str, Any]]:
    """What was said, each group with the belief that this judge gave after it."""
    groups, number = [], 0
    asked = _asked(view)
    believed = _beliefs(turn) if turn.each_step and turn.due and turn.due[0][0].kind != "mark" else []
    for step, group in enumerate(view.groups, 1):
        lines = [
            _line(line, view) | _place(line, asked) | {"number": number + offset}
            for offset, line in enumerate(group, 1)
        ]
        number += len(group)
        belief = _as_believed(view, believed[step]) if step < len(believed) else None
        groups.append({"step": step, "lines": lines, "belief": belief})
    return groups


def _asked(view: View) -> dict[str, str]:
    """Every sub-question or part of a claim by its number."""
    texts = (text for line in view.lines if isinstance(line.content, Items) for text in line.numbered())
    return {number.rstrip("."): text for number, _, text in (text.partition(" ") for text in texts)}


def _place(line: Line, asked: Mapping[str, str]) -> dict[str, Any]:
    """Where in a tree a line is: how deep, and what a speech there speaks to."""
    about = asked.get(line.number) if isinstance(line.content, Speech) else None
    return {"depth": line.number.count("."), "about": about}


def _as_believed(view: View, belief: Belief) -> dict[str, Any]:
    """One of the seat's own beliefs, answers in the order read."""
    shares = [(letter, belief.p[index]) for letter, index in _as_read(view)]
    return {"shares": shares, "reason": belief.reason}


def _sent(turn: Turn) -> list[tuple[View, AnyContent]]:
    """What this seat gave last, while the others are awaited: they have not seen it either, or not yet replied."""
    if turn.due or not turn.given:
        return []
    last = turn.given[-1][0].shows
    return [(turn.view(ask), content) for ask, content in turn.given if ask.shows == last]


def _marked(view: View, turn: Turn) -> list[Any]:
    """The passage; for who argues, with all quotes that this seat has seen or made."""
    seen = [] if turn.judging else [line.content for line in view.lines]
    own = [content for _, content in turn.given]
    said = [content.said for content in (*seen, *own) if isinstance(content, Speech)]
    return marked_passage(view.passage or "", said)


def _line(line: Line, view: View) -> dict[str, Any]:
    """A move as the page needs it; `number`, `depth` and `about` say where it is among others."""
    notes = line.content.scratchpad.strip() if isinstance(line.content, Speech) and not line.own else ""
    said = {"speaker": line.speaker, "own": line.own, "pieces": _pieces(line, view), "notes": notes}
    return {**said, "number": None, "depth": 0, "about": None}


def _pieces(line: Line, view: View) -> list[Piece]:
    match content := line.content:
        case Speech():
            return pieces(content.said)
        case Note() | Thought():
            return [Piece(content.text)]
        case Items():
            return [Piece("\n".join(line.numbered()))]
        case Belief():
            shares = (f"{letter} {100 * content.p[index]:.3g}" for letter, index in _as_read(view))
            return [
                Piece(
                    _("Belief: %(shares)s", shares=", ".join(shares))
                    + (f"\n{content.reason}" if content.reason else "")
                )
            ]
        case Rating():
            return [Piece(_("Finds this %(share).0f%% likely to be right.", share=100 * content.value))]
        case Pick():
            return [Piece(content.said or _("Choice: %(choice)s", choice=_named(content.index, view)))]
        case other:
            raise TypeError(f"No page can show a {other.kind} yet.")


def _as_read(view: View) -> Iterable[tuple[str, int]]:
    return zip(view.letters, view.order, strict=True)


def _named(index: int, view: View) -> str:
    """A choice by its name, where this view is of the ask that it answers; else by its number."""
    names = options(view) if view.wants == "pick" else ()
    return names[index] if index < len(names) else str(index + 1)


def _evidence(view: View) -> list[tuple[str, list[str]]]:
    """Verified quotes of each speaker, in the order of the passage."""
    lines = view.lines
    by_speaker: dict[str, list[str]] = {
        line.speaker: [] for line in sorted(lines, key=lambda line: line.speaker)
    }
    for at, number in view.evidence:
        content = lines[at].content
        assert isinstance(content, Speech)
        quote = content.said.quotes[number]
        words = content.said.text[quote.start : quote.end]
        if words not in by_speaker[lines[at].speaker]:
            by_speaker[lines[at].speaker].append(words)
    return [(speaker, quotes) for speaker, quotes in by_speaker.items() if quotes]


# ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────


def _form(
    turn: Turn, number: int, ask: Ask, view: View, draft: Mapping[str, Any], outcome: CheckedAnswers | None
) -> dict[str, Any]:
    """The fields for one ask."""
    return {
        "number": number,
        "path": ask.path,
        "wants": "mark" if ask.kind == "mark" else ask.wants,
        "heading": _(KINDS.get(ask.kind, HEADINGS[ask.wants])),
        "about": view.label.partition(", ")[2],
        "round": _round(ask.facts),
        "limits": ask.limits,
        "unit": view.unit,
        "text": draft.get("text", ""),
        "shares": list(zip(view.letters, view.answers, _shares(turn, view, draft), strict=True)),
        "lines": _lines(ask.facts) if ask.wants == "items" else "",
        "options": _options(view) if ask.wants == "pick" else (),
        "point": _point(ask, view) if ask.kind == "mark" else None,
        "pick": draft.get("pick", ""),
        "rating": draft.get("rating", ""),
        "error": outcome.errors.get(ask.path) if outcome else None,
    }


def _round(facts: Facts) -> tuple[int, int] | None:
    """Return which round of how many an ask belongs to; None where there is one."""
    rounds = (facts.round, facts.rounds) if isinstance(facts, RoundFacts | TurnFacts) else (1, 1)
    return rounds if rounds[1] > 1 else None


def _lines(facts: Facts) -> str:
    """How many lines a list may have, in words."""
    least, most = bounds(facts)
    if not least:
        return _("One a line, at most %(most)s; leave it empty for none.", most=most)
    if least == most:
        return _("One a line, %(count)s of them.", count=most)
    return _("One a line, %(least)s to %(most)s of them.", least=least, most=most)


def _shares(turn: Turn, view: View, draft: Mapping[str, Any]) -> list[str]:
    """What to put into the fields of a belief: the draft, else a judge's last belief, else the same for every answer."""
    believed = _beliefs(turn) if turn.judging else []
    if draft.get("p"):
        given = list(draft["p"])
    elif believed:
        given = [f"{100 * believed[-1].p[index]:.4g}" for index in view.order]
    else:
        given = [str(share) for share in even(len(view.answers))]
    return [*given, *[""] * len(view.answers)][: len(view.answers)]


def even(count: int) -> list[int]:
    """100 in whole parts as even as can be."""
    return [100 // count + (place < 100 % count) for place in range(count)]


def _options(view: View) -> list[str]:
    """What can be chosen, answers with their words."""
    if isinstance(view.facts, PickFacts) and view.facts.options != "answers":
        return [_(option) if option in CHOICES else option for option in options(view)]
    return [f"{letter}: {text}" for _, (letter, text) in _lettered(view)]


def _point(ask: Ask, view: View) -> tuple[int, str]:
    """The number and the words of the point of a critique that is to be marked."""
    asked = ask.facts
    assert isinstance(asked, MarkFacts)
    criticised = view.lines[asked.text - 1].content
    assert isinstance(criticised, Speech)
    number = asked.point
    return number, points_in(_with_quotation_marks(criticised.said))[number - 1]


def _with_quotation_marks(said: MarkedText) -> str:
    """The text with its quotes set off, as they are where it is read as a whole."""
    parts, at = [], 0
    for quote in said.quotes:
        parts += [said.text[at : quote.start], "“", said.text[quote.start : quote.end], "”"]
        at = quote.end
    return "".join([*parts, said.text[at:]])


def _request(turn: Turn, view: View) -> str:
    """What a model in this seat would be asked, word for word."""
    try:
        return turn.prompts.segments(turn.protocol, view)[-1].text.strip()
    except ParticipantError as error:
        # Its reason names the template and what is in it: for the researcher.
        log.warning("What %s asks for as %s cannot be shown: %s", turn.protocol, view.kind, error)
        return _(NO_REQUEST)
