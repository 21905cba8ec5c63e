"""Commands that keep the whole database in a file: db dump, db restore."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.running import run_to_end

if TYPE_CHECKING:
    from app.records.dump import Moved

commands = typer.Typer()


@commands.command()
def dump(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup; one that is there is replaced.")],
) -> None:
    """Write a backup of the whole database, while others go on working. It holds hidden texts and personal data."""
    moved = run_to_end(_dump(file))
    size = file.stat().st_size
    print(
        f"{file}: {_said(moved)}, {size / 1e6:,.1f} MB. Only you may read it; keep it as safe as the database."
    )


async def _dump(file: Path) -> Moved:
    from app.cli.local import local_arena
    from app.records.dump import dump as write

    # Before an upgrade too: the tables are written as they are.
    async with local_arena(upgrade=False) as (database, _):
        return await asyncio.to_thread(write, database, file)


@commands.command()
def restore(file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]) -> None:
    """Put a backup into an empty database, and migrate it to this version: all of it or nothing."""
    moved = run_to_end(_restore(file))
    print(f"Restored {_said(moved)}, from {file}.")


async def _restore(file: Path) -> Moved:
    from app.cli.local import local_arena
    from app.records.dump import restore as read

    async with local_arena(upgrade=False) as (database, _):
        return await asyncio.to_thread(read, database, file)


def _said(moved: Moved) -> str:
    return f"{moved.rows:,} rows of {moved.tables} tables at revision {moved.revision}"
