"""Reports and their plots, computed outside the event loop and cached until their data change."""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from anyio import CapacityLimiter, to_process, to_thread

from app.records import verdicts
from app.records.database import Database
from app.records.progress import is_moving
from app.reports.charts import PlainRow
from app.reports.facts import facts
from app.reports.plots import WIDTHS, as_csv, draw
from app.reports.report import Report, computed
from app.reports.tables import ShownFigure, shown_figures
from models import Experiment

KEPT = 8
"""Number of cached reports, of the experiments viewed last."""
FRESH = 5.0
"""Seconds for which the report of a running experiment is served, even if its data change."""

PlotFormat: TypeAlias = Literal["svg", "png", "csv", "json"]
Width: TypeAlias = Literal["narrow", "wide"]


@dataclass(frozen=True, slots=True)
class CachedReport:
    """A report with its figures as they are shown, and the pictures drawn so far."""

    report: Report
    shown: Sequence[ShownFigure]
    drawn: dict[tuple[str, PlotFormat, Width], bytes] = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)
    """When it was made."""

    @property
    def chart_rows(self) -> dict[str, list[PlainRow]]:
        """Return the data of the charts that there are, by figure."""
        return {item.figure.name: item.drawn for item in self.shown if item.drawn}


class ReportCache:
    """The reports of an arena. Each is computed once for each state of its experiment, one at a time.

    While an experiment runs, its state changes with every move. A report that is being computed, or was
    computed a moment ago, serves all requests.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: OrderedDict[uuid.UUID, tuple[str, asyncio.Task[CachedReport]]] = OrderedDict()
        # Statistics use the processor: one report at a time, so that judges are served meanwhile.
        self._limit = CapacityLimiter(1)
        # Drawing holds up the process that draws: one other process does it.
        self._drawing = CapacityLimiter(1)

    async def of(self, experiment: Experiment) -> CachedReport:
        """Return the present report of an experiment. While the experiment runs, it may be a few seconds old."""
        async with self._database.session() as db:
            moving = await is_moving(db, experiment.id)
            held = self._held.get(experiment.id)
            if held is None or not (moving and _fresh(held[1])):
                # The version is read before the facts, so facts cached under a version are never older than
                # it.
                held = self._at(experiment, await verdicts.version(db, experiment.id), moving)
        # Other requests may wait for it too: one that goes away does not end it.
        return await asyncio.shield(held[1])

    def _at(
        self, experiment: Experiment, version: str, moving: bool
    ) -> tuple[str, asyncio.Task[CachedReport]]:
        """Return the cached report of this version, or one that is recent enough while the experiment runs,
        or a new one.
        """
        held = self._held.get(experiment.id)
        if held is None or _failed(held[1]) or not (held[0] == version or (moving and _fresh(held[1]))):
            held = version, asyncio.create_task(self._make(experiment))
            self._held[experiment.id] = held
        self._held.move_to_end(experiment.id)
        while len(self._held) > KEPT:
            self._held.popitem(last=False)
        return held

    async def _make(self, experiment: Experiment) -> CachedReport:
        return await made_of(self._database, experiment, self._limit)

    async def drawn(
        self, experiment: Experiment, figure: str, form: PlotFormat, width: Width
    ) -> bytes | None:
        """Return the chart of a figure as a picture, as data or as a spec; None where there is nothing to draw."""
        made = await self.of(experiment)
        rows = made.chart_rows.get(figure)
        if not rows:
            return None
        if form == "csv":
            return as_csv(rows)
        key = figure, form, width
        if key not in made.drawn:
            made.drawn[key] = await to_process.run_sync(
                draw, figure, form, WIDTHS[width], rows, cancellable=True, limiter=self._drawing
            )
        return made.drawn[key]


def _fresh(task: asyncio.Task[CachedReport]) -> bool:
    """Return whether a report is being computed, or was a moment ago."""
    return not task.done() or (not _failed(task) and time.monotonic() - task.result().at <= FRESH)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


# ── making ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def made_of(
    database: Database, experiment: Experiment, limit: CapacityLimiter | None = None
) -> CachedReport:
    """Return the report of an experiment with the data of its charts, computed in a thread."""
    async with database.session() as db:
        held = await facts(db, experiment)
    return await to_thread.run_sync(lambda: _shown(computed(held)), limiter=limit)


def _shown(report: Report) -> CachedReport:
    return CachedReport(report, list(shown_figures(report)))
