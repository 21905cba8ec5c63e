"""Exports of several files: a folder that appears whole or not at all, or a zip of it."""

import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from app.exchange.choices import Document, Kind
from app.exchange.tabular import STDOUT, ExportRefused, destination

ZIPPED_AT = (1980, 1, 1, 0, 0, 0)
"""The time of all members of a zip, so that the same data give the same bytes."""


@contextmanager
def folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder, which becomes `target`, or a zip where that ends in `.zip`, once it is complete.

    Raise ExportRefused where the target cannot be written: a folder that is there already stays as it is.
    """
    if target == STDOUT:
        raise ExportRefused("This is several files: name a folder, or a file that ends in .zip.")
    if target.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory(prefix="arena-export-") as name:
            yield Path(name)
            with destination(target) as stream:
                zipped(Path(name), stream)
        return
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportRefused(f"{target} is there already: name a new folder, or a file that ends in .zip.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir()
        yield part
        if target.is_dir():
            target.rmdir()
        part.replace(target)
    except OSError as error:
        raise ExportRefused(
            f"{target} cannot be written ({error.strerror or error}): name a folder in another place."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def zipped(source: Path, stream: BinaryIO) -> None:
    """Write the files of a folder as a zip, in the order of their names."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(source).as_posix(), ZIPPED_AT)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            with path.open("rb") as file, archive.open(member, "w", force_zip64=True) as to:
                shutil.copyfileobj(file, to)


@contextmanager
def incoming(what: Kind, target: Path) -> Iterator[BinaryIO]:
    """Open a stream for an export that comes from elsewhere. A zip is unpacked where the target is to be a folder."""
    if not isinstance(what, Document) or not what.is_folder or target.suffix.lower() == ".zip":
        with destination(target) as stream:
            yield stream
        return
    with folder(target) as own, tempfile.TemporaryFile() as stream:
        yield stream
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            for member in archive.infolist():
                _unpack(archive, member, own)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, own: Path) -> None:
    parts = PurePosixPath(member.filename).parts
    if not parts or any(part in ("..", "/") or os.sep in part for part in parts):
        raise ExportRefused(f"The zip that came names a file outside of it ({member.filename}).")
    path = own.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as file, path.open("xb") as to:
        shutil.copyfileobj(file, to)
