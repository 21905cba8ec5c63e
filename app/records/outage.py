"""What there is to say where the database does not answer, or its disk is full; said once, and once more when it is over."""

import errno
import logging
import time
from collections.abc import Iterator
from typing import Literal, TypeAlias

import psycopg
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["full", "busy", "away"]

OUTAGE = (OperationalError, InterfaceError, NoConnection)
"""An error of the database itself, not of the request."""
RAW_OUTAGE = (psycopg.OperationalError, psycopg.InterfaceError)
"""The same in the words of the driver."""

SENTENCES: dict[Kind, str] = {
    "full": "The disk is full: make room where ARENA_HOME and the database are. Nothing that was committed is lost, and what waits "
    "goes on by itself",
    "busy": "The database has more to do than it can: what waits goes on by itself",
    "away": "The database does not answer: what needs it waits, and goes on by itself when it is back. Nothing that was committed is "
    "lost",
}
NO_SPACE = "No space left on device"
"""Words of the operating system, in errors of PostgreSQL and in its log."""
DISK_FULL = "53100"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
CROWDED = ("40", "53300", "55P03", "57014")
"""What codes of errors begin with that came of other users: a deadlock, too many connections, a lock, a time limit."""
AGAIN = 600.0
"""Seconds after which a trouble that lasts is said again."""
STALE = 30.0
"""Seconds after the end of an outage in which connections from before it still fail, which is no news."""


def kind_of(error: BaseException) -> Kind | None:
    """Return what kind of trouble an error of database or disk is; None where it is another error."""
    found: Kind | None = None
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in FULL:
            return "full"
        if isinstance(each, psycopg.Error):
            code = each.sqlstate or ""
            if code == DISK_FULL or NO_SPACE in str(each):
                return "full"
            if code.startswith(CROWDED):
                return "busy"
        found = found or ("busy" if isinstance(each, NoConnection) else "away" if _is_away(each) else None)
    return found


def _is_away(error: BaseException) -> bool:
    """Return whether the database did not answer. The queue wraps errors of every kind, which then follow."""
    # Here, because commands that need no queue would wait for it to load.
    from procrastinate.exceptions import ConnectorException

    if isinstance(error, ConnectorException):
        return error.__cause__ is None
    return isinstance(error, (*OUTAGE, *RAW_OUTAGE))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it came of."""
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__


class Outage:
    """What one process has seen of the trouble of its database."""

    def __init__(self) -> None:
        self._began: dict[Kind, float] = {}
        """When a trouble that lasts was first said."""
        self._said: dict[Kind, float] = {}
        self._over = float("-inf")

    def saw(self, error: BaseException) -> None:
        """Say what an error means, unless that was said a short while ago."""
        kind, now = kind_of(error) or "away", time.monotonic()
        if kind == "away" and now - self._over < STALE:
            return
        if now - self._said.get(kind, float("-inf")) >= AGAIN:
            self._began.setdefault(kind, now)
            self._said[kind] = now
            log.warning("%s (%s).", SENTENCES[kind], type(error).__name__)

    def over(self) -> None:
        """Note that the database has taken a connection: it is not away."""
        began, now = self._began.pop("away", None), time.monotonic()
        if began is not None:
            del self._said["away"]
            self._over = now
            log.warning("The database answers again after %.0f s.", now - began)
