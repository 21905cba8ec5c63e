"""People's verdicts of Khan et al. 2024, from a small file with the columns of its readme."""

import csv
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.exchange.archive import Archive
from app.exchange.khan_study import IN_PAPER, NEEDED, read_khan
from app.exchange.published import PUBLISHED
from app.exchange.reproduce import reproduce
from app.protocols.quotes import Status
from app.records.database import Database

ROUNDS = [
    {
        "correct": "It was <v_quote>the pilot</v_quote>.",
        "incorrect": "<u_quote>Fog</u_quote> it was.",
        "judge": None,
    }
]


def row(number: int = 1, **changes: Any) -> dict[str, Any]:
    rounds = changes.pop("rounds", ROUNDS)
    talk = {"answers": {"correct": "Pilot", "incorrect": "Fog"}, "names": {}, "rounds": rounds, "swap": False}
    plain = {
        "debate_id": f"d{number}",
        "judge_id": "7",
        "experiment_name": "Experiment 8",
        "story_title": "The ferry",
        "question": "Why was it late?",
        "debate_method": "debate",
        "consultant_type": "",
        "interactive_judge": "False",
        "swap": "False",
        "confidence_correct": "0.9",
        "judgement_time": "2024-01-10 12:00:00",
        "explanation": "The quote.",
        "transcript": json.dumps(talk),
        "quality_source": "Gutenberg",
    }
    return plain | changes


def as_csv(*rows: dict[str, Any]) -> str:
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, [*NEEDED, "quality_source"])
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def read(tmp_path: Path, *rows: dict[str, Any]) -> Archive:
    path = tmp_path / "human_feedback.csv.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("human_feedback.csv", as_csv(*rows))
    return read_khan(path)


def test_a_row_is_a_verdict_on_a_debate(tmp_path: Path) -> None:
    found = read(tmp_path, row(), row(judge_id="8", confidence_correct="30"))
    assert found.problems == ()
    [trial] = found.trials
    assert (trial.arm, trial.answers, trial.flags) == ("debate-static", (0, 1), {IN_PAPER: True})
    assert [(each.judge, each.belief) for each in found.verdicts] == [
        ("judge 7", pytest.approx((0.9, 0.1))),
        ("judge 8", pytest.approx((0.3, 0.7))),
    ]
    said = {turn.seat: turn.text for turn in trial.transcript[0]}
    assert said == {"debater_a": "It was the pilot.", "debater_b": "Fog it was."}
    assert [quote.status for quote in found.said["d1", 0, "debater_a"].quotes] == [Status.EXACT]
    assert [quote.status for quote in found.said["d1", 0, "debater_b"].quotes] == [Status.ABSENT]


def test_exchanged_answers_are_in_the_order_that_the_judge_saw(tmp_path: Path) -> None:
    found = read(tmp_path, row(swap="True"))
    [trial], [verdict] = found.trials, found.verdicts
    assert (trial.answers, verdict.belief) == ((1, 0), (pytest.approx(0.1), 0.9))
    assert {turn.seat: turn.text for turn in trial.transcript[0]}["debater_b"] == "It was the pilot."


def test_consultants_argue_for_one_answer_and_interactive_judges_take_part(tmp_path: Path) -> None:
    talk = [{"correct": None, "incorrect": "Fog.", "judge": "Why?"}]
    some = {"debate_method": "consultancy", "consultant_type": "incorrect", "interactive_judge": "True"}
    [trial] = read(tmp_path, row(rounds=talk, **some)).trials
    assert (trial.arm, trial.argues, trial.judge) == ("consultancy-interactive", {"consultant": 1}, "judge 7")
    assert [turn.seat for step in trial.transcript for turn in step] == ["consultant", "judge"]


def test_what_is_in_the_paper_is_flagged_and_what_was_bugged_is_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        row(1),
        row(2, judgement_time="2024-01-24 23:00:00"),
        row(3, judgement_time="2024-01-25 00:30:00"),
        row(4, experiment_name="Experiment 8_v0"),
        row(5, experiment_name="Experiment 3", swap="True"),
        row(6, experiment_name="Experiment 3"),
    )
    assert {trial.key: trial.flags[IN_PAPER] for trial in found.trials} == {
        "d1": True,
        "d2": True,
        "d3": False,
        "d4": False,
        "d6": False,
    }
    assert found.filtered == {"with the worst argument chosen by mistake": 1}
    assert {trial.arm for trial in found.trials} == {"debate-static", "debate-static-8-v0", "debate-static-3"}


async def test_the_published_figures_are_compared(database: Database, tmp_path: Path) -> None:
    alone = {"debate_method": "baseline", "experiment_name": "Experiment 9", "rounds": []}
    advised = {"debate_method": "consultancy"}
    path = tmp_path / "human_feedback.csv"
    rows = [
        *(row(number, judge_id=str(number)) for number in range(1, 23)),
        *(row(number, confidence_correct="0.2") for number in range(23, 26)),
        row(30, consultant_type="correct", **advised),
        row(31, consultant_type="incorrect", confidence_correct="0.1", **advised),
        *(
            row(40 + number, confidence_correct=p, **alone)
            for number, p in enumerate(("0.8", "0.7", "0.9", "0.2", "0.1"))
        ),
    ]
    path.write_text(as_csv(*rows), "utf-8")
    async with database.session() as session:
        found = await reproduce(session, PUBLISHED["khan-2024"], path)
    assert [(each.here, each.matches) for each in found.rows] == [
        ("88.0%", True),
        ("50.0%", False),
        ("60.0%", True),
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"transcript": "{"}, "line 2: transcript is not valid JSON"),
        ({"transcript": "{}"}, "line 2: transcript: answers is missing"),
        ({"judgement_time": "soon"}, 'judgement_time is "soon"'),
        ({"confidence_correct": "150"}, "belief[0] must be at most 1"),
        ({"confidence_correct": ""}, 'confidence_correct is "", which is no number'),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    assert says in str(read(tmp_path, row(**changes)).problems[0])


def test_what_is_not_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "human_feedback.csv.zip"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "pointer of Git LFS" in str(read_khan(path).problems[0])
    path.write_text("a,b\n1,2\n")
    assert "the column debate_id is missing" in str(read_khan(path).problems[0])


@pytest.mark.skipif("KHAN_2024" not in os.environ, reason="the file is not at hand: name it in KHAN_2024")
async def test_the_released_file_gives_the_published_figures(database: Database) -> None:
    async with database.session() as session:
        found = await reproduce(session, PUBLISHED["khan-2024"], Path(os.environ["KHAN_2024"]))
    assert found.matches, found.rows
