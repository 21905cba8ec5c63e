"""Query parameters that pages and API share."""

from typing import Annotated

from fastapi import Depends, Query

from app.exchange.choices import Orders, PairShape, PairSource, Part
from app.exchange.options import Options

PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]
Search = Annotated[str, Query(max_length=200)]


def export_options(
    include_passages: Annotated[
        bool, Query(description="Write the hidden texts into transcripts, pairs, logs and data sets.")
    ] = False,
    without: Annotated[list[Part], Query(description="What is left out.")] = [],  # noqa: B006 - never changed
    arm: Annotated[list[str], Query(max_length=100, description="Only these arms.")] = [],  # noqa: B006
    judge: Annotated[list[str], Query(max_length=100, description="Only these judges, or `people`.")] = [],  # noqa: B006
    pairs: Annotated[list[PairSource], Query(description="preferences: where pairs come from.")] = [],  # noqa: B006
    shape: Annotated[
        PairShape, Query(description="preferences: texts as lists of messages, or plain.")
    ] = PairShape.CONVERSATIONAL,
    margin: Annotated[
        float, Query(ge=0, le=1, description="preferences: least difference of the scores.")
    ] = 0.0,
    orders: Annotated[
        Orders, Query(description="weak-labels: how a judge's verdicts on a question become one label.")
    ] = Orders.MEAN,
) -> Options:
    """Return the choices of an export."""
    return Options(
        include_passages=include_passages,
        without=frozenset(without),
        arms=frozenset(arm),
        judges=frozenset(judge),
        sources=frozenset(pairs or PairSource),
        shape=shape,
        least_margin=margin,
        orders=orders,
    )


ExportOptions = Annotated[Options, Depends(export_options)]
