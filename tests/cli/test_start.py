"""The command line starts fast: a command imports what it works with when it runs, and no more."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATABASE = {
    "sqlalchemy",
    "psycopg",
    "alembic",
    "procrastinate",
    "pydantic_settings",
    "app.settings",
    "app.records",
    "models",
}
RULES = {"app.protocols", "app.participants", "app.experiments"}
WORK = {"aiohttp", "app.client", "app.engine", "app.jobs"}
PAGES = {"fastapi", "starlette", "uvicorn", "jinja2", "argon2", "app.services", "app.web"}
FIGURES = {
    "numpy",
    "polars",
    "scipy",
    "pyarrow",
    "altair",
    "vl_convert",
    "app.reports",
    "app.exchange.columns",
}
HEAVY = DATABASE | RULES | WORK | PAGES | FIGURES
PROGRAM = """
import atexit, sys
from pathlib import Path
file = Path(sys.argv.pop(1))
atexit.register(lambda: file.write_text(" ".join(sys.modules)))
from app.cli import main
main()
"""


class Ended(NamedTuple):
    """A command that has ended, and which of the heavy modules it imported."""

    code: int
    out: str
    err: str
    heavy: set[str]


def arena(folder: Path, *arguments: str, **settings: str) -> Ended:
    """Run a command in a fresh process."""
    file = folder / "modules"
    outer = {name: value for name, value in os.environ.items() if not name.startswith("ARENA_")}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), *arguments],
        cwd=ROOT,
        env=outer | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr, HEAVY & set(file.read_text().split()))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("run", "--help"),
        ("power", "--help"),
        ("export", "--help"),
        ("import", "quality", "--help"),
        ("user", "add", "--help"),
        ("doctor", "--help"),
    ],
    ids=" ".join,
)
def test_help_imports_nothing_that_a_command_works_with(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = arena(tmp_path, *arguments)
    assert ended.code == 0, ended.err
    assert "Usage: " in ended.out
    assert ended.heavy == set()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rnu",), "No such command 'rnu'"),
        (("run",), "Missing argument 'SPEC.yaml'"),
        (("export", "demo", "-o", "-", "--what", "verdict"), "'verdict' is not one of"),
        (("--server", "https://arena.example.org", "doctor"), "works on this machine only"),
        (("power",), "Say --questions"),
    ],
)
def test_a_mistyped_command_imports_nothing_that_a_command_works_with(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    ended = arena(tmp_path, *arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert words in ended.err
    assert ended.heavy == set()


def test_the_version_is_printed_and_nothing_is_imported_for_it(tmp_path: Path) -> None:
    ended = arena(tmp_path, "--version")
    assert (ended.code, ended.out, ended.err) == (0, f"arena {version('oversight-arena')}\n", "")
    assert ended.heavy == set()


def test_doctor_imports_the_database_and_no_page_no_figure_and_no_model_server(
    database_url: str, tmp_path: Path
) -> None:
    ended = arena(tmp_path, "doctor", DATABASE_URL=database_url)
    assert ended.code == 0, ended.err
    assert "Endpoints: none known yet" in ended.out
    assert ended.heavy & DATABASE
    assert ended.heavy & (WORK | PAGES | FIGURES | {"app.experiments", "procrastinate"}) == set()


def test_a_file_that_is_not_there_is_refused_before_a_page_or_a_figure_is_imported(tmp_path: Path) -> None:
    ended = arena(tmp_path, "run", str(tmp_path / "missing.yaml"))
    assert ended.code == 2
    assert "missing.yaml" in ended.err
    assert ended.heavy & {"fastapi", "app.web"} == set()
