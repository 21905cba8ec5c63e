"""Studies in which judges state a credence after each section of a debate: a table with a row for each judge and section."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from app.exchange.archive import (
    Archive,
    ArchiveReader,
    ArmLine,
    Line,
    ParticipantLine,
    PassageLine,
    TrialLine,
    Turn,
    VerdictLine,
)
from app.exchange.taskfile import BadInput, Problem, TaskQuestion, open_input, reasons
from app.protocols.imported import SIDES, Speaker

NEEDED = ("trial", "judge", "section", "credence")
OPTIONAL = (
    *("arm", "passage", "question", "answer_a", "answer_b", "gold", "kind", "round", "reason", "seconds"),
    *("knows_story", "side", "text"),
)
COLUMNS = (*NEEDED, *OPTIONAL)
_NARRATOR = Speaker(name="speaker", title="Section")
_SEATS = {"a": SIDES[0].name, "b": SIDES[1].name, "": _NARRATOR.name}
_NUMBER = re.compile(r"^\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*$")
_YES = {"1", "true", "yes"}


@dataclass
class _Trial:
    """The rows of a trial."""

    line: int
    first: Mapping[str, str]
    """The first row, whose question, answers, gold, arm and passage count."""
    texts: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    """By section, who spoke and what was said."""
    judges: dict[str, list[tuple[int, int, float, Mapping[str, str]]]] = field(default_factory=dict)
    """By judge: line, section, credence in answer A, and the row."""


def read_credences(path: Path) -> Archive:
    """Read a CSV with the columns of docs/formats/credences.md. Section 0 is before the first; the last one is the verdict.

    Rows with a `text` and no judge hold what a section said.
    """
    reader = ArchiveReader(path.name)
    trials: dict[str, _Trial] = {}
    try:
        with open_input(path) as stream:
            text = stream.read().decode("utf-8-sig")
        for number, row in _rows(text):
            try:
                _take(trials, number, row)
            except BadInput as error:
                reader.problems.append(Problem(line=number, where=path.name, reason=str(error)))
    except UnicodeDecodeError:
        reader.problems.append(
            Problem(line=None, where=path.name, reason="the file is not UTF-8; save it as UTF-8")
        )
    except _BadTable as error:
        reader.problems.append(Problem(line=error.line, where=path.name, reason=str(error)))
    except BadInput as error:
        reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
    if not reader.problems:
        _put(reader, path.name, trials)
    return reader.finish()


_MOST_DIGITS = 6
"""Digits of the number of a section."""


class _BadTable(BadInput):
    """A table that cannot be read on from a line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows with the numbers of their last lines. Raise _BadTable."""
    table = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    try:
        named = table.fieldnames or []
    except csv.Error as error:
        raise _BadTable(1, f"the first line cannot be read ({error})") from error
    for column in named:
        if column not in COLUMNS:
            raise _BadTable(1, f'there is no column "{column}": columns are {", ".join(COLUMNS)}')
    for column in NEEDED:
        if column not in named:
            raise _BadTable(1, f'the column "{column}" is missing')
    try:
        for row in table:
            if "" in row or None in row.values():
                raise _BadTable(
                    table.line_num,
                    "the row has not as many cells as the header; the file may break off there",
                )
            yield table.line_num, {key: value.strip() for key, value in row.items()}
    except csv.Error as error:
        reason = f"the row cannot be read ({error}); the file may break off there"
        raise _BadTable(table.reader.line_num, reason) from error


def _take(trials: dict[str, _Trial], number: int, row: Mapping[str, str]) -> None:
    if not row["trial"]:
        raise BadInput("trial is empty")
    if not row["section"].isdecimal() or len(row["section"]) > _MOST_DIGITS:
        raise BadInput(
            f'section is "{row["section"]}": it must be a whole number, 0 before the first section'
        )
    for column, known in (("kind", ("", "person", "model")), ("gold", ("", "a", "b"))):
        if row.get(column, "").lower() not in known:
            raise BadInput(f'{column} is "{row[column]}": it must be {" or ".join(filter(None, known))}')
    if row.get("seconds") and not _NUMBER.match(row["seconds"]):
        raise BadInput(f'seconds is "{row["seconds"]}": it must be a number')
    section = int(row["section"])
    trial = trials.setdefault(row["trial"], _Trial(number, row))
    if row.get("text"):
        side = row.get("side", "").lower()
        if side not in _SEATS:
            raise BadInput(f'side is "{side}": it must be a, b or empty')
        if section == 0:
            raise BadInput("section 0 is before the first, and nothing was said there")
        trial.texts.setdefault(section, []).append((_SEATS[side], row["text"]))
    if row["judge"]:
        own = trial.judges.setdefault(row["judge"], [])
        if own and section <= own[-1][1]:
            raise BadInput(
                f'the judge "{row["judge"]}" has section {section} of the trial "{row["trial"]}" after section {own[-1][1]}, in line '
                f"{own[-1][0]}: give each section once, in order"
            )
        own.append((number, section, _credence(row["credence"]), row))
    elif not row.get("text"):
        raise BadInput("the row has neither a judge nor a text")


def _credence(text: str) -> float:
    """Return a credence in [0, 1]: a number up to 1, or percent with the sign. Raise BadInput."""
    found = _NUMBER.match(text)
    value = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= value <= 1:
        raise BadInput(f'credence is "{text}": write a number from 0 to 1, or percent with the sign, as 85%')
    return value


def _put(reader: ArchiveReader, where: str, trials: Mapping[str, _Trial]) -> None:
    """Put the lines of the archive: passages, judges, arms, trials, verdicts."""
    passages: dict[str, dict[str, _Trial]] = {}
    kinds: dict[str, str] = {}
    for name, trial in trials.items():
        passages.setdefault(trial.first.get("passage") or name, {}).setdefault(_question_key(trial), trial)
        for judge, rows in trial.judges.items():
            kinds.setdefault(judge, (rows[0][3].get("kind") or "person").lower())
    lines: list[tuple[int, Callable[[], Line]]] = [
        (1, partial(ParticipantLine, name=_SPEAKERS, kind="model"))
    ]
    lines += [
        (next(iter(some.values())).line, partial(_passage, key, some)) for key, some in passages.items()
    ]
    lines += [
        (1, partial(ParticipantLine.model_validate, {"name": judge, "kind": kind}))
        for judge, kind in kinds.items()
    ]
    arms = {trial.first.get("arm") or _ARM: trial.line for trial in reversed(list(trials.values()))}
    lines += [(line, partial(_arm, name)) for name, line in arms.items()]
    for name, trial in trials.items():
        lines.append((trial.line, partial(_trial, name, trial)))
        lines += [(rows[-1][0], partial(_verdict, name, judge, rows)) for judge, rows in trial.judges.items()]
    for number, made in lines:
        try:
            reader.put(number, made())
        except ValidationError as error:
            found = reasons(error, VerdictLine)
            reader.problems += [Problem(line=number, where=where, reason=reason) for reason in found]


def _passage(key: str, asked: Mapping[str, _Trial]) -> PassageLine:
    return PassageLine(key=key, title=key, questions=tuple(_question(each, of) for each, of in asked.items()))


def _arm(name: str) -> ArmLine:
    speakers = (*SIDES, _NARRATOR)
    return ArmLine(name=name, speakers=speakers, seats={each.name: _SPEAKERS for each in speakers})


_ARM = "sections"
_SPEAKERS = "speakers"
"""Who spoke, since the table names no one."""


def _question_key(trial: _Trial) -> str:
    passage = trial.first.get("passage") or trial.first["trial"]
    text = trial.first.get("question") or trial.first["trial"]
    return f"{passage}/{text}"[:200]


def _question(key: str, trial: _Trial) -> TaskQuestion:
    first = trial.first
    answers = (first.get("answer_a") or "Answer A", first.get("answer_b") or "Answer B")
    gold = (first.get("gold") or "a").lower()
    return TaskQuestion(
        key=key, text=first.get("question") or first["trial"], answers=answers, gold="ab".index(gold)
    )


def _trial(name: str, trial: _Trial) -> TrialLine:
    steps = [
        tuple(Turn(seat=seat, text=text) for seat, text in said) for _, said in sorted(trial.texts.items())
    ]
    spoken = {turn.seat for step in steps for turn in step}
    argues = {seat: place for place, seat in enumerate(side.name for side in SIDES) if seat in spoken}
    return TrialLine(
        key=name,
        arm=trial.first.get("arm") or _ARM,
        question=_question_key(trial),
        argues=argues,
        transcript=tuple(steps),
    )


def _verdict(name: str, judge: str, rows: list[tuple[int, int, float, Mapping[str, str]]]) -> VerdictLine:
    last = rows[-1][3]
    beliefs = tuple((credence, 1 - credence) for _, _, credence, _ in rows)
    seconds = [row["seconds"] for _, _, _, row in rows if row.get("seconds")]
    return VerdictLine(
        trial=name,
        judge=judge,
        belief=beliefs[-1],
        beliefs=beliefs,
        round=last.get("round") or None,
        reason=last.get("reason", ""),
        seconds=sum(map(float, seconds)) if seconds else None,
        knows_story=last.get("knows_story", "").lower() in _YES,
    )
