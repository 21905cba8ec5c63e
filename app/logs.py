"""How a process logs: lines for people, or JSON with the ids of play and call; a trouble that repeats is counted, not repeated.

A JSON line has no text of a passage, prompt, reply or person and no key: of an error it has the kind and the places, not the words.
"""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

PLAIN = "%(levelname)s %(name)s: %(message)s"
LONGEST = 500
"""Characters of a message in JSON."""
MOST = 5
"""Lines of one kind that are written in a window."""
WINDOW = 60.0
"""Seconds."""

LOST = "ConnectorException"
"""The queue's error where the database is away, of which the arena itself says once what it means."""

_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Name these ids in each line that is logged meanwhile by this task."""
    before = _about.set({**_about.get(), **{name: str(value) for name, value in ids.items()}})
    try:
        yield
    finally:
        _about.reset(before)


def event(log: logging.Logger, what: str, **facts: object) -> None:
    """Log something that went as it should, with facts that are numbers, names and ids."""
    if log.isEnabledFor(logging.INFO):
        log.info("%s %s", what, _Facts(facts), extra={"facts": facts, "event": what})


class _Facts:
    """Facts as a line for people shows them."""

    def __init__(self, facts: Mapping[str, object]) -> None:
        self._facts = facts

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self._facts.items())


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": getattr(record, "event", None) or _message(record),
            "process": record.process,
            **_about.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            line["error"] = kind.__name__
            line["at"] = [
                f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(trace)[-12:]
            ]
        return json.dumps(line, ensure_ascii=False, default=str)


def _message(record: logging.LogRecord) -> str:
    """Return the first line of a message. Other libraries write what they were given: theirs is left as the pattern."""
    if not record.name.startswith("app"):
        return str(record.msg).partition("\n")[0][:LONGEST]
    return record.getMessage().partition("\n")[0][:LONGEST]


class Repeats(logging.Filter):
    """Lets a few lines of one kind through in each minute, and says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        if record.levelno < logging.WARNING:
            return True
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        if error == LOST and record.name.startswith(("procrastinate", "asyncio")):
            return False
        key = record.name, str(record.msg), error
        now = time.monotonic()
        began, count = self._seen.get(key, (now, 0))
        if now - began >= WINDOW:
            if count > MOST:
                record.msg = f"{record.msg} ({count - MOST} more like it in the minute before)"
            began, count = now, 0
        self._seen[key] = began, count + 1
        return count < MOST


def configure() -> None:
    """Set up the log of this process on stderr, as ARENA_LOG_FORMAT (text, json) and ARENA_LOG_LEVEL (warning, info) say.

    The environment is read here because the settings take longer to load than `arena --help`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if os.environ.get("ARENA_LOG_FORMAT") == "json" else logging.Formatter(PLAIN)
    )
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    if os.environ.get("ARENA_LOG_LEVEL", "").lower() == "info":
        logging.getLogger("app").setLevel(logging.INFO)
    # The arena says itself, and once, when the database is away.
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
