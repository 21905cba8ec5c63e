"""Our own task files: what is accepted, what is refused and why."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.exchange import taskfile
from app.exchange.taskfile import (
    PlantedFlaw,
    TaskFile,
    TaskPassage,
    TaskQuestion,
    read_tasks,
    schema,
    schema_text,
)

DOCS = Path(__file__).parents[2] / "docs" / "formats"

SCHEMA = jsonschema.Draft202012Validator(schema())

Row = dict[str, Any]


def question(**changes: Any) -> Row:
    return {"id": "q1", "question": "Who lied?", "answers": ["Alice", "Bob", "Charlie"], "gold": 0} | changes


def flawed(**changes: Any) -> Row:
    said = "Bob lied: <quote>nobody but Bob</quote> did."
    return {"answer": 1, "argument": said, "kind": "false-claim", "reference": "Alice lied."} | changes


def passage(**changes: Any) -> Row:
    return {"id": "p1", "title": "A tale", "text": "Alice lied to Bob.", "questions": [question()]} | changes


def read(tmp_path: Path, content: bytes) -> TaskFile:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    return read_tasks(path)


def read_rows(tmp_path: Path, *rows: Row) -> TaskFile:
    return read(tmp_path, b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def sentences(found: TaskFile) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_a_full_line_becomes_a_passage_with_its_questions(tmp_path: Path) -> None:
    row = passage(
        author="A. Writer",
        source="A book",
        url="https://example.org/tale",
        license="CC0-1.0",
        meta={"kind": "story"},
        questions=[question(distractor=2, meta={"level": 3})],
    )

    found = read_rows(tmp_path, row)

    assert found.problems == ()
    (only,) = found.passages
    assert (only.key, only.title, only.author, only.license) == ("p1", "A tale", "A. Writer", "CC0-1.0")
    assert only.meta == {"kind": "story"}
    assert only.questions == (
        TaskQuestion(
            key="q1",
            text="Who lied?",
            answers=("Alice", "Bob", "Charlie"),
            gold=0,
            distractor=2,
            meta={"level": 3},
        ),
    )


def test_a_question_may_bring_arguments_with_a_planted_flaw(tmp_path: Path) -> None:
    misused = flawed(answer=2, argument="Hm: <quote>Alice lied to Bob</quote>.", kind="misused-quote")
    found = read_rows(tmp_path, passage(questions=[question(planted=[flawed(), misused])]))
    assert found.problems == ()
    assert [(item.answer, item.kind) for item in found.passages[0].questions[0].planted] == [
        (1, "false-claim"),
        (2, "misused-quote"),
    ]


def test_text_is_kept_as_it_stands(tmp_path: Path) -> None:
    text = "  Née  Dupont.\r\n\r\n\tShe “lied” — twice.\u2028"
    assert read_rows(tmp_path, passage(text=text)).passages[0].text == text


BAD_ROWS: dict[str, tuple[Row, str]] = {
    "unknown key": (passage(autor="X"), 'unknown key "autor"; the nearest one is "author"'),
    "unknown key in a question": (
        passage(questions=[question(glod=0)]),
        'unknown key "glod" in questions[0]; the nearest one is "gold"',
    ),
    "internal name of a key": (passage(key="p1"), 'unknown key "key"; the nearest one is "text"'),
    "missing key": ({k: v for k, v in passage().items() if k != "title"}, "title is missing"),
    "empty passage": (passage(text=" \n\t"), "text is empty"),
    "empty question": (passage(questions=[question(question="")]), "questions[0].question is empty"),
    "empty answer": (
        passage(questions=[question(answers=["Alice", " "])]),
        "questions[0].answers[1] is empty",
    ),
    "empty id": (passage(id=""), "id is empty"),
    "overlong id": (passage(id="p" * 201), "id is longer than 200 characters"),
    "number for text": (passage(title=7), "title must be text"),
    "gold out of range": (
        passage(questions=[question(gold=3)]),
        "questions[0]: gold is 3, but the 3 answers are counted from 0 to 2",
    ),
    "negative gold": (
        passage(questions=[question(gold=-1)]),
        "questions[0]: gold is -1, but the 3 answers are counted from 0 to 2",
    ),
    "gold as text": (passage(questions=[question(gold="0")]), "questions[0].gold must be a whole number"),
    "gold as truth value": (
        passage(questions=[question(gold=True)]),
        "questions[0].gold must be a whole number",
    ),
    "distractor is gold": (
        passage(questions=[question(distractor=0)]),
        "questions[0]: distractor and gold are the same answer",
    ),
    "distractor out of range": (
        passage(questions=[question(distractor=9)]),
        "questions[0]: distractor is 9, but the 3 answers are counted from 0 to 2",
    ),
    "equal answers": (
        passage(questions=[question(answers=["Bob did", "Alice", " Bob  did"])]),
        "questions[0].answers holds the same answer twice, at 0 and 2 (counted from 0)",
    ),
    "one answer": (passage(questions=[question(answers=["Alice"])]), "needs at least 2 answers"),
    "no questions": (passage(questions=[]), "questions needs at least 1 question"),
    "questions not a list": (passage(questions="q1"), "questions must be a list"),
    "question not an object": (passage(questions=["q1"]), "questions[0] must be an object"),
    "same question id in a passage": (
        passage(questions=[question(), question()]),
        'questions holds the id "q1" twice',
    ),
    "a flaw planted for no answer": (
        passage(questions=[question(planted=[flawed(answer=3)])]),
        "questions[0]: planted: 3 is not the place of one of the 3 answers",
    ),
    "two flaws planted for one answer": (
        passage(questions=[question(planted=[flawed(), flawed()])]),
        "questions[0]: planted: give one argument for answer 1, not several",
    ),
    "a flaw of no known kind": (
        passage(questions=[question(planted=[flawed(kind="typo")])]),
        "questions[0].planted[0].kind must be 'false-claim' or 'misused-quote'",
    ),
    "a misused quote that is none": (
        passage(questions=[question(planted=[flawed(kind="misused-quote")])]),
        "put four words or more of the text between <quote> and </quote>, or call it a false-claim",
    ),
    "a flaw without its reference": (
        passage(questions=[question(planted=[flawed(reference=" ")])]),
        "questions[0].planted[0].reference is empty",
    ),
    "unknown key of a planted flaw": (
        passage(questions=[question(planted=[flawed(flaw="x")])]),
        'unknown key "flaw" in questions[0].planted[0]; the nearest one is "',
    ),
    "a planted flaw among the rest": (
        passage(questions=[question(meta={"planted": []})]),
        "questions[0]: meta.planted: put planted beside meta, not into it",
    ),
    "NUL in the text": (passage(text="a\0b"), "text holds a NUL character"),
    "NUL deep in meta": (passage(meta={"a": [{"b\0": 1}]}), "meta holds a NUL character"),
    "url that is code": (passage(url="javascript:alert(1)"), "url must begin with http:// or https://"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_line_is_named_with_its_reason_and_hides_no_other_line(tmp_path: Path, case: str) -> None:
    row, reason = BAD_ROWS[case]
    before = passage(id="before", questions=[question(id="qb")])
    after = passage(id="after", questions=[question(id="qa")])

    found = read_rows(tmp_path, before, row, after)

    assert [one.key for one in found.passages] == ["before", "after"]
    (sentence,) = sentences(found)
    assert sentence.startswith("set.jsonl, line 2: ")
    assert reason in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_backslash_followed_by_u0000_in_meta_is_no_nul(tmp_path: Path) -> None:
    assert read_rows(tmp_path, passage(meta={"a": "\\u0000"})).problems == ()


def test_every_problem_of_a_line_is_collected(tmp_path: Path) -> None:
    found = read_rows(tmp_path, passage(text="", titel="x", questions=[question(gold=5), question(id="")]))
    assert len(found.problems) == 4


BAD_BYTES: dict[str, tuple[bytes, str]] = {
    "not JSON": (b'{"id" "p1"}\n', "line 2: this is not valid JSON: "),
    "lone surrogate": (b'{"id": "\\ud800"}\n', "line 2: this is not valid JSON: "),
    "not an object": (b"[1, 2]\n", "line 2: a line must hold a JSON object"),
    "Latin-1": (b'{"id": "caf\xe9"}\n', "line 2: byte 12 of the line (0xE9) is not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_an_unreadable_line_is_named_and_hides_no_other_line(tmp_path: Path, case: str) -> None:
    line, reason = BAD_BYTES[case]
    first = json.dumps(passage()).encode() + b"\n"
    last = json.dumps(passage(id="p2", questions=[question(id="q2")])).encode()

    found = read(tmp_path, first + line + last)

    assert [one.key for one in found.passages] == ["p1", "p2"]
    (sentence,) = sentences(found)
    assert reason in sentence


@given(cut=st.integers(min_value=1))
def test_a_file_that_breaks_off_says_so_wherever_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    line = json.dumps(passage(title="Née à Orléans"), ensure_ascii=False).encode()
    content = line + b"\n" + line[: 1 + cut % (len(line) - 1)]

    found = read(tmp_path_factory.mktemp("cut"), content)

    assert len(found.passages) == 1
    (sentence,) = sentences(found)
    assert "line 2: the file breaks off in the middle of this line" in sentence


def test_a_passage_id_used_twice_is_a_problem_of_the_later_line(tmp_path: Path) -> None:
    other_questions = [question(id="q2")]
    same = passage(questions=other_questions)
    different = passage(text="Another text.", questions=other_questions)

    found = read_rows(tmp_path, passage(), same, different)

    assert len(found.passages) == 1
    assert sentences(found) == [
        'set.jsonl, line 2: the passage id "p1" is already that of line 1; give all its questions in one line.',
        'set.jsonl, line 3: the passage id "p1" is already that of line 1; its text differs there.',
    ]


def test_a_question_id_used_in_an_earlier_line_is_a_problem(tmp_path: Path) -> None:
    found = read_rows(tmp_path, passage(), passage(id="p2"))

    assert [one.key for one in found.passages] == ["p1"]
    assert sentences(found) == ['set.jsonl, line 2: the question id "q1" is already used in line 1.']


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    line = json.dumps(passage()).encode()
    assert len(read(tmp_path, b"\xef\xbb\xbf" + line + b"\r\n\r\n").passages) == 1


def test_line_numbers_count_blank_lines(tmp_path: Path) -> None:
    assert read(tmp_path, b"\n\n[]\n").problems[0].line == 3


def test_utf_16_is_named_once(tmp_path: Path) -> None:
    found = read(tmp_path, (json.dumps(passage()) + "\n").encode("utf-16") * 3)
    assert sentences(found) == ["set.jsonl, line 1: the file is in UTF-16; save it as UTF-8."]


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_with_nothing_in_it_is_a_problem(tmp_path: Path, content: bytes) -> None:
    assert sentences(read(tmp_path, content)) == ["set.jsonl: the file holds no passage."]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "this is a directory; name a file"),
        (lambda path: path.symlink_to("/dev/null"), "this is not a file that can be read through"),
    ],
)
def test_what_is_not_a_file_is_a_problem(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    make(tmp_path / "set.jsonl")
    assert sentences(read_tasks(tmp_path / "set.jsonl")) == [f"set.jsonl: {reason}."]


def test_an_endless_line_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taskfile, "MAX_LINE_BYTES", 2**20)
    found = read(tmp_path, b" " * (3 * 2**20))
    assert sentences(found) == [
        "set.jsonl, line 1: the line is longer than 1 MB; put one passage on each line."
    ]


def test_shapes_cannot_be_changed_and_check_themselves() -> None:
    sound = TaskQuestion(key="q", text="Why?", answers=("a", "b"), gold=1)
    with pytest.raises(ValidationError, match="frozen"):
        sound.gold = 0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="distractor and gold"):
        TaskQuestion(key="q", text="Why?", answers=("a", "b"), gold=1, distractor=1)


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30).filter(
    lambda text: re.search(r"\S", text) is not None and text.strip() != ""
)
metas = st.dictionaries(
    texts,
    st.recursive(st.none() | st.booleans() | texts, lambda inner: st.lists(inner, max_size=3)),
    max_size=3,
)


@st.composite
def questions(draw: st.DrawFn, key: str) -> TaskQuestion:
    answers = draw(st.lists(texts, min_size=2, max_size=5, unique_by=lambda text: " ".join(text.split())))
    gold, *others = draw(st.permutations(range(len(answers))))
    distractor = draw(st.none() | st.sampled_from(others))
    return TaskQuestion(
        key=key, text=draw(texts), answers=tuple(answers), gold=gold, distractor=distractor, meta=draw(metas)
    )


@st.composite
def task_sets(draw: st.DrawFn) -> tuple[TaskPassage, ...]:
    return tuple(
        TaskPassage(
            key=f"p{number}",
            title=draw(texts),
            text=draw(texts),
            author=draw(st.none() | texts),
            license=draw(st.none() | texts),
            meta=draw(metas),
            questions=tuple(
                draw(questions(f"q{number}.{place}")) for place in range(draw(st.integers(1, 3)))
            ),
        )
        for number in range(draw(st.integers(1, 4)))
    )


@given(passages=task_sets())
def test_what_is_written_is_read_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, passages: tuple[TaskPassage, ...]
) -> None:
    lines = [one.model_dump_json(by_alias=True) for one in passages]
    assert all(SCHEMA.is_valid(json.loads(line)) for line in lines)

    found = read(tmp_path_factory.mktemp("set"), "\n".join(lines).encode())

    assert found == TaskFile(passages=passages, problems=())


def test_the_schema_in_the_docs_is_current() -> None:
    """If not: python -m app.exchange.taskfile > docs/formats/tasks.schema.json."""
    assert (DOCS / "tasks.schema.json").read_text(encoding="utf-8") == schema_text()


# ── twins ───────────────────────────────────────────────────────────────────────────────────────────────────────


def pair(**changes: Any) -> tuple[Row, Row]:
    """A passage and its twin, with changes in the twin or in its only question."""
    asked = {key: value for key, value in changes.items() if key in TaskQuestion.model_fields}
    asked = {("question" if key == "text" else key): value for key, value in asked.items()}
    own = {key: value for key, value in changes.items() if key not in TaskQuestion.model_fields}
    twin = passage(
        id="p2",
        twin_of="p1",
        text="Bob lied to Alice.",
        questions=[question(id="q2", **{"gold": 1, **asked})],
    )
    return passage(), twin | own


def test_twins_are_read_wherever_they_stand_in_the_file(tmp_path: Path) -> None:
    first, twin = pair()
    for rows in ((first, twin), (twin, first)):
        found = read_rows(tmp_path, *rows)
        assert found.problems == ()
        assert {one.key: one.twin_of for one in found.passages} == {"p1": None, "p2": "p1"}


def test_a_missing_distractor_becomes_gold_of_the_twin_where_there_are_more_than_two_answers(
    tmp_path: Path,
) -> None:
    first, twin = pair()
    found = {one.key: one.questions[0] for one in read_rows(tmp_path, first, twin).passages}
    assert (found["p1"].gold, found["p1"].distractor) == (0, 1)
    assert (found["p2"].gold, found["p2"].distractor) == (1, 0)

    named = passage(questions=[question(distractor=1)])
    assert [one.questions[0].distractor for one in read_rows(tmp_path, named, twin).passages] == [1, 0]

    two = {"answers": ["Alice", "Bob"]}
    plain = read_rows(
        tmp_path,
        passage(questions=[question(**two)]),
        {**twin, "questions": [question(id="q2", gold=1, **two)]},
    )
    assert [one.questions[0].distractor for one in plain.passages] == [None, None]


BAD_TWINS: dict[str, tuple[tuple[Row, ...], int, str]] = {
    "no such passage": (
        pair(twin_of="p9"),
        2,
        'twin_of is "p9", and no good passage of the file has this id',
    ),
    "of itself": (pair(twin_of="p2"), 2, 'twin_of is "p2", the passage itself: name another passage'),
    "of a twin": (
        (*pair(), {**pair()[1], "id": "p3", "twin_of": "p2", "questions": [question(id="q3")]}),
        3,
        'twin_of is "p2", which is itself a twin: name a passage that is none',
    ),
    "a second twin": (
        (*pair(), {**pair()[1], "id": "p3", "questions": [question(id="q3", gold=1)]}),
        3,
        'the passage "p1" already has the twin of line 2: a passage has one twin',
    ),
    "the same text": (
        (passage(), {**pair()[1], "text": "Alice lied to Bob."}),
        2,
        'the text is that of "p1": change in it what its questions turn on',
    ),
    "fewer questions": (
        (passage(questions=[question(), question(id="q1b")]), pair()[1]),
        2,
        'a twin has the same questions, but it has 1 and "p1" has 2',
    ),
    "another question": (
        pair(text="Who stole?"),
        2,
        'questions[0]: its wording is not that of the question "q1" of its twin: give both the same, word for word',
    ),
    "other answers": (
        pair(answers=["Alice", "Charlie", "Bob"]),
        2,
        'questions[0]: its answers are not those of the question "q1" of its twin: give both the same, word for word '
        "and in the same order",
    ),
    "the same gold": (
        pair(gold=0),
        2,
        'questions[0]: gold is also that of the question "q1" of its twin: the answers that are right must differ',
    ),
    "another distractor": (
        pair(distractor=2),
        2,
        'questions[0]: distractor must be 0, the gold of the question "q1" of its twin',
    ),
    "gold is not the named distractor": (
        (passage(questions=[question(distractor=2)]), pair()[1]),
        2,
        'questions[0]: gold must be 2, the distractor of the question "q1" of its twin',
    ),
}


@pytest.mark.parametrize("case", BAD_TWINS)
def test_a_passage_that_is_no_twin_is_named_and_left_out(tmp_path: Path, case: str) -> None:
    rows, line, reason = BAD_TWINS[case]
    found = read_rows(tmp_path, *rows)
    assert sentences(found) == [f"set.jsonl, line {line}: {reason}."]
    assert rows[line - 1]["id"] not in {one.key for one in found.passages}
    assert len(found.passages) == len(rows) - 1


def test_a_twin_whose_passage_is_bad_is_a_problem_too(tmp_path: Path) -> None:
    _, twin = pair()
    found = read_rows(tmp_path, passage(title=""), twin)
    assert sentences(found) == [
        "set.jsonl, line 1: title is empty.",
        'set.jsonl, line 2: twin_of is "p1", and no good passage of the file has this id.',
    ]


@pytest.mark.parametrize(
    "case", ["unknown key", "empty passage", "one answer", "no questions", "negative gold", "gold as text"]
)
def test_the_schema_refuses_what_the_reader_refuses(case: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(BAD_ROWS[case][0])


def test_the_example_in_the_docs_is_sound(tmp_path: Path) -> None:
    page = (DOCS / "tasks.md").read_text(encoding="utf-8")
    examples = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    lines = [json.dumps(json.loads(example)) for example in examples]

    found = read(tmp_path, "\n".join(lines).encode())

    assert examples
    assert found.problems == ()


def test_the_docs_name_every_key() -> None:
    page = (DOCS / "tasks.md").read_text(encoding="utf-8")
    for shape in (TaskPassage, TaskQuestion, PlantedFlaw):
        for name, field in shape.model_fields.items():
            assert f"`{field.alias or name}`" in page
