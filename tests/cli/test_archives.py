"""Archives from outside: what the commands print, their exit codes, and that bad input changes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.archives import lines, verdict, written
from tests.exchange.test_nyu_study import DEBATE, played
from tests.exchange.test_nyu_study import tree_of as nyu_tree
from tests.exchange.test_pairwise import item, judged, llmbar
from tests.processes import Arena, Records

PANEL = {"name": "again", "participants": {"dice": {"kind": "builtin", "name": "random"}}, "judges": ["dice"]}


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    with Arena(tmp_path / "runs", DATABASE_URL=database_url) as arena:
        yield arena


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


def test_an_archive_is_imported_reported_and_judged_again(arena: Arena, tmp_path: Path) -> None:
    file = written(tmp_path / "theirs.jsonl", *lines())
    imported = arena.run("import", "verdicts", file)
    assert imported.code == 0, imported.err
    assert "theirs: 2 questions added" in imported.out
    assert "debate 2 trials, 2 verdicts" in imported.out
    assert "1 verdict in the round offline" in imported.out
    panel = tmp_path / "panel.yaml"
    panel.write_text(json.dumps(PANEL))
    judged_again = arena.run("judge", "theirs", "--with", panel)
    assert judged_again.code == 0, judged_again.err
    assert "again" in judged_again.out
    assert arena.run("report", "theirs", "--format", "json").code == 0
    assert "there already" in arena.run("import", "verdicts", file).out


def test_a_bad_archive_is_refused_in_a_sentence_and_nothing_is_kept(
    arena: Arena, records: Records, tmp_path: Path
) -> None:
    file = written(tmp_path / "theirs.jsonl", *lines(), verdict(trial="t9"))
    ended = arena.run("import", "verdicts", file)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.strip().splitlines() == [
        f'theirs.jsonl, line {len(lines()) + 1}: there is no trial "t9" in the lines before; nothing was imported.'
    ]
    assert [records.count(table) for table in ("task_set", "experiment", "participant")] == [0, 0, 0]


def test_the_nyu_debates_come_with_their_verdicts_or_without(
    arena: Arena, records: Records, tmp_path: Path
) -> None:
    path = nyu_tree(tmp_path, {"a-0": played(DEBATE)})
    alone = arena.run("import", "nyu-debates", path, "--tasks-only", "--name", "stories")
    assert alone.code == 0, alone.err
    assert records.count("experiment") == 0
    ended = arena.run("import", "nyu-debates", path, "--where", "included_in_paper")
    assert ended.code == 0, ended.err
    assert "human-debate 1 trial, 1 verdict" in ended.out
    refused = arena.run("import", "nyu-debates", path, "--skip-bad")
    assert (refused.code, "--tasks-only" in refused.err) == (2, True)


def test_figures_that_differ_end_with_1(arena: Arena, records: Records, tmp_path: Path) -> None:
    items = [item(1)]
    path = llmbar(tmp_path, items, **{"GPT-4": [judged(items[0], "1", "1")]})
    ended = arena.run("reproduce", "llmbar-2023", path)
    assert ended.code == 1
    assert "The data are no edition that is known (verdicts: GPT-4 2)" in ended.out
    assert "off by +5.5000 points" in ended.out
    assert "no figure here" in ended.out
    assert "figures differ from the published ones." in ended.err
    assert records.count("experiment") == 0
    as_json = arena.run("reproduce", "llmbar-2023", path, "--format", "json", "--keep", "bar")
    assert json.loads(as_json.out)["matches"] is False
    assert records.count("experiment") == 1


def test_an_unknown_study_is_refused(arena: Arena, tmp_path: Path) -> None:
    ended = arena.run("reproduce", "unknown-1999", tmp_path)
    assert ended.code == 2
    assert "choose from nyu-2023, llmbar-2023, khan-2024" in ended.err
