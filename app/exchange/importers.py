"""The files that can be imported. The command line and the browser both read this registry.

An importer is a function from a path to a `TaskFile`, and an entry here: its name, how it is described, and its options.
An archive, which has verdicts too, is a function from a path to an `Archive`; the command line alone imports all kinds of it.
The readers are imported when a file is read, so that the command line can list its commands quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.exchange.archive import Archive
    from app.exchange.taskfile import TaskFile


@dataclass(frozen=True, slots=True)
class ImportOption:
    """An option of an importer: a switch, a text, or one of several choices."""

    name: str
    help: str
    default: bool | str = False
    choices: Mapping[str, str] | None = None
    """What may be chosen, each with its label; the first is the default."""
    free: bool = False
    """Whether a text that is not among the choices is taken too."""


@dataclass(frozen=True, slots=True)
class Importer:
    """A kind of file that becomes a task set."""

    name: str
    label: str
    """How the browser calls it."""
    help: str
    """How the command line calls it."""
    reader: Callable[..., TaskFile]
    """Takes the path, and the options by name."""
    options: tuple[ImportOption, ...] = ()
    set_name: str | None = None
    """The usual name of its task set; None where the set is named as the file."""

    def usual_name(self, path: Path) -> str:
        """Return the name of the task set where the user gives none."""
        return self.set_name or path.stem

    def read(self, path: Path, **options: Any) -> TaskFile:
        """Read a file; options that are not given have their defaults."""
        from app.exchange.damaged import guarded
        from app.exchange.taskfile import TaskFile

        given = {option.name: option.default for option in self.options} | options
        return guarded(
            lambda: self.reader(path, **given), path, lambda found: TaskFile(passages=(), problems=(found,))
        )


def _tasks(path: Path) -> TaskFile:
    from app.exchange.taskfile import read_tasks

    return _table(path) if path.suffix.lower() in (".csv", ".tsv") else read_tasks(path)


def _table(path: Path) -> TaskFile:
    from app.exchange.task_table import read_task_table

    return read_task_table(path)


def _quality(path: Path, *, split: str, hard: bool, khan: bool, answers: Any) -> TaskFile:
    from app.exchange.quality import read_quality

    return read_quality(path, part=split or None, hard=hard, khan=khan, answers=answers)


def _nyu_debates(path: Path) -> TaskFile:
    from app.exchange.nyu_debates import read_nyu_debates

    return read_nyu_debates(path)


_ALL = (
    Importer(
        "tasks",
        "the arena's own JSON Lines",
        "Import the arena's own JSON Lines (docs/formats/tasks.md); the set is named as the file.",
        _tasks,
    ),
    Importer(
        "csv",
        "a table as CSV, a question on each line",
        "Import a table of questions as CSV (docs/formats/task-tables.md); the set is named as the file.",
        _table,
    ),
    Importer(
        "quality",
        "QuALITY, as its zip or JSON Lines",
        "Import QuALITY: its official JSONL or zip.",
        _quality,
        (
            ImportOption(
                "split",
                "Split or member of the zip: train, dev or test.",
                "",
                {"": "all in the file", "train": "train", "dev": "dev", "test": "test"},
                free=True,
            ),
            ImportOption(
                "answers",
                "All four answers, or gold and its best distractor.",
                "all",
                {"all": "all four", "best-distractor": "gold and its best distractor"},
            ),
            ImportOption("hard", "Only the hard subset."),
            ImportOption("khan", "Only what passes the filter of Khan et al. 2024."),
        ),
        "quality",
    ),
    Importer(
        "nyu-debates",
        "the NYU human debates, as their .tar.gz",
        "Import the NYU human debates (Michael et al. 2023): stories and questions, and the talks with their verdicts.",
        _nyu_debates,
        set_name="nyu-debates",
    ),
)
IMPORTERS = {importer.name: importer for importer in _ALL}


@dataclass(frozen=True, slots=True)
class ArchiveImporter:
    """A kind of file that becomes a finished experiment: transcripts, judges and verdicts of others."""

    name: str
    help: str
    """How the command line calls it."""
    reader: Callable[[Path], Archive]
    usual: str | None = None
    """The usual name of its experiment; None where that is named as the file."""

    def usual_name(self, path: Path) -> str:
        """Return the name of the experiment where the user gives none."""
        return self.usual or path.name.partition(".")[0]

    def read(self, path: Path) -> Archive:
        """Read a file."""
        from app.exchange.archive import unusable
        from app.exchange.damaged import guarded

        return guarded(lambda: self.reader(path), path, unusable)


def _archive(path: Path) -> Archive:
    from app.exchange.archive import read_archive

    return read_archive(path)


def _nyu_study(path: Path) -> Archive:
    from app.exchange.nyu_study import read_nyu_study

    return read_nyu_study(path)


def _llmbar(path: Path) -> Archive:
    from app.exchange.pairwise import read_llmbar

    return read_llmbar(path)


def _judgebench(path: Path) -> Archive:
    from app.exchange.pairwise import read_judgebench

    return read_judgebench(path)


def _credences(path: Path) -> Archive:
    from app.exchange.credences import read_credences

    return read_credences(path)


def _khan(path: Path) -> Archive:
    from app.exchange.khan_study import read_khan

    return read_khan(path)


_ARCHIVES = (
    ArchiveImporter(
        "verdicts",
        "Import transcripts, judges and verdicts of others as a finished experiment (docs/formats/archives.md).",
        _archive,
    ),
    ArchiveImporter(
        "llmbar",
        "Import LLMBar's pairs of replies with judges' verdicts in both orders (docs/formats/judge-benchmarks.md).",
        _llmbar,
        "llmbar",
    ),
    ArchiveImporter(
        "judgebench",
        "Import a judge's outputs on JudgeBench's pairs of replies (docs/formats/judge-benchmarks.md).",
        _judgebench,
    ),
    ArchiveImporter(
        "credences",
        "Import a table of judges' credences after each section of a debate (docs/formats/credences.md).",
        _credences,
    ),
    ArchiveImporter(
        "khan-debates",
        "Import people's verdicts of Khan et al. 2024 (human_feedback.csv.zip; docs/formats/khan-debates.md).",
        _khan,
        "khan-debates",
    ),
    ArchiveImporter("nyu-debates", IMPORTERS["nyu-debates"].help, _nyu_study, "nyu-debates"),
)
ARCHIVES = {importer.name: importer for importer in _ARCHIVES}
