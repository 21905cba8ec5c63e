"""LLMBar and JudgeBench in small: pairs, and verdicts in both orders."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from app.exchange.archive import Archive
from app.exchange.pairwise import read_judgebench, read_llmbar

Row = dict[str, Any]


def item(number: int, label: int = 1, **changes: Any) -> Row:
    return {"input": f"Task {number}", "output_1": "One.", "output_2": "Two.", "label": label, **changes}


def judged(given: Row, first: str | None, second: str | None) -> Row:
    """An item as a judge read it: the winner in the order given, and in the other."""
    both = {
        f"swap = {swap}": {"completion": [f"{winner} wins", "stop"], "winner": winner}
        for swap, winner in ((False, first), (True, second))
    }
    return {**given, "results": [both]}


def llmbar(tmp_path: Path, items: list[Row], **judges: list[Row]) -> Path:
    path = tmp_path / "llmbar.tar.gz"
    files = {"LICENSE": b"MIT", "Dataset/LLMBar/Natural/dataset.json": json.dumps(items).encode()}
    for judge, rows in judges.items():
        files[f"Dataset/LLMBar/Natural/evaluators/{judge}/CoT/result.json"] = json.dumps(rows).encode()
        files[f"Dataset/LLMBar/Natural/evaluators/{judge}/CoT/statistics.json"] = b"{}"
    with tarfile.open(path, "w:gz") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def beliefs(found: Archive, judge: str) -> list[tuple[str, tuple[int, ...] | None, tuple[float, ...]]]:
    return [(each.trial, each.order, each.belief) for each in found.verdicts if each.judge == judge]


def test_a_judge_of_llmbar_has_a_verdict_in_each_order(tmp_path: Path) -> None:
    items = [item(1), item(2, label=2)]
    rows = [judged(items[0], "1", "2"), judged(items[1], None, "2")]
    found = read_llmbar(llmbar(tmp_path, items, Solo=rows))
    assert found.problems == ()
    assert [arm.name for arm in found.arms] == ["natural-cot"]
    assert beliefs(found, "Solo") == [
        ("natural-cot-1", (0, 1), (1, 0)),
        ("natural-cot-1", (1, 0), (0, 1)),
        ("natural-cot-2", (0, 1), (0.5, 0.5)),
        ("natural-cot-2", (1, 0), (0, 1)),
    ]
    assert [question.gold for passage in found.passages for question in passage.questions] == [0, 1]
    assert found.verdicts[0].reason == "1 wins"
    assert "Task 1" in found.passages[0].questions[0].text


def test_verdicts_on_other_items_than_those_of_the_set_are_refused(tmp_path: Path) -> None:
    rows = [judged(item(2), "1", "2")]
    [problem] = read_llmbar(llmbar(tmp_path, [item(1)], Solo=rows)).problems
    assert "Natural/evaluators/Solo/CoT: its items are not those of dataset.json." in str(problem)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"label": 3}, "[0].label must be 1 or 2"),
        ({"output_2": "One."}, "answers holds the same answer twice"),
        ({"input": 5}, "[0].input must be text"),
    ],
)
def test_a_bad_item_of_llmbar_is_named(tmp_path: Path, changes: Row, says: str) -> None:
    bad = item(1, **changes)
    found = read_llmbar(llmbar(tmp_path, [bad], Solo=[judged(bad, "1", "2")]))
    assert says in "\n".join(map(str, found.problems))


def test_an_archive_without_llmbar_holds_no_trial(tmp_path: Path) -> None:
    path = tmp_path / "other.tar.gz"
    with tarfile.open(path, "w:gz"):
        pass
    assert "the file holds no trial" in str(read_llmbar(path).problems[0])


def compared(key: str, *decisions: str | None, label: str = "A>B", **changes: Any) -> Row:
    return {
        "pair_id": key,
        "source": "mmlu",
        "question": f"Q {key}",
        "response_A": "Yes.",
        "response_B": "No.",
        "label": label,
        "judge_name": "vanilla",
        "judgments": [None if each is None else {"decision": each} for each in decisions],
        **changes,
    }


def judgebench(
    tmp_path: Path, *rows: Row | str, name: str = "out,judge_name=x,judge_model=m-1.jsonl"
) -> Archive:
    path = tmp_path / name
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), "utf-8")
    return read_judgebench(path)


def test_the_second_judgment_of_judgebench_has_the_replies_exchanged(tmp_path: Path) -> None:
    found = judgebench(tmp_path, compared("a", "A>B", "A>B"), compared("b", "A=B", None, label="B>A"))
    assert found.problems == ()
    assert beliefs(found, "m-1") == [
        ("a-trial", (0, 1), (1, 0)),
        ("a-trial", (1, 0), (0, 1)),
        ("b-trial", (0, 1), (0.5, 0.5)),
        ("b-trial", (1, 0), (0.5, 0.5)),
    ]
    assert [question.gold for passage in found.passages for question in passage.questions] == [0, 1]


def test_a_judge_of_judgebench_may_have_read_one_order(tmp_path: Path) -> None:
    found = judgebench(tmp_path, compared("a", "B>A"), name="reward.jsonl")
    assert beliefs(found, "vanilla") == [("a-trial", (0, 1), (0, 1))]


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (compared("a", "A>B", "B>A"), 'line 2: the passage id "a" is already that of line 1'),
        (compared("b", "A>B", label="A=B"), "line 2: label must be 'A>B' or 'B>A'"),
        (compared("b", "A>B", response_B="Yes."), "line 2: the pair \"b\" cannot be used"),
        ('{"pair_id": "b", "judg', "line 2: the file breaks off in the middle of this line"),
    ],
)  # fmt: skip
def test_a_bad_line_of_judgebench_is_named(tmp_path: Path, second: Row | str, says: str) -> None:
    found = judgebench(tmp_path, compared("a", "A>B", "B>A"), second)
    assert says in str(found.problems[0])
