"""Commands that show what came of an experiment: report, export."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.arguments import Name
from app.cli.remote import remote_arena
from app.cli.running import run_to_end
from app.errors import UserError
from app.exchange.choices import Format, What

if TYPE_CHECKING:
    from app.client import Remote

commands = typer.Typer()


class ReportFormat(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


@commands.command("report")
def report_command(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Names of experiments.")],
    format: Annotated[
        ReportFormat,
        typer.Option(help="A table, JSON with every figure, or one HTML page with the plots in it."),
    ] = ReportFormat.TABLE,
) -> None:
    """Print how often each judge was right under each arm: of several experiments together, then of each."""
    if format is not ReportFormat.TABLE and len(names) > 1:
        raise UserError(f"{format.value.upper()} holds one report: name one experiment at a time.")
    names = list(dict.fromkeys(names))
    remote = remote_arena()
    if remote and format is ReportFormat.HTML:
        raise UserError(
            "A page is made on the machine of the arena: leave --server out, or take a table or JSON."
        )
    run_to_end(_report_there(remote, names, format) if remote else _report_here(names, format))


async def _report_there(remote: Remote, names: list[str], format: ReportFormat) -> None:
    from app.cli.console import print_table
    from app.cli.work import print_remote_report
    from app.reports.tables import together

    async with remote:
        if format is ReportFormat.JSON:
            print(json.dumps(await remote.report(names[0]), indent=2))
            return
        if len(names) > 1:
            print_table(together([await remote.report(name) for name in names]))
        for name in names:
            await print_remote_report(remote, name)


async def _report_here(names: list[str], format: ReportFormat) -> None:
    from app.cli.console import print_table
    from app.cli.local import local_arena
    from app.cli.work import find_experiment, print_report
    from app.reports.html_file import standing_alone
    from app.reports.report import report
    from app.reports.tables import together
    from app.services.tags import marked

    async with local_arena() as (database, _):
        experiments = [await find_experiment(database, name) for name in names]
        if format is ReportFormat.HTML:
            print(await standing_alone(database, experiments[0]))
            return
        async with database.session() as session:
            made = [await report(session, experiment) for experiment in experiments]
    if format is ReportFormat.JSON:
        print(json.dumps(made[0].as_json(), indent=2))
        return
    if len(made) > 1:
        print_table(together([result.as_json() for result in made]))
    for experiment, result in zip(experiments, made, strict=True):
        if written := marked(experiment).sentence:
            print(written)
        print_report(result)


@commands.command("export")
def export_command(
    name: Name,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="The file to write; - is stdout.")
    ],
    what: Annotated[
        What, typer.Option(help="What is exported; docs/data-dictionary.md explains every column.")
    ],
    format: Annotated[Format, typer.Option(help="The format of the file.")] = Format.JSONL,
    include_passages: Annotated[bool, typer.Option(help="Write the hidden texts into transcripts.")] = False,
) -> None:
    """Write the verdicts, transcripts or model calls of an experiment to a file."""
    run_to_end(_export(name, what, format, output, include_passages))


async def _export(name: str, what: What, format: Format, target: Path, passages: bool) -> None:
    from app.cli.console import say
    from app.cli.local import local_arena
    from app.cli.work import find_experiment
    from app.exchange.export import export

    if remote := remote_arena():
        async with remote:
            rows = await remote.export(name, what, format, target, include_passages=passages)
    else:
        async with local_arena() as (database, _):
            experiment = await find_experiment(database, name)
            rows = await export(database, experiment, what, format, target, include_passage=passages)
    say(f"{rows} rows of {what.value} written to {'stdout' if str(target) == '-' else target}.")
