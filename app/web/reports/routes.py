"""The report of an experiment: its tables, its notes and its plots, each to look at and to download."""

from typing import Annotated, Any, Literal, TypeAlias

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.records.database import Database
from app.reports.figures import every_figure, figure_named
from app.reports.page_parts import page_parts
from app.reports.plots import follows_theme
from app.reports.report import notes
from app.reports.report_cache import PlotFormat, Present, ReportCache, Width
from app.services.looking import look
from app.services.refusal import Refused
from app.services.visibility import visible
from app.statistics.scores import BELIEF_FLOOR
from app.web.render import page
from app.web.security.middleware import Who
from models import Account, Experiment

router = APIRouter()
Shown: TypeAlias = Literal["nothing", "quick"]
"""What a page shows that asks for the rest."""
TYPES: dict[PlotFormat, str] = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}


async def _asked_for(request: Request, who: Account, name: str) -> Experiment:
    """Return the experiment, whose outcomes may be seen; no connection is kept open while its report is made."""
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        found = await visible(db, who, name)
        await look(db, who, found, "report")
    return found


@router.get("/experiments/{name}/report", name="experiment_report")
async def shown(request: Request, who: Who, name: str) -> Response:
    """The report: figures of every arm and judge with what must be read beside them, and the plots."""
    found = await _asked_for(request, who, name)
    reports: ReportCache = request.app.state.reports
    return page(request, "pages/report.html", **_context(found, await reports.opened(found)))


def _context(experiment: Experiment, present: Present) -> dict[str, Any]:
    """Return what the page shows of a report: all of it, its quick figures, or only what is being done."""
    made = present.made
    return {
        "experiment": experiment,
        "report": made.report if made else None,
        "parts": page_parts(made.shown) if made else None,
        "notes": notes(made.report) if made else (),
        "pictures": None,
        "step": present.step,
        "belief_floor": BELIEF_FLOOR,
    }


@router.get("/experiments/{name}/report/progress", name="experiment_report_progress")
async def progress(
    request: Request, who: Who, name: str, shown: Annotated[Shown, Query()] = "nothing"
) -> Response:
    """What is being computed of a report; or the report, as far as it is there, if a page that shows less asks."""
    found = await _asked_for(request, who, name)
    reports: ReportCache = request.app.state.reports
    present = await reports.followed(found)
    more = present.step is None or (present.made is not None and shown == "nothing")
    fragment = "_report_part" if more else "_report_progress"
    response = page(request, f"fragments/{fragment}.html", **_context(found, present))
    if more:
        response.headers.update({"HX-Retarget": "#report", "HX-Reswap": "outerHTML"})
    return response


@router.get("/experiments/{name}/report.json", name="experiment_report_json")
async def as_json(request: Request, who: Who, name: str) -> Response:
    """Every figure of the report as a file."""
    found = await _asked_for(request, who, name)
    reports: ReportCache = request.app.state.reports
    body = orjson.dumps((await reports.of(found)).report.as_json(), option=orjson.OPT_INDENT_2)
    return Response(body, media_type=TYPES["json"], headers=_saved(f"{name}-report.json"))


def _saved(file: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file}"'}


@router.get("/experiments/{name}/plot/{figure}.{form}", name="experiment_plot")
async def plotted(
    request: Request,
    who: Who,
    name: str,
    figure: str,
    form: PlotFormat,
    width: Annotated[Width, Query()] = "wide",
    download: bool = False,
) -> Response:
    """The chart of a figure as a picture, its data as CSV, or its Vega-Lite spec as JSON."""
    found = await _asked_for(request, who, name)
    asked = figure_named(figure)
    if asked is None or asked.chart is None:
        drawn = ", ".join(one.name for one in every_figure() if one.chart)
        raise Refused(404, f"There is no such plot: take one of {drawn}.")
    reports: ReportCache = request.app.state.reports
    body = await reports.drawn(found, figure, form, width)
    if body is None:
        raise Refused(404, f"{asked.title}: there is nothing to draw. It needs {asked.needs}.")
    saved = _saved(f"{name}-{figure}.{form}") if download else None
    if form == "svg" and not download:
        body = follows_theme(body)
    return Response(body, media_type=TYPES[form], headers=saved)
