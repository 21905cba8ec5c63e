"""The API's comparison of experiments."""

from io import StringIO
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response
from rich.console import Console

from app.errors import UserError
from app.records.database import Database
from app.report_choices import MOST
from app.reports.comparison import Comparison, comparison_of
from app.services.looking import look
from app.services.refusal import Refused
from app.services.visibility import visible
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller
from models import Account

router = APIRouter(prefix=PREFIX, responses=REFUSALS, tags=["experiments"])
WIDTH = 160
"""Columns of a comparison as text."""
Names = Annotated[
    list[Annotated[str, Query(max_length=100)]],
    Query(alias="name", max_length=MOST, description="Names of the experiments."),
]
Asked = Annotated[
    list[Annotated[str, Query(max_length=500)]],
    Query(
        alias="contrast",
        max_length=100,
        description="Two arms to compare, such as A/debate:B/debate; arms of one name unless any are given.",
    ),
]


async def _compared(request: Request, caller: Account, names: list[str], asked: list[str]) -> Comparison:
    database: Database = request.app.state.database
    names = list(dict.fromkeys(names))
    async with database.session.begin() as db:
        experiments = [await visible(db, caller, name) for name in names]
        for own in experiments:
            await look(db, caller, own, "comparison")
    try:
        return await comparison_of(database, experiments, asked, limit=request.app.state.comparing)
    except UserError as error:
        raise Refused(422, str(error)) from error


@router.get("/compare", name="api_compare", response_model=schemas.Comparison)
async def get_comparison(request: Request, caller: Caller, names: Names, asked: Asked = []) -> Response:  # noqa: B006 - FastAPI copies it
    """Experiments side by side, as `arena compare --format json` prints them."""
    made = await _compared(request, caller, names, asked)
    return Response(orjson.dumps(made.as_json()), media_type="application/json")


@router.get("/compare.txt", name="api_compare_text", response_class=PlainTextResponse)
async def get_comparison_text(
    request: Request,
    caller: Caller,
    names: Names,
    asked: Asked = [],  # noqa: B006 - FastAPI copies it
) -> PlainTextResponse:
    """The tables and their notes, as `arena compare` prints them."""
    made = await _compared(request, caller, names, asked)
    text = StringIO()
    Console(file=text, width=WIDTH).print(*(table.printed() for table in made.tables), sep="")
    return PlainTextResponse(text.getvalue() + "".join(f"{line}\n" for line in made.notes))
