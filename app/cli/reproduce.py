"""The command that reproduces published figures from released data: reproduce."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.running import Incomplete, run_to_end
from app.errors import UserError

if TYPE_CHECKING:
    from app.exchange.published.figures import Compared
    from app.exchange.reproduce import Reproduced

commands = typer.Typer()


class ComparisonFormat(StrEnum):
    """How a comparison is printed."""

    TABLE = "table"
    JSON = "json"


@commands.command()
def reproduce(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study, such as nyu-2023.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The released data. Nothing is fetched.")],
    keep: Annotated[
        str | None, typer.Option(metavar="NAME", help="Keep the data as an experiment of this name.")
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Print the whole report first.")] = False,
    format: Annotated[ComparisonFormat, typer.Option(help="A table, or JSON.")] = ComparisonFormat.TABLE,
) -> None:
    """Import the released data of a study, and compare its published figures row by row; exit code 1 where one differs."""
    if report and format is ComparisonFormat.JSON:
        raise UserError("--report is for tables: leave it out, or take --format table.")
    run_to_end(_reproduce(study, path, keep, report=report, format=format))


async def _reproduce(
    name: str, path: Path, keep: str | None, *, report: bool, format: ComparisonFormat
) -> None:
    from app.cli.local import local_arena
    from app.cli.work import print_report
    from app.exchange import reproduce as reproducing
    from app.exchange.published import PUBLISHED
    from app.reports import report as reports

    if name not in PUBLISHED:
        raise UserError(f"There is no study {name}: choose from {', '.join(PUBLISHED)}.")
    async with local_arena() as (database, _), database.session() as session:
        found = await reproducing.reproduce(session, PUBLISHED[name], path, name=keep)
        if report:
            print_report(await reports.report(session, found.experiment))
        await (session.commit() if keep else session.rollback())
    if format is ComparisonFormat.JSON:
        print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(found, keep)))
    if not found.matches:
        count = len(found.rows) - found.matching
        raise Incomplete(f"{count} of {len(found.rows)} figures differ from the published ones.")


def _lines(found: Reproduced, keep: str | None) -> list[str]:
    """Return the comparison in words and columns, within 80 characters where names are short."""
    study, edition = found.study, found.edition
    said = [f"{study.name}: {study.title} ({study.source}).", found.data]
    if edition.note:
        said.append(f"Note: {edition.note}.")
    cells = [("", "figure", "published", "here", ""), *map(_cells, found.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    end = f"{found.matching} of {len(found.rows)} figures match."
    kept = (
        f"Kept as {keep}: `arena report {keep}` shows all."
        if keep
        else "Nothing was kept; --keep NAME keeps it."
    )
    return [*said, "", *table, "", end, kept]


def _cells(row: Compared) -> tuple[str, str, str, str, str]:
    if row.matches:
        verdict = "match"
    elif row.off is None:
        verdict = "no figure here"
    else:
        percent = row.published.value.endswith("%")
        verdict = f"off by {row.off:+.4f}{' points' if percent else ''}"
    return row.published.about, row.published.figure, row.published.value, row.here, verdict
