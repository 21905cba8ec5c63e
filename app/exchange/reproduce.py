"""Reproducing published figures: import the released data, compute, compare row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.archive_import import refuse_bad_archive, take_archive
from app.exchange.published.figures import Compared, Edition, PublishedStudy, compared
from app.records.imported import readings
from models import Experiment


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The published figures of a study beside those of the data."""

    study: PublishedStudy
    edition: Edition
    exact: bool
    """Whether the data have the number of verdicts of the edition."""
    counts: dict[str, int]
    """Verdicts by arm or by judge."""
    rows: Sequence[Compared]
    experiment: Experiment

    @property
    def matching(self) -> int:
        """Return the number of rows that match."""
        return sum(row.matches for row in self.rows)

    @property
    def matches(self) -> bool:
        """Return whether every row does."""
        return self.matching == len(self.rows)

    @property
    def data(self) -> str:
        """Return what the data are, in words."""
        counts = ", ".join(f"{key} {count}" for key, count in self.counts.items())
        if self.exact:
            return f"The data are {self.edition.title} (verdicts: {counts})."
        return (
            f"The data are no edition that is known (verdicts: {counts}): compared with {self.edition.title}."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON."""
        return {
            "study": self.study.name,
            "source": self.study.source,
            "edition": self.edition.title,
            "exact": self.exact,
            "verdicts": self.counts,
            "rows": [
                {
                    "arms": list(row.published.arms),
                    "judge": row.published.judge or None,
                    "only": row.published.only or None,
                    "figure": row.published.figure,
                    "published": row.published.value,
                    "here": row.here,
                    "off": row.off,
                    "matches": row.matches,
                }
                for row in self.rows
            ],
            "matches": self.matches,
        }


async def reproduce(
    session: AsyncSession, study: PublishedStudy, path: Path, *, name: str | None = None
) -> Reproduced:
    """Import the data at `path` as an experiment, and compare its figures with the published ones.

    The caller commits to keep the experiment, or rolls back. Raise ImportRefused where the data cannot be read.
    """
    read = study.read(path)
    refuse_bad_archive(read)
    called = name or f"{study.name}-{uuid4().hex[:8]}"
    saved = await take_archive(session, read, called, where=study.where)
    # Verdicts of other rounds, such as those of offline judges, are in no published figure.
    found = [each for each in await readings(session, saved.experiment.id) if each.round in (None, "panel")]
    edition, exact = study.edition(found)
    rows = [compared(row, found) for row in edition.rows]
    return Reproduced(study, edition, exact, study.counted(found), rows, saved.experiment)
