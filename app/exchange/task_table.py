"""Task sets as tables: a CSV with a question on each line, as spreadsheets write it."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from app.exchange.taskfile import BadInput, PassageShelf, Problem, TaskFile, open_input

TEMPLATE = Path(__file__).parents[1] / "web" / "static" / "tasks-template.csv"
"""The table that the page offers as a template; its lines are an example."""
MOST_WRONG = 9
"""Wrong answers that a line may have."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    name: str
    about: str
    needed: bool = False


COLUMNS = (
    Column(
        "passage",
        "The hidden text. Lines with the same text, or the same passage_id, are questions on one passage.",
        True,
    ),
    Column("question", "What is asked.", True),
    Column("right", "The right answer.", True),
    Column("wrong_1", f"A wrong answer. More may follow in wrong_2 to wrong_{MOST_WRONG}.", True),
    Column("title", "Of the passage; its id where there is none."),
    Column("passage_id", "Unique in the task set; made from the text where it is empty."),
    Column("question_id", "The same for the question."),
    Column("author", "Of the passage."),
    Column("source", "Where it was published."),
    Column("url", "Where the original can be read: http or https."),
    Column("license", "Its licence."),
)
NEEDED = tuple(column.name for column in COLUMNS if column.needed)
WRONG = tuple(f"wrong_{number}" for number in range(1, MOST_WRONG + 1))
NAMES = (*dict.fromkeys([*(column.name for column in COLUMNS), *WRONG]),)
ABOUT_PASSAGE = ("author", "source", "url", "license")
MOST_CELL = 2**27
"""Characters of a cell; the module's own limit is too low for a novel."""


@cache
def example() -> list[list[str]]:
    """Return the lines of the template, the header first."""
    return list(csv.reader(io.StringIO(TEMPLATE.read_text("utf-8"))))


@dataclass(slots=True)
class _Passage:
    """The lines on one passage."""

    line: int
    value: dict[str, object]
    questions: list[dict[str, object]] = field(default_factory=list)


def read_task_table(path: Path) -> TaskFile:
    """Read a CSV with the columns of docs/formats/task-tables.md. Problems are collected, each with its line; nothing is raised.

    A passage with a bad line is left out whole.
    """
    problems: list[Problem] = []
    passages: dict[str, _Passage] = {}
    bad: set[str] = set()
    try:
        for line, row in _rows(_text(path)):
            key = row.get("passage_id") or _key("passage", row["passage"])
            reasons = _put(passages, key, line, row)
            problems += [Problem(line=line, where=path.name, reason=reason) for reason in reasons]
            bad |= {key} if reasons else set()
    except _BadTable as error:
        problems.append(Problem(line=error.line, where=path.name, reason=str(error)))
    except BadInput as error:
        problems.append(Problem(line=None, where=path.name, reason=str(error)))
    shelf = PassageShelf(path.name)
    for key, found in passages.items():
        if key not in bad:
            problems += shelf.add(found.line, {**found.value, "questions": found.questions})  # type: ignore[dict-item]
    if not shelf.passages and not problems:
        problems.append(Problem(line=None, where=path.name, reason="the table has no line below its header"))
    return TaskFile(passages=tuple(shelf.passages), problems=tuple(problems))


class _BadTable(BadInput):
    """A table that cannot be read on from a line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _text(path: Path) -> str:
    with open_input(path) as stream:
        raw = stream.read()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("the file is not UTF-8: save it as “CSV UTF-8”") from error


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows that are not empty, with the numbers of their first lines. Raise _BadTable."""
    csv.field_size_limit(MOST_CELL)
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        names = [name.strip().lower() for name in next(table, [])]
        _check(names)
        while True:
            line = table.line_num + 1
            cells = next(table, None)
            if cells is None:
                return
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise _BadTable(
                    line,
                    f"the row has {len(cells)} cells and the header has {len(names)}: put cells with a “{separator}” or a line break "
                    "between quotation marks",
                )
            yield line, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise _BadTable(line, f"the row cannot be read ({error}); the file may break off there") from error


def _check(names: list[str]) -> None:
    """Raise _BadTable where the header is none."""
    missing = [name for name in NEEDED if name not in names]
    if missing:
        wanted = "the first line must name the columns passage, question, right and wrong_1"
        raise _BadTable(
            1,
            f"{wanted}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; begin with the template",
        )
    for name in names:
        if name not in NAMES:
            raise _BadTable(1, f'there is no column "{name}": columns are {", ".join(NAMES)}')
        if names.count(name) > 1:
            raise _BadTable(1, f'the column "{name}" is there twice')


def _put(passages: dict[str, _Passage], key: str, line: int, row: Mapping[str, str]) -> list[str]:
    """Take a line, or return what is wrong with it."""
    known = passages.get(key)
    if known is None:
        if not row["passage"]:
            return ["passage is empty"]
        value = {"id": key, "title": row.get("title") or key, "text": row["passage"]}
        more = {name: row[name] for name in ABOUT_PASSAGE if row.get(name)}
        known = passages[key] = _Passage(line, {**value, **more})
    elif row["passage"] not in ("", known.value["text"]):
        return [f'the passage_id "{key}" has another text in line {known.line}: give this passage another id']
    wrong = [row[name] for name in WRONG if row.get(name)]
    reasons = [f"{name} is empty" for name in ("question", "right") if not row[name]]
    if not wrong:
        reasons.append("wrong_1 is empty: a question needs a wrong answer")
    if row["right"] in wrong:
        reasons.append("a wrong answer is the same as the right one")
    identity = row.get("question_id") or _key(key, row["question"])
    known.questions.append(
        {"id": identity, "question": row["question"], "answers": [row["right"], *wrong], "gold": 0}
    )
    return reasons


def _key(before: str, text: str) -> str:
    """Return an id that the same text always has."""
    return f"{before[:180]}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
