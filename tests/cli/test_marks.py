"""Tags and notes from outside: written, printed, and shown above a report, but no part of what is frozen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.archives import lines, written
from tests.processes import Arena, Records


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    with Arena(tmp_path / "runs", DATABASE_URL=database_url) as arena:
        assert arena.run("import", "verdicts", written(tmp_path / "theirs.jsonl", *lines())).code == 0
        yield arena


def test_tags_and_a_note_are_written_printed_and_shown_above_a_report(
    arena: Arena, database_url: str
) -> None:
    assert arena.run("tag", "theirs").out == "theirs: neither tag nor note.\n"
    plain = arena.run("report", "theirs").out
    assert (
        arena.run("tag", "theirs", "+Pilot", "figure-2", "+draft").out
        == "theirs: Tags: draft, figure-2, pilot.\n"
    )
    assert arena.run("tag", "theirs", "-draft").out == "theirs: Tags: figure-2, pilot.\n"
    assert arena.run("note", "theirs", "Look again.").code == 0
    said = "Tags: figure-2, pilot. Note: Look again."
    assert arena.run("note", "theirs").out == f"theirs: {said}\n"
    first, *rest = plain.splitlines()
    assert arena.run("report", "theirs").out.splitlines() == [first, said, *rest]
    assert arena.run("report", "theirs", "--all").out.startswith(f"{said}\n")
    assert Records(database_url).count("audit") == 3


def test_what_cannot_be_a_tag_is_refused_and_nothing_changes(arena: Arena) -> None:
    for wrong in (["<b>"], ["+"], ["good", "x" * 41]):
        ended = arena.run("tag", "theirs", *wrong)
        assert (ended.code, ended.out) == (2, "")
    assert arena.run("tag", "theirs").out == "theirs: neither tag nor note.\n"
    assert arena.run("note", "no-such", "x").code == 2
