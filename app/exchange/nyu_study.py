"""Talks, beliefs and verdicts of the NYU human debates (Michael et al. 2023), from their files."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.exchange.archive import (
    Archive,
    ArchiveLine,
    ArchiveReader,
    ArmLine,
    Line,
    ParticipantLine,
    PassageLine,
    TrialLine,
    Turn,
    VerdictLine,
)
from app.exchange.nyu_debates import METADATA, RECORD, detokenise, files_of, one_line, read_nyu_debates
from app.exchange.quote_spans import QuoteSpan
from app.exchange.taskfile import (
    BadInput,
    Problem,
    TaskFile,
    TaskPassage,
    TaskQuestion,
    json_lines,
    json_object,
    reasons,
)
from app.protocols.imported import ADVISER, SIDES
from app.protocols.quotes import Span

IN_PAPER = "included_in_paper"
OFFLINE = "offline"
"""The round of judges who read a finished talk. They are not in the paper's table."""
ARMS = {
    (True, True): "human-debate",
    (True, False): "human-consultancy",
    (False, True): "ai-debate",
    (False, False): "ai-consultancy",
}
"""By whether people spoke, and whether both sides did."""
_JUDGE = "Judge"


class _Part(BaseModel):
    """A part of a record. Fields not named here, such as identity guesses, are never read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Words(_Part):
    text: str


class _Quote(_Part):
    span: tuple[int, int]
    """The first token of the story, and the one after the last."""


class _Piece(_Part):
    text: _Words | None = Field(None, alias="Text")
    quote: _Quote | None = Field(None, alias="Quote")


class _Speech(_Part):
    speaker: str
    timestamp: int
    content: tuple[_Piece, ...]


class _Speeches(_Part):
    speeches: dict[Literal["0", "1"], _Speech]
    """By the place of the answer that is argued for."""


class _Feedback(_Part):
    distribution: tuple[float, ...]
    feedback: _Speech
    ends: bool = Field(alias="endDebate")


class _Offline(_Part):
    start: int | None = Field(None, alias="startTimeMillis")
    judgments: tuple[_Feedback, ...]


class _OfflineRound(_Part):
    judgments: dict[str, _Offline]


class _Round(_Part):
    feedback: _Feedback | None = Field(None, alias="JudgeFeedback")
    at_once: _Speeches | None = Field(None, alias="SimultaneousSpeeches")
    in_turn: _Speeches | None = Field(None, alias="SequentialSpeeches")
    offline: _OfflineRound | None = Field(None, alias="OfflineJudgments")


class _Story(_Part):
    contents: tuple[str, ...]


class _Source(_Part):
    story: _Story | None = Field(None, alias="QuALITYSourceMaterial")


class _Penalty(_Part):
    penalty: float | None = Field(None, alias="perTurnPenalty")


class _Scoring(_Part):
    log: _Penalty = Field(_Penalty(), alias="LogScoreWithLinearPenalty")


class _Rules(_Part):
    scoring: _Scoring = Field(_Scoring(), alias="scoringFunction")


class _Setup(_Part):
    rules: _Rules
    source: _Source = Field(alias="sourceMaterial")
    answers: tuple[str, ...]
    roles: dict[str, str]


class _Record(_Part):
    setup: _Setup
    rounds: tuple[_Round, ...]


class _Setting(_Part):
    human: bool = Field(alias="isHuman")
    debate: bool = Field(alias="isDebate")


class _Result(_Part):
    timestamp: int


class _Complete(_Part):
    result: _Result


class _Status(_Part):
    complete: _Complete | None = Field(None, alias="Complete")


class _Entry(_Part):
    name: str
    setting: _Setting
    status: _Status
    in_paper: bool = Field(alias="includedInPaper")

    @property
    def ended(self) -> datetime | None:
        """Return when it ended; None where it did not."""
        complete = self.status.complete
        return None if complete is None else _time(complete.result.timestamp)


ABOUT = ArchiveLine(
    title="NYU human debates: Michael et al. 2023, Debate Helps Supervise Unreliable Experts",
    source="arXiv 2311.08702",
    url="https://github.com/julianmichael/debate",
    license="CC BY 4.0",
    contrasts=(("human-debate", "human-consultancy"), ("ai-debate", "ai-consultancy")),
)


def read_nyu_study(path: Path) -> Archive:
    """Read the distributed .tar.gz, or a directory with the same tree, as an archive with four arms.

    Finished records alone are trials. The judge's belief at every turn is the path of its verdict; its last remark is the
    verdict's reason, and no part of the transcript. Judges who read a finished talk are in the round `offline`.
    """
    tasks = read_nyu_debates(path)
    made = _Made(ArchiveReader(path.name), tasks)
    try:
        entries, records = _read(path, made.reader)
    except BadInput as error:
        made.reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
        return made.reader.finish()
    made.declare(entries, records)
    for name in sorted(records):
        if name in entries and name in made.questions:
            made.add(entries[name], records[name])
    return made.reader.finish()


def _read(path: Path, reader: ArchiveReader) -> tuple[dict[str, _Entry], dict[str, _Record]]:
    entries: dict[str, _Entry] = {}
    records: dict[str, _Record] = {}
    for name, data in files_of(path):
        if PurePosixPath(name).name == METADATA:
            for number, value in json_lines(io.BytesIO(data), name, reader.problems):
                if entry := _valid(_Entry, value, name, number, reader):
                    entries[entry.name] = entry
        elif found := RECORD.search(name):
            try:
                value = json_object(data)
            except BadInput as error:
                reader.problems.append(Problem(line=None, where=name, reason=str(error)))
                continue
            if record := _valid(_Record, value, name, None, reader):
                records[found[1]] = record
    return entries, records


def _valid(shape: Any, value: Any, where: str, line: int | None, reader: ArchiveReader) -> Any:
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        reader.problems += [
            Problem(line=line, where=where, reason=reason) for reason in reasons(error, shape)
        ]
        return None


@dataclass
class _Made:
    """The lines of the archive, as they are made of records."""

    reader: ArchiveReader
    tasks: TaskFile
    questions: dict[str, tuple[TaskQuestion, TaskPassage]] = field(default_factory=dict)
    """By the name of a record."""
    stories: dict[tuple[str, ...], tuple[str, list[Span]]] = field(default_factory=dict)

    def declare(self, entries: Mapping[str, _Entry], records: Mapping[str, _Record]) -> None:
        """Put what trials name: passages, participants, arms."""
        known = set(map(str, self.reader.problems))
        self.reader.problems += [each for each in self.tasks.problems if str(each) not in known]
        lines: list[Any] = [ABOUT]
        for passage in self.tasks.passages:
            fields = {name: getattr(passage, name) for name in TaskPassage.model_fields}
            lines.append(PassageLine.model_construct(type="passage", **fields))
            for question in passage.questions:
                self.questions |= dict.fromkeys(_names(question), (question, passage))
        lines += [
            ParticipantLine(name=name, kind=kind)
            for name, kind in sorted(_participants(entries, records).items())
        ]
        for (human, debate), arm in ARMS.items():
            who = "people" if human else "a model"
            rules = f"the {'debaters are' if debate else 'consultant is'} {who}; a person judges, and ends the talk"
            lines.append(ArmLine(name=arm, speakers=SIDES if debate else (ADVISER,), meta={"rules": rules}))
        for number, line in enumerate(lines, 1):
            self.reader.put(number, line)

    def add(self, entry: _Entry, record: _Record) -> None:
        """Put a trial and its verdicts."""
        if entry.ended is None:
            self.reader.leave_out("not finished")
            return
        where = f"{entry.name}.json"
        try:
            trial = self._trial(entry, record, entry.ended)
            lines: list[Line] = [trial, *_verdicts(entry.name, record, trial.judge, self.reader)]
            for number, line in enumerate(lines, 1):
                self.reader.put(number, line, where)
        except ValidationError as error:
            self.reader.problems += [
                Problem(line=None, where=where, reason=reason) for reason in reasons(error, TrialLine)
            ]
        except BadInput as error:
            self.reader.problems.append(Problem(line=None, where=where, reason=str(error)))

    def _trial(self, entry: _Entry, record: _Record, ended: datetime) -> TrialLine:
        question, _ = self.questions[entry.name]
        setup, debate = record.setup, entry.setting.debate
        seats = {place: (SIDES[place] if debate else ADVISER).name for place in range(2)}
        speaking = [place for place in range(2) if f"Debater {'AB'[place]}" in setup.roles]
        feedback = [each.feedback for each in record.rounds if each.feedback]
        rounds = max(len(feedback) - 1, 0)
        penalty = setup.rules.scoring.log.penalty
        judge = setup.roles.get(_JUDGE)
        measures = {"rounds": rounds, **({"penalty": penalty * rounds} if penalty is not None else {})}
        return TrialLine(
            key=entry.name,
            arm=ARMS[entry.setting.human, debate],
            question=question.key,
            answers=tuple(question.answers.index(one_line(answer)) for answer in setup.answers),
            argues={seats[place]: place for place in speaking},
            judge=judge,
            transcript=tuple(self._steps(record, entry.name, seats, judge)),
            flags={IN_PAPER: entry.in_paper},
            measures=measures if judge else {},
            at=ended,
        )

    def _steps(
        self, record: _Record, name: str, seats: Mapping[int, str], judge: str | None
    ) -> Iterator[tuple[Turn, ...]]:
        """Yield what judges of the finished talk read: all but the last remark of the judge who ended it."""
        quoting = self._quoting(record, name)
        last = max((at for at, each in enumerate(record.rounds) if each.feedback), default=None)
        for at, each in enumerate(record.rounds):
            if each.feedback and at != last:
                words = _words(each.feedback.feedback)
                if words and judge:
                    yield (
                        Turn(seat="judge", by=judge, text=words, at=_time(each.feedback.feedback.timestamp)),
                    )
            for speeches, together in ((each.at_once, True), (each.in_turn, False)):
                if speeches:
                    turns = _turns(speeches, seats, quoting)
                    yield from ([turns] if turns and together else [(turn,) for turn in turns])

    def _quoting(self, record: _Record, name: str) -> "_Quoting":
        """Return the story of a record. One in another tokenisation than that which was imported has other places."""
        source = record.setup.source.story
        contents = source.contents if source else ()
        if contents not in self.stories:
            self.stories[contents] = detokenise(contents)
        text, places = self.stories[contents]
        return _Quoting(text, places, same=text == self.questions[name][1].text)


@dataclass(frozen=True, slots=True)
class _Quoting:
    """A story, with the place of each of its tokens."""

    text: str
    places: Sequence[Span]
    same: bool
    """Whether it is the text that was imported. The words of quotes are looked for where it is not."""

    def quoted(self, first: int, end: int) -> tuple[str, tuple[Span, ...]]:
        """Return the words of a span of tokens, and their place in the passage, if that is known. Raise BadInput."""
        # One record names tokens beyond the end of its story.
        end = min(end, len(self.places))
        if not 0 <= first < end:
            raise BadInput(f"a quote has the tokens {first} to {end}, and the story has {len(self.places)}")
        start, stop = self.places[first][0], self.places[end - 1][1]
        words = self.text[start:stop].strip()
        start += len(self.text[start:stop]) - len(self.text[start:stop].lstrip())
        return words, ((start, start + len(words)),) if self.same and words else ()


def _turns(speeches: _Speeches, seats: Mapping[int, str], quoting: _Quoting) -> tuple[Turn, ...]:
    turns = []
    for place, speech in sorted(speeches.speeches.items()):
        text, quotes = _text(speech, quoting)
        if text.strip():
            at = _time(speech.timestamp)
            turns.append(Turn(seat=seats[int(place)], by=speech.speaker, text=text, quotes=quotes, at=at))
    return tuple(turns)


def _text(speech: _Speech, quoting: _Quoting) -> tuple[str, tuple[QuoteSpan, ...]]:
    """Return the words of a speech and its quotes. A space parts a quote from the words around it."""
    text, quotes = "", list[QuoteSpan]()
    for piece in speech.content:
        if piece.text is not None:
            words = piece.text.text
            text += (" " if quotes and quotes[-1].end == len(text) and words[:1].isalnum() else "") + words
        elif piece.quote is not None:
            words, place = quoting.quoted(*piece.quote.span)
            if words:
                text += " " if text and not text[-1].isspace() and text[-1] not in "(\"'[" else ""
                quotes.append(QuoteSpan(start=len(text), end=len(text) + len(words), passage=place))
                text += words
    return text, tuple(quotes)


def _names(question: TaskQuestion) -> list[str]:
    """Return the records on a question."""
    names = question.meta["records"]
    assert isinstance(names, list)
    return [str(name) for name in names]


def _participants(entries: Mapping[str, _Entry], records: Mapping[str, _Record]) -> dict[str, str]:
    """Return the kind of each participant: models speak where people do not."""
    found: dict[str, str] = {}
    for name, record in records.items():
        if name not in entries:
            continue
        for role, who in record.setup.roles.items():
            model = role != _JUDGE and not entries[name].setting.human
            found[who] = "model" if model else "person"
        for each in record.rounds:
            # Some who spoke or judged have no role in the record.
            others = [*(each.offline.judgments if each.offline else ())]
            others += [
                speech.speaker
                for some in (each.at_once, each.in_turn)
                if some
                for speech in some.speeches.values()
            ]
            found = dict.fromkeys(others, "person") | found
    return found


def _verdicts(name: str, record: _Record, judge: str | None, reader: ArchiveReader) -> Iterator[VerdictLine]:
    live = [each.feedback for each in record.rounds if each.feedback]
    if judge and live:
        yield _verdict(name, judge, live, None, None)
    for each in record.rounds:
        for who, given in (each.offline.judgments if each.offline else {}).items():
            if given.judgments and given.judgments[-1].ends:
                yield _verdict(name, who, given.judgments, OFFLINE, given.start)
            else:
                reader.leave_out("offline judgments that were not finished")


def _verdict(
    name: str, judge: str, given: Sequence[_Feedback], round_name: str | None, start: int | None
) -> VerdictLine:
    last = given[-1]
    return VerdictLine(
        trial=name,
        judge=judge,
        belief=last.distribution,
        beliefs=tuple(each.distribution for each in given),
        round=round_name,
        reason=_words(last.feedback),
        seconds=None if start is None else max(0, last.feedback.timestamp - start) / 1000,
        at=_time(last.feedback.timestamp),
    )


def _words(speech: _Speech) -> str:
    """Return the text of a remark; judges quote nothing."""
    return " ".join(piece.text.text for piece in speech.content if piece.text).strip()


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
