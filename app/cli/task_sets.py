"""Commands that look after task sets: tasks list, tasks rename, tasks delete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from app.cli.arguments import AsJson, NewName, Yes
from app.cli.managing import confirm, counted, transaction
from app.cli.remote import remote_arena
from app.cli.running import run_to_end

commands = typer.Typer(help="Look after task sets.", no_args_is_help=True)
SetName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a task set.")]


@commands.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """List the task sets by name."""
    found = run_to_end(_sets())
    if as_json:
        print(json.dumps(found, indent=1))
    elif found:
        _print_sets(found)
    else:
        from app.cli.console import say

        say("There is no task set yet: `arena import` brings one in.")


async def _sets() -> list[dict[str, Any]]:
    if remote := remote_arena():
        async with remote:
            return await remote.task_sets()
    from app.records.tasks import sets_page

    found: list[dict[str, Any]] = []
    async with transaction() as session:
        number = 1
        while True:
            page = await sets_page(session, "", number)
            found += [
                {
                    "name": row.name,
                    "created_at": row.created_at.isoformat(),
                    "passages": row.passages,
                    "questions": row.questions,
                    "licenses": list(row.licenses),
                    "sources": list(row.sources),
                }
                for row in page.rows
            ]
            if not page.more:
                return found
            number += 1


def _print_sets(found: Iterable[Mapping[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    from app.cli.console import print_table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("task set", no_wrap=True)
    for title in ("passages", "questions"):
        table.add_column(title, justify="right")
    for title in ("imported", "licences"):
        table.add_column(title)
    for row in found:
        figures = (f"{row[key]:,}" for key in ("passages", "questions"))
        table.add_row(row["name"], *figures, row["created_at"][:10], ", ".join(row["licenses"]))
    print_table(table)


@commands.command()
def rename(name: SetName, new: NewName) -> None:
    """Give a task set another name, also in the stored files of the experiments on it."""
    run_to_end(_rename(name, new))
    print(f"{name} is called {new} now: write `set: {new}` into the files of experiments on it.")


async def _rename(name: str, new: str) -> None:
    if remote := remote_arena():
        async with remote:
            await remote.rename_tasks(name, new)
        return
    from app.services.removal import rename_set

    async with transaction() as session:
        await rename_set(session, None, name, new)


@commands.command()
def delete(name: SetName, yes: Yes = False) -> None:
    """Delete a task set that no experiment uses, with its passages and questions. It asks first."""
    if not yes:
        confirm(f"Delete the task set {name} for good?")
    found = run_to_end(_delete(name))
    gone = f"{counted(found['passages'], 'passage')} and {counted(found['questions'], 'question')}"
    print(f"{name} is deleted: {gone}.")


async def _delete(name: str) -> dict[str, Any]:
    if remote := remote_arena():
        async with remote:
            return await remote.delete_tasks(name)
    from app.services.removal import delete_set

    async with transaction() as session:
        found = await delete_set(session, None, name)
    return {"passages": found.passages, "questions": found.questions}
