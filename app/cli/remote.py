"""The option `--server`: which remote arena a command works on."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

from app.errors import UserError

if TYPE_CHECKING:
    from app.client import Remote

COMMANDS = (
    *("run", "judge", "report", "import", "export", "tag", "note"),
    *("list", "status", "pause", "resume", "cancel", "delete", "rename", "tasks"),
)
"""Commands that work on a remote arena too."""
_SERVER: ContextVar[str | None] = ContextVar("server", default=None)


def choose(server: str | None, command: str, *, named_here: bool) -> None:
    """Note the address of a remote arena. `named_here`: it was given on the command line, not by the environment.

    Raises UserError for a command that works on this machine only.
    """
    if server and named_here and command not in COMMANDS:
        raise UserError(
            f"`arena {command}` works on this machine only: leave --server out (it goes with "
            f"{', '.join(COMMANDS)})."
        )
    _SERVER.set(server)


def chosen() -> str | None:
    """Return the address of the remote arena, if one is named."""
    return _SERVER.get()


def remote_arena() -> Remote | None:
    """Return the remote arena to work on, if one is named. Raises UserError without a token."""
    server = chosen()
    if not server:
        return None
    token = os.environ.get("ARENA_TOKEN", "").strip()
    if not token:
        raise UserError(
            f"ARENA_TOKEN is empty: make a token at {server.rstrip('/')}/account/tokens and set it."
        )
    from app.client import Remote

    return Remote(server, token)
