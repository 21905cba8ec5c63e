"""Reports and their plots, computed outside the event loop in two stages and cached until their data change."""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from anyio import CapacityLimiter, to_process, to_thread

from app.records import verdicts
from app.records.database import Database
from app.records.progress import is_moving
from app.report_choices import Choices
from app.reports.charts import PlainRow
from app.reports.evidence import evidence_of
from app.reports.facts import facts
from app.reports.figures import every_figure, figure_named
from app.reports.plots import WIDTHS, as_csv, draw
from app.reports.report import Report, Tell, computed, quick, silent, with_figure
from app.reports.tables import ShownFigure, shown_figures
from models import Experiment

KEPT = 8
"""Number of cached reports, of the experiments viewed last."""
FRESH = 5.0
"""Seconds for which the report of a running experiment is served, even if its data change."""
PATIENCE = 1.0
"""Seconds for which a page waits for the quick figures before it opens without them."""
MOMENT = 0.3
"""Seconds for which a page with the quick figures waits for all."""

PlotFormat: TypeAlias = Literal["svg", "png", "csv", "json"]
Width: TypeAlias = Literal["narrow", "wide", "full"]


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


def shown_report(report: Report, before: CachedReport | None = None) -> CachedReport:
    """Return a report as it is shown, with the pictures of `before` that are the same."""
    made = CachedReport(report, list(shown_figures(report)))
    if before is not None:
        now, then = made.chart_rows, before.chart_rows
        same = {key: image for key, image in before.drawn.items() if now.get(key[0]) == then[key[0]]}
        made.drawn.update(same)
    return made


@dataclass(frozen=True, slots=True)
class Step:
    """What is being done for a report."""

    title: str
    number: int = 0
    """Of the figures of its stage, from 1; 0 before the first."""
    of: int = 0


LOOKING = Step("Looking for what has changed")
READING = Step("Reading the verdicts")
PREPARING = Step("Preparing the verdicts")


class Making:
    """A report that is computed: first its quick part, then the whole."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.checked = time.monotonic()
        """When its version was last found to be the present one."""
        self.step = READING
        self.first: asyncio.Future[CachedReport] = asyncio.get_running_loop().create_future()
        """The quick part."""
        self.whole: asyncio.Task[CachedReport]

    def tell(self, title: str, number: int, of: int) -> None:
        """Keep what is computed next."""
        self.step = Step(title, number, of)

    @property
    def fresh(self) -> bool:
        """Return whether it is being computed, or was a moment ago."""
        return not self.whole.done() or (
            not self.failed and time.monotonic() - self.whole.result().at <= FRESH
        )

    @property
    def failed(self) -> bool:
        """Return whether it ended without a report."""
        return self.whole.done() and (self.whole.cancelled() or self.whole.exception() is not None)


@dataclass(frozen=True, slots=True)
class Present:
    """What there is of a report at present."""

    made: CachedReport | None
    """The whole report or its quick part; None where neither is there yet."""
    step: Step | None
    """What is being done; None where the report is whole."""


class ReportCache:
    """The reports of an arena. Each is computed once for each state of its experiment, one figure at a time.

    While an experiment runs, its state changes with every move. A report that is being computed, or was
    computed a moment ago, serves all requests.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: OrderedDict[uuid.UUID, Making] = OrderedDict()
        self._finding: dict[uuid.UUID, asyncio.Task[Making]] = {}
        # Statistics use the processor: one stage or figure at a time, so that judges are served meanwhile.
        self._limit = CapacityLimiter(1)
        # Drawing holds up the process that draws: one other process does it.
        self._drawing = CapacityLimiter(1)

    async def of(self, experiment: Experiment) -> CachedReport:
        """Return the present report of an experiment, whole. While the experiment runs, it may be a few seconds old."""
        making = await self._making(experiment)
        # Other requests may wait for it too: one that goes away does not end it.
        return await asyncio.shield(making.whole)

    async def opened(self, experiment: Experiment) -> Present:
        """Return what there is of the present report of an experiment within a moment."""
        began = time.monotonic()
        # Whether anything has changed takes seconds to find out where there are a million verdicts.
        finding = asyncio.create_task(self._making(experiment))
        self._finding[experiment.id] = finding
        finding.add_done_callback(lambda task: self._found(experiment.id, task))
        await asyncio.wait({finding}, timeout=PATIENCE)
        return await self._present(finding, PATIENCE - (time.monotonic() - began), MOMENT)

    async def followed(self, experiment: Experiment) -> Present:
        """Return what there is now of the report of a page that was opened a while ago."""
        finding = self._finding.get(experiment.id)
        held = self._held.get(experiment.id)
        if finding is None and held is not None:
            return await self._so_far(held, 0, 0)
        return await self.opened(experiment) if finding is None else await self._present(finding, 0, 0)

    def _found(self, experiment: uuid.UUID, task: asyncio.Task[Making]) -> None:
        if self._finding.get(experiment) is task:
            del self._finding[experiment]

    async def _present(self, finding: asyncio.Task[Making], patience: float, moment: float) -> Present:
        if not finding.done():
            return Present(None, LOOKING)
        return await self._so_far(finding.result(), patience, moment)

    async def _so_far(self, making: Making, patience: float, moment: float) -> Present:
        """Return the whole report, or its quick part, or what is being done. Wait `patience` seconds at most for the quick part, and
        `moment` seconds more for the whole.
        """
        ends: set[asyncio.Future[CachedReport]] = {making.whole, making.first}
        await asyncio.wait(ends, timeout=max(patience, 0), return_when=asyncio.FIRST_COMPLETED)
        if making.first.done():
            await asyncio.wait({making.whole}, timeout=moment)
        if making.whole.done():
            return Present(making.whole.result(), None)
        return Present(making.first.result() if making.first.done() else None, making.step)

    async def _making(self, experiment: Experiment) -> Making:
        """Return the cached or the new computation of the present state of an experiment."""
        async with self._database.session() as db:
            moving = await is_moving(db, experiment.id)
            held = self._held.get(experiment.id)
            if held is not None and moving and held.fresh:
                return held
            # The version is read before the facts, so facts cached under a version are never older than
            # it.
            return self._at(experiment, await verdicts.version(db, experiment.id), moving)

    def _at(self, experiment: Experiment, version: str, moving: bool) -> Making:
        """Return the cached report of this version, or one that is recent enough while the experiment runs,
        or a new one.
        """
        held = self._held.get(experiment.id)
        if held is None or held.failed or not (held.version == version or (moving and held.fresh)):
            held = Making(version)
            held.whole = asyncio.create_task(self._make(experiment, held))
            self._held[experiment.id] = held
        held.checked = time.monotonic()
        self._held.move_to_end(experiment.id)
        while len(self._held) > KEPT:
            self._held.popitem(last=False)
        return held

    async def _make(self, experiment: Experiment, making: Making) -> CachedReport:
        """Compute a report. Between two figures, other reports may have their turn."""
        async with self._database.session() as db:
            held = await facts(db, experiment)
        making.step = PREPARING
        evidence = await to_thread.run_sync(evidence_of, held, limiter=self._limit)
        del held
        report = await to_thread.run_sync(quick, evidence, making.tell, limiter=self._limit)
        first = await to_thread.run_sync(shown_report, report, limiter=self._limit)
        making.first.set_result(first)
        figures = [figure for figure in every_figure() if figure.name in report.pending]
        for number, figure in enumerate(figures, start=1):
            making.tell(figure.title, number, len(figures))
            report = await to_thread.run_sync(with_figure, report, figure, evidence, limiter=self._limit)
        return await to_thread.run_sync(shown_report, report, first, limiter=self._limit)

    async def drawn(
        self, experiment: Experiment, figure: str, form: PlotFormat, width: Width
    ) -> bytes | None:
        """Return the chart of a figure as a picture, as data or as a spec; None where there is nothing to draw.

        Pictures on a page of quick figures are drawn before the slow ones are there. Data and specs wait for all.
        """
        made = await self._drawable(experiment, figure, form)
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

    async def _drawable(self, experiment: Experiment, figure: str, form: PlotFormat) -> CachedReport:
        """Return the report that a figure is drawn from."""
        if form not in ("svg", "png"):
            return await self.of(experiment)
        # A page asks for its pictures at once, when its report was just found to be the present one.
        making = self._held.get(experiment.id)
        if making is None or time.monotonic() - making.checked > FRESH:
            making = await self._making(experiment)
        declared = figure_named(figure)
        if declared is not None and not declared.slow:
            ends: set[asyncio.Future[CachedReport]] = {making.whole, making.first}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not making.whole.done():
                return making.first.result()
        return await asyncio.shield(making.whole)


async def made_of(
    database: Database, experiment: Experiment, tell: Tell = silent, choices: Choices | None = None
) -> CachedReport:
    """Return the whole report of an experiment with the data of its charts, computed in a thread."""
    async with database.session() as db:
        held = await facts(db, experiment, choices)
    return await to_thread.run_sync(lambda: shown_report(computed(held, tell)))
