"""The checker of twinned task sets: what it accepts, and the sentence for each problem."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app.exchange.taskfile import TaskPassage
from scripts import check_sample
from scripts.check_sample import main, problems, shares

Row = dict[str, Any]
ANSWERS = ("The pilot had overslept", "The winch had jammed")


def said(answer: str) -> str:
    return answer[0].lower() + answer[1:]


def pair(key: str) -> tuple[Row, Row]:
    """A passage and its twin with two questions, about the morning and the evening."""
    filler = [f"Sentence {number} of {key} is about herring." for number in range(20)]
    times = ("morning", "evening")

    def passage(gold: int) -> Row:
        parts, questions = [], []
        for at, time in enumerate(times):
            evidence = f"The harbour log of {time} on {key} shows that {said(ANSWERS[gold])}."
            bait = f"A herring seller of {time} on {key} swore that {said(ANSWERS[1 - gold])}."
            order = [evidence, bait] if at else [bait, evidence]
            parts += [" ".join(order), " ".join(filler[at * 10 : at * 10 + 10])]
            argument = f"It is plain, for <quote>{bait[:-1]}</quote>, and nobody was nearer."
            flaw = {
                "answer": 1 - gold,
                "argument": argument,
                "kind": "false-claim",
                "reference": "The log shows otherwise.",
            }
            questions.append(
                {
                    "id": f"{key}-{gold}-{time}",
                    "question": f"Why did the ferry leave late that {time}?",
                    "answers": list(ANSWERS),
                    "gold": gold,
                    "distractor": 1 - gold,
                    "meta": {"evidence": [evidence], "bait": [bait]},
                    "planted": [flaw],
                }
            )
        return {"id": f"{key}-{gold}", "title": key, "text": "\n\n".join(parts), "questions": questions}

    return passage(0), passage(1) | {"twin_of": f"{key}-0"}


def good() -> list[Row]:
    return [*pair("Alba"), *pair("Brise")]


def parsed(rows: list[Row]) -> list[TaskPassage]:
    return [TaskPassage.model_validate(row, by_name=False) for row in rows]


def test_a_good_set_has_no_problem() -> None:
    assert problems(parsed(good()), least_planted=4) == []


def lone(rows: list[Row]) -> None:
    del rows[1]


def idle(rows: list[Row]) -> None:
    rows[0]["text"] = rows[0]["text"].replace("Sentence 4 of Alba", "Verse 4 of Alba")


def far(rows: list[Row]) -> None:
    evidence = rows[0]["questions"][0]["meta"]["evidence"][0]
    more = " ".join(f"It also says {number}." for number in range(20))
    rows[0]["text"] = rows[0]["text"].replace(evidence, f"{evidence} {more}")


def no_spans(rows: list[Row]) -> None:
    rows[0]["questions"][0]["meta"] = {"evidence": rows[0]["questions"][0]["meta"]["evidence"]}


def wrong_span(rows: list[Row]) -> None:
    rows[0]["questions"][0]["meta"]["bait"].append("A gull swore that it was so.")


def shared_evidence(rows: list[Row]) -> None:
    rows[0]["questions"][0]["meta"]["evidence"] = ["Sentence 0 of Alba is about herring."]


def long_answer(rows: list[Row]) -> None:
    for row in rows[:2]:
        row["questions"][1]["answers"][1] += " again and again and again"


def misquoted(rows: list[Row]) -> None:
    rows[3]["questions"][0]["planted"][0]["argument"] = (
        "So <quote>the gulls of Brise had seen it all</quote>."
    )


def few_planted(rows: list[Row]) -> None:
    for row in rows[:2]:
        del row["questions"][0]["planted"]


def told_by_place(rows: list[Row]) -> None:
    """In every text the evidence comes last."""
    for row in rows:
        evidence, bait = (row["questions"][1]["meta"][kind][0] for kind in ("evidence", "bait"))
        row["text"] = row["text"].replace(f"{evidence} {bait}", f"{bait} {evidence}")


def told_by_words(rows: list[Row]) -> None:
    """Every text has more of the words of its gold answer."""
    for row in rows:
        gold = said(ANSWERS[row["questions"][0]["gold"]])
        evidence = row["questions"][0]["meta"]["evidence"][0]
        row["text"] = row["text"].replace(evidence, f"{evidence} So {gold}.")


BAD: dict[str, tuple[Callable[[list[Row]], None], list[str]]] = {
    "no twin": (lone, ["Alba-0 has no twin."]),
    "an idle change": (
        idle,
        [
            'Alba-0 differs from its twin in the paragraph "Sentence 0 of Alba is about herring. Sentence 1 of Alba i…", in '
            "which nothing is evidence or bait."
        ],
    ),
    "too many changes": (
        far,
        ["Alba-0 has 45% of its sentences in common with its twin: at least 75% must be the same."],
    ),
    "no bait": (no_spans, ["Alba-0-morning names no bait in meta.bait."]),
    "a span that is not there": (
        wrong_span,
        ['Alba-0-morning names as bait "A gull swore that it was so.", which is not in its text.'],
    ),
    "evidence in both texts": (
        shared_evidence,
        ["Alba-0-morning has no evidence that is not in the twin's text too."],
    ),
    "answers of unlike length": (
        long_answer,
        [
            f"Alba-{gold}-evening is played with answers of 23 and 46 characters: bring them within 20%."
            for gold in (0, 1)
        ],
    ),
    "a quote that is not there": (
        misquoted,
        [
            'Brise-1-morning quotes "the gulls of Brise had seen it all" in an argument for answer 0, which is not in its text.'
        ],
    ),
    "few planted flaws": (few_planted, ["3 questions have planted flaws: at least 4 must have some."]),
    "evidence always last": (
        told_by_place,
        ["In 100% of the questions evidence comes after the last bait: bring it between 40% and 60%."],
    ),
    "gold's words in the text": (
        told_by_words,
        [
            "In 100% of the questions gold's own words are more often in the text: bring it between 40% and 60%."
        ],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_each_problem_has_its_sentence(case: str) -> None:
    change, expected = BAD[case]
    rows = good()
    before = deepcopy(rows)
    change(rows)
    assert rows != before
    found = problems(parsed(rows), least_planted=2 if case == "no twin" else 4)
    assert found == expected


def test_length_and_place_of_answers_are_balanced_by_twins_alone() -> None:
    rows = good()
    for row in rows:
        for question in row["questions"]:
            question["answers"][0] += " badly"
    found = shares([item for pair in check_sample.pairs(parsed(rows)) for item in check_sample.items(pair)])
    assert found["gold is the longer answer"] == 0.5
    assert found["gold is later in the list"] == 0.5


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[[list[Row]], Path]]:
    def write(rows: list[Row]) -> Path:
        path = tmp_path / "set.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def test_the_command_prints_a_table_and_says_whether_all_is_well(
    written: Callable[[list[Row]], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(check_sample, "LEAST_PLANTED", 4)
    path = written(good())
    assert main(path) == 0
    shown = capsys.readouterr().out
    assert "Alba-0" in shown
    assert "gold is the longer answer" in shown
    assert shown.endswith("\nNothing is wrong.\n")


def test_the_command_fails_with_the_problems_of_the_format_and_those_of_the_set(
    written: Callable[[list[Row]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = good()
    rows[1]["questions"][0]["gold"] = 0
    rows[1]["questions"][0]["distractor"] = 1
    assert main(written(rows)) == 1
    shown = capsys.readouterr().out
    assert "set.jsonl, line 2: questions[0]: gold is also that of" in shown
    assert "Alba-0 has no twin." in shown
    assert "Nothing is wrong" not in shown
