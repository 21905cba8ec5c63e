"""Commands that show what came of an experiment: report, export, pgr."""

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
from app.exchange.choices import (
    Document,
    Format,
    Kind,
    Orders,
    PairShape,
    PairSource,
    Part,
    What,
    kind_of,
)
from app.report_choices import (
    MOST,
    Choices,
    Conceded,
    Excluded,
    Replaced,
    Ties,
    Unit,
    check_number,
    parsed_contrasts,
)

if TYPE_CHECKING:
    from app.client import Remote
    from app.exchange.options import Options

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
    whole: Annotated[
        bool, typer.Option("--all", help="Print every table with its notes, not what fits one screen.")
    ] = False,
    methods: Annotated[
        bool,
        typer.Option(
            "--methods", help="Print paragraphs for the methods section of a paper, and nothing else."
        ),
    ] = False,
    unit: Annotated[Unit, typer.Option(help="What accuracies are averaged over.")] = Unit.QUESTION,
    ties: Annotated[Ties, typer.Option(help="What a tie counts: its share, or nothing.")] = Ties.HALF,
    conceded: Annotated[
        Conceded, typer.Option(help="Whether talks count in which a speech conceded.")
    ] = Conceded.KEPT,
    excluded: Annotated[
        Excluded, typer.Option(help="Whether people count whom their study's rules or a researcher exclude.")
    ] = Excluded.LEFT_OUT,
    replaced: Annotated[
        Replaced, typer.Option(help="Whether talks count in which a participant replaced a person who left.")
    ] = Replaced.KEPT,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            "--contrast",
            metavar="A:B",
            help="An exploratory contrast of two arms; all for every pair. Can be repeated.",
        ),
    ] = None,
) -> None:
    """Print how often each judge was right under each arm: of several experiments together, then of each."""
    if format is not ReportFormat.TABLE and len(names) > 1:
        raise UserError(f"{format.value.upper()} holds one report: name one experiment at a time.")
    names = list(dict.fromkeys(names))
    pairs, every = parsed_contrasts(contrast or ())
    choices = Choices(unit, ties, conceded, pairs, every, excluded, replaced)
    remote = remote_arena()
    if remote and choices != Choices():
        raise UserError(
            "Reports are recomputed on the machine of the arena: leave --server out, or use the report's page."
        )
    if methods:
        run_to_end(_methods(remote, names, choices))
        return
    if remote and format is ReportFormat.HTML:
        raise UserError(
            "A page is made on the machine of the arena: leave --server out, or take a table or JSON."
        )
    if whole and format is not ReportFormat.TABLE:
        raise UserError(f"--all is for tables: {format.value.upper()} has every figure.")
    run_to_end(
        _report_there(remote, names, format, whole=whole)
        if remote
        else _report_here(names, format, choices, whole=whole)
    )


async def _methods(remote: Remote | None, names: list[str], choices: Choices) -> None:
    from app.cli.local import local_arena
    from app.cli.work import find_outcomes, local_report
    from app.reports.methods import as_text

    if remote:
        async with remote:
            print("\n\n".join([as_text((await remote.report(name))["methods"]) for name in names]))
        return
    async with local_arena() as (database, _):
        experiments = [await find_outcomes(database, name, "report") for name in names]
        made = [await local_report(database, experiment, choices) for experiment in experiments]
    print("\n\n".join(as_text(result.methods) for result in made))


async def _report_there(remote: Remote, names: list[str], format: ReportFormat, *, whole: bool) -> None:
    from app.cli.console import print_table
    from app.cli.work import print_overview, remote_overview
    from app.reports.tables import together

    async with remote:
        if format is ReportFormat.JSON:
            print(json.dumps(await remote.report(names[0]), indent=2))
            return
        if not whole:
            print_overview([await remote_overview(remote, name) for name in names])
            return
        if len(names) > 1:
            print_table(together([await remote.report(name) for name in names]))
        for name in names:
            print(await remote.report_text(name), end="")


async def _report_here(names: list[str], format: ReportFormat, choices: Choices, *, whole: bool) -> None:
    from app.cli.local import local_arena
    from app.cli.overview import SHOWN
    from app.cli.progress import figures
    from app.cli.work import (
        find_outcomes,
        local_overview,
        local_report,
        print_comparison,
        print_overview,
        print_report,
    )
    from app.reports.comparison import comparison_of
    from app.reports.html_file import standing_alone
    from app.services.tags import marked

    async with local_arena() as (database, _):
        experiments = [await find_outcomes(database, name, "report") for name in names]
        if format is ReportFormat.HTML:
            with figures(experiments[0].name) as tell:
                page = await standing_alone(database, experiments[0], tell, choices)
            print(page)
            return
        if whole and 1 < len(names) <= MOST:
            print_comparison(await comparison_of(database, experiments, choices=choices))
        brief = format is ReportFormat.TABLE and not whole
        only = SHOWN if brief else None
        made = [await local_report(database, experiment, choices, only) for experiment in experiments]
        if brief:
            print_overview([await local_overview(database, result) for result in made])
            return
    if format is ReportFormat.JSON:
        print(json.dumps(made[0].as_json(), indent=2))
        return
    for experiment, result in zip(experiments, made, strict=True):
        if written := marked(experiment).sentence:
            print(written)
        print_report(result)


class ComparisonFormat(StrEnum):
    """How a comparison is printed."""

    TABLE = "table"
    JSON = "json"


@commands.command("compare")
def compare_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME NAME…", help="Names of experiments, two or more.")
    ],
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            "--contrast",
            metavar="NAME/ARM:NAME/ARM",
            help="Two arms to compare on common questions; arms of one name unless any are given. Can be repeated.",
        ),
    ] = None,
    format: Annotated[ComparisonFormat, typer.Option(help="Tables, or JSON.")] = ComparisonFormat.TABLE,
) -> None:
    """Compare experiments: all arms in one table, contrasts on common questions, and what differs between the specs."""
    names = list(dict.fromkeys(names))
    check_number(names)
    if remote := remote_arena():
        run_to_end(_compare_there(remote, names, contrast or [], format))
    else:
        run_to_end(_compare_here(names, contrast or [], format))


async def _compare_here(names: list[str], asked: list[str], format: ComparisonFormat) -> None:
    from app.cli.local import local_arena
    from app.cli.work import find_outcomes, print_comparison
    from app.reports.comparison import comparison_of

    async with local_arena() as (database, _):
        experiments = [await find_outcomes(database, name, "comparison") for name in names]
        made = await comparison_of(database, experiments, asked)
    if format is ComparisonFormat.JSON:
        print(json.dumps(made.as_json(), indent=2))
    else:
        print_comparison(made)


async def _compare_there(
    remote: Remote, names: list[str], asked: list[str], format: ComparisonFormat
) -> None:
    async with remote:
        print(await remote.comparison(names, asked, as_text=format is ComparisonFormat.TABLE), end="")


Names = Annotated[
    list[str] | None,
    typer.Option("--arm", metavar="ARM", help="Only this arm; give it again for another."),
]
Judges = Annotated[
    list[str] | None,
    typer.Option("--judge", metavar="JUDGE", help="Only this judge, or `people`; give it again for another."),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PARTS",
        help="Leave parts out, divided by commas: passages (hidden texts), prompts, people (their verdicts, and talks that they had a "
        "part in).",
    ),
]


def _kind(name: str) -> Kind:
    try:
        return kind_of(name)
    except ValueError as error:
        raise UserError(f"--what: '{name}' is not one of {', '.join(_KINDS)}.") from error


_KINDS = [item.value for item in (*What, *Document)]


@commands.command("export")
def export_command(
    name: Name,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The file to write, or the folder or .zip; - is stdout."
        ),
    ],
    what: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help=f"What is exported: {', '.join(_KINDS)}. docs/exports.md explains each.",
        ),
    ],
    format: Annotated[Format, typer.Option(help="The format of a table.")] = Format.JSONL,
    include_passages: Annotated[
        bool, typer.Option(help="Write the hidden texts into transcripts, pairs, logs and data sets.")
    ] = False,
    without: Without = None,
    arm: Names = None,
    judge: Judges = None,
    pairs: Annotated[
        list[PairSource] | None,
        typer.Option(help="preferences: where pairs come from; give it again for both (the default)."),
    ] = None,
    shape: Annotated[
        PairShape, typer.Option(help="preferences: texts as lists of messages, or plain.")
    ] = PairShape.CONVERSATIONAL,
    margin: Annotated[
        float, typer.Option(min=0, max=1, help="preferences: least difference of the two scores.")
    ] = 0.0,
    orders: Annotated[
        Orders, typer.Option(help="weak-labels: how a judge's verdicts on a question become one label.")
    ] = Orders.MEAN,
    fresh_pseudonyms: Annotated[
        bool,
        typer.Option(
            "--fresh-pseudonyms",
            help="Give people pseudonyms that are new in this export, so that their names link it to no other.",
        ),
    ] = False,
) -> None:
    """Write what an experiment has brought to a file: a table, an archive that another arena imports, or logs for other tools."""
    kind, left_out = _kind(what), _parts(without or [])
    from app.exchange.options import Options

    options = Options(
        include_passages=include_passages,
        without=left_out,
        arms=frozenset(arm or ()),
        judges=frozenset(judge or ()),
        sources=frozenset(pairs or PairSource),
        shape=shape,
        least_margin=margin,
        orders=orders,
        fresh_pseudonyms=fresh_pseudonyms,
    )
    run_to_end(_export(name, kind, format, output, options))


def _parts(lists: list[str]) -> frozenset[Part]:
    """Return the parts that are named in lists with commas. Raise UserError for another name."""
    names = [name.strip() for part in lists for name in part.split(",") if name.strip()]
    for name in names:
        if name not in list(Part):
            raise UserError(f"--without {name}: there are {', '.join(Part)}.")
    return frozenset(map(Part, names))


async def _export(name: str, what: Kind, format: Format, target: Path, options: Options) -> None:
    from app.cli.console import say
    from app.cli.local import local_arena
    from app.cli.work import find_experiment, find_outcomes
    from app.exchange.outgoing import send_out
    from app.services.looking import SHOW_NO_OUTCOME

    if remote := remote_arena():
        async with remote:
            rows = await remote.export(name, what, format, target, options)
    else:
        async with local_arena() as (database, _):
            if what in SHOW_NO_OUTCOME:
                experiment = await find_experiment(database, name)
            else:
                experiment = await find_outcomes(database, name, f"export of {what.value}")
            rows = await send_out(database, experiment, what, format, target, options)
    say(f"{rows} rows of {what.value} written to {'stdout' if str(target) == '-' else target}.")


@commands.command("pgr")
def pgr_command(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS.jsonl", help="A student's predictions, one a line.")
    ],
    experiment: Annotated[str, typer.Option(help="Name of the experiment whose questions are predicted.")],
    floor: Annotated[
        str | None,
        typer.Option(
            metavar="ARM|FILE",
            help="The weak supervisor: an arm, or a file such as its weak labels. The naive arm where left out.",
        ),
    ] = None,
    ceiling: Annotated[
        str | None,
        typer.Option(metavar="ARM|FILE", help="The strong ceiling; the expert arm where left out."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="The judge of these arms, where several judged them.")
    ] = None,
    orders: Annotated[
        Orders, typer.Option(help="How a judge's verdicts on a question become one label.")
    ] = Orders.MEAN,
    json_: Annotated[bool, typer.Option("--json", help="Print every figure as JSON.")] = False,
) -> None:
    """Print the share of the gap between a weak supervisor and a ceiling that a student recovers."""
    if remote_arena():
        raise UserError("This is computed on the machine of the arena: leave --server out, and run it there.")
    run_to_end(_pgr(experiment, predictions, json_, floor, ceiling, judge, orders))


async def _pgr(
    name: str,
    predictions: Path,
    as_json: bool,
    floor: str | None,
    ceiling: str | None,
    judge: str | None,
    orders: Orders,
) -> None:
    from app.cli.local import local_arena
    from app.cli.work import find_outcomes
    from app.exchange.student import student_gap

    async with local_arena() as (database, _):
        experiment = await find_outcomes(database, name, "performance gap recovered")
        async with database.session() as session:
            found = await student_gap(
                session,
                experiment,
                predictions,
                floor=floor,
                ceiling=ceiling,
                judge=judge,
                orders=orders,
            )
    print(json.dumps(found.as_json(), indent=2) if as_json else found.sentence)
