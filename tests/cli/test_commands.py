"""The command line from outside: what it prints, its exit codes, and that bad input changes nothing."""

import asyncio
import json
import re
import signal
import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.exchange.importing import SAMPLE
from app.records.database import head
from tests.factories import passage, spec
from tests.processes import PATIENCE, Arena, Ended, Process, Records, until, write_spec
from tests.servers import Script, ScriptedServer

PANEL = {"name": "again", "participants": {"dice": {"kind": "builtin", "name": "random"}}, "judges": ["dice"]}
PROXY = {"ARENA_PUBLIC_URL": "https://Arena.example.org/", "ARENA_PORT": "0"}
"""Settings of an arena behind a proxy."""
TABLES = (
    "task_set",
    "passage",
    "question",
    "experiment",
    "arm",
    "participant",
    "trial",
    "judgement",
    "move",
    "verdict",
)


@pytest.fixture
def arena(database_url: str, tmp_path: Path) -> Iterator[Arena]:
    with Arena(tmp_path / "runs", DATABASE_URL=database_url, ARENA_TEST_KEY="sk-secret-key") as arena:
        yield arena


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


@pytest.fixture
def ferries(arena: Arena, tmp_path: Path) -> Path:
    """A task file, imported as `ferries`."""
    file = tasks_file(tmp_path / "ferries.jsonl", passage("one"), passage("two"))
    assert arena.run("import", "tasks", file).code == 0
    return file


def tasks_file(path: Path, *lines: Any) -> Path:
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def counts(records: Records) -> dict[str, int]:
    return {table: records.count(table) for table in TABLES}


def is_one_sentence(ended: Ended, *parts: str, code: int = 2) -> None:
    assert ended.code == code, ended.err
    assert ended.out == ""
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].endswith("."), lines
    for part in parts:
        assert part in lines[0], lines


@contextmanager
def serving(script: Script, port: int = 0) -> Iterator[ScriptedServer]:
    """The scripted server, on a loop of its own beside the synchronous test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = ScriptedServer(script, port=port)
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def modelled(base_url: str, **settings: Any) -> dict[str, Any]:
    """An experiment whose debaters and judge are a model at `base_url`."""
    model = {"kind": "model", "endpoint": "far", "model": "scripted", "asks": 2, **settings}
    return spec(
        endpoints={"far": {"base_url": base_url, "api_key_env": "ARENA_TEST_KEY"}},
        participants={"model": model},
        arms={"debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "model"}}},
        judges=["model"],
        elicit="final",
    )


# ── the ordinary way ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pre_flight_ends_with_1_where_a_participant_is_unfit_and_tries_one_arm_alone(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    with serving(Script(odds=(0.9, 0.1), letters=0.1)) as server:
        file = write_spec(tmp_path / "weak.yaml", modelled(server.base_url))
        assert arena.run("import", "tasks", ferries).code == 0
        tried = arena.run("check", file, "--arm", "debate")
        assert tried.code == 1, tried.err
        assert "model as Judge: unfit" in tried.out
        assert "Unfit: model as Judge" in tried.err
        server.script = Script(favours="overslept", letters=0.99)
        assert arena.run("check", file).code == 0
        is_one_sentence(arena.run("check", file, "--arm", "debates"), "There is no arm debates")
    assert records.count("trial") == 0, "a pre-flight keeps nothing"


@pytest.mark.outside
def test_an_experiment_goes_from_import_to_report_export_and_a_second_panel(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    run = arena.run("run", write_spec(tmp_path / "small.yaml", spec()))
    assert run.code == 0, run.err
    assert "debate less" not in run.out
    assert re.search(r"^debate +\d+\.\d% ", run.out, re.MULTILINE)
    assert "all participants are built-in" in run.out

    report = json.loads(arena.run("report", "small", "--format", "json").out)
    cells = {(cell["arm"], cell["judge"]): cell for cell in report["cells"]}
    assert set(cells) == {
        (a, j) for a in ("naive", "expert", "consultancy", "debate") for j in ("lexical", "dice")
    }
    wanted = [
        "arm",
        "judge",
        "questions",
        "trials",
        "verdicts",
        "correct",
        "failures",
        "accuracy",
        "low",
        "high",
        "brier",
        "log_score",
        "pgr",
    ]
    for cell in cells.values():
        assert set(wanted) <= set(cell)
        assert cell["failures"] == 0
        assert 0 <= cell["low"] <= cell["accuracy"] <= cell["high"] <= 1
        assert cell["judge_is_baseline"]
    assert cells["consultancy", "lexical"]["trials"] == 2 * cells["debate", "lexical"]["trials"] == 8

    again = arena.run("judge", "small", "--with", write_spec(tmp_path / "panel.yaml", PANEL))
    assert again.code == 0, again.err
    assert "dice (again)" in again.out
    exported = tmp_path / "verdicts.jsonl"
    assert arena.run("export", "small", "--what", "verdicts", "-o", exported).code == 0
    rows = [json.loads(line) for line in exported.read_text().splitlines()]
    assert len(rows) == records.count("verdict") == 20 * 2 * 3


def test_what_was_cancelled_is_not_judged_again(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    arms = {"naive": {"protocol": "naive"}}
    assert arena.run("run", write_spec(tmp_path / "small.yaml", spec(arms=arms))).code == 0
    assert records.all("UPDATE experiment SET state = 'cancelled' RETURNING id")
    refused = arena.run("judge", "small", "--with", write_spec(tmp_path / "panel.yaml", PANEL))
    is_one_sentence(refused, "cancelled for good, so it cannot be judged again")
    assert records.count("judging_round") == 1


def test_the_same_command_again_changes_nothing_and_says_the_same(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    file = write_spec(tmp_path / "small.yaml", spec())
    first, before = arena.run("run", file), counts(records)
    second = arena.run("run", file)
    assert second.code == 0
    assert second.out == first.out
    assert counts(records) == before
    assert arena.run("import", "tasks", ferries).out.startswith("ferries: 0 passages and 0 questions added")
    assert counts(records) == before


def test_when_only_people_are_awaited_it_says_so_and_ends_well(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    file = write_spec(tmp_path / "people.yaml", spec(judges=["lexical", {"humans": 2}]))
    ended = arena.run("run", file)
    assert ended.code == 0, ended.err
    assert "40 wait for people" in ended.err
    assert (
        records.one("SELECT count(*) FROM play WHERE kind = 'judging' AND state = 'open' AND place IN (1, 2)")
        == 40
    )


@pytest.mark.outside
def test_the_doctor_tells_the_database_its_migrations_and_which_endpoints_answer(
    arena: Arena, tmp_path: Path
) -> None:
    with serving(Script(key="sk-secret-key")) as server:
        file = write_spec(tmp_path / "far.yaml", modelled(server.base_url))
        sound = arena.run("doctor", file)
    gone = arena.run("doctor", file)
    assert sound.code == 0, sound.out
    assert f"Migrations: {head()} of {head()}, current" in sound.out
    assert "answers, serves scripted" in sound.out
    assert gone.code == 1
    assert "cannot be reached" in gone.out
    assert "sk-secret-key" not in sound.out + gone.out + sound.err + gone.err


def test_the_doctor_is_not_troubled_by_endpoints_of_finished_experiments(
    arena: Arena, ferries: Path, tmp_path: Path
) -> None:
    with serving(Script()) as server:
        file = write_spec(tmp_path / "far.yaml", modelled(server.base_url))
        assert arena.run("run", file).code == 0
    gone = arena.run("doctor")
    assert gone.code == 0, gone.out
    assert f"Not tried, since only finished experiments used them: far ({server.base_url})." in gone.out
    named = arena.run("doctor", file)
    assert named.code == 1
    assert "cannot be reached" in named.out


def test_the_doctor_names_the_right_address_and_what_servers_do_not_take(
    arena: Arena, ferries: Path, tmp_path: Path
) -> None:
    with serving(Script(most_top=5)) as server:
        file = write_spec(tmp_path / "far.yaml", modelled(server.base_url))
        assert arena.run("run", file).code == 0
        known = arena.run("doctor", file)
        assert known.code == 0, known.out
        assert "  scripted: top_logprobs is kept at 5 or below, because the server said" in known.out
        assert "tried again after" in known.out
        wrong = write_spec(tmp_path / "wrong.yaml", modelled(f"{server.base_url}/chat/completions"))
        tried = arena.run("doctor", wrong)
    assert tried.code == 1
    assert f"write base_url: {server.base_url} (the address of its OpenAI-compatible interface)" in tried.out


@pytest.mark.slow
def test_a_run_that_is_taken_up_again_waits_for_its_endpoint_and_the_doctor_says_so(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    with serving(Script(latency=0.2)) as server:
        port = server.port
        file = write_spec(tmp_path / "far.yaml", modelled(server.base_url))
        first = arena.start("run", file)
        until(lambda: len(server.seen) > 5, first)
        first.kill()
    again = arena.start("run", file)
    until(lambda: "is paused since" in again.err, again)
    doctor = arena.run("doctor")
    assert re.search(r"Endpoint \S+ is paused since \d\d:\d\d UTC: it cannot be reached at http", doctor.out)
    assert doctor.code == 1
    with serving(Script(), port=port):
        ended = again.wait()
    assert ended.code == 0, ended.err
    assert records.count("endpoint_notice") == 0


def test_a_task_set_ships_with_the_arena(arena: Arena, records: Records) -> None:
    assert arena.run("import", "sample").code == 0
    rows = records.all(
        "SELECT p.license, array_length(regexp_split_to_array(trim(t.body), '\\s+'), 1), count(q.id), min(cardinality(q.answers))"
        " FROM passage p JOIN text t ON t.digest = p.text_digest JOIN question q ON q.passage_id = p.id GROUP BY p.id, t.body"
    )
    assert len(rows) >= 8
    for license, words, questions, answers in rows:
        assert license == "CC0-1.0"
        assert 1200 <= words <= 2500
        assert questions >= 5
        assert answers == 4
    assert SAMPLE.exists()


# ── the demo ────────────────────────────────────────────────────────────────────────────────────────────────────


class Visitor(httpx.Client):
    """A browser without script that follows redirects."""

    def __init__(self) -> None:
        super().__init__(follow_redirects=True, timeout=PATIENCE)

    def press(self, shown: httpx.Response, action: str) -> httpx.Response:
        """Send the form of a page that goes to `action`, as it stands."""
        [form] = re.findall(rf'<form method="post" action="{action}".*?</form>', shown.text, re.DOTALL)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        return self.post(shown.url.join(action), data=fields)


def invitations(process: Process) -> dict[str, str]:
    """The links that a demo has printed, by role."""
    return dict(re.findall(r"^  (\w+): +(http://\S+/invite/\S+)$", process.err, re.MULTILINE))


@contextmanager
def demo_served(arena: Arena) -> Iterator[dict[str, str]]:
    """The links of a demo that serves until it is stopped as by Ctrl-C."""
    process = arena.start("demo", "--serve")
    until(lambda: "/join/" in process.err, process, every=0.1)
    assert len(invitations(process)) == 4
    [join] = re.findall(r"^  participant: +(http://\S+/join/\S+)$", process.err, re.MULTILINE)
    assert "Which answer is right?" in httpx.get(join).text
    yield invitations(process)
    process.signal(signal.SIGINT)
    ended = process.wait()
    assert ended.code == 130
    assert ended.err.splitlines()[-1].startswith("Stopped. Everything done so far is kept")
    assert "Traceback" not in ended.err


def test_the_demo_prints_its_table_and_serves_only_where_it_is_told_to(
    database_url: str, tmp_path: Path, records: Records
) -> None:
    with Arena(tmp_path / "runs", DATABASE_URL=database_url, ARENA_PORT="0") as arena:
        printed = arena.run("demo")
        assert printed.code == 0, printed.err
        assert printed.out.startswith("demo: 600 trials under 20 arms, 1,060 verdicts on 20 questions")
        assert "Nothing can be concluded about language models" in printed.out.replace("\n", " ")
        assert "http://127.0.0.1" not in printed.err
        assert records.count("experiment") == 1
        assert records.count("account") == 0

        with demo_served(arena) as links:
            _judges(links["judge"])
            _debates(links["debater"])
            with Visitor() as researcher:
                researcher.get(links["researcher"])
                listed = researcher.get(httpx.URL(links["researcher"]).join("/experiments"))
                for name in ("demo", "demo-people", "demo-debate", "demo-running", "demo-study"):
                    assert f'href="/experiments/{name}"' in listed.text
        before = {table: records.count(table) for table in ("account", "experiment", "trial", "judgement")}
        assert before["experiment"] == 5
        unused = links["admin"]

        with demo_served(arena) as again, Visitor() as visitor:
            assert set(again.values()).isdisjoint(links.values())
            for old in (links["judge"], unused):
                path = httpx.URL(old).path
                assert visitor.get(httpx.URL(again["admin"]).join(path)).status_code == 410
            assert visitor.get(httpx.URL(again["admin"]).join("/audit")).url.path == "/sign-in"
            visitor.get(again["admin"])
            assert visitor.get(httpx.URL(again["admin"]).join("/audit")).url.path == "/audit"
        assert {table: records.count(table) for table in before} == before
        assert (
            records.one(
                "SELECT count(*) FROM play WHERE kind = 'judging' AND state = 'waiting' AND place > 0"
            )
            == 1
        )

    with Arena(tmp_path / "public", DATABASE_URL=database_url, **PROXY) as arena:
        demo = arena.start("demo", "--serve")
        until(lambda: "Ctrl-C" in demo.err, demo, every=0.1)
        links = re.findall(r"^  \w+: +(\S+?)/invite/\S+$", demo.err, re.MULTILINE)
        assert links == 4 * ["https://arena.example.org"]


def test_a_report_as_a_page_stands_alone(arena: Arena, ferries: Path, tmp_path: Path) -> None:
    assert arena.run("run", write_spec(tmp_path / "small.yaml", spec())).code == 0
    page = arena.run("report", "small", "--format", "html")
    assert (page.code, page.err) == (0, "")
    assert page.out.count("<h1>small</h1>") == 1
    figures = json.loads(arena.run("report", "small", "--format", "json").out)
    for cell in figures["cells"]:
        assert f"<td>{100 * cell['accuracy']:.1f}%</td>" in page.out
    pictures = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', page.out)
    assert len(pictures) >= 3
    assert all(b"<svg" in b64decode(picture)[:200] for picture in pictures)
    assert re.findall(r'(?:src|href|action)="(?!data:)([^"#][^"]*)"', page.out) == []
    assert not re.search(r"<script|<link|<form|@import|url\([\"']?(?!data:|[\"'])", page.out)
    assert page.out == arena.run("report", "small", "--format", "html").out
    is_one_sentence(arena.run("report", "small", "small", "--format", "html"), "HTML holds one report")


def test_several_experiments_are_reported_in_one_table_and_then_each(
    arena: Arena, ferries: Path, tmp_path: Path
) -> None:
    for name in ("small", "other"):
        assert arena.run("run", write_spec(tmp_path / f"{name}.yaml", spec(name=name))).code == 0
    alone = {name: arena.run("report", name, "--all").out for name in ("small", "other")}
    both = arena.run("report", "small", "other", "small", "--all")
    assert (both.code, both.err) == (0, "")
    table, first, second = both.out.partition(alone["small"])
    assert (first, second) == (alone["small"], alone["other"])
    for name in ("small", "other"):
        assert name in table, "the comparison comes first"
    screen = arena.run("report", "small", "other", "small").out.splitlines()
    assert len(screen) <= 30
    assert all(len(line) <= 80 for line in screen)
    for name in ("small", "other"):
        assert any(line.startswith(f"by {name}, ") for line in screen)


def test_a_run_ends_with_its_report_on_one_screen_as_wide_as_the_terminal(
    arena: Arena, ferries: Path, tmp_path: Path
) -> None:
    ran = arena.run("run", write_spec(tmp_path / "small.yaml", spec()))
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert len(lines) <= 30
    assert all(len(line) <= 80 for line in lines)
    assert re.match(r"small: \d+ trials under \d+ arms, \d+ verdicts on 4 questions, in \d+ s$", lines[0])
    figures = json.loads(arena.run("report", "small", "--format", "json").out)
    for cell in figures["cells"]:
        assert any(
            line.startswith(cell["arm"]) and f"{100 * cell['accuracy']:.1f}%" in line for line in lines
        )
    assert figures["answer"]["meaning"] in " ".join(lines)
    assert lines[-1].startswith("More: arena report small --all")
    assert ran.out == arena.run("report", "small").out
    assert arena.run("report", "small", "--all").out.startswith(figures["answer"]["text"])
    is_one_sentence(arena.run("report", "small", "--all", "--format", "json"), "--all is for tables")


def test_a_page_is_not_made_of_an_arena_elsewhere(tmp_path: Path) -> None:
    with Arena(tmp_path / "runs", ARENA_SERVER="http://127.0.0.1:1", ARENA_TOKEN="t") as arena:
        is_one_sentence(arena.run("report", "small", "--format", "html"), "leave --server out")


def test_a_proxys_address_is_in_everything_that_is_printed(database_url: str, tmp_path: Path) -> None:
    """In the links of a demo too: see the test of the demo."""
    with Arena(tmp_path / "runs", DATABASE_URL=database_url, **PROXY) as arena:
        serving = arena.start("serve")
        until(lambda: "Ctrl-C" in serving.err, serving)
        assert re.match(
            r"The arena is at https://arena\.example\.org/ and listens at http://127\.0\.0\.1:\d+/ ;",
            serving.err,
        )
    added = CliRunner().invoke(
        cli, ["user", "add", "ada@x.org"], "a long password\n", {"DATABASE_URL": database_url, **PROXY}
    )
    assert added.stdout == "ada@x.org can sign in as researcher at https://arena.example.org/sign-in.\n"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ARENA_PUBLIC_URL", "arena.example.org", "valid"),
        ("ARENA_PUBLIC_URL", "https://arena.example.org/below", "scheme, host and port only"),
        ("ARENA_PUBLIC_URL", "ftp://arena.example.org", "scheme"),
        ("ARENA_TRUSTED_PROXIES", "10.0.0.1, my-proxy", "my-proxy is neither an address nor a network"),
        ("ARENA_TRUSTED_PROXIES", "*", "neither an address nor a network"),
        ("ARENA_TRUSTED_PROXIES", "10.0.0.1/8", "neither an address nor a network"),
    ],
)
def test_settings_of_a_proxy_that_mean_nothing_are_refused(
    tmp_path: Path, variable: str, value: str, words: str
) -> None:
    with Arena(tmp_path / "runs", DATABASE_URL="postgresql://127.0.0.1:1/none", **{variable: value}) as arena:
        is_one_sentence(arena.run("serve"), variable, words)


def _judges(link: str) -> None:
    """Come by a judge's link, which works once, and get to a page that asks for a belief."""
    with Visitor() as judge, Visitor() as other:
        assert judge.get(link).status_code == 200
        assert other.get(link).status_code == 410
        instructions = judge.get(httpx.URL(link).join("/judge"))
        assert instructions.url.path == "/judge/instructions"
        queue = judge.press(instructions, "/judge/instructions")
        trial = judge.press(queue, "/judge/next")
        assert trial.url.path.startswith("/seat/")
        assert "Submit and read on" in trial.text


def _debates(link: str) -> None:
    """Come by a debater's link, and get to a page that asks for a speech."""
    with Visitor() as debater:
        instructions = debater.get(httpx.URL(debater.get(link).url).join("/talk"))
        assert instructions.url.path == "/talk/instructions"
        queue = debater.press(instructions, "/talk/instructions")
        talk = debater.press(queue, "/talk/next")
        assert re.fullmatch(r"/seat/[0-9a-f-]{36}", talk.url.path)
        assert "Your speech" in talk.text or "Waiting for the others" in talk.text


def test_an_address_in_use_is_told_in_one_sentence_before_any_work(
    database_url: str, tmp_path: Path, records: Records
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with Arena(tmp_path / "runs", DATABASE_URL=database_url, ARENA_PORT=port) as arena:
            for command in (["serve"], ["demo", "--serve"]):
                is_one_sentence(arena.run(*command), port, "ARENA_PORT")
    assert records.count("experiment") == 0


# ── bad specs ───────────────────────────────────────────────────────────────────────────────────────────────────

DEBATE = {"protocol": "debate", "seats": {"debaters": "advocate"}}


def test_an_estimate_is_told_before_anything_is_started(
    arena: Arena, ferries: Path, records: Records, tmp_path: Path
) -> None:
    model = {"kind": "model", "base_url": "http://127.0.0.1:1/v1", "model": "big"}
    file = write_spec(
        tmp_path / "s.yaml",
        spec(participants={**spec()["participants"], "big": model}, judges=["lexical", "big", {"humans": 2}]),
    )
    before = counts(records)
    told = arena.run("estimate", file, "--price", "big=1,4,0.1")
    assert told.code == 0
    for words in (
        "model calls",
        "saved by a prefix cache",
        "People: at least",
        "too few to show",
        "Assumed:",
    ):
        assert words in told.out
    figures = json.loads(arena.run("estimate", file, "--format", "json", "--price", "big=1,4").out)
    assert figures["trials"] == 4 * 5
    assert figures["cost"] == figures["participants"][0]["cost"] > 0
    assert counts(records) == before


@pytest.mark.parametrize("price", ["nobody=1,2", "lexical", "lexical=1", "lexical=1,x", "lexical=-1,2"])
def test_a_price_that_cannot_be_read_is_told(arena: Arena, tmp_path: Path, price: str) -> None:
    told = arena.run("estimate", write_spec(tmp_path / "s.yaml", spec()), "--price", price)
    assert told.code == 2
    assert "--price" in told.err


def test_power_is_told_both_ways_and_what_cannot_be_is_refused(arena: Arena) -> None:
    alone = arena.run("power", "--difference", "0.1").out
    assert "needs 230 questions" in alone
    assert "Connor's formula gives 233" in alone
    assert "No number of questions" in arena.run("power", "--difference", "0.1", "--passages", "20").out
    assert "can show a difference of 10." in arena.run("power", "--questions", "230").out
    assert "too few" in arena.run("power", "--questions", "5").out
    both = arena.run("power", "--questions", "250", "--passages", "50", "--difference", "0.112").out
    assert "with a power of 67%" in both
    assert "5% over 4 contrasts" in arena.run("power", "--questions", "230", "--contrasts", "4").out
    for arguments in ((), ("--difference", "0.4"), ("--questions", "5", "--passages", "6")):
        assert arena.run("power", *arguments).code == 2


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"jugdes": ["lexical"]}, ["unknown key 'jugdes'", "'judges'"]),
        ({"arms": {"debate": {**DEBATE, "round": 2}}}, ["arms.debate", "unknown key 'round'", "'rounds'"]),
        ({"arms": {"debate": {**DEBATE, "protocol": "debat"}}}, ["unknown protocol 'debat'", "'debate'"]),
        ({"arms": {"debate": {**DEBATE, "seats": {"debater": "advocate"}}}}, ["unknown seat", "'debaters'"]),
        (
            {"arms": {"debate": {"protocol": "debate"}}},
            ["the seat debater_a is empty", "seats: {debaters: NAME}"],
        ),
        (
            {"arms": {"debate": {**DEBATE, "seats": {"debaters": "advocat"}}}},
            ["unknown participant", "'advocate'"],
        ),
        (
            {"arms": {"debate": {**DEBATE, "rounds": 0}}},
            ["arms.debate: rounds", "greater than or equal to 1"],
        ),
        ({"arms": {"debate": {**DEBATE, "max_words": 20}}}, ["arms.debate", "max_words"]),
        ({"arms": {}}, ["arms"]),
        ({"arms": {"debate": {**DEBATE, "prompts": {"debater": "gone.jinja"}}}}, ["gone.jinja"]),
        ({"judges": ["lexicl"]}, ["judges", "unknown participant 'lexicl'", "'lexical'"]),
        ({"judges": ["lexical", "lexical"]}, ["named twice"]),
        ({"judges": [{"humans": 0}]}, ["judges.humans", "greater than or equal to 1"]),
        ({"judges": [{"humens": 3}]}, ["unknown key 'humens'", "'humans'"]),
        ({"elicit": "sometimes"}, ["elicit"]),
        ({"tasks": {"set": "feries"}}, ["there is no task set 'feries'", "ferries", "arena import"]),
        ({"tasks": {"set": "ferries", "passages": 7}}, ["7 passages are asked for", "has 2"]),
        ({"contrasts": [["debate", "naif"]]}, ["unknown arm 'naif'", "'naive'"]),
        ({"name": "../etc"}, ["name"]),
        ({"name": "new"}, ["'new' is the address of a page"]),
        (
            {"participants": {"lexical": {"kind": "bultin", "name": "random"}}},
            ["unknown kind 'bultin'", "'builtin'"],
        ),
        (
            {"participants": {"lexical": {"kind": "model", "model": "x"}}},
            ["either an endpoint or a base_url"],
        ),
        ({"endpoints": {"far": {"base_url": "ftp://host/v1"}}}, ["endpoints.far: base_url"]),
        (
            {"endpoints": {"far": {"base_url": "http://127.0.0.1:1/v1", "api_key": "sk-1"}}},
            ["'api_key'", "'api_key_env'"],
        ),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_bad_spec_is_told_in_one_sentence_and_starts_nothing(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path, change: dict[str, Any], parts: list[str]
) -> None:
    before = counts(records)
    is_one_sentence(arena.run("run", write_spec(tmp_path / "bad.yaml", spec(**change))), *parts)
    assert counts(records) == before


@pytest.mark.parametrize(
    "text", ["name: [", "- a\n- b\n", "", "name: \xff".encode("latin-1").decode("latin-1")]
)
def test_a_file_that_is_no_mapping_is_told_in_one_sentence(arena: Arena, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(text.encode("latin-1"))
    is_one_sentence(arena.run("run", file))
    is_one_sentence(arena.run("run", tmp_path / "none.yaml"), "There is no file")


def test_a_name_that_belongs_to_another_spec_is_refused_naming_the_difference(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    assert arena.run("run", write_spec(tmp_path / "small.yaml", spec())).code == 0
    before = counts(records)
    changed = spec(replicates=2)
    ended = arena.run("run", write_spec(tmp_path / "other.yaml", changed))
    is_one_sentence(ended, "small", "replicates differs", "another name")
    assert counts(records) == before


def test_what_there_is_not_is_named_with_what_there_is(arena: Arena, ferries: Path, tmp_path: Path) -> None:
    assert arena.run("run", write_spec(tmp_path / "small.yaml", spec())).code == 0
    export = ["export", "smal", "--what", "verdicts", "-o", tmp_path / "x"]
    for command in (["report", "smal"], ["report", "small", "smal"], export):
        is_one_sentence(arena.run(*command), "There is no experiment smal", "small")


# ── bad endpoints and models ────────────────────────────────────────────────────────────────────────────────────


def test_an_unreachable_endpoint_is_told_and_nothing_is_started(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    before = counts(records)
    file = write_spec(tmp_path / "far.yaml", modelled("http://127.0.0.1:9/v1"))
    is_one_sentence(arena.run("run", file), "far", "cannot be reached")
    assert counts(records) == before


def test_a_wrong_key_is_told_by_its_variable_and_never_by_itself(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    before = counts(records)
    with serving(Script(key="another-key")) as server:
        ended = arena.run("run", write_spec(tmp_path / "far.yaml", modelled(server.base_url)))
    is_one_sentence(ended, "far", "ARENA_TEST_KEY")
    assert "sk-secret-key" not in ended.err
    assert counts(records) == before


@pytest.mark.parametrize(
    ("script", "settings", "parts"),
    [
        (Script(context=40), {}, ["context"]),
        (Script(writes="nothing"), {}, ["gave no speech that could be read"]),
        (Script(logprobs="omitted", choices="ignored"), {"belief": "logprobs"}, ["log-probabilities"]),
    ],
    ids=["context too long", "nonsense", "no log-probabilities"],
)
def test_a_model_that_cannot_answer_fails_its_trials_with_the_reason_and_loses_nothing(
    arena: Arena,
    records: Records,
    ferries: Path,
    tmp_path: Path,
    script: Script,
    settings: dict[str, Any],
    parts: list[str],
) -> None:
    with serving(script) as server:
        file = write_spec(tmp_path / "far.yaml", modelled(server.base_url, **settings))
        ended = arena.run("run", file)
        assert ended.code == 1
        assert "--retry-failed" in ended.err
        for part in parts:
            assert part in " ".join(ended.out.split())
        server.script = Script()
        mended = arena.run("run", file, "--retry-failed")
    assert mended.code == 0, mended.err
    assert records.one("SELECT count(*) FROM play WHERE kind = 'talk' AND state <> 'done'") == 0
    assert records.one("SELECT count(*) FROM play WHERE kind = 'judging' AND state <> 'done'") == 0


# ── bad imports ─────────────────────────────────────────────────────────────────────────────────────────────────


def line(**changes: Any) -> dict[str, Any]:
    return {**passage("three"), **changes}


def questioned(**changes: Any) -> dict[str, Any]:
    return line(questions=[{**passage("three")["questions"][0], **changes}])


@pytest.mark.parametrize(
    ("bad", "parts"),
    [
        ('{"id": "three", "title"', ["line 2"]),
        (questioned(gold=2), ["line 2", "gold is 2"]),
        (questioned(gold=-1), ["line 2", "gold"]),
        (line(text=""), ["line 2", "text"]),
        (line(text="  \n "), ["line 2", "text"]),
        (passage("four"), ["line 2", "four"]),
        (questioned(id="four-q1"), ["line 2", "four-q1"]),
        (questioned(answers=["same", "same"]), ["line 2", "twice"]),
        (questioned(gould=1), ["line 2", "gould", "gold"]),
    ],
    ids=[
        "truncated",
        "gold too high",
        "gold negative",
        "empty",
        "blank",
        "same passage",
        "same question",
        "same answers",
        "unknown key",
    ],
)
def test_a_bad_line_is_told_with_its_number_and_nothing_of_the_file_is_kept(
    arena: Arena, records: Records, tmp_path: Path, bad: Any, parts: list[str]
) -> None:
    file = tasks_file(tmp_path / "bad.jsonl", passage("four"), bad)
    ended = arena.run("import", "tasks", file)
    assert (ended.code, ended.out) == (2, "")
    for part in parts:
        assert part in ended.err
    assert set(counts(records).values()) == {0}
    kept = arena.run("import", "tasks", file, "--skip-bad")
    assert kept.code == 0, kept.err
    assert kept.out.startswith("bad: 1 passages and 2 questions added")


def test_a_mis_encoded_file_is_told_and_nothing_is_kept(
    arena: Arena, records: Records, tmp_path: Path
) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(json.dumps(passage("café"), ensure_ascii=False).encode("latin-1"))
    ended = arena.run("import", "tasks", file)
    assert ended.code == 2
    assert "UTF-8" in ended.err
    assert "line 1" in ended.err
    assert set(counts(records).values()) == {0}


def test_an_import_that_would_change_what_is_there_is_refused(
    arena: Arena, records: Records, ferries: Path, tmp_path: Path
) -> None:
    before = counts(records)
    changed = passage("one")
    changed["questions"][0]["gold"] = 1
    changed["questions"][0]["distractor"] = 0
    file = tasks_file(tmp_path / "changed.jsonl", changed)
    is_one_sentence(arena.run("import", "tasks", file, "--name", "ferries"), "one-q1", "gold", "--name")
    assert counts(records) == before


# ── bad settings ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "parts", "code"),
    [
        ({"DATABASE_URL": "mysql://u:secret@h/d"}, ["only PostgreSQL"], 1),
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:9/d"}, ["cannot be reached", "DATABASE_URL"], 1),
        ({"ARENA_CONCURRENCY": "many"}, ["ARENA_CONCURRENCY"], 2),
    ],
)
def test_a_bad_setting_is_told_in_one_sentence_without_any_password(
    tmp_path: Path, settings: dict[str, str], parts: list[str], code: int
) -> None:
    with Arena(tmp_path / "runs", **settings) as arena:
        ended = arena.run("doctor")
    is_one_sentence(ended, *parts, code=code)
    assert "secret" not in ended.err
