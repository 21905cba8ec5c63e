"""Reports and their plots, computed outside the event loop and cached until their data change."""

import asyncio
import math
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl
from anyio import CapacityLimiter, to_process, to_thread

from app.records import browse, verdicts
from app.records.database import Database
from app.records.progress import is_moving
from app.reports.facts import Facts, facts
from app.reports.figures.pressure import Dialled
from app.reports.plots import PLOTS, WIDTHS, Figures, PlottedVerdicts, Row, as_csv, draw
from app.reports.report import Report, completed, evidence_of, quick, starred
from app.reports.verdict_table import Counted
from app.statistics.accuracy import Cell
from app.statistics.contrasts import Contrast
from app.statistics.intervals import IntArray
from app.statistics.readings import Place
from app.templating import plain
from models import Experiment

KEPT = 8
"""Number of cached reports, of the experiments viewed last."""
FRESH = 5.0
"""Seconds for which the report of a running experiment is served, even if its data change."""

PlotFormat: TypeAlias = Literal["svg", "png", "csv", "json"]
Width: TypeAlias = Literal["narrow", "wide"]


@dataclass(frozen=True, slots=True)
class CachedReport:
    """A report with the rows of every plot, and the pictures drawn so far."""

    report: Report
    rows: Mapping[str, list[Row]]
    drawn: dict[tuple[str, PlotFormat, Width], bytes] = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)
    """When it was made."""


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

    async def drawn(self, experiment: Experiment, plot: str, form: PlotFormat, width: Width) -> bytes | None:
        """Return a plot as a picture, as data or as a spec; None where there is nothing to show."""
        made = await self.of(experiment)
        rows = made.rows[plot]
        if not rows:
            return None
        if form == "csv":
            return as_csv(rows)
        key = plot, form, width
        if key not in made.drawn:
            made.drawn[key] = await to_process.run_sync(
                draw, plot, form, WIDTHS[width], rows, cancellable=True, limiter=self._drawing
            )
        return made.drawn[key]


def _fresh(task: asyncio.Task[CachedReport]) -> bool:
    """Return whether a report is being computed, or was a moment ago."""
    return not task.done() or (not _failed(task) and time.monotonic() - task.result().at <= FRESH)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def made_of(
    database: Database, experiment: Experiment, limit: CapacityLimiter | None = None
) -> CachedReport:
    """Return the report of an experiment and the rows of its plots, computed in a thread."""
    async with database.session() as db:
        held = await facts(db, experiment)
        seconds = await browse.active_seconds(db, experiment.id)
    return await to_thread.run_sync(_made, held, seconds, limiter=limit)


def _made(held: Facts, seconds: Mapping[int, float]) -> CachedReport:
    evidence = evidence_of(held)
    result = completed(quick(evidence), evidence)
    figures = figures_of(result, evidence.counted, seconds)
    return CachedReport(result, {name: _shown(plot.rows(figures)) for name, plot in PLOTS.items()})


def _shown(rows: list[Row]) -> list[Row]:
    """Return rows with names as pages write them."""
    return [
        {key: plain(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows
    ]


def figures_of(result: Report, counted: Counted, seconds: Mapping[int, float]) -> Figures:
    """Return the data of the plots: the verdicts of the table, built-in baselines with a star as there. `seconds` is by judging."""
    return Figures(
        cells=[_cell(line.cell, line.names) for line in result.lines if line.cell],
        verdicts=[_plotted(place, rows, counted, result, seconds) for place, rows in counted.places.items()],
        contrasts=[_contrast(item, result.contrast_names(item)) for item in result.contrasts],
        dialled=[_dialled(item, result) for item in result.figures["candidates"]],
    )


def _dialled(item: Dialled, result: Report) -> Dialled:
    (line, judge), (arm, _) = (result.names(name, item.judge) for name in (item.line, item.arm))
    return replace(item, line=line, arm=arm, judge=judge)


def _cell(cell: Cell, names: tuple[str, str]) -> Cell:
    return replace(cell, arm=names[0], judge=names[1])


def _contrast(item: Contrast, names: tuple[str, str, str]) -> Contrast:
    return replace(item, first=names[0], second=names[1], judge=names[2])


def _plotted(
    place: Place, rows: IntArray, counted: Counted, result: Report, seconds: Mapping[int, float]
) -> PlottedVerdicts:
    (arm, judge), table = place, counted.table
    own, held = table.frame.select("play", "judge_kind")[rows], table.verdicts
    person = held.person[rows] >= 0
    spent = own["play"].replace_strict(seconds, default=None, return_dtype=pl.Float64) if seconds else None
    beliefs = table.beliefs[rows]
    return PlottedVerdicts(
        arm=starred(arm, result.arms[arm].baseline),
        judge=starred(judge, own["judge_kind"][0] == "builtin"),
        confidence=beliefs.max(axis=1),
        right=held.right[rows],
        passage=held.passage[rows],
        person=held.person[rows],
        path=table.path(rows),
        seconds=np.where(person, spent.fill_null(math.nan).to_numpy(), math.nan)
        if spent is not None
        else np.full(rows.size, math.nan),
    )
