"""Commands that speak with the recruiter of a study: study sync, payments, events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.running import run_to_end
from app.errors import UserError

if TYPE_CHECKING:
    from app.services.paying import Line, Preview
    from app.services.recruitment import Recruitment
    from app.studies.spec import StudySpec

commands = typer.Typer(help="Speak with the recruiter of a study.", no_args_is_help=True)
StudyName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a study.")]


@asynccontextmanager
async def _recruitment() -> AsyncIterator[Recruitment]:
    """Open this machine's arena, and turn refusals into mistakes of the user."""
    from app.cli.local import local_arena
    from app.services.recruitment import Recruitment
    from app.services.refusal import Refused

    async with local_arena() as (database, chosen):
        try:
            yield Recruitment(database, chosen)
        except Refused as error:
            raise UserError(error.sentence) from error


@commands.command()
def sync(study: StudyName) -> None:
    """Look at the recruiter for the status of submissions: returned and timed-out ones give their places back."""
    run_to_end(_sync(study))


async def _sync(name: str) -> None:
    from app.services import recruitment

    async with _recruitment() as at:
        print((await recruitment.sync(at, None, name)).sentence)


@commands.command("payments")
def show_payments(
    study: StudyName,
    pay: Annotated[
        str,
        typer.Option("--pay", metavar="SUM", help="Pay what is ready, if it is this sum, such as 12.50."),
    ] = "",
) -> None:
    """Print what each person is due and what was paid; with --pay, pay what is ready."""
    run_to_end(_payments(study, pay))


async def _payments(name: str, pay: str) -> None:
    from app.money import figure
    from app.services import paying
    from app.services.studies import spec_of, visible_study

    async with _recruitment() as at:
        async with at.database.session.begin() as db:
            study = await visible_study(db, None, name)
            spec = spec_of(study)
            found = await paying.preview(db, study, spec)
        _print(found, spec)
        if not pay:
            return
        ready = figure(found.totals.ready)
        if pay != ready:
            raise UserError(
                f"Nothing was paid: {ready} is ready and not {pay}. Look, and name the sum that you see."
            )
        done = await paying.pay(at, None, name, found.digest)
        print(f"Recorded {done.recorded} payments; {done.sent} were sent.")


def _print(found: Preview, spec: StudySpec) -> None:
    from rich.table import Table

    from app.cli.console import print_table

    table = Table("Person", "Part", "Trials", "Base", "Bonus", "State")
    for line in found.lines:
        part = line.part
        end = (part.ended_as or "taking part").replace("_", " ")
        state = line.wait or ", ".join(_states(line)) or "–"
        sums = [_money(minor, spec) for minor in (line.base, line.bonus)]
        table.add_row(part.pseudonym, end, f"{part.done} of {part.promised}", *sums, state)
    print_table(table)
    totals = found.totals
    print(
        f"Ready {_money(totals.ready, spec)}, to approve {_money(totals.by_approval, spec)}, paid {_money(totals.sent, spec)}, "
        f"recorded {_money(totals.under_way, spec)}, waits {_money(totals.to_come, spec)}."
    )


def _states(line: Line) -> Sequence[str]:
    return [f"{kind} {payment.state}" for kind, payment in sorted(line.recorded.items())]


def _money(minor: int, spec: StudySpec) -> str:
    from app.money import minor_in_words

    return minor_in_words(minor, spec.reward.currency)


@commands.command()
def events(
    study: StudyName,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Address of this arena, as https://arena.example.org.")
    ],
    workspace: Annotated[
        str, typer.Option(help="Prolific's id of the workspace, where the token has several.")
    ] = "",
) -> None:
    """Ask Prolific to send its events to the arena that is served at URL."""
    run_to_end(_events(study, url, workspace))


async def _events(name: str, url: str, workspace: str) -> None:
    from app.services import recruitment

    async with _recruitment() as at:
        made = await recruitment.subscribe(at, None, name, url.rstrip("/"), workspace)
    print(f"Prolific sends {made.event_type} to {made.target_url} (subscription {made.id}).")
