"""Commands on people's data: people export, people delete, study sweep."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.running import run_to_end
from app.errors import UserError

commands = typer.Typer(help="Read, hand out and delete the data of one person.", no_args_is_help=True)
Who = Annotated[
    str,
    typer.Argument(
        help="Pseudonym, such as person-1a2b3c4d; or the id of an account or of a part in a study."
    ),
]


@commands.command("export")
def export_person(
    who: Who,
    output: Annotated[Path | None, typer.Option(help="File to write; standard output otherwise.")] = None,
) -> None:
    """Print all that is kept of a person as JSON, with name and recruiter's ids: it is for that person."""
    content = run_to_end(_copy(who))
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}): name another file.") from error


async def _copy(who: str) -> bytes:
    from app.cli.local import local_arena
    from app.services import personal_data
    from app.services.refusal import Refused

    async with local_arena() as (database, _), database.session.begin() as session:
        try:
            person = await personal_data.named(session, who)
        except Refused as error:
            raise UserError(error.sentence) from error
        return await personal_data.copy_of(session, person, None)


@commands.command("delete")
def delete_person(
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    unpaid: Annotated[
        bool, typer.Option("--unpaid", help="Also where a review or a payment is due.")
    ] = False,
) -> None:
    """Delete a person's data for good: names, ids, texts, answers, links and sessions."""
    if not yes and not typer.confirm(f"Delete the data of {who} for good?", err=True):
        raise UserError("Nothing was deleted.")
    run_to_end(_delete(who, unpaid))


async def _delete(who: str, unpaid: bool) -> None:
    from app.cli.local import local_arena
    from app.services import personal_data
    from app.services.refusal import Refused

    async with local_arena() as (database, _), database.session.begin() as session:
        try:
            person = await personal_data.named(session, who)
            deleted = await personal_data.delete(session, person, None, unpaid=unpaid)
        except Refused as error:
            raise UserError(error.sentence) from error
    print(f"The data of {who} are deleted." if deleted else f"The data of {who} were deleted before.")


def sweep_people() -> None:
    """Remove what has been kept for its time; `arena serve` and `arena worker` do so by themselves."""
    run_to_end(_sweep())


async def _sweep() -> None:
    from app.cli.local import local_arena
    from app.records import personal_data

    async with local_arena() as (database, _), database.session.begin() as session:
        swept = await personal_data.sweep(session)
    print(
        f"Deleted, as asked: {swept.deleted}. Names and ids removed, since the study ended: {swept.forgotten}."
    )
