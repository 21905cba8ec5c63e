"""What a page shows to somebody who holds a seat of a talk, and what its form brings back: from views, from a form to moves.

It knows no request and no database, and of a talk only what the views of this seat hold. What is asked for is told by
what the asks want (a speech, a belief …), so that a seat of any protocol has a page.
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.engine import Turn
from app.participants.base import ParticipantError
from app.participants.replies import options
from app.participants.speeches import Unread, marked_speech, written
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Items,
    Note,
    Pick,
    Rating,
    Speech,
    Thought,
)
from app.protocols.quotes import MIN_WORDS, IndexedPassage
from app.protocols.views import LETTERS, Line, View
from app.records.drafts import Effort
from app.records.seats import Held
from app.web.judge import trial_page
from app.web.marked_quotes import Piece, marked_passage, pieces

log = logging.getLogger(__name__)
HEADINGS = {
    "speech": "Your speech",
    "note": "Your words",
    "thought": "Your thoughts, for yourself alone",
    "items": "Your list",
    "pick": "Your choice",
    "rating": "Your rating",
    "belief": "What you believe now",
}
"""What an ask is called by what it wants, where its kind says no more."""
KINDS = {
    "question": "Your question",
    "remark": "Your remark",
    "critic": "Your critique",
    "sub-questions": "Your sub-questions",
    "follow-up": "Your further questions, if any",
    "subclaims": "The parts of your claim",
    "call": "What you say of the price",
    "stop": "Go on, or end the talk",
}
ITEMS = 50
"""Most lines of a list whose ask names no fewer."""
NO_REQUEST = (
    "It cannot be shown: the wording that this study brings for it does not fit what is asked here. Go by the heading and "
    "the limits above, and tell whoever invited you."
)
"""What stands in the place of the request to a model, where its template fails."""


# ── what comes back ─────────────────────────────────────────────────────────────────────────────────────────────


class EnteredAnswer(BaseModel):
    """What stands in the form for one ask."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(pattern=r"^[A-Za-z0-9/_-]{1,200}$")
    text: str = Field("", max_length=40_000)
    """A speech, a note, or a list of one item a line."""
    p: list[str] = Field([], max_length=len(LETTERS))
    pick: str = Field("", max_length=10)
    rating: str = Field("", max_length=20)

    @property
    def words(self) -> str:
        """The text with the line ends that are counted and kept."""
        return self.text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")

    @property
    def content(self) -> dict[str, Any]:
        """What was entered, as a draft keeps it."""
        shares = [share[:20].replace("\0", "") for share in self.p]
        return {"text": self.words, "p": shares, "pick": self.pick, "rating": self.rating}


class Sent(BaseModel):
    """What both the autosave and the form send."""

    model_config = ConfigDict(extra="forbid")

    answers: list[EnteredAnswer] = Field(min_length=1, max_length=20)
    at: int = Field(0, ge=0, le=2**53)
    confirmed: str = Field("", max_length=64)
    """A digest of the words about which somebody was warned and which they send all the same."""
    knows_story: bool = False
    active_seconds: float = Field(0, ge=0, le=86_400, allow_inf_nan=False)
    focus_changes: int = Field(0, ge=0, le=10_000)
    edits: int = Field(0, ge=0, le=100_000)

    @property
    def entered(self) -> dict[str, dict[str, Any]]:
        """What stands in the form, by path, as drafts keep it."""
        also = {"at": self.at, "knows_story": self.knows_story}
        return {answer.path: {**answer.content, **also} for answer in self.answers}

    @property
    def effort(self) -> Effort:
        """What was put in since the last save."""
        return Effort(self.active_seconds, self.focus_changes, self.edits)

    @property
    def digest(self) -> str:
        """Of all that was entered."""
        return hashlib.sha256(json.dumps([answer.content for answer in self.answers]).encode()).hexdigest()


def read(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields of the form as `Sent` has them: `0.text` is of the first answer, `p` of an answer comes often."""
    whole: dict[str, Any] = {}
    answers: dict[int, dict[str, Any]] = {}
    for name, value in pairs:
        place, dot, key = name.partition(".")
        if not dot:
            whole |= {name: value} if value and name != "csrf_token" else {}
        elif place.isdecimal() and len(place) < 3:
            answer = answers.setdefault(int(place), {})
            answer[key] = [*answer.get(key, []), value] if key == "p" else value
    return {**whole, "answers": [answers[place] for place in sorted(answers)]}


# ── from what was entered to moves ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class CheckedAnswers:
    """What was entered, taken for what is asked: moves by path, what has to be mended, what somebody should know."""

    contents: dict[str, AnyContent] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)


def taken(turn: Turn, sent: Sent) -> CheckedAnswers:
    """Read the answers to everything that is due."""
    given = {answer.path: answer for answer in sent.answers}
    outcome = CheckedAnswers()
    for ask, view in turn.due:
        try:
            content = _content(view, turn.passage, given.get(ask.path) or EnteredAnswer(path=ask.path))
        except Unread as error:
            outcome.errors[ask.path] = error.problem
            continue
        outcome.contents[ask.path] = content
        if isinstance(content, Speech) and (doubts := _doubts(content, view)):
            outcome.doubts[ask.path] = doubts
    return outcome


def _content(view: View, passage: IndexedPassage, answer: EnteredAnswer) -> AnyContent:
    match view.wants:
        case "speech":
            return written(view, passage, answer.words)
        case "note":
            return Note(text=_words(view, answer))
        case "thought":
            return Thought(text=_words(view, answer))
        case "items":
            return _items(view, answer)
        case "pick":
            return _pick(view, answer)
        case "rating":
            return _rating(answer)
        case "belief":
            return _belief(view, answer)
    raise TypeError(f"No person can be asked for a {view.wants}.")


def _words(view: View, answer: EnteredAnswer) -> str:
    said = answer.words.strip()
    if not said:
        raise Unread("Write something first.")
    count, most = len(said.split()), view.limits.max_words
    if most is not None and count > most:
        raise Unread(f"That has {count} words and may have {most}: shorten it by {count - most}.")
    return said


def _items(view: View, answer: EnteredAnswer) -> Items:
    lines = [" ".join(line.split()) for line in answer.words.splitlines() if line.strip()]
    least, most = _bounds(view.facts)
    if len(lines) < least:
        raise Unread(f"Write at least {'one line' if least == 1 else f'{least} lines'}.")
    if len(lines) > most:
        raise Unread(f"There are {len(lines)} lines and {most} are taken: leave some out.")
    words = view.limits.max_words
    for number, line in enumerate(lines, 1):
        if words is not None and (count := len(line.split())) > words:
            raise Unread(f"Line {number} has {count} words and may have {words}: shorten it.")
    return Items(texts=tuple(lines))


def _bounds(facts: Mapping[str, Any]) -> tuple[int, int]:
    """Fewest and most lines of a list."""
    return facts.get("least", 1), facts.get("most", ITEMS)


def _pick(view: View, answer: EnteredAnswer) -> Pick:
    if not answer.pick.isdecimal() or int(answer.pick) >= len(options(view)):
        raise Unread("Choose one.")
    return Pick(index=int(answer.pick))


def _rating(answer: EnteredAnswer) -> Rating:
    try:
        value = float(answer.rating.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise Unread("Give a number from 0 to 100.")
    return Rating(value=value / 100)


def _belief(view: View, answer: EnteredAnswer) -> Belief:
    shares = trial_page.numbers(answer.p, len(view.answers))
    problem = trial_page.mistake(shares, answer.words, final=False)
    if problem or shares is None:
        raise Unread(problem or "")
    return trial_page.belief(view, shares, answer.words)


def _doubts(speech: Speech, view: View) -> list[str]:
    """What whoever wrote a speech should know before it is final."""
    doubts = []
    if speech.words < view.limits.min_words:
        doubts.append(f"It has {speech.words} words; at least {view.limits.min_words} are asked for.")
    wrong = [piece for piece in pieces(speech.said) if piece.verified is False]
    told = "The quote “{}” would be shown as not found: it is {}."
    return [*doubts, *(told.format(_short(piece.text), _why(piece)) for piece in wrong)]


def _why(piece: Piece) -> str:
    assert piece.quote is not None
    match piece.quote.status.value:
        case "too_short":
            return f"shorter than {MIN_WORDS} words"
        case "near":
            return "not word for word what stands there"
    return piece.status


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57].rstrip()}…"


def counts(turn: Turn, sent: Sent) -> dict[str, dict[str, Any]]:
    """By path, what the page says of the quotes of a speech as it stands: how each was found, and what they use up."""
    given = {answer.path: answer for answer in sent.answers}
    return {
        ask.path: _counted(marked_speech(given[ask.path].words, "", view, turn.passage))
        for ask, view in turn.due
        if ask.wants == "speech" and ask.path in given
    }


def _counted(speech: Speech) -> dict[str, Any]:
    quotes = [piece for piece in pieces(speech.said) if piece.quote]
    return {
        "quotes": len(quotes),
        "characters": speech.said.new_characters,
        "unverified": [f"“{_short(piece.text)}”: {_why(piece)}" for piece in quotes if not piece.verified],
    }


# ── what the page shows ─────────────────────────────────────────────────────────────────────────────────────────


def shown(
    held: Held, turn: Turn, drafts: Mapping[str, Mapping[str, Any]], outcome: CheckedAnswers | None = None
) -> dict[str, Any]:
    """All that `pages/talk.html` needs; `drafts` is what was entered, by path, `outcome` what came of sending it."""
    view = turn.due[0][1] if turn.due else turn.view(turn.given[-1][0]) if turn.given else turn.standing
    sent = [] if turn.due else _sent(turn)
    groups = [[_line(line, view) for line in group] for group in view.groups]
    return {
        "id": held.id,
        "over": held.over,
        "handed_on": held.handed_on and bool(turn.given),
        "label": view.label.partition(", ")[0],
        "question": view.question,
        "answers": [(letter, text, place == view.side) for place, (letter, text) in _lettered(view)],
        "argues": None if view.side is None else view.answers[view.side],
        "passage": None if view.passage is None else _marked(view, [content for _, content in turn.given]),
        "groups": groups,
        "sent": [_line(Line(asked.label, True, content), asked) for asked, content in sent],
        "asks": [
            _form(number, ask, asked, drafts.get(ask.path, {}), outcome)
            for number, (ask, asked) in enumerate(turn.due)
        ],
        "request": None if not turn.due else _request(turn, view),
        "doubts": [doubt for found in (outcome.doubts if outcome else {}).values() for doubt in found],
        "errors": list(outcome.errors.values()) if outcome else [],
        "knows_story": knows_story(held, drafts),
        "at": max((int(draft.get("at", 0)) for draft in drafts.values()), default=0),
    }


def knows_story(held: Held, drafts: Mapping[str, Mapping[str, Any]]) -> bool | None:
    """Whether the box is ticked, as it was left or else sent; None where there is none, since the seat reads the story."""
    if not held.judges:
        return None
    left = [draft["knows_story"] for draft in drafts.values() if "knows_story" in draft]
    return bool(left[-1] if left else held.flags.get("knows_story"))


def _lettered(view: View) -> Iterable[tuple[int, tuple[str, str]]]:
    return enumerate(zip(view.letters, view.answers, strict=True))


def _sent(turn: Turn) -> list[tuple[View, AnyContent]]:
    """What this seat gave last, while the others are awaited: they have not seen it either, or not yet replied."""
    last = turn.given[-1][0].shows if turn.given else ()
    return [(turn.view(ask), content) for ask, content in turn.given if ask.shows == last]


def _marked(view: View, own: Iterable[AnyContent]) -> list[Any]:
    """The passage with all quotes that this seat has seen or made."""
    seen = [line.content for line in view.lines] + list(own)
    return marked_passage(view.passage or "", [item.said for item in seen if isinstance(item, Speech)])


def _line(line: Line, view: View) -> dict[str, Any]:
    """A move as the page needs it."""
    return {"speaker": line.speaker, "own": line.own, "pieces": _pieces(line, view)}


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
            return [Piece(f"Belief: {', '.join(shares)}" + (f"\n{content.reason}" if content.reason else ""))]
        case Rating():
            return [Piece(f"Rating: {100 * content.value:.3g} of 100")]
        case Pick():
            return [Piece(content.said or f"Choice: {_named(content.index, view)}")]
        case other:
            raise TypeError(f"No page can show a {other.kind} yet.")


def _as_read(view: View) -> Iterable[tuple[str, int]]:
    return zip(view.letters, view.order, strict=True)


def _named(index: int, view: View) -> str:
    """A choice by its name, where this view is of the ask that it answers; else by its number."""
    names = options(view) if view.wants == "pick" else ()
    return names[index] if index < len(names) else str(index + 1)


def _form(
    number: int, ask: Ask, view: View, draft: Mapping[str, Any], outcome: CheckedAnswers | None
) -> dict[str, Any]:
    """The fields for one ask."""
    limits, rounds = ask.limits, (ask.facts.get("round"), ask.facts.get("rounds"))
    return {
        "number": number,
        "path": ask.path,
        "wants": ask.wants,
        "heading": KINDS.get(ask.kind, HEADINGS[ask.wants]),
        "about": view.label.partition(", ")[2],
        "round": rounds if rounds[1] and rounds[1] > 1 else None,
        "limits": limits,
        "text": draft.get("text", ""),
        "shares": list(zip(view.letters, view.answers, _shares(view, draft), strict=True)),
        "lines": _lines(ask.facts) if ask.wants == "items" else "",
        "options": _options(view) if ask.wants == "pick" else (),
        "pick": draft.get("pick", ""),
        "rating": draft.get("rating", ""),
        "error": outcome.errors.get(ask.path) if outcome else None,
    }


def _lines(facts: Mapping[str, Any]) -> str:
    """How many lines a list may have, in words."""
    least, most = _bounds(facts)
    if not least:
        return f"One a line, at most {most}; leave it empty for none."
    return f"One a line, {least if least == most else f'{least} to {most}'} of them."


def _shares(view: View, draft: Mapping[str, Any]) -> list[str]:
    given = list(draft.get("p") or map(str, trial_page.even(len(view.answers))))
    return [*given, *[""] * len(view.answers)][: len(view.answers)]


def _options(view: View) -> list[str]:
    """What can be chosen, answers with their words."""
    if view.facts.get("options", "answers") != "answers":
        return list(options(view))
    return [f"{letter}: {text}" for _, (letter, text) in _lettered(view)]


def _request(turn: Turn, view: View) -> str:
    """What a model in this seat would be asked, word for word."""
    try:
        return turn.prompts.segments(turn.protocol, view)[-1].text.strip()
    except ParticipantError as error:
        # Its reason names the template and what stands in it: for whoever runs the study.
        log.warning("What %s asks for as %s cannot be shown: %s", turn.protocol, view.kind, error)
        return NO_REQUEST
