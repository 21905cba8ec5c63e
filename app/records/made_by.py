"""Which version of the arena brought a database to its revision, kept as a comment in the database itself.

So an older version, which does not know the revision, can say which version to use.
"""

import re
from functools import cache
from importlib.metadata import version

from sqlalchemy import Connection, text

_COMMENT = r"arena (\S+) at revision (\S+)"


@cache
def this_version() -> str:
    """Return the version of the arena that runs."""
    return version("oversight-arena")


def made_by(connection: Connection, revision: str | None) -> str | None:
    """Return the version that brought the database to this revision; None where that is not known."""
    comment = connection.execute(
        text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")
    ).scalar()
    found = re.fullmatch(_COMMENT, comment or "")
    return found[1] if found and found[2] == revision else None


def note_made_by(connection: Connection, revision: str) -> None:
    """Write down that this version brought the database to a revision, unless one is noted for it already."""
    if made_by(connection, revision) is None:
        # A comment takes no parameters; both parts are names without quotes.
        connection.execute(
            text(f"COMMENT ON TABLE alembic_version IS 'arena {this_version()} at revision {revision}'")
        )


def newer(address: str, revision: str, head: str, by: str | None) -> str:
    """Say that a database is newer than the arena that runs, and what to do."""
    there = f"version {by}, " if by else ""
    needed = f"version {by} or later" if by and by != this_version() else "a later version than this one"
    return (
        f"The database at {address} was upgraded by a newer arena ({there}revision {revision}), and this is version "
        f"{this_version()}, which knows revisions up to {head}: use {needed}, or restore a backup from before the upgrade."
    )
