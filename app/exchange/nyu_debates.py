"""Stories and questions of the NYU human debates (Michael et al. 2023), from their files."""

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from app.exchange.quality import continues
from app.exchange.taskfile import (
    BadInput,
    Problem,
    TaskFile,
    TaskPassage,
    TaskQuestion,
    json_lines,
    json_object,
    open_input,
    reasons,
)

MAX_MEMBER_BYTES = 64 * 2**20
"""A larger member is refused. The largest real one is a hundredth of it."""

MAX_UNPACKED_BYTES = 2 * 2**30
"""Most bytes of all members together. Those of the real ones are a twentieth of them."""

METADATA = "debates-metadata.jsonl"
RECORD = re.compile(r"(?:^|/)debates/official/([^/]+)\.json$")


class _Row(BaseModel):
    """A part of a record. Fields not named here, such as identity guesses, are never read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Story(_Row):
    article_id: str = Field(alias="articleId")
    title: str
    contents: tuple[str, ...]


class _Source(_Row):
    story: _Story | None = Field(alias="QuALITYSourceMaterial", default=None)


class _Setup(_Row):
    source: _Source = Field(alias="sourceMaterial")
    question: str
    answers: tuple[str, ...]
    gold: int = Field(alias="correctAnswerIndex")


class _Record(_Row):
    setup: _Setup


class _Entry(_Row):
    name: str
    in_paper: bool = Field(alias="includedInPaper")


def read_nyu_debates(path: Path) -> TaskFile:
    """Read the distributed .tar.gz, or a directory with the same tree.

    Every record counts, also those that never finished or are not in the paper: `in_paper` in a question's
    meta says whether one of its records is, and `records` names them. Passages are keyed by story id (two
    stories share one title). A question is a story, a text and a set of answers, whatever their order and
    spacing. Its answers are kept in alphabetical order. Records that disagree on its gold answer are a
    problem, and then the question is left out.
    """
    shelf = _Shelf()
    try:
        for name, data in files_of(path):
            shelf.add(name, data)
        shelf.compare_names()
    except BadInput as error:
        shelf.problems.append(Problem(line=None, where=path.name, reason=str(error)))
    return shelf.finish(path.name)


def files_of(path: Path, wanted: Callable[[str], bool] | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a tree or an archive that are `wanted`, those of this dataset by default, one in memory at a time.

    Nothing is unpacked to disk. Raise BadInput.
    """
    matters = wanted or _matters
    if not path.is_dir():
        yield from _archived(path, matters)
        return
    for file in sorted(path.rglob("*.json*")):
        name = file.relative_to(path).as_posix()
        if matters(name):
            with open_input(file) as stream:
                _check_size(name, file.stat().st_size)
                yield name, stream.read()


def _archived(path: Path, matters: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with open_input(path) as stream:
        try:
            content = _unzipped(stream)
            with tarfile.open(fileobj=content, mode="r|") as archive:
                for member in archive:
                    file = archive.extractfile(member) if member.isreg() and matters(member.name) else None
                    if file is not None:
                        _check_size(member.name, member.size)
                        yield member.name, file.read()
            _read_to_the_end(content)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise BadInput("this is not a tar archive, or a truncated one; fetch it again") from error


class _Bounded:
    """A stream that is read up to a bound, so that a small packed file cannot keep a reader for long."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED_BYTES

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raise BadInput beyond the bound."""
        found = self._stream.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise BadInput(f"it unpacks to more than {MAX_UNPACKED_BYTES // 2**30} GB")
        return found


def _unzipped(stream: IO[bytes]) -> IO[bytes]:
    is_gzip = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    return cast(IO[bytes], _Bounded(cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if is_gzip else stream))


def _read_to_the_end(content: IO[bytes]) -> None:
    """Refuse an archive that breaks off between two members. Tarfile accepts it; gzip notices."""
    while content.read(2**16):
        pass


def _check_size(name: str, size: int) -> None:
    if size > MAX_MEMBER_BYTES:
        raise BadInput(f'its file "{name}" is larger than {MAX_MEMBER_BYTES // 2**20} MB')


def _matters(name: str) -> bool:
    return PurePosixPath(name).name == METADATA or RECORD.search(name) is not None


@dataclass
class _Asked:
    """One question with the data of its records."""

    text: str
    answers: tuple[str, ...]
    gold: str
    records: list[str]
    disputed: bool = False


@dataclass
class _Kept:
    """One story with its tokenised versions and its questions."""

    title: str
    versions: list[tuple[str, ...]] = field(default_factory=list)
    questions: dict[tuple[str, ...], _Asked] = field(default_factory=dict)


class _Shelf:
    """Gathers the records, in any order."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._not_quality = 0
        self._in_paper: dict[str, bool] = {}
        self._records: set[str] = set()
        self._stories: dict[str, _Kept] = {}

    def add(self, name: str, data: bytes) -> None:
        record = RECORD.search(name)
        if record is None:
            self._add_metadata(name, data)
            return
        self._records.add(record[1])
        try:
            setup = _Record.model_validate(json_object(data)).setup
            self._add_setup(record[1], setup)
        except ValidationError as error:
            self.problems += [Problem(line=None, where=name, reason=reason) for reason in reasons(error)]
        except BadInput as error:
            self.problems.append(Problem(line=None, where=name, reason=str(error)))

    def finish(self, where: str) -> TaskFile:
        passages = [passage for key in sorted(self._stories) for passage in self._passages(key)]
        if not self._records and not self.problems:
            self.problems.append(
                Problem(line=None, where=where, reason="it holds no file debates/official/NAME.json")
            )
        filtered = {"not on a QuALITY story": self._not_quality} if self._not_quality else {}
        return TaskFile(passages=tuple(passages), problems=tuple(self.problems), filtered=filtered)

    def _add_metadata(self, name: str, data: bytes) -> None:
        for number, value in json_lines(io.BytesIO(data), name, self.problems):
            try:
                entry = _Entry.model_validate(value)
                self._in_paper[entry.name] = entry.in_paper
            except ValidationError as error:
                self.problems += [Problem(line=number, where=name, reason=why) for why in reasons(error)]

    def _add_setup(self, record: str, setup: _Setup) -> None:
        story = setup.source.story
        if story is None:
            self._not_quality += 1
            return
        if not 0 <= setup.gold < len(setup.answers):
            raise BadInput(f"correctAnswerIndex is {setup.gold}, but there are {len(setup.answers)} answers")
        kept = self._stories.setdefault(story.article_id, _Kept(story.title))
        if story.contents not in kept.versions:
            kept.versions.append(story.contents)
        answers = tuple(one_line(answer) for answer in setup.answers)
        gold, text = answers[setup.gold], one_line(setup.question)
        identity = (text, *sorted(answers))
        asked = kept.questions.setdefault(identity, _Asked(text, tuple(sorted(answers)), gold, []))
        asked.records.append(record)
        if asked.gold != gold:
            asked.disputed = True
            raise BadInput(f'its gold answer is "{gold}", but "{asked.gold}" in {asked.records[0]}')

    def compare_names(self) -> None:
        """Report records that the metadata lacks, and metadata without a record."""
        for name in sorted(self._records ^ self._in_paper.keys()):
            reason = "has no line in" if name in self._records else "is missing, but has a line in"
            self.problems.append(Problem(line=None, where=f"{name}.json", reason=f"{reason} {METADATA}"))

    def _passages(self, key: str) -> list[TaskPassage]:
        kept = self._stories[key]
        questions = tuple(
            question
            for asked in sorted(kept.questions.values(), key=_readable_key)
            for question in self._questions(key, asked)
        )
        try:
            text = _story_text(kept.versions)
            return [_passage(key, kept.title, text, questions)] if questions else []
        except ValidationError as error:
            found = reasons(error)
        except BadInput as error:
            found = [str(error)]
        self.problems += [Problem(line=None, where=f"story {key}", reason=reason) for reason in found]
        return []

    def _questions(self, story: str, asked: _Asked) -> list[TaskQuestion]:
        """Return the question in a list, which is empty where it cannot be used."""
        if asked.disputed:
            return []
        try:
            return [self._question(story, asked)]
        except ValidationError as error:
            where = f"{asked.records[0]}.json"
            self.problems += [Problem(line=None, where=where, reason=reason) for reason in reasons(error)]
            return []

    def _question(self, story: str, asked: _Asked) -> TaskQuestion:
        gold = asked.answers.index(asked.gold)
        records: list[JsonValue] = [*sorted(asked.records)]
        return TaskQuestion(
            key=f"{story}-{_readable_key(asked)}",
            text=asked.text,
            answers=asked.answers,
            gold=gold,
            distractor=1 - gold if len(asked.answers) == 2 else None,
            meta={
                "in_paper": any(self._in_paper.get(record, False) for record in asked.records),
                "records": records,
            },
        )


def _passage(key: str, title: str, text: str, questions: tuple[TaskQuestion, ...]) -> TaskPassage:
    return TaskPassage(
        key=key,
        title=title,
        text=text,
        source="NYU human debates (Michael et al. 2023), on a story of QuALITY",
        license="CC BY 4.0",
        questions=questions,
    )


def one_line(text: str) -> str:
    return " ".join(text.split())


def _readable_key(asked: _Asked) -> str:
    """Return the first words of the question, and a digest that distinguishes it from others with the same
    beginning.
    """
    words = re.findall(r"[a-z0-9]+", asked.text.lower().replace("'", ""))[:6]
    digest = hashlib.sha256("\n".join((asked.text, *asked.answers)).encode()).hexdigest()[:6]
    return "-".join((*words, digest))


def _story_text(versions: Sequence[tuple[str, ...]]) -> str:
    """Return the text of a story. Some are tokenised in two ways; then the finer one counts."""
    texts = [detokenise(version)[0] for version in sorted(versions, key=len, reverse=True)]
    if len({re.sub(r"[\W_]", "", text) for text in texts}) > 1:
        raise BadInput("its records hold texts that differ in their words")
    return texts[0]


_SHOWN = {
    "``": '"',
    "''": '"',
    "`": "'",
    "--": "—",
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
    "\\/": "/",
    "\\*": "*",
}
_OPENING = {"``", "-LRB-", "-LSB-", "-LCB-", "$"}
_CLOSING = {".", ",", ";", ":", "!", "?", "...", "%", "°", "-RRB-", "-RSB-", "-RCB-"}
_ENDINGS = {"'s", "'ll", "'d", "'re", "'m", "'ve", "n't", "'n"}
_HALVES = {("can", "not"), ("gon", "na"), ("wan", "na"), ("got", "ta"), ("gim", "me"), ("lem", "me")}
_BEFORE_APOSTROPHE = {"Tr", "guv"}
"""First parts of words such as "Tr'en" and "guv'nor", whose apostrophe was taken for an opening quote."""


def detokenise(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the running text of a token list, and for each token its (start, end) in that text.

    The tokens are those of the Stanford tokeniser, with a separate token for each line break. Two or more of
    these separate paragraphs (a blank line here) unless the sentence clearly goes on; a single one is a
    space. `text[start:end]` is the token as written in the text. A line break has an empty place, and a full
    stop doubled after an abbreviation shares the place of the first. So the span of tokens [a, b) is
    `text[places[a][0] : places[b - 1][1]]`.
    """
    page = _Page()
    for token, following in zip(tokens, (*tokens, "\n")[1:], strict=True):
        page.add(token, following)
    return "".join(page.parts), page.places


class _Page:
    """Joins tokens to text, and notes their places."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.places: list[tuple[int, int]] = []
        self._length = 0
        self._breaks = 0
        self._before = ""
        self._joined = True
        self._in_quote = False

    def add(self, word: str, following: str) -> None:
        if not word.strip():
            self._breaks += word.count("\n")
            self.places.append((self._length, self._length))
        elif word == "." and re.search(r"[A-Za-z]\.$", self._before) and not self._breaks:
            self.places.append((self._length - 1, self._length))
        else:
            self._write(word, following)

    def _write(self, word: str, following: str) -> None:
        shown = _SHOWN.get(word, word.strip())
        if self._breaks >= 2 and self.parts and not continues(self.parts[-1], shown):
            self._append("\n\n")
            self._before, self._joined, self._in_quote = "", True, False
        joins_left, joins_right = self._joins(word, following)
        if not (self._joined or joins_left):
            self._append(" ")
        self.places.append((self._length, self._length + len(shown)))
        self._append(shown)
        self._before, self._joined, self._breaks = word, joins_right, 0

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self._length += len(text)

    def _joins(self, word: str, following: str) -> tuple[bool, bool]:
        """Return whether no space comes before the word, and whether none comes after it."""
        if word in ("``", "''", '"'):
            return self._double_quote(word, following)
        if word == "'":
            opens = self._before in _OPENING | {"", "--"}
            return not opens, opens
        if word == "`":
            return self._before in _BEFORE_APOSTROPHE, True
        if word == "--":
            return True, True
        if word == "-":
            return True, following not in ("and", "or", "to")
        ends = word in _CLOSING or word.lower() in _ENDINGS
        return ends or (self._before.lower(), word.lower()) in _HALVES, word in _OPENING

    def _double_quote(self, word: str, following: str) -> tuple[bool, bool]:
        """The tokeniser takes some opening quotes for closing ones: those that find none open."""
        may_open = (
            self._before == "" or following[:1].isupper() or following[:1].isdigit() or following == "`"
        )
        self._in_quote = word == "``" or (not self._in_quote and may_open)
        return not self._in_quote, self._in_quote
