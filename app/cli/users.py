"""Commands that look after accounts: user add."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from app.cli.running import run_to_end
from app.errors import UserError

commands = typer.Typer(help="Look after accounts.", no_args_is_help=True)


class Role(StrEnum):
    """Roles that sign in with a password; judges come by invite."""

    ADMIN = "admin"
    RESEARCHER = "researcher"


@commands.command("add")
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
    run_to_end(_add_user(email, name or email.partition("@")[0], role, password))


async def _add_user(email: str, name: str, role: Role, password: str) -> None:
    from app.cli.local import local_arena
    from app.records import people
    from app.services.passwords import SHORTEST_PASSWORD, TOO_SHORT, hasher

    if len(password) < SHORTEST_PASSWORD:
        raise UserError(TOO_SHORT)
    async with local_arena() as (database, chosen), database.session.begin() as session:
        if await people.account_by_email(session, email):
            raise UserError(f"There is an account for {email} already.")
        await people.add_account(session, email, name, role.value, hasher.hash(password))
    where = f" at {chosen.public_url}/sign-in" if chosen.public_url else ""
    print(f"{email} can sign in as {role.value}{where}.")
