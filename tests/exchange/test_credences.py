"""Credences after each section: a table becomes an archive, and a bad row is named with its line."""

from pathlib import Path

import pytest

from app.exchange.archive import Archive
from app.exchange.credences import COLUMNS, read_credences

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "credences.md"
EXAMPLE = PAGE.read_text("utf-8").partition("```csv\n")[2].partition("```")[0]


def read(tmp_path: Path, text: str) -> Archive:
    path = tmp_path / "table.csv"
    path.write_text(text, "utf-8")
    return read_credences(path)


def test_the_example_of_the_documentation_is_an_archive(tmp_path: Path) -> None:
    found = read(tmp_path, EXAMPLE)
    assert found.problems == ()
    [trial], [verdict] = found.trials, found.verdicts
    assert [[(turn.seat, turn.text) for turn in step] for step in trial.transcript] == [
        [("debater_a", "The evidence is strong."), ("debater_b", "The evidence is weak.")]
    ]
    assert trial.argues == {"debater_a": 0, "debater_b": 1}
    assert verdict.beliefs == ((0.5, 0.5), (0.3, 0.7))
    assert (verdict.judge, verdict.seconds, verdict.reason) == ("J1", 40, "B was clearer.")
    [question] = found.passages[0].questions
    assert (question.text, question.answers, question.gold) == ("Is the claim true?", ("Yes", "No"), 1)


def test_every_column_is_explained() -> None:
    text = PAGE.read_text("utf-8")
    assert [column for column in COLUMNS if f"`{column}`" not in text] == []


def test_the_least_table_is_enough(tmp_path: Path) -> None:
    found = read(tmp_path, "trial,judge,section,credence\nd1,J1,1,0.25\nd1,J2,1,1\n")
    assert found.problems == ()
    assert [(verdict.judge, verdict.belief) for verdict in found.verdicts] == [
        ("J1", (0.25, 0.75)),
        ("J2", (1, 0)),
    ]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            "d1,J1,1,0.2\nd1,J1,1,0.3\n",
            'line 3: the judge "J1" has section 1 of the trial "d1" after section 1, in line 2',
        ),
        ("d1,J1,1,85\n", 'line 2: credence is "85": write a number from 0 to 1'),
        ("d1,J1,1,high\n", 'line 2: credence is "high"'),
        ("d1,J1,one,0.5\n", 'line 2: section is "one"'),
        ("d1,,1,\n", "line 2: the row has neither a judge nor a text"),
        (",J1,1,0.5\n", "line 2: trial is empty"),
        (
            "d1,J1,1,0.5\nd1,J2,1\n",
            "line 3: the row has not as many cells as the header; the file may break off there",
        ),
        ('d1,J1,1,"0.5\n', "line 2: the row cannot be read"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, rows: str, says: str) -> None:
    found = read(tmp_path, f"trial,judge,section,credence\n{rows}")
    assert len(found.problems) == 1
    assert says in str(found.problems[0])


def test_a_bad_header_is_named(tmp_path: Path) -> None:
    assert 'the column "credence" is missing' in str(read(tmp_path, "trial,judge,section\n").problems[0])
    assert 'there is no column "belief"' in str(read(tmp_path, "trial,judge,section,belief\n").problems[0])
