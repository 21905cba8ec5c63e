"""People's verdicts of Khan et al. 2024, from `data/human_feedback.csv.zip` of their repository.

The columns are those of its `dataset_readme.md`; the file itself was not at hand when this was written.
"""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
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
from app.exchange.damaged import BROKEN_CONTAINER
from app.exchange.quality import check_member
from app.exchange.quote_spans import QuoteSpan
from app.exchange.taskfile import BadInput, Problem, TaskQuestion, open_input, reasons
from app.protocols.imported import ADVISER, SIDES

IN_PAPER = "in_paper"
NEEDED = (
    *(
        "debate_id",
        "judge_id",
        "experiment_name",
        "story_title",
        "question",
        "debate_method",
        "consultant_type",
    ),
    *("interactive_judge", "swap", "confidence_correct", "judgement_time", "explanation", "transcript"),
)
LAST = datetime(2024, 1, 25, tzinfo=UTC)
"""The analysis took judgements up to 24 January."""
MAIN, NAIVE, LOW = "8", "9", "10"
"""The experiments behind the paper's figures: its test set, the judges alone, and the debaters with low ratings."""
_EXPERIMENT = re.compile(r"(?<!\d)(\d+)(_v0)?\s*$")
_BUGGED = ("2", "3", "5_v0")
"""In these, with the answers exchanged, the worst argument was chosen instead of the best."""
_POINTER = b"version https://git-lfs"
_TAG = re.compile(r"<(/?)([vu])_quote>")
_MODEL = "debater model"

ABOUT = ArchiveLine(
    title="Khan et al. 2024, Debating with More Persuasive LLMs Leads to More Truthful Answers: people",
    source="arXiv 2402.06782",
    url="https://github.com/ucl-dark/llm_debate",
    license="MIT",
)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Answers(_Row):
    correct: str
    incorrect: str


class _Round(_Row):
    correct: str | None = None
    incorrect: str | None = None
    judge: str | None = None


class _Talk(_Row):
    answers: _Answers
    rounds: tuple[_Round, ...] = Field(default=())


@dataclass
class _Made:
    """The lines so far, and what they have declared."""

    reader: ArchiveReader
    known: set[tuple[str, str]] = field(default_factory=set)
    questions: dict[str, tuple[str, list[TaskQuestion]]] = field(default_factory=dict)

    def once(self, kind: str, name: str, number: int, line: Line) -> None:
        """Put a line unless it is there."""
        if (kind, name) not in self.known:
            self.known.add((kind, name))
            self.reader.put(number, line)


def read_khan(path: Path) -> Archive:
    """Read the zip or the CSV in it: a trial for each debate, and a verdict for each row.

    The flag `in_paper` marks experiments 8, 9 and 10, judged by 24 January. Rows with the answers exchanged of experiments 2,
    3 and 5_v0, where the worst argument was chosen, are left out and counted.
    """
    reader = ArchiveReader(path.name)
    try:
        rows = list(_rows(_content(path)))
    except BadInput as error:
        reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
        return reader.finish()
    made = _Made(reader)
    reader.put(1, ABOUT)
    reader.put(1, ParticipantLine(name=_MODEL, kind="model"))
    good = [(number, row, talk) for number, row in rows if (talk := _talk(number, row, path.name, reader))]
    if not reader.problems:
        _declare(made, good)
        for number, row, talk in good:
            try:
                _put(made, number, row, talk)
            except ValidationError as error:
                reader.problems += [
                    Problem(line=number, where=path.name, reason=why) for why in reasons(error, VerdictLine)
                ]
            except BadInput as error:
                reader.problems.append(Problem(line=number, where=path.name, reason=str(error)))
    return reader.finish()


def _content(path: Path) -> str:
    with open_input(path) as stream:
        head = stream.read(len(_POINTER))
        if head == _POINTER:
            raise BadInput("this is a pointer of Git LFS and not the file; run `git lfs pull` there")
        stream.seek(0)
        try:
            if head.startswith(b"PK"):
                with zipfile.ZipFile(stream) as archive:
                    names = [
                        name
                        for name in archive.namelist()
                        if name.endswith(".csv") and "__MACOSX" not in name
                    ]
                    if len(names) != 1:
                        raise BadInput("the zip must hold one CSV")
                    check_member(archive.getinfo(names[0]))
                    data = archive.read(names[0])
            else:
                data = stream.read()
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadInput("the file is not UTF-8") from error
        except BROKEN_CONTAINER as error:
            raise BadInput("the zip is truncated or damaged; fetch it again") from error


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    before = csv.field_size_limit(len(text) + 1)
    try:
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = [name for name in NEEDED if name not in (table.fieldnames or [])]
        if missing:
            raise BadInput(f"the column {missing[0]} is missing; is this human_feedback.csv?")
        for row in table:
            if None in row or None in row.values():
                raise BadInput(
                    f"the row that ends in line {table.line_num} has not as many cells as the header"
                )
            yield table.line_num, row
    except csv.Error as error:
        raise BadInput(f"the file breaks off or is damaged ({error})") from error
    finally:
        csv.field_size_limit(before)


def _talk(number: int, row: Mapping[str, str], where: str, reader: ArchiveReader) -> _Talk | None:
    if _experiment(row) in _BUGGED and _is(row["swap"]):
        reader.leave_out("with the worst argument chosen by mistake")
        return None
    try:
        return _Talk.model_validate(orjson.loads(row["transcript"]))
    except orjson.JSONDecodeError as error:
        reader.problems.append(
            Problem(line=number, where=where, reason=f"transcript is not valid JSON: {error.msg}")
        )
    except ValidationError as error:
        found = reasons(error, _Talk)
        reader.problems += [Problem(line=number, where=where, reason=f"transcript: {why}") for why in found]
    return None


def _experiment(row: Mapping[str, str]) -> str:
    found = _EXPERIMENT.search(row["experiment_name"])
    return f"{found[1]}{found[2] or ''}" if found else row["experiment_name"].strip()


def _is(text: str) -> bool:
    return text.strip().lower() in ("true", "1", "t")


def _arm(row: Mapping[str, str]) -> str:
    """Return the arm: the method, whether a judge asked, and the experiment unless it is the main one or the judges alone."""
    method, experiment = row["debate_method"].strip(), _experiment(row)
    if method == "baseline":
        return "alone" if experiment == NAIVE else f"alone-{_slug(experiment)}"
    name = f"{method}-{'interactive' if _is(row['interactive_judge']) else 'static'}"
    return name if experiment == MAIN else f"{name}-{_slug(experiment)}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _key(row: Mapping[str, str], talk: _Talk) -> str:
    parts = (row["story_title"], row["question"], *sorted((talk.answers.correct, talk.answers.incorrect)))
    return f"{_slug(row['story_title'])[:60]}-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:8]}"


def _declare(made: _Made, rows: list[tuple[int, dict[str, str], _Talk]]) -> None:
    """Put the questions of each story, once each."""
    stories: dict[str, dict[str, tuple[int, dict[str, str], _Talk]]] = {}
    for number, row, talk in rows:
        stories.setdefault(row["story_title"], {}).setdefault(_key(row, talk), (number, row, talk))
    for title, asked in stories.items():
        number = next(iter(asked.values()))[0]
        questions = tuple(
            TaskQuestion(
                key=key,
                text=row["question"],
                answers=(talk.answers.correct, talk.answers.incorrect),
                gold=0,
                distractor=1,
            )
            for key, (_, row, talk) in asked.items()
        )
        made.reader.put(number, PassageLine(key=title, title=title, questions=questions))


def _put(made: _Made, number: int, row: Mapping[str, str], talk: _Talk) -> None:
    arm, judge, trial = _arm(row), f"judge {row['judge_id'].strip()}", row["debate_id"].strip()
    made.once("judge", judge, number, ParticipantLine(name=judge, kind="person"))
    speakers = (*SIDES, ADVISER)
    seats = {each.name: _MODEL for each in speakers}
    made.once("arm", arm, number, ArmLine(name=arm, speakers=speakers, seats=seats))
    order = (1, 0) if _is(row["swap"]) else (0, 1)
    asked = _is(row["interactive_judge"])
    key = f"{trial}/{judge}" if asked else trial
    made.once("trial", key, number, _trial(key, arm, row, talk, order, judge if asked else None))
    p = _share(row["confidence_correct"])
    made.reader.put(
        number,
        VerdictLine(
            trial=key,
            judge=judge,
            belief=(p, 1 - p) if order == (0, 1) else (1 - p, p),
            reason=row["explanation"],
            at=_time(row["judgement_time"]),
        ),
    )


def _trial(
    key: str, arm: str, row: Mapping[str, str], talk: _Talk, order: tuple[int, int], judge: str | None
) -> TrialLine:
    kind = row["consultant_type"].strip().lower()
    if kind in ("correct", "incorrect"):
        seats = {kind: ADVISER.name}
        argues = {ADVISER.name: order.index(0 if kind == "correct" else 1)}
    else:
        seats = {"correct": SIDES[order.index(0)].name, "incorrect": SIDES[order.index(1)].name}
        argues = {SIDES[0].name: 0, SIDES[1].name: 1} if talk.rounds else {}
    steps: list[tuple[Turn, ...]] = []
    for each in talk.rounds:
        said = [(seats.get("correct"), each.correct), (seats.get("incorrect"), each.incorrect)]
        turns = tuple(_turn(seat, text) for seat, text in said if seat and text and text.strip())
        steps += [turns] if turns else []
        if each.judge and each.judge.strip() and judge:
            steps.append((Turn(seat="judge", text=each.judge),))
    in_paper = _experiment(row) in (MAIN, NAIVE, LOW) and _time(row["judgement_time"]) < LAST
    return TrialLine(
        key=key,
        arm=arm,
        question=_key(row, talk),
        answers=order,
        argues=argues,
        judge=judge,
        transcript=tuple(steps),
        flags={IN_PAPER: in_paper},
        meta={"experiment": row["experiment_name"]},
    )


def _turn(seat: str, raw: str) -> Turn:
    """Return a speech without its tags. Their harness compared each quote with the story: `v` was found, `u` was not."""
    text, quotes, opened = "", list[QuoteSpan](), None
    at = 0
    for tag in _TAG.finditer(raw):
        text += raw[at : tag.start()]
        at = tag.end()
        if not tag[1]:
            opened = (tag[2], len(text))
        elif opened and opened[0] == tag[2]:
            if text[opened[1] :].strip():
                quotes.append(QuoteSpan(start=opened[1], end=len(text), found=tag[2] == "v"))
            opened = None
    return Turn(seat=seat, text=text + raw[at:], quotes=tuple(quotes))


def _share(text: str) -> float:
    """Return a confidence, which is written as a share or in percent."""
    try:
        found = float(text)
    except ValueError as error:
        raise BadInput(f'confidence_correct is "{text}", which is no number') from error
    return found / 100 if found > 1 else found


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError as error:
        raise BadInput(f'judgement_time is "{text}", which is no time') from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
