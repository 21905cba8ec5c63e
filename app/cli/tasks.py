"""Commands that bring task sets into the arena: import."""

from __future__ import annotations

from enum import Enum
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.remote import remote_arena
from app.cli.running import run_to_end
from app.exchange.importers import IMPORTERS, Importer, ImportOption

if TYPE_CHECKING:
    from app.exchange.taskfile import TaskFile
    from app.records.tasks import Saved

commands = typer.Typer(help="Bring task sets into the arena.", no_args_is_help=True)

InputPath = Annotated[Path, typer.Argument(metavar="PATH", help="The file.")]
SetName = Annotated[str | None, typer.Option("--name", help="Name of the task set.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Keep what is sound of a file with bad lines.")]


@commands.command()
def sample() -> None:
    """Import the task set that ships with the arena."""
    run_to_end(_import_sample())


async def _import_sample() -> None:
    from app.exchange.importing import SAMPLE
    from app.exchange.taskfile import read_tasks

    await _take(read_tasks(SAMPLE), "sample", skip_bad=False)


def _add_command(importer: Importer) -> None:
    """Add the command of an importer, with a parameter for each of its options."""

    def run(path: Path, name: str | None, skip_bad: bool, **options: Any) -> None:
        run_to_end(_import(importer, path, name, skip_bad, **options))

    parameters = [
        Parameter("path", Parameter.POSITIONAL_OR_KEYWORD, annotation=InputPath),
        Parameter("name", Parameter.KEYWORD_ONLY, default=None, annotation=SetName),
        Parameter("skip_bad", Parameter.KEYWORD_ONLY, default=False, annotation=SkipBad),
        *map(_parameter, importer.options),
    ]
    # Typer reads a command's parameters from its signature.
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    commands.command(importer.name, help=importer.help)(run)


def _parameter(option: ImportOption) -> Parameter:
    help_ = typer.Option(help=option.help, show_default=bool(option.default))
    return Parameter(
        option.name,
        Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[_type(option), help_],
    )


def _type(option: ImportOption) -> Any:
    if option.choices is None or option.free:
        return type(option.default)
    return Enum(option.name, {value: value for value in option.choices}, type=str)


for _importer in IMPORTERS.values():
    _add_command(_importer)


async def _import(importer: Importer, path: Path, name: str | None, skip_bad: bool, **options: Any) -> None:
    """Read a file and take it into a task set."""
    await _take(importer.read(path, **options), name or importer.usual_name(path), skip_bad=skip_bad)


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
