"""Commands that bring task sets into the arena: import."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.remote import remote_arena
from app.cli.running import run_to_end

if TYPE_CHECKING:
    from app.exchange.taskfile import TaskFile
    from app.records.tasks import Saved

commands = typer.Typer(help="Bring task sets into the arena.", no_args_is_help=True)

InputPath = Annotated[Path, typer.Argument(metavar="PATH", help="The file.")]
SetName = Annotated[str | None, typer.Option("--name", help="Name of the task set.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Keep what is sound of a file with bad lines.")]


class Answers(StrEnum):
    """Which answers of a QuALITY question are kept."""

    ALL = "all"
    BEST_DISTRACTOR = "best-distractor"


@commands.command()
def sample() -> None:
    """Import the task set that ships with the arena."""
    run_to_end(_import_sample())


async def _import_sample() -> None:
    from app.exchange.importing import SAMPLE
    from app.exchange.taskfile import read_tasks

    await _take(read_tasks(SAMPLE), "sample", skip_bad=False)


@commands.command()
def quality(
    path: InputPath,
    name: SetName = None,
    skip_bad: SkipBad = False,
    split: Annotated[str | None, typer.Option(help="Split or member of the zip: train, dev or test.")] = None,
    hard: Annotated[bool, typer.Option(help="Only the hard subset.")] = False,
    khan: Annotated[bool, typer.Option(help="Only what passes the filter of Khan et al. 2024.")] = False,
    answers: Annotated[
        Answers, typer.Option(help="All four answers, or gold and its best distractor.")
    ] = Answers.ALL,
) -> None:
    """Import QuALITY: its official JSONL or zip."""
    options = {"split": split, "hard": hard, "khan": khan, "answers": answers.value}
    run_to_end(_import("quality", path, name, skip_bad, **options))


@commands.command()
def tasks(path: InputPath, name: SetName = None, skip_bad: SkipBad = False) -> None:
    """Import the arena's own JSON Lines (docs/formats/tasks.md); the set is named as the file."""
    run_to_end(_import("tasks", path, name, skip_bad))


@commands.command("nyu-debates")
def nyu_debates(path: InputPath, name: SetName = None, skip_bad: SkipBad = False) -> None:
    """Import the stories and questions of the NYU human debates (Michael et al. 2023)."""
    run_to_end(_import("nyu-debates", path, name, skip_bad))


async def _import(kind: str, path: Path, name: str | None, skip_bad: bool, **options: Any) -> None:
    """Read a file of a kind, with the options of `read`, and take it into a task set."""
    from app.exchange.importing import FileKind, read, usual_name

    file = read(FileKind(kind), path, **options)
    await _take(file, name or usual_name(FileKind(kind), path), skip_bad=skip_bad)


async def _take(file: TaskFile, name: str, *, skip_bad: bool) -> None:
    from app.cli.console import say
    from app.cli.local import local_arena
    from app.exchange.importing import listed, refuse_bad, take

    if remote := remote_arena():
        refuse_bad(file, skip_bad=skip_bad)
        async with remote:
            saved = await remote.upload(name, file)
    else:
        async with local_arena() as (database, _), database.session.begin() as session:
            saved = await take(session, file, name, skip_bad=skip_bad)
    if file.problems:
        say(f"{listed(file.problems)}\nThese were left out.")
    for reason, count in file.filtered.items():
        say(f"{count} left out: {reason}.")
    print(_saved(name, saved))


def _saved(name: str, saved: Saved) -> str:
    there = f"; {saved.unchanged} questions were there already" if saved.unchanged else ""
    return f"{name}: {saved.passages} passages and {saved.questions} questions added{there}."
