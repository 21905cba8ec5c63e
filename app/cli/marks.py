"""Commands that write on an experiment: tag, note."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.arguments import Name
from app.cli.remote import remote_arena
from app.cli.running import run_to_end
from app.errors import UserError

if TYPE_CHECKING:
    from app.services.tags import Marked

commands = typer.Typer()


# A tag to take away begins with a hyphen, as options do.
@commands.command(context_settings={"ignore_unknown_options": True})
def tag(
    name: Name,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[+TAG|-TAG]…", help="A tag to add (also without +), or one to take away."),
    ] = None,
) -> None:
    """Print the tags and the note of an experiment, after changes if any. They are not part of the frozen file."""
    words = changes or []
    if bare := [word for word in words if word in ("+", "-")]:
        raise UserError(f"{bare[0]} has no tag behind it: write both without a blank.")
    add = [word.removeprefix("+") for word in words if not word.startswith("-")]
    remove = [word.removeprefix("-") for word in words if word.startswith("-")]
    run_to_end(_mark(name, {"add": add, "remove": remove}))


@commands.command()
def note(
    name: Name,
    text: Annotated[
        str | None, typer.Argument(metavar='"TEXT"', help='The note, in plain text; "" takes it away.')
    ] = None,
) -> None:
    """Write a note on an experiment, or print what is written on it. It is not part of the frozen file."""
    run_to_end(_mark(name, {} if text is None else {"note": text}))


async def _mark(name: str, changes: dict[str, Any]) -> None:
    from app.services.tags import Marked

    if remote := remote_arena():
        async with remote:
            found = await remote.mark(name, changes)
        now = Marked(tuple(found["tags"]), found["note"])
    else:
        now = await _mark_here(name, changes)
    print(f"{name}: {now.sentence or 'neither tag nor note.'}")


async def _mark_here(name: str, changes: dict[str, Any]) -> Marked:
    from app.cli.local import local_arena
    from app.cli.work import find_experiment
    from app.services.tags import mark

    async with local_arena() as (database, _):
        experiment = await find_experiment(database, name)
        async with database.session.begin() as session:
            return await mark(session, None, experiment, **changes)
