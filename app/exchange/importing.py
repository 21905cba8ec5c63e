"""Taking what an importer read into the database: all of it or, where asked for, what is sound."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import UserError
from app.exchange.taskfile import Problem, TaskFile, read_tasks
from app.records.tasks import Differs, Saved, save

SAMPLE = Path(__file__).with_name("sample.jsonl")
"""The task set that ships with the arena, released under CC0."""

SHORT = Path(__file__).with_name("short.jsonl")
"""Passages of 130 words with their twins, for a model that reads slowly; released under CC0 too."""

SHOWN = 20
"""Number of problems that are listed one by one."""


class ImportRefused(UserError, ValueError):
    """Nothing was imported. The text says why and what to do."""

    def __init__(self, sentence: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join(filter(None, (listed(problems), sentence))))
        self.sentence, self.problems = sentence, tuple(problems)


def listed(problems: Sequence[Problem]) -> str:
    """Return the first problems, one per line, and how many more there are."""
    lines = [str(problem) for problem in problems[:SHOWN]]
    more = len(problems) - SHOWN
    return "\n".join(lines + ([f"… and {more} more."] if more > 0 else []))


async def take(session: AsyncSession, file: TaskFile, name: str, *, skip_bad: bool = False) -> Saved:
    """Save the passages of `file` in the task set `name`.

    Raise ImportRefused as `refuse_bad` does, and where the file differs from an earlier import.
    """
    refuse_bad(file, skip_bad=skip_bad)
    try:
        return await save(session, name, [passage.model_dump(mode="json") for passage in file.passages])
    except Differs as error:
        raise ImportRefused(f"Nothing was imported: {error}") from error


def refuse_bad(file: TaskFile, *, skip_bad: bool) -> None:
    """Raise ImportRefused where a file has problems and `skip_bad` is off, or where nothing of it is left."""
    if file.problems and not skip_bad:
        rest = ": correct these, or keep the rest (on the command line: --skip-bad)" if file.passages else ""
        raise ImportRefused(f"Nothing was imported{rest}.", file.problems)
    if not file.passages:
        left_out = ", ".join(f"{count} {reason}" for reason, count in file.filtered.items())
        why = f" ({left_out})" if left_out else ""
        raise ImportRefused(f"Nothing of the file is left to import{why}.", file.problems)


async def take_sample(session: AsyncSession) -> Saved:
    """Import the task set that ships with the arena."""
    return await take(session, read_tasks(SAMPLE), "sample")


async def take_short(session: AsyncSession) -> Saved:
    """Import the task set of short passages that ships with the arena."""
    return await take(session, read_tasks(SHORT), "short")
