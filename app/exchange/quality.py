"""QuALITY (Pang et al. 2022) as distributed, read into passages and questions."""

import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from app.exchange.damaged import BROKEN_CONTAINER
from app.exchange.taskfile import (
    BadInput,
    Problem,
    TaskFile,
    TaskPassage,
    TaskQuestion,
    json_lines,
    open_input,
    reasons,
)

SPLITS = ("train", "dev", "test")
MAX_MEMBER_BYTES = 64 * 2**20
"""The largest unpacked size of a member of the zip. The largest real one is about a fifth of it."""

Answers = Literal["all", "best-distractor"]


class _Row(BaseModel):
    """A part of the file, unchanged: option numbers count from 1."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class _Untimed(_Row):
    untimed_answer: int
    untimed_eval1_answerability: int
    untimed_eval2_context: int
    untimed_best_distractor: int


class _Timed(_Row):
    speed_answer: int


class _QuestionRow(_Row):
    question: str
    question_unique_id: str
    options: tuple[str, ...]
    writer_label: int | None = None
    gold_label: int | None = None
    validation: tuple[_Untimed, ...] = ()
    speed_validation: tuple[_Timed, ...] = ()
    difficult: int | None = None


class _Line(_Row):
    article_id: str
    article: str
    title: str
    author: str | None = None
    source: str | None = None
    url: str | None = None
    license: str | None = None
    year: str | None = None
    topic: str | None = None
    writer_id: str | None = None
    set_unique_id: str | None = None
    questions: tuple[JsonValue, ...]


def read_quality(
    path: Path,
    *,
    part: str | None = None,
    hard: bool = False,
    khan: bool = False,
    answers: Answers = "all",
) -> TaskFile:
    """Read a QuALITY file in JSON Lines, or a zip of them.

    `part` names a split ("train", "dev", "test") or one member of the zip; without it every split is read.
    `hard` keeps the questions that fewer than half of the speed annotators got right, as the file marks them.
    `khan` keeps those that pass the filter of Khan et al. 2024, appendix D.1. `answers` selects the answers
    of each question: all its options, or the gold one and the best distractor.

    Lines on the same article are merged into one passage, keyed by the article's id. A line whose article
    differs from the earlier one of that id is a problem, and so is each unusable question. The good questions
    beside it stay.
    """
    reader = _Reader(_chosen(hard, khan), answers)
    try:
        _read_parts(reader, path, part)
    except BadInput as error:
        reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
    return reader.finish(path.name)


def _read_parts(reader: "_Reader", path: Path, part: str | None) -> None:
    with open_input(path) as stream:
        is_zip = stream.read(2) == b"PK"
        stream.seek(0)
        if is_zip:
            _read_zip(reader, stream, part)
        elif part is None:
            reader.read(stream, path.name)
        else:
            raise BadInput(f'"{part}" can be chosen in the zip only, and this is a single file')


def _read_zip(reader: "_Reader", stream: IO[bytes], part: str | None) -> None:
    try:
        with zipfile.ZipFile(stream) as archive:
            for name in _members(archive.namelist(), part):
                check_member(archive.getinfo(name))
                with archive.open(name) as member:
                    reader.read(member, name)
    except NotImplementedError as error:
        raise BadInput(f"the zip cannot be unpacked ({error})") from error
    except BROKEN_CONTAINER as error:
        raise BadInput("the zip is truncated or damaged; fetch it again") from error


def check_member(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise BadInput(f'its member "{info.filename}" is encrypted')
    if info.file_size > MAX_MEMBER_BYTES:
        raise BadInput(f'its member "{info.filename}" unpacks to more than {MAX_MEMBER_BYTES // 2**20} MB')


def _members(names: Sequence[str], part: str | None) -> list[str]:
    """Return the members to read, at most one for each split, those stripped of HTML before the others."""
    if part is not None and part in names:
        return [part]
    by_split: dict[str, str] = {}
    for name in sorted(names, key=lambda name: ("htmlstripped" not in name, name)):
        split = Path(name).name.removesuffix(".jsonl").rpartition(".")[2]
        if split in SPLITS and not name.startswith("__MACOSX/"):
            by_split.setdefault(split, name)
    chosen = [by_split[split] for split in SPLITS if split in by_split and part in (None, split)]
    if not chosen:
        wanted = "no member that ends in .train, .dev or .test" if part is None else f'no "{part}"'
        raise BadInput(f"the zip holds {wanted}, but {', '.join(sorted(names)[:8]) or 'nothing'}")
    return chosen


@dataclass(frozen=True)
class _Place:
    where: str
    line: int

    def __str__(self) -> str:
        return f"{self.where}, line {self.line}"

    def problem(self, reason: str) -> Problem:
        return Problem(line=self.line, where=self.where, reason=reason)


@dataclass(frozen=True)
class _Article:
    line: _Line
    text: str
    place: _Place
    questions: list[TaskQuestion] = field(default_factory=list)


class _Reader:
    """Merges the lines of all parts by article."""

    def __init__(self, unwanted: Callable[[_QuestionRow], str | None], answers: Answers) -> None:
        self.problems: list[Problem] = []
        self._unwanted = unwanted
        self._answers = answers
        self._filtered: Counter[str] = Counter()
        self._articles: dict[str, _Article] = {}
        self._question_places: dict[str, _Place] = {}

    def read(self, stream: IO[bytes], where: str) -> None:
        for number, value in json_lines(stream, where, self.problems):
            place = _Place(where, number)
            self.problems += [place.problem(reason) for reason in self._add_line(value, place)]

    def finish(self, where: str) -> TaskFile:
        passages = []
        for article in self._articles.values():
            try:
                passages += [_passage(article)] if article.questions else []
            except ValidationError as error:
                self.problems += [article.place.problem(reason) for reason in reasons(error)]
        if not passages and not self.problems and not self._filtered:
            self.problems.append(Problem(line=None, where=where, reason="the file holds no question"))
        return TaskFile(
            passages=tuple(passages), problems=tuple(self.problems), filtered=dict(self._filtered)
        )

    def _add_line(self, value: dict[str, JsonValue], place: _Place) -> list[str]:
        try:
            line = _Line.model_validate(value)
            article = self._article(line, place)
        except (ValidationError, BadInput) as error:
            return _reasons(error)
        return [reason for row in line.questions for reason in self._add_question(row, line, article, place)]

    def _article(self, line: _Line, place: _Place) -> _Article:
        text = tidy(line.article)
        _check_article(line, text)
        article = self._articles.setdefault(line.article_id, _Article(line, text, place))
        if article.text != text:
            raise BadInput(f'article "{line.article_id}" has another text in {article.place}')
        return article

    def _add_question(self, value: JsonValue, line: _Line, article: _Article, place: _Place) -> list[str]:
        try:
            row = _QuestionRow.model_validate(value)
            unwanted = self._unwanted(row)
            if unwanted is not None:
                self._filtered[unwanted] += 1
                return []
            question = _question(row, line, self._answers)
            if question.key in self._question_places:
                raise BadInput(f"its id is already used in {self._question_places[question.key]}")
        except (ValidationError, BadInput) as error:
            name = value.get("question_unique_id") if isinstance(value, dict) else value
            return [f'question "{name}": {reason}' for reason in _reasons(error)]
        self._question_places[question.key] = place
        article.questions.append(question)
        return []


def _reasons(error: ValidationError | BadInput) -> list[str]:
    return reasons(error) if isinstance(error, ValidationError) else [str(error)]


_HTML = re.compile(r"</?(?:html|body|head|div|p|br|hr|span|table|h[1-6])\b[^<>]*>", re.IGNORECASE)


def _check_article(line: _Line, text: str) -> None:
    if not text:
        raise BadInput(f'article "{line.article_id}" is empty')
    if "\0" in text:
        raise BadInput(f'article "{line.article_id}" holds a NUL character, which PostgreSQL cannot store')
    if _HTML.search(text):
        raise BadInput(
            f'article "{line.article_id}" is in HTML; take the file with "htmlstripped" in its name'
        )


def _passage(article: _Article) -> TaskPassage:
    line = article.line
    is_link = line.url is not None and re.match(r"https?://\S+$", line.url) is not None
    extra = {"year": line.year, "topic": line.topic, "url": None if is_link else line.url}
    return TaskPassage(
        key=line.article_id,
        title=line.title,
        text=article.text,
        author=line.author or None,
        source=line.source or None,
        url=line.url if is_link else None,
        license=line.license or None,
        meta={key: value for key, value in extra.items() if value},
        questions=tuple(article.questions),
    )


def _question(row: _QuestionRow, line: _Line, answers: Answers) -> TaskQuestion:
    gold = _gold(row)
    distractor = _best_distractor(row)
    kept = list(range(len(row.options))) if answers == "all" else sorted((gold, distractor))
    return TaskQuestion(
        key=row.question_unique_id,
        text=" ".join(row.question.split()),
        answers=tuple(" ".join(row.options[place].split()) for place in kept),
        gold=kept.index(gold),
        distractor=kept.index(distractor),
        meta=_question_meta(row, line, kept),
    )


def _gold(row: _QuestionRow) -> int:
    if len(row.options) < 2:
        raise BadInput("options needs at least 2 answers")
    if row.gold_label is None or not 1 <= row.gold_label <= len(row.options):
        raise BadInput(
            f"gold_label is {row.gold_label}, but the {len(row.options)} options are counted from 1"
        )
    return row.gold_label - 1


def _best_distractor(row: _QuestionRow) -> int:
    """Return the wrong option, counted from 0, that most untimed annotators called the best distractor.

    Ties go to the option that more speed annotators chose, then to the one that more untimed annotators
    chose, then to the first. Votes for the gold option, by annotators who were wrong themselves, do not
    count.
    """
    votes = Counter(vote.untimed_best_distractor for vote in row.validation)
    hasty = Counter(vote.speed_answer for vote in row.speed_validation)
    careful = Counter(vote.untimed_answer for vote in row.validation)
    wrong = (option for option in range(1, len(row.options) + 1) if option != row.gold_label)
    return min(wrong, key=lambda option: (-votes[option], -hasty[option], -careful[option], option)) - 1


def _question_meta(row: _QuestionRow, line: _Line, kept: list[int]) -> dict[str, JsonValue]:
    untimed, speed = row.validation, row.speed_validation
    votes = Counter(vote.untimed_best_distractor for vote in untimed)
    meta: dict[str, JsonValue] = {
        "difficult": row.difficult,
        "writer_id": line.writer_id,
        "set_unique_id": line.set_unique_id,
        "writer_label": row.writer_label,
        "options": [place + 1 for place in kept],
        "untimed": len(untimed),
        "untimed_right": sum(vote.untimed_answer == row.gold_label for vote in untimed),
        "untimed_answerable": sum(vote.untimed_eval1_answerability == 1 for vote in untimed),
        "speed": len(speed),
        "speed_right": sum(vote.speed_answer == row.gold_label for vote in speed),
        "distractor_votes": [votes[option] for option in range(1, len(row.options) + 1)],
    }
    if untimed:
        meta["context_required"] = round(fmean(vote.untimed_eval2_context for vote in untimed), 3)
    return {key: value for key, value in meta.items() if value is not None}


_OF_THE_ABOVE = re.compile(
    r"\b(?:all|none) of the (?:above|other (?:answers|choices|options))\b"
    r"|^\W*(?:all|none) of these(?: (?:answers|choices|options))?\W*$",
    re.IGNORECASE,
)


def _chosen(hard: bool, khan: bool) -> Callable[[_QuestionRow], str | None]:
    """Return a function that gives the first reason why a question is left out, or None where it stays."""
    checks: dict[str, Callable[[_QuestionRow], bool]] = {"no gold label (test split)": _has_gold}
    if hard:
        checks["not in the hard subset"] = lambda row: row.difficult == 1
    if khan:
        checks |= KHAN_FILTER

    def unwanted(row: _QuestionRow) -> str | None:
        return next((reason for reason, holds in checks.items() if not holds(row)), None)

    return unwanted


def _has_gold(row: _QuestionRow) -> bool:
    return row.gold_label is not None


def _is_annotated(row: _QuestionRow) -> bool:
    return bool(row.validation) and bool(row.speed_validation)


def _untimed_all_right(row: _QuestionRow) -> bool:
    return all(vote.untimed_answer == row.gold_label for vote in row.validation)


def _speed_mostly_wrong(row: _QuestionRow) -> bool:
    right = sum(vote.speed_answer == row.gold_label for vote in row.speed_validation)
    return 2 * right < len(row.speed_validation)


def _all_call_it_answerable(row: _QuestionRow) -> bool:
    return all(vote.untimed_eval1_answerability == 1 for vote in row.validation)


def _needs_context(row: _QuestionRow) -> bool:
    return 2 * sum(vote.untimed_eval2_context for vote in row.validation) >= 3 * len(row.validation)


def _writer_agrees(row: _QuestionRow) -> bool:
    return row.writer_label == row.gold_label


def _options_stand_alone(row: _QuestionRow) -> bool:
    return not any(_OF_THE_ABOVE.search(option) for option in row.options)


KHAN_FILTER: Mapping[str, Callable[[_QuestionRow], bool]] = {
    "without annotations": _is_annotated,
    "an untimed annotator was wrong": _untimed_all_right,
    "half or more of the speed annotators were right": _speed_mostly_wrong,
    "an annotator called it unanswerable or ambiguous": _all_call_it_answerable,
    "context required below 1.5 on average": _needs_context,
    "the writer's label is not the gold one": _writer_agrees,
    'an option is "all of the above" or the like': _options_stand_alone,
}
"""Khan et al. 2024, appendix D.1: the conditions of a question, by the reason for leaving it out otherwise.

The paper made the last check by hand, for the human trials only. Here it is a pattern.
"""


def tidy(article: str) -> str:
    """Return the article with one line for each paragraph and a blank line between them.

    The files wrap most articles at about 72 columns. They put a blank line after every paragraph, after each
    line of the front matter, and sometimes in the middle of a sentence. So a single line break becomes a
    space, unless the line was cut short on purpose. A blank line ends the paragraph, unless the sentence
    clearly goes on. Runs of spaces become one.
    """
    lines = [" ".join(line.split()) for line in re.split(r"\r\n?|\n", article)]
    width = _usual_width(lines)
    paragraphs: list[str] = []
    previous = ""
    for line in lines:
        if line and paragraphs and _runs_on(paragraphs[-1], previous, line, width):
            paragraphs[-1] += f" {line}"
        elif line:
            paragraphs.append(line)
        previous = line
    return "\n\n".join(paragraphs)


def continues(paragraph: str, following: str) -> bool:
    """Return whether a sentence broken off at the end of one paragraph clearly goes on in the next."""
    return following[0].islower() and (paragraph[-1].isalnum() or paragraph[-1] in ",;'")


def _runs_on(paragraph: str, previous: str, line: str, width: int) -> bool:
    return continues(paragraph, line) or (previous != "" and not _cut_short(previous, line, width))


def _usual_width(lines: Sequence[str]) -> int:
    """Return the 95th percentile of the lengths: a stray heading may be longer than the wrapped lines."""
    lengths = sorted(len(line) for line in lines if line)
    return lengths[int(0.95 * (len(lengths) - 1))] if lengths else 0


def _cut_short(line: str, following: str, width: int) -> bool:
    """Return whether the writer ended this line, not the wrapping: the next word would still have fitted.

    Stripping tags has shortened some wrapped lines, so a line that does not end a sentence must be much
    shorter. Lines above 120 characters were never wrapped.
    """
    if width > 120:
        return True
    fitted = len(line) + 1 + len(following.split()[0]) <= width
    return fitted and (line[-1] in '.!?:"”)]' or len(line) < 0.6 * width)
