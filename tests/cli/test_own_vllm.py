"""`arena serve --vllm` and `arena demo --vllm` from outside; a scripted server plays vLLM."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.cli.model_demo import begin_demo
from app.cli.own_vllm import Served
from app.exchange.importing import take_short
from app.records.database import Database
from app.services.vllm import OwnVllm
from app.settings import Settings
from tests.fake_vllm import MISTAKE, program
from tests.processes import Arena, Process, until, write_spec
from tests.services.test_vllm import alive

MODEL = "owner/small"


@pytest.fixture
def port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free: int = listener.getsockname()[1]
        return free


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> dict[str, str]:
    """An arena with a home of its own and a vLLM to start."""
    return {
        "DATABASE_URL": database_url,
        "ARENA_HOME": str(tmp_path / "home"),
        "ARENA_PORT": "0",
        "ARENA_VLLM": str(program(tmp_path / "bin")),
        "FAKE_VLLM_PIDS": str(tmp_path / "pids"),
    }


@pytest.fixture
def arena(tmp_path: Path, settings: dict[str, str]) -> Iterator[Arena]:
    with Arena(tmp_path / "runs", **settings) as arena:
        yield arena


def started(settings: dict[str, str]) -> list[int]:
    """Process ids of every vLLM that was started, and of its helper."""
    return list(map(int, Path(settings["FAKE_VLLM_PIDS"]).read_text().split()))


def answers(process: Process) -> bool:
    """Whether vLLM and the pages have been said to answer."""
    return "vLLM answers at" in process.err and "Ctrl-C stops it" in process.err


def test_a_served_model_is_used_by_another_command_and_ends_with_the_arena(
    arena: Arena, settings: dict[str, str], port: int, tmp_path: Path
) -> None:
    serving = arena.start("serve", "--vllm", MODEL, "--vllm-port", str(port))
    until(lambda: answers(serving), serving, every=0.1)
    assert f"http://127.0.0.1:{port}/v1" in arena.run("doctor").out

    assert arena.run("import", "sample").code == 0
    file = write_spec(tmp_path / "small.yaml", small(port))
    ended = arena.run("run", file)
    assert ended.code == 0, ended.err
    assert "naive" in ended.out

    pids = started(settings)
    assert len(pids) == 2
    assert all(map(alive, pids))
    serving.signal(signal.SIGINT)
    ended = serving.wait()
    assert ended.code == 130
    assert "Traceback" not in ended.err
    assert not any(map(alive, pids))
    key = (tmp_path / "home" / "vllm" / "key").read_text()
    assert key not in ended.err + (tmp_path / "home" / "vllm" / "vllm.log").read_text()


def small(port: int) -> dict[str, object]:
    """One question without the passage; the key is the one that the arena has made."""
    return {
        "name": "small",
        "tasks": {"set": "sample", "limit": 1},
        "endpoints": {"vllm": {"base_url": f"http://127.0.0.1:{port}/v1", "api_key_env": "ARENA_KEY_VLLM"}},
        "participants": {"judge": {"kind": "model", "endpoint": "vllm", "model": MODEL}},
        "arms": {"naive": {"protocol": "naive"}},
        "judges": ["judge"],
    }


def test_the_arena_starts_it_again_and_leaves_nothing_when_it_is_killed_itself(
    arena: Arena, settings: dict[str, str], port: int
) -> None:
    serving = arena.start("serve", "--vllm", MODEL, "--vllm-port", str(port))
    until(lambda: answers(serving), serving, every=0.1)
    os.kill(started(settings)[0], signal.SIGKILL)
    until(lambda: serving.err.count("vLLM answers at") == 2, serving, every=0.1)
    assert "is started again" in serving.err
    pids = started(settings)
    serving.kill()
    until(lambda: not any(map(alive, pids)), every=0.1)


def test_a_vllm_that_does_not_start_ends_the_arena_with_its_log(
    tmp_path: Path, settings: dict[str, str], port: int
) -> None:
    with Arena(tmp_path / "runs", **settings, FAKE_VLLM="refuses") as arena:
        ended = arena.run("serve", "--vllm", MODEL, "--vllm-port", str(port))
    assert ended.code == 1
    assert "vLLM did not start (exit code 3)" in ended.err
    assert ended.err.strip().endswith(MISTAKE)
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vllm-args", "--dtype half"), "--vllm MODEL"),
        (("--vllm-port", "8001"), "--vllm MODEL"),
        (("--vllm", "./nowhere"), "no model folder"),
        (("--vllm", MODEL, "--vllm-args", "'"), "close every quote"),
    ],
)
def test_what_cannot_be_started_is_said_in_one_sentence(
    arena: Arena, arguments: tuple[str, ...], words: str
) -> None:
    ended = arena.run("serve", *arguments)
    assert ended.code == 2
    assert len(ended.err.strip().splitlines()) == 1
    assert words in ended.err


def test_a_machine_without_vllm_says_what_to_install(
    tmp_path: Path, settings: dict[str, str], port: int
) -> None:
    with Arena(tmp_path / "runs", **settings | {"ARENA_VLLM": str(tmp_path / "none")}) as arena:
        ended = arena.run("serve", "--vllm", MODEL, "--vllm-port", str(port))
    assert ended.code == 2
    assert len(ended.err.strip().splitlines()) == 1
    assert "ARENA_VLLM" in ended.err


def test_the_demo_with_a_model_prints_check_and_table_and_works_again(
    arena: Arena, settings: dict[str, str], port: int, tmp_path: Path
) -> None:
    ended = arena.run("demo", "--vllm", MODEL, "--vllm-port", str(port))
    assert ended.code == 0, ended.err
    assert "requests sent" in ended.out
    for arm in ("naive", "consultancy", "debate", "expert"):
        assert re.search(rf"^{arm} ", ended.out, re.MULTILINE)
    assert "demo-model-small: " in ended.err
    assert not any(map(alive, started(settings)))
    file = tmp_path / "home" / "demo-model.yaml"
    assert yaml.safe_load(file.read_text())["participants"]["judge"]["model"] == MODEL

    # Without --vllm-port: the port is that of the last time, and everything is done already.
    serving = arena.start("demo", "--vllm", MODEL, "--serve")
    until(lambda: answers(serving), serving, every=0.1)
    assert f"http://127.0.0.1:{port}/v1" in serving.err
    assert len(re.findall(r"^  (\w+): +http\S+/invite/\S+$", serving.err, re.MULTILINE)) == 2
    serving.signal(signal.SIGINT)
    assert serving.wait().code == 130
    assert not any(map(alive, started(settings)))


async def test_a_demo_of_another_address_gets_another_name(database: Database, tmp_path: Path) -> None:
    async with database.session.begin() as session:
        await take_short(session)
    file = tmp_path / "demo-model.yaml"
    names = [(await begin_demo(database, file, served(port))).name for port in (8001, 8002, 8001, 8002)]
    assert names == ["demo-model-small_8b-it", "demo-model-small_8b-it-2"] * 2
    assert yaml.safe_load(file.read_text())["name"] == names[-1]


def served(port: int) -> Served:
    """A vLLM at a port, not started."""
    server = OwnVllm([], {}, port, "", Path("log"), print)
    return Served(server, "vllm", "owner/small_8b:it", Settings())
