"""The page on adding a protocol, followed to the letter in a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_docs import ROOT, files

PAGE = ROOT / "docs" / "new-protocol.md"
_BLOCK = re.compile(
    r"^(?:`(?P<path>[\w./-]+)`\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A block of the page, and the file that was named last before it."""

    path: str
    kind: str
    text: str


def blocks() -> Iterator[Block]:
    path = ""
    for found in _BLOCK.finditer(PAGE.read_text("utf-8")):
        path = found["path"] or path
        yield Block(path, found["kind"], found["text"])


def follow(page: Iterator[Block], copy: Path) -> None:
    """Write the files that the page shows whole, and change those of which it shows a difference."""
    for block in page:
        file = copy / block.path
        if block.kind == "diff":
            lines = block.text.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if not line.startswith("+"))
            old = file.read_text("utf-8")
            assert old.count(before) == 1, f"{block.path} has no place for {block.text}"
            file.write_text(old.replace(before, "".join(line[1:] for line in lines)), "utf-8")
        elif block.kind != "text":
            assert not file.exists(), f"{block.path} is there already"
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text, "utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with the page's protocol in it."""
    copy = tmp_path_factory.mktemp("new") / "arena"
    for source in files():
        target = copy / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    follow(blocks(), copy)
    return copy


def run(copy: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a module in the copy."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        # Every run imports the same modules, which are compiled once.
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPATH": str(copy),
            "COLUMNS": "120",
            **environment,
        },
        capture_output=True,
        text=True,
    )


def test_the_protocol_of_the_page_runs_and_prints_what_the_page_shows(copy: Path, database_url: str) -> None:
    shown, refusal = (block.text for block in blocks() if block.kind == "text")

    imported = run(copy, "app.cli", "import", "sample", DATABASE_URL=database_url)
    assert imported.returncode == 0, imported.stderr
    played = run(copy, "app.cli", "run", "two-turn.yaml", DATABASE_URL=database_url)
    assert played.returncode == 0, played.stderr
    tables = run(copy, "app.cli", "report", "try-two-turn", "--all", DATABASE_URL=database_url)
    assert tables.returncode == 0, tables.stderr
    assert shown in tables.stdout

    spec = copy / "two-turn.yaml"
    spec.write_text(spec.read_text().replace("counter: false", "counter: maybe"))
    refused = run(copy, "app.cli", "run", "two-turn.yaml", DATABASE_URL=database_url)
    assert refused.returncode == 2
    assert refused.stderr.strip() == refusal.strip()


@pytest.mark.parametrize(
    "picked",
    [pytest.param(("-k", "two-turn"), id="its_own"), pytest.param((), id="all", marks=pytest.mark.slow)],
)
def test_what_holds_for_every_protocol_holds_for_that_of_the_page(
    copy: Path, picked: tuple[str, ...]
) -> None:
    suites = [f"tests/protocols/test_{name}.py" for name in ("information", "scripts", "sides")]
    suites.append("tests/experiments/test_settings.py")
    tested = run(copy, "pytest", "-vv", "-p", "no:cacheprovider", *picked, *suites)
    assert tested.returncode == 0, tested.stdout[-3000:]
    assert "test_every_seat_sees_all_that_the_table_says[two-turn] PASSED" in tested.stdout


def test_the_rules_of_the_page_are_as_tidy_as_those_that_ship(copy: Path) -> None:
    for command in ("check", "format --check"):
        ruff = run(copy, "ruff", *command.split(), "app/protocols/two_turn.py")
        assert ruff.returncode == 0, ruff.stdout


def test_the_documentation_of_the_protocol_writes_itself(copy: Path) -> None:
    written = run(copy, "scripts.protocol_pages")
    assert written.returncode == 0, written.stderr
    text = (copy / "docs" / "protocols" / "two-turn.md").read_text("utf-8")
    assert "| `writer_a` | Writer A, B | `writers`, `writer_a` | yes | yes | always |" in text
    assert "| `counter` | `true` | `true`, `false` | Whether there is a second turn;" in text
    assert "[two-turn/writer.jinja](../../templates/prompts/two-turn/writer.jinja)" in text
