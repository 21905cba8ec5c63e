"""What commands share that work on an experiment: find it, start it, work on it, report."""

import shutil
from collections.abc import Awaitable, Collection, Mapping, Sequence

from app.cli.console import print_lines, print_table, say
from app.cli.overview import SHOWN, Overview, overview
from app.cli.progress import figures, show
from app.cli.running import Incomplete
from app.client import Remote
from app.errors import UserError
from app.exchange.importing import take_sample
from app.experiments.freeze import start
from app.experiments.spec import Spec
from app.jobs import follow
from app.records import experiments as records
from app.records.database import Database
from app.records.progress import Progress, progress
from app.records.tasks import find_set
from app.report_choices import DEFAULT, Choices, check_arms
from app.reports.comparison import Comparison
from app.reports.report import Report, notes, report
from app.reports.tables import as_tables
from app.services.caps import change_cap
from app.services.looking import look_here, sight
from app.services.tags import Marked, marked
from app.settings import Settings
from models import Experiment

SAMPLE_SET = "sample"
"""Name of the task set that ships with the arena."""


async def find_experiment(database: Database, name: str) -> Experiment:
    """Return an experiment by its name. Raises UserError where there is none."""
    async with database.session() as session:
        found = await records.find(session, name)
        if found is None:
            names = await records.names(session)
            there = f"there are {', '.join(names)}" if names else "there is none yet"
            raise UserError(f"There is no experiment {name} ({there}): start one with `arena run SPEC.yaml`.")
        return found


async def find_outcomes(database: Database, name: str, what: str) -> Experiment:
    """Return an experiment whose outcomes may be seen, and note the look where it is to be noted. Raise UserError."""
    found = await find_experiment(database, name)
    async with database.session.begin() as session:
        await look_here(session, found, what)
    return found


async def begin(
    database: Database, spec: Spec, cap: Mapping[str, float] | None = None, *, retry_failed: bool = False
) -> Experiment:
    """Start an experiment, or let it go on, with other caps where `cap` has any by name. Raise CapRefused."""
    if spec.tasks.set == SAMPLE_SET:
        await _bring_sample(database)
    async with database.session.begin() as session:
        started = await start(session, spec)
        if not started.new:
            await records.resume(session, started.experiment.id, retry_failed=retry_failed)
        if cap:
            await change_cap(session, None, started.experiment, cap)
    return started.experiment


async def _bring_sample(database: Database) -> None:
    """Import the task set that ships with the arena, unless it is there."""
    async with database.session.begin() as session:
        if await find_set(session, SAMPLE_SET) is None:
            await take_sample(session)
            say(f"Imported the task set {SAMPLE_SET}, which ships with the arena.")


async def work_off(database: Database, chosen: Settings, experiment: Experiment) -> Progress:
    """Work until nothing more can be done without a person."""
    return await show(follow(database, chosen, experiment.id), experiment.name)


async def conclude(counts: Progress, reporting: Awaitable[None]) -> None:
    """Report, and say what is left. Raises Incomplete where something failed."""
    if counts.awaiting_people:
        say(f"{counts.awaiting_people} wait for people; the same command goes on when they have answered.")
    if counts.spending:
        say(counts.spending)
        say(
            "The same command with --cap-calls, --cap-tokens or --cap-money goes on with a higher cap (0: none)."
        )
    elif counts.state != "running":
        say(f"It is {counts.state}, so nothing more of it is done; pages of the arena say who did that.")
    await reporting
    if counts.count("failed"):
        raise Incomplete(
            f"{counts.count('failed')} failed; the same command with --retry-failed tries them again."
        )


async def print_remote_report(remote: Remote, name: str) -> None:
    """Print the report of an experiment of a remote arena on one screen."""
    print_overview([await remote_overview(remote, name)])


async def remote_overview(remote: Remote, name: str) -> Overview:
    """Return what is shown of the report of an experiment of a remote arena."""
    found = await remote.report(name)
    about = await remote.experiment(name)
    marks = Marked(tuple(about["tags"]), about["note"]).sentence
    return Overview(found, (await remote.progress(name)).seconds, remote.page(name), marks)


async def print_local_report(database: Database, experiment: Experiment, address: str | None = None) -> None:
    """Print the report of an experiment of this machine on one screen; `address` is that of its page, if it is served.

    While a study hides outcomes, say so instead.
    """
    async with database.session.begin() as session:
        if hidden := (await sight(session, None, experiment, "report")).hidden:
            say(hidden)
            return
    result = await local_report(database, experiment, only=SHOWN)
    print_overview([await local_overview(database, result, address)])


async def local_report(
    database: Database,
    experiment: Experiment,
    choices: Choices = DEFAULT,
    only: Collection[str] | None = None,
) -> Report:
    """Return the report of an experiment of this machine, with progress while it is computed: all of it, or with the slow part of the
    figures of these names alone.

    Raise UserError where a chosen contrast names no arm of it.
    """
    check_arms(choices, [arm["name"] for arm in experiment.spec.get("arms", ())])
    with figures(experiment.name) as tell:
        async with database.session() as session:
            return await report(session, experiment, tell, choices=choices, only=only)


def print_comparison(made: Comparison) -> None:
    """Print the tables of a comparison, then its notes."""
    for table in made.tables:
        print_table(table.printed())
    for note in made.notes:
        print(note)


async def local_overview(database: Database, result: Report, address: str | None = None) -> Overview:
    """Return what is shown of a report of this machine."""
    async with database.session() as session:
        found = await progress(session, result.experiment.id)
    return Overview(result.as_json(), found.seconds, address, marked(result.experiment).sentence)


def print_overview(shown: Sequence[Overview]) -> None:
    """Print one or several reports on one screen, as wide as the terminal; 80 columns where stdout is none."""
    print_lines(overview(shown, shutil.get_terminal_size().columns))


def print_report(result: Report) -> None:
    """Print a whole report: its answer, what must be read before the figures, its tables and notes."""
    print(result.answer.text)
    for sentence in result.warnings:
        print(sentence)
    for table in as_tables(result):
        print_table(table)
    for note in notes(result):
        print(note)
