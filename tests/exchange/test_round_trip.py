"""An experiment that is exported, deleted and imported again has the same report, to the byte."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, text, update

from app.exchange.archive import Archive, read_archive
from app.exchange.archive_import import SavedArchive, take_archive
from app.exchange.archive_records import AttemptRecord, EffortRecord, SeatRecord
from app.exchange.choices import Document, Format, Part, What
from app.exchange.options import Options
from app.exchange.outgoing import send_out
from app.experiments.freeze import judge_again
from app.experiments.spec import read_panel
from app.judge_fields import KNOWS_STORY
from app.records.database import Database
from app.records.tags import MOST_NOTE, MOST_TAGS
from app.reports.report import report
from app.services.tags import mark, marked
from models import Account, CallAttempt, Draft, Experiment, Passage, SeatRow, Text, Trial
from tests.exchange.test_export import by_models, rows_of, server
from tests.factories import finished, judge_on, market, passage, played, spec, twins
from tests.records.test_assignment import claimed, draft, for_people, wanted
from tests.records.test_exposure import NAIVE, ONE_HUMAN, accounts

__all__ = ["server"]


async def report_of(database: Database, experiment: Experiment) -> str:
    async with database.session() as session:
        return json.dumps((await report(session, experiment)).as_json(), indent=2)


async def exported(database: Database, experiment: Experiment, path: Path, **options: Any) -> Path:
    await send_out(database, experiment, Document.ARCHIVE, Format.JSONL, path, Options(**options))
    return path


async def emptied(database: Database) -> None:
    """Delete every experiment, task set, participant and text."""
    async with database.session.begin() as session:
        await session.execute(text("UPDATE account SET participant_id = NULL"))
        for table in ("exposure", "experiment", "participant", "endpoint", "task_set", "text"):
            await session.execute(text(f"DELETE FROM {table}"))


async def taken(database: Database, archive: Archive, name: str) -> SavedArchive:
    async with database.session.begin() as session:
        return await take_archive(session, archive, name)


async def there_and_back(
    database: Database, experiment: Experiment, path: Path, **options: Any
) -> Experiment:
    await exported(database, experiment, path, **options)
    await emptied(database)
    archive = read_archive(path)
    assert archive.problems == ()
    return (await taken(database, archive, experiment.name)).experiment


async def test_every_shape_of_arm_comes_back_with_the_same_report(database: Database, tmp_path: Path) -> None:
    experiment = await finished(database)
    before = await report_of(database, experiment)
    tables = [await rows_of(database, experiment, what) for what in (What.VERDICTS, What.TRANSCRIPTS)]
    back = await there_and_back(database, experiment, tmp_path / "archive.jsonl")
    assert await report_of(database, back) == before
    again = [await rows_of(database, back, what) for what in (What.VERDICTS, What.TRANSCRIPTS)]
    differing = {"judge_digest", "arm_digest"}
    for old, new in zip(tables, again, strict=True):
        bare = [[{k: v for k, v in row.items() if k not in differing} for row in rows] for rows in (old, new)]
        assert bare[0] == bare[1]


async def test_the_file_of_what_came_back_is_the_same(database: Database, tmp_path: Path) -> None:
    experiment = await finished(database, data=market())
    first = tmp_path / "first.jsonl"
    back = await there_and_back(database, experiment, first)
    second = await exported(database, back, tmp_path / "second.jsonl")
    old, new = ([orjson.loads(line) for line in path.read_bytes().splitlines()] for path in (first, second))
    assert old == new


async def test_calls_of_models_and_what_was_taken_of_them_come_back(
    database: Database, server: Any, tmp_path: Path
) -> None:
    server.script.faults.append("429")
    experiment = await by_models(database, server)
    async with database.session.begin() as session:
        await session.execute(
            text("UPDATE call_attempt SET fingerprint = 'fp' || id % 2 WHERE status = 'ok'")
        )
    before = await report_of(database, experiment)
    assert "answered as 2 revisions" in before
    calls = await rows_of(database, experiment, What.CALLS)
    path = tmp_path / "archive.jsonl"
    back = await there_and_back(database, experiment, path)
    assert await report_of(database, back) == before
    again = await rows_of(database, back, What.CALLS)
    differing = {"arm_digest", "call_id"}
    bare = [
        sorted(
            ({k: v for k, v in row.items() if k not in differing} for row in rows),
            key=lambda row: str(row["request_id"]),
        )
        for rows in (calls, again)
    ]
    assert bare[0] == bare[1]
    for secret in (b"ARENA_TEST_KEY", b"sk-not-for", server.base_url.encode()):
        assert secret not in path.read_bytes()


async def test_failures_rounds_twins_and_judges_of_one_name_come_back(
    database: Database, tmp_path: Path
) -> None:
    experiment = await finished(
        database,
        *twins("Alba", 2),
        passage("Brise"),
        data=spec(tasks={"set": "ferries", "draw": "twins"}) if False else spec(),
    )
    panel = tmp_path / "panel.yaml"
    panel.write_text(
        json.dumps(
            {
                "name": "later",
                "participants": {"lexical": {"kind": "builtin", "name": "random"}},
                "judges": ["lexical"],
            }
        )
    )
    async with database.session.begin() as session:
        await judge_again(session, experiment, read_panel(panel))
    await played(database, experiment)
    async with database.session.begin() as session:
        failed = (await session.scalars(select(Trial.id).order_by(Trial.position))).first()
        await session.execute(text("DELETE FROM play WHERE talk_id = :id"), {"id": failed})
        await session.execute(
            update(Trial)
            .where(Trial.id == failed)
            .values(state="failed", error="It broke.", outcome=None, finished_at=None)
        )
    before = await report_of(database, experiment)
    assert "It broke." in before
    assert "lexical (later)" in before
    back = await there_and_back(database, experiment, tmp_path / "archive.jsonl")
    assert await report_of(database, back) == before


async def test_without_passages_it_comes_back_and_says_so(database: Database, tmp_path: Path) -> None:
    experiment = await finished(database, *twins("Alba", 1), passage("Brise"))
    before = await report_of(database, experiment)
    path = tmp_path / "archive.jsonl"
    back = await there_and_back(database, experiment, path, without={Part.PASSAGES, Part.PROMPTS})
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert not any("text" in line for line in lines if line["type"] in ("passage", "text"))
    assert not any("prompts" in line for line in lines if line["type"] == "arm")
    # The methods name a hash over the questions with their texts, which another arena has not got.
    digests = [re.sub(r"[0-9a-f]{64}", "", made) for made in (await report_of(database, back), before)]
    assert digests[0] == digests[1]
    async with database.session() as session:
        texts = await session.scalars(select(Text.body).join(Passage, Passage.text_digest == Text.digest))
        assert all(body.startswith("No text came with the item") for body in texts)
    archive = read_archive(path)
    assert archive.about.experiment is not None
    assert archive.about.experiment.left_out == ("passages", "prompts")


async def test_what_came_back_can_be_judged_by_new_judges(database: Database, tmp_path: Path) -> None:
    experiment = await finished(database)
    back = await there_and_back(database, experiment, tmp_path / "archive.jsonl")
    panel = tmp_path / "panel.yaml"
    panel.write_text(
        json.dumps(
            {
                "name": "new",
                "participants": {"fresh": {"kind": "builtin", "name": "lexical-judge"}},
                "judges": ["fresh"],
            }
        )
    )
    async with database.session.begin() as session:
        queued = await judge_again(session, back, read_panel(panel))
    assert queued > 0
    await played(database, back)
    rows = await rows_of(database, back, What.VERDICTS)
    by_judge = {
        judge: [row["belief"] for row in rows if row["judge"] == judge and row["arm"] == "debate"]
        for judge in ("fresh", "lexical")
    }
    assert by_judge["fresh"] == by_judge["lexical"], "the same judge reads the same talks"


async def test_it_can_stand_beside_the_original_under_another_name(
    database: Database, tmp_path: Path
) -> None:
    experiment = await finished(database)
    archive = read_archive(await exported(database, experiment, tmp_path / "archive.jsonl"))
    assert not (await taken(database, archive, experiment.name)).new
    copy = await taken(database, archive, "copy")
    assert copy.new
    assert copy.questions == 0, "the task set is there already"
    old, new = [
        json.loads(await report_of(database, each))["cells"] for each in (experiment, copy.experiment)
    ]
    assert old == new


async def test_unfinished_work_is_nobodys_here(database: Database, tmp_path: Path) -> None:
    from tests.factories import imported, started

    await imported(database, passage("Alba"))
    experiment = await started(database, spec())
    before = await report_of(database, experiment)
    back = await there_and_back(database, experiment, tmp_path / "archive.jsonl")
    assert await report_of(database, back) == before
    assert back.state == "cancelled"


async def test_tags_and_note_come_back_at_the_head_of_the_report(database: Database, tmp_path: Path) -> None:
    experiment = await finished(database)
    async with database.session.begin() as session:
        row = await session.get_one(Experiment, experiment.id)
        await mark(session, None, row, tags=["Größe", "pilot"], note="First try,\nwith =1+1.")
    async with database.session() as session:
        experiment = await session.get_one(Experiment, experiment.id)
    head = marked(experiment).sentence
    assert head == "Tags: grösse, pilot. Note: First try,\nwith =1+1."
    back = await there_and_back(database, experiment, tmp_path / "archive.jsonl")
    assert back.id != experiment.id
    assert marked(back) == marked(experiment)
    assert marked(back).sentence == head


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def of_people(database: Database) -> Experiment:
    """An experiment that a person with two accounts, and two others, have judged; some places are open still."""
    passages = [passage(key, 1) for key in ("Alba", "Brise", "Corvo", "Delfin", "Elster", "Falke")]
    experiment = await finished(
        database, *passages, data=for_people(arms=NAIVE, judges=wanted(2, seconds=600))
    )
    says = next(iter(ONE_HUMAN.values()))
    found = [*await accounts(database, says), *await accounts(database, [{}, {}])]
    for turn in range(3):
        for at, account in enumerate(found):
            if (seat := await claimed(database, account)) is None:
                continue
            await draft(database, seat, account, "judging/order0/step0", 1, 12.5)
            if turn == 0 and at == 2:
                async with database.session.begin() as session:
                    row = await session.get_one(SeatRow, seat)
                    row.flags = {**row.flags, KNOWS_STORY.name: True}
            await judge_on(database, seat, p=0.6 + at / 10)
    return experiment


async def test_what_people_did_comes_back_with_the_same_report(database: Database, tmp_path: Path) -> None:
    experiment = await of_people(database)
    before = await report_of(database, experiment)
    [(first, others)] = json.loads(before)["accounts_of_one_person"].items()
    verdicts = await rows_of(database, experiment, What.VERDICTS)
    assert first in {row["judge"] for row in verdicts}
    assert not {*others} & {row["judge"] for row in verdicts}, "one person has one pseudonym"
    assert sum(row["active_seconds"] for row in verdicts) > 0
    path = tmp_path / "archive.jsonl"
    back = await there_and_back(database, experiment, path)
    assert await report_of(database, back) == before
    again = await rows_of(database, back, What.VERDICTS)
    differing = {"judge_digest", "arm_digest"}
    bare = [
        [{k: v for k, v in row.items() if k not in differing} for row in rows] for rows in (verdicts, again)
    ]
    assert bare[0] == bare[1]
    async with database.session() as session:
        names = list(await session.scalars(select(Account.name)))
    assert not any(name and name.encode() in path.read_bytes() for name in names)


async def test_people_are_left_out_on_request(database: Database, tmp_path: Path) -> None:
    experiment = await of_people(database)
    path = tmp_path / "archive.jsonl"
    back = await there_and_back(database, experiment, path, without={Part.PEOPLE})
    archive = read_archive(path)
    assert {who.kind for who in archive.participants} <= {"builtin", "model"}
    assert await rows_of(database, back, What.VERDICTS) == []


# ── bad files ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def file(database: Database, tmp_path: Path) -> Path:
    """The archive of a small experiment with one person."""
    experiment = await finished(database, passage("Alba", 1))
    return await exported(database, experiment, tmp_path / "archive.jsonl")


def changed(file: Path, kind: str, change: Callable[[dict[str, Any]], None]) -> tuple[int, str]:
    """Change the first line of a kind. Return its number and the first problem."""
    lines = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    number = next(at for at, line in enumerate(lines, 1) if line["type"] == kind)
    change(lines[number - 1])
    file.write_bytes(b"\n".join(map(orjson.dumps, lines)) + b"\n")
    [first, *_] = read_archive(file).problems
    return number, str(first)


BAD: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "a state that is none": ("trial", lambda line: line["record"].update(state="lost"), "record.state"),
    "a talk without its outcome": ("trial", lambda line: line["record"].pop("outcome"), "record.outcome"),
    "a judging of no trial": (
        "judging",
        lambda line: line.update(trial="none"),
        'no trial "none" in the lines before',
    ),
    "a judging of no round": ("judging", lambda line: line.update(round="none"), 'no round "none"'),
    "an order that is none": ("judging", lambda line: line.update(reading=[[0, 0]]), "reading[0]"),
    "a verdict of another judging": (
        "verdict",
        lambda line: line["record"].update(judging="00000000-0000-0000-0000-000000000000"),
        "no judging",
    ),
    "beliefs that do not sum to 1": (
        "verdict",
        lambda line: line.update(belief=[0.4, 0.4], beliefs=[[0.4, 0.4]]),
        "belief sums to 0.8, not to 1",
    ),
    "a protocol that is none": ("arm", lambda line: line.update(protocol="shouting"), "no protocol"),
    "a setting that is none": (
        "arm",
        lambda line: line.update(protocol="debate", settings={"rounds": -1}),
        "settings.rounds",
    ),
    "a tag of two words": (
        "archive",
        lambda line: line["experiment"].update(tags=["two words"]),
        "experiment.tags[0]",
    ),
    "too many tags": (
        "archive",
        lambda line: line["experiment"].update(tags=[f"t{at}" for at in range(MOST_TAGS + 1)]),
        "experiment.tags",
    ),
    "a note that is too long": (
        "archive",
        lambda line: line["experiment"].update(note="x" * (MOST_NOTE + 1)),
        "experiment.note",
    ),
    "a seed beyond 63 bits": ("trial", lambda line: line["record"].update(seed=2**63), "record.seed"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_named_with_its_line(file: Path, case: str) -> None:
    kind, change, said = BAD[case]
    number, problem = changed(file, kind, change)
    assert problem.startswith(f"archive.jsonl, line {number}: ")
    assert said in problem


def test_a_move_of_no_kind_and_a_quote_outside_of_the_passage_are_named(file: Path) -> None:
    lines = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    number, talk = next((at, line) for at, line in enumerate(lines, 1) if line.get("record", {}).get("moves"))
    speech = next(move for move in talk["record"]["moves"] if move["content"]["kind"] == "speech")
    speech["content"]["said"]["quotes"][0]["spans"] = [[0, 10**6]]
    talk["record"]["moves"][-1]["content"] = {"kind": "song"}
    file.write_bytes(b"\n".join(map(orjson.dumps, lines)) + b"\n")
    problems = [str(problem) for problem in read_archive(file).problems if problem.line == number]
    assert any("a place outside of the passage" in problem for problem in problems)
    assert any("content" in problem and "song" in problem for problem in problems)


def test_a_file_that_breaks_off_between_lines_or_lacks_one_is_named(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-3]))
    [problem] = read_archive(file).problems
    assert (
        str(problem)
        == f"archive.jsonl, line {len(lines) - 3}: the file breaks off after this line: fetch or export it again."
    )
    last = next(at for at, line in enumerate(lines) if line.startswith(b'{"type":"verdict"'))
    file.write_bytes(b"".join(lines[:last] + lines[last + 1 :]))
    [problem] = read_archive(file).problems
    assert f"{len(lines) - 2} lines come before the end, and {len(lines) - 1} were written" in str(problem)
    file.write_bytes(b"".join([*lines, lines[-2]]))
    assert "the line comes after the end of the file" in str(read_archive(file).problems[0])


def test_a_compressed_file_is_read_and_one_that_breaks_off_is_named(file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "archive.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert read_archive(packed).problems == ()
    assert len(read_archive(packed).trials) == len(read_archive(file).trials)
    packed.write_bytes(packed.read_bytes()[:-2000])
    [problem] = read_archive(packed).problems
    assert problem.line is not None
    assert "breaks off or is damaged after this line" in problem.reason


CARRIED: dict[Any, tuple[Any, set[str]]] = {
    CallAttempt: (AttemptRecord, {"id", "call_id"}),
    # Signals travel as sums; visits are only for further saves.
    Draft: (EffortRecord, {"id", "seat_id", "account_id", "content", "updated_at", "visits"}),
    # A lease ends where the seat is left behind.
    SeatRow: (
        SeatRecord,
        {
            *("id", "play_id", "participant_id", "replacement_id"),
            *("leased_until", "seen_at", "ends_at", "closes_at"),
        },
    ),
}
"""Rows, the records that carry them, and what is of this database alone."""


@pytest.mark.parametrize("table", CARRIED)
def test_every_column_of_a_row_travels_or_is_of_this_database_alone(table: Any) -> None:
    record, own = CARRIED[table]
    columns = {column.name for column in table.__table__.columns}
    assert columns - own - set(record.model_fields) == set()


# ── archives of others ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_archive_of_others_comes_back_with_the_same_report(
    database: Database, tmp_path: Path
) -> None:
    """Its arms have speakers, and settings that every protocol has."""
    from tests.exchange.archives import archive as theirs

    experiment = (await taken(database, theirs(tmp_path), "theirs")).experiment
    before = await report_of(database, experiment)
    path = await exported(database, experiment, tmp_path / "again.jsonl")
    arms = [line for line in map(orjson.loads, path.read_bytes().splitlines()) if line["type"] == "arm"]
    assert any(arm.get("speakers") for arm in arms)
    back = await there_and_back(database, experiment, path)
    assert await report_of(database, back) == before
