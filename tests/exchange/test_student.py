"""The gap that a student recovers: by construction, against the formula, and with files that are bad."""

import json
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from app.exchange.choices import Format, What
from app.exchange.options import Options
from app.exchange.outgoing import send_out
from app.exchange.student import PgrRefused, StudentGap, student_gap
from app.records.database import Database
from models import Experiment
from tests.factories import finished, passage, spec

PASSAGES = [passage(f"Ship {number}", 2) for number in range(12)]


async def judged(database: Database) -> Experiment:
    """An expert who is nearly always right, and a supervisor who throws dice."""
    return await finished(database, *PASSAGES, data=spec(judges=["lexical", "dice"]))


def written(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


async def table(
    database: Database, experiment: Experiment, what: What, **options: Any
) -> list[dict[str, Any]]:
    import io

    from app.exchange.export import export

    stream = io.BytesIO()
    await export(database, experiment, what, Format.JSONL, stream, options=Options(**options))
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


async def gap(database: Database, experiment: Experiment, path: Path, **ends: Any) -> StudentGap:
    async with database.session() as session:
        return await student_gap(session, experiment, path, **ends)


async def test_gold_recovers_all_the_supervisor_nothing_and_chance_less(
    database: Database, tmp_path: Path
) -> None:
    experiment = await judged(database)
    gold = await table(database, experiment, What.GOLD_LABELS)
    top = written(tmp_path / "gold.jsonl", *({**row, "label": row["gold"]} for row in gold))
    weak = await table(database, experiment, What.WEAK_LABELS, arms={"naive"}, judges={"dice"})
    imitated = written(tmp_path / "weak.jsonl", *weak)
    ends = {"floor": "naive", "ceiling": str(top), "judge": "dice"}
    assert (await gap(database, experiment, top, **ends)).gap.value == 1
    same = (await gap(database, experiment, imitated, **ends)).gap
    assert (same.value, same.low, same.high) == (0, 0, 0)
    wrong = written(tmp_path / "wrong.jsonl", *({**row, "label": 1 - row["gold"]} for row in gold))
    worse = await gap(database, experiment, wrong, **ends)
    assert worse.gap.value is not None
    assert worse.gap.value < 0
    assert "recovers -" in worse.sentence


async def test_the_gap_is_that_of_the_formula_with_an_interval(database: Database, tmp_path: Path) -> None:
    experiment = await judged(database)
    gold = await table(database, experiment, What.GOLD_LABELS)
    random = Random(3)
    top = written(tmp_path / "gold.jsonl", *({**row, "label": row["gold"]} for row in gold))
    some = written(
        tmp_path / "some.jsonl",
        *(
            {"question": row["question"], "answer": row["answers"][row["gold"] ^ (random.random() < 0.2)]}
            for row in gold
        ),
    )
    found = await gap(database, experiment, some, floor="naive", ceiling=str(top), judge="dice")
    student, low, high = (found.accuracy(who) or 0 for who in (found.student, found.floor, found.ceiling))
    value, interval = found.gap.value, (found.gap.low, found.gap.high)
    assert value == pytest.approx((student - low) / (high - low))
    assert None not in interval
    assert (interval[0] or 0) <= value <= (interval[1] or 0)
    assert (found.passages, len(found.common)) == (12, 24)
    made = found.as_json()
    assert (made["pgr"], made["questions"], made["student"]["name"]) == (value, 24, "some.jsonl")
    assert found.sentence.startswith(f"The student recovers {100 * value:.1f}% of the gap (95% interval ")


BAD = {
    "an unknown question": ({"question": "none", "label": 0}, 'no question "none"'),
    "a label that is none": ({"question": "Ship 0-q1", "label": 2}, "label is 2, but the 2 answers"),
    "a negative label": ({"question": "Ship 0-q1", "label": -1}, "label is -1"),
    "an answer that is none": ({"question": "Ship 0-q1", "answer": "Fog."}, '"Fog." is none of the answers'),
    "no prediction": ({"question": "Ship 0-q1"}, "answer, label or belief is missing"),
    "beliefs that do not sum to 1": (
        {"question": "Ship 0-q1", "belief": [0.4, 0.4]},
        "belief sums to 0.8, not to 1",
    ),
    "too many beliefs": ({"question": "Ship 0-q1", "belief": [0.4, 0.3, 0.3]}, "belief has 3 probabilities"),
    "a negative belief": ({"question": "Ship 0-q1", "belief": [-0.5, 1.5]}, "belief[0] must be at least 0"),
    "what is no number": ('{"question": "Ship 0-q1", "belief": [NaN, 1]}\n', "not valid JSON"),
    "a file that breaks off": ('{"question": "Ship 0-q1", "lab', "breaks off in the middle of this line"),
}


async def test_bad_files_are_refused_with_the_number_of_the_line(database: Database, tmp_path: Path) -> None:
    experiment = await judged(database)
    good = {"question": "Ship 1-q1", "label": 0}
    for line, said in BAD.values():
        path = written(tmp_path / "bad.jsonl", good, line)
        with pytest.raises(PgrRefused) as refused:
            await gap(database, experiment, path, judge="dice")
        [first, last] = str(refused.value).splitlines()
        assert first.startswith("bad.jsonl, line 2: ")
        assert said in first
        assert last == "Nothing was computed."
    twice = written(tmp_path / "twice.jsonl", good, good)
    with pytest.raises(PgrRefused, match=r"line 2: the question .* is already predicted in line 1"):
        await gap(database, experiment, twice, judge="dice")
    with pytest.raises(PgrRefused, match="this is a directory"):
        await gap(database, experiment, tmp_path, judge="dice")


async def test_ends_are_named_where_they_are_not_plain(database: Database, tmp_path: Path) -> None:
    experiment = await judged(database)
    path = written(tmp_path / "p.jsonl", {"question": "Ship 1-q1", "label": 0})
    for ends, said in (
        ({}, "name one of dice, lexical with --judge"),
        ({"judge": "me"}, "The judge me did not judge the arm naive"),
        ({"floor": "none"}, "--floor none is neither a judged arm"),
    ):
        with pytest.raises(PgrRefused, match=said):
            await gap(database, experiment, path, **ends)


async def test_the_files_of_labels_are_what_the_command_writes(database: Database, tmp_path: Path) -> None:
    experiment = await judged(database)
    path = tmp_path / "labels.jsonl"
    only = Options(arms={"naive"}, judges={"dice"})
    await send_out(database, experiment, What.WEAK_LABELS, Format.JSONL, path, only)
    found = await gap(database, experiment, path, floor=str(path), judge="dice")
    assert found.gap.value in (0, None)
