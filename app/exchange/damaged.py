"""What reading a file may raise that no importer expects there: a damaged container, or a value that fits no field."""

import csv
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from app.exchange.taskfile import BadInput, Problem

T = TypeVar("T")

BROKEN_CONTAINER = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    NotImplementedError,  # zipfile's for a way of packing that it does not know
)  # fmt: skip
"""What Python's modules raise for archives that are not as they should be."""

_UNREADABLE = (*BROKEN_CONTAINER, csv.Error, UnicodeError, RecursionError, OverflowError, MemoryError)


def guarded(read: Callable[[], T], path: Path, unusable: Callable[[Problem], T]) -> T:
    """Return what `read` does or, where it fails for the sake of the file, what `unusable` makes of the problem."""
    try:
        return read()
    except ValidationError as error:
        reason = _clause(error)
    except BadInput as error:
        reason = str(error)
    except _UNREADABLE as error:
        said = " ".join(str(error).split())[:200]
        reason = f"the file cannot be read ({said or type(error).__name__}): see that it is whole and of the kind named"
    except ValueError as error:
        # Of numbers alone: Python reads no longer ones. Other errors of values are the arena's own.
        if "integer string conversion" not in str(error):
            raise
        reason = "it has a number of more than 4,300 digits: correct it"
    return unusable(Problem(line=None, where=path.name, reason=reason))


def _clause(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    place = ".".join(str(step) for step in first["loc"]) or "a value"
    said = " ".join(repr(first["input"]).split())[:60]
    return f"{place} cannot be used: {message[0].lower()}{message[1:]} (it is {said})"
