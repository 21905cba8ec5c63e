"""Studies from outside: checked, made, opened, paused and closed on the command line, with the exit codes of the house."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.web.fields import written
from tests.cli.test_commands import is_one_sentence, tasks_file
from tests.factories import passage
from tests.processes import Arena, write_spec
from tests.studies import study_file
from tests.web.world import for_people


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    """An arena with an experiment whose talks wait for two people each."""
    arms = {"debate": for_people()["arms"]["debate"]}
    data = {**for_people(), "name": "small", "arms": arms}
    with Arena(tmp_path / "runs", DATABASE_URL=database_url) as arena:
        file = tasks_file(tmp_path / "ferries.jsonl", passage("one", 1), passage("two", 1))
        assert arena.run("import", "tasks", file).code == 0
        ended = arena.run("run", write_spec(tmp_path / "small.yaml", data))
        assert ended.code == 0, ended.err
        yield arena


def write_study(folder: Path, **changes: Any) -> Path:
    """A study's file."""
    path = folder / "study.yaml"
    path.write_text(written(study_file(**changes)), encoding="utf-8")
    return path


def test_a_study_is_checked_made_opened_and_closed(arena: Arena, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    assert yaml.safe_load(path.read_text())["name"] == "pilot"
    assert arena.run("study", "list").out.startswith("There is no study yet")
    checked = arena.run("study", "check", path)
    assert checked.code == 0, checked.err
    assert checked.out == (
        "pilot: 2 people with 2 trials each; £1.50 for 10 minutes, £9.00 an hour.\nIt can be opened.\n"
    )
    assert arena.run("study", "create", path).out.startswith("pilot was made as a draft")
    assert arena.run("study", "create", path).out.startswith("pilot was changed as a draft")
    is_one_sentence(arena.run("study", "pause", "pilot"), "The study pilot is a draft: open it first")
    opened = arena.run("study", "open", "pilot")
    first, link = opened.out.splitlines()
    assert first == "pilot is open."
    assert link.startswith("http://127.0.0.1:8000/join/")
    assert link.endswith("&SESSION_ID={{%SESSION_ID%}}")
    assert arena.run("study", "link", "pilot").out == f"{link}\n"
    is_one_sentence(arena.run("study", "create", path), "was opened, so only its texts can change")
    status = arena.run("study", "status", "pilot").out
    assert status.startswith("pilot is open: 0 of 2 have completed, 0 take part, 2 places are free.")
    assert "questionnaire" in status
    assert "0 of 2" in arena.run("study", "list").out
    assert arena.run("study", "pause", "pilot").out == "pilot is paused.\n"
    assert arena.run("study", "close", "pilot").out == "pilot is closed.\n"


def test_what_prevents_opening_ends_a_check_with_two(arena: Arena, tmp_path: Path) -> None:
    path = write_study(tmp_path, people=9, reward={"amount": "0.10"})
    checked = arena.run("study", "check", path)
    assert checked.code == 2
    assert (
        "To do: people: 9 people with 2 trials each are 18 trials, but only 4 seats are free" in checked.out
    )
    assert "Note: reward: £0.10 for 10 minutes are £0.60 an hour" in checked.out
    assert arena.run("study", "create", path).code == 0
    assert arena.run("study", "check", "pilot").code == 2
    is_one_sentence(arena.run("study", "open", "pilot"), "9 people with 2 trials each are 18 trials")


def test_a_mistake_is_one_sentence(arena: Arena, tmp_path: Path) -> None:
    wrong = write_study(tmp_path, experiments=["smal"])
    for command in ("check", "create"):
        is_one_sentence(
            arena.run("study", command, wrong), "unknown experiment 'smal'; the nearest is 'small'"
        )
    is_one_sentence(arena.run("study", "check", tmp_path / "none.yaml"), "none.yaml")
    is_one_sentence(arena.run("study", "status", "nothing"), "There is no study nothing here")
    wrong.write_text("peple: 3", encoding="utf-8")
    is_one_sentence(arena.run("study", "check", wrong), "unknown key 'peple'; the nearest is 'people'")
