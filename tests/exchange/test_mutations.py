"""Files with something wrong in them: importers say what, in a sentence, and never fail themselves."""

import gzip
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from app.errors import UserError
from app.exchange import nyu_debates
from app.exchange.archive import Archive
from app.exchange.archive_import import take_archive
from app.exchange.importers import ARCHIVES, IMPORTERS
from app.exchange.importing import take
from app.exchange.taskfile import Problem, TaskFile
from app.records.database import Database
from tests.exchange.mutants import SOUND, mutant, written

QUICK = 30
"""Mutations of each kind in every run of the tests."""
MANY = 300
"""Mutations of each kind in the slow run: over 3,000 in all."""

KINDS = [(kind, "tasks") for kind in SOUND if kind.removesuffix("-lines") in IMPORTERS] + [
    (kind, "archive") for kind in SOUND if kind in ARCHIVES
]


def read(path: Path, kind: str, what: str) -> TaskFile | Archive:
    """Read a file as a set of tasks or as an archive."""
    if what == "tasks":
        return IMPORTERS[kind.removesuffix("-lines")].read(path)
    return ARCHIVES[kind].read(path)


def assert_sentences(problems: tuple[Problem, ...]) -> None:
    """Check that each problem is said in a bounded sentence."""
    for problem in problems:
        said = str(problem)
        assert said.endswith(".")
        assert len(said) < 30_000
        assert "Traceback" not in said
        assert "object at 0x" not in said


@pytest.mark.parametrize(("kind", "what"), KINDS)
def test_the_sound_file_has_no_problem(tmp_path: Path, kind: str, what: str) -> None:
    assert read(written(tmp_path / SOUND[kind][0], SOUND[kind][1]), kind, what).problems == ()


@pytest.mark.parametrize(("kind", "what"), KINDS)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, kind: str, what: str) -> None:
    for seed in range(QUICK):
        assert_sentences(read(mutant(tmp_path, kind, seed), kind, what).problems)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "what"), KINDS)
async def test_what_is_read_can_be_stored(database: Database, tmp_path: Path, kind: str, what: str) -> None:
    for seed in range(MANY):
        found = read(mutant(tmp_path, kind, seed), kind, what)
        assert_sentences(found.problems)
        await assert_stored(database, found, f"{kind}-{seed}")


@pytest.mark.parametrize(("kind", "what"), KINDS)
async def test_some_of_what_is_read_can_be_stored(
    database: Database, tmp_path: Path, kind: str, what: str
) -> None:
    for seed in range(8):
        await assert_stored(database, read(mutant(tmp_path, kind, seed), kind, what), f"{kind}-{what}-{seed}")


async def assert_stored(database: Database, found: TaskFile | Archive, name: str) -> None:
    """Check that what an importer takes for sound is taken by the database, or refused with a sentence."""
    if found.problems:
        return
    async with database.session() as session:
        try:
            if isinstance(found, TaskFile):
                await take(session, found, name)
            else:
                await take_archive(session, found, name)
            await session.flush()
        except UserError:
            pass  # It was refused with a sentence.
        except DBAPIError as error:
            pytest.fail(f"{name}: {error.orig}")
        await session.rollback()


# ── containers ──────────────────────────────────────────────────────────────────────────────────────────────────


def with_its_directory_moved(path: Path) -> Path:
    """Say in a zip that its directory, and so all members, begins before the file does."""
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    struct.pack_into("<I", data, end + 16, struct.unpack_from("<I", data, end + 16)[0] + 26)
    path.write_bytes(data)
    return path


def with_a_large_header(path: Path) -> Path:
    """Say in a zip that its first member is of another size than it is."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, at + 24, 2**31)
    path.write_bytes(data)
    return path


def encrypted(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(data)
    return path


def packed_in_another_way(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(mark) + at] = 97
    path.write_bytes(data)
    return path


def of_folders(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        out.mkdir("QuALITY.dev")
        out.mkdir("human_feedback.csv")
    return path


def outside(path: Path) -> Path:
    with zipfile.ZipFile(path) as found:
        [name] = found.namelist()
        data = found.read(name)
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(f"../../{name}", data)
    return with_its_directory_moved(path)


@pytest.mark.parametrize("kind", ["quality", "khan-debates"])
@pytest.mark.parametrize(
    "change",
    [with_its_directory_moved, with_a_large_header, encrypted, packed_in_another_way, of_folders, outside],
)
def test_a_zip_that_is_not_as_it_should_be_is_refused(
    tmp_path: Path, kind: str, change: Callable[[Path], Path]
) -> None:
    path = change(written(tmp_path / SOUND[kind][0], SOUND[kind][1]))
    found = read(path, kind, "tasks" if kind == "quality" else "archive")
    assert found.problems
    assert_sentences(found.problems)


def test_a_small_archive_that_unpacks_to_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nyu_debates, "MAX_UNPACKED_BYTES", 2**20)
    path = tmp_path / "nyu.tar.gz"
    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("pub/large.bin")
        info.size = 2**22
        with open("/dev/zero", "rb") as zeros:
            tar.addfile(info, zeros)
    for found in (IMPORTERS["nyu-debates"].read(path), ARCHIVES["nyu-debates"].read(path)):
        assert "unpacks to more than" in str(found.problems[0])


def test_a_mutant_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first = mutant(tmp_path, "tasks", 4).read_bytes()
    assert mutant(tmp_path, "tasks", 4).read_bytes() == first
    assert mutant(tmp_path, "tasks", 5).read_bytes() != first
