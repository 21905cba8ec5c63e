"""Commands that make and steer studies with people: study check, create, open, pause, close, list, status, link."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.running import run_to_end
from app.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.services.studies import Action, Checked, Progress
    from app.settings import Settings
    from app.studies.spec import StudySpec
    from models import Study

commands = typer.Typer(help="Make and steer studies with paid people.", no_args_is_help=True)
StudyName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a study.")]
StudyPath = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study's file.")]


@asynccontextmanager
async def _refusing() -> AsyncIterator[tuple[AsyncSession, Settings]]:
    """Open a transaction on this machine's arena, and turn refusals into mistakes of the user."""
    from app.cli.local import local_arena
    from app.services.refusal import Refused

    async with local_arena() as (database, chosen):
        try:
            async with database.session.begin() as session:
                yield session, chosen
        except Refused as error:
            raise UserError(error.sentence) from error


@commands.command()
def check(
    study: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A study's file, or a study's name.")],
) -> None:
    """Say what prevents opening a study, and what it pays an hour. Exit code 2 if anything does."""
    from app.studies.spec import read_study

    path = Path(study)
    is_file = path.suffix in (".yaml", ".yml", ".json") or path.exists()
    if run_to_end(_check(study, read_study(path) if is_file else None)):
        sys.exit(2)


async def _check(named: str, spec: StudySpec | None) -> bool:
    from app.services import studies as service

    async with _refusing() as (session, _):
        if spec is not None:
            found = await service.check(session, None, spec)
        else:
            study = await service.visible_study(session, None, named)
            spec = service.spec_of(study)
            found = await service.check_to_open(session, None, spec, study)
    _print_checked(spec, found)
    return bool(found.problems)


def _print_checked(spec: StudySpec, found: Checked) -> None:
    from app.money import in_words
    from app.services.studies import counted
    from app.studies.pay import hourly, money

    currency = spec.reward.currency
    print(
        f"{spec.name}: {counted(spec.people, 'person', 'people')} with {counted(spec.trials, 'trial')} each; {money(spec.reward)} for {spec.minutes} minutes, "
        f"{in_words(hourly(spec), currency)} an hour."
    )
    for problem in found.problems:
        print(f"To do: {problem}")
    for warning in found.warnings:
        print(f"Note: {warning}")
    if not found.problems:
        print("It can be opened.")


@commands.command()
def create(path: StudyPath) -> None:
    """Make a draft from a file, or change the draft of the same name."""
    run_to_end(_create(path))


async def _create(path: Path) -> None:
    from app.records import studies as records
    from app.services import studies as service
    from app.studies.spec import read_study

    spec = read_study(path)
    async with _refusing() as (session, _):
        there = await records.by_name(session, spec.name)
        if there is None:
            await service.create(session, None, spec)
        else:
            await service.change(session, None, spec.name, spec)
    done = "made" if there is None else "changed"
    print(f"{spec.name} was {done} as a draft: `arena study open {spec.name}` opens it.")


@commands.command("open")
def open_study(name: StudyName) -> None:
    """Open a study: people can join, and its experiments' trials are kept for them. Prints its link."""
    run_to_end(_steer(name, "open"))


@commands.command()
def pause(name: StudyName) -> None:
    """Let no one new join; those who take part go on."""
    run_to_end(_steer(name, "pause"))


@commands.command()
def close(name: StudyName) -> None:
    """Let no one join any more, and give its experiments' trials free."""
    run_to_end(_steer(name, "close"))


async def _steer(name: str, action: Action) -> None:
    from app.services import studies as service

    async with _refusing() as (session, chosen):
        study = await service.steer(session, None, name, action)
        link = await _link_of(session, chosen, study) if action == "open" else ""
    print(f"{name} is {study.state}.")
    if link:
        print(link)


async def _link_of(session: AsyncSession, chosen: Settings, study: Study) -> str:
    from app.services.study_links import join_path
    from app.studies.join_link import for_recruiter

    base = chosen.public_url or f"http://{chosen.host}:{chosen.port}"
    kind = study.spec["recruiter"]["kind"]
    return for_recruiter(base + await join_path(session, study), kind)


@commands.command()
def link(name: StudyName) -> None:
    """Print the link to give to the recruiter."""
    run_to_end(_print_link(name))


async def _print_link(name: str) -> None:
    from app.services import studies as service

    async with _refusing() as (session, chosen):
        study = await service.visible_study(session, None, name)
        print(await _link_of(session, chosen, study))


@commands.command("list")
def list_studies() -> None:
    """Print the studies, the newest first, with their states and places."""
    run_to_end(_list())


async def _list() -> None:
    from rich.table import Table

    from app.cli.console import print_table
    from app.records import studies as records
    from app.services import studies as service

    async with _refusing() as (session, _):
        found = await records.all_there_are(session)
        progress = await service.progress_of(session, found)
    if not found:
        print("There is no study yet: `arena study create STUDY.yaml` makes one.")
        return
    table = Table("study", "state", "places taken", "completed", "other ends")
    for study, now in zip(found, progress, strict=True):
        table.add_row(
            study.name, study.state, f"{now.taken} of {now.wanted}", str(now.completed), _other_ends(now)
        )
    print_table(table)


def _other_ends(now: Progress) -> str:
    others = {end: number for end, number in now.ended.items() if end != "completed"}
    return ", ".join(f"{number} {end.replace('_', ' ')}" for end, number in others.items())


@commands.command()
def status(name: StudyName) -> None:
    """Print how many have completed, where people are, and where they left."""
    run_to_end(_status(name))


async def _status(name: str) -> None:
    from rich.table import Table

    from app.cli.console import print_table
    from app.records import studies as records
    from app.services import studies as service

    async with _refusing() as (session, _):
        study = await service.visible_study(session, None, name)
        [now] = await service.progress_of(session, [study])
        path = [page.value for page in service.spec_of(study).path]
        passed = await records.attrition(session, study.id, path)
    print(
        f"{name} is {study.state}: {now.completed} of {now.wanted} have completed, {now.taking_part} take part, "
        f"{now.free} places are free."
    )
    table = Table("page", "came", "left there")
    for row in passed:
        left = ", ".join(f"{number} {end.replace('_', ' ')}" for end, number in row.left.items())
        table.add_row(row.page, str(row.came), left)
    print_table(table)
