"""A small language model in every seat, on a vLLM that the arena starts itself. Only the plumbing is looked at, not the talk.

SmolLM2-135M-Instruct answers in English and understands little. What must be exact is tested with the random model.
"""

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.exchange.importing import SHORT
from app.services.vllm_options import PARSERS
from tests.database import Server
from tests.processes import Arena, Process, Records, until, write_spec
from tests.vllm.server import HOME, free_port

pytestmark = pytest.mark.vllm

LIMITS = {"rounds": 2, "target_words": 40, "min_words": 10, "max_words": 80}


@dataclass(frozen=True)
class Site:
    """An arena that serves the small model: its command line, its database, the served process, vLLM's port."""

    arena: Arena
    records: Records
    process: Process
    port: int

    def spec(self, name: str, **changes: Any) -> dict[str, Any]:
        """A question on a short passage and its twin, with the small model in every seat."""
        model = {"kind": "model", "endpoint": "vllm", "model": "smollm2", "max_tokens": 100, "asks": 2}
        return {
            "name": name,
            "tasks": {"set": "short", "limit": 1, "seed": 2},
            "endpoints": {
                "vllm": {"base_url": f"http://127.0.0.1:{self.port}/v1", "api_key_env": "ARENA_KEY_VLLM"}
            },
            "participants": {
                "speaker": {**model, "temperature": 0.8},
                "judge": {**model, "temperature": 0},
            },
            "arms": {
                "naive": {"protocol": "naive"},
                "consultancy": {
                    "protocol": "consultancy",
                    "questions": "none",
                    **LIMITS,
                    "seats": {"consultants": "speaker"},
                },
                "debate": {"protocol": "debate", **LIMITS, "seats": {"debaters": "speaker"}},
            },
            "judges": ["judge"],
            **changes,
        }


@pytest.fixture(scope="module")
def site(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`arena serve --vllm` with the small model; it must end in good order after the tests."""
    if not (HOME / "smollm2.ready").exists():
        pytest.fail("There is no small model to test with: run `make test-vllm`, which makes it.")
    folder, port = tmp_path_factory.mktemp("real"), free_port()
    with postgres.fresh() as address:
        url = address.set(drivername="postgresql").render_as_string(hide_password=False)
        settings = {
            "DATABASE_URL": url,
            "ARENA_HOME": str(folder / "home"),
            "ARENA_PORT": "0",
            "ARENA_VLLM": str(HOME / "bin" / "vllm"),
        }
        with Arena(folder / "runs", **settings) as arena:
            process = arena.start("serve", "--vllm", HOME / "smollm2", "--vllm-port", str(port))
            until(lambda: "vLLM answers at" in process.err, process, every=0.5)
            assert arena.run("import", "tasks", SHORT, "--name", "short").code == 0
            yield Site(arena, Records(url), process, port)
            process.signal(signal.SIGINT)
            ended = process.wait()
            assert ended.code == 130
            assert "Traceback" not in ended.err


@pytest.mark.slow
def test_naive_consultancy_and_debate_run_with_a_real_model(site: Site, tmp_path: Path) -> None:
    ended = site.arena.run("run", write_spec(tmp_path / "real.yaml", site.spec("real")))
    assert ended.code == 0, ended.err
    for arm in ("naive", "consultancy", "debate"):
        assert re.search(rf"^{arm}[ (]", ended.out, re.MULTILINE), ended.out
    assert site.records.states() == [("trial", "done", 2 + 4 + 2), ("judgement", "done", 2 + 4 + 2)]
    speeches = site.records.all("SELECT content->'said'->>'text' FROM move WHERE content->>'kind' = 'speech'")
    assert len(speeches) == 4 * 2 + 2 * 2 * 2
    # Sentences in English, from every talk, with none of the marks of the chat template.
    assert all(len(re.findall(r"[A-Za-z]+", text)) >= 5 for [text] in speeches)
    assert not any("<|im_" in text for [text] in speeches)


def test_beliefs_of_a_real_model_are_read_from_its_log_probabilities(site: Site, tmp_path: Path) -> None:
    arms = {"naive": {"protocol": "naive"}, "expert": {"protocol": "expert"}}
    spec = site.spec("beliefs", arms=arms, elicit="each_step")
    ended = site.arena.run("run", write_spec(tmp_path / "beliefs.yaml", spec))
    assert ended.code == 0, ended.err
    rows = site.records.all(
        """SELECT v.method, v.belief, v.label_mass FROM verdict v JOIN play j ON j.id = v.play_id
           JOIN experiment e ON e.id = j.experiment_id WHERE e.name = 'beliefs'"""
    )
    assert len(rows) == 8
    for method, belief, mass in rows:
        assert method in ("logprobs", "constrained")
        assert sum(belief) == pytest.approx(1, abs=1e-9)
        assert 0 < mass < 1


@pytest.mark.slow
def test_vllm_killed_in_the_middle_of_a_run_fails_nothing_and_nothing_is_asked_twice(
    site: Site, tmp_path: Path
) -> None:
    starts = site.process.err.count("vLLM answers at")
    spec = site.spec("killed", replicates=2)
    del spec["arms"]["consultancy"]
    run = site.arena.start("run", write_spec(tmp_path / "killed.yaml", spec))
    moved = "SELECT count(*) FROM move m JOIN play p ON p.id = m.play_id JOIN experiment e ON e.id = p.experiment_id WHERE e.name = 'killed'"
    until(lambda: site.records.one(moved) >= 4, run, every=0.2)
    os.kill(vllm_process(site.port), signal.SIGKILL)
    until(lambda: site.process.err.count("vLLM answers at") > starts, site.process, every=0.5)
    assert "is started again" in site.process.err
    ended = run.wait()
    assert ended.code == 0, ended.err
    twice = site.records.all(
        "SELECT call_id FROM call_attempt WHERE status = 'ok' GROUP BY call_id HAVING count(*) > 1"
    )
    assert twice == []
    assert {state for _, state, _ in site.records.states()} == {"done"}


def vllm_process(port: int) -> int:
    """Return the process id of the server itself, which is the one whose command line names the port and is no keeper."""
    [found] = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if f"--port={port}" in (words := command_words(folder)) and not any("keeper" in w for w in words)
    ]
    return found


def command_words(folder: Path) -> list[str]:
    """Return the command line of a process; none where it has ended."""
    try:
        return (folder / "cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def test_every_parser_that_may_be_chosen_is_one_of_vllms() -> None:
    [registry] = HOME.glob("lib/python*/site-packages/vllm/reasoning/__init__.py")
    known = set(re.findall(r'^    "(\w+)": \(', registry.read_text(), re.MULTILINE))
    assert {parser for _, parser in PARSERS if parser} <= known
