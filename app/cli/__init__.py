"""The command line: each command reads its arguments, calls one function and prints what came of it.

Results go to stdout, everything else to stderr. Exit code 0: done; 2: the user's mistake; 1: ours; 130: stopped.

The modules of the commands import little, so that help and mistakes are shown at once. What a command works with is
imported inside it, when it runs: `arena --help` loads neither the database nor any page.
"""

import os
import sys
from typing import Annotated

import typer

from app.cli import (
    backup,
    database,
    experiments,
    managing,
    marks,
    people,
    planning,
    recruiting,
    remote,
    reproduce,
    results,
    serving,
    starting,
    studies,
    task_sets,
    tasks,
    tokens,
    users,
)
from app.cli.running import Incomplete, Stopped
from app.errors import ServiceError, UserError
from app.logs import configure

cli = typer.Typer(
    help="Can a weaker judge, helped by arguing AIs, find the truth about a text that it cannot see?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for group in (starting, experiments, managing, results, marks, reproduce, planning, serving, database):
    cli.add_typer(group.commands)
cli.add_typer(tasks.commands, name="import")
studies.commands.add_typer(recruiting.commands)
studies.commands.command("sweep")(people.sweep_people)
cli.add_typer(task_sets.commands, name="tasks")
cli.add_typer(studies.commands, name="study")
cli.add_typer(users.commands, name="user")
cli.add_typer(tokens.commands, name="token")
cli.add_typer(people.commands, name="people")
database.upkeep.add_typer(backup.commands)
cli.add_typer(database.upkeep, name="db")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"arena {version('oversight-arena')}")
        raise typer.Exit


@cli.callback()
def everywhere(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="ARENA_SERVER",
            metavar="URL",
            help="Work on the arena served there, with the token in ARENA_TOKEN, instead of on this machine.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end."),
    ] = False,
) -> None:
    """Read the options that every command shares."""
    source = context.get_parameter_source("server")
    named_here = source is not None and source.name == "COMMANDLINE"
    remote.choose(server, context.invoked_subcommand or "", named_here=named_here)


def main() -> None:
    """Run the command line and turn errors into a sentence and an exit code."""
    configure()
    if starting.VARIABLE in os.environ:
        starting.complete_words()
    try:
        cli()
    except UserError as error:
        _fail(str(error), 2)
    except (ServiceError, Incomplete) as error:
        _fail(str(error), 1)
    except Stopped:
        follows = "What was started goes on there" if remote.chosen() else "Everything done so far is kept"
        _fail(f"Stopped. {follows}; the same command goes on from here.", 130)
    except Exception as error:
        if (trouble := _trouble(error)) is None:
            raise
        _fail(trouble, 1)


def _trouble(error: Exception) -> str | None:
    """Return the sentence on an error of the database or the disk; None where it is another."""
    if not isinstance(error, OSError) and "sqlalchemy" not in sys.modules:
        return None
    from app.records.outage import SENTENCES, kind_of

    kind = kind_of(error)
    return None if kind is None else f"{SENTENCES[kind]}; then the same command goes on from here."


def _fail(sentence: str, code: int) -> None:
    from app.cli.console import talk

    talk.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)
