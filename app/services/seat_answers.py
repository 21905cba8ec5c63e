"""What the form of a turn sends, and the moves that it becomes. It knows no request and no database."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.engine import Turn
from app.judge_fields import FIELDS, FieldValue, read_fields
from app.languages import gettext as _
from app.languages import marked, ngettext
from app.participants.replies import options
from app.participants.speeches import Unread, marked_speech, written
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Facts,
    Items,
    ItemsFacts,
    Note,
    Pick,
    Rating,
    Speech,
    Thought,
)
from app.protocols.judging import place
from app.protocols.marks import MARKING
from app.protocols.quotes import MIN_WORDS, IndexedPassage
from app.protocols.views import LETTERS, View
from app.protocols.writing import count_words
from app.records.drafts import Effort, Signals
from app.services.marked_quotes import Piece, pieces

ITEMS = 50
"""Most lines of a list whose ask names no fewer."""


class EnteredAnswer(BaseModel):
    """What was entered for one ask."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(pattern=r"^[A-Za-z0-9/_-]{1,200}$")
    text: str = Field("", max_length=40_000)
    """A speech, a note, a list of one item a line, or the reason of a belief."""
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


class _StepEffort(BaseModel):
    """Effort with the transcript read up to a step."""

    step: int = Field(ge=0, le=10_000)
    active_seconds: float = Field(0, ge=0, le=86_400, allow_inf_nan=False)
    focus_changes: int = Field(0, ge=0, le=10_000)
    edits: int = Field(0, ge=0, le=100_000)
    visit: int | None = Field(None, ge=0, le=2**53)
    """Number that the page drew when it was loaded. What follows is counted from then on, not since the last save."""
    keystrokes: int = Field(0, ge=0, le=1_000_000)
    pastes: int = Field(0, ge=0, le=10_000)
    pasted_characters: int = Field(0, ge=0, le=100_000_000)
    away_seconds: float = Field(0, ge=0, le=10_000_000, allow_inf_nan=False)

    @property
    def signals(self) -> Signals | None:
        """Return the signals of the visit; None where the page counts none."""
        if self.visit is None:
            return None
        counts = (self.keystrokes, self.pastes, self.pasted_characters, self.away_seconds)
        return Signals(f"{self.visit}/{self.step}", *counts)


class Sent(BaseModel):
    """What both the autosave and the form send."""

    model_config = ConfigDict(extra="forbid")

    answers: list[EnteredAnswer] = Field(min_length=1, max_length=100)
    at: int = Field(0, ge=0, le=2**53)
    """When it was last changed, in milliseconds of the person's own clock."""
    confirmed: str = Field("", max_length=64)
    """A digest of the words about which a person was warned and which they send all the same."""
    fields: dict[str, FieldValue] = {}
    """The fields of `app.judge_fields`, each sent under its own name."""
    step: int = Field(1, ge=0, le=10_000)
    """Step up to which a judge has read, where all of the transcript is on the page."""
    efforts: list[_StepEffort] = Field([], max_length=200)
    """What was put in since the last save."""

    @model_validator(mode="before")
    @classmethod
    def _fields(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        names = {field.name for field in FIELDS}
        rest = {key: item for key, item in value.items() if key not in names}
        if "fields" in rest:
            raise ValueError("fields are sent under their own names")
        return {**rest, "fields": read_fields(value)}

    @field_validator("efforts", mode="before")
    @classmethod
    def _from_a_field(cls, value: object) -> object:
        """A form has one field for all of it, empty without script."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value or "[]")
        except RecursionError as error:
            raise ValueError("this nests too deep") from error

    @property
    def entered(self) -> dict[str, dict[str, Any]]:
        """What was entered, by path, as drafts keep it."""
        also = {**self.fields, "at": self.at, "step": self.step}
        return {answer.path: {**answer.content, **also} for answer in self.answers}

    def answers_to(self, turn: Turn) -> bool:
        """Whether all of it is asked for now."""
        return {answer.path for answer in self.answers} <= {ask.path for ask, _ in turn.due}

    def efforts_at(self, turn: Turn) -> dict[str, Effort]:
        """Effort by path: that of the step being read, where a judge has the whole transcript; else the first path."""
        found: dict[str, Effort] = {}
        for path, item in self._placed(turn):
            put_in = Effort(item.active_seconds, item.focus_changes, item.edits)
            found[path] = found.get(path, Effort()) + put_in
        return found

    def signals_at(self, turn: Turn) -> dict[str, list[Signals]]:
        """Signals by path, as efforts; none where the browser ran no script."""
        found: dict[str, list[Signals]] = {}
        for path, item in self._placed(turn):
            if item.signals is not None:
                found.setdefault(path, []).append(item.signals)
        return found

    def _placed(self, turn: Turn) -> Iterator[tuple[str, _StepEffort]]:
        first = self.answers[0].path
        by_step = turn.judging and not turn.each_step and not first.startswith(MARKING)
        for item in self.efforts:
            yield place(0, min(item.step, turn.steps)) if by_step else first, item

    @property
    def put_in(self) -> list[Effort]:
        """Return all efforts, whatever they went into."""
        return [Effort(item.active_seconds, item.focus_changes, item.edits) for item in self.efforts]

    @property
    def signals(self) -> list[Signals]:
        """Return all signals, whatever they are of; none where the browser ran no script."""
        return [item.signals for item in self.efforts if item.signals is not None]

    @property
    def digest(self) -> str:
        """Of all that was entered."""
        return hashlib.sha256(json.dumps([answer.content for answer in self.answers]).encode()).hexdigest()


def read(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields of the form as `Sent` has them: `0.text` is of the first answer, `p` of an answer comes often."""
    whole: dict[str, Any] = {}
    answers: dict[int, dict[str, Any]] = {}
    for name, value in pairs:
        number, dot, key = name.partition(".")
        if not dot:
            whole |= {name: value} if value and name != "csrf_token" else {}
        elif number.isdecimal() and len(number) < 4:
            answer = answers.setdefault(int(number), {})
            answer[key] = [*answer.get(key, []), value] if key == "p" else value
    return {**whole, "answers": [answers[number] for number in sorted(answers)]}


# ── from what was entered to moves ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class CheckedAnswers:
    """What was entered, taken for what is asked: moves by path, what has to be mended, what a person should know."""

    contents: dict[str, AnyContent] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By path, the fields in which an error is: `text`, `pick`, `rating`, or the letter of an answer."""
    doubts: dict[str, list[str]] = field(default_factory=dict)


def taken(turn: Turn, sent: Sent) -> CheckedAnswers:
    """Read the answers to everything that is due."""
    given = {answer.path: answer for answer in sent.answers}
    outcome = CheckedAnswers()
    for ask, view in turn.due:
        try:
            content = _content(turn, ask, view, given.get(ask.path) or EnteredAnswer(path=ask.path))
        except Unread as error:
            outcome.errors[ask.path] = error.problem
            outcome.wrong[ask.path] = error.fields if isinstance(error, _WrongFields) else _fields_of(view)
            continue
        outcome.contents[ask.path] = content
        if isinstance(content, Speech) and (doubts := _doubts(content, view)):
            outcome.doubts[ask.path] = doubts
    return outcome


class _WrongFields(Unread):
    """An error in some of the fields of an ask."""

    def __init__(self, problem: str, fields: Iterable[str]) -> None:
        super().__init__(problem)
        self.fields = tuple(fields)


def _fields_of(view: View) -> tuple[str, ...]:
    """Return the field of an ask that has one."""
    return (view.wants,) if view.wants in ("pick", "rating") else ("text",)


def is_final(turn: Turn, ask: Ask) -> bool:
    """Whether the belief asked for is a judge's verdict."""
    return turn.judging and len(ask.shows) == turn.steps


def _content(turn: Turn, ask: Ask, view: View, answer: EnteredAnswer) -> AnyContent:
    match view.wants:
        case "speech":
            return written(view, turn.passage, answer.words)
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
            return _belief(view, answer, final=is_final(turn, ask))
    raise TypeError(f"No person can be asked for a {view.wants}.")


def _words(view: View, answer: EnteredAnswer) -> str:
    said = answer.words.strip()
    if not said:
        raise Unread(_("Write something first."))
    count, most, unit = count_words(said), view.limits.max_words, view.unit
    if most is not None and count > most:
        has, may = unit.of(count), unit.of(most)
        raise Unread(
            _(
                "That has %(has)s %(unit)s and may have %(may)s: shorten it by %(off)s.",
                has=has,
                may=may,
                off=has - may,
                unit=_(unit.name),
            )
        )
    return said


def _items(view: View, answer: EnteredAnswer) -> Items:
    lines = [" ".join(line.split()) for line in answer.words.splitlines() if line.strip()]
    least, most = bounds(view.facts)
    if len(lines) < least:
        raise Unread(ngettext("Write at least one line.", "Write at least %(num)s lines.", least))
    if len(lines) > most:
        raise Unread(
            _("There are %(has)s lines and %(may)s are taken: leave some out.", has=len(lines), may=most)
        )
    words, unit = view.limits.max_words, view.unit
    for number, line in enumerate(lines, 1):
        if words is not None and (count := count_words(line)) > words:
            has, may = unit.of(count), unit.of(words)
            raise Unread(
                _(
                    "Line %(number)s has %(has)s %(unit)s and may have %(may)s: shorten it.",
                    number=number,
                    has=has,
                    may=may,
                    unit=_(unit.name),
                )
            )
    return Items(texts=tuple(lines))


def bounds(facts: Facts) -> tuple[int, int]:
    """Fewest and most lines of a list."""
    return (facts.least, facts.most) if isinstance(facts, ItemsFacts) else (1, ITEMS)


def _pick(view: View, answer: EnteredAnswer) -> Pick:
    if not answer.pick.isdecimal() or int(answer.pick) >= len(options(view)):
        raise Unread(_("Accept or reject every point.") if view.kind == "mark" else _("Choose one."))
    return Pick(index=int(answer.pick))


def _rating(answer: EnteredAnswer) -> Rating:
    try:
        value = float(answer.rating.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise Unread(_("Give a number from 0 to 100."))
    return Rating(value=value / 100)


def _belief(view: View, answer: EnteredAnswer, *, final: bool) -> Belief:
    """Percentages as read, as a belief in the trial's own order."""
    shares = _shares(view, answer)
    total = math.fsum(shares)
    if abs(total - 100) > 1:
        raise _WrongFields(
            _("The numbers add up to %(total)g: change them so that they add up to 100.", total=total),
            view.letters,
        )
    reason = answer.words.strip()
    if final and not reason:
        raise _WrongFields(_("Write in a sentence or two what decided it for you."), ["text"])
    p = view.in_trial_order(tuple(share / total for share in shares))
    return Belief(p=p, method="stated", reason=reason)


def _shares(view: View, answer: EnteredAnswer) -> list[float]:
    """Return the numbers that were entered, one for each answer as read. Raise Unread where one is not from 0 to 100."""
    given = [*answer.p, *[""] * len(view.letters)][: max(len(answer.p), len(view.letters))]
    numbers = [_number(share) for share in given]
    wrong = [letter for letter, number in zip(view.letters, numbers, strict=False) if number is None]
    if not wrong and len(numbers) == len(view.letters):
        return [number for number in numbers if number is not None]
    entered = dict(zip(view.letters, given, strict=False))
    said = [
        _("%(letter)s has “%(entered)s”.", letter=letter, entered=_short(entered[letter].strip()))
        for letter in wrong
        if entered[letter].strip()
    ]
    sentence = _("Give every answer a number from 0 to 100.")
    raise _WrongFields(" ".join([*said, sentence]), wrong or view.letters)


def _number(share: str) -> float | None:
    """Return a percentage; None where it is none."""
    try:
        number = float(share.strip().replace(",", "."))
    except ValueError:
        return None
    return number if 0 <= number <= 100 else None


# ── speeches ────────────────────────────────────────────────────────────────────────────────────────────────────


def _doubts(speech: Speech, view: View) -> list[str]:
    """What the writer of a speech should know before it is final."""
    doubts = []
    unit, least = view.unit, view.limits.min_words
    if speech.words < least:
        doubts.append(
            _(
                "It has %(has)s %(unit)s; at least %(least)s are asked for.",
                has=unit.of(speech.words),
                least=unit.of(least),
                unit=_(unit.name),
            )
        )
    wrong = [piece for piece in pieces(speech.said) if piece.verified is False]
    return [
        *doubts,
        *(
            _(
                "The quote “%(words)s” would be shown as “%(mark)s”: it is %(why)s.",
                words=_short(piece.text),
                mark=_(_SHOWN_AS[piece.mark]),
                why=_why(piece),
            )
            for piece in wrong
        ),
    ]


_SHOWN_AS = {
    "u_quote": marked("not found"),
    "short_quote": marked("too short to check"),
    "over_limit_quote": marked("over the limit"),
}


def _why(piece: Piece) -> str:
    assert piece.quote is not None
    match piece.quote.status.value:
        case "too_short":
            return _("shorter than %(least)s words", least=MIN_WORDS)
        case "near":
            return _("not word for word what is written there")
    return _(piece.status)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57].rstrip()}…"


def counts(turn: Turn, sent: Sent) -> dict[str, dict[str, Any]]:
    """By path, what the page says of the quotes of a speech as it is: how each was found, and what they use up."""
    given = {answer.path: answer for answer in sent.answers}
    return {
        ask.path: _counted(given[ask.path].words, view, turn.passage)
        for ask, view in turn.due
        if ask.wants == "speech" and ask.path in given
    }


def _counted(words: str, view: View, passage: IndexedPassage) -> dict[str, Any]:
    speech = marked_speech(words, "", view, passage)
    quotes = [piece for piece in pieces(speech.said) if piece.quote]
    return {
        "quotes": len(quotes),
        "found": sum(piece.mark in ("v_quote", "over_limit_quote") for piece in quotes),
        "characters": speech.said.new_characters + speech.said.over_limit,
        "doubts": [f"“{_short(piece.text)}”: {_why(piece)}" for piece in quotes if not piece.verified],
    }
