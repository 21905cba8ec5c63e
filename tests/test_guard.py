"""Nothing that tests have started outlives them, however they end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.processes import ROOT, until

TEST = """
import os
import time
from pathlib import Path

from sqlalchemy import URL
from tests.processes import Arena


def test_waits(fresh_url: URL, database_url: str, tmp_path: Path) -> None:
    folder = Path(fresh_url.query["host"])
    with Arena(tmp_path, DATABASE_URL=database_url) as arena:
        worker = arena.start("worker")
        postmaster = (folder / "postmaster.pid").read_text().split()[0]
        note = Path(os.environ["NOTE"])
        note.with_suffix(".new").write_text(f"{os.getpid()} {postmaster} {worker.pid} {folder.parent}")
        note.with_suffix(".new").rename(note)
        time.sleep(600)
"""
OPTIONS = ("-p", "tests.conftest", "-p", "no:cacheprovider", "-o", "addopts=-q")


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGKILL, "1"), pytest.param(signal.SIGTERM, "0", marks=pytest.mark.slow)]
)
def test_a_killed_pytest_leaves_no_server_and_no_process(
    tmp_path: Path, number: signal.Signals, workers: str
) -> None:
    (tmp_path / "test_waiting.py").write_text(TEST)
    note = tmp_path / "note"
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("ARENA_", "PYTEST_"))}
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", *OPTIONS, "-n", workers, "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        env=outer | {"NOTE": str(note)},
        stdout=subprocess.DEVNULL,
    )
    until(note.exists)
    *pids, folder = note.read_text().split()
    assert all(is_there(int(pid)) for pid in pids)
    tests.send_signal(number)
    tests.wait()
    until(lambda: not any(is_there(int(pid)) for pid in pids))
    until(lambda: not Path(folder).exists())


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
