"""Checks of what is recorded of plays in an archive that another arena wrote: each line against those before it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError

from app.exchange.archive_records import (
    CallLine,
    JudgingLine,
    MoveRecord,
    PlayRecord,
    RoundLine,
    TalkRecord,
    TextLine,
    VerdictRecord,
)
from app.protocols.core import Speech, parse_content

if TYPE_CHECKING:
    from app.exchange.archive import TrialLine, VerdictLine


def named_in(record: PlayRecord) -> list[str]:
    """Return the participants that a play names."""
    return [
        *(move.by for move in record.moves),
        *(who for seat in record.seats for who in (seat.participant, seat.replacement) if who),
    ]


class RecordChecks:
    """Keeps rounds, judgings, texts and calls that are sound. Each method returns what is wrong with a line."""

    def __init__(self) -> None:
        self.rounds: dict[str, RoundLine] = {}
        self.judgings: dict[UUID, JudgingLine] = {}
        self.texts: dict[str, TextLine] = {}
        self.calls: list[CallLine] = []
        self._plays: set[UUID] = set()
        self._taken: set[tuple[Any, ...]] = set()
        self._requests: set[str] = set()

    def round(self, line: RoundLine) -> list[str]:
        """Take a round."""
        if line.name in self.rounds:
            return [f'the round "{line.name}" is declared already']
        self.rounds[line.name] = line
        return []

    def text(self, line: TextLine) -> list[str]:
        """Take a text."""
        self.texts[line.digest] = line
        return []

    def talk(
        self, line: "TrialLine", record: TalkRecord, seats: set[str], length: int | None
    ) -> Iterator[str]:
        """Yield what is wrong with the record of a talk. `length` is that of the passage; None where it has no text."""
        if line.transcript:
            yield "transcript: the moves of a recorded talk stand in its record alone"
        if (record.state == "done") != (record.outcome is not None):
            yield "record.outcome: a finished talk has one, and no other"
        yield from self._play(record, record.state, length)
        for move in record.moves:
            if move.seat not in seats:
                yield f'record.moves: the protocol has no seat "{move.seat}"'
        if record.outcome is not None:
            yield from _outcome(record.outcome, {move.path for move in record.moves})
        yield from self._once(
            ("talk", line.arm, line.question, record.assignment, record.replicate, line.judge, record.place),
            "another trial has the same arm, question, assignment, replicate, judge and place",
        )

    def judging(self, line: JudgingLine, trial: "TrialLine", answers: int) -> Iterator[str]:
        """Take a judging. Yield what is wrong with it."""
        if (line.state == "open") != (line.judge is None):
            yield "judge: an open place has none, and every other has one"
        for at, order in enumerate(line.reading):
            if sorted(order) != list(range(answers)):
                yield f"reading[{at}] must name each of the trial's {answers} answers once, counted from 0"
        yield from self._play(line, line.state, None)
        if line.judge is not None:
            yield from self._once(
                ("judging", line.round, line.trial, line.judge),
                f'the judge "{line.judge}" already judges this trial in this round',
            )
        if line.place and line.state != "returned":
            yield from self._once(
                ("place", line.round, line.trial, line.place), "another judging has the same place"
            )
        self.judgings.setdefault(line.play, line)

    def verdict(self, line: "VerdictLine", record: VerdictRecord, trial: "TrialLine") -> Iterator[str]:
        """Yield what is wrong with the record of a verdict."""
        count = len(line.belief)
        if record.judging is None:
            if trial.record is None or line.judge != trial.judge:
                yield "record.judging is missing: only the judge who took part in a recorded talk has none"
        elif record.judging not in self.judgings:
            yield f'there is no judging "{record.judging}" in the lines before'
        else:
            judging = self.judgings[record.judging]
            if (judging.trial, judging.judge) != (line.trial, line.judge):
                yield "record.judging is that of another judge or trial"
        for name, figures in (("said", record.said), ("bounds", record.bounds)):
            if figures is not None and len(figures) != count:
                yield f"record.{name} must have {count} entries, one for each answer"

    def call(self, line: CallLine) -> list[str]:
        """Take a call."""
        found = [] if line.play in self._plays else [f'there is no play "{line.play}" in the lines before']
        found += [
            f"segments: no text has the digest {key}" for _, key in line.segments if key not in self.texts
        ]
        numbers = [attempt.number for attempt in line.attempts]
        if len(set(numbers)) < len(numbers):
            found.append("attempts: each needs its own number")
        for attempt in line.attempts:
            if attempt.request_id in self._requests:
                found.append(f'attempts: the request id "{attempt.request_id}" is used already')
            self._requests.add(attempt.request_id)
        if not found:
            self.calls.append(line)
        return found

    def _play(self, record: PlayRecord, state: str, length: int | None) -> Iterator[str]:
        name = "record." if isinstance(record, TalkRecord) else ""
        if record.play in self._plays:
            yield f'{name}id: another play has the id "{record.play}"'
        self._plays.add(record.play)
        if (state == "failed") != (record.error is not None):
            yield f"{name}error: a failed play says why, and no other"
        paths = [move.path for move in record.moves]
        yield from (f'{name}moves: the path "{path}" is there twice' for path in _twice(paths))
        for at, move in enumerate(record.moves):
            yield from (f"{name}moves[{at}].content: {reason}" for reason in _unsound(move, length))
        held = [seat for seat in record.seats if seat.participant]
        yield from (
            f"{name}seats: {who} is there twice" for who in _twice([str(s.participant) for s in held])
        )
        yield from (
            f'{name}seats: the seat "{seat}" is there twice'
            for seat in _twice([seat.seat for seat in record.seats if seat.state != "returned"])
        )
        for seat in record.seats:
            if (seat.state == "open") != (seat.participant is None):
                yield f'{name}seats: the seat "{seat.seat}" is open where it has no holder, and only there'
            left = seat.left_as is not None
            if left != (seat.left_at is not None) or (left and seat.state != "returned"):
                yield f'{name}seats: the seat "{seat.seat}" was left at a time and is returned, or neither'
            if seat.replacement and not left:
                yield f'{name}seats: the seat "{seat.seat}" has a replacement, but no one left it'

    def _once(self, key: tuple[Any, ...], reason: str) -> Iterator[str]:
        if key in self._taken:
            yield reason
        self._taken.add(key)


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []


def _unsound(move: MoveRecord, length: int | None) -> Iterator[str]:
    try:
        content = parse_content(move.content)
    except ValidationError as error:
        first = error.errors()[0]
        yield f"{'.'.join(map(str, first['loc']))} {first['msg'].removeprefix('Value error, ')}".strip()
        return
    if isinstance(content, Speech):
        yield from _misquoted(content, length)


def _misquoted(speech: Speech, length: int | None) -> Iterator[str]:
    """Yield what is wrong with the places of quotes in the text and in the passage."""
    end = 0
    for quote in speech.said.quotes:
        if not end <= quote.start <= quote.end <= len(speech.said.text):
            yield f"the quote at {quote.start} does not lie in the text, after the one before"
        end = quote.end
        for start, stop in quote.spans:
            if not 0 <= start <= stop or (length is not None and stop > length):
                yield f"the quote at {quote.start} has a place outside of the passage"


def _outcome(outcome: dict[str, Any], paths: set[str]) -> Iterator[str]:
    transcript, measures = outcome.get("transcript"), outcome.get("measures")
    groups: list[Any] = transcript if isinstance(transcript, list) else [None]
    if not all(isinstance(group, list) and all(isinstance(each, str) for each in group) for group in groups):
        yield "record.outcome.transcript must be a list of lists of paths"
    else:
        for path in (path for group in groups for path in group if path not in paths):
            yield f'record.outcome.transcript: there is no move "{path}"'
    if not isinstance(measures, dict) or not all(_is_number(value) for value in measures.values()):
        yield "record.outcome.measures must be numbers by name"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
