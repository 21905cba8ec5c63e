"""Tables of questions: what a spreadsheet writes becomes a task set, and what is wrong is said with its line."""

from pathlib import Path

import pytest

from app.exchange.importers import IMPORTERS
from app.exchange.task_table import COLUMNS, TEMPLATE, example, read_task_table

HEAD = "passage,question,right,wrong_1,wrong_2,title,passage_id"


def table(tmp_path: Path, *lines: str, name: str = "mine.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_template_is_a_table_that_can_be_imported_and_uses_known_columns() -> None:
    found = read_task_table(TEMPLATE)
    assert found.problems == ()
    assert [len(passage.questions) for passage in found.passages] == [2, 1]
    assert set(example()[0]) <= {*(column.name for column in COLUMNS), "wrong_2"}
    first = found.passages[0]
    assert (first.title, first.license) == ("The keeper's log", "CC0-1.0")
    assert first.questions[0].answers == ("A valve had cracked", "The oil was bad", "The keeper forgot it")
    assert first.questions[0].gold == 0


def test_the_same_file_gives_the_same_ids_in_any_order(tmp_path: Path) -> None:
    lines = ["One text.,Why?,A,B,,,", "Another text.,How?,C,D,,,"]
    one = read_task_table(table(tmp_path, HEAD, *lines))
    two = read_task_table(table(tmp_path, HEAD, *reversed(lines)))
    assert {passage.key for passage in one.passages} == {passage.key for passage in two.passages}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_may_separate_by_semicolon_or_tab_and_mark_the_beginning(
    tmp_path: Path, separator: str
) -> None:
    head = HEAD.replace(",", separator)
    row = separator.join(['"A text, with a comma; and\nlines."', "Why?", "A", "B", "", "T", "p1"])
    found = read_task_table(
        table(tmp_path, "\ufeff" + head, row, separator.join(["", "How?", "C", "D", "", "", "p1"]))
    )
    assert found.problems == ()
    [passage] = found.passages
    assert (passage.text, len(passage.questions)) == ("A text, with a comma; and\nlines.", 2)


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        (["question,answer", "Why?,A"], 1, "must name the columns passage, question, right and wrong_1"),
        (["question,answer", "Why?,A"], 1, "passage, right, wrong_1 are missing; begin with the template"),
        ([HEAD + ",colour"], 1, 'there is no column "colour"'),
        ([HEAD + ",title"], 1, 'the column "title" is there twice'),
        ([HEAD, "Text.,Why?,A"], 2, "the row has 3 cells and the header has 7"),
        ([HEAD, "Text.,,A,B,,,"], 2, "question is empty"),
        ([HEAD, ",Why?,A,B,,,"], 2, "passage is empty"),
        ([HEAD, "Text.,Why?,A,,,,"], 2, "a question needs a wrong answer"),
        ([HEAD, "Text.,Why?,A,B,A,,"], 2, "a wrong answer is the same as the right one"),
        ([HEAD, "Text.,Why?,A,B,,,p", "Other.,How?,A,B,,,p"], 3, "has another text in line 2"),
        ([HEAD], None, "no line below its header"),
    ],
)
def test_a_bad_table_says_what_is_wanted_and_where(
    tmp_path: Path, lines: list[str], line: int | None, reason: str
) -> None:
    found = read_task_table(table(tmp_path, *lines))
    assert found.passages == ()
    assert [(problem.line, reason in problem.reason) for problem in found.problems] == [(line, True)]


def test_a_passage_with_a_bad_line_is_left_out_whole_and_the_others_stay(tmp_path: Path) -> None:
    rows = ["Text.,Why?,A,B,,,p", ",How?,A,,,,p", "", "Other.,Who?,A,B,,,q"]
    found = read_task_table(table(tmp_path, HEAD, *rows))
    assert [passage.key for passage in found.passages] == ["q"]
    assert [problem.line for problem in found.problems] == [3]


def test_a_file_that_is_not_utf_8_says_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes((HEAD + "\nCafé.,Why?,A,B,,,").encode("latin-1"))
    assert "CSV UTF-8" in read_task_table(path).problems[0].reason


def test_a_csv_is_read_as_a_table_where_json_lines_were_chosen(tmp_path: Path) -> None:
    found = IMPORTERS["tasks"].read(table(tmp_path, HEAD, "Text.,Why?,A,B,,,"))
    assert (len(found.passages), found.problems) == (1, ())
