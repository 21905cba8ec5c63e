"""Looking after an arena from outside: experiments and task sets, backups, tokens, a first file, completion."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from app.experiments.spec import read_spec
from app.records.database import head
from tests.cli.test_commands import tasks_file
from tests.database import Server
from tests.factories import passage, spec
from tests.processes import ROOT, Arena, Ended, Records, write_spec
from tests.test_client import Elsewhere
from tests.test_client import elsewhere as elsewhere  # a fixture

ARMS = {"naive": {"protocol": "naive"}}


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    with Arena(tmp_path / "runs", DATABASE_URL=database_url) as arena:
        yield arena


@pytest.fixture
def file(arena: Arena, tmp_path: Path) -> Path:
    """The file of a small experiment, which was run."""
    assert arena.run("import", "tasks", tasks_file(tmp_path / "ferries.jsonl", passage("one", 1))).code == 0
    written = write_spec(tmp_path / "small.yaml", spec(arms=ARMS, judges=["lexical"]))
    assert arena.run("run", written).code == 0
    return written


def said(ended: Ended) -> str:
    """Return the one line that a command printed."""
    assert ended.code == 0, ended.err
    [line] = ended.out.splitlines()
    return line


def refused(ended: Ended, sentence: str, code: int = 2) -> None:
    assert (ended.code, ended.out) == (code, "")
    assert re.search(sentence, ended.err), ended.err
    assert "Traceback" not in ended.err


def test_experiments_are_listed_steered_renamed_and_deleted(
    arena: Arena, file: Path, database_url: str
) -> None:
    looked_after(arena)
    assert said(arena.run("rename", "small", "large")).startswith("small is called large now")
    refused(arena.run("status", "small"), "There is no experiment small")
    trail = [row[2] for row in Records(database_url).all("SELECT id, at, action FROM audit ORDER BY id")]
    assert trail == ["paused", "resumed", "paused", "cancelled", "renamed"]
    refused(arena.run("delete", "large"), "write --yes where no one can be asked")
    assert said(arena.run("delete", "large", "--yes")) == "large is deleted: 1 trial and 2 verdicts."
    refused(arena.run("delete", "large", "--yes"), "There is no experiment large")
    assert Records(database_url).count("play") == 0
    assert json.loads(arena.run("list", "--json").out) == []
    assert said(arena.run("tasks", "rename", "ferries", "boats")).startswith("ferries is called boats now")
    assert (
        said(arena.run("tasks", "delete", "boats", "--yes")) == "boats is deleted: 1 passage and 1 question."
    )
    assert json.loads(arena.run("tasks", "list", "--json").out) == []


def looked_after(arena: Arena) -> None:
    """List, look at and steer the experiment `small`."""
    [listed] = json.loads(arena.run("list", "--json").out)
    assert (listed["name"], listed["status"], listed["done"], listed["total"]) == ("small", "finished", 2, 2)
    assert re.search(r"small +finished +2 +2 +0", arena.run("list").out)
    found = json.loads(arena.run("status", "small", "--json").out)
    assert (found["name"], found["state"], found["trials"]) == ("small", "running", {"done": 1})
    assert arena.run("status", "small").out.startswith(
        "small is finished: 2 of 2 trials and judgements are done."
    )
    [tasks] = json.loads(arena.run("tasks", "list", "--json").out)
    assert (tasks["name"], tasks["questions"]) == ("ferries", 1)
    for action, state in (("pause", "paused"), ("resume", "running"), ("pause", "paused")):
        assert said(arena.run(action, "small"))
        assert json.loads(arena.run("status", "small", "--json").out)["state"] == state
    assert said(arena.run("pause", "small")), "it is paused already"
    refused(arena.run("tasks", "delete", "ferries", "--yes"), "1 experiment asked its questions: small")
    assert said(arena.run("cancel", "small")).startswith("small is cancelled; its data stay")
    refused(arena.run("resume", "small"), "small is cancelled, so it cannot be resumed")


def test_the_same_commands_work_on_a_remote_arena(elsewhere: Elsewhere, tmp_path: Path) -> None:
    lines = tasks_file(tmp_path / "ferries.jsonl", passage("one", 1))
    assert elsewhere.remote.run("import", "tasks", lines).code == 0
    written = write_spec(tmp_path / "small.yaml", spec(arms=ARMS, judges=["lexical"]))
    assert elsewhere.remote.run("run", written).code == 0
    looked_after(elsewhere.remote)
    assert said(elsewhere.remote.run("rename", "small", "large"))
    refused(elsewhere.remote.run("rename", "large", "no name!"), "Write the new name with letters")
    assert (
        said(elsewhere.remote.run("delete", "large", "--yes")) == "large is deleted: 1 trial and 2 verdicts."
    )
    assert said(elsewhere.remote.run("tasks", "rename", "ferries", "boats"))
    assert said(elsewhere.remote.run("tasks", "delete", "boats", "--yes"))


def test_a_backup_is_restored_with_the_same_report(
    arena: Arena, file: Path, postgres: Server, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.zip"
    assert re.fullmatch(
        rf".*: \d+ rows of \d+ tables at revision {head()}, .* MB\. .*", said(arena.run("db", "dump", backup))
    )
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    refused(arena.run("db", "restore", backup), "is not empty")
    with postgres.fresh("template0") as url, Arena(tmp_path / "other", DATABASE_URL=plain(url)) as other:
        backup.with_name("cut").write_bytes(backup.read_bytes()[:-100])
        refused(other.run("db", "restore", tmp_path / "cut"), "is cut or damaged")
        refused(other.run("db", "restore", tmp_path / "none"), "There is no file")
        assert said(other.run("db", "restore", backup)).startswith("Restored ")
        asked = ("report", "small", "--format", "json")
        assert other.run(*asked).out == arena.run(*asked).out != ""
        assert other.run("run", file).code == 0
    refused(arena.run("db", "dump", tmp_path / "no" / "such"), "cannot be written")


def plain(url: URL) -> str:
    """Return an address as DATABASE_URL takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_older_code_says_which_version_a_newer_database_needs(
    arena: Arena, file: Path, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_later'")
        connection.execute("COMMENT ON TABLE alembic_version IS 'arena 7.0 at revision 9999_later'")
    needed = r"upgraded by a newer arena \(version 7\.0, revision 9999_later\).* use version 7\.0 or later"
    for command in (("list",), ("db", "upgrade"), ("run", str(file))):
        refused(arena.run(*command), needed, code=1)
    ended = arena.run("doctor")
    assert ended.code == 1
    assert re.search(needed, ended.out)


def test_a_token_is_printed_once_and_works(elsewhere: Elsewhere) -> None:
    refused(elsewhere.here.run("token", "create", "no@arena.test"), "arena user add no@arena.test")
    [(email,)] = elsewhere.records.all("SELECT email FROM account WHERE role = 'researcher'")
    refused(elsewhere.here.run("token", "create", str(email), "--scope", "admin"), "Only an admin")
    made = elsewhere.here.run("token", "create", str(email), "--name", "desk", "--days", "3")
    token = said(made)
    assert re.fullmatch(r"arena_\S+", token)
    assert "read and write" in made.err
    kept = elsewhere.records.all("SELECT name, scopes, expires_at - created_at < '4 days' FROM api_token")
    assert ("desk", ["read", "write"], True) in kept
    elsewhere.remote._environment["ARENA_TOKEN"] = token
    assert json.loads(elsewhere.remote.run("list", "--json").out) == []


def test_a_first_file_runs_as_written(arena: Arena, tmp_path: Path) -> None:
    written = tmp_path / "first.yaml"
    assert said(arena.run("init", written)).startswith(f"{written}: `arena run")
    refused(arena.run("init", written), "is there already")
    assert arena.run("init", "-").out == written.read_text()
    assert said(arena.run("init", written, "--force"))
    assert read_spec(written).name == "first"
    ended = arena.run("run", written)
    assert ended.code == 0, ended.err
    assert "Imported the task set sample" in ended.err
    assert "debate less consultancy" in ended.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_a_script_that_asks_the_arena(shell: str) -> None:
    script = completed("completion", shell)
    assert "_ARENA_COMPLETE=complete_" + shell in script


def test_words_are_completed() -> None:
    asked = {"_ARENA_COMPLETE": "complete_bash", "COMP_WORDS": "arena res", "COMP_CWORD": "1"}
    assert completed(**asked).split() == ["resume"]
    asked |= {"COMP_WORDS": "arena db ", "COMP_CWORD": "2"}
    assert {"dump", "restore", "upgrade"} <= {*completed(**asked).split()}


def completed(*arguments: str, **variables: str) -> str:
    """Return what the command prints under its installed name."""
    program = "import sys; sys.argv[0] = 'arena'; from app.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout
