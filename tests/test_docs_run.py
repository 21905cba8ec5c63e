"""What the documentation tells a reader to type works: every command parses, and those of the arena are run as written.

tests/doc_pages.py says how pages mark what is not to be run. Models are replaced by built-in participants; nothing else is changed.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pytest
import typer
import yaml

from app.cli import cli
from app.experiments.spec import parse_spec
from app.studies.spec import parse_study
from app.web.api.routes import document
from tests.doc_pages import COMMANDS, FILES, PAGES, ROOT, Block, blocks, words
from tests.guard import guarded

BLOCKS = [block for page in PAGES for block in blocks(page)]
SHOWN = [(block, line) for block in BLOCKS for line in block.commands if "not run" not in block.marks]
PARSED = [(block, line) for block in BLOCKS for line in block.commands]
OTHERS = {
    "cd",
    "docker",
    "export",
    "git",
    "openssl",
    "pip",
    "pipx",
    "psql",
    "source",
    "sudo",
    "systemctl",
    "uv",
    "vllm",
}
"""Programs that are not the arena's: their lines are only split into words."""
TOOLS = {"hatchling", "pip", "pytest", "venv"}
"""Modules of others that are run by `python -m`."""
ARENA = typer.main.get_command(cli)
QUICK = "README.md"
"""The page whose commands are run in every test run; those of all pages are run in the long one."""


def names(items: list[tuple[Block, str]]) -> list[str]:
    return [f"{block.place} {line.strip()[:60]}" for block, line in items]


# ── every block is known ────────────────────────────────────────────────────────────────────────────────────────


def test_a_block_that_shows_no_command_says_why() -> None:
    """Indented lines and blocks of `sh` are commands, unless a comment says that they are not."""
    for block in BLOCKS:
        for line in block.commands if "not run" not in block.marks else []:
            program = words(line)[0]
            assert program in OTHERS | {"arena", "make", "curl"} or "python" in program, (
                f"{block.place}: {line}"
            )


def test_a_reason_is_given_for_what_is_not_run() -> None:
    assert [block.place for block in BLOCKS if block.marks.get("not run") == ""] == []


def test_every_file_of_yaml_has_a_name_or_is_an_experiment_a_study_or_a_part_of_one() -> None:
    for block in BLOCKS:
        if block.language != "yaml" or block.file or "not run" in block.marks:
            continue
        data = yaml.safe_load(block.text)
        assert {"part of a study", "arms"} & set(block.marks) or "name" in data, block.place


def test_files_of_one_name_have_one_content() -> None:
    """Two pages that show an experiment under one name show the same one: else `arena run` refuses the second."""
    seen: dict[str, tuple[str, Any]] = {}
    for block in BLOCKS:
        if (
            block.language == "yaml"
            and isinstance(data := yaml.safe_load(block.text), dict)
            and "name" in data
        ):
            where, first = seen.setdefault(data["name"], (block.place, data))
            assert first == data, f"{where} and {block.place} show {data['name']} with different contents"


PARTS = [block for block in BLOCKS if {"part of a study", "arms"} & set(block.marks)]


@pytest.mark.parametrize("block", PARTS, ids=lambda block: block.place)
def test_a_part_of_a_file_fits_into_a_whole_one(block: Block) -> None:
    data = yaml.safe_load(block.text)
    if "arms" in block.marks:
        model = {"kind": "model", "base_url": "http://127.0.0.1:1/v1", "model": "some-model"}
        people = dict.fromkeys(("strong", "weak", "judge"), model)
        tasks = {"set": "sample"}
        parse_spec(
            {"name": "part", "tasks": tasks, "participants": people, "arms": data, "judges": ["judge"]}
        )
    else:
        whole = yaml.safe_load((ROOT / "app" / "studies" / "demo-study.yaml").read_text("utf-8"))
        parse_study(whole | data)


# ── every command parses ────────────────────────────────────────────────────────────────────────────────────────


def parse(arguments: list[str]) -> None:
    """Parse a command line of the arena, down to the last command, without running it. Raise click.UsageError."""
    if arguments == ["--version"]:
        return
    command: click.Command = ARENA
    name = "arena"
    parent: click.Context | None = None
    while isinstance(command, click.Group):
        context = command.make_context(name, list(arguments), parent=parent)
        found, inner, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        assert inner is not None
        name, command, parent = found, inner, context
    command.make_context(name, list(arguments), parent=parent)


@pytest.mark.parametrize(("block", "line"), PARSED, ids=names(PARSED))
def test_every_command_shown_can_be_parsed(block: Block, line: str) -> None:
    program, *rest = words(line)
    if program == "arena":
        parse(rest)
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text("utf-8")
        for word in rest:
            name, assigned, _ = word.partition("=")
            assert re.search(rf"^{name}{' [?]=' if assigned else ':'}", makefile, re.MULTILINE), word
    elif rest[:1] == ["-m"] and rest[1] not in TOOLS and "python" in program:
        known = module(rest[1]).read_text("utf-8")
        assert [
            word for word in rest if word.startswith("--") and f'"{word.partition("=")[0]}"' not in known
        ] == []
    elif rest[:2] == ["-m", "pytest"]:
        assert [word for word in rest if word.startswith("tests") and not (ROOT / word).exists()] == []
    elif program == "curl":
        [path] = [word.partition("/api/v1")[2].partition("?")[0] for word in rest if "/api/v1" in word]
        assert any(
            re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), f"/api/v1{path}")
            for known in document()["paths"]
        )


def module(name: str) -> Path:
    """Return the file of a module, of which there must be one."""
    path = ROOT / name.replace(".", "/")
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


INLINE = sorted(
    {
        (page, found)
        for page in PAGES
        for found in re.findall(r"`(arena [a-z][^`\n]*)`", page.read_text("utf-8"))
        if not re.search(r"[…|\[(]|\b(?:COMMAND|NAME…)", found)
    },
    key=str,
)


@pytest.mark.parametrize(("page", "line"), INLINE, ids=[f"{page.name} {line}" for page, line in INLINE])
def test_every_command_in_a_sentence_can_be_parsed(page: Path, line: str) -> None:
    """A sentence may leave out the arguments of a command, never name an option or a command that is not there."""
    try:
        parse(words(line)[1:])
    except click.MissingParameter:
        pass
    except click.UsageError as error:
        if "Missing" not in error.format_message():
            raise


# ── those of the arena are run ──────────────────────────────────────────────────────────────────────────────────


class Reader:
    """Follows pages in a folder with nothing but the examples, as a reader to whom the command `arena` is known and nothing is set but `settings`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        own = {name: value for name, value in os.environ.items() if not name.startswith("ARENA_")}
        own.pop("DATABASE_URL", None)
        shutil.copytree(ROOT / "examples", folder / "examples")
        programs = folder / "bin"
        programs.mkdir()
        (programs / "arena").write_text(f'#!/bin/sh\nexec {sys.executable} -m app.cli "$@"\n', "utf-8")
        (programs / "arena").chmod(0o755)
        (programs / "python").symlink_to(sys.executable)
        self.env = own | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "ARENA_PORT": "0",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }

    def follow(self, page: Path) -> None:
        """Write the files of a page, then run its commands one after the other."""
        shown = [block for block in blocks(page) if "not run" not in block.marks]
        for block in shown:
            if block.file and block.language in FILES:
                write(self.folder / block.file, block)
        for block in shown:
            for line in block.commands:
                if words(line)[0] == "arena":
                    self._run(block, line)

    def _run(self, block: Block, line: str) -> None:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        with process, guarded(process.pid):
            assert process.stdout is not None
            said = ""
            for part in process.stdout:
                said += part
                if "Ctrl-C stops it" in part:
                    os.killpg(process.pid, signal.SIGINT)
            code = process.wait()
        wanted = (0, 130) if "Ctrl-C stops it" in said else (0,)
        assert code in wanted, f"{block.place}: {line}\nended with {code}:\n{said[-2000:]}"


def write(path: Path, block: Block) -> None:
    """Write a file that is shown; models in it become built-in participants, and JSON Lines get lines."""
    text = block.text
    if block.language == "json" and path.suffix == ".jsonl":
        text = _as_lines(text)
    if block.language == "yaml":
        text = yaml.safe_dump(without_models(yaml.safe_load(text)), sort_keys=False)
    with path.open("a" if path.suffix == ".jsonl" and path.exists() else "w", encoding="utf-8") as file:
        file.write(text + "\n")


def _as_lines(text: str) -> str:
    try:
        return json.dumps(json.loads(text))
    except json.JSONDecodeError:
        return text


def without_models(data: dict[str, Any]) -> dict[str, Any]:
    """Return an experiment in which built-in participants are in the place of models."""
    seated = data.get("participants", {})
    judges = [name for name in data.get("judges", []) if isinstance(name, str)]
    for name, given in seated.items():
        if given["kind"] == "model":
            seated[name] = {
                "kind": "builtin",
                "name": "lexical-judge" if name in judges else "extractive-debater",
            }
    return data


def test_what_the_readme_shows_can_be_done_in_an_empty_folder(tmp_path: Path, database_url: str) -> None:
    Reader(tmp_path, DATABASE_URL=database_url).follow(ROOT / QUICK)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_what_every_page_shows_can_be_done_in_the_order_written() -> None:
    # Under root PostgreSQL runs as another user, to whom the folders that pytest makes are closed.
    with TemporaryDirectory() as folder:
        reader = Reader(Path(folder))
        for page in PAGES:
            reader.follow(page)


def test_most_commands_are_run() -> None:
    """A page that marks what it shows as not to be run, to be rid of a failure, is noticed here."""
    ours = [block for block, line in PARSED if words(line)[0] == "arena"]
    left = [block for block in ours if "not run" in block.marks]
    assert len(left) * 3 < len(ours), [block.place for block in left]
    assert set(COMMANDS) >= {block.language for block in ours}
