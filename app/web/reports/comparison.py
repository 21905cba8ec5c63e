"""Experiments side by side, and reports that a reader has recomputed."""

import asyncio
from typing import Annotated, Literal

from anyio import CapacityLimiter, to_process
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.errors import UserError
from app.records import browse
from app.records.database import Database
from app.report_choices import (
    MOST,
    Choices,
    Conceded,
    Excluded,
    Replaced,
    Ties,
    Unit,
    check_number,
)
from app.reports.comparison import comparison_of, pictures
from app.reports.page_parts import page_parts
from app.reports.plots import embedded_figures
from app.reports.report import notes
from app.reports.report_cache import made_of
from app.services.looking import look
from app.services.visibility import sees_only, visible
from app.statistics.scores import BELIEF_FLOOR
from app.web.render import page
from app.web.security.middleware import Who

router = APIRouter()
Names = Annotated[list[Annotated[str, Query(max_length=100)]], Query(max_length=MOST)]


@router.get("/experiments/compare", name="experiment_compare")
async def compare(request: Request, who: Who, name: Names = []) -> Response:  # noqa: B006 - FastAPI copies it
    """Several experiments in one table and plot, contrasts on common questions, and what differs between their specs."""
    database: Database = request.app.state.database
    names = list(dict.fromkeys(name))
    async with database.session.begin() as db:
        listed = await browse.experiments(db, owner=sees_only(who), search="", number=1)
        chosen = [await visible(db, who, own) for own in names]
        for own in chosen:
            await look(db, who, own, "comparison")
    made, sentence = None, ""
    drawn: dict[str, str] = {}
    try:
        if names:
            check_number(names)
            limit: CapacityLimiter = request.app.state.comparing
            made = await comparison_of(database, chosen, limit=limit)
            drawn = await asyncio.to_thread(pictures, made)
    except UserError as error:
        sentence = str(error)
    shown = [row.experiment.name for row in listed.rows]
    return page(
        request,
        "pages/experiments_compare.html",
        offered=[*(own for own in names if own not in shown), *shown],
        chosen=names,
        made=made,
        most=MOST,
        sentence=sentence,
        pictures=drawn,
    )


@router.get("/experiments/{name}/report/recomputed", name="experiment_recomputed")
async def recomputed(
    request: Request,
    who: Who,
    name: str,
    unit: Unit = Unit.QUESTION,
    ties: Ties = Ties.HALF,
    conceded: Conceded = Conceded.KEPT,
    excluded: Excluded = Excluded.LEFT_OUT,
    replaced: Replaced = Replaced.KEPT,
    contrasts: Literal["named", "all"] = "named",
) -> Response:
    """The whole report by other rules, with its plots in it."""
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        found = await visible(db, who, name)
        await look(db, who, found, "report")
    choices = Choices(
        unit, ties, conceded, every_contrast=contrasts == "all", excluded=excluded, replaced=replaced
    )
    limit: CapacityLimiter = request.app.state.comparing
    async with limit:
        made = await made_of(database, found, choices=choices)
        drawn = await to_process.run_sync(embedded_figures, dict(made.chart_rows), cancellable=True)
    return page(
        request,
        "pages/report_recomputed.html",
        experiment=found,
        report=made.report,
        parts=page_parts(made.shown),
        notes=notes(made.report),
        pictures=drawn,
        choices=choices,
        belief_floor=BELIEF_FLOOR,
    )
