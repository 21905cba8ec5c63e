"""Commands that bring task sets and archives into the arena: import."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.remote import remote_arena
from app.cli.running import run_to_end
from app.errors import UserError
from app.exchange.importers import ARCHIVES, IMPORTERS, ArchiveImporter, Importer, ImportOption

if TYPE_CHECKING:
    from app.client import Remote
    from app.exchange.taskfile import TaskFile
    from app.records.tasks import Saved

SENT = "verdicts"
"""The importer whose files a remote arena takes."""
commands = typer.Typer(help="Bring task sets and archives into the arena.", no_args_is_help=True)

InputPath = Annotated[Path, typer.Argument(metavar="PATH", help="The file.")]
SetName = Annotated[str | None, typer.Option("--name", help="Name of the task set.")]
ArchiveName = Annotated[
    str | None, typer.Option("--name", help="Name of the experiment and of its task set.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="FLAG", help="Keep only the trials with this flag; give it again for another."
    ),
]
TasksOnly = Annotated[bool, typer.Option("--tasks-only", help="Leave the talks and their verdicts out.")]
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
    if _importer.name not in ARCHIVES:
        _add_command(_importer)


def _add_archive_command(importer: ArchiveImporter) -> None:
    """Add the command of an archive. Where its questions are a task set of their own, the command imports that too."""
    tasks = IMPORTERS.get(importer.name)

    def run(path: InputPath, name: ArchiveName = None, where: Where = None) -> None:
        run_to_end(_import_archive(importer, path, name, where or []))

    def run_with_tasks(
        path: InputPath,
        name: ArchiveName = None,
        where: Where = None,
        tasks_only: TasksOnly = False,
        skip_bad: SkipBad = False,
    ) -> None:
        assert tasks is not None
        if tasks_only or remote_arena():
            if where:
                raise UserError("--where is about talks, and only tasks are imported: leave it out.")
            run_to_end(_import(tasks, path, name, skip_bad))
        elif skip_bad:
            raise UserError("Talks are imported whole or not at all: write --tasks-only with --skip-bad.")
        else:
            run_to_end(_import_archive(importer, path, name, where or []))

    commands.command(importer.name, help=importer.help)(run_with_tasks if tasks else run)


for _archive_importer in ARCHIVES.values():
    _add_archive_command(_archive_importer)


async def _import_archive(importer: ArchiveImporter, path: Path, name: str | None, where: list[str]) -> None:
    """Read an archive and store it as a finished experiment."""
    from app.cli.console import say
    from app.cli.local import local_arena
    from app.exchange.archive import UNCOUNTED
    from app.exchange.archive_import import refuse_bad_archive, take_archive

    remote = remote_arena()
    if remote and importer.name != SENT:
        raise UserError(
            f"Only archives in the arena's own format go to another machine (`arena import {SENT}`): leave --server out, "
            "and run it there."
        )
    archive = importer.read(path)
    refuse_bad_archive(archive)
    came = archive.about.experiment
    called = name or (came.name if came else importer.usual_name(path))
    if remote:
        await _send_archive(remote, called, path, where)
        return
    async with local_arena() as (database, _), database.session.begin() as session:
        saved = await take_archive(session, archive, called, where=where)
    for reason, count in archive.where(where).filtered.items():
        say(f"{count} left out: {reason}.")
    if not archive.counted:
        say(UNCOUNTED)
    print(
        _saved_archive(
            called,
            new=saved.new,
            questions=saved.questions,
            trials=saved.trials,
            verdicts=saved.verdicts,
            apart=saved.apart,
        )
    )
    for part in came.left_out if came else ():
        say(f"The file was written without {part}: {MISSING[part]}.")


MISSING = {
    "passages": "a line is in place of each hidden text, so judges who would read it cannot be added",
    "prompts": "calls have none, and new judges are asked with the prompts of this arena",
    "people": "verdicts by people, and talks that they had a part in, are missing, and the report is one without them",
}
"""What follows from what was left out of an archive."""


async def _send_archive(remote: Remote, name: str, path: Path, where: list[str]) -> None:
    """Send an archive to a remote arena, which saves all of it or nothing."""
    from app.cli.console import say
    from app.exchange.archive import UNCOUNTED

    async with remote:
        saved = await remote.import_archive(name, path, where)
    for reason, count in saved["left_out"].items():
        say(f"{count} left out: {reason}.")
    if not saved["counted"]:
        say(UNCOUNTED)
    print(
        _saved_archive(
            name, **{key: saved[key] for key in ("new", "questions", "trials", "verdicts", "apart")}
        )
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _saved_archive(
    name: str,
    *,
    new: bool,
    questions: int,
    trials: Mapping[str, int],
    verdicts: Mapping[str, int],
    apart: Mapping[str, int],
) -> str:
    """Say what was stored, and how to go on."""
    if not new:
        return f"{name}: this archive is there already, with the same trials."
    arms = "; ".join(
        f"{arm} {_counted(count, 'trial')}, {_counted(verdicts.get(arm, 0), 'verdict')}"
        for arm, count in trials.items()
    )
    others = "".join(
        f" Apart from these, {_counted(count, 'verdict')} in the round {round_name}."
        for round_name, count in apart.items()
    )
    return (
        f"{name}: {_counted(questions, 'question')} added to the task set, and the experiment: {arms}.{others}\n"
        f"`arena report {name}` shows it; `arena judge {name} --with PANEL.yaml` has new judges read it."
    )


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
