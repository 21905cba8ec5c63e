"""What there is to say where the database does not answer, or its disk is full; said once, and once more when it is over."""

import errno
import logging
import time
from collections.abc import Iterator
from typing import Literal, TypeAlias

import psycopg
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["full", "busy", "away"]

OUTAGE = (OperationalError, InterfaceError, NoConnection)
"""An error of the database itself, not of the request."""
RAW_OUTAGE = (psycopg.OperationalError, psycopg.InterfaceError, ConnectorException)
"""The same in the words of the driver, and of the queue."""

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
        if isinstance(each, NoConnection):
            found = found or "busy"
        elif isinstance(each, (OperationalError, InterfaceError, *RAW_OUTAGE[:2])):
            found = found or "away"
        elif isinstance(each, ConnectorException) and each.__cause__ is None:
            found = found or "away"
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it came of."""
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__


class Outage:
    """What one process has seen of the trouble of its database."""

    def __init__(self) -> None:
        self._began: dict[Kind, float] = {}
        self._said: dict[Kind, float] = {}

    @property
    def away(self) -> bool:
        """Return whether the database was away when it was last used."""
        return "away" in self._began

    def saw(self, error: BaseException) -> None:
        """Say what an error means, unless that was said a short while ago."""
        kind, now = kind_of(error) or "away", time.monotonic()
        self._began.setdefault(kind, now)
        if now - self._said.get(kind, float("-inf")) >= AGAIN:
            self._said[kind] = now
            log.warning("%s (%s).", SENTENCES[kind], type(error).__name__)

    def over(self) -> None:
        """Note that the database has taken a connection: it is not away."""
        began = self._began.pop("away", None)
        if began is not None:
            del self._said["away"]
            log.warning("The database answers again after %.0f s.", time.monotonic() - began)
