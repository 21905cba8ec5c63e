"""An archive in the database: a finished experiment that reports, exports and pages show, and that new judges judge."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.engine import Engine
from app.exchange.archive import Archive
from app.exchange.archive_import import SavedArchive, take_archive
from app.exchange.choices import What
from app.exchange.importing import ImportRefused
from app.experiments.freeze import judge_again
from app.experiments.spec import PanelSpec, SpecError, parse_spec, read_panel
from app.records import admin
from app.records.database import Database
from app.records.imported import readings
from app.records.progress import progress
from app.reports.report import notes, report
from models import Experiment, Move, Participant, Passage, PlayRow, TaskSet, Trial, Verdict
from tests.exchange.archives import archive, lines, trial, verdict
from tests.exchange.test_export import rows_of
from tests.factories import played
from tests.servers import Script, ScriptedServer


async def taken(database: Database, found: Archive, name: str = "theirs", **options: Any) -> SavedArchive:
    async with database.session.begin() as session:
        return await take_archive(session, found, name, **options)


async def count(database: Database, table: Any) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


def panel(tmp_path: Path, participants: Mapping[str, Any], *judges: Any, name: str = "new") -> PanelSpec:
    path = tmp_path / f"{name}.yaml"
    path.write_text(json.dumps({"name": name, "participants": participants, "judges": judges}), "utf-8")
    return read_panel(path)


async def judged(database: Database, experiment: Experiment, by: PanelSpec) -> int:
    async with database.session.begin() as session:
        queued = await judge_again(session, experiment, by)
    await played(database, experiment)
    return queued


async def test_an_archive_is_a_finished_experiment(database: Database, tmp_path: Path) -> None:
    saved = await taken(database, archive(tmp_path))
    assert (saved.new, saved.questions) == (True, 2)
    assert (dict(saved.trials), dict(saved.verdicts), dict(saved.apart)) == (
        {"debate": 2, "pairs": 1},
        {"debate": 2, "pairs": 2},
        {"offline": 1},
    )
    async with database.session() as session:
        counts = await progress(session, saved.experiment.id)
        people = {row.name: row for row in await session.scalars(select(Participant))}
    assert counts.finished
    assert counts.running == 0
    assert {name: row.kind for name, row in people.items()} == {
        "Ann": "person",
        "Ben": "person",
        "Cleo": "person",
        "GPT-4": "model",
    }
    assert all(row.imported and row.endpoint_id is None for row in people.values())


async def test_the_report_counts_the_verdicts_and_keeps_rounds_apart(
    database: Database, tmp_path: Path
) -> None:
    saved = await taken(database, archive(tmp_path))
    async with database.session() as session:
        made = (await report(session, saved.experiment)).as_json()
        said = notes(await report(session, saved.experiment))
    assert said[0].startswith("Talks and first verdicts were imported from A study. They are not balanced")
    cells = {(cell["arm"], cell["judge"]): cell for cell in made["cells"]}
    assert cells["debate", "people"]["verdicts"] == 2
    assert cells["debate", "people"]["accuracy"] == 1
    assert cells["debate", "people (offline)"]["accuracy"] == 0
    assert cells["pairs", "GPT-4"]["accuracy"] == 0.5
    assert [measure["value"] for measure in made["measures"] if measure["key"] == "rounds"] == [1.0, 1.0]


async def test_honest_and_dishonest_advice_are_reported_apart(database: Database, tmp_path: Path) -> None:
    some = lines()
    arm = next(line for line in some if line["type"] == "arm")
    arm["speakers"] = [{"name": "consultant", "title": "Consultant"}]
    arm["seats"] = {"consultant": "Ben"}
    talks = [
        trial(f"c{side}", argues={"consultant": side}, transcript=[[{"seat": "consultant", "text": "So."}]])
        for side in (0, 1)
    ]
    own = [line for line in some if line["type"] not in ("trial", "verdict")]
    given = [verdict(trial=f"c{side}", belief=[0.2, 0.8]) for side in (0, 1)]
    given[0]["belief"] = [0.7, 0.3]
    saved = await taken(database, archive(tmp_path, *own, *talks, *given))
    async with database.session() as session:
        made = (await report(session, saved.experiment)).as_json()
    figures = {metric["key"]: metric["value"] for metric in made["metrics"]}
    assert figures == {"accuracy_for_gold": 1.0, "accuracy_against_gold": 0.0}


async def test_exports_hold_the_verdicts_and_the_transcripts(database: Database, tmp_path: Path) -> None:
    saved = await taken(database, archive(tmp_path))
    rows = await rows_of(database, saved.experiment, What.VERDICTS)
    own = next(row for row in rows if row["judge"] == "Ann")
    assert (own["p_gold"], own["beliefs"], own["reason"]) == (0.8, [[0.5, 0.5], [0.2, 0.8]], "The quote.")
    assert own["judge_score"] == pytest.approx(-0.3719, abs=1e-4)
    assert own["created_at"].startswith("2023-02-01T11:00:00")
    apart = [row for row in rows if row["round"] == "offline"]
    assert [(row["judge"], row["seconds_taken"]) for row in apart] == [("Cleo", 30)]
    both = [row["reading_order"] for row in rows if row["judge"] == "GPT-4"]
    assert both == [[0, 1], [1, 0]]
    talk, *_ = await rows_of(database, saved.experiment, What.TRANSCRIPTS)
    assert talk["transcript"] == [["t1/judge"], ["t2/debater_a", "t2/debater_b"]]
    [quote] = next(move["quotes"] for move in talk["moves"] if move["path"] == "t2/debater_b")
    assert (quote["status"], quote["verified"]) == ("exact", True)


async def test_new_judges_read_what_was_said_and_nothing_of_who_was_right(
    database: Database, tmp_path: Path
) -> None:
    saved = await taken(database, archive(tmp_path))
    async with ScriptedServer(Script()) as server:
        model = {"kind": "model", "base_url": server.base_url, "model": "m"}
        assert await judged(database, saved.experiment, panel(tmp_path, {"m": model}, "m")) == 3
        prompts = [json.dumps(seen.body) for seen in server.seen]
    async with database.session() as session:
        made = (await report(session, saved.experiment)).as_json()
    assert {cell["judge"] for cell in made["cells"]} >= {"m (new)", "people", "GPT-4"}
    assert len(prompts) == 6
    debates = [prompt for prompt in prompts if "It was the fog." in prompt]
    assert len(debates) == 4
    assert all("<v_quote>The pilot had overslept that day</v_quote>" in prompt for prompt in debates)
    for hidden in (
        "The ferry left an hour late",
        "The quote.",
        "Cleo",
        "Ann",
        "in_paper",
        "No text came with",
    ):
        assert not [prompt for prompt in prompts if hidden in prompt]


async def test_what_a_judge_reads_does_not_depend_on_gold(database: Database, tmp_path: Path) -> None:
    read = []
    for gold in (0, 1):
        some = lines()
        for line in some:
            if line["type"] == "passage":
                line["questions"][0]["gold"] = gold
            if line["type"] == "verdict":
                line["belief"] = line["belief"][:: 1 if gold else -1]
                line.pop("beliefs", None)
        saved = await taken(database, archive(tmp_path, *some), f"world-{gold}")
        async with ScriptedServer(Script()) as server:
            model = {"kind": "model", "base_url": server.base_url, "model": "m"}
            await judged(database, saved.experiment, panel(tmp_path, {"m": model}, "m"))
            read.append(sorted(json.dumps(seen.body["messages"]) for seen in server.seen))
    assert read[0] == read[1]


async def test_people_can_judge_imported_talks(database: Database, tmp_path: Path) -> None:
    saved = await taken(database, archive(tmp_path))
    async with database.session.begin() as session:
        await judge_again(session, saved.experiment, panel(tmp_path, {}, {"humans": 1}))
    async with database.session() as session:
        counts = await progress(session, saved.experiment.id)
    assert counts.awaiting_people == 3


async def test_imported_participants_take_no_seat_and_are_in_no_list(
    database: Database, tmp_path: Path
) -> None:
    await taken(database, archive(tmp_path))
    async with database.session() as session:
        assert (await admin.participants_page(session, 1)).rows == []
        assert await admin.participants_named(session, ["GPT-4"]) == []


async def test_no_arm_is_played_under_imported_rules() -> None:
    with pytest.raises(SpecError, match="imported"):
        parse_spec(
            {
                "name": "x",
                "tasks": {"set": "s"},
                "arms": {"a": {"protocol": "imported"}},
                "participants": {"dice": {"kind": "builtin", "name": "random"}},
                "judges": ["dice"],
            }
        )


async def test_the_same_archive_is_there_already_and_another_is_refused(
    database: Database, tmp_path: Path
) -> None:
    first = await taken(database, archive(tmp_path))
    again = await taken(database, archive(tmp_path))
    assert (again.new, again.experiment.id) == (False, first.experiment.id)
    with pytest.raises(ImportRefused, match="there is another experiment theirs"):
        await taken(database, archive(tmp_path), where=["in_paper"])


async def test_flags_choose_what_is_imported(database: Database, tmp_path: Path) -> None:
    saved = await taken(database, archive(tmp_path), where=["in_paper"])
    assert dict(saved.trials) == {"debate": 1}
    with pytest.raises(ImportRefused, match="no trial has the flag"):
        await taken(database, archive(tmp_path), "other", where=["nothing"])


@pytest.mark.parametrize("bad", [{"trial": "p1", "belief": [0.2, 0.7]}, {"trial": "t9"}, {"judge": "Nobody"}])
async def test_nothing_is_kept_of_an_archive_with_a_bad_line(
    database: Database, tmp_path: Path, bad: dict[str, Any]
) -> None:
    found = archive(tmp_path, *lines(), verdict(**bad))
    with pytest.raises(
        ImportRefused, match=rf"^archive\.jsonl, line {len(lines()) + 1}: .*; nothing was imported\.$"
    ):
        await taken(database, found)
    for table in (TaskSet, Passage, Experiment, PlayRow, Move, Verdict, Participant):
        assert await count(database, table) == 0


async def test_the_verdicts_are_read_back_as_published_figures_need_them(
    database: Database, tmp_path: Path
) -> None:
    saved = await taken(database, archive(tmp_path))
    async with database.session() as session:
        found = await readings(session, saved.experiment.id)
    own = found[0]
    assert (own.arm, own.judge, own.round, own.p_gold, own.argued) == ("debate", "Ann", None, 0.8, None)
    assert own.measures == {"rounds": 1, "penalty": 0.05}
    assert [each.order for each in found if each.judge == "GPT-4"] == [(0, 1), (1, 0)]


async def test_a_finished_talk_of_an_archive_is_never_advanced(database: Database, tmp_path: Path) -> None:
    saved = await taken(database, archive(tmp_path))
    engine = Engine(database)
    async with database.session() as session:
        trials = list(
            await session.scalars(select(Trial.id).where(Trial.experiment_id == saved.experiment.id))
        )
    for one in trials:
        await engine.advance(one)
    await engine.close()
    async with database.session() as session:
        assert set(await session.scalars(select(Trial.state))) == {"done"}
