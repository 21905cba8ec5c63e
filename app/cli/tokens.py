"""Commands that make tokens of the JSON API: token create."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from app.cli.running import run_to_end
from app.errors import UserError

commands = typer.Typer(help="Make tokens of the API.", no_args_is_help=True)


class Scope(StrEnum):
    """What a token is for."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@commands.command()
def create(
    email: Annotated[
        str, typer.Argument(help="Address of the account that it acts for: a researcher or an admin.")
    ],
    name: Annotated[
        str, typer.Option(help="What it is for; you find it under this name later.")
    ] = "command line",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; give it again for more. Without it, read and write."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="Days until it expires.")] = 90,
) -> None:
    """Make a token, and print it, this once: it is not stored."""
    scopes = sorted({each.value for each in scope or (Scope.READ, Scope.WRITE)})
    token, until = run_to_end(_create(email.strip(), name.strip(), scopes, days))
    from app.cli.console import say

    print(token)
    say(
        f"For {email}, to {' and '.join(scopes)}, until {until}. It is not shown again: put it into ARENA_TOKEN."
    )


async def _create(email: str, name: str, scopes: list[str], days: int) -> tuple[str, str]:
    from datetime import UTC, datetime, timedelta

    from app.cli.local import local_arena
    from app.records import people, tokens

    if not re.fullmatch(r".{1,100}", name):
        raise UserError("--name: give it a name of at most 100 characters.")
    lasts = timedelta(days=days)
    async with local_arena() as (database, _), database.session.begin() as session:
        account = await people.account_by_email(session, email)
        if account is None or account.disabled_at is not None or account.role not in ("admin", "researcher"):
            raise UserError(
                f"There is no researcher or admin {email} who may sign in: `arena user add {email}` makes an account."
            )
        if "admin" in scopes and account.role != "admin":
            raise UserError("Only an admin may have a token for administration: leave --scope admin out.")
        token = await tokens.new_token(session, account.id, name, scopes, lasts)
    return token, f"{datetime.now(UTC) + lasts:%Y-%m-%d}"
