"""Archives: files of an experiment with its transcripts, judges and verdicts, as JSON Lines. Nothing here knows the database.

Each line is one thing, named by its `type`, and may name only what lines before it have declared.
"""

import gzip
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeAlias, cast, get_args

from pydantic import AwareDatetime, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from app.exchange.archive_records import (
    CallLine,
    Count,
    EndLine,
    ExperimentRecord,
    JudgingLine,
    Name,
    RoundLine,
    TalkRecord,
    TextLine,
    VerdictRecord,
)
from app.exchange.quote_spans import FoundQuotes, QuoteSpan
from app.exchange.record_checks import RecordChecks, named_in
from app.exchange.taskfile import (
    BadInput,
    Index,
    Key,
    Meta,
    PassageShelf,
    Problem,
    Shape,
    Storable,
    TaskPassage,
    TaskQuestion,
    Text,
    Url,
    json_lines,
    open_input,
    reasons,
)
from app.participants.base import PEOPLE
from app.protocols import PROTOCOLS
from app.protocols.core import JUDGE, BeliefMethod, Protocol
from app.protocols.imported import Imported, Speaker
from app.protocols.quotes import MarkedText

PANEL = "panel"
"""The round of verdicts that name none."""
UNCOUNTED = (
    "The file does not say how many lines it has, so it cannot be known whether it was cut: write "
    '"lines": NUMBER into its archive line.'
)
NO_TEXT = 'No text came with the item "{key}".'
"""Put in place of the passage where the archive has none. No judge is shown it."""
_TOLERANCE = 1e-6

Probability = Annotated[float, Field(strict=True, ge=0, le=1)]
Seconds = Annotated[float, Field(strict=True, ge=0, le=10**7)]


class ArchiveLine(Shape):
    """What the archive holds. At most one, and the first line."""

    type: Literal["archive"] = "archive"
    title: Text
    """Its title, and who made it."""
    source: Text | None = None
    """Where it was published."""
    url: Url | None = None
    """Where the data can be read."""
    license: Text | None = None
    """The licence of the data."""
    lines: Count | None = None
    """Number of lines of the file, this one among them: a file that was cut is then refused."""
    contrasts: tuple[tuple[Name, Name], ...] = ()
    """Pairs of arms that reports compare."""
    experiment: ExperimentRecord | None = None
    """The experiment of another arena that the file holds as a whole."""
    meta: Meta = Field(default_factory=dict)
    """Any other fields to keep."""


class PassageLine(TaskPassage):
    """A passage with its questions, as in a task file, but its text may be left out."""

    type: Literal["passage"] = "passage"
    text: Text = ""
    """The passage. Left out where there is none, or it was not released."""


class ParticipantLine(Shape):
    """A person or a model that judged or spoke."""

    type: Literal["participant"] = "participant"
    name: Key
    """Shown in reports as given here: use pseudonyms for people."""
    kind: Literal["person", "model", "builtin"]
    """What it was."""
    settings: Meta = Field(default_factory=dict)
    """Its settings in the arena that it comes from; a built-in has its `name` there."""
    called: Key | None = None
    """The name under which reports show it, where another participant is shown under the same."""
    person: Key | None = None
    """The first name of the same person, who took part under several."""
    meta: Meta = Field(default_factory=dict)
    """Any other fields to keep, such as the version of a model."""

    @model_validator(mode="after")
    def _builtins_have_names(self) -> "ParticipantLine":
        if self.kind == "builtin" and not isinstance(self.settings.get("name"), str):
            raise ValueError("settings must have the name of the built-in")
        return self


class ArmLine(Shape):
    """A condition of the experiment."""

    type: Literal["arm"] = "arm"
    name: Name
    """Unique within the file."""
    speakers: tuple[Speaker, ...] = ()
    """The seats that spoke beside the judge; none where judges saw question and answers alone."""
    protocol: Text = Imported.name
    """The protocol of an experiment of another arena."""
    settings: Meta = Field(default_factory=dict)
    """The settings of that protocol."""
    prompts: dict[Text, Storable] = Field(default_factory=dict)
    """Its templates by name."""
    seats: dict[str, Key] = Field(default_factory=dict)
    """Who had a seat in every trial, by the name of the seat; turns name the others."""
    meta: Meta = Field(default_factory=dict)
    """Any other fields to keep, such as the rules."""

    @model_validator(mode="after")
    def _seats_are_known(self) -> "ArmLine":
        rights = self.rules.rights()
        for seat in self.seats:
            if seat not in rights:
                raise ValueError(f'there is no speaker "{seat}" in seats')
        return self

    @property
    def rules(self) -> Protocol:
        """Return the protocol with its settings. Raise ValueError where there is none."""
        if self.protocol != Imported.name and self.protocol not in PROTOCOLS:
            raise ValueError(f'there is no protocol "{self.protocol}"')
        try:
            if self.protocol == Imported.name:
                return Imported.model_validate({**self.settings, "speakers": self.speakers})
            return PROTOCOLS[self.protocol].model_validate(self.settings)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(["settings", *map(str, first["loc"])])
            raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from error


class Turn(Shape):
    """What one seat said."""

    seat: Key
    """A speaker of the arm, or `judge`."""
    by: Key | None = None
    """Who spoke. Left out where the arm's `seats` say it, and for the trial's judge."""
    text: Text
    """The words. Without `quotes`, what is between `<quote>` and `</quote>` is looked for in the passage."""
    quotes: tuple[QuoteSpan, ...] | None = None
    """Quotes in the text, in order. The text then has no tags."""
    at: AwareDatetime | None = None
    """When it was said."""


class TrialLine(Shape):
    """One finished talk on one question."""

    type: Literal["trial"] = "trial"
    key: Key = Field(alias="id")
    """Unique within the file."""
    arm: Key
    """Name of an arm."""
    question: Key
    """Id of a question."""
    answers: tuple[Index, ...] | None = None
    """Places in the question's answers, in the order of this trial, gold among them; all in order where left out."""
    argues: dict[str, Index] = Field(default_factory=dict)
    """Who argued for what: seat to place in the order of this trial."""
    judge: Key | None = None
    """The participant who took part in the talk as its judge; None where judges read it afterwards."""
    transcript: tuple[tuple[Turn, ...], ...] = ()
    """What judges read, in order. The turns of an inner list were made at once."""
    flags: dict[Key, bool] = Field(default_factory=dict)
    """Marks by which trials can be chosen (`--where FLAG`)."""
    measures: dict[Key, float] = Field(default_factory=dict)
    """Figures of the talk, such as `rounds`; `penalty` is what its turns cost the judge, in bits."""
    at: AwareDatetime | None = None
    """When it ended."""
    record: TalkRecord | None = None
    """What else is recorded of it in the arena that it comes from; its moves stand there instead of `transcript`."""
    meta: Meta = Field(default_factory=dict)
    """Any other fields to keep."""


class VerdictLine(Shape):
    """What one judge came to believe of one trial, in one reading order."""

    type: Literal["verdict"] = "verdict"
    trial: Key
    """Id of a trial."""
    judge: Key
    """Name of a participant."""
    belief: tuple[Probability, ...]
    """Final probability of each answer, in the trial's order; they sum to 1."""
    beliefs: tuple[tuple[Probability, ...], ...] = ()
    """Beliefs on the way, oldest first, the final one among them as the last. Left out where only that is known."""
    order: tuple[Index, ...] | None = None
    """Places in the trial's answers as the judge read them; the trial's own order where left out."""
    round: Name | None = None
    """A name under which verdicts are reported apart from the others and not counted with them, such as `offline`."""
    method: BeliefMethod = "stated"
    """How the belief was read; `votes` for a bare choice."""
    reason: Storable = ""
    """The reason given."""
    seconds: Seconds | None = None
    """How long the judge took."""
    knows_story: bool = False
    """Whether the judge said that they know the text: then reports leave the verdict out."""
    at: AwareDatetime | None = None
    """When it was given."""
    record: VerdictRecord | None = None
    """What else is recorded of it in the arena that it comes from."""


ArchivedLine: TypeAlias = ArchiveLine | PassageLine | ParticipantLine | ArmLine | TrialLine | VerdictLine
Line: TypeAlias = ArchivedLine | RoundLine | JudgingLine | TextLine | CallLine | EndLine
LINES: Mapping[str, type[Line]] = {shape.model_fields["type"].default: shape for shape in get_args(Line)}


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive as it was read: its sound lines, checked against each other, and the problems of the others."""

    about: ArchiveLine
    passages: tuple[TaskPassage, ...]
    participants: tuple[ParticipantLine, ...]
    arms: tuple[ArmLine, ...]
    trials: tuple[TrialLine, ...]
    verdicts: tuple[VerdictLine, ...]
    said: Mapping[tuple[str, int, str], MarkedText]
    """The words of each turn of a speaker with their quotes, by trial, place of the step, and seat."""
    problems: tuple[Problem, ...] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)
    """Trials left out on purpose: their number by reason."""
    rounds: tuple[RoundLine, ...] = ()
    judgings: tuple[JudgingLine, ...] = ()
    texts: tuple[TextLine, ...] = ()
    calls: tuple[CallLine, ...] = ()
    counted: bool = True
    """Whether the file says how many lines it has, so that one that was cut would have been refused; true of other formats."""

    def where(self, flags: Sequence[str]) -> "Archive":
        """Return the archive with the trials that have all these flags, and their verdicts. Raise BadInput for an unknown flag."""
        known = sorted({flag for trial in self.trials for flag in trial.flags})
        for flag in flags:
            if flag not in known:
                there = f"there are {', '.join(known)}" if known else "there is none"
                raise BadInput(f'no trial has the flag "{flag}" ({there})')
        kept = tuple(trial for trial in self.trials if all(trial.flags.get(flag) for flag in flags))
        keys = {trial.key for trial in kept}
        left_out = len(self.trials) - len(kept)
        reason = f"trials without {' and '.join(flags)}"
        return replace(
            self,
            trials=kept,
            verdicts=tuple(verdict for verdict in self.verdicts if verdict.trial in keys),
            filtered={**self.filtered, **({reason: left_out} if left_out else {})},
        )


def read_archive(path: Path) -> Archive:
    """Read a file in the arena's format for archives, described in docs/formats/archives.md. Nothing is raised."""
    reader, last = ArchiveReader(path.name), 0
    try:
        with open_input(path) as stream:
            for number, value in json_lines(_unpacked(stream), path.name, reader.problems):
                reader.read(number, value)
                last = number
    except BadInput as error:
        reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        broken = "the compressed file breaks off or is damaged after this line; fetch or write it again"
        reader.problems.append(Problem(line=last or None, where=path.name, reason=broken))
    return replace(reader.finish(), counted=reader.counted)


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    """Return a stream of the lines, of which a file may hold the gzip."""
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if packed else stream


class ArchiveReader:
    """Takes the lines of an archive, in order, and checks each against those before it."""

    def __init__(self, where: str) -> None:
        self.problems: list[Problem] = []
        self.filtered: dict[str, int] = {}
        self._where = where
        self._shelf = PassageShelf(where)
        self._about: ArchiveLine | None = None
        self._textless: set[str] = set()
        self._questions: dict[str, tuple[TaskQuestion, str]] = {}
        self._texts: dict[str, FoundQuotes] = {}
        self._lengths: dict[str, int] = {}
        self._participants: dict[str, tuple[ParticipantLine, int]] = {}
        self._arms: dict[str, tuple[ArmLine, int]] = {}
        self._trials: dict[str, tuple[TrialLine, int]] = {}
        self._verdicts: dict[tuple[Any, ...], tuple[VerdictLine, int]] = {}
        self._said: dict[tuple[str, int, str], MarkedText] = {}
        self._records = RecordChecks()
        self._bad: set[tuple[str, str]] = set()
        """Names of lines with a problem, by type: what names them has no other problem."""
        self._lines = 0
        self._ended = False

    def read(self, number: int, value: dict[str, JsonValue]) -> None:
        """Take a line of a file."""
        kind = value.get("type")
        shape = LINES.get(kind) if isinstance(kind, str) else None
        if shape is None:
            said = "is missing" if "type" not in value else f"is {json.dumps(kind)}"
            self._problem(number, [f"type {said}: it must be one of {', '.join(LINES)}"])
            return
        try:
            line = shape.model_validate(value, by_name=False)
        except ValidationError as error:
            named = value.get("name", value.get("id"))
            self._bad.add((str(kind), str(named)))
            if kind == "passage":
                self._bad |= {("question", str(key)) for key in _question_ids(value)}
            self._problem(number, _clauses(error, shape))
        else:
            self.put(number, line)

    def put(self, number: int, line: Line, where: str | None = None) -> None:
        """Take a line that has its shape; `where` is the file that it comes from, if that is another one."""
        self._lines += 1
        found = [*self._after_the_end(), *self._take(number, line)]
        if found and isinstance(line, ParticipantLine | ArmLine | RoundLine):
            self._bad.add((line.type, line.name))
        if found and isinstance(line, PassageLine | TrialLine):
            self._bad.add((line.type, line.key))
        self._problem(number, found, where)

    def finish(self) -> Archive:
        """Return what was read."""
        passages, unlike = self._shelf.paired()
        arms = {name: line for name, (line, _) in self._arms.items()}
        if not self._is_cut():
            self.problems += unlike
            self._check_whole(arms)
        return Archive(
            self._about or ArchiveLine(title=self._where),
            tuple(_with_text(passage) for passage in passages),
            tuple(line for line, _ in self._participants.values()),
            tuple(arms.values()),
            tuple(line for line, _ in self._trials.values()),
            tuple(line for line, _ in self._verdicts.values()),
            self._said,
            tuple(self.problems),
            self.filtered,
            tuple(self._records.rounds.values()),
            tuple(self._records.judgings.values()),
            tuple(self._records.texts.values()),
            tuple(self._records.calls),
        )

    def _is_cut(self) -> bool:
        """Return whether the file has fewer lines than it says, which is then the only problem of one without others."""
        wanted = self._about.lines if self._about else None
        if wanted is None or wanted == self._lines or self.problems:
            return False
        if self._lines > wanted:
            self._problem(1, [f"lines is {wanted:,}, and the file has {self._lines:,}: correct the number"])
            return False
        broken = f"the file breaks off after this line: it says that it has {wanted:,} lines, and has {self._lines:,}"
        self._problem(self._lines, [f"{broken}; fetch or write it again"])
        return True

    def _check_whole(self, arms: Mapping[str, ArmLine]) -> None:
        """Name what is missing in the file as a whole."""
        if not self._lines and not self.problems:
            self._problem(None, ["the file holds no line"])
        for first, second in self._about.contrasts if self._about else ():
            for name in (first, second):
                if name not in arms:
                    self._problem(1, [f'contrasts: there is no arm "{name}" in the file'])
        whole = self._about is not None and self._about.experiment is not None
        if whole and not self._ended and not self.problems:
            self._problem(self._lines, ["the file breaks off after this line: fetch or export it again"])
        if not self._trials and not self.problems:
            self._problem(None, ["the file holds no trial"])

    @property
    def counted(self) -> bool:
        """Return whether the lines say how many they are."""
        return self._ended or (self._about is not None and self._about.lines is not None)

    def leave_out(self, reason: str) -> None:
        """Count a trial that is left out on purpose."""
        self.filtered[reason] = self.filtered.get(reason, 0) + 1

    def _problem(self, number: int | None, found: Iterable[str], where: str | None = None) -> None:
        # A member of an archive has no lines: the number is that of a record, which no user sees.
        line = None if where else number
        self.problems += [Problem(line=line, where=where or self._where, reason=reason) for reason in found]

    def _take(self, number: int, line: Line) -> Iterable[str]:
        match line:
            case ArchiveLine():
                return self._archive(line)
            case PassageLine():
                return self._passage(number, line)
            case ParticipantLine():
                return self._participant(number, line)
            case ArmLine():
                return self._arm(number, line)
            case TrialLine():
                return self._trial(number, line)
            case VerdictLine():
                return self._verdict(number, line)
            case RoundLine():
                return self._records.round(line)
            case JudgingLine():
                return self._judging(line)
            case TextLine():
                return self._records.text(line)
            case CallLine():
                return self._records.call(line)
            case EndLine():
                return self._end(line)

    def _after_the_end(self) -> list[str]:
        return ["the line comes after the end of the file"] if self._ended else []

    def _end(self, line: EndLine) -> list[str]:
        self._ended = True
        before = self._lines - 1
        if line.lines == before or self.problems:
            return []
        return [
            f"{before} lines come before the end, and {line.lines} were written: fetch or export it again"
        ]

    def _archive(self, line: ArchiveLine) -> list[str]:
        if self._lines > 1:
            return ["an archive line must be the first line, and the only one"]
        self._about = line
        return []

    def _passage(self, number: int, line: PassageLine) -> list[str]:
        fields = {name: getattr(line, name) for name in TaskPassage.model_fields}
        found = self._shelf.put(number, TaskPassage.model_construct(**fields))
        if not found:
            self._questions |= {question.key: (question, line.key) for question in line.questions}
            if line.text:
                self._texts[line.key] = FoundQuotes(line.text)
                self._lengths[line.key] = len(line.text)
        else:
            self._bad |= {("question", question.key) for question in line.questions}
        return found

    def _participant(self, number: int, line: ParticipantLine) -> list[str]:
        if line.name in self._participants:
            there = self._participants[line.name][1]
            return [
                f'the participant "{line.name}" is already declared in line {there}: declare each judge and speaker once'
            ]
        if line.name == PEOPLE:
            return [f'"{PEOPLE}" is the name for all people together: choose another name']
        self._participants[line.name] = line, number
        return []

    def _arm(self, number: int, line: ArmLine) -> list[str]:
        if line.name in self._arms:
            return [f'the arm "{line.name}" is already declared in line {self._arms[line.name][1]}']
        found = [*self._unknown("participant", line.seats.values(), self._participants)]
        if not found:
            self._arms[line.name] = line, number
        return found

    def _unknown(self, noun: str, names: Iterable[str], known: Mapping[str, Any]) -> Iterable[str]:
        """Yield a clause for each name that no line has declared; an empty one where that line has a problem itself."""
        for name in dict.fromkeys(names):
            if name not in known:
                yield "" if (noun, name) in self._bad else f'there is no {noun} "{name}" in the lines before'

    def _trial(self, number: int, line: TrialLine) -> list[str]:
        if line.key in self._trials:
            return [f'the trial "{line.key}" is already that of line {self._trials[line.key][1]}']
        people = [
            name for name in (line.judge, *(turn.by for step in line.transcript for turn in step)) if name
        ]
        found = [
            *self._unknown("arm", [line.arm], self._arms),
            *self._unknown("question", [line.question], self._questions),
            *self._unknown("participant", people, self._participants),
        ]
        if found:
            self._bad.add(("trial", line.key))
            return [reason for reason in found if reason]
        arm, (question, passage) = self._arms[line.arm][0], self._questions[line.question]
        found = [*_misplaced(line, question, arm), *self._mark(line, arm, passage)]
        if line.record is not None:
            found += self._unknown("participant", named_in(line.record), self._participants)
            found += self._records.talk(line, line.record, set(arm.rules.rights()), self._length(passage))
        if not found:
            self._trials[line.key] = line, number
        return [reason for reason in found if reason]

    def _length(self, passage: str) -> int | None:
        """Return the length of a passage; None where it has no text."""
        return self._lengths.get(passage)

    def _judging(self, line: JudgingLine) -> list[str]:
        people = [*named_in(line), *([line.judge] if line.judge else [])]
        found = [
            *self._unknown("trial", [line.trial], self._trials),
            *self._unknown("round", [line.round], self._records.rounds),
            *self._unknown("participant", people, self._participants),
        ]
        if not found:
            trial = self._trials[line.trial][0]
            count = len(order_of(trial, self._questions[trial.question][0]))
            found = [*self._records.judging(line, trial, count)]
        return [reason for reason in found if reason]

    def _mark(self, line: TrialLine, arm: ArmLine, passage: str) -> list[str]:
        """Find the quotes of every turn; return what is wrong with its turns."""
        found = []
        quotes = self._texts.get(passage, FoundQuotes(None)).anew()
        for at, step in enumerate(line.transcript):
            seats = [turn.seat for turn in step]
            for place, turn in enumerate(step):
                where = f"transcript[{at}][{place}]"
                if seats.count(turn.seat) > 1:
                    found.append(
                        f'{where}: "{turn.seat}" speaks twice in one step: give each turn its own step'
                    )
                elif speaker_of(turn, line, arm) is None:
                    found.append(
                        f'{where}: it is not said who spoke: write "by", or name the seat in the arm'
                    )
                elif turn.seat != JUDGE.name:
                    try:
                        self._said[line.key, at, turn.seat] = quotes.marked(turn.seat, turn.text, turn.quotes)
                    except BadInput as error:
                        found.append(f"{where}.{error}")
        return found

    def _verdict(self, number: int, line: VerdictLine) -> list[str]:
        found = [
            *self._unknown("trial", [line.trial], {**self._trials}),
            *self._unknown("participant", [line.judge], self._participants),
        ]
        if found:
            return [reason for reason in found if reason]
        trial = self._trials[line.trial][0]
        answers = len(order_of(trial, self._questions[trial.question][0]))
        order = line.order or tuple(range(answers))
        found = [*_unfit(line, order, answers)]
        if line.judge == trial.judge and line.round:
            found.append("round: the judge who took part in the talk has one verdict, in no other round")
        # The judge who took part has one verdict on it; others have one in each order, or in each recorded reading.
        key: tuple[Any, ...] = (
            line.trial,
            line.judge,
            None if line.judge == trial.judge else (line.round, order),
        )
        if line.record is not None:
            found += self._records.verdict(line, line.record, trial)
            key = (line.trial, line.judge, line.record.judging, line.record.reading)
        if key in self._verdicts:
            found.append(
                f'the judge "{line.judge}" already has a verdict on the trial "{line.trial}" in this order, in line {self._verdicts[key][1]}'
            )
        if not found:
            self._verdicts[key] = line, number
        return found


def speaker_of(turn: Turn, trial: TrialLine, arm: ArmLine) -> str | None:
    """Return who said a turn; None where the file does not tell."""
    of_seat = trial.judge if turn.seat == JUDGE.name else None
    return turn.by or of_seat or arm.seats.get(turn.seat)


def order_of(trial: TrialLine, question: TaskQuestion) -> tuple[int, ...]:
    """Return the places of the trial's answers in those of its question."""
    return tuple(range(len(question.answers))) if trial.answers is None else trial.answers


def _misplaced(line: TrialLine, question: TaskQuestion, arm: ArmLine) -> Iterable[str]:
    """Yield what does not fit its question or its arm."""
    answers, count = order_of(line, question), len(question.answers)
    if len(set(answers)) < len(answers) or not all(place < count for place in answers) or len(answers) < 2:
        yield f"answers must be two or more different places from 0 to {count - 1}"
    elif len(answers) > Imported.max_answers:
        yield f"answers has {len(answers)} places, and {Imported.max_answers} can be lettered"
    elif question.gold not in answers:
        yield f"answers must have the gold answer of the question, {question.gold}"
    seats = {speaker.name for speaker in arm.speakers}
    if arm.protocol != Imported.name:
        seats = set(arm.rules.rights())
        if line.record is None:
            yield f'the arm "{arm.name}" is of the protocol {arm.protocol}: record is missing'
    for seat, side in line.argues.items():
        if seat not in seats:
            yield f'argues: the arm "{arm.name}" has no speaker "{seat}"'
        elif side >= len(answers):
            yield f"argues.{seat} is {side}, but the trial's {len(answers)} answers are counted from 0"
    for at, step in enumerate(line.transcript):
        for place, turn in enumerate(step):
            if turn.seat not in {*seats, JUDGE.name}:
                yield f'transcript[{at}][{place}]: the arm "{arm.name}" has no speaker "{turn.seat}"'
        if not step:
            yield f"transcript[{at}] is empty"


def _unfit(line: VerdictLine, order: tuple[int, ...], answers: int) -> Iterable[str]:
    """Yield why the beliefs of a verdict cannot be those over the trial's answers."""
    if sorted(order) != list(range(answers)):
        yield f"order must name each of the trial's {answers} answers once, counted from 0"
    named = [("belief", line.belief), *((f"beliefs[{at}]", each) for at, each in enumerate(line.beliefs))]
    for name, belief in named:
        if len(belief) != answers:
            yield f"{name} has {len(belief)} probabilities, but the trial has {answers} answers"
        elif abs(math.fsum(belief) - 1) > _TOLERANCE:
            yield f"{name} sums to {math.fsum(belief):g}, not to 1"
    if line.beliefs and line.beliefs[-1] != line.belief:
        yield "the last of beliefs must be belief itself"


def _with_text(passage: TaskPassage) -> TaskPassage:
    return passage if passage.text else passage.model_copy(update={"text": NO_TEXT.format(key=passage.key)})


def _question_ids(value: Mapping[str, JsonValue]) -> list[JsonValue]:
    asked = value.get("questions")
    return [item.get("id") for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []


def _clauses(error: ValidationError, shape: type[Line]) -> list[str]:
    return [reason.replace("Value error, ", "") for reason in reasons(error, shape)]


def schema() -> dict[str, JsonValue]:
    """Return the JSON Schema (draft 2020-12) of one line of an archive's file."""
    line: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])
    made = line.json_schema(by_alias=True)
    for shape in made["$defs"].values():
        if "type" in shape.get("properties", {}):
            shape["required"] = ["type", *shape.get("required", [])]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def schema_text() -> str:
    """Return the schema as in docs/formats/archives.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")


def unusable(problem: Problem) -> Archive:
    """Return the archive of a file of which nothing can be used."""
    reader = ArchiveReader(problem.where)
    reader.problems.append(problem)
    return reader.finish()
