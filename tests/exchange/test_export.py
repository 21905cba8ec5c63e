"""Exports against real databases: what is in them, in which form, and what becomes of a file when something fails."""

import asyncio
import csv
import io
import os
import resource
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from hashlib import sha256
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from sqlalchemy import select, text, update

from app.csv_cells import FORMULA
from app.exchange import tabular
from app.exchange.choices import Format, What
from app.exchange.columns import SCHEMAS, described, dictionary
from app.exchange.export import export
from app.exchange.tabular import ExportRefused, arrow_schema
from app.experiments.freeze import judge_again
from app.experiments.spec import read_panel
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Content,
    Items,
    Note,
    Pick,
    Rating,
    Speech,
    Stance,
    Thought,
    answered,
)
from app.protocols.flaws import GRADES
from app.protocols.judging import Reading
from app.protocols.quotes import IndexedPassage, mark
from app.records import exports, plays
from app.records.database import Database
from app.records.group_commit import GroupCommit
from app.reports.report import report
from models import Experiment, Move, Participant, Trial
from tests.factories import finished, imported, passage, played, spec, started
from tests.servers import Script, ScriptedServer

DICTIONARY = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"
NAMES = [column.name for column in SCHEMAS[What.VERDICTS]]
SMALL = {
    "name": "small",
    "arms": {
        "naive": {"protocol": "naive"},
        "debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "advocate"}},
    },
}

Rows = list[dict[str, Any]]


async def rows_of(database: Database, experiment: Experiment, what: What, **options: bool) -> Rows:
    """An export as the rows of its JSON Lines."""
    stream = io.BytesIO()
    count = await export(database, experiment, what, Format.JSONL, stream, **options)
    rows = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert len(rows) == count
    return rows


async def small(database: Database, **changes: Any) -> Experiment:
    """One question, played under two arms."""
    return await finished(database, passage("Alba", questions=1), data=spec(**SMALL, **changes))


# ── what is in it ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_accuracy_in_the_report_can_be_computed_from_the_exported_verdicts(
    database: Database,
) -> None:
    experiment = await finished(database)
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row in await rows_of(database, experiment, What.VERDICTS):
        groups[row["arm"], row["judge"], row["question"], str(row["assignment"])].append(row["correct"])
    for _ in ("assignments", "questions"):
        means: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for place, scores in groups.items():
            means[place[:-1]].append(fmean(scores))
        groups = means
    async with database.session() as session:
        cells = (await report(session, experiment)).as_json()["cells"]
    assert len(cells) == 8
    for cell in cells:
        assert fmean(groups[cell["arm"], cell["judge"]]) == pytest.approx(cell["accuracy"])


@pytest.mark.outside
async def test_a_verdict_stands_with_gold_beliefs_by_step_and_who_argued_for_what(database: Database) -> None:
    rows = await rows_of(database, await small(database), What.VERDICTS)
    assert [(row["arm"], row["judge"], row["reading"]) for row in rows] == list(
        product(["debate", "naive"], ["dice", "lexical"], [0, 1])
    )
    for row in rows:
        assert row["answers"][row["gold"]] == "The pilot had overslept."
        assert row["p_gold"] == row["belief"][row["gold"]]
        assert row["beliefs"][-1] == row["belief"]
        assert row["reading_order"] == ([0, 1] if row["reading"] == 0 else [1, 0])
        assert (row["task_set"], row["passage"], row["question"]) == ("ferries", "Alba", "Alba-q1")
        assert row["judge_is_baseline"]
        assert (row["round"], row["round_added"]) == ("panel", False)
    debate, naive = rows[0], rows[-1]
    assert debate["argues"] == [{"seat": "debater_a", "answer": 0}, {"seat": "debater_b", "answer": 1}]
    assert [len(debate["beliefs"]), len(naive["beliefs"])] == [2, 1]
    assert (debate["arm_has_baseline"], naive["arm_has_baseline"]) == (True, False)
    assert debate["arm_digest"] != naive["arm_digest"]


@pytest.mark.outside
async def test_a_transcript_has_every_move_and_the_order_in_which_judges_read_them(
    database: Database,
) -> None:
    rows = await rows_of(database, await small(database), What.TRANSCRIPTS)
    debate, naive = rows
    assert debate["transcript"] == [["r1/debater_a", "r1/debater_b"]]
    moves = {move["path"]: move for move in debate["moves"]}
    assert set(moves) == {f"r1/debater_{side}{check}" for side, check in product("ab", ["", "/position"])}
    assert moves["r1/debater_a/position"]["stance"] == "holds"
    assert moves["r1/debater_a/position"]["text"] is None
    assert moves["r1/debater_b"]["participant"] == "advocate"
    assert (naive["moves"], naive["transcript"], naive["state"]) == ([], [], "done")


async def test_a_quote_points_at_its_words_in_speech_and_passage(database: Database) -> None:
    experiment = await small(database)
    debate, _ = await rows_of(database, experiment, What.TRANSCRIPTS, include_passage=True)
    hidden = debate["passage_text"]
    assert sha256(hidden.encode()).hexdigest() == debate["passage_digest"]
    speeches = [move for move in debate["moves"] if move["kind"] == "speech"]
    quotes = [(speech, quote) for speech in speeches for quote in speech["quotes"]]
    assert quotes
    for speech, quote in quotes:
        assert quote["verified"]
        assert quote["text"] == speech["text"][quote["start"] : quote["end"]]
        [span] = quote["spans"]
        shown = " ".join(hidden[span["start"] : span["end"]].split())
        assert shown == " ".join(quote["text"].split()).rstrip(".")


async def test_the_passage_is_left_out_unless_it_is_asked_for(database: Database) -> None:
    rows = await rows_of(database, await small(database), What.TRANSCRIPTS)
    assert [row["passage_text"] for row in rows] == [None, None]
    assert rows[0]["passage_digest"]


def contents() -> list[AnyContent]:
    """A move of every kind."""
    said = mark(
        "The log says <quote>fog had held them back that day</quote>.", IndexedPassage("They say fog.")
    )
    return [
        Speech(said=said, scratchpad="hm", words=3, asked=2, cut=True, suspicious=("forged_mark",)),
        Note(text="Why?"),
        Thought(text="Let me see."),
        Items(texts=("one", "two")),
        Pick(index=1),
        Rating(value=0.25),
        Belief(
            p=(0.75, 0.25),
            method="verbalised",
            label_mass=0.5,
            reason="so it seems",
            said=(90, 30),
            bounds=((0.7, 0.8), (0.2, 0.3)),
            flags=("off_sum", "bounded"),
        ),
        Stance(stance="concedes"),
    ]


async def test_nothing_is_lost_of_a_move_of_any_kind(database: Database) -> None:
    assert {type(content) for content in contents()} == set(Content.__subclasses__())
    experiment = await small(database)
    async with database.session() as session:
        trial = (await session.scalars(select(Trial).order_by(Trial.position.desc()))).first()
        holder = (await session.scalars(select(Participant))).first()
    assert trial is not None
    assert holder is not None
    journal = GroupCommit(database)
    for content in contents():
        ask = Ask(f"extra/{content.kind}", "judge", "any", content.kind)
        await journal.append(trial.id, holder.id, answered(ask, content))
    [*_, row] = await rows_of(database, experiment, What.TRANSCRIPTS)
    for content, move in zip(contents(), row["moves"], strict=True):
        held = content.model_dump(mode="json", exclude={"said", "bounds"})
        assert {name: move[name] for name in held} == held
        assert move["path"] == f"extra/{content.kind}"
    [belief] = [move for move in row["moves"] if move["kind"] == "belief"]
    assert (belief["said"], belief["p_low"], belief["p_high"]) == ([90, 30], [0.7, 0.2], [0.8, 0.3])
    [quote] = row["moves"][0]["quotes"]
    assert row["moves"][0]["text"] == "The log says fog had held them back that day."
    assert (quote["text"], quote["status"], quote["spans"]) == (
        "fog had held them back that day",
        "absent",
        [],
    )


async def test_a_failed_trial_is_exported_with_its_reason(database: Database) -> None:
    silent = {"kind": "builtin", "name": "scripted"}
    arms = {"debate": {"protocol": "debate", "seats": {"debaters": "silent"}}}
    data = spec(participants={**spec()["participants"], "silent": silent}, arms=arms)
    experiment = await finished(database, passage("Alba", questions=1), data=data)
    [row] = await rows_of(database, experiment, What.TRANSCRIPTS)
    assert row["state"] == "failed"
    assert "The scripted participant has 0 replies to `debater`" in row["error"]
    assert (row["transcript"], row["measures"], row["finished_at"]) == (None, [], None)


async def test_the_verdicts_of_an_added_round_say_so(database: Database, tmp_path: Path) -> None:
    experiment = await small(database)
    panel = tmp_path / "panel.yaml"
    panel.write_text("{name: again, participants: {die: {kind: builtin, name: random}}, judges: [die]}")
    async with database.session.begin() as session:
        assert await judge_again(session, experiment, read_panel(panel)) == 2
    await played(database, experiment)
    rows = await rows_of(database, experiment, What.VERDICTS)
    added = {row["judge"]: (row["round"], row["round_added"]) for row in rows}
    assert added == {"dice": ("panel", False), "lexical": ("panel", False), "die": ("again", True)}


@pytest.mark.outside
async def test_the_verdict_of_a_judge_who_took_part_has_no_judgement(database: Database) -> None:
    experiment = await small(database)
    whole = ((0.0, 1.0), (0.0, 1.0))
    belief = Belief(p=(0.5, 0.5), method="constrained", said=(0, 0), bounds=whole, flags=("undecided",))
    async with database.session.begin() as session:
        trial = (await session.scalars(select(Trial.id).order_by(Trial.position))).first()
        judge = (await session.scalars(select(Participant.id))).first()
        assert trial is not None
        assert judge is not None
        await plays.save_verdicts(session, trial, judge, [Reading((0, 1), belief, (belief,))])
    rows = await rows_of(database, experiment, What.VERDICTS)
    [row] = [row for row in rows if row["judgement_id"] is None]
    assert (row["round"], row["round_added"], row["correct"], row["thoughts"]) == (None, False, 0.5, [])
    assert (row["method"], row["said"], row["flags"]) == ("constrained", [0, 0], ["undecided"])
    assert (row["belief_low"], row["belief_high"]) == ([0, 0], [1, 1])
    assert {(other["said"], other["belief_low"], *other["flags"]) for other in rows if other is not row} == {
        (None, None)
    }


@pytest.mark.outside
async def test_what_a_judge_said_of_each_point_stands_beside_what_the_point_is(database: Database) -> None:
    seats = {"authors": "advocate", "critics": "advocate", "grader": "advocate"}
    arms = {"planted": {"protocol": "critique-planted-flaws", "planted": 1, "mark": True, "seats": seats}}
    data = spec(name="points", arms=arms, judges=["lexical"])
    experiment = await finished(database, passage("Alba", 1), passage("Brise", 1), data=data)
    trials = {row["trial_id"]: row for row in await rows_of(database, experiment, What.TRANSCRIPTS)}
    async with database.session() as session:
        given = {
            (str(row.play_id), row.path): row.content["index"]
            for row in await session.scalars(select(Move).where(Move.path.startswith("judging/mark/")))
        }
    seen = set()
    for row in await rows_of(database, experiment, What.VERDICTS):
        measures = {item["name"]: item["value"] for item in trials[row["trial_id"]]["measures"]}
        assert [said["point"] for said in row["marks"]] == list(range(1, int(measures["points"]) + 1))
        for said in row["marks"]:
            place = f"judging/mark/{said['path']}/{said['point']}"
            assert said["accepted"] == (given[row["judgement_id"], place] == 0)
            assert said["grade"] == GRADES[int(measures[f"grade/{said['point']}"])]
            seen.add((said["path"], said["grade"]))
    assert ("r1/critic_1", "planted") in seen
    assert len({grade for _, grade in seen}) > 1
    assert all(row["marks"] == [] for row in await rows_of(database, await small(database), What.VERDICTS))


async def test_only_the_experiment_asked_for_is_exported(database: Database) -> None:
    first = await small(database)
    second = await started(database, spec(**SMALL) | {"name": "second"})
    await played(database, second)
    for what in (What.VERDICTS, What.TRANSCRIPTS):
        rows = [await rows_of(database, experiment, what) for experiment in (first, second)]
        assert [{row["experiment"] for row in part} for part in rows] == [{"small"}, {"second"}]
        arms = [{row["arm_digest"] for row in part} for part in rows]
        assert arms[0] == arms[1], "the same arms in both"


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────

KEY = "sk-not-for-anybody's-eyes"


def of_models(server: ScriptedServer) -> dict[str, Any]:
    """An experiment whose debaters and judge are models behind a server that wants a key."""
    seat = {"kind": "model", "endpoint": "scripted", "model": "scripted"}
    return {
        **spec(**SMALL),
        "endpoints": {"scripted": {"base_url": server.base_url, "api_key_env": "ARENA_TEST_KEY"}},
        "participants": {"advocate": seat, "judge": seat | {"reason_first": True}},
        "judges": ["judge"],
    }


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedServer]:
    """A model server that lets in whoever has the key, which the environment holds."""
    monkeypatch.setenv("ARENA_TEST_KEY", KEY)
    async with ScriptedServer(Script(key=KEY)) as running:
        yield running


async def by_models(database: Database, server: ScriptedServer) -> Experiment:
    return await finished(database, passage("Alba", questions=1), data=of_models(server))


@pytest.mark.outside
async def test_calls_are_exported_as_they_were_sent_and_answered(
    database: Database, server: ScriptedServer
) -> None:
    server.script.faults.append("429")
    rows = await rows_of(database, await by_models(database, server), What.CALLS)
    seen = {request.request_id: request for request in server.seen}
    assert {row["request_id"] for row in rows} == set(seen)
    for row in rows:
        body = seen[row["request_id"]].body
        assert row["prompt"] == body.pop("messages")
        assert row["model"] == body.pop("model")
        assert row["params"] == body
        assert row["endpoint"] == "scripted"
    [failed] = [row for row in rows if row["status"] != "ok"]
    assert (failed["status"], failed["http_status"], failed["reply"]) == ("http", 429, None)
    [again] = [row for row in rows if row["call_id"] == failed["call_id"] and row["attempt"] == 2]
    assert again["prompt"] == failed["prompt"]
    assert again["reply"]["text"]
    assert again["tokens_in"] > again["tokens_cached"] >= 0
    assert {row["judge"] for row in rows if row["judgement_id"]} == {"judge"}


@pytest.mark.outside
async def test_what_a_judge_thought_stands_with_the_verdict_of_that_order(
    database: Database, server: ScriptedServer
) -> None:
    rows = await rows_of(database, await by_models(database, server), What.VERDICTS)
    thoughts = {
        (row["arm"], row["reading"]): [thought["path"] for thought in row["thoughts"]] for row in rows
    }
    assert thoughts == {
        ("debate", order): [f"judging/order{order}/step{step}/reason" for step in (0, 1)] for order in (0, 1)
    } | {("naive", order): [f"judging/order{order}/step0/reason"] for order in (0, 1)}
    assert all(thought["text"] for row in rows for thought in row["thoughts"])


async def test_no_key_is_in_any_export(database: Database, server: ScriptedServer, tmp_path: Path) -> None:
    server.script.faults.extend(["echo key"] * 4)
    experiment = await by_models(database, server)
    calls = await rows_of(database, experiment, What.CALLS)
    assert any("[key]" in str(row["reply"]) for row in calls), "the server did send the key back"
    for what, form in product(What, Format):
        target = tmp_path / f"{what}.{form}"
        rows = await export(database, experiment, what, form, target, include_passage=True)
        assert rows > 0 or what is What.WINS, "there is no prover in this experiment"
        written = target.read_bytes()
        if form is Format.PARQUET:
            written += repr(pq.read_table(target).to_pylist()).encode()
        for secret in (KEY, orjson.dumps(KEY).decode().strip('"'), repr(KEY)[1:-1], "ARENA_TEST_KEY"):
            assert secret.encode() not in written


# ── in which form ───────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = (
    '=HYPERLINK("http://127.0.0.1/?"&A1)',
    "+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r\n=1+1",
    "＝1",
    "'=1",
    "'",
    'a "quoted", comma; and\r\na line\u2028break',
    "\u202edesrever\u202c",
    "🜚 e\u0301 ﷽",
)


def hostile_passage() -> dict[str, Any]:
    """A passage whose question and answers are made to break tables."""
    line = passage("Alba", questions=0)
    asked = [
        {
            "id": f"{number}{words}",
            "question": f"{words} x",
            "answers": [f"{words} a", f"{words} b"],
            "gold": 0,
        }
        for number, words in enumerate(HOSTILE)
    ]
    return {**line, "title": "=1+1", "questions": asked}


def from_parquet(row: Mapping[str, Any], schema: Any) -> dict[str, Any]:
    """A row of a Parquet file as JSON Lines have it."""
    raw = {field.name for field in schema if field.type == pa.json_()}
    plain = {name: value and orjson.loads(value) if name in raw else value for name, value in row.items()}
    parsed: dict[str, Any] = orjson.loads(orjson.dumps(plain))
    return parsed


def from_csv(row: Mapping[str, str], schema: Any) -> dict[str, Any]:
    """A row of a CSV file as JSON Lines have it, as far as an empty cell can tell."""
    return {field.name: _value(row[field.name], field.type) for field in schema}


def _value(cell: str, kind: Any) -> Any:
    words = cell.removeprefix("'")
    if pa.types.is_string(kind):
        return words or None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(words).isoformat() if words else None
    return orjson.loads(words) if words else None


async def exported(
    database: Database, experiment: Experiment, what: What, folder: Path
) -> dict[Format, Path]:
    paths = {form: folder / f"{what}.{form}" for form in Format}
    for form, path in paths.items():
        await export(database, experiment, what, form, path)
    return paths


async def check_forms(database: Database, experiment: Experiment, what: What, folder: Path) -> None:
    """The three forms of an export hold the same rows."""
    schema = arrow_schema(SCHEMAS[what])
    paths = await exported(database, experiment, what, folder)
    rows = [orjson.loads(line) for line in paths[Format.JSONL].read_bytes().splitlines()]
    assert rows
    table = pq.read_table(paths[Format.PARQUET])
    assert table.schema.equals(schema, check_metadata=False)
    assert [from_parquet(row, schema) for row in table.to_pylist()] == rows
    with paths[Format.CSV].open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file, strict=True))
    told = [{name: None if value == "" else value for name, value in row.items()} for row in rows]
    assert [from_csv(row, schema) for row in cells] == told


@pytest.mark.parametrize("what", [What.VERDICTS, What.TRANSCRIPTS])
async def test_hostile_texts_are_the_same_in_all_forms(
    database: Database, tmp_path: Path, what: What
) -> None:
    experiment = await finished(database, hostile_passage(), data=spec(**SMALL))
    await check_forms(database, experiment, what, tmp_path)
    rows = await rows_of(database, experiment, what)
    assert {row["question_text"] for row in rows} == {f"{words} x" for words in HOSTILE}


async def test_calls_are_the_same_in_all_forms(
    database: Database, server: ScriptedServer, tmp_path: Path
) -> None:
    experiment = await by_models(database, server)
    await check_forms(database, experiment, What.CALLS, tmp_path)


async def test_no_cell_of_a_csv_file_passes_for_a_formula(database: Database) -> None:
    experiment = await finished(database, hostile_passage(), data=spec(**SMALL))
    stream = io.BytesIO()
    await export(database, experiment, What.TRANSCRIPTS, Format.CSV, stream)
    rows = list(csv.reader(io.StringIO(stream.getvalue().decode(), newline=""), strict=True))
    assert len(rows) > len(HOSTILE)
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULA)]


@pytest.mark.parametrize("form", Format)
async def test_an_experiment_without_results_gives_a_table_without_rows(
    database: Database, tmp_path: Path, form: Format
) -> None:
    await imported(database, passage("Alba"))
    experiment = await started(database, spec())
    target = tmp_path / "none"
    assert await export(database, experiment, What.VERDICTS, form, target) == 0
    written = target.read_bytes()
    match form:
        case Format.JSONL:
            assert written == b""
        case Format.CSV:
            assert written == (",".join(NAMES) + "\r\n").encode()
        case Format.PARQUET:
            assert pq.read_table(target).schema.names == NAMES


@pytest.mark.parametrize("form", Format)
async def test_the_same_data_give_the_same_bytes(database: Database, form: Format) -> None:
    experiment = await small(database)
    for what in (What.VERDICTS, What.TRANSCRIPTS):
        first, second = io.BytesIO(), io.BytesIO()
        for stream in (first, second):
            await export(database, experiment, what, form, stream)
        assert first.getvalue() == second.getvalue()


# ── streaming ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_rows_are_fetched_and_written_a_few_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 3)
    experiment = await finished(database)
    async with exports.snapshot(database) as session:
        parts = exports.trials(session, experiment.id, texts=False)
        assert len(await anext(parts)) == 3
        # The cursor is the server's; what has not been fetched yet is there and not here.
        [left] = (await session.execute(text("SELECT is_scrollable FROM pg_cursors"))).all()
        assert left
        assert sum([len(part) async for part in parts]) == 17


async def test_what_is_read_at_once_is_bounded_by_moves_and_a_row_group_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = await finished(database)
    whole = {form: io.BytesIO() for form in Format}
    for form, stream in whole.items():
        await export(database, experiment, What.TRANSCRIPTS, form, stream)
    monkeypatch.setattr(exports, "MOVES", 12)
    async with exports.snapshot(database) as session:
        parts = [part async for part in exports.trials(session, experiment.id, texts=False)]
    counts = [[len(row.moves) for row in part] for part in parts]
    assert all(sum(part) <= 12 or len(part) == 1 for part in counts)
    assert any(len(part) > 1 for part in counts)
    assert sum(map(len, counts)) == 20
    for form, stream in whole.items():
        again = io.BytesIO()
        await export(database, experiment, What.TRANSCRIPTS, form, again)
        assert again.getvalue() == stream.getvalue()
    monkeypatch.setattr(tabular, "GROUP", 7)
    written = io.BytesIO()
    await export(database, experiment, What.TRANSCRIPTS, Format.PARQUET, written)
    found = pq.ParquetFile(written)
    groups = [found.metadata.row_group(at).num_rows for at in range(found.metadata.num_row_groups)]
    assert groups == [7, 7, 6]
    assert found.read().equals(pq.read_table(whole[Format.PARQUET]))


class Witness(io.BytesIO):
    """Notes in which threads it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def write(self, data: Any) -> int:
        self.threads.add(threading.get_ident())
        return super().write(data)


@pytest.mark.parametrize("form", Format)
async def test_a_table_is_encoded_and_written_in_one_thread_beside_the_event_loop(
    database: Database, form: Format
) -> None:
    experiment = await small(database)
    stream = Witness()
    await export(database, experiment, What.TRANSCRIPTS, form, stream)
    assert len(stream.threads) == 1
    assert threading.get_ident() not in stream.threads


class Held(io.BytesIO):
    """Writes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def write(self, data: Any) -> int:
        self.begun.set()
        self.go.wait()
        return super().write(data)


async def test_an_export_that_is_stopped_ends_once_its_thread_has_put_down_the_file(
    database: Database,
) -> None:
    experiment = await small(database)
    stream = Held()
    going = asyncio.create_task(export(database, experiment, What.VERDICTS, Format.JSONL, stream))
    await asyncio.to_thread(stream.begun.wait)
    going.cancel()
    await asyncio.wait({going}, timeout=0.2)
    early = going.done()
    stream.go.set()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert not early


async def test_an_export_shows_one_moment_whatever_is_written_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 1)
    experiment = await small(database)
    async with exports.snapshot(database) as session:
        parts = exports.trials(session, experiment.id, texts=False)
        [first] = await anext(parts)
        async with database.session.begin() as other:
            await other.execute(update(Move).values(seat="changed"))
            await other.execute(update(Trial).values(replicate=9))
        rest = [row async for part in parts for row in part]
    seats = {move.seat for row in (first, *rest) for move, _ in row.moves}
    assert seats == {"debater_a", "debater_b", "checker"}
    assert {row.trial.replicate for row in (first, *rest)} == {0}


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 1)
    passages = [passage(key, questions=1) for key in ("Alba", "Brise")]
    experiment = await finished(database, *passages, data=spec(**SMALL))
    async with database.session.begin() as session:
        talk = select(Trial.id).join(Move, Move.play_id == Trial.id).order_by(Trial.position.desc()).limit(1)
        broken = update(Move).where(Move.play_id == talk.scalar_subquery())
        await session.execute(broken.values(content={"kind": "gibberish"}))
    target = tmp_path / "transcripts"
    target.write_text("old")
    for form in Format:
        with pytest.raises(ValidationError, match="gibberish"):
            await export(database, experiment, What.TRANSCRIPTS, form, target)
        assert target.read_text() == "old"
        assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("form", Format)
async def test_a_full_disk_leaves_nothing_behind(database: Database, tmp_path: Path, form: Format) -> None:
    experiment = await small(database)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(ExportRefused, match=r"cannot be written \(File too large\): name a file"):
            await export(database, experiment, What.TRANSCRIPTS, form, tmp_path / "transcripts")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


async def test_a_place_that_cannot_be_written_is_refused_in_one_sentence(
    database: Database, tmp_path: Path
) -> None:
    experiment = await small(database)
    (tmp_path / "file").touch()
    refused = {
        tmp_path: "is a folder: name a file in it.",
        tmp_path
        / "none"
        / "x": "cannot be written (No such file or directory): name a file in another place.",
        tmp_path / "file" / "x": "cannot be written (Not a directory): name a file in another place.",
        Path("/dev/full"): "is not an ordinary file: name one, or write - for the standard output.",
    }
    for target, sentence in refused.items():
        with pytest.raises(ExportRefused) as error:
            await export(database, experiment, What.VERDICTS, Format.JSONL, target)
        assert str(error.value) == f"{target} {sentence}"
    assert os.listdir(tmp_path) == ["file"]


async def test_a_link_stays_a_link_to_the_new_file(database: Database, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    await export(database, await small(database), What.VERDICTS, Format.CSV, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text().startswith("experiment,")


async def test_a_dash_is_the_standard_output_except_for_parquet(
    database: Database, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    experiment = await small(database)
    count = await export(database, experiment, What.VERDICTS, Format.JSONL, Path("-"))
    assert len(capsysbinary.readouterr().out.splitlines()) == count == 8
    with pytest.raises(ExportRefused, match="name a file"):
        await export(database, experiment, What.VERDICTS, Format.PARQUET, Path("-"))
    assert capsysbinary.readouterr().out == b""


# ── the data dictionary ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_data_dictionary_is_current() -> None:
    """If not: python -m app.exchange.columns > docs/data-dictionary.md."""
    assert DICTIONARY.read_text(encoding="utf-8") == dictionary()


@pytest.mark.parametrize("what", What)
def test_every_column_is_documented(what: What) -> None:
    page = DICTIONARY.read_text(encoding="utf-8").partition(f"## {what}\n")[2].partition("\n## ")[0]
    for path, column in described(SCHEMAS[what]):
        assert column.description.endswith("."), path
        assert f"| `{path}` | " in page
