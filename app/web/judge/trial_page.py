"""What a judge's trial page shows and what its form brings back: from views to plain values, from a form to a belief.

It knows no request and no database, and of a trial only what the judge's own view holds.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.participants.prompts import Example
from app.protocols.core import Ask, Belief, Items, Note, Pick, Rating, Speech
from app.protocols.judging import place
from app.protocols.marks import (
    MARKING,
    MARKS,
    MarkFacts,
    points_in,
)
from app.protocols.quotes import MarkedText
from app.protocols.views import LETTERS, Line, View
from app.records.assignment import Held
from app.records.drafts import Effort
from app.statistics.scores import bits
from app.web.marked_quotes import Piece, pieces, rendered_pieces

EXAMPLES = (1, 10, 25, 50, 75, 90, 99)
"""Percentages of the table of scores."""


def score_table() -> list[tuple[int, float]]:
    """What some percentages on the right answer score, in bits."""
    return [(percent, bits(percent / 100)) for percent in EXAMPLES]


# ── what stands in the form ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in the form: percentages for the answers as read, the reason, and what was marked."""

    p: tuple[str, ...]
    reason: str = ""
    knows_story: bool = False
    at: int = 0
    """When it was last changed, in milliseconds of the judge's own clock; 0 for never."""
    step: int = 1
    """Step up to which the judge has read, where all of the transcript is on the page."""


def entry(mine: Held, view: View, draft: Mapping[str, Any], earlier: Sequence[Belief]) -> Entry:
    """What to put into the form: the draft, else the last belief, else the same for every answer."""
    if draft:
        shares = (*draft["p"], *[""] * len(view.order))[: len(view.order)]
        return Entry(shares, draft["reason"], draft["knows_story"], draft["at"], draft.get("step", 1))
    knows = bool(mine.flags.get("knows_story"))
    if earlier:
        last = tuple(f"{100 * earlier[-1].p[index]:.4g}" for index in view.order)
        return Entry(last, knows_story=knows)
    return Entry(tuple(str(share) for share in even(len(view.order))), knows_story=knows)


def even(count: int) -> list[int]:
    """100 in whole parts as even as can be."""
    return [100 // count + (place < 100 % count) for place in range(count)]


@dataclass(frozen=True, slots=True)
class Misled:
    """An argument on another text that misled somebody before."""

    question: str
    argued: str
    pieces: Sequence[Piece]


def misled(example: Example) -> Misled:
    """An example as the page needs it."""
    return Misled(example.question, example.argued, rendered_pieces(example.argument))


# ── what the page shows ─────────────────────────────────────────────────────────────────────────────────────────


def shown(mine: Held, ask: Ask, view: View, earlier: Sequence[Belief], entry: Entry) -> dict[str, Any]:
    """All that `pages/judge_trial.html` needs of a trial, for the belief that is asked for now."""
    first = 0 if mine.each_step else mine.steps
    return {
        "id": mine.id,
        "path_asked": ask.path,
        "final": is_final(mine, ask),
        "number": len(ask.shows) - first + 1,
        "beliefs": mine.steps - first + 1,
        "question": view.question,
        "passage": view.passage,
        "answers": list(zip(view.letters, view.answers, entry.p, strict=True)),
        "groups": _groups(view, earlier if mine.each_step else ()),
        "before": _as_read(view, earlier[0]) if mine.each_step and earlier else None,
        "evidence": _evidence(view),
        "steps": mine.steps,
        "stepwise": not mine.each_step and mine.steps > 1,
        "entry": entry,
        "scores": score_table(),
    }


def is_final(mine: Held, ask: Ask) -> bool:
    """Whether the belief asked for is the verdict."""
    return len(ask.shows) == mine.steps


def _line(line: Line, number: int) -> dict[str, Any]:
    """A shown move as the page needs it."""
    match line.content:
        case Speech():
            cut = pieces(line.content.said)
        case Note():
            cut = [Piece(line.content.text)]
        case Items():
            cut = [Piece("\n".join(line.numbered()))]
        case Rating():
            cut = [Piece(f"Finds this {line.content.value:.0%} likely to be right.")]
        case Pick():
            cut = [Piece(line.content.said or f"Option {line.content.index + 1}")]
        case other:
            raise TypeError(f"A transcript holds a {other.kind}, which no page can show to a judge yet.")
    return {"number": number, "speaker": line.speaker, "pieces": cut}


def _place(line: Line, asked: Mapping[str, str]) -> dict[str, Any]:
    """Where in a tree a line stands: how deep, and what a speech there speaks to."""
    about = asked.get(line.number) if isinstance(line.content, Speech) else None
    return {"depth": line.number.count("."), "about": about}


def _asked(view: View) -> dict[str, str]:
    """Every sub-question or part of a claim by its number."""
    texts = (text for line in view.lines if isinstance(line.content, Items) for text in line.numbered())
    return {number.rstrip("."): text for number, _, text in (text.partition(" ") for text in texts)}


def _groups(view: View, earlier: Sequence[Belief]) -> list[dict[str, Any]]:
    """What was said, each group with the belief that this judge gave after it."""
    groups, number = [], 0
    asked = _asked(view)
    for step, group in enumerate(view.groups, 1):
        lines = [_line(line, number + offset) | _place(line, asked) for offset, line in enumerate(group, 1)]
        number += len(group)
        belief = _as_read(view, earlier[step]) if step < len(earlier) else None
        groups.append({"step": step, "lines": lines, "belief": belief})
    return groups


def _as_read(view: View, belief: Belief) -> dict[str, Any]:
    """One of the judge's own beliefs, answers in the order read."""
    shares = [(letter, belief.p[index]) for letter, index in zip(view.letters, view.order, strict=True)]
    return {"shares": shares, "reason": belief.reason}


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


def asked_mark(ask: Ask) -> MarkFacts:
    """Return which point an ask for a mark is about."""
    assert isinstance(ask.facts, MarkFacts)
    return ask.facts


def to_mark(mine: Held, due: Sequence[tuple[Ask, View]], draft: Mapping[str, Any]) -> dict[str, Any]:
    """All that `pages/judge_marks.html` needs: the texts, each point that a mark is asked on, and the marks so far."""
    points = [(asked_mark(ask), view) for ask, view in due]
    first, view = points[0]
    criticised = view.lines[first.text - 1].content
    assert isinstance(criticised, Speech)
    texts = points_in(_with_quotation_marks(criticised.said))
    numbers = [asked.point for asked, _ in points]
    chosen = marked(draft.get("marks", ()))
    return {
        "id": mine.id,
        "path_asked": MARKING,
        "question": view.question,
        "answers": list(zip(view.letters, view.answers, strict=True)),
        "groups": _groups(view, ()),
        "points": [(number, texts[number - 1], chosen.get(number)) for number in numbers],
        "at": draft.get("at", 0),
    }


def _with_quotation_marks(said: MarkedText) -> str:
    """The text with its quotes set off, as they are where it is read as a whole."""
    parts, at = [], 0
    for quote in said.quotes:
        parts += [said.text[at : quote.start], "“", said.text[quote.start : quote.end], "”"]
        at = quote.end
    return "".join([*parts, said.text[at:]])


def marked(given: Iterable[str]) -> dict[int, str]:
    """What was said of each point, by its number, from marks such as `2-accept`."""
    found = [mark.split("-", 1) for mark in given]
    return {
        int(said[0]): said[1] for said in found if len(said) == 2 and said[0].isdecimal() and said[1] in MARKS
    }


# ── what comes back ─────────────────────────────────────────────────────────────────────────────────────────────


class _StepEffort(BaseModel):
    """Effort with the transcript read up to a step."""

    step: int = Field(ge=0, le=10_000)
    active_seconds: float = Field(0, ge=0, le=86_400, allow_inf_nan=False)
    focus_changes: int = Field(0, ge=0, le=10_000)
    edits: int = Field(0, ge=0, le=100_000)


class Sent(BaseModel):
    """What both the autosave and the form send."""

    path: str = Field(pattern=r"^[A-Za-z0-9/_-]{1,100}$")
    p: list[str] = Field([], max_length=len(LETTERS))
    reason: str = Field("", max_length=20_000)
    marks: list[Annotated[str, Field(max_length=20)]] = Field([], max_length=100)
    """What is said of points, each as `2-accept`, where marks are asked for and no belief."""
    knows_story: bool = False
    at: int = Field(0, ge=0, le=2**53)
    step: int = Field(1, ge=0, le=10_000)
    efforts: list[_StepEffort] = Field([], max_length=200)
    """What was put in since the last save."""

    @field_validator("efforts", mode="before")
    @classmethod
    def _from_a_field(cls, value: object) -> object:
        """A form has one field for all of it, empty without script."""
        sent = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not isinstance(sent, str):
            return value
        try:
            return json.loads(sent or "[]")
        except RecursionError as error:
            raise ValueError("this nests too deep") from error

    @property
    def entry(self) -> Entry:
        """What was entered, as the page shows it again."""
        return Entry(
            tuple(share[:20].replace("\0", "") for share in self.p),
            self.reason.replace("\0", "").replace("\r\n", "\n"),
            self.knows_story,
            self.at,
            self.step,
        )

    @property
    def content(self) -> dict[str, Any]:
        """What was entered, as it is kept."""
        if self.path == MARKING:
            return {"marks": [f"{number}-{said}" for number, said in self.marked.items()], "at": self.at}
        entry = self.entry
        return {
            "p": list(entry.p),
            "reason": entry.reason,
            "knows_story": entry.knows_story,
            "at": entry.at,
            "step": entry.step,
        }

    @property
    def marked(self) -> dict[int, str]:
        """What was said of each point, by its number."""
        return marked(self.marks)

    def effort(self, mine: Held) -> dict[str, Effort]:
        """Effort by path: under `each_step`, and at the marks, all of it belongs there, else to the step being read."""
        found: dict[str, Effort] = {}
        for item in self.efforts:
            there = mine.each_step or self.path == MARKING
            path = self.path if there else place(0, min(item.step, mine.steps))
            put_in = Effort(item.active_seconds, item.focus_changes, item.edits)
            found[path] = found.get(path, Effort()) + put_in
        return found

    def kept(self, view: View) -> Entry:
        """What was sent, to be mended; with a field for every answer, however many came."""
        entry = self.entry
        shares = (*entry.p, *[""] * len(view.answers))[: len(view.answers)]
        return Entry(shares, entry.reason, entry.knows_story, entry.at, entry.step)

    def shares(self, count: int) -> list[float] | None:
        """The numbers, where they are as many as wanted and each from 0 to 100."""
        return numbers(self.p, count)


class SentDraft(Sent):
    """An autosave."""

    model_config = ConfigDict(extra="forbid")


def numbers(given: Sequence[str], count: int) -> list[float] | None:
    """What was entered as numbers, where they are as many as wanted and each from 0 to 100."""
    try:
        shares = [float(share.strip().replace(",", ".")) for share in given]
    except ValueError:
        return None
    return shares if len(shares) == count and all(0 <= share <= 100 for share in shares) else None


def mistake(shares: Sequence[float] | None, reason: str, final: bool) -> str | None:
    """What has to be mended before a belief can be taken, as one sentence."""
    if shares is None:
        return "Give every answer a number from 0 to 100."
    if abs(math.fsum(shares) - 100) > 1:
        return f"The numbers add up to {math.fsum(shares):g}: change them so that they add up to 100."
    if final and not reason.strip():
        return "Write in a sentence or two what decided it for you."
    return None


def belief(view: View, shares: Sequence[float], reason: str) -> Belief:
    """Percentages as read, as a belief in the trial's own order."""
    total = math.fsum(shares)
    p = view.in_trial_order(tuple(share / total for share in shares))
    return Belief(p=p, method="stated", reason=reason.strip())
