"""Task sets as files: the shapes that every importer fills, and the arena's JSON Lines format."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self, get_args

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from app.protocols.evidence import span_of
from app.protocols.quotes import indexed, mark, only_verified

MAX_LINE_BYTES = 64 * 2**20
"""A longer line is refused, to bound memory. The longest novel is a tenth of it."""


class BadInput(ValueError):
    """Unusable input. The message is a clause that says why, but not where."""


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "holds a NUL character, which PostgreSQL cannot store")
    return text


def _storable_json(meta: dict[str, JsonValue]) -> dict[str, JsonValue]:
    without_escaped_backslashes = json.dumps(meta).replace("\\\\", "")
    if "\\u0000" in without_escaped_backslashes:
        raise PydanticCustomError("nul", "holds a NUL character, which PostgreSQL cannot store")
    return meta


Storable = Annotated[str, AfterValidator(_storable)]
"""A text that may be empty."""
Text = Annotated[str, StringConstraints(pattern=r"\S"), AfterValidator(_storable)]
Key = Annotated[str, StringConstraints(pattern=r"\S", max_length=200), AfterValidator(_storable)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$"), AfterValidator(_storable)]
Meta = Annotated[dict[str, JsonValue], AfterValidator(_storable_json)]
Index = Annotated[int, Field(strict=True, json_schema_extra={"minimum": 0})]


def _words_or_places(value: Any) -> Any:
    whole = isinstance(value, list | tuple) and len(value) == 2 and all(type(it) is int for it in value)
    if not whole and not (isinstance(value, str) and value.strip()):
        raise PydanticCustomError(
            "evidence", "must be words of the text, or two places in it as whole numbers"
        )
    return value


Evidence = Annotated[str | tuple[int, int], BeforeValidator(_words_or_places)]
"""Words of the passage, or where they are."""


class Shape(BaseModel):
    """A line of a file, or a part of one. Unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


class PlantedFlaw(Shape):
    """A whole argument for one of the answers, in which its author has planted exactly one flaw."""

    answer: Index
    """Place of the answer argued for, counted from 0."""
    argument: Text
    """The argument for judges, each quote between `<quote>` and `</quote>`."""
    kind: Literal["false-claim", "misused-quote"]
    """The kind of flaw: a claim that the passage contradicts, or a quote that does not show what is said of
    it.
    """
    reference: Text
    """The flaw, for graders of a critic's points."""


class TaskQuestion(Shape):
    """A question on a passage, with its answers in any order."""

    key: Key = Field(alias="id")
    """Unique within the file."""
    text: Text = Field(alias="question")
    """The text of the question."""
    answers: Annotated[tuple[Text, ...], Field(json_schema_extra={"minItems": 2, "uniqueItems": True})]
    """Two or more different answers."""
    gold: Index
    """Place of the right answer in `answers`, counted from 0."""
    distractor: Index | None = None
    """Place of the most tempting wrong answer in `answers`, counted from 0, where it is known."""
    evidence: tuple[Evidence, ...] = ()
    """The words of the passage that show why the right answer is right, for people who are shown what was right: each a
    quote of the passage, or a pair of places in it (the first character, counted from 0, and the one after the last).
    """
    planted: tuple[PlantedFlaw, ...] = ()
    """Flawed arguments for critics to find the flaw in, at most one for each answer."""
    meta: Meta = Field(default_factory=dict)
    """Any other fields to keep with the question."""

    @field_validator("answers")
    @classmethod
    def _answers_differ(cls, answers: tuple[str, ...]) -> tuple[str, ...]:
        if len(answers) < 2:
            raise PydanticCustomError("too_few", "needs at least 2 answers")
        first_place: dict[str, int] = {}
        for place, answer in enumerate(answers):
            first = first_place.setdefault(" ".join(answer.split()), place)
            if first != place:
                raise PydanticCustomError(
                    "equal_answers",
                    "holds the same answer twice, at {first} and {place} (counted from 0)",
                    {"first": first, "place": place},
                )
        return answers

    @model_validator(mode="after")
    def _places_exist(self) -> Self:
        for name, place in (("gold", self.gold), ("distractor", self.distractor)):
            if place is not None and not 0 <= place < len(self.answers):
                raise PydanticCustomError(
                    "no_such_answer",
                    "{name} is {place}, but the {count} answers are counted from 0 to {last}",
                    {"name": name, "place": place, "count": len(self.answers), "last": len(self.answers) - 1},
                )
        if self.distractor == self.gold:
            raise PydanticCustomError("distractor_is_gold", "distractor and gold are the same answer")
        return self

    @model_validator(mode="after")
    def _planted_fit(self) -> Self:
        argued = [item.answer for item in self.planted]
        for place in argued:
            if not 0 <= place < len(self.answers):
                raise PydanticCustomError(
                    "planted_nowhere",
                    "planted: {place} is not the place of one of the {count} answers",
                    {"place": place, "count": len(self.answers)},
                )
            if argued.count(place) > 1:
                raise PydanticCustomError(
                    "planted_twice",
                    "planted: give one argument for answer {place}, not several",
                    {"place": place},
                )
        if "planted" in self.meta:
            raise PydanticCustomError("planted_in_meta", "meta.planted: put planted beside meta, not into it")
        if self.evidence and "evidence" in self.meta:
            raise PydanticCustomError(
                "evidence_in_meta", "meta.evidence: leave it out where there is evidence"
            )
        return self


class TaskPassage(Shape):
    """A hidden text and the questions on it: one line of a task file."""

    key: Key = Field(alias="id")
    """Unique within the file."""
    title: Text
    """Shown to seats that may read the passage."""
    text: Text
    """The passage itself, blank lines between its paragraphs."""
    author: Text | None = None
    """The author."""
    source: Text | None = None
    """The place of publication."""
    url: Url | None = None
    """Where the original can be read."""
    license: Text | None = None
    """The licence."""
    twin_of: Key | None = None
    """Id of the passage of this file whose twin this is: nearly the same text, with the same questions and
    answers, of which another one is right.
    """
    meta: Meta = Field(default_factory=dict)
    """Any other fields to keep with the passage."""
    questions: Annotated[tuple[TaskQuestion, ...], Field(json_schema_extra={"minItems": 1})]
    """One or more questions."""

    @field_validator("questions")
    @classmethod
    def _question_keys_differ(cls, questions: tuple[TaskQuestion, ...]) -> tuple[TaskQuestion, ...]:
        if not questions:
            raise PydanticCustomError("too_few", "needs at least 1 question")
        keys = [question.key for question in questions]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise PydanticCustomError("same_question_id", 'holds the id "{key}" twice', {"key": key})
        return questions

    @model_validator(mode="after")
    def _evidence_is_in_the_text(self) -> Self:
        # A study may leave the text out.
        for question in self.questions if self.text else ():
            for number, marked in enumerate(question.evidence):
                if span_of(self.text, marked) is None:
                    raise PydanticCustomError(
                        "no_evidence",
                        'evidence {number} of question "{key}" is not in the text: copy words of the text exactly, or give '
                        "the first character and the one after the last, counted from 0",
                        {"number": number + 1, "key": question.key},
                    )
        return self

    @model_validator(mode="after")
    def _misused_quotes_are_quotes(self) -> Self:
        for question in self.questions:
            for item in question.planted:
                # An archive may leave the text out.
                if (
                    item.kind == "misused-quote"
                    and self.text
                    and not only_verified(mark(item.argument, indexed(self.text)))
                ):
                    raise PydanticCustomError(
                        "no_quote",
                        'the argument planted in question "{key}" for answer {place} misuses a quote and none in it is '
                        "in the text: put four words or more of the text between <quote> and </quote>, or call it a "
                        "false-claim",
                        {"key": question.key, "place": item.answer},
                    )
        return self


class Problem(Shape):
    """A problem in the input. `str` of it is the sentence to show."""

    line: int | None
    """Counted from 1; None where the problem is not in one line."""
    where: str
    """The file, or the member of an archive."""
    reason: str
    """A clause that says what is wrong and, where that helps, what to do."""

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}, line {self.line}"
        return f"{place}: {self.reason}."


class TaskFile(Shape):
    """The result of an importer: the good passages, and the problems of the others."""

    passages: tuple[TaskPassage, ...]
    problems: tuple[Problem, ...]
    filtered: dict[str, int] = Field(default_factory=dict)
    """Good questions left out on purpose: their number by reason."""


def read_tasks(path: Path) -> TaskFile:
    """Read a file in the arena's format, described in docs/formats/tasks.md.

    A line with a problem is left out whole and its problems are collected. Nothing is raised. Of two lines
    that share an id, the first good one stays. A line that is no twin of its passage is left out, and the
    passage stays.
    """
    problems: list[Problem] = []
    shelf = PassageShelf(path.name)
    try:
        with open_input(path) as stream:
            for number, value in json_lines(stream, path.name, problems):
                problems += shelf.add(number, value)
    except BadInput as error:
        problems.append(Problem(line=None, where=path.name, reason=str(error)))
    passages, unlike = shelf.paired()
    problems += unlike
    if not passages and not problems:
        problems.append(Problem(line=None, where=path.name, reason="the file holds no passage"))
    return TaskFile(passages=passages, problems=tuple(problems))


class PassageShelf:
    """The good passages so far, and the lines of their ids."""

    def __init__(self, where: str) -> None:
        self.passages: list[TaskPassage] = []
        self._where = where
        self._passage_lines: dict[str, tuple[int, str]] = {}
        self._question_lines: dict[str, int] = {}

    def add(self, line: int, value: dict[str, JsonValue]) -> list[Problem]:
        """Take a line, or return what is wrong with it."""
        try:
            passage = TaskPassage.model_validate(value, by_name=False)
        except ValidationError as error:
            found = reasons(error)
        else:
            found = self.put(line, passage)
        return [Problem(line=line, where=self._where, reason=reason) for reason in found]

    def put(self, line: int, passage: TaskPassage) -> list[str]:
        """Take the passage of a line, or return why its ids cannot be used."""
        found = self._clashes(passage)
        if not found:
            self._keep(line, passage)
        return found

    def _clashes(self, passage: TaskPassage) -> list[str]:
        found = []
        if passage.key in self._passage_lines:
            line, text = self._passage_lines[passage.key]
            advice = (
                "give all its questions in one line" if text == passage.text else "its text differs there"
            )
            found.append(f'the passage id "{passage.key}" is already that of line {line}; {advice}')
        found += [
            f'the question id "{question.key}" is already used in line {self._question_lines[question.key]}'
            for question in passage.questions
            if question.key in self._question_lines
        ]
        return found

    def _keep(self, line: int, passage: TaskPassage) -> None:
        self.passages.append(passage)
        self._passage_lines[passage.key] = (line, passage.text)
        self._question_lines |= {question.key: line for question in passage.questions}

    def paired(self) -> tuple[tuple[TaskPassage, ...], list[Problem]]:
        """Return the passages without those that are no twins of theirs, and why they are none."""
        passages = {passage.key: passage for passage in self.passages}
        twins: dict[str, str] = {}
        problems = []
        for passage in self.passages:
            if passage.twin_of is None:
                continue
            found = self._no_twins(passage, passages, twins)
            if found:
                del passages[passage.key]
                line, _ = self._passage_lines[passage.key]
                problems += [Problem(line=line, where=self._where, reason=reason) for reason in found]
            else:
                twins[passage.twin_of] = passage.key
        named = {first: (first, second) for first, second in twins.items()}
        named |= {second: (second, first) for first, second in twins.items()}
        return tuple(
            _with_distractors(passage, passages[named[key][1]]) if key in named else passage
            for key, passage in passages.items()
        ), problems

    def _no_twins(
        self, passage: TaskPassage, passages: Mapping[str, TaskPassage], twins: Mapping[str, str]
    ) -> list[str]:
        """Return why a passage is not the twin that it says it is."""
        of = str(passage.twin_of)
        if of == passage.key:
            return [f'twin_of is "{of}", the passage itself: name another passage']
        if of not in passages:
            return [f'twin_of is "{of}", and no good passage of the file has this id']
        first = passages[of]
        if first.twin_of is not None:
            return [f'twin_of is "{of}", which is itself a twin: name a passage that is none']
        if of in twins:
            line, _ = self._passage_lines[twins[of]]
            return [f'the passage "{of}" already has the twin of line {line}: a passage has one twin']
        if first.text == passage.text != "":
            return [f'the text is that of "{of}": change in it what its questions turn on']
        return _unlike(first, passage)


def _unlike(first: TaskPassage, second: TaskPassage) -> list[str]:
    """Return why the questions of two passages are not those of twins."""
    if len(first.questions) != len(second.questions):
        numbers = f'it has {len(second.questions)} and "{first.key}" has {len(first.questions)}'
        return [f"a twin has the same questions, but {numbers}"]
    pairs = enumerate(zip(first.questions, second.questions, strict=True))
    return [f"questions[{at}]: {reason}" for at, pair in pairs for reason in _unlike_questions(*pair)]


def _unlike_questions(first: TaskQuestion, second: TaskQuestion) -> list[str]:
    other = f'of the question "{first.key}" of its twin'
    if first.text != second.text:
        return [f"its wording is not that {other}: give both the same, word for word"]
    if first.answers != second.answers:
        return [f"its answers are not those {other}: give both the same, word for word and in the same order"]
    if first.gold == second.gold:
        return [f"gold is also that {other}: the answers that are right must differ"]
    if second.distractor not in (None, first.gold):
        return [f"distractor must be {first.gold}, the gold {other}"]
    if first.distractor not in (None, second.gold):
        return [f"gold must be {first.distractor}, the distractor {other}"]
    return []


def _with_distractors(passage: TaskPassage, twin: TaskPassage) -> TaskPassage:
    """Make gold of the twin the distractor of each question with more than two answers that names none."""
    pairs = zip(passage.questions, twin.questions, strict=True)
    questions = tuple(
        question.model_copy(update={"distractor": other.gold})
        if question.distractor is None and len(question.answers) > 2
        else question
        for question, other in pairs
    )
    return passage.model_copy(update={"questions": questions})


def open_input(path: Path) -> IO[bytes]:
    """Open a file for reading bytes. Raise BadInput where there is no readable file."""
    if path.is_dir():
        raise BadInput("this is a directory; name a file")
    if not path.exists():
        raise BadInput("there is no such file")
    if not path.is_file():
        raise BadInput("this is not a file that can be read through")
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"the file cannot be opened ({error.strerror})") from error


def json_lines(
    stream: IO[bytes], where: str, problems: list[Problem]
) -> Iterator[tuple[int, dict[str, JsonValue]]]:
    """Yield (line number from 1, object) for every good line, and append a problem for every other.

    Blank lines are skipped. A file in UTF-16, or a line above `MAX_LINE_BYTES`, ends the reading.
    """
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        try:
            _refuse_at_once(raw, number)
        except BadInput as error:
            problems.append(Problem(line=number, where=where, reason=str(error)))
            return
        if raw.strip():
            try:
                yield number, json_object(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)
            except BadInput as error:
                problems.append(Problem(line=number, where=where, reason=str(error)))


def _refuse_at_once(raw: bytes, number: int) -> None:
    if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput("the file is in UTF-16; save it as UTF-8")
    if len(raw) > MAX_LINE_BYTES:
        raise BadInput(f"the line is longer than {MAX_LINE_BYTES // 2**20} MB; put one passage on each line")


def json_object(raw: bytes) -> dict[str, JsonValue]:
    """Parse one line, with its line end where it has one. Raise BadInput."""
    truncated = BadInput("the file breaks off in the middle of this line; fetch or write it again")
    complete = raw.endswith(b"\n")
    try:
        value = orjson.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        if not complete and error.reason == "unexpected end of data":
            raise truncated from error
        bad = f"byte {error.start + 1} of the line (0x{raw[error.start]:02X}) is not UTF-8"
        raise BadInput(f"{bad}; save the file as UTF-8") from error
    except orjson.JSONDecodeError as error:
        if not complete and error.pos >= len(error.doc.rstrip()):
            raise truncated from error
        raise BadInput(f"this is not valid JSON: {error.msg}, at column {error.colno}") from error
    if not isinstance(value, dict):
        raise BadInput("a line must hold a JSON object in braces")
    return value


def reasons(error: ValidationError, shape: type[BaseModel] | None = None) -> list[str]:
    """Return one clause for each error of pydantic. Places in lists are counted from 0.

    `shape` is what the line was to be, a passage where it is None.
    """
    return [_reason(detail, shape or TaskPassage) for detail in error.errors(include_url=False)]


_MUST_BE = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "timezone_aware": "a time with its zone, such as 2023-08-15T12:00:00Z",
}
_PATTERNS = {
    r"\S": "is empty",
    r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$": "must be words on one line",
    r"^https?://\S+$": "must begin with http:// or https://",
}
_NAMING = "must be letters, digits, '.', '_' or '-', beginning with a letter or digit, at most 100 in all"
_BOUNDS = {"greater_than_equal": "least", "less_than_equal": "most"}
_WHOLE_CLAUSES = {
    "no_such_answer",
    "distractor_is_gold",
    "planted_nowhere",
    "planted_twice",
    "planted_in_meta",
    "evidence_in_meta",
}


def _reason(detail: ErrorDetails, shape: type[BaseModel]) -> str:
    kind, place = detail["type"], _place(detail["loc"])
    if kind == "extra_forbidden":
        return _unknown_key(detail, shape)
    if kind == "missing":
        return f"{place} is missing"
    if kind in _MUST_BE:
        return f"{place} must be {_MUST_BE[kind]}"
    if kind == "string_pattern_mismatch":
        return f"{place} {_PATTERNS.get(detail['ctx']['pattern'], _NAMING)}"
    if kind in _BOUNDS:
        return f"{place} must be at {_BOUNDS[kind]} {next(iter(detail['ctx'].values()))}"
    if kind == "literal_error":
        return f"{place} must be {detail['ctx']['expected']}"
    if kind.startswith("datetime_"):
        return f"{place} must be a time as 2026-03-01T12:00:00Z"
    if kind == "string_too_long":
        return f"{place} is longer than {detail['ctx']['max_length']} characters"
    colon = ":" if place and kind in _WHOLE_CLAUSES else ""
    return f"{place}{colon} {detail['msg']}".strip()


def _place(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _unknown_key(detail: ErrorDetails, shape: type[BaseModel]) -> str:
    *inside, key = detail["loc"]
    for part in inside:
        if isinstance(part, str):
            shape = _shape_of(shape, part)
    known = [field.alias or name for name, field in shape.model_fields.items()]
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)[0]
    owner = f" in {_place(tuple(inside))}" if inside else ""
    return f'unknown key "{key}"{owner}; the nearest one is "{near}"'


def _shape_of(shape: type[BaseModel], key: str) -> type[BaseModel]:
    """Return the shape of the objects under a key: in it, or in the lists under it."""
    known = {field.alias or name: field for name, field in shape.model_fields.items()}
    asked: list[Any] = [known[key].annotation]
    while asked:
        found = asked.pop()
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
        asked += get_args(found)
    return shape


def schema() -> dict[str, JsonValue]:
    """Return the JSON Schema (draft 2020-12) of one line of a task file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TaskPassage.model_json_schema(by_alias=True),
    }


def schema_text() -> str:
    """Return the schema as in docs/formats/tasks.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
