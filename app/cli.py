"""The command line: each command reads its arguments, calls one function and prints what came of it.

Results go to stdout, everything else to stderr. Exit code 0: done; 2: the user's mistake; 1: ours; 130: stopped.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from socket import socket
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from app import console
from app.client import Remote, RemoteAway, RemoteRefused
from app.exchange.columns import What
from app.exchange.export import export
from app.exchange.importing import (
    SAMPLE,
    FileKind,
    ImportRefused,
    listed,
    read,
    refuse_bad,
    take,
    take_sample,
    usual_name,
)
from app.exchange.tabular import ExportRefused, Format
from app.exchange.taskfile import TaskFile, read_tasks
from app.experiments import check as checking
from app.experiments.estimate import Price, estimate, gathered
from app.experiments.freeze import judge_again, refuse_cancelled, start
from app.experiments.plan import check_answers, draw
from app.experiments.reach import reach
from app.experiments.spec import Spec, SpecError, read_panel, read_spec
from app.jobs import follow, working
from app.participants.base import EndpointSettings, ParticipantError
from app.participants.participant_factory import ParticipantFactory
from app.records import experiments as records
from app.records import people
from app.records.database import Database, DatabaseError, Health, open_database
from app.records.endpoints import endpoints
from app.records.progress import Progress as Counts
from app.records.progress import progress
from app.records.tasks import Saved, passage_texts, questions_of
from app.reports.html_file import standing_alone
from app.reports.report import Report, as_tables, notes, report, together
from app.services.demo import links, visitor
from app.services.egress import BadPattern
from app.settings import Settings, settings
from app.statistics import power as powers
from app.web.accounts.sign_in import SHORTEST_PASSWORD, TOO_SHORT, hasher
from app.web.server import AddressTaken, listening, serving
from models import Experiment

T = TypeVar("T")
DEMO = Path(__file__).parent / "experiments" / "demo.yaml"
BACKGROUND = 2
"""Trials that the demo plays at once while it serves, so that its pages stay quick."""


class Role(StrEnum):
    """Roles that sign in with a password; judges come by invite."""

    ADMIN = "admin"
    RESEARCHER = "researcher"


class UserError(Exception):
    """A mistake of the user's; one sentence that says what to do."""


class Stopped(Exception):
    """The user stopped it."""


class Incomplete(Exception):
    """Part of the work failed; what is done is kept."""


USER_ERRORS = (
    UserError,
    SpecError,
    ImportRefused,
    ExportRefused,
    ParticipantError,
    RemoteRefused,
    BadPattern,
    AddressTaken,
)

cli = typer.Typer(
    help="Can a weaker judge, helped by arguing AIs, find the truth about a text that it cannot see?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
importing = typer.Typer(help="Bring task sets into the arena.", no_args_is_help=True)
users = typer.Typer(help="Look after accounts.", no_args_is_help=True)
database_commands = typer.Typer(help="Look after the database.", no_args_is_help=True)
cli.add_typer(importing, name="import")
cli.add_typer(users, name="user")
cli.add_typer(database_commands, name="db")


REMOTE = ("run", "judge", "report", "import", "export")
"""Commands that work on a remote arena too."""
SERVER: ContextVar[str | None] = ContextVar("server", default=None)
"""The address of a remote arena, as this command was told."""


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
) -> None:
    """What every command shares."""
    source = context.get_parameter_source("server")
    if server and source and source.name == "COMMANDLINE" and context.invoked_subcommand not in REMOTE:
        raise UserError(
            f"`arena {context.invoked_subcommand}` works on this machine only: leave --server out (it goes with "
            f"{', '.join(REMOTE)})."
        )
    SERVER.set(server)


def _elsewhere() -> Remote | None:
    """The remote arena to work on, if one is named."""
    server = SERVER.get()
    if not server:
        return None
    token = os.environ.get("ARENA_TOKEN", "").strip()
    if not token:
        raise UserError(
            f"ARENA_TOKEN is empty: make a token at {server.rstrip('/')}/account/tokens and set it."
        )
    return Remote(server, token)


# ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """Run the command line and turn errors into a sentence and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    try:
        cli()
    except USER_ERRORS as error:
        _fail(str(error), 2)
    except (DatabaseError, Incomplete, RemoteAway) as error:
        _fail(str(error), 1)
    except Stopped:
        follows = "What was started goes on there" if SERVER.get() else "Everything done so far is kept"
        _fail(f"Stopped. {follows}; the same command goes on from here.", 130)


def _fail(sentence: str, code: int) -> None:
    console.talk.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; SIGTERM stops it as Ctrl-C does."""

    async def stoppable() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(stoppable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Not a KeyboardInterrupt, which the command-line library would take for its own.
        raise Stopped from None


@asynccontextmanager
async def _arena(*, upgrade: bool = True) -> AsyncIterator[tuple[Database, Settings]]:
    try:
        chosen = settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        variable = name if name == "DATABASE_URL" else f"ARENA_{name}"
        reason = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{variable} is not valid: {reason[0].lower()}{reason[1:]}.") from error
    async with open_database(chosen, upgrade=upgrade) as database:
        yield database, chosen


async def _experiment(database: Database, name: str) -> Experiment:
    async with database.session() as session:
        found = await records.find(session, name)
        if found is None:
            names = await records.names(session)
            there = f"there are {', '.join(names)}" if names else "there is none yet"
            raise UserError(f"There is no experiment {name} ({there}): start one with `arena run SPEC.yaml`.")
        return found


def _say(sentence: str) -> None:
    console.talk.print(sentence, markup=False, highlight=False, soft_wrap=True)


# ── experiments ─────────────────────────────────────────────────────────────────────────────────────────────────

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The experiment's file.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of an experiment.")]


class ReportFormat(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


class EstimateFormat(StrEnum):
    """How an estimate is printed."""

    TABLE = "table"
    JSON = "json"


@cli.command()
def run(
    spec: SpecPath,
    retry_failed: Annotated[bool, typer.Option(help="Try again what failed.")] = False,
) -> None:
    """Start an experiment or go on with it, and report when it is done."""
    if elsewhere := _elsewhere():
        _run(_run_elsewhere(elsewhere, spec, retry_failed=retry_failed))
    else:
        _run(_run_spec(read_spec(spec), retry_failed=retry_failed))


async def _run_elsewhere(remote: Remote, spec: Path, *, retry_failed: bool) -> None:
    async with remote:
        name = await remote.start(spec, retry_failed=retry_failed)
        counts = await console.show(remote.follow(name), name)
        await _conclude(counts, _print_text(remote, name))


async def _print_text(remote: Remote, name: str) -> None:
    print(await remote.report_text(name), end="")


async def _run_spec(spec: Spec, *, retry_failed: bool) -> None:
    async with _arena() as (database, chosen):
        async with database.session() as session:
            existing = await records.find(session, spec.name)
            done = existing is not None and (await progress(session, existing.id)).finished
        if not done or retry_failed:
            await reach(spec.cast, spec.used)
        experiment = await _begin(database, spec, retry_failed=retry_failed)
        counts = await _work_off(database, chosen, experiment)
        await _conclude(counts, _print_report(database, experiment))


async def _begin(database: Database, spec: Spec, *, retry_failed: bool = False) -> Experiment:
    """Start an experiment, or let it go on."""
    async with database.session.begin() as session:
        started = await start(session, spec)
        if not started.new:
            await records.resume(session, started.experiment.id, retry_failed=retry_failed)
    return started.experiment


async def _work_off(database: Database, chosen: Settings, experiment: Experiment) -> Counts:
    """Work until nothing more can be done without a person."""
    return await console.show(follow(database, chosen, experiment.id), experiment.name)


async def _conclude(counts: Counts, reporting: Awaitable[None]) -> None:
    """Report, and say what is left. Raises Incomplete where something failed."""
    if counts.awaiting_people:
        _say(f"{counts.awaiting_people} wait for people; the same command goes on when they have answered.")
    if counts.state != "running":
        _say(f"It is {counts.state}, so nothing more of it is done; pages of the arena say who did that.")
    await reporting
    if counts.count("failed"):
        raise Incomplete(
            f"{counts.count('failed')} failed; the same command with --retry-failed tries them again."
        )


@cli.command()
def worker(
    experiment: Annotated[str | None, typer.Option(help="Work on this experiment alone.")] = None,
) -> None:
    """Help with whatever is queued, until stopped."""
    _run(_help_out(experiment))


async def _help_out(name: str | None) -> None:
    async with _arena() as (database, chosen):
        only = None if name is None else [(await _experiment(database, name)).id]
        async with working(database, chosen, only) as task:
            _say("Working; Ctrl-C stops.")
            await task


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; ARENA_HOST if not said.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; ARENA_PORT if not said.")] = None,
) -> None:
    """Serve the arena's pages, and work on whatever is queued."""
    _run(_serve(host, port))


async def _serve(host: str | None, port: int | None) -> None:
    async with _arena() as (database, chosen):
        with listening(host or chosen.host, chosen.port if port is None else port) as listener:
            await serving(
                database,
                chosen,
                listener,
                lambda address: _say(f"{_place(chosen, address)}; Ctrl-C stops it."),
            )


def _place(chosen: Settings, address: str) -> str:
    """Where browsers find the arena that listens at an address."""
    if chosen.public_url:
        return f"The arena is at {chosen.public_url}/ and listens at {address}/ "
    return f"The arena is at {address}/ "


@users.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="Address to sign in with.")],
    name: Annotated[str, typer.Option(help="Name that others see.")] = "",
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.RESEARCHER,
) -> None:
    """Make an account with a password, which is asked for (or read from the first line of stdin)."""
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    _run(_add_user(email, name or email.partition("@")[0], role, password))


async def _add_user(email: str, name: str, role: Role, password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise UserError(TOO_SHORT)
    async with _arena() as (database, chosen), database.session.begin() as session:
        if await people.account_by_email(session, email):
            raise UserError(f"There is an account for {email} already.")
        await people.add_account(session, email, name, role.value, hasher.hash(password))
    where = f" at {chosen.public_url}/sign-in" if chosen.public_url else ""
    print(f"{email} can sign in as {role.value}{where}.")


@cli.command()
def judge(
    name: Name,
    panel: Annotated[Path, typer.Option("--with", metavar="PANEL.yaml", help="The judges' file.")],
    retry_failed: Annotated[bool, typer.Option(help="Try again what failed.")] = False,
) -> None:
    """Add a judging round over the finished trials of an experiment."""
    if elsewhere := _elsewhere():
        _run(_judge_elsewhere(elsewhere, name, panel, retry_failed))
    else:
        _run(_judge(name, panel, retry_failed))


async def _judge_elsewhere(remote: Remote, name: str, panel: Path, retry_failed: bool) -> None:
    async with remote:
        # Trials that were still being played are judged when they are done.
        while await remote.judge(name, panel, retry_failed=retry_failed):
            retry_failed = False
            if (await console.show(remote.follow(name), name)).state == "cancelled":
                break
        counts = await console.show(remote.follow(name), name)
        await _conclude(counts, _print_text(remote, name))


async def _judge(name: str, panel: Path, retry_failed: bool) -> None:
    spec = read_panel(panel)
    async with _arena() as (database, chosen):
        experiment = await _experiment(database, name)
        async with database.session() as session:
            await refuse_cancelled(session, experiment)
        await reach(spec.cast, spec.panel.judges)
        queued, state = 1, "running"
        # Trials that were still being played are judged when they are done.
        while queued and state != "cancelled":
            async with database.session.begin() as session:
                queued = await judge_again(session, experiment, spec)
                await records.resume(session, experiment.id, retry_failed=retry_failed)
            counts = await _work_off(database, chosen, experiment)
            state, retry_failed = counts.state, False
        await _conclude(counts, _print_report(database, experiment))


@cli.command("report")
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
    elsewhere = _elsewhere()
    if elsewhere and format is ReportFormat.HTML:
        raise UserError(
            "A page is made on the machine of the arena: leave --server out, or take a table or JSON."
        )
    _run(_report_elsewhere(elsewhere, names, format) if elsewhere else _report(names, format))


async def _report_elsewhere(remote: Remote, names: list[str], format: ReportFormat) -> None:
    async with remote:
        if format is ReportFormat.JSON:
            print(json.dumps(await remote.report(names[0]), indent=2))
            return
        if len(names) > 1:
            console.wide(together([await remote.report(name) for name in names]))
        for name in names:
            await _print_text(remote, name)


async def _report(names: list[str], format: ReportFormat) -> None:
    async with _arena() as (database, _):
        experiments = [await _experiment(database, name) for name in names]
        if format is ReportFormat.HTML:
            print(await standing_alone(database, experiments[0]))
            return
        async with database.session() as session:
            made = [await report(session, experiment) for experiment in experiments]
    if format is ReportFormat.JSON:
        print(json.dumps(made[0].as_json(), indent=2))
        return
    if len(made) > 1:
        console.wide(together([result.as_json() for result in made]))
    for result in made:
        _print(result)


async def _print_report(database: Database, experiment: Experiment) -> None:
    async with database.session() as session:
        _print(await report(session, experiment))


def _print(result: Report) -> None:
    for table in as_tables(result):
        console.wide(table)
    for note in notes(result):
        print(note)


@cli.command()
def check(
    spec: SpecPath,
    questions: Annotated[int, typer.Option(min=1, help="Questions to try every arm on.")] = 2,
) -> None:
    """Try an experiment on a few questions with its real participants; nothing is kept."""
    _run(_check(read_spec(spec), questions))


async def _check(spec: Spec, count: int) -> None:
    await reach(spec.cast, spec.used)
    async with _arena() as (database, _), database.session() as session:
        found = await questions_of(session, spec.tasks.set)
        if not found:
            raise UserError(f"There is no task set {spec.tasks.set}: import it with `arena import`.")
        drawn = draw(found, spec.tasks, spec.seed)[:count]
        check_answers(spec.arms, drawn)
        texts = await passage_texts(session, {item.question.passage for item in drawn})
    findings = await checking.check(spec, drawn, texts)
    console.wide(console.findings_table(findings))
    print(f"{findings.sent} requests sent, {findings.lost} without a reply, {len(findings.errors)} failures.")
    for arm, error in findings.errors:
        print(f"{arm}: {error}")
    if findings.errors:
        raise UserError("The experiment would not run cleanly: mend what is named above first.")


@cli.command("estimate")
def estimate_command(
    spec: SpecPath,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PROMPT,COMPLETION[,CACHED]",
            help="Price of a million tokens of a participant; may be repeated.",
        ),
    ] = None,
    format: Annotated[
        EstimateFormat, typer.Option(help="Tables, or JSON with every figure.")
    ] = EstimateFormat.TABLE,
) -> None:
    """Say what an experiment would take before it is started, and how small a difference it could show."""
    wanted = read_spec(spec)
    _run(_estimate(wanted, dict(_price(text, wanted) for text in price or ()), format))


def _price(text: str, spec: Spec) -> tuple[str, Price]:
    name, _, figures = text.partition("=")
    if name not in spec.cast.participants:
        raise UserError(
            f"--price names '{name}', who is no participant: there are {', '.join(spec.cast.participants)}."
        )
    try:
        numbers = [float(figure) for figure in figures.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 <= number < float("inf") for number in numbers):
        raise UserError(
            f"--price {text} cannot be read: write NAME=PROMPT,COMPLETION or NAME=PROMPT,COMPLETION,CACHED."
        )
    return name, Price(*numbers)


async def _estimate(spec: Spec, prices: dict[str, Price], format: EstimateFormat) -> None:
    async with _arena() as (database, _), database.session() as session:
        material = await gathered(session, spec)
    found = estimate(spec, material, prices)
    if format is EstimateFormat.JSON:
        print(json.dumps(found.as_json(), indent=2))
        return
    for table in console.estimate_tables(found):
        console.wide(table)
    for line in console.estimate_lines(found):
        print(line)


@cli.command()
def power(
    questions: Annotated[int | None, typer.Option(min=1, help="Questions that both arms play.")] = None,
    passages: Annotated[int | None, typer.Option(min=1, help="Passages that they are spread over.")] = None,
    difference: Annotated[
        float | None, typer.Option(help="Difference in accuracy to be found, such as 0.1.")
    ] = None,
    discordance: Annotated[
        float, typer.Option(help="Share of questions on which the arms differ in being right.")
    ] = powers.DISCORDANCE,
    correlation: Annotated[
        float, typer.Option(min=0, max=1, help="Correlation of questions on one passage.")
    ] = powers.CORRELATION,
) -> None:
    """Say how many questions a difference needs, or how small a difference some questions can show."""
    if questions is None and difference is None:
        raise UserError(
            "Say --questions to learn the smallest difference, or --difference to learn the questions."
        )
    for name, share in (("difference", difference), ("discordance", discordance)):
        if share is not None and not 0 < share <= 1:
            raise UserError(f"--{name} is a share between 0 and 1, such as 0.1.")
    if questions is not None:
        print(_smallest(questions, passages or questions, discordance, correlation))
    if difference is not None:
        print(_needed(difference, passages, discordance, correlation))


def _smallest(questions: int, passages: int, discordance: float, correlation: float) -> str:
    if passages > questions:
        raise UserError("--passages cannot be more than --questions: each question is on one passage.")
    found = powers.smallest_difference(
        questions, discordance, per_passage=questions / passages, correlation=correlation
    )
    where = f"{questions} questions on {passages} passages"
    if found is None:
        return f"{where} are too few to show any difference."
    return f"{where} can show a difference of {found:.1%} or more (two-sided 5%, power 80%)."


def _needed(difference: float, passages: int | None, discordance: float, correlation: float) -> str:
    if difference >= discordance:
        raise UserError(
            "--difference must be smaller than --discordance: arms cannot differ by more than where they disagree."
        )
    if passages is None:
        found: int | None = powers.questions_needed(difference, discordance)
        where = "each on a passage of its own"
    else:
        found = powers.questions_on(passages, difference, discordance, correlation=correlation)
        where = f"spread over {passages} passages"
    if found is None:
        return f"No number of questions on {passages} passages shows a difference of {difference:.1%}: add passages."
    return f"A difference of {difference:.1%} needs {found} questions, {where} (two-sided 5%, power 80%)."


@cli.command()
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve the pages, with links to look around.")
    ] = False,
) -> None:
    """Run every protocol on the sample tasks with built-in participants, and print the table."""
    _run(_demo(serve=serve))


NEXT = """
That was the whole arena with built-in baselines. With a model of your own, served by vLLM or any server that speaks the OpenAI protocol:
  1. write an experiment as docs/first-experiment.md shows,
  2. arena check my-experiment.yaml
  3. arena run my-experiment.yaml
"""


async def _demo(*, serve: bool) -> None:
    async with _arena() as (database, chosen):
        # Taken now, so that an address that is in use is told before the work and not after it.
        with listening(chosen.host, chosen.port) if serve else nullcontext() as listener:
            async with database.session.begin() as session:
                saved = await take_sample(session)
            if saved.questions:
                _say(f"Imported the task set sample: {saved.passages} passages, {saved.questions} questions.")
            experiment = await _begin(database, read_spec(DEMO))
            counts = await _work_off(database, chosen, experiment)
            await _conclude(counts, _print_report(database, experiment))
            _say(NEXT)
            if listener is not None:
                await _show_around(database, chosen, listener)


async def _show_around(database: Database, chosen: Settings, listener: socket) -> None:
    """Prepare judgements and debates for people and an experiment under way, and serve, with links for visitors."""
    async with database.session.begin() as session:
        await visitor(session, "debater")  # without whom no seat can be kept for people
    for name in ("demo-people", "demo-debate"):
        await _work_off(database, chosen, await _begin(database, read_spec(DEMO.with_stem(name))))
    await _begin(database, read_spec(DEMO.with_stem("demo-running")))
    async with database.session.begin() as session:
        paths = await links(session)

    def welcome(address: str) -> None:
        _say(f"{_place(chosen, address)}; Ctrl-C stops it. Each of these links signs in once:")
        for role, path in paths.items():
            _say(f"  {role + ':':<12}{chosen.public_url or address}{path}")

    await serving(database, chosen.model_copy(update={"concurrency": BACKGROUND}), listener, welcome)


# ── import ──────────────────────────────────────────────────────────────────────────────────────────────────────

InputPath = Annotated[Path, typer.Argument(metavar="PATH", help="The file.")]
SetName = Annotated[str | None, typer.Option("--name", help="Name of the task set.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Keep what is sound of a file with bad lines.")]


class Answers(StrEnum):
    """Which answers of a QuALITY question are kept."""

    ALL = "all"
    BEST_DISTRACTOR = "best-distractor"


@importing.command()
def sample() -> None:
    """Import the task set that ships with the arena."""
    _run(_import(read_tasks(SAMPLE), "sample", skip_bad=False))


@importing.command()
def quality(
    path: InputPath,
    name: SetName = None,
    skip_bad: SkipBad = False,
    split: Annotated[str | None, typer.Option(help="Split or member of the zip: train, dev or test.")] = None,
    hard: Annotated[bool, typer.Option(help="Only the hard subset.")] = False,
    khan: Annotated[bool, typer.Option(help="Only what passes the filter of Khan et al. 2024.")] = False,
    answers: Annotated[
        Answers, typer.Option(help="All four answers, or gold and its best distractor.")
    ] = Answers.ALL,
) -> None:
    """Import QuALITY: its official JSONL or zip."""
    file = read(FileKind.QUALITY, path, split=split, hard=hard, khan=khan, answers=answers.value)
    _run(_import(file, name or usual_name(FileKind.QUALITY, path), skip_bad))


@importing.command()
def tasks(path: InputPath, name: SetName = None, skip_bad: SkipBad = False) -> None:
    """Import the arena's own JSON Lines (docs/formats/tasks.md); the set is named as the file."""
    _run(_import(read(FileKind.TASKS, path), name or usual_name(FileKind.TASKS, path), skip_bad))


@importing.command("nyu-debates")
def nyu_debates(path: InputPath, name: SetName = None, skip_bad: SkipBad = False) -> None:
    """Import the stories and questions of the NYU human debates (Michael et al. 2023)."""
    _run(_import(read(FileKind.NYU_DEBATES, path), name or usual_name(FileKind.NYU_DEBATES, path), skip_bad))


async def _import(file: TaskFile, name: str, skip_bad: bool) -> None:
    if elsewhere := _elsewhere():
        refuse_bad(file, skip_bad=skip_bad)
        async with elsewhere:
            saved = await elsewhere.upload(name, file)
    else:
        async with _arena() as (database, _), database.session.begin() as session:
            saved = await take(session, file, name, skip_bad=skip_bad)
    if file.problems:
        _say(f"{listed(file.problems)}\nThese were left out.")
    for reason, count in file.filtered.items():
        _say(f"{count} left out: {reason}.")
    print(_saved(name, saved))


def _saved(name: str, saved: Saved) -> str:
    there = f"; {saved.unchanged} questions were there already" if saved.unchanged else ""
    return f"{name}: {saved.passages} passages and {saved.questions} questions added{there}."


# ── export ──────────────────────────────────────────────────────────────────────────────────────────────────────


@cli.command("export")
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
    _run(_export(name, what, format, output, include_passages))


async def _export(name: str, what: What, format: Format, target: Path, passages: bool) -> None:
    if elsewhere := _elsewhere():
        async with elsewhere:
            rows = await elsewhere.export(name, what, format, target, include_passages=passages)
    else:
        async with _arena() as (database, _):
            experiment = await _experiment(database, name)
            rows = await export(database, experiment, what, format, target, include_passage=passages)
    _say(f"{rows} rows of {what.value} written to {'stdout' if str(target) == '-' else target}.")


# ── the database, doctor ────────────────────────────────────────────────────────────────────────────────


@database_commands.command()
def upgrade() -> None:
    """Apply the migrations that are missing."""
    health = _run(_health())
    print(f"The database is at revision {health.revision}.")


async def _health(*, upgrade: bool = True) -> Health:
    async with _arena(upgrade=upgrade) as (database, _):
        return await database.health()


@cli.command()
def doctor(
    spec: Annotated[
        Path | None, typer.Argument(metavar="[SPEC.yaml]", help="Also try this file's endpoints.")
    ] = None,
) -> None:
    """Say which database is used, whether its migrations are current, and which model endpoints answer."""
    sound = _run(_doctor(read_spec(spec) if spec else None))
    if not sound:
        sys.exit(1)


async def _doctor(spec: Spec | None) -> bool:
    async with _arena(upgrade=False) as (database, _):
        health = await database.health()
        known = await endpoints(database) if health.current else []
    kind = "embedded PostgreSQL" if health.embedded else "PostgreSQL from DATABASE_URL"
    print(f"Database: {kind} {health.server_version} at {health.address}")
    state = "current" if health.current else "not current: run `arena db upgrade`"
    print(f"Migrations: {health.revision or 'none'} of {health.head}, {state}")
    if spec is not None:
        for name in spec.cast.participants:
            endpoint = spec.cast.endpoint_of(name)
            if endpoint and endpoint not in known:
                known.append(endpoint)
    answering = [await _try_endpoint(*endpoint) for endpoint in known]
    if not known:
        print("Endpoints: none known yet; name a spec to try its endpoints.")
    return health.current and all(answering)


async def _try_endpoint(name: str, endpoint: EndpointSettings) -> bool:
    roster = ParticipantFactory()
    try:
        models = await roster.client(name, endpoint).models()
    except ParticipantError as error:
        print(f"Endpoint {name} ({endpoint.base_url}): {error}")
        return False
    finally:
        await roster.close()
    print(f"Endpoint {name} ({endpoint.base_url}): answers, serves {', '.join(models) or 'no model'}")
    return True


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
