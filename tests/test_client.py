"""The command line with `--server`: a process of its own that works on an arena served by another."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as parquet
import pytest
import yaml
from sqlalchemy import URL

from app.records import people, tokens
from app.records.database import Database
from tests.cli.test_commands import is_one_sentence, tasks_file
from tests.database import Server
from tests.factories import passage, spec
from tests.processes import Arena, Process, Records, server_process, until, write_spec

SETTINGS = {"ARENA_HEARTBEAT": "0.2", "ARENA_STALLED_AFTER": "1"}
"""So that work whose arena was killed is soon taken up again."""
PANEL = {"name": "again", "participants": {"dice": {"kind": "builtin", "name": "random"}}, "judges": ["dice"]}


@dataclass
class Elsewhere:
    """An arena that is served, and a command line that knows nothing but its address and a token."""

    here: Arena
    """The command line on the machine of the served arena."""
    remote: Arena
    records: Records
    address: str
    served: Process
    settings: dict[str, str]

    def restart(self) -> None:
        """Serve it again at the same address."""
        port = self.address.rpartition(":")[2]
        self.served = self.here.start("serve", "--port", port)
        until(lambda: "The arena is at" in self.served.err, self.served)


@pytest.fixture
def elsewhere(postgres: Server, fresh_url: URL, database_url: str, tmp_path: Path) -> Iterator[Elsewhere]:
    token = asyncio.run(a_token(fresh_url, embedded=postgres.embedded))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    outside = {
        "ARENA_TOKEN": token,
        "ARENA_HOME": str(tmp_path / "nothing here"),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    with (
        Arena(tmp_path / "here", DATABASE_URL=database_url, **SETTINGS) as here,
        Arena(tmp_path / "there", ARENA_SERVER=address, **outside) as remote,
    ):
        found = Elsewhere(here, remote, Records(database_url), address, here.start("--help"), outside)
        found.restart()
        yield found


async def a_token(url: URL, *, embedded: bool) -> str:
    """A token for reading and writing of a new researcher."""
    database = Database(url, embedded=embedded, connections=2)
    try:
        async with database.session.begin() as db:
            account = await people.add_account(db, "rhea@arena.test", "Rhea", "researcher", "no password")
            return await tokens.new_token(db, account.id, "test", ["read", "write"], timedelta(hours=1))
    finally:
        await database.close()


@pytest.fixture
def ferries(elsewhere: Elsewhere, tmp_path: Path) -> Path:
    """A task file, sent to the arena as `ferries`."""
    file = tasks_file(tmp_path / "ferries.jsonl", passage("one"), passage("two"))
    sent = elsewhere.remote.run("import", "tasks", file)
    assert (sent.code, sent.out) == (0, "ferries: 2 passages and 4 questions added.\n"), sent.err
    return file


@pytest.fixture
def done(elsewhere: Elsewhere, ferries: Path, tmp_path: Path) -> Elsewhere:
    """With an experiment that was run through `--server`."""
    ended = elsewhere.remote.run("run", write_spec(tmp_path / "small.yaml", spec()))
    assert ended.code == 0, ended.err
    return elsewhere


# ── what it can do ──────────────────────────────────────────────────────────────────────────────────────────────


def without_page(printed: str) -> str:
    """What a remote arena's report prints, without the address of its page."""
    return "".join(line for line in printed.splitlines(keepends=True) if not line.startswith("Page: "))


def test_an_experiment_runs_there_and_the_reports_are_the_same_bytes(done: Elsewhere, tmp_path: Path) -> None:
    assert done.records.one("SELECT count(*) FROM play WHERE kind = 'talk' AND state <> 'done'") == 0
    assert done.records.one("SELECT a.name FROM experiment e JOIN account a ON a.id = e.owner_id") == "Rhea"
    for form in ("table", "json"):
        local = done.here.run("report", "small", "--format", form)
        there = done.remote.run("report", "small", "--format", form)
        assert (there.code, there.err) == (0, "")
        assert without_page(there.out) == local.out
    every = [arena.run("report", "small", "--all").out for arena in (done.here, done.remote)]
    assert every[0] == every[1]
    again = done.remote.run("run", tmp_path / "small.yaml")
    assert (again.code, without_page(again.out)) == (0, done.here.run("report", "small").out)
    assert again.out.splitlines()[-1] == f"Page: {done.address}/experiments/small/report"
    assert "60 of 60 done" in again.err
    assert not (tmp_path / "nothing here").exists(), "nothing is kept on this machine"


def test_the_option_does_what_the_variable_does(done: Elsewhere) -> None:
    with Arena(Path(done.settings["ARENA_HOME"]).parent / "option", **done.settings) as arena:
        with_slash = arena.run("--server", f"{done.address}/", "report", "small")
    assert with_slash.code == 0, with_slash.err
    assert with_slash.out == done.remote.run("report", "small").out


def test_tables_come_whole_and_the_same_as_there(done: Elsewhere, tmp_path: Path) -> None:
    for what in ("verdicts", "transcripts"):
        for form in ("jsonl", "csv", "parquet"):
            files = [tmp_path / f"{place}-{what}.{form}" for place in ("here", "there")]
            for arena, file in zip((done.here, done.remote), files, strict=True):
                ended = arena.run("export", "small", "--what", what, "--format", form, "-o", file)
                assert (ended.code, "rows of" in ended.err) == (0, True), ended.err
            if form == "parquet":
                assert parquet.read_table(files[0]).equals(parquet.read_table(files[1]))
            else:
                assert files[0].read_bytes() == files[1].read_bytes()
    printed = done.remote.run("export", "small", "--what", "verdicts", "-o", "-")
    assert printed.out == (tmp_path / "there-verdicts.jsonl").read_text()


def test_passages_come_only_where_asked_for(done: Elsewhere) -> None:
    asked = ("export", "small", "--what", "transcripts", "-o", "-")
    assert "sold herring on the quay" in done.remote.run(*asked, "--include-passages").out
    lines = done.remote.run(*asked).out.splitlines()
    assert not [line for line in lines if "Nobody on board had seen any fog. The mate signed" in line]


def test_an_import_is_read_here_and_twice_changes_nothing(elsewhere: Elsewhere, ferries: Path) -> None:
    again = elsewhere.remote.run("import", "tasks", ferries)
    assert (again.code, "0 questions added; 4 questions were there already" in again.out) == (0, True)
    sample = elsewhere.remote.run("import", "sample")
    assert (sample.code, sample.out) == (0, "sample: 20 passages and 120 questions added.\n")


def test_a_bad_line_is_found_before_anything_is_sent(elsewhere: Elsewhere, tmp_path: Path) -> None:
    file = tasks_file(tmp_path / "bad.jsonl", passage("one"), "nonsense\n")
    refused = elsewhere.remote.run("import", "tasks", file)
    assert (refused.code, "line 2" in refused.err) == (2, True)
    assert elsewhere.records.count("passage") == 0
    kept = elsewhere.remote.run("import", "tasks", file, "--skip-bad")
    assert (kept.code, elsewhere.records.count("passage")) == (0, 1)


def test_a_round_is_judged_there_and_the_same_again_adds_nothing(done: Elsewhere, tmp_path: Path) -> None:
    panel = write_spec(tmp_path / "panel.yaml", PANEL)
    first = done.remote.run("judge", "small", "--with", panel)
    assert first.code == 0, first.err
    assert "again" in first.out
    counted = done.records.count("judgement")
    assert done.records.one("SELECT count(*) FROM play WHERE kind = 'judging' AND state <> 'done'") == 0
    second = done.remote.run("judge", "small", "--with", panel)
    assert (second.code, second.out) == (0, first.out)
    assert done.records.count("judgement") == counted


def test_a_name_that_is_somebody_elses_is_refused_in_the_words_of_page_and_api(
    done: Elsewhere, tmp_path: Path
) -> None:
    with psycopg.connect(done.records._url) as connection:
        other = "INSERT INTO account (id, name, role) VALUES (gen_random_uuid(), 'Other', 'researcher') RETURNING id"
        connection.execute(f"WITH o AS ({other}) UPDATE experiment SET owner_id = o.id FROM o")
    refused = done.remote.run("run", tmp_path / "small.yaml")
    assert (refused.code, refused.out, refused.err) == (2, "", "The name small is taken: choose another.\n")


def test_what_failed_is_tried_again_where_asked(done: Elsewhere, tmp_path: Path) -> None:
    failed = "UPDATE play SET state = 'failed', error = 'The server was away.' WHERE kind = 'judging'"
    with psycopg.connect(done.records._url) as connection:
        connection.execute("DELETE FROM verdict")
        connection.execute(failed)
    told = done.remote.run("run", tmp_path / "small.yaml")
    assert (told.code, "--retry-failed tries them again" in told.err) == (1, True)
    again = done.remote.run("run", tmp_path / "small.yaml", "--retry-failed")
    assert (
        again.code,
        done.records.one("SELECT count(*) FROM play WHERE kind = 'judging' AND state <> 'done'"),
    ) == (0, 0)


def test_templates_travel_with_their_file(elsewhere: Elsewhere, ferries: Path, tmp_path: Path) -> None:
    own = tmp_path / "sailor.jinja"
    own.write_text("{% block request %}Speak as a sailor would.{% endblock %}")
    arm = {"protocol": "debate", "seats": {"debaters": "advocate"}, "prompts": {"debater": own.name}}
    file = write_spec(tmp_path / "sailors.yaml", spec(name="sailors", arms={"debate": arm}))
    local = elsewhere.here.run(
        "run", write_spec(tmp_path / "local.yaml", spec(name="local", arms={"debate": arm}))
    )
    ended = elsewhere.remote.run("run", file)
    assert (local.code, ended.code) == (0, 0), ended.err
    prompts = elsewhere.records.all("SELECT DISTINCT prompts FROM arm")
    assert len(prompts) == 1, "the same templates as those of the command line there"
    assert elsewhere.records.one("SELECT count(*) FROM text WHERE body LIKE '%as a sailor would%'") >= 1


# ── interruptions ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_arena_that_is_killed_and_started_again_is_followed_to_the_end(
    elsewhere: Elsewhere, ferries: Path, tmp_path: Path
) -> None:
    with server_process(tmp_path / "requests.log", latency=0.05) as models:
        with psycopg.connect(elsewhere.records._url) as connection:
            connection.execute(
                "INSERT INTO endpoint (id, name, base_url) VALUES (gen_random_uuid(), 'big', %s)",
                [models.base_url],
            )
        running = elsewhere.remote.start("run", write_spec(tmp_path / "slow.yaml", slow()))
        until(lambda: elsewhere.records.count("move") > 5, running)
        elsewhere.served.kill()
        before = elsewhere.records.count("move")
        assert running.running
        elsewhere.restart()
        ended = running.wait()
    assert ended.code == 0, ended.err
    assert elsewhere.records.count("move") > before
    assert {state for _, state, _ in elsewhere.records.states()} == {"done"}
    assert without_page(ended.out) == elsewhere.here.run("report", "small").out


def slow() -> dict[str, Any]:
    """Talks of several steps by a model that is on record there."""
    model = {"kind": "model", "endpoint": "big", "model": "scripted"}
    return spec(
        participants={"strong": model},
        arms={"debate": {"protocol": "debate", "rounds": 3, "seats": {"debaters": "strong"}}},
        judges=["strong"],
    )


def test_who_stops_following_stops_nothing(elsewhere: Elsewhere, ferries: Path, tmp_path: Path) -> None:
    with server_process(tmp_path / "requests.log", latency=0.05) as models:
        with psycopg.connect(elsewhere.records._url) as connection:
            connection.execute(
                "INSERT INTO endpoint (id, name, base_url) VALUES (gen_random_uuid(), 'big', %s)",
                [models.base_url],
            )
        running = elsewhere.remote.start("run", write_spec(tmp_path / "slow.yaml", slow()))
        until(lambda: elsewhere.records.count("move") > 1, running)
        running.signal(signal.SIGINT)
        ended = running.wait()
        assert (ended.code, "goes on there" in ended.err) == (130, True)
        until(lambda: {state for _, state, _ in elsewhere.records.states()} == {"done"}, elsewhere.served)


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_token_it_says_where_to_make_one(elsewhere: Elsewhere, tmp_path: Path) -> None:
    settings = elsewhere.settings | {"ARENA_TOKEN": " "}
    with Arena(tmp_path / "bare", ARENA_SERVER=elsewhere.address, **settings) as arena:
        for command in (("report", "small"), ("export", "small", "--what", "verdicts", "-o", "-")):
            is_one_sentence(
                arena.run(*command), "ARENA_TOKEN is empty", f"{elsewhere.address}/account/tokens"
            )


@pytest.mark.parametrize("token", ["arena_wrong", "wrong\nX-Evil: 1", "tökén"])
def test_a_wrong_token_is_told_as_such(elsewhere: Elsewhere, tmp_path: Path, token: str) -> None:
    settings = elsewhere.settings | {"ARENA_TOKEN": token}
    with Arena(tmp_path / "bare", ARENA_SERVER=elsewhere.address, **settings) as arena:
        is_one_sentence(arena.run("report", "small"), "token", "ARENA_TOKEN")


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        ("http://127.0.0.1:9", 1, "cannot be reached"),
        ("http://nowhere.invalid", 1, "cannot be reached"),
        ("127.0.0.1:8000", 2, "is no address"),
        ("nonsense", 2, "is no address"),
        ("ftp://127.0.0.1", 2, "is no address"),
        ("http://127.0.0.1:99999", 2, "is no address"),
    ],
)
def test_a_wrong_address_is_told_as_such(tmp_path: Path, address: str, code: int, says: str) -> None:
    with Arena(tmp_path / "bare", ARENA_SERVER=address, ARENA_TOKEN="arena_x") as arena:
        is_one_sentence(arena.run("report", "small"), says, code=code)


def test_a_server_that_is_no_arena_is_told_as_such(tmp_path: Path) -> None:
    with server_process(tmp_path / "requests.log", latency=0) as models:
        address = models.base_url.removesuffix("/v1")
        with Arena(tmp_path / "bare", ARENA_SERVER=address, ARENA_TOKEN="arena_x") as arena:
            is_one_sentence(arena.run("report", "small"), "no sentence of an arena", "--server", code=1)


def test_a_token_that_may_only_read_starts_nothing(
    elsewhere: Elsewhere, ferries: Path, tmp_path: Path
) -> None:
    with psycopg.connect(elsewhere.records._url) as connection:
        connection.execute("UPDATE api_token SET scopes = ARRAY['read']")
    file = write_spec(tmp_path / "small.yaml", spec())
    is_one_sentence(elsewhere.remote.run("run", file), "lacks the scope write")


@pytest.mark.parametrize("command", ["demo", "check", "worker", "serve", "doctor"])
def test_what_works_here_only_says_so_where_the_option_is_given(tmp_path: Path, command: str) -> None:
    file = write_spec(tmp_path / "small.yaml", spec())
    arguments = [command, *([str(file)] if command == "check" else [])]
    with Arena(tmp_path / "bare", ARENA_TOKEN="arena_x") as arena:
        is_one_sentence(
            arena.run("--server", "http://127.0.0.1:9", *arguments), f"`arena {command}`", "--server"
        )


def test_mistakes_are_told_as_they_are_here(elsewhere: Elsewhere, ferries: Path, tmp_path: Path) -> None:
    remote = elsewhere.remote
    is_one_sentence(remote.run("report", "nothing"), "There is no experiment nothing here")
    is_one_sentence(remote.run("run", tmp_path / "none.yaml"), "There is no file")
    is_one_sentence(remote.run("run", write_spec(tmp_path / "a.yaml", spec(judgse=1))), "judges")
    is_one_sentence(
        remote.run("run", write_spec(tmp_path / "b.yaml", spec(tasks={"set": "none"}))), "no task set 'none'"
    )
    is_one_sentence(
        remote.run("judge", "nothing", "--with", write_spec(tmp_path / "p.yaml", PANEL)),
        "no experiment nothing",
    )
    export = ("export", "nothing", "--what", "verdicts", "-o", tmp_path / "out.jsonl")
    is_one_sentence(remote.run(*export), "no experiment nothing")
    assert not (tmp_path / "out.jsonl").exists()
    assert elsewhere.records.count("experiment") == 0


def test_parquet_is_not_written_to_a_terminal(done: Elsewhere) -> None:
    asked = ("export", "small", "--what", "verdicts", "--format", "parquet", "-o", "-")
    is_one_sentence(done.remote.run(*asked), "Parquet")


def test_an_endpoint_that_is_not_on_record_there_is_refused(
    elsewhere: Elsewhere, ferries: Path, tmp_path: Path
) -> None:
    model = {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    data = spec(participants={"strong": model}, arms={"naive": {"protocol": "naive"}}, judges=["strong"])
    is_one_sentence(elsewhere.remote.run("run", write_spec(tmp_path / "a.yaml", data)), "registered endpoint")


def test_the_token_is_nowhere_in_what_is_printed_or_served(elsewhere: Elsewhere, ferries: Path) -> None:
    token = elsewhere.settings["ARENA_TOKEN"]
    assert re.fullmatch(r"arena_[\w-]{43}", token)
    ended = elsewhere.remote.run("report", "nothing")
    assert token not in ended.out + ended.err + elsewhere.served.err
    assert os.environ.get("ARENA_TOKEN") is None
    assert yaml.safe_dump(elsewhere.records.all("SELECT detail FROM audit")).count(token) == 0
