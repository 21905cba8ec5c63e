"""An item of a study through the eyes of a judge: the same views, and so the same page, as of a trial.

It knows no request and no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.participants.prompts import Example
from app.protocols.core import AnyContent, Ask, Belief, Facts, Limits, Speech
from app.protocols.judging import place
from app.protocols.quotes import MarkedText, Quote
from app.protocols.views import Line, View
from app.protocols.writing import count_words
from app.records.seats import Held
from app.services.marked_quotes import rendered_pieces
from app.studies.spec import Item, ItemSpeech
from models import StudyStep


@dataclass(frozen=True, slots=True)
class ItemTurn:
    """What `app.engine.Turn` is for a trial, as far as the page of a judge and its form use it."""

    due: Sequence[tuple[Ask, View]]
    steps: int
    """Groups of speeches in the whole item."""
    given: Sequence[tuple[Ask, AnyContent]] = ()
    examples: Sequence[Example] = ()
    judging: bool = True
    each_step: bool = False


def turn_of(item: Item, *, together: bool, each_step: bool = False, given: Sequence[Belief] = ()) -> ItemTurn:
    """Return what is asked on an item: one belief after all that was said, or one more after each step.

    Where speeches are made `together`, those of different speakers in a row are one step, as in the study's trials. Of
    `each_step`, the beliefs before are `given`.
    """
    groups = _groups(item.speeches, together=together)
    order = tuple(range(len(item.answers)))
    step = min(len(given), len(groups)) if each_step else len(groups)
    view = View(
        kind="belief",
        wants="belief",
        title="Judge",
        label="Judge",
        passage=None,
        question=item.question,
        answers=item.answers,
        order=order,
        side=None,
        groups=groups[:step],
        evidence=_evidence([line for group in groups[:step] for line in group]),
        limits=Limits(),
        facts=Facts(),
    )
    before = [(_ask(number, order), belief) for number, belief in enumerate(given)]
    return ItemTurn([(_ask(step, order), view)], len(groups), before, each_step=each_step)


def _ask(step: int, order: tuple[int, ...]) -> Ask:
    """The belief after a step."""
    shows = tuple((f"speech{number}",) for number in range(step))
    return Ask(place(0, step), "judge", "belief", "belief", shows, order)


def _groups(speeches: Sequence[ItemSpeech], *, together: bool) -> tuple[tuple[Line, ...], ...]:
    groups: list[list[ItemSpeech]] = []
    for speech in speeches:
        if together and groups and speech.speaker not in [other.speaker for other in groups[-1]]:
            groups[-1].append(speech)
        else:
            groups.append([speech])
    return tuple(tuple(_line(speech) for speech in group) for group in groups)


def _line(speech: ItemSpeech) -> Line:
    said = _marked(speech.text)
    return Line(speech.speaker, own=False, content=Speech(said=said, words=count_words(said.text)))


def _marked(text: str) -> MarkedText:
    """Return a text with its quotes, which were marked as in debates: nothing is known of the passage that they are from."""
    found, quotes = "", []
    for piece in rendered_pieces(text):
        start, found = len(found), found + piece.text
        if piece.quote is not None:
            quotes.append(_quote(start, len(found), piece.quote))
    return MarkedText(text=found, quotes=tuple(quotes))


def _quote(start: int, end: int, known: Quote) -> Quote:
    return Quote(start=start, end=end, status=known.status, spans=(), new_characters=0, repeated=False)


def _evidence(lines: Sequence[Line]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (at, number)
        for at, line in enumerate(lines)
        if isinstance(line.content, Speech)
        for number, quote in enumerate(line.content.said.quotes)
        if quote.verified
    )


def held_of(step: StudyStep, item: Item, seconds: int | None) -> Held:
    """Return an item as the seat of a trial in hand, as `app.records.seats` has it."""
    return Held(
        id=step.address,
        play=step.address,
        judging=True,
        role="judge",
        state="waiting",
        play_state="waiting",
        cancelled=False,
        leased=True,
        question=item.question,
        handed_on=False,
        seconds=seconds,
        flags=step.draft.get("flags", {}),
        # No experiment has it: an item is of none.
        experiment=step.address,
        enrolled=True,
    )


def given_in(step: StudyStep) -> list[Belief]:
    """Return the beliefs that were given before the one in hand, of an item that asks after each step."""
    return [Belief(p=tuple(p), method="stated", reason=reason) for p, reason in step.draft.get("given", ())]


def with_belief(step: StudyStep, belief: Belief, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the draft of an item once a belief was given that is not the last."""
    given = [*step.draft.get("given", ()), [list(belief.p), belief.reason]]
    return {"given": given, "flags": dict(fields)}


def answers_of(belief: Belief, fields: Mapping[str, Any], now: datetime, step: StudyStep) -> dict[str, Any]:
    """Return what is stored of an answered item: the belief in the item's own order, the reason, and the marked fields.

    Where beliefs were given before the last one, `beliefs` has them.
    """
    seconds = round((now - step.shown_at).total_seconds(), 1)
    before = [p for p, _ in step.draft.get("given", ())]
    also = {"beliefs": before} if before else {}
    return {"p": list(belief.p), "reason": belief.reason, "seconds": seconds, **also, **fields}
